/*
 * A record as a reader gets it: its place in a batch, decoded when asked. Fields of a scan that nobody looks at cost nothing.
 *
 * The class has a stable shape and TypeScript's `private` on purpose: private names cost a tenth of a scan. Layout: format/record.ts.
 */
import { isUtf8 } from 'node:buffer'
import { type InspectOptions } from 'node:util'
import { assert } from '../base/assert.ts'
import { isLogError, LogError } from '../base/errors.ts'
import { type Inspect, INSPECT, inspected } from '../base/inspect.ts'
import { type TimestampType } from '../format/batch.ts'
import { type RecordCodecs } from './record-input.ts'
import { type Window } from './windows.ts'

/** Headers in the order they were written, with duplicates; a value is null or a view of the record's bytes. */
export type RecordHeaders = readonly (readonly [name: string, value: Buffer | null])[]

/** Finds a record's bytes again after the memory they were in was used for something else. */
export interface RecordSource<K, V> {
  readonly topic: string
  readonly partition: number
  /** The batch and place of the record at `offset`. Throws LOG_RECORD_GONE when it is not there any more. */
  locate(offset: number): { readonly batch: BatchView<K, V>; readonly at: number; readonly end: number }
}

/** What the records of one batch share. */
export class BatchView<K, V> {
  readonly source: RecordSource<K, V>
  readonly codecs: RecordCodecs<K, V>
  readonly buffer: Buffer
  readonly baseTimestamp: number
  /** The time of the append when the log stamped the batch; undefined when records carry their own. */
  readonly appendTime: number | undefined
  readonly leaderEpoch: number
  /** The memory that `buffer` is, when that may be used again; its generation when this view was made. */
  readonly window: Window | undefined
  readonly generation: number

  constructor(
    source: RecordSource<K, V>, codecs: RecordCodecs<K, V>, buffer: Buffer, baseTimestamp: number, appendTime: number | undefined,
    leaderEpoch: number, window: Window | undefined,
  ) {
    this.source = source
    this.codecs = codecs
    this.buffer = buffer
    this.baseTimestamp = baseTimestamp
    this.appendTime = appendTime
    this.leaderEpoch = leaderEpoch
    this.window = window
    this.generation = window === undefined ? 0 : window.generation
  }
}

/** Where the last varint read by `varint` ended. */
let place = 0

/** One record of a partition. Key, value and headers are decoded each time they are asked for. */
export class LogRecord<K, V> {
  /** The record's number in its partition. */
  readonly offset: number
  private batch: BatchView<K, V>
  private at: number
  private end: number

  /** @internal */
  constructor(batch: BatchView<K, V>, offset: number, at: number, end: number) {
    this.batch = batch
    this.offset = offset
    this.at = at
    this.end = end
  }

  get topic(): string {
    return this.batch.source.topic
  }

  get partition(): number {
    return this.batch.source.partition
  }

  /** Milliseconds since 1970; −1 when the producer gave none. */
  get timestamp(): number {
    if (this.batch.appendTime !== undefined) return this.batch.appendTime
    const buffer = this.bytes()
    return this.batch.baseTimestamp + varlong(buffer, this.at + 1)
  }

  get timestampType(): TimestampType {
    return this.batch.appendTime === undefined ? 'CreateTime' : 'LogAppendTime'
  }

  /** Epoch of the writer that appended the record. */
  get leaderEpoch(): number {
    return this.batch.leaderEpoch
  }

  /** The decoded key, null when there is none. Throws LogError `LOG_DECODE_FAILED`, as `value` does; `keyBytes` does not. */
  get key(): K | null {
    const buffer = this.bytes()
    const size = varint(buffer, this.keyAt(buffer))
    if (size === -1) return null
    const from = this.sized(size)
    if (this.batch.codecs.key.views === true) this.escape()
    try {
      return this.batch.codecs.key.decode(buffer, from, from + size)
    } catch (error) {
      throw this.undecodable('key', size, error)
    }
  }

  /** The decoded value, null for a tombstone. Throws LogError `LOG_DECODE_FAILED` for bytes that the topic's codec did not write. */
  get value(): V | null {
    const buffer = this.bytes()
    const size = varint(buffer, this.valueAt(buffer))
    if (size === -1) return null
    const from = this.sized(size)
    if (this.batch.codecs.value.views === true) this.escape()
    try {
      return this.batch.codecs.value.decode(buffer, from, from + size)
    } catch (error) {
      throw this.undecodable('value', size, error)
    }
  }

