/*
 * Time of a test broker: deadlines of the broker follow it, it moves with fake timers, and it skips what nobody wants to wait for.
 */
import { Kafka, logLevel } from 'kafkajs'
import { afterEach, expect, test, vi } from 'vitest'
import { fetch } from '../../../src/kafka/apis/01-fetch.ts'
import { joinGroup } from '../../../src/kafka/apis/11-join-group.ts'
import { syncGroup } from '../../../src/kafka/apis/14-sync-group.ts'
import { initProducerId } from '../../../src/kafka/apis/22-init-producer-id.ts'
import { addPartitionsToTxn } from '../../../src/kafka/apis/24-add-partitions-to-txn.ts'
import { endTxn } from '../../../src/kafka/apis/26-end-txn.ts'
import { consumerGroupHeartbeat } from '../../../src/kafka/apis/68-consumer-group-heartbeat.ts'
import { kafkaErrorName } from '../../../src/format/kafka-errors.ts'
import { realClock } from '../../../src/base/clock.ts'
import { durationMs } from '../../../src/testing/clock/durations.ts'
import { together, WireMember } from '../../kafka/wire-member.ts'
import { client, fetchOne, produceOne, startBroker } from '../broker/harness.ts'

afterEach(() => void vi.useRealTimers())

test('lengths of time are read', () => {
  expect([5, '250ms', '2s', '10m', '24h', '7d', '1h30m', '1.5s'].map((text) => durationMs(text))).toEqual([
    5, 250, 2000, 600_000, 86_400_000, 604_800_000, 5_400_000, 1500,
  ])
  for (const text of ['', '5', 'ten', '5 m', '-5m', Number.NaN]) expect(() => durationMs(text)).toThrow(TypeError)
  expect(() => durationMs(-1)).toThrow('time does not go back')
  expect(() => durationMs(Infinity)).toThrow(RangeError)
})

test('faked microtasks, as Jest fakes them, run before time moves', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'queueMicrotask', 'Date'] })
  const kafka = await startBroker({ topics: { t: 1 }, clock: 'virtual' })
  const began = kafka.clock.now()
  const hops = async (): Promise<number> => {
    for (let hop = 0; hop < 5; hop++) await new Promise<void>((resolve) => void queueMicrotask(resolve))
    return kafka.clock.now() - began
  }
  expect(await kafka.clock.runUntil(hops())).toBe(0)
})

test('a long poll ends when the time of the broker has come, and not before', async () => {
  const kafka = await startBroker({ topics: { t: 1 }, clock: 'virtual' })
  const raw = await client(kafka)
  let answered = false
  const waiting = fetchOne(raw, 't', { maxWaitMs: 30_000 }).finally(() => { answered = true })
  await kafka.until(() => kafka.journal.of('Fetch')[0], 'no fetch')
  const before = kafka.clock.now()
  await kafka.clock.advance('29s')
  expect(answered).toBe(false)
  await kafka.clock.advance('1s')
  await waiting
  expect(kafka.clock.now() - before).toBe(30_000)
  expect(kafka.journal.of('Fetch')[0]!.durationMs).toBe(30_000)
})

test('sessions end, transactions time out and old records go in a day that takes no time', async () => {
  const kafka = await startBroker({
    topics: { t: 4, old: { partitions: 1, config: { 'retention.ms': 3_600_000, 'segment.ms': 60_000 } } }, clock: 'virtual',
  })
  const member = new WireMember(await client(kafka), 'g', { topics: ['t'] })
  await together(member)
  kafka.topic('old').append({ value: 'x' })
  const raw = await client(kafka)
  const { producerId, producerEpoch } = await raw.request(initProducerId, 4, {
    transactionalId: 'tx', transactionTimeoutMs: 60_000, producerId: -1n, producerEpoch: -1,
  })
  await raw.request(addPartitionsToTxn, 3, {
    v3AndBelowTransactionalId: 'tx', v3AndBelowProducerId: producerId, v3AndBelowProducerEpoch: producerEpoch,
    v3AndBelowTopics: [{ name: 't', partitions: [0] }],
  })
  await kafka.clock.advance('9s')
  expect((await kafka.group('g').describe()).members).toHaveLength(1)
  await kafka.clock.advance('2s')
  expect((await kafka.group('g').describe()).members).toHaveLength(0)
  await kafka.clock.advance('24h')
  expect(kafka.topic('old').records()).toEqual([])
  // The connection was idle for too long, too.
  await raw.closed
  const ended = await (await client(kafka)).request(endTxn, 3, { transactionalId: 'tx', producerId, producerEpoch, committed: true })
  expect(kafkaErrorName(ended.errorCode)).not.toBe('NONE')
})

