/*
 * One partition's log: a row of segments, the writer that appends to the last of them, and what readers see of both.
 *
 * This file opens, reads and cuts; writer.ts appends. Nothing here knows of topics, groups or keys. Readers in this process are woken
 * by the watermark, never by polling; a read-only log follows a writer in another process by its mark (`refresh`).
 */
import { LogError } from '../base/errors.ts'
import { writeFileAtomically } from '../files/write-fully.ts'
import { type PinnedFile } from '../files/open-files.ts'
import { encodeLeaderEpochs, LEADER_EPOCH_FILE } from '../format/leader-epoch-checkpoint.ts'
import { type AbortedTransaction } from '../format/txn-index-entry.ts'
import { type CleanReport } from './clean-report.ts'
import { Cleaner, type CleanOptions } from './cleaner.ts'
import { type CleanRange } from './cleaner-range.ts'
import { RecordCursor } from './cursor.ts'
import { type LogEnvironment } from './environment.ts'
import { type Erased, type EraseReport } from './erase-filter.ts'
import { type Epochs } from './epochs.ts'
import { followedSize, openFollowing, openNewSegments } from './follow-partition.ts'
import { type OpenedPartition, openPartition, type PartitionOptions } from './open-partition.ts'
import { guardedAsync, ioError } from './io-error.ts'
import { type MarkState } from './mark.ts'
import { type AppendOrigin, type ProducerEntry } from './producer-rules.ts'
import { RawReads, type RawBatches, type RawReadOptions, type RawSource } from './raw-reads.ts'
import { CommittedFilter } from './read-committed.ts'
import { type AppendWatcher, type RecordGroup } from './record-group.ts'
import { type RecordCodecs, type RecordInput } from './record-input.ts'
import { recoverTail } from './recovery.ts'
import { type RecoveryReport } from './recovery-report.ts'
import { removeSnapshots, replayProducers, writeSnapshot } from './restore-producers.ts'
import { Retention } from './retention.ts'
import { Segment } from './segment.ts'
import { Segments } from './segments.ts'
import { type WriterState } from './standing.ts'
import { Tail } from './tail.ts'
import { findTimestamp, type FoundTimestamp, largestTimestamp } from './timestamps.ts'
import { type TransactionEnd, type TransactionPart } from './transaction-part.ts'
import { collectAborted, type TxnIndex } from './txn-index.ts'
import { type BatchGroup, type WindowCache } from './windows.ts'
import { type AppendedBatch, Writer } from './writer.ts'

/** Which records a reader gets: all, or those of transactions that committed (and all without a transaction). */
export type Isolation = 'read_committed' | 'read_uncommitted'

/** What to read. */
export interface ReadOptions {
  /** First offset wanted. Default: the oldest kept. */
  readonly from?: number | undefined
  /** Exclusive. Default: what `upTo` says. */
  readonly to?: number | undefined
  /** Default `'read_committed'`. */
  readonly isolation?: Isolation | undefined
  /** `'appended'` shows a writer its own records before they are acknowledged: they may still be lost. Default `'watermark'`. */
  readonly upTo?: 'watermark' | 'appended' | undefined
}

/** A place between batches: the base offset of a segment, and where in its file. */
interface Place {
  readonly baseOffset: number
  readonly position: number
}

/** The log of one partition. */
export class PartitionLog implements RawSource {
  readonly topic: string
  readonly partition: number
  /** What opening it found. */
  readonly recovery: RecoveryReport
  readonly windows: WindowCache
  readonly tail: Tail
  readonly #env: LogEnvironment
  readonly #options: PartitionOptions
  readonly #segments: Segments
  #opened: OpenedPartition
  readonly #writer: Writer | undefined
  #retentionMade: Retention | undefined
  #cleanerMade: Cleaner | undefined
  #startOffset: number
  #readEnd: number
  /** Of a read-only log: what the mark said when it was last looked at. */
  #followed: MarkState | undefined
  #closed = false
  #reopening: Promise<void> | undefined
  #closedBecause: LogError | undefined
  #hasAborted: boolean
  #listeners: (() => void)[] = []
  #rawReads: RawReads | undefined
  /** Follows what becomes of appends: there is one at most, that keeps an index over the log. */
  watcher: AppendWatcher | undefined

