/*
 * One record to import, from a line or from a value of the test: in our own form of `dump --json`, in kcat's, or plain. A plain one has its key and
 * value as they are meant, `{ "topic": "orders", "key": "o-1", "value": { "total": 12 } }`, and no offset: the other two always have one.
 */
import { isUtf8 } from 'node:buffer'
import { InputError } from '../../base/input-error.ts'
import { checkOptions } from '../../base/options.ts'
import { type HeaderInput } from '../../format/record.ts'
import { headerList } from '../../log/batch-builder.ts'
import { type HeadersInput } from '../../log/record-input.ts'
import { type LineFields, parseFields, parseFormLine, parseObject } from '../../topics/lines/parse-line.ts'
import { valueBytes } from '../broker/test-value.ts'
import { type TestRecordInput } from '../broker/topic-hands.ts'

/** A record as a test gives it to `import`: as to `append`, with its topic, and an offset where it is to have a certain one. */
export interface ImportRecordInput extends TestRecordInput {
  /** Default: the topic that `import` is told. */
  readonly topic?: string
  /** Default: the next one of its partition. */
  readonly offset?: number
  /** How many its topic has where it comes from. Default: as many as its records need. */
  readonly partitions?: number
}

/** A line, without its end or with it, or a record. */
export type ImportItem = string | Uint8Array | ImportRecordInput

/** A record on its way into a topic. */
export interface ImportedRecord {
  readonly topic: string | undefined
  readonly partition: number | undefined
  readonly offset: number | undefined
  /** Ms since 1970, −1 for none; undefined: now. */
  readonly timestamp: number | undefined
  readonly key: Uint8Array | null
  readonly value: Uint8Array | null
  readonly headers: readonly HeaderInput[]
  readonly committed: boolean
  /** How many partitions its topic has where it comes from, as far as that is said. */
  readonly partitions: number | undefined
}

const names = ['topic', 'partition', 'partitions', 'offset', 'timestamp', 'key', 'value', 'headers']

/**
 * The record of a line; undefined for an empty one.
 *
 * @throws InputError with what is wrong
 */
export function importedLine(line: Buffer): ImportedRecord | undefined {
  if (line.toString('latin1').trim() === '') return undefined
  if (!isUtf8(line)) return ofForm(parseFormLine(line))
  const fields = parseObject(line.toString())
  return 'payload' in fields || 'offset' in fields ? ofForm(parseFields(fields)) : plainRecord(fields)
}

/**
 * The record of a value.
 *
 * @throws InputError with what is wrong
 */
export function importedItem(item: ImportItem): ImportedRecord | undefined {
  if (typeof item === 'string') return importedLine(Buffer.from(item))
  if (item instanceof Uint8Array) return importedLine(Buffer.from(item.buffer, item.byteOffset, item.length))
  if (typeof item !== 'object' || item === null) throw new InputError(`a record is an object or a line of text, not ${typeof item}`)
  return plainRecord({ ...item })
}

function ofForm({ topic, partition, offset, timestamp, key, value, headers, committed, source }: ReturnType<typeof parseFields>): ImportedRecord {
  return { topic, partition, offset, timestamp, key, value, headers, committed, partitions: source?.partitions }
}

function plainRecord(fields: LineFields): ImportedRecord {
  asInput(() => checkOptions(fields, names, 'a record'))
  const { topic, key = null, value, headers } = fields as Partial<ImportRecordInput>
  if (value === undefined) throw new InputError('a record has a value, or null for a tombstone')
  if (topic !== undefined && typeof topic !== 'string') throw new InputError(`topic is text, not ${typeof topic}`)
  return {
    topic, partition: whole(fields, 'partition', 0), offset: whole(fields, 'offset', 0), timestamp: whole(fields, 'timestamp', -1),
    key: valueBytes(key), value: valueBytes(value), headers: headersOf(headers), committed: true, partitions: whole(fields, 'partitions', 1),
  }
}

function whole(fields: LineFields, name: string, least: number): number | undefined {
  const given = fields[name]
  if (given === undefined || (Number.isSafeInteger(given) && (given as number) >= least)) return given as number | undefined
  throw new InputError(`${name} is a whole number from ${least} on, not ${JSON.stringify(given)}`)
}

/** As `append` takes them: in a line an object, or a list of pairs. */
function headersOf(given: HeadersInput | undefined): HeaderInput[] {
  if (given === undefined) return []
  return asInput(() => headerList(given)).map(([name, value]) => [name, typeof value === 'string' ? Buffer.from(value) : value])
}

function asInput<T>(work: () => T): T {
  try {
    return work()
  } catch (error) {
    throw new InputError((error as Error).message, { cause: error })
  }
}
