/*
 * What a client that fetches again and again need not say again (KIP-227): a session remembers the partitions and what was last answered for
 * each, and an incremental request and its answer hold only what differs. A broker keeps so many sessions; one that is not used, or is of
 * little use, makes room for others. Rules as in Kafka's FetchSession.
 */
import { type Clock } from '../base/clock.ts'
import { type Random } from '../base/random.ts'
import { type KafkaErrorName, kafkaErrors } from '../format/kafka-errors.ts'
import { NO_UUID } from '../format/schema.ts'
import { type FetchRequest, type PartitionFetched } from './apis/01-fetch.ts'
import { type Cluster } from './cluster.ts'

/** Kafka's `max.incremental.fetch.session.cache.slots`. */
const MAX_SESSIONS = 1000
/** Of all sessions of a broker: a request may name partitions that there are not. */
export const MAX_SESSION_PARTITIONS = 500_000
/** Kafka's `min.incremental.fetch.session.eviction.ms`: a session is safe for so long. */
const EVICTION_MS = 120_000
const NO_SESSION = 0
/** Begins a session. */
const INITIAL_EPOCH = 0
/** Ends one, or begins none. */
const FINAL_EPOCH = -1
const MAX_ID = 0x7fff_ffff

/** A partition that is to be fetched. */
export interface Wanted {
  /** Undefined for an id that no topic has. */
  name: string | undefined
  readonly topicId: string
  readonly partition: number
  fetchOffset: number
  maxBytes: number
  currentLeaderEpoch: number
  lastFetchedEpoch: number
  // What was last answered; −1 as long as nothing was
  highWatermark: number
  logStartOffset: number
}

/** A partition with its answer. */
export interface Fetched {
  readonly wanted: Wanted
  readonly answer: PartitionFetched
}

/** What a request comes to with its session. */
export interface FetchContext {
  /** The error of the whole request. */
  readonly error: KafkaErrorName
  readonly wanted: Iterable<Wanted>
  /** What of the answers has to be sent, and in which session. */
  respond(fetched: readonly Fetched[]): { readonly error: KafkaErrorName; readonly sessionId: number; readonly fetched: readonly Fetched[] }
}

interface Session {
  readonly id: number
  readonly createdAt: number
  readonly byId: boolean
  /** In the order in which they are looked at: those that had records go behind the others. */
  readonly partitions: Map<string, Wanted>
  usedAt: number
  epoch: number
}

/** The sessions of one broker. */
export class FetchSessions {
  readonly #clock: Clock
  readonly #random: Random
  readonly #limit: number
  /** The one that was not used for longest first. */
  readonly #sessions = new Map<number, Session>()

  constructor(clock: Clock, random: Random, limit = MAX_SESSIONS) {
    this.#clock = clock
    this.#random = random
    this.#limit = limit
  }

  get size(): number {
    return this.#sessions.size
  }

  /** Of all sessions. */
  get #partitions(): number {
    let sum = 0
    for (const { partitions } of this.#sessions.values()) sum += partitions.size
    return sum
  }

  /** What a request asks for. */
  begin(request: FetchRequest, version: number, cluster: Cluster): FetchContext {
    const { sessionId, sessionEpoch } = request
    const byId = version >= 13
    if (sessionEpoch === FINAL_EPOCH || sessionEpoch === INITIAL_EPOCH) {
      this.#sessions.delete(sessionId)
      const wanted = wantedOf(request, byId, cluster)
      return sessionEpoch === FINAL_EPOCH ? alone(wanted) : this.#beginning(wanted, byId)
    }
    const session = this.#sessions.get(sessionId)
    if (session === undefined) return refused('FETCH_SESSION_ID_NOT_FOUND')
    if (session.epoch !== sessionEpoch) return refused('INVALID_FETCH_SESSION_EPOCH')
    if (session.byId !== byId) return refused('FETCH_SESSION_TOPIC_ID_ERROR')
    return this.#goOn(session, request, cluster)
  }

  /** A full request; the session begins with its answer, when there is room. */
  #beginning(wanted: Map<string, Wanted>, byId: boolean): FetchContext {
    return {
      error: 'NONE',
      wanted: wanted.values(),
      respond: (fetched) => {
        for (const { wanted, answer } of fetched) remember(wanted, answer)
        return { error: 'NONE', sessionId: this.#create(new Map(fetched.map(({ wanted }) => [keyOf(wanted), wanted])), byId), fetched }
      },
    }
  }

