/*
 * Which batches of a segment were found whole, so that a batch is checked once and not again when its window went: one bit for 32 bytes of the
 * file, since no two batches begin in the same.
 */

/** The batches of one segment that are known to be whole. */
export class CheckedBatches {
  #bits: Uint32Array | undefined

  /** Whether the batch at `position` is. */
  has(position: number): boolean {
    return this.#bits !== undefined && (this.#bits[position >>> 10]! & (1 << (position >>> 5))) !== 0
  }

  /** Remembers the batch at `position` of a segment of `size` bytes, which may have grown since. */
  add(position: number, size: number): void {
    const word = position >>> 10
    if (this.#bits === undefined || word >= this.#bits.length) {
      const larger = new Uint32Array(Math.max(16, (Math.max(size, position) >>> 10) + 1))
      if (this.#bits !== undefined) larger.set(this.#bits)
      this.#bits = larger
    }
    this.#bits[word]! |= 1 << (position >>> 5)
  }

  /** Forgets all: the file has become another. */
  clear(): void {
    this.#bits = undefined
  }
}
