/*
 * The end of a partition as it lies in memory: batches that were built or taken in here, from the newest back as far as the budget
 * reaches. Their bytes are immutable, so readers get views of them. Everything here is also on disk, or about to be.
 */
import { type Window, type WindowCache } from './windows.ts'

/** One sealed batch in memory. */
export interface TailBatch {
  /** The chunk that holds it. It is used again after its batches left the tail, unless somebody was given a view of it. */
  readonly window: Window
  /** The bytes of the chunk. */
  readonly buffer: Buffer
  /** Where it begins in `buffer`. */
  readonly at: number
  /** Its bytes, header included. */
  readonly size: number
  readonly baseOffset: number
  readonly lastOffset: number
  readonly maxTimestamp: number
  readonly recordCount: number
  /** Of a transaction of this process: who ends it is told what became of the batch, and nobody else. */
  readonly ofTransaction: boolean
  /** Where it begins in its segment's file; −1 until it is written. */
  position: number
}

/** Batches that lie side by side in memory. */
export interface Stretch {
  readonly window: Window
  /** Where they begin and end in the window's buffer. */
  readonly from: number
  readonly to: number
  readonly baseOffset: number
  readonly lastOffset: number
}

/** The newest batches of a partition, oldest first. */
export class Tail {
  readonly #windows: WindowCache
  #batches: TailBatch[] = []
  #first = 0
  #bytes = 0

  constructor(windows: WindowCache) {
    this.#windows = windows
  }

  /** Offset of the first record kept; Infinity when nothing is. */
  get baseOffset(): number {
    return this.#batches[this.#first]?.baseOffset ?? Infinity
  }

  get bytes(): number {
    return this.#bytes
  }

  push(batch: TailBatch): void {
    batch.window.users++
    this.#batches.push(batch)
    this.#bytes += batch.size
  }

  /** The first batch that ends at or past `offset`. Cost: O(log batches). */
  find(offset: number): TailBatch | undefined {
    return this.#batches[this.#find(offset)]
  }

  /**
   * Batches that lie side by side in memory, from the first one that ends at or past `offset` on: whole ones that begin below `end`, as many as
   * `maxBytes` allow; the first one in any case when `minOneBatch` says so. Undefined when there is none.
   */
  stretch(offset: number, end: number, { maxBytes, minOneBatch }: { readonly maxBytes: number; readonly minOneBatch: boolean }): Stretch | undefined {
    const index = this.#find(offset)
    const first = this.#batches[index]
    if (first === undefined || first.baseOffset >= end || (first.size > maxBytes && !minOneBatch)) return undefined
    let last = first
    for (let next = index + 1; next < this.#batches.length; next++) {
      const batch = this.#batches[next]!
      if (batch.baseOffset >= end || batch.buffer !== first.buffer || batch.at !== last.at + last.size) break
      if (batch.at + batch.size - first.at > maxBytes) break
      last = batch
    }
    return { window: first.window, from: first.at, to: last.at + last.size, baseOffset: first.baseOffset, lastOffset: last.lastOffset }
  }

  /** Bytes of the batches that end at or past `from` and begin below `end`, counted up to `enough`. */
  bytesBetween(from: number, end: number, enough: number): number {
    let bytes = 0
    for (let index = this.#find(from); index < this.#batches.length && bytes < enough; index++) {
      const batch = this.#batches[index]!
      if (batch.baseOffset >= end) break
      bytes += batch.size
    }
    return bytes
  }

  /** The last offset of the newest batch outside transactions of this process that ends at or past `offset`; −1 when there is none. */
  lastPlainOffset(offset: number): number {
    for (let index = this.#batches.length - 1; index >= this.#first; index--) {
      const { lastOffset, ofTransaction } = this.#batches[index]!
      if (lastOffset < offset) break
      if (!ofTransaction) return lastOffset
    }
    return -1
  }

  /** Lets go of the oldest batches below `acknowledged`, as far as more are kept than readers at the end need. */
  trim(acknowledged: number): void {
    const kept = this.#windows.tailBytes
    while (this.#bytes > kept && this.#first < this.#batches.length) {
      const batch = this.#batches[this.#first]!
      if (batch.lastOffset >= acknowledged) break
      this.#batches[this.#first++] = undefined as never
      this.#bytes -= batch.size
      this.#leave(batch)
    }
    if (this.#first > 1024 && this.#first * 2 > this.#batches.length) {
      this.#batches = this.#batches.slice(this.#first)
      this.#first = 0
    }
  }

  /** Drops the batches below `offset`, all of them acknowledged: what the log holds of them by now is to be read from its files. */
  forget(offset: number): void {
    while (this.#first < this.#batches.length && this.#batches[this.#first]!.lastOffset < offset) {
      const batch = this.#batches[this.#first]!
      this.#batches[this.#first++] = undefined as never
      this.#bytes -= batch.size
      this.#leave(batch)
    }
  }

  /** Drops every batch that ends at or past `offset`: they were not stored, or are cut. */
  truncateTo(offset: number): void {
    while (this.#batches.length > this.#first && this.#batches[this.#batches.length - 1]!.lastOffset >= offset) {
      const batch = this.#batches.pop()!
      this.#bytes -= batch.size
      this.#leave(batch)
    }
  }

  /** The place in the list of the first batch that ends at or past `offset`. */
  #find(offset: number): number {
    let low = this.#first
    let high = this.#batches.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.#batches[middle]!.lastOffset < offset) low = middle + 1
      else high = middle
    }
    return low
  }

  #leave(batch: TailBatch): void {
    if (--batch.window.users === 0) this.#windows.giveChunk(batch.window)
  }
}
