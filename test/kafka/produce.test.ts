import { gzipSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { decodeBatch, encodeBatch, type EncodeBatchOptions, readBatchHeader, RECORDS_AT, writeBatchHeader } from '../../src/format/batch.ts'
import { type KafkaErrorName, kafkaErrorName } from '../../src/format/kafka-errors.ts'
import { produce } from '../../src/kafka/apis/00-produce.ts'
import { apiVersions } from '../../src/kafka/apis/18-api-versions.ts'
import { initProducerId } from '../../src/kafka/apis/22-init-producer-id.ts'
import { addPartitionsToTxn } from '../../src/kafka/apis/24-add-partitions-to-txn.ts'
import { endTxn } from '../../src/kafka/apis/26-end-txn.ts'
import { type TopicSettings } from '../../src/topics/settings.ts'
import { ManualClock } from '../../src/testing/manual-clock.ts'
import { type RawClient, startListener, type TestListener } from './harness.ts'

const NOW = Date.UTC(2026, 0, 1)
const value = Buffer.from('value')

test('a batch is stored as it came and answered with its offset, in every version', async () => {
  const listener = await withTopic()
  const raw = await listener.client()
  for (let version = 3; version <= 13; version++) {
    const bytes = batch(2, { compression: 'gzip' })
    const answer = await sent(listener, raw, version, bytes)
    const baseOffset = (version - 3) * 2
    const logStartOffset = version < 5 ? -1 : 0
    expect(answer).toMatchObject({ index: 0, errorCode: 0, baseOffset, logAppendTimeMs: -1, logStartOffset, errorMessage: null })
    const stored = await read(listener, baseOffset)
    expect(stored.subarray(21).equals(bytes.subarray(21))).toBe(true)
    expect(readBatchHeader(stored, 0, stored.length)).toMatchObject({ baseOffset, leaderEpoch: 0 })
  }
})

test('versions that only librdkafka wants to be told of are told and not served', async () => {
  const listener = await withTopic()
  const raw = await listener.client()
  const { apiKeys } = await raw.request(apiVersions, 3, { clientSoftwareName: 'raw', clientSoftwareVersion: '1' })
  expect(apiKeys.find(({ apiKey }) => apiKey === 0)).toMatchObject({ minVersion: 0, maxVersion: 13 })
  const frame = raw.encode(produce, 3, { acks: 1, timeoutMs: 1000, topicData: [] })
  frame.writeInt16BE(2, 6)
  raw.send(frame)
  await raw.closed
})

test('one bad partition does not spoil the others, and each has its own error', async () => {
  const listener = await withTopic({ maxMessageBytes: 2000 }, 9)
  const raw = await listener.client()
  const flipped = batch(1)
  flipped[70]! ^= 1
  const old = batch(1)
  old[16] = 1
  const control = encodeBatch([{ key: Buffer.from([0, 0, 0, 0]), value }], { control: true, producerId: 1n, producerEpoch: 0, baseSequence: 0 })
  const elsewhere = batch(1)
  elsewhere.writeBigInt64BE(5n, 0)
  const cases: readonly (readonly [Buffer | null, KafkaErrorName])[] = [
    [batch(1), 'NONE'], [flipped, 'CORRUPT_MESSAGE'], [old, 'INVALID_RECORD'], [encodeBatch([{ value: Buffer.alloc(3000) }]), 'MESSAGE_TOO_LARGE'],
    [control, 'INVALID_RECORD'], [null, 'INVALID_RECORD'], [Buffer.concat([batch(1), batch(1)]), 'INVALID_RECORD'], [elsewhere, 'INVALID_RECORD'],
    [Buffer.concat([batch(1), batch(1).subarray(0, 30)]), 'NONE'], [batch(1), 'UNKNOWN_TOPIC_OR_PARTITION'],
  ]
  const { responses } = await raw.request(produce, 9, {
    acks: -1, timeoutMs: 1000, topicData: [
      { name: 'missing', partitionData: [{ index: 0, records: batch(1) }] },
      { name: 'orders', partitionData: cases.map(([records], index) => ({ index, records })) },
    ],
  })
  expect(responses[0]!.partitionResponses).toMatchObject([{ errorCode: 3, baseOffset: -1, logStartOffset: -1 }])
  expect(responses[1]!.partitionResponses.map(({ errorCode }) => kafkaErrorName(errorCode))).toEqual(cases.map(([, error]) => error))
})

test('a batch above the segment is another error than one above the limit', async () => {
  const listener = await withTopic({ segmentBytes: 500 })
  expect(await errorOf(listener, encodeBatch([{ value: Buffer.alloc(1000) }]))).toBe('RECORD_LIST_TOO_LARGE')
})

test('the log’s own topics are refused', async () => {
  const listener = await withTopic()
  const raw = await listener.client()
  await raw.request(initProducerId, 4, { transactionalId: 't', transactionTimeoutMs: 1000, producerId: -1n, producerEpoch: -1 })
  for (const clientId of ['raw', '__admin_client']) {
    raw.clientId = clientId
    const { responses } = await raw.request(produce, 9, {
      acks: 1, timeoutMs: 1000, topicData: [{ name: '__transaction_state', partitionData: [{ index: 0, records: batch(1) }] }],
    })
    expect(kafkaErrorName(responses[0]!.partitionResponses[0]!.errorCode)).toBe('INVALID_TOPIC_EXCEPTION')
  }
})

test('records that a topic does not take are told one by one', async () => {
  const listener = await withTopic({ cleanupPolicy: 'compact' })
  const raw = await listener.client()
  const records = encodeBatch([{ value }, { key: value, value }, { value }])
  const message = 'Compacted topic cannot accept message without key in topic partition orders-0'
  expect(await sent(listener, raw, 9, records)).toMatchObject({
    errorCode: 87, baseOffset: -1, logStartOffset: 0,
    recordErrors: [{ batchIndex: 0, batchIndexErrorMessage: message }, { batchIndex: 2, batchIndexErrorMessage: message }],
    errorMessage: 'One or more records have been rejected due to 2 record errors in total, and only showing the first three errors at most: ' +
      `[RecordError(batchIndex=0, message='${message}'), RecordError(batchIndex=2, message='${message}')]`,
  })
  expect(await sent(listener, raw, 7, records)).toMatchObject({ errorCode: 87, recordErrors: [], errorMessage: null })
})

test('of many records that a topic does not take some are told', async () => {
  const { client } = await withTopic({ cleanupPolicy: 'compact' }, 20)
  const records = encodeBatch(Array.from({ length: 5000 }, () => ({ value })), { compression: 'gzip' })
  const partitionData = Array.from({ length: 20 }, (_, index) => ({ index, records }))
  const { responses } = await (await client()).request(produce, 9, { acks: 1, timeoutMs: 1000, topicData: [{ name: 'orders', partitionData }] })
  const answers = responses[0]!.partitionResponses
  expect(answers.map(({ recordErrors }) => recordErrors.length)).toEqual([...Array<number>(10).fill(1000), ...Array<number>(10).fill(0)])
  expect(answers.every(({ errorMessage }) => errorMessage?.includes('due to 5000 record errors in total'))).toBe(true)
})

test('timestamps that are too far from the clock are told one by one', async () => {
  const listener = await withTopic({ messageTimestampAfterMaxMs: 3_600_000 })
  const raw = await listener.client()
  const late = NOW + 3_600_001
  expect(await sent(listener, raw, 13, encodeBatch([{ timestamp: NOW, value }, { timestamp: late, value }]))).toMatchObject({
    errorCode: 32, errorMessage: 'One or more records have been rejected due to invalid timestamp',
    recordErrors: [{ batchIndex: 1, batchIndexErrorMessage: expect.stringContaining(`Timestamp ${late} of message with offset 1 is out of range.`) }],
  })
})

test('where the log stamps records the answer tells the time', async () => {
  const listener = await withTopic({ messageTimestampType: 'LogAppendTime' })
  expect(await sent(listener, await listener.client(), 9, batch(1))).toMatchObject({ errorCode: 0, logAppendTimeMs: NOW })
})

test('a batch that comes again is answered as the first time; gaps, old epochs and foreign ids are refused', async () => {
  const listener = await withTopic()
  const raw = await listener.client()
  const by = (producerEpoch: number, baseSequence: number): Buffer => batch(2, { producerId: 5n, producerEpoch, baseSequence })
  expect(await sent(listener, raw, 9, by(1, 0))).toMatchObject({ baseOffset: 0 })
  expect(await sent(listener, raw, 9, by(1, 2))).toMatchObject({ baseOffset: 2 })
  expect(await sent(listener, raw, 9, by(1, 0))).toMatchObject({ errorCode: 0, baseOffset: 0, logStartOffset: 0, logAppendTimeMs: NOW + 1 })
  expect(await errorOf(listener, by(1, 6))).toBe('OUT_OF_ORDER_SEQUENCE_NUMBER')
  expect(await sent(listener, raw, 9, by(0, 0))).toMatchObject({ errorCode: 47, logStartOffset: 0 })
  expect(endOf(listener, 0)).toBe(4)
})

test('requests in flight together keep their order, whatever is to be opened first', async () => {
  const listener = await startListener({ log: { clock: new ManualClock({ now: NOW }) } })
  await listener.log.topic('orders')
  const raw = await listener.client()
  const answers = Array.from({ length: 50 }, (_, index) => raw.request(produce, 9, {
    acks: -1, timeoutMs: 1000,
    topicData: [{ name: 'orders', partitionData: [{ index: 0, records: batch(1, { producerId: 5n, producerEpoch: 0, baseSequence: index }) }] }],
  }))
  const offsets = (await Promise.all(answers)).map(({ responses }) => responses[0]!.partitionResponses[0]!)
  expect(offsets.map(({ errorCode, baseOffset }) => [errorCode, baseOffset])).toEqual(Array.from({ length: 50 }, (_, index) => [0, index]))
})

test('between batches that take long to look at others have their turn', async () => {
  const { client, log, kafka } = await startListener()
  await log.topic('orders', { partitions: 4 })
  const zeros = gzipSync(Buffer.alloc(40_000_000))
  const bomb = Buffer.alloc(RECORDS_AT + zeros.length)
  bomb.set(zeros, RECORDS_AT)
  const one = encodeBatch([{ value }], { compression: 'gzip' })
  const header = readBatchHeader(one, 0, one.length)
  writeBatchHeader(bomb, 0, { ...header, size: bomb.length })
  let turns = 0
  let counted = -1
  const count = (): void => {
    turns++
    if (counted < 0) setImmediate(count)
  }
  kafka.cluster.interceptor = { before: () => void setImmediate(count), after: () => { counted = turns } }
  const partitionData = Array.from({ length: 4 }, (_, index) => ({ index, records: bomb }))
  await (await client()).request(produce, 9, { acks: 1, timeoutMs: 1000, topicData: [{ name: 'orders', partitionData }] })
  expect(counted).toBeGreaterThanOrEqual(2)
})

test('of a partition that is named again the last batch counts', async () => {
  const listener = await withTopic({}, 2)
  const named = (index: number, count: number) => ({ index, records: batch(count) })
  const { responses } = await (await listener.client()).request(produce, 9, {
    acks: 1, timeoutMs: 1000,
    topicData: [{ name: 'orders', partitionData: [named(0, 1), named(1, 2), named(0, 3)] }, { name: 'orders', partitionData: [named(1, 4)] }],
  })
  expect(responses.map(({ name, partitionResponses }) => [name, partitionResponses.map(({ index, errorCode }) => [index, errorCode])]))
    .toEqual([['orders', [[0, 0], [1, 0]]]])
  expect([endOf(listener, 0), endOf(listener, 1)]).toEqual([3, 4])
})

test('a batch that says it is of a transaction needs one, also when it says no producer', async () => {
  const listener = await withTopic()
  const records = batch(1, { transactional: true, producerId: 5n, producerEpoch: 0, baseSequence: 0 })
  const header = readBatchHeader(records, 0, records.length)
  writeBatchHeader(records, 0, { ...header, producerId: -1n, producerEpoch: -1, baseSequence: -1 })
  expect(await errorOf(listener, records)).toBe('TRANSACTIONAL_ID_AUTHORIZATION_FAILED')
})

test('with acks 0 nothing is answered, and what fails ends the connection', async () => {
  const listener = await withTopic()
  const raw = await listener.client()
  const request = { acks: 0, timeoutMs: 1000, topicData: [{ name: 'orders', partitionData: [{ index: 0, records: batch(1) }] }] }
  raw.send(raw.encode(produce, 9, request))
  raw.send(raw.encode(produce, 9, request))
  expect((await raw.request(apiVersions, 0, {})).errorCode).toBe(0)
  expect(endOf(listener, 0)).toBe(2)
  raw.send(raw.encode(produce, 9, { ...request, topicData: [{ name: 'missing', partitionData: [{ index: 0, records: batch(1) }] }] }))
  await raw.closed
})

test('other acks are refused, and nothing is stored', async () => {
  const listener = await withTopic()
  expect(await errorOf(listener, batch(1), { acks: 2 })).toBe('INVALID_REQUIRED_ACKS')
  expect(endOf(listener, 0)).toBe(0)
})

test('a full buffer makes a request wait for room, as long as it wants to', async () => {
  const clock = new ManualClock({ now: NOW })
  const listener = await withTopic({}, 1, { clock, bufferBytes: 1000 })
  const raw = await listener.client()
  const { buffer } = listener.kafka.cluster.core.env
  buffer.take(1000)
  const waiting = [sent(listener, raw, 9, batch(1)), sent(listener, raw, 9, batch(1))]
  await (await listener.client()).request(apiVersions, 0, {})
  expect(endOf(listener, 0)).toBe(0)
  buffer.give(1000)
  expect((await Promise.all(waiting)).map(({ errorCode, baseOffset }) => [errorCode, baseOffset])).toEqual([[0, 0], [0, 1]])
  buffer.take(1000)
  const late = sent(listener, raw, 9, batch(1))
  await (await listener.client()).request(apiVersions, 0, {})
  await clock.advance(1000)
  expect((await late).errorCode).toBe(7)
  buffer.give(1000)
})

test('a batch that has to wait is stored as it came, whatever others send meanwhile', async () => {
  const listener = await withTopic({}, 1, { bufferBytes: 1000 })
  const { buffer } = listener.kafka.cluster.core.env
  buffer.take(1000)
  const bytes = batch(20)
  const waiting = sent(listener, await listener.client(), 9, bytes)
  const other = await listener.client()
  await other.request(apiVersions, 0, {})
  const topicData = [{ name: 'missing', partitionData: [{ index: 0, records: Buffer.alloc(10_000, 0xee) }] }]
  await other.request(produce, 9, { acks: 1, timeoutMs: 1000, topicData })
  buffer.give(1000)
  expect(await waiting).toMatchObject({ errorCode: 0, baseOffset: 0 })
  expect((await read(listener, 0)).subarray(21).equals(bytes.subarray(21))).toBe(true)
})

test('requests that came together are stored by one write and answered in their order', async () => {
  const listener = await withTopic()
  const raw = await listener.client()
  const { logs: [log] } = (await listener.kafka.cluster.open('orders'))!
  const watermarks: number[] = []
  log!.onProgress(() => void watermarks.push(log!.highWatermark))
  const topicData = [{ name: 'orders', partitionData: [{ index: 0, records: batch(2) }] }]
  const requests = [1, 2, 3].map((id) => raw.encode(produce, 9, { acks: -1, timeoutMs: 1000, topicData }, id))
  const answers = [1, 2, 3].map((id) => raw.answerTo(id))
  raw.send(Buffer.concat(requests))
  expect((await Promise.all(answers)).map((frame) => frame.readInt32BE(4))).toEqual([1, 2, 3])
  expect(watermarks).toEqual([6])
})

test('a broker that does not lead a partition says who does', async () => {
  const listener = await withTopic({}, 2, {}, 2)
  const [leads] = [0, 1].map((index) => listener.kafka.cluster.leader(listener.kafka.cluster.topic('orders')!, index).nodeId)
  const other = listener.kafka.brokers.findIndex(({ nodeId }) => nodeId !== leads)
  const raw = await listener.client(other)
  const { host, port } = listener.kafka.brokers[1 - other]!
  const partitionData = [{ index: 0, records: batch(1) }, { index: 1, records: batch(1) }]
  const request = { acks: 1, timeoutMs: 1000, topicData: [{ name: 'orders', partitionData }] }
  const answer = await raw.request(produce, 10, request)
  const currentLeader = { leaderId: leads, leaderEpoch: 0 }
  expect(answer.responses[0]!.partitionResponses).toMatchObject([{ errorCode: 6, currentLeader }, { errorCode: 0 }])
  expect(answer.nodeEndpoints).toEqual([{ nodeId: leads, host, port, rack: null }])
  const older = await raw.request(produce, 9, request)
  expect(older).toMatchObject({ nodeEndpoints: [], responses: [{ partitionResponses: [{ errorCode: 6 }, { errorCode: 0 }] }] })
})

test('unknown topic ids have an error of their own', async () => {
  const listener = await withTopic()
  const raw = await listener.client()
  const { responses } = await raw.request(produce, 13, {
    acks: 1, timeoutMs: 1000, topicData: [{ topicId: 'AAAAAAAAAAAAAAAAAAAAAQ', partitionData: [{ index: 0, records: batch(1) }] }],
  })
  expect(responses).toMatchObject([{ topicId: 'AAAAAAAAAAAAAAAAAAAAAQ', partitionResponses: [{ errorCode: 100 }] }])
})

test('a batch of a transaction has to be of one: it must be begun before, or begins with the batch', async () => {
  const listener = await withTopic({}, 3)
  const raw = await listener.client()
  const transactionalId = 'tx'
  const fresh = { transactionTimeoutMs: 60_000, producerId: -1n, producerEpoch: -1 }
  const { producerId, producerEpoch } = await raw.request(initProducerId, 4, { transactionalId, ...fresh })
  const part = (index: number, baseSequence = 0, epoch = producerEpoch) => ({
    name: 'orders', index, bytes: batch(1, { producerId, producerEpoch: epoch, baseSequence, transactional: true }),
  })
  const send = async (version: number, { index, bytes }: ReturnType<typeof part>, id: string | null = transactionalId) => {
    const answer = await sent(listener, raw, version, bytes, { index, transactionalId: id })
    return kafkaErrorName(answer.errorCode)
  }
  expect(await send(9, part(0), null)).toBe('TRANSACTIONAL_ID_AUTHORIZATION_FAILED')
  expect(await send(9, part(0))).toBe('INVALID_TXN_STATE')
  expect(await send(11, part(0))).toBe('TRANSACTION_ABORTABLE')
  expect(await send(12, part(0, 0, producerEpoch + 1))).toBe('INVALID_PRODUCER_EPOCH')
  await raw.request(addPartitionsToTxn, 3, {
    v3AndBelowTransactionalId: transactionalId, v3AndBelowProducerId: producerId, v3AndBelowProducerEpoch: producerEpoch,
    v3AndBelowTopics: [{ name: 'orders', partitions: [0] }],
  })
  expect(await send(9, part(0))).toBe('NONE')
  expect(await send(9, part(0, 1))).toBe('NONE')
  expect(await send(9, part(1))).toBe('INVALID_TXN_STATE')
  expect(await send(12, part(1))).toBe('NONE')
  expect((await raw.request(endTxn, 4, { transactionalId, producerId, producerEpoch, committed: true })).errorCode).toBe(0)
  expect(endOf(listener, 1)).toBe(2)
})

test('one request has the transactions of one producer', async () => {
  const listener = await withTopic({}, 2)
  const raw = await listener.client()
  const of = (producerId: bigint): Buffer => batch(1, { producerId, producerEpoch: 0, baseSequence: 0, transactional: true })
  const { responses } = await raw.request(produce, 9, {
    transactionalId: 't', acks: 1, timeoutMs: 1000,
    topicData: [{ name: 'orders', partitionData: [{ index: 0, records: of(1n) }, { index: 1, records: of(2n) }] }],
  })
  expect(responses[0]!.partitionResponses).toMatchObject([{ errorCode: 49 }, { errorCode: 49 }])
})

test('what somebody is not allowed to is refused for its topic alone', async () => {
  const listener = await withTopic()
  Object.assign(listener.kafka.cluster, { authorizer: { allows: (_peer: unknown, operation: string) => operation !== 'WRITE' } })
  expect(await errorOf(listener, batch(1))).toBe('TOPIC_AUTHORIZATION_FAILED')
})

async function withTopic(settings: TopicSettings = {}, partitions = 1, log: object = {}, brokers = 1): Promise<TestListener> {
  const listener = await startListener({ brokers, log: { clock: new ManualClock({ now: NOW }), ...log } })
  await listener.kafka.cluster.createTopic('orders', { partitions, settings })
  return listener
}

function batch(count: number, options: EncodeBatchOptions = {}): Buffer {
  return encodeBatch(Array.from({ length: count }, (_, index) => ({ timestamp: NOW + index, key: Buffer.from(`k${index}`), value })), options)
}

interface SendOptions {
  readonly acks?: number
  readonly index?: number
  readonly transactionalId?: string | null
}

/** The answer for one partition of the topic. */
async function sent(listener: TestListener, raw: RawClient, version: number, records: Buffer, options: SendOptions = {}) {
  const { acks = -1, index = 0, transactionalId = null } = options
  const { cluster } = listener.kafka
  const topic = version >= 13 ? { topicId: cluster.topicId(cluster.topic('orders')!) } : { name: 'orders' }
  const topicData = [{ ...topic, partitionData: [{ index, records }] }]
  const { responses } = await raw.request(produce, version, { transactionalId, acks, timeoutMs: 1000, topicData })
  return responses[0]!.partitionResponses[0]!
}

async function errorOf(listener: TestListener, records: Buffer, options: SendOptions = {}): Promise<KafkaErrorName | undefined> {
  return kafkaErrorName((await sent(listener, await listener.client(), 9, records, options)).errorCode)
}

function endOf(listener: TestListener, partition: number): number | undefined {
  return listener.kafka.cluster.openNow('orders')?.logs[partition]?.nextOffset
}

async function read(listener: TestListener, from: number): Promise<Buffer> {
  const topic = await listener.kafka.cluster.open('orders')
  const { records } = await topic!.logs[0]!.readBatches({ from, maxBytes: 1 })
  decodeBatch(records, 0, records.length)
  return records
}
