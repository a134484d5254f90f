/*
 * Integers in bytes: big-endian ones as functions over a buffer and a place in it, variable-length ones, and a reader and a writer that
 * walk. The functions are for hot paths and trust their caller about the place; the reader trusts nobody.
 *
 * 64-bit fields are numbers: every offset, timestamp and position that we write is a safe integer. `getInt64` gives the nearest double
 * for others, so readers that must refuse them check `Number.isSafeInteger`. Producer ids go through `getBigInt64`.
 *
 * varint and varlong are zig-zag; uvarint is not. Least significant seven bits first, the high bit says that more follow: as in
 * Kafka's ByteUtils (docs/format.md#record).
 */
import { LogError, type LogErrorCode } from './errors.ts'

const TWO_32 = 0x1_0000_0000

/**
 * A copy for what is kept long: in memory of its own. `Buffer.from` takes small copies from a slab of up to 64 KiB, and as long as one of them
 * is there the whole slab is.
 */
export function keptCopy(bytes: Uint8Array): Buffer {
  const copy = Buffer.allocUnsafeSlow(bytes.length)
  copy.set(bytes)
  return copy
}

/** Reads a signed 16-bit integer. */
export function getInt16(buffer: Uint8Array, at: number): number {
  return ((buffer[at]! << 24) >> 16) | buffer[at + 1]!
}

/** Reads a signed 32-bit integer. */
export function getInt32(buffer: Uint8Array, at: number): number {
  return (buffer[at]! << 24) | (buffer[at + 1]! << 16) | (buffer[at + 2]! << 8) | buffer[at + 3]!
}

/** Reads an unsigned 32-bit integer. */
export function getUint32(buffer: Uint8Array, at: number): number {
  return getInt32(buffer, at) >>> 0
}

/** Reads a signed 64-bit integer; the nearest double when it is not a safe integer. */
export function getInt64(buffer: Uint8Array, at: number): number {
  return getInt32(buffer, at) * TWO_32 + getUint32(buffer, at + 4)
}

/** Reads a signed 64-bit integer, exactly. */
export function getBigInt64(buffer: Uint8Array, at: number): bigint {
  return (BigInt(getInt32(buffer, at)) << 32n) | BigInt(getUint32(buffer, at + 4))
}

/** Writes the low 16 bits of `value`. */
export function setInt16(buffer: Uint8Array, at: number, value: number): void {
  buffer[at] = value >> 8
  buffer[at + 1] = value
}

/** Writes the low 32 bits of `value`. */
export function setInt32(buffer: Uint8Array, at: number, value: number): void {
  buffer[at] = value >> 24
  buffer[at + 1] = value >> 16
  buffer[at + 2] = value >> 8
  buffer[at + 3] = value
}

/** Writes a safe integer as a signed 64-bit one. */
export function setInt64(buffer: Uint8Array, at: number, value: number): void {
  const high = Math.floor(value / TWO_32)
  setInt32(buffer, at, high)
  setInt32(buffer, at + 4, value - high * TWO_32)
}

/** Writes the low 64 bits of `value`. */
export function setBigInt64(buffer: Uint8Array, at: number, value: bigint): void {
  // Most fit a number, and cost no bigints on the way.
  const number = Number(value)
  if (Number.isSafeInteger(number)) return setInt64(buffer, at, number)
  setInt32(buffer, at, Number(BigInt.asIntN(32, value >> 32n)))
  setInt32(buffer, at + 4, Number(BigInt.asIntN(32, value)))
}

/** Bytes that `value` (−2^31 … 2^31 − 1) takes as a varint: 1 to 5. */
export function varintSize(value: number): number {
  return uvarintSize((value << 1) ^ (value >> 31))
}

/** Bytes that the 32 bits of `value` take as an unsigned varint: 1 to 5. */
export function uvarintSize(value: number): number {
  const bits = value >>> 0
  if (bits < 0x80) return 1
  if (bits < 0x4000) return 2
  if (bits < 0x20_0000) return 3
  return bits < 0x1000_0000 ? 4 : 5
}

