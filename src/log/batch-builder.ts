/*
 * The batch that is being built: records are encoded straight into the memory that is later written, published to readers and served,
 * so nothing is copied on the way. Batches lie back to back in a chunk; what is published in a chunk is never rewritten, and when a
 * chunk is full the open batch moves to the next one.
 *
 * Byte layout: docs/format.md#batch and #record. Where codecs tell sizes, lengths are written as they come; where they cannot, and for
 * the length of the whole record, the width is guessed from the record before, and what is behind moved where the guess was wrong.
 */
import { ByteWriter, putUvarint, putVarlong, setBigInt64, setInt16, setInt32, setInt64, varintSize } from '../base/bytes.ts'
import { type Codec } from '../base/codec.ts'
import { crc32c } from '../base/crc32c.ts'
import { describe } from '../base/options.ts'
import {
  ATTRIBUTES_AT, BASE_OFFSET_AT, BASE_SEQUENCE_AT, BASE_TIMESTAMP_AT, CRC_AT, LAST_OFFSET_DELTA_AT, LEADER_EPOCH_AT, LENGTH_AT,
  LENGTH_COVERS_FROM, LOG_APPEND_TIME_BIT, MAGIC_AT, MAX_TIMESTAMP_AT, NONE, PRODUCER_EPOCH_AT, PRODUCER_ID_AT, RECORDS_AT,
  RECORD_COUNT_AT, TRANSACTIONAL_BIT,
} from '../format/batch.ts'
import { compress, compressionNames, type CompressionName, DEFAULT_MAX_DECOMPRESSED_BYTES } from '../format/compression.ts'
import { HeadersWriter } from './record-group.ts'
import { type HeadersInput, type RecordCodecs } from './record-input.ts'
import { type TailBatch } from './tail.ts'
import { CHUNK_BYTES, Window, type WindowCache } from './windows.ts'

const FIRST_CHUNK = 64 * 1024
const MAX_LENGTH_WIDTH = 5
/** Room for what stands in front of a key: length, attributes, time and offset. */
const MOST_BEFORE_KEY = 32
/** Room for all of a record but its key and value, either of which may be −1, and its headers. */
const MOST_AROUND_PARTS = MOST_BEFORE_KEY + 2 * MAX_LENGTH_WIDTH + 1
/** Varints: −1, the length of a null, and 0. */
const NULL_LENGTH = 1
const NO_HEADERS = 0

/** How a batch is finished. */
export interface SealOptions {
  readonly baseOffset: number
  readonly leaderEpoch: number
  readonly compression: CompressionName
  /** The log's own time of the append, when that is what the topic wants; undefined keeps the records' times. */
  readonly appendTime: number | undefined
  /** Whose batch it is, in a transaction unless it says otherwise; undefined for one without a producer id. */
  readonly producer?: {
    readonly producerId: bigint
    readonly producerEpoch: number
    readonly baseSequence: number
    readonly transactional?: boolean
  } | undefined
}

/** Builds one batch after another in chunks of memory. */
export class BatchBuilder extends ByteWriter {
  /** Records in the open batch. */
  count = 0
  /** Where the open batch begins in `buffer`. */
  #start = 0
  /** Where the last record begins. */
  #lastAt = 0
  /** A codec is at work. */
  #adding = false
  #chunk = new Window(0)
  readonly #windows: WindowCache
  #batchSize: number
  #baseTimestamp = 0
  #maxTimestamp = 0
  #lengthWidth = 1
  #keyWidth = 1
  #valueWidth = 1
  #nextChunk = FIRST_CHUNK

  /** @param batchSize  bytes at which a batch is `full` */
  constructor(windows: WindowCache, batchSize: number) {
    super(Buffer.alloc(0), 0)
    this.#windows = windows
    this.#batchSize = batchSize
  }

  /** Bytes at which a batch is full, from now on. */
  limitTo(batchSize: number): void {
    this.#batchSize = batchSize
  }

  /** Whether the open batch has reached the size at which it is sealed. */
  get full(): boolean {
    return this.at - this.#start >= this.#batchSize
  }

  /** Bytes of the open batch so far, header included; 0 when none is open. */
  get size(): number {
    return this.count === 0 ? 0 : this.at - this.#start
  }

  /** Where the next record begins, in bytes from the beginning of the batch. */
  get nextAt(): number {
    return this.count === 0 ? RECORDS_AT : this.at - this.#start
  }

