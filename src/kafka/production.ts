/*
 * One Produce request: each batch is checked, appended as it came, and answered when it is as durable as its topic asks. All are appended
 * before any is waited for, so that one round stores them all.
 *
 * Requests of one connection are begun before those in front of them are answered. Where one has to wait before it can append (a topic is
 * being opened, a transaction asked about, the log's buffer is full), those behind it wait for their turn: the batches of a producer are
 * numbered. Which error is for what is Kafka's (KafkaApis.handleProduceRequest, ReplicaManager.appendRecords).
 */
import { keptCopy } from '../base/bytes.ts'
import { type Timer } from '../base/clock.ts'
import { isLogError } from '../base/errors.ts'
import { kafkaErrors } from '../format/kafka-errors.ts'
import { NO_UUID } from '../format/schema.ts'
import { type PartitionLog } from '../log/partition-log.ts'
import { type TopicEntry } from '../topics/catalog.ts'
import { isInternalTopic } from '../topics/internal-topics.ts'
import { type Answered, type Handled, Later, NO_ANSWER, type RequestContext } from './api.ts'
import { type PartitionProduced, type ProduceRequest, type ProduceResponse } from './apis/00-produce.ts'
import { LeaderHints, ledPartition } from './led-partitions.ts'
import { type Peer } from './peer.ts'
import { type ProduceFailure, produceFailure, unverified } from './produce-failure.ts'
import { type BatchProducer, countsFromZero, isTransactional, onlyBatch, transactionProducer } from './produced-batch.ts'
import { TURN_MS } from './turn.ts'

/** From here on answers name the leader. */
const LEADERS_FROM = 10
/** Records that one answer tells the errors of: they are far larger than the records, which may be compressed. */
const MOST_RECORD_ERRORS = 10_000
/** From here on a batch makes its partition a part of the transaction. */
const IMPLICIT_TRANSACTIONS_FROM = 12

/** The last request of a connection that waits, or appends after one that waits. */
const turns = new WeakMap<Peer, Promise<void>>()

type ProducedPartition = ProduceRequest['topicData'][number]['partitionData'][number]

type Mutable<T> = { -readonly [K in keyof T]: T[K] }

/** A partition of the request. */
interface Part {
  readonly entry: TopicEntry
  readonly answer: Mutable<PartitionProduced>
  /** As it lies in the request, whose bytes are there only until everything was begun that can be begun at once. */
  batch: Buffer
  /** Of a batch of a transaction. */
  readonly producer: BatchProducer | undefined
  log: PartitionLog | undefined
  /** −1 as long as nothing is appended. */
  lastOffset: number
  /** Whether it is stored: asked when it is appended, so that a loss is told to this request, whatever writes first. */
  stored: Promise<void> | undefined
}

/** One Produce request under way. */
export class Production {
  readonly #request: ProduceRequest
  readonly #context: RequestContext
  readonly #response: ProduceResponse
  /** Those that may still succeed. */
  #parts: Part[] = []
  readonly #hints: LeaderHints
  #failed = false
  /** Of records, that the answer has. */
  #recordErrors = 0
  #deadline: number | undefined

