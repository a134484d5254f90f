/*
 * The test kit, beside what stands in its place in tests: kfake and a real Kafka as processes of their own (`job.how` names one, `memory` is ours
 * without TCP). What a test waits for: a broker, the first record of kafkajs, a clean one for the next test, a copy of a filled one, and a day.
 */
import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { createRequire } from 'node:module'
import { connect } from 'node:net'
import { fileURLToPath } from 'node:url'
import { type Figures, type Job, type Subject, values } from '../job.ts'
import { percentile } from '../statistics.ts'
import { BrokerProcess } from '../wire/brokers.ts'
import { WireClient } from '../wire/wire-client.ts'
import { partOf } from './build.ts'

type Kit = typeof import('../../src/testing/index.ts')
type TestBroker = Awaited<ReturnType<Kit['startTestBroker']>>

const VERSIONS = Buffer.from('0000000a' + '0012' + '0000' + '00000000' + '0000', 'hex')
/** Rounds that do not count, and those that do. */
const BEFORE = 3
const ROUNDS = 15
/** Of resets, which are quick: a suite has many. */
const RESETS_BEFORE = 50
const DAY = '24h'

/** A broker, whoever made it. */
interface AnyBroker {
  readonly bootstrap: string
  readonly port: number
  readonly socketFactory?: unknown
  stop(): Promise<void>
}

/** The test kit and its rivals. */
export const testkit: Subject = {
  testStart: start, testProcess: ownProcess, testFirst: firstRecord, testReset: reset, testFork: fork, testDay: day, testSuite: suite,
}

/** From nothing to the first answer to ApiVersions. */
async function start(job: Job): Promise<Figures> {
  if (!isOurs(job)) {
    const broker = await BrokerProcess.start(job)
    await broker.stop()
    return { ms: broker.startMs }
  }
  const { startTestBroker } = await kit(job)
  return { ms: await median(async () => {
    const kafka = await startTestBroker({ topics: { orders: 3 } })
    await answered(kafka.brokers[0]!.port)
    return () => kafka.close()
  }) }
}

/** A process of its own that starts a broker and asks it, beside one that does nothing. */
function ownProcess(job: Job): Figures {
  const program = `
    const started = performance.now()
    const { startTestBroker } = await import(${JSON.stringify(partOf(job, 'testing/index.js'))})
    const { connect } = await import('node:net')
    const kafka = await startTestBroker({ topics: { orders: 3 } })
    const socket = connect({ port: kafka.brokers[0].port, host: '127.0.0.1' })
    socket.write(Buffer.from('${VERSIONS.toString('hex')}', 'hex'))
    await new Promise((resolve) => socket.once('data', resolve))
    process.exit(0)`
  const run = (code: string): number => {
    const started = performance.now()
    spawnSync(process.execPath, ['--input-type=module', '-e', code], { stdio: 'ignore' })
    return performance.now() - started
  }
  const [bare, whole] = [[] as number[], [] as number[]]
  for (let round = 0; round < ROUNDS; round++) {
    bare.push(run('process.exit(0)'))
    whole.push(run(program))
  }
  return { ms: middle(whole) - middle(bare), bare: middle(bare) }
}

/** kafkajs makes a topic, sends a record, and a group of one consumes it: from the start of the broker, and of its own alone. */
async function firstRecord(job: Job): Promise<Figures> {
  const own: number[] = []
  const all: number[] = []
  const rounds = job.how === 'kafka' ? 3 : ROUNDS
  for (let round = -1; round < rounds; round++) {
    const started = performance.now()
    const broker = await brokerOf({ ...job, folder: `${job.folder}/${round}` })
    const began = performance.now()
    const stop = await consumeFirst(broker)
    if (round >= 0) {
      own.push(performance.now() - began)
      all.push(performance.now() - started)
    }
    await stop()
    await broker.stop()
  }
  return { ms: middle(own), fromStart: middle(all) }
}

/** Between two tests: ours is as it was; the others get a topic that nobody used before, and a client. */
async function reset(job: Job): Promise<Figures> {
  if (isOurs(job)) {
    const kafka = await (await kit(job)).startTestBroker({ topics: { orders: 3 } })
    const ms = await median(async () => {
      await kafka.reset()
      return () => {}
    }, () => void kafka.topic('orders').append({ value: 'x' }), RESETS_BEFORE)
    await kafka.close()
    return { ms }
  }
  const broker = await BrokerProcess.start(job)
  let topics = 0
  const ms = await median(async () => {
    const admin = client(broker.bootstrap).admin()
    await admin.connect()
    await admin.createTopics({ topics: [{ topic: `orders-${topics++}`, numPartitions: 3 }], waitForLeaders: false })
    await admin.disconnect()
    return () => {}
  }, () => {}, job.how === 'kafka' ? BEFORE : RESETS_BEFORE)
  await broker.stop()
  return { ms }
}

/** A copy of a broker that is filled with `job.records` records, until it listens. */
async function fork(job: Job): Promise<Figures> {
  const kafka = await (await kit(job)).startTestBroker({ topics: { orders: 3 } })
  const all = values(job.bytes)
  for (let done = 0; done < job.records; done += all.length) {
    kafka.topic('orders').append(all.slice(0, job.records - done).map((value) => ({ value })))
    await kafka.log.core.flush()
  }
  const megabytes = kafka.log.stats().topics[0]!.partitions.reduce((sum, { bytes }) => sum + bytes, 0) / 1e6
  const ms = await median(async () => {
    const other = await kafka.fork()
    return () => other.close()
  })
  await kafka.close()
  return { ms, megabytes }
}

