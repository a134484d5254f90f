/*
 * Committed offsets held against the log that they are about: what is left of one after the log was cut, and which may be committed.
 */
import { LogError } from '../../base/errors.ts'
import { type PartitionLog } from '../../log/partition-log.ts'
import { FinishedSet, FinishedSetWriter } from '../consume/finished-set.ts'
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
  return { ...committed, offset: valid, finished: kept < offset ? undefined : finishedFrom(valid, committed) }
}

/** What is finished at or above an offset, told from there on. */
function finishedFrom(base: number, { offset, finished }: CommittedOffset): Buffer | undefined {
  if (finished === undefined) return undefined
  const set = FinishedSet.decode(offset, finished)
  const writer = new FinishedSetWriter(base)
  for (let one = base; one < set.end; one++) if (set.has(one)) writer.add(one)
  return writer.finish()
}

/**
 * Throws when a partition has no record at `offset` and will not get its next one there.
 *
 * @throws LogError `LOG_COMMIT_OUT_OF_RANGE`
 */
export function checkCommit({ topic, partition, startOffset: start, nextOffset: end }: PartitionLog, offset: number): void {
  if (Number.isSafeInteger(offset) && offset >= start && offset <= end) return
  const message = `offset ${offset} cannot be committed for ${topic}-${partition}: it has ${start} to ${end}`
  throw new LogError('LOG_COMMIT_OUT_OF_RANGE', message, { topic, partition, offset, start, end })
}

/** The epoch of the record before `offset`. */
export function commitEpoch(log: PartitionLog, offset: number): number {
  return log.epochs.epochAt(Math.max(0, offset - 1)) ?? log.leaderEpoch
}
