/*
 * Looking at groups and setting them back: `log.groups`. Works on what the coordinator knows; a read-only log sees what the writer has
 * stored, and changes nothing.
 */
import { isLogError, LogError } from '../../base/errors.ts'
import { checkBoolean, checkInteger, checkOptions, checkSignal, describe } from '../../base/options.ts'
import { decodeAssignment } from '../../format/consumer-protocol.ts'
import { waiting, type WaitOptions } from '../abort.ts'
import { type Life } from '../life.ts'
import { type LogCore } from '../log-core.ts'
import { resolveStart, type StartPosition } from '../start-position.ts'
import { presentLogs } from '../topic-core.ts'
import { type GroupCoordinator } from './coordinator.ts'
import { groupError } from './group-error.ts'
import { type GroupDescription, type GroupState, type MemberDescription } from './group-messages.ts'
import { checkName } from './group-options.ts'
import { type Place } from './member.ts'
import { checkCommit, commitEpoch, validCommit } from './valid-commit.ts'

/** A group in a list. */
export interface GroupInfo {
  readonly group: string
  readonly state: GroupState
  /** `classic`; `consumer` for groups of the newer protocol (KIP-848), which clients of the wire form. */
  readonly type: GroupDescription['type']
  /** `consumer` for groups of consumers; empty where nobody ever joined. */
  readonly protocolType: string
}

/** A group with its members. */
export interface GroupDetails extends GroupInfo {
  /** The assignor that the members agreed on; empty while they have not. */
  readonly assignor: string
  /** −1 where it is not told: of classic groups of a cluster. */
  readonly generation: number
  readonly members: readonly GroupMemberDetails[]
}

/** A member of a group. */
export interface GroupMemberDetails {
  readonly memberId: string
  /** Of a static member. */
  readonly instanceId: string | undefined
  readonly clientId: string
  /** `in-process` for consumers of this process. */
  readonly host: string
  /** What it is assigned. */
  readonly partitions: readonly Place[]
}

/** How far a group is behind in a partition. */
export interface PartitionLag extends Place {
  /** What it committed, as far as it belongs to the log still; undefined for nothing. */
  readonly committed: number | undefined
  /** The end: the offset that the next record gets. */
  readonly end: number
  /**
   * Offsets between, from the oldest kept where nothing is committed. Markers of transactions and aborted records count, as in Kafka: behind a
   * transaction a group that has read everything may have a lag of 1.
   */
  readonly lag: number
  /** Whose the partition is. */
  readonly memberId: string | undefined
}

/** What to set back, and to where. */
export interface ResetOptions {
  /** Default: all topics that the group has committed for. */
  readonly topic?: string
  /** Numbers of partitions of `topic`. Default: all. */
  readonly partitions?: readonly number[]
  /** The oldest kept, the end, the first record at or after a time, or an offset. */
  readonly to: 'earliest' | 'latest' | { readonly timestamp: number } | { readonly offset: number }
  /** Tell what would be done, and do nothing. Default false. */
  readonly dryRun?: boolean
  /** Ends the waiting; what was under way may be done nevertheless. */
  readonly signal?: AbortSignal
}

/** What becomes, or would become, of one partition. */
export interface PartitionReset extends Place {
  /** What was committed; undefined for nothing. */
  readonly from: number | undefined
  readonly to: number
}

/** The groups of a log. */
export class Groups {
  readonly #core: LogCore
  readonly #life: Life

  /** @internal */
  constructor(core: LogCore, life: Life) {
    this.#core = core
    this.#life = life
  }

