/*
 * What the configs of a resource are.
 */
import { kafkaErrors } from '../../format/kafka-errors.ts'
import { type RequestContext } from '../api.ts'
import { wrongTopicName } from '../named-topics.ts'
import { NO_REFUSAL, type Refusal, refusal } from '../refusal.ts'
import { CLUSTER_RESOURCE } from '../security/authorizer.ts'
import { brokerConfigs, dynamicBrokerConfigs } from './broker-configs.ts'
import { type BrokerSources, clusterDefaults } from './broker-sources.ts'
import { configSources, resourceTypes } from './config-types.ts'
import { type Configs, keptConfigs } from './kept-configs.ts'
import { loggersOf } from './loggers.ts'
import { clientMetricsConfigs, groupConfigs } from './other-configs.ts'
import { canonicalText, shown, type ShownConfig } from './shown-config.ts'
import { overridesOf, shownTopic } from './topic-state.ts'

/** Something that has configs. */
export interface ConfigResource {
  /** Of {@link resourceTypes}. */
  readonly type: number
  readonly name: string
}

/** Kafka's words for requests that no client of its own makes. */
const MALFORMED = 'This most likely occurs because of a request being malformed by the client library or the message was sent to an ' +
  'incompatible broker. See the broker logs for more details.'

const { TOPIC, BROKER, BROKER_LOGGER, CLIENT_METRICS, GROUP } = resourceTypes

/** The configs of a resource, or why they are not shown. */
export function describeResource(
  resource: ConfigResource, context: RequestContext, sources: BrokerSources,
): Refusal & { readonly configs: readonly ShownConfig[] } {
  const described = configsOf(resource, context, sources)
  return Array.isArray(described) ? { ...NO_REFUSAL, configs: described } : { ...(described as Refusal), configs: [] }
}

function configsOf(resource: ConfigResource, context: RequestContext, sources: BrokerSources): readonly ShownConfig[] | Refusal {
  const { cluster: { kept }, broker } = context
  const { type, name } = resource
  const hidden = notAllowed(resource, context)
  if (hidden !== undefined) return hidden
  switch (type) {
    case TOPIC: return topic(name, context, sources)
    case BROKER: return name === '' ? brokerDefaults(context) : wrongBroker(name, broker.nodeId, ' or empty string,') ?? brokerNow(context, sources)
    case BROKER_LOGGER:
      if (name === '') return refusal('INVALID_REQUEST', 'Broker id must not be empty')
      return wrongBroker(name, broker.nodeId, '') ?? loggers(context)
    case CLIENT_METRICS:
      if (name === '') return refusal('INVALID_REQUEST', 'Client metrics subscription name must not be empty')
      return subscription(keptConfigs(kept, 'client-metrics-configs', name))
    case GROUP:
      if (name === '') return refusal('INVALID_REQUEST', 'Group name must not be empty')
      return group(keptConfigs(kept, 'group-configs', name), sources)
    default: return refusal('INVALID_REQUEST', MALFORMED)
  }
}

function notAllowed({ type, name }: ConfigResource, { cluster: { authorizer }, connection }: RequestContext): Refusal | undefined {
  const allows = (kind: 'TOPIC' | 'GROUP' | 'CLUSTER', resource: string): boolean => authorizer.allows(connection, 'DESCRIBE_CONFIGS', kind, resource)
  if (type === TOPIC) return allows('TOPIC', name) ? undefined : refusal('TOPIC_AUTHORIZATION_FAILED', 'Topic authorization failed.')
  if (type === GROUP) return allows('GROUP', name) ? undefined : refusal('GROUP_AUTHORIZATION_FAILED', 'Group authorization failed.')
  return allows('CLUSTER', CLUSTER_RESOURCE) ? undefined : refusal('CLUSTER_AUTHORIZATION_FAILED', 'Cluster authorization failed.')
}

