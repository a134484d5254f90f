/*
 * What Kafka is asked to read: one log for each way in which we write files, or come back to them after a stop. A case leaves its partitions
 * closed in good order, and says what they hold.
 */
import { cpSync } from 'node:fs'
import { basename, join } from 'node:path'
import { type CompressionName } from '../../src/format/compression.ts'
import { encodeBatch } from '../../src/format/batch.ts'
import { logFileName } from '../../src/format/names.ts'
import { seededRandom } from '../../src/base/random.ts'
import { diskFileSystem } from '../../src/files/disk.ts'
import { writeFullySync } from '../../src/files/write-fully.ts'
import { json, string } from '../../src/topics/codecs.ts'
import { CommitLog } from '../../src/topics/commit-log.ts'
import { type TopicSettings } from '../../src/topics/settings.ts'
import { codecInstalled } from '../tools/batches.ts'
import { bytesCodecs, CaseLog, clock, FIRST_TIMESTAMP, type PartitionWriter, type RecordToWrite, type WrittenPartition } from './case-log.ts'
import { failingFiles } from './failing-files.ts'
import { killedWriter } from './killed-writer.ts'
import { recordOfKilledWriter } from './writer-record.ts'

/** A log to write. */
export interface Case {
  /** The name of its topic too. */
  readonly name: string
  readonly partitions?: number
  readonly config?: TopicSettings
  /** Offsets were given out that never came to be: Kafka's dump tool remarks on that. */
  readonly gaps?: boolean
  /** Batches were emptied by compaction: it remarks on those too. */
  readonly compacted?: boolean
  write(root: string, written: readonly WrittenPartition[]): Promise<void>
}

const codecs = (['gzip', 'snappy', 'lz4', 'zstd'] as const).filter(codecInstalled)

