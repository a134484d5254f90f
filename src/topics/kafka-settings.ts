/*
 * Settings of topics as Kafka writes them: `retention.ms=-1`. Names are Kafka's with dots, or ours; values are text. What they mean and which
 * are allowed is said in settings.ts.
 */
import { closest } from '../base/options.ts'
import { type LogConfig, defaultLogConfig } from '../log/config.ts'
import { checkedSettings, settingNames, type TopicSettings } from './settings.ts'

/** Kafka's largest number: no limit. */
const NO_LIMIT = 2n ** 63n - 1n

/** Kafka's name of a setting of ours: `retentionMs` is `retention.ms`. */
export function kafkaSettingName(name: keyof LogConfig): string {
  return name.replace(/[A-Z]/g, (letter) => `.${letter.toLowerCase()}`)
}

/** Our name of a setting by either name; undefined when there is none. */
export function settingNamed(name: string): keyof LogConfig | undefined {
  const camel = name.replace(/\.([a-z])/g, (_, letter: string) => letter.toUpperCase())
  return settingNames.find((known) => known === camel)
}

/**
 * As {@link settingNamed}, of a name that must be one.
 *
 * @throws TypeError with what comes close
 */
export function knownSetting(name: string): keyof LogConfig {
  const known = settingNamed(name)
  if (known !== undefined) return known
  const meant = closest(name, name.includes('.') ? settingNames.map(kafkaSettingName) : settingNames)
  throw new TypeError(`there is no setting "${name}"${meant === undefined ? '' : `: did you mean "${meant}"?`}`)
}

/** A value as Kafka writes it; no limit is −1. */
export function settingText(value: LogConfig[keyof LogConfig]): string {
  return value === Infinity ? '-1' : String(value)
}

/**
 * The setting that a name and a text mean, checked.
 *
 * @throws TypeError or RangeError for a name that there is not and a value that cannot be
 */
export function settingFromText(name: string, text: string, where: string): TopicSettings {
  const known = knownSetting(name)
  return checkedSettings({ [known]: valueOf(known, text) }, where)
}

function valueOf(name: keyof LogConfig, text: string): unknown {
  if (typeof defaultLogConfig[name] === 'number') return numberOf(name, text)
  if (name !== 'cleanupPolicy') return text
  // Kafka takes the policies in any order.
  return text.split(',').map((policy) => policy.trim()).sort().join(',')
}

function numberOf(name: keyof LogConfig, text: string): number {
  const given = text.trim()
  if (given === '-1' || given === 'Infinity') return Infinity
  if (/^\d{1,19}$/.test(given)) return BigInt(given) === NO_LIMIT ? Infinity : Number(given)
  if (/^\d+\.\d+$/.test(given)) return Number(given)
  const unit = name.endsWith('Ms') ? ' of milliseconds' : name.endsWith('Bytes') ? ' of bytes' : ''
  const unlimited = defaultLogConfig[name] === Infinity ? ', or -1 for no limit' : ''
  throw new TypeError(`${kafkaSettingName(name)} is a ${unit === '' ? 'number' : 'whole number'}${unit}${unlimited}, not ${JSON.stringify(text)}`)
}
