import { expect, test } from 'vitest'
import { systemClock } from '../../../src/base/clock.ts'
import { MemoryFileSystem } from '../../../src/files/memory.ts'
import { type GroupCoordinator } from '../../../src/topics/groups/coordinator.ts'
import { type JoinAnswer, type JoinRequest } from '../../../src/topics/groups/group-messages.ts'
import { GroupMember } from '../../../src/topics/groups/member.ts'
import { decodeAssignment, encodeAssignment, encodeSubscription } from '../../../src/format/consumer-protocol.ts'
import { ManualClock } from '../../../src/testing/manual-clock.ts'
import { addTopic, folder, openCore, turns } from './harness.ts'

const bytes = (text: string): Buffer => Buffer.from(text)
const joining = (memberId: string, more: Partial<JoinRequest> = {}): JoinRequest => ({
  groupId: 'g', memberId, clientId: 'client', clientHost: '/127.0.0.1', sessionTimeoutMs: 10_000, rebalanceTimeoutMs: 30_000,
  protocolType: 'consumer', protocols: [{ name: 'range', metadata: bytes('all') }], ...more,
})

async function world(): Promise<{ clock: ManualClock; groups: GroupCoordinator }> {
  const clock = new ManualClock()
  const groups = await (await folder({ t: 4 }, clock)).groups()
  return { clock, groups }
}

/** All join; the first of them leads, and assigns everybody its own id. */
async function stable(groups: GroupCoordinator, count: number, more: Partial<JoinRequest> = {}): Promise<JoinAnswer[]> {
  const joined = await Promise.all(Array.from({ length: count }, () => groups.join(joining('', more))))
  await synced(groups, joined)
  return joined
}

async function synced(groups: GroupCoordinator, joined: readonly JoinAnswer[]): Promise<string[]> {
  const answers = await Promise.all(joined.map(({ memberId, generation, leader }) => groups.sync({
    groupId: 'g', memberId, generation,
    assignments: memberId === leader ? joined.map((one) => ({ memberId: one.memberId, assignment: bytes(one.memberId) })) : [],
  })))
  return answers.map(({ error, assignment }) => (error === 'NONE' ? assignment.toString() : error))
}

const beat = (groups: GroupCoordinator, { memberId, generation }: JoinAnswer, groupInstanceId: string | null = null): string => (
  groups.heartbeat({ groupId: 'g', memberId, generation, groupInstanceId }).error
)

test('members that join together are one generation; the leader hears of all and says what each gets', async () => {
  const { groups } = await world()
  const offering = (name: string): JoinRequest => joining('', { protocols: [{ name: 'range', metadata: bytes(name) }] })
  const joined = await Promise.all(['m0', 'm1', 'm2'].map((name) => groups.join(offering(name))))
  expect(joined.map(({ generation, protocolName, error }) => [generation, protocolName, error])).toEqual(Array(3).fill([1, 'range', 'NONE']))
  const [leader, ...others] = joined
  expect(leader!.members.map(({ metadata }) => metadata.toString())).toEqual(['m0', 'm1', 'm2'])
  expect(others.every(({ members, leader: id }) => members.length === 0 && id === leader!.memberId)).toBe(true)
  expect(groups.describe('g')).toMatchObject({ state: 'CompletingRebalance', generation: 1, protocol: '' })
  expect(await synced(groups, joined)).toEqual(joined.map(({ memberId }) => memberId))
  expect(groups.describe('g')).toMatchObject({ state: 'Stable', protocol: 'range', protocolType: 'consumer' })
  expect(groups.describe('g')!.members[1]).toMatchObject({ clientId: 'client', clientHost: '/127.0.0.1', metadata: bytes('m1') })
  expect(joined.map((one) => beat(groups, one))).toEqual(['NONE', 'NONE', 'NONE'])
})

test('a member that is to know its id first is given one, and has its session time to come back with it', async () => {
  const { clock, groups } = await world()
  const first = await groups.join(joining('', { requireKnownMemberId: true }))
  expect(first).toMatchObject({ error: 'MEMBER_ID_REQUIRED', memberId: expect.stringMatching(/^client-[0-9a-f-]{36}$/) })
  expect(await groups.join(joining(first.memberId))).toMatchObject({ error: 'NONE', memberId: first.memberId, generation: 1 })
  const second = await groups.join(joining('', { requireKnownMemberId: true }))
  await clock.advance(11_000)
  expect(await groups.join(joining(second.memberId))).toMatchObject({ error: 'UNKNOWN_MEMBER_ID' })
})

