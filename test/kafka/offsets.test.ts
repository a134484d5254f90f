/*
 * Committed offsets over the wire: committed, fetched and deleted in every version, by members and by those who are none.
 */
import { expect, test } from 'vitest'
import { kafkaErrors } from '../../src/format/kafka-errors.ts'
import { string } from '../../src/index.ts'
import { offsetCommit } from '../../src/kafka/apis/08-offset-commit.ts'
import { offsetFetch } from '../../src/kafka/apis/09-offset-fetch.ts'
import { describeGroups } from '../../src/kafka/apis/15-describe-groups.ts'
import { listGroups } from '../../src/kafka/apis/16-list-groups.ts'
import { offsetDelete } from '../../src/kafka/apis/47-offset-delete.ts'
import { type Authorizer } from '../../src/kafka/security/authorizer.ts'
import { ManualClock } from '../../src/testing/manual-clock.ts'
import { type RawClient, startListener, type TestListener } from './harness.ts'
import { together, WireMember } from './wire-member.ts'

const code = kafkaErrors

/** A listener with the topics `t` and `u` of two partitions each, and the id of `t`. */
async function world(options: { readonly brokers?: number } = {}): Promise<TestListener & { readonly id: string; readonly clock: ManualClock }> {
  const clock = new ManualClock()
  const listener = await startListener({ ...options, log: { clock } })
  for (const name of ['t', 'u']) await listener.log.topic(name, { partitions: 2, key: string, value: string })
  const { cluster } = listener.kafka
  return { ...listener, clock, id: cluster.topicId(cluster.topic('t')!) }
}

/** Commits for partitions of `t`, as nobody's member unless told otherwise; gives the errors. */
async function commit(
  raw: RawClient, version: number, offsets: readonly (readonly [partition: number, offset: number])[], given: {
    name?: string; id?: string; metadata?: string | null; groupId?: string; retentionTimeMs?: number; generationIdOrMemberEpoch?: number
    memberId?: string
  } = {},
): Promise<number[]> {
  const { name = 't', id = '', metadata = null, ...more } = given
  const partitions = offsets.map(([partitionIndex, committedOffset]) => ({ partitionIndex, committedOffset, committedMetadata: metadata }))
  const topics = [version >= 10 ? { topicId: id, partitions } : { name, partitions }]
  const answer = await raw.request(offsetCommit, version, { groupId: 'g', topics, ...more })
  return answer.topics.flatMap((topic) => topic.partitions.map(({ errorCode }) => errorCode))
}

test('whoever is no member commits and fetches in every version', async () => {
  const { client, id } = await world()
  const raw = await client()
  for (let version = 2; version <= 10; version++) {
    expect(await commit(raw, version, [[0, version * 10], [1, version]], { metadata: `m${version}`, id }), `commit ${version}`).toEqual([0, 0])
    expect(await commit(raw, version, [[2, 1]], { id })).toEqual([code.UNKNOWN_TOPIC_OR_PARTITION])
    const asked = { partitionIndexes: [1, 0, 7] }
    const partitions = [
      { partitionIndex: 1, committedOffset: version, committedLeaderEpoch: -1, metadata: `m${version}`, errorCode: 0 },
      { partitionIndex: 0, committedOffset: version * 10, committedLeaderEpoch: -1, metadata: `m${version}`, errorCode: 0 },
      { partitionIndex: 7, committedOffset: -1, committedLeaderEpoch: -1, metadata: '', errorCode: 0 },
    ]
    for (let fetch = 1; fetch <= 10; fetch++) {
      if (fetch < 8) {
        const answer = await raw.request(offsetFetch, fetch, { groupId: 'g', topics: [{ name: 't', ...asked }], requireStable: fetch === 7 })
        expect(answer).toMatchObject({ errorCode: 0, topics: [{ name: 't', partitions }] })
        if (fetch < 2) continue
        const all = await raw.request(offsetFetch, fetch, { groupId: 'g', topics: null })
        expect(all.topics.map(({ partitions: its }) => its.length)).toEqual([2])
      } else {
        const topic = fetch === 10 ? { topicId: id, ...asked } : { name: 't', ...asked }
        const answer = await raw.request(offsetFetch, fetch, {
          groups: [
            { groupId: 'g', topics: [topic] }, { groupId: 'none', topics: [topic] }, { groupId: 'g', topics: null },
            { groupId: 'none', topics: null },
          ],
          requireStable: true,
        })
        expect(answer.groups).toMatchObject([
          { groupId: 'g', errorCode: 0, topics: [{ ...(fetch === 10 ? { topicId: id } : { name: 't' }), partitions }] },
          { groupId: 'none', errorCode: 0, topics: [{ partitions: [{ committedOffset: -1 }, { committedOffset: -1 }, { committedOffset: -1 }] }] },
          { groupId: 'g', errorCode: 0, topics: [{ partitions: [{}, {}] }] },
          { groupId: 'none', errorCode: 0, topics: [] },
        ])
      }
    }
  }
  expect((await raw.request(listGroups, 5, {})).groups).toEqual([
    { groupId: 'g', protocolType: '', groupState: 'Empty', groupType: 'classic' },
  ])
  expect((await raw.request(describeGroups, 6, { groups: ['g'] })).groups).toMatchObject([{ groupState: 'Empty', protocolType: '', members: [] }])
})

