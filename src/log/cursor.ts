/*
 * Walks the records of a partition from an offset to an end that is fixed, or moved on by its owner. Bytes come from the tail in memory
 * where it reaches, else from windows on the segment files; each batch that comes from a file is checked once, before any record of it
 * is handed out. A cursor that must not hold the event loop stops where it would have to read a file and says so (`blocked`).
 *
 * What was handed out last stays in memory until more is asked for, or the cursor is closed: it can be read whatever the writer does meanwhile.
 *
 * It does not wait for new records and knows nothing of groups: that is topics/consumer.ts.
 */
import { getBigInt64, getInt32 } from '../base/bytes.ts'
import { isLogError, LogError } from '../base/errors.ts'
import { type PinnedFile } from '../files/open-files.ts'
import { readFully, readFullySync } from '../files/write-fully.ts'
import {
  batchDamage, batchSize, CONTROL_BIT, LENGTH_AT, LENGTH_COVERS_FROM, PRODUCER_ID_AT, RECORDS_AT, SMALLEST_LENGTH, TRANSACTIONAL_BIT,
} from '../format/batch.ts'
import { compressionNames, decompress } from '../format/compression.ts'
import { BatchPlace, lastOffsetAt } from './batch-place.ts'
import { type Epochs } from './epochs.ts'
import { guarded, guardedAsync } from './io-error.ts'
import { type CommittedFilter } from './read-committed.ts'
import { BatchView, LogRecord, recordGone, type RecordSource } from './record.ts'
import { type RecordCodecs } from './record-input.ts'
import { corrupt, type Segment } from './segment.ts'
import { type Tail } from './tail.ts'
import { type BatchGroup, SCAN_WINDOW_BYTES, type Window, type WindowCache } from './windows.ts'

/** What a cursor reads: the view that a partition gives of itself. */
export interface CursorSource {
  readonly topic: string
  readonly partition: number
  readonly tail: Tail
  readonly windows: WindowCache
  /** The segment that holds `offset` or the first one behind it; undefined past the last. */
  segmentAt(offset: number): Segment | undefined
  /** The segment after `segment`. */
  segmentAfter(segment: Segment): Segment | undefined
  /** The cached group of batches that holds `offset`, read when it is not there; undefined when such reads do not pay. */
  group(segment: Segment, offset: number): BatchGroup | undefined
  /** Where a scan for `offset` begins in a segment: a batch boundary at or before it. */
  scanPosition(segment: Segment, offset: number): number
  /** Opens a segment's file for an asynchronous read; throws when the log is closed. */
  pin(segment: Segment): PinnedFile
  /** Decides about the batches of transactional producers; undefined reads all. */
  filter(from: number, to: number): CommittedFilter | undefined
  /** The epoch that the log is in: another one begins whenever it was cut. */
  readonly leaderEpoch: number
  readonly startOffset: number
  readonly nextOffset: number
  readonly epochs: Epochs
  /** In a process beside the writer: learns what the writer says by now. */
  lookAgain(): void
}

/** What a cursor walks over. */
export interface CursorOptions {
  readonly from: number
  /** Exclusive. */
  readonly to: number
  readonly committed: boolean
  /** Stop and say `blocked` instead of reading a file on the event loop. */
  readonly nonBlocking?: boolean
}

/** A writer in another process may replace a segment while it is looked for, but not many times in a row. */
const ATTEMPTS = 8

const RECORD_DONE = { done: true, value: undefined } as const

