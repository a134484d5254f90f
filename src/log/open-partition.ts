/*
 * Opens a partition's folder in numbered steps, whatever state it was left in, and gives everything a partition needs to go on.
 *
 * A folder that was closed in good order is believed: its mark says where it ends, and no byte of log is read. Any other is recovered
 * from the mark on (recovery.ts). A folder that Kafka wrote has no mark: its clean-shutdown file and recovery point stand in for it.
 */
import { allDone } from '../base/all-done.ts'
import { writeFileAtomically } from '../files/write-fully.ts'
import { encodeLeaderEpochs, LEADER_EPOCH_FILE } from '../format/leader-epoch-checkpoint.ts'
import { type LogConfig } from './config.ts'
import { type LogEnvironment } from './environment.ts'
import { type Epochs } from './epochs.ts'
import { findEnd, type FoundEnd } from './find-end.ts'
import { applyPlan, type FolderPlan, planFolder } from './folder-plan.ts'
import { openFollowing } from './follow-partition.ts'
import { type MarkSlot, type MarkState } from './mark.ts'
import { createFolder, firstSegment, missing, openSegment, readEpochs, storedStart } from './partition-files.ts'
import { type ProducerState } from './producer-state.ts'
import { type RecoveryReport } from './recovery-report.ts'
import { removeSnapshots, restoreProducers } from './restore-producers.ts'
import { readLogStart, writeLogStart } from './retention.ts'
import { type Segment } from './segment.ts'

/** What a folder that Kafka wrote says about one partition, in files beside it. */
export interface ForeignState {
  /** The broker was shut down in good order. */
  readonly clean: boolean
  /** First offset not known to be synced. */
  readonly recoveryPoint: number
}

/** Which partition to open, and how. */
export interface PartitionOptions {
  readonly folder: string
  readonly topic: string
  readonly partition: number
  /** 16 bytes. */
  readonly topicId: Uint8Array
  readonly config: LogConfig
  /** The folder is new: it is made, with what belongs into it. */
  readonly create: boolean
  /** Records below it were deleted on request, though their segment may still hold them. */
  readonly logStartOffset?: number
  /** Set for a folder that Kafka wrote and that we have no mark of. */
  readonly foreign?: ForeignState | undefined
  /** For readers: a writer lives, so the mark says where the log ends and the files may be growing. */
  readonly following?: boolean
}

/** Everything that was found. */
export interface OpenedPartition {
  readonly segments: Segment[]
  readonly slot: MarkSlot
  /** What the mark said when the folder was looked at. */
  readonly state: MarkState | undefined
  readonly epochs: Epochs
  readonly epoch: number
  readonly producers: ProducerState
  /** The oldest offset kept. */
  readonly startOffset: number
  readonly nextOffset: number
  readonly report: RecoveryReport
}

/** Opens a partition. Throws LOG_CORRUPT when what was certainly stored is damaged or missing; then nothing was changed. */
export async function openPartition(env: LogEnvironment, options: PartitionOptions): Promise<OpenedPartition> {
  const slot = env.mark.slot(options.topicId, options.partition)
  const { state } = slot
  if (options.following === true && state !== undefined) return openFollowing(env, options, slot)
  // 1 A new folder, with its topic id, before anything can be in it.
  if (options.create) await createFolder(env, options)
  // 2 Where it begins, and what the files are. Leftovers of interrupted changes are cleared away, or, read-only, looked through.
  const startOffset = storedStart(env, options)
  const plan = planFolder(env.files, options.folder, startOffset, state)
  if (!env.readOnly) await applyPlan(env.files, options.folder, plan)
  // 3 The segments.
  const segments = plan.segments.map(({ baseOffset, files }) => openSegment(env, options, baseOffset, files))
  if (segments.length === 0) {
    if (state !== undefined && state.position > 0) throw missing(options, `segment ${state.baseOffset}`)
    segments.push(firstSegment(env, options, startOffset))
  }
  try {
    return await finishOpening(env, options, plan, segments, slot, startOffset)
  } catch (error) {
    for (const segment of segments) segment.release()
    throw error
  }
}

async function finishOpening(
  env: LogEnvironment, options: PartitionOptions, plan: FolderPlan, segments: Segment[], slot: MarkSlot, storedStartOffset: number,
): Promise<OpenedPartition> {
  const { state } = slot
  // 4 Where they end.
  const epochs = readEpochs(env, options.folder)
  const found = await findEnd(env, options, state, segments, epochs)
  const end = found.nextOffset >= storedStartOffset ? found : beginAtStart(env, options, found, storedStartOffset)
  const { nextOffset } = end
  const startOffset = Math.max(storedStartOffset, end.segments[0]!.baseOffset)
  epochs.truncateFromEnd(nextOffset + 1)
  epochs.truncateFromStart(startOffset)
  // Of Kafka's word for the start there may soon be nothing left.
  const inside = !env.readOnly && startOffset > end.segments[0]!.baseOffset
  if (inside && startOffset > readLogStart(env.files, options.folder)) await writeLogStart(env.files, options.folder, startOffset)
  // 5 The producers.
  const producers = restoreProducers(env, options, plan, end, state)
  // 6 A new epoch, unless the last writer closed in good order: whoever read past what is left can tell.
  const { epoch, stored } = startEpoch(env, options, epochs, end, state)
  // 7 What the folder says now is durable before it is served.
  if (!env.readOnly) await settleFolder(env, options, slot, end, epoch, producers, stored)
  return { segments: end.segments, slot, state, epochs, epoch, producers, startOffset, nextOffset, report: end.report }
}

