/*
 * Archives: streams go to a place of the user's or to a file, and are forgotten when that has them; whatever it is broken off by.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { seededRandom } from '../../src/base/random.ts'
import { archiveStreams, archiveToFile, type ArchivedFile } from '../../src/events/archive.ts'
import { eventStore, type LocalEventStore } from '../../src/events/event-store.ts'
import { freeForgotten, truncateStream } from '../../src/events/forgetting.ts'
import { shredded } from '../../src/events/shredding.ts'
import { memoryKeys } from '../../src/events/subject-keys.ts'
import { exportEvents, importEvents } from '../../src/events/transfer.ts'
import { CommitLog } from '../../src/index.ts'
import { SimulatedDisk } from '../../src/testing/simulated-disk.ts'
import { collect, diskLog, failure, freshFolder, memoryLog } from '../topics/harness.ts'

type Noted = { readonly type: 'Noted'; readonly data: { readonly text: string } }
type Store = LocalEventStore<Noted>

const SEED = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 31))
const note = (text: string): Noted => ({ type: 'Noted', data: { text } })
const open = (log: CommitLog): Promise<Store> => eventStore<Noted>(log, { category: 'note' })
const store = async (): Promise<Store> => open(await memoryLog())
const but = (left: string) => ({ stream }: { readonly stream: string }): boolean => stream !== left

async function fill(notes: Store, streams: number, events: number): Promise<void> {
  for (let number = 0; number < streams; number++) {
    await notes.append(`s-${number}`, Array.from({ length: events }, (_, index) => note(`${number}.${index}`)))
  }
}

async function textsOf(notes: Store, stream: string): Promise<string[]> {
  return (await notes.read(stream)).events.map(({ version, data }) => `${version} ${data.text}`)
}

test('streams are archived and deleted, each at the version that was written', async () => {
  const notes = await store()
  await fill(notes, 3, 2)
  const lines: string[] = []
  const done = await archiveStreams(notes, {
    streams: but('s-0'),
    write: (events) => { lines.push(...events.map((event) => `${event.stream} ${event.version}`)) },
    finish: async () => { await notes.append('s-2', note('meanwhile')) },
  })
  expect(done).toEqual({ archived: ['s-1'], kept: ['s-2'] })
  expect(lines).toEqual(['s-1 1', 's-1 2', 's-2 1', 's-2 2'])
  expect([notes.exists('s-1'), notes.exists('s-2')]).toEqual([false, true])
})

test('one id alone is no list of streams, and one that is listed twice is archived once', async () => {
  const notes = await store()
  for (const stream of ['a', 'b', 'ab']) await notes.append(stream, note(stream))
  const path = join(freshFolder(), 'notes.ndjson')
  for (const streams of ['ab', undefined, null, 7, {}] as never[]) {
    expect(String(await failure(() => archiveToFile(notes, { streams, path })))).toMatch(/TypeError: streams is a list of ids/)
    expect(String(await failure(() => archiveStreams(notes, { streams, write: () => {} })))).toMatch(/TypeError: streams is a list of ids/)
  }
  expect([existsSync(path), notes.exists('a'), notes.exists('b')]).toEqual([false, true, true])
  const written: string[] = []
  await archiveStreams(notes, { streams: ['a', 'a'], write: (events) => { written.push(...events.map(({ data }) => data.text)) } })
  expect(written).toEqual(['a'])
})

test('nothing is deleted when an archive cannot be written', async () => {
  const notes = await store()
  await fill(notes, 2, 2)
  const finish = (): never => { throw new Error('no room') }
  expect((await failure(() => archiveStreams(notes, { streams: ['s-0'], write: () => {}, finish }))).message).toBe('no room')
  expect(notes.exists('s-0')).toBe(true)
  const path = join(freshFolder(), 'missing', 'notes.ndjson')
  expect((await failure(() => archiveToFile(notes, { streams: ['s-0'], path }))).code).toBe('ENOENT')
  const stop = new AbortController()
  const kept = freshFolder()
  const onProgress = (): void => stop.abort(new Error('enough'))
  expect((await failure(() => archiveToFile(notes, { streams: ['s-0', 's-1'], path: kept, onProgress, signal: stop.signal }))).message).toBe('enough')
  expect([notes.exists('s-0'), existsSync(kept), existsSync(`${kept}.tmp`)]).toEqual([true, false, false])
})

for (const name of ['notes.ndjson', 'notes.ndjson.gz']) {
  test(`what is archived to ${name} is all there, and comes in again`, async () => {
    const folder = freshFolder()
    const notes = await open(await diskLog(folder))
    await fill(notes, 40, 30)
    await truncateStream(notes, 's-3', { before: 11 })
    const wanted = await Promise.all(Array.from({ length: 40 }, (_, number) => textsOf(notes, `s-${number}`)))
    const path = join(folder, name)
    const told: number[] = []
    const done = await archiveToFile(notes, { streams: but('s-7'), path, onProgress: ({ deleted }) => told.push(deleted) })
    expect(done).toMatchObject({ path, events: 39 * 30 - 10, kept: [], resumed: false })
    expect([done.archived.length, told.length, told.at(-1), notes.exists('s-6'), notes.exists('s-7')]).toEqual([39, 78, 39, false, true])
    expect(existsSync(`${path}.tmp`)).toBe(false)
    const bytes = readFileSync(path)
    expect(done.bytes).toBe(bytes.length)
    const text = (name.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString()
    const copy = await store()
    await importEvents(copy, text.split('\n'))
    for (let number = 0; number < 40; number++) expect(await textsOf(copy, `s-${number}`)).toEqual(number === 7 ? [] : wanted[number])
    expect((await freeForgotten(notes)).events).toBeGreaterThan(1000)
  })
}

test('a file that is there is gone on with: streams that are as it has them are deleted, and no others', async () => {
  const notes = await open(await diskLog())
  await fill(notes, 4, 3)
  const path = join(freshFolder())
  const copy = await store()
  await fill(copy, 4, 3)
  await archiveToFile(copy, { streams: ['s-0'], path })
  // Of the same names and versions, but other events.
  expect(await archiveToFile(notes, { streams: ['s-0'], path })).toMatchObject({ archived: [], kept: ['s-0'], resumed: true })
  expect(notes.exists('s-0')).toBe(true)
  const other = freshFolder()
  const first = await archiveToFile(notes, { streams: ['s-1', 's-2', 's-9'], path: other })
  expect(first).toMatchObject({ archived: ['s-1', 's-2'], events: 6 })
  await notes.append('s-2', note('again'))
  expect(await failure(() => archiveToFile(notes, { streams: ['s-1', 's-3'], path: other }))).toMatchObject({
    code: 'LOG_FILE_MISMATCH', detail: { path: other, missing: ['s-3'] },
  })
  const second = await archiveToFile(notes, { streams: ['s-2'], path: other })
  expect(second).toEqual({ ...first, archived: ['s-1'], kept: ['s-2'], resumed: true })
  expect([notes.exists('s-3'), await textsOf(notes, 's-2')]).toEqual([true, ['4 again']])
  writeFileSync(other, 'no archive\n')
  expect(await failure(() => archiveToFile(notes, { streams: [], path: other }))).toMatchObject({ code: 'LOG_DECODE_FAILED', detail: { line: 1 } })
})

test('of a file with more streams only those that were chosen are deleted', async () => {
  const notes = await store()
  await fill(notes, 3, 2)
  const path = freshFolder()
  writeFileSync(path, (await collect(exportEvents(notes))).map(({ line }) => line).join(''))
  expect(await archiveToFile(notes, { streams: ['s-1'], path })).toMatchObject({ archived: ['s-1'], kept: [], events: 6, resumed: true })
  expect([notes.exists('s-0'), notes.exists('s-1'), notes.exists('s-2')]).toEqual([true, false, true])
})

test('where there is nothing to archive, there is no file', async () => {
  const notes = await store()
  const path = freshFolder()
  expect(await archiveToFile(notes, { streams: ['nope'], path })).toMatchObject({ events: 0, bytes: 0, archived: [], kept: [] })
  expect([existsSync(path), existsSync(`${path}.tmp`)]).toEqual([false, false])
})

test('what is encrypted is archived as it is', async () => {
  const keys = memoryKeys()
  await keys.create('ada')
  const value = shredded<Noted['data']>({ keys, subject: () => 'ada' })
  const notes = await eventStore<Noted>(await memoryLog(), { category: 'note', value })
  await notes.append('a', note('a secret'))
  const path = freshFolder()
  await archiveToFile(notes, { streams: ['a'], path })
  const text = readFileSync(path, 'utf8')
  expect(text).not.toContain('secret')
  const copy = await eventStore<Noted>(await memoryLog(), { category: 'note', value })
  await importEvents(copy, text.split('\n'))
  expect((await copy.read('a')).events[0]!.data).toEqual({ text: 'a secret' })
})

test('what makes no archive is refused', async () => {
  const notes = await store()
  for (const options of [undefined, {}, { streams: [] }, { streams: [], path: '' }, { streams: [], path: 'x', gzip: 1 }, { streams: [], pth: 'x' }]) {
    expect(await failure(() => archiveToFile(notes, options as never))).toBeInstanceOf(TypeError)
  }
  const folder = freshFolder()
  const log = await diskLog(folder)
  await open(log)
  await log.close()
  const reader = await open(await diskLog(folder, { readOnly: true }))
  expect((await failure(() => archiveToFile(reader, { streams: [], path: 'x' }))).code).toBe('LOG_READ_ONLY')
})

test('whatever call a crash comes at, each event is in the log or in the file, and an archive that is begun again ends', async () => {
  const forks: { readonly what: string; readonly disk: SimulatedDisk }[] = []
  let watched = false
  const disk: SimulatedDisk = new SimulatedDisk({
    seed: SEED,
    onCall: ({ number, verb, path }, called) => {
      if (!watched || called !== disk) return
      const power = (number + SEED) % 2 === 0
      forks.push({ what: `call ${number}: ${verb} ${path}${power ? ', power cut' : ''}`, disk: disk.fork(SEED + number, { power }) })
    },
  })
  const begin = async (on: SimulatedDisk): Promise<{ log: CommitLog; notes: Store }> => {
    const log = await CommitLog.open('/log', { files: on, random: seededRandom(SEED), minFreeBytes: 0 })
    return { log, notes: await open(log) }
  }
  const archive = (notes: Store): Promise<ArchivedFile> => archiveToFile(notes, { streams: but('s-2'), path: '/log/old.ndjson' })
  const first = await begin(disk)
  await fill(first.notes, 4, 5)
  const wanted = await Promise.all([0, 1, 2, 3].map((number) => textsOf(first.notes, `s-${number}`)))
  watched = true
  await archive(first.notes)
  watched = false
  await first.log.close()
  const both = async (on: SimulatedDisk, notes: Store): Promise<string[][]> => {
    const copy = await store()
    if (on.paths().includes('/log/old.ndjson')) await importEvents(copy, Buffer.from(on.bytes('/log/old.ndjson')).toString().split('\n'))
    return Promise.all([0, 1, 2, 3].map(async (number) => {
      const there = await textsOf(notes, `s-${number}`)
      return there.length > 0 ? there : textsOf(copy, `s-${number}`)
    }))
  }
  for (const { what, disk: fork } of forks) {
    const { log, notes } = await begin(fork)
    expect([SEED, what, await both(fork, notes)]).toEqual([SEED, what, wanted])
    const { archived } = await archive(notes)
    expect([SEED, what, archived, notes.exists('s-0'), notes.exists('s-2')]).toEqual([SEED, what, ['s-0', 's-1', 's-3'], false, true])
    expect([SEED, what, await both(fork, notes)]).toEqual([SEED, what, wanted])
    await log.close()
  }
  expect(forks.length).toBeGreaterThan(10)
})
