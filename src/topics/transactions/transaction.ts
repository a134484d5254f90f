/*
 * A transaction as a user holds it: records to any topics of one log, and offsets of groups, that count together or not at all.
 *
 * Records are appended to their partitions at once, in batches of the transaction's own, and wait there for its end. What is sent here may be
 * lost like anything that is not acknowledged yet; then the transaction cannot be committed. How it ends is in local-transactions.ts.
 */
import { type InspectOptions } from 'node:util'
import { type Clock } from '../../base/clock.ts'
import { isLogError, LogError } from '../../base/errors.ts'
import { type Inspect, INSPECT, inspected } from '../../base/inspect.ts'
import { describe } from '../../base/options.ts'
import { type PartitionLog } from '../../log/partition-log.ts'
import { type RecordCodecs, type RecordInput } from '../../log/record-input.ts'
import { TransactionPart } from '../../log/transaction-part.ts'
import { waiting, waitingOrTold, type WaitOptions } from '../abort.ts'
import { appendsWatched, tellAppend } from '../diagnostics.ts'
import { type Committing } from '../groups/commit-entries.ts'
import { type GroupCoordinator } from '../groups/coordinator.ts'
import { type GroupConsumer } from '../groups/group-consumer.ts'
import { type CommitRequest } from '../groups/group-messages.ts'
import { encodedCodecs, type HeldRecord, heldSize, holdRecord } from '../held-record.ts'
import { eventTopicError } from '../event-topics.ts'
import { internalTopicError, isInternalTopic } from '../internal-topics.ts'
import { type Life } from '../life.ts'
import { refuseRecord } from '../partition.ts'
import { PartitionChooser } from '../partitioner.ts'
import { type SendRecord, type SendResult, stamped } from '../producer.ts'
import { type Topic } from '../topic.ts'
import { logOf, type TopicParts } from '../topic-core.ts'
import { commitRequestOf } from './commit-request.ts'
import { type ProducerSlot } from './producer-slots.ts'

/**
 * Milliseconds that records of a transaction may wait for its end, so that they go in one round with it. A transaction that stays open for
 * longer has them written meanwhile.
 */
const LINGER_MS = 5

/** Where a transaction is in its life. */
export type TransactionStatus = 'open' | 'committing' | 'committed' | 'aborting' | 'aborted'

/** Most transactions never have anything under way. */
const NONE = new Set<Promise<unknown>>()

/** What ends transactions: see local-transactions.ts. */
export interface TransactionEnder {
  /** Throws unless the topic is one of the log's. */
  checkTopic(parts: Pick<TopicParts<never, never>, 'sends' | 'life'>): void
  commitOffsets(transaction: Transaction, request: CommitRequest): Promise<void>
  commit(transaction: Transaction): Promise<void>
  abort(transaction: Transaction): Promise<void>
}

// `any`, since what it reads does not matter.
/** A consumer of a group, whose user names partitions by `P`. */
export type Committer<P> = GroupConsumer<any, any, P>

/** An offset to commit for a group: of the next record to read. */
export interface GroupOffset {
  readonly topic: string
  readonly partition: number
  readonly offset: number
  readonly metadata?: string
}

/** Choosers of partitions, one for all transactions over a handle of a topic. */
const choosers = new WeakMap<object, object>()

/** A transaction. */
export class Transaction {
  /** The name that makes it the only one of its name; undefined without one. */
  readonly transactionalId: string | undefined
  /** @internal */
  readonly slot: ProducerSlot
  /** @internal Monotonic time at which it is aborted. */
  readonly deadline: number
  /** @internal */
  readonly timeoutMs: number
  /** @internal The handle that it was begun with. */
  readonly life: Life
  /** @internal What it has in each partition. */
  readonly parts = new Map<PartitionLog, TransactionPart>()
  /** @internal */
  status_: TransactionStatus = 'open'
  /** @internal Where it is among those that are open. */
  place = -1
  /** @internal Why it can only be aborted. */
  failure: unknown
  /** @internal Sends and offset commits under way. */
  underWay: Set<Promise<unknown>> = NONE
  /** @internal Its commit. */
  ending: Promise<void> | undefined
  /** @internal Told how it ends, when it commits offsets. */
  groups: GroupCoordinator | undefined
  readonly #ender: TransactionEnder