/** A log that ends below its start, as a broker may leave one, holds nothing that is kept: it begins anew there. */
function beginAtStart(env: LogEnvironment, options: PartitionOptions, found: FoundEnd, startOffset: number): FoundEnd {
  if (!env.readOnly) {
    for (const segment of found.segments) {
      segment.release()
      for (const path of segment.paths()) {
        env.openFiles.forget(path)
        env.files.removeSync(path)
      }
    }
    removeSnapshots(env, options.folder, -1)
  }
  const segments = [firstSegment(env, options, startOffset)]
  return { ...found, segments, nextOffset: startOffset, keptEnd: startOffset, changed: new Set(), report: { ...found.report, clean: false } }
}

function startEpoch(
  env: LogEnvironment, options: PartitionOptions, epochs: Epochs, end: FoundEnd, state: MarkState | undefined,
): { readonly epoch: number; readonly stored: Promise<void> } {
  const latest = Math.max(epochs.latest?.epoch ?? -1, state?.epoch ?? -1, end.scannedEpoch)
  // Who only reads begins no epoch: should the next writer find another end, its new epoch tells.
  const epoch = (end.report.clean || env.readOnly) && latest >= 0 ? latest : latest + 1
  // It begins behind the last batch, so that whoever read what is gone can tell.
  if (env.readOnly || !epochs.assign(epoch, end.keptEnd)) return { epoch, stored: Promise.resolve() }
  const path = env.files.join(options.folder, LEADER_EPOCH_FILE)
  return { epoch, stored: writeFileAtomically(env.files, path, encodeLeaderEpochs(epochs.entries)) }
}

/** Makes what was found and done durable, and the mark say so, before anything is served. */
function settleFolder(
  env: LogEnvironment, options: PartitionOptions, slot: MarkSlot, end: FoundEnd, epoch: number, producers: ProducerState,
  epochStored: Promise<void>,
): Promise<unknown> {
  if (end.report.clean && slot.state !== undefined) return settleClosed(env, options, slot, end, epochStored)
  // The list of epochs may be durable later than the mark: of an epoch that only the mark knows nothing was served, and the next one is
  // above both.
  return allDone([epochStored, settleEnd(env, options, slot, end, epoch, producers)])
}

/** After a close in good order there is nothing to write before the first round, which waits for the mark by itself. */
async function settleClosed(
  env: LogEnvironment, { config }: PartitionOptions, slot: MarkSlot, end: FoundEnd, epochStored: Promise<void>,
): Promise<void> {
  const { durable } = env.files
  const relaxed = !durable || config.durability !== 'sync'
  const jobs = relaxed ? [epochStored, env.mark.ready()] : [epochStored]
  if (durable) for (const segment of end.changed) jobs.push(segment.syncIndexes())
  await allDone(jobs)
  if (durable && relaxed) await beginAfterClose(env, slot, slot.state!)
}

async function settleEnd(
  env: LogEnvironment, options: PartitionOptions, slot: MarkSlot, end: FoundEnd, epoch: number, producers: ProducerState,
): Promise<void> {
  const active = end.segments.at(-1)!
  const jobs = [env.mark.ready()]
  if (env.files.durable) {
    for (const segment of end.changed) {
      jobs.push(segment.syncIndexes())
      // An open before this one may have failed to sync the folder, and the entry of the file been forgotten: nobody here can tell.
      if (!end.report.clean) jobs.push(segment.storeAbortedAgain())
    }
    jobs.push(env.files.syncFolder(options.folder))
    if (!end.report.clean || active.size > 0) jobs.push(env.syncs.run(() => active.handle.sync()))
  }
  await allDone(jobs)
  if (env.files.durable) active.entrySynced = true
  slot.write({
    epoch, baseOffset: active.baseOffset, position: active.size, syncedOffset: end.nextOffset, watermark: end.nextOffset,
    closed: false, producers: producers.used, generation: slot.state?.generation ?? 0,
  })
  // The next recovery must not start from what the mark said before this one: of a new partition it would take everything it finds for
  // synced, and of a recovered one it would look for the end that is gone.
  if (options.create || !end.report.clean) await env.mark.sync()
}

/**
 * With relaxed durability a power cut may take back everything that comes, and the log would look as it was closed. Readers saw some of it,
 * though, so there must be a new epoch then: the mark says that the log was open, before it is.
 */
async function beginAfterClose({ mark }: LogEnvironment, slot: MarkSlot, state: MarkState): Promise<void> {
  if (!state.closed) return
  slot.write({ ...state, closed: false })
  await mark.sync()
}
