import fc from 'fast-check'
import { expect, test } from 'vitest'
import * as batch from '../../src/format/batch.ts'
import { type BatchFilter, emptiedBatch, filterBatch } from '../../src/format/batch-filter.ts'
import { compressionNames } from '../../src/format/compression.ts'
import { encodeEndTransactionMarker } from '../../src/format/control.ts'
import { batchOptions, batchRecords, codecInstalled } from '../tools/batches.ts'
import { golden } from '../tools/golden.ts'

const all = (): boolean => true

function filtered(bytes: Buffer, filter: Partial<BatchFilter>): { kept: number; bytes: Buffer | undefined } {
  const header = batch.readBatchHeader(bytes, 0, bytes.length)
  return filterBatch(bytes, 0, header, { keep: all, deleteHorizonMs: undefined, endsEmptyTransaction: false, ...filter })
}

test('a batch that nothing goes of stays as it is, byte for byte', () => {
  expect(filtered(golden('batch-v2', 'transactional'), {})).toEqual({ kept: 3, bytes: undefined })
})

test('a tombstone sets the horizon, and what is left of its batch are the bytes that the classes of Kafka write', () => {
  const left = filtered(golden('batch-v2', 'uncompressed'), { keep: ({ valueSize }) => valueSize < 0, deleteHorizonMs: 1_700_086_400_000 })
  const { records } = batch.decodeBatch(left.bytes!, 0, left.bytes!.length)
  expect(records).toMatchObject([{ offset: 7, timestamp: 1_700_000_000_300, value: null }])
  // Of the third record alone, at its own offset: as the golden batch, which begins there.
  const alone = batch.encodeBatch([{ offset: 5, timestamp: 1_700_000_000_300, key: Buffer.from('k3'), value: null }], { leaderEpoch: 3 })
  expect(filtered(alone, { deleteHorizonMs: 1_700_086_400_000 }).bytes?.toString('hex')).toBe(golden('batch-v2', 'delete-horizon').toString('hex'))
})

test('a batch that has a horizon keeps it', () => {
  expect(filtered(golden('batch-v2', 'delete-horizon'), { deleteHorizonMs: 1_800_000_000_000 })).toEqual({ kept: 1, bytes: undefined })
})

test('what is emptied are the bytes that the classes of Kafka write', () => {
  const records = [0, 1, 2, 3, 4].map((index) => ({ timestamp: 1_700_000_000_300 - index, key: Buffer.from('k'), value: Buffer.from('v') }))
  const bytes = batch.encodeBatch(records, {
    baseOffset: 5, leaderEpoch: 3, producerId: 7n, producerEpoch: 1, baseSequence: 0, transactional: true, compression: 'gzip',
  })
  const emptied = emptiedBatch(batch.readBatchHeader(bytes, 0, bytes.length))
  expect(emptied.toString('hex')).toBe(golden('batch-v2', 'empty').toString('hex'))
})

test('the marker of a transaction of which nothing is left gets a horizon', () => {
  const marker = encodeEndTransactionMarker({ type: 'COMMIT', timestamp: 1_700_000_000_000, producerId: 7n, producerEpoch: 1, coordinatorEpoch: 4 })
  const { bytes } = filtered(marker, { endsEmptyTransaction: true, deleteHorizonMs: 1_700_086_400_000 })
  const { header, records } = batch.decodeBatch(bytes!, 0, bytes!.length)
  expect(header).toMatchObject({ control: true, transactional: true, deleteHorizon: true, baseTimestamp: 1_700_086_400_000, recordCount: 1 })
  expect(records).toMatchObject([{ timestamp: 1_700_000_000_000 }])
})

test('nothing is left of a batch when no record stays', () => {
  expect(filtered(golden('batch-v2', 'uncompressed'), { keep: () => false })).toEqual({ kept: 0, bytes: undefined })
})

test('what stays is what a batch of those records holds, whichever go, and everything else of the batch is as it was', () => {
  const compressions = compressionNames.filter(codecInstalled)
  fc.assert(fc.property(
    batchRecords, batchOptions, fc.constantFrom(...compressions), fc.infiniteStream(fc.boolean()),
    fc.option(fc.nat(2_000_000_000_000), { nil: undefined }),
    (records, options, compression, stays, deleteHorizonMs) => {
      fc.pre(records.length > 0)
      const bytes = batch.encodeBatch(records, { ...options, compression })
      const before = batch.decodeBatch(bytes, 0, bytes.length)
      const kept = new Set(before.records.filter(() => stays.next().value).map(({ offset }) => offset))
      const left = filtered(bytes, { keep: ({ offsetDelta }) => kept.has(before.header.baseOffset + offsetDelta), deleteHorizonMs })
      expect(left.kept).toBe(kept.size)
      if (left.bytes === undefined) return
      expect(batch.batchDamage(left.bytes, 0, left.bytes.length)).toBe(undefined)
      const after = batch.decodeBatch(left.bytes, 0, left.bytes.length)
      expect(after.records).toEqual(before.records.filter(({ offset }) => kept.has(offset)))
      for (const field of ['baseOffset', 'lastOffset', 'leaderEpoch', 'compression', 'timestampType', 'transactional', 'control', 'producerId',
        'producerEpoch', 'baseSequence'] as const) expect(after.header[field]).toBe(before.header[field])
      const tombstones = after.records.some(({ value }) => value === null)
      expect(after.header.deleteHorizon).toBe(before.header.deleteHorizon || (tombstones && deleteHorizonMs !== undefined))
    },
  ))
})