/** Bytes that a safe integer takes as a varlong: 1 to 8. */
export function varlongSize(value: number): number {
  if (value >= -0x4000_0000 && value < 0x4000_0000) return varintSize(value)
  let left = value < 0 ? -2 * value - 1 : 2 * value
  let size = 1
  for (; left >= 0x80; size++) left = Math.floor(left / 0x80)
  return size
}

/** Writes a varint and gives the place behind it. */
export function putVarint(buffer: Uint8Array, at: number, value: number): number {
  return putUvarint(buffer, at, (value << 1) ^ (value >> 31))
}

/** Writes the 32 bits of `value` as an unsigned varint and gives the place behind it. */
export function putUvarint(buffer: Uint8Array, at: number, value: number): number {
  let left = value >>> 0
  while (left >= 0x80) {
    buffer[at++] = (left & 0x7f) | 0x80
    left >>>= 7
  }
  buffer[at++] = left
  return at
}

/** Writes a safe integer as a varlong and gives the place behind it. */
export function putVarlong(buffer: Uint8Array, at: number, value: number): number {
  if (value >= -0x4000_0000 && value < 0x4000_0000) return putVarint(buffer, at, value)
  // Zig-zag may pass 2^53, where doubles get coarse: emit the lowest seven bits first, then go on with what is exact again.
  const magnitude = value < 0 ? -value - 1 : value
  const low = ((magnitude % 0x40) * 2) | (value < 0 ? 1 : 0)
  let left = Math.floor(magnitude / 0x40)
  buffer[at++] = left > 0 ? low | 0x80 : low
  while (left >= 0x80) {
    buffer[at++] = (left % 0x80) | 0x80
    left = Math.floor(left / 0x80)
  }
  if (left > 0) buffer[at++] = left
  return at
}

/** Walks over bytes from outside: every step is checked against what is left, and running out is a LogError with the given code. */
export class ByteReader {
  readonly buffer: Uint8Array
  readonly end: number
  /** The place of the next byte. */
  at: number
  readonly #code: LogErrorCode
  readonly #what: string

  /**
   * @param code  the code of the error that short or malformed bytes raise
   * @param what  names what is being read in that error
   */
  constructor(buffer: Uint8Array, at: number, end: number, code: LogErrorCode, what: string) {
    this.buffer = buffer
    this.at = at
    this.end = end
    this.#code = code
    this.#what = what
  }

  get left(): number {
    return this.end - this.at
  }

