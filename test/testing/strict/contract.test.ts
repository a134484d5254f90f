/*
 * Contracts of topics: what is refused, what is only noted, and what the client is told.
 */
import { expect, test } from 'vitest'
import { produce } from '../../../src/kafka/apis/00-produce.ts'
import { encodeBatch } from '../../../src/format/batch.ts'
import { isLogError, type StandardSchema, string } from '../../../src/index.ts'
import { type TestBroker, startTestBroker } from '../../../src/testing/index.ts'
import { client, startBroker } from '../broker/harness.ts'

const INVALID_RECORD = 87

/** An order has a total; asynchronous, as some schemas are. */
const orderSchema: StandardSchema<unknown, { total: number }> = {
  '~standard': {
    version: 1, vendor: 'test',
    validate: async (value) => (typeof (value as { total?: unknown } | null)?.total === 'number'
      ? { value: value as { total: number } }
      : { issues: [{ message: 'is no number', path: ['total'] }] }),
  },
}

/** Sends values to partitions of a topic, and gives what was answered for each. */
async function send(kafka: TestBroker, topic: string, parts: Readonly<Record<number, readonly (string | null)[]>>) {
  const raw = await client(kafka)
  const partitionData = Object.entries(parts).map(([index, values]) => ({
    index: Number(index),
    records: encodeBatch(values.map((value) => ({ key: Buffer.from('k'), value: value === null ? null : Buffer.from(value) }))),
  }))
  const { responses } = await raw.request(produce, 9, { acks: -1, timeoutMs: 1000, topicData: [{ name: topic, partitionData }] })
  const answers = responses.flatMap(({ partitionResponses }) => partitionResponses)
  return new Map(answers.map((answer) => [answer.index, answer]))
}

test('a check that throws is a reason too, and no end of the connection', async () => {
  const kafka = await startBroker({ topics: { orders: 1 } })
  kafka.contract('orders', { value: (order) => ((order as { total: number }).total >= 0 ? undefined : 'is no amount') })
  expect((await send(kafka, 'orders', { 0: ['null'] })).get(0)!.recordErrors).toMatchObject([
    { batchIndex: 0, batchIndexErrorMessage: expect.stringContaining('its value: the check threw TypeError: ') },
  ])
})

test('a record that breaks it is refused with its reason, and other partitions of the request are stored', async () => {
  const kafka = await startBroker({ topics: { orders: 2, other: 1 } })
  const contract = kafka.contract('orders', { value: orderSchema })
  const answers = await send(kafka, 'orders', { 0: ['{"total":1}', '{"total":"1"}', 'no json'], 1: ['{"total":2}', null] })
  expect(answers.get(0)).toMatchObject({ errorCode: INVALID_RECORD, baseOffset: -1 })
  expect(answers.get(0)!.recordErrors).toMatchObject([
    { batchIndex: 1, batchIndexErrorMessage: 'its value: total: is no number' },
    { batchIndex: 2, batchIndexErrorMessage: expect.stringContaining('its value cannot be decoded') },
  ])
  expect(answers.get(1)).toMatchObject({ errorCode: 0, baseOffset: 0 })
  expect(kafka.topic('orders').records().map(({ partition }) => partition)).toEqual([1, 1])
  expect(contract.violations).toMatchObject([{ topic: 'orders', partition: 0, index: 1, clientId: 'raw' }, { index: 2 }])
  expect((await send(kafka, 'other', { 0: ['no json'] })).get(0)!.errorCode).toBe(0)
  contract.end()
  expect((await send(kafka, 'orders', { 0: ['no json'] })).get(0)!.errorCode).toBe(0)
  await kafka.close()
})

test('keys, tombstones and values of other codecs are checked by functions', async () => {
  const kafka = await startBroker({ topics: { orders: 1 } })
  kafka.contract('orders', {
    key: (key) => (key === 'k' ? undefined : 'is not k'), value: (value) => (value === 'text' ? undefined : 'is not text'), codec: string,
    tombstones: false,
  })
  expect((await send(kafka, 'orders', { 0: ['text'] })).get(0)!.errorCode).toBe(0)
  const refused = (await send(kafka, 'orders', { 0: ['other', null] })).get(0)!
  expect(refused.recordErrors.map(({ batchIndexErrorMessage }) => batchIndexErrorMessage)).toEqual(['its value: is not text', 'its value is null'])
})

test('one that only reports stores the record, and fails the test in the end', async () => {
  const kafka = await startTestBroker({ topics: { orders: 1 } })
  kafka.contract('orders', { value: orderSchema, mode: 'report' })
  expect((await send(kafka, 'orders', { 0: ['{}'] })).get(0)!.errorCode).toBe(0)
  expect(kafka.topic('orders').records()).toHaveLength(1)
  await expect(kafka.reset()).rejects.toSatisfy((error) => isLogError(error, 'LOG_CONTRACT_BROKEN') && error.message.includes('orders-0, record 0'))
  await send(kafka, 'orders', { 0: ['{}'] })                           // a reset ends contracts
  await kafka.close()
})

test('the reason is in the journal, whatever the client makes of it', async () => {
  const kafka = await startBroker({ topics: { orders: 1 } })
  kafka.contract('orders', { value: orderSchema })
  await send(kafka, 'orders', { 0: ['{}'] })
  expect(kafka.journal.timeline()).toContain('INVALID_RECORD  [contract of orders-0, record 0: its value: total: is no number]')
})

test('a contract of a test ends with its reset, and those that a broker was started with stay', async () => {
  const kafka = await startBroker({ topics: { orders: 1, others: 1 }, contracts: { orders: { value: orderSchema } } })
  kafka.contract('others', { value: orderSchema })
  const codes = async (): Promise<readonly number[]> => {
    const answers = [await send(kafka, 'orders', { 0: ['{}'] }), await send(kafka, 'others', { 0: ['{}'] })]
    return answers.map((answer) => answer.get(0)!.errorCode)
  }
  expect(await codes()).toEqual([INVALID_RECORD, INVALID_RECORD])
  await kafka.reset()
  expect(await codes()).toEqual([INVALID_RECORD, 0])
  await expect(startTestBroker({ contracts: { orders: {} } })).rejects.toThrow('a contract says something of keys or values')
})

test('a contract of a topic that never was fails the test in the end', async () => {
  const kafka = await startBroker({ topics: { orders: 1 } })
  kafka.contract('order', { value: orderSchema })
  await expect(kafka.reset()).rejects.toThrow('the contract of topic "order" was never asked: there is no such topic; did you mean "orders"?')
  await kafka.reset()
  kafka.contract('orders', { value: orderSchema })
  await kafka.close()
})

test('a contract that cannot be is refused at once', async () => {
  const kafka = await startBroker({ topics: { orders: 1 } })
  expect(() => kafka.contract('orders', {})).toThrow('says something of keys or values')
  expect(() => kafka.contract('orders', { value: {} as StandardSchema })).toThrow('Standard Schema')
  expect(() => kafka.contract('orders', { values: orderSchema } as object)).toThrow('did you mean "value"')
})
