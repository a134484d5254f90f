/*
 * An event as a record: its stream is the key, its data the value, and the rest is in headers whose names begin with `cl-`. What consumers
 * of Kafka may want to read is text; `cl-stream` is ours: the version in the stream, the time, and where the event before it lies, so that a
 * stream is read backwards without an index. Spec: docs/format.md#events.
 *
 *   cl-stream   flags · time · version · back · size · at · position     unsigned, seven bits a byte, least significant first
 *
 * `back` is how many offsets before this one the stream's previous event has, 0 when there is none. `size`, `at` and `position` are a hint
 * where it lies: so many bytes, `at` behind the beginning of its batch, which begins at `position` − 1 of its segment's file; 0 says that it
 * is the batch of this event. A size of 0 says that nobody knew.
 */
import { type ByteWriter } from '../base/bytes.ts'
import { HeadersWriter } from '../log/record-group.ts'
import { writeUtf8 } from '../topics/utf8.ts'

/** `flags`: the id was made by us and cannot come again. */
export const OWN_ID = 1
/** `flags`: no event of the stream but what is said of it: `version` is the first that is kept. */
export const FORGETS = 2

/** Nobody knows where in its file a batch is. */
export const UNKNOWN = 0x7fff_ffff

/** A number below 2^53, seven bits a byte. */
export function putUnsigned(buffer: Uint8Array, at: number, value: number): number {
  let left = value
  if (value >= 0x8000_0000) {
    left = Math.floor(value / 0x1000_0000)
    let low = value - left * 0x1000_0000
    for (let count = 0; count < 4; count++, low >>>= 7) buffer[at++] = (low & 0x7f) | 0x80
  }
  while (left >= 0x80) {
    buffer[at++] = (left & 0x7f) | 0x80
    left >>>= 7
  }
  buffer[at++] = left
  return at
}

function headerName(name: string): Uint8Array {
  return Uint8Array.from([name.length << 1, ...Buffer.from(name)])
}

const STREAM = headerName('cl-stream')
const TYPE = headerName('cl-type')
const ID = headerName('cl-id')
const SCHEMA = headerName('cl-schema')
const CORRELATION = headerName('cl-correlation')
const CAUSATION = headerName('cl-causation')
const TRACE = headerName('cl-trace')
const METADATA = headerName('cl-metadata')

/** More than `cl-stream` and the length of a value can take. */
const MOST_FIXED = 64
/** Of an id that is drawn. */
export const UUID_DIGITS = 32
const UUID_LENGTH = 36

/** The headers of the event that is written at the moment: set anew for each. */
export class EventHeaders extends HeadersWriter {
  flags = 0
  time = 0
  version = 0
  back = 0
  previousSize = 0
  previousAt = 0
  /** Of the batch; −1 for the batch of this event. */
  previousPosition = -1
  type = ''
  /** Undefined: the 32 hexadecimal digits at `digitsAt` of `digits` make one. */
  id: string | undefined
  digits: Uint8Array = new Uint8Array(0)
  digitsAt = 0
  schema = 1
  correlation: string | undefined
  causation: string | undefined
  trace: string | undefined
  /** JSON. */
  metadata: string | undefined

  private writer: ByteWriter | undefined

  /** A copy of the record that was just written. */
  copyRecord(size: number): Buffer {
    const { buffer, at } = this.writer!
    return Buffer.from(buffer.subarray(at - size, at))
  }

  writeTo(writer: ByteWriter): void {
    this.writer = writer
    writer.reserve(MOST_FIXED)
    const count = 3 + (this.schema === 1 ? 0 : 1) + (this.correlation === undefined ? 0 : 1) + (this.causation === undefined ? 0 : 1) +
      (this.trace === undefined ? 0 : 1) + (this.metadata === undefined ? 0 : 1)
    writer.buffer[writer.at++] = count << 1
    this.putStream(writer)
    putText(writer, TYPE, this.type)
    if (this.id === undefined) this.putUuid(writer)
    else putText(writer, ID, this.id)
    if (this.schema !== 1) putText(writer, SCHEMA, String(this.schema))
    if (this.correlation !== undefined) putText(writer, CORRELATION, this.correlation)
    if (this.causation !== undefined) putText(writer, CAUSATION, this.causation)
    if (this.trace !== undefined) putText(writer, TRACE, this.trace)
    if (this.metadata !== undefined) putText(writer, METADATA, this.metadata)
  }

  private putStream(writer: ByteWriter): void {
    const { buffer } = writer
    let at = writer.at
    for (let index = 0; index < STREAM.length; index++) buffer[at++] = STREAM[index]!
    const lengthAt = at++
    buffer[at++] = this.flags
    at = putUnsigned(buffer, at, this.time)
    at = putUnsigned(buffer, at, this.version)
    at = putUnsigned(buffer, at, this.back)
    at = putUnsigned(buffer, at, this.previousSize)
    at = putUnsigned(buffer, at, this.previousAt)
    at = putUnsigned(buffer, at, this.previousPosition + 1)
    // At most 1 + 8 + 5 + 8 + 5 + 5 + 5 bytes: a length of one byte.
    buffer[lengthAt] = (at - lengthAt - 1) << 1
    writer.at = at
  }

