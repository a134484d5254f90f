/*
 * Events as lines: what comes in is what went out, whatever it is and wherever it is broken off.
 */
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { defineEvents } from '../../src/events/define-events.ts'
import { eventStore, type LocalEventStore } from '../../src/events/event-store.ts'
import { deleteStream, freeForgotten, listStreams, truncateStream } from '../../src/events/forgetting.ts'
import { isForgotten } from '../../src/events/forgotten.ts'
import { shredded } from '../../src/events/shredding.ts'
import { memoryKeys } from '../../src/events/subject-keys.ts'
import { exportEvents, importEvents } from '../../src/events/transfer.ts'
import { type RecordedEvent } from '../../src/events/types.ts'
import { type CommitLog, msgpack } from '../../src/index.ts'
import { collect, diskLog, failure, freshFolder, memoryLog } from '../topics/harness.ts'

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
  expect(done).toEqual({ lines: 2000, imported: 2000, duplicates: 0, unnamed: 0 })
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
  expect(await importEvents(copy, lines, { renumber: true })).toEqual({ lines: 2, imported: 2, duplicates: 0, unnamed: 1 })
  expect((await copy.read('s')).version).toBe(2)
})

for (const line of ['{', '5', '{"type":"Noted"}', '{"type":"Noted","stream":"s","version":0}', '{"type":"Noted","stream":"s","time":"now"}',
  '{"type":"","stream":"s"}',
  '{"type":"Noted","stream":""}', '{"type":"Noted","stream":"s","time":-5}', '{"type":"Noted","stream":"s","schema":0}',
  '{"type":"Noted","stream":"$reactor-x","data":{}}', '{"type":"$forgotten","stream":"s"}', '{"type":"$checkpoint","stream":"s","data":{}}',
  '{"type":"Noted","stream":"s","schema":1,"data":{},"metadata":5}', '{"type":"Noted","stream":"s","codec":"msgpack","bytes":"gA=="}',
  '{"type":"Noted","stream":"s","codec":"json","bytes":"gA=="}', '{"type":"$forgotten","stream":"","version":2}']) {
  test(`the line ${line} is no event`, async () => {
    expect(await failure(async () => importEvents(await store(), ['', line]))).toMatchObject({ code: 'LOG_DECODE_FAILED', detail: { line: 2 } })
  })
}

test('an import with new versions is begun again too, however many ids it has', async () => {
  const copy = await eventStore<Noted>(await memoryLog(), { category: 'copy' }, { idWindow: 256 })
  const lines = Array.from({ length: 900 }, (_, number) => (
    JSON.stringify({ type: 'Noted', stream: `s-${number % 7}`, version: 1 + Math.floor(number / 7), id: `id-${number}`, data: { number } })
  ))
  await importEvents(copy, lines.slice(0, 700), { renumber: true })
  expect(await importEvents(copy, lines, { renumber: true })).toEqual({ lines: 900, imported: 200, duplicates: 700, unnamed: 0 })
  expect(copy.nextPosition).toBe(900)
})

test('a time before 1970, which no record of Kafka can have, ends an import with the number of its line', async () => {
  const lines = ['{"type":"Noted","stream":"s","data":{},"time":0}', '{"type":"Noted","stream":"s","data":{},"time":-86400000}']
  const refused = await failure(async () => importEvents(await store(), lines))
  expect(refused).toMatchObject({ code: 'LOG_DECODE_FAILED', detail: { line: 2, field: 'time' } })
  expect(refused.message).toMatch(/line 2 .*since 1970.*keep times before 1970 in the data/)
})

test('streams that have forgotten something come in as they went out: truncated, begun again and deleted', async () => {
  const notes = await store()
  for (let number = 1; number <= 6; number++) {
    for (const stream of ['whole', 'short', 'again', 'gone']) await notes.append(stream, { type: 'Noted', data: { number } })
  }
  await truncateStream(notes, 'short', { before: 4 })
  await deleteStream(notes, 'again')
  await notes.append('again', { type: 'Noted', data: { number: 7 } }, { expected: 'none' })
  await deleteStream(notes, 'gone')
  const lines = await linesOf(notes)
  for (const freed of [false, true]) {
    if (freed) await freeForgotten(notes)
    const copy = await store()
    // Whatever place it is broken off at, it is begun again.
    for (let end = 1; end < lines.length; end += 3) await importEvents(copy, lines.slice(0, end))
    const done = await importEvents(copy, freed ? await linesOf(notes) : lines)
    expect(done.imported + done.duplicates).toBe(6 + 3 + 1)
    expect(await collect(listStreams(copy))).toEqual(expect.arrayContaining(await collect(listStreams(notes))))
    expect((await collect(listStreams(copy))).length).toBe(4)
    for (const stream of ['whole', 'short', 'again', 'gone']) {
      const [was, is] = [await notes.read(stream), await copy.read(stream)]
      expect([is.version, is.exists, is.events.map(plain)]).toEqual([was.version, was.exists, was.events.map(plain)])
    }
    expect(await linesOf(copy)).toHaveLength(lines.length)
    expect((await copy.append('gone', { type: 'Noted', data: { number: 8 } }, { expected: 'none' })).version).toBe(7)
  }
})

