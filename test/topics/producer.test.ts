import { expect, test } from 'vitest'
import { bytes, defineTopic, json, LogError, type SendRecord, string, type TopicOptions } from '../../src/index.ts'
import { MemoryFileSystem } from '../../src/files/memory.ts'
import { ManualClock } from '../../src/testing/manual-clock.ts'
import { partitionOfKey } from '../../src/topics/partitioner.ts'
import { MOST_WAITING_SENDS } from '../../src/topics/send-queue.ts'
import { collect, failure, kinds, memoryLog } from './harness.ts'

const Orders = defineTopic('orders', { partitions: 3, key: string, value: json<number>() })

for (const { kind, open } of kinds) {
  test(`${kind}: an array gives a result for each record, in order, and equal keys keep their order`, async () => {
    const orders = await (await open()).topic(Orders)
    const records = Array.from({ length: 500 }, (_, value) => ({ key: `k${value % 7}`, value }))
    const results = await orders.send(records)
    const found = new Map((await collect(orders.consumer({ until: 'end' }))).map((record) => [`${record.partition}/${record.offset}`, record]))
    expect(results.map(({ partition, offset }) => found.get(`${partition}/${offset}`)!.value)).toEqual(records.map(({ value }) => value))
    for (const partition of orders.partitions) {
      const last = new Map<string, number>()
      for (const { key, value } of partition.read()) {
        expect(value).toBeGreaterThan(last.get(key!) ?? -1)
        last.set(key!, value!)
      }
    }
  })

  test(`${kind}: a loop of awaited sends is stored in order`, async () => {
    const topic = await (await open()).topic('t')
    for (let n = 0; n < 50; n++) expect((await topic.send({ value: n })).offset).toBe(n)
  })

  test(`${kind}: thousands of sends at once are stored in the order of the calls`, async () => {
    const topic = await (await open()).topic('t')
    const results = await Promise.all(Array.from({ length: 5000 }, (_, value) => topic.send({ value })))
    expect(results.map(({ offset }) => offset)).toEqual(results.map((_, index) => index))
    expect((await collect(topic.consumer({ until: 'end' }))).map(({ value }) => value)).toEqual(results.map((_, index) => index))
  })
}

test('an empty array is nothing', async () => {
  expect(await (await (await memoryLog()).topic(Orders)).send([])).toEqual([])
})

test('a record goes to the partition that it names', async () => {
  const orders = await (await memoryLog()).topic(Orders)
  for (const partition of [2, 0, 1]) expect(await orders.send({ key: 'same', value: 1, partition })).toMatchObject({ partition, offset: 0 })
  expect(await failure(() => orders.send({ value: 1, partition: 3 }))).toEqual(new RangeError('there is no partition 3: topic "orders" has 3'))
  expect(await failure(() => orders.send({ value: 1, partition: '1' as never }))).toBeInstanceOf(TypeError)
})

test('a producer has a partitioner of its own', async () => {
  const orders = await (await memoryLog()).topic(Orders)
  const producer = orders.producer({ partitioner: ({ value }, partitions) => value! % partitions })
  expect(producer.topic).toBe('orders')
  expect((await producer.send([{ value: 4 }, { value: 5 }, { value: 6 }])).map(({ partition }) => partition)).toEqual([1, 2, 0])
  expect(await failure(() => orders.producer({ partitioner: () => 9 }).send({ value: 1 }))).toBeInstanceOf(RangeError)
})

test('records without a key fill one partition before the next', async () => {
  const topic = await (await memoryLog({ batchSize: 1000 })).topic('t', { partitions: 4, value: bytes })
  const results = await topic.send(Array.from({ length: 1000 }, () => ({ value: Buffer.alloc(100) })))
  const changes = results.filter(({ partition }, index) => index > 0 && partition !== results[index - 1]!.partition).length
  expect(changes).toBeGreaterThan(50)
  expect(changes).toBeLessThan(100)
})

