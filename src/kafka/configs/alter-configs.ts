/*
 * Changes configs of resources, each by itself: what may be is applied, as far as it is a setting of ours, and kept as it was written.
 */
import { uuidText } from '../../format/uuid.ts'
import { defaultLogConfig } from '../../log/config.ts'
import { isInternalTopic } from '../../topics/internal-topics.ts'
import { type TopicChanges } from '../../topics/topic-admin.ts'
import { settingNames, type TopicSettings } from '../../topics/settings.ts'
import { type RequestContext } from '../api.ts'
import { type Cluster } from '../cluster.ts'
import { duplicates, wrongTopicName } from '../named-topics.ts'
import { NO_REFUSAL, type Refusal, refusal, refusalOf } from '../refusal.ts'
import { CLUSTER_RESOURCE } from '../security/authorizer.ts'
import { brokerConfigs, dynamicBrokerConfigs } from './broker-configs.ts'
import { clusterDefaults, sourcesOf, topicDefaults } from './broker-sources.ts'
import { wrongBrokerConfigs, wrongGroupConfigs, wrongMetricsConfigs, wrongTopicConfigs } from './check-configs.ts'
import { changed, type ConfigChange, operations } from './config-operations.ts'
import { type ConfigTable, resourceTypes } from './config-types.ts'
import { type Configs, type ConfigSection, keepConfigs, keptConfigs } from './kept-configs.ts'
import { setLevels, wrongLevels } from './loggers.ts'
import { clientMetricsConfigs, groupConfigBounds, groupConfigs } from './other-configs.ts'
import { topicConfigs } from './topic-configs.ts'
import { settingsOf } from './topic-settings.ts'
import { overridesOf } from './topic-state.ts'

/** What is asked of a resource. */
interface Alteration {
  readonly resourceType: number
  readonly resourceName: string
  readonly configs: readonly ConfigChange[]
  /** What is not named goes back to its default. */
  readonly whole: boolean
}

/** What is answered for a resource. */
export type Altered = Refusal & { readonly resourceType: number; readonly resourceName: string }

const { TOPIC, BROKER, BROKER_LOGGER, CLIENT_METRICS, GROUP } = resourceTypes

/** Changes single configs. */
export function changeConfigs(
  resources: readonly Omit<Alteration, 'whole'>[], validateOnly: boolean, context: RequestContext,
): Promise<Altered[]> {
  return alterAll(resources.map((resource) => ({ ...resource, whole: false })), validateOnly, context)
}

/** Replaces all configs of resources. */
export function replaceConfigs(
  resources: readonly { resourceType: number; resourceName: string; configs: readonly { name: string; value: string | null }[] }[],
  validateOnly: boolean, context: RequestContext,
): Promise<Altered[]> {
  const whole = resources.map(({ configs, ...resource }) => {
    return { ...resource, configs: configs.map((config) => ({ ...config, configOperation: operations.SET })), whole: true }
  })
  return alterAll(whole, validateOnly, context)
}

async function alterAll(resources: readonly Alteration[], validateOnly: boolean, context: RequestContext): Promise<Altered[]> {
  const key = ({ resourceType, resourceName }: Alteration): string => `${resourceType} ${resourceName}`
  const twice = duplicates(resources.map(key))
  const results: Altered[] = []
  for (const resource of resources) {
    // Nobody waits for the rest any more.
    if (context.connection.gone) break
    const { resourceType, resourceName } = resource
    const wrong = twice.has(key(resource)) ? refusal('INVALID_REQUEST', 'Each resource must appear at most once.') : wrongRequest(resource, context)
    results.push({ ...(wrong ?? (await inTurn(context.cluster, () => alter(resource, validateOnly, context)))), resourceType, resourceName })
  }
  return results
}

