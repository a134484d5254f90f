import fc from 'fast-check'
import { expect, test } from 'vitest'
import { LogError } from '../../src/base/errors.ts'
import { mirror, type Mirroring } from '../../src/cluster/mirror/mirror.ts'
import { type MirrorOptions } from '../../src/cluster/mirror/options.ts'
import { planMirror } from '../../src/cluster/mirror/plan.ts'
import { eventStore } from '../../src/events/event-store.ts'
import { bytes, json, string } from '../../src/topics/codecs.ts'
import { CommitLog } from '../../src/topics/commit-log.ts'
import { type PortableLog, type PortableRecord, type PortableTopic } from '../../src/topics/contract.ts'
import { defineTopic } from '../../src/topics/define-topic.ts'
import { afterwards, collect, diskLog, failure, freshFolder, memoryLog } from '../topics/harness.ts'

const Words = defineTopic('words', { partitions: 3, value: string })

/** A mirror that is stopped after the test. */
async function mirrored(source: PortableLog, target: PortableLog, options: Partial<MirrorOptions> = {}): Promise<Mirroring> {
  const mirroring = await mirror(source, target, { topics: [/./], groupIntervalMs: 20, ...options })
  mirroring.done.catch(() => {})
  afterwards(() => mirroring.stop().catch(() => {}))
  return mirroring
}

/** Mirrors what there is, and no more. */
async function mirrorOnce(source: PortableLog, target: PortableLog, options: Partial<MirrorOptions> = {}): Promise<void> {
  await (await mirrored(source, target, { until: 'end', ...options })).done
}

/** Everything of a record but its offset. */
function contents({ partition, timestamp, key, value, headers }: PortableRecord<unknown, unknown>): unknown {
  const shown = headers.map(([name, header]) => [name, header === null ? null : Buffer.from(header).toString()])
  return { partition, timestamp, key, value, headers: shown }
}

async function contentsOf<K, V>(topic: PortableTopic<K, V>): Promise<unknown[]> {
  const records = await collect(topic.consumer({ until: 'end' }))
  return records.sort((a, b) => a.partition - b.partition || a.offset - b.offset).map(contents)
}

/** What a log has under a name; its methods know whose they are. */
function bound(log: CommitLog, name: string | symbol): unknown {
  const value: unknown = Reflect.get(log, name, log)
  return typeof value === 'function' ? value.bind(log) : value
}

/** Waits until the ledger of the only mirror to a log says that nothing is left below these offsets of the source, by partition. */
async function positions(target: CommitLog, wanted: ReadonlyMap<number, number>): Promise<void> {
  for (const left = new Set(wanted.keys()); left.size > 0;) {
    await new Promise(setImmediate)
    const { name } = (await target.topics()).find((topic) => topic.name.startsWith('commitlog-mirror-'))!
    const ledger = await target.topic(defineTopic(name, { key: string, value: json<{ readonly source?: number }>() }))
    for (const { key, value } of await collect(ledger.consumer({ until: 'end' }))) {
      const [kind, , partition] = JSON.parse(key!) as [string, string, number]
      if (kind === 'passed' && value!.source === wanted.get(partition)) left.delete(partition)
    }
  }
}

/** A log whose commits fail as they are told: before they are done, or, when the message says so, behind that. */
function failing(log: CommitLog, failures: (LogError | undefined)[]): PortableLog {
  return new Proxy(log, {
    get(_, name) {
      if (name !== 'beginTransaction') return bound(log, name)
      return async (options: { readonly transactionalId?: string }) => {
        const transaction = await log.beginTransaction(options)
        const commit = transaction.commit.bind(transaction)
        transaction.commit = async () => {
          const error = failures.shift()
          if (error?.message === 'before') throw error
          await commit()
          if (error !== undefined) throw error
        }
        return transaction
      }
    },
  })
}

const numbers = (count: number, from = 0): string[] => Array.from({ length: count }, (_, index) => `n${from + index}`)

