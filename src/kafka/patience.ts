/*
 * How long a peer may owe something: the rest of a request, or a sign of life. One timer for all of it, which is only made anew when there is
 * none that fires before: requests come often, and time-outs do not.
 */
import { type Clock, type Timer } from '../base/clock.ts'

/** The time that one peer has. */
export class Patience {
  readonly #clock: Clock
  readonly #lost: (owed: string) => void
  #timer: Timer | undefined
  #firesAt = Infinity
  #deadline = Infinity
  #owed = ''

  /** @param lost  is called with what was owed, once it was for too long */
  constructor(clock: Clock, lost: (owed: string) => void) {
    this.#clock = clock
    this.#lost = lost
  }

  /** From now on the peer owes this, and nothing else, for so many ms. */
  wait(ms: number, owed: string): void {
    this.#deadline = this.#clock.monotonic() + ms
    this.#owed = owed
    if (this.#timer === undefined || this.#firesAt > this.#deadline) this.#arm(ms)
  }

  /** It owes nothing. */
  rest(): void {
    this.#deadline = Infinity
  }

  /** Nothing is waited for any more. */
  end(): void {
    this.#timer?.cancel()
  }

  #arm(ms: number): void {
    this.#timer?.cancel()
    this.#firesAt = this.#clock.monotonic() + ms
    this.#timer = this.#clock.setTimer(() => {
      this.#timer = undefined
      const left = this.#deadline - this.#clock.monotonic()
      if (left <= 0) this.#lost(this.#owed)
      else if (left < Infinity) this.#arm(left)
    }, ms, { ref: false })
  }
}
