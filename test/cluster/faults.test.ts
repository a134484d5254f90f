import { expect, test, vi } from 'vitest'
import { type ClusterEvent, type ClusterLog, connect, type ConnectOptions } from '../../src/cluster/index.ts'
import { defineTopic, isLogError, json, LogError, string } from '../../src/index.ts'
import { startTestBroker, type TestBroker, type TestBrokerOptions } from '../../src/testing/index.ts'

const Orders = defineTopic('orders', { partitions: 3, key: string, value: json<number>() })

/** A cluster of three with faults, and a connection to it. */
async function overBroker(
  run: (kafka: TestBroker, log: ClusterLog, events: readonly ClusterEvent[]) => Promise<void>,
  options: { readonly broker?: TestBrokerOptions; readonly connect?: Partial<ConnectOptions> } = {},
): Promise<void> {
  const kafka = await startTestBroker({ brokers: 3, ...options.broker })
  const events: ClusterEvent[] = []
  try {
    const log = await connect({ brokers: kafka.bootstrap, onEvent: (event) => events.push(event), ...options.connect })
    try {
      await run(kafka, log, events)
    } finally {
      await log.close()
    }
  } finally {
    await kafka.close()
  }
}

async function readAll(log: ClusterLog): Promise<number[]> {
  const topic = await log.topic(Orders)
  const values: number[] = []
  for await (const { value } of topic.consumer({ until: 'end' })) values.push(value!)
  return values.sort((a, b) => a - b)
}

async function sendMany(log: ClusterLog, count: number): Promise<void> {
  const topic = await log.topic(Orders)
  for (let value = 0; value < count; value += 10) {
    await topic.send(Array.from({ length: 10 }, (_, index) => ({ key: `k${index}`, value: value + index })))
  }
}

/** An answer to DescribeConfigs in which topics take more. */
function raised(response: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  return JSON.parse(JSON.stringify(response), (_key, value: { name?: string } | null) => (
    value !== null && typeof value === 'object' && value.name === 'max.message.bytes' ? { ...value, value: '5000' } : value
  )) as Readonly<Record<string, unknown>>
}

/** An answer to Produce of a broker that knows the batch, and not any more where it is. */
function known(response: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  const change = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(change)
    if (typeof value !== 'object' || value === null) return value
    const changed = Object.entries(value).map(([name, one]) => [name, name === 'errorCode' ? DUPLICATE : name === 'baseOffset' ? -1 : change(one)])
    return Object.fromEntries(changed) as unknown
  }
  return change(response) as Readonly<Record<string, unknown>>
}

/** Kafka's number for DUPLICATE_SEQUENCE_NUMBER. */
const DUPLICATE = 46

const upTo = (count: number): number[] => Array.from({ length: count }, (_, value) => value)

async function failureOf(work: Promise<unknown>): Promise<LogError> {
  const error = await work.then(() => undefined, (thrown: unknown) => thrown)
  if (isLogError(error)) return error
  throw new Error('it did not fail with a LogError', { cause: error })
}

test('a send whose answer is lost is stored once', () => overBroker(async ({ faults }, log) => {
  await sendMany(log, 10)
  faults.on('Produce').times(3).dropConnection({ when: 'after-apply' })
  await sendMany(log, 50)
  expect(await readAll(log)).toEqual([...upTo(10), ...upTo(50)].sort((a, b) => a - b))
}))

test('leaders that move, and copies that are missing for a while, are ridden out', () => overBroker(async ({ faults }, log) => {
  faults.on('Produce').onCall(2, 3).error('NOT_LEADER_OR_FOLLOWER')
  faults.on('Produce').onCall(5, 6).error('NOT_ENOUGH_REPLICAS')
  faults.on('Fetch').onCall(1).error('NOT_LEADER_OR_FOLLOWER')
  await sendMany(log, 60)
  await faults.partition('orders', 0).moveLeader(2)
  await faults.partition('orders', 1).moveLeader(3)
  await sendMany(log, 60)
  expect(await readAll(log)).toEqual([...upTo(60), ...upTo(60)].sort((a, b) => a - b))
}))

