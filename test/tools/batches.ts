/*
 * Arbitrary records and batches for property tests, and which compressions there are here.
 */
import fc from 'fast-check'
import { isLogError } from '../../src/base/errors.ts'
import { NONE, type BatchRecord, type EncodeBatchOptions } from '../../src/format/batch.ts'
import { compress, type CompressionName } from '../../src/format/compression.ts'

/** Some bytes, or null. */
export const bytesOrNull = fc.option(fc.uint8Array({ maxLength: 80 }).map((bytes) => Buffer.from(bytes)), { nil: null })

const timestamp = fc.oneof(
  fc.constant(NONE),
  fc.integer({ min: 0, max: 2_000_000_000_000 }),
  fc.integer({ min: 1_700_000_000_000, max: 1_700_000_100_000 }),
  fc.constantFrom(0, 2 ** 31, 2 ** 53 - 2),
)

const headers = fc.array(fc.tuple(fc.string({ unit: 'grapheme', maxLength: 12 }), bytesOrNull), { maxLength: 4 })

const parts = fc.record({
  gap: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 1000 })),
  timestamp,
  key: bytesOrNull,
  value: bytesOrNull,
  headers,
})

/** Records with growing offsets, gaps among them. */
export const batchRecords = fc
  .array(parts, { maxLength: 12 })
  .chain((list) => fc.integer({ min: 0, max: 2 ** 53 - 100_000 }).map((first) => withOffsets(first, list)))

/** How a batch is made, without what depends on its records. */
export const batchOptions: fc.Arbitrary<EncodeBatchOptions> = fc.oneof(
  fc.record({ leaderEpoch: fc.integer({ min: -1, max: 1000 }) }),
  fc.record({
    leaderEpoch: fc.nat(),
    producerId: fc.bigInt({ min: 0n, max: 2n ** 63n - 1n }),
    producerEpoch: fc.integer({ min: 0, max: 32_767 }),
    baseSequence: fc.nat(),
    transactional: fc.boolean(),
  }),
  fc.record({ timestampType: fc.constant('LogAppendTime' as const), maxTimestamp: fc.integer({ min: 0, max: 2_000_000_000_000 }) }),
  fc.record({ deleteHorizonMs: fc.integer({ min: 0, max: 2_000_000_000_000 }) }),
)

function withOffsets<R extends { gap: number }>(first: number, list: readonly R[]): (Omit<R, 'gap'> & BatchRecord & { offset: number })[] {
  let next = first
  return list.map(({ gap, ...record }) => {
    const offset = next + gap
    next = offset + 1
    return { ...record, offset }
  })
}

/** Whether batches can be compressed so here: some compressions take an optional package or a newer Node. */
export function codecInstalled(name: CompressionName): boolean {
  try {
    return compress(name, Buffer.from('a')).length > 0
  } catch (error) {
    if (isLogError(error, 'LOG_CODEC_MISSING')) return false
    throw error
  }
}
