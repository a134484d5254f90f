/*
 * What a mirror keeps on its target: which records it stored where, and which commits of groups it carried over. It is a topic of the target,
 * compacted, and every entry is stored in the transaction of what it tells of; so what the ledger says is there, whatever happened. What is there
 * beyond that came by the lanes of which the ledger tells.
 *
 *   key    ["run", topic, partition, source offset of the first]     value   { by, runs: [[source, step, target, step, count], …] }
 *   key    ["passed", topic, partition]                              value   { by, source }: nothing is left to mirror below
 *   key    ["topic", topic]                                          value   { by, from: ids of the logs that its records come through }
 *   key    ["group", group, topic, partition]                        value   { by, source, target }
 *   key    ["lane", topic, partition]                                value   { by, producer, source, target, sequence }: plain-lanes.ts
 *
 * What was stored by lanes is in memory first: it is said here with whatever is stored next.
 *
 * Nobody else writes to it, so a transaction of this mirror finds the ledger's end where it left it. When it does not, another mirror of the
 * same id was at work: then the transaction is aborted, and whoever was there first goes on.
 */
import { LogError } from '../../base/errors.ts'
import { json, string } from '../../topics/codecs.ts'
import { type PortableLog, type PortableSendRecord, type PortableTopic, type PortableTransaction } from '../../topics/contract.ts'
import { defineTopic } from '../../topics/define-topic.ts'
import { type ProducerName } from '../producer-name.ts'
import { joined, lastOf, OffsetMap, type Run } from './offset-map.ts'
import { endsOf, LEDGER_PREFIX } from './side.ts'

/** What is stored under a key. */
export interface LedgerEntry {
  /** Which run of the mirror wrote it. */
  readonly by: string
  readonly runs?: readonly Run[]
  readonly from?: readonly string[]
  readonly source?: number
  readonly target?: number
  readonly producer?: ProducerName
  readonly sequence?: number
}

/** Plain sends to a partition: who sends, and with which sequence of his the record at offset `source` comes, and so on from there. */
export interface LaneEntry {
  readonly producer: ProducerName
  readonly source: number
  readonly sequence: number
  /** No record of it stands below this offset of the target. */
  readonly target: number
}

/** With where it goes. */
export interface LedgerLane extends LaneEntry {
  readonly topic: string
  readonly partition: number
}

/** A commit that was carried over. */
export interface Carried {
  readonly source: number
  readonly target: number
}

/** An entry to store. */
export type LedgerRecord = PortableSendRecord<string, LedgerEntry>

/**
 * How transactions of a mirror are begun. They need no name: whose entry in the ledger stands where it is expected may commit, and nobody else.
 * What a mirror that was killed has open is aborted after this time, and its next run goes on then.
 */
export const transactionOptions = { timeoutMs: 30_000 } as const

/** Of the keys that tell where a topic is from. */
export const ORIGIN = 'topic'

/** Of the keys that tell of lanes. */
const LANE = 'lane'

/** What entries tell of; whoever does not know one does not know what is mirrored. */
const KINDS: ReadonlySet<string> = new Set(['run', 'passed', ORIGIN, 'group', LANE])

/** A marker stands behind the records of each transaction. */
export const MARKER = 1

/** What one mirror keeps. */
export class Ledger {
  readonly #log: PortableLog
  readonly #topic: PortableTopic<string, LedgerEntry>
  readonly #by: string
  readonly #maps = new Map<string, OffsetMap>()
  readonly #passed = new Map<string, number>()
  readonly #origins = new Map<string, readonly string[]>()
  readonly #groups = new Map<string, Carried>()
  readonly #lanes = new Map<string, LedgerLane>()
  /** Offsets that the next records on the target get, where more is known than the maps tell. */
  readonly #next = new Map<string, number>()
  /** What is so already, and not stored, by key. */
  readonly #unsaid = new Map<string, LedgerEntry>()
  /** Keys of the last entry of a partition, as long as that is one run which may grow. */
  readonly #growing = new Map<string, string>()
  /** Offset that the next entry gets, as far as this mirror knows. */
  #end: number | undefined
  /** From here on entries are our own, or another run has written: what a run before had open when this one began lies below. */
  #own = Infinity
  /** What is stored with the next transaction that commits. */
  #stored: { readonly apply: () => void; readonly end: number } | undefined

  private constructor(log: PortableLog, topic: PortableTopic<string, LedgerEntry>, by: string) {
    this.#log = log
    this.#topic = topic
    this.#by = by
  }

  /** The name of its topic. */
  get name(): string {
    return this.#topic.name
  }

  /** The name of the topic of a mirror. */
  static topicOf(id: string): string {
    return `${LEDGER_PREFIX}${id}`
  }

  /** Opens the ledger of a mirror, and makes it when there is none. `by` is this run's own name. */
  static async open(log: PortableLog, id: string, by: string): Promise<Ledger> {
    const definition = defineTopic(Ledger.topicOf(id), { partitions: 1, key: string, value: json<LedgerEntry>(), cleanupPolicy: 'compact' })
    return new Ledger(log, await log.topic(definition), by)
  }

