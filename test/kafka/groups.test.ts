/*
 * Groups of the classic protocol as clients of the wire see them, in every version, alone and with consumers of this process.
 */
import { expect, onTestFinished, test } from 'vitest'
import { kafkaErrors } from '../../src/format/kafka-errors.ts'
import { decodeSubscription, encodeSubscription } from '../../src/format/consumer-protocol.ts'
import { string } from '../../src/index.ts'
import { findCoordinator } from '../../src/kafka/apis/10-find-coordinator.ts'
import { joinGroup } from '../../src/kafka/apis/11-join-group.ts'
import { heartbeat } from '../../src/kafka/apis/12-heartbeat.ts'
import { leaveGroup } from '../../src/kafka/apis/13-leave-group.ts'
import { syncGroup } from '../../src/kafka/apis/14-sync-group.ts'
import { describeGroups } from '../../src/kafka/apis/15-describe-groups.ts'
import { listGroups } from '../../src/kafka/apis/16-list-groups.ts'
import { deleteGroups } from '../../src/kafka/apis/42-delete-groups.ts'
import { ManualClock } from '../../src/testing/manual-clock.ts'
import { startListener, type TestListener } from './harness.ts'
import { type MemberOptions, together, WireMember } from './wire-member.ts'

/** A listener on a clock that moves when told, with the topic `t` of four partitions. */
async function world(options: { readonly brokers?: number } = {}): Promise<TestListener & {
  readonly clock: ManualClock
  member(options?: MemberOptions): Promise<WireMember>
}> {
  const clock = new ManualClock()
  const listener = await startListener({ ...options, log: { clock } })
  await listener.log.topic('t', { partitions: 4, key: string, value: string })
  return { ...listener, clock, member: async (given) => new WireMember(await listener.client(), 'g', given) }
}

const code = kafkaErrors

test('a group forms, works and ends in every version', async () => {
  const { client } = await world()
  for (let join = 0; join <= 9; join++) {
    const versions = { join, sync: Math.min(join, 5), heartbeat: Math.min(join, 4), leave: Math.min(join, 5) }
    const members = [new WireMember(await client(), `g${join}`, versions), new WireMember(await client(), `g${join}`, versions)] as const
    await together(...members)
    const [one, two] = members
    expect([...one.partitions, ...two.partitions].sort(), `version ${join}`).toEqual([0, 1, 2, 3])
    expect(one.generation).toBe(1)
    expect(await one.heartbeat()).toBe('NONE')
    expect(await two.leave()).toBe('NONE')
    expect(await two.leave()).toBe('UNKNOWN_MEMBER_ID')
    expect(await one.heartbeat()).toBe('REBALANCE_IN_PROGRESS')
    await together(one)
    expect(one.partitions).toEqual([0, 1, 2, 3])
    expect(await one.leave()).toBe('NONE')
  }
})

test('a new member is given its id first from version 4 on, unless it is static', async () => {
  const { member } = await world()
  const old = await member({ join: 3 })
  expect(await old.joinOnce()).toBe('NONE')
  expect(old.memberId).toMatch(/^raw-[0-9a-f-]{36}$/)
  await old.leave()
  const dynamic = await member({ join: 4 })
  expect(await dynamic.joinOnce()).toBe('MEMBER_ID_REQUIRED')
  expect(await dynamic.joinOnce()).toBe('NONE')
  await dynamic.leave()
  const fixed = await member({ instanceId: 'i1' })
  expect(await fixed.joinOnce()).toBe('NONE')
  expect(fixed.memberId).toMatch(/^i1-[0-9a-f-]{36}$/)
})

