/*
 * Walks the batches of a `.log` file in order. It believes nothing: every batch is checked before the next is looked for, and the walk
 * ends at the end of the file, at room that was never written (zeros), or at damage, and says which. What that means is the caller's
 * business: recovery cuts, verify reports, an index is rebuilt.
 */
import { batchDamage, type BatchHeader, LENGTH_AT, LENGTH_COVERS_FROM, readBatchHeader, RECORDS_AT } from '../format/batch.ts'
import { getInt32 } from '../base/bytes.ts'
import { isLogError } from '../base/errors.ts'
import { type FileHandle } from '../files/file-system.ts'

const WINDOW = 256 * 1024
/** A batch that claims to be larger than a segment may be is damage, not a reason to make room for it. */
const LARGEST_BATCH = 0x7fff_ffff

/** How a walk ended. */
export interface ScanEnd {
  /** Where the last whole batch ended. */
  readonly position: number
  /** `'end'` of the file, `'zeros'` up to the end of the file, or damage in the words of `batchDamage`. */
  readonly reason: string
}

/** Which bytes to walk, and how closely to look. */
export interface ScanOptions {
  readonly from: number
  /** Where the file ends for this walk. */
  readonly to: number
  /** Whether checksums are computed; else only headers are looked at. */
  readonly checkCrc: boolean
  /** Offsets below this one, and below those of batches before, are damage. */
  readonly minOffset: number
  /** Offsets above this one are damage: a segment spans at most 2^31, and its indexes can tell no more. Default: no bound. */
  readonly maxOffset?: number
}

/**
 * Calls `visit` for each whole batch from `from` on; it may return false to end the walk behind that batch.
 *
 * @param visit  gets the header, the batch's position in the file, and the memory that holds it, valid during the call only
 */
export function scanBatches(
  file: FileHandle, options: ScanOptions,
  visit: (header: BatchHeader, position: number, buffer: Buffer, at: number) => boolean | void,
): ScanEnd {
  let window: Buffer = Buffer.allocUnsafeSlow(Math.max(RECORDS_AT, Math.min(WINDOW, options.to - options.from)))
  let filled = 0
  let at = 0
  let position = options.from
  let nextOffset = options.minOffset
  const { maxOffset = Infinity } = options
  const fill = (needed: number): void => {
    if (needed > window.length) window = Buffer.concat([window.subarray(at, filled)], Math.max(needed, WINDOW))
    else window.copyWithin(0, at, filled)
    filled -= at
    at = 0
    while (filled < window.length) {
      const count = file.readSync(window, filled, Math.min(window.length - filled, options.to - position - filled), position + filled)
      if (count === 0) break
      filled += count
    }
  }
  for (;;) {
    if (filled - at < RECORDS_AT) fill(RECORDS_AT)
    if (filled === at) return { position, reason: 'end' }
    const length = filled - at < LENGTH_AT + 4 ? 0 : getInt32(window, at + LENGTH_AT)
    if (length === 0 && onlyZeros(file, position, options.to)) return { position, reason: 'zeros' }
    const size = length + LENGTH_COVERS_FROM
    if (size <= LARGEST_BATCH && size > filled - at && size <= options.to - position) fill(size)
    const damage = options.checkCrc ? batchDamage(window, at, filled) : headerDamage(window, at, filled)
    if (damage !== undefined) return { position, reason: damage }
    const header = readBatchHeader(window, at, filled)
    if (header.baseOffset < nextOffset || header.lastOffset > maxOffset) return { position, reason: 'offset-order' }
    if (visit(header, position, window, at) === false) return { position: position + header.size, reason: 'end' }
    nextOffset = header.lastOffset + 1
    position += header.size
    at += header.size
  }
}

/** What is wrong with the header at `at`, checksum apart; undefined for a plausible batch that lies whole in the buffer. */
function headerDamage(buffer: Buffer, at: number, end: number): string | undefined {
  if (end - at < RECORDS_AT) return 'short-header'
  try {
    return readBatchHeader(buffer, at, end).size > end - at ? 'short-batch' : undefined
  } catch (error) {
    if (isLogError(error, 'LOG_BATCH_CORRUPT')) return 'bad-header'
    throw error
  }
}

/** What room that was never written reads as. */
export const ZEROS: Buffer = Buffer.alloc(64 * 1024)

/** Whether the first `count` bytes, at most as many as there are in {@link ZEROS}, are zeros. */
export function isZeros(bytes: Buffer, count: number): boolean {
  return bytes.compare(ZEROS, 0, count, 0, count) === 0
}

/** Whether a file holds nothing but zeros in [from, to). */
function onlyZeros(file: FileHandle, from: number, to: number): boolean {
  const window = Buffer.allocUnsafe(Math.min(ZEROS.length, Math.max(0, to - from)))
  for (let position = from; position < to; ) {
    const count = file.readSync(window, 0, Math.min(window.length, to - position), position)
    if (count === 0) break
    if (!isZeros(window, count)) return false
    position += count
  }
  return true
}
