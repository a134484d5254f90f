/*
 * An events table in SQLite, as one would write it by hand: a row an event, unique by stream and version, which is what checks the expected
 * version. WAL mode; unsynced work with synchronous=NORMAL, a transaction an append.
 */
import { join } from 'node:path'
import { timedCallers } from '../group-commit.ts'
import { type Figures, type Job, numbers, objects, type Subject, watch } from '../job.ts'
import { streamId } from './events.ts'
import { type Database, openBetterSqlite3, type OpenDatabase, openNodeSqlite } from './sqlite-packages.ts'

const EVENTS_A_STREAM = 20
const HOT_STREAMS = 500

/** With the `node:sqlite` of this Node. */
export const nodeSqliteEvents = subject(openNodeSqlite)

/** With better-sqlite3. */
export const betterSqlite3Events = subject(openBetterSqlite3)

function subject(openDatabase: OpenDatabase): Subject {
  const open = async (job: Job): Promise<Database> => {
    const database = await openDatabase(join(job.folder, 'events.db'))
    database.exec('PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL')
    database.exec(`CREATE TABLE IF NOT EXISTS events (position INTEGER PRIMARY KEY, stream TEXT NOT NULL, version INTEGER NOT NULL,
      type TEXT NOT NULL, data TEXT NOT NULL, UNIQUE (stream, version))`)
    return database
  }
  return {
    fill: async (job) => fill(await open(job), job),
    eventAppend: async (job) => append(await open(job), job),
    eventLoad: async (job) => loadStreams(await open(job), job),
    eventRebuild: async (job) => rebuild(await open(job)),
  }
}

function fill(database: Database, job: Job): Figures {
  const payloads = objects(job.bytes)
  const insert = database.prepare('INSERT INTO events (stream, version, type, data) VALUES (?, ?, ?, ?)')
  const streams = job.how === 'heads' ? job.records : job.records / EVENTS_A_STREAM
  const stop = watch()
  for (let number = 0; number < job.records;) {
    database.exec('BEGIN')
    for (const end = Math.min(number + 10_000, job.records); number < end; number++) {
      insert.run(streamId(number % streams), Math.floor(number / streams) + 1, 'OrderPlaced', JSON.stringify(payloads[number & 1023]))
    }
    database.exec('COMMIT')
  }
  database.close()
  return stop(job.records)
}

async function append(database: Database, job: Job): Promise<Figures> {
  const payloads = objects(job.bytes)
  const random = numbers(3)
  const insert = database.prepare('INSERT INTO events (stream, version, type, data) VALUES (?, ?, ?, ?)')
  const head = database.prepare('SELECT max(version) AS version FROM events WHERE stream = ?')
  const figures = await timedCallers(job, (_, number) => {
    const stream = streamId(random(job.filled!))
    const { version } = head.get(stream) as { version: number | null }
    return insert.run(stream, (version ?? 0) + 1, 'OrderPlaced', JSON.stringify(payloads[number & 1023]))
  })
  database.close()
  return figures
}

async function loadStreams(database: Database, job: Job): Promise<Figures> {
  const streams = job.how === 'hot' ? HOT_STREAMS : job.filled! / EVENTS_A_STREAM
  const random = numbers(5)
  const select = database.prepare('SELECT * FROM events WHERE stream = ? ORDER BY version')
  const figures = await timedCallers(job, () => {
    let lines = 0
    for (const row of select.all(streamId(random(streams)))) lines += (JSON.parse((row as { data: string }).data) as { lines: object[] }).lines.length
    return lines
  })
  database.close()
  return figures
}

function rebuild(database: Database): Figures {
  const select = database.prepare('SELECT * FROM events ORDER BY position')
  const stop = watch()
  let lines = 0
  let count = 0
  for (const row of select.iterate()) {
    lines += (JSON.parse((row as { data: string }).data) as { lines: object[] }).lines.length
    count++
  }
  const figures = stop(count)
  database.close()
  if (lines === 0) throw new Error('nothing was read')
  return figures
}
