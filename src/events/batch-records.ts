/*
 * The records of a batch as the index of streams looks at them: where each lies, without taking any apart. A batch that is compressed is
 * unpacked first, and nothing of it has a place then.
 */
import { type BatchHeader, RECORDS_AT } from '../format/batch.ts'
import { decompress } from '../format/compression.ts'

/**
 * Takes a record.
 *
 * @param bodyAt  where it begins in `buffer`, behind its length; it ends at `end`
 * @param at  where it begins with its length, in bytes from the beginning of its batch
 * @param size  its bytes, with the length; 0 when the batch is compressed
 */
export type RecordVisit = (buffer: Buffer, bodyAt: number, end: number, offset: number, at: number, size: number) => void

/** Calls `visit` for the records of the batch at `at`, as far as they are whole. */
export function visitRecords(header: BatchHeader, buffer: Buffer, at: number, visit: RecordVisit): void {
  if (header.control) return
  const packed = header.compression !== 'none'
  const records = packed ? decompress(header.compression, buffer.subarray(at + RECORDS_AT, at + header.size)) : buffer
  const end = packed ? records.length : at + header.size
  let next = packed ? 0 : at + RECORDS_AT
  for (let index = 0; index < header.recordCount && next < end; index++) {
    const start = next
    const bodyAt = behindVarint(records, start)
    next = bodyAt + signedVarint(records, start)
    if (next > end || next <= bodyAt) return
    const offset = header.baseOffset + offsetDelta(records, bodyAt)
    if (packed) visit(records, bodyAt, next, offset, 0, 0)
    else visit(records, bodyAt, next, offset, start - at, next - start)
  }
}

function signedVarint(buffer: Buffer, at: number): number {
  let byte = buffer[at++]!
  let bits = byte & 0x7f
  for (let shift = 7; byte >= 0x80 && shift < 35; shift += 7) {
    byte = buffer[at++]!
    bits |= (byte & 0x7f) << shift
  }
  return (bits >>> 1) ^ -(bits & 1)
}

function behindVarint(buffer: Buffer, at: number): number {
  while (buffer[at++]! >= 0x80);
  return at
}

/** Of a record that begins at `at` with its attributes. */
function offsetDelta(buffer: Buffer, at: number): number {
  return signedVarint(buffer, behindVarint(buffer, at + 1))
}
