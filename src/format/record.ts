/*
 * One record inside a batch: key, value and headers behind their lengths, offset and timestamp as distances from the batch's own. Here
 * are the layout, sizes, writer, and a reader that believes no length. What surrounds records is batch.ts; what a caller of the log
 * holds is log/record.ts. Spec: docs/format.md#record.
 *
 *   size            varint    bytes of everything behind this field: the body
 *   attributes      int8      0
 *   timestampDelta  varlong   from the batch's baseTimestamp; may be negative
 *   offsetDelta     varint    from the batch's baseOffset
 *   keySize         varint    -1 = null     then the key
 *   valueSize       varint    -1 = null     then the value
 *   headerCount     varint                  per header: nameSize varint, name in UTF-8, valueSize varint (-1 = null), value
 */
import { putVarint, putVarlong, varintSize, varlongSize } from '../base/bytes.ts'
import { LogError } from '../base/errors.ts'

/** A header as it is written: a name and a value or null. Names may repeat. */
export type HeaderInput = readonly [name: string, value: Uint8Array | null]

/** A header as it was read. */
export type RecordHeader = readonly [name: string, value: Buffer | null]

/** Bytes of the smallest record there is: no batch holds more records than its bytes divided by this. */
export const SMALLEST_RECORD = 7

/** How the size of a null key or value is told to {@link recordBodySize}. */
export const NULL_SIZE = -1

const NO_HEADERS: readonly RecordHeader[] = []
const MAX_HEADER_OVERHEAD = 2 // bytes of an empty header: two sizes

/** Bytes that a key, a value or a header's value takes with its length in front; `size` is {@link NULL_SIZE} for null. */
function sizedBytesSize(size: number): number {
  return varintSize(size) + (size > 0 ? size : 0)
}

/** Bytes that the headers of a record take, their count included. */
export function headersSize(headers: readonly HeaderInput[]): number {
  let size = varintSize(headers.length)
  for (const [name, value] of headers) {
    size += sizedBytesSize(Buffer.byteLength(name)) + sizedBytesSize(value === null ? NULL_SIZE : value.length)
  }
  return size
}

/**
 * Bytes of a record without the size field in front.
 *
 * @param keySize          bytes of the key, {@link NULL_SIZE} for null; so with `valueSize`
 * @param sizeOfHeaders    what {@link headersSize} gave; 1 without headers
 */
export function recordBodySize(timestampDelta: number, offsetDelta: number, keySize: number, valueSize: number, sizeOfHeaders: number): number {
  return 1 + varlongSize(timestampDelta) + varintSize(offsetDelta) + sizedBytesSize(keySize) + sizedBytesSize(valueSize) + sizeOfHeaders
}

/** Bytes of a whole record whose body has `bodySize` bytes. */
export function recordSize(bodySize: number): number {
  return varintSize(bodySize) + bodySize
}

/** Writes what stands before the key and gives the place behind it. The caller made room for {@link recordSize}. */
function putRecordStart(buffer: Uint8Array, at: number, bodySize: number, timestampDelta: number, offsetDelta: number): number {
  at = putVarint(buffer, at, bodySize)
  buffer[at] = 0
  return putVarint(buffer, putVarlong(buffer, at + 1, timestampDelta), offsetDelta)
}

/** Writes a key, a value or a header's value with its length in front and gives the place behind it. */
function putSizedBytes(buffer: Uint8Array, at: number, bytes: Uint8Array | null): number {
  if (bytes === null) return putVarint(buffer, at, NULL_SIZE)
  at = putVarint(buffer, at, bytes.length)
  buffer.set(bytes, at)
  return at + bytes.length
}

/** Writes a record's headers with their count in front and gives the place behind them. */
export function putHeaders(buffer: Uint8Array, at: number, headers: readonly HeaderInput[]): number {
  at = putVarint(buffer, at, headers.length)
  for (const [name, value] of headers) {
    at = putSizedBytes(buffer, at, Buffer.from(name))
    at = putSizedBytes(buffer, at, value)
  }
  return at
}

