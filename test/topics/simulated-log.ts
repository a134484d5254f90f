/*
 * A log over a simulated disk, and the ledgers of what it was told and what it promised: the words of which sweeps (sweeps.test.ts) and
 * crashes (crashes.test.ts) are made. Errors are caught and kept here, since whoever breaks a disk wants to see what comes after.
 */
import { seededRandom } from '../../src/base/random.ts'
import { encodeBatch } from '../../src/format/batch.ts'
import { encodeEndTransactionMarker } from '../../src/format/control.ts'
import { CommitLog, isLogError, type LogNotice, type Partition, string, type Topic, type TopicSettings } from '../../src/index.ts'
import { ManualClock } from '../../src/testing/manual-clock.ts'
import { type SimulatedDisk } from '../../src/testing/simulated-disk.ts'
import { check, Ledger, type LedgerEnd, type LedgerTransaction } from './ledger.ts'

export const FOLDER = '/log'
export const PARTITIONS = 2

/** Settings, drawn from a seed, with which a few records fill batches, index entries and segments. */
export function smallSettings(seed: number): TopicSettings {
  const random = seededRandom(seed)
  const pick = <T>(...choices: readonly T[]): T => choices[random.int(choices.length)]!
  return {
    segmentBytes: pick(700, 700, 1500), batchSize: pick(300, 600), maxMessageBytes: 600, indexIntervalBytes: pick(0, 100, 300),
    segmentIndexBytes: pick(24, 1000), messageTimestampType: pick('CreateTime', 'LogAppendTime'), compressionType: pick('producer', 'gzip'),
  }
}

/** What waits longer than so many turns of the event loop stands still. */
const MOST_TURNS = 5000
/** Turns without a call to the disk after which none is taken to come any more. */
const QUIET_TURNS = 6

type Values = readonly (string | null)[]

/** One process that has the log open. */
export class SimulatedLog {
  readonly disk: SimulatedDisk
  readonly ledgers: readonly Ledger[]
  readonly settings: TopicSettings
  readonly clock: ManualClock
  /** What failed so far. */
  readonly failures: unknown[] = []
  /** Nothing is open: not yet, not any more, or because it could not be opened. */
  closed = true
  #log: CommitLog | undefined
  #topic: Topic<string, string> | undefined
  #values = 0

  constructor(disk: SimulatedDisk, settings: TopicSettings, ledgers: readonly Ledger[] = Array.from({ length: PARTITIONS }, () => new Ledger())) {
    this.disk = disk
    this.settings = settings
    this.ledgers = ledgers
    this.clock = new ManualClock({ settle: () => quiet(disk) })
  }

