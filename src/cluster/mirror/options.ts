/*
 * What a mirror may be told, with its defaults, and the checks at the door.
 */
import { LogError } from '../../base/errors.ts'
import { checkFunction, checkInteger, checkOneOf, checkOptions, checkSignal, describe } from '../../base/options.ts'
import { isTopicName } from '../../format/names.ts'
import { type PortableLog } from '../../topics/contract.ts'
import { checkSubscribed, type SubscribedTopic } from '../../topics/groups/group-sources.ts'
import { identityOf } from './side.ts'

/** Something that happened to a mirror. */
export type MirrorEvent =
  /** Records were stored on the target, and count. */
  | { readonly type: 'mirrored'; readonly records: number; readonly bytes: number }
  /** The target or the source could not be reached, or the like; it is tried again after `delayMs`, and stores nothing twice. */
  | { readonly type: 'retry'; readonly error: unknown; readonly delayMs: number }
  /** What a group committed on the source is committed on the target. */
  | { readonly type: 'group'; readonly group: string; readonly topic: string; readonly partition: number; readonly offset: number }
  /** A group commits on the target by itself: the mirror leaves it alone from now on. */
  | { readonly type: 'group-moved'; readonly group: string }
  /** The source has deleted offsets `from` to `to - 1` before they were mirrored, and the mirror goes on behind them, as `gaps: 'pass'` says. */
  | { readonly type: 'gap'; readonly topic: string; readonly partition: number; readonly from: number; readonly to: number }

/** What a mirror may be told. */
export interface MirrorOptions {
  // What is mirrored
  /** Topics of the source: definitions, names, and patterns, which also take topics that are made later. */
  readonly topics: readonly SubscribedTopic[]
  /** Groups whose commits are carried over, so that their consumers can go on at the target: names and patterns. Default: none. */
  readonly groups?: readonly (string | RegExp)[]
  /**
   * Names the mirror: what it keeps on the target is found under it when it begins again. 1 to 200 of a–z A–Z 0–9 . _ -
   * Default: the id of the source.
   */
  readonly id?: string
  // What happens
  /**
   * What is done with a topic that is on the target, has records, and was never mirrored to: `'refuse'` (default) fails, `'append'` puts the
   * records of the source behind those.
   */
  readonly existing?: 'refuse' | 'append'
  /**
   * What is done when the source has deleted records before they were mirrored: `'refuse'` (default) ends the mirror with `LOG_MIRROR_GAP`,
   * `'pass'` goes on behind them: UNSAFE, for they will not be on the target. What is passed over is told by an event and by `status()`.
   */
  readonly gaps?: 'refuse' | 'pass'
  /** `'end'` ends the mirror when it holds what the source had when it began. Default: it goes on as the source grows. */
  readonly until?: 'end'
  readonly onEvent?: (event: MirrorEvent) => void
  /** Stops the mirror, as `stop()` does. */
  readonly signal?: AbortSignal
  // How fast
  /** Most bytes of keys, values and headers in one transaction on the target. Default 8 MiB. */
  readonly transactionBytes?: number
  /** Ms between two looks at groups, and for topics that patterns match. Default 1000. */
  readonly groupIntervalMs?: number
}

/** The options with their defaults. */
export interface CheckedMirrorOptions {
  readonly topics: readonly SubscribedTopic[]
  readonly groups: readonly (string | RegExp)[]
  readonly id: string
  readonly existing: 'refuse' | 'append'
  readonly gaps: 'refuse' | 'pass'
  readonly untilEnd: boolean
  readonly onEvent: (event: MirrorEvent) => void
  readonly signal: AbortSignal | undefined
  readonly transactionBytes: number
  readonly groupIntervalMs: number
}

const names: readonly (keyof MirrorOptions)[] = [
  'topics', 'groups', 'id', 'existing', 'gaps', 'until', 'onEvent', 'signal', 'transactionBytes', 'groupIntervalMs',
]
const LONGEST_ID = 200
const MIB = 1024 * 1024

/**
 * Checks what a mirror is told and gives it with its defaults.
 *
 * @throws TypeError, RangeError; LogError `LOG_MIRROR_ITSELF`
 */
export function checkMirrorOptions(source: PortableLog, target: PortableLog, options: MirrorOptions): CheckedMirrorOptions {
  for (const [log, what] of [[source, 'source'], [target, 'target']] as const) {
    if (typeof (log as PortableLog | undefined)?.topic !== 'function') throw new TypeError(`the ${what} of a mirror is a log, not ${describe(log)}`)
  }
  if (options === undefined) throw new TypeError('mirror takes options, with the topics')
  checkOptions(options, names, 'mirror')
  const { topics, groups = [], existing = 'refuse', gaps = 'refuse', until, onEvent = () => {}, signal } = options
  const { transactionBytes = 8 * MIB, groupIntervalMs = 1000 } = options
  checkSubscribed(topics)
  if (!Array.isArray(groups) || !groups.every((group) => group instanceof RegExp || (typeof group === 'string' && group !== ''))) {
    throw new TypeError(`groups is an array of names and regular expressions, not ${describe(groups)}`)
  }
  checkOneOf(existing ?? null, 'existing', ['refuse', 'append'])
  checkOneOf(gaps ?? null, 'gaps', ['refuse', 'pass'])
  checkOneOf(until, 'until', ['end'])
  checkFunction(onEvent, 'onEvent')
  checkSignal(signal)
  checkInteger(transactionBytes ?? null, 'transactionBytes', 1)
  checkInteger(groupIntervalMs ?? null, 'groupIntervalMs', 1, 0x7fff_ffff)
  const [from, to] = [identityOf(source), identityOf(target)]
  if (source === target || (from !== undefined && from === to)) {
    const called = from === undefined ? '' : `, ${from}`
    throw new LogError('LOG_MIRROR_ITSELF', `the source and the target of the mirror are one log${called}`, { id: from })
  }
  const id = options.id ?? from
  if (id === undefined) throw new TypeError('a mirror of a log that has no id needs an id')
  if (typeof id !== 'string' || !isTopicName(id) || id.length > LONGEST_ID) {
    throw new TypeError(`the id of a mirror is 1 to ${LONGEST_ID} of a-z A-Z 0-9 . _ -, not ${describe(id)}`)
  }
  return { topics, groups, id, existing, gaps, untilEnd: until === 'end', onEvent, signal, transactionBytes, groupIntervalMs }
}