test('who sends and who reads ride out a broker that goes and comes back, and it is told of', () => overBroker(async ({ faults }, log, events) => {
  const topic = await log.topic(Orders)
  const seen: number[] = []
  const reading = (async () => {
    for await (const { value } of topic.consumer({ group: 'g' })) {
      seen.push(value!)
      if (seen.length === 90) break
    }
  })()
  await sendMany(log, 30)
  await faults.broker(1).down()
  await sendMany(log, 30)
  await faults.broker(2).down()
  await sendMany(log, 30)
  await faults.broker(1).up()
  await faults.broker(2).up()
  await reading
  expect([...new Set(seen)].sort((a, b) => a - b)).toEqual(upTo(30))
  expect(events.some(({ type }) => type === 'broker-lost')).toBe(true)
}), 30_000)

test('a coordinator that moves is found again by members, and what was committed is there', () => overBroker(async ({ faults }, log) => {
  const topic = await log.topic(Orders)
  await sendMany(log, 30)
  const first = topic.consumer({ group: 'g', until: 'end' })
  let count = 0
  for await (const { offset } of first) {
    void offset
    if (++count === 10) {
      faults.on('OffsetCommit').once().error('NOT_COORDINATOR')
      faults.on('Heartbeat').once().error('NOT_COORDINATOR').optional()
      await first.commit()
    }
  }
  expect(count).toBe(30)
  faults.on('JoinGroup').once().error('COORDINATOR_LOAD_IN_PROGRESS')
  faults.on('OffsetFetch').once().error('NOT_COORDINATOR')
  let more = 0
  for await (const { offset } of topic.consumer({ group: 'g', until: 'end' })) more += offset < 0 ? 0 : 1
  expect(more).toBe(0)
}))

test('a transaction whose end was decided and not told of counts once', () => overBroker(async ({ faults }, log) => {
  const topic = await log.topic(Orders)
  faults.on('EndTxn').once().dropConnection({ when: 'after-apply' })
  faults.on('AddPartitionsToTxn').once().error('CONCURRENT_TRANSACTIONS')
  await log.transaction(async (tx) => {
    await tx.send(topic, [{ key: 'a', value: 1 }, { key: 'b', value: 2 }])
    await tx.commitOffsets('side', [{ topic: 'orders', partition: 0, offset: 0 }])
  })
  await log.transaction((tx) => tx.send(topic, { key: 'c', value: 3 }))
  await expect(log.transaction(async (tx) => {
    await tx.send(topic, { key: 'd', value: 4 })
    throw new Error('no')
  })).rejects.toThrow('no')
  expect(await readAll(log)).toEqual([1, 2, 3])
}))

test('a commit of which nobody knows is LOG_COMMIT_UNKNOWN; one that nobody could be asked for is not', () => overBroker(async ({ faults }, log) => {
  const topic = await log.topic(Orders)
  const transaction = await log.beginTransaction()
  await transaction.send(topic, { key: 'a', value: 1 })
  const lost = faults.on('EndTxn').dropConnection({ when: 'after-apply' })
  const error = await failureOf(transaction.commit())
  lost.cancel()
  expect([error.code, error.retriable]).toEqual(['LOG_COMMIT_UNKNOWN', false])
  expect(await readAll(log)).toEqual([1])
  await log.transaction((tx) => tx.send(topic, { key: 'b', value: 2 }))
  expect(await readAll(log)).toEqual([1, 2])
}, { connect: { timeoutMs: 300 } }))

test('a close waits for the commit that is under way', () => overBroker(async (kafka, log) => {
  const topic = await log.topic(Orders)
  const transaction = await log.beginTransaction()
  await transaction.send(topic, { key: 'a', value: 1 })
  const late = kafka.faults.on('EndTxn').once().delay(200, { when: 'after-apply' })
  const committing = transaction.commit()
  await kafka.until(() => (late.fired > 0 ? true : undefined), 'no commit was asked for')
  await log.close()
  await committing
  const other = await connect({ brokers: kafka.bootstrap })
  expect(await readAll(other)).toEqual([1])
  await other.close()
}))

test('dead letters are there once when the answers to their commits are lost for good', () => overBroker(async (kafka, log) => {
  const topic = await log.topic(Orders)
  await topic.send({ key: 'a', value: 7 })
  const lost = kafka.faults.on('EndTxn').dropConnection({ when: 'after-apply' })
  const failing = (): void => { throw new Error('seven') }
  const consumption = topic.consume({ group: 'work', retry: { attempts: 1 } }, failing)
  expect((await failureOf(consumption.done)).code).toBe('LOG_COMMIT_UNKNOWN')
  lost.cancel()
  const again = topic.consume({ group: 'work', retry: { attempts: 1 } }, failing)
  await kafka.group('work').caughtUp({ topics: ['orders'] })
  await again.stop()
  const dead = await log.topic(defineTopic('orders.work.dlq', { key: string, value: json<number>() }), { create: false })
  const letters: (number | null)[] = []
  for await (const { value } of dead.consumer({ until: 'end' })) letters.push(value)
  expect(letters).toEqual([7])
}, { connect: { timeoutMs: 300 } }))

