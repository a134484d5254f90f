/*
 * The loop of managed consumption over a membership that the test moves by hand.
 */
import { expect, test } from 'vitest'
import { LogError } from '../../../src/base/errors.ts'
import { seededRandom } from '../../../src/base/random.ts'
import { type Topic } from '../../../src/index.ts'
import { ManualClock } from '../../../src/testing/manual-clock.ts'
import { string } from '../../../src/topics/codecs.ts'
import { type Delivery } from '../../../src/topics/consume/delivery.ts'
import { FinishedSet } from '../../../src/topics/consume/finished-set.ts'
import { type HandlingFailure } from '../../../src/topics/consume/loop-options.ts'
import { failure, memoryLog } from '../harness.ts'
import { appendRaw, FakeGroup } from './fake-group.ts'

type Record = Delivery<string, string>

const turns = async (count = 6): Promise<void> => {
  for (let turn = 0; turn < count; turn++) await new Promise<void>((resolve) => setImmediate(resolve))
}

/** A topic with records `[key, value]` in partition 0, and a group over it whose clock stands still. */
async function filled(records: readonly (readonly [string | null, string])[], partitions = 1): Promise<{
  readonly group: FakeGroup
  readonly clock: ManualClock
  readonly topic: Topic<string, string>
}> {
  const log = await memoryLog()
  const topic = await log.topic<string, string>('t', { partitions, key: string, value: string })
  const clock = new ManualClock()
  if (records.length > 0) await topic.send(records.map(([key, value]) => ({ key, value, partition: 0 })))
  return { group: new FakeGroup(topic, clock), clock, topic }
}

const numbered = (count: number, keyOf: (index: number) => string | null): [string | null, string][] => (
  Array.from({ length: count }, (_, index) => [keyOf(index), String(index)])
)

/** Promises that the test settles, by the value of the record. */
class Doors {
  readonly handled: string[] = []
  readonly open = new Map<string, { resolve: () => void; reject: (error: unknown) => void; record: Record }>()
  most = 0

  readonly handler = (record: Record): Promise<void> => {
    this.handled.push(record.value!)
    const promise = new Promise<void>((resolve, reject) => this.open.set(record.value!, { resolve, reject, record }))
    this.most = Math.max(this.most, this.open.size)
    return promise
  }

  async finish(value: string): Promise<void> {
    this.open.get(value)!.resolve()
    this.open.delete(value)
    await turns()
  }

  async fail(value: string, error: unknown = new Error(`no ${value}`)): Promise<void> {
    this.open.get(value)!.reject(error)
    this.open.delete(value)
    await turns()
  }
}

test('with order key, records of one key are handled one after the other, and others beside them', async () => {
  const { group } = await filled([['a', 'a1'], ['a', 'a2'], ['b', 'b1'], ['a', 'a3'], [null, 'n1'], [null, 'n2']])
  const doors = new Doors()
  const loop = group.loop(doors.handler, { order: 'key' })
  loop.start()
  await group.members[0]!.assign(0)
  await turns()
  expect(doors.handled).toEqual(['a1', 'b1', 'n1', 'n2'])
  await doors.finish('a1')
  expect(doors.handled.slice(4)).toEqual(['a2'])
  await doors.finish('a2')
  for (const value of ['b1', 'a3', 'n2', 'n1']) await doors.finish(value)
  await loop.stop(1000)
  expect(group.committed.get(0)).toMatchObject({ offset: 6 })
  await loop.done
})

test('with order partition one record of a partition is in hand, and with none as many as there are hands', async () => {
  for (const [order, first] of [['partition', ['0']], ['none', ['0', '1', '2']]] as const) {
    const { group } = await filled(numbered(10, () => 'k'))
    const doors = new Doors()
    const loop = group.loop(doors.handler, { order, concurrency: 3 })
    loop.start()
    await group.members[0]!.assign(0)
    await turns()
    expect(doors.handled).toEqual(first)
    await doors.finish('0')
    expect(doors.handled.at(-1)).toBe(String(first.length))
    const stopped = loop.stop(0)
    await (group.clock as ManualClock).advance(2000)
    await stopped
  }
})

