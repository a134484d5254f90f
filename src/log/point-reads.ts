/*
 * Reads single records by the place that an index remembers: exactly their bytes, into the memory that they are kept in; where records that
 * are asked for one after the other lie near each other, what is between them too. A batch is checked as a whole when a record of it is first
 * read from its file; that is remembered (segment.ts).
 *
 * A place is a hint: compaction and compression move records. Whoever reads by one compares what is there with what was asked for, and
 * reads by offset when it is something else (`readByOffset`).
 */
import { getInt64 } from '../base/bytes.ts'
import { readFullySync } from '../files/write-fully.ts'
import { BASE_OFFSET_AT, batchDamage, type BatchHeader, batchSize, RECORDS_AT } from '../format/batch.ts'
import { lastOffsetAt } from './batch-place.ts'
import { guarded, ioError } from './io-error.ts'
import { type PartitionLog } from './partition-log.ts'
import { type RecordCodecs } from './record-input.ts'
import { scanBatches } from './scan.ts'
import { corrupt, type Segment } from './segment.ts'

/** Records of one file that lie no farther apart are near each other: so many bytes are read back from the second on, unless it is larger. */
const NEAR_BYTES = 2048
/** Memory that records are copied to is taken in pieces of this size. */
const SLAB_BYTES = 64 * 1024
/** Where what is read from files lies for a moment. */
const SCRATCH_BYTES = 64 * 1024
/** A walk lets the event loop turn after so many bytes. */
const BYTES_PER_TURN = 1024 * 1024

/** Brings records into memory of their own: what it gave stays as it is. */
export class PointReads {
  /** Holds the record that was found last. */
  buffer: Buffer = Buffer.alloc(0)
  /** Where that record begins in it. */
  at = 0
  private readonly log: PartitionLog
  private slabUsed = 0
  private scratch: Buffer = Buffer.alloc(0)
  /** What was read last, as it lies at the beginning of `scratch`: its place in the file. */
  private segment: Segment | undefined
  private windowFrom = 0
  private windowEnd = 0
  /** The file, and the place in it, of the record that was found last. */
  private lastSegment: Segment | undefined
  private lastFrom = 0

  constructor(log: PartitionLog) {
    this.log = log
  }

  /** Forgets what was read: files may be others by now. To be called whenever others had a turn. */
  begin(): void {
    this.segment = undefined
    this.lastSegment = undefined
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
      this.keep(batch.buffer, batch.at + at, size)
      return true
    }
    const segment = this.log.segmentAt(offset)
    if (segment === undefined) return false
    const from = batchPosition + at
    const end = from + size
    if (segment !== this.segment || from < this.windowFrom || end > this.windowEnd) {
      if (at < RECORDS_AT || end > segment.size) return false
      if (!segment.isChecked(batchPosition)) {
        if (!this.check(segment, offset, batchPosition, at + size)) return false
      } else if (size > NEAR_BYTES || !this.isNear(segment, end)) {
        this.remember(segment, from)
        this.takeRoom(size)
        return readAt(segment, this.buffer, this.at, size, from)
      } else if (!this.read(segment, Math.max(batchPosition + RECORDS_AT, end - NEAR_BYTES), end)) return false
    }
    this.remember(segment, from)
    this.keep(this.scratch, from - this.windowFrom, size)
    return true
  }

  /** Whether the record that was found last begins little behind `end`. */
  private isNear(segment: Segment, end: number): boolean {
    return segment === this.lastSegment && this.lastFrom >= end && this.lastFrom - end < NEAR_BYTES
  }

  private remember(segment: Segment, from: number): void {
    this.lastSegment = segment
    this.lastFrom = from
  }

  /** Reads the batch as a whole, which has at least `needed` bytes, and checks it. */
  private check(segment: Segment, offset: number, position: number, needed: number): boolean {
    if (!this.read(segment, position, position + needed)) return false
    const size = batchSize(this.scratch, 0)
    if (size < needed || size > segment.size - position) return false
    if (size > needed && !this.read(segment, position, position + size)) return false
    const { scratch } = this
    if (batchDamage(scratch, 0, size) !== undefined) return false
    if (getInt64(scratch, BASE_OFFSET_AT) > offset || lastOffsetAt(scratch, 0) < offset) return false
    segment.setChecked(position)
    return true
  }

  /** Reads bytes of a file, and remembers them as the window. */
  private read(segment: Segment, from: number, end: number): boolean {
    const size = end - from
    this.segment = undefined
    if (size > this.scratch.length) this.scratch = Buffer.allocUnsafeSlow(Math.max(size, SCRATCH_BYTES))
    if (!readAt(segment, this.scratch, 0, size, from)) return false
    this.segment = segment
    this.windowFrom = from
    this.windowEnd = end
    return true
  }

  private keep(from: Buffer, at: number, size: number): void {
    this.takeRoom(size)
    from.copy(this.buffer, this.at, at, at + size)
  }

  /** Makes `buffer` one with room for a record, from `at` on. */
  private takeRoom(size: number): void {
    if (this.slabUsed + size > this.buffer.length) {
      this.buffer = Buffer.allocUnsafeSlow(Math.max(size, SLAB_BYTES))
      this.slabUsed = 0
    }
    this.at = this.slabUsed
    this.slabUsed += size
  }
}

