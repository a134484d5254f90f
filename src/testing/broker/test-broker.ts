/*
 * The test broker: a log in memory that listens to Kafka clients, under the control of a test. What it is made of is elsewhere: hands on topics and
 * groups beside this file, faults, the journal and the clock in folders of their own.
 */
import { type Clock, systemClock } from '../../base/clock.ts'
import { LogError } from '../../base/errors.ts'
import { type Random, seededRandom, systemRandom } from '../../base/random.ts'
import { checkFunction, checkOneOf, checkOptions, describe } from '../../base/options.ts'
import { diskFileSystem } from '../../files/disk.ts'
import { type MemoryFileSystem } from '../../files/memory.ts'
import { type Interceptor } from '../../kafka/exchange.ts'
import { type BrokerInfo, type KafkaListener, openListener } from '../../kafka/listen.ts'
import { LocalSockets } from '../../kafka/local-sockets.ts'
import { type ClientSocket, MemorySocket, refusedConnection, type SocketRequest } from '../../kafka/memory-socket.ts'
import { type CommitLog } from '../../topics/commit-log.ts'
import { presentLogs } from '../../topics/topic-core.ts'
import { TestClock } from '../clock/test-clock.ts'
import { threadWork } from '../clock/thread-work.ts'
import { VirtualClock } from '../clock/virtual-clock.ts'
import { Faults } from '../faults/faults.ts'
import { checkImportOptions, ImportRecords, type ImportedRecords, type ImportOptions } from '../import/import-records.ts'
import { importFrom, type ImportSource } from '../import/import-source.ts'
import { Journal } from '../journal/journal.ts'
import { Contract, type ContractOptions } from '../strict/contract.ts'
import { type RecordOptions } from '../recording/recorder.ts'
import { SessionRecorder } from '../recording/session-recorder.ts'
import { StrictMode } from '../strict/strict-mode.ts'
import { imageFrom, leave, type LogParts, logOptions, openedLog, type OpenedLog } from './broker-log.ts'
import { Changes } from './changes.ts'
import { emulatedApis } from './emulate.ts'
import { FetchWatch } from './fetch-watch.ts'
import { GroupHands } from './group-hands.ts'
import { imageOfFolder, putInFolder } from './folder-image.ts'
import { imageOf, openImage } from './image.ts'
import { interceptorOf } from './interceptor.ts'
import { makeTopic } from './make-topic.ts'
import { checkTopic, type ResolvedTestOptions, resolvedTestOptions, type TestBrokerOptions, type TestTopicOptions } from './options.ts'
import { skipWaits } from './skips.ts'
import { type HandsWorld, TopicHands } from './topic-hands.ts'
import { TransactionHands } from './transaction-hands.ts'

/** A moment of a test broker, to go back to. */
export class Checkpoint {
  /** @internal */
  readonly image: MemoryFileSystem

  /** @internal */
  constructor(image: MemoryFileSystem) {
    this.image = image
  }
}

/** What becomes of connections when a broker goes back. */
export interface RestoreOptions {
  /** `keep`: clients go on, and are told that they are members no more. `drop`: they have to connect again. Default `keep`. */
  readonly connections?: 'keep' | 'drop'
}

/** As of {@link TestBroker.fork}. */
export interface ForkOptions {
  /** Default: now. */
  readonly from?: Checkpoint
  /** Of what is drawn. Default: that of the broker that is forked. */
  readonly seed?: number
}

/** Bytes of a folder up to which it can be reset. */
const MOST_BASE_BYTES = 256 * 1024 * 1024
/** So that what faults draw does not change what the log draws. */
const FAULT_SEED = 0x9e37_79b9

