import { getEventListeners } from 'node:events'
import { expect, test } from 'vitest'
import { bytes, type CommitLog, defineTopic, json, type LogRecord, type Topic } from '../../src/index.ts'
import { ManualClock } from '../../src/testing/manual-clock.ts'
import { collect, diskLog, failure, freshFolder, kinds, memoryLog } from './harness.ts'

const Numbers = defineTopic('numbers', { partitions: 3, value: json<number>() })

/** A topic with `count` records, spread over its partitions in turn. */
async function numbers(log: CommitLog, count: number): Promise<Topic<string, number>> {
  const topic = await log.topic(Numbers)
  await topic.send(Array.from({ length: count }, (_, value) => ({ value, partition: value % 3, timestamp: 1000 + value })))
  return topic
}

const valuesOf = <V>(records: readonly LogRecord<string, V>[]): (V | null)[] => records.map(({ value }) => value)

for (const { kind, open } of kinds) {
  test(`${kind}: every record of every partition comes once, each partition in its order`, async () => {
    const topic = await numbers(await open(), 5000)
    const records = await collect(topic.consumer({ until: 'end' }))
    expect(valuesOf(records).sort((a, b) => a! - b!)).toEqual(Array.from({ length: 5000 }, (_, value) => value))
    for (const partition of [0, 1, 2]) {
      const offsets = records.filter((record) => record.partition === partition).map(({ offset }) => offset)
      expect(offsets).toEqual(offsets.map((_, index) => index))
    }
  })

  test(`${kind}: a waiting consumer gets what is sent, as soon as it is acknowledged`, async () => {
    const topic = await (await open()).topic(Numbers)
    const seen = collect(topic.consumer(), 10)
    for (let value = 0; value < 10; value++) await topic.send({ value, partition: value % 3 })
    expect(valuesOf(await seen)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
  })

  test(`${kind}: batches give the same records, as they are stored together`, async () => {
    const topic = await numbers(await open(), 900)
    const batches = await collect(topic.consumer({ until: 'end' }).batches())
    expect(batches.length).toBeLessThan(30)
    expect(batches.every((batch) => new Set(batch.map(({ partition }) => partition)).size === 1)).toBe(true)
    expect(valuesOf(batches.flat()).sort((a, b) => a! - b!)).toEqual(Array.from({ length: 900 }, (_, value) => value))
  })
}

test('what lies in closed files is read whole, over many segments', async () => {
  const folder = freshFolder()
  const log = await diskLog(folder, { durability: 'os' })
  const big = await log.topic('big', { value: bytes, segmentBytes: 300_000, compressionType: 'gzip' })
  await big.send(Array.from({ length: 3000 }, (_, index) => ({ value: Buffer.alloc(1000, index % 251) })))
  await log.close()
  const again = await (await diskLog(folder)).topic('big')
  let next = 0
  for await (const { offset, value } of again.consumer({ until: 'end' })) {
    expect(offset).toBe(next)
    expect((value as Buffer)[999]).toBe(next++ % 251)
  }
  expect(next).toBe(3000)
})

test('no partition waits until another is read to its end', async () => {
  const topic = await numbers(await memoryLog(), 9000)
  const order = (await collect(topic.consumer({ until: 'end' }))).map(({ partition }) => partition)
  const changes = order.filter((partition, index) => index > 0 && partition !== order[index - 1]).length
  expect(changes).toBeGreaterThan(10)
  const firstOf = [0, 1, 2].map((partition) => order.indexOf(partition))
  expect(Math.max(...firstOf)).toBeLessThan(3000)
})

test('a consumer that is fed faster than it reads lets the event loop turn', async () => {
  const topic = await numbers(await memoryLog(), 60_000)
  let turns = 0
  const timer = setInterval(() => turns++, 0)
  await collect(topic.consumer({ until: 'end' }))
  clearInterval(timer)
  expect(turns).toBeGreaterThan(1)
})

// Where it begins ------------------------------------------------------------------------------------------------------------------------

test('a consumer begins at an offset, the earliest, the latest, or a time', async () => {
  const topic = await numbers(await memoryLog(), 30)
  const firsts = async (from: Parameters<typeof topic.consumer>[0]): Promise<number[]> => {
    const records = await collect(topic.consumer({ ...from, until: 'end' }))
    return [0, 1, 2].map((partition) => records.find((record) => record.partition === partition)?.offset ?? -1)
  }
  expect(await firsts({})).toEqual([0, 0, 0])
  expect(await firsts({ from: 'earliest' })).toEqual([0, 0, 0])
  expect(await firsts({ from: 4 })).toEqual([4, 4, 4])
  expect(await firsts({ from: 'latest' })).toEqual([-1, -1, -1])
  expect(await firsts({ from: { timestamp: 1016 } })).toEqual([6, 6, 6].map((n, partition) => (partition === 0 ? n : n - 1)))
  expect(await firsts({ from: { timestamp: 5000 } })).toEqual([-1, -1, -1])
  expect(await firsts({ from: new Map<number, number | 'latest'>([[0, 7], [2, 'latest']]) })).toEqual([7, 0, -1])
  expect(await firsts({ partitions: [1], from: 9 })).toEqual([-1, 9, -1])
})

test('an offset that is not kept is LOG_OFFSET_OUT_OF_RANGE', async () => {
  const topic = await numbers(await memoryLog(), 30)
  expect(await failure(() => topic.consumer({ from: 11 }))).toMatchObject({
    code: 'LOG_OFFSET_OUT_OF_RANGE', message: 'offset 11 is outside numbers-0: kept are 0..9',
    detail: { topic: 'numbers', partition: 0, offset: 11, start: 0, end: 10 },
  })
  expect(await failure(() => topic.consumer().seek(1, 99))).toMatchObject({ code: 'LOG_OFFSET_OUT_OF_RANGE' })
})

test('wrong options are TypeErrors or RangeErrors', async () => {
  const topic = await numbers(await memoryLog(), 3)
  for (const [options, message] of [
    [{ from: 'begin' }, 'from is an offset, \'earliest\', \'latest\' or { timestamp }, not the string "begin"'],
    [{ from: -1 }, 'from is an offset, a whole number from 0 on, not -1'],
    [{ from: { timestamp: '5' } }, /^from is an offset/],
    [{ from: new Map([[0, 'x']]) }, /^from of partition 0 is an offset/],
    [{ from: { 0: 5 } }, /^from is a Map where partitions have positions of their own: new Map\(\[\[0, 5\]\]\)$/],
    [{ from: new Map([[3, 0]]) }, 'there is no partition 3: topic "numbers" has 3'],
    [{ partitions: 1 }, 'partitions is an array of numbers, not the number 1'],
    [{ partitions: [] }, 'partitions names at least one partition'],
    [{ partitions: [7] }, 'there is no partition 7: topic "numbers" has 3'],
    [{ until: 'END' }, /^until is one of 'end'/],
    [{ isolation: 'serializable' }, /^isolation is one of/],
    [{ signal: {} }, /AbortSignal/],
    [{ form: 5 }, 'unknown option "form" for a consumer of topic "numbers": did you mean "from"?'],
  ] as const) expect((await failure(() => topic.consumer(options as never))).message).toMatch(message)
})

test('partitions that are not named by their numbers are TypeErrors that say how one does', async () => {
  const consumer = (await numbers(await memoryLog(), 3)).consumer()
  for (const [call, message] of [
    [() => consumer.pause([0] as never), /: pause\(0, 1\), not an array of 1$/],
    [() => consumer.resume({ topic: 'numbers', partitions: [0] } as never), /: resume\(0, 1\), not an object$/],
    [() => consumer.seek({ partition: 0, offset: 5 } as never, undefined as never), /: seek\(partition, position\), not an object$/],
  ] as const) expect(await failure(call)).toEqual(expect.objectContaining({ name: 'TypeError', message: expect.stringMatching(message) }))
})

// What is done ---------------------------------------------------------------------------------------------------------------------------

test('asking for the next record marks this one as done; leaving the loop does not', async () => {
  const topic = await numbers(await memoryLog(), 30)
  const consumer = topic.consumer({ partitions: [0], until: 'end' })
  const positions: number[] = []
  for await (const { offset } of consumer) {
    positions.push(consumer.position(0))
    if (offset === 3) break
  }
  expect(positions).toEqual([0, 1, 2, 3])
  expect(consumer.position(0)).toBe(3)
  expect((await collect(consumer)).map(({ offset }) => offset)).toEqual([3, 4, 5, 6, 7, 8, 9])
  expect(consumer.position(0)).toBe(10)
})

test('a loop that throws has not done the record in hand', async () => {
  const topic = await numbers(await memoryLog(), 30)
  const consumer = topic.consumer({ partitions: [1] })
  const error = new Error('in the loop')
  expect(await failure(async () => {
    for await (const { offset } of consumer) if (offset === 2) throw error
  })).toBe(error)
  expect(consumer.position(1)).toBe(2)
  expect((await collect(consumer, 1))[0]!.offset).toBe(2)
})

test('of batches, asking for the next marks all records of this one as done', async () => {
  const topic = await (await memoryLog()).topic(Numbers)
  for (const first of [0, 10, 20]) await topic.send([0, 1, 2].map((n) => ({ value: first + n, partition: 0 })))
  const consumer = topic.consumer({ partitions: [0], until: 'end' })
  const seen: number[][] = []
  for await (const batch of consumer.batches()) {
    seen.push(batch.map(({ value }) => value!))
    if (seen.length === 2) break
  }
  expect(seen).toEqual([[0, 1, 2], [10, 11, 12]])
  expect(consumer.position(0)).toBe(3)
})

test('a consumer seeks, also in the middle of a loop', async () => {
  const topic = await numbers(await memoryLog(), 30)
  const consumer = topic.consumer({ partitions: [2], until: 'end' })
  const offsets: number[] = []
  for await (const { offset } of consumer) {
    offsets.push(offset)
    if (offset === 2) consumer.seek(2, 7)
    if (offset === 9 && offsets.length < 10) consumer.seek(2, { timestamp: 1000 + 3 * 8 })
    if (offsets.length > 20) break
    if (offsets.length === 8) consumer.seek(2, 'latest')
  }
  expect(offsets).toEqual([0, 1, 2, 7, 8, 9, 8, 9])
  consumer.seek(2, 'earliest')
  expect((await collect(consumer)).length).toBe(10)
})

test('a partition that is paused gives nothing until it is resumed', async () => {
  const topic = await numbers(await memoryLog(), 30)
  const consumer = topic.consumer({ until: 'end' })
  consumer.pause(0, 2)
  const seen: number[] = []
  for await (const { partition } of consumer) {
    seen.push(partition)
    if (seen.length === 10) queueMicrotask(() => consumer.resume())
  }
  expect(new Set(seen.slice(0, 10))).toEqual(new Set([1]))
  expect(seen).toHaveLength(30)
})

test('a partition that a consumer does not read is a RangeError', async () => {
  const topic = await numbers(await memoryLog(), 3)
  const consumer = topic.consumer({ partitions: [1, 2, 1] })
  expect(consumer.assignment).toEqual([1, 2])
  for (const call of [() => consumer.position(0), () => consumer.seek(0, 0), () => consumer.pause(0), () => consumer.resume(0)]) {
    expect(call).toThrow(new RangeError('this consumer does not read partition 0 of topic "numbers": it reads 1, 2'))
  }
})

// When it ends ---------------------------------------------------------------------------------------------------------------------------

test('until the end means the end as it stood when the loop began', async () => {
  const topic = await numbers(await memoryLog(), 30)
  const consumer = topic.consumer({ until: 'end' })
  let count = 0
  for await (const _ of consumer) {
    if (count++ === 0) await topic.send([{ value: 100, partition: 0 }, { value: 101, partition: 1 }])
  }
  expect(count).toBe(30)
  expect(valuesOf(await collect(consumer)).sort()).toEqual([100, 101])
  expect(await collect(consumer)).toEqual([])
})

test('an aborted signal ends a loop with its reason, waiting or not', async () => {
  const topic = await numbers(await memoryLog(), 30)
  const reason = new Error('enough')
  const waiting = new AbortController()
  const loop = failure(() => collect(topic.consumer({ from: 'latest', signal: waiting.signal })))
  await topic.send({ value: 1 })
  waiting.abort(reason)
  expect(await loop).toBe(reason)
  const busy = new AbortController()
  let count = 0
  const consumer = topic.consumer({ signal: busy.signal })
  expect(await failure(async () => {
    for await (const _ of consumer) if (++count === 5) busy.abort(reason)
  })).toBe(reason)
  expect(count).toBe(5)
})

test('closing a consumer, its topic or its log ends a loop that waits', async () => {
  for (const level of ['consumer', 'topic', 'log'] as const) {
    const log = await memoryLog()
    const topic = await numbers(log, 3)
    const consumer = topic.consumer()
    const loop = collect(consumer)
    await new Promise((resolve) => setImmediate(resolve))
    await { consumer, topic, log }[level].close()
    expect(await loop).toHaveLength(3)
    expect(await failure(() => collect(consumer))).toMatchObject({ code: 'LOG_CLOSED' })
  }
})

test('a consumer that is closed in its loop hands out nothing more', async () => {
  const topic = await numbers(await memoryLog(), 30)
  const consumer = topic.consumer()
  let count = 0
  for await (const _ of consumer) if (++count === 4) await consumer.close()
  expect(count).toBe(4)
})

test('one loop at a time', async () => {
  const topic = await numbers(await memoryLog(), 30)
  const consumer = topic.consumer()
  const first = consumer[Symbol.asyncIterator]()
  await first.next()
  expect(await failure(() => collect(consumer, 1))).toBeInstanceOf(TypeError)
  await first.return!()
  expect(await first.next()).toEqual({ done: true, value: undefined })
  expect(await collect(consumer, 1)).toHaveLength(1)
})

test('who asks again without waiting for the answer gets one record for each', async () => {
  const topic = await (await memoryLog()).topic(Numbers)
  const iterator = topic.consumer()[Symbol.asyncIterator]()
  const asked = [1, 2, 3].map(() => iterator.next())
  await topic.send([{ value: 1, partition: 0 }, { value: 2, partition: 0 }, { value: 3, partition: 0 }])
  expect((await Promise.all(asked)).map((result) => (result.value as LogRecord<string, number>).value).sort()).toEqual([1, 2, 3])
})

test('a loop that is left by return while it waits ends', async () => {
  const topic = await (await memoryLog()).topic(Numbers)
  const iterator = topic.consumer()[Symbol.asyncIterator]()
  const asked = iterator.next()
  await iterator.return!()
  expect(await asked).toEqual({ done: true, value: undefined })
})

test('what a consumer read and was truncated since is LOG_OFFSET_OUT_OF_RANGE, and not silently something else', async () => {
  const topic = await (await memoryLog()).topic(Numbers)
  for (let value = 0; value < 10; value++) await topic.send({ value, partition: 0 })
  const consumer = topic.consumer({ partitions: [0] })
  const iterator = consumer[Symbol.asyncIterator]()
  for (let value = 0; value < 10; value++) await iterator.next()
  const next = failure(() => iterator.next())
  await topic.partition(0).truncate(4)
  await topic.send(Array.from({ length: 20 }, () => ({ value: -1, partition: 0 })))
  expect(await next).toMatchObject({ code: 'LOG_OFFSET_OUT_OF_RANGE' })
})

test('records that were kept can be read after the loop', async () => {
  const folder = freshFolder()
  const log = await diskLog(folder, { durability: 'os' })
  const topic = await log.topic('t', { value: bytes, segmentBytes: 1_000_000 })
  await topic.send(Array.from({ length: 8000 }, (_, index) => ({ value: Buffer.from(`value ${index} ${'x'.repeat(1000)}`) })))
  await log.close()
  const again = await (await diskLog(folder)).topic('t')
  const records = await collect(again.consumer({ until: 'end' }))
  expect(records).toHaveLength(8000)
  for (const index of [0, 1, 4000, 7999]) expect((records[index]!.value as Buffer).toString('utf8', 0, 10)).toMatch(`value ${index}`.slice(0, 10))
})

test('only while a consumer waits, a timer keeps the process alive; with ref: false none does', async () => {
  const clock = new ManualClock()
  const topic = await (await memoryLog({ clock })).topic(Numbers)
  const idle = clock.timers
  const iterator = topic.consumer({ from: 'latest' })[Symbol.asyncIterator]()
  const quiet = topic.consumer({ from: 'latest', ref: false })[Symbol.asyncIterator]()
  const asked = [iterator.next(), quiet.next()]
  expect(clock.timers).toBe(idle + 1)
  await topic.send({ value: 1 })
  await Promise.all(asked)
  expect(clock.timers).toBe(idle)
})

test('a signal, a topic and a log keep nothing of a consumer that has ended', async () => {
  const controller = new AbortController()
  const topic = await numbers(await memoryLog(), 30)
  for (let n = 0; n < 20; n++) await collect(topic.consumer({ signal: controller.signal }), 30)
  expect(getEventListeners(controller.signal, 'abort')).toHaveLength(0)
})

test('a record in hand stays readable when the consumer is sent elsewhere and the record is compacted away', async () => {
  const log = await memoryLog()
  const topic = await log.topic('t', { cleanupPolicy: 'compact', segmentBytes: 4096, minCleanableDirtyRatio: 0, value: json<string>() })
  const partition = topic.partition(0)
  const inputs = Array.from({ length: 2000 }, (_, number) => ({ key: `k${number % 10}`, value: `${number}`.padEnd(200) }))
  const write = (): Promise<unknown> => topic.send(inputs)
  await write()
  const consumer = topic.consumer()
  for await (const record of consumer) {
    await write()
    await partition.roll()
    await partition.compactNow()
    consumer.seek(0, 'latest')
    expect([...partition.read()].map(({ offset }) => offset)).not.toContain(0)
    expect([record.offset, record.key, record.value?.trim()]).toEqual([0, 'k0', '0'])
    break
  }
})