  /** The key's bytes as they are stored: a view. */
  get keyBytes(): Buffer | null {
    const buffer = this.bytes()
    return this.view(buffer, this.keyAt(buffer))
  }

  /** The value's bytes as they are stored: a view. */
  get valueBytes(): Buffer | null {
    const buffer = this.bytes()
    return this.view(buffer, this.valueAt(buffer))
  }

  /** The record's headers: names as strings, values as views. */
  get headers(): RecordHeaders {
    const buffer = this.bytes()
    const valueSize = varint(buffer, this.valueAt(buffer))
    const count = varint(buffer, valueSize === -1 ? place : this.sized(valueSize) + valueSize)
    if (count < 0 || count > this.end - place) throw this.corrupt()
    const headers: [string, Buffer | null][] = []
    for (let at = place, left = count; left > 0; left--, at = place) {
      const nameSize = varint(buffer, at)
      const nameAt = this.sized(nameSize)
      const name = buffer.toString('utf8', nameAt, nameAt + nameSize)
      headers.push([name, this.view(buffer, nameAt + nameSize)])
    }
    return headers
  }

  /** The value of the last header called `name`; undefined when there is none. */
  header(name: string): Buffer | null | undefined {
    const { headers } = this
    for (let index = headers.length - 1; index >= 0; index--) if (headers[index]![0] === name) return headers[index]![1]
    return undefined
  }

  /** Copies the record's bytes, so that it no longer depends on memory it shares or on its partition, and gives the record. */
  detach(): this {
    const bytes = Buffer.from(this.bytes().subarray(this.at, this.end))
    const { source, codecs, baseTimestamp, appendTime, leaderEpoch } = this.batch
    this.batch = new BatchView(source, codecs, bytes, baseTimestamp, appendTime, leaderEpoch, undefined)
    this.at = 0
    this.end = bytes.length
    return this
  }

  /** @internal A copy of the batch's bytes from this record up to `last`, one that was taken from the batch with it. */
  copyThrough(last: LogRecord<K, V>): Buffer {
    assert(this.batch === last.batch, 'records are copied together that lie in one batch')
    const bytes = this.bytes()
    const copy = Buffer.allocUnsafeSlow(last.end - this.at)
    bytes.copy(copy, 0, this.at, last.end)
    return copy
  }

  /** @internal Where the record begins, behind the length in front of it, in what `first.copyThrough` gave. */
  startBehind(first: LogRecord<K, V>): number {
    return this.at - first.at
  }

  /** @internal Where it ends there. */
  endBehind(first: LogRecord<K, V>): number {
    return this.end - first.at
  }

  /** @internal A copy of the record's bytes as they are stored, behind the length in front of them. */
  copyBytes(): Buffer {
    return Buffer.from(this.bytes().subarray(this.at, this.end))
  }

  /**
   * What `JSON.stringify` writes of the record: key and value as they are decoded, so that JSON does with them what it does (a Buffer becomes
   * `{ type: 'Buffer', data }`, a bigint is refused); values of headers as text where they are UTF-8, else as Buffers. What cannot be decoded
   * is `{ undecodable, reason }`, its bytes in base64.
   */
  toJSON(): {
    readonly topic: string
    readonly partition: number
    readonly offset: number
    readonly timestamp: number
    readonly key: K | { readonly undecodable: string; readonly reason: string } | null
    readonly value: V | { readonly undecodable: string; readonly reason: string } | null
    readonly headers: readonly (readonly [name: string, value: string | Buffer | null])[]
  } {
    const { topic, partition, offset, timestamp, headers } = this
    const key = orBytes(() => this.key, () => this.keyBytes)
    const value = orBytes(() => this.value, () => this.valueBytes)
    return { topic, partition, offset, timestamp, key, value, headers: headers.map(([name, bytes]) => [name, readable(bytes)]) }
  }

  /** @internal Prints the fields of `toJSON`; in place of one that cannot be read, why. */
  [INSPECT](depth: number | null, options: InspectOptions, inspect: Inspect): string {
    const { topic, partition, offset } = this
    return inspected('LogRecord', () => ({
      topic, partition, offset, timestamp: orError(() => this.timestamp), key: orError(() => this.key), value: orError(() => this.value),
      headers: orError(() => this.headers.map(([name, bytes]) => [name, readable(bytes)])),
    }), depth, options, inspect)
  }

