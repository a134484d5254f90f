/*
 * A walk over the records of a batch that came from outside: every length is checked, and only what an append has to know is taken out. It
 * does the work of RecordLayout (record.ts) for records as they mostly are, in a fraction of the time, and leaves the others to it: whoever
 * takes batches in does this once per record.
 */
import { NULL_SIZE, RecordLayout } from './record.ts'

/** One of these walks over any number of records, one after the other. */
export class RecordWalk {
  timestampDelta = 0
  offsetDelta = 0
  /** {@link NULL_SIZE} for null; so with `valueSize`. */
  keySize = NULL_SIZE
  valueSize = NULL_SIZE
  private bytes: Uint8Array = NO_BYTES
  private at = 0
  /** A varint was longer than four bytes, or passed the end. */
  private odd = false
  private readonly slow = new RecordLayout()

  /**
   * Reads the record that begins at `at`, and gives the place behind it.
   *
   * @throws LogError `LOG_BATCH_CORRUPT` if a length passes what is left, or the parts do not fill the record exactly
   */
  read(bytes: Uint8Array, at: number): number {
    this.bytes = bytes
    this.at = at
    this.odd = false
    const size = this.varint()
    const end = this.at + size
    if (this.odd || size < 0 || end > bytes.length) return this.readSlowly(bytes, at)
    this.at++
    this.timestampDelta = this.varint()
    this.offsetDelta = this.varint()
    this.keySize = this.varint()
    this.skip(this.keySize, NULL_SIZE)
    this.valueSize = this.varint()
    this.skip(this.valueSize, NULL_SIZE)
    let headers = this.varint()
    for (; headers > 0 && !this.odd && this.at < end; headers--) {
      this.skip(this.varint(), 0)
      this.skip(this.varint(), NULL_SIZE)
    }
    return !this.odd && this.at === end && headers === 0 ? end : this.readSlowly(bytes, at)
  }

  private skip(size: number, least: number): void {
    if (size > 0) this.at += size
    else if (size < least) this.odd = true
  }

  private varint(): number {
    const { bytes } = this
    let byte = bytes[this.at++]!
    if (byte < 0x80) return (byte >>> 1) ^ -(byte & 1)
    let bits = byte & 0x7f
    for (let shift = 7; shift < 28; shift += 7) {
      byte = bytes[this.at++]!
      bits |= (byte & 0x7f) << shift
      if (byte < 0x80) return (bits >>> 1) ^ -(bits & 1)
    }
    this.odd = true
    return 0
  }

  private readSlowly(bytes: Uint8Array, at: number): number {
    const { slow } = this
    const end = slow.read(bytes, at, bytes.length)
    this.timestampDelta = slow.timestampDelta
    this.offsetDelta = slow.offsetDelta
    this.keySize = slow.keySize
    this.valueSize = slow.valueSize
    return end
  }
}

const NO_BYTES = new Uint8Array(0)
