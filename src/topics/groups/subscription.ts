/*
 * Which topics a member reads: those that it names, and those whose names match its patterns at the moment. Topics of the log's own only
 * when they are named.
 */
import { isInternalTopic } from '../internal-topics.ts'

/** What a member subscribes to. */
export interface Subscription {
  readonly topics: readonly string[]
  readonly patterns: readonly RegExp[]
}

/** The topics of a subscription among those that there are, in the order of their names. */
export function subscribedNames({ topics, patterns }: Subscription, all: Iterable<string>): string[] {
  const names = new Set(topics)
  if (patterns.length > 0) for (const name of all) if (!isInternalTopic(name) && patterns.some((pattern) => matches(pattern, name))) names.add(name)
  return [...names].sort()
}

/** Patterns with the flags g or y remember where they were: they are asked about the whole name nevertheless. */
export function matches(pattern: RegExp, name: string): boolean {
  pattern.lastIndex = 0
  return pattern.test(name)
}
