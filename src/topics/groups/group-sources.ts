/*
 * What a consumer of a group reads: one topic, whose partitions have numbers, or several topics and patterns, whose partitions are named by
 * topic and number.
 */
import { describe } from '../../base/options.ts'
import { isTopicName } from '../../format/names.ts'
import { type Life } from '../life.ts'
import { type LogCore } from '../log-core.ts'
import { type Topic } from '../topic.ts'
import { resolveInRange } from '../start-position.ts'
import { logOf, type TopicParts } from '../topic-core.ts'
import { type GroupSource } from './group-consumer.ts'
import { type GroupConsumerOptions } from './group-options.ts'
import { type Place } from './member.ts'
import { matches } from './subscription.ts'

/** A topic that a consumer of several reads: a definition, a name, or a pattern that names match. */
export type SubscribedTopic = AnyDefinition | string | RegExp

/** A definition, whatever the types of its keys and values. */
export interface AnyDefinition {
  readonly name: string
  readonly key: object
  readonly value: object
  readonly settings: object
}

/** The type of keys of a topic that is read; unknown where it is named only. */
export type KeyOf<T> = T extends { readonly key: { decode(...args: never[]): infer K } } ? K : unknown

/** The type of values of a topic that is read. */
export type ValueOf<T> = T extends { readonly value: { decode(...args: never[]): infer V } } ? V : unknown

/** What a consumer of several topics may be told. */
export interface LogConsumerOptions<T extends readonly SubscribedTopic[]> extends GroupConsumerOptions<Place> {
  /** What it reads: definitions, names, which are made when they are missing, and patterns, which also take topics that are made later. */
  readonly topics: T
}

/** One topic. */
export function topicSource<K, V>(parts: TopicParts<K, V>, group: string): GroupSource<K, V, number> {
  const { name } = parts.core.entry
  return {
    core: parts.log, life: parts.life, what: `the consumer of topic "${name}" in group "${group}"`,
    subscription: { topics: [name], patterns: [] },
    prepare: async () => {},
    parts: async () => parts,
    toPlace(partition) {
      if (typeof partition === 'object' && partition !== null) partition = ownNumber(partition, name)
      logOf(parts.core, partition)
      return { topic: name, partition }
    },
    placeOf: resolveInRange,
    fromPlace: ({ partition }) => partition,
  }
}

/** A record, or a position that names its topic. */
function ownNumber(given: { readonly topic?: unknown; readonly partition?: unknown }, name: string): number {
  if (given.topic === name) return given.partition as number
  throw new TypeError(`this consumer reads topic "${name}", not ${describe(given.topic)}`)
}

/** Several topics. `open` opens one of a name with the codecs that it has, or of a definition. */
export function topicsSource<K, V>(
  log: { readonly core: LogCore; readonly life: Life; readonly open: (topic: AnyDefinition | string, create: boolean) => Promise<Topic<K, V>> },
  topics: readonly SubscribedTopic[], group: string,
): GroupSource<K, V, Place> {
  const { core, life, open } = log
  const opened = new Map<string, Promise<Topic<K, V>>>()
  const named = topics.filter((topic): topic is AnyDefinition | string => !(topic instanceof RegExp))
  const patterns = topics.filter((topic) => topic instanceof RegExp)
  const names = named.map((topic) => (typeof topic === 'string' ? topic : topic.name))
  return {
    core, life, what: `the consumer of ${topics.length} topics in group "${group}"`,
    subscription: { topics: [...new Set(names)], patterns },
    async prepare() {
      for (const [index, topic] of named.entries()) {
        const name = names[index]!
        if (!opened.has(name)) opened.set(name, open(topic, true))
        await opened.get(name)
      }
    },
    async parts(topic) {
      let found = opened.get(topic)
      // Another one may have its name by now.
      if (found !== undefined && !core.openTopics.includes((await found).parts.core)) found = undefined
      if (found === undefined) opened.set(topic, (found = open(topic, false)))
      return (await found).parts
    },
    toPlace(given) {
      const { topic, partition } = (given ?? {}) as Partial<Place>
      const known = typeof topic === 'string' && (names.includes(topic) || patterns.some((pattern) => matches(pattern, topic)))
      if (!known || typeof partition !== 'number') throw new TypeError(`a partition is named as { topic, partition }, not ${describe(given)}`)
      return { topic, partition }
    },
    placeOf: resolveInRange,
    fromPlace: ({ topic, partition }) => ({ topic, partition }),
  }
}

/**
 * Throws when `topics` is not what a consumer can read.
 *
 * @throws TypeError
 */
export function checkSubscribed(topics: unknown): asserts topics is readonly SubscribedTopic[] {
  if (!Array.isArray(topics) || topics.length === 0) throw new TypeError(`topics is an array of topics and patterns, not ${describe(topics)}`)
  for (const topic of topics as readonly unknown[]) {
    if (topic instanceof RegExp || (typeof topic === 'string' && isTopicName(topic))) continue
    if (typeof topic === 'object' && topic !== null && 'name' in topic && 'settings' in topic) continue
    throw new TypeError(`topics takes names, what defineTopic gives, and regular expressions, not ${describe(topic)}`)
  }
}