  private constructor(env: LogEnvironment, options: PartitionOptions, opened: OpenedPartition, hasAborted: boolean) {
    this.topic = options.topic
    this.partition = options.partition
    this.recovery = opened.report
    this.windows = env.windows
    this.tail = new Tail(env.windows)
    env.windows.addTail()
    this.#env = env
    this.#options = options
    this.#opened = opened
    this.#segments = new Segments(env.windows, opened.segments)
    this.#segments.active.growing = !env.readOnly || options.following === true
    this.#startOffset = opened.startOffset
    this.#readEnd = opened.nextOffset
    this.#followed = opened.state
    this.#hasAborted = hasAborted
    this.#writer = env.readOnly ? undefined : this.#startWriter()
  }

  /** Opens, recovers or creates the log in a folder. */
  static async open(env: LogEnvironment, options: PartitionOptions): Promise<PartitionLog> {
    const opened = await openPartition(env, options)
    try {
      // Where no producer with an id ever wrote there is no list to look for, in any of the segments.
      const { producers, segments } = opened
      return new PartitionLog(env, options, opened, producers.used && segments.some((segment) => segment.hasAborted))
    } catch (error) {
      for (const segment of opened.segments) segment.release()
      throw error
    }
  }

  /** The oldest offset kept. */
  get startOffset(): number {
    return this.#startOffset
  }

  /** Base offset of the first segment: below the start when records of it were deleted. */
  get firstOffset(): number {
    return this.#segments.first.baseOffset
  }

  /** The offset that the next record gets: provisional, since what is below may not be acknowledged yet. */
  get nextOffset(): number {
    return this.#writer === undefined ? this.#readEnd : this.#writer.nextOffset
  }

  /** Everything below it is acknowledged, as the durability of the topic asks. */
  get durableOffset(): number {
    return this.#writer === undefined ? this.#readEnd : this.#writer.acknowledged
  }

  /** What readers may see, exclusive: the same as what is acknowledged. */
  get highWatermark(): number {
    return this.durableOffset
  }

  /** What read-committed readers may see, exclusive: nothing of a transaction that has not ended. */
  get lastStableOffset(): number {
    return this.#opened.producers.lastStableOffset(this.highWatermark, this.#startOffset)
  }

  get leaderEpoch(): number {
    return this.#writer === undefined ? this.#opened.epoch : this.#writer.epoch
  }

  /** The epochs of this log and where each begins. */
  get epochs(): Epochs {
    return this.#opened.epochs
  }

  /** The producers with an id that have stored something here and are not forgotten yet. */
  get producers(): Iterable<ProducerEntry> {
    return this.#opened.producers.producers
  }

  /** Those of them that have a transaction open. */
  get openTransactions(): readonly ProducerEntry[] {
    return this.#opened.producers.open
  }

  /** Whether a producer has a transaction open, what is not acknowledged yet included; in one epoch, when it is given. */
  isTransactionOpen(producerId: bigint, producerEpoch?: number): boolean {
    return this.#opened.producers.isOpen(producerId, producerEpoch)
  }

  /** A producer's transaction is certain to be committed, though its marker is not stored yet: it holds readers up no longer. */
  decideTransaction(producerId: bigint): void {
    this.#opened.producers.decide(producerId)
  }

  /** Tells whoever waits for this log to look again. */
  tellProgress(): void {
    this.#progressed()
  }

  /** Whether its settings ask for compaction. */
  get compacted(): boolean {
    return this.#options.config.cleanupPolicy !== 'delete'
  }

  /** Whether records carry the time of their append, and not what whoever wrote them says. */
  get stampsRecords(): boolean {
    return this.#options.config.messageTimestampType === 'LogAppendTime'
  }

  /** Bytes of the largest batch that it takes. */
  get maxMessageBytes(): number {
    return this.#options.config.maxMessageBytes
  }

