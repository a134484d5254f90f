/*
 * What `listen` may be told, checked, with its defaults.
 */
import { checkBoolean, checkFunction, checkInteger, checkOptions, checkSignal } from '../base/options.ts'
import { checkedSettings, settingNames, type TopicSettings } from '../topics/settings.ts'
import { type ListenerEvents } from './events.ts'
import { checkedGroupOptions, type GroupOptions, groupOptionNames } from './group-options.ts'
import { type AclRules } from './security/acl-authorizer.ts'
import { type AclOptions, resolvedAuthorizer } from './security/authorizer-options.ts'
import { type Authorizer } from './security/authorizer.ts'
import {
  listenerOptionNames, type ListenerOptions, type NamedListenerOptions, type ResolvedListener, resolvedListeners,
} from './security/listener-options.ts'

/** What `listen` may be told. */
export interface ListenOptions extends ListenerOptions, GroupOptions {
  // Where
  /** Several ways in, each with a port of every broker, in place of `port`, `host`, `advertisedHost`, `tls` and `sasl`. */
  readonly listeners?: readonly NamedListenerOptions[]
  /** Brokers, each with a port and a node id of its own, over one log. Default 1. */
  readonly brokers?: number
  /** Kafka's `node.id` of the first broker, from 0 on; those behind it count on. Default that of the log: 1, or what a Kafka's folder says. */
  readonly nodeId?: number
  // Topics
  /** Make a topic that a client asks for when there is none. Default true. */
  readonly autoCreateTopics?: boolean
  /** Partitions of a topic whose maker does not say. Default 1. */
  readonly numPartitions?: number
  /** Settings of topics made over the wire that differ from Kafka's defaults. */
  readonly topicDefaults?: TopicSettings
  // Who may do what
  /** Decides what clients may do: by ACLs (`true`: those that clients make), or by a function of yours. Default: they may do everything. */
  readonly authorizer?: true | AclOptions | Authorizer
  // Limits
  /** Connections at a time, of all brokers. Default 1,000. */
  readonly maxConnections?: number
  /** Bytes of one request. Default 100 MiB, as Kafka's `socket.request.max.bytes`. */
  readonly maxRequestBytes?: number
  /** Bytes of requests in memory, of all connections; beyond it no more is read from most of them. Default 256 MiB. */
  readonly maxBufferedBytes?: number
  /** Ms in which a connection must have sent its first request, and each request that has begun must be whole. Default 30 seconds. */
  readonly requestTimeoutMs?: number
  /** Ms after which a connection that says nothing is closed. Default ten minutes, as Kafka's `connections.max.idle.ms`. */
  readonly maxIdleMs?: number
  // Listening
  /** Called with what happens at the listener. */
  readonly onEvent?: ListenerEvents
  /** Closes the listener. */
  readonly signal?: AbortSignal
}

/** The options as they hold. */
export type ResolvedOptions =
  & Required<Omit<ListenOptions, 'onEvent' | 'signal' | 'listeners' | 'authorizer' | 'nodeId' | keyof ListenerOptions | keyof GroupOptions>>
  & Pick<ListenOptions, 'onEvent' | 'signal' | 'nodeId'>
  & { readonly listeners: readonly ResolvedListener[]; readonly authorizer: Authorizer | AclRules | undefined }
  & { readonly groups: GroupOptions }

const names = [
  ...listenerOptionNames, ...groupOptionNames, 'listeners', 'authorizer', 'brokers', 'nodeId', 'autoCreateTopics', 'numPartitions', 'topicDefaults',
  'maxConnections', 'maxRequestBytes', 'maxBufferedBytes', 'requestTimeoutMs', 'maxIdleMs', 'onEvent', 'signal',
]

const MIB = 1024 * 1024
const DAY_MS = 24 * 60 * 60 * 1000
const MAX_BROKERS = 100
const INT32_MAX = 0x7fff_ffff

/** Kafka's defaults where ours differ: a topic made over the wire behaves as its maker expects. */
const kafkaDefaults: TopicSettings = {
  retentionMs: 7 * DAY_MS, segmentBytes: 1024 * MIB, segmentMs: 7 * DAY_MS, messageTimestampAfterMaxMs: 60 * 60 * 1000,
}

/** Checks what `listen` was told. */
export function resolvedOptions(given: ListenOptions = {}): ResolvedOptions {
  checkOptions(given, names, 'listen')
  const { listeners, brokers, nodeId, numPartitions, topicDefaults, onEvent, signal } = given
  checkInteger(brokers, 'brokers', 1, MAX_BROKERS)
  checkInteger(nodeId, 'nodeId', 0, INT32_MAX - MAX_BROKERS)
  checkBoolean(given.autoCreateTopics, 'autoCreateTopics')
  checkInteger(numPartitions, 'numPartitions', 1, 100_000)
  checkOptions(topicDefaults, settingNames, 'topicDefaults of listen')
  checkInteger(given.maxConnections, 'maxConnections', 1, INT32_MAX)
  checkInteger(given.maxRequestBytes, 'maxRequestBytes', 1024, INT32_MAX)
  checkInteger(given.maxBufferedBytes, 'maxBufferedBytes', 1024)
  checkInteger(given.requestTimeoutMs, 'requestTimeoutMs', 1, INT32_MAX)
  checkInteger(given.maxIdleMs, 'maxIdleMs', 1, INT32_MAX)
  checkFunction(onEvent, 'onEvent')
  checkSignal(signal)
  return {
    listeners: resolvedListeners(given, listeners),
    authorizer: resolvedAuthorizer(given.authorizer),
    groups: checkedGroupOptions(given),
    brokers: brokers ?? 1,
    autoCreateTopics: given.autoCreateTopics ?? true,
    numPartitions: numPartitions ?? 1,
    topicDefaults: { ...kafkaDefaults, ...checkedSettings({ ...topicDefaults }, 'topicDefaults of listen') },
    maxConnections: given.maxConnections ?? 1000,
    maxRequestBytes: given.maxRequestBytes ?? 100 * MIB,
    maxBufferedBytes: given.maxBufferedBytes ?? 256 * MIB,
    requestTimeoutMs: given.requestTimeoutMs ?? 30_000,
    maxIdleMs: given.maxIdleMs ?? 10 * 60_000,
    ...(nodeId !== undefined && { nodeId }),
    ...(onEvent !== undefined && { onEvent }),
    ...(signal !== undefined && { signal }),
  }
}