test('records arrive with key, value, headers, timestamp and partition, in their order', async () => {
  const [source, target] = [await memoryLog(), await memoryLog()]
  const words = await source.topic(Words)
  await words.send([
    { key: 'a', value: 'one', headers: [['h', 'x'], ['h', null], ['', 'y']], timestamp: 5 }, { key: null, value: null, timestamp: -1 },
    { value: '', partition: 2 }, ...numbers(500).map((value) => ({ key: value, value })),
  ])
  await mirrorOnce(source, target)
  const copy = await target.topic(Words)
  expect(await contentsOf(copy)).toEqual(await contentsOf(words))
  expect(copy.settings).toMatchObject({ retentionMs: Infinity, messageTimestampType: 'CreateTime' })
})

test('a mirror goes on as its source grows, and takes topics that patterns match later', async () => {
  const [source, target] = [await memoryLog(), await memoryLog()]
  const words = await source.topic(Words)
  const mirroring = await mirrored(source, target)
  await words.send(numbers(10).map((value) => ({ key: value, value })))
  await mirroring.caughtUp()
  expect(await contentsOf(await target.topic(Words))).toEqual(await contentsOf(words))
  const later = await source.topic(defineTopic('later', { value: string }))
  await later.send({ value: 'x' })
  while (!(await target.topics()).some(({ name }) => name === 'later')) await new Promise(setImmediate)
  await mirroring.caughtUp()
  expect(await contentsOf(await target.topic(defineTopic('later', { value: string })))).toEqual(await contentsOf(later))
})

test('a mirror that is stopped anywhere and begun again stores every record once', async () => {
  const folder = freshFolder()
  const [source, target] = [await memoryLog(), await diskLog(folder)]
  const words = await source.topic(Words)
  for (const round of [0, 1, 2, 3, 4]) {
    const mirroring = await mirrored(source, target, { transactionBytes: 500 })
    const sending = words.send(numbers(200, round * 200).map((value) => ({ key: value, value })))
    if (round % 2 === 0) await mirroring.caughtUp()
    await mirroring.stop()
    await sending
  }
  await mirrorOnce(source, target)
  expect(await contentsOf(await target.topic(Words))).toEqual(await contentsOf(words))
})

test('what a transaction of the source aborted is not mirrored, and offsets are translated over what stands between', async () => {
  const [source, target] = [await memoryLog(), await memoryLog()]
  const words = await source.topic(Words)
  for (const value of numbers(20)) {
    const transaction = await source.beginTransaction()
    await transaction.send(words, { value, partition: 0 })
    await (Number(value.slice(1)) % 3 === 0 ? transaction.abort() : transaction.commit())
  }
  const read = await collect(words.consumer({ group: 'readers' }), 6)
  await mirrorOnce(source, target, { groups: ['readers'], transactionBytes: 100 })
  const copy = await target.topic(Words)
  const rest = await collect(copy.consumer({ group: 'readers', until: 'end' }))
  const kept = numbers(20).filter((value) => Number(value.slice(1)) % 3 !== 0)
  expect([...read.slice(0, 5), ...rest].map(({ value }) => value)).toEqual(kept)
})

test('a service moves while its producers and its group run on, and every record is handled once', async () => {
  const [source, target] = [await memoryLog(), await memoryLog()]
  const handled: string[] = []
  const mirroring = await mirrored(source, target, { groups: ['workers'] })
  let sent = 0
  const produce = async (log: PortableLog, until: () => boolean): Promise<void> => {
    const words = await log.topic(Words)
    while (!until()) await words.send(numbers(7, (sent += 7) - 7).map((value) => ({ key: value, value })))
  }
  const work = async (log: PortableLog, signal: AbortSignal): Promise<void> => {
    const words = await log.topic(Words)
    const running = words.consume({ group: 'workers', concurrency: 4, order: 'key', signal }, ({ value }) => void handled.push(value!))
    await running.done
  }
  const [first, second] = [new AbortController(), new AbortController()]
  let phase = 'source'
  const before = Promise.all([produce(source, () => phase !== 'source'), work(source, first.signal)])
  while (handled.length < 300) await new Promise(setImmediate)
  phase = 'moving'
  first.abort()
  await before
  await mirroring.caughtUp()
  await mirroring.stop()
  const after = Promise.all([produce(target, () => sent >= 1400), work(target, second.signal)])
  while (handled.length < 1400) await new Promise(setImmediate)
  second.abort()
  await after
  expect(handled.length).toBe(sent)
  expect([...handled].sort()).toEqual(numbers(sent).sort())
})

