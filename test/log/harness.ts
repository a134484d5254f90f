/*
 * What tests of the log floor share: an environment over any file system, codecs for bytes, and partitions in it.
 */
import { systemClock, type Clock } from '../../src/base/clock.ts'
import { type Codec } from '../../src/base/codec.ts'
import { seededRandom } from '../../src/base/random.ts'
import { type FileSystem } from '../../src/files/file-system.ts'
import { OpenFiles } from '../../src/files/open-files.ts'
import { BufferBudget } from '../../src/log/buffer-budget.ts'
import { defaultLogConfig, type LogConfig } from '../../src/log/config.ts'
import { DiskRoom } from '../../src/log/disk-room.ts'
import { type CleanerPlace, type LogEnvironment, type LogEvent } from '../../src/log/environment.ts'
import { Mark } from '../../src/log/mark.ts'
import { type PartitionOptions } from '../../src/log/open-partition.ts'
import { PartitionLog } from '../../src/log/partition-log.ts'
import { DEFAULT_ROOM_AHEAD } from '../../src/log/room-ahead.ts'
import { SyncGate } from '../../src/log/sync-gate.ts'
import { WindowCache } from '../../src/log/windows.ts'

/** Values as they are: no copy on the way out. */
export const bytesCodec: Codec<Uint8Array> = {
  name: 'bytes',
  views: true,
  size: (value) => value.length,
  encode(value, writer) {
    writer.buffer.set(value, writer.at)
    writer.at += value.length
  },
  decode: (buffer, start, end) => buffer.subarray(start, end),
}

export const textCodec: Codec<string> = {
  name: 'string',
  encode: (value, writer) => writer.string(value),
  decode: (buffer, start, end) => buffer.toString('utf8', start, end),
}

export const bytesCodecs = { key: bytesCodec, value: bytesCodec }
export const textCodecs = { key: textCodec, value: textCodec }

export const TOPIC_ID = new Uint8Array(16).fill(7)

export interface EnvironmentOptions {
  readonly clock?: Clock
  readonly readOnly?: boolean
  readonly bufferBytes?: number
  readonly windowBytes?: number
  readonly minFreeBytes?: number
  readonly roomAheadBytes?: number
  readonly cleaner?: CleanerPlace
  readonly emit?: (event: LogEvent) => void
}

/** An environment in `root`, which must exist. */
export async function environment(files: FileSystem, root: string, options: EnvironmentOptions = {}): Promise<LogEnvironment> {
  const clock = options.clock ?? systemClock
  const readOnly = options.readOnly ?? false
  return {
    files,
    clock,
    readOnly,
    openFiles: new OpenFiles(files),
    random: seededRandom(1),
    mark: readOnly ? Mark.openReadOnly(files, root, clock) : await Mark.open(files, root, clock),
    syncs: new SyncGate(),
    windows: new WindowCache(options.windowBytes ?? 16 * 1024 * 1024),
    buffer: new BufferBudget(options.bufferBytes ?? 32 * 1024 * 1024),
    room: new DiskRoom(files, root, clock, options.minFreeBytes ?? 0),
    roomAheadBytes: options.roomAheadBytes ?? DEFAULT_ROOM_AHEAD,
    lock: undefined,
    emit: options.emit,
    ...(options.cleaner !== undefined && { cleaner: options.cleaner }),
  }
}

export interface Opened {
  readonly env: LogEnvironment
  readonly log: PartitionLog
  /** Closes the partition and what it stands on. */
  close(): Promise<void>
}

/** Opens partition `t-0` in `root`, creating it when it is not there. */
export async function openLog(
  files: FileSystem, root: string, config: Partial<LogConfig> = {}, options: EnvironmentOptions & Partial<PartitionOptions> = {},
): Promise<Opened> {
  const env = await environment(files, root, options)
  const folder = files.join(root, 't-0')
  const log = await PartitionLog.open(env, {
    folder, topic: 't', partition: 0, topicId: TOPIC_ID, config: { ...defaultLogConfig, ...config },
    create: files.statSync(folder) === undefined, ...options,
  })
  return {
    env,
    log,
    async close() {
      try {
        await log.close()
      } finally {
        await env.mark.close()
        env.openFiles.closeAll()
      }
    },
  }
}