test('a tombstone is stored as null', async () => {
  const orders = await (await memoryLog()).topic(Orders)
  await orders.send({ key: 'gone', value: null })
  expect((await collect(orders.consumer({ until: 'end' })))[0]).toMatchObject({ key: 'gone', value: null, valueBytes: null })
})

test('closing a producer waits for its sends, and leaves the topic open', async () => {
  const orders = await (await memoryLog()).topic(Orders)
  const producer = orders.producer()
  const sent = producer.send({ value: 1 })
  await producer.close()
  await sent
  expect(await failure(() => producer.send({ value: 2 }))).toMatchObject({ code: 'LOG_CLOSED', message: 'the producer of topic "orders" is closed' })
  await orders.send({ value: 3 })
})

test('flush resolves when everything sent so far is stored', async () => {
  const orders = await (await memoryLog()).topic(Orders)
  const producer = orders.producer()
  let settled = false
  producer.send({ value: 1 }).then(() => { settled = true }, () => {})
  await producer.flush()
  expect(settled).toBe(true)
})

// Linger ---------------------------------------------------------------------------------------------------------------------------------

/** A log in memory whose time the test moves, with a topic of its own; and what its rounds wrote, in records. */
async function lingering(settings: TopicOptions<string, Uint8Array> = {}) {
  const clock = new ManualClock()
  const topic = await (await memoryLog({ clock })).topic('t', { ...settings, value: bytes })
  const partition = topic.partition(0)
  return { clock, topic, partition, stored: () => partition.highWatermark, passes: (ms: number) => clock.advance(ms) }
}

test('a producer lingers as it is told, whatever the topic says', async () => {
  for (const [ofTopic, ofProducer, linger] of [[0, 50, 50], [50, undefined, 50], [1000, 20, 20], [1000, 0, 0]] as const) {
    const { topic, stored, passes } = await lingering({ lingerMs: ofTopic })
    const producer = topic.producer(ofProducer === undefined ? {} : { lingerMs: ofProducer })
    const sent = producer.send([{ value: Buffer.alloc(1) }, { value: Buffer.alloc(1) }])
    if (linger > 0) {
      await passes(linger - 1)
      expect(stored()).toBe(0)
    }
    await passes(1)
    expect(stored()).toBe(2)
    await sent
  }
})

test('who waits least takes the others along', async () => {
  const { topic, stored, passes } = await lingering()
  const slow = topic.producer({ lingerMs: 100 })
  const sent = [slow.send({ value: Buffer.alloc(1) })]
  await passes(10)
  sent.push(topic.producer({ lingerMs: 20 }).send({ value: Buffer.alloc(1) }), slow.send({ value: Buffer.alloc(1) }))
  await passes(19)
  expect(stored()).toBe(0)
  await passes(1)
  expect(stored()).toBe(3)
  sent.push(slow.send({ value: Buffer.alloc(1) }))
  await passes(99)
  expect(stored()).toBe(3)                            // the timer of the first record, 100 ms ago, is gone
  sent.push(topic.producer({ lingerMs: 50 }).send({ value: Buffer.alloc(1) }))
  await passes(1)
  expect(stored()).toBe(5)
  sent.push(slow.send({ value: Buffer.alloc(1) }), topic.send({ value: Buffer.alloc(1) }))
  await Promise.all(sent)
  expect(stored()).toBe(7)
})

test('a full batch does not linger', async () => {
  const { topic, stored, passes } = await lingering({ batchSize: 1000 })
  const producer = topic.producer({ lingerMs: 60_000 })
  const sent = Array.from({ length: 8 }, () => producer.send({ value: Buffer.alloc(100) }))
  await passes(0)
  expect(stored()).toBe(0)
  sent.push(producer.send({ value: Buffer.alloc(100) }))
  await Promise.all(sent)
  expect(stored()).toBe(9)
})

