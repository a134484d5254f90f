import { expect, test } from 'vitest'
import { isLogError } from '../../src/base/errors.ts'
import { readSnappy, writeXerialSnappy } from '../../src/format/snappy.ts'

const LIMIT = 64 * 1024 * 1024
const B11 = 'b'.repeat(11)
const X2000 = 'x'.repeat(2000)
const HEADER = '82534e41505059000000000100000001'

test('a stream has the header of xerial, and blocks of 32 KiB with their sizes in front', () => {
  const sizes: number[] = []
  const stream = writeXerialSnappy(Buffer.alloc(80_000), (block) => {
    sizes.push(block.length)
    return Buffer.from([sizes.length])
  })
  expect(sizes).toEqual([32_768, 32_768, 14_464])
  expect(stream.toString('hex')).toBe(`${HEADER}000000010100000001020000000103`)
})

test('nothing is a stream without blocks', () => {
  expect(readSnappy(writeXerialSnappy(Buffer.alloc(0), () => Buffer.alloc(0)), 0)).toHaveLength(0)
})

test.each([
  { what: 'short literals', block: [literal('abc')], plain: 'abc' },
  { what: 'literals of 61 bytes', block: [literal('l'.repeat(61))], plain: 'l'.repeat(61) },
  { what: 'literals with a length of two bytes', block: [literal('m'.repeat(300))], plain: 'm'.repeat(300) },
  { what: 'literals with a length of three bytes', block: [literal('n'.repeat(70_000))], plain: 'n'.repeat(70_000) },
  { what: 'literals with a length of four bytes', block: [literal('o'.repeat(5), 4)], plain: 'ooooo' },
  { what: 'copies with one byte', block: [literal('abcd'), copy(1, 4, 4)], plain: 'abcdabcd' },
  { what: 'copies with two bytes', block: [literal('abcd'), copy(2, 3, 3)], plain: 'abcdbcd' },
  { what: 'copies with four bytes', block: [literal('abcd'), copy(4, 2, 2)], plain: 'abcdcd' },
  { what: 'copies that overlap what they write', block: [literal('ab'), copy(2, 2, 64), copy(1, 1, 11)], plain: `${'ab'.repeat(33)}${B11}` },
  { what: 'copies from far back', block: [literal(X2000), literal('end'), copy(1, 2003, 5), copy(2, 2008, 9)], plain: `${X2000}endxxxxxxxxxxxxxx` },
])('$what are decoded', ({ block, plain }) => {
  expect(readSnappy(bare(plain.length, ...block), LIMIT).toString()).toBe(plain)
  expect(readSnappy(stream(bare(plain.length, ...block)), LIMIT).toString()).toBe(plain)
})

test('a bare block, one that is shorter than a header, and several streams in a row are read', () => {
  expect(readSnappy(bare(2, literal('ab')), LIMIT).toString()).toBe('ab')
  const one = stream(bare(3, literal('one')), bare(3, literal('two')))
  expect(readSnappy(Buffer.concat([one, one]), LIMIT).toString()).toBe('onetwoonetwo')
})

test.each([
  { what: 'a literal that is cut', bytes: bare(9, literal('123456789')).subarray(0, -1) },
  { what: 'a literal beyond the length of the block', bytes: bare(2, literal('abc')) },
  { what: 'a cut literal length', bytes: Buffer.from([0x05, 61 << 2, 1]) },
  { what: 'a copy from 0 back', bytes: bare(8, literal('abcd'), copy(2, 0, 4)) },
  { what: 'a copy from before the start', bytes: bare(8, literal('abcd'), copy(2, 5, 4)) },
  { what: 'a copy beyond the length of the block', bytes: bare(7, literal('abcd'), copy(2, 4, 4)) },
  { what: 'a copy that is cut', bytes: bare(8, literal('abcd'), copy(2, 4, 4)).subarray(0, -1) },
  { what: 'fewer bytes than its length says', bytes: bare(5, literal('abcd')) },
  { what: 'a length of more than 32 bits', bytes: Buffer.from('ffffffffff0100', 'hex') },
  { what: 'a length without an end', bytes: Buffer.from('8080', 'hex') },
])('a block with $what is LOG_COMPRESSED_CORRUPT, bare or in a stream', ({ bytes }) => {
  expect(failure(bytes)).toBe('LOG_COMPRESSED_CORRUPT')
  expect(failure(stream(bytes))).toBe('LOG_COMPRESSED_CORRUPT')
})

