/*
 * What a real client makes of the faults of a test broker: kafkajs goes on where it should, and says so where it cannot.
 */
import { onTestFinished, expect, test } from 'vitest'
import { startTestBroker, type TestBroker, type TestBrokerOptions } from '../../../src/testing/index.ts'
import { type KafkaJs, kafkaJs } from './kafkajs.ts'

type Client = InstanceType<KafkaJs['Kafka']>

async function start(options: TestBrokerOptions = {}): Promise<{ readonly kafka: TestBroker; readonly client: Client }> {
  const { Kafka, logLevel } = await kafkaJs()
  const kafka = await startTestBroker({ topics: { orders: 1 }, ...options })
  onTestFinished(() => kafka.close().catch(() => {}))
  const client = new Kafka({
    clientId: 'app', brokers: kafka.bootstrap.split(','), logLevel: logLevel.NOTHING, requestTimeout: 1000,
    retry: { initialRetryTime: 10, maxRetryTime: 50, retries: 20 },
  })
  return { kafka, client }
}

async function sendOne(client: Client, value: string, options: object = {}): Promise<void> {
  const producer = client.producer(options)
  await producer.connect()
  try {
    await producer.send({ topic: 'orders', messages: [{ value }] })
  } finally {
    await producer.disconnect()
  }
}

for (const [name, fault, records] of [
  ['an error that can be retried', (kafka) => kafka.faults.on('Produce').times(2).error('NOT_LEADER_OR_FOLLOWER'), 1],
  ['a connection that is cut before', (kafka) => kafka.faults.on('Produce').once().dropConnection(), 1],
  ['a connection that is cut behind, without idempotence', (kafka) => kafka.faults.on('Produce').once().dropConnection({ when: 'after-apply' }), 2],
  ['a reset', (kafka) => kafka.faults.on('Produce').once().resetConnection(), 1],
  ['an answer in pieces', (kafka) => kafka.faults.on('Produce').once().split(2), 1],
  ['an answer that is cut', (kafka) => kafka.faults.on('Produce').once().truncate(5), 2],
  ['a delay', (kafka) => kafka.faults.on('Produce').once().delay(50), 1],
  ['metadata that fails', (kafka) => kafka.faults.on('Metadata').once().error('LEADER_NOT_AVAILABLE'), 1],
] as const satisfies readonly (readonly [string, (kafka: TestBroker) => unknown, number])[]) {
  test(`kafkajs sends a record in spite of ${name}`, async () => {
    const { kafka, client } = await start()
    fault(kafka)
    await sendOne(client, 'v')
    expect(kafka.topic('orders').records().map((record) => record.text())).toEqual(Array(records).fill('v'))
    await kafka.close()
  })
}

test('an idempotent producer whose answer is lost stores its record once', async () => {
  const { kafka, client } = await start()
  kafka.faults.on('Produce').once().dropConnection({ when: 'after-apply' })
  await sendOne(client, 'v', { idempotent: true })
  expect(kafka.topic('orders').records()).toHaveLength(1)
  await kafka.close()
})

test('kafkajs rejects what cannot be retried', async () => {
  const { kafka, client } = await start()
  kafka.faults.on('Produce').once().error('MESSAGE_TOO_LARGE')
  await expect(sendOne(client, 'v')).rejects.toThrow(/larger than the max message size/)
})

test('a consumer that is cut off is taken out when its session ends, and comes back', async () => {
  const { kafka, client } = await start({ topics: { orders: 1 } })
  const seen: string[] = []
  const consumer = client.consumer({ groupId: 'billing', sessionTimeout: 6000, heartbeatInterval: 100, maxWaitTimeInMs: 100 })
  await consumer.connect()
  await consumer.subscribe({ topics: ['orders'], fromBeginning: true })
  await consumer.run({ eachMessage: async ({ message }) => void seen.push(String(message.value)) })
  await kafka.group('billing').ready({ members: 1 })
  kafka.topic('orders').append({ value: 'before' })
  await kafka.group('billing').caughtUp()
  const hole = kafka.faults.client('app').blackhole()
  await kafka.until(async () => ((await kafka.group('billing').describe()).members.length === 0 ? true : undefined), 'it is a member still', 20_000)
  hole.cancel()
  kafka.topic('orders').append({ value: 'behind' })
  await kafka.group('billing').ready({ members: 1, timeout: '20s' })
  await kafka.group('billing').caughtUp({ timeout: '20s' })
  // What it had when it was cut off it may get once more.
  expect([...new Set(seen)]).toEqual(['before', 'behind'])
  await consumer.disconnect()
  await kafka.close()
})

test('a consumer follows leaders, coordinators and brokers that go down', async () => {
  const { kafka, client } = await start({ brokers: 3, topics: { orders: 3 } })
  const seen = new Set<string>()
  const consumer = client.consumer({ groupId: 'billing', heartbeatInterval: 100, maxWaitTimeInMs: 100 })
  await consumer.connect()
  await consumer.subscribe({ topics: ['orders'], fromBeginning: true })
  await consumer.run({ eachMessage: async ({ message }) => void seen.add(String(message.value)) })
  await kafka.group('billing').ready({ members: 1 })
  const all = async (values: readonly string[]): Promise<void> => {
    kafka.topic('orders').append(values.map((value, partition) => ({ value, partition })))
    await kafka.until(() => (values.every((value) => seen.has(value)) ? true : undefined), `${values.join()} did not all arrive`, 30_000)
  }
  await all(['a', 'b', 'c'])
  const partition = kafka.faults.partition('orders', 0)
  await partition.moveLeader(kafka.brokers.find(({ nodeId }) => nodeId !== partition.leader)!.nodeId)
  await all(['d', 'e', 'f'])
  await kafka.faults.rehashCoordinators()
  await all(['g', 'h', 'i'])
  await kafka.faults.broker(kafka.faults.group('billing').coordinator).down()
  await all(['j', 'k', 'l'])
  // Its fetchers are made anew by now: kafkajs spins for ever when its consumer stops in the middle of that.
  for (const round of [1, 2, 3]) await all([`m${round}`, `n${round}`, `o${round}`])
  await consumer.disconnect()
})
