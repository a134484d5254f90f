import { expect, test } from 'vitest'
import { type FileSystem } from '../../../src/files/file-system.ts'
import { MemoryFileSystem } from '../../../src/files/memory.ts'
import { decodeOffsetsRecord } from '../../../src/format/consumer-offsets.ts'
import { uuidText } from '../../../src/format/uuid.ts'
import { ManualClock } from '../../../src/testing/manual-clock.ts'
import { SimulatedDisk } from '../../../src/testing/simulated-disk.ts'
import { type ConsumerHeartbeatRequest } from '../../../src/topics/groups/consumer-group-messages.ts'
import { metadataHash } from '../../../src/topics/groups/metadata-hash.ts'
import { type LogCore } from '../../../src/topics/log-core.ts'
import { fixtureRecords } from '../../tools/fixtures.ts'
import { bytes } from '../../../src/topics/codecs.ts'
import { beat, Client, converged, world } from './consumer-client.ts'
import { addTopic, openCore, turns } from './harness.ts'

test('a member joins, is given everything, and is told so again only when it asks', async () => {
  const at = await world()
  const one = new Client(at, 'one')
  const joined = await one.beat()
  expect(joined).toMatchObject({ error: 'NONE', memberId: 'one', memberEpoch: 1, heartbeatIntervalMs: 5000 })
  expect(one.has).toEqual(['t-0', 't-1', 't-2', 't-3'])
  expect((await at.groups.consumerHeartbeat(beat('one', 1))).assignment).toBeNull()
  const full = { rebalanceTimeoutMs: 60_000, topicNames: ['t'], owned: joined.assignment }
  expect((await at.groups.consumerHeartbeat(beat('one', 1, full))).assignment).toEqual(joined.assignment)
  expect(at.groups.list()).toEqual([{ groupId: 'g', protocolType: 'consumer', state: 'Stable', type: 'consumer' }])
})

test('the second member gets what the first one has given back, and not before', async () => {
  const at = await world()
  const [one, two] = [new Client(at, 'one'), new Client(at, 'two')]
  await one.beat()
  expect(await two.beat()).toMatchObject({ memberEpoch: 2, assignment: [] })
  expect(at.groups.describe('g')!.state).toBe('Reconciling')
  expect(await two.beat()).toMatchObject({ memberEpoch: 2, assignment: null })
  // The first one is told what it keeps, stays in its epoch and still has the rest until it says otherwise.
  const revoking = await at.groups.consumerHeartbeat(beat('one', 1))
  expect(revoking).toMatchObject({ memberEpoch: 1, assignment: [{ partitions: [0, 1] }] })
  expect(await two.beat()).toMatchObject({ memberEpoch: 2, assignment: null })
  const held = [{ topicId: revoking.assignment![0]!.topicId, partitions: [0, 1, 2] }]
  expect(await at.groups.consumerHeartbeat(beat('one', 1, { owned: held }))).toMatchObject({ memberEpoch: 1 })
  expect(await two.beat()).toMatchObject({ assignment: null })
  expect(await at.groups.consumerHeartbeat(beat('one', 1, { owned: revoking.assignment }))).toMatchObject({ memberEpoch: 2 })
  await two.beat()
  expect(two.has).toEqual(['t-2', 't-3'])
  expect(at.groups.describe('g')!.state).toBe('Stable')
})

