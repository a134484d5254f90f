/*
 * Several processes and one folder, on the real disk: who may write, and what those who only read get to see (design decisions 5, 8, 11).
 * Values say where their record belongs and which process wrote it. How the lock decides who is dead is test/files/lock.test.ts.
 */
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { type CommitLog } from '../../src/topics/commit-log.ts'
import { collect, diskLog, freshFolder } from './harness.ts'
import { type LogChild, LogWorkshop, type Said } from './log-children.ts'

let workshop: LogWorkshop

beforeAll(async () => { workshop = await LogWorkshop.make() })
afterEach(() => workshop.killAll())
afterAll(() => workshop.remove())

// Segments of a few batches, so that a test sees many of them.
const small = { segmentBytes: 2048, indexIntervalBytes: 200 }

/** What a reader found in one go, and the end that it knew of before and behind. */
interface Scan {
  readonly end: number
  readonly endBehind: number
  readonly records: [number, string][]
}

/** A process that writes the topic `t`. */
async function writer(folder: string, partitions = 1): Promise<LogChild> {
  const child = await workshop.start()
  await child.open(folder, 't', { partitions, settings: small })
  return child
}

/** A process that follows the topic `t` from its beginning. */
async function follower(folder: string): Promise<LogChild> {
  const child = await workshop.start()
  await child.open(folder, 't', { readOnly: true })
  await child.tell('follow', { topic: 't' })
  return child
}

/** Resolves once a follower has been handed the records of a partition below `end`. */
function reaches(child: LogChild, end: number, partition = 0): Promise<void> {
  return child.until(() => (child.records(partition).at(-1)?.offset ?? -1) >= end - 1)
}

/** What the log holds, as one who opens it now reads it. */
async function stored(log: CommitLog, partition = 0): Promise<[number, unknown][]> {
  const topic = await log.topic('t')
  return (await collect(topic.consumer({ until: 'end', partitions: [partition] }))).map(({ offset, value }) => [offset, value])
}

function handed(child: LogChild, partition = 0): [number, string][] {
  return child.records(partition).map(({ offset, value }: Said) => [offset, value])
}

// Who writes -----------------------------------------------------------------------------------------------------------------------------

test('a second writer process gets LOG_LOCKED, which names the holder, or waits until the folder is given back', async () => {
  const folder = freshFolder()
  const holder = await writer(folder)
  const other = await workshop.start()
  await expect(other.tell('open', { folder })).rejects.toMatchObject({ code: 'LOG_LOCKED', detail: { pid: holder.pid } })
  const waits = other.tell('open', { folder, options: { waitMs: 30_000 } })
  await holder.tell('send', { topic: 't', partition: 0, count: 3 })
  await holder.tell('close')
  await waits
  await other.tell('topic', { topic: 't' })
  expect(await other.tell('send', { topic: 't', partition: 0, count: 1 })).toBe(3)
})

test('opens of one folder in one process share the log that other processes are kept from', async () => {
  const folder = freshFolder()
  const [first, second] = [await diskLog(folder), await diskLog(folder)]
  await (await first.topic('t')).send({ value: 'a' })
  expect(await stored(second)).toEqual([[0, 'a']])
  await first.close()
  const other = await workshop.start()
  await expect(other.tell('open', { folder })).rejects.toMatchObject({ code: 'LOG_LOCKED', detail: { pid: process.pid } })
  await second.close()
  await other.tell('open', { folder })
})

test('another thread of the process gets LOG_LOCKED', async () => {
  const folder = freshFolder()
  const log = await diskLog(folder)
  const inThread = (): Promise<object> => new Promise((resolve, reject) => {
    new Worker(workshop.thread, { workerData: folder, execArgv: [] }).once('message', resolve).once('error', reject)
  })
  expect(await inThread()).toMatchObject({ code: 'LOG_LOCKED', detail: { pid: process.pid } })
  await log.close()
  expect(await inThread()).toEqual({ opened: true })
})

test('the folder of a killed writer is free at once, and holds everything that it acknowledged', async () => {
  const folder = freshFolder()
  const killed = await writer(folder, 2)
  for (const partition of [0, 1]) await killed.tell('write', { topic: 't', partition })
  await killed.until(() => killed.acknowledged(0) > 100 && killed.acknowledged(1) > 100)
  await killed.kill()
  const log = await diskLog(folder)
  for (const partition of [0, 1]) {
    const records = await stored(log, partition)
    expect(records.length).toBeGreaterThanOrEqual(killed.acknowledged(partition))
    expect(records).toEqual(records.map((_, offset) => [offset, `${partition}/${offset}/${killed.pid}`]))
  }
})

