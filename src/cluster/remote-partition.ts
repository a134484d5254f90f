/*
 * A partition of a cluster as consumers of a log read partitions: its ends as they were told last, and cursors over its records. What is known
 * here of a partition in this process and not of one in a cluster (epochs, files) is answered as for a log that was never cut.
 */
import { LogError } from '../base/errors.ts'
import { type Isolation, type PartitionLog } from '../log/partition-log.ts'
import { type LogRecord } from '../log/record.ts'
import { type RecordCodecs } from '../log/record-input.ts'
import { type FoundTimestamp } from '../log/timestamps.ts'
import { RemoteCursor, type RecordSupply } from './remote-cursor.ts'

/** What is used of a partition by those who read it: the rest of {@link PartitionLog} is for those who have its files. */
type ReadSide = Pick<
  PartitionLog, 'topic' | 'partition' | 'startOffset' | 'nextOffset' | 'highWatermark' | 'lastStableOffset' | 'leaderEpoch' | 'state'
>

/** The ends of a partition. */
export interface Ends {
  readonly startOffset: number
  readonly highWatermark: number
  readonly lastStableOffset: number
}

/** A cluster tells no epochs of what was committed, so nothing was ever cut. */
const EPOCH = -1
const epochs = {
  divergence: ({ offset }: { readonly epoch: number; readonly offset: number }, _end: number): number => offset,
  epochAt: (_offset: number): number | undefined => undefined,
}

/** A partition, read by one consumer. */
export class RemotePartition implements ReadSide {
  readonly topic: string
  readonly partition: number
  readonly leaderEpoch = EPOCH
  readonly epochs = epochs
  startOffset = 0
  highWatermark = 0
  lastStableOffset = 0
  /** The one that is read with, by whoever reads it. */
  cursor: RemoteCursor<unknown, unknown> | undefined
  state: 'open' | 'closed' = 'open'
  /** Its records are kept until they are `forgotten`, to be read again by `read`. */
  keeps = false
  #kept: LogRecord<unknown, unknown>[] = []
  readonly #supply: RecordSupply
  readonly #timestamps = new Map<string, number | undefined>()
  readonly #listeners = new Set<() => void>()
  #failure: LogError | undefined

  constructor(topic: string, partition: number, supply: RecordSupply) {
    this.topic = topic
    this.partition = partition
    this.#supply = supply
  }

  /** Itself, as what consumers take it for: of a partition in this process they use no more than what is here. */
  get asLog(): PartitionLog {
    return this as unknown as PartitionLog
  }

  /** Beyond the watermark there may be more, and nobody here knows. */
  get nextOffset(): number {
    return this.highWatermark
  }

  /** Throws when it is there no more. */
  checkOpen(): void {
    if (this.#failure !== undefined) throw this.#failure
  }

  /** It is not, or not any more, in the cluster. */
  gone(error: LogError): void {
    this.#failure = error
    this.state = 'closed'
    this.#tell()
  }

  /** In a process beside a writer this learns of news; here they come by themselves. */
  lookAgain(): void {}

  /** A walk over the records from an offset on. */
  follow<K, V>(
    codecs: RecordCodecs<K, V>, { from, isolation = 'read_committed' }: { readonly from: number; readonly isolation?: Isolation },
  ): RemoteCursor<K, V> {
    const { topic, partition } = this
    const end = isolation === 'read_committed' ? this.lastStableOffset : this.highWatermark
    const cursor = new RemoteCursor<K, V>({ topic, partition, from, end }, codecs, this.#supply)
    this.cursor = cursor as RemoteCursor<unknown, unknown>
    if (this.keeps) cursor.keep((record) => this.#kept.push(record as LogRecord<unknown, unknown>))
    this.#supply.wanted()
    return cursor
  }

  /** Records that were read and kept, again. */
  read<K, V>(_codecs: RecordCodecs<K, V>, { from, to }: { readonly from: number; readonly to?: number }): {
    take(): LogRecord<K, V> | undefined
    close(): void
  } {
    const found = this.#kept.filter(({ offset }) => offset >= from && offset < (to ?? Infinity)) as LogRecord<K, V>[]
    return { take: () => found.shift(), close() {} }
  }

  /** Nobody will ask for records below `offset` any more. */
  forget(offset: number): void {
    this.#kept = this.#kept.filter((record) => record.offset >= offset)
  }

  onProgress(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  /** What the cluster told of its ends. */
  learn({ startOffset, highWatermark, lastStableOffset }: Ends): void {
    const moved = highWatermark !== this.highWatermark || lastStableOffset !== this.lastStableOffset
    this.startOffset = startOffset
    this.highWatermark = highWatermark
    this.lastStableOffset = lastStableOffset
    if (moved) this.#tell()
  }

  /** What the cluster told of the first record at or after a time: undefined for none. */
  learnTimestamp(timestamp: number, isolation: Isolation, offset: number | undefined): void {
    this.#timestamps.set(`${isolation} ${timestamp}`, offset)
  }

  /** @throws LogError `LOG_CLUSTER_UNSUPPORTED` for a time that nobody asked the cluster about */
  offsetForTimestamp(timestamp: number, isolation: Isolation = 'read_committed'): FoundTimestamp | undefined {
    const key = `${isolation} ${timestamp}`
    if (!this.#timestamps.has(key)) {
      const message = `${this.topic}-${this.partition}: where a time is must be asked first, in a cluster: as \`from\``
      throw new LogError('LOG_CLUSTER_UNSUPPORTED', message, { topic: this.topic, partition: this.partition, timestamp })
    }
    const offset = this.#timestamps.get(key)
    return offset === undefined ? undefined : { offset, timestamp, leaderEpoch: EPOCH }
  }

  #tell(): void {
    for (const listener of [...this.#listeners]) listener()
  }
}
