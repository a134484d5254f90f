/*
 * What the loop of managed consumption is made of and what it tells: its settings, checked, and the doors to what it does not know itself.
 */
import type { Clock } from '../../base/clock.ts'
import type { Random } from '../../base/random.ts'
import type { CommitEntry, MemberEvents, Place } from '../groups/member.ts'
import type { Delivery } from './delivery.ts'
import type { Lane, Leaving, Order } from './lane.ts'
import type { Membership } from './membership.ts'
import type { RetryDelay } from './retry.ts'

/** Handles a record. Returning accepts it, throwing releases it to be tried again. */
export type Handler<K, V> = (record: Delivery<K, V>) => unknown

/** What is told of an attempt that failed. */
export interface HandlingFailure {
  readonly topic: string
  readonly partition: number
  readonly offset: number
  readonly error: unknown
  /** How often the record was tried so far. */
  readonly attempt: number
  /** What happens now: it is tried again, goes to the dead letters, or the consumption ends with it. */
  readonly next: 'retry' | 'dead-letter' | 'stop'
}

/** What a {@link ConsumeLoop} is told; everything is checked. */
export interface LoopOptions<K, V> {
  readonly clock: Clock
  readonly random: Random
  readonly order: Order
  readonly concurrency: number
  readonly attempts: number
  readonly delay: RetryDelay
  readonly retryable: (error: unknown) => boolean
  /** A wait that is longer is spent in the retry topic; Infinity when there is none. */
  readonly laterThanMs: number
  readonly handlerTimeoutMs: number
  /** How long a partition that is revoked waits for what is in hand. */
  readonly drainMs: number
  readonly commitIntervalMs: number
  /** Waiting keeps the process alive. */
  readonly ref: boolean
  readonly join: (events: MemberEvents) => Membership
  /** The lanes of an assigned partition. */
  readonly open: (place: Place) => readonly Lane<K, V>[] | Promise<readonly Lane<K, V>[]>
  /**
   * Stores records elsewhere and commits in the same step. Rejects when neither was done. Undefined: a record that cannot be handled ends
   * the loop.
   */
  readonly putAside: ((records: readonly Leaving<K, V>[], entry: CommitEntry) => Promise<void>) | undefined
  readonly onFailure: ((failure: HandlingFailure) => void) | undefined
}

/** The numbers of a loop. */
export interface LoopStats {
  /** Partitions that are assigned. */
  readonly partitions: number
  /** Records that handlers have in hand. */
  readonly handling: number
  /** Records that were read and are not finished: in hand, waiting for another attempt, or behind one of their key. */
  readonly unfinished: number
  /** Records that wait for another attempt. */
  readonly waiting: number
  readonly handled: number
  /** Attempts that failed. */
  readonly failures: number
  readonly deadLetters: number
}
