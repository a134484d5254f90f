/*
 * The heads of all streams in memory: for each id the version, and the place of its last event. Open addressing over flat arrays: some 72 bytes a
 * stream, its id included, and a table that is read from disk as it was written. What is kept of a stream lies side by side in 64 bytes, since of
 * many streams each look at another place waits for memory:
 *
 *   offset of the last event (float64) · version · position · at · size · bytes of the id (uint32) · the id
 *
 * An id of more than 36 bytes lies beside the rows, and its row says where.
 *
 * A hash says where to look, never what is there: ids are compared whole. It is HalfSipHash-1-3 with a key of the table's own, so that
 * nobody can make ids that collide. docs/design/0012-stream-table.md says why it is no Map.
 */
import { UNKNOWN } from './event-format.ts'

/** A hash of the bytes at `[from, to)`, 32 bits, with a key of two words. */
export type StreamHash = (buffer: Uint8Array, from: number, to: number, key0: number, key1: number) => number

const SMALLEST = 64
/** What is kept of a stream, in words of 32 bits; the offset takes the first two. */
const WORDS = 16
const ROW_BYTES = WORDS * 4
const [VERSION, POSITION, AT, SIZE, ID_SIZE, ID] = [2, 3, 4, 5, 6, 7] as const
/** Bytes of the longest id that lies in its row. */
const SHORT = ROW_BYTES - ID * 4
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
  private words: Uint32Array
  // The same memory, for the offsets and for the ids.
  private doubles: Float64Array
  private bytes: Buffer
  /** The ids that are too long for a row, and how much of it they take. */
  private arena: Buffer
  private arenaEnd = 0
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
    this.words = new Uint32Array(SMALLEST * WORDS)
    this.doubles = new Float64Array(this.words.buffer)
    this.bytes = Buffer.from(this.words.buffer)
    this.arena = Buffer.alloc(0)
    this.slots = new Uint32Array(SMALLEST * 2)
  }

  /** Bytes of memory. */
  get byteLength(): number {
    return this.words.byteLength + this.slots.byteLength + this.arena.length
  }

  /** The version of a stream. */
  version(slot: number): number {
    return this.words[slot * WORDS + VERSION]!
  }

  /** The offset of its last event; −1 when it has none. */
  offset(slot: number): number {
    return this.doubles[slot * (WORDS / 2)]!
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
    const row = slot * WORDS
    const size = this.words[row + ID_SIZE]!
    if (size !== to - from) return false
    const bytes = this.idHolder(size)
    const start = this.idStart(row, size)
    for (let index = 0; index < size; index++) if (bytes[start + index] !== buffer[from + index]) return false
    return true
  }

  /** The id of a stream. */
  idOf(slot: number): string {
    return this.idBytesOf(slot).toString()
  }

  /** The bytes of the id of a stream: a view. */
  idBytesOf(slot: number): Buffer {
    const row = slot * WORDS
    const size = this.words[row + ID_SIZE]!
    const start = this.idStart(row, size)
    return this.idHolder(size).subarray(start, start + size)
  }

  head(slot: number): StreamHead {
    const { words } = this
    const at = slot * WORDS
    return {
      version: words[at + VERSION]!, offset: this.doubles[slot * (WORDS / 2)]!, position: words[at + POSITION]!, at: words[at + AT]!,
      size: words[at + SIZE]!,
    }
  }

  set(slot: number, version: number, offset: number, position: number, at: number, size: number): void {
    const { words } = this
    const place = slot * WORDS
    this.doubles[slot * (WORDS / 2)] = offset
    words[place + VERSION] = version
    words[place + POSITION] = position
    words[place + AT] = at
    words[place + SIZE] = size
  }

  /** The batch of the stream's last event was written there. */
  setPosition(slot: number, position: number): void {
    this.words[slot * WORDS + POSITION] = position
  }

  /** What of it is to be kept, as bytes of this machine; views. */
  dump(): TableDump {
    const { count, key0, key1 } = this
    const parts = [this.bytes.subarray(0, count * ROW_BYTES), new Uint8Array(this.slots.buffer), this.arena.subarray(0, this.arenaEnd)]
    return { count, key0, key1, parts }
  }

  /** Takes up what `dump` gave. False, with nothing changed, when the sizes do not fit. */
  load({ count, key0, key1, parts }: TableDump): boolean {
    const [rows, slots, arena] = parts
    if (parts.length !== 3 || rows!.length !== count * ROW_BYTES) return false
    const places = slots!.length / 4
    if (!Number.isInteger(Math.log2(places)) || count * 4 > places * FULL) return false
    const words = new Uint32Array(Math.max(SMALLEST, count + (count >>> 6) + 16) * WORDS)
    new Uint8Array(words.buffer).set(rows!)
    let longBytes = 0
    for (let row = 0; row < count * WORDS; row += WORDS) if (words[row + ID_SIZE]! > SHORT) longBytes += words[row + ID_SIZE]!
    if (longBytes !== arena!.length) return false
    this.takeWords(words)
    this.slots = new Uint32Array(places)
    new Uint8Array(this.slots.buffer).set(slots!)
    Object.assign(this, { count, key0, key1, lastId: undefined, arenaEnd: arena!.length })
    this.arena = Buffer.allocUnsafeSlow(arena!.length + (arena!.length >>> 6))
    this.arena.set(arena!)
    return true
  }

  private takeWords(words: Uint32Array): void {
    this.words = words
    this.doubles = new Float64Array(words.buffer)
    this.bytes = Buffer.from(words.buffer)
  }

  /** What holds an id of so many bytes. */
  private idHolder(size: number): Buffer {
    return size <= SHORT ? this.bytes : this.arena
  }

  /** Where in it the id of a row begins. */
  private idStart(row: number, size: number): number {
    return size <= SHORT ? (row + ID) * 4 : this.words[row + ID]!
  }

  private remember(id: string, slot: number): void {
    this.lastId = id
    this.lastSlot = slot
  }

  private add(buffer: Uint8Array, from: number, to: number): number {
    if ((this.count + 1) * 4 > this.slots.length * FULL) this.rehash()
    if (this.count * WORDS === this.words.length) this.grow()
    const slot = this.count++
    const row = slot * WORDS
    const size = to - from
    this.words[row + ID_SIZE] = size
    if (size > SHORT) this.words[row + ID] = this.takeArena(size)
    const bytes = this.idHolder(size)
    const start = this.idStart(row, size)
    for (let index = 0; index < size; index++) bytes[start + index] = buffer[from + index]!
    this.set(slot, 0, -1, UNKNOWN, 0, 0)
    this.place(slot)
    return slot
  }

  private place(slot: number): void {
    const mask = this.slots.length - 1
    const size = this.words[slot * WORDS + ID_SIZE]!
    const start = this.idStart(slot * WORDS, size)
    let place = this.hash(this.idHolder(size), start, start + size, this.key0, this.key1) & mask
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
    const words = new Uint32Array(room * WORDS)
    words.set(this.words)
    this.takeWords(words)
  }

  /** Where so many bytes are free. */
  private takeArena(size: number): number {
    const start = this.arenaEnd
    const end = this.arenaEnd = start + size
    if (end > this.arena.length) {
      const arena = Buffer.allocUnsafeSlow(Math.max(SMALLEST * SHORT, end, this.arena.length + (this.arena.length >>> 2)))
      this.arena.copy(arena, 0, 0, start)
      this.arena = arena
    }
    return start
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
