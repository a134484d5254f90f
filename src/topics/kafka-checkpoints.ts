/*
 * What a Kafka broker looks for beside partition folders: how far each is synced and acknowledged, and whether the folder was left in good
 * order. Written when a log is closed, for the broker that may take the folder over; nothing here is read by a log of ours, whose mark
 * knows more.
 */
import { isLogError } from '../base/errors.ts'
import { type FileSystem } from '../files/file-system.ts'
import { systemCode } from '../files/system-error.ts'
import { readFileSync, writeFileAtomically } from '../files/write-fully.ts'
import { encodePartitionOffsets, parsePartitionOffsets, type PartitionOffset, partitionOffsetFiles } from '../format/checkpoint-file.ts'
import { CLEAN_SHUTDOWN_FILE, encodeCleanShutdown } from '../format/clean-shutdown.ts'

const MAX_BYTES = 64 * 1024 * 1024

/**
 * Writes the checkpoints of the partitions that were open; those of others stay as they are. A file that a full disk has no room for is
 * removed, since what it said is not true any more: a broker then scans more. Nothing of the log is lost by that.
 *
 * @param ends   each partition that was open, and the offset behind its last record
 * @param clean  every partition of the folder was closed in good order: a broker then scans nothing
 */
export async function writeKafkaCheckpoints(files: FileSystem, folder: string, ends: readonly PartitionOffset[], clean: boolean): Promise<void> {
  let whole = true
  const ended = new Set(ends.map(({ topic, partition }) => `${topic}-${partition}`))
  for (const name of [partitionOffsetFiles.recoveryPoint, partitionOffsetFiles.replication]) {
    const path = files.join(folder, name)
    const others = offsetsIn(files, path).filter(({ topic, partition }) => !ended.has(`${topic}-${partition}`))
    if (!(await replaced(files, folder, path, encodePartitionOffsets([...others, ...ends])))) whole = false
  }
  if (clean && whole) await replaced(files, folder, files.join(folder, CLEAN_SHUTDOWN_FILE), encodeCleanShutdown())
}

/** False when the disk had no room: then the file is not there any more. */
async function replaced(files: FileSystem, folder: string, path: string, bytes: Uint8Array): Promise<boolean> {
  try {
    await writeFileAtomically(files, path, bytes)
    return true
  } catch (error) {
    if (!['ENOSPC', 'EDQUOT'].includes(systemCode(error) ?? '')) throw error
  }
  if (files.statSync(path) !== undefined) files.removeSync(path)
  await files.syncFolder(folder)
  return false
}

/** The lines of a checkpoint; none of one that is damaged: a broker then scans more. */
function offsetsIn(files: FileSystem, path: string): PartitionOffset[] {
  const bytes = readFileSync(files, path, MAX_BYTES)
  try {
    return bytes === undefined ? [] : parsePartitionOffsets(bytes, path)
  } catch (error) {
    if (isLogError(error, 'LOG_FILE_CORRUPT')) return []
    throw error
  }
}
