/*
 * What opening a partition found and did: told to the user, never logged.
 */

/** Bytes that recovery took off the end of a partition. */
export interface CutReport {
  /** Base offset of the segment that was cut. */
  readonly segment: number
  /** Where in its file, in bytes. */
  readonly position: number
  /** How many bytes went; tails of zeros, which are room that was never used, do not count. */
  readonly bytes: number
  /** What was wrong with the first of them, in the words of `batchDamage`. */
  readonly reason: string
  /** Whole, valid batches found behind the damage: pages may reach a disk in any order, none of these was ever acknowledged. */
  readonly validBatchesAfter: number
  /** The file that the bytes were moved to; undefined when opened read-only. */
  readonly movedTo: string | undefined
}

/** What opening a partition found. */
export interface RecoveryReport {
  /** Whether the partition was closed in good order: then nothing was scanned. */
  readonly clean: boolean
  /** Bytes of log that were read and checked. */
  readonly scannedBytes: number
  /** Batches accepted past the mark, in the bytes scanned. */
  readonly recoveredBatches: number
  readonly cut: CutReport | undefined
}
