/*
 * One Fetch request: the partitions are read in their order until the answer is full; when there is too little, it waits for more and reads
 * again. What is answered are the stored bytes themselves. Which error is for what, and what stands in the answer beside it, is Kafka's
 * (KafkaApis.handleFetchRequest, ReplicaManager.readFromLog, DelayedFetch).
 */
import { isLogError } from '../base/errors.ts'
import { type KafkaErrorName, kafkaErrorName, kafkaErrors } from '../format/kafka-errors.ts'
import { type Isolation, type PartitionLog } from '../log/partition-log.ts'
import { type RawBatches } from '../log/raw-reads.ts'
import { type Answered, type RequestContext } from './api.ts'
import { type FetchRequest, type FetchResponse, type PartitionFetched } from './apis/01-fetch.ts'
import { type Broker } from './broker.ts'
import { errorCodeOf } from './error-codes.ts'
import { type FetchContext, type Fetched, FetchSessions, type Wanted } from './fetch-sessions.ts'
import { type Awaited, moreToFetch } from './fetch-waits.ts'
import { epochRefusal, LeaderHints, ledPartition, tryToOpen } from './led-partitions.ts'
import { CLUSTER_RESOURCE } from './security/authorizer.ts'

/** Bytes of an answer, unless the client wants to wait for more: they are all in memory until they are sent. */
const MOST_BYTES = 8 * 1024 * 1024
/** What a client may want to wait for: Kafka's `fetch.max.bytes`. */
const MOST_MIN_BYTES = 55 * 1024 * 1024
/** From here on answers name the leader. */
const LEADERS_FROM = 16
/** Clients of version 5 and below do not know KAFKA_STORAGE_ERROR. */
const STORAGE_ERROR_FROM = 6
/** Fetch knows zstd from here on. */
const ZSTD_FROM = 10
const READ_COMMITTED = 1
/** Replicas have numbers from 0 on; others ask as consumers. */
const FIRST_REPLICA = 0
const NO_RECORDS = Buffer.alloc(0)

/** Errors that are known without a look at any log. */
const absent: readonly KafkaErrorName[] = ['UNKNOWN_TOPIC_ID', 'TOPIC_AUTHORIZATION_FAILED', 'UNKNOWN_TOPIC_OR_PARTITION']

const sessions = new WeakMap<Broker, FetchSessions>()

/** The sessions of a broker. */
export function fetchSessions({ broker, cluster }: Pick<RequestContext, 'broker' | 'cluster'>): FetchSessions {
  let known = sessions.get(broker)
  if (known === undefined) sessions.set(broker, (known = new FetchSessions(cluster.clock, cluster.random)))
  return known
}

/** What came of the last read of all partitions. */
interface Round {
  readonly fetched: Fetched[]
  /** Those that are not there, or not for this peer: they come behind the others. */
  readonly absent: Fetched[]
  readonly awaited: Awaited[]
  /** Give back the memory of what was read. */
  readonly releases: (() => void)[]
  bytes: number
  /** Bytes that the answer may still take. */
  left: number
  /** It is to be answered, however little it is. */
  final: boolean
}

/** One Fetch request under way. */
export class Fetching {
  readonly #request: FetchRequest
  readonly #context: RequestContext
  readonly #session: FetchContext
  readonly #wanted: readonly Wanted[]
  readonly #isolation: Isolation
  readonly #minBytes: number
  readonly #maxBytes: number
  readonly #hints: LeaderHints

  constructor(request: FetchRequest, context: RequestContext) {
    this.#request = request
    this.#context = context
    this.#session = fetchSessions(context).begin(request, context.version, context.cluster)
    this.#wanted = [...this.#session.wanted]
    this.#isolation = request.isolationLevel === READ_COMMITTED ? 'read_committed' : 'read_uncommitted'
    this.#minBytes = Math.min(request.minBytes, request.maxBytes, MOST_MIN_BYTES)
    this.#maxBytes = Math.min(request.maxBytes, Math.max(MOST_BYTES, this.#minBytes))
    this.#hints = new LeaderHints(context)
  }

