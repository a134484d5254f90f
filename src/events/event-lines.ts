/*
 * Events as lines of JSON: `{ type, data, stream, version, position, id, time, metadata, schema }`. Data is as it is stored: what is encrypted
 * stays so, and `schema` says which version of its type it is. `codec` says by what it was written that is not written as JSON, and where JSON does
 * not hold all of it, as a date of MessagePack, `bytes` has it too, in base64. `{ type: "$forgotten", stream, version }` says that a stream has
 * forgotten what is below that version.
 */
import { isDeepStrictEqual } from '../base/node-util.ts'
import { LogError } from '../base/errors.ts'
import { describe } from '../base/options.ts'
import { type Codec } from '../base/codec.ts'
import { json } from '../topics/codecs.ts'
import { isShredding } from './forgotten.ts'
import { type EventReading, type StoredEvent } from './stored-event.ts'
import { type EventMetadata } from './types.ts'

/** The type of the lines, and records, that say what a stream has forgotten. */
export const FORGOTTEN_TYPE = '$forgotten'

/** Beyond it there is no stream, and no room for its versions in the table of streams. */
const MOST_FORGOTTEN = 0x7fff_ffff

/** A line as it was read. */
export interface EventLine {
  /** Of the line, from 1. */
  readonly number: number
  readonly type: string
  readonly data: unknown
  readonly stream: string
  readonly version?: number
  readonly position?: number
  readonly id?: string
  readonly time?: number
  readonly metadata?: EventMetadata
  /** The version of its type that the data is; undefined for today's. */
  readonly schema?: number
}

/** Reads data as it lies in the log: nothing is decrypted, and nothing brought to the version of today. */
export function storedReading(codec: Codec<unknown>): EventReading {
  return { codec: isShredding(codec) ? json() : codec, upcast: (_type, _schema, data) => data }
}

/** The line of an event, with its line feed. `reading` is what it was read by: as it is stored, or as readers are given it. */
export function lineOf(event: StoredEvent, stored: boolean): string {
  const { type, data, stream, version, position, id, time, metadata } = event
  const line = { type, data, stream, version, position, id, time, metadata, ...(stored && { schema: event.schema }) }
  const { codec } = event.reading
  if (!stored || codec.name === 'json') return `${JSON.stringify(line)}\n`
  const text = JSON.stringify({ ...line, codec: codec.name }, (_, value: unknown) => (typeof value === 'bigint' ? String(value) : value))
  if (isDeepStrictEqual((JSON.parse(text) as EventLine).data, data)) return `${text}\n`
  return `${text.slice(0, -1)},"bytes":${JSON.stringify(event.valueBytes.toString('base64'))}}\n`
}

/** The line that says which version of a stream is the first that is kept. */
export function forgottenLine(stream: string, version: number, position: number): string {
  return `${JSON.stringify({ type: FORGOTTEN_TYPE, stream, version, position })}\n`
}

/** By what the data of a line was written; undefined when it does not say so, and for what is no line. */
export function codecOfLine(text: string): string | undefined {
  try {
    const { type, schema, codec } = JSON.parse(text) as { readonly type?: unknown; readonly schema?: unknown; readonly codec?: unknown }
    if (typeof codec === 'string') return codec
    return type === FORGOTTEN_TYPE || schema === undefined ? undefined : 'json'
  } catch {
    return undefined
  }
}

/**
 * What a line says.
 *
 * @param codec  what the store writes data by
 * @throws LogError `LOG_DECODE_FAILED` with the number of the line
 */
export function parseLine(text: string, number: number, codec: Codec<unknown>): EventLine {
  let line: Partial<EventLine & { codec: unknown; bytes: unknown }> | null
  try {
    line = JSON.parse(text) as typeof line
  } catch (error) {
    throw new LogError('LOG_DECODE_FAILED', `line ${number} is no JSON: ${(error as Error).message}`, { line: number }, error)
  }
  const { type, stream, version, schema, bytes, codec: writtenBy, ...rest } = line ?? {}
  const whole = typeof type === 'string' && typeof stream === 'string' && isCount(version) && isCount(schema) &&
    (type !== FORGOTTEN_TYPE || (version !== undefined && version <= MOST_FORGOTTEN))
  if (!whole) throw new LogError('LOG_DECODE_FAILED', `line ${number} is no event: ${describe(text.slice(0, 100))}`, { line: number })
  const own = bytes === undefined ? {} : { data: decoded(bytes, writtenBy, number, codec) }
  return {
    ...rest as EventLine, ...own, number, type, stream, ...(version !== undefined && { version }), ...(schema !== undefined && { schema }),
  }
}

function decoded(bytes: unknown, writtenBy: unknown, number: number, codec: Codec<unknown>): unknown {
  if (typeof bytes !== 'string' || writtenBy !== codec.name) {
    const message = `line ${number} has data of the codec ${describe(writtenBy)}, and the store writes by "${codec.name}"`
    throw new LogError('LOG_DECODE_FAILED', message, { line: number, codec: codec.name })
  }
  const buffer = Buffer.from(bytes, 'base64')
  try {
    return codec.decode(buffer, 0, buffer.length)
  } catch (error) {
    throw new LogError('LOG_DECODE_FAILED', `line ${number} has data that cannot be decoded: ${(error as Error).message}`, { line: number }, error)
  }
}

function isCount(value: unknown): boolean {
  return value === undefined || (Number.isSafeInteger(value) && (value as number) >= 1)
}
