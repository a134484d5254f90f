/*
 * The codecs that come with commitlog: how keys and values become bytes and come back. Null is not theirs to encode: a null key is no
 * key, a null value is a tombstone, and neither reaches a codec. The catalog remembers a topic's codecs by name, so the names are forever.
 *
 * A value of the wrong type is a TypeError, since it is a mistake in the program. Bytes that cannot be decoded are LOG_DECODE_FAILED,
 * since they may have come from anywhere.
 */
import type { Unpackr } from 'msgpackr'
import { type ByteWriter } from '../base/bytes.ts'
import { type Codec } from '../base/codec.ts'
import { LogError } from '../base/errors.ts'
import { describe } from '../base/options.ts'
import { JsonDecoder } from './json-decode.ts'
import { encodeMsgpack, MAP_TAG } from './msgpack-encode.ts'
import { checkSchema, type SchemaOutput, type StandardSchema, validated } from './standard-schema.ts'
import { readUtf8, writeUtf8 } from './utf8.ts'

/** Up to so many characters a loop beats the call into native code. */
const SHORT_STRING = 17

/** Bytes as they are. What is decoded is a Buffer of its own; `record.valueBytes` gives a view without the copy. */
export const bytes: Codec<Uint8Array> = Object.freeze({
  name: 'bytes',
  size(value: Uint8Array): number {
    if (!(value instanceof Uint8Array)) refuseType('bytes', 'a Uint8Array', value)
    return value.length
  },
  encode(value: Uint8Array, writer: ByteWriter): void {
    if (!(value instanceof Uint8Array)) refuseType('bytes', 'a Uint8Array', value)
    writer.bytes(value)
  },
  decode(buffer: Buffer, start: number, end: number): Buffer {
    const copy = Buffer.allocUnsafe(end - start)
    buffer.copy(copy, 0, start, end)
    return copy
  },
})

/** Text as UTF-8: the default for keys. Half surrogate pairs, and bytes that are not UTF-8, become U+FFFD. */
export const string: Codec<string> = Object.freeze({
  name: 'string',
  encode(value: string, writer: ByteWriter): void {
    if (typeof value !== 'string') refuseType('string', 'a string', value)
    if (value.length >= SHORT_STRING || !putShortAscii(value, writer)) writeUtf8(writer, value)
  },
  decode: readUtf8,
})

/**
 * JSON of values of type `T`, which is believed and not checked; `json(schema)` checks.
 *
 * Values that JSON would drop as a whole (undefined, functions, symbols) and those that it refuses (bigints, values that contain
 * themselves) are a TypeError.
 */
export function json<T = unknown>(): Codec<T>
/**
 * JSON of values that any Standard Schema (zod, valibot, arktype, …) lets through.
 *
 * The schema is asked when a record is appended (LOG_RECORD_INVALID) and what it gives is stored, defaults filled in; it is asked again
 * when one is read (LOG_DECODE_FAILED). So it must take what it gives. It must be synchronous.
 */
export function json<S extends StandardSchema>(schema: S): Codec<SchemaOutput<S>>
export function json(schema?: StandardSchema): Codec<unknown> {
  return schema === undefined ? plainJson : withSchema(plainJson, schema)
}

/**
 * MessagePack of values of type `T`, which is believed and not checked; the default for values. `msgpack(schema)` checks.
 *
 * Beyond what JSON can hold it keeps undefined, −0, NaN and infinities, bigints, dates, binary (Buffer and every typed array), maps, sets,
 * regular expressions and errors. Objects of classes come back as plain objects, of what their `toJSON` gives where they have one.
 * Functions, symbols, promises, iterators, boxed primitives (`new Number(3)`), objects with a field `__proto__` and values that contain
 * themselves are a TypeError. Where another program wrote a field `__proto__` it is read as `__proto_`.
 */
export function msgpack<T = unknown>(): Codec<T>
/** MessagePack of values that any Standard Schema lets through; the schema is asked as by {@link json}. */
export function msgpack<S extends StandardSchema>(schema: S): Codec<SchemaOutput<S>>
export function msgpack(schema?: StandardSchema): Codec<unknown> {
  return schema === undefined ? plainMsgpack : withSchema(plainMsgpack, schema)
}

