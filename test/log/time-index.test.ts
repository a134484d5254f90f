import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type TimeEntry } from '../../src/format/index-entry.ts'
import { MAX_RELATIVE_OFFSET } from '../../src/log/index-entries.ts'
import { TimeIndex } from '../../src/log/time-index.ts'

const any = { baseOffset: 40, maxBytes: 10_485_760, nextOffset: Infinity }

/** Entries with rising timestamps and never falling offsets, from 40 on. */
const entries = () =>
  fc
    .array(fc.record({ ms: fc.integer({ min: 1, max: 500 }), offsets: fc.integer({ min: 0, max: 50 }) }), { maxLength: 60, size: 'max' })
    .map((steps) => {
      let timestamp = 0
      let offset = 40
      return steps.map((step) => ({ timestamp: (timestamp += step.ms), offset: (offset += step.offsets) }))
    })

function indexOf(list: readonly TimeEntry[], maxBytes = any.maxBytes): TimeIndex {
  const index = new TimeIndex(40, maxBytes)
  for (const { timestamp, offset } of list) index.maybeAppend(timestamp, offset)
  return index
}

function listOf(index: TimeIndex): TimeEntry[] {
  return Array.from({ length: index.count }, (_, at) => index.entry(at))
}

describe('searching', () => {
  test('a lookup gives what a linear scan gives', () => {
    fc.assert(
      fc.property(entries(), fc.integer({ min: -1, max: 20_000 }), (list, timestamp) => {
        const floor = list.findLast((entry) => entry.timestamp <= timestamp)
        expect(indexOf(list).lookup(timestamp)).toEqual(floor ?? { timestamp: -1, offset: 40 })
      }),
    )
  })

  test('an empty index ends before every time, at the base offset', () => {
    const index = new TimeIndex(40, 240)
    expect(index.last).toEqual({ timestamp: -1, offset: 40 })
    expect(index.lookup(Infinity)).toEqual({ timestamp: -1, offset: 40 })
  })

  test('there is no entry past the last', () => {
    const index = indexOf([{ timestamp: 10, offset: 41 }])
    for (const at of [1, -1, NaN]) expect(() => index.entry(at)).toThrow(RangeError)
  })
})

describe('adding', () => {
  test('the same timestamp again, and no timestamp at all, say nothing new', () => {
    const index = new TimeIndex(40, 240)
    expect(index.maybeAppend(-1, 45)).toBe(false)
    expect(index.maybeAppend(10, 45)).toBe(true)
    expect(index.maybeAppend(10, 50)).toBe(false)
    expect(listOf(index)).toEqual([{ timestamp: 10, offset: 45 }])
  })

  test('timestamp 0 is a time like any other', () => {
    const index = new TimeIndex(40, 240)
    expect(index.maybeAppend(0, 40)).toBe(true)
    expect(index.lookup(0)).toEqual({ timestamp: 0, offset: 40 })
  })

  test('the same offset may come again with a later time, a lower one never', () => {
    const index = indexOf([{ timestamp: 10, offset: 45 }])
    expect(index.maybeAppend(11, 45)).toBe(true)
    expect(() => index.maybeAppend(12, 44)).toThrow(/never fall/)
    expect(() => index.maybeAppend(12, 44, { seal: true })).toThrow(/never fall/)
    expect(() => index.maybeAppend(10, 46)).toThrow(/never falls/)
    expect(() => new TimeIndex(40, 240).maybeAppend(10, 39)).toThrow(/31 bits/)
  })

  test('one slot is kept for the seal', () => {
    const index = indexOf([{ timestamp: 10, offset: 41 }], 36)
    expect(index.full).toBe(false)
    index.maybeAppend(20, 42)
    expect(index.full).toBe(true)
    expect(() => index.maybeAppend(30, 43)).toThrow(/rolls before/)
    expect(index.maybeAppend(30, 43, { seal: true })).toBe(true)
    expect(index.count).toBe(3)
  })

  test('offsets reach 2^31 − 1 past the base and no further', () => {
    const index = new TimeIndex(40, 240)
    expect(() => index.maybeAppend(1, 41 + MAX_RELATIVE_OFFSET)).toThrow(/31 bits/)
    index.maybeAppend(2 ** 53 - 1, 40 + MAX_RELATIVE_OFFSET)
    expect(index.last).toEqual({ timestamp: 2 ** 53 - 1, offset: 40 + MAX_RELATIVE_OFFSET })
    const bytes = index.takePending()!
    expect(listOf(TimeIndex.load(bytes, any).index)).toEqual([index.last])
  })
})

