import { expect, test } from 'vitest'
import { ManualClock } from '../../src/testing/manual-clock.ts'

test('timers fire at their times, in their order, and see the time they were set for', async () => {
  const clock = new ManualClock({ now: 1000 })
  const fired: string[] = []
  const note = (name: string) => (): void => void fired.push(`${name}@${clock.now()}/${clock.monotonic()}`)
  clock.setTimer(note('c'), 20)
  clock.setTimer(note('a'), 10)
  clock.setTimer(note('b'), 10)
  clock.setTimer(note('never'), 15).cancel()
  expect(clock.nextTimerMs).toBe(10)
  await clock.advance(9)
  expect(fired).toEqual([])
  await clock.advance(11)
  expect(fired).toEqual(['a@1010/10', 'b@1010/10', 'c@1020/20'])
  expect(clock.timers).toBe(0)
  expect(clock.nextTimerMs).toBeUndefined()
})

test('what a timer starts has its turn before the next one fires', async () => {
  const clock = new ManualClock()
  const seen: number[] = []
  const tick = async (): Promise<void> => {
    await Promise.resolve()
    seen.push(clock.monotonic())
    if (seen.length < 5) clock.setTimer(() => void tick(), 10)
  }
  clock.setTimer(() => void tick(), 10)
  await clock.advance(25)
  expect(seen).toEqual([10, 20])
  await clock.runUntilIdle()
  expect(seen).toEqual([10, 20, 30, 40, 50])
})

test('a stall makes timers late, the wall clock may jump, and a new process has no old timers', () => {
  const clock = new ManualClock({ now: 0 })
  const fired: number[] = []
  clock.setTimer(() => fired.push(clock.monotonic()), 10)
  clock.stall(100)
  expect(fired).toEqual([])
  clock.advanceSync(0)
  expect(fired).toEqual([100])
  clock.setNow(-5000)
  expect([clock.now(), clock.monotonic()]).toEqual([-5000, 100])
  clock.setTimer(() => fired.push(0), 1)
  clock.forgetTimers()
  clock.advanceSync(1000)
  expect(fired).toEqual([100])
})

test('a timer that always sets another is an error, not a hang', async () => {
  const clock = new ManualClock({ settle: async () => {} })
  const again = (): void => void clock.setTimer(again, 1)
  again()
  await expect(clock.runUntilIdle()).rejects.toThrow('timers still wait')
})
