/*
 * A cluster in the place of a log, for one consumer: what the consumers of topics/ ask of a log in this process is answered from the cluster.
 * So a group's loop, its commits, retries and dead letters are the same code for both. Each consumer has its own: its partitions, what was
 * fetched for them, and its membership.
 */
import { type Clock } from '../base/clock.ts'
import { defaultLogConfig } from '../log/config.ts'
import { type Isolation, type PartitionLog } from '../log/partition-log.ts'
import { type RecordCodecs } from '../log/record-input.ts'
import { BufferBudget } from '../log/buffer-budget.ts'
import { type Life } from '../topics/life.ts'
import { type LogCore } from '../topics/log-core.ts'
import { type TopicRequest } from '../topics/topic-request.ts'
import { SendQueue } from '../topics/send-queue.ts'
import { resolveInRange, type StartPosition } from '../topics/start-position.ts'
import { type TopicCore, type TopicParts } from '../topics/topic-core.ts'
import { AsideTransaction } from './aside-transaction.ts'
import { type Call } from './call.ts'
import { type Connected } from './connected.ts'
import { endsOf, offsetsAt, type PlaceName } from './ends.ts'
import { Fetcher } from './fetcher.ts'
import { transactionalIdentity } from './producer-identity.ts'
import { RemoteGroups } from './remote-groups.ts'
import { type RemotePartition } from './remote-partition.ts'
import { ensureTopic } from './topic-state.ts'

/** What consumers ask of their log, beside `env`, `transactions` and `admin`. */
type ConsumedLog = Pick<LogCore, 'folder' | 'readOnly' | 'topics' | 'openTopics' | 'onTopicsChanged' | 'reload' | 'openTopic' | 'groups'>

/** A transaction of a process that was killed keeps its group from its commits for as long, unless who comes next takes its name over. */
const ASIDE_MS = 60_000

/** Ms between two looks for topics and partitions. */
const TOPICS_INTERVAL_MS = 30_000

/** A topic as one consumer reads it. */
interface ReaderTopic {
  readonly core: TopicCore
  readonly partitions: RemotePartition[]
}

/** What a consumer is told. */
export interface ReaderOptions {
  readonly isolation: Isolation
  /** Undefined for a consumer that is no member of one. */
  readonly group: string | undefined
  /** Where partitions begin of which nothing is committed. */
  readonly from: StartPosition
  /** It reads topics that come later too; default false. */
  readonly patterns?: boolean
  /** Ends what is asked for a loop; undefined for one that a signal only keeps from beginning more. */
  readonly signal: AbortSignal | undefined
  /** Topics for which it commits together with records that it puts aside; by default none. */
  readonly asideFor?: readonly string[]
}

/** A cluster as the log of one consumer. */
export class ReaderCore implements ConsumedLog {
  readonly folder: string
  readonly readOnly = false
  readonly env: { readonly clock: Clock }
  readonly #connected: Connected
  readonly #options: ReaderOptions
  readonly #fetcher: Fetcher
  readonly #topics = new Map<string, ReaderTopic>()
  readonly #groups: RemoteGroups | undefined
  /** Ends who reads, who commits then and leaves. */
  ended: (() => Promise<void>) | undefined
  #looking: { cancel(): void } | undefined
  /** Ends that are about to be asked for. */
  #asking: Promise<void> | undefined

