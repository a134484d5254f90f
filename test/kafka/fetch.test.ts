import { expect, test } from 'vitest'
import { batchDamage, encodeBatch, type EncodeBatchOptions, readBatchHeader } from '../../src/format/batch.ts'
import { kafkaErrorName } from '../../src/format/kafka-errors.ts'
import { type Encodable } from '../../src/format/schema.ts'
import { produce } from '../../src/kafka/apis/00-produce.ts'
import { fetch } from '../../src/kafka/apis/01-fetch.ts'
import { apiVersions } from '../../src/kafka/apis/18-api-versions.ts'
import { ManualClock } from '../../src/testing/manual-clock.ts'
import { type PartitionLog } from '../../src/log/partition-log.ts'
import { type TopicSettings } from '../../src/topics/settings.ts'
import { type RawClient, startListener, type TestListener } from './harness.ts'

type FetchRequest = Encodable<typeof fetch.request>
type Ask = Partial<FetchRequest['topics'][number]['partitions'][number]>

const NOW = Date.UTC(2026, 0, 1)
const value = Buffer.alloc(100, 7)

test('stored batches come back as they are stored, in every version', async () => {
  const { raw, log, ask } = await withTopic()
  for (let count = 0; count < 3; count++) log().appendBatch(batch(2))
  await log().flush()
  const stored = (await log().readBatches({ from: 2, maxBytes: 10_000 })).records
  for (let version = 4; version <= 18; version++) {
    const { errorCode, sessionId, responses } = await raw.request(fetch, version, ask({ fetchOffset: 3 }, version))
    expect([errorCode, sessionId, responses.length]).toEqual([0, 0, 1])
    expect(responses[0]!.partitions).toMatchObject([{
      partitionIndex: 0, errorCode: 0, highWatermark: 6, lastStableOffset: 6, logStartOffset: version < 5 ? -1 : 0, abortedTransactions: null,
      preferredReadReplica: -1, divergingEpoch: { epoch: -1, endOffset: -1 }, currentLeader: { leaderId: -1, leaderEpoch: -1 },
    }])
    expect(responses[0]!.partitions[0]!.records!.equals(stored)).toBe(true)
  }
})

test('where nothing is there are no bytes, and not null', async () => {
  const { raw, ask } = await withTopic()
  for (const version of [4, 11, 12, 18]) {
    const { responses } = await raw.request(fetch, version, ask({ fetchOffset: 0 }, version))
    expect(responses[0]!.partitions[0]!.records).toEqual(Buffer.alloc(0))
  }
})

test('each partition has its own error, and the others have their records', async () => {
  const { raw, log, listener } = await withTopic({}, 5)
  for (let partition = 0; partition < 5; partition++) log(partition).appendBatch(batch(1))
  await log().flush()
  const asked: Ask[] = [
    { fetchOffset: 0 }, { fetchOffset: 2 }, { fetchOffset: 0, currentLeaderEpoch: 7 }, { fetchOffset: -1 }, { fetchOffset: Number.MAX_SAFE_INTEGER },
    {},
  ]
  const answer = await raw.request(fetch, 12, {
    ...LIMITS, topics: [
      { topic: 'missing', partitions: [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 1000 }] },
      { topic: 'orders', partitions: asked.map((one, partition) => ({ partition, fetchOffset: 0, partitionMaxBytes: 1000, ...one })) },
    ],
  })
  // What is not there comes behind the rest.
  expect(answer.responses.map(({ topic, partitions }) => [topic, partitions.map(({ errorCode }) => kafkaErrorName(errorCode))])).toEqual([
    ['orders', ['NONE', 'OFFSET_OUT_OF_RANGE', 'UNKNOWN_LEADER_EPOCH', 'OFFSET_OUT_OF_RANGE', 'OFFSET_OUT_OF_RANGE']],
    ['missing', ['UNKNOWN_TOPIC_OR_PARTITION']], ['orders', ['UNKNOWN_TOPIC_OR_PARTITION']],
  ])
  expect(answer.responses[0]!.partitions[1]).toMatchObject({ highWatermark: -1, lastStableOffset: -1, logStartOffset: -1, abortedTransactions: null })
  expect(answer.responses[0]!.partitions[0]!.records!.length).toBeGreaterThan(100)
  const byId = await raw.request(fetch, 13, {
    ...LIMITS, topics: [{ topicId: 'AAAAAAAAAAAAAAAAAAAAAQ', partitions: [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 1000 }] }],
  })
  expect(byId.responses).toMatchObject([{ topicId: 'AAAAAAAAAAAAAAAAAAAAAQ', partitions: [{ errorCode: 100 }] }])
  Object.assign(listener.kafka.cluster, { authorizer: { allows: () => false } })
  const refused = await raw.request(fetch, 12, {
    ...LIMITS, topics: [{ topic: 'orders', partitions: [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 9 }] }],
  })
  expect(refused).toMatchObject({ responses: [{ partitions: [{ errorCode: 29 }] }] })
})

