/*
 * The batch that is being built: records are encoded straight into the memory that is later written, published to readers and served,
 * so nothing is copied on the way. Batches lie back to back in a chunk; what is published in a chunk is never rewritten, and when a
 * chunk is full the open batch moves to the next one.
 *
 * Byte layout: docs/format.md#batch and #record. Sizes first and then plain writes where the codecs tell sizes; where they cannot, the
 * width of each length is guessed from the record before, and moved in the rare case that the guess was wrong.
 */
import { ByteWriter, putVarint, putVarlong, setBigInt64, setInt16, setInt32, setInt64, varintSize, varlongSize } from '../base/bytes.ts'
import { type Codec } from '../base/codec.ts'
import { crc32c } from '../base/crc32c.ts'
import { LogError } from '../base/errors.ts'
import {
  ATTRIBUTES_AT, BASE_OFFSET_AT, BASE_SEQUENCE_AT, BASE_TIMESTAMP_AT, CRC_AT, LAST_OFFSET_DELTA_AT, LEADER_EPOCH_AT, LENGTH_AT,
  LENGTH_COVERS_FROM, LOG_APPEND_TIME_BIT, MAGIC_AT, MAX_TIMESTAMP_AT, PRODUCER_EPOCH_AT, PRODUCER_ID_AT, RECORDS_AT, RECORD_COUNT_AT,
} from '../format/batch.ts'
import { compress, compressionNames, type CompressionName } from '../format/compression.ts'
import { type HeadersInput, type RecordCodecs } from './record-input.ts'
import { type TailBatch } from './tail.ts'

const FIRST_CHUNK = 64 * 1024
const LARGEST_CHUNK = 1024 * 1024
const MAX_LENGTH_WIDTH = 5

/** How a batch is finished. */
export interface SealOptions {
  readonly baseOffset: number
  readonly leaderEpoch: number
  readonly compression: CompressionName
  /** The log's own time of the append, when that is what the topic wants; undefined keeps the records' times. */
  readonly appendTime: number | undefined
}

/** Builds one batch after another in chunks of memory. */
export class BatchBuilder extends ByteWriter {
  /** Records in the open batch. */
  count = 0
  /** Where the open batch begins in `buffer`. */
  #start = 0
  #baseTimestamp = 0
  #maxTimestamp = 0
  #lengthWidth = 1
  #keyWidth = 1
  #valueWidth = 1
  #nextChunk = FIRST_CHUNK

  constructor() {
    super(Buffer.alloc(0), 0)
  }

  /** Bytes of the open batch so far, header included; 0 when none is open. */
  get size(): number {
    return this.count === 0 ? 0 : this.at - this.#start
  }

