/*
 * Which records above a committed offset are finished, as bytes: what lets a restart skip exactly those. The bytes travel in the header
 * `cl-finished` of the offset record, beside the committed offset that they count from, and never in the user's metadata.
 *
 *    0         1 …
 *    +---------+----------------------------------------------------+
 *    | version | bits, lowest first: bit i is offset `committed` + i |
 *    +---------+----------------------------------------------------+
 *
 * Zero bytes at the end are left out. As base64 behind its marker (finished-metadata.ts) it never takes more than the 4096 bytes that Kafka
 * allows for metadata.
 */
import { LogError } from '../../base/errors.ts'

const VERSION = 1
const HEADER_BYTES = 1
const MOST_METADATA_BYTES = 4096

/** What a set begins with as the metadata of a commit. */
export const FINISHED_MARKER = 'cl-finished:'

/** How many bytes a set may have. */
export const MOST_FINISHED_BYTES = ((MOST_METADATA_BYTES - FINISHED_MARKER.length) / 4) * 3

/** How many offsets, the committed one included, a set can speak of. */
export const MOST_FINISHED_SPAN = (MOST_FINISHED_BYTES - HEADER_BYTES) * 8

/** Offsets at or above `base` that are finished. */
export class FinishedSet {
  /** The committed offset that the set was stored with. */
  readonly base: number
  /** No member is at or above it; `base` for an empty set. */
  readonly end: number
  readonly #bits: Uint8Array

  /** @param bits  of offsets from `base` on, lowest bit first */
  constructor(base: number, bits: Uint8Array = new Uint8Array(0)) {
    let length = bits.length
    while (length > 0 && bits[length - 1] === 0) length--
    this.base = base
    this.#bits = bits.subarray(0, length)
    this.end = length === 0 ? base : base + (length - 1) * 8 + 32 - Math.clz32(bits[length - 1]!)
  }

  /**
   * The set that was stored with a committed offset.
   *
   * @param bytes  undefined for none
   * @throws LogError `LOG_FILE_CORRUPT` for bytes that are no set, `LOG_VERSION_UNSUPPORTED` for those of a newer version
   */
  static decode(base: number, bytes: Uint8Array | undefined): FinishedSet {
    if (bytes === undefined) return new FinishedSet(base)
    const version = bytes[0]
    if (version === undefined || version === 0 || bytes.length > MOST_FINISHED_BYTES) {
      throw new LogError('LOG_FILE_CORRUPT', `the finished offsets above ${base} are not readable: ${bytes.length} bytes`, { offset: base })
    }
    if (version > VERSION) {
      throw new LogError('LOG_VERSION_UNSUPPORTED', `the finished offsets above ${base} are of version ${version}`, { offset: base, version })
    }
    return new FinishedSet(base, bytes.subarray(HEADER_BYTES))
  }

  has(offset: number): boolean {
    const index = offset - this.base
    return index >= 0 && offset < this.end && (this.#bits[index >>> 3]! & (1 << (index & 7))) !== 0
  }

  get size(): number {
    let count = 0
    for (const byte of this.#bits) for (let left = byte; left !== 0; left &= left - 1) count++
    return count
  }
}

/** Gathers offsets at or above `base` and gives the bytes of the set. */
export class FinishedSetWriter {
  readonly #base: number
  readonly #bytes = new Uint8Array(MOST_FINISHED_BYTES)
  #length = 0

  constructor(base: number) {
    this.#base = base
  }

  /** Adds an offset; one that is too far above `base` cannot be: false. */
  add(offset: number): boolean {
    const index = offset - this.#base
    if (index >= MOST_FINISHED_SPAN) return false
    const at = HEADER_BYTES + (index >>> 3)
    this.#bytes[at]! |= 1 << (index & 7)
    if (at >= this.#length) this.#length = at + 1
    return true
  }

  /** The bytes; undefined for an empty set. */
  finish(): Buffer | undefined {
    if (this.#length === 0) return undefined
    this.#bytes[0] = VERSION
    return Buffer.from(this.#bytes.subarray(0, this.#length))
  }
}