  constructor(request: ProduceRequest, context: RequestContext) {
    this.#request = request
    this.#context = context
    this.#hints = new LeaderHints(context)
    this.#response = {
      responses: lastNamed(request.topicData).map((topic) => ({ name: topic.name, topicId: topic.topicId, partitionResponses: this.#take(topic) })),
    }
  }

  /** Stores what is asked, and answers. */
  answer(): Handled<ProduceResponse> {
    const refused = this.#refusal()
    if (refused !== undefined) for (const { answer } of this.#parts.splice(0)) this.#fail(answer, refused)
    const { connection } = this.#context
    const before = turns.get(connection)
    const stored = before === undefined ? this.#store() : before.then(() => this.#store())
    if (stored === undefined) return new Later(() => this.#acknowledged())
    for (const part of this.#parts) part.batch = keptCopy(part.batch)
    const over = (): void => { if (turns.get(connection) === turn) turns.delete(connection) }
    // Those behind it go on as well when it failed, which its own answer tells.
    const turn = stored.then(over, over)
    turns.set(connection, turn)
    return stored.then(() => this.#acknowledged())
  }

  /** The answers for one topic, as far as they are known at once; partitions that may succeed get into `#parts`. */
  #take({ name, topicId, partitionData }: ProduceRequest['topicData'][number]): PartitionProduced[] {
    const { cluster, connection, version } = this.#context
    const byId = topicId !== NO_UUID || version >= 13
    const entry = byId ? cluster.topicById(topicId) : cluster.topic(name)
    const unknown = byId ? 'UNKNOWN_TOPIC_ID' : 'UNKNOWN_TOPIC_OR_PARTITION'
    const topic = entry?.name ?? name
    const allowed = (byId && entry === undefined) || cluster.authorizer.allows(connection, 'WRITE', 'TOPIC', topic)
    return partitionData.map(({ index, records }) => {
      const answer: Mutable<PartitionProduced> = { index, errorCode: kafkaErrors.NONE, baseOffset: -1, logAppendTimeMs: -1, logStartOffset: -1 }
      if (!allowed) this.#fail(answer, { error: 'TOPIC_AUTHORIZATION_FAILED' })
      else if (entry === undefined) this.#fail(answer, { error: unknown })
      else if (index < 0 || index >= entry.partitions) this.#fail(answer, { error: 'UNKNOWN_TOPIC_OR_PARTITION' })
      else {
        const batch = onlyBatch(records, version)
        if (typeof batch === 'string') this.#fail(answer, { error: batch })
        else this.#parts.push({ entry, answer, batch, producer: transactionProducer(batch), log: undefined, lastOffset: -1, stored: undefined })
      }
      return answer
    })
  }

  /** The error of the whole request. */
  #refusal(): ProduceFailure | undefined {
    const transactional = this.#parts.some(({ batch }) => isTransactional(batch))
    if (transactional && !this.#mayUseTransaction()) return { error: 'TRANSACTIONAL_ID_AUTHORIZATION_FAILED' }
    let sender: BatchProducer | undefined
    for (const { producer } of this.#parts) {
      if (producer === undefined) continue
      sender ??= producer
      if (sender.producerId !== producer.producerId || sender.producerEpoch !== producer.producerEpoch) {
        return { error: 'INVALID_PRODUCER_ID_MAPPING', errorMessage: 'Transactional records contained more than one producer ID' }
      }
    }
    const { acks } = this.#request
    return acks >= -1 && acks <= 1 ? undefined : { error: 'INVALID_REQUIRED_ACKS' }
  }

  #mayUseTransaction(): boolean {
    const { transactionalId } = this.#request
    const { cluster, connection } = this.#context
    return transactionalId !== null && cluster.authorizer.allows(connection, 'WRITE', 'TRANSACTIONAL_ID', transactionalId)
  }

  /** Appends everything; at once where nothing has to be waited for. */
  #store(): Promise<void> | undefined {
    const { cluster } = this.#context
    const waits = this.#parts.some(({ entry }) => cluster.openNow(entry.name) === undefined)
    if (waits) return this.#openAll().then(() => this.#appendOrVerify())
    return this.#appendOrVerify()
  }

  async #openAll(): Promise<void> {
    const { cluster } = this.#context
    for (const name of new Set(this.#parts.map(({ entry }) => entry.name))) {
      try {
        await cluster.open(name)
      } catch (error) {
        for (const part of this.#parts) if (part.entry.name === name) this.#drop(part, this.#failureOf(error))
      }
    }
  }

  #appendOrVerify(): Promise<void> | undefined {
    let unsure = false
    for (const part of this.#parts) {
      this.#findLog(part)
      const { log, producer } = part
      if (log !== undefined && producer !== undefined && !log.isTransactionOpen(producer.producerId, producer.producerEpoch)) unsure = true
    }
    return unsure ? this.#verify().then(() => this.#appendAll()) : this.#appendAll()
  }

  #findLog(part: Part): void {
    const { entry, answer } = part
    const { version } = this.#context
    const led = ledPartition(this.#context, entry.name, answer.index)
    // Nor by a client of the name that may in Kafka: any could take it, and our coordinators have in memory what they wrote.
    if (isInternalTopic(entry.name) || entry.events === true) this.#drop(part, { error: 'INVALID_TOPIC_EXCEPTION' })
    else if (typeof led !== 'string') part.log = led
    else {
      if (led === 'NOT_LEADER_OR_FOLLOWER' && version >= LEADERS_FROM) answer.currentLeader = this.#hints.of(entry, answer.index)
      this.#drop(part, { error: led })
    }
  }

  /** Asks whether the partitions are parts of the transaction, or makes them so. */
  async #verify(): Promise<void> {
    const { cluster, version } = this.#context
    const asked = this.#parts.filter(({ log, producer }) => {
      return log !== undefined && producer !== undefined && !log.isTransactionOpen(producer.producerId, producer.producerEpoch)
    })
    const results = await cluster.transactions.addPartitions({
      transactionalId: this.#request.transactionalId!, ...asked[0]!.producer!,
      partitions: asked.map(({ entry, answer }) => ({ topic: entry.name, partition: answer.index })),
      ...(version >= IMPLICIT_TRANSACTIONS_FROM ? { version: 2 } : { verifyOnly: true }),
    })
    asked.forEach((part, index) => {
      const { error } = results[index]!
      if (error !== 'NONE') this.#drop(part, unverified(error, version))
    })
  }

