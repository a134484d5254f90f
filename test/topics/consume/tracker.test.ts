/*
 * The tracker of an assigned partition against a model that keeps every offset: random gaps, random finish order, restarts in between.
 */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { FinishedSet, FinishedSetWriter, MOST_FINISHED_BYTES, MOST_FINISHED_SPAN } from '../../../src/topics/consume/finished-set.ts'
import { Tracker } from '../../../src/topics/consume/tracker.ts'

/** Does what a tracker does with a plain map, and the whole past. */
class Model {
  /** Of every offset that was read, whether it is finished. */
  readonly records = new Map<number, boolean>()

  committable(position: number): number {
    const open = [...this.records].filter(([, finished]) => !finished).map(([offset]) => offset)
    return open.length === 0 ? position : Math.min(...open)
  }

  finishedAbove(base: number): number[] {
    return [...this.records].filter(([offset, finished]) => finished && offset >= base).map(([offset]) => offset).sort((a, b) => a - b)
  }
}

const members = (base: number, bytes: Buffer | undefined): number[] => {
  const set = FinishedSet.decode(base, bytes)
  return Array.from({ length: set.end - set.base }, (_, index) => set.base + index).filter((offset) => set.has(offset))
}

const steps = fc.array(fc.oneof(
  { weight: 5, arbitrary: fc.record({ do: fc.constant('add' as const), gap: fc.oneof({ weight: 4, arbitrary: fc.constant(0) }, fc.nat(9)) }) },
  { weight: 5, arbitrary: fc.record({ do: fc.constant('finish' as const), which: fc.nat(1000) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('pass' as const), gap: fc.nat(5) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('restart' as const) }) },
), { maxLength: 300 })

test('whatever finishes in whatever order, the lowest unfinished offset may be committed, and a restart skips what was finished above', () => {
  fc.assert(fc.property(steps, fc.nat(1000), fc.integer({ min: 1, max: 200 }), (list, start, maxInFlight) => {
    const model = new Model()
    let tracker = new Tracker({ position: start, maxInFlight })
    let open: { offset: number; slot: number }[] = []
    /** The records of the partition, in order: a restart reads the same ones again. */
    const log: number[] = []
    for (const step of list) {
      if (step.do === 'add' && tracker.hasRoom) {
        let offset = log.find((one) => one >= tracker.position)
        if (offset === undefined) log.push(offset = Math.max(tracker.position, (log.at(-1) ?? start - 1) + 1) + step.gap)
        const slot = tracker.add(offset)
        expect(slot === -1).toBe(model.records.get(offset) === true)
        if (slot !== -1) {
          open.push({ offset, slot })
          model.records.set(offset, false)
        }
      } else if (step.do === 'finish' && open.length > 0) {
        const [{ offset, slot }] = open.splice(step.which % open.length, 1) as [{ offset: number; slot: number }]
        tracker.finish(slot)
        tracker.finish(slot)
        model.records.set(offset, true)
      } else if (step.do === 'pass' && log.every((one) => one < tracker.position)) {
        tracker.moveTo(tracker.position + step.gap)
      } else if (step.do === 'restart') {
        const position = tracker.committable
        const late = tracker
        tracker = new Tracker({ position, maxInFlight, finished: FinishedSet.decode(position, tracker.finishedAbove()) })
        // What was in hand finishes too late, and only the old tracker hears of it.
        for (const { slot } of open) late.finish(slot)
        open = []
        for (const [offset, finished] of [...model.records]) if (!finished) model.records.delete(offset)
      }
      const base = tracker.committable
      expect(base).toBe(model.committable(Math.max(tracker.position, base)))
      expect(tracker.unfinished).toBe(open.length)
      expect(members(base, tracker.finishedAbove())).toEqual(model.finishedAbove(base))
    }
  }), { numRuns: 300 })
})

test('in flight are as many as allowed and not more, and the finished ones behind an unfinished one count', () => {
  const tracker = new Tracker({ position: 0, maxInFlight: 3 })
  const slots = [0, 1, 2].map((offset) => tracker.add(offset))
  expect(tracker.hasRoom).toBe(false)
  tracker.finish(slots[2]!)
  expect(tracker.hasRoom).toBe(false)
  tracker.finish(slots[0]!)
  expect(tracker.hasRoom).toBe(true)
  expect(tracker.committable).toBe(1)
})

test('nothing is handed out so far above an unfinished record that it could not be told as finished', () => {
  const tracker = new Tracker({ position: 5, maxInFlight: 1_000_000 })
  tracker.add(5)
  let last = 5
  for (; tracker.hasRoom; last += 7) tracker.finish(tracker.add(last + 7))
  const bytes = tracker.finishedAbove()!
  expect(bytes.length).toBeLessThanOrEqual(MOST_FINISHED_BYTES)
  expect(bytes.toString('base64').length).toBeLessThanOrEqual(4096)
  const set = FinishedSet.decode(5, bytes)
  expect(set.end).toBeGreaterThan(5 + MOST_FINISHED_SPAN - 16)
  for (let offset = 12; offset < last; offset += 7) expect(set.has(offset)).toBe(true)
  expect(set.has(5)).toBe(false)
})

test('a gap moves what may be committed only when nothing is in hand', () => {
  const tracker = new Tracker({ position: 0, maxInFlight: 10 })
  const slot = tracker.add(0)
  tracker.moveTo(9)
  expect(tracker.committable).toBe(0)
  tracker.finish(slot)
  expect(tracker.committable).toBe(9)
})

test('slots can be told as finished before they are: what a transaction commits that hands them over', () => {
  const tracker = new Tracker({ position: 0, maxInFlight: 10 })
  const first = tracker.add(0)
  const second = tracker.add(1)
  expect(tracker.committableWith([second])).toBe(0)
  expect(members(0, tracker.finishedAbove([second]))).toEqual([1])
  expect(tracker.finishedAbove()).toBeUndefined()
  expect(tracker.committableWith([first])).toBe(1)
  tracker.finish(second)
  expect(tracker.committableWith([first])).toBe(2)
  expect(tracker.finishedAbove([first])).toBeUndefined()
})

test('any set of offsets comes back as it was stored, and bytes of another kind are refused', () => {
  fc.assert(fc.property(fc.nat(1e9), fc.uniqueArray(fc.nat(MOST_FINISHED_SPAN - 1)), (base, deltas) => {
    const writer = new FinishedSetWriter(base)
    for (const delta of deltas) expect(writer.add(base + delta)).toBe(true)
    expect(writer.add(base + MOST_FINISHED_SPAN)).toBe(false)
    const bytes = writer.finish()
    expect(members(base, bytes)).toEqual(deltas.map((delta) => base + delta).sort((a, b) => a - b))
    expect(FinishedSet.decode(base, bytes).size).toBe(deltas.length)
  }))
  for (const bytes of [Buffer.alloc(0), Buffer.from([0, 1]), Buffer.alloc(MOST_FINISHED_BYTES + 1, 1)]) {
    expect(() => FinishedSet.decode(0, bytes)).toThrow('not readable')
  }
  expect(() => FinishedSet.decode(0, Buffer.from([9, 1]))).toThrow('version 9')
})