  /** Adds a record at the batch's next offset. When a codec throws, nothing was added. */
  add<K, V>(codecs: RecordCodecs<K, V>, key: K | null, value: V | null, headers: HeadersInput | undefined, timestamp: number): void {
    if (this.count === 0) this.#open(timestamp)
    const recordAt = this.at - this.#start
    try {
      if (headers === undefined && (key === null || codecs.key.size !== undefined) && (value === null || codecs.value.size !== undefined)) {
        this.#addSized(codecs, key, value, timestamp)
      } else this.#addGuessed(codecs, key, value, headers, timestamp)
    } catch (error) {
      this.at = this.#start + (this.count === 0 ? 0 : recordAt)
      throw error
    }
    this.count++
    if (timestamp > this.#maxTimestamp) this.#maxTimestamp = timestamp
  }

  /** Takes the last record back, which began at `size` bytes. */
  removeLast(size: number): void {
    this.at = this.#start + size
    this.count--
    if (this.count === 0) this.at = this.#start
  }

  /** Finishes the open batch: header, compression, checksum. From here on its bytes are never changed. */
  seal(options: SealOptions): TailBatch {
    if (options.compression !== 'none') this.#compressRecords(options.compression)
    const { buffer } = this
    const at = this.#start
    const maxTimestamp = options.appendTime ?? this.#maxTimestamp
    const attributes = compressionNames.indexOf(options.compression) | (options.appendTime === undefined ? 0 : LOG_APPEND_TIME_BIT)
    setInt64(buffer, at + BASE_OFFSET_AT, options.baseOffset)
    setInt32(buffer, at + LENGTH_AT, this.at - at - LENGTH_COVERS_FROM)
    setInt32(buffer, at + LEADER_EPOCH_AT, options.leaderEpoch)
    buffer[at + MAGIC_AT] = 2
    setInt16(buffer, at + ATTRIBUTES_AT, attributes)
    setInt32(buffer, at + LAST_OFFSET_DELTA_AT, this.count - 1)
    setInt64(buffer, at + BASE_TIMESTAMP_AT, this.#baseTimestamp)
    setInt64(buffer, at + MAX_TIMESTAMP_AT, maxTimestamp)
    setBigInt64(buffer, at + PRODUCER_ID_AT, -1n)
    setInt16(buffer, at + PRODUCER_EPOCH_AT, -1)
    setInt32(buffer, at + BASE_SEQUENCE_AT, -1)
    setInt32(buffer, at + RECORD_COUNT_AT, this.count)
    setInt32(buffer, at + CRC_AT, crc32c(buffer, at + ATTRIBUTES_AT, this.at))
    const batch: TailBatch = {
      buffer, at, size: this.at - at, baseOffset: options.baseOffset, lastOffset: options.baseOffset + this.count - 1,
      maxTimestamp, recordCount: this.count, position: -1, transactional: false,
    }
    this.#close()
    return batch
  }

  /** Places a ready batch, whose offset and epoch are set, behind what is sealed. No batch may be open. */
  place(bytes: Uint8Array): { readonly buffer: Buffer; readonly at: number } {
    if (bytes.length > this.buffer.length - this.at) this.#newChunk(bytes.length)
    const at = this.at
    this.buffer.set(bytes, at)
    this.at += bytes.length
    this.#start = this.at
    return { buffer: this.buffer, at }
  }

  /** Forgets the open batch. */
  discard(): void {
    this.at = this.#start
    this.count = 0
  }

  protected override grow(count: number): void {
    this.#newChunk(this.at - this.#start + count)
  }

  #open(timestamp: number): void {
    this.reserve(RECORDS_AT)
    this.at = this.#start + RECORDS_AT
    this.#baseTimestamp = timestamp
    this.#maxTimestamp = timestamp
  }

  #close(): void {
    this.#start = this.at
    this.count = 0
  }

