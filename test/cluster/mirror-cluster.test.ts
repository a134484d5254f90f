import { expect, test } from 'vitest'
import { connect } from '../../src/cluster/index.ts'
import { mirror } from '../../src/cluster/mirror/mirror.ts'
import { eventStore } from '../../src/events/event-store.ts'
import { json, string } from '../../src/topics/codecs.ts'
import { type PortableLog, type PortableTopic } from '../../src/topics/contract.ts'
import { startTestBroker } from '../../src/testing/index.ts'
import { defineTopic } from '../../src/topics/define-topic.ts'
import { collect, failure, memoryLog } from '../topics/harness.ts'
import { overListener } from './harness.ts'

const Words = defineTopic('words', { partitions: 3, value: string })
const numbers = (count: number, from = 0): string[] => Array.from({ length: count }, (_, index) => `n${from + index}`)

/** Everything of the records but their offsets, by partition. */
async function contentsOf<K, V>(topic: PortableTopic<K, V>): Promise<unknown[]> {
  const records = await collect(topic.consumer({ until: 'end' }))
  const headers = (list: readonly (readonly [string, Uint8Array | null])[]): unknown => (
    list.map(([name, value]) => [name, value === null ? null : Buffer.from(value).toString('hex')])
  )
  return records.sort((a, b) => a.partition - b.partition || a.offset - b.offset).map((record) => (
    { partition: record.partition, timestamp: record.timestamp, key: record.key, value: record.value, headers: headers(record.headers) }
  ))
}

for (const direction of ['to a cluster', 'from a cluster'] as const) {
  test(`${direction}: records arrive as they are, once, through stops, and what a group has committed goes with them`, async () => {
    await overListener(async ({ log: cluster }) => {
      const local = await memoryLog()
      const [source, target]: [PortableLog, PortableLog] = direction === 'to a cluster' ? [local, cluster] : [cluster, local]
      const words = await source.topic(Words)
      await words.send([{ key: 'a', value: 'x', headers: [['h', 'x'], ['h', null]], timestamp: 5 }, { key: null, value: null, partition: 1 }])
      for (const round of [0, 1, 2]) {
        const mirroring = await mirror(source, target, { topics: [Words], groups: ['readers'], groupIntervalMs: 20, transactionBytes: 1500 })
        await words.send(numbers(100, round * 100).map((value) => ({ key: value, value })))
        await collect(words.consumer({ group: 'readers' }), 50)
        if (round !== 1) await mirroring.caughtUp()
        await mirroring.stop()
      }
      const copy = await target.topic(Words)
      expect(await contentsOf(copy)).toEqual(await contentsOf(words))
      const [left, there] = [words, copy].map((topic) => topic.consumer({ group: 'readers', until: 'end' }))
      const rest = async (consumer: NonNullable<typeof left>): Promise<unknown> => (await collect(consumer)).map(({ value }) => value).sort()
      expect(await rest(there!)).toEqual(await rest(left!))
    })
  }, 60_000)
}

test('a service moves to a cluster while its producers and its group run on, and every record is handled once', async () => {
  await overListener(async ({ log: cluster }) => {
    const local = await memoryLog()
    await local.topic(Words)
    const handled: string[] = []
    let sent = 0
    const produce = async (log: PortableLog, until: () => boolean): Promise<void> => {
      const words = await log.topic(Words)
      while (!until()) await words.send(numbers(7, (sent += 7) - 7).map((value) => ({ key: value, value })))
    }
    const work = async (log: PortableLog, signal: AbortSignal): Promise<void> => {
      const running = (await log.topic(Words)).consume({ group: 'workers', order: 'key', signal }, ({ value }) => void handled.push(value!))
      await running.done
    }
    const [first, second] = [new AbortController(), new AbortController()]
    let moving = false
    const mirroring = await mirror(local, cluster, { topics: [/^words$/], groups: ['workers'], groupIntervalMs: 20 })
    const before = Promise.all([produce(local, () => moving), work(local, first.signal)])
    while (handled.length < 200) await new Promise(setImmediate)
    moving = true
    first.abort()
    await before
    await mirroring.caughtUp()
    await mirroring.stop()
    const last = sent + 350
    const after = Promise.all([produce(cluster, () => sent >= last), work(cluster, second.signal)])
    while (handled.length < last) await new Promise(setImmediate)
    second.abort()
    await after
    expect([...handled].sort()).toEqual(numbers(sent).sort())
  })
}, 60_000)

test('what a run before had open is no other run, however late it ends', async () => {
  await overListener(async ({ log: cluster }) => {
    const local = await memoryLog()
    const words = await local.topic(Words)
    await words.send(numbers(9).map((value) => ({ key: value, value })))
    await (await mirror(local, cluster, { topics: [Words], until: 'end' })).done
    const { name } = (await cluster.topics()).find((topic) => topic.name.startsWith('commitlog-mirror-'))!
    const ledger = await cluster.topic(defineTopic(name, { key: string, value: json<object>() }))
    const { key, value } = (await collect(ledger.consumer({ until: 'end' })))[0]!
    const left = await cluster.beginTransaction()
    await left.send(ledger, { key: key!, value: { ...value, by: 'the run before' } })
    const next = await mirror(local, cluster, { topics: [Words] })
    next.done.catch(() => {})
    await words.send(numbers(9, 9).map((text) => ({ key: text, value: text })))
    // It tries, and cannot store its entry where it is to be.
    while ((await next.status()).state !== 'waiting') await new Promise(setImmediate)
    await left.commit()
    await next.caughtUp()
    await next.stop()
    expect(await contentsOf(await cluster.topic(Words))).toEqual(await contentsOf(words))
  })
}, 60_000)

