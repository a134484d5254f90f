/*
 * The append path of one partition: records → open batch → sealed batches → rounds → acknowledged.
 *
 * This file takes what is appended, gives it offsets, seals batches, and tells everybody what becomes of them. How batches get to disk is the
 * business of rounds.ts, how far the log goes that of watermarks.ts, and whether appends are taken that of standing.ts. Memory moves only
 * after a write succeeded, and what readers may see only after the acknowledgement.
 *
 *     #nextOffset     the offset of the next record: provisional until acknowledged
 *     a batch queued  sealed, not yet written
 *     segment.size    written
 *     acknowledged    may be seen: synced with durability 'sync', else written
 *     synced          survives a power cut
 *
 * A full disk rejects what was not stored and goes on; any other failed write or sync fences the partition.
 */
import { LogError } from '../base/errors.ts'
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
import { Losses } from './losses.ts'
import { type MarkSlot } from './mark.ts'
import { OpenParts, PartHeader } from './open-parts.ts'
import { type AppendOrigin } from './producer-rules.ts'
import { type RecordGroup } from './record-group.ts'
import { type RecordCodecs, type RecordInput } from './record-input.ts'
import { type RoundParts, Rounds } from './rounds.ts'
import { type RoundSchedule } from './round-schedule.ts'
import { Standing, type WriterState } from './standing.ts'
import { type Tail, type TailBatch } from './tail.ts'
import { type TransactionEnd, type TransactionPart } from './transaction-part.ts'
import { Waiters } from './waiters.ts'
import { type LogPlace, Watermarks } from './watermarks.ts'

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
export interface WriterParts extends RoundParts {
  readonly topic: string
  readonly partition: number
  readonly slot: MarkSlot
  readonly tail: Tail
  /** Called when the first transaction of this log was aborted. */
  readonly aborted: () => void
  /** Called after the acknowledged offset moved, or the state changed. */
  readonly progressed: () => void
}

/** The append path of one partition. */
export class Writer {
  readonly #parts: WriterParts
  readonly #standing: Standing
  readonly #watermarks: Watermarks
  readonly #rounds: Rounds
  readonly #schedule: RoundSchedule
  readonly #builder: BatchBuilder
  readonly #waiters = new Waiters()
  readonly #losses = new Losses()
  readonly #transactions = new OpenParts()
  /** Whose the open batch is; undefined for records outside transactions. */
  #part: TransactionPart | undefined
  #nextOffset: number
  #now = 0
  #lingerMs: number
  /** Records without a key are refused. */
  #keyed: boolean
  /** Records may not bring any timestamp. */
  #bounded: boolean
  #appendTime: boolean
  #compression: CompressionName

