import fc from 'fast-check'
import { expect, test } from 'vitest'
import { isLogError } from '../../src/base/errors.ts'
import { decodeTxnIndex, encodeTxnIndexEntry } from '../../src/format/txn-index-entry.ts'
import { golden } from '../tools/golden.ts'

const entry = { producerId: 7n, firstOffset: 5, lastOffset: 9, lastStableOffset: 8 }

test("an entry is written and read as Kafka's classes do", () => {
  const bytes = golden('segment-files', 'txnindex')
  expect(encodeTxnIndexEntry(entry)).toEqual(bytes)
  expect(decodeTxnIndex(bytes, 0, 'a file')).toEqual([entry])
})

test('entries come in the order of their markers', () => {
  const entries = [entry, { ...entry, producerId: 2n ** 62n, firstOffset: 2, lastOffset: 10 }]
  expect(decodeTxnIndex(Buffer.concat(entries.map(encodeTxnIndexEntry)), 9, 'a file')).toEqual(entries)
  expect(decodeTxnIndex(Buffer.alloc(0), 9, 'a file')).toEqual([])
})

test.each([
  ['cut short', (bytes: Buffer) => bytes.subarray(0, 33)],
  ['of another version', (bytes: Buffer) => Buffer.concat([Buffer.from([0, 1]), bytes.subarray(2)])],
  ['that is there twice', (bytes: Buffer) => Buffer.concat([bytes, bytes])],
  ['that ends before it begins', () => encodeTxnIndexEntry({ ...entry, firstOffset: 10 })],
  ['that begins below zero', () => encodeTxnIndexEntry({ ...entry, firstOffset: -1 })],
  ['that ends below the segment', () => encodeTxnIndexEntry({ ...entry, lastOffset: 4, firstOffset: 1 })],
  ['with an offset beyond 2^53', (bytes: Buffer) => bytes.fill(0x7f, 26)],
])('an entry %s is corrupt', (_, change) => {
  const bytes = change(encodeTxnIndexEntry(entry))
  expect(() => decodeTxnIndex(bytes, 5, 'a file')).toThrow(expect.objectContaining({ code: 'LOG_FILE_CORRUPT' }))
})

test('random bytes raise a LogError or nothing', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => {
      try {
        decodeTxnIndex(bytes, 0, 'a file')
      } catch (error) {
        expect(isLogError(error, 'LOG_FILE_CORRUPT')).toBe(true)
      }
    }),
  )
})
