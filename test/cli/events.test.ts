/*
 * Events through the command: categories, streams, projections, export and import.
 */
import { appendFileSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { defineProjection, deleteStream, eventStore, freeForgotten, type LocalEventStore, project } from '../../src/events/index.ts'
import { msgpack } from '../../src/topics/codecs.ts'
import { CommitLog } from '../../src/topics/commit-log.ts'
import { commitlog, type Ran } from '../tools/command.ts'

type Noted = { readonly type: 'Noted'; readonly data: { readonly text: string } }

let root: string
let data: string

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'commitlog-events-'))
  data = join(root, 'data')
})
afterEach(() => rmSync(root, { recursive: true, force: true }))

const events = (...words: string[]): Promise<Ran> => commitlog(['events', data, ...words])
const Counts = defineProjection<Noted, number>({ name: 'counts', initial: () => 0, on: { Noted: (row) => row + 1 } })

async function withStore<T>(work: (notes: LocalEventStore<Noted>) => Promise<T>): Promise<T> {
  const log = await CommitLog.open(data)
  try {
    return await work(await eventStore<Noted>(log, { category: 'note' }))
  } finally {
    await log.close()
  }
}

async function filled(): Promise<void> {
  await withStore(async (notes) => {
    for (const text of ['one', 'two']) await notes.append('a', { type: 'Noted', data: { text } })
    await notes.append('b', { type: 'Noted', data: { text: 'three' } })
    const counts = await project(notes, Counts)
    await counts.caughtUp()
    await counts.close()
    await notes.append('b', { type: 'Noted', data: { text: 'four' } })
  })
}

test('categories, streams and one stream are shown, for people and as JSON', async () => {
  await filled()
  expect((await events()).out).toMatch(/^category +streams +next position +size\nnote +2 +4 /)
  expect((await events('--streams')).out).toBe('stream  version  kept from\na             2          1\nb             2          1\n')
  const shown = await events('--stream', 'a')
  expect(shown).toMatchObject({ code: 0, err: '' })
  expect(shown.out).toMatch(/^a {2}version 2\nversion.*\n +1 .*Noted +\{"text":"one"\}\n +2 /)
  const { out } = await events('--stream', 'a', '--from', '2', '--json')
  expect(JSON.parse(out)).toMatchObject({ type: 'Noted', data: { text: 'two' }, stream: 'a', version: 2, position: 1 })
  expect(await events('--stream', 'c')).toMatchObject({ code: 2, err: expect.stringContaining('there is no stream "c"') as string })
})

test('projections are shown with their lag, and one that is to be built anew is when it runs again', async () => {
  await filled()
  expect((await events('--projections')).out).toMatch(/\ncounts +1 +3 +4 +1 +live\n$/)
  expect(await events('--rebuild', 'count')).toMatchObject({ code: 2, err: expect.stringContaining('did you mean "counts"?') as string })
  expect(await events('--rebuild', 'counts')).toMatchObject({ code: 0, out: 'counts, version 1, is built anew when it runs again\n' })
  expect((await events('--rebuild', 'counts')).out).toBe('counts, version 1, is being built anew already\n')
  expect((await events('--projections')).lines).toHaveLength(3)
  await withStore(async (notes) => {
    const counts = await project(notes, Counts)
    await counts.rebuild()
    expect([...counts.entries()]).toEqual([['a', 2], ['b', 2]])
    await counts.close()
  })
  const { out } = await events('--projections', '--json')
  expect(JSON.parse(out)).toEqual({ category: 'note', projection: 'counts', version: 1, generation: 2, position: 4, end: 4, lag: 0, live: true })
})

test('events are exported, further ones too, and imported once', async () => {
  await filled()
  const file = join(root, 'notes.ndjson')
  expect((await events('--export', file)).out).toBe(`4 events: ${file}\n`)
  await withStore((notes) => notes.append('c', { type: 'Noted', data: { text: 'five' } }))
  expect((await events('--export', file)).out).toBe(`1 event: ${file}\n`)
  const lines = readFileSync(file, 'utf8')
  expect((await events('--export', '-')).out).toBe(lines)
  const source = data
  data = join(root, 'copy')
  await (await CommitLog.open(data)).close()
  expect((await events('--category', 'note', '--import', file)).out).toBe('5 events stored\n')
  expect((await events('--import', file)).out).toBe('0 events stored, 5 passed over\n')
  expect((await events('--export', '-')).out).toBe(lines)
  data = source
  writeFileSync(file, 'no event\n')
  expect(await events('--export', file)).toMatchObject({ code: 1, err: expect.stringContaining('LOG_FILE_MISMATCH') as string })
  expect(readFileSync(file, 'utf8')).toBe('no event\n')
  expect(await events('--import', file)).toMatchObject({ code: 1, err: expect.stringContaining('line 1 is no JSON') as string })
})

