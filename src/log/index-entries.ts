/*
 * What the offset and the time index of a segment have in common: what loading gives, and the search in their numbers. What is on disk is
 * format/index-entry.ts.
 */
import { type CheckedIndex } from '../format/index-entry.ts'

/** The largest distance of an offset from its segment's base offset: indexes keep it as a signed 32-bit integer. */
export const MAX_RELATIVE_OFFSET = 0x7fff_ffff

/** What an index file said and how much of it was believed. */
export interface LoadedIndex<Index> {
  readonly index: Index
  /**
   * What stood behind the entries that were believed. Kafka preallocates its indexes with zeros and cuts them when it closes them, so
   * zeros are what the index of a killed broker ends with.
   */
  readonly tail: CheckedIndex['tail']
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

/** `numbers` with little more room than for `count` of them: a preallocated file makes a far larger guess. */
export function fitted<Numbers extends Uint32Array | Float64Array>(numbers: Numbers, count: number): Numbers {
  return numbers.length <= Math.max(16, count) ? numbers : (numbers.slice(0, Math.max(16, count)) as Numbers)
}
