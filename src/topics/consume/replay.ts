/*
 * The replay of one partition of dead letters: back to the source topic, or to a handler, from where the one before stopped. What is replayed
 * is kept in mind by a commit of the merger's group, as a consumption keeps what it finished: the lowest that was not replayed, and those above.
 */
import { type PartitionLog } from '../../log/partition-log.ts'
import { type LogRecord, type RecordHeaders } from '../../log/record.ts'
import { groupError } from '../groups/group-error.ts'
import { type CommitRequest } from '../groups/group-messages.ts'
import { type CommitEntry } from '../groups/member.ts'
import { encodedCodecs } from '../held-record.ts'
import { type TopicParts } from '../topic-core.ts'
import { type DeadLetterInfo, originalHeaders, readDeadLetter } from './dead-letter-headers.ts'
import { Delivery } from './delivery.ts'
import { type FinishedSet } from './finished-set.ts'
import { type AsidePlace } from './hand-over.ts'
import { type Handler } from './loop-options.ts'
import { NOT_BEFORE_HEADER, originOf } from './retry-lane.ts'
import { storeTogether } from './store-together.ts'
import { Tracker } from './tracker.ts'

/** A dead letter. */
export class DeadLetter<K, V> {
  /** Where it lies among the dead letters. */
  readonly partition: number
  readonly offset: number
  /** What is said of it: where it came from, who gave it up, and why. */
  readonly info: DeadLetterInfo
  /** Whether it was replayed. */
  readonly replayed: boolean
  /** The record as it lies there; its key and value may be what could not be decoded. */
  readonly record: LogRecord<K, V>

  /** @internal */
  constructor(record: LogRecord<K, V>, replayed: boolean) {
    this.partition = record.partition
    this.offset = record.offset
    this.info = readDeadLetter(record.headers)
    this.replayed = replayed
    this.record = record
  }

  /** The message of the error that it died of; empty when nothing is said. */
  get error(): string {
    return this.info.message ?? ''
  }

  /** The headers that it had before. */
  get headers(): RecordHeaders {
    return originalHeaders(this.record.headers).filter(([name]) => name !== NOT_BEFORE_HEADER) as unknown as RecordHeaders
  }
}

/** Which dead letters are meant. */
export interface DeadLetterRange<K, V> {
  /** Default: all partitions. */
  readonly partition?: number
  /** First offset, among the dead letters. Default: the oldest kept. */
  readonly from?: number
  /** Exclusive. Default: all that there are now. */
  readonly to?: number
  readonly where?: (letter: DeadLetter<K, V>) => boolean
}

/** What is replayed, and to whom. */
export interface ReplayOptions<K, V> extends DeadLetterRange<K, V> {
  /** Gets the records, one after the other, with their original topic, partition, offset and headers. Default: they go back to the source topic. */
  readonly handler?: Handler<K, V>
  /** How often a handler is tried with each. Default 1. */
  readonly attempts?: number
  /** Ends the replay between two dead letters: it rejects with the signal's reason. */
  readonly signal?: AbortSignal
}

/** What became of a replay. */
export interface ReplayReport {
  readonly replayed: number
  /** Those that the handler failed with: they stay. */
  readonly failed: number
  /** Those in the range that were replayed before. */
  readonly before: number
  /** False when the replay ended early: what it left out lies so far below that no more could be kept in mind. Purge, or replay the lowest. */
  readonly complete: boolean
}

/** Dead letters that go back in one transaction. */
const MOST_TOGETHER = 100
/** After so many dead letters the event loop is let turn. */
const LETTERS_PER_TURN = 256

/** The dead letters that a replay is about. */
export interface ReplaySource<K, V> {
  /** The group under which is kept what was replayed. */
  readonly merger: string
  isOurs(letter: DeadLetter<K, V>): boolean
  /** How far a partition was replayed. */
  progress(log: PartitionLog): Promise<{ readonly offset: number; readonly set: FinishedSet }>
}

/** One replay of one partition. */
export class Replay<K, V> {
  readonly #parts: TopicParts<K, V>
  readonly #log: PartitionLog
  readonly #letters: ReplaySource<K, V>
  readonly #options: ReplayOptions<K, V>
  readonly #counts = { replayed: 0, failed: 0, before: 0, complete: true }
  /** Some were handled since the last commit. */
  #dirty = false
  /** Dead letters that go back with the next transaction. */
  #together: { readonly slot: number; readonly place: AsidePlace }[] = []

  constructor(parts: TopicParts<K, V>, log: PartitionLog, letters: ReplaySource<K, V>, options: ReplayOptions<K, V>) {
    this.#parts = parts
    this.#log = log
    this.#letters = letters
    this.#options = options
  }

