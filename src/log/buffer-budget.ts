/*
 * How many bytes of the whole log wait to be acknowledged. The bound keeps memory small when appends come faster than the disk takes
 * them: above it a synchronous append throws, and a send waits (topics/producer.ts).
 */

/** Bytes appended and not yet acknowledged, over all partitions of a log. */
export class BufferBudget {
  readonly limit: number
  #used = 0
  #waiting: (() => void)[] = []

  /** @param limit  bytes; an append that finds the budget at or above it is refused */
  constructor(limit: number) {
    this.limit = limit
  }

  get used(): number {
    return this.#used
  }

  get full(): boolean {
    return this.#used >= this.limit
  }

  take(bytes: number): void {
    this.#used += bytes
  }

  give(bytes: number): void {
    this.#used -= bytes
    if (this.#used >= this.limit || this.#waiting.length === 0) return
    const waiting = this.#waiting
    this.#waiting = []
    for (const wake of waiting) wake()
  }

  /** Calls `wake` once, as soon as the budget is below its limit again. */
  whenFree(wake: () => void): void {
    if (this.full) this.#waiting.push(wake)
    else wake()
  }
}
