/*
 * The trials as data: what is measured, under which conditions, who is compared with whom, and what the project set itself as goals. How
 * each subject does a piece of work is in subjects/; how trials are run and summed up is in run.ts and report.ts.
 */
import { type Job, type Work } from './job.ts'

/** Who takes part in a trial. */
export interface Contestant {
  readonly name: string
  /** A reference is no rival: it is there to be compared with. */
  readonly kind: 'ours' | 'raw' | 'peer' | 'reference'
  readonly subject: string
  /** How it is configured, and what its durability means. */
  readonly means: string
  readonly how?: string
  readonly durability?: Job['durability']
  /** Folder of another build, for comparisons of our own. */
  readonly build?: string
  /** Its share of the trial's records, for those that would take too long. Rates stay comparable. */
  readonly share?: number
  /** It holds the event loop while the disk syncs. */
  readonly blocks?: true
}

/** What a figure of a contestant is held against, round by round. */
export interface Goal {
  readonly of: string
  /** Default: the trial's figure. */
  readonly figure?: string
  /** A contestant's name, or the best of the peers (that do not block). Default: the bare value. */
  readonly against?: string
  /** Default `ratio` when it is held against somebody. */
  readonly by?: 'ratio' | 'difference'
  readonly least?: number
  readonly most?: number
  /** What was hoped for, beyond the bound. */
  readonly goal?: number
}

/** One row of the benchmarks. */
export interface Trial {
  readonly name: string
  readonly what: string
  /** Value type, durability, cache state, checksum: what a figure means nothing without. */
  readonly conditions: string
  readonly work: Work
  readonly figure: string
  readonly unit: 'records/s' | 'µs' | 'ms' | 'MB' | 'MB/s' | 'ns'
  readonly records: number
  readonly bytes: number
  /** The rest of the job of all contestants. */
  readonly job?: Partial<Job>
  /** Records written into a folder for each contestant before the rounds, not measured. */
  readonly fill?: number
  /** Trials of the same name here read the same data: it is filled in once, and kept while the run lasts. */
  readonly data?: string
  readonly rounds?: number
  /** Our part runs in a process of its own, which the trial's starts. */
  readonly broker?: true
  /** It differs from this trial in sizes only, so it need not be seen to work as well. */
  readonly like?: string
  /** Free disk that it needs, in GiB. Default 2. */
  readonly diskGiB?: number
  readonly contestants: readonly Contestant[]
  readonly goals: readonly Goal[]
}

/** Stands for the peer with the best median, and for the best of those that do not block the event loop. */
export const BEST_PEER = 'best peer'
export const BEST_ASYNC_PEER = 'best peer that does not block'

const MB = 1e6
const MIB = 1024 * 1024
/** Work that lasts is measured when it lasts: all contestants do the same for so long before. */
const WARM_UP_MS = 1000
const WARM = `${WARM_UP_MS} ms of warm-up for everybody`
const WASM = 'CRC-32C by WASM with SIMD'
const GIB_OF_1K = 1_030_000

function ours(means: string, rest: Partial<Contestant> = {}): Contestant {
  return { name: 'commitlog', kind: 'ours', subject: 'commitlog', means, ...rest }
}

function rawFs(means: string, rest: Partial<Contestant> = {}): Contestant {
  return { name: 'raw node:fs', kind: 'raw', subject: 'raw', means, ...rest }
}

function peer(subject: string, means: string, rest: Partial<Contestant> = {}): Contestant {
  return { name: subject, kind: 'peer', subject, means, ...rest }
}

function buffered(share: number): Contestant[] {
  return [
    ours('durability os; flush (fdatasync) and close at the end'),
    rawFs('copied into a 256 KiB buffer, one fdatasync at the end'),
    peer('lmdb', 'default settings: synced behind the commits; `flushed` awaited at the end', { share }),
    peer('node:sqlite', 'WAL, synchronous=NORMAL, 1,000 rows a transaction; checkpoint at the end', { share }),
    peer('better-sqlite3', 'WAL, synchronous=NORMAL, 1,000 rows a transaction; checkpoint at the end', { share }),
    peer('classic-level', 'batches of 1,000, the last one with sync: true', { share }),
    peer('event-storage', 'default settings: not synced before the close', { share: share / 2 }),
  ]
}

function synced(inFlight: number): Contestant[] {
  const group = inFlight === 1 ? '' : ', group commit by hand'
  const round = inFlight === 1 ? 'one write and one fdatasync each' : 'one write and one fdatasync a round'
  return [
    ours('durability sync: resolved after the fdatasync of its round'),
    rawFs(`${round}, asynchronous, over zeros written beforehand`, { how: 'zeros' }),
    rawFs(`${round}, asynchronous, the file grows`, { name: 'raw node:fs, growing', kind: 'reference', how: 'growing' }),
    rawFs(`${round}, blocking, over zeros`, { name: 'raw node:fs, blocking', kind: 'reference', how: 'blocking', blocks: true }),
    peer('lmdb', 'each put and `flushed` awaited: synced'),
    peer('node:sqlite', `WAL, synchronous=FULL: synced with each commit${group}; blocks`, { blocks: true }),
    peer('better-sqlite3', `WAL, synchronous=FULL: synced with each commit${group}; blocks`, { blocks: true }),
    peer('classic-level', `sync: true${group}`),
    peer('event-storage', 'syncOnFlush: the documents of a tick are synced together; blocks', { blocks: true }),
  ]
}

