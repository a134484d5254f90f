/*
 * What a field of a message is, whoever declared it: in which versions it is present, what stands for it elsewhere, what kind of value it holds,
 * and how to get its encoding in one version. How fields are declared is schema.ts.
 */
import { type scalarCodecs, type ValueCodec } from './value-codecs.ts'

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
export type ScalarKind = keyof typeof scalarCodecs

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

/** Tells a field from the fields of a struct, as what a list holds. */
export function isField(element: Fields | AnyField): element is AnyField {
  return typeof element.compile === 'function'
}
