/*
 * Kafka reads what we write: its dump tool without a complaint, and a real broker that finds our folders in place of its own. One Java process
 * does all of it, and the tests go on where the one before stopped.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { murmur2 } from '../../src/base/murmur2.ts'
import { seededRandom } from '../../src/base/random.ts'
import { diskFileSystem } from '../../src/files/disk.ts'
import { decodeOffsetsRecord } from '../../src/format/consumer-offsets.ts'
import { decodeTransactionRecord, transactionStatuses } from '../../src/format/transaction-state.ts'
import { bytes } from '../../src/topics/codecs.ts'
import { CommitLog } from '../../src/topics/commit-log.ts'
import { partitionOfKey } from '../../src/topics/partitioner.ts'
import { Broker } from './broker.ts'
import { asWritten, bytesCodecs, CaseLog, FIRST_TIMESTAMP, WrittenPartition, type WrittenRecord } from './case-log.ts'
import { type Case, cases } from './cases.ts'
import { type Dump, type DumpedRecord, dumpPartition, printable } from './dump.ts'
import { indexesOf, producersOf, segmentsOf, tails } from './partition-files.ts'
import { type ConsumedRecord, type FoundOffset, Probe, type TopicPartition } from './probe.ts'

let folder: string
let probe: Probe

/** What was written, by case. */
const written = new Map<string, WrittenPartition[]>()

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'commitlog-interop-'))
  probe = await Probe.start(inject('jars'), folder)
})

afterAll(async () => {
  await probe?.close()
  if (folder !== undefined) rmSync(folder, { recursive: true, force: true, maxRetries: 3 })
})

const partitionsOf = ({ name }: Case): WrittenPartition[] => written.get(name) ?? []

describe.each(cases)('$name', (one) => {
  beforeAll(async () => {
    const root = join(folder, 'logs', one.name)
    const partitions = Array.from({ length: one.partitions ?? 1 }, (_, n) => new WrittenPartition(root, one.name, n, one.config))
    await one.write(root, partitions)
    written.set(one.name, partitions)
  })

  test('holds what was written, for ourselves', async () => {
    const log = await CaseLog.open(join(folder, 'logs', one.name), partitionsOf(one), diskFileSystem, { readOnly: true })
    for (const { log: partition, written: expected } of log.partitions) {
      expect(partition.recovery.clean).toBe(true)
      expect(Array.from(partition.read(bytesCodecs, { isolation: 'read_uncommitted' }), asWritten)).toEqual(expected.records)
      expect(Array.from(partition.read(bytesCodecs), asWritten)).toEqual(expected.committed)
    }
    await log.close()
  })

  test('is left without a tail of zeros, in the log and in the indexes', () => {
    for (const { folder: path } of partitionsOf(one)) expect(tails(path)).toEqual([])
  })

  test('is dumped by Kafka without a complaint', async () => {
    for (const partition of partitionsOf(one)) {
      const dump = await dumpPartition(probe, partition.folder)
      expect(complaints(dump, partition)).toEqual([])
      expect(dump.records).toEqual(partition.records.map(asDumped))
      if (partition.aborted.size > 0) expect(dump.aborted.length).toBeGreaterThan(3)
    }
  })
})

test('Kafka decodes the states of our transactions', async () => {
  const root = join(folder, 'logs', 'our-transactions')
  const log = await CommitLog.open(root, { readOnly: true })
  const records = [...(await log.topic('__transaction_state', { key: bytes, value: bytes })).partition(0).read()]
  const ours = records.map(({ keyBytes, valueBytes }) => {
    const record = decodeTransactionRecord(keyBytes!, valueBytes)
    if (record.kind !== 'transaction' || record.value === null) throw new Error('a record of another kind')
    const { producerId, producerEpoch, transactionStatus, transactionPartitions } = record.value
    return { id: record.key.transactionalId, producerId: Number(producerId), producerEpoch, transactionStatus, transactionPartitions }
  })
  await log.close()
  const { stdout } = await probe.ask('dump', {
    arguments: ['--transaction-log-decoder', '--files', join(root, '__transaction_state-0', '00000000000000000000.log')],
  })
  const lines = [...stdout.matchAll(/key: (\{.*?\}\}) payload: (\{.*\})/g)]
  const theirs = lines.map(([, key, payload]) => {
    const { producerId, producerEpoch, transactionStatus, transactionPartitions } = JSON.parse(payload!).data
    return { id: JSON.parse(key!).data.transactionalId, producerId, producerEpoch, transactionStatus, transactionPartitions }
  })
  expect(theirs).toEqual(ours)
  expect(new Set(ours.map(({ transactionStatus }) => transactionStatuses[transactionStatus])))
    .toEqual(new Set(['PrepareCommit', 'CompleteCommit']))
})

