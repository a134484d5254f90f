/*
 * What the handles of one topic share, in all opens of a log in this process: the catalog's entry and the logs of the partitions. And what
 * one handle adds: its codecs.
 */
import { type Clock } from '../base/clock.ts'
import { type Random } from '../base/random.ts'
import { type LogConfig } from '../log/config.ts'
import { type PartitionLog } from '../log/partition-log.ts'
import { type RecordCodecs } from '../log/record-input.ts'
import { type TopicEntry } from './catalog.ts'
import { type Life } from './life.ts'
import { type SendQueue } from './send-queue.ts'

/** An open topic. */
export interface TopicCore {
  entry: TopicEntry
  readonly config: LogConfig
  /** By number; grows when partitions are added. */
  readonly logs: PartitionLog[]
}

/** What the producers and consumers of a topic's handle work with. */
export interface TopicParts<K, V> {
  readonly core: TopicCore
  readonly codecs: RecordCodecs<K, V>
  readonly life: Life
  readonly clock: Clock
  readonly random: Random
  readonly sends: SendQueue
  /** The log's folder, as diagnostics name it. */
  readonly folder: string
}
