/*
 * What `listen` may be told about groups: Kafka's broker configs `group.…` in camelCase. What the log was opened with counts where the listener
 * says nothing.
 */
import { checkInteger } from '../base/options.ts'
import { type CoreOptions } from '../topics/log-core.ts'

/** What `listen` may be told about the groups of clients. */
export interface GroupOptions {
  // Groups of the classic protocol
  /** Ms: the shortest session time that a member may ask for. Default 6000, as Kafka's `group.min.session.timeout.ms`. */
  readonly groupMinSessionTimeoutMs?: number
  /** Ms: the longest. Default 30 minutes, as Kafka's `group.max.session.timeout.ms`. */
  readonly groupMaxSessionTimeoutMs?: number
  /** Members that a group takes. Default: any number. Kafka's `group.max.size`. */
  readonly groupMaxSize?: number
  /** Ms that the first rebalance of a group waits for more members. Default: the log's, which is 0. Kafka's `group.initial.rebalance.delay.ms`. */
  readonly groupInitialRebalanceDelayMs?: number
  // Groups of the newer protocol (KIP-848), all of the log
  /** Ms without a heartbeat after which a member is gone. Default: the log's, which is 45,000. Kafka's `group.consumer.session.timeout.ms`. */
  readonly groupConsumerSessionTimeoutMs?: number
  /** Ms: the shortest that a group may be configured to have. Default 45,000, as Kafka's `group.consumer.min.session.timeout.ms`. */
  readonly groupConsumerMinSessionTimeoutMs?: number
  /** Ms: the longest. Default 60,000, as Kafka's `group.consumer.max.session.timeout.ms`. */
  readonly groupConsumerMaxSessionTimeoutMs?: number
  /** Ms between two heartbeats of a member. Default: the log's, which is 5000. Kafka's `group.consumer.heartbeat.interval.ms`. */
  readonly groupConsumerHeartbeatIntervalMs?: number
  /** Ms: the shortest that a group may be configured to have. Default 5000, as Kafka's `group.consumer.min.heartbeat.interval.ms`. */
  readonly groupConsumerMinHeartbeatIntervalMs?: number
  /** Ms: the longest. Default 15,000, as Kafka's `group.consumer.max.heartbeat.interval.ms`. */
  readonly groupConsumerMaxHeartbeatIntervalMs?: number
  /** Members that a group takes. Default: the log's, which is any number. Kafka's `group.consumer.max.size`. */
  readonly groupConsumerMaxSize?: number
  // Both
  /**
   * Bytes that a member may say of itself, and that the leader of a group may give to all together. Default 1,048,588: Kafka stores a group as one
   * record of at most `message.max.bytes`.
   */
  readonly groupMaxMemberBytes?: number
}

/** What holds for the groups of a listener. Without a bound: Infinity. */
export type GroupSettings = { readonly [K in keyof GroupOptions]-?: number }

/** Names of the options. */
export const groupOptionNames: readonly (keyof GroupOptions)[] = [
  'groupMinSessionTimeoutMs', 'groupMaxSessionTimeoutMs', 'groupMaxSize', 'groupInitialRebalanceDelayMs', 'groupConsumerSessionTimeoutMs',
  'groupConsumerMinSessionTimeoutMs', 'groupConsumerMaxSessionTimeoutMs', 'groupConsumerHeartbeatIntervalMs', 'groupConsumerMinHeartbeatIntervalMs',
  'groupConsumerMaxHeartbeatIntervalMs', 'groupConsumerMaxSize', 'groupMaxMemberBytes',
]

const INT32_MAX = 0x7fff_ffff

/** The options of a listener about groups, checked, without those that it was not told. */
export function checkedGroupOptions(given: GroupOptions): GroupOptions {
  for (const name of groupOptionNames) checkInteger(given[name], name, name === 'groupInitialRebalanceDelayMs' ? 0 : 1, INT32_MAX)
  return Object.fromEntries(groupOptionNames.flatMap((name) => (given[name] === undefined ? [] : [[name, given[name]]])))
}

/**
 * What holds, given what the log was opened with.
 *
 * @throws RangeError for options that contradict each other
 */
export function groupSettings(given: GroupOptions, log: Partial<CoreOptions>): GroupSettings {
  const session = given.groupConsumerSessionTimeoutMs ?? log.groupConsumerSessionTimeoutMs ?? 45_000
  const heartbeat = given.groupConsumerHeartbeatIntervalMs ?? log.groupConsumerHeartbeatIntervalMs ?? 5000
  const settings: GroupSettings = {
    groupMinSessionTimeoutMs: given.groupMinSessionTimeoutMs ?? Math.min(6000, given.groupMaxSessionTimeoutMs ?? Infinity),
    groupMaxSessionTimeoutMs: given.groupMaxSessionTimeoutMs ?? Math.max(1_800_000, given.groupMinSessionTimeoutMs ?? 0),
    groupMaxSize: given.groupMaxSize ?? Infinity,
    groupInitialRebalanceDelayMs: given.groupInitialRebalanceDelayMs ?? log.groupInitialRebalanceDelayMs ?? 0,
    groupConsumerSessionTimeoutMs: session,
    groupConsumerMinSessionTimeoutMs: given.groupConsumerMinSessionTimeoutMs ?? Math.min(45_000, session),
    groupConsumerMaxSessionTimeoutMs: given.groupConsumerMaxSessionTimeoutMs ?? Math.max(60_000, session),
    groupConsumerHeartbeatIntervalMs: heartbeat,
    groupConsumerMinHeartbeatIntervalMs: given.groupConsumerMinHeartbeatIntervalMs ?? Math.min(5000, heartbeat),
    groupConsumerMaxHeartbeatIntervalMs: given.groupConsumerMaxHeartbeatIntervalMs ?? Math.max(15_000, heartbeat),
    groupConsumerMaxSize: given.groupConsumerMaxSize ?? log.groupConsumerMaxSize ?? Infinity,
    groupMaxMemberBytes: given.groupMaxMemberBytes ?? 1_048_588,
  }
  checkOrder(given, settings)
  return settings
}

/** Pairs of which the first may not be above the second. */
const ordered: readonly (readonly [lower: keyof GroupOptions, upper: keyof GroupOptions])[] = [
  ['groupMinSessionTimeoutMs', 'groupMaxSessionTimeoutMs'],
  ['groupConsumerMinSessionTimeoutMs', 'groupConsumerSessionTimeoutMs'], ['groupConsumerSessionTimeoutMs', 'groupConsumerMaxSessionTimeoutMs'],
  ['groupConsumerMinHeartbeatIntervalMs', 'groupConsumerHeartbeatIntervalMs'],
  ['groupConsumerHeartbeatIntervalMs', 'groupConsumerMaxHeartbeatIntervalMs'],
  ['groupConsumerHeartbeatIntervalMs', 'groupConsumerSessionTimeoutMs'],
]

function checkOrder(given: GroupOptions, settings: GroupSettings): void {
  for (const [lower, upper] of ordered) {
    if (given[lower] === undefined && given[upper] === undefined) continue
    if (settings[lower] > settings[upper]) throw new RangeError(`${lower} is at most ${upper}, which is ${settings[upper]}, not ${settings[lower]}`)
  }
}