/**
 * Writes a whole record and gives the place behind it.
 *
 * @param bodySize  what {@link recordBodySize} gave for these very arguments; the caller made room for {@link recordSize} of it
 */
export function putRecord(
  buffer: Uint8Array,
  at: number,
  bodySize: number,
  timestampDelta: number,
  offsetDelta: number,
  key: Uint8Array | null,
  value: Uint8Array | null,
  headers: readonly HeaderInput[],
): number {
  at = putRecordStart(buffer, at, bodySize, timestampDelta, offsetDelta)
  return putHeaders(buffer, putSizedBytes(buffer, putSizedBytes(buffer, at, key), value), headers)
}

/**
 * Where the record that begins at `at` ends, by its size field alone.
 *
 * @throws LogError `LOG_BATCH_CORRUPT` if the size is malformed or passes `end`
 */
export function recordEnd(buffer: Uint8Array, at: number, end: number): number {
  // Sizes of one and two bytes, nearly all there are, without a reader. They are not negative: the lowest bit is the sign.
  const first = at < end ? buffer[at]! : 0xff
  const second = at + 1 < end ? buffer[at + 1]! : 0xff
  const next = first < 0x80 ? at + 1 + (first >> 1) : at + 2 + (((first & 0x7f) | (second << 7)) >> 1)
  if ((first & 1) === 0 && (first < 0x80 || second < 0x80) && next <= end) return next
  const reader = new RecordReader(buffer, at, end)
  const size = reader.varint()
  if (size < 0 || size > end - reader.at) reader.fail(`a record of ${size} bytes`)
  return reader.at + size
}

/**
 * The places of a record's parts, without anything made of them. One of these can read any number of records, one after the other.
 *
 * Every field is in bytes of the buffer that was read; sizes of null parts are {@link NULL_SIZE}.
 */
export class RecordLayout {
  /** Where the record begins: its size field. */
  start = 0
  /** Where the next record begins. */
  end = 0
  attributes = 0
  timestampDelta = 0
  offsetDelta = 0
  keyAt = 0
  keySize = NULL_SIZE
  valueAt = 0
  valueSize = NULL_SIZE
  headerCount = 0
  /** Where the first header begins. */
  headersAt = 0

  /**
   * Reads the record that begins at `at`, in bytes that end at `end`, and gives the place behind it.
   *
   * @throws LogError `LOG_BATCH_CORRUPT` if a length passes what is left, or the parts do not fill the record exactly
   */
  read(buffer: Uint8Array, at: number, end: number): number {
    this.start = at
    this.end = recordEnd(buffer, at, end)
    const reader = new RecordReader(buffer, at, this.end)
    reader.varint()
    this.attributes = reader.int8()
    this.timestampDelta = reader.varlong()
    this.offsetDelta = reader.varint()
    this.keySize = reader.size('key', NULL_SIZE)
    this.keyAt = reader.skip(this.keySize)
    this.valueSize = reader.size('value', NULL_SIZE)
    this.valueAt = reader.skip(this.valueSize)
    this.headerCount = reader.headerCount()
    this.headersAt = reader.at
    for (let left = this.headerCount; left > 0; left--) {
      reader.skip(reader.size('header name', 0))
      reader.skip(reader.size('header value', NULL_SIZE))
    }
    if (reader.at !== this.end) reader.fail(`a record with ${this.end - reader.at} bytes too many`)
    return this.end
  }

  /** The key, as a view of `buffer`, or null. */
  key(buffer: Buffer): Buffer | null {
    return this.keySize < 0 ? null : buffer.subarray(this.keyAt, this.keyAt + this.keySize)
  }

  /** The value, as a view of `buffer`, or null. */
  value(buffer: Buffer): Buffer | null {
    return this.valueSize < 0 ? null : buffer.subarray(this.valueAt, this.valueAt + this.valueSize)
  }

  /** The headers in their order; values are views of `buffer`. */
  headers(buffer: Buffer): readonly RecordHeader[] {
    return this.headerCount === 0 ? NO_HEADERS : readHeaders(buffer, this.headersAt, this.end, this.headerCount)
  }
}

