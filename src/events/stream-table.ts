/*
 * The heads of all streams in memory: for each id the version, and the place of its last event. Open addressing over flat arrays, with the
 * bytes of the ids in one piece: some 45 bytes a stream beside its id, and a table that is read from disk as it was written.
 *
 * A hash says where to look, never what is there: ids are compared whole. It is HalfSipHash-1-3 with a key of the table's own, so that
 * nobody can make ids that collide. docs/design/0012-stream-table.md says why it is no Map.
 */
import { UNKNOWN } from './event-format.ts'

/** A hash of the bytes at `[from, to)`, 32 bits, with a key of two words. */
export type StreamHash = (buffer: Uint8Array, from: number, to: number, key0: number, key1: number) => number

const SMALLEST = 64
/** At most so many of 4 places are taken. */
const FULL = 3
const ASCII = 0x80
/** Longest id in UTF-8 bytes. */
export const MOST_ID_BYTES = 1024

/** What is kept of a stream. */
export interface StreamHead {
  readonly version: number
  readonly offset: number
  readonly position: number
  readonly at: number
  readonly size: number
}

/** Of a stream that never had an event. */
export const NO_HEAD: StreamHead = { version: 0, offset: -1, position: UNKNOWN, at: 0, size: 0 }

/** The parts of a table as they are kept on disk. */
export interface TableDump {
  readonly count: number
  readonly key0: number
  readonly key1: number
  readonly parts: readonly Uint8Array[]
}

/** The heads of the streams of one category. */
export class StreamTable {
  /** Streams that ever were. */
  count = 0
  versions: Uint32Array
  /** Offset of the last event. */
  offsets: Float64Array
  /** Where its batch begins in its segment's file; UNKNOWN until it is written. */
  positions: Uint32Array
  /** Where it begins in its batch, and its bytes; a size of 0 when nobody knows. */
  ats: Uint32Array
  sizes: Uint32Array
  private ends: Uint32Array
  private arena: Buffer
  private slots: Uint32Array
  private readonly scratch = Buffer.alloc(MOST_ID_BYTES)
  private readonly hash: StreamHash
  /** What was found last: an append looks its stream up several times. A stream keeps its number. */
  private lastId: string | undefined
  private lastSlot = -1
  private key0: number
  private key1: number

  constructor(key0: number, key1: number, hash: StreamHash = halfSipHash) {
    this.key0 = key0
    this.key1 = key1
    this.hash = hash
    this.versions = new Uint32Array(SMALLEST)
    this.offsets = new Float64Array(SMALLEST)
    this.positions = new Uint32Array(SMALLEST)
    this.ats = new Uint32Array(SMALLEST)
    this.sizes = new Uint32Array(SMALLEST)
    this.ends = new Uint32Array(SMALLEST)
    this.arena = Buffer.allocUnsafeSlow(SMALLEST * 16)
    this.slots = new Uint32Array(SMALLEST * 2)
  }

  /** Bytes of all that is kept, the ids included. */
  get bytes(): number {
    return this.versions.length * 28 + this.slots.length * 4 + this.arena.length
  }

  /** Bytes of the ids. */
  get idBytes(): number {
    return this.count === 0 ? 0 : this.ends[this.count - 1]!
  }

  /** The number of a stream; −1 for one that never was. */
  find(id: string): number {
    if (id === this.lastId) return this.lastSlot
    const size = this.encode(id)
    const slot = size < 0 ? -1 : this.findBytes(this.scratch, 0, size)
    if (slot >= 0) this.remember(id, slot)
    return slot
  }

  /** The number of a stream, which is taken up when it never was. */
  findOrAdd(id: string): number {
    if (id === this.lastId) return this.lastSlot
    const size = this.encode(id)
    if (size < 0) throw new RangeError(`an id of a stream has at most ${MOST_ID_BYTES} bytes`)
    const slot = this.findOrAddBytes(this.scratch, 0, size)
    this.remember(id, slot)
    return slot
  }

