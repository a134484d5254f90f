/*
 * Deadlines that a stall of our own event loop does not shorten: whoever could not be heard meanwhile gets the time back. As long as there
 * is a deadline a tick looks at the clock; one that comes late tells of a stall, and all deadlines move by its length.
 */
import { type Clock, type Timer } from '../../base/clock.ts'

/** Milliseconds between two looks at the clock, at most. */
const TICK_MS = 500
/** A tick may be late by so many milliseconds without anything being wrong. */
const SLACK_MS = 50

/** One deadline that was set. */
export class Deadline {
  /** Monotonic. */
  at: number
  readonly passed: () => void
  private readonly all: Set<Deadline>

  /** @internal */
  constructor(at: number, passed: () => void, all: Set<Deadline>) {
    this.at = at
    this.passed = passed
    this.all = all
  }

  /** Forgets it; once it passed, does nothing. */
  cancel(): void {
    this.all.delete(this)
  }
}

/** The deadlines of one coordinator. */
export class Deadlines {
  readonly #clock: Clock
  readonly #tickMs: number
  readonly #all = new Set<Deadline>()
  #timer: Timer | undefined
  /** When the timer was set, and when it should fire. */
  #setAt = 0
  #fireAt = 0
  #closed = false

  constructor(clock: Clock) {
    this.#clock = clock
    this.#tickMs = clock.steady === true ? Infinity : TICK_MS
  }

  /** How many wait. */
  get count(): number {
    return this.#all.size
  }

  /** Calls `passed` once when `ms` have passed in which the event loop turned. Infinity never passes. */
  set(ms: number, passed: () => void): Deadline {
    const now = this.#clock.monotonic()
    const deadline = new Deadline(now + ms, passed, this.#all)
    if (ms === Infinity || this.#closed) return deadline
    this.#all.add(deadline)
    if (this.#timer === undefined || deadline.at < this.#fireAt) this.#arm(now, deadline.at)
    return deadline
  }

  /** Forgets all. */
  close(): void {
    this.#closed = true
    this.#all.clear()
    this.#timer?.cancel()
    this.#timer = undefined
  }

  #arm(now: number, earliest: number): void {
    // A tick that is under way knows since when: a stall that began before this deadline was set must not be missed.
    if (this.#timer === undefined) this.#setAt = now
    this.#timer?.cancel()
    this.#fireAt = Math.min(now + this.#tickMs, Math.max(now, earliest))
    this.#timer = this.#clock.setTimer(() => this.#tick(), this.#fireAt - now, { ref: false })
  }

  #tick(): void {
    this.#timer = undefined
    const now = this.#clock.monotonic()
    if (now - this.#fireAt > SLACK_MS) for (const deadline of this.#all) deadline.at += now - this.#setAt
    const due = [...this.#all].filter(({ at }) => at <= now).sort((a, b) => a.at - b.at)
    for (const deadline of due) if (this.#all.delete(deadline)) deadline.passed()
    if (this.#all.size === 0 || this.#closed || this.#timer !== undefined) return
    let earliest = Infinity
    for (const { at } of this.#all) earliest = Math.min(earliest, at)
    this.#arm(now, earliest)
  }
}
