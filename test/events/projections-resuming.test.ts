import { expect, test } from 'vitest'
import { eventStore } from '../../src/events/event-store.ts'
import { defineProjection, type Projection } from '../../src/events/projection-types.ts'
import { project } from '../../src/events/projections.ts'
import { type EventStore } from '../../src/events/types.ts'
import { type Codec, json } from '../../src/index.ts'
import { failure, memoryLog } from '../topics/harness.ts'

type Counted = { readonly type: 'Counted'; readonly data: { readonly number: number } }

const ROWS = 640

/** A codec by which a table is loaded in many turns of the event loop. */
function slowCodec(): Codec<number> {
  const { encode, decode } = json<number>()
  return {
    name: 'slow', encode,
    decode: (...given) => {
      spend()
      return decode(...given)
    },
  }
}

/** So much that 64 of it are more than a slice. */
function spend(): void {
  for (const end = performance.now() + 0.1; performance.now() < end;);
}

async function append(store: EventStore<Counted>, from: number): Promise<void> {
  const events = Array.from({ length: ROWS }, (_, index) => ({ type: 'Counted' as const, data: { number: from + index } }))
  await store.append(`s-${from}`, events)
}

/** A projection that stands before an event, with rows behind it, and more events to come. */
async function standing(): Promise<{ store: EventStore<Counted>; counts: Projection<number>; mend: () => void }> {
  const store = await eventStore<Counted>(await memoryLog(), { category: 'numbers' })
  let broken = true
  const counts = await project(store, defineProjection<Counted, number>({
    name: 'counts', key: (event) => String(event.data.number % ROWS), initial: () => 0, value: slowCodec(),
    on: {
      Counted: (row, { data: { number } }) => {
        if (broken && number === ROWS) throw new Error('no')
        spend()
        return row + 1
      },
    },
  }))
  await append(store, 0)
  await counts.caughtUp()
  await counts.flush()
  await append(store, ROWS)
  await append(store, ROWS * 2)
  expect((await failure(() => counts.caughtUp())).code).toBe('LOG_PROJECTION_FAILED')
  return { store, counts, mend: () => { broken = false } }
}

async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve))
}

test('who resumes it while another one does loses no event', async () => {
  const { counts, mend } = await standing()
  await turns(50)
  mend()
  const first = counts.resume()
  await turns(4)
  await Promise.all([first, counts.resume()])
  await counts.caughtUp()
  expect(new Set([...counts.entries()].map(([, count]) => count))).toEqual(new Set([3]))
  await counts.close()
})

test('who has rows built anew that stood still is told when it is closed meanwhile', async () => {
  const { store, counts, mend } = await standing()
  mend()
  await counts.resume()
  await counts.caughtUp()
  let broken = true
  const twice = await project(store, defineProjection<Counted, number>({
    name: 'twice', key: (event) => String(event.data.number % ROWS), initial: () => 0, value: slowCodec(),
    on: { Counted: (row, { data: { number } }) => { if (broken && row === 0 && number === ROWS - 1) throw new Error('no'); return row + 1 } },
  }))
  await failure(() => twice.caughtUp())
  broken = false
  await twice.resume()
  await twice.caughtUp()
  broken = true
  expect((await failure(() => twice.rebuild())).code).toBe('LOG_PROJECTION_FAILED')
  await turns(50)
  broken = false
  const again = failure(() => twice.rebuild())
  await turns(2)
  await twice.close()
  expect(await Promise.race([again, turns(1000)])).toMatchObject({ code: 'LOG_CLOSED' })
  await counts.close()
})

test('rows are built anew beside those that stand still', async () => {
  const { counts, mend } = await standing()
  mend()
  await counts.rebuild()
  expect(counts.progress()).toMatchObject({ status: 'following', error: undefined })
  await counts.caughtUp()
  expect(counts.get('0')).toBe(3)
  await counts.close()
})