test('what Kafka stored for two members that came one after the other is what is stored here, record by record', async () => {
  const at = await world({ orders: 3 })
  const topic = uuidText(at.core.topics.find(({ name }) => name === 'orders')!.id)
  const more = { groupId: 'consumer-two', topicNames: ['orders'], rebalanceTimeoutMs: 300_000 }
  const first = new Client(at, 'first', { ...more, clientId: 'consumer-consumer-two-4' })
  const second = new Client(at, 'second', { ...more, clientId: 'consumer-consumer-two-5' })
  const of4 = { groupId: 'consumer-two', clientId: 'consumer-consumer-two-4' }
  const of5 = { groupId: 'consumer-two', clientId: 'consumer-consumer-two-5' }
  await first.beat()
  await second.beat()
  await second.beat(of5)
  await first.beat({ ...of4, owned: null })
  await first.beat(of4)
  await second.beat(of5)
  await at.groups.consumerHeartbeat(beat('second', -1, of5))
  await at.groups.consumerHeartbeat(beat('first', -1, of4))
  const known = new Map([['6HyJSEIvSRWNlbcru3ql-w', 'first'], ['E-W_GfTOTb297E74XGVGTQ', 'second'], ['mZ2kfuJVQkizwyJu9c9kGw', topic]])
  const theirs = fixtureRecords('offsets').filter(({ topic: name }) => name === '__consumer_offsets')
    .map(({ record }) => decodeOffsetsRecord(record.key!, record.value))
  const wanted = normal(theirs, (text) => known.get(text) ?? text)
  expect(normal(await stored(at.core), (text) => text)).toEqual(wanted)
})

/** The records of a group, without what differs from run to run. Who shall have what is one decision: its records are in any order. */
function normal(records: readonly ReturnType<typeof decodeOffsetsRecord>[], named: (text: string) => string): string[] {
  const isOfGroup = (record: (typeof records)[number]): boolean => 'key' in record && JSON.stringify(record.key).includes('"consumer-two"')
  const lines = records.filter((record) => record.kind.startsWith('consumerGroup') && isOfGroup(record)).map((record) => JSON.stringify(
    record, (name, value: unknown) => {
      if (name === 'metadataHash') return value === 0n ? 'none' : 'some'
      return typeof value === 'string' ? named(value) : value
    },
  ))
  const isTarget = (line: string | undefined): boolean => line?.includes('TargetAssignmentMember"') === true
  for (let at = 1; at < lines.length; at++) {
    if (isTarget(lines[at - 1]) && isTarget(lines[at])) lines.splice(at - 1, 2, ...[lines[at - 1]!, lines[at]!].sort())
  }
  return lines
}

async function stored(core: LogCore): Promise<ReturnType<typeof decodeOffsetsRecord>[]> {
  const topic = await core.existingTopic('__consumer_offsets')
  const records = [...topic!.logs[0]!.read({ key: bytes, value: bytes }, { from: 0 })]
  return records.map((record) => decodeOffsetsRecord(record.detach().keyBytes!, record.valueBytes))
}

test('the hash of topics is the one that Kafka stores', () => {
  const orders = { name: 'orders', id: Buffer.from('mZ2kfuJVQkizwyJu9c9kGw', 'base64url'), partitions: 3 }
  expect(metadataHash([orders])).toBe(-4940047694976126025n)
  expect(metadataHash([])).toBe(0n)
})

