import { describe, expect, test } from 'vitest'
import { systemClock } from '../../src/base/clock.ts'
import { seededRandom } from '../../src/base/random.ts'
import { type FileSystem } from '../../src/files/file-system.ts'
import {
  ATTRIBUTES_AT, BASE_OFFSET_AT, batchSize, CRC_AT, encodeBatch, LEADER_EPOCH_AT, LENGTH_AT, MAGIC_AT, RECORDS_AT,
} from '../../src/format/batch.ts'
import { bytes } from '../../src/topics/codecs.ts'
import { CommitLog } from '../../src/topics/commit-log.ts'
import { allFindings, isSound, type LogReport, verifyLog } from '../../src/topics/verify-log.ts'
import { allFiles, contents, flip, FOLDER, replace, segmentPath, smallLog } from '../tools/small-log.ts'

const SEED = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 31))

function verify(files: FileSystem): Promise<LogReport> {
  return verifyLog(files, FOLDER, { clock: systemClock })
}

/** The damage that is found, as `<file>@<position> <reason>`. */
async function damage(files: FileSystem): Promise<string[]> {
  const found = allFindings(await verify(files)).filter(({ kind }) => kind === 'damage')
  return found.map(({ path, position, reason }) => `${path.split('/').at(-1)}@${position} ${reason}`)
}

/** Where the batches of a segment begin. */
function positions(log: Buffer): number[] {
  const found: number[] = []
  for (let at = 0; at < log.length; at += batchSize(log, at)) found.push(at)
  return found
}

describe('a log that was closed in good order', () => {
  test('has nothing wrong with it', async () => {
    const report = await verify(await smallLog())
    expect(allFindings(report)).toEqual([])
    expect(report.partitions).toMatchObject([{ topic: 'orders', partition: 0, records: 80, startOffset: 0, nextOffset: 80, clean: true }])
    expect(report.partitions[0]!.segments).toBeGreaterThan(2)
  })

  test('every flipped bit of a batch header is damage, of every batch', async () => {
    const files = await smallLog(24)
    for (const path of allFiles(files).filter((one) => one.endsWith('.log'))) {
      for (const position of positions(contents(files, path))) {
        for (let bit = 0; bit < RECORDS_AT * 8; bit++) {
          const fork = files.fork()
          flip(fork, path, position + (bit >> 3), bit & 7)
          expect({ path, position, bit, sound: isSound(await verify(fork)) }).toEqual({ path, position, bit, sound: false })
        }
      }
    }
  })

  test('a flipped bit anywhere else in logs, indexes and the mark is damage', async () => {
    console.log(`flips from SEED=${SEED}`)
    const random = seededRandom(SEED)
    const files = await smallLog(24)
    const paths = allFiles(files).filter((path) => /\.(?:log|index|timeindex)$|mark-[ab]$/.test(path) && files.statSync(path)!.size > 0)
    for (let turn = 0; turn < 1500; turn++) {
      const path = paths[random.int(paths.length)]!
      const [at, bit] = [random.int(files.statSync(path)!.size), random.int(8)]
      const fork = files.fork()
      flip(fork, path, at, bit)
      expect({ path, at, bit, sound: isSound(await verify(fork)) }).toEqual({ path, at, bit, sound: false })
    }
  })

  test('a log of a MiB too', async () => {
    const files = await smallLog(1200, { segmentBytes: 2 ** 21, batchSize: 2 ** 16, maxMessageBytes: 2 ** 20, indexIntervalBytes: 4096 })
    const path = segmentPath(files, 0)
    const grown = await CommitLog.open(FOLDER, { files })
    const topic = await grown.topic('orders', { value: bytes })
    const large = seededRandom(SEED).bytes(4000)
    for (let number = 0; files.statSync(path)!.size < 2 ** 20; number++) await topic.send({ value: large.subarray(number % 100) })
    await grown.close()
    const random = seededRandom(SEED)
    const size = files.statSync(path)!.size
    for (let turn = 0; turn < 60; turn++) {
      const fork = files.fork()
      const at = random.int(size)
      flip(fork, path, at, random.int(8))
      const found = await damage(fork)
      expect({ at, found: found.length }).toEqual({ at, found: 1 })
    }
  })
})