test('streams are archived to a file and deleted, and the file is imported elsewhere', async () => {
  await filled()
  const file = join(root, 'old.ndjson.gz')
  expect((await events('--archive', file, '--id', 'a')).out).toBe(`2 events: ${file}; 1 stream deleted\n`)
  expect((await events('--streams')).out).toMatch(/\na +2 +deleted\nb +2 +1\n$/)
  expect(await events('--archive', file, '--id', 'a')).toMatchObject({ code: 0, out: `2 events: ${file} (was there); 1 stream deleted\n` })
  const { out } = await events('--archive', join(root, 'rest.ndjson'), '--before', '2100-01-01', '--json')
  expect(JSON.parse(out)).toMatchObject({ category: 'note', archived: ['b'], kept: [], events: 2, resumed: false })
  data = join(root, 'copy')
  await (await CommitLog.open(data)).close()
  expect((await events('--category', 'note', '--import', join(root, 'rest.ndjson'))).out).toBe('2 events stored\n')
  expect((await events('--import', file)).out).toBe('2 events stored\n')
  expect((await events('--streams')).out).toMatch(/\nb +2 +1\na +2 +1\n$/)
  for (const words of [['--archive', 'x'], ['--archive', 'x', '--id', 'a', '--before', '2020'], ['--before', '2020'], ['--id', 'a'],
    ['--archive', 'x', '--before', 'long ago']]) {
    expect(await events(...words)).toMatchObject({ code: 2, err: expect.stringContaining('--') as string })
  }
})

/** Five events in each of two categories, of streams with the same names. */
async function twoCategories(): Promise<void> {
  const log = await CommitLog.open(data)
  for (const category of ['a', 'b']) {
    const store = await eventStore<Noted>(log, { category })
    for (let number = 0; number < 5; number++) await store.append('same', { type: 'Noted', data: { text: `${category} ${number}` } })
    await store.append(`only-${category}`, { type: 'Noted', data: { text: category } })
  }
  await log.close()
}

test('a file of another category is not gone on with, by an export or an archive, and stays as it is', async () => {
  await twoCategories()
  const [exported, archived] = [join(root, 'a.ndjson'), join(root, 'a.archive.ndjson')]
  await events('--category', 'a', '--export', exported)
  await events('--category', 'a', '--archive', archived, '--id', 'only-a')
  const before = [exported, archived].map((file) => readFileSync(file, 'utf8'))
  const refused = { code: 1, out: '', err: expect.stringContaining('(LOG_FILE_MISMATCH)') as string }
  expect(await events('--category', 'b', '--export', exported)).toMatchObject(refused)
  expect(await events('--category', 'b', '--archive', archived, '--id', 'only-b')).toMatchObject(refused)
  expect(await events('--category', 'b', '--archive', archived, '--before', '2100-01-01')).toMatchObject(refused)
  expect(await events('--category', 'b', '--archive', archived, '--before', '2020-01-01')).toMatchObject(refused)
  // The second night of an archive with one name.
  expect(await events('--category', 'a', '--archive', archived, '--id', 'same')).toMatchObject(refused)
  // Streams of one name, with other events.
  expect(await events('--category', 'b', '--archive', exported, '--id', 'same')).toMatchObject({
    code: 1, out: `6 events: ${exported} (was there); 0 streams deleted, 1 kept: not as the file has them (same)\n`,
  })
  for (const content of ['a letter to somebody', '{"a":1}\n', '{"type":"Noted","stream":"same","version":5,"position":4,"id":"x","data":{}}\n']) {
    const file = join(root, 'other')
    writeFileSync(file, content)
    expect(await events('--category', 'b', '--export', file)).toMatchObject(refused)
    expect(readFileSync(file, 'utf8')).toBe(content)
  }
  expect([exported, archived].map((file) => readFileSync(file, 'utf8'))).toEqual(before)
  expect((await events('--category', 'b', '--streams')).lines).toHaveLength(3)
})

test('an export goes on behind events that were forgotten and freed since, and behind half a line', async () => {
  await filled()
  const file = join(root, 'notes.ndjson')
  await events('--export', file)
  await withStore(async (notes) => {
    await deleteStream(notes, 'b')
    await freeForgotten(notes)
    await notes.append('c', { type: 'Noted', data: { text: 'five' } })
  })
  appendFileSync(file, '{"type":"Noted","da')
  expect(await events('--export', file)).toMatchObject({ code: 0, out: `2 events: ${file}\n` })
  await withStore((notes) => deleteStream(notes, 'c'))
  expect(await events('--export', file)).toMatchObject({ code: 0, out: `1 event: ${file}\n` })
  expect(readFileSync(file, 'utf8').trimEnd().split('\n').map((line) => (JSON.parse(line) as { type: string }).type))
    .toEqual(['Noted', 'Noted', 'Noted', 'Noted', '$forgotten', 'Noted', '$forgotten'])
  writeFileSync(file, '{"type":"No')
  expect((await events('--export', file)).code).toBe(0)
})

