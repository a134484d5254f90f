/*
 * Where a log begins: records deleted on request, segments that are too old or too many, what a reader sees of it in this process and in
 * others, and what a crash leaves.
 */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { isLogError } from '../../src/base/errors.ts'
import { MemoryFileSystem } from '../../src/files/memory.ts'
import { type LogConfig } from '../../src/log/config.ts'
import { Mark } from '../../src/log/mark.ts'
import { type PartitionLog } from '../../src/log/partition-log.ts'
import { expiredCount, type RetentionRules, type SegmentAge } from '../../src/log/retention.ts'
import { verifyPartition } from '../../src/log/verify.ts'
import { ManualClock } from '../../src/testing/manual-clock.ts'
import { SimulatedDisk } from '../../src/testing/simulated-disk.ts'
import { type Opened, openLog, textCodecs, TOPIC_ID } from './harness.ts'

const small: Partial<LogConfig> = { segmentBytes: 400, indexIntervalBytes: 100, fileDeleteDelayMs: 0 }

/** Records `0`, `1`, … with their number as timestamp, each in a batch of its own. */
async function fill(log: PartitionLog, count: number): Promise<void> {
  const from = log.nextOffset
  for (let number = from; number < from + count; number++) {
    log.append(textCodecs, { value: String(number), timestamp: number })
    await log.flush()
  }
}

function values(log: PartitionLog, from?: number): string[] {
  return [...log.read(textCodecs, from === undefined ? {} : { from })].map((record) => record.value!)
}

function numbers(from: number, to: number): string[] {
  return Array.from({ length: to - from }, (_, index) => String(from + index))
}

function logFiles(files: SimulatedDisk | MemoryFileSystem): string[] {
  return files.listSync('/data/t-0').filter((name) => /^\d/.test(name))
}

async function filled(
  config: Partial<LogConfig> = {}, count = 30, disk = new SimulatedDisk(),
): Promise<{ disk: SimulatedDisk; opened: Opened; log: PartitionLog }> {
  disk.createFolderSync('/data')
  const opened = await openLog(disk, '/data', { ...small, ...config })
  await fill(opened.log, count)
  return { disk, opened, log: opened.log }
}

async function findings(disk: SimulatedDisk): Promise<unknown[]> {
  const clock = new ManualClock()
  const { state } = Mark.openReadOnly(disk, '/data', clock).slot(TOPIC_ID, 0)
  const report = await verifyPartition(disk, {
    folder: '/data/t-0', topic: 't', partition: 0, topicId: TOPIC_ID, state, foreign: undefined, following: false,
    clock,
  })
  return report.findings.filter(({ kind }) => kind === 'damage')
}

async function codeOf(work: () => unknown): Promise<string | undefined> {
  try {
    await work()
    return undefined
  } catch (error) {
    return isLogError(error) ? error.code : String(error)
  }
}