/** A walk over the records of one partition; also what its records find their bytes by after its memory was used again. */
export class RecordCursor<K, V> implements IterableIterator<LogRecord<K, V>>, RecordSource<K, V> {
  /** Offset of the next record wanted. */
  position: number
  /** Exclusive end; its owner may move it on. */
  end: number
  /** The last `next` found nothing because a file must be read first: call `fill`. */
  blocked = false
  private readonly source: CursorSource
  private readonly codecs: RecordCodecs<K, V>
  private readonly nonBlocking: boolean
  private readonly committed: boolean
  private filter: CommittedFilter | undefined
  /** Of the log when the place in it was last known to be right. */
  private epoch: number
  // The batch being walked
  private batch: BatchView<K, V> | undefined
  private at = 0
  private recordsEnd = 0
  private remaining = 0
  private baseOffset = 0
  private dense = true
  private index = 0
  // The file being walked
  private segment: Segment | undefined
  private filePosition = 0
  private scanning = false
  private window: Window | undefined
  private windowAt = 0
  private windowEnd = 0
  /** The file could grow when the window was read: what lies behind the end of that time may be other bytes by now. */
  private windowGrows = false
  /** The chunk of the tail that the batch at hand stands in. */
  private chunk: Window | undefined

  constructor(source: CursorSource, codecs: RecordCodecs<K, V>, options: CursorOptions) {
    this.source = source
    this.codecs = codecs
    this.position = options.from
    this.end = options.to
    this.committed = options.committed
    this.nonBlocking = options.nonBlocking === true
    this.filter = options.committed ? source.filter(options.from, options.to) : undefined
    this.epoch = source.leaderEpoch
  }

  get topic(): string {
    return this.source.topic
  }

  get partition(): number {
    return this.source.partition
  }

  [Symbol.iterator](): this {
    return this
  }

  next(): IteratorResult<LogRecord<K, V>, undefined> {
    const record = this.take()
    if (record !== undefined) return { done: false, value: record }
    // The end is inside of a batch: what is left of it is nobody's.
    if (this.segment === undefined) this.leave()
    return RECORD_DONE
  }

  return(): IteratorResult<LogRecord<K, V>, undefined> {
    this.close()
    return RECORD_DONE
  }

  /** The next record; undefined at the end, or when `blocked`. */
  take(): LogRecord<K, V> | undefined {
    for (;;) {
      if (this.remaining === 0 && !this.enterNextBatch()) return undefined
      const batch = this.batch!
      const { buffer } = batch
      let at = this.at
      let byte = buffer[at++]!
      let bits = byte & 0x7f
      for (let shift = 7; byte >= 0x80 && shift < 35; shift += 7) {
        byte = buffer[at++]!
        bits |= (byte & 0x7f) << shift
      }
      const end = at + ((bits >>> 1) ^ -(bits & 1))
      if (!(end > at && end <= this.recordsEnd)) throw this.malformed()
      const offset = this.dense ? this.baseOffset + this.index : this.baseOffset + offsetDelta(buffer, at)
      this.at = end
      this.remaining--
      this.index++
      if (offset < this.position) continue
      if (offset >= this.end) {
        // Not yet: the owner may move the end on, and then this record is wanted. Those of `takeBatch` before it are in hand: their memory stays.
        this.remaining = 0
        this.segment = undefined
        return undefined
      }
      this.position = offset + 1
      return new LogRecord(batch, offset, at, end)
    }
  }

  /** All records that are left of the batch at hand, or of the next one; empty at the end or when `blocked`. */
  takeBatch(): LogRecord<K, V>[] {
    const records: LogRecord<K, V>[] = []
    const first = this.take()
    if (first === undefined) return records
    records.push(first)
    while (this.remaining > 0) {
      const record = this.take()
      if (record === undefined) break
      records.push(record)
    }
    return records
  }

  /** Continues at `offset`. */
  seek(offset: number): void {
    this.leave()
    this.scanning = false
    this.blocked = false
    this.position = offset
    this.epoch = this.source.leaderEpoch
    if (this.committed) this.filter = this.source.filter(offset, this.end)
  }

  /** Moves the end on to `end`, with what is decided about transactions up to there. Not while a `fill` runs. */
  extend(end: number): void {
    if (end <= this.end) return
    this.end = end
    // A file that grows elsewhere may have been read where nothing was written yet.
    if (this.windowGrows) this.windowEnd = this.windowAt
    if (this.committed) this.filter = this.source.filter(this.position, end)
  }

