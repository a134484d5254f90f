import { inspect } from 'node:util'
import { expect, test } from 'vitest'
import { bytes, type Codec, json, type LogRecord } from '../../src/index.ts'
import { diskLog, memoryLog } from './harness.ts'

const HEADERS = [['text', 'é'], ['bytes', Buffer.of(0xff, 0)], ['none', null]] as const

test('a record prints its fields and nothing of the memory it lies in', async () => {
  const topic = await (await diskLog()).topic('t', { value: json<{ n: number }>() })
  await topic.send([{ key: 'k', value: { n: 1 }, timestamp: 5 }, { value: null, timestamp: 6, headers: HEADERS }])
  const [first, second] = [...topic.partition(0).read()]
  expect(inspect(first, { breakLength: Infinity })).toBe(
    "LogRecord { topic: 't', partition: 0, offset: 0, timestamp: 5, key: 'k', value: { n: 1 }, headers: [] }",
  )
  expect(inspect(second, { breakLength: Infinity, compact: true })).toMatch(
    /key: null, value: null, headers: \[ \[ 'text', 'é' \], \[ 'bytes', <Buffer ff 00> \], \[ 'none', null \] \] }$/,
  )
  expect(inspect({ deep: { in: { it: first } } }, { depth: 1 })).not.toMatch(/LogRecord \{/)
  expect(inspect([[[first]]], { depth: 2 })).toBe('[ [ [ [LogRecord] ] ] ]')
})

test('a record that cannot be decoded prints why', async () => {
  const topic = await (await memoryLog()).topic('t', { value: json<unknown>() })
  await topic.send({ value: 1 })
  const record = [...topic.partition(0).read()][0]! as LogRecord<string, unknown>
  record.detach().valueBytes!.fill(0x7b)
  expect(inspect(record)).toMatch(/value: '?.?LogError: the value of record 0 of t-0 cannot be decoded: the codec "json" cannot decode 1 bytes/)
})

test('who asks for what cannot be decoded is told which record it is, whatever the codec throws; JSON of the record has the bytes', async () => {
  const log = await memoryLog()
  // As a client of the wire would: whatever bytes it likes.
  const wire = await log.plainTopic('t', { partitions: 2, key: undefined, value: undefined, settings: {} })
  await wire.send([{ value: Buffer.from('1'), partition: 1 }, { key: Buffer.from('k'), value: Buffer.from('not json'), partition: 1, timestamp: 5 }])
  const refusing: Codec<never> = { name: 'refusing', encode: () => {}, decode: () => { throw new RangeError('too short') } }
  const record = [...(await log.topic('t', { key: refusing, value: json<number>() })).partition(1).read({ from: 1 })][0]!
  const detail = { topic: 't', partition: 1, offset: 1, size: 8 }
  expect(() => record.value).toThrow(expect.objectContaining({
    code: 'LOG_DECODE_FAILED', detail: { ...detail, codec: 'json', part: 'value' }, cause: expect.any(SyntaxError) as Error,
    message: expect.stringMatching(/^the value of record 1 of t-1 cannot be decoded: the codec "json" cannot decode 8 bytes: /) as string,
  }) as Error)
  expect(() => record.key).toThrow(expect.objectContaining({
    code: 'LOG_DECODE_FAILED', detail: { ...detail, size: 1, codec: 'refusing', part: 'key' }, cause: new RangeError('too short'),
    message: 'the key of record 1 of t-1 cannot be decoded: too short',
  }) as Error)
  expect(JSON.parse(JSON.stringify(record))).toEqual({
    topic: 't', partition: 1, offset: 1, timestamp: 5, headers: [],
    key: { undecodable: 'aw==', reason: 'the key of record 1 of t-1 cannot be decoded: too short' },
    value: { undecodable: Buffer.from('not json').toString('base64'), reason: expect.stringContaining('record 1 of t-1') as string },
  })
})

test('a record is JSON of its fields: headers are text where they are UTF-8, other bytes as JSON has them', async () => {
  const topic = await (await memoryLog()).topic('t', { key: bytes, value: json<{ n: number }>() })
  await topic.send({ key: Buffer.of(1), value: { n: 1 }, timestamp: 5, headers: HEADERS })
  const [record] = [...topic.partition(0).read()]
  const bytesOf = (...data: number[]): object => ({ type: 'Buffer', data })
  expect(JSON.parse(JSON.stringify(record))).toEqual({
    topic: 't', partition: 0, offset: 0, timestamp: 5, key: bytesOf(1), value: { n: 1 },
    headers: [['text', 'é'], ['bytes', bytesOf(255, 0)], ['none', null]],
  })
})

test('logs, topics, partitions, producers and consumers print what they are called and how far they are', async () => {
  const log = await memoryLog()
  const topic = await log.topic('t', { partitions: 3 })
  await topic.send([{ value: 1, partition: 2 }, { value: 2, partition: 2 }])
  const consumer = topic.consumer({ partitions: [1, 2], until: 'end' })
  for await (const record of consumer) if (record.offset === 1) break
  expect(inspect(topic)).toBe("Topic { name: 't', partitionCount: 3 }")
  expect(inspect(topic.partition(2))).toBe("Partition { topic: 't', partition: 2, startOffset: 0, highWatermark: 2 }")
  expect(inspect(topic.producer())).toBe("Producer { topic: 't' }")
  expect(inspect(consumer)).toBe("Consumer { topic: 't', positions: Map(2) { 1 => 0, 2 => 1 } }")
  const printed = (status: string): string => `CommitLog { folder: '/memory', status: '${status}', readOnly: false, topics: [ 't' ] }`
  expect(inspect(log, { breakLength: Infinity })).toBe(printed('open'))
  await log.close()
  // After the end as well: errors are printed with what they were about.
  expect(inspect(log, { breakLength: Infinity })).toBe(printed('closed'))
  for (const closed of [topic, topic.partition(2), consumer]) expect(inspect(closed)).toContain("'t'")
  expect(inspect([[[log]]])).toBe('[ [ [ [CommitLog] ] ] ]')
})