test('a join that cannot be is refused in Kafka\'s words, and the answer has the fields that Kafka\'s has', async () => {
  const { client, member } = await world()
  const raw = await client()
  const protocols = [{ name: 'range', metadata: encodeSubscription({ topics: ['t'] }) }]
  const asked = { groupId: 'g', memberId: '', sessionTimeoutMs: 10_000, rebalanceTimeoutMs: 1000, protocolType: 'consumer', protocols }
  const none = { generationId: -1, protocolType: null, protocolName: null, leader: '', skipAssignment: false, members: [] }
  expect(await raw.request(joinGroup, 9, { ...asked, groupId: '' })).toMatchObject({ ...none, errorCode: code.INVALID_GROUP_ID })
  for (const sessionTimeoutMs of [5999, 1_800_001]) {
    expect(await raw.request(joinGroup, 9, { ...asked, sessionTimeoutMs })).toMatchObject({ ...none, errorCode: code.INVALID_SESSION_TIMEOUT })
  }
  expect(await raw.request(joinGroup, 9, { ...asked, protocols: [] })).toMatchObject({ ...none, errorCode: code.INCONSISTENT_GROUP_PROTOCOL })
  expect(await raw.request(joinGroup, 9, { ...asked, protocolType: '' })).toMatchObject({ errorCode: code.INCONSISTENT_GROUP_PROTOCOL })
  const unknown = { errorCode: code.UNKNOWN_MEMBER_ID, memberId: 'nobody' }
  expect(await raw.request(joinGroup, 9, { ...asked, memberId: 'nobody' })).toMatchObject({ ...none, ...unknown })
  expect(await raw.request(joinGroup, 5, { ...asked, memberId: 'nobody' })).toMatchObject({ ...none, ...unknown, protocolName: '' })
  await together(await member())
  const other = [{ name: 'roundrobin', metadata: Buffer.alloc(0) }]
  expect(await raw.request(joinGroup, 9, { ...asked, protocols: other })).toMatchObject({ errorCode: code.INCONSISTENT_GROUP_PROTOCOL })
  expect(await raw.request(joinGroup, 9, { ...asked, protocolType: 'connect' })).toMatchObject({ errorCode: code.INCONSISTENT_GROUP_PROTOCOL })
})

test('a join that is refused leaves no group behind', async () => {
  const { client } = await world()
  const raw = await client()
  const asked = { groupId: 'ghost', sessionTimeoutMs: 6000, rebalanceTimeoutMs: 6000, memberId: '', protocolType: 'consumer', protocols: [] }
  expect((await raw.request(joinGroup, 1, asked)).errorCode).toBe(code.INCONSISTENT_GROUP_PROTOCOL)
  expect((await raw.request(listGroups, 4, {})).groups).toEqual([])
})

test('whoever speaks for no member, or of another generation or protocol, is told so', async () => {
  const { client, member } = await world()
  const one = await member()
  await together(one)
  const raw = await client()
  const { memberId, generation: generationId } = one
  const sync = { groupId: 'g', memberId, generationId, assignments: [] }
  const named = { ...sync, protocolType: 'consumer', protocolName: 'range' }
  const syncError = async (version: number, value: Parameters<typeof raw.request<any, any>>[2]): Promise<unknown> => (
    (await raw.request(syncGroup, version, value as never)).errorCode
  )
  expect(await syncError(5, sync)).toBe(code.INCONSISTENT_GROUP_PROTOCOL)
  expect(await syncError(5, { ...named, protocolName: 'roundrobin' })).toBe(code.INCONSISTENT_GROUP_PROTOCOL)
  expect(await syncError(5, { ...named, groupId: '' })).toBe(code.INVALID_GROUP_ID)
  expect(await syncError(5, { ...named, groupId: 'other' })).toBe(code.UNKNOWN_MEMBER_ID)
  expect(await syncError(4, { ...sync, generationId: 7 })).toBe(code.ILLEGAL_GENERATION)
  expect(await syncError(0, { ...sync, memberId: 'nobody' })).toBe(code.UNKNOWN_MEMBER_ID)
  expect(await syncError(5, named)).toBe(code.NONE)
  const beat = { groupId: 'g', memberId, generationId }
  expect(await raw.request(heartbeat, 0, { ...beat, groupId: '' })).toMatchObject({ errorCode: code.INVALID_GROUP_ID })
  expect(await raw.request(heartbeat, 4, { ...beat, groupId: 'other' })).toMatchObject({ errorCode: code.UNKNOWN_MEMBER_ID })
  expect(await raw.request(heartbeat, 4, { ...beat, generationId: 0 })).toMatchObject({ errorCode: code.ILLEGAL_GENERATION })
  expect(await raw.request(heartbeat, 4, { ...beat, groupInstanceId: 'i' })).toMatchObject({ errorCode: code.UNKNOWN_MEMBER_ID })
  expect(await raw.request(leaveGroup, 2, { groupId: '', memberId })).toMatchObject({ errorCode: code.INVALID_GROUP_ID })
  expect(await raw.request(leaveGroup, 2, { groupId: 'other', memberId })).toMatchObject({ errorCode: code.UNKNOWN_MEMBER_ID })
})

