/*
 * Whatever users do with consumers of a group, and whenever the log crashes, no record is lost or skipped: a record is handed out only when
 * all before it in its partition were done, and what was not done comes again. The model counts what was done.
 */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { CommitLog, type GroupConsumer, json, type LogRecord, type Topic } from '../../../src/index.ts'
import { SimulatedDisk } from '../../../src/testing/simulated-disk.ts'
import { diskLog, freshFolder } from '../harness.ts'
import { turns } from './harness.ts'

const PARTITIONS = 3

type Consumer = GroupConsumer<string, number, number>
type Rec = LogRecord<string, number>

const exits = ['end', 'break', 'throw', 'abort', 'close', 'commit and break', 'commit and throw'] as const

interface Step {
  /** Consumers that read at the same time. */
  readonly readers: readonly { readonly records: number; readonly exit: (typeof exits)[number]; readonly batches: boolean; readonly wait: number }[]
  readonly send: number
  readonly crash: 'none' | 'kill' | 'power'
  readonly assignors: 'cooperative-sticky' | 'range'
}

const step: fc.Arbitrary<Step> = fc.record({
  readers: fc.array(fc.record({
    records: fc.nat(12), exit: fc.constantFrom(...exits), batches: fc.boolean(), wait: fc.nat(5),
  }), { minLength: 1, maxLength: 3 }),
  send: fc.nat(12), crash: fc.constantFrom('none', 'none', 'kill', 'power'), assignors: fc.constantFrom('cooperative-sticky', 'range'),
})

/** What was done of each partition, and what was handed out. */
class Model {
  /** Offsets below are done, by somebody. */
  readonly done = new Array<number>(PARTITIONS).fill(0)
  readonly handed = new Array<number>(PARTITIONS).fill(0)
  readonly problems: string[] = []

  hand({ partition, offset }: Rec): void {
    if (offset > this.done[partition]!) this.problems.push(`${partition}@${offset} comes, and only ${this.done[partition]} are done`)
    this.handed[partition] = Math.max(this.handed[partition]!, offset + 1)
  }

  finish({ partition, offset }: Rec): void {
    this.done[partition] = Math.max(this.done[partition]!, offset + 1)
  }
}

class Enough extends Error {}

/** Reads as a user does who leaves in one of many ways. */
async function read(topic: Topic<string, number>, model: Model, how: Step['readers'][number], assignor: Step['assignors']): Promise<void> {
  const stop = new AbortController()
  const until = how.exit === 'end' ? { until: 'end' as const } : {}
  const consumer: Consumer = topic.consumer({
    group: 'g', autoCommitIntervalMs: 1, assignors: [assignor, assignor === 'range' ? 'cooperative-sticky' : 'range'], signal: stop.signal, ...until,
  })
  // Whoever waits for records that do not come is ended from outside.
  const impatient = how.exit === 'end' ? undefined : setTimeout(() => stop.abort(new Enough()), 60)
  try {
    if (how.batches) await readBatches(consumer, model, how, stop)
    else await readRecords(consumer, model, how, stop)
  } catch (error) {
    if (!(error instanceof Enough)) throw error
  } finally {
    clearTimeout(impatient)
    await consumer.close()
  }
}

async function readRecords(consumer: Consumer, model: Model, how: Step['readers'][number], stop: AbortController): Promise<void> {
  let left = how.records
  for await (const record of consumer) {
    model.hand(record)
    if (how.wait > 0) await turns(how.wait)
    if (left-- <= 0 && how.exit !== 'end') {
      if (how.exit.startsWith('commit')) {
        // It is done before its commit is asked for: a crash may come between the commit and its answer.
        model.finish(record)
        await consumer.commit(record).catch(() => {})
      }
      if (await leave(how.exit, consumer, stop)) break
      if (how.exit === 'close') continue
    }
    model.finish(record)                // the next thing is to ask for the next
  }
}

async function readBatches(consumer: Consumer, model: Model, how: Step['readers'][number], stop: AbortController): Promise<void> {
  let left = how.records
  for await (const batch of consumer.batches()) {
    model.hand(batch[0]!)
    if (how.wait > 0) await turns(how.wait)
    left -= batch.length
    if (left <= 0 && how.exit !== 'end') {
      if (await leave(how.exit, consumer, stop)) break
      if (how.exit === 'close') continue      // what a consumer that is closed has in hand is not done
    }
    for (const record of batch) model.finish(record)
  }
}

/** Leaves the loop in one of the ways; true for a break. */
async function leave(exit: Step['readers'][number]['exit'], consumer: Consumer, stop: AbortController): Promise<boolean> {
  if (exit.endsWith('throw')) throw new Enough()
  if (exit === 'abort') stop.abort(new Enough())
  if (exit === 'close') await consumer.close()
  return exit.endsWith('break')
}

