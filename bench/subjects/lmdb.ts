/*
 * lmdb as a log: values as binary by number. Puts of one turn of the event loop share a transaction that another thread commits, and with
 * the default settings the sync overlaps with later commits: a put's promise says committed, `flushed` says synced. Unsynced work awaits
 * `flushed` at its end, synced work with each put.
 */
import { join } from 'node:path'
import { timedCallers } from '../group-commit.ts'
import { type Figures, type Job, numbers, type Subject, values, watch } from '../job.ts'

interface Database {
  put(key: number, value: Buffer): Promise<boolean>
  /** A buffer of the caller's own. */
  getBinary(key: number): Buffer | undefined
  /** Memory that is used again by the next call. */
  getBinaryFast(key: number): Buffer | undefined
  getRange(): Iterable<{ readonly key: number; readonly value: Buffer }>
  getKeysCount(): number
  readonly flushed: Promise<boolean>
  close(): Promise<void>
}

/** lmdb. */
export const lmdb: Subject = { append, fill: append, sync, scan, random }

async function open(job: Job): Promise<Database> {
  const name = 'lmdb'
  const library = await import(name) as { open(path: string, options: object): Database }
  return library.open(join(job.folder, 'lmdb'), { encoding: 'binary', keyEncoding: 'uint32' })
}

async function append(job: Job): Promise<Figures> {
  const database = await open(job)
  const payloads = values(job.bytes)
  const stop = watch()
  for (let index = 0; index < job.records; index++) {
    const put = database.put(index, payloads[index & 1023]!)
    if (index % 10_000 === 9999) await put
  }
  await database.flushed
  await database.close()
  return stop(job.records)
}

async function sync(job: Job): Promise<Figures> {
  const database = await open(job)
  const figures = await timedCallers(job, async (value, number) => {
    await database.put(number, value)
    await database.flushed
  })
  await database.close()
  return figures
}

async function scan(job: Job): Promise<Figures> {
  const database = await open(job)
  let count = 0
  let seen = 0
  const stop = watch()
  for (const { value } of database.getRange()) {
    seen += value[0]!
    count++
  }
  const figures = stop(count)
  await database.close()
  if (count !== job.records || seen === 0) throw new Error(`scanned ${count} of ${job.records} records`)
  return figures
}

/** `how`: "lent" for memory that is valid until the next read; else values are copies, as those of other stores. */
async function random(job: Job): Promise<Figures> {
  const database = await open(job)
  const read = job.how === 'lent' ? (key: number) => database.getBinaryFast(key) : (key: number) => database.getBinary(key)
  const total = database.getKeysCount()
  const below = numbers(3)
  let seen = 0
  const stop = watch()
  for (let index = 0; index < job.records; index++) seen += read(below(total))!.length
  const figures = stop(job.records)
  await database.close()
  if (seen !== job.records * job.bytes) throw new Error(`read ${seen} bytes`)
  return figures
}
