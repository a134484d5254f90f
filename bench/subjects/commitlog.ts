/*
 * Ourselves, through the public door, as build/bench holds it. Each piece of work is a plain loop of the calls that a user would write.
 */
import fs from 'node:fs'
import { join } from 'node:path'
import { setImmediate as turn } from 'node:timers/promises'
import { type Figures, type Job, numbers, objects, perSecond, type Subject, values, watch } from '../job.ts'
import { Latencies } from '../statistics.ts'
import { type Library, load, partOf } from './build.ts'

type Opened = Awaited<ReturnType<typeof open>>

/** commitlog itself. */
export const commitlog: Subject = {
  append, appendObjects, sync, fill, scan, random, tail, handOver, open: openClean, openKilled, memory,
}

async function open(job: Job, library?: Library) {
  const { bytes, CommitLog, defineTopic } = library ?? (await load(job))
  const { durability = 'os', windowBytes, segmentBytes, batchRecords } = job
  const log = await CommitLog.open(join(job.folder, 'log'), { ...(windowBytes !== undefined && { windowBytes }) })
  const topic = await log.topic(defineTopic('bench', {
    value: bytes, durability, ...(segmentBytes !== undefined && { segmentBytes }), ...(batchRecords !== undefined && { batchSize: 1024 * 1024 }),
  }))
  return { log, topic, partition: topic.partition(0) }
}

async function append(job: Job): Promise<Figures> {
  const { log, partition } = await open(job)
  const payloads = values(job.bytes)
  const stop = watch()
  for (let index = 0; index < job.records; index++) partition.append({ value: payloads[index & 1023]! })
  await partition.flush()
  await log.close()
  return stop(job.records)
}

async function appendObjects(job: Job): Promise<Figures> {
  const { CommitLog, defineTopic, json, msgpack } = await load(job)
  const log = await CommitLog.open(join(job.folder, 'log'))
  const value = job.how === 'json' ? json<object>() : msgpack<object>()
  const topic = await log.topic(defineTopic('bench', { value, durability: 'os' }))
  const partition = topic.partition(0)
  const payloads = objects(job.bytes)
  const started = performance.now()
  for (let index = 0; index < job.records; index++) partition.append({ value: payloads[index & 1023]! })
  await partition.flush()
  await log.close()
  return { ns: ((performance.now() - started) * 1e6) / job.records }
}

async function sync(job: Job): Promise<Figures> {
  const { log, partition } = await open(job)
  const payloads = values(job.bytes)
  const warm = performance.now() + job.warmUpMs!
  const latencies = new Latencies(job.records, warm)
  const end = warm + job.ms!
  let count = 0
  const caller = async (): Promise<void> => {
    for (let now = performance.now(); now < end && !latencies.full;) {
      const from = now
      await partition.durable(partition.append({ value: payloads[count++ & 1023]! }))
      now = performance.now()
      latencies.add(from, now)
    }
  }
  await Promise.all(Array.from({ length: job.inFlight! }, caller))
  await log.close()
  return latencies.figures()
}

async function fill(job: Job): Promise<Figures> {
  const opened = await open(job)
  const { log, partition } = opened
  const payloads = values(job.bytes)
  const { batchRecords = Infinity } = job
  const waitEvery = Math.min(batchRecords, Math.floor((8 * 1024 * 1024) / job.bytes))
  for (let index = 1; index <= job.records; index++) {
    const offset = partition.append({ value: payloads[index & 1023]! })
    if (index % waitEvery === 0) await partition.durable(offset)
  }
  if (job.how === 'killed') return dieAppending(opened, job, { records: job.records })
  await log.close()
  return { records: job.records }
}

/** Appends on for a while and is killed by a timer, and so while a round waits for its sync. The figures are told before. */
async function dieAppending({ partition }: Opened, job: Job, figures: Figures): Promise<Figures> {
  const payloads = values(job.bytes)
  setTimeout(() => {
    fs.writeSync(1, `${JSON.stringify(figures)}\n`)
    process.kill(process.pid, 'SIGKILL')
  }, job.ms!)
  const caller = async (index: number): Promise<never> => {
    for (;;) await partition.durable(partition.append({ value: payloads[index]! }))
  }
  return Promise.race(Array.from({ length: 64 }, (_, index) => caller(index)))
}

async function scan(job: Job): Promise<Figures> {
  const { log, partition } = await open(job)
  const stop = watch()
  const count = job.how === 'views' ? scanViews(partition) : job.how === 'values' ? scanValues(partition) : scanUntouched(partition)
  const figures = stop(count)
  await log.close()
  if (count !== job.records) throw new Error(`scanned ${count} of ${job.records} records`)
  return figures
}

