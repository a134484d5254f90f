/*
 * The root object: a handle on an open log. Opens of one folder in one process share what is open (log-core.ts) and count; the last handle
 * to close closes it (open-logs.ts).
 */
import { type InspectOptions } from 'node:util'
import { type Clock, systemClock } from '../base/clock.ts'
import { type Codec } from '../base/codec.ts'
import { LogError } from '../base/errors.ts'
import { type Inspect, INSPECT, inspected } from '../base/inspect.ts'
import { checkBoolean, checkFunction, checkInteger, checkObject, checkOptions, checkSignal, describe } from '../base/options.ts'
import { type Random, systemRandom } from '../base/random.ts'
import { diskFileSystem } from '../files/disk.ts'
import { type FileSystem } from '../files/file-system.ts'
import { MemoryFileSystem } from '../files/memory.ts'
import { checkTopicName } from '../format/names.ts'
import { uuidText } from '../format/uuid.ts'
import { type LogConfig } from '../log/config.ts'
import { type RecordCodecs } from '../log/record-input.ts'
import { unlessAborted } from './abort.ts'
import { type TopicEntry } from './catalog.ts'
import { checkCompactOptions, compactAllNow, type CompactOptions, type CompactReport } from './cleaning.ts'
import { builtInCodec, bytes, msgpack, string } from './codecs.ts'
import { checkedDefinition, defineTopic, type TopicDefinition, type TopicOptions } from './define-topic.ts'
import { type PortableLog } from './contract.ts'
import { type LogListener } from './diagnostics.ts'
import { GroupConsumer } from './groups/group-consumer.ts'
import { checkedGroupOptions } from './groups/group-options.ts'
import {
  type AnyDefinition, checkSubscribed, type KeyOf, type LogConsumerOptions, type SubscribedTopic, topicsSource, type ValueOf,
} from './groups/group-sources.ts'
import { Groups } from './groups/groups-admin.ts'
import { type Place } from './groups/member.ts'
import { internalTopicError, isInternalTopic } from './internal-topics.ts'
import { Life } from './life.ts'
import { type CoreOptions, LogCore } from './log-core.ts'
import { type LogShare, openShared } from './open-logs.ts'
import { type PartitionStats, partitionStats } from './partition.ts'
import { checkedSettings, settingNames, type TopicSettings } from './settings.ts'
import { presentLogs, type TopicCore } from './topic-core.ts'
import { type TopicRequest } from './topic-request.ts'
import { Topic } from './topic.ts'
import { checkedTransactionOptions, defaultTransactionOptions, type TransactionOptions } from './transactions/options.ts'
import { runTransaction } from './transactions/run-transaction.ts'
import { type Transaction } from './transactions/transaction.ts'

/** How a topic is opened. */
export interface OpenTopicOptions {
  /** Make it when it is missing. Default true. */
  readonly create?: boolean
  /** Ends the waiting. */
  readonly signal?: AbortSignal
}

/** What `CommitLog.memory` and `CommitLog.open` may be told. Settings of topics count for those that are not given their own. */
export interface MemoryLogOptions extends TopicSettings {
  // Memory
  /** Bytes appended and not yet stored above which `append` throws LOG_BUFFER_FULL and `send` waits. Default 32 MiB. */
  readonly bufferBytes?: number
  /** Bytes of files kept in memory for reads of single records. Default 64 MiB. */
  readonly windowBytes?: number
  /** Bytes of memory for the keys of a compaction, which takes several turns when they are more. Default 128 MiB. */
  readonly logCleanerDedupeBufferSize?: number
  // Housekeeping
  /** Ms between two looks for segments that `retentionMs` and `retentionBytes` ask to delete. Default five minutes. */
  readonly logRetentionCheckIntervalMs?: number
  /** Ms between two looks for what is to be compacted. Default 15 seconds. */
  readonly logCleanerBackoffMs?: number
  // Groups
  /** Ms after which what a group without members has committed is forgotten. Default Infinity: nothing is, unless somebody asks for it. */
  readonly offsetsRetentionMs?: number
  /** Ms that the first rebalance of a group without members waits for more of them. Default 0. */
  readonly groupInitialRebalanceDelayMs?: number
  /** Ms without a heartbeat after which a member of a consumer group of the newer protocol (KIP-848) is gone. Default 45,000. */
  readonly groupConsumerSessionTimeoutMs?: number
  /** Ms between two heartbeats of such a member. Default 5000. */
  readonly groupConsumerHeartbeatIntervalMs?: number
  /** Members that such a group takes. Default: any number. */
  readonly groupConsumerMaxSize?: number
  // Listening
  /** Called with what happens in the log: rounds, syncs, recoveries, failures. Also told on channels of `node:diagnostics_channel`. */
  readonly onEvent?: LogListener
  // For tests
  /** Where the log keeps its files. */
  readonly files?: FileSystem
  readonly clock?: Clock
  readonly random?: Random
}

