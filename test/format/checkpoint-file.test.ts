import fc from 'fast-check'
import { expect, test } from 'vitest'
import { isLogError } from '../../src/base/errors.ts'
import { encodeCheckpoint, encodePartitionOffsets, parseCheckpoint, parsePartitionOffsets } from '../../src/format/checkpoint-file.ts'
import { encodeLeaderEpochs, parseLeaderEpochs } from '../../src/format/leader-epoch-checkpoint.ts'

test("the files are written and read as Kafka's classes do", () => {
  expect(String(encodePartitionOffsets([{ topic: 'orders', partition: 0, offset: 42 }]))).toBe('0\n1\norders 0 42\n')
  expect(parsePartitionOffsets(Buffer.from('0\n1\norders 0 42\n'), 'a file')).toEqual([{ topic: 'orders', partition: 0, offset: 42 }])
  const epochs = [{ epoch: 0, startOffset: 0 }, { epoch: 2, startOffset: 40 }]
  expect(String(encodeLeaderEpochs(epochs))).toBe('0\n2\n0 0\n2 40\n')
  expect(parseLeaderEpochs(Buffer.from('0\n2\n0 0\n2 40\n'), 'a file')).toEqual(epochs)
})

test('what is written is read back', () => {
  const entry = fc.record({ topic: fc.stringMatching(/^[a-zA-Z0-9._-]{3,20}$/), partition: fc.nat(), offset: fc.maxSafeNat() })
  fc.assert(
    fc.property(fc.array(entry), (list) => {
      expect(parsePartitionOffsets(encodePartitionOffsets(list), 'a file')).toEqual(list)
    }),
  )
})

test('an empty file has no lines, and neither has one that says so', () => {
  expect(parseCheckpoint(Buffer.alloc(0), 3, 'a file')).toEqual([])
  expect(parseCheckpoint(encodeCheckpoint([]), 3, 'a file')).toEqual([])
})

test('blanks of any number, line ends of Windows and a missing last one are read', () => {
  expect(parseCheckpoint(Buffer.from('0\r\n1\r\na \t 0  7 \r\n'), 3, 'a file')).toEqual([['a', '0', '7']])
  expect(parseCheckpoint(Buffer.from('0\n1\na 0 7'), 3, 'a file')).toEqual([['a', '0', '7']])
})

test.each([
  ['nothing but a line end', '\n'],
  ['no count', '0\n'],
  ['a count that is none', '0\nx\n'],
  ['a negative count', '0\n-1\n'],
  ['more lines than promised', '0\n1\na 0 1\nb 0 1\n'],
  ['fewer lines than promised', '0\n2\na 0 1\n'],
  ['an empty line', '0\n2\na 0 1\n\n'],
  ['too few fields', '0\n1\na 0\n'],
  ['too many fields', '0\n1\na 0 1 2\n'],
  ['a leading blank', '0\n1\n a 0\n'],
  ['a topic that is none', '0\n1\na/b 0 1\n'],
  ['a partition that is none', '0\n1\na -1 1\n'],
  ['a partition beyond 2^31', '0\n1\na 2147483648 1\n'],
  ['an offset that is none', '0\n1\na 0 1.5\n'],
  ['an offset beyond 2^53', '0\n1\na 0 9007199254740992\n'],
  ['a version that is none', 'x\n1\na 0 1\n'],
])('%s is corrupt', (_, text) => {
  expect(() => parsePartitionOffsets(Buffer.from(text), 'a file')).toThrow(expect.objectContaining({ code: 'LOG_FILE_CORRUPT' }))
})

test('an epoch is an integer of 32 bits', () => {
  expect(() => parseLeaderEpochs(Buffer.from('0\n1\n-1 0\n'), 'a file')).toThrow(expect.objectContaining({ code: 'LOG_FILE_CORRUPT' }))
  expect(() => parseLeaderEpochs(Buffer.from('0\n1\n2147483648 0\n'), 'a file')).toThrow(expect.objectContaining({ code: 'LOG_FILE_CORRUPT' }))
})

test('a newer version is refused', () => {
  expect(() => parseCheckpoint(Buffer.from('1\n0\n'), 3, 'a file')).toThrow(expect.objectContaining({ code: 'LOG_VERSION_UNSUPPORTED' }))
})

test('random bytes raise a LogError or nothing', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.stringMatching(/^[01\n ab]{0,20}$/)), (text) => {
      try {
        parsePartitionOffsets(Buffer.from(text), 'a file')
      } catch (error) {
        expect(isLogError(error)).toBe(true)
      }
    }),
  )
})
