/*
 * The test of docs/testing-beside.md with a container. It needs Docker, which nothing else here does, and so it is not run.
 */
import assert from 'node:assert'
import { after, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { KafkaContainer } from '@testcontainers/kafka'
import kafkajs from 'kafkajs'
import { startBilling } from './billing.mjs'

let container, kafka, producer

before(async () => {
  container = await new KafkaContainer('confluentinc/cp-kafka:8.0.0').withKraft().start()
  kafka = new kafkajs.Kafka({ brokers: [`${container.getHost()}:${container.getMappedPort(9093)}`], logLevel: kafkajs.logLevel.NOTHING })
  const admin = kafka.admin()
  await admin.connect()
  await admin.createTopics({ topics: [{ topic: 'orders' }, { topic: 'invoices' }] })
  await admin.disconnect()
  producer = kafka.producer()
  await producer.connect()
}, { timeout: 180_000 })

after(async () => {
  await producer?.disconnect()
  await container?.stop()
})

test('an order is invoiced once', async (t) => {
  const stop = await startBilling([`${container.getHost()}:${container.getMappedPort(9093)}`])
  t.after(stop)

  // A consumer of the test's own, since nobody else tells what the service sent.
  const invoices = []
  const consumer = kafka.consumer({ groupId: `test-${Date.now()}` })
  await consumer.connect()
  t.after(() => consumer.disconnect())
  await consumer.subscribe({ topics: ['invoices'], fromBeginning: true })
  await consumer.run({ eachMessage: async ({ message }) => void invoices.push(JSON.parse(String(message.value))) })
  await sleep(5000)                                               // until both have their partitions, mostly

  // One broker: no leader can move, and no answer can be lost without a proxy between.
  await producer.send({ topic: 'orders', messages: [{ key: 'o-1', value: JSON.stringify({ id: 'o-1', total: 10 }) }] })
  for (let tries = 0; invoices.length === 0 && tries < 100; tries++) await sleep(100)
  await sleep(1000)                                               // a second invoice would have come by now, mostly
  assert.deepEqual(invoices, [{ id: 'o-1', due: 12 }])
})
