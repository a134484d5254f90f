/*
 * What managed consumption may be told, with its defaults, and the checks at the door.
 */
import { LogError } from '../../base/errors.ts'
import { checkBoolean, checkFunction, checkInteger, checkOneOf, checkOptions, checkSignal, describe } from '../../base/options.ts'
import { checkTopicName } from '../../format/names.ts'
import { checkStartPosition, type StartPosition } from '../start-position.ts'
import { MOST_FINISHED_SPAN } from './finished-set.ts'
import { type Order, orders } from './lane.ts'
import type { HandlingFailure } from './loop-options.ts'
import { checkedDelay, exponential, type RetryDelay } from './retry.ts'

/** How often, and when, a record that failed is tried again. */
export interface RetryOptions {
  /** How often a record is handed out at most, the first time included. Default 5; without end when nothing takes dead letters. */
  readonly attempts?: number
  /**
   * Milliseconds to wait before the next attempt, or a function that gives them. The record keeps its place while it waits: with order
   * `'partition'` it holds its partition, with `'key'` those of its key, with `'none'` nobody. Default: `exponential(100)`, at most 30 s.
   */
  readonly delay?: number | RetryDelay
  /** False for an error with which another attempt is useless. Default: all may be tried again. */
  readonly retryable?: (error: unknown) => boolean
  /**
   * Where records spend waits of more than `withinMs`: true for the topic `<topic>.<group>.retry`, a name for another one; it is made at once.
   * There they survive a restart with the number of their attempts, and do not hold what is committed. With order `'key'` those of the same
   * key still wait for them. Not with order `'partition'`. Default false: all waits are spent in memory.
   */
  readonly topic?: boolean | string
  /** Milliseconds: longer waits are spent in the retry topic, where there is one. Default 10 s. */
  readonly withinMs?: number
}

/** What `consume` may be told. */
export interface ConsumeOptions {
  // Who consumes
  /** Name of the group that shares the partitions, and that its progress is kept under. */
  readonly group: string
  /** Makes it a static member: one that comes back under this name soon enough has its partitions back without a rebalance. */
  readonly instanceId?: string
  /** Where to begin in a partition for which the group has committed nothing. Default `'earliest'`. */
  readonly from?: StartPosition
  // What happens
  /** What is kept in order while several records are handled at a time. Default `'partition'`. */
  readonly order?: Order
  readonly retry?: RetryOptions
  /**
   * Where records go that cannot be handled: true for the topic `<topic>.<group>.dlq`, a name for another one; it is made when it is first
   * needed. False: the consumption ends with the first of them, and it stays unfinished. Default true.
   */
  readonly deadLetter?: boolean | string
  /** Called for each attempt that failed. */
  readonly onFailure?: (failure: HandlingFailure) => void
  // How long
  /** Milliseconds after which a handler is not waited for any longer: the attempt counts as failed. Default: no limit. */
  readonly handlerTimeoutMs?: number
  /** Milliseconds that a partition which another member is to have waits for what is in hand. Default 30 s. */
  readonly drainMs?: number
  /** Stops when it is aborted, as `stop()` does. */
  readonly signal?: AbortSignal
  /** Whether waiting for records keeps the process alive. Default true. */
  readonly ref?: boolean
  // How fast
  /** How many records are handled at a time, over all partitions. Default 16. */
  readonly concurrency?: number
  /**
   * How many records of a partition may be between the first unfinished one and the last one handed out; reading waits when there are more.
   * Default 4096, at most 24,496.
   */
  readonly maxInFlight?: number
  /** Milliseconds after which what finished is committed at the latest. Default 100. */
  readonly autoCommitIntervalMs?: number
}

/** The options with their defaults. */
export interface CheckedConsumeOptions {
  readonly group: string
  readonly instanceId: string | undefined
  readonly from: StartPosition
  readonly order: Order
  readonly attempts: number
  readonly delay: RetryDelay
  readonly retryable: (error: unknown) => boolean
  /** Name of the retry topic; undefined for none. */
  readonly retryTopic: string | undefined
  readonly withinMs: number
  /** Name of the topic; undefined for none. */
  readonly deadLetter: string | undefined
  readonly onFailure: ((failure: HandlingFailure) => void) | undefined
  readonly handlerTimeoutMs: number
  readonly drainMs: number
  readonly signal: AbortSignal | undefined
  readonly ref: boolean
  readonly concurrency: number
  readonly maxInFlight: number
  readonly autoCommitIntervalMs: number
}

const names: readonly (keyof ConsumeOptions)[] = [
  'group', 'instanceId', 'from', 'order', 'retry', 'deadLetter', 'onFailure', 'handlerTimeoutMs', 'drainMs', 'signal', 'ref', 'concurrency',
  'maxInFlight', 'autoCommitIntervalMs',
]
const DEFAULT_ATTEMPTS = 5
const MOST_HANDS = 100_000
const MOST_MS = 0x7fff_ffff

