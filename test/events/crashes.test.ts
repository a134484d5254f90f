/*
 * Projections, reactors and a crash at every single call to the disk that changes something: a script runs once, and at each call the disk is
 * copied as a kill, or a power cut, would leave it. In each copy the rows of a projection must be the fold of the events below its position,
 * whatever was lost, and of all events once it has caught up; and what a reactor made of each event must be there once. SEED=<seed> repeats a run.
 */
import { expect, test } from 'vitest'
import { seededRandom } from '../../src/base/random.ts'
import { defineEvents } from '../../src/events/define-events.ts'
import { eventStore } from '../../src/events/event-store.ts'
import { defineProjection, type Projection } from '../../src/events/projection-types.ts'
import { project, projectionTables } from '../../src/events/projections.ts'
import { deleteStream, freeForgotten, truncateStream } from '../../src/events/forgetting.ts'
import { react, type Reactor } from '../../src/events/reactor.ts'
import { type EventStore } from '../../src/events/types.ts'
import { CommitLog, type Durability } from '../../src/index.ts'
import { type DiskCall } from '../../src/testing/disk-faults.ts'
import { SimulatedDisk } from '../../src/testing/simulated-disk.ts'

type Counted = { readonly type: 'Counted'; readonly data: { readonly by: number } } | { readonly type: 'Reset'; readonly data: null }

const SEED = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 31))
const FOLDER = '/log'
const CHANGING = new Set([
  'open', 'write', 'writeAsync', 'truncate', 'sync', 'syncFolder', 'rename', 'remove', 'removeAsync', 'removeAll', 'createFolder',
])

const Counters = defineEvents<Counted>('counter', { settings: { segmentBytes: 1200, maxMessageBytes: 1000, batchSize: 300 } })
const Sums = defineProjection<Counted, { sum: number; readonly positions: number[] }>({
  name: 'sums', storeEveryMs: 0, initial: () => ({ sum: 0, positions: [] }),
  on: {
    Counted: (row, event) => {
      row.sum += event.data.by
      row.positions.push(event.position)
    },
    Reset: () => null,
  },
})

interface Left {
  readonly what: string
  readonly disk: SimulatedDisk
  readonly stored: typeof stored
}

for (const durability of ['sync', 'os'] as const satisfies readonly Durability[]) {
  test(`whatever call a crash comes at, rows are the fold of the events below their position (durability '${durability}')`, async () => {
    await everywhere(durability, projecting, projected)
  }, 200_000)

  test(`whatever call a crash comes at, each event is reacted to once (durability '${durability}')`, async () => {
    await everywhere(durability, reacting, reacted)
  }, 200_000)
}

test('whatever call a crash comes at, forgetting forgets what was to be forgotten, and nothing else', async () => {
  await everywhere('sync', forgetting, forgotten)
}, 200_000)

/** What the script knows to be stored at the moment: versions of streams, and the first kept. */
let stored: Record<string, { readonly version: number; readonly from: number }> = {}

type Script = (counters: EventStore<Counted>) => Promise<void>
type Check = (counters: EventStore<Counted>, log: CommitLog) => Promise<void>

async function everywhere(durability: Durability, script: Script, check: Check): Promise<void> {
  const all: Left[] = []
  const onCall = ({ number, verb, path }: DiskCall, disk: SimulatedDisk): void => {
    if (disk !== first || !CHANGING.has(verb)) return
    const power = (number + SEED) % 2 === 0
    const what = `call ${number}: ${verb} ${path}, ${power ? 'power cut' : 'killed'}`
    all.push({ what, disk: disk.fork(SEED + number, { power }), stored: { ...stored } })
  }
  const first: SimulatedDisk = new SimulatedDisk({ seed: SEED, onCall })
  stored = {}
  await opened(first, durability, script)
  for (const { what, disk, stored: known } of all) {
    stored = known
    try {
      await opened(disk, undefined, check)
    } catch (error) {
      throw new Error(`SEED=${SEED}, ${what}: ${(error as Error).message}`, { cause: error })
    }
  }
  console.log(`${durability}: ${all.length} crashes, SEED=${SEED}`)
  expect(all.length).toBeGreaterThan(60)
}

async function opened(disk: SimulatedDisk, durability: Durability | undefined, work: Check): Promise<void> {
  const log = await CommitLog.open(FOLDER, { files: disk, random: seededRandom(SEED), ...(durability !== undefined && { durability }) })
  await work(await eventStore(log, Counters), log)
  await log.close()
}

async function projecting(counters: EventStore<Counted>): Promise<void> {
  const sums = await project(counters, Sums)
  await append(counters, 8)
  await sums.caughtUp()
  await sums.flush()
  await append(counters, 5)
  await counters.append('c-1', { type: 'Reset', data: null })
  const rebuilt = sums.rebuild()
  await append(counters, 5)
  await rebuilt
  await append(counters, 3)
  await sums.caughtUp()
  await sums.close()
}

