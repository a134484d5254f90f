/*
 * What one partition knows of its idempotent and transactional producers: whose batch may come next, which batch came already, which
 * transactions are open. From that follows the last stable offset, up to which read-committed readers may see.
 *
 * Batches are acknowledged in rounds, so there are two states: the committed one, and the batches behind it that were appended and may
 * still fail. A batch is checked against both; `commit` moves it from one to the other, `rollback` takes it back.
 *
 * Here is who is known and what is pending; by which rules a batch is taken is producer-rules.ts, which transactions hold readers up is
 * open-transactions.ts. In memory only: the file is format/producer-snapshot.ts. As in Kafka's ProducerStateManager, docs/format.md#producer-state.
 */
import { assert } from '../base/assert.ts'
import { type EndTransactionMarker } from '../format/control.ts'
import { type ProducerSnapshotEntry } from '../format/producer-snapshot.ts'
import { type CompletedTransaction, OpenTransactions } from './open-transactions.ts'
import {
  type AppendOrigin, changesNothing, checkBatch, type CheckedBatch, checkEpoch, type ProducerBatch, type ProducerEntry, type ProducerUpdate,
} from './producer-rules.ts'

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

/** The producers of one partition. */
export class ProducerState {
  readonly #places = new Map<bigint, Place>()
  readonly #transactions = new OpenTransactions<Place>()
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
    return this.#transactions.producers.map(({ committed }) => committed!)
  }

  /**
   * The open transaction of a producer is certain to be committed, though its marker is not stored yet: it holds readers up no longer. Whoever
   * says so sees to the marker.
   */
  decide(producerId: bigint): void {
    this.#transactions.decide(this.producer(producerId)?.currentTxnFirstOffset ?? -1)
  }

  /** How many transactions are open in the committed state. */
  get ongoingCount(): number {
    return this.#transactions.count
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
    return checkBatch(batch.producerId < 0n ? undefined : latestOf(this.#places.get(batch.producerId)), batch, baseOffset, origin, marker)
  }

  /**
   * Whether a producer may write with this epoch, whatever it is.
   *
   * @throws LogError `LOG_PRODUCER_FENCED`
   */
  checkEpoch(producerId: bigint, producerEpoch: number): void {
    const known = latestOf(this.#places.get(producerId))
    if (known !== undefined) checkEpoch(known, { producerEpoch, baseSequence: -1 })
  }

  /** As {@link check}; what may be appended is pending from now on, so call it last before what cannot fail. */
  prepare(batch: ProducerBatch, baseOffset: number, origin: AppendOrigin, marker?: EndTransactionMarker): CheckedBatch {
    if (batch.producerId < 0n) return changesNothing
    const known = this.#places.get(batch.producerId)
    const checked = checkBatch(latestOf(known), batch, baseOffset, origin, marker)
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
    return this.#transactions.firstUnstableOffset(highWatermark)
  }

  /** The end, exclusive, of what read-committed readers may see: every transaction below it has ended. Never below the log's start. */
  lastStableOffset(highWatermark: number, logStartOffset = 0): number {
    const unstable = this.firstUnstableOffset(highWatermark)
    return unstable === undefined ? highWatermark : Math.min(highWatermark, Math.max(unstable, logStartOffset))
  }

  /** The watermark moved: transactions whose markers are below it hold nobody up any more. */
  onHighWatermark(highWatermark: number): void {
    this.#transactions.onHighWatermark(highWatermark)
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
      if (entry.currentTxnFirstOffset >= 0) this.#transactions.begin(entry.currentTxnFirstOffset, place)
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
    this.#transactions.clear()
    this.#pending = []
    this.#endOffset = endOffset
    this.#lastProducerOffset = -1
  }

  #apply({ entry, lastOffset, completed }: ProducerUpdate, place: Place): CompletedTransaction | undefined {
    this.#used = true
    place.committed = entry
    this.#lastProducerOffset = lastOffset
    if (entry.currentTxnFirstOffset >= 0) this.#transactions.begin(entry.currentTxnFirstOffset, place)
    return completed === undefined ? undefined : this.#transactions.end({ producerId: entry.producerId, ...completed, lastOffset })
  }

  #addPlace(producerId: bigint): Place {
    const place = { committed: undefined, pending: undefined }
    this.#places.set(producerId, place)
    return place
  }
}

/** What is known of a producer, what is pending included. */
function latestOf(place: Place | undefined): ProducerEntry | undefined {
  return place === undefined ? undefined : place.pending ?? place.committed
}

function entryOf(snapshot: ProducerSnapshotEntry): ProducerEntry {
  const { producerId, epoch, lastSequence, lastOffset, offsetDelta, timestamp, coordinatorEpoch, currentTxnFirstOffset } = snapshot
  const batches = lastOffset < 0 ? [] : [{ lastSequence, lastOffset, offsetDelta, timestamp }]
  return { producerId, epoch, coordinatorEpoch, lastTimestamp: timestamp, currentTxnFirstOffset, batches }
}

function expired(entry: ProducerEntry, now: number, expirationMs: number): boolean {
  return entry.currentTxnFirstOffset < 0 && now - entry.lastTimestamp >= expirationMs
}
