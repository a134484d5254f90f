/*
 * What readers do in a life: ranges, single offsets, searches by time, consumers that read on and on, and another process that looks on.
 * Each gets exactly what the model says.
 */
import { isLogError } from '../../src/base/errors.ts'
import { systemCode } from '../../src/files/system-error.ts'
import { type RecordCursor } from '../../src/log/cursor.ts'
import { PartitionLog } from '../../src/log/partition-log.ts'
import { type LogRecord } from '../../src/log/record.ts'
import { bytesCodecs, environment, TOPIC_ID } from '../log/harness.ts'
import { checkRecord, checkSame, checkTimes } from './compare.ts'
import { type ModelRecord } from './model.ts'
import { type Partition } from './partition.ts'
import { folderOf, type Process } from './process.ts'
import { ROOT } from './world.ts'

type Bytes = Uint8Array

/** Records that a reader holds without looking at them. */
const MOST_HELD = 20

/** Reads a range that begins anywhere. */
export const readRange = onFailingDisk(readAnyRange)

/** Reads some records by their offsets, and searches by time. */
export const readSingles = onFailingDisk(readSome)

/** Reads on where a consumer stopped, up to the end as it is now. */
export const consume = onFailingDisk(readOn)

/** Opens the log beside the writer, as another process would, and reads what it shows. */
export const lookOn = onFailingDisk(lookFromOutside)

function readAnyRange(process: Process, partition: Partition): void {
  const { draw, counts } = process.world
  const { log, model } = partition
  if (!readable(partition)) return
  counts.reads++
  const end = log.highWatermark
  const from = log.startOffset + draw.int(end - log.startOffset + 1)
  if (draw.once(3)) {
    checkSame(partition, log.read(bytesCodecs, { from }), model.committed(from, end, end), `a read of what is committed from ${from} to ${end}`)
  } else if (draw.once(3) && log.state === 'open') {
    const all = log.read(bytesCodecs, { from, isolation: 'read_uncommitted', upTo: 'appended' })
    checkSame(partition, all, model.records(from, log.nextOffset), `a read from ${from} to ${log.nextOffset}, what is appended included`)
  } else {
    checkSame(partition, log.read(bytesCodecs, { from, isolation: 'read_uncommitted' }), model.records(from, end), `a read from ${from} to ${end}`)
  }
  const stable = model.lastStable(end)
  partition.check(log.lastStableOffset === stable, () => `the last stable offset is ${log.lastStableOffset}, not ${stable}`)
}

function readSome(process: Process, partition: Partition): void {
  const { draw, counts } = process.world
  const { log, model } = partition
  if (!readable(partition)) return
  const { startOffset, highWatermark } = log
  for (let left = highWatermark === startOffset ? 0 : draw.int(8); left > 0; left--) {
    counts.reads++
    const from = startOffset + draw.int(highWatermark - startOffset)
    const single = log.read(bytesCodecs, { from, to: from + 1, isolation: 'read_uncommitted' })
    checkSame(partition, single, model.records(from, from + 1), `a read of offset ${from}`)
  }
  checkTimes(partition, log, process.world)
}

async function readOn(process: Process, partition: Partition): Promise<void> {
  if (!readable(partition)) return
  const kind = process.world.draw.int(2)
  const reader = partition.readers[kind] ?? new Reader(process, partition, kind === 1)
  partition.readers[kind] = reader
  if (reader.position >= partition.log.startOffset) return reader.readOn()
  partition.readers[kind] = undefined
  await reader.readDeleted()
}

/** A consumer: reads on and on, and never holds the event loop to read a file. */
export class Reader {
  readonly #process: Process
  readonly #partition: Partition
  readonly #committed: boolean
  readonly #cursor: RecordCursor<Bytes, Bytes>
  #next: number
  /** Records that are looked at later, when their memory may be somebody else's. */
  #held: { readonly record: LogRecord<Bytes, Bytes>; readonly expected: ModelRecord }[] = []

  constructor(process: Process, partition: Partition, committed: boolean) {
    this.#process = process
    this.#partition = partition
    this.#committed = committed
    const { startOffset, highWatermark } = partition.log
    this.#next = startOffset + process.world.draw.int(highWatermark - startOffset + 1)
    this.#cursor = partition.log.follow(bytesCodecs, { from: this.#next, isolation: committed ? 'read_committed' : 'read_uncommitted' })
  }

