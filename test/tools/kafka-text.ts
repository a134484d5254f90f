/*
 * Records of the internal topics as Kafka's own tools print them, from the fixtures; and our values made to look like that.
 */
import { fixtureLines } from './fixtures.ts'

/** Key and value of a record as Kafka prints them. A null value is a tombstone. */
export interface PrintedRecord {
  readonly key: { readonly type: number; readonly data: unknown }
  readonly value: { readonly version: number; readonly data: unknown } | null
}

/** What `kafka-dump-log` printed, by partition folder and offset. It cuts long lines: those records are missing here. */
export function dumpedRecords(name: string): Map<string, PrintedRecord> {
  const found = new Map<string, PrintedRecord>()
  let folder = ''
  for (const line of fixtureLines(`${name}/dump.txt.gz`)) {
    folder = /^Dumping log\/(.+)\/\d+\.log/.exec(line)?.[1] ?? folder
    const [, offset, key, value] = /^\| offset: (\d+) .* key: (\{.*?\}) payload: (.*)$/.exec(line) ?? []
    if (key === undefined || !key.includes('"type"') || !(value === '<DELETE>' || value!.endsWith('}}'))) continue
    found.set(`${folder}@${offset}`, printed(parse(key), value === '<DELETE>' ? null : parse(value!)))
  }
  return found
}

/** What the formatters printed, by partition folder of `topic` and offset. They do not know all kinds of records. */
export function formattedRecords(name: string, topic: string): Map<string, PrintedRecord> {
  const lines = fixtureLines(`${name}/formatted.jsonl.gz`).map((line) => parse(line) as FormattedLine)
  return new Map(lines.flatMap(({ partition, offset, record }) =>
    record === null ? [] : [[`${topic}-${partition}@${offset}`, printed(record.key, record.value)]]))
}

/**
 * A decoded value as Kafka would print it: bytes as base64, 64-bit integers as text when they are large, and tagged fields only when they are
 * not the default: those that `printed` lacks are left out if they are in `tagged` and have their default.
 */
export function asPrinted(value: unknown, like: unknown, tagged: Readonly<Record<string, unknown>>): unknown {
  if (typeof value === 'bigint') return Number.isSafeInteger(Number(value)) ? Number(value) : `int64 ${value}`
  if (Buffer.isBuffer(value)) return value.toString('base64')
  if (Array.isArray(value)) return value.map((item, i) => asPrinted(item, Array.isArray(like) ? like[i] : undefined, tagged))
  if (typeof value !== 'object' || value === null) return value
  const shown = (like ?? {}) as Record<string, unknown>
  const isShown = ([name, item]: [string, unknown]): boolean => name in shown || !(name in tagged) || !same(item, tagged[name])
  return Object.fromEntries(Object.entries(value).filter(isShown).map(([name, item]) => [name, asPrinted(item, shown[name], tagged)]))
}

interface FormattedLine {
  readonly partition: number
  readonly offset: number
  readonly record: { readonly key: Printed; readonly value: Printed | null } | null
}

interface Printed {
  readonly type?: string | number
  readonly version?: string | number
  readonly data: unknown
}

function printed(key: unknown, value: unknown): PrintedRecord {
  const [printedKey, printedValue] = [key as Printed, value as Printed | null]
  return {
    key: { type: Number(printedKey.type), data: printedKey.data },
    value: printedValue === null ? null : { version: Number(printedValue.version), data: printedValue.data },
  }
}

/** JSON in which numbers that no double can hold become texts. */
function parse(json: string): unknown {
  return JSON.parse(json.replace(/:(-?\d{16,})(?=[,}\]])/g, ':"int64 $1"'))
}

function same(value: unknown, standard: unknown): boolean {
  return value === standard || (Array.isArray(value) && Array.isArray(standard) && value.length === standard.length)
}
