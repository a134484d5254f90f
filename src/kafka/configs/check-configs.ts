/*
 * Whether resources may have the configs that are asked for, with what Kafka says when they may not. What is checked is the whole that a resource
 * would have.
 */
import { type Refusal, refusal } from '../refusal.ts'
import { brokerConfigs, dynamicBrokerConfigs } from './broker-configs.ts'
import { type ConfigTable, partsOf, wrongValue } from './config-types.ts'
import { type Configs } from './kept-configs.ts'
import { clientMetricsConfigs, type ConfigBounds, groupConfigs } from './other-configs.ts'
import { topicConfigs } from './topic-configs.ts'
import { INTERNAL_SEGMENT_BYTES } from './topic-settings.ts'

const LONG_MAX = '9223372036854775807'
const internalSegmentBytes = { name: INTERNAL_SEGMENT_BYTES, type: 'INT', default: null, min: 14 } as const
const threadCounts = ['background.threads', 'num.io.threads', 'num.network.threads', 'num.recovery.threads.per.data.dir', 'num.replica.fetchers']
/** TLS, SASL and listeners are what the listener was opened with. */
const ofListeners = /^(?:listener\.name\.|ssl\.|sasl\.|principal\.builder\.class$|listeners$|listener\.security\.protocol\.map$|metric\.reporters$)/
/** How logins are renewed may be told to a whole broker. */
const ofLogins = /^sasl\.(?:kerberos|login\.refresh)\./
const clientKeys = [
  'client_instance_id', 'client_id', 'client_software_name', 'client_software_version', 'client_source_address', 'client_source_port',
]
const SHORTEST_INTERVAL_MS = 100
const LONGEST_INTERVAL_MS = 3_600_000

/** Of a topic. */
export function wrongTopicConfigs(configs: Configs): Refusal | undefined {
  const wrong = (reason: string): Refusal => refusal('INVALID_CONFIG', reason)
  for (const name of configs.keys()) {
    if (!topicConfigs.has(name) && name !== INTERNAL_SEGMENT_BYTES) return wrong(`Unknown topic config name: ${name}`)
  }
  for (const [name, text] of configs) {
    const reason = wrongValue(topicConfigs.get(name) ?? internalSegmentBytes, text)
    if (reason !== undefined) return wrong(reason)
  }
  const [least, most] = [BigInt(configs.get('min.compaction.lag.ms') ?? 0), BigInt(configs.get('max.compaction.lag.ms') ?? LONG_MAX)]
  if (least > most) return wrong(`conflict topic config setting min.compaction.lag.ms (${least}) > max.compaction.lag.ms (${most})`)
  if (configs.get('remote.storage.enable')?.trim().toLowerCase() !== 'true') return undefined
  return wrong('Tiered Storage functionality is disabled in the broker. Topic cannot be configured with remote log storage.')
}

/** Of a broker, or of all of them. */
export function wrongBrokerConfigs(configs: Configs, now: (name: string) => string | undefined): Refusal | undefined {
  const wrong = (reason: string): Refusal => refusal('INVALID_REQUEST', reason)
  const readOnly = Array.from(configs.keys()).filter((name) => brokerConfigs.has(name) && !dynamicBrokerConfigs.has(name))
  if (readOnly.length > 0) return wrong(`Cannot update these configs dynamically: Set(${readOnly.join(', ')})`)
  const fixed = Array.from(configs.keys()).filter((name) => ofListeners.test(name) && !ofLogins.test(name))
  if (fixed.length > 0) {
    return wrong(`These security configs can be dynamically updated only per-listener using the listener prefix: HashSet(${fixed.join(', ')})`)
  }
  for (const [name, text] of configs) {
    const definition = dynamicBrokerConfigs.get(name)
    const reason = definition === undefined ? undefined : wrongValue(definition, text) ?? wrongThreads(name, Number(text), Number(now(name)))
    if (reason !== undefined) return wrong(reason)
  }
  return undefined
}

/** Of a group, for which a broker has bounds. */
export function wrongGroupConfigs(configs: Configs, bounds: ConfigBounds): Refusal | undefined {
  const reason = wrongIn(groupConfigs, configs, 'group') ?? wrongReset(configs.get('share.auto.offset.reset')) ?? outOfBounds(configs, bounds)
  return reason === undefined ? undefined : refusal('INVALID_CONFIG', reason)
}

/** Of a subscription to metrics. */
export function wrongMetricsConfigs(configs: Configs): Refusal | undefined {
  for (const name of configs.keys()) {
    if (!clientMetricsConfigs.has(name)) return refusal('INVALID_REQUEST', `Unknown client metrics configuration: ${name}`)
  }
  const interval = configs.get('interval.ms')
  if (interval !== undefined && !(Number(interval) >= SHORTEST_INTERVAL_MS && Number(interval) <= LONGEST_INTERVAL_MS)) {
    const between = `interval must be between ${SHORTEST_INTERVAL_MS} and ${LONGEST_INTERVAL_MS} (1 hour)`
    return refusal('INVALID_REQUEST', `Invalid value ${interval} for interval.ms, ${between}`)
  }
  const pattern = partsOf(configs.get('match') ?? '').find((part) => !isClientPattern(part))
  return pattern === undefined ? undefined : refusal('INVALID_CONFIG', `Illegal client matching pattern: ${pattern}`)
}

function wrongIn(table: ConfigTable, configs: Configs, kind: string): string | undefined {
  for (const name of configs.keys()) if (!table.has(name)) return `Unknown ${kind} config name: ${name}`
  for (const [name, text] of configs) {
    const reason = wrongValue(table.get(name)!, text)
    if (reason !== undefined) return reason
  }
  return undefined
}

function wrongReset(text = 'latest'): string | undefined {
  if (/^(?:earliest|latest)$/i.test(text) || /^by_duration:P(?!$)(?:\d+D)?(?:T(?:\d+H)?(?:\d+M)?(?:\d+(?:\.\d+)?S)?)?$/.test(text)) return undefined
  const format = 'The value must be either \'earliest\', \'latest\' or of the format \'by_duration:<PnDTnHnMn.nS>\'.'
  const name = 'share.auto.offset.reset'
  return `Invalid value ${text} for configuration ${name}: Invalid value \`${text}\` for configuration ${name}. ${format}`
}

function outOfBounds(configs: Configs, bounds: ConfigBounds): string | undefined {
  for (const [name, [least, most]] of bounds) {
    const value = Number(configs.get(name) ?? least)
    const bound = (which: string): string => `group.${name.replace(/\.(?:num\.)?/, `.${which}.`)}`
    if (value < least) return `${name} must be greater than or equal to ${bound('min')}`
    if (value > most) return `${name} must be less than or equal to ${bound('max')}`
  }
  return undefined
}

function isClientPattern(part: string): boolean {
  const [, key, pattern] = /^([^=]+)=(.*)$/.exec(part) ?? []
  if (key === undefined || !clientKeys.includes(key)) return false
  try {
    return new RegExp(pattern!) instanceof RegExp
  } catch {
    return false
  }
}

function wrongThreads(name: string, count: number, now: number): string | undefined {
  if (!threadCounts.includes(name) || Number.isNaN(now)) return undefined
  const half = Math.floor(now / 2)
  const bound = count > now * 2 ? 'not be greater than double' : count < half ? 'be at least half' : undefined
  if (bound === undefined) return undefined
  const reason = `Dynamic thread count update validation failed for ${name}=${count}, value should ${bound} the current value ${now}`
  return `Invalid value org.apache.kafka.common.config.ConfigException: ${reason} for configuration Invalid dynamic configuration`
}
