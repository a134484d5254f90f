/*
 * Consumer groups of the newer protocol (KIP-848) as clients of the wire see them, in every version, and beside members of the classic protocol.
 */
import { expect, test } from 'vitest'
import { kafkaErrors } from '../../src/format/kafka-errors.ts'
import { type Encodable } from '../../src/format/schema.ts'
import { string } from '../../src/index.ts'
import { offsetCommit } from '../../src/kafka/apis/08-offset-commit.ts'
import { offsetFetch } from '../../src/kafka/apis/09-offset-fetch.ts'
import { describeGroups } from '../../src/kafka/apis/15-describe-groups.ts'
import { listGroups } from '../../src/kafka/apis/16-list-groups.ts'
import { deleteGroups } from '../../src/kafka/apis/42-delete-groups.ts'
import { incrementalAlterConfigs } from '../../src/kafka/apis/44-incremental-alter-configs.ts'
import { consumerGroupHeartbeat } from '../../src/kafka/apis/68-consumer-group-heartbeat.ts'
import { consumerGroupDescribe } from '../../src/kafka/apis/69-consumer-group-describe.ts'
import { ManualClock } from '../../src/testing/manual-clock.ts'
import { startListener, type TestListener } from './harness.ts'
import { WireMember } from './wire-member.ts'

const code = kafkaErrors

async function world(options: { readonly brokers?: number } = {}): Promise<TestListener & { readonly clock: ManualClock }> {
  const clock = new ManualClock()
  const listener = await startListener({ ...options, log: { clock } })
  await listener.log.topic('t', { partitions: 4, key: string, value: string })
  return { ...listener, clock }
}

const joining = { memberEpoch: 0, rebalanceTimeoutMs: 60_000, subscribedTopicNames: ['t'], topicPartitions: [] }
type Heartbeat = Encodable<typeof consumerGroupHeartbeat.request>
const request = (memberId: string, more: Partial<Heartbeat> = {}): Heartbeat => ({ groupId: 'g', memberId, memberEpoch: 0, ...more })

for (const version of [0, 1]) {
  test(`a member joins, is described and leaves in version ${version}`, async () => {
    const { client } = await world()
    const wire = await client()
    const joined = await wire.request(consumerGroupHeartbeat, version, request(version === 0 ? '' : 'one', joining))
    expect(joined).toMatchObject({ throttleTimeMs: 0, errorCode: code.NONE, errorMessage: null, memberEpoch: 1, heartbeatIntervalMs: 5000 })
    expect(joined.assignment!.topicPartitions.map(({ partitions }) => partitions)).toEqual([[0, 1, 2, 3]])
    const memberId = joined.memberId!
    const again = await wire.request(consumerGroupHeartbeat, version, request(memberId, { memberEpoch: 1 }))
    expect(again).toMatchObject({ errorCode: code.NONE, memberId, memberEpoch: 1, assignment: null })
    const told = await wire.request(consumerGroupDescribe, version, { groupIds: ['g', 'none', ''], includeAuthorizedOperations: true })
    expect(told.groups.map(({ errorCode, errorMessage }) => [errorCode, errorMessage])).toEqual([
      [code.NONE, null], [code.GROUP_ID_NOT_FOUND, 'Group none not found.'], [code.INVALID_GROUP_ID, null],
    ])
    const [{ topicId, partitions }] = joined.assignment!.topicPartitions as [{ topicId: string; partitions: number[] }]
    const assignment = { topicPartitions: [{ topicId, topicName: 't', partitions }] }
    expect(told.groups[0]).toMatchObject({
      groupState: 'Stable', groupEpoch: 1, assignmentEpoch: 1, assignorName: 'uniform', authorizedOperations: expect.any(Number),
      members: [{
        memberId, memberEpoch: 1, clientId: 'raw', clientHost: '/127.0.0.1', instanceId: null, rackId: null, subscribedTopicNames: ['t'],
        subscribedTopicRegex: '', assignment, targetAssignment: assignment, memberType: version === 0 ? -1 : 1,
      }],
    })
    expect(await wire.request(consumerGroupHeartbeat, version, request(memberId, { memberEpoch: -1 }))).toMatchObject({
      errorCode: code.NONE, memberId, memberEpoch: -1, heartbeatIntervalMs: 0, assignment: null,
    })
    expect((await wire.request(deleteGroups, 2, { groupsNames: ['g'] })).results).toEqual([{ groupId: 'g', errorCode: code.NONE }])
  })
}

