/*
 * The append path of one partition: records → open batch → sealed batches → rounds → acknowledged.
 *
 * A round writes what has gathered, syncs the file once, writes the mark and then resolves the promises (docs/design, "rounds"). While
 * its sync runs the file is not touched; appends gather for the next round. With the relaxed durabilities a round is a write alone and
 * needs no turn of the event loop. Memory moves only after a write succeeded, and what readers may see only after the acknowledgement.
 *
 *     #nextOffset     the offset of the next record: provisional until acknowledged
 *     #queue          sealed, not yet written
 *     segment.size    written
 *     #acknowledged   may be seen: synced with durability 'sync', else written
 *     #synced         survives a power cut
 *
 * Failure is a state. A full disk rejects what was not stored and goes on; any other failed write or sync fences the partition: what
 * was not acknowledged is rejected, appends are refused and reads go on up to the acknowledged offset, until it is reopened.
 */
import { allDone } from '../base/all-done.ts'
import { type Timer } from '../base/clock.ts'
import { LogError } from '../base/errors.ts'
import { systemCode } from '../files/system-error.ts'
import { assignAppendTime, assignCreateTime, assignOffsets } from '../format/batch.ts'
import { type CompressionName } from '../format/compression.ts'
import { END_TRANSACTION_MARKER_SIZE, writeEndTransactionMarker } from '../format/control.ts'
import {
  batchTooLarge, bufferFull, checkBounds, checkReadyBatch, checkTimestamp, diskFull, keyMissing, recordTooLarge, type TimestampBounds,
  timestampBounds,
} from './append-checks.ts'
import { BatchBuilder } from './batch-builder.ts'
import { takeClientBatch } from './client-batch.ts'
import { type LogConfig } from './config.ts'
import { readEndTransaction } from './end-transaction.ts'
import { type LogEnvironment } from './environment.ts'
import { LostRanges } from './lost-ranges.ts'
import { type MarkSlot, nextGeneration } from './mark.ts'
import { type AppendOrigin, type ProducerBatch } from './producer-rules.ts'
import { type ProducerState } from './producer-state.ts'
import { type AppendWatcher, type RecordGroup } from './record-group.ts'
import { type RecordCodecs, type RecordInput } from './record-input.ts'
import { RoomAhead } from './room-ahead.ts'
import { RoundSchedule } from './round-schedule.ts'
import { SealedSegments } from './sealed-segments.ts'
import { Segment } from './segment.ts'
import { type Segments } from './segments.ts'
import { type Tail, type TailBatch } from './tail.ts'
import { type TransactionEnd, type TransactionPart } from './transaction-part.ts'
import { Waiters } from './waiters.ts'

/** A synchronous loop of appends writes when so much has gathered. */
const WRITE_BYTES = 1024 * 1024
/** A round takes no more than this, so that its promises do not wait for megabytes behind them. */
const ROUND_BYTES = 8 * 1024 * 1024
/** Index entries in memory before they are written. */
const PENDING_INDEX_BYTES = 1024
/** Rounds that wait for the disk write what there is of them after so much log: an open after a crash looks through what has no entry. */
const UNINDEXED_BYTES = 1024 * 1024

/** Whether appends are taken: fenced is what a failed write or sync leaves. */
export type WriterState = 'open' | 'fenced' | 'closed'

/** Where an appended batch went. */
export interface AppendedBatch {
  readonly baseOffset: number
  readonly lastOffset: number
  /** The batch had come before, and this is where it went then. */
  readonly duplicate: boolean
  /** The largest timestamp in it as it is stored, ms since 1970; −1 for none. */
  readonly timestamp: number
}

/** What a writer works on; it shares these with the partition that owns it. */
export interface WriterParts {
  readonly env: LogEnvironment
  readonly config: LogConfig
  readonly topic: string
  readonly partition: number
  readonly folder: string
  readonly slot: MarkSlot
  readonly segments: Segments
  readonly tail: Tail
  readonly producers: ProducerState
  /** Takes a snapshot of the producers, for a segment that begins at `offset`. */
  readonly snapshot: (offset: number) => void
  /** Called when the first transaction of this log was aborted. */
  readonly aborted: () => void
  /** Called after the acknowledged offset moved, or the state changed. */
  readonly progressed: () => void
  /** Who follows what becomes of appends. */
  readonly watcher: () => AppendWatcher | undefined
}

/** The append path of one partition. */
export class Writer {
  readonly #parts: WriterParts
  readonly #builder: BatchBuilder
  readonly #waiters = new Waiters()
  #synchronous: boolean
  #appendTime: boolean
  /** Records may not bring any timestamp. */
  #bounded = false
  #compression: CompressionName
  #state: WriterState = 'open'
  #fenceCause: LogError | undefined
  #closedBecause: LogError | undefined
  readonly #lost = new LostRanges()
  #loss: LogError | undefined
  #keyed: boolean
  /** Whose the open batch is; undefined for records outside transactions. */
  #part: TransactionPart | undefined
  /**
   * By producer: the transactions of this process that have records here and no marker yet. A producer keeps its place, with undefined, for its
   * next one: where keys come and go, each table of a Map refers to the next, and all that were ever in it stay until a full collection.
   */
  readonly #open = new Map<bigint, TransactionPart | undefined>()
  readonly #ahead: RoomAhead
  #epoch: number
  #nextOffset: number
  #acknowledged: number
  #synced: number
  #now = 0
  #queue: TailBatch[] = []
  #queuedBytes = 0
  #lingerMs: number
  readonly #schedule: RoundSchedule
  #busy: Promise<void> | undefined
  readonly #sealed: SealedSegments
  #backgroundSync: Promise<void> | undefined
  #interval: Timer | undefined
  #publishing = false
  #cutting = false
  /** Written and not acknowledged. */
  #writtenBytes = 0
  #syncedBase: number
  #syncedPosition: number

