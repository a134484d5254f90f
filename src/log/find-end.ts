/*
 * Where a partition ends: where its mark says, after a close in good order, and no byte of log is read; else where recovery finds it.
 */
import { LogError } from '../base/errors.ts'
import { type LogEnvironment } from './environment.ts'
import { type Epochs } from './epochs.ts'
import { type MarkState } from './mark.ts'
import { type PartitionOptions } from './open-partition.ts'
import { missing } from './partition-files.ts'
import { type CertainEnd, recoverUnsynced } from './recovery.ts'
import { type RecoveryReport } from './recovery-report.ts'
import { removeSnapshots } from './restore-producers.ts'
import { type Segment } from './segment.ts'
import { contentEnd } from './segments.ts'

const CLEAN_REPORT: RecoveryReport = { clean: true, scannedBytes: 0, recoveredBatches: 0, cut: undefined }

/** Where a partition ends and how that was found out. */
export interface FoundEnd {
  readonly segments: Segment[]
  readonly nextOffset: number
  /** Behind the last batch: below the next offset when the last records were cut, or never stored. */
  readonly keptEnd: number
  readonly report: RecoveryReport
  /** Some batch past the certain end has a producer id. */
  readonly sawProducers: boolean
  /** Largest leader epoch in the batches scanned; −1 when none was. */
  readonly scannedEpoch: number
  /** Snapshots up to this offset, and lists of transactions that were aborted below them, are as they were written. */
  readonly certainOffset: number
  /** Segments whose index files may have changed. */
  readonly changed: Set<Segment>
}

/**
 * Finds the end of a partition whose `segments` are open.
 *
 * @throws LogError `LOG_CORRUPT` when what the mark says was synced is damaged or missing; then nothing was changed
 */
export async function findEnd(
  env: LogEnvironment, options: PartitionOptions, state: MarkState | undefined, segments: Segment[], epochs: Epochs,
): Promise<FoundEnd> {
  const active = segments.at(-1)!
  if (options.create) return cleanEnd(segments, active.baseOffset)
  if (state !== undefined && isClosed(state, active)) {
    active.nextOffset = state.watermark
    return cleanEnd(segments, state.watermark)
  }
  if (state === undefined && options.foreign?.clean === true) {
    active.catchUp()
    return cleanEnd(segments, active.nextOffset)
  }
  return recoveredEnd(env, options, state, segments, epochs)
}

/** The end of a partition of which nothing has to be looked at to know it. */
export function cleanEnd(segments: Segment[], nextOffset: number): FoundEnd {
  const nothing = { sawProducers: false, scannedEpoch: -1, certainOffset: Infinity, changed: new Set<Segment>() }
  return { segments, nextOffset, keptEnd: nextOffset, report: CLEAN_REPORT, ...nothing }
}

async function recoveredEnd(
  env: LogEnvironment, options: PartitionOptions, state: MarkState | undefined, segments: Segment[], epochs: Epochs,
): Promise<FoundEnd> {
  const found = { sawProducers: false, scannedEpoch: -1, certainOffset: Infinity, changed: new Set<Segment>() }
  const certain = certainEnd(options, state, segments)
  const recovered = await recoverUnsynced(env, options.folder, segments, certain, (header) => {
    if (header.producerId >= 0n) found.sawProducers = true
    found.scannedEpoch = Math.max(found.scannedEpoch, header.leaderEpoch)
    epochs.observe(header.leaderEpoch, header.baseOffset)
  })
  const { cut, scannedBytes, recoveredBatches, nextOffset } = recovered
  const last = recovered.segments.at(-1)!
  for (const segment of recovered.segments.slice(certain.segment)) {
    if (segment === last) segment.recoverIndexes()
    else segment.rebuildIndexes()
    found.changed.add(segment)
  }
  last.nextOffset = nextOffset
  // The last batch was just seen, or is looked for.
  const keptEnd = recoveredBatches > 0 && certain.chained ? nextOffset : Math.min(nextOffset, contentEnd(recovered.segments))
  // A snapshot at the very end of what is certain may have been made by a roll of which nothing was synced yet.
  found.certainOffset = state?.closed === true ? certain.offset : Math.max(certain.offset - 1, segments[certain.segment]!.baseOffset)
  if (!env.readOnly) removeSnapshots(env, options.folder, found.certainOffset)
  const report = { clean: false, scannedBytes, recoveredBatches, cut }
  env.emit?.({ type: 'recovery', topic: options.topic, partition: options.partition, report })
  return { segments: recovered.segments, nextOffset, keptEnd, report, ...found }
}

/** Whether the mark is that of a close in good order and nothing was written since. */
function isClosed(state: MarkState, active: Segment): boolean {
  return state.closed && active.baseOffset === state.baseOffset && active.size === state.position
}

function certainEnd(options: PartitionOptions, state: MarkState | undefined, segments: readonly Segment[]): CertainEnd {
  if (state === undefined) {
    // A log of ours that lost its mark: what was rolled away is taken as synced. One of Kafka's: what its recovery point says.
    const offset = options.foreign?.recoveryPoint ?? segments.at(-1)!.baseOffset
    const segment = Math.max(0, segments.findLastIndex(({ baseOffset }) => baseOffset <= offset))
    return { segment, position: 0, offset: options.foreign === undefined ? 0 : offset, chained: options.foreign === undefined }
  }
  const segment = segments.findIndex(({ baseOffset }) => baseOffset === state.baseOffset)
  if (segment < 0) {
    // A segment that never got its entry in the folder: nothing in it was acknowledged, nor anything in those behind it. What is
    // certain ends where the one before it ends.
    const before = segments.findLastIndex(({ baseOffset }) => baseOffset < state.baseOffset)
    if (state.position > 0 || before < 0) throw missing(options, `segment ${state.baseOffset}`)
    return { segment: before, position: segments[before]!.size, offset: state.syncedOffset, chained: true }
  }
  if (segments[segment]!.size < state.position) {
    const { path, size } = segments[segment]!
    throw new LogError('LOG_CORRUPT', `${path} has ${size} bytes, ${state.position} were synced`, { path, position: size, reason: 'missing-bytes' })
  }
  return { segment, position: state.position, offset: state.syncedOffset, chained: true }
}