function encoding(codec: 'msgpack' | 'json', library: string): Trial {
  return {
    name: `append-${codec}`, what: `append objects of about 100 B with the codec ${codec}${codec === 'msgpack' ? ', the default' : ''}`,
    conditions: `objects with one nested list, durability os, one writer, final flush and close included, ${WASM}`,
    work: 'appendObjects', figure: 'ns', unit: 'ns', records: 1_000_000, bytes: 100,
    contestants: [
      ours('durability os; flush and close at the end', { how: codec }),
      { name: 'codec alone', kind: 'reference', subject: 'node', how: codec, means: 'our codec into memory used again, no log' },
      { name: library, kind: 'reference', subject: 'node', how: library, means: 'the usual call, into a Buffer of its own, no log' },
    ],
    goals: [{ of: 'commitlog', against: 'codec alone', most: 1.3 }, { of: 'commitlog', against: library, most: 1.3 }],
  }
}

function scanning(name: string, what: string, mine: readonly Contestant[], least: number, goal: number): Trial {
  const share = 1 / 3
  return {
    name, what, conditions: `values as bytes, closed log opened anew, system cache warm, every batch checked on its way, ${WASM}`,
    work: 'scan', figure: 'perSecond', unit: 'records/s', records: 3_000_000, bytes: 100, fill: 3_000_000,
    contestants: [
      ...mine,
      rawFs('256 KiB at a time through one window: no format, no checksum, no records'),
      peer('lmdb', 'getRange', { share }),
      peer('node:sqlite', 'select … order by offset, iterate', { share }),
      peer('better-sqlite3', 'select … order by offset, iterate', { share }),
      peer('classic-level', 'iterator, nextv(1000)', { share }),
      peer('event-storage', 'readRange', { share: share / 2 }),
    ],
    goals: [{ of: 'commitlog', least, goal }, { of: 'commitlog', against: BEST_PEER, least: 5 }],
  }
}

function killed(name: string, gib: number): Trial {
  return {
    name, what: `open after SIGKILL in the middle of synced appends, ${gib} GiB`,
    conditions: 'values of 1 KiB, durability sync, 64 in flight when killed, loaded before, system cache warm; ' +
      'allowed are 20 ms and 1.5 times reading and checking as many bytes as recovery read',
    work: 'openKilled', figure: 'ms', unit: 'ms', records: gib * GIB_OF_1K, bytes: 1024, fill: gib * GIB_OF_1K, diskGiB: gib + 2,
    job: { durability: 'sync', how: 'killed', ms: 300 },
    contestants: [ours('each round is killed anew', { how: 'killed' })],
    goals: [{ of: 'commitlog', figure: 'ofAllowed', most: 1 }],
  }
}

const KAFKA = 'Kafka'
const KFAKE = 'kfake'
const BROKERS = 'a process of its own for each broker, on the same cores as its client; one partition, acks=all'
const WIRE_WARM = 'before that every broker takes and gives 3,000 batches of 16 KiB'

/** The brokers that are compared: ours with both durabilities. */
function brokers(sync: Partial<Contestant> = {}): Contestant[] {
  return [
    ours('commitlog serve, durability os: written before it is acknowledged', { subject: 'wire', how: 'commitlog', durability: 'os' }),
    ours('commitlog serve, durability sync: synced before it is acknowledged', {
      name: 'commitlog, sync', ...sync, subject: 'wire', how: 'commitlog', durability: 'sync',
    }),
    peer('wire', 'Kafka 4.1, one node, its default settings: written, synced some time', { name: KAFKA, how: 'kafka' }),
    peer('wire', 'kfake, its default settings: everything stays in memory', { name: KFAKE, how: 'kfake' }),
  ]
}

function withClient(client: NonNullable<Job['client']>, size: '100' | '1k' | 'lz4'): Trial {
  const program = { java: 'the Java client\'s perf tools', kafkajs: 'kafkajs', platformatic: '@platformatic/kafka' }[client]
  const [records, bytes] = size === '1k' ? [200_000, 1024] : [300_000, 100]
  const sends = client === 'java' ? 'a process of its own for each, default settings' : 'sends of 1,000 records, one at a time; 50,000 records before'
  const payload = { 100: '300 k × 100 B', '1k': '200 k × 1 KiB', lz4: '300 k × 100 B with lz4' }[size]
  return {
    name: `wire-${client}-${size}`, what: `${program} ${client === 'java' ? 'produce and consume' : 'produces and consumes'} ${payload}`,
    conditions: `${BROKERS}; ${sends}; ${WIRE_WARM}; …CpuNs is the broker's processor time a record`,
    work: 'wireClient', broker: true, figure: 'perSecond', unit: 'records/s', records, bytes,
    job: { client, ...(size === 'lz4' && { codec: 'lz4' }) }, ...(size !== '100' && { like: `wire-${client}-100` }),
    contestants: brokers(),
    goals: [
      { of: 'commitlog', against: BEST_PEER, least: 1 },
      { of: 'commitlog, sync', against: KAFKA, least: 1 },
      { of: 'commitlog', figure: 'consumed', against: BEST_PEER, least: 1 },
      { of: 'commitlog', figure: 'produceCpuNs', against: KAFKA, most: 1 },
      { of: 'commitlog', figure: 'fetchCpuNs', against: KAFKA, most: 1 },
    ],
  }
}

