/*
 * Folders that a real Kafka wrote, opened where they lie and taken over. What Kafka's own consumer read is the measure.
 */
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { bytes, CommitLog, json, string, type LogRecord } from '../../src/index.ts'
import { encodeCleanShutdown } from '../../src/format/clean-shutdown.ts'
import { encodeMetaProperties } from '../../src/format/meta-properties.ts'
import { fixtureLines } from '../tools/fixtures.ts'
import { collect, diskLog, failure, freshFolder } from './harness.ts'

interface Expected {
  readonly topic: string
  readonly partition: number
  readonly offset: number
  readonly readCommitted: boolean
  readonly headers: readonly { readonly key: string; readonly value: string | null }[]
}

/** Zstandard is built in from Node 22 on; before, it takes an optional package. */
const zstd = await import('../../src/format/compression.ts').then(({ compress, decompress }) => {
  try {
    return decompress('zstd', compress('zstd', Buffer.from('x')), 10).length === 1
  } catch {
    return false
  }
})
const withZstd = ['compacted', 'foreign', 'mixed', 'txn']

const caseFolder = (name: string): string => fileURLToPath(new URL(`../fixtures/kafka-4.1/${name}/log`, import.meta.url))

const base64 = (value: Buffer | null): string | null => (value === null ? null : value.toString('base64'))

/** A record in the words of expected.jsonl. */
function told(record: LogRecord<Uint8Array, Uint8Array>): Record<string, unknown> {
  return {
    topic: record.topic, partition: record.partition, offset: record.offset, timestamp: record.timestamp, timestampType: record.timestampType,
    key: base64(record.keyBytes), value: base64(record.valueBytes), leaderEpoch: record.leaderEpoch,
    headers: record.headers.map(([name, value]) => [name, base64(value)]),
  }
}

async function everything(log: CommitLog, isolation: 'read_committed' | 'read_uncommitted'): Promise<Record<string, unknown>[]> {
  const found: Record<string, unknown>[] = []
  for (const { name } of await log.topics({ internal: true })) {
    const topic = await log.topic(name, { key: bytes, value: bytes })
    for (const partition of topic.partitions) for (const record of partition.read({ isolation })) found.push(told(record))
  }
  return found
}

for (const name of ['basic', 'compacted', 'foreign', 'logappendtime', 'mixed', 'txn']) {
  const tested = test.skipIf(!zstd && withZstd.includes(name))
  tested(`${name}: a folder of Kafka's is read where it lies as its own consumer read it, in both isolations`, async () => {
    const expected = fixtureLines(`${name}/expected.jsonl.gz`).map((line) => {
      const record = JSON.parse(line) as Expected
      return { ...record, headers: record.headers.map(({ key, value }) => [key, value]) }
    })
    const there = expected.filter(({ topic, partition }) => existsSync(join(caseFolder(name), `${topic}-${partition}`)))
    const order = (a: unknown, b: unknown): number => keyOf(a as Expected).localeCompare(keyOf(b as Expected))
    const log = await diskLog(caseFolder(name), { readOnly: true })
    const all = there.map(({ readCommitted: _, ...record }) => record)
    expect((await everything(log, 'read_uncommitted')).sort(order)).toEqual(all.sort(order))
    const committed = there.filter(({ readCommitted }) => readCommitted).map(({ readCommitted: _, ...record }) => record)
    expect((await everything(log, 'read_committed')).sort(order)).toEqual(committed.sort(order))
  })
}

function keyOf({ topic, partition, offset }: Pick<Expected, 'topic' | 'partition' | 'offset'>): string {
  return `${topic} ${partition} ${String(offset).padStart(10, '0')}`
}

test('partitions that the folder never had are not made up', async () => {
  const log = await diskLog(caseFolder('basic'), { readOnly: true })
  const topic = await log.topic('basic')
  expect(topic.partitionCount).toBe(2)
  expect(topic.partitions.map(({ partition }) => partition)).toEqual([1])
  expect(topic.consumer().assignment).toEqual([1])
  expect(() => topic.partition(0)).toThrow(expect.objectContaining({ code: 'LOG_NOT_FOUND' }))
})

