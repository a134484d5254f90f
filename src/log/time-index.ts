/*
 * The sparse time index of one segment, in memory: an entry (timestamp, offset) says that no batch up to that offset has a larger maximum
 * timestamp. It answers "where do I start looking for this time"; reading and writing the `.timeindex` file is the segment's work.
 *
 * Disposable: whatever is wrong with it, it is rebuilt from the log. Layout and rules as in Kafka's TimeIndex, docs/format.md#time-index.
 */
import { assert } from '../base/assert.ts'
import { TIME_ENTRY_SIZE, checkTimeIndex, putTimeEntry, type CheckedIndex, type TimeEntry } from '../format/index-entry.ts'
import { firstAbove, fitted, type LoadedIndex, MAX_RELATIVE_OFFSET } from './index-entries.ts'

/** Some batches of one segment: maximum timestamp so far → last offset of the batch that carried it. */
export class TimeIndex {
  readonly baseOffset: number
  readonly #maxCount: number
  #timestamps = new Float64Array(16)
  #offsets = new Uint32Array(16)
  #count = 0
  #writtenCount = 0

  /** @param maxBytes  `segmentIndexBytes`; rounded down to whole entries, the last of which is kept for the entry of the seal */
  constructor(baseOffset: number, maxBytes: number) {
    this.baseOffset = baseOffset
    this.#maxCount = Math.floor(maxBytes / TIME_ENTRY_SIZE)
  }

  /**
   * The entries of a `.timeindex` file that can be believed: the longest prefix with rising timestamps and never falling offsets below
   * `nextOffset`. They count as written. Zeros behind them are what a preallocated file looks like after a crash: no damage.
   *
   * @param limits.nextOffset  one past the last offset of the segment
   */
  static load(bytes: Uint8Array, limits: { baseOffset: number; maxBytes: number; nextOffset: number }): LoadedIndex<TimeIndex> {
    const index = new TimeIndex(limits.baseOffset, limits.maxBytes)
    index.#read(bytes, limits.nextOffset - limits.baseOffset)
    let tail: CheckedIndex['tail'] = 'none'
    if (index.#count * TIME_ENTRY_SIZE !== bytes.length) {
      const checked = checkTimeIndex(bytes)
      tail = checked.count > index.#count ? 'damaged' : checked.tail
      index.#count = Math.min(index.#count, checked.count)
    }
    index.#writtenCount = index.#count
    return { index, tail }
  }

  /** How many entries there are. */
  get count(): number {
    return this.#count
  }

  /** Whether the segment must roll before another entry is added; the one of the seal still fits. */
  get full(): boolean {
    return this.#count >= this.#maxCount - 1
  }

  /** The last entry; (−1, base offset) when there is none. */
  get last(): TimeEntry {
    return this.#at(this.#count - 1)
  }

  /** Bytes of the file that hold entries: where those of the next `takePending` belong. */
  get writtenSize(): number {
    return this.#writtenCount * TIME_ENTRY_SIZE
  }

  /** Whether some entry is not in the file yet. */
  get pending(): boolean {
    return this.#writtenCount < this.#count
  }