test('who is not known, late, or of another generation or protocol, is told so by Kafka\'s names', async () => {
  const { groups } = await world()
  expect(await groups.join(joining('nobody'))).toMatchObject({ error: 'UNKNOWN_MEMBER_ID' })
  expect(await groups.join(joining('', { groupId: '' }))).toMatchObject({ error: 'INVALID_GROUP_ID' })
  expect(groups.heartbeat({ groupId: 'none', memberId: 'm', generation: 0 })).toEqual({ error: 'UNKNOWN_MEMBER_ID' })
  expect(await groups.join(joining('', { protocols: [] }))).toMatchObject({ error: 'INCONSISTENT_GROUP_PROTOCOL' })
  const [one] = await stable(groups, 1)
  expect(beat(groups, { ...one!, generation: 7 })).toBe('ILLEGAL_GENERATION')
  expect(beat(groups, { ...one!, memberId: 'other' })).toBe('UNKNOWN_MEMBER_ID')
  const sync = { groupId: 'g', memberId: one!.memberId, generation: one!.generation, assignments: [] }
  expect(await groups.sync({ ...sync, generation: 9 })).toMatchObject({ error: 'ILLEGAL_GENERATION' })
  expect(await groups.sync({ ...sync, protocolName: 'roundrobin' })).toMatchObject({ error: 'INCONSISTENT_GROUP_PROTOCOL' })
  expect(await groups.sync({ ...sync, protocolType: 'connect' })).toMatchObject({ error: 'INCONSISTENT_GROUP_PROTOCOL' })
  expect(await groups.sync({ ...sync, protocolName: 'range' })).toMatchObject({ error: 'NONE' })
  for (const other of [{ protocolType: 'connect' }, { protocols: [{ name: 'roundrobin', metadata: bytes('') }] }]) {
    expect(await groups.join(joining('', other))).toMatchObject({ error: 'INCONSISTENT_GROUP_PROTOCOL' })
  }
})

test('a new member makes the others join again: they learn it by their heartbeats', async () => {
  const { groups } = await world()
  const [one] = await stable(groups, 1)
  const second = groups.join(joining(''))
  await turns()
  expect(beat(groups, one!)).toBe('REBALANCE_IN_PROGRESS')
  const again = await groups.join(joining(one!.memberId))
  const joined = [again, await second]
  expect(joined.map(({ generation }) => generation)).toEqual([2, 2])
  expect(await synced(groups, joined)).toEqual(joined.map(({ memberId }) => memberId))
})

test('a member of which nothing is heard for its session time is gone, and the others join again', async () => {
  const { clock, groups } = await world()
  const [one, two] = await stable(groups, 2)
  for (let time = 0; time < 12_000; time += 3000) {
    await clock.advance(3000)
    beat(groups, one!)
  }
  expect(beat(groups, two!)).toBe('UNKNOWN_MEMBER_ID')
  expect(beat(groups, one!)).toBe('REBALANCE_IN_PROGRESS')
  expect(await groups.join(joining(one!.memberId))).toMatchObject({ generation: 2, leader: one!.memberId })
})

test('a stall of our own event loop evicts nobody', async () => {
  const { clock, groups } = await world()
  const [one] = await stable(groups, 1)
  clock.stall(60_000)
  await clock.advance(1)
  expect(beat(groups, one!)).toBe('NONE')
  await clock.advance(11_000)
  expect(beat(groups, one!)).toBe('UNKNOWN_MEMBER_ID')
})

test('a member that does not join again in time is out; the leader may be that one', async () => {
  const { clock, groups } = await world()
  const [leader, two] = await stable(groups, 2, { sessionTimeoutMs: 100_000 })
  const third = groups.join(joining('', { sessionTimeoutMs: 100_000 }))
  await turns()
  const second = groups.join(joining(two!.memberId, { sessionTimeoutMs: 100_000 }))
  await clock.advance(31_000)
  expect(await second).toMatchObject({ error: 'NONE', generation: 2, leader: two!.memberId, members: { length: 2 } })
  expect(await third).toMatchObject({ error: 'NONE', generation: 2, leader: two!.memberId })
  expect(beat(groups, leader!)).toBe('UNKNOWN_MEMBER_ID')
})

test('a leader that goes before it has assigned: the others are told to join again', async () => {
  const { groups } = await world()
  const joined = await Promise.all([0, 1].map(() => groups.join(joining(''))))
  const [leader, two] = joined
  const waiting = groups.sync({ groupId: 'g', memberId: two!.memberId, generation: 1, assignments: [] })
  expect(groups.leave({ groupId: 'g', members: [{ memberId: leader!.memberId }] })).toMatchObject({ error: 'NONE', members: [{ error: 'NONE' }] })
  expect(await waiting).toMatchObject({ error: 'REBALANCE_IN_PROGRESS' })
  expect(await groups.join(joining(two!.memberId))).toMatchObject({ generation: 2, leader: two!.memberId, members: { length: 1 } })
})