  /** Reads what `take` was blocked for, without holding the event loop. */
  async fill(): Promise<void> {
    const { segment } = this
    this.blocked = false
    if (segment === undefined || segment.gone) return
    const needed = Math.max(RECORDS_AT, this.batchSizeAt())
    const position = this.filePosition
    if (await this.takeAhead(segment, position, needed)) return
    const { growing } = segment
    const window = this.source.windows.take(Math.max(SCAN_WINDOW_BYTES, needed))
    const pinned = this.pinned(segment)
    if (pinned === undefined) return
    try {
      const length = Math.min(window.buffer.length, segment.size - position)
      const count = await guardedAsync(`reading ${segment.path}`, () => readFully(pinned.handle, window.buffer, 0, length, position))
      if (!this.standsAt(segment, position)) return
      if (count < Math.min(needed, length)) return this.checkCut(segment, position + needed)
      this.setWindow(window, count, growing)
      this.readAhead(segment)
    } finally {
      pinned.release()
    }
  }

  /** A file ends before `end`: the log was cut there meanwhile, and the next take looks for its place again. Else it is damaged. */
  private checkCut(segment: Segment, end: number): void {
    // Beside a writer in another process only the mark tells, which said so before anything was cut.
    this.source.lookAgain()
    if (!segment.gone && end <= segment.size) throw this.damaged(segment, 'missing-bytes')
  }

  /** Takes the window that was read ahead. False when there is none, or it has not what is needed: then it is to be read. */
  private async takeAhead(segment: Segment, position: number, needed: number): Promise<boolean> {
    const { windows, leaderEpoch } = this.source
    const ahead = windows.ahead.take(segment, position, leaderEpoch)
    if (ahead === undefined) return false
    const count = await ahead.filled
    const stands = this.standsAt(segment, position)
    if (!stands || count < Math.min(needed, segment.size - position)) {
      windows.give(ahead.window)
      return !stands
    }
    this.setWindow(ahead.window, count, false)
    this.readAhead(segment)
    return true
  }

  /** Lets what comes behind the window be read meanwhile: from the first batch on that is not whole in it. */
  private readAhead(segment: Segment): void {
    if (segment.growing) return
    const { buffer } = this.window!
    let at = this.windowAt
    let size = 0
    let lastOffset = -1
    while (at + RECORDS_AT <= this.windowEnd) {
      size = batchSize(buffer, at)
      if (size < RECORDS_AT || at + size > this.windowEnd) break
      lastOffset = lastOffsetAt(buffer, at)
      at += size
      size = 0
    }
    const position = this.filePosition + at - this.windowAt
    if (position + Math.max(size, RECORDS_AT) > segment.size || lastOffset + 1 >= this.end) return
    this.source.windows.ahead.begin(this.source, segment, position, Math.max(SCAN_WINDOW_BYTES, size))
  }

  /** Whether nothing moved it while it waited. */
  private standsAt(segment: Segment, position: number): boolean {
    return this.segment === segment && this.filePosition === position
  }

  /** The file of a segment; undefined when a writer in another process has replaced it: the next take looks for its place again. */
  private pinned(segment: Segment): PinnedFile | undefined {
    try {
      return guarded(`opening ${segment.path}`, () => this.source.pin(segment))
    } catch (error) {
      if (!segment.gone) throw error
      this.source.lookAgain()
      return undefined
    }
  }

  /** Gives its memory back. */
  close(): void {
    this.leave()
  }

  locate(offset: number): { batch: BatchView<K, V>; at: number; end: number } {
    if (offset < this.source.startOffset) throw recordGone({ topic: this.topic, partition: this.partition, offset })
    const again = new RecordCursor<K, V>(this.source, this.codecs, { from: offset, to: offset + 1, committed: false })
    const record = again.take()
    if (record === undefined) throw recordGone({ topic: this.topic, partition: this.partition, offset })
    const { batch, at, end } = record as unknown as { batch: BatchView<K, V>; at: number; end: number }
    if (batch.window !== undefined) batch.window.escaped = true
    again.close()
    return { batch, at, end }
  }

