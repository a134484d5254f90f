/*
 * Producer state as an open finds it again: from the newest snapshot that is certain, and the batches behind it. And the snapshots.
 */
import { LogError } from '../base/errors.ts'
import { readFileSync, writeFullySync } from '../files/write-fully.ts'
import { type BatchHeader } from '../format/batch.ts'
import { parseFileName, snapshotFileName } from '../format/names.ts'
import { decodeProducerSnapshot, encodeProducerSnapshot } from '../format/producer-snapshot.ts'
import { readEndTransaction } from './end-transaction.ts'
import { type LogEnvironment } from './environment.ts'
import { type FoundEnd } from './find-end.ts'
import { type FolderPlan } from './folder-plan.ts'
import { type MarkState } from './mark.ts'
import { type PartitionOptions } from './open-partition.ts'
import { MAX_SIDE_FILE_BYTES } from './partition-files.ts'
import { ProducerState } from './producer-state.ts'
import { scanBatches } from './scan.ts'
import { type Segment } from './segment.ts'

/** The producers of a partition that ends at `end`. */
export function restoreProducers(
  env: LogEnvironment, options: PartitionOptions, plan: FolderPlan, end: FoundEnd, state: MarkState | undefined,
): ProducerState {
  const used = !options.create && (state === undefined || state.producers || end.sawProducers)
  const producers = new ProducerState(used)
  producers.reset(end.nextOffset)
  if (used) return rebuilt(env, options, plan, end, producers)
  if (!end.report.clean) forgetAllAborted(env, end)
  return producers
}

/** What a list of aborted transactions holds is of batches that a power cut took. */
function forgetAllAborted(env: LogEnvironment, end: FoundEnd): void {
  for (const segment of segmentsFrom(end, end.certainOffset)) segment.forgetAborted(segment.baseOffset)
  storeAborted(env, end, end.certainOffset)
}

function rebuilt(env: LogEnvironment, options: PartitionOptions, plan: FolderPlan, end: FoundEnd, producers: ProducerState): ProducerState {
  const start = end.segments[0]!.baseOffset
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
