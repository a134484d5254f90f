import { expect, test } from 'vitest'
import { CommitLog, defineTopic, type GroupConsumer, json, type LogRecord, type Topic } from '../../../src/index.ts'
import { ManualClock } from '../../../src/testing/manual-clock.ts'
import { collect, diskLog, failure, freshFolder, kinds, memoryLog } from '../harness.ts'
import { turns } from './harness.ts'

const Numbers = defineTopic('numbers', { partitions: 3, value: json<number>() })

async function numbers(log: CommitLog, count: number): Promise<Topic<string, number>> {
  const topic = await log.topic(Numbers)
  if (count > 0) await topic.send(Array.from({ length: count }, (_, value) => ({ value, partition: value % 3 })))
  return topic
}

const valuesOf = (records: readonly LogRecord<string, number>[]): number[] => records.map(({ value }) => value!).sort((a, b) => a - b)
const upTo = (count: number, from = 0): number[] => Array.from({ length: count - from }, (_, index) => from + index)

for (const { kind, open } of kinds) {
  test(`${kind}: a group goes on where it was`, async () => {
    const topic = await numbers(await open(), 30)
    expect(valuesOf(await collect(topic.consumer({ group: 'g', until: 'end' })))).toEqual(upTo(30))
    expect(await collect(topic.consumer({ group: 'g', until: 'end' }))).toEqual([])
    await topic.send({ value: 30, partition: 1 })
    expect(valuesOf(await collect(topic.consumer({ group: 'g', until: 'end' })))).toEqual([30])
    expect(valuesOf(await collect(topic.consumer({ group: 'other', until: 'end' })))).toEqual(upTo(31))
  })

  test(`${kind}: members share the partitions, and every record comes once`, async () => {
    const topic = await numbers(await open(), 0)
    const seen: number[] = []
    const consumers = [0, 1, 2].map(() => topic.consumer({ group: 'g' }))
    const loops = consumers.map(async (consumer) => { for await (const { value } of consumer) seen.push(value!) })
    while (consumers.some(({ assignment }) => assignment.length !== 1)) await turns(1)
    expect(consumers.flatMap(({ assignment }) => assignment).sort()).toEqual([0, 1, 2])
    await topic.send(upTo(300).map((value) => ({ value, partition: value % 3 })))
    while (seen.length < 300) await turns(1)
    for (const consumer of consumers) await consumer.close()
    await Promise.all(loops)
    expect(seen.sort((a, b) => a - b)).toEqual(upTo(300))
    expect(await collect(topic.consumer({ group: 'g', until: 'end' }))).toEqual([])
  })

  test(`${kind}: batches are done as a whole`, async () => {
    const topic = await numbers(await open(), 300)
    const consumer = topic.consumer({ group: 'g' })
    let done = 0
    for await (const batch of consumer.batches()) {
      if (done >= 100) break
      done += batch.length
    }
    const rest = await collect(topic.consumer({ group: 'g', until: 'end' }))
    expect(rest.length).toBe(300 - done)
  })
}

// What is done --------------------------------------------------------------------------------------------------------------------------

test('the record in hand is not done when the loop is left by break, by throw or by return', async () => {
  const topic = await (await memoryLog()).topic('t', { value: json<number>() })
  await topic.send(upTo(10).map((value) => ({ value })))
  const first = async (leave: (value: number) => boolean): Promise<number[]> => {
    const seen: number[] = []
    for await (const { value } of topic.consumer({ group: 'g', until: 'end' })) {
      seen.push(value!)
      if (leave(value!)) break
    }
    return seen
  }
  expect(await first((value) => value === 3)).toEqual([0, 1, 2, 3])
  expect(await failure(() => first((value) => { if (value === 5) throw new Error('no'); return false }))).toMatchObject({ message: 'no' })
  const consumer = topic.consumer({ group: 'g', until: 'end' })
  const loop = consumer[Symbol.asyncIterator]()
  expect((await loop.next()).value?.value).toBe(5)
  expect((await loop.next()).value?.value).toBe(6)
  await loop.return!()
  expect(await first(() => false)).toEqual([6, 7, 8, 9])
})

test('a signal ends the loop with its reason; what was asked past is done', async () => {
  const topic = await (await memoryLog()).topic('t', { value: json<number>() })
  await topic.send(upTo(10).map((value) => ({ value })))
  const stop = new AbortController()
  const seen: number[] = []
  const reading = (async () => {
    for await (const { value } of topic.consumer({ group: 'g', signal: stop.signal })) {
      seen.push(value!)
      if (value === 4) stop.abort(new Error('enough'))
    }
  })()
  expect(await failure(() => reading)).toMatchObject({ message: 'enough' })
  expect(valuesOf(await collect(topic.consumer({ group: 'g', until: 'end' })) as never)).toEqual([5, 6, 7, 8, 9])
})