test('a group that lives on the target is left alone', async () => {
  const [source, target] = [await memoryLog(), await memoryLog()]
  const words = await source.topic(Words)
  await words.send(numbers(20).map((value) => ({ value, partition: 0 })))
  await collect(words.consumer({ group: 'g' }), 6)
  const moved: string[] = []
  const mirroring = await mirrored(source, target, {
    groups: [/^g$/], onEvent: (event) => { if (event.type === 'group-moved') moved.push(event.group) },
  })
  await mirroring.caughtUp()
  const copy = await target.topic(Words)
  expect((await collect(copy.consumer({ group: 'g' }), 5)).map(({ value }) => value)).toEqual(numbers(5, 5))
  await collect(words.consumer({ group: 'g' }), 3)
  await mirroring.caughtUp()
  expect((await collect(copy.consumer({ group: 'g', until: 'end' }))).map(({ value }) => value)).toEqual(numbers(11, 9))
  expect(moved).toEqual(['g'])
  expect((await mirroring.status()).groups).toContainEqual({ group: 'g', topic: 'words', partition: 0, source: 5, target: 5, moved: true })
})

test('commits keep their metadata, and a group that has read everything has nothing left on the target', async () => {
  const [source, target] = [await memoryLog(), await memoryLog()]
  const words = await source.topic(Words)
  await words.send(numbers(9).map((value, index) => ({ value, partition: index % 3 })))
  const consumer = words.consumer({ group: 'g', autoCommit: false, until: 'end' })
  for await (const record of consumer) await consumer.commit(record, { metadata: `after ${record.value}` })
  await mirrorOnce(source, target, { groups: ['g', 'nobody'] })
  const copy = await target.topic(Words)
  expect(await copy.consumer({ group: 'g' }).committed(1)).toEqual({ offset: 3, metadata: 'after n7' })
  expect(await collect(copy.consumer({ group: 'g', until: 'end' }))).toEqual([])
})

test('events keep their stream headers, and their category can be read from the target', async () => {
  const [source, target] = [await memoryLog(), await memoryLog()]
  const store = await eventStore(source, { category: 'account' })
  await store.append('a-1', [{ type: 'Opened', data: { owner: 'ada' } }, { type: 'Paid', data: { amount: 5 } }], { expected: 'none' })
  const mirroring = await mirrored(source, target)
  await store.append('a-1', [{ type: 'Paid', data: { amount: 6 } }], { expected: 2 })
  await mirroring.caughtUp()
  const [name] = (await source.topics()).map((topic) => topic.name)
  const [plain, copy] = [await source.plainTopic(name!), await target.topic(defineTopic(name!, { value: json() }))]
  const records = await collect(copy.consumer({ until: 'end' }))
  expect(records.map(({ key, value }) => [key, value])).toEqual([['a-1', { owner: 'ada' }], ['a-1', { amount: 5 }], ['a-1', { amount: 6 }]])
  const headers = (list: readonly PortableRecord<unknown, unknown>[]): unknown => list.map((record) => [...record.headers])
  expect(headers(records)).toEqual(headers(await collect(plain.consumer({ until: 'end' }))))
})