  /** The memory that holds the record, read again when it was used for something else since. */
  private bytes(): Buffer {
    const { window } = this.batch
    if (window !== undefined && window.generation !== this.batch.generation) {
      const found = this.batch.source.locate(this.offset)
      // Another epoch: the log was cut, and what has this offset now is another record.
      if (found.batch.leaderEpoch !== this.batch.leaderEpoch) throw recordGone(this)
      this.batch = found.batch
      this.at = found.at
      this.end = found.end
    }
    return this.batch.buffer
  }

  private escape(): void {
    if (this.batch.window !== undefined) this.batch.window.escaped = true
  }

  private keyAt(buffer: Buffer): number {
    return skipVarint(buffer, skipVarint(buffer, this.at + 1))
  }

  private valueAt(buffer: Buffer): number {
    const size = varint(buffer, this.keyAt(buffer))
    return size === -1 ? place : this.sized(size) + size
  }

  /** The place behind the size just read, if that many bytes are left in the record. */
  private sized(size: number): number {
    if (size < 0 || size > this.end - place) throw this.corrupt()
    return place
  }

  private view(buffer: Buffer, at: number): Buffer | null {
    const size = varint(buffer, at)
    if (size === -1) return null
    const from = this.sized(size)
    place = from + size
    this.escape()
    return buffer.subarray(from, from + size)
  }

  /** Which record a codec failed at; it knows only bytes. */
  private undecodable(part: 'key' | 'value', size: number, error: unknown): unknown {
    if (isLogError(error) && error.code !== 'LOG_DECODE_FAILED') return error
    const { topic, partition, offset } = this
    const { detail, cause } = isLogError(error) ? error : { detail: { codec: this.batch.codecs[part].name, size }, cause: error }
    const reason = error instanceof Error ? error.message : String(error)
    const message = `the ${part} of record ${offset} of ${topic}-${partition} cannot be decoded: ${reason}`
    return new LogError('LOG_DECODE_FAILED', message, { ...detail, topic, partition, offset, part }, cause)
  }

  private corrupt(): LogError {
    const { topic, partition, offset } = this
    return new LogError('LOG_BATCH_CORRUPT', `record ${offset} of ${topic}-${partition} is malformed inside its batch`, { topic, partition, offset })
  }
}

/** What a record is asked for in vain: its bytes, once it was cut away. */
export function recordGone({ topic, partition, offset }: { readonly topic: string; readonly partition: number; readonly offset: number }): LogError {
  return new LogError('LOG_RECORD_GONE', `record ${offset} of ${topic}-${partition} is not there any more`, { offset })
}

function readable(bytes: Buffer | null): string | Buffer | null {
  return bytes !== null && isUtf8(bytes) ? bytes.toString() : bytes
}

/** What `field` gives, or the bytes that it cannot be made of. */
function orBytes<T>(field: () => T, bytes: () => Buffer | null): T | { readonly undecodable: string; readonly reason: string } {
  try {
    return field()
  } catch (error) {
    if (!isLogError(error, 'LOG_DECODE_FAILED')) throw error
    return { undecodable: bytes()!.toString('base64'), reason: error.message }
  }
}

/** What `field` gives or throws: printing a record throws nothing. */
function orError(field: () => unknown): unknown {
  try {
    return field()
  } catch (error) {
    return error instanceof Error ? `${error.name}: ${error.message}` : error
  }
}

/** Reads a zig-zag varint and leaves the place behind it in `place`. Lengths are checked by who uses them. */
function varint(buffer: Buffer, at: number): number {
  let byte = buffer[at++]!
  let bits = byte & 0x7f
  for (let shift = 7; byte >= 0x80 && shift < 35; shift += 7) {
    byte = buffer[at++]!
    bits |= (byte & 0x7f) << shift
  }
  place = at
  return (bits >>> 1) ^ -(bits & 1)
}

function varlong(buffer: Buffer, at: number): number {
  let scale = 1
  let bits = 0
  let byte = buffer[at++]!
  const odd = byte & 1
  bits = (byte & 0x7f) >>> 1
  scale = 0x40
  while (byte >= 0x80 && scale < 2 ** 63) {
    byte = buffer[at++]!
    bits += (byte & 0x7f) * scale
    scale *= 0x80
  }
  return odd === 1 ? -bits - 1 : bits
}

function skipVarint(buffer: Buffer, at: number): number {
  while (buffer[at++]! >= 0x80);
  return at
}
