/*
 * Signals through the door of clusters: what is only there, beside what every log does (portable-conformance.test.ts).
 */
import { getEventListeners } from 'node:events'
import { expect, test, vi } from 'vitest'
import { defineTopic, type PortableLog, string, type Transaction } from '../../src/index.ts'
import { type Committer } from '../../src/topics/transactions/transaction.ts'
import { collect } from '../topics/harness.ts'
import { overListener } from './harness.ts'

const Words = defineTopic('words', { partitions: 1, value: string })

test('one signal is for a whole service: it has one listener, however many wait', () => overListener(async ({ log }) => {
  const topic = await log.topic(Words)
  const controller = new AbortController()
  const { signal } = controller
  const handled: (string | null)[] = []
  const loops = Array.from({ length: 6 }, () => collect(topic.consumer({ signal })).catch(() => []))
  const consumptions = Array.from({ length: 6 }, (_, number) => (
    topic.consume({ group: `g${number}`, signal }, ({ value }) => void handled.push(value))
  ))
  const listening: number[] = []
  const look = (): void => void listening.push(getEventListeners(signal, 'abort').length)
  look()
  await Promise.all([topic.send({ value: 'a' }, { signal }), log.groups.list({ signal }), topic.offsets({ signal })].map((asked) => {
    look()
    return asked
  }))
  await vi.waitFor(() => expect(handled).toHaveLength(6), 20_000)
  look()
  expect(Math.max(...listening)).toBe(1)
  controller.abort()
  await Promise.all([...loops, ...consumptions.map(({ done }) => done)])
  await vi.waitFor(() => expect(getEventListeners(signal, 'abort')).toHaveLength(0), 20_000)
}), 60_000)

for (const where of ['a cluster', 'a log in process'] as const) {
  const on = (test: (log: PortableLog) => Promise<void>): Promise<void> => overListener(({ log, local }) => test(where === 'a cluster' ? log : local))

  test(`a record that fails behind the signal of its consumption is a dead letter on ${where}`, () => on(async (log) => {
    const topic = await log.topic(Words)
    await topic.send({ value: 'bad' })
    const controller = new AbortController()
    const consumption = topic.consume({ group: 'g', retry: { attempts: 1 }, signal: controller.signal }, () => {
      controller.abort()
      throw new Error('not today')
    })
    await consumption.done
    expect(consumption.stats().deadLetters).toBe(1)
    expect((await collect((await log.topic(defineTopic('words.g.dlq', { value: string }))).consumer({ until: 'end' }))).length).toBe(1)
    expect((await log.groups.lag('g')).map(({ committed }) => committed)).toEqual([1])
  }))

  test(`what fails of a transaction on ${where} its commit tells: nobody need await it, with a signal or without`, () => on(async (log) => {
    const topic = await log.topic(Words)
    const { signal } = new AbortController()
    for (const options of [undefined, { signal }]) {
      const transaction = await log.beginTransaction()
      // A rejection of which nobody heard fails the test.
      void transaction.send(topic, { value: 5 as unknown as string }, options)
      void transaction.commitOffsets('g', [{ topic: 'nowhere', partition: -1, offset: 0 }], options)
      await expect(transaction.commit()).rejects.toMatchObject({ code: 'LOG_TXN_ABORTED' })
    }
  }))

  test(`the signal that ended a loop does not keep what was read from being committed on ${where}`, () => on(async (log) => {
    const topic = await log.topic(Words)
    await topic.send([{ value: 'a' }, { value: 'b' }])
    const controller = new AbortController()
    const reason = new Error('enough')
    const consumer = topic.consumer({ group: 'g', autoCommit: false, signal: controller.signal })
    const offsets: number[] = []
    await expect((async () => {
      for await (const { offset } of consumer) if (offsets.push(offset) === 1) controller.abort(reason)
    })()).rejects.toBe(reason)
    await consumer.commit([{ partition: 0, offset: 1 }])
    expect((await consumer.committed(0))?.offset).toBe(1)
    await log.transaction((transaction) => (transaction as Transaction).commitOffsets(consumer as Committer<number>, [{ partition: 0, offset: 2 }]))
    expect((await consumer.committed(0))?.offset).toBe(2)
    await consumer.close()
  }))
}
