/*
 * Snappy as Kafka frames it: the stream of xerial's snappy-java around raw blocks, and a decoder for the raw blocks, so that reading
 * needs no package. Not the "framing format" of Google (sNaPpY). Compressing a block is the caller's: see compression.ts.
 *
 *    0                          8         12        16
 *    +--------------------------+---------+---------+------+-----------+------+-----------+--
 *    | 82 53 4e 41 50 50 59 00  | version | minimum | size | raw block | size | raw block | …
 *    +--------------------------+---------+---------+------+-----------+------+-----------+--
 *      "\x82SNAPPY\0"               1         1      big-endian, bytes of the block
 *
 * Spec: docs/format.md#compression; https://github.com/google/snappy/blob/main/format_description.txt
 */
import { getInt32, setInt32 } from '../base/bytes.ts'
import { LogError } from '../base/errors.ts'
import { type Memory } from './memory.ts'

const MAGIC = Buffer.from('82534e4150505900', 'hex')
const MAGIC_HEAD = getInt32(MAGIC, 0)
const VERSION = 1
const HEADER_SIZE = 16
/** Input bytes in one block, as xerial's stream has them. */
const BLOCK_SIZE = 32 * 1024
/** No element makes more than 64 bytes out of 3, so a block that claims more is damaged and gets no memory. */
const MOST_BYTES_PER_BYTE = 22

/** Compresses the bytes of one block. */
export type CompressBlock = (bytes: Uint8Array) => Uint8Array

/** A xerial stream of `bytes`, in blocks of 32 KiB that `compressBlock` makes (raw Snappy, with the length in front). */
export function writeXerialSnappy(bytes: Uint8Array, compressBlock: CompressBlock): Buffer {
  const header = Buffer.alloc(HEADER_SIZE)
  MAGIC.copy(header)
  setInt32(header, 8, VERSION)
  setInt32(header, 12, VERSION)
  const parts: Uint8Array[] = [header]
  for (let at = 0; at < bytes.length; at += BLOCK_SIZE) {
    const block = compressBlock(bytes.subarray(at, at + BLOCK_SIZE))
    const size = Buffer.allocUnsafe(4)
    setInt32(size, 0, block.length)
    parts.push(size, block)
  }
  return Buffer.concat(parts)
}

/**
 * What a xerial stream, several of them in a row, or one bare raw block stands for. Some clients send the bare block, and Kafka stores it
 * as sent.
 *
 * @throws LogError `LOG_COMPRESSED_CORRUPT`; `LOG_DECOMPRESSED_TOO_LARGE` when it is more than `maxSize` bytes: then none were allocated
 */
export function readSnappy(bytes: Uint8Array, maxSize: number, memory: Memory = Buffer.allocUnsafe): Buffer {
  const blocks = isXerial(bytes) ? xerialBlocks(bytes) : [blockAt(bytes, 0, bytes.length)]
  const total = blocks.reduce((sum, block) => sum + block.size, 0)
  if (total > maxSize) {
    throw new LogError('LOG_DECOMPRESSED_TOO_LARGE', `snappy: ${total} bytes decompressed, the limit is ${maxSize}`, { size: total, maxSize })
  }
  const out = memory(total)
  let to = 0
  for (const block of blocks) {
    decodeBlock(bytes, block, out, to)
    to += block.size
  }
  return out
}

interface Block {
  /** Where the elements begin and end, behind the block's own length. */
  readonly from: number
  readonly end: number
  /** Bytes that it says it stands for. */
  readonly size: number
}

function isXerial(bytes: Uint8Array): boolean {
  return bytes.length >= HEADER_SIZE && MAGIC.equals(bytes.subarray(0, MAGIC.length))
}

function xerialBlocks(bytes: Uint8Array): Block[] {
  const blocks: Block[] = []
  for (let at = 0; at < bytes.length;) {
    if (bytes.length - at < 4) corrupt(`${bytes.length - at} bytes behind the last block`)
    const size = getInt32(bytes, at)
    if (size === MAGIC_HEAD) {
      at = afterHeader(bytes, at)
      continue
    }
    at += 4
    if (size < 0 || size > bytes.length - at) corrupt(`a block of ${size} bytes, ${bytes.length - at} are left`)
    blocks.push(blockAt(bytes, at, at + size))
    at += size
  }
  return blocks
}

function afterHeader(bytes: Uint8Array, at: number): number {
  if (bytes.length - at < HEADER_SIZE) corrupt('the stream header is cut')
  if (getInt32(bytes, at + 4) !== getInt32(MAGIC, 4)) corrupt('no xerial magic')
  const minimum = getInt32(bytes, at + 12)
  if (minimum > VERSION) corrupt(`the stream needs version ${minimum}`)
  return at + HEADER_SIZE
}

function blockAt(bytes: Uint8Array, from: number, end: number): Block {
  let size = 0
  let at = from
  for (let shift = 0; ; shift += 7) {
    const byte = at < end ? bytes[at++]! : corrupt('a block without a length')
    if (shift === 28 && byte > 0x0f) corrupt('the length of a block has more than 32 bits')
    size += (byte & 0x7f) * 2 ** shift
    if (byte < 0x80) break
  }
  if (size > (end - at) * MOST_BYTES_PER_BYTE) corrupt(`a block of ${end - at} bytes claims to be ${size} bytes`)
  return { from: at, end, size }
}

/** Decodes the elements of a block into `out[to, to + block.size)`. The place of every byte is checked before it is read or written. */
function decodeBlock(bytes: Uint8Array, block: Block, out: Buffer, to: number): void {
  const { end } = block
  const outEnd = to + block.size
  const outStart = to
  let at = block.from
  while (at < end) {
    const tag = bytes[at++]!
    const kind = tag & 3
    if (kind === 0) {
      let length = (tag >> 2) + 1
      const extra = length - 60
      if (extra > 0) {
        if (at + extra > end) corrupt('the length of a literal is cut')
        length = little(bytes, at, extra) + 1
        at += extra
      }
      if (length > end - at || length > outEnd - to) corrupt(`a literal of ${length} bytes does not fit`)
      const after = at + length
      if (length > 32) {
        out.set(bytes.subarray(at, after), to)
        to += length
        at = after
      } else while (at < after) out[to++] = bytes[at++]!
      continue
    }
    const width = kind === 3 ? 4 : kind
    if (at + width > end) corrupt('a copy is cut')
    const length = kind === 1 ? ((tag >> 2) & 7) + 4 : (tag >> 2) + 1
    const distance = kind === 1 ? ((tag >> 5) << 8) | bytes[at]! : little(bytes, at, width)
    at += width
    if (distance === 0 || distance > to - outStart || length > outEnd - to) corrupt(`a copy of ${length} bytes from ${distance} back`)
    // Byte by byte, since a copy may overlap what it writes: that is how runs are written.
    for (const stop = to + length; to < stop; to++) out[to] = out[to - distance]!
  }
  if (to !== outEnd) corrupt(`a block ends ${outEnd - to} bytes early`)
}

/** An unsigned little-endian number of 1 to 4 bytes. */
function little(bytes: Uint8Array, at: number, width: number): number {
  if (width === 2) return bytes[at]! | (bytes[at + 1]! << 8)
  let value = 0
  for (let i = width - 1; i >= 0; i--) value = (value << 8) | bytes[at + i]!
  return value >>> 0
}

function corrupt(reason: string): never {
  throw new LogError('LOG_COMPRESSED_CORRUPT', `snappy: ${reason}`, { compression: 'snappy', reason })
}
