/*
 * Dead letters from end to end: how a record gets there, what is told of it, and how it comes back.
 */
import { expect, test } from 'vitest'
import { type CommitLog, type Delivery, string, type Topic } from '../../../src/index.ts'
import { type DeadLetter } from '../../../src/topics/consume/replay.ts'
import { type ConsumeOptions } from '../../../src/topics/consume/options.ts'
import { collect, failure, kinds, memoryLog } from '../harness.ts'
import { appendRaw } from './fake-group.ts'

type Record = Delivery<string, string>

async function until(condition: () => boolean): Promise<void> {
  for (const end = Date.now() + 30_000; !condition() && Date.now() < end;) await new Promise<void>((resolve) => setImmediate(resolve))
  expect(condition()).toBe(true)
}

async function filled(log: CommitLog, values: readonly string[]): Promise<Topic<string, string>> {
  const topic = await log.topic<string, string>('t', { partitions: 2, key: string, value: string })
  if (values.length > 0) {
    const records = values.map((value, index) => ({ key: `k${index}`, value, partition: index % 2, timestamp: 1000 + index }))
    await topic.send(records.map((record) => ({ ...record, headers: { own: record.value } })))
  }
  return topic
}

const options: ConsumeOptions = { group: 'g', order: 'key', retry: { attempts: 2, delay: 0 } }

/** Consumes until `count` records ended somewhere; values that begin with a minus are poison. */
async function consumed(topic: Topic<string, string>, count: number): Promise<void> {
  const running = topic.consume(options, async ({ value }: Record) => {
    if (value!.startsWith('-')) throw new RangeError(`never ${value}`)
  })
  await until(() => running.stats().handled + running.stats().deadLetters >= count)
  await running.stop()
  await running.done
}

const valuesOf = (letters: readonly DeadLetter<string, string>[]): (string | null)[] => letters.map(({ record }) => record.value)

for (const { kind, open } of kinds) {
  test(`poison goes to the dead letters in ${kind}, with what it was and why it is there, and holds nobody`, async () => {
    const log = await open()
    const topic = await filled(log, ['a', '-1', 'b', '-2', 'c'])
    await consumed(topic, 5)
    const letters = await collect(topic.deadLetters('g').list())
    expect(valuesOf(letters)).toEqual(['-1', '-2'])
    const [first] = letters
    expect(first).toMatchObject({ partition: 1, replayed: false, error: 'never -1' })
    const { info } = first!
    expect(info).toMatchObject({ topic: 't', partition: 1, offset: 0, group: 'g' })
    expect(info).toMatchObject({ deliveryCount: 2, errorClass: 'RangeError', stage: 'handle' })
    expect(first!.record).toMatchObject({ key: 'k1', value: '-1', timestamp: 1001 })
    expect(first!.headers.map(([name, value]) => [name, value!.toString()])).toEqual([['own', '-1']])
    expect((await log.topics()).map(({ name, partitions, value }) => ({ name, partitions, value }))).toContainEqual(
      { name: 't.g.dlq', partitions: 2, value: 'string' },
    )
    const again: string[] = []
    const next = topic.consume(options, ({ value }) => void again.push(value!))
    await topic.send({ key: 'z', value: 'last' })
    await until(() => again.includes('last'))
    await next.stop()
    expect(again).toEqual(['last'])
  })
}

test('replayed dead letters go back to the source once, as they were, and are purged when that is asked', async () => {
  const topic = await filled(await memoryLog(), ['-1', '-2', 'a', '-3'])
  await consumed(topic, 4)
  const letters = topic.deadLetters('g')
  expect(await letters.replay({ where: ({ error }) => error.includes('-2') })).toEqual({ replayed: 1, failed: 0, before: 0, complete: true })
  expect(await letters.replay()).toEqual({ replayed: 2, failed: 0, before: 1, complete: true })
  expect(await letters.replay()).toEqual({ replayed: 0, failed: 0, before: 3, complete: true })
  expect((await collect(letters.list())).map(({ replayed }) => replayed)).toEqual([true, true, true])
  const back = [0, 1].flatMap((number) => [...topic.partition(number).read({ from: 2 })])
  expect(back.map(({ key, value, timestamp, partition }) => ({ key, value, timestamp, partition }))).toEqual([
    { key: 'k0', value: '-1', timestamp: 1000, partition: 0 }, { key: 'k1', value: '-2', timestamp: 1001, partition: 1 },
    { key: 'k3', value: '-3', timestamp: 1003, partition: 1 },
  ])
  expect(back[0]!.headers.map(([name]) => name)).toEqual(['own'])
  expect(await letters.purge()).toBe(3)
  expect(await collect(letters.list())).toEqual([])
  expect(await letters.replay()).toEqual({ replayed: 0, failed: 0, before: 0, complete: true })
})

test('a handler gets them one after the other as they came, and those that it fails with stay', async () => {
  const topic = await filled(await memoryLog(), ['-1', '-2', '-3', '-4', '-5', '-6'])
  await consumed(topic, 6)
  const letters = topic.deadLetters('g')
  const seen: string[] = []
  const handler = async (record: Record): Promise<void> => {
    seen.push(`${record.topic} ${record.partition} ${record.offset} ${record.value} ${record.attempt} ${record.headers.length}`)
    if (record.value === '-3') throw new Error('again')
  }
  expect(await letters.replay({ handler, attempts: 2, partition: 0 })).toMatchObject({ replayed: 2, failed: 1 })
  expect(seen).toEqual(['t 0 0 -1 1 1', 't 0 1 -3 1 1', 't 0 1 -3 2 1', 't 0 2 -5 1 1'])
  expect((await collect(letters.list({ partition: 0 }))).map(({ replayed }) => replayed)).toEqual([true, false, true])
  expect(await letters.replay({ handler: () => {} })).toMatchObject({ replayed: 4, before: 2 })
})

