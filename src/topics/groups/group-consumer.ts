/*
 * Reads topics as a member of a group: an asynchronous iterator over the records of the partitions that are this member's, from where the
 * group has committed. A loop joins the group when it begins and leaves it when it ends, however it ends.
 *
 * Asking for the next record marks the one before as done. What is done is committed with the next round of commits, or after
 * `autoCommitIntervalMs`, and before a partition goes to another member or the loop ends; the loop never waits for it. The record in hand
 * when somebody leaves the loop is not done. Membership is member.ts, the reading is reading.ts.
 */
import { type InspectOptions } from 'node:util'
import { type Timer } from '../../base/clock.ts'
import { type Inspect, INSPECT, inspected } from '../../base/inspect.ts'
import { type Isolation, type PartitionLog } from '../../log/partition-log.ts'
import { type LogRecord } from '../../log/record.ts'
import { onAbort } from '../../base/on-abort.ts'
import { checkSignal } from '../../base/options.ts'
import { unlessAborted, waiting, type WaitOptions } from '../abort.ts'
import { wordsIn } from '../consume/finished-metadata.ts'
import { Life } from '../life.ts'
import { type LogCore } from '../log-core.ts'
import { Loop, type LoopReading, type Loops, type RecordIterator } from '../loop.ts'
import { Assigned, Reading } from '../reading.ts'
import { checkStartPosition, resolveStart, type StartPosition } from '../start-position.ts'
import { presentLogs, type TopicParts } from '../topic-core.ts'
import { type Committing, toEntries } from './commit-entries.ts'
import { type GroupCoordinator } from './coordinator.ts'
import { groupError } from './group-error.ts'
import { type CommitRequest } from './group-messages.ts'
import { type CheckedGroupOptions } from './group-options.ts'
import { type CommitEntry, GroupMember, type Place } from './member.ts'
import { placeKey } from './offset-table.ts'
import { type Subscription } from './subscription.ts'
import { checkCommit, commitEpoch } from './valid-commit.ts'

/** As long as a timer can be: it is only there to keep the process alive. */
const KEEP_ALIVE_MS = 0x7fff_ffff

/** What a group committed for a partition. */
export interface Committed {
  /** The next one to read. */
  readonly offset: number
  readonly metadata: string
}

/** How offsets are committed. */
export interface CommitOptions {
  /** Kept beside them. */
  readonly metadata?: string
  /** Ends the waiting; the commit goes on. */
  readonly signal?: AbortSignal
}

/** What a group consumer reads, and how its user names partitions. */
export interface GroupSource<K, V, P> {
  readonly core: LogCore
  readonly life: Life
  /** Names it in errors. */
  readonly what: string
  readonly subscription: Subscription
  /** Makes or opens what is read, when a loop begins. */
  prepare(): Promise<void>
  /** The open topic of a name. */
  parts(topic: string): Promise<TopicParts<K, V>>
  /** The offset that a position means at this moment, a promise where somebody has to be asked; `LOG_OFFSET_OUT_OF_RANGE` for what is not there. */
  placeOf(log: PartitionLog, to: StartPosition, isolation: Isolation): number | Promise<number>
  /** The partition that a user names; a TypeError for what is none. */
  toPlace(given: P): Place
  fromPlace(place: Place): P
}

/** A partition that is read. */
class Mine<K, V> extends Assigned<K, V> {
  readonly place: Place
  /** What the group has committed; undefined for nothing. */
  committed: number | undefined
  /** What is being committed. */
  underWay: number | undefined
  /** Its place is to be committed even when it is before what is committed, or nothing was read: somebody chose it. */
  chosen = false

  constructor(place: Place, parts: TopicParts<K, V>, position: number) {
    super(parts.core.logs[place.partition]!, position, parts.codecs)
    this.place = place
  }

  /** Something is done that is not committed. */
  get dirty(): boolean {
    if (this.underWay !== undefined) return this.position > this.underWay
    return this.chosen || this.position > (this.committed ?? this.began)
  }

  /** A commit has ended. */
  settle(offset: number, stored: boolean): void {
    if (this.underWay === offset) this.underWay = undefined
    if (!stored) return
    this.committed = offset
    if (this.position === offset) this.chosen = false
  }

  /** Where it began, while nothing is committed. */
  began = this.position
}