test('an archive of nothing makes no file, and streams that do not exist are an error', async () => {
  await filled()
  const file = join(root, 'old.ndjson')
  expect(await events('--archive', file, '--id', 'nope')).toMatchObject({ code: 2, err: expect.stringContaining('no stream "nope"') as string })
  expect(await events('--archive', file, '--before', '2020-01-01')).toMatchObject({ code: 0, out: `no events to archive: ${file} is not made\n` })
  await withStore((notes) => deleteStream(notes, 'a'))
  expect(await events('--archive', file, '--id', 'a')).toMatchObject({ code: 1, err: expect.stringContaining('were deleted before: a') as string })
  expect(existsSync(file)).toBe(false)
  await events('--archive', file, '--id', 'b')
  expect(await events('--archive', file, '--id', 'a')).toMatchObject({ code: 1, err: expect.stringContaining('were deleted before: a') as string })
})

test('a category that is imported is written as it was, also where JSON does not hold the data', async () => {
  const log = await CommitLog.open(data)
  const kept = await eventStore<{ type: 'Kept', data: unknown }>(log, { category: 'kept', value: msgpack() })
  const values = [{ plain: 1 }, { at: new Date(5), size: 5n }]
  for (const value of values) await kept.append('s', { type: 'Kept', data: value })
  await log.close()
  const file = join(root, 'kept.ndjson')
  await events('--export', file)
  data = join(root, 'copy')
  await (await CommitLog.open(data)).close()
  expect((await events('--category', 'kept', '--import', file)).out).toBe('2 events stored\n')
  expect((await events('--category', 'kept', '--import', file)).out).toBe('0 events stored, 2 passed over\n')
  expect(await events('--category', 'plain', '--value', 'json', '--import', file)).toMatchObject({
    code: 1, err: expect.stringContaining('the store writes by "json" (LOG_DECODE_FAILED)') as string,
  })
  expect(await events('--category', 'kept', '--value', 'json', '--import', file)).toMatchObject({ code: 2 })
  expect(await events('--category', 'new', '--value', 'nope', '--import', file)).toMatchObject({ code: 1 })
  expect(await events('--renumber')).toMatchObject({ code: 2, err: expect.stringContaining('--renumber goes with --import') as string })
  const copy = await CommitLog.open(data)
  const again = await eventStore<{ type: 'Kept', data: unknown }>(copy, { category: 'kept', value: msgpack() })
  expect((await again.read('s')).events.map((event) => event.data)).toEqual(values)
  await copy.close()
})

test('an archive comes back into its own category with new versions, and not without a word', async () => {
  await filled()
  const file = join(root, 'old.ndjson')
  await events('--archive', file, '--id', 'a')
  expect(await events('--import', file)).toMatchObject({ code: 1, err: expect.stringMatching(/was forgotten here.*LOG_VERSION_CONFLICT/) as string })
  expect((await events('--import', file, '--pass-forgotten')).out).toBe('0 events stored, 2 passed over\n')
  expect((await events('--import', file, '--renumber')).out).toBe('2 events stored\n')
  expect((await events('--import', file, '--renumber')).out).toBe('0 events stored, 2 passed over\n')
  expect((await events('--streams')).out).toMatch(/\na +4 +3\n/)
})

test('lines with neither id nor version are told, since a second import stores them again', async () => {
  await (await CommitLog.open(data)).close()
  const file = join(root, 'own.ndjson')
  writeFileSync(file, '{"type":"Noted","stream":"a","data":{}}\n{"type":"Noted","stream":"a","data":{},"id":"x"}\n')
  const { out } = await events('--category', 'own', '--import', file)
  expect(out).toMatch(/^2 events stored; 1 had neither id nor version: another import .* again\n$/)
})

test('events of several versions of their type are shown, exported and imported as they are stored', async () => {
  const log = await CommitLog.open(data)
  const upcast = { 1: (given: object) => given }
  const notes = await eventStore<Noted>(log, { category: 'note', versions: { Noted: { version: 2, upcast } } })
  await notes.append('a', { type: 'Noted', data: { text: 'two' } })
  await log.close()
  expect((await events('--stream', 'a')).out).toContain('{"text":"two"}')
  expect(JSON.parse((await events('--export', '-')).out)).toMatchObject({ data: { text: 'two' }, schema: 2 })
})

test('what makes no sense is refused', async () => {
  await (await CommitLog.open(data)).close()
  expect((await events()).out).toBe('no events\n')
  expect(await events('--streams')).toMatchObject({ code: 2, err: expect.stringContaining('there are no events in') as string })
  expect(await events('--streams', '--projections')).toMatchObject({ code: 2, err: expect.stringContaining('exclude each other') as string })
  expect(await events('--from', '5')).toMatchObject({ code: 2, err: expect.stringContaining('--from goes with') as string })
})
