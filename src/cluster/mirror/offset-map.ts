/*
 * Which offset on the target a record of the source got: pairs that rise on both sides, kept as runs. A run is a row of records with the same
 * step between them on each side, so that what a transaction stored in one go is one run, whatever its length, and transactions of one record
 * each are one run too. What a partition of millions of records takes is a few numbers.
 */

/** Records of a row: the first one's offsets, the steps between them, and how many there are. */
export type Run = readonly [source: number, sourceStep: number, target: number, targetStep: number, count: number]

/** The runs of pairs, each with the offset of a record on the source and on the target, both rising. */
export function runsOf(pairs: Iterable<readonly [source: number, target: number]>): Run[] {
  const runs: Run[] = []
  for (const [source, target] of pairs) {
    const last = runs.at(-1)
    const longer = last === undefined ? undefined : joined(last, [source, 1, target, 1, 1])
    if (longer === undefined) runs.push([source, 1, target, 1, 1])
    else runs[runs.length - 1] = longer
  }
  return runs
}

/** Both runs as one, when the second goes on as the first does. */
export function joined(first: Run, second: Run): Run | undefined {
  const [source, sourceStep, target, targetStep, count] = first
  const [nextSource, nextSourceStep, nextTarget, nextTargetStep, nextCount] = second
  const steps = [nextSource - lastOf(first)[0], nextTarget - lastOf(first)[1]] as const
  const goesOn = count === 1 || (steps[0] === sourceStep && steps[1] === targetStep)
  const alike = nextCount === 1 || (nextSourceStep === steps[0] && nextTargetStep === steps[1])
  return goesOn && alike ? [source, steps[0], target, steps[1], count + nextCount] : undefined
}

/** The offsets of the last record of a run. */
export function lastOf([source, sourceStep, target, targetStep, count]: Run): readonly [source: number, target: number] {
  return [source + sourceStep * (count - 1), target + targetStep * (count - 1)]
}

/** The runs of one partition. */
export class OffsetMap {
  readonly #runs: Run[] = []

  /** The last run; undefined while there is none. */
  get last(): Run | undefined {
    return this.#runs.at(-1)
  }

  /** Offset on the source behind the last record that was mirrored; 0 while there is none. */
  get nextSource(): number {
    return this.last === undefined ? 0 : lastOf(this.last)[0] + 1
  }

  /** Adds a run behind those that there are. */
  add(run: Run): void {
    const { last } = this
    const longer = last === undefined ? undefined : joined(last, run)
    if (longer === undefined) this.#runs.push(run)
    else this.#runs[this.#runs.length - 1] = longer
  }

  /**
   * Where on the target somebody goes on who goes on at `source`: at the first record mirrored from there on, or behind the last one when there
   * is none yet. Undefined when nothing was mirrored.
   */
  translate(source: number): number | undefined {
    const { last } = this
    if (last === undefined) return undefined
    if (source > lastOf(last)[0]) return lastOf(last)[1] + 1
    const [first, sourceStep, target, targetStep] = this.#runs[this.#firstEndingAt(source)]!
    return target + Math.max(0, Math.ceil((source - first) / sourceStep)) * targetStep
  }

  /** Index of the first run whose last record is at or above `source`. */
  #firstEndingAt(source: number): number {
    let [low, high] = [0, this.#runs.length - 1]
    while (low < high) {
      const middle = (low + high) >>> 1
      if (lastOf(this.#runs[middle]!)[0] < source) low = middle + 1
      else high = middle
    }
    return low
  }
}
