/*
 * `kafka.faults`: what goes wrong at a test broker, because a test asked for it. Requests meet the faults that were asked for in their order; the
 * same seed and the same requests give the same faults.
 */
import { type Clock } from '../../base/clock.ts'
import { LogError } from '../../base/errors.ts'
import { checkObject } from '../../base/options.ts'
import { type Random } from '../../base/random.ts'
import { type ApiName } from '../../kafka/api-names.ts'
import { type AnswerBytes, type Exchange } from '../../kafka/exchange.ts'
import { type FetchWatch } from '../broker/fetch-watch.ts'
import { type JournalEntry } from '../journal/entry.ts'
import { FaultActions } from './actions.ts'
import { FaultBuilder } from './builder.ts'
import { BrokerFaults, CoordinatorFaults, type ListenerOf, nodeIdsOf, PartitionFaults, rehashCoordinators } from './cluster-faults.ts'
import { Fault, type FaultCall } from './fault.ts'
import { type MessagePlace, placesIn } from './places.ts'
import { runScenario } from './scenario.ts'
import { type FaultSpec, type FaultTarget, faultText } from './spec.ts'
import { MetadataThen } from './stale-metadata.ts'
import { Strike } from './strike.ts'

const FETCH = 1

/** What faults are made of. */
export interface FaultParts {
  readonly listener: ListenerOf
  readonly clock: Clock
  readonly random: Random
  readonly fetches: FetchWatch
}

/** The faults of a test broker. */
export class Faults {
  readonly #parts: FaultParts
  readonly #stale = new Map<Fault, MetadataThen>()
  readonly #strikes = new WeakMap<Exchange, Strike>()
  #all: Fault[] = []
  /** What was begun with {@link on}, and says nothing of what is to happen yet: in words. */
  #begun = new Set<{ readonly text: string }>()
  /** Ends scenarios that run. */
  #scenarios = new AbortController()

  /** @internal */
  constructor(parts: FaultParts) {
    this.#parts = parts
  }

