/*
 * Matchers for the `expect` of vitest and Jest: what a test says of a broker. Those that ask for something wait until it is there; with `.not` they
 * look once. The forms that a test writes are in kafka-matchers.ts, and what is said when one fails in failure-text.ts.
 */
import { isDeepStrictEqual } from '../../base/node-util.ts'
import { isLogError } from '../../base/errors.ts'
import { checkInteger, checkObject, checkOptions, describe } from '../../base/options.ts'
import { type TestBroker } from '../broker/test-broker.ts'
import { type TestRecord } from '../broker/test-record.ts'
import { waitNames } from '../broker/topic-hands.ts'
import { type Duration, durationMs } from '../clock/durations.ts'
import { type EntryFilter } from '../journal/journal.ts'
import { type JournalEntry } from '../journal/entry.ts'
import { checkExpectation, differences, type Equals, expectationText, type RecordExpectation } from './expectation.ts'
import { journalText, listText, nearestText, valueText } from './failure-text.ts'

/** What a test runner gives a matcher as `this`. */
export interface MatcherContext {
  readonly isNot?: boolean
  readonly equals?: Equals
}

/** What a matcher gives the test runner. */
export interface MatcherResult {
  readonly pass: boolean
  /** For the failure: what was to be, or with `.not` what was not to be. */
  readonly message: () => string
}

/** How long a matcher waits. */
export interface MatcherOptions {
  /** Of real time. Default: that of the broker, 4 seconds. With `.not` nothing is waited for. */
  readonly timeout?: Duration
  /** Ends the wait, with its reason. */
  readonly signal?: AbortSignal
}

/** A matcher, with what it is called with behind the broker. */
export type Matcher<Args extends unknown[]> = (this: MatcherContext | void, broker: TestBroker, ...args: Args) => Promise<MatcherResult>

/** Which request is expected. */
export type RequestExpectation = EntryFilter | ((entry: JournalEntry) => boolean)

/** What a group has committed: of each topic by partition. */
export type CommittedExpectation = Readonly<Record<string, readonly unknown[]>>

/** Which part of a record tells it from others. */
export type RecordPart = (record: TestRecord) => unknown

/** A record with the key that holds comes to the topic. */
async function toHaveProduced(
  this: MatcherContext | void, broker: TestBroker, topic: string, expected: RecordExpectation, options: MatcherOptions = {},
): Promise<MatcherResult> {
  checkBroker(broker, 'toHaveProduced')
  checkExpectation(expected)
  const equals = equalsOf(this)
  const isIt = (record: TestRecord): boolean => differences(record, expected, equals).length === 0
  // What was looked at once is not looked at again, but in the end: a cut may have made room for others.
  checkOptions(options, waitNames, 'toHaveProduced')
  const came = this?.isNot === true ? undefined : await orTimedOut(broker.topic(topic).waitFor(isIt, options))
  const found = came ?? recordsOf(broker, topic).find(isIt)
  return {
    pass: found !== undefined,
    message: () => (found === undefined
      ? `No record of topic "${topic}" is ${expectationText(expected)}.\n${nearestText(broker, recordsOf(broker, topic), expected, equals)}`
      : `A record of topic "${topic}" is ${expectationText(expected)}:\n${listText(broker, [found])}`) + journalText(broker),
  }
}

/** The topic has so many records, or these and no others, in whatever order. */
async function toHaveProducedExactly(
  this: MatcherContext | void, broker: TestBroker, topic: string, expected: number | readonly RecordExpectation[], options: MatcherOptions = {},
): Promise<MatcherResult> {
  checkBroker(broker, 'toHaveProducedExactly')
  if (Array.isArray(expected)) for (const one of expected as readonly RecordExpectation[]) checkExpectation(one)
  else checkInteger(expected as number, 'the number of records', 0)
  const wanted = typeof expected === 'number' ? expected : expected.length
  const equals = equalsOf(this)
  await settled(this, broker, options, () => (recordsOf(broker, topic).length >= wanted ? true : undefined))
  const records = recordsOf(broker, topic)
  const { missing, left } = typeof expected === 'number' ? { missing: [], left: records } : paired(records, expected, equals)
  const pass = records.length === wanted && missing.length === 0
  return {
    pass,
    message: () => {
      const lines = [`Topic "${topic}" has ${records.length} records, and ${pass ? 'not ' : ''}${wanted} were expected.\n`]
      for (const one of missing) lines.push(`None is ${expectationText(one)}.\n${nearestText(broker, left, one, equals)}`)
      const title = typeof expected === 'number' ? 'Its records:\n' : 'Not expected:\n'
      if (missing.length === 0 && left.length > 0) lines.push(title, listText(broker, left))
      return lines.join('') + journalText(broker)
    },
  }
}

/** There is nothing in the topic that `next()` has not given. */
async function toHaveNoMoreRecords(this: MatcherContext | void, broker: TestBroker, topic: string): Promise<MatcherResult> {
  checkBroker(broker, 'toHaveNoMoreRecords')
  const left = broker.topic(topic).untaken()
  return {
    pass: left.length === 0,
    message: () => (left.length === 0
      ? `Topic "${topic}" has no records that next() has not given.\n`
      : `Topic "${topic}" has ${left.length} records that next() has not given:\n${listText(broker, left)}`) + journalText(broker),
  }
}

