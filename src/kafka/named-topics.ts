/*
 * Names of topics as requests give them: which there may be, what Kafka says of those that there may not, and what is named twice.
 */
import { MAX_TOPIC_NAME, topicNameFault, type TopicNameFault } from '../format/names.ts'
import { type Refusal, refusal } from './refusal.ts'

/** For each topic that one request names twice. */
export const DUPLICATE_TOPIC: Refusal = refusal('INVALID_REQUEST', 'Duplicate topic name.')

/** The names that are there more than once. */
export function duplicates(names: readonly string[]): ReadonlySet<string> {
  const seen = new Set<string>()
  return new Set(names.filter((name) => seen.size === seen.add(name).size))
}

/** What has the same key once: the last of them, where the first stood, as in the maps of a broker. */
export function distinct<T>(items: readonly T[], key: (item: T) => string | number): T[] {
  return [...new Map(items.map((item) => [key(item), item])).values()]
}

/** Kafka's words of why a topic cannot have a name; undefined when it can. */
export function wrongTopicName(name: string): string | undefined {
  const fault = topicNameFault(name)
  return fault === undefined ? undefined : `Topic name is invalid: ${words[fault](name)}`
}

const words: Readonly<Record<TopicNameFault, (name: string) => string>> = {
  empty: () => 'the empty string is not allowed',
  dots: (name) => `'${name}' is not allowed`,
  long: (name) => `the length of '${name}' is longer than the max allowed length ${MAX_TOPIC_NAME}`,
  characters: (name) => `'${name}' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'`,
}

/** The name with all that metrics cannot tell apart made the same: topics that agree in it collide. */
export function collisionName(name: string): string {
  return name.replaceAll('.', '_')
}
