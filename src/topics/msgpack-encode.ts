/*
 * Writes a value as MessagePack, straight into the batch that is being built. Not a decoder: msgpackr reads what is written here
 * (codecs.ts), and what it has its own extensions for is written as it does. Encoding is ours because it must write into memory that
 * may move, keep maps apart from objects, and refuse what cannot come back; it also takes two thirds of the time
 * (docs/design/0010-msgpack-encoder.md).
 *
 * Format: https://github.com/msgpack/msgpack/blob/master/spec.md. Extensions, as in msgpackr with `moreTypes`, beside the standard one
 * for dates (−1): 0 undefined, 0x42 bigint, 0x65 Error, 0x73 Set, 0x74 typed array, 0x78 RegExp; and ours, 0x4d Map. "Tags" (Error, Set,
 * RegExp, Map) are `d4 <type> 00` with the value that they apply to behind them.
 */
import { type ByteWriter, setInt16, setInt32 } from '../base/bytes.ts'
import { describe } from '../base/options.ts'
import { writeUtf8 } from './utf8.ts'

/** Extension type of a Map: an array of key, value, key, value … follows. */
export const MAP_TAG = 0x4d
const SET_TAG = 0x73
const ERROR_TAG = 0x65
const REGEXP_TAG = 0x78
const BIGINT_EXTENSION = 0x42
const TYPED_ARRAY_EXTENSION = 0x74
const DATE_EXTENSION = 0xff

/** Values nested deeper are refused: most likely they contain themselves. */
const MAX_DEPTH = 500
/** Up to so many characters a loop beats the call into native code. */
const SHORT_STRING = 24

const typedArrayNames = [
  'Int8Array', 'Uint8Array', 'Uint8ClampedArray', 'Int16Array', 'Uint16Array', 'Int32Array', 'Uint32Array', 'Float32Array', 'Float64Array',
  'BigInt64Array', 'BigUint64Array',
]
const ARRAY_BUFFER_CODE = 16
const DATA_VIEW_CODE = 17

/** The prototypes of what would come back as an empty object; the last two are those of all iterators, generators among them. */
const unholdable: ReadonlySet<unknown> = new Set<unknown>([
  ...[WeakMap, WeakSet, WeakRef, SharedArrayBuffer, Number, String, Boolean, Symbol, BigInt].map((type) => type.prototype as unknown),
  prototypeOf(prototypeOf([].values())), prototypeOf(prototypeOf(prototypeOf((async function* () {})()))),
])

const { hasOwnProperty } = Object.prototype

const float = new Float64Array(1)
const floatBytes = new Uint8Array(float.buffer)

/**
 * Writes `value` at the writer's place.
 *
 * @throws TypeError for functions, symbols, promises, weak collections, iterators, boxed primitives, objects with a field `__proto__` or
 *   whose getters change which fields they have, and values that contain themselves
 */
export function encodeMsgpack(value: unknown, writer: ByteWriter): void {
  put(writer, value, 0)
}

function put(writer: ByteWriter, value: unknown, depth: number): void {
  switch (typeof value) {
    case 'string': return putString(writer, value)
    case 'number': return putNumber(writer, value)
    case 'boolean': return writer.int8(value ? 0xc3 : 0xc2)
    case 'object': return value === null ? writer.int8(0xc0) : putObject(writer, value, depth)
    case 'undefined': return putTag(writer, 0)
    case 'bigint': return putBigint(writer, value)
    default: throw new TypeError(`msgpack cannot hold ${describe(value)}`)
  }
}

function putNumber(writer: ByteWriter, value: number): void {
  writer.reserve(9)
  const { buffer } = writer
  let at = writer.at
  if (value >>> 0 === value && (value !== 0 || !Object.is(value, -0))) {
    if (value < 0x80) buffer[at++] = value
    else if (value < 0x100) {
      buffer[at++] = 0xcc
      buffer[at++] = value
    } else if (value < 0x1_0000) {
      buffer[at++] = 0xcd
      setInt16(buffer, at, value)
      at += 2
    } else {
      buffer[at++] = 0xce
      setInt32(buffer, at, value)
      at += 4
    }
  } else if (value >> 0 === value && value < 0) {
    if (value >= -0x20) buffer[at++] = value
    else if (value >= -0x80) {
      buffer[at++] = 0xd0
      buffer[at++] = value
    } else if (value >= -0x8000) {
      buffer[at++] = 0xd1
      setInt16(buffer, at, value)
      at += 2
    } else {
      buffer[at++] = 0xd2
      setInt32(buffer, at, value)
      at += 4
    }
  } else {
    // Typed arrays are little-endian wherever Node runs.
    float[0] = value
    buffer[at++] = 0xcb
    for (let index = 7; index >= 0; index--) buffer[at++] = floatBytes[index]!
  }
  writer.at = at
}

