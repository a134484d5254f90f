/*
 * Reads partitions of a topic as they grow: an asynchronous iterator over records, or over the batches they are stored in, with a position
 * per partition that belongs to this consumer alone. Members of groups, with committed positions, are groups/group-consumer.ts. Its verbs are
 * in topic-reader.ts, the reading itself is in reading.ts.
 *
 * Asking for the next record marks the one before as done: `position` moves past it. Whoever leaves the loop has not asked, so a later
 * loop begins with the record that was in hand.
 */
import { checkBoolean, checkInteger, checkOneOf, checkOptions, checkSignal, describe } from '../base/options.ts'
import { type Isolation, type PartitionLog } from '../log/partition-log.ts'
import { Life } from './life.ts'
import { isolations } from './partition.ts'
import { Assigned, Reading } from './reading.ts'
import { checkStartPosition, resolveInRange, type StartPosition } from './start-position.ts'
import { logOf, presentLogs, type TopicParts } from './topic-core.ts'
import { TopicReader } from './topic-reader.ts'

/** What a consumer may be told. */
export interface ConsumerOptions {
  // What it reads
  /** Where to begin: the same for all partitions, or one for each by number (those not named begin with the earliest). Default `'earliest'`. */
  readonly from?: StartPosition | ReadonlyMap<number, StartPosition>
  /** Numbers of the partitions to read. Default: all that there are now. */
  readonly partitions?: readonly number[]
  /** Default `'read_committed'`. */
  readonly isolation?: Isolation
  // When it ends
  /** `'end'` ends a loop at the end as it stood when the loop began. Default: it waits for more. */
  readonly until?: 'end'
  /** Ends a loop: it throws the signal's reason. */
  readonly signal?: AbortSignal
  /** Whether waiting for records keeps the process alive. Default true. */
  readonly ref?: boolean
}

/** Reads partitions of one topic. */
export class Consumer<K, V> extends TopicReader<K, V> {
  readonly #isolation: Isolation

  /** @internal */
  constructor(parts: TopicParts<K, V>, options: ConsumerOptions = {}) {
    const { name } = parts.core.entry
    checkConsumerOptions(options, `a consumer of topic "${name}"`)
    const { partitions, isolation = 'read_committed', signal, ref = true } = options
    const life = new Life(`the consumer of topic "${name}"`, parts.life)
    const numbers = partitions ?? presentLogs(parts.core).map((log) => log.partition)
    const startOf = startsIn(options, (number) => void logOf(parts.core, number))
    const assigned = [...new Set(numbers)].map((number) => {
      const log = logOf(parts.core, number)
      return new Assigned<K, V>(log, resolveInRange(log, startOf(number), isolation))
    })
    super(name, life, new Reading(assigned, { codecs: parts.codecs, isolation, clock: parts.clock, life, signal, ref }), options)
    this.#isolation = isolation
  }

  /** @internal */
  protected override placeOf(log: PartitionLog, to: StartPosition): number {
    return resolveInRange(log, to, this.#isolation)
  }
}

/** Where each partition begins. `check` throws for a number that is none of the topic's. */
export function startsIn({ from = 'earliest' }: ConsumerOptions, check: (partition: number) => void): (partition: number) => StartPosition {
  if (!(from instanceof Map)) return () => from as StartPosition
  const starts = from as ReadonlyMap<number, StartPosition>
  for (const number of starts.keys()) check(number)
  return (partition) => starts.get(partition) ?? 'earliest'
}

/** Throws a TypeError or RangeError for what a consumer cannot be told. */
export function checkConsumerOptions(options: ConsumerOptions, where: string): void {
  // With a group it would not be here; "groupId" is told what it is called.
  checkOptions(options, ['from', 'partitions', 'isolation', 'until', 'signal', 'ref', 'group'], where)
  if ('group' in options) throw new TypeError(`group of ${where} is a name, not ${describe(options.group)}`)
  const { from, partitions, isolation, until, signal, ref } = options
  if (from instanceof Map) for (const [partition, start] of from as ReadonlyMap<number, unknown>) checkStart(partition, start)
  else if (isByNumber(from)) throw new TypeError('from is a Map where partitions have positions of their own: new Map([[0, 5]])')
  else if (from !== undefined) checkStartPosition(from, 'from')
  if (partitions !== undefined && !Array.isArray(partitions)) throw new TypeError(`partitions is an array of numbers, not ${describe(partitions)}`)
  for (const partition of partitions ?? []) checkInteger(partition ?? null, 'a number in partitions', 0)
  if (partitions?.length === 0) throw new RangeError('partitions names at least one partition')
  checkOneOf(isolation, 'isolation', isolations)
  checkOneOf(until, 'until', ['end'])
  checkSignal(signal)
  checkBoolean(ref, 'ref')
}

/** A Map was meant. */
function isByNumber(from: unknown): boolean {
  if (typeof from !== 'object' || from === null) return false
  const names = Object.keys(from)
  return names.length > 0 && names.every((name) => /^\d+$/.test(name))
}

function checkStart(partition: unknown, start: unknown): void {
  checkInteger(partition ?? null, 'a partition in from', 0)
  checkStartPosition(start, `from of partition ${String(partition)}`)
}