describe('damage is named with file, position and reason', () => {
  for (const { name, at, bit = 0, reason } of [
    { name: 'magic', at: MAGIC_AT, reason: 'bad-magic' },
    { name: 'checksum', at: CRC_AT, reason: 'bad-crc' },
    { name: 'attributes', at: ATTRIBUTES_AT, reason: 'bad-crc' },
    { name: 'length', at: LENGTH_AT + 3, reason: 'bad-crc' },
    { name: 'leader epoch', at: LEADER_EPOCH_AT + 3, reason: 'leader-epoch' },
    { name: 'base offset, upwards', at: BASE_OFFSET_AT + 4, reason: 'offset-order' },
    { name: 'record', at: RECORDS_AT + 20, reason: 'bad-crc' },
  ]) test(`a flipped ${name}`, async () => {
    const files = await smallLog()
    const path = segmentPath(files, 1)
    const position = positions(contents(files, path))[1]!
    flip(files, path, position + at, bit)
    expect(await damage(files)).toEqual([`${path.split('/').at(-1)}@${position} ${reason}`])
  })

  test('a batch whose base offset fell is the one that is named, not its neighbours', async () => {
    const files = await smallLog()
    const path = segmentPath(files, 1)
    const log = contents(files, path)
    const [, , third] = positions(log)
    log[third! + 7]! -= 5
    replace(files, path, log)
    expect(await damage(files)).toEqual([`${path.split('/').at(-1)}@${third} offset-order`])
  })

  test('several damaged places are all reported', async () => {
    const files = await smallLog()
    for (const number of [0, 1, 2]) flip(files, segmentPath(files, number), 70)
    expect(await damage(files)).toHaveLength(3)
  })

  test('records that are malformed under a right checksum', async () => {
    const files = await smallLog()
    const path = segmentPath(files, 0)
    const log = contents(files, path)
    const first = log.subarray(0, batchSize(log, 0))
    const count = first.readInt32BE(57)
    // As many records as before, but each of them one byte short inside.
    const bad = Buffer.from(encodeBatch(Array.from({ length: count }, (_, offset) => ({ offset, value: Buffer.alloc(3) })), { leaderEpoch: 0 }))
    bad[RECORDS_AT + 5] = 99
    replace(files, path, Buffer.concat([sealed(bad), log.subarray(first.length)]))
    expect((await damage(files))[0]).toContain('@0 bad-record')
  })

  test('a missing segment, at the beginning, between others and at the end', async () => {
    const begin = await smallLog()
    begin.removeSync(segmentPath(begin, 0))
    expect(await damage(begin)).toEqual(['leader-epoch-checkpoint@undefined epoch-order'])
    const middle = await smallLog()
    const [before, gone] = [segmentPath(middle, 0), segmentPath(middle, 1)]
    const size = middle.statSync(before)!.size
    middle.removeSync(gone)
    expect(await damage(middle)).toContain(`${before.split('/').at(-1)}@${size} missing-bytes`)
    const end = await smallLog()
    const last = segmentPath(end, -1)
    end.removeSync(last)
    expect(await damage(end)).toContain(`${last.split('/').at(-1)}@undefined missing-file`)
  })

  test('a segment that is shorter than what was synced', async () => {
    const files = await smallLog()
    const path = segmentPath(files, -1)
    const log = contents(files, path)
    replace(files, path, log.subarray(0, -1))
    expect(await damage(files)).toContain(`${path.split('/').at(-1)}@${log.length - 1} missing-bytes`)
  })

  test('an index entry that points elsewhere, and a missing index', async () => {
    const files = await smallLog()
    const path = segmentPath(files, 0, 'index')
    flip(files, path, 3)
    expect(await damage(files)).toEqual([`${path.split('/').at(-1)}@0 index-entry`])
    files.removeSync(path)
    expect(await damage(files)).toEqual([`${path.split('/').at(-1)}@undefined missing-file`])
  })

  test('a damaged catalog, and a partition without its folder', async () => {
    const files = await smallLog()
    flip(files, `${FOLDER}/commitlog.json`, 60)
    expect(await damage(files)).toEqual(['commitlog.json@undefined damaged-file'])
    const other = await smallLog()
    for (const path of allFiles(other, `${FOLDER}/orders-0`)) other.removeSync(path)
    await other.remove(`${FOLDER}/orders-0`)
    expect(await damage(other)).toHaveLength(1)
  })
})

describe('a log that was not closed', () => {
  /** As a process leaves it that is killed: the files as they are while the log is open. */
  async function killed(): Promise<ReturnType<typeof smallLog>> {
    const files = await smallLog()
    const log = await CommitLog.open(FOLDER, { files })
    const topic = await log.topic('orders', { value: bytes })
    await topic.send({ key: 'last', value: Buffer.from('last') })
    const left = (await files).fork()
    await log.close()
    return left
  }

  test('has no damage, and says that it was not closed', async () => {
    const report = await verify(await killed())
    expect(isSound(report)).toBe(true)
    expect(report.partitions).toMatchObject([{ clean: false, nextOffset: 81 }])
  })

  test('a torn tail behind what was synced is told as such, and is no damage', async () => {
    const files = await killed()
    const path = segmentPath(files, -1)
    const log = contents(files, path)
    replace(files, path, Buffer.concat([log, log.subarray(0, 40)]))
    const findings = allFindings(await verify(files))
    expect(findings.map(({ kind, position }) => ({ kind, position }))).toEqual([{ kind: 'torn', position: log.length }])
    expect(findings[0]!.message).toContain('40 bytes')
  })

  test('damage below what was synced is damage', async () => {
    const files = await killed()
    flip(files, segmentPath(files, 0), 70)
    expect(await damage(files)).toHaveLength(1)
  })

  test('zeros behind the end are room that was never used', async () => {
    const files = await killed()
    const path = segmentPath(files, -1)
    replace(files, path, Buffer.concat([contents(files, path), Buffer.alloc(500)]))
    expect(allFindings(await verify(files)).map(({ kind, reason }) => `${kind} ${reason}`)).toEqual(['note room'])
  })
})

test('beside a writer, what it has synced is checked', async () => {
  const files = await smallLog()
  const log = await CommitLog.open(FOLDER, { files })
  const topic = await log.topic('orders', { value: bytes })
  await topic.send({ key: 'more', value: Buffer.from('more') })
  const report = await verify(files)
  expect(report.writer).toBeDefined()
  expect(isSound(report)).toBe(true)
  expect(report.partitions[0]!.nextOffset).toBeGreaterThanOrEqual(80)
  await log.close()
})

/** A batch with its checksum taken again. */
function sealed(batch: Buffer): Buffer {
  const copy = Buffer.from(batch)
  copy.writeUInt32BE(crc(copy.subarray(21)), 17)
  return copy
}

function crc(data: Buffer): number {
  let value = 0xffff_ffff
  for (const byte of data) {
    value ^= byte
    for (let bit = 0; bit < 8; bit++) value = (value >>> 1) ^ (value & 1 ? 0x82f6_3b78 : 0)
  }
  return (value ^ 0xffff_ffff) >>> 0
}
