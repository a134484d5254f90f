/*
 * The contract of the event store: streams with expected versions, reads, the global order, and what is refused.
 */
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { defineEvents, deleteStream, eventStore } from '../../src/events/index.ts'
import { openStore } from '../../src/events/event-store.ts'
import { type CommitLog } from '../../src/topics/commit-log.ts'
import { collect, diskLog, failure, freshFolder, kinds, memoryLog } from '../topics/harness.ts'
import { added, type CartEvent, Carts, carts } from './harness.ts'

const versions = (events: readonly { readonly version: number }[]): number[] => events.map(({ version }) => version)

describe.each(kinds)('a store in $kind', ({ open }) => {
  test('gives the events of a stream versions from 1, and each a position', async () => {
    const store = await carts(await open())
    expect(await store.append('a', added('x'), { expected: 'none' }))
      .toEqual({ stream: 'a', version: 1, position: 0, created: true, duplicate: false })
    expect(await store.append('b', [added('x'), added('y')])).toMatchObject({ version: 2, position: 2, created: true })
    expect(await store.append('a', added('y'), { expected: 1 })).toMatchObject({ version: 2, position: 3, created: false })
    const { events, version, exists } = await store.read('a')
    expect({ version, exists }).toEqual({ version: 2, exists: true })
    const seen = events.map((event) => [event.stream, event.version, event.position, event.type])
    expect(seen).toEqual([['a', 1, 0, 'ItemAdded'], ['a', 2, 3, 'ItemAdded']])
    expect(events[1]!.data).toEqual({ sku: 'y', quantity: 1 })
    expect(events[1]!.id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
  })

  test('refuses an append whose stream is not as expected, and stores nothing of it', async () => {
    const store = await carts(await open())
    await store.append('a', [added('x'), added('y')])
    for (const expected of ['none', 0, 1, 3] as const) {
      expect(await failure(() => store.append('a', added('z'), { expected })))
        .toMatchObject({ code: 'LOG_VERSION_CONFLICT', detail: { stream: 'a', expected, current: 2 } })
    }
    for (const expected of ['exists', 1] as const) {
      expect(await failure(() => store.append('b', added('z'), { expected }))).toMatchObject({ code: 'LOG_VERSION_CONFLICT', detail: { current: 0 } })
    }
    await store.append('a', added('z'), { expected: 2 })
    await store.append('a', added('z'), { expected: 'exists' })
    await store.append('b', added('z'), { expected: 0 })
    expect(store.head('a')).toBe(4)
    expect(await collect(store.all({ until: 'end' }))).toHaveLength(5)
  })

  test('lets one of two racing appends win', async () => {
    const store = await carts(await open())
    const outcomes = await Promise.allSettled([1, 2, 3].map((quantity) => store.append('a', added('x', quantity), { expected: 'none' })))
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'rejected'])
    expect((await store.read('a')).events[0]!.data).toEqual({ sku: 'x', quantity: 1 })
  })

  test('reads forward and backward, from and to, with exact limits', async () => {
    const store = await carts(await open())
    for (let quantity = 1; quantity <= 10; quantity++) await store.append('a', added('x', quantity))
    const read = async (range: Parameters<typeof store.read>[1]): Promise<number[]> => versions((await store.read('a', range)).events)
    expect(await read({ from: 4, to: 6 })).toEqual([4, 5, 6])
    expect(await read({ from: 9 })).toEqual([9, 10])
    expect(await read({ limit: 2 })).toEqual([1, 2])
    expect(await read({ direction: 'backward', limit: 3 })).toEqual([10, 9, 8])
    expect(await read({ direction: 'backward', to: 4 })).toEqual([4, 3, 2, 1])
    expect(await read({ direction: 'backward', from: 3, to: 4, limit: 9 })).toEqual([4, 3])
    expect(await read({ limit: 0 })).toEqual([])
    expect(await read({ from: 11 })).toEqual([])
    expect(await read({ to: 0 })).toEqual([])
    expect(await store.read('a', { from: 11 })).toMatchObject({ version: 10, exists: true })
    expect(await store.read('b')).toEqual({ stream: 'b', version: 0, exists: false, events: [] })
  })

  test('appends to several streams all or none', async () => {
    const store = await carts(await open())
    await store.append('a', added('x'))
    const results = await store.appendStreams([{ stream: 'a', events: [added('y'), added('z')], expected: 1 }, { stream: 'b', events: added('y') }])
    expect(results).toMatchObject([{ stream: 'a', version: 3, position: 2, created: false }, { stream: 'b', version: 1, position: 3, created: true }])
    const refused = await failure(() => store.appendStreams([{ stream: 'c', events: added('y') }, { stream: 'a', events: added('y'), expected: 1 }]))
    expect(refused).toMatchObject({ code: 'LOG_VERSION_CONFLICT', detail: { stream: 'a', current: 3 } })
    expect([store.head('a'), store.head('b'), store.head('c')]).toEqual([3, 1, 0])
  })

  test('gives all events in one order, live, and only the types that are asked for', async () => {
    const store = await carts(await open())
    await store.append('a', [added('x'), { type: 'CheckedOut', data: { total: 5 } }])
    const seen: string[] = []
    const reading = (async () => {
      for await (const event of store.all({ types: ['CheckedOut'] })) {
        seen.push(`${event.stream}:${event.position}:${event.type}`)
        if (seen.length === 2) break
      }
    })()
    await store.append('b', added('y'))
    await store.append('b', { type: 'CheckedOut', data: { total: 7 } })
    await reading
    expect(seen).toEqual(['a:1:CheckedOut', 'b:3:CheckedOut'])
    expect((await collect(store.all({ from: 2, until: 'end' }))).map(({ position }) => position)).toEqual([2, 3])
    expect(await collect(store.all({ from: 'latest', until: 'end' }))).toEqual([])
    const batches = await collect(store.all({ until: 'end' }).batches())
    expect(batches.flat().map(({ data }) => data)).toEqual((await collect(store.all({ until: 'end' }))).map(({ data }) => data))
  })

  test('an append that is sent again with its ids is stored once', async () => {
    const store = await carts(await open())
    const events = [{ ...added('x'), id: 'e-1' }, { ...added('y'), id: 'e-2' }]
    await store.append('a', added('first'))
    const first = await store.append('a', events, { expected: 1 })
    await store.append('a', added('last'))
    for (const expected of [1, 'any', 'exists'] as const) {
      expect(await store.append('a', events, { expected })).toEqual({ ...first, duplicate: true })
    }
    const both = await Promise.all([1, 2].map(() => store.append('b', { ...added('x'), id: 'e-3' })))
    expect(both.map(({ duplicate }) => duplicate)).toEqual([false, true])
    expect((await failure(() => store.append('c', events))).code).toBe('LOG_EVENT_ID_TAKEN')
    expect((await failure(() => store.append('a', events[1]!.id === 'e-2' ? [events[1]!, events[0]!] : []))).code).toBe('LOG_EVENT_ID_TAKEN')
    expect((await failure(() => store.append('a', [events[0]!, events[0]!]))).code).toBe('LOG_EVENT_ID_TAKEN')
    expect([store.head('a'), store.head('b'), store.head('c')]).toEqual([4, 1, 0])
  })

  test('an append of an expected version is known again for ever', async () => {
    const store = await carts(await open(), { idWindow: 2 })
    const event = { ...added('x'), id: 'e-1' }
    await store.append('a', event, { expected: 'none' })
    for (let number = 0; number < 5; number++) await store.append('b', { ...added('y'), id: `other-${number}` })
    expect(await store.append('a', event, { expected: 'none' })).toMatchObject({ version: 1, position: 0, created: true, duplicate: true })
    expect((await failure(() => store.append('a', { ...event, id: 'e-2' }, { expected: 'none' }))).code).toBe('LOG_VERSION_CONFLICT')
  })

  test('events carry where they come from', async () => {
    const store = await carts(await open())
    await store.append('a', [{ ...added('x'), time: 1_000, metadata: { user: 'u', causation: 'own' } }], {
      correlation: 'k', causation: 'c', trace: 't', metadata: { tenant: 5 },
    })
    const [event] = (await store.read('a')).events
    expect(event!.metadata).toEqual({ user: 'u', tenant: 5, correlation: 'k', causation: 'own', trace: 't' })
    expect(event!.time).toBe(1_000)
    expect(JSON.parse(JSON.stringify(event))).toMatchObject({ stream: 'a', type: 'ItemAdded', data: { sku: 'x' }, time: 1_000 })
  })
})

