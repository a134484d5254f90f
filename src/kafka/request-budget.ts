/*
 * Bounds the bytes of requests in memory, of all connections together. Beyond the limit no more is read, but from one connection: it goes on
 * until its request is whole and answered, so that connections which all wait for the rest of a request do not wait for each other.
 */

/** Whoever reads requests. */
export interface Reader {
  /** Go on reading. */
  resume(): void
}

/** Bytes that all connections share. */
export class RequestBudget {
  readonly #limit: number
  #used = 0
  /** The one that may go beyond the limit. */
  #overdrawn: Reader | undefined
  readonly #waiting = new Set<Reader>()

  constructor(limit: number) {
    this.#limit = limit
  }

  /** Bytes in memory. */
  get used(): number {
    return this.#used
  }

  /** So many bytes came in. False: read no more until `resume`. */
  take(reader: Reader, bytes: number): boolean {
    this.#used += bytes
    if (this.#used <= this.#limit) return true
    this.#overdrawn ??= reader
    if (this.#overdrawn === reader) return true
    this.#waiting.add(reader)
    return false
  }

  /** So many are done with. */
  give(reader: Reader, bytes: number): void {
    this.#used -= bytes
    if (this.#overdrawn === reader) this.#overdrawn = undefined
    if (this.#overdrawn !== undefined && this.#used > this.#limit) return
    if (this.#waiting.size === 0) return
    const [...waiting] = this.#waiting
    this.#waiting.clear()
    for (const one of waiting) one.resume()
  }

  /** It reads no more. */
  leave(reader: Reader): void {
    this.#waiting.delete(reader)
    this.give(reader, 0)
  }
}
