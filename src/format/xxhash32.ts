/*
 * xxHash32: the checksum inside LZ4 frames. Not the hash of keys or segments (that is base/hash.ts) and not the batch checksum.
 *
 * Spec: https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md
 */
const PRIME_1 = 0x9e3779b1
const PRIME_2 = 0x85ebca77
const PRIME_3 = 0xc2b2ae3d
const PRIME_4 = 0x27d4eb2f
const PRIME_5 = 0x165667b1

/** The xxHash32 with seed 0 of `buffer[from, to)`, as an unsigned 32-bit number. */
export function xxhash32(buffer: Uint8Array, from: number, to: number): number {
  let at = from
  let hash: number
  if (to - from >= 16) {
    let lane1 = (PRIME_1 + PRIME_2) | 0
    let lane2 = PRIME_2 | 0
    let lane3 = 0
    let lane4 = -PRIME_1 | 0
    for (const last = to - 16; at <= last; at += 16) {
      lane1 = round(lane1, littleEndian32(buffer, at))
      lane2 = round(lane2, littleEndian32(buffer, at + 4))
      lane3 = round(lane3, littleEndian32(buffer, at + 8))
      lane4 = round(lane4, littleEndian32(buffer, at + 12))
    }
    hash = (rotate(lane1, 1) + rotate(lane2, 7) + rotate(lane3, 12) + rotate(lane4, 18)) | 0
  } else {
    hash = PRIME_5
  }
  hash = (hash + (to - from)) | 0
  for (; at + 4 <= to; at += 4) hash = Math.imul(rotate((hash + Math.imul(littleEndian32(buffer, at), PRIME_3)) | 0, 17), PRIME_4)
  for (; at < to; at++) hash = Math.imul(rotate((hash + Math.imul(buffer[at]!, PRIME_5)) | 0, 11), PRIME_1)
  hash = Math.imul(hash ^ (hash >>> 15), PRIME_2)
  hash = Math.imul(hash ^ (hash >>> 13), PRIME_3)
  return (hash ^ (hash >>> 16)) >>> 0
}

function round(lane: number, word: number): number {
  return Math.imul(rotate((lane + Math.imul(word, PRIME_2)) | 0, 13), PRIME_1)
}

function rotate(value: number, bits: number): number {
  return (value << bits) | (value >>> (32 - bits))
}

function littleEndian32(buffer: Uint8Array, at: number): number {
  return buffer[at]! | (buffer[at + 1]! << 8) | (buffer[at + 2]! << 16) | (buffer[at + 3]! << 24)
}
