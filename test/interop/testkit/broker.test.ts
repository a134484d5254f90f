/*
 * kafkajs on a test broker: resets under clients that stay connected, older releases, and clients that say who they are.
 */
import { onTestFinished, expect, test } from 'vitest'
import { startTestBroker, type TestBroker, type TestBrokerOptions } from '../../../src/testing/index.ts'
import { type KafkaJs, kafkaJs } from './kafkajs.ts'

type Client = InstanceType<KafkaJs['Kafka']>

async function start(options: TestBrokerOptions = {}, more: object = {}): Promise<{ readonly kafka: TestBroker; readonly client: Client }> {
  const { Kafka, logLevel } = await kafkaJs()
  const kafka = await startTestBroker({ topics: { orders: 1 }, ...options })
  onTestFinished(() => kafka.close().catch(() => {}))
  const client = new Kafka({
    clientId: 'app', brokers: kafka.bootstrap.split(','), logLevel: logLevel.NOTHING, retry: { initialRetryTime: 10, maxRetryTime: 50, retries: 20 },
    ...(options.transport === 'memory' && { socketFactory: kafka.socketFactory() }), ...more,
  })
  return { kafka, client }
}

async function consume(client: Client, seen: string[], groupId = 'billing'): Promise<ReturnType<Client['consumer']>> {
  const consumer = client.consumer({ groupId, heartbeatInterval: 100, maxWaitTimeInMs: 100 })
  await consumer.connect()
  await consumer.subscribe({ topics: ['orders'], fromBeginning: true })
  await consumer.run({ eachMessage: async ({ message }) => void seen.push(String(message.value)) })
  onTestFinished(() => consumer.disconnect())
  return consumer
}

for (const transport of ['tcp', 'memory'] as const) {
  test(`clients go on over ${transport} after resets and restores, without a new connection`, async () => {
    const { kafka, client } = await start({ transport })
    const seen: string[] = []
    const producer = client.producer()
    await producer.connect()
    onTestFinished(() => producer.disconnect())
    await consume(client, seen)
    const send = async (value: string): Promise<void> => {
      await producer.send({ topic: 'orders', messages: [{ value }] })
      await kafka.until(() => (seen.includes(value) ? true : undefined), `${value} did not arrive`)
    }
    await kafka.group('billing').ready()
    await send('first')
    for (let round = 0; round < 3; round++) {
      await kafka.reset()
      await kafka.group('billing').ready({ timeout: '20s' })
      await send(`round ${round}`)
      expect(kafka.topic('orders').records().map((record) => record.text())).toEqual([`round ${round}`])
    }
    const at = await kafka.checkpoint()
    await send('lost')
    await kafka.restore(at)
    await kafka.group('billing').ready({ timeout: '20s' })
    expect(kafka.topic('orders').records().map((record) => record.text())).toEqual(['round 2'])
    await send('behind')
  })
}

for (const emulate of ['1.0', '2.0', '2.4', '2.8', '3.3', '3.6', '3.9', '4.0', '4.1', '4.2', '4.3', 'event-hubs', 'no-topic-ids', 'produce-min-3']) {
  test(`kafkajs sends and consumes on ${emulate}`, async () => {
    const { kafka, client } = await start({ emulate })
    const seen: string[] = []
    const producer = client.producer()
    await producer.connect()
    await producer.send({ topic: 'orders', messages: [{ value: emulate }] })
    await producer.disconnect()
    await consume(client, seen)
    await kafka.group('billing').caughtUp()
    expect(seen).toEqual([emulate])
  })
}

test('clients that say who they are come in, and others do not', async () => {
  const security = { sasl: { users: { ada: 'secret' } } }
  const { kafka, client } = await start({ security }, { ssl: false, sasl: { mechanism: 'plain', username: 'ada', password: 'secret' } })
  const producer = client.producer()
  await producer.connect()
  await producer.send({ topic: 'orders', messages: [{ value: 'v' }] })
  await producer.disconnect()
  expect(kafka.topic('orders').records()).toHaveLength(1)
  const wrong = await start({ security }, { ssl: false, sasl: { mechanism: 'plain', username: 'ada', password: 'wrong' }, retry: { retries: 0 } })
  await expect(wrong.client.producer().connect()).rejects.toThrow(/uthenticat/)
})