test('hands are shared by partitions, and there are never more than allowed', async () => {
  const { group, topic } = await filled(numbered(50, (index) => `k${index}`), 3)
  await topic.send(numbered(50, (index) => `k${index}`).map(([key, value]) => ({ key, value: `p1-${value}`, partition: 1 })))
  const doors = new Doors()
  const loop = group.loop(doors.handler, { concurrency: 7 })
  loop.start()
  await group.members[0]!.assign(0, 1, 2)
  await turns()
  while (doors.open.size > 0) await doors.finish([...doors.open.keys()][doors.handled.length % doors.open.size]!)
  expect(doors.most).toBe(7)
  expect(new Set(doors.handled).size).toBe(100)
  await loop.stop(0)
  expect([...group.committed.values()].map(({ offset }) => offset)).toEqual([50, 50])
})

test('a record that fails is tried again after its wait, and holds those of its key and nothing else', async () => {
  const { group, clock } = await filled([['bad', 'x'], ['bad', 'y'], ['good', 'z']])
  const doors = new Doors()
  const failures: HandlingFailure[] = []
  const loop = group.loop(doors.handler, { delay: (attempt) => attempt * 1000, onFailure: (told) => failures.push(told) })
  loop.start()
  await group.members[0]!.assign(0)
  await turns()
  await doors.fail('x')
  await doors.finish('z')
  await clock.advance(999)
  expect(doors.handled).toEqual(['x', 'z'])
  await clock.advance(1)
  expect(doors.handled).toEqual(['x', 'z', 'x'])
  expect(doors.open.get('x')!.record.attempt).toBe(2)
  await doors.fail('x')
  await clock.advance(2000)
  await doors.finish('x')
  expect(doors.handled.at(-1)).toBe('y')
  await doors.finish('y')
  await loop.stop(0)
  expect(group.committed.get(0)!.offset).toBe(3)
  expect(failures.map(({ offset, attempt, next }) => ({ offset, attempt, next }))).toEqual([
    { offset: 0, attempt: 1, next: 'retry' }, { offset: 0, attempt: 2, next: 'retry' },
  ])
})

test('a record whose attempts are used up goes aside with a commit that tells it as finished, and what is behind it goes on', async () => {
  const { group, clock } = await filled([['k', 'first'], ['bad', 'poison'], ['bad', 'behind']])
  const doors = new Doors()
  const loop = group.loop(doors.handler, { attempts: 2 })
  loop.start()
  await group.members[0]!.assign(0)
  await turns()
  await doors.fail('poison')
  await clock.advance(100)
  await doors.fail('poison', new Error('still no'))
  expect(group.aside).toEqual([{ partition: 0, offset: 1, stage: 'handle', message: 'still no' }])
  const committed = group.committed.get(0)!
  expect(committed.offset).toBe(0)
  expect(FinishedSet.decode(0, committed.finished).has(1)).toBe(true)
  expect(doors.open.has('behind')).toBe(true)
  await doors.finish('behind')
  await doors.finish('first')
  await loop.stop(0)
  expect(group.committed.get(0)).toMatchObject({ offset: 3 })
  expect(loop.stats).toMatchObject({ handled: 2, failures: 2, deadLetters: 1 })
})

test('handlers can say what becomes of a record: accept, release after a time of its own, reject', async () => {
  const { group, clock } = await filled([['a', 'accept'], ['b', 'release'], ['c', 'reject'], ['d', 'sync']])
  const seen: string[] = []
  const loop = group.loop((record) => {
    seen.push(`${record.value} ${record.attempt}`)
    if (record.value === 'sync') return
    return (async () => {
      if (record.value === 'accept') {
        record.accept()
        throw new Error('after it was accepted')
      }
      if (record.value === 'release' && record.attempt === 1) record.release({ delayMs: 7 })
      if (record.value === 'reject') record.reject(new Error('rejected'))
    })()
  })
  loop.start()
  await group.members[0]!.assign(0)
  await turns()
  expect(seen).toEqual(['accept 1', 'release 1', 'reject 1', 'sync 1'])
  expect(group.aside.map(({ message }) => message)).toEqual(['rejected'])
  await clock.advance(7)
  expect(seen.at(-1)).toBe('release 2')
  await loop.stop(0)
  expect(group.committed.get(0)!.offset).toBe(4)
})

test('an error that is not retryable goes aside at once, and a question about it that throws means it is', async () => {
  const { group, clock } = await filled([['a', 'invalid'], ['b', 'odd']])
  const handled: string[] = []
  const loop = group.loop(async ({ value }) => {
    handled.push(value!)
    throw new Error(value!)
  }, {
    retryable: (error) => {
      if ((error as Error).message === 'odd') throw new Error('in the question')
      return false
    },
  })
  loop.start()
  await group.members[0]!.assign(0)
  await clock.advance(10_000)
  expect(group.aside.map(({ message }) => message).sort()).toEqual(['invalid', 'odd'])
  expect(handled).toEqual(['invalid', 'odd', 'odd', 'odd'])
  await loop.stop(0)
})

