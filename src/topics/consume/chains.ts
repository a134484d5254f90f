/*
 * The order of keys: which record of a key may be handled, and which wait behind it. Keys are compared as text that is the same for the same
 * bytes. A key is held by a record that is in hand or waits to be tried again, and by one that is away in the retry topic.
 */

/** A record that keeps its place among those of its key. */
export interface Link<T> {
  chain: Chain<T> | undefined
  next: T | undefined
}

/** What is known of a key of which records are not finished. */
export interface Chain<T> {
  readonly key: string
  /** A record of it is in hand, or waits for another attempt. */
  busy: boolean
  /** Source offsets of those in the retry topic. */
  away: Set<number> | undefined
  /** Those that wait, in their order. */
  first: T | undefined
  last: T | undefined
}

/** The keys of one partition. */
export class Chains<T extends Link<T>> {
  private readonly chains = new Map<string, Chain<T>>()

  /** True when the record may be handled now; it holds its key from then on. Otherwise it waits. */
  enter(key: string, record: T): boolean {
    const chain = this.chains.get(key)
    if (chain === undefined) {
      record.chain = { key, busy: true, away: undefined, first: undefined, last: undefined }
      this.chains.set(key, record.chain)
      return true
    }
    record.chain = chain
    if (chain.last === undefined) chain.first = record
    else chain.last.next = record
    chain.last = record
    return false
  }

  /** The record in hand is finished: gives the one that holds the key now, if any does. */
  leave(chain: Chain<T>): T | undefined {
    chain.busy = false
    return this.pass(chain)
  }

  /** A record of the key is in the retry topic; it holds the key until `back`. */
  goAway(key: string, offset: number): void {
    let chain = this.chains.get(key)
    if (chain === undefined) this.chains.set(key, chain = { key, busy: false, away: undefined, first: undefined, last: undefined })
    ;(chain.away ??= new Set()).add(offset)
  }

  /** The record that was away is finished: gives the one that holds the key now, if any does. */
  back(key: string, offset: number): T | undefined {
    const chain = this.chains.get(key)
    if (chain === undefined || chain.away?.delete(offset) !== true) return undefined
    return this.pass(chain)
  }

  clear(): void {
    this.chains.clear()
  }

  private pass(chain: Chain<T>): T | undefined {
    if (chain.busy || (chain.away !== undefined && chain.away.size > 0)) return undefined
    const next = chain.first
    if (next === undefined) {
      this.chains.delete(chain.key)
      return undefined
    }
    chain.first = next.next
    next.next = undefined
    if (chain.first === undefined) chain.last = undefined
    chain.busy = true
    return next
  }
}
