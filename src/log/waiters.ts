/*
 * Who waits for an append to be acknowledged. A batch is stored whole or not at all, so all who wait for records of one batch wait for one
 * promise: a round of many small appends settles one, not one for each of them.
 */
import { type LogError } from '../base/errors.ts'

/** Those who wait for records of one batch. */
class Waiting {
  /** First offset of the batch. */
  readonly batch: number
  /** The highest offset that somebody waits for. */
  last = -1
  readonly promise: Promise<void>
  resolve!: () => void
  reject!: (error: LogError) => void

  constructor(batch: number) {
    this.batch = batch
    this.promise = new Promise((resolve, reject) => {
      this.resolve = resolve
      this.reject = reject
    })
  }
}

/** The waiters of one partition. */
export class Waiters {
  /** In the order of batches. */
  readonly #waiting: Waiting[] = []

  /**
   * Resolves once `offset` is acknowledged.
   *
   * @param batch  first offset of the batch that holds it
   */
  wait(offset: number, batch: number): Promise<void> {
    const waiting = this.#of(batch)
    if (offset > waiting.last) waiting.last = offset
    return waiting.promise
  }

  /** The highest offset that somebody waits for; −1 when nobody does. */
  get lastOffset(): number {
    return this.#waiting.at(-1)?.last ?? -1
  }

  /** Every batch that begins below `end` is acknowledged. */
  acknowledge(end: number): void {
    let count = 0
    while (count < this.#waiting.length && this.#waiting[count]!.batch < end) count++
    for (const { resolve } of this.#waiting.splice(0, count)) resolve()
  }

  /** Every batch that begins at or past `offset` is lost. */
  fail(offset: number, error: LogError): void {
    const kept = this.#waiting.findIndex(({ batch }) => batch >= offset)
    if (kept < 0) return
    for (const { reject } of this.#waiting.splice(kept)) reject(error)
  }

  #of(batch: number): Waiting {
    const list = this.#waiting
    let at = list.length
    while (at > 0 && list[at - 1]!.batch > batch) at--
    if (at > 0 && list[at - 1]!.batch === batch) return list[at - 1]!
    const waiting = new Waiting(batch)
    if (at === list.length) list.push(waiting)
    else list.splice(at, 0, waiting)
    return waiting
  }
}
