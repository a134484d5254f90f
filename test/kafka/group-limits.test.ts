/*
 * What the groups of clients may cost, and what `listen` may be told about them.
 */
import { expect, test } from 'vitest'
import { kafkaErrorName } from '../../src/format/kafka-errors.ts'
import { string } from '../../src/index.ts'
import { joinGroup } from '../../src/kafka/apis/11-join-group.ts'
import { listGroups } from '../../src/kafka/apis/16-list-groups.ts'
import { apiVersions } from '../../src/kafka/apis/18-api-versions.ts'
import { describeConfigs } from '../../src/kafka/apis/32-describe-configs.ts'
import { incrementalAlterConfigs } from '../../src/kafka/apis/44-incremental-alter-configs.ts'
import { consumerGroupHeartbeat } from '../../src/kafka/apis/68-consumer-group-heartbeat.ts'
import { type GroupOptions } from '../../src/kafka/group-options.ts'
import { listen } from '../../src/kafka/index.ts'
import { ManualClock } from '../../src/testing/manual-clock.ts'
import { Members, newMember } from '../../src/topics/groups/group-members.ts'
import { type RawClient, startListener, type TestListener } from './harness.ts'
import { together, WireMember } from './wire-member.ts'

async function world(options: GroupOptions = {}): Promise<TestListener & { readonly clock: ManualClock }> {
  const clock = new ManualClock()
  const listener = await startListener({ ...options, log: { clock } })
  await listener.log.topic('t', { partitions: 4, key: string, value: string })
  return { ...listener, clock }
}

const asked = { groupId: 'g', memberId: '', sessionTimeoutMs: 10_000, rebalanceTimeoutMs: 60_000, protocolType: 'consumer' }

async function names(raw: RawClient): Promise<string[]> {
  return (await raw.request(listGroups, 4, {})).groups.map(({ groupId }) => groupId)
}

test('members may ask for session times within the bounds that the listener has', async () => {
  const { client } = await world({ groupMinSessionTimeoutMs: 100, groupMaxSessionTimeoutMs: 7000 })
  const raw = await client()
  const errors = []
  for (const sessionTimeoutMs of [99, 100, 7000, 7001]) {
    const protocols = [{ name: 'range', metadata: Buffer.alloc(0) }]
    const answer = await raw.request(joinGroup, 1, { ...asked, groupId: `g${sessionTimeoutMs}`, sessionTimeoutMs, protocols })
    errors.push(kafkaErrorName(answer.errorCode))
  }
  expect(errors).toEqual(['INVALID_SESSION_TIMEOUT', 'NONE', 'NONE', 'INVALID_SESSION_TIMEOUT'])
})

test('a group takes so many members and no more, and those that it has may join again', async () => {
  const { client } = await world({ groupMaxSize: 2 })
  const [one, two, three] = await Promise.all([1, 2, 3].map(async () => new WireMember(await client(), 'g', { join: 5 })))
  await together(one!, two!)
  expect(await three!.join()).toBe('GROUP_MAX_SIZE_REACHED')
  expect(three!.memberId).toBe('')
  await together(one!, two!)
  expect(await two!.leave()).toBe('NONE')
  await together(one!, three!)
})

test('the first rebalance of a group waits for more members as long as the listener says', async () => {
  const { client, clock } = await world({ groupInitialRebalanceDelayMs: 3000 })
  const [one, two] = [new WireMember(await client(), 'g', { join: 3 }), new WireMember(await client(), 'g', { join: 3 })]
  const joined: string[] = []
  const joining = [one, two].map((member) => member.join().then((error) => joined.push(error)))
  const other = await client()
  await clock.advance(2999)
  await other.request(apiVersions, 0, {})
  expect(joined).toEqual([])
  await clock.advance(3000)
  await Promise.all(joining)
  expect([one.generation, two.generation]).toEqual([1, 1])
})

