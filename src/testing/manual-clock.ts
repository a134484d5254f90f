/*
 * A clock that moves when it is told to. Timers fire in the order of their times, and what they start gets its turn before the next one:
 * a test of an hour takes no time and always goes the same way.
 */
import { type Clock, systemClock, type Timer } from '../base/clock.ts'

/** What a {@link ManualClock} may be told. */
export interface ManualClockOptions {
  /** Wall time at the start, ms since 1970. Default: 1 January 2026. */
  readonly now?: number
  /** Awaited after every timer, so that what it started can end: for instance `() => disk.runUntilIdle()`. Default: a few turns. */
  readonly settle?: () => Promise<void>
}

interface Waiting {
  readonly callback: () => void
  readonly at: number
}

/** How many timers `runUntilIdle` fires before it takes them for a loop that never ends. */
export const MOST_TIMERS = 100_000

/** A clock for tests. */
export class ManualClock implements Clock {
  readonly #settle: () => Promise<void>
  #wall: number
  #monotonic = 0
  #waiting: Waiting[] = []       // in the order in which they fire

  constructor(options: ManualClockOptions = {}) {
    this.#wall = options.now ?? Date.UTC(2026, 0, 1)
    this.#settle = options.settle ?? fewTurns
  }

  now(): number {
    return Math.floor(this.#wall)
  }

  monotonic(): number {
    return this.#monotonic
  }

  setTimer(callback: () => void, delayMs: number): Timer {
    const timer = { callback, at: this.#monotonic + Math.max(0, delayMs) }
    const place = this.#waiting.findLastIndex((other) => other.at <= timer.at) + 1
    this.#waiting.splice(place, 0, timer)
    return { cancel: () => void (this.#waiting = this.#waiting.filter((other) => other !== timer)) }
  }

  /** Not a matter of time: the callback runs after pending I/O, as on the machine's clock. */
  defer(callback: () => void): void {
    systemClock.defer(callback)
  }

  /** How many timers wait. */
  get timers(): number {
    return this.#waiting.length
  }

  /** In how many milliseconds the next timer fires, or undefined when none waits. */
  get nextTimerMs(): number | undefined {
    const next = this.#waiting[0]
    return next === undefined ? undefined : Math.max(0, next.at - this.#monotonic)
  }

  /** Moves both clocks on by `ms`, firing every timer at its time; what a timer starts settles before the next one fires. */
  async advance(ms: number): Promise<void> {
    const end = this.#monotonic + ms
    await this.#settle()
    while (this.#fireNext(end)) await this.#settle()
    this.#moveTo(end)
    await this.#settle()
  }

  /** As `advance`, but timers fire one after the other and nothing gets a turn between. */
  advanceSync(ms: number): void {
    const end = this.#monotonic + ms
    while (this.#fireNext(end));
    this.#moveTo(end)
  }

  /** Fires timers, moving on to the time of each, until none waits. A timer that always sets another is an error. */
  async runUntilIdle(): Promise<void> {
    await this.#settle()
    for (let fired = 0; this.#fireNext(Infinity); fired++) {
      if (fired === MOST_TIMERS) throw new Error(`timers still wait after ${MOST_TIMERS} of them have fired`)
      await this.#settle()
    }
  }

  /** Moves the clocks on by `ms` without firing what has become due: the event loop was blocked, or the process stopped. */
  stall(ms: number): void {
    this.#moveTo(this.#monotonic + ms)
  }

  /** Sets the wall clock, forward or back; timers and monotonic time do not notice. */
  setNow(ms: number): void {
    this.#wall = ms
  }

  /** Forgets all timers: those of a process that was killed do not fire in the next one. */
  forgetTimers(): void {
    this.#waiting = []
  }

  #fireNext(end: number): boolean {
    const next = this.#waiting[0]
    if (next === undefined || next.at > end) return false
    this.#waiting.shift()
    this.#moveTo(Math.max(this.#monotonic, next.at))
    next.callback()
    return true
  }

  #moveTo(monotonic: number): void {
    this.#wall += monotonic - this.#monotonic
    this.#monotonic = monotonic
  }
}

async function fewTurns(): Promise<void> {
  for (let turn = 0; turn < 3; turn++) await new Promise<void>((resolve) => systemClock.defer(resolve))
}
