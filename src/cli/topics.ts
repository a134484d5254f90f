/*
 * `commitlog topics`: what a log holds; what it changes is in topic-changes.ts.
 */
import { isLogError } from '../base/errors.ts'
import { type CommitLog, type TopicInfo } from '../topics/commit-log.ts'
import { kafkaSettingName, settingText } from '../topics/kafka-settings.ts'
import { type PartitionStats } from '../topics/partition.ts'
import { settingNames, type TopicSettings } from '../topics/settings.ts'
import { type Call, type Command } from './command.ts'
import { chosenTopics, openPlain, withLog } from './records.ts'
import { printTable, type Table } from './table.ts'
import { count, jsonLine, size } from './text.ts'
import { changeOptions, changeTopic } from './topic-changes.ts'

/** The subcommand. */
export const topics: Command = {
  name: 'topics',
  summary: 'the topics of a log, with their partitions, codecs and sizes; makes, alters and deletes them',
  positionals: ['folder'],
  options: {
    topic: { value: 'NAME', help: 'only this topic, with its partitions and settings' },
    ...changeOptions,
  },
  notes: ['Without one of --create, --alter and --delete nothing is changed.'],
  run: async (call) => (await changeTopic(call)) ?? withLog(call.argument('folder'), (log) => list(call, log)),
}

interface Row {
  readonly info: TopicInfo
  readonly partitions: readonly PartitionStats[]
}

async function list(call: Call, log: CommitLog): Promise<number> {
  const name = call.text('topic')
  const rows: Row[] = []
  let damaged = 0
  for (const info of await chosenTopics(log, name)) {
    try {
      rows.push({ info, partitions: (await openPlain(log, info)).stats() })
    } catch (error) {
      if (!isLogError(error, 'LOG_CORRUPT') && !isLogError(error, 'LOG_FILE_CORRUPT')) throw error
      damaged++
      call.screen.say(`${info.name}: ${error.message} (${error.code})`)
    }
  }
  if (call.json) for (const row of rows) await call.screen.print(json(row))
  else if (rows.length > 0) await printTable(call, name === undefined ? topicTable(rows) : partitionTable(rows[0]!))
  else if (damaged === 0) await call.screen.print('no topics')
  if (!call.json && name !== undefined && rows.length > 0) await printSettings(call, rows[0]!.info.settings)
  return damaged === 0 ? 0 : 1
}

function json({ info, partitions }: Row): string {
  const { name, key = null, value = null, settings, createdAt } = info
  return jsonLine({
    topic: name, key, value, settings, createdAt,
    partitions: partitions.map(({ partition, startOffset, nextOffset, highWatermark, lastStableOffset, leaderEpoch, bytes, segments }) => ({
      partition, startOffset, nextOffset, highWatermark, lastStableOffset, leaderEpoch, bytes, segments,
    })),
  })
}

function topicTable(rows: readonly Row[]): Table {
  const lines = rows.map(({ info: { name, key = '-', value = '-' }, partitions }) => [
    name, count(partitions.length), count(sum(partitions, offsets)), size(sum(partitions, ({ bytes }) => bytes)), key, value,
  ])
  return [['topic', 'partitions', 'offsets', 'size', 'key', 'value'], ...lines]
}

function partitionTable({ partitions }: Row): Table {
  const lines = partitions.map(({ partition, startOffset, highWatermark, lastStableOffset, leaderEpoch, segments, bytes }) => [
    ...[partition, startOffset, highWatermark, lastStableOffset, leaderEpoch, segments].map(count), size(bytes),
  ])
  return [['partition', 'start', 'end', 'stable', 'epoch', 'segments', 'size'], ...lines]
}

/** Those that the topic was given, as Kafka writes them. */
async function printSettings(call: Call, settings: TopicSettings): Promise<void> {
  const given = settingNames.filter((name) => settings[name] !== undefined)
  for (const name of given) await call.screen.print(call.screen.paint('dim', `${kafkaSettingName(name)}=${settingText(settings[name]!)}`))
}

/** Compaction and failed appends leave gaps, so this is the most records that there can be. */
function offsets({ startOffset, highWatermark }: PartitionStats): number {
  return highWatermark - startOffset
}

function sum<T>(list: readonly T[], of: (item: T) => number): number {
  return list.reduce((total, item) => total + of(item), 0)
}