test('a member that says too much of itself is turned away, and leaves no group behind', async () => {
  const { client } = await world()
  const raw = await client()
  const join = (bytes: number) => raw.request(joinGroup, 1, {
    ...asked, protocols: [{ name: 'range', metadata: Buffer.alloc(bytes / 2) }, { name: 'sticky', metadata: Buffer.alloc(bytes / 2) }],
  })
  expect(kafkaErrorName((await join(1_048_588)).errorCode)).toBe('UNKNOWN_SERVER_ERROR')
  expect(await names(raw)).toEqual([])
  expect(kafkaErrorName((await join(1_048_000)).errorCode)).toBe('NONE')
  const heartbeat = await raw.request(consumerGroupHeartbeat, 1, {
    groupId: 'new', memberId: 'one', memberEpoch: 0, rebalanceTimeoutMs: 1000, topicPartitions: [],
    subscribedTopicNames: Array.from({ length: 50 }, (_, index) => `t${index}`.padEnd(30_000, 'x')),
  })
  expect(kafkaErrorName(heartbeat.errorCode)).toBe('UNKNOWN_SERVER_ERROR')
})

test('a leader that gives too much away is told so with all others, and they join again', async () => {
  const { client } = await world({ groupMaxMemberBytes: 400 })
  const [one, two] = [new WireMember(await client(), 'g'), new WireMember(await client(), 'g')]
  expect(await Promise.all([one.join(), two.join()])).toEqual(['NONE', 'NONE'])
  const much = (ids: readonly string[]) => (
    Object.fromEntries(ids.map((id) => [id, [{ topic: 't', partitions: Array.from({ length: 100 }, (_, partition) => partition) }]]))
  )
  const [leader, follower] = one.leads ? [one, two] : [two, one]
  const waiting = follower.sync()
  await (await client()).request(apiVersions, 0, {})
  expect(await leader.sync(4, much)).toBe('UNKNOWN_SERVER_ERROR')
  expect(await waiting).toBe('UNKNOWN_SERVER_ERROR')
  await together(one, two)
})

test('a group whose only member never came back with its id is forgotten', async () => {
  const { client, clock } = await world()
  const raw = await client()
  const answer = await raw.request(joinGroup, 4, { ...asked, protocols: [{ name: 'range', metadata: Buffer.alloc(0) }] })
  expect(kafkaErrorName(answer.errorCode)).toBe('MEMBER_ID_REQUIRED')
  expect(await names(raw)).toEqual(['g'])
  await clock.advance(10_000)
  expect(await names(raw)).toEqual([])
})

test('who joins a group, or commits for it, while it is forgotten comes into a new one', async () => {
  const { client, kafka, clock } = await world()
  const groups = await kafka.cluster.groups()
  const forget = async <T>(meanwhile: () => Promise<T>): Promise<T> => {
    const member = new WireMember(await client(), 'g', { join: 3 })
    await together(member)
    await member.leave()
    const forgetting = groups.expireOffsets(clock.now())
    const answer = await meanwhile()
    await forgetting
    return answer
  }
  const protocols = [{ name: 'range', metadata: Buffer.alloc(0) }]
  const joined = await forget(() => groups.join({ ...asked, clientId: '', clientHost: '', protocols }))
  expect(joined).toMatchObject({ error: 'NONE', generation: 1 })
  await groups.leave({ groupId: 'g', members: [{ memberId: joined.memberId }] })
  const offsets = [{ topic: 't', partition: 0, offset: 1, leaderEpoch: -1 }]
  const committed = await forget(() => groups.commitOffsets({ groupId: 'g', memberId: '', generation: -1, version: 9, offsets }))
  expect(committed).toEqual([{ topic: 't', partition: 0, error: 'NONE' }])
  expect(groups.offsets.get('g', 't', 0)).toMatchObject({ offset: 1 })
})

test('protocols that nobody offers any more are forgotten', () => {
  const members = new Members()
  const offering = (name: string) => [{ name, metadata: Buffer.alloc(0) }]
  const member = newMember('m', { ...asked, clientId: '', clientHost: '', protocols: offering('p') })
  members.add(member)
  for (let count = 0; count < 100; count++) members.offer(member, offering(`p${count}`))
  expect(members.offered).toBe(1)
  expect(members.support(offering('p99'))).toBe(true)
  members.remove(member)
  expect(members.offered).toBe(0)
})

