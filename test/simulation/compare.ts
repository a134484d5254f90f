/*
 * Holds a log that was opened, or cut, against its model: what its files hold, what it gives to readers, its epochs and its numbers. What
 * is found is what the model says from then on.
 */
import { type PartitionLog } from '../../src/log/partition-log.ts'
import { type LogRecord } from '../../src/log/record.ts'
import { bytesCodecs } from '../log/harness.ts'
import { type ModelRecord, type PartitionModel, type Unit } from './model.ts'
import { type Partition } from './partition.ts'
import { folderOf, type Process } from './process.ts'
import { storedBatches, type StoredBatch } from './stored-batches.ts'
import { type World } from './world.ts'

/** How many single records are read by their offsets. */
const SINGLE_READS = 10

/** A record as a reader of bytes gets it. */
export type FoundRecord = LogRecord<Uint8Array, Uint8Array>

/** What must be so when the log is compared. */
export interface Expected {
  /** Whatever lies below must still be there, unless it was refused. */
  readonly keeps: number
  /** Nothing may be there from here on. */
  readonly endsBelow: number
}

/** Compares a log that was opened just now. */
export function compareOpened(process: Process, partition: Partition): void {
  const { world } = process
  const { log, model } = partition
  const { clean, scannedBytes } = log.recovery
  world.note(`${partition.name}: next offset ${log.nextOffset}, epoch ${log.leaderEpoch}, ${JSON.stringify(log.recovery)}`)
  partition.check(!world.closed || (clean && scannedBytes === 0), () => 'it was closed in good order, and is recovered')
  const rises = world.epochsDamaged || log.leaderEpoch > model.epoch || (clean && log.leaderEpoch === model.epoch)
  partition.check(rises, () => `epoch ${log.leaderEpoch} comes after ${model.epoch}`)
  const { startOffset } = log
  const expected = startOffset >= model.start && startOffset <= Math.max(model.start, model.starting)
  partition.check(expected, () => `the log begins at ${startOffset}: ${model.start} was acknowledged, ${model.starting} the most asked for`)
  model.start = model.starting = startOffset
  compare(process, partition, { keeps: promised(world, model), endsBelow: Infinity })
}

/** Compares a log with its model, and makes the model what was found. */
export function compare(process: Process, partition: Partition, expected: Expected): void {
  const { log, model } = partition
  const stored = storedBatches(process.disk, folderOf(partition.number))
  partition.check(stored.damage === undefined, () => `what is left is damaged: ${stored.damage}`)
  const found = matched(partition, stored.batches.filter(({ header }) => header.lastOffset >= model.start))
  checkEnds(partition, found, expected)
  model.become(found, { acknowledged: log.highWatermark, given: log.nextOffset })
  model.epoch = log.leaderEpoch
  checkEpochs(process.world, partition)
  checkReads(partition, process.world)
}

/** Below it nothing may be missing after the crash that was. */
function promised(world: World, model: PartitionModel): number {
  const kept = world.powerLost && world.settings.config.durability !== 'sync' ? model.flushed : model.acknowledged
  return Math.min(kept, model.cutting)
}

/** The units that the stored batches hold, each of which must have been appended so. */
function matched(partition: Partition, batches: readonly StoredBatch[]): Unit[] {
  const { units } = partition.model
  const found: Unit[] = []
  let at = 0
  for (const { header, path, position } of batches) {
    for (; at < units.length && units[at]!.lastOffset < header.baseOffset; at++) {
      const { refused, baseOffset, lastOffset } = units[at]!
      partition.check(refused || lastOffset < partition.model.start, () => `offset ${baseOffset} is missing between others`)
    }
    let next = header.baseOffset
    for (; at < units.length && units[at]!.baseOffset <= header.lastOffset; at++) {
      const unit = units[at]!
      partition.check(unit.baseOffset === next, () => `offset ${next} was never appended: the batch at ${position} of ${path}`)
      partition.check(unit.leaderEpoch === header.leaderEpoch, () => `offset ${next} has epoch ${header.leaderEpoch} instead of ${unit.leaderEpoch}`)
      checkProducer(partition, unit, header)
      found.push(unit)
      next = unit.lastOffset + 1
    }
    partition.check(next === header.lastOffset + 1, () => `offset ${next} was never appended: the batch at ${position} of ${path}`)
  }
  return found
}

function checkProducer(partition: Partition, unit: Unit, header: StoredBatch['header']): void {
  const { producer, marker, baseOffset } = unit
  const same = producer === undefined
    ? header.producerId === -1n && !header.transactional
    : header.producerId === producer.id && header.producerEpoch === producer.epoch && header.baseSequence === producer.baseSequence
      && header.transactional === producer.transactional && header.baseOffset === baseOffset
  partition.check(same && header.control === (marker !== undefined), () => `the batch at offset ${baseOffset} is not the one that was appended`)
}

