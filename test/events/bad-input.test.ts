/*
 * What makes no sense, at each door of the event store: a clear error with a stable code, nothing lost and nothing written.
 */
import { expect, test } from 'vitest'
import { defineEvents } from '../../src/events/define-events.ts'
import { eventStore, type LocalEventStore } from '../../src/events/event-store.ts'
import { deleteStream, listStreams, truncateStream } from '../../src/events/forgetting.ts'
import { projectInto } from '../../src/events/project-into.ts'
import { defineProjection } from '../../src/events/projection-types.ts'
import { project } from '../../src/events/projections.ts'
import { react } from '../../src/events/reactor.ts'
import { shredded } from '../../src/events/shredding.ts'
import { logKeys, memoryKeys } from '../../src/events/subject-keys.ts'
import { type EventShape, type NewEvent } from '../../src/events/types.ts'
import { type LogErrorCode } from '../../src/base/errors.ts'
import { bytes, type Codec, defineTopic, string } from '../../src/index.ts'
import { collect, failure, memoryLog } from '../topics/harness.ts'

type Noted = { readonly type: 'Noted'; readonly data: { readonly text: string } }
type Store = LocalEventStore<Noted>

const noted = (text: string): Noted => ({ type: 'Noted', data: { text } })
const event = (parts: object): Noted => ({ ...noted('x'), ...parts }) as Noted
const circular: Record<string, unknown> = {}
circular['self'] = circular
const fold = { initial: () => 0, evolve: (count: number) => count + 1 }

