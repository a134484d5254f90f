/*
 * A mirror: the records of topics of one log, stored in topics of another one as they are, in their partitions and their order, as long as it
 * runs. One transaction on the target takes what has come meanwhile, up to a limit, together with what the ledger says of it; so a record is
 * there once, whatever happens to the mirror, the source or the target. Readers run ahead of it, bounded by the bytes that wait.
 *
 * A record that comes alone to a cluster needs no transaction: plain-lanes.ts.
 *
 * What fails and may be tried again is: everything in hand is let go, the ledger is read anew, and reading goes on where it ends.
 */
import { isDeepStrictEqual } from '../../base/node-util.ts'
import { type Clock, systemClock } from '../../base/clock.ts'
import { isLogError, LogError } from '../../base/errors.ts'
import { pause } from '../../base/pause.ts'
import { systemRandom } from '../../base/random.ts'
import { unlessAborted, waiting, type WaitOptions } from '../../topics/abort.ts'
import { type PortableConsumer, type PortableLog, type PortableTransaction } from '../../topics/contract.ts'
import { type SourceTopic, sourceTopics } from './side.ts'
import { Claims } from './claims.ts'
import { GroupCarrier, type GroupStatus } from './group-carrier.ts'
import { Ledger, type LedgerRecord, MARKER, transactionOptions } from './ledger.ts'
import { type Gap, gone, MirroredTopic, type PartitionProgress, type PlainRecord } from './mirrored-topic.ts'
import { runsOf } from './offset-map.ts'
import { type Last, lastsOf, type Parts, PlainLanes, type SourceRecord } from './plain-lanes.ts'
import { checkMirrorOptions, type CheckedMirrorOptions, type MirrorOptions } from './options.ts'

/** Where a mirror is in its life. */
export type MirrorState = 'running' | 'waiting' | 'stopped' | 'failed'

/** How far a mirror is. */
export interface MirrorStatus {
  /** `waiting` after a failure that is tried again. */
  readonly state: MirrorState
  /** Records and their bytes that this run has mirrored. */
  readonly records: number
  readonly bytes: number
  /** Offsets of the source that are not mirrored yet, of all topics. */
  readonly lag: number
  readonly topics: readonly { readonly topic: string; readonly partitions: readonly PartitionProgress[] }[]
  readonly groups: readonly GroupStatus[]
  /** What the source has deleted before it was mirrored, and this run has passed over. */
  readonly gaps: readonly Gap[]
  /** What failed last. */
  readonly lastError: unknown
}

const FIRST_RETRY_MS = 100
const LONGEST_RETRY_MS = 10_000
/** Ms between two looks where topics are from, at most: what goes round does so for no longer. */
const CLAIM_MS = 1000
/** Memory that a record takes beside its bytes. */
const RECORD_BYTES = 64

/** A record to send. It is decoded when it is read, for what it came from may be gone later. */
interface Read extends SourceRecord {
  readonly headers: PlainRecord['headers']
}

/** Records of one partition that wait. */
interface Waiting {
  readonly topic: MirroredTopic
  readonly records: readonly Read[]
  readonly bytes: number
}

/** Offsets of the source, by partition, up to which somebody waits. */
type Wanted = ReadonlyMap<MirroredTopic, ReadonlyMap<number, number>>

/** Somebody who waits until the mirror has caught up. */
class Caller {
  readonly wanted: Wanted
  readonly reached: Promise<void>
  resolve!: () => void
  reject!: (reason: unknown) => void

  constructor(wanted: Wanted) {
    this.wanted = wanted
    this.reached = new Promise((resolve, reject) => {
      this.resolve = resolve
      this.reject = reject
    })
  }
}

/** A reader of one topic. */
interface Reader {
  readonly consumer: PortableConsumer<Uint8Array, Uint8Array>
  readonly ended: Promise<void>
}

/**
 * Mirrors topics of one log to another one, and carries over what groups commit. Resolves when it runs: topics are made, and what stands in
 * the way is thrown.
 *
 * @throws LogError `LOG_MIRROR_ITSELF`, `LOG_MIRROR_TARGET`, `LOG_TOPIC_MISMATCH`, `LOG_NOT_FOUND`, and those of both logs. `done` rejects with
 *   `LOG_MIRROR_GAP` when the source has deleted what was to be mirrored, and with `LOG_MIRROR_ITSELF` when another mirror brings it back; the
 *   reason of `signal`, when that is aborted before it runs
 * @see docs/cluster.md
 */