test('runUntilIdle fires what waits, one timer after the other', async () => {
  const kafka = await startBroker({ topics: { t: 1 }, clock: 'virtual' })
  const raw = await client(kafka)
  const delayed = kafka.faults.on('Produce').delay('1h')
  const asked = produceOne(raw, 't', 0, 'v')
  await kafka.until(() => (delayed.fired > 0 ? true : undefined), 'nothing came')
  await kafka.clock.advance('1h')
  expect((await asked).errorCode).toBe(0)
  await kafka.clock.settle()
})

test('fake timers move in step with the broker', async () => {
  vi.useFakeTimers({ now: Date.UTC(2026, 2, 1) })
  const kafka = await startBroker({ topics: { t: 1 }, clock: 'virtual', transport: 'memory' })
  expect(kafka.clock.now()).toBe(Date.UTC(2026, 2, 1))
  const order: string[] = []
  setTimeout(() => order.push(`client ${Date.now() - Date.UTC(2026, 2, 1)}`), 1500)
  const done = kafka.faults.run('t+1s rehash coordinators; t+2s rehash coordinators').then(() => order.push('broker'))
  await kafka.clock.advance('3s')
  await done
  expect(order).toEqual(['client 1500', 'broker'])
  expect(Date.now()).toBe(kafka.clock.now())
  await kafka.close()
})

test('a client in the same process lives through minutes over TCP, since nobody waits for bytes that have arrived', async () => {
  vi.useFakeTimers()
  const kafka = await startBroker({ topics: { orders: 1 }, clock: 'virtual' })
  const app = new Kafka({ clientId: 'app', brokers: [kafka.bootstrap], logLevel: logLevel.NOTHING })
  const consumer = app.consumer({ groupId: 'billing', sessionTimeout: 10_000, heartbeatInterval: 2000 })
  const seen: string[] = []
  await kafka.clock.runUntil((async () => {
    await consumer.connect()
    await consumer.subscribe({ topics: ['orders'] })
    await consumer.run({ eachMessage: async ({ message }) => void seen.push(String(message.value)) })
    await kafka.group('billing').ready()
  })())
  const began = kafka.clock.now()
  await kafka.clock.advance('30s')
  kafka.topic('orders').append({ value: 'behind' })
  await kafka.clock.runUntil(kafka.group('billing').caughtUp())
  expect(seen).toEqual(['behind'])
  expect(kafka.clock.now() - began).toBeLessThan(40_000)
  expect(kafka.journal.of('Heartbeat').length).toBeGreaterThan(5)
  expect((await kafka.group('billing').describe()).generation).toBe(1)
  await kafka.clock.runUntil(consumer.disconnect())
})

for (const protocol of ['classic', 'consumer'] as const) {
  test(`a member whose session ends has its line in the timeline, by the ${protocol} protocol`, async () => {
    const kafka = await startBroker({ topics: { t: 1 }, clock: 'virtual' })
    const raw = await client(kafka)
    if (protocol === 'classic') {
      const { memberId } = await raw.request(joinGroup, 3, {
        groupId: 'g', sessionTimeoutMs: 10_000, rebalanceTimeoutMs: 10_000, memberId: '', protocolType: 'consumer',
        protocols: [{ name: 'range', metadata: Buffer.alloc(0) }],
      })
      await raw.request(syncGroup, 3, { groupId: 'g', generationId: 1, memberId, assignments: [] })
    } else {
      const topicPartitions: readonly never[] = []
      const joins = { groupId: 'g', memberId: 'm', memberEpoch: 0, rebalanceTimeoutMs: 10_000, subscribedTopicNames: ['t'], topicPartitions }
      await raw.request(consumerGroupHeartbeat, 0, joins)
    }
    await kafka.clock.advance('9s')
    expect(kafka.journal.expired).toEqual([])
    await kafka.clock.advance('1m')
    expect(kafka.journal.expired).toMatchObject([{ clientId: 'raw', groupId: 'g' }])
    expect(kafka.journal.timeline()).toMatch(/^ +[\d.]+s {2}raw {3}─╳─ {3}the session of \S+ in group g ended$/m)
  })
}

test('time skips to what clients wait for, and their sessions do not end by it', async () => {
  const kafka = await startBroker({ topics: { t: 4 }, clock: 'skip' })
  const member = new WireMember(await client(kafka), 'g', { topics: ['t'] })
  await together(member)
  const raw = await client(kafka)
  const began = realClock.monotonic()
  for (let count = 0; count < 20; count++) {
    await raw.request(fetch, 12, {
      maxWaitMs: 5000, minBytes: 1, maxBytes: 1000, sessionId: 0, sessionEpoch: -1,
      topics: [{ topic: 't', partitions: [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 1000 }] }],
    })
  }
  expect(realClock.monotonic() - began).toBeLessThan(5000)
  expect(await member.heartbeat()).toBe('NONE')
})