const appends: readonly (readonly [what: string, work: (store: Store) => unknown, code: LogErrorCode])[] = [
  ['an append of nothing', (store) => store.append('a', []), 'LOG_EVENT_INVALID'],
  ['an append to no streams', (store) => store.appendStreams([]), 'LOG_EVENT_INVALID'],
  ['an append of nothing to one of two', (store) => store.appendStreams([
    { stream: 'a', events: noted('x') }, { stream: 'b', events: [] },
  ]), 'LOG_EVENT_INVALID'],
  ['a stream that is there twice', (store) => store.appendStreams([
    { stream: 'a', events: noted('x') }, { stream: 'a', events: noted('x') },
  ]), 'LOG_EVENT_INVALID'],
  ['no event', (store) => store.append('a', null as unknown as Noted), 'LOG_EVENT_INVALID'],
  ['an event that is a word', (store) => store.append('a', [noted('x'), 'Noted' as unknown as Noted]), 'LOG_EVENT_INVALID'],
  ['no type', (store) => store.append('a', { data: {} } as Noted), 'LOG_EVENT_INVALID'],
  ['an empty type', (store) => store.append('a', event({ type: '' })), 'LOG_EVENT_INVALID'],
  ['a huge type', (store) => store.append('a', event({ type: 'x'.repeat(256) })), 'LOG_EVENT_INVALID'],
  ['a type of the store itself', (store) => store.append('a', event({ type: '$checkpoint' })), 'LOG_EVENT_INVALID'],
  ['an empty id', (store) => store.append('a', event({ id: '' })), 'LOG_EVENT_INVALID'],
  ['a huge id', (store) => store.append('a', event({ id: 'x'.repeat(1000) })), 'LOG_EVENT_INVALID'],
  ['an id that is a number', (store) => store.append('a', event({ id: 5 })), 'LOG_EVENT_INVALID'],
  ['one id twice', (store) => store.append('a', [event({ id: 'one' }), event({ id: 'one' })]), 'LOG_EVENT_ID_TAKEN'],
  ['a time before 1970', (store) => store.append('a', event({ time: -1 })), 'LOG_EVENT_INVALID'],
  ['a time with a fraction', (store) => store.append('a', event({ time: 0.5 })), 'LOG_EVENT_INVALID'],
  ['a time that is a date', (store) => store.append('a', event({ time: new Date() })), 'LOG_EVENT_INVALID'],
  ['metadata that is a list', (store) => store.append('a', event({ metadata: [] })), 'LOG_EVENT_INVALID'],
  ['metadata that is null', (store) => store.append('a', event({ metadata: null })), 'LOG_EVENT_INVALID'],
  ['metadata that is no JSON', (store) => store.append('a', event({ metadata: { size: 5n } })), 'LOG_EVENT_INVALID'],
  ['a correlation that is no text', (store) => store.append('a', event({ metadata: { correlation: 5 } })), 'LOG_EVENT_INVALID'],
  ['no data', (store) => store.append('a', event({ data: undefined })), 'LOG_EVENT_INVALID'],
  ['data that JSON does not know', (store) => store.append('a', event({ data: { size: 5n } })), 'LOG_EVENT_INVALID'],
  ['data that is a circle', (store) => store.append('a', [noted('x'), event({ data: circular })]), 'LOG_EVENT_INVALID'],
  ['an event too large', (store) => store.append('a', noted('x'.repeat(2_000_000))), 'LOG_RECORD_TOO_LARGE'],
  ['events too large together', (store) => store.append('a', Array.from({ length: 5 }, () => noted('x'.repeat(400_000)))), 'LOG_BATCH_TOO_LARGE'],
  ['an empty stream', (store) => store.append('', noted('x')), 'LOG_STREAM_INVALID'],
  ['a huge stream', (store) => store.append('x'.repeat(1025), noted('x')), 'LOG_STREAM_INVALID'],
  ['a huge stream of few characters', (store) => store.append('€'.repeat(342), noted('x')), 'LOG_STREAM_INVALID'],
  ['a stream that is no text', (store) => store.append('a\ud800', noted('x')), 'LOG_STREAM_INVALID'],
  ['a stream that is a number', (store) => store.append(5 as unknown as string, noted('x')), 'LOG_STREAM_INVALID'],
  ['a stream of the store itself', (store) => store.append('$reactor-x', noted('x')), 'LOG_STREAM_INVALID'],
  ['one of two streams that is empty', (store) => store.appendStreams([
    { stream: 'a', events: noted('x') }, { stream: '', events: noted('x') },
  ]), 'LOG_STREAM_INVALID'],
  ['a negative version', (store) => store.append('a', noted('x'), { expected: -1 }), 'LOG_VERSION_INVALID'],
  ['a fraction of a version', (store) => store.append('a', noted('x'), { expected: 1.5 }), 'LOG_VERSION_INVALID'],
  ['a version that is no number', (store) => store.append('a', noted('x'), { expected: NaN }), 'LOG_VERSION_INVALID'],
  ['an endless version', (store) => store.append('a', noted('x'), { expected: Infinity }), 'LOG_VERSION_INVALID'],
  ['a version as text', (store) => store.append('a', noted('x'), { expected: '1' as 'none' }), 'LOG_VERSION_INVALID'],
  ['a version as a bigint', (store) => store.append('a', noted('x'), { expected: 1n as unknown as number }), 'LOG_VERSION_INVALID'],
  ['an unknown word', (store) => store.append('a', noted('x'), { expected: 'never' as 'none' }), 'LOG_VERSION_INVALID'],
  ['an older version', (store) => store.append('a', noted('x'), { expected: 0 }), 'LOG_VERSION_CONFLICT'],
  ['a command of nothing that is an event', (store) => store.aggregate(fold).handle('a', () => ({}) as NewEvent<Noted>), 'LOG_EVENT_INVALID'],
  ['a command to no stream', (store) => store.aggregate(fold).handle('', () => noted('x')), 'LOG_STREAM_INVALID'],
  ['a command that expects a fraction', (store) => store.aggregate(fold).handle('a', () => noted('x'), { expected: 0.5 }), 'LOG_VERSION_INVALID'],
]

