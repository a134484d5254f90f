/*
 * The transactions of this process: how many, for how long, and how they end.
 *
 * One that wrote to a single partition ends by its marker alone, stored in one round with its records. Any other: its records are stored,
 * then `PrepareCommit` with the list of its partitions is stored in `__transaction_state`, and from that moment, all at once, committed readers
 * of this process see it. Its markers follow; what is missing of them after a crash is written when its partitions are opened. Whatever is open
 * then and was not prepared is aborted (resolve.ts).
 *
 * When `PrepareCommit` was written and it is not known whether it is stored, nothing may be aborted before a record that takes it back is
 * stored: else a crash could find it, and commit the half that was not aborted yet.
 */
import { type Timer } from '../../base/clock.ts'
import { isLogError, LogError } from '../../base/errors.ts'
import { transactionStatuses, type TransactionStatus } from '../../format/transaction-state.ts'
import { type PartitionLog } from '../../log/partition-log.ts'
import { type TransactionPart } from '../../log/transaction-part.ts'
import { groupError } from '../groups/group-error.ts'
import { type CommitRequest } from '../groups/group-messages.ts'
import { type Life } from '../life.ts'
import { type LogCore } from '../log-core.ts'
import { type TopicParts } from '../topic-core.ts'
import { type ProducerSlot, type ProducerSlots } from './producer-slots.ts'
import { type StateLog, type TransactionInput } from './state-log.ts'
import { byTopic } from './transaction-state.ts'
import { endedError, keptCodes, Transaction, type TransactionEnder } from './transaction.ts'

/** Transactions of one process that may be open at a time. */
const MOST_OPEN_TRANSACTIONS = 10_000

/** How a transaction is begun. */
export interface BeginOptions {
  readonly transactionalId: string | undefined
  readonly timeoutMs: number
}

/** The transactions of one folder in this process. */
export class LocalTransactions implements TransactionEnder {
  readonly #core: LogCore
  readonly #slots: ProducerSlots
  readonly #states: StateLog
  /**
   * Each at its `place`. Not a Set: where members come and go, each of its tables refers to the next, so one that has grown old keeps all that
   * were ever open in memory until a full collection.
   */
  readonly #open: Transaction[] = []
  readonly #named = new Map<string, Transaction>()
  /** Ends that are under way. */
  readonly #ending = new Set<Promise<unknown>>()
  readonly #watched = new WeakSet<Life>()
  #timer: Timer | undefined
  /** When it fires, on the monotonic clock. */
  #timerAt = 0
  #closed = false

  constructor(core: LogCore, slots: ProducerSlots, states: StateLog) {
    this.#core = core
    this.#slots = slots
    this.#states = states
  }

  /** The transactions that are open. */
  get open(): readonly Transaction[] {
    return this.#open
  }

  /** The open transaction of a name. */
  named(transactionalId: string): Transaction | undefined {
    return this.#named.get(transactionalId)
  }

