/*
 * Lets only so many syncs run at once. libuv's pool has four threads for the whole process by default: four slow syncs would stop every
 * other file operation of the host. Different files sync concurrently, since a file system journals them together.
 */

/** Syncs that may run at once: one less than libuv's default pool. */
const DEFAULT_CONCURRENT_SYNCS = 3

/** A bounded number of places; who finds none waits in line. */
export class SyncGate {
  readonly #waiting: (() => void)[] = []
  #free: number

  constructor(places: number = DEFAULT_CONCURRENT_SYNCS) {
    this.#free = places
  }

  /** Whether one more may run and still leave a place for somebody who waits for the end of a sync. */
  get hasSpare(): boolean {
    return this.#free > 1
  }

  /** Runs `work` as soon as there is a place, and gives what it gives. */
  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.#free > 0) this.#free--
    else await new Promise<void>((resolve) => this.#waiting.push(resolve))
    try {
      return await work()
    } finally {
      const next = this.#waiting.shift()
      if (next) next()
      else this.#free++
    }
  }
}
