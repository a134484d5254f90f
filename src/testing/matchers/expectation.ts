/*
 * Whether a record is the one that a test expects, and in which of its parts it is not. How two values compare is the test runner's business:
 * it knows `expect.objectContaining` and its like.
 */
import { inspect } from '../../base/node-util.ts'
import { describe } from '../../base/options.ts'
import { type TestRecord } from '../broker/test-record.ts'

/**
 * The record that a test expects: what is left out may be anything. Text is compared with the text of the record, bytes with its bytes, and
 * everything else with what its JSON says. A function is asked about the record.
 */
export type RecordExpectation = RecordParts | ((record: TestRecord) => boolean)

/** Parts of a record. */
export interface RecordParts {
  readonly key?: unknown
  /** Null for a tombstone. */
  readonly value?: unknown
  /** By name, as text; a record may have more of them. */
  readonly headers?: Readonly<Record<string, unknown>>
  readonly partition?: unknown
  readonly offset?: unknown
  /** Ms since 1970. */
  readonly timestamp?: unknown
}

/** How a test runner compares. */
export type Equals = (received: unknown, expected: unknown) => boolean

/** A part of a record that is not as expected. */
export interface Difference {
  readonly part: string
  readonly received: unknown
  readonly expected: unknown
}

const PARTS: readonly (keyof RecordParts)[] = ['key', 'value', 'headers', 'partition', 'offset', 'timestamp']

/** Throws a TypeError for what no record can be compared with. */
export function checkExpectation(expected: RecordExpectation): void {
  if (typeof expected === 'function') return
  const given: unknown = expected
  if (given === null || typeof given !== 'object' || Array.isArray(given)) {
    throw new TypeError(`a record is expected by { ${PARTS.join(', ')} } or by a function, not by ${describe(expected)}`)
  }
  for (const name of Object.keys(given)) {
    if (!PARTS.includes(name as keyof RecordParts)) throw new TypeError(`a record has no "${name}": its parts are ${PARTS.join(', ')}`)
  }
}

/** The parts of a record that are not as expected: none when it is the one. */
export function differences(record: TestRecord, expected: RecordExpectation, equals: Equals): Difference[] {
  if (typeof expected === 'function') return expected(record) ? [] : [{ part: 'the record', received: record.toJSON(), expected }]
  const found: Difference[] = []
  const compare = (part: string, candidates: readonly unknown[], wanted: unknown): void => {
    if (!candidates.some((one) => equals(one, wanted))) found.push({ part, received: candidates[0], expected: wanted })
  }
  if ('key' in expected) compare('key', readings(record.keyBytes, expected.key), expected.key)
  if ('value' in expected) compare('value', readings(record.bytes, expected.value), expected.value)
  for (const [name, wanted] of Object.entries(expected.headers ?? {})) {
    const values = record.headers.filter(([one]) => one === name).flatMap(([, value]) => readings(value, wanted))
    compare(`header "${name}"`, values.length === 0 ? [undefined] : values, wanted)
  }
  for (const part of ['partition', 'offset', 'timestamp'] as const) if (part in expected) compare(part, [record[part]], expected[part])
  return found
}

/** The record as it is expected, in a line. */
export function expectationText(expected: RecordExpectation): string {
  if (typeof expected === 'function') return `one that ${expected.name === '' ? 'the function' : `"${expected.name}"`} says true of`
  return inspect(expected, { breakLength: Infinity, depth: 6 })
}

/** What bytes may be read as, that which the expectation looks like first. */
function readings(bytes: Buffer | null, expected: unknown): unknown[] {
  if (bytes === null) return [null]
  if (expected instanceof Uint8Array) return [bytes, new Uint8Array(bytes)]
  const text = bytes.toString()
  if (typeof expected === 'string') return [text]
  try {
    return [JSON.parse(text), text]
  } catch {
    return [text]
  }
}