function topic(name: string, { cluster }: RequestContext, sources: BrokerSources): readonly ShownConfig[] | Refusal {
  const wrong = wrongTopicName(name)
  if (wrong !== undefined) return refusal('INVALID_TOPIC_EXCEPTION', wrong)
  const entry = cluster.topic(name)
  if (entry === undefined) return { errorCode: kafkaErrors.UNKNOWN_TOPIC_OR_PARTITION, errorMessage: null }
  return shownTopic(cluster, sources, { settings: entry.settings, overrides: overridesOf(cluster, entry) })
}

function wrongBroker(name: string, nodeId: number, or: string): Refusal | undefined {
  if (!/^[+-]?\d{1,10}$/.test(name)) return refusal('INVALID_REQUEST', `Broker id must be an integer, but it is: ${name}`)
  const expected = or === '' ? `expected ${nodeId}` : `expected ${nodeId}${or}`
  return Number(name) === nodeId ? undefined : refusal('INVALID_REQUEST', `Unexpected broker id, ${expected} but received ${name}`)
}

function brokerNow({ cluster, broker }: RequestContext, sources: BrokerSources): readonly ShownConfig[] {
  const kept = keptConfigs(cluster.kept, 'broker-configs', String(broker.nodeId))
  const extra = [...kept.keys(), ...clusterDefaults(cluster).keys()].filter((name) => !brokerConfigs.has(name))
  const known = Array.from(brokerConfigs.values(), (definition) => {
    const synonyms = sources(definition.name)
    const readOnly = !dynamicBrokerConfigs.has(definition.name)
    return shown(definition, { value: synonyms[0]?.value ?? null, source: configSources.DEFAULT, readOnly, synonyms })
  })
  return [...known, ...Array.from(new Set(extra), (name) => beyondTheTable(name, sources))]
}

/** What nobody knows may be a secret. */
function beyondTheTable(name: string, sources: BrokerSources): ShownConfig {
  const synonyms = sources(name)
  const state = { value: synonyms[0]?.value ?? null, source: configSources.DEFAULT, readOnly: true, synonyms }
  const definition = dynamicBrokerConfigs.get(name)
  if (definition !== undefined) return shown(definition, state)
  return { ...shown({ name, type: 'PASSWORD', default: null }, state), configType: 0 }
}

function brokerDefaults({ cluster }: RequestContext): readonly ShownConfig[] {
  return Array.from(clusterDefaults(cluster), ([name, text]) => {
    const definition = dynamicBrokerConfigs.get(name) ?? { name, type: 'PASSWORD' as const, default: null }
    const synonyms = [{ name, value: text, source: configSources.DYNAMIC_DEFAULT_BROKER }]
    return shown(definition, { value: text, source: configSources.DEFAULT, readOnly: !brokerConfigs.has(name), synonyms })
  })
}

function loggers({ cluster }: RequestContext): readonly ShownConfig[] {
  return Array.from(loggersOf(cluster), ([name, value]) => ({
    name, value, readOnly: false, configSource: configSources.DYNAMIC_BROKER_LOGGER, isSensitive: false, synonyms: [], configType: 0,
  }))
}

/** A group that has not its own does as the broker says. */
function group(kept: Configs, sources: BrokerSources): readonly ShownConfig[] {
  return Array.from(groupConfigs.values(), (definition) => {
    const { name } = definition
    const text = kept.get(name)
    const value = text === undefined ? sources(`group.${name}`)[0]?.value ?? definition.default : canonicalText(definition, text)
    const source = text === undefined ? configSources.DEFAULT : configSources.DYNAMIC_GROUP
    return shown(definition, { value, source, readOnly: false, synonyms: [{ name, value, source }] })
  })
}

function subscription(kept: Configs): readonly ShownConfig[] {
  const source = configSources.DYNAMIC_CLIENT_METRICS
  return Array.from(clientMetricsConfigs.values(), (definition) => {
    const { name } = definition
    const text = kept.get(name)
    if (text === undefined) return shown(definition, { value: definition.default, source: configSources.DEFAULT, readOnly: false, synonyms: [] })
    const value = canonicalText(definition, text)
    return shown(definition, { value, source, readOnly: false, synonyms: [{ name, value, source }] })
  })
}
