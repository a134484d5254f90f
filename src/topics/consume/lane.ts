/*
 * One partition of a loop (loop.ts): reads it, keeps the order that was asked for, and knows what may be committed. It decides which record
 * may be handled next, and never whether there is a hand free for it.
 *
 * Order `'partition'`: one record after the other. `'key'`: records of one key, compared by their bytes, one after the other; those without
 * a key have no order. `'none'`: any. A record that waits to be tried again keeps its place.
 */
// Types only, and told so: what is erased imports nothing, and this file must be evaluated before the lanes that extend its class.
import type { PartitionLog } from '../../log/partition-log.ts'
import type { LogRecord } from '../../log/record.ts'
import type { RecordCodecs } from '../../log/record-input.ts'
import { string } from '../codecs.ts'
import type { CommitEntry, Place } from '../groups/member.ts'
import { type Chain, Chains, type Link } from './chains.ts'
import type { Delivery, Origin } from './delivery.ts'
import { FinishedSet } from './finished-set.ts'
import type { CommittedPlace } from './membership.ts'
import { PartitionReader } from './partition-reader.ts'
import { Tracker } from './tracker.ts'

/** What is kept in order while several records are handled at a time: the records of a partition, those of a key, or nothing. */
export type Order = 'partition' | 'key' | 'none'

/** Every order. */
export const orders: readonly Order[] = ['partition', 'key', 'none']

/** A record that was read and is not finished. */
export class Task<K, V> implements Link<Task<K, V>> {
  readonly lane: Lane<K, V>
  readonly slot: number
  readonly record: LogRecord<K, V>
  /** How often it was handed out. */
  attempts = 0
  /** What a handler has in hand now; undefined when none has, or it is not waited for any longer. */
  delivery: Delivery<K, V> | undefined
  /** When it was handed out, on the monotonic clock; only kept when there is a limit. */
  since = 0
  chain: Chain<Task<K, V>> | undefined
  next: Task<K, V> | undefined
  /** Where it came from, when that is not where it was read. */
  origin: Origin | undefined

  constructor(lane: Lane<K, V>, slot: number, record: LogRecord<K, V>) {
    this.lane = lane
    this.slot = slot
    this.record = record
    this.delivery = undefined
    this.chain = undefined
    this.next = undefined
    this.origin = undefined
  }

  /** Nobody waits for the handler any longer. */
  abandon(reason: unknown): void {
    const { delivery } = this
    this.delivery = undefined
    delivery?.abandon(reason)
  }
}

/** A record on its way to another topic. */
export interface Leaving<K, V> {
  readonly task: Task<K, V>
  readonly error: unknown
  readonly stage: 'decode' | 'handle'
  /** Wall time at which it is to be tried again: it goes to the retry topic. Undefined: it goes to the dead letters. */
  readonly due?: number
  /** It is only to lie somewhere else in the retry topic, as it is. */
  readonly moved?: boolean
}

/** What a {@link Lane} is made of. */
export interface LaneOptions<K, V> {
  readonly place: Place
  readonly log: PartitionLog
  readonly codecs: RecordCodecs<K, V>
  readonly order: Order
  readonly maxInFlight: number
  readonly committed: CommittedPlace | undefined
  /** Where to begin when nothing is committed. */
  readonly from: number
}

/** One partition. */
export class Lane<K, V> {
  readonly place: Place
  readonly log: PartitionLog
  readonly tracker: Tracker
  readonly reader: PartitionReader<K, V>
  /** `draining`: nothing new is handed out. `closed`: whatever finishes now is told to nobody. */
  state: 'open' | 'draining' | 'closed' = 'open'
  /** What handlers have in hand. */
  readonly inHand = new Set<Task<K, V>>()
  /** It stands in the row of lanes that may have a record. */
  active = false
  /** Something finished since the last commit. */
  dirty = false
  /** Records that are to leave, and whether some are on their way. */
  leaving: Leaving<K, V>[] = []
  handing = false
  /** Nothing is read before this says so: what is away must be known first. */
  mayBegin: () => boolean = () => true
  protected readonly order: Order
  /** Of the records with order `'key'`; shared with the lane of what is away. */
  readonly chains: Chains<Task<K, V>>
  /** Text that is the same for the same key, and null for none. */
  readonly keyOf: (record: LogRecord<K, V>) => string | null
  /** Order `'partition'`: a record is not finished. */
  private busy = false
  /** Read, but too far above what is unfinished to be told as finished. */
  private early: LogRecord<K, V> | undefined
  private stopListening: () => void = () => {}

