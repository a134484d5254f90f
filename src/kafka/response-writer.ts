/*
 * Writes a response. What is large (record batches) is not copied: it is kept as it is and goes out between what was written before and
 * behind it, all with one gathered write. It must not change until then.
 */
import { ByteWriter, setInt32 } from '../base/bytes.ts'

/** Fewer bytes are copied: a piece of its own costs more. */
const SMALLEST_PIECE = 4096

const LENGTH_BYTES = 4

/** The writer of one response, its length in front. */
export class ResponseWriter extends ByteWriter {
  /** Bytes of pieces. */
  #pieceBytes = 0
  /** Large bytes, and where in what was written they belong. */
  #pieces: { readonly at: number; readonly bytes: Uint8Array }[] = []

  constructor() {
    super(Buffer.allocUnsafe(512), LENGTH_BYTES)
  }

  override bytes(value: Uint8Array): void {
    if (value.length < SMALLEST_PIECE) return super.bytes(value)
    this.#pieces.push({ at: this.at, bytes: value })
    this.#pieceBytes += value.length
  }

  /** The whole frame: its bytes in order. */
  frame(): Uint8Array[] {
    setInt32(this.buffer, 0, this.at - LENGTH_BYTES + this.#pieceBytes)
    const parts: Uint8Array[] = []
    let from = 0
    for (const { at, bytes } of this.#pieces) {
      if (at > from) parts.push(this.buffer.subarray(from, at))
      parts.push(bytes)
      from = at
    }
    if (from < this.at) parts.push(this.buffer.subarray(from, this.at))
    return parts
  }
}
