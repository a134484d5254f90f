import { expect, test } from 'vitest'
import { MemoryFileSystem } from '../../../src/files/memory.ts'
import { decodeAssignment, encodeAssignment, encodeSubscription } from '../../../src/format/consumer-protocol.ts'
import { ManualClock } from '../../../src/testing/manual-clock.ts'
import { GroupMember } from '../../../src/topics/groups/member.ts'
import { Client, converged, type World, world } from './consumer-client.ts'
import { turns } from './harness.ts'

const all = encodeAssignment({ assignedPartitions: [{ topic: 't', partitions: [0, 1, 2, 3] }] })

/** A member of the classic protocol with a cooperative assignor, as a client of the wire plays it. */
class Classic {
  readonly #world: World
  readonly instanceId: string | null
  memberId = ''
  generation = -1
  owned: number[] = []
  error = 'NONE'

  constructor(at: World, instanceId: string | null = null) {
    this.#world = at
    this.instanceId = instanceId
  }

  /** Joins, syncs, and gives back what it is not given any more: then it joins again. */
  async join(): Promise<void> {
    const { groups } = this.#world
    const metadata = encodeSubscription({ topics: ['t'], ownedPartitions: [{ topic: 't', partitions: this.owned }], generationId: this.generation })
    const joined = await groups.join({
      groupId: 'g', memberId: this.memberId, groupInstanceId: this.instanceId, clientId: 'classic', clientHost: '/127.0.0.1',
      sessionTimeoutMs: 10_000, rebalanceTimeoutMs: 20_000, protocolType: 'consumer', protocols: [{ name: 'cooperative-sticky', metadata }],
    })
    this.error = joined.error
    if (joined.error !== 'NONE') return
    this.memberId = joined.memberId
    this.generation = joined.generation
    const assignments = joined.leader === joined.memberId ? [{ memberId: joined.memberId, assignment: all }] : []
    const { memberId, generation, instanceId: groupInstanceId } = this
    const synced = await groups.sync({ groupId: 'g', memberId, groupInstanceId, generation, assignments })
    this.error = synced.error
    if (synced.error !== 'NONE') return
    const assigned = decodeAssignment(synced.assignment).assignedPartitions.flatMap(({ partitions }) => partitions)
    const revoked = this.owned.some((partition) => !assigned.includes(partition))
    this.owned = assigned
    if (revoked) await this.join()
  }

  /** Beats, and joins again when it is told to. */
  async beat(): Promise<void> {
    const { memberId, generation, instanceId } = this
    this.error = this.#world.groups.heartbeat({ groupId: 'g', memberId, generation, groupInstanceId: instanceId }).error
    if (this.error === 'REBALANCE_IN_PROGRESS') await this.join()
  }

  leave(): string {
    const { memberId, instanceId: groupInstanceId } = this
    return this.#world.groups.leave({ groupId: 'g', members: [{ memberId, groupInstanceId }] }).members[0]!.error
  }
}

test('the first consumer of the newer protocol takes a classic group along; members give over step by step', async () => {
  const at = await world()
  const old = new Classic(at)
  await old.join()
  expect(old.owned).toEqual([0, 1, 2, 3])
  const one = new Client(at, 'one')
  expect(await one.beat()).toMatchObject({ error: 'NONE', memberEpoch: 2, assignment: [] })
  expect(at.groups.describe('g')).toMatchObject({ type: 'consumer', state: 'Reconciling' })
  const { members } = at.groups.describeConsumerGroup('g')!
  expect(members.map(({ memberId, classic }) => [memberId, classic])).toEqual([[old.memberId, true], ['one', false]])
  await old.beat()
  expect([old.error, old.owned]).toEqual(['NONE', [0, 1]])
  await one.beat()
  expect(one.has).toEqual(['t-2', 't-3'])
  expect(old.generation).toBe(2)
  await old.beat()
  expect(old.error).toBe('NONE')
  expect(at.groups.describe('g')!.state).toBe('Stable')
  const offsets = [{ topic: 't', partition: 0, offset: 1, leaderEpoch: -1 }]
  const commit = async (generation: number): Promise<string> => {
    return (await at.groups.commitOffsets({ groupId: 'g', memberId: old.memberId, generation, offsets }))[0]!.error
  }
  expect([await commit(2), await commit(1)]).toEqual(['NONE', 'ILLEGAL_GENERATION'])
})

