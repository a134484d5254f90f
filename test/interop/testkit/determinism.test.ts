/*
 * The same seed gives the same journal, byte for byte: kafkajs over the transport in memory, three members, faults, and time that is the broker's
 * and the client's.
 */
import { createHash } from 'node:crypto'
import { afterEach, expect, test, vi } from 'vitest'
import { seededRandom } from '../../../src/base/random.ts'
import { startTestBroker } from '../../../src/testing/index.ts'
import { kafkaJs, type KafkaJs } from './kafkajs.ts'

afterEach(() => {
  vi.useRealTimers()
  vi.restoreAllMocks()
})

/** What was said, and what came of it. */
interface Run {
  readonly timeline: string
  readonly digest: string
  readonly handed: readonly string[]
}

async function run({ Kafka, logLevel }: KafkaJs, seed: number): Promise<Run> {
  vi.useFakeTimers({ now: Date.UTC(2026, 0, 1) })
  const random = seededRandom(seed)
  vi.spyOn(Math, 'random').mockImplementation(() => random.next())
  const kafka = await startTestBroker({ brokers: 3, topics: { orders: 6 }, clock: 'virtual', transport: 'memory', seed })
  kafka.faults.on('Produce', { topic: 'orders' }).withProbability(0.3).error('NOT_LEADER_OR_FOLLOWER').optional()
  // No broker goes and no fetch is cut: when kafkajs stops a consumer while it makes its fetchers anew, they spin in promises for ever.
  kafka.faults.on('Fetch').every(7).delay('50ms')
  kafka.faults.on('OffsetCommit').onCall(2).dropConnection({ when: 'after-apply' })
  const connect = (clientId: string): InstanceType<KafkaJs['Kafka']> => new Kafka({
    clientId, brokers: kafka.bootstrap.split(','), socketFactory: kafka.socketFactory(), logLevel: logLevel.NOTHING, retry: { retries: 20 },
  })
  const handed: string[] = []
  const fast = { groupId: 'billing', heartbeatInterval: 100, maxWaitTimeInMs: 200 }
  const consumers = ['a', 'b', 'c'].map((name) => ({ name, consumer: connect(name).consumer(fast) }))
  const producer = connect('producer').producer()
  const work = async (): Promise<void> => {
    for (const { name, consumer } of consumers) {
      await consumer.connect()
      await consumer.subscribe({ topics: ['orders'], fromBeginning: true })
      await consumer.run({
        eachMessage: async ({ partition, message }) => void handed.push(`${name} ${partition} ${message.offset} ${String(message.value)}`),
      })
    }
    await producer.connect()
    for (let round = 0; round < 6; round++) {
      await producer.send({ topic: 'orders', messages: [0, 1, 2].map((index) => ({ key: `k${round}-${index}`, value: `${round}-${index}` })) })
      if (round === 3) await kafka.faults.partition('orders', 1).moveLeader(3)
      await new Promise((resolve) => setTimeout(resolve, 200))
    }
    while (new Set(handed.map((line) => line.split(' ').slice(1, 3).join(' '))).size < 18) await new Promise((resolve) => setTimeout(resolve, 100))
    await consumers[0]!.consumer.disconnect()
    await new Promise((resolve) => setTimeout(resolve, 1000))
    for (const { consumer } of consumers.slice(1)) await consumer.disconnect()
    await producer.disconnect()
  }
  await kafka.clock.runUntil(work(), '10m')
  const digest = createHash('sha256')
  for (const { requestFrame, responseFrame } of kafka.journal.entries) digest.update(requestFrame).update(responseFrame ?? Buffer.alloc(0))
  const timeline = kafka.journal.timeline()
  await kafka.close()
  vi.useRealTimers()
  vi.restoreAllMocks()
  return { timeline, digest: digest.digest('hex'), handed }
}

test('the same seed gives the same journal twice, and another one another', async () => {
  const js = await kafkaJs()
  const first = await run(js, 7)
  const second = await run(js, 7)
  expect(second.timeline).toBe(first.timeline)
  expect(second).toEqual(first)
  expect(first.timeline.split('\n').length).toBeGreaterThan(200)
  const other = await run(js, 8)
  expect(other.digest).not.toBe(first.digest)
})
