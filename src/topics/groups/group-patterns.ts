/*
 * The patterns by which members of a consumer group subscribe, and the topics that each stands for: looked up when a pattern is new and when
 * topics have changed, and stored with the group. How a pattern matches is said in topic-pattern.ts.
 */
import { Refusal } from './consumer-group-messages.ts'
import { patternRecord, patternTombstone, type ResolvedPattern } from './consumer-group-records.ts'
import { sameNames } from './consumer-member.ts'
import { type OffsetsLogRecord } from './offsets-log.ts'
import { type TopicPattern, topicPattern } from './topic-pattern.ts'
import { TopicPatternError } from './topic-pattern-parser.ts'

/** The patterns of one group. */
export class GroupPatterns {
  readonly #groupId: string
  readonly #resolved = new Map<string, ResolvedPattern>()
  readonly #compiled = new Map<string, TopicPattern>()
  /** The names that were looked at when a pattern was resolved last: those need not be matched again. */
  readonly #looked = new Map<string, ReadonlySet<string>>()

  constructor(groupId: string) {
    this.#groupId = groupId
  }

  /** Throws when that is no pattern; none at all is one. */
  check(source: string): void {
    if (source === '' || this.#compiled.has(source)) return
    try {
      this.#compiled.set(source, topicPattern(source))
    } catch (error) {
      if (!(error instanceof TopicPatternError)) throw error
      throw new Refusal('INVALID_REGULAR_EXPRESSION', `SubscribedTopicRegex \`${source}\` is not a valid regular expression: ${error.message}.`)
    }
  }

  /** Names of the topics that a pattern stands for, in their order; undefined for what is none, or was not looked up yet. */
  topicsOf(source: string): readonly string[] | undefined {
    return this.#resolved.get(source)?.topics
  }

  /**
   * Looks up what patterns stand for: the new ones of those in use, or all of them. Gives whether one stands for something else than before.
   *
   * @param names  the topics that may be found
   */
  resolve(used: ReadonlySet<string>, names: readonly string[], all: boolean, now: number, records: OffsetsLogRecord[]): boolean {
    this.keep(used, records)
    const looked = new Set(names)
    let moved = false
    for (const source of used) {
      const known = this.#resolved.get(source)
      if (known !== undefined && !all) continue
      const topics = this.#matching(source, names, known).sort()
      this.#looked.set(source, looked)
      if (known !== undefined && sameNames(known.topics, topics)) continue
      const resolved = { topics, timestamp: now }
      this.#resolved.set(source, resolved)
      records.push(patternRecord(this.#groupId, source, resolved))
      moved = true
    }
    return moved
  }

  #matching(source: string, names: readonly string[], known: ResolvedPattern | undefined): string[] {
    const pattern = this.#pattern(source)
    const looked = this.#looked.get(source)
    if (known === undefined || looked === undefined) return names.filter((name) => pattern.matches(name))
    const matched = new Set(known.topics)
    return names.filter((name) => (looked.has(name) ? matched.has(name) : pattern.matches(name)))
  }

  /** Forgets those that nobody subscribes by any more. */
  keep(used: ReadonlySet<string>, records: OffsetsLogRecord[]): void {
    for (const source of [...this.#compiled.keys()]) if (!used.has(source)) this.#compiled.delete(source)
    for (const source of [...this.#resolved.keys()]) {
      if (used.has(source)) continue
      this.#resolved.delete(source)
      this.#looked.delete(source)
      records.push(patternTombstone(this.#groupId, source))
    }
  }

  /** What a record says that a pattern stands for; null when it is gone. */
  replay(source: string, resolved: ResolvedPattern | null): void {
    this.#looked.delete(source)
    if (resolved === null) this.#resolved.delete(source)
    else this.#resolved.set(source, { topics: [...resolved.topics].sort(), timestamp: resolved.timestamp })
  }

  /** The records of all. */
  everything(): OffsetsLogRecord[] {
    return [...this.#resolved].map(([source, resolved]) => patternRecord(this.#groupId, source, resolved))
  }

  /** What takes all away. */
  tombstones(): OffsetsLogRecord[] {
    return [...this.#resolved.keys()].map((source) => patternTombstone(this.#groupId, source))
  }

  /** One that was stored and cannot be read, as another program understood it, finds nothing. */
  #pattern(source: string): TopicPattern {
    let pattern = this.#compiled.get(source)
    if (pattern === undefined) this.#compiled.set(source, (pattern = readable(source)))
    return pattern
  }
}

function readable(source: string): TopicPattern {
  try {
    return topicPattern(source)
  } catch (error) {
    if (!(error instanceof TopicPatternError)) throw error
    return { matches: () => false }
  }
}
