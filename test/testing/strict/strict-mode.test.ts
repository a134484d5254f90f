/*
 * Each rule of strict mode, broken and kept.
 */
import { expect, test } from 'vitest'
import { produce } from '../../../src/kafka/apis/00-produce.ts'
import { fetch } from '../../../src/kafka/apis/01-fetch.ts'
import { metadata } from '../../../src/kafka/apis/03-metadata.ts'
import { offsetCommit } from '../../../src/kafka/apis/08-offset-commit.ts'
import { joinGroup } from '../../../src/kafka/apis/11-join-group.ts'
import { heartbeat } from '../../../src/kafka/apis/12-heartbeat.ts'
import { leaveGroup } from '../../../src/kafka/apis/13-leave-group.ts'
import { initProducerId } from '../../../src/kafka/apis/22-init-producer-id.ts'
import { encodeBatch } from '../../../src/format/batch.ts'
import { isLogError } from '../../../src/index.ts'
import { startTestBroker, type StrictOptions, type TestBroker } from '../../../src/testing/index.ts'
import { type RawClient } from '../../kafka/harness.ts'
import { client } from '../broker/harness.ts'

/** A strict broker whose findings are looked at, and do not fail this test. */
async function strictBroker(strict: true | StrictOptions = true): Promise<{ kafka: TestBroker; raw: RawClient; found: () => string[] }> {
  const kafka = await startTestBroker({ topics: { orders: { partitions: 2, config: { 'max.message.bytes': 1000 } } }, clock: 'virtual', strict })
  return { kafka, raw: await client(kafka), found: () => kafka.strict!.findings.map(({ rule }) => rule) }
}

async function close(kafka: TestBroker): Promise<void> {
  kafka.strict!.clear()
  await kafka.close()
}

function send(raw: RawClient, index: number, record: { key?: string; value?: string; timestamp?: number }) {
  const { key, value = 'v', timestamp } = record
  const records = encodeBatch([{
    ...(key !== undefined && { key: Buffer.from(key) }), value: Buffer.from(value), ...(timestamp !== undefined && { timestamp }),
  }])
  return raw.request(produce, 9, { acks: -1, timeoutMs: 1000, topicData: [{ name: 'orders', partitionData: [{ index, records }] }] })
}

function commit(raw: RawClient, committedOffset: number) {
  return raw.request(offsetCommit, 7, {
    groupId: 'svc', generationIdOrMemberEpoch: -1, memberId: '', groupInstanceId: null,
    topics: [{ name: 'orders', partitions: [{ partitionIndex: 0, committedOffset, committedLeaderEpoch: -1, committedMetadata: null }] }],
  })
}

test('records: one key in two partitions, times to come, batches that are too large', async () => {
  const { kafka, raw, found } = await strictBroker()
  const now = kafka.clock.now()
  await send(raw, 0, { key: 'a', timestamp: now })
  await send(raw, 0, { key: 'a', timestamp: now + 3_000_000 })
  expect(found()).toEqual([])
  await send(raw, 1, { key: 'a', timestamp: now })
  await send(raw, 1, { timestamp: now + 4_000_000 })
  await send(raw, 1, { timestamp: now, value: 'x'.repeat(2000) })
  expect(found()).toEqual(['scattered-key', 'timestamp-skew', 'oversized-batch'])
  await close(kafka)
})

test('commits: past the end, and one for each record', async () => {
  const { kafka, raw, found } = await strictBroker()
  kafka.topic('orders').append(Array.from({ length: 30 }, (_, value) => ({ value, partition: 0 })))
  for (let offset = 1; offset <= 10; offset++) await commit(raw, offset)
  await commit(raw, 30)
  expect(found()).toEqual([])
  await commit(raw, 31)
  for (let offset = 1; offset <= 12; offset++) await commit(raw, offset)
  expect(found()).toEqual(['commit-past-end', 'commit-each-record'])
  await close(kafka)
})

test('commits: one who has read all that there is may commit one by one', async () => {
  const { kafka, raw, found } = await strictBroker()
  for (let offset = 1; offset <= 15; offset++) {
    kafka.topic('orders').append({ value: offset, partition: 0 })
    await commit(raw, offset)
  }
  expect(found()).toEqual([])
  await close(kafka)
})