const reads: typeof appends = [
  ['an empty stream', (store) => store.read(''), 'LOG_STREAM_INVALID'],
  ['a huge stream', (store) => store.read('x'.repeat(2000)), 'LOG_STREAM_INVALID'],
  ['from version 0', (store) => store.read('a', { from: 0 }), 'LOG_VERSION_INVALID'],
  ['from a fraction', (store) => store.read('a', { from: 1.5 }), 'LOG_VERSION_INVALID'],
  ['to a negative version', (store) => store.read('a', { to: -1 }), 'LOG_VERSION_INVALID'],
  ['a position past the end', (store) => store.all({ from: 100 }), 'LOG_OFFSET_OUT_OF_RANGE'],
  ['the head of no stream', (store) => store.head(''), 'LOG_STREAM_INVALID'],
  ['whether no stream exists', (store) => store.exists('x'.repeat(2000)), 'LOG_STREAM_INVALID'],
  ['a state as of a fraction', (store) => store.aggregate(fold).load('a', { to: 1.5 }), 'LOG_VERSION_INVALID'],
  ['the state of no stream', (store) => store.aggregate(fold).load(''), 'LOG_STREAM_INVALID'],
  ['truncating no stream', (store) => truncateStream(store, '', { before: 1 }), 'LOG_STREAM_INVALID'],
  ['truncating before version 0', (store) => truncateStream(store, 'a', { before: 0 }), 'LOG_VERSION_INVALID'],
  ['truncating past the end', (store) => truncateStream(store, 'a', { before: 4 }), 'LOG_VERSION_INVALID'],
  ['truncating what never was', (store) => truncateStream(store, 'never', { before: 2 }), 'LOG_VERSION_INVALID'],
  ['deleting at a fraction', (store) => deleteStream(store, 'a', { expected: 1.5 }), 'LOG_VERSION_INVALID'],
  ['deleting at another version', (store) => deleteStream(store, 'a', { expected: 1 }), 'LOG_VERSION_CONFLICT'],
]

for (const [kind, table] of [['to append', appends], ['to read or forget', reads]] as const) {
  for (const [what, work, code] of table) {
    test(`${what}, ${kind}, is ${code}, and nothing is lost or written`, async () => {
      const log = await memoryLog()
      const store = await eventStore<Noted>(log, { category: 'note' })
      await store.append('a', [noted('one'), noted('two')])
      const before = await contents(store)
      const error = await failure(() => work(store))
      expect({ name: error.name, code: error.code }).toEqual({ name: 'LogError', code })
      expect(error.message.length).toBeGreaterThan(20)
      expect(await contents(store)).toEqual(before)
      expect(await store.append('a', noted('three'), { expected: 2 })).toMatchObject({ version: 3, position: 2, duplicate: false })
    })
  }
}

test('what only a program can get wrong is a TypeError or RangeError, as everywhere', async () => {
  const store = await eventStore<Noted>(await memoryLog(), { category: 'note' })
  const wrong: readonly (readonly [() => unknown, string])[] = [
    [() => store.append('a', noted('x'), { expcted: 1 } as object), 'TypeError'],
    [() => store.append('a', noted('x'), { signal: 5 } as object), 'TypeError'],
    [() => store.appendStreams({} as never), 'TypeError'],
    [() => store.read('a', { limit: -1 }), 'RangeError'],
    [() => store.read('a', { direction: 'up' as 'forward' }), 'TypeError'],
    [() => store.all({ from: -1 }), 'RangeError'],
    [() => store.all({ types: 'Noted' as never }), 'TypeError'],
    [() => store.aggregate({} as never), 'TypeError'],
    [() => defineEvents('__consumer_offsets'), 'TypeError'],
    [() => defineEvents('a b'), 'TypeError'],
    [() => project(store, {} as never), 'TypeError'],
    [() => react(store, { name: 'a b', handle: () => {} }), 'TypeError'],
    [() => projectInto(store, { name: 'a' } as never), 'TypeError'],
  ]
  for (const [work, name] of wrong) expect([String(work), (await failure(work)).name]).toEqual([String(work), name])
  expect(store.nextPosition).toBe(0)
})

test('events of types that nobody knows read as they are, and what cannot be brought to today says where', async () => {
  const log = await memoryLog()
  const old = await eventStore(log, { category: 'note' })
  await old.append('a', [{ type: 'Forgone', data: { by: 1 } }, { type: 'Noted', data: { words: 'one' } }, { type: 'Noted', data: { words: 'two' } }])
  let broken = true
  const upcast = { 1: ({ words }: { words: string }) => {
    if (broken) throw new Error('no words')
    return { text: words }
  } }
  const store = await eventStore<Noted>(log, { category: 'note', versions: { Noted: { version: 2, upcast } } })
  const { events } = await store.read('a')
  expect(events[0]).toMatchObject({ type: 'Forgone', data: { by: 1 } })
  const failed = await failure(() => events[1]!.data)
  expect(failed).toMatchObject({ code: 'LOG_CAST_FAILED', detail: { stream: 'a', version: 2, type: 'Noted', schema: 1 } })
  expect(await failure(() => store.aggregate({ initial: () => '', evolve: (_, { data }) => data.text }).load('a'))).toMatchObject({
    code: 'LOG_CAST_FAILED',
  })
  broken = false
  expect((await store.read('a')).events.map(({ data }) => data)).toEqual([{ by: 1 }, { text: 'one' }, { text: 'two' }])
})