  /** @throws LogError `LOG_OFFSET_OUT_OF_RANGE` when the committed offset is past the end; those of a set that cannot be read */
  constructor(options: LaneOptions<K, V>, chains = new Chains<Task<K, V>>()) {
    const { place, log, codecs, order, maxInFlight, committed } = options
    const position = committed?.offset ?? options.from
    this.place = place
    this.log = log
    this.order = order
    this.chains = chains
    this.keyOf = codecs.key.name === string.name ? decodedKey : keyOfBytes
    this.reader = new PartitionReader(log, codecs, position)
    this.tracker = new Tracker({
      position, maxInFlight: order === 'partition' ? 1 : maxInFlight, finished: FinishedSet.decode(position, committed?.finished),
    })
  }

  /** Calls `wake` whenever there may be more to read, until it is closed. */
  listen(wake: () => void): void {
    this.stopListening = this.log.onProgress(wake)
  }

  /** The next record that may be handled now; undefined when there is none, or no room. */
  take(): Task<K, V> | undefined {
    if (this.busy || !this.mayBegin()) return undefined
    for (;;) {
      const record = this.read()
      if (record === undefined) return undefined
      const slot = this.tracker.add(record.offset)
      if (slot === -1) {
        this.dirty = true
        continue
      }
      const task = new Task(this, slot, record)
      if (this.order === 'partition') this.busy = true
      else if (this.order === 'key' && this.isBehind(task)) continue
      return task
    }
  }

  /** When something is due that `take` has not given yet, ms of wall time. */
  get nextDue(): number {
    return Infinity
  }

  /** There is more to read than one turn of the event loop should. */
  get hasMore(): boolean {
    return false
  }

  /** The record is done, or, when it went `away`, is in the retry topic: gives the one that waited for it. */
  finish(task: Task<K, V>, away = false): Task<K, V> | undefined {
    this.tracker.finish(task.slot)
    this.dirty = true
    this.busy = false
    const { chain } = task
    if (chain === undefined) return undefined
    if (away) this.chains.goAway(chain.key, task.record.offset)
    return this.chains.leave(chain)
  }

  /** What there is to commit now. */
  commitEntry(also: readonly number[] = []): CommitEntry {
    const finished = this.tracker.finishedAbove(also)
    const entry = { ...this.place, offset: this.tracker.committableWith(also), leaderEpoch: this.log.leaderEpoch }
    return finished === undefined ? entry : { ...entry, finished }
  }

  /** Nothing is in hand, and nothing on its way elsewhere. */
  get isIdle(): boolean {
    return this.inHand.size === 0 && !this.handing
  }

  /** What is in hand is not waited for any longer, and told so. Gives how many that were. */
  abandonHands(reason: unknown): number {
    const count = this.inHand.size
    for (const task of this.inHand) task.abandon(reason)
    this.inHand.clear()
    return count
  }

  /** Ends it. */
  close(): void {
    this.state = 'closed'
    this.stopListening()
    this.reader.close()
    this.leaving = []
    this.chains.clear()
  }

  /** The next record that there is room for. */
  private read(): LogRecord<K, V> | undefined {
    const { tracker, reader } = this
    if (!tracker.hasRoom) return undefined
    const record = this.early ?? reader.take()
    this.early = undefined
    if (record === undefined) {
      tracker.moveTo(reader.position)
      return undefined
    }
    if (tracker.unfinished === 0 || tracker.reaches(record.offset)) return record
    this.early = record
    return undefined
  }

  /** Whether another record of its key is not finished: then it waits behind that one. */
  private isBehind(task: Task<K, V>): boolean {
    const key = this.keyOf(task.record)
    if (key === null || this.chains.enter(key, task)) return false
    // It may wait for long: it must not keep the memory of all records that were read with it.
    task.record.detach()
    return true
  }
}

/** Without a view of the bytes, which would keep the memory of all records around it. */
function decodedKey<K, V>(record: LogRecord<K, V>): string | null {
  return record.key as string | null
}

function keyOfBytes<K, V>({ keyBytes }: LogRecord<K, V>): string | null {
  return keyBytes === null ? null : keyBytes.toString('latin1')
}