test('closing the consumer, the topic or the log in the middle commits what is done, not what is in hand', async () => {
  const folder = freshFolder()
  const ends = [(consumer: GroupConsumer<string, number, number>) => consumer.close(), (_: unknown, topic: Topic<string, number>) => topic.close()]
  let expected = 0
  for (const end of [...ends, undefined]) {
    const log = await diskLog(folder)
    const topic = await log.topic('t', { value: json<number>() })
    if (expected === 0) await topic.send(upTo(30).map((value) => ({ value })))
    const consumer = topic.consumer({ group: 'g' })
    let handed = 0
    for await (const { value } of consumer) {
      expect(value).toBe(expected + handed++)
      if (handed < 5) continue
      await (end === undefined ? log.close() : end(consumer, topic))
    }
    expected += 4
    await log.close()
  }
  expect(expected).toBe(12)
})

test('commit(record) is exact: that one and all before are done, even when the loop is left', async () => {
  const topic = await (await memoryLog()).topic('t', { value: json<number>() })
  await topic.send(upTo(10).map((value) => ({ value })))
  const consumer = topic.consumer({ group: 'g' })
  for await (const record of consumer) {
    if (record.value !== 4) continue
    await consumer.commit(record, { metadata: 'four' })
    break
  }
  expect(await consumer.committed(0)).toEqual({ offset: 5, metadata: 'four' })
  const rest = topic.consumer({ group: 'g', autoCommit: false, until: 'end' })
  expect((await collect(rest)).map(({ value }) => value)).toEqual([5, 6, 7, 8, 9])
  expect(await rest.committed(0)).toMatchObject({ offset: 5 })
  // The group has no members now: anybody may commit for it.
  await rest.commit({ partition: 0, offset: 7, metadata: 'by hand' })
  expect(await rest.committed(0)).toEqual({ offset: 7, metadata: 'by hand' })
  expect(await failure(() => rest.commit({ partition: 3, offset: 0 }))).toMatchObject({ name: 'RangeError' })
  expect(await failure(() => rest.commit({ partition: 0, offset: 11 }))).toMatchObject({ code: 'LOG_COMMIT_OUT_OF_RANGE' })
  expect(await failure(() => rest.commit('x' as never))).toMatchObject({ name: 'TypeError' })
  expect(await failure(() => rest.commit({ partition: 0, offset: 1, metadata: 'x'.repeat(4097) }))).toMatchObject({ name: 'TypeError' })
})

test('what is done is committed after autoCommitIntervalMs, though the loop stays with a record', async () => {
  const clock = new ManualClock()
  const topic = await (await memoryLog({ clock })).topic('t', { value: json<number>() })
  await topic.send(upTo(3).map((value) => ({ value })))
  const consumer = topic.consumer({ group: 'g' })
  for await (const { value } of consumer) {
    if (value !== 2) continue
    expect(await consumer.committed(0)).toBeUndefined()
    await clock.advance(100)
    expect(await consumer.committed(0)).toMatchObject({ offset: 2 })
    break
  }
})

test('after the last record the loop waits, and that one is committed as well', async () => {
  const clock = new ManualClock()
  const topic = await (await memoryLog({ clock })).topic('t', { value: json<number>() })
  await topic.send(upTo(3).map((value) => ({ value })))
  const consumer = topic.consumer({ group: 'g' })
  const loop = consumer[Symbol.asyncIterator]()
  for (let count = 0; count < 3; count++) await loop.next()
  const waiting = loop.next()
  await turns()
  await clock.advance(100)
  expect(await consumer.committed(0)).toMatchObject({ offset: 3 })
  await consumer.close()
  expect(await waiting).toMatchObject({ done: true })
})

// Rebalances ----------------------------------------------------------------------------------------------------------------------------

