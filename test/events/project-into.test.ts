import { expect, test } from 'vitest'
import { defineEvents } from '../../src/events/define-events.ts'
import { eventStore, type LocalEventStore } from '../../src/events/event-store.ts'
import { projectInto } from '../../src/events/project-into.ts'
import { type CommitLog } from '../../src/index.ts'
import { diskLog, failure, freshFolder, memoryLog } from '../topics/harness.ts'

type Counted = { readonly type: 'Counted'; readonly data: { readonly by: number } } | { readonly type: 'Other'; readonly data: null }

const Counters = defineEvents<Counted>('counter')
const store = async (log?: CommitLog): Promise<LocalEventStore<Counted>> => eventStore(log ?? (await memoryLog()), Counters)

/** A database with transactions: what is written counts when all of it was. */
class Database {
  rows: number[] = []
  checkpoint: string | null = null
  writes = 0
  fail: 'before' | 'within' | undefined

  write(values: readonly number[], checkpoint: string): void {
    this.writes++
    if (this.fail === 'before') throw new Error('no connection')
    const [rows, before] = [[...this.rows], this.checkpoint]
    this.rows.push(...values)
    this.checkpoint = checkpoint
    if (this.fail !== 'within') return
    ;[this.rows, this.checkpoint] = [rows, before]
    throw new Error('rolled back')
  }
}

const into = (counters: LocalEventStore<Counted>, database: Database, batch?: number): ReturnType<typeof projectInto> => projectInto(counters, {
  name: 'sums', types: ['Counted'], retry: { attempts: 2, delayMs: 0 }, ...(batch !== undefined && { batch }),
  checkpoint: () => database.checkpoint, write: (events, checkpoint) => database.write(events.map(({ data }) => data.by), checkpoint),
})

async function count(counters: LocalEventStore<Counted>, from: number, to: number): Promise<void> {
  await counters.append('c', Array.from({ length: to - from + 1 }, (_, index) => ({ type: 'Counted' as const, data: { by: from + index } })))
  await counters.append('c', { type: 'Other', data: null })
}
const numbers = (to: number): number[] => Array.from({ length: to }, (_, index) => index + 1)

test('the database gets each event once, in batches with their checkpoint, and goes on from there', async () => {
  const counters = await store()
  const database = new Database()
  await count(counters, 1, 25)
  const first = await into(counters, database, 10)
  await first.caughtUp()
  expect([database.rows, database.writes]).toEqual([numbers(25), 3])
  await first.close()
  await count(counters, 26, 30)
  const second = await into(counters, database, 10)
  await second.caughtUp()
  await count(counters, 31, 33)
  await second.caughtUp()
  expect(database.rows).toEqual(numbers(33))
  expect(second.progress()).toMatchObject({ name: 'sums', lag: 0, status: 'following' })
  await second.close()
})

for (const fail of ['before', 'within'] as const) {
  test(`a write that fails ${fail} its transaction is tried again, stops it, and nothing is lost or repeated`, async () => {
    const counters = await store()
    const database = new Database()
    const follower = await into(counters, database, 4)
    await count(counters, 1, 6)
    await follower.caughtUp()
    database.fail = fail
    const before = database.writes
    await count(counters, 7, 17)
    expect(await failure(() => follower.caughtUp())).toMatchObject({ code: 'LOG_PROJECTION_FAILED', detail: { name: 'sums' } })
    expect(database.writes - before).toBe(2)
    expect(follower.progress().status).toBe('failed')
    database.fail = undefined
    await follower.resume()
    await follower.caughtUp()
    expect(database.rows).toEqual(numbers(17))
    await follower.close()
  })
}

test('a database that knows events which the store does not have is told so', async () => {
  const folder = freshFolder()
  const log = await diskLog(folder)
  const counters = await store(log)
  await count(counters, 1, 5)
  const database = new Database()
  const follower = await into(counters, database)
  await follower.caughtUp()
  await follower.close()
  const { checkpoint } = database
  database.checkpoint = checkpoint!.replace(/:\d+$/, ':900')
  const ahead = await failure(() => into(counters, database))
  expect(ahead).toMatchObject({ code: 'LOG_CHECKPOINT_AHEAD', detail: { name: 'sums', position: 900, common: 6 } })
  database.checkpoint = 'yesterday'
  expect((await failure(() => into(counters, database))).code).toBe('LOG_DECODE_FAILED')
})

test('the checkpoint moves on though no event is wanted for long', async () => {
  const counters = await store()
  const database = new Database()
  const follower = await into(counters, database)
  for (let round = 0; round < 11; round++) await counters.append('c', Array.from({ length: 1000 }, () => ({ type: 'Other' as const, data: null })))
  await follower.caughtUp()
  expect(database.rows).toEqual([])
  expect(Number(database.checkpoint?.split(':')[1])).toBeGreaterThanOrEqual(10_000)
  await follower.close()
})

test('a write that a close breaks off leaves its events to the next run', async () => {
  const counters = await store()
  const database = { sum: 0, checkpoint: null as string | null }
  let down = true
  const start = (): ReturnType<typeof projectInto> => projectInto(counters, {
    name: 'sums', batch: 1, checkpoint: () => database.checkpoint, retry: { delayMs: 60_000 },
    write: (events, checkpoint) => {
      if (down) throw new Error('down')
      database.sum += events.length
      database.checkpoint = checkpoint
    },
  })
  await count(counters, 1, 3)
  const first = await start()
  await new Promise(setImmediate)
  const closing = first.close()
  down = false
  await closing
  expect(database.sum).toBe(0)
  const second = await start()
  await second.caughtUp()
  expect(database.sum).toBe(4)
  await second.close()
})
