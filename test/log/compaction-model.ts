/*
 * A compacted log next to a naive model of it: every record that was ever appended, and which of them readers must, may and must not see.
 * What the cleaner does to bytes is not looked at here, only what readers get.
 */
import { createFolderDurably } from '../../src/files/write-fully.ts'
import { type BatchRecord, encodeBatch } from '../../src/format/batch.ts'
import { type CompressionName } from '../../src/format/compression.ts'
import { encodeEndTransactionMarker } from '../../src/format/control.ts'
import { type LogConfig } from '../../src/log/config.ts'
import { CleanerCheckpoint } from '../../src/log/cleaner-checkpoint.ts'
import { type PartitionLog } from '../../src/log/partition-log.ts'
import { verifyPartition } from '../../src/log/verify.ts'
import { ManualClock } from '../../src/testing/manual-clock.ts'
import { SimulatedDisk } from '../../src/testing/simulated-disk.ts'
import { type Opened, openLog, textCodecs, TOPIC_ID } from './harness.ts'

/** A record that was appended. */
export interface Entry {
  readonly offset: number
  readonly key: string
  readonly value: string | null
  /** Of the transaction that it belongs to; undefined without one. */
  readonly transaction: { state: 'open' | 'committed' | 'aborted' } | undefined
  /** When a cleaning first met it as a tombstone that stays. */
  metAt: number | undefined
}

/** What happens to a log. */
export type Step =
  | { readonly do: 'append'; readonly key: number; readonly tombstone: boolean }
  | { readonly do: 'batch'; readonly keys: readonly number[]; readonly compression: CompressionName; readonly producer: number }
  | { readonly do: 'transaction'; readonly keys: readonly number[]; readonly producer: number }
  | { readonly do: 'end'; readonly producer: number; readonly type: 'COMMIT' | 'ABORT' }
  | { readonly do: 'roll' | 'reopen' }
  | { readonly do: 'clean'; readonly whole: boolean }
  | { readonly do: 'wait'; readonly ms: number }
  /** The process ends, or a call to the disk fails, so many calls after a cleaning began. */
  | { readonly do: 'disturbed'; readonly calls: number; readonly by: 'kill' | 'power cut' | 'failure' }

export const DELETE_RETENTION_MS = 1000

const settings: Partial<LogConfig> = {
  cleanupPolicy: 'compact', segmentBytes: 600, batchSize: 200, indexIntervalBytes: 100, deleteRetentionMs: DELETE_RETENTION_MS,
}

interface Producer {
  sequence: number
  transaction: { state: 'open' | 'committed' | 'aborted' } | undefined
}

/** A log and its model. */
export class CompactedLog {
  readonly clock = new ManualClock()
  readonly config: Partial<LogConfig>
  entries: Entry[] = []
  disk: SimulatedDisk
  opened!: Opened
  readonly #bufferBytes: number
  readonly #producers = new Map<number, Producer>()

  constructor(disk: (clock: ManualClock) => SimulatedDisk, options: { readonly bufferBytes?: number; readonly config?: Partial<LogConfig> } = {}) {
    this.disk = disk(this.clock)
    this.#bufferBytes = options.bufferBytes ?? Infinity
    this.config = { ...settings, ...options.config }
  }

  /** The same records on what a crash left of the disk. */
  after(disk: SimulatedDisk): CompactedLog {
    const next = new CompactedLog(() => disk, { bufferBytes: this.#bufferBytes, config: this.config })
    next.entries = this.entries.map((entry) => ({ ...entry }))
    next.clock.setNow(this.clock.now())
    return next
  }

  get log(): PartitionLog {
    return this.opened.log
  }

  async open(disk = this.disk): Promise<void> {
    this.disk = disk
    await createFolderDurably(disk, '/log')
    this.opened = await openLog(disk, '/log', this.config, {
      clock: this.clock, cleaner: { checkpoint: new CleanerCheckpoint(disk, '/log'), bufferBytes: this.#bufferBytes },
    })
  }

  async run(step: Step): Promise<void> {
    switch (step.do) {
      case 'append': return this.#append(`k${step.key}`, step.tombstone ? null : `v${this.log.nextOffset}`)
      case 'batch': return this.#batch(step.keys, { compression: step.compression, producer: step.producer })
      case 'transaction': return this.#batch(step.keys, { compression: 'none', producer: 10 + step.producer, transactional: true })
      case 'end': return this.#end(10 + step.producer, step.type)
      case 'roll': return this.log.roll()
      case 'reopen': {
        await this.opened.close()
        return this.open()
      }
      case 'clean': return this.clean(step.whole)
      case 'wait': return this.clock.advance(step.ms)
      case 'disturbed': return step.by === 'failure' ? this.#failing(step.calls) : this.#crashing(step.calls, step.by === 'power cut')
    }
  }

  /** Cleans once, or until all is looked at; tells the model before, since a crash may come in between. */
  async clean(whole = true): Promise<void> {
    for (let round = 0; ; round++) {
      if (round === 500) throw new Error('cleanings do not get on')
      const now = this.clock.now()
      const report = await this.log.clean({ now })
      // One that ends in the middle of a segment has met all of it.
      for (const entry of this.entries) if (entry.value === null && (entry.offset < report.to || !report.complete)) entry.metAt ??= now
      if (report.complete || !whole) return
    }
  }

  /** A cleaning meets a disk that fails once; what became of it is told by a reopen. */
  async #failing(calls: number): Promise<void> {
    const heal = this.disk.failCall(1 + calls)
    const now = this.clock.now()
    await this.log.clean({ now }).catch(() => {})
    heal()
    this.#met(now)
    // A mark that could not be stored is told by the next append.
    if (this.log.state === 'open') await this.#append('k0', 'after a failure').catch(() => {})
    if (this.log.state === 'fenced') await this.log.reopen()
  }

  /** The process ends in the middle of a cleaning. */
  async #crashing(calls: number, power: boolean): Promise<void> {
    const now = this.clock.now()
    const cleaning = this.log.clean({ now }).catch(() => {})
    const end = this.disk.callCount + calls
    let over = false
    void cleaning.then(() => { over = true })
    while (!over && this.disk.callCount < end) await new Promise((resolve) => setImmediate(resolve))
    this.#met(now)
    this.clock.forgetTimers()
    await this.open(this.disk.crash({ power }))
  }

  /** A cleaning that nobody knows the end of may have met every tombstone. */
  #met(now: number): void {
    for (const entry of this.entries) if (entry.value === null) entry.metAt ??= now
  }

