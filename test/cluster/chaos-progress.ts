/*
 * How far the parts of a load are: each tells what it has got done, and who breaks things waits until each has got more of it. A part that
 * fails for good ends all waits.
 */
import { isLogError } from '../../src/index.ts'

/** What `work` gives, tried again while it fails with what passes. */
export async function onceItWorks<T>(work: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await work()
    } catch (error) {
      if (!isLogError(error) || !error.retriable) throw error
    }
  }
}

/** Counts what gets done. */
export class Progress {
  readonly #done = new Map<string, number>()
  readonly #waiting = new Set<() => void>()
  readonly #patienceMs: number
  #failure: { readonly error: unknown } | undefined

  /** @param patienceMs  a part that does nothing for so long has stopped */
  constructor(patienceMs: number) {
    this.#patienceMs = patienceMs
  }

  /** A part has done so much more. */
  add(part: string, count = 1): void {
    this.#done.set(part, this.of(part) + count)
    this.look()
  }

  /** What a part has done so far. */
  of(part: string): number {
    return this.#done.get(part) ?? 0
  }

  /** Somebody cannot go on: whoever waits is told so. */
  fail(error: unknown): void {
    this.#failure ??= { error }
    this.look()
  }

  /** Resolves when each of the parts has done `count` more. */
  async more(parts: readonly string[], count: number): Promise<void> {
    const wanted = parts.map((part) => ({ part, done: this.of(part) + count }))
    const late = () => wanted.filter(({ part, done }) => this.of(part) < done).map(({ part }) => part)
    await this.until(() => late().length === 0, () => `nothing more of ${late().join(', ')}`)
  }

  /**
   * Resolves when it holds.
   *
   * @throws Error with what `missing` says when it has taken too long; what somebody failed with
   */
  async until(holds: () => boolean, missing: () => string): Promise<void> {
    let late = false
    const timer = setTimeout(() => {
      late = true
      this.look()
    }, this.#patienceMs)
    try {
      for (;;) {
        if (this.#failure !== undefined) throw this.#failure.error
        if (holds()) return
        if (late) throw new Error(`${missing()}, for ${this.#patienceMs / 1000} s`)
        await new Promise<void>((resolve) => this.#waiting.add(resolve))
      }
    } finally {
      clearTimeout(timer)
    }
  }

  /** Those who wait look again. */
  look(): void {
    const woken = [...this.#waiting]
    this.#waiting.clear()
    for (const wake of woken) wake()
  }
}
