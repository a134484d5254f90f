/*
 * The dead letters of a group, as a user looks after them: listed, replayed, purged. They are records of an ordinary topic, and what was
 * replayed of them is what the group `<group>-dlq-merger` has committed there: so a replay that was interrupted goes on where it was, and
 * none is replayed twice.
 *
 * Back to the source topic a dead letter goes in one transaction with that commit. To a handler it goes at least once, like every record.
 */
import { LogError } from '../../base/errors.ts'
import { checkFunction, checkInteger, checkOptions } from '../../base/options.ts'
import { type PartitionLog } from '../../log/partition-log.ts'
import { groupError } from '../groups/group-error.ts'
import { mergerOf } from '../groups/merger-group.ts'
import { presentLogs, type TopicParts } from '../topic-core.ts'
import { AsideTopic } from './aside-topic.ts'
import { FinishedSet } from './finished-set.ts'
import { checkGroupName, deadLetterTopic } from './options.ts'
import { DeadLetter, type DeadLetterRange, Replay, type ReplayOptions, type ReplayReport } from './replay.ts'

const MOST_ATTEMPTS = 1000

/** Replays under way: one per topic of dead letters and log. */
const replays = new WeakMap<object, Set<string>>()

/** The dead letters of one group. */
export class DeadLetters<K, V> {
  /** Name of the topic that they lie in. */
  readonly topic: string
  /** The group under which is kept what was replayed. */
  readonly merger: string
  readonly #parts: TopicParts<K, V>
  readonly #group: string
  readonly #aside: AsideTopic

  /** @internal */
  constructor(parts: TopicParts<K, V>, group: string, options: { readonly topic?: string } = {}) {
    const { name } = parts.core.entry
    const where = `the dead letters of topic "${name}"`
    checkGroupName(group, `the group of ${where}`)
    checkOptions(options, ['topic'], where)
    this.topic = deadLetterTopic(name, group, options.topic ?? true)!
    this.merger = mergerOf(group)
    this.#parts = parts
    this.#group = group
    this.#aside = new AsideTopic(parts.log, parts as unknown as TopicParts<never, never>, this.topic)
  }

  /** The dead letters of this group and topic, in the order in which they lie; those that there are when it begins. */
  async *list(range: DeadLetterRange<K, V> = {}): AsyncGenerator<DeadLetter<K, V>, undefined> {
    checkRange(range, [], 'list of dead letters')
    for (const log of await this.#logs(range.partition)) {
      const { finished } = await this.#progress(log)
      yield* this.#read(log, range, finished)
    }
  }

