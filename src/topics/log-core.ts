/*
 * An open folder: its lock, its catalog, its mark, its budgets and the topics opened so far. One per folder and process, whatever number of
 * handles (commit-log.ts) share it.
 *
 * Topics are opened when they are first asked for, so that opening a log costs the same however many it has. Changes of the catalog go one
 * after the other; a topic's folders are durable before the catalog names it, so a crash in between leaves folders that the next open
 * adopts, and never a name without its folders.
 */
import { settleAtMost } from '../base/at-most.ts'
import { type Clock } from '../base/clock.ts'
import { isLogError, LogError } from '../base/errors.ts'
import { type Random } from '../base/random.ts'
import { type FileSystem, type FolderLock } from '../files/file-system.ts'
import { OpenFiles } from '../files/open-files.ts'
import { partitionFolderName } from '../format/names.ts'
import { newUuid } from '../format/uuid.ts'
import { BufferBudget } from '../log/buffer-budget.ts'
import { DEFAULT_CLEANER_BUFFER_BYTES } from '../log/cleaner.ts'
import { CleanerCheckpoint } from '../log/cleaner-checkpoint.ts'
import { type LogConfig } from '../log/config.ts'
import { DiskRoom } from '../log/disk-room.ts'
import { type LogEnvironment } from '../log/environment.ts'
import { Mark } from '../log/mark.ts'
import { PartitionLog } from '../log/partition-log.ts'
import { DEFAULT_ROOM_AHEAD } from '../log/room-ahead.ts'
import { SyncGate } from '../log/sync-gate.ts'
import { WindowCache } from '../log/windows.ts'
import { type CatalogState, readCatalog, type TopicEntry, writeCatalog } from './catalog.ts'
import { LogEvents } from './diagnostics.ts'
import { GroupCoordinator } from './groups/coordinator.ts'
import { asLogError, asPartitionError, inspectFolder, type KafkaState, readKafkaState, withSystemErrors } from './log-folder.ts'
import { internalTopicRequest, OFFSETS_TOPIC, TRANSACTIONS_TOPIC } from './internal-topics.ts'
import { writeKafkaCheckpoints } from './kafka-checkpoints.ts'
import { catalogOf, checkThere, prepareFolder, settleFolder } from './open-folder.ts'
import { PRODUCER_ID_BLOCK, producerIdsSeen } from './producer-ids.ts'
import { SendQueue } from './send-queue.ts'
import { resolveSettings, type TopicSettings } from './settings.ts'
import { presentLogs, type TopicCore } from './topic-core.ts'
import { housekeepingOf } from './house-tasks.ts'
import { type Housekeeping } from './housekeeping.ts'
import { TopicAdmin } from './topic-admin.ts'
import { asItIs, changed, checkAgrees, noEvents, type TopicRequest, withCodecs } from './topic-request.ts'
import { TransactionCoordinator } from './transactions/coordinator.ts'
import { Markers } from './transactions/markers.ts'
import { resolveTransactions } from './transactions/resolve.ts'
import { readTransactions, type StoredTransaction } from './transactions/state-log.ts'

/**
 * Partitions that are made, opened, closed or removed at a time. Each needs some descriptors while it is under way, and one, at most, while
 * it is open; the syncs of so many are shared well enough.
 */
const PARTITIONS_AT_A_TIME = 32