test('old epochs are fenced, and the leader is named; so it is by a broker that does not lead', async () => {
  const { log, ask, listener } = await withTopic({}, 2, 2)
  const { cluster, brokers } = listener.kafka
  const lead = cluster.leader(cluster.topic('orders')!, 0).nodeId
  const index = brokers.findIndex(({ nodeId }) => nodeId === lead)
  await log().truncateTo(0)
  log().appendBatch(batch(1))
  await log().flush()
  await log().truncateTo(0)
  const epoch = log().leaderEpoch
  expect(epoch).toBeGreaterThan(0)
  const { host, port } = brokers[index]!
  const fenced = await (await listener.client(index)).request(fetch, 16, ask({ fetchOffset: 0, currentLeaderEpoch: epoch - 1 }, 16))
  expect(fenced).toMatchObject({
    responses: [{ partitions: [{ errorCode: 74, currentLeader: { leaderId: lead, leaderEpoch: epoch } }] }],
    nodeEndpoints: [{ nodeId: lead, host, port, rack: null }],
  })
  const elsewhere = await listener.client(1 - index)
  expect(await elsewhere.request(fetch, 16, ask({ fetchOffset: 0 }, 16))).toMatchObject({
    responses: [{ partitions: [{ errorCode: 6, currentLeader: { leaderId: lead, leaderEpoch: epoch } }] }], nodeEndpoints: [{ nodeId: lead, port }],
  })
  const older = await elsewhere.request(fetch, 12, ask({ fetchOffset: 0 }, 12))
  expect(older).toMatchObject({ responses: [{ partitions: [{ errorCode: 6 }] }], nodeEndpoints: [] })
})

test('who has read what was cut is told where its history ends', async () => {
  const { raw, log, ask } = await withTopic()
  for (let count = 0; count < 5; count++) log().appendBatch(batch(1))
  await log().flush()
  const { leaderEpoch } = log()
  await log().truncateTo(3)
  log().appendBatch(batch(4))
  await log().flush()
  const diverging = await raw.request(fetch, 12, ask({ fetchOffset: 5, lastFetchedEpoch: leaderEpoch }, 12))
  expect(diverging.responses[0]!.partitions).toMatchObject([{ errorCode: 0, divergingEpoch: { epoch: leaderEpoch, endOffset: 3 }, highWatermark: 7 }])
  const agreeing = await raw.request(fetch, 12, ask({ fetchOffset: 3, lastFetchedEpoch: leaderEpoch }, 12))
  expect(agreeing.responses[0]!.partitions).toMatchObject([{ errorCode: 0, divergingEpoch: { epoch: -1, endOffset: -1 } }])
  const unknown = await raw.request(fetch, 12, ask({ fetchOffset: 3, lastFetchedEpoch: leaderEpoch + 9 }, 12))
  expect(unknown.responses[0]!.partitions[0]!.errorCode).toBe(1)
})

