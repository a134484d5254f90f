/*
 * Cases of the portable conformance suite: consumers with positions of their own.
 */
import { expectSame } from '../store-under-test.ts'
import {
  collect, everything, expectCode, failureOf, fill, type PortableCase, soon, type TextTopic, texts, textTopic, valuesOf,
} from './log-under-test.ts'

/** Where reading begins and ends. */
export const startCases: readonly PortableCase[] = [
  {
    name: 'from the earliest until the end: all records, those of a partition in their order',
    run: async (context) => {
      const topic = await textTopic(context, 2)
      await fill(topic, texts(10), 0)
      await fill(topic, texts(10, 10), 1)
      const records = await collect(topic.consumer({ from: 'earliest', until: 'end' }))
      expectSame(valuesOf(records.filter(({ partition }) => partition === 0)), texts(10), 'partition 0')
      expectSame(valuesOf(records.filter(({ partition }) => partition === 1)), texts(10, 10), 'partition 1')
      expectSame(records.length, 20, 'records')
    },
  },
  {
    name: 'a topic without records ends at once',
    run: async (context) => expectSame(await everything(await textTopic(context, 3)), [], 'records'),
  },
  {
    name: 'from the latest until the end: nothing, and the positions are the ends',
    run: async (context) => {
      const topic = await textTopic(context, 2)
      const results = await topic.send(texts(5).map((value) => ({ value, partition: 0 })))
      const consumer = topic.consumer({ from: 'latest', until: 'end' })
      expectSame(await collect(consumer), [], 'records')
      expectSame([consumer.position(0), consumer.position(1)], [results.at(-1)!.offset + 1, 0], 'positions')
      await consumer.close()
    },
  },
  {
    name: 'from an offset, the same for all partitions or one for each; those not named begin with the earliest',
    run: async (context) => {
      const topic = await textTopic(context, 2)
      for (const partition of [0, 1]) await fill(topic, texts(6), partition)
      expectSame(valuesOf(await inOrder(topic, { from: 4 })), ['v4', 'v5', 'v4', 'v5'], 'from 4')
      expectSame(valuesOf(await inOrder(topic, { from: new Map([[1, 5]]) })), [...texts(6), 'v5'], 'from 5 of partition 1')
    },
  },
  {
    name: 'from a time: with the first record of at least that time, or with the end when there is none',
    run: async (context) => {
      const topic = await textTopic(context)
      const at = 1_600_000_000_000
      await topic.send(texts(5).map((value, index) => ({ value, partition: 0, timestamp: at + index * 1000 })))
      expectSame(valuesOf(await inOrder(topic, { from: { timestamp: at + 2500 } })), ['v3', 'v4'], 'from between two')
      expectSame(valuesOf(await inOrder(topic, { from: { timestamp: at + 2000 } })), ['v2', 'v3', 'v4'], 'from the time of one')
      expectSame(valuesOf(await inOrder(topic, { from: { timestamp: at + 99_000 } })), [], 'from behind all')
    },
  },
  {
    name: 'partitions that are named are read, and no others',
    run: async (context) => {
      const topic = await textTopic(context, 3)
      for (const partition of [0, 1, 2]) await fill(topic, [`p${partition}`], partition)
      const consumer = topic.consumer({ partitions: [0, 2], until: 'end' })
      expectSame([...consumer.assignment], [0, 2], 'assignment')
      expectSame(valuesOf(await collect(consumer)).sort(), ['p0', 'p2'], 'values')
    },
  },
  {
    name: 'an offset past the end is LOG_OFFSET_OUT_OF_RANGE',
    run: async (context) => {
      const topic = await textTopic(context)
      await fill(topic, texts(3))
      await expectCode('LOG_OFFSET_OUT_OF_RANGE', () => inOrder(topic, { from: 1000 }), 'reading from there')
    },
  },
  {
    name: 'the end is where it stood when the loop began',
    run: async (context) => {
      const topic = await textTopic(context)
      await fill(topic, texts(3))
      const seen: unknown[] = []
      for await (const { value } of topic.consumer({ until: 'end' })) {
        seen.push(value)
        await fill(topic, ['later'])
      }
      expectSame(seen, texts(3), 'values')
    },
  },
]