  /** Forgets where it stood in batch and file; the next record is looked for by its offset. */
  private leave(): void {
    this.remaining = 0
    this.batch = undefined
    this.segment = undefined
    this.dropWindow()
    this.leaveChunk()
  }

  private leaveChunk(): void {
    if (this.chunk === undefined) return
    this.source.windows.leaveChunk(this.chunk)
    this.chunk = undefined
  }

  private dropWindow(): void {
    if (this.window !== undefined) this.source.windows.give(this.window)
    this.window = undefined
    this.windowAt = 0
    this.windowEnd = 0
  }

  private setWindow(window: Window, filled: number, growing: boolean): void {
    this.dropWindow()
    this.window = window
    this.windowEnd = filled
    this.windowGrows = growing
  }

  private enterNextBatch(): boolean {
    this.leaveChunk()
    for (let attempt = 1; ; attempt++) {
      // Who must not hold the event loop looks after cuts before each record.
      if (!this.nonBlocking && this.epoch !== this.source.leaderEpoch) this.goOnAfterCut()
      try {
        return this.findNextBatch()
      } catch (error) {
        if (!isLogError(error, 'LOG_CORRUPT') && !isLogError(error, 'LOG_IO')) throw error
        if (attempt === ATTEMPTS || (this.nonBlocking && this.segment?.gone !== true)) throw error
        // Beside a writer in another process a file may end where it does because that just cut it, or be another one because that has
        // compacted it, or be gone.
        this.source.lookAgain()
        const cut = this.epoch !== this.source.leaderEpoch
        if (!cut && this.segment?.gone !== true) throw error
        if (cut && this.nonBlocking) return this.standBack()
      }
    }
  }

  /** Leaves what comes next to the owner, who is told that a file must be read first: `fill` has nothing to do then. */
  private standBack(): false {
    this.leave()
    this.blocked = true
    return false
  }

  /** The log was cut since: goes on if what was read is still its history, and ends where that does. */
  private goOnAfterCut(): void {
    const { epochs, nextOffset } = this.source
    const kept = epochs.divergence({ epoch: this.epoch, offset: this.end }, nextOffset)
    if (kept < this.position) {
      const message = `${this.topic}-${this.partition} was cut to offset ${kept} while it was read; offset ${this.position} is gone`
      throw new LogError('LOG_OFFSET_OUT_OF_RANGE', message, { topic: this.topic, partition: this.partition, offset: this.position, end: kept })
    }
    this.end = kept
    this.seek(this.position)
  }

  private findNextBatch(): boolean {
    if (this.segment?.gone === true) this.leave()
    for (;;) {
      if (this.position >= this.end) return false
      if (this.position < this.source.startOffset) throw this.deleted()
      if (this.position >= this.source.tail.baseOffset) {
        const batch = this.source.tail.find(this.position)
        if (batch === undefined) return false
        this.segment = undefined
        this.dropWindow()
        if (this.enter(new BatchPlace(batch.buffer, batch.at), batch.window)) {
          this.chunk = batch.window
          this.chunk.users++
          return true
        }
        continue
      }
      if (this.segment === undefined) {
        this.dropWindow()
        const segment = this.source.segmentAt(this.position)
        if (segment === undefined) return false
        if (this.enterSegment(segment)) return true
      }
      const entered = this.enterFromFile(this.segment!)
      if (entered !== undefined) return entered
    }
  }

  /** Finds where to read for `position`. True when its batch was in a cached group and is entered: the scan goes on behind it. */
  private enterSegment(segment: Segment): boolean {
    this.segment = segment
    if (!this.scanning && !this.nonBlocking) {
      this.scanning = true
      const group = this.source.group(segment, this.position)
      if (group !== undefined && this.enterFromGroup(segment, group)) return true
    }
    this.filePosition = this.source.scanPosition(segment, this.position)
    return false
  }

