/*
 * Murmur2 as Kafka's clients use it to choose a partition for a key: the same key goes to the same partition from every language. Not for
 * anything else: base/hash.ts is the faster hash.
 */

const SEED = 0x9747_b28c
const M = 0x5bd1_e995
const R = 24

/** Kafka's murmur2 of `bytes[from, to)`, as a signed 32-bit integer. */
export function murmur2(bytes: Uint8Array, from = 0, to = bytes.length): number {
  let hash = SEED ^ (to - from)
  let at = from
  for (; at + 4 <= to; at += 4) {
    let k = Math.imul(bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24), M)
    k = Math.imul(k ^ (k >>> R), M)
    hash = Math.imul(hash, M) ^ k
  }
  if (to - at === 3) hash ^= bytes[at + 2]! << 16
  if (to - at >= 2) hash ^= bytes[at + 1]! << 8
  if (to - at >= 1) hash = Math.imul(hash ^ bytes[at]!, M)
  hash = Math.imul(hash ^ (hash >>> 13), M)
  return hash ^ (hash >>> 15)
}

/** A hash without its sign, as Kafka takes it before the remainder: the sign bit is cleared, which is not the absolute value. */
export function toPositive(hash: number): number {
  return hash & 0x7fff_ffff
}