/** Runs the steps on one disk, and reads on after the last: nothing may be missing then, and nothing may have been skipped. */
async function survive(steps: readonly Step[], seed: number): Promise<void> {
  let disk = new SimulatedDisk({ seed })
  const model = new Model()
  let sent = 0
  for (const { readers, send, crash, assignors } of steps) {
    const log = await CommitLog.open('/log', { files: disk })
    const topic = await log.topic('t', { partitions: PARTITIONS, value: json<number>() })
    await topic.send(Array.from({ length: send }, () => ({ value: sent, partition: sent++ % PARTITIONS })))
    const reading = Promise.allSettled(readers.map((how) => read(topic, model, how, assignors)))
    if (crash === 'none') {
      for (const result of await reading) if (result.status === 'rejected') throw result.reason
      await log.close()
      continue
    }
    await turns(seed & 15)
    disk = disk.crash({ power: crash === 'power' })
    void log.close().catch(() => {})
  }
  // In the end everything is there for who reads on.
  const log = await CommitLog.open('/log', { files: disk })
  const topic = await log.topic('t', { partitions: PARTITIONS, value: json<number>() })
  await read(topic, model, { records: Infinity, exit: 'end', batches: false, wait: 0 }, 'cooperative-sticky')
  await log.close()
  expect(model.problems).toEqual([])
  expect(model.done).toEqual([0, 1, 2].map((partition) => Math.ceil(Math.max(0, sent - partition) / PARTITIONS)))
}

test('no record is lost or skipped, whatever users do and whenever the log crashes', async () => {
  await fc.assert(fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 6 }), fc.integer(), survive), {
    numRuns: Number(process.env['RUNS'] ?? 25),
  })
}, 120_000)

// The property found it with seed 2061969130, path 7:5:1:1:2:0:1:2:7:6:17:21:8:8:8:8:8:8.
test('a commit counts when it is on the disk, though the crash comes before the one who asked for it hears of it', async () => {
  const nobody: Step = { readers: [{ records: 0, exit: 'end', batches: false, wait: 0 }], send: 0, crash: 'none', assignors: 'cooperative-sticky' }
  const crashed: Step = {
    readers: [{ records: 1, exit: 'commit and throw', batches: false, wait: 2 }], send: 2, crash: 'power', assignors: 'cooperative-sticky',
  }
  await survive([nobody, crashed, nobody], 6)
})

// Epochs --------------------------------------------------------------------------------------------------------------------------------

test('after a crash that took records back a commit is cut back to where the log left that history, never to the earliest or latest', async () => {
  let cut = 0
  for (let seed = 0; seed < 40; seed++) {
    const disk = new SimulatedDisk({ seed })
    const log = await CommitLog.open('/log', { files: disk, durability: 'os' })
    const topic = await log.topic('t', { value: json<number>() })
    await topic.send(Array.from({ length: 10 }, (_, value) => ({ value })))
    await topic.flush()
    for (let value = 10; value < 20; value++) await topic.send({ value })
    for await (const { value } of topic.consumer({ group: 'g' })) if (value === 18) break
    // The commit is on the disk, the records are not all.
    await (await log.topic('__consumer_offsets')).flush()
    const next = disk.crash({ power: true })
    void log.close().catch(() => {})
    const again = await CommitLog.open('/log', { files: next, durability: 'os' })
    const after = await again.topic('t', { value: json<number>() })
    const from = Math.min(18, after.partition(0).nextOffset)
    if (from < 18) cut++
    expect(from).toBeGreaterThanOrEqual(10)
    // What is at those offsets from now on are other records: they are read, and none of those that were read before.
    await after.send(Array.from({ length: 30 }, (_, value) => ({ value: 100 + value })))
    expect((await again.groups.lag('g'))[0]).toMatchObject({ committed: from })
    const seen: number[] = []
    for await (const { offset } of after.consumer({ group: 'g', until: 'end' })) seen.push(offset)
    expect(seen[0]).toBe(from)
    await again.close()
  }
  expect(cut).toBeGreaterThan(3)
})

test('a group that was far goes on on disk after the process ended without closing', async () => {
  const folder = freshFolder()
  const log = await diskLog(folder)
  const topic = await log.topic('t', { value: json<number>() })
  await topic.send(Array.from({ length: 10 }, (_, value) => ({ value })))
  for await (const { value } of topic.consumer({ group: 'g' })) if (value === 6) break
  await log.close()
  const again = await (await diskLog(folder)).topic('t', { value: json<number>() })
  for await (const { value } of again.consumer({ group: 'g', until: 'end' })) {
    expect(value).toBe(6)
    break
  }
})