test('bytes that cannot be decoded go aside without a handler, and never stop the loop', async () => {
  const { group } = await filled([['a', 'good']])
  appendRaw(group.log(0), Buffer.from('bad'))
  appendRaw(group.log(0), Buffer.from('bad'), Buffer.from('a'))
  await group.log(0).durable(appendRaw(group.log(0), Buffer.from('fine'), Buffer.from('a')))
  group.value = { ...string, decode: (buffer, from, to) => {
    const text = string.decode(buffer, from, to)
    if (text === 'bad') throw new LogError('LOG_DECODE_FAILED', 'bad bytes')
    return text
  } }
  const handled: string[] = []
  const loop = group.loop(({ value }) => void handled.push(value!))
  loop.start()
  await group.members[0]!.assign(0)
  await turns()
  expect(handled).toEqual(['good', 'fine'])
  expect(group.aside.map(({ offset, stage }) => [offset, stage])).toEqual([[1, 'decode'], [2, 'decode']])
  await loop.stop(0)
  expect(group.committed.get(0)!.offset).toBe(4)
})

test('without a place to put it, a record that cannot be handled ends the loop and stays unfinished', async () => {
  const { group } = await filled([['a', 'good'], ['b', 'poison'], ['c', 'more']])
  const loop = group.loop(async ({ value }) => {
    if (value === 'poison') throw new Error('no')
  }, { attempts: 1, putAside: undefined })
  loop.start()
  await group.members[0]!.assign(0)
  const error = await failure(() => loop.done)
  expect(error).toMatchObject({ code: 'LOG_HANDLER_FAILED', detail: { offset: 1 }, cause: new Error('no') })
  expect(group.members[0]!.left).toBe(true)
  expect(group.committed.get(0)!.offset).toBe(1)
})

test('stop resolves soon after its deadline whatever handlers do, tells them, and what they had comes again', async () => {
  const { group, clock } = await filled([['a', 'stuck'], ['b', 'quick'], ['c', 'slow']])
  const doors = new Doors()
  const loop = group.loop(doors.handler)
  loop.start()
  await group.members[0]!.assign(0)
  await turns()
  const { record } = doors.open.get('stuck')!
  const { signal } = record
  await doors.finish('quick')
  const stopped = loop.stop(5000)
  await clock.advance(4000)
  await doors.finish('slow')
  expect(signal.aborted).toBe(false)
  await clock.advance(1000)
  await stopped
  await loop.done
  expect(signal.reason).toMatchObject({ code: 'LOG_HANDLER_TIMED_OUT' })
  expect(group.members[0]!.left).toBe(true)
  await doors.finish('stuck')
  const again: string[] = []
  const next = group.loop(({ value }) => void again.push(value!))
  next.start()
  await group.members[1]!.assign(0)
  await turns()
  expect(again).toEqual(['stuck'])
  await next.stop(0)
})

test('stop returns even when a commit never does, and a later stop may shorten an earlier one', async () => {
  const { group, clock } = await filled([['a', 'quick'], ['b', 'stuck']])
  group.beforeCommit = () => new Promise(() => {})
  const doors = new Doors()
  const loop = group.loop(doors.handler)
  loop.start()
  await group.members[0]!.assign(0)
  await turns()
  await doors.finish('quick')
  const stops = Promise.all([loop.stop(1e9), loop.stop(10)])
  await clock.advance(2000)
  await stops
  await loop.done
})

test('a handler that takes too long counts as failed, and its hand is free for others', async () => {
  const { group, clock } = await filled([['a', 'stuck'], ['b', 'next']])
  const doors = new Doors()
  const loop = group.loop(doors.handler, { concurrency: 1, handlerTimeoutMs: 500, attempts: 2, delay: () => 0 })
  loop.start()
  await group.members[0]!.assign(0)
  await turns()
  const { record: { signal }, resolve } = doors.open.get('stuck')!
  await clock.advance(500)
  expect(signal.reason).toMatchObject({ code: 'LOG_HANDLER_TIMED_OUT', detail: { offset: 0 } })
  expect(doors.handled.slice(0, 2)).toEqual(['stuck', 'next'])
  await doors.finish('next')
  await clock.advance(1)
  expect(doors.handled).toEqual(['stuck', 'next', 'stuck'])
  resolve()
  await clock.advance(500)
  expect(group.aside).toEqual([expect.objectContaining({ offset: 0, message: expect.stringContaining('did not return') as string })])
  await loop.stop(0)
  expect(group.committed.get(0)!.offset).toBe(2)
})

