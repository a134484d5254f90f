/*
 * Each matcher, when it holds, when it does not, and with `.not`; and what a failure says.
 */
import { expect, onTestFinished, test } from 'vitest'
import { produce } from '../../../src/kafka/apis/00-produce.ts'
import { encodeBatch } from '../../../src/format/batch.ts'
import { CommitLog } from '../../../src/index.ts'
import { type TestBroker } from '../../../src/testing/index.ts'
import { kafkaTest } from '../../../src/testing/vitest.ts'
import { client, startBroker } from '../broker/harness.ts'

const NOW = { timeout: 0 }

/** What a matcher says when it fails. */
async function failure(asked: Promise<unknown>): Promise<string> {
  const error: unknown = await asked.then(() => undefined, (thrown: unknown) => thrown)
  expect(error).toBeInstanceOf(Error)
  return (error as Error).message
}

async function withOrders(): Promise<TestBroker> {
  const kafka = await startBroker({ topics: { orders: 2 } })
  kafka.topic('orders').append([
    { key: 'a', value: { id: 1, total: 5 }, headers: { trace: 't-1' }, partition: 0 },
    { key: 'b', value: 'text', partition: 1 },
    { key: 'c', value: null, partition: 0 },
  ])
  return kafka
}

test('a record is found by any of its parts, as text, as bytes, as JSON, and by what the runner compares', async () => {
  const kafka = await withOrders()
  await expect(kafka).toHaveProduced('orders', { key: 'a' })
  await expect(kafka).toHaveProduced('orders', { key: 'a', value: { id: 1, total: 5 } })
  await expect(kafka).toHaveProduced('orders', { value: expect.objectContaining({ id: 1 }), headers: { trace: expect.stringMatching(/^t-/) } })
  await expect(kafka).toHaveProduced('orders', { value: '{"id":1,"total":5}', partition: 0, offset: 0 })
  await expect(kafka).toHaveProduced('orders', { key: Buffer.from('b'), value: expect.stringContaining('ex') })
  await expect(kafka).toHaveProduced('orders', { key: 'c', value: null, timestamp: expect.any(Number) })
  await expect(kafka).toHaveProduced('orders', (record) => record.key === 'b')
  await expect(kafka).not.toHaveProduced('orders', { key: 'd' })
  await expect(kafka).not.toHaveProduced('orders', { headers: { none: 'x' } })
  await expect(kafka).not.toHaveProduced('nowhere', { key: 'a' })
})

test('of expectations that fit the same records each gets one, in whatever order they stand', async () => {
  const kafka = await startBroker({ topics: { orders: 1 } })
  kafka.topic('orders').append([{ key: 'a', value: 'x' }, { key: 'b', value: 'x' }, { key: 'c', value: 'y' }])
  await expect(kafka).toHaveProducedExactly('orders', [{}, { value: 'x' }, { key: 'a' }], NOW)
  await expect(kafka).not.toHaveProducedExactly('orders', [{ key: 'a' }, { key: 'a' }, {}])
})

test('who waits for a record of a large topic leaves time to those who produce it', async () => {
  const kafka = await startBroker({ topics: { orders: 1 } })
  kafka.topic('orders').append(Array.from({ length: 50_000 }, (_, value) => ({ key: `k${value}`, value })))
  const raw = await client(kafka)
  const produced = expect(kafka).toHaveProduced('orders', { key: 'last' }, { timeout: '5s' })
  const counted = expect(kafka).toHaveProducedExactly('orders', 50_101, { timeout: '20s' })
  for (let count = 0; count <= 100; count++) {
    const records = encodeBatch([{ key: Buffer.from(count === 100 ? 'last' : 'other'), value: Buffer.from('v') }])
    await raw.request(produce, 9, { acks: -1, timeoutMs: 1000, topicData: [{ name: 'orders', partitionData: [{ index: 0, records }] }] })
  }
  await produced
  await counted
})

