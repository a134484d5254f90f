import fc from 'fast-check'
import { expect, test } from 'vitest'
import { crc32c, crc32cTables } from '../../src/base/crc32c.ts'

test.each([
  ['nothing', Buffer.alloc(0), 0],
  ['the digits 1 to 9', Buffer.from('123456789'), 0xe306_9283],
  ['one a', Buffer.from('a'), 0xc1d0_4330],
  ['32 zeros (RFC 3720)', Buffer.alloc(32), 0x8a91_36aa],
  ['32 times ff (RFC 3720)', Buffer.alloc(32, 0xff), 0x62a8_ab43],
  ['0 to 31 (RFC 3720)', Buffer.from(Uint8Array.from({ length: 32 }, (_, index) => index)), 0x46dd_794e],
  ['31 to 0 (RFC 3720)', Buffer.from(Uint8Array.from({ length: 32 }, (_, index) => 31 - index)), 0x113f_db5c],
])('%s', (_, bytes, expected) => {
  expect(crc32c(bytes, 0, bytes.length)).toBe(expected)
  expect(crc32cTables(bytes, 0, bytes.length)).toBe(expected)
})

test('the CRC of a whole is that of its parts, one handed to the next', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 400 }), fc.nat(400), fc.nat(400), (bytes, one, other) => {
      const [first, second] = [Math.min(one, other, bytes.length), Math.min(Math.max(one, other), bytes.length)]
      const parts = crc32c(bytes, second, bytes.length, crc32c(bytes, first, second, crc32c(bytes, 0, first)))
      expect(parts).toBe(crc32c(bytes, 0, bytes.length))
    }),
  )
})