test('a copy of streams that have forgotten something is the same after a restart without its index', async () => {
  const notes = await store()
  for (let number = 1; number <= 6; number++) await notes.append('short', { type: 'Noted', data: { number } })
  for (let number = 1; number <= 2; number++) await notes.append('gone', { type: 'Noted', data: { number } })
  await truncateStream(notes, 'short', { before: 5 })
  await deleteStream(notes, 'gone')
  const folder = freshFolder()
  const log = await diskLog(folder)
  const copy = await eventStore(log, Notes)
  await importEvents(copy, await linesOf(notes))
  await copy.append('gone', { type: 'Noted', data: { number: 3 } })
  const read = async (from: LocalEventStore<Noted>): Promise<unknown> => Promise.all(['short', 'gone'].map(async (stream) => {
    const { version, events } = await from.read(stream)
    return [version, events.map(plain)]
  }))
  const before = await read(copy)
  await log.close()
  rmSync(join(folder, 'note-0', 'events-index'), { force: true })
  expect(await read(await eventStore(await diskLog(folder), Notes))).toEqual(before)
})

test('an export that goes on has the beginning of a stream again that has forgotten something', async () => {
  const notes = await store()
  for (let number = 1; number <= 4; number++) await notes.append('s', { type: 'Noted', data: { number } })
  await truncateStream(notes, 's', { before: 3 })
  const all = await collect(exportEvents(notes))
  expect(all.map(({ line }) => (JSON.parse(line) as { type: string }).type)).toEqual(['$forgotten', 'Noted', 'Noted', '$forgotten'])
  for (const [index, { position }] of all.entries()) {
    expect((await linesOf(notes, { from: position + 1 })).at(-1)).toBe(index === all.length - 1 ? undefined : all.at(-1)!.line)
  }
})

test('what is encrypted goes out and comes in so, whoever was forgotten', async () => {
  const keys = memoryKeys()
  for (const subject of ['ada', 'bob']) await keys.create(subject)
  const People = defineEvents<Person>('person', { value: shredded<Person['data']>({ keys, subject: ({ id }) => id, fields: ['name'] }) })
  const people = await eventStore(await memoryLog(), People)
  for (const id of ['ada', 'bob', 'eve']) {
    if (id !== 'eve') await people.append(id, { type: 'Registered', data: { id, name: `the name of ${id}`, plan: 'gold' } })
  }
  await keys.forget('ada')
  const lines = (await collect(exportEvents(people))).map(({ line }) => line)
  expect(lines.join('')).not.toContain('the name of')
  const copy = await eventStore(await memoryLog(), People)
  expect(await importEvents(copy, lines)).toMatchObject({ imported: 2 })
  expect(await importEvents(copy, lines)).toMatchObject({ imported: 0, duplicates: 2 })
  const [ada, bob] = [(await copy.read('ada')).events[0]!.data, (await copy.read('bob')).events[0]!.data]
  expect([isForgotten(ada), { ...ada }, bob]).toEqual([true, { id: 'ada', plan: 'gold' }, { id: 'bob', name: 'the name of bob', plan: 'gold' }])
  expect((await collect(exportEvents(copy))).map(({ line }) => line)).toEqual(lines)
  const clear = (await collect(exportEvents(people, { data: 'read' }))).map(({ line }) => JSON.parse(line) as { data: unknown })
  expect(clear.map(({ data }) => data)).toEqual([{ id: 'ada', plan: 'gold' }, { id: 'bob', name: 'the name of bob', plan: 'gold' }])
  const forged = lines[1]!.replace(/"[\w+/=]{40,}"/, `"${Buffer.alloc(50).toString('base64')}"`)
  expect(await failure(async () => importEvents(await eventStore(await memoryLog(), People), [forged]))).toMatchObject({
    code: 'LOG_DECODE_FAILED', detail: { line: 1 },
  })
})

