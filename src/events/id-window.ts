/*
 * The ids of the last events that were appended with an id of the caller's: a hash of each and where the event is. It tells where to look;
 * whether an id is really there is read from the event.
 */

import { halfSipHash, type StreamHash } from './stream-table.ts'

/** Events remembered when nobody says otherwise. */
export const DEFAULT_ID_WINDOW = 100_000
const SMALLEST = 256
/** Of an id in UTF-8. */
const MOST_BYTES = 1024

/** Hashes and offsets, the newest `limit` of them, as a ring with a chain for each value of the lowest bits. */
export class IdWindow {
  readonly limit: number
  private size = SMALLEST
  private hashes = new Uint32Array(SMALLEST)
  private offsets = new Float64Array(SMALLEST)
  private next = new Uint32Array(SMALLEST)
  private chains = new Uint32Array(SMALLEST)
  /** All that ever came. */
  private total = 0
  private readonly scratch = Buffer.alloc(MOST_BYTES)
  private readonly hashOf: StreamHash
  private key: readonly [number, number]

  /** @param key  of the hash: who chooses ids, as a client does, is not to choose such as collide */
  constructor(limit: number, key: readonly [number, number], hash: StreamHash = halfSipHash) {
    this.limit = limit
    this.key = key
    this.hashOf = hash
  }

  /** Hashes are made by another key from here on: before the first one is added. */
  useKey(key: readonly [number, number]): void {
    this.key = key
  }

  /** 32 bits of an id. */
  hash(id: string): number {
    const size = this.scratch.write(id, 'utf8')
    return this.hashOf(this.scratch, 0, size, this.key[0], this.key[1])
  }

  /** Remembers an id. */
  add(hash: number, offset: number): void {
    if (this.limit === 0) return
    if (this.total === this.size && this.size < this.limit) this.resize(Math.min(this.size * 2, this.limit))
    const place = this.total % this.size
    if (this.total >= this.size) this.unlink(place)
    this.total++
    this.hashes[place] = hash
    this.offsets[place] = offset
    this.link(place)
  }

  /** Offsets of the events that may have this id, the newest first. */
  find(hash: number): number[] {
    const found: number[] = []
    for (let link = this.chains[hash % this.chains.length]!; link !== 0; link = this.next[link - 1]!) {
      if (this.hashes[link - 1] === hash) found.push(this.offsets[link - 1]!)
    }
    return found.sort((a, b) => b - a)
  }

  /** All that is remembered, oldest first. */
  dump(): { readonly hashes: Uint32Array; readonly offsets: Float64Array } {
    const count = Math.min(this.total, this.size)
    const hashes = new Uint32Array(count)
    const offsets = new Float64Array(count)
    for (let index = 0; index < count; index++) {
      const place = (this.total - count + index) % this.size
      hashes[index] = this.hashes[place]!
      offsets[index] = this.offsets[place]!
    }
    return { hashes, offsets }
  }

  private link(place: number): void {
    const chain = this.hashes[place]! % this.chains.length
    this.next[place] = this.chains[chain]!
    this.chains[chain] = place + 1
  }

  private unlink(place: number): void {
    const chain = this.hashes[place]! % this.chains.length
    if (this.chains[chain] === place + 1) {
      this.chains[chain] = this.next[place]!
      return
    }
    let link = this.chains[chain]!
    while (link !== 0 && this.next[link - 1] !== place + 1) link = this.next[link - 1]!
    if (link !== 0) this.next[link - 1] = this.next[place]!
  }

  private resize(size: number): void {
    const { hashes, offsets } = this.dump()
    this.size = size
    this.hashes = new Uint32Array(size)
    this.hashes.set(hashes)
    this.offsets = new Float64Array(size)
    this.offsets.set(offsets)
    this.next = new Uint32Array(size)
    this.chains = new Uint32Array(size)
    this.total = hashes.length
    for (let place = 0; place < hashes.length; place++) this.link(place)
  }
}