/** Our broker beside others, over TCP. */
const wireTrials: readonly Trial[] = [
  ...(['100', '1k', 'lz4'] as const).flatMap((size) => (['java', 'kafkajs', 'platformatic'] as const).map((client) => withClient(client, size))),
  {
    name: 'wire-replay', what: 'processor time of the broker a record of 100 B, for a client that costs nothing',
    conditions: `${BROKERS}; one request of a batch of 16 KiB again and again, five in flight; then fetched in pieces of 1 MiB; ${WIRE_WARM}`,
    work: 'wireReplay', broker: true, figure: 'produceCpuNs', unit: 'ns', records: 1_000_000, bytes: 100,
    contestants: brokers({ kind: 'reference' }),
    goals: [{ of: 'commitlog', against: KAFKA, most: 1 }, { of: 'commitlog', figure: 'fetchCpuNs', against: KAFKA, most: 1 }],
  },
  {
    name: 'wire-latency', what: 'from a Produce request to its answer, one record of 100 B, one in flight',
    conditions: `${BROKERS}; a client that costs nothing; a quarter as many before; ${WIRE_WARM}`,
    work: 'wireLatency', broker: true, figure: 'p50', unit: 'µs', records: 5000, bytes: 100,
    contestants: brokers({ kind: 'reference' }),
    goals: [{ of: 'commitlog', against: BEST_PEER, most: 1 }, { of: 'commitlog', figure: 'p99', against: BEST_PEER, most: 1 }],
  },
  {
    name: 'wire-listen', what: 'from listen() on an open log to the first answer to ApiVersions',
    conditions: 'loaded before; a new log; TCP on this machine',
    work: 'wireListen', figure: 'ms', unit: 'ms', records: 1, bytes: 0,
    contestants: [ours('in the process of the client', { subject: 'wire' })],
    goals: [{ of: 'commitlog', most: 10 }],
  },
  {
    name: 'wire-start', what: 'from the start of the process to the first answer to ApiVersions',
    conditions: 'an empty folder; megabytes: what is resident then',
    work: 'wireStart', broker: true, figure: 'ms', unit: 'ms', records: 1, bytes: 0, rounds: 3,
    contestants: brokers().filter(({ name }) => name !== 'commitlog, sync'),
    goals: [{ of: 'commitlog', against: BEST_PEER, most: 1 }],
  },
  {
    name: 'wire-memory', what: 'memory of the broker with 100 connections, of which ten produce, above that without',
    conditions: `peak while ten connections send 1,000 batches of 16 KiB each, five in flight; idle: 100 that were answered once; ${WIRE_WARM}`,
    work: 'wireMemory', broker: true, figure: 'megabytes', unit: 'MB', records: 100_000, bytes: 100, rounds: 3,
    contestants: brokers({ kind: 'reference' }),
    goals: [{ of: 'commitlog', most: 200 }, { of: 'commitlog', figure: 'idle', most: 100 }],
  },
]

const ONE_NODE = 'Kafka 4.1, one node, in a process of its own on the same cores; one partition, acks=all'
const BARE = 'bare client'

/** The door of clusters, beside the client that it goes through and the other one. */
const clusterTrials: readonly Trial[] = ([['100', 300_000, 100], ['1k', 200_000, 1024]] as const).map(([size, records, bytes]): Trial => ({
  name: `cluster-${size}`, what: `a cluster gets and gives ${records / 1000} k × ${size === '1k' ? '1 KiB' : '100 B'}`,
  conditions: `${ONE_NODE}; sends of 1,000 records, one at a time, then a group of one; 50,000 records before; consumed: from the join on`,
  work: 'clusterClient', broker: true, figure: 'perSecond', unit: 'records/s', records, bytes, rounds: 3,
  ...(size !== '100' && { like: 'cluster-100' }),
  contestants: [
    ours('commitlog/cluster: topic.send, idempotent; for await over topic.consumer', { subject: 'cluster', how: 'door' }),
    peer('cluster', '@platformatic/kafka: Producer and Consumer', { name: BARE, how: 'platformatic' }),
    peer('cluster', 'kafkajs: producer, and consumer with eachBatch', { name: 'kafkajs', how: 'kafkajs' }),
  ],
  goals: [{ of: 'commitlog', against: BARE, least: 0.9 }, { of: 'commitlog', figure: 'consumed', against: BARE, least: 0.9 }],
}))

