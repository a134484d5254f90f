/*
 * What a log does by itself: when, for whom, and that it never throws, never overlaps and ends with the log.
 */
import { expect, test } from 'vitest'
import { type LogNotice } from '../../src/topics/diagnostics.ts'
import { Housekeeping, type HouseTask } from '../../src/topics/housekeeping.ts'
import { ManualClock } from '../../src/testing/manual-clock.ts'
import { SimulatedDisk } from '../../src/testing/simulated-disk.ts'
import { CommitLog } from '../../src/topics/commit-log.ts'
import { memoryLog } from './harness.ts'

const DAY = 86_400_000

/** So many that all calls to a disk that a task makes have ended. */
async function manyTurns(): Promise<void> {
  for (let turn = 0; turn < 300; turn++) await new Promise((resolve) => setImmediate(resolve))
}

function task(name: string, everyMs: number, run: (signal: AbortSignal) => Promise<void> | void, wanted = true): HouseTask & { asked: boolean } {
  return { name, everyMs, asked: wanted, wanted() { return this.asked }, async run(signal) { await run(signal) } }
}

test('tasks run when they are due, one after the other, and no timer waits while none is asked for', async () => {
  const clock = new ManualClock()
  const ran: string[] = []
  const often = task('often', 100, () => void ran.push('often'), false)
  const seldom = task('seldom', 250, () => void ran.push('seldom'), false)
  const keeping = new Housekeeping(clock, [often, seldom], () => {})
  keeping.look()
  expect(clock.timers).toBe(0)
  often.asked = true
  seldom.asked = true
  keeping.look()
  expect(clock.timers).toBe(1)
  await clock.advance(520)
  expect(ran.filter((name) => name === 'often')).toHaveLength(5)
  expect(ran.filter((name) => name === 'seldom')).toHaveLength(2)
  often.asked = false
  seldom.asked = false
  keeping.look()
  expect(clock.timers).toBe(0)
  await keeping.close()
})

test('a task that fails is told, and tried again; one under way is ended with the log', async () => {
  const clock = new ManualClock()
  const failures: string[] = []
  let runs = 0
  let ended = false
  const keeping = new Housekeeping(clock, [task('fails', 10, (signal) => {
    if (++runs < 3) throw new Error('no')
    return new Promise<void>((resolve) => signal.addEventListener('abort', () => {
      ended = true
      resolve()
    }))
  })], (name) => void failures.push(name))
  keeping.look()
  await clock.advance(35)
  expect([runs, failures]).toEqual([3, ['fails', 'fails']])
  await keeping.close()
  expect(ended).toBe(true)
  keeping.look()
  expect(clock.timers).toBe(0)
})

test('old records go by themselves, only where the settings ask for it, also when they ask later', async () => {
  const clock = new ManualClock()
  const log = await memoryLog({ clock, logRetentionCheckIntervalMs: 60_000 })
  const kept = await log.topic('kept', { segmentBytes: 200 })
  const going = await log.topic('going', { segmentBytes: 200, retentionMs: DAY })
  for (let value = 0; value < 10; value++) await Promise.all([kept.send({ value }), going.send({ value })])
  await clock.advance(DAY)
  expect(going.partition(0).startOffset).toBe(0)
  await clock.advance(120_000)
  expect([going.partition(0).startOffset, going.partition(0).nextOffset]).toEqual([10, 10])
  expect(kept.partition(0).startOffset).toBe(0)
  await kept.alter({ retentionBytes: 500 })
  await clock.advance(120_000)
  expect(kept.partition(0).startOffset).toBeGreaterThan(0)
  await kept.alter({ retentionBytes: null })
  await log.deleteTopic('going')
  await log.close()
  expect(clock.timers).toBe(0)
})

test('a partition whose disk fails does not keep others from it, and is told as an event', async () => {
  const clock = new ManualClock({ settle: manyTurns })
  const disk = new SimulatedDisk({ clock })
  const events: LogNotice[] = []
  const log = await CommitLog.open('/log', { files: disk, clock, logRetentionCheckIntervalMs: 1000, onEvent: (event) => void events.push(event) })
  const topic = await log.topic('t', { partitions: 2, segmentBytes: 200, retentionMs: 0 })
  for (let value = 0; value < 8; value++) await topic.send({ partition: value % 2, value, timestamp: 1 })
  const heal = disk.inject({ verb: 'open', path: 't-0/log-start.tmp', error: 'EIO' })
  await clock.advance(1000)
  expect(topic.partitions.map(({ startOffset }) => startOffset)).toEqual([0, 4])
  expect(events.filter(({ type }) => type === 'housekeeping-failed')).toMatchObject([{ topic: 't', partition: 0, task: 'retention' }])
  expect(events.filter(({ type }) => type === 'retention')).toMatchObject([{ topic: 't', partition: 1, startOffset: 4 }])
  heal()
  await clock.advance(1000)
  expect(topic.partitions.map(({ startOffset }) => startOffset)).toEqual([4, 4])
  await log.close()
})