test('ids that collide under every seed of the hash change nothing', async () => {
  const log = await memoryLog()
  const store = await openStore<CartEvent>(log, Carts, {}, () => 7)
  for (let round = 1; round <= 3; round++) for (let number = 0; number < 200; number++) await store.append(`s-${number}`, added(`x-${number}`, round))
  for (let number = 0; number < 200; number++) {
    const { events } = await store.read(`s-${number}`)
    expect(events.map(({ stream, data }) => [stream, data])).toEqual([1, 2, 3].map((quantity) => [`s-${number}`, { sku: `x-${number}`, quantity }]))
  }
})

test('streams are as they were after a close, a lost index and a damaged one', async () => {
  const folder = freshFolder()
  const fill = async (log: CommitLog): Promise<void> => {
    const store = await carts(log)
    for (let number = 0; number < 50; number++) await store.append(`s-${number % 7}`, [{ ...added('x', number), id: `id-${number}` }, added('y')])
  }
  const first = await diskLog(folder)
  await fill(first)
  const before = await Promise.all(Array.from({ length: 7 }, async (_, number) => (await (await carts(first)).read(`s-${number}`)).events))
  await first.close()
  const path = `${folder}/cart-0/events-index`
  for (const change of [() => {}, () => rmSync(path), () => {
    const bytes = readFileSync(path)
    bytes[bytes.length >> 1]! ^= 1
    writeFileSync(path, bytes)
  }]) {
    change()
    const log = await diskLog(folder)
    const store = await carts(log)
    const now = await Promise.all(Array.from({ length: 7 }, async (_, number) => (await store.read(`s-${number}`)).events))
    expect(JSON.stringify(now)).toBe(JSON.stringify(before))
    expect((await failure(() => store.append('s-1', [{ ...added('x', 49), id: 'id-49' }]))).code).toBe('LOG_EVENT_ID_TAKEN')
    await log.close()
  }
})