test('of several offsets for one partition the last is committed, as in process', () => overBroker(async (_kafka, log) => {
  const topic = await log.topic(Orders)
  await topic.send(upTo(9).map((value) => ({ value, partition: 0 })))
  await log.transaction((tx) => tx.commitOffsets('g', [3, 7].map((offset) => ({ topic: 'orders', partition: 0, offset }))))
  expect((await log.groups.lag('g')).map(({ committed }) => committed)).toEqual([7])
}))

test('a send of which nobody knows whether it was stored is LOG_SEND_UNKNOWN, and what is sent next is stored', () => overBroker(
  async ({ faults }, log) => {
    const topic = await log.topic(Orders)
    const lost = faults.on('Produce').dropConnection({ when: 'after-apply' })
    const error = await failureOf(topic.send({ key: 'a', value: 1, partition: 0 }))
    lost.cancel()
    expect(error.code).toBe('LOG_SEND_UNKNOWN')
    expect(error.retriable).toBe(false)
    await topic.send({ key: 'a', value: 2, partition: 0 })
    expect(await readAll(log)).toEqual([1, 2])
  }, { connect: { timeoutMs: 300 } },
))

test('what the cluster has not stored is LOG_CLUSTER_UNAVAILABLE once the time is up, and retriable', () => overBroker(async ({ faults }, log) => {
  const topic = await log.topic(Orders)
  const fault = faults.on('Produce').error('NOT_ENOUGH_REPLICAS')
  const failed = (): ReturnType<typeof failureOf> => failureOf(topic.send({ key: 'a', value: 1 }))
  let error = await failed()
  // Where an attempt is on its way when the time is up nobody knows what becomes of it; on a busy machine it is up before the first answer.
  for (let tries = 1; error.detail['error'] === undefined && tries < 20; tries++) error = await failed()
  fault.cancel()
  expect([error.code, error.retriable, error.detail['error']]).toEqual(['LOG_CLUSTER_UNAVAILABLE', true, 'NOT_ENOUGH_REPLICAS'])
  await topic.send({ key: 'a', value: 2 })
  expect(await readAll(log)).toEqual([2])
}, { connect: { timeoutMs: 300 } }))

test('a send that its leader stored and no copy followed is LOG_SEND_UNKNOWN once the time is up', () => overBroker(async ({ faults }, log) => {
  const topic = await log.topic(Orders)
  for (const code of ['NOT_ENOUGH_REPLICAS_AFTER_APPEND', 'REQUEST_TIMED_OUT', 'NOT_LEADER_OR_FOLLOWER'] as const) {
    const fault = faults.on('Produce').error(code, { when: 'after-apply' })
    const error = await failureOf(topic.send({ key: 'a', value: 1, partition: 0 }))
    fault.cancel()
    expect([error.code, error.retriable]).toEqual(['LOG_SEND_UNKNOWN', false])
  }
}, { connect: { timeoutMs: 200 } }))

test('what may be stored keeps its producer when another partition gives up: it is stored once', () => overBroker(async (kafka, log) => {
  const { faults } = kafka
  const topic = await log.topic(Orders)
  await topic.send([0, 1].map((partition) => ({ key: 'k', value: 0, partition })))
  const to = (index: number) => (request: unknown): boolean => JSON.stringify(request).includes(`"index":${index}`)
  const lost = faults.on('Produce').matching(to(1)).times(3).error('REQUEST_TIMED_OUT', { when: 'after-apply' })
  faults.on('Produce').matching(to(0)).once().error('INVALID_RECORD')
  const sending = topic.send({ key: 'b', value: 7, partition: 1 })
  await kafka.until(() => (lost.fired > 0 ? true : undefined), 'no answer was lost')
  expect((await failureOf(topic.send({ key: 'a', value: 8, partition: 0 }))).code).toBe('LOG_RECORD_INVALID')
  await sending
  expect(await readAll(log)).toEqual([0, 0, 7])
}))

