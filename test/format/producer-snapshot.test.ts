import fc from 'fast-check'
import { expect, test } from 'vitest'
import { setInt32 } from '../../src/base/bytes.ts'
import { crc32c } from '../../src/base/crc32c.ts'
import { decodeProducerSnapshot, encodeProducerSnapshot, type ProducerSnapshotEntry } from '../../src/format/producer-snapshot.ts'
import { golden } from '../tools/golden.ts'

const entries: ProducerSnapshotEntry[] = [
  {
    producerId: 7n, epoch: 1, lastSequence: 2, lastOffset: 7, offsetDelta: 2, timestamp: 1_700_000_000_300, coordinatorEpoch: 4,
    currentTxnFirstOffset: 5,
  },
  {
    producerId: 8n, epoch: 0, lastSequence: -1, lastOffset: -1, offsetDelta: 0, timestamp: 1_700_000_000_000, coordinatorEpoch: 2,
    currentTxnFirstOffset: -1,
  },
]
const corrupt: unknown = expect.objectContaining({ name: 'LogError', code: 'LOG_FILE_CORRUPT' })

test("a snapshot is written and read as Kafka's classes do", () => {
  const bytes = golden('segment-files', 'snapshot')
  expect(encodeProducerSnapshot(entries)).toEqual(bytes)
  expect(decodeProducerSnapshot(bytes, 'a file')).toEqual(entries)
})

test('a snapshot of nobody is 10 bytes', () => {
  expect(encodeProducerSnapshot([])).toHaveLength(10)
  expect(decodeProducerSnapshot(encodeProducerSnapshot([]), 'a file')).toEqual([])
})

test('what is written is read back', () => {
  const int32 = fc.integer({ min: -1 })
  const int64 = fc.integer({ min: -1, max: Number.MAX_SAFE_INTEGER })
  const one = fc.record({
    producerId: fc.bigInt({ min: 0n, max: 2n ** 63n - 1n }), epoch: fc.integer({ min: -1, max: 32_767 }), lastSequence: int32, lastOffset: int64,
    offsetDelta: fc.nat(), timestamp: int64, coordinatorEpoch: int32, currentTxnFirstOffset: int64,
  })
  fc.assert(
    fc.property(fc.array(one), (list) => {
      expect(decodeProducerSnapshot(encodeProducerSnapshot(list), 'a file')).toEqual(list)
    }),
  )
})

test('every flipped bit and every cut is corrupt, and so are bytes behind the end', () => {
  const whole = golden('segment-files', 'snapshot')
  for (let bit = 0; bit < whole.length * 8; bit++) {
    const bytes = Buffer.from(whole)
    bytes[bit >> 3]! ^= 1 << (bit & 7)
    expect(() => decodeProducerSnapshot(bytes, 'a file')).toThrow(corrupt)
  }
  for (let end = 0; end < whole.length; end++) expect(() => decodeProducerSnapshot(whole.subarray(0, end), 'a file')).toThrow(corrupt)
  expect(() => decodeProducerSnapshot(Buffer.concat([whole, Buffer.alloc(46)]), 'a file')).toThrow(corrupt)
})

test.each([3, 1, -1, 0x7fff_ffff])('a count of %i for two producers is corrupt even with the right CRC', (count) => {
  const bytes = Buffer.from(golden('segment-files', 'snapshot'))
  setInt32(bytes, 6, count)
  setInt32(bytes, 2, crc32c(bytes, 6, bytes.length))
  expect(() => decodeProducerSnapshot(bytes, 'a file')).toThrow(corrupt)
})
