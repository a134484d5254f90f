/*
 * Opens a log to Kafka clients: binds the ports, takes connections, and closes them again. What is answered is in apis/.
 */
import { type Duplex } from 'node:stream'
import { type Socket } from 'node:net'
import { type InspectOptions } from 'node:util'
import { LogError } from '../base/errors.ts'
import { type Inspect, INSPECT, inspected } from '../base/inspect.ts'
import { describe } from '../base/options.ts'
import { type CommitLog } from '../topics/commit-log.ts'
import { addressText, isLoopback } from './addresses.ts'
import { type AnyApi } from './api.ts'
import { apis } from './apis.ts'
import { type Broker, type BrokerAddress } from './broker.ts'
import { Cluster } from './cluster.ts'
import { Connection } from './connection.ts'
import { Endpoint } from './endpoint.ts'
import { tellEvent } from './events.ts'
import { type Interceptor } from './exchange.ts'
import { type ListenOptions, resolvedOptions, type ResolvedOptions } from './options.ts'
import { type Principal } from './peer.ts'
import { RequestBudget } from './request-budget.ts'
import { readingReused } from './reused-reads.ts'
import { type ResolvedListener } from './security/listener-options.ts'
import { Security } from './security/security.ts'
import { TlsGate } from './security/tls-gate.ts'
import { type ResolvedTls } from './security/tls-options.ts'

/** A broker as it is told to whoever started it. */
export interface BrokerInfo {
  readonly nodeId: number
  readonly host: string
  readonly port: number
  /** Its addresses (`host:port`) by the name of the listener; `host` and `port` are those of the first. */
  readonly listeners: Readonly<Record<string, string>>
}

/** An open listener. */
export class KafkaListener implements AsyncDisposable {
  readonly #options: ResolvedOptions
  readonly #parts: ListenerParts
  readonly #budget: RequestBudget
  readonly #endpoints = new Map<Endpoint, PortOf>()
  readonly #gates: TlsGate[] = []
  readonly #connections = new Set<Connection>()
  #cluster: Cluster
  #accepted = 0
  #closing: Promise<void> | undefined
  readonly #stop = (): void => void this.close()

  /** @internal Use {@link listen}. */
  constructor(cluster: Cluster, parts: ListenerParts) {
    this.#cluster = cluster
    this.#parts = parts
    this.#options = cluster.options
    this.#budget = new RequestBudget(cluster.options.maxBufferedBytes)
  }

  /** @internal Binds the ports. */
  async open(): Promise<void> {
    const { brokers: count, nodeId = this.cluster.core.nodeId, listeners, signal } = this.#options
    signal?.throwIfAborted()
    try {
      const brokers: Broker[] = []
      for (let index = 0; index < count; index++) {
        const addresses = new Map<string, BrokerAddress>()
        for (const listener of listeners) {
          const port = this.#parts.unbound === true ? (listener.port || UNBOUND_PORT) + index : await this.#bind(listener, index)
          addresses.set(listener.name, { host: listener.advertisedHost, port })
        }
        brokers.push({ nodeId: nodeId + index, rack: null, addresses })
      }
      this.cluster.setBrokers(brokers)
    } catch (error) {
      await this.close()
      throw error
    }
    signal?.addEventListener('abort', this.#stop, { once: true })
    this.#tellUnprotected()
  }

  /** Nobody is asked who they are, and not only this machine can come in. With an authorizer somebody thought of it. */
  #tellUnprotected(): void {
    if (this.#options.authorizer !== undefined) return
    for (const [{ addresses, port }, { listener, index }] of this.#endpoints) {
      if (index > 0 || listener.sasl !== undefined || listener.tls?.clientAuth === 'required') continue
      const beyond = addresses.find((address) => !isLoopback(address))
      if (beyond !== undefined) this.cluster.tell({ type: 'unprotected', listener: listener.name, address: addressText(beyond, port) })
    }
  }

  /** Binds the port of one broker for one listener, and gives it. */
  async #bind(listener: ResolvedListener, index: number, again?: number): Promise<number> {
    const { host, port, tls } = listener
    const gate = tls === undefined ? undefined : this.#gate(listener, tls, index)
    const asked = again ?? (port === 0 ? 0 : port + index)
    const endpoint = await Endpoint.open(host, asked, (socket) => this.#accept(socket, { listener, index, gate }))
    this.#endpoints.set(endpoint, { listener, index })
    return endpoint.port
  }

  #gate(listener: ResolvedListener, tls: ResolvedTls, index: number): TlsGate {
    const gate = new TlsGate({
      tls, clock: this.cluster.clock, timeoutMs: this.#options.requestTimeoutMs,
      entered: (socket, address, principal) => this.#serve(socket, { listener, broker: this.cluster.allBrokers[index]!, address, principal }),
      refused: (address, reason) => this.cluster.tell({ type: 'refused', address, reason }),
    })
    this.#gates.push(gate)
    return gate
  }