  #goOn(session: Session, request: FetchRequest, cluster: Cluster): FetchContext {
    const { partitions, byId } = session
    for (const [key, wanted] of wantedOf(request, byId, cluster)) {
      const known = partitions.get(key)
      if (known === undefined) partitions.set(key, wanted)
      else update(known, wanted)
    }
    for (const { topic, topicId, partitions: forgotten } of request.forgottenTopicsData) {
      for (const partition of forgotten) partitions.delete(keyOf({ name: topic, topicId: byId ? topicId : NO_UUID, partition }))
    }
    if (partitions.size === 0) {
      this.#sessions.delete(session.id)
      return alone(partitions)
    }
    if (request.topics.length > 0 && this.#partitions > MAX_SESSION_PARTITIONS) {
      this.#sessions.delete(session.id)
      return refused('FETCH_SESSION_ID_NOT_FOUND')
    }
    this.#touch(session)
    session.epoch = nextEpoch(session.epoch)
    const { epoch } = session
    if (byId) for (const wanted of partitions.values()) wanted.name ??= cluster.topicById(wanted.topicId)?.name
    return {
      error: 'NONE',
      wanted: [...partitions.values()],
      respond: (fetched) => {
        // The client has asked again meanwhile, and waits for that answer.
        if (session.epoch !== epoch) return { error: 'INVALID_FETCH_SESSION_EPOCH', sessionId: session.id, fetched: [] }
        return { error: 'NONE', sessionId: session.id, fetched: fetched.filter((one) => differs(session, one)) }
      },
    }
  }

  #create(partitions: Map<string, Wanted>, byId: boolean): number {
    const now = this.#clock.monotonic()
    if (this.#partitions + partitions.size > MAX_SESSION_PARTITIONS) return NO_SESSION
    if (this.#sessions.size >= this.#limit && !this.#evict(now, partitions.size)) return NO_SESSION
    let id = NO_SESSION
    while (id === NO_SESSION || this.#sessions.has(id)) id = 1 + this.#random.int(MAX_ID)
    this.#sessions.set(id, { id, createdAt: now, byId, partitions, usedAt: now, epoch: nextEpoch(INITIAL_EPOCH) })
    return id
  }

  /** Makes room: the session that was not used for long, else an old one that holds less than the new one would. */
  #evict(now: number, size: number): boolean {
    const [oldest] = this.#sessions.values()
    if (oldest === undefined) return false
    if (now - oldest.usedAt > EVICTION_MS) return this.#sessions.delete(oldest.id)
    let smallest: Session | undefined
    for (const session of this.#sessions.values()) {
      if (now - session.createdAt > EVICTION_MS && session.partitions.size < (smallest?.partitions.size ?? size)) smallest = session
    }
    return smallest !== undefined && this.#sessions.delete(smallest.id)
  }

  #touch(session: Session): void {
    session.usedAt = this.#clock.monotonic()
    this.#sessions.delete(session.id)
    this.#sessions.set(session.id, session)
  }
}

/** A request without a session. */
function alone(wanted: Map<string, Wanted>): FetchContext {
  return { error: 'NONE', wanted: wanted.values(), respond: (fetched) => ({ error: 'NONE', sessionId: NO_SESSION, fetched }) }
}

function refused(error: KafkaErrorName): FetchContext {
  return { error, wanted: [], respond: () => ({ error, sessionId: NO_SESSION, fetched: [] }) }
}

/** The partitions that a request names. */
function wantedOf({ topics }: FetchRequest, byId: boolean, cluster: Cluster): Map<string, Wanted> {
  const all = new Map<string, Wanted>()
  for (const { topic, topicId, partitions } of topics) {
    const name = byId ? cluster.topicById(topicId)?.name : topic
    for (const { partition, fetchOffset, partitionMaxBytes: maxBytes, currentLeaderEpoch, lastFetchedEpoch } of partitions) {
      const wanted = { name, topicId, partition, fetchOffset, maxBytes, currentLeaderEpoch, lastFetchedEpoch, highWatermark: -1, logStartOffset: -1 }
      all.set(keyOf(wanted), wanted)
    }
  }
  return all
}

function keyOf({ name, topicId, partition }: Pick<Wanted, 'name' | 'topicId' | 'partition'>): string {
  return topicId === NO_UUID ? `${partition} ${name}` : `${partition} ${topicId}`
}

function update(known: Wanted, { fetchOffset, maxBytes, currentLeaderEpoch, lastFetchedEpoch }: Wanted): void {
  known.fetchOffset = fetchOffset
  known.maxBytes = maxBytes
  known.currentLeaderEpoch = currentLeaderEpoch
  known.lastFetchedEpoch = lastFetchedEpoch
}

function remember(wanted: Wanted, { highWatermark, logStartOffset = -1 }: PartitionFetched): void {
  wanted.highWatermark = highWatermark
  wanted.logStartOffset = logStartOffset
}

/** Whether the client has to be told of a partition, and then what it is told is what it knows. */
function differs({ partitions }: Session, { wanted, answer }: Fetched): boolean {
  const { errorCode, highWatermark, logStartOffset = -1, records, divergingEpoch } = answer
  const hasRecords = records !== null && records.length > 0
  const failed = errorCode !== kafkaErrors.NONE
  const changed = wanted.highWatermark !== highWatermark || wanted.logStartOffset !== logStartOffset
  remember(wanted, answer)
  // Once the error is gone the client is told so.
  if (failed) wanted.highWatermark = -1
  const key = keyOf(wanted)
  if (hasRecords && partitions.delete(key)) partitions.set(key, wanted)
  return hasRecords || failed || changed || divergingEpoch !== undefined
}

function nextEpoch(epoch: number): number {
  return epoch === MAX_ID ? 1 : epoch + 1
}
