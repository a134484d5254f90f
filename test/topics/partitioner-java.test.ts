import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { murmur2 } from '../../src/base/murmur2.ts'
import { bytes } from '../../src/topics/codecs.ts'
import { partitionOfKey } from '../../src/topics/partitioner.ts'

/** What Kafka's Java client made of some keys; `npm run test:interop` asks it again. */
const table = JSON.parse(readFileSync(new URL('../fixtures/murmur2.json', import.meta.url), 'utf8')) as {
  readonly partitionCounts: readonly number[]
  readonly keys: readonly { readonly key: string; readonly hash: number; readonly partitions: readonly number[] }[]
}

test('every key has the hash, and goes to the partition, that Kafka\'s Java client gives it', () => {
  expect(table.keys.length).toBeGreaterThan(40)
  for (const { key, hash, partitions } of table.keys) {
    const decoded = Buffer.from(key, 'base64')
    const ours = { key, hash: murmur2(decoded), partitions: table.partitionCounts.map((count) => partitionOfKey(bytes, decoded, count)) }
    expect(ours).toEqual({ key, hash, partitions })
  }
})
