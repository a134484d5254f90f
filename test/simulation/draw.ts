/*
 * Chance for simulations: everything a life does by chance is drawn here, from one seed.
 */
import { type Random, seededRandom } from '../../src/base/random.ts'

/** One of several things, as likely as its weight. */
export type Choice<T> = readonly [weight: number, item: T]

/** Draws from a seed. */
export class Draw {
  readonly #random: Random

  constructor(seed: number) {
    this.#random = seededRandom(seed)
  }

  /** An integer in [0, below). */
  int(below: number): number {
    return this.#random.int(below)
  }

  /** True once in so many times. */
  once(in_: number): boolean {
    return this.#random.int(in_) === 0
  }

  /** A seed for something else. */
  seed(): number {
    return this.#random.int(2 ** 32)
  }

  pick<T>(...items: readonly T[]): T {
    return items[this.#random.int(items.length)]!
  }

  weighted<T>(choices: readonly Choice<T>[]): T {
    let left = this.#random.int(choices.reduce((sum, [weight]) => sum + weight, 0))
    for (const [weight, item] of choices) if ((left -= weight) < 0) return item
    throw new Error('weights are positive')
  }
}