/** The codec of this name, when it is one of ours. */
export function builtInCodec(name: string): Codec<unknown> | undefined {
  return [bytes as Codec<unknown>, string as Codec<unknown>, plainJson, plainMsgpack].find((codec) => codec.name === name)
}

const jsonDecoder = new JsonDecoder()

const plainJson: Codec<unknown> = Object.freeze({
  name: 'json',
  encode(value: unknown, writer: ByteWriter): void {
    const text = jsonText(value)
    writeUtf8(writer, text)
  },
  decode(buffer: Buffer, start: number, end: number): unknown {
    try {
      return jsonDecoder.decode(buffer, start, end)
    } catch (error) {
      return refuseBytes('json', end - start, error)
    }
  },
})

const plainMsgpack: Codec<unknown> = Object.freeze({
  name: 'msgpack',
  encode: encodeMsgpack,
  decode(buffer: Buffer, start: number, end: number): unknown {
    try {
      // An end of 0 means the whole buffer to msgpackr, so nothing to decode must not get there.
      if (start === end) throw new Error('no bytes')
      return (unpackr ??= loadUnpackr()).unpack(buffer, { start, end })
    } catch (error) {
      return refuseBytes('msgpack', end - start, error)
    }
  },
})

let unpackr: Unpackr | undefined

/**
 * msgpackr is loaded when the first value is decoded, since that takes 6 ms. This build of it is one that nobody else is likely to load, so our
 * extension stays ours, and it does without msgpackr's native part, which takes longer to load than it saves on records of usual size.
 */
function loadUnpackr(): Unpackr {
  const { createRequire } = process.getBuiltinModule('node:module')
  const library = createRequire(import.meta.url)('msgpackr/index-no-eval') as typeof import('msgpackr')
  library.addExtension({ type: MAP_TAG, read: mapOf })
  return new library.Unpackr({ useRecords: false, mapsAsObjects: true, copyBuffers: true, moreTypes: true } as object)
}

function mapOf(list: readonly unknown[]): Map<unknown, unknown> {
  const map = new Map<unknown, unknown>()
  for (let index = 0; index + 1 < list.length; index += 2) map.set(list[index], list[index + 1])
  return map
}

function withSchema(codec: Codec<unknown>, schema: StandardSchema): Codec<unknown> {
  checkSchema(schema, `the codec "${codec.name}"`)
  return Object.freeze({
    name: codec.name,
    encode(value: unknown, writer: ByteWriter): void {
      codec.encode(validated(schema, value, (reason, issues) => {
        throw new LogError('LOG_RECORD_INVALID', `the schema of the topic refuses the value: ${reason}`, { issues })
      }), writer)
    },
    decode(buffer: Buffer, start: number, end: number): unknown {
      return validated(schema, codec.decode(buffer, start, end), (reason, issues) => {
        throw new LogError('LOG_DECODE_FAILED', `the schema of the topic refuses what was stored: ${reason}`, { codec: codec.name, issues })
      })
    },
  })
}

function jsonText(value: unknown): string {
  let text: string | undefined
  try {
    text = JSON.stringify(value)
  } catch (error) {
    throw new TypeError(`the codec "json" cannot hold ${describe(value)}: ${(error as Error).message}`, { cause: error })
  }
  return text ?? refuseType('json', 'a value that JSON knows', value)
}

/** False, with nothing written, when there is a character beyond ASCII. */
function putShortAscii(value: string, writer: ByteWriter): boolean {
  const { length } = value
  writer.reserve(length)
  const { buffer, at } = writer
  for (let index = 0; index < length; index++) {
    const unit = value.charCodeAt(index)
    if (unit > 0x7f) return false
    buffer[at + index] = unit
  }
  writer.at = at + length
  return true
}

function refuseType(codec: string, takes: string, value: unknown): never {
  throw new TypeError(`the codec "${codec}" takes ${takes}, not ${describe(value)}`)
}

function refuseBytes(codec: string, size: number, cause: unknown): never {
  const reason = cause instanceof Error ? cause.message : String(cause)
  throw new LogError('LOG_DECODE_FAILED', `the codec "${codec}" cannot decode ${size} bytes: ${reason}`, { codec, size }, cause)
}