const wrong: { readonly name: string; readonly request: ConsumerHeartbeatRequest; readonly error: string; readonly message: string }[] = [
  { name: 'no member id', request: beat('', 0), error: 'INVALID_REQUEST', message: "MemberId can't be empty." },
  { name: 'no group', request: beat('m', 0, { groupId: ' ' }), error: 'INVALID_REQUEST', message: "GroupId can't be empty." },
  { name: 'no instance', request: beat('m', 0, { instanceId: '' }), error: 'INVALID_REQUEST', message: "InstanceId can't be empty." },
  { name: 'no rack', request: beat('m', 0, { rackId: '' }), error: 'INVALID_REQUEST', message: "RackId can't be empty." },
  { name: 'no time', request: beat('m', 0), error: 'INVALID_REQUEST', message: 'RebalanceTimeoutMs must be provided in first request.' },
  {
    name: 'nothing owned', request: beat('m', 0, { rebalanceTimeoutMs: 1 }), error: 'INVALID_REQUEST',
    message: 'TopicPartitions must be empty when (re-)joining.',
  },
  {
    name: 'no topics', request: beat('m', 0, { rebalanceTimeoutMs: 1, owned: [] }), error: 'INVALID_REQUEST',
    message: 'Either SubscribedTopicNames or SubscribedTopicRegex must be non-null when (re-)joining.',
  },
  { name: 'a static leave without instance', request: beat('m', -2), error: 'INVALID_REQUEST', message: "InstanceId can't be null." },
  { name: 'an impossible epoch', request: beat('m', -3), error: 'INVALID_REQUEST', message: 'MemberEpoch is invalid.' },
  {
    name: 'an unknown assignor', request: beat('m', 0, { rebalanceTimeoutMs: 1, owned: [], topicNames: [], serverAssignor: 'mine' }),
    error: 'UNSUPPORTED_ASSIGNOR', message: 'ServerAssignor mine is not supported. Supported assignors: uniform, range.',
  },
  {
    name: 'a broken pattern', request: beat('m', 0, { rebalanceTimeoutMs: 1, owned: [], topicPattern: 'a(b' }),
    error: 'INVALID_REGULAR_EXPRESSION',
    message: 'SubscribedTopicRegex `a(b` is not a valid regular expression: missing closing ).',
  },
  { name: 'a group that is not there', request: beat('m', 3), error: 'GROUP_ID_NOT_FOUND', message: 'Consumer group g not found.' },
  { name: 'leaving a group that is not there', request: beat('m', -1), error: 'GROUP_ID_NOT_FOUND', message: 'Group g not found.' },
]
for (const { name, request, error, message } of wrong) {
  test(`a heartbeat with ${name} is refused in Kafka's words, and makes no group`, async () => {
    const { groups } = await world()
    const nothing = { memberId: null, memberEpoch: 0, heartbeatIntervalMs: 0, assignment: null }
    expect(await groups.consumerHeartbeat(request)).toEqual({ error, message, ...nothing })
    expect(groups.list()).toEqual([])
  })
}

test('who is in another epoch is fenced, unless the answer with the newer one may have been lost', async () => {
  const at = await world()
  const [one, two] = [new Client(at, 'one'), new Client(at, 'two')]
  await one.beat()
  expect(await at.groups.consumerHeartbeat(beat('one', 7))).toMatchObject({
    error: 'FENCED_MEMBER_EPOCH',
    message: 'The consumer group member has a greater member epoch (7) than the one known by the group coordinator (1). ' +
      'The member must abandon all its partitions and rejoin.',
  })
  await two.beat()
  await converged(at, [one, two])
  expect(one.epoch).toBe(2)
  expect(await at.groups.consumerHeartbeat(beat('one', 1, { owned: one.owned }))).toMatchObject({ error: 'NONE', memberEpoch: 2 })
  expect(await at.groups.consumerHeartbeat(beat('one', 1))).toMatchObject({ error: 'FENCED_MEMBER_EPOCH' })
  expect(await at.groups.consumerHeartbeat(beat('one', 1, { owned: two.owned }))).toMatchObject({ error: 'FENCED_MEMBER_EPOCH' })
  expect(await at.groups.consumerHeartbeat(beat('three', 1))).toMatchObject({
    error: 'UNKNOWN_MEMBER_ID', message: 'Member three is not a member of group g.',
  })
})

test('an old client is given its id, and a group takes as many members as it may', async () => {
  const at = await world({ t: 4 }, { groupConsumerMaxSize: 1 })
  const joining = { rebalanceTimeoutMs: 1000, topicNames: ['t'], owned: [] }
  const joined = await at.groups.consumerHeartbeat(beat('', 0, { ...joining, namesItself: false }))
  expect(joined.memberId).toMatch(/^[\w-]{22}$/)
  expect(await at.groups.consumerHeartbeat(beat('other', 0, joining))).toMatchObject({
    error: 'GROUP_MAX_SIZE_REACHED', message: 'The consumer group has reached its maximum capacity of 1 members.',
  })
  expect(await at.groups.consumerHeartbeat(beat(joined.memberId!, 1))).toMatchObject({ error: 'NONE' })
})