  /** Reads what is asked for, waits if it is too little, and answers. */
  answer(): Answered<FetchResponse> {
    if (this.#session.error !== 'NONE') return this.#respond()
    const { cluster } = this.#context
    const closed = this.#wanted.some(({ name }) => name !== undefined && cluster.openNow(name) === undefined && cluster.topic(name) !== undefined)
    if (closed) return this.#openAll().then(() => this.#answer())
    return this.#answer()
  }

  #answer(): Answered<FetchResponse> {
    const read = this.#read()
    return read instanceof Promise ? read.then((round) => this.#answerOrWait(round)) : this.#answerOrWait(read)
  }

  #answerOrWait(round: Round): Answered<FetchResponse> {
    const { maxWaitMs } = this.#request
    const { signal, cluster: { clock } } = this.#context
    const { awaited, bytes, final } = round
    if (final || maxWaitMs <= 0 || awaited.length === 0 || bytes >= this.#minBytes || signal.aborted) return this.#respond(round)
    const missing = this.#minBytes - bytes
    return moreToFetch(awaited, { clock, isolation: this.#isolation, missing, maxWaitMs, signal }).then(async () => {
      if (signal.aborted) return this.#respond(round)
      for (const release of round.releases) release()
      return this.#respond(await this.#read())
    })
  }

  async #openAll(): Promise<void> {
    for (const name of new Set(this.#wanted.map(({ name }) => name))) if (name !== undefined) await tryToOpen(this.#context, name)
  }

  #read(): Round | Promise<Round> {
    return this.#readFrom(0, { fetched: [], absent: [], awaited: [], releases: [], bytes: 0, left: this.#maxBytes, final: false })
  }

  /** Reads the partitions from a place in the list on; at once as long as they lie in memory. */
  #readFrom(index: number, round: Round): Round | Promise<Round> {
    for (; index < this.#wanted.length; index++) {
      const wanted = this.#wanted[index]!
      const log = this.#logOf(wanted)
      if (typeof log === 'string') {
        this.#failed(round, wanted, log)
        // Of what is not there Kafka tells with the others' answers, and does not make them hurry.
        if (!absent.includes(log)) round.final = true
        continue
      }
      try {
        const read = this.#readOne(round, wanted, log)
        if (read instanceof Promise) {
          const failed = (error: unknown): void => this.#failedToRead(round, wanted, this.#errorOf(error))
          return read.then((batches) => this.#take(round, wanted, log, batches), failed).then(() => this.#readFrom(index + 1, round))
        }
        if (read !== undefined) this.#take(round, wanted, log, read)
      } catch (error) {
        this.#failedToRead(round, wanted, this.#errorOf(error))
      }
    }
    return round
  }

  /** The log of a partition, or why it is not read. */
  #logOf({ name, topicId, partition, currentLeaderEpoch }: Wanted): PartitionLog | KafkaErrorName {
    const { cluster, version } = this.#context
    if (name === undefined) return 'UNKNOWN_TOPIC_ID'
    if (!this.#mayRead(name)) return 'TOPIC_AUTHORIZATION_FAILED'
    const entry = cluster.topic(name)
    if (entry === undefined || partition < 0 || partition >= entry.partitions) return 'UNKNOWN_TOPIC_OR_PARTITION'
    if (version >= 13 && cluster.topicId(entry) !== topicId) return 'INCONSISTENT_TOPIC_ID'
    if (this.#replicaId >= FIRST_REPLICA) return 'NOT_LEADER_OR_FOLLOWER'
    const log = ledPartition(this.#context, name, partition)
    if (typeof log === 'string') return log
    if (version < ZSTD_FROM && cluster.openNow(name)!.config.compressionType === 'zstd') return 'UNSUPPORTED_COMPRESSION_TYPE'
    return epochRefusal(log, currentLeaderEpoch) ?? log
  }

  get #replicaId(): number {
    return this.#context.version >= 15 ? this.#request.replicaState.replicaId : this.#request.replicaId
  }

  #mayRead(name: string): boolean {
    const { cluster: { authorizer }, connection } = this.#context
    if (this.#replicaId >= FIRST_REPLICA) return authorizer.allows(connection, 'CLUSTER_ACTION', 'CLUSTER', CLUSTER_RESOURCE)
    return authorizer.allows(connection, 'READ', 'TOPIC', name)
  }

  /** Undefined when the answer is known without reading. */
  #readOne(round: Round, wanted: Wanted, log: PartitionLog): RawBatches | Promise<RawBatches> | undefined {
    const { fetchOffset, lastFetchedEpoch, maxBytes, partition } = wanted
    if (lastFetchedEpoch >= 0) {
      const end = log.epochs.endOffsetFor(lastFetchedEpoch, log.nextOffset)
      if (end === undefined || fetchOffset < log.startOffset) {
        this.#failedToRead(round, wanted, 'OFFSET_OUT_OF_RANGE')
        return undefined
      }
      if (end.epoch < lastFetchedEpoch || end.endOffset < fetchOffset) {
        const divergingEpoch = { epoch: end.epoch, endOffset: end.endOffset }
        round.fetched.push({ wanted, answer: { ...this.#stateOf(log, partition), divergingEpoch, records: NO_RECORDS } })
        round.final = true
        return undefined
      }
    }
    const minOneBatch = round.bytes === 0
    const room = Math.max(0, Math.min(maxBytes, round.left))
    return log.readBatches({ from: fetchOffset, maxBytes: room, isolation: this.#isolation, minOneBatch, atLeast: this.#minBytes - round.bytes })
  }

  #stateOf(log: PartitionLog, partition: number): Omit<PartitionFetched, 'records'> {
    const { highWatermark, lastStableOffset, startOffset: logStartOffset } = log
    const abortedTransactions = this.#isolation === 'read_committed' ? [] : null
    return { partitionIndex: partition, errorCode: kafkaErrors.NONE, highWatermark, lastStableOffset, logStartOffset, abortedTransactions }
  }

  #take(round: Round, wanted: Wanted, log: PartitionLog, batches: RawBatches): void {
    const { records, release, highWatermark, lastStableOffset, startOffset: logStartOffset, aborted, more, nextOffset } = batches
    round.bytes += records.length
    round.left -= records.length
    // What is left out for its size, or since it lies elsewhere, is not worth a wait.
    if (more && round.bytes > 0) round.final = true
    round.awaited.push({ log, counted: nextOffset, from: wanted.fetchOffset })
    const abortedTransactions = aborted === undefined ? null : aborted.map(({ producerId, firstOffset }) => ({ producerId, firstOffset }))
    const { partition: partitionIndex } = wanted
    const answer = { partitionIndex, errorCode: kafkaErrors.NONE, highWatermark, lastStableOffset, logStartOffset, abortedTransactions, records }
    round.fetched.push({ wanted, answer })
    round.releases.push(release)
  }

  #failedToRead(round: Round, wanted: Wanted, error: KafkaErrorName): void {
    this.#failed(round, wanted, error)
    round.final = true
  }

  #failed(round: Round, wanted: Wanted, error: KafkaErrorName): void {
    const { version, cluster } = this.#context
    const code = error === 'KAFKA_STORAGE_ERROR' && version < STORAGE_ERROR_FROM ? 'NOT_LEADER_OR_FOLLOWER' : error
    const answer: PartitionFetched = {
      partitionIndex: wanted.partition, errorCode: kafkaErrors[code], highWatermark: -1, lastStableOffset: -1, logStartOffset: -1,
      abortedTransactions: absent.includes(error) ? [] : null, records: NO_RECORDS,
    }
    const entry = wanted.name === undefined ? undefined : cluster.topic(wanted.name)
    const named = entry !== undefined && version >= LEADERS_FROM && (error === 'NOT_LEADER_OR_FOLLOWER' || error === 'FENCED_LEADER_EPOCH')
    const told = { wanted, answer: named ? { ...answer, currentLeader: this.#hints.of(entry, wanted.partition) } : answer }
    if (absent.includes(error)) round.absent.push(told)
    else round.fetched.push(told)
  }

  #errorOf(error: unknown): KafkaErrorName {
    const { cluster, connection } = this.#context
    // The client would have found out by itself.
    if (isLogError(error, 'LOG_CORRUPT')) return 'CORRUPT_MESSAGE'
    if (!isLogError(error)) cluster.tell({ type: 'request-failed', connection: connection.id, api: 'Fetch', cause: error })
    return kafkaErrorName(errorCodeOf(error)) ?? 'UNKNOWN_SERVER_ERROR'
  }

  #respond(round?: Round): FetchResponse {
    for (const release of round?.releases ?? []) this.#context.whenSent(release)
    const { error, sessionId, fetched } = this.#session.respond(round === undefined ? [] : [...round.fetched, ...round.absent])
    return { errorCode: kafkaErrors[error], sessionId, responses: underTheirTopics(fetched), nodeEndpoints: this.#hints.endpoints }
  }
}

type TopicFetched = { topic: string; topicId: string; partitions: PartitionFetched[] }

/** Partitions of a topic that follow one another stand under it; the order is that of the answers. */
function underTheirTopics(fetched: readonly Fetched[]): TopicFetched[] {
  const topics: TopicFetched[] = []
  let last: TopicFetched | undefined
  for (const { wanted: { name = '', topicId }, answer } of fetched) {
    if (last === undefined || last.topic !== name || last.topicId !== topicId) topics.push((last = { topic: name, topicId, partitions: [] }))
    last.partitions.push(answer)
  }
  return topics
}
