/*
 * A service of @platformatic/kafka: it reads orders and writes invoices.
 */
import { Consumer, Producer, stringDeserializers, stringSerializers } from '@platformatic/kafka'

const bootstrapBrokers = process.env.KAFKA_BROKERS.split(',')
const producer = new Producer({ clientId: 'billing', bootstrapBrokers, idempotent: true, serializers: stringSerializers, retryDelay: 50 })
const consumer = new Consumer({ clientId: 'billing', groupId: 'billing', bootstrapBrokers, deserializers: stringDeserializers, maxWaitTime: 100 })
const orders = await consumer.consume({ topics: ['orders'], mode: 'committed', fallbackMode: 'earliest', autocommit: false })
process.once('SIGTERM', async () => {
  await orders.close()
  await consumer.close(true)
  await producer.close()
})
for await (const order of orders) {
  const { id, total } = JSON.parse(order.value)
  await producer.send({ messages: [{ topic: 'invoices', key: id, value: JSON.stringify({ id, due: total * 1.2 }) }] })
  await order.commit()
}
