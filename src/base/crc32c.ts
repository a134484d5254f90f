/*
 * CRC-32C (Castagnoli), the checksum of batches and of our own files: not the CRC-32 of zlib. Resumable: the CRC of the first part is
 * handed in with the second.
 */

const POLYNOMIAL = 0x82f6_3b78 // bits reversed
const SLICES = 16

/** Table n, at n * 256, says what a byte does to the register n bytes later. */
const tables = makeTables()

/**
 * The CRC-32C of `buffer[from, to)`, as an unsigned 32-bit number.
 *
 * @param previous  the CRC of the bytes before these; 0 when there are none
 */
export function crc32c(buffer: Uint8Array, from: number, to: number, previous = 0): number {
  return crc32cTables(buffer, from, to, previous)
}

/** As {@link crc32c}, by tables alone: what small inputs take, and all of them where the other way is missing. */
export function crc32cTables(buffer: Uint8Array, from: number, to: number, previous = 0): number {
  let register = ~previous
  let at = from
  for (; at + SLICES <= to; at += SLICES) {
    register =
      tables[0xf00 + (buffer[at]! ^ (register & 0xff))]! ^
      tables[0xe00 + (buffer[at + 1]! ^ ((register >>> 8) & 0xff))]! ^
      tables[0xd00 + (buffer[at + 2]! ^ ((register >>> 16) & 0xff))]! ^
      tables[0xc00 + (buffer[at + 3]! ^ (register >>> 24))]! ^
      tables[0xb00 + buffer[at + 4]!]! ^
      tables[0xa00 + buffer[at + 5]!]! ^
      tables[0x900 + buffer[at + 6]!]! ^
      tables[0x800 + buffer[at + 7]!]! ^
      tables[0x700 + buffer[at + 8]!]! ^
      tables[0x600 + buffer[at + 9]!]! ^
      tables[0x500 + buffer[at + 10]!]! ^
      tables[0x400 + buffer[at + 11]!]! ^
      tables[0x300 + buffer[at + 12]!]! ^
      tables[0x200 + buffer[at + 13]!]! ^
      tables[0x100 + buffer[at + 14]!]! ^
      tables[buffer[at + 15]!]!
  }
  for (; at < to; at++) register = tables[(register ^ buffer[at]!) & 0xff]! ^ (register >>> 8)
  return ~register >>> 0
}

function makeTables(): Int32Array {
  const made = new Int32Array(SLICES * 256)
  for (let byte = 0; byte < 256; byte++) {
    let register = byte
    for (let bit = 0; bit < 8; bit++) register = (register >>> 1) ^ (register & 1 ? POLYNOMIAL : 0)
    made[byte] = register
  }
  for (let at = 256; at < made.length; at++) made[at] = made[made[at - 256]! & 0xff]! ^ (made[at - 256]! >>> 8)
  return made
}