/** A mirror to a cluster, beside the client that it goes through. */
const mirrorTrials: readonly Trial[] = [
  {
    name: 'cluster-mirror-100', what: 'mirror of 500 k × 100 B that are on disk to a cluster',
    conditions: `${ONE_NODE}; from mirror() to the last commit; the bare client sends 1,000 records at a time; 50,000 records before`,
    work: 'mirrorRecords', broker: true, figure: 'perSecond', unit: 'records/s', records: 500_000, bytes: 100, rounds: 3,
    contestants: [
      ours('mirror(log, cluster): in transactions of up to 8 MiB, with its ledger', { subject: 'cluster mirror', how: 'mirror' }),
      peer('cluster mirror', '@platformatic/kafka: each send follows the answer to the one before', { name: BARE, how: 'bare' }),
    ],
    goals: [{ of: 'commitlog', against: BARE, least: 0.8 }],
  },
  {
    name: 'cluster-mirror-latency', what: 'from an append to disk to the cluster\'s acknowledgement of its mirror, one record of 100 B at a time',
    conditions: `${ONE_NODE}; idle but for it; durability sync here; a quarter as many before; the mirror's acknowledgement is told by its event`,
    work: 'mirrorLatency', broker: true, figure: 'p50', unit: 'ms', records: 400, bytes: 100, rounds: 3,
    contestants: [
      ours('mirror(log, cluster), following', { subject: 'cluster mirror', how: 'mirror' }),
      peer('cluster mirror', 'one send through the door', { name: 'send', how: 'bare', kind: 'reference' }),
      peer('cluster mirror', 'one transaction of one record through the door', { name: 'transaction', how: 'transaction', kind: 'reference' }),
    ],
    goals: [
      { of: 'commitlog', against: 'transaction', by: 'difference', most: 2 }, { of: 'commitlog', against: 'send', by: 'difference', most: 2 },
    ],
  },
]

/** A test broker, and what stands in its place in tests. */
function testBrokers(kind: Contestant['kind'] = 'peer'): Contestant[] {
  return [
    ours('startTestBroker: in the process of the test', { subject: 'testkit' }),
    { ...peer('testkit', 'kfake in a process of its own', { name: KFAKE, how: 'kfake' }), kind },
    { ...peer('testkit', 'Kafka 4.1 in a process of its own', { name: KAFKA, how: 'kafka' }), kind },
  ]
}

/** What tests wait for. */
const testTrials: readonly Trial[] = [
  {
    name: 'test-start', what: 'a broker, from its start to the first answer to ApiVersions',
    conditions: 'ours loaded before, in this process, three times before; the others from the start of their process',
    work: 'testStart', figure: 'ms', unit: 'ms', records: 1, bytes: 0, rounds: 3, contestants: testBrokers(),
    goals: [{ of: 'commitlog', most: 5 }, { of: 'commitlog', against: BEST_PEER, most: 1 }],
  },
  {
    name: 'test-process', what: 'a fresh Node process, above one that does nothing, to the first answer to ApiVersions',
    conditions: 'loading commitlog/testing included', work: 'testProcess', figure: 'ms', unit: 'ms', records: 1, bytes: 0, rounds: 3,
    contestants: [ours('startTestBroker', { subject: 'testkit' })], goals: [{ of: 'commitlog', most: 100 }],
  },
  {
    name: 'test-first-record', what: 'kafkajs connects, makes a topic, sends a record, and a group consumes it',
    conditions: 'a new broker each time, once before; createTopics with waitForLeaders false; fromStart: with the start of the broker',
    work: 'testFirst', figure: 'ms', unit: 'ms', records: 1, bytes: 0, rounds: 3,
    contestants: [...testBrokers(), ours('without TCP, by socketFactory', { name: 'commitlog, memory', subject: 'testkit', how: 'memory' })],
    goals: [{ of: 'commitlog', most: 80 }, { of: 'commitlog', figure: 'fromStart', against: BEST_PEER, most: 1 }],
  },
  {
    name: 'test-reset', what: 'between two tests: what was is gone',
    conditions: 'a topic of three partitions; ours reset(), 50 times before; the others kafkajs making a topic that is new',
    work: 'testReset', figure: 'ms', unit: 'ms', records: 1, bytes: 0, rounds: 3, contestants: testBrokers(),
    goals: [{ of: 'commitlog', most: 2 }, { of: 'commitlog', against: BEST_PEER, most: 1 }],
  },
  {
    name: 'test-fork', what: 'a broker beside one that has 1 M records of 90 B', conditions: 'three partitions, in memory; until it listens',
    work: 'testFork', figure: 'ms', unit: 'ms', records: 1_000_000, bytes: 90, rounds: 3,
    contestants: [ours('fork()', { subject: 'testkit' })], goals: [{ of: 'commitlog', most: 5 }],
  },
  {
    name: 'test-day', what: 'a day of session, transaction and retention time', conditions: 'clock virtual, advance(\'24h\'); a compacted topic too',
    work: 'testDay', figure: 'ms', unit: 'ms', records: 1, bytes: 0, rounds: 3,
    contestants: [ours('advance', { subject: 'testkit' })], goals: [{ of: 'commitlog', most: 50 }],
  },
  {
    name: 'test-suite', what: '200 small tests: a clean broker, a producer of kafkajs, a record, a look at it',
    conditions: 'ours reset() and waitFor; the others a new topic, and a fetch', work: 'testSuite', figure: 'ms', unit: 'ms', records: 200, bytes: 0,
    rounds: 3, contestants: testBrokers('reference'), goals: [{ of: 'commitlog', most: 5000 }],
  },
]

const IN_STREAMS = 500_000
const EVENTS_A_STREAM = 20
const OS_SQLITE = 'events table, WAL, synchronous=NORMAL: not synced with a commit; blocks'
const SYNC_SQLITE = 'events table, WAL, synchronous=FULL, group commit by hand: synced; blocks'
const EMMETT_SQLITE = 'its default settings: synced with each commit; one after the other'