test('what lingers is stored at once by flush and close, and what waits for room behind it too', async () => {
  for (const end of ['flush', 'close'] as const) {
    const { topic, stored } = await lingering()
    const producer = topic.producer({ lingerMs: 60_000 })
    const sent = producer.send({ value: Buffer.alloc(1) })
    await producer[end]()
    await sent
    expect(stored()).toBe(1)
  }
  const clock = new ManualClock()
  const topic = await (await memoryLog({ clock, bufferBytes: 1, batchSize: 1 })).topic('t', { value: bytes })
  const producer = topic.producer({ lingerMs: 60_000 })
  const sent = Array.from({ length: 20 }, () => producer.send({ value: Buffer.alloc(10) }))
  await producer.flush()
  expect((await Promise.all(sent)).at(-1)).toMatchObject({ offset: 19 })
  const late = producer.send({ value: Buffer.alloc(10) })
  await late
})

test('a linger that cannot be is refused', async () => {
  const { topic } = await lingering()
  expect(() => topic.producer({ lingerMs: -1 })).toThrow('lingerMs of a producer of topic "t" is an integer from 0 to 2147483646, not -1')
  expect(() => topic.producer({ lingerMs: '5' as never })).toThrow(TypeError)
  expect(() => topic.producer({ linger: 5 } as never)).toThrow('did you mean "lingerMs"?')
})

// Bad input ------------------------------------------------------------------------------------------------------------------------------

test('records, keys, values and headers of wrong types are TypeErrors that say what came', async () => {
  const orders = await (await memoryLog()).topic(Orders)
  for (const [record, message] of [
    ['text', /^a record is \{ key, value, headers, timestamp(?:, partition)? \}, not the string "text"$/],
    [null, /^a record is \{ key, value, headers, timestamp(?:, partition)? \}, not null$/],
    [{ key: 'k' }, 'a record has a value; null says that the key is gone'],
    [{ key: 5, value: 1 }, 'the codec "string" takes a string, not the number 5'],
    [{ key: 'k', value: 5n }, /the codec "json" cannot hold the bigint 5n/],
    [{ value: 1, headers: [[5, 'x']] }, /header/],
    [{ value: 1, headers: { a: 5 } }, /header "a"/],
  ] as const) {
    for (const call of [() => orders.send(record as never), () => orders.partition(0).append(record as never)]) {
      const error = await failure(call)
      expect(error).toBeInstanceOf(TypeError)
      expect(error.message).toMatch(message)
    }
  }
  expect(await failure(() => orders.send({ value: 1, timestamp: 1.5 }))).toBeInstanceOf(RangeError)
  expect(await collect(orders.consumer({ until: 'end' }))).toEqual([])
})

test('of an array each record is stored or has its error, and the send says which', async () => {
  const orders = await (await memoryLog()).topic('t', { value: bytes, maxMessageBytes: 1000 })
  const records: SendRecord<string, Uint8Array>[] = [
    { value: Buffer.alloc(10) }, { value: Buffer.alloc(2000) }, { value: 'x' as never }, { value: Buffer.alloc(20) },
  ]
  const error = await failure(() => orders.send(records))
  expect(error).toMatchObject({ code: 'LOG_SEND_FAILED', retriable: false, message: expect.stringMatching(/^2 of 4 records were not stored: /) })
  expect(error.detail!.results).toEqual([
    { partition: 0, offset: 0, timestamp: expect.any(Number) }, expect.objectContaining({ code: 'LOG_RECORD_TOO_LARGE' }),
    new TypeError('the codec "bytes" takes a Uint8Array, not the string "x"'), { partition: 0, offset: 1, timestamp: expect.any(Number) },
  ])
  expect((await collect(orders.consumer({ until: 'end' }))).map(({ value }) => value!.length)).toEqual([10, 20])
})

test('options that nobody knows are refused', async () => {
  const orders = await (await memoryLog()).topic(Orders)
  expect(() => orders.producer({ partitoner: () => 0 } as never))
    .toThrow('unknown option "partitoner" for a producer of topic "orders": did you mean "partitioner"?')
  expect(await failure(() => orders.send({ value: 1 }, { sginal: 1 } as never))).toBeInstanceOf(TypeError)
  expect(await failure(() => orders.send({ value: 1 }, { signal: 1 } as never))).toBeInstanceOf(TypeError)
})

