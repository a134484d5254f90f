/*
 * SQLite as a log: a table of values by offset, in WAL mode as both packages and SQLite's own pages advise, through node:sqlite or
 * better-sqlite3. Unsynced work runs with synchronous=NORMAL (synced at checkpoints) in transactions of 1,000 rows and ends with a
 * checkpoint; synced work with synchronous=FULL, which syncs the write-ahead log with each commit and blocks the event loop meanwhile.
 */
import { join } from 'node:path'
import { GroupCommit, timedCallers } from '../group-commit.ts'
import { type Figures, type Job, numbers, type Subject, values, watch } from '../job.ts'
import { type Database, openBetterSqlite3, type OpenDatabase, openNodeSqlite } from './sqlite-packages.ts'

const ROWS_PER_TRANSACTION = 1000

/** The `node:sqlite` of this Node. */
export const nodeSqlite = subject(openNodeSqlite)

/** better-sqlite3. */
export const betterSqlite3 = subject(openBetterSqlite3)

function subject(openDatabase: OpenDatabase): Subject {
  const open = async (job: Job, synchronous: 'NORMAL' | 'FULL'): Promise<Database> => {
    const database = await openDatabase(join(job.folder, 'log.db'))
    database.exec(`PRAGMA journal_mode=WAL; PRAGMA synchronous=${synchronous}`)
    database.exec('CREATE TABLE IF NOT EXISTS log (offset INTEGER PRIMARY KEY, value BLOB NOT NULL)')
    return database
  }
  const append = async (job: Job): Promise<Figures> => insertAll(await open(job, 'NORMAL'), job)
  return {
    append,
    fill: append,
    sync: async (job) => sync(await open(job, 'FULL'), job),
    scan: async (job) => scan(await open(job, 'NORMAL'), job),
    random: async (job) => random(await open(job, 'NORMAL'), job),
  }
}

function insertAll(database: Database, job: Job): Figures {
  const payloads = values(job.bytes)
  const insert = database.prepare('INSERT INTO log (offset, value) VALUES (?, ?)')
  const stop = watch()
  for (let index = 0; index < job.records;) {
    const end = Math.min(index + ROWS_PER_TRANSACTION, job.records)
    database.exec('BEGIN')
    for (; index < end; index++) insert.run(index, payloads[index & 1023]!)
    database.exec('COMMIT')
  }
  database.exec('PRAGMA wal_checkpoint(TRUNCATE)')
  database.close()
  return stop(job.records)
}

/** One in flight: a statement that commits by itself. More: what gathers in a turn of the event loop shares a transaction. */
async function sync(database: Database, job: Job): Promise<Figures> {
  const insert = database.prepare('INSERT INTO log (offset, value) VALUES (?, ?)')
  let offset = 0
  const one = (value: Buffer): void => void insert.run(offset++, value)
  const group = new GroupCommit<Buffer>((gathered) => {
    database.exec('BEGIN')
    for (const value of gathered) one(value)
    database.exec('COMMIT')
  })
  const figures = await timedCallers(job, job.inFlight === 1 ? one : (value) => group.add(value))
  database.close()
  return figures
}

function scan(database: Database, job: Job): Figures {
  let count = 0
  let seen = 0
  const stop = watch()
  for (const row of database.prepare('SELECT offset, value FROM log ORDER BY offset').iterate()) {
    seen += (row as { value: Uint8Array }).value[0]!
    count++
  }
  const figures = stop(count)
  if (count !== job.records || seen === 0) throw new Error(`scanned ${count} of ${job.records} records`)
  return figures
}

function random(database: Database, job: Job): Figures {
  const { total } = database.prepare('SELECT max(offset) + 1 AS total FROM log WHERE offset >= ?').get(0) as { total: number }
  const select = database.prepare('SELECT value FROM log WHERE offset = ?')
  const below = numbers(3)
  let seen = 0
  const stop = watch()
  for (let index = 0; index < job.records; index++) seen += (select.get(below(total)) as { value: Uint8Array }).value.length
  const figures = stop(job.records)
  if (seen !== job.records * job.bytes) throw new Error(`read ${seen} bytes`)
  return figures
}
