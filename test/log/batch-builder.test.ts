/*
 * What the builder of batches writes, read back by the strict reader of the format. Batches in a log are for partition-log.test.ts.
 */
import { deepStrictEqual } from 'node:assert/strict'
import { expect, test } from 'vitest'
import { decodeBatch } from '../../src/format/batch.ts'
import { BatchBuilder } from '../../src/log/batch-builder.ts'
import { WindowCache } from '../../src/log/windows.ts'
import { bytes } from '../../src/topics/codecs.ts'

const codecs = { key: bytes, value: bytes }

/** Where the length of a record or of a part of it takes another byte, and around. */
const sizes = [...Array(80).keys(), 8100, ...Array.from({ length: 100 }, (_, index) => 8110 + index), 0, 1_048_560, 1_048_580, 3]

test('records of all widths of length, in any order, are written as the format wants them', () => {
  for (const order of [sizes, sizes.toReversed(), sizes.flatMap((size, index) => [size, sizes[sizes.length - 1 - index]!])]) {
    const builder = new BatchBuilder(new WindowCache(1024 * 1024), Infinity)
    const written = order.map((size, index) => ({
      key: index % 3 === 0 ? null : Buffer.alloc(index % 3 === 1 ? index % 150 : size, 'k'),
      value: index % 7 === 0 ? null : Buffer.alloc(size, index),
      timestamp: 1_700_000_000_000 + [0, 0, -5, 100_000][index % 4]!,
    }))
    for (const { key, value, timestamp } of written) builder.add(codecs, key, value, undefined, timestamp)
    const { buffer, at, size } = builder.seal({ baseOffset: 7, leaderEpoch: 0, compression: 'none', appendTime: undefined })
    const { header, records } = decodeBatch(buffer, at, at + size)
    expect(header.maxTimestamp).toBe(1_700_000_100_000)
    deepStrictEqual(records.map(({ key, value, timestamp }) => ({ key, value, timestamp })), written)
  }
})