  /** @internal */
  constructor(ender: TransactionEnder, slot: ProducerSlot, options: {
    readonly transactionalId: string | undefined
    readonly timeoutMs: number
    readonly clock: Clock
    readonly life: Life
  }) {
    this.#ender = ender
    this.slot = slot
    this.transactionalId = options.transactionalId
    this.timeoutMs = options.timeoutMs
    this.deadline = options.clock.monotonic() + options.timeoutMs
    this.life = options.life
  }

  get status(): TransactionStatus {
    return this.status_
  }

  /**
   * Appends a record as a part of the transaction and resolves with its place, which counts once the transaction is committed. A send need not
   * be awaited: one that fails makes `commit` fail.
   *
   * The record is copied before `send` returns, also when it must wait for room (`bufferBytes`).
   *
   * @throws LogError `LOG_TXN_ABORTED`, `LOG_TXN_TIMED_OUT`, `LOG_PRODUCER_FENCED` when the transaction has ended or cannot be committed any more;
   *   `LOG_DISK_FULL`, `LOG_FENCED`, `LOG_RECORD_TOO_LARGE`, `LOG_RECORD_INVALID`, `LOG_TOPIC_INTERNAL`, `LOG_READ_ONLY`, `LOG_CLOSED`
   * @throws TypeError for keys and values that the topic's codecs do not take; RangeError for a partition that is not there
   */
  send<K, V>(topic: Topic<K, V>, record: SendRecord<K, V>, options?: WaitOptions): Promise<SendResult>
  /** Appends records in their order, and resolves with the place of each. */
  send<K, V>(topic: Topic<K, V>, records: readonly SendRecord<K, V>[], options?: WaitOptions): Promise<SendResult[]>
  send<K, V>(
    topic: Topic<K, V>, input: SendRecord<K, V> | readonly SendRecord<K, V>[], options?: WaitOptions,
  ): Promise<SendResult | SendResult[]> {
    if (options !== undefined) return waitingOrTold(options, 'send', () => this.send(topic, input as SendRecord<K, V>))
    try {
      const results = this.#submit(topic, input)
      if (!(results instanceof Promise)) return Promise.resolve(Array.isArray(input) ? results : results[0]!)
      const sent = this.#later(results, Array.isArray(input))
      // Whoever does not await it hears of it from `commit`.
      sent.catch(() => {})
      return sent
    } catch (error) {
      this.#fail(error)
      const failed = Promise.reject(error)
      failed.catch(() => {})
      return failed
    }
  }

  /**
   * Commits offsets of a group with the transaction: what its consumer was handed so far, what is in hand included, or up to and with the
   * records or positions that are named. The consumer has `autoCommit: false`. Resolves when they are stored; they count once the transaction
   * is committed.
   *
   * @throws LogError `LOG_MEMBER_UNKNOWN`, `LOG_GENERATION_STALE`, `LOG_MEMBER_FENCED` when the partitions are somebody else's by now;
   *   `LOG_COMMIT_OUT_OF_RANGE`, and what `send` throws
   */
  commitOffsets<P>(consumer: Committer<P>, what?: Committing<P>, options?: WaitOptions): Promise<void>
  /**
   * Commits offsets, each of the next record to read, for a group that has no consumers: one whose progress you keep yourself. Nothing is asked
   * of members, topics or ends of partitions. A group that is consumed is committed for by its consumer, as above.
   */
  commitOffsets(group: string, offsets: readonly GroupOffset[], options?: WaitOptions): Promise<void>
  commitOffsets<P>(of: Committer<P> | string, what?: Committing<P> | readonly GroupOffset[], options?: WaitOptions): Promise<void> {
    if (options !== undefined) return waitingOrTold(options, 'commitOffsets', () => this.commitOffsets(of as string, what as readonly GroupOffset[]))
    const committed = this.#until(this.#commitOffsets(of, what))
    // Whoever does not await it hears of it from `commit`.
    committed.catch(() => {})
    return committed
  }

  /** @internal As `commitOffsets`, for a request that is made already. */
  async commitRequest(request: CommitRequest): Promise<void> {
    try {
      this.#checkOpen('commitOffsets')
      await this.#until(this.#storeOffsets(request))
    } catch (error) {
      this.#fail(error)
      throw error
    }
  }