for (const { what, stop } of [
  { what: 'is stopped', stop: (child: LogChild) => void child.process.kill('SIGSTOP') },
  { what: 'blocks its event loop', stop: (child: LogChild) => child.tell('block') },
]) {
  test(`a writer that ${what} stays the owner of its folder`, async () => {
    const folder = freshFolder()
    const holder = await writer(folder)
    await holder.tell('send', { topic: 't', partition: 0, count: 1 })
    await stop(holder)
    const other = await workshop.start()
    await expect(other.tell('open', { folder })).rejects.toMatchObject({ code: 'LOG_LOCKED', detail: { pid: holder.pid } })
    // Reading needs nobody's leave.
    const reader = await follower(folder)
    await reaches(reader, 1)
    if (what === 'is stopped') {
      holder.process.kill('SIGCONT')
      expect(await holder.tell('send', { topic: 't', partition: 0, count: 1 })).toBe(1)
      await reaches(reader, 2)
    }
  })
}

// Who follows ----------------------------------------------------------------------------------------------------------------------------

test('a reader beside a writer is handed every acknowledged record in order, while segments come and go', async () => {
  const folder = freshFolder()
  const busy = await writer(folder, 2)
  const reader = await follower(folder)
  for (const partition of [0, 1]) await busy.tell('write', { topic: 't', partition })
  await busy.until(() => busy.acknowledged(0) > 300 && busy.acknowledged(1) > 300)
  const late = await follower(folder)
  await busy.until(() => busy.acknowledged(0) > 600 && busy.acknowledged(1) > 600)
  await busy.kill()
  const log = await diskLog(folder)
  for (const partition of [0, 1]) {
    const end = busy.acknowledged(partition)
    const records = await stored(log, partition)
    for (const child of [reader, late]) {
      await reaches(child, end, partition)
      // What a reader was handed is in the log, though the writer was killed: it is never ahead of what is stored.
      expect(handed(child, partition)).toEqual(records.slice(0, child.records(partition).length))
    }
    expect((await reader.stats('t', partition)).segments).toBeGreaterThan(5)
  }
})

test('readers beside a writer that compacts all the time skip nothing that stays, read nothing twice, and meet no damage', async () => {
  const folder = freshFolder()
  const busy = await workshop.start()
  await busy.open(folder, 't', { settings: { ...small, cleanupPolicy: 'compact' } })
  await busy.tell('rewrite', { topic: 't', partition: 0 })
  await busy.until(() => busy.acknowledged(0) > 300)
  const following = await follower(folder)
  const scanning = await workshop.start()
  await scanning.open(folder, 't', { readOnly: true })
  for (let round = 0; round < 60; round++) {
    const { end, endBehind, records } = (await scanning.tell('scan', { topic: 't', partition: 0 })) as Scan
    // Each key is written once in 50 offsets, and its last record stays; of a key that was written again meanwhile it lies past the end of the scan.
    const stays = Array.from({ length: 50 }, (_, index) => end - 50 + index).filter((offset) => offset + 50 >= endBehind)
    const found = new Set(records.map(([offset]) => offset))
    expect(stays.filter((offset) => !found.has(offset))).toEqual([])
    expect(records.every(([offset, key], index) => key === `k${offset % 50}` && (index === 0 || offset > records[index - 1]![0]))).toBe(true)
  }
  await busy.tell('stopRewriting')
  const end = busy.acknowledged(0)
  await reaches(following, end)
  expect(following.said.filter(({ event }) => event === 'ended')).toEqual([])
  const offsets = following.records(0).map(({ offset }) => offset)
  expect(offsets.slice(-50)).toEqual(Array.from({ length: 50 }, (_, index) => end - 50 + index))
  expect(offsets.every((offset, index) => index === 0 || offset > offsets[index - 1]!)).toBe(true)
  expect(following.records(0).every(({ offset, value }) => value === `0/${offset}/${busy.pid}`)).toBe(true)
})

test('a reader sees topics and partitions that are made later', async () => {
  const folder = freshFolder()
  const busy = await writer(folder)
  const reader = await workshop.start()
  await reader.open(folder, 't', { readOnly: true })
  await expect(reader.tell('topic', { topic: 'later' })).rejects.toMatchObject({ code: 'LOG_NOT_FOUND' })
  await busy.tell('topic', { topic: 'later' })
  await busy.tell('send', { topic: 'later', partition: 0, count: 2 })
  await reader.tell('topic', { topic: 'later' })
  await reader.tell('follow', { topic: 'later' })
  await reader.until(() => reader.records(0, 'later').length === 2)
  await busy.tell('topic', { topic: 't', partitions: 3 })
  await busy.tell('send', { topic: 't', partition: 2, count: 4 })
  expect(await reader.tell('topic', { topic: 't' })).toBe(3)
  await reader.tell('follow', { topic: 't' })
  await reader.until(() => reader.records(2, 't').length === 4)
  await busy.tell('send', { topic: 't', partition: 2, count: 1 })
  await reader.until(() => reader.records(2, 't').length === 5)
})

