/*
 * One partition in one process: what is appended to it goes into its model, and every promise that it makes is held against the model.
 */
import { isLogError, type LogErrorCode } from '../../src/base/errors.ts'
import { encodeBatch } from '../../src/format/batch.ts'
import { encodeEndTransactionMarker } from '../../src/format/control.ts'
import { type LogEvent } from '../../src/log/environment.ts'
import { type PartitionLog } from '../../src/log/partition-log.ts'
import { bytesCodecs } from '../log/harness.ts'
import { type ModelProducer, type ModelRecord, type PartitionModel, type ProducerModel, type Unit } from './model.ts'
import { type Process, told } from './process.ts'
import { type Reader } from './reading.ts'
import { PLENTY } from './settings.ts'

type LossEvent = Extract<LogEvent, { readonly type: 'disk-full' | 'fenced' }>

/** What an append may be refused with while something is wrong, or too much is under way. */
const refusals = ['LOG_APPEND_LOST', 'LOG_FENCED', 'LOG_DISK_FULL', 'LOG_BUFFER_FULL'] as const

/** A record to be appended. */
export interface NewRecord {
  readonly key: Buffer | null
  readonly value: Buffer
  /** Undefined leaves it to the log. */
  readonly timestamp: number | undefined
}

export class Partition {
  readonly number: number
  readonly log: PartitionLog
  readonly model: PartitionModel
  /** Whether records were lost that nobody waited for: then the next call must say so. */
  loss: 'none' | 'owed' | 'possible' = 'none'
  /** Flushes and other calls under way that wait for everything. */
  flushing = 0
  /** Those who read on and on, one of everything and one of what is committed. */
  readonly readers: (Reader | undefined)[] = [undefined, undefined]
  /** Producers whose batches since this offset the log has seen itself: it remembers the last five of each. */
  seenFrom: number
  /** What readers saw when the lock was lost; undefined as long as it is ours. */
  robbedAt: number | undefined
  readonly #process: Process
  /** Offsets that somebody waits for. */
  readonly #waiting = new Map<number, number>()

  constructor(process: Process, number: number, log: PartitionLog) {
    this.#process = process
    this.number = number
    this.log = log
    this.model = process.world.models[number]!
    this.seenFrom = log.nextOffset
  }

  get name(): string {
    return `t-${this.number}`
  }

  check(condition: boolean, what: () => string): asserts condition {
    this.#process.world.check(condition, () => `${this.name}: ${what()}`)
  }

  /** What readers can see now must be there later. */
  noteSeen(): void {
    const { log, model, robbedAt } = this
    if (log.state === 'closed') return
    const { highWatermark } = log
    this.check(robbedAt === undefined || highWatermark <= robbedAt, () => `${highWatermark} is acknowledged, and the lock was lost at ${robbedAt}`)
    model.acknowledged = Math.max(model.acknowledged, Math.min(highWatermark, model.cutting))
  }

  /** Appends a record; undefined when it was refused. */
  append(record: NewRecord): number | undefined {
    const { key, value, timestamp } = record
    const input = { value, ...(key !== null && { key }), ...(timestamp !== undefined && { timestamp }) }
    const offset = this.tryAppend(() => this.log.append(bytesCodecs, input))
    if (offset === undefined) return undefined
    const appendTime = this.#process.world.settings.config.messageTimestampType === 'LogAppendTime'
    this.#add({ baseOffset: offset, records: [{ offset, key, value, timestamp: appendTime ? undefined : timestamp }] })
    return offset
  }

  /** Appends the next batch of a producer. */
  appendBatch(producer: ModelProducer, values: readonly Buffer[]): void {
    const timestamp = this.#process.world.clock.now()
    const bytes = encodeBatch(values.map((value) => ({ value, timestamp })), {
      producerId: producer.id, producerEpoch: producer.epoch, baseSequence: producer.baseSequence, transactional: producer.transactional,
    })
    this.#appendReady(producer, bytes, values, timestamp)
  }

  /** Appends the marker that ends the transaction of a producer, perhaps none at all, under the epoch that is given. */
  endTransaction(producer: Pick<ModelProducer, 'id' | 'epoch'>, type: 'COMMIT' | 'ABORT'): void {
    const timestamp = this.#process.world.clock.now()
    const bytes = encodeEndTransactionMarker({ type, coordinatorEpoch: 0, timestamp, producerId: producer.id, producerEpoch: producer.epoch })
    this.#appendReady({ ...producer, baseSequence: -1, transactional: true }, bytes, [null], timestamp, type)
  }

  /** Runs an append; what it is refused with must have a reason. A coordinator is not told of what others have lost. */
  tryAppend<T>(append: () => T, coordinator = false): T | undefined {
    const loss = coordinator ? 'none' : this.loss
    if (!coordinator) this.loss = 'none'       // what is lost from here on is another loss
    try {
      const result = append()
      this.check(loss !== 'owed', () => 'records were lost, nobody was told, and an append goes on')
      this.#process.world.counts.appends++
      return result
    } catch (error) {
      const code = refusals.find((one) => isLogError(error, one))
      if (code === undefined) throw error
      this.#process.world.note(`    refused: ${code}`)
      this.#checkRefusal(code, loss)
      return undefined
    }
  }