describe('records deleted on request', () => {
  test('are gone for readers, in the middle of a segment too, and stay gone after a close, a crash and for followers', async () => {
    const { disk, opened, log } = await filled()
    const follower = (await openLog(disk, '/data', small, { readOnly: true, following: true, create: false })).log
    expect(await log.deleteRecords(13)).toBe(13)
    expect(log.startOffset).toBe(13)
    expect(values(log)).toEqual(numbers(13, 30))
    expect(await codeOf(() => log.read(textCodecs, { from: 12 }))).toBe('LOG_OFFSET_OUT_OF_RANGE')
    follower.lookAgain()
    expect(follower.startOffset).toBe(13)
    expect(values(follower)).toEqual(numbers(13, 30))
    const late = (await openLog(disk, '/data', small, { readOnly: true, following: true, create: false })).log
    expect(values(late)).toEqual(numbers(13, 30))

    await disk.syncFolder('/')
    const crashed = disk.fork(1, { power: true })
    const again = await openLog(crashed, '/data', small)
    expect(again.log.startOffset).toBe(13)
    expect(values(again.log)).toEqual(numbers(13, 30))
    await again.close()

    await opened.close()
    const closed = await openLog(disk, '/data', small)
    expect(values(closed.log)).toEqual(numbers(13, 30))
    await fill(closed.log, 3)
    expect(values(closed.log)).toEqual(numbers(13, 33))
    await closed.close()
    expect(await findings(disk)).toEqual([])
  })

  test('take whole segments with them at once, and never the active one', async () => {
    const { disk, log, opened } = await filled()
    const before = log.segmentCount
    await log.deleteRecords(29)
    expect(log.segmentCount).toBeLessThan(before)
    expect(logFiles(disk).filter((name) => name.endsWith('.log'))).toHaveLength(log.segmentCount)
    expect(await log.deleteRecords(30)).toBe(30)
    expect(log.segmentCount).toBe(1)
    expect(values(log)).toEqual([])
    await fill(log, 2)
    expect(values(log)).toEqual(['30', '31'])
    await opened.close()
  })

  test('go up to the watermark, not past it and not back', async () => {
    const { log, opened } = await filled()
    expect(await codeOf(() => log.deleteRecords(31))).toBe('LOG_OFFSET_OUT_OF_RANGE')
    expect(await codeOf(() => log.deleteRecords(-1))).toBe('LOG_OFFSET_OUT_OF_RANGE')
    await log.deleteRecords(20)
    expect(await log.deleteRecords(7)).toBe(20)
    expect(await log.deleteRecords(0)).toBe(20)
    await opened.close()
    const compacted = await filled({ cleanupPolicy: 'compact' }, 0)
    expect(await codeOf(() => compacted.log.deleteRecords(0))).toBe('LOG_POLICY_VIOLATION')
    await compacted.opened.close()
  })

  test('are told to a reader that stands in them by a typed error; one behind them goes on', async () => {
    const { log, opened } = await filled()
    const behind = log.read(textCodecs, { from: 20 })
    const inside = log.read(textCodecs, { from: 3 })
    const follows = log.follow(textCodecs, { from: 3 })
    const done = log.read(textCodecs, { from: 3, to: 4 })
    expect([behind.take()!.value, inside.take()!.value, done.take()!.value]).toEqual(['20', '3', '3'])
    const kept = log.read(textCodecs, { from: 5 }).take()!
    await log.deleteRecords(19)
    expect([...behind].map((record) => record.value)).toEqual(numbers(21, 30))
    expect(await codeOf(() => inside.take())).toBe('LOG_OFFSET_OUT_OF_RANGE')
    expect(await codeOf(() => follows.take())).toBe('LOG_OFFSET_OUT_OF_RANGE')
    expect(done.take()).toBeUndefined()
    expect(['5', 'LOG_RECORD_GONE']).toContain((await codeOf(() => kept.value)) ?? kept.value)
    await opened.close()
  })

  test('are not found by time', async () => {
    const { log, opened } = await filled({}, 0)
    for (const [number, timestamp] of [100, 200, 900, 300, 400].entries()) log.append(textCodecs, { value: String(number), timestamp })
    await log.flush()
    await log.deleteRecords(3)
    expect(log.offsetForTimestamp(150)).toMatchObject({ offset: 3 })
    await log.deleteRecords(5)
    expect(log.offsetForTimestamp(150)).toBeUndefined()
    await opened.close()
  })

  test('bound a later cut: a log is cut to its start at most', async () => {
    const { log, opened } = await filled()
    await log.deleteRecords(13)
    await log.truncateTo(5)
    expect([log.startOffset, log.nextOffset]).toEqual([13, 13])
    await fill(log, 2)
    expect(values(log)).toEqual(['13', '14'])
    await opened.close()
  })

  test('take no segment with them that the mark speaks of, also when a full disk left the new one empty', async () => {
    const { disk, log } = await filled({ durability: 'sync' }, 0)
    await disk.syncFolder('/')
    disk.inject({ verb: 'write', path: /\/0*[1-9]\d*\.log$/, times: 1, error: 'ENOSPC' })
    let refused: string | undefined
    while (log.segmentCount === 1) refused = await codeOf(() => fill(log, 1))
    expect(refused).toBe('LOG_DISK_FULL')
    const end = log.durableOffset
    expect(await log.deleteRecords(end)).toBe(end)
    expect(logFiles(disk).filter((name) => name.endsWith('.log'))).toHaveLength(1)
    const crashed = disk.fork(1, { power: false })
    const again = await openLog(crashed, '/data', small)
    expect([again.log.startOffset, again.log.nextOffset]).toEqual([end, end])
    await again.close()
  })

  for (const power of [false, true]) {
    test(`survive ${power ? 'a power cut' : 'a kill'} at any call: the log begins at the old place or, once told, at the new one`, async () => {
      const left: { readonly disk: SimulatedDisk; readonly told: boolean }[] = []
      let watching = false
      let told = false
      const disk = new SimulatedDisk({
        onCall: (call, at) => {
          if (watching) left.push({ disk: at.fork(call.number, { power }), told })
        },
      })
      const { log, opened } = await filled({}, 30, disk)
      await disk.syncFolder('/')
      watching = true
      await log.deleteRecords(13)
      told = true
      await fill(log, 1)
      await opened.close()
      watching = false
      expect(left.length).toBeGreaterThan(20)
      for (const crashed of left) {
        const again = await openLog(crashed.disk, '/data', small)
        const start = again.log.startOffset
        if (crashed.told) expect(start).toBe(13)
        else expect([0, 13]).toContain(start)
        expect(values(again.log).slice(0, 30 - start)).toEqual(numbers(start, 30))
        await again.close()
        expect(await findings(crashed.disk)).toEqual([])
      }
    })
  }
})

