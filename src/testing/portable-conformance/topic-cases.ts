/*
 * Cases of the portable conformance suite: topics, and what is sent to them.
 */
import { systemClock } from '../../base/clock.ts'
import { bytes, json, msgpack, string } from '../../topics/codecs.ts'
import { defineTopic } from '../../topics/define-topic.ts'
import { expectSame } from '../store-under-test.ts'
import {
  codecTopic, collect, everything, expectCode, failureOf, fill, type PortableCase, texts, textTopic, valuesOf,
} from './log-under-test.ts'

/** Kafka's own murmur2 of some keys, from the tests of its clients. */
const kafkaHashes: readonly (readonly [key: string, hash: number])[] = [
  ['21', -973932308], ['foobar', -790332482], ['a-little-bit-long-string', -985981536], ['a-little-bit-longer-string', -1486304829],
  ['lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8', -58897971], ['abc', 479470107],
]
const DAY_MS = 86_400_000

/** Topics: made, opened, refused. */
export const topicCases: readonly PortableCase[] = [
  {
    name: 'a topic that is missing is made with the partitions of its definition, and is listed',
    run: async (context) => {
      const topic = await textTopic(context, 3)
      expectSame(topic.partitionCount, 3, 'partitionCount')
      const listed = (await context.log.topics()).find(({ name }) => name === topic.name)
      expectSame(listed?.partitions, 3, 'the partitions in the list')
    },
  },
  {
    name: 'a topic that is there is opened with what it holds, also without a word about partitions',
    run: async ({ log, name }) => {
      const topic = name('topic')
      await (await log.topic(defineTopic(topic, { partitions: 2, value: string }))).send({ value: 'kept', partition: 1 })
      const again = await log.topic(defineTopic(topic, { value: string }), { create: false })
      expectSame([again.partitionCount, valuesOf(await everything(again))], [2, ['kept']], 'partitions and values')
    },
  },
  {
    name: 'a topic that is missing is LOG_NOT_FOUND with create: false, and is not made',
    run: async ({ log, name }) => {
      const missing = name('topic')
      await expectCode('LOG_NOT_FOUND', () => log.topic(defineTopic(missing), { create: false }), 'opening it')
      expectSame((await log.topics()).some((topic) => topic.name === missing), false, 'whether it is listed')
    },
  },
  {
    name: 'a definition with fewer partitions than there are is LOG_TOPIC_MISMATCH',
    run: async (context) => {
      const { name } = await textTopic(context, 2)
      await expectCode('LOG_TOPIC_MISMATCH', () => context.log.topic(defineTopic(name, { partitions: 1, value: string })), 'opening it')
    },
  },
  {
    name: 'what is no definition is a TypeError, and nothing is made',
    run: async ({ log }) => {
      const before = await log.topics()
      for (const given of [undefined, null, {}, { name: 'orders' }]) {
        expectSame((await failureOf(() => log.topic(given as never), `opening ${JSON.stringify(given)}`)).name, 'TypeError', 'error')
      }
      expectSame(await log.topics(), before, 'topics')
    },
  },
  {
    name: 'topics do not know of each other, and have any name of a–z A–Z 0–9 . _ -',
    run: async ({ log, name }) => {
      const names = ['A.b', 'A.b-c', 'A', '0-1', 'x'.repeat(150)].map((what) => name(what))
      const topics = await Promise.all(names.map((one) => log.topic(defineTopic(one, { partitions: 1, value: string }))))
      await Promise.all(topics.map((topic) => topic.send({ value: topic.name })))
      for (const topic of topics) expectSame(valuesOf(await everything(topic)), [topic.name], `the values of ${topic.name}`)
    },
  },
  {
    name: 'a topic made by several at once is one topic',
    run: async ({ log, name }) => {
      const definition = defineTopic(name('topic'), { partitions: 2, value: string })
      const handles = await Promise.all([1, 2, 3].map(() => log.topic(definition)))
      await Promise.all(handles.map((handle) => handle.send({ value: 'v', partition: 0 })))
      expectSame((await everything(handles[0]!)).length, 3, 'records')
    },
  },
]

