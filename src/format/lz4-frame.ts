/*
 * The LZ4 frame format as Kafka reads and writes it, and a decoder for the blocks inside, so that reading needs no package. One frame
 * only, blocks independent of each other, no dictionary. Compressing a block is the caller's: see compression.ts.
 *
 *    0       4     5    6             14 or 6
 *    +-------+-----+----+--------------+----+------+-------+-----------+--     +----------+------------------+
 *    | magic | FLG | BD | content size | HC | size | block | block sum | …     | 00000000 | content checksum |
 *    +-------+-----+----+--------------+----+------+-------+-----------+--     +----------+------------------+
 *                         FLG bit 3      little-endian,      FLG bit 4                      FLG bit 2
 *                                        bit 31: stored
 *
 * Content size and content checksum are skipped unread, as in Kafka. Spec: docs/format.md#compression;
 * https://github.com/lz4/lz4/blob/dev/doc/lz4_Frame_format.md and lz4_Block_format.md
 */
import { LogError } from '../base/errors.ts'
import { type Memory, memoryUsedAgain, USED_AGAIN_BYTES } from './memory.ts'
import { xxhash32 } from './xxhash32.ts'

const MAGIC = 0x184d2204
const FLG_AT = 4
const BD_AT = 5
const VERSION_1 = 0x40
const VERSION_MASK = 0xc0
const INDEPENDENT_BLOCKS = 0x20
const BLOCK_CHECKSUMS = 0x10
const CONTENT_SIZE = 0x08
const CONTENT_CHECKSUM = 0x04
const RESERVED_FLG = 0x03
const RESERVED_BD = 0x8f
/** Bit 31 of a block's size: the block is stored as it is. */
const STORED = 0x8000_0000
const SMALLEST_MATCH = 4
/** No sequence makes more than 255 bytes out of one. */
const MOST_BYTES_PER_BYTE = 255

/** What Kafka's producer writes: version 1, independent blocks of 64 KiB, no checksums; 0x82 is the descriptor's own check byte. */
const KAFKA_HEADER = Buffer.from('04224d18604082', 'hex')
const KAFKA_BLOCK_SIZE = 64 * 1024

/** Where frames are decoded: the sizes in a frame only bound the result, and by far. */
const scratch = memoryUsedAgain()

/** Compresses the bytes of one block: a raw LZ4 block without any length in front. */
export type CompressBlock = (bytes: Uint8Array) => Uint8Array

/** One LZ4 frame of `bytes`, in blocks of 64 KiB; a block that `compressBlock` does not make smaller is stored as it is. */
export function writeLz4Frame(bytes: Uint8Array, compressBlock: CompressBlock): Buffer {
  const parts: Uint8Array[] = [KAFKA_HEADER]
  for (let at = 0; at < bytes.length; at += KAFKA_BLOCK_SIZE) {
    const plain = bytes.subarray(at, at + KAFKA_BLOCK_SIZE)
    const packed = compressBlock(plain)
    const stored = packed.length >= plain.length
    const size = Buffer.allocUnsafe(4)
    size.writeUInt32LE(stored ? plain.length + STORED : packed.length)
    parts.push(size, stored ? plain : packed)
  }
  parts.push(Buffer.alloc(4))
  return Buffer.concat(parts)
}

/**
 * What one LZ4 frame stands for.
 *
 * @throws LogError `LOG_COMPRESSED_CORRUPT` for damage, a second frame or anything else behind the first, dependent blocks and
 *   dictionaries; `LOG_DECOMPRESSED_TOO_LARGE` when it is more than `maxSize` bytes
 */
export function readLz4Frame(bytes: Uint8Array, maxSize: number, memory: Memory = Buffer.allocUnsafe): Buffer {
  const frame = parseFrame(bytes)
  const most = Math.min(frame.mostBytes, maxSize)
  const out = scratch(most)
  let size = 0
  for (const block of frame.blocks) {
    const limit = Math.min(size + frame.blockSize, out.length)
    size = block.stored ? copyBlock(bytes, block, out, size, limit) : decodeBlock(bytes, block, out, size, limit)
    // Running past the limit of a block is damage unless it was our limit that was met.
    if (size < 0 && limit === maxSize) {
      throw new LogError('LOG_DECOMPRESSED_TOO_LARGE', `lz4: more than ${maxSize} bytes decompressed`, { maxSize })
    }
    if (size < 0) corrupt(`a block is larger than the ${frame.blockSize} bytes of the frame`)
  }
  // What is far below the bound must not hold all of that memory.
  if (most > USED_AGAIN_BYTES && size * 2 >= most) return out.subarray(0, size)
  const exact = memory(size)
  out.copy(exact, 0, 0, size)
  return exact
}

interface Frame {
  readonly blockSize: number
  readonly blocks: readonly Block[]
  /** More than all blocks together can stand for. */
  readonly mostBytes: number
}

interface Block {
  readonly from: number
  readonly end: number
  readonly stored: boolean
}

