/*
 * What the cases of the portable conformance suite work with: a log, names that nobody else has, and small words for what they do with it.
 */
import { systemClock } from '../../base/clock.ts'
import { type LogErrorCode } from '../../base/errors.ts'
import { type Codec } from '../../base/codec.ts'
import { string } from '../../topics/codecs.ts'
import { type PortableLog, type PortableRecord, type PortableTopic } from '../../topics/contract.ts'
import { defineTopic } from '../../topics/define-topic.ts'
import { type TopicSettings } from '../../topics/settings.ts'
import { assertionError } from '../assertion-error.ts'
import { expectSame } from '../store-under-test.ts'

/** A log under test. It need not be empty: every case makes topics and groups of its own. */
export interface LogUnderTest {
  readonly log: PortableLog
  /** A handle of its own on the same records, as the same program has after a restart. Without it, cases that need one are left out. */
  another?(): Promise<PortableLog>
  /** Closes what was opened, also when it is closed already. */
  close(): Promise<void>
}

/** What a case is given. */
export interface PortableCaseContext {
  readonly log: PortableLog
  /** As {@link LogUnderTest.another}; the handle is closed after the case. */
  another(): Promise<PortableLog>
  /** A name for a topic, a group or an id that no other case and no other run has. */
  name(what: string): string
}

/** One case. */
export interface PortableCase {
  /** A sentence that has to be true. */
  readonly name: string
  /** Whether a log has what the case needs. */
  readonly needs?: (under: LogUnderTest) => boolean
  /** Throws when it is not true. */
  readonly run: (context: PortableCaseContext) => Promise<void>
}

/** What the cases send, unless they are about codecs: text. */
export type TextTopic = PortableTopic<string, string>

/** Makes a topic of text. */
export function textTopic({ log, name }: PortableCaseContext, partitions = 1, settings: TopicSettings = {}): Promise<TextTopic> {
  return log.topic(defineTopic(name('topic'), { partitions, value: string, ...settings }))
}

/** Makes a topic with other codecs. */
export function codecTopic<K, V>({ log, name }: PortableCaseContext, key: Codec<K>, value: Codec<V>): Promise<PortableTopic<K, V>> {
  return log.topic(defineTopic(name('topic'), { partitions: 1, key, value }))
}

/** Values from `from` on, to be sent: `v0`, `v1`, … */
export function texts(count: number, from = 0): string[] {
  return Array.from({ length: count }, (_, index) => `v${from + index}`)
}

/** Sends values to one partition. */
export async function fill(topic: TextTopic, values: readonly string[], partition = 0): Promise<void> {
  await topic.send(values.map((value) => ({ value, partition })))
}

/** The first `limit` items, or all until it ends. */
export async function collect<T>(items: AsyncIterable<T>, limit = Infinity): Promise<T[]> {
  const list: T[] = []
  for await (const item of items) if (list.push(item) >= limit) break
  return list
}

/** All records that there are now, in the order of their partitions. */
export async function everything<K, V>(topic: PortableTopic<K, V>): Promise<PortableRecord<K, V>[]> {
  const records = await collect(topic.consumer({ until: 'end' }))
  return records.sort((a, b) => a.partition - b.partition || a.offset - b.offset)
}

/** The values of records. */
export function valuesOf<V>(records: readonly { readonly value: V }[]): V[] {
  return records.map(({ value }) => value)
}

/** Calls `work` when whatever runs now waits. */
export function soon(work: () => void): void {
  systemClock.setTimer(work, 1)
}

/** What `work` throws or rejects with; fails when it does neither. */
export async function failureOf(work: () => unknown, what: string): Promise<Error & { code?: unknown; retriable?: unknown }> {
  try {
    await work()
  } catch (error) {
    if (error instanceof Error) return error
    throw assertionError({ message: `${what} failed with what is no error: ${String(error)}` })
  }
  throw assertionError({ message: `${what} did not fail` })
}

/** `work` fails with a LogError of this code, that says whether it is worth another try. */
export async function expectCode(code: LogErrorCode, work: () => unknown, what: string): Promise<void> {
  const { name, code: actual, retriable, message } = await failureOf(work, what)
  expectSame([name, actual, typeof retriable], ['LogError', code, 'boolean'], `${what} ("${message}"): name, code, type of retriable`)
}