test('data that a newer program wrote, and data that is damaged, says so', async () => {
  const log = await memoryLog()
  const newer = await eventStore(log, { category: 'note', versions: { Noted: { version: 3, upcast: { 1: same, 2: same } } } })
  await newer.append('a', { type: 'Noted', data: { text: 'x' } })
  const store = await eventStore<Noted>(log, { category: 'note' })
  const { events: [first] } = await store.read('a')
  expect(await failure(() => first!.data)).toMatchObject({ code: 'LOG_CAST_FAILED', detail: { schema: 3 } })
  const liar: Codec<Noted['data']> = { name: 'json', encode: (_, writer) => string.encode('{', writer), decode: () => ({ text: '' }) }
  const lies = await eventStore<Noted>(log, { category: 'lie', value: liar })
  await lies.append('a', noted('x'))
  const { events: [damaged] } = await (await eventStore<Noted>(log, { category: 'lie' })).read('a')
  expect(await failure(() => damaged!.data)).toMatchObject({ code: 'LOG_DECODE_FAILED' })
})

test('a projection that throws stops there, reports, goes on after a fix, and loses nothing', async () => {
  const store = await eventStore<Noted>(await memoryLog(), { category: 'note' })
  let broken = true
  const texts = await project(store, defineProjection<Noted, string[]>({
    name: 'texts', initial: () => [],
    on: {
      Noted: (row, { data }) => {
        if (broken && data.text === 'two') throw new Error('two is too many')
        return [...row, data.text]
      },
    },
  }))
  await store.append('a', [noted('one'), noted('two'), noted('three')])
  const failed = await failure(() => texts.caughtUp())
  expect(failed).toMatchObject({ code: 'LOG_PROJECTION_FAILED', detail: { name: 'texts', stream: 'a', version: 2, position: 1, type: 'Noted' } })
  expect(texts.progress()).toMatchObject({ status: 'failed', error: { code: 'LOG_PROJECTION_FAILED' } })
  broken = false
  await texts.resume()
  await texts.caughtUp()
  expect(texts.get('a')).toEqual(['one', 'two', 'three'])
  await texts.close()
})

test('data of somebody whose key is missing or gone is not stored, and what was stored reads as forgotten', async () => {
  const keys = memoryKeys()
  const value = shredded<Noted['data']>({ keys, subject: ({ text }) => text })
  const store = await eventStore<Noted>(await memoryLog(), { category: 'note', value })
  expect(await failure(() => store.append('a', noted('ada')))).toMatchObject({ code: 'LOG_KEY_MISSING', detail: { subject: 'ada' } })
  await keys.create('ada')
  await store.append('a', noted('ada'))
  await keys.forget('ada')
  expect(await failure(() => store.append('a', noted('ada')))).toMatchObject({ code: 'LOG_KEY_MISSING' })
  expect((await store.read('a')).events.map(({ version, data }) => [version, { ...data }])).toEqual([[1, {}]])
})

test('a store of keys that somebody else wrote to says whose key is none', async () => {
  const log = await memoryLog()
  const keys = await log.topic(defineTopic('subject-keys', { cleanupPolicy: 'compact', deleteRetentionMs: 0, value: bytes }))
  await keys.send({ key: 'ada', value: Buffer.from('short') })
  expect(await failure(() => logKeys(log))).toMatchObject({ code: 'LOG_DECODE_FAILED', detail: { subject: 'ada' } })
})

const same = (data: never): unknown => data

/** All that a store says that it has. */
async function contents(store: LocalEventStore<Noted>): Promise<unknown> {
  return {
    streams: await collect(listStreams(store)), next: store.nextPosition, head: store.head('a'),
    events: (await collect(store.all({ until: 'end' }))).map((one: EventShape) => one.data),
  }
}
