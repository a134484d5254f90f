/*
 * How values of messages are written and read in one version: numbers, text, bytes, lists, and what stands for null. Strict in reading: a count
 * is checked against the bytes that are left before anything is allocated for it. Structs are struct-codec.ts; Kafka's protocol guide has the
 * types, "compact" ones are those of flexible versions (KIP-482).
 */
import { type ByteReader, type ByteWriter } from '../base/bytes.ts'

/** How one value is written and read in one version. */
export interface ValueCodec<Out, In = Out> {
  /** Fewest bytes that a value takes: what a count is checked against before anything is allocated for it. */
  readonly smallest: number
  write(value: In, writer: ByteWriter): void
  read(reader: ByteReader): Out
}

/* ---- numbers and booleans ---- */

/** The kinds of values of a fixed size, and how each is written. */
export const scalarCodecs = {
  boolean: scalar<boolean>(1, (value, writer) => writer.int8(value ? 1 : 0), (reader) => reader.int8() !== 0),
  int8: scalar<number>(1, (value, writer) => writer.int8(value), (reader) => reader.int8()),
  int16: scalar<number>(2, (value, writer) => writer.int16(value), (reader) => reader.int16()),
  uint16: scalar<number>(2, (value, writer) => writer.int16(value), (reader) => reader.uint16()),
  int32: scalar<number>(4, (value, writer) => writer.int32(value), (reader) => reader.int32()),
  uint32: scalar<number>(4, (value, writer) => writer.int32(value), (reader) => reader.uint32()),
  int64: scalar<number>(8, (value, writer) => writer.int64(value), (reader) => reader.int64()),
  bigint64: scalar<bigint>(8, (value, writer) => writer.bigint64(value), (reader) => reader.bigint64()),
  float64: scalar<number>(8, (value, writer) => writer.float64(value), (reader) => reader.float64()),
  uuid: scalar<string>(16, writeUuid, (reader) => asBuffer(reader.bytes(16)).toString('base64url')),
} as const

function scalar<T>(smallest: number, write: ValueCodec<T>['write'], read: ValueCodec<T>['read']): ValueCodec<T> {
  return { smallest, write, read }
}

function writeUuid(value: string, writer: ByteWriter): void {
  const bytes = Buffer.from(value, 'base64url')
  if (bytes.length !== 16) throw new TypeError(`"${value}" is not a uuid`)
  writer.bytes(bytes)
}

/* ---- lengths ---- */

/** How a length or count is written; −1 is null. */
export interface LengthCodec {
  readonly smallest: number
  write(length: number, writer: ByteWriter): void
  read(reader: ByteReader): number
}

/** Four bytes. */
export const classicLength: LengthCodec = scalarCodecs.int32
/** Of flexible versions: a varint of the length and one, so that null is 0. */
export const compactLength: LengthCodec = {
  smallest: 1,
  write: (length, writer) => writer.uvarint(length + 1),
  read: (reader) => reader.uvarint() - 1,
}

/* ---- strings and bytes ---- */

/** Text with a length of two bytes: at most 32,767 bytes of it. */
export function classicString(nullable: boolean, path: string): ValueCodec<string | null> {
  return {
    smallest: 2,
    write(value, writer) {
      if (value === null) return nullable ? writer.int16(-1) : nullRefused(path)
      writer.reserve(2 + value.length * 3)
      const size = writer.buffer.write(value, writer.at + 2, 'utf8')
      if (size > 0x7fff) throw new RangeError(`${path} has ${size} bytes, this version allows ${0x7fff}`)
      writer.int16(size)
      writer.at += size
    },
    read(reader) {
      const size = reader.int16()
      return size < 0 ? nullOrFail(size, nullable, reader, path) : reader.string(size)
    },
  }
}

/** Text of flexible versions: of any length. */
export function compactString(nullable: boolean, path: string): ValueCodec<string | null> {
  return {
    smallest: 1,
    write(value, writer) {
      if (value === null) return nullable ? writer.uvarint(0) : nullRefused(path)
      writer.uvarint(Buffer.byteLength(value) + 1)
      writer.string(value)
    },
    read(reader) {
      const size = reader.uvarint() - 1
      return size < 0 ? nullOrFail(size, nullable, reader, path) : reader.string(size)
    },
  }
}

/** Bytes behind their length. Reading gives a view of what is read. */
export function bytesCodec(length: LengthCodec, nullable: boolean, path: string): ValueCodec<Buffer | null, Uint8Array | null> {
  return {
    smallest: length.smallest,
    write(value, writer) {
      if (value === null) return nullable ? length.write(-1, writer) : nullRefused(path)
      length.write(value.length, writer)
      writer.bytes(value)
    },
    read(reader) {
      const size = length.read(reader)
      return size < 0 ? nullOrFail(size, nullable, reader, path) : asBuffer(reader.bytes(size))
    },
  }
}

/* ---- lists, and structs that may be null ---- */

/** Items behind their count. */
export function arrayCodec(item: ValueCodec<unknown>, length: LengthCodec, nullable: boolean, path: string): ValueCodec<unknown[] | null> {
  // A version without any field of the struct would have items of no bytes, and a count of any size would be free.
  const smallest = Math.max(item.smallest, 1)
  return {
    smallest: length.smallest,
    write(values, writer) {
      if (values === null) return nullable ? length.write(-1, writer) : nullRefused(path)
      length.write(values.length, writer)
      for (let i = 0; i < values.length; i++) item.write(values[i], writer)
    },
    read(reader) {
      const count = length.read(reader)
      if (count < 0) return nullOrFail(count, nullable, reader, path)
      if (count * smallest > reader.left) reader.fail(`${path} has ${count} items in ${reader.left} bytes`)
      reader.items(count)
      const values: unknown[] = []
      for (let i = 0; i < count; i++) values.push(item.read(reader))
      return values
    },
  }
}

/** A struct or null. A byte goes before it: 1 before a struct; for null `none`, which is −1, and 0 in a tagged field. */
export function nullableStruct<T>(codec: ValueCodec<T>, none: -1 | 0): ValueCodec<T | null> {
  return {
    smallest: 1,
    write(value, writer) {
      writer.int8(value === null ? none : 1)
      if (value !== null) codec.write(value, writer)
    },
    read: (reader) => (reader.int8() <= none ? null : codec.read(reader)),
  }
}

function nullRefused(path: string): never {
  throw new TypeError(`${path} is null, and this version has no null there`)
}

function nullOrFail(length: number, nullable: boolean, reader: ByteReader, path: string): null {
  return nullable && length === -1 ? null : reader.fail(`${path} has a length of ${length}`)
}

function asBuffer(view: Uint8Array): Buffer {
  return Buffer.isBuffer(view) ? view : Buffer.from(view.buffer, view.byteOffset, view.byteLength)
}
