/*
 * What a connection may cost: order, slow readers, time-outs, and bounds on bytes and connections.
 */
import { expect, test, vi } from 'vitest'
import { fetch } from '../../src/kafka/apis/01-fetch.ts'
import { metadata } from '../../src/kafka/apis/03-metadata.ts'
import { apiVersions } from '../../src/kafka/apis/18-api-versions.ts'
import { listen } from '../../src/kafka/index.ts'
import { RequestBudget } from '../../src/kafka/request-budget.ts'
import { ManualClock } from '../../src/testing/manual-clock.ts'
import { RawClient, startListener } from './harness.ts'

/** Until the event loop of this process has brought it about. */
const soon = (check: () => void): Promise<void> => vi.waitFor(check, { timeout: 10_000, interval: 1 })

test('requests of one write are answered in order, and so is one that comes byte by byte', async () => {
  const { client } = await startListener()
  const raw = await client()
  const order: number[] = []
  const numbers = Array.from({ length: 30 }, (_, index) => 100 + index)
  const answers = numbers.map((number) => raw.answerTo(number).then((frame) => order.push(frame.readInt32BE(4))))
  raw.send(Buffer.concat(numbers.map((number) => {
    // Those that wait for a topic to be made, and those that are answered at once.
    return number % 3 === 0 ? raw.encode(metadata, 4, { topics: [{ name: `t${number}` }] }, number) : raw.encode(apiVersions, 0, {}, number)
  })))
  await Promise.all(answers)
  expect(order).toEqual(numbers)
  const bytewise = raw.answerTo(7)
  for (const byte of raw.encode(metadata, 12, { topics: null }, 7)) raw.send(Buffer.from([byte]))
  expect((await bytewise).readInt32BE(4)).toBe(7)
})

test('a peer that does not read its answers is not read from either, and gets them all when it does', async () => {
  const { client, kafka } = await startListener({ numPartitions: 500 })
  const raw = await client()
  await raw.request(metadata, 12, { topics: [{ name: 'wide' }] })
  let handled = 0
  kafka.cluster.interceptor = { before: () => void handled++ }
  raw.pause()
  const numbers = Array.from({ length: 2000 }, (_, index) => 1000 + index)
  const answers = numbers.map((number) => raw.answerTo(number))
  for (const number of numbers) raw.send(raw.encode(metadata, 12, { topics: null }, number))
  const other = await client()
  await soon(() => expect(handled).toBeGreaterThan(10))
  // What the sockets hold is full by then, and a MiB of answers waits.
  let before = -1
  while (handled !== before) {
    before = handled
    for (let turn = 0; turn < 50; turn++) await other.request(apiVersions, 0, {})
    before += 50
  }
  expect(handled).toBeLessThan(numbers.length)
  raw.resume()
  await Promise.all(answers)
})

test('a connection that asks very much at once lets others have their turn', async () => {
  const { client, kafka } = await startListener()
  const [flood, other] = [await client(), await client()]
  const order: string[] = []
  kafka.cluster.interceptor = {
    before: ({ api }) => {
      order.push(api.name)
      const until = performance.now() + (api.name === 'ApiVersions' ? 1 : 0)
      while (performance.now() < until);
    },
  }
  // All of it comes in one chunk.
  const numbers = Array.from({ length: 500 }, (_, index) => 1000 + index)
  const answers = numbers.map((number) => flood.answerTo(number))
  flood.send(Buffer.concat(numbers.map((number) => flood.encode(apiVersions, 0, {}, number))))
  await other.request(metadata, 4, { topics: [] })
  await Promise.all(answers)
  expect(order).toHaveLength(501)
  expect(order.indexOf('Metadata')).toBeLessThan(400)
})

test('while a request makes very many topics others have their turn', async () => {
  const { client } = await startListener()
  const [maker, other] = [await client(), await client()]
  const topics = Array.from({ length: 300 }, (_, index) => ({ name: `t${index}` }))
  let making = true
  const made = maker.request(metadata, 4, { topics }).finally(() => { making = false })
  let served = 0
  for (; making; served++) await other.request(apiVersions, 0, {})
  expect((await made).topics.every(({ errorCode }) => errorCode === 0)).toBe(true)
  expect(served).toBeGreaterThan(20)
})

