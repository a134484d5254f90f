/*
 * What may be appended, and in which words the rest is refused. A record is checked again by who encodes it (batch-builder.ts), and what a
 * producer with an id may send by producer-state.ts.
 */
import { LogError } from '../base/errors.ts'
import { batchDamage, type BatchHeader, readBatchHeader } from '../format/batch.ts'
import { type LogConfig } from './config.ts'
import { type AppendOrigin } from './producer-rules.ts'

/** The header of a ready batch that may be appended as it is. */
export function checkReadyBatch(
  bytes: Uint8Array, origin: AppendOrigin, { topic, config }: { readonly topic: string; readonly config: LogConfig },
): BatchHeader {
  const size = bytes.length
  // What the log says to itself is little, and must not fail for want of a larger segment.
  const limit = origin === 'client' ? Math.min(config.maxMessageBytes, config.segmentBytes) : config.maxMessageBytes
  // Before the checksum is taken of it.
  if (size > limit && origin !== 'replication') throw batchTooLarge(size, limit, topic)
  const damage = batchDamage(bytes, 0, size)
  // The checksum is right, and what it is right about is wrong: the client has made it so.
  if (damage === 'bad-count' && origin === 'client') throw new LogError('LOG_RECORD_INVALID', 'the batch counts its records wrongly', { topic })
  if (damage !== undefined) throw new LogError('LOG_BATCH_CORRUPT', `the batch is damaged: ${damage}`, { reason: damage })
  const header = readBatchHeader(bytes, 0, size)
  if (header.size !== size) throw new LogError('LOG_BATCH_CORRUPT', `${size} bytes hold more than one batch`, { reason: 'trailing-bytes' })
  if (origin === 'replication') return header
  if (header.recordCount < 1 || header.recordCount !== header.lastOffsetDelta + 1) {
    throw new LogError('LOG_RECORD_INVALID', `${header.recordCount} records over ${header.lastOffsetDelta + 1} offsets`, { topic })
  }
  if (origin !== 'client') return header
  if (header.control) throw new LogError('LOG_RECORD_INVALID', 'a client sends no control batches', { topic })
  if (header.producerId >= 0n && header.baseSequence < 0) {
    throw new LogError('LOG_RECORD_INVALID', `a producer with an id counts its records, and the sequence is ${header.baseSequence}`, { topic })
  }
  return header
}

/** The timestamps that a topic takes when its records bring their own: from `earliest` to `latest`. */
export interface TimestampBounds {
  readonly earliest: number
  readonly latest: number
}

/** What `messageTimestampBeforeMaxMs` and `messageTimestampAfterMaxMs` allow now; undefined when that is everything. */
export function timestampBounds(config: LogConfig, now: number): TimestampBounds | undefined {
  const { messageTimestampType, messageTimestampBeforeMaxMs: before, messageTimestampAfterMaxMs: after } = config
  if (messageTimestampType === 'LogAppendTime' || (before === Infinity && after === Infinity)) return undefined
  return { earliest: now - before, latest: now + after }
}

/** Throws LOG_RECORD_INVALID for a timestamp that is too far from the log's clock. A record without one (−1) passes. */
export function checkBounds(timestamp: number, { earliest, latest }: TimestampBounds, topic: string): void {
  if (timestamp < 0 || (timestamp >= earliest && timestamp <= latest)) return
  const message = `timestamp ${timestamp} is too far from the log's clock: ${topic} takes ${earliest}..${latest}`
  throw new LogError('LOG_RECORD_INVALID', message, { topic, timestamp, earliest, latest })
}

/** A timestamp that a record may have. */
export function checkTimestamp(timestamp: number): number {
  if (Number.isSafeInteger(timestamp) && timestamp >= -1) return timestamp
  throw new RangeError(`a timestamp is a whole number of milliseconds from 0 on, or -1 for none, not ${timestamp}`)
}

/** LOG_RECORD_TOO_LARGE: a record that makes a batch of `size` bytes, when it is alone in it. */
export function recordTooLarge(
  size: number, { topic, partition, config }: { readonly topic: string; readonly partition: number; readonly config: LogConfig },
): LogError {
  const limit = config.maxMessageBytes
  const message = `a record of ${size} bytes with its batch header for ${topic}-${partition}, maxMessageBytes is ${limit}: raise it for the topic`
  return new LogError('LOG_RECORD_TOO_LARGE', message, { topic, partition, size, limit })
}

/** LOG_BATCH_TOO_LARGE. */
export function batchTooLarge(size: number, limit: number, topic: string): LogError {
  return new LogError('LOG_BATCH_TOO_LARGE', `a batch of ${size} bytes, ${topic} takes at most ${limit}`, { size, limit })
}

/** LOG_RECORD_INVALID: compaction goes by keys. */
export function keyMissing(topic: string): LogError {
  return new LogError('LOG_RECORD_INVALID', `${topic} is compacted: every record needs a key`, { topic })
}

/** LOG_BUFFER_FULL: more than `limit` bytes are not acknowledged yet. */
export function bufferFull(limit: number): LogError {
  return new LogError('LOG_BUFFER_FULL', `${limit} bytes wait to become durable: await what was appended`, { limit })
}

/** LOG_DISK_FULL. */
export function diskFull(reason: string, cause?: unknown): LogError {
  return new LogError('LOG_DISK_FULL', reason, {}, cause)
}
