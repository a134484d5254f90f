import { expect, test } from 'vitest'
import { murmur2, toPositive } from '../../src/base/murmur2.ts'

test.each([
  ['21', -973_932_308],
  ['foobar', -790_332_482],
  ['a-little-bit-long-string', -985_981_536],
  ['a-little-bit-longer-string', -1_486_304_829],
  ['lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8', -58_897_971],
  ['abc', 479_470_107],
  ['', 275_646_681],
  ['a', -1_563_381_124],
  ['abcd', -1_323_649_548],
])("the hash of %j is Kafka's", (key, expected) => {
  expect(murmur2(Buffer.from(key))).toBe(expected)
  expect(murmur2(Buffer.from(`<${key}>`), 1, 1 + key.length)).toBe(expected)
})

test('the sign is cleared, not turned', () => {
  expect(toPositive(-1)).toBe(0x7fff_ffff)
  expect(toPositive(-0x8000_0000)).toBe(0)
  expect(toPositive(-973_932_308)).toBe(1_173_551_340)
  expect(toPositive(5)).toBe(5)
})
