/*
 * The sparse offset index of one segment, in memory: for some batches, the last offset and the position in the `.log` where the batch
 * begins. It answers "where do I start reading for this offset"; reading and writing the `.index` file is the segment's work.
 *
 * Disposable: whatever is wrong with it, it is rebuilt from the log. Layout and rules as in Kafka's OffsetIndex, docs/format.md#offset-index.
 */
import { assert } from '../base/assert.ts'
import { OFFSET_ENTRY_SIZE, checkOffsetIndex, putOffsetEntry, type CheckedIndex, type OffsetEntry } from '../format/index-entry.ts'
import { firstAbove, fitted, type LoadedIndex, MAX_RELATIVE_OFFSET } from './index-entries.ts'

export { OFFSET_ENTRY_SIZE }

/** Some batches of one segment: last offset → position where the batch begins. */
export class OffsetIndex {
  readonly baseOffset: number
  readonly #maxCount: number
  #offsets = new Uint32Array(16)
  #positions = new Uint32Array(16)
  #count = 0
  #writtenCount = 0

  /** @param maxBytes  `segmentIndexBytes`: at how many bytes the index is full; rounded down to whole entries */
  constructor(baseOffset: number, maxBytes: number) {
    this.baseOffset = baseOffset
    this.#maxCount = Math.floor(maxBytes / OFFSET_ENTRY_SIZE)
  }