test('data of an older version of its type goes out and comes in as that', async () => {
  const log = await memoryLog()
  const versions = { Noted: { version: 2, upcast: { 1: ({ number }: { number: number }) => ({ number: number * 10 }) } } }
  const old = await eventStore(log, Notes)
  await old.append('s', { type: 'Noted', data: { number: 1 } })
  const notes = await eventStore<Noted>(log, { category: 'note', versions })
  await notes.append('s', { type: 'Noted', data: { number: 20 } })
  const lines = await linesOf(old)
  expect(lines.map((line) => JSON.parse(line) as object)).toMatchObject([{ data: { number: 1 }, schema: 1 }, { data: { number: 20 }, schema: 2 }])
  const copy = await eventStore<Noted>(await memoryLog(), { category: 'note', versions })
  await importEvents(copy, lines)
  expect((await copy.read('s')).events.map(({ data }) => data)).toEqual([{ number: 10 }, { number: 20 }])
  expect((await linesOf(notes, { data: 'read' })).map((line) => (JSON.parse(line) as Noted).data)).toEqual([{ number: 10 }, { number: 20 }])
  expect((await copy.read('s')).events.map(({ data }) => data)).toEqual([{ number: 10 }, { number: 20 }])
})

test('what JSON does not hold goes out as bytes beside it', async () => {
  type Kept = { readonly type: 'Kept'; readonly data: unknown }
  const kept = (log: CommitLog): Promise<LocalEventStore<Kept>> => eventStore<Kept>(log, { category: 'kept', value: msgpack() })
  const from = await kept(await memoryLog())
  const values = [{ plain: 1 }, { at: new Date(5), size: 5n, of: new Map([[1, 'one']]), bytes: Buffer.from('x') }, null]
  for (const data of values) await from.append('s', { type: 'Kept', data })
  const lines = (await collect(exportEvents(from))).map(({ line }) => line)
  expect(lines.map((line) => 'bytes' in (JSON.parse(line) as object))).toEqual([false, true, false])
  const copy = await kept(await memoryLog())
  await importEvents(copy, lines)
  expect((await copy.read('s')).events.map(({ data }) => data)).toEqual((await from.read('s')).events.map(({ data }) => data))
})

test('lines of one stream without versions keep their order, though ids of some may be known', async () => {
  const copy = await eventStore<Noted>(await memoryLog(), { category: 'copy' }, { idWindow: 64 })
  const lines = Array.from({ length: 600 }, (_, number) => JSON.stringify({ type: 'Noted', stream: 's', id: `id-${number}`, data: { number } }))
  await importEvents(copy, lines.filter((_, number) => number % 50 === 0))
  await importEvents(copy, lines)
  const numbers = (await copy.read('s')).events.map(({ data }) => data.number).filter((number) => number % 50 !== 0)
  expect(numbers).toEqual(numbers.toSorted((a, b) => a - b))
  expect(copy.head('s')).toBe(600)
})

type Person = { readonly type: 'Registered'; readonly data: { readonly id: string; readonly name?: string; readonly plan: string } }

/** What an import keeps of an event: all but its position. */
function plain({ type, data, stream, version, id, time, metadata }: RecordedEvent<Noted>): unknown {
  return { type, data, stream, version, id, time, metadata }
}

test('an import that is refused has forgotten nothing of a stream that was there', async () => {
  const [notes, copy] = [await store(), await store()]
  for (let number = 1; number <= 4; number++) {
    await notes.append('s', { type: 'Noted', data: { number } })
    await copy.append('s', { type: 'Noted', data: { number: 10 * number } })
  }
  const goesOn = await store()
  await importEvents(goesOn, await linesOf(notes))
  await truncateStream(notes, 's', { before: 4 })
  const lines = await linesOf(notes)
  expect(await failure(() => importEvents(copy, lines))).toMatchObject({ code: 'LOG_VERSION_CONFLICT', detail: { line: 2 } })
  expect((await copy.read('s')).events.map(({ data }) => data)).toEqual([10, 20, 30, 40].map((number) => ({ number })))
  // A copy of the same stream forgets what it has forgotten.
  await importEvents(goesOn, lines)
  expect((await goesOn.read('s')).events.map(({ version }) => version)).toEqual([4])
})

test('a stream cannot have forgotten more versions than there can be', async () => {
  const notes = await store()
  const refused = await failure(() => importEvents(notes, ['{"type":"$forgotten","stream":"s","version":4294967301}']))
  expect(refused).toMatchObject({ code: 'LOG_DECODE_FAILED', detail: { line: 1 } })
  await importEvents(notes, ['{"type":"$forgotten","stream":"s","version":2147483647}'])
  await notes.append('s', { type: 'Noted', data: { number: 1 } })
  expect((await notes.read('s')).events.map(({ version }) => version)).toEqual([2147483647])
})