/** Reads `size` bytes of a file into `buffer` at `at`. False when it has not so many. */
function readAt(segment: Segment, buffer: Buffer, at: number, size: number, position: number): boolean {
  try {
    return readFullySync(segment.reader(), buffer, at, at + size, position) === size
  } catch (error) {
    throw ioError(`reading ${segment.path}`, error)
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
 * Calls `visit` for each whole batch that ends at or past `from` and begins below `to` and the watermark, as they are stored; gives where it
 * ended. It goes through files and lets the event loop turn now and then; what is appended meanwhile is visited too.
 */
export async function walkBatches(
  log: PartitionLog, from: number, visit: BatchVisit, turn: () => Promise<void>, to = Infinity,
): Promise<number> {
  let next = from
  let position = -1
  let segment: Segment | undefined
  while (next < Math.min(to, log.highWatermark)) {
    const found: Segment | undefined = segment?.gone === false ? segment : log.segmentAt(next)
    if (found === undefined) break
    if (found !== segment) {
      segment = found
      position = -1
    }
    const start = position >= 0 ? position : log.scanPosition(found, next)
    const end = walkPiece(found, start, next, Math.min(to, log.highWatermark), visit)
    if (end.damage !== undefined && log.state === 'open' && !found.growing) throw corrupt(found, end.position, end.damage)
    next = Math.max(next, end.next)
    if (end.position === start || end.position >= found.size) {
      const after = log.segmentAfter(found)
      // Behind the last file there may be offsets that nothing was stored under.
      if (after === undefined || after.baseOffset >= to) break
      segment = after
      position = 0
    } else position = end.position
    await turn()
  }
  return Math.max(next, Math.min(to, log.highWatermark))
}

/** What one turn of a walk came to. */
interface WalkedPiece {
  readonly position: number
  readonly next: number
  readonly damage: string | undefined
}

function walkPiece(segment: Segment, start: number, from: number, end: number, visit: BatchVisit): WalkedPiece {
  let next = from
  const options = { from: start, to: segment.size, checkCrc: true, minOffset: segment.baseOffset }
  const { position, reason } = guarded(`reading ${segment.path}`, () => scanBatches(segment.reader(), options, (header, position, buffer, at) => {
    if (header.baseOffset >= end) return false
    if (header.lastOffset >= from) visit(header, buffer, at, position, segment)
    next = header.lastOffset + 1
    return position + header.size - start < BYTES_PER_TURN
  }))
  return { position, next, damage: reason === 'end' || reason === 'zeros' ? undefined : reason }
}
