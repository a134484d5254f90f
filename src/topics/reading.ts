/*
 * The reading of one consumer: a cursor and a position per partition, turns between them, waiting for more. What is asked for, when it ends
 * and how it is iterated over is said in consumer.ts.
 *
 * Between two records that are in memory there is no promise, no timer and no listener: those are made only when there is nothing to hand
 * out. What must come from a file is read in the background, for all partitions that need it at once.
 */
import { type Clock } from '../base/clock.ts'
import { isLogError } from '../base/errors.ts'
import { onAbort } from '../base/on-abort.ts'
import { type RecordCursor } from '../log/cursor.ts'
import { type Isolation, type PartitionLog } from '../log/partition-log.ts'
import { type LogRecord } from '../log/record.ts'
import { type RecordCodecs } from '../log/record-input.ts'
import { type Life } from './life.ts'
import { outOfRange } from './start-position.ts'

/** Records of one partition are handed out up to so many before the next partition has its turn. */
const TURN_RECORDS = 512
/** After so many records the event loop is let turn, even if all of them were in memory. */
const RECORDS_PER_LOOP_TURN = 16_384
/** As long as a timer can be: it is only there to keep the process alive. */
const KEEP_ALIVE_MS = 0x7fff_ffff

/** What a {@link Reading} is told. */
export interface ReadingOptions<K, V> {
  /** Undefined where each partition brings its own. */
  readonly codecs: RecordCodecs<K, V> | undefined
  readonly isolation: Isolation
  readonly clock: Clock
  readonly life: Life
  readonly signal: AbortSignal | undefined
  /** Waiting keeps the process alive. */
  readonly ref: boolean
}

/** One partition that is read. */
export class Assigned<K, V> {
  readonly log: PartitionLog
  /** Those of its topic, where a consumer reads several. */
  readonly codecs: RecordCodecs<K, V> | undefined
  /** Offset of the next record that is not done. */
  position: number
  /** Goes ahead of `position` by what is in hand; undefined until it is needed. */
  cursor: RecordCursor<K, V> | undefined
  /** The log's epoch when the cursor was made: a later one may have cut what it read. */
  epoch = 0
  paused = false
  /** Where the loop ends, exclusive. */
  until = Infinity
  /** A read of its file, or a search for where it goes on, is under way, or failed. */
  filling: Promise<void> | undefined
  failure: unknown

  constructor(log: PartitionLog, position: number, codecs?: RecordCodecs<K, V>) {
    this.log = log
    this.codecs = codecs
    this.position = position
  }
}

/** The reading of one consumer. */
export class Reading<K, V> {
  assigned: readonly Assigned<K, V>[]
  private readonly options: ReadingOptions<K, V>
  private turn = 0
  private turnRecords = 0
  private sinceLoopTurn = 0
  // What is in hand: its partition, and the position once it is done.
  private held: Assigned<K, V> | undefined
  private heldEnd = 0
  private wakeUp: (() => void) | undefined
  /** The loop ends where all partitions have ended. */
  private toEnd = false
  /** Called when something is in hand no longer. */
  private handFree: (() => void) | undefined

  constructor(assigned: readonly Assigned<K, V>[], options: ReadingOptions<K, V>) {
    this.assigned = assigned
    this.options = options
  }

  /** What was handed out and is not done: its partition, and the position once it is done. */
  get inHand(): { readonly assigned: Assigned<K, V>; readonly end: number } | undefined {
    return this.held === undefined ? undefined : { assigned: this.held, end: this.heldEnd }
  }

  /** Begins a loop that goes on for ever, or to the end as it is now. */
  begin(toEnd: boolean): void {
    this.toEnd = toEnd
    for (const assigned of this.assigned) assigned.until = toEnd ? this.visibleEnd(assigned.log) : Infinity
  }

  /** Ends a loop. What is in hand is not done: the next loop begins with it. */
  end(): void {
    this.putDown()
    for (const assigned of this.assigned) this.moveTo(assigned, assigned.position)
    this.wake()
  }

  /** Reads these partitions from now on. What is in hand stays in hand, even of one that is not read any more. */
  assign(assigned: readonly Assigned<K, V>[]): void {
    this.assigned = assigned
    this.turn = 0
    this.turnRecords = 0
    this.wake()
  }

  /** Resolves when nothing of these partitions is in hand: it is done, or will never be. */
  async notInHand(of: readonly Assigned<K, V>[]): Promise<void> {
    while (this.held !== undefined && of.includes(this.held)) {
      await new Promise<void>((resolve) => {
        const before = this.handFree
        this.handFree = () => {
          before?.()
          resolve()
        }
      })
    }
  }

  /** Marks what is in hand as done. */
  finish(): void {
    if (this.held === undefined) return
    this.held.position = this.heldEnd
    this.held = undefined
    if (this.handFree !== undefined) this.tellHandFree()
  }

