/*
 * When a record that failed is tried again: how long to wait before each attempt, and the heap of what waits. The heap holds numbers and
 * no objects, so that a million waiting records take some bytes each.
 */
import { checkFunction, checkInteger, checkOptions, describe } from '../../base/options.ts'
import { type Random } from '../../base/random.ts'

/**
 * Milliseconds to wait before a record is tried again.
 *
 * @param attempt  how often it was tried: from 1
 * @param draw     gives a number in [0, 1), from the log's source of chance
 */
export type RetryDelay = (attempt: number, draw: () => number) => number

/** What {@link exponential} may be told. */
export interface ExponentialOptions {
  /** No wait is longer, in milliseconds, jitter included. Default 30 s. */
  readonly maxMs?: number
  /** By how much each wait is longer than the one before. Default 2. */
  readonly factor?: number
  /** The part of a wait, 0 to 1, that is left to chance: with 0.2 it is 80 to 120 % of what it would be. Default 0.2. */
  readonly jitter?: number
}

/** As long as a timer can wait. */
const MOST_DELAY_MS = 0x7fff_ffff

/** Waits that grow: `firstMs` after the first attempt, then `factor` times as long each, up to `maxMs`. */
export function exponential(firstMs: number, options: ExponentialOptions = {}): RetryDelay {
  checkInteger(firstMs ?? null, 'the first wait of exponential', 0)
  checkOptions(options, ['maxMs', 'factor', 'jitter'], 'exponential')
  const { maxMs = 30_000, factor = 2, jitter = 0.2 } = options
  checkInteger(maxMs, 'maxMs of exponential', 0)
  if (!(typeof factor === 'number' && factor >= 1)) throw new RangeError(`factor of exponential is a number from 1 on, not ${describe(factor)}`)
  if (!(typeof jitter === 'number' && jitter >= 0 && jitter <= 1)) {
    throw new RangeError(`jitter of exponential is a number from 0 to 1, not ${describe(jitter)}`)
  }
  return (attempt, draw) => {
    const wait = Math.min(firstMs * factor ** (attempt - 1), maxMs)
    return Math.min(Math.round(wait * (1 - jitter + 2 * jitter * draw())), maxMs)
  }
}

/** The delay that an option means. */
export function checkedDelay(given: number | RetryDelay | undefined, usual: RetryDelay): RetryDelay {
  if (given === undefined) return usual
  if (typeof given === 'number') {
    checkInteger(given, 'retry.delay', 0)
    return () => given
  }
  checkFunction(given, 'retry.delay, when it is no number of milliseconds,')
  return given
}

/** What `delay` says, as a whole number of milliseconds that a timer can wait; a user's function may give anything. */
export function delayOf(delay: RetryDelay, attempt: number, random: Random): number {
  const ms = delay(attempt, () => random.next())
  return Number.isFinite(ms) && ms > 0 ? Math.min(Math.ceil(ms), MOST_DELAY_MS) : ms === Infinity ? MOST_DELAY_MS : 0
}

const FIRST_CAPACITY = 16

/** Numbers with the times they are due at. The earliest comes first, and of those of one time the smallest number. */
export class DueHeap {
  #due = new Float64Array(FIRST_CAPACITY)
  #items = new Float64Array(FIRST_CAPACITY)
  #size = 0

  get size(): number {
    return this.#size
  }

  /** When the first is due; Infinity when there is none. */
  get nextDue(): number {
    return this.#size === 0 ? Infinity : this.#due[0]!
  }

  add(item: number, due: number): void {
    if (this.#size === this.#items.length) this.#grow()
    let at = this.#size++
    while (at > 0) {
      const parent = (at - 1) >>> 1
      if (!isBefore(due, item, this.#due[parent]!, this.#items[parent]!)) break
      this.#move(parent, at)
      at = parent
    }
    this.#due[at] = due
    this.#items[at] = item
  }

  /** Takes the first one if it is due at `now`; undefined otherwise. */
  take(now: number): number | undefined {
    if (this.#size === 0 || this.#due[0]! > now) return undefined
    const first = this.#items[0]!
    const last = --this.#size
    if (last > 0) this.#sink(this.#items[last]!, this.#due[last]!)
    return first
  }

  clear(): void {
    this.#size = 0
  }

  /** Puts an item where the first one was, and lets it sink to its place. */
  #sink(item: number, due: number): void {
    let at = 0
    for (;;) {
      let child = at * 2 + 1
      if (child >= this.#size) break
      const other = child + 1
      if (other < this.#size && isBefore(this.#due[other]!, this.#items[other]!, this.#due[child]!, this.#items[child]!)) child = other
      if (!isBefore(this.#due[child]!, this.#items[child]!, due, item)) break
      this.#move(child, at)
      at = child
    }
    this.#due[at] = due
    this.#items[at] = item
  }

  #move(from: number, to: number): void {
    this.#due[to] = this.#due[from]!
    this.#items[to] = this.#items[from]!
  }

  #grow(): void {
    const due = new Float64Array(this.#items.length * 2)
    const items = new Float64Array(this.#items.length * 2)
    due.set(this.#due)
    items.set(this.#items)
    this.#due = due
    this.#items = items
  }
}

function isBefore(due: number, item: number, otherDue: number, otherItem: number): boolean {
  return due < otherDue || (due === otherDue && item < otherItem)
}