function scanUntouched(partition: Opened['partition']): number {
  let count = 0
  for (const _ of partition.read()) count++
  return count
}

/** Looks at a byte of each value where it lies. */
function scanViews(partition: Opened['partition']): number {
  let count = 0
  let seen = 0
  for (const record of partition.read()) {
    seen += record.valueBytes![0]!
    count++
  }
  return seen > 0 ? count : -1
}

/** Asks for each value, which is a copy, and looks at a byte of it. */
function scanValues(partition: Opened['partition']): number {
  let count = 0
  let seen = 0
  for (const record of partition.read()) {
    seen += record.value![0]!
    count++
  }
  return seen > 0 ? count : -1
}

/** `how`: "warm" reads everything into the windows first, "warm views" too and does not copy values. */
async function random(job: Job): Promise<Figures> {
  const { log, partition } = await open(job)
  const below = numbers(3)
  const total = partition.highWatermark
  const readOne = job.how === 'warm views' ? viewOne : copyOne
  if (job.how?.startsWith('warm')) for (let offset = 0; offset < total; offset += 100) readOne(partition, offset)
  let seen = 0
  const stop = watch()
  for (let index = 0; index < job.records; index++) seen += readOne(partition, below(total))
  const figures = stop(job.records)
  await log.close()
  if (seen !== job.records * job.bytes) throw new Error(`read ${seen} bytes`)
  return figures
}

function copyOne(partition: Opened['partition'], offset: number): number {
  for (const record of partition.read({ from: offset })) return record.value!.length
  return 0
}

function viewOne(partition: Opened['partition'], offset: number): number {
  for (const record of partition.read({ from: offset })) return record.valueBytes!.length
  return 0
}

/** One record at a time, appended when the consumer waits: the time from before `append` to the consumer having the value. */
async function tail(job: Job): Promise<Figures> {
  const { log, topic, partition } = await open(job)
  const payloads = values(job.bytes)
  const latencies = new Latencies(job.records, performance.now() + job.warmUpMs!)
  let count = 0
  let sent = 0
  const send = (): void => {
    sent = performance.now()
    partition.append({ value: payloads[count & 1023]! })
  }
  setTimeout(send, 10)
  for await (const record of topic.consumer({ from: 'latest' })) {
    if (record.value!.length !== job.bytes) throw new Error('not what was sent')
    latencies.add(sent, performance.now())
    count++
    if (latencies.full) break
    setImmediate(send)
  }
  await log.close()
  const { p50, p99 } = latencies.figures()
  return { p50, p99 }
}

/** Bursts that are written at once and that the tail in memory holds; the time is the consumer's, from the first of a burst to the last. */
async function handOver(job: Job): Promise<Figures> {
  const { log, topic, partition } = await open(job)
  const payloads = values(job.bytes)
  const burst = new Bursts(Math.min(job.records, 8000))
  const consumer = topic.consumer({ from: 'latest' })
  const consumed = job.how === 'batches' ? consumeBatches(consumer, burst) : consumeRecords(consumer, burst)
  for (let left = Math.floor(job.records / burst.size); left > 0; left--) {
    await turn()
    for (let index = 0; index < burst.size; index++) partition.append({ value: payloads[index & 1023]! })
    while (!burst.over) await turn()
    burst.over = false
  }
  await consumer.close()
  await consumed
  await log.close()
  return { perSecond: perSecond(burst.count, burst.ms) }
}

/** The time that bursts took: from when the first record or batch of one was in hand to when the last was. */
class Bursts {
  readonly size: number
  ms = 0
  /** Records handed out in that time. */
  count = 0
  over = false
  private inBurst = 0
  private started = 0

  constructor(size: number) {
    this.size = size
  }

  take(records: number): void {
    if (this.inBurst === 0) this.started = performance.now()
    else this.count += records
    this.inBurst += records
    if (this.inBurst < this.size) return
    this.ms += performance.now() - this.started
    this.inBurst = 0
    this.over = true
  }
}

type BenchConsumer = ReturnType<Opened['topic']['consumer']>

async function consumeRecords(consumer: BenchConsumer, burst: Bursts): Promise<void> {
  for await (const _ of consumer) burst.take(1)
}

async function consumeBatches(consumer: BenchConsumer, burst: Bursts): Promise<number> {
  let seen = 0
  for await (const records of consumer.batches()) {
    for (const record of records) seen += record.offset
    burst.take(records.length)
  }
  return seen
}

