/*
 * The beginning of a partition's log, and how it moves: records are deleted on request (`deleteRecords`), and whole segments by age and
 * size (`applyRetention`). Rules as Kafka's (kafka-log-format 6.1, 6.2).
 *
 * In this order, so that a crash at any moment leaves a log that begins at the old place or at the new one: the mark durably speaks of no
 * segment that is to go, the new start is durable, the mark says that something moved, and files go. The next open clears away what a crash
 * left of them.
 */
import { type Timer } from '../base/clock.ts'
import { isLogError, LogError } from '../base/errors.ts'
import { readFileSync, writeFileAtomically } from '../files/write-fully.ts'
import { type FileSystem } from '../files/file-system.ts'
import { encodeLeaderEpochs, LEADER_EPOCH_FILE } from '../format/leader-epoch-checkpoint.ts'
import { decodeLogStart, encodeLogStart, LOG_START_FILE } from '../format/log-start.ts'
import { parseFileName } from '../format/names.ts'
import { type LogConfig } from './config.ts'
import { type LogEnvironment } from './environment.ts'
import { type Epochs } from './epochs.ts'
import { guardedAsync } from './io-error.ts'
import { type Segment } from './segment.ts'
import { type Segments } from './segments.ts'
import { type Writer } from './writer.ts'

const MAX_START_BYTES = 4096

/** The start that is stored in a partition's folder; 0 when none is. */
export function readLogStart(files: FileSystem, folder: string): number {
  const path = files.join(folder, LOG_START_FILE)
  const bytes = readFileSync(files, path, MAX_START_BYTES)
  return bytes === undefined ? 0 : decodeLogStart(bytes, path)
}

/** Stores the start in a partition's folder; durable when it resolves. */
export async function writeLogStart(files: FileSystem, folder: string, startOffset: number): Promise<void> {
  await writeFileAtomically(files, files.join(folder, LOG_START_FILE), encodeLogStart(startOffset))
}

/** As {@link readLogStart}, for those who go on behind damage: 0 for a file that is damaged. */
export function hintedLogStart(files: FileSystem, folder: string): number {
  try {
    return readLogStart(files, folder)
  } catch (error) {
    if (isLogError(error, 'LOG_FILE_CORRUPT')) return 0
    throw error
  }
}

/** What retention needs to know of a segment. */
export interface SegmentAge {
  readonly baseOffset: number
  /** One past its last offset. */
  readonly nextOffset: number
  /** In bytes. */
  readonly size: number
  /** Of its records, in ms; when none has one, of its file. */
  readonly largestTimestamp: number
}

/** What is asked of a log. */
export interface RetentionRules {
  /** Wall time in ms. */
  readonly now: number
  readonly startOffset: number
  readonly highWatermark: number
  /** Whether age and size count; the start of the log always does. */
  readonly deletes: boolean
  readonly retentionBytes: number
  readonly retentionMs: number
}

/**
 * How many of the oldest segments go: those below the start of the log, then as many as keep at least `retentionBytes`, then those whose
 * records are all older than `retentionMs`; each time up to the first one that stays. The last one is counted in when it holds records and
 * qualifies: a new one must begin first.
 */
export function expiredCount(segments: readonly SegmentAge[], rules: RetentionRules): number {
  const { now, startOffset, highWatermark, deletes, retentionBytes, retentionMs } = rules
  const goes = (index: number, qualifies: (segment: SegmentAge, next: SegmentAge | undefined) => boolean): boolean => {
    const [segment, next] = [segments[index]!, segments[index + 1]]
    if (next === undefined && segment.size === 0) return false
    return highWatermark >= (next?.baseOffset ?? segment.nextOffset) && qualifies(segment, next)
  }
  let count = 0
  while (count < segments.length && goes(count, (_, next) => next !== undefined && next.baseOffset <= startOffset)) count++
  if (!deletes) return count
  let excess = segments.slice(count).reduce((sum, { size }) => sum + size, 0) - retentionBytes
  while (count < segments.length && goes(count, ({ size }) => excess - size >= 0)) excess -= segments[count++]!.size
  while (retentionMs < Infinity && count < segments.length && goes(count, ({ largestTimestamp }) => now - largestTimestamp > retentionMs)) count++
  return count
}

/** What moves the start of a partition works on; it shares these with the partition that owns it. */
export interface RetentionParts {
  readonly env: LogEnvironment
  readonly config: LogConfig
  readonly topic: string
  readonly partition: number
  readonly folder: string
  readonly segments: Segments
  readonly writer: Writer
  readonly epochs: () => Epochs
  readonly startOffset: () => number
  /** Called with a start that is durable. */
  readonly raised: (startOffset: number) => void
}

/** Moves the start of one partition's log. */
export class Retention {
  readonly #parts: RetentionParts
  /** Files that were deleted and whose room is not given back yet. */
  #leaving: string[] = []
  #timer: Timer | undefined

  constructor(parts: RetentionParts) {
    this.#parts = parts
  }

