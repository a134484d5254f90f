/*
 * How one life is set up: drawn so that small segments, small batches and small budgets make everything happen often.
 */
import { defaultLogConfig, durabilities, type LogConfig } from '../../src/log/config.ts'
import { type Draw } from './draw.ts'

/** What a life keeps from its first process to its last. */
export interface LifeSettings {
  readonly config: LogConfig
  readonly partitions: number
  /** Bytes that wait to be acknowledged before appends are refused. */
  readonly bufferBytes: number
  readonly windowBytes: number
  readonly roomAheadBytes: number
  readonly minFreeBytes: number
  /** Bytes that the disk holds. */
  readonly capacity: number
  /** Calls fail, the disk fills up, the lock is in doubt. */
  readonly faults: boolean
  /** Files that can be made again are damaged or removed between processes. */
  readonly damage: boolean
}

/** So much that no life fills it. */
export const PLENTY = 2 ** 40

/** Draws the settings of a life. */
export function drawSettings(draw: Draw): LifeSettings {
  const reserve = draw.once(8)
  return {
    config: { ...drawConfig(draw), ...(reserve ? roomy : draw.once(20) && large) },
    partitions: draw.pick(1, 1, 2, 3),
    bufferBytes: draw.once(8) ? 3000 : 32 * 1024 * 1024,
    windowBytes: draw.pick(0, 2000, 16 * 1024 * 1024),
    roomAheadBytes: draw.pick(2000, 20_000, 4 * 1024 * 1024),
    minFreeBytes: reserve ? 200_000 : 0,
    capacity: reserve ? 400_000 + draw.int(200_000) : PLENTY,
    faults: !draw.once(4),
    damage: draw.once(2),
  }
}

/** Files take whole blocks, so a reserve would not last with segments smaller than one. */
const roomy: Partial<LogConfig> = { segmentBytes: 100_000 }

/** Large enough to fill whole chunks of memory, and to push records out of the tail that is kept for readers. */
const large: Partial<LogConfig> = { segmentBytes: 2_000_000, batchSize: 65_536, maxMessageBytes: 1_000_000, indexIntervalBytes: 4096 }

function drawConfig(draw: Draw): LogConfig {
  return {
    ...defaultLogConfig,
    durability: draw.pick('sync', 'sync', 'sync', ...durabilities),
    segmentBytes: draw.pick(500, 2000, 10_000, 100_000),
    segmentMs: draw.pick(1000, Infinity, Infinity),
    batchSize: draw.pick(100, 400, 4000),
    indexIntervalBytes: draw.pick(0, 100, 1000),
    maxMessageBytes: 20_000,
    segmentIndexBytes: draw.pick(64, 1000, 100_000),
    flushIntervalMs: 10,
    retentionBytes: draw.pick(Infinity, Infinity, 1000, 20_000),
    retentionMs: draw.pick(Infinity, Infinity, 100, 10_000),
    fileDeleteDelayMs: draw.pick(0, 100, 60_000),
    lingerMs: draw.pick(0, 0, 0, 5),
    compressionType: draw.pick('producer', 'producer', 'producer', 'gzip'),
    messageTimestampType: draw.pick('CreateTime', 'CreateTime', 'CreateTime', 'LogAppendTime'),
  }
}
