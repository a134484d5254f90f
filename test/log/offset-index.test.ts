import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { MAX_RELATIVE_OFFSET } from '../../src/log/index-entries.ts'
import { OffsetIndex } from '../../src/log/offset-index.ts'

const anySize = { maxBytes: 10_485_760, validSize: Infinity }

/** Pairs (offset, position), both rising, from `base` on. */
const entries = (base: number) =>
  fc
    .array(fc.record({ offsets: fc.integer({ min: 1, max: 50 }), bytes: fc.integer({ min: 61, max: 5_000 }) }), { maxLength: 60, size: 'max' })
    .map((steps) => {
      let offset = base - 1
      let position = 0
      return steps.map((step) => ({ offset: (offset += step.offsets), position: (position += step.bytes) }))
    })

function indexOf(list: readonly { offset: number; position: number }[], base = 40, maxBytes = anySize.maxBytes): OffsetIndex {
  const index = new OffsetIndex(base, maxBytes)
  for (const { offset, position } of list) index.append(offset, position)
  return index
}

function listOf(index: OffsetIndex): { offset: number; position: number }[] {
  return Array.from({ length: index.count }, (_, at) => index.entry(at))
}

describe('searching', () => {
  test('a lookup gives what a linear scan gives', () => {
    fc.assert(
      fc.property(entries(40), fc.integer({ min: 0, max: 3_000 }), (list, offset) => {
        const floor = list.findLast((entry) => entry.offset <= offset)
        expect(indexOf(list).lookup(offset)).toBe(floor?.position ?? 0)
        expect(indexOf(list).countUpTo(offset)).toBe(list.filter((entry) => entry.offset <= offset).length)
      }),
    )
  })

  test('the upper bound of a read is the first entry at or past its end', () => {
    fc.assert(
      fc.property(entries(40), fc.integer({ min: 0, max: 200_000 }), (list, position) => {
        expect(indexOf(list).upperBound(position)).toBe(list.find((entry) => entry.position >= position)?.offset)
      }),
    )
  })

  for (const { from, size, bound } of [
    { from: 0, size: 5, bound: 41 },
    { from: 0, size: 10, bound: 41 },
    { from: 0, size: 22, bound: 42 },
    { from: 0, size: 23, bound: 42 },
    { from: 10, size: 24, bound: 43 },
    { from: 37, size: 1, bound: undefined },
  ]) {
    test(`over entries at 0, 10, 23 and 37, a read of ${size} bytes from ${from} is bound by ${bound}`, () => {
      const index = indexOf([0, 10, 23, 37].map((position, at) => ({ offset: 40 + at, position })))
      expect(index.upperBound(from + size)).toBe(bound)
    })
  }

  test('an empty index starts reading at 0, ends at the base offset and bounds nothing', () => {
    const index = new OffsetIndex(40, 80)
    expect([index.lookup(40), index.lookup(1e9), index.lastOffset, index.lastPosition]).toEqual([0, 0, 40, 0])
    expect(index.upperBound(0)).toBeUndefined()
  })
})

describe('adding', () => {
  test('the index is full at the whole entries that fit, and takes no more', () => {
    const index = indexOf([{ offset: 41, position: 79 }], 40, 23)
    expect(index.full).toBe(false)
    index.append(42, 158)
    expect(index.full).toBe(true)
    expect(() => index.append(43, 237)).toThrow(/rolls before/)
  })

  for (const [what, offset, position] of [
    ['the same offset', 45, 200],
    ['a lower offset', 44, 200],
    ['the same position', 46, 100],
    ['an offset below the base', 39, 200],
  ] as const) {
    test(`${what} is refused`, () => {
      expect(() => indexOf([{ offset: 45, position: 100 }]).append(offset, position)).toThrow(/order of the log/)
    })
  }

  test('offsets reach 2^31 − 1 past the base and no further', () => {
    const base = 5_000_000_000
    const index = indexOf([{ offset: base + MAX_RELATIVE_OFFSET, position: 0x7fff_fffe }], base)
    expect(index.lastOffset).toBe(base + MAX_RELATIVE_OFFSET)
    expect(index.lookup(base + MAX_RELATIVE_OFFSET)).toBe(0x7fff_fffe)
    expect(() => new OffsetIndex(base, 80).append(base + MAX_RELATIVE_OFFSET + 1, 0)).toThrow(/31 bits/)
  })

  test('there is no entry past the last', () => {
    const index = indexOf([{ offset: 45, position: 100 }])
    expect(index.entry(0)).toEqual({ offset: 45, position: 100 })
    for (const at of [1, -1, NaN]) expect(() => index.entry(at)).toThrow(RangeError)
  })
})

describe('cutting', () => {
  test('keeps exactly what lies below the offset, and appends go on', () => {
    fc.assert(
      fc.property(entries(40), fc.integer({ min: 30, max: 3_000 }), (list, offset) => {
        const index = indexOf(list)
        index.truncateTo(offset)
        const kept = list.filter((entry) => entry.offset < offset)
        expect(listOf(index)).toEqual(kept)
        index.append(10_000, 1_000_000)
        expect(index.lookup(10_000)).toBe(1_000_000)
      }),
    )
  })

  test('makes room in a full index again', () => {
    const index = indexOf([{ offset: 41, position: 79 }, { offset: 42, position: 158 }], 40, 16)
    index.truncateTo(42)
    expect(index.full).toBe(false)
  })
})

