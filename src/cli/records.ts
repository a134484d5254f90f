/*
 * Records of an open log as they are stored, whatever codecs the topic has: for commands that show or copy them.
 */
import { type LogRecord } from '../log/record.ts'
import { CommitLog, type TopicInfo } from '../topics/commit-log.ts'
import { type Partition } from '../topics/partition.ts'
import { type Topic } from '../topics/topic.ts'
import { suggestion, UsageError } from './command.ts'
import { counted, type PlainRecord } from './text.ts'

/** Which partitions a command is about: of one topic or all, of one number or all. */
export interface ChosenPartitions {
  readonly topic: string | undefined
  readonly partition: number | undefined
}

/** A topic whose keys and values are taken as bytes. */
export type PlainTopic = Topic<Uint8Array, Uint8Array>

/** Opens a log for reading, runs `work` with it and closes it. */
export async function withLog<T>(folder: string, work: (log: CommitLog) => Promise<T>): Promise<T> {
  const log = await CommitLog.open(folder, { readOnly: true })
  try {
    return await work(log)
  } finally {
    await log.close()
  }
}

/**
 * The topics of a log by name: all, but for those of the log's own when `users` is set, or the one that is asked for. A name that is not there
 * is a UsageError with what comes close.
 */
export async function chosenTopics(log: CommitLog, name: string | undefined, users = false): Promise<TopicInfo[]> {
  const all = [...(await log.topics({ internal: name !== undefined || !users }))].sort((one, other) => (one.name < other.name ? -1 : 1))
  if (name === undefined) return all
  const found = all.filter((topic) => topic.name === name)
  if (found.length === 0) throw unknownTopic(log.folder, name, all.map((topic) => topic.name))
  return found
}

/** Opens a topic whose keys and values are taken as bytes. Codecs that it has not are not named. */
export function openPlain(log: CommitLog, { name }: TopicInfo): Promise<PlainTopic> {
  return log.plainTopic(name)
}

/** The partitions of a topic: all, or the one of a number. Topics may have fewer partitions than another. */
export function chosenPartitions(topic: PlainTopic, number: number | undefined): readonly Partition<Uint8Array, Uint8Array>[] {
  return number === undefined ? topic.partitions : topic.partitions.filter(({ partition }) => partition === number)
}

/** A record with its bytes, taken out of the log's memory as views. */
export function plainRecord(record: LogRecord<Uint8Array, Uint8Array>): PlainRecord {
  const { topic, partition, offset, timestamp, timestampType, headers, leaderEpoch } = record
  return { topic, partition, offset, timestamp, timestampType, key: record.keyBytes, value: record.valueBytes, headers, leaderEpoch }
}

/** The error of a topic that is not there. */
export function unknownTopic(folder: string, name: string, names: readonly string[]): UsageError {
  const some = names.length === 0 ? ': it has none' : `: it has ${names.slice(0, 8).join(', ')}${names.length > 8 ? ', …' : ''}`
  return new UsageError(`there is no topic "${name}" in ${folder}${suggestion(name, names) || some}`)
}

/** The error of a partition that is not there: of one topic, which has `count` of them, or of all topics. */
export function unknownPartition(folder: string, partition: number, topic?: { readonly name: string; readonly count: number }): UsageError {
  if (topic === undefined) return new UsageError(`there is no partition ${partition} in ${folder}`)
  const { name, count } = topic
  return new UsageError(`there is no partition ${partition} of topic "${name}" in ${folder}: it has ${counted(count, 'partition')}, numbered from 0`)
}