test('the answer is as large as allowed, its first batch always whole, partitions in the order asked', async () => {
  const { raw, log } = await withTopic({}, 3)
  const size = batch(1).length
  for (let partition = 0; partition < 3; partition++) for (let count = 0; count < 4; count++) log(partition).appendBatch(batch(1))
  await log(2).flush()
  const counts = async (maxBytes: number, partitionMaxBytes: number): Promise<number[]> => {
    const partitions = [2, 0, 1].map((partition) => ({ partition, fetchOffset: 0, partitionMaxBytes }))
    const { responses } = await raw.request(fetch, 11, { ...LIMITS, maxBytes, topics: [{ topic: 'orders', partitions }] })
    expect(responses[0]!.partitions.map(({ partitionIndex }) => partitionIndex)).toEqual([2, 0, 1])
    return responses[0]!.partitions.map(({ records }) => records!.length / size)
  }
  expect(await counts(1, 1)).toEqual([1, 0, 0])
  expect(await counts(size * 5, size * 2)).toEqual([2, 2, 1])
  expect(await counts(1_000_000, 1_000_000)).toEqual([4, 4, 4])
  expect(await counts(size * 6 - 1, 1_000_000)).toEqual([4, 1, 0])
})

test('an answer has no more bytes than fetch.max.bytes of Kafka, whatever the client wants', async () => {
  const { raw, log } = await withTopic({}, 3)
  const large = encodeBatch([{ timestamp: NOW, value: Buffer.alloc(1_000_000) }])
  for (let count = 0; count < 60; count++) {
    log(count % 3).appendBatch(large)
    await log(count % 3).flush()
  }
  const partitions = [0, 1, 2].map((partition) => ({ partition, fetchOffset: 0, partitionMaxBytes: 0x7fff_ffff }))
  const { responses } = await raw.request(fetch, 11, {
    ...LIMITS, minBytes: 0x7fff_ffff, maxBytes: 0x7fff_ffff, topics: [{ topic: 'orders', partitions }],
  })
  const bytes = responses[0]!.partitions.reduce((sum, { records }) => sum + records!.length, 0)
  expect(bytes).toBeGreaterThan(50_000_000)
  expect(bytes).toBeLessThanOrEqual(55 * 1024 * 1024)
})

test('readers of committed records get no further than the first open transaction, and the list of the aborted ones', async () => {
  const { raw, log, ask } = await withTopic()
  const data = (producerId: bigint): void => void log().appendBatch(batch(1, { producerId, producerEpoch: 0, baseSequence: 0, transactional: true }))
  data(1n)
  data(2n)
  log().endTransaction({ producerId: 1n, producerEpoch: 0, coordinatorEpoch: 0, type: 'ABORT' })
  await log().flush()
  const committed = async () => (await raw.request(fetch, 12, { ...ask({ fetchOffset: 0 }, 12), isolationLevel: 1 })).responses[0]!.partitions[0]!
  expect(await committed()).toMatchObject({ highWatermark: 3, lastStableOffset: 1, abortedTransactions: [{ producerId: 1n, firstOffset: 0 }] })
  expect(readBatchHeader((await committed()).records!, 0, 1000).size).toBe((await committed()).records!.length)
  log().endTransaction({ producerId: 2n, producerEpoch: 0, coordinatorEpoch: 0, type: 'COMMIT' })
  await log().flush()
  expect(await committed()).toMatchObject({ lastStableOffset: 4, abortedTransactions: [{ producerId: 1n, firstOffset: 0 }] })
  const behind = await raw.request(fetch, 12, { ...ask({ fetchOffset: 4 }, 12), isolationLevel: 1 })
  expect(behind.responses[0]!.partitions).toMatchObject([{ abortedTransactions: [], records: Buffer.alloc(0) }])
})

test('a fetch waits until there is enough, or its time is over', async () => {
  const { raw, log, ask, clock, listener } = await withTopic()
  const other = await listener.client()
  const size = batch(1).length
  const asked = (minBytes: number): FetchRequest => ({ ...ask({ fetchOffset: 0 }, 12), minBytes, maxWaitMs: 500 })
  let answered = 0
  const waiting = raw.request(fetch, 12, asked(size * 3)).then((answer) => {
    answered++
    return answer
  })
  for (let count = 0; count < 3; count++) {
    await other.request(apiVersions, 0, {})
    expect(answered).toBe(0)
    log().appendBatch(batch(1))
    await log().flush()
  }
  expect((await waiting).responses[0]!.partitions[0]!.records!.length).toBe(size * 3)
  const late = raw.request(fetch, 12, asked(size * 4))
  await other.request(apiVersions, 0, {})
  await clock.advance(500)
  expect((await late).responses[0]!.partitions[0]!.records!.length).toBe(size * 3)
})