test('Kafka decodes our groups and what they committed', async () => {
  const root = join(folder, 'logs', 'our-groups')
  const log = await CommitLog.open(root, { readOnly: true })
  const records = [...(await log.topic('__consumer_offsets', { key: bytes, value: bytes })).partition(0).read()]
  const ours = records.map(({ keyBytes, valueBytes }) => {
    const record = decodeOffsetsRecord(keyBytes!, valueBytes)
    if (record.kind === 'groupMetadata') {
      const members = record.value!.members.map(({ memberId, groupInstanceId, clientId }) => ({ memberId, groupInstanceId, clientId }))
      return { ...record.key, generation: record.value!.generation, members }
    }
    if (record.kind !== 'offsetCommit') throw new Error('a record of another kind')
    const { offset, leaderEpoch, metadata } = record.value!
    return { ...record.key, offset, leaderEpoch, metadata }
  })
  await log.close()
  const { stdout } = await probe.ask('dump', {
    arguments: ['--offsets-decoder', '--files', join(root, '__consumer_offsets-0', '00000000000000000000.log')],
  })
  const lines = [...stdout.matchAll(/key: (\{.*?\}\}) payload: (\{.*\})/g)]
  const theirs = lines.map(([, key, payload]) => {
    const value = JSON.parse(payload!).data
    const { offset, leaderEpoch, metadata } = value
    if (value.members === undefined) return { ...JSON.parse(key!).data, offset, leaderEpoch, metadata }
    const members = value.members.map(({ memberId, groupInstanceId, clientId }: Record<string, unknown>) => ({ memberId, groupInstanceId, clientId }))
    return { ...JSON.parse(key!).data, generation: value.generation, members }
  })
  expect(theirs).toEqual(ours)
  expect(theirs.length).toBeGreaterThan(4)
})

test('Kafka hashes keys as we do, and sends them to the same partitions', async () => {
  const seed = Date.now() % 2 ** 31
  const random = seededRandom(seed)
  const table = JSON.parse(readFileSync(new URL('../fixtures/murmur2.json', import.meta.url), 'utf8')) as HashTable
  const known = table.keys.map(({ key }) => key)
  const keys = [...known, ...Array.from({ length: 5000 }, (_, index) => Buffer.from(random.bytes(index % 70)).toString('base64'))]
  const { partitionCounts } = table
  const theirs = await probe.ask('murmur2', { keys, partitionCounts })
  for (const { key, hash, partitions } of theirs) {
    const decoded = Buffer.from(key, 'base64')
    const ours = { hash: murmur2(decoded), partitions: partitionCounts.map((count) => partitionOfKey(bytes, decoded, count)) }
    expect(ours, `the key ${key}, SEED=${seed}`).toEqual({ hash, partitions })
  }
  // The table that the ordinary tests go by.
  expect(table.keys).toEqual(theirs.slice(0, known.length))
})