test('two runs of a mirror at a time: one goes on, the other is told, and every record is there once', async () => {
  const [source, target] = [await memoryLog(), await memoryLog()]
  const words = await source.topic(Words)
  await words.send(numbers(100).map((value) => ({ key: value, value })))
  const first = await mirrored(source, target, { transactionBytes: 300 })
  const second = await mirrored(source, target, { transactionBytes: 300 })
  const one = Promise.race([failure(() => first.done), failure(() => second.done)])
  for (const from of [100, 200, 300, 400]) await words.send(numbers(100, from).map((value) => ({ key: value, value })))
  expect((await one).code).toBe('LOG_PRODUCER_FENCED')
  await Promise.race([first.caughtUp(), second.caughtUp()].map((caught) => caught.catch(() => new Promise(() => {}))))
  expect(await contentsOf(await target.topic(Words))).toEqual(await contentsOf(words))
})

test('a target that fails now and then, before or behind a commit, is tried again, and every record is there once', async () => {
  const [source, target] = [await memoryLog(), await memoryLog()]
  const words = await source.topic(Words)
  const failures = [
    new LogError('LOG_CLUSTER_UNAVAILABLE', 'before'), undefined, new LogError('LOG_SEND_UNKNOWN', 'behind'), undefined, undefined,
    new LogError('LOG_TXN_ABORTED', 'before'), new LogError('LOG_SEND_UNKNOWN', 'behind'),
  ]
  const retried: unknown[] = []
  const mirroring = await mirrored(source, failing(target, failures), {
    id: 'failing', transactionBytes: 2000, onEvent: (event) => { if (event.type === 'retry') retried.push((event.error as Error).message) },
  })
  for (const round of [0, 1, 2, 3]) {
    await words.send(numbers(50, round * 50).map((value) => ({ key: value, value })))
    await mirroring.caughtUp()
  }
  expect(retried).toEqual(['before', 'behind', 'before', 'behind'])
  expect(await contentsOf(await target.topic(Words))).toEqual(await contentsOf(words))
})

test('whatever is sent, fails and is stopped: every record is there once, and a group goes on with the same record', async () => {
  const step = fc.record({
    how: fc.constantFrom('send', 'send', 'commit', 'abort'), count: fc.integer({ min: 1, max: 30 }), read: fc.integer({ min: 0, max: 20 }),
    stops: fc.boolean(),
  })
  const outcome = fc.constantFrom(undefined, undefined, 'before', 'behind')
  await fc.assert(fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 6 }), fc.array(outcome, { maxLength: 6 }), async (steps, outcomes) => {
    const [source, target] = [await CommitLog.memory(), await CommitLog.memory()]
    const words = await source.topic(Words)
    const failures = outcomes.map((message) => (message === undefined ? undefined : new LogError('LOG_SEND_UNKNOWN', message)))
    const begin = (): Promise<Mirroring> => (
      mirror(source, failing(target, failures), { topics: [Words], groups: ['g'], id: 'x', transactionBytes: 900, groupIntervalMs: 5 })
    )
    let mirroring = await begin()
    let sent = 0
    for (const { how, count, read, stops } of steps) {
      const records = numbers(count, (sent += count) - count).map((value) => ({ key: value, value }))
      if (how === 'send') await words.send(records)
      else {
        const transaction = await source.beginTransaction()
        await transaction.send(words, records)
        await transaction[how as 'commit' | 'abort']()
      }
      if (read > 0) await collect(words.consumer({ group: 'g', until: 'end' }), read)
      if (!stops) continue
      await mirroring.stop()
      mirroring = await begin()
    }
    await mirroring.caughtUp()
    await mirroring.stop()
    const copy = await target.topic(Words)
    expect(await contentsOf(copy)).toEqual(await contentsOf(words))
    const rest = async (topic: typeof words): Promise<unknown> => (
      (await collect(topic.consumer({ group: 'g', until: 'end' }))).map(({ value }) => value).sort()
    )
    expect(await rest(copy)).toEqual(await rest(words))
    await Promise.all([source.close(), target.close()])
  }), { numRuns: 12 })
})

