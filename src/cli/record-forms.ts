/*
 * The two forms of a record as a line of JSON that are written and read here: that of `dump --json`, bytes in base64 (docs/cli.md#records-as-json),
 * and that of kcat's `-J`, bytes as text. What a line says is checked field by field before anything believes it.
 */
import { isUtf8 } from 'node:buffer'
import { type RecordHeader } from '../format/record.ts'
import { InputError } from './command.ts'
import { type PlainRecord, recordJson } from './text.ts'
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
 * The line of a record.
 *
 * @param source  what it is to say of its topic: see topic-source.ts
 * @throws InputError when its form has no way to say it: kcat's has none for bytes that are not text
 */
export function formLine(form: RecordForm, record: PlainRecord, committed: boolean, source?: object): string {
  const line = form === 'dump' ? recordJson(record, committed) : kcatJson(record)
  return source === undefined ? line : `${line.slice(0, -1)},"source":${JSON.stringify(source)}}`
}

/**
 * What a line says.
 *
 * @throws InputError with what is wrong, without the line's number
 */
export function parseFormLine(line: Buffer): LineRecord {
  if (!isUtf8(line)) throw new InputError('not text in UTF-8')
  const fields = parseObject(line.toString())
  const source = fields['source'] === undefined ? undefined : parseSource(fields['source'])
  return { ...('payload' in fields ? parseKcat(fields) : parseDump(fields)), source }
}

type Fields = Readonly<Record<string, unknown>>

/** In the order of kcat, which leaves headers out where there are none. The node that a log of ours is has no number of interest. */
function kcatJson(record: PlainRecord): string {
  const { topic, partition, offset, timestamp, timestampType, headers } = record
  const place = `offset ${offset} of ${topic}-${partition}`
  const text = (bytes: Buffer | null, what: string): string | null => {
    if (bytes === null || isUtf8(bytes)) return bytes === null ? null : bytes.toString()
    throw new InputError(`the ${what} at ${place} is not text in UTF-8, and kcat's form has nothing else: use --format dump`)
  }
  return JSON.stringify({
    topic, partition, offset,
    ...(timestamp >= 0 && { tstype: timestampType === 'CreateTime' ? 'create' : 'logappend', ts: timestamp }),
    broker: -1,
    ...(headers.length > 0 && { headers: headers.flatMap(([name, value]) => [name, text(value, `header "${name}"`)]) }),
    key: text(record.key, 'key'), payload: text(record.value, 'value'),
  })
}

function parseObject(line: string): Fields {
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
function parseKcat(fields: Fields): Omit<LineRecord, 'source'> {
  const { tstype, ts, headers = [], key = null, payload } = fields
  const known = tstype === undefined || tstype === 'unknown' ? -1 : whole(ts, 'ts', -1)
  return {
    form: 'kcat', ...placeOf(fields), timestamp: known, committed: true, key: fromText(key, 'key'), value: fromText(payload, 'payload'),
    headers: Array.isArray(headers) ? inTurn(headers) : byName(headers),
  }
}

function inTurn(headers: readonly unknown[]): RecordHeader[] {
  if (headers.length % 2 === 1) throw new InputError('headers are names and values in turn: one value is missing')
  return Array.from({ length: headers.length / 2 }, (_, at): RecordHeader => (
    [string(headers[2 * at], 'the name of a header'), fromText(headers[2 * at + 1], 'the value of a header')]
  ))
}

function byName(headers: unknown): RecordHeader[] {
  if (typeof headers !== 'object' || headers === null) throw new InputError(`headers is an array, not ${said(headers)}`)
  return Object.entries(headers as Fields).flatMap(([name, values]) => {
    if (!Array.isArray(values)) throw new InputError(`the values of header "${name}" are an array, not ${said(values)}`)
    return values.map((value: unknown): RecordHeader => [name, fromText(value, 'the value of a header')])
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

function fromText(given: unknown, name: string): Buffer | null {
  return given === null ? null : Buffer.from(string(given, name))
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
