/*
 * The rules by which a producer's next batch is taken or refused, and what it makes of its producer: functions over values that never change.
 * Which batches are certain and which may still fail is producer-state.ts. As in Kafka's ProducerStateManager and ProducerAppendInfo,
 * docs/format.md#producer-state.
 */
import { LogError, type LogErrorCode } from '../base/errors.ts'
import { type EndTransactionMarker } from '../format/control.ts'

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

/** What came of the check of a batch that says nothing of its producer. */
export const changesNothing: CheckedBatch = { kind: 'append', update: undefined }

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

/**
 * Whether a batch may be appended behind what is known of its producer; that changes nothing yet.
 *
 * @param known       undefined for a producer that is not known
 * @param baseOffset  the offset that the first record of the batch will get
 * @param marker      what a control batch says; a control batch without (compaction emptied it) changes nothing
 * @throws LogError   `LOG_PRODUCER_FENCED`, `LOG_SEQUENCE_OUT_OF_ORDER`, `LOG_TXN_STATE_INVALID`, `LOG_TXN_COORDINATOR_FENCED`
 */
export function checkBatch(
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

function unknownProducer(producerId: bigint): ProducerEntry {
  return { producerId, epoch: -1, coordinatorEpoch: -1, lastTimestamp: -1, currentTxnFirstOffset: -1, batches: [] }
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

/** Refuses an epoch that is older than the producer's, with `LOG_PRODUCER_FENCED`. */
export function checkEpoch(known: ProducerEntry, { producerEpoch, baseSequence }: Pick<ProducerBatch, 'producerEpoch' | 'baseSequence'>): void {
  if (producerEpoch >= known.epoch) return
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