  async run(): Promise<ReplayReport> {
    const { from = 0, to = Infinity, handler } = this.#options
    const { offset, set } = await this.#letters.progress(this.#log)
    const { startOffset, lastStableOffset } = this.#log
    const tracker = new Tracker({ position: offset, finished: set, maxInFlight: Infinity })
    this.#counts.before += countBetween(this.#log, Math.max(from, startOffset), Math.min(offset, to, lastStableOffset))
    let seen = 0
    try {
      const range = { from: Math.min(Math.max(offset, startOffset), lastStableOffset), to: Math.min(to, lastStableOffset) }
      for (const record of this.#log.read(this.#parts.codecs, range)) {
        this.#options.signal?.throwIfAborted()
        this.#parts.life.check()
        if (!(await this.#replayOne(tracker, record))) break
        if (++seen % LETTERS_PER_TURN > 0) continue
        await new Promise<void>((resolve) => this.#parts.clock.defer(resolve))
        await this.#keep(tracker)
      }
    } finally {
      if (handler === undefined) await this.#flush(tracker)
      else await this.#keep(tracker)
    }
    return this.#counts
  }

  /** False when the replay cannot go on. */
  async #replayOne(tracker: Tracker, record: LogRecord<K, V>): Promise<boolean> {
    const { from = 0, where, handler } = this.#options
    const slot = tracker.add(record.offset)
    if (slot === -1) {
      if (record.offset >= from) this.#counts.before++
      return true
    }
    const letter = new DeadLetter(record, false)
    if (!this.#letters.isOurs(letter)) tracker.finish(slot)
    else if (record.offset >= from && where?.(letter) !== false) {
      if (!tracker.reaches(record.offset)) {
        this.#counts.complete = false
        return false
      }
      if (handler === undefined) await this.#sendBack(tracker, slot, record)
      else if (await this.#handle(handler, record)) {
        tracker.finish(slot)
        this.#dirty = true
      }
    }
    return true
  }

  async #sendBack(tracker: Tracker, slot: number, record: LogRecord<K, V>): Promise<void> {
    const { core } = this.#parts
    const { partition, headers } = originOf(record, record.partition)
    const parts = { ...this.#parts, codecs: encodedCodecs }
    record.detach()
    const { keyBytes: key, valueBytes: value, timestamp } = record
    this.#together.push({ slot, place: { parts, record: { key, value, timestamp, headers, partition: partition % core.logs.length } } })
    if (this.#together.length >= MOST_TOGETHER) await this.#flush(tracker)
  }

  /** Stores what goes back, in one transaction with the commit that keeps it in mind. */
  async #flush(tracker: Tracker): Promise<void> {
    const together = this.#together
    if (together.length === 0) return
    this.#together = []
    const entry = this.#entry(tracker, together.map(({ slot }) => slot))
    await storeTogether(this.#parts, together.map(({ place }) => place), this.#request(entry))
    for (const { slot } of together) tracker.finish(slot)
    this.#counts.replayed += together.length
  }

  /** True when the handler took it. */
  async #handle(handler: Handler<K, V>, record: LogRecord<K, V>): Promise<boolean> {
    const { attempts = 1 } = this.#options
    const { signal } = new AbortController()
    const origin = originOf(record, record.partition)
    for (let attempt = 1; attempt <= attempts; attempt++) {
      try {
        const delivery = new Delivery(record, attempt, { signal: this.#options.signal ?? signal, origin })
        await handler(delivery)
        const { outcome } = delivery
        if (outcome?.type === 'reject') break
        if (outcome?.type === 'release') continue
        this.#counts.replayed++
        return true
      } catch {
        // It stays a dead letter; the next attempt, if there is one, may do better.
      }
    }
    this.#counts.failed++
    return false
  }

  /** Commits what a handler took. */
  async #keep(tracker: Tracker): Promise<void> {
    if (!this.#dirty) return
    this.#dirty = false
    const groups = await this.#parts.log.groups()
    const refused = (await groups.commitOffsets(this.#request(this.#entry(tracker, [])))).find(({ error }) => error !== 'NONE')
    if (refused !== undefined) throw refused.cause ?? groupError(refused.error, this.#letters.merger, refused)
  }

  #entry(tracker: Tracker, also: readonly number[]): CommitEntry {
    const finished = tracker.finishedAbove(also)
    const { topic, partition, leaderEpoch } = this.#log
    const entry = { topic, partition, offset: tracker.committableWith(also), leaderEpoch }
    return finished === undefined ? entry : { ...entry, finished }
  }

  #request(entry: CommitEntry): CommitRequest {
    return { groupId: this.#letters.merger, memberId: '', generation: -1, offsets: [entry] }
  }
}

/** How many records there are between two offsets. */
function countBetween(log: PartitionLog, from: number, to: number): number {
  let count = 0
  if (to > from) for (const _ of log.read(encodedCodecs, { from, to })) count++
  return count
}
