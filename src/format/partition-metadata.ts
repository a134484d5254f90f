/*
 * The `partition.metadata` file: the id of the topic that a partition's folder belongs to. Kafka writes it before the first record, so that
 * records without a topic id do not exist. Spec: docs/format.md#checkpoints; Kafka's PartitionMetadataFile.
 */
import { LogError } from '../base/errors.ts'
import { isZeroUuid, parseUuid, uuidText } from './uuid.ts'

/** Name of the file in the folder of its partition. */
export const PARTITION_METADATA_FILE = 'partition.metadata'

const CURRENT_VERSION = 0

/** The bytes of the file: two lines, the last one without its end. */
export function encodePartitionMetadata(topicId: Uint8Array): Buffer {
  return Buffer.from(`version: ${CURRENT_VERSION}\ntopic_id: ${uuidText(topicId)}`)
}

/**
 * The topic id in the file, 16 bytes.
 *
 * @throws LogError `LOG_FILE_CORRUPT` when the lines are others or the id is none; `LOG_VERSION_UNSUPPORTED`
 */
export function parsePartitionMetadata(bytes: Uint8Array, path: string): Uint8Array {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1')
  const match = bytes.length > 200 ? null : /^version: (\d{1,9})\r?\n(?:topic_id: (\S+))?\s*/.exec(text)
  const version = match === null ? NaN : Number(match[1])
  if (version > CURRENT_VERSION) {
    throw new LogError('LOG_VERSION_UNSUPPORTED', `${path} has version ${version}, known is ${CURRENT_VERSION}`, { path, version })
  }
  const topicId = match === null || match[0] !== text ? undefined : parseUuid(match[2] ?? '')
  if (topicId !== undefined && !isZeroUuid(topicId)) return topicId
  throw new LogError('LOG_FILE_CORRUPT', `${path} is damaged: it holds no topic id`, { path })
}