  findBytes(buffer: Uint8Array, from: number, to: number): number {
    const mask = this.slots.length - 1
    for (let place = this.hash(buffer, from, to, this.key0, this.key1) & mask; ; place = (place + 1) & mask) {
      const slot = this.slots[place]! - 1
      if (slot < 0 || this.isId(slot, buffer, from, to)) return slot
    }
  }

  findOrAddBytes(buffer: Uint8Array, from: number, to: number): number {
    const found = this.findBytes(buffer, from, to)
    return found >= 0 ? found : this.add(buffer, from, to)
  }

  /** Whether the bytes are the id of a stream. */
  isId(slot: number, buffer: Uint8Array, from: number, to: number): boolean {
    const start = slot === 0 ? 0 : this.ends[slot - 1]!
    const size = this.ends[slot]! - start
    if (size !== to - from) return false
    const { arena } = this
    for (let index = 0; index < size; index++) if (arena[start + index] !== buffer[from + index]) return false
    return true
  }

  /** The id of a stream. */
  idOf(slot: number): string {
    return this.arena.toString('utf8', slot === 0 ? 0 : this.ends[slot - 1]!, this.ends[slot]!)
  }

  /** The bytes of the id of a stream: a view. */
  idBytesOf(slot: number): Buffer {
    return this.arena.subarray(slot === 0 ? 0 : this.ends[slot - 1]!, this.ends[slot]!)
  }

  head(slot: number): StreamHead {
    return {
      version: this.versions[slot]!, offset: this.offsets[slot]!, position: this.positions[slot]!, at: this.ats[slot]!, size: this.sizes[slot]!,
    }
  }

  set(slot: number, version: number, offset: number, position: number, at: number, size: number): void {
    this.versions[slot] = version
    this.offsets[slot] = offset
    this.positions[slot] = position
    this.ats[slot] = at
    this.sizes[slot] = size
  }

  /** What of it is to be kept, as bytes of this machine; views. */
  dump(): TableDump {
    const { count } = this
    const parts = [this.offsets, this.versions, this.positions, this.ats, this.sizes, this.ends].map((part) => bytesOf(part, count))
    parts.push(bytesOf(this.slots, this.slots.length), this.arena.subarray(0, this.idBytes))
    return { count, key0: this.key0, key1: this.key1, parts }
  }

  /** Takes up what `dump` gave. False, with nothing changed, when the sizes do not fit. */
  load({ count, key0, key1, parts }: TableDump): boolean {
    const [offsets, versions, positions, ats, sizes, ends, slots, arena] = parts
    const words = [versions, positions, ats, sizes, ends]
    if (parts.length !== 8 || offsets!.length !== count * 8 || words.some((part) => part!.length !== count * 4)) return false
    const places = slots!.length / 4
    if (!Number.isInteger(Math.log2(places)) || count * 4 > places * FULL) return false
    const room = Math.max(SMALLEST, count + (count >>> 6) + 16)
    const table = {
      versions: new Uint32Array(room), offsets: new Float64Array(room), positions: new Uint32Array(room), ats: new Uint32Array(room),
      sizes: new Uint32Array(room), ends: new Uint32Array(room), slots: new Uint32Array(places),
    }
    for (const [part, bytes] of [
      [table.offsets, offsets], [table.versions, versions], [table.positions, positions], [table.ats, ats], [table.sizes, sizes],
      [table.ends, ends], [table.slots, slots],
    ] as const) new Uint8Array(part.buffer).set(bytes!)
    if ((count === 0 ? 0 : table.ends[count - 1]!) !== arena!.length) return false
    Object.assign(this, table, { count, key0, key1, lastId: undefined })
    this.arena = Buffer.allocUnsafeSlow(Math.max(SMALLEST * 16, arena!.length + (arena!.length >>> 6)))
    this.arena.set(arena!)
    return true
  }

  private remember(id: string, slot: number): void {
    this.lastId = id
    this.lastSlot = slot
  }

