/*
 * One simulated life of a log: random appends, reads, rolls, truncations and faults over a disk that may break every promise it has not
 * synced, through several processes that close in good order, are killed, or lose their power. After each of them the log is compared
 * with a model that is a plain array:
 *
 *   - nothing acknowledged is lost: as far as its durability promises for this kind of crash,
 *   - nothing is invented: what is there was appended at that offset, in that order, with those bytes,
 *   - what a cut or a fence took away does not come back.
 *
 * Everything is drawn from one seed; a failure names it.
 */
import { isLogError } from '../../src/base/errors.ts'
import { type Random, seededRandom } from '../../src/base/random.ts'
import { crc32c } from '../../src/base/crc32c.ts'
import { encodeBatch } from '../../src/format/batch.ts'
import { defaultLogConfig, durabilities, type LogConfig } from '../../src/log/config.ts'
import { type LogEnvironment, type LogEvent } from '../../src/log/environment.ts'
import { PartitionLog } from '../../src/log/partition-log.ts'
import { ManualClock } from '../../src/testing/manual-clock.ts'
import { SimulatedDisk } from '../../src/testing/simulated-disk.ts'
import { bytesCodecs, environment } from '../log/harness.ts'

const ROOT = '/log'

/** What a run did, for the counts that are printed. */
export interface SimulationResult {
  readonly appends: number
  readonly powerCuts: number
  readonly kills: number
  readonly closes: number
  readonly faults: number
}

interface Entry {
  readonly offset: number
  readonly value: Buffer
  /** It was refused after all: it may be there, since nobody knows how much of a failed write was stored, and need not. */
  refused?: boolean
}

/** What must be true of one partition. */
class Model {
  /** What was appended and may be there, by rising offsets. */
  entries: Entry[] = []
  /** Everything below is acknowledged. */
  acknowledged = 0
  /** Everything below is synced: some flush said so. */
  flushed = 0
  /** A cut that was under way when the process ended may have happened or not: from here on even acknowledged records may be gone. */
  cutting = Infinity

  add(offset: number, value: Buffer): void {
    this.entries.push({ offset, value })
  }

  refuse(from: number, end: number): void {
    for (const entry of this.entries) if (entry.offset >= from && entry.offset < end) entry.refused = true
  }

  dropFrom(offset: number): void {
    this.entries = this.entries.filter((entry) => entry.offset < offset)
    this.acknowledged = Math.min(this.acknowledged, offset)
    this.flushed = Math.min(this.flushed, offset)
  }
}

/** Thrown when the log is wrong; everything else that is thrown is wrong as well. */
export class SimulationFailure extends Error {}

/** Lives through the life that `seed` describes. Throws what was wrong with it. */
export async function simulate(seed: number): Promise<SimulationResult> {
  return new Simulation(seed).run()
}

class Simulation {
  readonly #random: Random
  readonly #config: LogConfig
  readonly #models: Model[]
  readonly #clock = new ManualClock()
  readonly #counts = { appends: 0, powerCuts: 0, kills: 0, closes: 0, faults: 0 }
  #disk: SimulatedDisk
  #env!: LogEnvironment
  #logs: PartitionLog[] = []
  #value = 0
  #sequences: number[] = []
  #pending: Promise<unknown>[] = []
  #crashed = false

