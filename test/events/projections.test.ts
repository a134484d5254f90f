import { expect, test } from 'vitest'
import { eventStore } from '../../src/events/event-store.ts'
import { defineEvents } from '../../src/events/define-events.ts'
import { defineProjection } from '../../src/events/projection-types.ts'
import { dropProjection, project, projectionTables } from '../../src/events/projections.ts'
import { type EventStore } from '../../src/events/types.ts'
import { type CommitLog, json } from '../../src/index.ts'
import { afterwards, diskLog, failure, freshFolder, memoryLog } from '../topics/harness.ts'

type CartEvent =
  | { readonly type: 'Added'; readonly data: { readonly sku: string; readonly count: number } }
  | { readonly type: 'CheckedOut'; readonly data: { readonly total: number } }

interface Total { readonly sku: string; count: number; last?: Date }

const Carts = defineEvents<CartEvent>('cart')
const Totals = defineProjection<CartEvent, Total>({
  name: 'totals',
  key: (event) => (event.type === 'Added' ? event.data.sku : undefined),
  initial: (sku) => ({ sku, count: 0 }),
  on: { Added: (row, event) => ({ ...row, count: row.count + event.data.count }) },
})
const Open = defineProjection<CartEvent, { items: number }>({
  name: 'open',
  initial: () => ({ items: 0 }),
  on: { Added: (row, event) => { row.items += event.data.count }, CheckedOut: () => null },
})

async function store(log?: CommitLog): Promise<EventStore<CartEvent>> {
  return eventStore(log ?? (await memoryLog()), Carts)
}

async function add(carts: EventStore<CartEvent>, stream: string, sku: string, count = 1): Promise<number> {
  return (await carts.append(stream, { type: 'Added', data: { sku, count } })).position
}

test('rows are folded by key, in place or anew, and an event may end one', async () => {
  const carts = await store()
  const totals = await project(carts, Totals)
  const open = await project(carts, Open)
  await add(carts, 'a', 'tea', 2)
  await add(carts, 'b', 'tea', 3)
  await carts.append('a', { type: 'CheckedOut', data: { total: 2 } })
  await Promise.all([totals.caughtUp(), open.caughtUp()])
  expect([...totals.entries()]).toEqual([['tea', { sku: 'tea', count: 5 }]])
  expect([...open.entries()]).toEqual([['b', { items: 3 }]])
  expect([open.has('a'), open.get('b'), open.size]).toEqual([false, { items: 3 }, 1])
  await totals.close()
  await open.close()
})

test('who waits for the position of an append finds it in the rows', async () => {
  const carts = await store()
  const totals = await project(carts, Totals)
  for (let count = 1; count <= 5; count++) {
    await totals.caughtUp(await add(carts, `c${count}`, 'tea'))
    expect(totals.get('tea')?.count).toBe(count)
  }
  await totals.close()
})

test('an inline projection has every event when its append resolves', async () => {
  const carts = await store()
  await add(carts, 'a', 'tea')
  const totals = await project(carts, { ...Totals, inline: true })
  expect(totals.get('tea')?.count).toBe(1)
  for (let count = 2; count <= 20; count++) {
    await add(carts, 'a', 'tea')
    expect(totals.get('tea')?.count).toBe(count)
  }
  await Promise.all(Array.from({ length: 30 }, () => add(carts, 'a', 'tea')))
  expect(totals.get('tea')?.count).toBe(50)
  await totals.close()
})

test('rows outlive the process, dates and all, and events that came meanwhile are folded once', async () => {
  const folder = freshFolder()
  const Dated = defineProjection<CartEvent, Total>({
    ...Totals, on: { Added: (row, event) => ({ ...row, count: row.count + 1, last: new Date(event.time) }) },
  })
  const first = await diskLog(folder)
  const carts = await store(first)
  const totals = await project(carts, Dated)
  await add(carts, 'a', 'tea')
  await totals.caughtUp()
  await totals.close()
  await add(carts, 'a', 'tea')
  await first.close()
  const second = await diskLog(folder)
  const again = await project(await store(second), Dated)
  expect(again.get('tea')?.count).toBe(1)
  await again.caughtUp()
  expect(again.get('tea')).toMatchObject({ count: 2, last: expect.any(Date) })
  await again.close()
})

test('several projections share one reading, wherever each stands', async () => {
  const carts = await store()
  await add(carts, 'a', 'tea')
  const early = await project(carts, Totals)
  await early.caughtUp()
  await early.close()
  await add(carts, 'a', 'milk')
  const [totals, open] = await project(carts, [Totals, Open])
  await Promise.all([totals.caughtUp(), open.caughtUp()])
  expect([totals.get('tea')?.count, totals.get('milk')?.count, open.get('a')?.items]).toEqual([1, 1, 2])
  await totals.close()
  await add(carts, 'a', 'milk')
  await open.caughtUp()
  expect(open.get('a')?.items).toBe(3)
  await open.close()
})

