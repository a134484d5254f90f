/*
 * One segment of a partition: a `.log` file of batches back to back, its sparse offset and time indexes, and the list of transactions
 * aborted in it. Sealed segments never change. The last one is active: it has an open handle, grows, and may have room ahead of its
 * end that reads as zeros.
 *
 * Indexes are disposable and never on the acknowledgement path: their entries gather in memory and are written now and then, a failed
 * write of them only makes them shorter, and one that contradicts the log is rebuilt from it.
 */
import { getInt32, getInt64 } from '../base/bytes.ts'
import { isLogError, LogError } from '../base/errors.ts'
import { type FileHandle } from '../files/file-system.ts'
import { type PinnedFile } from '../files/open-files.ts'
import { systemCode } from '../files/system-error.ts'
import { readFullySync, writeFullySync } from '../files/write-fully.ts'
import { BASE_OFFSET_AT, type BatchHeader, LAST_OFFSET_DELTA_AT, MAGIC, MAGIC_AT, RECORDS_AT } from '../format/batch.ts'
import { snapshotFileName } from '../format/names.ts'
import { CheckedBatches } from './checked-batches.ts'
import { type LogConfig } from './config.ts'
import { type LogEnvironment } from './environment.ts'
import { MAX_RELATIVE_OFFSET } from './index-entries.ts'
import { IndexFiles } from './index-files.ts'
import { type OffsetIndex } from './offset-index.ts'
import { scanBatches } from './scan.ts'
import { type SegmentFiles, segmentFiles } from './segment-files.ts'
import { type IndexPlace, SegmentIndexes } from './segment-indexes.ts'
import { type TailBatch } from './tail.ts'
import { type TimeIndex } from './time-index.ts'
import { TxnIndex } from './txn-index.ts'
import { type GroupTable } from './windows.ts'

/** What is known of a batch when it is added to a segment. */
type BatchFacts = Pick<TailBatch, 'size' | 'lastOffset' | 'maxTimestamp'>

/** What is about to be written in front of a batch. */
export interface AheadFacts {
  readonly bytes: number
  /** Largest timestamp of the first batch of them. */
  readonly firstTimestamp: number
}

/** A month. */
const MOST_JITTER_MS = 0x7fff_fffe

/** One segment of a partition. */
export class Segment {
  readonly baseOffset: number
  path: string
  /** Bytes of batches in the file: where the next one begins. */
  size: number
  /** One past the last offset in it; the base offset when it is empty. For a sealed one, possibly the base offset of the next. */
  nextOffset: number
  /** The largest timestamp in it, −1 when no record has one. Known for active segments, and for sealed ones from their time index. */
  maxTimestamp = -1
  /** Last offset of the batch with that timestamp. */
  maxTimestampOffset: number
  /** When this segment was started, by the wall clock. */
  readonly createdMs: number
  /** More batches may come: nothing that depends on the end of the file is remembered. */
  growing = false
  /** Its batches in memory, as segments.ts keeps them. */
  groupTable: GroupTable | undefined = undefined
  /** It is not a part of the log any more: who stands in it goes on by offset. */
  gone = false
  /** Whether the folder's entry of the file is durable. */
  entrySynced = true
  /** Bytes of the file, room ahead included. */
  fileSize: number
  readonly #env: LogEnvironment
  readonly #config: LogConfig
  /** Taken off `segmentMs`. */
  readonly #jitterMs: number
  readonly #folder: string
  #names: SegmentFiles
  #handle: FileHandle | undefined
  readonly #files: IndexFiles
  /** Loaded when first needed. */
  #indexes: SegmentIndexes | undefined
  #txnIndex: TxnIndex | undefined
  #bytesSinceEntry = 0
  /** Largest timestamp of the first batch; read when it is asked for. */
  #firstTimestamp: number | undefined
  readonly #checked = new CheckedBatches()
  #generation = 0
  /** For readers beside a writer: of the `.log` file. */
  readonly #identity: string | undefined

  private constructor(
    env: LogEnvironment, config: LogConfig, folder: string, baseOffset: number, names: SegmentFiles, size: number, identity?: string,
  ) {
    this.#env = env
    this.#config = config
    this.#folder = folder
    this.#names = names
    this.#files = new IndexFiles(env, folder)
    this.baseOffset = baseOffset
    this.path = env.files.join(folder, names.log)
    this.size = size
    this.fileSize = size
    this.nextOffset = baseOffset
    this.maxTimestampOffset = baseOffset
    this.createdMs = env.clock.now()
    const jitterMs = Math.min(config.segmentJitterMs, config.segmentMs, MOST_JITTER_MS)
    this.#jitterMs = jitterMs === 0 ? 0 : env.random.int(jitterMs + 1)
    this.#identity = identity
  }

