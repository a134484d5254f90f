/*
 * Windows on files that are read while those before them are walked, so that a scan need not wait for each. Only of sealed segments, whose bytes
 * stay as they are for as long as the log is in one epoch. What nobody comes for is replaced after a while; so who begins need not end anything.
 */
import { type PinnedFile } from '../files/open-files.ts'
import { readFully } from '../files/write-fully.ts'
import { type Segment } from './segment.ts'
import { type Window, type WindowCache } from './windows.ts'

/** Windows that are kept for those who have not come yet, over all partitions. */
const KEPT = 4
/** Larger ones are not read ahead: those that are kept stay in memory for as long as nobody else reads. */
const LARGEST_BYTES = 2 * 1024 * 1024
/** So many find no room before the oldest one makes room: with many scans side by side most are not to be read in vain. */
const PATIENCE = 64

/** The log that is read. */
export interface AheadSource {
  readonly leaderEpoch: number
  /** Opens a segment's file for an asynchronous read; throws when the log is closed. */
  pin(segment: Segment): PinnedFile
}

/** A window that is being read, or was. */
export interface AheadWindow {
  readonly segment: Segment
  readonly position: number
  /** Of the log when it was begun. */
  readonly epoch: number
  readonly window: Window
  /** Resolves to its bytes; −1 when they cannot be read, which who needs them will find out. */
  readonly filled: Promise<number>
}

/** The windows that are read ahead in a log. */
export class ReadAhead {
  readonly #windows: WindowCache
  readonly #kept: AheadWindow[] = []
  #refused = 0

  constructor(windows: WindowCache) {
    this.#windows = windows
  }

  /** Begins to read `size` bytes of a sealed segment, or less at its end, unless enough others do or it is very large. */
  begin(source: AheadSource, segment: Segment, position: number, size: number): void {
    if (size > LARGEST_BYTES) return
    if (this.#kept.length === KEPT) {
      if (++this.#refused < PATIENCE) return
      this.#letGo(this.#kept.shift()!)
    }
    this.#refused = 0
    const window = this.#windows.take(size)
    this.#kept.push({ segment, position, epoch: source.leaderEpoch, window, filled: fill(source, segment, position, window) })
  }

  /** What was begun for this place, if anything: the caller's from here on. */
  take(segment: Segment, position: number, epoch: number): AheadWindow | undefined {
    const index = this.#kept.findIndex((one) => one.segment === segment && one.position === position)
    if (index < 0) return undefined
    const [found] = this.#kept.splice(index, 1)
    if (found!.epoch === epoch) return found
    this.#letGo(found!)
    return undefined
  }

  #letGo({ window, filled }: AheadWindow): void {
    // It is written to until then.
    void filled.then(() => this.#windows.give(window))
  }
}

async function fill(source: AheadSource, segment: Segment, position: number, { buffer }: Window): Promise<number> {
  try {
    const pinned = source.pin(segment)
    try {
      return await readFully(pinned.handle, buffer, 0, Math.min(buffer.length, segment.size - position), position)
    } finally {
      pinned.release()
    }
  } catch {
    return -1
  }
}
