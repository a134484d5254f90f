/*
 * Room ahead of the end of the active segment, for durability 'sync': as long as a write stays inside the file's length, its sync need not
 * journal a new length. Where it meets a hole there its sync journals the block, and waits for all that others had journaled by then, which on a
 * busy disk takes many times as long. So now and then a round writes zeros behind itself, and those after it find their blocks: as many as were
 * written before, so that who writes little leaves little. Rounds of hundreds of KiB gain nothing from either.
 *
 * A tail of zeros is neither damage nor torn; it is cut off when the segment is sealed.
 */
import { type LogEnvironment } from './environment.ts'
import { isRefusal } from './io-error.ts'
import { type Segment } from './segment.ts'

/** Bytes of room that are kept ahead of the end at most, unless the segment ends before. */
export const DEFAULT_ROOM_AHEAD = 4 * 1024 * 1024

const BLOCK = 4096
/** Writes of so many bytes and more hide what zeros save. */
const LARGE_WRITE = 128 * 1024
/** So many writes share the zeros that one of them adds, or more. */
const WRITES_PER_FILL = 32
/** The event loop stands still meanwhile, and more at once costs no less a byte. */
const MOST_ZEROS = 1024 * 1024

/** As many as are written at once. Made when they are first needed: memory that was never written to takes no room then. */
let zeros: Buffer | undefined

/** The room ahead of one partition's end. */
export class RoomAhead {
  readonly #env: LogEnvironment
  readonly #config: { readonly segmentBytes: number }
  #segment: Segment | undefined
  /** Where the zeros written into `#segment` end. */
  #filled = 0
  /** Bytes for which room was asked. */
  #asked = 0

  constructor(env: LogEnvironment, config: { readonly segmentBytes: number }) {
    this.#env = env
    this.#config = config
  }

  /** Makes room in the file for a write of `bytes` at the segment's end, and behind it, as far as the system lets it. */
  makeFor(segment: Segment, bytes: number): void {
    const end = segment.size + bytes
    const room = Math.max(bytes < BLOCK ? 0 : WRITES_PER_FILL * bytes, this.#asked)
    this.#asked += bytes
    try {
      if (room >= BLOCK && bytes < LARGE_WRITE) this.#fill(segment, end, Math.min(room, MOST_ZEROS, this.#env.roomAheadBytes))
      if (end > segment.fileSize) segment.extendTo(Math.max(end, Math.min(end + this.#env.roomAheadBytes, this.#config.segmentBytes)))
    } catch (error) {
      if (!isRefusal(error)) throw error
      // The write may fit all the same, once it has the room of the zeros that did, and says what is wrong if it does not.
      if (segment.fileSize > segment.size) segment.cutToSize()
      this.#asked = 0
    }
  }

  /** Writes zeros behind `end`, unless it lies in those that were written before. */
  #fill(segment: Segment, end: number, bytes: number): void {
    // One that was cut has lost its zeros.
    if (segment !== this.#segment || segment.fileSize < this.#filled) this.#filled = 0
    this.#segment = segment
    if (end <= this.#filled) return
    // Whole blocks, by one call: that takes two thirds of the time of small pieces that lie across them. What is behind the end in its own block
    // the write brings with it.
    const from = blocksUp(end)
    const to = Math.min(blocksUp(end + bytes), this.#config.segmentBytes)
    if (to > from) segment.fill(zeros ??= Buffer.alloc(MOST_ZEROS), to - from, from)
    this.#filled = Math.max(end, to)
  }
}

function blocksUp(position: number): number {
  return Math.ceil(position / BLOCK) * BLOCK
}