  /** Starts a segment: an empty file with empty indexes, over stale ones of the same name. Its folder entry is not durable yet. */
  static create(env: LogEnvironment, config: LogConfig, folder: string, baseOffset: number): Segment {
    const names = segmentFiles(baseOffset)
    const segment = new Segment(env, config, folder, baseOffset, names, 0)
    for (const name of Object.values(names)) {
      const path = env.files.join(folder, name)
      env.openFiles.forget(path)
      if (env.files.statSync(path) !== undefined) env.files.removeSync(path)
    }
    segment.#handle = env.openFiles.open(segment.path, 'create')
    segment.#indexes = SegmentIndexes.empty(segment.#place)
    segment.#txnIndex = new TxnIndex(baseOffset)
    segment.entrySynced = false
    segment.growing = true
    return segment
  }

  /** A segment without a file, for readers of a partition that has none yet. */
  static empty(env: LogEnvironment, config: LogConfig, folder: string, baseOffset: number): Segment {
    const segment = new Segment(env, config, folder, baseOffset, segmentFiles(baseOffset), 0)
    segment.#indexes = SegmentIndexes.empty(segment.#place)
    segment.#txnIndex = new TxnIndex(baseOffset)
    return segment
  }

  /**
   * A segment that exists; `size` is where its batches end, as far as the caller knows. Reads nothing.
   *
   * @param identity  of its `.log` file, for readers beside a writer who may replace it
   */
  static open(
    env: LogEnvironment, config: LogConfig, folder: string, baseOffset: number, names: SegmentFiles, size: number, identity?: string,
  ): Segment {
    return new Segment(env, config, folder, baseOffset, names, size, identity)
  }

  /** The handle for writing; opens it, and loads the indexes, when the segment becomes the active one. */
  get handle(): FileHandle {
    if (this.#handle === undefined) {
      this.#handle = this.#env.openFiles.open(this.path, 'write')
      this.#indexes ??= this.#load()
    }
    return this.#handle
  }

  get offsetIndex(): OffsetIndex {
    return this.#loaded.offsets
  }

  get timeIndex(): TimeIndex {
    return this.#loaded.times
  }