test('status tells positions, ends and what is behind', async () => {
  const [source, target] = [await memoryLog(), await memoryLog()]
  const words = await source.topic(Words)
  await words.send(numbers(30).map((value, index) => ({ value, partition: index % 3 })))
  const mirroring = await mirrored(source, target)
  await mirroring.caughtUp()
  const { state, records, lag, topics } = await mirroring.status()
  expect({ state, records, lag }).toEqual({ state: 'running', records: 30, lag: 0 })
  expect(topics).toEqual([{ topic: 'words', partitions: [0, 1, 2].map((partition) => ({ partition, position: 10, end: 10, lag: 0 })) }])
  await mirroring.stop()
  expect((await mirroring.status()).state).toBe('stopped')
})

test('caughtUp of a mirror that was stopped says so, and does not pretend', async () => {
  const [source, target] = [await memoryLog(), await memoryLog()]
  const words = await source.topic(Words)
  const mirroring = await mirrored(source, target)
  await mirroring.stop()
  await words.send({ value: 'late' })
  expect((await failure(() => mirroring.caughtUp())).code).toBe('LOG_CLOSED')
})

test('partitions that the source gets later are the target\'s too', async () => {
  const [source, target] = [await memoryLog(), await memoryLog()]
  const words = await source.topic(Words)
  await words.send({ value: 'x', partition: 0 })
  const mirroring = await mirrored(source, target)
  await mirroring.caughtUp()
  await words.addPartitions(2)
  await words.send({ value: 'y', partition: 4 })
  while ((await target.topics()).find(({ name }) => name === 'words')?.partitions !== 5) await new Promise(setImmediate)
  await mirroring.caughtUp()
  expect(await contentsOf(await target.topic(defineTopic('words', { value: string })))).toEqual(await contentsOf(words))
})

test('a folder that another process writes can be mirrored read-only', async () => {
  const folder = freshFolder()
  const [writer, target] = [await diskLog(folder), await memoryLog()]
  const words = await writer.topic(Words)
  await words.send(numbers(10).map((value) => ({ key: value, value })))
  await collect(words.consumer({ group: 'g', until: 'end' }))
  await writer.close()
  const reader = await diskLog(folder, { readOnly: true })
  await mirrorOnce(reader, target, { groups: ['g'] })
  expect(await collect((await target.topic(Words)).consumer({ group: 'g', until: 'end' }))).toEqual([])
  expect((await contentsOf(await target.topic(Words))).length).toBe(10)
})

for (const { what, prepare, code } of [
  {
    what: 'a target with other partitions', code: 'LOG_TOPIC_MISMATCH',
    prepare: async (target: CommitLog) => void await target.topic(defineTopic('words', { partitions: 2, value: string })),
  },
  {
    what: 'a target that has records of others', code: 'LOG_MIRROR_TARGET',
    prepare: async (target: CommitLog) => void await (await target.topic(Words)).send({ value: 'theirs' }),
  },
]) {
  test(`${what} is ${code}, and nothing is stored`, async () => {
    const [source, target] = [await memoryLog(), await memoryLog()]
    await (await source.topic(Words)).send({ value: 'ours' })
    await prepare(target)
    const before = await contentsOf(await target.topic(defineTopic('words', { value: string })))
    expect((await failure(() => mirrored(source, target))).code).toBe(code)
    expect(await contentsOf(await target.topic(defineTopic('words', { value: string })))).toEqual(before)
  })
}

test('with existing: append records are mirrored behind those of others, and groups begin behind them', async () => {
  const [source, target] = [await memoryLog(), await memoryLog()]
  const words = await source.topic(Words)
  await words.send([{ value: 'ours', partition: 0 }, { value: 'too', partition: 0 }])
  const consumer = words.consumer({ group: 'g' })
  for (const partition of [0, 1]) await consumer.commit({ partition, offset: 0 })
  const copy = await target.topic(Words)
  await copy.send([{ value: 'theirs', partition: 0 }, { value: 'theirs', partition: 1 }])
  await mirrorOnce(source, target, { existing: 'append', groups: ['g'] })
  expect((await contentsOf(copy)).map((record) => (record as { value: unknown }).value)).toEqual(['theirs', 'ours', 'too', 'theirs'])
  expect((await collect(copy.consumer({ group: 'g', until: 'end' }))).map(({ value }) => value)).toEqual(['ours', 'too'])
})

