/*
 * What the configs that clients set mean for the settings of a topic, and back. A value that our settings do not go to is honoured as far as they
 * do, and shown as it was set.
 */
import { kafkaSettingName } from '../../topics/kafka-settings.ts'
import { checkedSettings, type TopicSettings } from '../../topics/settings.ts'
import { type LogConfig } from '../../log/config.ts'
import { partsOf } from './config-types.ts'
import { type Configs } from './kept-configs.ts'
import { doubleText } from './shown-config.ts'
import { settingOf, topicConfigs } from './topic-configs.ts'

/** A name that Kafka does not show: segments smaller than `segment.bytes` may say, for tests. */
export const INTERNAL_SEGMENT_BYTES = 'internal.segment.bytes'

const INT32_MAX = 0x7fff_ffff
const LONG_MAX = '9223372036854775807'

/** Where our settings do not go as far as Kafka's. */
const limits: { readonly [Name in keyof LogConfig]?: readonly [least: number, most: number] } = {
  maxMessageBytes: [100, INT32_MAX],
  fileDeleteDelayMs: [0, INT32_MAX],
  segmentIndexBytes: [24, INT32_MAX],
  segmentBytes: [14, INT32_MAX],
}

/** No limit is −1 for these, and Kafka's largest number for the others. */
const minusOne: readonly string[] = ['retention.ms', 'retention.bytes']

/** The settings that configs mean; those must be what a topic can have. */
export function settingsOf(configs: Configs): TopicSettings {
  const settings: Record<string, unknown> = {}
  for (const [name, text] of configs) {
    const setting = settingOf.get(name)
    if (setting !== undefined) settings[setting] = settingValue(name, setting, text)
  }
  const internal = configs.get(INTERNAL_SEGMENT_BYTES)
  if (internal !== undefined) settings.segmentBytes = clamped('segmentBytes', Number(internal))
  // Neither deletion nor compaction: all stays.
  if (settings.cleanupPolicy === '') Object.assign(settings, { cleanupPolicy: 'delete', retentionMs: Infinity, retentionBytes: Infinity })
  return checkedSettings(settings, 'the topic')
}

function settingValue(name: string, setting: keyof LogConfig, text: string): unknown {
  const { type } = topicConfigs.get(name)!
  if (type === 'LIST') return Array.from(new Set(partsOf(text))).sort().join(',')
  if (type === 'STRING') return text.trim()
  const value = Number(text)
  const unlimited = minusOne.includes(name) ? value < 0 : value > Number.MAX_SAFE_INTEGER
  return clamped(setting, unlimited || value > Number.MAX_SAFE_INTEGER ? Infinity : value)
}

function clamped(setting: keyof LogConfig, value: number): number {
  const [least, most] = limits[setting] ?? [-Infinity, Infinity]
  return Math.min(most, Math.max(least, value))
}

/** A setting as Kafka writes it. */
export function textOf(setting: keyof LogConfig, value: LogConfig[keyof LogConfig]): string {
  const name = kafkaSettingName(setting)
  if (value === Infinity) return minusOne.includes(name) ? '-1' : LONG_MAX
  return topicConfigs.get(name)?.type === 'DOUBLE' ? doubleText(Number(value)) : String(value)
}