test('when the last of the newer protocol leaves, the others go on as a classic group', async () => {
  const at = await world()
  const one = new Client(at, 'one')
  await one.beat()
  const old = new Classic(at)
  await old.join()
  expect([old.error, old.owned]).toEqual(['NONE', []])
  await one.beat()
  await one.beat()
  await old.beat()
  expect(old.owned).toHaveLength(2)
  await one.leave()
  expect(at.groups.describe('g')).toMatchObject({ type: 'classic', state: 'PreparingRebalance', protocolType: 'consumer' })
  await old.beat()
  expect(at.groups.describe('g')).toMatchObject({ type: 'classic', state: 'Stable' })
  expect(await one.beat()).toMatchObject({ error: 'GROUP_ID_NOT_FOUND' })
  expect(old.leave()).toBe('NONE')
})

test('a classic member is refused what it may not do among consumers', async () => {
  const at = await world()
  const one = new Client(at, 'one')
  await one.beat()
  const request = {
    groupId: 'g', memberId: '', clientId: 'c', clientHost: '/h', sessionTimeoutMs: 10_000, rebalanceTimeoutMs: 10_000, protocolType: 'consumer',
    protocols: [{ name: 'range', metadata: encodeSubscription({ topics: ['t'] }) }],
  }
  expect(await at.groups.join({ ...request, protocolType: 'connect' })).toMatchObject({ error: 'INCONSISTENT_GROUP_PROTOCOL' })
  expect(await at.groups.join({ ...request, protocols: [] })).toMatchObject({ error: 'INCONSISTENT_GROUP_PROTOCOL' })
  const broken = [{ name: 'x', metadata: Buffer.from('no') }]
  expect(await at.groups.join({ ...request, protocols: broken })).toMatchObject({ error: 'INCONSISTENT_GROUP_PROTOCOL' })
  const first = await at.groups.join({ ...request, requireKnownMemberId: true })
  expect(first).toMatchObject({ error: 'MEMBER_ID_REQUIRED', memberId: expect.stringMatching(/^[\w-]{22}$/) })
  const joined = await at.groups.join({ ...request, memberId: first.memberId })
  expect(joined).toMatchObject({ error: 'NONE', memberId: first.memberId, leader: '', members: [], protocolName: 'range' })
  expect(await at.groups.join({ ...request, protocols: [{ name: 'other', metadata: request.protocols[0]!.metadata }] })).toMatchObject({
    error: 'INCONSISTENT_GROUP_PROTOCOL',
  })
  const sync = { groupId: 'g', memberId: first.memberId, generation: joined.generation, assignments: [] }
  expect(await at.groups.sync({ ...sync, generation: 9 })).toMatchObject({ error: 'ILLEGAL_GENERATION' })
  expect(await at.groups.sync({ ...sync, protocolName: 'x' })).toMatchObject({ error: 'INCONSISTENT_GROUP_PROTOCOL' })
  expect(await at.groups.sync({ ...sync, memberId: 'one', generation: 1 })).toMatchObject({ error: 'UNKNOWN_MEMBER_ID' })
  expect(at.groups.heartbeat({ groupId: 'g', memberId: 'one', generation: 1 })).toEqual({ error: 'UNKNOWN_MEMBER_ID' })
  expect(at.groups.leave({ groupId: 'g', members: [{ memberId: 'one' }] }).members).toMatchObject([{ error: 'UNKNOWN_MEMBER_ID' }])
  // Of whom nothing is heard any more, and who does not ask for what it is given, is gone.
  for (let time = 0; time < 12_000; time += 2000) {
    await at.clock.advance(2000)
    await one.beat()
  }
  expect(at.groups.heartbeat({ groupId: 'g', memberId: first.memberId, generation: 2 })).toEqual({ error: 'UNKNOWN_MEMBER_ID' })
})

