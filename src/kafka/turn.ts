/*
 * Whoever has very much to do lets others have their turn. Work that goes on in promises is the same turn: only the event loop ends it.
 */
import { type Clock } from '../base/clock.ts'

/** Ms after which others have their turn. */
export const TURN_MS = 10
/** Pieces of work after which the clock is looked at. */
const PIECES_PER_LOOK = 16

/** The turns of one that works in small pieces. */
export class Turn {
  /** No more is to be done in this one. */
  over = false
  readonly #clock: Clock
  readonly #goOn: () => void
  #pieces = 0
  #ends: number | undefined

  /** @param goOn  is called in the next turn, when this one was over */
  constructor(clock: Clock, goOn: () => void) {
    this.#clock = clock
    this.#goOn = goOn
  }

  /** A piece is done. */
  worked(): void {
    if (++this.#pieces % PIECES_PER_LOOK > 0) return
    const now = this.#clock.monotonic()
    if (this.#ends === undefined) {
      this.#ends = now + TURN_MS
      this.#clock.defer(() => this.#next())
    } else if (now >= this.#ends) this.over = true
  }

  #next(): void {
    this.#ends = undefined
    if (!this.over) return
    this.over = false
    this.#goOn()
  }
}
