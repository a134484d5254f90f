/*
 * One trial in a process of its own: does the job given as JSON on the command line and prints the figures as one line of JSON. Nothing
 * is loaded but the subject at hand.
 */
import { type Job, type Subject } from './job.ts'

const loaders: Readonly<Record<string, () => Promise<Subject>>> = {
  commitlog: async () => (await import('./subjects/commitlog.ts')).commitlog,
  groups: async () => (await import('./subjects/groups.ts')).groups,
  consume: async () => (await import('./subjects/consume.ts')).consume,
  transactions: async () => (await import('./subjects/transactions.ts')).transactions,
  raw: async () => (await import('./subjects/raw.ts')).raw,
  'node:sqlite': async () => (await import('./subjects/sqlite.ts')).nodeSqlite,
  'better-sqlite3': async () => (await import('./subjects/sqlite.ts')).betterSqlite3,
  lmdb: async () => (await import('./subjects/lmdb.ts')).lmdb,
  'classic-level': async () => (await import('./subjects/classic-level.ts')).classicLevel,
  'event-storage': async () => (await import('./subjects/event-storage.ts')).eventStorage,
  events: async () => (await import('./subjects/events.ts')).events,
  'events in a file': async () => (await import('./subjects/events-raw.ts')).rawEvents,
  'events in node:sqlite': async () => (await import('./subjects/events-sqlite.ts')).nodeSqliteEvents,
  'events in event-storage': async () => (await import('./subjects/events-event-storage.ts')).eventStorageEvents,
  'events in Emmett': async () => (await import('./subjects/events-emmett.ts')).emmettMemoryEvents,
  'events in Emmett SQLite': async () => (await import('./subjects/events-emmett.ts')).emmettSqliteEvents,
  'events in better-sqlite3': async () => (await import('./subjects/events-sqlite.ts')).betterSqlite3Events,
  compaction: async () => (await import('./subjects/compaction.ts')).compaction,
  testkit: async () => (await import('./subjects/testkit.ts')).testkit,
  cluster: async () => (await import('./subjects/cluster.ts')).cluster,
  'cluster mirror': async () => (await import('./subjects/cluster-mirror.ts')).clusterMirror,
  wire: async () => (await import('./subjects/wire.ts')).wire,
  node: async () => (await import('./subjects/node.ts')).node,
}

const job = JSON.parse(process.argv[2]!) as Job
const subject = await loaders[job.subject]!()
const work = subject[job.work]
if (work === undefined) throw new Error(`${job.subject} has no work ${job.work}`)
process.stdout.write(`${JSON.stringify(await work(job))}\n`)