  /** What is in hand is not in hand any more, and not done. */
  putDown(): void {
    if (this.held === undefined) return
    this.held = undefined
    this.tellHandFree()
  }

  /** What is in hand of these partitions stays there, but will not be marked as done. */
  disown(of: readonly Assigned<K, V>[]): void {
    if (this.held !== undefined && of.includes(this.held)) this.heldEnd = this.held.position
  }

  /** Marks what is in hand as done and gives the next record; undefined when there is none at the moment: then `more` says what to do. */
  takeRecord(): LogRecord<K, V> | undefined {
    if (!this.prepare()) return undefined
    for (let left = this.assigned.length; left > 0; left--) {
      const assigned = this.assigned[this.turn]!
      const cursor = this.readyCursor(assigned)
      const record = cursor === undefined ? undefined : (cursor.take() ?? (this.extend(assigned, cursor) ? cursor.take() : undefined))
      if (record !== undefined) {
        this.hold(assigned, record.offset + 1, 1)
        return record
      }
      this.passTurn()
    }
    return undefined
  }

  /** As `takeRecord`, for all records of a batch. */
  takeBatch(): LogRecord<K, V>[] | undefined {
    if (!this.prepare()) return undefined
    for (let left = this.assigned.length; left > 0; left--) {
      const assigned = this.assigned[this.turn]!
      const cursor = this.readyCursor(assigned)
      if (cursor !== undefined) {
        let records = cursor.takeBatch()
        if (records.length === 0 && this.extend(assigned, cursor)) records = cursor.takeBatch()
        if (records.length > 0) {
          this.hold(assigned, records[records.length - 1]!.offset + 1, records.length)
          return records
        }
      }
      this.passTurn()
    }
    return undefined
  }

  /**
   * Waits until there may be more. False when the loop is over. Rejects with what a read failed with, or the signal's reason.
   *
   * Call it right after a take that gave nothing: it listens before anything else can happen, so nothing is missed.
   */
  async more(): Promise<boolean> {
    const { life, signal, clock } = this.options
    signal?.throwIfAborted()
    if (!life.alive || (this.toEnd && this.assigned.every((assigned) => this.isOver(assigned)))) return false
    for (const { log } of this.assigned) log.checkOpen()       // a topic that was deleted closes its partitions
    if (this.sinceLoopTurn >= RECORDS_PER_LOOP_TURN) await new Promise<void>((resolve) => clock.defer(resolve))
    else await (this.fills() ?? this.progress())
    this.sinceLoopTurn = 0
    return true
  }

  /** Goes on reading a partition at `offset`. While that is being asked for, nothing of it is handed out, and its position is what it was. */
  moveTo(assigned: Assigned<K, V>, offset: number | Promise<number>): void {
    // What is in hand stays readable: then the cursor's memory is the garbage collector's.
    if (this.held === assigned) this.putDown()
    else assigned.cursor?.close()
    assigned.cursor = undefined
    assigned.failure = undefined
    assigned.filling = undefined
    if (typeof offset === 'number') assigned.position = offset
    else assigned.filling = this.moveLater(assigned, offset)
  }

  private moveLater(assigned: Assigned<K, V>, offset: Promise<number>): Promise<void> {
    const unlessMoved = (tell: () => void): void => {
      // Somebody has said meanwhile where it goes on.
      if (assigned.filling !== moving) return
      assigned.filling = undefined
      tell()
      this.wake()
    }
    const moving: Promise<void> = offset.then(
      (found) => unlessMoved(() => { assigned.position = found }), (error: unknown) => unlessMoved(() => { assigned.failure = error }),
    )
    return moving
  }

  /** What to tell of `error`, which a take threw. */
  explain(error: unknown): unknown {
    return explained(this.assigned[this.turn]!, error)
  }

  /** Lets who waits look again. */
  wake(): void {
    this.wakeUp?.()
  }

  /** Marks what is in hand as done. False when the event loop is to turn before anything else is handed out. */
  private prepare(): boolean {
    this.finish()
    if (this.turnRecords >= TURN_RECORDS) this.passTurn()
    return this.sinceLoopTurn < RECORDS_PER_LOOP_TURN
  }

  private hold(assigned: Assigned<K, V>, end: number, records: number): void {
    this.held = assigned
    this.heldEnd = end
    this.turnRecords += records
    this.sinceLoopTurn += records
  }

  private passTurn(): void {
    this.turnRecords = 0
    this.turn = this.turn + 1 >= this.assigned.length ? 0 : this.turn + 1
  }

  private tellHandFree(): void {
    const told = this.handFree
    this.handFree = undefined
    told?.()
  }

