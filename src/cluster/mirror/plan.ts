/*
 * What a mirror would do, without doing it: what it would make, where it would go on, how much is to be mirrored, and what stands in its way.
 */
import { isLogError, type LogError } from '../../base/errors.ts'
import { type PortableLog } from '../../topics/contract.ts'
import { Ledger } from './ledger.ts'
import { checkTarget, type Gap, gone, taken } from './mirrored-topic.ts'
import { checkMirrorOptions, type MirrorOptions } from './options.ts'
import { checkOrigin, Origins } from './origins.ts'
import { type Ends, endsOf, hasRecords, identityOf, plainTopic, sourceTopics } from './side.ts'

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
  const origins = await new Origins(source).look()
  const topics: PlannedTopic[] = []
  for (const topic of chosen) {
    const ends = await endsOf(await plainTopic(source, topic.name))
    const gaps = checked.gaps === 'pass' ? [] : gapsOf(topic.name, ends, ledger)
    const found = there.find(({ name }) => name === topic.name)
    const known = ledger?.knows(topic.name) === true
    const refuses = found !== undefined && !known && checked.existing === 'refuse'
    const taking = refuses && await hasRecords(await plainTopic(target, topic.name))
    topics.push({
      topic: topic.name, partitions: topic.partitions, state: found === undefined ? 'new' : known ? 'goes-on' : 'exists',
      offsets: offsetsLeft(topic.name, ends, ledger),
      problem: thrownBy(() => {
        checkOrigin(topic.name, origins, identityOf(target))
        checkTarget(topic, found, known)
        if (taking) throw taken(topic.name)
        if (gaps.length > 0) throw gone(gaps)
      }),
    })
  }
  return { topics, groups: await plannedGroups(source, checked.groups, new Set(topics.map(({ topic }) => topic))) }
}

function thrownBy(check: () => void): LogError | undefined {
  try {
    check()
    return undefined
  } catch (error) {
    if (isLogError(error)) return error
    throw error
  }
}

function gapsOf(topic: string, ends: ReadonlyMap<number, Ends>, ledger: Ledger | undefined): Gap[] {
  if (ledger?.origin(topic) === undefined) return []
  return [...ends].map(([partition, { start }]) => ({ topic, partition, from: ledger.position(topic, partition), to: start }))
    .filter(({ from, to }) => from < to)
}

function offsetsLeft(topic: string, ends: ReadonlyMap<number, Ends>, ledger: Ledger | undefined): number {
  const left = [...ends].map(([partition, { start, end }]) => end - Math.max(start, ledger?.position(topic, partition) ?? 0))
  return left.reduce((sum, offsets) => sum + Math.max(0, offsets), 0)
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