  constructor(connected: Connected, options: ReaderOptions) {
    const { cluster } = connected
    this.#connected = connected
    this.#options = options
    this.folder = `cluster ${cluster.clusterId}`
    this.env = { clock: cluster.options.clock }
    this.#fetcher = new Fetcher({ cluster, isolation: options.isolation })
    if (options.group === undefined) return
    this.#groups = new RemoteGroups(cluster, options.group, connected.groupOffsets)
    this.#groups.onJoin = () => this.#begin()
    this.#groups.onRest = () => this.#rest()
    this.#groups.offsets.onUnstable = (place) => this.#takeOver(place)
    this.#groups.offsets.onBegin = (places) => {
      this.#grow(places)
      return this.learnEnds()
    }
    this.#groups.offsets.onStored = ({ topic, partition }, offset) => this.#topics.get(topic)?.partitions[partition]?.forget(offset)
  }

  /** Itself, as what consumers take it for: of a log in this process they use no more than what is here. */
  get asLog(): LogCore {
    return this as unknown as LogCore
  }

  get topics(): LogCore['topics'] {
    return this.#connected.cluster.topics.map(({ name, leaders }) => entryOf(name, leaders.length))
  }

  get openTopics(): readonly TopicCore[] {
    return [...this.#topics.values()].map(({ core }) => core)
  }

  onTopicsChanged(listener: () => void): () => void {
    return this.#connected.cluster.onTopicsChanged(listener)
  }

  reload(): void {}

  async groups(): ReturnType<LogCore['groups']> {
    return this.#groups as unknown as Awaited<ReturnType<LogCore['groups']>>
  }

  /** Looks for all topics that there are now: for who reads by patterns. */
  async lookForTopics(): Promise<void> {
    const { cluster } = this.#connected
    const call = this.#call()
    await cluster.retrying(call, () => cluster.refresh(call))
  }

  /** It has a member, which has something to end. */
  #begin(): void {
    this.#connected.readers.add(this)
    this.#watch(this.#options.patterns ?? false)
  }

  #rest(): void {
    this.#connected.readers.delete(this)
    this.#looking?.cancel()
    this.#looking = undefined
  }

  /** Looks from time to time for partitions that came to what is open, and with `all` for topics that came. */
  #watch(all: boolean): void {
    const { cluster } = this.#connected
    const look = (): void => {
      const names = all ? undefined : [...this.#topics.keys()]
      void cluster.refresh(cluster.call(), names).catch(() => {}).finally(() => {
        if (this.#connected.readers.has(this)) this.#watch(all)
      })
    }
    this.#looking?.cancel()
    this.#looking = this.env.clock.setTimer(look, TOPICS_INTERVAL_MS, { ref: false })
  }

  /** Partitions that came to a topic since it was opened. */
  #grow(places: readonly PlaceName[]): void {
    for (const { topic, partition } of places) {
      const known = this.#topics.get(topic)
      if (known !== undefined && partition >= known.partitions.length) this.open(topic, partition + 1, known.core.config.maxMessageBytes)
    }
  }

  /** A topic beside the one that is read: dead letters, or records that wait, which are read again when their time has come. */
  async openTopic({ name, create, partitions, settings }: TopicRequest): Promise<TopicCore> {
    const { state, config } = await ensureTopic(this.#connected.cluster, this.#call(), { name, partitions, settings }, create)
    const core = this.open(name, state.leaders.length, config.maxMessageBytes)
    for (const remote of this.#topics.get(name)!.partitions) remote.keeps = true
    await this.#learn(this.#topics.get(name)!.partitions)
    return core
  }

  /** A topic to read; its ends are not known before `learnEnds`. */
  open(name: string, count: number, maxMessageBytes: number): TopicCore {
    const known = this.#topics.get(name)
    const core = known?.core ?? { entry: entryOf(name, count), config: { ...defaultLogConfig, maxMessageBytes }, logs: [] }
    const partitions = known?.partitions ?? []
    for (let number = partitions.length; number < count; number++) {
      const remote = this.#fetcher.partition(name, number)
      partitions.push(remote)
      core.logs.push(remote.asLog)
    }
    if (known === undefined) this.#topics.set(name, { core, partitions })
    return core
  }

  /** The partitions of a topic that is open, by number. */
  partitionsOf(name: string): readonly RemotePartition[] {
    return this.#topics.get(name)?.partitions ?? []
  }

  /** Learns the ends of all that is open: before a loop asks for them, or, with a signal of its own or none, who commits without one. */
  async learnEnds(options: Pick<ReaderOptions, 'signal'> = this.#options): Promise<void> {
    await this.#learn([...this.#topics.values()].flatMap(({ partitions }) => partitions), this.#connected.cluster.call(options.signal))
  }

  /** Learns where a time is in partitions. */
  async learnTimestamp(remotes: readonly RemotePartition[], timestamp: number, call = this.#call()): Promise<void> {
    const { isolation } = this.#options
    const offsets = await offsetsAt(this.#connected.cluster, call, remotes, timestamp, isolation)
    remotes.forEach((remote, index) => remote.learnTimestamp(timestamp, isolation, offsets[index]))
  }

  /**
   * The offset that a position means now, by the cluster.
   *
   * @throws LogError `LOG_OFFSET_OUT_OF_RANGE`
   */
  async find({ topic, partition }: PlaceName, to: StartPosition): Promise<number> {
    const remote = this.partitionsOf(topic)[partition]!
    await this.#endsNow()
    if (typeof to === 'object') await this.learnTimestamp([remote], to.timestamp)
    return resolveInRange(remote.asLog, to, this.#options.isolation)
  }

  /** As for a member, to whom a position that is known to be there is one at once. */
  placeOf(log: PartitionLog, to: StartPosition): number | Promise<number> {
    return typeof to === 'number' && to >= log.startOffset && to <= log.highWatermark ? to : this.find(log, to)
  }

  /** Those who ask in one go are told by one answer. */
  #endsNow(): Promise<void> {
    return (this.#asking ??= Promise.resolve().then(() => {
      this.#asking = undefined
      return this.learnEnds()
    }))
  }

  async #learn(remotes: readonly RemotePartition[], call = this.#call()): Promise<void> {
    const { from } = this.#options
    if (remotes.length === 0) return
    const ends = await endsOf(this.#connected.cluster, call, remotes)
    remotes.forEach((remote, index) => remote.learn(ends[index]!))
    if (typeof from === 'object') await this.learnTimestamp(remotes, from.timestamp, call)
  }

  #call(): Call {
    return this.#connected.cluster.call(this.#options.signal)
  }

  /** A topic with its codecs, as consumers take it. */
  partsOf<K, V>(core: TopicCore, codecs: RecordCodecs<K, V>, life: Life): TopicParts<K, V> {
    const { clock, random, bufferBytes } = this.#connected.options
    return { core, log: this.asLog, codecs, life, clock, random, sends: new SendQueue(new BufferBudget(bufferBytes)), folder: this.folder }
  }

  /** As far as records are put aside together with a commit: transactions of the cluster. */
  get transactions(): LogCore['transactions'] {
    const begin = async (): Promise<AsideTransaction> => new AsideTransaction(this.#connected, (place) => this.#asideId(place), ASIDE_MS)
    return { begin } as unknown as LogCore['transactions']
  }

  /**
   * The name of what puts aside for a partition: whoever has the partition next has the same one, and nobody else. No topic has a slash in its
   * name; groups and topics have dashes.
   */
  #asideId({ topic, partition }: PlaceName): string {
    return `${this.#connected.options.transactionalIdBase}-consume-${this.#options.group}/${topic}/${partition}`
  }

  /** What somebody had open who is no more is aborted, and not waited for. */
  async #takeOver(place: PlaceName): Promise<void> {
    if (this.#options.asideFor?.includes(place.topic) !== true) return
    const { cluster } = this.#connected
    await transactionalIdentity(cluster, this.#call(), this.#asideId(place), ASIDE_MS)
  }

  async close(): Promise<void> {
    // What is done is committed, and the group left, while there are connections.
    await this.ended?.()
    this.#rest()
    await Promise.all([this.#fetcher.close(), this.#groups?.close()])
  }
}

/** What a catalog would tell of a topic. */
function entryOf(name: string, partitions: number): TopicCore['entry'] {
  return { name, partitions, settings: {}, key: 'bytes', value: 'bytes' } as unknown as TopicCore['entry']
}