/** A Kafka for a test. */
export class TestBroker implements AsyncDisposable {
  /** What of it is drawn is drawn from this. */
  readonly seed: number
  /** What goes wrong. */
  readonly faults: Faults
  /** What was said. */
  readonly journal: Journal
  /** Its time. */
  readonly clock: TestClock
  /** What clients did that a cluster punishes later; undefined unless it was asked for. */
  readonly strict: StrictMode | undefined
  /** @internal Makes the two ends of a connection in memory; calls what it is given with every write. */
  link: (wrote: () => void) => readonly [MemorySocket, MemorySocket] = (wrote) => MemorySocket.pair(wrote)
  readonly #options: ResolvedTestOptions
  readonly #random: Random
  readonly #changes: Changes
  readonly #fetches = new FetchWatch()
  readonly #interceptors = new Set<Interceptor>()
  readonly #contracts = new Set<Contract>()
  readonly #world: HandsWorld
  readonly #topics = new Map<string, TopicHands>()
  readonly #groups = new Map<string, GroupHands>()
  /** Logs that others took the place of, while they close. */
  readonly #closingLogs = new Set<Promise<void>>()
  #files: MemoryFileSystem | undefined
  #log: CommitLog
  #opened: KafkaListener | undefined
  /** What this process connects, where time may have to wait for it. */
  #sockets: LocalSockets | undefined
  /** Ends that work of other threads is looked at, where time has to wait for it. */
  #watchesThreads: (() => void) | undefined
  #base: Checkpoint | undefined
  #waiting = 0
  #turn: Promise<unknown> = Promise.resolve()
  #closing: Promise<void> | undefined