  /**
   * Makes everything of the transaction count, and resolves when no crash can undo that. A signal ends the waiting, not the commit; one that is
   * aborted already leaves the transaction open.
   *
   * @throws LogError `LOG_TXN_ABORTED` when something of it was lost: then nothing of it counts; `LOG_TXN_TIMED_OUT`, `LOG_PRODUCER_FENCED`,
   *   `LOG_CLOSED`. After a failed sync or write, `cause` says which, a crash before the next open of the partition may still bring all of it back
   */
  commit(options?: WaitOptions): Promise<void> {
    if (options !== undefined) return waiting(options, 'commit', () => this.commit())
    return this.status_ === 'open' ? this.#ender.commit(this) : Promise.reject(endedError(this, 'commit'))
  }

  /** Makes nothing of the transaction count. One that has been aborted already is left alone. */
  async abort(options?: WaitOptions): Promise<void> {
    if (options !== undefined) return waiting(options, 'abort', () => this.abort())
    if (this.status_ === 'committed' || this.status_ === 'committing') this.#checkOpen('abort')
    await this.#ender.abort(this)
  }

  /** Aborts it, unless it has ended. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.status_ === 'open' || this.status_ === 'aborting') await this.#ender.abort(this)
  }

  /** @internal */
  [INSPECT](depth: number | null, options: InspectOptions, inspect: Inspect): string {
    return inspected('Transaction', () => ({ transactionalId: this.transactionalId, status: this.status }), depth, options, inspect)
  }

  /** @internal What it has in a partition, from now on if not yet. */
  partOf(log: PartitionLog): TransactionPart {
    let part = this.parts.get(log)
    if (part === undefined) this.parts.set(log, (part = new TransactionPart(this.slot.producerId, this.slot.epoch)))
    return part
  }

