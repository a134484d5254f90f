/*
 * An events table in SQLite, as one would write it by hand: a row an event, unique by stream and version, which is what checks the expected
 * version. WAL mode; unsynced work with synchronous=NORMAL, a transaction an append; synced work with synchronous=FULL, where the appends
 * that gather in a turn of the event loop share a transaction.
 */
import { join } from 'node:path'
import { GroupCommit, timedCallers } from '../group-commit.ts'
import { type Figures, type Job, type Subject, watch } from '../job.ts'
import {
  addOrder, checkRows, countLines, type CustomerRow, EVENT_TYPE, newCustomer, type Order, orders, streamCount, streamId, streamsInTurn,
} from './event-data.ts'
import { type Database, openBetterSqlite3, type OpenDatabase, openNodeSqlite, type Statement } from './sqlite-packages.ts'

const FILLED_A_TRANSACTION = 10_000
/** Events of a projection between two transactions that store its rows and how far it is. */
const PROJECTED_A_TRANSACTION = 10_000

const SCHEMA = `
CREATE TABLE IF NOT EXISTS events (position INTEGER PRIMARY KEY, stream TEXT NOT NULL, version INTEGER NOT NULL, type TEXT NOT NULL,
  data TEXT NOT NULL, UNIQUE (stream, version));
CREATE TABLE IF NOT EXISTS customers (customer TEXT PRIMARY KEY, orders INTEGER NOT NULL, lines INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS checkpoints (name TEXT PRIMARY KEY, position INTEGER NOT NULL)`

/** With the `node:sqlite` of this Node. */
export const nodeSqliteEvents = subject(openNodeSqlite)

/** With better-sqlite3. */
export const betterSqlite3Events = subject(openBetterSqlite3)

function subject(openDatabase: OpenDatabase): Subject {
  const open = async (job: Job): Promise<Database> => {
    const database = await openDatabase(join(job.folder, 'events.db'))
    database.exec(`PRAGMA journal_mode=WAL; PRAGMA synchronous=${job.durability === 'sync' ? 'FULL' : 'NORMAL'}`)
    database.exec(SCHEMA)
    return database
  }
  return {
    fill: async (job) => fill(await open({ ...job, durability: 'os' }), job),
    eventAppend: async (job) => append(await open(job), job),
    eventLoad: async (job) => loadStreams(await open(job), job),
    eventRebuild: async (job) => rebuild(await open(job), job),
  }
}

function insertion(database: Database): Statement {
  return database.prepare('INSERT INTO events (stream, version, type, data) VALUES (?, ?, ?, ?)')
}

function fill(database: Database, job: Job): Figures {
  const payloads = orders(job)
  const insert = insertion(database)
  const streams = streamCount(job)
  const stop = watch()
  for (let number = 0; number < job.records;) {
    database.exec('BEGIN')
    for (const end = Math.min(number + FILLED_A_TRANSACTION, job.records); number < end; number++) {
      insert.run(streamId(number % streams), Math.floor(number / streams) + 1, EVENT_TYPE, JSON.stringify(payloads[number & 1023]))
    }
    database.exec('COMMIT')
  }
  database.exec('PRAGMA wal_checkpoint(TRUNCATE)')
  database.close()
  return stop(job.records)
}

async function append(database: Database, job: Job): Promise<Figures> {
  const payloads = orders(job)
  const next = streamsInTurn(job)
  const insert = insertion(database)
  const head = database.prepare('SELECT max(version) AS version FROM events WHERE stream = ?')
  const one = (number: number): void => {
    const stream = next()
    const { version } = head.get(stream) as { version: number | null }
    insert.run(stream, (version ?? 0) + 1, EVENT_TYPE, JSON.stringify(payloads[number & 1023]))
  }
  const group = new GroupCommit<number>((gathered) => {
    database.exec('BEGIN')
    for (const number of gathered) one(number)
    database.exec('COMMIT')
  })
  const figures = await timedCallers(job, (_, number) => (job.durability === 'sync' ? group.add(number) : one(number)))
  database.close()
  return figures
}

async function loadStreams(database: Database, job: Job): Promise<Figures> {
  const next = streamsInTurn(job)
  const select = database.prepare('SELECT * FROM events WHERE stream = ? ORDER BY version')
  const figures = await timedCallers(job, () => {
    let lines = 0
    for (const row of select.all(next())) lines = countLines(lines, orderOf(row))
    return lines
  })
  database.close()
  return figures
}

/** From the first event on: the rows in memory, stored with the position behind every ten thousand events. */
function rebuild(database: Database, job: Job): Figures {
  const select = database.prepare('SELECT * FROM events WHERE position > ? ORDER BY position LIMIT ?')
  const storeRow = database.prepare('INSERT OR REPLACE INTO customers VALUES (?, ?, ?)')
  const storePosition = database.prepare('INSERT OR REPLACE INTO checkpoints VALUES (\'customers\', ?)')
  const rows = new Map<string, CustomerRow>()
  const stop = watch()
  for (let position = 0; ;) {
    const batch = select.all(position, PROJECTED_A_TRANSACTION)
    if (batch.length === 0) break
    const changed = new Set<string>()
    for (const event of batch) {
      const order = orderOf(event)
      const row = rows.get(order.customer) ?? newCustomer()
      addOrder(row, order)
      rows.set(order.customer, row)
      changed.add(order.customer)
    }
    position = (batch.at(-1) as { position: number }).position
    database.exec('BEGIN')
    for (const customer of changed) storeRow.run(customer, rows.get(customer)!.orders, rows.get(customer)!.lines)
    storePosition.run(position)
    database.exec('COMMIT')
  }
  const figures = stop(job.filled!)
  database.close()
  checkRows(rows.values(), job)
  return figures
}

function orderOf(row: unknown): Order {
  return JSON.parse((row as { readonly data: string }).data) as Order
}
