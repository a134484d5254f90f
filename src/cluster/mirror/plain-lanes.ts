/*
 * How records that come alone get to a cluster: as plain sends, one request where a transaction is three, and seen at once. Exactly once all the
 * same, by a *lane*: the ledger says who sends to a partition, and with which sequence of his the record at which offset of the source comes. A
 * lane is opened when there is time, in a transaction; from then on each record of the source takes the next sequence and nothing else is said.
 * So the batches that stand in the partition are what was mirrored, whatever became of answers, and of the mirror: who goes on finds the lane in
 * the ledger, shuts its producer out of the partition (fenced-producer.ts), and counts what is there up to the marker of that.
 *
 * What does not follow record upon record, is large or old, goes in a transaction, with an entry that says where the lane goes on.
 */
import { isLogError, LogError } from '../../base/errors.ts'
import { type PortableLog, type PortableSendRecord } from '../../topics/contract.ts'
import { type Call } from '../call.ts'
import { Connected } from '../connected.ts'
import { endsOf } from '../ends.ts'
import { BELIEVED_MS, FencedProducer } from '../fenced-producer.ts'
import { type ProducerName } from '../producer-name.ts'
import { type StoredUpTo } from '../stored-batches.ts'
import { configOf, keepsEverything } from '../topic-state.ts'
import { type Sendable } from '../transaction.ts'
import { type Ledger, type LedgerLane, type LedgerRecord } from './ledger.ts'
import { type MirroredTopic } from './mirrored-topic.ts'
import { lastOf, runsOf } from './offset-map.ts'

/** Bytes of records that go plainly in one go, at most. */
const MOST_BYTES = 64 * 1024
/** Bytes of which the ledger does not tell yet, at most: they are read again after a crash. */
const MOST_UNTOLD_BYTES = 4 * 1024 * 1024
const SEQUENCES = 2 ** 31
/** As long as the mirror waits for what is asked before lanes are opened. */
const ASKING_MS = 10_000
/** Ms until lanes are tried again that could not be opened; twice as long each time. */
const FIRST_RETRY_MS = 60_000
const LONGEST_RETRY_MS = 86_400_000

/** A record with where it was read. */
export interface SourceRecord extends PortableSendRecord<Uint8Array, Uint8Array> {
  readonly partition: number
  readonly offset: number
  readonly timestamp: number
}

/** Records by their topic. */
export type Parts = readonly (readonly [MirroredTopic, readonly SourceRecord[]])[]

/** A partition of a topic that is mirrored. */
interface Place {
  readonly topic: MirroredTopic
  readonly partition: number
}

/** The last of some records of a partition: its offset on the source, and on the target. */
export interface Last extends Place {
  readonly source: number
  readonly target: number
}

/** Of the next record: its offset on the source, and the sequence that it gets. */
interface Lane {
  source: number
  sequence: number
}

/** Partitions that may be sent to, with the offsets of the markers that say so. */
interface Entered {
  readonly producer: FencedProducer
  readonly places: readonly Place[]
  readonly markers: readonly number[]
}

/** The lanes of one run of a mirror. */
export class PlainLanes {
  readonly #connected: Connected
  readonly #ledger: Ledger
  readonly #lanes = new Map<string, Lane>()
  /** Mirrored to by transactions, and without a lane. */
  readonly #wanted = new Map<string, Place>()
  /** Topics that delete or compact by themselves: without lanes, as long as this runs. */
  readonly #fading = new Set<string>()
  /** By producer id, on the monotonic clock: until then one that the coordinator has replaced may believe in itself. */
  readonly #believed = new Map<string, number>()
  #producer: FencedProducer | undefined
  /** Nothing is opened before, on the monotonic clock: the cluster could not, or does not do what lanes need. */
  #openAt = 0
  #retryMs = FIRST_RETRY_MS
  #untoldBytes = 0

  private constructor(connected: Connected, ledger: Ledger) {
    this.#connected = connected
    this.#ledger = ledger
  }

  /** Those to a target; undefined when it is a log of this process, to which transactions are as fast. */
  static to(target: PortableLog, ledger: Ledger): PlainLanes | undefined {
    const connected = connectionOf(target)
    return connected && new PlainLanes(connected, ledger)
  }

  /**
   * Closes the lanes of runs before, and learns what they have stored that the ledger does not say.
   *
   * @throws LogError `LOG_MIRROR_TARGET` when the target has deleted what would tell, and those of the target
   */
  async recover(topics: readonly MirroredTopic[]): Promise<void> {
    const names = new Set(topics.map(({ name }) => name))
    const found = this.#ledger.lanes.filter(({ topic, producer }) => names.has(topic) && producer.epoch !== this.#own(producer))
    const ids = new Set(found.map(({ producer }) => producer.transactionalId))
    for (const id of ids) await this.#takeOver(id, found.filter(({ producer }) => producer.transactionalId === id))
  }

