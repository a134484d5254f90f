/*
 * Managed consumption as a user holds it: a loop over the partitions that a group gives this process, which runs from the moment it is made
 * until it is stopped. The loop is in loop.ts; here it is joined to a member of a group and to transactions.
 */
import { LogError } from '../../base/errors.ts'
import { onAbort } from '../../base/on-abort.ts'
import { checkInteger, checkOptions, describe } from '../../base/options.ts'
import { waiting } from '../abort.ts'
import { Life } from '../life.ts'
import { resolveStart } from '../start-position.ts'
import { logOf, type TopicParts } from '../topic-core.ts'
import { AsideTopic } from './aside-topic.ts'
import { GroupMembership } from './group-membership.ts'
import { handOver } from './hand-over.ts'
import { Lane } from './lane.ts'
import { ConsumeLoop } from './loop.ts'
import { type Handler, type LoopStats } from './loop-options.ts'
import { type CheckedConsumeOptions, checkConsumeOptions, type ConsumeOptions } from './options.ts'
import { RetryLane } from './retry-lane.ts'
import { storeTogether } from './store-together.ts'

/** How a consumption is stopped. */
export interface StopOptions {
  /** Milliseconds that records in hand have to be finished. Default 30 s. */
  readonly deadlineMs?: number
  /** Ends the waiting for the end, which comes nevertheless. */
  readonly signal?: AbortSignal
}

const DEFAULT_DEADLINE_MS = 30_000
const MOST_MS = 0x7fff_ffff

/** Records of a topic are being handled, as a member of a group. */
export class Consumption<K, V> {
  /** Name of the topic. */
  readonly topic: string
  readonly group: string
  /** Resolves when it has stopped, also because the topic or the log was closed; rejects with what ended it otherwise. */
  readonly done: Promise<void>
  readonly #loop: ConsumeLoop<K, V>

  /** @internal */
  constructor(parts: TopicParts<K, V>, options: ConsumeOptions, handler: Handler<K, V>) {
    const { name } = parts.core.entry
    const checked = checkConsumeOptions(name, options)
    if (typeof handler !== 'function') throw new TypeError(`the handler of consume of topic "${name}" is a function, not ${describe(handler)}`)
    parts.life.check()
    if (parts.log.readOnly) {
      const { folder } = parts
      throw new LogError('LOG_READ_ONLY', `the log ${folder} was opened read-only: a group commits to it`, { folder, topic: name })
    }
    this.topic = name
    this.group = checked.group
    this.#loop = loopOf(parts, checked, handler)
    this.done = this.#loop.done
    const { signal } = checked
    const life = new Life(`the consumption of topic "${name}"`, parts.life)
    const ends = [life.onEnd(() => void this.#loop.stop(0))]
    if (signal !== undefined) ends.push(onAbort(signal, () => void this.#loop.stop(DEFAULT_DEADLINE_MS)))
    // Not by `done`: what it rejects with is for who made this, and must not pass for handled.
    void this.#loop.ended.then(() => { for (const end of ends) end() })
    this.#loop.start()
    if (signal?.aborted === true) void this.#loop.stop(0)
  }

  /**
   * Hands out nothing more, waits for what handlers have in hand, commits what they finished and leaves the group. It resolves soon after
   * `deadlineMs` whatever handlers do: records that are not finished by then come again, to whoever consumes next. A second call may make the
   * time shorter.
   */
  async stop(options: StopOptions = {}): Promise<void> {
    checkOptions(options, ['deadlineMs', 'signal'], 'stop')
    const { deadlineMs = DEFAULT_DEADLINE_MS, signal } = options
    checkInteger(deadlineMs ?? null, 'deadlineMs', 0, MOST_MS)
    await waiting(signal && { signal }, 'stop', () => this.#loop.stop(deadlineMs))
  }

  /** Its numbers as they are now. */
  stats(): LoopStats {
    return this.#loop.stats
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }
}

function loopOf<K, V>(parts: TopicParts<K, V>, options: CheckedConsumeOptions, handler: Handler<K, V>): ConsumeLoop<K, V> {
  const { log, clock, random, core, codecs } = parts
  const { group, order, from, maxInFlight } = options
  const topic = core.entry.name
  const source = parts as unknown as TopicParts<never, never>
  const retries = options.retryTopic === undefined ? undefined : new AsideTopic(log, source, options.retryTopic)
  const deadLetters = options.deadLetter === undefined ? undefined : new AsideTopic(log, source, options.deadLetter)
  let member!: GroupMembership
  const now = (): number => clock.now()
  return new ConsumeLoop<K, V>({
    ...options, clock, random, commitIntervalMs: options.autoCommitIntervalMs, laterThanMs: retries === undefined ? Infinity : options.withinMs,
    join: (events) => (member = new GroupMembership(log, { group, topic, instanceId: options.instanceId }, events)),
    async open(place) {
      const of = logOf(core, place.partition)
      const lane = new Lane<K, V>({
        place, log: of, codecs, order, maxInFlight, committed: await member.committed(place), from: resolveStart(of, from),
      })
      if (retries === undefined) return [lane]
      const waiting = logOf(await retries.get(true), place.partition)
      const away = { topic: retries.name, partition: place.partition }
      await member.keep(retries.name)
      const retryLane = new RetryLane<K, V>({
        place: away, log: waiting, codecs, order, committed: await member.committed(away), from: waiting.startOffset, chains: lane.chains, now,
      })
      lane.mayBegin = () => retryLane.isCaughtUp
      return [lane, retryLane]
    },
    putAside: deadLetters === undefined ? undefined : handOver({
      group, deadLetters, retries, now, store: (records, entry) => storeTogether(parts, records, member.request([entry])),
    }),
  }, handler)
}
