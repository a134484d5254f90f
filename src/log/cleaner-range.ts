/*
 * Which part of a compacted log a cleaning may touch, how much of it was not looked at yet, and whether a cleaning is due. Rules as in
 * Kafka's LogCleanerManager (kafka-log-format 6.3).
 */
import { type FileSystem } from '../files/file-system.ts'
import { type LogConfig } from './config.ts'
import { MAX_RELATIVE_OFFSET } from './index-entries.ts'
import { type Segment } from './segment.ts'

/** What is known of a log that may be cleaned. */
export interface CleanableLog {
  readonly files: FileSystem
  readonly config: LogConfig
  /** The last one is active. */
  readonly segments: readonly Segment[]
  readonly startOffset: number
  readonly nextOffset: number
  readonly lastStableOffset: number
  /** Records below it were looked at by a cleaning; undefined when none was. */
  readonly checkpoint: number | undefined
  /** Wall time in ms. */
  readonly now: number
}

/** What a cleaning would do. */
export interface CleanRange {
  /** The first offset that no cleaning has looked at. */
  readonly firstDirty: number
  /** The base offset of the first segment that may not be cleaned. */
  readonly firstUncleanable: number
  /** Bytes of segments between the two. */
  readonly cleanableBytes: number
  /** `cleanableBytes` as a part of them and of what was cleaned before; 0 for an empty log. */
  readonly ratio: number
  /** There is enough to clean, or something has waited for too long. */
  readonly due: boolean
}

/** What a cleaning of `log` would do now. Reads indexes and first batches of few segments. */
export function cleanRange(log: CleanableLog): CleanRange {
  const { config, segments } = log
  const firstDirty = firstDirtyOf(log)
  const sealed = segments.slice(0, -1)
  const firstUncleanable = uncleanableFrom(log, firstDirty)
  const cleanBytes = bytesOf(segments.filter(({ baseOffset }) => baseOffset < firstDirty))
  const cleanableBytes = firstUncleanable > firstDirty ? bytesOf(between(sealed, firstDirty, firstUncleanable)) : 0
  const ratio = cleanableBytes === 0 ? 0 : cleanableBytes / (cleanBytes + cleanableBytes)
  const due = cleanableBytes > 0 && (ratio > config.minCleanableDirtyRatio || waitedTooLong(log, firstDirty))
  return { firstDirty, firstUncleanable, cleanableBytes, ratio, due }
}

/** The segments that hold offsets of `[from, to)`, the one that holds `from` included. */
export function between(segments: readonly Segment[], from: number, to: number): Segment[] {
  return segments.filter(({ baseOffset }, index) => baseOffset < to && (segments[index + 1]?.baseOffset ?? Infinity) > from)
}

/** Segments in a row, so many together as one segment may hold: what becomes one segment. */
export function groupSegments(segments: readonly Segment[], endOffset: number, config: LogConfig): Segment[][] {
  const groups: Segment[][] = []
  let [bytes, index] = [0, 0]
  for (const [number, segment] of segments.entries()) {
    const group = groups.at(-1)
    const end = segments[number + 1]?.baseOffset ?? endOffset
    const fits = group !== undefined && bytes + segment.size <= config.segmentBytes && index + segment.indexBytes <= config.segmentIndexBytes &&
      end - 1 - group[0]!.baseOffset <= MAX_RELATIVE_OFFSET
    if (fits) group.push(segment)
    else groups.push([segment])
    bytes = (fits ? bytes : 0) + segment.size
    index = (fits ? index : 0) + segment.indexBytes
  }
  return groups
}

function firstDirtyOf({ checkpoint, startOffset, nextOffset }: CleanableLog): number {
  return checkpoint === undefined || checkpoint < startOffset || checkpoint > nextOffset ? startOffset : checkpoint
}

/** Nothing of the active segment, of open transactions, and of what is too young; and of segments all or nothing. */
function uncleanableFrom(log: CleanableLog, firstDirty: number): number {
  const { files, config, segments, lastStableOffset, now } = log
  const active = segments.at(-1)!
  const dirty = between(segments.slice(0, -1), firstDirty, active.baseOffset)
  const young = config.minCompactionLagMs > 0
    ? dirty.find((segment) => largestTimestamp(files, segment) > now - config.minCompactionLagMs)
    : undefined
  const bound = Math.max(firstDirty, Math.min(lastStableOffset, active.baseOffset, young?.baseOffset ?? Infinity))
  return segments.findLast(({ baseOffset }) => baseOffset <= bound)?.baseOffset ?? active.baseOffset
}

function waitedTooLong({ config, segments, now }: CleanableLog, firstDirty: number): boolean {
  if (config.maxCompactionLagMs === Infinity) return false
  const dirty = between(segments.slice(0, -1), firstDirty, segments.at(-1)!.baseOffset)
  return dirty.some((segment) => {
    const first = segment.firstTimestamp
    return first !== undefined && first > 0 && first < now - config.maxCompactionLagMs
  })
}

function largestTimestamp(files: FileSystem, segment: Segment): number {
  const largest = Math.max(segment.timeIndex.last.timestamp, segment.maxTimestamp)
  return largest >= 0 ? largest : (files.statSync(segment.path)?.modifiedMs ?? 0)
}

function bytesOf(segments: readonly Segment[]): number {
  return segments.reduce((sum, { size }) => sum + size, 0)
}
