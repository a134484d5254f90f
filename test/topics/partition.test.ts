import { expect, test } from 'vitest'
import { systemClock } from '../../src/base/clock.ts'
import { diskFileSystem } from '../../src/files/disk.ts'
import { bytes, type Codec, defineTopic, json, string } from '../../src/index.ts'
import { allFindings, verifyLog } from '../../src/topics/verify-log.ts'
import { diskLog, failure, freshFolder, kinds, memoryLog } from './harness.ts'

const Numbers = defineTopic('numbers', { value: json<number>() })

for (const { kind, open } of kinds) {
  test(`${kind}: append gives the offset at once, durable says when it is stored`, async () => {
    const partition = (await (await open()).topic(Numbers)).partition(0)
    const offsets = [5, 6, 7].map((value) => partition.append({ key: 'k', value, timestamp: 100 + value }))
    expect(offsets).toEqual([0, 1, 2])
    expect(partition.nextOffset).toBe(3)
    await partition.durable(2)
    expect([partition.durableOffset, partition.highWatermark, partition.lastStableOffset]).toEqual([3, 3, 3])
    expect([...partition.read()].map(({ offset, key, value, timestamp }) => [offset, key, value, timestamp])).toEqual([
      [0, 'k', 5, 105], [1, 'k', 6, 106], [2, 'k', 7, 107],
    ])
  })

  test(`${kind}: read gives a range whose end is fixed when it is called`, async () => {
    const topic = await (await open()).topic(Numbers)
    const partition = topic.partition(0)
    await topic.send(Array.from({ length: 10 }, (_, value) => ({ value, timestamp: 1000 + value })))
    const values = (range?: Parameters<typeof partition.read>[0]): (number | null)[] => [...partition.read(range)].map(({ value }) => value)
    const early = partition.read()
    await topic.send({ value: 10 })
    expect([...early]).toHaveLength(10)
    expect(values({ from: 8 })).toEqual([8, 9, 10])
    expect(values({ from: 3, to: 5 })).toEqual([3, 4])
    expect(values({ from: 'earliest', to: 1 })).toEqual([0])
    expect(values({ from: 'latest' })).toEqual([])
    expect(values({ from: { timestamp: 1008 }, to: 10 })).toEqual([8, 9])
    expect(values({ from: 11 })).toEqual([])
  })
}

test('what is not acknowledged is read with upTo appended only', async () => {
  const partition = (await (await diskLog()).topic(Numbers)).partition(0)
  partition.append({ value: 1 })
  expect([...partition.read()]).toHaveLength(0)
  expect([...partition.read({ upTo: 'appended' })].map(({ value }) => value)).toEqual([1])
  await partition.flush()
  expect([...partition.read()]).toHaveLength(1)
})

test('offsets are found by time', async () => {
  const topic = await (await memoryLog()).topic(Numbers)
  await topic.send([{ value: 0, timestamp: 100 }, { value: 1, timestamp: 300 }, { value: 2, timestamp: 200 }])
  const partition = topic.partition(0)
  expect(partition.offsetForTimestamp(150)).toEqual({ offset: 1, timestamp: 300, leaderEpoch: 0 })
  expect(partition.offsetForTimestamp(301)).toBeUndefined()
  expect(partition.maxTimestamp()).toEqual({ offset: 1, timestamp: 300, leaderEpoch: 0 })
})

test('a record that was kept over a cut never shows what took its offset', async () => {
  const partition = (await (await memoryLog()).topic('cut', { value: string })).partition(0)
  const write = async (prefix: string): Promise<void> => {
    for (let number = 0; number < 3000; number++) partition.append({ value: `${prefix}${number}`.padEnd(1000) })
    await partition.flush()
  }
  await write('old')
  const kept = [...partition.read({ from: 2900 })]
  await partition.truncate(50)
  await write('new')
  const seen = kept.map((record) => {
    try {
      return record.value!.slice(0, 3)
    } catch (error) {
      return (error as { code?: string }).code
    }
  })
  expect(seen).toContain('LOG_RECORD_GONE')
  expect(seen).not.toContain('new')
})

test('timestamps may be as far apart as they like within a batch', async () => {
  const log = await diskLog()
  const partition = (await log.topic(Numbers)).partition(0)
  const timestamps = [0, -1, Number.MAX_SAFE_INTEGER, 1]
  for (const first of [-1, Number.MAX_SAFE_INTEGER]) {
    for (const timestamp of [first, ...timestamps]) partition.append({ value: 1, timestamp })
    await partition.flush()
  }
  expect([...partition.read()].map(({ timestamp }) => timestamp)).toEqual([-1, ...timestamps, Number.MAX_SAFE_INTEGER, ...timestamps])
  expect(partition.offsetForTimestamp(2)?.offset).toBe(3)
  expect(partition.offsetForTimestamp(0)?.offset).toBe(1)
  expect(partition.maxTimestamp()?.timestamp).toBe(Number.MAX_SAFE_INTEGER)
  await log.close()
  expect(allFindings(await verifyLog(diskFileSystem, log.folder, { clock: systemClock }))).toEqual([])
})

test('a batch that readers would refuse to unpack is stored as it is', async () => {
  const log = await memoryLog({ bufferBytes: 200_000_000 })
  const partition = (await log.topic('large', { value: bytes, compressionType: 'gzip', maxMessageBytes: 80_000_000 })).partition(0)
  await partition.durable(partition.append({ value: Buffer.alloc(70_000_000) }))
  await partition.durable(partition.append({ value: Buffer.alloc(1_000_000) }))
  expect([...partition.read()].map(({ value }) => value!.length)).toEqual([70_000_000, 1_000_000])
  expect(partition.stats().bytes).toBeLessThan(70_100_000)
})

