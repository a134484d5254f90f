/*
 * The notation in which Kafka's messages are declared: records of the internal topics, and requests and responses on the wire. A message
 * is a TypeScript value; its types are inferred from it, and one declaration covers all versions. No generator, no file per version.
 *
 *   export const listOffsetsRequest = message('ListOffsetsRequest', { versions: [1, 10], flexible: 6 }, {
 *     replicaId: int32(),
 *     isolationLevel: int8({ since: 2, default: 0 }),                         // 2: read committed
 *     topics: array({
 *       name: string(),
 *       partitions: array({ partitionIndex: int32(), currentLeaderEpoch: int32({ since: 4, default: -1, ignorable: true }), timestamp: int64() }),
 *     }),
 *     timeoutMs: int32({ since: 10, default: 0, ignorable: true }),           // 10: KIP-1075
 *   })
 *   type ListOffsetsRequest = Decoded<typeof listOffsetsRequest>
 *   listOffsetsRequest.at(4).encode({ replicaId: -1, topics: [] }, writer)
 *
 * A value has no version: what a version lacks decodes to its default, and is dropped by encode only when it is the default or ignorable.
 * Not here: framing, headers, the version prefix of a record, and what the fields mean. Kafka's own notation: its message JSON files.
 */
import { type ByteReader, ByteWriter, putUvarint, uvarintSize } from '../base/bytes.ts'

/** Where a field is present and what stands for it elsewhere. Versions are those of the message that the field is in. */
export interface FieldOptions<Default> {
  /** First version that has the field. Default 0. */
  readonly since?: number
  /** Last version that has the field. Default: it is still there. */
  readonly until?: number
  /** The field is a tagged one with this number: at the end of its struct, left out when it is the default. Flexible versions only. */
  readonly tag?: number
  /** The value when a version lacks the field or nobody gives one. With it, encode may be called without the field. */
  readonly default?: Default
  /** Versions that lack the field drop it silently, whatever its value. */
  readonly ignorable?: boolean
}

/** Options of a field that may be null from version `nullable` on. */
export interface NullableOptions<Default> extends FieldOptions<Default | null> {
  readonly nullable?: number
}

/** Options of a string field. `compact: false` keeps the old encoding in flexible versions too (the client id of a request header). */
export interface StringOptions extends NullableOptions<string> {
  readonly compact?: boolean
}

/** One field as its constructor made it: what decode gives, what encode takes, and whether encode may be called without it. */
export interface Field<Out, In = Out, Optional extends boolean = boolean> {
  readonly options: StringOptions | NullableOptions<unknown>
  /** A fresh default. */
  readonly initial: () => Out
  readonly isInitial: (value: In) => boolean
  /** What kind of value it is, for whoever walks over declarations. */
  readonly shape: Shape
  /** The encoding in one version; `path` names the field in errors. */
  readonly compile: (target: Target, path: string) => ValueCodec<Out, In>
  /** Types only. */
  readonly '~optional'?: Optional
}

/** The kind of a field, with what is inside of lists and structs. */
export type Shape =
  | { readonly kind: ScalarKind | 'string' | 'bytes' | 'records' }
  | { readonly kind: 'array'; readonly element: Fields | Field<unknown> }
  | { readonly kind: 'struct'; readonly fields: Fields }

/** The kinds of fields of a fixed size. */
export type ScalarKind =
  | 'boolean' | 'int8' | 'int16' | 'uint16' | 'int32' | 'uint32' | 'int64' | 'bigint64' | 'float64' | 'uuid'

/** Fields by name, in the order of the encoding. */
export type Fields = { readonly [name: string]: AnyField }

// `any`, since fields of all types must fit: what each of them holds is worked out by inference.
/** A field, whatever it holds. */
export type AnyField = Field<any, any, boolean>

/** What a field is compiled for. */
export interface Target {
  readonly version: number
  readonly flexible: boolean
}

