/*
 * Batches that are sealed and not written yet, oldest first. Those that lie side by side in memory are written by one call.
 */
import { type Segment } from './segment.ts'
import { type TailBatch } from './tail.ts'

/** The sealed batches of one partition that wait for their round. */
export class BatchQueue {
  #batches: TailBatch[] = []
  #bytes = 0

  /** Bytes of all of them. */
  get bytes(): number {
    return this.#bytes
  }

  /** The oldest; undefined when there is none. */
  get first(): TailBatch | undefined {
    return this.#batches[0]
  }

  push(batch: TailBatch): void {
    this.#batches.push(batch)
    this.#bytes += batch.size
  }

  /** How many of the first, of which there is one, lie side by side in memory, fit `segment` together and have not many more bytes than `most`. */
  runFor(segment: Segment, most: number): { readonly count: number; readonly bytes: number } {
    const batches = this.#batches
    const first = batches[0]!
    let bytes = first.size
    let count = 1
    for (; count < batches.length && bytes < most; count++) {
      const next = batches[count]!
      if (next.buffer !== first.buffer || next.at !== first.at + bytes) break
      if (segment.rollReason(next, { bytes, firstTimestamp: first.maxTimestamp }) !== undefined) break
      bytes += next.size
    }
    return { count, bytes }
  }

  /** Takes the first `count` out. */
  take(count: number): TailBatch[] {
    const taken = this.#batches.splice(0, count)
    for (const { size } of taken) this.#bytes -= size
    return taken
  }

  clear(): void {
    this.#batches = []
    this.#bytes = 0
  }
}