/** Every case, whose codecs there are here. */
export const cases: readonly Case[] = [
  {
    name: 'plain',
    write: opened(async ({ first }) => {
      for (let index = 0; index < 600; index++) {
        first.append(text(index))
        if (index % 50 < 3 || index % 7 === 0) await first.log.flush()
      }
    }),
  },
  {
    name: 'shapes',
    write: opened(async ({ first }) => {
      for (const record of shapes()) first.append(record)
      await first.log.flush()
      for (const record of shapes()) {
        first.append(record)
        await first.log.flush()
      }
    }),
  },
  ...codecs.map((name): Case => ({
    name: `compressed-${name}`,
    config: { compressionType: name, indexIntervalBytes: 500, batchSize: 20_000 },
    write: opened(async ({ first }) => {
      for (const record of shapes()) first.append(record)
      for (let index = 0; index < 3000; index++) {
        first.append(text(index))
        if (index % 100 === 0) await first.log.flush()
      }
      for (let index = 0; index < 20; index++) first.append({ value: withoutLineEnds(seededRandom(index).bytes(5000)) })
    }),
  })),
  {
    name: 'ready-batches',
    config: { indexIntervalBytes: 100, segmentBytes: 6000 },
    write: opened(async ({ first }) => {
      for (let round = 0; round < 30; round++) {
        const compression: CompressionName = ['none' as const, ...codecs][round % (codecs.length + 1)]!
        first.batch(Array.from({ length: 1 + round % 9 }, (_, index) => text(round * 10 + index)), { compression })
        first.append(text(round))
        if (round % 4 === 0) await first.log.flush()
      }
    }),
  },
  ...(['producer', 'gzip'] as const).map((compressionType): Case => ({
    name: `append-time-${compressionType}`,
    config: { messageTimestampType: 'LogAppendTime', compressionType, indexIntervalBytes: 300, segmentBytes: 5000 },
    write: opened(async ({ first }) => {
      for (let round = 0; round < 60; round++) {
        clock.wallTime = FIRST_TIMESTAMP + round * 1000
        for (let index = 0; index <= round % 9; index++) first.append({ ...text(index), timestamp: 5 })
        if (round % 5 === 0) first.batch([text(1), text(2)], { timestampType: 'CreateTime' })
        await first.log.flush()
      }
      clock.wallTime = FIRST_TIMESTAMP
    }),
  })),
  {
    name: 'rolled-by-size',
    config: { segmentBytes: 4000, indexIntervalBytes: 200, batchSize: 300 },
    write: opened(({ first }) => manyRounds(first, 1500)),
  },
  {
    name: 'relaxed',
    config: { durability: 'os', segmentBytes: 4000, indexIntervalBytes: 200, batchSize: 300 },
    write: opened(({ first }) => manyRounds(first, 500)),
  },
  {
    name: 'rolled-by-time',
    config: { segmentMs: 1000, indexIntervalBytes: 100 },
    write: opened(async ({ first }) => {
      // Times jump on, back and on again; some records have none.
      for (let index = 0; index < 400; index++) {
        const timestamp = index % 29 === 0 ? -1 : FIRST_TIMESTAMP + Math.floor(index / 40) * 2000 + (index * 37) % 500
        first.append({ ...text(index), timestamp })
        if (index % 3 === 0) await first.log.flush()
      }
    }),
  },
  {
    name: 'rolled-by-full-index',
    config: { segmentIndexBytes: 96, indexIntervalBytes: 50 },
    write: opened(({ first }) => manyRounds(first, 300)),
  },
  {
    name: 'without-times',
    config: { segmentBytes: 3000, indexIntervalBytes: 100 },
    write: opened(async ({ first }) => {
      for (let index = 0; index < 200; index++) {
        first.append({ ...text(index), timestamp: -1 })
        if (index % 5 === 0) await first.log.flush()
      }
    }),
  },
  {
    name: 'partitioned',
    partitions: 4,
    config: { segmentBytes: 8000, batchSize: 1000, indexIntervalBytes: 700 },
    async write(root, written) {
      // As a user does: with a producer, in a log beside other topics.
      const log = await CommitLog.open(root)
      await (await log.topic('other')).send({ value: 'beside it' })
      const topic = await log.topic('partitioned', { ...this.config, partitions: written.length, key: string, value: json<{ index: number }>() })
      const records = Array.from({ length: 900 }, (_, index) => ({ key: `key-${index % 97}`, value: { index }, timestamp: FIRST_TIMESTAMP + index }))
      for (const [index, { partition, offset }] of (await topic.send(records)).entries()) {
        written[partition]!.remember({ ...records[index]!, value: JSON.stringify({ index }) }, { offset, leaderEpoch: 0 })
      }
      await log.close()
    },
  },
  { name: 'empty', partitions: 2, write: opened(async () => {}) },
  {
    name: 'rolled-by-hand',
    write: opened(async ({ first }) => {
      for (let round = 0; round < 3; round++) {
        await manyRounds(first, 30)
        await first.log.roll()
      }
    }),
  },
  {
    name: 'producers',
    config: { segmentBytes: 5000, indexIntervalBytes: 300 },
    write: opened(({ first }) => transactions(first)),
  },
  {
    name: 'our-transactions',
    partitions: 2,
    config: { segmentBytes: 4000, indexIntervalBytes: 300 },
    async write(root, written) {
      // As a user does: of one partition and of both, committed and aborted, side by side, with plain records between.
      const log = await CommitLog.open(root)
      const topic = await log.topic('our-transactions', { ...this.config, partitions: written.length, key: string, value: string })
      for (let round = 0; round < 60; round++) {
        const transactions = await Promise.all([log.beginTransaction(), log.beginTransaction()])
        for (const [number, transaction] of transactions.entries()) {
          const partitions = number === 0 ? [round % 2] : [0, 1, 0]
          const records = partitions.map((partition, index) => ({
            partition, key: `key ${index}`, value: `round ${round} transaction ${number}`, timestamp: FIRST_TIMESTAMP + round * 10 + number,
          }))
          const abort = (round + number) % 4 === 0
          for (const [index, { partition, offset }] of (await transaction.send(topic, records)).entries()) {
            written[partition]!.remember(records[index]!, { offset, leaderEpoch: 0 })
            if (abort) written[partition]!.aborted.add(offset)
          }
          if (round % 3 === 0) {
            const plain = { partition: 0, key: 'plain', value: `round ${round}`, timestamp: FIRST_TIMESTAMP + round }
            const { offset } = await topic.send(plain)
            written[0]!.remember(plain, { offset, leaderEpoch: 0 })
          }
          if (abort) await transaction.abort()
          else await transaction.commit()
        }
      }
      await log.close()
    },
  },
  {
    name: 'our-groups',
    partitions: 2,
    async write(root, written) {
      // Two members of one group, one of which leaves, and another group with metadata.
      const log = await CommitLog.open(root)
      const topic = await log.topic('our-groups', { ...this.config, partitions: written.length, key: string, value: string })
      for (let index = 0; index < 20; index++) {
        const record = { partition: index % 2, key: `key ${index}`, value: `value ${index}`, timestamp: FIRST_TIMESTAMP + index }
        const { offset } = await topic.send(record)
        written[index % 2]!.remember(record, { offset, leaderEpoch: 0 })
      }
      const members = ['first', 'second'].map((clientId) => topic.consumer({ group: 'billing', clientId, instanceId: clientId }))
      const loops = members.map(async (member) => { for await (const { value } of member) if (value === '') break })
      while (members.some(({ assignment }) => assignment.length !== 1)) await new Promise((resolve) => setImmediate(resolve))
      for (const member of members) await member.close()
      await Promise.all(loops)
      await topic.consumer({ group: 'mail' }).commit({ partition: 1, offset: 4, metadata: 'by hand \u00e9' })
      await log.close()
    },
  },
  {
    name: 'reopened',
    config: { segmentBytes: 5000, indexIntervalBytes: 200 },
    async write(root, written) {
      for (let round = 0; round < 6; round++) await opened(({ first }) => manyRounds(first, 60))(root, written)
    },
  },
  {
    name: 'killed',
    config: { segmentBytes: 200_000, indexIntervalBytes: 500 },
    async write(root, written) {
      const acknowledged = await killedWriter(root, written[0]!, 3000)
      const log = await CaseLog.open(root, written)
      const found = log.first.log.nextOffset
      if (log.first.log.recovery.clean || found < acknowledged) throw new Error(`${acknowledged} were acknowledged, ${found} found`)
      for (let offset = 0; offset < found; offset++) written[0]!.remember(recordOfKilledWriter(offset), { offset, leaderEpoch: 0 })
      await manyRounds(log.first, 100)
      await log.close()
    },
  },
  {
    name: 'torn',
    config: { segmentBytes: 6000, indexIntervalBytes: 200 },
    async write(root, written) {
      const position = await leftOpen(root, written, ({ first }) => manyRounds(first, 100))
      const half = encodeBatch([{ value: Buffer.alloc(500, 'x') }]).subarray(0, 300)
      const file = diskFileSystem.openSync(join(written[0]!.folder, logFileName(position.baseOffset)), 'write')
      writeFullySync(file, half, 0, half.length, position.size)
      file.closeSync()
      const log = await CaseLog.open(root, written)
      if (log.first.log.recovery.cut?.bytes !== half.length) throw new Error(`recovery cut ${JSON.stringify(log.first.log.recovery.cut)}`)
      await manyRounds(log.first, 50)
      await log.close()
    },
  },
  {
    name: 'left-open',
    config: { segmentBytes: 5000, indexIntervalBytes: 300 },
    async write(root, written) {
      // Producers, their snapshots and aborted transactions are found again after a stop in the middle.
      await leftOpen(root, written, ({ first }) => transactions(first))
      await opened(({ first }) => manyRounds(first, 20))(root, written)
    },
  },
  {
    name: 'fenced',
    gaps: true,
    config: { segmentBytes: 5000, indexIntervalBytes: 200 },
    async write(root, written) {
      const { files, failNext } = failingFiles()
      const log = await CaseLog.open(root, written, files)
      for (let round = 0; round < 3; round++) {
        await manyRounds(log.first, 40)
        failNext('sync', 'EIO')
        await losing(log.first, 15)
        await log.first.log.reopen()
      }
      await manyRounds(log.first, 40)
      await log.close()
    },
  },
  {
    name: 'disk-full',
    gaps: true,
    config: { indexIntervalBytes: 200 },
    async write(root, written) {
      const { files, failNext } = failingFiles()
      const log = await CaseLog.open(root, written, files)
      for (let round = 0; round < 3; round++) {
        await manyRounds(log.first, 40)
        failNext('write', 'ENOSPC')
        await losing(log.first, 15)
      }
      await manyRounds(log.first, 40)
      await log.close()
    },
  },
  {
    name: 'compacted',
    gaps: true,
    compacted: true,
    // The topic itself is none that is compacted: the broker would clean it once more.
    config: { segmentBytes: 5000, indexIntervalBytes: 200, batchSize: 600 },
    write: opened(async ({ first }) => {
      const sequences = new Map<bigint, number>()
      for (let round = 0; round < 30; round++) {
        for (let index = 0; index < 12; index++) first.append(keyed(first, (round * 7 + index * 3) % 50, round % 5 === 0 && index === 4))
        const producerId = BigInt(10 + (round % 3))
        const baseSequence = sequences.get(producerId) ?? 0
        const records = [1, 2, 3].map((key) => keyed(first, key + round, false))
        first.batch(records, { producerId, producerEpoch: 0, baseSequence, transactional: true, compression: round % 2 === 0 ? 'gzip' : 'none' })
        sequences.set(producerId, baseSequence + records.length)
        first.end(round % 4 === 1 ? 'ABORT' : 'COMMIT', producerId, 0)
        await first.log.flush()
      }
      for (let key = 0; key < 12; key++) first.append(keyed(first, 100 + key, false))
      await first.log.roll()
      await first.log.clean({ now: clock.now() })
      checkCompacted(first, false)
      // Long enough for tombstones, and for the markers of what is gone.
      await first.log.clean({ now: clock.now() })
      for (let key = 0; key < 20; key++) first.append(keyed(first, key, false))
      for (let key = 0; key < 12; key++) first.append(keyed(first, 200 + key, false))
      await first.log.roll()
      await first.log.clean({ now: clock.now() + 2 * 86_400_000 })
      checkCompacted(first, true)
      for (let key = 0; key < 20; key++) first.append(keyed(first, key, false))
      await first.log.flush()
    }),
  },
  {
    name: 'truncated',
    gaps: true,
    config: { segmentBytes: 5000, indexIntervalBytes: 200 },
    write: opened(async ({ first }) => {
      for (const cut of [133, 200, 201, 0, 35]) {
        await manyRounds(first, 200)
        await first.log.truncateTo(cut)
        // A batch that holds the offset goes whole.
        const end = Array.from(first.log.read(bytesCodecs), ({ offset }) => offset + 1).at(-1) ?? 0
        if (end > cut || end < cut - 13) throw new Error(`cut to ${cut}, the last record ends at ${end}`)
        first.written.forget(end)
      }
      await manyRounds(first, 120)
    }),
  },
]

