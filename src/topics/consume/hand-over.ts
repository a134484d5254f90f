/*
 * Takes records out of the hands of a consumption: to the dead letters, or to the retry topic until they are due. What they are there, and
 * what is said of them; that record and commit are one transaction is the business of store-together.ts.
 */
import { isLogError } from '../../base/errors.ts'
import { type LogRecord } from '../../log/record.ts'
import { type RecordInput } from '../../log/record-input.ts'
import { type TopicParts } from '../topic-core.ts'
import { type CommitEntry } from '../groups/member.ts'
import { deadLetterHeaders } from './dead-letter-headers.ts'
import { type Leaving } from './lane.ts'
import { NOT_BEFORE_HEADER } from './retry-lane.ts'

/** A record as it is stored elsewhere. */
export interface AsideRecord extends RecordInput<Uint8Array, Uint8Array> {
  readonly partition: number
  readonly headers: readonly (readonly [name: string, value: Uint8Array | string | null])[]
}

/** A record and the topic that it goes to. */
export interface AsidePlace {
  readonly parts: TopicParts<Uint8Array, Uint8Array>
  readonly record: AsideRecord
}

/** A topic that takes records: aside-topic.ts. */
export interface Taker {
  parts(): Promise<TopicParts<Uint8Array, Uint8Array>>
}

/** Where records go. */
export interface HandOverOptions {
  readonly group: string
  readonly deadLetters: Taker
  readonly retries: Taker | undefined
  readonly now: () => number
  /** Stores and commits in one step. */
  readonly store: (records: readonly AsidePlace[], entry: CommitEntry) => Promise<void>
}

/** What a loop puts its records aside with. */
export function handOver<K, V>(options: HandOverOptions): (leaving: readonly Leaving<K, V>[], entry: CommitEntry) => Promise<void> {
  return async (leaving, entry) => {
    const dead = leaving.some(({ due }) => due === undefined) ? await options.deadLetters.parts() : undefined
    const later = leaving.some(({ due }) => due !== undefined) ? await options.retries!.parts() : undefined
    const records = leaving.map((one) => {
      const parts = one.due === undefined ? dead! : later!
      return { parts, record: recordOf(one, options, parts.core.logs.length) }
    })
    await options.store(records, entry)
  }
}

function recordOf<K, V>({ task, error, stage, due, moved }: Leaving<K, V>, { group, now }: HandOverOptions, partitions: number): AsideRecord {
  const { record } = task
  const { topic, partition, offset } = task.origin ?? record
  const place = { partition: partition % partitions, ...keptOf(record) }
  if (moved === true) return { ...place, headers: record.headers }
  const own = (task.origin ?? record).headers
  const headers = deadLetterHeaders(own, { topic, partition, offset, group, deliveryCount: task.attempts, error, stage, timestamp: now() })
  return { ...place, headers: due === undefined ? headers : [...headers, [NOT_BEFORE_HEADER, String(due)]] }
}

/** Key, value and time; of a record that was deleted meanwhile nothing is left. */
function keptOf<K, V>(record: LogRecord<K, V>): { readonly key: Uint8Array | null; readonly value: Uint8Array | null; readonly timestamp?: number } {
  try {
    return { key: record.keyBytes, value: record.valueBytes, timestamp: record.timestamp }
  } catch (error) {
    if (isLogError(error, 'LOG_RECORD_GONE')) return { key: null, value: null }
    throw error
  }
}
