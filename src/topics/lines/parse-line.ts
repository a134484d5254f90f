/*
 * Records as lines of JSON, as they are read: the form of `dump --json`, bytes in base64 (docs/cli.md#records-as-json), and that of kcat's `-J`,
 * bytes as text. What a line says is checked field by field before anything believes it.
 */
import { isUtf8 } from 'node:buffer'
import { InputError } from '../../base/input-error.ts'
import { type RecordHeader } from '../../format/record.ts'
import { parseSource, type TopicSource } from './topic-source.ts'

/** Names of the forms. */
export const recordForms = ['dump', 'kcat'] as const

/** One of the forms. */
export type RecordForm = (typeof recordForms)[number]

/** What a line says of a record, in whichever form. */
export interface LineRecord {
  readonly form: RecordForm
  readonly topic: string
  readonly partition: number
  readonly offset: number
  /** Ms since 1970, −1 for none. */
  readonly timestamp: number
  readonly key: Buffer | null
  readonly value: Buffer | null
  readonly headers: readonly RecordHeader[]
  /** False when a reader of committed records does not get it. */
  readonly committed: boolean
  /** What the line says of its topic; the first one of a topic does, in an export. */
  readonly source: TopicSource | undefined
}

/**
 * What a line says.
 *
 * @throws InputError with what is wrong, without the line's number
 */
export function parseFormLine(line: Buffer): LineRecord {
  return isUtf8(line) ? parseFields(parseObject(line.toString())) : parseRawKcat(line)
}

/**
 * As {@link parseFormLine}, of a line that was read as JSON before.
 *
 * @throws InputError with what is wrong
 */
export function parseFields(fields: LineFields): LineRecord {
  const source = fields['source'] === undefined ? undefined : parseSource(fields['source'])
  return { ...('payload' in fields ? parseKcat(fields, utf8Bytes) : parseDump(fields)), source }
}

/** A line as JSON has it. */
export type LineFields = Readonly<Record<string, unknown>>

type Fields = LineFields
/** How the text of a line becomes bytes. */
type BytesOf = (text: string) => Buffer

const utf8Bytes: BytesOf = (text) => Buffer.from(text)
/** Of a line that was read with a character for each byte. */
const rawBytes: BytesOf = (text) => {
  if (/[^\u0000-\u00ff]/.test(text)) throw notText()
  return Buffer.from(text, 'latin1')
}

/** kcat writes keys and values as they are, also those that are no text: its lines are no JSON then, and say all the same what they were. */
function parseRawKcat(line: Buffer): LineRecord {
  let fields: Fields
  try {
    fields = parseObject(line.toString('latin1'))
  } catch {
    throw notText()
  }
  if (!('payload' in fields)) throw notText()
  return { ...parseKcat(fields, rawBytes), source: undefined }
}

function notText(): InputError {
  return new InputError('not text in UTF-8')
}

/**
 * The object of a line.
 *
 * @throws InputError when it is none
 */
export function parseObject(line: string): LineFields {
  let parsed: unknown
  try {
    parsed = JSON.parse(line)
  } catch (error) {
    throw new InputError(`not JSON: ${(error as Error).message}`, { cause: error })
  }
  if (typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed)) return parsed as Fields
  throw new InputError('not an object')
}

function parseDump(fields: Fields): Omit<LineRecord, 'source'> {
  const { timestamp, key, value, headers = [], readCommitted = true } = fields
  if (!('value' in fields)) throw new InputError('neither "value", as dump --json has it, nor "payload", as kcat has it')
  if (typeof readCommitted !== 'boolean') throw new InputError(`readCommitted is true or false, not ${said(readCommitted)}`)
  if (!Array.isArray(headers)) throw new InputError(`headers is an array, not ${said(headers)}`)
  return {
    form: 'dump', ...placeOf(fields), timestamp: whole(timestamp, 'timestamp', -1), committed: readCommitted,
    key: fromBase64(key ?? null, 'key'), value: fromBase64(value, 'value'),
    headers: headers.map((header: unknown): RecordHeader => {
      const { key: name, value: bytes } = (header ?? {}) as Fields
      return [string(name, 'the key of a header'), fromBase64(bytes ?? null, 'the value of a header')]
    }),
  }
}

/** Headers are names and values in turn, or an object of names with an array of values for each, as kcat's `-X` option makes them. */
function parseKcat(fields: Fields, bytesOf: BytesOf): Omit<LineRecord, 'source'> {
  const { tstype, ts, headers = [], key = null, payload } = fields
  const known = tstype === undefined || tstype === 'unknown' ? -1 : whole(ts, 'ts', -1)
  return {
    form: 'kcat', ...placeOf(fields), timestamp: known, committed: true, key: fromText(key, 'key', bytesOf),
    value: fromText(payload, 'payload', bytesOf), headers: Array.isArray(headers) ? inTurn(headers, bytesOf) : byName(headers, bytesOf),
  }
}

function inTurn(headers: readonly unknown[], bytesOf: BytesOf): RecordHeader[] {
  if (headers.length % 2 === 1) throw new InputError('headers are names and values in turn: one value is missing')
  return Array.from({ length: headers.length / 2 }, (_, at): RecordHeader => (
    [nameOf(headers[2 * at], bytesOf), fromText(headers[2 * at + 1], 'the value of a header', bytesOf)]
  ))
}

function byName(headers: unknown, bytesOf: BytesOf): RecordHeader[] {
  if (typeof headers !== 'object' || headers === null) throw new InputError(`headers is an array, not ${said(headers)}`)
  return Object.entries(headers as Fields).flatMap(([name, values]) => {
    if (!Array.isArray(values)) throw new InputError(`the values of header "${name}" are an array, not ${said(values)}`)
    return values.map((value: unknown): RecordHeader => [nameOf(name, bytesOf), fromText(value, 'the value of a header', bytesOf)])
  })
}

function placeOf({ topic, partition, offset }: Fields): Pick<LineRecord, 'topic' | 'partition' | 'offset'> {
  return { topic: string(topic, 'topic'), partition: whole(partition, 'partition', 0), offset: whole(offset, 'offset', 0) }
}

function string(given: unknown, name: string): string {
  if (typeof given === 'string') return given
  throw new InputError(`${name} is text, not ${said(given)}`)
}

function whole(given: unknown, name: string, least: number): number {
  if (Number.isSafeInteger(given) && (given as number) >= least) return given as number
  throw new InputError(`${name} is a whole number from ${least} on, not ${said(given)}`)
}

function nameOf(given: unknown, bytesOf: BytesOf): string {
  return bytesOf(string(given, 'the name of a header')).toString()
}

function fromText(given: unknown, name: string, bytesOf: BytesOf): Buffer | null {
  return given === null ? null : bytesOf(string(given, name))
}

/** Node skips what is no base64: here that is a mistake. */
function fromBase64(given: unknown, name: string): Buffer | null {
  if (given === null) return null
  const text = string(given, name)
  const bytes = Buffer.from(text, 'base64')
  if (bytes.toString('base64') === text) return bytes
  throw new InputError(`${name} is not base64: ${said(given)}`)
}

function said(given: unknown): string {
  const text = given === undefined ? 'nothing' : JSON.stringify(given)
  return text.length > 40 ? `${text.slice(0, 40)}…` : text
}