test('a fold that throws stops before that event, tells it, and goes on after a fix without loss', async () => {
  const carts = await store()
  let broken = true
  const Fragile = defineProjection<CartEvent, Total>({
    ...Totals,
    on: {
      Added: (row, event) => {
        row.count += event.data.count
        if (broken && event.data.sku === 'milk') throw new Error('no milk')
      },
    },
  })
  const fragile = await project(carts, Fragile)
  await add(carts, 'a', 'tea')
  const milk = await add(carts, 'a', 'milk')
  await add(carts, 'a', 'tea')
  const stopped = await failure(() => fragile.caughtUp())
  expect(stopped).toMatchObject({ code: 'LOG_PROJECTION_FAILED', detail: { name: 'totals', position: milk, stream: 'a', version: 2, type: 'Added' } })
  expect(fragile.progress()).toMatchObject({ status: 'failed', end: 3, error: { code: 'LOG_PROJECTION_FAILED' } })
  broken = false
  await fragile.resume()
  await fragile.caughtUp()
  expect([fragile.get('tea')?.count, fragile.get('milk')?.count, fragile.progress().status]).toEqual([2, 1, 'following'])
  await fragile.close()
})

test('one of several that stops does not stop the others', async () => {
  const carts = await store()
  let broken = true
  const Fragile = defineProjection<CartEvent, number>({
    name: 'fragile', initial: () => 0, on: { Added: (row) => { if (broken) throw new Error('no'); return row + 1 } },
  })
  const [totals, fragile] = await project(carts, [Totals, Fragile])
  for (let count = 0; count < 10; count++) await add(carts, 'a', 'tea')
  await totals.caughtUp()
  expect(totals.get('tea')?.count).toBe(10)
  expect(fragile.progress().status).toBe('failed')
  broken = false
  await fragile.resume()
  await add(carts, 'a', 'tea')
  await fragile.caughtUp()
  expect(fragile.get('a')).toBe(11)
  await Promise.all([totals.close(), fragile.close()])
})

test('a rebuild gives the old rows until the new ones have caught up, and leaves one table', async () => {
  const log = await memoryLog()
  const carts = await store(log)
  let factor = 1
  const Scaled = defineProjection<CartEvent, number>({ name: 'scaled', initial: () => 0, on: { Added: (row) => row + factor } })
  const scaled = await project(carts, Scaled)
  for (let count = 0; count < 500; count++) void add(carts, `c${count % 7}`, 'tea')
  await carts.append('last', { type: 'Added', data: { sku: 'tea', count: 1 } })
  await scaled.caughtUp()
  const before = [...scaled.entries()]
  factor = 10
  const seen = new Set<number>()
  let done = false
  const rebuilt = scaled.rebuild().then(() => { done = true })
  while (!done) {
    seen.add(scaled.size)
    expect([1, 10]).toContain(scaled.get('last'))
    await new Promise<void>((resolve) => setImmediate(resolve))
  }
  await rebuilt
  expect([...seen]).toEqual([8])
  expect([...scaled.entries()]).toEqual(before.map(([key, count]) => [key, count * 10]))
  expect(projectionTables(log.core, 'cart').map(({ generation }) => generation)).toEqual([2])
  await add(carts, 'last', 'tea')
  await scaled.caughtUp()
  expect(scaled.get('last')).toBe(20)
  await scaled.close()
})

test('versions have rows of their own, and what is not wanted any more is dropped', async () => {
  const log = await memoryLog()
  const carts = await store(log)
  await add(carts, 'a', 'tea', 3)
  const first = await project(carts, Totals)
  await first.caughtUp()
  await first.flush()
  const second = await project(carts, defineProjection<CartEvent, { total: number }>({
    name: 'totals', version: 2, initial: () => ({ total: 0 }), on: { Added: (row, event) => ({ total: row.total + event.data.count }) },
  }))
  await second.caughtUp()
  expect([first.get('tea'), second.get('a')]).toEqual([{ sku: 'tea', count: 3 }, { total: 3 }])
  await first.close()
  expect(await dropProjection(carts, 'totals', 1)).toBe(1)
  expect(projectionTables(log.core, 'cart').map(({ version }) => version)).toEqual([2])
  await second.close()
})

