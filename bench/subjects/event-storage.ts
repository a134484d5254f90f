/*
 * event-storage: its storage of documents, below the event store, with documents that are text already and need no serializing. It
 * buffers writes until the next tick or 16 KiB and does not sync, but at close; synced work sets `syncOnFlush`, which syncs the buffer
 * with a call that blocks the event loop.
 */
import { join } from 'node:path'
import { timedCallers } from '../group-commit.ts'
import { type Figures, type Job, numbers, type Subject, values, watch } from '../job.ts'
import { Latencies } from '../statistics.ts'

interface Storage {
  open(): boolean
  write(document: string, callback?: () => void): number
  read(number: number): string
  readRange(from: number): Iterable<string>
  ensureIndex(name: string, matcher: (document: unknown) => boolean): unknown
  readonly length: number
  close(): void
}
interface Library {
  readonly Storage: new (name: string, options: object) => Storage
  readonly Consumer: new (storage: Storage, index: string, identifier: string, startFrom: number) => NodeJS.ReadableStream
}

/** event-storage. */
export const eventStorage: Subject = { append, fill: append, sync, scan, random, tail }

async function library(): Promise<Library> {
  const name = 'event-storage'
  return ((await import(name)) as { default: Library }).default
}

async function open(job: Job, options: object = {}): Promise<Storage> {
  const { Storage } = await library()
  const same = (text: unknown): unknown => text
  const storage = new Storage('bench', { dataDirectory: join(job.folder, 'events'), serializer: { serialize: same, deserialize: same }, ...options })
  storage.open()
  return storage
}

function texts(bytes: number): string[] {
  return values(bytes).map((value) => value.toString('latin1'))
}

async function append(job: Job): Promise<Figures> {
  const storage = await open(job)
  const payloads = texts(job.bytes)
  const stop = watch()
  for (let index = 0; index < job.records; index++) storage.write(payloads[index & 1023]!)
  storage.close()
  return stop(job.records)
}

async function sync(job: Job): Promise<Figures> {
  const storage = await open(job, { syncOnFlush: true })
  const payloads = texts(job.bytes)
  const figures = await timedCallers(job, (_, number) => new Promise<void>((resolve) => storage.write(payloads[number & 1023]!, resolve)))
  storage.close()
  return figures
}

async function scan(job: Job): Promise<Figures> {
  const storage = await open(job)
  let count = 0
  let seen = 0
  const stop = watch()
  for (const text of storage.readRange(1)) {
    seen += text.charCodeAt(0)
    count++
  }
  const figures = stop(count)
  storage.close()
  if (count !== job.records || seen === 0) throw new Error(`scanned ${count} of ${job.records} records`)
  return figures
}

async function random(job: Job): Promise<Figures> {
  const storage = await open(job)
  const total = storage.length
  const below = numbers(3)
  let seen = 0
  const stop = watch()
  for (let index = 0; index < job.records; index++) seen += storage.read(below(total) + 1).length
  const figures = stop(job.records)
  storage.close()
  if (seen !== job.records * job.bytes) throw new Error(`read ${seen} bytes`)
  return figures
}

/** One document at a time to a consumer of an index that holds all. */
async function tail(job: Job): Promise<Figures> {
  const { Consumer } = await library()
  const storage = await open(job)
  storage.ensureIndex('all', () => true)
  const payloads = texts(job.bytes)
  const latencies = new Latencies(job.records, performance.now() + job.warmUpMs!)
  let count = 0
  let sent = 0
  const send = (): void => {
    sent = performance.now()
    storage.write(payloads[count & 1023]!)
  }
  const consumer = new Consumer(storage, 'all', 'bench', 0)
  await new Promise<void>((resolve, reject) => {
    consumer.on('error', reject)
    consumer.on('data', () => {
      latencies.add(sent, performance.now())
      count++
      if (!latencies.full) setImmediate(send)
      else resolve()
    })
    setTimeout(send, 10)
  })
  storage.close()
  const { p50, p99 } = latencies.figures()
  return { p50, p99 }
}