/** Sending one and many records, and what comes back of them. */
export const sendCases: readonly PortableCase[] = [
  {
    name: 'a record is where send says, with what it was given',
    run: async (context) => {
      const topic = await textTopic(context, 3)
      const { partition, offset, timestamp } = await topic.send({ key: 'k', value: 'v', partition: 2, timestamp: 1_700_000_000_000 })
      const [record, ...more] = await everything(topic)
      expectSame(more.length, 0, 'further records')
      const found = [record?.topic, record?.partition, record?.offset, record?.timestamp, record?.key, record?.value]
      expectSame(found, [topic.name, partition, offset, timestamp, 'k', 'v'], 'the record')
      expectSame([partition, timestamp], [2, 1_700_000_000_000], 'the result of send')
    },
  },
  {
    name: 'records sent together have their results in order, each with its place',
    run: async (context) => {
      const topic = await textTopic(context, 3)
      const results = await topic.send(texts(30).map((value, index) => ({ value, partition: index % 3 })))
      const placed = new Map((await everything(topic)).map(({ partition, offset, value }) => [`${partition}/${offset}`, value]))
      expectSame(results.map(({ partition, offset }) => placed.get(`${partition}/${offset}`)), texts(30), 'the records at those places')
    },
  },
  {
    name: 'an array of no records is sent at once',
    run: async (context) => expectSame(await (await textTopic(context)).send([]), [], 'results'),
  },
  {
    name: 'sends that are not awaited keep their order in a partition',
    run: async (context) => {
      const topic = await textTopic(context)
      const one = texts(50).map((value) => topic.send({ value, partition: 0 }))
      const many = texts(50, 50).map((value) => topic.send([{ value, partition: 0 }, { value: `${value}'`, partition: 0 }]))
      await Promise.all([...one, ...many])
      expectSame(valuesOf(await everything(topic)), [...texts(50), ...texts(50, 50).flatMap((value) => [value, `${value}'`])], 'values')
    },
  },
  {
    name: 'offsets of a partition rise with the order of its records',
    run: async (context) => {
      const topic = await textTopic(context)
      const offsets = (await topic.send(texts(20).map((value) => ({ value })))).map(({ offset }) => offset)
      expectSame([...new Set(offsets)].sort((a, b) => a - b), offsets, 'offsets')
    },
  },
  {
    name: 'a key chooses its partition by the murmur2 of its bytes, as every Kafka client does',
    run: async (context) => {
      const topic = await textTopic(context, 7)
      const results = await topic.send(kafkaHashes.map(([key]) => ({ key, value: key })))
      expectSame(results.map(({ partition }) => partition), kafkaHashes.map(([, hash]) => (hash & 0x7fff_ffff) % 7), 'partitions')
    },
  },
  {
    name: 'records of a key are in the order in which they were sent',
    run: async (context) => {
      const topic = await textTopic(context, 3)
      const keys = ['a', 'b', 'c', 'd', 'e']
      for (const round of texts(5)) await topic.send(keys.map((key) => ({ key, value: round })))
      const records = await everything(topic)
      for (const key of keys) expectSame(valuesOf(records.filter((record) => record.key === key)), texts(5), `the values of ${key}`)
    },
  },
  {
    name: 'a record without a key gets to a partition that there is',
    run: async (context) => {
      const topic = await textTopic(context, 3)
      const results = await Promise.all(texts(20).map((value) => topic.send({ value })))
      expectSame(results.filter(({ partition }) => partition < 0 || partition > 2), [], 'partitions that there are not')
      expectSame(valuesOf(await everything(topic)).sort(), texts(20).sort(), 'values')
    },
  },
  {
    name: 'a partition that is named is taken, whatever the key; one that there is not is a RangeError',
    run: async (context) => {
      const topic = await textTopic(context, 3)
      const results = await topic.send([0, 1, 2].map((partition) => ({ key: 'same', value: 'v', partition })))
      expectSame(results.map(({ partition }) => partition), [0, 1, 2], 'partitions')
      expectSame((await failureOf(() => topic.send({ value: 'v', partition: 3 }), 'partition 3')).name, 'RangeError', 'error')
    },
  },
  {
    name: 'headers keep their order, names that repeat, empty values and null',
    run: async (context) => {
      const topic = await textTopic(context)
      const binary = Buffer.from([0, 255, 128, 10])
      await topic.send({ value: 'v', headers: [['b', 'first'], ['a', binary], ['b', null], ['', ''], ['b', 'ü']] })
      const [record] = await everything(topic)
      const read = record!.headers.map(([name, value]) => [name, value === null ? null : Buffer.from(value).toString('hex')])
      const hex = (value: string | Buffer): string => Buffer.from(value as string).toString('hex')
      expectSame(read, [['b', hex('first')], ['a', hex(binary)], ['b', null], ['', ''], ['b', hex('ü')]], 'headers')
      expectSame([Buffer.from(record!.header('b')!).toString(), record!.header('none')], ['ü', undefined], 'header()')
    },
  },
  {
    name: 'headers may be an object, of which what is undefined is left out',
    run: async (context) => {
      const topic = await textTopic(context)
      await topic.send({ value: 'v', headers: { a: 'x', b: undefined, c: null } })
      const [record] = await everything(topic)
      const read = record!.headers.map(([name, value]) => [name, value === null ? null : Buffer.from(value).toString()])
      expectSame(read, [['a', 'x'], ['c', null]], 'headers')
    },
  },
  {
    name: 'null is a tombstone, no key is null, and neither is what is empty',
    run: async (context) => {
      const topic = await codecTopic(context, bytes, bytes)
      const empty = Buffer.alloc(0)
      await topic.send([{ key: empty, value: null }, { key: null, value: empty }, { value: empty }])
      const read = (await everything(topic)).map(({ key, value }) => [key?.length ?? null, value?.length ?? null])
      expectSame(read, [[0, null], [null, 0], [null, 0]], 'lengths of keys and values')
    },
  },
  {
    name: 'a timestamp is kept; without one it is now',
    run: async (context) => {
      const topic = await textTopic(context)
      await topic.send([{ value: 'a', timestamp: 5 }, { value: 'b', timestamp: 1_500_000_000_123 }])
      const before = systemClock.now()
      const { timestamp } = await topic.send({ value: 'c' })
      const records = await everything(topic)
      expectSame(records.slice(0, 2).map((record) => record.timestamp), [5, 1_500_000_000_123], 'timestamps given')
      expectSame(records[2]!.timestamp, timestamp, 'the timestamp that send told')
      expectSame(Math.abs(timestamp - before) < DAY_MS, true, `whether ${timestamp} is now`)
    },
  },
  {
    name: 'values are what their codecs make of them',
    run: async (context) => {
      const nested = { text: 'Zürich 🚲 \u0000', list: [1, null, -0.5], deep: { yes: true } }
      const rich = { at: new Date(5), big: 2n ** 70n, set: new Set(['a']), none: undefined }
      const asJson = await codecTopic(context, string, json<typeof nested>())
      const asPack = await codecTopic(context, msgpack<number[]>(), msgpack<typeof rich>())
      await asJson.send({ key: 'ä', value: nested })
      await asPack.send({ key: [1, 2], value: rich })
      expectSame((await everything(asJson)).map(({ key, value }) => [key, value]), [['ä', nested]], 'JSON')
      expectSame((await everything(asPack)).map(({ key, value }) => [key, value]), [[[1, 2], rich]], 'MessagePack')
    },
  },
  {
    name: 'what the codec does not take, and no value at all, is a TypeError, and nothing is stored',
    run: async (context) => {
      const topic = await textTopic(context)
      expectSame((await failureOf(() => topic.send({ value: 5 as never }), 'a number as text')).name, 'TypeError', 'error')
      expectSame((await failureOf(() => topic.send({ key: 'k' } as never), 'a record without a value')).name, 'TypeError', 'error')
      expectSame(await everything(topic), [], 'records')
    },
  },
  {
    name: 'a partition or a timestamp that can be none is a RangeError or a TypeError, and nothing is stored',
    run: async (context) => {
      const topic = await textTopic(context)
      for (const given of [{ partition: -1 }, { partition: 0.5 }, { timestamp: -2 }, { timestamp: 0.5 }, { timestamp: NaN }]) {
        const failure = await failureOf(() => topic.send({ value: 'v', ...given }), `a record with ${JSON.stringify(given)}`)
        expectSame(failure.name, 'RangeError', 'error')
      }
      const partition = '0' as unknown as number
      expectSame((await failureOf(() => topic.send({ value: 'v', partition }), 'a partition that is text')).name, 'TypeError', 'error')
      expectSame(await everything(topic), [], 'records')
    },
  },
  {
    name: 'a record that maxMessageBytes does not let through is LOG_RECORD_TOO_LARGE, and those before and after are stored',
    run: async (context) => {
      const topic = await textTopic(context, 1, { maxMessageBytes: 2000 })
      await topic.send({ value: 'before' })
      await expectCode('LOG_RECORD_TOO_LARGE', () => topic.send({ value: 'x'.repeat(3000) }), 'the large one')
      await topic.send({ value: 'after' })
      expectSame(valuesOf(await everything(topic)), ['before', 'after'], 'values')
    },
  },
  {
    name: 'a record of half a million bytes, and an array of more bytes than a batch may have, come through whole',
    run: async (context) => {
      const topic = await textTopic(context)
      const large = ['a', 'b', 'c', 'd', 'e', 'f'].map((letter) => letter.repeat(500_000))
      await topic.send(large.map((value) => ({ value, partition: 0 })))
      const sizes = (values: readonly (string | null)[]): unknown => values.map((value) => [value?.[0], value?.length])
      expectSame(sizes(valuesOf(await everything(topic))), sizes(large), 'first letters and lengths')
    },
  },
  {
    name: 'a send whose signal is aborted rejects with its reason, and sends nothing',
    run: async (context) => {
      const topic = await textTopic(context)
      const reason = new Error('enough')
      expectSame(await failureOf(() => topic.send({ value: 'v' }, { signal: AbortSignal.abort(reason) }), 'the send'), reason, 'what it rejects with')
      expectSame(await everything(topic), [], 'records')
    },
  },
]

