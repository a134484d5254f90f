import { expect, test } from 'vitest'
import { xxhash32 } from '../../src/format/xxhash32.ts'

test.each([
  ['', 0x02cc5d05],
  ['a', 0x550d7456],
  ['abc', 0x32d153ff],
  ['Nobody inspects the spammish repetition', 0xe2293b2f],
])('xxHash32 of "%s" is the published one', (text, hash) => {
  const bytes = Buffer.from(`<<${text}>>`)
  expect(xxhash32(bytes, 2, bytes.length - 2)).toBe(hash)
})
