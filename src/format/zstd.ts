/*
 * Zstandard frames: where each begins and ends, and the most that it can stand for. The bytes inside are the business of node:zlib, or of
 * an optional package where Node has no zstd yet (before 22.15): see compression.ts.
 *
 * The walk is ours because decoders stop where we must not. Node's reads only the first of several frames before version 26, and 22.15
 * takes a cut one for a whole one; and no decoder that a package brings takes a limit.
 *
 *    +-------+-----+--------+------+--------------+-------+------+-----+----------+
 *    | magic | FHD | window | dict | content size | block | size | …   | checksum |     block header: 3 bytes, little-endian:
 *    +-------+-----+--------+------+--------------+-------+------+-----+----------+     last:1, type:2, size:21
 *
 * Spec: RFC 8878; docs/format.md#compression
 */
import { LogError } from '../base/errors.ts'

const MAGIC = 0xfd2fb528
const SKIPPABLE_MAGIC = 0x184d2a50
const SKIPPABLE_MASK = 0xffff_fff0
const SINGLE_SEGMENT = 0x20
const RESERVED = 0x08
const CHECKSUM = 0x04
const DICTIONARY_ID_SIZES = [0, 1, 2, 4]
/** No block stands for more, whatever the window. */
const MOST_BLOCK_BYTES = 128 * 1024
const blockTypes = { raw: 0, repeated: 1, compressed: 2 }

/** A frame with content; skippable frames are left out. */
export interface ZstdFrame {
  readonly from: number
  readonly end: number
  /** The most bytes that the frame can stand for: exact but for its compressed blocks, which count 128 KiB each. */
  readonly mostBytes: number
}

/**
 * The frames of `bytes`, one after another. Whether the blocks themselves are sound is not looked at.
 *
 * @throws LogError `LOG_COMPRESSED_CORRUPT` when a frame is cut, has reserved bits set, or something that is no frame lies behind it
 */
export function zstdFrames(bytes: Uint8Array): ZstdFrame[] {
  const frames: ZstdFrame[] = []
  if (bytes.length === 0) corrupt('no bytes')
  for (let at = 0; at < bytes.length;) {
    if (bytes.length - at < 8) corrupt(`${bytes.length - at} bytes that are no frame`)
    const magic = uint32(bytes, at)
    if (((magic & SKIPPABLE_MASK) >>> 0) === SKIPPABLE_MAGIC) {
      at += 8 + uint32(bytes, at + 4)
      if (at > bytes.length) corrupt('a skippable frame is cut')
      continue
    }
    if (magic !== MAGIC) corrupt('no zstd frame magic')
    const frame = walkFrame(bytes, at)
    frames.push(frame)
    at = frame.end
  }
  return frames
}

function walkFrame(bytes: Uint8Array, from: number): ZstdFrame {
  const descriptor = bytes[from + 4]!
  if (descriptor & RESERVED) corrupt('a reserved bit is set')
  let mostBytes = 0
  let at = from + 5 + headerTail(descriptor)
  for (let last = false; !last;) {
    if (bytes.length - at < 3) corrupt('a frame is cut')
    const word = bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16)
    last = (word & 1) === 1
    const type = (word >> 1) & 3
    const size = word >> 3
    if (type > blockTypes.compressed) corrupt('a block of the reserved type')
    if (size > MOST_BLOCK_BYTES) corrupt(`a block of ${size} bytes`)
    mostBytes += type === blockTypes.compressed ? MOST_BLOCK_BYTES : size
    at += 3 + (type === blockTypes.repeated ? 1 : size)
  }
  if (descriptor & CHECKSUM) at += 4
  if (at > bytes.length) corrupt('a frame is cut')
  return { from, end: at, mostBytes }
}

/** Bytes of the frame header behind its descriptor: window, dictionary id and content size. */
function headerTail(descriptor: number): number {
  const single = (descriptor & SINGLE_SEGMENT) !== 0
  const contentSizeFlag = descriptor >> 6
  const contentSizeBytes = contentSizeFlag === 0 ? Number(single) : 1 << contentSizeFlag
  return Number(!single) + DICTIONARY_ID_SIZES[descriptor & 3]! + contentSizeBytes
}

function uint32(bytes: Uint8Array, at: number): number {
  return (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)) >>> 0
}

function corrupt(reason: string): never {
  throw new LogError('LOG_COMPRESSED_CORRUPT', `zstd: ${reason}`, { compression: 'zstd', reason })
}