test('a value that uses its own partition while it is encoded is refused, and leaves the batch whole', async () => {
  const partition = (await (await memoryLog()).topic('inside', { value: json<unknown>() })).partition(0)
  const uses = [() => partition.append({ value: 'inner' }), () => [...partition.read({ upTo: 'appended' })]]
  partition.append({ value: 'first' })
  for (const use of uses) {
    const value = { toJSON: () => (use(), 'outer') }
    expect(() => partition.append({ value })).toThrow(/used the partition while a record of that partition was encoded/)
  }
  await partition.durable(partition.append({ value: 'last' }))
  expect([...partition.read()].map(({ value }) => value)).toEqual(['first', 'last'])
})

test('a codec that writes another size than it told is refused, and leaves the batch whole', async () => {
  const codec: Codec<number> = {
    name: 'liar', size: () => 4, encode: (count, writer) => writer.bytes(Buffer.alloc(count)), decode: (_, start, end) => end - start,
  }
  const partition = (await (await memoryLog()).topic('sizes', { value: codec })).partition(0)
  for (const count of [4, 3, 5, 100_000, 0, 4]) {
    if (count === 4) partition.append({ value: count })
    else expect(() => partition.append({ value: count })).toThrow(`the codec "liar" said that it would write 4 bytes, and wrote ${count}`)
  }
  await partition.flush()
  expect([...partition.read()].map(({ value }) => value)).toEqual([4, 4])
})

test('truncate removes what is behind an offset, and appends go on there', async () => {
  const partition = (await (await memoryLog()).topic(Numbers)).partition(0)
  for (let value = 0; value < 10; value++) await partition.durable(partition.append({ value }))
  await partition.truncate(4)
  expect([...partition.read()].map(({ value }) => value)).toEqual([0, 1, 2, 3])
  expect(partition.append({ value: 40 })).toBe(4)
  await partition.flush()
  expect(partition.stats()).toMatchObject({ leaderEpoch: 1, nextOffset: 5, state: 'open' })
})

test('what is appended while the log is cut is stored or told as lost, and appends go on either way', async () => {
  const topic = await (await diskLog()).topic(Numbers)
  const partition = topic.partition(0)
  const pauses = [() => Promise.resolve(), () => new Promise((resolve) => setImmediate(resolve))]
  let lost = 0
  for (const pause of pauses) {
    for (let pausesBefore = 0; pausesBefore < 60; pausesBefore++) {
      for (let value = 0; value < 4; value++) await partition.durable(partition.append({ value }))
      const cut = partition.truncate(partition.nextOffset - 2)
      for (let done = 0; done < pausesBefore; done++) await pause()
      const told = await partition.durable(partition.append({ value: 5 })).then(() => undefined, (error: unknown) => error)
      if (told !== undefined) expect(told, `${pausesBefore} pauses`).toMatchObject({ code: 'LOG_APPEND_LOST' })
      if (told !== undefined) lost++
      await cut
      const { offset } = await topic.send({ value: 6 })
      expect([...partition.read({ from: offset })].map(({ value }) => value)).toEqual([6])
    }
  }
  expect(lost).toBeGreaterThan(0)
})

test('roll starts a new segment', async () => {
  const folder = freshFolder()
  const topic = await (await diskLog(folder)).topic('t', { value: bytes })
  for (let n = 0; n < 3; n++) {
    await topic.send({ value: Buffer.alloc(10) })
    await topic.partition(0).roll()
  }
  expect(topic.stats()[0]).toMatchObject({ segments: 4, nextOffset: 3 })
})

test('offsets that are not kept are LOG_OFFSET_OUT_OF_RANGE, those that cannot be are RangeErrors', async () => {
  const partition = (await (await memoryLog()).topic(Numbers)).partition(0)
  expect(await failure(() => partition.read({ from: 1 }))).toMatchObject({ code: 'LOG_OFFSET_OUT_OF_RANGE' })
  expect(await failure(() => partition.durable(5))).toBeInstanceOf(RangeError)
  for (const call of [
    () => partition.read({ from: -1 }), () => partition.read({ from: 1.5 }), () => partition.read({ to: -1 }), () => partition.truncate(-1),
    () => partition.offsetForTimestamp(-5), () => partition.truncate(NaN),
  ]) expect(await failure(call)).toBeInstanceOf(RangeError)
  for (const call of [
    () => partition.read({ from: '0' as never }), () => partition.read({ form: 0 } as never), () => partition.read({ upTo: 'end' as never }),
    () => partition.read({ isolation: 'dirty' as never }), () => partition.truncate('3' as never), () => partition.truncate(undefined as never),
    () => partition.offsetForTimestamp(undefined as never),
  ]) expect(await failure(call)).toBeInstanceOf(TypeError)
})

test('a partition that is not there is a RangeError, what is no number a TypeError', async () => {
  const topic = await (await memoryLog()).topic(Numbers)
  expect(() => topic.partition(1)).toThrow(new RangeError('there is no partition 1: topic "numbers" has 1'))
  expect(() => topic.partition(-1)).toThrow(RangeError)
  expect(() => topic.partition('0' as never)).toThrow(TypeError)
})