test('a member that leaves, or is silent for its session time, leaves its partitions to the others', async () => {
  const at = await world()
  const clients = ['one', 'two', 'three'].map((id) => new Client(at, id))
  for (const client of clients) await client.beat()
  await converged(at, clients)
  const [one, two, three] = clients as [Client, Client, Client]
  expect(await at.groups.consumerHeartbeat(beat('three', -1))).toEqual({
    error: 'NONE', message: null, memberId: 'three', memberEpoch: -1, heartbeatIntervalMs: 0, assignment: null,
  })
  expect(at.groups.describe('g')!.state).toBe('Assigning')
  for (let time = 0; time < 46_000; time += 2000) {
    await at.clock.advance(2000)
    await one.beat()
  }
  expect(await two.beat()).toMatchObject({ error: 'UNKNOWN_MEMBER_ID' })
  expect(await three.beat()).toMatchObject({ error: 'UNKNOWN_MEMBER_ID' })
  expect(one.has).toEqual(['t-0', 't-1', 't-2', 't-3'])
})

test('a stall of our own event loop takes nobody for gone', async () => {
  const at = await world()
  const one = new Client(at, 'one')
  await one.beat()
  at.clock.stall(120_000)
  await at.clock.advance(1)
  expect(await one.beat()).toMatchObject({ error: 'NONE' })
})

test('who does not give back in time is out', async () => {
  const at = await world()
  const one = new Client(at, 'one', { rebalanceTimeoutMs: 10_000 })
  const two = new Client(at, 'two')
  await one.beat()
  await two.beat()
  await at.groups.consumerHeartbeat(beat('one', 1))
  for (let time = 0; time < 12_000; time += 1000) {
    await at.clock.advance(1000)
    await at.groups.consumerHeartbeat(beat('one', 1))
    await two.beat()
  }
  expect(await one.beat()).toMatchObject({ error: 'UNKNOWN_MEMBER_ID' })
  expect(two.has).toEqual(['t-0', 't-1', 't-2', 't-3'])
})

test('a static member that goes for a while finds what it had, under another id; two of one name are told apart', async () => {
  const at = await world()
  const one = new Client(at, 'one', { instanceId: 'i1' })
  const two = new Client(at, 'two', { instanceId: 'i2' })
  await one.beat()
  await two.beat()
  await converged(at, [one, two])
  const again = new Client(at, 'again', { instanceId: 'i1' })
  expect(await again.beat()).toMatchObject({
    error: 'UNRELEASED_INSTANCE_ID',
    message: 'Static member again with instance id i1 cannot join the group because the instance id is owned by one member.',
  })
  const away = await at.groups.consumerHeartbeat(beat('one', -2, { instanceId: 'i1' }))
  expect(away).toMatchObject({ error: 'NONE', memberId: 'one', memberEpoch: -2 })
  await two.beat()
  expect(two.has).toHaveLength(2)
  expect(await again.beat()).toMatchObject({ error: 'NONE', memberEpoch: 2 })
  expect(again.has).toEqual(one.has)
  const words = 'Static member one with instance id i1 was fenced by member again.'
  expect(await one.beat()).toMatchObject({ error: 'FENCED_INSTANCE_ID', message: words })
  expect(await at.groups.consumerHeartbeat(beat('x', 2, { instanceId: 'i9' }))).toMatchObject({
    error: 'UNKNOWN_MEMBER_ID', message: 'Instance id i9 is unknown.',
  })
  expect(await at.groups.consumerHeartbeat(beat('again', -1, { instanceId: 'i1' }))).toMatchObject({ error: 'NONE', memberEpoch: -1 })
  await converged(at, [two])
  expect(two.has).toHaveLength(4)
})

test('topics that come, grow and go raise the epoch when the next member speaks', async () => {
  const at = await world({ t: 2 })
  const one = new Client(at, 'one', { topicNames: ['t', 'later'] })
  await one.beat()
  expect(one.has).toEqual(['t-0', 't-1'])
  await addTopic(at.core, 'later', 1)
  await one.beat()
  expect([one.epoch, one.has]).toEqual([2, ['later-0', 't-0', 't-1']])
  await addTopic(at.core, 't', 3)
  await one.beat()
  expect([one.epoch, one.has]).toEqual([3, ['later-0', 't-0', 't-1', 't-2']])
  await at.core.admin.delete('later')
  await converged(at, [one])
  expect([one.epoch, one.has]).toEqual([4, ['t-0', 't-1', 't-2']])
  await addTopic(at.core, 'other', 1)
  await one.beat()
  expect(one.epoch).toBe(4)
})