  /** Reads a ledger without a mirror; undefined when there is none. */
  static async look(log: PortableLog, id: string): Promise<Ledger | undefined> {
    const name = Ledger.topicOf(id)
    if (!(await log.topics()).some((topic) => topic.name === name)) return undefined
    const ledger = new Ledger(log, await log.topic(defineTopic(name, { key: string, value: json<LedgerEntry>() }), { create: false }), '')
    await ledger.#read()
    return ledger
  }

  /** What was mirrored of a partition. */
  mapOf(topic: string, partition: number): OffsetMap {
    const place = placeOf(topic, partition)
    let map = this.#maps.get(place)
    if (map === undefined) this.#maps.set(place, (map = new OffsetMap()))
    return map
  }

  /** Whether anything of a topic was mirrored. */
  knows(topic: string): boolean {
    return [...this.#maps].some(([place, { last }]) => last !== undefined && place.slice(0, place.lastIndexOf('/')) === topic)
  }

  /** Offset on the source below which nothing is left to mirror: behind the last record, or behind what is known to hold none. */
  position(topic: string, partition: number): number {
    return Math.max(this.mapOf(topic, partition).nextSource, this.#passed.get(placeOf(topic, partition)) ?? 0)
  }

  /** Ids of the logs that a topic's records come through; undefined for a topic that was not begun with. */
  origin(topic: string): readonly string[] | undefined {
    return this.#origins.get(topic)
  }

  /** What was carried over last for a group. */
  carried(group: string, topic: string, partition: number): Carried | undefined {
    return this.#groups.get(JSON.stringify(['group', group, topic, partition]))
  }

  /**
   * Reads what is there. What an open transaction of another run, or of this one before it failed, will have said is not there yet: until that
   * has ended no entry is stored where it is expected.
   *
   * @throws LogError `LOG_PRODUCER_FENCED` when another run has written meanwhile
   */
  async load(): Promise<void> {
    await this.#read()
  }

  /** Offsets that records get on the target when nobody else writes there; undefined where nothing of a partition was mirrored yet. */
  guess(topic: string, records: readonly { readonly partition: number }[]): number[] | undefined {
    const next = new Map<number, number>()
    const offsets: number[] = []
    for (const { partition } of records) {
      const offset = next.get(partition) ?? this.#nextTarget(topic, partition)
      if (offset === undefined) return undefined
      offsets.push(offset)
      next.set(partition, offset + 1)
    }
    return offsets
  }

  /** Says which offset the next record of a partition gets on the target, as far as is known. */
  expect(topic: string, partition: number, offset: number): void {
    this.#next.set(placeOf(topic, partition), offset)
  }

  #nextTarget(topic: string, partition: number): number | undefined {
    const { last } = this.mapOf(topic, partition)
    return last && (this.#next.get(placeOf(topic, partition)) ?? lastOf(last)[1] + 1 + MARKER)
  }

  /** The entry for records that were stored. */
  runEntry(topic: string, partition: number, runs: readonly Run[]): LedgerRecord {
    const place = placeOf(topic, partition)
    const [first, ...more] = runs as readonly [Run, ...Run[]]
    const growing = this.#growing.get(place)
    const longer = growing === undefined || more.length > 0 ? undefined : joined(this.mapOf(topic, partition).last!, first)
    const key = longer === undefined ? JSON.stringify(['run', topic, partition, first[0]]) : growing!
    return { key, value: { by: this.#by, runs: longer === undefined ? runs : [longer] } }
  }

  /** The entry that says that nothing is left to mirror below an offset of the source. */
  passedEntry(topic: string, partition: number, source: number): LedgerRecord {
    return { key: JSON.stringify(['passed', topic, partition]), value: { by: this.#by, source } }
  }

  /** The entry that says where a topic is from; without ids, that it is not mirrored. */
  originEntry(topic: string, from: readonly string[] | undefined): LedgerRecord {
    return { key: JSON.stringify([ORIGIN, topic]), value: { by: this.#by, ...(from !== undefined && { from }) } }
  }

  /** The entry for a commit that a transaction carries over. */
  groupEntry(group: string, topic: string, partition: number, { source, target }: Carried): LedgerRecord {
    return { key: JSON.stringify(['group', group, topic, partition]), value: { by: this.#by, source, target } }
  }

  /** The lanes that somebody has opened, and nobody has closed. */
  get lanes(): readonly LedgerLane[] {
    return [...this.#lanes.values()]
  }

  /** The entry that opens a lane, or goes on with it elsewhere; without a producer, that closes it. */
  laneEntry(topic: string, partition: number, lane?: LaneEntry): LedgerRecord {
    return { key: JSON.stringify([LANE, topic, partition]), value: { by: this.#by, ...lane } }
  }

  /** What an entry tells is so already: it counts here from now on, and is stored with what is stored next. */
  note({ key, value }: LedgerRecord): void {
    this.#apply(key!, value!)
    this.#unsaid.set(key!, value!)
  }

  /** Whether something was noted and not stored yet. */
  get isBehind(): boolean {
    return this.#unsaid.size > 0
  }

  /**
   * Stores entries with a transaction, and what was noted before. They count here once `committed` is called, behind the commit.
   *
   * @throws LogError `LOG_PRODUCER_FENCED` when somebody else wrote to the ledger: then the transaction must not be committed
   */
  async store(transaction: PortableTransaction, told: readonly LedgerRecord[]): Promise<void> {
    const entries = [...[...this.#unsaid].map(([key, value]) => ({ key, value })), ...told]
    const results = await transaction.send(this.#topic, entries)
    const { offset } = results[0]!
    if (offset !== this.#end) throw this.#fenced(`it goes on at ${offset}, and this mirror left it at ${this.#end}`)
    this.#stored = {
      end: results.at(-1)!.offset + 1 + MARKER,
      apply: () => {
        this.#unsaid.clear()
        for (const { key, value } of told) this.#apply(key!, value!)
      },
    }
  }

  /**
   * Stores entries in a transaction of their own.
   *
   * @throws LogError `LOG_PRODUCER_FENCED`, and those of the target
   */
  async write(entries: readonly LedgerRecord[]): Promise<void> {
    const transaction = await this.#log.beginTransaction(transactionOptions)
    try {
      await this.store(transaction, entries)
      await transaction.commit()
    } catch (error) {
      await transaction.abort().catch(() => {})
      throw error
    }
    this.committed()
  }

  /** The transaction with the entries was committed. */
  committed(): void {
    this.#stored?.apply()
    this.aborted()
  }

  /** The transaction with the entries was aborted: they are there, and do not count. */
  aborted(): void {
    if (this.#stored === undefined) return
    this.#end = this.#own = this.#stored.end
    this.#stored = undefined
  }

  /** Reads all entries. */
  async #read(): Promise<void> {
    this.#stored = undefined
    this.#maps.clear()
    this.#passed.clear()
    this.#origins.clear()
    this.#groups.clear()
    this.#growing.clear()
    this.#lanes.clear()
    this.#next.clear()
    this.#unsaid.clear()
    // Before the entries: who writes meanwhile is noticed by the first transaction.
    const { end, highWatermark } = (await endsOf(this.#topic)).get(0)!
    const own = this.#own
    this.#end = end
    if (own === Infinity) this.#own = Math.max(end, highWatermark)
    const consumer = this.#topic.consumer({ until: 'end' })
    try {
      for await (const { key, value, offset } of consumer) {
        if (key === null || value === null) continue
        if (offset >= own && value.by !== this.#by) throw this.#fenced(`another run of the mirror, ${value.by}, goes on with it`, value.by)
        this.#apply(key, value)
      }
    } finally {
      await consumer.close()
    }
  }

  #fenced(what: string, by?: string): LogError {
    return new LogError('LOG_PRODUCER_FENCED', `the ledger ${this.#topic.name} of the mirror: ${what}`, { topic: this.#topic.name, by })
  }

  #apply(key: string, { runs, from, source, target, producer, sequence }: LedgerEntry): void {
    const [kind, name, partition] = JSON.parse(key) as [string, string, number]
    if (!KINDS.has(kind)) throw new LogError('LOG_VERSION_UNSUPPORTED', `the ledger ${this.name} has entries of a newer version: "${kind}"`)
    if (kind === LANE && producer !== undefined) {
      this.#lanes.set(key, { topic: name, partition, producer, source: source!, target: target!, sequence: sequence! })
    }
    if (kind === LANE && producer === undefined) this.#lanes.delete(key)
    if (kind === 'group') this.#groups.set(key, { source: source!, target: target! })
    if (kind === 'passed') this.#passed.set(placeOf(name, partition), source!)
    if (kind === ORIGIN && from !== undefined) this.#origins.set(name, from)
    if (kind === ORIGIN && from === undefined) this.#origins.delete(name)
    if (kind !== 'run' || runs === undefined) return
    const place = placeOf(name, partition)
    const map = this.mapOf(name, partition)
    // An entry that has grown holds what it held before too.
    for (const run of runs) if (lastOf(run)[0] >= map.nextSource) map.add(rest(run, map.nextSource))
    if (runs.length === 1) this.#growing.set(place, key)
    else this.#growing.delete(place)
  }
}

/** What a run has from an offset of the source on. */
function rest([source, sourceStep, target, targetStep, count]: Run, from: number): Run {
  const gone = Math.max(0, Math.ceil((from - source) / sourceStep))
  return [source + gone * sourceStep, sourceStep, target + gone * targetStep, targetStep, count - gone]
}

function placeOf(topic: string, partition: number): string {
  return `${topic}/${partition}`
}
