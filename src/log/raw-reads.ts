/*
 * Whole batches of a partition as they are stored, for a peer that takes them apart itself: what Kafka's Fetch gives. The newest come as views
 * of memory and at once; older ones are read without holding the event loop, and each is checked once. Nothing is decoded, and nothing is
 * copied but small pieces that do not lie side by side. Who is done with the bytes says so, and their memory is used again.
 *
 * A read begins with the batch that holds its first offset, so records below that may stand in front. It ends with a batch. How far it may go
 * is the caller's isolation: with `read_committed` the transactions that were aborted in between are told beside the bytes, since only
 * who reads the records can leave theirs out (kafka-log-format 4.5).
 */
import { getInt32, getInt64 } from '../base/bytes.ts'
import { LogError } from '../base/errors.ts'
import { readFully } from '../files/write-fully.ts'
import { BASE_OFFSET_AT, batchDamage, batchSize, LENGTH_AT, RECORDS_AT, SMALLEST_LENGTH } from '../format/batch.ts'
import { type AbortedTransaction } from '../format/txn-index-entry.ts'
import { lastOffsetAt } from './batch-place.ts'
import { type CursorSource } from './cursor.ts'
import { guarded, guardedAsync } from './io-error.ts'
import { type Isolation } from './partition-log.ts'
import { corrupt, type Segment } from './segment.ts'

/** Pieces of memory are put together until there are so many bytes: a peer that asks again for the rest would cost more than the copy. */
const WORTH_AN_ANSWER = 64 * 1024
/** So few bytes are copied: a view would keep its whole chunk from being used again. */
const COPIED = 4096
/** Fewer bytes get memory of their own: somebody may keep them, and with them all of a window. */
const WORTH_A_WINDOW = 64 * 1024
/** What an index entry may point before the batch that is looked for. */
const BEFORE_THE_BATCH = 8 * 1024
/** Ends of reads that are remembered: the next one goes on there, and needs no index. */
const REMEMBERED_ENDS = 16
/** The log may be cut or compacted under a read, but not many times in a row. */
const ATTEMPTS = 8

/** What to read. */
export interface RawReadOptions {
  readonly from: number
  /** Bytes at most; see `minOneBatch`. */
  readonly maxBytes: number
  /** Default `'read_uncommitted'`. */
  readonly isolation?: Isolation
  /** The first batch comes whole, however large. Default true. */
  readonly minOneBatch?: boolean
  /** So many bytes are put together, if there are so many, from pieces that lie in different places. */
  readonly atLeast?: number
}

/** What was read. */
export interface RawBatches {
  /** Whole batches; no bytes when there are none. They do not change before `release`. */
  readonly records: Buffer
  /** To be called once at most: the records are not looked at any more. When it is not, they never change. */
  readonly release: () => void
  /** Where the next read goes on. */
  readonly nextOffset: number
  /** Behind these there were others that could be read. */
  readonly more: boolean
  /** With `read_committed`: the transactions aborted among them, in the order of their markers. */
  readonly aborted: readonly AbortedTransaction[] | undefined
  // As they were when the read began
  readonly startOffset: number
  readonly highWatermark: number
  readonly lastStableOffset: number
}

/** What raw reads need of a partition. */
export interface RawSource extends CursorSource {
  readonly highWatermark: number
  readonly lastStableOffset: number
  /** The aborted transactions that touch a range of offsets. */
  abortedIn(from: number, to: number): AbortedTransaction[]
}

/** A read under way. */
interface Read {
  readonly options: RawReadOptions
  readonly from: number
  /** Exclusive: what may be seen. */
  readonly end: number
  readonly maxBytes: number
  readonly minOneBatch: boolean
  readonly enough: number
  readonly committed: boolean
  readonly startOffset: number
  readonly highWatermark: number
  readonly lastStableOffset: number
  readonly pieces: Buffer[]
  /** Gives back the memory of pieces. */
  readonly releases: (() => void)[]
  bytes: number
  nextOffset: number
  /** The next batch is too large for what is left. */
  full: boolean
}

/** Where the batch behind a read begins. */
interface FilePlace {
  readonly segment: Segment
  readonly position: number
  /** Of the log, at the time: a cut may have put other batches there. */
  readonly epoch: number
}

/** Batches that were found in what was read of a file. */
interface Found {
  readonly from: number
  readonly to: number
  readonly nextOffset: number
}

/** The raw reads of one partition. */
export class RawReads {
  readonly #source: RawSource
  /** By offset, the oldest first. */
  readonly #ends = new Map<number, FilePlace>()

  constructor(source: RawSource) {
    this.#source = source
  }