function checkEnds(partition: Partition, found: readonly Unit[], { keeps, endsBelow }: Expected): void {
  const { log, model } = partition
  const end = found.at(-1)?.lastOffset ?? -1
  const lost = model.units.find((unit) => !unit.refused && unit.baseOffset > end && unit.lastOffset < keeps && unit.lastOffset >= model.start)
  partition.check(lost === undefined, () => `offset ${lost?.baseOffset} was acknowledged and is lost; the log ends at ${log.nextOffset}`)
  partition.check(end < endsBelow, () => `offset ${end} is still there, and everything from ${endsBelow} on was cut`)
  partition.check(log.nextOffset > end, () => `the next offset ${log.nextOffset} is not past ${end}`)
  const { nextOffset, highWatermark } = log
  partition.check(highWatermark <= nextOffset && highWatermark > end, () => `readers see up to ${highWatermark}, the last record is ${end}`)
}

/** Who stored (epoch, offset) of something must be able to tell whether it is still there. */
function checkEpochs(world: World, partition: Partition): void {
  const { model, log } = partition
  if (world.epochsDamaged) return
  for (const { baseOffset, leaderEpoch } of model.units) {
    if (baseOffset < model.start) continue
    const epoch = log.epochs.epochAt(baseOffset)
    partition.check(epoch === leaderEpoch, () => `offset ${baseOffset} has epoch ${leaderEpoch}, the log says ${epoch}`)
  }
  for (const { baseOffset, lastOffset, leaderEpoch } of model.gone) {
    if (baseOffset < model.start) continue
    const end = log.epochs.divergence({ epoch: leaderEpoch, offset: lastOffset + 1 }, log.nextOffset)
    partition.check(end <= baseOffset, () => `offset ${baseOffset} of epoch ${leaderEpoch} is gone, and the epochs agree with it up to ${end}`)
  }
}

function checkReads(partition: Partition, world: World): void {
  const { log, model } = partition
  const all = model.records(0, Infinity)
  checkSame(partition, log.read(bytesCodecs, { isolation: 'read_uncommitted' }), all, 'a read of everything')
  const stable = model.lastStable(log.highWatermark)
  partition.check(log.lastStableOffset === stable, () => `the last stable offset is ${log.lastStableOffset}, not ${stable}`)
  checkSame(partition, log.read(bytesCodecs), model.committed(0, Infinity, log.highWatermark), 'a read of what is committed')
  for (let left = Math.min(SINGLE_READS, all.length); left > 0; left--) {
    const record = all[world.draw.int(all.length)]!
    const single = log.read(bytesCodecs, { from: record.offset, to: record.offset + 1, isolation: 'read_uncommitted' })
    checkSame(partition, single, [record], `a read of offset ${record.offset}`)
  }
  checkTimes(partition, log, world)
}

/** Searches by time, each by what such a reader may see. */
export function checkTimes(partition: Partition, log: PartitionLog, world: World): void {
  // Kafka searches segments as they are, deleted records of the first one included: see timestamps.test.ts.
  if (log.startOffset > 0) return
  const ends = { read_uncommitted: log.highWatermark, read_committed: log.lastStableOffset }
  for (const isolation of ['read_uncommitted', 'read_committed'] as const) {
    const records = partition.model.live(ends[isolation]).flatMap((unit) => unit.records)
    if (records.length === 0 || records.some(({ timestamp }) => timestamp === undefined)) continue
    const largest = Math.max(...records.map(({ timestamp }) => timestamp!))
    const latest = largest < 0 ? undefined : records.find(({ timestamp }) => timestamp === largest)
    checkFound(partition, log.maxTimestamp(isolation), latest, `the largest timestamp, ${isolation}`)
    for (const wanted of [records[world.draw.int(records.length)]!.timestamp!, largest + 1, largest - world.draw.int(3000)]) {
      const from = Math.max(0, wanted)
      const first = records.find(({ timestamp }) => timestamp! >= from)
      checkFound(partition, log.offsetForTimestamp(from, isolation), first, `the first record at or after ${from}, ${isolation}`)
    }
  }
}

function checkFound(
  partition: Partition, found: { readonly offset: number; readonly timestamp: number } | undefined, expected: ModelRecord | undefined, what: string,
): void {
  const same = found?.offset === expected?.offset && found?.timestamp === expected?.timestamp
  partition.check(same, () => `${what} is ${JSON.stringify(found)} instead of offset ${expected?.offset} at ${expected?.timestamp}`)
}

/** Holds what a reader got against what it was to get, and learns the times that the log chose. */
export function checkSame(partition: Partition, got: Iterable<FoundRecord>, expected: readonly ModelRecord[], what: string): void {
  let index = 0
  for (const record of got) checkRecord(partition, record, expected[index++], what)
  partition.check(index === expected.length, () => `${what} ended before offset ${expected[index]?.offset}`)
}

/** Holds one record against the one expected. */
export function checkRecord(partition: Partition, record: FoundRecord, expected: ModelRecord | undefined, what: string): void {
  const { offset } = record
  partition.check(offset === expected?.offset, () => `${what} gave offset ${offset} instead of ${expected?.offset}`)
  partition.check(expected.value!.equals(record.value!), () => `${what} gave other bytes at offset ${offset}`)
  const { key, timestamp } = record
  partition.check(key === null ? expected.key === null : expected.key?.equals(key) === true, () => `${what} gave another key at offset ${offset}`)
  expected.timestamp ??= timestamp
  partition.check(timestamp === expected.timestamp, () => `${what} gave another time at offset ${offset}`)
}