test('cutting keeps exactly what lies below the offset, and appends go on', () => {
  fc.assert(
    fc.property(entries(), fc.integer({ min: 30, max: 3_000 }), (list, offset) => {
      const index = indexOf(list)
      index.truncateTo(offset)
      expect(listOf(index)).toEqual(list.filter((entry) => entry.offset < offset))
      expect(index.maybeAppend(1e6, 10_000)).toBe(true)
    }),
  )
})

describe('the file', () => {
  test('holds what Kafka writes', () => {
    const index = indexOf([{ timestamp: 1_010, offset: 43 }, { timestamp: 1_020, offset: 47 }])
    index.maybeAppend(1_030, 51, { seal: true })
    expect(index.takePending()?.toString('hex')).toBe('00000000000003f20000000300000000000003fc0000000700000000000004060000000b')
  })

  test('loads to the same entries, which count as written', () => {
    fc.assert(
      fc.property(entries(), (list) => {
        const bytes = indexOf(list).takePending() ?? Buffer.alloc(0)
        const { index, tail } = TimeIndex.load(bytes, any)
        expect([listOf(index), tail, index.writtenSize]).toEqual([list, 'none', bytes.length])
        expect(index.takePending()).toBeUndefined()
      }),
    )
  })

  test('gets each entry once, whatever is taken, cut and put back in between', () => {
    const index = indexOf([{ timestamp: 10, offset: 41 }, { timestamp: 20, offset: 42 }])
    expect(index.takePending()).toHaveLength(24)
    index.restorePending(12)
    expect(index.takePending()).toHaveLength(12)
    index.truncateTo(42)
    expect(index.writtenSize).toBe(12)
    index.maybeAppend(30, 43)
    expect(index.takePending()?.toString('hex')).toBe('000000000000001e00000003')
  })

  test('with a tail of zeros, as a killed Kafka leaves it, loads without them', () => {
    const list = [{ timestamp: 10, offset: 41 }, { timestamp: 20, offset: 42 }]
    const bytes = Buffer.concat([indexOf(list).takePending()!, Buffer.alloc(996 - 24)])
    const { index, tail } = TimeIndex.load(bytes, any)
    expect([listOf(index), tail]).toEqual([list, 'zeros'])
    const empty = TimeIndex.load(Buffer.alloc(996), any)
    expect([empty.index.count, empty.tail]).toEqual([0, 'zeros'])
  })

  test('of one record of 1970 is twelve zeros, and an entry', () => {
    const { index, tail } = TimeIndex.load(Buffer.alloc(12), any)
    expect([listOf(index), tail]).toEqual([[{ timestamp: 0, offset: 40 }], 'none'])
  })

  for (const [what, timestamp, relative] of [
    ['a timestamp that does not rise', 20n, 5],
    ['an offset that falls', 30n, 1],
    ['an offset past the segment', 30n, 60],
    ['a negative offset', 30n, -1],
    ['a timestamp beyond 2^53', 2n ** 60n, 5],
    ['a negative timestamp', -1n, 5],
  ] as const) {
    test(`is believed up to ${what}`, () => {
      const bytes = Buffer.alloc(36)
      for (const [at, [ms, offset]] of ([[10n, 1], [20n, 2], [timestamp, relative]] as const).entries()) {
        bytes.writeBigInt64BE(ms, at * 12)
        bytes.writeInt32BE(offset, at * 12 + 8)
      }
      const { index, tail } = TimeIndex.load(bytes, { ...any, nextOffset: 100 })
      expect([index.count, index.last, index.writtenSize, tail]).toEqual([2, { timestamp: 20, offset: 42 }, 24, 'damaged'])
    })
  }

  test('with half an entry at the end is damaged there', () => {
    const bytes = indexOf([{ timestamp: 10, offset: 41 }, { timestamp: 20, offset: 42 }]).takePending()!.subarray(0, 22)
    const { index, tail } = TimeIndex.load(bytes, any)
    expect([index.count, tail]).toEqual([1, 'damaged'])
  })
})
