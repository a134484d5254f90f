/*
 * What is known of a cluster: its brokers, who leads which partition, who coordinates which group; and the way to ask a broker something.
 * What is known may be out of date: whoever is told so asks again. What is asked, and what the answers mean, is the business of those who ask.
 */
import { LogError } from '../base/errors.ts'
import { Call } from './call.ts'
import {
  addressText, askRaw, type BrokerConnection, type BrokerConnections, type ClientPackage, failureOf, openConnections, type RawRequest,
  type RequestApi,
} from './client.ts'
import { checkAnswer, clusterError, nameOf } from './errors.ts'
import { type ClusterEvent } from './events.ts'
import { type BrokerAddress, type CheckedConnectOptions } from './options.ts'
import { retrying } from './retry.ts'

/** A broker. */
export interface Broker extends BrokerAddress {
  readonly id: number
}

/** A topic, as the cluster tells of it. */
export interface TopicState {
  readonly name: string
  readonly internal: boolean
  /** The leader of each partition, by number; −1 for none at the moment. */
  readonly leaders: readonly number[]
  /** Copies of each partition; of the one that has fewest. */
  readonly replication: number
}

/** What coordinates what. */
export type CoordinatorKind = 'group' | 'transaction'

/**
 * One set of connections. What waits long for its answer has its own, so that nothing waits behind it. A question has what is left of its
 * call's time, and at most that of the line.
 */
export interface Line {
  ask<Args extends unknown[], Answer>(call: Call, broker: BrokerAddress, api: RequestApi<Args, Answer>, ...args: Args): Promise<Answer>
  askRaw<Answer>(call: Call, broker: BrokerAddress, request: RawRequest<Answer>): Promise<Answer>
  close(): Promise<void>
}

const MOST_IN_FLIGHT = 64

/** A cluster. */
export class Cluster {
  readonly options: CheckedConnectOptions
  readonly client: ClientPackage
  /** For what is answered soon. */
  readonly main: Line
  clusterId = ''
  #brokers = new Map<number, Broker>()
  #controller = -1
  readonly #topics = new Map<string, TopicState>()
  readonly #coordinators = new Map<string, Broker>()
  readonly #lines = new Set<Line>()
  readonly #lost = new Set<string>()
  /** What brokers take, by address and key of request, until they are lost: they may come back as newer ones. */
  readonly #versions = new Map<string, ReadonlyMap<number, { readonly least: number; readonly most: number }>>()
  readonly #listeners = new Set<() => void>()
  #refreshing: Promise<void> | undefined
  #closed = false

  constructor(client: ClientPackage, options: CheckedConnectOptions) {
    this.client = client
    this.options = options
    this.main = this.line(options.requestTimeoutMs)
  }