test('a producer that waits for company keeps nobody else waiting', () => overBroker(async (_kafka, log) => {
  const topic = await log.topic(Orders)
  const lingering = topic.producer({ lingerMs: 600_000 }).send({ key: 'a', value: 1 })
  await topic.send({ key: 'b', value: 2 })
  await lingering
}))

test('batches that wait in an outage are given up together', () => overBroker(async ({ faults }, log) => {
  const topic = await log.topic(Orders)
  for (const broker of [1, 2, 3]) await faults.broker(broker).down()
  const sends = upTo(50).map((value) => failureOf(topic.send({ key: 'a', value, partition: 0 })))
  expect(new Set((await Promise.all(sends)).map(({ code }) => code))).toEqual(new Set(['LOG_CLUSTER_UNAVAILABLE']))
  for (const broker of [1, 2, 3]) await faults.broker(broker).up()
}, { connect: { timeoutMs: 500, batchSize: 1 } }))

test('a limit that was raised counts once the topic is opened again', () => overBroker(async ({ faults }, log) => {
  const value = 'x'.repeat(2000)
  await (await log.topic(defineTopic('small', { value: string, maxMessageBytes: 1000 }))).send({ value: 'a' })
  faults.on('DescribeConfigs').answer(raised)
  const topic = await log.topic(defineTopic('small', { value: string }))
  // The broker has its old limit still: what is told is its word, and not ours.
  expect((await failureOf(topic.send({ value }))).detail['error']).toBe('MESSAGE_TOO_LARGE')
}))

test('a signal ends the wait for a send, and the send goes on', () => overBroker(async ({ faults }, log) => {
  const topic = await log.topic(Orders)
  const reason = new Error('enough')
  const controller = new AbortController()
  const slow = faults.on('Produce').times(2).error('LEADER_NOT_AVAILABLE')
  const sending = topic.send({ key: 'a', value: 1 }, { signal: controller.signal })
  controller.abort(reason)
  await expect(sending).rejects.toBe(reason)
  await topic.send({ key: 'a', value: 2 })
  void slow
  expect(await readAll(log)).toEqual([1, 2])
}))

test('handlers get every record, and dead letters are there once, while brokers go and come', () => overBroker(async ({ faults }, log) => {
  const topic = await log.topic(Orders)
  await sendMany(log, 60)
  const handled: number[] = []
  let enough = (): void => {}
  const done = new Promise<void>((resolve) => { enough = resolve })
  faults.on('EndTxn').once().dropConnection({ when: 'after-apply' }).optional()
  const consumption = topic.consume({ group: 'work', order: 'key', retry: { attempts: 2, delay: 1 } }, ({ value }) => {
    if (value === 7) throw new Error('seven')
    handled.push(value!)
    if (new Set(handled).size === 59) enough()
  })
  await faults.broker(1).down()
  await done
  await faults.broker(1).up()
  await consumption.stop()
  expect([...new Set(handled)].sort((a, b) => a - b)).toEqual(upTo(60).filter((value) => value !== 7))
  const dead = await log.topic(defineTopic('orders.work.dlq', { key: string, value: json<number>() }), { create: false })
  const letters: (number | null)[] = []
  for await (const { value } of dead.consumer({ until: 'end' })) letters.push(value)
  expect(letters).toEqual([7])
}), 30_000)

test('a member that gives back under an eager assignor is alive while it handles a record', () => overBroker(async ({ faults, journal }, log) => {
  const topic = await log.topic(Orders)
  await sendMany(log, 30)
  let beats = 0
  faults.on('Heartbeat').matching(() => { beats++; return false }).error('NOT_COORDINATOR').optional()
  let finish = (): void => {}
  const inHand = new Promise<void>((resolve) => { finish = resolve })
  const slow = topic.consumer({ group: 'g', assignors: ['range'] })
  const reading = (async () => { for await (const { offset } of slow) if (offset >= 0) { await inHand; break } })()
  await vi.waitFor(() => expect(slow.assignment).toHaveLength(3), 10_000)
  const other = topic.consumer({ group: 'g', assignors: ['range'] })
  const too = (async () => { for await (const { offset } of other) if (offset >= 0) break })()
  const joins = journal.of('JoinGroup').length
  await vi.waitFor(() => expect(journal.of('JoinGroup').length).toBeGreaterThan(joins), 10_000)
  const before = beats
  await vi.waitFor(() => expect(beats - before).toBeGreaterThan(1), 20_000)
  finish()
  await Promise.all([reading, too])
  await Promise.all([slow.close(), other.close()])
}, { connect: { sessionTimeoutMs: 6000 } }), 60_000)

