/*
 * What must be true of one partition: plain arrays of what was appended, and how much of it was promised. Written without looking at how
 * the log does it, and never fast.
 */
import { type EndTransactionMarker } from '../../src/format/control.ts'

/** One record as it was appended. */
export interface ModelRecord {
  readonly offset: number
  readonly key: Buffer | null
  /** Null in markers only. */
  readonly value: Buffer | null
  /** Undefined when the log chose it and nobody looked yet. */
  timestamp: number | undefined
}

/** Who wrote a batch. */
export interface ModelProducer {
  readonly id: bigint
  readonly epoch: number
  /** −1 in markers. */
  readonly baseSequence: number
  readonly transactional: boolean
}

/** What was appended as one: a ready batch, or one record, which the log packs into batches as it likes. */
export interface Unit {
  readonly baseOffset: number
  readonly lastOffset: number
  readonly records: readonly ModelRecord[]
  readonly leaderEpoch: number
  readonly producer: ModelProducer | undefined
  readonly marker: EndTransactionMarker['type'] | undefined
  /** The bytes of a ready batch, to send them again. */
  readonly bytes: Buffer | undefined
  /** It was refused after all: it may be found after a crash, since nobody knows how much of a failed write was stored, and need not. */
  refused: boolean
}

/** A producer as the batches below some offset leave it. */
export interface ProducerModel {
  readonly id: bigint
  epoch: number
  /** −1 before the first batch of an epoch. */
  lastSequence: number
  /** First offset of the transaction that is open; −1 when none is. */
  openFrom: number
  /** The last offset of its last batch or marker. */
  lastOffset: number
  /** The batches of this epoch, oldest first. */
  batches: Unit[]
}

/** What the batches of producers add up to. */
export interface ProducersModel {
  readonly producers: ReadonlyMap<bigint, ProducerModel>
  readonly aborted: ReadonlySet<Unit>
}

/** One partition. */
export class PartitionModel {
  /** What was appended and may be there, by rising offsets. */
  units: Unit[] = []
  /** Everything below was acknowledged, or seen by a reader. */
  acknowledged = 0
  /** Everything below was synced: a flush or the time that passed said so. */
  flushed = 0
  /** A cut that is under way may have taken everything from here on. */
  cutting = Infinity
  /** Offsets below were given out by this process, and not taken back by a cut. */
  given = 0
  /** Records below were deleted on request, or by retention: that was acknowledged. */
  start = 0
  /** Records below may have been deleted: by a deletion that failed, or that the process did not live to see the end of. */
  starting = 0
  /** What was deleted, as far as it was there: what it made of producers stays. */
  deleted: Unit[] = []
  /** The leader epoch that was served last; −1 before the first open. */
  epoch = -1
  /** What was acknowledged once and is gone, by a cut or a power cut that was allowed to take it. */
  readonly gone: Unit[] = []

  add(unit: Unit): void {
    this.units.push(unit)
    this.given = unit.lastOffset + 1
  }

  /** The unit that holds `offset`. */
  at(offset: number): Unit | undefined {
    return this.units.find((unit) => unit.baseOffset <= offset && offset <= unit.lastOffset)
  }

  refuse(from: number, end: number): void {
    for (const unit of this.units) if (unit.lastOffset >= from && unit.baseOffset < end) unit.refused = true
  }

  /** Nothing else than `units` is there, and all of it is certain. */
  become(units: Unit[], { acknowledged, given }: { readonly acknowledged: number; readonly given: number }): void {
    const kept = new Set(units)
    for (const unit of this.units) {
      if (kept.has(unit) || unit.refused) continue
      if (unit.lastOffset < this.start) this.deleted.push(unit)
      else if (unit.lastOffset < this.acknowledged) this.gone.push(unit)
    }
    this.units = units
    for (const unit of units) unit.refused = false
    this.given = given
    this.acknowledged = acknowledged
    this.flushed = acknowledged
    this.cutting = Infinity
  }

  /** The units that count: all but those that were refused, below `end`. */
  live(end = Infinity): Unit[] {
    return this.units.filter((unit) => !unit.refused && unit.lastOffset < end)
  }

  /** The records that a reader of everything gets in [from, end). */
  records(from: number, end: number): ModelRecord[] {
    return within(this.live(), Math.max(from, this.start), end)
  }

  /** The records that a reader of what is committed gets in [from, end), when readers see everything below `watermark`. */
  committed(from: number, end: number, watermark: number): ModelRecord[] {
    const { aborted } = this.producers(watermark)
    return within(this.live().filter((unit) => !aborted.has(unit)), Math.max(from, this.start), Math.min(end, this.lastStable(watermark)))
  }

  /** Where the first transaction begins that is open when readers see everything below `watermark`; or else the watermark. */
  lastStable(watermark: number): number {
    const open = [...this.producers(watermark).producers.values()].map(({ openFrom }) => openFrom).filter((offset) => offset >= 0)
    return Math.min(watermark, ...open.map((offset) => Math.max(offset, this.start)))
  }

  /** What the batches below `end` make of their producers. */
  producers(end = Infinity): ProducersModel {
    const producers = new Map<bigint, ProducerModel>()
    const open = new Map<bigint, Unit[]>()
    const aborted = new Set<Unit>()
    for (const unit of [...this.deleted, ...this.live(end)]) {
      if (unit.producer === undefined) continue
      const { id } = unit.producer
      const producer = producers.get(id) ?? { id, epoch: -1, lastSequence: -1, openFrom: -1, lastOffset: -1, batches: [] }
      producers.set(id, producer)
      producer.lastOffset = unit.lastOffset
      if (unit.marker === undefined) {
        continueProducer(producer, unit, unit.producer)
        if (unit.producer.transactional) open.set(id, [...(open.get(id) ?? []), unit])
        continue
      }
      if (unit.marker === 'ABORT') for (const one of open.get(id) ?? []) aborted.add(one)
      open.delete(id)
      endTransaction(producer, unit.producer)
    }
    return { producers, aborted }
  }

  /** The same in another memory: what happens to one does not happen to the other. */
  clone(): PartitionModel {
    const clone = new PartitionModel()
    clone.units = this.units.map((unit) => ({ ...unit, records: unit.records.map((record) => ({ ...record })) }))
    clone.gone.push(...this.gone)
    clone.deleted = this.deleted.slice()
    const { acknowledged, flushed, cutting, given, epoch, start, starting } = this
    return Object.assign(clone, { acknowledged, flushed, cutting, given, epoch, start, starting })
  }
}

function continueProducer(producer: ProducerModel, unit: Unit, { epoch, baseSequence, transactional }: ModelProducer): void {
  if (epoch !== producer.epoch) producer.batches = []
  producer.epoch = epoch
  producer.lastSequence = baseSequence + unit.lastOffset - unit.baseOffset
  producer.batches.push(unit)
  if (transactional && producer.openFrom < 0) producer.openFrom = unit.baseOffset
}

function endTransaction(producer: ProducerModel, { epoch }: ModelProducer): void {
  if (epoch !== producer.epoch) {
    producer.batches = []
    producer.lastSequence = -1
  }
  producer.epoch = epoch
  producer.openFrom = -1
}

function within(units: readonly Unit[], from: number, end: number): ModelRecord[] {
  const records: ModelRecord[] = []
  for (const unit of units) {
    if (unit.lastOffset < from || unit.baseOffset >= end || unit.marker !== undefined) continue
    for (const record of unit.records) if (record.offset >= from && record.offset < end) records.push(record)
  }
  return records
}