  /** Of the mark: see `MarkState.generation`. */
  #generation: number
  /** The mark is: slots may be written. */
  #ready = false

  constructor(parts: WriterParts, start: { readonly epoch: number; readonly nextOffset: number }) {
    this.#parts = parts
    this.#builder = new BatchBuilder(parts.env.windows, Math.min(parts.config.batchSize, parts.config.maxMessageBytes))
    this.#ahead = new RoomAhead(parts.env, parts.config)
    this.#keyed = parts.config.cleanupPolicy !== 'delete'
    this.#epoch = start.epoch
    this.#nextOffset = start.nextOffset
    this.#acknowledged = start.nextOffset
    this.#synced = start.nextOffset
    this.#generation = parts.slot.state?.generation ?? 0
    this.#syncedBase = parts.segments.active.baseOffset
    this.#syncedPosition = parts.segments.active.size
    this.#synchronous = parts.config.durability === 'sync' && parts.env.files.durable
    this.#lingerMs = parts.config.lingerMs
    this.#schedule = new RoundSchedule(parts.env.clock, !this.#synchronous, () => this.#start())
    this.#sealed = new SealedSegments(parts.env, parts.folder)
    this.#appendTime = parts.config.messageTimestampType === 'LogAppendTime'
    this.#compression = compressionOf(parts.config)
    this.#bounded = timestampBounds(parts.config, 0) !== undefined
  }

