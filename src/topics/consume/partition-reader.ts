/*
 * Reads one partition for a lane (lane.ts): the next record if it is in memory, and otherwise what to wait for. Never reads a file on the
 * event loop. What is left of a log that was cut, or whose oldest records were deleted meanwhile, it goes on with; a place that was cut away
 * is an error.
 */
import { isLogError } from '../../base/errors.ts'
import { type RecordCursor } from '../../log/cursor.ts'
import { type PartitionLog } from '../../log/partition-log.ts'
import { type LogRecord } from '../../log/record.ts'
import { type RecordCodecs } from '../../log/record-input.ts'
import { outOfRange } from '../start-position.ts'

/** Reads one partition. */
export class PartitionReader<K, V> {
  private readonly log: PartitionLog
  private readonly codecs: RecordCodecs<K, V>
  private cursor: RecordCursor<K, V>
  private epoch: number
  /** A file is being read. */
  private filling = false
  private failure: unknown

  /** @throws LogError `LOG_OFFSET_OUT_OF_RANGE` for a place past the end */
  constructor(log: PartitionLog, codecs: RecordCodecs<K, V>, from: number) {
    this.log = log
    this.codecs = codecs
    this.cursor = log.follow(codecs, { from: Math.max(from, log.startOffset) })
    this.epoch = log.leaderEpoch
  }

  /** Offset of the next record; what readers do not get was passed over as far as was read. */
  get position(): number {
    return this.cursor.position
  }

  /** The next record; undefined when there is none now: then `fill` says whether there may be. */
  take(): LogRecord<K, V> | undefined {
    if (this.filling) return undefined
    if (this.failure !== undefined) throw this.failure
    try {
      if (this.log.leaderEpoch !== this.epoch) this.checkNotCut()
      const record = this.cursor.take()
      if (record !== undefined) return record
      // Of one whose topic was deleted there will be nothing more.
      this.log.checkOpen()
      return this.extend() ? this.cursor.take() : undefined
    } catch (error) {
      this.goOnAfter(error)
      return undefined
    }
  }

  /** After a take that gave nothing: reads the file that it needs and calls `done`; false when it needs none. */
  fill(done: () => void): boolean {
    if (this.filling) return true
    if (!this.cursor.blocked) return false
    const { cursor } = this
    this.filling = true
    cursor.fill().catch((error: unknown) => {
      if (this.cursor === cursor) this.fail(error)
    }).finally(() => {
      this.filling = false
      done()
    })
    return true
  }

  close(): void {
    this.cursor.close()
  }

  private extend(): boolean {
    const { cursor } = this
    const end = this.log.lastStableOffset
    if (cursor.blocked || end <= cursor.end) return false
    cursor.extend(end)
    return true
  }

  /** A new epoch began: what was read must still be this log's history, or other records may have taken its offsets. */
  private checkNotCut(): void {
    const { log, cursor } = this
    if (this.wasCut()) throw outOfRange(log, cursor.position)
    this.epoch = log.leaderEpoch
    cursor.end = Math.min(cursor.end, log.lastStableOffset)
    cursor.seek(cursor.position)
  }

  private wasCut(): boolean {
    const { log, cursor, epoch } = this
    return log.epochs.divergence({ epoch, offset: cursor.position }, log.nextOffset) < cursor.position
  }

  /** Records that were deleted before they were read are nobody's any more: reading goes on with the oldest kept. Throws all else. */
  private goOnAfter(error: unknown): void {
    const { log, cursor } = this
    if (!isLogError(error) || cursor.position >= log.startOffset || log.state === 'closed') throw error
    cursor.close()
    this.cursor = log.follow(this.codecs, { from: log.startOffset })
    this.epoch = log.leaderEpoch
  }

  private fail(error: unknown): void {
    try {
      this.goOnAfter(error)
    } catch (failure) {
      this.failure = failure
    }
  }
}