test('a pattern subscribes to what it matches, now and later, and to nothing that the member may not see', async () => {
  const at = await world({ 'orders-eu': 1, 'orders-us': 1, audit: 1 })
  const mayRead = (topic: string): boolean => topic !== 'orders-us'
  const one = new Client(at, 'one', { topicNames: [], topicPattern: 'orders-.*' })
  await one.beat({ mayRead })
  expect(one.has).toEqual(['orders-eu-0'])
  await addTopic(at.core, 'orders-asia', 1)
  await addTopic(at.core, 'my-orders-x', 1)
  await one.beat({ mayRead })
  expect(one.has).toEqual(['orders-asia-0', 'orders-eu-0'])
  expect(at.groups.describeConsumerGroup('g')!.members[0]).toMatchObject({ topicPattern: 'orders-.*', topicNames: [] })
  await one.beat({ topicPattern: '', topicNames: ['audit'] })
  await converged(at, [one])
  expect(one.has).toEqual(['audit-0'])
})

test('the assignor is the one that most members ask for', async () => {
  const at = await world({ a: 3, b: 3 })
  const range = { topicNames: ['a', 'b'], serverAssignor: 'range' }
  const clients = [new Client(at, 'x1', range), new Client(at, 'x2', range), new Client(at, 'x3', { topicNames: ['a', 'b'] })]
  for (const client of clients) await client.beat()
  await converged(at, clients)
  expect(clients.map(({ has }) => has)).toEqual([['a-0', 'b-0'], ['a-1', 'b-1'], ['a-2', 'b-2']])
  expect(at.groups.describeConsumerGroup('g')!.assignorName).toBe('range')
})

test('members commit and ask for offsets in their epoch', async () => {
  const at = await world()
  const one = new Client(at, 'one')
  const commit = async (memberId: string, generation: number, more = {}): Promise<string> => {
    const offsets = [{ topic: 't', partition: 0, offset: 3, leaderEpoch: -1 }]
    return (await at.groups.commitOffsets({ groupId: 'g', memberId, generation, offsets, ...more }))[0]!.error
  }
  await one.beat()
  expect(await commit('one', 1)).toBe('NONE')
  expect(await commit('one', 0)).toBe('STALE_MEMBER_EPOCH')
  expect(await commit('two', 1)).toBe('UNKNOWN_MEMBER_ID')
  expect(await commit('', -1)).toBe('UNKNOWN_MEMBER_ID')
  expect(await commit('one', 1, { version: 8 })).toBe('UNSUPPORTED_VERSION')
  const inTransaction = await at.groups.appendTransactionalOffsets(7n, 0, {
    groupId: 'g', memberId: 'one', generation: 9, offsets: [{ topic: 't', partition: 0, offset: 3, leaderEpoch: -1 }],
  })
  expect(inTransaction[0]!.error).toBe('ILLEGAL_GENERATION')
  expect(at.groups.checkMember('g', null, -1)).toBe('NONE')
  expect(at.groups.checkMember('g', 'one', 1)).toBe('NONE')
  expect(at.groups.checkMember('g', 'one', 2)).toBe('STALE_MEMBER_EPOCH')
  expect(at.groups.checkMember('g', 'who', 1)).toBe('UNKNOWN_MEMBER_ID')
  await at.groups.consumerHeartbeat(beat('one', -1))
  expect(await commit('', -1)).toBe('NONE')
})

test('a group is deleted once nobody is in it, and its offsets are for topics that nobody reads', async () => {
  const at = await world({ t: 1, u: 1 })
  const one = new Client(at, 'one')
  await one.beat()
  const offsets = ['t', 'u'].map((topic) => ({ topic, partition: 0, offset: 3, leaderEpoch: -1 }))
  await at.groups.commitOffsets({ groupId: 'g', memberId: 'one', generation: 1, offsets })
  expect(await at.groups.deleteGroup('g')).toEqual({ error: 'NON_EMPTY_GROUP' })
  const places = ['t', 'u'].map((topic) => ({ topic, partition: 0 }))
  expect((await at.groups.deleteOffsets('g', places)).partitions.map(({ error }) => error)).toEqual(['GROUP_SUBSCRIBED_TO_TOPIC', 'NONE'])
  await at.groups.consumerHeartbeat(beat('one', -1))
  expect(at.groups.describe('g')).toMatchObject({ state: 'Empty', type: 'consumer' })
  expect(await at.groups.deleteGroup('g')).toMatchObject({ error: 'NONE' })
  expect(at.groups.list()).toEqual([])
  expect(at.groups.offsets.fetch('g')).toEqual([])
})

