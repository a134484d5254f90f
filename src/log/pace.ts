/*
 * Work that takes long, in slices: whoever does it asks now and then whether others are due, and lets the event loop turn.
 */
import { type Clock } from '../base/clock.ts'

/** Milliseconds that a slice takes when nobody says otherwise. */
export const SLICE_MS = 2

/** The slices of one piece of work. */
export class Pace {
  readonly #clock: Clock
  readonly #sliceMs: number
  readonly #signal: AbortSignal
  #began: number

  /** @param signal  ends the work at the end of the slice: `breathe` rejects with its reason */
  constructor(clock: Clock, signal: AbortSignal, sliceMs = SLICE_MS) {
    this.#clock = clock
    this.#signal = signal
    this.#sliceMs = sliceMs
    this.#began = clock.monotonic()
  }

  /** Whether the slice is over. */
  get over(): boolean {
    return this.#clock.monotonic() - this.#began >= this.#sliceMs
  }

  /** Lets the event loop turn and begins the next slice. */
  async breathe(): Promise<void> {
    this.#signal.throwIfAborted()
    await new Promise<void>((resolve) => this.#clock.defer(resolve))
    this.#signal.throwIfAborted()
    this.#began = this.#clock.monotonic()
  }
}
