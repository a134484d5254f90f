/*
 * A thousand members that join, leave and crash at random under a virtual clock. Whenever a partition changes hands it must be free, and in
 * the end everybody has its share. SEED=<seed> repeats a run.
 */
import { expect, test } from 'vitest'
import { type Random, seededRandom } from '../../../src/base/random.ts'
import { decodeAssignment, decodeSubscription, encodeAssignment, encodeSubscription } from '../../../src/format/consumer-protocol.ts'
import { assignors } from '../../../src/topics/groups/assignors.ts'
import { type GroupCoordinator } from '../../../src/topics/groups/coordinator.ts'
import { type JoinAnswer } from '../../../src/topics/groups/group-messages.ts'
import { GroupMember, type Place } from '../../../src/topics/groups/member.ts'
import { type LogCore } from '../../../src/topics/log-core.ts'
import { ManualClock } from '../../../src/testing/manual-clock.ts'
import { folder, turns } from './harness.ts'

const SEED = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 31))
const REBALANCE_MS = 20_000

/** Who owns what: taking what is somebody else's fails the test. */
class Owners {
  readonly #owners = new Map<string, object>()
  changes = 0

  take(owner: object, places: readonly Place[]): void {
    for (const { topic, partition } of places) {
      const key = `${topic}-${partition}`
      if (this.#owners.has(key)) throw new Error(`${key} has two owners, SEED=${SEED}`)
      this.#owners.set(key, owner)
      this.changes++
    }
  }

  give(owner: object, places: readonly Place[]): void {
    for (const { topic, partition } of places) if (this.#owners.get(`${topic}-${partition}`) === owner) this.#owners.delete(`${topic}-${partition}`)
  }

  giveAll(owner: object): void {
    for (const [key, other] of this.#owners) if (other === owner) this.#owners.delete(key)
  }

  /** How many each has. */
  get shares(): Map<object, number> {
    const shares = new Map<object, number>()
    for (const owner of this.#owners.values()) shares.set(owner, (shares.get(owner) ?? 0) + 1)
    return shares
  }

  get count(): number {
    return this.#owners.size
  }
}

interface Anyone {
  start(): Promise<unknown>
  leave(): Promise<unknown>
  /** It answers no more, */
  crash(): void
  /** until the test is over. */
  end(): void
}

const TOPICS = ['t0', 't1', 't2']

function localMember(core: LogCore, owners: Owners, random: Random, failures: unknown[], only?: readonly ['range']): Anyone {
  let crashed = false
  let end = (): void => {}
  const owner = {}
  const noting = <T extends unknown[]>(work: (...parameters: T) => void) => (...parameters: T): void => {
    try {
      work(...parameters)
    } catch (error) {
      failures.push(error)
    }
  }
  const member = new GroupMember(core, {
    groupId: 'g', subscription: { topics: TOPICS, patterns: [] }, rebalanceTimeoutMs: REBALANCE_MS, ...(only !== undefined && { assignors: only }),
  }, {
    assigned: noting((places) => owners.take(owner, places)),
    revoked: async (places) => {
      if (crashed) return new Promise((resolve) => { end = resolve })
      if (random.int(3) === 0) await turns(random.int(3))
      owners.give(owner, places)
    },
    lost: noting((places) => owners.give(owner, places)),
    failed: (error) => void failures.push(error),
  })
  return {
    start: () => member.start(), leave: () => member.leave(), crash: () => { crashed = true },
    end: () => {
      crashed = false
      end()
    },
  }
}

test('a thousand members come, go and crash: no partition has two owners, and all end with their shares', async () => {
  const random = seededRandom(SEED)
  const clock = new ManualClock()
  const core = await folder({ t0: 100, t1: 120, t2: 80 }, clock)
  const owners = new Owners()
  const failures: unknown[] = []
  const alive: Anyone[] = []
  const crashed: Anyone[] = []
  const everybody: Anyone[] = []
  let made = 0
  const join = (): void => {
    const member = localMember(core, owners, random, failures)
    made++
    alive.push(member)
    everybody.push(member)
    void member.start().catch((error: unknown) => failures.push(error))
  }
  while (made < 1000) {
    for (let count = 1 + random.int(40); count > 0 && made < 1000; count--) join()
    await turns(random.int(4))
    for (let count = random.int(38); count > 0 && alive.length > 5; count--) {
      const [member] = alive.splice(random.int(alive.length), 1)
      if (random.int(5) > 0) void member!.leave()
      else {
        member!.crash()
        crashed.push(member!)
      }
    }
    await turns(random.int(4))
    if (random.int(4) === 0) await clock.advance(random.int(REBALANCE_MS))
    expect(failures).toEqual([])
  }
  // Those that crashed keep what they have until it is asked of them: all that is left of them is pressed out by new members.
  for (let round = 0; round < 40 && !isSettled(owners, alive.length, 300); round++) {
    await clock.advance(REBALANCE_MS + 1000)
    await turns(20)
    if (round % 4 === 3) for (const member of crashed.splice(0)) void member.leave()
  }
  expect(failures).toEqual([])
  expect({ SEED, settled: isSettled(owners, alive.length, 300) }).toEqual({ SEED, settled: true })
  expect(owners.changes).toBeGreaterThan(500)
  console.log(`${owners.changes} partitions changed hands, ${alive.length} members are left, SEED=${SEED}`)
  for (const member of everybody) member.end()
}, 100_000)

function isSettled(owners: Owners, members: number, partitions: number): boolean {
  const shares = [...owners.shares.values()]
  return owners.count === partitions && Math.max(...shares) <= Math.ceil(partitions / members)
}

/** A member of the wire: eager, heard by its heartbeats. */
class WireMember implements Anyone {
  readonly #groups: GroupCoordinator
  readonly #owners: Owners
  readonly #clock: ManualClock
  readonly #failures: unknown[]
  #memberId = ''
  #gone = false

  constructor(groups: GroupCoordinator, owners: Owners, clock: ManualClock, failures: unknown[]) {
    this.#groups = groups
    this.#owners = owners
    this.#clock = clock
    this.#failures = failures
  }

  async start(): Promise<void> {
    while (!this.#gone) {
      const joined = await this.#groups.join({
        groupId: 'g', memberId: this.#memberId, clientId: 'wire', clientHost: '/127.0.0.1', sessionTimeoutMs: 10_000,
        rebalanceTimeoutMs: REBALANCE_MS, protocolType: 'consumer', protocols: [{ name: 'range', metadata: encodeSubscription({ topics: TOPICS }) }],
      })
      if (this.#gone) return
      this.#memberId = joined.error === 'NONE' ? joined.memberId : ''
      if (joined.error === 'NONE') await this.#live(joined)
    }
  }

  async #live(joined: JoinAnswer): Promise<void> {
    const { memberId, generation } = joined
    const synced = await this.#groups.sync({ groupId: 'g', memberId, generation, assignments: this.#assign(joined) })
    if (this.#gone || synced.error !== 'NONE') return
    // An answer may be late: who was removed meanwhile has nothing. A real client learns it with its next heartbeat.
    if (this.#groups.heartbeat({ groupId: 'g', memberId, generation }).error !== 'NONE') return
    try {
      const places = decodeAssignment(synced.assignment).assignedPartitions
      this.#owners.take(this, places.flatMap(({ topic, partitions }) => partitions.map((partition) => ({ topic, partition }))))
    } catch (error) {
      this.#failures.push(error)
    }
    let error = 'NONE'
    while (error === 'NONE' && !this.#gone) {
      await new Promise<void>((resolve) => this.#clock.setTimer(resolve, 3000))
      error = this.#groups.heartbeat({ groupId: 'g', memberId, generation }).error
    }
    if (!this.#gone) this.#owners.giveAll(this)
    if (error === 'UNKNOWN_MEMBER_ID') this.#memberId = ''
  }

  #assign({ memberId, leader, members }: JoinAnswer): { memberId: string; assignment: Buffer }[] {
    if (memberId !== leader) return []
    const described = members.map((one) => (
      { memberId: one.memberId, instanceId: null, topics: decodeSubscription(one.metadata).topics, owned: [], generation: -1 }
    ))
    return [...assignors.range.assign(described, new Map([['t0', 10], ['t1', 7], ['t2', 3]]))].map(([id, topics]) => {
      const assignedPartitions = topics.map(({ topic, partitions }) => ({ topic, partitions: [...partitions] }))
      return { memberId: id, assignment: encodeAssignment({ assignedPartitions }) }
    })
  }

  async leave(): Promise<void> {
    this.crash()
    this.#groups.leave({ groupId: 'g', members: [{ memberId: this.#memberId }] })
  }

  crash(): void {
    this.#gone = true
    this.#owners.giveAll(this)
  }

  end(): void {}
}

test('members of this process and of the wire share a group under an eager protocol, whoever crashes', async () => {
  const random = seededRandom(SEED)
  const clock = new ManualClock()
  const core = await folder({ t0: 10, t1: 7, t2: 3 }, clock)
  const groups = await core.groups()
  const owners = new Owners()
  const failures: unknown[] = []
  const alive: Anyone[] = []
  for (let step = 0; step < 150; step++) {
    const what = random.int(10)
    if (what < 4 || alive.length < 2) {
      const member = random.int(2) === 0 ? localMember(core, owners, random, failures) : new WireMember(groups, owners, clock, failures)
      alive.push(member)
      void member.start().catch((error: unknown) => failures.push(error))
    } else if (what < 7) {
      const [member] = alive.splice(random.int(alive.length), 1)
      if (random.int(2) === 0 && member instanceof WireMember) member.crash()
      else void member!.leave()
    }
    await turns(random.int(5))
    await clock.advance(random.int(12_000))
    expect(failures).toEqual([])
  }
  await clock.advance(100_000)
  expect(failures).toEqual([])
  expect({ SEED, count: owners.count, members: groups.describe('g')!.members.length }).toEqual({ SEED, count: 20, members: alive.length })
}, 100_000)
