/*
 * A segment that a cleaning writes: batches and indexes in files that end with `.cleaned`, until all of it is durable and takes the place of
 * the segments that it was made of (segment-swap.ts). Indexes have an entry where a segment that is appended to would have one.
 */
import { writeFully, writeFullySync } from '../files/write-fully.ts'
import { type FileHandle } from '../files/file-system.ts'
import { type BatchHeader } from '../format/batch.ts'
import { type AbortedTransaction } from '../format/txn-index-entry.ts'
import { type LogConfig } from './config.ts'
import { type LogEnvironment } from './environment.ts'
import { MAX_RELATIVE_OFFSET } from './index-entries.ts'
import { OffsetIndex } from './offset-index.ts'
import { Segment } from './segment.ts'
import { type SegmentFiles, segmentFiles } from './segment-files.ts'
import { TimeIndex } from './time-index.ts'
import { TxnIndex } from './txn-index.ts'

const BUFFER_BYTES = 1024 * 1024

/** The names of a segment's files with something behind them. */
export function suffixed(baseOffset: number, suffix: '.cleaned' | '.swap'): SegmentFiles {
  const { log, index, timeIndex, txnIndex } = segmentFiles(baseOffset)
  return { log: log + suffix, index: index + suffix, timeIndex: timeIndex + suffix, txnIndex: txnIndex + suffix }
}

/** A segment in the making. */
export class CleanedSegment {
  readonly baseOffset: number
  /** One past the last offset of its last batch; the base offset when it has none. */
  nextOffset: number
  readonly #env: LogEnvironment
  readonly #config: LogConfig
  readonly #folder: string
  readonly #file: FileHandle
  readonly #memory: Buffer
  readonly #offsets: OffsetIndex
  readonly #times: TimeIndex
  readonly #aborted: TxnIndex
  #buffered = 0
  #written = 0
  #bytesSinceEntry = 0
  #maxTimestamp = -1
  #maxTimestampOffset: number

  /** @param memory  to gather batches in; nobody else's until it is finished or discarded */
  constructor(env: LogEnvironment, config: LogConfig, folder: string, baseOffset: number, memory: Buffer) {
    this.baseOffset = baseOffset
    this.nextOffset = baseOffset
    this.#env = env
    this.#config = config
    this.#folder = folder
    this.#memory = memory
    this.#maxTimestampOffset = baseOffset
    this.#offsets = new OffsetIndex(baseOffset, config.segmentIndexBytes)
    this.#times = new TimeIndex(baseOffset, config.segmentIndexBytes)
    this.#aborted = new TxnIndex(baseOffset)
    this.#removeFiles()
    this.#file = env.openFiles.open(this.#path('log'), 'create')
  }

  /** Memory that fits. */
  static memory(): Buffer {
    return Buffer.allocUnsafeSlow(BUFFER_BYTES)
  }

  /** Bytes of batches so far. */
  get size(): number {
    return this.#written + this.#buffered
  }

  /** Whether another batch of so many bytes, which ends at `lastOffset`, is still within what a segment can hold. */
  holds(size: number, lastOffset: number): boolean {
    return this.size + size <= MAX_RELATIVE_OFFSET && lastOffset - this.baseOffset <= MAX_RELATIVE_OFFSET
  }

  /** Adds the batch in `buffer[from, to)`. What it returns, if anything, must resolve before the next one and before the bytes change. */
  append(
    buffer: Uint8Array, from: number, to: number, { lastOffset, maxTimestamp }: Pick<BatchHeader, 'lastOffset' | 'maxTimestamp'>,
  ): Promise<void> | undefined {
    this.#note(to - from, lastOffset, maxTimestamp)
    if (this.#buffered + to - from > this.#memory.length) return this.#flushAnd(buffer, from, to)
    this.#memory.set(buffer.subarray(from, to), this.#buffered)
    this.#buffered += to - from
    return undefined
  }

  /** The marker of this transaction stays, and so does what readers must know of it. */
  keepAborted(transaction: AbortedTransaction): void {
    this.#aborted.append(transaction)
  }

  /** Writes what is left, with the indexes, and makes the files durable, but not their names. */
  async finish(): Promise<void> {
    await this.#flush()
    if (this.#maxTimestamp >= 0) this.#times.maybeAppend(this.#maxTimestamp, this.#maxTimestampOffset, { seal: true })
    const files = [this.#file]
    try {
      this.#writeIndex(files, 'index', this.#offsets.takePending())
      this.#writeIndex(files, 'timeIndex', this.#times.takePending())
      if (this.#aborted.count > 0) this.#writeIndex(files, 'txnIndex', this.#aborted.takePending())
      if (this.#env.files.durable) for (const file of files) await this.#env.syncs.run(() => file.sync())
    } finally {
      for (const file of files) file.closeSync()
    }
  }

  /** Takes everything back. */
  discard(): void {
    this.#file.closeSync()
    this.#removeFiles()
  }

  /** The segment as the log will hold it, whose files have these names. */
  segment(names: SegmentFiles): Segment {
    const segment = Segment.open(this.#env, this.#config, this.#folder, this.baseOffset, names, this.size)
    segment.nextOffset = this.nextOffset
    segment.maxTimestamp = this.#maxTimestamp
    segment.maxTimestampOffset = this.#maxTimestampOffset
    return segment
  }

  #note(size: number, lastOffset: number, maxTimestamp: number): void {
    const position = this.size
    if (maxTimestamp > this.#maxTimestamp) {
      this.#maxTimestamp = maxTimestamp
      this.#maxTimestampOffset = lastOffset
    }
    if (this.#bytesSinceEntry > this.#config.indexIntervalBytes && !this.#offsets.full && !this.#times.full) {
      this.#offsets.append(lastOffset, position)
      this.#times.maybeAppend(this.#maxTimestamp, this.#maxTimestampOffset)
      this.#bytesSinceEntry = 0
    }
    this.#bytesSinceEntry += size
    this.nextOffset = lastOffset + 1
  }

  async #flushAnd(buffer: Uint8Array, from: number, to: number): Promise<void> {
    await this.#flush()
    await writeFully(this.#file, buffer, from, to, this.#written)
    this.#written += to - from
  }

  async #flush(): Promise<void> {
    if (this.#buffered === 0) return
    await writeFully(this.#file, this.#memory, 0, this.#buffered, this.#written)
    this.#written += this.#buffered
    this.#buffered = 0
  }

  #writeIndex(files: FileHandle[], kind: keyof SegmentFiles, bytes: Buffer | undefined): void {
    const file = this.#env.openFiles.open(this.#path(kind), 'create')
    files.push(file)
    if (bytes !== undefined) writeFullySync(file, bytes, 0, bytes.length, 0)
  }

  #removeFiles(): void {
    for (const kind of ['log', 'index', 'timeIndex', 'txnIndex'] as const) {
      const path = this.#path(kind)
      if (this.#env.files.statSync(path) !== undefined) this.#env.files.removeSync(path)
    }
  }

  #path(kind: keyof SegmentFiles): string {
    return this.#env.files.join(this.#folder, suffixed(this.baseOffset, '.cleaned')[kind])
  }
}