test('a request that would make very many partitions by naming topics makes none', async () => {
  const { client, log } = await startListener({ numPartitions: 5000 })
  await log.topic('there')
  const raw = await client()
  const ask = async (...names: string[]): Promise<number[]> => {
    return (await raw.request(metadata, 4, { topics: names.map((name) => ({ name })) })).topics.map(({ errorCode }) => errorCode)
  }
  expect(await ask('there', 'a', 'b', 'c')).toEqual([0, 3, 3, 3])
  expect(log.core.topics.map(({ name }) => name)).toEqual(['there'])
})

test('a connection that sends nothing, part of a request, or nothing more is closed in time', async () => {
  const clock = new ManualClock()
  const { client, events } = await startListener({ log: { clock }, requestTimeoutMs: 1000, maxIdleMs: 5000 })
  const silent = await client()
  const partial = await client()
  const answer = partial.answerTo(1)
  partial.send(Buffer.concat([partial.encode(apiVersions, 0, {}, 1), Buffer.from([0, 0, 1])]))
  await answer
  const idle = await client()
  await idle.request(apiVersions, 0, {})
  await soon(() => expect(events.filter(({ type }) => type === 'connected')).toHaveLength(3))
  await clock.advance(1000)
  await Promise.all([silent.closed, partial.closed])
  expect((await idle.request(apiVersions, 0, {})).errorCode).toBe(0)
  await clock.advance(4999)
  expect((await idle.request(apiVersions, 0, {})).errorCode).toBe(0)
  await clock.advance(5000)
  await idle.closed
  const reasons = events.flatMap((event) => (event.type === 'disconnected' ? [event.reason] : []))
  expect(reasons.toSorted()).toEqual(['it did not finish a request in time', 'it sent no request in time', 'it was idle'])
})

test('a request that comes in small pieces has no more time than another', async () => {
  const clock = new ManualClock()
  const { client, kafka, events } = await startListener({ log: { clock }, requestTimeoutMs: 1000 })
  const raw = await client()
  raw.send(Buffer.from([0, 0, 1, 0]))
  for (let elapsed = 0; elapsed < 1000; elapsed += 100) {
    const other = await client()
    raw.send(Buffer.from([0]))
    await other.request(apiVersions, 0, {})
    await other.close()
    await clock.advance(100)
  }
  await raw.closed
  await soon(() => expect(kafka.connections).toBe(0))
  expect(events).toContainEqual({ type: 'disconnected', connection: 1, reason: 'it did not finish a request in time' })
})

test('before the authentication no more of a large request is taken than its length', async () => {
  const { client, events } = await startListener({ sasl: { users: { ada: 'lovelace' } } })
  const raw = await client()
  raw.send(Buffer.from([0, 0x10, 0, 0]))
  await raw.closed
  expect(events).toContainEqual(expect.objectContaining({ type: 'malformed', reason: 'a request of 1048576 bytes before the authentication' }))
})

test('a peer that does not take its answers, or is gone behind a request that waits, is not kept for ever', async () => {
  const clock = new ManualClock()
  const { log, client, kafka } = await startListener({ log: { clock }, maxIdleMs: 1000 })
  const topic = await log.topic('t')
  for (let count = 0; count < 10; count++) await topic.send({ value: Buffer.alloc(900_000) })
  const ask = (raw: RawClient, fetchOffset: number): Buffer => raw.encode(fetch, 11, {
    maxWaitMs: fetchOffset === 0 ? 0 : 0x7fff_ffff, minBytes: 1, maxBytes: 8_000_000,
    topics: [{ topic: 't', partitions: [{ partition: 0, fetchOffset, partitionMaxBytes: 8_000_000 }] }],
  })
  const deaf = await client()
  deaf.pause()
  deaf.send(Buffer.concat(Array.from({ length: 8 }, () => ask(deaf, 0))))
  const gone = await client()
  gone.send(Buffer.concat([ask(gone, 10), ask(gone, 10)]))
  const other = await client()
  for (let turn = 0; turn < 20; turn++) await other.request(apiVersions, 0, {})
  gone.send(ask(gone, 10))
  for (let turn = 0; turn < 20; turn++) await other.request(apiVersions, 0, {})
  await gone.close()
  await clock.advance(1000)
  await other.closed
  await soon(() => expect(kafka.connections).toBe(0))
})