  /** @internal What all brokers share. */
  get cluster(): Cluster {
    return this.#cluster
  }

  /**
   * @internal A broker is there no more: its ports are closed, its connections cut, and others lead and coordinate what it did. Nothing when it is
   * down.
   */
  async stopBroker(nodeId: number): Promise<void> {
    this.cluster.setDown(nodeId, true)
    const closing: Promise<void>[] = []
    for (const [endpoint, { index }] of this.#endpoints) {
      if (this.cluster.allBrokers[index]!.nodeId !== nodeId) continue
      this.#endpoints.delete(endpoint)
      closing.push(endpoint.close())
    }
    for (const connection of this.#connections) if (connection.nodeId === nodeId) connection.close('the broker went down')
    await Promise.all(closing)
  }

  /** @internal A broker is there again, on the ports that it had. Nothing when it is up. */
  async startBroker(nodeId: number): Promise<void> {
    const { cluster } = this
    if (!cluster.leadership.isDown(nodeId)) return
    const index = cluster.allBrokers.findIndex((broker) => broker.nodeId === nodeId)
    for (const listener of this.#parts.unbound === true ? [] : this.#options.listeners) {
      await this.#bind(listener, index, cluster.allBrokers[index]!.addresses.get(listener.name)!.port)
    }
    this.cluster.setDown(nodeId, false)
  }

  /** @internal Goes on over another log, on the same ports. Connections go on too; what waits in the log before is answered. */
  replaceLog(log: CommitLog): void {
    const before = this.#cluster
    this.#cluster = clusterOf(log, this.#options, this.#parts)
    this.#cluster.leadership.take(before.leadership)
    // Fetch sessions are of a broker, and begin anew.
    this.#cluster.setBrokers(before.allBrokers.map((broker) => ({ ...broker })))
    for (const connection of this.#connections) {
      connection.moveTo(this.#cluster, this.#cluster.allBrokers.find(({ nodeId }) => nodeId === connection.nodeId)!)
    }
    before.close()
  }

  /** @internal Closes all connections, or those to one broker, and listens on. */
  dropConnections(reason: string, nodeId?: number): void {
    for (const connection of this.#connections) if (nodeId === undefined || connection.nodeId === nodeId) connection.close(reason)
  }

  /** What clients call `bootstrap.servers`: the addresses of all brokers, with commas; of the first listener when there are several. */
  get bootstrap(): string {
    return this.bootstrapOf(this.#options.listeners[0]!.name)
  }

  /** As `bootstrap`, as a list: what KafkaJS calls `brokers`. */
  get bootstrapServers(): readonly string[] {
    return this.bootstrap.split(',')
  }

  /**
   * As `bootstrap`, of the listener with this name.
   *
   * @throws RangeError when there is none
   */
  bootstrapOf(listener: string): string {
    return this.brokers.map(({ listeners }) => {
      const address = listeners[listener]
      if (address === undefined) throw new RangeError(`there is no listener "${listener}": there are ${Object.keys(listeners).join(', ')}`)
      return address
    }).join(',')
  }

  /** The brokers with their addresses. */
  get brokers(): readonly BrokerInfo[] {
    const [first] = this.#options.listeners
    return this.cluster.allBrokers.map(({ nodeId, addresses }) => {
      const listeners = Object.fromEntries([...addresses].map(([name, { host, port }]) => [name, addressText(host, port)]))
      return { nodeId, ...addresses.get(first!.name)!, listeners }
    })
  }

  /** Connections that are open. */
  get connections(): number {
    return this.#connections.size
  }

  /** @internal Its ends of them. */
  get streams(): Iterable<Duplex> {
    return Array.from(this.#connections, ({ stream }) => stream)
  }

  /**
   * Serves a peer at the other end of a stream, as if it had connected to a broker: for transports other than TCP.
   *
   * @param broker  its place in `brokers`
   */
  serve(stream: Duplex, broker = 0): void {
    const served = this.cluster.allBrokers[broker]
    if (served === undefined) throw new RangeError(`there is no broker ${broker}: there are ${this.cluster.allBrokers.length}`)
    this.#serve(stream, { listener: this.#options.listeners[0]!, broker: served, address: '', principal: undefined })
  }

  /** Takes no more connections and requests, answers what is under way, and closes. The log stays open. Never throws. */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #close(): Promise<void> {
    this.#options.signal?.removeEventListener('abort', this.#stop)
    const closing = Array.from(this.#endpoints.keys(), (endpoint) => endpoint.close())
    for (const gate of this.#gates) gate.close()
    for (const connection of this.#connections) connection.leave()
    // A peer that does not take its answers is not waited for.
    const patience = this.cluster.clock.setTimer(() => {
      for (const connection of this.#connections) connection.close('the listener closes')
    }, CLOSE_MS)
    await Promise.all(closing)
    patience.cancel()
    this.cluster.close()
  }

  #accept(socket: Socket, { listener, index, gate }: WayIn): void {
    const address = (socket.remoteAddress ?? '').replace(/^::ffff:/, '')
    const broker = this.cluster.allBrokers[index]
    // It came while the other ports were bound: it tries again.
    if (broker === undefined) return void socket.destroy()
    const count = this.#gates.reduce((sum, { waiting }) => sum + waiting, this.#connections.size)
    if (count >= this.#options.maxConnections || this.#closing !== undefined) {
      this.cluster.tell({ type: 'refused', address, reason: `there are ${count} connections` })
      socket.destroy()
      return
    }
    if (gate === undefined) this.#serve(readingReused(socket), { listener, broker, address, principal: undefined })
    else gate.take(socket, address)
  }

  /** @internal Passwords and keys are in none of it, however deep it is printed. */
  [INSPECT](depth: number | null, options: InspectOptions, inspect: Inspect): string {
    return inspected('KafkaListener', () => ({
      bootstrap: this.bootstrap, brokers: this.cluster.brokers.length, connections: this.connections,
    }), depth, options, inspect)
  }

  #serve(stream: Duplex, { listener: { name: listener, sasl }, broker, address, principal }: Entry): void {
    const id = ++this.#accepted
    const connection = new Connection(stream, {
      id, cluster: this.cluster, broker, budget: this.#budget, listener, address, authenticated: sasl === undefined,
      ...(principal !== undefined && sasl === undefined && { principal }),
      closed: () => void this.#connections.delete(connection),
    })
    this.#connections.add(connection)
    this.cluster.tell({ type: 'connected', connection: id, listener, address })
  }
}

/** What a listener is made of beside its options: what {@link listen} has no option for. */
export interface ListenerParts {
  /** Default: all that there are. */
  readonly apis?: readonly AnyApi[]
  readonly interceptor?: Interceptor
  /** No port is bound: peers come by `serve`, and are told port numbers all the same. */
  readonly unbound?: boolean
}

/** Of whom a port is. */
interface PortOf {
  readonly listener: ResolvedListener
  /** Place of the broker in the list. */
  readonly index: number
}

/** What clients are told of a broker that has no port. */
const UNBOUND_PORT = 9092

/** Where a socket came in. */
interface WayIn {
  readonly listener: ResolvedListener
  /** Place of the broker in the list. */
  readonly index: number
  readonly gate: TlsGate | undefined
}

/** A peer that is let in. */
interface Entry {
  readonly listener: ResolvedListener
  readonly broker: Broker
  readonly address: string
  /** Of its certificate. */
  readonly principal: Principal | undefined
}

/** Ms that answers under way have when a listener closes. */
const CLOSE_MS = 5000

/**
 * Opens a log to Kafka clients. Close the listener before the log.
 *
 * @throws LogError `LOG_PORT_IN_USE`, `LOG_ACCESS_DENIED`, `LOG_READ_ONLY`; TypeError and RangeError for options that cannot be; the reason of
 * `signal`
 * @example
 * const log = await CommitLog.memory()
 * const kafka = await listen(log)
 * console.log(kafka.bootstrap)      // localhost:39751
 * await kafka.close()
 */
export async function listen(log: CommitLog, options?: ListenOptions): Promise<KafkaListener> {
  const given: Partial<CommitLog> | null | undefined = log
  if (given?.core === undefined) throw new TypeError(`listen takes an open log, as CommitLog.open and CommitLog.memory give it, not ${describe(log)}`)
  if (log.readOnly) {
    const message = `the log ${log.folder} was opened read-only: clients commit offsets and join groups, which it cannot keep`
    throw new LogError('LOG_READ_ONLY', message, { folder: log.folder })
  }
  return openListener(log, options)
}

/** As {@link listen}, with parts of its own. */
export async function openListener(log: CommitLog, options?: ListenOptions, parts: ListenerParts = {}): Promise<KafkaListener> {
  const listener = new KafkaListener(clusterOf(log, resolvedOptions(options), parts), parts)
  await listener.open()
  return listener
}

function clusterOf({ core }: CommitLog, options: ResolvedOptions, parts: ListenerParts): Cluster {
  const { listeners, authorizer, requestTimeoutMs, onEvent } = options
  const security = new Security(core, { listeners, authorizer, stepMs: requestTimeoutMs, tell: (event) => tellEvent(event, onEvent) })
  const cluster = new Cluster(core, { options, security, apis: parts.apis ?? apis })
  cluster.interceptor = parts.interceptor
  return cluster
}
