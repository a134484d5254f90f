/*
 * classic-level (LevelDB) as a log: values by an 8-byte big-endian key, in batches of 1,000. Unsynced work syncs with its last batch;
 * synced work gives `sync: true` with each put, and gathers several in flight to a batch by hand, since LevelDB merges only what its four
 * threads wait for.
 */
import { join } from 'node:path'
import { GroupCommit, timedCallers } from '../group-commit.ts'
import { type Figures, type Job, numbers, type Subject, values, watch } from '../job.ts'

interface Put {
  readonly type: 'put'
  readonly key: Buffer
  readonly value: Buffer
}
interface Database {
  open(): Promise<void>
  put(key: Buffer, value: Buffer, options: object): Promise<void>
  batch(puts: readonly Put[], options: object): Promise<void>
  getSync(key: Buffer): Buffer | undefined
  iterator(): { nextv(count: number): Promise<[Buffer, Buffer][]>; close(): Promise<void> }
  close(): Promise<void>
}

const PUTS_PER_BATCH = 1000

/** classic-level. */
export const classicLevel: Subject = { append, fill: append, sync, scan, random }

async function open(job: Job): Promise<Database> {
  const name = 'classic-level'
  const { ClassicLevel } = await import(name) as { ClassicLevel: new (path: string, options: object) => Database }
  const database = new ClassicLevel(join(job.folder, 'level'), { keyEncoding: 'buffer', valueEncoding: 'buffer' })
  await database.open()
  return database
}

function keyOf(number: number): Buffer {
  const key = Buffer.allocUnsafe(8)
  key.writeUInt32BE(0, 0)
  key.writeUInt32BE(number, 4)
  return key
}

async function append(job: Job): Promise<Figures> {
  const database = await open(job)
  const payloads = values(job.bytes)
  const stop = watch()
  for (let index = 0; index < job.records;) {
    const end = Math.min(index + PUTS_PER_BATCH, job.records)
    const puts: Put[] = []
    for (; index < end; index++) puts.push({ type: 'put', key: keyOf(index), value: payloads[index & 1023]! })
    await database.batch(puts, { sync: index === job.records })
  }
  await database.close()
  return stop(job.records)
}

async function sync(job: Job): Promise<Figures> {
  const database = await open(job)
  const group = new GroupCommit<Put>((puts) => database.batch(puts, { sync: true }))
  const figures = await timedCallers(job, job.inFlight === 1
    ? (value, number) => database.put(keyOf(number), value, { sync: true })
    : (value, number) => group.add({ type: 'put', key: keyOf(number), value }))
  await database.close()
  return figures
}

async function scan(job: Job): Promise<Figures> {
  const database = await open(job)
  let count = 0
  let seen = 0
  const stop = watch()
  const iterator = database.iterator()
  for (;;) {
    const entries = await iterator.nextv(PUTS_PER_BATCH)
    if (entries.length === 0) break
    for (const [, value] of entries) {
      seen += value[0]!
      count++
    }
  }
  const figures = stop(count)
  await iterator.close()
  await database.close()
  if (count !== job.records || seen === 0) throw new Error(`scanned ${count} of ${job.records} records`)
  return figures
}

/** Of the number of records that the fill of the same trial wrote. */
async function random(job: Job): Promise<Figures> {
  const database = await open(job)
  const below = numbers(3)
  let seen = 0
  const stop = watch()
  for (let index = 0; index < job.records; index++) seen += database.getSync(keyOf(below(job.filled!)))!.length
  const figures = stop(job.records)
  await database.close()
  if (seen !== job.records * job.bytes) throw new Error(`read ${seen} bytes`)
  return figures
}