/** How one value is written and read in one version. */
export interface ValueCodec<Out, In = Out> {
  /** Fewest bytes that a value takes: what a count is checked against before anything is allocated for it. */
  readonly smallest: number
  write(value: In, writer: ByteWriter): void
  read(reader: ByteReader): Out
}

type OutOf<F> = F extends Field<infer Out, infer _In, infer _Optional> ? Out : never
type InOf<F> = F extends Field<infer _Out, infer In, infer _Optional> ? In : never
type OptionalNames<F extends Fields> = { [K in keyof F]: F[K] extends Field<infer _Out, infer _In, true> ? K : never }[keyof F]
type Simplify<T> = { [K in keyof T]: T[K] } & {}

/** What decoding these fields gives. */
export type StructOut<F extends Fields> = { -readonly [K in keyof F]: OutOf<F[K]> }
/** What encoding these fields takes. */
export type StructIn<F extends Fields> = Simplify<
  { readonly [K in Exclude<keyof F, OptionalNames<F>>]: InOf<F[K]> } & { readonly [K in OptionalNames<F>]?: InOf<F[K]> | undefined }
>

type Nullable<T, O> = O extends { readonly nullable: number } ? T | null : T
type HasDefault<O> = O extends { readonly default: unknown } ? true : false
type FieldOf<Out, In, O> = Field<Nullable<Out, O>, Nullable<In, O>, HasDefault<O>>

/** What decoding a message gives: every field, whatever the version. */
export type Decoded<M> = M extends Message<infer F> ? StructOut<F> : never

/** What encoding a message takes: fields that were declared with a default may be left out. */
export type Encodable<M> = M extends Message<infer F> ? StructIn<F> : never

/* ---- messages ---- */

/** The versions of a message: first and last supported one, and the first flexible one (left out: none is). */
export interface MessageVersions {
  readonly versions: readonly [first: number, last: number]
  readonly flexible?: number
}

/** Declares a message. Throws at once when the declaration contradicts itself. */
export function message<const F extends Fields>(name: string, versions: MessageVersions, fields: F): Message<F> {
  return new Message(name, versions, fields)
}

/** A message in all its versions. */
export class Message<F extends Fields> {
  readonly name: string
  /** First supported version. */
  readonly first: number
  /** Last supported version. */
  readonly last: number
  readonly #flexibleFrom: number
  /** As they were declared. */
  readonly fields: F
  readonly #codecs: MessageCodec<F>[] = []

  /** Use {@link message}. */
  constructor(name: string, { versions: [first, last], flexible = Infinity }: MessageVersions, fields: F) {
    this.name = name
    this.first = first
    this.last = last
    this.#flexibleFrom = flexible
    this.fields = fields
    checkTags(name, fields)
  }

  /** Whether `at(version)` gives a codec. */
  supports(version: number): boolean {
    return Number.isInteger(version) && version >= this.first && version <= this.last
  }

  /** Whether that version has compact lengths and tagged fields. */
  isFlexible(version: number): boolean {
    return version >= this.#flexibleFrom
  }

  /** The codec of one version, made when first asked for. Throws RangeError for a version that is not supported. */
  at(version: number): MessageCodec<F> {
    return (this.#codecs[version] ??= this.#specialise(version))
  }

  /** The bytes of a value in one version, in a buffer of its own. */
  encode(version: number, value: StructIn<F>): Buffer {
    const writer = new ByteWriter()
    this.at(version).encode(value, writer)
    return writer.written()
  }

  #specialise(version: number): MessageCodec<F> {
    if (!this.supports(version)) throw new RangeError(`${this.name} has versions ${this.first} to ${this.last}, not ${version}`)
    const flexible = this.isFlexible(version)
    const codec = structCodec(this.fields, { version, flexible }, this.name)
    return { version, flexible, encode: (value, writer) => codec.write(value, writer), decode: (reader) => codec.read(reader) }
  }
}

/** A message in one version. */
export interface MessageCodec<F extends Fields> {
  readonly version: number
  readonly flexible: boolean
  /** Writes the value. Throws TypeError when it has a field that this version lacks, or null where this version has no null. */
  encode(value: StructIn<F>, writer: ByteWriter): void
  /** Reads a value; bytes in it are views. What may follow is the caller's. Throws the reader's LogError when the bytes are not a value. */
  decode(reader: ByteReader): StructOut<F>
}

