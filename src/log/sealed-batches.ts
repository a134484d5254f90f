/*
 * Walks the batches of a sealed segment without holding the event loop: the file is read ahead, a MiB at a time, while the MiB before is
 * worked on, and every batch is checked before it is shown. For the cleaner, which reads everything; readers of records use cursors.
 */
import { getInt32 } from '../base/bytes.ts'
import { type FileHandle } from '../files/file-system.ts'
import { readFully } from '../files/write-fully.ts'
import { batchDamage, type BatchHeader, LENGTH_AT, LENGTH_COVERS_FROM, readBatchHeader, RECORDS_AT, SMALLEST_LENGTH } from '../format/batch.ts'
import { corrupt } from './segment.ts'
import { guarded, guardedAsync } from './io-error.ts'
import { type Pace } from './pace.ts'
import { type Segment } from './segment.ts'

const PIECE_BYTES = 1024 * 1024
/** Room in front of a piece for the beginning of a batch that ends in it. */
const ROOM_BYTES = 128 * 1024

/**
 * Sees a batch: its header, where it lies in the file, and the memory that holds it, valid until it returns, or until what it returns resolves.
 * False ends the walk.
 */
export type BatchVisitor = (header: BatchHeader, buffer: Buffer, at: number) => boolean | void | Promise<void>

/** Reads segments batch by batch, one segment at a time. */
export class SealedBatches {
  readonly #pace: Pace
  readonly #memory = [0, 1].map(() => Buffer.allocUnsafeSlow(ROOM_BYTES + PIECE_BYTES))
  #turn = 0

  constructor(pace: Pace) {
    this.#pace = pace
  }

  /**
   * Shows every batch of `segment` from `from` on, a boundary between batches.
   *
   * @throws LogError `LOG_CORRUPT` for a batch that is not whole, `LOG_IO`; the reason of the pace's signal
   */
  async walk(segment: Segment, from: number, visit: BatchVisitor): Promise<void> {
    const pinned = guarded(`opening ${segment.path}`, () => segment.pin())
    let position = from
    let ahead = this.#read(pinned.handle, segment, from)
    let buffer: Buffer = this.#memory[this.#turn]!
    let at = 0
    let end = 0
    try {
      while (position < segment.size) {
        const size = wholeBatch(segment, position, buffer, at, end)
        if (size === undefined) return
        if (size === 0) {
          const count = await ahead
          if (count === 0) throw corrupt(segment, position, end - at < RECORDS_AT ? 'short-header' : 'short-batch')
          const left = end - at
          buffer = this.#joined(buffer.subarray(at, end), count)
          at = ROOM_BYTES > left ? ROOM_BYTES - left : 0
          end = at + left + count
          ahead = this.#read(pinned.handle, segment, position + left + count)
          continue
        }
        const damage = batchDamage(buffer, at, at + size)
        if (damage !== undefined) throw corrupt(segment, position, damage)
        const seen = visit(readBatchHeader(buffer, at, end), buffer, at)
        if (seen === false) return
        if (seen instanceof Promise) await seen
        at += size
        position += size
        if (this.#pace.over) await this.#pace.breathe()
      }
    } finally {
      await ahead.catch(() => {})
      pinned.release()
    }
  }

  /** Begins to read the piece at `position` into the memory whose turn it is. */
  #read(file: FileHandle, segment: Segment, position: number): Promise<number> {
    const length = Math.max(0, Math.min(PIECE_BYTES, segment.size - position))
    const memory = this.#memory[this.#turn]!
    const reading = guardedAsync(`reading ${segment.path}`, () => readFully(file, memory, ROOM_BYTES, ROOM_BYTES + length, position))
    reading.catch(() => {})       // told where it is waited for
    return reading
  }

  /** The piece of `count` bytes that was read, behind what was left of the one before; the other memory has its turn. */
  #joined(left: Buffer, count: number): Buffer {
    const memory = this.#memory[this.#turn]!
    this.#turn = 1 - this.#turn
    if (left.length > ROOM_BYTES) return Buffer.concat([left, memory.subarray(ROOM_BYTES, ROOM_BYTES + count)])
    left.copy(memory, ROOM_BYTES - left.length)
    return memory
  }
}

/** Bytes of the batch at `at`, 0 when it is not all in memory yet; undefined for room that was never used. */
function wholeBatch(segment: Segment, position: number, buffer: Buffer, at: number, end: number): number | undefined {
  if (end - at < RECORDS_AT) return 0
  const length = getInt32(buffer, at + LENGTH_AT)
  if (length === 0) return undefined
  if (length < SMALLEST_LENGTH) throw corrupt(segment, position, 'bad-length')
  const size = length + LENGTH_COVERS_FROM
  if (size > segment.size - position) throw corrupt(segment, position, 'short-batch')
  return size <= end - at ? size : 0
}
