/*
 * The matchers of src/testing/matchers as JSON: which of them, about what, and whether it is so.
 */
import { type TestBroker } from '../broker/test-broker.ts'
import { type TestRecord } from '../broker/test-record.ts'
import { type MatcherContext, type MatcherResult, matchers } from '../matchers/matchers.ts'
import { clientFrom, clientPattern } from './fault-forms.ts'
import { checkMatcher, contains, isLike, matcher } from './json-matcher.ts'
import { asJson } from './json-values.ts'
import { expectationFrom, recordExpectation } from './record-forms.ts'
import { byName, described, type Described, either, flag, integer, list, name, object, text, titled, word } from './schema.ts'
import { timeout, waitFor } from './waits.ts'

const not = { not: described(flag, 'The opposite: looks once.') }
const more = { ...not, ...timeout }
const part = described(name, 'A part of records: `value.id`, `key`, `headers.trace`, `offset`.')

/** What is expected. */
export const expectationInput = titled('Expectation', either(
  object({ matcher: word('toHaveProduced'), topic: name, record: recordExpectation }, more),
  object({ matcher: word('toHaveProducedExactly'), topic: name, records: either(integer(0), list(recordExpectation)) }, more),
  object({ matcher: word('toHaveNoMoreRecords'), topic: name }, not),
  object({ matcher: word('toHaveCommitted'), group: name, committed: byName(list(matcher)) }, more),
  object({ matcher: word('toBeCaughtUp'), group: name }, more),
  object({ matcher: word('toHaveRebalanced'), group: name }, { times: integer(0), ...more }),
  object({ matcher: word('toPreserveKeyOrder'), topic: name }, { by: part, ...not }),
  object({ matcher: word('toHaveNoDuplicates'), topic: name }, { by: part, ...not }),
  object({ matcher: word('toHaveReceivedRequest'), api: name }, {
    client: clientPattern, connection: integer(1), broker: integer(0), matching: described(matcher, 'What is to be in the decoded request.'), ...more,
  }),
  object({ matcher: word('toHaveAbortedTransaction') }, { topic: name, ...more }),
), 'What is expected, by the name of a matcher.')

/** Whether it is so. */
export const expectationForm = titled('ExpectationResult', object({
  pass: flag, message: described(text, 'What a test fails with; empty when it passes.'),
}))

type Expectation = Described<typeof expectationInput>

/** Waits until it is so, as matchers do, and no longer than until `signal` is aborted. */
export async function expectationOf(kafka: TestBroker, given: Expectation, signal: AbortSignal): Promise<Described<typeof expectationForm>> {
  const isNot = given.not === true
  const result = await asked(kafka, given, { isNot, equals: isLike }, signal)
  const pass = result.pass !== isNot
  return { pass, message: pass ? '' : result.message() }
}

function asked(kafka: TestBroker, given: Expectation, context: MatcherContext, signal: AbortSignal): Promise<MatcherResult> {
  const wait = waitFor('timeout' in given ? given.timeout : undefined, signal)
  switch (given.matcher) {
    case 'toHaveProduced': return matchers.toHaveProduced.call(context, kafka, given.topic, expectationFrom(given.record), wait)
    case 'toHaveProducedExactly': {
      const records = typeof given.records === 'number' ? given.records : given.records.map(expectationFrom)
      return matchers.toHaveProducedExactly.call(context, kafka, given.topic, records, wait)
    }
    case 'toHaveNoMoreRecords': return matchers.toHaveNoMoreRecords.call(context, kafka, given.topic)
    case 'toHaveCommitted': return matchers.toHaveCommitted.call(withNull(context), kafka, given.group, committedFrom(given.committed), wait)
    case 'toBeCaughtUp': return matchers.toBeCaughtUp.call(context, kafka, given.group, wait)
    case 'toHaveRebalanced': return matchers.toHaveRebalanced.call(context, kafka, given.group, given.times, wait)
    case 'toPreserveKeyOrder': return matchers.toPreserveKeyOrder.call(context, kafka, given.topic, ...by(given.by, numberAt))
    case 'toHaveNoDuplicates': return matchers.toHaveNoDuplicates.call(context, kafka, given.topic, ...by(given.by, partAt))
    case 'toHaveReceivedRequest': return matchers.toHaveReceivedRequest.call(context, kafka, given.api, requestFrom(given), wait)
    case 'toHaveAbortedTransaction': return matchers.toHaveAbortedTransaction.call(context, kafka, given.topic, wait)
  }
}

/** Nothing is committed: null in JSON, undefined here. */
function withNull(context: MatcherContext): MatcherContext {
  return { ...context, equals: (received, expected) => isLike(nullFor(received), expected) }
}

function nullFor(value: unknown): unknown {
  if (value === undefined) return null
  if (Array.isArray(value)) return value.map(nullFor)
  return typeof value === 'object' && value !== null ? Object.fromEntries(Object.entries(value).map(([key, one]) => [key, nullFor(one)])) : value
}

function committedFrom(committed: Readonly<Record<string, readonly unknown[]>>): Readonly<Record<string, readonly unknown[]>> {
  for (const [topic, offsets] of Object.entries(committed)) checkMatcher(offsets, `committed/${topic}`)
  return committed
}

function requestFrom(given: Extract<Expectation, { matcher: 'toHaveReceivedRequest' }>): Parameters<typeof matchers.toHaveReceivedRequest>[2] {
  const { client, connection, broker, matching } = given
  if (matching !== undefined) checkMatcher(matching, 'matching')
  return {
    ...(client !== undefined && { client: clientFrom(client) }), ...(connection !== undefined && { connection }),
    ...(broker !== undefined && { broker }), ...(matching !== undefined && { matching: ({ request }) => contains(asJson(request), matching) }),
  }
}

/** What records are told apart by, where it is said. */
function by<T>(path: string | undefined, read: (path: string) => T): [] | [T] {
  return path === undefined ? [] : [read(path)]
}

/** The part of a record that a path names; undefined where there is none. */
function partAt(path: string): (record: TestRecord) => unknown {
  const [first = '', ...rest] = path.split('.')
  const parts = ['key', 'value', 'headers', 'partition', 'offset', 'timestamp']
  if (!parts.includes(first)) throw new TypeError(`by is a part of records: ${parts.join(', ')}, and fields of it behind points, not "${path}"`)
  return (record) => {
    const { headers, ...form } = record.toJSON()
    const whole: Record<string, unknown> = { ...form, headers: Object.fromEntries(headers as readonly (readonly [string, unknown])[]) }
    return rest.reduce((value, field) => (
      typeof value === 'object' && value !== null && Object.hasOwn(value, field) ? (value as Record<string, unknown>)[field] : undefined
    ), whole[first])
  }
}

function numberAt(path: string): (record: TestRecord) => number {
  const read = partAt(path)
  return (record) => Number(read(record))
}