test('a handler that says that it is at work is waited for as long again, each time that it does', async () => {
  const { group, clock } = await filled([['a', 'slow']])
  const doors = new Doors()
  const loop = group.loop(doors.handler, { concurrency: 1, handlerTimeoutMs: 500, attempts: 1 })
  loop.start()
  await group.members[0]!.assign(0)
  await turns()
  const { record } = doors.open.get('slow')!
  for (let time = 0; time < 5; time++) {
    await clock.advance(400)
    record.renew()
  }
  await clock.advance(500)
  expect(record.signal.aborted).toBe(false)
  await clock.advance(500)
  expect(record.signal.reason).toMatchObject({ code: 'LOG_HANDLER_TIMED_OUT' })
  await loop.stop(0)
})

test('a partition that is revoked waits for what is in hand, commits it and hands out nothing more', async () => {
  const { group } = await filled(numbered(6, (index) => `k${index}`))
  const doors = new Doors()
  const loop = group.loop(doors.handler, { concurrency: 2 })
  loop.start()
  const [member] = group.members
  await member!.assign(0)
  await turns()
  let released = false
  const revoked = member!.revoke(0).then(() => { released = true })
  await doors.finish('1')
  expect(released).toBe(false)
  await doors.finish('0')
  await revoked
  expect(doors.handled).toEqual(['0', '1'])
  expect(group.committed.get(0)!.offset).toBe(2)
  await member!.assign(0)
  await turns()
  expect(doors.handled).toEqual(['0', '1', '2', '3'])
  for (const value of ['2', '3', '4', '5']) await doors.finish(value)
  await loop.stop(0)
  expect(group.committed.get(0)!.offset).toBe(6)
})

test('a partition that is revoked while the loop stops waits for what is in hand as well, and the stop ends with the last of it', async () => {
  const { group } = await filled(numbered(4, (index) => `k${index}`), 2)
  await group.topic.send({ key: 'other', value: 'other', partition: 1 })
  const doors = new Doors()
  const loop = group.loop(doors.handler)
  loop.start()
  const [member] = group.members
  await member!.assign(0, 1)
  await turns()
  const stopped = loop.stop(30_000)
  let given = false
  const revoked = member!.revoke(0).then(() => { given = true })
  await turns()
  await doors.finish('other')
  for (const value of ['0', '1', '2']) await doors.finish(value)
  expect(given).toBe(false)
  await doors.finish('3')
  await revoked
  expect(group.committed.get(0)).toMatchObject({ offset: 4 })
  // The clock stands still: nothing of it waits for its deadline.
  await stopped
  expect(group.committed.get(1)).toMatchObject({ offset: 1 })
})

test('a stop that waits for a partition ends when that is lost, and one whose deadline passed takes a revocation with it', async () => {
  const { group, clock } = await filled(numbered(2, (index) => `k${index}`))
  const doors = new Doors()
  const [lost, late] = [group.loop(doors.handler), group.loop(doors.handler)]
  for (const loop of [lost, late]) loop.start()
  await group.members[0]!.assign(0)
  await turns()
  const stopped = lost.stop(30_000)
  await turns()
  group.members[0]!.lose(0)
  await stopped
  await group.members[1]!.assign(0)
  await turns()
  const stopping = late.stop(500)
  const revoked = group.members[1]!.revoke(0)
  await turns()
  await clock.advance(500)
  await revoked
  await stopping
})

test('commits of a loop follow each other, whoever asks for them', async () => {
  const { group } = await filled(numbered(6, (index) => `k${index}`), 2)
  await group.topic.send({ key: 'other', value: 'other', partition: 1 })
  let underWay = 0
  let most = 0
  group.beforeCommit = async () => {
    most = Math.max(most, ++underWay)
    await turns()
    underWay--
  }
  const doors = new Doors()
  const loop = group.loop(doors.handler)
  loop.start()
  const [member] = group.members
  await member!.assign(0, 1)
  await turns()
  for (const value of ['other', '0', '1', '2', '3', '4', '5']) await doors.finish(value)
  await Promise.all([member!.revoke(0), member!.revoke(1), loop.stop(1000)])
  expect(most).toBe(1)
  expect([...group.committed.values()].map(({ offset }) => offset)).toEqual([6, 1])
})

