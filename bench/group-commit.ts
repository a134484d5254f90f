/*
 * What synced appends of the peers share: callers that append one value after the other, and the group commit that a user of a store
 * without one would write by hand.
 */
import { type Figures, type Job, values } from './job.ts'
import { Latencies } from './statistics.ts'

/** Runs `inFlight` callers side by side, each of which appends again when its last append is durable, for `ms` milliseconds behind the warm-up. */
export async function timedCallers(job: Job, append: (value: Buffer, number: number) => Promise<unknown> | unknown): Promise<Figures> {
  const payloads = values(job.bytes)
  const warm = performance.now() + job.warmUpMs!
  const latencies = new Latencies(job.records, warm)
  const end = warm + job.ms!
  let number = 0
  const caller = async (): Promise<void> => {
    for (let now = performance.now(); now < end && !latencies.full;) {
      const from = now
      await append(payloads[number & 1023]!, number++)
      now = performance.now()
      latencies.add(from, now)
    }
  }
  await Promise.all(Array.from({ length: job.inFlight! }, caller))
  return latencies.figures()
}

/** Gathers what is added in a turn of the event loop, or while a commit runs, and commits it together. */
export class GroupCommit<T> {
  readonly #commit: (gathered: readonly T[]) => Promise<unknown> | unknown
  #gathered: T[] = []
  #waiting: { resolve: () => void; reject: (reason: unknown) => void }[] = []
  #running = false

  constructor(commit: (gathered: readonly T[]) => Promise<unknown> | unknown) {
    this.#commit = commit
  }

  /** Resolves when `value` is committed. */
  add(value: T): Promise<void> {
    this.#gathered.push(value)
    if (!this.#running) {
      this.#running = true
      setImmediate(() => void this.#run())
    }
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }))
  }

  async #run(): Promise<void> {
    const [gathered, waiting] = [this.#gathered, this.#waiting]
    this.#gathered = []
    this.#waiting = []
    try {
      await this.#commit(gathered)
      for (const { resolve } of waiting) resolve()
    } catch (error) {
      for (const { reject } of waiting) reject(error)
    }
    // Who was resolved adds again in the microtasks before this turn is over.
    setImmediate(() => {
      if (this.#gathered.length > 0) void this.#run()
      else this.#running = false
    })
  }
}
