/*
 * Which settings a topic may be given, and what values they take. What they mean is said in log/config.ts and docs/settings.md; names and
 * values are Kafka's in camelCase, its −1 and 2^63 − 1 for "no limit" are Infinity.
 */
import { checkInteger, checkNumber, checkOneOf } from '../base/options.ts'
import { defaultLogConfig, durabilities, LONGEST_LINGER_MS, type LogConfig } from '../log/config.ts'

/** The settings of a topic that differ from those of its log. */
export type TopicSettings = Partial<LogConfig>

const INT32_MAX = 0x7fff_ffff

/** A batch of one empty record takes 68 bytes: a limit below this lets nothing through. */
const SMALLEST_LIMIT = 100
/** Kafka's: a batch that finds no room begins a segment, however small. */
const SMALLEST_SEGMENT = 14

const checks: { readonly [Name in keyof LogConfig]: (value: unknown, name: string) => void } = {
  durability: (value, name) => checkOneOf(value, name, durabilities),
  maxMessageBytes: (value, name) => checkInteger(value, name, SMALLEST_LIMIT, INT32_MAX),
  messageTimestampType: (value, name) => checkOneOf(value, name, ['CreateTime', 'LogAppendTime']),
  messageTimestampBeforeMaxMs: (value, name) => checkInteger(value, name, 0, Infinity),
  messageTimestampAfterMaxMs: (value, name) => checkInteger(value, name, 0, Infinity),
  compressionType: (value, name) => checkOneOf(value, name, ['producer', 'uncompressed', 'gzip', 'snappy', 'lz4', 'zstd']),
  cleanupPolicy: (value, name) => checkOneOf(value, name, ['delete', 'compact', 'compact,delete']),
  retentionMs: (value, name) => checkInteger(value, name, 0, Infinity),
  retentionBytes: (value, name) => checkInteger(value, name, 0, Infinity),
  minCompactionLagMs: (value, name) => checkInteger(value, name, 0, Infinity),
  maxCompactionLagMs: (value, name) => checkInteger(value, name, 1, Infinity),
  minCleanableDirtyRatio: (value, name) => checkNumber(value, name, 0, 1),
  deleteRetentionMs: (value, name) => checkInteger(value, name, 0, Infinity),
  fileDeleteDelayMs: (value, name) => checkInteger(value, name, 0, INT32_MAX),
  producerIdExpirationMs: (value, name) => checkInteger(value, name, 1, Infinity),
  segmentBytes: (value, name) => checkInteger(value, name, SMALLEST_SEGMENT, INT32_MAX),
  segmentMs: (value, name) => checkInteger(value, name, 1, Infinity),
  segmentJitterMs: (value, name) => checkInteger(value, name, 0, Infinity),
  segmentIndexBytes: (value, name) => checkInteger(value, name, 24, INT32_MAX),
  indexIntervalBytes: (value, name) => checkInteger(value, name, 0, INT32_MAX),
  batchSize: (value, name) => checkInteger(value, name, 1, INT32_MAX),
  lingerMs: checkLingerMs,
  flushIntervalMs: (value, name) => checkInteger(value, name, 1, INT32_MAX),
}

/** Lets undefined pass, and what a topic or producer may have as its `lingerMs`. */
export function checkLingerMs(value: unknown, name: string): void {
  checkInteger(value, name, 0, LONGEST_LINGER_MS)
}

/** The names of all settings of a topic. */
export const settingNames = Object.keys(checks) as readonly (keyof LogConfig)[]

/** The settings among `given`, checked; those that are undefined count as not given. */
export function checkedSettings(given: Readonly<Record<string, unknown>>, where: string): TopicSettings {
  const settings: Record<string, unknown> = {}
  for (const name of settingNames) {
    if (given[name] === undefined) continue
    checks[name](given[name], `${name} of ${where}`)
    settings[name] = given[name]
  }
  return settings as TopicSettings
}

/** The whole configuration of a partition: the topic's settings, else the log's, else the defaults. */
export function resolveSettings(ofLog: TopicSettings, ofTopic: TopicSettings): LogConfig {
  return { ...defaultLogConfig, ...ofLog, ...ofTopic }
}
