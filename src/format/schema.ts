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
import { type ByteReader, ByteWriter } from '../base/bytes.ts'
import {
  type AnyField, type Field, type FieldOptions, type Fields, isField, type NullableOptions, type ScalarKind, type StringOptions, type Target,
} from './field.ts'
import { type Struct, structCodec } from './struct-codec.ts'
import {
  arrayCodec, bytesCodec, classicLength, classicString, compactLength, compactString, nullableStruct, scalarCodecs, type ValueCodec,
} from './value-codecs.ts'

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
  return scalar('boolean', false, scalarCodecs.boolean, options)
}

/** A signed byte. */
export function int8<const O extends FieldOptions<number>>(options?: O): FieldOf<number, number, O> {
  return scalar('int8', 0, scalarCodecs.int8, options)
}

/** A signed 16-bit integer. */
export function int16<const O extends FieldOptions<number>>(options?: O): FieldOf<number, number, O> {
  return scalar('int16', 0, scalarCodecs.int16, options)
}

/** An unsigned 16-bit integer. */
export function uint16<const O extends FieldOptions<number>>(options?: O): FieldOf<number, number, O> {
  return scalar('uint16', 0, scalarCodecs.uint16, options)
}

/** A signed 32-bit integer. */
export function int32<const O extends FieldOptions<number>>(options?: O): FieldOf<number, number, O> {
  return scalar('int32', 0, scalarCodecs.int32, options)
}

/** An unsigned 32-bit integer. */
export function uint32<const O extends FieldOptions<number>>(options?: O): FieldOf<number, number, O> {
  return scalar('uint32', 0, scalarCodecs.uint32, options)
}

/** A 64-bit integer as a number: offsets, timestamps. Reading one beyond 2^53 is an error. */
export function int64<const O extends FieldOptions<number>>(options?: O): FieldOf<number, number, O> {
  return scalar('int64', 0, scalarCodecs.int64, options)
}

/** A 64-bit integer as a bigint: producer ids, hashes, whatever may use all bits. */
export function bigint64<const O extends FieldOptions<bigint>>(options?: O): FieldOf<bigint, bigint, O> {
  return scalar('bigint64', 0n, scalarCodecs.bigint64, options)
}

/** A double. */
export function float64<const O extends FieldOptions<number>>(options?: O): FieldOf<number, number, O> {
  return scalar('float64', 0, scalarCodecs.float64, options)
}

/** The uuid that stands for none. */
export const NO_UUID = 'AAAAAAAAAAAAAAAAAAAAAA'

/** Sixteen bytes as Kafka prints them: base64url without padding, 22 characters. A string, so that it is a key of a Map. */
export function uuid<const O extends FieldOptions<string>>(options?: O): FieldOf<string, string, O> {
  return scalar('uuid', NO_UUID, scalarCodecs.uuid, options)
}

const NO_BYTES = Buffer.alloc(0)

function scalar<T, O>(kind: ScalarKind, zero: T, codec: ValueCodec<T>, options: FieldOptions<T> | undefined): FieldOf<T, T, O> {
  const initial = options?.default ?? zero
  const isInitial = (value: T): boolean => value === initial
  return field({ shape: { kind }, options: checked(options), initial: () => initial, isInitial, compile: () => codec })
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

/* ---- options ---- */

function nullableIn(options: NullableOptions<unknown> | undefined, version: number): boolean {
  return version >= (options?.nullable ?? Infinity)
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