  private add(buffer: Uint8Array, from: number, to: number): number {
    if ((this.count + 1) * 4 > this.slots.length * FULL) this.rehash()
    if (this.count === this.versions.length) this.grow()
    const slot = this.count++
    const start = slot === 0 ? 0 : this.ends[slot - 1]!
    const end = start + to - from
    if (end > this.arena.length) this.growArena(start, end)
    for (let index = from; index < to; index++) this.arena[start + index - from] = buffer[index]!
    this.ends[slot] = end
    this.set(slot, 0, -1, UNKNOWN, 0, 0)
    this.place(slot)
    return slot
  }

  private place(slot: number): void {
    const mask = this.slots.length - 1
    const start = slot === 0 ? 0 : this.ends[slot - 1]!
    let place = this.hash(this.arena, start, this.ends[slot]!, this.key0, this.key1) & mask
    while (this.slots[place] !== 0) place = (place + 1) & mask
    this.slots[place] = slot + 1
  }

  private rehash(): void {
    this.slots = new Uint32Array(this.slots.length * 2)
    for (let slot = 0; slot < this.count; slot++) this.place(slot)
  }

  /** By a quarter, or to twice the size while it is small. */
  private grow(): void {
    const room = this.count < 4096 ? this.count * 2 : this.count + (this.count >>> 2)
    const grown = (old: Uint32Array): Uint32Array => {
      const fresh = new Uint32Array(room)
      fresh.set(old)
      return fresh
    }
    const offsets = new Float64Array(room)
    offsets.set(this.offsets)
    this.offsets = offsets
    this.versions = grown(this.versions)
    this.positions = grown(this.positions)
    this.ats = grown(this.ats)
    this.sizes = grown(this.sizes)
    this.ends = grown(this.ends)
  }

  private growArena(used: number, needed: number): void {
    const arena = Buffer.allocUnsafeSlow(Math.max(needed, this.arena.length + (this.arena.length >>> 2)))
    this.arena.copy(arena, 0, 0, used)
    this.arena = arena
  }

  /** Writes an id into the scratch, and gives its bytes; −1 when it is longer than an id may be. */
  private encode(id: string): number {
    const { scratch } = this
    const { length } = id
    if (length > MOST_ID_BYTES) return -1
    for (let index = 0; index < length; index++) {
      const unit = id.charCodeAt(index)
      if (unit >= ASCII) return this.encodeText(id)
      scratch[index] = unit
    }
    return length
  }

  private encodeText(id: string): number {
    if (Buffer.byteLength(id) > MOST_ID_BYTES) return -1
    return this.scratch.write(id, 'utf8')
  }
}

function bytesOf(part: Uint32Array | Float64Array, count: number): Uint8Array {
  return new Uint8Array(part.buffer, part.byteOffset, count * part.BYTES_PER_ELEMENT)
}

/** HalfSipHash with one round a word and three at the end. */
export function halfSipHash(buffer: Uint8Array, from: number, to: number, key0: number, key1: number): number {
  let v0 = key0
  let v1 = key1
  let v2 = 0x6c796765 ^ key0
  let v3 = 0x74656462 ^ key1
  const size = to - from
  let at = from
  let word = 0
  // One turn a word, one for what is left with the size, and three with nothing.
  for (let left = (size >>> 2) + 4; left > 0; left--) {
    if (left > 4) {
      word = buffer[at]! | (buffer[at + 1]! << 8) | (buffer[at + 2]! << 16) | (buffer[at + 3]! << 24)
      at += 4
    } else if (left === 4) {
      word = size << 24
      if (to - at > 2) word |= buffer[at + 2]! << 16
      if (to - at > 1) word |= buffer[at + 1]! << 8
      if (to - at > 0) word |= buffer[at]!
    } else {
      if (left === 3) v2 ^= 0xff
      word = 0
    }
    v3 ^= word
    v0 = (v0 + v1) | 0
    v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0
    v0 = (v0 << 16) | (v0 >>> 16)
    v2 = (v2 + v3) | 0
    v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2
    v0 = (v0 + v3) | 0
    v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0
    v2 = (v2 + v1) | 0
    v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2
    v2 = (v2 << 16) | (v2 >>> 16)
    v0 ^= word
  }
  return (v1 ^ v3) >>> 0
}
