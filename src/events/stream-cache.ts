/*
 * Streams that were read lately, with the bytes of their events: reading one again costs no file. Bounded in bytes; what was not used for
 * longest goes first. Exact, since there is one writer: an entry counts only as long as the head of its stream is the event that it ends with.
 */
import { KeptData } from './kept-data.ts'
import { type EventReading, type StoredEvent } from './stored-event.ts'

/** Memory of an event beside its bytes. */
const EVENT_OVERHEAD = 160
/** One stream takes at most this part of it. */
const PART = 8

/** How many of the streams that were read last are known, to tell those that are read again. */
const READ_LATELY = 4096

/** A stream in memory. */
class CachedStream {
  /** Position of its last event. */
  readonly offset: number
  readonly events: readonly StoredEvent[]
  bytes: number
  /** What its events say is kept too, or would be too much. */
  keepsData = false

  constructor(offset: number, events: readonly StoredEvent[], bytes: number) {
    this.offset = offset
    this.events = events
    this.bytes = bytes
  }

  /** First and last version that it holds. */
  get from(): number {
    return this.events[0]!.version
  }

  get version(): number {
    return this.events[this.events.length - 1]!.version
  }

  at(version: number): StoredEvent {
    return this.events[version - this.events[0]!.version]!
  }
}

/** The streams in memory, by their number. */
export class StreamCache {
  readonly limit: number
  bytes = 0
  private readonly streams = new Map<number, CachedStream>()
  /** Streams that were read lately: keeping what is read once would only push out what is read often. */
  private readonly lately = new Int32Array(READ_LATELY).fill(-1)

  /** @param limit  bytes; 0 keeps nothing */
  constructor(limit: number) {
    this.limit = limit
  }

  /** Versions `low` to `high` of a stream whose last event is at `offset`, when they are here. */
  find(slot: number, offset: number, low: number, high: number, reading: EventReading): StoredEvent[] | undefined {
    const stream = this.streams.get(slot)
    if (stream === undefined || stream.offset !== offset || stream.from > low) return undefined
    this.streams.delete(slot)
    this.streams.set(slot, stream)
    if (!stream.keepsData && KeptData.isFor(reading.codec)) this.keepData(stream)
    const events: StoredEvent[] = new Array(high - low + 1)
    for (let version = low; version <= high; version++) events[version - low] = stream.at(version).again(reading)
    return events
  }

  /** What is here of a stream, if that ends at or below a version. */
  below(slot: number, version: number): CachedStream | undefined {
    const stream = this.streams.get(slot)
    return stream !== undefined && stream.version <= version ? stream : undefined
  }

  /** Keeps the last events of a stream, the newest of which is at `offset`, when it is not read for the first time. */
  keep(slot: number, offset: number, events: readonly StoredEvent[]): void {
    const place = slot % READ_LATELY
    if (this.lately[place] !== slot) {
      this.lately[place] = slot
      return
    }
    let bytes = 0
    for (const event of events) bytes += event.byteLength + event.keptBytes + EVENT_OVERHEAD
    if (events.length === 0 || bytes > this.limit / PART) return
    const before = this.streams.get(slot)
    if (before !== undefined) this.drop(slot, before)
    this.streams.set(slot, new CachedStream(offset, events.map((event) => event.again(event.reading)), bytes))
    this.bytes += bytes
    this.makeRoom()
  }

  clear(): void {
    this.streams.clear()
    this.bytes = 0
  }

  /** A stream that is read from here is likely to be read again: what its events say is decoded once. */
  private keepData(stream: CachedStream): void {
    stream.keepsData = true
    let bytes = 0
    for (const { valueAt, valueEnd, keptBytes } of stream.events) if (keptBytes === 0) bytes += KeptData.memoryOf(valueEnd - valueAt)
    if (stream.bytes + bytes > this.limit / PART) return
    for (const event of stream.events) event.keepData()
    stream.bytes += bytes
    this.bytes += bytes
    this.makeRoom()
  }

  private makeRoom(): void {
    for (const [oldest, stream] of this.streams) {
      if (this.bytes <= this.limit) break
      this.drop(oldest, stream)
    }
  }

  private drop(slot: number, stream: CachedStream): void {
    this.streams.delete(slot)
    this.bytes -= stream.bytes
  }
}
