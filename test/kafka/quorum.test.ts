/*
 * What Kafka asks of the quorum of its controllers, and of several folders of a broker. The answers are those of a real Kafka 4.1 to the same
 * requests, but for the places of things.
 */
import { expect, test } from 'vitest'
import { kafkaErrors } from '../../src/format/kafka-errors.ts'
import { NO_UUID } from '../../src/format/schema.ts'
import { alterReplicaLogDirs } from '../../src/kafka/apis/34-alter-replica-log-dirs.ts'
import { describeQuorum } from '../../src/kafka/apis/55-describe-quorum.ts'
import { ManualClock } from '../../src/testing/manual-clock.ts'
import { startListener } from './harness.ts'

const { NONE, UNKNOWN_TOPIC_OR_PARTITION, LOG_DIR_NOT_FOUND, REPLICA_NOT_AVAILABLE, CLUSTER_AUTHORIZATION_FAILED } = kafkaErrors
const asked = (topicName: string, ...indexes: number[]) => ({ topicName, partitions: indexes.map((partitionIndex) => ({ partitionIndex })) })

test.each([0, 1, 2])('the controller is the one voter, and the other brokers follow it: version %i', async (version) => {
  const { client, kafka } = await startListener({ brokers: 3, log: { clock: new ManualClock({ now: 5000 }) } })
  const answer = await (await client(2)).request(describeQuorum, version, { topics: [asked('__cluster_metadata', 0)] })
  const [controller, ...others] = kafka.brokers
  const heard = version === 0 ? -1 : 5000
  const state = ({ nodeId: replicaId }: { readonly nodeId: number }) => {
    return { replicaId, replicaDirectoryId: NO_UUID, logEndOffset: 0, lastFetchTimestamp: heard, lastCaughtUpTimestamp: heard }
  }
  expect(answer).toEqual({
    errorCode: NONE, errorMessage: '',
    topics: [{
      topicName: '__cluster_metadata',
      partitions: [{
        partitionIndex: 0, errorCode: NONE, errorMessage: '', leaderId: controller!.nodeId, leaderEpoch: 1, highWatermark: 0,
        currentVoters: [state(controller!)], observers: others.map(state),
      }],
    }],
    nodes: version < 2 ? [] : [{ nodeId: controller!.nodeId, listeners: [{ name: 'PLAINTEXT', host: 'localhost', port: controller!.port }] }],
  })
})

test('there is one partition of metadata, asked for alone', async () => {
  const { client } = await startListener()
  const raw = await client()
  for (const topics of [[asked('__cluster_metadata', 1)], [asked('__cluster_metadata', 0, 1)], [asked('t', 0), asked('__cluster_metadata', 0)]]) {
    const answer = await raw.request(describeQuorum, 2, { topics })
    expect(answer).toMatchObject({ errorCode: NONE, errorMessage: '', nodes: [] })
    expect(answer.topics.map(({ topicName, partitions }) => [topicName, partitions.length])).toEqual(
      topics.map(({ topicName, partitions }) => [topicName, partitions.length]))
    expect(answer.topics.flatMap(({ partitions }) => partitions.map(({ errorCode, errorMessage, leaderId }) => [errorCode, errorMessage, leaderId])))
      .toEqual(topics.flatMap(({ partitions }) => partitions.map(() => {
        return [UNKNOWN_TOPIC_OR_PARTITION, 'This server does not host this topic-partition.', 0]
      })))
  }
  expect(await raw.request(describeQuorum, 0, { topics: [] })).toMatchObject({ errorCode: NONE, topics: [] })
})

test.each([1, 2])('what is to go where it is stays there, and there is no other folder: version %i', async (version) => {
  const { client, log } = await startListener()
  await log.createTopic('t', { partitions: 2 })
  const dirs = [
    { path: log.folder, topics: [{ name: 't', partitions: [0, 5] }, { name: 'none', partitions: [0] }] },
    { path: '/nowhere', topics: [{ name: 't', partitions: [1] }] },
  ]
  const { results } = await (await client()).request(alterReplicaLogDirs, version, { dirs })
  const errors = ([partitionIndex, errorCode]: readonly [number, number]) => ({ partitionIndex, errorCode })
  expect(results).toEqual([
    { topicName: 't', partitions: ([[0, NONE], [5, UNKNOWN_TOPIC_OR_PARTITION], [1, LOG_DIR_NOT_FOUND]] as const).map(errors) },
    { topicName: 'none', partitions: [{ partitionIndex: 0, errorCode: UNKNOWN_TOPIC_OR_PARTITION }] },
  ])
})

test('a partition that is named for two folders is answered once, for the last one', async () => {
  const { client, log } = await startListener()
  await log.createTopic('t', { partitions: 1 })
  const dirs = [{ path: '/nowhere', topics: [{ name: 't', partitions: [0, 0] }] }, { path: log.folder, topics: [{ name: 't', partitions: [0] }] }]
  const { results } = await (await client()).request(alterReplicaLogDirs, 2, { dirs })
  expect(results).toEqual([{ topicName: 't', partitions: [{ partitionIndex: 0, errorCode: NONE }] }])
})

test('a broker that has no replica of a partition cannot move one', async () => {
  const { client, log, kafka } = await startListener({ brokers: 2 })
  await log.createTopic('t', { partitions: 1 })
  const dirs = [{ path: log.folder, topics: [{ name: 't', partitions: [0] }] }]
  const replicas = kafka.cluster.replicas(kafka.cluster.topic('t')!, 0)
  for (const [index, broker] of kafka.cluster.brokers.entries()) {
    const { results } = await (await client(index)).request(alterReplicaLogDirs, 2, { dirs })
    expect(results[0]!.partitions[0]!.errorCode).toBe(replicas.includes(broker) ? NONE : REPLICA_NOT_AVAILABLE)
  }
})

test('who may not ask is told so', async () => {
  const { client, log } = await startListener({ authorizer: { allows: () => false } })
  const raw = await client()
  expect(await raw.request(describeQuorum, 2, { topics: [asked('__cluster_metadata', 0)] })).toMatchObject({
    errorCode: CLUSTER_AUTHORIZATION_FAILED, topics: [],
  })
  const dirs = [{ path: log.folder, topics: [{ name: 't', partitions: [0] }] }]
  expect((await raw.request(alterReplicaLogDirs, 1, { dirs })).results).toEqual([
    { topicName: 't', partitions: [{ partitionIndex: 0, errorCode: CLUSTER_AUTHORIZATION_FAILED }] },
  ])
})