/** Loads first: only the opening is measured. `counted` counts the reads of log files on the way. */
async function openClean(job: Job): Promise<Figures> {
  const counted = job.how === 'counted' ? countLogReads() : undefined
  const library = await load(job)
  const started = performance.now()
  const { log, partition } = await open(job, library)
  const ms = performance.now() - started
  const logBytesRead = counted?.bytes ?? NaN
  if (partition.highWatermark !== job.records) throw new Error(`${partition.highWatermark} of ${job.records} records are there`)
  await log.close()
  return counted === undefined ? { ms, segments: partition.stats().segments } : { ms, logBytesRead }
}

/** Counts what is read of files that end in `.log`, below everything that this process does. */
function countLogReads(): { bytes: number } {
  const counted = { bytes: 0 }
  const logs = new Set<number>()
  const { openSync, readSync, read } = fs
  fs.openSync = (path, ...rest) => {
    const descriptor = openSync(path, ...rest)
    if (String(path).endsWith('.log')) logs.add(descriptor)
    else logs.delete(descriptor)
    return descriptor
  }
  const note = (descriptor: number, length: unknown): void => {
    if (logs.has(descriptor)) counted.bytes += Number(length)
  }
  type Read = (descriptor: number, buffer: Uint8Array, at: number, length: number, ...rest: unknown[]) => unknown
  const patched = fs as unknown as Record<'readSync' | 'read', Read>
  const reads = { readSync, read } as unknown as typeof patched
  for (const name of ['readSync', 'read'] as const) {
    patched[name] = (descriptor, buffer, at, length, ...rest) => {
      note(descriptor, length)
      return reads[name](descriptor, buffer, at, length, ...rest)
    }
  }
  return counted
}

/** Opens what was killed, reads and checks as many bytes by hand for comparison, appends on and is killed again. */
async function openKilled(job: Job): Promise<Figures> {
  const library = await load(job)
  const started = performance.now()
  const opened = await open(job, library)
  const ms = performance.now() - started
  const { recovery, highWatermark } = opened.partition.stats()
  if (recovery.clean || highWatermark < job.records) throw new Error('not what was killed')
  const { scannedBytes } = recovery
  const checking = await readAndCheck(job, join(job.folder, 'log', 'bench-0'), scannedBytes)
  const allowed = 20 + 1.5 * checking
  return dieAppending(opened, job, { ms, scannedBytes, allowed, ofAllowed: ms / allowed })
}

/** Milliseconds to read `size` bytes at the end of the log and to compute their checksum. */
async function readAndCheck(job: Job, folder: string, size: number): Promise<number> {
  const { crc32c } = await import(partOf(job, 'parts/crc32c.js')) as typeof import('../../src/base/crc32c.ts')
  const last = fs.readdirSync(folder).filter((name) => name.endsWith('.log')).sort().at(-1)!
  const descriptor = fs.openSync(join(folder, last), 'r')
  const started = performance.now()
  const buffer = Buffer.allocUnsafeSlow(256 * 1024)
  let crc = 0
  for (let left = size; left > 0;) {
    const position = Math.max(0, fs.fstatSync(descriptor).size - left)
    const count = fs.readSync(descriptor, buffer, 0, Math.min(left, buffer.length), position)
    if (count === 0) break
    crc = crc32c(buffer, 0, count, crc)
    left -= count
  }
  const ms = performance.now() - started
  fs.closeSync(descriptor)
  return crc === -1 ? NaN : ms
}

async function memory(job: Job): Promise<Figures> {
  const { log, partition } = await open(job)
  const payloads = values(job.bytes)
  const waitEvery = Math.floor((4 * 1024 * 1024) / job.bytes)
  for (let index = 1; index <= job.records; index++) {
    const offset = partition.append({ value: payloads[index & 1023]! })
    if (index % waitEvery === 0) await partition.durable(offset)
  }
  await partition.flush()
  const appending = peakMegabytes()
  let count = 0
  let seen = 0
  for (const record of partition.read()) {
    seen += record.value![0]!
    if (++count % waitEvery === 0) await turn()
  }
  if (count !== job.records || seen === 0) throw new Error(`scanned ${count} of ${job.records} records`)
  await log.close()
  return { megabytes: peakMegabytes(), appending }
}

/** The most memory that this process had so far, in units of 10^6 bytes. */
function peakMegabytes(): number {
  return (process.resourceUsage().maxRSS * 1024) / 1e6
}