  /** The entry at `index`, `0 <= index < count`. */
  entry(index: number): TimeEntry {
    if (!(index >= 0 && index < this.#count)) throw new RangeError(`entry ${index} of a time index with ${this.#count}`)
    return this.#at(index)
  }

  /**
   * Adds an entry when it says something new, and tells whether it did: a timestamp equal to the last one is passed over, and so is −1.
   *
   * @param timestamp  the largest of the segment so far
   * @param offset     last offset of the batch that carried it
   * @param options.seal  the entry of the seal: it may use the slot that is kept for it
   */
  maybeAppend(timestamp: number, offset: number, options?: { readonly seal?: boolean }): boolean {
    const relative = offset - this.baseOffset
    assert(options?.seal === true || !this.full, 'a segment rolls before its time index overflows')
    assert(relative >= 0 && relative <= MAX_RELATIVE_OFFSET, 'offsets of a segment fit 31 bits')
    if (this.#count > 0) {
      assert(relative >= this.#offsets[this.#count - 1]!, 'offsets in a time index never fall')
      assert(timestamp >= this.#timestamps[this.#count - 1]!, 'the largest timestamp of a segment never falls')
    }
    if (!this.#continues(timestamp, relative)) return false
    this.#push(timestamp, relative)
    return true
  }

  /** The last entry at or below `timestamp`: every batch up to its offset is at most that old. (−1, base offset) when there is none. */
  lookup(timestamp: number): TimeEntry {
    return this.#at(firstAbove(this.#timestamps, this.#count, timestamp) - 1)
  }

  /** The last entry below `offset`; (−1, base offset) when there is none. */
  before(offset: number): TimeEntry {
    return this.#at(firstAbove(this.#offsets, this.#count, offset - this.baseOffset - 1) - 1)
  }

  /** Drops the entries at and above `offset`. The file, when it holds some of them, must then be cut to {@link writtenSize}. */
  truncateTo(offset: number): void {
    this.#count = firstAbove(this.#offsets, this.#count, offset - this.baseOffset - 1)
    this.#writtenCount = Math.min(this.#writtenCount, this.#count)
  }

  /** The bytes of all entries that are not in the file yet, which from now on count as written; undefined when there are none. */
  takePending(): Buffer | undefined {
    if (this.#writtenCount === this.#count) return undefined
    const bytes = Buffer.allocUnsafe((this.#count - this.#writtenCount) * TIME_ENTRY_SIZE)
    for (let at = 0; at < bytes.length; at += TIME_ENTRY_SIZE) {
      putTimeEntry(bytes, at, this.baseOffset, this.#at(this.#writtenCount++))
    }
    return bytes
  }

  /** After a failed write: what lies at and past byte `size` of the file does not count as written. */
  restorePending(size: number): void {
    this.#writtenCount = Math.min(this.#writtenCount, Math.floor(size / TIME_ENTRY_SIZE))
  }

  /** Takes entries over while they rise. One plain loop over a view: this is a part of opening a log, and runs before it is compiled. */
  #read(bytes: Uint8Array, endOffset: number): void {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
    const most = Math.floor(bytes.length / TIME_ENTRY_SIZE)
    const timestamps = new Float64Array(Math.max(16, most))
    const offsets = new Uint32Array(Math.max(16, most))
    let count = 0
    for (let lastTimestamp = -1, lastOffset = 0; count < most; count++) {
      const timestamp = view.getInt32(count * TIME_ENTRY_SIZE) * 0x1_0000_0000 + view.getUint32(count * TIME_ENTRY_SIZE + 4)
      const offset = view.getInt32(count * TIME_ENTRY_SIZE + 8)
      if (timestamp <= lastTimestamp || timestamp > Number.MAX_SAFE_INTEGER || offset < lastOffset || offset >= endOffset) break
      timestamps[count] = lastTimestamp = timestamp
      offsets[count] = lastOffset = offset
    }
    this.#count = count
    this.#timestamps = fitted(timestamps, count)
    this.#offsets = fitted(offsets, count)
  }

  #at(index: number): TimeEntry {
    if (index < 0) return { timestamp: -1, offset: this.baseOffset }
    return { timestamp: this.#timestamps[index]!, offset: this.baseOffset + this.#offsets[index]! }
  }

  #continues(timestamp: number, relative: number): boolean {
    if (!Number.isSafeInteger(timestamp)) return false
    if (this.#count === 0) return timestamp >= 0 && relative >= 0
    return timestamp > this.#timestamps[this.#count - 1]! && relative >= this.#offsets[this.#count - 1]!
  }

  #push(timestamp: number, relative: number): void {
    if (this.#count === this.#offsets.length) this.#grow()
    this.#timestamps[this.#count] = timestamp
    this.#offsets[this.#count] = relative
    this.#count++
  }

  #grow(): void {
    const timestamps = new Float64Array(this.#timestamps.length * 2)
    const offsets = new Uint32Array(this.#offsets.length * 2)
    timestamps.set(this.#timestamps)
    offsets.set(this.#offsets)
    this.#timestamps = timestamps
    this.#offsets = offsets
  }
}