test('a mirror onto itself is LOG_MIRROR_ITSELF, also by another handle', async () => {
  const folder = freshFolder()
  const [log, same] = [await diskLog(folder), await diskLog(folder)]
  expect((await failure(() => mirrored(log, log))).code).toBe('LOG_MIRROR_ITSELF')
  expect((await failure(() => mirrored(log, same))).code).toBe('LOG_MIRROR_ITSELF')
})

test('a topic that is not there is LOG_NOT_FOUND, and nothing is made', async () => {
  const [source, target] = [await memoryLog(), await memoryLog()]
  expect((await failure(() => mirrored(source, target, { topics: ['none'] }))).code).toBe('LOG_NOT_FOUND')
  expect(await target.topics()).toEqual([])
})

test('offsets that the source deleted before they were mirrored are LOG_MIRROR_GAP, and gaps: pass goes on behind them and says so', async () => {
  const [source, target] = [await memoryLog(), await memoryLog()]
  const words = await source.topic(Words)
  await words.send(numbers(5).map((value) => ({ value, partition: 0 })))
  await mirrorOnce(source, target)
  await words.send(numbers(5, 5).map((value) => ({ value, partition: 0 })))
  await words.send({ value: 'x', partition: 1 })
  await words.deleteRecords({ 0: 8, 1: 1 })
  const gaps = [{ topic: 'words', partition: 0, from: 5, to: 8 }, { topic: 'words', partition: 1, from: 0, to: 1 }]
  const error = await failure(() => mirrorOnce(source, target))
  expect({ code: error.code, detail: error.detail }).toEqual({ code: 'LOG_MIRROR_GAP', detail: { gaps } })
  expect(error.message).toContain('5..7 of words-0, 0..0 of words-1')
  expect((await planMirror(source, target, { topics: [Words] })).topics[0]!.problem?.code).toBe('LOG_MIRROR_GAP')
  const told: unknown[] = []
  const mirroring = await mirrored(source, target, { until: 'end', gaps: 'pass', onEvent: (event) => { if (event.type === 'gap') told.push(event) } })
  await mirroring.done
  expect(told).toEqual(gaps.map((gap) => ({ type: 'gap', ...gap })))
  expect((await mirroring.status()).gaps).toEqual(gaps)
  expect((await contentsOf(await target.topic(Words))).map((record) => (record as { value: unknown }).value)).toEqual([...numbers(5), 'n8', 'n9'])
  await mirrorOnce(source, target)
})

test('a source that deleted what was mirrored, and markers and aborted records behind it, is mirrored on, also from an idle mirror', async () => {
  for (const ends of ['stopped', 'lost'] as const) {
    const [source, target] = [await memoryLog(), await memoryLog()]
    const words = await source.topic(Words)
    let lost = false
    const begin = async (): Promise<unknown> => {
      if (lost) throw new LogError('LOG_CLUSTER_UNAVAILABLE', 'cut off')
      return target.beginTransaction()
    }
    const reached = new Proxy(target, { get: (_, name) => (name === 'beginTransaction' ? begin : bound(target, name)) })
    const mirroring = await mirrored(source, reached)
    await source.transaction((tx) => tx.send(words, { value: 'a', partition: 0 }))
    const aborted = await source.beginTransaction()
    await aborted.send(words, { value: 'b', partition: 1 })
    await aborted.abort()
    if (ends === 'stopped') await mirroring.stop()
    else await positions(target, new Map([[0, 2], [1, 2]]))
    lost = true
    await words.deleteRecords('latest')
    await words.send([{ value: 'c', partition: 0 }, { value: 'd', partition: 1 }])
    await mirrorOnce(source, target)
    expect((await contentsOf(await target.topic(Words))).map((record) => (record as { value: unknown }).value)).toEqual(['a', 'c', 'd'])
  }
})