  get state(): WriterState {
    if (this.#closed) return 'closed'
    return this.#writer === undefined ? 'open' : this.#writer.state
  }

  /** Bytes of batches on disk. */
  get size(): number {
    return this.#segments.bytes
  }

  get segmentCount(): number {
    return this.#segments.all.length
  }

  /** Oldest first; the last one is appended to, the others are sealed. */
  get segments(): readonly Segment[] {
    return this.#segments.all
  }

  /**
   * Appends a record and gives its offset at once.
   *
   * @param lingerMs  how long it may wait for company; default: the partition's setting
   * @param part      the transaction that it belongs to; default: none
   * @throws LogError `LOG_BUFFER_FULL`, `LOG_DISK_FULL`, `LOG_FENCED`, `LOG_APPEND_LOST`, `LOG_RECORD_TOO_LARGE`, `LOG_CLOSED`; in a transaction
   *   `LOG_PRODUCER_FENCED`, and what it lost its records to
   */
  append<K, V>(codecs: RecordCodecs<K, V>, record: RecordInput<K, V>, lingerMs?: number, part?: TransactionPart): number {
    if (this.#writer === undefined) throw this.#readOnlyError()
    return this.#writer.append(codecs, record, lingerMs, part)
  }

  /**
   * Appends records that lie in one batch, so that all of them are stored or none, and gives the offset of the first at once.
   *
   * @throws LogError as `append`; `LOG_BATCH_TOO_LARGE` for more than `maxMessageBytes` in all
   */
  appendGroup<K, V>(codecs: RecordCodecs<K, V>, group: RecordGroup<K, V>): number {
    if (this.#writer === undefined) throw this.#readOnlyError()
    return this.#writer.appendGroup(codecs, group)
  }

  /**
   * Ends the transaction of a producer by a marker behind its records, and gives the marker's offset; −1 when it has none open. Whoever commits
   * sees before that no record of it is lost. Records of it that wait for their round are stored with the marker, or it is not.
   *
   * @throws LogError `LOG_FENCED`, `LOG_CLOSED`, `LOG_PRODUCER_FENCED`
   */
  endTransaction(marker: TransactionEnd): number {
    if (this.#writer === undefined) throw this.#readOnlyError()
    return this.#writer.endTransaction(marker)
  }

  /** What lingers is written now. */
  hurry(): void {
    this.#writer?.hurry()
  }

  /** Appends a ready record batch as it came, with checks of its producer's sequence and transaction. */
  appendBatch(batch: Uint8Array, origin: AppendOrigin = 'client'): AppendedBatch {
    if (this.#writer === undefined) throw this.#readOnlyError()
    return this.#writer.appendBatch(batch, origin)
  }

  /** Forgets producers that were idle for longer than the topic's `producerIdExpirationMs`; one with an open transaction stays. */
  expireProducers(now: number): void {
    if (this.#writer?.state === 'open') this.#opened.producers.expire(now, this.#options.config.producerIdExpirationMs)
  }

  /** Writes what was appended, where nobody waits for the disk. Whether the record at `offset` is acknowledged now; if not, `durable` tells more. */
  writeNow(offset: number): boolean {
    return this.#writer !== undefined && this.#writer.writeNow(offset)
  }

  /** Resolves when the record at `offset` is acknowledged; rejects when it was lost. */
  durable(offset: number): Promise<void> {
    return this.#writer === undefined ? Promise.reject(this.#readOnlyError()) : this.#writer.durable(offset)
  }

  /** Resolves when everything appended so far is synced, whatever the durability. */
  flush(): Promise<void> {
    return this.#writer === undefined ? Promise.reject(this.#readOnlyError()) : this.#writer.flush()
  }

  /** The records from `from` on, up to an end that is fixed now. Lazy: nothing is read before the first is asked for. */
  read<K, V>(codecs: RecordCodecs<K, V>, options: ReadOptions = {}): RecordCursor<K, V> {
    const committed = options.isolation !== 'read_uncommitted'
    const visible = options.upTo === 'appended' ? this.#appendedEnd() : committed ? this.lastStableOffset : this.highWatermark
    const from = this.#checkFrom(options.from ?? this.#startOffset)
    return new RecordCursor(this, codecs, { from, to: Math.min(options.to ?? Infinity, visible), committed })
  }

  /** As `read`, for a reader that goes on when more is there: it never reads a file on the event loop, and its end can be moved on. */
  follow<K, V>(codecs: RecordCodecs<K, V>, options: { readonly from: number; readonly isolation?: Isolation }): RecordCursor<K, V> {
    const committed = options.isolation !== 'read_uncommitted'
    const to = committed ? this.lastStableOffset : this.highWatermark
    return new RecordCursor(this, codecs, { from: this.#checkFrom(options.from), to, committed, nonBlocking: true })
  }

  /**
   * Whole batches from the one that holds `from` on, as they are stored: at once when they lie in memory, else without holding the event loop.
   * Beyond what may be seen there is nothing: `from` may be any offset up to the next one to be given.
   *
   * @throws LogError `LOG_OFFSET_OUT_OF_RANGE`, `LOG_CLOSED`; later also `LOG_CORRUPT`, `LOG_IO`
   */
  readBatches(options: RawReadOptions): RawBatches | Promise<RawBatches> {
    this.checkOpen()
    this.#rawReads ??= new RawReads(this)
    return this.#rawReads.read(options)
  }

  /** Bytes of batches that `readBatches` could give from `from` on, when they all lie in memory; counted up to `enough`. Else Infinity. */
  bytesBehind(from: number, isolation: Isolation, enough: number): number {
    const end = this.#visibleEnd(isolation)
    if (from >= end) return 0
    return from < this.tail.baseOffset ? Infinity : this.tail.bytesBetween(from, end, enough)
  }

  /** Calls `listener` whenever the watermark moved or the state changed; gives the function that ends it. */
  onProgress(listener: () => void): () => void {
    this.#listeners.push(listener)
    return () => { this.#listeners = this.#listeners.filter((one) => one !== listener) }
  }

  /** The first record at or after a time, in the order of the log, that readers of this isolation may see; undefined when there is none. */
  offsetForTimestamp(timestamp: number, isolation: Isolation = 'read_committed'): FoundTimestamp | undefined {
    const found = this.#reading(() => findTimestamp(this.#segments.all, timestamp, this.#startOffset))
    return found === undefined || found.offset >= this.#visibleEnd(isolation) ? undefined : found
  }

  /**
   * As Kafka answers it: the first record with the largest timestamp below where this isolation sees; of a segment that begins below the
   * start, all.
   */
  maxTimestamp(isolation: Isolation = 'read_committed'): FoundTimestamp | undefined {
    return this.#reading(() => largestTimestamp(this.#segments.all, this.#visibleEnd(isolation)))
  }

  /** Starts a new segment, unless the last one is empty. */
  async roll(): Promise<void> {
    if (this.#writer === undefined) throw this.#readOnlyError()
    const writer = this.#writer
    await guardedAsync(`rolling ${this.topic}-${this.partition}`, () => writer.roll())
  }

  /**
   * Deletes the records below `offset`, whatever their age, and gives the start that the log has then. Whole segments below it go at once; of
   * the one that holds it the bytes stay until all of it is below the start. Durable when it resolves.
   *
   * @param offset  at most the watermark; at or below the start it does nothing
   * @throws LogError `LOG_OFFSET_OUT_OF_RANGE`, `LOG_POLICY_VIOLATION` for a log that is only compacted, `LOG_FENCED`, `LOG_READ_ONLY`
   */
  async deleteRecords(offset: number): Promise<number> {
    if (this.#retention === undefined) throw this.#readOnlyError()
    return this.#retention.deleteRecords(offset)
  }

  /**
   * Deletes the oldest segments as far as `retentionMs`, `retentionBytes` and the start of the log ask for it, and gives how many. Nothing at or
   * above the watermark goes; when all records do, a new segment begins first. A partition that is fenced is left alone.
   *
   * @param now  wall time in ms
   */
  async applyRetention(now: number): Promise<number> {
    if (this.#retention === undefined) throw this.#readOnlyError()
    return this.#retention.applyRetention(now)
  }

  /**
   * Compacts what is sealed: of each key the last record stays, the others go. Offsets and order never change. What no cleaning has looked at
   * decides, as far as there is memory for its keys: the report tells whether another cleaning is needed.
   *
   * @throws LogError `LOG_CORRUPT` for a batch that is damaged, `LOG_FENCED`, `LOG_IO`, `LOG_READ_ONLY`, `LOG_CLOSED`; the reason of the signal
   */
  async clean(options: CleanOptions = {}): Promise<CleanReport> {
    const cleaner = this.#cleaner
    if (cleaner === undefined) throw this.#readOnlyError()
    return guardedAsync(`compacting ${this.topic}-${this.partition}`, () => cleaner.clean(options))
  }

  /**
   * Rewrites what is sealed without the records that go; offsets and order never change. Whoever asks sees before that nobody needs them.
   *
   * @throws LogError `LOG_CORRUPT`, `LOG_FENCED`, `LOG_IO`, `LOG_READ_ONLY`, `LOG_CLOSED`; the reason of the signal
   */
  async erase(goes: Erased, signal?: AbortSignal): Promise<EraseReport> {
    const cleaner = this.#cleaner
    if (cleaner === undefined) throw this.#readOnlyError()
    return guardedAsync(`erasing records of ${this.topic}-${this.partition}`, () => cleaner.erase(goes, signal))
  }

  /** How much a cleaning would have to look at, and whether one is due by the settings. A log that is not compacted has nothing to clean. */
  dirtiness(now: number): Pick<CleanRange, 'ratio' | 'cleanableBytes' | 'due'> {
    if (this.#cleaner === undefined || !this.compacted) return { ratio: 0, cleanableBytes: 0, due: false }
    const cleaner = this.#cleaner
    return this.#reading(() => cleaner.range(now))
  }

  /**
   * Cuts everything from `offset` on: the next record gets that offset. A batch that begins below it and reaches past it goes whole. A new
   * epoch begins, so that whoever read what was cut can tell. Below the start it empties the log. At or past the end it does nothing.
   */
  async truncateTo(offset: number): Promise<void> {
    const writer = this.#writer
    if (writer === undefined) throw this.#readOnlyError()
    await guardedAsync(`cutting ${this.topic}-${this.partition}`, () => writer.exclusively(async () => {
      if (offset >= writer.acknowledged) return
      const nextOffset = Math.max(offset, this.#startOffset)
      const place = this.#placeOf(nextOffset)
      await this.#cleaner!.cutTo(nextOffset)
      try {
        await this.#lowerMark(place, nextOffset)
        await this.#cutSegments(nextOffset)
        await this.#restart(nextOffset, nextOffset)
      } catch (error) {
        // Half cut: what is left is told by a reopen, which cuts again.
        writer.abandon({ ...place, offset: nextOffset }, error)
        throw error
      }
    }))
  }

  /**
   * Begins a new epoch with the next record, as when another broker comes to lead the partition. Nothing is cut. An epoch that is not newer does
   * nothing.
   */
  async beginEpoch(epoch = this.leaderEpoch + 1): Promise<void> {
    const writer = this.#writer
    if (writer === undefined) throw this.#readOnlyError()
    if (epoch <= this.leaderEpoch) return
    this.epochs.assign(epoch, writer.beginEpoch(epoch))
    this.#progressed()
    const path = this.#env.files.join(this.#options.folder, LEADER_EPOCH_FILE)
    await writeFileAtomically(this.#env.files, path, encodeLeaderEpochs(this.epochs.entries))
  }

  /** Writes what a close would, for a copy of files in memory that is taken in the same turn: see the writer's. */
  settleForCopy(): void {
    if (this.#writer === undefined) throw this.#readOnlyError()
    this.#writer.settleForCopy()
  }

  /**
   * Opens a fenced partition again: what was not acknowledged is cut and a new segment begins, since nothing may be believed of bytes
   * whose sync failed. Rejects, and the partition stays fenced, while the disk still fails.
   */
  async reopen(): Promise<void> {
    const writer = this.#writer
    if (writer === undefined) throw this.#readOnlyError()
    if (writer.state !== 'fenced') return
    // Whoever asks meanwhile waits for the same: a second one would cut what was appended since.
    const reopening = this.#reopening ?? guardedAsync(`reopening ${this.topic}-${this.partition}`, () => this.#reopen(writer))
    this.#reopening = reopening
    try {
      await reopening
    } finally {
      if (this.#reopening === reopening) this.#reopening = undefined
    }
  }

  async #reopen(writer: Writer): Promise<void> {
    const { lock } = this.#env
    if (lock !== undefined && !(await lock.confirm())) {
      throw new LogError('LOG_LOCK_LOST', `another process took the lock of the folder of ${this.topic}-${this.partition}`)
    }
    await writer.settle()
    await this.#cleaner!.settle()
    await this.#env.mark.restore()
    await this.#env.mark.ready()
    const { acknowledged, nextOffset, certain } = writer
    // Of the segment where certainty ends the indexes may not be durable, even if all its records are.
    const believed = certain.offset <= acknowledged
    await this.#lowerMark(believed ? certain : this.#placeOf(acknowledged), believed ? certain.offset : acknowledged)
    await this.#cutSegments(acknowledged)
    // With relaxed durability some of what was acknowledged was never synced: it is checked and written again, as after a crash.
    const { all, active } = this.#segments
    const segment = all.findIndex(({ baseOffset }) => baseOffset === certain.baseOffset)
    const everything = { segment: all.length - 1, position: active.size, offset: acknowledged }
    const from = segment < 0 || certain.offset > acknowledged ? everything : { segment, position: certain.position, offset: certain.offset }
    const found = await recoverTail(this.#env, this.#options.folder, all, { ...from, chained: true }, () => {})
    this.#segments.replace(found.segments)
    // Their sync may be the one that failed.
    removeSnapshots(this.#env, this.#options.folder, Math.min(certain.baseOffset, found.nextOffset))
    for (const one of found.segments.slice(from.segment)) await one.storeIndexesAgain()
    this.#segments.active.growing = true
    this.tail.truncateTo(found.nextOffset)
    this.#startSegment(found.nextOffset)
    await this.#restart(found.nextOffset, Math.max(nextOffset, found.nextOffset))
  }

  /**
   * For a read-only log: sees what the mark, which the caller has read again, says since. True when it says something new. When something
   * cannot be read it throws and is as before; the next call tries again.
   */
  refresh(): boolean {
    const { state } = this.#opened.slot
    if (this.#writer !== undefined || this.#closed || state === undefined || state === this.#followed) return false
    const settled = (state.generation ?? 0) === (this.#followed?.generation ?? 0)
    if (!settled || state.epoch !== this.leaderEpoch || state.watermark < this.#readEnd) this.#openAgain()
    else if (state.watermark > this.#readEnd && !this.#refreshSegments(state)) this.#openAgain()
    else this.#sees(state)
    return true
  }

  /**
   * For a read-only log: as `refresh`, for who cannot wait until the mark is read again, and for who met a segment that the writer has replaced
   * or removed. Does nothing for a writer.
   */
  lookAgain(): void {
    if (this.#writer !== undefined || this.#closed) return
    this.#env.mark.refresh()
    this.refresh()
    if (this.#followed !== undefined && this.#segments.all.some(({ gone }) => gone)) this.#openAgain()
  }

  /** The settings of the topic, the object that this log was opened with, changed: a writer takes them from here on. */
  async reconfigure(): Promise<void> {
    await this.#writer?.reconfigure()
  }

  /**
   * Closes the log; a writer seals its end first. Throws what could not be stored.
   *
   * @param reason  what later calls get; default LOG_CLOSED
   */
  async close(reason?: LogError): Promise<void> {
    if (this.#closed) return
    this.#closedBecause = reason
    try {
      await guardedAsync(`closing ${this.topic}-${this.partition}`, async () => {
        await this.#cleaner?.close()
        await this.#writer?.close(reason)
        if (this.#env.lock?.confirmed !== false) this.#retentionMade?.close()
      })
      if (this.#env.lock?.confirmed !== false) for (const segment of this.#segments.all) await segment.storeRemade()
    } finally {
      this.#closed = true
      this.windows.removeTail()
      for (const segment of this.#segments.all) this.#env.openFiles.forget(segment.path)
      this.#progressed()
    }
  }

  /** Throws what calls on a closed log get, when it is closed. */
  checkOpen(): void {
    if (this.#closedBecause !== undefined) throw this.#closedBecause
    if (this.#closed) throw new LogError('LOG_CLOSED', `${this.topic}-${this.partition} is closed`)
  }

  // What a cursor reads (CursorSource)

  segmentAt(offset: number): Segment | undefined {
    this.checkOpen()
    return this.#segments.at(offset)
  }

  segmentAfter(segment: Segment): Segment | undefined {
    return this.#segments.after(segment)
  }

  group(segment: Segment, offset: number): BatchGroup | undefined {
    return this.#reading(() => this.#segments.group(segment, offset))
  }

  scanPosition(segment: Segment, offset: number): number {
    return this.#reading(() => this.#segments.scanPosition(segment, offset))
  }

  pin(segment: Segment): PinnedFile {
    this.checkOpen()       // else nobody would close it
    return segment.pin()
  }

  filter(from: number, to: number): CommittedFilter | undefined {
    return this.#hasAborted ? new CommittedFilter(this.abortedIn(from, to)) : undefined
  }

  abortedIn(from: number, to: number): AbortedTransaction[] {
    return this.#hasAborted ? this.#reading(() => collectAborted(this.#abortedFrom(from), from, to)) : []
  }

  *#abortedFrom(offset: number): Iterable<TxnIndex> {
    for (let segment: Segment | undefined = this.#segments.at(offset); segment !== undefined; segment = this.#segments.after(segment)) {
      if (segment.hasAborted) yield segment.txnIndex
    }
  }

  /** Runs what reads files for a reader. */
  #reading<T>(work: () => T): T {
    try {
      return work()
    } catch (error) {
      if (this.#writer === undefined && this.#segments.all.some(({ gone }) => gone)) return this.#readingAgain(work, error)
      // Here and not with `guarded`: reads by offset come this way, and would put the words together for each record.
      throw ioError(`reading ${this.topic}-${this.partition}`, error)
    }
  }

  /** As `#reading`, after the writer in another process has replaced or removed a segment. */
  #readingAgain<T>(work: () => T, error: unknown): T {
    this.lookAgain()
    if (this.#segments.all.some(({ gone }) => gone)) throw error
    return this.#reading(work)
  }

  #startWriter(): Writer {
    const { slot, producers, epoch, nextOffset } = this.#opened
    const { topic, partition, folder, config } = this.#options
    const env = this.#env
    return new Writer({
      env, config, topic, partition, folder, slot, producers, segments: this.#segments, tail: this.tail,
      snapshot: (offset) => writeSnapshot(env, folder, producers, offset),
      aborted: () => { this.#hasAborted = true },
      progressed: () => this.#progressed(),
      watcher: () => this.watcher,
    }, { epoch, nextOffset })
  }

  // This and the cleaner are made when they are first asked for, which few partitions ever are.
  get #retention(): Retention | undefined {
    return (this.#retentionMade ??= this.#writer && this.#makeRetention(this.#writer))
  }

  get #cleaner(): Cleaner | undefined {
    return (this.#cleanerMade ??= this.#writer && this.#makeCleaner(this.#writer))
  }

  #makeRetention(writer: Writer): Retention {
    const { topic, partition, folder, config } = this.#options
    return new Retention({
      env: this.#env, topic, partition, folder, config, writer, segments: this.#segments,
      epochs: () => this.epochs,
      startOffset: () => this.#startOffset,
      raised: (startOffset) => {
        this.#startOffset = startOffset
        this.#progressed()
      },
    })
  }

  #makeCleaner(writer: Writer): Cleaner {
    const { topic, partition, folder, config } = this.#options
    return new Cleaner({
      env: this.#env, config, topic, partition, folder, segments: this.#segments, tail: this.tail, writer,
      producers: () => this.#opened.producers, startOffset: () => this.#startOffset, lastStableOffset: () => this.lastStableOffset,
      abortedFrom: (offset) => this.#abortedFrom(offset),
    })
  }

  #progressed(): void {
    for (const listener of this.#listeners) listener()
  }

  #visibleEnd(isolation: Isolation): number {
    return isolation === 'read_committed' ? this.lastStableOffset : this.highWatermark
  }

  #appendedEnd(): number {
    this.#writer?.sealOpen()
    return this.nextOffset
  }

  #checkFrom(from: number): number {
    this.checkOpen()
    const end = this.nextOffset
    if (from >= this.#startOffset && from <= end) return from
    const start = this.#startOffset
    const message = `offset ${from} is outside ${this.topic}-${this.partition}: kept are ${start}..${end - 1}`
    throw new LogError('LOG_OFFSET_OUT_OF_RANGE', message, { offset: from, start, end })
  }

  #readOnlyError(): LogError {
    return new LogError('LOG_READ_ONLY', `${this.topic}-${this.partition} was opened read-only`)
  }

  /** Where a cut to `nextOffset` ends the log: at the beginning of the batch that holds it, since batches go whole. */
  #placeOf(nextOffset: number): Place {
    const segment = this.#segments.at(nextOffset)
    return { baseOffset: segment.baseOffset, position: segment.batchStart(nextOffset)?.position ?? segment.size }
  }

  /** The mark takes back its word before bytes go: a crash in between must not find them missing. */
  async #lowerMark({ baseOffset, position }: Place, syncedOffset: number): Promise<void> {
    const { slot, producers } = this.#opened
    const watermark = Math.min(syncedOffset, this.durableOffset)
    const { leaderEpoch: epoch } = this
    const generation = this.#writer?.generation ?? 0
    slot.write({ epoch, baseOffset, position, syncedOffset, watermark, closed: false, producers: producers.used, generation })
    await this.#env.mark.sync()
  }

  async #cutSegments(nextOffset: number): Promise<void> {
    const kept = this.#segments.all.filter((segment) => segment.baseOffset <= nextOffset)
    const gone = this.#segments.all.slice(kept.length)
    for (const segment of gone.toReversed()) {
      segment.release()
      for (const path of segment.paths()) {
        this.#env.openFiles.forget(path)
        this.#env.files.removeSync(path)
      }
    }
    const last = kept.at(-1)!
    last.release()
    last.truncate(last.batchStart(nextOffset)?.position ?? last.size, nextOffset)
    this.#segments.replace(kept)
    this.tail.truncateTo(nextOffset)
    last.growing = true
    removeSnapshots(this.#env, this.#options.folder, nextOffset)
    if (this.#env.files.durable) {
      await this.#env.syncs.run(() => last.handle.sync())
      // Entries of what was cut must not come back: they would point into what is written there next.
      await last.syncIndexes()
      await this.#env.files.syncFolder(this.#options.folder)
    }
  }

  #startSegment(baseOffset: number): void {
    const { active, all } = this.#segments
    if (active.size === 0 && active.entrySynced) return
    if (active.size > 0) active.seal()
    else this.#segments.replace(all.slice(0, -1))       // the sync of its entry may have failed: a new file takes its place
    active.release()
    this.#segments.add(Segment.create(this.#env, this.#options.config, this.#options.folder, baseOffset))
  }

  /**
   * Continues in a new epoch at `acknowledged`, giving out offsets from `nextOffset` on. The epoch begins where what was kept ends, so
   * that whoever read what is gone can tell.
   */
  async #restart(acknowledged: number, nextOffset: number): Promise<void> {
    const { producers } = this.#opened
    if (!producers.truncate(acknowledged)) {
      // From the first batch there is, deleted or not: a transaction that began there may still be open.
      const { baseOffset } = this.#segments.first
      producers.reset(baseOffset)
      replayProducers(producers, this.#segments.all, baseOffset, acknowledged)
      producers.onHighWatermark(acknowledged)
    }
    this.#hasAborted = this.#segments.all.some((segment) => segment.hasAborted)
    const keptEnd = Math.min(acknowledged, this.#segments.contentEnd)
    this.epochs.truncateFromEnd(keptEnd)
    const epoch = this.leaderEpoch + 1
    this.epochs.assign(epoch, keptEnd)
    const path = this.#env.files.join(this.#options.folder, LEADER_EPOCH_FILE)
    await writeFileAtomically(this.#env.files, path, encodeLeaderEpochs(this.epochs.entries))
    this.#writer!.restart({ epoch, nextOffset, acknowledged })
  }

  /** The log grew: the last segment is longer now, and others may be behind it. False when nobody can tell without looking at all of it. */
  #refreshSegments(state: MarkState): boolean {
    const last = this.#segments.active
    if (!last.isThere()) return false
    const opened = openNewSegments(this.#env, this.#options, this.#opened.slot, state, last.baseOffset)
    if (opened === undefined) return false
    last.refresh(opened.length === 0)
    this.#segments.forgetGroups(last)
    for (const segment of opened) this.#segments.add(segment)
    const { active } = this.#segments
    active.growing = true
    active.size = followedSize(state, active)
    this.#hasAborted ||= [last, ...opened].some((segment) => segment.hasAborted)
    const { producers } = this.#opened
    if (!state.producers) return true
    replayProducers(producers, this.#segments.all, this.#readEnd, state.watermark)
    producers.onHighWatermark(state.watermark)
    return true
  }

  /** Another epoch, a lower end, or segments that were replaced or removed. Files of the same names may be other files now. */
  #openAgain(): void {
    const opened = openFollowing(this.#env, this.#options, this.#opened.slot)
    for (const segment of this.#segments.all) this.#env.openFiles.forget(segment.path)
    this.#opened = opened
    this.#segments.replace(opened.segments)
    this.#segments.active.growing = true
    this.#startOffset = opened.startOffset
    this.#hasAborted = opened.segments.some((segment) => segment.hasAborted)
    this.#sees(opened.state!)
  }

  #sees(state: MarkState): void {
    this.#readEnd = state.watermark
    this.#followed = state
    this.#progressed()
  }
}
