/*
 * Records as JSON: those to append, those that are there, and what one is expected to be.
 */
import { type HeadersInput } from '../../log/record-input.ts'
import { type TestRecordInput } from '../broker/topic-hands.ts'
import { type TestRecord } from '../broker/test-record.ts'
import { type RecordParts } from '../matchers/expectation.ts'
import { checkMatcher, matcher } from './json-matcher.ts'
import { anything, base64, byName, type Described, described, either, integer, list, name, object, orNull, text, titled } from './schema.ts'

const header = object({ name }, { value: orNull(text), valueBase64: base64 })

/** A record to append. */
export const recordInput = titled('RecordInput', object({}, {
  key: described(anything, 'Text as it is, anything else as JSON; null is none.'),
  keyBase64: base64,
  value: described(anything, 'As the key; null is a tombstone. Either it or valueBase64 is there.'),
  valueBase64: base64,
  headers: either(byName(orNull(text)), list(header)),
  timestamp: described(integer(0), 'Ms since 1970. Default: the time of the broker.'),
  partition: described(integer(0), 'Default: that of the key, as Kafka\'s clients choose; without a key one after the other.'),
}), 'A record to append.')

/** Where a record is. */
export const recordPlace = titled('RecordPlace', object({ partition: integer(0), offset: integer(0) }))

/** A record of a topic. */
export const record = titled('Record', object({
  topic: text, partition: integer(0), offset: integer(0), timestamp: integer(-1), leaderEpoch: integer(-1),
  key: described(orNull(text), 'As text.'),
  keyBase64: orNull(base64),
  value: described(anything, 'As JSON where it is some, else as text; null for a tombstone.'),
  text: described(orNull(text), 'The value as text.'),
  valueBase64: orNull(base64),
  headers: list(object({ name: text, value: orNull(text), valueBase64: orNull(base64) })),
}), 'A record of a topic.')

/** The record that a test expects. */
export const recordExpectation = titled('RecordExpectation', object({}, {
  key: matcher, keyBase64: base64, value: matcher, valueBase64: base64, headers: byName(matcher), partition: matcher, offset: matcher,
  timestamp: matcher,
}), 'The record that is expected: what is left out may be anything. Text is compared with text, everything else with the value as JSON.')

/** A record as hands take it. Throws TypeError for one that says a part twice, or has no value. */
export function recordFrom(given: Described<typeof recordInput>): TestRecordInput {
  const { key, keyBase64, value, valueBase64, headers, ...rest } = given
  oncePerPart(given)
  if (value === undefined && valueBase64 === undefined) throw new TypeError('a record has a value, or null for a tombstone: it lacks "value"')
  return {
    ...rest,
    key: (keyBase64 === undefined ? key ?? null : Buffer.from(keyBase64, 'base64')) as TestRecordInput['key'] & {},
    value: (valueBase64 === undefined ? value : Buffer.from(valueBase64, 'base64')) as TestRecordInput['value'],
    ...(headers !== undefined && { headers: headersFrom(headers) }),
  }
}

/** A record as it is answered. */
export function recordForm(found: TestRecord): Described<typeof record> {
  const { topic, partition, offset, timestamp, leaderEpoch, key } = found
  const headers = found.headers.map(([name, value]) => ({ name, value: value?.toString() ?? null, valueBase64: value?.toString('base64') ?? null }))
  return {
    topic, partition, offset, timestamp, leaderEpoch, key, keyBase64: found.keyBytes?.toString('base64') ?? null, value: found.toJSON()['value'],
    text: found.text(), valueBase64: found.bytes?.toString('base64') ?? null, headers,
  }
}

/** An expectation as matchers take it, compared by `isLike`. Throws TypeError for operators that there are not. */
export function expectationFrom(given: Described<typeof recordExpectation>): RecordParts {
  const { keyBase64, valueBase64, ...parts } = given
  oncePerPart(given)
  for (const [part, expected] of Object.entries(parts)) checkMatcher(expected, part)
  return {
    ...parts,
    ...(keyBase64 !== undefined && { key: Buffer.from(keyBase64, 'base64') }),
    ...(valueBase64 !== undefined && { value: Buffer.from(valueBase64, 'base64') }),
  }
}

function oncePerPart(given: { readonly key?: unknown; readonly keyBase64?: string; readonly value?: unknown; readonly valueBase64?: string }): void {
  for (const part of ['key', 'value'] as const) {
    if (part in given && `${part}Base64` in given) throw new TypeError(`a record has one ${part}: either "${part}" or "${part}Base64"`)
  }
}

function headersFrom(given: Described<typeof recordInput>['headers'] & {}): HeadersInput {
  if (!Array.isArray(given)) return given as Readonly<Record<string, string | null>>
  return (given as readonly Described<typeof header>[]).map(({ name, value, valueBase64 }) => (
    [name, valueBase64 === undefined ? value ?? null : Buffer.from(valueBase64, 'base64')] as const
  ))
}
