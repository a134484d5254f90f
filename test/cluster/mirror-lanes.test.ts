/*
 * Records that come alone to a cluster, which go by lanes: without a transaction, and once all the same. Zombies are mirrors over
 * connections of their own: one that is closed under its mirror leaves what a killed process leaves.
 */
import { expect, test } from 'vitest'
import { type Clock, systemClock } from '../../src/base/clock.ts'
import { seededRandom } from '../../src/base/random.ts'
import { type ClusterLog, connect, mirror, type Mirroring, type MirrorOptions } from '../../src/cluster/index.ts'
import { type LedgerEntry } from '../../src/cluster/mirror/ledger.ts'
import { CommitLog, defineTopic, json, string, type Topic } from '../../src/index.ts'
import { startTestBroker, type TestBroker } from '../../src/testing/index.ts'
import { afterwards, collect, failure } from '../topics/harness.ts'

const Words = defineTopic('words', { partitions: 2, value: string })
const SEED = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 31))
/** Between two looks at which a mirror says what lanes have stored: none in a test. */
const NEVER_MS = 0x7fff_ffff

/** A log, its mirror's target, and the mirrors. */
class Scene {
  readonly kafka: TestBroker
  readonly local: CommitLog
  readonly words: Topic<string, string>

  private constructor(kafka: TestBroker, local: CommitLog, words: Topic<string, string>) {
    this.kafka = kafka
    this.local = local
    this.words = words
  }

  static async set(): Promise<Scene> {
    const kafka = await startTestBroker()
    const local = await CommitLog.memory()
    afterwards(async () => {
      await kafka.close()
      await local.close()
    })
    return new Scene(kafka, local, await local.topic(Words))
  }

  /** A mirror over a connection of its own. */
  async mirrored(
    clientId: string, options: Partial<MirrorOptions> = {}, clock: Clock = systemClock,
  ): Promise<{ readonly mirroring: Mirroring; readonly cluster: ClusterLog }> {
    const cluster = await connect({ brokers: this.kafka.bootstrap, clientId, clock })
    afterwards(() => cluster.close())
    const mirroring = await mirror(this.local, cluster, { topics: [Words], groupIntervalMs: NEVER_MS, ...options })
    mirroring.done.catch(() => {})
    afterwards(() => mirroring.stop().catch(() => {}))
    return { mirroring, cluster }
  }

  /** Sends a record, and waits until it is mirrored. */
  async one(mirroring: Mirroring, value: string, partition = 0): Promise<void> {
    await this.words.send({ value, partition })
    await mirroring.caughtUp()
  }

  /** Resolves when the ledger says who sends to the partition. */
  async laneOf(partition: number): Promise<LedgerEntry> {
    for (;;) {
      await new Promise(setImmediate)
      const entries = await collect((await this.ledger()).consumer({ until: 'end' }))
      const last = entries.filter(({ key }) => key === laneKey(partition)).at(-1)?.value
      if (last?.producer !== undefined) return last
    }
  }

  async ledger(): Promise<Topic<string, LedgerEntry>> {
    const { name } = (await this.kafka.log.topics()).find((topic) => topic.name.startsWith('commitlog-mirror-'))!
    return this.kafka.log.topic(defineTopic(name, { key: string, value: json<LedgerEntry>() }))
  }

  /** Values on the target with their offsets. */
  async stored(partition: number): Promise<{ readonly values: (string | null)[]; readonly offsets: number[] }> {
    const records = await collect((await this.kafka.log.topic(Words)).consumer({ partitions: [partition], until: 'end' }))
    return { values: records.map(({ value }) => value), offsets: records.map(({ offset }) => offset) }
  }
}

function laneKey(partition: number): string {
  return JSON.stringify(['lane', 'words', partition])
}

test('records that come alone go without a transaction: there is no marker between them', async () => {
  const scene = await Scene.set()
  const { mirroring } = await scene.mirrored('a')
  await scene.one(mirroring, 'x')
  await scene.laneOf(0)
  const before = scene.kafka.journal.of('AddPartitionsToTxn').length
  for (const value of ['a', 'b', 'c']) await scene.one(mirroring, value)
  expect(scene.kafka.journal.of('AddPartitionsToTxn').length).toBe(before)
  const { values, offsets } = await scene.stored(0)
  expect(values).toEqual(['x', 'a', 'b', 'c'])
  expect(offsets.slice(1).map((offset) => offset - offsets[1]!)).toEqual([0, 1, 2])
})

test('who is killed before the ledger tells of what went alone is followed by one who finds it', async () => {
  const scene = await Scene.set()
  const killed = await scene.mirrored('a')
  await scene.one(killed.mirroring, 'x')
  await scene.laneOf(0)
  for (const value of ['a', 'b', 'c']) await scene.one(killed.mirroring, value)
  await killed.cluster.close()
  await scene.words.send({ value: 'd', partition: 0 })
  await expect(killed.mirroring.done).rejects.toThrow()
  const { mirroring } = await scene.mirrored('b')
  await scene.one(mirroring, 'e')
  expect((await scene.stored(0)).values).toEqual(['x', 'a', 'b', 'c', 'd', 'e'])
})

