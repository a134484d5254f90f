/*
 * A test broker from its start to its end: what it is told, topics, direct hands, checkpoints, forks, emulation.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { metadata } from '../../../src/kafka/apis/03-metadata.ts'
import { initProducerId } from '../../../src/kafka/apis/22-init-producer-id.ts'
import { addPartitionsToTxn } from '../../../src/kafka/apis/24-add-partitions-to-txn.ts'
import { endTxn } from '../../../src/kafka/apis/26-end-txn.ts'
import { apiVersions } from '../../../src/kafka/apis/18-api-versions.ts'
import { isLogError, string } from '../../../src/index.ts'
import { resolvedTestOptions } from '../../../src/testing/broker/options.ts'
import { startTestBroker } from '../../../src/testing/index.ts'
import { client, fetchOne, isOpen, produceOne, startBroker } from './harness.ts'

test('what is waited for comes to nothing before the 5 seconds that vitest and Jest give a test', () => {
  expect(resolvedTestOptions({}, () => 0).timeoutMs).toBeLessThan(5000)
})

test('it listens, has its topics, and is gone when it is closed', async () => {
  const kafka = await startBroker({ brokers: 3, topics: { orders: 3, audit: { partitions: 1, config: { 'cleanup.policy': 'compact' } } } })
  expect(kafka.bootstrap).toMatch(/^127\.0\.0\.1:\d+,127\.0\.0\.1:\d+,127\.0\.0\.1:\d+$/)
  expect(kafka.env()).toEqual({ KAFKA_BROKERS: kafka.bootstrap, KAFKA_BOOTSTRAP_SERVERS: kafka.bootstrap })
  const raw = await client(kafka, 1)
  const { topics, brokers } = await raw.request(metadata, 12, { topics: null })
  expect(brokers).toHaveLength(3)
  expect(topics.map(({ name, partitions }) => [name, partitions.length])).toEqual([['orders', 3], ['audit', 1]])
  expect(topics[0]!.partitions[0]!.replicaNodes).toHaveLength(3)
  expect((await kafka.log.describeTopic('audit')).config.cleanupPolicy).toBe('compact')
  const [{ port } = { port: 0 }] = kafka.brokers
  await kafka.close()
  expect(await isOpen(port)).toBe(false)
  await expect(kafka.checkpoint()).rejects.toSatisfy((error) => isLogError(error, 'LOG_CLOSED'))
  await expect(kafka.fork()).rejects.toSatisfy((error) => isLogError(error, 'LOG_CLOSED'))
})

test('options that cannot be are refused at once', async () => {
  const start = (options: object): Promise<unknown> => startTestBroker(options)
  await expect(start({ topic: {} })).rejects.toThrow('did you mean "topics"')
  await expect(start({ topics: { t: 0 } })).rejects.toThrow(RangeError)
  await expect(start({ topics: { t: { config: { 'retention.mss': '1' } } } })).rejects.toThrow('Unknown topic config name: retention.mss')
  await expect(start({ clock: 'fake' })).rejects.toThrow("clock is one of 'real', 'virtual', 'skip'")
  await expect(start({ emulate: '3.99' })).rejects.toThrow('release "3.99" of Kafka is not known')
  await expect(start({ transport: 'udp' })).rejects.toThrow(TypeError)
  const ports = (): number => process.getActiveResourcesInfo().filter((name) => name === 'TCPServerWrap').length
  await expect(start({ topics: { t: { config: { 'cleanup.policy': 'some' } } } })).rejects.toThrow(TypeError)
  // None is left open.
  await expect.poll(ports).toBe(0)
  const kafka = await startBroker()
  await expect(start({ port: kafka.brokers[0]!.port })).rejects.toSatisfy((error) => isLogError(error, 'LOG_PORT_IN_USE'))
  await expect(kafka.clock.advance(5)).rejects.toThrow("startTestBroker({ clock: 'virtual' })")
})

test('what is appended by hand can be fetched, and what clients produce can be looked at', async () => {
  const kafka = await startBroker({ topics: { orders: 1 } })
  const orders = kafka.topic('orders')
  expect(orders.append({ key: 'a', value: { id: 1 }, headers: { trace: 'x' } })).toEqual({ partition: 0, offset: 0 })
  const raw = await client(kafka)
  expect((await fetchOne(raw, 'orders')).records).not.toHaveLength(0)
  const next = orders.waitFor((record) => record.text() === 'second')
  expect(await produceOne(raw, 'orders', 0, 'second')).toMatchObject({ errorCode: 0, baseOffset: 1 })
  expect((await next).offset).toBe(1)
  const [first] = orders.records()
  expect(first).toMatchObject({ topic: 'orders', partition: 0, offset: 0, key: 'a' })
  expect(first!.json()).toEqual({ id: 1 })
  expect(first!.text()).toBe('{"id":1}')
  expect(first!.decode(string)).toBe('{"id":1}')
  expect(first!.header('trace')).toBe('x')
  expect(first!.header('none')).toBeUndefined()
  expect((await orders.next()).offset).toBe(0)
  expect((await orders.next()).text()).toBe('second')
  const third = orders.next()
  orders.append({ value: null })
  expect((await third).bytes).toBeNull()
  await expect(orders.next({ timeout: 20 })).rejects.toThrow('no other record came to topic "orders" (waited for 20 ms)')
  await expect(orders.waitFor(() => false, { timeout: 20 })).rejects.toThrow('none of 3 records of topic "orders"')
})

test('records go to the partition of their key, and misuse is told', async () => {
  const kafka = await startBroker({ topics: { orders: 3 } })
  const orders = kafka.topic('orders')
  const [one, two] = [orders.append({ key: 'k', value: '1' }), orders.append({ key: 'k', value: '2' })]
  expect(two).toEqual({ partition: one.partition, offset: 1 })
  expect(orders.append([{ value: 'x', partition: 2 }])[0]!.partition).toBe(2)
  expect(orders.offsets.reduce((sum, { end }) => sum + end, 0)).toBe(3)
  expect(() => orders.append({ value: 'x', partition: 9 })).toThrow(RangeError)
  expect(() => orders.append({} as never)).toThrow('a record is { key, value')
  expect(() => kafka.topic('none').append({ value: 'x' })).toThrow('there is no topic "none": give it to startTestBroker')
  expect(kafka.topic('none').exists).toBe(false)
  const made = await kafka.createTopic('none', { partitions: 2 })
  expect(made.partitions).toBe(2)
  await kafka.deleteTopic('none')
  expect(made.exists).toBe(false)
})

test('what a transaction has not committed is not among the records', async () => {
  const kafka = await startBroker({ topics: { orders: 1 } })
  const orders = kafka.topic('orders')
  const topic = await kafka.log.topic('orders', { key: string, value: string })
  const transaction = await kafka.log.beginTransaction()
  await transaction.send(topic, { key: 'a', value: 'open' })
  expect(orders.records()).toEqual([])
  expect(orders.records({ isolation: 'read_uncommitted' }).map((record) => record.text())).toEqual(['open'])
  await transaction.commit()
  expect(orders.records().map((record) => record.text())).toEqual(['open'])
})

test('a transaction can be looked at, and run out of its time', async () => {
  const kafka = await startBroker({ topics: { orders: 1 } })
  const raw = await client(kafka)
  const transaction = kafka.transaction('tx')
  expect(await transaction.describe()).toMatchObject({ state: 'None', partitions: [] })
  expect(await transaction.timeOut()).toBe(false)
  const { producerId, producerEpoch } = await raw.request(initProducerId, 4, {
    transactionalId: 'tx', transactionTimeoutMs: 60_000, producerId: -1n, producerEpoch: -1,
  })
  await raw.request(addPartitionsToTxn, 3, {
    v3AndBelowTransactionalId: 'tx', v3AndBelowProducerId: producerId, v3AndBelowProducerEpoch: producerEpoch,
    v3AndBelowTopics: [{ name: 'orders', partitions: [0] }],
  })
  expect(await transaction.describe()).toEqual({ state: 'Ongoing', producerId, producerEpoch, partitions: [{ topic: 'orders', partition: 0 }] })
  expect(await transaction.timeOut()).toBe(true)
  expect((await transaction.describe()).state).not.toBe('Ongoing')
  expect((await raw.request(endTxn, 3, { transactionalId: 'tx', producerId, producerEpoch, committed: true })).errorCode).not.toBe(0)
})

test('a restore brings back records and commits, keeps ports and connections, and raises epochs', async () => {
  const kafka = await startBroker({ topics: { orders: 1 } })
  const orders = kafka.topic('orders')
  orders.append([{ value: '1' }, { value: '2' }])
  const groups = await kafka.log.core.groups()
  await groups.commitOffsets({ groupId: 'g', memberId: '', generation: -1, offsets: [{ topic: 'orders', partition: 0, offset: 1, leaderEpoch: 0 }] })
  const raw = await client(kafka)
  const before = (await raw.request(metadata, 12, { topics: [{ name: 'orders' }] })).topics[0]!
  const at = await kafka.checkpoint()
  orders.append({ value: '3' })
  expect(await orders.lag('g')).toBe(2)
  await kafka.restore(at)
  expect(orders.records().map((record) => record.text())).toEqual(['1', '2'])
  expect(await orders.committed('g')).toEqual([1])
  expect(await orders.lag('g')).toBe(1)
  const after = (await raw.request(metadata, 12, { topics: [{ name: 'orders' }] })).topics[0]!
  expect(after.topicId).toBe(before.topicId)
  expect(after.partitions[0]!.leaderEpoch).toBe(before.partitions[0]!.leaderEpoch + 1)
  expect(await produceOne(raw, 'orders', 0, 'again')).toMatchObject({ errorCode: 0, baseOffset: 2 })
  await kafka.restore(at)
  expect((await raw.request(metadata, 12, { topics: [{ name: 'orders' }] })).topics[0]!.partitions[0]!.leaderEpoch).toBe(2)
  await kafka.restore(at, { connections: 'drop' })
  await raw.closed
  await expect(kafka.restore({} as never)).rejects.toThrow('restore takes what checkpoint() gives')
})

test('a topic that was deleted meanwhile comes back with another id', async () => {
  const kafka = await startBroker({ topics: { orders: 2, others: 1 } })
  kafka.topic('orders').append({ value: '1', partition: 1 })
  const at = await kafka.checkpoint()
  const ids = async (): Promise<Record<string, string>> => Object.fromEntries((await kafka.log.topics()).map(({ name, id }) => [name, id]))
  const before = await ids()
  await kafka.deleteTopic('orders')
  await kafka.createTopic('orders', 2)
  await kafka.restore(at)
  const after = await ids()
  expect(after['others']).toBe(before['others'])
  expect(after['orders']).not.toBe(before['orders'])
  expect(kafka.topic('orders').records({ partition: 1 }).map((record) => record.text())).toEqual(['1'])
})

test('a long poll that waits when the broker is restored is answered', async () => {
  const kafka = await startBroker({ topics: { orders: 1 } })
  const raw = await client(kafka)
  const at = await kafka.checkpoint()
  const waiting = fetchOne(raw, 'orders', { maxWaitMs: 60_000 })
  await kafka.until(() => kafka.journal.of('Fetch')[0], 'no fetch came')
  await kafka.restore(at)
  await waiting
  // The first one behind it is answered too: its client learns sooner what has become of it.
  await fetchOne(raw, 'orders', { maxWaitMs: 60_000 })
})

test('a reset leaves what the broker began with', async () => {
  const kafka = await startBroker({ topics: { orders: 2 }, brokers: 2 })
  kafka.topic('orders').append({ value: '1' })
  await kafka.createTopic('more')
  await kafka.faults.broker(2).down()
  const port = kafka.brokers[1]!.port
  expect(await isOpen(port)).toBe(false)
  await kafka.reset()
  expect((await kafka.log.topics()).map(({ name }) => name)).toEqual(['orders'])
  expect(kafka.topic('orders').records()).toEqual([])
  expect(await isOpen(port)).toBe(true)
  expect(kafka.brokers[1]!.port).toBe(port)
  expect(kafka.journal.entries).toEqual([])
})

test('options and fields that there are not are told, where they would be waited for less or lost', async () => {
  const kafka = await startBroker({ topics: { orders: 1 } })
  const [orders, group] = [kafka.topic('orders'), kafka.group('g')]
  expect(() => orders.append({ value: 'v', header: {} } as never)).toThrow('unknown option "header" for a record: did you mean "headers"?')
  await expect(group.ready({ member: 3 } as never)).rejects.toThrow('did you mean "members"?')
  for (const wait of [() => group.stable, () => group.caughtUp, () => group.rebalanced]) {
    await expect((async () => wait().call(group, { timeOut: 1 } as never))()).rejects.toThrow('unknown option "timeOut"')
  }
  await expect((async () => orders.next({ timeOut: 1 } as never))()).rejects.toThrow('unknown option "timeOut"')
  await expect((async () => orders.waitFor(() => true, { timeOut: 1 } as never))()).rejects.toThrow('unknown option "timeOut"')
})

test('a fork goes on at the time of the broker that it comes from', async () => {
  const kafka = await startBroker({ topics: { orders: 1 }, clock: 'virtual' })
  await kafka.clock.advance('24h')
  const other = await kafka.fork()
  onTestFinished(() => other.close())
  expect(other.clock.now()).toBe(kafka.clock.now())
})

test('a folder is opened again with the topics that it was begun with', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'commitlog-test-broker-'))
  onTestFinished(() => rm(dir, { recursive: true }))
  const first = await startBroker({ dir, topics: { orders: 1 } })
  first.topic('orders').append({ value: 'kept' })
  await first.close()
  const second = await startBroker({ dir, topics: { orders: 1, others: 2 } })
  expect([second.topic('orders').records().length, second.topic('others').partitions]).toEqual([1, 2])
  await second.close()
  await expect(startTestBroker({ dir, topics: { orders: 3 } })).rejects.toThrow('already, with 1 partitions and not 3')
})

test('forks go on by themselves from where they began', async () => {
  const kafka = await startBroker({ topics: { orders: 1 } })
  kafka.topic('orders').append({ value: 'shared' })
  const at = await kafka.checkpoint()
  kafka.topic('orders').append({ value: 'later' })
  const [now, then] = [await kafka.fork(), await kafka.fork({ from: at })]
  try {
    now.topic('orders').append({ value: 'of the fork' })
    const texts = (of: typeof kafka): (string | null)[] => of.topic('orders').records().map((record) => record.text())
    expect(texts(kafka)).toEqual(['shared', 'later'])
    expect(texts(now)).toEqual(['shared', 'later', 'of the fork'])
    expect(texts(then)).toEqual(['shared'])
    expect(new Set([kafka, now, then].map(({ bootstrap }) => bootstrap)).size).toBe(3)
    await now.reset()
    expect(texts(now)).toEqual(['shared', 'later'])
  } finally {
    await now.close()
    await then.close()
  }
})

test('a broker with a folder keeps what it has', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'commitlog-test-broker-'))
  onTestFinished(() => rm(dir, { recursive: true }))
  const first = await startBroker({ dir, topics: { orders: 1 } })
  first.topic('orders').append({ value: 'kept' })
  await first.close()
  const second = await startBroker({ dir })
  expect(second.topic('orders').records().map((record) => record.text())).toEqual(['kept'])
  await second.close()
})

test('an older Kafka is told and served with its oldest and newest versions', async () => {
  for (const { emulate, produceTo, fetchTo, has848 } of [
    { emulate: '2.0', produceTo: 6, fetchTo: 8, has848: false },
    { emulate: '3.9', produceTo: 11, fetchTo: 17, has848: true },
    { emulate: '4.0', produceTo: 12, fetchTo: 17, has848: true },
    { emulate: 'no-topic-ids', produceTo: 11, fetchTo: 12, has848: true },
  ]) {
    const kafka = await startBroker({ emulate })
    const raw = await client(kafka)
    const { apiKeys } = await raw.request(apiVersions, 2, {})
    const of = (key: number): object | undefined => apiKeys.find(({ apiKey }) => apiKey === key)
    expect(of(0), emulate).toMatchObject({ minVersion: 0, maxVersion: produceTo })
    expect(of(1), emulate).toMatchObject({ minVersion: 4, maxVersion: fetchTo })
    expect(of(68) !== undefined, emulate).toBe(has848)
  }
  const kafka = await startBroker({ emulate: 'produce-min-3' })
  const { apiKeys } = await (await client(kafka)).request(apiVersions, 3, { clientSoftwareName: 'raw', clientSoftwareVersion: '1' })
  expect(apiKeys.find(({ apiKey }) => apiKey === 0)).toMatchObject({ minVersion: 3, maxVersion: 13 })
  const old = await startBroker({ emulate: '2.0' })
  const refused = await (await client(old)).request(apiVersions, 0, {})
  expect(refused.apiKeys.find(({ apiKey }) => apiKey === 18)).toMatchObject({ maxVersion: 2 })
})