  /**
   * A fault of requests of an API, by Kafka's name of it; `*` for all.
   *
   * @throws TypeError for an API that there is not, and for what no request of it can be about; RangeError for a broker that there is not
   */
  on(api: ApiName | '*' | readonly ApiName[], target: FaultTarget = {}): FaultBuilder {
    // What cannot be is told here, and not when something is asked of it.
    void new Fault({ api, target, actions: [] }, this.#faultParts)
    const begun = { text: faultText({ api, target, actions: [] }) }
    this.#begun.add(begun)
    return new FaultBuilder({ api, target }, (spec) => {
      this.#begun.delete(begun)
      return this.add(spec)
    })
  }

  /** Faults of all requests of a client, by its client id. */
  client(client: string | RegExp): ClientFaults {
    return new ClientFaults(client, (spec) => this.add(spec))
  }

  /** A broker, by its node id. Throws RangeError when there is none. */
  broker(nodeId: number): BrokerFaults {
    return new BrokerFaults(nodeId, this.#parts.listener)
  }

  /** A partition, whose leader can be moved. */
  partition(topic: string, partition: number): PartitionFaults {
    return new PartitionFaults(topic, partition, this.#parts.listener)
  }

  /** A group, whose coordinator can be moved. */
  group(groupId: string): CoordinatorFaults {
    return new CoordinatorFaults('group', groupId, this.#parts.listener)
  }

  /** The transactions of an id, whose coordinator can be moved. */
  transactions(transactionalId: string): CoordinatorFaults {
    return new CoordinatorFaults('transaction', transactionalId, this.#parts.listener)
  }

  /** All groups get other coordinators. */
  async rehashCoordinators(): Promise<void> {
    await rehashCoordinators(this.#parts.listener())
  }

  /**
   * Runs a scenario by the clock of the broker: `t+0 down 1; t+5s up 1; t+6s move orders-0 to 2; t+7s rehash coordinators`. Resolves when the
   * last step is done, or when faults are cleared, as `reset` and `close` do: steps that are left are not done then.
   */
  async run(scenario: string): Promise<void> {
    await runScenario(scenario, this.#parts.clock, {
      down: (nodeId) => this.broker(nodeId).down(),
      up: (nodeId) => this.broker(nodeId).up(),
      moveLeader: (topic, partition, nodeId) => this.partition(topic, partition).moveLeader(nodeId),
      rehashCoordinators: () => this.rehashCoordinators(),
    }, this.#scenarios.signal)
  }

  /** A fault from its description. */
  add(spec: FaultSpec): Fault {
    checkObject(spec ?? null, 'a fault is an object')
    if (spec.actions.length === 0) throw new TypeError('a fault does something: its list of actions is empty')
    const fault = new Fault(spec, this.#faultParts)
    if (fault.isOn('Metadata')) this.#stale.set(fault, new MetadataThen(this.#parts.listener().cluster))
    this.#all.push(fault)
    return fault
  }

  /** All that were asked for. */
  get all(): readonly Fault[] {
    return this.#all
  }

  /** Those that never happened, although they should have. */
  get unfired(): readonly Fault[] {
    return this.#all.filter((fault) => fault.missing)
  }

  /** @internal Requests that wait until a fault is over, and for no time. */
  get held(): number {
    return this.#all.reduce((sum, { held }) => sum + held, 0)
  }

  /** Ends and forgets all faults of requests, those that never happened too, and ends scenarios. */
  clear(): void {
    this.#scenarios.abort()
    this.#scenarios = new AbortController()
    for (const fault of this.#all) fault.cancel()
    this.#all = []
    this.#begun.clear()
    this.#stale.clear()
  }

  /**
   * Throws for faults that never happened, and for those that were begun and never said what is to happen: a test that passes without them says
   * nothing.
   *
   * @throws LogError `LOG_FAULT_UNFIRED`
   */
  check(): void {
    const { unfired } = this
    const begun = Array.from(this.#begun, ({ text }) => text)
    const count = unfired.length + begun.length
    if (count === 0) return
    const list = [
      ...unfired.map((fault) => `\n  ${fault.toString()} (${reasonOf(fault)})`),
      ...begun.map((text) => `\n  ${text} (its last word is missing, which says what happens: .error(…), .delay(…) …)`),
    ]
    const message = `${count === 1 ? 'a fault never happened' : `${count} faults never happened`}:${list.join('')}`
    throw new LogError('LOG_FAULT_UNFIRED', message, { faults: [...unfired.map(String), ...begun] })
  }

  /** @internal A request is begun. */
  before(exchange: Exchange, entry: JournalEntry): void | Promise<void> {
    if (this.#all.length === 0) return
    const call: FaultCall = { exchange, places: memoized(() => this.#placesOf(exchange)) }
    const struck = this.#all.filter((fault) => fault.strikes(call))
    if (struck.length === 0) return
    const { clock, random, fetches } = this.#parts
    const strike = new Strike(exchange, entry, struck, { clock, random, fetched: (connection) => fetches.of(connection) }, this.#stale)
    this.#strikes.set(exchange, strike)
    return strike.before()
  }

  /** @internal It was handled. */
  after(exchange: Exchange): void | Promise<void> {
    return this.#strikes.get(exchange)?.after()
  }

  /** @internal Its answer is written. */
  encoded(exchange: Exchange, bytes: AnswerBytes): AnswerBytes | Promise<AnswerBytes> {
    const strike = this.#strikes.get(exchange)
    return strike === undefined ? bytes : strike.encoded(bytes)
  }

  /** @internal What went over the connection, where it is not what is left to be sent. */
  wireOf(exchange: Exchange): AnswerBytes {
    return this.#strikes.get(exchange)?.wire
  }

  get #faultParts(): { readonly random: Random; readonly nodeIds: readonly number[] } {
    return { random: this.#parts.random, nodeIds: nodeIdsOf(this.#parts.listener()) }
  }

  #placesOf({ api, request, context: { cluster, connection } }: Exchange): readonly MessagePlace[] {
    return api.key === FETCH ? this.#parts.fetches.of(connection.id) : placesIn(request, (id) => cluster.topicById(id)?.name)
  }
}

/** Faults of one client. */
export class ClientFaults {
  readonly #client: string | RegExp
  readonly #add: (spec: FaultSpec) => Fault

  /** @internal */
  constructor(client: string | RegExp, add: (spec: FaultSpec) => Fault) {
    this.#client = client
    this.#add = add
  }

  /** Its requests get nowhere, as when the network between is gone. After `cancel` of the fault those that wait arrive. */
  blackhole(): Fault {
    return this.#all.silence()
  }

  /** Whatever it asks takes so much longer. */
  delay(duration: number | string): Fault {
    return this.#all.delay(duration)
  }

  /** Its connections end with its next request. */
  disconnect(): Fault {
    return this.#all.dropConnection()
  }

  get #all(): FaultActions<Fault> {
    return new FaultActions((action) => this.#add({ api: '*', target: { client: this.#client }, actions: [action] }))
  }
}

/** Why a test fails for a fault. */
function reasonOf({ failure, calls }: Fault): string {
  if (failure !== undefined) return `its function threw ${String(failure)}`
  return calls === 0 ? 'no request fitted' : `${calls} requests fitted`
}

function memoized<T>(make: () => T): () => T {
  let made: { readonly value: T } | undefined
  return () => (made ??= { value: make() }).value
}
