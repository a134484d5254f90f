/*
 * Each fault there is happens, and a real client sees it: kafkajs says so in its log or its events, or gets other data. A fault that is not in the
 * table fails the last test.
 */
import { readFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { Kafka, type KafkaConfig, logLevel, Partitioners, type Producer } from 'kafkajs'
import { expect, onTestFinished, test } from 'vitest'
import { offsetForLeaderEpoch } from '../../../src/kafka/apis/23-offset-for-leader-epoch.ts'
import {
  BrokerFaults, ClientFaults, CoordinatorFaults, FaultActions, FaultBuilder, Faults, PartitionFaults, type TestBroker, type TestBrokerOptions,
} from '../../../src/testing/index.ts'
import { client as rawClient, isOpen, startBroker } from '../broker/harness.ts'

/** A request of kafkajs as its events tell it. */
interface Asked {
  readonly apiName: string
  readonly duration: number
  readonly pendingDuration: number
}

/** What a row of the table works with. */
class World {
  readonly kafka: TestBroker
  /** What kafkajs logged, each line with its details. */
  readonly logged: string[] = []
  readonly asked: Asked[] = []
  readonly timedOut: string[] = []
  /** What came in at the sockets of kafkajs. */
  readonly received: Buffer[] = []
  readonly client: Kafka

  constructor(kafka: TestBroker, more: Partial<KafkaConfig> = {}) {
    this.kafka = kafka
    this.client = new Kafka({
      clientId: 'app', brokers: kafka.bootstrap.split(','), requestTimeout: 300, enforceRequestTimeout: true,
      retry: { initialRetryTime: 20, maxRetryTime: 60, retries: 12 }, logLevel: logLevel.DEBUG,
      logCreator: () => ({ log }) => void this.logged.push(JSON.stringify(log)),
      socketFactory: ({ host, port, onConnect }) => this.#socket(host, port, onConnect), ...more,
    })
  }

  async producer(options: object = {}): Promise<Producer> {
    const producer = this.client.producer({ createPartitioner: Partitioners.DefaultPartitioner, ...options })
    producer.on('producer.network.request', ({ payload }) => void this.asked.push(payload))
    producer.on('producer.network.request_timeout', ({ payload }) => void this.timedOut.push(payload.apiName))
    await producer.connect()
    onTestFinished(() => producer.disconnect())
    return producer
  }

  /** Sends a record, by a producer of its own. */
  async send(value = 'v'): Promise<void> {
    await (await this.producer()).send({ topic: 'orders', messages: [{ value }] })
  }

  /** What a consumer is handed, until there are so many values. */
  async consume(count: number): Promise<readonly string[]> {
    const seen: string[] = []
    const consumer = this.client.consumer({ groupId: 'billing', maxWaitTimeInMs: 50, heartbeatInterval: 50 })
    await consumer.connect()
    onTestFinished(() => consumer.disconnect())
    await consumer.subscribe({ topics: ['orders'], fromBeginning: true })
    await consumer.run({ eachMessage: async ({ message }) => void seen.push(String(message.value)) })
    await this.kafka.until(() => (seen.length >= count ? true : undefined), `${seen.length} of ${count} came`)
    return seen
  }

  /** Waits until kafkajs has logged it. */
  async logs(text: string): Promise<void> {
    await this.kafka.until(() => (this.logged.some((line) => line.includes(text)) ? true : undefined), () => (
      `kafkajs does not say "${text}":\n${this.logged.join('\n')}`
    ))
  }

  get stored(): readonly (string | null)[] {
    return this.kafka.topic('orders').records().map((record) => record.text())
  }

  #socket(host: string, port: number, onConnect: () => void): Socket {
    const socket = connect(port, host, onConnect)
    socket.setNoDelay(true)
    socket.on('data', (bytes: Buffer) => void this.received.push(bytes))
    return socket
  }
}

/** A fault, and how kafkajs sees it. */
interface Row {
  /** The name in the API, with what it takes where that changes what is seen. */
  readonly fault: string
  readonly options?: TestBrokerOptions
  readonly seen: (world: World) => Promise<void>
}

const three: TestBrokerOptions = { brokers: 3, topics: { orders: 1 } }
const impatient = { requestTimeout: 400, retry: { initialRetryTime: 20, retries: 1 } }

