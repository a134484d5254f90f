/*
 * What a mirror would do, without doing it: what it would make, where it would go on, how much is to be mirrored, and what stands in its way.
 */
import { isLogError, type LogError } from '../../base/errors.ts'
import { type PortableLog } from '../../topics/contract.ts'
import { Ledger } from './ledger.ts'
import { checkTarget, taken } from './mirrored-topic.ts'
import { checkMirrorOptions, type MirrorOptions } from './options.ts'
import { endsOf, hasRecords, plainTopic, sourceTopics, type SourceTopic } from './side.ts'

/** What would become of a topic. */
export interface PlannedTopic {
  readonly topic: string
  readonly partitions: number
  /** It would be made, it would go on where a run before ended, or it is there and the mirror does not know it. */
  readonly state: 'new' | 'goes-on' | 'exists'
  /** Offsets of the source that would be mirrored: the most records that there can be. */
  readonly offsets: number
  /** What the mirror would fail with. */
  readonly problem: LogError | undefined
}

/** A commit that would be carried over. */
export interface PlannedGroup {
  readonly group: string
  readonly topic: string
  readonly partition: number
  readonly committed: number
  /** Offsets of the source that the group has not read. */
  readonly lag: number
}

/** What a mirror would do. */
export interface MirrorPlan {
  readonly topics: readonly PlannedTopic[]
  readonly groups: readonly PlannedGroup[]
}

/**
 * Tells what `mirror` would do with the same arguments, and changes nothing.
 *
 * @throws LogError `LOG_MIRROR_ITSELF`, `LOG_NOT_FOUND`, and those of both logs; what stands in the way of a topic is in the plan
 */
export async function planMirror(source: PortableLog, target: PortableLog, options: MirrorOptions): Promise<MirrorPlan> {
  const checked = checkMirrorOptions(source, target, options)
  const chosen = await sourceTopics(source, checked.topics)
  const ledger = await Ledger.look(target, checked.id)
  const there = await target.topics()
  const topics: PlannedTopic[] = []
  for (const topic of chosen) {
    const found = there.find(({ name }) => name === topic.name)
    const known = ledger?.knows(topic.name) === true
    const refuses = found !== undefined && !known && checked.existing === 'refuse'
    topics.push({
      topic: topic.name, partitions: topic.partitions, state: found === undefined ? 'new' : known ? 'goes-on' : 'exists',
      offsets: await offsetsLeft(source, topic.name, ledger),
      problem: problemOf(topic, found, known) ?? (refuses && await hasRecords(await plainTopic(target, topic.name)) ? taken(topic.name) : undefined),
    })
  }
  return { topics, groups: await plannedGroups(source, checked.groups, new Set(topics.map(({ topic }) => topic))) }
}

function problemOf(topic: SourceTopic, found: { readonly partitions: number } | undefined, known: boolean): LogError | undefined {
  try {
    checkTarget(topic, found, known)
    return undefined
  } catch (error) {
    if (isLogError(error)) return error
    throw error
  }
}

async function offsetsLeft(source: PortableLog, name: string, ledger: Ledger | undefined): Promise<number> {
  let left = 0
  for (const [partition, { start, end }] of await endsOf(await plainTopic(source, name))) {
    left += Math.max(0, end - Math.max(start, ledger?.mapOf(name, partition).nextSource ?? 0))
  }
  return left
}

async function plannedGroups(source: PortableLog, asked: readonly (string | RegExp)[], topics: ReadonlySet<string>): Promise<PlannedGroup[]> {
  const planned: PlannedGroup[] = []
  for (const { group } of asked.length === 0 ? [] : await source.groups.list()) {
    if (!asked.some((one) => (one instanceof RegExp ? group.search(one) >= 0 : one === group))) continue
    for (const { topic, partition, committed, lag } of await source.groups.lag(group)) {
      if (committed !== undefined && topics.has(topic)) planned.push({ group, topic, partition, committed, lag })
    }
  }
  return planned
}