/** A day with a session, a transaction and a topic with retention. */
async function day(job: Job): Promise<Figures> {
  const { startTestBroker } = await kit(job)
  let kafka: TestBroker
  const config = { 'retention.ms': 3_600_000, 'segment.ms': 60_000 }
  return { ms: await median(async () => {
    await kafka.clock.advance(DAY)
    if (kafka.topic('old').records().length > 0) throw new Error('retention deleted nothing')
    return () => kafka.close()
  }, async () => {
    const keyed = { config: { 'cleanup.policy': 'compact' } }
    kafka = await startTestBroker({ clock: 'virtual', topics: { orders: 3, old: { partitions: 1, config }, keyed } })
    kafka.topic('old').append({ value: 'x' })
    const groups = await kafka.log.core.groups()
    await groups.join({
      groupId: 'g', memberId: '', clientId: 'c', clientHost: '/127.0.0.1', sessionTimeoutMs: 30_000, rebalanceTimeoutMs: 30_000,
      protocolType: 'consumer', protocols: [{ name: 'range', metadata: Buffer.alloc(0) }],
    })
    const transaction = await kafka.log.beginTransaction()
    await transaction.send(await kafka.log.topic('orders'), { value: 'open' })
  }) }
}

/** `job.records` small tests: a clean broker, a producer of kafkajs that sends a record, and a look at it. */
async function suite(job: Job): Promise<Figures> {
  const broker = isOurs(job) ? undefined : await BrokerProcess.start(job)
  const kafka = broker === undefined ? await (await kit(job)).startTestBroker({ topics: { orders: 1 } }) : undefined
  const started = performance.now()
  for (let test = 0; test < job.records; test++) {
    const topic = kafka === undefined ? `orders-${test}` : 'orders'
    const look = broker === undefined ? undefined : await WireClient.connect(broker.port)
    if (kafka === undefined) await look!.createTopic(topic)
    else await kafka.reset()
    const producer = client(kafka?.bootstrap ?? broker!.bootstrap).producer(quiet)
    await producer.connect()
    await producer.send({ topic, messages: [{ key: 'a', value: String(test) }] })
    await producer.disconnect()
    if (kafka === undefined) await look!.fetch(topic, 1)
    else if ((await kafka.topic('orders').waitFor((record) => record.text() === String(test))).offset !== 0) throw new Error('a record too many')
    look?.close()
  }
  const ms = performance.now() - started
  await kafka?.close()
  await broker?.stop()
  return { ms, each: ms / job.records }
}

async function consumeFirst(broker: AnyBroker): Promise<() => Promise<void>> {
  const kafka = client(broker.bootstrap, broker.socketFactory)
  const admin = kafka.admin()
  await admin.connect()
  // kafkajs waits 100 ms for leaders before it looks for them, unless it is told not to.
  await admin.createTopics({ topics: [{ topic: 'orders', numPartitions: 1 }], waitForLeaders: false })
  await admin.disconnect()
  const producer = kafka.producer(quiet)
  await producer.connect()
  await producer.send({ topic: 'orders', messages: [{ key: 'a', value: '1' }] })
  const consumer = kafka.consumer({ groupId: 'billing' })
  await consumer.connect()
  await consumer.subscribe({ topic: 'orders', fromBeginning: true })
  await new Promise<void>((resolve, reject) => {
    consumer.run({ eachMessage: async () => resolve() }).catch(reject)
  })
  return async () => {
    await consumer.disconnect()
    await producer.disconnect()
  }
}

const require = createRequire(import.meta.url)
const quiet = { createPartitioner: (require('kafkajs') as typeof import('kafkajs')).Partitioners.DefaultPartitioner }

function client(bootstrap: string, socketFactory?: unknown): import('kafkajs').Kafka {
  const { Kafka, logLevel } = require('kafkajs') as typeof import('kafkajs')
  return new Kafka({
    clientId: 'bench', brokers: bootstrap.split(','), logLevel: logLevel.NOTHING,
    ...(socketFactory !== undefined && { socketFactory: socketFactory as import('kafkajs').ISocketFactory }),
  })
}

async function brokerOf(job: Job): Promise<AnyBroker> {
  if (!isOurs(job)) return BrokerProcess.start(job)
  const kafka = await (await kit(job)).startTestBroker({ transport: job.how === 'memory' ? 'memory' : 'tcp' })
  return {
    bootstrap: kafka.bootstrap, port: kafka.brokers[0]!.port, stop: () => kafka.close(),
    ...(job.how === 'memory' && { socketFactory: kafka.socketFactory() }),
  }
}

function isOurs({ how }: Job): boolean {
  return how === undefined || how === 'memory'
}

function kit(job: Job): Promise<Kit> {
  return import(fileURLToPath(partOf(job, 'testing/index.js'))) as Promise<Kit>
}

async function answered(port: number): Promise<void> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true })
  socket.write(VERSIONS)
  await once(socket, 'data')
  socket.destroy()
}

/** The middle of what `work` took, in ms; what it gives and `before` do not count. */
async function median(work: () => Promise<() => unknown>, before: () => unknown = () => {}, uncounted = BEFORE): Promise<number> {
  const all: number[] = []
  for (let round = -uncounted; round < ROUNDS; round++) {
    await before()
    const started = performance.now()
    const behind = await work()
    if (round >= 0) all.push(performance.now() - started)
    await behind()
  }
  return middle(all)
}

function middle(all: readonly number[]): number {
  return percentile(Float64Array.from(all), all.length, 0.5)
}
