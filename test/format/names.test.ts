import fc from 'fast-check'
import { expect, test } from 'vitest'
import * as names from '../../src/format/names.ts'

test('files of a segment carry its base offset in twenty digits', () => {
  expect(names.logFileName(42)).toBe('00000000000000000042.log')
  expect(names.indexFileName(42)).toBe('00000000000000000042.index')
  expect(names.timeIndexFileName(42)).toBe('00000000000000000042.timeindex')
  expect(names.txnIndexFileName(42)).toBe('00000000000000000042.txnindex')
  expect(names.snapshotFileName(Number.MAX_SAFE_INTEGER)).toBe('00009007199254740991.snapshot')
  expect(() => names.segmentName(-1)).toThrow(RangeError)
  expect(() => names.segmentName(2 ** 53)).toThrow(RangeError)
})

const suffixes = fc.constantFrom('', 'deleted', 'cleaned', 'swap')

test('a file name is taken apart as it was put together', () => {
  fc.assert(
    fc.property(fc.maxSafeNat(), fc.constantFrom(...names.fileKinds), suffixes, (baseOffset, kind, suffix) => {
      const name = `${names.segmentName(baseOffset)}.${kind}${suffix && `.${suffix}`}`
      expect(names.parseFileName(name)).toEqual({ baseOffset, kind, suffix })
    }),
  )
})

test.each([
  '', '42.log', '00000000000000000042', '00000000000000000042.log.bak', '00000000000000000042.LOG', '99999999999999999999.log',
  'leader-epoch-checkpoint',
])('%j is not the file of a segment', (name) => expect(names.parseFileName(name)).toBeUndefined())

test('a partition folder is split at its last hyphen', () => {
  expect(names.partitionFolderName('a-b.c_d', 12)).toBe('a-b.c_d-12')
  expect(names.parsePartitionFolderName('a-b.c_d-12')).toEqual({ topic: 'a-b.c_d', partition: 12 })
  expect(names.parsePartitionFolderName('a--0')).toEqual({ topic: 'a-', partition: 0 })
})

test.each(['orders', 'orders-', '-0', 'orders-x', 'orders-007', 'orders-2147483648', 'or ders-0', '.-0', '..-0', `${'a'.repeat(250)}-0`, 'a\n-0'])(
  '%j is not the folder of a partition',
  (name) => expect(names.parsePartitionFolderName(name)).toBeUndefined(),
)

test('a folder on its way out is no partition, and says what it was', () => {
  const name = `orders-3.0123456789abcdef0123456789abcdef-delete`
  expect(names.parsePartitionFolderName(name)).toBeUndefined()
  expect(names.parseLeavingFolderName(name)).toEqual({ topic: 'orders', partition: 3, suffix: 'delete' })
  expect(names.parseLeavingFolderName('orders-3')).toBeUndefined()
  expect(names.parseLeavingFolderName('orders-3.abc-delete')).toBeUndefined()
})

test('topic names are 1 to 249 plain characters, and neither dot nor two dots', () => {
  for (const name of ['a', 'A.b_c-9', '...', 'a'.repeat(249)]) expect(() => names.checkTopicName(name)).not.toThrow()
  for (const name of ['', '.', '..', 'a b', 'ä', 'a/b', 'a\n', 'a'.repeat(250)]) expect(() => names.checkTopicName(name)).toThrow(TypeError)
})

test('a partition number is an integer from 0 to 2^31 - 1', () => {
  for (const partition of [-1, 0.5, NaN, 2 ** 31]) expect(() => names.partitionFolderName('a', partition)).toThrow(RangeError)
})
