import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { systemClock } from '../../src/base/clock.ts'
import { systemRandom } from '../../src/base/random.ts'
import { diskFileSystem } from '../../src/files/disk.ts'
import { type FileSystem } from '../../src/files/file-system.ts'
import { MemoryFileSystem } from '../../src/files/memory.ts'
import { copyLog, type CopyLogOptions, type CopyReport } from '../../src/topics/backup.ts'
import { bytes } from '../../src/topics/codecs.ts'
import { CommitLog } from '../../src/topics/commit-log.ts'
import { allFindings, verifyLog } from '../../src/topics/verify-log.ts'
import { commitlog } from '../tools/command.ts'
import { allFiles, contents, flip, FOLDER, replace, segmentPath, smallLog, values } from '../tools/small-log.ts'

const TARGET = '/copies/today'

function copy(files: FileSystem, options: Partial<CopyLogOptions> = {}, folder = FOLDER, target = TARGET): Promise<CopyReport> {
  return copyLog(files, folder, target, { clock: systemClock, random: systemRandom, ...options })
}

/** Lets the event loop turn once. */
function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

async function findings(files: FileSystem, folder = TARGET): Promise<unknown[]> {
  return allFindings(await verifyLog(files, folder, { clock: systemClock })).filter(({ kind }) => kind !== 'note')
}

test('a copy of a log at rest holds what the log holds, opens without a recovery and takes records behind its end', async () => {
  const files = await smallLog()
  const { partitions, checked } = await copy(files)
  expect(partitions).toMatchObject([{ topic: 'orders', partition: 0, nextOffset: 80 }])
  expect(checked!.partitions[0]!.records).toBe(80)
  expect(await findings(files)).toEqual([])
  const log = await CommitLog.open(TARGET, { files })
  const topic = await log.topic('orders', { create: false, value: bytes })
  expect(topic.partition(0).stats().recovery).toMatchObject({ clean: true, scannedBytes: 0 })
  expect([...topic.partition(0).read()].map((record) => record.value!.toString())).toEqual([...(await values(files)).values()])
  expect(await topic.send({ value: Buffer.from('new') })).toMatchObject({ offset: 80 })
  await log.close()
  expect(await findings(files)).toEqual([])
})

test('a copy begins a new leader epoch at its end, so that its history can be told from that of the original', async () => {
  const files = await smallLog()
  await copy(files)
  const [original, copied] = await Promise.all([FOLDER, TARGET].map(async (folder) => {
    const log = await CommitLog.open(folder, { files })
    const { leaderEpoch } = (await log.topic('orders', { create: false, value: bytes })).partition(0).stats()
    await log.close()
    return leaderEpoch
  }))
  expect(copied).toBe(original! + 1)
})

test('a copy of a copy, and of that again, is the same log', async () => {
  const files = await smallLog()
  await copy(files)
  await copy(files, {}, TARGET, '/restored')
  expect(await findings(files, '/restored')).toEqual([])
  for (const path of allFiles(files, '/restored').filter((one) => /\.(?:log|index|timeindex)$/.test(one))) {
    expect(contents(files, path).equals(contents(files, path.replace('/restored', TARGET)))).toBe(true)
  }
})

test('a torn tail and the room ahead are not copied', async () => {
  const files = await smallLog()
  const log = await CommitLog.open(FOLDER, { files })
  await (await log.topic('orders', { create: false, value: bytes })).send({ value: Buffer.from('value 80') })
  const killed = files.fork()
  await log.close()
  const path = segmentPath(killed, -1)
  const whole = contents(killed, path)
  replace(killed, path, Buffer.concat([whole, whole.subarray(0, 50), Buffer.alloc(500)]))
  const { partitions } = await copy(killed)
  expect(partitions).toMatchObject([{ nextOffset: 81 }])
  expect(contents(killed, path.replace(FOLDER, TARGET)).equals(whole)).toBe(true)
  expect(await findings(killed)).toEqual([])
})