/** The group has committed these offsets: of each topic by partition, undefined where nothing is to be committed. */
async function toHaveCommitted(
  this: MatcherContext | void, broker: TestBroker, group: string, expected: CommittedExpectation, options: MatcherOptions = {},
): Promise<MatcherResult> {
  checkBroker(broker, 'toHaveCommitted')
  checkObject(expected, 'what a group has committed is told by topic: { orders: [3, 0, 1] }')
  const equals = equalsOf(this)
  const look = async (): Promise<Record<string, readonly unknown[]>> => {
    const found: Record<string, readonly unknown[]> = {}
    for (const topic of Object.keys(expected)) found[topic] = await broker.topic(topic).committed(group)
    return found
  }
  const found = await settled(this, broker, options, async () => (equals(await look(), expected) ? true : undefined))
  const committed = await look()
  return {
    pass: found !== undefined,
    message: () => {
      const but = found === undefined ? `, not ${valueText(expected)}` : ''
      return `Group "${group}" has committed ${valueText(committed)}${but}.\n${journalText(broker)}`
    },
  }
}

/** The group has committed all that there is. */
async function toBeCaughtUp(this: MatcherContext | void, broker: TestBroker, group: string, options: MatcherOptions = {}): Promise<MatcherResult> {
  checkBroker(broker, 'toBeCaughtUp')
  const timeout = options.timeout ?? (this?.isNot === true ? 0 : undefined)
  try {
    await broker.group(group).caughtUp({ ...options, ...(timeout !== undefined && { timeout }) })
    return { pass: true, message: () => `Group "${group}" has committed all that there is.\n${journalText(broker)}` }
  } catch (error) {
    if (!isLogError(error, 'LOG_WAIT_TIMED_OUT')) throw error
    return { pass: false, message: () => `${error.message}\n${journalText(broker)}` }
  }
}

/** The group has rebalanced, so many times: the first assignment counts as one. Default: at least once. */
async function toHaveRebalanced(
  this: MatcherContext | void, broker: TestBroker, group: string, times?: number, options: MatcherOptions = {},
): Promise<MatcherResult> {
  checkBroker(broker, 'toHaveRebalanced')
  checkInteger(times, 'times', 0)
  const look = async (): Promise<number> => Math.max(0, (await broker.group(group).describe()).generation)
  await settled(this, broker, options, async () => (await look() >= (times ?? 1) ? true : undefined))
  const generation = await look()
  return {
    pass: times === undefined ? generation > 0 : generation === times,
    message: () => {
      const asked = times === undefined ? '' : `, and ${times} are asked for`
      return `Group "${group}" has rebalanced ${generation} times${asked}.\n${journalText(broker)}`
    },
  }
}

/** Records of one key lie in one partition, and what `by` gives of them never falls. */
async function toPreserveKeyOrder(
  this: MatcherContext | void, broker: TestBroker, topic: string, by: (record: TestRecord) => number = ({ offset }) => offset,
): Promise<MatcherResult> {
  checkBroker(broker, 'toPreserveKeyOrder')
  const last = new Map<string, TestRecord>()
  for (const record of recordsOf(broker, topic)) {
    if (record.keyBytes === null) continue
    const key = record.keyBytes.toString('latin1')
    const before = last.get(key)
    last.set(key, record)
    if (before === undefined) continue
    const scattered = before.partition !== record.partition
    if (!scattered && by(before) <= by(record)) continue
    const why = scattered ? 'in two partitions' : `in the wrong order: ${by(before)} before ${by(record)}`
    return { pass: false, message: () => `Records of one key are ${why}:\n${listText(broker, [before, record])}${journalText(broker)}` }
  }
  return { pass: true, message: () => `Topic "${topic}" has the records of each key in their order.\n${journalText(broker)}` }
}

/** No two records are the same in what `by` gives of them. Default: key, value and headers. */
async function toHaveNoDuplicates(
  this: MatcherContext | void, broker: TestBroker, topic: string, by: RecordPart = content,
): Promise<MatcherResult> {
  checkBroker(broker, 'toHaveNoDuplicates')
  const seen = new Map<string, TestRecord>()
  for (const record of recordsOf(broker, topic)) {
    const part = JSON.stringify(by(record)) ?? 'undefined'
    const before = seen.get(part)
    if (before !== undefined) {
      const message = (): string => `Two records of topic "${topic}" are the same:\n${listText(broker, [before, record])}${journalText(broker)}`
      return { pass: false, message }
    }
    seen.set(part, record)
  }
  return { pass: true, message: () => `No two of the ${seen.size} records of topic "${topic}" are the same.\n${journalText(broker)}` }
}