/** A copy of a case, as a broker with that id would have left it. */
function brokerFolder(name: string): string {
  const folder = freshFolder()
  mkdirSync(dirname(folder), { recursive: true })
  cpSync(caseFolder(name), folder, { recursive: true })
  writeFileSync(join(folder, 'meta.properties'), encodeMetaProperties({ clusterId: 'the-cluster', nodeId: 7 }))
  writeFileSync(join(folder, '.kafka_cleanshutdown'), encodeCleanShutdown())
  return folder
}

test.skipIf(!zstd)('a folder of Kafka\'s is taken over with its ids, and goes on where it ended', async () => {
  const folder = brokerFolder('mixed')
  const log = await diskLog(folder)
  expect(log.clusterId).toBe('the-cluster')
  expect(existsSync(join(folder, '.kafka_cleanshutdown'))).toBe(false)
  const before = await everything(log, 'read_uncommitted')
  const topic = await log.topic('mixed')
  const end = topic.partition(0).nextOffset
  expect(await topic.send({ key: Buffer.from('k') as never, value: Buffer.from('new'), partition: 0 })).toMatchObject({ offset: end })
  await log.close()

  const catalog = JSON.parse(readFileSync(join(folder, 'commitlog.json'), 'utf8')) as { clusterId: string; nodeId: number; topics: object[] }
  expect(catalog).toMatchObject({ clusterId: 'the-cluster', nodeId: 7 })
  const id = /topic_id: (\S+)/.exec(readFileSync(join(folder, 'mixed-0', 'partition.metadata'), 'utf8'))![1]
  expect(catalog.topics).toContainEqual(expect.objectContaining({ name: 'mixed', id, adopted: true }))

  const again = await diskLog(folder)
  const after = await everything(again, 'read_uncommitted')
  expect(after).toHaveLength(before.length + 1)
  expect(after).toEqual(expect.arrayContaining(before))
})

test('a topic of Kafka\'s has the codecs of who opens it first', async () => {
  const folder = brokerFolder('mixed')
  const log = await diskLog(folder)
  await log.topic('mixed', { value: json() })
  expect(await failure(() => log.topic('mixed', { value: string }))).toMatchObject({ code: 'LOG_TOPIC_MISMATCH' })
  await log.close()
  const again = await diskLog(folder)
  expect(await failure(() => again.topic('mixed', { value: string }))).toMatchObject({ code: 'LOG_TOPIC_MISMATCH', detail: { codec: 'json' } })
})

test('internal topics of Kafka are compacted', async () => {
  const log = await diskLog(caseFolder('offsets'), { readOnly: true })
  expect(await log.topics({ internal: true })).toMatchObject([{ name: '__consumer_offsets', partitions: 2, settings: { cleanupPolicy: 'compact' } }])
})

test('folders of a topic whose creation was interrupted are taken over by who creates it again', async () => {
  const folder = freshFolder()
  const log = await diskLog(folder)
  await log.topic('t', { partitions: 3 })
  await log.close()
  // As a crash leaves it: two folders, of which one is empty yet, and a catalog that knows nothing of them.
  const path = join(folder, 'commitlog.json')
  const { crc32c: _, ...catalog } = JSON.parse(readFileSync(path, 'utf8')) as Record<string, unknown>
  writeFileSync(path, JSON.stringify({ ...catalog, topics: [] }))
  for (const name of ['t-0', 't-2']) rmSync(join(folder, name), { recursive: true })
  mkdirSync(join(folder, 't-0'))
  const again = await diskLog(folder)
  const topic = await again.topic('t', { partitions: 3 })
  expect(topic.partitions.map(({ nextOffset }) => nextOffset)).toEqual([0, 0, 0])
  await topic.send([0, 1, 2].map((partition) => ({ value: partition, partition })))
  await again.close()
  expect(await collect((await (await diskLog(folder)).topic('t')).consumer({ until: 'end' }))).toHaveLength(3)
})

test('partitions of one topic that disagree about its id are LOG_CORRUPT', async () => {
  const folder = brokerFolder('basic')
  cpSync(join(folder, 'basic-1'), join(folder, 'basic-0'), { recursive: true })
  writeFileSync(join(folder, 'basic-0', 'partition.metadata'), 'version: 0\ntopic_id: AAAAAAAAAAAAAAAAAAAABQ')
  const detail = { topic: 'basic', partition: 1, reason: 'topic-id' }
  expect(await failure(() => CommitLog.open(folder))).toMatchObject({ code: 'LOG_CORRUPT', detail })
})
