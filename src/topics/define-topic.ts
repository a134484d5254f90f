/*
 * A topic as a value: name, partitions, codecs and settings, with the types of its keys and values. It holds no log and does nothing:
 * import it wherever the topic is used, and hand it to `log.topic()`.
 */
import { type Codec } from '../base/codec.ts'
import { checkInteger, checkOptions, describe } from '../base/options.ts'
import { checkTopicName } from '../format/names.ts'
import { msgpack, string } from './codecs.ts'
import { checkedSettings, settingNames, type TopicSettings } from './settings.ts'

/** The most partitions that a topic may be defined with. */
export const MAX_PARTITIONS = 10_000

/** What a topic is defined by, beside its name: partitions, codecs, and any of its settings. */
export interface TopicOptions<K, V> extends TopicSettings {
  /** How many partitions. Default: as many as there are, one when the topic is created. More than there are adds the rest; fewer is refused. */
  readonly partitions?: number
  /** What keys are. Default {@link string}. */
  readonly key?: Codec<K>
  /** What values are. Default {@link msgpack}, unchecked. */
  readonly value?: Codec<V>
}

/** What {@link defineTopic} gives: frozen, and typed by its codecs. */
export interface TopicDefinition<K, V> {
  readonly name: string
  /** Undefined takes as many as there are. */
  readonly partitions: number | undefined
  readonly key: Codec<K>
  readonly value: Codec<V>
  /** The settings that were given, without those left to defaults. */
  readonly settings: TopicSettings
}

/**
 * Defines a topic.
 *
 * @param name  1 to 249 of a–z A–Z 0–9 . _ -
 * @throws TypeError or RangeError for a name, option or value that cannot be
 */
export function defineTopic<K = string, V = unknown>(name: string, options: TopicOptions<K, V> = {}): TopicDefinition<K, V> {
  checkTopicName(name)
  const where = `topic "${name}"`
  checkOptions(options, ['partitions', 'key', 'value', ...settingNames], where)
  checkInteger(options.partitions, `partitions of ${where}`, 1, MAX_PARTITIONS)
  return Object.freeze({
    name,
    partitions: options.partitions,
    key: checkedCodec(options.key, `the key codec of ${where}`) ?? (string as Codec<unknown> as Codec<K>),
    value: checkedCodec(options.value, `the value codec of ${where}`) ?? msgpack<V>(),
    settings: Object.freeze(checkedSettings(options as Readonly<Record<string, unknown>>, where)),
  })
}

/**
 * A definition as `defineTopic` makes it, from this copy of the package or another.
 *
 * @param taken  what is taken, in words
 * @throws TypeError
 */
export function checkedDefinition<K, V>(given: TopicDefinition<K, V>, taken = 'what defineTopic gives'): TopicDefinition<K, V> {
  const isDefinition = typeof given === 'object' && given !== null && typeof given.name === 'string' && typeof given.settings === 'object'
  if (!isDefinition || given.key === undefined || given.value === undefined) throw new TypeError(`topic takes ${taken}, not ${describe(given)}`)
  checkedCodec(given.key, `the key codec of topic "${given.name}"`)
  checkedCodec(given.value, `the value codec of topic "${given.name}"`)
  return given
}

/** Lets codecs and undefined pass. */
export function checkedCodec<T>(codec: Codec<T> | undefined, what: string): Codec<T> | undefined {
  if (codec === undefined) return undefined
  if (typeof codec === 'function') throw new TypeError(`${what} is a function: call it, as in json() or msgpack()`)
  const { name, encode, decode } = (codec ?? {}) as Partial<Codec<T>>
  if (typeof name === 'string' && name !== '' && typeof encode === 'function' && typeof decode === 'function') return codec
  throw new TypeError(`${what} has a name, encode and decode; this is ${describe(codec)}`)
}
