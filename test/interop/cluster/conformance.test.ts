/*
 * What a log has to do wherever it lives, on a real Kafka of three brokers: the same cases that run over memory, a folder and our listener. Then
 * a service that moves there.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { type Clock, systemClock } from '../../../src/base/clock.ts'
import { type OpenClusterLog } from '../../../src/cluster/cluster-log.ts'
import { connect } from '../../../src/cluster/connect.ts'
import { FencedProducer } from '../../../src/cluster/fenced-producer.ts'
import { mirror } from '../../../src/cluster/mirror/mirror.ts'
import { type Sendable } from '../../../src/cluster/transaction.ts'
import { type LogUnderTest } from '../../../src/testing/portable-conformance/log-under-test.ts'
import { portableConformance } from '../../../src/testing/portable-conformance/portable-conformance.ts'
import { string } from '../../../src/topics/codecs.ts'
import { CommitLog } from '../../../src/topics/commit-log.ts'
import { type PortableLog } from '../../../src/topics/contract.ts'
import { defineTopic } from '../../../src/topics/define-topic.ts'
import { KafkaNodes } from './kafka-nodes.ts'

let folder: string
let kafka: KafkaNodes

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'commitlog-cluster-'))
  kafka = await KafkaNodes.start(inject('jars'), folder)
}, 300_000)

afterAll(async () => {
  await kafka?.stop()
  rmSync(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 200 })
})

async function open(): Promise<LogUnderTest> {
  const another = () => connect({ brokers: kafka.bootstrap })
  const log = await another()
  return { log, another, close: () => log.close() }
}

portableConformance({ test: (name, run) => test(`Kafka: ${name}`, run), open })

test('a service moves from a folder to Kafka while it works, and every record is handled once', async () => {
  const Words = defineTopic('moving-words', { partitions: 3, value: string })
  const numbers = (count: number, from: number): string[] => Array.from({ length: count }, (_, index) => `n${from + index}`)
  const [local, cluster] = [await CommitLog.open(join(folder, 'log')), await connect({ brokers: kafka.bootstrap })]
  await local.topic(Words)
  const handled: string[] = []
  let sent = 0
  const produce = async (log: PortableLog, until: () => boolean): Promise<void> => {
    const words = await log.topic(Words)
    while (!until()) await words.send(numbers(10, (sent += 10) - 10).map((value) => ({ key: value, value })))
  }
  const work = async (log: PortableLog, signal: AbortSignal): Promise<void> => {
    await (await log.topic(Words)).consume({ group: 'moving-workers', order: 'key', signal }, ({ value }) => void handled.push(value!)).done
  }
  const [first, second] = [new AbortController(), new AbortController()]
  let moving = false
  const mirroring = await mirror(local, cluster, { topics: [Words], groups: ['moving-workers'], groupIntervalMs: 50 })
  const before = Promise.all([produce(local, () => moving), work(local, first.signal)])
  while (handled.length < 2000) await new Promise(setImmediate)
  moving = true
  first.abort()
  await before
  await mirroring.caughtUp()
  await mirroring.stop()
  const last = sent + 1000
  const after = Promise.all([produce(cluster, () => sent >= last), work(cluster, second.signal)])
  while (handled.length < last) await new Promise(setImmediate)
  second.abort()
  await after
  expect([...handled].sort()).toEqual(numbers(sent, 0).sort())
  await Promise.all([local.close(), cluster.close()])
})

test('a producer of plain sends is shut out of partitions, and whoever does it learns what it stored', async () => {
  const Shut = defineTopic('shut-out', { partitions: 3, value: string })
  const places = [0, 1, 2].map((partition) => ({ topic: 'shut-out', partition, from: 0 }))
  let ahead = 0
  const clock: Clock = { ...systemClock, now: () => systemClock.now() + ahead }
  const [one, other] = [await connect({ brokers: kafka.bootstrap, clock }), await connect({ brokers: kafka.bootstrap })]
  const topic = await one.topic(Shut)
  const open = (log: PortableLog): Promise<FencedProducer> => FencedProducer.open((log as unknown as OpenClusterLog).connected, 'shut-out-id')
  const send = (producer: FencedProducer, value: string, partition: number): Promise<unknown> => (
    producer.send((topic as unknown as Sendable<string, string>).target, [{ value, partition }])
  )
  const refused = { detail: { results: [expect.objectContaining({ code: 'LOG_PRODUCER_FENCED' })] } }
  const before = await open(one)
  await before.enter(places)
  for (const value of ['a', 'b']) await send(before, value, 0)
  await topic.send({ value: 'of others', partition: 0 })
  await before.renew()
  await send(before, 'c', 0)
  const after = await open(other)
  const { producerId, epoch: producerEpoch } = before.name
  const stored = await after.enter(places.slice(0, 2).map((place) => ({ ...place, of: { producerId: BigInt(producerId), producerEpoch } })))
  expect(stored[0]!.batches.map(({ baseSequence, baseOffset }) => [baseSequence, baseOffset])).toEqual([[0, 1], [1, 2], [2, 5]])
  expect(stored.map(({ marker, isMissingFrom }) => [marker, isMissingFrom(0)])).toEqual([[6, false], [1, false]])
  await expect(send(before, 'd', 0)).rejects.toMatchObject(refused)
  const again = await open(one)
  await again.enter(places)
  await (await open(other)).close()
  // Nobody has shut it out: it finds out by itself.
  ahead = 60_000
  await expect(send(again, 'e', 2)).rejects.toMatchObject(refused)
  expect((await topic.offsets()).map(({ highWatermark }) => highWatermark)).toEqual([8, 3, 2])
  await Promise.all([before, after, again].map((producer) => producer.close()))
  await Promise.all([one.close(), other.close()])
})

test('records that come alone are mirrored without a transaction, and once, when one mirror takes over from another', async () => {
  const Alone = defineTopic('alone', { partitions: 1, value: string })
  const local = await CommitLog.memory()
  const words = await local.topic(Alone)
  const reader = await connect({ brokers: kafka.bootstrap })
  const values: string[] = []
  for (const round of [0, 1, 2]) {
    const cluster = await connect({ brokers: kafka.bootstrap })
    const mirroring = await mirror(local, cluster, { topics: [Alone], id: 'alone', groupIntervalMs: 600_000 })
    mirroring.done.catch(() => {})
    for (let index = 0; index < 30; index++) {
      values.push(`${round}-${index}`)
      await words.send({ value: values.at(-1)! })
      await mirroring.caughtUp()
    }
    // What is left is what a kill leaves.
    await cluster.close()
  }
  const cluster = await connect({ brokers: kafka.bootstrap })
  await (await mirror(local, cluster, { topics: [Alone], id: 'alone', until: 'end' })).done
  const copy: string[] = []
  const offsets: number[] = []
  for await (const { value, offset } of (await reader.topic(Alone)).consumer({ until: 'end' })) {
    copy.push(value!)
    offsets.push(offset)
  }
  expect(copy).toEqual(values)
  // A transaction for the first record of a round, and a few until there is time: then one offset for each.
  expect(offsets.at(-1)! - offsets[0]!).toBeLessThan(values.length + 60)
  await Promise.all([reader.close(), cluster.close(), local.close()])
})