const rows: readonly Row[] = [
  { fault: 'error', async seen(world) {
    world.kafka.faults.on('Produce', { topic: 'orders' }).once().error('NOT_LEADER_OR_FOLLOWER')
    await world.send()
    await world.logs('not the leader for that topic-partition')
    expect(world.stored).toEqual(['v'])
  } },
  { fault: 'error after-apply', async seen(world) {
    world.kafka.faults.on('Produce').once().error('NOT_LEADER_OR_FOLLOWER', { when: 'after-apply' })
    await world.send()
    await world.logs('not the leader for that topic-partition')
    expect(world.stored).toEqual(['v', 'v'])
  } },
  { fault: 'delay', async seen(world) {
    world.kafka.faults.on('Produce').once().delay('80ms')
    await world.send()
    expect(world.asked.find(({ apiName }) => apiName === 'Produce')!.duration).toBeGreaterThanOrEqual(79)
  } },
  { fault: 'throttle', async seen(world) {
    world.kafka.faults.on('Produce').once().throttle('200ms')
    const producer = await world.producer()
    for (const value of ['a', 'b']) await producer.send({ topic: 'orders', messages: [{ value }] })
    expect(world.asked.findLast(({ apiName }) => apiName === 'Produce')!.pendingDuration).toBeGreaterThanOrEqual(150)
  } },
  { fault: 'dropConnection', async seen(world) {
    world.kafka.faults.on('Produce').once().dropConnection()
    await world.send()
    await world.logs('Closed connection')
    expect(world.stored).toEqual(['v'])
  } },
  { fault: 'dropConnection after-apply', async seen(world) {
    world.kafka.faults.on('Produce').once().dropConnection({ when: 'after-apply' })
    await world.send()
    expect(world.stored).toEqual(['v', 'v'])
  } },
  { fault: 'resetConnection', async seen(world) {
    world.kafka.faults.on('Produce').once().resetConnection()
    await world.send()
    await world.logs('ECONNRESET')
  } },
  { fault: 'halfClose', async seen(world) {
    world.kafka.faults.on('Produce').once().halfClose()
    await world.send()
    await world.logs('Kafka server has closed connection')
  } },
  { fault: 'silence', async seen({ kafka }) {
    const silence = kafka.faults.on('Produce').once().silence()
    const world = new World(kafka, impatient)
    await expect(world.send()).rejects.toThrow('timed out')
    expect(world.timedOut).toContain('Produce')
    silence.cancel()
  } },
  { fault: 'corrupt bytes', options: { seed: 1 }, async seen(world) {
    world.kafka.topic('orders').append({ value: 'x'.repeat(2000) })
    world.kafka.faults.on('Fetch').once().corrupt()
    expect(await world.consume(1)).toEqual([expect.not.stringMatching(/^x{2000}$/)])
  } },
  { fault: 'corrupt length', async seen({ kafka }) {
    kafka.faults.on('Produce').once().corrupt('length')
    // It waits for the rest of the answer, and takes what follows for it.
    await expect(new World(kafka, impatient).send()).rejects.toThrow('timed out')
  } },
  { fault: 'corrupt correlation-id', async seen(world) {
    world.kafka.faults.on('Produce').once().corrupt('correlation-id')
    await world.send()
    await world.logs('Response without match')
  } },
  { fault: 'corrupt crc', async seen(world) {
    world.kafka.topic('orders').append({ value: 'v' })
    const { responseFrame } = await fetched(world)
    world.kafka.faults.on('Fetch').once().corrupt('crc')
    // kafkajs looks at no checksum, and hands the record over: what its socket got is not what it got before.
    const spoiled = await fetched(world)
    expect(differing(responseFrame!, spoiled.responseFrame!)).toBe(1)
    expect(Buffer.concat(world.received).includes(Buffer.from(spoiled.responseFrame!).subarray(8))).toBe(true)
  } },
  { fault: 'truncate', async seen(world) {
    world.kafka.faults.on('Produce').once().truncate(5)
    await world.send()
    await world.logs('closed connection')
    expect(world.stored).toEqual(['v', 'v'])
  } },
  { fault: 'split', async seen(world) {
    world.kafka.faults.on('Produce').once().split(3)
    await world.send()
    expect(world.received.filter(({ length }) => length <= 3).length).toBeGreaterThan(3)
    expect(world.stored).toEqual(['v'])
  } },
  { fault: 'duplicate', async seen(world) {
    world.kafka.faults.on('Metadata').once().duplicate()
    await world.send()
    await world.logs('Response without match')
  } },
  { fault: 'staleMetadata', options: three, async seen(world) {
    world.kafka.faults.on('Metadata').times(3).staleMetadata()
    const { leader } = world.kafka.faults.partition('orders', 0)
    await world.kafka.faults.partition('orders', 0).moveLeader((leader % 3) + 1)
    await world.send()
    await world.logs('not the leader for that topic-partition')
    expect(world.stored).toEqual(['v'])
  } },
  { fault: 'shiftEpochs', async seen({ kafka }) {
    // kafkajs asks in no version that has leader epochs.
    kafka.faults.on('OffsetForLeaderEpoch').once().shiftEpochs(5)
    const raw = await rawClient(kafka)
    const { topics } = await raw.request(offsetForLeaderEpoch, 4, {
      replicaId: -1, topics: [{ topic: 'orders', partitions: [{ partition: 0, currentLeaderEpoch: -1, leaderEpoch: 0 }] }],
    })
    expect(topics[0]!.partitions[0]!.leaderEpoch).toBe(5)
  } },
  { fault: 'answer', async seen(world) {
    world.kafka.faults.on('Metadata').answer((response) => ({ ...response, controllerId: 7 }))
    const admin = world.client.admin()
    await admin.connect()
    onTestFinished(() => admin.disconnect())
    expect((await admin.describeCluster()).controller).toBe(7)
  } },
  { fault: 'client.blackhole', async seen(world) {
    const hole = world.kafka.faults.client('app').blackhole()
    await expect(new World(world.kafka, { retry: { retries: 0 }, requestTimeout: 400 }).producer()).rejects.toThrow('timed out')
    hole.cancel()
    await world.send()
  } },
  { fault: 'client.delay', async seen(world) {
    world.kafka.faults.client(/^app$/).delay('50ms')
    await world.send()
    expect(Math.min(...world.asked.map(({ duration }) => duration))).toBeGreaterThanOrEqual(49)
  } },
  { fault: 'client.disconnect', async seen(world) {
    const fault = world.kafka.faults.client('app').disconnect()
    setTimeout(() => fault.cancel(), 100)
    await world.send()
    await world.logs('Closed connection')
  } },
  { fault: 'broker.down', options: three, async seen(world) {
    const producer = await world.producer()
    const { leader } = world.kafka.faults.partition('orders', 0)
    await producer.send({ topic: 'orders', messages: [{ value: 'a' }] })
    await world.kafka.faults.broker(leader).down()
    await producer.send({ topic: 'orders', messages: [{ value: 'b' }] })
    await world.logs('Kafka server has closed connection')
    expect(world.stored).toEqual(['a', 'b'])
    expect(await isOpen(world.kafka.brokers.find(({ nodeId }) => nodeId === leader)!.port)).toBe(false)
  } },
  { fault: 'broker.up', options: three, async seen(world) {
    await world.kafka.faults.broker(2).down()
    const admin = world.client.admin()
    await admin.connect()
    onTestFinished(() => admin.disconnect())
    const brokers = async (): Promise<number> => (await admin.describeCluster()).brokers.length
    expect(await brokers()).toBe(2)
    await world.kafka.faults.broker(2).up()
    expect(await brokers()).toBe(3)
  } },
  { fault: 'broker.dropConnections', async seen(world) {
    const producer = await world.producer()
    world.kafka.faults.broker(1).dropConnections()
    await world.logs('closed connection')
    await producer.send({ topic: 'orders', messages: [{ value: 'v' }] })
  } },
  { fault: 'partition.moveLeader', options: three, async seen(world) {
    const producer = await world.producer()
    await producer.send({ topic: 'orders', messages: [{ value: 'a' }] })
    const { leader } = world.kafka.faults.partition('orders', 0)
    await world.kafka.faults.partition('orders', 0).moveLeader((leader % 3) + 1)
    await producer.send({ topic: 'orders', messages: [{ value: 'b' }] })
    await world.logs('not the leader for that topic-partition')
  } },
  { fault: 'partition.moveLeader unclean', options: three, async seen(world) {
    world.kafka.topic('orders').append([{ value: 'a' }, { value: 'b' }])
    await world.kafka.log.core.flush()
    world.kafka.topic('orders').append({ value: 'c' })
    const admin = world.client.admin()
    await admin.connect()
    onTestFinished(() => admin.disconnect())
    expect((await admin.fetchTopicOffsets('orders'))[0]!.high).toBe('3')
    const { leader } = world.kafka.faults.partition('orders', 0)
    await world.kafka.faults.partition('orders', 0).moveLeader((leader % 3) + 1, { unclean: true, lose: 1 })
    expect((await admin.fetchTopicOffsets('orders'))[0]!.high).toBe('2')
  } },
  { fault: 'coordinator.moveCoordinator', options: three, async seen(world) {
    world.kafka.topic('orders').append({ value: 'a' })
    await world.consume(1)
    const group = world.kafka.faults.group('billing')
    group.moveCoordinator((group.coordinator % 3) + 1)
    await world.logs('not the correct coordinator')
  } },
  { fault: 'transactions.moveCoordinator', options: three, async seen(world) {
    const producer = await world.producer({ transactionalId: 'tx', maxInFlightRequests: 1 })
    const transactions = world.kafka.faults.transactions('tx')
    const nodeIds = [transactions.coordinator, (transactions.coordinator % 3) + 1]
    for (const nodeId of nodeIds) {
      transactions.moveCoordinator(nodeId)
      const transaction = await producer.transaction()
      await transaction.send({ topic: 'orders', messages: [{ value: `by ${nodeId}` }] })
      await transaction.commit()
      await world.logs(`"Found group coordinator","nodeId":${nodeId}`)
    }
    expect(world.stored).toEqual(nodeIds.map((nodeId) => `by ${nodeId}`))
  } },
  { fault: 'rehashCoordinators', options: three, async seen(world) {
    world.kafka.topic('orders').append({ value: 'a' })
    await world.consume(1)
    await world.kafka.faults.rehashCoordinators()
    await world.logs('not the correct coordinator')
  } },
  { fault: 'run', options: three, async seen(world) {
    const { leader } = world.kafka.faults.partition('orders', 0)
    const producer = await world.producer()
    await producer.send({ topic: 'orders', messages: [{ value: 'a' }] })
    await world.kafka.faults.run(`t+0 down ${leader}; t+20 up ${leader}`)
    await world.logs('Kafka server has closed connection')
    await producer.send({ topic: 'orders', messages: [{ value: 'b' }] })
    expect(world.stored).toEqual(['a', 'b'])
  } },
]

