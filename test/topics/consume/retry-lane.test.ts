/*
 * Long waits, spent in a retry topic: order, due times, restarts, and that nothing holds what is committed.
 */
import { expect, test } from 'vitest'
import { seededRandom } from '../../../src/base/random.ts'
import { ManualClock } from '../../../src/testing/manual-clock.ts'
import { deadLetterHeaders } from '../../../src/topics/consume/dead-letter-headers.ts'
import { type Delivery } from '../../../src/topics/consume/delivery.ts'
import { MOST_FINISHED_SPAN } from '../../../src/topics/consume/finished-set.ts'
import { type LoopOptions } from '../../../src/topics/consume/loop-options.ts'
import { NOT_BEFORE_HEADER } from '../../../src/topics/consume/retry-lane.ts'
import { string } from '../../../src/topics/codecs.ts'
import { memoryLog } from '../harness.ts'
import { FakeGroup } from './fake-group.ts'

type Record = Delivery<string, string>

async function group(records: readonly (readonly [string, string])[]): Promise<{ readonly group: FakeGroup; readonly clock: ManualClock }> {
  const log = await memoryLog()
  const topic = await log.topic<string, string>('t', { key: string, value: string })
  if (records.length > 0) await topic.send(records.map(([key, value]) => ({ key, value, headers: { own: value } })))
  const clock = new ManualClock()
  const made = new FakeGroup(topic, clock)
  made.retries = await log.topic<string, string>('t.retry', { key: string, value: string })
  return { group: made, clock }
}

const later: Partial<LoopOptions<string, string>> = { order: 'key', laterThanMs: 1000, delay: () => 60_000, attempts: 3 }

test('a long wait is spent in the retry topic: it does not hold what is committed, and the record comes back as it was', async () => {
  const { group: made, clock } = await group([['a', 'fails'], ['b', 'good']])
  const seen: string[] = []
  const loop = made.loop(async (record: Record) => {
    const own = record.header('own')?.toString()
    seen.push(`${record.topic} ${record.partition} ${record.offset} ${record.key} ${record.value} ${own} ${record.headers.length} ${record.attempt}`)
    if (record.value === 'fails' && record.attempt < 3) throw new Error('no')
  }, later)
  loop.start()
  await made.members[0]!.assign(0)
  await clock.advance(1000)
  expect(seen).toEqual(['t 0 0 a fails fails 1 1', 't 0 1 b good good 1 1'])
  expect(made.committed.get(0)).toMatchObject({ offset: 2 })
  await clock.advance(58_000)
  expect(seen).toHaveLength(2)
  await clock.advance(2000)
  expect(seen.slice(2)).toEqual(['t 0 0 a fails fails 1 2'])
  await clock.advance(61_000)
  expect(seen.slice(3)).toEqual(['t 0 0 a fails fails 1 3'])
  await clock.advance(1000)
  await loop.stop(0)
  expect(made.committedRetries.get(0)).toMatchObject({ offset: 2 })
})

test('those of the same key wait until it is done, also after a restart, and others do not', async () => {
  const { group: made, clock } = await group([['a', 'a1'], ['a', 'a2'], ['b', 'b1']])
  const seen: string[] = []
  const handler = async ({ value, attempt }: Record): Promise<void> => {
    seen.push(`${value} ${attempt}`)
    if (value === 'a1' && attempt === 1) throw new Error('no')
  }
  const first = made.loop(handler, later)
  first.start()
  await made.members[0]!.assign(0)
  await clock.advance(1000)
  expect(seen).toEqual(['a1 1', 'b1 1'])
  first.abandon(new Error('killed'))
  const second = made.loop(handler, later)
  second.start()
  await made.members[1]!.assign(0)
  await clock.advance(30_000)
  expect(seen).toEqual(['a1 1', 'b1 1'])
  await clock.advance(60_000)
  expect(seen.slice(2)).toEqual(['a1 2', 'a2 1'])
  await second.stop(0)
  expect(made.committed.get(0)).toMatchObject({ offset: 3 })
})