test('a handler that asks for its signal only after it was given up is told so', async () => {
  const { group, clock } = await filled(numbered(1, () => 'k'))
  const doors = new Doors()
  const loop = group.loop(doors.handler, { handlerTimeoutMs: 500, delay: () => 100 })
  loop.start()
  await group.members[0]!.assign(0)
  await turns()
  const { record } = doors.open.get('0')!
  await clock.advance(600)
  const again = doors.open.get('0')!.record
  expect([record.attempt, record.signal.aborted, again.attempt, again.signal.aborted]).toEqual([1, true, 2, false])
  await doors.finish('0')
  await loop.stop(0)
})

test('a handler that never returns does not hold a rebalance for ever, and what it does later is told to nobody', async () => {
  const { group, clock } = await filled(numbered(3, (index) => `k${index}`))
  const doors = new Doors()
  const loop = group.loop(doors.handler, { concurrency: 1, drainMs: 300 })
  loop.start()
  const [member] = group.members
  await member!.assign(0)
  await turns()
  const { resolve, record } = doors.open.get('0')!
  const { signal } = record
  const revoked = member!.revoke(0)
  await clock.advance(300)
  await revoked
  expect(signal.aborted).toBe(true)
  expect(group.committed.has(0)).toBe(false)
  const other = group.loop(doors.handler, { concurrency: 1 })
  other.start()
  await group.members[1]!.assign(0)
  await turns()
  resolve()
  await turns()
  expect(doors.handled).toEqual(['0', '0'])
  await doors.finish('0')
  await clock.advance(100)
  expect(group.committed.get(0)!.offset).toBe(1)
  // The hand that it took is free again.
  await member!.assign(0)
  await turns()
  expect(doors.handled.filter((value) => value === '1')).toHaveLength(2)
  const stops = [loop.stop(0), other.stop(0)]
  await clock.advance(2000)
  await Promise.all(stops)
})

test('a partition that was lost is not committed', async () => {
  const { group, clock } = await filled(numbered(3, (index) => `k${index}`))
  const doors = new Doors()
  const loop = group.loop(doors.handler)
  loop.start()
  await group.members[0]!.assign(0)
  await turns()
  await doors.finish('0')
  group.members[0]!.lose(0)
  await doors.finish('1')
  await clock.advance(1000)
  await loop.stop(0)
  expect(group.committed.size).toBe(0)
})

test('a partition that is lost while it is opened is not read', async () => {
  const { group } = await filled(numbered(3, (index) => `k${index}`))
  const handled: string[] = []
  const loop = group.loop(({ value }) => void handled.push(value!))
  loop.start()
  const assigning = group.members[0]!.assign(0)
  group.members[0]!.owned.clear()
  await assigning
  await turns()
  expect(handled).toEqual([])
  expect(loop.stats.partitions).toBe(0)
  await loop.stop(0)
})

test('reading waits when too much is unfinished, and goes on by itself', async () => {
  const { group } = await filled(numbered(100, (index) => (index % 10 === 0 ? 'slow' : `k${index}`)))
  const doors = new Doors()
  const loop = group.loop(doors.handler, { maxInFlight: 25 })
  loop.start()
  await group.members[0]!.assign(0)
  await turns()
  for (const value of [...doors.open.keys()]) if (value !== '0') await doors.finish(value)
  expect(loop.stats).toMatchObject({ handling: 1, unfinished: 3 })
  expect(Number(doors.handled.at(-1))).toBeLessThan(25)
  while (doors.open.size > 0) await doors.finish([...doors.open.keys()].at(-1)!)
  expect(doors.handled).toHaveLength(100)
  await loop.stop(0)
})

test('records that come later wake the loop, and nothing is committed while nothing finishes', async () => {
  const { group, clock, topic } = await filled([])
  const handled: string[] = []
  let commits = 0
  group.beforeCommit = async () => void commits++
  const loop = group.loop(({ value }) => void handled.push(value!))
  loop.start()
  await group.members[0]!.assign(0)
  await clock.advance(10_000)
  expect(commits).toBe(0)
  await topic.send({ key: 'k', value: 'late' })
  await clock.advance(10_000)
  expect(handled).toEqual(['late'])
  expect(commits).toBe(1)
  await loop.stop(0)
  expect(commits).toBe(1)
})

