/*
 * Waits between attempts, and the heap of what waits.
 */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { seededRandom } from '../../../src/base/random.ts'
import { ManualClock } from '../../../src/testing/manual-clock.ts'
import { checkedDelay, delayOf, DueHeap, exponential } from '../../../src/topics/consume/retry.ts'

test('waits double up to the longest, and chance changes them by no more than the jitter', () => {
  const plain = exponential(100, { jitter: 0, maxMs: 1000 })
  expect([1, 2, 3, 4, 5, 50].map((attempt) => delayOf(plain, attempt, seededRandom(1)))).toEqual([100, 200, 400, 800, 1000, 1000])
  const random = seededRandom(7)
  const waits = Array.from({ length: 1000 }, () => delayOf(exponential(1000, { jitter: 0.2 }), 1, random))
  expect(Math.min(...waits)).toBeGreaterThanOrEqual(800)
  expect(Math.max(...waits)).toBeLessThanOrEqual(1200)
  expect(new Set(waits).size).toBeGreaterThan(100)
  const again = seededRandom(7)
  expect(Array.from({ length: 1000 }, () => delayOf(exponential(1000, { jitter: 0.2 }), 1, again))).toEqual(waits)
})

test('whatever a delay function gives becomes a time that a timer can wait', () => {
  const random = seededRandom(1)
  expect([NaN, -5, 0, 0.2, 1e12, Infinity].map((ms) => delayOf(() => ms, 1, random))).toEqual([0, 0, 0, 1, 0x7fff_ffff, 0x7fff_ffff])
  expect(delayOf(checkedDelay(25, exponential(1)), 9, random)).toBe(25)
})

test('delays that are none are refused at the door', () => {
  expect(() => exponential(-1)).toThrow(RangeError)
  expect(() => exponential(1, { jitter: 2 })).toThrow('jitter')
  expect(() => exponential(1, { factor: 0.5 })).toThrow('factor')
  expect(() => exponential(1, { max: 3 } as object)).toThrow('did you mean "maxMs"')
  expect(() => checkedDelay('1s' as unknown as number, exponential(1))).toThrow(TypeError)
})

test('the heap gives what a sorted list would', () => {
  const due = fc.array(fc.record({ due: fc.nat(50), later: fc.boolean() }), { maxLength: 200 })
  fc.assert(fc.property(due, (list) => {
    const heap = new DueHeap()
    let model: { item: number; due: number }[] = []
    for (const [item, { due, later }] of list.entries()) {
      heap.add(item, due)
      model.push({ item, due })
      if (later) continue
      model.sort((a, b) => a.due - b.due || a.item - b.item)
      expect(heap.nextDue).toBe(model[0]!.due)
      const now = due
      const taken = heap.take(now)
      expect(taken).toBe(model[0]!.due <= now ? model[0]!.item : undefined)
      if (taken !== undefined) model = model.slice(1)
    }
    expect(heap.size).toBe(model.length)
  }))
})

test('a million delayed records wake in the order in which they are due', async () => {
  const clock = new ManualClock()
  const random = seededRandom(3)
  const heap = new DueHeap()
  const count = 1_000_000
  const due = Float64Array.from({ length: count }, () => random.int(3_600_000))
  for (let item = 0; item < count; item++) heap.add(item, due[item]!)
  let woken = 0
  let last = -1
  let lastItem = -1
  let early = 0
  let disorder = 0
  const wake = (): void => {
    for (let item = heap.take(clock.monotonic()); item !== undefined; item = heap.take(clock.monotonic())) {
      if (due[item]! > clock.monotonic()) early++
      if (due[item]! < last || (due[item] === last && item < lastItem)) disorder++
      last = due[item]!
      lastItem = item
      woken++
    }
    if (heap.size > 0) clock.setTimer(wake, Math.max(heap.nextDue - clock.monotonic(), 60_000))
  }
  wake()
  await clock.runUntilIdle()
  expect({ woken, early, disorder, left: heap.size }).toEqual({ woken: count, early: 0, disorder: 0, left: 0 })
})
