/*
 * Cuts the bytes of a connection into frames: four bytes of length, then so many bytes. A frame that came in one piece is a view of it.
 * For a length that somebody only claims no more is allocated than twice what came.
 */
import { getInt32, keptCopy } from '../base/bytes.ts'
import { LogError } from '../base/errors.ts'

const LENGTH_BYTES = 4
/** A chunk below so many bytes is small: as an object it costs more than what it holds. */
const SMALL = 1024
/** So many small ones in a row are made one. */
const JOINED = 64

const NO_BYTES = Buffer.alloc(0)

/** Takes chunks as they come and gives whole frames. */
export class FrameReader {
  /** Bytes that wait: of frames that were not taken yet, and of the one that is not whole. */
  waiting = 0
  readonly #maxBytes: number
  #chunks: Buffer[] = []
  /** Small ones that came last. */
  #small = 0
  /** Of the next frame, without its length; −1 while it is not known. */
  #size = -1
  /** The last chunk is only lent. */
  #lent = false
  /** Memory of a frame that is not whole, of which the first chunk is a view. */
  #gathered: Buffer | undefined

  /** @param maxBytes  of one frame */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  /**
   * Takes what came.
   *
   * @param lent  the bytes change once `keep` was called; otherwise never any more
   */
  push(chunk: Buffer, lent = false): void {
    const rest = this.#gather(chunk)
    if (rest.length === 0) return
    this.#chunks.push(rest)
    this.#lent = lent
    this.waiting += rest.length
    this.#small = rest.length < SMALL ? this.#small + 1 : 0
    if (this.#small === JOINED) this.#join()
  }

  /** Copies what waits in memory that was lent. Once half of a frame is there it gets memory for all of it, so that the rest is copied once. */
  keep(): void {
    if (!this.#lent) return
    this.#lent = false
    const whole = LENGTH_BYTES + this.#size
    if (this.#size > SMALL && this.waiting < whole && this.waiting >= whole / 2) {
      this.#gathered = Buffer.allocUnsafeSlow(whole)
      let at = 0
      for (const chunk of this.#chunks) at += chunk.copy(this.#gathered, at)
      this.#chunks = [this.#gathered.subarray(0, at)]
      this.#small = 0
    } else this.#chunks.push(keptCopy(this.#chunks.pop()!))
  }

  /** Whether a frame has begun and is not whole. */
  get unfinished(): boolean {
    return this.waiting > 0 && !this.hasFrame()
  }

  /**
   * Whether a whole frame waits.
   *
   * @throws LogError `LOG_PROTOCOL_ERROR` for a length that no frame has: nothing of this connection can be understood any more
   */
  hasFrame(): boolean {
    if (this.#size < 0 && this.waiting >= LENGTH_BYTES) this.#size = this.#checked(getInt32(this.#front(LENGTH_BYTES), 0))
    return this.#size >= 0 && this.waiting - LENGTH_BYTES >= this.#size
  }

  /** The first bytes of the frame that waits, for a look: `hasFrame` said that there is one, of at least so many bytes. */
  peek(bytes: number): Buffer {
    return this.#front(LENGTH_BYTES + bytes).subarray(LENGTH_BYTES)
  }

  /** Whether the frame that waits lies in memory that is only lent. */
  get frameLent(): boolean {
    return this.#lent && this.#chunks.length === 1
  }

  /** Bytes of the frame that waits. */
  get frameSize(): number {
    return this.#size
  }

  /** Takes the frame that `hasFrame` spoke of. */
  take(): Buffer {
    const whole = LENGTH_BYTES + this.#size
    const frame = this.#front(whole).subarray(LENGTH_BYTES)
    this.#drop(whole)
    this.#size = -1
    return frame
  }

  /** Forgets what waits. */
  clear(): void {
    this.#chunks = []
    this.#small = 0
    this.waiting = 0
    this.#size = -1
    this.#lent = false
    this.#gathered = undefined
  }

  /** Puts what belongs to a frame that is being gathered there, and gives the rest. */
  #gather(chunk: Buffer): Buffer {
    const gathered = this.#gathered
    if (gathered === undefined) return chunk
    const count = chunk.copy(gathered, this.waiting)
    this.waiting += count
    this.#chunks[0] = gathered.subarray(0, this.waiting)
    if (this.waiting === gathered.length) this.#gathered = undefined
    return count === chunk.length ? NO_BYTES : chunk.subarray(count)
  }

  #join(): void {
    this.#chunks.push(Buffer.concat(this.#chunks.splice(-this.#small)))
    this.#small = 0
    this.#lent = false
  }

  /** The first `count` bytes: a view where they lie in one chunk, else put together, and no more than these. */
  #front(count: number): Buffer {
    const first = this.#chunks[0]!
    if (first.length >= count) return first.subarray(0, count)
    const joined = Buffer.allocUnsafe(count)
    let at = 0
    for (let index = 0; at < count; index++) at += this.#chunks[index]!.copy(joined, at, 0, count - at)
    return joined
  }

  #drop(count: number): void {
    let left = count
    let whole = 0
    for (; left > 0 && this.#chunks[whole]!.length <= left; whole++) left -= this.#chunks[whole]!.length
    if (whole === 1) this.#chunks.shift()
    else if (whole > 1) this.#chunks.splice(0, whole)
    if (left > 0) this.#chunks[0] = this.#chunks[0]!.subarray(left)
    this.#small = Math.min(this.#small, this.#chunks.length)
    if (this.#chunks.length === 0) this.#lent = false
    this.waiting -= count
  }

  #checked(size: number): number {
    if (size >= 0 && size <= this.#maxBytes) return size
    const reason = size < 0 ? 'is negative' : `is above the limit of ${this.#maxBytes}`
    throw new LogError('LOG_PROTOCOL_ERROR', `a request of ${size} bytes ${reason}`, { size, limit: this.#maxBytes })
  }
}
