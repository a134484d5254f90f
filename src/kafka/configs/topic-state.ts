/*
 * The configs of a topic: which of them somebody set, and what all of them are.
 */
import { uuidText } from '../../format/uuid.ts'
import { defaultLogConfig } from '../../log/config.ts'
import { type TopicEntry } from '../../topics/catalog.ts'
import { type TopicSettings } from '../../topics/settings.ts'
import { type Cluster } from '../cluster.ts'
import { type BrokerSources, topicDefaults } from './broker-sources.ts'
import { type ConfigDefinition, configSources } from './config-types.ts'
import { type Configs, keptConfigs } from './kept-configs.ts'
import { canonicalText, shown, type ShownConfig, type Synonym } from './shown-config.ts'
import { brokerSynonyms, settingOf, topicConfigs } from './topic-configs.ts'
import { INTERNAL_SEGMENT_BYTES, settingsOf, textOf } from './topic-settings.ts'

/** A topic, as far as its configs go. */
export interface TopicState {
  /** What the catalog says of it. */
  readonly settings: TopicSettings
  /** What was set for it, by clients or by the program. */
  readonly overrides: Configs
}

/** What was set for a topic. What the program changed since counts, and not what a client set before. */
export function overridesOf(cluster: Cluster, { id, settings }: TopicEntry): Configs {
  const kept = keptConfigs(cluster.kept, 'topic-configs', uuidText(id))
  const meant = settingsOf(kept)
  const defaults = topicDefaults(cluster)
  const overrides = new Map<string, string>()
  for (const name of [...topicConfigs.keys(), INTERNAL_SEGMENT_BYTES]) {
    const text = kept.get(name)
    const setting = name === INTERNAL_SEGMENT_BYTES ? 'segmentBytes' : settingOf.get(name)
    if (setting === undefined || (meant[setting] !== undefined && meant[setting] === settings[setting])) {
      if (text !== undefined) overrides.set(name, text)
      continue
    }
    const value = settings[setting]
    const usual = value === undefined || value === (defaults[setting] ?? defaultLogConfig[setting])
    if (!usual && name !== INTERNAL_SEGMENT_BYTES) overrides.set(name, textOf(setting, value))
  }
  return overrides
}

/** All configs of a topic, as a broker shows them. */
export function shownTopic(cluster: Cluster, sources: BrokerSources, topic: TopicState): ShownConfig[] {
  const meant = settingsOf(topic.overrides)
  const known = Array.from(topicConfigs.values(), (definition) => shownTopicConfig(cluster, sources, definition, topic, meant))
  const internal = topic.overrides.get(INTERNAL_SEGMENT_BYTES)
  return internal === undefined ? known : [...known, shownOverride({ name: INTERNAL_SEGMENT_BYTES, type: 'INT', default: null }, internal, [])]
}

function shownTopicConfig(
  cluster: Cluster, brokerSources: BrokerSources, definition: ConfigDefinition, { settings, overrides }: TopicState, meant: TopicSettings,
): ShownConfig {
  const { name } = definition
  const [synonym] = brokerSynonyms.get(name) ?? []
  const sources = synonym === undefined ? [] : brokerSources(synonym)
  const override = overrides.get(name)
  if (override !== undefined) return shownOverride(definition, override, sources)
  const usual = sources[0]?.value ?? definition.default
  const setting = settingOf.get(name)
  const state = { value: usual, source: configSources.DEFAULT, readOnly: false, synonyms: sources }
  // What another config brings with it is not said of this one.
  if (setting === undefined || meant[setting] !== undefined) return shown(definition, state)
  const ofLog = cluster.core.options.settings[setting]
  const value = textOf(setting, settings[setting] ?? ofLog ?? defaultLogConfig[setting])
  if (value === usual) return shown(definition, state)
  const source = ofLog === undefined ? configSources.DEFAULT : configSources.STATIC_BROKER
  return shown(definition, { ...state, value, source, synonyms: synonym === undefined ? [] : [{ name: synonym, value, source }] })
}

function shownOverride(definition: ConfigDefinition, text: string, sources: readonly Synonym[]): ShownConfig {
  const value = canonicalText(definition, text)
  const own = { name: definition.name, value, source: configSources.DYNAMIC_TOPIC }
  return shown(definition, { value, source: configSources.DYNAMIC_TOPIC, readOnly: false, synonyms: [own, ...sources] })
}