/** What a {@link LogCore} is opened with; checked by commit-log.ts. */
export interface CoreOptions {
  readonly files: FileSystem
  readonly folder: string
  readonly clock: Clock
  readonly random: Random
  readonly readOnly: boolean
  /** Make the log when there is none. */
  readonly create: boolean
  readonly waitMs: number
  readonly signal: AbortSignal | undefined
  /** Settings of topics that do not have their own. */
  readonly settings: TopicSettings
  readonly bufferBytes: number
  readonly windowBytes: number
  /** Bytes of keys that a compaction holds in memory; Kafka's default when absent. */
  readonly cleanerBufferBytes?: number
  readonly minFreeBytes: number
  /** Ms after which committed offsets that nobody needs any more are forgotten. */
  readonly offsetsRetentionMs?: number
  /** Ms between two looks for old segments, and between two for what is to be compacted. */
  readonly logRetentionCheckIntervalMs?: number
  readonly logCleanerBackoffMs?: number
  /** Ms that the first rebalance of an empty group waits for more members. */
  readonly groupInitialRebalanceDelayMs?: number
  /** Of consumer groups of the newer protocol: see commit-log.ts. */
  readonly groupConsumerSessionTimeoutMs?: number
  readonly groupConsumerHeartbeatIntervalMs?: number
  readonly groupConsumerMaxSize?: number
}

/** An open folder. */
export class LogCore {
  readonly folder: string
  readonly readOnly: boolean
  readonly env: LogEnvironment
  readonly events: LogEvents
  readonly sends: SendQueue
  readonly markers: Markers
  /** What it was opened with. */
  readonly options: CoreOptions
  readonly #kafka: KafkaState
  readonly #topics = new Map<string, TopicCore>()
  #catalog: CatalogState
  #admin: TopicAdmin | undefined
  readonly #housekeeping: Housekeeping | undefined
  #changes: Promise<unknown> = Promise.resolve()
  #unwatch: () => void = () => {}
  #transactions: TransactionCoordinator | undefined
  #groups: Promise<GroupCoordinator> | undefined
  readonly #topicListeners = new Set<() => void>()
  readonly #closers: (() => Promise<void>)[] = []

  private constructor(options: CoreOptions, opened: { env: LogEnvironment; events: LogEvents; kafka: KafkaState; catalog: CatalogState }) {
    this.options = options
    this.#kafka = opened.kafka
    this.#catalog = opened.catalog
    this.folder = options.folder
    this.readOnly = options.readOnly
    this.env = opened.env
    this.events = opened.events
    this.sends = new SendQueue(opened.env.buffer)
    this.markers = new Markers(opened.env.clock)
    this.#housekeeping = options.readOnly ? undefined : housekeepingOf(this)
    if (options.readOnly) this.#unwatch = options.files.watch(options.folder, () => this.#refresh())
  }

  /**
   * Opens the folder, and makes it when it is to be made.
   *
   * @throws LogError `LOG_NOT_FOUND`, `LOG_NOT_A_LOG`, `LOG_ACCESS_DENIED`, `LOG_LOCKED`, `LOG_CORRUPT`, `LOG_FILE_CORRUPT`,
   *   `LOG_VERSION_UNSUPPORTED`
   */
  static async open(options: CoreOptions): Promise<LogCore> {
    try {
      return options.readOnly ? LogCore.#openReadOnly(options) : await LogCore.#openWriter(options)
    } catch (error) {
      throw asLogError(options.folder, error)
    }
  }