test('what a transaction takes in between moves the lane on, and what follows it may stand before its marker', async () => {
  const scene = await Scene.set()
  const killed = await scene.mirrored('a')
  await scene.one(killed.mirroring, 'x')
  const opened = await scene.laneOf(0)
  const transaction = await scene.local.beginTransaction()
  await transaction.send(scene.words, [{ value: 'a', partition: 0 }])
  await transaction.commit()
  await killed.mirroring.caughtUp()
  // The source has a marker before the next record.
  for (const value of ['b', 'c']) await scene.one(killed.mirroring, value)
  const moved = await scene.laneOf(0)
  const { values, offsets } = await scene.stored(0)
  expect([moved.source! - opened.source!, moved.sequence, moved.target]).toEqual([3, 1, offsets[values.indexOf('b')]! + 1])
  await killed.cluster.close()
  const { mirroring } = await scene.mirrored('b')
  await scene.one(mirroring, 'd')
  expect((await scene.stored(0)).values).toEqual(['x', 'a', 'b', 'c', 'd'])
})

test('a send of a mirror that was taken over is refused, however late it comes', async () => {
  const scene = await Scene.set()
  const zombie = await scene.mirrored('zombie')
  await scene.one(zombie.mirroring, 'x')
  await scene.laneOf(0)
  const held = scene.kafka.faults.on('Produce', { client: 'zombie' }).silence()
  await scene.words.send({ value: 'a', partition: 0 })
  await scene.kafka.until(() => (held.fired > 0 ? true : undefined), 'nothing was sent')
  const next = await scene.mirrored('next')
  await scene.one(next.mirroring, 'b')
  held.cancel()
  await expect(zombie.mirroring.done).rejects.toMatchObject({ code: 'LOG_PRODUCER_FENCED' })
  await scene.one(next.mirroring, 'c')
  expect((await scene.stored(0)).values).toEqual(['x', 'a', 'b', 'c'])
})

test('an answer that is lost, also for good, leaves a record there once', async () => {
  const scene = await Scene.set()
  const cluster = await connect({ brokers: scene.kafka.bootstrap, timeoutMs: 2000 })
  afterwards(() => cluster.close())
  const mirroring = await mirror(scene.local, cluster, { topics: [Words], groupIntervalMs: NEVER_MS })
  await scene.one(mirroring, 'x')
  await scene.laneOf(0)
  scene.kafka.faults.on('Produce').once().dropConnection({ when: 'after-apply' })
  await scene.one(mirroring, 'a')
  const lost = scene.kafka.faults.on('Produce').dropConnection({ when: 'after-apply' })
  await scene.words.send({ value: 'b', partition: 0 })
  await scene.kafka.until(() => (lost.fired >= 5 ? true : undefined), 'the mirror has given up')
  lost.cancel()
  await scene.one(mirroring, 'c')
  expect((await scene.stored(0)).values).toEqual(['x', 'a', 'b', 'c'])
  await mirroring.stop()
})

test('what the target deletes before the ledger tells of it is not guessed: LOG_MIRROR_TARGET', async () => {
  const scene = await Scene.set()
  const killed = await scene.mirrored('a')
  await scene.one(killed.mirroring, 'x')
  await scene.laneOf(0)
  await scene.one(killed.mirroring, 'a')
  await killed.cluster.close()
  const { offsets } = await scene.stored(0)
  await (await scene.kafka.log.topic(Words)).deleteRecords({ 0: offsets.at(-1)! + 1 })
  const { mirroring } = await scene.mirrored('b')
  expect(await failure(() => mirroring.done)).toMatchObject({ code: 'LOG_MIRROR_TARGET', detail: { topic: 'words', partition: 0 } })
})

test('a mirror that is stopped closes its lanes: the next one has nobody to shut out', async () => {
  const scene = await Scene.set()
  const first = await scene.mirrored('a')
  await scene.one(first.mirroring, 'x')
  await scene.laneOf(0)
  await scene.one(first.mirroring, 'a')
  await first.mirroring.stop()
  const before = scene.kafka.journal.of('InitProducerId').length
  const { mirroring } = await scene.mirrored('b', { until: 'end' })
  await mirroring.done
  expect(scene.kafka.journal.of('InitProducerId').length).toBe(before)
})

test('a target that compacts or deletes by itself gets transactions only', async () => {
  const scene = await Scene.set()
  await scene.kafka.log.topic(defineTopic('words', { partitions: 2, value: string, retentionMs: 86_400_000 }))
  const { mirroring } = await scene.mirrored('a')
  const asked = (): number => scene.kafka.journal.of('DescribeConfigs').length
  const before = asked()
  await scene.one(mirroring, 'a')
  await scene.kafka.until(() => (asked() > before ? true : undefined), 'nobody asked whether the target deletes')
  for (const value of ['b', 'c', 'd']) await scene.one(mirroring, value)
  await mirroring.stop()
  expect([(await scene.stored(0)).offsets, asked() - before]).toEqual([[0, 2, 4, 6], 1])
})

