/*
 * Compaction over the partitions of a log: now, because somebody asks for it, or where the settings say that it is due. One partition after
 * the other, since each cleaning takes memory for the keys that it meets. What a cleaning does is log/cleaner.ts.
 */
import { LogError } from '../base/errors.ts'
import { checkOptions, checkSignal } from '../base/options.ts'
import { type CleanReport } from '../log/clean-report.ts'
import { type PartitionLog } from '../log/partition-log.ts'

/** How to compact now. */
export interface CompactOptions {
  /** Ends it; what was compacted stays so. */
  readonly signal?: AbortSignal
}

/** What compacting a partition did. Bytes, segments and records are those of the segments that were looked at. */
export interface CompactReport
  extends Pick<CleanReport, 'bytesBefore' | 'bytesAfter' | 'recordsBefore' | 'recordsAfter' | 'keys' | 'keyBytes' | 'ms'> {
  readonly topic: string
  readonly partition: number
  /** Records below this offset were looked at. */
  readonly to: number
}

/** Told of a partition that could not be cleaned. */
export type CleanFailed = (log: PartitionLog, error: unknown) => void

/** Checks what a user passed. */
export function checkCompactOptions(options: CompactOptions | undefined): void {
  checkOptions(options, ['signal'], 'compactNow')
  checkSignal(options?.signal)
}

/**
 * Compacts a partition whatever there is to gain: a new segment begins, so that everything up to now is looked at, in as many cleanings as
 * the memory for keys asks for. What is younger than `minCompactionLagMs` stays, and what is of open transactions.
 */
export async function compactNow(log: PartitionLog, { signal }: CompactOptions = {}): Promise<CompactReport> {
  const { topic, partition } = log
  if (!log.compacted) {
    const message = `topic "${topic}" is not compacted: its cleanupPolicy is "delete"`
    throw new LogError('LOG_POLICY_VIOLATION', message, { topic, partition, cleanupPolicy: 'delete' })
  }
  signal?.throwIfAborted()
  await log.roll()
  let sum: CleanReport | undefined
  for (;;) {
    const report = await log.clean(signal === undefined ? {} : { signal })
    sum = added(sum, report)
    if (report.complete) break
  }
  const { to, bytesBefore, bytesAfter, recordsBefore, recordsAfter, keys, keyBytes, ms } = sum
  return { topic, partition, to, bytesBefore, bytesAfter, recordsBefore, recordsAfter, keys, keyBytes, ms }
}

/** As {@link compactNow}, for those of several partitions that are compacted. */
export async function compactAllNow(logs: readonly PartitionLog[], options: CompactOptions = {}): Promise<CompactReport[]> {
  const reports: CompactReport[] = []
  for (const log of logs) if (log.compacted) reports.push(await compactNow(log, options))
  return reports
}

/**
 * Cleans the partitions that are due, the dirtiest first. One that fails is left alone until the next call; `failed` is told.
 *
 * @returns how many were cleaned
 */
export async function cleanDue(
  logs: () => readonly PartitionLog[], now: () => number, options: CompactOptions & { readonly failed?: CleanFailed } = {},
): Promise<number> {
  const { signal, failed } = options
  const done = new Set<PartitionLog>()
  for (;;) {
    signal?.throwIfAborted()
    const log = dirtiest(logs().filter((one) => one.compacted && one.state === 'open' && !done.has(one)), now(), failed)
    if (log === undefined) return done.size
    done.add(log)
    try {
      await log.clean({ now: now(), ...(signal !== undefined && { signal }) })
    } catch (error) {
      signal?.throwIfAborted()
      failed?.(log, error)
    }
  }
}

function dirtiest(logs: readonly PartitionLog[], now: number, failed: CleanFailed | undefined): PartitionLog | undefined {
  let best: { readonly log: PartitionLog; readonly ratio: number } | undefined
  for (const log of logs) {
    try {
      const { due, ratio } = log.dirtiness(now)
      if (due && (best === undefined || ratio > best.ratio)) best = { log, ratio }
    } catch (error) {
      failed?.(log, error)
    }
  }
  return best?.log
}

/** Two cleanings as one: each began with what the one before had left. */
function added(before: CleanReport | undefined, report: CleanReport): CleanReport {
  if (before === undefined) return report
  return {
    ...report, from: before.from, bytesBefore: before.bytesBefore, segmentsBefore: before.segmentsBefore,
    recordsBefore: Math.max(before.recordsBefore, report.recordsBefore), keys: before.keys + report.keys,
    keyBytes: Math.max(before.keyBytes, report.keyBytes), ms: before.ms + report.ms,
  }
}