// Room -----------------------------------------------------------------------------------------------------------------------------------

test('an append past bufferBytes is LOG_BUFFER_FULL; a send waits for room, in order', async () => {
  const topic = await (await memoryLog({ bufferBytes: 10_000, batchSize: 1000 })).topic('t', { value: bytes })
  const partition = topic.partition(0)
  let appended = 0
  const full = await failure(() => {
    for (; appended < 1000; appended++) partition.append({ value: Buffer.alloc(500) })
  })
  expect(full).toMatchObject({ code: 'LOG_BUFFER_FULL' })
  expect(appended).toBeLessThan(40)
  const many = Array.from({ length: 200 }, (_, index) => topic.send({ value: Buffer.alloc(500, index) }))
  const array = topic.send(Array.from({ length: 200 }, (_, index) => ({ value: Buffer.alloc(500, index) })))
  expect((await Promise.all(many)).map(({ offset }) => offset)).toEqual(many.map((_, index) => appended + index))
  expect((await array).map(({ offset }) => offset)).toEqual(many.map((_, index) => appended + 200 + index))
})

test('what a send is given may be changed as soon as it returns, also when it waits for room', async () => {
  interface Note { text: string }
  const topic = await (await memoryLog({ bufferBytes: 1, batchSize: 1 })).topic('t', { value: json<Note>(), key: bytes, partitions: 3 })
  const key = Buffer.alloc(1)
  const header = Buffer.alloc(1)
  const note = { text: '' }
  const sends: Promise<unknown>[] = []
  const record = { key, value: note, headers: [['h', header]] as const, timestamp: 0 }
  for (let n = 0; n < 20; n++) {
    key[0] = header[0] = record.timestamp = n
    note.text = `note ${n}`
    sends.push(n % 5 === 4 ? topic.send([record, { ...record }]) : topic.send(record))
  }
  key.fill(99)
  header.fill(99)
  note.text = 'changed'
  await Promise.all(sends)
  const found = await collect(topic.consumer({ until: 'end' }))
  expect(found).toHaveLength(24)
  for (const { key, value, timestamp, partition, headers } of found) {
    const n = key![0]!
    expect([value, timestamp, headers]).toEqual([{ text: `note ${n}` }, n, [['h', Buffer.of(n)]]])
    expect(partition).toBe(partitionOfKey(bytes, Buffer.of(n), 3))
  }
})

test('a record that cannot be encoded is refused also when it would have to wait, and those beside it wait on', async () => {
  const topic = await (await memoryLog({ bufferBytes: 1, batchSize: 1 })).topic('t', { value: bytes })
  const first = topic.send({ value: Buffer.alloc(1) })
  const refused = await failure(() => topic.send({ value: 'x' as never }))
  expect(refused).toEqual(new TypeError('the codec "bytes" takes a Uint8Array, not the string "x"'))
  const some = await failure(() => topic.send([{ value: Buffer.alloc(2) }, { value: 5 as never }, { value: Buffer.alloc(3), partition: 7 }]))
  expect(some).toMatchObject({ code: 'LOG_SEND_FAILED' })
  expect(some.detail!.results).toEqual([expect.objectContaining({ offset: 1 }), expect.any(TypeError), expect.any(RangeError)])
  await first
})

test('only so many sends wait: more are LOG_BUFFER_FULL', async () => {
  const log = await memoryLog({ bufferBytes: 1, batchSize: 1 })
  const topic = await log.topic('t', { value: bytes })
  topic.partition(0).append({ value: Buffer.alloc(10) })
  const sends = Array.from({ length: MOST_WAITING_SENDS }, () => topic.send({ value: Buffer.alloc(1) }))
  expect(log.stats().waitingSends).toBe(MOST_WAITING_SENDS)
  expect(await failure(() => topic.send({ value: Buffer.alloc(1) }))).toMatchObject({ code: 'LOG_BUFFER_FULL', retriable: true })
  await Promise.all(sends)
})