  get brokers(): readonly Broker[] {
    return [...this.#brokers.values()]
  }

  /** Whether a broker answered last time. */
  isConnected(broker: Broker): boolean {
    return !this.#lost.has(addressText(broker))
  }

  /** New connections, on which a broker has so long for its answers. */
  line(requestTimeoutMs: number, security = this.options.security): Line {
    const pool = openConnections(this.client, { ...this.options, security }, { requestTimeoutMs, inFlight: MOST_IN_FLIGHT })
    const isOpen = (): boolean => this.#lines.has(line)
    const line: Line = {
      ask: (call, broker, api, ...args) => this.#ask({ pool, isOpen, call }, broker, (connection) => api.async(connection, ...args)),
      askRaw: (call, broker, request) => this.#ask({ pool, isOpen, call }, broker, (connection) => askRaw(this.client, connection, request)),
      close: async () => {
        this.#lines.delete(line)
        await pool.close()
      },
    }
    this.#lines.add(line)
    return line
  }

  /** A call that begins now. */
  call(signal?: AbortSignal, timeoutMs = this.options.timeoutMs): Call {
    return new Call(this.options.clock, timeoutMs, signal)
  }

  /** Asks again while the cluster cannot answer, and the call has time. */
  retrying<T>(call: Call, attempt: () => Promise<T>): Promise<T> {
    const { clock, random } = this.options
    return retrying({ clock, random, call, alive: () => !this.#closed }, attempt)
  }

  emit(event: ClusterEvent): void {
    try {
      this.options.onEvent?.(event)
    } catch (error) {
      queueMicrotask(() => { throw error })
    }
  }

  async close(): Promise<void> {
    this.#closed = true
    await Promise.all([...this.#lines].map((line) => line.close()))
  }

  // Brokers

  /** Any broker: one that is known, or else one of those that were given. One that is silent leaves the others their share of the time. */
  async any<T>(call: Call, ask: (call: Call, broker: BrokerAddress) => Promise<T>): Promise<T> {
    const known = [...this.brokers.filter((broker) => this.isConnected(broker)), ...this.brokers, ...this.options.brokers]
    const addresses = new Map(known.map((address) => [addressText(address), address]))
    let rest = addresses.size
    let last: unknown
    for (const address of addresses.values()) {
      try {
        return await ask(call.part(call.leftMs / rest--), address)
      } catch (error) {
        if (!(error instanceof LogError) || error.code !== 'LOG_CLUSTER_UNAVAILABLE') throw error
        last = error
      }
    }
    throw last
  }

  /** Whether a broker takes a version of a request: one that does not hangs up on it. */
  async supports(call: Call, broker: BrokerAddress, key: number, version: number): Promise<boolean> {
    const address = addressText(broker)
    let versions = this.#versions.get(address)
    if (versions === undefined) {
      const { apiKeys } = await this.main.ask(call, broker, this.client.apiVersionsV3.api, 'commitlog', '1')
      versions = new Map(apiKeys.map(({ apiKey, minVersion: least, maxVersion: most }) => [apiKey, { least, most }]))
      this.#versions.set(address, versions)
    }
    const known = versions.get(key)
    return known !== undefined && version >= known.least && version <= known.most
  }

  /** The broker that changes topics. */
  async controller(call: Call): Promise<Broker> {
    const known = this.#brokers.get(this.#controller)
    if (known !== undefined && this.isConnected(known)) return known
    await this.refresh(call, [])
    const found = this.#brokers.get(this.#controller)
    if (found === undefined) throw new LogError('LOG_CLUSTER_UNAVAILABLE', 'the cluster has no controller at the moment')
    return found
  }

  // Topics

  /** The topics looked at so far. */
  get topics(): readonly TopicState[] {
    return [...this.#topics.values()]
  }

  topic(name: string): TopicState | undefined {
    return this.#topics.get(name)
  }

  /** Calls `listener` when topics or partitions came or went. Gives the function that ends it. */
  onTopicsChanged(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  /** Learns of topics, of all without names; those that are not there are forgotten. */
  async refresh(call: Call, names?: readonly string[]): Promise<void> {
    if (names !== undefined) return this.#refresh(call, names)
    // Several who notice at a time that a leader has moved need one answer, which nobody's signal keeps from the others.
    this.#refreshing ??= this.#refresh(this.call(), undefined).finally(() => { this.#refreshing = undefined })
    await call.within(this.#refreshing, () => new LogError('LOG_CLUSTER_UNAVAILABLE', 'no broker told of the topics in time'))
  }

  async #refresh(call: Call, names: readonly string[] | undefined): Promise<void> {
    const { metadataV10 } = this.client
    const asked = names === undefined ? null : [...names]
    const answer = await this.any(call, (part, broker) => this.main.ask(part, broker, metadataV10.api, asked, false, false))
    this.clusterId = answer.clusterId ?? ''
    this.#controller = answer.controllerId
    this.#brokers = new Map(answer.brokers.map(({ nodeId: id, host, port }) => [id, { id, host, port }]))
    const before = this.#shape()
    const gone = new Set(names ?? this.#topics.keys())
    for (const { name, errorCode, isInternal, partitions } of answer.topics) {
      if (name === null || name === undefined) continue
      if (nameOf(errorCode) === 'TOPIC_AUTHORIZATION_FAILED') checkAnswer(errorCode, `topic "${name}"`, { topic: name })
      if (errorCode !== 0) continue
      gone.delete(name)
      const leaders: number[] = []
      for (const { partitionIndex, leaderId } of partitions) leaders[partitionIndex] = leaderId
      const replication = Math.min(...partitions.map(({ replicaNodes }) => replicaNodes.length))
      this.#topics.set(name, { name, internal: isInternal, leaders, replication })
    }
    for (const name of gone) this.#topics.delete(name)
    if (this.#shape() !== before) for (const listener of [...this.#listeners]) listener()
  }

  #shape(): string {
    return [...this.#topics].map(([name, { leaders }]) => `${name} ${leaders.length}`).sort().join()
  }

  /** The leader of a partition. */
  async leaderOf(call: Call, topic: string, partition: number): Promise<Broker> {
    const known = this.#leader(topic, partition)
    if (known !== undefined && this.isConnected(known)) return known
    await this.refresh(call, [topic])
    const found = this.#leader(topic, partition)
    if (found !== undefined) return found
    throw clusterError('LEADER_NOT_AVAILABLE', `partition ${partition} of topic "${topic}"`, { topic, partition })
  }

  #leader(topic: string, partition: number): Broker | undefined {
    return this.#brokers.get(this.#topics.get(topic)?.leaders[partition] ?? -1)
  }

  // Coordinators

  /** Who coordinates a group, or the transactions of an id. */
  async coordinatorOf(call: Call, kind: CoordinatorKind, key: string): Promise<Broker> {
    const known = this.#coordinators.get(`${kind} ${key}`)
    if (known !== undefined && this.isConnected(known)) return known
    const { findCoordinatorV4 } = this.client
    const answer = await this.any(call, (part, broker) => this.main.ask(part, broker, findCoordinatorV4.api, kind === 'group' ? 0 : 1, [key]))
    const found = answer.coordinators[0]!
    checkAnswer(found.errorCode, `the coordinator of ${kind} "${key}"`, { [kind]: key }, found.errorMessage)
    const broker = { id: found.nodeId, host: found.host, port: found.port }
    this.#coordinators.set(`${kind} ${key}`, broker)
    return broker
  }

  /** It is somebody else, or nobody at the moment. */
  forgetCoordinator(kind: CoordinatorKind, key: string): void {
    this.#coordinators.delete(`${kind} ${key}`)
  }

  /** Asks the coordinator, again as long as it moves. `codeOf` says which error an answer is of. */
  coordinated<T>(
    call: Call, kind: CoordinatorKind, key: string, ask: (broker: Broker) => Promise<T>, codeOf: (answer: NoInfer<T>) => number,
  ): Promise<T> {
    return this.retrying(call, async () => {
      const broker = await this.coordinatorOf(call, kind, key)
      try {
        const answer = await ask(broker)
        const name = nameOf(codeOf(answer))
        if (coordinatorMoves.includes(name)) throw clusterError(name, `the coordinator of ${kind} "${key}"`, { [kind]: key })
        return answer
      } catch (error) {
        this.forgetCoordinator(kind, key)
        throw error
      }
    })
  }

  // Asking

  async #ask<Answer>(
    { pool, isOpen, call }: { readonly pool: BrokerConnections; readonly isOpen: () => boolean; readonly call: Call }, broker: BrokerAddress,
    ask: (connection: BrokerConnection) => Promise<Answer>,
  ): Promise<Answer> {
    const address = addressText(broker)
    if (!isOpen()) throw new LogError('LOG_CLOSED', 'the connection to the cluster is closed')
    let connection: BrokerConnection | undefined
    // Its answer may come still: nobody waits for it, and the connection goes on.
    const late = (): LogError => {
      const cut = connection !== undefined
      return new LogError('LOG_CLUSTER_UNAVAILABLE', `broker ${address} did not answer in the time that was left`, { broker: address, cut })
    }
    try {
      connection = await call.within(pool.get({ host: broker.host, port: broker.port }), late)
      // What nobody would wait for is not asked: it may be done all the same.
      if (call.leftMs === 0) {
        connection = undefined
        throw late()
      }
      const answer = await call.within(ask(connection), late)
      this.#answers(address)
      return answer
    } catch (error) {
      call.signal?.throwIfAborted()
      if (error instanceof LogError || error instanceof TypeError || error instanceof RangeError) throw error
      const failure = failureOf(error, connection)
      if (failure.type === 'answer') {
        this.#answers(address)
        return failure.answer as Answer
      }
      if (failure.type === 'authentication') {
        throw new LogError('LOG_AUTHENTICATION_FAILED', `broker ${address} does not believe who we say we are`, { broker: address }, error)
      }
      if (failure.type === 'unsupported') {
        throw new LogError('LOG_CLUSTER_UNSUPPORTED', `broker ${address} cannot do this: is it older than Kafka 3.0?`, { broker: address }, error)
      }
      if (!isOpen()) throw new LogError('LOG_CLOSED', 'the connection to the cluster is closed')
      // An answer that comes too late would be taken for that of the next question.
      connection?.close().catch(() => {})
      this.#loses(address, error)
      const cut = failure.type === 'cut'
      const message = `broker ${address} ${cut ? 'did not answer' : 'cannot be reached'}`
      throw new LogError('LOG_CLUSTER_UNAVAILABLE', message, { broker: address, cut }, error)
    }
  }

  #answers(address: string): void {
    if (this.#lost.delete(address)) this.emit({ type: 'broker-back', broker: address })
  }

  #loses(broker: string, error: unknown): void {
    this.#versions.delete(broker)
    if (this.#closed || this.#lost.has(broker)) return
    this.#lost.add(broker)
    this.emit({ type: 'broker-lost', broker, error })
  }
}

const coordinatorMoves: readonly string[] = ['NOT_COORDINATOR', 'COORDINATOR_NOT_AVAILABLE', 'COORDINATOR_LOAD_IN_PROGRESS']