test('consumers of this process are in a group with those of the newer protocol, and nobody has what another one has', async () => {
  const at = await world()
  const held = new Set<string>()
  const local = new GroupMember(at.core, {
    groupId: 'g', subscription: { topics: ['t'], patterns: [] },
  }, {
    assigned: async (places) => { for (const { topic, partition } of places) held.add(`${topic}-${partition}`) },
    revoked: async (places) => { for (const { topic, partition } of places) held.delete(`${topic}-${partition}`) },
    lost: (places) => { for (const { topic, partition } of places) held.delete(`${topic}-${partition}`) },
    failed: (error) => { throw error },
  })
  await local.start()
  await turns()
  expect(held.size).toBe(4)
  const one = new Client(at, 'one')
  const settled = async (): Promise<void> => {
    for (let round = 0; round < 8; round++) {
      await one.beat()
      await turns()
      for (const partition of one.has) expect(held.has(partition), partition).toBe(false)
    }
  }
  await settled()
  expect([at.groups.describe('g')!.state, held.size, one.has.length]).toEqual(['Stable', 2, 2])
  await one.leave()
  await turns(100)
  expect([at.groups.describe('g')!.type, held.size]).toEqual(['classic', 4])
  const two = new Client(at, 'two')
  await two.beat()
  await turns()
  await two.beat()
  await turns()
  await two.beat()
  expect([held.size, two.has.length]).toEqual([2, 2])
  // It has no session: it may be busy for as long as it likes.
  for (let time = 0; time < 400_000; time += 20_000) {
    await at.clock.advance(20_000)
    await two.beat()
  }
  expect([at.groups.describe('g')!.state, held.size, two.has.length]).toEqual(['Stable', 2, 2])
  await local.leave()
  await turns()
  await two.beat()
  expect([at.groups.describe('g')!.type, two.has.length]).toEqual(['consumer', 4])
})

test('consumers of a process that is gone are not waited for', async () => {
  const clock = new ManualClock()
  const files = new MemoryFileSystem({ clock })
  const before = await world({ t: 4 }, { clock, files })
  const one = new Client(before, 'one')
  await one.beat()
  const local = new GroupMember(before.core, { groupId: 'g', subscription: { topics: ['t'], patterns: [] } }, {
    assigned: async () => {}, revoked: async () => {}, lost: () => {}, failed: () => {},
  })
  await local.start()
  await turns()
  const crashed = files.fork()
  await local.leave()
  const after = await world({}, { clock, files: crashed })
  const again = one.in(after)
  await converged(after, [again])
  expect(again.has).toHaveLength(4)
})

test('partitions that there are not are not taken along', async () => {
  const at = await world()
  const { groups } = at
  const protocols = [{ name: 'range', metadata: encodeSubscription({ topics: ['t'] }) }]
  const { memberId, generation } = await groups.join({
    groupId: 'g', memberId: '', clientId: 'classic', clientHost: '/127.0.0.1', sessionTimeoutMs: 10_000, rebalanceTimeoutMs: 20_000,
    protocolType: 'consumer', protocols,
  })
  const assignment = encodeAssignment({ assignedPartitions: [{ topic: 't', partitions: [-1, 3, 4] }] })
  await groups.sync({ groupId: 'g', memberId, generation, assignments: [{ memberId, assignment }] })
  await new Client(at, 'one').beat()
  const taken = groups.describeConsumerGroup('g')!.members.find((member) => member.memberId === memberId)!
  expect(taken.assigned.flatMap(({ partitions }) => partitions)).toEqual([3])
})
