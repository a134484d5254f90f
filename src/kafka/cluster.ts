/*
 * What all brokers of a listener share: the log, who leads which partition, who coordinates which group, and the topics as clients name them.
 * Every broker serves the same log; leaders and coordinators are spread over them so that a client sees what a cluster shows it.
 */
import { type Clock } from '../base/clock.ts'
import { isLogError } from '../base/errors.ts'
import { type Random } from '../base/random.ts'
import { uuidText } from '../format/uuid.ts'
import { type TopicEntry } from '../topics/catalog.ts'
import { type ConsumerGroupSettings } from '../topics/groups/consumer-group.ts'
import { type GroupCoordinator } from '../topics/groups/coordinator.ts'
import { type LogCore } from '../topics/log-core.ts'
import { type TopicSettings } from '../topics/settings.ts'
import { type TopicCore } from '../topics/topic-core.ts'
import { type TransactionCoordinator } from '../topics/transactions/coordinator.ts'
import { type AnyApi } from './api.ts'
import { type Broker } from './broker.ts'
import { ClusterFile } from './cluster-file.ts'
import { topicDefaults } from './configs/broker-sources.ts'
import { consumerSettingsOf } from './configs/kept-configs.ts'
import { type ListenerEvent, tellEvent } from './events.ts'
import { type Interceptor } from './exchange.ts'
import { groupSettings, type GroupSettings } from './group-options.ts'
import { Leadership } from './leadership.ts'
import { type ResolvedOptions } from './options.ts'
import { type Peer } from './peer.ts'
import { Placement, spread } from './placement.ts'
import { audited, type Authorizer, type Operation, type ResourceType } from './security/authorizer.ts'
import { type Security } from './security/security.ts'

/** What a {@link Cluster} is made of, beside the log. */
export interface ClusterParts {
  readonly options: ResolvedOptions
  readonly security: Security
  readonly apis: readonly AnyApi[]
}

/** What all brokers of one listener share. */
export class Cluster {
  readonly core: LogCore
  readonly options: ResolvedOptions
  /** Who clients are, and what they may do. */
  readonly security: Security
  /** Decides what a request may do; what it refuses is told as an event. */
  readonly authorizer: Authorizer
  /** Decides the same and tells nothing: for what is left out of an answer, and what may be allowed otherwise. */
  readonly discreet: Authorizer
  /** The APIs that are served, by number. */
  readonly apis: readonly AnyApi[]
  readonly #apis: ReadonlyMap<number, AnyApi>
  /** What clients set that the log has no place for. */
  readonly kept: ClusterFile
  /** What holds for the groups of clients. */
  readonly groupSettings: GroupSettings
  /** Where partitions are said to lie. */
  readonly placement: Placement
  /** What of that does not hold at the moment. */
  readonly leadership = new Leadership()
  /** Sees every request and answer. */
  interceptor: Interceptor | undefined
  #all: readonly Broker[] = []
  /** Those that are up. */
  #brokers: readonly Broker[] = []
  /** Topics that are open, by name: at hand without a promise. */
  readonly #open = new Map<string, TopicCore>()
  #names: ReadonlyMap<string, TopicEntry> = new Map()
  #ids: ReadonlyMap<string, TopicEntry> = new Map()
  #stale = true
  /** The last topic that was made because somebody named it. */
  #creating: Promise<unknown> = Promise.resolve()
  readonly #unlisten: () => void
  #toldGroups = false