describe('while a writer goes on', () => {
  for (const durability of ['sync', 'os'] as const) {
    test(`a copy is a prefix of what it writes, with durability '${durability}'`, async () => {
      const files = new MemoryFileSystem()
      const log = await CommitLog.open(FOLDER, { files, durability })
      const topic = await log.topic('orders', { partitions: 3, value: bytes, segmentBytes: 2000, indexIntervalBytes: 100 })
      let going = true
      let sent = 0
      const writing = (async () => {
        while (going) {
          await Promise.all([0, 1, 2].map((partition) => topic.send({ partition, value: Buffer.from(`value ${Math.floor(sent++ / 3)}`) })))
          await turn()
        }
      })()
      for (let round = 0; round < 5; round++) {
        const before = topic.partitions.map((partition) => partition.highWatermark)
        // What was acknowledged before this turn of the event loop is published.
        await turn()
        const { partitions } = await copy(files, { onProgress: () => {} }, FOLDER, `/copy-${round}`)
        expect(await findings(files, `/copy-${round}`)).toEqual([])
        for (const { partition, nextOffset } of partitions) expect(nextOffset).toBeGreaterThanOrEqual(before[partition]!)
        const copied = await CommitLog.open(`/copy-${round}`, { files })
        for (const partition of (await copied.topic('orders', { create: false, value: bytes })).partitions) {
          const found = [...partition.read()].map((record) => record.value!.toString())
          expect(found).toEqual(found.map((_, offset) => `value ${offset}`))
          expect(found).toHaveLength(partitions[partition.partition]!.nextOffset)
        }
        await copied.close()
      }
      going = false
      await writing
      await log.close()
    })
  }

  test('a partition that is cut meanwhile is copied again', async () => {
    const files = await smallLog()
    const log = await CommitLog.open(FOLDER, { files })
    const partition = (await log.topic('orders', { create: false, value: bytes })).partition(0)
    let cut: Promise<void> | undefined
    const { partitions } = await copy(files, { onProgress: () => { cut ??= partition.truncate(20) } })
    await cut
    expect(partitions).toMatchObject([{ nextOffset: partition.nextOffset }])
    expect(await findings(files)).toEqual([])
    await log.close()
  })
})

describe('refused, and nothing is left behind', () => {
  test('a target that holds something', async () => {
    const files = await smallLog()
    await copy(files)
    await expect(copy(files)).rejects.toMatchObject({ code: 'LOG_NOT_A_LOG' })
    expect(files.listSync('/copies')).toEqual(['today'])
  })

  test('a log with damage in it, unless it is to be copied as it is', async () => {
    const files = await smallLog()
    flip(files, segmentPath(files, 1), 80)
    await expect(copy(files)).rejects.toMatchObject({ code: 'LOG_CORRUPT', detail: { path: segmentPath(files, 1), position: 0 } })
    expect(files.listSync('/copies')).toEqual([])
    await copy(files, { check: false })
    expect(contents(files, segmentPath(files, 1)).equals(contents(files, segmentPath(files, 1).replace(FOLDER, TARGET)))).toBe(true)
  })

  test('a copy that the user ends', async () => {
    const files = await smallLog()
    const ending = new AbortController()
    await expect(copy(files, { signal: ending.signal, onProgress: () => ending.abort() })).rejects.toThrow()
    expect(files.listSync('/copies')).toEqual([])
  })
})

test('a folder that Kafka wrote is copied with its aborted transactions', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'commitlog-copy-'))
  try {
    for (const name of ['compacted', 'deleted-records', 'unclean', 'sequences', 'segments']) {
      const from = fileURLToPath(new URL(`../fixtures/kafka-4.1/${name}/log`, import.meta.url))
      await copyLog(diskFileSystem, from, join(folder, name), { clock: systemClock, random: systemRandom })
      const [original, copied] = await Promise.all([from, join(folder, name)].map((path) => commitlog(['dump', '--json', path])))
      expect(copied!.lines).toEqual(original!.lines)
    }
  } finally {
    rmSync(folder, { recursive: true })
  }
})