function putString(writer: ByteWriter, value: string): void {
  const { length } = value
  if (length < SHORT_STRING && putShortAscii(writer, value, length)) return
  // The width of the length is guessed from the characters and the bytes are moved when that was wrong.
  const guess = lengthWidth(length)
  writer.reserve(5)
  writer.at += guess
  const size = writeUtf8(writer, value)
  const width = lengthWidth(size)
  if (width !== guess) {
    writer.reserve(5)
    const from = writer.at - size
    writer.buffer.copyWithin(from + width - guess, from, writer.at)
    writer.at += width - guess
  }
  const at = writer.at - size - width
  const { buffer } = writer
  if (width === 1) buffer[at] = 0xa0 | size
  else if (width === 2) {
    buffer[at] = 0xd9
    buffer[at + 1] = size
  } else if (width === 3) {
    buffer[at] = 0xda
    setInt16(buffer, at + 1, size)
  } else {
    buffer[at] = 0xdb
    setInt32(buffer, at + 1, size)
  }
}

/** False, with nothing written, when there is a character beyond ASCII. */
function putShortAscii(writer: ByteWriter, value: string, length: number): boolean {
  writer.reserve(length + 1)
  const { buffer } = writer
  let at = writer.at
  buffer[at++] = 0xa0 | length
  for (let index = 0; index < length; index++) {
    const unit = value.charCodeAt(index)
    if (unit > 0x7f) return false
    buffer[at++] = unit
  }
  writer.at = at
  return true
}

/** Bytes in front of a string of `size` bytes. */
function lengthWidth(size: number): number {
  if (size < 0x20) return 1
  if (size < 0x100) return 2
  return size < 0x1_0000 ? 3 : 5
}

function putObject(writer: ByteWriter, value: object, depth: number): void {
  if (depth === MAX_DEPTH) throw new TypeError(`msgpack cannot hold a value nested deeper than ${MAX_DEPTH}, or one that contains itself`)
  const prototype = prototypeOf(value)
  if (prototype === Object.prototype || prototype === null) return putFields(writer, value, depth)
  if (Array.isArray(value)) return putArray(writer, value, depth)
  if (value instanceof Date) return putDate(writer, value)
  if (value instanceof Map) {
    putTag(writer, MAP_TAG)
    return putArray(writer, [...value].flat(1), depth)
  }
  if (value instanceof Set) {
    putTag(writer, SET_TAG)
    return putArray(writer, [...value], depth)
  }
  if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) return putBinary(writer, value)
  putOther(writer, value, depth)
}

/** By `for in`, where the engine keeps places of fields beside their names: a list of keys is a tenth slower. */
function putFields(writer: ByteWriter, value: object, depth: number): void {
  let left = 0
  for (const key in value) if (hasOwnProperty.call(value, key)) left++
  putCount(writer, left, 0x80, 0xde)
  for (const key in value) {
    if (!hasOwnProperty.call(value, key)) continue
    // Its reader would rename it, so that it does no harm.
    if (key === '__proto__') throw new TypeError('msgpack cannot hold an object with a field "__proto__": a Map can have such a key')
    putString(writer, key)
    put(writer, (value as Record<string, unknown>)[key], depth + 1)
    left--
  }
  if (left !== 0) throw new TypeError('msgpack cannot hold an object whose getters change which fields it has')
}

function putArray(writer: ByteWriter, values: readonly unknown[], depth: number): void {
  putCount(writer, values.length, 0x90, 0xdc)
  for (let index = 0; index < values.length; index++) put(writer, values[index], depth + 1)
}

/** The head of an array or map: up to 15 in the byte `small`, else behind `large` in 16 bits or behind the next number in 32. */
function putCount(writer: ByteWriter, count: number, small: number, large: number): void {
  if (count < 0x10) writer.int8(small | count)
  else if (count < 0x1_0000) {
    writer.int8(large)
    writer.int16(count)
  } else {
    writer.int8(large + 1)
    writer.int32(count)
  }
}