export async function mirror(source: PortableLog, target: PortableLog, options: MirrorOptions): Promise<Mirroring> {
  const checked = checkMirrorOptions(source, target, options)
  const { signal } = checked
  signal?.throwIfAborted()
  const beginning = begun(source, target, checked)
  try {
    return await unlessAborted(beginning, signal)
  } catch (error) {
    // One that begins behind its signal stops at once, and there is nobody who asks how.
    void beginning.then(({ done }) => done).catch(() => {})
    throw error
  }
}

async function begun(source: PortableLog, target: PortableLog, checked: CheckedMirrorOptions): Promise<Mirroring> {
  // Before anything is made on the target.
  const topics = await sourceTopics(source, checked.topics)
  const claims = new Claims(source, target)
  await claims.check(topics)
  const by = Buffer.from(systemRandom.bytes(9)).toString('base64url')
  const ledger = await Ledger.open(target, checked.id, by)
  const mirroring = new Mirroring({ source, target, ledger, claims, options: checked, clock: systemClock })
  await mirroring.begin(topics)
  return mirroring
}

/** A mirror that runs. */
export class Mirroring {
  /** Resolves when it has stopped; rejects with what ended it otherwise. */
  readonly done: Promise<void>
  readonly #source: PortableLog
  readonly #target: PortableLog
  readonly #ledger: Ledger
  readonly #claims: Claims
  readonly #options: CheckedMirrorOptions
  readonly #clock: Clock
  readonly #carrier: GroupCarrier
  readonly #lanes: PlainLanes | undefined
  readonly #topics = new Map<string, MirroredTopic>()
  readonly #readers = new Map<string, Reader>()
  readonly #gaps: Gap[] = []
  #waiting: Waiting[] = []
  #waitingBytes = 0
  #state: MirrorState = 'running'
  #stopping = false
  /** What reading failed with, until it begins again. */
  #failure: { readonly error: unknown } | undefined
  /** Why nobody can tell where the end is that it is to run to. */
  #endless: { readonly error: unknown } | undefined
  #lastError: unknown
  #records = 0
  #bytes = 0
  #lookAt = 0
  #claimAt = 0
  readonly #callers = new Set<Caller>()
  /** There is something to do that was not looked at yet. */
  #nudged = false
  #wake: () => void = () => {}
  #room: () => void = () => {}
  #finish!: () => void
  #fail!: (error: unknown) => void

  /** @internal */
  constructor(parts: {
    readonly source: PortableLog
    readonly target: PortableLog
    readonly ledger: Ledger
    readonly claims: Claims
    readonly options: CheckedMirrorOptions
    readonly clock: Clock
  }) {
    this.#source = parts.source
    this.#target = parts.target
    this.#ledger = parts.ledger
    this.#claims = parts.claims
    this.#options = parts.options
    this.#clock = parts.clock
    this.#carrier = new GroupCarrier(parts)
    this.#lanes = PlainLanes.to(parts.target, parts.ledger)
    this.done = new Promise((resolve, reject) => {
      this.#finish = resolve
      this.#fail = reject
    })
  }

  /** @internal */
  async begin(topics: readonly SourceTopic[]): Promise<void> {
    await this.#ledger.load()
    for (const topic of topics) await this.#open(topic)
    const { signal, untilEnd } = this.#options
    // Whoever waits for `done` hears what it failed with.
    const stop = (): void => void this.stop().catch(() => {})
    signal?.addEventListener('abort', stop)
    void this.#run().then(() => this.#over(stopped(), this.#finish), (error: unknown) => this.#over(error, () => this.#fail(error)))
      .finally(() => signal?.removeEventListener('abort', stop))
    if (signal?.aborted === true) stop()
    if (untilEnd) void this.#untilEnd().then(stop, (error: unknown) => this.#ended(error))
  }