for (const { fault, options, seen } of rows) {
  test(`kafkajs sees: ${fault}`, async () => {
    const kafka = await startBroker({ topics: { orders: 1 }, ...options })
    await seen(new World(kafka))
    expect(kafka.faults.unfired.map(String)).toEqual([])
  })
}

test('every fault there is is among those that kafkajs sees, and in docs/testing.md', () => {
  const said = new Set(rows.map(({ fault }) => fault.split(' ')[0]))
  const expected = [
    ...words(FaultActions), ...words(ClientFaults).map((word) => `client.${word}`), ...words(BrokerFaults).map((word) => `broker.${word}`),
    ...words(PartitionFaults).map((word) => `partition.${word}`), ...words(CoordinatorFaults).map((word) => `coordinator.${word}`),
    // Of `faults` itself those that do something, and not those that only begin a sentence or look.
    ...words(Faults).filter((word) => !['on', 'client', 'broker', 'partition', 'group', 'transactions', 'add', 'clear', 'check'].includes(word)),
  ]
  expect(expected.filter((word) => !said.has(word))).toEqual([])
  const page = readFileSync(new URL('../../../docs/testing.md', import.meta.url), 'utf8')
  expect([...expected, ...words(FaultBuilder)].filter((word) => !page.includes(`${word.split('.').at(-1)!}(`))).toEqual([])
  const kinds = ['bytes', 'length', 'correlation-id', 'crc']
  expect(kinds.filter((kind) => !rows.some(({ fault }) => fault === `corrupt ${kind}`))).toEqual([])
  expect(words(FaultBuilder)).toEqual(['once', 'times', 'onCall', 'every', 'matching', 'withProbability', 'optional', 'named'])
})