test('a leader that never assigns is out after the rebalance time, and so is who never asks for its assignment', async () => {
  const { clock, groups } = await world()
  const joined = await Promise.all([0, 1].map(() => groups.join(joining('', { sessionTimeoutMs: 100_000 }))))
  const waiting = groups.sync({ groupId: 'g', memberId: joined[1]!.memberId, generation: 1, assignments: [] })
  await clock.advance(31_000)
  expect(await waiting).toMatchObject({ error: 'REBALANCE_IN_PROGRESS' })
  expect(beat(groups, joined[0]!)).toBe('UNKNOWN_MEMBER_ID')
})

test('a static member that comes back takes its place without a rebalance; its old self is fenced', async () => {
  const { groups } = await world()
  const fixed = (memberId: string, id: string): JoinRequest => joining(memberId, { groupInstanceId: id })
  const joined = await Promise.all([groups.join(fixed('', 'i1')), groups.join(fixed('', 'i2'))])
  await synced(groups, joined)
  const back = await groups.join(fixed('', 'i2'))
  expect(back).toMatchObject({ error: 'NONE', generation: 1, leader: joined[0]!.memberId })
  expect(back.memberId).not.toBe(joined[1]!.memberId)
  expect(beat(groups, joined[1]!, 'i2')).toBe('FENCED_INSTANCE_ID')
  expect(beat(groups, joined[1]!)).toBe('UNKNOWN_MEMBER_ID')
  expect(beat(groups, back, 'i2')).toBe('NONE')
  expect(beat(groups, back, 'i9')).toBe('UNKNOWN_MEMBER_ID')
  const sync = await groups.sync({ groupId: 'g', memberId: back.memberId, generation: 1, groupInstanceId: 'i2', assignments: [] })
  expect(sync.assignment.toString()).toBe(joined[1]!.memberId)
  expect(groups.describe('g')).toMatchObject({ state: 'Stable', members: [{ groupInstanceId: 'i1' }, { groupInstanceId: 'i2' }] })
  expect(groups.leave({ groupId: 'g', members: [{ memberId: '', groupInstanceId: 'i2' }, { memberId: 'x', groupInstanceId: 'i1' }] })).toMatchObject({
    members: [{ error: 'NONE' }, { error: 'FENCED_INSTANCE_ID' }],
  })
})

test('offsets are committed by members of this generation, and by anybody while the group has none', async () => {
  const { groups } = await world()
  const offsets = [{ topic: 't', partition: 0, offset: 1, leaderEpoch: -1 }]
  const commit = async (memberId: string, generation: number): Promise<string> => (
    (await groups.commitOffsets({ groupId: 'g', memberId, generation, offsets }))[0]!.error
  )
  expect(await commit('m', 3)).toBe('ILLEGAL_GENERATION')
  expect(await commit('', -1)).toBe('NONE')
  const joined = await groups.join(joining(''))
  expect(await commit(joined.memberId, 1)).toBe('REBALANCE_IN_PROGRESS')
  await synced(groups, [joined])
  expect(await commit(joined.memberId, 1)).toBe('NONE')
  expect(await commit(joined.memberId, 0)).toBe('ILLEGAL_GENERATION')
  expect(await commit('other', 1)).toBe('UNKNOWN_MEMBER_ID')
  expect(await commit('', -1)).toBe('UNKNOWN_MEMBER_ID')
  expect(await groups.deleteGroup('g')).toEqual({ error: 'NON_EMPTY_GROUP' })
  expect(groups.leave({ groupId: 'g', members: [{ memberId: joined.memberId }] }).members).toMatchObject([{ error: 'NONE' }])
  expect(groups.describe('g')).toMatchObject({ state: 'Empty', generation: 2 })
  expect(await groups.deleteGroup('g')).toMatchObject({ error: 'NONE' })
  expect(await groups.deleteGroup('g')).toEqual({ error: 'GROUP_ID_NOT_FOUND' })
  expect([groups.describe('g'), groups.offsets.fetch('g')]).toEqual([undefined, []])
})

