/*
 * Produces and consumes with kafkajs while its broker is killed and comes back: node kills.mjs <bootstrap>. What is acknowledged, read and
 * committed is a line each (see kills.test.ts). `stop` on stdin ends the producers, the end of stdin the rest.
 */
import { createInterface } from 'node:readline'
import kafkajs from 'kafkajs'
import { each } from './scenario.mjs'

const { Kafka, logLevel } = kafkajs
const TOPIC = 'events'
const KEYS = 6

// It goes on trying: every kill is over in a moment.
const retry = { initialRetryTime: 50, maxRetryTime: 300, retries: 10_000 }
const [bootstrap] = process.argv.slice(2)
const limits = { connectionTimeout: 2000, requestTimeout: 5000, retry }
const kafka = new Kafka({ clientId: 'kafkajs', brokers: [bootstrap], logLevel: logLevel.NOTHING, ...limits })
const print = (...words) => process.stdout.write(`${words.join(' ')}\n`)
let stopping = false

/** Each value of a key is one more than the one before. The next batch is sent when this one is acknowledged. */
async function produce(name, options) {
  const producer = kafka.producer({ ...options, maxInFlightRequests: 1, retry })
  await producer.connect()
  for (let value = 0; !stopping; value++) {
    const messages = each(KEYS, (key) => ({ key: `${name}-${key}`, value: String(value) }))
    const acknowledged = await producer.send({ topic: TOPIC, acks: -1, messages })
    // It tells the first offset for each partition, and not which records went there: so only that they are stored.
    if (acknowledged.length === 0) throw new Error('nothing was acknowledged')
    for (const { key } of messages) print('stored', name, key, value)
    await new Promise((resolve) => { setTimeout(resolve, 5) })
  }
  await producer.disconnect()
  print('stopped', name)
}

async function consume(group) {
  const consumer = kafka.consumer({ groupId: group, maxWaitTimeInMs: 100, heartbeatInterval: 500, sessionTimeout: 10_000, retry })
  await consumer.connect()
  await consumer.subscribe({ topic: TOPIC, fromBeginning: true })
  await consumer.run({
    autoCommit: false,
    async eachBatch({ batch: { partition, messages }, resolveOffset }) {
      for (const { offset, key, value } of messages) {
        print('read', group, partition, offset, key, value)
        resolveOffset(offset)
      }
      const next = String(Number(messages.at(-1).offset) + 1)
      await consumer.commitOffsets([{ topic: TOPIC, partition, offset: next }])
      print('committed', group, partition, next)
    },
  })
  return consumer
}

const lines = createInterface({ input: process.stdin })
const ended = new Promise((resolve) => { lines.once('close', resolve) })
lines.on('line', () => { stopping = true })
const consumer = await consume('kafkajs-group')
await Promise.all([produce('kafkajs-plain', { idempotent: false }), produce('kafkajs-idempotent', { idempotent: true }), ended])
await consumer.disconnect()
process.exit()
