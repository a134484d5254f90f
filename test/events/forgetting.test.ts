import { readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { CHECKPOINT_FILE } from '../../src/events/checkpoint.ts'
import { defineEvents } from '../../src/events/define-events.ts'
import { eventStore, type LocalEventStore } from '../../src/events/event-store.ts'
import { type Aggregate } from '../../src/events/types.ts'
import { deleteStream, freeForgotten, listStreams, truncateStream } from '../../src/events/forgetting.ts'
import { react, reactorStream } from '../../src/events/reactor.ts'
import { type CommitLog, type LogOptions } from '../../src/index.ts'
import { collect, diskLog, failure, freshFolder, memoryLog } from '../topics/harness.ts'

interface Noted { readonly type: 'Noted'; readonly data: { readonly text: string } }

const Notes = defineEvents<Noted>('note', { settings: { segmentBytes: 4096, maxMessageBytes: 2000, batchSize: 1000 } })
const store = async (log?: CommitLog): Promise<LocalEventStore<Noted>> => eventStore(log ?? (await memoryLog()), Notes)
const note = (text: string): Noted => ({ type: 'Noted', data: { text } })

async function filled(notes: LocalEventStore<Noted>, streams: number, count: number): Promise<void> {
  for (let version = 1; version <= count; version++) {
    const text = (stream: number): string => `secret ${stream} ${version} ${'x'.repeat(60)}`
    await Promise.all(Array.from({ length: streams }, (_, stream) => notes.append(`s-${stream}`, note(text(stream)))))
  }
}
const versions = async (notes: LocalEventStore<Noted>, stream: string): Promise<number[]> => (
  (await notes.read(stream)).events.map(({ version }) => version)
)

test('a truncated stream has its later events, its version, and goes on', async () => {
  const notes = await store()
  await filled(notes, 2, 5)
  await truncateStream(notes, 's-0', { before: 4 })
  expect(await versions(notes, 's-0')).toEqual([4, 5])
  expect(await notes.read('s-0', { from: 2, to: 4 })).toMatchObject({ version: 5, exists: true, events: [{ version: 4 }] })
  expect((await notes.append('s-0', note('new'), { expected: 5 })).version).toBe(6)
  expect(await versions(notes, 's-1')).toEqual([1, 2, 3, 4, 5])
  await truncateStream(notes, 's-0', { before: 2 })
  expect(await versions(notes, 's-0')).toEqual([4, 5, 6])
  expect((await failure(() => truncateStream(notes, 's-0', { before: 8 }))).message).toContain('has 6 versions')
})

test('a deleted stream does not exist, keeps its version, and may begin again', async () => {
  const notes = await store()
  await filled(notes, 1, 3)
  expect(await deleteStream(notes, 's-0')).toBe(3)
  expect(await notes.read('s-0')).toMatchObject({ version: 3, exists: false, events: [] })
  expect([notes.exists('s-0'), notes.head('s-0')]).toEqual([false, 3])
  expect((await failure(() => notes.append('s-0', note('no'), { expected: 'exists' }))).code).toBe('LOG_VERSION_CONFLICT')
  expect(await notes.append('s-0', note('again'), { expected: 'none' })).toMatchObject({ version: 4, created: true })
  expect(await versions(notes, 's-0')).toEqual([4])
  expect(await deleteStream(notes, 'nobody')).toBe(0)
  expect((await failure(() => deleteStream(notes, 's-0', { expected: 2 }))).code).toBe('LOG_VERSION_CONFLICT')
})

test('what is forgotten is not among all events either, freed or not', async () => {
  const notes = await store()
  await filled(notes, 2, 3)
  await deleteStream(notes, 's-0')
  await truncateStream(notes, 's-1', { before: 3 })
  const all = async (): Promise<string[]> => (await collect(notes.all({ until: 'end' }))).map(({ stream, version }) => `${stream} ${version}`)
  expect(await all()).toEqual(['s-1 3'])
  await freeForgotten(notes)
  expect(await all()).toEqual(['s-1 3'])
})

for (const index of ['kept', 'removed']) {
  test(`freeing forgotten events gives their bytes back, and all others stay as they were, with the index ${index}`, async () => {
    const folder = freshFolder()
    const options: LogOptions = { durability: 'sync' }
    const first = await diskLog(folder, options)
    const notes = await store(first)
    await filled(notes, 6, 30)
    const positions = (await collect(notes.all({ until: 'end' }))).filter(({ stream }) => stream !== 's-1').map(({ position }) => position)
    await deleteStream(notes, 's-1')
    await truncateStream(notes, 's-2', { before: 30 })
    const before = first.stats().topics[0]!.partitions[0]!.bytes
    const report = await freeForgotten(notes)
    expect(report.events).toBe(30 + 29)
    const after = first.stats().topics[0]!.partitions[0]!.bytes
    expect(before - after).toBe(report.bytesBefore - report.bytesAfter)
    expect(after).toBeLessThan(before * 0.75)
    await check(notes, positions)
    expect(await freeForgotten(notes)).toMatchObject({ events: 0, segments: 0 })
    await first.close()
    if (index === 'removed') removeIndex(folder)
    const second = await diskLog(folder)
    await check(await store(second), positions)
    expect(bytesOf(folder).some((content) => content.includes('secret 1 '))).toBe(false)
    expect(bytesOf(folder).some((content) => content.includes('secret 3 1 '))).toBe(true)
  })
}

async function check(notes: LocalEventStore<Noted>, positions: readonly number[]): Promise<void> {
  for (const stream of ['s-0', 's-3', 's-5']) expect(await versions(notes, stream)).toEqual(Array.from({ length: 30 }, (_, number) => number + 1))
  expect(await versions(notes, 's-2')).toEqual([30])
  expect(await notes.read('s-1')).toMatchObject({ version: 30, exists: false, events: [] })
  const left = (await collect(notes.all({ until: 'end' }))).map(({ position }) => position)
  expect(left.every((position) => positions.includes(position))).toBe(true)
  expect(left.length).toBe(4 * 30 + 1)
  expect(notes.head('s-1')).toBe(30)
}

test('snapshots of what was forgotten go with it', async () => {
  const folder = freshFolder()
  const log = await diskLog(folder)
  const notes = await store(log)
  const fold = (): Aggregate<Noted, string[], never> => notes.aggregate<string[]>({
    initial: () => [], evolve: (state, event) => [...state, event.data.text], snapshot: { every: 5, name: 'texts' },
  })
  const texts = fold()
  for (let version = 1; version <= 12; version++) {
    for (const stream of ['kept', 'gone']) await texts.handle(stream, () => note(`secret of ${stream} ${version}`))
  }
  const cold = fold()
  const snapshots = async (): Promise<(string | null)[]> => {
    const topic = await log.topic<string, unknown>('note.snapshots', { create: false })
    return [...topic.partition(0).read()].filter(({ value }) => value !== null).map(({ key }) => key)
  }
  for (const stream of ['kept', 'gone']) await cold.load(stream)
  await expect.poll(snapshots).toEqual(['texts@1/kept', 'texts@1/gone'])
  await deleteStream(notes, 'gone')
  await freeForgotten(notes)
  expect(await snapshots()).toEqual(['texts@1/kept'])
  expect((await texts.load('gone')).version).toBe(12)
  expect((await texts.load('kept')).state).toHaveLength(12)
  await log.close()
  expect(bytesOf(folder).some((content) => content.includes('secret of gone'))).toBe(false)
  expect(bytesOf(folder).some((content) => content.includes('secret of kept'))).toBe(true)
})

test('a stream of which nothing is left goes on with its next version after the index is made again', async () => {
  const folder = freshFolder()
  const first = await diskLog(folder)
  const notes = await store(first)
  await filled(notes, 1, 4)
  await deleteStream(notes, 's-0')
  await freeForgotten(notes)
  await first.close()
  removeIndex(folder)
  const second = await diskLog(folder)
  const again = await store(second)
  expect([again.head('s-0'), again.exists('s-0')]).toEqual([4, false])
  expect((await again.append('s-0', note('again'), { expected: 4 })).version).toBe(5)
  expect(await versions(again, 's-0')).toEqual([5])
})

test('streams are listed with what is kept of them, and not those of the store itself', async () => {
  const notes = await store()
  await filled(notes, 3, 2)
  const watcher = await react(notes, { name: 'watcher', handle: () => {} })
  await watcher.caughtUp()
  await watcher.close()
  expect(notes.head(reactorStream('watcher'))).toBeGreaterThan(0)
  await deleteStream(notes, 's-1')
  await truncateStream(notes, 's-2', { before: 2 })
  expect(await collect(listStreams(notes))).toEqual([
    { stream: 's-0', version: 2, exists: true, from: 1 }, { stream: 's-1', version: 2, exists: false, from: 3 },
    { stream: 's-2', version: 2, exists: true, from: 2 },
  ])
})

function bytesOf(folder: string): Buffer[] {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
  return files.map((entry) => readFileSync(join(entry.parentPath, entry.name)))
}

function removeIndex(folder: string): void {
  rmSync(join(folder, 'note-0', CHECKPOINT_FILE))
}

test('what is forgotten stays so when less is to be forgotten behind it', async () => {
  const notes = await store(await diskLog(freshFolder(), { bufferBytes: 65_536 }))
  for (let number = 0; number < 10; number++) await notes.append('a', note(`n${number}`))
  // Both wait for room.
  const others = Array.from({ length: 60 }, (_, number) => notes.append(`f-${number}`, note('x'.repeat(1800))))
  await Promise.all([truncateStream(notes, 'a', { before: 9 }), truncateStream(notes, 'a', { before: 3 }), ...others])
  expect(await versions(notes, 'a')).toEqual([9, 10])
})

test('freeing takes the events of the streams that were forgotten, though the index is made again meanwhile', async () => {
  const notes = await store(await diskLog(freshFolder()))
  // It never was, and has a number all the same until the index is made again.
  expect((await failure(() => notes.append('ghost', note('x'.repeat(9000))))).code).toBe('LOG_RECORD_TOO_LARGE')
  await filled(notes, 3, 60)
  await deleteStream(notes, 's-1')
  const freeing = freeForgotten(notes)
  // By then it knows which streams have forgotten some.
  for (let turn = 0; turn < 3; turn++) await undefined
  notes.core.index.cut(notes.core.index.acknowledgedEnd - 1)
  await notes.core.settled()
  expect((await freeing).events).toBe(60)
  expect((await Promise.all(['s-0', 's-1', 's-2'].map((stream) => versions(notes, stream)))).map(({ length }) => length)).toEqual([60, 0, 60])
})

test('a stream is deleted at the version that is expected, or not at all', async () => {
  const notes = await store()
  expect(await failure(() => deleteStream(notes, 'nobody', { expected: 7 }))).toMatchObject({ code: 'LOG_VERSION_CONFLICT', detail: { current: 0 } })
  expect(await deleteStream(notes, 'nobody')).toBe(0)
  await notes.append('a', note('x'))
  expect((await failure(() => deleteStream(notes, 'a', { expected: 7 }))).code).toBe('LOG_VERSION_CONFLICT')
  expect(await deleteStream(notes, 'a', { expected: 1 })).toBe(1)
  expect((await failure(() => deleteStream(notes, 'a', { expected: 7 }))).code).toBe('LOG_VERSION_CONFLICT')
  expect(await deleteStream(notes, 'a', { expected: 1 })).toBe(1)
})

test('a stream whose first append was refused is not listed', async () => {
  const notes = await store()
  await failure(() => notes.append('ghost', note('x'.repeat(9000))))
  await notes.append('a', note('x'))
  expect((await collect(listStreams(notes))).map(({ stream }) => stream)).toEqual(['a'])
})
