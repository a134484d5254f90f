import { expect, test } from 'vitest'
import { encodeBatch } from '../../src/format/batch.ts'
import { kafkaErrorName } from '../../src/format/kafka-errors.ts'
import { listOffsets } from '../../src/kafka/apis/02-list-offsets.ts'
import { apiVersions } from '../../src/kafka/apis/18-api-versions.ts'
import { deleteRecords } from '../../src/kafka/apis/21-delete-records.ts'
import { offsetForLeaderEpoch } from '../../src/kafka/apis/23-offset-for-leader-epoch.ts'
import { type PartitionLog } from '../../src/log/partition-log.ts'
import { type TopicSettings } from '../../src/topics/settings.ts'
import { type RawClient, startListener, type TestListener } from './harness.ts'

const LATEST = -1
const EARLIEST = -2
const MAX_TIMESTAMP = -3
const EARLIEST_LOCAL = -4
const LATEST_TIERED = -5
const EARLIEST_PENDING = -6

test('both ends and times are found, in every version that knows how to ask', async () => {
  const { raw, log } = await withRecords([10, 30, 20, 40])
  await log.deleteRecords(1)
  for (let version = 1; version <= 11; version++) {
    const epoch = version < 4 ? -1 : 0
    expect(await asked(raw, version, LATEST)).toEqual([0, 4, -1, epoch])
    expect(await asked(raw, version, EARLIEST)).toEqual([0, 1, -1, epoch])
    expect(await asked(raw, version, 15)).toEqual([0, 1, 30, epoch])
    expect(await asked(raw, version, 31)).toEqual([0, 3, 40, epoch])
    expect(await asked(raw, version, 41)).toEqual([0, -1, -1, -1])
    const unsupported = [35, -1, -1, -1]
    expect(await asked(raw, version, MAX_TIMESTAMP)).toEqual(version < 7 ? unsupported : [0, 3, 40, epoch])
    expect(await asked(raw, version, EARLIEST_LOCAL)).toEqual(version < 8 ? unsupported : [0, 1, -1, epoch])
    expect(await asked(raw, version, LATEST_TIERED)).toEqual(version < 9 ? unsupported : [0, -1, -1, -1])
    expect(await asked(raw, version, EARLIEST_PENDING)).toEqual(version < 11 ? unsupported : [0, -1, -1, -1])
    expect(await asked(raw, version, -7)).toEqual(unsupported)
  }
})

test('version 0 is served, and nobody is told of it', async () => {
  const { raw } = await withRecords([10, 20])
  const { apiKeys } = await raw.request(apiVersions, 0, {})
  expect(apiKeys.find(({ apiKey }) => apiKey === 2)).toMatchObject({ minVersion: 1, maxVersion: 11 })
  const { topics } = await raw.request(listOffsets, 0, {
    replicaId: -1, topics: [{ name: 'orders', partitions: [{ partitionIndex: 0, timestamp: LATEST, maxNumOffsets: 1 }] }],
  })
  expect(topics[0]!.partitions).toMatchObject([{ errorCode: 0, oldStyleOffsets: [2] }])
})

test('readers of committed records are told where those end', async () => {
  const { raw, log } = await withRecords([10, 20])
  log.appendBatch(encodeBatch([{ timestamp: 90, value: null }], { producerId: 1n, producerEpoch: 0, baseSequence: 0, transactional: true }))
  await log.flush()
  expect(await asked(raw, 7, LATEST, { isolationLevel: 1 })).toEqual([0, 2, -1, 0])
  expect(await asked(raw, 7, LATEST)).toEqual([0, 3, -1, 0])
  expect(await asked(raw, 7, 50, { isolationLevel: 1 })).toEqual([0, -1, -1, -1])
  expect(await asked(raw, 7, 50)).toEqual([0, 2, 90, 0])
})

test('each partition that cannot be told of has its own error', async () => {
  const { raw, listener } = await withRecords([10], {}, 2)
  const { topics } = await raw.request(listOffsets, 7, {
    replicaId: -1, topics: [
      { name: 'missing', partitions: [{ partitionIndex: 0, timestamp: LATEST }] },
      { name: 'orders', partitions: [
        { partitionIndex: 0, timestamp: LATEST }, { partitionIndex: 9, timestamp: LATEST }, { partitionIndex: 1, timestamp: LATEST },
        { partitionIndex: 1, timestamp: EARLIEST },
      ] },
      { name: 'orders', partitions: [{ partitionIndex: 8, timestamp: LATEST, currentLeaderEpoch: 3 }] },
    ],
  })
  expect(topics.map(({ partitions }) => partitions.map(({ errorCode }) => kafkaErrorName(errorCode)))).toEqual([
    ['UNKNOWN_TOPIC_OR_PARTITION'], ['NONE', 'UNKNOWN_TOPIC_OR_PARTITION', 'INVALID_REQUEST'], ['UNKNOWN_TOPIC_OR_PARTITION'],
  ])
  expect((await asked(raw, 7, LATEST, { currentLeaderEpoch: 3 }))[0]).toBe(75)
  Object.assign(listener.kafka.cluster, { authorizer: { allows: () => false } })
  expect((await asked(raw, 7, LATEST))[0]).toBe(29)
})

