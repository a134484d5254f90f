/*
 * The folder of a real broker, put together of its cases, becomes a log of ours that goes on: topics with their settings, groups at their
 * offsets, producer ids above all that were, transactions that were open aborted.
 */
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { systemClock } from '../../src/base/clock.ts'
import { systemRandom } from '../../src/base/random.ts'
import { diskFileSystem } from '../../src/files/disk.ts'
import { decodeProducerSnapshot } from '../../src/format/producer-snapshot.ts'
import { bytes } from '../../src/topics/codecs.ts'
import { CommitLog } from '../../src/topics/commit-log.ts'
import { importKafka, type ImportReport } from '../../src/topics/import-kafka.ts'
import { readClusterMetadata } from '../../src/topics/kafka-metadata.ts'
import { verifyLog } from '../../src/topics/verify-log.ts'
import { codecInstalled } from '../tools/batches.ts'
import { type ExpectedRecord, fixture, fixtureLines } from '../tools/fixtures.ts'

const fixtures = fileURLToPath(new URL('../fixtures/kafka-4.1', import.meta.url))
const cases = [
  'basic', 'cluster-metadata', 'compacted', 'deleted-records', 'epochs', 'logappendtime', 'offsets', 'segments', 'sequences', 'share',
  'transaction-state', 'txn',
]

let root: string
let broker: string
let target: string
/** What one import of the broker gave: tests that change it take a copy. */
let whole: string
let report: ImportReport

beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'commitlog-import-'))
  broker = join(root, 'broker')
  whole = join(root, 'whole')
  cpSync(`${fixtures}/root/log`, broker, { recursive: true })
  for (const name of cases) {
    for (const folder of readdirSync(`${fixtures}/${name}/log`)) {
      if (folder.includes('-checkpoint')) continue
      cpSync(`${fixtures}/${name}/log/${folder}`, join(broker, folder), { recursive: true })
    }
  }
  const before = listing(broker)
  report = await imported(broker, whole)
  expect(listing(broker)).toEqual(before)
}, 60_000)
afterAll(() => rmSync(root, { recursive: true, force: true }))
beforeEach(() => { target = mkdtempSync(join(root, 'log-')) })

function imported(folder: string, to = target): Promise<ImportReport> {
  return importKafka(diskFileSystem, folder, to, { clock: systemClock, random: systemRandom })
}

/** Opens a copy of the imported log. */
function opened(): Promise<CommitLog> {
  cpSync(whole, target, { recursive: true })
  return CommitLog.open(target)
}

/** Lines of what Kafka's consumer read of these cases, for committed readers. */
function expected(names: readonly string[]): Map<string, string | null> {
  const lines = names.flatMap((name) => fixtureLines(`${name}/expected.jsonl.gz`))
  const records = lines.map((line) => JSON.parse(line) as ExpectedRecord & { readonly readCommitted: boolean })
  const committed = records.filter(({ topic, readCommitted }) => readCommitted && !topic.startsWith('__'))
  return new Map(committed.map(({ topic, partition, offset, value }) => [`${topic}-${partition}@${offset}`, value]))
}

async function read(log: CommitLog): Promise<Map<string, string | null>> {
  const found = new Map<string, string | null>()
  for (const { name } of await log.topics()) {
    const topic = await log.topic(name, { create: false, key: bytes, value: bytes })
    for (const partition of topic.partitions) {
      for (const { topic: of, partition: number, offset, valueBytes } of partition.read()) {
        found.set(`${of}-${number}@${offset}`, valueBytes?.toString('base64') ?? null)
      }
    }
  }
  return found
}

