import { expect, test } from 'vitest'
import { isLogError } from '../../src/base/errors.ts'
import { readLz4Frame, writeLz4Frame } from '../../src/format/lz4-frame.ts'
import { xxhash32 } from '../../src/format/xxhash32.ts'

const LIMIT = 64 * 1024 * 1024
/** Version 1, independent blocks. */
const PLAIN = 0x60

test('a frame begins as those of Kafka, and a block that does not shrink is stored as it is', () => {
  const plain = Buffer.from('twelve bytes')
  const frame = writeLz4Frame(plain, () => Buffer.alloc(12))
  expect(frame.toString('hex')).toBe(`04224d18604082${'0c000080'}${plain.toString('hex')}00000000`)
  expect(readLz4Frame(frame, 12).equals(plain)).toBe(true)
})

test('nothing is a frame without blocks', () => {
  const frame = writeLz4Frame(Buffer.alloc(0), () => Buffer.alloc(0))
  expect(frame.toString('hex')).toBe('04224d1860408200000000')
  expect(readLz4Frame(frame, 0)).toHaveLength(0)
})

test('what was decoded stays as it is when more is, in new memory and in memory that is given', () => {
  const [first, second] = ['a', 'b'].map((letter) => frame([Buffer.concat([sequence(letter.repeat(40), 1, 900), sequence('')])]))
  const decoded = readLz4Frame(first!, LIMIT)
  const given = Buffer.alloc(2000, 'z')
  const other = readLz4Frame(second!, LIMIT, (bytes) => given.subarray(0, bytes))
  expect(decoded.toString()).toBe('a'.repeat(940))
  expect(other.toString()).toBe('b'.repeat(940))
  expect(other.buffer).toBe(given.buffer)
})

test('literals, matches, and matches that overlap what they write are decoded', () => {
  const block = Buffer.concat([sequence('abc', 3, 7), sequence('', 1, 30), sequence('end')])
  expect(text(frame([block]))).toBe(`abc${'abcabca'}${'a'.repeat(30)}end`)
})

test('lengths of 15 and more go on in further bytes', () => {
  const long = 'x'.repeat(15 + 255 + 7)
  expect(text(frame([Buffer.concat([sequence(long, 1, 4 + 15 + 255 + 255 + 3), sequence('')])]))).toBe('x'.repeat(long.length + 532))
  expect(text(frame([Buffer.concat([sequence('y'.repeat(15), 15, 4 + 15), sequence('')])]))).toBe('y'.repeat(34))
})

test.each([4, 5, 6, 7])('blocks of size code %i may be as large as it says, and no larger', (code) => {
  const most = 1 << (8 + 2 * code)
  const stored = Buffer.alloc(most, 'stored')
  expect(readLz4Frame(frame([stored, stored], { code, stored: true }), LIMIT)).toHaveLength(2 * most)
  expect(failure(frame([Buffer.alloc(most + 1)], { code, stored: true }))).toBe('LOG_COMPRESSED_CORRUPT')
  // A run that goes one byte past the block: 4 + 15 in the token, the rest in bytes of 255.
  const run = Buffer.concat([sequence('r', 1, most), sequence('')])
  expect(failure(frame([run], { code }))).toBe('LOG_COMPRESSED_CORRUPT')
  expect(failure(frame([run, sequence('room behind it')], { code }))).toBe('LOG_COMPRESSED_CORRUPT')
})

test('content size and content checksum are skipped, and block checksums are checked', () => {
  const block = sequence('checked')
  expect(text(frame([block], { contentSize: true, contentChecksum: true, blockChecksums: true }))).toBe('checked')
  const wrong = frame([block], { blockChecksums: true })
  wrong[wrong.length - 5]! ^= 1
  expect(failure(wrong)).toBe('LOG_COMPRESSED_CORRUPT')
})

test('a match never reaches into the block before', () => {
  expect(failure(frame([sequence('first block'), Buffer.concat([sequence('x', 2, 4), sequence('')])]))).toBe('LOG_COMPRESSED_CORRUPT')
})

