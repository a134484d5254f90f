/*
 * What one partition knows of its idempotent and transactional producers: whose batch may come next, which batch came already, which
 * transactions are open. From that follows the last stable offset, up to which read-committed readers may see.
 *
 * Batches are acknowledged in rounds, so there are two states: the committed one, and the batches behind it that were appended and may
 * still fail. A batch is checked against both; `commit` moves it from one to the other, `rollback` takes it back.
 *
 * In memory only; the file is format/producer-snapshot.ts. Rules as in Kafka's ProducerStateManager, docs/format.md#producer-state.
 */
import { assert } from '../base/assert.ts'
import { LogError, type LogErrorCode } from '../base/errors.ts'
import { type EndTransactionMarker } from '../format/control.ts'
import { type ProducerSnapshotEntry } from '../format/producer-snapshot.ts'

/** Batches per producer that are remembered, so that a batch sent again is known: as many as an idempotent producer has in flight. */
export const RETAINED_BATCHES = 5

/** Sequences count from 0 to here and go on with 0. */
export const MAX_SEQUENCE = 0x7fff_ffff

/** Who appends. A client is checked fully, a coordinator but for sequences; what a log already holds (`replication`) is never refused. */
export type AppendOrigin = 'client' | 'coordinator' | 'replication'

/** What producer state needs to know of a batch; a batch header has it all. */
export interface ProducerBatch {
  /** Below 0: no producer id, and nothing to check. */
  readonly producerId: bigint
  readonly producerEpoch: number
  readonly baseSequence: number
  readonly lastOffsetDelta: number
  readonly transactional: boolean
  readonly control: boolean
  readonly maxTimestamp: number
}

/**
 * What came of a check: the batch may be written, and what it will change then (undefined: nothing); or it was written before, and where.
 */
export type CheckedBatch =
  | { readonly kind: 'append'; readonly update: ProducerUpdate | undefined }
  | { readonly kind: 'duplicate'; readonly baseOffset: number; readonly lastOffset: number; readonly timestamp: number }

/** A transaction that a marker ended. If `aborted`, these are the fields of its entry in the transaction index. */
export interface CompletedTransaction {
  readonly producerId: bigint
  readonly firstOffset: number
  /** Offset of the marker. */
  readonly lastOffset: number
  readonly aborted: boolean
  /** Where the earliest transaction of another producer that was open beside it begins, or else one past the marker. */
  readonly lastStableOffset: number
}

/** A batch that a producer may send again. */
export interface RetainedBatch {
  readonly lastSequence: number
  readonly lastOffset: number
  readonly offsetDelta: number
  readonly timestamp: number
}

/** One producer. Never changed: each batch makes a new one. −1 stands for "none". */
export interface ProducerEntry {
  readonly producerId: bigint
  readonly epoch: number
  readonly coordinatorEpoch: number
  readonly lastTimestamp: number
  readonly currentTxnFirstOffset: number
  /** Oldest first, at most {@link RETAINED_BATCHES}. */
  readonly batches: readonly RetainedBatch[]
}

/** What a batch changes once it is stored. */
export interface ProducerUpdate {
  readonly entry: ProducerEntry
  readonly lastOffset: number
  /** The transaction that it ends. */
  readonly completed: { readonly firstOffset: number; readonly aborted: boolean } | undefined
}

/** The place of one producer: it is looked up once a batch, since numbers as large as producer ids are slow keys. */
interface Place {
  /** As its committed batches left it; undefined before the first of them. */
  committed: ProducerEntry | undefined
  /** As its last pending batch will leave it. */
  pending: ProducerEntry | undefined
}

interface PendingBatch {
  readonly update: ProducerUpdate
  readonly place: Place
}

/** A transaction that is open in the committed state. */
interface Ongoing {
  readonly firstOffset: number
  readonly place: Place
  /** It holds nobody up: see {@link ProducerState.decide}. */
  decided: boolean
}

