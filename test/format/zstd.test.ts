import { expect, test } from 'vitest'
import { isLogError } from '../../src/base/errors.ts'
import { zstdFrames } from '../../src/format/zstd.ts'
import { fixture } from '../tools/fixtures.ts'
import { golden } from '../tools/golden.ts'

const MAGIC = '28b52ffd'

test("frames of Kafka's are found, with the most that they can stand for", () => {
  const small = golden('batch-v2', 'zstd').subarray(61)
  expect(zstdFrames(small)).toEqual([{ from: 0, end: small.length, mostBytes: 37 }])
  const large = fixture('zstd/blocks.batch').subarray(61)
  expect(zstdFrames(large)).toEqual([{ from: 0, end: large.length, mostBytes: 2 * 128 * 1024 }])
})

test.each([
  { what: 'a window', header: '0058' },
  { what: 'one segment and a size of one byte', header: '2003' },
  { what: 'a size of two bytes', header: '405800ff' },
  { what: 'a size of four bytes', header: '805800000003' },
  { what: 'a size of eight bytes, one segment', header: 'e00300000000000000' },
  { what: 'a dictionary id of two bytes', header: '02580001' },
  { what: 'a dictionary id of four bytes', header: '035800000001' },
])('a frame header with $what is passed', ({ header }) => {
  const blocks = `${block('raw', 'abc')}${block('repeated', 'z', 1000)}${block('raw', '', 0, true)}`
  const frame = Buffer.from(`${MAGIC}${header}${blocks}`, 'hex')
  expect(zstdFrames(frame)).toEqual([{ from: 0, end: frame.length, mostBytes: 1003 }])
})

test('a checksum belongs to its frame, and skippable frames are left out', () => {
  const frame = `${MAGIC}0458${block('raw', 'abc', 3, true)}01020304`
  const skippable = '512a4d1802000000ffff'
  const found = zstdFrames(Buffer.from(`${skippable}${frame}${skippable}${frame}`, 'hex'))
  expect(found.map(({ from, end }) => [from, end])).toEqual([[10, 26], [36, 52]])
})

test.each([
  { what: 'no bytes', bytes: '' },
  { what: 'another magic', bytes: '28b52ffc0058010000' },
  { what: 'a reserved bit', bytes: `${MAGIC}0858010000` },
  { what: 'a block of the reserved type', bytes: `${MAGIC}0058070000` },
  { what: 'a block larger than any', bytes: `${MAGIC}0058fdffff` },
  { what: 'a cut block', bytes: `${MAGIC}0058${block('raw', 'abc', 3, true).slice(0, -2)}` },
  { what: 'no last block', bytes: `${MAGIC}0058${block('raw', 'abc')}` },
  { what: 'a cut checksum', bytes: `${MAGIC}0458${block('raw', 'abc', 3, true)}010203` },
  { what: 'a cut skippable frame', bytes: '502a4d1803000000ffff' },
  { what: 'something else behind', bytes: `${MAGIC}0058${block('raw', 'abc', 3, true)}00` },
])('$what is LOG_COMPRESSED_CORRUPT', ({ bytes }) => {
  expect(() => zstdFrames(Buffer.from(bytes, 'hex'))).toThrow(expect.toSatisfy((error) => isLogError(error, 'LOG_COMPRESSED_CORRUPT')))
})

function block(type: 'raw' | 'repeated', text: string, size = text.length, last = false): string {
  const word = (size << 3) | ((type === 'raw' ? 0 : 1) << 1) | Number(last)
  return Buffer.from([word & 0xff, (word >> 8) & 0xff, word >> 16, ...Buffer.from(text)]).toString('hex')
}