test('all offsets of a group that one request asks for twice are told once', async () => {
  const { client } = await world()
  const asked = { groupId: 'g', topics: null }
  const { groups } = await (await client()).request(offsetFetch, 8, { groups: [asked, { groupId: 'h', topics: null }, asked], requireStable: false })
  expect(groups.map(({ groupId }) => groupId)).toEqual(['g', 'h'])
})

test('each partition has its own error, and those that are right are committed', async () => {
  const { client } = await world()
  const raw = await client()
  const answer = await raw.request(offsetCommit, 9, {
    groupId: 'g', topics: [
      { name: 't', partitions: [
        { partitionIndex: 0, committedOffset: 5, committedMetadata: 'x'.repeat(4097) },
        { partitionIndex: 9, committedOffset: 5, committedMetadata: '' },
        { partitionIndex: 1, committedOffset: 6, committedLeaderEpoch: 3, committedMetadata: 'x'.repeat(4096) },
      ] },
      { name: 'none', partitions: [{ partitionIndex: 0, committedOffset: 5, committedMetadata: '' }] },
    ],
  })
  expect(answer.topics).toMatchObject([
    { name: 't', partitions: [
      { partitionIndex: 9, errorCode: code.UNKNOWN_TOPIC_OR_PARTITION }, { partitionIndex: 0, errorCode: code.OFFSET_METADATA_TOO_LARGE },
      { partitionIndex: 1, errorCode: code.NONE },
    ] },
    { name: 'none', partitions: [{ errorCode: code.UNKNOWN_TOPIC_OR_PARTITION }] },
  ])
  const fetched = await raw.request(offsetFetch, 5, { groupId: 'g', topics: null })
  expect(fetched.topics).toMatchObject([{ name: 't', partitions: [{ partitionIndex: 1, committedOffset: 6, committedLeaderEpoch: 3 }] }])
  const topicId = 'BBBBBBBBBBBBBBBBBBBBBA'
  expect(await commit(raw, 10, [[0, 1]], { id: topicId })).toEqual([code.UNKNOWN_TOPIC_ID])
  const nowhere = await raw.request(offsetFetch, 10, { groups: [{ groupId: 'g', topics: [{ topicId, partitionIndexes: [0] }] }] })
  expect(nowhere.groups[0]).toMatchObject({ errorCode: 0, topics: [{ partitions: [{ errorCode: code.UNKNOWN_TOPIC_ID, committedOffset: -1 }] }] })
})

test('members commit in their generation, and nobody else does while there are some', async () => {
  const { client } = await world()
  const [one, two] = [new WireMember(await client(), 'g'), new WireMember(await client(), 'g')]
  await together(one)
  expect(await one.commit(0, 5)).toBe('NONE')
  const raw = await client()
  expect(await commit(raw, 9, [[0, 6]])).toEqual([code.UNKNOWN_MEMBER_ID])
  expect(await commit(raw, 9, [[0, 6]], { memberId: one.memberId, generationIdOrMemberEpoch: 7 })).toEqual([code.ILLEGAL_GENERATION])
  expect(await commit(raw, 9, [[0, 6]], { memberId: 'nobody', generationIdOrMemberEpoch: 1 })).toEqual([code.UNKNOWN_MEMBER_ID])
  // A group that is not there.
  expect(await commit(raw, 8, [[0, 6]], { groupId: 'none', generationIdOrMemberEpoch: 1 })).toEqual([code.ILLEGAL_GENERATION])
  expect(await commit(raw, 9, [[0, 6]], { groupId: 'none', generationIdOrMemberEpoch: 1 })).toEqual([code.GROUP_ID_NOT_FOUND])
  // While others join a member still has what it had; once they have, it must ask for its assignment first.
  const joining = two.join()
  while (await one.heartbeat() === 'NONE');
  expect(await one.commit(0, 6)).toBe('NONE')
  expect(await one.joinOnce()).toBe('NONE')
  expect(await joining).toBe('NONE')
  expect(await one.commit(0, 7)).toBe('REBALANCE_IN_PROGRESS')
  const fetched = await raw.request(offsetFetch, 8, { groups: [{ groupId: 'g', topics: [{ name: 't', partitionIndexes: [0] }] }] })
  expect(fetched.groups[0]!.topics[0]!.partitions[0]).toMatchObject({ committedOffset: 6 })
})

test('an offset is kept for as long as its commit said, where it could say so', async () => {
  const { client, clock } = await world()
  const raw = await client()
  expect(await commit(raw, 2, [[0, 1]], { retentionTimeMs: 60_000 })).toEqual([0])
  expect(await commit(raw, 4, [[1, 1]], { retentionTimeMs: -1 })).toEqual([0])
  await clock.advance(700_000)
  const { topics } = await (await client()).request(offsetFetch, 5, { groupId: 'g', topics: null })
  expect(topics.map(({ partitions }) => partitions.map(({ partitionIndex }) => partitionIndex))).toEqual([[1]])
})

