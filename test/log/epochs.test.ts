import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Epochs } from '../../src/log/epochs.ts'

const epochs = (...pairs: readonly (readonly [number, number])[]): Epochs =>
  new Epochs(pairs.map(([epoch, startOffset]) => ({ epoch, startOffset })))
const pairs = (of: Epochs): number[][] => of.entries.map(({ epoch, startOffset }) => [epoch, startOffset])

describe('assigning', () => {
  test('an epoch starts once: telling it again changes nothing', () => {
    const some = epochs([2, 10])
    expect(some.assign(2, 15)).toBe(false)
    expect(some.assign(2, 10)).toBe(false)
    expect(pairs(some)).toEqual([[2, 10]])
  })

  test('a newer epoch comes behind', () => {
    const some = epochs([0, 0])
    expect(some.assign(3, 40)).toBe(true)
    expect(pairs(some)).toEqual([[0, 0], [3, 40]])
    expect(some.latest).toEqual({ epoch: 3, startOffset: 40 })
  })

  test('an epoch that no record was written in makes way for the next', () => {
    const some = epochs([0, 0], [1, 40])
    some.assign(2, 40)
    expect(pairs(some)).toEqual([[0, 0], [2, 40]])
  })

  test('what contradicts the new epoch goes', () => {
    const some = epochs([1, 0], [2, 10], [4, 20], [6, 30])
    expect(some.assign(3, 15)).toBe(true)
    expect(pairs(some)).toEqual([[1, 0], [2, 10], [3, 15]])
    expect(some.assign(3, 12)).toBe(true)
    expect(pairs(some)).toEqual([[1, 0], [2, 10], [3, 12]])
  })

  test('negative epochs and offsets are refused', () => {
    for (const [epoch, offset] of [[-1, 0], [0, -1], [NaN, 0]] as const) expect(() => new Epochs().assign(epoch, offset)).toThrow(RangeError)
  })

  test('a scan of the log takes newer epochs, and passes over older ones and batches without', () => {
    const some = epochs([2, 10])
    expect([some.observe(-1, 20), some.observe(1, 20), some.observe(2, 20), some.observe(3, 30)]).toEqual([false, false, false, true])
    expect(pairs(some)).toEqual([[2, 10], [3, 30]])
  })

  test('epochs and offsets rise, whatever is assigned', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(20), fc.nat(100))), (list) => {
        const all = pairs(epochs(...list))
        for (const [at, [epoch, offset]] of all.slice(1).entries()) expect(epoch! > all[at]![0]! && offset! > all[at]![1]!).toBe(true)
      }),
    )
  })
})

describe('where an epoch ends', () => {
  const some = epochs([2, 10], [4, 30], [7, 50])

  for (const [what, epoch, answer] of [
    ['the latest at the end of the log', 7, { epoch: 7, endOffset: 80 }],
    ['an older one where the next starts', 4, { epoch: 4, endOffset: 50 }],
    ['one that never was where the one before it ends', 5, { epoch: 4, endOffset: 50 }],
    ['one older than all where the oldest starts', 1, { epoch: 1, endOffset: 10 }],
    ['one newer than all nowhere', 8, undefined],
    ['the unknown one nowhere', -1, undefined],
  ] as const) test(what, () => expect(some.endOffsetFor(epoch, 80)).toEqual(answer))

  test('nowhere in a log without epochs', () => expect(new Epochs().endOffsetFor(0, 80)).toBeUndefined())
})

test('every offset from the first epoch on has the epoch that started last before it', () => {
  const some = epochs([2, 10], [4, 30])
  expect([9, 10, 29, 30, 1e9].map((offset) => some.epochAt(offset))).toEqual([undefined, 2, 2, 4, 4])
})

describe('cutting', () => {
  test('at the end forgets the epochs that start there or later', () => {
    const some = epochs([2, 10], [4, 30], [7, 50])
    expect(some.truncateFromEnd(51)).toBe(false)
    expect(some.truncateFromEnd(30)).toBe(true)
    expect(pairs(some)).toEqual([[2, 10]])
    expect(some.truncateFromEnd(0)).toBe(true)
    expect(some.latest).toBeUndefined()
  })

  test('at the start keeps the epoch that holds there, starting there', () => {
    const some = epochs([2, 10], [4, 30], [7, 50])
    expect(some.truncateFromStart(5)).toBe(false)
    expect(some.truncateFromStart(10)).toBe(false)
    expect(some.truncateFromStart(15)).toBe(true)
    expect(pairs(some)).toEqual([[2, 15], [4, 30], [7, 50]])
    expect(some.truncateFromStart(35)).toBe(true)
    expect(pairs(some)).toEqual([[4, 35], [7, 50]])
    expect(some.truncateFromStart(90)).toBe(true)
    expect(pairs(some)).toEqual([[7, 90]])
  })

  test('everything leaves nothing', () => {
    const some = epochs([2, 10])
    some.reset()
    expect(pairs(some)).toEqual([])
  })
})

describe('something stored with its epoch', () => {
  // History: 0..30 of epoch 2, then a cut back to 30 and epoch 4, then another to 50 and epoch 7; the log ends at 80.
  const some = epochs([2, 10], [4, 30], [7, 50])

  for (const [what, stored, back] of [
    ['in the same history stays', { epoch: 4, offset: 45 }, 45],
    ['at the very end stays', { epoch: 7, offset: 80 }, 80],
    ['as its epoch began, before a record of it, stays', { epoch: 7, offset: 50 }, 50],
    ['with a newer epoch than its records stays', { epoch: 7, offset: 20 }, 20],
    ['past where its epoch was cut goes back to the cut', { epoch: 2, offset: 42 }, 30],
    ['past the end goes back to the end', { epoch: 7, offset: 95 }, 80],
    ['in an epoch that left nothing goes back to where the one before it ends', { epoch: 5, offset: 70 }, 50],
    ['in an epoch older than all goes back to where the oldest starts', { epoch: 1, offset: 25 }, 10],
    ['in an epoch newer than all is held against the end', { epoch: 9, offset: 95 }, 80],
    ['without an epoch is held against the end', { epoch: -1, offset: 95 }, 80],
  ] as const) test(what, () => expect(some.divergence(stored, 80)).toBe(back))

  test('is cut back to exactly where two logs with one past part', () => {
    // Two logs copy each other up to `common`, then each goes on with an epoch of its own.
    fc.assert(
      fc.property(fc.nat(50), fc.nat(30), fc.nat(30), fc.nat(30), (common, ours, theirs, read) => {
        const log = epochs([1, 0])
        log.assign(3, common)
        const offset = Math.min(common + theirs, read)
        const back = log.divergence({ epoch: offset > common ? 2 : 1, offset }, common + ours)
        expect(back).toBe(Math.min(offset, common))
      }),
    )
  })
})
