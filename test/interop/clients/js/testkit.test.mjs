/*
 * A service that uses kafkajs, tested with a Kafka that answers within milliseconds: node --test billing.test.mjs
 */
import assert from 'node:assert'
import { test } from 'node:test'
import { assertKafka, testBroker } from 'commitlog/testing/node'
import kafkajs from 'kafkajs'

// The service: it reads orders and writes invoices.
async function startBilling(brokers) {
  const kafka = new kafkajs.Kafka({ clientId: 'billing', brokers, logLevel: kafkajs.logLevel.NOTHING, retry: { initialRetryTime: 10 } })
  const producer = kafka.producer()
  const consumer = kafka.consumer({ groupId: 'billing' })
  await producer.connect()
  await consumer.connect()
  await consumer.subscribe({ topics: ['orders'], fromBeginning: true })
  await consumer.run({
    eachMessage: async ({ message }) => {
      const { id, total } = JSON.parse(String(message.value))
      await producer.send({ topic: 'invoices', messages: [{ key: id, value: JSON.stringify({ id, due: total * 1.2 }) }] })
    },
  })
  return async () => {
    await consumer.disconnect()
    await producer.disconnect()
  }
}

test('an order is invoiced, also when a leader moves on the way', async (t) => {
  const kafka = await testBroker(t, { topics: { orders: 1, invoices: 1 } })
  const stop = await startBilling(kafka.bootstrap.split(','))
  t.after(stop)

  await kafka.group('billing').ready()                                            // it has its partitions and fetches them: no sleep
  kafka.faults.on('Produce', { topic: 'invoices' }).once().error('NOT_LEADER_OR_FOLLOWER')
  kafka.topic('orders').append({ key: 'o-1', value: { id: 'o-1', total: 10 } })   // without a client

  await assertKafka(kafka).toHaveProduced('invoices', { key: 'o-1', value: { id: 'o-1', due: 12 } })
  await assertKafka(kafka).toBeCaughtUp('billing')
  await assertKafka(kafka).toHaveProducedExactly('invoices', 1)
  assert.match(kafka.journal.timeline(), /billing#\d+ ◀── 1 Produce v\d+ NOT_LEADER_OR_FOLLOWER/)
})