test('what a source deleted before a mirror began is not missing', async () => {
  const [source, target] = [await memoryLog(), await memoryLog()]
  const words = await source.topic(Words)
  await words.send(numbers(6).map((value, index) => ({ value, partition: index % 3 })))
  await words.deleteRecords({ 0: 1, 1: 2 })
  await mirrorOnce(source, target)
  await mirrorOnce(source, target)
  expect((await contentsOf(await target.topic(Words))).map((record) => (record as { value: unknown }).value)).toEqual(['n3', 'n2', 'n5'])
})

test('a source that deletes behind a slow mirror while it runs: nothing is passed over in silence', async () => {
  const [source, target] = [await memoryLog(), await memoryLog()]
  const words = await source.topic(Words)
  await words.send(numbers(50).map((value) => ({ value, partition: 0 })))
  let waiting = 0
  let go = (): void => {}
  const gate = new Promise<void>((resolve) => { go = resolve })
  const begin = async (): Promise<unknown> => {
    waiting++
    await gate
    return target.beginTransaction()
  }
  const slow = new Proxy(target, { get: (_, name) => (name === 'beginTransaction' ? begin : bound(target, name)) })
  const mirroring = await mirrored(source, slow, { id: 'slow', gaps: 'pass', transactionBytes: 100 })
  while (waiting === 0) await new Promise(setImmediate)
  await words.send(numbers(50, 50).map((value) => ({ value, partition: 0 })))
  await words.deleteRecords({ 0: 90 })
  go()
  await mirroring.caughtUp()
  const { gaps } = await mirroring.status()
  const missing = gaps.reduce((sum, { from, to }) => sum + to - from, 0)
  expect((await contentsOf(await target.topic(Words))).length + missing).toBe(100)
  expect(missing).toBeGreaterThan(0)
})

test('a mirror back is LOG_MIRROR_ITSELF, and its topics stay as they are; other topics may go the other way', async () => {
  const [a, b] = [await memoryLog(), await memoryLog()]
  const Others = defineTopic('others', { value: string })
  const words = await a.topic(Words)
  await words.send(numbers(3).map((value) => ({ value, partition: 0 })))
  const there = await mirrored(a, b, { topics: [Words] })
  await there.caughtUp()
  for (const existing of ['refuse', 'append'] as const) {
    expect((await failure(() => mirrored(b, a, { topics: [/./], existing }))).code).toBe('LOG_MIRROR_ITSELF')
  }
  expect((await planMirror(b, a, { topics: [Words], existing: 'append' })).topics[0]!.problem?.code).toBe('LOG_MIRROR_ITSELF')
  await (await b.topic(Others)).send({ value: 'x' })
  const back = await mirrored(b, a, { topics: [Others] })
  await words.send({ value: 'n3', partition: 0 })
  await Promise.all([there.caughtUp(), back.caughtUp()])
  for (const log of [a, b]) {
    expect((await contentsOf(await log.topic(Words))).length).toBe(4)
    expect((await contentsOf(await log.topic(Others))).length).toBe(1)
  }
})