  /** Moves the open batch to a chunk with room for `needed` bytes in all. Chunks double while they keep filling up. */
  #newChunk(needed: number): void {
    const chunk = Buffer.allocUnsafeSlow(Math.max(this.#nextChunk, needed + needed / 4 | 0))
    this.#nextChunk = Math.min(this.#nextChunk * 2, LARGEST_CHUNK)
    const open = this.at - this.#start
    this.buffer.copy(chunk, 0, this.#start, this.at)
    this.buffer = chunk
    this.#start = 0
    this.at = open
  }

  #addSized<K, V>(codecs: RecordCodecs<K, V>, key: K | null, value: V | null, timestamp: number): void {
    const keySize = key === null ? -1 : codecs.key.size!(key)
    const valueSize = value === null ? -1 : codecs.value.size!(value)
    const delta = timestamp - this.#baseTimestamp
    const bodySize = 2 + varlongSize(delta) + varintSize(this.count) + varintSize(keySize) + Math.max(keySize, 0) +
      varintSize(valueSize) + Math.max(valueSize, 0)
    this.reserve(MAX_LENGTH_WIDTH + bodySize)
    const { buffer } = this
    let at = putVarint(buffer, this.at, bodySize)
    buffer[at++] = 0
    at = putVarlong(buffer, at, delta)
    at = putVarint(buffer, at, this.count)
    at = putVarint(buffer, at, keySize)
    if (key !== null) {
      this.at = at
      codecs.key.encode(key, this)
      at += keySize
    }
    at = putVarint(buffer, at, valueSize)
    if (value !== null) {
      this.at = at
      codecs.value.encode(value, this)
      at += valueSize
    }
    buffer[at++] = 0
    this.at = at
  }

  #addGuessed<K, V>(codecs: RecordCodecs<K, V>, key: K | null, value: V | null, headers: HeadersInput | undefined, timestamp: number): void {
    const lengthWidth = this.#lengthWidth
    const recordAt = this.at - this.#start
    this.reserve(32)
    this.at += lengthWidth
    this.buffer[this.at++] = 0
    this.at = putVarlong(this.buffer, this.at, timestamp - this.#baseTimestamp)
    this.at = putVarint(this.buffer, this.at, this.count)
    this.#keyWidth = this.#putField(codecs.key, key, this.#keyWidth)
    this.#valueWidth = this.#putField(codecs.value, value, this.#valueWidth)
    this.#putHeaders(headers)
    this.#lengthWidth = this.#putLength(recordAt, lengthWidth)
  }

  /** Writes a key or value with its length in front, and gives the width of that length: the best guess for the next one. */
  #putField<T>(codec: Codec<T>, value: T | null, width: number): number {
    this.reserve(MAX_LENGTH_WIDTH)
    if (value === null) {
      this.buffer[this.at++] = 1
      return width
    }
    const fieldAt = this.at - this.#start
    this.at += width
    codec.encode(value, this)
    return this.#putLength(fieldAt, width)
  }

  /** Writes the length of what lies `guessed` bytes behind `lengthAt` (from the batch's start), moving it when the width is another. */
  #putLength(lengthAt: number, guessed: number): number {
    const from = this.#start + lengthAt
    const size = this.at - from - guessed
    const width = varintSize(size)
    if (width !== guessed) {
      this.reserve(MAX_LENGTH_WIDTH)
      const start = this.#start + lengthAt
      this.buffer.copyWithin(start + width, start + guessed, this.at)
      this.at += width - guessed
    }
    putVarint(this.buffer, this.#start + lengthAt, size)
    return width
  }

  #putHeaders(headers: HeadersInput | undefined): void {
    const list = headers === undefined ? [] : headerList(headers)
    this.varint(list.length)
    for (const [name, value] of list) {
      this.varint(Buffer.byteLength(name))
      this.string(name)
      if (value === null) this.varint(-1)
      else if (typeof value === 'string') {
        this.varint(Buffer.byteLength(value))
        this.string(value)
      } else {
        this.varint(value.length)
        this.bytes(value)
      }
    }
  }

  #compressRecords(compression: CompressionName): void {
    const from = this.#start + RECORDS_AT
    const compressed = compress(compression, this.buffer.subarray(from, this.at))
    this.at = from
    this.reserve(compressed.length)
    this.buffer.set(compressed, this.#start + RECORDS_AT)
    this.at = this.#start + RECORDS_AT + compressed.length
  }
}

function headerList(headers: HeadersInput): (readonly [string, Uint8Array | string | null])[] {
  const list = Symbol.iterator in headers ? [...headers] : Object.entries(headers).filter((header) => header[1] !== undefined)
  for (const header of list) {
    const [name, value] = header
    if (typeof name !== 'string') throw new TypeError(`a header's name is a string, not ${typeof name}`)
    if (value !== null && typeof value !== 'string' && !(value instanceof Uint8Array)) {
      throw new TypeError(`header "${name}" is a ${typeof value}: give a string, a Uint8Array or null`)
    }
  }
  return list as (readonly [string, Uint8Array | string | null])[]
}

/** What a record larger than the topic allows is refused with. */
export function recordTooLarge(size: number, limit: number): LogError {
  return new LogError('LOG_RECORD_TOO_LARGE', `a record of ${size} bytes with its batch header, maxMessageBytes is ${limit}`, { size, limit })
}