test('only so many bytes of sends wait: 8 times bufferBytes, and one send of any size', async () => {
  const log = await memoryLog({ bufferBytes: 500_000, batchSize: 1, maxMessageBytes: 10_000_000, segmentBytes: 20_000_000 })
  const topic = await log.topic('t', { value: bytes })
  const value = Buffer.alloc(900_000)
  const most = { value: Buffer.alloc(5_000_000) }
  topic.partition(0).append({ value })
  const large = topic.send([most, { value: 5 as never }])
  expect(await failure(() => topic.send({ value: Buffer.alloc(1) }))).toMatchObject({
    code: 'LOG_BUFFER_FULL', retriable: true, detail: { waiting: 1, waitingBytes: 5_000_000, size: 1 },
  })
  await failure(() => large)
  for (let round = 0; round < 3; round++) {
    topic.partition(0).append({ value })
    const controller = new AbortController()
    const sends = Array.from({ length: 10 }, (_, n) => topic.send({ value }, n % 2 === 0 ? { signal: controller.signal } : undefined))
    if (round === 1) controller.abort(new Error('enough'))
    const further = topic.send({ value })
    const stored = (await Promise.allSettled([...sends, further])).map(({ status }) => status === 'fulfilled')
    // Four wait beside each other; where two of them leave, the one behind gets in.
    expect(stored).toEqual(Array.from({ length: 11 }, (_, n) => (round === 1 ? n === 1 || n === 3 || n === 10 : n < 4)))
  }
})

test('a send that waits for room is ended by its signal, and by closing the log', async () => {
  const log = await memoryLog({ bufferBytes: 1, batchSize: 1 })
  const topic = await log.topic('t', { value: bytes })
  topic.partition(0).append({ value: Buffer.alloc(10) })
  const controller = new AbortController()
  const aborted = failure(() => topic.send({ value: Buffer.alloc(1) }, { signal: controller.signal }))
  const closed = failure(() => topic.send({ value: Buffer.alloc(1) }))
  const reason = new Error('enough')
  controller.abort(reason)
  const closing = log.close()
  expect(await aborted).toBe(reason)
  expect(await closed).toMatchObject({ code: 'LOG_CLOSED' })
  await closing
})

test('a signal that is aborted already sends nothing', async () => {
  const orders = await (await memoryLog()).topic(Orders)
  const reason = new Error('enough')
  expect(await failure(() => orders.send({ value: 1 }, { signal: AbortSignal.abort(reason) }))).toBe(reason)
  expect(await collect(orders.consumer({ until: 'end' }))).toEqual([])
})

// Failure --------------------------------------------------------------------------------------------------------------------------------

test('when the disk fills up in the middle of an array, each record is told apart', async () => {
  const files = new MemoryFileSystem({ capacity: 400_000 })
  const topic = await (await memoryLog({ files, batchSize: 4000, segmentBytes: 100_000 })).topic('t', { value: bytes, partitions: 2 })
  const error = await failure(() => topic.send(Array.from({ length: 600 }, (_, index) => ({ key: `${index}`, value: Buffer.alloc(1000, index) }))))
  expect(error).toMatchObject({ code: 'LOG_SEND_FAILED', retriable: true })
  const results = error.detail!.results as ({ partition: number; offset: number } | LogError)[]
  const stored = new Set<string>()
  for (const partition of topic.partitions) for (const { offset } of partition.read()) stored.add(`${partition.partition}/${offset}`)
  const told = results.filter((result) => !(result instanceof Error)) as { partition: number; offset: number }[]
  expect(told.length).toBeGreaterThan(50)
  expect(new Set(told.map(({ partition, offset }) => `${partition}/${offset}`))).toEqual(stored)
  expect(results.filter((result) => result instanceof Error)[0]).toMatchObject({ code: 'LOG_DISK_FULL' })
})