  /** All groups: those with members, and those that have committed something, by name. */
  async list(options?: WaitOptions): Promise<readonly GroupInfo[]> {
    const groups = await waiting(options, 'list', () => this.#groups())
    return groups.list().map(({ groupId, state, type, protocolType }) => ({ group: groupId, state, type, protocolType }))
      .sort((a, b) => (a.group < b.group ? -1 : 1))
  }

  /**
   * A group with its members.
   *
   * @throws LogError `LOG_GROUP_NOT_FOUND`
   */
  async describe(group: string, options?: WaitOptions): Promise<GroupDetails> {
    return waiting(options, 'describe', () => this.#details(group))
  }

  async #details(group: string): Promise<GroupDetails> {
    const { state, type, protocolType, protocol, generation, members } = await this.#describe(group)
    return { group, state, type, protocolType, assignor: protocol, generation, members: members.map((member) => detailsOf(member, protocolType)) }
  }

  /**
   * How far a group is behind, for each partition that it has committed for or that is assigned to a member.
   *
   * @throws LogError `LOG_GROUP_NOT_FOUND`
   */
  async lag(group: string, options?: WaitOptions): Promise<readonly PartitionLag[]> {
    return waiting(options, 'lag', () => this.#lag(group))
  }

  async #lag(group: string): Promise<readonly PartitionLag[]> {
    const described = await this.#details(group)
    const groups = await this.#groups()
    const owners = new Map(described.members.flatMap(({ memberId, partitions }) => partitions.map((place) => [keyOf(place), memberId])))
    const places = [...described.members.flatMap(({ partitions }) => partitions), ...groups.offsets.all(group)]
    const lags: PartitionLag[] = []
    for (const { topic, partition } of inOrder(places)) {
      const log = (await this.#core.existingTopic(topic))?.logs[partition]
      if (log === undefined) continue
      log.lookAgain()
      const stored = groups.offsets.get(group, topic, partition)
      const committed = stored === undefined ? undefined : validCommit(log, stored).offset
      const end = log.highWatermark
      const lag = Math.max(0, end - (committed ?? log.startOffset))
      lags.push({ topic, partition, committed, end, lag, memberId: owners.get(keyOf({ topic, partition })) })
    }
    return lags
  }

  /**
   * Forgets a group that has no members, and what it committed.
   *
   * @throws LogError `LOG_GROUP_NOT_FOUND`, `LOG_GROUP_NOT_EMPTY`, `LOG_READ_ONLY`
   */
  async delete(group: string, options?: WaitOptions): Promise<void> {
    this.#checkWritable()
    checkName(group ?? null, 'group')
    const { error, cause } = await waiting(options, 'delete', async () => (await this.#groups()).deleteGroup(group))
    if (error !== 'NONE') throw cause ?? groupError(error, group)
  }

  /**
   * Sets a group without members back, or on: its next consumer goes on from there. Gives what was done, or with `dryRun` what would be.
   *
   * @throws LogError `LOG_GROUP_NOT_EMPTY`, `LOG_GROUP_NOT_FOUND` when no topic is named either, `LOG_NOT_FOUND` for a topic that is not there,
   *   `LOG_COMMIT_OUT_OF_RANGE`, `LOG_READ_ONLY`
   */
  async resetOffsets(group: string, options: ResetOptions): Promise<readonly PartitionReset[]> {
    checkName(group ?? null, 'group')
    checkReset(options)
    if (options.dryRun !== true) this.#checkWritable()
    return waiting(options.signal && { signal: options.signal }, 'resetOffsets', () => this.#reset(group, options))
  }

  async #reset(group: string, options: ResetOptions): Promise<readonly PartitionReset[]> {
    const groups = await this.#groups()
    const state = groups.describe(group)?.state
    // With a topic it may be a group that is to begin somewhere; without one there is nothing to set back.
    if (state === undefined && options.topic === undefined) throw groupError('GROUP_ID_NOT_FOUND', group)
    if (state !== undefined && state !== 'Empty') throw groupError('NON_EMPTY_GROUP', group)
    const resets = await this.#resets(groups, group, options)
    if (options.dryRun === true || resets.length === 0) return resets
    const offsets: (Place & { offset: number; leaderEpoch: number })[] = []
    for (const { topic, partition, to } of resets) {
      offsets.push({ topic, partition, offset: to, leaderEpoch: commitEpoch((await this.#core.existingTopic(topic))!.logs[partition]!, to) })
    }
    const results = await groups.commitOffsets({ groupId: group, memberId: '', generation: -1, offsets })
    const refused = results.find(({ error }) => error !== 'NONE')
    if (refused !== undefined) throw refused.cause ?? groupError(refused.error === 'UNKNOWN_MEMBER_ID' ? 'NON_EMPTY_GROUP' : refused.error, group)
    return resets
  }

  async #resets(groups: GroupCoordinator, group: string, { topic, partitions, to }: ResetOptions): Promise<PartitionReset[]> {
    const topics = topic === undefined ? [...new Set(groups.offsets.all(group).map((place) => place.topic))].sort() : [topic]
    const resets: PartitionReset[] = []
    for (const name of topics) {
      const open = await this.#core.existingTopic(name)
      if (open === undefined) throw new LogError('LOG_NOT_FOUND', `there is no topic "${name}" in ${this.#core.folder}`, { topic: name })
      for (const number of partitions ?? []) if (open.logs[number] === undefined) throw new RangeError(`there is no partition ${number} of ${name}`)
      for (const log of presentLogs(open).filter((one) => partitions?.includes(one.partition) !== false)) {
        const offset = typeof to === 'object' && 'offset' in to ? to.offset : resolveStart(log, to as StartPosition)
        checkCommit(log, offset)
        resets.push({ topic: name, partition: log.partition, from: groups.offsets.get(group, name, log.partition)?.offset, to: offset })
      }
    }
    return resets
  }

  async #groups(): Promise<GroupCoordinator> {
    this.#life.check()
    const groups = await this.#core.groups()
    await groups.refresh()
    return groups
  }

  async #describe(group: string): Promise<GroupDescription> {
    checkName(group ?? null, 'group')
    const described = (await this.#groups()).describe(group)
    if (described === undefined) throw groupError('GROUP_ID_NOT_FOUND', group)
    return described
  }

  #checkWritable(): void {
    if (this.#core.readOnly) throw new LogError('LOG_READ_ONLY', `the log ${this.#core.folder} was opened read-only`, { folder: this.#core.folder })
  }
}

function detailsOf(member: MemberDescription, protocolType: string): GroupMemberDetails {
  const { memberId, groupInstanceId, clientId, clientHost, assignment } = member
  return {
    memberId, instanceId: groupInstanceId ?? undefined, clientId, host: clientHost,
    partitions: protocolType === 'consumer' ? inOrder(placesIn(assignment)) : [],
  }
}

/** Groups whose members say what nobody understands are described without. */
function placesIn(assignment: Buffer): Place[] {
  try {
    return decodeAssignment(assignment).assignedPartitions.flatMap(({ topic, partitions }) => partitions.map((partition) => ({ topic, partition })))
  } catch (error) {
    if (isLogError(error, 'LOG_DECODE_FAILED')) return []
    throw error
  }
}

function inOrder(places: readonly Place[]): Place[] {
  const byKey = new Map(places.map((place) => [keyOf(place), place]))
  return [...byKey.values()].sort((a, b) => (a.topic === b.topic ? a.partition - b.partition : a.topic < b.topic ? -1 : 1))
}

function keyOf({ topic, partition }: Place): string {
  return `${topic}/${partition}`
}

/** Throws a TypeError or RangeError for what `resetOffsets` cannot be told. */
export function checkReset(options: ResetOptions): void {
  if (options === undefined) throw new TypeError('resetOffsets takes { to }: where the group is to go on')
  checkOptions(options, ['topic', 'partitions', 'to', 'dryRun', 'signal'], 'resetOffsets')
  const { topic, partitions, to, dryRun, signal } = options
  checkSignal(signal)
  if (topic !== undefined) checkName(topic, 'topic')
  if (partitions !== undefined && (!Array.isArray(partitions) || topic === undefined)) {
    throw new TypeError('partitions is an array of numbers of partitions of the topic that is named')
  }
  for (const partition of partitions ?? []) checkInteger(partition ?? null, 'a number in partitions', 0)
  checkBoolean(dryRun, 'dryRun')
  if (to === 'earliest' || to === 'latest') return
  const { timestamp, offset } = (typeof to === 'object' && to !== null ? to : {}) as { timestamp?: unknown; offset?: unknown }
  if ((timestamp === undefined) === (offset === undefined)) {
    throw new TypeError(`to is 'earliest', 'latest', { timestamp } or { offset }, not ${describe(to)}`)
  }
  checkInteger(timestamp, 'to.timestamp', 0)
  checkInteger(offset, 'to.offset', 0)
}