test('rows can be read by anyone from the topic of the projection', async () => {
  const log = await memoryLog()
  const carts = await store(log)
  const totals = await project(carts, { ...Totals, value: json<Total>() })
  await add(carts, 'a', 'tea', 3)
  await totals.caughtUp()
  await totals.flush()
  const topic = await log.topic('cart.view.totals.v1.1')
  const records = [...topic.partition(0).read()].map(({ key, value }) => [key, value])
  expect(records).toEqual([['tea', { sku: 'tea', count: 3 }], ['\0checkpoint', { position: 1, epoch: 0, live: true }]])
  await totals.close()
})

test('a log that is closed ends its projections, and what they had is there when it is opened again', async () => {
  const folder = freshFolder()
  const log = await diskLog(folder)
  const carts = await store(log)
  const [totals, inline] = [await project(carts, Totals), await project(carts, { ...Open, inline: true })]
  await add(carts, 'a', 'tea')
  await totals.caughtUp()
  await totals.flush()
  await log.close()
  expect(await failure(() => totals.caughtUp(9))).toMatchObject({ code: 'LOG_PROJECTION_FAILED', cause: { code: 'LOG_CLOSED' } })
  await Promise.all([totals.close(), inline.close()])
  const again = await project(await store(await diskLog(folder)), Totals)
  expect(again.get('tea')?.count).toBe(1)
  await again.close()
})

test('an inline projection is built anew beside its rows too', async () => {
  const carts = await store()
  let factor = 1
  const Scaled = defineProjection<CartEvent, number>({ name: 'scaled', inline: true, initial: () => 0, on: { Added: (row) => row + factor } })
  const scaled = await project(carts, Scaled)
  for (let count = 0; count < 20; count++) await add(carts, 'a', 'tea')
  factor = 10
  const rebuilt = scaled.rebuild()
  await add(carts, 'a', 'tea')
  await rebuilt
  await add(carts, 'a', 'tea')
  expect(scaled.get('a')).toBe(220)
  await scaled.close()
})

test('what cannot be a projection is refused, and so are waits for one that is closed', async () => {
  const carts = await store()
  expect(() => defineProjection({ ...Totals, name: 'a b' })).toThrow(TypeError)
  expect(() => defineProjection({ ...Totals, on: { Added: 5 } } as never)).toThrow('on.Added')
  expect(() => defineProjection({ ...Totals, inlined: true } as never)).toThrow('did you mean "inline"')
  const totals = await project(carts, Totals)
  const waiting = failure(() => totals.caughtUp(99))
  const signal = AbortSignal.abort(new Error('enough'))
  expect((await failure(() => totals.caughtUp(99, { signal }))).message).toBe('enough')
  await totals.close()
  expect((await waiting).code).toBe('LOG_CLOSED')
  expect((await failure(() => totals.resume())).code).toBe('LOG_CLOSED')
  expect(totals.progress().status).toBe('closed')
})

test('a key that is none stops the projection', async () => {
  const carts = await store()
  const wrong = await project(carts, { ...Totals, key: () => 5 as never })
  afterwards(() => wrong.close())
  await add(carts, 'a', 'tea')
  expect((await failure(() => wrong.caughtUp())).message).toContain('the key of a row is a string')
})

test('rows that cannot be built anew are nothing to who waits for those that are read', async () => {
  const carts = await store()
  await add(carts, 'a', 'tea')
  let broken = false
  const totals = await project(carts, {
    ...Totals,
    on: {
      Added: (row: Total) => {
        if (broken && row.count === 0) throw new Error('no')
        return { ...row, count: row.count + 1 }
      },
    },
  })
  await totals.caughtUp()
  broken = true
  expect((await failure(() => totals.rebuild())).code).toBe('LOG_PROJECTION_FAILED')
  await totals.caughtUp(await add(carts, 'a', 'tea'))
  expect(totals.get('tea')?.count).toBe(2)
  broken = false
  await totals.rebuild()
  expect(totals.progress()).toMatchObject({ status: 'following', error: undefined })
  expect(totals.get('tea')?.count).toBe(2)
  await totals.close()
  expect((await failure(() => totals.caughtUp(99))).code).toBe('LOG_CLOSED')
})

test('of one projection there is one at a time', async () => {
  const carts = await store()
  const totals = await project(carts, Totals)
  expect(await failure(() => project(carts, Totals))).toMatchObject({ code: 'LOG_PROJECTION_RUNS', detail: { name: 'totals', version: 1 } })
  expect((await failure(() => project(carts, [Open, Open]))).code).toBe('LOG_PROJECTION_RUNS')
  await (await project(carts, { ...Totals, version: 2 })).close()
  await totals.close()
  await add(carts, 'a', 'tea')
  const broken = { ...Open, inline: true, on: { Added: () => { throw new Error('no') } } }
  for (let turn = 0; turn < 2; turn++) expect((await failure(() => project(carts, broken))).code).toBe('LOG_PROJECTION_FAILED')
  await (await project(carts, Totals)).close()
})

