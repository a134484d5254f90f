/*
 * When the next round of a partition starts: at once, that is when the code that appends has returned, or after the linger of the append
 * that may wait least.
 */
import { type Clock, type Timer } from '../base/clock.ts'
import { LONGEST_LINGER_MS } from './config.ts'

/** Every so many rounds without I/O the next one lets the event loop turn. */
const ROUNDS_PER_TURN = 256
const NOT_DUE = LONGEST_LINGER_MS + 1

/** The start of the next round. */
export class RoundSchedule {
  /** It starts within so many ms: 0 when it is about to, or a round runs, which takes new appends too. More than any linger: not at all. */
  dueMs = NOT_DUE
  readonly #clock: Clock
  readonly #start: () => void
  #yields: boolean
  #linger: Timer | undefined
  /** Monotonic time at which `#linger` fires. */
  #lingerEnds = 0
  #rounds = 0

  /** @param yields  rounds do not wait for the disk: some of them must let the event loop turn */
  constructor(clock: Clock, yields: boolean, start: () => void) {
    this.#clock = clock
    this.#yields = yields
    this.#start = start
  }

  /** Rounds wait for the disk from now on, or do not. */
  yieldIf(yields: boolean): void {
    this.#yields = yields
  }

  /** Whether something waits for company. */
  get lingers(): boolean {
    return this.#linger !== undefined
  }

  /** Asks for a round within `lingerMs`, less than `dueMs`. */
  within(lingerMs: number): void {
    this.dueMs = lingerMs
    if (lingerMs > 0) this.#wait(lingerMs)
    // A loop of awaited appends that never needs the disk would starve timers and sockets of the whole process.
    else if (this.#yields && ++this.#rounds % ROUNDS_PER_TURN === 0) this.#clock.defer(this.#start)
    else queueMicrotask(this.#start)
  }

  /** A round runs, and takes what comes. */
  running(): void {
    this.dueMs = 0
  }

  /** Nothing is due any more. */
  idle(): void {
    this.dueMs = NOT_DUE
  }

  /** What lingers does not start a round by itself any more. */
  cancel(): void {
    this.#linger?.cancel()
    this.#linger = undefined
  }

  #wait(lingerMs: number): void {
    const ends = this.#clock.monotonic() + lingerMs
    if (this.#linger !== undefined && this.#lingerEnds <= ends) return
    this.#linger?.cancel()
    this.#linger = this.#clock.setTimer(this.#start, lingerMs)
    this.#lingerEnds = ends
  }
}
