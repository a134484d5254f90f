/*
 * Emmett's own event stores, with their default settings: the one in memory, which keeps nothing, and the one in a file of SQLite, which opens
 * a connection for each call and syncs each commit. The latter is asked one thing after the other, since appends at the same time fail with
 * SQLITE_BUSY; what fails so even then is tried again, as its user would have to.
 */
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { timedCallers } from '../group-commit.ts'
import { type Figures, type Job, type Subject, watch } from '../job.ts'
import { countLines, EVENT_TYPE, type Order, orders, streamCount, streamId, streamsInTurn } from './event-data.ts'

interface OrderPlaced {
  readonly type: typeof EVENT_TYPE
  readonly data: Order
}
interface Store {
  appendToStream(stream: string, events: readonly OrderPlaced[], options: { readonly expectedStreamVersion: unknown }): Promise<{
    readonly nextExpectedStreamVersion: bigint
  }>
  aggregateStream(stream: string, options: { evolve(lines: number, event: OrderPlaced): number; initialState(): number }): Promise<{
    readonly currentStreamVersion: bigint
  }>
}
interface Consumer {
  processor(options: object): unknown
  start(): Promise<void>
  close(): Promise<void>
}
interface SqliteStore extends Store {
  consumer(options: object): Consumer
}
interface SqliteLibrary {
  getSQLiteEventStore(options: object): SqliteStore
  sqliteRawSQLProjection(options: object): unknown
}

const TRIES = 20

/** Emmett in memory: what is filled in is gone with the process, so each round fills anew before it measures. */
export const emmettMemoryEvents: Subject = {
  fill: () => ({ records: 0 }),
  eventAppend: async (job) => append(await inMemory(job), job),
  eventLoad: async (job) => loadStreams(await inMemory(job), job),
}

/** Emmett on SQLite. */
export const emmettSqliteEvents: Subject = {
  fill: async (job) => {
    const stop = watch()
    await fillStreams(await inFile(job), job)
    return stop(job.records)
  },
  eventAppend: async (job) => append(await inFile(job), job),
  eventLoad: async (job) => loadStreams(await inFile(job), job),
  eventRebuild: rebuild,
}

async function inMemory(job: Job): Promise<Store> {
  const name = '@event-driven-io/emmett'
  const { getInMemoryEventStore } = (await import(name)) as { getInMemoryEventStore(): Store }
  const store = getInMemoryEventStore()
  await fillStreams(store, { ...job, records: job.filled! })
  return store
}

async function sqlite(): Promise<SqliteLibrary> {
  const name = '@event-driven-io/emmett-sqlite'
  return (await import(name)) as SqliteLibrary
}

async function inFile(job: Job): Promise<SqliteStore> {
  return (await sqlite()).getSQLiteEventStore({ fileName: join(job.folder, 'emmett.db') })
}

/** One stream after the other, each in one append. */
async function fillStreams(store: Store, job: Job): Promise<void> {
  const { perStream = 1 } = job
  const payloads = orders(job)
  for (let stream = 0; stream < streamCount(job); stream++) {
    const list = Array.from({ length: perStream }, (_, index) => placed(payloads[(stream * perStream + index) & 1023]!))
    await untilNotBusy(() => store.appendToStream(streamId(stream), list, { expectedStreamVersion: 0n }))
  }
}

async function untilNotBusy<T>(task: () => Promise<T>): Promise<T> {
  for (let left = TRIES; ; left--) {
    try {
      return await task()
    } catch (error) {
      if (left === 0 || !String(error).includes('SQLITE_BUSY')) throw error
    }
  }
}

function placed(data: Order): OrderPlaced {
  return { type: EVENT_TYPE, data }
}

/** The caller knows the versions, as one who has loaded the aggregate does. */
async function append(store: Store, job: Job): Promise<Figures> {
  const payloads = orders(job)
  const next = streamsInTurn(job)
  const versions = new Map<string, bigint>()
  for (let number = 0; number < streamCount(job); number++) {
    const { currentStreamVersion } = await untilNotBusy(() => store.aggregateStream(streamId(number), counting))
    versions.set(streamId(number), currentStreamVersion)
  }
  let turn: Promise<unknown> = Promise.resolve()
  return timedCallers(job, (_, number) => {
    const appending = async (): Promise<void> => {
      const stream = next()
      const options = { expectedStreamVersion: versions.get(stream) }
      const result = await untilNotBusy(() => store.appendToStream(stream, [placed(payloads[number & 1023]!)], options))
      versions.set(stream, result.nextExpectedStreamVersion)
    }
    turn = turn.then(appending)
    return turn
  })
}

const counting = { initialState: () => 0, evolve: (lines: number, { data }: OrderPlaced) => countLines(lines, data) }

async function loadStreams(store: Store, job: Job): Promise<Figures> {
  const next = streamsInTurn(job)
  return timedCallers(job, () => store.aggregateStream(next(), counting))
}

/**
 * Its consumer, with batches of 1,000 and a pause of 1 ms (100 and 50 by default), and one of its SQL projections. It does not make the projection's
 * table, and is silent when that is missing: it is made before, and what came out is looked at.
 */
async function rebuild(job: Job): Promise<Figures> {
  const { sqliteRawSQLProjection } = await sqlite()
  const table = `customers_${Date.now()}`
  inDatabase(job, `CREATE TABLE ${table} (customer TEXT PRIMARY KEY, orders INTEGER NOT NULL, lines INTEGER NOT NULL)`)
  const store = await inFile(job)
  let left = job.filled!
  const projection = sqliteRawSQLProjection({
    canHandle: [EVENT_TYPE],
    evolve: ({ data: { customer, lines } }: OrderPlaced) => {
      left--
      return `INSERT INTO ${table} VALUES ('${customer}', 1, ${lines.length})
        ON CONFLICT (customer) DO UPDATE SET orders = orders + 1, lines = lines + excluded.lines`
    },
  })
  const consumer = store.consumer({ pulling: { batchSize: 1000, pullingFrequencyInMs: 1 } })
  consumer.processor({ processorId: table, projection, startFrom: 'BEGINNING', stopAfter: () => left === 0 })
  const stop = watch()
  await consumer.start()
  const figures = stop(job.filled!)
  await consumer.close()
  const projected = inDatabase(job, `SELECT sum(orders) AS answer FROM ${table}`)
  if (projected !== job.filled) throw new Error(`Emmett SQLite projected ${projected} of ${job.filled} events`)
  return figures
}

/** Never while the store is open: this is another SQLite in the same process, and neither would see the locks of the other. */
function inDatabase(job: Job, sql: string): unknown {
  const database = new DatabaseSync(join(job.folder, 'emmett.db'))
  const row = database.prepare(sql).get() as { readonly answer: unknown } | undefined
  database.close()
  return row?.answer
}
