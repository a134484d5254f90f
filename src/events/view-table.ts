/*
 * Where a projection keeps its rows: a compacted topic of its own, a record for each row and one for the checkpoint. What changed since the last
 * time is appended with the checkpoint as one batch, so that a crash leaves rows and checkpoint as they belong together, or as they were.
 * Anyone may read the topic; its records are docs/format.md#projections.
 */
import { ByteWriter } from '../base/bytes.ts'
import { type Clock } from '../base/clock.ts'
import { type Codec } from '../base/codec.ts'
import { isLogError, LogError } from '../base/errors.ts'
import { encodeBatch, type BatchRecord } from '../format/batch.ts'
import { type PartitionLog } from '../log/partition-log.ts'
import { msgpack, string } from '../topics/codecs.ts'
import { type LogCore } from '../topics/log-core.ts'
import { type TopicSettings } from '../topics/settings.ts'
import { logOf } from '../topics/topic-core.ts'
import { readInTurns } from './read-in-turns.ts'

/** How far the rows of a table are. */
export interface ViewCheckpoint {
  /** Events below this position are in the rows. */
  readonly position: number
  /** The epoch of the events' log when it was stored. */
  readonly epoch: number
  /** Readers are given these rows; else they are being built beside those that readers are given. */
  readonly live: boolean
}

/** A table as its topic is named. */
export interface TableName {
  readonly category: string
  readonly projection: string
  readonly version: number
  /** Rises with each rebuild. */
  readonly generation: number
}

/** The key of the checkpoint's record: rows have keys that do not begin so. */
export const CHECKPOINT_KEY = '\0checkpoint'

/** More in one batch is no table of rows any more. */
const MAX_BATCH_BYTES = 256 * 1024 * 1024
const SEGMENT_BYTES = 16 * 1024 * 1024

/** Rows can be made again from the events, so nobody waits for a disk. */
const settings: TopicSettings = {
  cleanupPolicy: 'compact', durability: 'os', lingerMs: 0, maxMessageBytes: MAX_BATCH_BYTES, segmentBytes: SEGMENT_BYTES,
  compressionType: 'producer', messageTimestampType: 'CreateTime',
}

/** The topic that holds a table. */
export function tableTopic({ category, projection, version, generation }: TableName): string {
  return `${category}.view.${projection}.v${version}.${generation}`
}

/** What the name of a topic says when it is that of a table. */
export function parseTableTopic(topic: string): TableName | undefined {
  const [, category, projection, version, generation] = /^(.+)\.view\.([\w-]+)\.v(\d{1,9})\.(\d{1,9})$/.exec(topic) ?? []
  if (category === undefined) return undefined
  return { category, projection: projection!, version: Number(version), generation: Number(generation) }
}

/** The rows of one projection. */
export class ViewTable<State> {
  readonly name: TableName
  rows = new Map<string, State>()
  /** As it is stored; undefined as long as nothing is. */
  checkpoint: ViewCheckpoint | undefined
  readonly #log: LogCore
  readonly #partition: PartitionLog
  readonly #codec: Codec<State>
  readonly #clock: Clock

  private constructor(log: LogCore, partition: PartitionLog, name: TableName, codec: Codec<State>) {
    this.#log = log
    this.#partition = partition
    this.name = name
    this.#codec = codec
    this.#clock = log.env.clock
  }

  /** Opens a table, and makes it when there is none. */
  static async open<State>(log: LogCore, name: TableName, codec: Codec<State> = msgpack<State>()): Promise<ViewTable<State>> {
    const topic = await log.openTopic({
      name: tableTopic(name), create: true, partitions: 1, key: string.name, value: codec.name, settings, newKey: string.name, newValue: codec.name,
    })
    await log.admin.settle(topic)
    const table = new ViewTable(log, logOf(topic, 0), name, codec)
    await table.load()
    return table
  }

  /** Takes rows and checkpoint as they are stored, whatever they are in memory: readers are given them when all are there. */
  async load(): Promise<void> {
    let rows = new Map<string, State>()
    let checkpoint: ViewCheckpoint | undefined
    await readInTurns(this.#partition, { key: string, value: this.#codec as Codec<unknown> }, this.#clock, {
      begin: () => {
        rows = new Map()
        checkpoint = undefined
      },
      take: ({ key, value }) => {
        if (key === null) return
        if (key === CHECKPOINT_KEY) checkpoint = checkpointOf(value)
        else if (value === null) rows.delete(key)
        else rows.set(key, value as State)
      },
    })
    this.rows = rows
    this.checkpoint = checkpoint
  }

  /**
   * Stores the rows of `keys` as they are now, and the checkpoint, in one batch.
   *
   * @returns the size of the batch in bytes
   * @throws LogError `LOG_BATCH_TOO_LARGE`; what the log throws of an append
   */
  async store(keys: Iterable<string>, checkpoint: ViewCheckpoint): Promise<number> {
    const timestamp = this.#clock.now()
    const records: BatchRecord[] = []
    for (const key of keys) {
      const row = this.rows.get(key)
      records.push({ key: Buffer.from(key), value: row === undefined ? null : encoded(this.#codec, row), timestamp })
    }
    records.push({ key: Buffer.from(CHECKPOINT_KEY), value: encoded(this.#codec as Codec<unknown>, checkpoint), timestamp })
    const batch = encodeBatch(records)
    const { lastOffset } = this.#partition.appendBatch(batch, 'coordinator')
    await this.#partition.durable(lastOffset)
    this.checkpoint = checkpoint
    return batch.length
  }

  /** Makes the partition take appends again, after one failed. */
  async reopen(): Promise<void> {
    await this.#partition.reopen()
  }

  /** Everything stored is synced. */
  async flush(): Promise<void> {
    await this.#partition.flush()
  }

  /** Removes the table for good. */
  async drop(): Promise<void> {
    try {
      await this.#log.admin.delete(tableTopic(this.name))
    } catch (error) {
      if (!isLogError(error, 'LOG_NOT_FOUND')) throw error
    }
  }
}

/** A checkpoint as it was stored. */
export function checkpointOf(stored: unknown): ViewCheckpoint {
  const { position, epoch, live } = (stored ?? {}) as Partial<ViewCheckpoint>
  if (Number.isSafeInteger(position) && Number.isSafeInteger(epoch) && typeof live === 'boolean') return { position: position!, epoch: epoch!, live }
  throw new LogError('LOG_DECODE_FAILED', 'the checkpoint of a projection is none: somebody else writes to its topic', {})
}

function encoded<T>(codec: Codec<T>, value: T): Buffer {
  const writer = new ByteWriter(Buffer.allocUnsafe(256))
  codec.encode(value, writer)
  return writer.buffer.subarray(0, writer.at)
}
