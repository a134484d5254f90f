/*
 * The configs of a topic, as Kafka 4.1 defines them, and what a broker calls the default of each. Those that are a setting of ours are honoured;
 * the others are kept and shown, since with one copy of every partition they change nothing. Spec: Kafka's documentation, topic configs.
 */
import { kafkaSettingName } from '../../topics/kafka-settings.ts'
import { settingNames } from '../../topics/settings.ts'
import { type LogConfig } from '../../log/config.ts'
import { configTable, type ConfigDefinition, partsOf } from './config-types.ts'

const LONG_MAX = '9223372036854775807'
const compressions = ['uncompressed', 'zstd', 'lz4', 'snappy', 'gzip', 'producer']

/** All of them. */
export const topicConfigs = configTable([
  { name: 'cleanup.policy', type: 'LIST', default: 'delete', oneOf: ['compact', 'delete'] },
  { name: 'compression.gzip.level', type: 'INT', default: '-1', min: 1, max: 9, or: -1 },
  { name: 'compression.lz4.level', type: 'INT', default: '9', min: 1, max: 17 },
  { name: 'compression.type', type: 'STRING', default: 'producer', oneOf: compressions },
  { name: 'compression.zstd.level', type: 'INT', default: '3', min: -131072, max: 22 },
  { name: 'delete.retention.ms', type: 'LONG', default: '86400000', min: 0 },
  { name: 'file.delete.delay.ms', type: 'LONG', default: '60000', min: 0 },
  { name: 'flush.messages', type: 'LONG', default: LONG_MAX, min: 1 },
  { name: 'flush.ms', type: 'LONG', default: LONG_MAX, min: 0 },
  { name: 'follower.replication.throttled.replicas', type: 'LIST', default: '', check: wrongReplicas('follower') },
  { name: 'index.interval.bytes', type: 'INT', default: '4096', min: 0 },
  { name: 'leader.replication.throttled.replicas', type: 'LIST', default: '', check: wrongReplicas('leader') },
  { name: 'local.retention.bytes', type: 'LONG', default: '-2', min: -2 },
  { name: 'local.retention.ms', type: 'LONG', default: '-2', min: -2 },
  { name: 'max.compaction.lag.ms', type: 'LONG', default: LONG_MAX, min: 1 },
  { name: 'max.message.bytes', type: 'INT', default: '1048588', min: 0 },
  { name: 'message.timestamp.after.max.ms', type: 'LONG', default: '3600000', min: 0 },
  { name: 'message.timestamp.before.max.ms', type: 'LONG', default: LONG_MAX, min: 0 },
  { name: 'message.timestamp.type', type: 'STRING', default: 'CreateTime', oneOf: ['CreateTime', 'LogAppendTime'] },
  { name: 'min.cleanable.dirty.ratio', type: 'DOUBLE', default: '0.5', min: 0, max: 1 },
  { name: 'min.compaction.lag.ms', type: 'LONG', default: '0', min: 0 },
  { name: 'min.insync.replicas', type: 'INT', default: '1', min: 1 },
  { name: 'preallocate', type: 'BOOLEAN', default: 'false' },
  { name: 'remote.log.copy.disable', type: 'BOOLEAN', default: 'false' },
  { name: 'remote.log.delete.on.disable', type: 'BOOLEAN', default: 'false' },
  { name: 'remote.storage.enable', type: 'BOOLEAN', default: 'false' },
  { name: 'retention.bytes', type: 'LONG', default: '-1' },
  { name: 'retention.ms', type: 'LONG', default: '604800000', min: -1 },
  { name: 'segment.bytes', type: 'INT', default: '1073741824', min: 1024 * 1024 },
  { name: 'segment.index.bytes', type: 'INT', default: '10485760', min: 4 },
  { name: 'segment.jitter.ms', type: 'LONG', default: '0', min: 0 },
  { name: 'segment.ms', type: 'LONG', default: '604800000', min: 1 },
  { name: 'unclean.leader.election.enable', type: 'BOOLEAN', default: 'false' },
] satisfies readonly ConfigDefinition[])

/** What a broker calls the default of a topic's config; several names: the first one that is set counts. */
export const brokerSynonyms: ReadonlyMap<string, readonly string[]> = new Map([
  ['cleanup.policy', ['log.cleanup.policy']],
  ['compression.gzip.level', ['compression.gzip.level']],
  ['compression.lz4.level', ['compression.lz4.level']],
  ['compression.type', ['compression.type']],
  ['compression.zstd.level', ['compression.zstd.level']],
  ['delete.retention.ms', ['log.cleaner.delete.retention.ms']],
  ['file.delete.delay.ms', ['log.segment.delete.delay.ms']],
  ['flush.messages', ['log.flush.interval.messages']],
  ['flush.ms', ['log.flush.interval.ms', 'log.flush.scheduler.interval.ms']],
  ['index.interval.bytes', ['log.index.interval.bytes']],
  ['local.retention.bytes', ['log.local.retention.bytes']],
  ['local.retention.ms', ['log.local.retention.ms']],
  ['max.compaction.lag.ms', ['log.cleaner.max.compaction.lag.ms']],
  ['max.message.bytes', ['message.max.bytes']],
  ['message.timestamp.after.max.ms', ['log.message.timestamp.after.max.ms']],
  ['message.timestamp.before.max.ms', ['log.message.timestamp.before.max.ms']],
  ['message.timestamp.type', ['log.message.timestamp.type']],
  ['min.cleanable.dirty.ratio', ['log.cleaner.min.cleanable.ratio']],
  ['min.compaction.lag.ms', ['log.cleaner.min.compaction.lag.ms']],
  ['min.insync.replicas', ['min.insync.replicas']],
  ['preallocate', ['log.preallocate']],
  ['retention.bytes', ['log.retention.bytes']],
  ['retention.ms', ['log.retention.ms', 'log.retention.minutes', 'log.retention.hours']],
  ['segment.bytes', ['log.segment.bytes']],
  ['segment.index.bytes', ['log.index.size.max.bytes']],
  ['segment.jitter.ms', ['log.roll.jitter.ms', 'log.roll.jitter.hours']],
  ['segment.ms', ['log.roll.ms', 'log.roll.hours']],
  ['unclean.leader.election.enable', ['unclean.leader.election.enable']],
])

/** The setting of ours that a config is. */
export const settingOf: ReadonlyMap<string, keyof LogConfig> = new Map(
  settingNames.map((name) => [kafkaSettingName(name), name] as const).filter(([name]) => topicConfigs.has(name)),
)

function wrongReplicas(role: string): (text: string) => string | undefined {
  const name = `${role}.replication.throttled.replicas`
  return (text) => {
    const parts = partsOf(text)
    if (parts.join() === '*' || parts.every((part) => /^\d+:\d+$/.test(part))) return undefined
    const format = '[partitionId]:[brokerId],[partitionId]:[brokerId],...'
    const must = `must be the literal '*' or a list of replicas in the following format: ${format}`
    return `Invalid value [${parts.join(', ')}] for configuration ${name}: ${name} ${must}`
  }
}