test('a member that does not say when it joins again has its session time for it in version 0', async () => {
  const { member, clock, log } = await world()
  const [one, two] = [await member({ join: 0, sessionTimeoutMs: 20_000 }), await member({ join: 0, sessionTimeoutMs: 20_000 })]
  await together(one, two)
  const three = await member({ join: 3 })
  const joining = three.join()
  const again = two.join()
  for (let seconds = 0; seconds < 19; seconds++) await clock.advance(1000)
  expect((await log.groups.describe('g')).members).toHaveLength(3)
  // Its heartbeats keep it in the group, and not in the rebalance.
  await clock.advance(2000)
  expect(await Promise.all([joining, again])).toEqual(['NONE', 'NONE'])
  expect((await log.groups.describe('g')).members).toHaveLength(2)
})

test('static members come back without a rebalance, fence their old selves, and leave by their instance', async () => {
  const { member, client, log } = await world()
  const [one, two] = [await member({ instanceId: 'i1' }), await member({ instanceId: 'i2' })]
  await together(one, two)
  const back = await member({ instanceId: two.leads ? 'i1' : 'i2' })
  const gone = two.leads ? one : two
  expect(await back.joinOnce()).toBe('NONE')
  expect([back.generation, back.memberId === gone.memberId]).toEqual([1, false])
  expect(await back.sync()).toBe('NONE')
  expect(back.partitions).toEqual(gone.partitions)
  expect(await gone.heartbeat()).toBe('FENCED_INSTANCE_ID')
  expect(await gone.sync()).toBe('FENCED_INSTANCE_ID')
  expect(await gone.commit(0, 1)).toBe('FENCED_INSTANCE_ID')
  expect(await gone.joinOnce()).toBe('FENCED_INSTANCE_ID')
  // The one that leads may skip its assignment where it can be told so.
  const leader = gone === one ? two : one
  const raw = await client()
  const protocols = [{ name: 'range', metadata: encodeSubscription({ topics: ['t'] }) }]
  const times = { sessionTimeoutMs: 10_000, rebalanceTimeoutMs: 1000 }
  const asked = { groupId: 'g', memberId: '', groupInstanceId: leader.options.instanceId!, protocolType: 'consumer', protocols, ...times }
  const skipped = await raw.request(joinGroup, 9, asked)
  expect(skipped).toMatchObject({ errorCode: code.NONE, skipAssignment: true, leader: skipped.memberId, generationId: 1 })
  expect(skipped.members).toHaveLength(2)
  const older = await raw.request(joinGroup, 8, asked)
  expect(older).toMatchObject({ errorCode: code.NONE, leader: skipped.memberId, members: [] })
  const left = await raw.request(leaveGroup, 5, {
    groupId: 'g', members: [
      { memberId: '', groupInstanceId: 'i1' }, { memberId: 'wrong', groupInstanceId: 'i2' }, { memberId: '', groupInstanceId: 'i3' },
      { memberId: 'nobody', reason: 'test' },
    ],
  })
  expect(left).toMatchObject({
    errorCode: code.NONE, members: [
      { memberId: '', groupInstanceId: 'i1', errorCode: code.NONE }, { groupInstanceId: 'i2', errorCode: code.FENCED_INSTANCE_ID },
      { groupInstanceId: 'i3', errorCode: code.UNKNOWN_MEMBER_ID }, { memberId: 'nobody', errorCode: code.UNKNOWN_MEMBER_ID },
    ],
  })
  expect((await log.groups.describe('g')).members.map(({ instanceId }) => instanceId)).toEqual(['i2'])
})

test('a member that is not heard of for its session time is out, and one that a stall of this process silenced is not', async () => {
  const { member, clock } = await world()
  const [one, two] = [await member(), await member()]
  await together(one, two)
  clock.stall(120_000)
  await clock.advance(500)
  expect(await one.heartbeat()).toBe('NONE')
  expect(await two.heartbeat()).toBe('NONE')
  await clock.advance(9000)
  expect(await one.heartbeat()).toBe('NONE')
  await clock.advance(2000)
  expect(await one.heartbeat()).toBe('REBALANCE_IN_PROGRESS')
  expect(await two.heartbeat()).toBe('UNKNOWN_MEMBER_ID')
})