/** A client sent a request of this API, by Kafka's name of it, that the filter or the function says yes to. */
async function toHaveReceivedRequest(
  this: MatcherContext | void, broker: TestBroker, api: string, which: RequestExpectation = {}, options: MatcherOptions = {},
): Promise<MatcherResult> {
  checkBroker(broker, 'toHaveReceivedRequest')
  const filter = typeof which === 'function' ? { matching: which } : which
  broker.journal.of(api)                              // a name that no API has is told now
  const found = await settled(this, broker, options, () => broker.journal.of(api, filter)[0])
  const count = broker.journal.of(api).length
  return {
    pass: found !== undefined,
    message: () => (found === undefined
      ? `Of ${count} ${api} requests none is the one that was expected.\n`
      : `There is such a ${api} request: number ${found.number} of "${found.clientId}".\n`) + journalText(broker),
  }
}

/** A transaction that wrote to the topic, or to any, was aborted. */
async function toHaveAbortedTransaction(
  this: MatcherContext | void, broker: TestBroker, topic?: string, options: MatcherOptions = {},
): Promise<MatcherResult> {
  checkBroker(broker, 'toHaveAbortedTransaction')
  const found = await settled(this, broker, options, () => (hasAborted(broker, topic) ? true : undefined))
  const where = topic === undefined ? 'of this broker' : `of topic "${topic}"`
  return {
    pass: found !== undefined,
    message: () => `${found === undefined ? 'No transaction' : 'A transaction'} ${where} was aborted.\n${journalText(broker)}`,
  }
}

/**
 * For `expect.extend(matchers)` of vitest and Jest. `commitlog/testing/vitest` and `commitlog/testing/jest` do that when they are imported, and
 * bring the types.
 *
 * @example
 * expect.extend(matchers)
 * await expect(kafka).toHaveProduced('orders', { key: 'o-1', value: expect.objectContaining({ total: 12 }) })
 */
export const matchers = {
  toHaveProduced, toHaveProducedExactly, toHaveNoMoreRecords, toHaveCommitted, toBeCaughtUp, toHaveRebalanced, toPreserveKeyOrder, toHaveNoDuplicates,
  toHaveReceivedRequest, toHaveAbortedTransaction,
}

function checkBroker(broker: TestBroker, name: string): void {
  const given: Partial<TestBroker> | null | undefined = broker
  if (typeof given?.topic !== 'function' || given.journal === undefined) {
    throw new TypeError(`${name} is asked of a test broker, as startTestBroker gives it, not of ${describe(broker)}`)
  }
}

function equalsOf(context: MatcherContext | void): Equals {
  return context?.equals?.bind(context) ?? isDeepStrictEqual
}

/** What `look` gives within the time; with `.not`, what it gives now. */
async function settled<T>(
  context: MatcherContext | void, broker: TestBroker, options: MatcherOptions, look: () => T | undefined | Promise<T | undefined>,
): Promise<T | undefined> {
  checkOptions(options, waitNames, 'a matcher')
  const { timeout, signal } = options
  const ms = timeout === undefined ? undefined : durationMs(timeout, 'timeout')
  return context?.isNot === true ? look() : orTimedOut(broker.until(look, 'it did not come', ms, signal))
}

/** What comes; undefined when it does not come in time. */
async function orTimedOut<T>(coming: Promise<T>): Promise<T | undefined> {
  try {
    return await coming
  } catch (error) {
    if (isLogError(error, 'LOG_WAIT_TIMED_OUT')) return undefined
    throw error
  }
}

/** A topic that is not there yet has no records yet. */
function recordsOf(broker: TestBroker, topic: string): TestRecord[] {
  const hands = broker.topic(topic)
  return hands.exists ? hands.records() : []
}

/**
 * Gives each expectation a record of its own: what is left on both sides. An expectation that fits many records makes room for one that fits few,
 * so that none is missing where all can have one.
 */
function paired(
  records: readonly TestRecord[], expected: readonly RecordExpectation[], equals: Equals,
): { readonly missing: RecordExpectation[]; readonly left: TestRecord[] } {
  const fitting = expected.map((one) => records.flatMap((record, at) => (differences(record, one, equals).length === 0 ? [at] : [])))
  /** By record: the expectation that it is for. */
  const taken = new Map<number, number>()
  const place = (one: number, tried: Set<number>): boolean => fitting[one]!.some((at) => {
    if (tried.has(at)) return false
    tried.add(at)
    const holder = taken.get(at)
    if (holder !== undefined && !place(holder, tried)) return false
    taken.set(at, one)
    return true
  })
  const missing = expected.filter((_, one) => !place(one, new Set()))
  const left = records.filter((_, at) => !taken.has(at))
  return { missing, left }
}

function content({ keyBytes, bytes, headers }: TestRecord): unknown {
  const text = (value: Buffer | null): string | null => value?.toString('latin1') ?? null
  return [text(keyBytes), text(bytes), headers.map(([name, value]) => [name, text(value)])]
}

function hasAborted(broker: TestBroker, topic: string | undefined): boolean {
  return broker.log.core.openTopics
    .filter(({ entry }) => topic === undefined || entry.name === topic)
    .some(({ logs }) => logs.some((log) => log !== undefined && log.abortedIn(log.startOffset, log.nextOffset).length > 0))
}