test('offsets of topics that members read cannot be deleted', async () => {
  const { groups } = await world()
  for (const topic of ['t', 'u']) {
    await groups.commitOffsets({ groupId: 'g', memberId: '', generation: -1, offsets: [{ topic, partition: 0, offset: 1, leaderEpoch: -1 }] })
  }
  await stable(groups, 1, { protocols: [{ name: 'range', metadata: encodeSubscription({ topics: ['t'] }) }] })
  expect(await groups.deleteOffsets('g', [{ topic: 't', partition: 0 }, { topic: 'u', partition: 0 }])).toMatchObject({
    error: 'NONE', partitions: [{ error: 'GROUP_SUBSCRIBED_TO_TOPIC' }, { error: 'NONE' }],
  })
  expect(groups.offsets.fetch('g')).toMatchObject([{ topic: 't' }])
  expect(await groups.deleteOffsets('none', [])).toMatchObject({ error: 'GROUP_ID_NOT_FOUND' })
})

test('the first rebalance of a group waits for company when it is told to', async () => {
  const clock = new ManualClock()
  const core = await openCore({ clock, groupInitialRebalanceDelayMs: 3000 })
  const groups = await core.groups()
  const first = groups.join(joining(''))
  await turns()
  await clock.advance(2000)
  const second = groups.join(joining(''))
  await turns()
  await clock.advance(2000)
  expect(groups.describe('g')).toMatchObject({ state: 'PreparingRebalance' })
  await clock.advance(1500)
  expect([(await first).generation, (await second).generation]).toEqual([1, 1])
})

test('a log that is opened again has its members of the wire, and not those of the process that is gone', async () => {
  const files = new MemoryFileSystem({ clock: systemClock })
  const clock = new ManualClock()
  const core = await openCore({ files, clock })
  await addTopic(core, 't', 2)
  const groups = await core.groups()
  const [wire] = await stable(groups, 1)
  // Another one was about to join when the log was closed.
  void groups.join(joining(''))
  await turns()
  await core.close()
  const again = await (await openCore({ files, clock })).groups()
  expect(again.describe('g')).toMatchObject({ state: 'Stable', generation: 1, members: [{ memberId: wire!.memberId }] })
  expect(beat(again, wire!)).toBe('NONE')
  await clock.advance(11_000)
  expect(again.describe('g')).toMatchObject({ state: 'Empty' })
})

test('a member of this process and one of the wire share a group, whoever leads', async () => {
  const core = await folder({ t: 4 })
  const groups = await core.groups()
  const told: string[] = []
  const local = new GroupMember(core, { groupId: 'g', subscription: { topics: ['t'], patterns: [] } }, {
    assigned: (places) => void told.push(`+${places.map(({ partition }) => partition).join('')}`),
    revoked: async (places) => void told.push(`-${places.map(({ partition }) => partition).join('')}`),
    lost: () => {}, failed: () => {},
  })
  await local.start()
  const wire = await groups.join(joining('', { protocols: [{ name: 'range', metadata: encodeSubscription({ topics: ['t'] }) }] }))
  expect(told).toEqual(['+0123', '-0123'])
  const { assignment } = await groups.sync({ groupId: 'g', memberId: wire.memberId, generation: wire.generation, assignments: [] })
  const [mine] = decodeAssignment(assignment).assignedPartitions
  await turns()
  expect([...mine!.partitions, ...local.assignment.map(({ partition }) => partition)].sort()).toEqual([0, 1, 2, 3])
  // Now the wire member leads: the local one has left and comes back.
  await local.leave()
  expect(beat(groups, wire)).toBe('REBALANCE_IN_PROGRESS')
  const again = await groups.join(joining(wire.memberId, { protocols: [{ name: 'range', metadata: encodeSubscription({ topics: ['t'] }) }] }))
  const second = new GroupMember(core, { groupId: 'g', subscription: { topics: ['t'], patterns: [] } }, {
    assigned: () => {}, revoked: async () => {}, lost: () => {}, failed: () => {},
  })
  const started = second.start()
  await turns()
  expect(await groups.sync({ groupId: 'g', memberId: again.memberId, generation: again.generation, assignments: [] })).toMatchObject({
    error: 'REBALANCE_IN_PROGRESS',
  })
  const led = await groups.join(joining(wire.memberId, { protocols: [{ name: 'range', metadata: encodeSubscription({ topics: ['t'] }) }] }))
  expect(led.members).toHaveLength(2)
  const assignments = led.members.map(({ memberId }) => ({
    memberId, assignment: encodeAssignment({ assignedPartitions: [{ topic: 't', partitions: memberId === wire.memberId ? [0] : [1, 2, 3] }] }),
  }))
  await groups.sync({ groupId: 'g', memberId: wire.memberId, generation: led.generation, assignments })
  await started
  expect(second.assignment.map(({ partition }) => partition)).toEqual([1, 2, 3])
})
