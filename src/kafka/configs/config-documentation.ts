/*
 * What configs mean, in a sentence for whoever looks at them in a tool: of those that change something here. The others are kept and shown, and
 * nothing is said of them. A broker's name of a topic's config means the same, for topics that do not say it. docs/settings.md says more.
 */
import { brokerSynonyms } from './topic-configs.ts'

const ofTopics: Readonly<Record<string, string>> = {
  'cleanup.policy': '"delete" takes the oldest segments by age and size, "compact" keeps the last record of each key; both may be given.',
  'compression.type': 'How batches that are made here are compressed; "producer": those of clients stay as they come.',
  'delete.retention.ms': 'Milliseconds for which a tombstone is kept after the first compaction that met it.',
  'file.delete.delay.ms': 'Milliseconds for which the files of deleted segments stay on disk.',
  'index.interval.bytes': 'Bytes of log between two entries of its indexes.',
  'max.compaction.lag.ms': 'Milliseconds after which a record is to be looked at by a compaction, however little there is to gain.',
  'max.message.bytes': 'Bytes of the largest batch, with its header, as it comes.',
  'message.timestamp.after.max.ms': 'Milliseconds that the timestamp of a record may lie ahead of the clock here; what lies further is refused.',
  'message.timestamp.before.max.ms': 'Milliseconds that the timestamp of a record may lie behind the clock here; what lies further is refused.',
  'message.timestamp.type': 'Whose clock stamps a record: CreateTime is the producer\'s, LogAppendTime the one here.',
  'min.cleanable.dirty.ratio': 'A partition is compacted when more than this part of its sealed bytes, 0 to 1, was not looked at yet.',
  'min.compaction.lag.ms': 'Milliseconds for which a compaction keeps a record, whatever comes behind it.',
  'retention.bytes': 'Bytes of a partition above which its oldest segments go; -1: any number.',
  'retention.ms': 'Milliseconds after which whole segments go; -1: never.',
  'segment.bytes': 'Bytes at which the next segment begins.',
  'segment.index.bytes': 'Bytes of each index file.',
  'segment.jitter.ms': 'Up to so many milliseconds, drawn for each segment, are taken off segment.ms.',
  'segment.ms': 'Milliseconds of record time after which the next segment begins.',
}

const ofBrokers: Readonly<Record<string, string>> = {
  'advertised.listeners': 'Where clients are told to find this broker.',
  'auto.create.topics.enable': 'Whether a topic that a client only names is made.',
  'broker.rack': 'The rack that clients are told for this broker.',
  'connections.max.idle.ms': 'Milliseconds without a request after which a connection is closed.',
  'group.consumer.heartbeat.interval.ms': 'Milliseconds between two heartbeats of members of newer groups that do not say it.',
  'group.consumer.max.size': 'Members that a group of the newer protocol takes.',
  'group.consumer.session.timeout.ms': 'Milliseconds without a heartbeat after which members of newer groups that do not say it are gone.',
  'group.initial.rebalance.delay.ms': 'Milliseconds that the first rebalance of a group waits for more members.',
  'group.max.session.timeout.ms': 'The longest session, in milliseconds, that a member of a classic group may ask for.',
  'group.max.size': 'Members that a classic group takes.',
  'group.min.session.timeout.ms': 'The shortest session, in milliseconds, that a member of a classic group may ask for.',
  'listeners': 'Where this broker listens.',
  'log.cleaner.backoff.ms': 'Milliseconds between two looks for what is to be compacted.',
  'log.cleaner.dedupe.buffer.size': 'Bytes of memory for the keys of one compaction.',
  'log.dirs': 'The folder of the log.',
  'log.retention.check.interval.ms': 'Milliseconds between two looks for segments that retention asks to delete.',
  'num.partitions': 'Partitions of a topic that is made without a number of them.',
  'offsets.retention.minutes': 'Minutes after which what a group without members has committed is forgotten.',
  'socket.request.max.bytes': 'Bytes of the largest request.',
}

const ofGroups: Readonly<Record<string, string>> = {
  'consumer.heartbeat.interval.ms': 'Milliseconds between two heartbeats of the members of this group.',
  'consumer.session.timeout.ms': 'Milliseconds without a heartbeat after which a member of this group is gone.',
}

const ofTopicDefaults = Array.from(brokerSynonyms, ([name, [synonym]]): [string | undefined, string | undefined] => [synonym, ofTopics[name]])

const documentation = new Map([...ofTopicDefaults, ...Object.entries(ofTopics), ...Object.entries(ofBrokers), ...Object.entries(ofGroups)])

/** What a config means, by its name; null of those that change nothing here. */
export function documentationOf(name: string): string | null {
  return documentation.get(name) ?? null
}
