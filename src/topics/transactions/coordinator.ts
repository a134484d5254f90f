/*
 * The transaction coordinator of one folder: who may write with which producer id and epoch, which transactions are open, and how they end.
 * For transactions of this process it is a place to begin them (local-transactions.ts); for those of clients it answers messages, of both
 * versions of the protocol.
 *
 * Requests about one transactional id go one after the other, and each waits until what the one before left to do was tried: so
 * CONCURRENT_TRANSACTIONS is answered only while a partition cannot take its marker. A state counts once it is stored.
 */
import { LogError } from '../../base/errors.ts'
import { type KafkaErrorName } from '../../format/kafka-errors.ts'
import { transactionStatuses } from '../../format/transaction-state.ts'
import { type PartitionLog } from '../../log/partition-log.ts'
import { Deadlines } from '../groups/deadlines.ts'
import { type Life } from '../life.ts'
import { type LogCore } from '../log-core.ts'
import { ProducerIds } from '../producer-ids.ts'
import { decideEnd, decideEndRaising } from './end-transaction.ts'
import { type BeginOptions, localName, LocalTransactions } from './local-transactions.ts'
import {
  type AddOffsetsRequest, type AddPartitionsRequest, type EndTransactionRequest, type InitProducerIdRequest, type ListTransactionsAnswer,
  type ListTransactionsRequest, type OfProducer, type PlaceResult, type ProducerAnswer, type ProducerDescription,
  type TransactionalCommitAnswer, type TransactionalCommitRequest, type TransactionalHolder, type TransactionDescription,
} from './messages.ts'
import { ProducerSlots } from './producer-slots.ts'
import { StateLog } from './state-log.ts'
import { type Transaction } from './transaction.ts'
import { TransactionEntry } from './transaction-entry.ts'
import {
  isExhausted, newTransactionState, notParts, prepared, recordOf, type TransactionPlace, type TransactionState, withNextEpoch, withNextId,
  withPartitions,
} from './transaction-state.ts'
import { TransactionEnds } from './transaction-ends.ts'

/** The longest time-out that a producer may ask for, ms: as Kafka's `transaction.max.timeout.ms`. */
const MAX_TIMEOUT_MS = 900_000
/** Milliseconds without a request after which a transactional id is forgotten: as Kafka's `transactional.id.expiration.ms`. */
const ID_EXPIRATION_MS = 604_800_000
/** The version of the protocol by which the coordinator itself aborts. */
const OWN_VERSION = 2

const refused = { producerId: -1n, producerEpoch: -1 } as const

/** Coordinates the transactions of one open folder. */
export class TransactionCoordinator {
  readonly #core: LogCore
  readonly #ids: ProducerIds
  readonly #states: StateLog
  readonly #local: LocalTransactions
  readonly #ends: TransactionEnds
  readonly #deadlines: Deadlines
  readonly #entries = new Map<string, TransactionEntry>()
  #loading: Promise<void> | undefined

  constructor(core: LogCore) {
    this.#core = core
    this.#ids = new ProducerIds(() => core.takeProducerIds())
    this.#states = new StateLog(core)
    this.#local = new LocalTransactions(core, new ProducerSlots(this.#ids), this.#states)
    this.#ends = new TransactionEnds(core, this.#states)
    this.#deadlines = new Deadlines(core.env.clock)
  }

  /**
   * Begins a transaction of this process; at once where nothing has to be waited for.
   *
   * @throws LogError `LOG_TXN_CONCURRENT`, `LOG_CLOSED`, `LOG_DISK_FULL`
   */
  begin(options: BeginOptions, life: Life): Transaction | Promise<Transaction> {
    if (options.transactionalId === undefined) return this.#local.begin(options, life)
    return this.#claim(options.transactionalId).then(() => this.#local.begin(options, life))
  }