test('who closes the connection has committed what is done, and left its groups', () => overBroker(async ({ bootstrap }, log) => {
  const topic = await log.topic(Orders)
  await sendMany(log, 30)
  let handled = 0
  topic.consume({ group: 'consume' }, () => { handled++ })
  let read = 0
  const reading = (async () => { for await (const { offset } of topic.consumer({ group: 'loop' })) read += offset < 0 ? 0 : 1 })()
  await vi.waitFor(() => expect([handled, read]).toEqual([30, 30]), 10_000)
  await log.close()
  await reading
  const other = await connect({ brokers: bootstrap })
  for (const group of ['consume', 'loop']) {
    expect((await other.groups.describe(group)).state).toBe('Empty')
    expect((await other.groups.lag(group)).map(({ lag }) => lag)).toEqual([0, 0, 0])
  }
  await other.close()
}))

test('consumers that are dropped keep no connections', () => overBroker(async (_kafka, log) => {
  const topic = await log.topic(Orders)
  await sendMany(log, 30)
  const sockets = (): number => process.getActiveResourcesInfo().filter((name) => name.startsWith('TCPSocket')).length
  const before = sockets()
  for (let round = 0; round < 20; round++) for await (const { offset } of topic.consumer({ until: 'end' })) expect(offset).toBeGreaterThanOrEqual(0)
  await vi.waitFor(() => expect(sockets() - before).toBeLessThan(20), 10_000)
  // One that loops again at once reads on.
  const again = topic.consumer()
  for (let round = 0; round < 20; round++) for await (const { offset } of again) if (offset >= 0) break
  await again.close()
}))

test('words beside a commit are not taken for finished records', () => overBroker(async (_kafka, log) => {
  const topic = await log.topic(Orders)
  await topic.send(upTo(9).map((value) => ({ value, partition: 0 })))
  await log.transaction((tx) => tx.commitOffsets('g', [{ topic: 'orders', partition: 0, offset: 0, metadata: 'AQUEUE' }]))
  const handled: (number | null)[] = []
  const consumption = topic.consume({ group: 'g' }, ({ value }) => void handled.push(value))
  await vi.waitFor(() => expect(handled).toEqual(upTo(9)), 10_000)
  await consumption.stop()
}))

test('partitions that came to a topic are read by groups that have it', () => overBroker(async (_kafka, log) => {
  const topic = await log.topic(Orders)
  const consumer = topic.consumer({ group: 'g', until: 'end' })
  const larger = await log.topic(defineTopic('orders', { partitions: 5, key: string, value: json<number>() }))
  await larger.send([{ value: 1, partition: 0 }, { value: 2, partition: 4 }])
  const values: (number | null)[] = []
  for await (const { value } of consumer) values.push(value)
  expect(values.sort()).toEqual([1, 2])
}))

test('a topic that keeps one copy is warned of, once', () => overBroker(async (_kafka, log, events) => {
  await log.topic(Orders)
  await log.topic(Orders)
  expect(events).toEqual([expect.objectContaining({ type: 'durability-warning', topic: 'orders' })])
}))

test('records that the cluster has already, at places that it does not tell, are stored, and their offset is -1', () => overBroker(
  async ({ faults }, log) => {
    const topic = await log.topic(Orders)
    faults.on('Produce').once().answer(known)
    const results = await topic.send([1, 2].map((value) => ({ value, partition: 0 })))
    expect(results.map(({ partition, offset }) => [partition, offset])).toEqual([[0, -1], [0, -1]])
    expect((await topic.send({ value: 3, partition: 0 })).offset).toBe(2)
    expect(await readAll(log)).toEqual([1, 2, 3])
  },
))

test('the partitions of a transaction that are sent to in one go are named in one question', async () => {
  const kafka = await startTestBroker()
  const cluster = await connect({ brokers: kafka.bootstrap })
  const words = await cluster.topic(defineTopic('named', { partitions: 2, value: string }))
  await cluster.transaction((transaction) => (
    transaction.send(words, [{ value: 'a', partition: 0 }, { value: 'b', partition: 1 }])
  ))
  expect(kafka.journal.of('AddPartitionsToTxn').length).toBe(1)
  const values: (string | null)[] = []
  for await (const { value } of words.consumer({ until: 'end' })) values.push(value)
  expect(values.sort()).toEqual(['a', 'b'])
  await cluster.close()
  await kafka.close()
})
