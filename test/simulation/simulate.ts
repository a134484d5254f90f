/*
 * One simulated life of a log: random appends, transactions, reads, rolls, cuts and faults over a disk that may break every promise it has
 * not synced, through several processes that close in good order, are killed, or lose their power at any call to the disk. After each of
 * them every partition is compared with a model (model.ts, compare.ts):
 *
 *   - nothing acknowledged is lost: as far as its durability promises for this kind of crash,
 *   - nothing is invented: what is there was appended at that offset, in that order, with those bytes,
 *   - what a cut or a fence took away does not come back.
 *
 * Everything is drawn from one seed: the same seed is the same life, call by call.
 */
import { append, burst, sendAgain, sendBatch, sendWrong, transact, waitForOne } from './appending.ts'
import { cut, deleteRecords, flush, passTime, reopen, retain, roll } from './changing.ts'
import { type Choice, type Draw } from './draw.ts'
import { History } from './history.ts'
import { type Partition } from './partition.ts'
import { Process } from './process.ts'
import { consume, lookOn, readRange, readSingles } from './reading.ts'
import { drawSettings, type LifeSettings } from './settings.ts'
import { damageDisposable, doubt, fail, failMark, failOpening, heal, rob } from './trouble.ts'
import { type Counts, World } from './world.ts'

type Action = (process: Process, partition: Partition) => void | Promise<void>

/** What may happen, and how often. */
const actions: readonly Choice<Action>[] = [
  [24, append], [8, burst], [8, sendBatch], [3, sendAgain], [2, sendWrong], [8, transact], [6, waitForOne],
  [4, flush], [3, roll], [2, cut], [4, reopen], [3, passTime], [2, deleteRecords], [2, retain],
  [4, readRange], [3, readSingles], [4, consume], [1, lookOn],
  [3, fail], [1, failMark], [1, heal], [1, doubt], [1, rob],
]

/** Calls to the disk after which a process dies, in an order of magnitude that is drawn. */
const crashRanges = [30, 100, 400, 1000]

/** Lines of the history that a failure shows. */
const SHOWN_LINES = 150

/** How a life is lived. */
export interface LifeOptions {
  /** Takes note of what happens. */
  readonly history?: History
  /** Default: {@link drawSettings}. */
  readonly settings?: (draw: Draw) => LifeSettings
}

/** Lives through the life that `seed` describes, and gives what it did. Throws what was wrong with it. */
export async function simulate(seed: number, options: LifeOptions = {}): Promise<Counts> {
  const world = new World(seed, options.settings ?? drawSettings, options.history)
  world.note(JSON.stringify(world.settings))
  const processes = 1 + world.draw.int(5)
  for (let number = 0; number < processes; number++) {
    await live(world, 10 + world.draw.int(40))
    if (world.settings.damage && world.draw.once(2)) damageDisposable(world)
  }
  await finish(world)
  return world.counts
}

/** As {@link simulate}; a failure is lived through once more, and tells what happened. */
export async function simulateAndTell(seed: number): Promise<Counts> {
  try {
    return await simulate(seed)
  } catch (failure) {
    const history = new History()
    const again = await simulate(seed, { history }).then(() => undefined, (error: unknown) => error)
    const same = again instanceof Error && failure instanceof Error && again.message === failure.message
    const message = failure instanceof Error ? failure.message : String(failure)
    const lines = same ? history.tail(SHOWN_LINES) : 'The second time it went another way.'
    throw new Error(`SEED=${seed}: ${message}\n${lines}`, { cause: failure })
  }
}

/** One process: it opens everything, does `steps` things, and closes or dies; or it dies on the way. */
export async function live(world: World, steps: number): Promise<void> {
  const { draw, settings } = world
  const process = new Process(world)
  const end = draw.weighted([[4, 'power'], [2, 'kill'], [2, 'close']])
  world.onCall = () => {}
  if (!draw.once(3)) dieAtCall(process, draw.int(draw.pick(...crashRanges)), end !== 'kill')
  if (!(await process.open(settings.faults && draw.once(6) ? failOpening : undefined))) return
  for (let step = 0; step < steps && process.alive; step++) await act(process)
  if (end === 'close' && (await process.close())) return
  process.die(end === 'power')
  await world.turns(2)
}

/** A last process that only opens and closes. */
export async function finish(world: World): Promise<void> {
  world.onCall = () => {}
  const process = new Process(world)
  await process.open()
  await process.close()
}

async function act(process: Process): Promise<void> {
  const { world, partitions } = process
  const partition = partitions[world.draw.int(partitions.length)]!
  const action = world.draw.weighted(actions)
  const { log } = partition
  world.note(`${partition.name} ${action.name}: next ${log.nextOffset}, acknowledged ${log.durableOffset}, ${log.state}`)
  await action(process, partition)
  process.noteSeen()
  if (world.draw.once(3)) await world.turns(world.draw.int(6))
  world.look()
}

/** Lets a process die in the middle of whatever it does at its `count`-th call to the disk from now on. */
function dieAtCall(process: Process, count: number, power: boolean): void {
  const { world } = process
  const { callCount } = process.disk
  world.onCall = ({ number }) => {
    if (number > callCount + count) process.die(power)
  }
}