/* ---- numbers and booleans ---- */

/** One byte: 0 is false, all else true. */
export function boolean<const O extends FieldOptions<boolean>>(options?: O): FieldOf<boolean, boolean, O> {
  return scalar('boolean', false, booleanCodec, options)
}

/** A signed byte. */
export function int8<const O extends FieldOptions<number>>(options?: O): FieldOf<number, number, O> {
  return scalar('int8', 0, int8Codec, options)
}

/** A signed 16-bit integer. */
export function int16<const O extends FieldOptions<number>>(options?: O): FieldOf<number, number, O> {
  return scalar('int16', 0, int16Codec, options)
}

/** An unsigned 16-bit integer. */
export function uint16<const O extends FieldOptions<number>>(options?: O): FieldOf<number, number, O> {
  return scalar('uint16', 0, uint16Codec, options)
}

/** A signed 32-bit integer. */
export function int32<const O extends FieldOptions<number>>(options?: O): FieldOf<number, number, O> {
  return scalar('int32', 0, int32Codec, options)
}

/** An unsigned 32-bit integer. */
export function uint32<const O extends FieldOptions<number>>(options?: O): FieldOf<number, number, O> {
  return scalar('uint32', 0, uint32Codec, options)
}

/** A 64-bit integer as a number: offsets, timestamps. Reading one beyond 2^53 is an error. */
export function int64<const O extends FieldOptions<number>>(options?: O): FieldOf<number, number, O> {
  return scalar('int64', 0, int64Codec, options)
}

/** A 64-bit integer as a bigint: producer ids, hashes, whatever may use all bits. */
export function bigint64<const O extends FieldOptions<bigint>>(options?: O): FieldOf<bigint, bigint, O> {
  return scalar('bigint64', 0n, bigint64Codec, options)
}

/** A double. */
export function float64<const O extends FieldOptions<number>>(options?: O): FieldOf<number, number, O> {
  return scalar('float64', 0, float64Codec, options)
}

/** The uuid that stands for none. */
export const NO_UUID = 'AAAAAAAAAAAAAAAAAAAAAA'

/** Sixteen bytes as Kafka prints them: base64url without padding, 22 characters. A string, so that it is a key of a Map. */
export function uuid<const O extends FieldOptions<string>>(options?: O): FieldOf<string, string, O> {
  return scalar('uuid', NO_UUID, uuidCodec, options)
}

function scalar<T, O>(kind: ScalarKind, zero: T, codec: ValueCodec<T>, options: FieldOptions<T> | undefined): FieldOf<T, T, O> {
  const initial = options?.default ?? zero
  const isInitial = (value: T): boolean => value === initial
  return field({ shape: { kind }, options: checked(options), initial: () => initial, isInitial, compile: () => codec })
}

const booleanCodec: ValueCodec<boolean> = {
  smallest: 1,
  write: (value, writer) => writer.int8(value ? 1 : 0),
  read: (reader) => reader.int8() !== 0,
}
const int8Codec: ValueCodec<number> = { smallest: 1, write: (value, writer) => writer.int8(value), read: (reader) => reader.int8() }
const int16Codec: ValueCodec<number> = { smallest: 2, write: (value, writer) => writer.int16(value), read: (reader) => reader.int16() }
const uint16Codec: ValueCodec<number> = { smallest: 2, write: (value, writer) => writer.int16(value), read: (reader) => reader.uint16() }
const int32Codec: ValueCodec<number> = { smallest: 4, write: (value, writer) => writer.int32(value), read: (reader) => reader.int32() }
const uint32Codec: ValueCodec<number> = { smallest: 4, write: (value, writer) => writer.int32(value), read: (reader) => reader.uint32() }
const int64Codec: ValueCodec<number> = { smallest: 8, write: (value, writer) => writer.int64(value), read: (reader) => reader.int64() }
const bigint64Codec: ValueCodec<bigint> = { smallest: 8, write: (value, writer) => writer.bigint64(value), read: (reader) => reader.bigint64() }
const float64Codec: ValueCodec<number> = { smallest: 8, write: (value, writer) => writer.float64(value), read: (reader) => reader.float64() }
const uuidCodec: ValueCodec<string> = {
  smallest: 16,
  write(value, writer) {
    const bytes = Buffer.from(value, 'base64url')
    if (bytes.length !== 16) throw new TypeError(`"${value}" is not a uuid`)
    writer.bytes(bytes)
  },
  read: (reader) => asBuffer(reader.bytes(16)).toString('base64url'),
}