describe('retention', () => {
  test('deletes nothing that nobody asked to delete', async () => {
    const { log, opened } = await filled()
    expect(await log.applyRetention(Number.MAX_SAFE_INTEGER)).toBe(0)
    expect(values(log)).toEqual(numbers(0, 30))
    await opened.close()
  })

  test('by size keeps at least retentionBytes, in whole segments', async () => {
    const { log, opened } = await filled({ retentionBytes: 1000 })
    expect(log.size).toBeGreaterThan(1400)
    expect(await log.applyRetention(0)).toBeGreaterThan(0)
    expect(log.size).toBeGreaterThanOrEqual(1000)
    expect(log.size).toBeLessThan(1400)
    expect(values(log)).toEqual(numbers(log.startOffset, 30))
    expect(await log.applyRetention(0)).toBe(0)
    await opened.close()
  })

  test('by age takes segments whose newest record is older, strictly, and begins a new one when all are', async () => {
    const { log, opened, disk } = await filled({ retentionMs: 100 })
    expect(await log.applyRetention(100)).toBe(0)
    await log.applyRetention(100 + 17)
    expect(log.startOffset).toBeGreaterThan(10)
    expect(log.startOffset).toBeLessThanOrEqual(17)
    await log.applyRetention(1000)
    expect([log.startOffset, log.nextOffset, log.segmentCount, log.size]).toEqual([30, 30, 1, 0])
    await fill(log, 2)
    expect(values(log)).toEqual(['30', '31'])
    await opened.close()
    const again = await openLog(disk, '/data', small)
    expect(values(again.log)).toEqual(['30', '31'])
    await again.close()
    expect(await findings(disk)).toEqual([])
  })

  test('goes by the time of the file where no record has one', async () => {
    const disk = new SimulatedDisk({ clock: new ManualClock({ now: 5000 }) })
    const { log, opened } = await filled({ retentionMs: 100 }, 0, disk)
    log.append(textCodecs, { value: 'a', timestamp: 0 })
    await log.flush()
    expect(await log.applyRetention(5000)).toBe(1)
    await opened.close()
  })

  test('leaves a log that is only compacted alone', async () => {
    const { log, opened } = await filled({ cleanupPolicy: 'compact', retentionMs: 1, retentionBytes: 0 }, 0)
    for (let number = 0; number < 20; number++) {
      log.append(textCodecs, { key: 'k', value: String(number), timestamp: number })
      await log.flush()
    }
    expect(await log.applyRetention(Number.MAX_SAFE_INTEGER)).toBe(0)
    await opened.close()
  })

  test('keeps the files of deleted segments for fileDeleteDelayMs', async () => {
    const clock = new ManualClock()
    const disk = new SimulatedDisk({ clock })
    disk.createFolderSync('/data')
    const opened = await openLog(disk, '/data', { ...small, fileDeleteDelayMs: 60_000 }, { clock })
    await fill(opened.log, 30)
    await opened.log.deleteRecords(29)
    const leaving = (): number => logFiles(disk).filter((name) => name.endsWith('.deleted')).length
    expect(leaving()).toBeGreaterThan(3)
    await clock.advance(59_999)
    expect(leaving()).toBeGreaterThan(3)
    await clock.advance(1)
    expect(leaving()).toBe(0)
    await opened.log.deleteRecords(30)
    await opened.close()
    expect(leaving()).toBe(0)
  })

  test('is as Kafka does it, whatever the segments', () => {
    const size = fc.integer({ min: 1, max: 50 })
    const segment = fc.record({ size, largestTimestamp: fc.integer({ min: 0, max: 100 }), count: fc.integer({ min: 1, max: 5 }) })
    fc.assert(fc.property(
      fc.array(segment, { minLength: 1, maxLength: 8 }), fc.boolean(), fc.integer({ min: 0, max: 40 }), fc.integer({ min: 0, max: 40 }), fc.boolean(),
      fc.oneof(fc.constant(Infinity), fc.integer({ min: 0, max: 200 })), fc.oneof(fc.constant(Infinity), fc.integer({ min: 0, max: 100 })),
      (drawn, emptyLast, startOffset, highWatermark, deletes, retentionBytes, retentionMs) => {
        const segments = row(drawn, emptyLast)
        const rules = { now: 100, startOffset, highWatermark, deletes, retentionBytes, retentionMs }
        expect(expiredCount(segments, rules)).toBe(asKafka(segments, rules))
      },
    ))
  })
})

