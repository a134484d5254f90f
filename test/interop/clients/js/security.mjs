/*
 * Who a client is and what it may do, with kafkajs: node security.mjs <file of cases>
 */
import { readFileSync } from 'node:fs'
import kafkajs from 'kafkajs'

const { Kafka, logLevel } = kafkajs
const { cases, ca, cert, key, token } = JSON.parse(readFileSync(process.argv[2], 'utf8'))

for (const { name, bootstrap, tls, certificate, mechanism, username, password } of cases) {
  const kafka = new Kafka({
    clientId: 'security', brokers: [bootstrap], logLevel: logLevel.NOTHING, retry: { retries: 1, initialRetryTime: 50 },
    ...(tls && { ssl: { ca: [ca], ...(certificate && { cert, key }) } }),
    ...(mechanism === 'OAUTHBEARER' && { sasl: { mechanism: 'oauthbearer', oauthBearerProvider: async () => ({ value: token }) } }),
    ...(mechanism !== undefined && mechanism !== 'OAUTHBEARER' && { sasl: { mechanism: mechanism.toLowerCase(), username, password } }),
  })
  console.log(JSON.stringify({ name, ...(await tried(kafka, `open-kafkajs-${name}`)) }))
}

async function tried(kafka, topic) {
  const producer = kafka.producer()
  const consumer = kafka.consumer({ groupId: topic, maxWaitTimeInMs: 100 })
  try {
    await producer.connect()
    await producer.send({ topic, messages: [{ value: topic }] })
    await consumer.connect()
    await consumer.subscribe({ topic, fromBeginning: true })
    const read = await new Promise((resolve, reject) => {
      consumer.run({ eachMessage: async ({ message }) => resolve(String(message.value)) }).catch(reject)
    })
    return { read, denied: await deniedBy(() => producer.send({ topic: 'closed', messages: [{ value: 'x' }] })) }
  } catch (error) {
    return { failed: error.message }
  } finally {
    await consumer.disconnect()
    await producer.disconnect()
  }
}

async function deniedBy(call) {
  try {
    await call()
    return 0
  } catch (error) {
    return /Topic authorization failed/.test(error.message) ? 29 : error.message
  }
}