/** The methods of a class, without those that are internal. */
function words({ prototype }: { readonly prototype: object }): readonly string[] {
  const internal = ['before', 'after', 'encoded', 'wireOf']
  return Object.entries(Object.getOwnPropertyDescriptors(prototype)).filter(([name, { value }]) => (
    typeof value === 'function' && name !== 'constructor' && !internal.includes(name)
  )).map(([name]) => name)
}

/** The request by which a new consumer got the first record. */
async function fetched(world: World): Promise<{ readonly responseFrame: Uint8Array | undefined }> {
  const before = world.kafka.journal.of('Fetch').length
  const consumer = world.client.consumer({ groupId: `g${before}`, maxWaitTimeInMs: 50 })
  await consumer.connect()
  await consumer.subscribe({ topics: ['orders'], fromBeginning: true })
  await new Promise<void>((resolve, reject) => {
    consumer.run({ eachMessage: async () => resolve() }).catch(reject)
  })
  await consumer.disconnect()
  return world.kafka.journal.of('Fetch')[before]!
}

/** How many bytes differ, from behind the correlation id on. */
function differing(one: Uint8Array, other: Uint8Array): number {
  return one.subarray(8).reduce((count, byte, at) => count + (byte === other[at + 8] ? 0 : 1), 0)
}
