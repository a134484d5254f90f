/*
 * `kafka.group(name)`: waits for what a consumer group is to become, without sleeping: its members have their partitions and fetch them, it has
 * read everything, it has rebalanced. Whatever does not come in time is told with what of it was missing.
 */
import { checkInteger, checkOptions, describe } from '../../base/options.ts'
import { decodeAssignment, decodeSubscription } from '../../format/consumer-protocol.ts'
import { type GroupCoordinator } from '../../topics/groups/coordinator.ts'
import { type GroupDescription, IN_PROCESS_HOST, type MemberDescription } from '../../topics/groups/group-messages.ts'
import { OFFSETS_TOPIC } from '../../topics/internal-topics.ts'
import { type LogCore } from '../../topics/log-core.ts'
import { durationMs } from '../clock/durations.ts'
import { lagOf, type HandsWorld, type WaitFor, waitNames } from './topic-hands.ts'

/** When a group is ready. */
export interface ReadyOptions extends WaitFor {
  /** Members that it has. Default: at least one. */
  readonly members?: number
  /** What is assigned to them: all partitions of the topics that they subscribe to, or of these topics. Default `all`. */
  readonly assigned?: 'all' | readonly string[]
  /** They have begun to fetch what they are assigned, so that nothing that is sent from now on is missed. Default true. */
  readonly fetching?: boolean
}

/** A partition of a topic. */
export interface TestPlace {
  readonly topic: string
  readonly partition: number
}

/** A member of a group, as a test sees it. */
export interface TestMember {
  readonly memberId: string
  readonly instanceId: string | null
  readonly clientId: string
  readonly topics: readonly string[]
  readonly assigned: readonly TestPlace[]
}

/** A group as it is. */
export interface TestGroup {
  readonly state: GroupDescription['state']
  readonly type: GroupDescription['type']
  /** Rises with every rebalance. */
  readonly generation: number
  readonly assignor: string
  readonly members: readonly TestMember[]
}

const NO_GROUP: TestGroup = { state: 'Dead', type: 'classic', generation: -1, assignor: '', members: [] }
const LEAVE_EPOCH = -1
const STATIC_LEAVE_EPOCH = -2

/** A consumer group of a test broker. */
export class GroupHands {
  readonly name: string
  readonly #world: HandsWorld

  /** @internal */
  constructor(name: string, world: HandsWorld) {
    this.name = name
    this.#world = world
  }

  /** The group as it is now; without members and `Dead` where there is none. */
  async describe(): Promise<TestGroup> {
    return this.#described(await this.#world.core().groups())
  }