test('groups are listed and described in every version', async () => {
  const { member, client } = await world()
  const one = await member({ instanceId: 'i1' })
  await together(one)
  const raw = await client()
  for (let version = 0; version <= 6; version++) {
    const { groups } = await raw.request(describeGroups, version, { groups: ['g', 'none'], includeAuthorizedOperations: version >= 3 })
    expect(groups).toMatchObject([
      {
        errorCode: 0, groupId: 'g', groupState: 'Stable', protocolType: 'consumer', protocolData: 'range',
        members: [{ memberId: one.memberId, groupInstanceId: version >= 4 ? 'i1' : null, clientId: 'raw', clientHost: '/127.0.0.1' }],
      },
      { groupId: 'none', groupState: 'Dead', errorCode: version >= 6 ? code.GROUP_ID_NOT_FOUND : 0, members: [] },
    ])
    expect(groups[1]!.errorMessage).toBe(version >= 6 ? 'Group none not found.' : null)
    // Read, delete, describe, and both of configs.
    expect(groups[0]!.authorizedOperations).toBe(version >= 3 ? 0b1101_0100_1000 : -0x8000_0000)
    expect(decodeSubscription(groups[0]!.members[0]!.memberMetadata).topics).toEqual(['t'])
    expect(groups[0]!.members[0]!.memberAssignment.length).toBeGreaterThan(0)
  }
  for (let version = 0; version <= 5; version++) {
    const { groups, errorCode } = await raw.request(listGroups, version, {})
    expect(errorCode).toBe(0)
    expect(groups).toEqual([
      { groupId: 'g', protocolType: 'consumer', groupState: version >= 4 ? 'Stable' : '', groupType: version >= 5 ? 'classic' : '' },
    ])
  }
  const listed = async (filter: { statesFilter?: string[]; typesFilter?: string[] }): Promise<number> => (
    (await raw.request(listGroups, 5, filter)).groups.length
  )
  expect(await listed({ statesFilter: ['sTABLE'] })).toBe(1)
  expect(await listed({ statesFilter: ['Empty', 'Dead'] })).toBe(0)
  expect(await listed({ typesFilter: ['Classic'] })).toBe(1)
  expect(await listed({ typesFilter: ['consumer', 'nonsense'] })).toBe(0)
})

test('a group is deleted once it has no members', async () => {
  const { member, client } = await world()
  const one = await member()
  await together(one)
  expect(await one.commit(0, 5)).toBe('NONE')
  const raw = await client()
  const errors = async (version: number, ...groupsNames: string[]): Promise<number[]> => (
    (await raw.request(deleteGroups, version, { groupsNames })).results.map(({ errorCode }) => errorCode)
  )
  expect(await errors(0, 'g', 'none')).toEqual([code.NON_EMPTY_GROUP, code.GROUP_ID_NOT_FOUND])
  await one.leave()
  expect(await errors(2, 'g', 'g')).toEqual([code.NONE])
  expect((await raw.request(listGroups, 5, {})).groups).toEqual([])
})

test('with several brokers one of them coordinates a group, all say which, and the others refuse', async () => {
  const { kafka, client, log } = await world({ brokers: 3 })
  const seen = new Set<number>()
  for (const group of ['a', 'b', 'c', 'd', 'e', 'f']) {
    const answers = await Promise.all([0, 1, 2].map(async (broker) => {
      const raw = await client(broker)
      const single = await raw.request(findCoordinator, 0, { key: group })
      const { coordinators } = await raw.request(findCoordinator, 6, { keyType: 0, coordinatorKeys: [group, 'other'] })
      const { nodeId, host, port } = single
      expect(coordinators[0]).toEqual({ key: group, nodeId, host, port, errorCode: 0, errorMessage: '' })
      const beat = await raw.request(heartbeat, 4, { groupId: group, memberId: 'm', generationId: 1 })
      const right = kafka.brokers[broker]!.nodeId === single.nodeId
      expect(beat.errorCode).toBe(right ? code.UNKNOWN_MEMBER_ID : code.NOT_COORDINATOR)
      return single.nodeId
    }))
    expect(new Set(answers).size).toBe(1)
    seen.add(answers[0]!)
  }
  expect(seen.size).toBeGreaterThan(1)
  // Each lists its own.
  for (const group of ['a', 'b', 'c', 'd']) await log.groups.resetOffsets(group, { topic: 't', to: 'earliest' })
  const lists = await Promise.all([0, 1, 2].map(async (broker) => (await (await client(broker)).request(listGroups, 5, {})).groups))
  expect(lists.flat().map(({ groupId }) => groupId).sort()).toEqual(['a', 'b', 'c', 'd'])
})

