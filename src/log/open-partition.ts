/*
 * Opens a partition's folder in numbered steps, whatever state it was left in, and gives everything a partition needs to go on.
 *
 * A folder that was closed in good order is believed: its mark says where it ends, and no byte of log is read. Any other is recovered
 * from the mark on (recovery.ts). A folder that Kafka wrote has no mark: its clean-shutdown file and recovery point stand in for it.
 */
import { allDone } from '../base/all-done.ts'
import { isLogError, LogError } from '../base/errors.ts'
import { systemCode } from '../files/system-error.ts'
import { createFolderDurably, readFileSync, writeFileAtomically, writeFullySync } from '../files/write-fully.ts'
import { type BatchHeader } from '../format/batch.ts'
import { encodeLeaderEpochs, LEADER_EPOCH_FILE, parseLeaderEpochs } from '../format/leader-epoch-checkpoint.ts'
import { parseFileName, snapshotFileName } from '../format/names.ts'
import { encodePartitionMetadata, PARTITION_METADATA_FILE } from '../format/partition-metadata.ts'
import { decodeProducerSnapshot, encodeProducerSnapshot } from '../format/producer-snapshot.ts'
import { type LogConfig } from './config.ts'
import { readEndTransaction } from './end-transaction.ts'
import { type LogEnvironment } from './environment.ts'
import { Epochs } from './epochs.ts'
import { applyPlan, type FolderPlan, planFolder } from './folder-plan.ts'
import { type MarkSlot, type MarkState } from './mark.ts'
import { ProducerState } from './producer-state.ts'
import { type CertainEnd, recoverUnsynced } from './recovery.ts'
import { type RecoveryReport } from './recovery-report.ts'
import { readLogStart, writeLogStart } from './retention.ts'
import { scanBatches } from './scan.ts'
import { Segment } from './segment.ts'
import { type SegmentFiles, segmentFiles } from './segment-files.ts'
import { contentEnd } from './segments.ts'

const MAX_SIDE_FILE_BYTES = 256 * 1024 * 1024
/** How often a reader looks again at files that its writer changes: after an error, and at most. */
const ATTEMPTS = 10
const MOST_ATTEMPTS = 100

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

const CLEAN_REPORT: RecoveryReport = { clean: true, scannedBytes: 0, recoveredBatches: 0, cut: undefined }

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
  const producers = readProducers(env, options, plan, end, state)
  // 6 A new epoch, unless the last writer closed in good order: whoever read past what is left can tell.
  const { epoch, stored } = startEpoch(env, options, epochs, end, state)
  // 7 What the folder says now is durable before it is served.
  if (!env.readOnly) await settleFolder(env, options, slot, end, epoch, producers, stored)
  return { segments: end.segments, slot, state, epochs, epoch, producers, startOffset, nextOffset, report: end.report }
}

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
  const nothing = { sawProducers: false, scannedEpoch: -1, certainOffset: Infinity, changed: new Set<Segment>() }
  const end = { segments, nextOffset: state.watermark, keptEnd: state.watermark, report: CLEAN_REPORT, ...nothing }
  const producers = readProducers(env, options, plan, end, state)
  // Now, while they are certainly of these files: compaction takes the records of aborted transactions, and then they are not named any more.
  if (state.producers) for (const segment of segments) segment.txnIndex
  return { segments, slot, state, epochs, epoch: state.epoch, producers, startOffset, nextOffset: state.watermark, report: CLEAN_REPORT }
}