  /** Raises the reader's error. */
  fail(reason: string, cause?: unknown): never {
    throw new LogError(this.#code, `${this.#what}: ${reason} (byte ${this.at} of ${this.end})`, { position: this.at, reason }, cause)
  }

  int8(): number {
    return (this.buffer[this.#step(1)]! << 24) >> 24
  }

  int16(): number {
    return getInt16(this.buffer, this.#step(2))
  }

  uint16(): number {
    return this.int16() & 0xffff
  }

  int32(): number {
    return getInt32(this.buffer, this.#step(4))
  }

  uint32(): number {
    return getUint32(this.buffer, this.#step(4))
  }

  /** A signed 64-bit integer that must be a safe one. */
  int64(): number {
    const value = getInt64(this.buffer, this.#step(8))
    return Number.isSafeInteger(value) ? value : this.large64(value)
  }

  /** What stands for a 64-bit integer that is not a safe one. Overridden by readers that do not take it for damage. */
  protected large64(_value: number): number {
    return this.fail('a 64-bit integer is beyond 2^53')
  }

  bigint64(): bigint {
    return getBigInt64(this.buffer, this.#step(8))
  }

  float64(): number {
    const at = this.#step(8)
    return new DataView(this.buffer.buffer, this.buffer.byteOffset + at, 8).getFloat64(0)
  }

  uvarint(): number {
    let value = 0
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.buffer[this.#step(1)]!
      if (shift === 28 && byte > 0x0f) break
      value |= (byte & 0x7f) << shift
      if (byte < 0x80) return value >>> 0
    }
    return this.fail('a varint has more than 32 bits')
  }

  varint(): number {
    const bits = this.uvarint()
    return (bits >>> 1) ^ -(bits & 1)
  }

  /** A zig-zag varint of up to 64 bits that must be a safe integer. */
  varlong(): number {
    let bits = 0n
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = this.buffer[this.#step(1)]!
      if (shift === 63n && byte > 1) break
      bits |= BigInt(byte & 0x7f) << shift
      if (byte >= 0x80) continue
      const value = Number((bits >> 1n) ^ -(bits & 1n))
      return Number.isSafeInteger(value) ? value : this.fail('a varlong is beyond 2^53')
    }
    return this.fail('a varlong has more than 64 bits')
  }

  /** So many items of a list follow. Overridden by readers that bound how many there are in all: a value takes far more memory than its bytes. */
  items(_count: number): void {}

  /** A view of the next `count` bytes. */
  bytes(count: number): Uint8Array {
    if (count < 0) this.fail(`a length of ${count}`)
    const from = this.#step(count)
    return this.buffer.subarray(from, from + count)
  }

  /** The next `count` bytes as UTF-8. */
  string(count: number): string {
    if (count < 0) this.fail(`a length of ${count}`)
    const from = this.#step(count)
    const { buffer } = this
    // No views where none are needed: requests are read from Buffers.
    if (Buffer.isBuffer(buffer)) return buffer.toString('utf8', from, from + count)
    return Buffer.from(buffer.buffer, buffer.byteOffset + from, count).toString('utf8')
  }

  #step(count: number): number {
    const from = this.at
    if (count > this.end - from) this.fail(`${count} bytes expected, ${this.end - from} left`)
    this.at = from + count
    return from
  }
}

/** Writes one thing after another into a buffer that grows. */
export class ByteWriter {
  /** Where the bytes go; replaced by a larger one when it is full, so never keep it across a write. */
  buffer: Buffer
  /** The place of the next byte. */
  at: number

  constructor(buffer: Buffer = Buffer.allocUnsafe(256), at = 0) {
    this.buffer = buffer
    this.at = at
  }

  /** Makes sure that `count` more bytes fit. Whoever writes into `buffer` by hand calls it first. */
  reserve(count: number): void {
    if (this.at + count > this.buffer.length) this.grow(count)
  }

  /** Replaces `buffer` by a larger one with the same contents. Overridden by writers that own their memory. */
  protected grow(count: number): void {
    const larger = Buffer.allocUnsafe(Math.max(this.buffer.length * 2, this.at + count))
    this.buffer.copy(larger, 0, 0, this.at)
    this.buffer = larger
  }

  int8(value: number): void {
    this.reserve(1)
    this.buffer[this.at++] = value
  }

  int16(value: number): void {
    this.reserve(2)
    setInt16(this.buffer, this.at, value)
    this.at += 2
  }

  int32(value: number): void {
    this.reserve(4)
    setInt32(this.buffer, this.at, value)
    this.at += 4
  }

  int64(value: number): void {
    this.reserve(8)
    setInt64(this.buffer, this.at, value)
    this.at += 8
  }

  bigint64(value: bigint): void {
    this.reserve(8)
    setBigInt64(this.buffer, this.at, value)
    this.at += 8
  }

  float64(value: number): void {
    this.reserve(8)
    this.at = this.buffer.writeDoubleBE(value, this.at)
  }

  uvarint(value: number): void {
    this.reserve(5)
    this.at = putUvarint(this.buffer, this.at, value)
  }

  varint(value: number): void {
    this.reserve(5)
    this.at = putVarint(this.buffer, this.at, value)
  }

  varlong(value: number): void {
    this.reserve(10)
    this.at = putVarlong(this.buffer, this.at, value)
  }

  bytes(value: Uint8Array): void {
    this.reserve(value.length)
    this.buffer.set(value, this.at)
    this.at += value.length
  }

  /** UTF-8, without a length in front. */
  string(value: string): void {
    this.reserve(value.length * 3)
    this.at += this.buffer.write(value, this.at, 'utf8')
  }

  /** A view of what was written from `from` on. */
  written(from = 0): Buffer {
    return this.buffer.subarray(from, this.at)
  }
}