test('members: where time is skipped they go by the time of the machine', async () => {
  const kafka = await startTestBroker({ topics: { orders: 1 }, clock: 'skip', strict: true })
  const raw = await client(kafka)
  const join = {
    groupId: 'svc', sessionTimeoutMs: 9000, rebalanceTimeoutMs: 9000, groupInstanceId: null, protocolType: 'consumer',
    protocols: [{ name: 'range', metadata: Buffer.alloc(0) }],
  }
  const { memberId } = await raw.request(joinGroup, 4, { ...join, memberId: '' })
  const { generationId } = await raw.request(joinGroup, 4, { ...join, memberId })
  const began = kafka.clock.now()
  for (let wait = 0; wait < 3; wait++) {
    await raw.request(fetch, 12, {
      maxWaitMs: 5000, minBytes: 1, maxBytes: 1000, sessionId: 0, sessionEpoch: -1,
      topics: [{ topic: 'orders', partitions: [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 1000 }] }],
    })
  }
  expect(kafka.clock.now() - began).toBeGreaterThanOrEqual(15_000)
  await raw.request(heartbeat, 3, { groupId: 'svc', generationId, memberId, groupInstanceId: null })
  expect(kafka.strict!.findings).toEqual([])
  await close(kafka)
})

test('members: a late heartbeat, a handler that takes too long', async () => {
  const { kafka, raw, found } = await strictBroker()
  const join = {
    groupId: 'svc', sessionTimeoutMs: 9000, rebalanceTimeoutMs: 9000, groupInstanceId: null, protocolType: 'consumer',
    protocols: [{ name: 'range', metadata: Buffer.alloc(0) }],
  }
  const { memberId } = await raw.request(joinGroup, 4, { ...join, memberId: '' })
  const joined = await raw.request(joinGroup, 4, { ...join, memberId })
  const beat = () => raw.request(heartbeat, 3, { groupId: 'svc', generationId: joined.generationId, memberId, groupInstanceId: null })
  await kafka.clock.advance(5000)
  await beat()
  expect(found()).toEqual([])
  await kafka.clock.advance(7000)
  await beat()
  const members = [{ memberId, groupInstanceId: null, reason: 'consumer poll timeout has expired.' }]
  await raw.request(leaveGroup, 5, { groupId: 'svc', members })
  expect(found()).toEqual(['late-heartbeat', 'poll-interval'])
  await close(kafka)
})

test('metadata: too often, and of topics that there are not', async () => {
  const { kafka, raw, found } = await strictBroker()
  const ask = (name: string) => raw.request(metadata, 9, { topics: [{ name }] })
  for (let count = 0; count < 20; count++) await ask('orders')
  await kafka.clock.advance(1000)
  await ask('orders')
  expect(found()).toEqual([])
  await ask('ordres')
  for (let count = 0; count < 21; count++) await ask('orders')
  expect(found()).toEqual(['unknown-topic', 'metadata-storm'])
  await close(kafka)
})

test('transactions: an id that two connections use', async () => {
  const { kafka, raw, found } = await strictBroker()
  const begin = (who: RawClient) => who.request(initProducerId, 4, {
    transactionalId: 'tx', transactionTimeoutMs: 1000, producerId: -1n, producerEpoch: -1,
  })
  await begin(raw)
  await begin(raw)
  expect(found()).toEqual([])
  await begin(await client(kafka))
  expect(found()).toEqual(['shared-transactional-id'])
  await close(kafka)
})

test('findings fail the test in the end, each once, and rules can be left out', async () => {
  const { kafka, raw } = await strictBroker({ ignore: ['timestamp-skew'] })
  await send(raw, 0, { key: 'a' })
  await send(raw, 1, { key: 'a', timestamp: kafka.clock.now() + 4_000_000 })
  await send(raw, 0, { key: 'a' })
  const thrown: unknown = await kafka.reset().then(() => undefined, (error: unknown) => error)
  expect(thrown).toSatisfy((error) => isLogError(error, 'LOG_STRICT'))
  expect((thrown as Error).message.split('\n')).toHaveLength(2)
  await kafka.close()
  await expect(startTestBroker({ strict: { ignore: ['late' as 'late-heartbeat'] } })).rejects.toThrow('late-heartbeat')
})