function keyed(writer: PartitionWriter, key: number, tombstone: boolean): RecordToWrite {
  return { key: `k${key}`, value: tombstone ? null : `value ${writer.log.nextOffset} of ${key}` }
}

/** Forgets what compaction takes, as a naive look at what was written tells it, after comparing that with what is there. */
function checkCompacted({ log, written }: PartitionWriter, tombstonesGo: boolean): void {
  const committed = written.records.filter(({ offset }) => !written.aborted.has(offset))
  const last = new Map(committed.map(({ key, offset }) => [key, offset]))
  const left = committed.filter(({ key, value, offset }) => last.get(key) === offset && (value !== null || !tombstonesGo))
  const found = Array.from(log.read(bytesCodecs, { isolation: 'read_uncommitted' }), ({ offset }) => offset)
  if (found.join() !== left.map(({ offset }) => offset).join()) throw new Error(`compaction left ${found.join()}`)
  written.records = left
  written.aborted.clear()
}

/** Opens, does some work, and closes in good order. */
function opened(work: (log: CaseLog) => Promise<void>): Case['write'] {
  return async (root, written) => {
    const log = await CaseLog.open(root, written)
    await work(log)
    await log.close()
  }
}

/** Does some work in a log and leaves in `root` what a SIGKILL would have left there. Gives where its last segment ends. */
async function leftOpen(
  root: string, written: readonly WrittenPartition[], work: (log: CaseLog) => Promise<void>,
): Promise<{ baseOffset: number; size: number }> {
  const live = `${root}-live`
  const log = await CaseLog.open(live, written)
  await work(log)
  await log.first.log.flush()
  // Its lock is that of a process that lives, this one.
  cpSync(live, root, { recursive: true, filter: (path) => !basename(path).startsWith('commitlog.lock') })
  const { baseOffset, size } = log.first.log.segmentAt(log.first.log.nextOffset - 1)!
  await log.close()
  return { baseOffset, size }
}

