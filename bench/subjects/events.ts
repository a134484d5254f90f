/*
 * Our event store, through its public door: appends with an expected version, loads of streams, commands, a reading of everything, opening.
 */
import { join } from 'node:path'
import { timedCallers } from '../group-commit.ts'
import { type Figures, type Job, numbers, objects, type Subject, watch } from '../job.ts'
import { load, partOf } from './build.ts'

type Events = typeof import('../../src/events/index.ts')
type Order = { readonly type: 'OrderPlaced'; readonly data: object }

/** Streams of the folders that loads and readings begin with: twenty events in each, one turn after the other. */
const EVENTS_A_STREAM = 20
const HOT_STREAMS = 500

/** The event store. */
export const events: Subject = { fill, eventAppend, eventLoad, eventCommand, eventRebuild, eventOpen }

/** The id of a stream: 20 characters. */
export function streamId(number: number): string {
  return `cart-${String(number).padStart(15, '0')}`
}

async function open(job: Job) {
  const { CommitLog } = await load(job)
  const { defineEvents, eventStore } = (await import(partOf(job, 'events/index.js'))) as Events
  const log = await CommitLog.open(join(job.folder, 'log'), { durability: job.durability ?? 'os' })
  const store = await eventStore(log, defineEvents<Order>('cart'))
  return { log, store }
}

async function fill(job: Job): Promise<Figures> {
  const { log, store } = await open(job)
  const payloads = objects(job.bytes)
  const streams = job.how === 'heads' ? job.records : job.records / EVENTS_A_STREAM
  const stop = watch()
  for (let number = 0; number < job.records;) {
    const end = Math.min(number + 256, job.records)
    const under: Promise<unknown>[] = []
    for (; number < end; number++) under.push(store.append(streamId(number % streams), { type: 'OrderPlaced', data: payloads[number & 1023]! }))
    await Promise.all(under)
  }
  await log.close()
  return stop(job.records)
}

async function eventAppend(job: Job): Promise<Figures> {
  const { log, store } = await open(job)
  const payloads = objects(job.bytes)
  const random = numbers(3)
  const figures = await timedCallers(job, (_, number) => {
    const stream = streamId(random(job.filled!))
    return store.append(stream, { type: 'OrderPlaced', data: payloads[number & 1023]! }, { expected: store.head(stream) })
  })
  await log.close()
  return figures
}

async function eventLoad(job: Job): Promise<Figures> {
  const { log, store } = await open(job)
  const streams = job.how === 'hot' ? HOT_STREAMS : job.filled! / EVENTS_A_STREAM
  const random = numbers(5)
  const figures = await timedCallers(job, async () => {
    const { events } = await store.read(streamId(random(streams)))
    let lines = 0
    for (const { data } of events) lines += (data as { lines: object[] }).lines.length
    return lines
  })
  await log.close()
  return figures
}

async function eventCommand(job: Job): Promise<Figures> {
  const { log, store } = await open(job)
  const payloads = objects(job.bytes)
  const carts = store.aggregate<number, object>({
    initial: () => 0, evolve: (count) => count + 1, decide: (data) => ({ type: 'OrderPlaced', data }),
  })
  const figures = await timedCallers(job, (_, number) => carts.handle(streamId(number % 1000), payloads[number & 1023]!))
  await log.close()
  return figures
}

async function eventRebuild(job: Job): Promise<Figures> {
  const { log, store } = await open(job)
  const stop = watch()
  let lines = 0
  let count = 0
  for await (const batch of store.all({ until: 'end' }).batches()) {
    for (const { data } of batch) lines += (data as { lines: object[] }).lines.length
    count += batch.length
  }
  const figures = stop(count)
  await log.close()
  if (count < job.filled! || lines === 0) throw new Error(`${count} events of ${job.filled}`)
  return figures
}

async function eventOpen(job: Job): Promise<Figures> {
  const memory = (): number => {
    for (let round = 0; round < 4; round++) (globalThis as { gc?: () => void }).gc?.()
    const { heapUsed, external } = process.memoryUsage()
    return heapUsed + external
  }
  const started = performance.now()
  const { log, store } = await open(job)
  const ms = performance.now() - started
  const used = memory()
  const { streamCount } = store
  await log.close()
  return { ms, streams: streamCount, bytes: used }
}