  /** Waits for an offset, and checks what comes of it. */
  wait(offset: number): void {
    const { model, log } = this
    const process = this.#process
    const unit = model.at(offset)
    const epoch = log.leaderEpoch
    this.#waiting.set(offset, (this.#waiting.get(offset) ?? 0) + 1)
    process.track(log.durable(offset).then(() => {
      this.#waits(offset)
      if (!process.alive) return
      const reached = log.durableOffset > offset || log.leaderEpoch > epoch
      this.check(reached, () => `offset ${offset} is called durable, and only ${log.durableOffset} is acknowledged`)
      this.check(unit === undefined || !unit.refused, () => `offset ${offset} is called durable, and it was lost`)
      if (unit !== undefined && model.units.includes(unit)) model.acknowledged = Math.max(model.acknowledged, offset + 1)
    }, (error: unknown) => {
      this.#waits(offset)
      if (!process.alive) return
      this.check(isLogError(error), () => `waiting for offset ${offset} failed: ${told(error)}`)
      const gone = unit === undefined || unit.refused || !model.units.includes(unit) || log.state !== 'open'
      this.check(gone || isLogError(error, 'LOG_APPEND_LOST'), () => `offset ${offset} is called lost, and it is there: ${told(error)}`)
    }))
  }

  /** Runs what waits for everything appended so far, and checks that a failure has a reason. True when it succeeded. */
  async everything(work: () => Promise<unknown>): Promise<boolean> {
    const process = this.#process
    const { loss } = this
    this.flushing++
    this.loss = 'none'       // if something was lost before, it is told now
    const running = work()
    try {
      await running
      if (process.alive) this.check(loss !== 'owed', () => 'records were lost, nobody was told, and a flush succeeds')
      return process.alive
    } catch (error) {
      if (process.alive) this.#checkFailure(error, loss)
      return false
    } finally {
      this.flushing--
    }
  }

  /** The log says that it lost what was appended. */
  lost(event: LossEvent): void {
    this.model.refuse(event.from, event.end)
    if (event.type === 'fenced') this.loss = 'none'       // every call tells
    else if (this.flushing > 0) this.loss = 'possible'
    else if (event.end > event.from && Math.max(-1, ...this.#waiting.keys()) < event.end - 1) this.loss = 'owed'
  }

  /** What a producer is, as far as the log knows: what is appended, acknowledged or not. */
  producer(id: bigint): ProducerModel | undefined {
    return this.model.producers().producers.get(id)
  }

  #checkFailure(error: unknown, loss: Partition['loss']): void {
    const { faulty, robbed, world } = this.#process
    this.check(isLogError(error), () => `a call failed: ${told(error)}`)
    const reason = faulty || robbed || loss !== 'none' || this.log.state !== 'open' || world.settings.capacity < PLENTY
    this.check(reason, () => `a call failed without a reason: ${told(error)}`)
  }

  #checkRefusal(code: LogErrorCode, loss: Partition['loss']): void {
    const { world, faulty } = this.#process
    if (code === 'LOG_APPEND_LOST') {
      this.check(loss !== 'none', () => 'an append is refused for a loss that was told already')
    } else this.check(loss !== 'owed', () => `records were lost, nobody was told, and an append is refused with ${code}`)
    if (code === 'LOG_FENCED') this.check(this.log.state === 'fenced', () => 'an append is refused as by a fence, and there is none')
    if (code === 'LOG_DISK_FULL') {
      this.check(world.settings.capacity < PLENTY || faulty, () => 'an append is refused for want of room, and there is some')
    }
    if (code === 'LOG_BUFFER_FULL') this.check(this.#process.env.buffer.full, () => 'an append is refused by a buffer that has room')
  }

  #appendReady(
    producer: ModelProducer, bytes: Buffer, values: readonly (Buffer | null)[], timestamp: number, marker?: 'COMMIT' | 'ABORT',
  ): void {
    const coordinator = marker !== undefined
    const answer = this.tryAppend(() => this.log.appendBatch(bytes, coordinator ? 'coordinator' : 'client'), coordinator)
    if (answer === undefined) return
    this.check(!answer.duplicate, () => `a new batch of producer ${producer.id} is taken for a duplicate`)
    const { baseOffset, lastOffset } = answer
    this.check(lastOffset - baseOffset === values.length - 1, () => `${values.length} records got offsets ${baseOffset}..${lastOffset}`)
    const kept = this.#process.world.settings.config.messageTimestampType === 'LogAppendTime' ? undefined : timestamp
    const records = values.map((value, index): ModelRecord => ({ offset: baseOffset + index, key: null, value, timestamp: kept }))
    this.#add({ baseOffset, records, producer, marker, bytes })
    this.#process.world.counts.batches++
  }

  #add(added: Pick<Unit, 'baseOffset' | 'records'> & Partial<Pick<Unit, 'producer' | 'marker' | 'bytes'>>): void {
    const { model, log } = this
    this.check(added.baseOffset >= model.given, () => `offset ${added.baseOffset} is given out again: ${model.given} is the next one`)
    model.add({
      producer: undefined, marker: undefined, bytes: undefined, ...added,
      lastOffset: added.records.at(-1)!.offset, leaderEpoch: log.leaderEpoch, refused: false,
    })
  }

  #waits(offset: number): void {
    const count = this.#waiting.get(offset)!
    if (count === 1) this.#waiting.delete(offset)
    else this.#waiting.set(offset, count - 1)
  }
}
