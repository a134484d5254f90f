/*
 * Our event store, through its public door: appends with an expected version, loads of streams, commands, a projection over everything,
 * opening after a clean close and after a kill.
 */
import fs from 'node:fs'
import { join } from 'node:path'
import v8 from 'node:v8'
import vm from 'node:vm'
import { timedCallers } from '../group-commit.ts'
import { type Figures, type Job, type Subject, watch } from '../job.ts'
import { load, partOf } from './build.ts'
import {
  addOrder, checkRows, countLines, type CustomerRow, EVENT_TYPE, ID_BYTES, newCustomer, type Order, orders, streamCount, streamId, streamsInTurn,
} from './event-data.ts'

type Events = typeof import('../../src/events/index.ts')
type OrderPlaced = { readonly type: typeof EVENT_TYPE; readonly data: Order }

/** Appends of the work `fill` that are in flight. */
const FILLING = 256
const IN_FLIGHT_WHEN_KILLED = 64

/** The event store. */
export const events: Subject = { fill, eventAppend, eventLoad, eventCommand, eventRebuild, eventOpen, eventOpenKilled }

async function open(job: Job) {
  const { CommitLog } = await load(job)
  const { defineEvents, eventStore } = await eventsOf(job)
  const log = await CommitLog.open(join(job.folder, 'log'), { durability: job.durability ?? 'os' })
  const store = await eventStore(log, defineEvents<OrderPlaced>('cart'))
  return { log, store }
}

function eventsOf(job: Job): Promise<Events> {
  return import(partOf(job, 'events/index.js')) as Promise<Events>
}

/** Streams in turn: neighbours in the log are events of different streams. */
async function fill(job: Job): Promise<Figures> {
  if (job.how === 'sends') return { records: 0 }
  const opened = await open({ ...job, durability: 'os' })
  const { log, store } = opened
  const payloads = orders(job)
  const streams = streamCount(job)
  const stop = watch()
  for (let number = 0; number < job.records;) {
    const end = Math.min(number + FILLING, job.records)
    const under: Promise<unknown>[] = []
    for (; number < end; number++) under.push(store.append(streamId(number % streams), { type: EVENT_TYPE, data: payloads[number & 1023]! }))
    await Promise.all(under)
  }
  if (job.how === 'killed') return dieAppending(opened, { ...job, filled: job.records }, { records: job.records })
  await log.close()
  return stop(job.records)
}

async function eventAppend(job: Job): Promise<Figures> {
  if (job.how === 'sends') return sendRecords(job)
  const { log, store } = await open(job)
  const payloads = orders(job)
  const next = streamsInTurn(job)
  const figures = await timedCallers(job, (_, number) => {
    const stream = next()
    return store.append(stream, { type: EVENT_TYPE, data: payloads[number & 1023]! }, { expected: store.head(stream) })
  })
  await log.close()
  return figures
}

/** The same data as records of a topic, without a store of events. */
async function sendRecords(job: Job): Promise<Figures> {
  const { CommitLog, defineTopic, json, string } = await load(job)
  const log = await CommitLog.open(join(job.folder, 'log'), { durability: job.durability ?? 'os' })
  const topic = await log.topic(defineTopic('orders', { partitions: 1, key: string, value: json<Order>() }))
  const payloads = orders(job)
  const next = streamsInTurn(job)
  const figures = await timedCallers(job, (_, number) => topic.send({ key: next(), value: payloads[number & 1023]! }))
  await log.close()
  return figures
}

/** A batch is checked when something of it is first read. Where any stream is loaded everything was read before, as by a projection. */
async function eventLoad(job: Job): Promise<Figures> {
  const { log, store } = await open(job)
  if (job.how === 'random') for await (const _batch of store.all({ until: 'end' }).batches());
  const next = streamsInTurn(job)
  const figures = await timedCallers(job, async () => {
    const { events: loaded } = await store.read(next())
    let lines = 0
    for (const { data } of loaded) lines = countLines(lines, data)
    return lines
  })
  await log.close()
  return figures
}

async function eventCommand(job: Job): Promise<Figures> {
  const { log, store } = await open(job)
  const payloads = orders(job)
  const carts = store.aggregate<number, Order>({
    initial: () => 0, evolve: (count) => count + 1, decide: (data) => ({ type: EVENT_TYPE, data }),
  })
  const figures = await timedCallers(job, (_, number) => carts.handle(streamId(number % 1000), payloads[number & 1023]!))
  await log.close()
  return figures
}

/** Each round is another version of the projection, which begins with the first event. What is measured ends when its rows are stored. */
async function eventRebuild(job: Job): Promise<Figures> {
  const { log, store } = await open(job)
  const { defineProjection, project } = await eventsOf(job)
  const stop = watch()
  const customers = await project(store, defineProjection<OrderPlaced, CustomerRow>({
    name: 'customers', version: (Date.now() % 999_999_999) + 1, key: ({ data }) => data.customer, initial: newCustomer,
    on: { [EVENT_TYPE]: (row, { data }) => addOrder(row, data) },
  }))
  await customers.caughtUp()
  await customers.flush()
  const figures = stop(job.filled!)
  checkRows(Array.from(customers.entries(), ([, row]) => row), job)
  await customers.close()
  await log.close()
  return figures
}

/** Milliseconds until the store answers, and the bytes that a stream then takes beyond those of its id. */
async function eventOpen(job: Job): Promise<Figures> {
  const { figures, log } = await opening(job)
  await log.close()
  return figures
}

/** Each round opens what was killed in the round before, appends on and is killed again. */
async function eventOpenKilled(job: Job): Promise<Figures> {
  const { figures, ...opened } = await opening(job)
  return dieAppending(opened, job, figures)
}

async function opening(job: Job) {
  await load(job)
  await eventsOf(job)
  const before = usedMemory()
  const started = performance.now()
  const opened = await open(job)
  const head = opened.store.head(streamId(0))
  const ms = performance.now() - started
  const { streamCount: streams } = opened.store
  const bytesAStream = (usedMemory() - before) / streams - ID_BYTES
  if (head === 0 || streams < streamCount(job)) throw new Error(`${streams} streams`)
  return { ...opened, figures: { ms, streams, bytesAStream } }
}

/** Bytes on the heap and beside it that are in use. */
function usedMemory(): number {
  v8.setFlagsFromString('--expose-gc')
  const collect = vm.runInNewContext('gc') as () => void
  for (let round = 0; round < 4; round++) collect()
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}

/** Appends on for a while and is killed by a timer. The figures are told before. */
async function dieAppending({ store }: Pick<Awaited<ReturnType<typeof open>>, 'store'>, job: Job, figures: Figures): Promise<Figures> {
  const payloads = orders(job)
  const next = streamsInTurn(job)
  setTimeout(() => {
    fs.writeSync(1, `${JSON.stringify(figures)}\n`)
    process.kill(process.pid, 'SIGKILL')
  }, job.ms!)
  const caller = async (number: number): Promise<never> => {
    for (;;) await store.append(next(), { type: EVENT_TYPE, data: payloads[number]! })
  }
  return Promise.race(Array.from({ length: IN_FLIGHT_WHEN_KILLED }, (_, number) => caller(number)))
}
