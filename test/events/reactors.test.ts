import { getEventListeners } from 'node:events'
import { expect, test } from 'vitest'
import { defineEvents } from '../../src/events/define-events.ts'
import { eventStore, type LocalEventStore } from '../../src/events/event-store.ts'
import { react, type ReactorContext, type ReactorOptions, reactorStream } from '../../src/events/reactor.ts'
import { shredded } from '../../src/events/shredding.ts'
import { memoryKeys } from '../../src/events/subject-keys.ts'
import { type CommitLog } from '../../src/index.ts'
import { collect, diskLog, failure, freshFolder, memoryLog } from '../topics/harness.ts'

type OrderEvent =
  | { readonly type: 'Placed'; readonly data: { readonly item: string } }
  | { readonly type: 'Paid'; readonly data: { readonly by: string } }

const Orders = defineEvents<OrderEvent>('order')
const store = async (log?: CommitLog): Promise<LocalEventStore<OrderEvent>> => eventStore(log ?? (await memoryLog()), Orders)
const place = async (orders: LocalEventStore<OrderEvent>, stream: string, item = 'tea'): Promise<number> => (
  (await orders.append(stream, { type: 'Placed', data: { item } })).position
)
const summary = async (orders: LocalEventStore<OrderEvent>): Promise<string[]> => (
  (await collect(orders.all({ until: 'end' }))).map(({ type, stream, version }) => `${type} ${stream} ${version}`)
)

test('what a reactor appends has the event as its cause, and comes with the checkpoint', async () => {
  const orders = await store()
  const biller = await react(orders, {
    name: 'biller', types: ['Placed'],
    handle: (event, { append }) => append(event.stream, { type: 'Paid', data: { by: event.data.item } }, { expected: event.version }),
  })
  const position = await place(orders, 'o-1')
  await biller.caughtUp()
  const [placed, paid] = await collect(orders.all({ until: 'end' }))
  expect(paid).toMatchObject({ type: 'Paid', stream: 'o-1', version: 2, metadata: { causation: placed!.id, correlation: placed!.id } })
  const { events } = await orders.read(reactorStream('biller'))
  expect(events.map(({ data }) => data)).toEqual([{ position: position + 1 }])
  await biller.close()
})

test('a reactor goes on where it ended, in another process too', async () => {
  const folder = freshFolder()
  const seen: string[] = []
  const run = async (streams: readonly string[]): Promise<void> => {
    const log = await diskLog(folder)
    const orders = await store(log)
    const watcher = await react(orders, { name: 'watcher', handle: (event) => { seen.push(event.stream) } })
    for (const stream of streams) await place(orders, stream)
    await watcher.caughtUp()
    await watcher.close()
    await log.close()
  }
  await run(['a', 'b'])
  await run(['c'])
  await run([])
  expect(seen).toEqual(['a', 'b', 'c'])
})

test('one that never ran begins where it is told', async () => {
  const orders = await store()
  for (const stream of ['a', 'b', 'c']) await place(orders, stream)
  const seen: string[] = []
  const begin = async (name: string, from: number | 'latest'): Promise<void> => {
    const one = await react(orders, { name, from, handle: (event) => { seen.push(`${name} ${event.stream}`) } })
    await place(orders, name)
    await one.caughtUp()
    await one.close()
  }
  await begin('two', 2)
  await begin('latest', 'latest')
  expect(seen).toEqual(['two c', 'two two', 'latest latest'])
})

test('a handler that fails is tried again, and stops the reactor before the event when it goes on to fail', async () => {
  const orders = await store()
  let failures = 2
  const seen: string[] = []
  const flaky = await react(orders, {
    name: 'flaky', retry: { attempts: 3, delayMs: 0 },
    handle: (event, { attempt }) => {
      if (failures-- > 0) throw new Error('not now')
      seen.push(`${event.stream} ${attempt}`)
    },
  })
  await place(orders, 'a')
  await flaky.caughtUp()
  failures = 3
  const bad = await place(orders, 'b')
  expect(await failure(() => flaky.caughtUp())).toMatchObject({ code: 'LOG_PROJECTION_FAILED', detail: { position: bad, stream: 'b' } })
  await place(orders, 'c')
  await flaky.resume()
  await flaky.caughtUp()
  expect(seen).toEqual(['a 3', 'b 1', 'c 1'])
  await flaky.close()
})

test('what is in conflict is decided again on what is there by then', async () => {
  const orders = await store()
  const biller = await react(orders, {
    name: 'biller', types: ['Placed'], retry: { delayMs: 0 },
    handle: async (event, { append, attempt }) => {
      const { version } = await orders.read(event.stream)
      if (attempt === 1) await orders.append(event.stream, { type: 'Paid', data: { by: 'somebody else' } })
      append(event.stream, { type: 'Paid', data: { by: `attempt ${attempt}` } }, { expected: version })
    },
  })
  await place(orders, 'o')
  await biller.caughtUp()
  expect((await orders.read('o')).events.map(({ data }) => data)).toEqual([{ item: 'tea' }, { by: 'somebody else' }, { by: 'attempt 2' }])
  await biller.close()
})

