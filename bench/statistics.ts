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
