/*
 * The index of one sealed segment of events: of each stream with many events in it, where every 64th of them lies. With it a read that
 * begins far from the head of a stream need not go back all the way. Here are its bytes and what is looked up in them; which segments have
 * one, and when it is made, is in stream-places.ts. Spec: docs/format.md#events.
 *
 *   epoch · base offset · end offset (float64) · streams · places (uint32)
 *   a stream: end of its id · end of its places (uint32, counted from the first)
 *   a place: version · offset − base offset · position of the batch · at · size (uint32)
 *   the ids
 *
 * Big-endian. Streams are in the order of the bytes of their ids, and the places of a stream in that of its versions.
 */
import { decodeSideFile, encodeSideFile } from '../format/side-file.ts'

/** Where an event of a stream lies: as the head of a stream is kept (stream-table.ts). */
export interface EventPlace {
  readonly version: number
  readonly offset: number
  readonly position: number
  readonly at: number
  readonly size: number
}

/** Of which part of which history an index is. */
export interface IndexedSegment {
  /** The epoch of the log when the segment was sealed, or a later one. */
  readonly epoch: number
  readonly baseOffset: number
  /** Where the next segment begins. */
  readonly endOffset: number
}

const KIND = 'EVSG'
const VERSION = { major: 1, minor: 0 }
const HEADER_BYTES = 3 * 8 + 2 * 4
const STREAM_BYTES = 2 * 4
const PLACE_BYTES = 5 * 4

/** The places of events in one sealed segment. */
export class SegmentIndex {
  readonly segment: IndexedSegment
  readonly #bytes: Buffer
  readonly #streams: number
  readonly #placesAt: number
  readonly #idsAt: number

  private constructor(payload: Buffer) {
    this.#bytes = payload
    this.segment = { epoch: payload.readDoubleBE(0), baseOffset: payload.readDoubleBE(8), endOffset: payload.readDoubleBE(16) }
    this.#streams = payload.readUInt32BE(24)
    this.#placesAt = HEADER_BYTES + this.#streams * STREAM_BYTES
    this.#idsAt = this.#placesAt + payload.readUInt32BE(28) * PLACE_BYTES
  }

  /** Makes the index of a segment. @param streams  by the bytes of their ids, as latin1; the places of each by rising versions */
  static of(segment: IndexedSegment, streams: ReadonlyMap<string, readonly EventPlace[]>): SegmentIndex {
    const ids = [...streams.keys()].sort((one, other) => (one < other ? -1 : 1))
    const count = ids.reduce((sum, id) => sum + streams.get(id)!.length, 0)
    const idBytes = ids.reduce((sum, id) => sum + id.length, 0)
    const payload = Buffer.allocUnsafeSlow(HEADER_BYTES + ids.length * STREAM_BYTES + count * PLACE_BYTES + idBytes)
    payload.writeDoubleBE(segment.epoch, 0)
    payload.writeDoubleBE(segment.baseOffset, 8)
    payload.writeDoubleBE(segment.endOffset, 16)
    payload.writeUInt32BE(ids.length, 24)
    payload.writeUInt32BE(count, 28)
    const index = new SegmentIndex(payload)
    let [idEnd, placeEnd, at] = [0, 0, index.#placesAt]
    ids.forEach((id, number) => {
      payload.write(id, index.#idsAt + idEnd, 'latin1')
      const places = streams.get(id)!
      payload.writeUInt32BE((idEnd += id.length), HEADER_BYTES + number * STREAM_BYTES)
      payload.writeUInt32BE((placeEnd += places.length), HEADER_BYTES + number * STREAM_BYTES + 4)
      for (const { version, offset, position, at: atInBatch, size } of places) {
        for (const word of [version, offset - segment.baseOffset, position, atInBatch, size]) at = payload.writeUInt32BE(word, at)
      }
    })
    return index
  }

  /** Reads a file. @throws LogError `LOG_FILE_CORRUPT`, `LOG_VERSION_UNSUPPORTED`; RangeError when it is no index in spite of its checksum */
  static decode(bytes: Buffer, path: string): SegmentIndex {
    const index = new SegmentIndex(decodeSideFile(bytes, KIND, VERSION, path).payload)
    const idBytes = index.#streams === 0 ? 0 : index.#idEnd(index.#streams - 1)
    if (index.#idsAt + idBytes !== index.#bytes.length) throw new RangeError(`${path} does not have the size that it says`)
    return index
  }

  /** As a file of ours. */
  encode(): Buffer {
    return encodeSideFile(KIND, VERSION, this.#bytes)
  }

  get byteLength(): number {
    return this.#bytes.length
  }

  /** Which versions of a stream have a place here; undefined when none has. Cost: O(log streams). */
  rangeOf(id: Uint8Array): { readonly first: number; readonly last: number } | undefined {
    const stream = this.#find(id)
    if (stream < 0) return undefined
    return { first: this.#version(this.#firstPlace(stream)), last: this.#version(this.#firstPlace(stream + 1) - 1) }
  }

  /** Where an event lies; undefined when it has no place here. */
  placeOf(id: Uint8Array, version: number): EventPlace | undefined {
    const stream = this.#find(id)
    if (stream < 0) return undefined
    let low = this.#firstPlace(stream)
    let high = this.#firstPlace(stream + 1) - 1
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.#version(middle) < version) low = middle + 1
      else high = middle
    }
    const bytes = this.#bytes
    const at = this.#placesAt + low * PLACE_BYTES
    if (this.#version(low) !== version) return undefined
    return {
      version, offset: this.segment.baseOffset + bytes.readUInt32BE(at + 4), position: bytes.readUInt32BE(at + 8), at: bytes.readUInt32BE(at + 12),
      size: bytes.readUInt32BE(at + 16),
    }
  }

  #find(id: Uint8Array): number {
    let low = 0
    let high = this.#streams - 1
    while (low <= high) {
      const middle = (low + high) >>> 1
      const start = middle === 0 ? 0 : this.#idEnd(middle - 1)
      const order = this.#bytes.compare(id, 0, id.length, this.#idsAt + start, this.#idsAt + this.#idEnd(middle))
      if (order === 0) return middle
      if (order < 0) low = middle + 1
      else high = middle - 1
    }
    return -1
  }

  #idEnd(stream: number): number {
    return this.#bytes.readUInt32BE(HEADER_BYTES + stream * STREAM_BYTES)
  }

  #firstPlace(stream: number): number {
    return stream === 0 ? 0 : this.#bytes.readUInt32BE(HEADER_BYTES + (stream - 1) * STREAM_BYTES + 4)
  }

  #version(place: number): number {
    return this.#bytes.readUInt32BE(this.#placesAt + place * PLACE_BYTES)
  }
}