test('options that there are not are told', async () => {
  const kafka = await startBroker({ topics: { orders: 1 } })
  await expect(expect(kafka).toHaveProduced('orders', {}, { timeOut: 1 } as never)).rejects.toThrow('unknown option "timeOut" for toHaveProduced')
  await expect(expect(kafka).toHaveProducedExactly('orders', 1, { timeOut: 1 } as never)).rejects.toThrow('unknown option "timeOut" for a matcher')
})

test('a record that comes later is waited for', async () => {
  const kafka = await startBroker({ topics: { orders: 1 } })
  const produced = expect(kafka).toHaveProduced('orders', { key: 'late' })
  await Promise.resolve()
  kafka.topic('orders').append({ key: 'late', value: 1 })
  await produced
})

test('a failure shows the nearest records, who produced them, and the end of the journal', async () => {
  const kafka = await withOrders()
  const raw = await client(kafka)
  const records = encodeBatch([{ key: Buffer.from('z'), value: Buffer.from('{"id":9}') }])
  await raw.request(produce, 13, {
    acks: -1, timeoutMs: 1000,
    topicData: [{ topicId: (await kafka.log.describeTopic('orders')).id, partitionData: [{ index: 1, records }] }],
  })
  const said = await failure(expect(kafka).toHaveProduced('orders', { key: 'z', value: { id: 10 }, partition: 1 }, NOW))
  expect(said).toContain('No record of topic "orders" is { key: \'z\', value: { id: 10 }, partition: 1 }')
  expect(said).toMatch(/orders-1 offset 1, produced by .* \(request \d+\): key 'z', value \{ id: 9 \}/)
  expect(said).toContain('value: { id: 9 } instead of { id: 10 }')
  expect(said).toContain('appended in this process')
  expect(said).toMatch(/The end of the journal:\n(?:.*\n)*.*Produce v13/)
})

test('exactly so many records, or exactly these', async () => {
  const kafka = await withOrders()
  await expect(kafka).toHaveProducedExactly('orders', 3)
  await expect(kafka).toHaveProducedExactly('orders', [{ key: 'c' }, { key: 'b' }, { key: 'a' }])
  await expect(kafka).not.toHaveProducedExactly('orders', 2)
  await expect(kafka).not.toHaveProducedExactly('orders', [{ key: 'a' }, { key: 'a' }, { key: 'b' }])
  await expect(kafka).toHaveProducedExactly('nowhere', 0)
  expect(await failure(expect(kafka).toHaveProducedExactly('orders', 2, NOW))).toContain('Topic "orders" has 3 records, and 2 were expected.')
  const said = await failure(expect(kafka).toHaveProducedExactly('orders', [{ key: 'a' }, { key: 'b' }], NOW))
  expect(said).toContain('Not expected:\n  orders-0 offset 1')
  const other = await failure(expect(kafka).toHaveProducedExactly('orders', [{ key: 'a' }, { key: 'x' }, { key: 'b' }], NOW))
  expect(other).toContain('None is { key: \'x\' }')
})

test('what next() gave is no more', async () => {
  const kafka = await withOrders()
  const orders = kafka.topic('orders')
  await expect(kafka).not.toHaveNoMoreRecords('orders')
  for (let count = 0; count < 3; count++) await orders.next()
  await expect(kafka).toHaveNoMoreRecords('orders')
  orders.append({ key: 'more', value: 1 })
  expect(await failure(expect(kafka).toHaveNoMoreRecords('orders'))).toContain('has 1 records that next() has not given')
})

