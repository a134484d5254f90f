/*
 * Sending to a Kafka of one node and consuming from it, through the door of clusters and through clients as their users run them: in sends of
 * 1,000 records, of which each follows the answer to the one before, and as a member of a group. `job.how` names who does it.
 */
import { join } from 'node:path'
import { type ClusterTopic } from '../../src/cluster/index.ts'
import { type Figures, type Job, perSecond, type Subject, values } from '../job.ts'
import { BrokerProcess } from '../wire/brokers.ts'
import { clients, SEND_RECORDS } from '../wire/clients.ts'
import { load, partOf } from './build.ts'

type Door = typeof import('../../src/cluster/index.ts')

const TOPIC = 'bench'
/** Sent and consumed before anything counts. */
const BEFORE = 50 * SEND_RECORDS

/** Clients of a cluster. */
export const cluster: Subject = { clusterClient: run }

async function run(job: Job): Promise<Figures> {
  const broker = await BrokerProcess.start({ ...job, how: 'kafka', folder: join(job.folder, 'kafka') })
  try {
    const { connect } = (await import(partOf(job, 'cluster/index.js'))) as Door
    const { defineTopic, bytes } = await load(job)
    const log = await connect({ brokers: broker.bootstrap })
    const open = (name: string): Promise<OpenTopic> => log.topic(defineTopic(name, { partitions: 1, value: bytes }))
    const [before, measured] = [await open(`before-${TOPIC}`), await open(TOPIC)]
    try {
      if (job.how !== 'door') return await withClient(job, broker.bootstrap)
      await throughDoor(before, job, BEFORE)
      return await throughDoor(measured, job, job.records)
    } finally {
      await log.close()
    }
  } finally {
    await broker.stop()
  }
}

type OpenTopic = ClusterTopic<string, Uint8Array>

async function throughDoor(topic: OpenTopic, job: Job, records: number): Promise<Figures> {
  const list = values(job.bytes)
  let started = performance.now()
  for (let sent = 0; sent < records; sent += SEND_RECORDS) {
    await topic.send(Array.from({ length: SEND_RECORDS }, (_, index) => ({ value: list[(sent + index) & 1023]! })))
  }
  const rate = perSecond(records, performance.now() - started)
  // Joining is not measured.
  const consumer = topic.consumer({ group: `${topic.name}-readers`, onAssigned: () => { started = performance.now() } })
  let count = 0
  for await (const { value } of consumer) if (value !== null && ++count === records) break
  const consumed = perSecond(records, performance.now() - started)
  await consumer.close()
  return { perSecond: rate, consumed }
}

async function withClient(job: Job, bootstrap: string): Promise<Figures> {
  const client = clients[job.how as 'kafkajs' | 'platformatic']
  const assignment = { bootstrap, topic: TOPIC, records: job.records, bytes: job.bytes, codec: undefined }
  const before = { ...assignment, topic: `before-${TOPIC}`, records: BEFORE }
  await client.produce(before)
  await client.consume(before)
  return { perSecond: await client.produce(assignment), consumed: await client.consume(assignment) }
}