/** Producers with options of their own. */
export const producerCases: readonly PortableCase[] = [
  {
    name: 'a producer asks its partitioner, unless a record names its partition',
    run: async (context) => {
      const topic = await textTopic(context, 4)
      const producer = topic.producer({ partitioner: ({ value }, partitions) => (value?.length ?? 0) % partitions })
      const results = await producer.send([{ key: 'k', value: '' }, { value: 'abc' }, { value: 'abcde' }, { value: '', partition: 2 }])
      expectSame([producer.topic, ...results.map(({ partition }) => partition)], [topic.name, 0, 3, 1, 2], 'topic and partitions')
    },
  },
  {
    name: 'flush resolves when everything is stored that was sent before',
    run: async (context) => {
      const topic = await textTopic(context)
      const producer = topic.producer({ lingerMs: 20 })
      for (const value of texts(10)) void producer.send({ value, partition: 0 })
      await producer.flush()
      expectSame(valuesOf(await everything(topic)), texts(10), 'values')
      await producer.close()
    },
  },
  {
    name: 'a producer that is closed has stored what it was given, and sends no more: LOG_CLOSED',
    run: async (context) => {
      const topic = await textTopic(context)
      const producer = topic.producer({ lingerMs: 20 })
      const sent = producer.send({ value: 'last', partition: 0 })
      await producer.close()
      await sent
      await expectCode('LOG_CLOSED', () => producer.send({ value: 'late' }), 'a send after close')
      await fill(topic, ['the topic goes on'])
      expectSame(valuesOf(await collect(topic.consumer({ until: 'end' }))), ['last', 'the topic goes on'], 'values')
    },
  },
]
