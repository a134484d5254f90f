/*
 * What managed consumption needs of a group: who tells it which partitions are its own, and keeps how far it is. A member of a group of
 * this process is one (groups/member.ts); tests bring their own.
 */
import type { CommitEntry, Place } from '../groups/member.ts'

/** What was committed last. */
export interface CommittedPlace {
  readonly offset: number
  readonly finished?: Uint8Array | undefined
}

/** Being a member of a group. */
export interface Membership {
  start(): Promise<void>
  /** Whether a partition is assigned at this moment. */
  owns(place: Place): boolean
  /** Resolves when it is durable. */
  commit(entries: readonly CommitEntry[]): Promise<void>
  leave(): Promise<void>
}