  private enterFromGroup(segment: Segment, group: BatchGroup): boolean {
    const place = group.known(this.position) ?? this.findInGroup(segment, group)
    if (place === undefined || !this.enter(place, group.window)) return false
    this.filePosition = group.position + place.at + place.size
    if (place.compression === 0) this.jump(place)
    return true
  }

  /** The batch of the group that holds `position`, or the first one behind it, once it is checked. */
  private findInGroup(segment: Segment, group: BatchGroup): BatchPlace | undefined {
    const { buffer } = group.window
    for (let at = 0; at + RECORDS_AT <= group.size; ) {
      const size = batchSize(buffer, at)
      if (size < RECORDS_AT || at + size > group.size) break
      if (lastOffsetAt(buffer, at) >= this.position) {
        this.check(segment, buffer, at, group.size, group.position + at)
        const place = new BatchPlace(buffer, at)
        if (place.baseOffset <= this.position) group.add(place)
        return place
      }
      at += size
    }
    return undefined
  }

  /** Goes to the wanted record of a dense batch by the places of its records. */
  private jump(place: BatchPlace): void {
    const wanted = this.position - place.baseOffset
    if (!this.dense || wanted <= 0) return
    const places = place.recordPlaces ??= this.findRecords(place)
    if (wanted >= places.length) return
    this.at = places[wanted]!
    this.index = wanted
    this.remaining = places.length - wanted
  }

  private findRecords({ buffer, recordCount }: BatchPlace): Uint32Array {
    const places = new Uint32Array(recordCount)
    let at = this.at
    for (let index = 0; index < recordCount; index++) {
      places[index] = at
      at = recordEnd(buffer, at)
      if (!(at > places[index]! && at <= this.recordsEnd)) throw this.malformed()
    }
    return places
  }

  /** True when a batch was entered, false at the end or when blocked, undefined to look again. */
  private enterFromFile(segment: Segment): boolean | undefined {
    const left = segment.size - this.filePosition
    if (left <= 0) return this.nextSegment(segment)
    if (!this.available(RECORDS_AT, left)) {
      if (this.blocked) return false
      throw this.damaged(segment, 'short-header')
    }
    const { buffer } = this.window!
    const length = getInt32(buffer, this.windowAt + LENGTH_AT)
    if (length === 0) return this.nextSegment(segment)
    const size = length + LENGTH_COVERS_FROM
    if (length < SMALLEST_LENGTH) throw this.damaged(segment, 'bad-length')
    if (size > left) throw this.damaged(segment, 'short-batch')
    if (!this.available(size, left)) {
      if (this.blocked) return false
      throw this.damaged(segment, 'short-batch')
    }
    const window = this.window!
    const at = this.windowAt
    const position = this.filePosition
    this.check(segment, window.buffer, at, this.windowEnd, position)
    this.windowAt += size
    this.filePosition += size
    if (lastOffsetAt(window.buffer, at) < this.position) return undefined
    return this.enter(new BatchPlace(window.buffer, at), window) ? true : undefined
  }

  private nextSegment(segment: Segment): undefined | false {
    const next = this.source.segmentAfter(segment)
    if (next === undefined) {
      // Offsets between the end of the file and the tail in memory belong to records that were not stored.
      const { baseOffset } = this.source.tail
      if (!(baseOffset > this.position && baseOffset < this.end)) return false
      this.position = baseOffset
      return undefined
    }
    this.segment = next
    this.filePosition = 0
    this.dropWindow()
    return undefined
  }

  /** Makes sure that `size` bytes of the file from `filePosition` are in the window; false when they are not there, or when blocked. */
  private available(size: number, left: number): boolean {
    if (this.window !== undefined && this.windowEnd - this.windowAt >= size) return true
    if (this.nonBlocking) {
      this.blocked = true
      return false
    }
    const window = this.source.windows.take(Math.max(SCAN_WINDOW_BYTES, size))
    const segment = this.segment!
    const length = Math.min(window.buffer.length, left)
    const count = guarded(`reading ${segment.path}`, () => readFullySync(segment.reader(), window.buffer, 0, length, this.filePosition))
    this.setWindow(window, count, segment.growing)
    return count >= size
  }