describe('the file', () => {
  test('holds what Kafka writes', () => {
    const index = indexOf([{ offset: 45, position: 158 }, { offset: 49, position: 316 }])
    expect(index.takePending()?.toString('hex')).toBe('000000050000009e000000090000013c')
  })

  test('loads to the same entries, which count as written', () => {
    fc.assert(
      fc.property(entries(40), (list) => {
        const bytes = indexOf(list).takePending() ?? Buffer.alloc(0)
        const { index, tail } = OffsetIndex.load(bytes, { baseOffset: 40, ...anySize })
        expect([listOf(index), tail, index.writtenSize]).toEqual([list, 'none', bytes.length])
        expect(index.takePending()).toBeUndefined()
      }),
    )
  })

  test('gets each entry once, whatever is taken, cut and put back in between', () => {
    const file = Buffer.alloc(100)
    const index = new OffsetIndex(0, 800)
    const write = (): void => {
      const at = index.writtenSize
      index.takePending()?.copy(file, at)
    }
    index.append(3, 100)
    write()
    index.append(5, 200)
    index.append(7, 300)
    const before = index.writtenSize
    index.takePending()
    index.restorePending(before)
    expect(index.writtenSize).toBe(8)
    index.truncateTo(7)
    index.append(9, 400)
    write()
    expect(index.writtenSize).toBe(24)
    index.truncateTo(5)
    expect(index.writtenSize).toBe(8)
    index.append(6, 200)
    write()
    expect(listOf(OffsetIndex.load(file.subarray(0, index.writtenSize), { baseOffset: 0, ...anySize }).index)).toEqual([
      { offset: 3, position: 100 },
      { offset: 6, position: 200 },
    ])
  })

  test('with a tail of zeros, as a killed Kafka leaves it, loads without them', () => {
    const list = [{ offset: 45, position: 158 }, { offset: 49, position: 316 }]
    for (const zeros of [1, 8, 800]) {
      const bytes = Buffer.concat([indexOf(list).takePending()!, Buffer.alloc(zeros)])
      const { index, tail } = OffsetIndex.load(bytes, { baseOffset: 40, ...anySize })
      expect([listOf(index), tail]).toEqual([list, 'zeros'])
    }
    const { index, tail } = OffsetIndex.load(Buffer.alloc(1_000), { baseOffset: 40, ...anySize })
    expect([index.count, tail]).toEqual([0, 'zeros'])
  })

  for (const [what, entry] of [
    ['an offset that does not rise', [9, 400]],
    ['a position that does not rise', [10, 316]],
    ['a negative offset', [-1, 400]],
    ['a position at the end of the log', [10, 1_000]],
    ['a negative position', [10, -5]],
  ] as const) {
    test(`is believed up to ${what}`, () => {
      const bytes = Buffer.alloc(32)
      ;[5, 158, 9, 316, ...entry, 20, 900].forEach((number, at) => bytes.writeInt32BE(number, at * 4))
      const { index, tail } = OffsetIndex.load(bytes, { baseOffset: 40, maxBytes: 800, validSize: 1_000 })
      expect([index.count, index.lastOffset, index.writtenSize, tail]).toEqual([2, 49, 16, 'damaged'])
    })
  }

  test('is believed up to the end of a log that was cut', () => {
    const bytes = indexOf([{ offset: 45, position: 158 }, { offset: 49, position: 316 }]).takePending()!
    for (const [validSize, count] of [[317, 2], [316, 1], [158, 0]] as const) {
      const { index, tail } = OffsetIndex.load(bytes, { baseOffset: 40, maxBytes: 800, validSize })
      expect([index.count, tail]).toEqual([count, count === 2 ? 'none' : 'damaged'])
    }
  })

  test('with half an entry at the end is damaged there', () => {
    const bytes = indexOf([{ offset: 45, position: 158 }, { offset: 49, position: 316 }]).takePending()!.subarray(0, 13)
    const { index, tail } = OffsetIndex.load(bytes, { baseOffset: 40, ...anySize })
    expect([index.count, tail]).toEqual([1, 'damaged'])
  })

  test('of any bytes loads to entries that rise and lie inside the log', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        const { index } = OffsetIndex.load(bytes, { baseOffset: 40, maxBytes: 800, validSize: 0x1000_0000 })
        let last = { offset: -1, position: -1 }
        for (const entry of listOf(index)) {
          expect(entry.offset > last.offset && entry.position > last.position && entry.position < 0x1000_0000).toBe(true)
          last = entry
        }
      }),
    )
  })

  test('that holds more than the limit says is full', () => {
    const bytes = indexOf([{ offset: 45, position: 158 }, { offset: 49, position: 316 }]).takePending()!
    const { index } = OffsetIndex.load(bytes, { baseOffset: 40, maxBytes: 8, validSize: 1_000 })
    expect([index.count, index.full]).toEqual([2, true])
  })
})