  #appendAll(): Promise<void> | undefined {
    const { clock } = this.#context.cluster
    const until = clock.monotonic() + TURN_MS
    for (let index = 0; index < this.#parts.length; index++) {
      // A batch may take long to decompress.
      if (index > 0 && clock.monotonic() >= until) return this.#appendRest(index)
      if (!this.#append(this.#parts[index]!)) return this.#appendRest(index)
    }
    return undefined
  }

  /** The log's buffer is full, or others are to have their turn: appends from a place in the list on as there is room. */
  async #appendRest(index: number): Promise<void> {
    const { clock } = this.#context.cluster
    let until = -Infinity
    for (; index < this.#parts.length; index++) {
      if (clock.monotonic() >= until) {
        await new Promise<void>((resolve) => clock.defer(resolve))
        until = clock.monotonic() + TURN_MS
      }
      const part = this.#parts[index]!
      while (!this.#append(part)) {
        if (await this.#room()) continue
        this.#drop(part, { error: 'REQUEST_TIMED_OUT' })
        break
      }
    }
  }

  /** False when the buffer is full: nothing happened. */
  #append(part: Part): boolean {
    const { log, batch, answer } = part
    if (log === undefined) return true
    if (!countsFromZero(batch)) {
      this.#drop(part, { error: 'INVALID_RECORD', logStartOffset: log.startOffset })
      return true
    }
    try {
      const { baseOffset, lastOffset, duplicate, timestamp } = log.appendBatch(batch, 'client')
      part.lastOffset = lastOffset
      part.stored = log.durable(lastOffset)
      part.stored.catch(() => {})       // a connection that ends does not look at it any more
      answer.baseOffset = baseOffset
      answer.logStartOffset = log.startOffset
      // Of what came before Kafka tells the time in any case.
      if (duplicate || log.stampsRecords) answer.logAppendTimeMs = timestamp
    } catch (error) {
      if (isLogError(error, 'LOG_BUFFER_FULL')) return false
      this.#drop(part, this.#failureOf(error, log))
    }
    return true
  }

  /** Resolves when there is room in the buffer: true; false when the time of the request is over, or nobody waits for it any more. */
  #room(): Promise<boolean> {
    const { cluster: { clock, core }, signal } = this.#context
    this.#deadline ??= clock.monotonic() + this.#request.timeoutMs
    const left = this.#deadline - clock.monotonic()
    if (left <= 0 || signal.aborted) return Promise.resolve(false)
    return new Promise((resolve) => {
      const stop = (): void => done(false)
      const timer = clock.setTimer(stop, left)
      const done = (free: boolean): void => {
        timer.cancel()
        signal.removeEventListener('abort', stop)
        resolve(free)
      }
      signal.addEventListener('abort', stop, { once: true })
      core.env.buffer.whenFree(() => done(true))
    })
  }

  /** Answers once everything that was appended is durable: at once where nobody waits for the disk. */
  #acknowledged(): Answered<ProduceResponse> {
    const { acks } = this.#request
    const waits: Promise<void>[] = []
    for (const part of this.#parts) {
      const { log, lastOffset, stored } = part
      if (log === undefined || log.writeNow(lastOffset)) continue
      waits.push(stored!.catch((error: unknown) => this.#lost(part, error)))
    }
    if (acks === 0) {
      if (this.#failed) this.#context.connection.close('a request that asked for no answer failed')
      return NO_ANSWER
    }
    if (waits.length === 0) return this.#whole()
    const all = waits.length === 1 ? waits[0]! : Promise.all(waits)
    return (acks === 1 ? all : this.#inTime(all)).then(() => this.#whole())
  }

  /** Whoever asks for all replicas waits no longer than it says. */
  #inTime(all: Promise<unknown>): Promise<unknown> {
    const { clock } = this.#context.cluster
    return new Promise((resolve) => {
      const timer: Timer = clock.setTimer(() => {
        for (const { log, lastOffset, answer } of this.#parts) {
          if (log !== undefined && lastOffset >= log.durableOffset) answer.errorCode ||= kafkaErrors.REQUEST_TIMED_OUT
        }
        resolve(undefined)
      }, Math.max(0, this.#request.timeoutMs))
      void all.then(() => {
        timer.cancel()
        resolve(undefined)
      })
    })
  }

  #whole(): ProduceResponse {
    return { ...this.#response, nodeEndpoints: this.#hints.endpoints }
  }

  #lost(part: Part, error: unknown): void {
    part.answer.baseOffset = -1
    part.answer.logAppendTimeMs = -1
    this.#fail(part.answer, this.#failureOf(error))
  }

  #failureOf(error: unknown, log?: PartitionLog): ProduceFailure {
    const { cluster, connection } = this.#context
    if (!isLogError(error)) cluster.tell({ type: 'request-failed', connection: connection.id, api: 'Produce', cause: error })
    return produceFailure(error, log)
  }

  /** The partition has failed before anything was appended to it. */
  #drop(part: Part, failure: ProduceFailure): void {
    part.log = undefined
    this.#fail(part.answer, failure)
  }

  #fail(answer: Mutable<PartitionProduced>, { error, logStartOffset = -1, recordErrors = [], errorMessage }: ProduceFailure): void {
    this.#failed = true
    answer.errorCode = kafkaErrors[error]
    answer.logStartOffset = logStartOffset
    answer.recordErrors = recordErrors.slice(0, MOST_RECORD_ERRORS - this.#recordErrors)
    this.#recordErrors += answer.recordErrors.length
    answer.errorMessage = errorMessage ?? null
  }
}

/** Of a partition that is named again and again the last batch counts, as in a broker's map. */
function lastNamed(topics: ProduceRequest['topicData']): ProduceRequest['topicData'] {
  if (topics.length === 1 && topics[0]!.partitionData.length === 1) return topics
  const named = new Map<string, { readonly topic: ProduceRequest['topicData'][number]; readonly last: Map<number, ProducedPartition> }>()
  for (const topic of topics) {
    const key = `${topic.topicId} ${topic.name}`
    let known = named.get(key)
    if (known === undefined) named.set(key, known = { topic, last: new Map() })
    for (const partition of topic.partitionData) known.last.set(partition.index, partition)
  }
  return Array.from(named.values(), ({ topic, last }) => ({ ...topic, partitionData: [...last.values()] }))
}
