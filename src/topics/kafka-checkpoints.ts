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
 * Writes the checkpoints of the partitions that were open; those of others stay as they are. As Kafka's, the one of log starts names those
 * partitions only that begin behind the base offset of their first segment. A file that a full disk has no room for is
 * removed, since what it said is not true any more: a broker then scans more. Nothing of the log is lost by that.
 *
 * @param ends   each partition that was open, and the offset behind its last record
 * @param clean  every partition of the folder was closed in good order: a broker then scans nothing
 */
export async function writeKafkaCheckpoints(files: FileSystem, folder: string, ends: readonly PartitionEnds[], clean: boolean): Promise<void> {
  let whole = true
  const ended = new Set(ends.map(({ topic, partition }) => `${topic}-${partition}`))
  const { recoveryPoint, replication, logStart } = partitionOffsetFiles
  for (const name of [recoveryPoint, replication, logStart]) {
    const path = files.join(folder, name)
    const found = offsetsIn(files, path)
    const others = found.filter(({ topic, partition }) => !ended.has(`${topic}-${partition}`))
    const told = name === logStart ? startsOf(ends) : ends
    if (name === logStart && found.length === 0 && told.length === 0) continue
    if (!(await replaced(files, folder, path, encodePartitionOffsets([...others, ...told])))) whole = false
  }
  if (clean && whole) await replaced(files, folder, files.join(folder, CLEAN_SHUTDOWN_FILE), encodeCleanShutdown())
}

/**
 * Takes the lines of some partitions out of all checkpoints: those of a topic that is gone would be taken for those of another with its name.
 * Durable when it resolves.
 */
export async function forgetInCheckpoints(files: FileSystem, folder: string, topic: string): Promise<void> {
  for (const name of Object.values(partitionOffsetFiles)) {
    const path = files.join(folder, name)
    const found = offsetsIn(files, path)
    const others = found.filter((one) => one.topic !== topic)
    if (others.length < found.length) await writeFileAtomically(files, path, encodePartitionOffsets(others))
  }
}

/** Where a partition begins and ends. */
export interface PartitionEnds extends PartitionOffset {
  /** The oldest offset kept. */
  readonly startOffset: number
  /** Base offset of the first segment. */
  readonly firstOffset: number
}

function startsOf(ends: readonly PartitionEnds[]): PartitionOffset[] {
  const inside = ends.filter(({ startOffset, firstOffset }) => startOffset > firstOffset)
  return inside.map(({ topic, partition, startOffset }) => ({ topic, partition, offset: startOffset }))
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