  /** The settings changed: they are those of the object that the writer was made with. Resolves when they hold for what is appended. */
  async reconfigure(): Promise<void> {
    const { config, env } = this.#parts
    this.#builder.limitTo(Math.min(config.batchSize, config.maxMessageBytes))
    this.#keyed = config.cleanupPolicy !== 'delete'
    this.#lingerMs = config.lingerMs
    this.#appendTime = config.messageTimestampType === 'LogAppendTime'
    this.#compression = compressionOf(config)
    this.#bounded = timestampBounds(config, 0) !== undefined
    const synchronous = config.durability === 'sync' && env.files.durable
    if (synchronous === this.#synchronous) return
    if (this.#state !== 'open') return this.#waitForDisk(synchronous)
    await this.exclusively(async () => {
      // With relaxed durability the mark must not say any more that the log was closed; see beginAfterClose in open-partition.ts.
      await this.settleMark()
      this.#waitForDisk(synchronous)
    })
  }

  get state(): WriterState {
    return this.#state
  }

  get fenceCause(): LogError | undefined {
    return this.#fenceCause
  }

  get epoch(): number {
    return this.#epoch
  }

  get nextOffset(): number {
    return this.#nextOffset
  }

  get acknowledged(): number {
    return this.#acknowledged
  }

  get synced(): number {
    return this.#synced
  }

  /** See `MarkState.generation`. */
  get generation(): number {
    return this.#generation
  }

  /** Where certainty ends: every byte before it is synced. */
  get certain(): { readonly baseOffset: number; readonly position: number; readonly offset: number } {
    return { baseOffset: this.#syncedBase, position: this.#syncedPosition, offset: this.#synced }
  }

  /** Adds a record to the open batch and gives its offset, which is provisional until it is acknowledged. A full batch does not linger. */
  append<K, V>(codecs: RecordCodecs<K, V>, record: RecordInput<K, V>, lingerMs = this.#lingerMs, part?: TransactionPart): number {
    if (this.#state !== 'open' || (this.#loss !== undefined && part === undefined)) this.#refuse()
    if (part !== this.#part) this.#changePart(part)
    const builder = this.#builder
    const { count } = builder
    if (count === 0) this.#beginBatch()
    else if ((count & 63) === 0) this.#now = this.#parts.env.clock.now()
    const { key = null, value, headers, timestamp } = record
    if (key === null && this.#keyed) throw keyMissing(this.#parts.topic)
    builder.add(codecs, key, value, headers, timestamp === undefined ? this.#now : this.#checkTime(timestamp))
    const { full } = builder
    if (full) this.#sealFull(codecs, record)
    const withinMs = full ? 0 : lingerMs
    if (withinMs < this.#schedule.dueMs) this.#schedule.within(withinMs)
    const offset = this.#nextOffset++
    if (part !== undefined) part.lastOffset = offset
    if (full) this.#relieve()       // now that the record counts: should the write fail, it is among those that are lost
    return offset
  }

  /** Adds records that lie in one batch, and gives the offset of the first. When it throws, none was added. */
  appendGroup<K, V>(codecs: RecordCodecs<K, V>, group: RecordGroup<K, V>): number {
    if (this.#state !== 'open' || this.#loss !== undefined) this.#refuse()
    if (this.#part !== undefined) this.#changePart(undefined)
    const builder = this.#builder
    if (builder.count === 0) this.#beginBatch()
    else this.#now = this.#parts.env.clock.now()
    let size = this.#addGroup(codecs, group)
    if (size > 0 && builder.count > 0) {
      // Beside others there is no room for all of them: they get a batch of their own.
      this.#seal()
      this.#beginBatch()
      size = this.#addGroup(codecs, group)
    }
    if (size > 0) throw group.count === 1 ? recordTooLarge(size, this.#parts) : this.#groupTooLarge(size)
    const { full } = builder
    const offset = this.#nextOffset
    if (full) this.#sealUpTo(offset + group.count)
    const withinMs = full ? 0 : this.#lingerMs
    if (withinMs < this.#schedule.dueMs) this.#schedule.within(withinMs)
    this.#nextOffset = offset + group.count
    group.appended(offset)
    if (full) this.#relieve()       // as in `append`
    return offset
  }

  /**
   * Appends a ready batch as it came: checked once, its base offset and leader epoch rewritten; one of a client made anew where the topic
   * asks for that. What is open is sealed first, since a batch belongs to one producer.
   */
  appendBatch(bytes: Uint8Array, origin: AppendOrigin): AppendedBatch {
    if (this.#state !== 'open' || (this.#loss !== undefined && origin !== 'coordinator')) this.#refuse()
    const { env, producers, config } = this.#parts
    // What the log says to itself is little, and frees what waits: it may go over the limits.
    if (env.buffer.full && origin !== 'coordinator') throw bufferFull(env.buffer.limit)
    if (origin === 'client' && env.room.short) throw diskFull('less room than minFreeBytes is left on the disk')
    const given = checkReadyBatch(bytes, origin, this.#parts)
    const bounds = this.#bounded ? this.#bounds : undefined
    const { bytes: ready, header, maxTimestamp: createTime, retimed } = origin === 'client'
      ? takeClientBatch(bytes, given, { ...this.#where, config, bounds })
      : { bytes, header: given, maxTimestamp: given.maxTimestamp, retimed: false }
    this.#seal()
    const baseOffset = this.#nextOffset
    const marker = header.control ? readEndTransaction(bytes, 0, header) : undefined
    const maxTimestamp = this.#appendTime ? env.clock.now() : createTime
    const checked = producers.prepare(maxTimestamp === header.maxTimestamp ? header : { ...header, maxTimestamp }, baseOffset, origin, marker)
    if (checked.kind === 'duplicate') {
      return { baseOffset: checked.baseOffset, lastOffset: checked.lastOffset, duplicate: true, timestamp: checked.timestamp }
    }
    const { window, buffer, at } = this.#builder.place(ready)
    assignOffsets(buffer, at, baseOffset, this.#epoch)
    if (this.#appendTime) assignAppendTime(buffer, at, maxTimestamp)
    else if (retimed) assignCreateTime(buffer, at, maxTimestamp)
    const lastOffset = baseOffset + header.lastOffsetDelta
    this.#enqueue({
      window, buffer, at, size: ready.length, baseOffset, lastOffset, maxTimestamp, recordCount: header.recordCount,
      ofTransaction: false, position: -1,
    })
    this.#nextOffset = lastOffset + 1
    if (this.#schedule.dueMs > 0) this.#schedule.within(0)     // whoever made the batch has waited for company
    this.#relieve()
    return { baseOffset, lastOffset, duplicate: false, timestamp: maxTimestamp }
  }

  /**
   * Ends the transaction of a producer by a marker behind its records, and gives the marker's offset. −1: it has none open, so there is
   * nothing to end.
   */
  endTransaction(marker: TransactionEnd): number {
    this.sealOpen()
    if (this.#state === 'open' && !this.#parts.producers.isOpen(marker.producerId)) {
      this.#forgetPart(marker.producerId)
      return -1
    }
    if (this.#state !== 'open') this.#refuse()
    const { clock } = this.#parts.env
    const offset = this.#nextOffset
    const timestamp = clock.now()
    const { producerId, producerEpoch, coordinatorEpoch, type } = marker
    const batch = { producerId, producerEpoch, baseSequence: -1, lastOffsetDelta: 0, transactional: true, control: true, maxTimestamp: timestamp }
    this.#parts.producers.prepare(batch, offset, 'coordinator', marker)
    const { window, buffer, at } = this.#builder.takePlace(END_TRANSACTION_MARKER_SIZE)
    const leaderEpoch = this.#epoch
    writeEndTransactionMarker(buffer, at, { offset, leaderEpoch, timestamp, producerId, producerEpoch, coordinatorEpoch, type })
    if (this.#appendTime) assignAppendTime(buffer, at, timestamp)
    this.#enqueue({
      window, buffer, at, size: END_TRANSACTION_MARKER_SIZE, baseOffset: offset, lastOffset: offset, maxTimestamp: timestamp, recordCount: 1,
      ofTransaction: true, position: -1,
    })
    this.#nextOffset = offset + 1
    this.#forgetPart(producerId)
    if (this.#schedule.dueMs > 0) this.#schedule.within(0)
    this.#relieve()
    return offset
  }

  /** Resolves when `offset` is acknowledged; rejects when it is lost. */
  durable(offset: number): Promise<void> {
    const lost = this.#lost.find(offset)
    if (lost !== undefined) return Promise.reject(lost)
    if (offset < this.#acknowledged) return Promise.resolve()
    const loss = this.#takeLoss()
    if (loss !== undefined) return Promise.reject(loss)
    if (offset >= this.#nextOffset) return Promise.reject(new RangeError(`offset ${offset} was not appended: the next one is ${this.#nextOffset}`))
    if (this.#state === 'fenced') return Promise.reject(this.#fenceCause)
    const open = this.#nextOffset - this.#builder.count
    return this.#waiters.wait(offset, offset >= open ? open : this.#parts.tail.find(offset)!.baseOffset)
  }

  /** Resolves when everything appended so far is synced, whatever the durability. */
  async flush(): Promise<void> {
    this.#throwLoss()
    // What is under way ends with the last record appended: a failure takes everything under way with it, and may come at once.
    const stored = this.#pending || this.#writtenBytes > 0 ? this.durable(this.#nextOffset - 1) : undefined
    this.#start()
    await stored
    if (this.#state !== 'open') throw this.#fenceCause ?? this.#closedError()
    if (this.#parts.env.files.durable && this.#synced < this.#acknowledged) await this.#syncNow()
  }

  /** What lingers is written now. */
  hurry(): void {
    if (this.#schedule.lingers) this.#start()
  }

  /** Starts a new segment, if the active one holds anything. */
  async roll(): Promise<void> {
    await this.flush()
    await this.#exclusively(async () => {
      if (this.#parts.segments.active.size === 0) return
      this.#roll()
      if (this.#synchronous && !(await this.#sync())) throw this.#fenceCause!
    })
  }

  /** Runs `work` while no round runs and none starts; everything acknowledged is synced then. */
  async exclusively<T>(work: () => Promise<T>): Promise<T> {
    await this.flush()
    return this.#exclusively(async () => {
      await this.#backgroundSync
      // With relaxed durability more may have been acknowledged since the flush.
      if (this.#state === 'open' && this.#parts.env.files.durable && this.#synced < this.#acknowledged) await this.#sync()
      if (this.#state !== 'open') throw this.#fenceCause ?? this.#closedError()
      this.#cutting = true
      try {
        return await work()
      } finally {
        this.#cutting = false
      }
    })
  }

  /** Within `exclusively`: the mark speaks of no segment but the active one. Durable when it resolves. */
  async settleMark(): Promise<void> {
    const { env, segments } = this.#parts
    if (!env.files.durable) this.#moveSynced(segments.active.baseOffset, segments.active.size, this.#acknowledged)
    this.#publishOrFence(false)
    await env.mark.sync()
  }

  /**
   * Begins a new epoch with the next record, without a cut: another broker leads from now on, to those who are shown several. Gives the offset that
   * it begins at.
   */
  beginEpoch(epoch: number): number {
    if (this.#state !== 'open') throw this.#fenceCause ?? this.#closedError()
    this.#seal()
    this.#epoch = epoch
    this.#publishSoon()
    return this.#nextOffset
  }

  /**
   * Writes what a close would, for a copy of the files that is taken now: whoever opens it has nothing to recover. Nothing may wait to be
   * written.
   */
  settleForCopy(): void {
    const { segments: { active }, producers, snapshot } = this.#parts
    if (active.maxTimestamp >= 0) active.timeIndex.maybeAppend(active.maxTimestamp, active.maxTimestampOffset, { seal: true })
    active.flushIndexes()
    active.flushTxnIndex()
    if (producers.used) snapshot(this.#acknowledged)
    this.#moveSynced(active.baseOffset, active.size, this.#acknowledged)
    this.#publishOrFence(true)
  }

  /** Within `exclusively`: readers in other processes are told that sealed segments go, or are replaced, or that the start moved. */
  announce(): void {
    this.#generation = nextGeneration(this.#generation)
    this.#publishOrFence(false)
  }

  /** Within `exclusively`: a change of sealed segments failed on its way, and only a reopen can tell or finish it. */
  changeFailed(cause: unknown): void {
    this.#fence('compaction', cause)
  }

  /** Waits until nothing of this writer is under way. */
  async settle(): Promise<void> {
    while (this.#busy !== undefined || this.#backgroundSync !== undefined) await (this.#busy ?? this.#backgroundSync)
  }

  /** Makes what is in the open batch visible to its writer (`upTo: 'appended'`). */
  sealOpen(): void {
    if (this.#state === 'open') this.#seal()
  }

  /** A cut to `end` failed on its way: the partition is fenced, and nothing at or past that place is vouched for. */
  abandon(end: { readonly baseOffset: number; readonly position: number; readonly offset: number }, cause: unknown): void {
    this.#acknowledged = end.offset
    this.#moveSynced(end.baseOffset, end.position, end.offset)
    this.#parts.tail.truncateTo(end.offset)
    this.#fence('truncate', cause)
  }

  /** After the log was cut: continues at `nextOffset` in a new epoch. */
  restart(start: { readonly epoch: number; readonly nextOffset: number; readonly acknowledged: number }): void {
    const waiting = this.#queue[0]?.baseOffset ?? this.#nextOffset - this.#builder.count
    if (this.#state === 'open' && waiting < this.#nextOffset) {
      // Appended while the log was cut, behind records that are gone now.
      this.#drop(waiting, new LogError('LOG_APPEND_LOST', `${this.#name} was cut to offset ${start.acknowledged} meanwhile`, this.#where))
    }
    this.#loseTransactions(start.acknowledged, new LogError('LOG_APPEND_LOST', `${this.#name} was cut to offset ${start.acknowledged}`, this.#where))
    this.#lost.truncateTo(start.nextOffset)
    this.#parts.watcher()?.cut(start.acknowledged)
    this.#epoch = start.epoch
    this.#nextOffset = start.nextOffset
    this.#acknowledged = start.acknowledged
    this.#moveSynced(this.#parts.segments.active.baseOffset, this.#parts.segments.active.size, start.acknowledged)
    this.#state = 'open'
    this.#fenceCause = undefined
    this.#schedule.idle()           // what was due when the partition was fenced, or while the log was cut, has been dropped
    this.#sealed.clear(this.#parts.segments.active)
    // Readers elsewhere are told at once that a new epoch began.
    this.#publishOrFence(false)
    this.#parts.progressed()
  }

  /**
   * Ends the append path: everything appended is synced, the segment sealed, the mark says so. Throws what could not be stored.
   *
   * @param reason  what later calls get; default LOG_CLOSED
   */
  async close(reason?: LogError): Promise<void> {
    if (this.#state === 'closed') return
    this.#closedBecause = reason
    let failure: unknown = this.#takeLoss()
    if (this.#state === 'open') {
      try {
        await this.flush()
        await this.#exclusively(async () => {
          await this.#closeSegment()
          // Whoever waited to roll or to cut comes too late: the mark vouches for what is there.
          this.#state = 'closed'
        })
      } catch (error) {
        failure = error
      }
    }
    await this.#busy
    await this.#backgroundSync
    this.#state = 'closed'
    this.#interval?.cancel()
    this.#schedule.cancel()
    this.#drop(this.#acknowledged, this.#closedError())
    this.#sealed.clear()
    this.#parts.segments.active.release()
    this.#parts.progressed()
    if (failure !== undefined) throw failure
  }

  #checkTime(timestamp: number): number {
    if (this.#bounded) checkBounds(timestamp, this.#bounds, this.#parts.topic)
    return checkTimestamp(timestamp)
  }

  get #bounds(): TimestampBounds {
    return timestampBounds(this.#parts.config, this.#parts.env.clock.now()) ?? { earliest: -Infinity, latest: Infinity }
  }

  get #name(): string {
    return `${this.#parts.topic}-${this.#parts.partition}`
  }

  #refuse(): never {
    this.#throwLoss()
    if (this.#state === 'closed') throw this.#closedError()
    throw this.#fenceCause!
  }

  #throwLoss(): void {
    const loss = this.#takeLoss()
    if (loss !== undefined) throw loss
  }

  #takeLoss(): LogError | undefined {
    const loss = this.#loss
    this.#loss = undefined
    return loss
  }

  /** A batch is of one transaction, or of none. */
  #changePart(part: TransactionPart | undefined): void {
    this.#seal()
    this.#part = part
  }

  /** Adds all records of a group to the open batch, or none: then it gives the size that the batch would have, else 0. */
  #addGroup<K, V>(codecs: RecordCodecs<K, V>, group: RecordGroup<K, V>): number {
    const builder = this.#builder
    const { count, nextAt } = builder
    const { maxMessageBytes } = this.#parts.config
    let added = false
    try {
      group.begin(this.#nextOffset - count, this.#nextOffset)
      for (let index = 0; index < group.count; index++) {
        const at = builder.nextAt
        const { key = null, value, headers, timestamp } = group.record(index, at)
        if (key === null && this.#keyed) throw keyMissing(this.#parts.topic)
        builder.add(codecs, key, value, headers, timestamp === undefined ? this.#now : this.#checkTime(timestamp))
        if (builder.size > maxMessageBytes) return builder.size
        group.added(index, at, builder.nextAt - at)
      }
      added = true
      return 0
    } finally {
      if (!added) builder.removeFrom(count, nextAt)
    }
  }

  #groupTooLarge(size: number): LogError {
    return batchTooLarge(size, this.#parts.config.maxMessageBytes, this.#parts.topic)
  }

  /** What is asked once per batch, not per record. */
  #beginBatch(): void {
    const { env, producers } = this.#parts
    const part = this.#part
    if (part !== undefined) {
      if (part.lost !== undefined) throw part.lost
      producers.checkEpoch(part.producerId, part.producerEpoch)
      this.#open.set(part.producerId, part)
    }
    if (env.buffer.full) throw bufferFull(env.buffer.limit)
    if (env.room.short) throw diskFull('less room than minFreeBytes is left on the disk')
    this.#now = env.clock.now()
  }

  /** Seals the open batch, which its last record, not counted in the next offset yet, has filled or made too large. */
  #sealFull<K, V>(codecs: RecordCodecs<K, V>, { key = null, value, headers, timestamp = this.#now }: RecordInput<K, V>): void {
    const builder = this.#builder
    const { maxMessageBytes } = this.#parts.config
    if (builder.size > maxMessageBytes) {
      const { size } = builder
      builder.removeLast()
      if (builder.count === 0) throw recordTooLarge(size, this.#parts)
      this.#sealUpTo(this.#nextOffset)
      builder.add(codecs, key, value, headers, timestamp)
      if (!builder.full) return
      if (builder.size > maxMessageBytes) {
        const alone = builder.size
        builder.discard()
        throw recordTooLarge(alone, this.#parts)
      }
    }
    this.#sealUpTo(this.#nextOffset + 1)
  }

  #seal(): void {
    if (this.#builder.count > 0) this.#sealUpTo(this.#nextOffset)
  }

  /** Seals the open batch, whose last record is the one before `end`. */
  #sealUpTo(end: number): void {
    const part = this.#part
    const producer = part === undefined ? undefined : new PartHeader(part)
    const batch = this.#builder.seal({
      baseOffset: end - this.#builder.count, leaderEpoch: this.#epoch, compression: this.#compression,
      appendTime: this.#appendTime ? this.#parts.env.clock.now() : undefined, producer,
    })
    if (part !== undefined) {
      producer!.lastOffsetDelta = batch.recordCount - 1
      producer!.maxTimestamp = batch.maxTimestamp
      this.#parts.producers.prepare(producer!, batch.baseOffset, 'coordinator')
      part.sealed += batch.recordCount
    }
    this.#enqueue(batch)
  }

  /** Writes when much has gathered: a loop that never lets the event loop turn would otherwise only fill memory. */
  #relieve(): void {
    if (this.#queuedBytes >= WRITE_BYTES && this.#busy === undefined) this.#start()
  }

  #enqueue(batch: TailBatch): void {
    this.#parts.tail.push(batch)
    this.#queue.push(batch)
    this.#queuedBytes += batch.size
    this.#parts.env.buffer.take(batch.size)
  }

  /** Starts a round unless one runs, which then takes the new appends too. */
  #start(): void {
    this.#schedule.cancel()
    if (this.#busy !== undefined || this.#state !== 'open') return
    if (this.#synchronous || !this.#lockConfirmed) {
      this.#occupy(this.#runRounds())
    } else this.#writeAll()
  }

  get #pending(): boolean {
    return this.#state === 'open' && (this.#queue.length > 0 || this.#builder.count > 0)
  }

  /** Rounds without a sync: write, acknowledge, on the spot. */
  #writeAll(): void {
    this.#schedule.idle()
    this.#seal()
    while (this.#queue.length > 0) {
      const end = this.#write()
      if (end === undefined || !this.#acknowledge(end)) return
    }
  }

  async #runRounds(): Promise<void> {
    do {
      this.#schedule.running()
      if (!this.#ready && !(await this.#awaitMark())) break
      this.#seal()
      const started = this.#parts.env.clock.monotonic()
      // Also before the write: whoever took the lock while this process stood still has written to the same place.
      if (!this.#lockConfirmed && !(await this.#confirmLock())) break
      const end = this.#write()
      if (end === undefined) continue
      const bytes = this.#writtenBytes
      if (this.#synchronous && !(await this.#sync())) break
      if (!this.#lockConfirmed && !(await this.#confirmLock())) break
      if (!this.#acknowledge(end)) break
      this.#parts.env.emit?.({ type: 'round', ...this.#where, bytes, ms: this.#parts.env.clock.monotonic() - started })
      // Whoever was resolved goes on before the next round begins, so that it carries what they append.
      for (let hop = 0; hop < 8; hop++) await undefined
    } while (this.#pending)
    this.#schedule.idle()
  }

  /**
   * Writes queued batches up to the end of the active segment, rolling first when the next one does not fit, and gives the offset
   * behind the last one written. Undefined when there was nothing, or the write failed and everything that depends on it was told.
   */
  #write(): number | undefined {
    let end: number | undefined
    let bytes = 0
    try {
      while (this.#queue.length > 0 && bytes < ROUND_BYTES) {
        const next = this.#queue[0]!
        if (this.#parts.segments.active.rollReason(next) !== undefined) {
          if (end !== undefined) break
          this.#roll()
        }
        bytes += this.#writeRun(this.#parts.segments.active)
        end = this.#parts.segments.active.nextOffset
      }
    } catch (error) {
      this.#writeFailed(error)
      if (this.#state !== 'open') return undefined
    }
    this.#parts.env.room.wrote(bytes)
    return end
  }

  /** Writes the first queued batches that lie side by side in memory and fit the segment, and gives their bytes. */
  #writeRun(segment: Segment): number {
    const first = this.#queue[0]!
    let end = first.at + first.size
    let count = 1
    for (; count < this.#queue.length; count++) {
      const next = this.#queue[count]!
      if (next.buffer !== first.buffer || next.at !== end || end - first.at >= WRITE_BYTES) break
      if (segment.rollReason(next, { bytes: end - first.at, firstTimestamp: first.maxTimestamp }) !== undefined) break
      end += next.size
    }
    const bytes = end - first.at
    if (this.#synchronous) this.#ahead.makeFor(segment, bytes)
    segment.write(first.buffer, first.at, end)
    const watcher = this.#parts.watcher()
    for (const batch of this.#queue.splice(0, count)) {
      batch.position = segment.size
      segment.added(batch)
      watcher?.written(batch, segment.baseOffset)
    }
    this.#queuedBytes -= bytes
    this.#writtenBytes += bytes
    if (this.#writesIndexes(segment)) segment.flushIndexes()
    return bytes
  }

  #writesIndexes(segment: Segment): boolean {
    const pending = segment.pendingIndexBytes
    return pending >= PENDING_INDEX_BYTES || (pending > 0 && this.#synchronous && segment.unindexedBytes >= UNINDEXED_BYTES)
  }

  /** Seals the active segment and starts the next one exactly where it ends: recovery knows by that whether an end is missing. */
  #roll(): void {
    const { env, config, folder, segments, producers } = this.#parts
    const sealed = segments.active
    const baseOffset = sealed.nextOffset
    sealed.seal()
    producers.expire(env.clock.now(), config.producerIdExpirationMs)
    if (producers.used) this.#parts.snapshot(baseOffset)
    segments.add(Segment.create(env, config, folder, baseOffset))
    if (env.files.durable) this.#sealed.add(sealed)
    else sealed.release()
    if (!this.#synchronous) this.#syncSealed()
    env.emit?.({ type: 'roll', ...this.#where, baseOffset })
  }

  /** Syncs what was written, with the sealed segments and the folder entries that it stands on. False when the partition was fenced. */
  async #sync(): Promise<boolean> {
    const { env, segments, folder } = this.#parts
    const { active } = segments
    const { size, nextOffset } = active
    const sealed = this.#sealed.all
    const started = env.clock.monotonic()
    try {
      if (sealed.length === 0 && active.entrySynced) await env.syncs.run(() => active.handle.sync())
      else {
        const jobs = [...this.#sealed.syncs(), env.syncs.run(() => active.handle.sync())]
        if (!active.entrySynced) jobs.push(env.syncs.run(() => env.files.syncFolder(folder)))
        await allDone(jobs)
      }
    } catch (error) {
      this.#fence('sync', error)
      return false
    }
    active.entrySynced = true
    this.#sealed.stored(sealed)
    this.#moveSynced(active.baseOffset, size, nextOffset)
    env.emit?.({ type: 'sync', ...this.#where, ms: env.clock.monotonic() - started })
    return true
  }

  #moveSynced(baseOffset: number, position: number, nextOffset: number): void {
    this.#syncedBase = baseOffset
    this.#syncedPosition = position
    this.#synced = nextOffset
  }

  /** Syncs sealed segments behind the back of relaxed appends. */
  #syncSealed(): void {
    this.#sealed.begin()
    if (this.#backgroundSync !== undefined || this.#sealed.all.length === 0) return
    this.#backgroundSync = this.#syncSealedOnes().finally(() => { this.#backgroundSync = undefined })
  }

  async #syncSealedOnes(): Promise<void> {
    while (this.#sealed.all.length > 0 && this.#state === 'open') {
      try {
        const next = this.#parts.segments.after(await this.#sealed.syncOldest())!
        this.#moveSynced(next.baseOffset, 0, next.baseOffset)
        this.#publishSoon()
      } catch (error) {
        this.#fence('sync', error)
      }
    }
    await this.#sealed.settle()        // fenced: nobody goes on while they use the files
  }

  /** Syncs everything written, for `flush` and for durability 'interval'. */
  async #syncNow(): Promise<void> {
    await this.#exclusively(async () => {
      await this.#backgroundSync
      if (this.#state !== 'open') throw this.#fenceCause ?? this.#closedError()
      if (!(await this.#sync())) throw this.#fenceCause!
      this.#publishOrFence(false)
    })
  }

  /** Whether the lock, if there is one, is certainly ours at this moment. */
  get #lockConfirmed(): boolean {
    const { lock } = this.#parts.env
    return lock === undefined || lock.confirmed
  }

  /** A partition that waits for the disk is open before its log may be written to: see `settleEnd` in open-partition.ts. */
  async #awaitMark(): Promise<boolean> {
    const { mark } = this.#parts.env
    try {
      // What failed when the log was opened is made up for, since nothing has been written since.
      await mark.restore()
      await mark.ready()
      this.#ready = true
    } catch (error) {
      this.#fence('mark', error)
    }
    return this.#ready
  }

  /** Before anything is written, and again before it is acknowledged, the lock must certainly be ours. */
  async #confirmLock(): Promise<boolean> {
    const { lock } = this.#parts.env
    try {
      if (lock === undefined || lock.confirmed || (await lock.confirm())) return true
      this.#fence('lock', new LogError('LOG_LOCK_LOST', `another process took the lock of the folder of ${this.#name}`))
    } catch (error) {
      this.#fence('lock', error)       // whose it is cannot be told now; a reopen asks again
    }
    return false
  }

  /** Everything below `end` is stored as its durability asks: the mark, the watermark, the promises. False when that failed. */
  #acknowledge(end: number): boolean {
    const { env, producers, segments, tail, progressed } = this.#parts
    const before = this.#acknowledged
    try {
      for (const transaction of producers.commit(end)) {
        if (!transaction.aborted) continue
        segments.active.txnIndex.append(transaction)
        this.#parts.aborted()
      }
      segments.active.flushTxnIndex()
      this.#acknowledged = end
      if (this.#synchronous) this.#publish(false)
      else this.#publishSoon()
    } catch (error) {
      this.#acknowledged = before
      this.#fence('mark', error)
      return false
    }
    producers.onHighWatermark(end)
    env.buffer.give(this.#writtenBytes)
    this.#writtenBytes = 0
    this.#parts.watcher()?.acknowledged(end)
    tail.trim(end)
    this.#waiters.acknowledge(end)
    progressed()
    if (this.#parts.config.durability === 'interval' && env.files.durable) this.#armInterval()
    return true
  }

  #armInterval(): void {
    const { env, config } = this.#parts
    this.#interval ??= env.clock.setTimer(() => {
      this.#interval = undefined
      // A failure fences the partition, which tells everybody who appends.
      if (this.#state === 'open') this.#syncNow().catch(() => {})
    }, config.flushIntervalMs, { ref: false })
  }

  #publish(closed: boolean): void {
    this.#parts.slot.write({
      epoch: this.#epoch, baseOffset: this.#syncedBase, position: this.#syncedPosition, syncedOffset: this.#synced,
      watermark: this.#acknowledged, closed, producers: this.#parts.producers.used, generation: this.#generation,
    })
  }

  #publishOrFence(closed: boolean): void {
    try {
      this.#publish(closed)
    } catch (error) {
      this.#fence('mark', error)
      throw this.#fenceCause!
    }
  }

  /** Publishes once the event loop turns: with relaxed durability nobody's promise depends on it. */
  #publishSoon(): void {
    if (this.#publishing) return
    this.#publishing = true
    this.#parts.env.clock.defer(() => {
      this.#publishing = false
      // While the log is cut the mark says less than was acknowledged, and must go on saying so.
      if (this.#state !== 'open' || this.#cutting) return
      try {
        this.#publish(false)
      } catch (error) {
        this.#fence('mark', error)
      }
    })
  }

  /** Seals the last segment and says in the mark that nothing is to be recovered. */
  async #closeSegment(): Promise<void> {
    const { env, segments, producers, snapshot, folder } = this.#parts
    await this.#backgroundSync
    const { active } = segments
    active.seal()
    active.flushTxnIndex()
    if (producers.used) snapshot(this.#acknowledged)
    if (env.files.durable) {
      if (!(await this.#sync())) throw this.#fenceCause!
      await active.syncIndexes()
      await env.files.syncFolder(folder)
    } else this.#moveSynced(active.baseOffset, active.size, this.#acknowledged)
    if (!(await this.#confirmLock())) throw this.#fenceCause!
    this.#publishOrFence(true)
  }

  #waitForDisk(synchronous: boolean): void {
    this.#synchronous = synchronous
    this.#schedule.yieldIf(!synchronous)
  }

  #writeFailed(error: unknown): void {
    const code = systemCode(error)
    if (code !== 'ENOSPC' && code !== 'EDQUOT') return this.#fence('write', error)
    try {
      // Back to the batch boundary: what is behind it never happened, nor did a roll that had begun.
      const { active } = this.#parts.segments
      active.cutToSize()
      active.growing = true
    } catch (second) {
      return this.#fence('truncate', second)
    }
    this.#parts.env.room.noteFull()
    const from = this.#parts.segments.active.nextOffset
    this.#parts.env.emit?.({ type: 'disk-full', ...this.#where, from, end: this.#nextOffset, cause: error })
    this.#drop(from, diskFull('the disk is full', error))
  }

  #fence(during: 'write' | 'sync' | 'truncate' | 'mark' | 'lock' | 'compaction', cause: unknown): void {
    if (this.#state !== 'open') return
    this.#state = 'fenced'
    const reason = cause instanceof Error ? cause.message : String(cause)
    const message = `${this.#name} takes no appends since a ${during} failed: ${reason}`
    this.#fenceCause = new LogError('LOG_FENCED', message, { during, ...this.#where }, cause)
    this.#parts.env.emit?.({ type: 'fenced', ...this.#where, from: this.#acknowledged, end: this.#nextOffset, cause })
    this.#drop(this.#acknowledged, this.#fenceCause)
    this.#loss = undefined
    this.#parts.progressed()
  }

  /** Everything from `offset` on is lost: in memory, for producers, and for who waits; or else for the next who asks. */
  #drop(offset: number, error: LogError): void {
    const { tail, producers, env } = this.#parts
    // A transaction is told when it is committed; nobody else is told of its records.
    const lastPlain = this.#builder.count > 0 && this.#part === undefined ? this.#nextOffset - 1 : tail.lastPlainOffset(offset)
    const unwaited = this.#waiters.lastOffset < lastPlain
    this.#loseTransactions(offset, error)
    tail.truncateTo(offset)
    producers.rollback(offset)
    this.#parts.watcher()?.lost(offset)
    this.#builder.discard()
    env.buffer.give(this.#queuedBytes + (offset <= this.#acknowledged ? this.#writtenBytes : 0))
    if (offset <= this.#acknowledged) this.#writtenBytes = 0
    this.#queue = []
    this.#queuedBytes = 0
    const end = this.#nextOffset
    this.#lost.add(offset, end, error)
    if (unwaited && offset < end) {
      const message = `records ${offset}..${end - 1} of ${this.#name} were not stored: ${error.message}`
      this.#loss = new LogError('LOG_APPEND_LOST', message, { from: offset, end, ...this.#where }, error)
    }
    this.#waiters.fail(offset, error)
  }

  /** A transaction has ended, perhaps one of a client, of which nothing is known here. */
  #forgetPart(producerId: bigint): void {
    if (this.#open.has(producerId)) this.#open.set(producerId, undefined)
  }

  /** Transactions with records at or past `offset` have lost some. */
  #loseTransactions(offset: number, error: LogError): void {
    for (const part of this.#open.values()) if (part !== undefined && part.lastOffset >= offset) part.lost ??= error
  }

  get #where(): { topic: string; partition: number } {
    return { topic: this.#parts.topic, partition: this.#parts.partition }
  }

  #closedError(): LogError {
    return this.#closedBecause ?? new LogError('LOG_CLOSED', `${this.#name} is closed`)
  }

  async #exclusively<T>(work: () => Promise<T>): Promise<T> {
    while (this.#busy !== undefined) await this.#busy
    if (this.#state !== 'open') throw this.#fenceCause ?? this.#closedError()
    const running = this.#confirmed(work)
    this.#occupy(running)
    return running
  }

  async #confirmed<T>(work: () => Promise<T>): Promise<T> {
    if (!this.#ready && !(await this.#awaitMark())) throw this.#fenceCause!
    if (!(await this.#confirmLock())) throw this.#fenceCause!
    return work()
  }

  /** Nothing else writes while `running` runs; what gathered meanwhile goes after it. */
  #occupy(running: Promise<unknown>): void {
    const done = (): void => {
      this.#busy = undefined
      if (this.#pending) this.#start()
    }
    this.#busy = running.then(done, done)
  }
}

/** What the header of the next batch of a transaction says of its producer. */
class PartHeader implements ProducerBatch {
  readonly producerId: bigint
  readonly producerEpoch: number
  readonly baseSequence: number
  lastOffsetDelta = 0
  maxTimestamp = -1
  readonly transactional = true
  readonly control = false

  constructor({ producerId, producerEpoch, sealed }: TransactionPart) {
    this.producerId = producerId
    this.producerEpoch = producerEpoch
    this.baseSequence = sealed
  }
}

function compressionOf({ compressionType }: LogConfig): CompressionName {
  return compressionType === 'producer' || compressionType === 'uncompressed' ? 'none' : compressionType
}