/** Stores of events that append to as many streams, or to a share of them. Emmett's in memory keeps nothing. */
function appendingStores(durability: 'os' | 'sync'): Contestant[] {
  const synced = durability === 'sync'
  const sqlite = synced ? SYNC_SQLITE : OS_SQLITE
  const mine = synced ? 'durability sync: resolved after the fdatasync of its round' : 'durability os: written before it resolves'
  const eventStorage = synced ? 'syncOnFlush: a tick is synced together; 1,000 streams; blocks' : 'default settings: not synced; 1,000 streams'
  return [
    ours(mine, { subject: 'events' }),
    ...(synced ? [rawSends()] : []),
    bareFile(synced ? 'appends of a turn are one write and one fdatasync' : 'a blocking write each'),
    peer('node:sqlite', sqlite, { subject: 'events in node:sqlite', blocks: true }),
    peer('better-sqlite3', sqlite, { subject: 'events in better-sqlite3', blocks: true }),
    peer('event-storage', eventStorage, { subject: 'events in event-storage', share: 1 / 500, ...(synced && { blocks: true }) }),
    ...(synced ? [] : [peer('Emmett', 'in memory, not stored at all; 30,000 streams', { subject: 'events in Emmett', share: 0.06 })]),
    peer('Emmett SQLite', `${EMMETT_SQLITE}; 1,000 streams`, { subject: 'events in Emmett SQLite', share: 1 / 500 }),
  ]
}

/** The least that a store of events does, and what tells one machine from another. */
function bareFile(means: string): Contestant {
  return { name: 'bare file', kind: 'raw', subject: 'events in a file', means: `a line an event, a Map of their places; ${means}`, blocks: true }
}

const SENDS = 'the log alone'

/** What the same costs without a store of events. */
function rawSends(): Contestant {
  return { name: SENDS, kind: 'reference', subject: 'events', how: 'sends', means: 'topic.send of the same keys and data, durability sync' }
}

/** How the rows of a projection come about. */
const REBUILT_BY: Readonly<Record<string, string>> = {
  commitlog: 'project, caughtUp, flush: rows and position stored in the log',
  'bare file': 'read by the MiB, rows in a Map, nothing stored; blocks',
  'node:sqlite': 'read 10,000 at a time, rows in a Map, what changed stored with the position in a transaction; blocks',
  'better-sqlite3': 'read 10,000 at a time, rows in a Map, what changed stored with the position in a transaction; blocks',
  'event-storage': '20,000 events; read in order, rows in a Map, nothing stored; blocks',
  'Emmett SQLite': '20,000 events; consumer with batches of 1,000 and a pause of 1 ms, an upsert an event',
}

/** Stores of events that hold 10 M of them, or a share. */
function readingStores(): Contestant[] {
  return [
    ours('eventStore', { subject: 'events' }),
    bareFile('a read an event; blocks'),
    peer('node:sqlite', 'events table, WAL; blocks', { subject: 'events in node:sqlite', blocks: true }),
    peer('better-sqlite3', 'events table, WAL; blocks', { subject: 'events in better-sqlite3', blocks: true }),
    peer('event-storage', '20,000 events in 1,000 streams; blocks', { subject: 'events in event-storage', share: 1 / 500, blocks: true }),
    peer('Emmett SQLite', 'its default settings; 20,000 events in 1,000 streams', { subject: 'events in Emmett SQLite', share: 1 / 500 }),
  ]
}

function appendingEvents(inFlight: number, durability: 'os' | 'sync', goals: readonly Goal[]): Trial {
  return {
    name: `events-append-${inFlight}${durability === 'sync' ? '-sync' : ''}`,
    what: `append an event of 250 B with an expected version, ${inFlight} in flight, durability ${durability}`,
    conditions: `JSON, 500,000 streams that exist, uniform, ${WARM}, ${WASM}`, work: 'eventAppend', figure: 'perSecond',
    unit: 'records/s', records: 4_000_000, bytes: 250, fill: IN_STREAMS, rounds: 3,
    job: { inFlight, ms: 2000, warmUpMs: WARM_UP_MS, durability }, contestants: appendingStores(durability), goals,
  }
}

/** What reads 10 M events in 500,000 streams. */
const TEN_MILLION = {
  data: 'events-10m', bytes: 250, fill: IN_STREAMS * EVENTS_A_STREAM, rounds: 3, diskGiB: 14,
} as const

function loadingEvents(how: 'hot' | 'random', least: number): Trial {
  const means = 'in memory: 40,000 objects in 2,000 streams, nothing is decoded'
  const inMemory: Contestant = { name: 'Emmett', kind: 'reference', subject: 'events in Emmett', means, share: 1 / 250 }
  return {
    name: `events-load-${how}`, what: `load 20 events of 250 B of a stream, ${how === 'hot' ? 'of 500 that are read again and again' : 'any'}`,
    conditions: `JSON decoded, 10 M events in 500,000 streams, one turn after the other, in the page cache, ${WARM}, ${WASM}${
      how === 'random' ? '; ours has read everything once since it was opened, since a batch is checked when it is first read' : ''}`,
    work: 'eventLoad', figure: 'perSecond', unit: 'records/s', records: 4_000_000, ...TEN_MILLION,
    job: { inFlight: 1, ms: 2000, warmUpMs: WARM_UP_MS, how, perStream: EVENTS_A_STREAM }, contestants: [...readingStores(), inMemory],
    goals: [{ of: 'commitlog', least }, { of: 'commitlog', against: BEST_PEER, least: 1 }],
  }
}