test('a fetch that waits is answered when its topic goes', async () => {
  const { raw, ask, listener } = await withTopic()
  const waiting = raw.request(fetch, 12, { ...ask({ fetchOffset: 0 }, 12), maxWaitMs: 60_000 })
  await (await listener.client()).request(apiVersions, 0, {})
  await listener.kafka.cluster.core.admin.delete('orders')
  expect(kafkaErrorName((await waiting).responses[0]!.partitions[0]!.errorCode)).toBe('UNKNOWN_TOPIC_OR_PARTITION')
})

test('nothing is left of a wait whose connection has gone', async () => {
  const { raw, log, ask, listener, clock } = await withTopic()
  const waiting = raw.request(fetch, 12, { ...ask({ fetchOffset: 0 }, 12), maxWaitMs: 60_000 }).catch(() => 'gone')
  const other = await listener.client()
  await other.request(apiVersions, 0, {})
  const timers = clock.timers
  await raw.close()
  expect(await waiting).toBe('gone')
  await other.request(apiVersions, 0, {})
  expect(clock.timers).toBeLessThan(timers)
  log().appendBatch(batch(1))
  await log().flush()
})

test('a session is told only what differs, and answers only that', async () => {
  const { raw, log } = await withTopic({}, 3)
  const topics = (...partitions: number[]): FetchRequest['topics'] => [{
    topic: 'orders', partitions: partitions.map((partition) => ({ partition, fetchOffset: log(partition).nextOffset, partitionMaxBytes: 10_000 })),
  }]
  const { sessionId, responses } = await raw.request(fetch, 11, { ...LIMITS, sessionId: 0, sessionEpoch: 0, topics: topics(0, 1, 2) })
  expect(sessionId).toBeGreaterThan(0)
  expect(responses[0]!.partitions).toHaveLength(3)
  const next = async (sessionEpoch: number, more: Partial<FetchRequest> = {}) => {
    const answer = await raw.request(fetch, 11, { ...LIMITS, sessionId, sessionEpoch, topics: [], ...more })
    const parts = answer.responses.flatMap(({ partitions }) => partitions.map(({ partitionIndex }) => partitionIndex))
    return { error: kafkaErrorName(answer.errorCode), parts }
  }
  expect(await next(1)).toEqual({ error: 'NONE', parts: [] })
  log(1).appendBatch(batch(1))
  await log(1).flush()
  expect(await next(2)).toEqual({ error: 'NONE', parts: [1] })
  // The client has not moved on: it gets the records again, behind the others.
  log(0).appendBatch(batch(1))
  await log(0).flush()
  expect(await next(3)).toEqual({ error: 'NONE', parts: [0, 1] })
  expect(await next(4, { topics: topics(0, 1) })).toEqual({ error: 'NONE', parts: [] })
  log(2).appendBatch(batch(1))
  await log(2).flush()
  expect(await next(5, { forgottenTopicsData: [{ topic: 'orders', partitions: [2] }] })).toEqual({ error: 'NONE', parts: [] })
  expect(await next(5)).toEqual({ error: 'INVALID_FETCH_SESSION_EPOCH', parts: [] })
  expect(await next(6, { sessionId: sessionId ^ 1 })).toEqual({ error: 'FETCH_SESSION_ID_NOT_FOUND', parts: [] })
  const byId = await raw.request(fetch, 13, { ...LIMITS, sessionId, sessionEpoch: 6, topics: [] })
  expect(kafkaErrorName(byId.errorCode)).toBe('FETCH_SESSION_TOPIC_ID_ERROR')
  expect((await raw.request(fetch, 11, { ...LIMITS, sessionId, sessionEpoch: -1, topics: topics(0) })).sessionId).toBe(0)
  expect(await next(6)).toEqual({ error: 'FETCH_SESSION_ID_NOT_FOUND', parts: [] })
})