/**
 * Reads `count` headers, the first of which begins at `at`; values are views of `buffer`.
 *
 * @throws LogError `LOG_BATCH_CORRUPT` if they pass `end`
 */
function readHeaders(buffer: Buffer, at: number, end: number, count: number): RecordHeader[] {
  const reader = new RecordReader(buffer, at, end)
  const headers: RecordHeader[] = []
  for (let left = count; left > 0; left--) {
    const nameSize = reader.size('header name', 0)
    const nameAt = reader.skip(nameSize)
    const valueSize = reader.size('header value', NULL_SIZE)
    const valueAt = reader.skip(valueSize)
    headers.push([buffer.toString('utf8', nameAt, nameAt + nameSize), valueSize < 0 ? null : buffer.subarray(valueAt, valueAt + valueSize)])
  }
  return headers
}

/** Walks over the bytes of one record. Like ByteReader, but without a bigint or an error text made per field: this is a hot path. */
export class RecordReader {
  readonly buffer: Uint8Array
  readonly end: number
  /** The place of the next byte. */
  at: number

  constructor(buffer: Uint8Array, at: number, end: number) {
    this.buffer = buffer
    this.at = at
    this.end = end
  }

  /** Raises `LOG_BATCH_CORRUPT`. */
  fail(reason: string): never {
    throw new LogError('LOG_BATCH_CORRUPT', `record: ${reason}, at byte ${this.at} of ${this.end}`, { position: this.at, reason })
  }

  int8(): number {
    return (this.byte() << 24) >> 24
  }

  varint(): number {
    const bits = this.groups(4)
    if (this.buffer[this.at - 1]! < 0x80) return (bits >>> 1) ^ -(bits & 1)
    const last = this.byte()
    if (last > 0x0f) this.fail('a varint of more than 32 bits')
    const all = bits | (last << 28)
    return (all >>> 1) ^ -(all & 1)
  }

  /** A zig-zag integer of up to 64 bits, of no more than ±2^53: as far apart as two timestamps can be, one of which may be −1. */
  varlong(): number {
    const low = this.groups(4)
    if (this.buffer[this.at - 1]! < 0x80) return (low >>> 1) ^ -(low & 1)
    const middle = this.groups(4)
    const high = this.buffer[this.at - 1]! < 0x80 ? 0 : this.groups(2)
    if (this.buffer[this.at - 1]! >= 0x80) this.fail('a varlong of more than 64 bits')
    const magnitude = (low >>> 1) + middle * 0x800_0000 + high * 2 ** 55
    const value = low & 1 ? -magnitude - 1 : magnitude
    const exact = magnitude < 2 ** 53 || (magnitude === 2 ** 53 && low === 0)
    return exact ? value : this.fail('a varlong beyond 2^53')
  }

  /** The length of a part, which must fit into what is left. */
  size(what: string, least: number): number {
    const size = this.varint()
    if (size < least || size > this.end - this.at) this.fail(`a ${what} of ${size} bytes, ${this.end - this.at} left`)
    return size
  }

  /** How many headers follow: never more than could be there. */
  headerCount(): number {
    const count = this.varint()
    if (count < 0 || count > (this.end - this.at) / MAX_HEADER_OVERHEAD) this.fail(`${count} headers in ${this.end - this.at} bytes`)
    return count
  }

  /** Steps over a part whose size was checked, and gives the place where it began. */
  skip(size: number): number {
    const from = this.at
    if (size > 0) this.at = from + size
    return from
  }

  /** Up to `count` groups of seven bits, least significant first; ends early at a byte without the high bit. */
  private groups(count: number): number {
    let bits = 0
    for (let shift = 0; shift < count * 7; shift += 7) {
      const byte = this.byte()
      bits |= (byte & 0x7f) << shift
      if (byte < 0x80) break
    }
    return bits
  }

  private byte(): number {
    if (this.at >= this.end) this.fail('bytes end early')
    return this.buffer[this.at++]!
  }
}
