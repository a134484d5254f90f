import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { systemClock } from '../../src/base/clock.ts'
import { seededRandom } from '../../src/base/random.ts'
import { type FileSystem } from '../../src/files/file-system.ts'
import { batchSize } from '../../src/format/batch.ts'
import { bytes } from '../../src/topics/codecs.ts'
import { CommitLog } from '../../src/topics/commit-log.ts'
import { type LogRepair, repairLog } from '../../src/topics/repair-log.ts'
import { allFindings, isSound, verifyLog } from '../../src/topics/verify-log.ts'
import { damaged, damages } from '../tools/hostile.ts'
import { allFiles, contents, flip, FOLDER, kafkas, replace, segmentPath, smallLog, values } from '../tools/small-log.ts'

const RECORDS = 80

function repair(files: FileSystem, apply = true): Promise<LogRepair> {
  return repairLog(files, FOLDER, { clock: systemClock, random: seededRandom(1), apply })
}

async function findings(files: FileSystem): Promise<string[]> {
  const report = await verifyLog(files, FOLDER, { clock: systemClock })
  return allFindings(report).filter(({ kind }) => kind === 'damage').map(({ path, message }) => `${path}: ${message}`)
}

/** What is left after a repair is what was written, at its offsets, and the log takes records behind its old end. */
async function expectHealthy(files: FileSystem): Promise<Map<number, string>> {
  expect(await findings(files)).toEqual([])
  const left = await values(files)
  for (const [offset, value] of left) expect(value).toBe(`value ${offset}`)
  const log = await CommitLog.open(FOLDER, { files })
  const topic = await log.topic('orders', { create: false, value: bytes })
  expect(await topic.send({ key: 'new', value: Buffer.from('new') })).toMatchObject({ partition: 0, offset: RECORDS })
  await log.close()
  expect(await findings(files)).toEqual([])
  return left
}

/** The first batch of a segment. */
function firstBatch(files: FileSystem, path: string): Buffer {
  const log = contents(files, path)
  return Buffer.from(log.subarray(0, batchSize(log, 0)))
}

test('a sound log is left alone', async () => {
  const files = await smallLog(RECORDS)
  const before = allFiles(files).map((path) => [path, contents(files, path)] as const)
  expect((await repair(files)).steps).toEqual([])
  for (const [path, was] of before.filter(([name]) => !/mark-|lock/.test(name))) expect(contents(files, path).equals(was)).toBe(true)
})

test('without being told to, it only says what it would do', async () => {
  const files = await smallLog(RECORDS)
  flip(files, segmentPath(files, 1), 80)
  const before = allFiles(files).map((path) => [path, contents(files, path)] as const)
  const { steps } = await repair(files, false)
  expect(steps.map(({ message }) => message.replace(/\d+/g, 'N'))).toEqual([
    'N bytes are set aside: a batch whose checksum does not fit', 'offsets N..N are lost; a batch without records stands for them',
  ])
  expect(allFiles(files)).toEqual(before.map(([path]) => path))
  for (const [path, was] of before) expect(contents(files, path).equals(was)).toBe(true)
})

describe('of a log with damage in', () => {
  for (const [name, number] of [['the first segment', 0], ['a middle one', 1], ['the last one', -1]] as const) {
    test(`${name}, only the damaged batch is lost, and its bytes are kept beside`, async () => {
      const files = await smallLog(RECORDS)
      const path = segmentPath(files, number)
      flip(files, path, 80)
      const bad = firstBatch(files, path)
      await repair(files)
      const left = await expectHealthy(files)
      expect(left.size).toBeGreaterThanOrEqual(RECORDS - 8)
      expect(left.size).toBeLessThan(RECORDS)
      const torn = allFiles(files).filter((one) => one.includes('/torn-'))
      expect(torn.map((one) => contents(files, one))).toEqual([bad])
    })
  }

  test('a base offset or a leader epoch, nothing is lost', async () => {
    for (const at of [3, 7, 15]) {
      const files = await smallLog(RECORDS)
      const path = segmentPath(files, 1)
      const log = contents(files, path)
      flip(files, path, batchSize(log, 0) + at, 1)
      const { steps } = await repair(files)
      expect(steps[0]!.message).toContain('again; the batch is whole')
      expect((await expectHealthy(files)).size).toBe(RECORDS)
    }
  })

  test('an index, the index is made again', async () => {
    for (const kind of ['index', 'timeindex']) {
      const files = await smallLog(RECORDS)
      const path = segmentPath(files, 0, kind)
      const was = contents(files, path)
      flip(files, path, 3)
      await repair(files)
      expect(contents(files, path).equals(was)).toBe(true)
      expect((await expectHealthy(files)).size).toBe(RECORDS)
    }
  })

  test('the checkpoint of epochs or the topic id, it is made again from what is known', async () => {
    for (const name of ['leader-epoch-checkpoint', 'partition.metadata']) {
      const files = await smallLog(RECORDS)
      const path = `${FOLDER}/orders-0/${name}`
      const was = contents(files, path)
      replace(files, path, Buffer.from('nonsense'))
      await repair(files)
      expect(contents(files, path).equals(was)).toBe(true)
      expect((await expectHealthy(files)).size).toBe(RECORDS)
    }
  })

  test('the mark, it is written again', async () => {
    const files = await smallLog(RECORDS)
    flip(files, `${FOLDER}/mark-a`, 70)
    flip(files, `${FOLDER}/mark-b`, 70)
    await repair(files)
    expect((await expectHealthy(files)).size).toBe(RECORDS)
  })

  test('the catalog, the topic is found again by its folder', async () => {
    const files = await smallLog(RECORDS)
    flip(files, `${FOLDER}/commitlog.json`, 60)
    await repair(files)
    expect(await findings(files)).toEqual([])
    expect((await values(files)).size).toBe(RECORDS)
  })
})