test('FindCoordinator answers in every version, and refuses what there is no coordinator for', async () => {
  const { client, kafka } = await world()
  const raw = await client()
  const here = { nodeId: kafka.brokers[0]!.nodeId, host: 'localhost', port: kafka.brokers[0]!.port }
  for (let version = 0; version <= 6; version++) {
    if (version < 4) {
      const answer = await raw.request(findCoordinator, version, { key: 'g' })
      expect(answer).toMatchObject({ errorCode: 0, ...here, errorMessage: version === 0 ? '' : 'NONE' })
    } else {
      const { coordinators } = await raw.request(findCoordinator, version, { keyType: 1, coordinatorKeys: ['tx', ''] })
      expect(coordinators).toMatchObject([{ key: 'tx', errorCode: 0, ...here }, { key: '', errorCode: 0, ...here }])
      const shared = await raw.request(findCoordinator, version, { keyType: 2, coordinatorKeys: ['g:id:0'] })
      expect(shared.coordinators).toMatchObject([{ errorCode: code.INVALID_REQUEST, nodeId: -1, host: '', port: -1 }])
    }
  }
  expect(await raw.request(findCoordinator, 3, { key: 'g', keyType: 9 })).toMatchObject({ errorCode: code.INVALID_REQUEST, nodeId: -1 })
})

/** A consumer of this process in group `g` that reads all the time; what it is told of partitions, with those that it owns now. */
async function reading({ log }: TestListener): Promise<{ readonly told: string[]; owned(): number[]; changed(count: number): Promise<void> }> {
  const topic = await log.topic('t', { key: string, value: string })
  const told: string[] = []
  const owned = new Set<number>()
  let heard: () => void = () => {}
  const tell = (sign: '+' | '-') => (places: Iterable<number>) => {
    for (const place of places) sign === '+' ? owned.add(place) : owned.delete(place)
    told.push(sign + [...places].sort().join(''))
    heard()
  }
  const consumer = topic.consumer({ group: 'g', onAssigned: tell('+'), onRevoked: tell('-') })
  const read = (async () => { for await (const record of consumer) void record })()
  onTestFinished(async () => {
    await consumer.close()
    await read
  })
  return {
    told, owned: () => [...owned].sort(),
    async changed(count) {
      while (told.length < count) await new Promise<void>((resolve) => { heard = resolve })
    },
  }
}

test('a consumer of this process and members of the wire share a group under an eager protocol', async () => {
  const { member, ...listener } = await world()
  const local = await reading(listener)
  await local.changed(1)
  expect(local.told).toEqual(['+0123'])
  const wire = await member({ protocols: ['range', 'roundrobin'] })
  expect(await wire.join()).toBe('NONE')
  // Nothing is given to anybody before it was given back.
  expect(local.told[1]).toBe('-0123')
  expect(await wire.sync()).toBe('NONE')
  expect(wire.protocolName).toBe('range')
  expect(wire.partitions).toHaveLength(2)
  await local.changed(3)
  expect([...wire.partitions, ...local.owned()].sort()).toEqual([0, 1, 2, 3])
  expect(await wire.commit(wire.partitions[0]!, 1)).toBe('NONE')
  await wire.leave()
  while (local.owned().length < 4) await local.changed(local.told.length + 1)
})

test('they share it under the cooperative protocol, and keep what they keep', async () => {
  const { member, ...listener } = await world()
  const local = await reading(listener)
  await local.changed(1)
  const wire = await member({ protocols: ['cooperative-sticky'] })
  // Two of four are given back by the first rebalance, and given on by the second.
  for (let round = 0; round < 20 && wire.partitions.length < 2; round++) {
    if (wire.generation >= 0 && await wire.heartbeat() === 'NONE') continue
    expect(await wire.join()).toBe('NONE')
    expect(['NONE', 'REBALANCE_IN_PROGRESS']).toContain(await wire.sync())
  }
  expect(wire.protocolName).toBe('cooperative-sticky')
  const given = [...wire.partitions].sort().join('')
  expect(given).toHaveLength(2)
  expect(local.told.slice(0, 2)).toEqual(['+0123', `-${given}`])
  await wire.leave()
  while (local.owned().length < 4) await local.changed(local.told.length + 1)
  expect(local.told.at(-1)).toBe(`+${given}`)
})