  constructor(core: LogCore, { options, security, apis }: ClusterParts) {
    this.core = core
    this.options = options
    this.security = security
    this.discreet = security.authorizer
    this.authorizer = audited(security.authorizer, (...asked) => this.#tellDenied(...asked))
    this.apis = apis
    this.#apis = new Map(apis.map((api) => [api.key, api]))
    this.kept = ClusterFile.of(core)
    this.groupSettings = groupSettings(options.groups, core.options)
    this.placement = new Placement(this.kept)
    this.#unlisten = core.onTopicsChanged(() => { this.#stale = true })
  }

  /** Ends what it holds of the log; the log stays open. */
  close(): void {
    this.#unlisten()
  }

  get clock(): Clock {
    return this.core.env.clock
  }

  get random(): Random {
    return this.core.env.random
  }

  get clusterId(): string {
    return this.core.clusterId
  }

  /** In the order of their numbers; without those that are down. */
  get brokers(): readonly Broker[] {
    return this.#brokers
  }

  /** Called once they are bound, since their ports are part of what clients are told. */
  setBrokers(brokers: readonly Broker[]): void {
    this.#all = brokers
    this.#brokers = brokers.filter(({ nodeId }) => !this.leadership.isDown(nodeId))
  }

  /** All brokers, those that are down too. */
  get allBrokers(): readonly Broker[] {
    return this.#all
  }

  /** A broker is not there for clients any more, or again. */
  setDown(nodeId: number, down: boolean): void {
    this.leadership.setDown(nodeId, down)
    this.setBrokers(this.#all)
  }

  /** The one that says it controls the cluster; all of them answer what only a controller does. */
  get controller(): Broker {
    return this.#brokers[0] ?? this.#all[0]!
  }

  /** The API of a number; undefined when it is not served. */
  api(key: number): AnyApi | undefined {
    return this.#apis.get(key)
  }

  /** Tells an event of the listener. */
  tell(event: ListenerEvent): void {
    tellEvent(event, this.options.onEvent)
  }

  #tellDenied({ id: connection, principal: { type, name } }: Peer, operation: Operation, resourceType: ResourceType, resourceName: string): void {
    this.tell({ type: 'denied', connection, principal: `${type}:${name}`, operation, resourceType, resourceName })
  }

  /* ---- topics ---- */

  /** All topics, those of the log's own included. */
  get topics(): readonly TopicEntry[] {
    return this.core.topics
  }

  /** What the catalog says of a topic; undefined when there is none. */
  topic(name: string): TopicEntry | undefined {
    this.#look()
    return this.#names.get(name)
  }

  /** The topic with an id, as 22 characters. */
  topicById(id: string): TopicEntry | undefined {
    this.#look()
    return this.#ids.get(id)
  }

  /** The id of a topic, as 22 characters. */
  topicId(entry: TopicEntry): string {
    return uuidText(entry.id)
  }

  /** A topic that is open already, and is still the one that the catalog names. */
  openNow(name: string): TopicCore | undefined {
    this.#look()
    return this.#open.get(name)
  }

  /** Opens a topic as it is; undefined when there is none. */
  async open(name: string): Promise<TopicCore | undefined> {
    const open = this.openNow(name)
    if (open !== undefined || this.topic(name) === undefined) return open
    const topic = await this.core.existingTopic(name)
    if (topic !== undefined) this.#open.set(name, topic)
    return topic
  }

  /**
   * Makes a topic. One that is there already is LOG_TOPIC_EXISTS.
   *
   * @throws TypeError and RangeError for names and settings that cannot be; LogError `LOG_TOPIC_EXISTS`, `LOG_READ_ONLY`, `LOG_DISK_FULL`
   */
  async createTopic(name: string, { partitions, settings }: { readonly partitions: number; readonly settings: TopicSettings }): Promise<TopicEntry> {
    const topic = await this.core.openTopic({
      name, partitions, settings: { ...topicDefaults(this), ...settings }, create: true, fresh: true,
      key: undefined, value: undefined, newKey: undefined, newValue: undefined,
    })
    this.#stale = true
    this.#open.set(name, topic)
    return topic.entry
  }

  /**
   * As `createTopic`, for a topic that somebody only named; undefined when that is not asked for, or cannot be. One is made after the other, and
   * others have their turn in between: a request may name very many.
   */
  async autoCreate(name: string): Promise<TopicEntry | undefined> {
    if (!this.options.autoCreateTopics) return undefined
    const made = this.#creating.then(() => this.#createNamed(name))
    this.#creating = made.catch(() => {}).then(() => new Promise<void>((resolve) => this.clock.defer(resolve)))
    return made
  }

  async #createNamed(name: string): Promise<TopicEntry | undefined> {
    try {
      return await this.createTopic(name, { partitions: this.options.numPartitions, settings: {} })
    } catch (error) {
      // Somebody else was first.
      if (isLogError(error, 'LOG_TOPIC_EXISTS')) return this.topic(name)
      throw error
    }
  }

  /* ---- who answers for what ---- */

  /** The broker that leads a partition. */
  leader(entry: TopicEntry, partition: number): Broker {
    return this.replicas(entry, partition)[0]!
  }

  /** The brokers that a partition is said to lie on, the leader first. */
  replicas(entry: TopicEntry, partition: number): readonly Broker[] {
    return this.leadership.replicas(this.placement.of(entry, partition, this.#all), this.#all, () => uuidText(entry.id), partition)
  }

  /** Whether a broker leads a partition. */
  leads(broker: Broker, entry: TopicEntry, partition: number): boolean {
    return this.leader(entry, partition).nodeId === broker.nodeId
  }

  /** The broker that coordinates a group, or the transactions of an id. */
  coordinator(kind: 'group' | 'transaction', key: string): Broker {
    const all = this.#all
    return all.length === 1 ? all[0]! : this.leadership.coordinator(kind, key, all[spread(key) % all.length]!, all)
  }

  /** Groups and their offsets. They do as this listener says, unless one that was opened later has said otherwise. */
  async groups(): Promise<GroupCoordinator> {
    const groups = await this.core.groups()
    if (this.#toldGroups) return groups
    this.#toldGroups = true
    groups.useGroupSettings((groupId) => ({ ...this.#consumerSettings, ...consumerSettingsOf(this.kept, groupId) }))
    return groups
  }

  get #consumerSettings(): ConsumerGroupSettings {
    const { groupConsumerSessionTimeoutMs: sessionTimeoutMs, groupConsumerHeartbeatIntervalMs: heartbeatIntervalMs } = this.groupSettings
    return { sessionTimeoutMs, heartbeatIntervalMs, maxSize: this.groupSettings.groupConsumerMaxSize }
  }

  /** Transactions and producer ids. */
  get transactions(): TransactionCoordinator {
    return this.core.transactions
  }

  /** Follows the catalog. */
  #look(): void {
    if (!this.#stale) return
    const entries = this.core.topics
    this.#names = new Map(entries.map((entry) => [entry.name, entry]))
    this.#ids = new Map(entries.map((entry) => [uuidText(entry.id), entry]))
    const open = new Set(this.core.openTopics)
    for (const [name, topic] of this.#open) {
      if (!this.#names.has(name) || !open.has(topic)) this.#open.delete(name)
    }
    this.#stale = false
  }
}
