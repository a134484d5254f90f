/*
 * `kafka.clock`: the time of a test broker, as tests move it.
 */
import { type Clock } from '../../base/clock.ts'
import { LogError } from '../../base/errors.ts'
import { type Duration, durationMs } from './durations.ts'
import { VirtualClock } from './virtual-clock.ts'

/**
 * How the time of a test broker goes. `real`: as the machine's. `virtual`: it moves when it is told to. `skip`: it also moves by itself to whatever
 * clients wait for.
 */
export type ClockMode = 'real' | 'virtual' | 'skip'

/** All of them. */
export const clockModes = ['real', 'virtual', 'skip'] as const satisfies readonly ClockMode[]

/** How far time moves at once where no timer waits: somebody may be at work elsewhere. */
const IDLE_STEP_MS = 1000

/** The time of a test broker. */
export class TestClock {
  readonly mode: ClockMode
  /** @internal */
  readonly clock: Clock

  /** @internal */
  constructor(mode: ClockMode, clock: Clock) {
    this.mode = mode
    this.clock = clock
  }

  /** Wall time of the broker, ms since 1970. */
  now(): number {
    return this.clock.now()
  }

  /**
   * Moves time on: every timer of the broker fires at its time, and what it starts ends before the next one. Fake timers that vitest or Jest have
   * installed move in step.
   *
   * @throws TypeError when the clock is the machine's; RangeError for a time that goes back
   */
  async advance(duration: Duration): Promise<void> {
    await this.#virtual('advance').advance(durationMs(duration, 'the time to advance'))
  }

  /** Moves time on until no timer waits. A timer that always sets another, as those of a client that polls, is an error. */
  async runUntilIdle(): Promise<void> {
    await this.#virtual('runUntilIdle').runUntilIdle()
  }

  /**
   * Moves time on, from timer to timer, until a promise is settled, and gives what it gives. For clients in this process whose timers are faked:
   * their own waits pass as well.
   *
   * @throws what the promise rejects with; LogError `LOG_WAIT_TIMED_OUT` when `most` of time has passed, by default an hour
   */
  async runUntil<T>(promise: Promise<T>, most: Duration = '1h'): Promise<T> {
    const clock = this.#virtual('runUntil')
    const ends = clock.monotonic() + durationMs(most, 'the most time')
    let settled = false
    promise.then(() => { settled = true }, () => { settled = true })
    for (await clock.settle(); !settled; await clock.settle()) {
      const left = ends - clock.monotonic()
      if (left <= 0) throw new LogError('LOG_WAIT_TIMED_OUT', `the promise was not settled within ${String(most)} of the broker's time`, { most })
      if (clock.nextTimerMs <= left) await clock.skip(false)
      else await clock.advance(Math.min(left, IDLE_STEP_MS))
    }
    return promise
  }

  /** Waits until everything that was begun is done, without moving time. */
  async settle(): Promise<void> {
    await this.#virtual('settle').settle()
  }

  /** Sets the wall clock, forward or back, as an administrator would. Timers do not notice. */
  setNow(ms: number): void {
    this.#virtual('setNow').setNow(ms)
  }

  #virtual(verb: string): VirtualClock {
    if (this.clock instanceof VirtualClock) return this.clock
    throw new TypeError(`${verb} needs a clock that can be moved: startTestBroker({ clock: 'virtual' })`)
  }
}