  constructor(parts: WriterParts, start: { readonly epoch: number; readonly nextOffset: number }) {
    const { config, env, segments } = parts
    this.#parts = parts
    this.#nextOffset = start.nextOffset
    this.#builder = new BatchBuilder(env.windows, Math.min(config.batchSize, config.maxMessageBytes))
    this.#standing = new Standing(parts, (error) => this.#fenced(error))
    this.#watermarks = new Watermarks(parts, this.#standing, start, segments.active)
    this.#rounds = new Rounds(parts, this.#standing, this.#watermarks, {
      isBatchOpen: () => this.#builder.count > 0,
      seal: () => this.#seal(),
      stored: (end) => this.#acknowledge(end),
      full: (cause) => this.#refusedByDisk(cause),
    })
    this.#schedule = this.#rounds.schedule
    this.#lingerMs = config.lingerMs
    this.#keyed = config.cleanupPolicy !== 'delete'
    this.#bounded = timestampBounds(config, 0) !== undefined
    this.#appendTime = config.messageTimestampType === 'LogAppendTime'
    this.#compression = compressionOf(config)
  }

  /** The settings changed: they are those of the object that the writer was made with. Resolves when they hold for what is appended. */
  async reconfigure(): Promise<void> {
    const { config } = this.#parts
    this.#builder.limitTo(Math.min(config.batchSize, config.maxMessageBytes))
    this.#lingerMs = config.lingerMs
    this.#keyed = config.cleanupPolicy !== 'delete'
    this.#bounded = timestampBounds(config, 0) !== undefined
    this.#appendTime = config.messageTimestampType === 'LogAppendTime'
    this.#compression = compressionOf(config)
    const synchronous = this.#rounds.asksForSync
    if (synchronous === this.#rounds.synchronous) return
    if (this.#standing.state !== 'open') return this.#rounds.waitForDisk(synchronous)
    await this.exclusively(async () => {
      // With relaxed durability the mark must not say any more that the log was closed; see beginAfterClose in open-partition.ts.
      await this.settleMark()
      this.#rounds.waitForDisk(synchronous)
    })
  }

  get state(): WriterState {
    return this.#standing.state
  }

  get epoch(): number {
    return this.#watermarks.epoch
  }

  get nextOffset(): number {
    return this.#nextOffset
  }

  get acknowledged(): number {
    return this.#watermarks.acknowledged
  }

  /** See `MarkState.generation`. */
  get generation(): number {
    return this.#watermarks.generation
  }

  /** Where certainty ends: every byte before it is synced. */
  get certain(): LogPlace {
    return this.#watermarks.certain
  }

  /** Adds a record to the open batch and gives its offset, which is provisional until it is acknowledged. A full batch does not linger. */
  append<K, V>(codecs: RecordCodecs<K, V>, record: RecordInput<K, V>, lingerMs = this.#lingerMs, part?: TransactionPart): number {
    if (this.#standing.state !== 'open' || (this.#losses.untold !== undefined && part === undefined)) this.#refuse()
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
    if (full) this.#rounds.relieve()       // now that the record counts: should the write fail, it is among those that are lost
    return offset
  }

  /** Adds records that lie in one batch, and gives the offset of the first. When it throws, none was added. */
  appendGroup<K, V>(codecs: RecordCodecs<K, V>, group: RecordGroup<K, V>): number {
    if (this.#standing.state !== 'open' || this.#losses.untold !== undefined) this.#refuse()
    if (this.#part !== undefined) this.#changePart(undefined)
    const builder = this.#builder
    if (builder.count === 0) this.#beginBatch()
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
    if (full) this.#rounds.relieve()       // as in `append`
    return offset
  }

  /**
   * Appends a ready batch as it came: checked once, its base offset and leader epoch rewritten; one of a client made anew where the topic
   * asks for that. What is open is sealed first, since a batch belongs to one producer.
   */
  appendBatch(bytes: Uint8Array, origin: AppendOrigin): AppendedBatch {
    if (this.#standing.state !== 'open' || (this.#losses.untold !== undefined && origin !== 'coordinator')) this.#refuse()
    const { env, producers, config } = this.#parts
    // What the log says to itself is little, and frees what waits: it may go over the limits.
    if (env.buffer.full && origin !== 'coordinator') throw bufferFull(env.buffer.limit)
    if (origin === 'client' && env.room.short) throw diskFull('less room than minFreeBytes is left on the disk')
    const given = checkReadyBatch(bytes, origin, this.#parts)
    const bounds = this.#bounded ? this.#bounds : undefined
    const { bytes: ready, header, maxTimestamp: createTime, retimed } = origin === 'client'
      ? takeClientBatch(bytes, given, { ...this.#standing.where, config, bounds })
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
    assignOffsets(buffer, at, baseOffset, this.#watermarks.epoch)
    if (this.#appendTime) assignAppendTime(buffer, at, maxTimestamp)
    else if (retimed) assignCreateTime(buffer, at, maxTimestamp)
    const lastOffset = baseOffset + header.lastOffsetDelta
    this.#enqueue({
      window, buffer, at, size: ready.length, baseOffset, lastOffset, maxTimestamp, recordCount: header.recordCount,
      ofTransaction: false, position: -1,
    })
    this.#nextOffset = lastOffset + 1
    if (this.#schedule.dueMs > 0) this.#schedule.within(0)     // whoever made the batch has waited for company
    this.#rounds.relieve()
    return { baseOffset, lastOffset, duplicate: false, timestamp: maxTimestamp }
  }

  /**
   * Ends the transaction of a producer by a marker behind its records, and gives the marker's offset. −1: it has none open, so there is
   * nothing to end, and nobody to fence.
   */
  endTransaction(marker: TransactionEnd): number {
    this.sealOpen()
    if (this.#standing.state === 'open' && !this.#isToMark(marker)) {
      this.#transactions.forget(marker.producerId)
      return -1
    }
    if (this.#standing.state !== 'open') this.#refuse()
    const { clock } = this.#parts.env
    const offset = this.#nextOffset
    const timestamp = clock.now()
    const { producerId, producerEpoch, coordinatorEpoch, type } = marker
    const batch = { producerId, producerEpoch, baseSequence: -1, lastOffsetDelta: 0, transactional: true, control: true, maxTimestamp: timestamp }
    this.#parts.producers.prepare(batch, offset, 'coordinator', marker)
    const { window, buffer, at } = this.#builder.takePlace(END_TRANSACTION_MARKER_SIZE)
    const leaderEpoch = this.#watermarks.epoch
    writeEndTransactionMarker(buffer, at, { offset, leaderEpoch, timestamp, producerId, producerEpoch, coordinatorEpoch, type })
    if (this.#appendTime) assignAppendTime(buffer, at, timestamp)
    this.#enqueue({
      window, buffer, at, size: END_TRANSACTION_MARKER_SIZE, baseOffset: offset, lastOffset: offset, maxTimestamp: timestamp, recordCount: 1,
      ofTransaction: true, position: -1,
    })
    this.#nextOffset = offset + 1
    this.#transactions.forget(producerId)
    if (this.#schedule.dueMs > 0) this.#schedule.within(0)
    this.#rounds.relieve()
    return offset
  }

  #isToMark({ producerId, producerEpoch, fences }: TransactionEnd): boolean {
    const { producers } = this.#parts
    return producers.isOpen(producerId) || (fences === true && (producers.producer(producerId)?.epoch ?? -1) < producerEpoch)
  }

  /** Writes what was appended, unless that waits for the disk. Whether `offset` is acknowledged then. */
  writeNow(offset: number): boolean {
    if (offset >= this.#watermarks.acknowledged && !this.#rounds.synchronous) this.#rounds.start()
    return offset < this.#watermarks.acknowledged
  }

  /** Resolves when `offset` is acknowledged; rejects when it is lost. */
  durable(offset: number): Promise<void> {
    const lost = this.#losses.find(offset)
    if (lost !== undefined) return Promise.reject(lost)
    if (offset < this.#watermarks.acknowledged) return Promise.resolve()
    const untold = this.#losses.take()
    if (untold !== undefined) return Promise.reject(untold)
    if (offset >= this.#nextOffset) return Promise.reject(new RangeError(`offset ${offset} was not appended: the next one is ${this.#nextOffset}`))
    if (this.#standing.state === 'fenced') return Promise.reject(this.#standing.refusal)
    const open = this.#nextOffset - this.#builder.count
    return this.#waiters.wait(offset, offset >= open ? open : this.#parts.tail.find(offset)!.baseOffset)
  }

  /** Resolves when everything appended so far is synced, whatever the durability. */
  async flush(): Promise<void> {
    this.#losses.tell()
    // What is under way ends with the last record appended: a failure takes everything under way with it, and may come at once.
    const stored = this.#rounds.unsettled ? this.durable(this.#nextOffset - 1) : undefined
    this.#rounds.start()
    await stored
    this.#standing.check()
    if (this.#rounds.isBehind) await this.#rounds.syncNow()
  }

  /** What lingers is written now. */
  hurry(): void {
    if (this.#schedule.lingers) this.#rounds.start()
  }

  /** Starts a new segment, if the active one holds anything. */
  async roll(): Promise<void> {
    await this.flush()
    await this.#rounds.exclusively(() => this.#rounds.roll())
  }

  /** Runs `work` while no round runs and none starts; everything acknowledged is synced then. */
  async exclusively<T>(work: () => Promise<T>): Promise<T> {
    await this.flush()
    return this.#rounds.exclusively(async () => {
      // With relaxed durability more may have been acknowledged since the flush.
      await this.#rounds.settleSyncs()
      this.#watermarks.cutting = true
      try {
        return await work()
      } finally {
        this.#watermarks.cutting = false
      }
    })
  }

  /** Within `exclusively`: the mark speaks of no segment but the active one. Durable when it resolves. */
  async settleMark(): Promise<void> {
    const { env, segments: { active } } = this.#parts
    if (!env.files.durable) this.#watermarks.moveSynced(active.baseOffset, active.size, this.#watermarks.acknowledged)
    this.#watermarks.publish()
    await env.mark.sync()
  }

  /**
   * Begins a new epoch with the next record, without a cut: another broker leads from now on, to those who are shown several. Gives the offset that
   * it begins at.
   */
  beginEpoch(epoch: number): number {
    this.#standing.check()
    this.#seal()
    this.#watermarks.epoch = epoch
    this.#watermarks.publishSoon()
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
    if (producers.used) snapshot(this.#watermarks.acknowledged)
    this.#watermarks.moveSynced(active.baseOffset, active.size, this.#watermarks.acknowledged)
    this.#watermarks.publish(true)
  }

  /** Within `exclusively`: readers in other processes are told that sealed segments go, or are replaced, or that the start moved. */
  announce(): void {
    this.#watermarks.nextGeneration()
    this.#watermarks.publish()
  }

  /** Within `exclusively`: a change of sealed segments failed on its way, and only a reopen can tell or finish it. */
  changeFailed(cause: unknown): void {
    this.#standing.fence('compaction', cause)
  }

  /** Waits until nothing of this writer is under way. */
  async settle(): Promise<void> {
    await this.#rounds.settle()
  }

  /** Makes what is in the open batch visible to its writer (`upTo: 'appended'`). */
  sealOpen(): void {
    if (this.#standing.state === 'open') this.#seal()
  }

  /** A cut to `end` failed on its way: the partition is fenced, and nothing at or past that place is vouched for. */
  abandon(end: LogPlace, cause: unknown): void {
    this.#watermarks.acknowledged = end.offset
    this.#watermarks.moveSynced(end.baseOffset, end.position, end.offset)
    this.#parts.tail.truncateTo(end.offset)
    this.#standing.fence('truncate', cause)
  }

  /** After the log was cut: continues at `nextOffset` in a new epoch. */
  restart(start: { readonly epoch: number; readonly nextOffset: number; readonly acknowledged: number }): void {
    const { name, where } = this.#standing
    const { active } = this.#parts.segments
    const waiting = this.#rounds.firstQueued?.baseOffset ?? this.#nextOffset - this.#builder.count
    if (this.#standing.state === 'open' && waiting < this.#nextOffset) {
      // Appended while the log was cut, behind records that are gone now.
      this.#drop(waiting, new LogError('LOG_APPEND_LOST', `${name} was cut to offset ${start.acknowledged} meanwhile`, where))
    }
    this.#transactions.lose(start.acknowledged, new LogError('LOG_APPEND_LOST', `${name} was cut to offset ${start.acknowledged}`, where))
    this.#losses.truncateTo(start.nextOffset)
    this.#parts.watcher()?.cut(start.acknowledged)
    this.#nextOffset = start.nextOffset
    this.#watermarks.epoch = start.epoch
    this.#watermarks.acknowledged = start.acknowledged
    this.#watermarks.moveSynced(active.baseOffset, active.size, start.acknowledged)
    this.#standing.reopen()
    this.#rounds.restart()
    // Readers elsewhere are told at once that a new epoch began.
    this.#watermarks.publish()
    this.#parts.progressed()
  }

  /**
   * Ends the append path: everything appended is synced, the segment sealed, the mark says so. Throws what could not be stored.
   *
   * @param reason  what later calls get; default LOG_CLOSED
   */
  async close(reason?: LogError): Promise<void> {
    if (this.#standing.state === 'closed') return
    this.#standing.closing(reason)
    let failure: unknown = this.#losses.take()
    if (this.#standing.state === 'open') {
      try {
        await this.flush()
        await this.#rounds.exclusively(async () => {
          await this.#rounds.closeSegment()
          // Whoever waited to roll or to cut comes too late: the mark vouches for what is there.
          this.#standing.state = 'closed'
        })
      } catch (error) {
        failure = error
      }
    }
    await this.#rounds.settle()
    // Fenced, before or while it waited: whoever closes is told of what was acknowledged and is not certain to stay.
    if (this.#standing.state === 'fenced' && this.#rounds.isUnsynced) failure ??= this.#standing.refusal
    this.#standing.state = 'closed'
    this.#rounds.end()
    this.#drop(this.#watermarks.acknowledged, this.#standing.closedError)
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

  #refuse(): never {
    this.#losses.tell()
    throw this.#standing.state === 'closed' ? this.#standing.closedError : this.#standing.refusal
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
        const time = timestamp === undefined ? this.#parts.env.clock.now() : this.#checkTime(timestamp)
        builder.add(codecs, key, value, headers, time)
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
      this.#transactions.add(part)
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
      baseOffset: end - this.#builder.count, leaderEpoch: this.#watermarks.epoch, compression: this.#compression,
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
  #enqueue(batch: TailBatch): void {
    this.#parts.tail.push(batch)
    this.#rounds.enqueue(batch)
  }

  /** Everything below `end` is stored as its durability asks: the mark, the watermark, the promises. False when that failed. */
  #acknowledge(end: number): boolean {
    const { producers, segments, tail, progressed } = this.#parts
    const watermarks = this.#watermarks
    const before = watermarks.acknowledged
    try {
      for (const transaction of producers.commit(end)) {
        if (!transaction.aborted) continue
        segments.active.txnIndex.append(transaction)
        this.#parts.aborted()
      }
      segments.active.flushTxnIndex()
      watermarks.acknowledged = end
      if (this.#rounds.synchronous) watermarks.write(false)
      else watermarks.publishSoon()
    } catch (error) {
      watermarks.acknowledged = before
      this.#standing.fence('mark', error)
      return false
    }
    producers.onHighWatermark(end)
    this.#rounds.giveWritten()
    this.#parts.watcher()?.acknowledged(end)
    tail.trim(end)
    this.#waiters.acknowledge(end)
    progressed()
    return true
  }

  #fenced(error: LogError): void {
    const { acknowledged } = this.#watermarks
    this.#parts.env.emit?.({ type: 'fenced', ...this.#standing.where, from: acknowledged, end: this.#nextOffset, cause: error.cause })
    this.#drop(acknowledged, error)
    this.#losses.take()
    this.#parts.progressed()
  }

  #refusedByDisk(cause: unknown): void {
    const from = this.#parts.segments.active.nextOffset
    this.#parts.env.emit?.({ type: 'disk-full', ...this.#standing.where, from, end: this.#nextOffset, cause })
    this.#drop(from, diskFull('the disk is full', cause))
  }

  /** Everything from `offset` on is lost: in memory, for producers, and for who waits; or else for the next who asks. */
  #drop(offset: number, error: LogError): void {
    const { tail, producers } = this.#parts
    // A transaction is told when it is committed; nobody else is told of its records.
    const lastPlain = this.#builder.count > 0 && this.#part === undefined ? this.#nextOffset - 1 : tail.lastPlainOffset(offset)
    const unwaited = this.#waiters.lastOffset < lastPlain
    this.#transactions.lose(offset, error)
    tail.truncateTo(offset)
    producers.rollback(offset)
    this.#parts.watcher()?.lost(offset)
    this.#builder.discard()
    this.#rounds.drop(offset <= this.#watermarks.acknowledged)
    const end = this.#nextOffset
    this.#losses.add(offset, end, error)
    if (unwaited && offset < end) {
      const { name, where } = this.#standing
      const message = `records ${offset}..${end - 1} of ${name} were not stored: ${error.message}`
      this.#losses.untold = new LogError('LOG_APPEND_LOST', message, { from: offset, end, ...where }, error)
    }
    this.#waiters.fail(offset, error)
  }
}

function compressionOf({ compressionType }: LogConfig): CompressionName {
  return compressionType === 'producer' || compressionType === 'uncompressed' ? 'none' : compressionType
}