test('all that a broker left is read as Kafka read it, and the log verifies', async () => {
  const verified = await verifyLog(diskFileSystem, whole, { clock: systemClock })
  expect([...verified.findings, ...verified.partitions.flatMap(({ findings }) => findings)].filter(({ kind }) => kind === 'damage')).toEqual([])
  const log = await opened()
  try {
    expect(log.clusterId).toBe('Y29tbWl0bG9nLWZpeHR1cg')
    // Transactions that a broker had open are ended by opening them, so records behind them are seen that it had not shown yet.
    const found = await read(log)
    const known = expected(cases.filter((name) => existsSync(`${fixtures}/${name}/expected.jsonl.gz`)))
    for (const [place, value] of known) expect({ place, value: found.get(place) }).toEqual({ place, value })
    const more = [...found.keys()].filter((place) => !known.has(place))
    expect(more.filter((place) => !/^(?:orders|txn|compacted-txn)-/.test(place))).toEqual([])
  } finally {
    await log.close()
  }
})

test('topics have the settings and partitions that the controller says, and what means nothing here is told', async () => {
  const { ignored, elsewhere, metadata } = report
  expect(metadata).toBe(true)
  const log = await opened()
  const topics = new Map((await log.topics({ internal: true })).map((topic) => [topic.name, topic]))
  await log.close()
  expect(topics.get('compacted')).toMatchObject({
    partitions: 1,
    settings: { cleanupPolicy: 'compact', segmentMs: 60_000, minCleanableDirtyRatio: 0.001, indexIntervalBytes: 0, deleteRetentionMs: 86_400_000 },
  })
  expect(topics.get('retention-size')).toMatchObject({ settings: { retentionBytes: 2000, segmentMs: 60_000 } })
  expect(topics.get('__consumer_offsets')).toMatchObject({ partitions: 2, settings: { cleanupPolicy: 'compact', segmentBytes: 104_857_600 } })
  expect(topics.get('__share_group_state')).toMatchObject({ settings: { cleanupPolicy: 'delete', retentionMs: Infinity } })
  expect(topics.get('logappendtime')!.settings.messageTimestampType).toBe('LogAppendTime')
  expect(new Set(ignored.map(({ name }) => name))).toEqual(new Set(['min.insync.replicas', 'unclean.leader.election.enable']))
  expect(elsewhere).toContain('zstd')
})

test('partitions that are on other brokers are told as missing, not made', async () => {
  const other = join(root, 'other-broker')
  for (const folder of ['__cluster_metadata-0', 'epochs-0', 'txn-1']) cpSync(join(broker, folder), join(other, folder), { recursive: true })
  const { partitions } = await imported(other)
  expect(partitions.map(({ topic, partition }) => `${topic}-${partition}`)).toEqual(['epochs-0', 'txn-1'])
  const log = await CommitLog.open(target)
  try {
    expect((await log.topics()).map(({ name, partitions: count }) => [name, count])).toEqual([['epochs', 2], ['txn', 2]])
    const epochs = await log.topic('epochs', { create: false, key: bytes, value: bytes })
    expect(epochs.partitions.map(({ partition }) => partition)).toEqual([0])
  } finally {
    await log.close()
  }
})

test('groups are at the offsets that Kafka\'s admin client reported', async () => {
  const log = await opened()
  try {
    const groups = await log.core.groups()
    interface State { readonly offsets: Readonly<Record<string, { readonly offset: number; readonly metadata: string }>> }
    const states = JSON.parse(fixture('offsets/state.json').toString()) as Readonly<Record<string, State>>
    for (const [group, { offsets }] of Object.entries(states)) {
      const fetched = groups.offsets.fetch(group)
      const found = Object.fromEntries(fetched.map(({ topic, partition, offset, metadata }) => [`${topic}-${partition}`, { offset, metadata }]))
      const told = Object.fromEntries(Object.entries(offsets).map(([place, { offset, metadata }]) => [place, { offset, metadata }]))
      expect({ group, found }).toEqual({ group, found: told })
    }
    // A member goes on where the group is.
    const orders = await log.topic('orders', { create: false, key: bytes, value: bytes })
    const consumer = orders.consumer({ group: 'classic-one' })
    for (let number = 0; number < 3; number++) await orders.send({ value: Buffer.from(`new ${number}`), partition: number })
    const seen: number[] = []
    for await (const { partition, offset } of consumer) {
      seen[partition] ??= offset
      if (seen.filter((place) => place !== undefined).length === 3) break
    }
    expect(seen).toEqual([2, 3, 4])
    await consumer.close()
  } finally {
    await log.close()
  }
}, 30_000)