test('members of newer groups beat as the listener says, or as their group is configured within its bounds', async () => {
  const { client } = await world({
    groupConsumerSessionTimeoutMs: 4000, groupConsumerHeartbeatIntervalMs: 1000, groupConsumerMaxHeartbeatIntervalMs: 2000, groupConsumerMaxSize: 1,
  })
  const raw = await client()
  const beat = (groupId: string, memberId = 'one') => raw.request(consumerGroupHeartbeat, 1, {
    groupId, memberId, memberEpoch: 0, rebalanceTimeoutMs: 1000, subscribedTopicNames: ['t'], topicPartitions: [],
  })
  expect(await beat('a')).toMatchObject({ errorCode: 0, heartbeatIntervalMs: 1000 })
  expect(kafkaErrorName((await beat('a', 'two')).errorCode)).toBe('GROUP_MAX_SIZE_REACHED')
  const alter = async (value: string) => (await raw.request(incrementalAlterConfigs, 1, {
    resources: [{ resourceType: 32, resourceName: 'b', configs: [{ name: 'consumer.heartbeat.interval.ms', value, configOperation: 0 }] }],
    validateOnly: false,
  })).responses[0]!.errorCode
  expect([await alter('999'), await alter('2001'), await alter('1500')].map((code) => kafkaErrorName(code))).toEqual(
    ['INVALID_CONFIG', 'INVALID_CONFIG', 'NONE'],
  )
  expect(await beat('b')).toMatchObject({ heartbeatIntervalMs: 1500 })
})

test('what a listener says of groups is shown with its configs', async () => {
  const given = {
    groupMinSessionTimeoutMs: 1, groupMaxSessionTimeoutMs: 2, groupMaxSize: 3, groupInitialRebalanceDelayMs: 4, groupConsumerSessionTimeoutMs: 60,
    groupConsumerMinSessionTimeoutMs: 50, groupConsumerMaxSessionTimeoutMs: 70, groupConsumerHeartbeatIntervalMs: 20,
    groupConsumerMinHeartbeatIntervalMs: 10, groupConsumerMaxHeartbeatIntervalMs: 30, groupConsumerMaxSize: 5,
  }
  const { client, kafka } = await world(given)
  const { results } = await (await client()).request(describeConfigs, 4, {
    resources: [{ resourceType: 4, resourceName: String(kafka.brokers[0]!.nodeId), configurationKeys: null }],
  })
  const shown = new Map(results[0]!.configs.map(({ name, value }) => [name, value]))
  for (const [option, value] of Object.entries(given)) {
    const name = option.replaceAll(/[A-Z]/g, (letter) => `.${letter.toLowerCase()}`)
    expect([name, shown.get(name)]).toEqual([name, String(value)])
  }
})

test('options of groups that cannot be, or contradict each other, are refused', async () => {
  const { log } = await startListener()
  await expect(listen(log, { groupMaxSize: 0 })).rejects.toThrow('groupMaxSize is an integer from 1 to 2147483647, not 0')
  await expect(listen(log, { groupMinSessionTimeoutMs: 10, groupMaxSessionTimeoutMs: 9 })).rejects.toThrow(
    'groupMinSessionTimeoutMs is at most groupMaxSessionTimeoutMs, which is 9, not 10',
  )
  await expect(listen(log, { groupConsumerSessionTimeoutMs: 1000 })).rejects.toThrow(
    'groupConsumerHeartbeatIntervalMs is at most groupConsumerSessionTimeoutMs, which is 1000, not 5000',
  )
})

test('what a member says of itself keeps no more memory than it has', async () => {
  const { client, kafka } = await world()
  const [one, two] = await Promise.all([1, 2].map(async () => new WireMember(await client(), 'g', { join: 5 })))
  await together(one!, two!)
  const { members } = (await kafka.cluster.groups()).describe('g')!
  expect(members).toHaveLength(2)
  for (const { metadata, assignment } of members) for (const bytes of [metadata, assignment]) expect(bytes.buffer.byteLength).toBe(bytes.length)
})
