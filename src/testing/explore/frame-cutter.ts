/*
 * Cuts the bytes of one direction of a connection into messages. Bytes that are no frames, as faults send them, are passed on as they come.
 */
import { getInt32 } from '../../base/bytes.ts'

const LENGTH_BYTES = 4
const MOST_BYTES = 256 * 1024 * 1024

/** Gives whole frames, their length in front. */
export class FrameCutter {
  #rest: Buffer = Buffer.alloc(0)
  #raw = false

  /** The messages that are whole with these bytes. */
  push(chunk: Buffer): Buffer[] {
    if (this.#raw) return [chunk]
    this.#rest = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk])
    const frames: Buffer[] = []
    while (this.#rest.length >= LENGTH_BYTES) {
      const size = getInt32(this.#rest, 0)
      if (size < 0 || size > MOST_BYTES) {
        this.#raw = true
        return [...frames, ...this.end()]
      }
      if (this.#rest.length < LENGTH_BYTES + size) break
      frames.push(this.#rest.subarray(0, LENGTH_BYTES + size))
      this.#rest = this.#rest.subarray(LENGTH_BYTES + size)
    }
    return frames
  }

  /** What is left when nothing more comes. */
  end(): Buffer[] {
    const rest = this.#rest
    this.#rest = Buffer.alloc(0)
    return rest.length === 0 ? [] : [rest]
  }
}
