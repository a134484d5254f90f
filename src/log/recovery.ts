/*
 * Finds the true end of a partition that was not closed in good order, and makes the files agree with it.
 *
 * From the mark on, every batch is checked. Below the mark bytes were certainly synced: damage there is reported and nothing is cut.
 * Past it a power cut may have kept any of the pages, so the first batch that is not whole ends the log: what lies behind is moved to
 * `torn-<base>` and cut. Whole batches past the mark are written again in place and synced before anybody sees them: a process that was
 * killed may have left pages that a failed sync made the system forget.
 */
import { LogError } from '../base/errors.ts'
import { type FileHandle } from '../files/file-system.ts'
import { piecesOf, readFullySync, writeFileAtomically, writeFullySync } from '../files/write-fully.ts'
import { batchDamage, type BatchHeader, RECORDS_AT } from '../format/batch.ts'
import { segmentName } from '../format/names.ts'
import { type LogEnvironment } from './environment.ts'
import { MAX_RELATIVE_OFFSET } from './index-entries.ts'
import { type CutReport } from './recovery-report.ts'
import { isZeros, scanBatches, ZEROS } from './scan.ts'
import { type Segment } from './segment.ts'
import { tornName } from './torn-name.ts'

/** Larger torn tails are kept whole, but only so much of them is searched for valid batches. */
const SEARCH_BYTES = 16 * 1024 * 1024
/** Less room than this behind the end is not worth keeping. */
const LEAST_ROOM = 4096

/** Where certainty ends. */
export interface CertainEnd {
  /** Index in the row of segments of the one that `position` is in. */
  readonly segment: number
  /** Bytes below it, and every segment before, were synced. */
  readonly position: number
  /** Offsets below it were acknowledged: damage there is damage, wherever it lies. */
  readonly offset: number
  /** Whether each segment past it begins exactly where the one before ends, as in a log that we wrote. */
  readonly chained: boolean
}

/** What the scan found. */
export interface Recovered {
  /** Segments that stay, the last of them possibly cut. */
  readonly segments: Segment[]
  readonly nextOffset: number
  readonly scannedBytes: number
  readonly recoveredBatches: number
  readonly cut: CutReport | undefined
}

/** Checks everything past the certain end; `visit` sees each whole batch. Cuts, rewrites and syncs unless the log is read-only. */
export async function recoverTail(
  env: LogEnvironment, folder: string, segments: readonly Segment[], certain: CertainEnd,
  visit: (header: BatchHeader, buffer: Buffer, at: number) => void,
): Promise<Recovered> {
  const recovered = await recoverUnsynced(env, folder, segments, certain, visit)
  if (env.files.durable && !env.readOnly) await env.syncs.run(() => recovered.segments.at(-1)!.handle.sync())
  return recovered
}

/** As {@link recoverTail}, but the caller syncs the last segment, together with what else must be durable before anything is served. */
export async function recoverUnsynced(
  env: LogEnvironment, folder: string, segments: readonly Segment[], certain: CertainEnd,
  visit: (header: BatchHeader, buffer: Buffer, at: number) => void,
): Promise<Recovered> {
  const found = { nextOffset: segments[certain.segment]!.baseOffset, scannedBytes: 0, recoveredBatches: 0 }
  if (certain.chained) found.nextOffset = Math.max(found.nextOffset, certain.offset)
  let damage: { segment: number; position: number; reason: string } | undefined
  const row = segments.slice()
  const returned: Segment[] = []
  let last = certain.segment
  for (; last < row.length && damage === undefined; last++) {
    const segment = row[last]!
    if (last > certain.segment && certain.chained && segment.baseOffset !== found.nextOffset) {
      if (segment.baseOffset < found.nextOffset) {
        // What begins below the end was cut away once, and the system forgot that it was.
        returned.push(...row.splice(last--, 1))
        continue
      }
      // We begin a segment where the one before ends. That one lost its end, which was never acknowledged: nor was anything behind it.
      damage = { segment: last - 1, position: row[last - 1]!.size, reason: 'missing-bytes' }
      break
    }
    const from = last === certain.segment ? certain.position : 0
    const reason = scanSegment(segment, from, found, visit)
    if (reason !== 'end' && reason !== 'zeros') damage = { segment: last, position: segment.size, reason }
  }
  if (damage !== undefined) {
    const segment = row[damage.segment]!
    if (found.nextOffset < certain.offset) {
      const { position, reason } = damage
      const message = `${segment.path} is damaged at position ${position}: ${reason}; offset ${found.nextOffset} was synced`
      throw new LogError('LOG_CORRUPT', message, { path: segment.path, position, reason })
    }
    last = damage.segment + 1
  }
  if (!env.readOnly) for (const segment of returned) setAside(env, folder, segment)
  const cut = damage && (await cutTail(env, folder, row, damage.segment, damage.position, damage.reason))
  await storeAgain(env, row, certain, last - 1, cut === undefined)
  return { segments: row.slice(0, last), ...found, cut }
}