test('a group goes on after a restart: members have their session time, epochs and partitions are what they were', async () => {
  const clock = new ManualClock()
  const files: FileSystem = new MemoryFileSystem({ clock })
  const before = await world({ t: 4 }, { clock, files })
  const clients = ['one', 'two'].map((id) => new Client(before, id))
  for (const client of clients) await client.beat()
  await converged(before, clients)
  await before.core.close()
  const after = await world({}, { clock, files })
  expect(after.groups.describe('g')).toMatchObject({ state: 'Stable', generation: 2 })
  expect(await after.groups.consumerHeartbeat(beat('one', 2))).toMatchObject({ error: 'NONE', memberEpoch: 2, assignment: null })
  for (let time = 0; time < 46_000; time += 2000) {
    await clock.advance(2000)
    await after.groups.consumerHeartbeat(beat('one', 2))
  }
  await turns()
  expect(after.groups.describeConsumerGroup('g')!.members.map(({ memberId }) => memberId)).toEqual(['one'])
  await after.core.close()
  const reader = await openCore({ clock, files, readOnly: true, create: false })
  expect((await reader.groups()).describe('g')).toMatchObject({ type: 'consumer', members: [{ memberId: 'one' }] })
})

test('an empty group of either kind becomes one of the other, and keeps its offsets', async () => {
  const at = await world()
  await at.groups.commitOffsets({ groupId: 'g', memberId: '', generation: -1, offsets: [{ topic: 't', partition: 0, offset: 2, leaderEpoch: -1 }] })
  const one = new Client(at, 'one')
  await one.beat()
  expect(at.groups.describe('g')).toMatchObject({ type: 'consumer', state: 'Stable' })
  await at.groups.consumerHeartbeat(beat('one', -1))
  const joined = await at.groups.join({
    groupId: 'g', memberId: '', clientId: 'c', clientHost: '/127.0.0.1', sessionTimeoutMs: 10_000, rebalanceTimeoutMs: 10_000, protocolType: 'other',
    protocols: [{ name: 'x', metadata: Buffer.alloc(0) }],
  })
  expect(joined.error).toBe('NONE')
  expect(at.groups.describe('g')).toMatchObject({ type: 'classic' })
  expect(await one.beat()).toMatchObject({ error: 'GROUP_ID_NOT_FOUND', message: 'Group g is not a consumer group.' })
  const two = new Client(at, 'two')
  expect(await two.beat()).toMatchObject({ error: 'GROUP_ID_NOT_FOUND' })
  expect(at.groups.offsets.fetch('g')).toMatchObject([{ topic: 't', offset: 2 }])
})

test('what could not be stored is not answered, and is stored with what comes next', async () => {
  const clock = new ManualClock()
  const disk = new SimulatedDisk({ seed: 1, clock })
  const at = await world({ t: 4 }, { clock, files: disk })
  const [one, two] = [new Client(at, 'one'), new Client(at, 'two')]
  await one.beat()
  const heal = disk.inject({ verb: 'sync', error: 'EIO', path: /__consumer_offsets/ })
  for (let times = 0; times < 3; times++) expect(await two.beat()).toMatchObject({ error: 'COORDINATOR_NOT_AVAILABLE', memberId: null })
  heal()
  await converged(at, [one, two])
  expect([one.has.length, two.has.length]).toEqual([2, 2])
  await at.core.close()
  const after = await world({}, { clock, files: disk })
  expect(after.groups.describe('g')).toMatchObject({ state: 'Stable', members: [{ memberId: 'one' }, { memberId: 'two' }] })
})