  /** Aborts the transactions of this process that are open, and waits for those that are ending. */
  async close(): Promise<void> {
    this.#deadlines.close()
    this.#ends.close()
    await this.#local.close()
    await Promise.allSettled(Array.from(this.#entries.values(), ({ turn }) => turn))
  }

  // Messages

  /** A producer id for a producer that begins; one with a transactional id takes it over from whoever had it. */
  async initProducerId(request: InitProducerIdRequest): Promise<ProducerAnswer> {
    const { transactionalId, timeoutMs } = request
    return this.#answered<Omit<ProducerAnswer, 'error'>>(refused, async () => {
      if (transactionalId === null) return { error: 'NONE', producerId: await this.#ids.next(), producerEpoch: 0 }
      if (transactionalId === '') return { ...refused, error: 'INVALID_REQUEST' }
      if (!(timeoutMs > 0 && timeoutMs <= MAX_TIMEOUT_MS)) return { ...refused, error: 'INVALID_TRANSACTION_TIMEOUT' }
      await this.#fenceLocal(transactionalId)
      await this.#load()
      let entry = this.#entries.get(transactionalId)
      if (entry === undefined) {
        entry = new TransactionEntry(transactionalId, newTransactionState(await this.#ids.next(), timeoutMs, this.#now))
        // Somebody else may have come meanwhile.
        entry = this.#entries.get(transactionalId) ?? entry
        this.#entries.set(transactionalId, entry)
      }
      return entry.run(() => this.#init(entry, request))
    })
  }

  /** Partitions become a part of a transaction, all of them or none. */
  async addPartitions(request: AddPartitionsRequest): Promise<readonly PlaceResult[]> {
    const { partitions } = request
    const all = (error: KafkaErrorName): PlaceResult[] => partitions.map((place) => ({ ...place, error }))
    const unknown = this.#notThere(partitions)
    if (unknown.size > 0) {
      return partitions.map((place) => ({ ...place, error: unknown.has(place) ? 'UNKNOWN_TOPIC_OR_PARTITION' : 'OPERATION_NOT_ATTEMPTED' }))
    }
    const answer = await this.#answered({}, () => this.#ofProducer(request, async (entry) => {
      if (request.verifyOnly !== true) return { error: await this.#add(entry, partitions, request.version ?? 1) }
      return { error: this.#mayAdd(entry), left: notParts(entry.state, partitions) }
    }))
    const { error, left = [] } = answer as { readonly error: KafkaErrorName; readonly left?: readonly TransactionPlace[] }
    if (error !== 'NONE') return all(error)
    const missing = new Set(left)
    return partitions.map((place) => ({ ...place, error: missing.has(place) ? 'TRANSACTION_ABORTABLE' : 'NONE' }))
  }

  /** The partition of a group's offsets becomes a part of a transaction. */
  async addOffsets(request: AddOffsetsRequest): Promise<{ readonly error: KafkaErrorName }> {
    return this.#answered({}, () => this.#ofProducer(request, async (entry) => {
      const groups = await this.#core.groups()
      return { error: await this.#add(entry, [groups.offsets.placeOf(request.groupId)], 1) }
    }))
  }

  /** Commits offsets of a group with the transaction. */
  async commitOffsets(request: TransactionalCommitRequest): Promise<TransactionalCommitAnswer> {
    const { producerId, producerEpoch, offsets, version = 1 } = request
    const all = (error: KafkaErrorName): TransactionalCommitAnswer => offsets.map(({ topic, partition }) => ({ topic, partition, error }))
    const answer = await this.#answered<{ readonly results?: TransactionalCommitAnswer }>({}, () => this.#ofProducer(request, async (entry) => {
      const groups = await this.#core.groups()
      const place = groups.offsets.placeOf(request.groupId)
      const error = version >= 2 ? await this.#add(entry, [place], version) : this.#mayAdd(entry)
      if (error !== 'NONE') return { error }
      if (notParts(entry.state, [place]).length > 0) return { error: 'INVALID_TXN_STATE' }
      return { error: 'NONE', results: await groups.appendTransactionalOffsets(producerId, producerEpoch, request) }
    }))
    return answer.results ?? all(answer.error)
  }

  /** Ends a transaction. Once it is answered with `NONE` nothing can undo it. */
  async endTransaction(request: EndTransactionRequest): Promise<ProducerAnswer> {
    const { transactionalId, version = 1 } = request
    return this.#answered<Omit<ProducerAnswer, 'error'>>(refused, async () => {
      if (transactionalId === '') return { ...refused, error: 'INVALID_REQUEST' }
      await this.#load()
      const entry = this.#entries.get(transactionalId)
      if (entry === undefined) return { ...refused, error: 'INVALID_PRODUCER_ID_MAPPING' }
      return entry.run(async () => {
        const decision = version >= 2 ? decideEndRaising(entry.state, request) : decideEnd(entry.state, request)
        if ('answer' in decision) return decision.answer === 'NONE' ? producerOf(entry.state) : { ...refused, error: decision.answer }
        await this.#prepare(entry, decision.prepare, version)
        return producerOf(entry.state)
      })
    })
  }

  /** What is so of some transactional ids. */
  async describe(transactionalIds: readonly string[]): Promise<readonly TransactionDescription[]> {
    await this.#load()
    return transactionalIds.map((transactionalId) => this.#describe(transactionalId))
  }

  /** The transactional ids that there are. */
  async list({ states = [], producerIds = [], durationMs = -1, pattern }: ListTransactionsRequest = {}): Promise<ListTransactionsAnswer> {
    await this.#load()
    const unknownStates = states.filter((name) => !(transactionStatuses as readonly string[]).includes(name))
    const now = this.#now
    const local = [...this.#local.open].map((transaction) => ({
      transactionalId: transaction.transactionalId ?? localName(transaction.slot.producerId), producerId: transaction.slot.producerId,
      state: 'Ongoing' as const, startedAt: this.#startOf(transaction),
    }))
    const names = new Set(local.map(({ transactionalId }) => transactionalId))
    const known = [...this.#entries.values()].filter(({ id, state }) => state.status !== 'Dead' && state.producerEpoch >= 0 && !names.has(id))
      .map(({ id, state }) => ({ transactionalId: id, producerId: state.producerId, state: state.status, startedAt: state.startedAt }))
    const transactions = [...known, ...local]
      .filter(({ state }) => states.length === 0 || states.includes(state))
      .filter(({ producerId }) => producerIds.length === 0 || producerIds.includes(producerId))
      .filter(({ startedAt }) => durationMs < 0 || now - startedAt > durationMs)
      .filter(({ transactionalId }) => pattern === undefined || pattern.test(transactionalId))
      .map(({ transactionalId, producerId, state }) => ({ transactionalId, producerId, state }))
    return { error: 'NONE', unknownStates, transactions }
  }

  /** The producers that have written to a partition and are not forgotten. */
  describeProducers(log: PartitionLog): readonly ProducerDescription[] {
    return Array.from(log.producers, ({ producerId, epoch, batches, lastTimestamp, coordinatorEpoch, currentTxnFirstOffset }) => ({
      producerId, producerEpoch: epoch, lastSequence: batches.at(-1)?.lastSequence ?? -1, lastTimestamp, coordinatorEpoch,
      currentTransactionStartOffset: currentTxnFirstOffset,
    }))
  }

  /** Those who hold a transactional id, each as it goes on once what is under way has ended; of what was asked for since the log was opened. */
  get holders(): readonly TransactionalHolder[] {
    return Array.from(this.#entries.values()).filter(({ state }) => state.producerEpoch >= 0).map(({ id, state }) => {
      const { producerId, producerEpoch } = producerOf(state)
      return { transactionalId: id, producerId, producerEpoch, timeoutMs: state.timeoutMs }
    })
  }

  /**
   * Lets those go on who held a transactional id of the log whose place this one takes: each with its producer id and epoch, and with nothing
   * open. What was left open here is aborted. Not stored: the next transaction of each is.
   */
  async adopt(holders: readonly TransactionalHolder[]): Promise<void> {
    await this.#load()
    const settled = [...this.#entries.values()].map((entry) => entry.run(async () => {}))
    await Promise.all([...settled, ...holders.map(({ transactionalId, producerId, producerEpoch, timeoutMs }) => {
      const entry = this.#entries.get(transactionalId) ?? new TransactionEntry(transactionalId, newTransactionState(producerId, timeoutMs, this.#now))
      this.#entries.set(transactionalId, entry)
      return entry.run(async () => {
        if (!isUnderWay(entry.state.status)) entry.state = { ...newTransactionState(producerId, timeoutMs, this.#now), producerEpoch }
      })
    })])
  }

  /** Forgets the transactional ids that nobody has used for a week. */
  async expireIds(): Promise<void> {
    await this.#load()
    const old = [...this.#entries.values()].filter(({ state }) => !isUnderWay(state.status) && this.#now - state.updatedAt >= ID_EXPIRATION_MS)
    await Promise.all(old.map((entry) => entry.run(async () => {
      if (isUnderWay(entry.state.status) || this.#now - entry.state.updatedAt < ID_EXPIRATION_MS) return
      await this.#states.append(entry.id, null)
      this.#entries.delete(entry.id)
    })))
  }

  // Inside

  get #now(): number {
    return this.#core.env.clock.now()
  }

  /** Reads what was stored, and goes on with what the last process left. */
  #load(): Promise<void> {
    const loading = this.#loading ?? this.#read()
    this.#loading = loading
    // Whoever asks next tries again.
    loading.catch(() => { this.#loading = undefined })
    return loading
  }

  async #read(): Promise<void> {
    for (const [id, stored] of await this.#states.read()) {
      const isLocal = id === localName(stored.producerId)
      if (this.#entries.has(id) || (isLocal && this.#ids.mayHaveGiven(stored.producerId))) continue
      const entry = TransactionEntry.of(id, stored)
      if (entry.state.status === 'Dead') continue
      this.#entries.set(id, entry)
      if (this.#core.readOnly) continue
      if (entry.state.status === 'Ongoing') void entry.run(() => this.#abort(entry)).catch(() => {})
      else if (isUnderWay(entry.state.status)) this.#ends.finish(entry)
      // Nobody comes back for a transaction of a process that is gone.
      if (isLocal) void entry.run(() => this.#forget(entry)).catch(() => {})
    }
  }

  async #forget(entry: TransactionEntry): Promise<void> {
    if (isUnderWay(entry.state.status)) return
    await this.#states.append(entry.id, null)
    this.#entries.delete(entry.id)
  }

  async #init(entry: TransactionEntry, request: InitProducerIdRequest): Promise<ProducerAnswer> {
    const { timeoutMs, producerId = -1n, producerEpoch = -1 } = request
    const expected = producerId < 0n ? undefined : producerEpoch
    if (expected !== undefined && !mayContinue(entry.state, producerId, expected)) return { ...refused, error: 'PRODUCER_FENCED' }
    if (entry.state.status === 'Ongoing') {
      await this.#abort(entry)
      await entry.attempt
    }
    if (isUnderWay(entry.state.status)) return { ...refused, error: 'CONCURRENT_TRANSACTIONS' }
    const { state } = entry
    const asked = { timeoutMs, expected, now: this.#now }
    const rotates = isExhausted(state.producerEpoch) && (expected === undefined || expected === state.producerEpoch)
    const next = rotates ? withNextId(state, await this.#ids.next(), asked) : withNextEpoch(state, asked)
    if (next === undefined) return { ...refused, error: 'PRODUCER_FENCED' }
    await this.#store(entry, next)
    return producerOf(next)
  }

  /** Checks who asks, and runs `work` in its turn. */
  async #ofProducer<T extends { readonly error: KafkaErrorName }>(
    { transactionalId, producerId, producerEpoch }: OfProducer, work: (entry: TransactionEntry) => Promise<T>,
  ): Promise<T | { readonly error: KafkaErrorName }> {
    if (transactionalId === '') return { error: 'INVALID_REQUEST' }
    await this.#load()
    const entry = this.#entries.get(transactionalId)
    if (entry === undefined) return { error: 'INVALID_PRODUCER_ID_MAPPING' }
    return entry.run(async () => {
      if (entry.state.producerId !== producerId) return { error: 'INVALID_PRODUCER_ID_MAPPING' }
      if (entry.state.producerEpoch !== producerEpoch) return { error: 'PRODUCER_FENCED' }
      return work(entry)
    })
  }

  #mayAdd({ state }: TransactionEntry): KafkaErrorName {
    return state.status === 'PrepareCommit' || state.status === 'PrepareAbort' ? 'CONCURRENT_TRANSACTIONS' : 'NONE'
  }

  async #add(entry: TransactionEntry, places: readonly TransactionPlace[], version: number): Promise<KafkaErrorName> {
    const error = this.#mayAdd(entry)
    if (error !== 'NONE') return error
    const { state } = entry
    if (state.status === 'Ongoing' && notParts(state, places).length === 0) return 'NONE'
    await this.#store(entry, withPartitions(state, places, this.#now, version))
    return 'NONE'
  }

  /** Decides the end of a transaction, and sees to its markers. */
  async #prepare(entry: TransactionEntry, status: 'PrepareCommit' | 'PrepareAbort', version: number): Promise<void> {
    const { state } = entry
    const nextProducerId = version >= 2 && isExhausted(state.producerEpoch) ? await this.#ids.next() : -1n
    await this.#store(entry, prepared(state, status, { version, nextProducerId, now: this.#now }))
    this.#ends.finish(entry)
  }

  /** Aborts an open transaction, and fences its producer by that: its epoch rises. */
  async #abort(entry: TransactionEntry): Promise<void> {
    await this.#store(entry, prepared(entry.state, 'PrepareAbort', { version: OWN_VERSION, nextProducerId: -1n, now: this.#now }))
    this.#ends.finish(entry)
  }

  /** Memory moves once it is stored. */
  async #store(entry: TransactionEntry, next: TransactionState): Promise<void> {
    await this.#states.append(entry.id, recordOf(next))
    const began = entry.state.status !== 'Ongoing' && next.status === 'Ongoing'
    entry.state = next
    if (began) entry.deadline = this.#deadlines.set(next.timeoutMs, () => this.#timedOut(entry))
    else if (next.status !== 'Ongoing') entry.deadline?.cancel()
  }

  #timedOut(entry: TransactionEntry): void {
    const { producerId, producerEpoch } = entry.state
    void entry.run(async () => {
      const { state } = entry
      if (state.status === 'Ongoing' && state.producerId === producerId && state.producerEpoch === producerEpoch) await this.#abort(entry)
    }).catch(() => {
      // It could not be stored: tried again after a while.
      entry.deadline = this.#deadlines.set(1000, () => this.#timedOut(entry))
    })
  }

  /** What fails inside is an answer too: the client tries again. */
  async #answered<T extends object>(rest: T, work: () => Promise<Answer<T>>): Promise<Answer<T>> {
    try {
      if (this.#core.readOnly) return { ...rest, error: 'NOT_COORDINATOR' }
      return await work()
    } catch {
      return { ...rest, error: 'COORDINATOR_NOT_AVAILABLE' }
    }
  }

  #notThere(places: readonly TransactionPlace[]): ReadonlySet<TransactionPlace> {
    const names = new Set(places.map(({ topic }) => topic))
    const entries = new Map(this.#core.topics.filter(({ name }) => names.has(name)).map((entry) => [entry.name, entry]))
    return new Set(places.filter(({ topic, partition }) => {
      const entry = entries.get(topic)
      return entry === undefined || partition < 0 || partition >= entry.partitions || entry.absent.includes(partition)
    }))
  }

  /** Makes a transaction of this process the only one of its name, here and among clients. */
  async #claim(transactionalId: string): Promise<void> {
    await this.#fenceLocal(transactionalId)
    await this.#load()
    const entry = this.#entries.get(transactionalId)
    if (entry === undefined) return
    const { error } = await this.initProducerId({ transactionalId, timeoutMs: Math.min(entry.state.timeoutMs, MAX_TIMEOUT_MS) || MAX_TIMEOUT_MS })
    if (error === 'NONE') return
    const message = `the transaction before of "${transactionalId}" is not over: ${error}`
    throw new LogError('LOG_TXN_CONCURRENT', message, { transactionalId, kafka: error })
  }

  async #fenceLocal(transactionalId: string): Promise<void> {
    const open = this.#local.named(transactionalId)
    if (open === undefined) return
    const message = `another transaction of "${transactionalId}" has begun: this one was aborted`
    await this.#local.fence(open, new LogError('LOG_PRODUCER_FENCED', message, { transactionalId }))
  }

  /** When a transaction of this process began, ms since 1970. */
  #startOf({ deadline, timeoutMs }: Transaction): number {
    return timeoutMs === Infinity ? this.#now : Math.round(this.#now - (this.#core.env.clock.monotonic() - (deadline - timeoutMs)))
  }

  #describe(transactionalId: string): TransactionDescription {
    const none = { transactionalId, state: '', timeoutMs: 0, startedAt: 0, ...refused, partitions: [] } as const
    if (transactionalId === '') return { ...none, error: 'INVALID_REQUEST' }
    for (const open of this.#local.open) {
      if (transactionalId !== (open.transactionalId ?? localName(open.slot.producerId))) continue
      const partitions = [...open.parts.keys()].map(({ topic, partition }) => ({ topic, partition }))
      const { slot: { producerId, epoch } } = open
      const startedAt = this.#startOf(open)
      return { ...none, error: 'NONE', state: 'Ongoing', timeoutMs: open.timeoutMs, startedAt, producerId, producerEpoch: epoch, partitions }
    }
    const entry = this.#entries.get(transactionalId)
    if (entry === undefined || entry.state.status === 'Dead') return { ...none, error: 'TRANSACTIONAL_ID_NOT_FOUND' }
    const { status, timeoutMs, startedAt, producerId, producerEpoch, partitions } = entry.state
    return { error: 'NONE', transactionalId, state: status, timeoutMs, startedAt, producerId, producerEpoch, partitions }
  }
}

type Answer<T> = T & { readonly error: KafkaErrorName }

/** The producer as it goes on. */
function producerOf({ producerId, producerEpoch, nextProducerId }: TransactionState): ProducerAnswer {
  return nextProducerId >= 0n ? { error: 'NONE', producerId: nextProducerId, producerEpoch: 0 } : { error: 'NONE', producerId, producerEpoch }
}

/** Whether a producer that goes on after an error may have the id still. */
function mayContinue({ producerEpoch, producerId, previousProducerId }: TransactionState, asked: bigint, epoch: number): boolean {
  return producerEpoch === -1 || asked === producerId || (asked === previousProducerId && isExhausted(epoch))
}

function isUnderWay(status: string): boolean {
  return status === 'Ongoing' || status === 'PrepareCommit' || status === 'PrepareAbort'
}