function openingEvents(how: 'clean' | 'killed', most: number): Trial {
  return {
    name: `events-open-${how}`,
    what: `open a store of 500,000 streams after ${how === 'killed' ? 'SIGKILL in the middle of appends' : 'a clean close'}`,
    conditions: '2 M events of 250 B; log and store, until the head of a stream is told; loaded before; in the page cache; ' +
      'bytesAStream: heap and external memory above that of before, without the 20 bytes of its id',
    work: how === 'killed' ? 'eventOpenKilled' : 'eventOpen', figure: 'ms', unit: 'ms', records: 1, bytes: 250, fill: 4 * IN_STREAMS, rounds: 5,
    job: { perStream: 4, durability: 'os', ms: 300 }, contestants: [ours('eventStore', { subject: 'events', ...(how === 'killed' && { how }) })],
    goals: [{ of: 'commitlog', most }, { of: 'commitlog', figure: 'bytesAStream', most: 80 }],
  }
}

const eventTrials: readonly Trial[] = [
  appendingEvents(1, 'os', [{ of: 'commitlog', least: 60_000 }, { of: 'commitlog', against: BEST_PEER, least: 7 }]),
  appendingEvents(64, 'os', [{ of: 'commitlog', least: 120_000 }, { of: 'commitlog', against: BEST_PEER, least: 7 }]),
  appendingEvents(64, 'sync', [{ of: 'commitlog', against: SENDS, least: 0.7 }]),
  loadingEvents('hot', 30_000), loadingEvents('random', 12_000),
  {
    name: 'events-rebuild', what: 'rebuild a projection of 1,024 rows over all events of 250 B',
    conditions: `10 M events, decoded, in the page cache, until the rows are stored, ${WASM}`,
    work: 'eventRebuild', figure: 'perSecond', unit: 'records/s', records: 1, ...TEN_MILLION, job: { perStream: EVENTS_A_STREAM },
    contestants: readingStores().map((one) => ({ ...one, means: REBUILT_BY[one.name]! })),
    goals: [{ of: 'commitlog', least: 500_000 }, { of: 'commitlog', against: BEST_PEER, least: 1.2 }],
  },
  {
    name: 'events-command', what: 'a command on an aggregate in memory',
    conditions: `1,000 streams, one event of 250 B each, 64 in flight, durability os, ${WARM}`,
    work: 'eventCommand', figure: 'perSecond', unit: 'records/s', records: 4_000_000, bytes: 250, rounds: 3,
    job: { inFlight: 64, ms: 2000, warmUpMs: WARM_UP_MS, durability: 'os' }, contestants: [ours('handle', { subject: 'events' })],
    goals: [{ of: 'commitlog', least: 100_000 }],
  },
  openingEvents('clean', 500), openingEvents('killed', 1000),
]