/** Appends, with rounds of many sizes. */
async function manyRounds(writer: PartitionWriter, count: number): Promise<void> {
  for (let index = 0; index < count; index++) {
    writer.append(text(index))
    if (index % 13 < 3) await writer.log.flush()
  }
  await writer.log.flush()
}

/** Appends records that are lost since the disk fails. */
async function losing(writer: PartitionWriter, count: number): Promise<void> {
  const from = writer.log.nextOffset
  for (let index = 0; index < count; index++) writer.append(text(index))
  const failed = await writer.log.flush().then(() => false, () => true)
  if (!failed) throw new Error('nothing failed')
  writer.written.forget(from)
}

/** Idempotent and transactional producers, interleaved: committed, aborted, with and without epochs that rise, one left open. */
async function transactions(writer: PartitionWriter): Promise<void> {
  const sequences = new Map<string, number>()
  const send = (producerId: bigint, producerEpoch: number, count: number, transactional: boolean): void => {
    const id = `${producerId}/${producerEpoch}`
    const baseSequence = sequences.get(id) ?? (producerId === 1n ? 0x7fff_fff0 : 0)
    sequences.set(id, (baseSequence + count) & 0x7fff_ffff)
    const compression = codecs[(baseSequence + count) % 5] ?? 'none'
    const records = Array.from({ length: count }, (_, index) => text(baseSequence + index))
    writer.batch(records, { producerId, producerEpoch, baseSequence, transactional, compression })
  }
  for (let round = 0; round < 40; round++) {
    send(1n, 0, 1 + round % 3, false)
    // The epoch stays, as with Kafka's transactions of version 0.
    send(2n, 5, 2, true)
    if (round % 4 === 1) send(2n, 5, 3, true)
    writer.append(text(round))
    writer.end(round % 3 === 0 ? 'ABORT' : 'COMMIT', 2n, 5)
    // The marker's epoch is one higher, and the next transaction has it, as with version 2.
    send(3n, round, 1, true)
    if (round % 5 === 4) await writer.log.flush()
    writer.end(round % 2 === 0 ? 'ABORT' : 'COMMIT', 3n, round + 1)
    // One that spans rounds and segments.
    if (round % 10 < 8) send(4n, 0, 1, true)
    if (round % 10 === 8) writer.end('ABORT', 4n, 0)
  }
  await writer.log.flush()
  send(5n, 0, 3, true)
  writer.append(text(1))
  await writer.log.flush()
}

