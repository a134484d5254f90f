/*
 * What an open log does by itself, now and then: old segments go, compacted topics are cleaned, forgotten offsets and ids expire. One timer
 * for all of it, that keeps no process alive, and none while no task is asked for. Tasks run one after the other; what one fails with is
 * told and never thrown, and it is tried again when it is next due.
 */
import { type Clock, type Timer } from '../base/clock.ts'

/** As long as a timer can be. */
const LONGEST_TIMER_MS = 0x7fff_ffff

/** Something that is to be done now and then. */
export interface HouseTask {
  readonly name: string
  /** Milliseconds of monotonic time between the end of one run and the next. */
  readonly everyMs: number
  /** Whether there is anything that asks for it. */
  wanted(): boolean
  /** Ends soon when the signal is aborted. */
  run(signal: AbortSignal): Promise<void>
}

interface Chore {
  readonly task: HouseTask
  /** Monotonic time; undefined while it is not wanted. */
  due: number | undefined
}

/** Runs the tasks of one log. */
export class Housekeeping {
  readonly #clock: Clock
  readonly #chores: readonly Chore[]
  readonly #failed: (task: string, error: unknown) => void
  /** Ends the task that runs. */
  #ending: AbortController | undefined
  #closed = false
  #timer: Timer | undefined
  #timerDue = Infinity
  #running: Promise<void> | undefined

  constructor(clock: Clock, tasks: readonly HouseTask[], failed: (task: string, error: unknown) => void) {
    this.#clock = clock
    this.#chores = tasks.map((task) => ({ task, due: undefined }))
    this.#failed = failed
  }

  /** Looks which tasks are asked for by now; one that was not before is due after its time. */
  look(): void {
    if (this.#closed) return
    for (const chore of this.#chores) {
      if (!chore.task.wanted()) chore.due = undefined
      else chore.due ??= this.#clock.monotonic() + chore.task.everyMs
    }
    if (this.#running === undefined) this.#arm()
  }

  /** Ends what runs, and waits for it. */
  async close(): Promise<void> {
    this.#closed = true
    this.#ending?.abort()
    this.#timer?.cancel()
    await this.#running
  }

  #arm(): void {
    const due = Math.min(Infinity, ...this.#chores.map((chore) => chore.due ?? Infinity))
    if (due === this.#timerDue) return
    this.#timer?.cancel()
    this.#timer = undefined
    this.#timerDue = due
    if (due === Infinity) return
    const delay = Math.min(LONGEST_TIMER_MS, Math.max(0, due - this.#clock.monotonic()))
    this.#timer = this.#clock.setTimer(() => this.#start(), delay, { ref: false })
  }

  #start(): void {
    this.#timer = undefined
    this.#timerDue = Infinity
    this.#running = this.#runDue().finally(() => {
      this.#running = undefined
      this.look()
    })
  }

  async #runDue(): Promise<void> {
    // Made for the first run, which is long after the log was opened: most processes that open one have no other use for it yet.
    const { signal } = (this.#ending ??= new AbortController())
    for (const chore of this.#chores) {
      if (signal.aborted) return
      if (chore.due === undefined || chore.due > this.#clock.monotonic()) continue
      if (chore.task.wanted()) await chore.task.run(signal).catch((error: unknown) => this.#tell(chore.task.name, error))
      chore.due = this.#clock.monotonic() + chore.task.everyMs
    }
  }

  #tell(name: string, error: unknown): void {
    if (!this.#closed) this.#failed(name, error)
  }
}