  async #commitOffsets<P>(of: Committer<P> | string, what?: Committing<P> | readonly GroupOffset[]): Promise<void> {
    try {
      this.#checkOpen('commitOffsets')
      const request = commitRequestOf(of, what)
      await this.#storeOffsets(request instanceof Promise ? await request : request)
    } catch (error) {
      this.#fail(error)
      throw error
    }
  }

  async #storeOffsets(request: CommitRequest): Promise<void> {
    this.#checkGoing('commitOffsets')
    if (request.offsets.length > 0) await this.#ender.commitOffsets(this, request)
  }

  /** A promise only when something has to wait. */
  #submit<K, V>(topic: Topic<K, V>, input: SendRecord<K, V> | readonly SendRecord<K, V>[]): SendResult[] | Promise<SendResult[]> {
    this.#checkOpen('send')
    const { parts } = ((topic as Topic<K, V> | null | undefined) ?? {}) as Topic<K, V>
    if (parts === undefined) throw new TypeError(`a transaction sends to a topic, as log.topic gives it, not ${describe(topic)}`)
    this.#ender.checkTopic(parts)
    const { name, events } = parts.core.entry
    if (isInternalTopic(name)) throw internalTopicError(name)
    if (events === true) throw eventTopicError(name)
    return this.#sendAll(parts, Array.isArray(input) ? input : [input as SendRecord<K, V>])
  }

  async #later(results: Promise<SendResult[]>, many: boolean): Promise<SendResult | SendResult[]> {
    try {
      const sent = await this.#until(results)
      return many ? sent : sent[0]!
    } catch (error) {
      this.#fail(error)
      throw error
    }
  }

  #sendAll<K, V>(parts: TopicParts<K, V>, records: readonly SendRecord<K, V>[]): SendResult[] | Promise<SendResult[]> {
    const now = parts.clock.now()
    const ownTimes = timesKnown(parts)
    const chooser = chooserOf(parts)
    const results: SendResult[] = []
    if (parts.sends.size === 0) {
      for (const record of records) {
        if (record === null || typeof record !== 'object' || record.value === undefined) refuseRecord(record, true)
        const log = logOf(parts.core, record.partition ?? chooser.choose(record, parts.core.logs.length))
        const timestamp = record.timestamp ?? now
        const placed = this.#append(parts, log, parts.codecs, record.timestamp === undefined ? stamped(record, timestamp) : record)
        if (placed === undefined) break
        results.push({ partition: log.partition, offset: placed, timestamp: ownTimes ? timestamp : -1 })
      }
    }
    if (results.length === records.length) return results
    const rest = records.slice(results.length).map((record) => {
      if (record === null || typeof record !== 'object' || record.value === undefined) refuseRecord(record, true)
      const partition = logOf(parts.core, record.partition ?? chooser.choose(record, parts.core.logs.length)).partition
      return holdRecord(parts.codecs, record, { partition, timestamp: record.timestamp ?? now })
    })
    return this.#whenThereIsRoom(parts, rest, results)
  }

  /** The offset; undefined when there is no room now. */
  #append<K, V>(
    { folder }: { readonly folder: string }, log: PartitionLog, codecs: RecordCodecs<K, V>, record: RecordInput<K, V>,
  ): number | undefined {
    try {
      const offset = log.append(codecs, record, LINGER_MS, this.partOf(log))
      if (appendsWatched()) tellAppend({ log: folder, topic: log.topic, partition: log.partition, offset })
      return offset
    } catch (error) {
      if (isLogError(error, 'LOG_BUFFER_FULL')) return undefined
      throw error
    }
  }

  #whenThereIsRoom<K, V>(parts: TopicParts<K, V>, rest: HeldRecord[], results: SendResult[]): Promise<SendResult[]> {
    const ownTimes = timesKnown(parts)
    return new Promise((resolve, reject) => {
      let size = 0
      for (const held of rest) size += heldSize(held)
      let next = 0
      parts.sends.run(() => {
        try {
          this.#checkGoing('send')
          for (; next < rest.length; next++) {
            const held = rest[next]!
            const offset = this.#append(parts, logOf(parts.core, held.partition), encodedCodecs, held)
            if (offset === undefined) return false
            results.push({ partition: held.partition, offset, timestamp: ownTimes ? held.timestamp : -1 })
          }
          resolve(results)
        } catch (error) {
          reject(error)
        }
        return true
      }, size, reject)
    })
  }

  /** @internal Waits for something that must be done before the transaction ends. */
  async #until<T>(promise: Promise<T>): Promise<T> {
    if (this.underWay === NONE) this.underWay = new Set()
    this.underWay.add(promise)
    try {
      return await promise
    } finally {
      this.underWay.delete(promise)
    }
  }

  #checkOpen(what: string): void {
    if (this.status_ !== 'open') throw endedError(this, what)
  }

  /** What was asked for before `commit` is done before it, though it had to wait. */
  #checkGoing(what: string): void {
    if (this.status_ !== 'open' && this.status_ !== 'committing') throw endedError(this, what)
  }

  /** Something of it failed: it cannot be committed any more, also when its commit waits for the rest. */
  #fail(error: unknown): void {
    if (this.status_ === 'open' || this.status_ === 'committing') this.failure ??= error
  }
}

/** What somebody gets who goes on with a transaction that has ended. */
export function endedError(transaction: Transaction, what: string): unknown {
  const { status, failure } = transaction
  const aborted = status === 'aborted' || status === 'aborting'
  if (aborted && isLogError(failure) && keptCodes.includes(failure.code)) return failure
  const message = `${what} in a transaction that is ${status}`
  if (!aborted) return new LogError('LOG_TXN_STATE_INVALID', message, { status })
  return new LogError('LOG_TXN_ABORTED', message, { status }, failure)
}

/** Reasons of an abort that say more than that it was aborted. */
export const keptCodes: readonly string[] = ['LOG_TXN_TIMED_OUT', 'LOG_PRODUCER_FENCED', 'LOG_CLOSED', 'LOG_TXN_ABORTED']

/** Records keep the times that they are given; else the log stamps them, later. */
function timesKnown<K, V>({ core }: TopicParts<K, V>): boolean {
  return core.config.messageTimestampType === 'CreateTime'
}

function chooserOf<K, V>(parts: TopicParts<K, V>): PartitionChooser<K, V> {
  let chooser = choosers.get(parts) as PartitionChooser<K, V> | undefined
  if (chooser === undefined) {
    chooser = new PartitionChooser<K, V>(parts.codecs.key, { custom: undefined, random: parts.random, batchSize: parts.core.config.batchSize })
    choosers.set(parts, chooser)
  }
  return chooser
}
