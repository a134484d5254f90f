/*
 * Committed offsets held against the log that they are about: what is left of one after the log was cut, and which may be committed.
 */
import { type PartitionLog } from '../../log/partition-log.ts'
import { type CommittedOffset } from './offset-table.ts'

/**
 * A committed offset as far as it belongs to the log: cut back to where the log left the history that it was committed in, never to the
 * earliest or latest. Records that were deleted meanwhile are nobody's any more: it is not below the oldest kept.
 */
export function validCommit(log: PartitionLog, committed: CommittedOffset): CommittedOffset {
  const { offset, leaderEpoch } = committed
  const kept = log.epochs.divergence({ epoch: leaderEpoch, offset }, log.nextOffset)
  const valid = Math.max(kept, log.startOffset)
  if (valid === offset) return committed
  // What was finished above it was finished in another history, when it was cut.
  return { ...committed, offset: valid, finished: kept < offset ? undefined : committed.finished }
}

/** Whether a partition has a record at `offset`, or will get its next one there. */
export function inRange(log: PartitionLog, offset: number): boolean {
  return Number.isSafeInteger(offset) && offset >= log.startOffset && offset <= log.nextOffset
}

/** The epoch of the record before `offset`. */
export function commitEpoch(log: PartitionLog, offset: number): number {
  return log.epochs.epochAt(Math.max(0, offset - 1)) ?? log.leaderEpoch
}
