/*
 * Room ahead of the end of the active segment, for durability 'sync': as long as a write stays inside the file's length, its sync need not
 * journal a new length. A hole is enough for small rounds. Rounds that fill whole blocks gain from blocks that are written already, so
 * while they last the room is filled with zeros in the background, over a handle of its own (docs/benchmarks.md).
 *
 * A fill under way and the rounds never touch the same bytes: it begins a margin ahead of the end, and a round that would reach it waits.
 * A tail of zeros is neither damage nor torn; it is cut off when the segment is sealed.
 */
import { type FileHandle } from '../files/file-system.ts'
import { writeFully } from '../files/write-fully.ts'
import { type LogEnvironment } from './environment.ts'
import { isRefusal } from './io-error.ts'
import { type Segment } from './segment.ts'

/** Bytes of room that are kept ahead of the end, unless the segment ends before. */
export const DEFAULT_ROOM_AHEAD = 4 * 1024 * 1024

/** Rounds smaller than a block gain nothing from zeros. */
const LARGE_ROUND = 4096
const MOST_ZEROS_AT_ONCE = 256 * 1024

/** The room ahead of one partition's end. */
export class RoomAhead {
  readonly #env: LogEnvironment
  readonly #config: { readonly segmentBytes: number }
  /** How far ahead of the end a fill begins: no round that is not held up reaches it meanwhile. */
  readonly #margin: number
  #filled = 0
  #fillFrom = Infinity
  #filling: Promise<void> | undefined

  constructor(env: LogEnvironment, config: { readonly segmentBytes: number }) {
    this.#env = env
    this.#config = config
    this.#margin = env.roomAheadBytes >> 2
  }

  /** Makes the file long enough for a write of `bytes`, with room behind it, as far as the system lets it. */
  makeFor(segment: Segment, bytes: number): void {
    const end = segment.size + bytes
    if (end <= segment.fileSize) return
    try {
      segment.extendTo(Math.max(end, Math.min(end + this.#env.roomAheadBytes, this.#config.segmentBytes)))
    } catch (error) {
      // The write may fit all the same, and says what is wrong if it does not.
      if (!isRefusal(error)) throw error
    }
  }

  /** Whether a fill is under way. */
  get filling(): boolean {
    return this.#filling !== undefined
  }

  /** Whether a write that ends at `end` would come upon a fill under way. */
  blocks(end: number): boolean {
    return end > this.#fillFrom
  }

  /** A round of `bytes` is stored: fills more room when such rounds use it up. */
  roundEnded(segment: Segment, bytes: number): void {
    if (bytes < LARGE_ROUND || this.#filling !== undefined) return
    if (this.#filled > segment.size + this.#env.roomAheadBytes / 2) return
    const from = Math.max(this.#filled, segment.size + this.#margin)
    const to = Math.min(segment.size + this.#env.roomAheadBytes, this.#config.segmentBytes)
    if (to - from < this.#margin) return
    this.#fillFrom = from
    this.#filling = this.#fill(segment, from, to).finally(() => {
      this.#filling = undefined
      this.#fillFrom = Infinity
    })
  }

  /** Waits for a fill under way; before the segment is cut, sealed or closed. */
  async settle(): Promise<void> {
    await this.#filling
  }

  /** Another segment is active now, or this one was cut. */
  restart(): void {
    this.#filled = 0
  }

  async #fill(segment: Segment, from: number, to: number): Promise<void> {
    let file: FileHandle | undefined
    try {
      file = this.#env.openFiles.open(segment.path, 'write')
      const zeros = Buffer.alloc(Math.min(MOST_ZEROS_AT_ONCE, to - from))
      for (let at = from; at < to; at += zeros.length) {
        await writeFully(file, zeros, 0, Math.min(zeros.length, to - at), at)
        this.#filled = Math.min(at + zeros.length, to)
        segment.fileSize = Math.max(segment.fileSize, this.#filled)
      }
    } catch (error) {
      // Room ahead is a convenience: what stops it will stop an append, and be told there.
      if (!isRefusal(error)) throw error
      segment.fileSize = Math.max(segment.fileSize, to)
    } finally {
      file?.closeSync()
    }
  }
}