test('offsets of topics that no member reads are deleted', async () => {
  const { client } = await world()
  const one = new WireMember(await client(), 'g')
  const raw = await client()
  expect(await commit(raw, 9, [[0, 1], [1, 1]])).toEqual([0, 0])
  expect(await commit(raw, 9, [[0, 1]], { name: 'u' })).toEqual([0])
  await together(one)
  const partitions = [{ partitionIndex: 0 }, { partitionIndex: 5 }]
  const first = [{ partitionIndex: 0 }]
  const asked = { groupId: 'g', topics: [{ name: 't', partitions }, { name: 'none', partitions: first }, { name: 'u', partitions }] }
  const answer = await raw.request(offsetDelete, 0, asked)
  expect(answer).toMatchObject({
    errorCode: 0, topics: [
      { name: 't', partitions: [
        { partitionIndex: 5, errorCode: code.UNKNOWN_TOPIC_OR_PARTITION }, { partitionIndex: 0, errorCode: code.GROUP_SUBSCRIBED_TO_TOPIC },
      ] },
      { name: 'none', partitions: [{ errorCode: code.UNKNOWN_TOPIC_OR_PARTITION }] },
      { name: 'u', partitions: [{ partitionIndex: 5, errorCode: code.UNKNOWN_TOPIC_OR_PARTITION }, { partitionIndex: 0, errorCode: 0 }] },
    ],
  })
  const left = await raw.request(offsetFetch, 5, { groupId: 'g', topics: null })
  expect(left.topics.map(({ name }) => name)).toEqual(['t'])
  expect(await raw.request(offsetDelete, 0, { ...asked, groupId: 'none' })).toMatchObject({ errorCode: code.GROUP_ID_NOT_FOUND, topics: [] })
  expect(await raw.request(offsetDelete, 0, { ...asked, groupId: '' })).toMatchObject({ errorCode: code.INVALID_GROUP_ID })
})

test('who may not read a group or a topic is told so, part by part', async () => {
  const { client, kafka } = await world()
  const raw = await client()
  expect(await commit(raw, 9, [[0, 1]])).toEqual([0])
  expect(await commit(raw, 9, [[0, 1]], { name: 'u' })).toEqual([0])
  const authorizer: Authorizer = { allows: (_peer, _operation, _type, name) => name !== 'u' && name !== 'secret' }
  Object.assign(kafka.cluster, { authorizer, discreet: authorizer })
  expect(await commit(raw, 9, [[0, 2]], { groupId: 'secret' })).toEqual([code.GROUP_AUTHORIZATION_FAILED])
  expect(await commit(raw, 9, [[0, 2]], { name: 'u' })).toEqual([code.TOPIC_AUTHORIZATION_FAILED])
  const topics = [{ name: 'u', partitionIndexes: [0] }, { name: 't', partitionIndexes: [0] }]
  expect((await raw.request(offsetFetch, 5, { groupId: 'g', topics })).topics).toMatchObject([
    { name: 't', partitions: [{ committedOffset: 1, errorCode: 0 }] }, { name: 'u', partitions: [{ errorCode: code.TOPIC_AUTHORIZATION_FAILED }] },
  ])
  expect((await raw.request(offsetFetch, 5, { groupId: 'g', topics: null })).topics.map(({ name }) => name)).toEqual(['t'])
  expect(await raw.request(offsetFetch, 1, { groupId: 'secret', topics })).toMatchObject({
    topics: [{ partitions: [{ errorCode: code.GROUP_AUTHORIZATION_FAILED, committedOffset: -1 }] }, { partitions: [{}] }],
  })
  expect(await raw.request(offsetFetch, 2, { groupId: 'secret', topics })).toMatchObject({ errorCode: code.GROUP_AUTHORIZATION_FAILED, topics: [] })
  expect((await raw.request(describeGroups, 6, { groups: ['g', 'secret'] })).groups).toMatchObject([
    { groupId: 'secret', errorCode: code.GROUP_AUTHORIZATION_FAILED }, { groupId: 'g', errorCode: 0 },
  ])
})

test('offsets go to the broker that coordinates the group', async () => {
  const { kafka, client } = await world({ brokers: 2 })
  const { nodeId } = kafka.cluster.coordinator('group', 'g')
  const other = await client(kafka.brokers.findIndex((broker) => broker.nodeId !== nodeId))
  expect(await commit(other, 9, [[0, 1]])).toEqual([code.NOT_COORDINATOR])
  expect(await other.request(offsetFetch, 5, { groupId: 'g', topics: null })).toMatchObject({ errorCode: code.NOT_COORDINATOR })
  const right = await client(kafka.brokers.findIndex((broker) => broker.nodeId === nodeId))
  expect(await commit(right, 9, [[0, 1]])).toEqual([0])
})
