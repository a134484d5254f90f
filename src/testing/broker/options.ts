/*
 * What `startTestBroker` may be told, checked, with its defaults.
 */
import { checkBoolean, checkInteger, checkNumber, checkObject, checkOneOf, checkOptions, describe } from '../../base/options.ts'
import { type ListenOptions } from '../../kafka/options.ts'
import { type MemoryLogOptions } from '../../topics/commit-log.ts'
import { type TopicSettings } from '../../topics/settings.ts'
import { type ClockMode, clockModes } from '../clock/test-clock.ts'
import { type Duration, durationMs } from '../clock/durations.ts'
import { type ImportSource } from '../import/import-source.ts'
import { type JournalOptions } from '../journal/journal.ts'
import { type ContractOptions } from '../strict/contract.ts'
import { type StrictOptions } from '../strict/strict-mode.ts'

/** A topic that a test broker begins with. */
export interface TestTopicOptions {
  /** Default: `numPartitions`. */
  readonly partitions?: number
  /** Brokers that each partition lies on. Default: three, or as many as there are. */
  readonly replicas?: number
  /** By Kafka's names: `{ 'cleanup.policy': 'compact' }`. */
  readonly config?: Readonly<Record<string, string | number | boolean>>
}

/** Topics by name: a number of partitions, or more. */
export type TestTopics = Readonly<Record<string, number | TestTopicOptions>>

/** Who clients are, and what they may do: as of `listen`. */
export type TestSecurity = Pick<ListenOptions, 'tls' | 'sasl' | 'authorizer' | 'listeners'>

/** What `startTestBroker` may be told. */
export interface TestBrokerOptions {
  // What it is
  /** Brokers, each with a port of its own, over one log. Default 1. */
  readonly brokers?: number
  /** Kafka's `node.id` of the first broker; those behind it count on. Default 1, or what the folder of `dir` says. */
  readonly nodeId?: number
  /** Topics that are there from the beginning, and after every reset. */
  readonly topics?: TestTopics
  /**
   * What it begins with, and goes back to with every reset: the folder of a Kafka broker that does not run, or of a log of commitlog, which is only
   * read; or a file of records as lines, or the lines or records themselves, as {@link TestBroker.import} takes them. Default: nothing.
   */
  readonly from?: ImportSource
  /** Make a topic that a client asks for when there is none. Default true. */
  readonly autoCreateTopics?: boolean
  /** Partitions of a topic whose maker does not say. Default 1. */
  readonly numPartitions?: number
  /** Settings of topics that are made over the wire, or given above, that differ from Kafka's defaults. */
  readonly topicDefaults?: TopicSettings
  /** Serve the versions of a release of Kafka, both oldest and newest: `2.8`, `3.9`, `4.0`. Default: all that there are, those of 4.3. */
  readonly emulate?: string
  /** Who clients are, and what they may do. Default: nobody asks. */
  readonly security?: TestSecurity
  /** Of its log: buffers, groups, housekeeping. */
  readonly log?: Omit<MemoryLogOptions, 'files' | 'clock' | 'random'>
  // Where
  /** A folder that keeps it. Default: memory. */
  readonly dir?: string
  /** `memory`: no port is bound, and clients come by {@link TestBroker.socketFactory}. Default `tcp`. */
  readonly transport?: 'tcp' | 'memory'
  /** What is listened on. Default `127.0.0.1`. */
  readonly host?: string
  /** Of the first broker. Default: a free one for each. */
  readonly port?: number
  // Time and chance
  /** Default `real`. */
  readonly clock?: ClockMode
  /** Wall time at the start of a clock that is not real, ms since 1970. Default: what `Date.now()` says, also of fake timers. */
  readonly now?: number
  /** Whatever is drawn is drawn from it: ids, probabilities, wrong bytes. Default: another one each time; `kafka.seed` tells. */
  readonly seed?: number
  // For tests
  /**
   * How long to wait for what a test waits for, of real time. Default 4 seconds: less than the 5 that vitest and Jest
   * give a test, so that the test fails with what was missing and not with their time-out.
   */
  readonly timeout?: Duration
  /** How much of what was said is kept. */
  readonly journal?: JournalOptions
  /** Whether a fault that never happened fails the test, when the broker is closed or reset. Default true. */
  readonly failOnUnfiredFaults?: boolean
  /** Whether what a cluster punishes later fails the test: all rules, or all but some. Default false. See docs/testing.md. */
  readonly strict?: boolean | StrictOptions
  /** What the records of topics have to be, in every test: as {@link TestBroker.contract}, and for good. */
  readonly contracts?: Readonly<Record<string, ContractOptions>>
}