test('a commit or a hand-over that may succeed later is tried again, one that may not ends the loop', async () => {
  const { group, clock } = await filled([['a', 'good'], ['b', 'poison']])
  let full = true
  const refuse = async (): Promise<void> => {
    if (full) throw new LogError('LOG_DISK_FULL', 'full')
  }
  group.beforeAside = group.beforeCommit = refuse
  const loop = group.loop(async ({ value }) => {
    if (value === 'poison') throw new Error('no')
  }, { attempts: 1 })
  loop.start()
  await group.members[0]!.assign(0)
  await clock.advance(5000)
  expect(group.committed.size).toBe(0)
  full = false
  await clock.advance(3000)
  expect(group.aside).toHaveLength(1)
  expect(group.committed.get(0)!.offset).toBe(2)
  await loop.stop(0)

  const broken = await filled([['a', 'good']])
  broken.group.beforeCommit = async () => { throw new LogError('LOG_FENCED', 'broken') }
  const ends = broken.group.loop(() => {})
  ends.start()
  await broken.group.members[0]!.assign(0)
  const [error] = await Promise.all([failure(() => ends.done), broken.clock.advance(200)])
  expect(error.code).toBe('LOG_FENCED')
})

test('whatever finishes when, is revoked or killed: nothing unfinished is passed, and what is committed as finished never comes again', async () => {
  for (let seed = 1; seed <= 15; seed++) {
    const random = seededRandom(seed)
    const count = 120
    const { group, clock } = await filled(numbered(count, () => `k${random.int(12)}`))
    const orders = ['key', 'none', 'partition'] as const
    const order = orders[random.int(3)]!
    const finished = new Map<number, number>()
    const told = new Set<number>()
    const inHand = new Set<string>()
    let live = true
    const check = (): void => {
      const entry = group.committed.get(0)
      if (entry === undefined) return
      for (let offset = 0; offset < entry.offset; offset++) expect(finished.has(offset), `seed ${seed}: ${offset} is passed`).toBe(true)
      const set = FinishedSet.decode(entry.offset, entry.finished)
      for (let offset = 0; offset < count; offset++) {
        if (offset < entry.offset || set.has(offset)) told.add(offset)
        if (set.has(offset)) expect(finished.has(offset), `seed ${seed}: ${offset} is told as finished`).toBe(true)
      }
    }
    const doors = new Map<number, () => void>()
    const handler = async (record: Record): Promise<void> => {
      expect(told.has(record.offset), `seed ${seed}: ${record.offset} comes again`).toBe(false)
      if (order !== 'none') {
        const lower = [...inHand].filter((one) => one === (order === 'key' ? record.key : 'any'))
        expect(lower, `seed ${seed}`).toEqual([])
        inHand.add(order === 'key' ? record.key! : 'any')
      }
      await new Promise<void>((resolve) => doors.set(record.offset, resolve))
      if (order !== 'none') inHand.delete(order === 'key' ? record.key! : 'any')
      if (random.int(10) === 0) throw new Error('once more')
      if (live) finished.set(record.offset, (finished.get(record.offset) ?? 0) + 1)
    }
    let loop = group.loop(handler, { order, attempts: Infinity, concurrency: 1 + random.int(8), maxInFlight: 10 + random.int(60) })
    loop.start()
    let member = group.members.at(-1)!
    await member.assign(0)
    for (let step = 0; finished.size < count && step < 3000; step++) {
      const act = random.int(40)
      if (act < 30 && doors.size > 0) {
        const offset = [...doors.keys()][random.int(doors.size)]!
        doors.get(offset)!()
        doors.delete(offset)
      } else if (act < 36) {
        await clock.advance(random.int(120))
      } else if (act === 36) {
        const revoked = member.revoke(0)
        for (const resolve of doors.values()) resolve()
        doors.clear()
        await revoked
        await member.assign(0)
      } else if (act === 37) {
        // A kill: what was finished and is not committed comes again, and what is in hand is never heard of.
        loop.abandon(new Error('killed'))
        live = false
        for (const resolve of doors.values()) resolve()
        doors.clear()
        await turns(2)
        live = true
        inHand.clear()
        check()
        for (const offset of finished.keys()) if (!told.has(offset)) finished.delete(offset)
        loop = group.loop(handler, { order, attempts: Infinity, concurrency: 1 + random.int(8), maxInFlight: 10 + random.int(60) })
        loop.start()
        member = group.members.at(-1)!
        await member.assign(0)
      }
      await turns(1)
      check()
    }
    expect(finished.size, `seed ${seed}`).toBe(count)
    expect([...finished.values()].every((times) => times === 1), `seed ${seed}`).toBe(true)
    await loop.stop(0)
    expect(group.committed.get(0)!.offset).toBe(count)
  }
})