  static #openReadOnly(options: CoreOptions): LogCore {
    const { files, folder, clock } = options
    const contents = inspectFolder(files, folder)
    const kafka = readKafkaState(files, folder)
    checkThere(folder, contents, kafka)
    const catalog = catalogOf(options, contents, kafka)
    const events = new LogEvents(folder)
    const mark = Mark.openReadOnly(files, folder, clock)
    return new LogCore(options, { env: environment(options, mark, undefined, events), events, kafka, catalog })
  }

  static async #openWriter(options: CoreOptions): Promise<LogCore> {
    const { files, folder, clock, waitMs, signal } = options
    await prepareFolder(options)
    const lock = await files.lock(folder, { waitMs, ...(signal !== undefined && { signal }) })
    let mark: Mark | undefined
    try {
      // Looked through now that nobody else changes it.
      const contents = inspectFolder(files, folder)
      const kafka = readKafkaState(files, folder)
      if (!options.create) checkThere(folder, contents, kafka)
      const catalog = catalogOf(options, contents, kafka)
      // Before anything is changed: it may be of a newer version.
      const read = Mark.read(files, folder, clock, { mayWrite: () => lock.confirmed })
      read.keepOnly(catalog.topics.map(({ id }) => id))
      read.start()
      mark = read
      await settleFolder(options, contents, kafka, catalog, mark)
      const events = new LogEvents(folder)
      const core = new LogCore(options, { env: environment(options, mark, lock, events), events, kafka, catalog })
      await core.#endLeftTransactions()
      return core
    } catch (error) {
      await mark?.close()
      await lock.release()
      throw error
    }
  }

  /**
   * Ends what the process before left open of transactions, so that nobody sees a part of one: the topics in which it may have left some
   * are opened, which ends them. What keeps one from being opened is told to whoever opens it.
   */
  async #endLeftTransactions(): Promise<void> {
    const { mark } = this.env
    const left = this.topics.filter(({ name, id, partitions, absent }) => name !== TRANSACTIONS_TOPIC &&
      Array.from({ length: partitions }, (_, partition) => (absent.includes(partition) ? undefined : mark.slot(id, partition).state))
        .some((state) => state?.closed === false && state.producers))
    await Promise.all(left.map(({ name }) => this.openTopic(asItIs(name)).catch(() => {})))
  }

  get clusterId(): string {
    return this.#catalog.clusterId
  }

  get nodeId(): number {
    return this.#catalog.nodeId
  }

  /** All topics of the log, opened or not, in the order of their creation. */
  get topics(): readonly TopicEntry[] {
    return this.#catalog.topics.filter(({ deleting }) => deleting !== true)
  }

  /** Deletes and alters topics. */
  get admin(): TopicAdmin {
    return (this.#admin ??= this.#makeAdmin())
  }

  /** The topics opened so far. */
  get openTopics(): readonly TopicCore[] {
    return [...this.#topics.values()]
  }

  /**
   * Opens a topic, creating it or adding partitions when that is asked.
   *
   * @throws LogError `LOG_NOT_FOUND`, `LOG_TOPIC_MISMATCH`, `LOG_READ_ONLY`, `LOG_CORRUPT` and those of opening a partition
   */
  openTopic(request: TopicRequest): Promise<TopicCore> {
    return this.#inTurn(() => this.#openNow(request))
  }

  /** Opens a topic as it is, whatever its codecs; undefined when there is none. */
  async existingTopic(name: string): Promise<TopicCore | undefined> {
    try {
      return await this.openTopic(asItIs(name))
    } catch (error) {
      if (isLogError(error, 'LOG_NOT_FOUND')) return undefined
      throw error
    }
  }

  /** Takes a block of producer ids, durably, and gives the first of them. */
  takeProducerIds(): Promise<bigint> {
    return this.#inTurn(async () => {
      await this.#checkLock()
      const first = await this.#firstFreeProducerId()
      const catalog = { ...this.#catalog, nextProducerId: first + PRODUCER_ID_BLOCK }
      await writeCatalog(this.env.files, this.folder, catalog)
      this.#catalog = catalog
      return first
    })
  }

  /** Coordinates the transactions of this folder. */
  get transactions(): TransactionCoordinator {
    if (this.#transactions === undefined) {
      this.#transactions = new TransactionCoordinator(this)
      this.#housekeeping?.look()
    }
    return this.#transactions
  }

  /** Whether somebody asked for them since the log was opened. */
  get hasTransactions(): boolean {
    return this.#transactions !== undefined
  }

  /** As `hasTransactions`. */
  get hasGroups(): boolean {
    return this.#groups !== undefined
  }

  /** Coordinates the groups of this folder; loaded when it is first asked for. */
  groups(): Promise<GroupCoordinator> {
    if (this.#groups !== undefined) return this.#groups
    const opening = GroupCoordinator.open(this)
    this.#groups = opening
    // Whoever asks next tries again.
    opening.catch(() => { this.#groups = undefined })
    this.#housekeeping?.look()
    return opening
  }

  /** What groups have committed for a topic that is deleted is not for the next one of its name. */
  async forgetOffsets(topic: string): Promise<void> {
    if (this.#catalog.topics.some(({ name }) => name === OFFSETS_TOPIC)) await (await this.groups()).offsets.removeTopic(topic)
  }

  /** Calls `listener` when topics or partitions came or went. Gives the function that ends it. */
  onTopicsChanged(listener: () => void): () => void {
    this.#topicListeners.add(listener)
    return () => void this.#topicListeners.delete(listener)
  }

  /** Waits until members of groups that are leaving have left. */
  async settleGroups(): Promise<void> {
    const groups = await this.#groups?.catch(() => undefined)
    await groups?.settled()
  }

  /** Makes everything appended so far durable; a read-only log has appended nothing. */
  async flush(): Promise<void> {
    await this.settleGroups()
    if (this.readOnly) return
    await Promise.all(this.openTopics.flatMap((topic) => presentLogs(topic).map((log) => log.flush())))
  }

  /** The folder of a partition. */
  partitionFolder(topic: string, partition: number): string {
    return this.options.files.join(this.folder, partitionFolderName(topic, partition))
  }

  /** Runs `work` when the log is closed, while its topics are still open. It does not fail. */
  beforeClose(work: () => Promise<void>): void {
    this.#closers.push(work)
  }

  /** Closes everything. Throws the first thing that could not be stored, after all was tried. */
  async close(): Promise<void> {
    this.#unwatch()
    await this.#housekeeping?.close()
    await this.#transactions?.close()
    this.markers.close()
    const groups = await this.#groups?.catch(() => undefined)
    await groups?.close()
    await this.#changes.catch(() => {})
    this.sends.clear(new LogError('LOG_CLOSED', `the log ${this.folder} is closed`))
    await Promise.all(this.#closers.map((work) => work()))
    const logs = this.openTopics.flatMap(presentLogs)
    const results: PromiseSettledResult<unknown>[] = await settleAtMost(PARTITIONS_AT_A_TIME, logs, (log) => log.close())
    const ended = results.every(({ status }) => status === 'fulfilled')
    results.push(...(await Promise.allSettled([this.#checkLock()])))
    if (!this.readOnly) results.push(...(await Promise.allSettled([this.env.mark.close(), this.#leaveForKafka(logs, ended)])))
    this.env.openFiles.closeAll()
    results.push(...(await Promise.allSettled([this.env.lock?.release()])))
    for (const result of results) if (result.status === 'rejected') throw asLogError(this.folder, result.reason)
  }

  /** Tells a broker that takes the folder over what it would otherwise have to find out. Memory has no broker. */
  async #leaveForKafka(logs: readonly PartitionLog[], ended: boolean): Promise<void> {
    const { files, mark, lock } = this.env
    if (!files.durable || this.topics.length === 0 || lock?.confirmed === false) return
    const ends = logs.map(({ topic, partition, durableOffset: offset, startOffset, firstOffset }) => {
      return { topic, partition, offset, startOffset, firstOffset }
    })
    const clean = ended && this.topics.every(({ id, partitions, absent }) => Array.from({ length: partitions }, (_, partition) => partition)
      .every((partition) => absent.includes(partition) || mark.slot(id, partition).state?.closed === true))
    await writeKafkaCheckpoints(files, this.folder, ends, clean)
  }

  /** Throws when somebody else took the folder while this process stood still: what lies there is not ours to change any more. */
  async #checkLock(): Promise<void> {
    const { lock } = this.env
    if (lock === undefined || lock.confirmed || (await lock.confirm())) return
    throw new LogError('LOG_LOCK_LOST', `another process took the lock of ${this.folder}`)
  }

  /** Opens a topic while nothing else changes the catalog. */
  async #openNow(request: TopicRequest): Promise<TopicCore> {
    await this.#checkLock()
    this.reload()
    const known = this.#catalog.topics.find(({ name }) => name === request.name)
    if (known !== undefined) checkAgrees(known, request, this.readOnly)
    else if (this.readOnly || !request.create) throw noTopic(this.folder, request.name)
    const wanted = known === undefined ? this.#newEntry(request) : changed(known, request)
    const open = this.#topics.get(wanted.name)
    const config = open?.config ?? resolveSettings(this.options.settings, wanted.settings)
    const made: string[] = []
    let added: TopicCore['logs'] = []
    let entry = wanted
    let named = known !== undefined
    try {
      added = await this.#openPartitions(wanted, config, { from: open?.logs.length ?? 0, create: known?.partitions ?? 0, made })
      // The records that decide are no part of a transaction.
      if (!this.readOnly && wanted.name !== TRANSACTIONS_TOPIC) {
        await resolveTransactions(added.filter((log) => log !== undefined), this.markers, () => this.#storedTransactions())
      }
      if (isEmpty([...(open?.logs ?? []), ...added])) entry = withCodecs(wanted, request)
      else if (request.events === true && known !== undefined && known.events !== true) throw noEvents(wanted.name)
      await this.#checkLock()
      if (entry !== known && !this.readOnly) {
        named = true
        await this.#store(entry)
      }
    } catch (error) {
      // Nobody gets to see a partition that the catalog may not name.
      await closeAll(added)
      if (!named || this.#namesNot(wanted.name)) await this.#takeBack(made)
      throw error
    }
    const topic = open ?? { entry, config, logs: [] }
    topic.entry = entry
    topic.logs.push(...added)
    this.#topics.set(entry.name, topic)
    // One that was open has the settings of before.
    if (open !== undefined) await this.admin.settle(topic)
    this.#housekeeping?.look()
    return topic
  }

  /** Runs changes of the catalog one after the other. */
  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#changes.then(work, work)
    this.#changes = result.catch(() => {})
    return result.catch((error: unknown) => { throw asLogError(this.folder, error) })
  }

  /** The records of `__transaction_state`, asked for while a topic is opened. */
  async #storedTransactions(): Promise<Map<string, StoredTransaction>> {
    if (!this.#catalog.topics.some(({ name }) => name === TRANSACTIONS_TOPIC)) return new Map()
    return readTransactions(await this.#openNow(internalTopicRequest(TRANSACTIONS_TOPIC, false)))
  }

  /** Producers of a folder that Kafka wrote, or that was put together otherwise, may have ids past those that the catalog calls taken. */
  async #firstFreeProducerId(): Promise<bigint> {
    const { files } = this.env
    const { nextProducerId = 0n, topics } = this.#catalog
    const here = this.openTopics.flatMap(presentLogs).flatMap((log) => Array.from(log.producers, ({ producerId }) => producerId))
    if (nextProducerId > 0n) return here.reduce((next, id) => (id >= next ? id + 1n : next), nextProducerId)
    const stored = [...(await this.#storedTransactions()).values()].map(({ producerId }) => producerId)
    return producerIdsSeen(files, this.folder, topics.filter(({ adopted }) => adopted), [...here, ...stored])
  }

  #makeAdmin(): TopicAdmin {
    const { files, folder, random, readOnly, settings } = this.options
    return new TopicAdmin({
      files, folder, random, readOnly, settings, open: this.#topics,
      inTurn: (work) => this.#inTurn(async () => {
        await this.#checkLock()
        const result = await work()
        this.#housekeeping?.look()
        return result
      }),
      find: (name) => this.#catalog.topics.find((entry) => entry.name === name),
      grow: (name, partitions) => this.openTopic({ ...asItIs(name), partitions }),
      store: (entry) => this.#store(entry),
      drop: async (name) => {
        await this.env.cleaner?.checkpoint.forget(name)
        const dropped = this.#catalog.topics.find((entry) => entry.name === name)
        await this.#storeTopics(this.#catalog.topics.filter((entry) => entry.name !== name))
        if (dropped !== undefined) this.env.mark.release(dropped.id)
      },
    })
  }

  #newEntry(request: TopicRequest): TopicEntry {
    const { clock, random } = this.options
    return {
      name: request.name, id: newUuid(random), partitions: request.partitions ?? 1, key: request.key ?? request.newKey,
      value: request.value ?? request.newValue, settings: request.settings, createdAt: clock.now(), adopted: false, absent: [],
      ...(request.events === true && { events: true as const }),
    }
  }

  /** The partitions of a topic from a number on; those from `create` on are new, and their folders, where there were none, get into `made`. */
  async #openPartitions(
    entry: TopicEntry, config: LogConfig, { from, create, made }: { readonly from: number; readonly create: number; readonly made: string[] },
  ): Promise<TopicCore['logs']> {
    const { files, folder } = this.options
    const numbers = Array.from({ length: entry.partitions - from }, (_, index) => from + index)
    let failed = false
    const results = await settleAtMost(PARTITIONS_AT_A_TIME, numbers, async (partition) => {
      // One that is missing makes the others useless.
      if (failed || entry.absent.includes(partition)) return undefined
      const path = files.join(folder, partitionFolderName(entry.name, partition))
      try {
        if (partition >= create && files.statSync(path) === undefined) made.push(path)
        return await this.#openPartition(entry, partition, partition >= create, config)
      } catch (error) {
        failed = true
        throw asPartitionError(path, entry.name, partition, error)
      }
    })
    const logs = results.map((result) => (result.status === 'fulfilled' ? result.value : undefined))
    const failure = results.find((result) => result.status === 'rejected')
    if (failure === undefined) return logs
    await closeAll(logs)
    throw failure.reason
  }

  /** The catalog certainly does not name the topic, although it was to be stored. */
  #namesNot(topic: string): boolean {
    let names = true
    succeeds(() => { names = readCatalog(this.env.files, this.folder)?.topics.some(({ name }) => name === topic) ?? true })
    return !names
  }

  /**
   * Removes the folders of a topic that could not be made, unless they are somebody else's by now. To the next open, what cannot be removed
   * is a topic whose creation was interrupted, as after a crash.
   */
  async #takeBack(made: readonly string[]): Promise<void> {
    const { files } = this.env
    try {
      await this.#checkLock()
      await settleAtMost(PARTITIONS_AT_A_TIME, made.toReversed(), (path) => files.remove(path))
      if (files.durable) await files.syncFolder(this.folder)
    } catch {
      // The error that led here says more.
    }
  }

  async #openPartition(entry: TopicEntry, partition: number, create: boolean, config: LogConfig): Promise<PartitionLog> {
    const { files, folder } = this.options
    // What Kafka said of a topic that had this name before means nothing for a new one.
    const logStartOffset = create ? undefined : this.#kafka.logStart(entry.name, partition)
    const options = {
      folder: files.join(folder, partitionFolderName(entry.name, partition)), topic: entry.name, partition, topicId: entry.id, config, create,
      ...(logStartOffset !== undefined && { logStartOffset }), ...(entry.adopted && { foreign: this.#kafka.foreign(entry.name, partition) }),
    }
    if (!this.readOnly) return PartitionLog.open(this.env, options)
    for (;;) {
      // Beside a writer that lives a reader believes the mark; else it looks past it, as recovery would.
      const writer = files.lockHolderSync(folder)?.token
      this.env.mark.refresh()
      const log = await PartitionLog.open(this.env, { ...options, create: false, following: writer !== undefined })
      // A writer that came meanwhile may have added what nobody acknowledged yet.
      if (writer !== undefined || files.lockHolderSync(folder) === undefined) return log
      await log.close()
    }
  }

  async #store(entry: TopicEntry): Promise<void> {
    const topics = this.#catalog.topics.filter(({ name }) => name !== entry.name)
    const place = this.#catalog.topics.findIndex(({ name }) => name === entry.name)
    await this.#storeTopics(topics.toSpliced(place < 0 ? topics.length : place, 0, entry))
  }

  async #storeTopics(topics: readonly TopicEntry[]): Promise<void> {
    const catalog = { ...this.#catalog, topics }
    await writeCatalog(this.env.files, this.folder, catalog)
    this.#catalog = catalog
    for (const listener of this.#topicListeners) listener()
  }

  /** Sees the topics that a writer in another process made since; nothing to do for the writer itself. */
  reload(): void {
    if (!this.readOnly) return
    const catalog = withSystemErrors(this.folder, () => readCatalog(this.env.files, this.folder))
    if (catalog === undefined) return
    const named = new Set(catalog.topics.map(({ name }) => name))
    const found = this.#catalog.topics.filter((entry) => !named.has(entry.name) && this.#isThere(entry))
    this.#catalog = { ...catalog, topics: [...catalog.topics.filter(({ deleting }) => deleting !== true), ...found] }
    this.#closeGone()
  }

  #isThere({ name, partitions }: TopicEntry): boolean {
    const { files } = this.env
    return Array.from({ length: partitions }).some((_, partition) => {
      return files.statSync(files.join(this.folder, partitionFolderName(name, partition))) !== undefined
    })
  }

  /** For a read-only log: topics that the writer deleted end here too, and one that it made anew with the same name is another one. */
  #closeGone(): void {
    for (const [name, topic] of this.#topics) {
      const entry = this.#catalog.topics.find((one) => one.name === name)
      if (entry !== undefined && Buffer.compare(entry.id, topic.entry.id) === 0) continue
      this.#topics.delete(name)
      const reason = new LogError('LOG_NOT_FOUND', `topic "${name}" was deleted`, { path: this.folder, topic: name })
      for (const log of presentLogs(topic)) log.close(reason).catch(() => {})
    }
  }

  /** For a read-only log: what the writer published since. */
  #refresh(): void {
    // Nobody called, so nobody can be told: what cannot be read now is tried again with the next change, and readers stay where they are.
    if (!succeeds(() => this.env.mark.refresh())) return
    for (const topic of this.openTopics) for (const log of presentLogs(topic)) succeeds(() => log.refresh())
  }
}

function succeeds(work: () => unknown): boolean {
  try {
    work()
    return true
  } catch {
    return false
  }
}

function environment(options: CoreOptions, mark: Mark, lock: FolderLock | undefined, events: LogEvents): LogEnvironment {
  const { files, folder, clock, random, readOnly, bufferBytes, windowBytes, minFreeBytes } = options
  return {
    files, clock, random, mark, lock, readOnly,
    openFiles: new OpenFiles(files),
    syncs: new SyncGate(),
    windows: new WindowCache(windowBytes),
    cleaner: { checkpoint: new CleanerCheckpoint(files, folder), bufferBytes: options.cleanerBufferBytes ?? DEFAULT_CLEANER_BUFFER_BYTES },
    buffer: new BufferBudget(bufferBytes),
    room: new DiskRoom(files, folder, clock, minFreeBytes),
    roomAheadBytes: DEFAULT_ROOM_AHEAD,
    get emit() {
      return events.emit
    },
  }
}

/** Nothing was ever written to the partitions. */
function isEmpty(logs: TopicCore['logs']): boolean {
  return logs.every((log) => log === undefined || log.nextOffset === 0)
}

async function closeAll(logs: TopicCore['logs']): Promise<void> {
  await settleAtMost(PARTITIONS_AT_A_TIME, logs, async (log) => log?.close())
}

function noTopic(folder: string, topic: string): LogError {
  return new LogError('LOG_NOT_FOUND', `there is no topic "${topic}" in ${folder}`, { path: folder, topic })
}
