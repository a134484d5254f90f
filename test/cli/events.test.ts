/*
 * Events through the command: categories, streams, projections, export and import.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { defineProjection, eventStore, type LocalEventStore, project } from '../../src/events/index.ts'
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
  expect(await events('--export', file)).toMatchObject({ code: 1, err: expect.stringContaining('is no event of an export') as string })
  expect(await events('--import', file)).toMatchObject({ code: 1, err: expect.stringContaining('line 1 is no JSON') as string })
})

test('streams are archived to a file and deleted, and the file is imported elsewhere', async () => {
  await filled()
  const file = join(root, 'old.ndjson.gz')
  expect((await events('--archive', file, '--id', 'a')).out).toBe(`2 events: ${file}; 1 stream deleted\n`)
  expect((await events('--streams')).out).toMatch(/\na +2 +deleted\nb +2 +1\n$/)
  expect((await events('--archive', file, '--id', 'b')).out).toBe(`2 events: ${file} (the file was there: its streams); 1 stream deleted\n`)
  const plain = join(root, 'old.ndjson')
  expect((await events('--archive', plain, '--before', '2020-01-01')).out).toBe(`0 events: ${plain}; 0 streams deleted\n`)
  const { out } = await events('--archive', join(root, 'rest.ndjson'), '--before', '2100-01-01', '--json')
  expect(JSON.parse(out)).toMatchObject({ category: 'note', archived: ['b'], kept: [], events: 2, resumed: false })
  data = join(root, 'copy')
  await (await CommitLog.open(data)).close()
  expect((await events('--category', 'note', '--import', join(root, 'rest.ndjson'))).out).toBe('2 events stored\n')
  expect((await events('--streams')).out).toMatch(/\nb +2 +1\n$/)
  for (const words of [['--archive', 'x'], ['--archive', 'x', '--id', 'a', '--before', '2020'], ['--before', '2020'], ['--id', 'a'],
    ['--archive', 'x', '--before', 'long ago']]) {
    expect(await events(...words)).toMatchObject({ code: 2, err: expect.stringContaining('--') as string })
  }
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