  private batchSizeAt(): number {
    const { window, windowAt, windowEnd } = this
    if (window === undefined || windowEnd - windowAt < RECORDS_AT) return 0
    return batchSize(window.buffer, windowAt)
  }

  private check(segment: Segment, buffer: Buffer, at: number, end: number, position: number): void {
    if (segment.isChecked(position)) return
    const damage = batchDamage(buffer, at, end)
    if (damage !== undefined) throw corrupt(segment, position, damage)
    segment.setChecked(position)
  }

  /** Begins to walk a batch. False when none of its records is to be handed out: then it is passed over. */
  private enter(place: BatchPlace, window: Window): boolean {
    const { buffer, at, size, recordCount, baseTimestamp, appendTime, leaderEpoch } = place
    if (recordCount === 0 || !((this.filter === undefined && place.plain) || this.wanted(place))) {
      this.position = place.lastOffset + 1
      return false
    }
    if (place.compression === 0) {
      this.batch = new BatchView(this, this.codecs, buffer, baseTimestamp, appendTime, leaderEpoch, window)
      this.at = at + RECORDS_AT
      this.recordsEnd = at + size
    } else {
      const name = compressionNames[place.compression]!
      const records = decompress(name, buffer.subarray(at + RECORDS_AT, at + size))
      this.batch = new BatchView(this, this.codecs, records, baseTimestamp, appendTime, leaderEpoch, undefined)
      this.at = 0
      this.recordsEnd = records.length
    }
    this.remaining = recordCount
    this.baseOffset = place.baseOffset
    this.dense = place.dense
    this.index = 0
    return true
  }

  /** Control batches never are; data of aborted transactions is not for who reads what is committed. */
  private wanted({ buffer, at, attributes, baseOffset }: BatchPlace): boolean {
    const control = (attributes & CONTROL_BIT) !== 0
    if (this.filter === undefined) return !control
    const transactional = (attributes & TRANSACTIONAL_BIT) !== 0
    const producerId = getBigInt64(buffer, at + PRODUCER_ID_AT)
    return this.filter.decide({ baseOffset, producerId, control, transactional }) === 'deliver'
  }

  private deleted(): LogError {
    const { topic, partition, position: offset } = this
    const { startOffset: start, nextOffset } = this.source
    const message = `offset ${offset} of ${topic}-${partition} was deleted: kept are ${start}..${nextOffset - 1}`
    return new LogError('LOG_OFFSET_OUT_OF_RANGE', message, { topic, partition, offset, start, end: nextOffset })
  }

  private malformed(): LogError {
    const { topic, partition, baseOffset } = this
    const where = `the batch at offset ${baseOffset} of ${topic}-${partition}`
    return new LogError('LOG_BATCH_CORRUPT', `a record is malformed inside ${where}`, { topic, partition, baseOffset })
  }

  private damaged(segment: Segment, reason: string): LogError {
    return corrupt(segment, this.filePosition, reason)
  }
}

function offsetDelta(buffer: Buffer, at: number): number {
  while (buffer[++at]! >= 0x80); // the timestamp delta, behind the attributes
  let bits = 0
  for (let shift = 0; shift < 35; shift += 7) {
    const byte = buffer[++at]!
    bits |= (byte & 0x7f) << shift
    if (byte < 0x80) break
  }
  return (bits >>> 1) ^ -(bits & 1)
}

function recordEnd(buffer: Buffer, at: number): number {
  let byte = buffer[at++]!
  let bits = byte & 0x7f
  for (let shift = 7; byte >= 0x80 && shift < 35; shift += 7) {
    byte = buffer[at++]!
    bits |= (byte & 0x7f) << shift
  }
  return at + ((bits >>> 1) ^ -(bits & 1))
}
