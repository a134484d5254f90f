/*
 * The wire: brokers as processes of their own (`job.how` names one), and Kafka clients that talk to them over TCP on this machine. A fresh
 * broker and fresh topics for each trial; before anything counts, every broker takes and gives the same records of a client without cost.
 */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { type Figures, type Job, perSecond, type Subject, values } from '../job.ts'
import { percentile } from '../statistics.ts'
import { BrokerProcess } from '../wire/brokers.ts'
import { type Assignment, clients, SEND_RECORDS } from '../wire/clients.ts'
import { produceRequest, WireClient } from '../wire/wire-client.ts'
import { partOf } from './build.ts'

/** What a batch of a producer holds by default: 16 KiB, which Java's fills at full load. */
const BATCH_BYTES = 16 * 1024
/** Requests that a Java producer has under way. */
const IN_FLIGHT = 5
const WARM_UP_BATCHES = 3000
/** Batches that a connection sends while memory is looked at. */
const MEMORY_BATCHES = 1000
const TOPIC = 'bench'

/** All brokers. */
export const wire: Subject = {
  wireClient: withClient, wireReplay: replay, wireLatency: latency, wireStart: start, wireListen: firstAnswer, wireMemory: memory,
}

/** A client produces, then consumes: records per second, and the broker's processor time a record for both. */
async function withClient(job: Job): Promise<Figures> {
  const client = clients[job.client!]
  return withBroker(job, async (broker) => {
    const assignment: Assignment = { bootstrap: broker.bootstrap, topic: TOPIC, records: job.records, bytes: job.bytes, codec: job.codec }
    const admin = await WireClient.connect(broker.port)
    if (client.here) {
      const before = { ...assignment, topic: 'before', records: Math.min(job.records, 50 * SEND_RECORDS) }
      await admin.createTopic(before.topic)
      await client.produce(before)
      await client.consume(before)
    }
    await admin.createTopic(TOPIC)
    admin.close()
    const produced = await measured(broker, job.records, () => client.produce(assignment))
    const consumed = await measured(broker, job.records, () => client.consume(assignment))
    return { perSecond: produced.result, produceCpuNs: produced.cpuNs, consumed: consumed.result, fetchCpuNs: consumed.cpuNs }
  })
}

/** The same batches again and again, as a Java producer would send them, then fetched as a consumer would. */
async function replay(job: Job): Promise<Figures> {
  return withBroker(job, async (broker) => {
    const client = await WireClient.connect(broker.port)
    await client.createTopic(TOPIC)
    const { request, count } = await fullBatch(job, TOPIC)
    const requests = Math.ceil(job.records / count)
    const records = requests * count
    const timed = async (work: () => Promise<void>): Promise<number> => {
      const started = performance.now()
      await work()
      return perSecond(records, performance.now() - started)
    }
    const produced = await measured(broker, records, () => timed(() => client.produce(request, TOPIC, requests, IN_FLIGHT)))
    const fetched = await measured(broker, records, () => timed(() => client.fetch(TOPIC, records)))
    client.close()
    return { produceCpuNs: produced.cpuNs, fetchCpuNs: fetched.cpuNs, produced: produced.result, fetched: fetched.result }
  })
}

/** Batches of one record, one at a time: 50th and 99th percentile in µs. */
async function latency(job: Job): Promise<Figures> {
  return withBroker(job, async (broker) => {
    const client = await WireClient.connect(broker.port)
    await client.createTopic(TOPIC)
    const request = produceRequest(TOPIC, await batch(job, 1))
    await client.produce(request, TOPIC, Math.ceil(job.records / 4), 1)
    const latencies = new Float64Array(job.records)
    await client.produce(request, TOPIC, job.records, 1, latencies)
    client.close()
    return { p50: percentile(latencies, job.records, 0.5), p99: percentile(latencies, job.records, 0.99) }
  })
}

/** From the start of the process to its first answer; memory then. */
async function start(job: Job): Promise<Figures> {
  const broker = await BrokerProcess.start(job)
  const megabytes = broker.megabytes('VmRSS')
  await broker.stop()
  return { ms: broker.startMs, megabytes }
}

/** In this process: from `listen` on an open log to the first answer, which a client in another process gets. */
async function firstAnswer(job: Job): Promise<Figures> {
  const { CommitLog } = await import(partOf(job, 'index.js')) as typeof import('../../src/index.ts')
  const { listen } = await import(partOf(job, 'kafka/index.js')) as typeof import('../../src/kafka/index.ts')
  const log = await CommitLog.open(join(job.folder, 'log'))
  const asker = fork(new URL('../wire/asker.ts', import.meta.url), { execArgv: ['--disable-warning=ExperimentalWarning'] })
  await once(asker, 'message')
  const started = performance.now()
  const listener = await listen(log)
  const listening = performance.now() - started
  asker.send(listener.brokers[0]!.port)
  const [answered] = await once(asker, 'message') as [number]
  asker.kill()
  await listener.close()
  await log.close()
  return { ms: answered - performance.timeOrigin - started, listening }
}

/** Memory above that of the broker without connections: with 100 that have asked for versions, and the most while ten of them produce. */
async function memory(job: Job): Promise<Figures> {
  return withBroker(job, async (broker) => {
    const base = broker.megabytes('VmRSS')
    const connections = await Promise.all(Array.from({ length: 100 }, () => WireClient.connect(broker.port)))
    for (const connection of connections) await connection.apiVersions()
    const idle = broker.megabytes('VmRSS')
    await connections[0]!.createTopic(TOPIC)
    const { request } = await fullBatch(job, TOPIC)
    await Promise.all(connections.slice(0, 10).map((connection) => connection.produce(request, TOPIC, MEMORY_BATCHES, IN_FLIGHT)))
    const producing = broker.megabytes('VmHWM')
    for (const connection of connections) connection.close()
    return { megabytes: producing - base, idle: idle - base, base }
  })
}

/** A broker that has worked a little. */
async function withBroker(job: Job, use: (broker: BrokerProcess) => Promise<Figures>): Promise<Figures> {
  const broker = await BrokerProcess.start(job)
  try {
    const client = await WireClient.connect(broker.port)
    await client.createTopic('warm')
    const { request, count } = await fullBatch(job, 'warm')
    const batches = Math.min(WARM_UP_BATCHES, Math.ceil(job.records / count))
    await client.produce(request, 'warm', batches, IN_FLIGHT)
    await client.fetch('warm', batches * count)
    client.close()
    return await use(broker)
  } finally {
    await broker.stop()
  }
}

async function measured<T>(broker: BrokerProcess, records: number, work: () => Promise<T>): Promise<{ readonly result: T; readonly cpuNs: number }> {
  const before = broker.cpuNs
  const result = await work()
  return { result, cpuNs: (broker.cpuNs - before) / records }
}

/** A request with as many records as a batch of a producer holds. */
async function fullBatch(job: Job, topic: string): Promise<{ readonly request: Buffer; readonly count: number }> {
  const count = Math.max(1, Math.floor(BATCH_BYTES / (job.bytes + 10)))
  return { request: produceRequest(topic, await batch(job, count)), count }
}

async function batch(job: Job, count: number): Promise<Buffer> {
  const { encodeBatch } = await import(partOf({}, 'parts/batch.js')) as typeof import('../../src/format/batch.ts')
  const payloads = values(job.bytes)
  return encodeBatch(Array.from({ length: count }, (_, index) => ({ key: null, value: payloads[index & 1023]!, timestamp: Date.now() })))
}
