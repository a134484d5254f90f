/*
 * Reads single records by the place that an index remembers: exactly their bytes, with what lies before them in their batch as far as it
 * costs nothing. A batch is checked as a whole when a record of it is first read from its file; that is remembered (segment.ts).
 *
 * A place is a hint: compaction and compression move records. Whoever reads by one compares what is there with what was asked for, and
 * reads by offset when it is something else (`readByOffset`).
 */
import { getInt64 } from '../base/bytes.ts'
import { readFullySync } from '../files/write-fully.ts'
import { BASE_OFFSET_AT, batchDamage, type BatchHeader, batchSize, RECORDS_AT } from '../format/batch.ts'
import { lastOffsetAt } from './batch-place.ts'
import { guarded } from './io-error.ts'
import { type PartitionLog } from './partition-log.ts'
import { type RecordCodecs } from './record-input.ts'
import { scanBatches } from './scan.ts'
import { corrupt, type Segment } from './segment.ts'

/** So many bytes up to the end of a record are read with it: an append of several is then one read. */
const READ_BACK = 2048
const SMALLEST_CHUNK = 1024
const LARGEST_CHUNK = 256 * 1024
/** A walk lets the event loop turn after so many bytes. */
const BYTES_PER_TURN = 1024 * 1024

/** Brings records into memory of its own, one read after the other: what it gave stays as it is. */
export class PointReads {
  /** Holds the record that was found last. */
  buffer: Buffer
  /** Where that record begins in it. */
  at = 0
  private readonly log: PartitionLog
  private used = 0
  private segment: Segment | undefined
  /** What was read last: its place in the file, and in `buffer`. */
  private windowFrom = 0
  private windowEnd = 0
  private windowAt = 0

  /** @param expected  bytes that will probably be read in all */
  constructor(log: PartitionLog, expected: number) {
    this.log = log
    this.buffer = Buffer.allocUnsafeSlow(Math.max(SMALLEST_CHUNK, Math.min(expected, LARGEST_CHUNK)))
  }

  /**
   * Brings the `size` bytes that begin `at` bytes behind the beginning of the batch at `batchPosition`. False when there is no such record: the
   * place is not right any more, or the batch is damaged, which a read by offset tells.
   */
  find(offset: number, batchPosition: number, at: number, size: number): boolean {
    const { tail } = this.log
    if (offset >= tail.baseOffset) {
      const batch = tail.find(offset)
      if (batch === undefined || batch.baseOffset > offset || at + size > batch.size) return false
      this.take(size)
      batch.buffer.copy(this.buffer, this.at, batch.at + at, batch.at + at + size)
      return true
    }
    const segment = this.log.segmentAt(offset)
    if (segment === undefined) return false
    const from = batchPosition + at
    const end = from + size
    if (segment === this.segment && from >= this.windowFrom && end <= this.windowEnd) {
      this.at = this.windowAt + from - this.windowFrom
      return true
    }
    if (end > segment.size) return false
    if (!segment.isChecked(batchPosition)) return this.findUnchecked(segment, offset, batchPosition, at, size)
    this.read(segment, Math.max(batchPosition + RECORDS_AT, end - READ_BACK), end)
    this.at += from - this.windowFrom
    return true
  }

  /** The whole batch is read, and checked. */
  private findUnchecked(segment: Segment, offset: number, position: number, at: number, size: number): boolean {
    const needed = at + size
    if (at < RECORDS_AT || !this.read(segment, position, position + needed)) return false
    const whole = batchSize(this.buffer, this.at)
    if (whole < needed || whole > segment.size - position) return false
    if (whole > needed && !this.read(segment, position, position + whole)) return false
    const batchAt = this.at
    if (batchDamage(this.buffer, batchAt, batchAt + whole) !== undefined) return false
    if (getInt64(this.buffer, batchAt + BASE_OFFSET_AT) > offset || lastOffsetAt(this.buffer, batchAt) < offset) return false
    segment.setChecked(position)
    this.at = batchAt + at
    return true
  }

  /** Reads bytes of a file behind what is there, and remembers them as the window. */
  private read(segment: Segment, from: number, end: number): boolean {
    const size = end - from
    this.take(size)
    this.segment = undefined
    const count = guarded(`reading ${segment.path}`, () => readFullySync(segment.reader(), this.buffer, this.at, size, from))
    if (count < size) return false
    this.segment = segment
    this.windowFrom = from
    this.windowEnd = end
    this.windowAt = this.at
    return true
  }

  private take(size: number): void {
    if (this.used + size > this.buffer.length) {
      this.buffer = Buffer.allocUnsafeSlow(Math.max(size, Math.min(this.buffer.length * 2, LARGEST_CHUNK)))
      this.used = 0
      this.segment = undefined
    }
    this.at = this.used
    this.used += size
  }
}

const nothing: RecordCodecs<null, null> = {
  key: { name: 'bytes', encode: () => {}, decode: () => null },
  value: { name: 'bytes', encode: () => {}, decode: () => null },
}

/** The bytes of the record at `offset`, wherever it lies by now; undefined when there is none. */
export function readByOffset(log: PartitionLog, offset: number): Buffer | undefined {
  const cursor = log.read(nothing, { from: offset, to: offset + 1, isolation: 'read_uncommitted' })
  const record = cursor.take()
  const bytes = record?.offset === offset ? record.copyBytes() : undefined
  cursor.close()
  return bytes
}

/** A batch that a walk comes by; its memory is valid during the call only. */
export type BatchVisit = (header: BatchHeader, buffer: Buffer, at: number, position: number, segment: Segment) => void

/**
 * Calls `visit` for each whole batch that ends at or past `from` and begins below the watermark, as they are stored; gives where it ended. It
 * goes through files and lets the event loop turn now and then; what is appended meanwhile is visited too.
 */
export async function walkBatches(log: PartitionLog, from: number, visit: BatchVisit, turn: () => Promise<void>): Promise<number> {
  let next = from
  let position = -1
  let segment: Segment | undefined
  while (next < log.highWatermark) {
    const found: Segment | undefined = segment?.gone === false ? segment : log.segmentAt(next)
    if (found === undefined) break
    if (found !== segment) {
      segment = found
      position = -1
    }
    const start = position >= 0 ? position : log.scanPosition(found, next)
    const end = walkPiece(found, start, log, next, visit)
    if (end.damage !== undefined && log.state === 'open' && !found.growing) throw corrupt(found, end.position, end.damage)
    next = Math.max(next, end.next)
    if (end.position === start || end.position >= found.size) {
      const after = log.segmentAfter(found)
      // Behind the last file there may be offsets that nothing was stored under.
      if (after === undefined) break
      segment = after
      position = 0
    } else position = end.position
    await turn()
  }
  return Math.max(next, log.highWatermark)
}

/** What one turn of a walk came to. */
interface WalkedPiece {
  readonly position: number
  readonly next: number
  readonly damage: string | undefined
}

function walkPiece(segment: Segment, start: number, log: PartitionLog, from: number, visit: BatchVisit): WalkedPiece {
  let next = from
  const end = log.highWatermark
  const options = { from: start, to: segment.size, checkCrc: true, minOffset: segment.baseOffset }
  const { position, reason } = guarded(`reading ${segment.path}`, () => scanBatches(segment.reader(), options, (header, position, buffer, at) => {
    if (header.baseOffset >= end) return false
    if (header.lastOffset >= from) visit(header, buffer, at, position, segment)
    next = header.lastOffset + 1
    return position + header.size - start < BYTES_PER_TURN
  }))
  return { position, next, damage: reason === 'end' || reason === 'zeros' ? undefined : reason }
}