test('only the leader answers, unless somebody looks for faults', async () => {
  const { listener } = await withRecords([10], {}, 1, 2)
  const { cluster, brokers } = listener.kafka
  const lead = cluster.leader(cluster.topic('orders')!, 0).nodeId
  const raw = await listener.client(brokers.findIndex(({ nodeId }) => nodeId !== lead))
  expect((await asked(raw, 7, LATEST))[0]).toBe(6)
  expect(await asked(raw, 7, LATEST, { replicaId: -2 })).toEqual([0, 1, -1, 0])
  expect(await epochEnd(raw, 3, 0)).toMatchObject({ errorCode: 6, endOffset: -1 })
})

test('records below an offset are deleted, up to the watermark; the errors are Kafka’s', async () => {
  const { raw, log, listener } = await withRecords([1, 2, 3, 4])
  await listener.kafka.cluster.createTopic('compacted', { partitions: 1, settings: { cleanupPolicy: 'compact' } })
  const results = async (version: number, name: string, offset: number, partitionIndex = 0) => {
    const { topics } = await raw.request(deleteRecords, version, { topics: [{ name, partitions: [{ partitionIndex, offset }] }], timeoutMs: 1000 })
    const { errorCode, lowWatermark } = topics[0]!.partitions[0]!
    return [kafkaErrorName(errorCode), lowWatermark]
  }
  expect(await results(0, 'orders', 1)).toEqual(['NONE', 1])
  expect(await results(1, 'orders', 0)).toEqual(['NONE', 1])
  expect(await results(2, 'orders', 5)).toEqual(['OFFSET_OUT_OF_RANGE', -1])
  expect(await results(2, 'orders', -2)).toEqual(['OFFSET_OUT_OF_RANGE', -1])
  expect(await results(2, 'orders', -1)).toEqual(['NONE', 4])
  expect(await results(2, 'orders', 0, 3)).toEqual(['UNKNOWN_TOPIC_OR_PARTITION', -1])
  expect(await results(2, 'missing', 0)).toEqual(['UNKNOWN_TOPIC_OR_PARTITION', -1])
  expect(await results(2, 'compacted', 0)).toEqual(['POLICY_VIOLATION', -1])
  expect(log.startOffset).toBe(4)
  Object.assign(listener.kafka.cluster, { authorizer: { allows: () => false } })
  expect(await results(2, 'orders', 0)).toEqual(['TOPIC_AUTHORIZATION_FAILED', -1])
})

test('an epoch ends where the next one begins', async () => {
  const { raw, log } = await withRecords([1, 2, 3, 4])
  await log.truncateTo(3)
  const { leaderEpoch } = log
  log.appendBatch(encodeBatch([{ value: null }]))
  await log.flush()
  for (let version = 2; version <= 4; version++) {
    expect(await epochEnd(raw, version, 0)).toMatchObject({ errorCode: 0, partition: 0, leaderEpoch: 0, endOffset: 3 })
    expect(await epochEnd(raw, version, leaderEpoch, leaderEpoch)).toMatchObject({ errorCode: 0, leaderEpoch, endOffset: 4 })
    expect(await epochEnd(raw, version, leaderEpoch + 1)).toMatchObject({ errorCode: 0, leaderEpoch: -1, endOffset: -1 })
    expect(await epochEnd(raw, version, 0, leaderEpoch + 1)).toMatchObject({ errorCode: 75 })
    expect(await epochEnd(raw, version, 0, leaderEpoch - 1)).toMatchObject({ errorCode: 74 })
  }
})

interface AskOptions {
  readonly isolationLevel?: number
  readonly replicaId?: number
  readonly currentLeaderEpoch?: number
}

/** Error, offset, timestamp and epoch that are answered for one partition. */
async function asked(raw: RawClient, version: number, timestamp: number, options: AskOptions = {}) {
  const { isolationLevel = 0, replicaId = -1, currentLeaderEpoch = -1 } = options
  const { topics } = await raw.request(listOffsets, version, {
    replicaId, isolationLevel, topics: [{ name: 'orders', partitions: [{ partitionIndex: 0, timestamp, currentLeaderEpoch }] }],
  })
  const { errorCode, offset, timestamp: time, leaderEpoch } = topics[0]!.partitions[0]!
  return [errorCode, offset, time, leaderEpoch]
}

async function epochEnd(raw: RawClient, version: number, leaderEpoch: number, currentLeaderEpoch = -1) {
  const { topics } = await raw.request(offsetForLeaderEpoch, version, {
    replicaId: -1, topics: [{ topic: 'orders', partitions: [{ partition: 0, currentLeaderEpoch, leaderEpoch }] }],
  })
  return topics[0]!.partitions[0]!
}

/** A topic with a batch for each timestamp in its partition 0. */
async function withRecords(timestamps: readonly number[], settings: TopicSettings = {}, partitions = 1, brokers = 1): Promise<{
  listener: TestListener
  raw: RawClient
  log: PartitionLog
}> {
  const listener = await startListener({ brokers })
  await listener.kafka.cluster.createTopic('orders', { partitions, settings: { messageTimestampAfterMaxMs: Infinity, ...settings } })
  const log = listener.kafka.cluster.openNow('orders')!.logs[0]!
  for (const timestamp of timestamps) log.appendBatch(encodeBatch([{ timestamp, value: null }]))
  await log.flush()
  return { listener, raw: await listener.client(), log }
}