test('a session goes on with a partition once its error is gone', async () => {
  const { raw, listener } = await withTopic()
  const partitions = [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 1000 }]
  const { sessionId } = await raw.request(fetch, 12, { ...LIMITS, sessionId: 0, sessionEpoch: 0, topics: [{ topic: 'later', partitions }] })
  const next = async (sessionEpoch: number): Promise<number[]> => {
    const { responses } = await raw.request(fetch, 12, { ...LIMITS, sessionId, sessionEpoch, topics: [] })
    return responses.flatMap(({ partitions }) => partitions.map(({ errorCode }) => errorCode))
  }
  expect(await next(1)).toEqual([3])
  await listener.kafka.cluster.createTopic('later', { partitions: 1, settings: {} })
  expect(await next(2)).toEqual([0])
  expect(await next(3)).toEqual([])
})

test('old records come from files as the new ones come from memory', async () => {
  const { raw, log, ask } = await withTopic({ segmentBytes: 300_000 })
  const large = encodeBatch([{ timestamp: NOW, value: Buffer.alloc(40_000, 1) }])
  for (let count = 0; count < 120; count++) log().appendBatch(large)
  await log().flush()
  let from = 0
  for (let rounds = 0; from < 120; rounds++) {
    expect(rounds).toBeLessThan(120)
    const { responses } = await raw.request(fetch, 12, ask({ fetchOffset: from, partitionMaxBytes: 200_000 }, 12))
    const records = responses[0]!.partitions[0]!.records!
    for (let at = 0; at < records.length; at += large.length) {
      const header = readBatchHeader(records, at, records.length)
      expect(header.baseOffset).toBe(from)
      from = header.lastOffset + 1
    }
  }
})

test('a reader at the end gets every batch whole and in order while others write', async () => {
  const { raw, log, ask, listener } = await withTopic({ segmentBytes: 200_000 })
  const writer = await listener.client()
  const count = 300
  const writing = Promise.all(Array.from({ length: count }, (_, index) => writer.request(produce, 9, {
    acks: -1, timeoutMs: 1000, topicData: [{ name: 'orders', partitionData: [{ index: 0, records: sized(index) }] }],
  })))
  for (let from = 0; from < count; ) {
    const { responses } = await raw.request(fetch, 12, { ...ask({ fetchOffset: from, partitionMaxBytes: 30_000 }, 12), maxWaitMs: 5000 })
    const records = responses[0]!.partitions[0]!.records!
    for (let at = 0; at < records.length; from++) {
      expect(batchDamage(records, at, records.length)).toBeUndefined()
      const { size, baseOffset } = readBatchHeader(records, at, records.length)
      expect([baseOffset, size]).toEqual([from, sized(from).length])
      at += size
    }
  }
  await writing
  expect(log().highWatermark).toBe(count)
})

const LIMITS = { maxWaitMs: 0, minBytes: 1, maxBytes: 1_000_000, isolationLevel: 0 }

async function withTopic(settings: TopicSettings = {}, partitions = 1, brokers = 1): Promise<{
  listener: TestListener
  raw: RawClient
  clock: ManualClock
  log: (partition?: number) => PartitionLog
  ask: (one: Ask, version: number) => FetchRequest
}> {
  const clock = new ManualClock({ now: NOW })
  const listener = await startListener({ brokers, log: { clock } })
  const { cluster } = listener.kafka
  const entry = await cluster.createTopic('orders', { partitions, settings })
  return {
    listener, clock, raw: await listener.client(),
    log: (partition = 0) => cluster.openNow('orders')!.logs[partition]!,
    ask: (one, version) => ({
      ...LIMITS, topics: [{
        ...(version >= 13 ? { topicId: cluster.topicId(entry) } : { topic: 'orders' }),
        partitions: [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 100_000, ...one }],
      }],
    }),
  }
}

/** A batch of one record, of a size of its own. */
function sized(index: number): Buffer {
  return encodeBatch([{ timestamp: NOW, value: Buffer.alloc((index * 97) % 9000, index) }])
}

function batch(count: number, options: EncodeBatchOptions = {}): Buffer {
  return encodeBatch(Array.from({ length: count }, (_, index) => ({ timestamp: NOW + index, value })), options)
}