test('a partition goes to another member only when what is in hand is done, and onRevoked has resolved; the others go on', async () => {
  const topic = await numbers(await memoryLog(), 30)
  const told: string[] = []
  const consumer = topic.consumer({
    group: 'g', onAssigned: (partitions) => void told.push(`+${partitions.join()}`), onRevoked: async (partitions) => {
      told.push(`-${partitions.join()}`)
      await turns(3)
    },
  })
  const loop = consumer[Symbol.asyncIterator]()
  const second = topic.consumer({ group: 'g', until: 'end' })
  await loop.next()
  expect([told, consumer.assignment]).toEqual([['+0,1,2'], [0, 1, 2]])
  const others = collect(second)
  await turns(50)
  const gone = told[1] === undefined ? undefined : told[1].slice(1)
  const rest: number[] = []
  const first = (async () => { for (let next = await loop.next(); next.done !== true; next = await loop.next()) rest.push(next.value.value!) })()
  const seconds = valuesOf(await others)
  await turns(50)
  expect(told.some((line) => line.startsWith('-'))).toBe(true)
  expect(gone === undefined || gone.length === 1).toBe(true)
  await consumer.close()
  await first
  expect([0, ...rest, ...seconds].sort((a, b) => a - b)).toEqual(upTo(30))
})

test('a member that keeps a record too long loses its partitions: its late commit is refused, and the records come again', async () => {
  const clock = new ManualClock()
  const topic = await (await memoryLog({ clock })).topic('t', { value: json<number>() })
  await topic.send(upTo(3).map((value) => ({ value })))
  const lost: number[] = []
  const slow = topic.consumer({
    group: 'g', assignors: ['range'], rebalanceTimeoutMs: 5000, autoCommit: false, onLost: (partitions) => void lost.push(...partitions),
  })
  const loop = slow[Symbol.asyncIterator]()
  const { value: record } = await loop.next()
  const other = collect(topic.consumer({ group: 'g', assignors: ['range'], until: 'end' }))
  await turns()
  await clock.advance(6000)
  expect((await other).map(({ value }) => value)).toEqual([0, 1, 2])
  expect(lost).toEqual([0])
  expect(await failure(() => slow.commit(record!))).toMatchObject({ code: 'LOG_MEMBER_UNKNOWN' })
  await loop.return!()
})

test('a group reads several topics and patterns, also topics and partitions that come later', async () => {
  const log = await memoryLog()
  const orders = await log.topic('orders', { partitions: 2, value: json<number>() })
  await orders.send({ value: 1, partition: 1 })
  await (await log.topic('events-a', { value: json<string>() })).send({ value: 'a' })
  const consumer = log.consumer({ group: 'g', topics: [defineTopic('orders', { value: json<number>() }), 'audit', /^events-/] })
  const seen: string[] = []
  const reading = (async () => { for await (const { topic, partition, value } of consumer) seen.push(`${topic}-${partition} ${String(value)}`) })()
  while (seen.length < 2) await turns(1)
  expect(consumer.assignment.map(({ topic, partition }) => `${topic}-${partition}`).sort()).toEqual(['audit-0', 'events-a-0', 'orders-0', 'orders-1'])
  await (await log.topic('events-b', { value: json<string>() })).send({ value: 'b' })
  await (await log.topic('orders', { partitions: 3, value: json<number>() })).send({ value: 2, partition: 2 })
  await (await log.topic('audit')).send({ value: 'c' })
  while (seen.length < 5) await turns(1)
  expect(seen.sort()).toEqual(['audit-0 c', 'events-a-0 a', 'events-b-0 b', 'orders-1 1', 'orders-2 2'])
  expect(consumer.position({ topic: 'orders', partition: 2 })).toBe(1)
  await consumer.close()
  await reading
  expect(await consumer.committed({ topic: 'orders', partition: 2 })).toMatchObject({ offset: 1 })
})

test('wrong options are TypeErrors or RangeErrors', async () => {
  const log = await memoryLog()
  const topic = await numbers(log, 0)
  for (const [options, message] of [
    [{ group: '' }, /^group is a string of 1 to/], [{ group: 5 }, 'group is a string, not the number 5'],
    [{ group: 'g', partitions: [1] }, /unknown option "partitions"/], [{ group: 'g', assignors: ['sticky'] }, /is one of/],
    [{ group: 'g', from: 'x' }, /^from is an offset/], [{ group: 'g', autoCommitIntervalMs: 0 }, /^autoCommitIntervalMs is an integer/],
    [{ group: 'g', onRevoked: 1 }, /^onRevoked is a function/],
  ] as const) {
    const error = await failure(() => topic.consumer(options as never))
    expect(error.name).toMatch(/TypeError|RangeError/)
    expect(error.message).toMatch(message)
  }
  expect(await failure(() => log.consumer({ group: 'g', topics: [] }))).toMatchObject({ name: 'TypeError' })
  expect(await failure(() => log.consumer({ group: 'g', topics: [5 as never] }))).toMatchObject({ name: 'TypeError' })
  const consumer = topic.consumer({ group: 'g' })
  expect(await failure(() => consumer.position(0))).toMatchObject({ name: 'RangeError' })
})