/** What Kafka's broker says before its controller is asked. */
function wrongRequest({ resourceType, resourceName, configs, whole }: Alteration, { broker }: RequestContext): Refusal | undefined {
  const wrong = (reason: string): Refusal => refusal('INVALID_REQUEST', reason)
  if (duplicates(configs.map(({ name }) => name)).size > 0) return wrong('Error due to duplicate config keys')
  const nulls = configs.filter(({ configOperation, value }) => configOperation !== operations.DELETE && value === null)
  if (nulls.length > 0) return wrong(`Null value not supported for : ${nulls.map(({ name }) => name).join(', ')}`)
  switch (resourceType) {
    case TOPIC: case CLIENT_METRICS: case GROUP: return undefined
    case BROKER: return resourceName === '' ? undefined : wrongNode(resourceName, broker.nodeId, 'Unexpected broker id, expected')
    case BROKER_LOGGER: if (!whole) return wrongNode(resourceName, broker.nodeId, 'Unexpected node id. Expected')
  }
  return wrong(`Unknown resource type ${resourceType}`)
}

function wrongNode(name: string, nodeId: number, expected: string): Refusal | undefined {
  if (!/^[+-]?\d{1,10}$/.test(name)) return refusal('INVALID_REQUEST', `Node id must be an integer, but it is: ${name}`)
  return Number(name) === nodeId ? undefined : refusal('INVALID_REQUEST', `${expected} ${nodeId}, but received ${name}`)
}

async function alter(resource: Alteration, validateOnly: boolean, context: RequestContext): Promise<Refusal> {
  const hidden = notAllowed(resource, context)
  if (hidden !== undefined) return hidden
  try {
    switch (resource.resourceType) {
      case TOPIC: return await alterTopic(resource, validateOnly, context)
      case BROKER: return await alterBroker(resource, validateOnly, context)
      case BROKER_LOGGER: return alterLoggers(resource, validateOnly, context)
      case GROUP: return await alterKept(resource, validateOnly, context, ofGroups)
      default: return await alterKept(resource, validateOnly, context, ofMetrics)
    }
  } catch (error) {
    return refusalOf(error)
  }
}

function notAllowed({ resourceType, resourceName }: Alteration, { cluster: { authorizer }, connection }: RequestContext): Refusal | undefined {
  const allows = (type: 'TOPIC' | 'GROUP' | 'CLUSTER', name: string): boolean => authorizer.allows(connection, 'ALTER_CONFIGS', type, name)
  if (resourceType === TOPIC) return allows('TOPIC', resourceName) ? undefined : refusal('TOPIC_AUTHORIZATION_FAILED', 'Topic authorization failed.')
  if (resourceType === GROUP) return allows('GROUP', resourceName) ? undefined : refusal('GROUP_AUTHORIZATION_FAILED', 'Group authorization failed.')
  return allows('CLUSTER', CLUSTER_RESOURCE) ? undefined : refusal('CLUSTER_AUTHORIZATION_FAILED', 'Cluster authorization failed.')
}

/* ---- topics ---- */

async function alterTopic({ resourceName: name, configs, whole }: Alteration, validateOnly: boolean, { cluster }: RequestContext): Promise<Refusal> {
  if (name === '') return refusal('INVALID_REQUEST', 'Default topic resources are not allowed.')
  const wrongName = wrongTopicName(name)
  if (wrongName !== undefined) return refusal('INVALID_TOPIC_EXCEPTION', wrongName)
  const entry = cluster.topic(name)
  if (entry === undefined) return refusal('UNKNOWN_TOPIC_OR_PARTITION', `The topic '${name}' does not exist.`)
  const before = overridesOf(cluster, entry)
  const next = changed(whole ? new Map() : before, configs, topicConfigs, (config) => topicConfigs.get(config)?.default ?? null)
  if (!(next instanceof Map)) return next as Refusal
  const wrong = wrongTopicConfigs(next)
  if (wrong !== undefined || validateOnly) return wrong ?? NO_REFUSAL
  const changes = settingChanges(settingsOf(before), settingsOf(next), topicDefaults(cluster))
  if (Object.keys(changes).length > 0) await cluster.core.admin.alter(name, changes)
  await keepConfigs(cluster.kept, 'topic-configs', uuidText(entry.id), () => next, (id) => cluster.topicById(id) !== undefined)
  return NO_REFUSAL
}