  /** See `PartitionLog.readBatches`. */
  read(options: RawReadOptions): RawBatches | Promise<RawBatches> {
    const read = this.#begin(options)
    const { tail } = this.#source
    if (read.from >= read.end || (read.maxBytes <= 0 && !read.minOneBatch)) return this.#done(read)
    if (read.from < tail.baseOffset) return this.#readFiles(read)
    this.#readTail(read)
    return this.#done(read)
  }

  #begin(options: RawReadOptions): Read {
    const { from, maxBytes, isolation, minOneBatch = true, atLeast = 0 } = options
    const { startOffset, highWatermark, lastStableOffset, nextOffset, topic, partition } = this.#source
    if (from < startOffset || from > nextOffset) {
      const message = `offset ${from} is outside ${topic}-${partition}: kept are ${startOffset}..${nextOffset - 1}`
      throw new LogError('LOG_OFFSET_OUT_OF_RANGE', message, { offset: from, start: startOffset, end: nextOffset })
    }
    const committed = isolation === 'read_committed'
    return {
      options, from, end: committed ? lastStableOffset : highWatermark, maxBytes, minOneBatch,
      enough: Math.min(maxBytes, Math.max(atLeast, WORTH_AN_ANSWER)),
      committed, startOffset, highWatermark, lastStableOffset, pieces: [], releases: [], bytes: 0, nextOffset: from, full: false,
    }
  }

  #done(read: Read): RawBatches {
    const { pieces, releases, bytes, from, nextOffset, end, committed, startOffset, highWatermark, lastStableOffset } = read
    const records = pieces.length === 1 ? pieces[0]! : pieces.length === 0 ? NO_BYTES : Buffer.concat(pieces, bytes)
    // Put together they have memory of their own.
    if (pieces.length > 1) for (const free of releases.splice(0)) free()
    const aborted = !committed ? undefined : bytes === 0 ? [] : this.#source.abortedIn(from, nextOffset)
    const release = (): void => { for (const free of releases.splice(0)) free() }
    return { records, release, nextOffset, more: nextOffset < end, aborted, startOffset, highWatermark, lastStableOffset }
  }

  /** Takes what lies in memory from `nextOffset` on. */
  #readTail(read: Read): void {
    const { tail, windows } = this.#source
    while (read.nextOffset < read.end && (read.bytes === 0 || read.bytes < read.enough)) {
      const minOneBatch = read.minOneBatch && read.bytes === 0
      const stretch = tail.stretch(read.nextOffset, read.end, { maxBytes: read.maxBytes - read.bytes, minOneBatch })
      if (stretch === undefined) return
      const { window, from, to, lastOffset } = stretch
      const view = window.buffer.subarray(from, to)
      if (view.length < COPIED) take(read, Buffer.from(view), lastOffset + 1)
      else {
        window.users++
        take(read, view, lastOffset + 1, () => windows.leaveChunk(window))
      }
    }
  }

  async #readFiles(read: Read, attempt = 1): Promise<RawBatches> {
    const source = this.#source
    const epoch = source.leaderEpoch
    while (!read.full && read.nextOffset < read.end && (read.bytes === 0 || read.bytes < read.enough)) {
      const before = read.bytes
      const place = read.nextOffset < source.tail.baseOffset ? this.#placeOf(read.nextOffset) : undefined
      if (place === undefined) this.#readTail(read)
      else {
        try {
          await this.#readFile(read, place)
          if (source.leaderEpoch !== epoch) throw cutMeanwhile(source)
        } catch (error) {
          const same = !place.segment.gone && source.leaderEpoch === epoch
          // What comes first is given, and the next read meets the error again.
          if (same && read.bytes > 0) break
          if (same || attempt === ATTEMPTS) throw error
          // It was compacted, deleted or cut meanwhile: from the beginning.
          source.lookAgain()
          return this.#readFiles(this.#begin(read.options), attempt + 1)
        }
      }
      if (read.bytes === before) break
    }
    return this.#done(read)
  }

  /** Where to read for `offset`: at its batch if the read before ended there, else at a batch before. */
  #placeOf(offset: number): FilePlace | undefined {
    const source = this.#source
    const epoch = source.leaderEpoch
    const known = this.#ends.get(offset)
    if (known !== undefined && !known.segment.gone && known.epoch === epoch && known.position < known.segment.size) return known
    const segment = source.segmentAt(offset)
    return segment && { segment, position: source.scanPosition(segment, offset), epoch }
  }

  /** Takes what one segment has, or one behind it where it has nothing. */
  async #readFile(read: Read, place: FilePlace): Promise<void> {
    let { segment, position } = place
    let wanted = Math.max(read.maxBytes - read.bytes, RECORDS_AT) + (this.#ends.get(read.nextOffset) === place ? 0 : BEFORE_THE_BATCH)
    for (;;) {
      const length = Math.min(wanted, segment.size - position)
      const window = length < WORTH_A_WINDOW ? undefined : this.#source.windows.take(length)
      const memory = window === undefined ? Buffer.allocUnsafeSlow(length) : window.buffer.subarray(0, length)
      const buffer = length > 0 ? await this.#bytes(segment, position, memory) : NO_BYTES
      const { found, skipped, needed } = this.#search(read, segment, position, buffer)
      const release = (): void => { if (window !== undefined) this.#source.windows.give(window) }
      if (found !== undefined) {
        this.#remember(read.nextOffset, found.nextOffset, { segment, position: position + found.to, epoch: place.epoch })
        return take(read, buffer.subarray(found.from, found.to), found.nextOffset, release)
      }
      release()
      position += skipped
      if (needed === 'stop') return
      if (needed !== 'next' && position + needed <= segment.size) {
        // A file that ends before its segment would give as little again.
        if (buffer.length < length) throw corrupt(segment, position, 'short-batch')
        wanted = Math.max(wanted, needed)
        continue
      }
      const next = this.#source.segmentAfter(segment)
      if (next === undefined) return this.#readTail(read)
      segment = next
      position = 0
    }
  }

  /** What the file has, in the front of `buffer`. */
  async #bytes(segment: Segment, position: number, buffer: Buffer): Promise<Buffer> {
    const pinned = guarded(`opening ${segment.path}`, () => this.#source.pin(segment))
    try {
      const count = await guardedAsync(`reading ${segment.path}`, () => readFully(pinned.handle, buffer, 0, buffer.length, position))
      return buffer.subarray(0, count)
    } finally {
      pinned.release()
    }
  }

  /**
   * The whole batches that are wanted among the bytes of a file. Without any: how many bytes are passed over, and what is needed to go on,
   * bytes from there, or the next segment; nothing goes on behind what may not be seen.
   */
  #search(
    read: Read, segment: Segment, position: number, buffer: Buffer,
  ): { readonly found: Found | undefined; readonly skipped: number; readonly needed: number | 'next' | 'stop' } {
    const room = read.maxBytes - read.bytes
    let first = -1
    let at = 0
    let nextOffset = read.nextOffset
    let needed: number | 'next' | 'stop' = RECORDS_AT
    while (buffer.length - at >= RECORDS_AT) {
      const length = getInt32(buffer, at + LENGTH_AT)
      if (length === 0) {                                            // room that was never written
        needed = 'next'
        break
      }
      if (length < SMALLEST_LENGTH) {
        if (first < 0) throw corrupt(segment, position + at, 'bad-length')
        break
      }
      const size = batchSize(buffer, at)
      const baseOffset = getInt64(buffer, at + BASE_OFFSET_AT)
      const lastOffset = lastOffsetAt(buffer, at)
      const wanted = lastOffset >= read.nextOffset
      if (first >= 0) read.full = at + size - first > room
      else if (wanted && size > room) read.full = !read.minOneBatch || read.bytes > 0
      if (baseOffset >= read.end || read.full) {
        needed = 'stop'
        break
      }
      if (size > buffer.length - at) {
        needed = size
        break
      }
      if (wanted) {
        const damage = segment.isChecked(position + at) ? undefined : batchDamage(buffer, at, buffer.length)
        if (damage !== undefined && first < 0) throw corrupt(segment, position + at, damage)
        if (damage !== undefined) break
        segment.setChecked(position + at)
        if (first < 0) first = at
        nextOffset = lastOffset + 1
      }
      at += size
    }
    return first < 0 ? { found: undefined, skipped: at, needed } : { found: { from: first, to: at, nextOffset }, skipped: 0, needed }
  }

  /** The next read of the same reader goes on where this one ended. */
  #remember(from: number, nextOffset: number, place: FilePlace): void {
    this.#ends.delete(from)
    this.#ends.delete(nextOffset)
    this.#ends.set(nextOffset, place)
    if (this.#ends.size <= REMEMBERED_ENDS) return
    for (const oldest of this.#ends.keys()) return void this.#ends.delete(oldest)
  }
}

const NO_BYTES = Buffer.alloc(0)

function take(read: Read, piece: Buffer, nextOffset: number, release?: () => void): void {
  read.pieces.push(piece)
  if (release !== undefined) read.releases.push(release)
  read.bytes += piece.length
  read.nextOffset = nextOffset
}

function cutMeanwhile({ topic, partition }: RawSource): LogError {
  return new LogError('LOG_IO', `${topic}-${partition} was cut while it was read`, { topic, partition })
}
