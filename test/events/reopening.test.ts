/*
 * A disk that fails under an event store: appends are refused until it is reopened, what was acknowledged is there, and whatever follows the
 * events goes on.
 */
import { expect, test } from 'vitest'
import { seededRandom } from '../../src/base/random.ts'
import { eventStore } from '../../src/events/event-store.ts'
import { projectInto } from '../../src/events/project-into.ts'
import { defineProjection } from '../../src/events/projection-types.ts'
import { project } from '../../src/events/projections.ts'
import { react } from '../../src/events/reactor.ts'
import { CommitLog } from '../../src/index.ts'
import { SimulatedDisk } from '../../src/testing/simulated-disk.ts'
import { failure } from '../topics/harness.ts'

type Noted = { readonly type: 'Noted' | 'Echoed'; readonly data: number }

test('a store that was fenced is reopened, and all that follow it have each event once', async () => {
  const disk = new SimulatedDisk({ seed: 1 })
  const log = await CommitLog.open('/log', { files: disk, random: seededRandom(1), minFreeBytes: 0 })
  const notes = await eventStore<Noted>(log, { category: 'note' })
  const counts = await project(notes, defineProjection<Noted, number[]>({
    name: 'counts', initial: () => [], on: { Noted: (row, { data }) => [...row, data] },
  }))
  const inline = await project(notes, defineProjection<Noted, number>({
    name: 'sum', inline: true, initial: () => 0, on: { Noted: (row, { data }) => row + data },
  }))
  const echo = await react(notes, {
    name: 'echo', types: ['Noted'], retry: { attempts: 1 },
    handle: ({ data }, { append }) => append('echo', { type: 'Echoed', data }),
  })
  const database = { rows: [] as number[], checkpoint: null as string | null }
  const follower = await projectInto(notes, {
    name: 'rows', types: ['Noted'], checkpoint: () => database.checkpoint,
    write: (events, checkpoint) => {
      database.rows.push(...events.map(({ data }) => data))
      database.checkpoint = checkpoint
    },
  })
  const followers = [counts, echo, follower]
  await notes.append('a', { type: 'Noted', data: 1 })
  await Promise.all(followers.map((one) => one.caughtUp()))
  disk.inject({ verb: 'write', path: /note-0.*log$/, error: 'EIO', times: 1 })
  expect((await failure(() => notes.append('a', { type: 'Noted', data: 2 }))).code).toBe('LOG_FENCED')
  expect((await failure(() => notes.append('a', { type: 'Noted', data: 3 }))).code).toBe('LOG_FENCED')
  expect((await notes.read('a')).version).toBe(1)
  disk.heal()
  await Promise.all([notes.reopen(), notes.reopen()])
  await notes.reopen()
  expect(await notes.append('a', { type: 'Noted', data: 4 }, { expected: 1 })).toMatchObject({ version: 2 })
  for (const one of followers) if (one.progress().status === 'failed') await one.resume()
  await notes.append('a', { type: 'Noted', data: 5 })
  await Promise.all(followers.map((one) => one.caughtUp()))
  expect([counts.get('a'), inline.get('a'), database.rows]).toEqual([[1, 4, 5], 10, [1, 4, 5]])
  expect((await notes.read('echo')).events.map(({ data }) => data)).toEqual([1, 4, 5])
  await Promise.all([counts.close(), inline.close(), echo.close(), follower.close()])
  await log.close()
})