function text(index: number): { key: string; value: string; headers?: [string, string][] } {
  const record = { key: `key-${index % 97}`, value: `value ${index} ${'.'.repeat((index * 7) % 60)}` }
  return index % 11 === 0 ? { ...record, headers: [['trace', `t${index}`]] } : record
}

/** What the dump tool prints is read line by line. */
function withoutLineEnds(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.filter((byte) => byte !== 10 && byte !== 13))
}

/** All kinds of keys, values and headers. */
function shapes(): RecordToWrite[] {
  const binary = withoutLineEnds(seededRandom(7).bytes(300))
  return [
    { key: null, value: null }, { key: '', value: '' }, { key: 'tombstone', value: null }, { key: null, value: 'no key' },
    { key: 'naïve', value: '日誌 — 𝄞 👩‍👩‍👧' }, { key: binary, value: binary }, { key: 'k'.repeat(3000), value: 'short' },
    { key: 'large', value: Buffer.alloc(900_000, 'abcdefghij') },
    { value: 'headers', headers: [['a', '1'], ['b', null], ['a', '2'], ['', 'empty name'], ['c', ''], ['日', binary]] },
    { value: 'many headers', headers: Array.from({ length: 200 }, (_, index): [string, string] => [`h${index % 20}`, `${index}`]) },
    { value: 'the first time', timestamp: 0 }, { value: 'later than most', timestamp: FIRST_TIMESTAMP + 86_400_000 },
    { value: 'no time', timestamp: -1 },
  ]
}
