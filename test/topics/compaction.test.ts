import { cpSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { systemClock } from '../../src/base/clock.ts'
import { diskFileSystem } from '../../src/files/disk.ts'
import { isLogError } from '../../src/base/errors.ts'
import { type LogEvent } from '../../src/log/environment.ts'
import { MemoryFileSystem } from '../../src/files/memory.ts'
import { ManualClock } from '../../src/testing/manual-clock.ts'
import { type CompactReport } from '../../src/topics/cleaning.ts'
import { CommitLog } from '../../src/topics/commit-log.ts'
import { bytes, string } from '../../src/topics/codecs.ts'
import { type Topic } from '../../src/topics/topic.ts'
import { allFindings, verifyLog } from '../../src/topics/verify-log.ts'
import { codecInstalled } from '../tools/batches.ts'
import { freshFolder } from './harness.ts'

async function compacted(options: { readonly cleanupPolicy?: 'delete' } = {}): Promise<[CommitLog, Topic<string, string>]> {
  const log = await CommitLog.memory()
  const topic = await log.topic('state', { value: string, cleanupPolicy: 'compact', segmentBytes: 2000, batchSize: 200, ...options })
  return [log, topic]
}

function all(topic: Topic<string, string>, partition = 0): string[] {
  return [...topic.partition(partition).read()].map(({ offset, key, value }) => `${offset} ${key}=${value}`)
}

test('compactNow keeps the last record of each key, at its offset', async () => {
  const [log, topic] = await compacted()
  await topic.send(Array.from({ length: 1000 }, (_, index) => ({ key: `k${index % 10}`, value: `v${index}` })))
  const [report] = await topic.compactNow()
  expect(report).toMatchObject({ topic: 'state', partition: 0, to: 1000, recordsBefore: 1000, recordsAfter: 10, keys: 10 })
  expect(all(topic)).toEqual(Array.from({ length: 10 }, (_, index) => `${990 + index} k${index}=v${990 + index}`))
  expect(await log.compactNow()).toMatchObject([{ recordsBefore: 0 }])
  await topic.send({ key: 'k1', value: 'later' })
  expect(await topic.partition(0).compactNow()).toMatchObject({ to: 1001, recordsAfter: 10 })
  expect(all(topic).at(-1)).toBe('1000 k1=later')
  await log.close()
})

test('a topic that is not compacted refuses compactNow, and the whole log leaves it out', async () => {
  const [log, topic] = await compacted({ cleanupPolicy: 'delete' })
  await topic.send({ key: 'a', value: '1' })
  const error = await topic.compactNow().catch((thrown: unknown) => thrown)
  expect(isLogError(error, 'LOG_POLICY_VIOLATION')).toBe(true)
  expect(await log.compactNow()).toEqual([])
  await log.close()
})

test('a loop that is under way when its segments are compacted goes on by offset: nothing is skipped, nothing comes twice', async () => {
  const [log, topic] = await compacted()
  await topic.send(Array.from({ length: 3000 }, (_, index) => ({ key: `k${index % 500}`, value: `v${index}` })))
  await topic.partition(0).roll()
  const seen: number[] = []
  const read = topic.partition(0).read()[Symbol.iterator]()
  const consumed: number[] = []
  const consuming = (async () => {
    for await (const { offset } of topic.consumer({ until: 'end' })) {
      consumed.push(offset)
      if (consumed.length === 200) await topic.compactNow()
    }
  })()
  for (let count = 0; count < 100; count++) seen.push(read.next().value!.offset)
  await consuming
  for (let next = read.next(); next.done !== true; next = read.next()) seen.push(next.value.offset)
  for (const offsets of [seen, consumed]) {
    expect(offsets.every((offset, index) => index === 0 || offset > offsets[index - 1]!)).toBe(true)
    expect(offsets.slice(-500)).toEqual(Array.from({ length: 500 }, (_, index) => 2500 + index))
  }
  await log.close()
})

test('an aborted signal ends compactNow with its reason, and the log stays whole', async () => {
  const [log, topic] = await compacted()
  await topic.send(Array.from({ length: 1000 }, (_, index) => ({ key: `k${index % 10}`, value: `v${index}` })))
  await expect(topic.compactNow({ signal: AbortSignal.abort(new Error('enough')) })).rejects.toThrow('enough')
  expect(all(topic)).toHaveLength(1000)
  await log.close()
})

test('an open log compacts by itself what is due, and says so', async () => {
  const clock = new ManualClock()
  const events: LogEvent[] = []
  const log = await CommitLog.memory({ clock, onEvent: (event) => events.push(event) })
  const topic = await log.topic('state', { value: string, cleanupPolicy: 'compact', segmentBytes: 2000, batchSize: 200 })
  await topic.send(Array.from({ length: 1000 }, (_, index) => ({ key: `k${index % 10}`, value: `v${index}` })))
  await clock.advance(14_999)
  expect(events.filter(({ type }) => type === 'compaction')).toEqual([])
  await clock.advance(1)
  for (let turn = 0; turn < 1000 && !events.some(({ type }) => type === 'compaction'); turn++) await new Promise((resolve) => setImmediate(resolve))
  expect(events.filter(({ type }) => type === 'compaction')).toHaveLength(1)
  expect(all(topic).length).toBeLessThan(200)
  await log.close()
})

test('a topic that is made again after it was deleted is looked at from its beginning', async () => {
  const files = new MemoryFileSystem()
  const log = await CommitLog.open('/log', { files })
  const fill = async (): Promise<CompactReport[]> => {
    const topic = await log.topic('state', { value: string, cleanupPolicy: 'compact', segmentBytes: 2000, batchSize: 200 })
    await topic.send(Array.from({ length: 100 }, (_, index) => ({ key: `k${index % 10}`, value: `v${index}` })))
    return topic.compactNow()
  }
  expect(await fill()).toMatchObject([{ recordsAfter: 10 }])
  await log.deleteTopic('state')
  expect(await fill()).toMatchObject([{ recordsBefore: 100, recordsAfter: 10 }])
  await log.close()
})

test.skipIf(!codecInstalled('zstd'))('what the cleaner of a broker left is compacted further, emptied batches and horizons included', async () => {
  const folder = join(freshFolder(), 'log')
  cpSync(new URL('../fixtures/kafka-4.1/compacted/log', import.meta.url), folder, { recursive: true })
  const log = await CommitLog.open(folder)
  for (const { name } of await log.topics()) {
    const topic = await log.topic(name, { key: bytes, value: bytes, cleanupPolicy: 'compact' })
    const read = (): { offset: number; key: string; value: string | undefined }[] => (
      Array.from(topic.partition(0).read(), ({ offset, keyBytes, valueBytes }) => ({ offset, key: `${keyBytes}`, value: valueBytes?.toString() }))
    )
    const before = read()
    const last = new Map(before.map(({ key, offset }) => [key, offset]))
    await topic.compactNow()
    const after = read()
    const stays = before.filter(({ key, offset }) => last.get(key) === offset)
    // Tombstones whose time has passed since the broker saw them are gone.
    expect(after.filter(({ value }) => value !== undefined)).toEqual(stays.filter(({ value }) => value !== undefined))
    for (const record of after) expect(stays).toContainEqual(record)
  }
  await log.close()
  const report = await verifyLog(diskFileSystem, folder, { clock: systemClock })
  expect(allFindings(report).filter(({ kind }) => kind === 'damage')).toEqual([])
})