  private putUuid(writer: ByteWriter): void {
    writer.reserve(ID.length + 1 + UUID_LENGTH)
    const { buffer } = writer
    const { digits, digitsAt } = this
    let at = writer.at
    for (let index = 0; index < ID.length; index++) buffer[at++] = ID[index]!
    buffer[at++] = UUID_LENGTH << 1
    for (let index = 0; index < UUID_DIGITS; index++) {
      if (index === 8 || index === 12 || index === 16 || index === 20) buffer[at++] = 0x2d
      buffer[at++] = digits[digitsAt + index]!
    }
    writer.at = at
  }
}

/** A header with a text: its length is guessed to be that of ASCII. */
function putText(writer: ByteWriter, name: Uint8Array, text: string): void {
  writer.reserve(name.length + MOST_FIXED)
  const { buffer } = writer
  for (let index = 0; index < name.length; index++) buffer[writer.at + index] = name[index]!
  writer.at += name.length
  const from = writer.at
  writer.varint(text.length)
  if (writeUtf8(writer, text) === text.length) return
  writer.at = from
  writer.varint(Buffer.byteLength(text))
  writeUtf8(writer, text)
}

/** What a record says, as far as it was looked at. One for all that read, since nobody waits in between. */
export class EventParser {
  keyAt = 0
  keyEnd = 0
  valueAt = 0
  valueEnd = 0
  /** Of `cl-type`. */
  typeAt = 0
  typeEnd = 0
  idAt = 0
  idEnd = 0
  /** Behind `cl-id`: where the rare headers begin, and how many there are. */
  restAt = 0
  restCount = 0
  flags = 0
  time = 0
  version = 0
  back = 0
  previousSize = 0
  previousAt = 0
  previousPosition = -1
  private place = 0
  private end = 0
  private buffer: Buffer = Buffer.alloc(0)

  /**
   * Takes the record apart that lies at `[at, end)`, behind its length. False when it is no event as this store writes them, or when it does not
   * fill these bytes.
   */
  parse(buffer: Buffer, at: number, end: number): boolean {
    this.buffer = buffer
    this.place = at + 1
    this.end = end
    this.skip()
    this.skip()
    const keySize = this.signed()
    if (keySize < 0 || keySize > end - this.place) return false
    this.keyAt = this.place
    this.keyEnd = this.place += keySize
    const valueSize = this.signed()
    if (valueSize > end - this.place) return false
    this.valueAt = this.place
    this.valueEnd = this.place += Math.max(0, valueSize)
    const count = this.signed()
    if (count < 3 || !this.named(STREAM)) return false
    const size = this.signed()
    if (size < 7 || size > end - this.place) return false
    const streamEnd = this.place + size
    this.flags = buffer[this.place++]!
    this.time = this.unsigned()
    this.version = this.unsigned()
    this.back = this.unsigned()
    this.previousSize = this.unsigned()
    this.previousAt = this.unsigned()
    this.previousPosition = this.unsigned() - 1
    this.place = streamEnd
    if (!this.named(TYPE)) return false
    const typeSize = this.signed()
    this.typeAt = this.place
    this.typeEnd = this.place += Math.max(0, typeSize)
    if (typeSize < 0 || !this.named(ID)) return false
    const idSize = this.signed()
    this.idAt = this.place
    this.idEnd = this.place += Math.max(0, idSize)
    this.restAt = this.place
    this.restCount = count - 3
    return idSize >= 0 && this.place <= end
  }

  /** As `parse`, of a record with its length in front. False also when that says another length. */
  parseSized(buffer: Buffer, at: number, end: number): boolean {
    this.buffer = buffer
    this.place = at
    const size = this.signed()
    return size === end - this.place && this.parse(buffer, this.place, end)
  }

  private named(name: Uint8Array): boolean {
    const { buffer, place } = this
    for (let index = 0; index < name.length; index++) if (buffer[place + index] !== name[index]) return false
    this.place = place + name.length
    return this.place <= this.end
  }

  private skip(): void {
    while (this.buffer[this.place++]! >= 0x80);
  }

  private signed(): number {
    const bits = this.unsigned()
    return bits % 2 === 0 ? bits / 2 : -(bits + 1) / 2
  }

  private unsigned(): number {
    const { buffer } = this
    let byte = buffer[this.place++]!
    let value = byte & 0x7f
    for (let scale = 0x80; byte >= 0x80 && scale < 2 ** 53; scale *= 0x80) {
      byte = buffer[this.place++]!
      value += (byte & 0x7f) * scale
    }
    return value
  }
}

/** The rare headers of an event, by name without `cl-`. */
export function restOfHeaders(buffer: Buffer, at: number, count: number): Map<string, string> {
  const found = new Map<string, string>()
  let place = at
  const text = (): string => {
    let byte = buffer[place++]!
    let bits = byte & 0x7f
    for (let shift = 7; byte >= 0x80 && shift < 35; shift += 7) {
      byte = buffer[place++]!
      bits |= (byte & 0x7f) << shift
    }
    const size = Math.max(0, (bits >>> 1) ^ -(bits & 1))
    place += size
    return buffer.toString('utf8', place - size, place)
  }
  for (let left = count; left > 0 && place < buffer.length; left--) {
    const name = text()
    const value = text()
    if (name.startsWith('cl-')) found.set(name.slice(3), value)
  }
  return found
}
