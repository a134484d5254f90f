/*
 * A test of kafkajs against a Kafka in the same process: node --test orders.test.mjs
 */
import assert from 'node:assert'
import { after, before, test } from 'node:test'
import { CommitLog, string } from 'commitlog'
import { listen } from 'commitlog/kafka'
import kafkajs from 'kafkajs'

let log, server

before(async () => {
  log = await CommitLog.memory()
  server = await listen(log)
})

after(async () => {
  await server.close()
  await log.close()
})

test('an order arrives', async () => {
  const kafka = new kafkajs.Kafka({ brokers: server.bootstrapServers, logLevel: kafkajs.logLevel.ERROR })
  const producer = kafka.producer()
  await producer.connect()
  await producer.send({ topic: 'orders', messages: [{ key: 'ada', value: '12' }] })
  await producer.disconnect()

  // What was sent over the wire can be looked at here, and the other way round.
  const orders = await log.topic('orders', { key: string, value: string })
  assert.deepEqual(Array.from(orders.partition(0).read(), ({ key, value }) => [key, value]), [['ada', '12']])
})
