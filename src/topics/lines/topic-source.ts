/*
 * What an export says of a topic, in a field `source` of the first of its records: which log and topic the lines are of, and how the topic is
 * made there. Every line stays a record, so who reads lines of `dump --json` or of kcat needs to know nothing of it (docs/cli.md#export).
 */
import { InputError } from '../../base/input-error.ts'
import { MAX_PARTITIONS } from '../define-topic.ts'
import { checkedSettings, settingNames, type TopicSettings } from '../settings.ts'

/** What is said of a topic. */
export interface TopicSource {
  /** The cluster id of its log. */
  readonly log: string
  /** The topic's id: one of the same name that is made later is another topic. */
  readonly id: string
  readonly partitions: number
  /** Names of its codecs; undefined where nobody ever named them, as of a topic that a Kafka client made. */
  readonly key: string | undefined
  readonly value: string | undefined
  /** Those that it was given. */
  readonly settings: TopicSettings
}

/**
 * What such a field says. Settings that a later version knows are left alone: they mean nothing here.
 *
 * @throws InputError for what no export writes
 */
export function parseSource(given: unknown): TopicSource {
  const { log, id, partitions, key, value, settings } = (typeof given === 'object' && given !== null ? given : {}) as Record<string, unknown>
  if (!isName(log) || !isName(id)) throw new InputError('source has the ids of a log and of a topic, as export writes it')
  if (!Number.isSafeInteger(partitions) || (partitions as number) < 1 || (partitions as number) > MAX_PARTITIONS) {
    throw new InputError(`source.partitions is a whole number from 1 to ${MAX_PARTITIONS}`)
  }
  if ((key !== undefined && !isName(key)) || (value !== undefined && !isName(value))) throw new InputError('source.key and source.value name codecs')
  return { log, id, partitions: partitions as number, key, value, settings: parseSettings(settings) }
}

function parseSettings(given: unknown): TopicSettings {
  if (typeof given !== 'object' || given === null) throw new InputError('source.settings is an object')
  const settings = given as Readonly<Record<string, unknown>>
  const known = settingNames.filter((name) => settings[name] !== undefined)
  try {
    return checkedSettings(Object.fromEntries(known.map((name) => [name, settings[name] === 'Infinity' ? Infinity : settings[name]])), 'source')
  } catch (error) {
    throw new InputError((error as Error).message, { cause: error })
  }
}

function isName(given: unknown): given is string {
  return typeof given === 'string' && given !== ''
}