  /** Deletes what lies below `offset`, and gives the new start: the old one, when that is not lower. */
  async deleteRecords(offset: number): Promise<number> {
    const { config, writer } = this.#parts
    if (!deletesBy(config)) {
      const message = `records of ${this.#name} cannot be deleted: its cleanup policy is "${config.cleanupPolicy}"`
      throw new LogError('LOG_POLICY_VIOLATION', message, { ...this.#where, cleanupPolicy: config.cleanupPolicy })
    }
    this.#checkTarget(offset)
    if (offset > this.#parts.startOffset()) {
      await guardedAsync(`deleting records of ${this.#name}`, () => writer.exclusively(async () => {
        this.#checkTarget(offset)
        await this.#raise(offset)
      }))
    }
    return this.#parts.startOffset()
  }

  /** Deletes the segments that are due by age, size or the start of the log, and gives how many. */
  async applyRetention(now: number): Promise<number> {
    const { writer, segments } = this.#parts
    if (writer.state !== 'open') return 0
    const due = this.#countDue(now)
    if (due === 0) return 0
    return guardedAsync(`deleting segments of ${this.#name}`, async () => {
      if (due === segments.all.length) await writer.roll()
      return writer.exclusively(async () => {
        const count = Math.min(this.#countDue(now), segments.all.length - 1)
        if (count > 0) await this.#raise(segments.all[count]!.baseOffset)
        return count
      })
    })
  }

  /** Gives the room of all deleted files back now. */
  close(): void {
    this.#timer?.cancel()
    this.#timer = undefined
    const { env } = this.#parts
    for (const path of this.#leaving.splice(0)) if (env.files.statSync(path) !== undefined) env.files.removeSync(path)
  }

  get #name(): string {
    return `${this.#parts.topic}-${this.#parts.partition}`
  }

  get #where(): { topic: string; partition: number } {
    return { topic: this.#parts.topic, partition: this.#parts.partition }
  }

  #checkTarget(offset: number): void {
    const { acknowledged } = this.#parts.writer
    if (offset >= 0 && offset <= acknowledged) return
    const message = `records of ${this.#name} can be deleted up to offset ${acknowledged}, not ${offset}`
    throw new LogError('LOG_OFFSET_OUT_OF_RANGE', message, { ...this.#where, offset, start: this.#parts.startOffset(), end: acknowledged })
  }

  #countDue(now: number): number {
    const { env, config, segments, writer } = this.#parts
    const ages = segments.all.map((segment) => new Age(env, segment))
    return expiredCount(ages, {
      now, startOffset: this.#parts.startOffset(), highWatermark: writer.acknowledged, deletes: deletesBy(config),
      retentionBytes: config.retentionBytes, retentionMs: config.retentionMs,
    })
  }

  /** While nothing else writes: the log begins at `offset` from now on, or where it does already when that is higher. */
  async #raise(offset: number): Promise<void> {
    const { env, folder, epochs, writer, segments, startOffset, raised } = this.#parts
    await writer.settleMark()
    if (offset > startOffset()) {
      await writeLogStart(env.files, folder, offset)
      raised(offset)
    }
    if (epochs().truncateFromStart(startOffset())) {
      await writeFileAtomically(env.files, env.files.join(folder, LEADER_EPOCH_FILE), encodeLeaderEpochs(epochs().entries))
    }
    writer.announce()
    const { all } = segments
    const count = all.filter((_, index) => index + 1 < all.length && all[index + 1]!.baseOffset <= startOffset()).length
    if (count > 0) this.#remove(all.slice(0, count), all.slice(count))
  }

  /** Readers in this process see the files no more; those of other processes are told by the mark. */
  #remove(gone: readonly Segment[], kept: Segment[]): void {
    const { env, folder, segments, config } = this.#parts
    segments.replace(kept)
    const snapshots = env.files.listSync(folder).filter((name) => {
      const file = parseFileName(name)
      return file?.kind === 'snapshot' && file.suffix === '' && file.baseOffset < kept[0]!.baseOffset
    })
    for (const segment of gone) {
      segment.release()
      for (const path of segment.paths()) this.#leave(path)
    }
    for (const name of snapshots) this.#leave(env.files.join(folder, name))
    env.emit?.({ type: 'retention', ...this.#where, segments: gone.length, startOffset: this.#parts.startOffset() })
    if (config.fileDeleteDelayMs === 0) this.close()
    else this.#timer ??= env.clock.setTimer(() => this.#removeLater(), config.fileDeleteDelayMs, { ref: false })
  }

  #leave(path: string): void {
    const { env } = this.#parts
    env.openFiles.forget(path)
    env.files.renameSync(path, `${path}.deleted`)
    this.#leaving.push(`${path}.deleted`)
  }

  /** Nobody waits for it: what cannot be removed now is removed when the log is opened again. */
  #removeLater(): void {
    const { lock } = this.#parts.env
    if (lock?.confirmed === false) return
    try {
      this.close()
    } catch {
      // As above.
    }
  }
}

/** The age of a segment, looked up as far as it is asked for. */
class Age implements SegmentAge {
  readonly baseOffset: number
  readonly nextOffset: number
  readonly size: number
  readonly #env: LogEnvironment
  readonly #segment: Segment

  constructor(env: LogEnvironment, segment: Segment) {
    this.#env = env
    this.#segment = segment
    this.baseOffset = segment.baseOffset
    this.nextOffset = segment.nextOffset
    this.size = segment.size
  }

  get largestTimestamp(): number {
    const { timeIndex, maxTimestamp, path } = this.#segment
    const largest = Math.max(timeIndex.last.timestamp, maxTimestamp)
    return largest >= 0 ? largest : (this.#env.files.statSync(path)?.modifiedMs ?? 0)
  }
}

function deletesBy({ cleanupPolicy }: LogConfig): boolean {
  return cleanupPolicy !== 'compact'
}