test('more connections than there may be are refused, until one leaves', async () => {
  const { client, events, kafka } = await startListener({ maxConnections: 2 })
  const [first] = [await client(), await client()]
  const third = await client()
  await third.closed
  expect(events.filter(({ type }) => type === 'refused')).toEqual([{ type: 'refused', address: '127.0.0.1', reason: 'there are 2 connections' }])
  await first.close()
  await soon(() => expect(kafka.connections).toBe(1))
  expect((await (await client()).request(apiVersions, 0, {})).errorCode).toBe(0)
})

test('a request above the limit ends its connection before its bytes are taken', async () => {
  const { client, events } = await startListener({ maxRequestBytes: 2048 })
  const raw = await client()
  raw.send(Buffer.from([0, 0, 8, 1]))
  await raw.closed
  expect(events).toContainEqual(expect.objectContaining({ type: 'malformed', reason: 'a request of 2049 bytes is above the limit of 2048' }))
})

test('a request whose lists have very many items ends its connection before they are made', async () => {
  const { client, events } = await startListener({ autoCreateTopics: false })
  const names = (count: number) => ({
    topics: Array.from({ length: count }, (_, index) => ({ name: `none-${index}` })), allowAutoTopicCreation: false,
  })
  expect((await (await client()).request(metadata, 4, names(1000))).topics).toHaveLength(1000)
  await expect((await client()).request(metadata, 4, names(200_001))).rejects.toThrow('closed')
  expect(events).toContainEqual(expect.objectContaining({ reason: expect.stringContaining('its lists have more than 200000 items') }))
})

test('requests of all connections share one budget: beyond it one goes on, and the others when there is room', () => {
  const budget = new RequestBudget(100)
  const resumed: string[] = []
  const reader = (name: string) => ({ resume: () => void resumed.push(name) })
  const [a, b, c] = [reader('a'), reader('b'), reader('c')]
  expect(budget.take(a, 80)).toBe(true)
  expect(budget.take(b, 30)).toBe(true)     // the first beyond it goes on
  expect(budget.take(c, 10)).toBe(false)
  expect(budget.take(a, 10)).toBe(false)
  expect(budget.take(b, 50)).toBe(true)
  budget.give(b, 80)
  expect(resumed.toSorted()).toEqual(['a', 'c'])
  expect(budget.used).toBe(100)
  budget.give(a, 90)
  budget.leave(c)
  budget.give(c, 10)
  expect(budget.used).toBe(0)
})

test('closing answers what is under way, and leaves port and log free', async () => {
  const { client, kafka, log } = await startListener()
  const raw = await client()
  const answer = raw.request(metadata, 12, { topics: [{ name: 'orders' }] })
  await soon(() => expect(log.core.topics.length).toBe(1))
  await kafka.close()
  expect((await answer).topics[0]!.errorCode).toBe(0)
  await raw.closed
  const ending = new AbortController()
  const again = await listen(log, { port: kafka.brokers[0]!.port, signal: ending.signal })
  const other = await RawClient.connect(again.brokers[0]!.port)
  expect((await other.request(metadata, 12, { topics: null })).topics.map(({ name }) => name)).toEqual(['orders'])
  ending.abort()
  await other.closed
  await again.close()
})

test('options that cannot be are refused with what was meant', async () => {
  const { log } = await startListener()
  await expect(listen(log, { ports: 3 } as never)).rejects.toThrow('unknown option "ports" for listen: did you mean "port"?')
  await expect(listen(log, { port: 70_000 })).rejects.toThrow(RangeError)
  await expect(listen(log, { topicDefaults: { retentionMs: -1 } })).rejects.toThrow(RangeError)
  await expect(listen({} as never)).rejects.toThrow('listen takes an open log')
})
