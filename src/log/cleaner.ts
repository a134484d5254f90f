/*
 * Compacts one partition, as Kafka's LogCleaner does: a first pass over what no cleaning has looked at notes the last offset of each key, a
 * second one over all sealed segments up to there writes what is left into new segments, which then take the place of the old ones.
 *
 * Works in slices between turns of the event loop, reads and writes without holding it, and never touches the active segment, nor what may
 * still be aborted. Ended by its signal, by closing, and by whatever takes segments away meanwhile; then the log stays as it is, but for
 * segments that were replaced already; the next cleaning begins again.
 */
import { loadHash } from '../base/hash.ts'
import { LogError } from '../base/errors.ts'
import { batchRecordBytes, forEachRecord } from '../format/batch.ts'
import { systemCode } from '../files/system-error.ts'
import { diskFull } from './append-checks.ts'
import { type CleanReport } from './clean-report.ts'
import { CleanedSegment } from './cleaned-segment.ts'
import { type BatchesFilter, CleanerFilter, markerKind } from './cleaner-filter.ts'
import { between, type CleanRange, cleanRange, groupSegments } from './cleaner-range.ts'
import { CleanedTransactions } from './cleaner-transactions.ts'
import { type LogConfig } from './config.ts'
import { type LogEnvironment } from './environment.ts'
import { type Erased, EraseFilter, type EraseReport } from './erase-filter.ts'
import { KeyMap } from './key-map.ts'
import { Pace } from './pace.ts'
import { type ProducerState } from './producer-state.ts'
import { SealedBatches } from './sealed-batches.ts'
import { type Segment } from './segment.ts'
import { SegmentSwap } from './segment-swap.ts'
import { type Segments } from './segments.ts'
import { type Tail } from './tail.ts'
import { collectAborted, type TxnIndex } from './txn-index.ts'
import { type Writer } from './writer.ts'

/** Bytes of keys in memory when nobody says otherwise: Kafka's. */
export const DEFAULT_CLEANER_BUFFER_BYTES = 128 * 1024 * 1024

/** How to clean. */
export interface CleanOptions {
  /** Wall time in ms. Default: now. */
  readonly now?: number
  /** Ends the cleaning: it rejects with the signal's reason. */
  readonly signal?: AbortSignal
}

/** What a cleaner works on; it shares these with the partition that owns it. */
export interface CleanerParts {
  readonly env: LogEnvironment
  readonly config: LogConfig
  readonly topic: string
  readonly partition: number
  readonly folder: string
  readonly segments: Segments
  readonly tail: Tail
  readonly writer: Writer
  readonly producers: () => ProducerState
  readonly startOffset: () => number
  readonly lastStableOffset: () => number
  /** The lists of aborted transactions from the segment that holds an offset on. */
  readonly abortedFrom: (offset: number) => Iterable<TxnIndex>
}

/** One cleaning under way. */
interface Work {
  readonly pace: Pace
  readonly batches: SealedBatches
  /** What decides about the batches of a new segment. */
  readonly filterOf: (transactions: CleanedTransactions, cleaned: CleanedSegment) => BatchesFilter
}

/** What the first pass needs. */
interface Looking {
  readonly batches: SealedBatches
  readonly range: CleanRange
  readonly map: KeyMap
}

interface Sums {
  bytesAfter: number
  segmentsAfter: number
  recordsBefore: number
  recordsAfter: number
}

/** Cleans one partition. */
export class Cleaner {
  readonly #parts: CleanerParts
  #controller: AbortController | undefined
  #checkpoint: number | undefined
  #running: Promise<unknown> = Promise.resolve()
  /** What a swap that failed has left to do before anything else may change the segments. */
  #unfinished: (() => Promise<void>) | undefined

  constructor(parts: CleanerParts) {
    this.#parts = parts
  }