test('events of any size are read from their file, again too, and wherever in their stream', async () => {
  const folder = freshFolder()
  const sizes = [10, 1900, 1960, 2010, 2100, 3000, 10, 4000, 70_000, 10, 2500, 2500]
  const texts = sizes.map((size, number) => String.fromCharCode(0x61 + number).repeat(size))
  const first = await diskLog(folder)
  const filled = await carts(first)
  for (const text of texts) await filled.append('a', added(text))
  await filled.append('b', texts.map((text) => added(text)))
  await first.close()
  const store = await carts(await diskLog(folder))
  for (const stream of ['a', 'b', 'a', 'b']) {
    for (let from = 1; from <= texts.length; from++) {
      const { events } = await store.read(stream, { from, to: from + 3 })
      expect(events.map(({ data }) => (data as { readonly sku: string }).sku)).toEqual(texts.slice(from - 1, from + 3))
    }
  }
})

test('types have versions: what is old is brought to today\'s, and a cast that throws says where', async () => {
  const log = await memoryLog()
  type Old = { readonly type: 'Named'; readonly data: { readonly name: string } }
  type New = { readonly type: 'Named'; readonly data: { readonly first: string; readonly last: string } }
  await (await eventStore<Old>(log, { category: 'people' })).append('p', { type: 'Named', data: { name: 'Ada Lovelace' } })
  const store = await eventStore<New>(log, {
    category: 'people', versions: {
      Named: {
        version: 2,
        upcast: { 1: ({ name }: { name: string }) => ({ first: name.split(' ')[0], last: name.split(' ')[1] }) },
        downcast: { 1: ({ first, last }: { first: string; last: string }) => ({ name: `${first} ${last}` }) },
      },
    },
  })
  await store.append('p', { type: 'Named', data: { first: 'Alan', last: 'Turing' } })
  expect((await store.read('p')).events.map(({ data }) => data)).toEqual([{ first: 'Ada', last: 'Lovelace' }, { first: 'Alan', last: 'Turing' }])
  const old = await eventStore<Old>(log, { category: 'people' })
  const [, newer] = (await old.read('p')).events
  expect((await failure(() => newer!.data))).toMatchObject({ code: 'LOG_CAST_FAILED', detail: { stream: 'p', version: 2, type: 'Named', schema: 2 } })
})