/** The options as they hold. */
export interface ResolvedTestOptions extends TestBrokerOptions {
  readonly brokers: number
  readonly topics: TestTopics
  readonly transport: 'tcp' | 'memory'
  readonly clock: ClockMode
  readonly seed: number
  readonly timeoutMs: number
  readonly failOnUnfiredFaults: boolean
}

const names = [
  'brokers', 'nodeId', 'topics', 'from', 'autoCreateTopics', 'numPartitions', 'topicDefaults', 'emulate', 'security', 'log', 'dir', 'transport',
  'host', 'port', 'clock', 'now', 'seed', 'timeout', 'journal', 'failOnUnfiredFaults', 'strict', 'contracts',
]
const topicNames = ['partitions', 'replicas', 'config']
const DEFAULT_TIMEOUT_MS = 4000
const MAX_SEED = 0xffff_ffff

/** Checks what `startTestBroker` was told. `draw` gives the seed where none is given. */
export function resolvedTestOptions(given: TestBrokerOptions, draw: () => number): ResolvedTestOptions {
  checkOptions(given, names, 'startTestBroker')
  const { brokers, topics, clock, now, seed, dir, transport, timeout, journal, emulate, log } = given
  checkInteger(brokers, 'brokers', 1, 100)
  checkObject(topics, 'topics is an object of topics by name')
  for (const [name, topic] of Object.entries(topics ?? {})) checkTopic(name, topic)
  checkObject(given.contracts, 'contracts is an object of contracts by topic')
  checkOneOf(clock, 'clock', clockModes)
  checkNumber(now, 'now', 0, 8.64e15)
  checkInteger(seed, 'seed', 0, MAX_SEED)
  checkOneOf(transport, 'transport', ['tcp', 'memory'])
  checkOptions(journal, ['maxEntries', 'maxBytes'], 'the journal of startTestBroker')
  checkInteger(journal?.maxEntries, 'maxEntries', 1)
  checkInteger(journal?.maxBytes, 'maxBytes', 1)
  checkObject(log, 'log is an object of options')
  checkBoolean(given.failOnUnfiredFaults, 'failOnUnfiredFaults')
  if (dir !== undefined && (typeof dir !== 'string' || dir === '')) throw new TypeError(`dir is the path of a folder, not ${describe(dir)}`)
  if (emulate !== undefined && typeof emulate !== 'string') {
    throw new TypeError(`emulate is the release of a Kafka, as '3.9', not ${describe(emulate)}`)
  }
  return {
    ...given,
    brokers: brokers ?? 1,
    topics: topics ?? {},
    transport: transport ?? 'tcp',
    clock: clock ?? 'real',
    seed: seed ?? draw(),
    timeoutMs: timeout === undefined ? DEFAULT_TIMEOUT_MS : durationMs(timeout, 'timeout'),
    failOnUnfiredFaults: given.failOnUnfiredFaults ?? true,
  }
}

/** Checks a topic, and gives it with its defaults. */
export function checkTopic(name: string, topic: number | TestTopicOptions): TestTopicOptions {
  const options = typeof topic === 'number' ? { partitions: topic } : topic
  checkOptions(options ?? null, topicNames, `topic "${name}" of a test broker`)
  checkInteger(options.partitions, `the partitions of topic "${name}"`, 1, 100_000)
  checkInteger(options.replicas, `the replicas of topic "${name}"`, 1, 100)
  checkObject(options.config, `the config of topic "${name}" is an object`)
  return options
}
