/*
 * Clients and the topic of an event store: they read it, and nobody writes to it or deletes of it.
 */
import { expect, test } from 'vitest'
import { encodeBatch } from '../../src/format/batch.ts'
import { kafkaErrorName } from '../../src/format/kafka-errors.ts'
import { produce } from '../../src/kafka/apis/00-produce.ts'
import { deleteRecords } from '../../src/kafka/apis/21-delete-records.ts'
import { startListener } from '../kafka/harness.ts'
import { added, carts } from './harness.ts'

test('a client neither produces to the topic of a store nor deletes its records', async () => {
  const listener = await startListener()
  const store = await carts(listener.log)
  await store.append('a', added('x'))
  const raw = await listener.client()
  const produced = await raw.request(produce, 9, {
    acks: -1, timeoutMs: 1000, topicData: [{ name: 'cart', partitionData: [{ index: 0, records: encodeBatch([{ value: Buffer.from('{}') }]) }] }],
  })
  expect(kafkaErrorName(produced.responses[0]!.partitionResponses[0]!.errorCode)).toBe('INVALID_TOPIC_EXCEPTION')
  const deleted = await raw.request(deleteRecords, 2, { timeoutMs: 1000, topics: [{ name: 'cart', partitions: [{ partitionIndex: 0, offset: 1 }] }] })
  expect(kafkaErrorName(deleted.topics[0]!.partitions[0]!.errorCode)).toBe('POLICY_VIOLATION')
  expect((await store.read('a')).events).toHaveLength(1)
  expect(await store.append('a', added('y'), { expected: 1 })).toMatchObject({ version: 2, position: 1 })
})