test('an outbox: the events of a category are on the cluster as they are appended, with their stream headers', async () => {
  await overListener(async ({ log: cluster }) => {
    const local = await memoryLog()
    const store = await eventStore(local, { category: 'account' })
    await store.append('a-1', [{ type: 'Opened', data: { owner: 'ada' } }], { expected: 'none' })
    const [topic] = (await local.topics()).map(({ name }) => name)
    const outbox = await mirror(local, cluster, { topics: [topic!] })
    const arrived = collect((await cluster.topic(defineTopic(topic!, { value: json<object>() }))).consumer(), 3)
    await store.append('a-1', [{ type: 'Paid', data: { amount: 5 } }, { type: 'Closed', data: {} }], { expected: 1 })
    const records = await arrived
    expect(records.map(({ key, value }) => [key, value])).toEqual([['a-1', { owner: 'ada' }], ['a-1', { amount: 5 }], ['a-1', {}]])
    expect(records.map((record) => Buffer.from(record.header('cl-type')!).toString())).toEqual(['Opened', 'Paid', 'Closed'])
    await outbox.stop()
  })
}, 60_000)

test('a mirror rides out an outage that is longer than timeoutMs, and a transaction that the cluster aborted', async () => {
  const kafka = await startTestBroker({ brokers: 3 })
  const cluster = await connect({ brokers: kafka.bootstrap, timeoutMs: 200 })
  const local = await memoryLog()
  const words = await local.topic(Words)
  await words.send({ value: 'a' })
  const mirroring = await mirror(local, cluster, { topics: [Words] })
  mirroring.done.catch(() => {})
  await mirroring.caughtUp()
  const lost = kafka.faults.on('Produce').dropConnection({ when: 'after-apply' })
  await words.send({ value: 'b' })
  await kafka.until(() => (lost.fired >= 10 ? true : undefined), 'the mirror has given up')
  lost.cancel()
  await mirroring.caughtUp()
  kafka.faults.on('Produce').once().error('INVALID_PRODUCER_EPOCH')
  await words.send({ value: 'c' })
  await mirroring.caughtUp()
  await mirroring.stop()
  expect((await collect((await cluster.topic(Words)).consumer({ until: 'end' }))).map(({ value }) => value).sort()).toEqual(['a', 'b', 'c'])
  await cluster.close()
  await kafka.close()
}, 60_000)

test('a topic that grows while much of it waits is mirrored on', async () => {
  await overListener(async ({ log: cluster }) => {
    const local = await memoryLog()
    const topic = await local.topic(defineTopic('grows', { partitions: 1, value: string }))
    for (let i = 0; i < 100; i++) await topic.send(Array.from({ length: 20 }, () => ({ value: 'x'.repeat(100) })))
    const mirroring = await mirror(local, cluster, { topics: [/./], groupIntervalMs: 1, transactionBytes: 1000 })
    while ((await mirroring.status()).lag > 1900) await new Promise<void>((resolve) => setImmediate(resolve))
    await topic.addPartitions(2)
    await topic.send({ value: 'y', partition: 1 })
    await mirroring.caughtUp()
    const { lag } = await mirroring.status()
    await mirroring.stop()
    const copy = await cluster.topic(defineTopic('grows', { value: string }))
    expect([lag, (await collect(copy.consumer({ until: 'end' }))).length]).toEqual([0, 2001])
  })
}, 60_000)

test('a group is carried over on when the target has deleted what it is to read', async () => {
  await overListener(async ({ log: cluster, local: behind }) => {
    const local = await memoryLog()
    const one = defineTopic('one', { partitions: 1, value: string })
    await (await local.topic(one)).send(numbers(5).map((value) => ({ value })))
    await local.groups.resetOffsets('g', { topic: 'one', to: { offset: 1 } })
    const mirroring = await mirror(local, cluster, { topics: [one], groups: ['g'], groupIntervalMs: 20 })
    await mirroring.caughtUp()
    await (await behind.topic(one)).deleteRecords({ 0: 3 })
    await local.groups.resetOffsets('g', { topic: 'one', to: { offset: 5 } })
    await mirroring.caughtUp()
    expect((await mirroring.status()).groups).toEqual([expect.objectContaining({ source: 5, moved: false })])
    expect((await cluster.groups.lag('g')).map(({ committed }) => committed)).toEqual([5])
    await mirroring.stop()
  })
}, 60_000)

test('a mirror of a log to its own listener is LOG_MIRROR_ITSELF', async () => {
  await overListener(async ({ log: cluster, local }) => {
    expect((await failure(() => mirror(local, cluster, { topics: [/./] }))).code).toBe('LOG_MIRROR_ITSELF')
    expect((await failure(() => mirror(cluster, local, { topics: [/./] }))).code).toBe('LOG_MIRROR_ITSELF')
  })
}, 60_000)