/** What `CommitLog.open` may be told. */
export interface LogOptions extends MemoryLogOptions {
  // Opening
  /** Only read: nothing is changed on disk, and a writer in another process is followed. Default false. */
  readonly readOnly?: boolean
  /** Make the log when there is none. Default true. */
  readonly create?: boolean
  /** Milliseconds to wait while another process holds the folder. Default 0: LOG_LOCKED at once. */
  readonly waitMs?: number
  /** Ends the waiting for the lock. */
  readonly signal?: AbortSignal
  // Safety
  /** Bytes that are left free on the disk: appends stop with LOG_DISK_FULL when there is less. Default 16 MiB. */
  readonly minFreeBytes?: number
}

/** What is told of a topic without opening it. */
export interface TopicInfo {
  readonly name: string
  /** As Kafka writes it: 22 characters. */
  readonly id: string
  /** The log keeps groups or transactions in it: everyone may read it, and only the log writes to it. */
  readonly internal: boolean
  readonly partitions: number
  /** Names of the codecs; undefined in a folder that Kafka wrote. */
  readonly key: string | undefined
  readonly value: string | undefined
  readonly settings: TopicSettings
  /** Ms since 1970. */
  readonly createdAt: number
}

/** What is told of one topic. */
export interface TopicDescription extends TopicInfo {
  /** All its settings as they hold: those that it was given, the log's, and the defaults. */
  readonly config: LogConfig
  /** The numbers of its partitions. */
  readonly stats: readonly PartitionStats[]
}

/** The numbers of a log. */
export interface LogStats {
  /** The folder. */
  readonly log: string
  readonly clusterId: string
  readonly readOnly: boolean
  /** The topics opened so far in this process, with their partitions. */
  readonly topics: readonly { readonly name: string; readonly partitions: readonly PartitionStats[] }[]
  /** Bytes appended and not yet stored, and above how many appends are refused. */
  readonly bufferedBytes: number
  readonly bufferBytes: number
  /** Sends that wait for room. */
  readonly waitingSends: number
  /** Bytes of files in memory, and how many at most. */
  readonly windowedBytes: number
  readonly windowBytes: number
}

/** Where a log is in its life. */
export type LogStatus = 'open' | 'closing' | 'closed'

const groupOptionNames = [
  'offsetsRetentionMs', 'groupInitialRebalanceDelayMs', 'groupConsumerSessionTimeoutMs', 'groupConsumerHeartbeatIntervalMs', 'groupConsumerMaxSize',
] as const
const intervalNames = ['logRetentionCheckIntervalMs', 'logCleanerBackoffMs'] as const
const memoryOptionNames = [
  'bufferBytes', 'windowBytes', 'logCleanerDedupeBufferSize', ...groupOptionNames, ...intervalNames, 'onEvent', 'files', 'clock', 'random',
  ...settingNames,
]
const optionNames = ['readOnly', 'create', 'waitMs', 'signal', 'minFreeBytes', ...memoryOptionNames]

