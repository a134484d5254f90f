/*
 * What outlives the processes of one life: the disk, the clock, the models of the partitions, the draw, and the first thing that was found
 * to be wrong.
 */
import { ManualClock } from '../../src/testing/manual-clock.ts'
import { type DiskCall } from '../../src/testing/disk-faults.ts'
import { SimulatedDisk } from '../../src/testing/simulated-disk.ts'
import { Draw } from './draw.ts'
import { type History, SimulationFailure } from './history.ts'
import { PartitionModel } from './model.ts'
import { type LifeSettings, PLENTY } from './settings.ts'

/** The folder of the log. */
export const ROOT = '/log'

/** What a life did, for the counts that are printed. */
export interface Counts {
  appends: number
  batches: number
  duplicates: number
  transactions: number
  reads: number
  powerCuts: number
  kills: number
  closes: number
  faults: number
  reopens: number
  cuts: number
  deletions: number
}

/** Turns of the event loop without a call to the disk after which nothing is taken to come any more. */
const QUIET_TURNS = 8

/** Everything that the processes of a life share. */
export class World {
  readonly draw: Draw
  readonly settings: LifeSettings
  readonly history: History | undefined
  readonly models: PartitionModel[]
  readonly clock: ManualClock
  readonly counts: Counts = {
    appends: 0, batches: 0, duplicates: 0, transactions: 0, reads: 0, powerCuts: 0, kills: 0, closes: 0, faults: 0, reopens: 0, cuts: 0, deletions: 0,
  }
  /** The disk of the process that runs, or of the next one. */
  disk: SimulatedDisk
  /** Some power was cut since the partitions were compared with their models. */
  powerLost = false
  /** The last process closed everything in good order. */
  closed = false
  /** The epochs of some partition were damaged: what they say of old offsets is not checked any more. */
  epochsDamaged = false
  /** Called before each call to the disk that runs does anything. */
  onCall: (call: DiskCall) => void = () => {}
  /** Numbers every value, so that no two are alike. */
  values = 0
  #failure: Error | undefined

  constructor(seed: number, settings: (draw: Draw) => LifeSettings, history?: History) {
    this.draw = new Draw(seed)
    this.settings = settings(this.draw)
    this.history = history
    this.models = Array.from({ length: this.settings.partitions }, () => new PartitionModel())
    this.clock = new ManualClock({ settle: () => this.quiet() })
    this.disk = new SimulatedDisk({
      seed: this.draw.seed(), clock: this.clock, capacity: PLENTY, journalLimit: 100, onCall: (call, disk) => this.#called(call, disk),
    })
    this.disk.createFolderSync(ROOT)
  }

  /** Takes note of what happens, when somebody wants to know. */
  note(line: string): void {
    this.history?.add(line)
  }

  /** Keeps the first thing that is wrong; `look` throws it. */
  fail(error: unknown): void {
    this.#failure ??= error instanceof Error ? error : new SimulationFailure(String(error))
    this.note(`FAILED: ${this.#failure.message}`)
  }

  /** Throws what was found to be wrong so far. */
  look(): void {
    if (this.#failure !== undefined) throw this.#failure
  }

  check(condition: boolean, what: () => string): asserts condition {
    if (!condition) throw new SimulationFailure(what())
  }

  /** Lets the event loop turn. */
  async turns(count: number): Promise<void> {
    for (let turn = 0; turn < count; turn++) await nextTurn()
    this.look()
  }

  /** Waits until nobody calls the disk any more. */
  async quiet(): Promise<void> {
    for (let quiet = 0; quiet < QUIET_TURNS; quiet++) {
      if (this.disk.underWay.length > 0) quiet = 0
      await nextTurn()
    }
  }

  #called(call: DiskCall, disk: SimulatedDisk): void {
    if (disk !== this.disk) return
    if (this.history !== undefined && changes(call)) this.history.add(call)
    this.onCall(call)
  }
}

/** Resolves in the next turn of the event loop, when what was due before it is done. */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

function changes({ verb, detail }: DiskCall): boolean {
  return verb === 'open' ? detail === 'create' : !['stat', 'list', 'read', 'size', 'free'].includes(verb)
}
