/*
 * XXH3 with 64 bits, no seed and the standard secret: the hash that Kafka keeps of the topics which a group reads. By bigints, so for little
 * that is hashed rarely. Spec: the XXH3 algorithm of xxHash 0.8.
 */

const MASK = (1n << 64n) - 1n
const P32_1 = 0x9e3779b1n
const P32_2 = 0x85ebca77n
const P32_3 = 0xc2b2ae3dn
const P64_1 = 0x9e3779b185ebca87n
const P64_2 = 0xc2b2ae3d27d4eb4fn
const P64_3 = 0x165667b19e3779f9n
const P64_4 = 0x85ebca77c2b2ae63n
const P64_5 = 0x27d4eb2f165667c5n
const MIX_1 = 0x165667919e3779f9n
const MIX_2 = 0x9fb21c651e98df25n

const secret = Buffer.from(
  'b8fe6c3923a44bbe7c01812cf721ad1cded46de9839097db7240a4a4b7b3671fcb79e64eccc0e578825ad07dccff7221b8084674f743248ee03590e6813a264c' +
  '3c2852bb91c300cb88d0658b1b532ea371644897a20df94e3819ef46a9deacd8a8fa763fe39c343ff9dcbbc7c70b4f1d8a51e04bcdb45931c89f7ec9d9787364ea' +
  'c5ac8334d3ebc3c581a0fffa1363eb170ddd51b7f0da49d316552629d4689e2b16be587d47a1fc8ff8b8d17ad031ce45cb3a8f95160428afd7fbcabb4b407e',
  'hex',
)

/** Bytes up to which an input is hashed at one go, and bytes of a stripe and of a block of longer ones. */
const LONG = 240
const STRIPE = 64
const BLOCK = 1024

/** The hash as an unsigned integer. */
export function xxh3(bytes: Uint8Array): bigint {
  const input = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
  const { length } = input
  if (length > LONG) return long(input)
  if (length > 128) return upTo240(input)
  if (length > 16) return upTo128(input)
  if (length > 8) return upTo16(input)
  if (length > 3) return upTo8(input)
  return length > 0 ? upTo3(input) : lastMix64(key(56) ^ key(64))
}

function upTo3(input: Buffer): bigint {
  const { length } = input
  const combined = ((input[0]! << 16) | (input[length >> 1]! << 24) | input[length - 1]! | (length << 8)) >>> 0
  return lastMix64(BigInt(combined) ^ BigInt((secret.readUInt32LE(0) ^ secret.readUInt32LE(4)) >>> 0))
}

function upTo8(input: Buffer): bigint {
  const first = BigInt(input.readUInt32LE(0))
  const last = BigInt(input.readUInt32LE(input.length - 4))
  let hash = (last + (first << 32n)) ^ key(8) ^ key(16)
  hash ^= rotated(hash, 49n) ^ rotated(hash, 24n)
  hash = (hash * MIX_2) & MASK
  hash ^= (hash >> 35n) + BigInt(input.length)
  hash = (hash * MIX_2) & MASK
  return hash ^ (hash >> 28n)
}

function upTo16(input: Buffer): bigint {
  const low = input.readBigUInt64LE(0) ^ key(24) ^ key(32)
  const high = input.readBigUInt64LE(input.length - 8) ^ key(40) ^ key(48)
  return lastMix(BigInt(input.length) + swapped(low) + high + folded(low, high))
}

/** Sixteen bytes from either end, from the outside to the middle. */
function upTo128(input: Buffer): bigint {
  const { length } = input
  let sum = BigInt(length) * P64_1
  for (let pair = Math.ceil(length / 32) - 1; pair >= 0; pair--) {
    sum += mixed(input, 16 * pair, 32 * pair) + mixed(input, length - 16 * (pair + 1), 32 * pair + 16)
  }
  return lastMix(sum)
}

function upTo240(input: Buffer): bigint {
  const { length } = input
  let sum = BigInt(length) * P64_1
  for (let at = 0; at < 128; at += 16) sum += mixed(input, at, at)
  sum = lastMix(sum)
  for (let at = 128; at + 16 <= length; at += 16) sum += mixed(input, at, at - 128 + 3)
  return lastMix(sum + mixed(input, length - 16, 136 - 17))
}

function long(input: Buffer): bigint {
  const { length } = input
  const sums = [P32_3, P64_1, P64_2, P64_3, P64_4, P32_2, P64_5, P32_1]
  const last = length - STRIPE
  for (let at = 0; at < length - 1 - ((length - 1) % STRIPE); at += STRIPE) {
    accumulate(sums, input, at, ((at % BLOCK) / STRIPE) * 8)
    if ((at + STRIPE) % BLOCK === 0) scramble(sums)
  }
  accumulate(sums, input, last, secret.length - STRIPE - 7)
  let hash = BigInt(length) * P64_1
  for (let at = 0; at < 8; at += 2) hash += folded(sums[at]! ^ key(11 + 8 * at), sums[at + 1]! ^ key(19 + 8 * at))
  return lastMix(hash)
}

function accumulate(sums: bigint[], input: Buffer, at: number, keyAt: number): void {
  for (let lane = 0; lane < 8; lane++) {
    const value = input.readBigUInt64LE(at + 8 * lane)
    const keyed = value ^ key(keyAt + 8 * lane)
    sums[lane ^ 1] = (sums[lane ^ 1]! + value) & MASK
    sums[lane] = (sums[lane]! + (keyed & 0xffff_ffffn) * (keyed >> 32n)) & MASK
  }
}

function scramble(sums: bigint[]): void {
  for (let lane = 0; lane < 8; lane++) {
    const sum = sums[lane]!
    sums[lane] = ((sum ^ (sum >> 47n) ^ key(secret.length - STRIPE + 8 * lane)) * P32_1) & MASK
  }
}

function mixed(input: Buffer, at: number, keyAt: number): bigint {
  return folded(input.readBigUInt64LE(at) ^ key(keyAt), input.readBigUInt64LE(at + 8) ^ key(keyAt + 8))
}

/** Both halves of the product in one. */
function folded(a: bigint, b: bigint): bigint {
  const product = a * b
  return (product & MASK) ^ (product >> 64n)
}

function lastMix(sum: bigint): bigint {
  let hash = sum & MASK
  hash ^= hash >> 37n
  hash = (hash * MIX_1) & MASK
  return hash ^ (hash >> 32n)
}

/** As XXH64 ends. */
function lastMix64(sum: bigint): bigint {
  let hash = sum ^ (sum >> 33n)
  hash = (hash * P64_2) & MASK
  hash ^= hash >> 29n
  hash = (hash * P64_3) & MASK
  return hash ^ (hash >> 32n)
}

function key(at: number): bigint {
  return secret.readBigUInt64LE(at)
}

function rotated(value: bigint, by: bigint): bigint {
  return ((value << by) | (value >> (64n - by))) & MASK
}

function swapped(value: bigint): bigint {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64LE(value)
  return bytes.readBigUInt64BE()
}