/** Walks one segment and notes in it where its batches end; gives why they end there. */
function scanSegment(
  segment: Segment, from: number, found: { nextOffset: number; scannedBytes: number; recoveredBatches: number },
  visit: (header: BatchHeader, buffer: Buffer, at: number) => void,
): string {
  const file = segment.reader()
  segment.fileSize = file.sizeSync()
  const minOffset = Math.max(segment.baseOffset, found.nextOffset)
  const maxOffset = segment.baseOffset + MAX_RELATIVE_OFFSET
  const end = scanBatches(file, { from, to: segment.fileSize, checkCrc: true, minOffset, maxOffset }, (header, _position, buffer, at) => {
    found.nextOffset = header.lastOffset + 1
    found.recoveredBatches++
    visit(header, buffer, at)
  })
  found.scannedBytes += end.position - from
  segment.size = end.position
  segment.nextOffset = found.nextOffset = Math.max(found.nextOffset, segment.baseOffset)
  return end.reason
}

/** Moves everything from `position` of a segment on, and all segments behind it, aside, and cuts it off. */
async function cutTail(
  env: LogEnvironment, folder: string, segments: readonly Segment[], number: number, position: number, reason: string,
): Promise<CutReport> {
  const segment = segments[number]!
  const later = segments.slice(number + 1)
  const tornEnd = lastNonZero(segment.reader(), position, segment.fileSize)
  const report = {
    segment: segment.baseOffset, position, reason,
    bytes: tornEnd - position + later.reduce((bytes, { size }) => bytes + size, 0),
    validBatchesAfter: countBatches(segment.reader(), position, tornEnd) +
      later.reduce((count, one) => count + countBatches(one.reader(), 0, one.size), 0),
  }
  if (env.readOnly) return { ...report, movedTo: undefined }
  const movedTo = tornName(env.files, folder, segmentName(segment.baseOffset))
  await writeFileAtomically(env.files, env.files.join(folder, movedTo), piecesOf(segment.reader(), position, tornEnd))
  for (const one of later) setAside(env, folder, one)
  env.openFiles.forget(segment.path)
  return { ...report, movedTo }
}

/** Takes a segment out of the log, and keeps its bytes. */
function setAside(env: LogEnvironment, folder: string, segment: Segment): void {
  for (const path of segment.paths()) {
    env.openFiles.forget(path)
    if (path === segment.path) env.files.renameSync(path, env.files.join(folder, tornName(env.files, folder, segmentName(segment.baseOffset))))
    else env.files.removeSync(path)
  }
}

/**
 * Writes what was found past the certain end again, cuts what is behind it, and syncs both, but for the last segment.
 *
 * @param whole  nothing but zeros is behind the end of the last segment: room for what comes, which it may keep
 */
async function storeAgain(
  env: LogEnvironment, segments: readonly Segment[], certain: CertainEnd, last: number, whole: boolean,
): Promise<void> {
  if (env.readOnly) return
  for (let number = certain.segment; number <= last; number++) {
    const segment = segments[number]!
    const from = number === certain.segment ? certain.position : 0
    rewrite(segment.handle, from, segment.size)
    const isLast = number === last
    const room = segment.fileSize - segment.size
    if (room > 0 && !(isLast && whole && room >= LEAST_ROOM && room <= env.roomAheadBytes)) segment.cutToSize()
    if (isLast) continue
    if (env.files.durable) await env.syncs.run(() => segment.handle.sync())
    segment.release()
  }
}

function rewrite(file: FileHandle, from: number, to: number): void {
  let position = from
  for (const bytes of piecesOf(file, from, to)) {
    writeFullySync(file, bytes, 0, bytes.length, position)
    position += bytes.length
  }
}

/** Where the last byte that is not zero ends, in [from, to). */
export function lastNonZero(file: FileHandle, from: number, to: number): number {
  const buffer = Buffer.allocUnsafe(ZEROS.length)
  for (let end = to; end > from; ) {
    const start = Math.max(from, end - buffer.length)
    const count = readFullySync(file, buffer, 0, end - start, start)
    // Room that was never used is the common case, and compared much faster than it is walked.
    if (!isZeros(buffer, count)) for (let at = count - 1; at >= 0; at--) if (buffer[at] !== 0) return start + at + 1
    end = start
  }
  return from
}

/** How many whole batches lie anywhere in [from, to). */
function countBatches(file: FileHandle, from: number, to: number): number {
  const bytes = Buffer.allocUnsafe(Math.min(SEARCH_BYTES, Math.max(0, to - from)))
  const filled = readFullySync(file, bytes, 0, bytes.length, from)
  let count = 0
  for (let at = 0; at + RECORDS_AT <= filled; ) {
    if (bytes[at + 16] === 2 && batchDamage(bytes, at, filled) === undefined) {
      count++
      at += 12 + bytes.readInt32BE(at + 8)
    } else at++
  }
  return count
}
