/*
 * A service of kafkajs: it reads orders and writes invoices.
 */
import kafkajs from 'kafkajs'

const kafka = new kafkajs.Kafka({
  clientId: 'billing', brokers: process.env.KAFKA_BROKERS.split(','), logLevel: kafkajs.logLevel.ERROR, retry: { initialRetryTime: 50 },
})
const producer = kafka.producer({ idempotent: true, createPartitioner: kafkajs.Partitioners.DefaultPartitioner })
const consumer = kafka.consumer({ groupId: 'billing', maxWaitTimeInMs: 100 })
await producer.connect()
await consumer.connect()
await consumer.subscribe({ topics: ['orders'], fromBeginning: true })
await consumer.run({
  eachMessage: async ({ message }) => {
    const { id, total } = JSON.parse(String(message.value))
    await producer.send({ topic: 'invoices', messages: [{ key: id, value: JSON.stringify({ id, due: total * 1.2 }) }] })
  },
})
process.once('SIGTERM', async () => {
  await consumer.disconnect()
  await producer.disconnect()
})
