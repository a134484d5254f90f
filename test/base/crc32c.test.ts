import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { afterEach, expect, test, vi } from 'vitest'
import { crc32c, crc32cTables } from '../../src/base/crc32c.ts'
import { seededRandom } from '../../src/base/random.ts'
import { buildModule, moduleFile } from '../tools/build-crc32c.ts'

const MEMORY = 262_144 // bytes that go through WebAssembly at once
const random = seededRandom(32)
const noise = random.bytes(2 * MEMORY + 50_000)

afterEach(() => {
  vi.unstubAllGlobals()
  vi.resetModules()
})

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

test.each([9, 32, 1263, 1264, 10_240, MEMORY])('a run of zeros counts, %i of them', (size) => {
  const zeros = Buffer.alloc(size + 1)
  expect(crc32c(zeros, 0, size)).toBe(crc32cTables(zeros, 0, size))
  expect(crc32c(zeros, 0, size)).not.toBe(crc32c(zeros, 0, size + 1))
})

test('tables and WebAssembly agree on every size up to 3 KiB, and around the sizes where the way changes', () => {
  const sizes = [10_240, 13_584, MEMORY, 2 * MEMORY].flatMap((middle) => Array.from({ length: 160 }, (_, index) => middle - 80 + index))
  for (const size of [...Array.from({ length: 3 * 1024 }, (_, index) => index), ...sizes]) {
    const from = size & 63
    expect(crc32c(noise, from, from + size), `${size} bytes`).toBe(crc32cTables(noise, from, from + size))
  }
})

test('tables and WebAssembly agree on pieces of any size and place, also of another start', () => {
  fc.assert(
    fc.property(fc.nat(noise.length), fc.oneof(fc.nat(20_000), fc.nat(noise.length)), fc.nat(0xffff_ffff), (from, size, previous) => {
      const to = Math.min(noise.length, from + size)
      expect(crc32c(noise, from, to, previous)).toBe(crc32cTables(noise, from, to, previous))
    }),
    { numRuns: 300 },
  )
})

test('inputs larger than the memory go through it in pieces', () => {
  for (const size of [MEMORY - 1, MEMORY, MEMORY + 1, MEMORY + 300, 2 * MEMORY, 2 * MEMORY + 49_999]) {
    expect(crc32c(noise, 1, 1 + size)).toBe(crc32cTables(noise, 1, 1 + size))
  }
})

test('the CRC of a whole is that of its parts, one handed to the next', () => {
  fc.assert(
    fc.property(fc.nat(40_000), fc.nat(40_000), fc.nat(40_000), (size, one, other) => {
      const [first, second] = [Math.min(one, other, size), Math.min(Math.max(one, other), size)]
      const parts = crc32c(noise, second, size, crc32c(noise, first, second, crc32c(noise, 0, first)))
      expect(parts).toBe(crc32c(noise, 0, size))
    }),
  )
})

test('every split of 3000 bytes gives the same CRC', () => {
  const whole = crc32cTables(noise, 0, 3000)
  for (let at = 0; at <= 3000; at++) expect(crc32c(noise, at, 3000, crc32c(noise, 0, at))).toBe(whole)
})

test('bytes of a Buffer that begins inside its memory are found', () => {
  const inside = Buffer.from(noise.buffer, 1234, 5000)
  expect(crc32c(inside, 6, 4000)).toBe(crc32cTables(noise, 1240, 5234))
})

test.each([
  ['there is no WebAssembly', undefined],
  ['the module does not compile', { Module: class { constructor() { throw new Error('no SIMD') } } }],
])('when %s the tables do it all', async (_, WebAssembly) => {
  vi.stubGlobal('WebAssembly', WebAssembly)
  vi.resetModules()
  const fresh = await import('../../src/base/crc32c.ts')
  expect(fresh.crc32c(noise, 0, noise.length)).toBe(crc32cTables(noise, 0, noise.length))
})

test('importing compiles nothing, nor do small inputs', async () => {
  let compiled = 0
  vi.stubGlobal('WebAssembly', { Module: class { constructor() { throw new Error(`compiled ${++compiled}`) } } })
  vi.resetModules()
  const fresh = await import('../../src/base/crc32c.ts')
  fresh.crc32c(noise, 0, 4096)
  expect(compiled).toBe(0)
  fresh.crc32c(noise, 0, 4097)
  fresh.crc32c(noise, 0, 4097)
  expect(compiled).toBe(1)
})

test('the compiled module is what its source makes', async () => {
  expect(readFileSync(moduleFile, 'utf8')).toBe(await buildModule())
})
