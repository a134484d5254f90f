/*
 * Kafka's text files of lines behind a version and a count: the framing, and those whose lines are `topic partition offset`. Writing them
 * safely (beside, synced, renamed) is the work of files/. Spec: docs/format.md#checkpoints; Kafka's CheckpointFile.
 */
import { LogError } from '../base/errors.ts'
import { isTopicName } from './names.ts'

/** The files in the folder of a log whose lines are `topic partition offset`. */
export const partitionOffsetFiles = {
  /** First offset that is not known to be synced, for every partition. */
  recoveryPoint: 'recovery-point-offset-checkpoint',
  /** Oldest offset kept, only of partitions where that is above the first segment's base offset. */
  logStart: 'log-start-offset-checkpoint',
  /** High watermark of every partition. */
  replication: 'replication-offset-checkpoint',
  /** First offset that compaction has not cleaned, of compacted partitions. */
  cleaner: 'cleaner-offset-checkpoint',
} as const

/** A line of one of the {@link partitionOffsetFiles}. */
export interface PartitionOffset {
  readonly topic: string
  readonly partition: number
  readonly offset: number
}

const CURRENT_VERSION = 0
const MAX_BYTES = 64 * 1024 * 1024

/** The bytes of a checkpoint file with these lines. */
export function encodeCheckpoint(lines: readonly string[]): Buffer {
  return Buffer.from([CURRENT_VERSION, lines.length, ...lines].map((line) => `${line}\n`).join(''))
}

/**
 * The fields of each line of a checkpoint file. An empty file has no lines.
 *
 * @param fieldCount  how many fields, separated by blanks, each line must have
 * @throws LogError `LOG_FILE_CORRUPT` when the lines do not fit the count or have other fields; `LOG_VERSION_UNSUPPORTED`
 */
export function parseCheckpoint(bytes: Uint8Array, fieldCount: number, path: string): string[][] {
  if (bytes.length > MAX_BYTES) throw corruptCheckpoint(path, `${bytes.length} bytes, more than any checkpoint has`)
  if (bytes.length === 0) return []
  const lines = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8').split(/\r?\n/)
  if (lines.at(-1) === '') lines.pop()
  const [version, count, ...entries] = lines
  if (checkpointInteger(version ?? '', path) > CURRENT_VERSION) {
    throw new LogError('LOG_VERSION_UNSUPPORTED', `${path} has version ${version}, known is ${CURRENT_VERSION}`, { path, version })
  }
  if (checkpointInteger(count ?? '', path) !== entries.length) throw corruptCheckpoint(path, `${entries.length} lines where ${count} were promised`)
  return entries.map((line) => {
    const fields = line.trimEnd().split(/\s+/)
    if (fields.length !== fieldCount || fields[0] === '') throw corruptCheckpoint(path, `the line ${JSON.stringify(line.slice(0, 300))}`)
    return fields
  })
}

/**
 * A field of a checkpoint file that must be an integer from 0 to `max`.
 *
 * @throws LogError `LOG_FILE_CORRUPT` when it is not
 */
export function checkpointInteger(field: string, path: string, max = Number.MAX_SAFE_INTEGER): number {
  const value = /^\d{1,19}$/.test(field) ? Number(field) : NaN
  if (Number.isSafeInteger(value) && value <= max) return value
  throw corruptCheckpoint(path, `${JSON.stringify(field.slice(0, 300))} is not an integer from 0 to ${max}`)
}

/** The bytes of one of the {@link partitionOffsetFiles}. */
export function encodePartitionOffsets(entries: readonly PartitionOffset[]): Buffer {
  return encodeCheckpoint(entries.map(({ topic, partition, offset }) => `${topic} ${partition} ${offset}`))
}

/**
 * The lines of one of the {@link partitionOffsetFiles}, in their order; of a partition that is there twice the last one counts.
 *
 * @throws LogError `LOG_FILE_CORRUPT`, `LOG_VERSION_UNSUPPORTED`
 */
export function parsePartitionOffsets(bytes: Uint8Array, path: string): PartitionOffset[] {
  return parseCheckpoint(bytes, 3, path).map(([topic = '', partition = '', offset = '']) => {
    if (!isTopicName(topic)) throw corruptCheckpoint(path, `${JSON.stringify(topic)} is not a topic name`)
    return { topic, partition: checkpointInteger(partition, path, 0x7fff_ffff), offset: checkpointInteger(offset, path) }
  })
}

function corruptCheckpoint(path: string, reason: string): LogError {
  return new LogError('LOG_FILE_CORRUPT', `${path} is damaged: ${reason}`, { path, reason })
}