test('what is here is forgotten only where lines show that it is the same, or by choice', async () => {
  const [notes, copy] = [await store(), await store()]
  for (let number = 1; number <= 4; number++) await notes.append('s', { type: 'Noted', data: { number } })
  for (let number = 1; number <= 2; number++) await copy.append('s', { type: 'Noted', data: { number: 10 * number } })
  await truncateStream(notes, 's', { before: 4 })
  const truncated = await linesOf(notes)
  const conflict = { code: 'LOG_VERSION_CONFLICT', detail: { line: 1, stream: 's', version: 4, current: 2 } }
  expect(await failure(() => importEvents(copy, truncated))).toMatchObject(conflict)
  await deleteStream(notes, 's')
  const [deleted] = (await linesOf(notes)).slice(-1)
  for (const own of [2, 4]) {
    while (copy.head('s') < own) await copy.append('s', { type: 'Noted', data: { number: 10 * copy.head('s') } })
    expect(await failure(() => importEvents(copy, [deleted!]))).toMatchObject({ code: 'LOG_VERSION_CONFLICT', detail: { version: 5, current: own } })
    expect((await copy.read('s')).events).toHaveLength(own)
  }
  await importEvents(copy, [deleted!], { forget: true })
  expect([copy.head('s'), copy.exists('s')]).toEqual([4, false])
  // Once more, there is nothing that it could forget.
  await importEvents(copy, [deleted!])
})

test('events that were forgotten here do not come back by an import, and it says so', async () => {
  const notes = await store()
  for (let number = 1; number <= 4; number++) {
    await notes.append('s', { type: 'Noted', data: { number }, ...(number % 2 === 0 && { id: `n-${number}` }) })
  }
  const lines = await linesOf(notes)
  await truncateStream(notes, 's', { before: 4 })
  const refused = await failure(() => importEvents(notes, lines))
  expect(refused).toMatchObject({ code: 'LOG_VERSION_CONFLICT', detail: { line: 1, stream: 's', version: 1 } })
  expect(await importEvents(notes, lines, { passForgotten: true })).toMatchObject({ imported: 0, duplicates: 4 })
  // An id that is remembered is that of an event which is forgotten: it is not passed over as if it were there.
  const again = await failure(() => importEvents(notes, lines.slice(1), { renumber: true }))
  expect(again).toMatchObject({ code: 'LOG_EVENT_ID_TAKEN', detail: { line: 1, id: 'n-2' } })
  expect((await notes.read('s')).events.map(({ version }) => version)).toEqual([4])
})

test('lines that have neither id nor version are counted: they are stored again', async () => {
  const notes = await store()
  const lines = ['{"type":"Noted","stream":"s","data":{"number":1}}', '{"type":"Noted","stream":"s","version":2,"data":{"number":2}}']
  expect(await importEvents(notes, lines)).toEqual({ lines: 2, imported: 2, duplicates: 0, unnamed: 1 })
  expect(await importEvents(notes, lines.slice(0, 1))).toEqual({ lines: 1, imported: 1, duplicates: 0, unnamed: 1 })
})

for (const lines of ['{"type":"Noted"}\n', Buffer.from('{}'), undefined, null, 7, {}, [Buffer.from('{}')], [undefined]]) {
  test(`${JSON.stringify(lines)} are no lines`, async () => {
    expect(await failure(async () => importEvents(await store(), lines as never))).toBeInstanceOf(TypeError)
  })
}

test('an import that is given up in the middle of its lines has not ended well', async () => {
  const stop = new AbortController()
  const lines = async function* (): AsyncIterable<string> {
    yield '{"type":"Noted","stream":"s","data":{"number":1}}'
    stop.abort(new Error('enough'))
  }
  expect((await failure(async () => importEvents(await store(), lines(), { signal: stop.signal }))).message).toBe('enough')
})

test('an export goes on behind a line of its own events, and behind no other', async () => {
  const [notes, other] = [await filled(30), await filled(30)]
  const lines = await linesOf(notes)
  expect(await linesOf(notes, { after: lines[19] })).toEqual(lines.slice(20))
  expect(await linesOf(notes, { after: lines[19], from: 25 })).toEqual(lines.slice(25))
  expect(await linesOf(notes, { after: lines.at(-1) })).toEqual([])
  for (const after of [(await linesOf(other))[19], '', 'no line', '{}', lines[19]!.replace('"position":19', '"position":1e9'),
    '{"type":"$forgotten","stream":"s-1","version":2,"position":3}']) {
    expect(await failure(() => linesOf(notes, { after }))).toMatchObject({ code: 'LOG_FILE_MISMATCH' })
  }
  expect(await failure(() => linesOf(notes, { after: 5 }))).toBeInstanceOf(TypeError)
})
