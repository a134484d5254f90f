/*
 * Walks over the records of a partition of a cluster: what a fetcher brought is handed out, what it has not brought yet is waited for. It is to
 * a consumer what log/cursor.ts is for a log in this process.
 */
import { type LogRecord, recordGone, type RecordSource } from '../log/record.ts'
import { type RecordCodecs } from '../log/record-input.ts'
import { type AbortedRange } from './aborted.ts'
import { Fetched } from './fetched.ts'

/** Whom a cursor gets its records from. */
export interface RecordSupply {
  /** Something of it was handed out, or it wants to go on somewhere else. */
  wanted(): void
  closed(cursor: RemoteCursor<never, never>): void
}

/** A walk over the records of one partition. */
export class RemoteCursor<K, V> implements RecordSource<K, V> {
  readonly topic: string
  readonly partition: number
  /** Offset of the next record to hand out. */
  position: number
  /** Exclusive; its owner may move it on. */
  end: number
  /** There should be more, and it is not here yet: call `fill`. */
  blocked = false
  /** Where the next answer goes on. */
  fetchFrom: number
  /** Bytes that are here and not handed out. */
  buffered = 0
  /** Another place was asked for: what is on its way is of no use. */
  generation = 0
  failure: unknown
  private readonly codecs: RecordCodecs<K, V>
  private readonly supply: RecordSupply
  private fetched: Fetched<K, V>[] = []
  /** Taken already, and not before `end`. */
  private held: LogRecord<K, V>[] = []
  private waiting: (() => void)[] = []
  private closed = false
  private keeper: ((record: LogRecord<K, V>) => void) | undefined

  constructor(
    place: { readonly topic: string; readonly partition: number; readonly from: number; readonly end: number }, codecs: RecordCodecs<K, V>,
    supply: RecordSupply,
  ) {
    this.topic = place.topic
    this.partition = place.partition
    this.position = place.from
    this.fetchFrom = place.from
    this.end = place.end
    this.codecs = codecs
    this.supply = supply
  }

  /** The next record before `end` that is here. */
  take(): LogRecord<K, V> | undefined {
    return this.next()
  }

  /** The records of the next batch, as far as they are before `end`. */
  takeBatch(): LogRecord<K, V>[] {
    const first = this.next()
    if (first === undefined) return []
    const rest = this.held.length > 0 ? this.held : (this.fetched[0]?.restOfBatch() ?? [])
    const count = rest.findIndex(({ offset }) => offset >= this.end)
    const records = [first, ...(count === -1 ? rest : rest.slice(0, count))]
    this.held = count === -1 ? [] : rest.slice(count)
    this.position = records[records.length - 1]!.offset + 1
    return records
  }

  /** Shows `keep` every record that is handed out. */
  keep(keep: (record: LogRecord<K, V>) => void): void {
    this.keeper = keep
  }

  extend(end: number): void {
    this.end = end
  }

  /** Goes on at `offset`. */
  seek(offset: number): void {
    this.generation++
    this.position = offset
    this.fetchFrom = offset
    this.fetched = []
    this.held = []
    this.buffered = 0
    this.failure = undefined
    this.supply.wanted()
  }

  /** Resolves when something came; rejects with what reading fails with. */
  async fill(): Promise<void> {
    this.supply.wanted()
    if (this.failure === undefined && this.fetched.length === 0 && !this.closed) await new Promise<void>((resolve) => this.waiting.push(resolve))
    this.blocked = false
    if (this.failure !== undefined) throw this.failure
  }

  close(): void {
    if (this.closed) return
    this.closed = true
    this.tell()
    this.supply.closed(this as unknown as RemoteCursor<never, never>)
  }

  /** What is here can be read for as long as the record is: its memory is its own. */
  locate(offset: number): never {
    throw recordGone({ topic: this.topic, partition: this.partition, offset })
  }

  // Of its supply

  /** An answer came. Nothing in it: the partition has no more just now. */
  deliver(records: Buffer | null, next: number, aborted: readonly AbortedRange[] | undefined): void {
    if (records !== null && records.length > 0) {
      this.fetched.push(new Fetched<K, V>(this, this.codecs, records, this.fetchFrom, aborted))
      this.buffered += records.length
      this.fetchFrom = next
    }
    this.tell()
  }

  fail(error: unknown): void {
    this.failure = error
    this.tell()
  }

  private tell(): void {
    for (const resolve of this.waiting.splice(0)) resolve()
  }

  private next(): LogRecord<K, V> | undefined {
    const record = this.held.shift() ?? this.ahead()
    if (record === undefined) {
      this.blocked = this.position < this.end
      return undefined
    }
    if (record.offset >= this.end) {
      this.held.unshift(record)
      this.blocked = false
      return undefined
    }
    this.position = record.offset + 1
    this.keeper?.(record)
    return record
  }

  private ahead(): LogRecord<K, V> | undefined {
    for (let fetched = this.fetched[0]; fetched !== undefined; fetched = this.fetched[0]) {
      const record = fetched.take()
      if (record !== undefined) return record
      // What readers do not get was passed over.
      if (fetched.position > this.position) this.position = fetched.position
      this.fetched.shift()
      this.buffered -= fetched.size
      this.supply.wanted()
    }
    return undefined
  }
}
