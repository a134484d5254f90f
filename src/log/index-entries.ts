/*
 * What the offset and the time index of a segment have in common: how much of a file they believe, what they make of the rest, and the
 * search in their numbers.
 */

/** The largest distance of an offset from its segment's base offset: indexes keep it as a signed 32-bit integer. */
export const MAX_RELATIVE_OFFSET = 0x7fff_ffff

/** What an index file said and how much of it was believed. */
export interface LoadedIndex<Index> {
  readonly index: Index
  /** What stood behind the entries that were believed. */
  readonly tail: IndexTail
}

/**
 * What stands in an index file behind its entries: nothing; zeros; or bytes that are no entries, or contradict the log or each other.
 * Kafka preallocates its indexes with zeros and cuts them when it closes them, so zeros are what the index of a killed broker ends with.
 */
export type IndexTail = 'none' | 'zeros' | 'damaged'

/** What `bytes` hold from `from` on. */
export function indexTail(bytes: Uint8Array, from: number): IndexTail {
  if (from === bytes.length) return 'none'
  for (let at = from; at < bytes.length; at++) if (bytes[at] !== 0) return 'damaged'
  return 'zeros'
}

/** The index of the first of `count` never falling numbers that is above `limit`; `count` when none is. */
export function firstAbove(numbers: Uint32Array | Float64Array, count: number, limit: number): number {
  let low = 0
  let high = count
  while (low < high) {
    const middle = (low + high) >>> 1
    if (numbers[middle]! > limit) high = middle
    else low = middle + 1
  }
  return low
}
