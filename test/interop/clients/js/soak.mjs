/*
 * Clients that come and go for as long as they are let: node soak.mjs <bootstrap> <groups> <connections>. A line on stdin ends them. What
 * kafkajs takes for an error, and does not get over by itself, is a line. Started by test/tools/soak.ts.
 */
import { once } from 'node:events'
import { connect } from 'node:net'
import kafkajs from 'kafkajs'
import { each } from './scenario.mjs'

const TOPICS = 10
/** A member of some group goes and another one comes, so often. */
const CHURN_MS = 300
const PRODUCE_MS = 2000

const [bootstrap, groups, connections] = process.argv.slice(2)
const producers = Math.floor(Number(connections) / 5)
// Each has two: one waits for records, the other does the rest.
const consumers = Math.floor((Number(connections) - producers) / 2)
const { Kafka, logLevel } = kafkajs
const logCreator = () => ({ log: { message, error } }) => process.stdout.write(`${message}: ${error ?? ''}\n`)
const retry = { initialRetryTime: 100, retries: 20 }
const kafka = new Kafka({ clientId: 'soak', brokers: [bootstrap], logLevel: logLevel.ERROR, logCreator, retry })

const pick = (list) => list[Math.floor(Math.random() * list.length)]
const pause = (ms) => new Promise((resolve) => { setTimeout(resolve, ms) })
const topicOf = (group) => `soak-${group % TOPICS}`
let stopping = false

async function join(group) {
  const consumer = kafka.consumer({ groupId: `group-${group}`, sessionTimeout: 30_000, rebalanceTimeout: 30_000, maxWaitTimeInMs: 2000 })
  await consumer.connect()
  await consumer.subscribe({ topic: topicOf(group) })
  await consumer.run({ autoCommitInterval: 1000, eachMessage: async () => {} })
  return { group, consumer }
}

async function comeAndGo(members) {
  while (!stopping) {
    await pause(CHURN_MS)
    const leaving = members.splice(Math.floor(Math.random() * members.length), 1)[0]
    // Leaving takes as long as the fetch that is under way.
    void leaving.consumer.disconnect()
    members.push(await join(leaving.group))
  }
}

/** Every tenth one writes transactions, every third one is idempotent; each makes place for a new one after a while. */
async function produce(number) {
  while (!stopping) {
    const transactional = number % 10 === 0
    const options = transactional ? { transactionalId: `tx-${number}`, maxInFlightRequests: 1, idempotent: true } : { idempotent: number % 3 === 0 }
    const producer = kafka.producer(options)
    await producer.connect()
    for (let sends = 5 + Math.random() * 20; sends > 0 && !stopping; sends--) {
      await pause(Math.random() * 2 * PRODUCE_MS)
      const messages = each(3, (i) => ({ key: `key-${i}`, value: 'x'.repeat(200) }))
      const transaction = transactional ? await producer.transaction() : undefined
      await (transaction ?? producer).send({ topic: topicOf(number), messages })
      if (transaction !== undefined) await (Math.random() < 0.3 ? transaction.abort() : transaction.commit())
    }
    await producer.disconnect()
  }
}

/** Topics that are made, used and deleted. */
async function administer() {
  const admin = kafka.admin()
  await admin.connect()
  for (let number = 0; !stopping; number++) {
    await pause(1000)
    const topic = `passing-${number}`
    await admin.createTopics({ topics: [{ topic, numPartitions: 3 }] })
    await admin.fetchTopicOffsets(topic)
    await admin.listGroups()
    await admin.describeGroups([`group-${number % Number(groups)}`])
    await admin.deleteTopics({ topics: [topic] })
  }
  await admin.disconnect()
}

/** Peers that say half of something, and are gone. */
async function hangUp() {
  const [host, port] = bootstrap.split(':')
  while (!stopping) {
    await pause(500)
    const socket = connect(Number(port), host)
    socket.on('error', () => {})
    await once(socket, 'connect')
    socket.write(Buffer.from('0000002a00030001', 'hex'))
    await pause(Math.random() * 1000)
    socket.resetAndDestroy()
  }
}

const members = []
for (let i = 0; i < consumers; i += 20) members.push(...await Promise.all(each(Math.min(20, consumers - i), (j) => join((i + j) % Number(groups)))))
process.stdin.once('data', () => { stopping = true })
const work = [comeAndGo(members), administer(), hangUp(), ...each(producers, produce)]
process.stdout.write('all there\n')
await Promise.all(work)
await Promise.all(members.map(({ consumer }) => consumer.disconnect()))
process.exit()
