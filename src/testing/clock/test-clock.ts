/*
 * `kafka.clock`: the time of a test broker, as tests move it.
 */
import { type Clock } from '../../base/clock.ts'
import { type Duration, durationMs } from './durations.ts'
import { VirtualClock } from './virtual-clock.ts'

/** `real`: the machine's. `virtual`: moves when it is told to. `skip`: also moves by itself to whatever clients wait for. */
export const clockModes = ['real', 'virtual', 'skip'] as const

/** How the time of a test broker goes. */
export type ClockMode = (typeof clockModes)[number]

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