test('a producer that the cluster has replaced cannot be shut out: it is waited for, as long as it believes in itself', async () => {
  const scene = await Scene.set()
  const killed = await scene.mirrored('a')
  await scene.one(killed.mirroring, 'x')
  const lane = await scene.laneOf(0)
  await killed.cluster.close()
  await (await scene.ledger()).send({ key: laneKey(0), value: { ...lane, producer: { ...lane.producer!, producerId: '12345' } } })
  let ahead = 0
  const clock: Clock = { ...systemClock, monotonic: () => systemClock.monotonic() + ahead }
  const failures: unknown[] = []
  const { mirroring } = await scene.mirrored('b', { onEvent: (event) => { if (event.type === 'retry') failures.push(event.error) } }, clock)
  await scene.words.send({ value: 'a', partition: 0 })
  await scene.kafka.until(() => (failures.length > 1 ? true : undefined), 'the mirror does not wait')
  expect(failures[0]).toMatchObject({ code: 'LOG_CLUSTER_UNAVAILABLE', detail: { transactionalId: lane.producer!.transactionalId } })
  expect((await scene.stored(0)).values).toEqual(['x'])
  ahead = 90_000
  await mirroring.caughtUp()
  expect((await scene.stored(0)).values).toEqual(['x', 'a'])
})

test('a coordinator that stores nothing of a producer for a day is told that it is there: else it would forget it', async () => {
  const scene = await Scene.set()
  let ahead = 0
  const clock: Clock = { ...systemClock, now: () => systemClock.now() + ahead }
  const { mirroring } = await scene.mirrored('a', {}, clock)
  await scene.one(mirroring, 'x')
  await scene.laneOf(0)
  const told = (): number => scene.kafka.journal.of('AddPartitionsToTxn').length
  const before = told()
  await scene.one(mirroring, 'a')
  expect(told()).toBe(before)
  ahead = 86_400_000
  await scene.kafka.until(() => (told() > before ? true : undefined), 'the coordinator is not told')
  ahead = 0
  await scene.one(mirroring, 'b')
  expect([told() - before, (await scene.stored(0)).values]).toEqual([1, ['x', 'a', 'b']])
})

test('a ledger with entries that this version does not know is refused: LOG_VERSION_UNSUPPORTED', async () => {
  const scene = await Scene.set()
  const first = await scene.mirrored('a')
  await scene.one(first.mirroring, 'x')
  await first.mirroring.stop()
  await (await scene.ledger()).send({ key: JSON.stringify(['later', 'words', 0]), value: { by: 'a newer version' } })
  expect(await failure(() => scene.mirrored('b'))).toMatchObject({ code: 'LOG_VERSION_UNSUPPORTED' })
})

test(`few records and many, kills and stops: every record is there once, and a group goes on with the same one (SEED=${SEED})`, async () => {
  const random = seededRandom(SEED)
  const scene = await Scene.set()
  let count = 0
  const next = (): { value: string; partition: number } => ({ value: `v${count++}`, partition: random.int(2) })
  const act = async (): Promise<void> => {
    const kind = random.int(4)
    if (kind === 0) await scene.words.send(Array.from({ length: 1 + random.int(60) }, next))
    else if (kind === 1) {
      const transaction = await scene.local.beginTransaction()
      await transaction.send(scene.words, [next()])
      await transaction.commit()
    } else await scene.words.send(next())
  }
  for (let round = 0; round < 6; round++) {
    const { mirroring, cluster } = await scene.mirrored(`r${round}`, { groups: ['readers'], groupIntervalMs: random.int(2) === 0 ? 5 : NEVER_MS })
    for (let left = 3 + random.int(12); left > 0; left--) {
      await act()
      if (random.int(3) > 0) await mirroring.caughtUp()
      if (random.int(4) === 0) await collect(scene.words.consumer({ group: 'readers', until: 'end' }), 1 + random.int(5))
    }
    if (random.int(3) === 0) await mirroring.stop()
    else await cluster.close()
    await mirroring.stop().catch(() => {})
  }
  const { mirroring } = await scene.mirrored('last', { groups: ['readers'] })
  await mirroring.caughtUp()
  await mirroring.stop()
  const copy = await scene.kafka.log.topic(Words)
  const inOrder = (records: readonly { readonly partition: number; readonly value: string | null }[]): unknown => (
    [0, 1].map((partition) => records.filter((record) => record.partition === partition).map(({ value }) => value))
  )
  const [all, rest] = [{ until: 'end' }, { group: 'readers', until: 'end' }] as const
  expect(inOrder(await collect(copy.consumer(all)))).toEqual(inOrder(await collect(scene.words.consumer(all))))
  expect(inOrder(await collect(copy.consumer(rest)))).toEqual(inOrder(await collect(scene.words.consumer(rest))))
}, 60_000)
