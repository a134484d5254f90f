/*
 * What the files of a partition folder are: segments, producer snapshots, and what an interrupted change left behind. Kafka's own
 * leftovers (`.deleted`, `.cleaned`, `.swap`) are understood as Kafka's loader understands them, so that a folder it was killed in opens
 * here with the same contents (kafka-log-format 5.5). A plan is made from names and then carried out, or, when nothing may be changed,
 * only looked through.
 */
import { type FileSystem } from '../files/file-system.ts'
import { type FileKind, parseFileName } from '../format/names.ts'
import { scanBatches } from './scan.ts'
import { type SegmentFiles, segmentFiles } from './segment-files.ts'

/** A file of a segment or a snapshot, as its name tells. */
interface Named {
  readonly name: string
  readonly baseOffset: number
  readonly kind: FileKind
  readonly suffix: string
}

/** What is in a partition's folder. */
export interface FolderPlan {
  /** By base offset, rising. The names are those of now, before `renames`. */
  readonly segments: readonly { readonly baseOffset: number; readonly files: SegmentFiles }[]
  /** Producer snapshots by offset, rising. */
  readonly snapshots: readonly { readonly offset: number; readonly name: string }[]
  /** Names of files that mean nothing any more. */
  readonly obsolete: readonly string[]
  /** What a finished compaction has still to be called. */
  readonly renames: readonly (readonly [from: string, to: string])[]
}

/**
 * Reads the names in `folder` and says what they are. Changes nothing.
 *
 * @param startOffset  the oldest offset kept: segments wholly below it are on their way out
 * @param marked       what the mark says, if it knows the partition: the segment that it speaks of is not one of them
 */
export function planFolder(files: FileSystem, folder: string, startOffset = 0, marked?: { readonly baseOffset: number }): FolderPlan {
  const named: Named[] = []
  for (const name of files.listSync(folder)) {
    const parsed = parseFileName(name)
    if (parsed !== undefined) named.push({ name, ...parsed })
  }
  const firstUnfinished = Math.min(...named.filter((file) => file.suffix === 'cleaned').map((file) => file.baseOffset))
  const swaps = named.filter((file) => file.suffix === 'swap' && file.baseOffset < firstUnfinished)
  const replaced = swaps.length > 0 ? replacedRange(files, folder, swaps) : { from: Infinity, to: -Infinity }
  const plain = named.filter((file) => file.suffix === '' && !(file.baseOffset >= replaced.from && file.baseOffset < replaced.to))
  const first = firstKept([...plain, ...swaps], Math.min(startOffset, marked?.baseOffset ?? Infinity))
  const kept = [...plain, ...swaps].filter((file) => file.baseOffset >= first)
  const stays = new Set(kept)
  const bases = new Set(kept.filter((file) => file.kind === 'log').map((file) => file.baseOffset))
  // Of the snapshots that are not at the beginning of a segment, only the newest is of use: the one of the last close in good order.
  const strays = kept.filter((file) => file.kind === 'snapshot' && file.suffix === '' && !bases.has(file.baseOffset))
  const newestStray = Math.max(...strays.map((file) => file.baseOffset))
  const belongs = (file: Named): boolean =>
    bases.has(file.baseOffset) || (file.kind === 'snapshot' && file.suffix === '' && file.baseOffset === newestStray)
  const byBase = groupedByBase(kept)
  return {
    segments: [...bases].sort((one, other) => one - other).map((baseOffset) => ({ baseOffset, files: filesOf(baseOffset, byBase.get(baseOffset)!) })),
    snapshots: kept.filter((file) => file.kind === 'snapshot' && belongs(file)).map((file) => ({ offset: file.baseOffset, name: file.name }))
      .sort((one, other) => one.offset - other.offset),
    obsolete: named.filter((file) => !stays.has(file) || !belongs(file)).map((file) => file.name),
    renames: swaps.filter(belongs).map((file) => [file.name, file.name.slice(0, -'.swap'.length)] as const),
  }
}

/**
 * Carries a plan out: afterwards the folder holds nothing but segments and snapshots under their plain names. What a finished compaction
 * replaces is durably gone before anything gets its name, and its names are durable when this resolves.
 */
export async function applyPlan(files: FileSystem, folder: string, plan: FolderPlan): Promise<void> {
  if (plan.obsolete.length > 0 || plan.renames.length > 0) await tidyUp(files, folder, plan)
}

async function tidyUp(files: FileSystem, folder: string, plan: FolderPlan): Promise<void> {
  // What is left of `.cleaned` tells that the `.swap` beside it does not count, so it goes last: a log with `.swap` that comes back alone
  // after a power cut would be finished, without the list of aborted transactions that it had.
  const undone = plan.obsolete.filter((name) => name.endsWith('.swap'))
  for (const name of undone) files.removeSync(files.join(folder, name))
  if (undone.length > 0 && files.durable) await files.syncFolder(folder)
  for (const name of plan.obsolete) if (!name.endsWith('.swap')) files.removeSync(files.join(folder, name))
  if (plan.renames.length === 0) return
  if (files.durable) await files.syncFolder(folder)
  // The logs first: as long as one is called `.swap`, what has a plain name counts as replaced by it.
  for (const logs of [true, false]) {
    for (const [from, to] of plan.renames) {
      if (to.endsWith('.log') === logs) files.renameSync(files.join(folder, from), files.join(folder, to))
    }
    if (files.durable) await files.syncFolder(folder)
  }
}

/** The base offset of the last segment that begins at or below `startOffset`, or else of the first one. */
function firstKept(files: readonly Named[], startOffset: number): number {
  const below = files.filter((file) => file.kind === 'log' && file.baseOffset <= startOffset)
  return Math.max(0, ...below.map((file) => file.baseOffset))
}

/** The offsets that finished but not yet renamed segments replace. */
function replacedRange(files: FileSystem, folder: string, swaps: readonly Named[]): { from: number; to: number } {
  let from = Infinity
  let to = -Infinity
  for (const { name, baseOffset } of swaps.filter((file) => file.kind === 'log')) {
    const handle = files.openSync(files.join(folder, name), 'read')
    try {
      let nextOffset = baseOffset
      const options = { from: 0, to: handle.sizeSync(), checkCrc: false, minOffset: baseOffset }
      scanBatches(handle, options, (header) => { nextOffset = header.lastOffset + 1 })
      from = Math.min(from, baseOffset)
      to = Math.max(to, nextOffset)
    } finally {
      handle.closeSync()
    }
  }
  return { from, to }
}

function groupedByBase(files: readonly Named[]): Map<number, Named[]> {
  const groups = new Map<number, Named[]>()
  for (const file of files) {
    const group = groups.get(file.baseOffset)
    if (group === undefined) groups.set(file.baseOffset, [file])
    else group.push(file)
  }
  return groups
}

/** The names of a segment's files: those that it has, as they are called now, and what the others would be called. */
function filesOf(baseOffset: number, files: readonly Named[]): SegmentFiles {
  const plain = segmentFiles(baseOffset)
  const nameOf = (kind: FileKind, otherwise: string): string => files.find((file) => file.kind === kind)?.name ?? otherwise
  return {
    log: nameOf('log', plain.log),
    index: nameOf('index', plain.index),
    timeIndex: nameOf('timeindex', plain.timeIndex),
    txnIndex: nameOf('txnindex', plain.txnIndex),
  }
}
