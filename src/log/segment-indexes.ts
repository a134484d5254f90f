/*
 * The offset and the time index of one segment, in memory and in their files. They are disposable and never on the acknowledgement path:
 * entries gather in memory and are written now and then, a failed write only makes the files shorter, and what contradicts the log is made
 * again from it. Looking into the log is the segment's work.
 */
import { OFFSET_ENTRY_SIZE } from '../format/index-entry.ts'
import { type IndexFiles } from './index-files.ts'
import { isRefusal } from './io-error.ts'
import { OffsetIndex } from './offset-index.ts'
import { TimeIndex } from './time-index.ts'

/** Which indexes, and where their files are. */
export interface IndexPlace {
  readonly files: IndexFiles
  readonly names: { readonly index: string; readonly timeIndex: string }
  readonly baseOffset: number
  /** Most bytes of each. */
  readonly maxBytes: number
}

/** Both indexes of a segment. */
export class SegmentIndexes {
  readonly offsets: OffsetIndex
  readonly times: TimeIndex
  readonly #place: IndexPlace
  /** The files do not hold what was written of these, but something of before, or nothing. */
  #remade: boolean

  private constructor(place: IndexPlace, offsets: OffsetIndex, times: TimeIndex, remade: boolean) {
    this.#place = place
    this.offsets = offsets
    this.times = times
    this.#remade = remade
  }

  /** Indexes without entries, of a segment without files. */
  static empty(place: IndexPlace): SegmentIndexes {
    return new SegmentIndexes(place, new OffsetIndex(place.baseOffset, place.maxBytes), new TimeIndex(place.baseOffset, place.maxBytes), false)
  }

  /** Indexes without entries, to be made again. Their files are replaced when they are written. */
  static again(place: IndexPlace): SegmentIndexes {
    const indexes = SegmentIndexes.empty(place)
    indexes.#remade = true
    return indexes
  }

  /**
   * What the files hold; undefined when one is missing or contradicts itself.
   *
   * @param end.size        bytes of batches in the segment
   * @param end.nextOffset  one past its last offset; Infinity when that is not known
   */
  static load(place: IndexPlace, end: { readonly size: number; readonly nextOffset: number }): SegmentIndexes | undefined {
    const { files, names, baseOffset, maxBytes } = place
    const [offsetBytes, timeBytes] = [files.read(names.index), files.read(names.timeIndex)]
    if (offsetBytes === undefined || timeBytes === undefined) return undefined
    const offsets = OffsetIndex.load(offsetBytes, { baseOffset, maxBytes, validSize: end.size })
    const times = TimeIndex.load(timeBytes, { baseOffset, maxBytes, nextOffset: end.nextOffset })
    if (offsets.tail === 'damaged' || times.tail === 'damaged') return undefined
    return new SegmentIndexes(place, offsets.index, times.index, false)
  }

  /** Whether another entry does not fit: then the segment must roll. */
  get full(): boolean {
    return this.offsets.full || this.times.full
  }

  /** Bytes of entries of the offset index that are only in memory. */
  get pendingBytes(): number {
    return this.offsets.count * OFFSET_ENTRY_SIZE - this.offsets.writtenSize
  }

  /** Writes the entries that are only in memory yet. A failure leaves them there: of a segment that grows, an index may be shorter. */
  flush(): void {
    const { files, names } = this.#place
    if (this.#remade) {
      if (!files.tryCut(names.index, 0) || !files.tryCut(names.timeIndex, 0)) return
      this.#remade = false
    }
    this.#flush(this.offsets, names.index)
    this.#flush(this.times, names.timeIndex)
  }

  /** Writes the indexes of a segment that takes no more batches. */
  store(): void {
    this.flush()
    const { files, names } = this.#place
    // Here a shorter index would be believed; one that is missing is made again. Without entries it is an empty file.
    if (this.offsets.pending || this.times.pending) this.removeFiles()
    else for (const name of [names.index, names.timeIndex]) files.tryCreate(name)
  }

  /** Forgets the entries at and past `nextOffset`, in memory. */
  forget(nextOffset: number): void {
    this.offsets.truncateTo(nextOffset)
    this.times.truncateTo(nextOffset)
  }

  /** As {@link forget}, and cuts the files to what is left. Entries that stay in them are found out when they are used. */
  trim(nextOffset: number): void {
    this.forget(nextOffset)
    const { files, names } = this.#place
    files.tryCut(names.index, this.offsets.writtenSize)
    files.tryCut(names.timeIndex, this.times.writtenSize)
  }

  /** Replaces the files, durably, if they do not hold what was written. False when the system refuses: then they are as they were. */
  async replaceFiles(): Promise<boolean> {
    if (!this.#remade) return true
    const { files, names } = this.#place
    try {
      for (const [index, name] of [[this.offsets, names.index], [this.times, names.timeIndex]] as const) {
        index.restorePending(0)
        await files.replace(name, index.takePending() ?? Buffer.alloc(0))
      }
      this.#remade = false
      return true
    } catch (error) {
      this.#forgetWritten()
      if (!isRefusal(error)) throw error
      return false
    }
  }

  /** Without their files they are made again when somebody needs them. */
  removeFiles(): void {
    const { files, names } = this.#place
    for (const name of [names.index, names.timeIndex]) files.remove(name)
    this.#forgetWritten()
  }

  #forgetWritten(): void {
    this.offsets.restorePending(0)
    this.times.restorePending(0)
    this.#remade = true
  }

  #flush(index: OffsetIndex | TimeIndex, name: string): void {
    const before = index.writtenSize
    const bytes = index.takePending()
    if (bytes === undefined) return
    try {
      this.#place.files.write(name, bytes, before)
    } catch (error) {
      if (!isRefusal(error)) throw error
      index.restorePending(before)
    }
  }
}
