/*
 * The batches of a partition as its files hold them, read without any code of the log floor: what the log says is compared with this.
 */
import { batchDamage, type BatchHeader, LENGTH_AT, readBatchHeader } from '../../src/format/batch.ts'
import { parseFileName } from '../../src/format/names.ts'
import { type SimulatedDisk } from '../../src/testing/simulated-disk.ts'

/** One batch and where it lies. */
export interface StoredBatch {
  readonly path: string
  readonly position: number
  readonly header: BatchHeader
}

/** What the segments of a folder hold. */
export interface StoredLog {
  readonly batches: readonly StoredBatch[]
  /** What is wrong, with its place: damage that is not behind the last batch of all. Undefined in a log that is whole. */
  readonly damage: string | undefined
}

/** Reads all segments in `folder`, each up to its end, to zeros, or to the first batch that is not whole. */
export function storedBatches(disk: SimulatedDisk, folder: string): StoredLog {
  const batches: StoredBatch[] = []
  let damage: string | undefined
  for (const path of segmentPaths(disk, folder)) {
    const bytes = disk.bytes(path)
    for (let at = 0; at < bytes.length; ) {
      if (bytes.length - at >= LENGTH_AT + 4 && bytes.readInt32BE(at + LENGTH_AT) === 0) break
      const reason = batchDamage(bytes, at, bytes.length)
      if (reason !== undefined) {
        damage ??= `${path} at ${at}: ${reason}`
        break
      }
      const header = readBatchHeader(bytes, at, bytes.length)
      batches.push({ path, position: at, header })
      at += header.size
    }
  }
  return { batches, damage }
}

/** The `.log` files of a partition, oldest first. */
export function segmentPaths(disk: SimulatedDisk, folder: string): string[] {
  return disk.paths().filter((path) => {
    if (!path.startsWith(`${folder}/`)) return false
    const file = parseFileName(path.slice(folder.length + 1))
    return file?.kind === 'log' && file.suffix === ''
  })
}
