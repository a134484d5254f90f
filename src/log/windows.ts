/*
 * Memory for reading sealed bytes, with one budget for the whole log: large windows for scans, which are used again as long as no view
 * of them was given out, and small cached groups of batches for reads of single records.
 *
 * A fresh 256 KiB window costs five times what a used one costs (page faults), and a scan spends half of its time there: so a window
 * goes back to the pool when the cursor leaves it, and its generation rises. A record that is asked for its bytes after that reads them
 * again by its offset.
 */
import { type BatchPlace } from './batch-place.ts'
import { ReadAhead } from './read-ahead.ts'

/** Bytes that a scan reads at once. */
export const SCAN_WINDOW_BYTES = 256 * 1024
const KEPT_WINDOWS = 8
/** Larger ones have a whole number of scan windows' bytes, and so many bytes of them are kept. */
const KEPT_LARGE_BYTES = 12 * 1024 * 1024

/** Bytes of a chunk in which batches are built, once its partition has filled smaller ones. */
export const CHUNK_BYTES = 1024 * 1024
const KEPT_CHUNKS = 4
/** A reader that lags by more than this reads from the file. */
const MOST_TAIL_BYTES = 2 * 1024 * 1024

/** A piece of a file in memory: read from it, or to be written to it. */
export class Window {
  readonly buffer: Buffer
  /** Of a chunk: batches in the tail that lie in it, the builder while it builds there, and cursors that stand in it. */
  users = 0
  /** How often this memory was used again. */
  generation = 0
  /** Some view of the memory was given to the user: it belongs to the garbage collector now. */
  escaped = false

  constructor(size: number) {
    this.buffer = Buffer.allocUnsafeSlow(size)
  }
}

/** Where a group lies in its file, and which offsets are in it. */
export interface GroupRange {
  readonly position: number
  readonly size: number
  readonly firstOffset: number
  /** Exclusive. */
  readonly endOffset: number
}

/** The batches between two entries of a segment's offset index, kept in memory for reads of single records. */
export class BatchGroup {
  readonly window: Window
  /** Where the first batch begins in the file. */
  readonly position: number
  /** Bytes of the group in the window, from 0. */
  readonly size: number
  /** First offset of its first batch, and of the next group's. */
  private readonly firstOffset: number
  private readonly endOffset: number
  /** Hit since the cache last looked for something to let go. */
  used = true
  /** The batch that was read from last: most groups are of one or two, and each step of a search may miss the processor's caches. */
  private last: BatchPlace | undefined = undefined
  /** Batches that were checked and read from, in their order. */
  private readonly places: BatchPlace[] = []
  private readonly forget: () => void

  /** @param forget  takes the group out of its segment's table */
  constructor(window: Window, range: GroupRange, forget: () => void) {
    this.window = window
    this.position = range.position
    this.size = range.size
    this.firstOffset = range.firstOffset
    this.endOffset = range.endOffset
    this.forget = forget
  }

  /** Whether the record at `offset`, if there is one, is in this group. */
  holds(offset: number): boolean {
    return offset >= this.firstOffset && offset < this.endOffset
  }

  /** The batch that holds `offset`, when it was read from before. */
  known(offset: number): BatchPlace | undefined {
    const { last, places } = this
    if (last !== undefined && last.baseOffset <= offset && last.lastOffset >= offset) return last
    for (let low = 0, high = places.length - 1; low <= high; ) {
      const middle = (low + high) >>> 1
      const place = places[middle]!
      if (place.lastOffset < offset) low = middle + 1
      else if (place.baseOffset > offset) high = middle - 1
      else return (this.last = place)
    }
    return undefined
  }

  /** Remembers a batch that was checked. */
  add(place: BatchPlace): void {
    const behind = this.places.findIndex(({ at }) => at > place.at)
    this.places.splice(behind < 0 ? this.places.length : behind, 0, place)
  }

  /** Takes the group out of its table. Records that were read from it keep its memory as long as they live. */
  evict(): void {
    this.forget()
  }
}

/** What is remembered of a segment's groups: the groups in memory and the first offset of each that was ever looked at. */
export interface GroupTable {
  /** Of the index that it was made by. */
  readonly generation: number
  readonly groups: (BatchGroup | undefined)[]
  readonly firstOffsets: (number | undefined)[]
}

