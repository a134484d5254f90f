/*
 * How numbers, times, bytes and records look: for people, and as JSON. Bytes come from anywhere, so nothing that a terminal would obey
 * is printed as it is.
 */
import { isUtf8 } from 'node:buffer'
import { inspect } from '../base/node-util.ts'
import { type TimestampType } from '../format/batch.ts'
import { type RecordHeader } from '../format/record.ts'
import { builtInCodec } from '../topics/codecs.ts'

const MOST_HEX = 64

/** A record with its key, value and header values as they are stored. */
export interface PlainRecord {
  readonly topic: string
  readonly partition: number
  readonly offset: number
  readonly timestamp: number
  readonly timestampType: TimestampType
  readonly key: Buffer | null
  readonly value: Buffer | null
  readonly headers: readonly RecordHeader[]
  readonly leaderEpoch: number
}

/** A value as a line of JSON, with words for what JSON has none for. */
export function jsonLine(value: unknown): string {
  return JSON.stringify(value, (_name, item: unknown) => {
    if (typeof item === 'bigint') return Number.isSafeInteger(Number(item)) ? Number(item) : String(item)
    return item === Infinity ? 'Infinity' : item
  })
}

/** `12,345`. */
export function count(value: number): string {
  return Math.round(value).toLocaleString('en-US')
}

/** `1 batch`, `12 batches`. */
export function counted(value: number, one: string, many = `${one}s`): string {
  return `${count(value)} ${value === 1 ? one : many}`
}

/** `1.2 MiB`. */
export function size(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB']
  let power = 0
  while (power < units.length - 1 && bytes >= 1024 ** (power + 1)) power++
  return power === 0 ? `${count(bytes)} B` : `${(bytes / 1024 ** power).toFixed(1)} ${units[power]}`
}

/** A time in ISO 8601; `-` for none. */
export function time(ms: number): string {
  if (ms < 0) return '-'
  return ms <= 8.64e15 ? new Date(ms).toISOString() : String(ms)
}

/** Text without anything that a terminal would obey. */
export function printable(text: string): string {
  // Control characters, line and paragraph separators, and what turns the direction of writing.
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]/g, (char) => {
    const short: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' }
    return short[char] ?? `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`
  })
}

/** A key or value as people read it; by its codec when that is known, else as text, else in hex. */
export function shown(bytes: Buffer | null, codec: string | undefined): string {
  if (bytes === null) return 'null'
  if (codec !== undefined && codec !== 'string' && codec !== 'bytes') {
    const decoded = decodedBy(codec, bytes)
    if (decoded !== undefined) return decoded
  }
  if (bytes.length === 0) return '""'
  if (isUtf8(bytes)) return quoted(printable(bytes.toString('utf8')))
  const rest = bytes.length > MOST_HEX ? `… (${size(bytes.length)})` : ''
  return `0x${bytes.toString('hex', 0, MOST_HEX)}${rest}`
}

/** At most so many characters. */
export function clipped(text: string, most: number): string {
  return text.length <= most ? text : `${text.slice(0, Math.max(0, most - 1))}…`
}

/** `a=1 b=null`. */
export function shownHeaders(headers: readonly RecordHeader[]): string {
  return headers.map(([name, value]) => `${printable(name)}=${shown(value, undefined)}`).join(' ')
}

/** A record as a line of JSON, bytes in base64: docs/cli.md#records-as-json. */
export function recordJson(record: PlainRecord, readCommitted: boolean): string {
  return JSON.stringify({ ...recordFields(record), readCommitted })
}

/** The fields of that line. */
export function recordFields(record: PlainRecord): object {
  const { topic, partition, offset, timestamp, timestampType, leaderEpoch } = record
  const headers = record.headers.map(([key, value]) => ({ key, value: base64(value) }))
  return { topic, partition, offset, timestamp, timestampType, key: base64(record.key), value: base64(record.value), headers, leaderEpoch }
}

/** Text that looks like what stands for something else gets quotes. */
function quoted(text: string): string {
  return /^(?:null$|0x|")/.test(text) ? `"${text}"` : text
}

function base64(bytes: Buffer | null): string | null {
  return bytes === null ? null : bytes.toString('base64')
}

function decodedBy(codec: string, bytes: Buffer): string | undefined {
  try {
    const value = builtInCodec(codec)?.decode(bytes, 0, bytes.length)
    if (value === undefined) return undefined
    return printable(codec === 'json' ? JSON.stringify(value) : inspect(value, { breakLength: Infinity, depth: 8, maxStringLength: Infinity }))
  } catch {
    return undefined       // another codec wrote it
  }
}