test('what is wrong with a heartbeat is said in its place', async () => {
  const { client } = await world()
  const wire = await client()
  const asked = async (value: Heartbeat): Promise<[number, string | null]> => {
    const { errorCode, errorMessage } = await wire.request(consumerGroupHeartbeat, 1, value)
    return [errorCode, errorMessage]
  }
  expect(await asked(request('', joining))).toEqual([code.INVALID_REQUEST, "MemberId can't be empty."])
  expect(await asked({ ...request('m', joining), groupId: '' })).toEqual([code.INVALID_REQUEST, "GroupId can't be empty."])
  expect(await asked(request('m', { ...joining, serverAssignor: 'mine' }))).toEqual([
    code.UNSUPPORTED_ASSIGNOR, 'ServerAssignor mine is not supported. Supported assignors: uniform, range.',
  ])
  expect(await asked(request('m', { ...joining, subscribedTopicNames: null, subscribedTopicRegex: '[a' }))).toEqual([
    code.INVALID_REGULAR_EXPRESSION, 'SubscribedTopicRegex `[a` is not a valid regular expression: missing closing ].',
  ])
  expect(await asked(request('m', { memberEpoch: 3 }))).toEqual([code.GROUP_ID_NOT_FOUND, 'Consumer group g not found.'])
  expect((await asked(request('m', joining)))[0]).toBe(code.NONE)
  expect((await asked(request('m', { memberEpoch: 9 })))[0]).toBe(code.FENCED_MEMBER_EPOCH)
  expect(await asked(request('n', { memberEpoch: 1 }))).toEqual([code.UNKNOWN_MEMBER_ID, 'Member n is not a member of group g.'])
})

test('offsets are committed and fetched in the epoch of the member', async () => {
  const { client } = await world()
  const wire = await client()
  await wire.request(consumerGroupHeartbeat, 1, request('one', joining))
  const commit = async (version: number, memberId: string, epoch: number): Promise<number> => {
    const partitions = [{ partitionIndex: 0, committedOffset: 7, committedMetadata: '' }]
    const answer = await wire.request(offsetCommit, version, {
      groupId: 'g', memberId, generationIdOrMemberEpoch: epoch, topics: [{ name: 't', partitions }],
    })
    return answer.topics[0]!.partitions[0]!.errorCode
  }
  expect(await commit(9, 'one', 1)).toBe(code.NONE)
  expect(await commit(9, 'one', 2)).toBe(code.STALE_MEMBER_EPOCH)
  expect(await commit(9, 'two', 1)).toBe(code.UNKNOWN_MEMBER_ID)
  expect(await commit(8, 'one', 1)).toBe(code.UNSUPPORTED_VERSION)
  const fetched = async (memberId: string | null, memberEpoch: number): Promise<number[]> => {
    const topics = [{ name: 't', partitionIndexes: [0] }]
    const { groups: [group] } = await wire.request(offsetFetch, 9, { groups: [{ groupId: 'g', memberId, memberEpoch, topics }] })
    return [group!.errorCode, ...group!.topics.flatMap(({ partitions }) => partitions.map(({ committedOffset }) => committedOffset))]
  }
  expect(await fetched('one', 1)).toEqual([code.NONE, 7])
  expect(await fetched(null, -1)).toEqual([code.NONE, 7])
  expect((await fetched('one', 0))[0]).toBe(code.STALE_MEMBER_EPOCH)
  expect((await fetched('two', 1))[0]).toBe(code.UNKNOWN_MEMBER_ID)
})