test('a range with holes ends, and what was deleted meanwhile is passed over', async () => {
  const topic = await filled(await memoryLog(), Array.from({ length: 20 }, (_, index) => `-${index}`))
  await consumed(topic, 20)
  const letters = topic.deadLetters('g')
  const [, , third] = await collect(letters.list({ partition: 0 }))
  expect(await letters.purge({ partition: 0, before: third!.offset })).toBe(third!.offset)
  const seen: (string | null)[] = []
  const report = await letters.replay({ partition: 0, from: 0, to: third!.offset + 3, handler: ({ value }) => void seen.push(value) })
  expect(report).toMatchObject({ failed: 0, complete: true })
  expect(seen.length).toBe(report.replayed)
  expect(seen[0]).toBe(third!.record.value)
  expect(await letters.replay({ partition: 1, from: 1_000_000 })).toMatchObject({ replayed: 0 })
  expect(await letters.replay({ partition: 7 })).toMatchObject({ replayed: 0 })
})

test('an interrupted replay goes on where it was', async () => {
  const topic = await filled(await memoryLog(), Array.from({ length: 10 }, (_, index) => `-${index}`))
  await consumed(topic, 10)
  const letters = topic.deadLetters('g')
  const controller = new AbortController()
  const seen: (string | null)[] = []
  const handler = ({ value }: Record): void => {
    seen.push(value)
    if (seen.length === 3) controller.abort(new Error('enough'))
  }
  expect((await failure(() => letters.replay({ handler, signal: controller.signal }))).message).toBe('enough')
  expect(await letters.replay({ handler })).toMatchObject({ replayed: 7 })
  expect(new Set(seen).size).toBe(10)
})

test('two replays do not run side by side, and dead letters of other groups are left alone', async () => {
  const topic = await filled(await memoryLog(), ['-1', '-2'])
  const shared = { ...options, deadLetter: 'dead' }
  for (const group of ['g', 'h']) {
    const running = topic.consume({ ...shared, group }, async () => { throw new Error(group) })
    await until(() => running.stats().deadLetters === 2)
    await running.stop()
  }
  const letters = topic.deadLetters('g', { topic: 'dead' })
  expect((await collect(letters.list())).map(({ error }) => error)).toEqual(['g', 'g'])
  let inside: Promise<Error & { code?: string }> | undefined
  await letters.replay({ handler: async () => void await (inside ??= failure(() => letters.replay())) })
  expect((await inside!).code).toBe('LOG_GROUP_NOT_EMPTY')
  expect((await collect(topic.deadLetters('h', { topic: 'dead' }).list())).map(({ replayed }) => replayed)).toEqual([false, false])
})

test('bytes that nobody can decode go to the dead letters and back as they are', async () => {
  const log = await memoryLog()
  const topic = await log.topic<string, unknown>('j', { key: string, value: (await import('../../../src/index.ts')).json() })
  const raw = topic.partition(0)['log']
  await raw.durable(appendRaw(raw, Buffer.from('{"no'), Buffer.from('k')))
  await topic.send({ key: 'k', value: { fine: true } })
  const seen: unknown[] = []
  const running = topic.consume({ group: 'g' }, ({ value }) => void seen.push(value))
  await until(() => seen.length === 1)
  await until(() => running.stats().deadLetters === 1)
  await running.stop()
  const letters = topic.deadLetters('g')
  const [letter] = await collect(letters.list())
  expect(letter!.info).toMatchObject({ stage: 'decode', deliveryCount: 1, errorClass: 'LogError' })
  expect(() => letter!.record.value).toThrow(expect.objectContaining({ code: 'LOG_DECODE_FAILED' }) as Error)
  expect(await letters.replay({ handler: () => {} })).toMatchObject({ failed: 1 })
  expect(await letters.replay()).toMatchObject({ replayed: 1 })
  expect([...topic.partition(0).read({ from: 2 })].map(({ valueBytes }) => valueBytes!.toString())).toEqual(['{"no'])
})

test('a topic of dead letters keeps them all with their times, whatever the settings of the log are', async () => {
  const log = await memoryLog({ cleanupPolicy: 'compact', retentionMs: 1, messageTimestampType: 'LogAppendTime', maxMessageBytes: 300 })
  const topic = await filled(log, [])
  await topic.send([{ key: 'k', value: `-${'x'.repeat(150)}` }, { key: 'k', value: '-y' }])
  await consumed(topic, 2)
  const letters = await collect(topic.deadLetters('g').list())
  expect(letters).toHaveLength(2)
  expect((await log.topic('t.g.dlq')).settings).toMatchObject({ cleanupPolicy: 'delete', retentionMs: Infinity })
})

test('where nothing died there is nothing to list, and nothing is made', async () => {
  const log = await memoryLog()
  const topic = await filled(log, ['a'])
  const letters = topic.deadLetters('g')
  expect(await collect(letters.list())).toEqual([])
  expect(await letters.replay()).toEqual({ replayed: 0, failed: 0, before: 0, complete: true })
  expect(await letters.purge()).toBe(0)
  expect((await log.topics()).map(({ name }) => name)).toEqual(['t'])
  expect(() => topic.deadLetters('g', { topic: 't' })).toThrow(expect.objectContaining({ code: 'LOG_DEAD_LETTER_TOPIC' }) as Error)
  expect((await failure(() => letters.purge({ before: 3 }))).message).toContain('name the partition')
})