function row(drawn: readonly { size: number; largestTimestamp: number; count: number }[], emptyLast: boolean): SegmentAge[] {
  let baseOffset = 0
  const segments: SegmentAge[] = []
  for (const { size, largestTimestamp, count } of drawn) {
    segments.push({ baseOffset, nextOffset: baseOffset + count, size, largestTimestamp })
    baseOffset += count
  }
  if (emptyLast) segments.push({ baseOffset, nextOffset: baseOffset, size: 0, largestTimestamp: 0 })
  return segments
}

/** UnifiedLog.deleteOldSegments in Kafka's own order: three passes, each over what the one before left. */
function asKafka(all: readonly SegmentAge[], rules: RetentionRules): number {
  let left = [...all]
  const pass = (predicate: (segment: SegmentAge, next: SegmentAge | undefined) => boolean): void => {
    const deletable: SegmentAge[] = []
    for (const [index, segment] of left.entries()) {
      const next = left[index + 1]
      const upperBound = next?.baseOffset ?? segment.nextOffset
      const lastAndEmpty = next === undefined && segment.size === 0
      if (!(rules.highWatermark >= upperBound && predicate(segment, next) && !lastAndEmpty)) break
      deletable.push(segment)
    }
    left = left.slice(deletable.length)
  }
  pass((_, next) => next !== undefined && next.baseOffset <= rules.startOffset)
  if (rules.deletes) {
    if (rules.retentionBytes !== Infinity) {
      let diff = left.reduce((sum, { size }) => sum + size, 0) - rules.retentionBytes
      pass(({ size }) => {
        if (diff - size < 0) return false
        diff -= size
        return true
      })
    }
    pass(({ largestTimestamp }) => rules.now - largestTimestamp > rules.retentionMs)
  }
  return all.length - left.length
}
