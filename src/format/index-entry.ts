/*
 * Entries of the `.index` and `.timeindex` files, and how much of such a file can be believed. The files have no checksum: what is wrong in
 * them is seen only by order and by comparison with the log. Searching is log/offset-index.ts and log/time-index.ts.
 * Spec: docs/format.md#offset-index and docs/format.md#time-index; Kafka's OffsetIndex and TimeIndex.
 *
 *   .index       0                 4          8
 *                +-----------------+----------+
 *                | relative offset | position |
 *                +-----------------+----------+
 *   .timeindex   0                 8                 12
 *                +-----------------+-----------------+
 *                | timestamp       | relative offset |
 *                +-----------------+-----------------+
 *
 * Offsets are relative to the segment's base offset: int32, so a segment spans at most 2^31 offsets.
 */
import { getInt32, getInt64, setInt32, setInt64 } from '../base/bytes.ts'

/** Bytes of an entry of an `.index` file. */
export const OFFSET_ENTRY_SIZE = 8
/** Bytes of an entry of a `.timeindex` file. */
export const TIME_ENTRY_SIZE = 12

const POSITION_AT = 4
const TIME_OFFSET_AT = 8
const MAX_RELATIVE = 0x7fff_ffff

/** An entry of an `.index` file. */
export interface OffsetEntry {
  /** The last offset of the append that begins at `position`. */
  readonly offset: number
  readonly position: number
}

/** An entry of a `.timeindex` file: no batch up to `offset` has a larger timestamp. */
export interface TimeEntry {
  /** Milliseconds since 1970. */
  readonly timestamp: number
  readonly offset: number
}

/** How much of an index file can be believed. */
export interface CheckedIndex {
  /** Entries from the beginning whose numbers rise as they should. */
  readonly count: number
  /** What is behind them: nothing, the zeros of a file that was preallocated and not cut, or something that is not an entry. */
  readonly tail: 'none' | 'zeros' | 'damaged'
}

/** Writes an entry of an `.index` file of the segment at `baseOffset`. Throws a RangeError when it cannot be told in 32 bits. */
export function putOffsetEntry(buffer: Uint8Array, at: number, baseOffset: number, entry: OffsetEntry): void {
  setInt32(buffer, at, relativeOffset(baseOffset, entry.offset))
  if (!isInt31(entry.position)) throw new RangeError(`position ${entry.position} is no position in a segment`)
  setInt32(buffer, at + POSITION_AT, entry.position)
}

/** Reads an entry of an `.index` file of the segment at `baseOffset`. */
export function getOffsetEntry(buffer: Uint8Array, at: number, baseOffset: number): OffsetEntry {
  return { offset: baseOffset + getInt32(buffer, at), position: getInt32(buffer, at + POSITION_AT) }
}

/** Writes an entry of a `.timeindex` file of the segment at `baseOffset`. Throws a RangeError when the offset cannot be told in 32 bits. */
export function putTimeEntry(buffer: Uint8Array, at: number, baseOffset: number, entry: TimeEntry): void {
  setInt64(buffer, at, entry.timestamp)
  setInt32(buffer, at + TIME_OFFSET_AT, relativeOffset(baseOffset, entry.offset))
}

/** Reads an entry of a `.timeindex` file of the segment at `baseOffset`. */
export function getTimeEntry(buffer: Uint8Array, at: number, baseOffset: number): TimeEntry {
  return { timestamp: getInt64(buffer, at), offset: baseOffset + getInt32(buffer, at + TIME_OFFSET_AT) }
}

/**
 * Checks a whole `.index` file: offsets and positions must rise.
 *
 * @param logSize  size of the `.log` file: a position at or past it is damage. Default: no bound
 */
export function checkOffsetIndex(bytes: Uint8Array, logSize = Infinity): CheckedIndex {
  let lastOffset = -1
  let lastPosition = -1
  return checkEntries(bytes, OFFSET_ENTRY_SIZE, (at) => {
    const offset = getInt32(bytes, at)
    const position = getInt32(bytes, at + POSITION_AT)
    if (offset <= lastOffset || position <= lastPosition || position >= logSize) return false
    lastOffset = offset
    lastPosition = position
    return true
  })
}

/** Checks a whole `.timeindex` file: timestamps must rise and offsets must not fall. */
export function checkTimeIndex(bytes: Uint8Array): CheckedIndex {
  let lastTimestamp = -1
  let lastOffset = 0
  return checkEntries(bytes, TIME_ENTRY_SIZE, (at) => {
    const timestamp = getInt64(bytes, at)
    const offset = getInt32(bytes, at + TIME_OFFSET_AT)
    if (timestamp <= lastTimestamp || offset < lastOffset || !Number.isSafeInteger(timestamp)) return false
    lastTimestamp = timestamp
    lastOffset = offset
    return true
  })
}

/**
 * Zeros at the end are no entries: a file that was not closed is preallocated with them. A whole file of one zero entry would be a true
 * one in a time index (a record of 1970 at the base offset), but it says nothing that no entry does not say too.
 */
function checkEntries(bytes: Uint8Array, size: number, follows: (at: number) => boolean): CheckedIndex {
  let end = bytes.length
  while (end > 0 && bytes[end - 1] === 0) end--
  let at = 0
  while (at < end && at + size <= bytes.length && follows(at)) at += size
  const tail = at < end ? 'damaged' : at < bytes.length ? 'zeros' : 'none'
  return { count: at / size, tail }
}

function relativeOffset(baseOffset: number, offset: number): number {
  const relative = offset - baseOffset
  if (!isInt31(relative)) throw new RangeError(`offset ${offset} is not within 2^31 of its segment's base offset ${baseOffset}`)
  return relative
}

function isInt31(value: number): boolean {
  return Number.isInteger(value) && value >= 0 && value <= MAX_RELATIVE
}
