/*
 * The latest offset of each key, for one cleaning: bytes of keys → offset, in few flat arrays. A key is found by its hash and believed when
 * all of its bytes are the same, so two keys are never taken for one. Bounded in bytes; when it is full, the cleaning covers a part of the
 * log and the next one goes on from there.
 *
 *   slots     power of two, at most 4/5 full: number of an entry + 1, 0 for none; linear probing
 *   entries   hash, length, place and offset, in arrays that grow by a quarter
 *   chunks    the keys, one behind the other; a key that is larger than a chunk has one of its own
 */
import { type BytesHash } from '../base/hash.ts'

const CHUNK_BITS = 20
const CHUNK_BYTES = 1 << CHUNK_BITS
const FIRST_CHUNK_BYTES = 4096
const MOST_CHUNKS = 1 << (32 - CHUNK_BITS)
const ENTRY_BYTES = 20
const FIRST_SLOTS = 64

/** The latest offset of each key. */
export class KeyMap {
  /** Every record up to here, inclusive, was looked at; −1 before the first. */
  latestOffset = -1
  readonly #hash: BytesHash
  readonly #maxBytes: number
  #slots = new Uint32Array(FIRST_SLOTS)
  #hashes = new Uint32Array(16)
  #lengths = new Uint32Array(16)
  #places = new Uint32Array(16)
  #offsets = new Float64Array(16)
  #size = 0
  #chunks: Uint8Array[] = []
  #chunkBytes = 0
  /** Bytes used of the last chunk. */
  #used = 0

  /** @param maxBytes  that it may take; one key always finds room */
  constructor(hash: BytesHash, maxBytes: number) {
    this.#hash = hash
    this.#maxBytes = maxBytes
  }

  /** How many keys there are. */
  get size(): number {
    return this.#size
  }

  /** Bytes that it takes. */
  get bytes(): number {
    return this.#slots.length * 4 + this.#offsets.length * ENTRY_BYTES + this.#chunkBytes
  }

  /** Notes that the key in `buffer[from, to)` was seen at `offset`, which is above all before. False when there is no room for a new key. */
  put(buffer: Uint8Array, from: number, to: number, offset: number): boolean {
    const hash = this.#hash(buffer.subarray(from, to))
    const found = this.#find(buffer, from, to, hash)
    if (found >= 0) {
      this.#offsets[found] = offset
      return true
    }
    if (!this.#makeRoom(to - from)) return false
    this.#add(buffer, from, to, hash, offset)
    return true
  }

  /** The offset that was put last for the key in `buffer[from, to)`; −1 for a key that is not there. */
  get(buffer: Uint8Array, from: number, to: number): number {
    const found = this.#find(buffer, from, to, this.#hash(buffer.subarray(from, to)))
    return found < 0 ? -1 : this.#offsets[found]!
  }

  #find(buffer: Uint8Array, from: number, to: number, hash: number): number {
    const slots = this.#slots
    const mask = slots.length - 1
    for (let slot = hash & mask; ; slot = (slot + 1) & mask) {
      const entry = slots[slot]! - 1
      if (entry < 0) return -1
      if (this.#hashes[entry] === hash && this.#lengths[entry] === to - from && this.#isKey(entry, buffer, from, to)) return entry
    }
  }

  #isKey(entry: number, buffer: Uint8Array, from: number, to: number): boolean {
    const place = this.#places[entry]!
    const chunk = this.#chunks[place >>> CHUNK_BITS]!
    let at = place & (CHUNK_BYTES - 1)
    for (let byte = from; byte < to; byte++) if (buffer[byte] !== chunk[at++]) return false
    return true
  }

  #makeRoom(length: number): boolean {
    const entriesFull = this.#size === this.#offsets.length
    const slotsFull = (this.#size + 1) * 5 > this.#slots.length * 4
    const chunkBytes = this.#newChunkBytes(length)
    if (this.#size > 0) {
      const growth = (entriesFull ? (grown(this.#size) - this.#size) * ENTRY_BYTES : 0) + (slotsFull ? this.#slots.length * 4 : 0) + chunkBytes
      if (this.bytes + growth > this.#maxBytes || (chunkBytes > 0 && this.#chunks.length === MOST_CHUNKS)) return false
    }
    if (entriesFull) this.#growEntries()
    if (slotsFull) this.#growSlots()
    if (chunkBytes > 0) this.#addChunk(chunkBytes)
    return true
  }

  /** Bytes of the chunk that a key of this length needs first; 0 when the last one has room. */
  #newChunkBytes(length: number): number {
    const last = this.#chunks.at(-1)
    if (last !== undefined && this.#used + length <= last.length && this.#used < CHUNK_BYTES) return 0
    const usual = Math.min(CHUNK_BYTES, Math.max(FIRST_CHUNK_BYTES, this.#chunkBytes >> 1))
    return Math.max(usual, length)
  }

  #addChunk(bytes: number): void {
    this.#chunks.push(new Uint8Array(bytes))
    this.#chunkBytes += bytes
    this.#used = 0
  }

  #add(buffer: Uint8Array, from: number, to: number, hash: number, offset: number): void {
    const entry = this.#size++
    const number = this.#chunks.length - 1
    const chunk = this.#chunks[number]!
    this.#hashes[entry] = hash
    this.#lengths[entry] = to - from
    this.#places[entry] = number * CHUNK_BYTES + this.#used
    this.#offsets[entry] = offset
    for (let byte = from, at = this.#used; byte < to; byte++) chunk[at++] = buffer[byte]!
    this.#used += to - from
    this.#occupy(hash, entry)
  }

  #occupy(hash: number, entry: number): void {
    const mask = this.#slots.length - 1
    let slot = hash & mask
    while (this.#slots[slot] !== 0) slot = (slot + 1) & mask
    this.#slots[slot] = entry + 1
  }

  #growSlots(): void {
    this.#slots = new Uint32Array(this.#slots.length * 2)
    for (let entry = 0; entry < this.#size; entry++) this.#occupy(this.#hashes[entry]!, entry)
  }

  #growEntries(): void {
    const length = grown(this.#size)
    this.#hashes = extended(this.#hashes, new Uint32Array(length))
    this.#lengths = extended(this.#lengths, new Uint32Array(length))
    this.#places = extended(this.#places, new Uint32Array(length))
    this.#offsets = extended(this.#offsets, new Float64Array(length))
  }
}

function grown(length: number): number {
  return Math.ceil(length * 1.25)
}

function extended<Numbers extends Uint32Array | Float64Array>(from: Numbers, to: Numbers): Numbers {
  to.set(from)
  return to
}