test('who closes it while another one does is told when it is closed, too', async () => {
  const carts = await store()
  const totals = await project(carts, Totals)
  await add(carts, 'a', 'tea')
  await totals.caughtUp()
  const first = totals.close()
  await totals.close()
  await (await project(carts, Totals)).close()
  await first
})

test('rows that are large are stored in several batches, each with its checkpoint', async () => {
  const log = await memoryLog()
  const carts = await store(log)
  const large = await project(carts, defineProjection<CartEvent, string>({
    name: 'large', initial: () => '', on: { Added: (_, event) => event.data.sku.padEnd(400_000, '.') }, storeEveryMs: 60_000,
  }))
  await carts.append('first', { type: 'Added', data: { sku: 'one', count: 1 } })
  for (let number = 0; number < 4; number++) {
    await carts.appendStreams(Array.from({ length: 20 }, (_, stream) => ({
      stream: `s-${number}-${stream}`, events: { type: 'Added', data: { sku: 'tea', count: 1 } },
    })))
  }
  await large.rebuild()
  await large.flush()
  const table = await log.topic('cart.view.large.v1.2')
  const records = [...table.partition(0).read()]
  const stored = records.filter(({ key }) => key === '\0checkpoint')
  expect(stored.length).toBeGreaterThan(5)
  expect([large.size, large.get('s-3-19')!.length, records.length - stored.length]).toEqual([81, 400_000, 81])
  await large.close()
})

test('many rows are loaded in turns, and readers have those before until all are there', async () => {
  const folder = freshFolder()
  const first = await diskLog(folder)
  const carts = await eventStore(first, defineEvents<CartEvent>('cart', { settings: { durability: 'os' } }))
  const rows = 40_000
  const Many = defineProjection<CartEvent, { readonly sku: string }>({
    name: 'many', key: ({ version }) => Array.from({ length: rows / 4 }, (_, number) => `row ${version % 4} ${number}`),
    initial: () => ({ sku: '' }),
    on: {
      Added: (_, event) => {
        if (event.data.count > 4) throw new Error('too many')
        return { sku: event.data.sku }
      },
    },
  })
  for (let count = 1; count <= 4; count++) await add(carts, 'a', 'tea', count)
  const many = await project(carts, Many)
  await many.caughtUp()
  await many.close()
  await first.close()
  const again = await eventStore(await diskLog(folder), Carts)
  let turns = 0
  let opening = true
  const turn = (): void => {
    turns++
    if (opening) setImmediate(turn)
  }
  setImmediate(turn)
  const loaded = await project(again, Many)
  opening = false
  expect([loaded.size, loaded.position]).toEqual([rows, 4])
  expect(turns).toBeGreaterThan(3)
  await add(again, 'a', 'milk', 5)
  const caught = failure(() => loaded.caughtUp())
  expect((await caught).code).toBe('LOG_PROJECTION_FAILED')
  expect(loaded.size).toBe(rows)
  await loaded.close()
})

test('one of several that is closed in the middle of an event takes no event from the others', async () => {
  const carts = await store()
  const counted = (name: string, seen: () => void) => defineProjection<CartEvent, number>({
    name, initial: () => 0, on: { Added: (row) => { seen(); return row + 1 } },
  })
  let [left, closed] = [16, Promise.resolve()]
  const [first, second, third] = await project(carts, [
    counted('first', () => { if (--left === 0) closed = first.close() }), counted('second', () => {}), counted('third', () => {}),
  ])
  for (let number = 0; number < 40; number++) await add(carts, `c-${number}`, 'tea')
  await Promise.all([second.caughtUp(), third.caughtUp()])
  expect([second.size, third.size]).toEqual([40, 40])
  await Promise.all([closed, second.close(), third.close()])
})

test('a projection that runs is not dropped', async () => {
  const carts = await store()
  const totals = await project(carts, Totals)
  await add(carts, 'a', 'tea', 2)
  await totals.caughtUp()
  expect((await failure(() => dropProjection(carts, 'totals'))).code).toBe('LOG_PROJECTION_RUNS')
  expect((await failure(() => dropProjection(carts, 'totals', 1))).code).toBe('LOG_PROJECTION_RUNS')
  expect([await dropProjection(carts, 'totals', 2), totals.get('tea')?.count]).toEqual([0, 2])
  await totals.close()
  expect(await dropProjection(carts, 'totals')).toBe(1)
})