  /** What readers of committed records get. */
  read(log = this.log): Pick<Entry, 'offset' | 'key' | 'value'>[] {
    return [...log.read(textCodecs)].map(({ offset, key, value }) => ({ offset, key: key!, value }))
  }

  /**
   * What is wrong with what readers get: nothing that must be there is missing, nothing is there that was not appended, and, below `cleaned`,
   * nothing that must be gone.
   */
  problem(read: readonly Pick<Entry, 'offset' | 'key' | 'value'>[], cleaned = 0): string | undefined {
    const stable = this.entries.find(({ transaction }) => transaction?.state === 'open')?.offset ?? Infinity
    const visible = this.entries.filter(({ offset, transaction }) => offset < stable && transaction?.state !== 'aborted')
    const last = new Map(visible.map(({ key, offset }) => [key, offset]))
    const lastCleaned = new Map(visible.filter(({ offset }) => offset < cleaned).map(({ key, offset }) => [key, offset]))
    const given = new Map(read.map((record) => [record.offset, record]))
    const offsets = read.map(({ offset }) => offset)
    if (offsets.some((offset, index) => index > 0 && offset <= offsets[index - 1]!)) return 'offsets do not rise'
    for (const entry of visible) {
      const record = given.get(entry.offset)
      given.delete(entry.offset)
      const superseded = entry.offset < cleaned && lastCleaned.get(entry.key) !== entry.offset
      const passed = entry.metAt !== undefined && this.clock.now() >= entry.metAt + DELETE_RETENTION_MS
      if (record === undefined) {
        const may = last.get(entry.key) !== entry.offset || (entry.value === null && passed)
        if (!may) return `${told(entry)} is missing`
      } else if (superseded) return `${told(entry)} is there, though ${entry.key} has a later record`
      else if (record.key !== entry.key || record.value !== entry.value) return `${told(entry)} reads as ${told(record)}`
    }
    for (const record of given.values()) return `${told(record)} is there, which nobody may see`
    return undefined
  }

  /** Everything that `commitlog verify` would report as damage. */
  async damage(disk = this.disk): Promise<string[]> {
    const report = await verifyPartition(disk, {
      folder: '/log/t-0', topic: 't', partition: 0, topicId: TOPIC_ID, clock: this.clock, state: this.opened.env.mark.slot(TOPIC_ID, 0).state,
      foreign: undefined, following: false, compacted: true,
    })
    return report.findings.filter(({ kind }) => kind === 'damage').map(({ path, message }) => `${path}: ${message}`)
  }

  async #append(key: string, value: string | null): Promise<void> {
    const offset = this.log.append(textCodecs, { key, value, timestamp: this.clock.now() })
    await this.log.durable(offset)
    this.entries.push({ offset, key, value, transaction: undefined, metAt: undefined })
  }

  async #batch(keys: readonly number[], how: { compression: CompressionName; producer: number; transactional?: boolean }): Promise<void> {
    const producer = this.#producer(how.producer)
    if (how.transactional === true) producer.transaction ??= { state: 'open' }
    const { transaction } = producer
    const base = this.log.nextOffset
    const records = keys.map((key, index): BatchRecord & { key: Buffer; value: Buffer | null } => ({
      key: Buffer.from(`k${key}`), value: key % 5 === 4 ? null : Buffer.from(`v${base + index}`), timestamp: this.clock.now(),
    }))
    const { baseOffset, lastOffset } = this.log.appendBatch(encodeBatch(records, {
      compression: how.compression, producerId: BigInt(how.producer), producerEpoch: 0, baseSequence: producer.sequence,
      transactional: how.transactional === true,
    }))
    producer.sequence += keys.length
    for (const [index, { key, value }] of records.entries()) {
      this.entries.push({ offset: baseOffset + index, key: key.toString(), value: value?.toString() ?? null, transaction, metAt: undefined })
    }
    await this.log.durable(lastOffset)
  }

  async #end(number: number, type: 'COMMIT' | 'ABORT'): Promise<void> {
    const producer = this.#producer(number)
    if (producer.transaction === undefined) return
    const { lastOffset } = this.log.appendBatch(encodeEndTransactionMarker({
      type, timestamp: this.clock.now(), producerId: BigInt(number), producerEpoch: 0, coordinatorEpoch: 0,
    }), 'coordinator')
    await this.log.durable(lastOffset)
    producer.transaction.state = type === 'COMMIT' ? 'committed' : 'aborted'
    producer.transaction = undefined
  }

  #producer(number: number): Producer {
    let producer = this.#producers.get(number)
    if (producer === undefined) this.#producers.set(number, (producer = { sequence: 0, transaction: undefined }))
    return producer
  }
}

function told({ offset, key, value }: Pick<Entry, 'offset' | 'key' | 'value'>): string {
  return `${offset} ${key}=${value}`
}
