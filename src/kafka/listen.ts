/*
 * Opens a log to Kafka clients: binds the ports, takes connections, and closes them again. What is answered is in apis/.
 */
import { type Duplex } from 'node:stream'
import { type Socket } from 'node:net'
import { type CommitLog } from '../topics/commit-log.ts'
import { apis } from './apis.ts'
import { type Broker } from './broker.ts'
import { Cluster } from './cluster.ts'
import { Connection } from './connection.ts'
import { Endpoint } from './endpoint.ts'
import { type ListenOptions, resolvedOptions, type ResolvedOptions } from './options.ts'
import { RequestBudget } from './request-budget.ts'
import { allowAll } from './security/authorizer.ts'

/** Kafka's name of the listener without TLS and without SASL. */
const PLAINTEXT = 'PLAINTEXT'

/** A broker as it is told to whoever started it. */
export interface BrokerInfo {
  readonly nodeId: number
  readonly host: string
  readonly port: number
}

/** An open listener. */
export class KafkaListener implements AsyncDisposable {
  /** @internal What all brokers share. */
  readonly cluster: Cluster
  readonly #options: ResolvedOptions
  readonly #budget: RequestBudget
  readonly #endpoints: Endpoint[] = []
  readonly #connections = new Set<Connection>()
  #accepted = 0
  #closing: Promise<void> | undefined
  readonly #stop = (): void => void this.close()

  /** Use {@link listen}. */
  constructor(cluster: Cluster) {
    this.cluster = cluster
    this.#options = cluster.options
    this.#budget = new RequestBudget(cluster.options.maxBufferedBytes)
  }

  /** @internal Binds the ports. */
  async open(): Promise<void> {
    const { brokers: count, port, host, advertisedHost, signal } = this.#options
    signal?.throwIfAborted()
    try {
      const brokers: Broker[] = []
      for (let index = 0; index < count; index++) {
        const endpoint = await Endpoint.open(host, port === 0 ? 0 : port + index, (socket) => this.#accept(socket, index))
        this.#endpoints.push(endpoint)
        const addresses = new Map([[PLAINTEXT, { host: advertisedHost, port: endpoint.port }]])
        brokers.push({ nodeId: this.cluster.core.nodeId + index, rack: null, addresses })
      }
      this.cluster.setBrokers(brokers)
    } catch (error) {
      await this.close()
      throw error
    }
    signal?.addEventListener('abort', this.#stop, { once: true })
  }

  /** What clients call `bootstrap.servers`: the addresses of all brokers, with commas. */
  get bootstrap(): string {
    return this.brokers.map(({ host, port }) => `${host}:${port}`).join(',')
  }

  /** The brokers with their addresses. */
  get brokers(): readonly BrokerInfo[] {
    return this.cluster.brokers.map(({ nodeId, addresses }) => ({ nodeId, ...addresses.get(PLAINTEXT)! }))
  }

  /** Connections that are open. */
  get connections(): number {
    return this.#connections.size
  }

  /**
   * Serves a peer at the other end of a stream, as if it had connected to a broker: for transports other than TCP.
   *
   * @param broker  its place in `brokers`
   */
  serve(stream: Duplex, broker = 0): void {
    this.#serve(stream, this.cluster.brokers[broker]!, '')
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
    const closing = this.#endpoints.map((endpoint) => endpoint.close())
    for (const connection of this.#connections) connection.leave()
    // A peer that does not take its answers is not waited for.
    const patience = this.cluster.clock.setTimer(() => {
      for (const connection of this.#connections) connection.close('the listener closes')
    }, CLOSE_MS)
    await Promise.all(closing)
    patience.cancel()
    this.cluster.close()
  }

  #accept(socket: Socket, index: number): void {
    const address = socket.remoteAddress ?? ''
    const broker = this.cluster.brokers[index]
    // It came while the other ports were bound: it tries again.
    if (broker === undefined) return void socket.destroy()
    if (this.#connections.size >= this.#options.maxConnections || this.#closing !== undefined) {
      this.cluster.tell({ type: 'refused', address, reason: `there are ${this.#connections.size} connections` })
      socket.destroy()
      return
    }
    this.#serve(socket, broker, address.replace(/^::ffff:/, ''))
  }

  #serve(stream: Duplex, broker: Broker, address: string): void {
    const id = ++this.#accepted
    const connection = new Connection(stream, {
      id, cluster: this.cluster, broker, budget: this.#budget, listener: PLAINTEXT, address, authenticated: true,
      closed: () => void this.#connections.delete(connection),
    })
    this.#connections.add(connection)
    this.cluster.tell({ type: 'connected', connection: id, listener: PLAINTEXT, address })
  }
}

/** Ms that answers under way have when a listener closes. */
const CLOSE_MS = 5000

/**
 * Opens a log to Kafka clients. Close the listener before the log.
 *
 * @throws LogError `LOG_PORT_IN_USE`, `LOG_ACCESS_DENIED`; TypeError and RangeError for options that cannot be; the reason of `signal`
 * @example
 * const log = await CommitLog.memory()
 * const kafka = await listen(log)
 * console.log(kafka.bootstrap)      // localhost:39751
 * await kafka.close()
 */
export async function listen(log: CommitLog, options?: ListenOptions): Promise<KafkaListener> {
  const resolved = resolvedOptions(options)
  const listener = new KafkaListener(new Cluster(log.core, { options: resolved, authorizer: allowAll, apis }))
  await listener.open()
  return listener
}