test('of a folder of Kafka, damage below its recovery point is set aside, and its torn tail is left to recovery', async () => {
  const files = await kafkas('unclean')
  const partition = `${FOLDER}/unclean-8`
  // In a segment below the recovery point, and in the one that holds it, which the broker wrote further on.
  const checkpoint = `${FOLDER}/recovery-point-offset-checkpoint`
  replace(files, checkpoint, Buffer.from(contents(files, checkpoint).toString().replace('unclean 8 30', 'unclean 8 40')))
  for (const number of ['00', '30']) flip(files, `${partition}/000000000000000000${number}.log`, 80)
  await repair(files)
  expect(allFiles(files, partition).filter((path) => path.includes('torn-'))).toHaveLength(2)
  const report = (await verifyLog(files, FOLDER, { clock: systemClock })).partitions.find((one) => one.partition === 8)!
  expect(report.findings.filter(({ kind }) => kind !== 'note').map(({ kind }) => kind)).toEqual(['torn'])
  expect(allFiles(files).filter((path) => path.includes('mark-'))).toEqual([])
})

describe('offsets that were given out are not given out again', () => {
  test('when the end of the last segment is missing', async () => {
    const files = await smallLog(RECORDS)
    const path = segmentPath(files, -1)
    replace(files, path, contents(files, path).subarray(0, 70))
    await repair(files)
    await expectHealthy(files)
  })

  test('when a segment is missing: the first, one in the middle, or the last', async () => {
    for (const number of [0, 1, -1]) {
      const files = await smallLog(RECORDS)
      files.removeSync(segmentPath(files, number))
      await repair(files)
      await expectHealthy(files)
    }
  })
})

test('whatever happens to one file, a repair leaves a sound log with true records, and a second one has nothing to do', async () => {
  const whole = await smallLog(RECORDS)
  const paths = allFiles(whole).filter((path) => !path.includes('lock'))
  await fc.assert(fc.asyncProperty(fc.constantFrom(...paths), damages, async (path, changes) => {
    const files = whole.fork()
    const was = contents(files, path)
    const now = damaged(was, changes)
    replace(files, path, now)
    const newer = /LOG_VERSION_UNSUPPORTED/
    try {
      await repair(files)
    } catch (error) {
      // A digit may make a file look like one of a newer version, which is refused.
      if (newer.test(String((error as { code?: string }).code))) return
      throw error
    }
    expect(isSound(await verifyLog(files, FOLDER, { clock: systemClock }))).toBe(true)
    expect((await repair(files)).steps).toEqual([])
    const left = await values(files)
    for (const [offset, value] of left) expect(value).toBe(`value ${offset}`)
    if (!path.endsWith('.log')) expect(left.size).toBe(RECORDS)
    if (now.equals(was)) expect(left.size).toBe(RECORDS)
  }), { numRuns: 150 })
})

test('a repair that is interrupted at any change of a file can be begun again', async () => {
  const whole = await smallLog(RECORDS)
  for (const [path, at] of [[segmentPath(whole, 1), 80], [segmentPath(whole, -1), 80], [`${FOLDER}/mark-a`, 70], [`${FOLDER}/mark-b`, 10]] as const) {
    const start = whole.fork()
    flip(start, path, at)
    for (let calls = 0; ; calls++) {
      const files = start.fork()
      const stopped = await repair(stoppingAfter(files, calls)).then(() => false, () => true)
      await repair(files)
      await expectHealthy(files)
      if (!stopped) break
    }
  }
})

/** The same files; every change after the first few throws, as if the process had ended there. */
function stoppingAfter(files: FileSystem, changes: number): FileSystem {
  let left = changes
  const count = <Args extends unknown[], Result>(change: (...args: Args) => Result) => (...args: Args): Result => {
    if (left-- <= 0) throw new Error('stopped')
    return change(...args)
  }
  return new Proxy(files, {
    get(target, name) {
      const member = Reflect.get(target, name) as unknown
      if (typeof member !== 'function') return member
      const bound = (member as (...args: unknown[]) => unknown).bind(target)
      if (name === 'renameSync' || name === 'removeSync') return count(bound)
      if (name !== 'openSync') return bound
      return (path: string, mode: string) => {
        const file = target.openSync(path, mode as 'read')
        if (mode === 'read') return file
        return new Proxy(file, {
          get(handle, verb) {
            const inner = Reflect.get(handle, verb) as unknown
            if (typeof inner !== 'function') return inner
            const call = (inner as (...args: unknown[]) => unknown).bind(handle)
            return verb === 'writeSync' || verb === 'truncateSync' ? count(call) : call
          },
        })
      }
    },
  })
}