function parseFrame(bytes: Uint8Array): Frame {
  if (bytes.length < 7) corrupt('the frame header is cut')
  if (uint32(bytes, 0) !== MAGIC) corrupt('no LZ4 frame magic')
  const flags = bytes[FLG_AT]!
  const blockSize = blockSizeOf(flags, bytes[BD_AT]!)
  const headerEnd = afterDescriptor(bytes, flags)
  const blocks: Block[] = []
  let mostBytes = 0
  let at = headerEnd
  for (;;) {
    if (bytes.length - at < 4) corrupt('the frame has no end mark')
    const word = uint32(bytes, at)
    at += 4
    if (word === 0) break
    const block = { from: at, end: at + (word & ~STORED), stored: word >= STORED }
    at = afterBlock(bytes, block, blockSize, flags)
    mostBytes += Math.min(blockSize, (block.end - block.from) * MOST_BYTES_PER_BYTE)
    blocks.push(block)
  }
  if (flags & CONTENT_CHECKSUM) at += 4
  if (at !== bytes.length) corrupt(at > bytes.length ? 'the content checksum is cut' : `${bytes.length - at} bytes behind the frame`)
  return { blockSize, blocks, mostBytes }
}

function blockSizeOf(flags: number, bd: number): number {
  if ((flags & VERSION_MASK) !== VERSION_1) corrupt(`frame version ${flags >> 6}`)
  if ((flags & RESERVED_FLG) !== 0) corrupt('reserved flags, or a dictionary')
  if ((flags & INDEPENDENT_BLOCKS) === 0) corrupt('blocks that depend on each other')
  const code = bd >> 4
  if ((bd & RESERVED_BD) !== 0 || code < 4) corrupt(`block descriptor ${bd}`)
  return 1 << (8 + 2 * code)
}

function afterDescriptor(bytes: Uint8Array, flags: number): number {
  const checkAt = flags & CONTENT_SIZE ? BD_AT + 9 : BD_AT + 1
  if (checkAt >= bytes.length) corrupt('the frame header is cut')
  const check = (xxhash32(bytes, FLG_AT, checkAt) >> 8) & 0xff
  if (bytes[checkAt] !== check) corrupt(`header checksum ${check}, the header says ${bytes[checkAt]}`)
  return checkAt + 1
}

function afterBlock(bytes: Uint8Array, block: Block, blockSize: number, flags: number): number {
  const size = block.end - block.from
  if (size > blockSize) corrupt(`a block of ${size} bytes in a frame of ${blockSize}-byte blocks`)
  const after = block.end + (flags & BLOCK_CHECKSUMS ? 4 : 0)
  if (after > bytes.length) corrupt(`a block of ${size} bytes is cut`)
  if (after !== block.end && xxhash32(bytes, block.from, block.end) !== uint32(bytes, block.end)) corrupt('a block checksum is wrong')
  return after
}

/** The place behind the copied bytes, or -1 when they do not fit below `limit`. */
function copyBlock(bytes: Uint8Array, block: Block, out: Buffer, to: number, limit: number): number {
  const after = to + block.end - block.from
  if (after > limit) return -1
  out.set(bytes.subarray(block.from, block.end), to)
  return after
}

/** Decodes a block from `to` on: the place behind, or -1 when it does not fit below `limit`. A match never reaches before `to`. */
function decodeBlock(bytes: Uint8Array, block: Block, out: Buffer, to: number, limit: number): number {
  const { end } = block
  const outStart = to
  let at = block.from
  for (;;) {
    if (at >= end) corrupt('a block ends in the middle')
    const token = bytes[at++]!
    let literals = token >> 4
    if (literals === 15) {
      let byte
      do {
        byte = at < end ? bytes[at++]! : corrupt('a literal length is cut')
        literals += byte
      } while (byte === 255)
    }
    if (literals > end - at) corrupt(`a literal of ${literals} bytes, ${end - at} are left`)
    if (literals > limit - to) return -1
    if (literals <= 16) for (let i = 0; i < literals; i++) out[to + i] = bytes[at + i]!
    else out.set(bytes.subarray(at, at + literals), to)
    at += literals
    to += literals
    // The last sequence of a block has literals only.
    if (at === end) return to
    if (end - at < 2) corrupt('a match is cut')
    const distance = bytes[at]! | (bytes[at + 1]! << 8)
    at += 2
    let length = (token & 15) + SMALLEST_MATCH
    if (length === 15 + SMALLEST_MATCH) {
      let byte
      do {
        byte = at < end ? bytes[at++]! : corrupt('a match length is cut')
        length += byte
      } while (byte === 255)
    }
    if (distance === 0 || distance > to - outStart) corrupt(`a match from ${distance} back`)
    if (length > limit - to) return -1
    // Byte by byte when it overlaps what it writes: that is how runs are written.
    if (length > 64 && distance >= length) out.copyWithin(to, to - distance, to - distance + length)
    else for (let i = 0; i < length; i++) out[to + i] = out[to + i - distance]!
    to += length
  }
}

function uint32(bytes: Uint8Array, at: number): number {
  return (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)) >>> 0
}

function corrupt(reason: string): never {
  throw new LogError('LOG_COMPRESSED_CORRUPT', `lz4: ${reason}`, { compression: 'lz4', reason })
}
