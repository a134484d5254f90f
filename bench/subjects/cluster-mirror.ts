/*
 * A mirror from a log on disk to a Kafka of one node, and the bare client beside it: how fast records that are there get to the cluster, and how
 * long an event takes from its append to the cluster's acknowledgement when nothing else goes on. `job.how` names who sends.
 */
import { join } from 'node:path'
import { type Figures, type Job, perSecond, type Subject, values } from '../job.ts'
import { percentile } from '../statistics.ts'
import { BrokerProcess } from '../wire/brokers.ts'
import { clients, SEND_RECORDS } from '../wire/clients.ts'
import { load, partOf } from './build.ts'

type Doors = typeof import('../../src/cluster/index.ts')

const TOPIC = 'bench'
/** Sent before anything counts. */
const BEFORE = 50 * SEND_RECORDS
/** Appended to the local log in one go. */
const APPENDED = 10_000

/** The mirror, and what it is held against. */
export const clusterMirror: Subject = { mirrorRecords: records, mirrorLatency: latency }

/** Records per second, of records that are there. */
async function records(job: Job): Promise<Figures> {
  return withKafka(job, async (bootstrap) => {
    if (job.how === 'bare') {
      const assignment = { bootstrap, topic: TOPIC, records: job.records, bytes: job.bytes, codec: undefined }
      const { connect } = await cluster(job)
      const log = await connect({ brokers: bootstrap })
      const { defineTopic } = await load(job)
      for (const topic of ['before', TOPIC]) await log.topic(defineTopic(topic, { partitions: 1 }))
      await log.close()
      await clients.platformatic.produce({ ...assignment, topic: 'before', records: BEFORE })
      return { perSecond: await clients.platformatic.produce(assignment) }
    }
    const { CommitLog, defineTopic, bytes } = await load(job)
    const { connect, mirror } = await cluster(job)
    const source = await CommitLog.open(join(job.folder, 'log'))
    const target = await connect({ brokers: bootstrap })
    const list = values(job.bytes).map((value) => ({ value }))
    for (const [name, count] of [['before', BEFORE], [TOPIC, job.records]] as const) {
      const topic = await source.topic(defineTopic(name, { partitions: 1, value: bytes }))
      for (let sent = 0; sent < count; sent += APPENDED) await topic.send(Array.from({ length: APPENDED }, (_, index) => list[index % list.length]!))
    }
    await (await mirror(source, target, { topics: ['before'], id: 'before', until: 'end' })).done
    const started = performance.now()
    await (await mirror(source, target, { topics: [TOPIC], id: 'bench', until: 'end' })).done
    const rate = perSecond(job.records, performance.now() - started)
    await target.close()
    await source.close()
    return { perSecond: rate }
  })
}

/** One record at a time, to the acknowledgement: of the bare send, of a transaction of one record, of the mirror of what is appended to disk. */
async function latency(job: Job): Promise<Figures> {
  return withKafka(job, async (bootstrap) => {
    const { CommitLog, defineTopic, bytes } = await load(job)
    const { connect, mirror } = await cluster(job)
    const Bench = defineTopic(TOPIC, { partitions: 1, value: bytes })
    const target = await connect({ brokers: bootstrap })
    const source = await CommitLog.open(join(job.folder, 'log'))
    const list = values(job.bytes)
    const topic = await (job.how === 'mirror' ? source : target).topic(Bench)
    let mirrored = (): void => {}
    const mirroring = job.how === 'mirror' ? await mirror(source, target, {
      topics: [TOPIC], onEvent: (event) => { if (event.type === 'mirrored') mirrored() },
    }) : undefined
    const one = async (value: Buffer): Promise<unknown> => {
      if (job.how === 'bare') return topic.send({ value })
      if (job.how === 'transaction') return target.transaction((tx) => void tx.send(topic, { value }), { transactionalId: 'bench' })
      const arrived = new Promise<void>((resolve) => { mirrored = resolve })
      await topic.send({ value })
      return arrived
    }
    const times = new Float64Array(job.records)
    for (let count = -job.records / 4; count < job.records; count++) {
      const started = performance.now()
      await one(list[Math.abs(count) % list.length]!)
      if (count >= 0) times[Math.floor(count)] = performance.now() - started
    }
    await mirroring?.stop()
    await target.close()
    await source.close()
    return { p50: percentile(times, job.records, 0.5), p99: percentile(times, job.records, 0.99) }
  })
}

function cluster(job: Job): Promise<Doors> {
  return import(partOf(job, 'cluster/index.js')) as Promise<Doors>
}

async function withKafka(job: Job, use: (bootstrap: string) => Promise<Figures>): Promise<Figures> {
  const broker = await BrokerProcess.start({ ...job, how: 'kafka', folder: join(job.folder, 'kafka') })
  try {
    return await use(broker.bootstrap)
  } finally {
    await broker.stop()
  }
}
