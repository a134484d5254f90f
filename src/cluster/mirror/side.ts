/*
 * What a mirror needs of a log beyond the portable contract: topics as the bytes that they hold, whatever their codecs; their ends; which log
 * it is. A log of this process and a cluster say it in words of their own; what is said here is all that differs.
 */
import { LogError } from '../../base/errors.ts'
import { bytes } from '../../topics/codecs.ts'
import { CommitLog } from '../../topics/commit-log.ts'
import { type PortableLog, type PortableTopic } from '../../topics/contract.ts'
import { defineTopic } from '../../topics/define-topic.ts'
import { type SubscribedTopic } from '../../topics/groups/group-sources.ts'
import { type TopicSettings } from '../../topics/settings.ts'
import { Topic } from '../../topics/topic.ts'
import { type ClusterTopic, type PartitionOffsets } from '../types.ts'

/** A topic whose keys and values are bytes. */
export type PlainTopic = PortableTopic<Uint8Array, Uint8Array>

/** The ends of a partition. */
export interface Ends {
  readonly start: number
  /** As far as committed records go. */
  readonly end: number
  /** Behind what open transactions have stored too. */
  readonly highWatermark: number
}

/** A topic of the source, and how one that holds the same is made. */
export interface SourceTopic {
  readonly name: string
  readonly partitions: number
  /** Names of the codecs, where they are known. */
  readonly key: string | undefined
  readonly value: string | undefined
  /** For the copy: what decides which records are taken and kept. */
  readonly settings: TopicSettings
}

/** Of the settings of a source these are the copy's too. The others are about files and speed, which are the target's own matter. */
const carried = [
  'cleanupPolicy', 'retentionMs', 'retentionBytes', 'maxMessageBytes', 'minCompactionLagMs', 'maxCompactionLagMs', 'minCleanableDirtyRatio',
  'deleteRetentionMs',
] as const satisfies readonly (keyof TopicSettings)[]

/** What mirrors keep on their targets is in topics whose names begin so. */
export const LEDGER_PREFIX = 'commitlog-mirror-'

/** Which log it is: the id that it has, also behind a listener; undefined where it has none. */
export function identityOf(log: PortableLog): string | undefined {
  const { clusterId } = log as { readonly clusterId?: unknown }
  return typeof clusterId === 'string' ? clusterId : undefined
}

/**
 * The topics of a source that are asked for; its internal topics and those of mirrors only by name.
 *
 * @throws LogError `LOG_NOT_FOUND` for one that is named and not there
 */
export async function sourceTopics(log: PortableLog, asked: readonly SubscribedTopic[]): Promise<SourceTopic[]> {
  const there = await log.topics()
  const found = new Map<string, SourceTopic>()
  for (const one of asked) {
    if (one instanceof RegExp) {
      const matching = there.filter(({ name }) => !name.startsWith('__') && !name.startsWith(LEDGER_PREFIX) && name.search(one) >= 0)
      for (const topic of matching) if (!found.has(topic.name)) found.set(topic.name, described(topic))
      continue
    }
    const name = typeof one === 'string' ? one : one.name
    const topic = there.find((each) => each.name === name)
    if (topic === undefined) throw new LogError('LOG_NOT_FOUND', `there is no topic "${name}" to mirror`, { topic: name })
    found.set(name, typeof one === 'string' ? described(topic) : described({ ...topic, ...definedBy(one) }))
  }
  return [...found.values()]
}

/** Opens a topic as the bytes that it holds, and makes it first when `making` says how. */
export async function plainTopic(log: PortableLog, name: string, making?: Omit<SourceTopic, 'name'>): Promise<PlainTopic> {
  if (log instanceof CommitLog) return log.plainTopic(name, making)
  const { partitions, settings = {} } = making ?? {}
  const made = making === undefined ? {} : { ...settings, ...(partitions !== undefined && { partitions }) }
  return log.topic(defineTopic(name, { key: bytes, value: bytes, ...made }), { create: making !== undefined })
}

/** The ends of the partitions of a topic now, by number. */
export async function endsOf<K, V>(topic: PortableTopic<K, V>): Promise<Map<number, Ends>> {
  if (topic instanceof Topic) {
    return new Map(topic.partitions.map((partition) => [partition.partition, endsIn(partition)]))
  }
  const offsets = await (topic as ClusterTopic<K, V>).offsets()
  return new Map(offsets.map((partition) => [partition.partition, endsIn(partition)]))
}

function endsIn({ startOffset, highWatermark, lastStableOffset }: PartitionOffsets): Ends {
  return { start: startOffset, end: lastStableOffset, highWatermark }
}

/** Whether a topic has a record that counts. */
export async function hasRecords(topic: PlainTopic): Promise<boolean> {
  const consumer = topic.consumer({ until: 'end' })
  try {
    for await (const { offset } of consumer) return offset >= 0
    return false
  } finally {
    await consumer.close()
  }
}

interface Described {
  readonly name: string
  readonly partitions: number
  readonly key?: string | undefined
  readonly value?: string | undefined
  readonly settings?: TopicSettings
}

/** Nothing is deleted on the target that is not deleted on the source, and times are kept. */
function described({ name, partitions, key, value, settings = {} }: Described): SourceTopic {
  const kept = Object.fromEntries(carried.flatMap((setting) => (settings[setting] === undefined ? [] : [[setting, settings[setting]]])))
  return {
    name, partitions, key, value,
    settings: { retentionMs: Infinity, retentionBytes: Infinity, ...kept, messageTimestampType: 'CreateTime' },
  }
}

function definedBy({ key, value, settings }: Exclude<SubscribedTopic, string | RegExp>): Pick<Described, 'key' | 'value' | 'settings'> {
  return { key: (key as { name: string }).name, value: (value as { name: string }).name, settings: settings as TopicSettings }
}