test('dead letters are put aside with the checkpoint, listed, and handled when somebody says so', async () => {
  const orders = await store()
  let broken = true
  const biller = await react(orders, {
    name: 'biller', types: ['Placed'], retry: { attempts: 2, delayMs: 0 }, deadLetter: true,
    handle: (event, { append }) => {
      if (broken && event.data.item === 'milk') throw new Error('no milk')
      append(event.stream, { type: 'Paid', data: { by: 'biller' } })
    },
  })
  await place(orders, 'a')
  const position = await place(orders, 'b', 'milk')
  await place(orders, 'c')
  await biller.caughtUp()
  expect(await biller.deadLetters()).toMatchObject([{ stream: 'b', version: 1, position, type: 'Placed', attempts: 2, error: 'no milk' }])
  expect((await failure(() => biller.retryDeadLetter(position))).message).toBe('no milk')
  broken = false
  await biller.retryDeadLetter(position)
  expect(await biller.deadLetters()).toEqual([])
  expect((await summary(orders)).filter((line) => line.startsWith('Paid'))).toEqual(['Paid a 2', 'Paid c 2', 'Paid b 2'])
  await biller.close()
})

test('of two reactors of one name, one is stopped', async () => {
  const orders = await store()
  const options: ReactorOptions<OrderEvent, 'Placed'> = {
    name: 'twin', types: ['Placed'], retry: { attempts: 1 },
    handle: (event, { append }) => append(event.stream, { type: 'Paid', data: { by: 'twin' } }),
  }
  const [first, second] = [await react(orders, options), await react(orders, options)]
  await place(orders, 'a')
  const outcomes = await Promise.allSettled([first.caughtUp(), second.caughtUp()])
  expect(outcomes.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected'])
  expect((await summary(orders))).toEqual(['Placed a 1', 'Paid a 2'])
  await Promise.all([first.close(), second.close()])
})

test('the checkpoint of a reactor is about nobody, where data is encrypted for somebody', async () => {
  const keys = memoryKeys()
  await keys.create('tea')
  const value = shredded<OrderEvent['data']>({ keys, subject: (data) => ('item' in data ? data.item.toLowerCase() : undefined) })
  const orders = await eventStore<OrderEvent>(await memoryLog(), { category: 'order', value })
  const seen: unknown[] = []
  const watcher = await react(orders, { name: 'watcher', handle: (event) => { seen.push(event.data) } })
  await place(orders, 'a')
  await watcher.caughtUp()
  await watcher.close()
  expect(seen).toEqual([{ item: 'tea' }])
  expect((await orders.read(reactorStream('watcher'))).events.map(({ data }) => data)).toEqual([{ position: 1 }])
})

test('a reactor may be closed after its log', async () => {
  const log = await diskLog()
  const orders = await store(log)
  const watcher = await react(orders, { name: 'watcher', types: ['Paid'], handle: () => {} })
  await place(orders, 'a')
  await watcher.caughtUp()
  await log.close()
  await watcher.close()
  expect(watcher.progress().status).toBe('closed')
})

test('a reactor that is closed ends its waits', async () => {
  const orders = await store()
  const stuck = await react(orders, { name: 'stuck', retry: { delayMs: 1_000_000 }, handle: () => { throw new Error('never') } })
  await place(orders, 'a')
  const waiting = failure(() => stuck.caughtUp())
  await stuck.close()
  expect((await waiting).code).toBe('LOG_CLOSED')
})

test('a handler that a close breaks off is given its event again, and nothing behind it before', async () => {
  const orders = await store()
  await orders.append('o', ['one', 'two', 'three'].map((item) => ({ type: 'Placed' as const, data: { item } })))
  const seen: number[] = []
  let slow = true
  const start = (): ReturnType<typeof react> => react(orders, {
    name: 'sender',
    handle: async ({ version }, { signal }) => {
      if (slow && version === 2) await new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error)))
      seen.push(version)
    },
  })
  const first = await start()
  while (seen.length === 0) await new Promise(setImmediate)
  await first.close()
  expect(seen).toEqual([1])
  slow = false
  const second = await start()
  await second.caughtUp()
  expect(seen.slice(-2)).toEqual([2, 3])
  await second.close()
})

test('who is told twice to go on reads once', async () => {
  const orders = await store()
  for (const stream of ['a', 'b', 'c']) await place(orders, stream)
  const seen: string[] = []
  let broken = true
  const reactor = await react(orders, {
    name: 'sender', retry: { attempts: 1 },
    handle: async ({ stream }) => {
      if (broken) throw new Error('no')
      await new Promise(setImmediate)
      seen.push(stream)
    },
  })
  await failure(() => reactor.caughtUp())
  broken = false
  await Promise.all([reactor.resume(), reactor.resume()])
  await reactor.caughtUp()
  expect(seen).toEqual(['a', 'b', 'c'])
  await reactor.close()
})