test('a schema refuses an event before it is appended', async () => {
  const schema = {
    '~standard': {
      version: 1 as const, vendor: 'test',
      validate: (value: unknown) => (typeof (value as { total?: unknown }).total === 'number' ? { value } : { issues: [{ message: 'no total' }] }),
    },
  }
  const store = await eventStore(await memoryLog(), defineEvents<CartEvent>('cart', { schemas: { CheckedOut: schema } }))
  const bad = { type: 'CheckedOut', data: { total: 'much' } } as unknown as CartEvent
  expect(await failure(() => store.append('a', [added('x'), bad]))).toMatchObject({ code: 'LOG_EVENT_INVALID', detail: { type: 'CheckedOut' } })
  expect(store.head('a')).toBe(0)
})

test('nobody else writes to the topic of a store, and everyone may read it', async () => {
  const log = await memoryLog()
  const store = await carts(log)
  await store.append('a', added('x'), { correlation: 'k' })
  const topic = await log.topic('cart')
  for (const work of [
    () => topic.send({ key: 'a', value: {} }), () => topic.partition(0).append({ key: 'a', value: {} }), () => topic.deleteRecords('latest'),
    () => topic.partition(0).truncate(0), () => topic.alter({ retentionMs: 1 }), () => topic.addPartitions(1),
    () => log.topic('cart', { cleanupPolicy: 'compact' }), () => log.transaction((transaction) => transaction.send(topic, { key: 'a', value: {} })),
  ]) expect([String(work), (await failure(work)).code]).toEqual([String(work), 'LOG_TOPIC_OF_EVENTS'])
  const [record] = topic.partition(0).read()
  expect([record!.key, record!.value]).toEqual(['a', { sku: 'x', quantity: 1 }])
  const headers = Object.fromEntries(record!.headers.map(([name, value]) => [name, String(value)]))
  expect(headers).toMatchObject({ 'cl-type': 'ItemAdded', 'cl-correlation': 'k', 'cl-id': (await store.read('a')).events[0]!.id })
  await log.topic('plain')
  expect((await failure(() => eventStore(log, { category: 'plain' }))).code).toBe('LOG_TOPIC_MISMATCH')
})

test('an id is there once in an append to several streams', async () => {
  const store = await carts(await memoryLog())
  const one = { ...added('x'), id: 'one' }
  expect((await failure(() => store.appendStreams([{ stream: 'a', events: one }, { stream: 'b', events: one }]))).code).toBe('LOG_EVENT_ID_TAKEN')
  expect([store.head('a'), store.head('b')]).toEqual([0, 0])
})

