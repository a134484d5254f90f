/*
 * How data reads whose key was destroyed: not as an error, and not as data, but as forgotten. What was kept in the clear is still there.
 */

/** What marks data as forgotten; the value is the subject whose key is gone. Shared by all copies of the package. */
const FORGOTTEN = Symbol.for('commitlog.forgotten')

/** Data, or the part of it that is left, of a subject that was forgotten. */
export type Forgotten<Data> = Partial<Data> & { readonly [FORGOTTEN]: string }

/** Whether data was forgotten: its key is gone, and only what was never encrypted is left. */
export function isForgotten<Data>(data: Data): data is Data & Forgotten<Data> {
  return typeof data === 'object' && data !== null && FORGOTTEN in data
}

/** The subject of which data was forgotten; undefined when it was not. */
export function forgottenSubject(data: unknown): string | undefined {
  return isForgotten(data) ? (data as Forgotten<unknown>)[FORGOTTEN] : undefined
}

/** @internal What is left, marked: the mark is not seen by JSON, spreads or comparisons of fields. */
export function markForgotten<Data extends object>(left: Data, subject: string): Data {
  return Object.defineProperty(left, FORGOTTEN, { value: subject, enumerable: false })
}

/** Data of the store's own events, such as checkpoints: it is about nobody. */
const own = new WeakSet<object>()

/** @internal Marks data as the store's own. */
export function ownData<Data extends object>(data: Data): Data {
  own.add(data)
  return data
}

/** @internal Whether data is the store's own. */
export function isOwnData(data: unknown): boolean {
  return typeof data === 'object' && data !== null && own.has(data)
}

/** Where the encrypted part of data stands in its JSON. */
export const ENVELOPE = 'cl-shredded'

/** Data that was encrypted before, and comes as it was stored. */
const sealed = new WeakSet<object>()

/** @internal Marks data that has an encrypted part as it was stored; what has none is left as it is, to be encrypted. */
export function markSealed(data: unknown): unknown {
  if (typeof data === 'object' && data !== null && ENVELOPE in data) sealed.add(data)
  return data
}

/** @internal Whether data was encrypted before. */
export function isSealed(data: unknown): boolean {
  return typeof data === 'object' && data !== null && sealed.has(data)
}

const shredding = new WeakSet<object>()

/** @internal Marks a codec as one whose data is forgotten by destroying keys. */
export function shreddingCodec<Codec extends object>(codec: Codec): Codec {
  shredding.add(codec)
  return codec
}

/** @internal Whether a codec encrypts: then what is made of the data is not to be stored in the clear. */
export function isShredding(codec: object): boolean {
  return shredding.has(codec)
}
