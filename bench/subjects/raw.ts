/*
 * `node:fs` moving the same payload bytes, without a format: the floor under everything that stores bytes from Node. Appends copy each
 * payload into a buffer of 256 KiB and write that; one fdatasync ends the run. Synced appends are one write and one fdatasync a round,
 * over a file that grows or over zeros written beforehand, from which the file system has nothing to journal.
 */
import fs from 'node:fs'
import { join } from 'node:path'
import { type Figures, type Job, numbers, type Subject, values, watch } from '../job.ts'
import { Latencies } from '../statistics.ts'

const BUFFER_BYTES = 256 * 1024
const ZEROS_BYTES = 128 * 1024 * 1024

/** Raw `node:fs`. */
export const raw: Subject = { append, sync, fill, scan, random, tail }

function append(job: Job): Figures {
  const payloads = values(job.bytes)
  const buffer = Buffer.allocUnsafeSlow(BUFFER_BYTES)
  const descriptor = fs.openSync(join(job.folder, 'raw'), 'wx')
  let at = 0
  let position = 0
  const stop = watch()
  for (let index = 0; index < job.records; index++) {
    const payload = payloads[index & 1023]!
    if (at + payload.length > BUFFER_BYTES) {
      fs.writeSync(descriptor, buffer, 0, at, position)
      position += at
      at = 0
    }
    buffer.set(payload, at)
    at += payload.length
  }
  fs.writeSync(descriptor, buffer, 0, at, position)
  fs.fdatasyncSync(descriptor)
  fs.closeSync(descriptor)
  return stop(job.records)
}

function fill(job: Job): Figures {
  append(job)
  return { records: job.records }
}

/** `how`: "zeros" or "growing", or "blocking": over zeros with a sync that holds the event loop. */
function sync(job: Job): Promise<Figures> {
  const payloads = values(job.bytes)
  const inFlight = job.inFlight!
  const descriptor = openForSync(join(job.folder, 'raw'), job.how !== 'growing')
  const buffer = Buffer.allocUnsafeSlow(inFlight * job.bytes)
  let count = 0
  let position = 0
  return new Promise((resolve, reject) => {
    let from = performance.now()
    const warm = from + job.warmUpMs!
    const latencies = new Latencies(job.records, warm)
    const round = (): void => {
      from = performance.now()
      for (let index = 0; index < inFlight; index++) buffer.set(payloads[(count + index) & 1023]!, index * job.bytes)
      if (position + buffer.length > ZEROS_BYTES && job.how !== 'growing') position = 0
      fs.writeSync(descriptor, buffer, 0, buffer.length, position)
      position += buffer.length
      if (job.how !== 'blocking') return fs.fdatasync(descriptor, done)
      fs.fdatasyncSync(descriptor)
      done(null)
    }
    const done = (error: Error | null): void => {
      if (error !== null) return reject(error)
      const now = performance.now()
      for (let index = 0; index < inFlight; index++) latencies.add(from, now)
      count += inFlight
      if (now < warm + job.ms! && !latencies.full) return void (inFlight === 1 && job.how !== 'blocking' ? round() : setImmediate(round))
      fs.closeSync(descriptor)
      resolve(latencies.figures())
    }
    round()
  })
}

function openForSync(path: string, zeros: boolean): number {
  const descriptor = fs.openSync(path, 'wx+')
  const block = Buffer.alloc(1024 * 1024)
  for (let position = 0; zeros && position < ZEROS_BYTES; position += block.length) fs.writeSync(descriptor, block, 0, block.length, position)
  fs.fsyncSync(descriptor)
  return descriptor
}

/** Reads the file through one window and touches each value: no format, no checksum, no records. */
function scan(job: Job): Figures {
  const descriptor = fs.openSync(join(job.folder, 'raw'), 'r')
  const window = Buffer.allocUnsafeSlow(Math.floor(BUFFER_BYTES / job.bytes) * job.bytes)
  let count = 0
  let seen = 0
  const stop = watch()
  for (let position = 0; ; ) {
    const length = fs.readSync(descriptor, window, 0, window.length, position)
    if (length === 0) break
    for (let at = 0; at < length; at += job.bytes) {
      seen += window[at]!
      count++
    }
    position += length
  }
  const figures = stop(count)
  if (count !== job.records || seen === 0) throw new Error(`scanned ${count} of ${job.records} records`)
  return figures
}

/** Reads a value from its known place, one system call each. */
function random(job: Job): Figures {
  const path = join(job.folder, 'raw')
  const total = fs.statSync(path).size / job.bytes
  const descriptor = fs.openSync(path, 'r')
  const value = Buffer.allocUnsafeSlow(job.bytes)
  const below = numbers(3)
  let seen = 0
  const stop = watch()
  for (let index = 0; index < job.records; index++) {
    fs.readSync(descriptor, value, 0, job.bytes, below(total) * job.bytes)
    seen += value.length
  }
  const figures = stop(job.records)
  if (seen !== job.records * job.bytes) throw new Error(`read ${seen} bytes`)
  return figures
}

/** One record at a time: written, and read back or synced (over zeros, asynchronously), with a turn of the event loop in between. */
function tail(job: Job): Promise<Figures> {
  const payloads = values(job.bytes)
  const synced = job.durability === 'sync'
  const descriptor = openForSync(join(job.folder, 'raw'), synced)
  const latencies = new Latencies(job.records, performance.now() + job.warmUpMs!)
  const value = Buffer.allocUnsafeSlow(job.bytes)
  let count = 0
  return new Promise((resolve, reject) => {
    let from = 0
    const send = (): void => {
      from = performance.now()
      fs.writeSync(descriptor, payloads[count & 1023]!, 0, job.bytes, count * job.bytes)
      if (synced) return fs.fdatasync(descriptor, done)
      fs.readSync(descriptor, value, 0, job.bytes, count * job.bytes)
      done(null)
    }
    const done = (error: Error | null): void => {
      if (error !== null) return reject(error)
      latencies.add(from, performance.now())
      count++
      if (!latencies.full) return void setImmediate(send)
      fs.closeSync(descriptor)
      const { p50, p99 } = latencies.figures()
      resolve({ p50, p99 })
    }
    setImmediate(send)
  })
}