test('what a group committed, that it is caught up, and how often it rebalanced', async () => {
  const kafka = await withOrders()
  await expect(kafka).not.toBeCaughtUp('svc')
  await expect(kafka).not.toHaveRebalanced('svc')
  await expect(kafka).toHaveCommitted('svc', { orders: [undefined, undefined] })
  const topic = await kafka.log.topic('orders', { create: false })
  const consumer = topic.consumer({ group: 'svc', until: 'end' })
  let count = 0
  for await (const _ of consumer) count++
  expect(count).toBe(3)
  await expect(kafka).toHaveCommitted('svc', { orders: [2, 1] })
  await expect(kafka).toHaveCommitted('svc', { orders: [expect.any(Number), 1] })
  await expect(kafka).toBeCaughtUp('svc')
  await expect(kafka).toHaveRebalanced('svc')
  kafka.topic('orders').append({ value: 'one more', partition: 1 })
  expect(await failure(expect(kafka).toBeCaughtUp('svc', NOW))).toContain('orders-1 is 1 record behind')
  const committed = await failure(expect(kafka).toHaveCommitted('svc', { orders: [2, 2] }, NOW))
  expect(committed).toContain('has committed { orders: [ 2, 1 ] }, not { orders: [ 2, 2 ] }')
  expect(await failure(expect(kafka).toHaveRebalanced('svc', 9, NOW))).toContain('and 9 are asked for')
})

test('the order of keys, and records that are there twice', async () => {
  const kafka = await startBroker({ topics: { orders: 2 } })
  const orders = kafka.topic('orders')
  orders.append([{ key: 'a', value: 1, partition: 0 }, { key: 'b', value: 1, partition: 1 }, { key: 'a', value: 2, partition: 0 }])
  await expect(kafka).toPreserveKeyOrder('orders')
  await expect(kafka).toPreserveKeyOrder('orders', (record) => record.json<number>())
  await expect(kafka).not.toPreserveKeyOrder('orders', (record) => -record.json<number>())
  await expect(kafka).toHaveNoDuplicates('orders')
  await expect(kafka).not.toHaveNoDuplicates('orders', (record) => record.key)
  orders.append([{ key: 'a', value: 2, partition: 0 }, { key: 'b', value: 3, partition: 0 }])
  expect(await failure(expect(kafka).toHaveNoDuplicates('orders'))).toContain('Two records of topic "orders" are the same')
  expect(await failure(expect(kafka).toPreserveKeyOrder('orders'))).toContain('Records of one key are in two partitions')
})

test('requests that clients sent, and transactions that were aborted', async () => {
  const kafka = await withOrders()
  await client(kafka).then((raw) => raw.request(produce, 9, { acks: -1, timeoutMs: 1, topicData: [] }))
  await expect(kafka).toHaveReceivedRequest('Produce')
  await expect(kafka).toHaveReceivedRequest('Produce', ({ request }) => request['acks'] === -1)
  await expect(kafka).not.toHaveReceivedRequest('Produce', { client: 'nobody' })
  await expect(kafka).not.toHaveReceivedRequest('Fetch')
  await expect(expect(kafka).toHaveReceivedRequest('Prodce' as 'Produce')).rejects.toThrow('did you mean "Produce"')
  await expect(kafka).not.toHaveAbortedTransaction()
  const topic = await kafka.log.topic('orders', { create: false })
  const transaction = await kafka.log.beginTransaction()
  await transaction.send(topic, { key: null, value: null, partition: 0 })
  await transaction.abort()
  await expect(kafka).toHaveAbortedTransaction()
  await expect(kafka).toHaveAbortedTransaction('orders')
  await expect(kafka).not.toHaveAbortedTransaction('audit')
})

test('what cannot be asked is a mistake of the test, whatever `.not` says', async () => {
  const kafka = await withOrders()
  const log = await CommitLog.memory()
  onTestFinished(() => log.close())
  await expect(expect(log).toHaveProduced('orders', {})).rejects.toThrow(TypeError)
  await expect(expect(kafka).not.toHaveProduced('orders', { vlaue: 1 } as object)).rejects.toThrow('a record has no "vlaue"')
  await expect(expect(kafka).not.toHaveProducedExactly('orders', -1)).rejects.toThrow(RangeError)
})

const withKafka = kafkaTest({ topics: { orders: 1 } })

withKafka('a test of kafkaTest has a broker of its own', async ({ kafka }) => {
  kafka.topic('orders').append({ key: 'a', value: 1 })
  await expect(kafka).toHaveProducedExactly('orders', 1)
})

withKafka('and the next one another', async ({ kafka }) => {
  await expect(kafka).toHaveProducedExactly('orders', 0)
})