  /**
   * Resolves when the group has its members, they have their partitions, and fetch them: what is sent from now on reaches them.
   *
   * @throws LogError `LOG_WAIT_TIMED_OUT`, with what was missing
   */
  async ready(options: ReadyOptions = {}): Promise<TestGroup> {
    checkOptions(options, ['members', 'assigned', 'fetching', ...waitNames], 'ready')
    const { members, assigned = 'all', fetching = true } = options
    checkInteger(members, 'members', 0)
    if (assigned !== 'all' && !Array.isArray(assigned)) throw new TypeError(`assigned is 'all' or a list of topics, not ${describe(assigned)}`)
    return this.#until(options, async (missing) => {
      const group = await this.describe()
      this.#lackOfMembers(group, members, missing)
      this.#lackOfAssignment(group, assigned, missing)
      if (missing.length > 0) return undefined
      if (fetching) this.#lackOfFetches(group, missing)
      return missing.length > 0 ? undefined : group
    })
  }

  /** Resolves when no rebalance is under way: every member knows what it has. */
  stable(options: WaitFor = {}): Promise<TestGroup> {
    checkOptions(options, waitNames, 'stable')
    return this.#until(options, async (missing) => {
      const group = await this.describe()
      if (group.state !== 'Stable' && group.state !== 'Empty') missing.push(`it is ${stateText(group)}`)
      return missing.length > 0 ? undefined : group
    })
  }

  /** Resolves when the group has committed everything that there is, of the topics that it reads or, without members, has committed for. */
  caughtUp(options: WaitFor & { readonly topics?: readonly string[] } = {}): Promise<TestGroup> {
    checkOptions(options, ['topics', ...waitNames], 'caughtUp')
    return this.#until(options, async (missing) => {
      const groups = await this.#world.core().groups()
      const group = this.#described(groups)
      const subscribed = group.members.flatMap(({ topics }) => topics)
      const read = options.topics ?? [...subscribed, ...groups.offsets.all(this.name).map(({ topic }) => topic)]
      if (read.length === 0) missing.push('it reads no topic')
      for (const name of new Set(read)) {
        const topic = this.#world.core().openTopics.find(({ entry }) => entry.name === name)
        if (topic === undefined) missing.push(`there is no topic "${name}"`)
        for (const log of topic?.logs ?? []) {
          const lag = log === undefined ? 0 : lagOf(log, groups, this.name)
          if (lag > 0) missing.push(`${name}-${log!.partition} is ${lag} ${lag === 1 ? 'record' : 'records'} behind`)
        }
      }
      return missing.length > 0 ? undefined : group
    })
  }

  /** Resolves when a rebalance that began after this call is over: call it before what causes it. */
  rebalanced(options: WaitFor & { readonly times?: number } = {}): Promise<TestGroup> {
    checkOptions(options, ['times', ...waitNames], 'rebalanced')
    const { times = 1 } = options
    checkInteger(times, 'times', 1)
    let from: number | undefined
    return this.#until(options, async (missing) => {
      const group = await this.describe()
      from ??= group.generation
      const done = group.generation - from
      if (done < times) missing.push(`it has rebalanced ${done} of ${times} times`)
      else if (group.state !== 'Stable' && group.state !== 'Empty') missing.push(`it is ${stateText(group)}`)
      return missing.length > 0 ? undefined : group
    })
  }

  /** Takes members out, as if their sessions had ended: those of a run before, or one that is to join anew. Default: all. */
  async evict(...memberIds: readonly string[]): Promise<void> {
    const groups = await this.#world.core().groups()
    await evict(groups, this.name, memberIds.length === 0 ? undefined : memberIds)
    this.#world.changes.tell()
  }

  #described(groups: GroupCoordinator): TestGroup {
    const group = groups.describe(this.name)
    if (group === undefined) return NO_GROUP
    const { state, type, generation, protocol } = group
    const details = type === 'consumer' ? groups.describeConsumerGroup(this.name) : undefined
    if (details !== undefined) {
      const members = details.members.map((member) => ({
        memberId: member.memberId, instanceId: member.instanceId, clientId: member.clientId, topics: member.topicNames,
        assigned: member.assigned.flatMap(({ topicName: topic, partitions }) => Array.from(partitions, (partition) => ({ topic, partition }))),
      }))
      return { state, type, generation, assignor: protocol, members }
    }
    return { state, type, generation, assignor: protocol, members: group.members.map((member) => classicMember(member)) }
  }

  #lackOfMembers({ members }: TestGroup, wanted: number | undefined, missing: string[]): void {
    if (wanted === undefined ? members.length > 0 : members.length === wanted) return
    missing.push(`it has ${members.length} ${members.length === 1 ? 'member' : 'members'}${wanted === undefined ? '' : ` of ${wanted}`}`)
  }

  #lackOfAssignment(group: TestGroup, wanted: 'all' | readonly string[], missing: string[]): void {
    if (group.state !== 'Stable' && group.members.length > 0) missing.push(`it is ${stateText(group)}`)
    const has = new Set(group.members.flatMap(({ assigned }) => assigned).map(({ topic, partition }) => `${topic}-${partition}`))
    for (const name of wanted === 'all' ? new Set(group.members.flatMap(({ topics }) => topics)) : wanted) {
      const entry = this.#world.core().topics.find((topic) => topic.name === name)
      if (entry === undefined) missing.push(`there is no topic "${name}"`)
      for (let partition = 0; partition < (entry?.partitions ?? 0); partition++) {
        if (!has.has(`${name}-${partition}`)) missing.push(`${name}-${partition} is assigned to nobody`)
      }
    }
  }

  #lackOfFetches({ members }: TestGroup, missing: string[]): void {
    for (const { assigned, clientId } of members) {
      if (clientId === IN_PROCESS_HOST) continue
      for (const { topic, partition } of assigned) {
        const fetched = this.#world.isFetched(topic, partition, { groupId: this.name, clientId })
        if (!fetched) missing.push(`${topic}-${partition} is assigned, and fetched by nobody yet`)
      }
    }
  }

  #until<T>({ timeout, signal }: WaitFor, look: (missing: string[]) => Promise<T | undefined>): Promise<T> {
    const { changes, timeoutMs } = this.#world
    let lacking: readonly string[] = []
    return changes.until(async () => {
      const missing: string[] = []
      const found = await look(missing)
      lacking = missing
      return found
    }, {
      signal, timeoutMs: timeout === undefined ? timeoutMs : durationMs(timeout, 'timeout'),
      missing: () => `group "${this.name}": ${lacking.join('; ')}`,
    })
  }
}

/** Takes members of a group out, of either protocol. Default: all. */
async function evict(groups: GroupCoordinator, groupId: string, memberIds?: readonly string[]): Promise<void> {
  const details = groups.describeConsumerGroup(groupId)
  const newer = new Map(details?.members.filter(({ classic }) => !classic).map((member) => [member.memberId, member]))
  const ids = memberIds ?? groups.describe(groupId)?.members.map(({ memberId }) => memberId) ?? []
  for (const memberId of ids) {
    const member = newer.get(memberId)
    if (member === undefined) groups.leave({ groupId, members: [{ memberId }] })
    else {
      await groups.consumerHeartbeat({
        groupId, memberId, memberEpoch: member.instanceId === null ? LEAVE_EPOCH : STATIC_LEAVE_EPOCH, instanceId: member.instanceId, rackId: null,
        rebalanceTimeoutMs: -1, topicNames: null, topicPattern: null, serverAssignor: null, owned: null, clientId: member.clientId,
        clientHost: member.clientHost, namesItself: false,
      })
    }
  }
}

/** Takes all members out of all groups of a log: those of a run before, or of clients that speak with another log now. */
export async function evictAll(core: LogCore): Promise<void> {
  if (!core.hasGroups && !core.topics.some(({ name }) => name === OFFSETS_TOPIC)) return
  const groups = await core.groups()
  for (const { groupId } of groups.list()) if ((groups.describe(groupId)?.members.length ?? 0) > 0) await evict(groups, groupId)
}

function classicMember({ memberId, groupInstanceId, clientId, clientHost, metadata, assignment }: MemberDescription): TestMember {
  return {
    memberId, instanceId: groupInstanceId, clientId: clientHost === IN_PROCESS_HOST ? IN_PROCESS_HOST : clientId,
    topics: understood(() => decodeSubscription(metadata).topics, []),
    assigned: understood(() => decodeAssignment(assignment).assignedPartitions, []).flatMap(({ topic, partitions }) => (
      partitions.map((partition) => ({ topic, partition }))
    )),
  }
}

/** Groups of other protocols, and members without an assignment, say nothing that anybody understands. */
function understood<T>(decode: () => T, otherwise: T): T {
  try {
    return decode()
  } catch {
    return otherwise
  }
}

function stateText({ state, generation }: TestGroup): string {
  return generation < 0 ? 'not there' : `${state} in generation ${generation}`
}