  /** What a cleaning would do. */
  range(now: number): CleanRange {
    const { env, config, topic, partition, segments, writer } = this.#parts
    return cleanRange({
      files: env.files, config, segments: segments.all, startOffset: this.#parts.startOffset(), nextOffset: writer.acknowledged,
      lastStableOffset: this.#parts.lastStableOffset(), checkpoint: env.cleaner?.checkpoint.get(topic, partition) ?? this.#checkpoint, now,
    })
  }

  /** Cleans what can be cleaned, one call after the other. */
  clean(options: CleanOptions = {}): Promise<CleanReport> {
    const cleaned = this.#running.then(() => this.#clean(options))
    this.#running = cleaned.catch(() => {})
    return cleaned
  }

  /**
   * Rewrites the sealed segments without the records that go, one by one and only those that hold some. Whoever asks sees before that nobody
   * needs them; what is appended meanwhile is not looked at.
   */
  erase(goes: Erased, signal?: AbortSignal): Promise<EraseReport> {
    const erased = this.#running.then(() => this.#erase(goes, signal))
    this.#running = erased.catch(() => {})
    return erased
  }

  /** Ends a cleaning that runs, and refuses others. Resolves when nothing of them is under way. */
  async close(): Promise<void> {
    this.#stop.abort(new LogError('LOG_CLOSED', `${this.#parts.topic}-${this.#parts.partition} is closed`))
    await this.#running
  }

  /** After a fence: finishes what a cleaning has half done, so that the names of all files are known. */
  async settle(): Promise<void> {
    await this.#unfinished?.()
    this.#unfinished = undefined
  }

  /** The log was cut to `offset`: what comes there next was not looked at. */
  async cutTo(offset: number): Promise<void> {
    const { env, topic, partition } = this.#parts
    const known = env.cleaner?.checkpoint.get(topic, partition) ?? this.#checkpoint
    if (known !== undefined && known > offset) await this.#cleanedTo(offset)
  }

  /** Ends what runs. Made when it is first asked for: of many partitions few are ever cleaned. */
  get #stop(): AbortController {
    return (this.#controller ??= new AbortController())
  }

