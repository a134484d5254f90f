/*
 * What is asked and answered over HTTP, as values: each schema is a JSON Schema of draft 2020-12, which stands in the OpenAPI description as it is,
 * and at the same time a type for the compiler. One with a title becomes a component there. What is checked by them is in check.ts.
 */
/** The types of JSON. */
export type JsonType = 'string' | 'integer' | 'number' | 'boolean' | 'object' | 'array' | 'null'

declare const DESCRIBED: unique symbol

/** A JSON Schema, of the keywords that are checked; `T` is what it describes. */
export interface Schema<T = unknown> {
  readonly [DESCRIBED]?: T
  readonly $ref?: string
  readonly title?: string
  readonly description?: string
  readonly type?: JsonType | readonly JsonType[]
  readonly const?: unknown
  readonly enum?: readonly unknown[]
  readonly properties?: Fields
  readonly required?: readonly string[]
  readonly additionalProperties?: boolean | Schema
  readonly minProperties?: number
  readonly maxProperties?: number
  readonly items?: Schema
  readonly minItems?: number
  readonly maxItems?: number
  readonly uniqueItems?: boolean
  readonly minimum?: number
  readonly maximum?: number
  readonly exclusiveMinimum?: number
  readonly exclusiveMaximum?: number
  readonly multipleOf?: number
  readonly minLength?: number
  readonly maxLength?: number
  readonly pattern?: string
  /** Only `regex` is checked. */
  readonly format?: string
  readonly anyOf?: readonly Schema[]
  readonly oneOf?: readonly Schema[]
  readonly allOf?: readonly Schema[]
  readonly not?: Schema
  readonly default?: unknown
}

/** Schemas by the names of their fields. */
export type Fields = Readonly<Record<string, Schema>>

/** What a schema describes. */
export type Described<S> = S extends Schema<infer T> ? T : never

/** What fields describe that must be there. */
export type Required<F extends Fields> = { readonly [Name in keyof F]: Described<F[Name]> }

/** What fields describe that may be there. */
export type Optional<F extends Fields> = { readonly [Name in keyof F]?: Described<F[Name]> }

/** Anything that JSON can say. */
export const anything: Schema<unknown> = {}

/** True or false. */
export const flag: Schema<boolean> = { type: 'boolean' }

/** A text, of any length. */
export const text: Schema<string> = { type: 'string' }

/** Some text: not an empty one. */
export const name: Schema<string> = { type: 'string', minLength: 1 }

/** Bytes in base64, with padding. */
export const base64: Schema<string> = {
  type: 'string', pattern: '^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$', description: 'Bytes in base64.',
}

/** A whole number from `minimum` to `maximum`. */
export function integer(minimum?: number, maximum?: number): Schema<number> {
  return { type: 'integer', ...(minimum !== undefined && { minimum }), ...(maximum !== undefined && { maximum }) }
}

/** One of a few words. */
export function oneOf<const Word extends string>(...words: readonly Word[]): Schema<Word> {
  return { type: 'string', enum: words }
}

/** This word and no other. */
export function word<const Word extends string>(value: Word): Schema<Word> {
  return { type: 'string', const: value }
}

/** A list. */
export function list<T>(items: Schema<T>, { minItems }: { readonly minItems?: number } = {}): Schema<readonly T[]> {
  return { type: 'array', items, ...(minItems !== undefined && { minItems }) }
}

/** An object of values by any names. */
export function byName<T>(values: Schema<T>): Schema<Readonly<Record<string, T>>> {
  return { type: 'object', additionalProperties: values }
}

/** An object with fields that must be there, and fields that may; no others. */
export function object<R extends Fields, O extends Fields = Record<never, never>>(required: R, optional?: O): Schema<Required<R> & Optional<O>> {
  const names = Object.keys(required)
  return { type: 'object', properties: { ...required, ...optional }, ...(names.length > 0 && { required: names }), additionalProperties: false }
}

/** What one of several schemas describes. */
export function either<const S extends readonly Schema[]>(...anyOf: S): Schema<Described<S[number]>> {
  return { anyOf }
}

/** What the schema describes, or null. */
export function orNull<T>(schema: Schema<T>): Schema<T | null> {
  return typeof schema.type === 'string' && schema.enum === undefined && schema.const === undefined
    ? { ...schema, type: [schema.type, 'null'] } as Schema<T | null>
    : { anyOf: [schema, { type: 'null' }] }
}

/** The schema with words of explanation. */
export function described<T>(schema: Schema<T>, description: string): Schema<T> {
  return { ...schema, description }
}

/** The schema with a name of its own: a component of the description. */
export function titled<T>(title: string, schema: Schema<T>, description?: string): Schema<T> {
  return { ...schema, title, ...(description !== undefined && { description }) }
}