  get txnIndex(): TxnIndex {
    if (this.#txnIndex !== undefined) return this.#txnIndex
    const bytes = this.#files.read(this.#names.txnIndex) ?? Buffer.alloc(0)
    if (!this.isThere()) throw this.#replaced()
    return (this.#txnIndex = TxnIndex.load(bytes, this.baseOffset))
  }

  /** Changes whenever the entries of the offset index may have become others. */
  get generation(): number {
    return this.#generation
  }

  /** Whether some transaction was aborted in this segment, told without reading anything but the folder. */
  get hasAborted(): boolean {
    if (this.#txnIndex !== undefined) return this.#txnIndex.count > 0
    return (this.#files.size(this.#names.txnIndex) ?? 0) > 0
  }

  /** Why a batch with these facts cannot go into this segment any more; undefined when it can. Rules of kafka-log-format 5.3. */
  rollReason(batch: BatchFacts, ahead?: AheadFacts): 'size' | 'time' | 'index' | 'offset' | undefined {
    const size = this.size + (ahead === undefined ? 0 : ahead.bytes)
    if (size > 0 && size > this.#config.segmentBytes - batch.size) return 'size'
    if (batch.lastOffset - this.baseOffset > 0x7fff_ffff) return 'offset'
    if (size === 0) return undefined
    if (this.#loaded.full) return 'index'
    return this.#age(batch, ahead) > longestMs(this.#config) - this.#jitterMs ? 'time' : undefined
  }

  /** Writes sealed batches that lie side by side in memory. When it throws, nothing of this call counts. */
  write(buffer: Buffer, from: number, to: number): void {
    writeFullySync(this.handle, buffer, from, to, this.size)
  }

  /** Notes that a batch was written at the end. */
  added(batch: BatchFacts): void {
    const position = this.size
    if (position === 0) this.#firstTimestamp = batch.maxTimestamp
    if (batch.maxTimestamp > this.maxTimestamp) {
      this.maxTimestamp = batch.maxTimestamp
      this.maxTimestampOffset = batch.lastOffset
    }
    if (this.#bytesSinceEntry > this.#config.indexIntervalBytes && !this.#loaded.full) {
      this.offsetIndex.append(batch.lastOffset, position)
      this.timeIndex.maybeAppend(this.maxTimestamp, this.maxTimestampOffset)
      this.#bytesSinceEntry = 0
    }
    this.#bytesSinceEntry += batch.size
    this.size = position + batch.size
    this.nextOffset = batch.lastOffset + 1
    if (this.size > this.fileSize) this.fileSize = this.size
  }

  /** Makes the file longer than its batches, with a hole that reads as zeros: a sync then need not journal a new length each time. */
  extendTo(fileSize: number): void {
    if (fileSize <= this.fileSize) return
    this.handle.truncateSync(fileSize)
    this.fileSize = fileSize
  }

  /** Writes zeros behind the batches, as room for what comes. */
  fill(zeros: Buffer, bytes: number, position: number): void {
    this.fileSize = Math.max(this.fileSize, position + bytes)       // also when it fails: some of it may be there, and is to be cut off
    writeFullySync(this.handle, zeros, 0, bytes, position)
  }

  /** Cuts the file to the end of its batches, after a failed write or before it is sealed. */
  cutToSize(): void {
    this.handle.truncateSync(this.size)
    this.fileSize = this.size
  }

  /** Writes index entries that are only in memory yet. */
  flushIndexes(): void {
    this.#indexes?.flush()
  }

  /** Bytes of index entries that are only in memory. */
  get pendingIndexBytes(): number {
    return this.#indexes === undefined ? 0 : this.#indexes.pendingBytes
  }

  /** Bytes of batches behind the last entry of the offset index that is in its file: so many an open after a crash looks through for it. */
  get unindexedBytes(): number {
    return this.#indexes === undefined ? 0 : this.size - this.#indexes.offsets.writtenPosition
  }

  /** Makes the index files durable, and the snapshot of producers at the end of the segment: the mark vouches for them. */
  async syncIndexes(): Promise<void> {
    const { index, timeIndex, txnIndex } = this.#names
    await this.#files.sync([index, timeIndex, txnIndex, snapshotFileName(this.nextOffset)])
  }

  /** Writes the list of aborted transactions; unlike the indexes it cannot be told from a shorter one, so a failure is the caller's. */
  flushTxnIndex(): void {
    const bytes = this.#txnIndex?.takePending()
    if (bytes === undefined) return
    this.#files.write(this.#names.txnIndex, bytes, this.#txnIndex!.writtenSize - bytes.length)
  }

  /** Forgets the list of transactions that ended at or past `offset`. False when the list below it is not known: it cannot be read. */
  forgetAborted(offset: number): boolean {
    if (offset <= this.baseOffset) {
      this.#txnIndex = new TxnIndex(this.baseOffset)
      return true
    }
    try {
      this.txnIndex.truncateTo(offset)
      return true
    } catch (error) {
      if (isLogError(error, 'LOG_FILE_CORRUPT')) return false
      throw error
    }
  }

  /** Makes the list of aborted transactions on disk the one in memory; as with `flushTxnIndex`, a failure is the caller's. */
  storeAborted(): void {
    this.flushTxnIndex()
    if (this.#txnIndex !== undefined) this.#files.cut(this.#names.txnIndex, this.#txnIndex.writtenSize)
  }

  /** For readers of a log that grows elsewhere: the file may be longer now, or cut to its batches, and its index files say more. */
  refresh(growing: boolean): void {
    this.fileSize = this.#env.files.statSync(this.path)?.size ?? this.fileSize
    this.size = this.fileSize
    this.#indexes = undefined
    this.#txnIndex = undefined
    this.growing = growing
  }

  /** Makes the active segment read-only: last time entry, indexes written, room ahead cut off, handle closed by `release`. */
  seal(): void {
    this.growing = false
    if (this.maxTimestamp >= 0) this.timeIndex.maybeAppend(this.maxTimestamp, this.maxTimestampOffset, { seal: true })
    this.#loaded.store()
    if (this.fileSize > this.size) this.cutToSize()
  }

  /** Closes the handle for writing. */
  release(): void {
    this.#handle?.closeSync()
    this.#handle = undefined
  }

  /** Cuts everything from `position` on, where `nextOffset` would go next, from the file and the indexes. */
  truncate(position: number, nextOffset: number): void {
    this.handle.truncateSync(position)
    this.size = position
    this.fileSize = position
    this.nextOffset = nextOffset
    this.#checked.clear()
    this.#loaded.trim(nextOffset)
    this.txnIndex.truncateTo(nextOffset)
    this.storeAborted()
    this.catchUp()
    // Past the last batch when the cut fell into offsets that nothing was stored under.
    this.nextOffset = nextOffset
  }

  /**
   * Completes what is kept in memory of the batches past the last index entry: next offset, largest timestamp, missing entries. Reads
   * headers only, from that entry to `size`.
   *
   * @throws LogError `LOG_CORRUPT` for who writes: behind damage nothing can be added
   */
  catchUp(): void {
    this.#unlessItFails(() => this.#catchUp())
  }

  #catchUp(mayBeTorn = false): void {
    if (!this.#entryHolds(this.offsetIndex, this.offsetIndex.count - 1)) this.#indexes = SegmentIndexes.again(this.#place)
    this.#generation++
    if (this.#readOn(mayBeTorn)) return
    this.#indexes = SegmentIndexes.again(this.#place)
    this.#readOn(mayBeTorn)
  }

  /** Reads on from the last index entry. False when the last time entry contradicts the log: a larger timestamp lies before its offset. */
  #readOn(mayBeTorn: boolean): boolean {
    const from = this.offsetIndex.lastPosition
    const { timestamp, offset } = this.timeIndex.last
    this.maxTimestamp = timestamp
    this.maxTimestampOffset = offset
    this.nextOffset = this.baseOffset
    const size = this.size
    this.size = from
    this.#bytesSinceEntry = 0
    const { offsetIndex } = this
    const maxOffset = this.baseOffset + MAX_RELATIVE_OFFSET
    let agrees = true
    const options = { from, to: size, checkCrc: false, minOffset: this.baseOffset, maxOffset }
    const { position, reason } = scanBatches(this.reader(), options, (header, position) => {
      agrees = header.maxTimestamp <= timestamp || header.lastOffset >= offset
      if (!agrees) return false
      if (position === from && offsetIndex.count > 0) {
        // The indexed batch itself: it has its entry, and counts from there.
        this.size += header.size
        this.nextOffset = header.lastOffset + 1
        this.#bytesSinceEntry = header.size
        if (header.maxTimestamp > this.maxTimestamp) {
          this.maxTimestamp = header.maxTimestamp
          this.maxTimestampOffset = header.lastOffset
        }
      } else this.added(header)
      return true
    })
    if (!agrees) this.size = size
    // Beside a writer the end may be half a batch; what is to be written behind must be whole.
    else if (reason !== 'end' && reason !== 'zeros' && !mayBeTorn && !this.#env.readOnly) throw corrupt(this, position, reason)
    this.fileSize = Math.max(this.fileSize, size)
    return agrees
  }

  /** Runs what reads the file and replaces what is in memory of it. When that fails, what was known before goes on to be known. */
  #unlessItFails(work: () => void): void {
    const { size, nextOffset, maxTimestamp, maxTimestampOffset } = this
    const [indexes, bytesSinceEntry] = [this.#indexes, this.#bytesSinceEntry]
    try {
      work()
    } catch (error) {
      Object.assign(this, { size, nextOffset, maxTimestamp, maxTimestampOffset })
      this.#indexes = indexes
      this.#bytesSinceEntry = bytesSinceEntry
      this.#generation++
      throw error
    }
  }

  /**
   * Makes the indexes of the last segment whole after a crash, which may have taken any part of their files. Where the time index ends
   * nothing tells whether batches behind have larger times: they are looked at again.
   */
  recoverIndexes(): void {
    if (this.#env.readOnly) this.#loaded.forget(this.nextOffset)
    else this.#loaded.trim(this.nextOffset)
    this.offsetIndex.truncateTo(this.timeIndex.last.offset + 1)
    this.catchUp()
  }

  /** Makes the index files again, as new files: a failed sync may have forgotten the old ones, or their entries in the folder. */
  async storeIndexesAgain(): Promise<void> {
    this.remakeIndexes()
    if (!(await this.#loaded.replaceFiles())) this.#loaded.removeFiles()
    await this.storeAbortedAgain()
  }

  /** Makes the list of aborted transactions again, as a new file, if there are any. Nothing can tell that it is missing. */
  async storeAbortedAgain(): Promise<void> {
    if (!this.hasAborted) return
    this.txnIndex.restorePending(0)
    await this.#files.replace(this.#names.txnIndex, this.txnIndex.takePending() ?? Buffer.alloc(0))
  }

  /**
   * Throws the indexes away and makes them again from the log, in memory. The files stay as they are: written now they would not be
   * durable, and half of an index looks whole. `storeRemade` replaces them.
   */
  remakeIndexes(mayBeTorn = false): void {
    const { nextOffset, fileSize } = this
    this.#unlessItFails(() => {
      this.#indexes = SegmentIndexes.again(this.#place)
      this.#catchUp(mayBeTorn)
    })
    this.nextOffset = Math.max(nextOffset, this.nextOffset)
    this.fileSize = fileSize
    if (this.maxTimestamp >= 0) this.timeIndex.maybeAppend(this.maxTimestamp, this.maxTimestampOffset, { seal: true })
  }

  /** Replaces the index files by what was made again of them, if anything was. A failure leaves them as they are: damaged, and noticed. */
  async storeRemade(): Promise<void> {
    if (!this.#env.readOnly) await this.#indexes?.replaceFiles()
  }

  /** Makes the indexes again and writes them; they are not durable yet. */
  rebuildIndexes(): void {
    this.remakeIndexes(true)
    if (!this.#env.readOnly) this.#loaded.store()
  }

  /** Where the first batch begins that ends at or past `offset`, and its first offset; undefined when there is none. */
  batchStart(offset: number): { readonly position: number; readonly baseOffset: number } | undefined {
    let found: { position: number; baseOffset: number } | undefined
    const options = { from: this.scanStart(offset), to: this.size, checkCrc: false, minOffset: this.baseOffset }
    scanBatches(this.reader(), options, (header, position) => {
      if (header.lastOffset >= offset) found = { position, baseOffset: header.baseOffset }
      return found === undefined
    })
    return found
  }

  /** Behind the last batch that is there; less than the next offset when the last records were cut with their batch, or never stored. */
  contentEnd(): number {
    let end = this.baseOffset
    const options = { from: this.scanStart(this.nextOffset), to: this.size, checkCrc: false, minOffset: this.baseOffset }
    scanBatches(this.reader(), options, (header) => { end = header.lastOffset + 1 })
    return end
  }

  /** Where a scan for `offset` begins: at a batch. An index entry that does not point at its batch is noticed, and the index made again. */
  scanStart(offset: number): number {
    if (!this.#entryHolds(this.offsetIndex, this.offsetIndex.countUpTo(offset) - 1)) this.remakeIndexes()
    return this.offsetIndex.lookup(offset)
  }

  /**
   * Whether the files of its names are still its own. Only readers beside a writer can tell, and need to: of a segment that is not there any
   * more nothing else is to be read, neither by an open file nor by name, since its indexes may be others by now.
   */
  isThere(): boolean {
    if (this.#identity === undefined) return true
    if (!this.gone && this.#env.files.statSync(this.path)?.identity !== this.#identity) this.gone = true
    return !this.gone
  }

  /** Its files are called so by now. */
  renamed(names: SegmentFiles): void {
    this.#names = names
    this.path = this.#env.files.join(this.#folder, names.log)
    this.#indexes = undefined
  }

  /** Largest timestamp of the first batch; undefined for an empty segment. */
  get firstTimestamp(): number | undefined {
    if (this.size > 0) this.#firstTimestamp ??= this.#readFirst()?.maxTimestamp
    return this.#firstTimestamp
  }

  /** Bytes of the offset index or the time index, whichever is larger: of a sealed segment as its files have it. */
  get indexBytes(): number {
    return Math.max(this.#files.size(this.#names.index) ?? 0, this.#files.size(this.#names.timeIndex) ?? 0)
  }

  /** The file, open until it is released: for asynchronous reads. */
  pin(): PinnedFile {
    if (this.#identity !== undefined) this.reader()
    return this.#env.openFiles.pin(this.path)
  }

  /** A handle to read from, for use at once. */
  reader(): FileHandle {
    if (this.#handle !== undefined) return this.#handle
    return this.#identity === undefined ? this.#env.openFiles.read(this.path) : this.#ownReader(this.#identity)
  }

  /** The file that had the name when the segment was found, which another may have by now. */
  #ownReader(identity: string): FileHandle {
    const { openFiles } = this.#env
    for (let attempt = 0; attempt < 2 && !this.gone; attempt++) {
      try {
        const file = openFiles.read(this.path)
        if (file.identitySync() === identity) return file
        // One that is open since before this segment was found.
        openFiles.forget(this.path)
      } catch (error) {
        if (systemCode(error) !== 'ENOENT') throw error
      }
    }
    throw this.#replaced()
  }

  /** The writer in another process has compacted or deleted it. */
  #replaced(): LogError {
    this.gone = true
    return new LogError('LOG_IO', `${this.path} was replaced or removed by the writer of the log`, { path: this.path })
  }

  /** Whether the batch at `position` was found whole before; that is remembered when its window goes. */
  isChecked(position: number): boolean {
    return this.#checked.has(position)
  }

  /** Remembers that the batch at `position` is whole. */
  setChecked(position: number): void {
    this.#checked.add(position, this.size)
  }

  /** The paths of the segment's files that exist. */
  paths(): string[] {
    return Object.values(this.#names).map((name) => this.#env.files.join(this.#folder, name))
      .filter((path) => this.#env.files.statSync(path) !== undefined)
  }

  /** Record time since the segment began; wall time when its records have none. */
  #age(batch: BatchFacts, ahead: AheadFacts | undefined): number {
    const first = this.size > 0 ? this.firstTimestamp : ahead?.firstTimestamp
    if (first !== undefined && first >= 0) return batch.maxTimestamp - first
    return this.#env.clock.now() - this.createdMs
  }

  get #place(): IndexPlace {
    return { files: this.#files, names: this.#names, baseOffset: this.baseOffset, maxBytes: this.#config.segmentIndexBytes }
  }

  get #loaded(): SegmentIndexes {
    return (this.#indexes ??= this.#load())
  }

  /** The indexes of the files, or, when these are missing or wrong, made again. */
  #load(): SegmentIndexes {
    // Where the end is known, an entry past it is damage: the entries to come would fall behind it.
    const endKnown = !this.#env.readOnly && this.nextOffset > this.baseOffset
    const found = SegmentIndexes.load(this.#place, { size: this.size, nextOffset: endKnown ? this.nextOffset : Infinity })
    if (!this.isThere()) throw this.#replaced()
    if (found === undefined || !this.#entryHolds(found.offsets, found.offsets.count - 1) || !this.#beginsWith(found.times)) {
      this.remakeIndexes()
      return this.#indexes!
    }
    const { timestamp, offset } = found.times.last
    this.maxTimestamp = Math.max(this.maxTimestamp, timestamp)
    this.maxTimestampOffset = Math.max(this.maxTimestampOffset, offset)
    return found
  }

  /** Whether an entry of the offset index points at its batch; true for the one before the first. */
  #entryHolds(index: OffsetIndex, number: number): boolean {
    if (number < 0) return true
    const { offset, position } = index.entry(number)
    const header = Buffer.allocUnsafe(RECORDS_AT)
    if (position + RECORDS_AT > this.size || readFullySync(this.reader(), header, 0, RECORDS_AT, position) < RECORDS_AT) return false
    return header[MAGIC_AT] === MAGIC && getInt64(header, BASE_OFFSET_AT) + getInt32(header, LAST_OFFSET_DELTA_AT) === offset
  }

  /** Whether the first entry of a time index is one: a file that lost what was written to it is full of zeros, which mean 1 January 1970. */
  #beginsWith(timeIndex: TimeIndex): boolean {
    if (timeIndex.count === 0) return true
    const { timestamp, offset } = timeIndex.entry(0)
    if (timestamp !== 0 || offset !== this.baseOffset) return true
    const first = this.#readFirst()
    return first !== undefined && first.lastOffset === offset && first.maxTimestamp === timestamp
  }

  #readFirst(): BatchHeader | undefined {
    let first: BatchHeader | undefined
    scanBatches(this.reader(), { from: 0, to: this.size, checkCrc: false, minOffset: this.baseOffset }, (header) => {
      first = header
      return false
    })
    return first
  }
}

/** A segment that compaction must not wait for longer rolls sooner, since it is cleaned only when it is sealed. */
function longestMs({ segmentMs, cleanupPolicy, maxCompactionLagMs }: LogConfig): number {
  return cleanupPolicy === 'delete' ? segmentMs : Math.min(segmentMs, maxCompactionLagMs)
}

/** What a batch that was certainly written and is not whole any more is reported as. */
export function corrupt(segment: Segment, position: number, reason: string): LogError {
  return new LogError('LOG_CORRUPT', `${segment.path} is damaged at position ${position}: ${reason}`, { path: segment.path, position, reason })
}