for (const existing of ['refuse', 'append'] as const) {
  test(`two mirrors that begin at one moment in opposite directions multiply nothing, with existing: ${existing}`, async () => {
    const [a, b] = [await memoryLog(), await memoryLog()]
    const logs = [a, b] as const
    for (const log of logs) await log.topic(Words)
    if (existing === 'append') for (const log of logs) await (await log.topic(Words)).send({ value: 'before', partition: 0 })
    const begun = await Promise.allSettled(logs.map((log, index) => mirrored(log, logs[1 - index]!, { topics: [Words], existing })))
    const runs = begun.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []))
    const refused = begun.flatMap((one) => (one.status === 'rejected' ? [one.reason as LogError] : []))
    const [first] = await Promise.all([
      Promise.race([...runs.map((run) => failure(() => run.done)), ...refused]),
      (await a.topic(Words)).send({ value: 'only', partition: 0 }),
    ])
    expect(first.code).toBe('LOG_MIRROR_ITSELF')
    // One of them may go on, and what is true then stays so.
    await Promise.all(runs.map((run) => run.caughtUp().catch(() => {})))
    const counts = await Promise.all(logs.map(async (log) => (await contentsOf(await log.topic(Words))).length))
    const most = existing === 'append' ? 3 : 1
    for (const count of counts) expect(count).toBeLessThanOrEqual(most)
    // What was claimed in vain is in nobody's way: one of the directions can be gone on with.
    await Promise.all(runs.map((run) => run.stop().catch(() => {})))
    const codes: unknown[] = []
    for (const [from, to] of [[a, b], [b, a]] as const) {
      codes.push(await mirrorOnce(from, to, { topics: [Words], existing: 'append' }).catch(({ code }: LogError) => code))
    }
    expect(codes.sort()).toEqual(['LOG_MIRROR_ITSELF', undefined])
  })
}

test('a ring of three logs is refused, and a topic that closes one while mirrors run ends the mirror that would', async () => {
  const logs = [await memoryLog(), await memoryLog(), await memoryLog()] as const
  const [a, b, c] = logs
  await (await a.topic(Words)).send({ value: 'x' })
  await (await mirrored(a, b)).caughtUp()
  await (await mirrored(b, c)).caughtUp()
  expect((await failure(() => mirrored(c, a, { existing: 'append' }))).code).toBe('LOG_MIRROR_ITSELF')
  const back = await mirrored(c, a, { topics: [/^later$/] })
  await (await a.topic(defineTopic('later', { value: string }))).send({ value: 'y' })
  expect((await failure(() => back.done)).code).toBe('LOG_MIRROR_ITSELF')
  for (const log of logs) expect((await contentsOf(await log.topic(Words))).length).toBe(1)
  expect((await contentsOf(await a.topic(defineTopic('later', { value: string })))).length).toBe(1)
})

test('options that make no sense are refused by name', async () => {
  const [source, target] = [await memoryLog(), await memoryLog()]
  const refused = async (options: object): Promise<string> => (await failure(() => mirror(source, target, options as MirrorOptions))).message
  expect(await refused({ topics: [] })).toContain('topics')
  expect(await refused({ topics: [/./], group: ['g'] })).toContain('did you mean "groups"')
  expect(await refused({ topics: [/./], groups: ['g', 5] })).toContain('groups')
  expect(await refused({ topics: [/./], id: 'a/b' })).toContain('id of a mirror')
  expect(await refused({ topics: [/./], existing: 'overwrite' })).toContain('existing')
  expect((await failure(() => mirror(source, {} as PortableLog, { topics: [/./] }))).message).toContain('target')
})

test('a signal stops a mirror', async () => {
  const [source, target] = [await memoryLog(), await memoryLog()]
  await source.topic(defineTopic('raw', { key: bytes, value: bytes }))
  const controller = new AbortController()
  const mirroring = await mirrored(source, target, { signal: controller.signal })
  controller.abort()
  await mirroring.done
  expect((await mirroring.status()).state).toBe('stopped')
})

test('of a ring of three mirrors that are begun at one moment one finds out soon, however seldom it looks at groups', async () => {
  const logs = [await memoryLog(), await memoryLog(), await memoryLog()] as const
  const [a, b, c] = logs
  for (const log of logs) await log.topic(Words)
  const ends = ([[a, b], [b, c], [c, a]] as const).map(async ([from, to]) => {
    try {
      const mirroring = await mirrored(from, to, { topics: [Words], existing: 'append', groupIntervalMs: 0x7fff_ffff })
      await mirroring.done
    } catch (error) {
      return (error as LogError).code
    }
    return 'stopped'
  })
  expect(await Promise.race(ends)).toBe('LOG_MIRROR_ITSELF')
})
