/*
 * event-storage's own event store: a file and an index for each stream, events as JSON. An append is acknowledged when its buffer (of the next
 * tick, or 16 KiB) was written, and is not synced; synced work sets `syncOnFlush`, which blocks the event loop. Files of all streams stay open.
 */
import { once } from 'node:events'
import { join } from 'node:path'
import { timedCallers } from '../group-commit.ts'
import { type Figures, type Job, type Subject, watch } from '../job.ts'
import {
  addOrder, checkRows, countLines, type CustomerRow, EVENT_TYPE, newCustomer, type Order, orders, streamCount, streamId, streamsInTurn,
} from './event-data.ts'

interface OrderPlaced {
  readonly type: typeof EVENT_TYPE
  readonly data: Order
}
interface Store {
  commit(stream: string, events: readonly OrderPlaced[], expectedVersion: number, metadata: object, committed: () => void): void
  getStreamVersion(stream: string): number
  getEventStream(stream: string): { readonly events: readonly OrderPlaced[] }
  getAllEvents(): Iterable<OrderPlaced>
  once(event: 'ready', listener: () => void): unknown
  close(): void
}

/** The event store of event-storage. */
export const eventStorageEvents: Subject = { fill, eventAppend, eventLoad, eventRebuild }

async function open(job: Job): Promise<Store> {
  const name = 'event-storage'
  const { default: EventStore } = (await import(name)) as { default: new (name: string, config: object) => Store }
  const storageConfig = { syncOnFlush: job.durability === 'sync' }
  const store = new EventStore('bench', { storageDirectory: join(job.folder, 'store'), storageConfig })
  await once(store as unknown as NodeJS.EventEmitter, 'ready')
  return store
}

function commit(store: Store, stream: string, data: Order): Promise<void> {
  const expected = Math.max(0, store.getStreamVersion(stream))
  return new Promise((resolve) => store.commit(stream, [{ type: EVENT_TYPE, data }], expected, {}, resolve))
}

async function fill(job: Job): Promise<Figures> {
  const store = await open({ ...job, durability: 'os' })
  const payloads = orders(job)
  const streams = streamCount(job)
  const stop = watch()
  for (let number = 0; number < job.records;) {
    const end = Math.min(number + 256, job.records)
    const under: Promise<void>[] = []
    for (; number < end; number++) under.push(commit(store, streamId(number % streams), payloads[number & 1023]!))
    await Promise.all(under)
  }
  store.close()
  return stop(job.records)
}

async function eventAppend(job: Job): Promise<Figures> {
  const store = await open(job)
  const payloads = orders(job)
  const next = streamsInTurn(job)
  const figures = await timedCallers(job, (_, number) => commit(store, next(), payloads[number & 1023]!))
  store.close()
  return figures
}

async function eventLoad(job: Job): Promise<Figures> {
  const store = await open(job)
  const next = streamsInTurn(job)
  const figures = await timedCallers(job, () => store.getEventStream(next()).events.reduce((lines, { data }) => countLines(lines, data), 0))
  store.close()
  return figures
}

/** Rows in memory, of all events in their order; nothing is stored of them. */
async function eventRebuild(job: Job): Promise<Figures> {
  const store = await open(job)
  const rows = new Map<string, CustomerRow>()
  const stop = watch()
  for (const { data } of store.getAllEvents()) {
    const row = rows.get(data.customer) ?? newCustomer()
    addOrder(row, data)
    rows.set(data.customer, row)
  }
  const figures = stop(job.filled!)
  store.close()
  checkRows(rows.values(), job)
  return figures
}