/** Reads as a member of a group. */
export class GroupConsumer<K, V, P> {
  /** The name of the group. */
  readonly group: string
  readonly #source: GroupSource<K, V, P>
  readonly #options: CheckedGroupOptions<P>
  readonly #life: Life
  readonly #reading: Reading<K, V>
  /** By placeKey: what it owns, also while it is giving it back. */
  readonly #mine = new Map<string, Mine<K, V>>()
  #ends = new Map<string, number>()
  #groups: GroupCoordinator | undefined
  #member: GroupMember | undefined
  #loop: object | undefined
  #ending: Promise<void> | undefined
  #failure: { readonly error: unknown } | undefined
  #timer: Timer | undefined
  #committing: Promise<void> | undefined
  #unlisten: (() => void)[] = []

  /** @internal */
  constructor(source: GroupSource<K, V, P>, options: CheckedGroupOptions<P>) {
    const { core } = source
    this.group = options.group
    this.#source = source
    this.#options = options
    this.#life = new Life(source.what, source.life)
    const { isolation, signal, ref } = options
    this.#reading = new Reading<K, V>([], { codecs: undefined, isolation, clock: core.env.clock, life: this.#life, signal, ref })
  }

  /** The partitions that are this member's now; none outside of a loop. */
  get assignment(): readonly P[] {
    return (this.#member?.assignment ?? []).map((place) => this.#source.fromPlace(place))
  }

  /** Offset of the next record of a partition that is not done. The partition is one of the assignment. */
  position(partition: P): number {
    return this.#find(partition).position
  }

  /**
   * Goes on reading a partition of the assignment somewhere else; the place counts as done up to there. What is in hand of it is then neither
   * marked as done nor handed out again.
   *
   * @throws LogError `LOG_OFFSET_OUT_OF_RANGE`
   */
  seek(partition: P, to: StartPosition): void {
    this.#life.check()
    const mine = this.#find(partition)
    checkStartPosition(to, 'the position to seek')
    const place = this.#source.placeOf(mine.log, to, this.#options.isolation)
    const chosen = (offset: number): number => {
      mine.chosen = true
      this.#arm()
      return offset
    }
    this.#reading.moveTo(mine, typeof place === 'number' ? chosen(place) : place.then(chosen))
    this.#reading.wake()
  }

  /** Hands out no more records of these partitions, of all that it has now when none is named, until they are resumed. */
  pause(...partitions: readonly P[]): void {
    for (const mine of this.#chosen(partitions)) mine.paused = true
  }

  /** Hands out records of these partitions again, of all when none is named. */
  resume(...partitions: readonly P[]): void {
    for (const mine of this.#chosen(partitions)) mine.paused = false
    this.#reading.wake()
  }

  /**
   * Commits and resolves when it is durable: what is done so far; or up to and with a record, or records; or positions, each with the offset
   * of the next record to read. `metadata` is kept beside it.
   *
   * Outside of a loop it commits for the group as long as that has no members.
   *
   * @throws LogError `LOG_MEMBER_UNKNOWN`, `LOG_GENERATION_STALE`, `LOG_COMMIT_OUT_OF_RANGE`, and those of appending
   */
  async commit(what?: Committing<P>, options: CommitOptions = {}): Promise<void> {
    this.#life.check()
    const { metadata, signal } = options
    checkSignal(signal)
    signal?.throwIfAborted()
    const toPlace = (given: P): Place => this.#source.toPlace(given)
    const entries = what === undefined ? this.#done() : toEntries(what, metadata, toPlace)
    if (entries.length === 0) return
    const member = this.#member
    await unlessAborted(member === undefined ? this.#commitAlone(entries) : this.#commitMine(member, entries), signal)
  }

  /** @internal What a transaction commits for this consumer: up to and with what is named, or else all that was handed out, in hand or done. */
  async toCommit(what?: Committing<P>): Promise<CommitRequest> {
    this.#life.check()
    if (this.#options.autoCommit) {
      throw new TypeError(`${this.#source.what} commits by itself: make it with autoCommit: false, and let transactions commit for it`)
    }
    const entries = what === undefined ? this.#handedOut() : toEntries(what, undefined, (given: P): Place => this.#source.toPlace(given))
    const member = this.#member
    const offsets = await this.#checked(entries)
    const groupInstanceId = this.#options.instanceId ?? null
    return { groupId: this.group, memberId: member?.memberId ?? '', generation: member?.generation ?? -1, groupInstanceId, offsets }
  }

  /** What the group has committed for a partition, as far as it belongs to the log still; undefined for nothing. */
  async committed(partition: P, options?: WaitOptions): Promise<Committed | undefined> {
    const place = this.#source.toPlace(partition)
    return waiting(options, 'committed', async () => {
      const groups = await this.#source.core.groups()
      await groups.refresh()
      const found = await groups.offsets.valid(this.group, place)
      return found === undefined ? undefined : { offset: found.offset, metadata: wordsIn(found.metadata) }
    })
  }

  /**
   * Iterates over the records. One loop at a time; it joins the group, and leaves it when it ends.
   *
   * @throws LogError `LOG_CLOSED`, `LOG_READ_ONLY`, `LOG_GROUP_PROTOCOL_MISMATCH`, `LOG_MEMBER_FENCED`, `LOG_OFFSET_OUT_OF_RANGE`,
   *   `LOG_CORRUPT`; the signal's reason; what `onAssigned` or `onRevoked` threw
   */
  [Symbol.asyncIterator](): RecordIterator<LogRecord<K, V>> {
    const reading = this.#reading
    return new Loop(this.#loops, () => {
      const record = reading.takeRecord()
      if (record !== undefined && this.#timer === undefined) this.#arm()
      return record
    }, this.#waiting)
  }

  /** Iterates over arrays of records as they are stored together: the fastest way to read. Asking for the next array marks this one as done. */
  batches(): RecordIterator<LogRecord<K, V>[]> {
    const reading = this.#reading
    return new Loop(this.#loops, () => {
      const records = reading.takeBatch()
      if (records !== undefined && this.#timer === undefined) this.#arm()
      return records
    }, this.#waiting)
  }

  /**
   * Ends the consumer: commits what is done, and leaves the group. A loop that runs ends with it; what it has in hand is not done.
   *
   * @throws what could not be committed
   */
  async close(): Promise<void> {
    this.#life.end()
    await this.#ending
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  /** @internal */
  [INSPECT](depth: number | null, options: InspectOptions, inspect: Inspect): string {
    const positions = (): Map<string, number> => new Map([...this.#mine].map(([key, { position }]) => [key, position]))
    return inspected('GroupConsumer', () => ({ group: this.group, positions: positions() }), depth, options, inspect)
  }

  // The loop

  readonly #loops: Loops = {
    begin: (loop) => {
      this.#life.check()
      if (this.#loop !== undefined) throw new TypeError('another loop over this consumer runs: leave it first, or make a consumer for each')
      this.#loop = loop
      return this.#begin()
    },
    end: (loop) => (this.#loop === loop ? this.#end() : undefined),
    alive: () => {
      const { signal } = this.#options
      if (signal?.aborted === true) {
        // Whoever asked for the next has done with this one.
        this.#reading.finish()
        signal.throwIfAborted()
      }
      if (this.#failure !== undefined) throw this.#failure.error
      return this.#life.alive
    },
  }

  readonly #waiting: LoopReading = {
    more: () => {
      if (this.#timer === undefined) this.#arm()
      return this.#reading.more()
    },
    explain: (error) => (this.#failure === undefined && this.#reading.assigned.length > 0 ? this.#reading.explain(error) : error),
  }

  async #begin(): Promise<void> {
    const { core } = this.#source
    const { signal, untilEnd, ref, assignors, instanceId, clientId, rebalanceTimeoutMs } = this.#options
    await this.#ending?.catch(() => {})        // of the loop before
    this.#ending = undefined
    this.#failure = undefined
    const keepAlive = ref ? core.env.clock.setTimer(() => {}, KEEP_ALIVE_MS) : undefined
    try {
      await this.#source.prepare()
      this.#groups = await core.groups()
      this.#reading.begin(untilEnd)
      this.#ends = untilEnd ? this.#endsNow() : new Map()
      if (!this.#life.alive) return
      this.#unlisten = [
        this.#life.onEnd(() => void this.#end().catch(() => {})), this.#groups.offsets.beforeRound(() => this.#commitInRound()),
        core.onTopicsChanged(() => this.#leaveDeleted()),
      ]
      const { subscription } = this.#source
      this.#member = new GroupMember(core, { groupId: this.group, subscription, assignors, instanceId, clientId, rebalanceTimeoutMs }, {
        assigned: (places) => this.#assigned(places), revoked: (places) => this.#revoked(places), lost: (places) => this.#lost(places),
        failed: (error) => this.#failed(error),
      })
      await this.#unlessAborted(this.#member.start(), signal)
    } catch (error) {
      // Closed meanwhile: then the loop just ends.
      if (this.#life.alive) throw error
    } finally {
      keepAlive?.cancel()
    }
  }

  /** Waits for `work`, but no longer than for the signal or the end of the consumer. */
  async #unlessAborted(work: Promise<void>, signal: AbortSignal | undefined): Promise<void> {
    signal?.throwIfAborted()
    const ends: (() => void)[] = []
    const over = new Promise<void>((resolve) => {
      ends.push(this.#life.onEnd(resolve))
      if (signal === undefined) return
      ends.push(onAbort(signal, resolve))
    })
    try {
      await Promise.race([work, over])
    } finally {
      for (const end of ends) end()
      work.catch(() => {})
    }
  }

  /** Ends the loop and leaves the group. */
  #end(): Promise<void> {
    if (this.#member === undefined) {
      this.#loop = undefined
      this.#reading.end()
      return this.#ending ?? Promise.resolve()
    }
    const member = this.#member
    const loop = this.#loop
    this.#reading.putDown()
    this.#ending = member.leave().finally(() => {
      if (this.#member === member) this.#member = undefined
      if (this.#loop === loop) this.#loop = undefined
      this.#timer?.cancel()
      this.#timer = undefined
      for (const unlisten of this.#unlisten.splice(0)) unlisten()
      this.#reading.end()
    })
    return this.#ending
  }

  #endsNow(): Map<string, number> {
    const ends = new Map<string, number>()
    const committed = this.#options.isolation === 'read_committed'
    for (const topic of this.#source.core.openTopics) {
      for (const log of presentLogs(topic)) ends.set(placeKey(log.topic, log.partition), committed ? log.lastStableOffset : log.highWatermark)
    }
    return ends
  }

  // What the group says

  async #assigned(places: readonly Place[]): Promise<void> {
    const added: Mine<K, V>[] = []
    for (const place of places) {
      const parts = await this.#source.parts(place.topic)
      // A folder of a cluster's broker may lack some.
      if (parts.core.logs[place.partition] === undefined || !this.#member!.owns(place)) continue
      added.push(this.#take(place, parts))
    }
    await this.#options.onAssigned?.(added.map(({ place }) => this.#source.fromPlace(place)))
    const still = added.filter((mine) => this.#mine.get(keyOf(mine.place)) === mine)
    if (still.length > 0) this.#reading.assign([...this.#reading.assigned, ...still])
    if (still.some(({ chosen }) => chosen)) this.#arm()
  }

  #take(place: Place, parts: TopicParts<K, V>): Mine<K, V> {
    const { isolation, from, untilEnd } = this.#options
    const log = parts.core.logs[place.partition]!
    const committed = this.#member!.committed(place)
    const start = from(this.#source.fromPlace(place))
    const mine = new Mine(place, parts, committed?.offset ?? resolveStart(log, start, isolation))
    mine.committed = committed?.offset
    // One that begins later than with the first record must not begin later still when it comes again.
    mine.chosen = committed === undefined && start !== 'earliest'
    if (untilEnd) mine.until = this.#ends.get(keyOf(place)) ?? (isolation === 'read_committed' ? log.lastStableOffset : log.highWatermark)
    this.#mine.set(keyOf(place), mine)
    return mine
  }

  /** A topic that only a pattern took in is not read any more once it is deleted; the next rebalance takes its partitions away. */
  #leaveDeleted(): void {
    const { core, subscription } = this.#source
    if (subscription.patterns.length === 0) return
    const read = new Set([...subscription.topics, ...core.topics.map(({ name }) => name)])
    const left = this.#reading.assigned.filter((assigned) => read.has((assigned as Mine<K, V>).place.topic))
    if (left.length < this.#reading.assigned.length) this.#reading.assign(left)
  }

  /** Finishes what is in hand, commits what is done, and lets go. */
  async #revoked(places: readonly Place[]): Promise<void> {
    const gone = places.map((place) => this.#mine.get(keyOf(place))).filter((mine) => mine !== undefined)
    this.#reading.assign(this.#reading.assigned.filter((assigned) => !gone.includes(assigned as Mine<K, V>)))
    const unlisten = this.#life.onEnd(() => this.#reading.putDown())
    if (!this.#life.alive) this.#reading.putDown()
    try {
      await this.#reading.notInHand(gone)
      await this.#options.onRevoked?.(gone.map(({ place }) => this.#source.fromPlace(place)))
    } finally {
      unlisten()
      const kept = gone.filter((mine) => this.#mine.get(keyOf(mine.place)) === mine)
      try {
        if (kept.length > 0) await this.#commitLast(kept)
      } finally {
        for (const mine of kept) this.#forget(mine)
      }
    }
  }

  async #commitLast(gone: readonly Mine<K, V>[]): Promise<void> {
    await this.#committing?.catch(() => {})
    if (this.#options.autoCommit) await this.#commitMine(this.#member!, entriesOf(gone.filter(({ dirty }) => dirty)))
  }

  #lost(places: readonly Place[]): void {
    const gone = places.map((place) => this.#mine.get(keyOf(place))).filter((mine) => mine !== undefined)
    this.#reading.disown(gone)
    for (const mine of gone) this.#forget(mine)
    this.#reading.assign(this.#reading.assigned.filter((assigned) => !gone.includes(assigned as Mine<K, V>)))
    this.#options.onLost?.(gone.map(({ place }) => this.#source.fromPlace(place)))
  }

  #forget(mine: Mine<K, V>): void {
    this.#mine.delete(keyOf(mine.place))
    mine.cursor?.close()
    mine.cursor = undefined
  }

  #failed(error: unknown): void {
    this.#failure = { error }
    this.#reading.wake()
  }

  // Committing

  /** Commits what is done when its time has come; a commit that fails is tried again then. */
  #arm(): void {
    if (this.#timer !== undefined || !this.#options.autoCommit || this.#member === undefined) return
    this.#timer = this.#source.core.env.clock.setTimer(() => {
      this.#timer = undefined
      this.#commitInRound()
    }, this.#options.autoCommitIntervalMs, { ref: false })
  }

  /** At most one is under way. */
  #commitInRound(): void {
    if (this.#committing !== undefined || this.#member === undefined || !this.#options.autoCommit) return
    const entries = this.#done()
    if (entries.length === 0) return
    this.#committing = this.#commitMine(this.#member, entries).catch(() => this.#arm()).finally(() => { this.#committing = undefined })
  }

  /** What is done and not committed. */
  #done(): CommitEntry[] {
    return entriesOf([...this.#mine.values()].filter(({ dirty }) => dirty))
  }

  async #commitMine(member: GroupMember, entries: readonly CommitEntry[]): Promise<void> {
    if (entries.length === 0) return
    const mine = entries.map((entry) => this.#mine.get(keyOf(entry)))
    entries.forEach(({ offset }, index) => { if (mine[index] !== undefined) mine[index].underWay = offset })
    let stored = false
    try {
      await member.commit(entries)
      stored = true
    } finally {
      entries.forEach(({ offset }, index) => mine[index]?.settle(offset, stored))
    }
  }

  /** For a group without members anybody may commit. */
  async #commitAlone(entries: readonly CommitEntry[]): Promise<void> {
    const groups = await this.#source.core.groups()
    const offsets = await this.#checked(entries)
    const results = await groups.commitOffsets({ groupId: this.group, memberId: '', generation: -1, offsets })
    const refused = results.find(({ error }) => error !== 'NONE')
    if (refused !== undefined) throw refused.cause ?? groupError(refused.error, this.group, refused)
  }

  /** Entries of offsets that there are, with their epochs. */
  async #checked(entries: readonly CommitEntry[]): Promise<CommitEntry[]> {
    const offsets: CommitEntry[] = []
    for (const entry of entries) {
      const { core } = await this.#source.parts(entry.topic)
      const log = core.logs[entry.partition]
      if (log !== undefined) checkCommit(log, entry.offset)
      offsets.push(log === undefined ? entry : { ...entry, leaderEpoch: commitEpoch(log, entry.offset) })
    }
    return offsets
  }

  /** Everything that was handed out, done or in hand. */
  #handedOut(): CommitEntry[] {
    const hand = this.#reading.inHand
    const entries = [...this.#mine.values()].map((mine) => ({
      ...mine.place, offset: hand?.assigned === mine ? hand.end : mine.position, leaderEpoch: -1, at: mine,
    }))
    return entries.filter(({ offset, at }) => offset !== at.committed).map(({ topic, partition, offset, leaderEpoch }) => (
      { topic, partition, offset, leaderEpoch }
    ))
  }

  #find(partition: P): Mine<K, V> {
    const place = this.#source.toPlace(partition)
    const mine = this.#mine.get(keyOf(place))
    if (mine !== undefined) return mine
    const names = this.#member?.assignment.map(keyOf).join(', ') ?? ''
    throw new RangeError(`${keyOf(place)} is not assigned to this member of group "${this.group}": it has ${names === '' ? 'nothing' : names}`)
  }

  #chosen(partitions: readonly P[]): readonly Mine<K, V>[] {
    return partitions.length === 0 ? [...this.#mine.values()] : partitions.map((partition) => this.#find(partition))
  }
}

function keyOf({ topic, partition }: Place): string {
  return placeKey(topic, partition)
}

function entriesOf<K, V>(mine: readonly Mine<K, V>[]): CommitEntry[] {
  return mine.map(({ place, position, log }) => ({ ...place, offset: position, leaderEpoch: commitEpoch(log, position) }))
}