  /** As `caughtUp`; what an outage keeps it from asking is asked again. */
  async #untilEnd(): Promise<void> {
    for (;;) {
      try {
        return await this.caughtUp()
      } catch (error) {
        if (this.#state === 'stopped' || this.#state === 'failed' || !worthAnotherTry(error)) throw error
        await pause(this.#clock, FIRST_RETRY_MS)
      }
    }
  }

  /** Nobody can tell where its end is: the loop fails with it, unless it has ended by itself. */
  #ended(error: unknown): void {
    this.#endless = { error }
    this.#nudge()
  }

  /** How far it is, by both logs. */
  async status(): Promise<MirrorStatus> {
    const topics: { readonly topic: string; readonly partitions: readonly PartitionProgress[] }[] = []
    for (const topic of this.#topics.values()) topics.push({ topic: topic.name, partitions: await topic.progress() })
    const lag = topics.flatMap(({ partitions }) => partitions).reduce((sum, partition) => sum + partition.lag, 0)
    return {
      state: this.#state, records: this.#records, bytes: this.#bytes, lag, topics, groups: await this.#carrier.status(this.#topics),
      gaps: [...this.#gaps], lastError: this.#lastError,
    }
  }

  /**
   * Resolves when everything is on the target, and counts, that the source holds now, and what the groups have committed is carried over:
   * when nobody writes to the source and consumes from it any more, producers and consumers can go on at the target.
   *
   * A signal ends the waiting.
   *
   * @throws LogError `LOG_CLOSED` when it was stopped before; what ended the mirror
   */
  async caughtUp(options?: WaitOptions): Promise<void> {
    return waiting(options, 'caughtUp', () => this.#caughtUp(options?.signal))
  }

  async #caughtUp(signal?: AbortSignal): Promise<void> {
    const wanted = new Map<MirroredTopic, Map<number, number>>()
    for (const topic of this.#topics.values()) {
      wanted.set(topic, new Map([...await topic.ends()].map(([partition, { end }]) => [partition, end])))
    }
    if (this.#state === 'stopped' || this.#state === 'failed') return this.done.then(() => { throw stopped() })
    const caller = new Caller(wanted)
    this.#callers.add(caller)
    this.#nudge()
    try {
      await unlessAborted(caller.reached, signal)
    } finally {
      // Who does not wait any more is not looked after any more.
      this.#callers.delete(caller)
    }
  }

  /** It has ended, and nobody waits for it in vain. */
  #over(reason: unknown, tell: () => void): void {
    for (const { reject } of this.#callers) reject(reason)
    tell()
  }

  /** Finishes what is in hand, and stops. What is not mirrored by then is with the next run. A signal ends the waiting; it stops nevertheless. */
  async stop(options?: WaitOptions): Promise<void> {
    this.#stopping = true
    this.#nudge()
    await waiting(options, 'stop', () => this.done)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  // The loop

  async #run(): Promise<void> {
    let delayMs = FIRST_RETRY_MS
    let begun = false
    try {
      while (!this.#stopping) {
        try {
          if (this.#endless !== undefined) throw this.#endless.error
          if (!begun) await this.#restart()
          begun = true
          this.#state = 'running'
          await this.#step()
          delayMs = FIRST_RETRY_MS
        } catch (error) {
          // The source was closed.
          if (this.#stopping && isLogError(error, 'LOG_CLOSED')) break
          this.#lastError = error
          if (!worthAnotherTry(error) && !await this.#isGap(error)) throw error
          begun = false
          this.#state = 'waiting'
          this.#options.onEvent({ type: 'retry', error, delayMs })
          await this.#endReaders()
          this.#nudged = this.#stopping
          await this.#sleep(delayMs)
          delayMs = Math.min(delayMs * 2, LONGEST_RETRY_MS)
        }
      }
      if (begun) await this.#settle(this.#lanes?.closing()).catch(() => {})
      this.#state = 'stopped'
    } catch (error) {
      this.#state = 'failed'
      throw error
    } finally {
      await this.#endReaders()
      await this.#lanes?.end()
    }
  }

  /** Stores what waits, looks after groups when it is time, or waits for something to do. */
  async #step(): Promise<void> {
    this.#nudged = false
    if (this.#failure !== undefined) throw this.#failure.error
    if (this.#clock.monotonic() >= this.#lookAt) await this.#look()
    if (this.#clock.monotonic() >= this.#claimAt) await this.#claim()
    if (this.#waiting.length > 0) return this.#transfer(this.#take())
    if (this.#callers.size > 0 && await this.#tellCallers()) return
    if (this.#lanes?.isWanting === true && !this.#options.untilEnd && !this.#stopping) return this.#lanes.open()
    await this.#sleep(Math.max(1, Math.min(this.#lookAt, this.#claimAt) - this.#clock.monotonic()))
  }

  /** Waits, but no longer than until there is something to do. */
  async #sleep(ms: number): Promise<void> {
    if (this.#nudged) return
    await new Promise<void>((resolve) => {
      const timer = this.#clock.setTimer(resolve, ms)
      this.#wake = () => {
        timer.cancel()
        resolve()
      }
    })
    this.#wake = () => {}
  }

  #nudge(): void {
    this.#nudged = true
    this.#wake()
  }

  /** Begins to read where the ledger ends. */
  async #restart(): Promise<void> {
    await this.#lanes?.end()
    await this.#ledger.load()
    await this.#lanes?.recover([...this.#topics.values()])
    await this.#claim()
    await this.#passGaps([...this.#topics.values()])
    for (const topic of this.#topics.values()) this.#beginReader(topic)
  }

  async #transfer(batches: readonly Waiting[]): Promise<void> {
    const byTopic = new Map<MirroredTopic, Read[]>()
    for (const { topic, records } of batches) {
      const list = byTopic.get(topic)
      if (list === undefined) byTopic.set(topic, [...records])
      else for (const record of records) list.push(record)
    }
    const parts = [...byTopic]
    const bytes = batches.reduce((sum, batch) => sum + batch.bytes, 0)
    if (this.#lanes?.takes(parts, bytes) === true) await this.#sendPlainly(this.#lanes, parts, bytes)
    else {
      const guess = parts.map(([{ name }, records]) => this.#ledger.guess(name, records))
      const guessed = guess.every((offsets) => offsets !== undefined) && await this.#store(parts, guess)
      if (!guessed) await this.#store(parts)
    }
    this.#count(batches)
  }

  async #sendPlainly(lanes: PlainLanes, parts: Parts, bytes: number): Promise<void> {
    const places = told(await lanes.send(parts, bytes))
    for (const entry of this.#entriesOf(parts, places)) this.#ledger.note(entry)
    for (const { topic, partition, target } of lastsOf(parts, places)) this.#ledger.expect(topic.name, partition, target + 1)
  }

  /**
   * Stores records in a transaction, with what the ledger says of them. With a guess where they get to, the ledger does not wait for the answer:
   * when it was wrong the transaction is aborted, which gives false.
   */
  async #store(parts: Parts, guess?: readonly (readonly number[])[]): Promise<boolean> {
    const transaction = await this.#target.beginTransaction(transactionOptions)
    try {
      const sending = Promise.all(parts.map(async ([topic, records]) => (await transaction.send(topic.target, records)).map(({ offset }) => offset)))
      const noted = guess && this.#note(transaction, parts, guess)
      const [places, guessed] = await Promise.all([sending, noted])
      if (guess !== undefined && !isDeepStrictEqual(places, guess)) {
        await transaction.abort()
        this.#ledger.aborted()
        return false
      }
      const lasts = guessed ?? await this.#note(transaction, parts, told(places))
      await transaction.commit()
      this.#ledger.committed()
      this.#lanes?.passed(lasts)
      for (const { topic, partition, target } of lasts) this.#ledger.expect(topic.name, partition, target + 1 + MARKER)
      return true
    } catch (error) {
      await transaction.abort().catch(() => {})
      throw error
    }
  }

  /** Stores with the transaction where its records are on the target; gives the last ones. */
  async #note(transaction: PortableTransaction, parts: Parts, places: readonly (readonly number[])[]): Promise<readonly Last[]> {
    const lasts = lastsOf(parts, places)
    await this.#ledger.store(transaction, [...this.#entriesOf(parts, places), ...(this.#lanes?.entriesBeside(lasts) ?? [])])
    return lasts
  }

  #entriesOf(parts: Parts, places: readonly (readonly number[])[]): LedgerRecord[] {
    return parts.flatMap(([{ name }, records], part) => {
      const pairs = new Map<number, [source: number, target: number][]>()
      for (const [index, { partition, offset }] of records.entries()) {
        const list = pairs.get(partition)
        const pair: [number, number] = [offset, places[part]![index]!]
        if (list === undefined) pairs.set(partition, [pair])
        else list.push(pair)
      }
      return [...pairs].map(([partition, list]) => this.#ledger.runEntry(name, partition, runsOf(list)))
    })
  }

  #count(batches: readonly Waiting[]): void {
    let [records, bytes] = [0, 0]
    for (const batch of batches) {
      records += batch.records.length
      bytes += batch.bytes - batch.records.length * RECORD_BYTES
    }
    this.#records += records
    this.#bytes += bytes
    this.#options.onEvent({ type: 'mirrored', records, bytes })
  }

  /** Whether somebody was told that all is mirrored that he waits for. */
  async #tellCallers(): Promise<boolean> {
    let told = false
    for (const caller of [...this.#callers]) {
      if (!await isMirrored(caller.wanted)) continue
      if (!await this.#carrier.carry(this.#topics)) continue
      this.#callers.delete(caller)
      caller.resolve()
      told = true
    }
    return told
  }

  // Groups, and topics that come later

  async #look(): Promise<void> {
    this.#lookAt = this.#clock.monotonic() + this.#options.groupIntervalMs
    const grown = (topic: SourceTopic): boolean => this.#topics.get(topic.name)?.partitions.length !== topic.partitions
    const found = (await sourceTopics(this.#source, this.#options.topics)).filter(grown)
    if (found.length > 0) await this.#claims.check(found)
    const opened: MirroredTopic[] = []
    for (const topic of found) {
      await this.#endReader(topic.name)
      this.#forget(topic.name)
      opened.push(await this.#open(topic))
    }
    await this.#lanes?.recover(opened)
    await this.#claim()
    await this.#passGaps(opened)
    for (const topic of opened) this.#beginReader(topic)
    await this.#carrier.carry(this.#topics)
    await this.#settle()
  }

  /** Says where topics are from, and looks whether they come back. */
  async #claim(): Promise<void> {
    this.#claimAt = this.#clock.monotonic() + CLAIM_MS
    await this.#claims.claim([...this.#topics.values()], this.#ledger)
  }

  /**
   * Stores what was noted, and how far partitions are in which nothing that is mirrored stands behind the last record: of those in which records
   * wait these say so soon.
   */
  async #settle(more: readonly LedgerRecord[] = []): Promise<void> {
    const entries = [...more, ...await this.#settled()]
    if (entries.length > 0 || this.#ledger.isBehind) await this.#ledger.write(entries)
  }

  async #settled(): Promise<LedgerRecord[]> {
    const entries: LedgerRecord[] = []
    for (const topic of this.#topics.values()) {
      if (this.#waiting.length > 0) return []
      for (const { partition, position } of await topic.settled()) entries.push(this.#ledger.passedEntry(topic.name, partition, position))
    }
    return entries
  }

  /** @throws LogError `LOG_MIRROR_GAP` */
  async #passGaps(topics: readonly MirroredTopic[]): Promise<void> {
    const gaps = (await Promise.all(topics.map((topic) => topic.gaps()))).flat()
    if (gaps.length === 0) return
    if (this.#options.gaps === 'refuse') throw gone(gaps)
    await this.#ledger.write(gaps.map(({ topic, partition, to }) => this.#ledger.passedEntry(topic, partition, to)))
    for (const gap of gaps) {
      this.#gaps.push(gap)
      this.#options.onEvent({ type: 'gap', ...gap })
    }
  }

  /** Whether reading fails because the source has deleted what was to be read. What becomes of it is decided when reading begins again. */
  async #isGap(error: unknown): Promise<boolean> {
    if (!isLogError(error, 'LOG_OFFSET_OUT_OF_RANGE')) return false
    const gaps = await Promise.all([...this.#topics.values()].map((topic) => topic.gaps().catch(() => [])))
    return gaps.flat().length > 0
  }

  /** What waits of a topic is read again. */
  #forget(name: string): void {
    this.#waiting = this.#waiting.filter(({ topic }) => topic.name !== name)
    this.#waitingBytes = this.#waiting.reduce((sum, { bytes }) => sum + bytes, 0)
    this.#giveRoom()
  }

  async #open(topic: SourceTopic): Promise<MirroredTopic> {
    const opened = await MirroredTopic.open(this.#source, this.#target, topic, { ledger: this.#ledger, existing: this.#options.existing })
    this.#topics.set(topic.name, opened)
    return opened
  }

  // Readers

  #beginReader(topic: MirroredTopic): void {
    const consumer = topic.read()
    const reader: Reader = { consumer, ended: this.#read(topic, consumer) }
    this.#readers.set(topic.name, reader)
  }

  async #read(topic: MirroredTopic, consumer: PortableConsumer<Uint8Array, Uint8Array>): Promise<void> {
    const current = (): boolean => this.#readers.get(topic.name)?.consumer === consumer
    try {
      for await (const batch of consumer.batches()) {
        if (!current()) return
        const records = batch.map(readOf)
        const bytes = records.reduce((sum, record) => sum + sizeOf(record), 0)
        this.#waiting.push({ topic, records, bytes })
        this.#waitingBytes += bytes
        this.#nudge()
        while (this.#waitingBytes > this.#options.transactionBytes && current()) await new Promise<void>((resolve) => this.#whenRoom(resolve))
      }
      // Its log was closed.
      if (current()) this.#stopping = true
    } catch (error) {
      if (current()) this.#failure = { error }
    }
    this.#nudge()
  }

  #whenRoom(resolve: () => void): void {
    const others = this.#room
    this.#room = () => {
      others()
      resolve()
    }
  }

  #take(): readonly Waiting[] {
    const taken: Waiting[] = []
    let bytes = 0
    while (this.#waiting.length > taken.length) {
      const next = this.#waiting[taken.length]!
      if (bytes > 0 && bytes + next.bytes > this.#options.transactionBytes) break
      bytes += next.bytes
      taken.push(next)
    }
    this.#waiting = this.#waiting.slice(taken.length)
    this.#waitingBytes -= bytes
    this.#giveRoom()
    return taken
  }

  #giveRoom(): void {
    const room = this.#room
    this.#room = () => {}
    room()
  }

  async #endReader(name: string): Promise<void> {
    const reader = this.#readers.get(name)
    this.#readers.delete(name)
    this.#giveRoom()
    await reader?.consumer.close()
    await reader?.ended
  }

  async #endReaders(): Promise<void> {
    await Promise.all([...this.#readers.keys()].map((name) => this.#endReader(name)))
    this.#waiting = []
    this.#waitingBytes = 0
    this.#failure = undefined
  }
}

function stopped(): LogError {
  return new LogError('LOG_CLOSED', 'the mirror was stopped before it had caught up')
}

/** Whether everything below these ends is mirrored. */
async function isMirrored(wanted: Wanted): Promise<boolean> {
  for (const [topic, partitions] of wanted) {
    for (const [partition, end] of partitions) if (!await topic.isMirroredTo(partition, end)) return false
  }
  return true
}

/** Places that are all known: of records that a cluster has already it may not tell any, and then they are stored again. */
function told(places: readonly (readonly number[])[]): readonly (readonly number[])[] {
  if (!places.some((offsets) => offsets.includes(-1))) return places
  throw new LogError('LOG_SEND_UNKNOWN', 'the target has records of the mirror already, and does not tell where: they are mirrored again')
}

/** What is not known the ledger knows: whether a send was stored, and who goes on when two runs of a mirror have met. */
function worthAnotherTry(error: unknown): boolean {
  if (!isLogError(error)) return false
  if (error.code === 'LOG_PRODUCER_FENCED') return error.detail['by'] === undefined
  // Of several records: when each of those that failed is worth it.
  if (error.code === 'LOG_SEND_FAILED') {
    return (error.detail['results'] as readonly unknown[]).every((result) => !(result instanceof Error) || worthAnotherTry(result))
  }
  return error.retriable || error.code === 'LOG_SEND_UNKNOWN' || error.code === 'LOG_COMMIT_UNKNOWN'
}

function readOf({ key, value, headers, timestamp, partition, offset }: PlainRecord): Read {
  return { key, value, headers, timestamp, partition, offset }
}

function sizeOf({ key, value, headers }: Read): number {
  let bytes = RECORD_BYTES + (key?.length ?? 0) + (value?.length ?? 0)
  for (const [name, header] of headers) bytes += name.length + (header?.length ?? 0)
  return bytes
}
