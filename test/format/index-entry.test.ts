import fc from 'fast-check'
import { expect, test } from 'vitest'
import * as index from '../../src/format/index-entry.ts'
import { golden } from '../tools/golden.ts'

const offsetEntries = [{ offset: 45, position: 158 }, { offset: 49, position: 316 }]
const timeEntries = [{ timestamp: 1010, offset: 43 }, { timestamp: 1020, offset: 47 }, { timestamp: 1030, offset: 51 }]

test("entries of an offset index are written and read as Kafka's classes do", () => {
  const bytes = golden('segment-files', 'index')
  expect(offsetIndex(40, offsetEntries)).toEqual(bytes)
  expect([0, 8].map((at) => index.getOffsetEntry(bytes, at, 40))).toEqual(offsetEntries)
  expect(index.checkOffsetIndex(bytes, 474)).toEqual({ count: 2, tail: 'none' })
})

test("entries of a time index are written and read as Kafka's classes do", () => {
  const bytes = golden('segment-files', 'timeindex')
  expect(timeIndex(40, timeEntries)).toEqual(bytes)
  expect([0, 12, 24].map((at) => index.getTimeEntry(bytes, at, 40))).toEqual(timeEntries)
  expect(index.checkTimeIndex(bytes)).toEqual({ count: 3, tail: 'none' })
})

test('the zeros of a file that was not closed are no entries', () => {
  expect(index.checkOffsetIndex(Buffer.alloc(1000))).toEqual({ count: 0, tail: 'zeros' })
  expect(index.checkTimeIndex(Buffer.alloc(996))).toEqual({ count: 0, tail: 'zeros' })
  expect(index.checkOffsetIndex(Buffer.alloc(0))).toEqual({ count: 0, tail: 'none' })
  expect(index.checkOffsetIndex(Buffer.concat([golden('segment-files', 'index'), Buffer.alloc(984)]))).toEqual({ count: 2, tail: 'zeros' })
  expect(index.checkTimeIndex(Buffer.concat([golden('segment-files', 'timeindex'), Buffer.alloc(7)]))).toEqual({ count: 3, tail: 'zeros' })
})

test('entries whose last bytes are zeros are entries', () => {
  expect(index.checkOffsetIndex(offsetIndex(0, [{ offset: 1, position: 256 }, { offset: 2, position: 2 ** 24 }]))).toEqual({ count: 2, tail: 'none' })
  expect(index.checkTimeIndex(timeIndex(0, [{ timestamp: 0, offset: 0 }, { timestamp: 1, offset: 0 }]))).toEqual({ count: 2, tail: 'none' })
})

test.each<[string, index.OffsetEntry[], number]>([
  ['an offset that does not rise', [{ offset: 5, position: 10 }, { offset: 5, position: 20 }], 1],
  ['a position that does not rise', [{ offset: 5, position: 10 }, { offset: 6, position: 10 }], 1],
  ['a position past the log', [{ offset: 5, position: 10 }, { offset: 6, position: 20 }, { offset: 7, position: 100 }], 2],
])('an offset index is believed up to %s', (_, entries, count) => {
  expect(index.checkOffsetIndex(offsetIndex(0, entries), 100)).toEqual({ count, tail: 'damaged' })
})

test('an offset index is believed up to a negative number or half an entry', () => {
  expect(index.checkOffsetIndex(Buffer.from('ffffffff00000001', 'hex'))).toEqual({ count: 0, tail: 'damaged' })
  expect(index.checkOffsetIndex(Buffer.from('00000001ffffffff', 'hex'))).toEqual({ count: 0, tail: 'damaged' })
  expect(index.checkOffsetIndex(Buffer.from('000000010000000100000002', 'hex'))).toEqual({ count: 1, tail: 'damaged' })
})

test.each<[string, index.TimeEntry[], number]>([
  ['a timestamp that does not rise', [{ timestamp: 5, offset: 1 }, { timestamp: 5, offset: 2 }], 1],
  ['an offset that falls', [{ timestamp: 5, offset: 2 }, { timestamp: 6, offset: 1 }], 1],
  ['a timestamp of none', [{ timestamp: 5, offset: 2 }, { timestamp: -1, offset: 3 }], 1],
  ['a timestamp beyond 2^53', [{ timestamp: 2 ** 54, offset: 2 }], 0],
])('a time index is believed up to %s', (_, entries, count) => {
  expect(index.checkTimeIndex(timeIndex(0, entries))).toEqual({ count, tail: 'damaged' })
})

test('what does not fit 32 bits is refused', () => {
  const bytes = Buffer.alloc(12)
  expect(() => index.putOffsetEntry(bytes, 0, 10, { offset: 9, position: 0 })).toThrow(RangeError)
  expect(() => index.putOffsetEntry(bytes, 0, 0, { offset: 2 ** 31, position: 0 })).toThrow(RangeError)
  expect(() => index.putOffsetEntry(bytes, 0, 0, { offset: 1, position: 2 ** 31 })).toThrow(RangeError)
  expect(() => index.putTimeEntry(bytes, 0, 0, { offset: 2 ** 31, timestamp: 0 })).toThrow(RangeError)
})

test('random bytes never count for more entries than they have', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
      expect(index.checkOffsetIndex(bytes).count).toBeLessThanOrEqual(Math.floor(bytes.length / 8))
      expect(index.checkTimeIndex(bytes).count).toBeLessThanOrEqual(Math.floor(bytes.length / 12))
    }),
  )
})

function offsetIndex(baseOffset: number, entries: readonly index.OffsetEntry[]): Buffer {
  const bytes = Buffer.alloc(entries.length * index.OFFSET_ENTRY_SIZE)
  entries.forEach((entry, at) => index.putOffsetEntry(bytes, at * index.OFFSET_ENTRY_SIZE, baseOffset, entry))
  return bytes
}

function timeIndex(baseOffset: number, entries: readonly index.TimeEntry[]): Buffer {
  const bytes = Buffer.alloc(entries.length * index.TIME_ENTRY_SIZE)
  entries.forEach((entry, at) => index.putTimeEntry(bytes, at * index.TIME_ENTRY_SIZE, baseOffset, entry))
  return bytes
}