/** What changes in a topic's settings; what is set no longer goes back to what topics usually have. */
function settingChanges(before: TopicSettings, after: TopicSettings, usual: TopicSettings): TopicChanges {
  const touched = settingNames.filter((name) => before[name] !== after[name])
  return Object.fromEntries(touched.map((name) => [name, after[name] ?? usual[name] ?? null]))
}

/* ---- brokers ---- */

async function alterBroker({ resourceName: name, configs, whole }: Alteration, validateOnly: boolean, context: RequestContext): Promise<Refusal> {
  const { cluster, broker } = context
  const kept = name === '' ? clusterDefaults(cluster) : keptConfigs(cluster.kept, 'broker-configs', name)
  const next = changed(whole ? new Map() : kept, configs, dynamicBrokerConfigs, (config) => brokerConfigs.get(config)?.default ?? null)
  if (!(next instanceof Map)) return next as Refusal
  const sources = sourcesOf(cluster, broker)
  const wrong = wrongBrokerConfigs(next, (config) => sources(config)[0]?.value ?? undefined)
  if (wrong !== undefined || validateOnly) return wrong ?? NO_REFUSAL
  const before = topicDefaults(cluster)
  const users = cluster.topics.filter((entry) => !isInternalTopic(entry.name))
  const topics = users.map((entry) => ({ entry, own: settingsOf(overridesOf(cluster, entry)) }))
  await keepConfigs(cluster.kept, 'broker-configs', name, () => next)
  const after = topicDefaults(cluster)
  // Topics that have what topics usually had, have what they usually have from now on.
  for (const { entry, own } of topics) {
    const names = settingNames.filter((setting) => own[setting] === undefined && usual(before, setting) !== usual(after, setting) &&
      usual(entry.settings, setting) === usual(before, setting))
    const changes = Object.fromEntries(names.map((setting) => [setting, after[setting] ?? null]))
    if (names.length > 0) await cluster.core.admin.alter(entry.name, changes)
  }
  return NO_REFUSAL
}

function usual(settings: TopicSettings, name: keyof TopicSettings): unknown {
  return settings[name] ?? defaultLogConfig[name]
}

function alterLoggers({ configs }: Alteration, validateOnly: boolean, { cluster }: RequestContext): Refusal {
  const wrong = wrongLevels(cluster, configs)
  if (wrong === undefined && !validateOnly) setLevels(cluster, configs)
  return wrong ?? NO_REFUSAL
}

/* ---- what is only kept ---- */

interface KeptKind {
  readonly section: ConfigSection
  readonly table: ConfigTable
  readonly wrong: (configs: Configs, cluster: Cluster) => Refusal | undefined
  readonly nameless: string
}

const ofGroups: KeptKind = {
  section: 'group-configs', table: groupConfigs, nameless: 'Default group resources are not allowed.',
  wrong: (configs, { groupSettings }) => wrongGroupConfigs(configs, groupConfigBounds(groupSettings)),
}
const ofMetrics: KeptKind = {
  section: 'client-metrics-configs', table: clientMetricsConfigs, wrong: wrongMetricsConfigs, nameless: 'Subscription name can\'t be empty',
}

async function alterKept(
  { resourceName: name, configs, whole }: Alteration, validateOnly: boolean, { cluster }: RequestContext, kind: KeptKind,
): Promise<Refusal> {
  const { kept } = cluster
  if (name === '') return refusal('INVALID_REQUEST', kind.nameless)
  const before = keptConfigs(kept, kind.section, name)
  const next = changed(whole ? new Map() : before, configs, kind.table, (config) => kind.table.get(config)?.default ?? null)
  if (!(next instanceof Map)) return next as Refusal
  const wrong = kind.wrong(next, cluster)
  if (wrong !== undefined || validateOnly) return wrong ?? NO_REFUSAL
  await keepConfigs(kept, kind.section, name, () => next)
  return NO_REFUSAL
}

/* ---- one after the other ---- */

const turns = new WeakMap<Cluster['core'], Promise<unknown>>()

/** Runs changes of configs one after the other: each begins with what is there. */
function inTurn<T>(cluster: Cluster, work: () => Promise<T>): Promise<T> {
  const result = (turns.get(cluster.core) ?? Promise.resolve()).then(work)
  turns.set(cluster.core, result.catch(() => {}))
  return result
}
