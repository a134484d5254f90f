/*
 * The bytes of one file in memory: sparse, in chunks, copy-on-write. A fork shares every chunk with its origin until one of the two
 * writes to it, so it costs the list of chunks and not the bytes.
 */

/** Bytes are charged by blocks of this size, as disks do; a hole costs nothing. */
const BLOCK_BYTES = 4096

const CHUNK_BYTES = 16 * BLOCK_BYTES
const SMALLEST_CHUNK_BYTES = 256

/** How many bytes a set of files may take. */
export class Budget {
  capacity: number
  used = 0

  constructor(capacity: number) {
    this.capacity = capacity
  }

  /** Bytes that are left; never negative. */
  get free(): number {
    return Math.max(0, this.capacity - this.used)
  }
}

interface Chunk {
  bytes: Uint8Array       // grows to CHUNK_BYTES; what is missing reads as zeros
  blocks: number       // one bit for each block that is charged
  readonly owner: object       // the Contents that may write here; anyone else copies first
}

let made = 0

/** The bytes of one file. */
export class Contents {
  /** Of no other contents in this process. */
  readonly identity = String(++made)
  #budget: Budget
  #chunks = new Map<number, Chunk>()
  #owner: object = {}
  #size = 0

  constructor(budget: Budget) {
    this.#budget = budget
  }

  /** Length in bytes. */
  get size(): number {
    return this.#size
  }

  /** Reads up to `length` bytes into `buffer` at `at`; gives how many there were. */
  read(buffer: Uint8Array, at: number, length: number, position: number): number {
    const count = Math.max(0, Math.min(length, this.#size - position))
    for (let done = 0; done < count; ) {
      const within = (position + done) % CHUNK_BYTES
      const part = Math.min(count - done, CHUNK_BYTES - within)
      const chunk = this.#chunks.get(Math.floor((position + done) / CHUNK_BYTES))
      copyOrZero(chunk, within, part, buffer, at + done)
      done += part
    }
    return count
  }

  /** Writes `length` bytes at `position`, or as many as the budget has room for; gives how many. */
  write(buffer: Uint8Array, at: number, length: number, position: number): number {
    let done = 0
    while (done < length) {
      const within = (position + done) % CHUNK_BYTES
      const part = Math.min(length - done, CHUNK_BYTES - within)
      const written = this.#writeChunk(Math.floor((position + done) / CHUNK_BYTES), within, buffer, at + done, part)
      done += written
      if (written < part) break
    }
    if (done > 0) this.#size = Math.max(this.#size, position + done)
    return done
  }

  /** Cuts to `size` bytes, or extends with a hole. */
  truncate(size: number): void {
    if (size < this.#size) {
      const last = Math.floor(size / CHUNK_BYTES)
      const within = size % CHUNK_BYTES
      for (const [index, chunk] of this.#chunks) {
        if (index > last || (index === last && within === 0)) this.#drop(index, chunk)
        else if (index === last) this.#cutChunk(index, chunk, within)
      }
    }
    this.#size = size
  }

  /** An equal one that shares all chunks until either is written to; its bytes are charged to `budget`. */
  fork(budget: Budget): Contents {
    const fork = new Contents(budget)
    fork.#chunks = new Map(this.#chunks)
    fork.#size = this.#size
    this.#owner = {}       // from now on neither owns what both hold
    for (const chunk of this.#chunks.values()) budget.used += bytesOf(chunk.blocks)
    return fork
  }

  /** Gives all bytes back to the budget and takes no more from it: for a removed file that somebody still holds open. */
  detach(): void {
    for (const chunk of this.#chunks.values()) this.#budget.used -= bytesOf(chunk.blocks)
    this.#budget = new Budget(Infinity)
    for (const chunk of this.#chunks.values()) this.#budget.used += bytesOf(chunk.blocks)
  }

  #writeChunk(index: number, within: number, buffer: Uint8Array, at: number, length: number): number {
    const found = this.#chunks.get(index)
    const { blocks, count } = this.#charge(found?.blocks ?? 0, within, length)
    if (count === 0) return 0
    const chunk = this.#own(index, found, within + count)
    chunk.blocks = blocks
    chunk.bytes.set(buffer.subarray(at, at + count), within)
    return count
  }

  /** Charges the blocks that a write needs, as far as there is room; gives the new set and how many bytes of the write fit. */
  #charge(blocks: number, within: number, length: number): { blocks: number; count: number } {
    for (let block = Math.floor(within / BLOCK_BYTES); block * BLOCK_BYTES < within + length; block++) {
      if ((blocks & (1 << block)) !== 0) continue
      if (this.#budget.free < BLOCK_BYTES) return { blocks, count: Math.max(0, block * BLOCK_BYTES - within) }
      this.#budget.used += BLOCK_BYTES
      blocks |= 1 << block
    }
    return { blocks, count: length }
  }

  #own(index: number, found: Chunk | undefined, needed: number): Chunk {
    if (found !== undefined && found.owner === this.#owner && found.bytes.length >= needed) return found
    let length = Math.max(SMALLEST_CHUNK_BYTES, found?.bytes.length ?? 0)
    while (length < needed) length *= 2
    const bytes = new Uint8Array(length)
    if (found !== undefined) bytes.set(found.bytes)
    const chunk = { bytes, blocks: found?.blocks ?? 0, owner: this.#owner }
    this.#chunks.set(index, chunk)
    return chunk
  }

  #cutChunk(index: number, found: Chunk, within: number): void {
    const chunk = this.#own(index, found, 0)
    chunk.bytes.fill(0, within)
    const kept = chunk.blocks & ((1 << Math.ceil(within / BLOCK_BYTES)) - 1)
    this.#budget.used -= bytesOf(chunk.blocks ^ kept)
    chunk.blocks = kept
  }

  #drop(index: number, chunk: Chunk): void {
    this.#budget.used -= bytesOf(chunk.blocks)
    this.#chunks.delete(index)
  }
}

function copyOrZero(chunk: Chunk | undefined, within: number, length: number, buffer: Uint8Array, at: number): void {
  const present = chunk === undefined ? 0 : Math.max(0, Math.min(length, chunk.bytes.length - within))
  if (present > 0) buffer.set(chunk!.bytes.subarray(within, within + present), at)
  if (present < length) buffer.fill(0, at + present, at + length)
}

function bytesOf(blocks: number): number {
  let count = 0
  for (let rest = blocks; rest !== 0; rest &= rest - 1) count++
  return count * BLOCK_BYTES
}