test('what is written and not yet synced is not shown to a reader', async () => {
  const folder = freshFolder()
  const busy = await workshop.start()
  await busy.tell('openHolding', { folder })
  await busy.tell('topic', { topic: 't', partitions: 2 })
  await busy.tell('send', { topic: 't', partition: 0, count: 1 })
  const reader = await follower(folder)
  await reaches(reader, 1)
  await busy.tell('hold', { topic: 't', partition: 0 })
  const acknowledged = busy.tell('send', { topic: 't', partition: 0, count: 1 })
  // Once the reader has the record of the other partition, it has seen whatever the writer published before.
  await busy.tell('send', { topic: 't', partition: 1, count: 1 })
  await reaches(reader, 1, 1)
  const late = await follower(folder)
  await reaches(late, 1, 1)
  expect(readFileSync(join(folder, 't-0', '00000000000000000000.log'), 'latin1')).toContain(`0/1/${busy.pid}`)
  for (const child of [reader, late]) {
    expect(child.records(0)).toHaveLength(1)
    expect(await child.stats('t', 0)).toMatchObject({ nextOffset: 1, highWatermark: 1 })
  }
  await busy.tell('letGo')
  expect(await acknowledged).toBe(1)
  for (const child of [reader, late]) await reaches(child, 2)
})

for (const { end, how } of [
  { end: 'closed', how: (child: LogChild) => child.tell('close') },
  { end: 'killed', how: (child: LogChild) => child.kill() },
]) {
  test(`a reader of a log whose writer was ${end} reads all of it, changes nothing, and follows the next writer`, async () => {
    const folder = freshFolder()
    const first = await writer(folder)
    await first.tell('send', { topic: 't', partition: 0, count: 70 })
    await how(first)
    const before = tree(folder)
    const reader = await follower(folder)
    await reaches(reader, 70)
    expect(tree(folder)).toEqual(before)
    const next = await writer(folder)
    await next.tell('send', { topic: 't', partition: 0, count: 70 })
    await reaches(reader, 140)
    await next.tell('close')
    expect(handed(reader)).toEqual(await stored(await diskLog(folder)))
  })
}

test('a reader follows from writer to writer, each killed, without a gap and without a record twice', async () => {
  const folder = freshFolder()
  let reader: LogChild | undefined
  let acknowledged = 0
  for (let turn = 0; turn < 4; turn++) {
    const busy = await writer(folder)
    reader ??= await follower(folder)
    await busy.tell('write', { topic: 't', partition: 0 })
    await busy.until(() => busy.acknowledged() > acknowledged + 60)
    await busy.kill()
    acknowledged = busy.acknowledged()
  }
  const log = await diskLog(folder)
  const records = await stored(log)
  expect(records.length).toBeGreaterThanOrEqual(acknowledged)
  await reaches(reader!, records.length)
  expect(handed(reader!)).toEqual(records)
})

test('a reader whose place was cut away gets LOG_OFFSET_OUT_OF_RANGE, and one at or below the cut goes on', async () => {
  const folder = freshFolder()
  const busy = await writer(folder)
  await busy.tell('send', { topic: 't', partition: 0, count: 10 })
  const ahead = await follower(folder)
  await reaches(ahead, 10)
  const below = await workshop.start()
  await below.open(folder, 't', { readOnly: true })
  await busy.tell('truncate', { topic: 't', partition: 0, offset: 0 })
  await ahead.until((said) => said.some(({ event }) => event === 'ended'))
  expect(ahead.said.at(-1)).toMatchObject({ code: 'LOG_OFFSET_OUT_OF_RANGE', detail: { offset: 10, start: 0, end: 0 } })
  await below.tell('follow', { topic: 't' })
  await busy.tell('send', { topic: 't', partition: 0, count: 20 })
  await reaches(below, 20)
  await below.until(() => below.records().length === 20)
  expect(below.records().map(({ offset }) => offset)).toEqual(Array.from({ length: 20 }, (_, offset) => offset))
  expect(new Set(below.records().map(({ leaderEpoch }) => leaderEpoch))).toEqual(new Set([1]))
})

test('a place that was cut away is told even when the log has grown past it again', async () => {
  const folder = freshFolder()
  const busy = await writer(folder)
  await busy.tell('send', { topic: 't', partition: 0, count: 10 })
  const reader = await follower(folder)
  await reaches(reader, 10)
  reader.process.kill('SIGSTOP')
  await busy.tell('truncate', { topic: 't', partition: 0, offset: 0 })
  await busy.tell('send', { topic: 't', partition: 0, count: 90 })
  reader.process.kill('SIGCONT')
  await reader.until((said) => said.some(({ event }) => event === 'ended'))
  expect(reader.said.at(-1)).toMatchObject({ code: 'LOG_OFFSET_OUT_OF_RANGE', detail: { offset: 10, start: 0 } })
  expect(reader.records()).toHaveLength(10)
})

/** Names, times and contents of everything in a folder. */
function tree(folder: string): unknown[] {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true })
  return entries.map((entry) => {
    const path = join(entry.parentPath, entry.name)
    return [path, statSync(path).mtimeMs, entry.isFile() ? readFileSync(path).toString('base64') : '']
  }).sort()
}
