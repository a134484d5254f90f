/*
 * The configs of groups and of subscriptions to metrics of clients, as Kafka 4.1 defines them. Spec: Kafka's documentation, group configs and
 * client metrics configs.
 */
import { type GroupSettings } from '../group-options.ts'
import { configTable } from './config-types.ts'

/** Of a group. Those of share and streams groups are kept and shown. */
export const groupConfigs = configTable([
  { name: 'consumer.heartbeat.interval.ms', type: 'INT', default: '5000', min: 1 },
  { name: 'consumer.session.timeout.ms', type: 'INT', default: '45000', min: 1 },
  { name: 'share.auto.offset.reset', type: 'STRING', default: 'latest' },
  { name: 'share.heartbeat.interval.ms', type: 'INT', default: '5000', min: 1 },
  { name: 'share.isolation.level', type: 'STRING', default: 'read_uncommitted', oneOf: ['read_committed', 'read_uncommitted'] },
  { name: 'share.record.lock.duration.ms', type: 'INT', default: '30000', min: 1000 },
  { name: 'share.session.timeout.ms', type: 'INT', default: '45000', min: 1 },
  { name: 'streams.heartbeat.interval.ms', type: 'INT', default: '5000', min: 1 },
  { name: 'streams.num.standby.replicas', type: 'INT', default: '0', min: 0 },
  { name: 'streams.session.timeout.ms', type: 'INT', default: '45000', min: 1 },
])

/** Bounds of a config, by its name. */
export type ConfigBounds = ReadonlyMap<string, readonly [min: number, max: number]>

/** What a broker allows beyond what the table does, its `group.….min.…` and `group.….max.…`: Kafka's defaults for what is only kept. */
export function groupConfigBounds(settings: GroupSettings): ConfigBounds {
  return new Map([
    ['consumer.heartbeat.interval.ms', [settings.groupConsumerMinHeartbeatIntervalMs, settings.groupConsumerMaxHeartbeatIntervalMs]],
    ['consumer.session.timeout.ms', [settings.groupConsumerMinSessionTimeoutMs, settings.groupConsumerMaxSessionTimeoutMs]],
    ['share.heartbeat.interval.ms', [5000, 15_000]],
    ['share.record.lock.duration.ms', [15_000, 60_000]],
    ['share.session.timeout.ms', [45_000, 60_000]],
    ['streams.heartbeat.interval.ms', [5000, 15_000]],
    ['streams.num.standby.replicas', [0, 2]],
    ['streams.session.timeout.ms', [45_000, 60_000]],
  ])
}

/** Of a subscription to metrics. */
export const clientMetricsConfigs = configTable([
  { name: 'interval.ms', type: 'INT', default: '300000' },
  { name: 'match', type: 'LIST', default: '' },
  { name: 'metrics', type: 'LIST', default: '' },
])
