/*
 * Crypto-shredding: data is encrypted with a key of the subject that it is about, and forgotten by destroying the key, in every copy and
 * backup at once. A codec does it, so that events, snapshots and plain topics can; what it writes is JSON that tells subject and key.
 * Spec: docs/format.md#shredded-data. AES-256-GCM with a random nonce; subject and key id are authenticated.
 */
import { type ByteWriter } from '../base/bytes.ts'
import { type Codec } from '../base/codec.ts'
import { LogError } from '../base/errors.ts'
import { checkFunction, checkObject, checkOptions } from '../base/options.ts'
import { json } from '../topics/codecs.ts'
import { ENVELOPE, isForgotten, isOwnData, isSealed, markForgotten, shreddingCodec } from './forgotten.ts'
import { type KeyStore, type SubjectKey } from './subject-keys.ts'

/** What is encrypted, and for whom. */
export interface ShreddedOptions<Data> {
  readonly keys: KeyStore
  /** Whom data is about; undefined leaves it in the clear. */
  readonly subject: (data: Data) => string | undefined
  /** The fields to encrypt, of data that is an object. Default: all of it. */
  readonly fields?: readonly string[]
}

const NONCE_SIZE = 12
const TAG_SIZE = 16

/** `[subject, key id, base64 of nonce, ciphertext and tag]`. */
type Envelope = readonly [subject: string, keyId: string, sealed: string]

/**
 * A codec that encrypts data for its subject: `defineEvents('customer', { value: shredded({ keys, subject: (data) => data.customer }) })`.
 *
 * Data without a subject, and what was written before, is plain JSON. Data whose key is gone reads as forgotten: see {@link isForgotten}.
 *
 * @throws LogError `LOG_KEY_MISSING` when data is written of a subject without a key: it is made first, so that no key is lost in a crash
 */
export function shredded<Data = unknown>(options: ShreddedOptions<Data>): Codec<Data> {
  checkOptions(options, ['keys', 'subject', 'fields'], 'shredded')
  checkObject(options.keys ?? null, 'shredded takes a store of keys')
  checkFunction(options.keys.get, 'keys.get')
  checkFunction(options.subject, 'subject')
  const plain = json() as Codec<unknown>
  return shreddingCodec(Object.freeze({
    name: plain.name,
    encode: (data: Data, writer: ByteWriter) => plain.encode(asStored(data, options), writer),
    decode: (buffer: Buffer, start: number, end: number) => opened(plain.decode(buffer, start, end), options.keys) as Data,
  }))
}

function asStored<Data>(data: Data, options: ShreddedOptions<Data>): unknown {
  if (isForgotten(data) || isOwnData(data)) return data
  if (!isSealed(data)) return sealed(data, options)
  // What nobody could read any more is not to get in.
  opened(data, options.keys)
  return data
}

function sealed<Data>(data: Data, { keys, subject: subjectOf, fields }: ShreddedOptions<Data>): unknown {
  if (typeof data === 'object' && data !== null && ENVELOPE in data) {
    throw new LogError('LOG_EVENT_INVALID', `data of one's own has no ${JSON.stringify(ENVELOPE)}: that is where its encrypted part is`, {})
  }
  const subject = subjectOf(data)
  if (subject === undefined) return data
  const key = keys.get(subject)
  if (key === undefined) {
    throw new LogError('LOG_KEY_MISSING', `subject ${JSON.stringify(subject)} has no key: await keys.create(subject) first`, { subject })
  }
  const open = fields === undefined ? {} : { ...data as object }
  const hidden: Record<string, unknown> = {}
  for (const field of fields ?? []) {
    if (!(field in open)) continue
    hidden[field] = (open as Record<string, unknown>)[field]
    delete (open as Record<string, unknown>)[field]
  }
  const text = JSON.stringify(fields === undefined ? data : hidden)
  if (text === undefined) throw new TypeError('data that JSON does not know cannot be encrypted')
  return { ...open, [ENVELOPE]: [subject, key.id, encrypt(Buffer.from(text), subject, key), ...(fields === undefined ? ['whole'] : [])] }
}

function opened(stored: unknown, keys: KeyStore): unknown {
  const envelope = (stored as { [ENVELOPE]?: Envelope } | null)?.[ENVELOPE]
  if (typeof stored !== 'object' || envelope === undefined) return stored
  const parts: readonly unknown[] = Array.isArray(envelope) ? envelope : []
  if (parts.length < 3 || parts.some((part) => typeof part !== 'string')) {
    throw new LogError('LOG_DECODE_FAILED', `what stands in ${JSON.stringify(ENVELOPE)} was not encrypted by this codec`, {})
  }
  const [subject, keyId, text, whole] = parts as readonly string[]
  const { [ENVELOPE]: _, ...open } = stored as Record<string, unknown>
  const key = keys.get(subject!)
  if (key === undefined || key.id !== keyId) return markForgotten(open, subject!)
  const hidden: unknown = JSON.parse(decrypt(Buffer.from(text!, 'base64'), subject!, key).toString())
  return whole === undefined ? { ...open, ...hidden as object } : hidden
}

function encrypt(text: Buffer, subject: string, { id, key }: SubjectKey): string {
  const { createCipheriv, randomBytes } = process.getBuiltinModule('node:crypto')
  const nonce = randomBytes(NONCE_SIZE)
  const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(Buffer.from(`${id}${subject}`))
  return Buffer.concat([nonce, cipher.update(text), cipher.final(), cipher.getAuthTag()]).toString('base64')
}

function decrypt(box: Buffer, subject: string, { id, key }: SubjectKey): Buffer {
  const { createDecipheriv } = process.getBuiltinModule('node:crypto')
  try {
    const decipher = createDecipheriv('aes-256-gcm', key, box.subarray(0, NONCE_SIZE)).setAAD(Buffer.from(`${id}${subject}`))
    decipher.setAuthTag(box.subarray(-TAG_SIZE))
    return Buffer.concat([decipher.update(box.subarray(NONCE_SIZE, -TAG_SIZE)), decipher.final()])
  } catch (error) {
    throw new LogError('LOG_DECODE_FAILED', `what was encrypted for subject ${JSON.stringify(subject)} is damaged`, { subject }, error)
  }
}