test.each([
  { what: 'that needs a newer version', bytes: Buffer.from(`${HEADER.slice(0, 24)}00000002`, 'hex') },
  { what: 'with a block of negative size', bytes: Buffer.from(`${HEADER}fffffff0`, 'hex') },
  { what: 'with a block past its end', bytes: Buffer.from(`${HEADER}0000000500`, 'hex') },
  { what: 'with bytes that are no block at its end', bytes: Buffer.from(`${HEADER}000000`, 'hex') },
  { what: 'with an empty block', bytes: Buffer.from(`${HEADER}00000000`, 'hex') },
])('a stream $what is LOG_COMPRESSED_CORRUPT', ({ bytes }) => {
  expect(failure(bytes)).toBe('LOG_COMPRESSED_CORRUPT')
})

test('a copy never reaches into the block before', () => {
  expect(failure(stream(bare(4, literal('abcd')), bare(5, literal('x'), copy(2, 2, 4))))).toBe('LOG_COMPRESSED_CORRUPT')
})

test('a few bytes that claim to be gigabytes get no memory', () => {
  const before = process.memoryUsage().arrayBuffers
  expect(failure(Buffer.from('ffffffff0f0161626364', 'hex'), 2 ** 33)).toBe('LOG_COMPRESSED_CORRUPT')
  const many = stream(...Array.from({ length: 1000 }, () => bare(60_000, literal('x'), ...Array<Buffer>(950).fill(copy(2, 1, 64)))))
  expect(failure(many, 1_000_000)).toBe('LOG_DECOMPRESSED_TOO_LARGE')
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(20_000_000)
})

/* ---- blocks by hand ---- */

function bare(size: number, ...elements: readonly Buffer[]): Buffer {
  const length: number[] = []
  for (let left = size; ; left >>>= 7) {
    length.push(left < 0x80 ? left : (left & 0x7f) | 0x80)
    if (left < 0x80) break
  }
  return Buffer.concat([Buffer.from(length), ...elements])
}

function stream(...blocks: readonly Buffer[]): Buffer {
  return Buffer.concat([Buffer.from(HEADER, 'hex'), ...blocks.flatMap((block) => [bigEndian(block.length), block])])
}

function literal(text: string, width = text.length <= 60 ? 0 : text.length <= 256 ? 1 : text.length <= 65_536 ? 2 : 3): Buffer {
  const tag = width === 0 ? (text.length - 1) << 2 : (59 + width) << 2
  return Buffer.concat([Buffer.from([tag]), littleEndian(text.length - 1, width), Buffer.from(text)])
}

function copy(width: 1 | 2 | 4, distance: number, length: number): Buffer {
  if (width === 1) return Buffer.from([((distance >> 8) << 5) | ((length - 4) << 2) | 1, distance & 0xff])
  return Buffer.concat([Buffer.from([((length - 1) << 2) | (width === 2 ? 2 : 3)]), littleEndian(distance, width)])
}

function littleEndian(value: number, width: number): Buffer {
  return Buffer.from(Array.from({ length: width }, (_, i) => Math.floor(value / 2 ** (8 * i)) & 0xff))
}

function bigEndian(value: number): Buffer {
  return littleEndian(value, 4).reverse()
}

function failure(bytes: Buffer, limit = LIMIT): string {
  try {
    readSnappy(bytes, limit)
    return 'no error'
  } catch (error) {
    return isLogError(error) ? error.code : String(error)
  }
}
