/*
 * Topics that are created, deleted, grown and altered while the log is open, and records that are deleted on request.
 */
import { cpSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { LogError } from '../../src/base/errors.ts'
import { bytes } from '../../src/topics/codecs.ts'
import { CommitLog } from '../../src/topics/commit-log.ts'
import { defineTopic } from '../../src/topics/define-topic.ts'
import { ManualClock } from '../../src/testing/manual-clock.ts'
import { SimulatedDisk } from '../../src/testing/simulated-disk.ts'
import { type Topic } from '../../src/topics/topic.ts'
import { collect, diskLog, failure, freshFolder, kinds, memoryLog } from './harness.ts'

const names = async (log: CommitLog): Promise<string[]> => (await log.topics()).map(({ name }) => name)

for (const { kind, open } of kinds) {
  test(`a topic that is created must not be there yet (${kind})`, async () => {
    const log = await open()
    const orders = await log.createTopic(defineTopic('orders', { partitions: 2 }))
    expect(orders.partitionCount).toBe(2)
    expect(await failure(() => log.createTopic('orders'))).toMatchObject({ code: 'LOG_TOPIC_EXISTS', detail: { topic: 'orders' } })
    expect(await failure(() => log.createTopic('__consumer_offsets'))).toMatchObject({ code: 'LOG_TOPIC_INTERNAL' })
  })

  test(`a topic that is deleted is gone, for those who hold it too, and its name is free (${kind})`, async () => {
    const log = await open()
    const orders = await log.topic('orders', { partitions: 2 })
    await orders.send({ key: 'k', value: 1 })
    const waiting = collect(orders.consumer({ ref: false })).then(() => undefined, (error: LogError) => error.code)
    const producer = orders.producer()
    await log.deleteTopic('orders')
    expect(await names(log)).toEqual([])
    for (const use of [
      () => orders.send({ value: 2 }), () => producer.send({ value: 2 }), () => orders.partition(0).append({ value: 2 }),
      () => [...orders.partition(0).read(), ...orders.partition(1).read()], () => log.topic('orders', { create: false }),
      () => log.deleteTopic('orders'), () => orders.alter({ lingerMs: 1 }), () => orders.addPartitions(1), () => log.describeTopic('orders'),
    ]) expect((await failure(use)).code).toBe('LOG_NOT_FOUND')
    expect(await waiting).toBe('LOG_NOT_FOUND')
    const again = await log.topic('orders', { partitions: 1 })
    expect(again.partitionCount).toBe(1)
    await again.send({ value: 'new' })
    expect([...again.partition(0).read()].map(({ offset, value }) => [offset, value])).toEqual([[0, 'new']])
    expect((await failure(() => orders.send({ value: 2 }))).code).toBe('LOG_NOT_FOUND')
  })

  test(`partitions are added behind those that there are (${kind})`, async () => {
    const log = await open()
    const orders = await log.topic('orders')
    const other = await log.topic('orders')
    await Promise.all([orders.addPartitions(2), other.addPartitions(1)])
    expect([orders.partitionCount, other.partitionCount]).toEqual([4, 4])
    await orders.send({ partition: 3, value: 1 })
    expect((await log.describeTopic('orders')).stats.map(({ nextOffset }) => nextOffset)).toEqual([0, 0, 0, 1])
    expect(await failure(() => orders.addPartitions(0))).toBeInstanceOf(RangeError)
    expect(await failure(() => orders.addPartitions(10_000))).toBeInstanceOf(RangeError)
  })

  test(`settings are altered while a topic is open, for all who hold it (${kind})`, async () => {
    const log = await open()
    const orders = await log.topic('orders', { retentionMs: 5 })
    await orders.alter({ maxMessageBytes: 200, retentionMs: null })
    expect(orders.settings).toEqual({ maxMessageBytes: 200 })
    expect((await log.describeTopic('orders')).config).toMatchObject({ maxMessageBytes: 200, retentionMs: Infinity })
    expect((await failure(() => orders.send({ value: 'x'.repeat(300) }))).code).toBe('LOG_RECORD_TOO_LARGE')
    await log.topic('orders', { maxMessageBytes: 2000 })
    await orders.send({ value: 'x'.repeat(300) })
    expect(await failure(() => orders.alter({ segmentBytes: 1 }))).toBeInstanceOf(RangeError)
    expect(await failure(() => orders.alter({ segmentSize: 1 } as object))).toBeInstanceOf(TypeError)
    expect(orders.settings).toEqual({ maxMessageBytes: 2000 })
  })

  test(`records are deleted up to an offset, or all that can be seen (${kind})`, async () => {
    const log = await open()
    const orders = await log.topic('orders', { partitions: 2, segmentBytes: 300 })
    for (let value = 0; value < 20; value++) await orders.send({ partition: value % 2, value })
    expect(await orders.deleteRecords({ 0: 4 })).toEqual({ 0: 4 })
    expect((await collect(orders.consumer({ partitions: [0], until: 'end' }))).map(({ value }) => value)).toEqual([8, 10, 12, 14, 16, 18])
    expect(await failure(() => orders.partition(0).read({ from: 3 }))).toMatchObject({ code: 'LOG_OFFSET_OUT_OF_RANGE', detail: { start: 4 } })
    expect(await orders.partition(1).deleteRecords('latest')).toBe(10)
    expect(await orders.deleteRecords('latest')).toEqual({ 0: 10, 1: 10 })
    expect(await failure(() => orders.deleteRecords({ 2: 1 }))).toBeInstanceOf(RangeError)
    expect(await failure(() => orders.partition(0).deleteRecords(11))).toMatchObject({ code: 'LOG_OFFSET_OUT_OF_RANGE' })
    expect(await failure(() => orders.deleteRecords(undefined as never))).toBeInstanceOf(TypeError)
  })
}

test('what was deleted, added and altered is so for the next open, and for a reader beside the writer', async () => {
  const folder = freshFolder()
  const log = await diskLog(folder)
  const kept = await log.topic('kept')
  await log.topic('gone', { partitions: 3 })
  const reader = await diskLog(folder, { readOnly: true })
  const seen = await reader.topic('gone')
  await kept.send({ value: 1 })
  await kept.addPartitions(1)
  await kept.alter({ segmentBytes: 1000 })
  await log.deleteTopic('gone')
  expect(await names(reader)).toEqual(['kept'])
  expect((await failure(() => seen.partition(0).read())).code).toBe('LOG_NOT_FOUND')
  expect((await reader.topic('kept')).partitionCount).toBe(2)
  const grow = async (): Promise<void> => (await reader.topic('kept')).addPartitions(1)
  for (const change of [() => reader.deleteTopic('kept'), () => reader.createTopic('new'), grow]) {
    expect((await failure(change)).code).toBe('LOG_READ_ONLY')
  }
  await log.close()
  const again = await diskLog(folder)
  expect(await names(again)).toEqual(['kept'])
  const told = { partitions: 2, internal: false, settings: { segmentBytes: 1000 }, config: { lingerMs: 0 } }
  expect(await again.describeTopic('kept')).toMatchObject(told)
})

test('a new topic is not deceived by what Kafka\'s checkpoints say of an old one with its name', async () => {
  const folder = freshFolder()
  const first = await diskLog(folder)
  const orders = await first.topic('orders')
  for (let value = 0; value < 10; value++) await orders.send({ value })
  await orders.deleteRecords({ 0: 7 })
  await first.close()
  const second = await diskLog(folder)
  await second.deleteTopic('orders')
  const anew = await second.topic('orders')
  await anew.send({ value: 'a' })
  await second.close()
  const third = await diskLog(folder)
  expect([...(await third.topic('orders')).partition(0).read()].map(({ value }) => value)).toEqual(['a'])
})

test('the topics in which the log keeps its own are told when that is asked, and nobody changes them', async () => {
  const log = await memoryLog()
  await log.topic('mine')
  const internal = '__consumer_offsets'
  expect((await failure(() => log.topic(internal))).code).toBe('LOG_NOT_FOUND')
  const member = (await log.topic('mine')).consumer({ group: 'g', ref: false, until: 'end' })
  await collect(member)
  await member.close()
  expect(await names(log)).toEqual(['mine'])
  expect((await log.topics({ internal: true })).map(({ name, internal: own }) => [name, own])).toEqual([['mine', false], [internal, true]])
  expect((await failure(() => log.deleteTopic(internal))).code).toBe('LOG_TOPIC_INTERNAL')
})

for (const power of [false, true]) {
  test(`a topic whose deletion ${power ? 'a power cut' : 'a kill'} interrupts at any call is there whole, or not at all`, async () => {
    const left: { readonly disk: SimulatedDisk; readonly told: boolean }[] = []
    let watching = false
    let told = false
    const disk = new SimulatedDisk({
      seed: 7,
      onCall: (call, at) => {
        if (watching) left.push({ disk: at.fork(call.number, { power }), told })
      },
    })
    const log = await CommitLog.open('/log', { files: disk })
    const gone = await log.topic('gone', { partitions: 2 })
    const kept = await log.topic('kept')
    for (let value = 0; value < 4; value++) await Promise.all([gone.send({ partition: value % 2, value }), kept.send({ value })])
    watching = true
    await log.deleteTopic('gone')
    told = true
    await (await log.topic('gone')).send({ value: 'new' })
    watching = false
    await log.close()
    let deletions = 0
    for (const crashed of left) {
      const again = await CommitLog.open('/log', { files: crashed.disk })
      const there = await names(again)
      expect(there).toContain('kept')
      expect([...(await again.topic('kept')).partition(0).read()]).toHaveLength(4)
      if (there.includes('gone')) {
        const topic = await again.topic('gone')
        const values = topic.partitions.map((partition) => [...partition.read()].map(({ value }) => value))
        if (crashed.told) expect([[[]], [['new']]]).toContainEqual(values)
        else expect(values).toEqual([[0, 2], [1, 3]])
      } else deletions++
      expect(crashed.disk.listSync('/log').filter((name) => name.endsWith('-delete'))).toEqual([])
      await again.close()
    }
    expect(deletions).toBeGreaterThan(5)
  })
}

test('a folder in which Kafka deleted records begins where Kafka says, and goes on so when it was opened for writing', async () => {
  const from = fileURLToPath(new URL('../fixtures/kafka-4.1/deleted-records/log', import.meta.url))
  const folder = freshFolder('kafka')
  cpSync(from, folder, { recursive: true })
  const starts = readFileSync(join(folder, 'log-start-offset-checkpoint'), 'utf8').trim().split('\n').slice(2).map((line) => line.split(' '))
  expect(starts.length).toBeGreaterThan(0)
  const topicOf = (log: CommitLog, name: string): Promise<Topic<Uint8Array, Uint8Array>> => log.topic(name, { key: bytes, value: bytes })
  const first = await diskLog(folder)
  for (const [name, partition, start] of starts) {
    const log = (await topicOf(first, name!)).partition(Number(partition))
    expect(log.startOffset).toBe(Number(start))
    expect((await failure(() => log.read({ from: Number(start) - 1 }))).code).toBe('LOG_OFFSET_OUT_OF_RANGE')
    await log.durable(log.append({ key: null, value: Buffer.from('more') }))
    await log.deleteRecords(Math.min(Number(start) + 1, log.highWatermark - 1))
  }
  await first.close()
  rmSync(join(folder, 'log-start-offset-checkpoint'))
  const second = await diskLog(folder)
  for (const [name, partition, start] of starts) {
    const log = (await topicOf(second, name!)).partition(Number(partition))
    expect(log.startOffset).toBe(Math.min(Number(start) + 1, log.nextOffset - 1))
    expect(Buffer.from([...log.read()].at(-1)!.value!).toString()).toBe('more')
  }
})

test('a topic may refuse records whose time is too far from its clock', async () => {
  const clock = new ManualClock({ now: 1_000_000 })
  const log = await memoryLog({ clock })
  const topic = await log.topic('t', { messageTimestampBeforeMaxMs: 1000, messageTimestampAfterMaxMs: 10, segmentBytes: 14 })
  await topic.send([{ value: 1 }, { value: 2, timestamp: 999_000 }, { value: 3, timestamp: 1_000_010 }])
  for (const timestamp of [998_999, 1_000_011]) {
    expect(await failure(() => topic.send({ value: 4, timestamp }))).toMatchObject({ code: 'LOG_RECORD_INVALID', detail: { timestamp } })
  }
  await topic.alter({ messageTimestampBeforeMaxMs: null, messageTimestampAfterMaxMs: null })
  await topic.send({ value: 5, timestamp: 1 })
  expect([...topic.partition(0).read()].map(({ value }) => value)).toEqual([1, 2, 3, 5])
  expect(topic.stats()[0]!.segments).toBeGreaterThan(1)
})
