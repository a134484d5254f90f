/*
 * Looking at groups of a cluster and setting them back.
 */
import { isLogError, LogError } from '../base/errors.ts'
import { type KafkaErrorName } from '../format/kafka-errors.ts'
import { decodeAssignment } from '../format/consumer-protocol.ts'
import { type WaitOptions } from '../topics/abort.ts'
import { type PortableGroups } from '../topics/contract.ts'
import { type GroupState } from '../topics/groups/group-messages.ts'
import {
  checkReset, type GroupDetails, type GroupInfo, type GroupMemberDetails, type PartitionLag, type PartitionReset, type ResetOptions,
} from '../topics/groups/groups-admin.ts'
import { checkName } from '../topics/groups/group-options.ts'
import { type Call } from './call.ts'
import { type Connected } from './connected.ts'
import { endsOf, offsetsAt, type PlaceName } from './ends.ts'
import { checkAnswer, clusterGroupError, nameOf } from './errors.ts'
import { CONSUMER_GROUP_DESCRIBE_KEY, describeConsumerGroup } from './messages.ts'
import { RemoteGroups } from './remote-groups.ts'
import { type Ends } from './remote-partition.ts'

const LIST_GROUPS = 16
/** The version of ListGroups that tells of which protocol groups are. */
const WITH_TYPES = 5

/** The groups of a cluster. */
export class ClusterGroups implements PortableGroups {
  readonly #connected: Connected

  constructor(connected: Connected) {
    this.#connected = connected
  }

  async list(options?: WaitOptions): Promise<readonly GroupInfo[]> {
    const { cluster } = this.#connected
    const { listGroupsV4, listGroupsV5 } = cluster.client
    const call = this.#connected.call(options, 'list')
    const groups = await cluster.retrying(call, async () => {
      await cluster.refresh(call, [])
      const answers = await Promise.all(cluster.brokers.map(async (broker) => {
        const { api } = (await cluster.supports(call, broker, LIST_GROUPS, WITH_TYPES)) ? listGroupsV5 : listGroupsV4
        const answer = await cluster.main.ask(call, broker, api as typeof listGroupsV5.api, [], [])
        checkAnswer(answer.errorCode, 'the groups of the cluster')
        return answer.groups
      }))
      return answers.flat()
    })
    return groups.map(({ groupId, groupState, protocolType, groupType }): GroupInfo => (
      { group: groupId ?? '', state: groupState as GroupState, type: typeOf(groupType), protocolType }
    )).sort((a, b) => (a.group < b.group ? -1 : 1))
  }

  async describe(group: string, options?: WaitOptions): Promise<GroupDetails> {
    checkName(group ?? null, 'group')
    return this.#existing(this.#connected.call(options, 'describe'), group)
  }

