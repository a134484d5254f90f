/*
 * What an export says of a topic, in a field `source` of the first of its records; topics/lines/topic-source.ts reads it.
 */
import { type CommitLog, type TopicInfo } from '../topics/commit-log.ts'
import { jsonLine } from './text.ts'

/** The field as it stands in a line; no limit is the text `Infinity`, as `topics --json` has it. */
export function sourceField(log: CommitLog, { id, partitions, key, value, settings }: TopicInfo): object {
  return JSON.parse(jsonLine({ log: log.stats().clusterId, id, partitions, key, value, settings })) as object
}
