/*
 * What the handles of one topic share, in all opens of a log in this process: the catalog's entry and the logs of the partitions. And what
 * one handle adds: its codecs.
 */
import { type Clock } from '../base/clock.ts'
import { LogError } from '../base/errors.ts'
import { checkInteger } from '../base/options.ts'
import { type Random } from '../base/random.ts'
import { type LogConfig } from '../log/config.ts'
import { type PartitionLog } from '../log/partition-log.ts'
import { type RecordCodecs } from '../log/record-input.ts'
import { type TopicEntry } from './catalog.ts'
import { type Life } from './life.ts'
import { type LogCore } from './log-core.ts'
import { type SendQueue } from './send-queue.ts'

/** An open topic. */
export interface TopicCore {
  entry: TopicEntry
  readonly config: LogConfig
  /** By number; grows when partitions are added. Undefined for a partition that the folder never had: see {@link TopicEntry.absent}. */
  readonly logs: (PartitionLog | undefined)[]
  /** What a layer above keeps of this topic, once for all its handles: the index of an event store. */
  companion?: unknown
}

/** The partitions of a topic that are there. */
export function presentLogs(core: TopicCore): PartitionLog[] {
  return core.logs.filter((log) => log !== undefined)
}

/**
 * The log of one partition.
 *
 * @throws RangeError for a number that is none of the topic's; LogError `LOG_NOT_FOUND` for a partition that the folder never had
 */
export function logOf(core: TopicCore, partition: number): PartitionLog {
  checkInteger(partition ?? null, 'partition', 0)
  const log = core.logs[partition]
  if (log !== undefined) return log
  const { name } = core.entry
  if (partition >= core.logs.length) throw new RangeError(`there is no partition ${partition}: topic "${name}" has ${core.logs.length}`)
  throw new LogError('LOG_NOT_FOUND', `partition ${partition} of topic "${name}" is not in this folder`, { topic: name, partition })
}

/** What the producers and consumers of a topic's handle work with. */
export interface TopicParts<K, V> {
  readonly core: TopicCore
  /** The log that the topic is of. */
  readonly log: LogCore
  readonly codecs: RecordCodecs<K, V>
  readonly life: Life
  readonly clock: Clock
  readonly random: Random
  readonly sends: SendQueue
  /** The log's folder, as diagnostics name it. */
  readonly folder: string
}