  /** Takes everything up to the end as it is now. */
  async readOn(): Promise<void> {
    const { draw, counts } = this.#process.world
    const { log, model } = this.#partition
    counts.reads++
    this.#lookAtHeld()
    const end = this.#committed ? log.lastStableOffset : log.highWatermark
    const expected = this.#committed ? model.committed(this.#next, end, log.highWatermark) : model.records(this.#next, end)
    this.#cursor.extend(end)
    const what = `a consumer from ${this.#next} to ${end}`
    let index = 0
    for (;;) {
      const record = this.#cursor.take()
      if (record === undefined) {
        if (!this.#cursor.blocked) break
        const filled = await this.#process.settled(this.#cursor.fill())
        if (filled === undefined) return
        if ('error' in filled) throw filled.error
        continue
      }
      checkRecord(this.#partition, record, expected[index], what)
      if (draw.once(8) && this.#held.length < MOST_HELD) this.#held.push({ record, expected: expected[index]! })
      index++
      this.#next = record.offset + 1
    }
    this.#partition.check(index === expected.length, () => `${what} ended before offset ${expected[index]?.offset}`)
    this.#next = Math.max(this.#next, end)
  }

  /** Where it stands: below what it wants next when offsets in between were never stored. */
  get position(): number {
    return Math.min(this.#next, this.#cursor.position)
  }

  /** What it wanted next was deleted: it gets what it has in hand, and then is told. */
  async readDeleted(): Promise<void> {
    const { log } = this.#partition
    this.#cursor.extend(log.highWatermark)
    try {
      for (;;) {
        const record = this.#cursor.take()
        if (record !== undefined) this.#partition.check(record.offset >= this.#next, () => `a consumer from ${this.#next} got ${record.offset}`)
        else if (!this.#cursor.blocked) break
        else await this.#process.settled(this.#cursor.fill())
      }
    } catch (error) {
      if (!isLogError(error, 'LOG_OFFSET_OUT_OF_RANGE')) throw error
      return
    }
    const passed = this.#cursor.position >= log.startOffset || !this.#process.alive
    this.#partition.check(passed, () => `a consumer at ${this.#cursor.position} is told nothing, and the log begins at ${log.startOffset}`)
  }

  #lookAtHeld(): void {
    const { log } = this.#partition
    for (const { record, expected } of this.#held.splice(0)) {
      try {
        checkRecord(this.#partition, record, expected, 'a record that was held')
      } catch (error) {
        if (!isLogError(error, 'LOG_RECORD_GONE') || record.offset >= log.startOffset) throw error
      }
    }
  }
}

async function lookFromOutside(process: Process, partition: Partition): Promise<void> {
  const { world, disk } = process
  const { log, model } = partition
  if (!readable(partition) || log.state !== 'open') return
  world.counts.reads++
  const least = world.settings.config.durability === 'sync' ? log.highWatermark : 0
  const env = await environment(disk, ROOT, { clock: world.clock, readOnly: true })
  const opened = await process.settled(PartitionLog.open(env, {
    folder: folderOf(partition.number), topic: 't', partition: partition.number, topicId: TOPIC_ID, config: world.settings.config,
    create: false, following: true,
  }))
  if (opened === undefined) return
  if ('error' in opened) throw opened.error
  const other = opened.value
  const end = other.highWatermark
  partition.check(end >= least, () => `another process sees up to ${end}, and ${least} was acknowledged`)
  partition.check(end <= log.highWatermark, () => `another process sees up to ${end}, and only ${log.highWatermark} is acknowledged`)
  const start = other.startOffset
  const asked = start >= model.start && start <= Math.max(model.start, model.starting)
  partition.check(asked, () => `another process begins at ${start}, and the log at ${log.startOffset}`)
  checkSame(partition, other.read(bytesCodecs, { isolation: 'read_uncommitted' }), model.records(start, end), `another process that reads to ${end}`)
  await other.close()
  env.openFiles.closeAll()
}

/** Whether it is known what a reader gets: not while a cut has failed half-way. */
function readable({ log, model }: Partition): boolean {
  return log.state !== 'closed' && model.cutting === Infinity
}

/** The same, but a disk that fails may fail readers too. */
function onFailingDisk(read: (process: Process, partition: Partition) => void | Promise<void>): typeof read {
  const tolerant = async (process: Process, partition: Partition): Promise<void> => {
    try {
      await read(process, partition)
    } catch (error) {
      const failed = isLogError(error, 'LOG_IO') || isLogError(error, 'LOG_TOO_MANY_FILES') || systemCode(error) !== undefined
      if (process.alive && (process.healthy || !failed)) throw error
    }
  }
  return Object.defineProperty(tolerant, 'name', { value: read.name })
}