/** Standard timestamps: 32 bits of seconds, or 30 bits of nanoseconds and 34 of seconds, or 32 and 64. */
function putDate(writer: ByteWriter, value: Date): void {
  const time = value.getTime()
  if (Number.isNaN(time)) {
    writer.int8(0xd4)
    writer.int8(DATE_EXTENSION)
    return writer.int8(0xff)
  }
  const seconds = Math.floor(time / 1000)
  const nanoseconds = (time - seconds * 1000) * 1_000_000
  if (seconds < 0 || seconds >= 0x4_0000_0000) {
    writer.int8(0xc7)
    writer.int8(12)
    writer.int8(DATE_EXTENSION)
    writer.int32(nanoseconds)
    return writer.int64(seconds)
  }
  const short = nanoseconds === 0 && seconds < 0x1_0000_0000
  writer.int8(short ? 0xd6 : 0xd7)
  writer.int8(DATE_EXTENSION)
  if (!short) writer.int32(nanoseconds * 4 + Math.floor(seconds / 0x1_0000_0000))
  writer.int32(seconds % 0x1_0000_0000)
}

/** Buffers as the standard's binary; every other view with its class, so that it comes back as what it was. */
function putBinary(writer: ByteWriter, value: ArrayBufferView | ArrayBuffer): void {
  const bytes = value instanceof ArrayBuffer ? new Uint8Array(value) : new Uint8Array(value.buffer, value.byteOffset, value.byteLength)
  if (Buffer.isBuffer(value)) {
    putSize(writer, bytes.length, 0xc4)
  } else {
    const code = typedArrayCode(value)
    if (code < 0) throw new TypeError(`msgpack cannot hold ${describe(value)}`)
    putSize(writer, bytes.length + 1, 0xc7)
    writer.int8(TYPED_ARRAY_EXTENSION)
    writer.int8(code)
  }
  writer.bytes(bytes)
}

/** Msgpackr's number for the built-in class of a view, also for classes derived from it; negative when it has none. */
function typedArrayCode(value: ArrayBufferView | ArrayBuffer): number {
  if (value instanceof ArrayBuffer) return ARRAY_BUFFER_CODE
  if (value instanceof DataView) return DATA_VIEW_CODE
  return typedArrayNames.indexOf((value as Uint8Array)[Symbol.toStringTag])
}

/** A length in 8, 16 or 32 bits behind `head`, `head + 1` or `head + 2`. */
function putSize(writer: ByteWriter, size: number, head: number): void {
  if (size < 0x100) {
    writer.int8(head)
    writer.int8(size)
  } else if (size < 0x1_0000) {
    writer.int8(head + 1)
    writer.int16(size)
  } else {
    writer.int8(head + 2)
    writer.int32(size)
  }
}

function putOther(writer: ByteWriter, value: object, depth: number): void {
  if (value instanceof Promise) throw new TypeError(`msgpack cannot hold ${describe(value)}: await it first`)
  for (let prototype = prototypeOf(value); prototype !== null; prototype = prototypeOf(prototype)) {
    if (unholdable.has(prototype)) throw new TypeError(`msgpack cannot hold ${'next' in value ? 'an iterator' : describe(value)}`)
  }
  const { toJSON } = value as { toJSON?: unknown }
  if (typeof toJSON === 'function') {
    const json: unknown = toJSON.call(value)
    return json === value ? putFields(writer, value, depth) : put(writer, json, depth + 1)
  }
  if (value instanceof Error) {
    putTag(writer, ERROR_TAG)
    return putArray(writer, [value.name, value.message, value.cause], depth)
  }
  if (value instanceof RegExp) {
    putTag(writer, REGEXP_TAG)
    return putArray(writer, [value.source, value.flags], depth)
  }
  putFields(writer, value, depth)
}

function prototypeOf(value: unknown): unknown {
  return Object.getPrototypeOf(value)
}

function putTag(writer: ByteWriter, tag: number): void {
  writer.int8(0xd4)
  writer.int8(tag)
  writer.int8(0)
}

function putBigint(writer: ByteWriter, value: bigint): void {
  if (BigInt.asIntN(64, value) === value) {
    writer.int8(0xd3)
    return writer.bigint64(value)
  }
  if (BigInt.asUintN(64, value) === value) {
    writer.int8(0xcf)
    return writer.bigint64(BigInt.asIntN(64, value))
  }
  const bytes = twosComplement(value)
  putSize(writer, bytes.length, 0xc7)
  writer.int8(BIGINT_EXTENSION)
  writer.bytes(bytes)
}

/** Big-endian, as few bytes as hold the sign. */
function twosComplement(value: bigint): Buffer {
  const negative = value < 0n
  const digits = (negative ? ~value : value).toString(16)
  const even = digits.length % 2 === 0 ? digits : `0${digits}`
  const bytes = Buffer.from(Number.parseInt(even[0]!, 16) < 8 ? even : `00${even}`, 'hex')
  if (negative) for (let index = 0; index < bytes.length; index++) bytes[index] = ~bytes[index]!
  return bytes
}
