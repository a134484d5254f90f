import fc from 'fast-check'
import { expect, test } from 'vitest'
import { seededRandom } from '../../src/base/random.ts'
import { bytes, string } from '../../src/topics/codecs.ts'
import { PartitionChooser, partitionOfKey } from '../../src/topics/partitioner.ts'

// Hashes by Kafka's own Utils.murmur2 (kafka-log-format 9.1); a partition is the hash without its sign bit, modulo the partitions.
const hashes: readonly (readonly [key: string, hash: number])[] = [
  ['21', -973932308], ['foobar', -790332482], ['a-little-bit-long-string', -985981536], ['a-little-bit-longer-string', -1486304829],
  ['lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8', -58897971], ['abc', 479470107], ['', 275646681], ['a', -1563381124],
  ['abcd', -1323649548],
]

test('keys go where Kafka\'s clients send them', () => {
  for (const partitions of [2, 3, 7, 100]) {
    for (const [key, hash] of hashes) {
      const expected = (hash & 0x7fff_ffff) % partitions
      expect(partitionOfKey(string, key, partitions)).toBe(expected)
      expect(partitionOfKey(bytes, Buffer.from(key), partitions)).toBe(expected)
    }
  }
})

test('a key goes to the same partition however large the keys before it were', () => {
  fc.assert(fc.property(fc.array(fc.string({ unit: 'grapheme', maxLength: 2000 }), { minLength: 1 }), (keys) => {
    const once = keys.map((key) => partitionOfKey(string, key, 50))
    partitionOfKey(string, 'x'.repeat(200_000), 50)
    expect(keys.toReversed().map((key) => partitionOfKey(string, key, 50)).toReversed()).toEqual(once)
  }))
})

const plain = (partitioner?: (record: unknown, partitions: number) => number) =>
  new PartitionChooser<string, unknown>(string, { custom: partitioner, random: seededRandom(3), batchSize: 1000 })

test('records without a key stay on one partition for a batch, and all partitions get their share', () => {
  const chooser = plain()
  const runs: { partition: number; count: number }[] = []
  for (let n = 0; n < 100_000; n++) {
    const partition = chooser.choose({ value: 'x' }, 4)
    chooser.took(100)
    if (runs.at(-1)?.partition === partition) runs.at(-1)!.count++
    else runs.push({ partition, count: 1 })
  }
  expect(runs.slice(0, -1).every(({ count }) => count % 10 === 0)).toBe(true)
  for (const partition of [0, 1, 2, 3]) {
    const share = runs.filter((run) => run.partition === partition).reduce((sum, { count }) => sum + count, 0)
    expect(share).toBeGreaterThan(22_000)
    expect(share).toBeLessThan(28_000)
  }
})

test('records with a key do not count for those without', () => {
  const chooser = plain()
  const first = chooser.choose({ value: 1 }, 8)
  for (let n = 0; n < 1000; n++) chooser.choose({ key: `k${n}`, value: 1 }, 8)
  expect(chooser.choose({ key: null, value: 1 }, 8)).toBe(first)
})

test('an empty key is a key', () => {
  const chooser = plain()
  for (let n = 0; n < 100; n++) {
    expect(chooser.choose({ key: '', value: 1 }, 7)).toBe(275646681 % 7)
    chooser.took(1000)
  }
})

test('a partitioner of the user is asked for every record, and held to the partitions there are', () => {
  expect(plain((record, partitions) => (record as { value: number }).value % partitions).choose({ key: 'k', value: 5 }, 3)).toBe(2)
  for (const wrong of [-1, 3, 1.5, NaN, '1', undefined]) {
    expect(() => plain(() => wrong as number).choose({ value: 1 }, 3)).toThrow(RangeError)
  }
})