/** What `topic` takes. */
const NAME_TOO = 'a name or what defineTopic gives'

const DEFAULT_BUFFER_BYTES = 32 * 1024 * 1024
const DEFAULT_WINDOW_BYTES = 64 * 1024 * 1024
const DEFAULT_MIN_FREE_BYTES = 16 * 1024 * 1024

/** A log: topics in a folder, or in memory. */
export class CommitLog implements PortableLog {
  readonly #share: LogShare
  readonly #core: LogCore
  readonly #life: Life
  readonly #stopListening: () => void
  #groups: Groups | undefined
  #status: LogStatus = 'open'
  #closing: Promise<void> | undefined

  private constructor(share: LogShare, onEvent: LogListener | undefined) {
    const given: Partial<LogShare> | undefined = share
    if (given?.core === undefined) throw new TypeError('a log is opened, not constructed: use await CommitLog.open(folder), or CommitLog.memory()')
    this.#share = share
    this.#core = share.core
    this.#life = new Life(`the log ${share.core.folder}`)
    this.#stopListening = share.core.events.listen(onEvent)
  }

  /**
   * Opens the log in a folder, and makes folder and log when they are not there.
   *
   * A second open of the same folder in this process shares the log; options that contradict those of the first are a TypeError.
   *
   * @throws LogError `LOG_LOCKED`, `LOG_NOT_FOUND`, `LOG_NOT_A_LOG`, `LOG_ACCESS_DENIED`, `LOG_CORRUPT`, `LOG_FILE_CORRUPT`,
   *   `LOG_VERSION_UNSUPPORTED`, `LOG_TOO_MANY_FILES`, `LOG_DISK_FULL`; the reason of `signal`
   */
  static async open(folder: string, options: LogOptions = {}): Promise<CommitLog> {
    const isPath = typeof folder === 'string' && folder !== '' && !folder.includes('\0')
    if (!isPath) throw new TypeError(`CommitLog.open takes the path of a folder, not ${describe(folder)}`)
    const settings = checkedOptions(options, optionNames, 'CommitLog.open')
    const { bufferBytes, windowBytes, minFreeBytes, onEvent, readOnly = false, waitMs = 0 } = options
    const share = await openShared({
      files: options.files ?? diskFileSystem, folder, clock: options.clock ?? systemClock, random: options.random ?? systemRandom,
      readOnly, create: options.create ?? true, waitMs, signal: options.signal, settings,
      bufferBytes: bufferBytes ?? DEFAULT_BUFFER_BYTES, windowBytes: windowBytes ?? DEFAULT_WINDOW_BYTES,
      minFreeBytes: minFreeBytes ?? DEFAULT_MIN_FREE_BYTES, ...cleanerOptions(options), ...groupOptions(options), ...intervals(options),
    }, { ...settings, bufferBytes, windowBytes, minFreeBytes })
    return new CommitLog(share, onEvent)
  }

  /** A log in memory, for tests: as fast as it goes, and gone with the process. Every call gives another one. */
  static async memory(options: MemoryLogOptions = {}): Promise<CommitLog> {
    const settings = checkedOptions(options, memoryOptionNames, 'CommitLog.memory')
    const clock = options.clock ?? systemClock
    const core = await LogCore.open({
      files: options.files ?? new MemoryFileSystem({ clock }), folder: '/memory', clock, random: options.random ?? systemRandom,
      readOnly: false, create: true, waitMs: 0, signal: undefined, settings,
      bufferBytes: options.bufferBytes ?? DEFAULT_BUFFER_BYTES, windowBytes: options.windowBytes ?? DEFAULT_WINDOW_BYTES, minFreeBytes: 0,
      ...cleanerOptions(options),
      ...groupOptions(options), ...intervals(options),
    })
    return new CommitLog({ core, release: () => core.close() }, options.onEvent)
  }

  /** @internal What listeners and tools work with. */
  get core(): LogCore {
    return this.#core
  }