/**
 * Checks options and gives them with their defaults.
 *
 * @param topic  name of the topic that is consumed
 * @throws TypeError, RangeError; LogError `LOG_DEAD_LETTER_TOPIC`
 */
export function checkConsumeOptions(topic: string, options: ConsumeOptions): CheckedConsumeOptions {
  const where = `consume of topic "${topic}"`
  if (options === undefined) throw new TypeError(`${where} takes options, with a group, and a handler`)
  checkOptions(options, names, where)
  const { group, instanceId, from = 'earliest', order = 'partition', retry = {}, deadLetter = true, onFailure, signal, ref = true } = options
  const { handlerTimeoutMs = Infinity, drainMs = 30_000, concurrency = 16, maxInFlight = 4096, autoCommitIntervalMs = 100 } = options
  checkGroupName(group, `group of ${where}`)
  if (instanceId !== undefined && (typeof instanceId !== 'string' || instanceId === '')) {
    throw new TypeError(`instanceId is a name, not ${describe(instanceId)}`)
  }
  checkStartPosition(from, 'from')
  checkOneOf(order, 'order', orders)
  checkFunction(onFailure, 'onFailure')
  checkSignal(signal)
  checkBoolean(ref, 'ref')
  if (handlerTimeoutMs !== Infinity) checkInteger(handlerTimeoutMs ?? null, 'handlerTimeoutMs', 1, MOST_MS)
  checkInteger(drainMs ?? null, 'drainMs', 0, MOST_MS)
  checkInteger(concurrency ?? null, 'concurrency', 1, MOST_HANDS)
  checkInteger(maxInFlight ?? null, 'maxInFlight', 1, MOST_FINISHED_SPAN)
  checkInteger(autoCommitIntervalMs ?? null, 'autoCommitIntervalMs', 0, MOST_MS)
  const aside = deadLetterTopic(topic, group, deadLetter)
  checkOptions(retry, ['attempts', 'delay', 'retryable', 'topic', 'withinMs'], `retry of ${where}`)
  const { attempts = aside === undefined ? Infinity : DEFAULT_ATTEMPTS, delay, retryable = () => true } = retry
  const { topic: later = false, withinMs = 10_000 } = retry
  const retryTopic = asideName(topic, group, later, { ending: 'retry', option: 'retry.topic' })
  if (retryTopic !== undefined && order === 'partition') {
    throw new TypeError('a retry topic gives up the order of partitions: retry.topic goes with order \'key\' or \'none\'')
  }
  if (retryTopic !== undefined && aside === undefined) throw new TypeError('a retry topic goes with dead letters: deadLetter is false')
  if (retryTopic !== undefined && retryTopic === aside) throw new TypeError(`retry.topic and deadLetter are both "${aside}"`)
  checkInteger(withinMs ?? null, 'retry.withinMs', 0, MOST_MS)
  checkInteger(attempts ?? null, 'retry.attempts', 1, Infinity)
  checkFunction(retryable, 'retry.retryable')
  return {
    group, instanceId, from, order, attempts, delay: checkedDelay(delay, exponential(100)), retryable, retryTopic, withinMs,
    deadLetter: aside, onFailure,
    handlerTimeoutMs, drainMs, signal, ref, concurrency, maxInFlight, autoCommitIntervalMs,
  }
}

/** Lets names of groups pass. */
export function checkGroupName(group: unknown, what: string): asserts group is string {
  if (typeof group !== 'string' || group === '') throw new TypeError(`${what} is a name, not ${describe(group)}`)
}

/**
 * The name of the topic that takes the dead letters of a group; undefined when none does.
 *
 * @throws TypeError for a name that no topic can have; LogError `LOG_DEAD_LETTER_TOPIC` for the topic that is consumed
 */
export function deadLetterTopic(topic: string, group: string, given: boolean | string = true): string | undefined {
  return asideName(topic, group, given, { ending: 'dlq', option: 'deadLetter' })
}

function asideName(
  topic: string, group: string, given: unknown, { ending, option }: { readonly ending: string; readonly option: string },
): string | undefined {
  if (given === false) return undefined
  if (given !== true && typeof given !== 'string') throw new TypeError(`${option} is true, false or the name of a topic, not ${describe(given)}`)
  const name = given === true ? `${topic}.${group}.${ending}` : given
  try {
    checkTopicName(name)
  } catch (error) {
    if (given !== true) throw error
    throw new TypeError(`no topic can be called "${name}", after group "${group}": name one, as ${option}: 'a-name'`)
  }
  if (name !== topic) return name
  const message = `${option} of topic "${topic}" is the topic itself: its records would be consumed again`
  throw new LogError('LOG_DEAD_LETTER_TOPIC', message, { topic, group, [ending]: name })
}
