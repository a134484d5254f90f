/*
 * Producers with a transactional id that stay connected over resets and restores: theirs is the id still, and what was open is aborted.
 */
import { Kafka, logLevel, Partitioners, type Producer } from 'kafkajs'
import { expect, onTestFinished, test } from 'vitest'
import { initProducerId } from '../../../src/kafka/apis/22-init-producer-id.ts'
import { addPartitionsToTxn } from '../../../src/kafka/apis/24-add-partitions-to-txn.ts'
import { endTxn } from '../../../src/kafka/apis/26-end-txn.ts'
import { type TestBroker } from '../../../src/testing/index.ts'
import { client, startBroker } from './harness.ts'

async function transactionalProducer(kafka: TestBroker): Promise<Producer> {
  const app = new Kafka({
    clientId: 'app', brokers: kafka.bootstrap.split(','), logLevel: logLevel.NOTHING, retry: { initialRetryTime: 10, retries: 3 },
  })
  const producer = app.producer({
    transactionalId: 'tx', maxInFlightRequests: 1, idempotent: true, createPartitioner: Partitioners.DefaultPartitioner,
  })
  await producer.connect()
  onTestFinished(() => producer.disconnect())
  return producer
}

async function sendInTransaction(producer: Producer, values: readonly string[]): Promise<void> {
  const transaction = await producer.transaction()
  for (const value of values) await transaction.send({ topic: 'orders', messages: [{ value }] })
  await transaction.commit()
}

const texts = (kafka: TestBroker): (string | null)[] => kafka.topic('orders').records().map((record) => record.text())

test('a transactional producer of kafkajs goes on over resets and restores', async () => {
  const kafka = await startBroker({ topics: { orders: 1 } })
  const producer = await transactionalProducer(kafka)
  await sendInTransaction(producer, ['a', 'b'])
  for (const round of ['1', '2', '3']) {
    await kafka.reset()
    expect(texts(kafka)).toEqual([])
    await sendInTransaction(producer, [round])
    expect(texts(kafka)).toEqual([round])
  }
  const at = await kafka.checkpoint()
  await sendInTransaction(producer, ['gone', 'gone too'])
  await kafka.restore(at)
  expect(texts(kafka)).toEqual(['3'])
  await sendInTransaction(producer, ['behind'])
  expect(texts(kafka)).toEqual(['3', 'behind'])
})

test('what is open at a checkpoint is aborted behind the restore, and its producer goes on', async () => {
  const kafka = await startBroker({ topics: { orders: 1 } })
  const producer = await transactionalProducer(kafka)
  const open = await producer.transaction()
  await open.send({ topic: 'orders', messages: [{ value: 'open' }] })
  const at = await kafka.checkpoint()
  await open.send({ topic: 'orders', messages: [{ value: 'more' }] })
  await open.commit()
  expect(texts(kafka)).toEqual(['open', 'more'])
  await kafka.restore(at)
  expect(texts(kafka)).toEqual([])
  expect(await kafka.transaction('tx').describe()).toMatchObject({ state: 'Empty', partitions: [] })
  await sendInTransaction(producer, ['behind'])
  expect(texts(kafka)).toEqual(['behind'])
})

test('a fork aborts what is open, and knows no producer that it never had', async () => {
  const kafka = await startBroker({ topics: { orders: 1 } })
  const producer = await transactionalProducer(kafka)
  const from = await kafka.checkpoint()
  const open = await producer.transaction()
  await open.send({ topic: 'orders', messages: [{ value: 'open' }] })
  const [empty, other] = [await kafka.fork({ from }), await kafka.fork()]
  onTestFinished(() => Promise.all([empty.close(), other.close()]).then(() => {}))
  expect((await empty.transaction('tx').describe()).state).toBe('None')
  expect((await other.transaction('tx').describe()).state).toBe('CompleteAbort')
  await open.commit()
  expect([texts(kafka), texts(other)]).toEqual([['open'], []])
})

test('ids and epochs are never older than a client knows, by the newer protocol too', async () => {
  const kafka = await startBroker({ topics: { orders: 1 } })
  const raw = await client(kafka)
  const init = await raw.request(initProducerId, 5, { transactionalId: 'tx', transactionTimeoutMs: 60_000 })
  const at = await kafka.checkpoint()
  const { producerId, producerEpoch } = init
  const begin = (epoch: number): Promise<unknown> => raw.request(addPartitionsToTxn, 3, {
    v3AndBelowTransactionalId: 'tx', v3AndBelowProducerId: producerId, v3AndBelowProducerEpoch: epoch,
    v3AndBelowTopics: [{ name: 'orders', partitions: [0] }],
  })
  await begin(producerEpoch)
  const ended = await raw.request(endTxn, 5, { transactionalId: 'tx', producerId, producerEpoch, committed: true })
  expect(ended.producerEpoch).toBe(producerEpoch + 1)
  await kafka.restore(at)
  expect(await kafka.transaction('tx').describe()).toMatchObject({ state: 'Empty', producerId, producerEpoch: ended.producerEpoch })
  await begin(ended.producerEpoch)
  expect(await raw.request(endTxn, 5, { transactionalId: 'tx', producerId, producerEpoch: ended.producerEpoch, committed: true })).toMatchObject({
    errorCode: 0, producerEpoch: ended.producerEpoch + 1,
  })
})
