/*
 * A consumer of the newer group protocol (KIP-848) as tests play it: it beats, gives back what it is not given any more, and says what it has.
 */
import { type FileSystem } from '../../../src/files/file-system.ts'
import { uuidText } from '../../../src/format/uuid.ts'
import { ManualClock } from '../../../src/testing/manual-clock.ts'
import { type ConsumerHeartbeatAnswer, type ConsumerHeartbeatRequest } from '../../../src/topics/groups/consumer-group-messages.ts'
import { type GroupCoordinator } from '../../../src/topics/groups/coordinator.ts'
import { type CoreOptions, type LogCore } from '../../../src/topics/log-core.ts'
import { addTopic, openCore } from './harness.ts'

/** An open folder, its clock and its groups. */
export interface World {
  readonly core: LogCore
  readonly clock: ManualClock
  readonly groups: GroupCoordinator
}

/** Opens a folder with topics of so many partitions. */
export async function world(
  topics: Record<string, number> = { t: 4 }, options: Partial<CoreOptions> & { readonly files?: FileSystem; readonly clock?: ManualClock } = {},
): Promise<World> {
  const clock = options.clock ?? new ManualClock()
  const core = await openCore({ ...options, clock })
  for (const [name, partitions] of Object.entries(topics)) await addTopic(core, name, partitions)
  return { core, clock, groups: await core.groups() }
}

/** A heartbeat that says nothing new. */
export function beat(memberId: string, memberEpoch: number, more: Partial<ConsumerHeartbeatRequest> = {}): ConsumerHeartbeatRequest {
  return {
    groupId: 'g', memberId, memberEpoch, instanceId: null, rackId: null, rebalanceTimeoutMs: -1, topicNames: null, topicPattern: null,
    serverAssignor: null, owned: null, clientId: 'client', clientHost: '/127.0.0.1', namesItself: true, ...more,
  }
}

/** A member. */
export class Client {
  readonly id: string
  epoch = 0
  /** What it has, by topic id. */
  owned: { topicId: string; partitions: readonly number[] }[] = []
  readonly #world: World
  #more: Partial<ConsumerHeartbeatRequest>
  /** An answer was lost: it says all again, and is told all. */
  #lost = false

  /** @param more  what it says when it joins */
  constructor(at: World, id: string, more: Partial<ConsumerHeartbeatRequest> = {}) {
    this.#world = at
    this.id = id
    this.#more = { rebalanceTimeoutMs: 60_000, topicNames: ['t'], ...more }
  }

  /** Beats once. What it is told it takes for its own; what it is told no more it has given back by its next heartbeat. */
  async beat(more: Partial<ConsumerHeartbeatRequest> = {}): Promise<ConsumerHeartbeatAnswer> {
    this.#more = { ...this.#more, ...(more.topicNames !== undefined && { topicNames: more.topicNames }) }
    const answer = await this.#send(more)
    if (answer.error !== 'NONE') return answer
    this.#lost = false
    this.epoch = answer.memberEpoch
    if (answer.assignment !== null) this.owned = [...answer.assignment]
    return answer
  }

  /** Beats, and the answer is lost. */
  async lose(): Promise<void> {
    await this.#send({})
    this.#lost = true
  }

  #send(more: Partial<ConsumerHeartbeatRequest>): Promise<ConsumerHeartbeatAnswer> {
    const { groupId = 'g', instanceId = null } = this.#more
    const said = this.epoch === 0 || this.#lost ? this.#more : { groupId, instanceId }
    return this.#world.groups.consumerHeartbeat(beat(this.id, this.epoch, { owned: this.epoch === 0 ? [] : this.owned, ...said, ...more }))
  }

  /** The same member, after the log was opened anew. */
  in(at: World): Client {
    const again = new Client(at, this.id, this.#more)
    again.epoch = this.epoch
    again.owned = this.owned
    again.#lost = this.#lost
    return again
  }

  /** Leaves for good. */
  leave(): Promise<ConsumerHeartbeatAnswer> {
    const { groupId = 'g', instanceId = null } = this.#more
    return this.#world.groups.consumerHeartbeat(beat(this.id, -1, { groupId, instanceId }))
  }

  /** What it has, as `topic-partition`. */
  get has(): string[] {
    const names = new Map(this.#world.core.topics.map((entry) => [uuidText(entry.id), entry.name]))
    return this.owned.flatMap(({ topicId, partitions }) => partitions.map((partition) => `${names.get(topicId)}-${partition}`)).sort()
  }
}

/** All beat until the group is stable. */
export async function converged({ groups }: World, clients: readonly Client[], groupId = 'g'): Promise<void> {
  for (let round = 0; round < 20; round++) {
    for (const client of clients) await client.beat()
    if (groups.describe(groupId)?.state === 'Stable') return
  }
  throw new Error(`the group is ${groups.describe(groupId)?.state}`)
}
