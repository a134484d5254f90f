/*
 * What every partition of one log shares: the world below it, the budgets, the mark, the lock, and where events go.
 */
import { type Clock } from '../base/clock.ts'
import { type Random } from '../base/random.ts'
import { type FileSystem, type FolderLock } from '../files/file-system.ts'
import { type OpenFiles } from '../files/open-files.ts'
import { type BufferBudget } from './buffer-budget.ts'
import { type CleanReport } from './clean-report.ts'
import { type CleanerCheckpoint } from './cleaner-checkpoint.ts'
import { type DiskRoom } from './disk-room.ts'
import { type Mark } from './mark.ts'
import { type RecoveryReport } from './recovery-report.ts'
import { type SyncGate } from './sync-gate.ts'
import { type WindowCache } from './windows.ts'

/** Something that happened inside the log, for diagnostics. Times are in milliseconds, sizes in bytes. */
export type LogEvent = { readonly topic: string; readonly partition: number } & (
  | { readonly type: 'round'; readonly bytes: number; readonly ms: number }
  | { readonly type: 'sync'; readonly ms: number }
  | { readonly type: 'roll'; readonly baseOffset: number }
  | { readonly type: 'recovery'; readonly report: RecoveryReport }
  /** A compacted partition was cleaned. */
  | { readonly type: 'compaction'; readonly report: CleanReport }
  /** Segments were deleted, by age, by size, or because all their records had been deleted. */
  | { readonly type: 'retention'; readonly segments: number; readonly startOffset: number }
  /** Something that the log does by itself now and then failed; it is tried again. */
  | { readonly type: 'housekeeping-failed'; readonly task: string; readonly cause: unknown }
  /** A member of a group was not heard of in time, and is one no more. The place is that of the group's offsets. */
  | { readonly type: 'member-expired'; readonly groupId: string; readonly memberId: string; readonly clientId: string }
  /** Appends are refused until a reopen. Records from `from` up to `end` were not acknowledged and are lost. */
  | { readonly type: 'fenced'; readonly from: number; readonly end: number; readonly cause: unknown }
  /** Records from `from` up to `end` did not find room. */
  | { readonly type: 'disk-full'; readonly from: number; readonly end: number; readonly cause: unknown }
)

/** What the cleanings of one log share. */
export interface CleanerPlace {
  readonly checkpoint: CleanerCheckpoint
  /** Bytes that the keys of one cleaning may take in memory. */
  readonly bufferBytes: number
}

/** What the partitions of one log share. */
export interface LogEnvironment {
  readonly files: FileSystem
  readonly openFiles: OpenFiles
  readonly clock: Clock
  readonly random: Random
  readonly mark: Mark
  readonly syncs: SyncGate
  readonly windows: WindowCache
  readonly buffer: BufferBudget
  /** Held by a writer on a durable file system; undefined in memory and for readers. */
  readonly lock: FolderLock | undefined
  readonly room: DiskRoom
  /** Bytes of room that durability 'sync' keeps ahead of a segment's end. */
  readonly roomAheadBytes: number
  /** What cleanings of compacted partitions share; absent where nobody cleans. */
  readonly cleaner?: CleanerPlace
  /** Nothing is written or removed, whatever is found. */
  readonly readOnly: boolean
  /** Called with what happens; absent when nobody listens. */
  emit: ((event: LogEvent) => void) | undefined
}