  private constructor(options: ResolvedTestOptions, parts: BrokerParts) {
    this.#options = options
    this.seed = options.seed
    this.#random = parts.random
    this.#changes = parts.changes
    this.#files = parts.files
    this.#log = parts.log
    this.clock = new TestClock(options.clock, parts.clock)
    this.journal = new Journal(parts.clock, options.journal)
    this.#hear(parts.log)
    this.faults = new Faults({
      listener: () => this.#listener, clock: parts.clock, random: seededRandom((options.seed ^ FAULT_SEED) >>> 0), fetches: this.#fetches,
    })
    this.strict = options.strict === undefined || options.strict === false ? undefined : new StrictMode(parts.clock, options.strict)
    if (this.strict !== undefined) this.#interceptors.add(this.strict)
    this.#world = {
      changes: parts.changes, timeoutMs: options.timeoutMs, core: () => this.#log.core,
      isFetched: (topic, partition, by) => this.#fetches.isFetched(topic, partition, by),
    }
  }

  /** @internal Use {@link startTestBroker}. */
  static async start(given: TestBrokerOptions, image?: MemoryFileSystem): Promise<TestBroker> {
    const options = resolvedTestOptions(given, () => systemRandom.int(0x1_0000_0000))
    const apis = options.emulate === undefined ? undefined : emulatedApis(options.emulate)
    const changes = new Changes()
    const random = seededRandom(options.seed)
    const clock = clockOf(options, changes)
    const begin = image ?? await imageFrom(options, { clock, random })
    const { log, files } = await openedLog(options, { clock, random }, begin)
    const broker = new TestBroker(options, { log, files, clock, random, changes })
    if (clock instanceof VirtualClock) broker.#watchesThreads = threadWork.watch()
    try {
      await broker.#listen(apis)
      broker.#beginContracts()
      if (image === undefined) {
        for (const [name, topic] of Object.entries(options.topics)) await broker.#beginTopic(name, checkTopic(name, topic))
        if (options.from !== undefined && begin === undefined) await broker.import(options.from)
      }
      if (files !== undefined || log.core.openTopics.flatMap(presentLogs).reduce((sum, { size }) => sum + size, 0) <= MOST_BASE_BYTES) {
        broker.#base = await broker.#take()
      }
    } catch (error) {
      await broker.#opened?.close()
      broker.#sockets?.close()
      broker.#watchesThreads?.()
      await log.close()
      throw error
    }
    if (clock instanceof VirtualClock && options.clock === 'skip') void skipWaits(clock, changes, () => broker.#waiting - broker.faults.held)
    return broker
  }

  /** What clients call `bootstrap.servers`: the addresses of all brokers, with commas. */
  get bootstrap(): string {
    return this.#listener.bootstrap
  }

  /** The brokers with their addresses. */
  get brokers(): readonly BrokerInfo[] {
    return this.#listener.brokers
  }

  /** The same for other processes: `KAFKA_BROKERS` and `KAFKA_BOOTSTRAP_SERVERS`. */
  env(): Record<string, string> {
    return { KAFKA_BROKERS: this.bootstrap, KAFKA_BOOTSTRAP_SERVERS: this.bootstrap }
  }

  /** The log itself: producers and consumers of this process work on the same topics. Another one after `restore` and `reset`. */
  get log(): CommitLog {
    return this.#log
  }

  /** Connections that are open. */
  get connections(): number {
    return this.#listener.connections
  }

  /** A topic, whether it is there already or not. */
  topic(name: string): TopicHands {
    let hands = this.#topics.get(name)
    if (hands === undefined) this.#topics.set(name, (hands = new TopicHands(name, this.#world)))
    return hands
  }

  /** A group, whether it is there already or not. */
  group(name: string): GroupHands {
    let hands = this.#groups.get(name)
    if (hands === undefined) this.#groups.set(name, (hands = new GroupHands(name, this.#world)))
    return hands
  }

  /** The transactions of a transactional id. */
  transaction(id: string): TransactionHands {
    return new TransactionHands(id, this.#world)
  }

  /** Makes a topic; it is gone after a reset. Throws LogError `LOG_TOPIC_EXISTS`. */
  async createTopic(name: string, options: number | TestTopicOptions = {}): Promise<TopicHands> {
    this.#checkOpen()
    await makeTopic(this.#listener.cluster, name, checkTopic(name, options))
    this.#changes.tell()
    return this.topic(name)
  }

  /** Deletes a topic. Throws LogError `LOG_NOT_FOUND`. */
  async deleteTopic(name: string): Promise<void> {
    this.#checkOpen()
    await this.#log.deleteTopic(name)
    this.#changes.tell()
  }

  /**
   * Puts records into topics as they were elsewhere: from a file of lines by its path, or from lines or records in an iterable. A line is in the form
   * of `commitlog export` and `dump --json`, in that of `kcat -J`, or plain: `{ "topic": "orders", "key": "o-1", "value": { "total": 12 } }`, values
   * as `append` takes them. Offsets and timestamps stay, with the gaps; topics that are missing are made, and keep their records for ever.
   *
   * @throws LogError `LOG_IMPORT_INVALID` with the line that is wrong, `LOG_NOT_FOUND`; TypeError for a folder, which is for `from`
   * @example await kafka.import('fixtures/orders.ndjson', { topic: 'orders' })
   */
  async import(source: ImportSource, options: ImportOptions = {}): Promise<ImportedRecords> {
    checkImportOptions(options)
    this.#checkOpen()
    const { cluster } = this.#listener
    const kept = (name: string, partitions: number): Promise<void> => makeTopic(cluster, name, { partitions, config: { 'retention.ms': -1 } })
    const imported = await importFrom(diskFileSystem, source, new ImportRecords({ core: this.#log.core, makeTopic: kept }, options))
    this.#changes.tell()
    return imported
  }

  /**
   * A moment to go back to: topics, records, committed offsets, transactions, what administrators set. Shares what does not change with the broker,
   * so it costs as much as there are files; of a broker with `dir` it is a copy in memory. Not the time, nor faults and the journal.
   */
  checkpoint(): Promise<Checkpoint> {
    return this.#inTurn(() => this.#take())
  }

  /**
   * Goes back to a moment of this broker, or of one that it was forked from. Ports stay. Topics that were there before and are there now keep their
   * ids, with a newer epoch, and others get new ids; groups keep what they committed then, and have no members.
   */
  async restore(at: Checkpoint, options: RestoreOptions = {}): Promise<void> {
    checkOptions(options, ['connections'], 'restore')
    checkOneOf(options.connections, 'connections', ['keep', 'drop'])
    if (!(at instanceof Checkpoint)) throw new TypeError(`restore takes what checkpoint() gives, not ${describe(at)}`)
    return this.#inTurn(() => this.#restore(at, options))
  }

  /**
   * As it was when it was started: its topics and nothing else, every broker up and leading what it did, no faults, an empty journal.
   *
   * @throws LogError, after all is reset: `LOG_FAULT_UNFIRED` for faults that never happened, `LOG_STRICT` for findings of strict mode,
   *   `LOG_CONTRACT_BROKEN`. TypeError, and nothing is reset, for a broker whose `dir` had more than 256 MiB in it when it was started
   */
  async reset(options: RestoreOptions = {}): Promise<void> {
    checkOptions(options, ['connections'], 'reset')
    checkOneOf(options.connections, 'connections', ['keep', 'drop'])
    return this.#inTurn(async () => {
      const base = this.#base
      if (base === undefined) throw new TypeError(`${this.#options.dir} was too large to be kept for a reset: restore a checkpoint`)
      const failure = this.#failure()
      this.faults.clear()
      this.strict?.clear()
      for (const contract of this.#contracts) contract.end()
      this.#beginContracts()
      for (const { nodeId } of this.#listener.brokers) await this.#listener.startBroker(nodeId)
      this.#listener.cluster.leadership.clear()
      await this.#restore(base, options)
      this.journal.clear()
      if (failure !== undefined) throw failure
    })
  }

  /**
   * Another broker that begins where this one is, or was: in memory, with ports of its own, the same options, and the records shared until one of
   * the two writes.
   */
  async fork(options: ForkOptions = {}): Promise<TestBroker> {
    checkOptions(options, ['from', 'seed'], 'fork')
    const { image } = options.from ?? await this.checkpoint()
    this.#checkOpen()
    const { port: _, from: __, dir: ___, ...others } = this.#options
    // Where time is moved, the other one goes on from here: records of this one are not of its future.
    const now = this.clock.mode === 'real' ? {} : { now: this.clock.now() }
    return TestBroker.start({ ...givenOptions(others), ...now, seed: options.seed ?? this.seed }, image)
  }

  /**
   * What kafkajs takes as `socketFactory`: it then speaks with this broker without TCP.
   *
   * @example new Kafka({ brokers: kafka.bootstrap.split(','), socketFactory: kafka.socketFactory() })
   */
  socketFactory(): (request: SocketRequest) => ClientSocket {
    return ({ host, port, onConnect }) => {
      const [client, server] = this.link(() => this.#changes.tell())
      const at = this.brokers.findIndex((broker) => broker.port === port)
      process.nextTick(() => {
        const broker = this.brokers[at]
        if (broker === undefined || this.#closing !== undefined || this.#listener.cluster.leadership.isDown(broker.nodeId)) {
          return void client.destroy(refusedConnection(host, port))
        }
        this.#listener.serve(server, at)
        client.emit('connect')
        onConnect?.()
      })
      return client.asSocket()
    }
  }

  /** @internal Adds somebody who sees every request before it is handled and its answer behind. Gives the function that takes him away. */
  intercept(interceptor: Interceptor): () => void {
    this.#interceptors.add(interceptor)
    return () => void this.#interceptors.delete(interceptor)
  }

  /**
   * Writes down what clients say from now on, and what they are answered: a session that `replay` plays again. Without passwords.
   *
   * @example await recorder.stop().save('fixtures/billing.kwire')
   */
  record(options: RecordOptions = {}): SessionRecorder {
    checkOptions(options, ['redact'], 'record')
    checkFunction(options.redact, 'redact')
    this.#checkOpen()
    const nodeIds = this.brokers.map(({ nodeId }) => nodeId)
    return new SessionRecorder({ clock: this.clock.clock, seed: this.seed, nodeIds, intercept: (one) => this.intercept(one) }, options)
  }

  /**
   * What records of a topic have to be, from now on, whoever produces them over the wire. With `mode: 'report'` a record that breaks it fails the
   * test when the broker is closed or reset. It is of this test, as faults are: a reset ends it. Those of `startTestBroker({ contracts })` stay.
   */
  contract(topic: string, options: ContractOptions): Contract {
    this.#checkOpen()
    return this.#addContract(topic, options, () => this.#log.core.topics.map(({ name }) => name))
  }

  /**
   * Waits until `look` gives something, looking whenever something happened at the broker.
   *
   * @param missing  what is said when it did not come
   */
  until<T>(
    look: () => T | undefined | Promise<T | undefined>, missing: string | (() => string), timeoutMs = this.#options.timeoutMs, signal?: AbortSignal,
  ): Promise<T> {
    return this.#changes.until(look, { timeoutMs, missing: typeof missing === 'string' ? () => missing : missing, signal })
  }

  /**
   * Ends everything. A second call waits for the first.
   *
   * @throws LogError, after all is closed: `LOG_FAULT_UNFIRED` for faults that never happened, `LOG_STRICT` for findings of strict mode,
   *   `LOG_CONTRACT_BROKEN`
   */
  close(): Promise<void> {
    return (this.#closing ??= this.#close())
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #addContract(topic: string, options: ContractOptions, topics?: () => readonly string[]): Contract {
    const contract = new Contract(topic, options, {
      topics,
      note: (exchange, violation) => void this.journal.entryOf(exchange)?.violations.push(violation),
      end: () => {
        this.#contracts.delete(contract)
        this.#interceptors.delete(contract)
      },
    })
    this.#contracts.add(contract)
    this.#interceptors.add(contract)
    return contract
  }

  /** Those that hold for every test, whether it has to do with their topics or not. */
  #beginContracts(): void {
    for (const [topic, options] of Object.entries(this.#options.contracts ?? {})) this.#addContract(topic, options)
  }

  async #close(): Promise<void> {
    const failure = this.#failure()
    this.faults.clear()
    await this.#turn.catch(() => {})
    await this.#listener.close()
    this.#sockets?.close()
    this.#watchesThreads?.()
    this.#changes.close()
    await this.#log.close()
    await Promise.all(this.#closingLogs)
    if (failure !== undefined) throw failure
  }

  async #listen(apis: ReturnType<typeof emulatedApis> | undefined): Promise<void> {
    const { brokers, nodeId, autoCreateTopics, numPartitions, topicDefaults, security, host = '127.0.0.1', port, transport } = this.#options
    const interceptor = interceptorOf({
      journal: this.journal, faults: this.faults, fetches: this.#fetches, changes: this.#changes, others: this.#interceptors,
      waiting: (count) => { this.#waiting += count },
    })
    this.#opened = await openListener(this.#log, {
      brokers, ...(nodeId !== undefined && { nodeId }),
      ...(security?.listeners === undefined && { host }), ...(port !== undefined && { port }), ...security,
      ...(autoCreateTopics !== undefined && { autoCreateTopics }), ...(numPartitions !== undefined && { numPartitions }),
      ...(topicDefaults !== undefined && { topicDefaults }),
      onEvent: (event) => {
        this.#changes.tell()
        this.journal.note(event)
        if (event.type === 'disconnected') this.#fetches.forget(event.connection)
      },
    }, { interceptor, unbound: transport === 'memory', ...(apis !== undefined && { apis }) })
    if (this.clock.mode === 'real' || transport === 'memory') return
    const sockets = (this.#sockets = new LocalSockets())
    const ports = new Set(this.#listener.brokers.map((broker) => broker.port))
    this.#changes.inFlight = () => !sockets.haveArrived(ports, this.#listener.streams)
  }

  /** A topic that is to be there from the beginning: in a folder it may be there from the time before. */
  async #beginTopic(name: string, topic: TestTopicOptions): Promise<void> {
    const known = this.#log.core.topics.find((one) => one.name === name)
    if (known === undefined) return makeTopic(this.#listener.cluster, name, topic)
    if (topic.partitions === undefined || topic.partitions === known.partitions) return
    const folder = this.#options.dir ?? String(this.#options.from)
    throw new TypeError(`topic "${name}" is in ${folder} already, with ${known.partitions} partitions and not ${topic.partitions}`)
  }

  /** Members whose sessions end send nothing that would tell of it. */
  #hear({ core }: CommitLog): void {
    core.events.listen((event) => {
      if (event.type !== 'member-expired') return
      this.journal.noteExpired(event)
      this.#changes.tell()
    })
  }

  async #restore(at: Checkpoint, { connections = 'keep' }: RestoreOptions): Promise<void> {
    const before = this.#log
    const { dir } = this.#options
    const { log, files } = await openImage(at.image, logOptions(this.#options, this.#parts), before.core)
    if (dir === undefined) this.#begin(log, files)
    else await this.#restoreFolder(dir, log, files)
    if (connections === 'drop') this.#listener.dropConnections('the test broker was restored')
    if (dir === undefined) {
      const closing = leave(before).finally(() => this.#closingLogs.delete(closing))
      this.#closingLogs.add(closing)
    }
    this.#changes.tell()
  }

  /** One folder holds one log at a time: requests wait until that of the picture is in the place of the other. */
  async #restoreFolder(dir: string, log: CommitLog, files: MemoryFileSystem): Promise<void> {
    const before = this.#log
    let release = (): void => {}
    const over = new Promise<void>((resolve) => { release = resolve })
    const endWait = this.intercept({ before: () => over })
    try {
      this.#listener.replaceLog(log)
      await leave(before)
      await log.close()
      try {
        await putInFolder(files, dir, this.#parts)
      } finally {
        this.#begin((await openedLog(this.#options, this.#parts, undefined)).log, undefined)
      }
    } finally {
      endWait()
      release()
    }
  }

  /** From now on clients work with this log. */
  #begin(log: CommitLog, files: MemoryFileSystem | undefined): void {
    this.#log = log
    this.#files = files
    this.#hear(log)
    this.#listener.replaceLog(log)
    this.#fetches.restart()
  }

  async #take(): Promise<Checkpoint> {
    const { core } = this.#log
    return new Checkpoint(await (this.#files === undefined ? imageOfFolder(core, this.#parts) : imageOf(core, this.#files)))
  }

  /** Checkpoints and what goes back to them come one after the other. */
  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#turn.then(() => {
      this.#checkOpen()
      return work()
    })
    this.#turn = done.catch(() => {})
    return done
  }

  /** What the test fails for, whatever it looked at itself. */
  #failure(): unknown {
    try {
      if (this.#options.failOnUnfiredFaults) this.faults.check()
      this.strict?.check()
      for (const contract of this.#contracts) contract.check()
      return undefined
    } catch (error) {
      return error
    }
  }

  get #listener(): KafkaListener {
    return this.#opened!
  }

  get #parts(): LogParts {
    return { clock: this.clock.clock, random: this.#random }
  }

  #checkOpen(): void {
    if (this.#closing !== undefined) throw new LogError('LOG_CLOSED', 'the test broker is closed')
  }
}

interface BrokerParts extends LogParts, OpenedLog {
  readonly changes: Changes
}

/**
 * A Kafka for a test: in memory, on free ports, within milliseconds. Close it when the test is over.
 *
 * @throws TypeError and RangeError for options that cannot be; LogError `LOG_PORT_IN_USE`
 * @example
 * const kafka = await startTestBroker({ topics: { orders: 3 } })
 * // … a client connects to kafka.bootstrap …
 * await kafka.group('billing').ready()
 * kafka.topic('orders').append({ key: 'o-1', value: { total: 12 } })
 * await kafka.group('billing').caughtUp()
 * await kafka.close()
 */
export function startTestBroker(options: TestBrokerOptions = {}): Promise<TestBroker> {
  return TestBroker.start(options)
}

function clockOf({ clock, now }: ResolvedTestOptions, changes: Changes): Clock {
  if (clock === 'real') return systemClock
  return new VirtualClock({
    get count() {
      return changes.count
    },
    get inFlight() {
      return changes.inFlight()
    },
  }, { now: now ?? systemClock.now(), steady: clock === 'virtual' })
}

/** The options of a broker without what was made of them. */
function givenOptions({ timeoutMs, ...options }: Omit<ResolvedTestOptions, 'port' | 'from' | 'dir'>): TestBrokerOptions {
  return { ...options, timeout: timeoutMs }
}
