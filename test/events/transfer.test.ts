import { expect, test } from 'vitest'
import { defineEvents } from '../../src/events/define-events.ts'
import { eventStore, type LocalEventStore } from '../../src/events/event-store.ts'
import { exportEvents, importEvents } from '../../src/events/transfer.ts'
import { collect, failure, memoryLog } from '../topics/harness.ts'

interface Noted { readonly type: 'Noted' | 'Other'; readonly data: { readonly number: number } }

const Notes = defineEvents<Noted>('note')
const store = async (): Promise<LocalEventStore<Noted>> => eventStore(await memoryLog(), Notes)

async function filled(count: number): Promise<LocalEventStore<Noted>> {
  const notes = await store()
  await Promise.all(Array.from({ length: count }, (_, number) => notes.append(`s-${number % 7}`, {
    type: number % 3 === 0 ? 'Other' : 'Noted', data: { number }, time: 1000 + number,
    ...(number % 2 === 0 && { metadata: { by: 'me', correlation: 'c' } }),
  })))
  return notes
}
const linesOf = async (notes: LocalEventStore<Noted>, options = {}): Promise<string[]> => (
  (await collect(exportEvents(notes, options))).map(({ line }) => line)
)
const eventsOf = async (notes: LocalEventStore<Noted>): Promise<unknown[]> => (
  (await collect(notes.all({ until: 'end' }))).map((event) => JSON.parse(JSON.stringify(event)) as unknown)
)

test('what is imported is what was exported: ids, versions, times, order and metadata', async () => {
  const notes = await filled(2000)
  const copy = await store()
  const told: number[] = []
  const done = await importEvents(copy, await linesOf(notes), { onProgress: ({ lines }) => told.push(lines) })
  expect(done).toEqual({ lines: 2000, imported: 2000, duplicates: 0 })
  expect(await eventsOf(copy)).toEqual(await eventsOf(notes))
  expect(told.at(-1)).toBe(2000)
})

test('an import that was broken off is begun again, and stores each event once', async () => {
  const notes = await filled(700)
  const lines = await linesOf(notes)
  const copy = await store()
  const broken = async function* (): AsyncIterable<string> {
    yield* lines.slice(0, 333)
    throw new Error('the line was cut')
  }
  expect((await failure(() => importEvents(copy, broken()))).message).toBe('the line was cut')
  const second = await importEvents(copy, lines)
  expect(second.lines).toBe(700)
  expect(second.imported + second.duplicates).toBe(700)
  expect(second.duplicates).toBeGreaterThan(250)
  expect(await eventsOf(copy)).toEqual(await eventsOf(notes))
})

test('an export goes on behind a position, and may be of some types', async () => {
  const notes = await filled(30)
  const all = await linesOf(notes)
  expect(await linesOf(notes, { from: 20 })).toEqual(all.slice(20))
  expect(await linesOf(notes, { types: ['Other'] })).toEqual(all.filter((line) => line.includes('"Other"')))
})

test('an event that cannot get its version ends the import, unless versions are given anew', async () => {
  const copy = await store()
  const lines = ['{"type":"Noted","stream":"s","version":5,"data":{"number":1},"id":"a"}', '', '{"type":"Noted","stream":"s","data":{"number":2}}']
  const refused = await failure(() => importEvents(copy, lines))
  expect(refused).toMatchObject({ code: 'LOG_VERSION_CONFLICT', detail: { stream: 's', expected: 4, current: 0 } })
  expect(await importEvents(copy, lines, { renumber: true })).toEqual({ lines: 2, imported: 2, duplicates: 0 })
  expect((await copy.read('s')).version).toBe(2)
})

for (const line of ['{', '5', '{"type":"Noted"}', '{"type":"Noted","stream":"s","version":0}', '{"type":"Noted","stream":"s","time":"now"}',
  '{"type":"","stream":"s"}',
  '{"type":"Noted","stream":""}', '{"type":"Noted","stream":"s","time":-5}']) {
  test(`the line ${line} is no event`, async () => {
    expect(await failure(async () => importEvents(await store(), ['', line]))).toMatchObject({ code: 'LOG_DECODE_FAILED', detail: { line: 1 } })
  })
}

test('an import with new versions is begun again too, however many ids it has', async () => {
  const copy = await eventStore<Noted>(await memoryLog(), { category: 'copy' }, { idWindow: 256 })
  const lines = Array.from({ length: 900 }, (_, number) => (
    JSON.stringify({ type: 'Noted', stream: `s-${number % 7}`, version: 1 + Math.floor(number / 7), id: `id-${number}`, data: { number } })
  ))
  await importEvents(copy, lines.slice(0, 700), { renumber: true })
  expect(await importEvents(copy, lines, { renumber: true })).toEqual({ lines: 900, imported: 200, duplicates: 700 })
  expect(copy.nextPosition).toBe(900)
})