test.each([
  { what: 'another magic', bytes: () => patched(frame([]), 0, 0x05) },
  { what: 'a skippable frame', bytes: () => Buffer.from('502a4d180400000001020304', 'hex') },
  { what: 'version 0', bytes: () => frame([], { flags: 0x20 }) },
  { what: 'dependent blocks', bytes: () => frame([], { flags: 0x40 }) },
  { what: 'a dictionary', bytes: () => frame([], { flags: PLAIN | 1 }) },
  { what: 'a reserved flag', bytes: () => frame([], { flags: PLAIN | 2 }) },
  { what: 'block size code 3', bytes: () => frame([], { code: 3 }) },
  { what: 'reserved bits beside the block size', bytes: () => frame([], { code: 4, reserved: 1 }) },
  { what: 'a wrong header checksum', bytes: () => patched(frame([]), 6, 0x00) },
  { what: 'a second frame', bytes: () => Buffer.concat([frame([sequence('one')]), frame([sequence('two')])]) },
  { what: 'a byte behind the frame', bytes: () => Buffer.concat([frame([]), Buffer.alloc(1)]) },
  { what: 'no end mark', bytes: () => frame([sequence('cut')]).subarray(0, -4) },
  { what: 'a cut content checksum', bytes: () => frame([], { contentChecksum: true }).subarray(0, -1) },
  { what: 'a match from 0 back', bytes: () => frame([Buffer.concat([sequence('a', 0, 4), sequence('')])]) },
  { what: 'a match from before the start', bytes: () => frame([Buffer.concat([sequence('a', 2, 4), sequence('')])]) },
  { what: 'a block that ends in a match', bytes: () => frame([sequence('a', 1, 4)]) },
  { what: 'an empty block', bytes: () => Buffer.concat([frame([]).subarray(0, 7), Buffer.from('0100000000', 'hex')]) },
])('a frame with $what is LOG_COMPRESSED_CORRUPT', ({ bytes }) => {
  expect(failure(bytes())).toBe('LOG_COMPRESSED_CORRUPT')
})

test('a frame whose blocks could become more than the limit, but do not, is read', () => {
  expect(text(frame(Array.from({ length: 20 }, () => sequence('small')), { code: 7 }), 100)).toBe('small'.repeat(20))
})

test('a small result does not hold on to what it might have become', () => {
  const result = readLz4Frame(frame([sequence('y'.repeat(40_000))], { code: 7 }), LIMIT)
  expect(result.buffer.byteLength).toBeLessThan(200_000)
})

/* ---- frames by hand ---- */

interface FrameOptions {
  readonly flags?: number
  readonly code?: number
  readonly reserved?: number
  readonly stored?: boolean
  readonly contentSize?: boolean
  readonly contentChecksum?: boolean
  readonly blockChecksums?: boolean
}

function frame(blocks: readonly Buffer[], options: FrameOptions = {}): Buffer {
  const optional = (options.blockChecksums ? 0x10 : 0) | (options.contentSize ? 0x08 : 0) | (options.contentChecksum ? 0x04 : 0)
  const flags = (options.flags ?? PLAIN) | optional
  const contentSize = options.contentSize ? Array<number>(8).fill(9) : []
  const descriptor = Buffer.from([flags, ((options.code ?? 4) << 4) | (options.reserved ?? 0), ...contentSize])
  return Buffer.concat([
    Buffer.from('04224d18', 'hex'),
    descriptor,
    Buffer.from([(xxhash32(descriptor, 0, descriptor.length) >> 8) & 0xff]),
    ...blocks.flatMap((block) => [
      uint32(block.length + (options.stored ? 0x8000_0000 : 0)), block, ...(options.blockChecksums ? [uint32(xxhash32(block, 0, block.length))] : []),
    ]),
    uint32(0),
    ...(options.contentChecksum ? [uint32(0xdeadbeef)] : []),
  ])
}

/** Literals and then, unless it is the last of a block, a match. */
function sequence(literals: string, distance?: number, length = 0): Buffer {
  const more = (left: number): number[] => (left < 0 ? [] : [...Array<number>(Math.floor(left / 255)).fill(255), left % 255])
  const match = length - 4
  const token = (Math.min(literals.length, 15) << 4) | (distance === undefined ? 0 : Math.min(match, 15))
  const head = [token, ...more(literals.length - 15), ...Buffer.from(literals)]
  return Buffer.from(distance === undefined ? head : [...head, distance & 0xff, distance >> 8, ...more(match - 15)])
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32LE(value)
  return bytes
}

function patched(bytes: Buffer, at: number, value: number): Buffer {
  bytes[at] = value
  return bytes
}

function text(bytes: Buffer, limit = LIMIT): string {
  return readLz4Frame(bytes, limit).toString()
}

function failure(bytes: Buffer): string {
  try {
    readLz4Frame(bytes, LIMIT)
    return 'no error'
  } catch (error) {
    return isLogError(error) ? error.code : String(error)
  }
}