test('a dead letter that two ask for is handled once', async () => {
  const orders = await store()
  const position = await place(orders, 'o-1')
  let broken = true
  const reactor = await react(orders, {
    name: 'biller', types: ['Placed'], deadLetter: true, retry: { attempts: 1 },
    handle: (_, { append }) => {
      if (broken) throw new Error('no')
      append('bills', { type: 'Paid', data: { by: 'ada' } })
    },
  })
  await reactor.caughtUp()
  broken = false
  const ends = await Promise.allSettled([reactor.retryDeadLetter(position), reactor.retryDeadLetter(position)])
  expect(ends.map(({ status }) => status)).toEqual(['fulfilled', 'rejected'])
  expect(orders.head('bills')).toBe(1)
  await reactor.close()
})

test('one that began at the end goes on from there after a restart, though it had nothing to do', async () => {
  const orders = await store()
  await place(orders, 'before')
  const seen: string[] = []
  const start = (): ReturnType<typeof react> => react(orders, { name: 'mailer', from: 'latest', handle: ({ stream }) => { seen.push(stream) } })
  await (await start()).close()
  await place(orders, 'meanwhile')
  const again = await start()
  await again.caughtUp()
  expect(seen).toEqual(['meanwhile'])
  await again.close()
})

test('nobody else appends to the stream of a reactor', async () => {
  const orders = await store()
  const forged = { type: 'Placed' as const, data: { item: 'tea', position: 1000 } }
  expect((await failure(() => orders.append(reactorStream('biller'), forged))).code).toBe('LOG_STREAM_INVALID')
  expect((await failure(() => orders.appendStreams([{ stream: '$dead-letters-biller', events: forged }]))).code).toBe('LOG_STREAM_INVALID')
})

test('of two reactors of one name the one that comes second reacts to one event at most, and is not tried again', async () => {
  const orders = await store()
  const runs = { first: 0, second: 0 }
  const start = (who: keyof typeof runs): ReturnType<typeof react> => react(orders, {
    name: 'biller', types: ['Placed'], retry: { attempts: 5, delayMs: 0 },
    handle: (event, { append }) => {
      runs[who]++
      append(event.stream, { type: 'Paid', data: { by: who } })
    },
  })
  const [first, second] = [await start('first'), await start('second')]
  for (const stream of ['a', 'b', 'c']) await place(orders, stream)
  const ends = await Promise.allSettled([first.caughtUp(), second.caughtUp()])
  expect(ends.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected'])
  expect(Math.min(runs.first, runs.second)).toBe(1)
  expect(Math.max(runs.first, runs.second)).toBe(3)
  for (const stream of ['a', 'b', 'c']) expect(orders.head(stream)).toBe(2)
  await Promise.all([first.close(), second.close()])
})

test('a dead letter is handled once, also by two reactors of one name', async () => {
  const tokens = await eventStore<{ type: 'Said' | 'Echoed', data: number }>(await memoryLog(), { category: 'token' })
  let broken = true
  const options = {
    name: 'echo', types: ['Said' as const], retry: { attempts: 1 }, deadLetter: true,
    handle: async ({ data }: { data: number }, { append }: ReactorContext<{ type: 'Said' | 'Echoed', data: number }>) => {
      if (broken) throw new Error('not now')
      await new Promise((resolve) => { setImmediate(resolve) })
      append('echo', { type: 'Echoed', data })
    },
  }
  const first = await react(tokens, options)
  const { position } = await tokens.append('a', { type: 'Said', data: 1 })
  await first.caughtUp()
  const second = await react(tokens, options)
  broken = false
  const results = await Promise.allSettled([first.retryDeadLetter(position), second.retryDeadLetter(position)])
  expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
  expect((await tokens.read('echo')).events.map(({ data }) => data)).toEqual([1])
  expect(await first.deadLetters()).toEqual([])
  // One of the two has lost its name to the other.
  await Promise.allSettled([first.close(), second.close()])
})

test('an append that comes when its handler has resolved is no event that is lost without a word', async () => {
  const tokens = await eventStore<{ type: 'Said', data: number }>(await memoryLog(), { category: 'token' })
  let late: (() => void) | undefined
  const echo = await react(tokens, {
    name: 'echo', from: 'earliest', handle: (_, { append }) => { late = () => append('echo', { type: 'Said', data: 2 }) },
  })
  await tokens.append('a', { type: 'Said', data: 1 })
  await echo.caughtUp()
  expect(late).toThrow(TypeError)
  await echo.close()
})

test('attempts that are waited for leave nothing on the signal of a reactor', async () => {
  const orders = await store()
  const listening: number[] = []
  const reactor = await react(orders, {
    name: 'stubborn', retry: { attempts: 20, delayMs: 0 },
    handle: (_event, { signal, attempt }) => {
      listening.push(getEventListeners(signal, 'abort').length)
      if (attempt < 20) throw new Error('again')
    },
  })
  await place(orders, 'o-1')
  await reactor.caughtUp()
  expect(listening).toHaveLength(20)
  expect(Math.max(...listening)).toBe(0)
  await reactor.close()
})
