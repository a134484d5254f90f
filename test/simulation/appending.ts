/*
 * What writers do in a life: records one by one and in bursts, batches of idempotent producers, sent again and out of order, and
 * transactions, ended by a coordinator.
 */
import { isLogError, type LogErrorCode } from '../../src/base/errors.ts'
import { encodeBatch } from '../../src/format/batch.ts'
import { type AppendedBatch } from '../../src/log/writer.ts'
import { type ProducerModel, type Unit } from './model.ts'
import { type NewRecord, type Partition } from './partition.ts'
import { type Process } from './process.ts'

/** Producers of each kind in a partition. */
const PRODUCERS = 2
const FIRST_IDEMPOTENT = 100
const FIRST_TRANSACTIONAL = 200
/** Batches of a producer that the log knows again. */
const KNOWN_AGAIN = 5

/** Appends one record; sometimes somebody waits for it. */
export function append(process: Process, partition: Partition): void {
  const { draw } = process.world
  const offset = partition.append(newRecord(process))
  if (offset !== undefined && draw.once(4)) partition.wait(offset)
}

/** Appends many records without a turn of the event loop. */
export function burst(process: Process, partition: Partition): void {
  for (let left = process.world.draw.int(30); left > 0 && process.alive; left--) append(process, partition)
}

/** Waits for some record. */
export function waitForOne(process: Process, partition: Partition): void {
  const { log, model } = partition
  const unit = model.units[process.world.draw.int(Math.max(1, model.units.length))]
  if (unit !== undefined && unit.lastOffset < log.nextOffset) partition.wait(unit.lastOffset)
}

/** Sends the next batch of an idempotent producer. */
export function sendBatch(process: Process, partition: Partition): void {
  const id = BigInt(FIRST_IDEMPOTENT + process.world.draw.int(PRODUCERS))
  const producer = partition.producer(id)
  partition.appendBatch({ id, ...goesOn(partition, producer), transactional: false }, newValues(process))
}

/** Sends a batch that came before once more: it is a duplicate, or too old to be known, and never appended again. */
export function sendAgain(process: Process, partition: Partition): void {
  const { draw, counts } = process.world
  const producer = anyProducer(process, partition)
  const sent = producer?.batches.slice(-KNOWN_AGAIN) ?? []
  if (producer === undefined || sent.length === 0) return
  const unit = sent[draw.int(sent.length)]!
  // Of batches that were deleted the log may know nothing any more, and takes them for new ones.
  if (unit.baseOffset < partition.model.starting) return
  const known = unit === sent.at(-1) || sent.slice(sent.indexOf(unit)).every(({ baseOffset }) => baseOffset >= partition.seenFrom)
  const answer = refusable(partition, unit, known ? undefined : 'LOG_SEQUENCE_OUT_OF_ORDER')
  if (answer === undefined) return
  counts.duplicates++
  const same = answer.duplicate && answer.baseOffset === unit.baseOffset && answer.lastOffset === unit.lastOffset
  partition.check(same, () => `a batch sent again went to ${answer.baseOffset}, and was at ${unit.baseOffset} before`)
}

/** Sends a batch that leaves one out, or one of an old epoch: it is refused. */
export function sendWrong(process: Process, partition: Partition): void {
  const producer = anyProducer(process, partition)
  if (producer === undefined) return
  const old = producer.epoch > 0 && process.world.draw.once(2)
  const bytes = encodeBatch([{ value: Buffer.of(0), timestamp: process.world.clock.now() }], {
    producerId: producer.id, producerEpoch: old ? producer.epoch - 1 : producer.epoch, baseSequence: nextSequence(producer) + 3,
    transactional: producer.id >= FIRST_TRANSACTIONAL,
  })
  const code = old ? 'LOG_PRODUCER_FENCED' : 'LOG_SEQUENCE_OUT_OF_ORDER'
  const answer = refusable(partition, { bytes }, code)
  partition.check(answer === undefined, () => `a batch ${old ? 'of an old epoch' : 'out of order'} was taken, to offset ${answer?.baseOffset}`)
}

/** Goes on with the transaction of some producer, or ends it. */
export function transact(process: Process, partition: Partition): void {
  const { draw, counts } = process.world
  const id = BigInt(FIRST_TRANSACTIONAL + draw.int(PRODUCERS))
  const producer = partition.producer(id)
  const epoch = producer?.epoch ?? 0
  const open = producer !== undefined && producer.openFrom >= 0
  if (producer !== undefined && draw.once(open ? 2 : 10)) {
    const type = draw.pick('COMMIT', 'ABORT')
    // A coordinator that ends a transaction on its own takes a new epoch, so that the producer cannot go on with it.
    partition.endTransaction({ id, epoch: draw.once(4) ? epoch + 1 : epoch }, type)
    counts.transactions++
  } else partition.appendBatch({ id, ...goesOn(partition, producer), transactional: true }, newValues(process))
}

function anyProducer(process: Process, partition: Partition): ProducerModel | undefined {
  const { draw } = process.world
  const { model } = partition
  // Of a producer whose records were all deleted the log may have forgotten what it was.
  const known = [...model.producers().producers.values()].filter(({ lastSequence, lastOffset }) => lastSequence >= 0 && lastOffset >= model.starting)
  return known.length === 0 ? undefined : known[draw.int(known.length)]
}

/** How a producer goes on. One whose last batch was deleted begins an epoch: the log may have forgotten its sequence, or know it. */
function goesOn({ model }: Partition, producer: ProducerModel | undefined): { readonly epoch: number; readonly baseSequence: number } {
  const last = producer?.batches.at(-1)
  const mayBeForgotten = producer !== undefined && producer.openFrom < 0 && last !== undefined && last.baseOffset < model.starting
  if (mayBeForgotten) return { epoch: producer.epoch + 1, baseSequence: 0 }
  return { epoch: producer?.epoch ?? 0, baseSequence: nextSequence(producer) }
}

function nextSequence(producer: ProducerModel | undefined): number {
  return producer === undefined ? 0 : producer.lastSequence + 1
}

/** Appends a batch that may be refused with `code`, and then gives undefined. */
function refusable(partition: Partition, { bytes }: Pick<Unit, 'bytes'>, code: LogErrorCode | undefined): AppendedBatch | undefined {
  return partition.tryAppend(() => {
    try {
      return partition.log.appendBatch(bytes!)
    } catch (error) {
      if (code !== undefined && isLogError(error, code)) return undefined
      throw error
    }
  })
}

function newRecord(process: Process): NewRecord {
  const { draw, clock, settings } = process.world
  const large = settings.config.maxMessageBytes > 100_000
  const value = newValue(process, draw.int(draw.weighted([[10, 20], [3, 300], [1, large ? 300_000 : 5000]])))
  const now = clock.now()
  const timestamp = draw.weighted([[6, now], [2, now - draw.int(3000)], [1, now + draw.int(3000)], [1, -1], [2, undefined]])
  return { value, key: draw.once(2) ? value.subarray(0, 4) : null, timestamp }
}

function newValues(process: Process): Buffer[] {
  const { draw } = process.world
  return Array.from({ length: 1 + draw.int(5) }, () => newValue(process, draw.int(40)))
}

/** A value like no other. */
function newValue({ world }: Process, size: number): Buffer {
  const number = ++world.values
  const value = Buffer.alloc(4 + size, number)
  value.writeUInt32BE(number)
  return value
}