  /** @internal What handles of layers above end with. */
  get life(): Life {
    return this.#life
  }

  /** The folder, as it was given to the first open. */
  get folder(): string {
    return this.#core.folder
  }

  get readOnly(): boolean {
    return this.#core.readOnly
  }

  get status(): LogStatus {
    return this.#status
  }

  /** The id of the log, as a Kafka cluster has one. */
  get clusterId(): string {
    return this.#core.clusterId
  }

  /**
   * Opens a topic by its definition, and creates it when there is none.
   *
   * Partitions are added when the definition has more than there are. Settings that it gives replace those that the topic had, also while it
   * is open.
   *
   * @throws LogError `LOG_TOPIC_MISMATCH` when it has other codecs or more partitions; `LOG_NOT_FOUND` with `create: false` or read-only
   */
  topic<K, V>(definition: TopicDefinition<K, V>, options?: OpenTopicOptions): Promise<Topic<K, V>>
  /** Opens a topic by its name. Without codecs it is opened with those that it has. */
  topic<K = string, V = unknown>(name: string, options?: TopicOptions<K, V> & OpenTopicOptions): Promise<Topic<K, V>>
  async topic<K, V>(given: TopicDefinition<K, V> | string, options: TopicOptions<K, V> & OpenTopicOptions = {}): Promise<Topic<K, V>> {
    this.#life.check()
    checkObject(options, 'the options for a topic are an object')
    const { create = true, signal, ...others } = options
    checkBoolean(create, 'create')
    checkSignal(signal)
    signal?.throwIfAborted()
    const named = typeof given === 'string'
    if (!named) checkOptions(others, [], `topic "${given?.name}", which is defined already`)
    const definition = named ? defineTopic<K, V>(given, others) : checkedDefinition(given, NAME_TOO)
    // A topic of the log's own is made by who keeps something in it.
    const mayMake = create && !isInternalTopic(definition.name)
    const request = requestOf(definition, { create: mayMake, key: !named || others.key !== undefined, value: !named || others.value !== undefined })
    return unlessAborted(this.#opened(request, definition), signal)
  }

  /**
   * Creates a topic and opens it; `topic` does so too, when there is none, and else opens the one that is there.
   *
   * @throws LogError `LOG_TOPIC_EXISTS`, `LOG_TOPIC_INTERNAL`, `LOG_READ_ONLY`, and those of {@link topic}
   */
  createTopic<K, V>(definition: TopicDefinition<K, V>): Promise<Topic<K, V>>
  /** Creates a topic by its name. */
  createTopic<K = string, V = unknown>(name: string, options?: TopicOptions<K, V>): Promise<Topic<K, V>>
  async createTopic<K, V>(given: TopicDefinition<K, V> | string, options: TopicOptions<K, V> = {}): Promise<Topic<K, V>> {
    this.#life.check()
    checkObject(options, 'the options for a topic are an object')
    const definition = typeof given === 'string' ? defineTopic<K, V>(given, options) : checkedDefinition(given, NAME_TOO)
    if (isInternalTopic(definition.name)) throw internalTopicError(definition.name)
    if (this.readOnly) throw new LogError('LOG_READ_ONLY', `the log ${this.folder} was opened read-only`, { folder: this.folder })
    return this.#opened({ ...requestOf(definition, { create: true, key: true, value: true }), fresh: true }, definition)
  }

  /**
   * Deletes a topic with all its records and settings, for good. Handles, producers and consumers of it, also those of other opens of the log,
   * get LOG_NOT_FOUND from then on. What remains after a crash is removed by the next open.
   *
   * @throws LogError `LOG_NOT_FOUND`, `LOG_TOPIC_INTERNAL`, `LOG_READ_ONLY`
   */
  async deleteTopic(name: string): Promise<void> {
    this.#life.check()
    checkTopicName(name)
    // Before, since a crash must not leave them for a topic of the same name; and after, for what was committed meanwhile.
    if (!this.readOnly && !isInternalTopic(name)) await this.#core.forgetOffsets(name)
    await this.#core.admin.delete(name)
    await this.#core.forgetOffsets(name)
  }

  /**
   * All that is to be told of a topic: its settings with those that it was not given, and the numbers of its partitions, which are opened.
   *
   * @throws LogError `LOG_NOT_FOUND`, and those of {@link topic}
   */
  async describeTopic(name: string): Promise<TopicDescription> {
    this.#life.check()
    checkTopicName(name)
    const { entry, config, logs } = await this.#core.openTopic({ ...requestOf(defineTopic(name), { create: false, key: false, value: false }) })
    this.#life.check()
    return { ...infoOf(entry), config: { ...config }, stats: logs.filter((log) => log !== undefined).map(partitionStats) }
  }

  /**
   * @internal A topic whose keys and values are taken as the bytes that they are stored as, whatever its codecs; codecs that nobody named stay so.
   *
   * @param making  how it is made when there is none; without it, it is not
   */
  async plainTopic(name: string, making?: {
    readonly partitions: number
    readonly key: string | undefined
    readonly value: string | undefined
    readonly settings: TopicSettings
  }): Promise<Topic<Uint8Array, Uint8Array>> {
    this.#life.check()
    const core = await this.#core.openTopic({
      name, partitions: undefined, key: undefined, value: undefined, settings: {}, ...making, create: making !== undefined,
      newKey: undefined, newValue: undefined,
    })
    return this.#handle(core, { key: bytes, value: bytes })
  }

  async #opened<K, V>(request: TopicRequest, definition: TopicDefinition<K, V>): Promise<Topic<K, V>> {
    const core = await this.#core.openTopic(request)
    return this.#handle<K, V>(core, {
      key: request.key === undefined ? codecOf(core.entry, 'key', definition.key) : definition.key,
      value: request.value === undefined ? codecOf(core.entry, 'value', definition.value) : definition.value,
    })
  }

  #handle<K, V>(core: TopicCore, codecs: RecordCodecs<K, V>): Topic<K, V> {
    this.#life.check()
    const { clock, random } = this.#core.env
    return new Topic<K, V>({
      core, log: this.#core, clock, random, sends: this.#core.sends, folder: this.#core.folder, codecs,
      life: new Life(`topic "${core.entry.name}"`, this.#life),
    })
  }

  /**
   * Runs `work` with a transaction, commits it, and gives what `work` gave. When `work` throws the transaction is aborted, and nothing of it
   * counts; what it threw is thrown.
   *
   * @throws LogError `LOG_TXN_ABORTED`, `LOG_TXN_TIMED_OUT`, `LOG_PRODUCER_FENCED`, and those of `beginTransaction`
   */
  transaction<T>(work: (transaction: Transaction) => Promise<T> | T, options?: TransactionOptions): Promise<T> {
    return runTransaction(() => this.#begin(options), work, options?.signal)
  }

  /**
   * Begins a transaction, to be ended by its `commit` or `abort`. One that is open when this handle is closed is aborted.
   *
   * @throws LogError `LOG_TXN_CONCURRENT` when too many are open, `LOG_READ_ONLY`, `LOG_CLOSED`, `LOG_DISK_FULL`
   */
  async beginTransaction(options?: TransactionOptions): Promise<Transaction> {
    return this.#begin(options)
  }

  #begin(options: TransactionOptions | undefined): Transaction | Promise<Transaction> {
    this.#life.check()
    const begin = options === undefined ? defaultTransactionOptions : checkedTransactionOptions(options)
    if (this.readOnly) throw new LogError('LOG_READ_ONLY', `the log ${this.folder} was opened read-only`, { folder: this.folder })
    const begun = this.#core.transactions.begin(begin, this.#life)
    return begun instanceof Promise ? unlessGivenUp(begun, options?.signal) : begun
  }

  /** The groups of consumers: to list, describe, set back and delete them, and to see how far they are behind. */
  get groups(): Groups {
    return (this.#groups ??= new Groups(this.#core, this.#life))
  }

  /**
   * A member of a group that reads several topics: its records tell which topic they are of. Topics that it names are made when they are
   * missing; a pattern also takes topics that are made later.
   */
  consumer<const T extends readonly SubscribedTopic[]>(options: LogConsumerOptions<T>): GroupConsumer<KeyOf<T[number]>, ValueOf<T[number]>, Place> {
    this.#life.check()
    const checked = checkedGroupOptions<Place>(options, 'a consumer of several topics', ['topics'])
    checkSubscribed(options.topics)
    if (this.readOnly) {
      throw new LogError('LOG_READ_ONLY', `the log ${this.folder} was opened read-only: a group commits to it`, { folder: this.folder })
    }
    type K = KeyOf<T[number]>
    type V = ValueOf<T[number]>
    const open = (topic: AnyDefinition | string, create: boolean): Promise<Topic<K, V>> => (
      typeof topic === 'string' ? this.topic<K, V>(topic, { create }) : this.topic(topic as unknown as TopicDefinition<K, V>)
    )
    return new GroupConsumer<K, V, Place>(topicsSource({ core: this.#core, life: this.#life, open }, options.topics, checked.group), checked)
  }

  /**
   * All topics of the log, in the order of their creation.
   *
   * @param options  `internal: true` tells of those too in which the log keeps groups and transactions
   */
  async topics(options: { readonly internal?: boolean; readonly signal?: AbortSignal } = {}): Promise<readonly TopicInfo[]> {
    this.#life.check()
    checkOptions(options, ['internal', 'signal'], 'topics')
    checkBoolean(options.internal, 'internal')
    checkSignal(options.signal)
    options.signal?.throwIfAborted()
    this.#core.reload()
    return this.#core.topics.filter(({ name }) => options.internal === true || !isInternalTopic(name)).map(infoOf)
  }

  /** Compacts the topics that are open and compacted, one partition after the other: see {@link Partition.compactNow}. */
  async compactNow(options?: CompactOptions): Promise<CompactReport[]> {
    this.#life.check()
    checkCompactOptions(options)
    return compactAllNow(this.#core.openTopics.flatMap(presentLogs), options)
  }

  /** The log's numbers as they are now. */
  stats(): LogStats {
    const { env, openTopics, folder, clusterId, readOnly, sends } = this.#core
    return {
      log: folder, clusterId, readOnly,
      topics: openTopics.map((topic) => ({ name: topic.entry.name, partitions: presentLogs(topic).map(partitionStats) })),
      bufferedBytes: env.buffer.used, bufferBytes: env.buffer.limit, waitingSends: sends.size,
      windowedBytes: env.windows.bytes, windowBytes: env.windows.budget,
    }
  }

  /**
   * Ends this handle with its topics, producers and consumers, and closes the log with the last handle: everything appended is stored, and
   * the next open has nothing to recover. A second call waits for the first.
   *
   * @throws what could not be stored; the log is closed nevertheless
   */
  close(): Promise<void> {
    return (this.#closing ??= this.#close())
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  /** @internal */
  [INSPECT](depth: number | null, options: InspectOptions, inspect: Inspect): string {
    const { folder, status, readOnly } = this
    return inspected('CommitLog', () => ({ folder, status, readOnly, topics: this.#core.topics.map(({ name }) => name) }), depth, options, inspect)
  }

  async #close(): Promise<void> {
    this.#status = 'closing'
    this.#life.end()
    try {
      await this.#share.release()
    } finally {
      this.#stopListening()
      this.#status = 'closed'
    }
  }
}

/** One that nobody waits for any more is aborted as soon as it has begun. */
async function unlessGivenUp(beginning: Promise<Transaction>, signal: AbortSignal | undefined): Promise<Transaction> {
  try {
    return await unlessAborted(beginning, signal)
  } catch (error) {
    void beginning.then((transaction) => transaction.abort()).catch(() => {})
    throw error
  }
}

function groupOptions(options: MemoryLogOptions): Pick<CoreOptions, (typeof groupOptionNames)[number]> {
  return Object.fromEntries(groupOptionNames.flatMap((name) => (options[name] === undefined ? [] : [[name, options[name]]])))
}

function intervals({ logRetentionCheckIntervalMs, logCleanerBackoffMs }: MemoryLogOptions): Pick<CoreOptions, (typeof intervalNames)[number]> {
  return {
    ...(logRetentionCheckIntervalMs !== undefined && { logRetentionCheckIntervalMs }),
    ...(logCleanerBackoffMs !== undefined && { logCleanerBackoffMs }),
  }
}

function cleanerOptions({ logCleanerDedupeBufferSize }: MemoryLogOptions): { readonly cleanerBufferBytes?: number } {
  return logCleanerDedupeBufferSize === undefined ? {} : { cleanerBufferBytes: logCleanerDedupeBufferSize }
}

function infoOf({ name, id, partitions, key, value, settings, createdAt }: TopicEntry): TopicInfo {
  return { name, id: uuidText(id), internal: isInternalTopic(name), partitions, key, value, settings, createdAt }
}

/** Checks the options, and gives the settings among them. */
function checkedOptions(options: LogOptions, known: readonly string[], where: string): TopicSettings {
  checkOptions(options, known, where)
  const { bufferBytes, windowBytes, minFreeBytes, waitMs } = options
  checkInteger(bufferBytes, 'bufferBytes', 1)
  checkInteger(windowBytes, 'windowBytes', 0)
  checkInteger(minFreeBytes, 'minFreeBytes', 0)
  checkInteger(options.logCleanerDedupeBufferSize, 'logCleanerDedupeBufferSize', 1)
  checkInteger(waitMs, 'waitMs', 0)
  for (const name of intervalNames) checkInteger(options[name], name, 1, 0x7fff_ffff)
  checkInteger(options.offsetsRetentionMs, 'offsetsRetentionMs', 1, Infinity)
  checkInteger(options.groupInitialRebalanceDelayMs, 'groupInitialRebalanceDelayMs', 0, 0x7fff_ffff)
  for (const name of ['groupConsumerSessionTimeoutMs', 'groupConsumerHeartbeatIntervalMs', 'groupConsumerMaxSize'] as const) {
    checkInteger(options[name], name, 1, 0x7fff_ffff)
  }
  checkBoolean(options.readOnly, 'readOnly')
  checkBoolean(options.create, 'create')
  checkFunction(options.onEvent, 'onEvent')
  checkSignal(options.signal)
  for (const name of ['files', 'clock', 'random'] as const) checkObject(options[name], `${name} of ${where} is an object`)
  return checkedSettings(options as Readonly<Record<string, unknown>>, where)
}

/** `asked`: whether the caller named the codecs, or takes those that the topic has. */
function requestOf<K, V>(
  definition: TopicDefinition<K, V>, asked: { readonly create: boolean; readonly key: boolean; readonly value: boolean },
): TopicRequest {
  const { name, partitions, key, value, settings } = definition
  return {
    name, partitions, settings, create: asked.create, newKey: string.name, newValue: msgpack().name,
    key: asked.key ? key.name : undefined, value: asked.value ? value.name : undefined,
  }
}

/** The codec that a topic was written by. Of one that Kafka wrote nothing is known: bytes. */
function codecOf<T>(entry: TopicEntry, part: 'key' | 'value', usual: Codec<T>): Codec<T> {
  const name = entry[part] ?? bytes.name
  if (name === usual.name) return usual
  const codec = builtInCodec(name)
  if (codec !== undefined) return codec as Codec<T>
  const message = `the ${part}s of topic "${entry.name}" are written by the codec "${name}": name it when you open the topic`
  throw new LogError('LOG_TOPIC_MISMATCH', message, { topic: entry.name, codec: name, part })
}