  /**
   * Begins a transaction; at once when a producer is free.
   *
   * @throws LogError `LOG_TXN_CONCURRENT` when too many are open; `LOG_CLOSED`, `LOG_DISK_FULL`
   */
  begin(options: BeginOptions, life: Life): Transaction | Promise<Transaction> {
    if (this.#open.length >= MOST_OPEN_TRANSACTIONS) {
      const message = `${this.#open.length} transactions are open already: end some first`
      throw new LogError('LOG_TXN_CONCURRENT', message, { open: this.#open.length, limit: MOST_OPEN_TRANSACTIONS })
    }
    const slot = this.#slots.take()
    return slot instanceof Promise ? slot.then((taken) => this.#begin(taken, options, life)) : this.#begin(slot, options, life)
  }

  #begin(slot: ProducerSlot, { transactionalId, timeoutMs }: BeginOptions, life: Life): Transaction {
    this.#checkAlive()
    const transaction = new Transaction(this, slot, { transactionalId, timeoutMs, clock: this.#core.env.clock, life })
    this.#abortAtEndOf(life)
    transaction.place = this.#open.push(transaction) - 1
    if (transactionalId !== undefined) this.#named.set(transactionalId, transaction)
    this.#watch(timeoutMs)
    return transaction
  }

  /** The transactions of a handle are aborted with it. */
  #abortAtEndOf(life: Life): void {
    if (this.#watched.has(life)) return
    this.#watched.add(life)
    life.onEnd(() => {
      for (const transaction of [...this.#open]) if (transaction.life === life) void this.fence(transaction, life.closedError())
    })
  }

  /** Aborts a transaction because of `reason`, which whoever goes on with it is told. */
  async fence(transaction: Transaction, reason: LogError): Promise<void> {
    if (transaction.status_ === 'open') transaction.failure = reason
    await this.abort(transaction)
  }

  checkTopic(parts: Pick<TopicParts<never, never>, 'sends' | 'life'>): void {
    if (parts.sends !== this.#core.sends) throw new TypeError('a transaction sends to topics of its own log only')
    parts.life.check()
  }

  async commitOffsets(transaction: Transaction, request: CommitRequest): Promise<void> {
    const groups = await this.#core.groups()
    const { topic, partition } = groups.offsets.placeOf(request.groupId)
    transaction.groups = groups
    try {
      const results = await groups.appendTransactionalOffsets(transaction.slot.producerId, transaction.slot.epoch, request)
      const refused = results.find(({ error }) => error !== 'NONE')
      if (refused !== undefined) throw refused.cause ?? groupError(refused.error, request.groupId, refused)
    } finally {
      // Also what failed may be there, and must be ended.
      const log = this.#core.openTopics.find(({ entry }) => entry.name === topic)?.logs[partition]
      if (log !== undefined) transaction.partOf(log).lastOffset = Math.max(0, log.durableOffset - 1)
    }
  }

  commit(transaction: Transaction): Promise<void> {
    // Its timer may be late itself: whatever holds the event loop holds it up.
    if (transaction.deadline <= this.#core.env.clock.monotonic()) {
      return this.fence(transaction, timedOut()).then(() => { throw endedError(transaction, 'commit') })
    }
    transaction.status_ = 'committing'
    const { parts, underWay, failure } = transaction
    const simple = parts.size === 1 && underWay.size === 0 && failure === undefined
    const ending = simple ? this.#commitAtOnce(transaction) : this.#commit(transaction)
    return (transaction.ending = ending)
  }

  async abort(transaction: Transaction): Promise<void> {
    if (transaction.status_ !== 'open') return
    transaction.status_ = 'aborting'
    await this.#track(this.#abort(transaction))
  }

  /** Aborts what is open and waits for what is ending. */
  async close(): Promise<void> {
    this.#closed = true
    this.#timer?.cancel()
    const reason = new LogError('LOG_CLOSED', `the log ${this.#core.folder} is closed: its transaction was aborted`)
    for (const transaction of [...this.#open]) void this.fence(transaction, reason)
    await Promise.allSettled([...this.#open].map(({ ending }) => ending))
    // What cannot be stored now is told by the next open.
    this.#core.markers.close()
    await Promise.allSettled(this.#ending)
  }

  async #commit(transaction: Transaction): Promise<void> {
    try {
      while (transaction.underWay.size > 0) await Promise.allSettled(transaction.underWay)
      if (transaction.failure !== undefined) throw transaction.failure
      const parts = [...transaction.parts].filter(([, part]) => part.lastOffset >= 0)
      if (parts.length > 1) return await this.#commitSeveral(transaction, parts)
      if (parts.length === 1) await this.#storeEnd(transaction, ...parts[0]!)
      this.#committed(transaction)
    } catch (error) {
      throw this.#notCommitted(transaction, error)
    }
  }

  /** The way of most: one partition, and nothing to wait for before its marker. */
  #commitAtOnce(transaction: Transaction): Promise<void> {
    try {
      for (const [log, part] of transaction.parts) {
        if (part.lastOffset < 0) continue
        const stored = this.#storeEnd(transaction, log, part)
        return stored.then(() => this.#committed(transaction), (error: unknown) => { throw this.#notCommitted(transaction, error) })
      }
      this.#committed(transaction)
      return Promise.resolve()
    } catch (error) {
      return Promise.reject(this.#notCommitted(transaction, error))
    }
  }

  /** Appends the marker that commits what is in the only partition; resolves when it is stored, and with it all before. */
  #storeEnd(transaction: Transaction, log: PartitionLog, part: TransactionPart): Promise<void> {
    if (part.lost !== undefined) throw part.lost
    return log.durable(log.endTransaction(endOf(transaction, 'COMMIT')))
  }

  #committed(transaction: Transaction): void {
    const { groups, slot, parts } = transaction
    groups?.offsets.transactionEnded(slot.producerId, true)
    if (parts.size > 0) slot.epoch++
    this.#ended(transaction, 'committed', true)
  }

  /** What `commit` rejects with; the abort waits for the disk that has just failed, and the caller need not. */
  #notCommitted(transaction: Transaction, error: unknown): unknown {
    if (transaction.status_ === 'committing') {
      transaction.failure = error
      transaction.status_ = 'aborting'
      void this.#track(this.#abort(transaction))
    }
    return abortedError(error)
  }

  async #commitSeveral(transaction: Transaction, parts: readonly (readonly [PartitionLog, TransactionPart])[]): Promise<void> {
    for (const [log] of parts) log.hurry()
    await Promise.all(parts.map(async ([log, part]) => {
      if (part.lost !== undefined) throw part.lost
      await log.durable(part.lastOffset)
    }))
    try {
      await this.#states.append(nameOf(transaction), this.#record(transaction, 'PrepareCommit'))
    } catch (error) {
      transaction.failure = error
      transaction.status_ = 'aborting'
      void this.#track(this.#takeBack(transaction))
      throw error
    }
    // Nobody gets a turn in between: whoever reads sees all of it from here on.
    for (const [log] of parts) log.decideTransaction(transaction.slot.producerId)
    transaction.groups?.offsets.transactionEnded(transaction.slot.producerId, true)
    const stored = parts.map(([log]) => this.#core.markers.store(log, endOf(transaction, 'COMMIT')))
    this.#ended(transaction, 'committed', false)
    for (const [log] of parts) log.tellProgress()
    void this.#track(this.#complete(transaction, stored, 'CompleteCommit'))
  }

  /** Once all markers are stored the record of the transaction says so, and its producer may go on. */
  async #complete(transaction: Transaction, stored: readonly Promise<boolean>[], status: TransactionStatus): Promise<void> {
    const results = await Promise.all(stored)
    if (results.includes(false)) return
    try {
      await this.#states.append(nameOf(transaction), this.#record(transaction, status))
    } catch {
      // The next open finds that nothing is left to do.
      return
    }
    transaction.slot.epoch++
    this.#slots.give(transaction.slot)
  }

  async #abort(transaction: Transaction): Promise<void> {
    while (transaction.underWay.size > 0) await Promise.allSettled(transaction.underWay)
    transaction.groups?.offsets.transactionEnded(transaction.slot.producerId, false)
    const logs = [...transaction.parts.keys()]
    const stored = await Promise.all(logs.map((log) => this.#core.markers.tryToStore(log, endOf(transaction, 'ABORT'))))
    const left = logs.filter((_, index) => !stored[index])
    if (left.length === 0) {
      transaction.slot.epoch++
      this.#ended(transaction, 'aborted', true)
      return
    }
    this.#ended(transaction, 'aborted', false)
    void this.#abortLater(transaction, left)
  }

  /** Its markers are stored when their partitions take them; until then nobody uses its producer. */
  async #abortLater(transaction: Transaction, logs: readonly PartitionLog[]): Promise<void> {
    const stored = await Promise.all(logs.map((log) => this.#core.markers.store(log, endOf(transaction, 'ABORT'))))
    if (stored.includes(false)) return
    transaction.slot.epoch++
    this.#slots.give(transaction.slot)
  }

  /** Takes back a `PrepareCommit` of which it is not known whether it is stored, and then aborts. */
  async #takeBack(transaction: Transaction): Promise<void> {
    this.#ended(transaction, 'aborted', false)
    transaction.groups?.offsets.transactionEnded(transaction.slot.producerId, false)
    while (!(await this.#stored(transaction, 'PrepareAbort'))) {
      if (this.#closed) return
      await this.#core.markers.pause()
    }
    const logs = [...transaction.parts.keys()]
    await this.#complete(transaction, logs.map((log) => this.#core.markers.store(log, endOf(transaction, 'ABORT'))), 'CompleteAbort')
  }

  async #stored(transaction: Transaction, status: TransactionStatus): Promise<boolean> {
    try {
      await this.#states.append(nameOf(transaction), this.#record(transaction, status))
      return true
    } catch {
      return false
    }
  }

  #record({ slot, parts }: Transaction, status: TransactionStatus): TransactionInput {
    const now = this.#core.env.clock.now()
    const complete = status === 'CompleteCommit' || status === 'CompleteAbort'
    return {
      producerId: slot.producerId, producerEpoch: slot.epoch + 1, transactionTimeoutMs: 0, transactionStatus: transactionStatuses.indexOf(status),
      transactionPartitions: complete ? [] : byTopic(parts.keys()), transactionLastUpdateTimestampMs: now, transactionStartTimestampMs: now,
      clientTransactionVersion: 2,
    }
  }

  /** @param free  none of its markers is missing: its producer may go on */
  #ended(transaction: Transaction, status: 'committed' | 'aborted', free: boolean): void {
    transaction.status_ = status
    this.#leave(transaction)
    const { transactionalId } = transaction
    if (transactionalId !== undefined && this.#named.get(transactionalId) === transaction) this.#named.delete(transactionalId)
    if (free) this.#slots.give(transaction.slot)
  }

  /** The last of the open ones takes its place. */
  #leave(transaction: Transaction): void {
    const { place } = transaction
    if (this.#open[place] !== transaction) return
    const last = this.#open.pop()!
    if (last === transaction) return
    this.#open[place] = last
    last.place = place
  }

  #track<T>(work: Promise<T>): Promise<T> {
    const ending = work.catch(() => {}).finally(() => this.#ending.delete(ending))
    this.#ending.add(ending)
    return work
  }

  #checkAlive(): void {
    if (this.#closed) throw new LogError('LOG_CLOSED', `the log ${this.#core.folder} is closed`)
  }

  /** One timer for all: it looks who is late, and waits for the next one. */
  #watch(withinMs: number): void {
    if (withinMs === Infinity) return
    const { clock } = this.#core.env
    const at = clock.monotonic() + withinMs
    if (this.#timer !== undefined && this.#timerAt <= at) return
    this.#timer?.cancel()
    this.#timerAt = at
    this.#timer = clock.setTimer(() => {
      this.#timer = undefined
      if (!this.#closed) this.#abortLate()
    }, withinMs, { ref: false })
  }

  #abortLate(): void {
    const now = this.#core.env.clock.monotonic()
    let next = Infinity
    for (const transaction of [...this.#open]) {
      if (transaction.status_ !== 'open') continue
      if (transaction.deadline > now) next = Math.min(next, transaction.deadline - now)
      else void this.fence(transaction, timedOut())
    }
    this.#watch(next)
  }
}

function timedOut(): LogError {
  return new LogError('LOG_TXN_TIMED_OUT', 'the transaction was open for longer than its timeoutMs and was aborted')
}

/** The marker that ends a transaction: it carries the epoch of the next one. */
function endOf({ slot }: Transaction, type: 'COMMIT' | 'ABORT') {
  return { producerId: slot.producerId, producerEpoch: slot.epoch + 1, coordinatorEpoch: 0, type } as const
}

/** The name under which the state of a transaction of this process is kept. */
export function localName(producerId: bigint): string {
  return `commitlog-${producerId}`
}

function nameOf({ slot }: Transaction): string {
  return localName(slot.producerId)
}

/** What `commit` rejects with. */
function abortedError(error: unknown): unknown {
  if (isLogError(error) && keptCodes.includes(error.code)) return error
  const reason = error instanceof Error ? error.message : String(error)
  return new LogError('LOG_TXN_ABORTED', `the transaction was aborted: ${reason}`, {}, error)
}