/** All memory that a log uses for reading files. */
export class WindowCache {
  /** Bytes of groups that are kept, over all partitions. */
  readonly budget: number
  readonly ahead = new ReadAhead(this)
  #free: Window[] = []
  /** The one that was used last stands last. */
  #freeLarge: Window[] = []
  #freeLargeBytes = 0
  #freeChunks: Window[] = []
  #groups: BatchGroup[] = []
  #hand = 0
  #bytes = 0
  #tails = 0

  constructor(budget: number) {
    this.budget = budget
  }

  /** Bytes of groups in memory. */
  get bytes(): number {
    return this.#bytes
  }

  /** A partition keeps its newest batches in memory from now on. */
  addTail(): void {
    this.#tails++
  }

  /** That partition was closed. */
  removeTail(): void {
    this.#tails--
  }

  /** Bytes of acknowledged batches that each partition may keep: all of them together a quarter of the budget. */
  get tailBytes(): number {
    return Math.min(MOST_TAIL_BYTES, this.budget / 4 / Math.max(1, this.#tails))
  }

  /** A window of at least `size` bytes for a scan. */
  take(size: number = SCAN_WINDOW_BYTES): Window {
    if (size > SCAN_WINDOW_BYTES) return this.#takeLarge(Math.ceil(size / SCAN_WINDOW_BYTES) * SCAN_WINDOW_BYTES)
    return this.#free.pop() ?? new Window(SCAN_WINDOW_BYTES)
  }

  /** One that is not much larger than it needs to be, since another reader may need that. */
  #takeLarge(size: number): Window {
    const index = this.#freeLarge.findLastIndex(({ buffer: { length } }) => length >= size && length <= 2 * size)
    if (index < 0) return new Window(size)
    const [window] = this.#freeLarge.splice(index, 1)
    this.#freeLargeBytes -= window!.buffer.length
    return window!
  }

  /** Gives a window back that no cursor is in any more. */
  give(window: Window): void {
    if (window.escaped) return
    window.generation++
    const { length } = window.buffer
    if (length > SCAN_WINDOW_BYTES) this.#giveLarge(window)
    else if (length === SCAN_WINDOW_BYTES && this.#free.length < KEPT_WINDOWS) this.#free.push(window)
  }

  /** What was not used for longest goes for it. */
  #giveLarge(window: Window): void {
    const { length } = window.buffer
    if (length % SCAN_WINDOW_BYTES > 0 || length > KEPT_LARGE_BYTES) return
    this.#freeLarge.push(window)
    this.#freeLargeBytes += length
    while (this.#freeLargeBytes > KEPT_LARGE_BYTES) this.#freeLargeBytes -= this.#freeLarge.shift()!.buffer.length
  }

  /** A chunk of at least `size` bytes for a builder, who is its first user. */
  takeChunk(size: number): Window {
    const chunk = size === CHUNK_BYTES ? (this.#freeChunks.pop() ?? new Window(size)) : new Window(size)
    chunk.users = 1
    return chunk
  }

  /** One of the users of a chunk leaves it. */
  leaveChunk(chunk: Window): void {
    if (--chunk.users === 0) this.giveChunk(chunk)
  }

  /** The last user may have left a chunk: when nobody is in it any more and no view of it was given out, it is used again. */
  giveChunk(chunk: Window): void {
    if (chunk.users > 0 || chunk.escaped) return
    chunk.generation++
    if (chunk.buffer.length === CHUNK_BYTES && this.#freeChunks.length < KEPT_CHUNKS) this.#freeChunks.push(chunk)
  }

  /** Keeps a group, letting go of those that were not used for longest (second chance) when the budget is spent. */
  keep(group: BatchGroup): void {
    this.#bytes += group.size
    this.#groups.push(group)
    while (this.#bytes > this.budget && this.#groups.length > 1) this.#evictOne(group)
  }

  #evictOne(spared: BatchGroup): void {
    for (;;) {
      if (this.#hand >= this.#groups.length) this.#hand = 0
      const group = this.#groups[this.#hand]!
      if (group === spared || group.used) {
        group.used = false
        this.#hand++
        if (group !== spared || this.#groups.length > 1) continue
        return
      }
      const last = this.#groups.pop()!
      if (last !== group) this.#groups[this.#hand] = last
      this.#bytes -= group.size
      group.evict()
      return
    }
  }
}