test('a group is listed by its type and state, and is none of the classic protocol', async () => {
  const { client } = await world()
  const wire = await client()
  await wire.request(consumerGroupHeartbeat, 1, request('one', joining))
  const listed = await wire.request(listGroups, 5, { statesFilter: ['stable'], typesFilter: ['Consumer'] })
  expect(listed.groups).toEqual([{ groupId: 'g', protocolType: 'consumer', groupState: 'Stable', groupType: 'consumer' }])
  expect((await wire.request(listGroups, 5, { statesFilter: [], typesFilter: ['classic'] })).groups).toEqual([])
  const { groups: [told] } = await wire.request(describeGroups, 6, { groups: ['g'] })
  expect(told).toMatchObject({ errorCode: code.GROUP_ID_NOT_FOUND, groupState: 'Dead', errorMessage: 'Group g is not a classic group.' })
  expect((await wire.request(deleteGroups, 2, { groupsNames: ['g'] })).results).toEqual([{ groupId: 'g', errorCode: code.NON_EMPTY_GROUP }])
})

test('members of both protocols and of this process are one group', async () => {
  const { client, log } = await world()
  const wire = await client()
  const [topicId, partitions] = await joined()
  expect(partitions).toEqual([0, 1, 2, 3])
  const old = new WireMember(await client(), 'g', { join: 9, sync: 5 })
  expect(await old.joinOnce()).toBe('MEMBER_ID_REQUIRED')
  expect(await old.joinOnce()).toBe('NONE')
  const owned = (list: number[]): { topicId: string; partitions: number[] }[] => [{ topicId, partitions: list }]
  const revoking = await wire.request(consumerGroupHeartbeat, 1, request('one', { memberEpoch: 1 }))
  const kept = revoking.assignment!.topicPartitions[0]!.partitions
  expect(kept).toHaveLength(2)
  const done = await wire.request(consumerGroupHeartbeat, 1, request('one', { memberEpoch: 1, topicPartitions: owned(kept) }))
  expect(done).toMatchObject({ memberEpoch: 2 })
  const { groups: [told] } = await wire.request(consumerGroupDescribe, 1, { groupIds: ['g'], includeAuthorizedOperations: false })
  expect(told!.members.map(({ memberType }) => memberType).sort()).toEqual([0, 1])
  expect((await log.groups.describe('g')).type).toBe('consumer')

  async function joined(): Promise<[string, number[]]> {
    const { assignment } = await wire.request(consumerGroupHeartbeat, 1, request('one', joining))
    return [assignment!.topicPartitions[0]!.topicId, assignment!.topicPartitions[0]!.partitions]
  }
})

test('a group does as its configs say', async () => {
  const { client } = await world()
  const wire = await client()
  const configs = [{ name: 'consumer.heartbeat.interval.ms', configOperation: 0, value: '7000' }]
  const resources = [{ resourceType: 32, resourceName: 'g', configs }]
  const altered = await wire.request(incrementalAlterConfigs, 1, { resources, validateOnly: false })
  expect(altered.responses[0]!.errorCode).toBe(code.NONE)
  expect(await wire.request(consumerGroupHeartbeat, 1, request('one', joining))).toMatchObject({ heartbeatIntervalMs: 7000 })
})

test('a broker that does not coordinate the group says so', async () => {
  const { client } = await world({ brokers: 3 })
  const answers = await Promise.all([0, 1, 2].map(async (broker) => {
    const wire = await client(broker)
    const { errorCode } = await wire.request(consumerGroupHeartbeat, 1, request('one', joining))
    const { groups: [told] } = await wire.request(consumerGroupDescribe, 1, { groupIds: ['g'], includeAuthorizedOperations: false })
    return [errorCode, told!.errorCode]
  }))
  expect(answers.map(([error, told]) => error === told)).toEqual([true, true, true])
  expect(answers.map(([error]) => error).sort((a, b) => a! - b!)).toEqual([code.NONE, code.NOT_COORDINATOR, code.NOT_COORDINATOR])
})