/** Bytes of a segment that a reader beside a writer may look at: as many as were acknowledged, where the mark tells that, or all. */
export function followedSize(state: MarkState, segment: Segment): number {
  const told = state.baseOffset === segment.baseOffset && state.syncedOffset === state.watermark
  return told ? state.position : segment.size
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

/** Writes a snapshot of the producers. It is disposable: without it they are rebuilt from the log. */
export function writeSnapshot(env: LogEnvironment, folder: string, producers: ProducerState, offset: number): void {
  const path = env.files.join(folder, snapshotFileName(offset))
  // One that is there says the same: those of anything else were removed when the log was opened or cut.
  if (env.files.statSync(path) !== undefined) return
  try {
    const bytes = encodeProducerSnapshot(producers.snapshot())
    const file = env.openFiles.open(path, 'create')
    try {
      writeFullySync(file, bytes, 0, bytes.length, 0)
    } finally {
      file.closeSync()
    }
  } catch (error) {
    // Half of one would look like damage later, and none is no loss.
    if (env.files.statSync(path) !== undefined) env.files.removeSync(path)
    throw error
  }
}

/** Removes snapshots of what came past `offset`: the log was cut there and will hold something else, or they may never have been synced. */
export function removeSnapshots(env: LogEnvironment, folder: string, offset: number): void {
  for (const name of env.files.listSync(folder)) {
    const file = parseFileName(name)
    if (file?.kind === 'snapshot' && file.baseOffset > offset) env.files.removeSync(env.files.join(folder, name))
  }
}

/** Replays what the log holds from `from` on into producer state, and gives the transactions aborted on the way by segment. */
export function replayProducers(producers: ProducerState, segments: readonly Segment[], from: number, to: number): void {
  for (const [number, segment] of segments.entries()) {
    const next = segments[number + 1]
    if (next !== undefined && next.baseOffset <= from) continue
    const position = segment.baseOffset >= from ? 0 : segment.scanStart(from)
    const options = { from: position, to: segment.size, checkCrc: false, minOffset: segment.baseOffset }
    scanBatches(segment.reader(), options, (header, _position, buffer, at) => {
      if (header.baseOffset >= to) return false
      if (header.baseOffset >= from) replayBatch(producers, segment, header, buffer, at)
      return true
    })
  }
}

function replayBatch(producers: ProducerState, segment: Segment, header: BatchHeader, buffer: Buffer, at: number): void {
  if (header.producerId < 0n) return
  const marker = header.control ? readEndTransaction(buffer, at, header) : undefined
  const ended = producers.replay(header, marker)
  if (ended?.aborted !== true) return
  const known = segment.txnIndex.entries.at(-1)
  if (known === undefined || known.lastOffset < ended.lastOffset) segment.txnIndex.append(ended)
}

async function createFolder(env: LogEnvironment, options: PartitionOptions): Promise<void> {
  const { files } = env
  await createFolderDurably(files, options.folder)
  await writeFileAtomically(files, files.join(options.folder, PARTITION_METADATA_FILE), encodePartitionMetadata(options.topicId))
}

function openSegment(env: LogEnvironment, options: PartitionOptions, baseOffset: number, planned: SegmentFiles): Segment {
  const names = env.readOnly ? planned : segmentFiles(baseOffset)
  const path = env.files.join(options.folder, names.log)
  const stat = env.files.statSync(path)
  if (stat === undefined) throw missing(options, path)
  return Segment.open(env, options.config, options.folder, baseOffset, names, stat.size, env.readOnly ? stat.identity : undefined)
}

/** The oldest offset kept, as our file says, or Kafka's: a broker that had the folder meanwhile may have deleted more. */
function storedStart(env: LogEnvironment, options: PartitionOptions): number {
  return Math.max(options.logStartOffset ?? 0, readLogStart(env.files, options.folder))
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

function firstSegment(env: LogEnvironment, options: PartitionOptions, baseOffset: number): Segment {
  if (env.readOnly) return Segment.empty(env, options.config, options.folder, baseOffset)
  return Segment.create(env, options.config, options.folder, baseOffset)
}

/** Where a partition ends and how that was found out. */
interface FoundEnd {
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

async function findEnd(
  env: LogEnvironment, options: PartitionOptions, state: MarkState | undefined, segments: Segment[], epochs: Epochs,
): Promise<FoundEnd> {
  const found = { sawProducers: false, scannedEpoch: -1, certainOffset: Infinity, changed: new Set<Segment>() }
  const active = segments.at(-1)!
  if (options.create) return { segments, nextOffset: active.baseOffset, keptEnd: active.baseOffset, report: CLEAN_REPORT, ...found }
  if (state !== undefined && isClosed(state, active)) {
    active.nextOffset = state.watermark
    return { segments, nextOffset: state.watermark, keptEnd: state.watermark, report: CLEAN_REPORT, ...found }
  }
  if (state === undefined && options.foreign?.clean === true) {
    active.catchUp()
    return { segments, nextOffset: active.nextOffset, keptEnd: active.nextOffset, report: CLEAN_REPORT, ...found }
  }
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

function readEpochs(env: LogEnvironment, folder: string): Epochs {
  const path = env.files.join(folder, LEADER_EPOCH_FILE)
  const bytes = readFileSync(env.files, path, MAX_SIDE_FILE_BYTES)
  try {
    return new Epochs(bytes === undefined ? [] : parseLeaderEpochs(bytes, path))
  } catch (error) {
    // Derived from the log: epochs below the scan are lost with it, which only makes divergence cut further back.
    if (error instanceof LogError && error.code === 'LOG_FILE_CORRUPT') return new Epochs()
    throw error
  }
}

function readProducers(
  env: LogEnvironment, options: PartitionOptions, plan: FolderPlan, end: FoundEnd, state: MarkState | undefined,
): ProducerState {
  const used = !options.create && (state === undefined || state.producers || end.sawProducers)
  const producers = new ProducerState(used)
  const start = end.segments[0]!.baseOffset
  producers.reset(end.nextOffset)
  if (!used) {
    // What a list of aborted transactions holds is of batches that a power cut took.
    if (!end.report.clean) {
      for (const segment of segmentsFrom(end, end.certainOffset)) segment.forgetAborted(segment.baseOffset)
      storeAborted(env, end, end.certainOffset)
    }
    return producers
  }
  const expiry = { now: env.clock.now(), expirationMs: options.config.producerIdExpirationMs }
  for (const { offset, name } of plan.snapshots.toReversed()) {
    if (offset > Math.min(end.nextOffset, end.certainOffset) || offset < start) continue
    const entries = readSnapshot(env, options.folder, name)
    if (entries === undefined && !env.readOnly) env.files.removeSync(env.files.join(options.folder, name))
    if (entries === undefined || !forgetAborted(end, offset)) continue
    producers.load(entries, offset, expiry)
    return replayed(env, producers, end, offset)
  }
  // Kafka closed this log without a snapshot: it knew of no producer.
  if (end.report.clean && options.foreign !== undefined) return producers
  producers.reset(start)
  forgetAborted(end, start)
  return replayed(env, producers, end, start)
}

/** Before a replay from `offset`: what it will find again of aborted transactions is forgotten. False when what is below is not known. */
function forgetAborted(end: FoundEnd, offset: number): boolean {
  if (offset === end.nextOffset && end.report.clean) return true
  return segmentsFrom(end, offset).every((segment) => segment.forgetAborted(offset))
}

function replayed(env: LogEnvironment, producers: ProducerState, end: FoundEnd, from: number): ProducerState {
  replayProducers(producers, end.segments, from, end.nextOffset)
  producers.onHighWatermark(end.nextOffset)
  if (from < end.nextOffset || !end.report.clean) storeAborted(env, end, from)
  return producers
}

/** Makes the lists of aborted transactions on disk those in memory, in the segment that holds `from` and those behind it. */
function storeAborted(env: LogEnvironment, end: FoundEnd, from: number): void {
  if (env.readOnly) return
  for (const segment of segmentsFrom(end, from)) {
    segment.storeAborted()
    end.changed.add(segment)
  }
}

/** The segment that holds `offset` and those behind it. */
function segmentsFrom({ segments }: FoundEnd, offset: number): Segment[] {
  return segments.filter((_, number) => (segments[number + 1]?.baseOffset ?? Infinity) > offset)
}

function readSnapshot(env: LogEnvironment, folder: string, name: string): ReturnType<typeof decodeProducerSnapshot> | undefined {
  const path = env.files.join(folder, name)
  const bytes = readFileSync(env.files, path, MAX_SIDE_FILE_BYTES)
  try {
    return bytes === undefined ? undefined : decodeProducerSnapshot(bytes, path)
  } catch (error) {
    if (error instanceof LogError && error.code === 'LOG_FILE_CORRUPT') return undefined
    throw error
  }
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

/**
 * Makes what recovery did durable, and the mark say so, before anything is served. The list of epochs may be durable later than the mark:
 * of an epoch that only the mark knows nothing was served, and the next one is above both.
 */
async function settleFolder(
  env: LogEnvironment, options: PartitionOptions, slot: MarkSlot, end: FoundEnd, epoch: number, producers: ProducerState,
  epochStored: Promise<void>,
): Promise<void> {
  await allDone([epochStored, settleEnd(env, options, slot, end, epoch, producers)])
}

async function settleEnd(
  env: LogEnvironment, options: PartitionOptions, slot: MarkSlot, end: FoundEnd, epoch: number, producers: ProducerState,
): Promise<void> {
  const active = end.segments.at(-1)!
  const believed = end.report.clean && slot.state !== undefined
  const synchronous = env.files.durable && options.config.durability === 'sync'
  // After a close in good order there is nothing to write before the first round, which waits for the mark by itself.
  const jobs = believed && synchronous ? [] : [env.mark.ready()]
  if (env.files.durable) {
    for (const segment of end.changed) {
      jobs.push(segment.syncIndexes())
      // An open before this one may have failed to sync the folder, and the entry of the file been forgotten: nobody here can tell.
      if (!end.report.clean) jobs.push(segment.storeAbortedAgain())
    }
    if (!believed) jobs.push(env.files.syncFolder(options.folder))
    if (!end.report.clean || (!believed && active.size > 0)) jobs.push(env.syncs.run(() => active.handle.sync()))
  }
  await allDone(jobs)
  if (believed) return beginAfterClose(env, options, slot, slot.state!)
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
async function beginAfterClose(env: LogEnvironment, { config }: PartitionOptions, slot: MarkSlot, state: MarkState): Promise<void> {
  if (!env.files.durable || config.durability === 'sync' || !state.closed) return
  slot.write({ ...state, closed: false })
  await env.mark.sync()
}

function missing(options: PartitionOptions, what: string): LogError {
  const { topic, partition, folder } = options
  const message = `${what} of ${topic}-${partition} is missing from ${folder}`
  return new LogError('LOG_CORRUPT', message, { path: folder, topic, partition, reason: 'missing-file' })
}
