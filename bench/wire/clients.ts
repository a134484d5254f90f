/*
 * Kafka clients as their users run them: the perf tools of the Java client in a process of their own, kafkajs and @platformatic/kafka in this
 * one. What is not said is the client's default.
 */
import { execFile } from 'node:child_process'
import { createRequire } from 'node:module'
import { type Job, perSecond, values } from '../job.ts'
import { kafkaClassPath } from './toolchains.ts'

/** Records of one `send` of the JavaScript clients, which do not gather records by themselves; the next one follows its answer. */
export const SEND_RECORDS = 1000

/** What a client is to do with a topic. */
export interface Assignment {
  readonly bootstrap: string
  readonly topic: string
  readonly records: number
  readonly bytes: number
  readonly codec: Job['codec']
}

/** A client: records per second of both. */
export interface Client {
  produce(assignment: Assignment): Promise<number>
  /** Joining a group is not measured. */
  consume(assignment: Assignment): Promise<number>
  /** Whether it runs in this process, and so gets faster with what it did before. */
  readonly here: boolean
}

/** By name. */
export const clients: Readonly<Record<NonNullable<Job['client']>, Client>> = {
  java: {
    here: false,
    produce: async ({ bootstrap, topic, records, bytes, codec }) => {
      const props = [`bootstrap.servers=${bootstrap}`, 'acks=all', ...(codec === undefined ? [] : [`compression.type=${codec}`])]
      const printed = await perfTool('ProducerPerformance', [
        '--topic', topic, '--num-records', `${records}`, '--record-size', `${bytes}`, '--throughput', '-1', '--producer-props', ...props,
      ])
      const [, sent, rate] = /^(\d+) records sent, ([\d.]+) records\/sec.* 99\.9th/m.exec(printed) ?? []
      if (Number(sent) !== records) throw new Error(`ProducerPerformance printed: ${printed}`)
      return Number(rate)
    },
    consume: async ({ bootstrap, topic, records }) => {
      const printed = await perfTool('ConsumerPerformance', [
        '--bootstrap-server', bootstrap, '--topic', topic, '--messages', `${records}`, '--timeout', '20000', '--hide-header',
      ])
      const columns = printed.trim().split('\n').at(-1)!.split(', ')
      if (Number(columns[4]) !== records) throw new Error(`ConsumerPerformance printed: ${printed}`)
      return Number(columns[9])
    },
  },

  kafkajs: {
    here: true,
    produce: async (assignment) => {
      const { kafka, kafkajs } = await openKafkajs(assignment)
      const producer = kafka.producer({ createPartitioner: kafkajs.Partitioners.DefaultPartitioner })
      await producer.connect()
      const { topic, codec } = assignment
      const compression = codec === undefined ? kafkajs.CompressionTypes.None : kafkajs.CompressionTypes.LZ4
      const rate = await timedSends(assignment, (messages) => producer.send({ topic, messages, compression }))
      await producer.disconnect()
      return rate
    },
    consume: async (assignment) => {
      const { kafka } = await openKafkajs(assignment)
      const { topic } = assignment
      const consumer = kafka.consumer({ groupId: `${topic}-readers` })
      await consumer.connect()
      await consumer.subscribe({ topic, fromBeginning: true })
      const rate = await timedRecords(assignment, (joined, take) => {
        consumer.on(consumer.events.GROUP_JOIN, joined)
        return consumer.run({ eachBatch: async ({ batch }) => take(batch.messages.length) })
      })
      await consumer.disconnect()
      return rate
    },
  },

  platformatic: {
    here: true,
    produce: async ({ codec, ...assignment }) => {
      const { Producer } = await platformatic()
      const { bootstrap, topic } = assignment
      const compression = codec === undefined ? {} : { compression: codec }
      const producer = new Producer({ clientId: 'bench', bootstrapBrokers: [bootstrap], acks: -1, ...compression })
      const rate = await timedSends(assignment, (messages) => producer.send({ messages: messages.map(({ value }) => ({ topic, value })) }))
      await producer.close()
      return rate
    },
    consume: async (assignment) => {
      const { Consumer } = await platformatic()
      const { bootstrap, topic } = assignment
      const consumer = new Consumer({ clientId: 'bench', bootstrapBrokers: [bootstrap], groupId: `${topic}-readers` })
      const rate = await timedRecords(assignment, async (joined, take) => {
        const stream = await consumer.consume({ topics: [topic], mode: 'earliest' })
        joined()
        stream.on('data', () => take(1))
      })
      await consumer.close(true)
      return rate
    },
  },
}

function perfTool(name: string, parameters: readonly string[]): Promise<string> {
  const command = ['-Xmx512m', '-Dlog4j2.level=OFF', '-cp', kafkaClassPath(), `org.apache.kafka.tools.${name}`, ...parameters]
  return new Promise((resolve, reject) => {
    execFile('java', command, { timeout: 300_000 }, (error, stdout, stderr) => {
      if (error === null) resolve(stdout)
      else reject(new Error(`${name}: ${stderr.trim().split('\n')[0] ?? error.message}`))
    })
  })
}

/** What is used of @platformatic/kafka. */
interface Platformatic {
  readonly Producer: new (options: object) => {
    send(options: { messages: readonly { topic: string, value: Buffer }[] }): Promise<unknown>
    close(): Promise<void>
  }
  readonly Consumer: new (options: object) => {
    consume(options: object): Promise<{ on(event: 'data', listener: () => void): unknown }>
    close(force: boolean): Promise<void>
  }
}

/** The package, which the bench installs for itself: without it there are no types of it either. */
function platformatic(): Promise<Platformatic> {
  const name = '@platformatic/kafka'
  return import(name) as Promise<Platformatic>
}

async function openKafkajs({ bootstrap, codec }: Assignment) {
  process.env['KAFKAJS_NO_PARTITIONER_WARNING'] = '1'
  const { default: kafkajs } = await import('kafkajs')
  if (codec !== undefined) {
    const lz4 = createRequire(import.meta.url)('lz4-napi') as typeof import('lz4-napi')
    kafkajs.CompressionCodecs[kafkajs.CompressionTypes.LZ4] = () => ({
      compress: async ({ buffer }: { buffer: Buffer }) => lz4.compressFrameSync(buffer),
      decompress: async (buffer: Buffer) => lz4.decompressFrameSync(buffer),
    })
  }
  return { kafka: new kafkajs.Kafka({ clientId: 'bench', brokers: [bootstrap], logLevel: kafkajs.logLevel.NOTHING }), kafkajs }
}

/** Sends everything, one `send` after the other. */
async function timedSends({ records, bytes }: Omit<Assignment, 'codec'>, send: (messages: { value: Buffer }[]) => Promise<unknown>): Promise<number> {
  const payloads = values(bytes)
  const started = performance.now()
  for (let sent = 0; sent < records; sent += SEND_RECORDS) {
    const count = Math.min(SEND_RECORDS, records - sent)
    await send(Array.from({ length: count }, (_, index) => ({ value: payloads[(sent + index) & 1023]! })))
  }
  return perSecond(records, performance.now() - started)
}

/** Counts what comes, from when the group was joined until everything is there. */
function timedRecords({ records }: Assignment, run: (joined: () => void, take: (count: number) => void) => unknown): Promise<number> {
  let seen = 0
  let started = NaN
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`only ${seen} of ${records} records came`)), 120_000)
    const joined = (): void => { started = performance.now() }
    const take = (count: number): void => {
      seen += count
      if (seen < records) return
      clearTimeout(timer)
      resolve(perSecond(records, performance.now() - started))
    }
    Promise.resolve(run(joined, take)).catch(reject)
  })
}