  /**
   * The entries of an `.index` file that can be believed: the longest prefix with rising offsets and rising positions below `validSize`.
   * They count as written. Zeros behind them are what a preallocated file looks like after a crash: no damage.
   *
   * @param limits.validSize  bytes of the `.log` that hold batches
   */
  static load(bytes: Uint8Array, limits: { baseOffset: number; maxBytes: number; validSize: number }): LoadedIndex<OffsetIndex> {
    const index = new OffsetIndex(limits.baseOffset, limits.maxBytes)
    index.#read(bytes, limits.validSize)
    let tail: CheckedIndex['tail'] = 'none'
    if (index.#count * OFFSET_ENTRY_SIZE !== bytes.length) ({ count: index.#count, tail } = checkOffsetIndex(bytes, limits.validSize))
    index.#writtenCount = index.#count
    return { index, tail }
  }

  /** How many entries there are. */
  get count(): number {
    return this.#count
  }

  /** Whether the segment must roll before another entry is added. */
  get full(): boolean {
    return this.#count >= this.#maxCount
  }

  /** Offset of the last entry; the base offset when there is none. */
  get lastOffset(): number {
    return this.#count === 0 ? this.baseOffset : this.baseOffset + this.#offsets[this.#count - 1]!
  }

  /** Position of the last entry; 0 when there is none. */
  get lastPosition(): number {
    return this.#count === 0 ? 0 : this.#positions[this.#count - 1]!
  }

  /** Bytes of the file that hold entries: where those of the next `takePending` belong. */
  get writtenSize(): number {
    return this.#writtenCount * OFFSET_ENTRY_SIZE
  }

  /** Position of the last entry that is in the file; 0 when none is. */
  get writtenPosition(): number {
    return this.#writtenCount === 0 ? 0 : this.#positions[this.#writtenCount - 1]!
  }

  /** Whether some entry is not in the file yet. */
  get pending(): boolean {
    return this.#writtenCount < this.#count
  }

  /** The entry at `index`, `0 <= index < count`. */
  entry(index: number): OffsetEntry {
    if (!(index >= 0 && index < this.#count)) throw new RangeError(`entry ${index} of an offset index with ${this.#count}`)
    return { offset: this.baseOffset + this.#offsets[index]!, position: this.#positions[index]! }
  }

  /**
   * Adds an entry. Both numbers must be above those of the last one, and the index not {@link full}.
   *
   * @param offset    last offset of the batch
   * @param position  where the batch begins in the `.log`
   */
  append(offset: number, position: number): void {
    const relative = offset - this.baseOffset
    assert(!this.full, 'a segment rolls before its offset index overflows')
    assert(relative <= MAX_RELATIVE_OFFSET && position <= MAX_RELATIVE_OFFSET, 'offsets and positions of a segment fit 31 bits')
    assert(this.#continues(relative, position), 'offset index entries are added in the order of the log')
    this.#push(relative, position)
  }

  /**
   * Where to start reading for `offset`: the position of the greatest entry at or below it, or 0.
   *
   * The index is sparse, so the batch there may end below `offset`: scan on. Cost: O(log count).
   *
   * @returns byte position in the `.log`, on a batch boundary
   */
  lookup(offset: number): number {
    const above = firstAbove(this.#offsets, this.#count, offset - this.baseOffset)
    return above === 0 ? 0 : this.#positions[above - 1]!
  }

  /** How many entries are at or below `offset`. Cost: O(log count). */
  countUpTo(offset: number): number {
    return firstAbove(this.#offsets, this.#count, offset - this.baseOffset)
  }

  /** The offset of the first entry at or past `position`: a bound for what a read that ends there can hold. Undefined when there is none. */
  upperBound(position: number): number | undefined {
    const at = firstAbove(this.#positions, this.#count, position - 1)
    return at === this.#count ? undefined : this.baseOffset + this.#offsets[at]!
  }

  /** Drops the entries at and above `offset`. The file, when it holds some of them, must then be cut to {@link writtenSize}. */
  truncateTo(offset: number): void {
    this.#count = firstAbove(this.#offsets, this.#count, offset - this.baseOffset - 1)
    this.#writtenCount = Math.min(this.#writtenCount, this.#count)
  }

  /** The bytes of all entries that are not in the file yet, which from now on count as written; undefined when there are none. */
  takePending(): Buffer | undefined {
    if (this.#writtenCount === this.#count) return undefined
    const bytes = Buffer.allocUnsafe((this.#count - this.#writtenCount) * OFFSET_ENTRY_SIZE)
    for (let at = 0; at < bytes.length; at += OFFSET_ENTRY_SIZE) {
      putOffsetEntry(bytes, at, this.baseOffset, this.entry(this.#writtenCount++))
    }
    return bytes
  }

  /** After a failed write: what lies at and past byte `size` of the file does not count as written. */
  restorePending(size: number): void {
    this.#writtenCount = Math.min(this.#writtenCount, Math.floor(size / OFFSET_ENTRY_SIZE))
  }

  /** Takes entries over while they rise. One plain loop over a view: this is a part of opening a log, and runs before it is compiled. */
  #read(bytes: Uint8Array, validSize: number): void {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
    const most = Math.floor(bytes.length / OFFSET_ENTRY_SIZE)
    const offsets = new Uint32Array(Math.max(16, most))
    const positions = new Uint32Array(Math.max(16, most))
    let count = 0
    for (let lastOffset = -1, lastPosition = -1; count < most; count++) {
      const offset = view.getInt32(count * OFFSET_ENTRY_SIZE)
      const position = view.getInt32(count * OFFSET_ENTRY_SIZE + 4)
      if (offset <= lastOffset || position <= lastPosition || position >= validSize) break
      offsets[count] = lastOffset = offset
      positions[count] = lastPosition = position
    }
    this.#count = count
    this.#offsets = fitted(offsets, count)
    this.#positions = fitted(positions, count)
  }

  #continues(relative: number, position: number): boolean {
    if (this.#count === 0) return relative >= 0 && position >= 0
    return relative > this.#offsets[this.#count - 1]! && position > this.#positions[this.#count - 1]!
  }

  #push(relative: number, position: number): void {
    if (this.#count === this.#offsets.length) this.#grow()
    this.#offsets[this.#count] = relative
    this.#positions[this.#count] = position
    this.#count++
  }

  #grow(): void {
    const offsets = new Uint32Array(this.#offsets.length * 2)
    const positions = new Uint32Array(this.#positions.length * 2)
    offsets.set(this.#offsets)
    positions.set(this.#positions)
    this.#offsets = offsets
    this.#positions = positions
  }
}
