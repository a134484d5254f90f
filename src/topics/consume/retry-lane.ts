/*
 * The retry topic's partition that belongs to a source partition: whoever owns the one reads the other. Its records are handed out when they
 * are due, in whatever order that is; what waits is kept as numbers, 25 bytes a record, and read again when its time has come.
 *
 * A record that waits for long would hold what can be committed: when what is due lies too far above it to be told as finished, it is moved
 * to the end of the partition, as it is.
 */
import type { LogRecord, RecordHeaders } from '../../log/record.ts'
import type { RecordCodecs } from '../../log/record-input.ts'
import type { Chains } from './chains.ts'
import { originalHeaders, readDeadLetter } from './dead-letter-headers.ts'
import { Lane, type LaneOptions, Task } from './lane.ts'
import { DueHeap } from './retry.ts'

/** Header of a record in a retry topic: ms since 1970 before which it is not to be tried again. */
export const NOT_BEFORE_HEADER = 'not-before'

/** Records that are looked at before the event loop has its turn. */
const RECORDS_PER_TURN = 4096
/** Records that are moved in one step. */
const MOST_MOVED = 100

/** What a {@link RetryLane} is made of, beside what all lanes are. */
export interface RetryLaneOptions<K, V> extends Omit<LaneOptions<K, V>, 'maxInFlight'> {
  readonly now: () => number
  /** Of the source partition. */
  readonly chains: Chains<Task<K, V>>
}

/** One partition of a retry topic. */
export class RetryLane<K, V> extends Lane<K, V> {
  /** Called when all that was there at the beginning is known. */
  onCaughtUp: () => void = () => {}
  private readonly codecs: RecordCodecs<K, V>
  private readonly now: () => number
  private readonly heap = new DueHeap()
  /** Slots of records that were handed out and are not finished. */
  private readonly out = new Set<number>()
  private readonly beginsAt: number
  private more = false

  constructor(options: RetryLaneOptions<K, V>) {
    super({ ...options, maxInFlight: Infinity, order: options.order === 'key' ? 'key' : 'none' }, options.chains)
    this.codecs = options.codecs
    this.now = options.now
    this.beginsAt = options.log.lastStableOffset
  }

  /** Everything that was in the retry topic when the partition was assigned is known. */
  get isCaughtUp(): boolean {
    return this.reader.position >= this.beginsAt
  }

  override get hasMore(): boolean {
    return this.more
  }

  override get nextDue(): number {
    return this.handing || this.leaving.length > 0 ? Infinity : this.heap.nextDue
  }

  override take(): Task<K, V> | undefined {
    this.look()
    const now = this.now()
    for (let slot = this.heap.take(now); slot !== undefined; slot = this.heap.take(now)) {
      if (this.tracker.isFinished(slot)) continue
      if (!this.tracker.reaches(this.tracker.offsetOf(slot))) {
        this.heap.add(slot, now)
        this.moveLowest()
        return undefined
      }
      const task = this.taskOf(slot)
      if (task !== undefined) return task
    }
    return undefined
  }

  override finish(task: Task<K, V>, away = false): Task<K, V> | undefined {
    this.tracker.finish(task.slot)
    this.out.delete(task.slot)
    this.dirty = true
    const key = this.order === 'key' && !away ? this.keyOf(task.record) : null
    return key === null ? undefined : this.chains.back(key, task.origin!.offset)
  }

  /** Learns of what was read by now, without keeping it. */
  private look(): void {
    this.more = false
    for (let left = RECORDS_PER_TURN; left > 0; left--) {
      const record = this.reader.take()
      if (record === undefined) {
        this.tracker.moveTo(this.reader.position)
        if (this.isCaughtUp) this.onCaughtUp()
        return
      }
      const slot = this.tracker.add(record.offset)
      if (slot === -1) {
        this.dirty = true
        continue
      }
      this.heap.add(slot, dueOf(record))
      const key = this.order === 'key' ? this.keyOf(record) : null
      if (key !== null) this.chains.goAway(key, originOf(record, this.place.partition).offset)
    }
    this.more = true
  }

  /** The record of a slot, to be handed out; undefined when it is gone, which finishes it. */
  private taskOf(slot: number): Task<K, V> | undefined {
    const offset = this.tracker.offsetOf(slot)
    const cursor = this.log.read(this.codecs, { from: Math.max(offset, this.log.startOffset), to: offset + 1 })
    const record = cursor.take()
    cursor.close()
    if (record === undefined) {
      this.tracker.finish(slot)
      return undefined
    }
    const task = new Task(this, slot, record)
    task.origin = originOf(record, this.place.partition)
    task.attempts = readDeadLetter(record.headers).deliveryCount ?? 0
    this.out.add(slot)
    return task
  }

  /** Moves what is lowest and waits to the end of the partition, so that more can be committed. */
  private moveLowest(): void {
    if (this.handing || this.leaving.length > 0) return
    for (const slot of this.tracker.lowest(MOST_MOVED)) {
      const task = this.out.has(slot) ? undefined : this.taskOf(slot)
      if (task !== undefined) this.leaving.push({ task, error: undefined, stage: 'handle', due: dueOf(task.record), moved: true })
    }
  }
}

/** When a record of a retry topic is due; one that does not say is due now. */
export function dueOf<K, V>(record: LogRecord<K, V>): number {
  const text = record.header(NOT_BEFORE_HEADER)?.toString()
  return text !== undefined && /^\d{1,16}$/.test(text) ? Number(text) : 0
}

/** Where a record of a retry or dead-letter topic came from; the record itself, when it does not say. */
export function originOf<K, V>(record: LogRecord<K, V>, partition: number): {
  readonly topic: string
  readonly partition: number
  readonly offset: number
  readonly headers: RecordHeaders
} {
  const { headers } = record
  const info = readDeadLetter(headers)
  const own = originalHeaders(headers).filter(([name]) => name !== NOT_BEFORE_HEADER) as unknown as RecordHeaders
  return { topic: info.topic ?? record.topic, partition: info.partition ?? partition, offset: info.offset ?? record.offset, headers: own }
}