test('what begins a stream again is known again for ever', async () => {
  const store = await carts(await memoryLog(), { idWindow: 0 })
  await store.append('a', added('x'))
  await deleteStream(store, 'a')
  const again = { ...added('y'), id: 'again' }
  const first = await store.append('a', again, { expected: 'none' })
  expect(await store.append('a', again, { expected: 'none' })).toEqual({ ...first, duplicate: true })
})

test('ids that collide in one append to several streams are told apart when it is sent again', async () => {
  const store = await openStore(await memoryLog(), Carts, {}, () => 3)
  const plans = ['a', 'b', 'c'].map((stream) => ({ stream, events: { ...added('x'), id: `id-${stream}` } }))
  const first = await store.appendStreams(plans)
  expect(await store.appendStreams(plans)).toEqual(first.map((result) => ({ ...result, duplicate: true })))
})

test('an append to several streams that is sent again is known by the part of its ids that is remembered', async () => {
  const store = await carts(await memoryLog(), { idWindow: 3 })
  const appends = [
    { stream: 'a', events: ['a1', 'a2'].map((id) => ({ ...added('x'), id })) },
    { stream: 'b', events: ['b1', 'b2', 'b3'].map((id) => ({ ...added('y'), id })) },
  ]
  const first = await store.appendStreams(appends)
  await store.append('a', added('other'))
  expect(await store.appendStreams(appends)).toEqual(first.map((result) => ({ ...result, duplicate: true })))
  const halves = [{ stream: 'b', events: { ...added('y'), id: 'b3' } }, { stream: 'c', events: { ...added('y'), id: 'c1' } }]
  expect((await failure(() => store.appendStreams(halves))).code).toBe('LOG_EVENT_ID_TAKEN')
  expect(store.exists('c')).toBe(false)
})

test('an append to a stream that was deleted since is known when it is sent again', async () => {
  const store = await carts(await memoryLog())
  const event = { ...added('x'), id: 'once' }
  const first = await store.append('a', event)
  await deleteStream(store, 'a')
  expect(await store.append('a', event)).toEqual({ ...first, duplicate: true })
  const again = { ...added('x'), id: 'twice' }
  const second = await store.append('a', again, { expected: 'none' })
  expect(second).toMatchObject({ version: 2, created: true })
  expect(await store.append('a', again, { expected: 'none' })).toEqual({ ...second, duplicate: true })
})

test('a stream whose first append is refused never was', async () => {
  const store = await carts(await memoryLog())
  const huge = added('x'.repeat(2_000_000))
  expect((await failure(() => store.append('a', huge))).code).toBe('LOG_RECORD_TOO_LARGE')
  expect((await failure(() => store.append('b', added('x'), { expected: 3 }))).code).toBe('LOG_VERSION_CONFLICT')
  expect((await failure(() => store.appendStreams([{ stream: 'c', events: added('x') }, { stream: 'd', events: huge }]))).code)
    .toBe('LOG_BATCH_TOO_LARGE')
  expect(store.streamCount).toBe(0)
  await store.append('a', added('x'))
  expect([store.streamCount, store.head('a')]).toEqual([1, 1])
})

test('while its index is made again, a store gives nothing that was forgotten, and forgets no stream', async () => {
  const store = await carts(await diskLog())
  for (let number = 0; number < 100; number++) await store.append(`cart-${number % 4}`, added('x'))
  await deleteStream(store, 'cart-1')
  await store.append('cart-2', added('lost'))
  const { log } = store.core
  await log.truncateTo(log.nextOffset - 1)
  const settled = store.core.settled()
  expect([store.head('cart-0'), store.exists('cart-1'), store.streamCount]).toEqual([25, false, 4])
  const events = await collect(store.all({ until: 'end' }))
  expect(events.filter(({ stream }) => stream === 'cart-1')).toEqual([])
  expect(events).toHaveLength(75)
  await settled
  expect([store.head('cart-2'), store.exists('cart-1'), store.streamCount]).toEqual([25, false, 4])
})