test('what a transaction had open is aborted, and readers get past it', async () => {
  const log = await opened()
  try {
    const txn = await log.topic('txn', { create: false, key: bytes, value: bytes })
    for (const partition of txn.partitions) {
      expect(partition.lastStableOffset).toBe(partition.highWatermark)
      const { offset } = await txn.send({ value: Buffer.from('goes on'), partition: partition.partition })
      expect([...partition.read({ from: offset })].map(({ valueBytes }) => valueBytes!.toString())).toEqual(['goes on'])
    }
  } finally {
    await log.close()
  }
})

test('producer ids are above all that the broker gave out', async () => {
  const taken = Number(readClusterMetadata(diskFileSystem, broker)!.nextProducerId)
  expect(taken).toBeGreaterThanOrEqual(4000)
  const log = await opened()
  const orders = await log.topic('orders', { create: false, key: bytes, value: bytes })
  await log.transaction((tx) => tx.send(orders, { value: Buffer.from('new'), partition: 0 }))
  await log.close()
  const snapshots = readdirSync(join(target, 'orders-0')).filter((name) => name.endsWith('.snapshot')).sort()
  const path = join(target, 'orders-0', snapshots.at(-1)!)
  expect(decodeProducerSnapshot(readFileSync(path), path).some(({ producerId }) => producerId >= BigInt(taken))).toBe(true)
})

test.runIf(codecInstalled('zstd'))('the folder of a broker that was killed becomes what Kafka\'s own recovery made of it', async () => {
  await imported(`${fixtures}/unclean/log`)
  const log = await CommitLog.open(target)
  try {
    const found = await read(log)
    const before = expected(['unclean'])
    for (const [place, value] of before) expect({ place, value: found.get(place) }).toEqual({ place, value })
    expect([...found.keys()].filter((place) => !before.has(place) && !place.startsWith('unclean-txn'))).toEqual([])
  } finally {
    await log.close()
  }
})

test('a metadata log that is torn counts up to where it is whole, and one with damage in it is refused', () => {
  const folder = join(broker, '__cluster_metadata-0')
  const path = join(folder, '00000000000000000000.log')
  const all = readClusterMetadata(diskFileSystem, broker)!
  const contents = readFileSync(path)
  writeFileSync(path, contents.subarray(0, contents.length - 7))
  expect(readClusterMetadata(diskFileSystem, broker)).toEqual(all)
  writeFileSync(join(folder, '00000000000000000600.log'), '')
  expect(() => readClusterMetadata(diskFileSystem, broker)).toThrow(expect.objectContaining({ code: 'LOG_CORRUPT' }) as Error)
})

for (const { name, make, code } of [
  { name: 'a log of ours', make: async () => (await CommitLog.open(join(root, 'other'))).close(), code: 'LOG_NOT_A_LOG' },
  {
    name: 'a folder without partitions', code: 'LOG_NOT_A_LOG',
    make: async () => cpSync(`${fixtures}/root/log/meta.properties`, join(root, 'other/meta.properties')),
  },
  { name: 'no folder', make: async () => {}, code: 'LOG_NOT_FOUND' },
]) test(`${name} is ${code}, and nothing is left behind`, async () => {
  await make()
  await expect(imported(join(root, 'other'))).rejects.toMatchObject({ code })
  expect(readdirSync(target)).toEqual([])
  rmSync(join(root, 'other'), { recursive: true, force: true })
})

function listing(folder: string): string[] {
  return readdirSync(folder).sort().flatMap((name) => {
    const path = join(folder, name)
    const stat = statSync(path)
    return stat.isDirectory() ? listing(path) : [`${path} ${stat.size} ${stat.mtimeMs}`]
  })
}
