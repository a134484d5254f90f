/*
 * Things that whoever asks names by a number that they were given: faults, checkpoints, contracts, forks. There is room for so many at a time.
 */
import { Refusal } from './problem.ts'

/** Things by their ids: `1`, `2` and so on. An id is never given again. */
export class Numbered<T> {
  readonly #what: string
  readonly #most: number
  readonly #things: Map<string, T>
  #last = 0

  /**
   * @param what  one of them, for messages
   * @param most  how many there may be at a time
   */
  constructor(what: string, most: number) {
    this.#what = what
    this.#most = most
    this.#things = new Map()
  }

  /** All of them, with their ids, the oldest first. */
  get entries(): readonly (readonly [id: string, thing: T])[] {
    return [...this.#things]
  }

  /** Throws a Refusal when there is no room for one more: ask before it is made. */
  checkRoom(): void {
    if (this.#things.size < this.#most) return
    throw new Refusal('LIMIT_REACHED', `there are ${this.#most} ${this.#what}s, and no room for another one: delete some first`)
  }

  /** Takes one in; gives its id. */
  add(thing: T): string {
    this.addWith(() => thing)
    return String(this.#last)
  }

  /** Takes one in that knows its own id. */
  addWith(make: (id: string) => T): T {
    this.checkRoom()
    const id = String(++this.#last)
    const thing = make(id)
    this.#things.set(id, thing)
    return thing
  }

  /** The one with this id. Throws a Refusal when there is none. */
  get(id: string): T {
    const thing = this.#things.get(id)
    if (thing !== undefined) return thing
    throw new Refusal('UNKNOWN_ID', `there is no ${this.#what} ${JSON.stringify(id)}`)
  }

  /** Takes one out, and gives it. */
  remove(id: string): T {
    const thing = this.get(id)
    this.#things.delete(id)
    return thing
  }

  /** Takes all out. */
  clear(): void {
    this.#things.clear()
  }

  /** Takes all in that another one has, by the same ids. */
  takeAll(other: Numbered<T>): void {
    for (const [id, thing] of other.entries) this.#things.set(id, thing)
    this.#last = other.#last
  }
}