  /** The cursor of a partition, unless nothing may be taken from it now. */
  private readyCursor(assigned: Assigned<K, V>): RecordCursor<K, V> | undefined {
    if (assigned.paused || assigned.filling !== undefined) return undefined
    if (assigned.failure !== undefined) throw assigned.failure
    const { cursor } = assigned
    if (cursor === undefined) return this.openCursor(assigned)
    if (assigned.log.leaderEpoch !== assigned.epoch) this.checkNotCut(assigned, cursor)
    return cursor
  }

  private openCursor(assigned: Assigned<K, V>): RecordCursor<K, V> {
    const { isolation } = this.options
    const cursor = assigned.log.follow((assigned.codecs ?? this.options.codecs)!, { from: assigned.position, isolation })
    if (cursor.end > assigned.until) cursor.end = assigned.until
    assigned.cursor = cursor
    assigned.epoch = assigned.log.leaderEpoch
    return cursor
  }

  /** Moves the cursor's end on to what may be seen by now; false when that is no more than before. */
  private extend(assigned: Assigned<K, V>, cursor: RecordCursor<K, V>): boolean {
    if (cursor.blocked) return false
    const end = Math.min(this.visibleEnd(assigned.log), assigned.until)
    if (end <= cursor.end) return false
    cursor.extend(end)
    return true
  }

  /** A new epoch began: if what was read is not all of this log's history any more, other records may have taken its offsets. */
  private checkNotCut(assigned: Assigned<K, V>, cursor: RecordCursor<K, V>): void {
    const { log } = assigned
    if (wasCut(assigned, cursor.position)) throw outOfRange(log, cursor.position)
    assigned.epoch = log.leaderEpoch
    // The end may be a lower one now, and the files behind the place others.
    cursor.end = Math.min(cursor.end, this.visibleEnd(log))
    cursor.seek(cursor.position)
  }

  private visibleEnd(log: PartitionLog): number {
    return this.options.isolation === 'read_committed' ? log.lastStableOffset : log.highWatermark
  }

  /** Whether nothing of a partition is left for this loop. Asked when its cursor had nothing to give. */
  private isOver({ until, position, cursor, paused, filling }: Assigned<K, V>): boolean {
    if (position >= until) return true
    if (until === Infinity || paused || filling !== undefined || cursor === undefined || cursor.blocked) return false
    return cursor.end >= until && this.sinceLoopTurn < RECORDS_PER_LOOP_TURN
  }

  /** Reads files for the partitions that need it; resolves when the first of them is read. Undefined when none needs it. */
  private fills(): Promise<void> | undefined {
    const fills: Promise<void>[] = []
    for (const assigned of this.assigned) {
      const { cursor } = assigned
      if (cursor?.blocked === true && !assigned.paused && assigned.filling === undefined) assigned.filling = this.fill(assigned, cursor)
      if (assigned.filling !== undefined) fills.push(assigned.filling)
    }
    return fills.length > 1 ? Promise.race(fills) : fills[0]
  }

  private async fill(assigned: Assigned<K, V>, cursor: RecordCursor<K, V>): Promise<void> {
    try {
      await cursor.fill()
    } catch (error) {
      if (assigned.cursor === cursor) assigned.failure = explained(assigned, error)
    } finally {
      // Else it goes on somewhere else, and waits for something else.
      if (assigned.cursor === cursor) assigned.filling = undefined
    }
  }

  /** Resolves when a watermark moved, or something else happened that a waiting loop must know of. */
  private progress(): Promise<void> {
    const { life, signal, clock, ref } = this.options
    return new Promise((resolve) => {
      const ends: (() => void)[] = []
      const wake = (): void => {
        this.wakeUp = undefined
        for (const end of ends) end()
        resolve()
      }
      this.wakeUp = wake
      for (const { log, paused } of this.assigned) if (!paused) ends.push(log.onProgress(wake))
      ends.push(life.onEnd(wake))
      if (signal !== undefined) ends.push(onAbort(signal, wake))
      if (ref) {
        const timer = clock.setTimer(wake, KEEP_ALIVE_MS)
        ends.push(() => timer.cancel())
      }
    })
  }
}

/** Whether records below `offset`, read up to the partition's epoch of that time, are not all in the log any more. */
function wasCut<K, V>({ log, epoch }: Assigned<K, V>, offset: number): boolean {
  return log.epochs.divergence({ epoch, offset }, log.nextOffset) < offset
}

/** What an error of reading means: beside a writer in another process a file may end where it does because the writer just cut it. */
function explained<K, V>(assigned: Assigned<K, V>, error: unknown): unknown {
  if (!isLogError(error, 'LOG_CORRUPT') && !isLogError(error, 'LOG_IO')) return error
  const { log, cursor, position } = assigned
  try {
    log.lookAgain()
  } catch {
    return error
  }
  const offset = cursor?.position ?? position
  return offset < log.startOffset || wasCut(assigned, offset) ? outOfRange(log, offset) : error
}
