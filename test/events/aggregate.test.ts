/*
 * The contract of aggregates: load, decide and append in one call, states kept in memory, snapshots.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { systemClock } from '../../src/base/clock.ts'
import { type Aggregate, type LocalEventStore, truncateStream } from '../../src/events/index.ts'
import { SimulatedDisk } from '../../src/testing/simulated-disk.ts'
import { CommitLog } from '../../src/topics/commit-log.ts'
import { diskLog, failure, freshFolder, memoryLog } from '../topics/harness.ts'
import { added, type CartEvent, carts } from './harness.ts'

interface Cart {
  readonly items: number
  readonly log: readonly number[]
}

function cartsOf(store: LocalEventStore<CartEvent>, counted: { folds: number } = { folds: 0 }, every?: number): Aggregate<CartEvent, Cart, number> {
  return store.aggregate<Cart, number>({
    initial: () => ({ items: 0, log: [] }),
    evolve: (state, event) => {
      counted.folds++
      return event.type === 'ItemAdded' ? { items: state.items + event.data.quantity, log: [...state.log, event.version] } : state
    },
    decide: (quantity, state) => (state.items + quantity > 100 ? [] : added('x', quantity)),
    ...(every !== undefined && { snapshot: { every } }),
  })
}

test('a command is decided on the state of its stream, and its result is the state behind it', async () => {
  const cart = cartsOf(await carts(await memoryLog()))
  expect(await cart.load('a')).toEqual({ state: { items: 0, log: [] }, version: 0 })
  expect(await cart.handle('a', 5)).toMatchObject({ state: { items: 5 }, version: 1, position: 0, duplicate: false })
  const two = await cart.handle('a', (state) => [added('y', state.items), added('z', 1)])
  expect(two).toMatchObject({ state: { items: 11, log: [1, 2, 3] }, version: 3 })
  expect(await cart.handle('a', 100)).toMatchObject({ state: { items: 11 }, version: 3, position: -1, events: [] })
  expect(await cart.load('a', { to: 2 })).toEqual({ state: { items: 10, log: [1, 2] }, version: 2 })
})

test('a state in memory is not folded again, and never an old one', async () => {
  const store = await carts(await memoryLog())
  const counted = { folds: 0 }
  const cart = cartsOf(store, counted)
  for (let number = 0; number < 20; number++) await cart.handle('a', 1)
  expect(counted.folds).toBe(20)
  await store.append('a', added('other', 7))
  expect(await cart.handle('a', 1)).toMatchObject({ state: { items: 28 }, version: 22 })
})

test('commands on one stream at the same time are handled one behind the other', async () => {
  const cart = cartsOf(await carts(await diskLog()))
  const handled = await Promise.all(Array.from({ length: 50 }, () => cart.handle('a', async (state) => {
    await Promise.resolve()
    return added('x', state.items === 0 ? 1 : 2)
  }, { retries: 100 })))
  expect(handled.map(({ version }) => version).sort((a, b) => a - b)).toEqual(Array.from({ length: 50 }, (_, index) => index + 1))
  expect((await cart.load('a')).state.items).toBe(99)
})

test('what a caller expects is not tried again', async () => {
  const cart = cartsOf(await carts(await memoryLog()))
  await cart.handle('a', 1)
  expect((await failure(() => cart.handle('a', 1, { expected: 'none' }))).code).toBe('LOG_VERSION_CONFLICT')
})

test('a command with an id is handled once', async () => {
  const cart = cartsOf(await carts(await memoryLog()))
  const first = await cart.handle('a', () => [added('x', 1), added('y', 2)], { id: 'command-1' })
  await cart.handle('a', 3)
  const again = await cart.handle('a', () => [added('x', 1), added('y', 2)], { id: 'command-1' })
  expect(again).toMatchObject({ version: first.version, position: first.position, duplicate: true })
  expect((await cart.load('a')).state.items).toBe(6)
  const both = await Promise.all([1, 2].map(() => cart.handle('b', 5, { id: 'command-2' })))
  expect(both.map(({ duplicate }) => duplicate).sort()).toEqual([false, true])
  expect((await cart.load('b')).state.items).toBe(5)
})

test('a snapshot saves folding a long stream from its beginning, and another version of the fold does not believe it', async () => {
  const folder = freshFolder()
  const log = await diskLog(folder)
  const store = await carts(log)
  await store.append('a', Array.from({ length: 250 }, () => added('x', 1)))
  await cartsOf(store, { folds: 0 }, 100).load('a')
  await expect.poll(async () => (await log.topic('cart.snapshots')).partition(0).durableOffset).toBe(1)
  await log.close()
  const again = await carts(await diskLog(folder))
  await again.append('a', added('x', 1))
  const counted = { folds: 0 }
  expect(await cartsOf(again, counted, 100).load('a')).toMatchObject({ state: { items: 251 }, version: 251 })
  expect(counted.folds).toBe(1)
  const newer = again.aggregate({ initial: () => 0, evolve: (count: number) => count + 1, version: 2, snapshot: { every: 100 } })
  expect(await newer.load('a')).toEqual({ state: 251, version: 251 })
})

test('snapshots that cannot be read are missed once, and are found when they can be read again', async () => {
  const folder = freshFolder()
  const before = await CommitLog.open(folder)
  const filling = await carts(before)
  await filling.append('a', Array.from({ length: 100 }, () => added('x', 1)), { expected: 'none' })
  await cartsOf(filling, { folds: 0 }, 50).load('a')
  await expect.poll(async () => (await before.topic('cart.snapshots')).partition(0).durableOffset).toBe(1)
  await before.close()
  const path = join(folder, 'cart.snapshots-0', '00000000000000000000.log')
  const whole = readFileSync(path)
  const damaged = Buffer.from(whole)
  damaged[whole.length - 3]! ^= 0xff
  writeFileSync(path, damaged)
  const counted = { folds: 0 }
  const store = await carts(await diskLog(folder))
  const cart = store.aggregate<number>({
    initial: () => 0, cachedStates: 0, snapshot: { every: 1000 },
    evolve: (count) => {
      counted.folds++
      return count + 1
    },
  })
  expect(await cart.load('a')).toEqual({ state: 100, version: 100 })
  expect(counted.folds).toBe(100)
  writeFileSync(path, whole)
  const foldsOfALoad = async (): Promise<number> => {
    counted.folds = 0
    await cart.load('a')
    return counted.folds
  }
  await expect.poll(foldsOfALoad, { timeout: 10_000 }).toBe(0)
})

test('snapshots that cannot be read are not looked for by each load, but again after a while', async () => {
  let [time, step] = [0, 1]
  const clock = { ...systemClock, monotonic: () => (time += step) }
  const disk = new SimulatedDisk({ seed: 1 })
  const open = (): Promise<CommitLog> => CommitLog.open('/log', { files: disk, clock, minFreeBytes: 0 })
  const before = await open()
  const filling = await carts(before)
  await filling.append('a', Array.from({ length: 100 }, () => added('x', 1)), { expected: 'none' })
  await cartsOf(filling, { folds: 0 }, 50).load('a')
  await expect.poll(async () => (await before.topic('cart.snapshots')).partition(0).durableOffset).toBe(1)
  await before.close()
  const log = await open()
  const counted = { folds: 0 }
  const cart = (await carts(log)).aggregate<number>({
    initial: () => 0, cachedStates: 0, snapshot: { every: 1000 },
    evolve: (count) => {
      counted.folds++
      return count + 1
    },
  })
  disk.inject({ verb: 'read', path: 'cart.snapshots-0/00000000000000000000.log', error: 'EIO', times: 1, nth: 1 })
  for (let load = 1; load <= 5; load++) {
    expect(await cart.load('a')).toEqual({ state: 100, version: 100 })
    expect(counted.folds).toBe(100 * load)
    step = 0
  }
  time += 1_000_000
  counted.folds = 0
  await cart.load('a')
  expect(counted.folds).toBe(0)
  await log.close()
})

test('a state of maps and dates is what it was when it comes from a snapshot', async () => {
  const folder = freshFolder()
  const items = (store: Awaited<ReturnType<typeof carts>>): Aggregate<CartEvent, { items: Map<string, number>; at: Date }, never> => store.aggregate({
    initial: () => ({ items: new Map<string, number>(), at: new Date(0) }), snapshot: { every: 3 },
    evolve: (state, event) => ({ items: new Map(state.items).set(event.type, event.version), at: new Date(event.time) }),
  })
  const log = await diskLog(folder)
  const store = await carts(log)
  await store.append('a', [added('x'), added('y'), added('z')])
  const { state } = await items(store).load('a')
  await expect.poll(async () => (await log.topic('cart.snapshots')).partition(0).durableOffset).toBe(1)
  await log.close()
  const again = await carts(await diskLog(folder))
  expect((await items(again).load('a')).state).toEqual(state)
  expect((await items(again).load('a')).state.items).toBeInstanceOf(Map)
})

test('a stream that has forgotten some keeps no snapshots, which nobody would believe', async () => {
  const log = await memoryLog()
  const store = await carts(log)
  await store.append('a', Array.from({ length: 5 }, () => added('x')))
  await truncateStream(store, 'a', { before: 2 })
  const counting = store.aggregate({ initial: () => 0, evolve: (count: number) => count + 1, snapshot: { every: 2 } })
  await store.append('b', [added('x'), added('x')])
  for (let turn = 0; turn < 3; turn++) await counting.handle('a', () => added('x'))
  await counting.load('b')
  await expect.poll(async () => (await log.topic('cart.snapshots')).partition(0).durableOffset).toBe(1)
})

test('a command that nothing comes of does not resolve on what is not stored', async () => {
  const disk = new SimulatedDisk({ seed: 1 })
  const store = await carts(await CommitLog.open('/log', { files: disk, minFreeBytes: 0 }))
  const once = store.aggregate({ initial: () => 0, evolve: (count: number) => count + 1, decide: (_: 'add', count) => (count > 0 ? [] : added('x')) })
  await once.load('a')
  await store.append('other', added('x'))
  disk.inject({ verb: 'sync', path: '.log', error: 'EIO', times: 1, nth: 1 })
  const ends = await Promise.allSettled([once.handle('a', 'add'), once.handle('a', 'add')])
  expect(ends.map(({ status }) => status)).toEqual(['rejected', 'rejected'])
})

test('a command that is refused on what is then lost is told of the loss, and not refused', async () => {
  const disk = new SimulatedDisk({ seed: 1 })
  const store = await carts(await CommitLog.open('/log', { files: disk, minFreeBytes: 0 }))
  const once = store.aggregate({
    initial: () => 0, evolve: (count: number) => count + 1,
    decide: (_: 'add', count) => {
      if (count > 1) throw new Error('only once')
      return added('x')
    },
  })
  await store.append('a', added('x'))
  await once.load('a')
  disk.inject({ verb: 'sync', path: '.log', error: 'EIO', times: 1, nth: 1 })
  const ends = await Promise.allSettled([
    once.handle('a', 'add'), once.handle('a', 'add'), once.handle('a', (count) => Promise.reject(new Error(`once, not ${count} times`))),
  ])
  expect(ends.map((end) => end.status === 'rejected' && (end.reason as { code: string }).code)).toEqual(['LOG_FENCED', 'LOG_FENCED', 'LOG_FENCED'])
})

test('a command that appends whatever comes between gives the state that the stream has behind it', async () => {
  const store = await carts(await memoryLog())
  const names = store.aggregate({
    initial: () => '', evolve: (state: string, event) => (event.type === 'ItemAdded' ? state + event.data.sku : state),
  })
  await names.handle('a', () => added('x'))
  const { state, version } = await names.handle('a', async () => {
    await store.append('a', added('y'))
    return added('z')
  }, { expected: 'any' })
  expect([state, version]).toEqual(['xyz', 3])
  expect((await names.load('a')).state).toBe('xyz')
})

test('the result of a command that is sent again is that of the first time, whatever came behind it', async () => {
  const cart = cartsOf(await carts(await memoryLog()))
  const first = await cart.handle('a', () => [added('x', 1), added('y', 2)], { id: 'once' })
  await cart.handle('a', 50)
  expect(await cart.handle('a', () => [added('x', 1)], { id: 'once' })).toEqual({ ...first, events: [], duplicate: true })
})

test('a fold that throws says at which event, and whether the events of the command are stored', async () => {
  const store = await carts(await memoryLog())
  const fragile = store.aggregate({
    initial: () => 0,
    evolve: (count: number, event) => {
      if (event.type === 'ItemAdded' && event.data.quantity === 13) throw new Error('unlucky')
      return count + 1
    },
    decide: (quantity: number) => [added('x', quantity), added('y')],
  })
  await fragile.handle('a', 1)
  const failed = await failure(() => fragile.handle('a', 13))
  expect([failed.code, failed.detail, (failed.cause as Error).message])
    .toEqual(['LOG_FOLD_FAILED', { stream: 'a', version: 3, position: 2, type: 'ItemAdded', appended: 4 }, 'unlucky'])
  expect(store.head('a')).toBe(4)
  expect((await failure(() => fragile.load('a'))).detail).toEqual({ stream: 'a', version: 3, position: 2, type: 'ItemAdded' })
})

test('a stream that has forgotten some is kept in memory like any other', async () => {
  const store = await carts(await memoryLog())
  const counted = { folds: 0 }
  const cart = cartsOf(store, counted)
  await store.append('a', Array.from({ length: 5 }, () => added('x')))
  expect((await cart.load('a')).state.items).toBe(5)
  await truncateStream(store, 'a', { before: 3 })
  counted.folds = 0
  for (let turn = 1; turn <= 10; turn++) expect((await cart.handle('a', 1)).state.items).toBe(3 + turn)
  expect(counted.folds).toBe(3 + 10)
  await truncateStream(store, 'a', { before: 5 })
  expect((await cart.load('a')).state.items).toBe(11)
})

test('so many states are in memory as asked for, those that were used last', async () => {
  const store = await carts(await memoryLog())
  const counted = { folds: 0 }
  const cached = (cachedStates: number): Aggregate<CartEvent, number, never> => store.aggregate<number>({
    initial: () => 0, cachedStates,
    evolve: (count) => {
      counted.folds++
      return count + 1
    },
  })
  for (const stream of ['a', 'b', 'c']) await store.append(stream, added('x'))
  const two = cached(2)
  const foldsOf = async (cart: Aggregate<CartEvent, number, never>, ...streams: readonly string[]): Promise<number> => {
    counted.folds = 0
    for (const stream of streams) await cart.load(stream)
    return counted.folds
  }
  expect(await foldsOf(two, 'a', 'b', 'a')).toBe(2)
  expect(await foldsOf(two, 'c', 'a')).toBe(1)
  expect(await foldsOf(two, 'b')).toBe(1)
  expect(await foldsOf(cached(0), 'a', 'a')).toBe(2)
  expect(() => cached(-1)).toThrow(RangeError)
})

test('what a command gives may be any thenable', async () => {
  const cart = cartsOf(await carts(await memoryLog()))
  const later = { then: (resolve: (event: CartEvent) => void) => resolve(added('x', 4)) } as unknown as Promise<CartEvent>
  expect((await cart.handle('a', () => later)).state.items).toBe(4)
})
