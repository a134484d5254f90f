import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { isLogError } from '../../src/base/errors.ts'
import { type AbortedTransaction } from '../../src/format/txn-index-entry.ts'
import { TxnIndex, collectAborted } from '../../src/log/txn-index.ts'

function aborted(producerId: number, firstOffset: number, lastOffset: number, lastStableOffset: number): AbortedTransaction {
  return { producerId: BigInt(producerId), firstOffset, lastOffset, lastStableOffset }
}

function indexOf(list: readonly AbortedTransaction[], baseOffset = 0): TxnIndex {
  const index = new TxnIndex(baseOffset)
  for (const transaction of list) index.append(transaction)
  return index
}

const four = [aborted(0, 0, 10, 11), aborted(1, 5, 15, 13), aborted(2, 18, 35, 25), aborted(3, 32, 50, 40)]

/** Entries as a log leads to: markers rise, and the stable offset is not past the marker. */
const entries = () =>
  fc
    .array(fc.record({ step: fc.integer({ min: 2, max: 20 }), length: fc.integer({ min: 1, max: 40 }), behind: fc.nat(40) }), { maxLength: 30 })
    .map((steps) => {
      let marker = 0
      return steps.map(({ step, length, behind }, at) => {
        marker += step
        return aborted(at, Math.max(0, marker - length), marker, Math.max(0, marker + 1 - behind))
      })
    })

describe('the aborted transactions of a read', () => {
  for (const [from, to, producers, complete] of [
    [0, 100, [0, 1, 2, 3], false],
    [0, 32, [0, 1, 2], true],
    [0, 35, [0, 1, 2, 3], true],
    [10, 35, [0, 1, 2, 3], true],
    [11, 35, [1, 2, 3], true],
    [20, 41, [2, 3], false],
    [0, 25, [0, 1, 2], true],
    [0, 10, [0], true],
    [12, 40, [1, 2, 3], true],
  ] as const) {
    test(`of [${from}, ${to}) are those of producers ${producers.join(', ')}${complete ? ', and nobody else can add one' : ''}`, () => {
      const found = indexOf(four).abortedIn(from, to)
      expect(found.aborted.map((one) => Number(one.producerId))).toEqual(producers)
      expect(found.complete).toBe(complete)
    })
  }

  test('are what a linear scan gives', () => {
    fc.assert(
      fc.property(entries(), fc.nat(300), fc.integer({ min: 1, max: 300 }), (list, from, size) => {
        const stop = list.findIndex((one) => one.lastStableOffset >= from + size)
        const seen = stop < 0 ? list : list.slice(0, stop + 1)
        const expected = seen.filter((one) => one.lastOffset >= from && one.firstOffset < from + size)
        expect(indexOf(list).abortedIn(from, from + size)).toEqual({ aborted: expected, complete: stop >= 0 })
      }),
    )
  })

  test('may have their marker in a later segment, and no segment is asked in vain', () => {
    const asked: number[] = []
    function* segments() {
      for (const [at, list] of [four.slice(0, 1), [], four.slice(1, 3), four.slice(3)].entries()) {
        asked.push(at)
        yield indexOf(list)
      }
    }
    expect(collectAborted(segments(), 6, 20).map((one) => Number(one.producerId))).toEqual([0, 1, 2])
    expect(asked).toEqual([0, 1, 2])
  })
})

describe('adding', () => {
  test('markers rise', () => {
    for (const marker of [50, 49, 1]) expect(() => indexOf(four).append(aborted(4, 0, marker, 2))).toThrow(/order of their markers/)
  })

  test('a marker below the segment, or at the transaction itself, is refused', () => {
    expect(() => indexOf([], 40).append(aborted(4, 30, 39, 40))).toThrow(/order of their markers/)
    expect(() => indexOf([], 40).append(aborted(4, 41, 41, 42))).toThrow(/order of their markers/)
  })

  test('the transaction may have begun in an earlier segment', () => {
    expect(indexOf([aborted(4, 30, 40, 41)], 40).count).toBe(1)
  })
})

test('cutting drops the transactions whose marker goes', () => {
  const index = indexOf(four)
  index.truncateTo(51)
  expect(index.entries).toEqual(four)
  index.truncateTo(50)
  expect(index.entries).toEqual(four.slice(0, 3))
  index.truncateTo(0)
  expect(index.entries).toEqual([])
  index.append(four[0]!)
  expect(index.count).toBe(1)
})

describe('the file', () => {
  test('holds what Kafka writes', () => {
    expect(indexOf([aborted(7, 5, 9, 8)]).takePending()?.toString('hex')).toBe(
      '0000' + '0000000000000007' + '0000000000000005' + '0000000000000009' + '0000000000000008',
    )
  })

  test('loads to the same entries, which count as written, and goes on behind them', () => {
    fc.assert(
      fc.property(entries(), (list) => {
        const bytes = indexOf(list).takePending() ?? Buffer.alloc(0)
        const index = TxnIndex.load(bytes, 0)
        expect([index.entries, index.writtenSize, index.takePending()]).toEqual([list, bytes.length, undefined])
        index.append(aborted(-1, 900, 1_000, 1_001))
        expect(index.takePending()).toHaveLength(34)
      }),
    )
  })

  test('gets each entry once, whatever is taken, cut and put back in between', () => {
    const index = indexOf(four)
    expect(index.takePending()).toHaveLength(4 * 34)
    index.restorePending(34)
    expect(index.takePending()).toHaveLength(3 * 34)
    index.truncateTo(16)
    expect(index.writtenSize).toBe(2 * 34)
    index.append(aborted(8, 16, 17, 18))
    expect(index.takePending()).toHaveLength(34)
  })

  for (const [what, damage] of [
    ['half an entry', (bytes: Buffer) => bytes.subarray(0, 60)],
    ['an unknown version', (bytes: Buffer) => bytes.fill(1, 35, 36)],
    ['a marker that does not rise', (bytes: Buffer) => bytes.fill(9, 34 + 25, 34 + 26)],
    ['a marker before its transaction', (bytes: Buffer) => bytes.fill(16, 34 + 17, 34 + 18)],
    ['an offset beyond 2^53', (bytes: Buffer) => bytes.fill(0x7f, 34 + 18, 34 + 19)],
    ['a negative offset', (bytes: Buffer) => bytes.fill(0xff, 34 + 10, 34 + 18)],
    ['a stable offset past the marker', (bytes: Buffer) => bytes.fill(17, 34 + 33, 34 + 34)],
    ['zeros', (bytes: Buffer) => bytes.fill(0, 34)],
  ] as const) {
    test(`with ${what} is damaged`, () => {
      const bytes = damage(indexOf(four).takePending()!)
      let code: unknown
      try {
        TxnIndex.load(bytes, 0)
      } catch (error) {
        code = isLogError(error) && error.code
      }
      expect(code).toBe('LOG_FILE_CORRUPT')
    })
  }

  test('with a marker below its segment is damaged', () => {
    expect(() => TxnIndex.load(indexOf(four).takePending()!, 11)).toThrow(/00000000000000000011.txnindex/)
  })
})