describe('a broker', () => {
  let broker: Broker
  /** Where the record went that it was given, by partition. */
  const added = new Map<string, number>()
  const all = (): WrittenPartition[] => [...written.values()].flat()
  /** Where what we wrote at first ends. */
  const end = ({ topic, partition }: TopicPartition): number => added.get(`${topic}-${partition}`)!
  const named = ({ topic, partition }: TopicPartition): TopicPartition => ({ topic, partition })

  beforeAll(async () => {
    broker = await Broker.create(probe, join(folder, 'broker'), [...written].map(([name, { length }]) => (
      { name, partitions: length, config: cases.find((one) => one.name === name)!.config ?? {} }
    )))
    broker.adopt(all())
    await broker.start()
  })

  test.each(['read_uncommitted', 'read_committed'] as const)('serves what we wrote to %s consumers', async (isolation) => {
    const consumed = await probe.ask('consume', { isolation, partitions: all().map(named) })
    for (const partition of all()) {
      expect(ofPartition(consumed, partition)).toEqual(isolation === 'read_committed' ? partition.committed : partition.records)
    }
  })

  test('believes them as they are, after a stop in good order', () => {
    for (const partition of all()) expect(broker.checkedSegments(partition)).toEqual([])
  })

  test('finds the offsets that we find by time, and the same ends', async () => {
    for (const partition of all()) {
      const log = await CommitLog.open(join(partition.folder, '..'), { readOnly: true })
      const ours = (await log.topic(partition.topic)).partition(partition.partition)
      const times = timesOf(partition)
      const [earliest, latest, max, ...found] = await probe.ask('listOffsets', {
        queries: (['earliest', 'latest', 'max', ...times] as const).map((at) => ({ ...named(partition), at, committed: at !== 'max' })),
      })
      const where = `${partition.topic}-${partition.partition}`
      expect([where, earliest!.offset, latest!.offset]).toEqual([where, ours.startOffset, ours.lastStableOffset])
      // Where no record has a time Kafka gives the first one.
      const timed = partition.records.every(({ timestamp }) => timestamp >= 0)
      if (timed) expect([where, max]).toEqual([where, ours.maxTimestamp('read_uncommitted') ?? NOTHING])
      expect([where, ...found]).toEqual([where, ...times.map((time) => ours.offsetForTimestamp(time) ?? NOTHING)])
      await log.close()
    }
  })

  test('knows our producers and their open transactions', async () => {
    for (const partition of all()) {
      const theirs = await probe.ask('describeProducers', named(partition))
      expect(theirs.sort((one, other) => one.producerId - other.producerId)).toEqual(producersOf(partition.folder))
    }
    expect(producersOf(written.get('producers')![0]!.folder).length).toBeGreaterThan(3)
  })

  test('takes another record in each partition', async () => {
    const results = await probe.ask('produce', { partitions: all().map(named), key: base64('from'), value: base64('Kafka') })
    for (const [index, { topic, partition }] of all().entries()) added.set(`${topic}-${partition}`, results[index]!.offset)
  })

  test('leaves folders that we read, with its records behind ours', async () => {
    await broker.stop()
    const log = await CommitLog.open(broker.data, { readOnly: true })
    for (const { topic, partition, records } of all()) {
      const opened = (await log.topic(topic, bytesCodecs)).partition(partition)
      expect([topic, opened.stats().recovery.clean]).toEqual([topic, true])
      const read = Array.from(opened.read({ isolation: 'read_uncommitted' }), asWritten)
      expect(read.slice(0, -1)).toEqual(records)
      expect(read.at(-1)).toMatchObject({ offset: end({ topic, partition }), key: base64('from'), value: base64('Kafka') })
      records.push(read.at(-1)!)
    }
    await log.close()
  })

  test('leaves folders in which we go on, and it finds all of it again after a crash', async () => {
    const log = await CommitLog.open(broker.data)
    for (const partition of all()) {
      const opened = (await log.topic(partition.topic, { ...partition.config, ...bytesCodecs })).partition(partition.partition)
      await opened.durable(opened.append({ key: Buffer.from('from'), value: Buffer.from('us') }))
      const read = Array.from(opened.read({ isolation: 'read_uncommitted' }), asWritten)
      expect(read.slice(0, -1)).toEqual(partition.records)
      expect(read.at(-1)).toMatchObject({ key: base64('from'), value: base64('us') })
      partition.records.push(read.at(-1)!)
    }
    await log.close()
    for (const partition of all()) expect(complaints(await dumpPartition(probe, broker.folderOf(partition)), partition)).toEqual([])
    broker.forgetCleanShutdown()
    const before = new Map(all().map((partition) => [partition, indexesOf(broker.folderOf(partition), end(partition))]))
    await broker.start()
    const consumed = await probe.ask('consume', { isolation: 'read_uncommitted', partitions: all().map(named) })
    await broker.stop()
    for (const partition of all()) {
      expect(ofPartition(consumed, partition)).toEqual(partition.records)
      expect(broker.checkedSegments(partition)).toEqual(segmentsOf(broker.folderOf(partition)))
      // It made every index anew. Ours have a time more for each close; and after each open the first bytes are not counted, as in Kafka.
      const [ours, theirs] = [before.get(partition)!, indexesOf(broker.folderOf(partition), end(partition))]
      if (partition.topic === 'reopened') continue
      for (const [name, entries] of theirs) {
        const known = ours.get(name)?.filter((entry) => !name.endsWith('.timeindex') || entries.includes(entry))
        expect(known, `${name} of ${partition.topic}-${partition.partition}`).toEqual(entries)
      }
    }
  })

  test('complained of nothing', () => {
    // The epochs of a partition start low again in the metadata of a new cluster, whatever the folder says.
    const expected = /LeaderEpochFileCache .* caused truncation of conflicting entries/
    expect(broker.complaints([...written.keys()].map((name) => `${name}-`)).filter((line) => !expected.test(line))).toEqual([])
  })
})