  constructor(seed: number) {
    const random = seededRandom(seed)
    this.#random = random
    const pick = <T>(...items: T[]): T => items[random.int(items.length)]!
    this.#config = {
      ...defaultLogConfig,
      durability: pick('sync', 'sync', ...durabilities),
      segmentBytes: pick(500, 2000, 10_000, 100_000),
      batchSize: pick(100, 400, 4000),
      indexIntervalBytes: pick(0, 100, 1000),
      maxMessageBytes: 20_000,
      segmentIndexBytes: pick(64, 1000, 100_000),
      flushIntervalMs: 10,
      lingerMs: pick(0, 0, 0, 5),
      compressionType: pick('producer', 'producer', 'gzip'),
    }
    this.#models = Array.from({ length: pick(1, 1, 2, 3) }, () => new Model())
    this.#sequences = this.#models.map(() => 0)
    this.#disk = new SimulatedDisk({ seed: random.int(2 ** 32), clock: this.#clock })
    this.#disk.createFolderSync(ROOT)
  }

  async run(): Promise<SimulationResult> {
    this.#trace(this.#config)
    await this.#disk.syncFolder('/')
    const processes = 1 + this.#random.int(5)
    for (let number = 0; number < processes; number++) {
      const how = this.#choose([4, 'power'], [2, 'kill'], [2, 'close'])
      await this.#openAll(number)
      await this.#live()
      await this.#end(how)
    }
    this.#disk.heal()
    await this.#openAll(processes)
    await this.#closeAll()
    return this.#counts
  }

  /** Opens every partition and compares it with its model; sometimes the process dies while it opens, and another opens. */
  async #openAll(number: number): Promise<void> {
    for (let attempt = 0; ; attempt++) {
      this.#crashed = false
      const dies = number > 0 && attempt < 2 && this.#random.int(4) === 0
      if (dies) this.#crashSoon(this.#random.int(60))
      try {
        const opened = await Promise.race([this.#openPartitions(), this.#untilCrash()])
        if (opened !== undefined) {
          this.#logs = opened
          break
        }
      } catch (error) {
        if (!this.#crashed) throw error
      }
      this.#disk = this.#next!
    }
    this.#crashPlan = undefined
    this.#trace('opened', this.#disk.crashNotes, this.#logs.map((log) => JSON.stringify(log.recovery)))
    for (const [partition, log] of this.#logs.entries()) this.#compare(partition, log)
    this.#powerLost = false
  }

  async #openPartitions(): Promise<PartitionLog[]> {
    const disk = this.#disk
    this.#env = await environment(disk, ROOT, { clock: this.#clock, emit: (event) => { if (disk === this.#disk) this.#note(event) } })
    await disk.syncFolder(ROOT)
    return Promise.all(this.#models.map((_, partition) => this.#open(partition)))
  }

  #next: SimulatedDisk | undefined
  #crashPlan: { left: number; resolve: () => void } | undefined

  /** Lets the power fail at one of the next turns of the event loop, in the middle of whatever runs then. */
  #crashSoon(turns: number): void {
    const plan = { left: turns, resolve: (): void => {} }
    this.#crashPlan = plan
    const disk = this.#disk
    const power = this.#random.int(2) === 0
    const tick = (): void => {
      if (this.#crashPlan !== plan) return
      if (plan.left-- > 0) return void setImmediate(tick)
      this.#crashed = true
      this.#powerLost ||= power
      this.#next = disk.crash({ power })
      this.#counts[power ? 'powerCuts' : 'kills']++
      plan.resolve()
    }
    tick()
  }

  #untilCrash(): Promise<undefined> {
    return new Promise((resolve) => {
      if (this.#crashPlan !== undefined) this.#crashPlan.resolve = () => resolve(undefined)
      if (this.#crashed) resolve(undefined)
    })
  }

  async #open(partition: number): Promise<PartitionLog> {
    const folder = `${ROOT}/t-${partition}`
    const known = this.#disk.statSync(`${folder}/partition.metadata`) !== undefined
    return PartitionLog.open(this.#env, {
      folder, topic: 't', partition, topicId: new Uint8Array(16).fill(9), config: this.#config, create: !known,
    })
  }

  /** Compares a freshly opened log with what its model says must and may be there, and makes the model what was found. */
  #compare(partition: number, log: PartitionLog): void {
    const model = this.#models[partition]!
    const found: Entry[] = [...log.read(bytesCodecs, { isolation: 'read_uncommitted' })].map((record) => ({ offset: record.offset, value: Buffer.from(record.value!) }))
    let at = 0
    for (const entry of found) {
      while (at < model.entries.length && model.entries[at]!.offset < entry.offset) {
        const missing = model.entries[at]!
        this.#check(missing.refused === true, `offset ${missing.offset} is missing between others`, partition)
        at++
      }
      const expected = model.entries[at]
      this.#check(expected !== undefined && expected.offset === entry.offset, `offset ${entry.offset} was never appended`, partition)
      this.#check(expected!.value.equals(entry.value), `offset ${entry.offset} has other bytes than were appended`, partition)
      at++
    }
    const end = found.at(-1)?.offset ?? -1
    const lost = model.entries.find((entry) => entry.refused !== true && entry.offset > end && entry.offset < Math.min(this.#promised(model), model.cutting))
    this.#check(lost === undefined, `offset ${lost?.offset} was acknowledged and is lost; the log ends at ${log.nextOffset}`, partition)
    for (const { offset, value } of found.slice(-20)) {
      const [record] = log.read(bytesCodecs, { from: offset, to: offset + 1 })
      this.#check(record !== undefined && Buffer.from(record.value!).equals(value), `a read at offset ${offset} does not give what a scan gives`, partition)
    }
    this.#check(log.nextOffset > end, `the next offset ${log.nextOffset} is not past ${end}`, partition)
    model.entries = found
    model.acknowledged = model.flushed = log.nextOffset
    model.cutting = Infinity
  }

  #powerLost = false

  /** What must still be there after the crash that was. */
  #promised(model: Model): number {
    return this.#powerLost && this.#config.durability !== 'sync' ? model.flushed : model.acknowledged
  }

  async #live(): Promise<void> {
    const steps = this.#random.int(50)
    this.#pending = []
    for (let step = 0; step < steps; step++) {
      const partition = this.#random.int(this.#logs.length)
      await this.#step(partition)
      if (this.#random.int(3) === 0) await this.#turns(this.#random.int(6))
    }
  }

  #trace(...what: unknown[]): void {
    if (process.env['TRACE'] !== undefined) console.log(...what)
  }

  async #step(partition: number): Promise<void> {
    const log = this.#logs[partition]!
    const model = this.#models[partition]!
    this.#trace(`t-${partition} next ${log.nextOffset} acknowledged ${log.durableOffset} ${log.state}`)
    const action = this.#choose(
      [30, 'append'], [12, 'burst'], [6, 'batch'], [8, 'wait'], [4, 'flush'], [3, 'roll'], [5, 'read'], [2, 'truncate'], [3, 'time'],
      [2, 'fault'], [4, 'reopen'],
    )
    this.#trace(`  ${action}`)
    if (action === 'append') this.#append(partition)
    else if (action === 'burst') for (let left = this.#random.int(40); left > 0; left--) this.#append(partition)
    else if (action === 'batch') this.#appendBatch(partition)
    else if (action === 'wait' && log.nextOffset > 0) this.#track(log.durable(this.#random.int(log.nextOffset)))
    else if (action === 'flush') this.#flush(partition)
    else if (action === 'roll') this.#track(log.roll())
    else if (action === 'read') this.#read(partition)
    else if (action === 'truncate') await this.#truncate(partition)
    else if (action === 'time') await this.#clock.advance(this.#random.int(3000))
    else if (action === 'fault') this.#fault()
    else if (action === 'reopen' && log.state === 'fenced') await this.#reopen(partition)
    this.#noteAcknowledged(log, model)
  }

  #append(partition: number): void {
    const size = this.#choose([10, 20], [3, 300], [1, 5000])
    const value = this.#newValue(this.#random.int(size))
    this.#tryAppend(partition, () => {
      const offset = this.#logs[partition]!.append(bytesCodecs, { value, ...(this.#random.int(2) === 0 && { key: value.subarray(0, 4) }) })
      this.#models[partition]!.add(offset, value)
      if (this.#random.int(4) === 0) this.#acknowledge(partition, offset)
    })
  }

  /** A ready batch of an idempotent producer. */
  #appendBatch(partition: number): void {
    const values = Array.from({ length: 1 + this.#random.int(5) }, () => this.#newValue(this.#random.int(50)))
    const sequence = this.#sequences[partition]!
    const bytes = encodeBatch(values.map((value) => ({ value, timestamp: 1 })), { producerId: BigInt(100 + this.#producerOf(partition)), producerEpoch: 0, baseSequence: sequence })
    this.#tryAppend(partition, () => {
      const { baseOffset, lastOffset, duplicate } = this.#logs[partition]!.appendBatch(bytes)
      this.#check(!duplicate, 'a new batch was taken for a duplicate', partition)
      for (const [index, value] of values.entries()) this.#models[partition]!.add(baseOffset + index, value)
      this.#sequences[partition] = sequence + values.length
      this.#acknowledge(partition, lastOffset)
    })
  }

  #producerOf(partition: number): number {
    return this.#producerNumbers[partition] ?? 0
  }

  /** What a producer wrote last is not known after a loss: it goes on under a new id. */
  #producerNumbers: number[] = []

  #newProducer(partition: number): void {
    this.#producerNumbers[partition] = this.#producerOf(partition) + 1
    this.#sequences[partition] = 0
  }

  #tryAppend(partition: number, append: () => void): void {
    try {
      append()
      this.#counts.appends++
    } catch (error) {
      const expected = ['LOG_APPEND_LOST', 'LOG_FENCED', 'LOG_DISK_FULL', 'LOG_BUFFER_FULL'] as const
      if (!expected.some((code) => isLogError(error, code))) throw error
      this.#newProducer(partition)
    }
  }

  #acknowledge(partition: number, offset: number): void {
    const log = this.#logs[partition]!
    const model = this.#models[partition]!
    this.#track(log.durable(offset).then(() => {
      this.#check(log.durableOffset > offset || log !== this.#logs[partition], 'a promise resolved ahead of the acknowledged offset', partition)
      if (log === this.#logs[partition] && model.entries.some((entry) => entry.offset === offset)) model.acknowledged = Math.max(model.acknowledged, offset + 1)
    }))
  }

  #flush(partition: number): void {
    const log = this.#logs[partition]!
    const model = this.#models[partition]!
    const end = log.nextOffset
    this.#track(log.flush().then(() => {
      if (log !== this.#logs[partition]) return
      model.flushed = Math.max(model.flushed, Math.min(end, log.durableOffset))
      model.acknowledged = Math.max(model.acknowledged, model.flushed)
    }))
  }

  /** What readers can see must be there later: they may have acted on it. */
  #noteAcknowledged(log: PartitionLog, model: Model): void {
    if (log.state !== 'closed') model.acknowledged = Math.max(model.acknowledged, log.highWatermark)
  }

  #read(partition: number): void {
    const log = this.#logs[partition]!
    const model = this.#models[partition]!
    const end = log.highWatermark
    const from = this.#random.int(end + 1)
    const upTo = this.#random.int(3) === 0 && log.state === 'open' ? 'appended' : 'watermark'
    const got = [...log.read(bytesCodecs, { from, isolation: 'read_uncommitted', upTo })]
    const limit = upTo === 'appended' ? log.nextOffset : end
    const expected = model.entries.filter((entry) => entry.offset >= from && entry.offset < limit && entry.refused !== true)
    this.#check(got.length === expected.length, `a read from ${from} to ${limit} gave ${got.map((record) => record.offset)} instead of ${expected.map((entry) => entry.offset)}`, partition)
    for (const [index, record] of got.entries()) {
      this.#check(record.offset === expected[index]!.offset, `a read from ${from} gave offset ${record.offset} for ${expected[index]!.offset}`, partition)
      this.#check(expected[index]!.value.equals(record.value!), `a read gave other bytes at ${record.offset}`, partition)
    }
  }

  #note(event: LogEvent): void {
    this.#trace('  event', JSON.stringify(event))
    if (event.type !== 'disk-full' && event.type !== 'fenced') return
    this.#models[event.partition]!.refuse(event.from, event.end)
    this.#newProducer(event.partition)
  }

  async #truncate(partition: number): Promise<void> {
    const log = this.#logs[partition]!
    const model = this.#models[partition]!
    if (log.state !== 'open' || model.entries.length === 0 || this.#random.int(3) > 0) return
    const offset = this.#random.int(log.nextOffset + 2)
    model.cutting = Math.min(model.cutting, this.#batchStart(model, offset))
    await Promise.race([this.#tracked(log.truncateTo(offset)), this.#turns(200)])
    if (log.state !== 'open' || log.nextOffset > offset) return
    // Whole batches go, so it may be a little more than was asked for; never less, and nothing but the end.
    const left = [...log.read(bytesCodecs, { isolation: 'read_uncommitted' })].map((record) => record.offset)
    const stored = model.entries.filter((entry) => entry.refused !== true).map((entry) => entry.offset)
    model.refuse(offset, Infinity)
    this.#check(left.every((kept, index) => kept === stored[index]) && !(left.at(-1)! >= offset), `a cut to ${offset} left ${left} of ${stored}`, partition)
    model.entries = model.entries.filter((entry) => left.includes(entry.offset))
    model.dropFrom(log.nextOffset)
    model.cutting = Infinity
    this.#newProducer(partition)
  }

  /** A cut takes whole batches, which the model does not know: it may take so many records more. */
  #batchStart(_model: Model, offset: number): number {
    return Math.max(0, offset - 1000)
  }

  #fault(): void {
    this.#counts.faults++
    const kind = this.#choose([2, 'sync'], [1, 'write'], [2, 'short'], [2, 'full'], [1, 'anything'])
    if (kind === 'sync') this.#disk.inject({ verb: 'sync', path: /\.log$/, error: 'EIO', times: 1 })
    if (kind === 'write') this.#disk.inject({ verb: 'write', path: /\.log$/, error: 'EIO', times: 1 })
    if (kind === 'short') this.#disk.inject({ verb: 'write', short: true, times: 5 })
    if (kind === 'full') this.#disk.inject({ verb: 'write', path: /\.log$/, error: 'ENOSPC', times: 1 + this.#random.int(3) })
    if (kind === 'anything') this.#disk.inject({ path: /\.(log|index|timeindex|snapshot)$/, verb: ['write', 'sync', 'truncate', 'open'], error: 'EIO', times: 1 })
  }

  async #reopen(partition: number): Promise<void> {
    const log = this.#logs[partition]!
    const model = this.#models[partition]!
    const durable = log.durableOffset
    this.#disk.heal()
    await Promise.race([this.#tracked(log.reopen()), this.#turns(200)])
    if (log.state !== 'open') return
    model.dropFrom(durable)
    this.#newProducer(partition)
  }

  async #end(how: string): Promise<void> {
    if (how === 'close') {
      this.#disk.heal()
      await this.#closeAll()
      this.#counts.closes++
      return
    }
    await this.#turns(this.#random.int(10))
    for (const [partition, log] of this.#logs.entries()) this.#noteAcknowledged(log, this.#models[partition]!)
    const power = how === 'power'
    this.#disk = this.#disk.crash({ power })
    this.#powerLost ||= power
    this.#counts[power ? 'powerCuts' : 'kills']++
    await this.#turns(3)
    this.#pending = []
    for (const partition of this.#models.keys()) this.#newProducer(partition)
  }

  async #closeAll(): Promise<void> {
    for (const [partition, log] of this.#logs.entries()) {
      const fenced = log.state === 'fenced'
      try {
        await log.close()
        if (!fenced) this.#models[partition]!.flushed = this.#models[partition]!.acknowledged = Math.max(this.#models[partition]!.acknowledged, log.durableOffset)
      } catch (error) {
        if (!isLogError(error)) throw error
      }
    }
    await this.#env.mark.close()
    this.#env.openFiles.closeAll()
    await Promise.all(this.#pending)
    this.#pending = []
    this.#check(this.#disk.openHandles === 0, `${this.#disk.openHandles} files are still open after close`, 0)
    for (const partition of this.#models.keys()) this.#newProducer(partition)
  }

  #track(promise: Promise<unknown>): void {
    this.#pending.push(this.#tracked(promise))
  }

  /** Failures that a fault explains are part of life; anything else is wrong. */
  #tracked(promise: Promise<unknown>): Promise<void> {
    return promise.then(() => {}, (error: unknown) => {
      if (error instanceof SimulationFailure) this.#failure ??= error
      else if (!isLogError(error) && !this.#faulted(error)) this.#failure ??= error as Error
    })
  }

  #failure: Error | undefined

  #faulted(error: unknown): boolean {
    return error instanceof Error && 'code' in error && (error.code === 'EIO' || error.code === 'ENOSPC')
  }

  async #turns(count: number): Promise<void> {
    for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve))
    if (this.#failure !== undefined) throw this.#failure
  }

  #newValue(size: number): Buffer {
    const number = Buffer.alloc(8 + size)
    number.writeUInt32BE(++this.#value)
    number.writeUInt32BE(crc32c(number, 0, 4), 4)
    for (let at = 8; at < number.length; at++) number[at] = this.#random.int(4)
    return number
  }

  #choose<T>(...choices: [weight: number, item: T][]): T {
    let left = this.#random.int(choices.reduce((sum, [weight]) => sum + weight, 0))
    for (const [weight, item] of choices) if ((left -= weight) < 0) return item
    throw new Error('weights are positive')
  }

  #check(condition: boolean, what: string, partition: number): void {
    if (!condition) throw new SimulationFailure(`partition ${partition}, durability '${this.#config.durability}': ${what}`)
  }
}