/* ---- strings and bytes ---- */

/** UTF-8 text; at most 32,767 bytes of it before flexible versions. */
export function string<const O extends StringOptions>(options?: O): FieldOf<string, string, O> {
  const initial = options?.default === undefined ? '' : options.default
  return field({
    options: checked(options),
    initial: () => initial,
    shape: { kind: 'string' },
    isInitial: (value: string | null) => value === initial,
    compile: ({ version, flexible }: Target, path: string) =>
      (flexible && options?.compact !== false ? compactString : classicString)(nullableIn(options, version), path),
  })
}

function classicString(nullable: boolean, path: string): ValueCodec<string | null> {
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

function compactString(nullable: boolean, path: string): ValueCodec<string | null> {
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

/** Any bytes. Decoding gives a view of what was read. */
export function bytes<const O extends NullableOptions<Uint8Array>>(options?: O): FieldOf<Buffer, Uint8Array, O> {
  const initial = options?.default === null ? null : NO_BYTES
  if (options?.default != null && options.default.length > 0) throw new TypeError('bytes can only have null or no bytes as their default')
  return field({
    options: checked(options),
    initial: () => initial,
    shape: { kind: 'bytes' },
    isInitial: (value: Uint8Array | null) => (value === null ? initial === null : initial !== null && value.length === 0),
    compile: ({ version, flexible }: Target, path: string) =>
      bytesCodec(flexible ? compactLength : classicLength, nullableIn(options, version), path),
  })
}

/**
 * Record batches, passed through as bytes: the codec of batches is format/batch.ts. May be null in every version. The writer is given them
 * in one piece, so that one which sends pieces as they are need not copy them.
 */
export function records<const O extends FieldOptions<Uint8Array | null>>(options?: O): Field<Buffer | null, Uint8Array | null, HasDefault<O>> {
  return { ...bytes({ ...options, nullable: 0 }), shape: { kind: 'records' } } as Field<Buffer | null, Uint8Array | null, HasDefault<O>>
}

const NO_BYTES = Buffer.alloc(0)

function bytesCodec(length: LengthCodec, nullable: boolean, path: string): ValueCodec<Buffer | null, Uint8Array | null> {
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

/* ---- arrays and structs ---- */

/** A list of structs, given as their fields, or of the values of one field: `array(int32())`. The default is `[]` or null. */
export function array<const E extends Fields | AnyField, const O extends NullableOptions<readonly []>>(
  element: E,
  options?: O,
): E extends AnyField ? FieldOf<OutOf<E>[], readonly InOf<E>[], O> : E extends Fields ? FieldOf<StructOut<E>[], readonly StructIn<E>[], O> : never {
  const startsNull = options?.default === null
  return field({
    options: checked(options),
    initial: () => (startsNull ? null : []),
    shape: { kind: 'array', element },
    isInitial: (value: readonly unknown[] | null) => (value === null ? startsNull : !startsNull && value.length === 0),
    compile: (target: Target, path: string) => {
      const item: ValueCodec<unknown> = isField(element) ? element.compile(target, `${path}[]`) : structCodec(element, target, path)
      return arrayCodec(item, target.flexible ? compactLength : classicLength, nullableIn(options, target.version), path)
    },
  })
}

function arrayCodec(item: ValueCodec<unknown>, length: LengthCodec, nullable: boolean, path: string): ValueCodec<unknown[] | null> {
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

/** A struct inside another. The default is null or `{}`: a struct of defaults. */
export function struct<const F extends Fields, const O extends NullableOptions<{ readonly [name: string]: never }>>(
  fields: F,
  options?: O,
): FieldOf<StructOut<F>, StructIn<F>, O> {
  const entries = Object.entries(fields)
  const startsNull = options?.default === null
  return field({
    options: checked(options),
    initial: () => (startsNull ? null : Object.fromEntries(entries.map(([name, { initial }]) => [name, initial()]))),
    shape: { kind: 'struct', fields },
    isInitial: (value: Struct | null) => {
      if (startsNull || value === null) return startsNull && value === null
      return entries.every(([name, { isInitial }]) => value[name] === undefined || isInitial(value[name]))
    },
    compile: (target: Target, path: string) => {
      const codec = structCodec(fields, target, path)
      if (!nullableIn(options, target.version)) return codec
      return options?.tag === undefined ? nullableStruct(codec, -1) : nullableStruct(codec, 0)
    },
  })
}

/** A byte goes before it: 1 before a struct; for null −1, and 0 in a tagged field. */
function nullableStruct(codec: ValueCodec<Struct>, none: -1 | 0): ValueCodec<Struct | null> {
  return {
    smallest: 1,
    write(value, writer) {
      writer.int8(value === null ? none : 1)
      if (value !== null) codec.write(value, writer)
    },
    read: (reader) => (reader.int8() <= none ? null : codec.read(reader)),
  }
}

/** A value with named fields, while its type does not matter. */
type Struct = { [name: string]: unknown }

/** A field in one version: its name, its number when tagged, and its codec. */
interface Slot {
  readonly name: string
  readonly tag: number
  readonly field: AnyField
  readonly codec: ValueCodec<unknown>
}

/** The codec of a struct in one version: which fields there are is decided here, and not again per value. */
function structCodec(fields: Fields, target: Target, path: string): ValueCodec<any, any> {
  const slots = Object.entries(fields).filter(([, field]) => isPresent(field, target)).map(([name, field]) => slot(name, field, target, path))
  const plain = slots.filter(({ tag }) => tag < 0)
  const tagged = slots.filter(({ tag }) => tag >= 0).sort((a, b) => a.tag - b.tag)
  const absent = Object.entries(fields).filter(([, field]) => !isPresent(field, target))
  const required = absent.filter(([, field]) => field.options.ignorable !== true)
  const template: Struct = Object.fromEntries(Object.entries(fields).map(([name, { initial }]) => [name, initial()]))
  // Defaults that are objects must not be shared between values.
  const fresh = [...absent, ...tagged.map(({ name, field }) => [name, field] as const)].filter(([name]) => typeof template[name] === 'object')

  return {
    smallest: plain.reduce((sum, { codec }) => sum + codec.smallest, target.flexible ? 1 : 0),
    write(value: Struct, writer) {
      for (let i = 0; i < required.length; i++) checkAbsent(value, required[i]!, target, path)
      for (let i = 0; i < plain.length; i++) {
        const { name, codec, field } = plain[i]!
        const given = value[name]
        codec.write(given === undefined ? field.initial() : given, writer)
      }
      if (target.flexible) writeTagged(value, tagged, writer)
    },
    read(reader) {
      const value = { ...template }
      for (let i = 0; i < fresh.length; i++) value[fresh[i]![0]] = fresh[i]![1].initial()
      for (let i = 0; i < plain.length; i++) value[plain[i]!.name] = plain[i]!.codec.read(reader)
      if (target.flexible) readTagged(value, tagged, reader)
      return value
    },
  }
}

function isPresent({ options }: AnyField, { version, flexible }: Target): boolean {
  return version >= (options.since ?? 0) && version <= (options.until ?? Infinity) && (options.tag === undefined || flexible)
}

function slot(name: string, field: AnyField, target: Target, path: string): Slot {
  return { name, tag: field.options.tag ?? -1, field, codec: field.compile(target, `${path}.${name}`) }
}

function checkAbsent(value: Struct, [name, field]: readonly [string, AnyField], target: Target, path: string): void {
  const given = value[name]
  if (given !== undefined && !field.isInitial(given)) throw new TypeError(`${path}.${name} is set, and version ${target.version} does not have it`)
}

function writeTagged(value: Struct, slots: readonly Slot[], writer: ByteWriter): void {
  const given = slots.filter(({ name, field }) => value[name] !== undefined && !field.isInitial(value[name]))
  writer.uvarint(given.length)
  for (const { name, tag, codec } of given) {
    writer.uvarint(tag)
    writeSized(value[name], codec, writer)
  }
}

/** Writes the value with its size in front. The size is known only afterwards: one byte is left for it, and the value moves when it takes more. */
function writeSized(value: unknown, codec: ValueCodec<unknown>, writer: ByteWriter): void {
  const sizeAt = writer.at
  writer.int8(0)
  codec.write(value, writer)
  const size = writer.at - sizeAt - 1
  const more = uvarintSize(size) - 1
  if (more > 0) {
    writer.reserve(more)
    writer.buffer.copyWithin(sizeAt + 1 + more, sizeAt + 1, writer.at)
    writer.at += more
  }
  putUvarint(writer.buffer, sizeAt, size)
}

function readTagged(value: Struct, slots: readonly Slot[], reader: ByteReader): void {
  let count = reader.uvarint()
  if (count > 0) reader.items(count)
  for (; count > 0; count--) {
    const tag = reader.uvarint()
    const size = reader.uvarint()
    const end = reader.at + size
    const known = slots.find((slot) => slot.tag === tag)
    if (known === undefined) reader.bytes(size)
    else if (size > reader.left) reader.fail(`tagged field ${known.name} of ${size} bytes`)
    else value[known.name] = known.codec.read(reader)
    if (reader.at !== end) reader.fail(`tagged field ${tag} has ${size} bytes, ${size + reader.at - end} were read`)
  }
}

/* ---- shared ---- */

/** How a length or count is written; −1 is null. */
interface LengthCodec {
  readonly smallest: number
  write(length: number, writer: ByteWriter): void
  read(reader: ByteReader): number
}

const classicLength: LengthCodec = int32Codec
const compactLength: LengthCodec = {
  smallest: 1,
  write: (length, writer) => writer.uvarint(length + 1),
  read: (reader) => reader.uvarint() - 1,
}

function nullableIn(options: NullableOptions<unknown> | undefined, version: number): boolean {
  return version >= (options?.nullable ?? Infinity)
}

function nullRefused(path: string): never {
  throw new TypeError(`${path} is null, and this version has no null there`)
}

function nullOrFail(length: number, nullable: boolean, reader: ByteReader, path: string): null {
  return nullable && length === -1 ? null : reader.fail(`${path} has a length of ${length}`)
}

const optionNames = ['since', 'until', 'tag', 'default', 'ignorable', 'nullable', 'compact']

function checked<O extends object>(options: O | undefined): O {
  const unknown = Object.keys(options ?? {}).find((name) => !optionNames.includes(name))
  if (unknown !== undefined) throw new TypeError(`unknown field option "${unknown}"`)
  return options ?? ({} as O)
}

function checkTags(path: string, fields: Fields): void {
  const tags = Object.values(fields).flatMap(({ options }) => options.tag ?? [])
  if (new Set(tags).size !== tags.length) throw new TypeError(`${path} has one tag twice`)
}

/** The one place where what a constructor made gets the type that inference worked out for it. */
function field<F>(made: AnyField): F {
  return made as F
}

/** Tells a field from the fields of a struct, as what a list holds. */
export function isField(element: Fields | AnyField): element is AnyField {
  return typeof element.compile === 'function'
}

function asBuffer(view: Uint8Array): Buffer {
  return Buffer.isBuffer(view) ? view : Buffer.from(view.buffer, view.byteOffset, view.byteLength)
}
