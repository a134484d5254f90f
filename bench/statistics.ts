/*
 * The few statistics that the benchmarks need: medians with their spread over rounds, percentiles of latencies. Nothing is discarded.
 */

/** What is said of the same figure in all rounds. */
export interface Summary {
  readonly median: number
  readonly min: number
  readonly max: number
  /** In the order of the rounds. */
  readonly samples: readonly number[]
}

/** Sums up the figures of the rounds, of which there is at least one. */
export function summarize(samples: readonly number[]): Summary {
  const sorted = [...samples].sort((one, other) => one - other)
  const middle = sorted.length >> 1
  const median = sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
  return { median, min: sorted[0]!, max: sorted.at(-1)!, samples }
}

/** The value below which the share `part` of the first `count` latencies lies. Sorts them. */
export function percentile(latencies: Float64Array, count: number, part: number): number {
  const used = latencies.subarray(0, count).sort()
  return used[Math.min(count - 1, Math.floor(count * part))] ?? NaN
}

/** Latencies and rate of work that goes on for a while. What begins before the warm-up is over does not count: compilers have that time. */
export class Latencies {
  readonly #us: Float64Array
  readonly #warmUntil: number
  #count = 0
  #since = 0
  #until = 0

  /**
   * @param most  how many are counted at most
   * @param warmUntil  ms of `performance.now()`
   */
  constructor(most: number, warmUntil: number) {
    this.#us = new Float64Array(most)
    this.#warmUntil = warmUntil
  }

  /** Whether no more is counted. */
  get full(): boolean {
    return this.#count === this.#us.length
  }

  /** Something took from `from` to `now`, ms of `performance.now()`. */
  add(from: number, now: number): void {
    if (from < this.#warmUntil || this.full) return
    if (this.#count === 0) this.#since = from
    this.#us[this.#count++] = (now - from) * 1000
    this.#until = now
  }

  /** Per second; 50th and 99th percentile in µs. */
  figures(): { readonly perSecond: number; readonly p50: number; readonly p99: number } {
    const rate = (this.#count / (this.#until - this.#since)) * 1000
    return { perSecond: rate, p50: percentile(this.#us, this.#count, 0.5), p99: percentile(this.#us, this.#count, 0.99) }
  }
}
