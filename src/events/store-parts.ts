/*
 * What projections, reactors and forgetting need of a store beyond what its users see: its log and partition, and events read at once.
 */
import { type Clock } from '../base/clock.ts'
import { type PartitionLog } from '../log/partition-log.ts'
import { type RecordCodecs } from '../log/record-input.ts'
import { type LogCore } from '../topics/log-core.ts'
import { EventParser, FORGETS } from './event-format.ts'
import { LocalEventStore } from './event-store.ts'
import { StoredEvent } from './stored-event.ts'
import { type StreamCore } from './stream-core.ts'
import { type EventShape, type EventStore, type RecordedEvent } from './types.ts'

/** The inside of a store. */
export interface StoreParts<E extends EventShape = EventShape> {
  readonly store: LocalEventStore<E>
  readonly core: StreamCore
  readonly log: LogCore
  readonly partition: PartitionLog
  readonly clock: Clock
}

const untouched: RecordCodecs<null, null> = {
  key: { name: 'bytes', encode: () => {}, decode: () => null },
  value: { name: 'bytes', encode: () => {}, decode: () => null },
}

/** The inside of a store that `eventStore` opened. */
export function partsOf<E extends EventShape>(store: EventStore<E>): StoreParts<E> {
  if (!(store instanceof LocalEventStore)) throw new TypeError('this takes a store that eventStore opened')
  const { core } = store as LocalEventStore<E>
  return { store, core, log: core.logCore, partition: core.log, clock: core.logCore.env.clock }
}

/** The events from a position on that readers may see, at once: what lies in memory is read without a file. Not those of the store itself. */
export function* eventsSince<E extends EventShape>(
  { partition, core: { types, index }, store }: StoreParts<E>, position: number,
): Iterable<RecordedEvent<E>> {
  const parser = new EventParser()
  for (const record of partition.read(untouched, { from: Math.max(position, partition.startOffset) })) {
    const buffer = record.copyBytes()
    if (!parser.parse(buffer, 0, buffer.length) || (parser.flags & FORGETS) !== 0 || index.isForgotten(buffer, parser)) continue
    const type = types.at(buffer, parser.typeAt, parser.typeEnd)
    if (!type.startsWith('$')) yield new StoredEvent(store.types, type, record.offset, buffer, parser) as unknown as RecordedEvent<E>
  }
}