  /** The epoch of this run's own producer, if it is that. */
  #own({ producerId }: ProducerName): number | undefined {
    return this.#producer?.name.producerId === producerId ? this.#producer.name.epoch : undefined
  }

  async #takeOver(id: string, lanes: readonly LedgerLane[]): Promise<void> {
    const producer = await FencedProducer.open(this.#connected, id)
    try {
      this.#checkReplaced(producer.name.producerId, lanes)
      const places = lanes.map(({ topic, partition, target, producer: { producerId, epoch } }) => (
        { topic, partition, from: Math.max(target, this.#from(topic, partition)), of: { producerId: BigInt(producerId), producerEpoch: epoch } }
      ))
      const stored = await producer.enter(places)
      const entries = lanes.flatMap((lane, index) => this.#entriesOf(lane, places[index]!.from, stored[index]!))
      await this.#ledger.write(entries)
      for (const [index, { topic, partition }] of lanes.entries()) this.#ledger.expect(topic, partition, stored[index]!.marker + 1)
    } finally {
      await producer.close()
    }
  }

  /**
   * A producer that the coordinator has replaced (it forgot the id, or its epochs were used up) is shut out by no epoch: it has to have stopped
   * to believe in itself.
   */
  #checkReplaced(by: string, lanes: readonly LedgerLane[]): void {
    const { clock, requestTimeoutMs } = this.#connected.options
    const now = clock.monotonic()
    for (const { producer: { transactionalId, producerId } } of lanes) {
      if (producerId === by) continue
      const until = this.#believed.get(producerId) ?? now + BELIEVED_MS + requestTimeoutMs
      this.#believed.set(producerId, until)
      if (now >= until) continue
      const message = `producer ${producerId} of "${transactionalId}", which the cluster has replaced, may send for ${until - now} ms more`
      throw new LogError('LOG_CLUSTER_UNAVAILABLE', message, { transactionalId })
    }
  }

  /** Offset on the target behind the last record that the ledger knows. */
  #from(topic: string, partition: number): number {
    const { last } = this.#ledger.mapOf(topic, partition)
    return last === undefined ? 0 : lastOf(last)[1] + 1
  }

  #entriesOf(lane: LedgerLane, from: number, { batches, isMissingFrom }: StoredUpTo): LedgerRecord[] {
    const { topic, partition } = lane
    if (isMissingFrom((batches.at(-1)?.lastOffset ?? from - 1) + 1)) throw forgotten(topic, partition)
    const pairs = batches.flatMap(({ baseOffset, lastOffset, baseSequence }) => {
      const source = lane.source + (baseSequence - lane.sequence + SEQUENCES) % SEQUENCES
      return Array.from({ length: lastOffset - baseOffset + 1 }, (_, index) => [source + index, baseOffset + index] as const)
    })
    const runs = runsOf(pairs)
    return [...(runs.length === 0 ? [] : [this.#ledger.runEntry(topic, partition, runs)]), this.#ledger.laneEntry(topic, partition)]
  }

  /** Whether something is to be opened, or kept from being forgotten. */
  get isWanting(): boolean {
    return this.#producer?.isToRenew === true || (this.#wanted.size > 0 && this.#connected.options.clock.monotonic() >= this.#openAt)
  }

  /**
   * Opens lanes to the partitions that were mirrored to, and keeps those that there are.
   *
   * @throws LogError those of the ledger; where the cluster does not let it records go in transactions, and it is tried again later
   */
  async open(): Promise<void> {
    if (this.#producer?.isToRenew === true) await this.#producer.renew()
    const wanted = [...this.#wanted.values()]
    this.#wanted.clear()
    const entered = await this.#enter(wanted)
    if (entered === undefined) return
    const { producer, places, markers } = entered
    const lanes = places.map(({ topic, partition }) => ({ source: this.#ledger.position(topic.name, partition), sequence: 0 }))
    const targets = markers.map((marker) => marker + 1)
    await this.#ledger.write(places.map(({ topic, partition }, index) => (
      this.#ledger.laneEntry(topic.name, partition, { producer: producer.name, ...lanes[index]!, target: targets[index]! })
    )))
    for (const [index, { topic, partition }] of places.entries()) {
      this.#ledger.expect(topic.name, partition, targets[index]!)
      this.#lanes.set(keyOf(topic, partition), lanes[index]!)
    }
  }

  async #enter(wanted: readonly Place[]): Promise<Entered | undefined> {
    const { cluster, options } = this.#connected
    const call = cluster.call().part(ASKING_MS)
    try {
      const places = await this.#kept(call, wanted)
      if (places.length === 0) return undefined
      const producer = this.#producer ??= await FencedProducer.open(this.#connected, `${options.transactionalIdPrefix}-${this.#ledger.name}`)
      const asked = places.map(({ topic: { name: topic }, partition }) => ({ topic, partition }))
      const ends = await endsOf(cluster, call, asked)
      const stored = await producer.enter(asked.map((place, index) => ({ ...place, from: ends[index]!.highWatermark })))
      this.#retryMs = FIRST_RETRY_MS
      return { producer, places, markers: stored.map(({ marker }) => marker) }
    } catch (error) {
      if (!isLogError(error)) throw error
      await this.end()
      this.#openAt = options.clock.monotonic() + this.#retryMs
      this.#retryMs = Math.min(this.#retryMs * 2, LONGEST_RETRY_MS)
      return undefined
    }
  }

  /** Those of topics that delete nothing by themselves: else the last batch might be gone before the ledger tells of it. */
  async #kept(call: Call, places: readonly Place[]): Promise<Place[]> {
    for (const name of new Set(places.map(({ topic }) => topic.name))) {
      if (!keepsEverything(await configOf(this.#connected.cluster, call, name))) this.#fading.add(name)
    }
    return places.filter(({ topic }) => !this.#fading.has(topic.name))
  }

  /** Whether all of these records, of so many bytes, may go plainly: each the next one of a lane. */
  takes(parts: Parts, bytes: number): boolean {
    if (!this.#ledger.isBehind) this.#untoldBytes = 0
    if (this.#lanes.size === 0 || bytes > MOST_BYTES || this.#untoldBytes > MOST_UNTOLD_BYTES) return false
    const taken = new Map<Lane, number>()
    return parts.every(([topic, records]) => records.every(({ partition, offset, timestamp }) => {
      const lane = this.#lanes.get(keyOf(topic, partition))
      if (lane === undefined || !this.#producer!.takes(timestamp)) return false
      const before = taken.get(lane) ?? 0
      taken.set(lane, before + 1)
      return offset === lane.source + before
    }))
  }

  /**
   * Sends what lanes take; gives the offsets on the target. When it fails it is not known what is there, and nothing goes plainly any more
   * before the mirror begins again.
   *
   * @throws LogError as {@link FencedProducer.send}
   */
  async send(parts: Parts, bytes: number): Promise<readonly (readonly number[])[]> {
    const producer = this.#producer!
    this.#untoldBytes += bytes
    const results = await Promise.all(parts.map(([topic, records]) => producer.send(targetOf(topic), records))).catch(async (error: unknown) => {
      await this.end()
      throw error
    })
    const places = results.map((sent) => sent.map(({ offset }) => offset))
    for (const { topic, partition, source } of lastsOf(parts, places)) {
      const lane = this.#lanes.get(keyOf(topic, partition))!
      lane.sequence = (lane.sequence + source + 1 - lane.source) % SEQUENCES
      lane.source = source + 1
    }
    return places
  }

  /** What a transaction that stores records up to these says of lanes: where they go on. */
  entriesBeside(lasts: readonly Last[]): LedgerRecord[] {
    return lasts.flatMap(({ topic, partition, source, target }) => {
      const lane = this.#lanes.get(keyOf(topic, partition))
      if (lane === undefined) return []
      const { sequence } = lane
      const entry = { producer: this.#producer!.name, source: source + 1, sequence, target: target + 1 }
      return [this.#ledger.laneEntry(topic.name, partition, entry)]
    })
  }

  /** A transaction that stored records up to these, and what was said of lanes, was committed. */
  passed(lasts: readonly Last[]): void {
    for (const { topic, partition, source } of lasts) {
      const key = keyOf(topic, partition)
      const lane = this.#lanes.get(key)
      if (lane !== undefined) lane.source = source + 1
      else if (!this.#fading.has(topic.name)) this.#wanted.set(key, { topic, partition })
    }
  }

  /** What the ledger says when nothing goes plainly any more. */
  closing(): LedgerRecord[] {
    return this.#ledger.lanes.filter(({ producer }) => producer.epoch === this.#own(producer)).map(({ topic, partition }) => (
      this.#ledger.laneEntry(topic, partition)
    ))
  }

  /** Sends nothing more. */
  async end(): Promise<void> {
    const producer = this.#producer
    this.#producer = undefined
    this.#lanes.clear()
    this.#wanted.clear()
    await producer?.close()
  }
}

/** The last record of each partition. `places` are the offsets of all on the target. */
export function lastsOf(parts: Parts, places: readonly (readonly number[])[]): Last[] {
  return parts.flatMap(([topic, records], part) => {
    const lasts = new Map(records.map(({ partition, offset }, index) => [partition, { source: offset, target: places[part]![index]! }]))
    return [...lasts].map(([partition, last]) => ({ topic, partition, ...last }))
  })
}

/** The connection of a log that is a cluster; undefined for one of this process. */
function connectionOf(log: PortableLog): Connected | undefined {
  const { connected } = log as { readonly connected?: unknown }
  return connected instanceof Connected ? connected : undefined
}

function targetOf({ target }: MirroredTopic): Sendable<Uint8Array, Uint8Array>['target'] {
  return (target as unknown as Sendable<Uint8Array, Uint8Array>).target
}

function keyOf({ name }: MirroredTopic, partition: number): string {
  return `${partition} ${name}`
}

function forgotten(topic: string, partition: number): LogError {
  const message = `${topic}-${partition} of the target has deleted what the mirror stored there last, before its ledger told of it: ` +
    'how far it is mirrored nobody knows'
  return new LogError('LOG_MIRROR_TARGET', message, { topic, partition })
}