interface HashTable {
  readonly partitionCounts: readonly number[]
  readonly keys: readonly { readonly key: string; readonly hash: number; readonly partitions: readonly number[] }[]
}

const NOTHING: FoundOffset = { offset: -1, timestamp: -1, leaderEpoch: -1 }

const base64 = (text: string): string => Buffer.from(text).toString('base64')

/** Those records of one partition, without its name. */
function ofPartition(records: readonly ConsumedRecord[], { topic, partition }: TopicPartition): WrittenRecord[] {
  const own = records.filter((record) => record.topic === topic && record.partition === partition)
  return own.map(({ topic: _topic, partition: _partition, ...record }) => record)
}

/** Times to ask for: before, at and behind some records, and behind all. */
function timesOf({ records }: WrittenPartition): number[] {
  const some = records.filter((_, index) => index % Math.ceil(records.length / 8) === 0)
  const latest = Math.max(FIRST_TIMESTAMP, ...records.map(({ timestamp }) => timestamp))
  return [0, ...some.flatMap(({ timestamp }) => [timestamp - 1, timestamp, timestamp + 1]), latest, latest + 1].filter((time) => time >= 0)
}

/** What the dump tool complained of, apart from gaps where there are some. */
function complaints(dump: Dump, { topic }: TopicPartition): string[] {
  const { gaps = false, compacted = false } = cases.find(({ name }) => name === topic) ?? {}
  // Of a batch without records the tool takes the time to be −1, while Kafka's own indexes go by what its header says, as ours do.
  const emptied = (line: string, next = ''): boolean => /^\s+Index timestamp: \d+, log timestamp: -1$/.test(line) ||
    (line.startsWith('Found timestamp mismatch in ') && /log timestamp: -1$/.test(next))
  return dump.complaints.filter((line, index) => !(gaps && /^(?:Non-consecutive offsets in |\s*\d+ is followed by \d+$)/.test(line)) &&
    !(compacted && emptied(line, dump.complaints[index + 1])))
}

function asDumped({ offset, timestamp, timestampType, key, value, headers }: WrittenRecord): DumpedRecord {
  const bytes = (part: string | null): Buffer => Buffer.from(part ?? '', 'base64')
  const size = (part: string | null): number => part === null ? -1 : bytes(part).length
  return {
    offset, timestamp, timestampType, keySize: size(key), valueSize: size(value), headers: headers.map(([name]) => name).join(','),
    key: printable(bytes(key).toString()), value: printable(bytes(value).toString()),
  }
}
