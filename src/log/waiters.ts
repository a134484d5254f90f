/*
 * Who waits for an append to be acknowledged, in the order of offsets, and what is told to nobody yet: records that were appended
 * without anybody waiting for them and then not stored.
 */
import { type LogError } from '../base/errors.ts'

interface Waiter {
  readonly offset: number
  readonly resolve: () => void
  readonly reject: (error: LogError) => void
}

/** The waiters of one partition. */
export class Waiters {
  #waiting: Waiter[] = []
  #first = 0

  /** Resolves once `offset` is acknowledged. */
  wait(offset: number): Promise<void> {
    return new Promise((resolve, reject) => this.#insert({ offset, resolve, reject }))
  }

  /** The highest offset that somebody waits for; −1 when nobody does. */
  get lastOffset(): number {
    return this.#waiting.length === this.#first ? -1 : this.#waiting[this.#waiting.length - 1]!.offset
  }

  /** Everything below `end` is acknowledged. */
  acknowledge(end: number): void {
    while (this.#first < this.#waiting.length && this.#waiting[this.#first]!.offset < end) {
      const waiter = this.#waiting[this.#first]!
      this.#waiting[this.#first++] = undefined as never
      waiter.resolve()
    }
    if (this.#first === this.#waiting.length) {
      this.#waiting = []
      this.#first = 0
    }
  }

  /** Everything from `offset` on is lost. */
  fail(offset: number, error: LogError): void {
    const lost: Waiter[] = []
    while (this.#waiting.length > this.#first && this.#waiting[this.#waiting.length - 1]!.offset >= offset) lost.push(this.#waiting.pop()!)
    for (const waiter of lost.reverse()) waiter.reject(error)
  }

  #insert(waiter: Waiter): void {
    let at = this.#waiting.length
    while (at > this.#first && this.#waiting[at - 1]!.offset > waiter.offset) at--
    if (at === this.#waiting.length) this.#waiting.push(waiter)
    else this.#waiting.splice(at, 0, waiter)
  }
}
