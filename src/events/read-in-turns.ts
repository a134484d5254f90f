/*
 * All records of a compacted topic, such as the rows of a projection, without holding the event loop however many there are.
 */
import { type Clock } from '../base/clock.ts'
import { Pace } from '../log/pace.ts'
import { type PartitionLog } from '../log/partition-log.ts'
import { type LogRecord } from '../log/record.ts'
import { type RecordCodecs } from '../log/record-input.ts'

const SLICE_MS = 5
/** Records between two looks at the clock. */
const LOOK_EVERY = 64

/** Who takes the records. */
export interface TurnTaker<K, V> {
  /** Called before the first record, and again when reading begins anew. */
  begin(): void
  take(record: LogRecord<K, V>): void
}

/**
 * Reads from the first record to the end as it is, in slices of some milliseconds. What fits into one is read at once.
 *
 * A compaction that comes in between may take the record that says that an earlier one was deleted: reading begins anew then.
 */
export async function readInTurns<K, V>(
  partition: PartitionLog, codecs: RecordCodecs<K, V>, clock: Clock, taker: TurnTaker<K, V>,
): Promise<void> {
  for (;;) {
    const { size, nextOffset } = partition
    const pace = new Pace(clock, new AbortController().signal, SLICE_MS)
    let left = LOOK_EVERY
    let turned = false
    taker.begin()
    for (const record of partition.read(codecs)) {
      taker.take(record)
      if (--left > 0) continue
      left = LOOK_EVERY
      if (!pace.over) continue
      turned = true
      await pace.breathe()
    }
    if (!turned || (partition.size === size && partition.nextOffset === nextOffset)) return
  }
}