/** The producers of one partition. */
export class ProducerState {
  readonly #places = new Map<bigint, Place>()
  /**
   * In the order of first offsets, since batches come in the order of offsets. A list: where the keys of a Map come and go, each of its tables
   * refers to the next, and all that were ever in it stay in memory until a full collection.
   */
  #ongoing: Ongoing[] = []
  /** Ended transactions whose marker is not below the watermark yet, in the order of their markers. */
  #unreplicated: CompletedTransaction[] = []
  /** Batches that were appended and may still fail, in the order of offsets. */
  #pending: PendingBatch[] = []
  #endOffset = 0
  #lastProducerOffset = -1
  #used: boolean

  /** @param used  some producer has written before, of which this state is not told */
  constructor(used = false) {
    this.#used = used
  }

  /** The committed state covers every batch below this offset: what a snapshot taken now is named by. */
  get endOffset(): number {
    return this.#endOffset
  }

  /** Whether producers ever wrote, those that are forgotten by now included: only then can any transaction have been aborted. */
  get used(): boolean {
    return this.#used
  }

  /** Whether a producer has a transaction open, what is pending included; in one epoch, when it is given. */
  isOpen(producerId: bigint, epoch?: number): boolean {
    const known = latestOf(this.#places.get(producerId))
    return known !== undefined && known.currentTxnFirstOffset >= 0 && (epoch === undefined || epoch === known.epoch)
  }

  /** The producers with an open transaction in the committed state. */
  get open(): readonly ProducerEntry[] {
    return this.#ongoing.map(({ place }) => place.committed!)
  }

  /**
   * The open transaction of a producer is certain to be committed, though its marker is not stored yet: it holds readers up no longer. Whoever
   * says so sees to the marker.
   */
  decide(producerId: bigint): void {
    const first = this.producer(producerId)?.currentTxnFirstOffset ?? -1
    const ongoing = this.#ongoing[this.#findOngoing(first)]
    if (ongoing?.firstOffset === first) ongoing.decided = true
  }

  /** How many transactions are open in the committed state. */
  get ongoingCount(): number {
    return this.#ongoing.length
  }

  /** The producers as their committed batches left them, in no particular order. */
  get producers(): Iterable<ProducerEntry> {
    return Array.from(this.#places.values(), ({ committed }) => committed).filter((committed) => committed !== undefined)
  }

  /** A producer as its committed batches left it. */
  producer(producerId: bigint): ProducerEntry | undefined {
    return this.#places.get(producerId)?.committed
  }

  /**
   * Whether a batch may be appended behind everything committed and pending. Changes nothing.
   *
   * @param baseOffset  the offset that its first record will get
   * @param marker      what a control batch says; a control batch without (compaction emptied it) changes nothing
   * @throws LogError   `LOG_PRODUCER_FENCED` a newer epoch has written; `LOG_SEQUENCE_OUT_OF_ORDER` a gap, an overlap or too old a batch;
   *                    `LOG_TXN_STATE_INVALID` outside a transaction while one is open; `LOG_TXN_COORDINATOR_FENCED` an old marker
   */
  check(batch: ProducerBatch, baseOffset: number, origin: AppendOrigin, marker?: EndTransactionMarker): CheckedBatch {
    return check(batch.producerId < 0n ? undefined : latestOf(this.#places.get(batch.producerId)), batch, baseOffset, origin, marker)
  }

  /**
   * Whether a producer may write with this epoch, whatever it is.
   *
   * @throws LogError `LOG_PRODUCER_FENCED`
   */
  checkEpoch(producerId: bigint, producerEpoch: number): void {
    const known = latestOf(this.#places.get(producerId))
    if (known !== undefined && producerEpoch < known.epoch) refuseEpoch(known, producerEpoch)
  }

  /** As {@link check}; what may be appended is pending from now on, so call it last before what cannot fail. */
  prepare(batch: ProducerBatch, baseOffset: number, origin: AppendOrigin, marker?: EndTransactionMarker): CheckedBatch {
    if (batch.producerId < 0n) return changesNothing
    const known = this.#places.get(batch.producerId)
    const checked = check(latestOf(known), batch, baseOffset, origin, marker)
    if (checked.kind === 'duplicate' || checked.update === undefined) return checked
    assert(baseOffset >= this.#endOffset && baseOffset > (this.#pending.at(-1)?.update.lastOffset ?? -1), 'batches are prepared in offset order')
    this.#used = true
    const place = known ?? this.#addPlace(batch.producerId)
    this.#pending.push({ update: checked.update, place })
    place.pending = checked.update.entry
    return checked
  }

  /**
   * Everything below `upToOffset` is stored: pending batches below it are committed. Call it before the watermark moves there, and for
   * batches without a producer too, since it is what moves {@link endOffset}.
   *
   * @returns the transactions that ended, in the order of their markers; those aborted belong into the transaction index
   */
  commit(upToOffset: number): readonly CompletedTransaction[] {
    const ended: CompletedTransaction[] = []
    let count = 0
    for (; count < this.#pending.length && this.#pending[count]!.update.lastOffset < upToOffset; count++) {
      const { update, place } = this.#pending[count]!
      const completed = this.#apply(update, place)
      if (completed !== undefined) ended.push(completed)
      if (place.pending === update.entry) place.pending = undefined
    }
    if (count > 0) this.#pending.splice(0, count)
    this.#endOffset = Math.max(this.#endOffset, upToOffset)
    return ended
  }

  /** Takes back the pending batches at and past `fromOffset`, all of them by default: they will not be stored. */
  rollback(fromOffset = 0): void {
    const all = this.#pending
    this.#pending = all.filter(({ update }) => update.lastOffset < fromOffset)
    for (const { place } of all) place.pending = undefined
    for (const { update, place } of this.#pending) place.pending = update.entry
    for (const { update, place } of all) if (latestOf(place) === undefined) this.#places.delete(update.entry.producerId)
  }

  /**
   * Takes in a batch that the log already holds, at once and without a check.
   *
   * @returns the transaction that it ended
   */
  replay(batch: ProducerBatch & { readonly baseOffset: number }, marker?: EndTransactionMarker): CompletedTransaction | undefined {
    assert(this.#pending.length === 0, 'a log is replayed before batches are appended to it')
    const checked = this.check(batch, batch.baseOffset, 'replication', marker)
    this.#endOffset = Math.max(this.#endOffset, batch.baseOffset + batch.lastOffsetDelta + 1)
    if (checked.kind !== 'append' || checked.update === undefined) return undefined
    return this.#apply(checked.update, this.#places.get(batch.producerId) ?? this.#addPlace(batch.producerId))
  }

  /** Where the earliest transaction begins that is open, or whose marker is not below the watermark; undefined when there is none. */
  firstUnstableOffset(highWatermark: number): number | undefined {
    let first = this.#firstUndecided()
    for (const { firstOffset, lastOffset } of this.#unreplicated) {
      if (lastOffset >= highWatermark && (first === undefined || firstOffset < first)) first = firstOffset
    }
    return first
  }

  /** The end, exclusive, of what read-committed readers may see: every transaction below it has ended. Never below the log's start. */
  lastStableOffset(highWatermark: number, logStartOffset = 0): number {
    const unstable = this.firstUnstableOffset(highWatermark)
    return unstable === undefined ? highWatermark : Math.min(highWatermark, Math.max(unstable, logStartOffset))
  }

  /** The watermark moved: transactions whose markers are below it hold nobody up any more. */
  onHighWatermark(highWatermark: number): void {
    const kept = this.#unreplicated.findIndex((transaction) => transaction.lastOffset >= highWatermark)
    if (this.#unreplicated.length > 0 && kept !== 0) this.#unreplicated = kept < 0 ? [] : this.#unreplicated.slice(kept)
  }

  /**
   * Forgets producers that wrote nothing for `expirationMs` by the timestamps of their records, as Kafka counts it. One with an open
   * transaction or a pending batch stays.
   */
  expire(now: number, expirationMs: number): void {
    for (const [producerId, { committed, pending }] of this.#places) {
      if (pending === undefined && committed !== undefined && expired(committed, now, expirationMs)) this.#places.delete(producerId)
    }
  }

  /** The committed state, for the snapshot at {@link endOffset}. Of each producer's batches only the last is kept. */
  snapshot(): ProducerSnapshotEntry[] {
    return Array.from(this.producers, (entry) => {
      const last = entry.batches.at(-1) ?? { lastSequence: -1, lastOffset: -1, offsetDelta: 0 }
      return {
        producerId: entry.producerId,
        epoch: entry.epoch,
        lastSequence: last.lastSequence,
        lastOffset: last.lastOffset,
        offsetDelta: last.offsetDelta,
        timestamp: entry.lastTimestamp,
        coordinatorEpoch: entry.coordinatorEpoch,
        currentTxnFirstOffset: entry.currentTxnFirstOffset,
      }
    })
  }

  /** Replaces everything by a snapshot, without the producers that expired meanwhile. The batches from `endOffset` on are then replayed. */
  load(snapshot: Iterable<ProducerSnapshotEntry>, endOffset: number, expiry: { readonly now: number; readonly expirationMs: number }): void {
    this.reset(endOffset)
    const entries = Array.from(snapshot, entryOf).filter((entry) => !expired(entry, expiry.now, expiry.expirationMs))
    for (const entry of entries) {
      const place = this.#addPlace(entry.producerId)
      place.committed = entry
      if (entry.currentTxnFirstOffset >= 0) this.#begin(entry.currentTxnFirstOffset, place)
    }
    if (entries.length > 0) this.#lastProducerOffset = endOffset - 1
  }

  /**
   * The log was cut back to `endOffset`.
   *
   * @returns whether this state is that of the shorter log. If not, it is only of use after a `load` or `reset` and a replay: what
   *          producers did past the cut cannot be taken back from memory.
   */
  truncate(endOffset: number): boolean {
    this.rollback(endOffset)
    if (this.#lastProducerOffset >= endOffset) return false
    this.#endOffset = Math.min(this.#endOffset, endOffset)
    return true
  }

  /** Forgets everything: nothing below `endOffset` says anything about producers. */
  reset(endOffset: number): void {
    this.#places.clear()
    this.#ongoing = []
    this.#unreplicated = []
    this.#pending = []
    this.#endOffset = endOffset
    this.#lastProducerOffset = -1
  }

  #apply({ entry, lastOffset, completed }: ProducerUpdate, place: Place): CompletedTransaction | undefined {
    this.#used = true
    place.committed = entry
    this.#lastProducerOffset = lastOffset
    if (entry.currentTxnFirstOffset >= 0) this.#begin(entry.currentTxnFirstOffset, place)
    if (completed === undefined) return undefined
    const at = this.#findOngoing(completed.firstOffset)
    if (this.#ongoing[at]?.firstOffset === completed.firstOffset) this.#ongoing.splice(at, 1)
    const lastStableOffset = this.#firstOngoing() ?? lastOffset + 1
    const transaction = { producerId: entry.producerId, ...completed, lastOffset, lastStableOffset }
    this.#unreplicated.push(transaction)
    return transaction
  }

  #firstUndecided(): number | undefined {
    for (const { firstOffset, decided } of this.#ongoing) if (!decided) return firstOffset
    return undefined
  }

  #firstOngoing(): number | undefined {
    return this.#ongoing[0]?.firstOffset
  }

  #addPlace(producerId: bigint): Place {
    const place = { committed: undefined, pending: undefined }
    this.#places.set(producerId, place)
    return place
  }

  /** Notes that a transaction is open from `firstOffset` on, unless that is known. */
  #begin(firstOffset: number, place: Place): void {
    const at = this.#findOngoing(firstOffset)
    if (this.#ongoing[at]?.firstOffset !== firstOffset) this.#ongoing.splice(at, 0, { firstOffset, place, decided: false })
  }

  /** Where among those that are open one is, or would be, that begins at `firstOffset`. */
  #findOngoing(firstOffset: number): number {
    let low = 0
    let high = this.#ongoing.length
    if (high > 0 && this.#ongoing[high - 1]!.firstOffset < firstOffset) return high
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.#ongoing[middle]!.firstOffset < firstOffset) low = middle + 1
      else high = middle
    }
    return low
  }
}

/** What is known of a producer, what is pending included. */
function latestOf(place: Place | undefined): ProducerEntry | undefined {
  return place === undefined ? undefined : place.pending ?? place.committed
}

function check(
  known: ProducerEntry | undefined, batch: ProducerBatch, baseOffset: number, origin: AppendOrigin, marker: EndTransactionMarker | undefined,
): CheckedBatch {
  if (batch.producerId < 0n) return changesNothing
  if (batch.control) return marker === undefined ? changesNothing : checkMarker(known, batch, baseOffset, origin, marker)
  return checkData(known, batch, baseOffset, origin)
}

/** The sequence `delta` after `sequence`; −1 stays −1. */
export function sequenceAfter(sequence: number, delta: number): number {
  if (sequence < 0) return sequence
  const sum = sequence + delta
  return sum > MAX_SEQUENCE ? sum - MAX_SEQUENCE - 1 : sum
}

const changesNothing: CheckedBatch = { kind: 'append', update: undefined }

function unknownProducer(producerId: bigint): ProducerEntry {
  return { producerId, epoch: -1, coordinatorEpoch: -1, lastTimestamp: -1, currentTxnFirstOffset: -1, batches: [] }
}

function entryOf(snapshot: ProducerSnapshotEntry): ProducerEntry {
  const { producerId, epoch, lastSequence, lastOffset, offsetDelta, timestamp, coordinatorEpoch, currentTxnFirstOffset } = snapshot
  const batches = lastOffset < 0 ? [] : [{ lastSequence, lastOffset, offsetDelta, timestamp }]
  return { producerId, epoch, coordinatorEpoch, lastTimestamp: timestamp, currentTxnFirstOffset, batches }
}

function expired(entry: ProducerEntry, now: number, expirationMs: number): boolean {
  return entry.currentTxnFirstOffset < 0 && now - entry.lastTimestamp >= expirationMs
}

function checkData(known: ProducerEntry | undefined, batch: ProducerBatch, baseOffset: number, origin: AppendOrigin): CheckedBatch {
  // Of an unknown producer any sequence is taken: its earlier batches may have been deleted with their segments.
  if (known !== undefined && origin !== 'replication') {
    const before = origin === 'client' ? retained(known, batch) : undefined
    if (before !== undefined) return duplicateOf(before)
    checkEpoch(known, batch)
    if (origin === 'client') checkSequence(known, batch)
    checkTransaction(known, batch)
  }
  return { kind: 'append', update: dataUpdate(known ?? unknownProducer(batch.producerId), batch, baseOffset) }
}

function checkMarker(
  known: ProducerEntry | undefined,
  batch: ProducerBatch,
  offset: number,
  origin: AppendOrigin,
  marker: EndTransactionMarker,
): CheckedBatch {
  if (known !== undefined && origin !== 'replication') {
    checkEpoch(known, batch)
    checkCoordinatorEpoch(known, marker)
  }
  return { kind: 'append', update: markerUpdate(known ?? unknownProducer(batch.producerId), batch, offset, marker) }
}

/** What a batch of records makes of its producer. A new epoch forgets the batches of the old one, and not its transaction. */
function dataUpdate(known: ProducerEntry, batch: ProducerBatch, baseOffset: number): ProducerUpdate {
  const offsetDelta = batch.lastOffsetDelta
  const lastOffset = baseOffset + offsetDelta
  const timestamp = batch.maxTimestamp
  const before = known.epoch === batch.producerEpoch ? known.batches.slice(1 - RETAINED_BATCHES) : []
  const starts = batch.transactional && known.currentTxnFirstOffset < 0
  const entry: ProducerEntry = {
    producerId: known.producerId,
    epoch: batch.producerEpoch,
    coordinatorEpoch: known.coordinatorEpoch,
    lastTimestamp: timestamp,
    currentTxnFirstOffset: starts ? baseOffset : known.currentTxnFirstOffset,
    batches: [...before, { lastSequence: sequenceAfter(batch.baseSequence, offsetDelta), lastOffset, offsetDelta, timestamp }],
  }
  return { entry, lastOffset, completed: undefined }
}

/** What a marker makes of its producer. Without an open transaction it ends none, but its epochs count all the same. */
function markerUpdate(known: ProducerEntry, batch: ProducerBatch, offset: number, marker: EndTransactionMarker): ProducerUpdate {
  const entry: ProducerEntry = {
    producerId: known.producerId,
    epoch: batch.producerEpoch,
    coordinatorEpoch: marker.coordinatorEpoch,
    lastTimestamp: batch.maxTimestamp,
    currentTxnFirstOffset: -1,
    batches: known.epoch === batch.producerEpoch ? known.batches : [],
  }
  const firstOffset = known.currentTxnFirstOffset
  const completed = firstOffset < 0 ? undefined : { firstOffset, aborted: marker.type === 'ABORT' }
  return { entry, lastOffset: offset + batch.lastOffsetDelta, completed }
}

/** The retained batch with exactly the sequences of `batch`. */
function retained(known: ProducerEntry, batch: ProducerBatch): RetainedBatch | undefined {
  if (known.epoch !== batch.producerEpoch) return undefined
  const last = sequenceAfter(batch.baseSequence, batch.lastOffsetDelta)
  return known.batches.find((one) => one.lastSequence === last && one.offsetDelta === batch.lastOffsetDelta)
}

function duplicateOf({ lastOffset, offsetDelta, timestamp }: RetainedBatch): CheckedBatch {
  return { kind: 'duplicate', baseOffset: lastOffset - offsetDelta, lastOffset, timestamp }
}

function checkEpoch(known: ProducerEntry, batch: ProducerBatch): void {
  if (batch.producerEpoch >= known.epoch) return
  refuseEpoch(known, batch.producerEpoch, batch.baseSequence)
}

function refuseEpoch(known: ProducerEntry, producerEpoch: number, baseSequence = -1): never {
  refuse('LOG_PRODUCER_FENCED', `epoch ${producerEpoch} is older than its epoch ${known.epoch}`, known, { producerEpoch, baseSequence })
}

/** A sequence continues the one before it, or starts an epoch with 0. After a marker of a new epoch there is no batch: 0 again. */
function checkSequence(known: ProducerEntry, batch: ProducerBatch): void {
  const last = known.epoch === batch.producerEpoch ? known.batches.at(-1) : undefined
  const expected = last === undefined ? 0 : last.lastSequence === MAX_SEQUENCE ? 0 : last.lastSequence + 1
  if (batch.baseSequence === expected) return
  refuse('LOG_SEQUENCE_OUT_OF_ORDER', `a batch begins with sequence ${batch.baseSequence} instead of ${expected}`, known, batch)
}

function checkTransaction(known: ProducerEntry, batch: ProducerBatch): void {
  if (batch.transactional || known.currentTxnFirstOffset < 0) return
  const reason = `a batch is not transactional, but a transaction is open from offset ${known.currentTxnFirstOffset}`
  refuse('LOG_TXN_STATE_INVALID', reason, known, batch)
}

function checkCoordinatorEpoch(known: ProducerEntry, marker: EndTransactionMarker): void {
  if (marker.coordinatorEpoch >= known.coordinatorEpoch) return
  const reason = `a marker of coordinator epoch ${marker.coordinatorEpoch} comes after one of epoch ${known.coordinatorEpoch}`
  throw new LogError('LOG_TXN_COORDINATOR_FENCED', `producer ${known.producerId}: ${reason}`, {
    producerId: String(known.producerId),
    coordinatorEpoch: marker.coordinatorEpoch,
    currentCoordinatorEpoch: known.coordinatorEpoch,
  })
}

function refuse(
  code: LogErrorCode, reason: string, known: ProducerEntry, batch: Pick<ProducerBatch, 'producerEpoch' | 'baseSequence'>,
): never {
  throw new LogError(code, `producer ${known.producerId}: ${reason}`, {
    producerId: String(known.producerId),
    producerEpoch: batch.producerEpoch,
    currentEpoch: known.epoch,
    baseSequence: batch.baseSequence,
    lastSequence: known.batches.at(-1)?.lastSequence ?? -1,
  })
}
