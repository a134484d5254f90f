/*
 * A partition as a reader sees it beside a writer in another process: as the mark tells it, whatever happens to the files meanwhile.
 */
import { isLogError, LogError } from '../base/errors.ts'
import { systemCode } from '../files/system-error.ts'
import { parseFileName } from '../format/names.ts'
import { type LogEnvironment } from './environment.ts'
import { cleanEnd } from './find-end.ts'
import { planFolder } from './folder-plan.ts'
import { type MarkSlot, type MarkState } from './mark.ts'
import { type OpenedPartition, type PartitionOptions } from './open-partition.ts'
import { firstSegment, missing, openSegment, readEpochs, storedStart } from './partition-files.ts'
import { restoreProducers } from './restore-producers.ts'
import { type Segment } from './segment.ts'
import { segmentFiles } from './segment-files.ts'

/** How often a reader looks again at files that its writer changes: after an error, and at most. */
const ATTEMPTS = 10
const MOST_ATTEMPTS = 100

/**
 * For readers beside a writer: the partition as the mark tells it, which is read again. What the mark speaks of is in the folder; what is in the
 * folder besides, the mark will speak of later or never.
 */
export function openFollowing(env: LogEnvironment, options: PartitionOptions, slot: MarkSlot): OpenedPartition {
  for (let attempt = 1; attempt <= MOST_ATTEMPTS; attempt++) {
    try {
      env.mark.refresh()
      const state = slot.state!
      const before = namesThatCount(env, options)
      const opened = followOnce(env, options, slot, state)
      // A name that changes while names are listed may be seen twice, or not at all. While the writer replaces segments once they do not come back
      // to what they were, and between one time and the next the mark changes.
      const settled = sameNames(before, namesThatCount(env, options)) && !isOvertaken(env, slot, state)
      if (settled && opened.segments.every((segment) => segment.isThere())) return opened
    } catch (error) {
      // The writer compacts or deletes: files go and get other names between a look at the folder and one at them.
      const surprised = systemCode(error) === 'ENOENT' || isLogError(error, 'LOG_IO') || isLogError(error, 'LOG_CORRUPT')
      if (surprised && env.files.statSync(options.folder) === undefined) throw deleted(options, error)
      if (!surprised || attempt >= ATTEMPTS) throw error
    }
  }
  const { folder } = options
  throw new LogError('LOG_IO', `the files in ${folder} change faster than they can be looked at`, { path: folder })
}

/**
 * For readers beside a writer: the segments behind the last that they know; undefined when the writer has begun since the mark said `state` to
 * replace or remove some, since the names may be of a moment in between.
 */
export function openNewSegments(
  env: LogEnvironment, options: PartitionOptions, slot: MarkSlot, state: MarkState, lastBase: number,
): Segment[] | undefined {
  const files = env.files.listSync(options.folder).map(parseFileName)
  const bases = files.filter((file) => file?.kind === 'log' && file.suffix === '' && file.baseOffset > lastBase).map((file) => file!.baseOffset)
  if (bases.length === 0) return []
  try {
    const opened = bases.map((baseOffset) => openSegment(env, options, baseOffset, segmentFiles(baseOffset)))
    return isOvertaken(env, slot, state) ? undefined : opened
  } catch (error) {
    if (isLogError(error, 'LOG_CORRUPT') && isOvertaken(env, slot, state)) return undefined
    throw error
  }
}

/** Bytes of a segment that a reader beside a writer may look at: as many as were acknowledged, where the mark tells that, or all. */
export function followedSize(state: MarkState, segment: Segment): number {
  const told = state.baseOffset === segment.baseOffset && state.syncedOffset === state.watermark
  return told ? state.position : segment.size
}

/** What a reader gets whose partition the writer has deleted, with its topic. */
function deleted({ topic, folder }: PartitionOptions, cause: unknown): LogError {
  return new LogError('LOG_NOT_FOUND', `topic "${topic}" was deleted`, { path: folder, topic }, cause)
}

/** Whether the writer has begun since the mark said `state` to replace or remove segments, or is through with it: reads the mark again. */
function isOvertaken(env: LogEnvironment, slot: MarkSlot, state: MarkState): boolean {
  env.mark.refresh()
  return slot.state!.generation !== state.generation || slot.state!.epoch !== state.epoch
}

/** The names in the folder, without those of files that are no part of the log any more. */
function namesThatCount(env: LogEnvironment, options: PartitionOptions): string[] {
  return env.files.listSync(options.folder).filter((name) => !name.endsWith('.deleted'))
}

function sameNames(some: readonly string[], others: readonly string[]): boolean {
  return some.length === others.length && some.every((name, index) => name === others[index])
}

function followOnce(env: LogEnvironment, options: PartitionOptions, slot: MarkSlot, state: MarkState): OpenedPartition {
  const stored = storedStart(env, options)
  const plan = planFolder(env.files, options.folder, stored, state)
  const segments = plan.segments.map(({ baseOffset, files }) => openSegment(env, options, baseOffset, files))
  if (segments.length === 0) {
    if (state.position > 0) throw missing(options, `segment ${state.baseOffset}`)
    segments.push(firstSegment(env, options, stored))
  }
  const startOffset = Math.max(stored, segments[0]!.baseOffset)
  const active = segments.at(-1)!
  active.size = followedSize(state, active)
  const epochs = readEpochs(env, options.folder)
  epochs.truncateFromEnd(state.watermark + 1)
  epochs.truncateFromStart(startOffset)
  const end = cleanEnd(segments, state.watermark)
  const producers = restoreProducers(env, options, plan, end, state)
  // Now, while they are certainly of these files: compaction takes the records of aborted transactions, and then they are not named any more.
  if (state.producers) for (const segment of segments) segment.txnIndex
  return { segments, slot, state, epochs, epoch: state.epoch, producers, startOffset, nextOffset: state.watermark, report: end.report }
}