/** How a loop goes on, stops and is steered. */
export const loopCases: readonly PortableCase[] = [
  {
    name: 'a loop waits for records that are sent later',
    run: async (context) => {
      const topic = await textTopic(context, 2)
      const reading = collect(topic.consumer(), 4)
      await fill(topic, ['a'], 0)
      await fill(topic, ['b'], 1)
      await fill(topic, ['c', 'd'], 0)
      expectSame(valuesOf(await reading).sort(), ['a', 'b', 'c', 'd'], 'values')
    },
  },
  {
    name: 'asking for the next record marks the one before as done; who leaves the loop has not asked',
    run: async (context) => {
      const topic = await textTopic(context)
      await fill(topic, texts(5))
      const consumer = topic.consumer({ until: 'end' })
      expectSame(valuesOf(await collect(consumer, 3)), ['v0', 'v1', 'v2'], 'the first loop')
      expectSame(consumer.position(0), 2, 'position')
      expectSame(valuesOf(await collect(consumer)), ['v2', 'v3', 'v4'], 'the second loop')
      expectSame(consumer.position(0), 5, 'position at the end')
      await consumer.close()
    },
  },
  {
    name: 'batches hold records of one partition as they are stored together, and are all records in order',
    run: async (context) => {
      const topic = await textTopic(context, 2)
      for (const partition of [0, 1]) await fill(topic, texts(50), partition)
      const batches = await collect(topic.consumer({ until: 'end' }).batches())
      for (const batch of batches) expectSame(new Set(batch.map(({ partition }) => partition)).size, 1, 'partitions of a batch')
      for (const one of [0, 1]) expectSame(valuesOf(batches.flat().filter(({ partition }) => partition === one)), texts(50), `partition ${one}`)
    },
  },
  {
    name: 'seek goes on somewhere else, before a loop and inside of it',
    run: async (context) => {
      const topic = await textTopic(context)
      await fill(topic, texts(5))
      const consumer = topic.consumer({ until: 'end' })
      consumer.seek(0, 3)
      expectSame(valuesOf(await collect(consumer)), ['v3', 'v4'], 'after seek(3)')
      consumer.seek(0, 'earliest')
      const seen: unknown[] = []
      for await (const { value } of consumer) {
        if (seen.push(value) === 2) consumer.seek(0, 4)
      }
      expectSame(seen, ['v0', 'v1', 'v4'], 'with a seek inside')
      await consumer.close()
    },
  },
  {
    name: 'seek goes on with the oldest record, or the first one of a time, also while a loop waits',
    run: async (context) => {
      const topic = await textTopic(context)
      await topic.send(texts(4).map((value, index) => ({ value, partition: 0, timestamp: 1000 * index })))
      const consumer = topic.consumer({ from: 'latest' })
      const loop = consumer[Symbol.asyncIterator]()
      const waited = loop.next()
      consumer.seek(0, { timestamp: 1500 })
      expectSame((await waited).value?.value, 'v2', 'behind a seek to a time')
      consumer.seek(0, 'earliest')
      expectSame((await loop.next()).value?.value, 'v0', 'behind a seek to the oldest')
      consumer.seek(0, { timestamp: 3000 })
      consumer.seek(0, 1)
      expectSame((await loop.next()).value?.value, 'v1', 'behind two seeks, of which the last counts')
      await consumer.close()
    },
  },
  {
    name: 'partitions that are paused hand out nothing until they are resumed',
    run: async (context) => {
      const topic = await textTopic(context, 2)
      await fill(topic, ['held'], 0)
      await fill(topic, texts(3), 1)
      const consumer = topic.consumer()
      consumer.pause(0)
      const seen: unknown[] = []
      for await (const { value } of consumer) {
        if (seen.push(value) === 3) consumer.resume(0)
        if (seen.length === 4) break
      }
      expectSame(seen, [...texts(3), 'held'], 'values')
      await consumer.close()
    },
  },
  {
    name: 'consumers have positions of their own',
    run: async (context) => {
      const topic = await textTopic(context)
      await fill(topic, texts(3))
      const [one, other] = [topic.consumer({ until: 'end' }), topic.consumer({ until: 'end' })]
      expectSame([valuesOf(await collect(one)), valuesOf(await collect(other))], [texts(3), texts(3)], 'values')
    },
  },
  {
    name: 'a signal ends a loop that waits with its reason',
    run: async (context) => {
      const topic = await textTopic(context)
      await fill(topic, ['only'])
      const controller = new AbortController()
      const reason = new Error('enough')
      const loop = async (): Promise<void> => {
        for await (const { value } of topic.consumer({ signal: controller.signal })) if (value === 'only') soon(() => controller.abort(reason))
      }
      expectSame(await failureOf(loop, 'the loop'), reason, 'what it throws')
    },
  },
  {
    name: 'closing a consumer ends the loop that runs',
    run: async (context) => {
      const topic = await textTopic(context)
      await fill(topic, ['only'])
      const consumer = topic.consumer()
      const seen: unknown[] = []
      for await (const { value } of consumer) {
        seen.push(value)
        soon(() => void consumer.close())
      }
      expectSame(seen, ['only'], 'values')
      await expectCode('LOG_CLOSED', () => collect(consumer), 'another loop')
    },
  },
]

/** Until the end, in the order of partitions and offsets. */
async function inOrder(topic: TextTopic, options: Parameters<TextTopic['consumer']>[0]): Promise<{ readonly value: string | null }[]> {
  const records = await collect(topic.consumer({ ...options, until: 'end' }))
  return records.sort((a, b) => a.partition - b.partition || a.offset - b.offset)
}