  async #existing(call: Call, group: string): Promise<GroupDetails> {
    const found = await this.#describe(call, group)
    // A group that there never was is described as dead.
    if (found.state === 'Dead') throw clusterGroupError('GROUP_ID_NOT_FOUND', group)
    return found
  }

  async #describe(call: Call, group: string): Promise<GroupDetails> {
    const { cluster } = this.#connected
    const { describeGroupsV5 } = cluster.client
    const found = await cluster.coordinated(call, 'group', group, async (broker) => (
      (await cluster.main.ask(call, broker, describeGroupsV5.api, [group], false)).groups[0]!
    ), ({ errorCode }) => errorCode)
    const name = nameOf(found.errorCode)
    if (name !== 'NONE' && name !== 'GROUP_ID_NOT_FOUND') throw clusterGroupError(name, group)
    const state = (name === 'NONE' ? found.groupState : 'Dead') as GroupState
    // Those of the newer protocol are none to whoever asks for classic ones.
    const newer = state === 'Dead' ? await this.#describeConsumers(call, group) : undefined
    if (newer !== undefined) return newer
    const members = found.members.map((member): GroupMemberDetails => ({
      memberId: member.memberId, instanceId: member.groupInstanceId ?? undefined, clientId: member.clientId, host: member.clientHost,
      partitions: found.protocolType === 'consumer' ? placesIn(member.memberAssignment) : [],
    }))
    return { group, state, type: 'classic', protocolType: found.protocolType, assignor: found.protocolData, generation: -1, members }
  }

  /** A group of the newer protocol (KIP-848); undefined when it is none. */
  async #describeConsumers(call: Call, group: string): Promise<GroupDetails | undefined> {
    const { cluster } = this.#connected
    const found = await cluster.coordinated(call, 'group', group, async (broker) => {
      if (!(await cluster.supports(call, broker, CONSUMER_GROUP_DESCRIBE_KEY, 0))) return undefined
      return (await cluster.main.askRaw(call, broker, describeConsumerGroup(group))).groups[0]
    }, (answer) => answer?.errorCode ?? 0)
    if (found === undefined || nameOf(found.errorCode) === 'GROUP_ID_NOT_FOUND') return undefined
    if (found.errorCode !== 0) throw clusterGroupError(nameOf(found.errorCode), group)
    const { groupState, assignorName: assignor, groupEpoch: generation } = found
    const members = found.members.map(({ memberId, instanceId, clientId, clientHost: host, assignment }): GroupMemberDetails => ({
      memberId, instanceId: instanceId ?? undefined, clientId, host,
      partitions: inOrder(assignment.topicPartitions.flatMap(({ topicName: topic, partitions }) => (
        partitions.map((partition) => ({ topic, partition }))
      ))),
    }))
    return { group, state: groupState as GroupState, type: 'consumer', protocolType: 'consumer', assignor, generation, members }
  }

  async lag(group: string, options?: WaitOptions): Promise<readonly PartitionLag[]> {
    checkName(group ?? null, 'group')
    const call = this.#connected.call(options, 'lag')
    const { members } = await this.#existing(call, group)
    const committed = await this.#connected.groupOffsets.committed(group, { call })
    const owners = new Map(members.flatMap(({ memberId, partitions }) => partitions.map((place) => [keyOf(place), memberId])))
    const offsets = new Map(committed.map((one) => [keyOf(one), one.offset]))
    const places = await this.#there(call, inOrder([...members.flatMap(({ partitions }) => partitions), ...committed]))
    const ends = await endsOf(this.#connected.cluster, call, places)
    return places.map(({ topic, partition }, index): PartitionLag => {
      const { startOffset, highWatermark: end } = ends[index]!
      const offset = offsets.get(keyOf({ topic, partition }))
      const kept = offset === undefined ? undefined : Math.max(offset, startOffset)
      const memberId = owners.get(keyOf({ topic, partition }))
      return { topic, partition, committed: kept, end, lag: Math.max(0, end - (kept ?? startOffset)), memberId }
    })
  }

  async delete(group: string, options?: WaitOptions): Promise<void> {
    const { cluster } = this.#connected
    const { deleteGroupsV2 } = cluster.client
    checkName(group ?? null, 'group')
    const call = this.#connected.call(options, 'delete')
    const { errorCode } = await cluster.coordinated(call, 'group', group, async (broker) => (
      (await cluster.main.ask(call, broker, deleteGroupsV2.api, [group])).results[0]!
    ), (answer) => answer.errorCode)
    if (errorCode !== 0) throw clusterGroupError(nameOf(errorCode), group)
  }

  async resetOffsets(group: string, options: ResetOptions): Promise<readonly PartitionReset[]> {
    checkName(group ?? null, 'group')
    checkReset(options)
    const call = this.#connected.call(options.signal && { signal: options.signal }, 'resetOffsets')
    const { state } = await this.#describe(call, group)
    if (state === 'Dead' && options.topic === undefined) throw clusterGroupError('GROUP_ID_NOT_FOUND', group)
    if (state !== 'Dead' && state !== 'Empty') throw clusterGroupError('NON_EMPTY_GROUP', group)
    const resets = await this.#resets(call, group, options)
    if (options.dryRun === true || resets.length === 0) return resets
    const groups = new RemoteGroups(this.#connected.cluster, group, this.#connected.groupOffsets)
    const offsets = resets.map(({ topic, partition, to }) => ({ topic, partition, offset: to, leaderEpoch: -1 }))
    const results = await groups.commitOffsets({ groupId: group, memberId: '', generation: -1, offsets }, call)
    const refused = results.find(({ error }) => error !== 'NONE')
    if (refused === undefined) return resets
    const busy: readonly KafkaErrorName[] = ['UNKNOWN_MEMBER_ID', 'ILLEGAL_GENERATION']
    throw busy.includes(refused.error) ? clusterGroupError('NON_EMPTY_GROUP', group) : refused.cause
  }

  async #resets(call: Call, group: string, { topic, partitions, to }: ResetOptions): Promise<PartitionReset[]> {
    const { cluster } = this.#connected
    const committed = await this.#connected.groupOffsets.committed(group, { call })
    const names = topic === undefined ? [...new Set(committed.map((place) => place.topic))].sort() : [topic]
    await cluster.retrying(call, () => cluster.refresh(call, names))
    const places = names.flatMap((name) => {
      const count = cluster.topic(name)?.leaders.length
      if (count === undefined) throw new LogError('LOG_NOT_FOUND', `there is no topic "${name}" in the cluster`, { topic: name })
      for (const number of partitions ?? []) if (number >= count) throw new RangeError(`there is no partition ${number} of ${name}`)
      return Array.from({ length: count }, (_, partition) => ({ topic: name, partition })).filter(({ partition }) => (
        partitions?.includes(partition) !== false
      ))
    })
    const ends = await endsOf(cluster, call, places)
    const found = typeof to === 'object' && 'timestamp' in to ? await offsetsAt(cluster, call, places, to.timestamp, 'read_committed') : []
    const before = new Map(committed.map((one) => [keyOf(one), one.offset]))
    return places.map((place, index) => ({ ...place, from: before.get(keyOf(place)), to: targetOf(place, to, ends[index]!, found[index]) }))
  }

  /** Those whose topics are there still. */
  async #there(call: Call, places: readonly PlaceName[]): Promise<PlaceName[]> {
    const { cluster } = this.#connected
    await cluster.retrying(call, () => cluster.refresh(call, [...new Set(places.map(({ topic }) => topic))]))
    return places.filter(({ topic, partition }) => (cluster.topic(topic)?.leaders.length ?? 0) > partition)
  }
}

