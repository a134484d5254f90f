/*
 * The files of a partition's folder one by one, as an open finds or makes them (open-partition.ts), and a reader beside a writer
 * (follow-partition.ts).
 */
import { LogError } from '../base/errors.ts'
import { createFolderDurably, readFileSync, writeFileAtomically } from '../files/write-fully.ts'
import { LEADER_EPOCH_FILE, parseLeaderEpochs } from '../format/leader-epoch-checkpoint.ts'
import { encodePartitionMetadata, PARTITION_METADATA_FILE } from '../format/partition-metadata.ts'
import { type LogEnvironment } from './environment.ts'
import { Epochs } from './epochs.ts'
import { type PartitionOptions } from './open-partition.ts'
import { readLogStart } from './retention.ts'
import { Segment } from './segment.ts'
import { type SegmentFiles, segmentFiles } from './segment-files.ts'

/** More than any file has that lies beside the segments. */
export const MAX_SIDE_FILE_BYTES = 256 * 1024 * 1024

/** Makes the folder of a new partition, with the id of its topic in it. */
export async function createFolder(env: LogEnvironment, options: PartitionOptions): Promise<void> {
  const { files } = env
  await createFolderDurably(files, options.folder)
  await writeFileAtomically(files, files.join(options.folder, PARTITION_METADATA_FILE), encodePartitionMetadata(options.topicId))
}

/** A segment that is there, by the names that a plan found, or, for a writer, by those that it has given its files. */
export function openSegment(env: LogEnvironment, options: PartitionOptions, baseOffset: number, planned: SegmentFiles): Segment {
  const names = env.readOnly ? planned : segmentFiles(baseOffset)
  const path = env.files.join(options.folder, names.log)
  const stat = env.files.statSync(path)
  if (stat === undefined) throw missing(options, path)
  return Segment.open(env, options.config, options.folder, baseOffset, names, stat.size, env.readOnly ? stat.identity : undefined)
}

/** The oldest offset kept, as our file says, or Kafka's: a broker that had the folder meanwhile may have deleted more. */
export function storedStart(env: LogEnvironment, options: PartitionOptions): number {
  return Math.max(options.logStartOffset ?? 0, readLogStart(env.files, options.folder))
}

/** The first segment of a partition that holds nothing. */
export function firstSegment(env: LogEnvironment, options: PartitionOptions, baseOffset: number): Segment {
  if (env.readOnly) return Segment.empty(env, options.config, options.folder, baseOffset)
  return Segment.create(env, options.config, options.folder, baseOffset)
}

/** The list of leader epochs; an empty one when it is missing or damaged. */
export function readEpochs(env: LogEnvironment, folder: string): Epochs {
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

/** What opening a partition throws when something of it is not there. */
export function missing(options: PartitionOptions, what: string): LogError {
  const { topic, partition, folder } = options
  const message = `${what} of ${topic}-${partition} is missing from ${folder}`
  return new LogError('LOG_CORRUPT', message, { path: folder, topic, partition, reason: 'missing-file' })
}