async function projected(counters: EventStore<Counted>, log: CommitLog): Promise<void> {
  const sums = await project(counters, Sums)
  expect(rowsOf(sums)).toEqual(await folded(counters, sums.position))
  await sums.caughtUp()
  expect(rowsOf(sums)).toEqual(await folded(counters, Infinity))
  await append(counters, 2)
  await sums.caughtUp()
  expect(rowsOf(sums)).toEqual(await folded(counters, Infinity))
  await sums.close()
  expect(projectionTables(log.core, 'counter').length).toBeLessThanOrEqual(2)
}

function echoing(counters: EventStore<Counted>): Promise<Reactor> {
  return react(counters, {
    name: 'echo', types: ['Counted'], retry: { attempts: 1 },
    handle: (event, { append }) => {
      if (!event.stream.startsWith('echo')) append(`echo-${event.stream}`, { type: 'Counted', data: event.data })
    },
  })
}

async function reacting(counters: EventStore<Counted>): Promise<void> {
  const echo = await echoing(counters)
  for (let round = 0; round < 4; round++) {
    await append(counters, 3)
    if (round % 2 === 0) await echo.caughtUp()
  }
  await echo.caughtUp()
  await echo.close()
}

async function reacted(counters: EventStore<Counted>): Promise<void> {
  const echo = await echoing(counters)
  await append(counters, 1)
  await echo.caughtUp()
  const causes: string[] = []
  const echoes: (string | undefined)[] = []
  for await (const event of counters.all({ until: 'end' })) {
    if (event.stream.startsWith('echo')) echoes.push(event.metadata.causation)
    else causes.push(event.id)
  }
  expect(echoes).toEqual(causes)
  await echo.close()
}

async function forgetting(counters: EventStore<Counted>): Promise<void> {
  for (let version = 1; version <= 8; version++) {
    for (const stream of ['kept', 'deleted', 'truncated']) {
      await counters.append(stream, { type: 'Counted', data: { by: version } })
      stored = { ...stored, [stream]: { version, from: 1 } }
    }
  }
  await deleteStream(counters, 'deleted')
  stored = { ...stored, deleted: { version: 8, from: 9 } }
  await truncateStream(counters, 'truncated', { before: 6 })
  stored = { ...stored, truncated: { version: 8, from: 6 } }
  await freeForgotten(counters)
  await counters.append('kept', { type: 'Counted', data: { by: 9 } })
  stored = { ...stored, kept: { version: 9, from: 1 } }
}

async function forgotten(counters: EventStore<Counted>): Promise<void> {
  const check = async (): Promise<void> => {
    for (const [stream, { version, from }] of Object.entries(stored)) {
      const slice = await counters.read(stream)
      expect(slice.version).toBeGreaterThanOrEqual(version)
      const first = slice.events[0]?.version ?? slice.version + 1
      // What was under way may have come further than its promise.
      expect(first).toBeGreaterThanOrEqual(from)
      expect([1, 6, slice.version + 1]).toContain(first)
      expect(slice.events.map(({ data }) => data?.by)).toEqual(Array.from({ length: slice.version + 1 - first }, (_, index) => first + index))
    }
  }
  await check()
  await deleteStream(counters, 'deleted')
  if (counters.head('truncated') >= 5) await truncateStream(counters, 'truncated', { before: 6 })
  await freeForgotten(counters)
  await check()
  expect(counters.exists('deleted')).toBe(false)
  const next = counters.head('deleted') + 1
  expect((await counters.append('deleted', { type: 'Counted', data: { by: next } }, { expected: 'none' })).version).toBe(next)
}

async function append(counters: EventStore<Counted>, count: number): Promise<void> {
  for (let number = 1; number <= count; number++) await counters.append(`c-${number % 3}`, { type: 'Counted', data: { by: number } })
}

function rowsOf(sums: Projection<{ readonly sum: number; readonly positions: readonly number[] }>): unknown {
  return Object.fromEntries([...sums.entries()].map(([key, { sum, positions }]) => [key, { sum, positions: [...positions] }]))
}

async function folded(counters: EventStore<Counted>, before: number): Promise<unknown> {
  const rows: Record<string, { sum: number; positions: number[] }> = {}
  for await (const event of counters.all({ until: 'end' })) {
    if (event.position >= before) break
    if (event.type === 'Reset') delete rows[event.stream]
    else {
      const row = (rows[event.stream] ??= { sum: 0, positions: [] })
      row.sum += event.data.by
      row.positions.push(event.position)
    }
  }
  return rows
}