  /** Adds a record at the batch's next offset. When a codec throws, nothing was added. */
  add<K, V>(
    codecs: RecordCodecs<K, V>, key: K | null, value: V | null, headers: HeadersInput | HeadersWriter | undefined, timestamp: number,
  ): void {
    this.#checkIdle()
    if (this.count === 0) this.#open(timestamp)
    const recordAt = this.at - this.#start
    let added = false
    this.#adding = true
    try {
      if (headers === undefined && (key === null || codecs.key.size !== undefined) && (value === null || codecs.value.size !== undefined)) {
        this.#addSized(codecs, key, value, timestamp)
      } else this.#addGuessed(codecs, key, value, headers, timestamp)
      added = true
    } finally {
      this.#adding = false
      if (!added) this.at = this.#start + (this.count === 0 ? 0 : recordAt)
    }
    this.#lastAt = recordAt
    this.count++
    if (timestamp > this.#maxTimestamp) this.#maxTimestamp = timestamp
  }

  /** Takes the last record back. */
  removeLast(): void {
    this.count--
    this.at = this.#start + (this.count === 0 ? 0 : this.#lastAt)
  }

  /** Takes the last records back: `count` are left, and the next one begins at `at`, as `nextAt` told before they were added. */
  removeFrom(count: number, at: number): void {
    this.count = count
    this.at = this.#start + (count === 0 ? 0 : at)
  }

  /** Finishes the open batch: header, compression, checksum. From here on its bytes are never changed. */
  seal(options: SealOptions): TailBatch {
    this.#checkIdle()
    // Readers refuse what grows beyond their bound when it is unpacked: so much is stored as it is.
    const compression = this.size - RECORDS_AT > DEFAULT_MAX_DECOMPRESSED_BYTES ? 'none' : options.compression
    if (compression !== 'none') this.#compressRecords(compression)
    const { buffer } = this
    const at = this.#start
    const maxTimestamp = options.appendTime ?? this.#maxTimestamp
    const { producer } = options
    const attributes = compressionNames.indexOf(compression) | (options.appendTime === undefined ? 0 : LOG_APPEND_TIME_BIT) |
      (producer === undefined || producer.transactional === false ? 0 : TRANSACTIONAL_BIT)
    setInt64(buffer, at + BASE_OFFSET_AT, options.baseOffset)
    setInt32(buffer, at + LENGTH_AT, this.at - at - LENGTH_COVERS_FROM)
    setInt32(buffer, at + LEADER_EPOCH_AT, options.leaderEpoch)
    buffer[at + MAGIC_AT] = 2
    setInt16(buffer, at + ATTRIBUTES_AT, attributes)
    setInt32(buffer, at + LAST_OFFSET_DELTA_AT, this.count - 1)
    setInt64(buffer, at + BASE_TIMESTAMP_AT, this.#baseTimestamp)
    setInt64(buffer, at + MAX_TIMESTAMP_AT, maxTimestamp)
    if (producer === undefined) setInt64(buffer, at + PRODUCER_ID_AT, NONE)
    else setBigInt64(buffer, at + PRODUCER_ID_AT, producer.producerId)
    setInt16(buffer, at + PRODUCER_EPOCH_AT, producer?.producerEpoch ?? NONE)
    setInt32(buffer, at + BASE_SEQUENCE_AT, producer?.baseSequence ?? NONE)
    setInt32(buffer, at + RECORD_COUNT_AT, this.count)
    setInt32(buffer, at + CRC_AT, crc32c(buffer, at + ATTRIBUTES_AT, this.at))
    const batch: TailBatch = {
      window: this.#chunk, buffer, at, size: this.at - at, baseOffset: options.baseOffset, lastOffset: options.baseOffset + this.count - 1,
      maxTimestamp, recordCount: this.count, position: -1, ofTransaction: producer !== undefined,
    }
    this.#close()
    return batch
  }

  /** Places a ready batch, whose offset and epoch are set, behind what is sealed. No batch may be open. */
  place(bytes: Uint8Array): { readonly window: Window; readonly buffer: Buffer; readonly at: number } {
    if (bytes.length > this.buffer.length - this.at) this.#newChunk(bytes.length)
    const at = this.at
    this.buffer.set(bytes, at)
    this.at += bytes.length
    this.#start = this.at
    return { window: this.#chunk, buffer: this.buffer, at }
  }

  /** Makes room for a ready batch of `size` bytes behind what is sealed, to be written there by the caller. No batch may be open. */
  takePlace(size: number): { readonly window: Window; readonly buffer: Buffer; readonly at: number } {
    this.#checkIdle()
    if (size > this.buffer.length - this.at) this.#newChunk(size)
    const at = this.at
    this.at += size
    this.#start = this.at
    return { window: this.#chunk, buffer: this.buffer, at }
  }

  /** Forgets the open batch. */
  discard(): void {
    this.at = this.#start
    this.count = 0
  }

  protected override grow(count: number): void {
    this.#newChunk(this.at - this.#start + count)
  }

  /** A codec that appends to, or flushes, the partition that it writes for would find a record that is half there. */
  #checkIdle(): void {
    if (this.#adding) throw new TypeError('a codec, or what it encodes, used the partition while a record of that partition was encoded')
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
    const chunk = this.#windows.takeChunk(Math.max(this.#nextChunk, needed + (needed >> 2)))
    this.#nextChunk = Math.min(this.#nextChunk * 2, CHUNK_BYTES)
    this.buffer.copy(chunk.buffer, 0, this.#start, this.at)
    this.#chunk.users--
    this.#windows.giveChunk(this.#chunk)
    this.#chunk = chunk
    this.buffer = chunk.buffer
    this.at -= this.#start
    this.#start = 0
  }

  /** Only the width of the record's own length is guessed: from the record before. */
  #addSized<K, V>(codecs: RecordCodecs<K, V>, key: K | null, value: V | null, timestamp: number): void {
    const keySize = key === null ? -1 : codecs.key.size!(key)
    const valueSize = value === null ? -1 : codecs.value.size!(value)
    const room = MOST_AROUND_PARTS + keySize + valueSize
    if (this.at + room > this.buffer.length) this.grow(room)
    const { buffer } = this
    const lengthAt = this.at
    const width = this.#lengthWidth
    const delta = timestamp - this.#baseTimestamp
    let at = lengthAt + width
    buffer[at++] = 0
    if (delta === 0) buffer[at++] = 0
    else at = putVarlong(buffer, at, delta)
    at = putBits(buffer, at, this.count * 2)
    if (key === null) buffer[at++] = NULL_LENGTH
    else {
      this.at = putBits(buffer, at, keySize * 2)
      at = this.at + keySize
      codecs.key.encode(key, this)
      if (this.at !== at) throw wrongSize(codecs.key, keySize, this.at - at + keySize)
    }
    if (value === null) buffer[at++] = NULL_LENGTH
    else {
      this.at = putBits(buffer, at, valueSize * 2)
      at = this.at + valueSize
      codecs.value.encode(value, this)
      if (this.at !== at) throw wrongSize(codecs.value, valueSize, this.at - at + valueSize)
    }
    buffer[at++] = NO_HEADERS
    this.at = at
    const size = at - lengthAt - width
    // Two bytes hold nearly every length: not worth a call.
    if (width === 2 && size >= 0x40 && size < 0x2000) {
      buffer[lengthAt] = ((size << 1) & 0x7f) | 0x80
      buffer[lengthAt + 1] = size >>> 6
    } else this.#lengthWidth = this.#putLength(lengthAt - this.#start, width)
  }

  #addGuessed<K, V>(
    codecs: RecordCodecs<K, V>, key: K | null, value: V | null, headers: HeadersInput | HeadersWriter | undefined, timestamp: number,
  ): void {
    const lengthWidth = this.#lengthWidth
    const recordAt = this.at - this.#start
    this.reserve(MOST_BEFORE_KEY)
    const { buffer } = this
    let at = this.at + lengthWidth
    buffer[at++] = 0
    at = putVarlong(buffer, at, timestamp - this.#baseTimestamp)
    this.at = putBits(buffer, at, this.count * 2)
    if (key === null) this.#putNothing(NULL_LENGTH)
    else this.#keyWidth = this.#putField(codecs.key, key, this.#keyWidth)
    if (value === null) this.#putNothing(NULL_LENGTH)
    else this.#valueWidth = this.#putField(codecs.value, value, this.#valueWidth)
    if (headers === undefined) this.#putNothing(NO_HEADERS)
    else if (headers instanceof HeadersWriter) headers.writeTo(this)
    else this.#putHeaders(headers)
    this.#lengthWidth = this.#putLength(recordAt, lengthWidth)
  }

  /** Writes the byte that says that there is none of a field. */
  #putNothing(byte: number): void {
    this.reserve(1)
    this.buffer[this.at++] = byte
  }

  /** Writes a key or value with its length in front, and gives the width of that length: the best guess for the next one. */
  #putField<T>(codec: Codec<T>, value: T, width: number): number {
    this.reserve(MAX_LENGTH_WIDTH)
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
    putBits(this.buffer, this.#start + lengthAt, size * 2)
    return width
  }

  #putHeaders(headers: HeadersInput): void {
    const list = headerList(headers)
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

function wrongSize({ name }: { readonly name: string }, told: number, written: number): TypeError {
  return new TypeError(`the codec "${name}" said that it would write ${told} bytes, and wrote ${written}`)
}

/** An unsigned varint, most often of one or two bytes. */
function putBits(buffer: Uint8Array, at: number, bits: number): number {
  if (bits < 0x80) {
    buffer[at] = bits
    return at + 1
  }
  if (bits >= 0x4000) return putUvarint(buffer, at, bits)
  buffer[at] = (bits & 0x7f) | 0x80
  buffer[at + 1] = bits >>> 7
  return at + 2
}

/**
 * Headers in the form of a list.
 *
 * @throws TypeError for what are no headers
 */
export function headerList(headers: HeadersInput): (readonly [string, Uint8Array | string | null])[] {
  if (typeof headers !== 'object' || headers === null) throw new TypeError(`headers are a list of pairs or an object, not ${describe(headers)}`)
  const list = Symbol.iterator in headers ? [...headers] : Object.entries(headers).filter((header) => header[1] !== undefined)
  for (const header of list) {
    if (!Array.isArray(header)) throw new TypeError(`a header is a pair of a name and a value, not ${describe(header)}`)
    const [name, value] = header
    if (typeof name !== 'string') throw new TypeError(`a header's name is a string, not ${describe(name)}`)
    if (value !== null && typeof value !== 'string' && !(value instanceof Uint8Array)) {
      throw new TypeError(`header "${name}" is ${describe(value)}: give a string, a Uint8Array or null`)
    }
  }
  return list as (readonly [string, Uint8Array | string | null])[]
}