  /**
   * Replays the dead letters that are meant and were not replayed before: back to the end of the source topic, or to a handler. Those that
   * are missing, since they were deleted, are passed over. What is replayed stays where it is until it is purged, and is not replayed again.
   *
   * @throws LogError `LOG_GROUP_NOT_EMPTY` while another replay of the same dead letters runs; `LOG_READ_ONLY`, `LOG_CLOSED`, and what storing
   *   fails with; the signal's reason. What was replayed until then is kept in mind
   */
  async replay(options: ReplayOptions<K, V> = {}): Promise<ReplayReport> {
    checkRange(options, ['handler', 'attempts', 'signal'], 'replay of dead letters')
    checkFunction(options.handler, 'handler')
    checkInteger(options.attempts, 'attempts', 1, MOST_ATTEMPTS)
    this.#parts.life.check()
    const { log } = this.#parts
    if (log.readOnly) throw new LogError('LOG_READ_ONLY', `the log ${log.folder} was opened read-only`, { folder: log.folder })
    const running = replays.get(log) ?? new Set<string>()
    replays.set(log, running)
    const name = `${this.topic} ${this.merger}`
    if (running.has(name)) throw groupError('NON_EMPTY_GROUP', this.merger)
    running.add(name)
    try {
      const reports = []
      for (const one of await this.#logs(options.partition)) reports.push(await new Replay(this.#parts, one, this, options).run())
      return {
        replayed: sum(reports, 'replayed'), failed: sum(reports, 'failed'), before: sum(reports, 'before'),
        complete: reports.every(({ complete }) => complete),
      }
    } finally {
      running.delete(name)
    }
  }

  /**
   * Deletes the dead letters of a partition below an offset, of all partitions those that were replayed without a gap; gives how many
   * offsets that were. Whoever shares the topic with other groups deletes theirs as well.
   *
   * @throws LogError `LOG_OFFSET_OUT_OF_RANGE`, `LOG_READ_ONLY`
   */
  async purge(range: { readonly partition?: number; readonly before?: number } = {}): Promise<number> {
    checkOptions(range, ['partition', 'before'], 'purge of dead letters')
    const { partition, before } = range
    checkInteger(partition, 'partition', 0)
    checkInteger(before, 'before', 0)
    if (before !== undefined && partition === undefined) throw new TypeError('before is an offset of one partition: name the partition')
    this.#parts.life.check()
    let count = 0
    for (const log of await this.#logs(partition)) {
      const to = before ?? (await this.#progress(log)).position
      if (to <= log.startOffset) continue
      // Markers of transactions have offsets, and are nobody's letters.
      const letters = [...log.read(this.#parts.codecs, { from: log.startOffset, to: Math.min(to, log.highWatermark) })].length
      await log.deleteRecords(to)
      count += letters
    }
    return count
  }

  /** @internal Those of a partition that are meant. */
  * #read(log: PartitionLog, range: DeadLetterRange<K, V>, finished: (offset: number) => boolean): Generator<DeadLetter<K, V>> {
    const from = Math.min(Math.max(range.from ?? 0, log.startOffset), log.lastStableOffset)
    for (const record of log.read(this.#parts.codecs, { from, ...(range.to !== undefined && { to: range.to }) })) {
      const letter = new DeadLetter(record, finished(record.offset))
      if (this.isOurs(letter) && range.where?.(letter) !== false) yield letter
    }
  }

  /** @internal Whether it is one of this group and topic, as far as it says. */
  isOurs({ info: { topic, group } }: DeadLetter<K, V>): boolean {
    return (topic === undefined || topic === this.#parts.core.entry.name) && (group === undefined || group === this.#group)
  }

  /** @internal How far a partition was replayed. */
  async progress(log: PartitionLog): Promise<{ readonly offset: number; readonly set: FinishedSet }> {
    const groups = await this.#parts.log.groups()
    const committed = groups.offsets.get(this.merger, this.topic, log.partition)
    if (committed === undefined) return { offset: log.startOffset, set: new FinishedSet(log.startOffset) }
    const { offset, leaderEpoch, finished } = committed
    const kept = log.epochs.divergence({ epoch: leaderEpoch, offset }, log.nextOffset)
    return kept < offset ? { offset: kept, set: new FinishedSet(kept) } : { offset, set: FinishedSet.decode(offset, finished) }
  }

  async #progress(log: PartitionLog): Promise<{ readonly position: number; readonly finished: (offset: number) => boolean }> {
    const { offset, set } = await this.progress(log)
    return { position: offset, finished: (one) => one < offset || set.has(one) }
  }

  async #logs(partition: number | undefined): Promise<PartitionLog[]> {
    this.#parts.life.check()
    const core = await this.#aside.find()
    if (core === undefined) return []
    return presentLogs(core).filter((log) => partition === undefined || log.partition === partition)
  }
}

function checkRange<K, V>(range: DeadLetterRange<K, V>, more: readonly string[], where: string): void {
  checkOptions(range, ['partition', 'from', 'to', 'where', ...more], where)
  checkInteger(range.partition, 'partition', 0)
  checkInteger(range.from, 'from', 0)
  checkInteger(range.to, 'to', 0)
  checkFunction(range.where, 'where')
}

function sum(reports: readonly ReplayReport[], name: 'replayed' | 'failed' | 'before'): number {
  return reports.reduce((total, report) => total + report[name], 0)
}