test('attempts count through restarts, and the last one leads to the dead letters, with where the record came from', async () => {
  const { group: made, clock } = await group([['a', 'poison'], ['a', 'behind']])
  const seen: string[] = []
  for (let life = 0; life < 4; life++) {
    const loop = made.loop(async ({ value, attempt }: Record) => {
      seen.push(`${value} ${attempt}`)
      if (value === 'poison') throw new Error('never')
    }, later)
    loop.start()
    await made.members.at(-1)!.assign(0)
    await clock.advance(61_000)
    loop.abandon(new Error('killed'))
  }
  expect(seen.filter((one) => one.startsWith('poison'))).toEqual(['poison 1', 'poison 2', 'poison 3'])
  expect(seen.at(-1)).toBe('behind 1')
  expect(made.aside).toEqual([{ partition: 0, offset: 0, stage: 'handle', message: 'never' }])
})

test('a record that waits for very long does not hold those that are due before it: it moves to the end', async () => {
  const { group: made, clock } = await group([])
  const log = made.retries!.partition(0)['log']
  const count = MOST_FINISHED_SPAN + 2000
  const append = (value: string, offset: number, due: number): number => log.append({ key: string, value: string }, {
    key: null, value, headers: [
      ...deadLetterHeaders([], {
        topic: 't', partition: 0, offset, group: 'g', deliveryCount: 1, error: 'e', stage: 'handle', timestamp: 0,
      }), [NOT_BEFORE_HEADER, String(due)],
    ],
  })
  append('far', 0, clock.now() + 86_400_000)
  let last = 0
  for (let index = 1; index <= count; index++) last = append(String(index), index, clock.now())
  await log.durable(last)
  let handled = 0
  let far = 0
  const loop = made.loop(({ value }: Record) => void (value === 'far' ? far++ : handled++), { ...later, order: 'none' })
  loop.start()
  await made.members[0]!.assign(0)
  for (let step = 0; step < 200 && handled < count; step++) await clock.advance(100)
  expect(handled).toBe(count)
  await clock.advance(1000)
  expect(made.committedRetries.get(0)!.offset).toBeGreaterThan(count)
  expect(far).toBe(0)
  await clock.advance(86_400_000)
  expect({ far, handled }).toEqual({ far: 1, handled: count })
  await loop.stop(0)
})

test('whatever waits where and is killed when, every record is finished once, and those of a key in order', async () => {
  for (let seed = 1; seed <= 12; seed++) {
    const random = seededRandom(seed)
    const count = 60
    const { group: made, clock } = await group(Array.from({ length: count }, (_, index) => [`k${random.int(8)}`, String(index)]))
    const order = random.int(2) === 0 ? 'key' : 'none'
    const finished = new Map<number, { key: string }>()
    const all: [string, number][] = []
    let alive = {}
    const start = async (): Promise<ReturnType<FakeGroup['loop']>> => {
      const own = alive = {}
      const loop = made.loop(async (record: Record) => {
        await new Promise<void>((resolve) => setImmediate(resolve))
        if (alive !== own) throw new Error('killed')
        if (random.int(3) === 0) throw new Error('once more')
        finished.set(record.offset, { key: record.key! })
        all.push([record.key!, record.offset])
      }, { order, attempts: Infinity, laterThanMs: 1000, delay: () => 100 + random.int(5000), concurrency: 1 + random.int(6) })
      loop.start()
      await made.members.at(-1)!.assign(0)
      return loop
    }
    let loop = await start()
    for (let step = 0; step < 400 && finished.size < count; step++) {
      await clock.advance(random.int(400))
      if (random.int(25) !== 0) continue
      loop.abandon(new Error('killed'))
      alive = {}
      await clock.advance(1)
      loop = await start()
    }
    for (let step = 0; step < 400 && finished.size < count; step++) await clock.advance(1000)
    expect(finished.size, `seed ${seed}`).toBe(count)
    if (order === 'key') {
      // What was finished and not committed before a kill comes again, so a key may go back, but never over one that was not finished.
      const done = new Set<number>()
      for (const [key, offset] of all) {
        const before = [...finished].filter(([other, { key: of }]) => of === key && other < offset).map(([other]) => other)
        expect(before.every((other) => done.has(other)), `seed ${seed}: ${offset} of ${key} before ${before.join()}`).toBe(true)
        done.add(offset)
      }
    }
    await clock.advance(10_000)
    await loop.stop(0)
    expect(made.committed.get(0)!.offset, `seed ${seed}`).toBe(count)
    const { retries, committedRetries } = made
    const end = retries!.partition(0).nextOffset
    if (end > 0) expect(committedRetries.get(0)!.offset, `seed ${seed}`).toBe(end)
  }
})
