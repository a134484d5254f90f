/*
 * What a store refuses at its door: ids of streams, events and expected versions that cannot be. They come from requests as often as from
 * programs, so each has a code to answer by (docs/errors.md#events); what only a program can get wrong, such as the name of an option, is a
 * TypeError as everywhere.
 */
import { LogError, type LogErrorDetail } from '../base/errors.ts'
import { describe } from '../base/options.ts'
import { type PreparedEvent } from './append-group.ts'
import { MOST_ID_BYTES } from './stream-table.ts'
import { type EventShape, type NewEvent, type Origin } from './types.ts'

/** Bytes that the type of an event, and its id, may have. */
const LONGEST_NAME = 255
/** Half of a surrogate pair, which is no character. */
const LONE = /\p{Surrogate}/u

/** Refuses what is no id of a stream: LOG_STREAM_INVALID. */
export function checkStream(stream: unknown): asserts stream is string {
  const fault = faultOfText(stream, MOST_ID_BYTES)
  if (fault !== undefined) throw new LogError('LOG_STREAM_INVALID', `the id of a stream ${fault}`, { stream: shortened(stream) })
}

/** Refuses the id of a stream that only the store itself appends to, such as the checkpoints of a reactor: LOG_STREAM_INVALID. */
export function checkOwnStream(stream: string): void {
  if (!stream.startsWith('$')) return
  throw new LogError('LOG_STREAM_INVALID', `the stream ${JSON.stringify(stream)} begins with "$", as those of the store itself do`, { stream })
}

/** Lets what an append may expect pass: LOG_VERSION_INVALID for the rest. */
export function checkExpected(expected: unknown): void {
  if (expected === 'any' || expected === 'none' || expected === 'exists') return
  if (typeof expected === 'number' && isVersion(expected, 0)) return
  const message = `expected is a version from 0 on, 'any', 'none' or 'exists', not ${describe(expected)}`
  throw new LogError('LOG_VERSION_INVALID', message, { expected })
}

/** Lets versions from `least` on pass, undefined and, as an end, Infinity: LOG_VERSION_INVALID for the rest. */
export function checkVersion(version: unknown, name: string, least: number): void {
  if (version === undefined || version === Infinity || (typeof version === 'number' && isVersion(version, least))) return
  throw new LogError('LOG_VERSION_INVALID', `${name} is a version from ${least} on, not ${describe(version)}`, { [name]: version })
}

/** Refuses an append of nothing: LOG_EVENT_INVALID. */
export function checkSome(events: readonly unknown[]): void {
  if (events.length === 0) throw invalid('events', 'an append has at least one event')
}

/** Refuses what is no event, whatever its data: LOG_EVENT_INVALID with the `field` that is wrong. */
export function checkEvent(event: unknown): asserts event is NewEvent<EventShape> {
  if (event === null || typeof event !== 'object') throw invalid('event', `an event is { type, data }, not ${describe(event)}`)
  const { type, id, time, metadata } = event as Partial<NewEvent<EventShape>>
  const fault = faultOfText(type, LONGEST_NAME)
  if (fault !== undefined) throw invalid('type', `the type of an event ${fault}`, { type: shortened(type) })
  if (type!.startsWith('$')) {
    throw invalid('type', `the event type ${JSON.stringify(type)} begins with "$", as those of the store itself do`, { type })
  }
  const faultOfId = id === undefined ? undefined : faultOfText(id, LONGEST_NAME)
  if (faultOfId !== undefined) throw invalid('id', `the id of an event ${faultOfId}`, { type, id: shortened(id) })
  if (time !== undefined) checkTime(time, type!)
  if (metadata === undefined || (typeof metadata === 'object' && metadata !== null && !Array.isArray(metadata))) return
  throw invalid('metadata', `the metadata of an event is an object, not ${describe(metadata)}`, { type })
}

/** Refuses origins that are no text: LOG_EVENT_INVALID. */
export function checkOrigin({ correlation, causation, trace }: Origin): void {
  for (const [name, value] of Object.entries({ correlation, causation, trace })) {
    if (value !== undefined && typeof value !== 'string') throw invalid(name, `${name} is a string, not ${describe(value)}`)
  }
}

/** Refuses an append in which one id is there twice: LOG_EVENT_ID_TAKEN. */
export function checkDistinct(events: readonly PreparedEvent[]): void {
  const ids = new Set<string>()
  for (const { id } of events) {
    if (id === undefined) continue
    if (ids.has(id)) throw new LogError('LOG_EVENT_ID_TAKEN', `the id ${JSON.stringify(id)} is there twice in one append`, { id })
    ids.add(id)
  }
}

/** Metadata of one's own as it is stored; undefined when there is none. LOG_EVENT_INVALID for what JSON does not know. */
export function metadataText(own: Readonly<Record<string, unknown>>): string | undefined {
  for (const name in own) {
    if (own[name] === undefined) continue
    try {
      return JSON.stringify(own)
    } catch (error) {
      throw invalid('metadata', `the metadata of an event is JSON: ${(error as Error).message}`, {}, error)
    }
  }
  return undefined
}

/** LOG_EVENT_INVALID: an append that cannot be stored as it is. */
export function invalid(field: string, message: string, detail: LogErrorDetail = {}, cause?: unknown): LogError {
  return new LogError('LOG_EVENT_INVALID', message, { field, ...detail }, cause)
}

/** A record's timestamp counts from 1970, and −1 says that there is none. */
function checkTime(time: unknown, type: string): void {
  if (typeof time === 'number' && Number.isSafeInteger(time) && time >= 0) return
  const hint = typeof time === 'number' && time < 0 ? ': keep times before 1970 in the data or metadata' : ''
  throw invalid('time', `the time of an event is a whole number of milliseconds since 1970, not ${describe(time)}${hint}`, { type, time })
}

function isVersion(value: number, least: number): boolean {
  return Number.isSafeInteger(value) && value >= least
}

/** Why something cannot be a name; undefined when it can. */
function faultOfText(text: unknown, most: number): string | undefined {
  if (typeof text !== 'string') return `is a string, not ${describe(text)}`
  if (text === '') return 'is not empty'
  // As many characters can be three times the bytes.
  const bytes = text.length * 3 > most ? Buffer.byteLength(text) : 0
  if (bytes > most) return `has at most ${most} bytes, not ${bytes}`
  return !isAscii(text) && LONE.test(text) ? 'is text, and this has half of a surrogate pair in it' : undefined
}

function isAscii(text: string): boolean {
  for (let index = 0; index < text.length; index++) if (text.charCodeAt(index) > 0x7f) return false
  return true
}

function shortened(value: unknown): unknown {
  return typeof value === 'string' && value.length > 100 ? `${value.slice(0, 100)}…` : value
}