/** Brokers that tell no types have classic groups only. */
function typeOf(groupType: string | undefined): GroupInfo['type'] {
  const type = groupType?.toLowerCase()
  return type === 'consumer' || type === 'share' ? type : 'classic'
}

function targetOf({ topic, partition }: PlaceName, to: ResetOptions['to'], ends: Ends, found: number | undefined): number {
  const { startOffset: start, highWatermark: end, lastStableOffset } = ends
  if (to === 'earliest') return start
  if (to === 'latest') return lastStableOffset
  if ('timestamp' in to) return found ?? lastStableOffset
  if (to.offset >= start && to.offset <= end) return to.offset
  const message = `offset ${to.offset} cannot be committed for ${topic}-${partition}: it has ${start} to ${end}`
  throw new LogError('LOG_COMMIT_OUT_OF_RANGE', message, { topic, partition, offset: to.offset, start, end })
}

/** Groups whose members say what nobody understands are described without. */
function placesIn(assignment: Buffer): PlaceName[] {
  try {
    return inOrder(decodeAssignment(assignment).assignedPartitions.flatMap(({ topic, partitions }) => (
      partitions.map((partition) => ({ topic, partition }))
    )))
  } catch (error) {
    if (isLogError(error, 'LOG_DECODE_FAILED')) return []
    throw error
  }
}

function inOrder(places: readonly PlaceName[]): PlaceName[] {
  const byKey = new Map(places.map(({ topic, partition }) => [keyOf({ topic, partition }), { topic, partition }]))
  return [...byKey.values()].sort((a, b) => (a.topic === b.topic ? a.partition - b.partition : a.topic < b.topic ? -1 : 1))
}

function keyOf({ topic, partition }: PlaceName): string {
  return `${topic}/${partition}`
}