  /** Opens log and topic; what fails is thrown, with everything closed again. */
  async open(): Promise<void> {
    const { disk, clock, settings } = this
    this.#log = await ended(CommitLog.open(FOLDER, {
      files: disk, clock, random: seededRandom(disk.seed), onEvent: (event) => this.#note(event),
    }))
    try {
      this.#topic = await ended(this.#log.topic('t', { partitions: PARTITIONS, key: string, value: string, ...settings }))
      this.closed = false
    } catch (error) {
      await this.close().catch(() => {})
      throw error
    }
  }

  /** Closes everything; what fails is thrown. */
  async close(): Promise<void> {
    this.closed = true
    await ended(this.#log!.close())
  }

  /** Waits until nothing is under way. */
  quiet(): Promise<void> {
    return quiet(this.disk)
  }

  partition(number: number): Partition<string, string> {
    return this.#topic!.partition(number)
  }

  /** A value like no other. */
  value(size = 10): string {
    return `${++this.#values} of ${this.disk.seed}`.padEnd(size, '.')
  }

  /** Runs `work`, and keeps the error that it fails with. */
  async attempt<T>(work: () => Promise<T>): Promise<T | undefined> {
    try {
      return await ended(work())
    } catch (error) {
      this.failures.push(error)
      return undefined
    }
  }

  /** Appends records without waiting for anything; gives the offset of the last one that was taken. */
  append(number: number, ...values: Values): number | undefined {
    const partition = this.partition(number)
    let last: number | undefined
    for (const value of values) {
      const undo = this.ledgers[number]!.add(partition.nextOffset, value)
      try {
        last = partition.append({ key: value === null ? 'k' : null, value, ...(value?.length === 13 && { headers: { h: value } }) })
      } catch (error) {
        undo()
        this.failures.push(error)
      }
    }
    return last
  }

  /** Appends records and waits until they are acknowledged. */
  async store(number: number, ...values: Values): Promise<void> {
    const last = this.append(number, ...values)
    if (last !== undefined) await this.durable(number, last)
  }

  /** Waits for a record; what was lost must be told. */
  async durable(number: number, offset: number): Promise<void> {
    const ledger = this.ledgers[number]!
    await this.attempt(() => this.partition(number).durable(offset).then(() => {
      check(!ledger.isLost(offset), () => `offset ${offset} is called durable, and it was lost`)
      ledger.acknowledge(offset + 1)
    }))
  }

  /** Sends records to all partitions at once. */
  async send(values: Values): Promise<void> {
    const ends = this.ledgers.map((_, number) => this.partition(number).nextOffset)
    const records = values.map((value, index) => ({ key: 'k', value, partition: index % PARTITIONS }))
    const sent = records.map(({ value, partition }) => {
      const offset = ends[partition]!++
      return { partition, offset, undo: this.ledgers[partition]!.add(offset, value) }
    })
    await this.attempt(async () => {
      try {
        const results = await this.#topic!.send(records)
        for (const { partition, offset } of results) this.#acknowledge(partition, offset)
      } catch (error) {
        if (!isLogError(error, 'LOG_SEND_FAILED')) throw error
        for (const [index, result] of (error.detail['results'] as (Error | { offset: number })[]).entries()) {
          const { partition, offset, undo } = sent[index]!
          if ('offset' in result) this.#acknowledge(partition, offset)
          else if (offset >= this.partition(partition).nextOffset) undo()
        }
        throw error
      }
    })
  }

  /** A transaction of some records, ended or left open. */
  async transact(number: number, id: number, values: readonly string[], end: 'COMMIT' | 'ABORT' | undefined): Promise<void> {
    const producer = { producerId: BigInt(id), producerEpoch: 0 }
    const timestamp = this.clock.now()
    const transaction: LedgerTransaction = { endsAt: Infinity, aborted: end === 'ABORT' }
    const batch = values.map((value) => ({ value: Buffer.from(value), timestamp }))
    this.#appendReady(number, encodeBatch(batch, { ...producer, baseSequence: 0, transactional: true }), values, transaction)
    if (end === undefined) return
    const marker = encodeEndTransactionMarker({ type: end, coordinatorEpoch: 0, timestamp, ...producer })
    transaction.endsAt = this.partition(number).nextOffset
    this.#appendReady(number, marker, [undefined], transaction)
    await this.durable(number, transaction.endsAt)
  }

  async flush(number: number): Promise<void> {
    const end = this.partition(number).nextOffset
    await this.attempt(() => this.partition(number).flush().then(() => this.ledgers[number]!.flushed(end)))
  }

  async roll(number: number): Promise<void> {
    await this.attempt(() => this.partition(number).roll())
  }

  /** Cuts a partition to `offset`; the batch that holds it begins at `batchStart`. */
  async cut(number: number, offset: number, batchStart = offset): Promise<void> {
    const ledger = this.ledgers[number]!
    const partition = this.partition(number)
    ledger.cutting = batchStart
    ledger.cuttingTo = offset
    await this.attempt(() => partition.truncate(offset).then(() => {
      ledger.cut()
      check(partition.nextOffset === offset, () => `after a cut to ${offset} the next offset is ${partition.nextOffset}`)
    }))
    if (partition.stats().state === 'open') ledger.notCut()
  }

  /** Opens what is fenced again. */
  async reopen(number: number): Promise<void> {
    const partition = this.partition(number)
    if (partition.stats().state !== 'fenced') return
    await this.attempt(() => partition.reopen())
    if (partition.stats().state === 'open') this.ledgers[number]!.reopened(partition.durableOffset)
  }

  /** Lets time pass, and what waits for it happen. */
  async pass(ms: number): Promise<void> {
    const ends = this.ledgers.map((_, number) => this.partition(number).durableOffset)
    await ended(this.clock.advance(ms))
    if (this.settings.durability !== 'interval') return
    for (const [number, end] of ends.entries()) if (this.partition(number).stats().state === 'open') this.ledgers[number]!.flushed(end)
  }

  /** Whoever reads sees what is there. */
  async read(number: number): Promise<void> {
    const { startOffset, highWatermark } = this.partition(number)
    await this.attempt(async () => {
      for (let from = startOffset; from < highWatermark; from += 7) [...this.partition(number).read({ from, to: from + 1 })]
    })
    await this.attempt(async () => {
      for await (const record of this.#topic!.consumer({ partitions: [number], until: 'end' })) record.value
    })
  }

  /** The ledgers as a crash at this moment leaves them: what readers can see now is promised too. */
  promised(): Ledger[] {
    return this.ledgers.map((ledger, number) => {
      const copy = ledger.copy()
      const partition = this.#topic?.partition(number)
      if (!this.closed && partition !== undefined) copy.acknowledge(partition.highWatermark)
      return copy
    })
  }

  /** Holds every partition, opened just now, against its ledger. */
  compareOpened(end: LedgerEnd): void {
    for (const [number, ledger] of this.ledgers.entries()) ledger.compareOpened(this.partition(number), end)
  }

  /** Holds every partition against its ledger. */
  compare(): void {
    for (const [number, ledger] of this.ledgers.entries()) ledger.compare(this.partition(number))
  }

  #appendReady(number: number, batch: Buffer, values: readonly (string | undefined)[], transaction: LedgerTransaction): void {
    const { nextOffset } = this.partition(number)
    for (const [index, value] of values.entries()) this.ledgers[number]!.add(nextOffset + index, value, transaction)
    // Nothing at the public door begins transactions yet.
    this.partition(number)['log'].appendBatch(batch, values[0] === undefined ? 'coordinator' : 'client')
  }

  #acknowledge(number: number, offset: number): void {
    check(!this.ledgers[number]!.isLost(offset), () => `offset ${offset} is called stored, and it was lost`)
    this.ledgers[number]!.acknowledge(offset + 1)
  }

  #note(event: LogNotice): void {
    if (event.type === 'fenced' || event.type === 'disk-full') this.ledgers[event.partition]!.refuse(event.from, event.end)
  }
}

/** Waits for `work`; one that never ends is an error. */
export async function ended<T>(work: Promise<T>): Promise<T> {
  let outcome: { readonly value: T } | { readonly error: unknown } | undefined
  work.then((value) => { outcome = { value } }, (error: unknown) => { outcome = { error } })
  for (let turn = 0; outcome === undefined && turn < MOST_TURNS; turn++) await nextTurn()
  check(outcome !== undefined, () => 'it stands still')
  if ('error' in outcome!) throw outcome.error
  return outcome!.value
}

/** Waits until nobody calls the disk any more. */
export async function quiet(disk: SimulatedDisk): Promise<void> {
  for (let turns = 0; turns < QUIET_TURNS; turns++) {
    if (disk.underWay.length > 0) turns = 0
    await nextTurn()
  }
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
