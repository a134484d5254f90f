/*
 * What the configs of a broker are, by where they come from: set by clients for one broker or for all, by what the listener and the log were
 * opened with, and Kafka's defaults.
 */
import { OFFSETS_TOPIC, TRANSACTIONS_TOPIC } from '../../topics/internal-topics.ts'
import { type TopicSettings } from '../../topics/settings.ts'
import { type Broker } from '../broker.ts'
import { type Cluster } from '../cluster.ts'
import { type GroupSettings } from '../group-options.ts'
import { type ResolvedListener } from '../security/listener-options.ts'
import { brokerConfigs } from './broker-configs.ts'
import { configSources } from './config-types.ts'
import { type Configs, keptConfigs } from './kept-configs.ts'
import { type Synonym } from './shown-config.ts'
import { brokerSynonyms, settingOf } from './topic-configs.ts'
import { settingsOf, textOf } from './topic-settings.ts'

const INT32_MAX = 0x7fff_ffff

/** Kafka 4.1 sets this one when its cluster is made. */
const fromTheBeginning: Configs = new Map([['min.insync.replicas', '1']])

/** Names that one broker config goes by, the one that counts most first. */
const families = [
  ['log.retention.ms', 'log.retention.minutes', 'log.retention.hours'], ['log.roll.ms', 'log.roll.hours'],
  ['log.roll.jitter.ms', 'log.roll.jitter.hours'], ['log.flush.interval.ms', 'log.flush.scheduler.interval.ms'],
]

/** Configs that all brokers have unless they have their own. */
export function clusterDefaults({ kept }: Cluster): Configs {
  return new Map([...fromTheBeginning, ...keptConfigs(kept, 'broker-configs', '')])
}

/** Where a broker's config comes from, the place that counts first; none when nobody says anything. */
export type BrokerSources = (name: string) => readonly Synonym[]

/** The sources of a broker's configs, as they are now. */
export function sourcesOf(cluster: Cluster, broker: Broker): BrokerSources {
  const places: readonly Place[] = [
    [keptConfigs(cluster.kept, 'broker-configs', String(broker.nodeId)), configSources.DYNAMIC_BROKER],
    [clusterDefaults(cluster), configSources.DYNAMIC_DEFAULT_BROKER],
    [staticConfigs(cluster, broker), configSources.STATIC_BROKER],
  ]
  return (name) => sourcesIn(places, name)
}

type Place = readonly [configs: Configs, source: number]

function sourcesIn(places: readonly Place[], name: string): readonly Synonym[] {
  const names = families.find((family) => family.includes(name)) ?? [name]
  const said: Synonym[] = places.flatMap(([configs, source]) => names.flatMap((one) => {
    const value = configs.get(one)
    return value === undefined ? [] : [{ name: one, value, source }]
  }))
  const defaults = names.flatMap((one) => {
    const value = brokerConfigs.get(one)?.default ?? null
    return value === null ? [] : [{ name: one, value, source: configSources.DEFAULT }]
  })
  const all = [...said, ...defaults]
  const own = all.findIndex((synonym) => synonym.name === name)
  return own < 0 ? [] : all.slice(own)
}

/** What topics made over the wire have unless it is said otherwise, where that is not what the log says. */
export function topicDefaults(cluster: Cluster): TopicSettings {
  const dynamic = new Map<string, string>()
  for (const [name, [synonym]] of brokerSynonyms) {
    if (!settingOf.has(name)) continue
    const own = keptConfigs(cluster.kept, 'broker-configs', String(cluster.controller.nodeId)).get(synonym!)
    const text = own ?? clusterDefaults(cluster).get(synonym!)
    if (text !== undefined) dynamic.set(name, text)
  }
  return { ...cluster.options.topicDefaults, ...settingsOf(dynamic) }
}

/** What the broker is, where that is not the default. */
function staticConfigs(cluster: Cluster, { nodeId, rack, addresses }: Broker): Configs {
  const { options, core } = cluster
  const listeners = Array.from(addresses, ([name, { host, port }]) => `${name}://${host}:${port}`).join(',')
  const configs: Record<string, string | number | boolean | undefined> = {
    'node.id': nodeId,
    'broker.id': nodeId,
    'process.roles': 'broker,controller',
    'listeners': listeners,
    'advertised.listeners': listeners,
    'listener.security.protocol.map': options.listeners.map((listener) => `${listener.name}:${protocolOf(listener)}`).join(','),
    'broker.rack': rack ?? undefined,
    'log.dirs': core.folder,
    'num.partitions': options.numPartitions,
    'auto.create.topics.enable': options.autoCreateTopics,
    'socket.request.max.bytes': options.maxRequestBytes,
    'connections.max.idle.ms': options.maxIdleMs,
    'offsets.topic.num.partitions': cluster.topic(OFFSETS_TOPIC)?.partitions ?? 1,
    'offsets.topic.replication.factor': 1,
    'transaction.state.log.num.partitions': cluster.topic(TRANSACTIONS_TOPIC)?.partitions ?? 1,
    'transaction.state.log.replication.factor': 1,
    'transaction.state.log.min.isr': 1,
    ...groupConfigs(cluster.groupSettings),
    'offsets.retention.minutes': minutes(core.options.offsetsRetentionMs),
    'log.retention.check.interval.ms': core.options.logRetentionCheckIntervalMs,
    'log.cleaner.backoff.ms': core.options.logCleanerBackoffMs,
    'log.cleaner.dedupe.buffer.size': core.options.cleanerBufferBytes,
    ...topicOptions(options.topicDefaults),
  }
  const given = Object.entries(configs).filter(([name, value]) => value !== undefined && String(value) !== brokerConfigs.get(name)?.default)
  return new Map(given.map(([name, value]) => [name, String(value)]))
}

/** `groupMaxSize` as `group.max.size`, and so on; those that Kafka has. */
function groupConfigs(settings: GroupSettings): Record<string, number> {
  const named = Object.entries(settings).map(([name, value]) => [kafkaName(name), Math.min(value, INT32_MAX)] as const)
  return Object.fromEntries(named.filter(([name]) => brokerConfigs.has(name)))
}

function kafkaName(option: string): string {
  return option.replace(/[A-Z]/g, (letter) => `.${letter.toLowerCase()}`)
}

/** Kafka's name of how peers come in. */
function protocolOf({ tls, sasl }: ResolvedListener): string {
  if (sasl === undefined) return tls === undefined ? 'PLAINTEXT' : 'SSL'
  return tls === undefined ? 'SASL_PLAINTEXT' : 'SASL_SSL'
}

/** Settings that topics get from the listener's options, where they are not Kafka's defaults. */
function topicOptions(settings: TopicSettings): Record<string, string> {
  const given = Array.from(brokerSynonyms, ([name, [synonym]]) => {
    const setting = settingOf.get(name)
    const value = setting === undefined ? undefined : settings[setting]
    return setting === undefined || value === undefined ? undefined : [synonym!, textOf(setting, value)] as const
  })
  const known = given.filter((one) => one !== undefined)
  // Kafka says these in hours by default.
  return Object.fromEntries(known.filter(([name, text]) => !(['log.retention.ms', 'log.roll.ms'].includes(name) && text === '604800000') &&
    !(name === 'log.roll.jitter.ms' && text === '0')))
}

/** The largest of them stands for never. */
function minutes(ms = Infinity): number {
  return Math.min(INT32_MAX, Math.ceil(ms / 60_000))
}