  async #clean({ now = this.#parts.env.clock.now(), signal }: CleanOptions): Promise<CleanReport> {
    const { env, topic, partition } = this.#parts
    const started = env.clock.monotonic()
    const ending = signal === undefined ? this.#stop.signal : AbortSignal.any([this.#stop.signal, signal])
    ending.throwIfAborted()
    const range = this.range(now)
    const sums = { bytesAfter: 0, segmentsAfter: 0, recordsBefore: 0, recordsAfter: 0 }
    const nothing = { bytesBefore: 0, segmentsBefore: 0, keys: 0, keyBytes: 0, ...sums }
    if (range.cleanableBytes === 0) return { ...nothing, from: range.firstDirty, to: range.firstDirty, complete: true, ms: 0 }
    const pace = new Pace(env.clock, ending)
    const map = new KeyMap(await loadHash(), env.cleaner?.bufferBytes ?? DEFAULT_CLEANER_BUFFER_BYTES)
    const batches = new SealedBatches(pace)
    const filterOf = (transactions: CleanedTransactions, cleaned: CleanedSegment): BatchesFilter => new CleanerFilter({
      map, transactions, upperBound: range.firstUncleanable, now, deleteRetentionMs: this.#parts.config.deleteRetentionMs,
      producers: this.#parts.producers().snapshot(), keepAborted: (transaction) => cleaned.keepAborted(transaction),
    })
    const work = { pace, batches, filterOf }
    await this.#fillMap({ batches, range, map })
    const to = map.latestOffset + 1
    const sources = this.#sealed.filter(({ baseOffset }) => baseOffset < to)
    const whole = await this.#rewrite(work, sources, sums)
    if (whole) await this.#cleanedTo(to)
    const report = {
      from: range.firstDirty, to: whole ? to : range.firstDirty, complete: whole && to >= range.firstUncleanable,
      bytesBefore: sources.reduce((sum, { size }) => sum + size, 0), segmentsBefore: sources.length,
      keys: map.size, keyBytes: map.bytes, ...sums, ms: env.clock.monotonic() - started,
    }
    env.emit?.({ type: 'compaction', topic, partition, report })
    return report
  }

  async #erase(goes: Erased, signal: AbortSignal | undefined): Promise<EraseReport> {
    const ending = signal === undefined ? this.#stop.signal : AbortSignal.any([this.#stop.signal, signal])
    ending.throwIfAborted()
    const pace = new Pace(this.#parts.env.clock, ending)
    const batches = new SealedBatches(pace)
    const memory = CleanedSegment.memory()
    const report = { bytesBefore: 0, bytesAfter: 0, records: 0, segments: 0 }
    for (const segment of this.#sealed) {
      const looked = new EraseFilter(goes, Infinity)
      await batches.walk(segment, 0, (header, buffer, at) => looked.look(header, buffer, at))
      if (looked.erased === 0) continue
      await this.#checkLock()
      const sums = { bytesAfter: 0, segmentsAfter: 0, recordsBefore: 0, recordsAfter: 0 }
      const { size } = segment
      const work = { pace, batches, filterOf: () => new EraseFilter(goes, looked.lastBatch) }
      const transactions = this.#transactions(segment.baseOffset, this.#parts.segments.after(segment)!.baseOffset)
      // Somebody cut or deleted it meanwhile: then there is nothing to erase in it any more.
      if (!(await this.#rewriteGroup(work, [segment], transactions, memory, sums))) continue
      report.bytesBefore += size
      report.bytesAfter += sums.bytesAfter
      report.records += sums.recordsBefore - sums.recordsAfter
      report.segments++
    }
    return report
  }

  get #sealed(): readonly Segment[] {
    return this.#parts.segments.all.slice(0, -1)
  }

  /** The first pass: the last offset of each key among what was not looked at, as far as there is room. */
  async #fillMap({ batches, range, map }: Looking): Promise<void> {
    const { firstDirty, firstUncleanable } = range
    const dirty = between(this.#sealed, firstDirty, firstUncleanable)
    const transactions = this.#transactions(firstDirty, firstUncleanable)
    for (const [number, segment] of dirty.entries()) {
      const from = segment.baseOffset >= firstDirty ? 0 : segment.scanStart(firstDirty)
      let full = false
      await batches.walk(segment, from, (header, buffer, at) => {
        if (header.control) transactions.control(header, markerKind(header, buffer, at))
        else if (!transactions.data(header) && header.recordCount > 0) {
          const bytes = batchRecordBytes(buffer, at, header)
          forEachRecord(bytes, header, ({ offsetDelta, keyAt, keySize }) => {
            const offset = header.baseOffset + offsetDelta
            if (full || keySize < 0 || offset < firstDirty) return
            full = !map.put(bytes, keyAt, keyAt + keySize, offset)
            if (!full) map.latestOffset = offset
          })
        }
        if (full) return false
        if (header.lastOffset >= firstDirty) map.latestOffset = header.lastOffset
        return true
      })
      if (full) return
      map.latestOffset = Math.max(map.latestOffset, (dirty[number + 1]?.baseOffset ?? firstUncleanable) - 1)
    }
  }

  /** The second pass: what is left of `sources`, in new segments that take their places. False when some of them were taken away meanwhile. */
  async #rewrite(work: Work, sources: readonly Segment[], sums: Sums): Promise<boolean> {
    const { segments, config } = this.#parts
    const last = sources.at(-1)!
    const end = segments.after(last)!.baseOffset
    const transactions = this.#transactions(sources[0]!.baseOffset, end)
    const memory = CleanedSegment.memory()
    for (const group of groupSegments(sources, end, config)) {
      await work.pace.breathe()
      await this.#checkLock()
      if (!(await this.#rewriteGroup(work, group, transactions, memory, sums))) return false
    }
    return true
  }

  async #rewriteGroup(
    work: Work, group: readonly Segment[], transactions: CleanedTransactions, memory: Buffer, sums: Sums,
  ): Promise<boolean> {
    const { env, config, folder } = this.#parts
    const cleaned = new CleanedSegment(env, config, folder, group[0]!.baseOffset, memory)
    try {
      const changed = await this.#filter(work, group, transactions, cleaned, sums)
      sums.bytesAfter += cleaned.size
      sums.segmentsAfter++
      if (changed || group.length > 1) {
        await cleaned.finish()
        if (await this.#swap(group, cleaned)) return true
      }
      cleaned.discard()
      return !changed && group.length === 1
    } catch (error) {
      if (this.#unfinished === undefined && env.lock?.confirmed !== false) cleaned.discard()
      throw isFull(error) ? diskFull(`the disk has no room for what is left of ${this.#parts.topic}-${this.#parts.partition}`, error) : error
    }
  }

  /** Writes what is left of a group; gives whether anything is not as it was. */
  async #filter(
    { batches, filterOf }: Work, group: readonly Segment[], transactions: CleanedTransactions, cleaned: CleanedSegment, sums: Sums,
  ): Promise<boolean> {
    const filter = filterOf(transactions, cleaned)
    let changed = false
    for (const segment of group) {
      await batches.walk(segment, 0, (header, buffer, at) => {
        const left = filter.clean(header, buffer, at)
        if (left === 'same') return cleaned.append(buffer, at, at + header.size, header)
        changed = true
        if (left === 'gone') return
        return cleaned.append(left, 0, left.length, header)
      })
    }
    sums.recordsBefore += filter.recordsRead
    sums.recordsAfter += filter.recordsKept
    return changed
  }

  /** False when segments of the group were cut or deleted while they were cleaned: then nothing is changed. */
  async #swap(group: readonly Segment[], cleaned: CleanedSegment): Promise<boolean> {
    const { env, writer } = this.#parts
    const swap = new SegmentSwap(this.#parts, group, cleaned)
    const swapped = await writer.exclusively(async () => {
      this.#stop.signal.throwIfAborted()
      if (!swap.possible) return false
      await writer.settleMark()
      writer.announce()       // who looks at the files from outside, and sees them change, asks the mark before and after
      await this.#commit(swap)
      try {
        await swap.replace()
      } catch (error) {
        this.#unfinished = () => swap.finish()
        writer.changeFailed(error)
        throw error
      }
      writer.announce()
      return true
    })
    // Nobody waits for it; what cannot be removed now is removed when the log is opened again.
    for (const path of swap.deleted) await env.files.removeFile(path).catch(() => {})
    return swapped
  }

  async #commit(swap: SegmentSwap): Promise<void> {
    try {
      await swap.commit()
    } catch (error) {
      try {
        await swap.takeBack()
      } catch {
        this.#unfinished = () => swap.takeBack()
      }
      // A sync of the folder that failed may have lost names that the writer had made: a reopen makes them again.
      if (this.#unfinished !== undefined || swap.syncFailed) this.#parts.writer.changeFailed(error)
      throw error
    }
  }

  #transactions(from: number, to: number): CleanedTransactions {
    return new CleanedTransactions(collectAborted(this.#parts.abortedFrom(from), from, to))
  }

  async #cleanedTo(offset: number): Promise<void> {
    const { env, topic, partition } = this.#parts
    this.#checkpoint = offset
    await env.cleaner?.checkpoint.set(topic, partition, offset)
  }

  /** Before files are made by names that another writer may use by now. */
  async #checkLock(): Promise<void> {
    const { lock } = this.#parts.env
    if (lock === undefined || lock.confirmed || (await lock.confirm())) return
    throw new LogError('LOG_LOCK_LOST', `another process took the lock of the folder of ${this.#parts.topic}-${this.#parts.partition}`)
  }
}

function isFull(error: unknown): boolean {
  const code = systemCode(error)
  return code === 'ENOSPC' || code === 'EDQUOT'
}