/** All trials, in the order of the results. */
export const trials: readonly Trial[] = [
  {
    name: 'append-100', what: 'append 100 B', conditions: `values as bytes, durability os, one writer, final flush and close included, ${WASM}`,
    work: 'append', figure: 'perSecond', unit: 'records/s', records: 3_000_000, bytes: 100, contestants: buffered(0.2),
    goals: [{ of: 'commitlog', against: 'raw node:fs', least: 0.6, goal: 0.8 }, { of: 'commitlog', against: BEST_PEER, least: 4 }],
  },
  {
    name: 'append-1k', what: 'append 1 KiB', conditions: `values as bytes, durability os, one writer, final flush and close included, ${WASM}`,
    work: 'append', figure: 'perSecond', unit: 'records/s', records: 500_000, bytes: 1024, contestants: buffered(0.2),
    goals: [{ of: 'commitlog', against: 'raw node:fs', least: 0.6, goal: 0.75 }, { of: 'commitlog', against: BEST_PEER, least: 3 }],
  },
  encoding('msgpack', 'msgpackr'),
  encoding('json', 'JSON.stringify'),
  {
    name: 'sync-1', what: 'durable append 100 B, one in flight',
    conditions: `values as bytes, durability sync, ${WARM}, ${WASM}`,
    work: 'sync', figure: 'perSecond', unit: 'records/s', records: 200_000, bytes: 100,
    job: { inFlight: 1, ms: 2000, warmUpMs: WARM_UP_MS, durability: 'sync' },
    contestants: synced(1),
    goals: [{ of: 'commitlog', against: 'raw node:fs', least: 0.9, goal: 1 }, { of: 'commitlog', against: BEST_ASYNC_PEER, least: 1 }],
  },
  {
    name: 'sync-64', what: 'durable append 100 B, 64 in flight',
    conditions: `values as bytes, durability sync, ${WARM}, ${WASM}`,
    work: 'sync', figure: 'perSecond', unit: 'records/s', records: 4_000_000, bytes: 100,
    job: { inFlight: 64, ms: 2000, warmUpMs: WARM_UP_MS, durability: 'sync' },
    contestants: synced(64),
    goals: [{ of: 'commitlog', against: 'raw node:fs', least: 0.9, goal: 1.1 }, { of: 'commitlog', against: BEST_PEER, least: 1 }],
  },
  scanning('scan-untouched', 'scan 100 B, records untouched', [ours('partition.read()', { how: 'untouched' })], 9 * MB, 12 * MB),
  scanning('scan-values', 'scan 100 B, values as bytes', [
    ours('partition.read(), record.valueBytes: a view', { how: 'views' }),
    ours('partition.read(), record.value: a copy', { name: 'commitlog, copies', how: 'values' }),
  ], 6 * MB, 9 * MB),
  {
    name: 'random-warm', what: 'read by offset, 1 M records of 100 B in batches of 1,000, windows hold them',
    conditions: `values as bytes (copies unless it says otherwise), uniform offsets, read({ from }) each, every batch in the windows before, ${WASM}`,
    work: 'random', figure: 'perSecond', unit: 'records/s', records: 500_000, bytes: 100, fill: 1_000_000,
    job: { batchRecords: 1000, windowBytes: 192 * MIB },
    contestants: [
      ours('windowBytes 192 MiB, record.value: a copy', { how: 'warm' }),
      ours('windowBytes 192 MiB, record.valueBytes: a view', { name: 'commitlog, views', how: 'warm views' }),
      rawFs('one readSync of 100 B at a known place'),
      peer('lmdb', 'getBinary by number: a copy'),
      peer('lmdb', 'getBinaryFast by number: memory that the next read uses again', { name: 'lmdb, lent', how: 'lent' }),
      peer('node:sqlite', 'select by primary key', { share: 0.2 }),
      peer('better-sqlite3', 'select by primary key', { share: 0.2 }),
      peer('classic-level', 'getSync', { share: 0.2 }),
      peer('event-storage', 'read by number', { share: 0.1 }),
    ],
    goals: [
      { of: 'commitlog', least: 300_000, goal: 1 * MB },
      { of: 'commitlog', against: 'lmdb', least: 1 },
      { of: 'commitlog, views', against: 'lmdb, lent', least: 1 },
    ],
  },
  {
    name: 'random-cold', what: 'read by offset, 1 M records of 100 B in batches of 100, six times the window budget',
    conditions: `values as bytes (copies), uniform offsets, read({ from }) each, windows empty before, system cache warm, ${WASM}`,
    work: 'random', figure: 'perSecond', unit: 'records/s', records: 300_000, bytes: 100, fill: 1_000_000,
    job: { batchRecords: 100, windowBytes: 18 * MIB },
    contestants: [
      ours('windowBytes 18 MiB for 108 MiB of log'),
      rawFs('one readSync of 100 B at a known place'),
      peer('lmdb', 'getBinary by number: a copy'),
    ],
    goals: [{ of: 'commitlog', least: 70_000, goal: 100_000 }],
  },
  {
    name: 'tail-os', what: 'from append to the consumer in the same process, durability os',
    conditions: `values of 100 B as bytes, one at a time, the consumer waits in a for await loop, ${WARM}, ${WASM}`,
    work: 'tail', figure: 'p50', unit: 'µs', records: 20_000, bytes: 100, job: { durability: 'os', warmUpMs: WARM_UP_MS },
    contestants: [
      ours('durability os: written before it is seen'),
      rawFs('written and read back, no reader to wake'),
      peer('event-storage', 'a consumer of an index; it sees a document before that is in the file'),
    ],
    goals: [{ of: 'commitlog', most: 5, goal: 3.5 }, { of: 'commitlog', figure: 'p99', most: 50 }],
  },
  {
    name: 'tail-sync', what: 'from append to the consumer in the same process, durability sync',
    conditions: `values of 100 B as bytes, one at a time, the consumer waits in a for await loop, ${WARM}, ${WASM}`,
    work: 'tail', figure: 'p50', unit: 'µs', records: 10_000, bytes: 100, job: { durability: 'sync', warmUpMs: WARM_UP_MS },
    contestants: [
      ours('durability sync: synced before it is seen'),
      rawFs('written and synced (asynchronously, over zeros), no reader to wake'),
    ],
    goals: [{ of: 'commitlog', against: 'raw node:fs', most: 1.2 }],
  },
  {
    name: 'hand-over', what: 'in-process hand-over to a running consumer',
    conditions: `values of 100 B as bytes, not looked at, durability os, bursts of 8,000 records, the consumer's time only, ${WASM}`,
    work: 'handOver', figure: 'perSecond', unit: 'records/s', records: 4_000_000, bytes: 100, job: { durability: 'os' },
    contestants: [
      ours('by batches: for await … batches()', { name: 'batches', how: 'batches' }),
      ours('by records: for await', { name: 'records', how: 'records' }),
    ],
    goals: [{ of: 'batches', least: 15 * MB }, { of: 'records', least: 6 * MB }],
  },
  {
    name: 'consume', what: 'managed consumption: an asynchronous handler that does nothing, concurrency 64',
    conditions: `values of 100 B as bytes, 10,007 keys over 4 partitions, closed log opened anew, system cache warm, durability os, ${WASM}`,
    work: 'consume', figure: 'perSecond', unit: 'records/s', records: 1_000_000, bytes: 100,
    contestants: [
      { name: 'by key', kind: 'ours', subject: 'consume', how: 'key', means: 'order key: records of a key one after the other' },
      { name: 'by partition', kind: 'reference', subject: 'consume', how: 'partition', means: 'order partition: one record of each at a time' },
      { name: 'no order', kind: 'reference', subject: 'consume', how: 'none', means: 'order none' },
    ],
    goals: [{ of: 'by key', least: 300_000 }],
  },
  {
    name: 'group', what: 'reading from disk as the only member of a group',
    conditions: `values of 100 B as bytes, looked at, one partition, auto commit on, closed log opened anew, system cache warm, ${WASM}`,
    work: 'consumeGroup', figure: 'perSecond', unit: 'records/s', records: 3_000_000, bytes: 100, fill: 3_000_000,
    contestants: [
      { name: 'group', kind: 'ours', subject: 'groups', how: 'group', means: 'for await over consumer({ group }), with joining and the last commit' },
      { name: 'no group', kind: 'reference', subject: 'groups', how: 'alone', means: 'for await over consumer()' },
    ],
    goals: [{ of: 'group', least: 1.5 * MB }, { of: 'group', against: 'no group', least: 0.7 }],
  },
  {
    name: 'rebalance', what: 'one more member joins ninety-nine, 1,000 partitions',
    conditions: 'cooperative-sticky, members of one process, ten topics of 100 partitions, until everybody has its share, durability sync',
    work: 'rebalance', figure: 'ms', unit: 'ms', records: 20, bytes: 0,
    contestants: [{ name: 'commitlog', kind: 'ours', subject: 'groups', means: 'the mean of twenty joins' }],
    goals: [{ of: 'commitlog', most: 50 }],
  },
  {
    name: 'open-groups', what: 'open of a log with 10,000 groups, until their offsets are known',
    conditions: 'three partitions each, closed log, loaded before; system cache warm',
    work: 'openGroups', figure: 'ms', unit: 'ms', records: 10_000, bytes: 0,
    contestants: [{ name: 'commitlog', kind: 'ours', subject: 'groups', means: 'open and groups.list()' }],
    goals: [{ of: 'commitlog', most: 200 }],
  },
  {
    name: 'transactions', what: 'transactions of 10 records of 100 B, one partition, 64 in flight',
    conditions: `values as bytes, durability sync, ${WASM}`,
    work: 'transact', figure: 'perSecond', unit: 'records/s', records: 1, bytes: 100, job: { inFlight: 64, ms: 2000, durability: 'sync' },
    contestants: [
      { name: 'transactions', kind: 'ours', subject: 'transactions', how: 'transactions', means: 'log.transaction, resolved after the fdatasync' },
      { name: 'plain sends', kind: 'reference', subject: 'transactions', how: 'plain', means: 'topic.send of the same records' },
    ],
    goals: [{ of: 'transactions', against: 'plain sends', least: 0.7 }],
  },
  {
    name: 'compaction', what: 'compactNow of 1 GiB, 100,000 keys, of which one in ten gets a third of all records',
    conditions: `values of 1 KiB, keys of 16 B, closed log opened anew, system cache dropped where the system allows it, ${WASM}`,
    work: 'compact', figure: 'mbPerSecond', unit: 'MB/s', records: 1_000_000, bytes: 1024,
    contestants: [{ name: 'commitlog', kind: 'ours', subject: 'compaction', means: 'two reads of everything, one write of what is left, synced' }],
    goals: [
      { of: 'commitlog', least: 150 },
      { of: 'commitlog', figure: 'holdMs', most: 10 },
      { of: 'commitlog', figure: 'keyBytes', most: 64 },
    ],
  },
  {
    name: 'open-clean', what: 'open after a clean close, 1 GiB in 16 segments',
    conditions: 'values of 1 KiB, durability sync, loaded before, until the topic is there; system cache warm',
    work: 'open', figure: 'ms', unit: 'ms', records: GIB_OF_1K, bytes: 1024, fill: GIB_OF_1K, diskGiB: 4, job: { durability: 'sync' },
    contestants: [
      ours('open and topic()'),
      ours('the same, counting what is read of files that end in .log', { name: 'counted', kind: 'reference', how: 'counted' }),
    ],
    goals: [{ of: 'commitlog', most: 10, goal: 3 }, { of: 'counted', figure: 'logBytesRead', most: 0 }],
  },
  killed('open-killed-1g', 1),
  killed('open-killed-4g', 4),
  {
    name: 'memory-4g', what: 'memory while appending and then scanning 4 GiB',
    conditions: 'values of 1 KiB as bytes, durability os; peak resident set of the process, scanned in turns of 4 MiB',
    work: 'memory', figure: 'megabytes', unit: 'MB', records: 4_120_000, bytes: 1024, rounds: 3, diskGiB: 6,
    contestants: [ours('default settings'), { name: 'idle', kind: 'reference', subject: 'node', means: 'the same process without a log' }],
    goals: [{ of: 'commitlog', against: 'idle', by: 'difference', most: 150 }],
  },
  {
    name: 'start', what: 'import, and a fresh process that opens, appends, reads and closes',
    conditions: 'whole processes from start to end; a new log of one topic, durability sync',
    work: 'start', figure: 'ms', unit: 'ms', records: 5, bytes: 1,
    contestants: [
      { name: 'bare', kind: 'reference', subject: 'node', how: 'nothing', means: 'node with an empty program' },
      { name: 'import', kind: 'ours', subject: 'node', how: 'import', means: 'import \'commitlog\'' },
      { name: 'whole', kind: 'ours', subject: 'node', how: 'whole', means: 'open, topic, append, durable, read, close' },
    ],
    goals: [{ of: 'import', against: 'bare', by: 'difference', most: 30 }, { of: 'whole', against: 'bare', by: 'difference', most: 100 }],
  },
  ...wireTrials,
  ...clusterTrials,
  ...mirrorTrials,
  ...testTrials,
  ...eventTrials,
]
