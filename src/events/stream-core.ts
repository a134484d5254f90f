/*
 * What the handles of one category share, in all opens of a log in this process: the index of its streams, and the one place where appends are
 * checked and added. Handles bring their codecs and types (event-store.ts).
 *
 * Check and append are one step that nothing can come between: both run in the same turn, against everything appended before, stored or not.
 */
import { LogError, isLogError } from '../base/errors.ts'
import { type Clock } from '../base/clock.ts'
import { type Random } from '../base/random.ts'
import { type PartitionLog } from '../log/partition-log.ts'
import { PointReads, readByOffset } from '../log/point-reads.ts'
import { type RecordCodecs } from '../log/record-input.ts'
import { type LogCore } from '../topics/log-core.ts'
import { type TopicCore } from '../topics/topic-core.ts'
import { unlessAborted } from '../topics/abort.ts'
import { AppendGroup, type GroupHost, type PreparedEvent, type StreamPlan, StreamWork } from './append-group.ts'
import { CheckpointFile } from './checkpoint.ts'
import { EventHeaders, EventParser, FORGETS, UNKNOWN, UUID_DIGITS } from './event-format.ts'
import { type EventReading, StoredEvent, TypeNames } from './stored-event.ts'
import { StreamCache } from './stream-cache.ts'
import { type EventPlace } from './segment-index.ts'
import { StreamIndex } from './stream-index.ts'
import { StreamPlaces } from './stream-places.ts'
import { NO_HEAD, type StreamHash, type StreamHead } from './stream-table.ts'
import { type AppendResult } from './types.ts'

/** Random bytes drawn at once, for ids. */
const DRAWN = 4096
const ID_BYTES = 16
/** A long stream is read in pieces, between which the event loop turns. */
const EVENTS_PER_TURN = 512
/** A guess at an append that waits for room. */
const USUAL_EVENT_BYTES = 512

/** How a category is opened. */
export interface CoreSettings {
  /** How many ids are remembered for appends that are sent again. */
  readonly idWindow: number
  /** For tests: the hash of the table of streams. */
  readonly hash: StreamHash | undefined
  /** For tests: which events have a place, see `StreamPlaces`. */
  readonly placedVersions: number | undefined
}

/** Which part of a stream is read. */
export interface StreamPart {
  readonly from: number
  readonly to: number
  readonly limit: number
  readonly backward: boolean
}

/** Follows the events of a category as they are appended. */
export interface EventObserver {
  /** They count from now on, and are not stored yet. In the middle of an append: it must not throw, and append nothing. */
  appended(events: readonly StoredEvent[]): void
  /** Events from this position on were lost. */
  lost(position: number): void
}

/** The streams of one category. */
export class StreamCore implements GroupHost {
  readonly log: PartitionLog
  readonly index: StreamIndex
  readonly headers = new EventHeaders()
  readonly types = new TypeNames()
  readonly cache: StreamCache
  readonly observers = new Set<EventObserver>()
  /** Projections that run, by name and version. */
  readonly projecting = new Set<string>()
  readonly topic: TopicCore
  readonly logCore: LogCore
  private readonly clock: Clock
  private readonly random: Random
  private readonly parser = new EventParser()
  private readonly reads: PointReads
  private readonly checkpoint: CheckpointFile
  private digitsAt = 0
  /** Under way: the table is made again, or takes in what another process wrote. */
  private settling: Promise<void> | undefined
  private forgetListener: () => void = () => {}

  private constructor(logCore: LogCore, topic: TopicCore, log: PartitionLog, settings: CoreSettings) {
    const { clock, random, windows } = logCore.env
    this.logCore = logCore
    this.topic = topic
    this.log = log
    this.reads = new PointReads(log)
    this.clock = clock
    this.random = random
    const key = new Uint32Array(random.bytes(8).slice().buffer)
    const { env: { files }, readOnly } = logCore
    const folder = logCore.partitionFolder(topic.entry.name, 0)
    const places = new StreamPlaces({ log, files, folder, clock, readOnly, every: settings.placedVersions })
    this.index = new StreamIndex(log, places, [key[0]!, key[1]!], settings)
    this.cache = new StreamCache(Math.min(16 * 1024 * 1024, windows.budget / 4))
    this.index.onLost = (offset) => {
      this.cache.clear()
      for (const observer of this.observers) observer.lost(offset)
    }
    this.checkpoint = new CheckpointFile(files, folder, this.index, log)
  }

  /** Opens the streams of a topic; the second time in a process gives those of the first. */
  static open(logCore: LogCore, topic: TopicCore, log: PartitionLog, settings: CoreSettings): Promise<StreamCore> {
    const opened = topic.companion as Promise<StreamCore> | undefined
    if (opened !== undefined) return opened
    const core = new StreamCore(logCore, topic, log, settings)
    const opening = core.begin().then(() => core)
    topic.companion = opening
    opening.catch(() => { topic.companion = undefined })
    return opening
  }

  private async begin(): Promise<void> {
    this.checkpoint.load()
    await this.index.catchUp(() => this.turn())
    if (this.logCore.readOnly) {
      this.forgetListener = this.log.onProgress(() => void this.follow().catch(() => {}))
      return
    }
    this.log.watcher = this.index
    this.index.onDue = () => {
      this.index.bytesSinceCheckpoint = 0
      this.clock.defer(() => void this.writeCheckpoint())
    }
    const { places } = this.index
    this.logCore.beforeClose(async () => {
      this.forgetListener()
      await this.writeCheckpoint(true)
      await places.settled()
    })
  }

  /** The category. */
  get name(): string {
    return this.topic.entry.name
  }

  // What an append group asks for (GroupHost)

  get places(): boolean {
    const { compressionType } = this.topic.config
    return compressionType === 'producer' || compressionType === 'uncompressed'
  }

  get placedVersions(): number {
    return this.index.places.every
  }

  now(): number {
    return this.clock.now()
  }

  drawId(): number {
    if (this.digitsAt === this.headers.digits.length) {
      this.headers.digits = uuidDigits(this.random.bytes(DRAWN))
      this.digitsAt = 0
    }
    const at = this.digitsAt
    this.digitsAt += UUID_DIGITS
    return at
  }

  appended(group: AppendGroup): void {
    const { index } = this
    index.add(group)
    let position = group.offset
    for (const { plan } of group.works) {
      for (const { id } of plan.events) {
        if (id !== undefined) index.ids.add(index.ids.hash(id), position)
        position++
      }
    }
    if (this.observers.size === 0) return
    const stored = this.storedOf(group, idReading)
    for (const observer of this.observers) observer.appended(stored)
  }

  // Appending

  /** Appends events to streams, all or none, and resolves when they are stored. The results are in the order of the plans. */
  async append(
    plans: readonly StreamPlan[], codecs: RecordCodecs<string, PreparedEvent>, signal: AbortSignal | undefined,
  ): Promise<AppendResult[]> {
    const group = this.appendNow(plans, codecs)
    if (group !== undefined) {
      await (signal === undefined ? this.log.durable(group.lastOffset) : unlessAborted(this.log.durable(group.lastOffset), signal))
      return group.results()
    }
    const work = this.appendLater(plans, codecs)
    return signal === undefined ? work : unlessAborted(work, signal)
  }

  /**
   * Appends at once: the group counts when this returns, and is to be waited for. Undefined when something must be read or waited for before.
   *
   * @throws LogError `LOG_VERSION_CONFLICT`, and those of an append
   */
  appendNow(plans: readonly StreamPlan[], codecs: RecordCodecs<string, PreparedEvent>, reading?: EventReading): AppendGroup | undefined {
    if (this.index.stale || this.settling !== undefined || this.logCore.sends.size > 0) return undefined
    if (this.mayBeKnown(plans)) return undefined
    const conflict = this.conflictOf(plans)
    if (conflict !== undefined) {
      if (plans.every(hasIds)) return undefined
      throw conflict
    }
    return this.addGroup(plans, codecs, reading)
  }

  /** Undefined when there is no room for it now. */
  private addGroup(plans: readonly StreamPlan[], codecs: RecordCodecs<string, PreparedEvent>, reading?: EventReading): AppendGroup | undefined {
    const { index } = this
    const works = plans.map((plan) => {
      const slot = index.table.find(plan.stream)
      return new StreamWork(plan, slot, slot < 0 ? NO_HEAD : index.table.head(slot), index.exists(slot))
    })
    const group = new AppendGroup(this, works)
    if (reading !== undefined || this.observers.size > 0) group.keepBytes()
    try {
      this.log.appendGroup(codecs, group)
      if (reading !== undefined) group.stored = this.storedOf(group, reading)
      return group
    } catch (error) {
      if (isLogError(error, 'LOG_BUFFER_FULL')) return undefined
      throw error
    }
  }

  /** As `appendNow`, when something must be waited for: the index, an earlier append of the same ids, or room. */
  private async appendLater(plans: readonly StreamPlan[], codecs: RecordCodecs<string, PreparedEvent>): Promise<AppendResult[]> {
    await this.settled()
    const others = new Set<number>()
    for (;;) {
      const known = await this.knownAppend(plans, others)
      if (known !== undefined) return known
      let again = false
      let group: AppendGroup | undefined
      await this.inTurn(() => {
        // The log may have been cut while this one waited.
        again = this.index.stale || this.settling !== undefined
        if (again) return true
        // Somebody may have come first with the same ids.
        again = this.candidates(plans).some((offset) => !others.has(offset))
        if (again) return true
        const conflict = this.conflictOf(plans)
        if (conflict !== undefined) throw conflict
        group = this.addGroup(plans, codecs)
        return group !== undefined
      }, plans)
      if (again) {
        await this.settled()
        continue
      }
      await this.log.durable(group!.lastOffset)
      return group!.results()
    }
  }

  /** The events of a group as they will be read. */
  private storedOf(group: AppendGroup, reading: EventReading): StoredEvent[] {
    const { parser, types } = this
    return group.bytes!.map((bytes, index) => {
      if (!parser.parseSized(bytes, 0, bytes.length)) throw new Error('an event that was just written cannot be read')
      return new StoredEvent(reading, types.at(bytes, parser.typeAt, parser.typeEnd), group.offset + index, bytes, parser)
    })
  }

  private inTurn(step: () => boolean, plans: readonly StreamPlan[]): Promise<void> {
    const size = plans.reduce((sum, { events }) => sum + events.length * USUAL_EVENT_BYTES, 0)
    return new Promise((resolve, reject) => {
      this.logCore.sends.run(() => {
        try {
          if (!step()) return false
          resolve()
        } catch (error) {
          reject(error as Error)
        }
        return true
      }, size, reject)
    })
  }

  /** What keeps the plans from being appended, if anything. */
  private conflictOf(plans: readonly StreamPlan[]): LogError | undefined {
    const { index } = this
    for (const { stream, expected } of plans) {
      if (expected === 'any') continue
      const slot = index.table.find(stream)
      const version = slot < 0 ? 0 : index.table.version(slot)
      const holds = typeof expected === 'number' ? version === expected : index.exists(slot) === (expected === 'exists')
      if (holds) continue
      const message = `stream ${JSON.stringify(stream)} of "${this.name}" is at version ${version}, and the append expects ${wording(expected)}`
      return new LogError('LOG_VERSION_CONFLICT', message, { stream, expected, current: version, category: this.name })
    }
    return undefined
  }

  /** Whether an append with these ids may have come before. */
  private mayBeKnown(plans: readonly StreamPlan[]): boolean {
    for (const { events } of plans) {
      for (const { id } of events) if (id !== undefined && this.index.ids.find(this.index.ids.hash(id)).length > 0) return true
    }
    return false
  }

  /** Where events with ids of these plans may be. */
  private candidates(plans: readonly StreamPlan[]): number[] {
    return plans.flatMap(({ events }) => events.flatMap(({ id }) => (id === undefined ? [] : this.index.ids.find(this.index.ids.hash(id)))))
  }

  /**
   * The result of an append of the same ids that came before; undefined when there was none.
   *
   * @param others  events that were looked at and have other ids
   * @throws LogError `LOG_EVENT_ID_TAKEN` when the ids are there, but not as one append of these events to these streams
   */
  private async knownAppend(plans: readonly StreamPlan[], others: Set<number>): Promise<AppendResult[] | undefined> {
    const wanted = new Set(plans.flatMap(({ events }) => events.map(({ id }) => id)))
    const results: (AppendResult | undefined)[] = []
    let known: { readonly plan: StreamPlan; readonly first: StoredEvent } | undefined
    let taken: string | undefined
    for (const plan of plans) {
      const first = await this.findFirst(plan, wanted, others)
      if (first === undefined) {
        results.push(undefined)
        continue
      }
      known ??= { plan, first }
      const same = first.stream === plan.stream ? await this.sameEvents(plan, first) : undefined
      if (same === undefined) taken ??= first.id
      results.push(same)
    }
    if (known === undefined) return undefined
    if (results.every((result) => result !== undefined)) return results
    // Of one append the events lie side by side: where one is, all are, also those that nobody remembers or that were forgotten since.
    const beside = await this.besideEachOther(plans, known.plan, known.first)
    if (beside !== undefined) return beside
    const id = taken ?? plans[0]!.events[0]!.id
    const message = `the id ${JSON.stringify(id)} was used before in "${this.name}", and not for an append of the same events`
    throw new LogError('LOG_EVENT_ID_TAKEN', message, { id, category: this.name })
  }

  /** The results of plans whose events were stored as one append, of which `found` is an event of `plan`; undefined when they were not. */
  private async besideEachOther(plans: readonly StreamPlan[], plan: StreamPlan, found: StoredEvent): Promise<AppendResult[] | undefined> {
    const before = plans.slice(0, plans.indexOf(plan)).reduce((sum, { events }) => sum + events.length, 0)
    let position = found.position - before - plan.events.findIndex(({ id }) => id === found.id)
    const results: AppendResult[] = []
    for (const { stream, events, expected } of plans) {
      let event: StoredEvent | undefined
      for (const { id } of events) {
        event = await this.eventAt(position++)
        if (event === undefined || event.id !== id || event.stream !== stream) return undefined
      }
      const { version } = event!
      results.push({ stream, version, position: position - 1, created: beganBy(expected, version - events.length), duplicate: true })
    }
    return results
  }

  /** The stored event that has the id of one of a plan: the first of them in the plan that has one. */
  private async findFirst(
    { stream, events, expected }: StreamPlan, wanted: ReadonlySet<string | undefined>, others: Set<number>,
  ): Promise<StoredEvent | undefined> {
    for (const { id } of events) {
      if (id === undefined) continue
      for (const offset of this.index.ids.find(this.index.ids.hash(id))) {
        if (others.has(offset)) continue
        const event = await this.eventAt(offset)
        if (event?.id === id) return event
        // It may have another of the ids that are looked for.
        if (event === undefined || !wanted.has(event.id)) others.add(offset)
      }
    }
    return this.findAtVersion(stream, events, expected)
  }

  /** For ever: where the append says at which version its events would be, they are looked for there. */
  private async findAtVersion(stream: string, events: readonly PreparedEvent[], expected: StreamPlan['expected']): Promise<StoredEvent | undefined> {
    const [first] = events
    if (typeof expected !== 'number' && expected !== 'none' || first!.id === undefined) return undefined
    const slot = this.index.table.find(stream)
    if (slot < 0) return undefined
    // One that was deleted begins again behind what was forgotten.
    const before = expected === 'none' ? this.index.keptFrom(slot) - 1 : expected
    if (this.index.table.version(slot) <= before) return undefined
    const [found] = await this.readSlot(slot, { from: before + 1, to: before + 1, limit: 1, backward: false })
    return found !== undefined && found.id === first!.id ? found : undefined
  }

  /** The result of the append that stored the event, if it stored exactly these. */
  private async sameEvents({ stream, events, expected }: StreamPlan, first: StoredEvent): Promise<AppendResult | undefined> {
    const slot = this.index.table.find(stream)
    if (slot < 0) return undefined
    const { version } = first
    const stored = await this.readSlot(slot, { from: version, to: version + events.length - 1, limit: events.length, backward: false })
    if (stored.length !== events.length || stored.some((event, index) => event.id !== events[index]!.id)) return undefined
    const last = stored[stored.length - 1]!
    return { stream, version: last.version, position: last.position, created: beganBy(expected, version - 1), duplicate: true }
  }

  /** The event of this id, if it is among the last that were appended with ids of their own. */
  async eventOfId(id: string): Promise<StoredEvent | undefined> {
    if (this.index.stale || this.settling !== undefined || this.logCore.readOnly) await this.settled()
    for (const offset of this.index.ids.find(this.index.ids.hash(id))) {
      const event = await this.eventAt(offset)
      if (event?.id === id) return event
    }
    return undefined
  }

  /** The event at a position, once it is stored; its data is not decoded. */
  async eventAt(offset: number): Promise<StoredEvent | undefined> {
    if (offset >= this.log.durableOffset) await this.log.durable(offset).catch(() => {})
    if (offset >= this.log.durableOffset || offset < this.log.startOffset) return undefined
    const bytes = readByOffset(this.log, offset)
    if (bytes === undefined || !this.parser.parse(bytes, 0, bytes.length)) return undefined
    return new StoredEvent(idReading, this.types.at(bytes, this.parser.typeAt, this.parser.typeEnd), offset, bytes, this.parser)
  }

  // Reading

  /** The number of a stream, in a table that says all that the log does; −1 for one that never was. A promise where that takes time. */
  settledSlot(stream: string): number | Promise<number> {
    if (!this.index.stale && this.settling === undefined && !this.logCore.readOnly) return this.index.table.find(stream)
    return this.settled().then(() => this.index.table.find(stream))
  }

  /** The head of a stream as it is now, once it is stored; when it is lost, what was before it. A promise where that takes time. */
  settledHead(slot: number): StreamHead | Promise<StreamHead> {
    const head = this.index.table.head(slot)
    return head.offset < this.log.durableOffset ? head : this.storedHead(slot)
  }

  private async storedHead(slot: number): Promise<StreamHead> {
    for (;;) {
      const head = this.index.table.head(slot)
      if (head.offset < this.log.durableOffset) return head
      try {
        await this.log.durable(head.offset)
        return head
      } catch (error) {
        // Closed, and not only lost: nothing is put right any more.
        if (this.index.table.offset(slot) === head.offset) throw error
      }
    }
  }

  /** Events of a stream, in the order that is asked for. */
  async readSlot(slot: number, part: StreamPart, reading: EventReading = idReading): Promise<StoredEvent[]> {
    return this.readFrom(slot, await this.settledHead(slot), part, reading)
  }

  /** As `readSlot`, of a stream whose head is known; a promise unless the events are in memory. */
  readFrom(slot: number, head: StreamHead, part: StreamPart, reading: EventReading): StoredEvent[] | Promise<StoredEvent[]> {
    const { index } = this
    const { version } = head
    let low = Math.max(part.from, index.keptFrom(slot))
    let high = Math.min(part.to, version)
    if (high - low >= part.limit) {
      if (part.backward) low = high - part.limit + 1
      else high = low + part.limit - 1
    }
    if (high < low) return []
    const cached = this.cache.find(slot, head.offset, low, high, reading)
    if (cached === undefined) return this.readParts(slot, head, low, high, part.backward, reading)
    return part.backward ? cached.reverse() : cached
  }

  private async readParts(
    slot: number, head: StreamHead, low: number, high: number, backward: boolean, reading: EventReading,
  ): Promise<StoredEvent[]> {
    const events = await this.walk(slot, (await this.nearest(slot, head, high)) ?? head, low, high, reading)
    if (high === head.version) this.cache.keep(slot, head.offset, events)
    return backward ? events.reverse() : events
  }

  /** An event of a stream at or a little behind a version, from which it is nearer than from the head. */
  private async nearest(slot: number, head: StreamHead, version: number): Promise<EventPlace | undefined> {
    const { table, places } = this.index
    const placed = Math.ceil(version / places.every) * places.every
    if (head.version - placed < places.every) return undefined
    const place = await places.find(table, slot, placed)
    if (place === undefined || table !== this.index.table) return undefined
    this.reads.begin()
    return this.reach(slot, place.version, place.offset, place.position, place.at, place.size) === undefined ? undefined : place
  }

  /** Goes back from an event of a stream, and gives those from `low` to `high`, ascending. */
  private async walk(slot: number, start: EventPlace, low: number, high: number, reading: EventReading): Promise<StoredEvent[]> {
    const { parser, reads } = this
    const cached = this.cache.below(slot, start.version)
    reads.begin()
    const events: StoredEvent[] = new Array(high - low + 1)
    let { offset, position, at, size } = start
    let left = EVENTS_PER_TURN
    for (let version = start.version; version >= low; version--) {
      if (cached !== undefined && version === cached.version && offset === cached.offset && cached.from <= low) {
        for (let known = Math.min(version, high); known >= low; known--) events[known - low] = cached.at(known).again(reading)
        break
      }
      const buffer = this.bring(slot, version, offset, position, at, size)
      if (version <= high) {
        const type = this.types.at(buffer, parser.typeAt, parser.typeEnd)
        events[version - low] = new StoredEvent(reading, type, offset, buffer, parser)
      }
      offset -= parser.back
      size = parser.previousSize
      at = parser.previousAt
      if (parser.previousPosition >= 0) position = parser.previousPosition
      if (--left > 0) continue
      left = EVENTS_PER_TURN
      await this.turn()
      reads.begin()
    }
    return events
  }

  /** Brings an event of a stream into memory, with the parser set to it. */
  private bring(slot: number, version: number, offset: number, position: number, at: number, size: number): Buffer {
    const bytes = this.reach(slot, version, offset, position, at, size)
    if (bytes !== undefined) return bytes
    const stream = this.index.table.idOf(slot)
    const message = `event ${version} of stream ${JSON.stringify(stream)} of "${this.name}" is not at offset ${offset}, where the log says it is`
    throw new LogError('LOG_CORRUPT', message, { stream, version, offset, topic: this.name, partition: 0 })
  }

  /** As `bring`; undefined when it is not there. */
  private reach(slot: number, version: number, offset: number, position: number, at: number, size: number): Buffer | undefined {
    const { parser, log, reads } = this
    if (size > 0 && (position !== UNKNOWN || offset >= log.tail.baseOffset) && reads.find(offset, position, at, size)) {
      const { buffer } = reads
      if (parser.parseSized(buffer, reads.at, reads.at + size) && this.isEvent(slot, version, buffer)) return buffer
    }
    const bytes = readByOffset(log, offset)
    return bytes !== undefined && parser.parse(bytes, 0, bytes.length) && this.isEvent(slot, version, bytes) ? bytes : undefined
  }

  private isEvent(slot: number, version: number, buffer: Buffer): boolean {
    const { parser } = this
    return parser.version === version && (parser.flags & FORGETS) === 0 && this.index.table.isId(slot, buffer, parser.keyAt, parser.keyEnd)
  }

  // The index

  /** Resolves when the table says all that the log does. */
  async settled(): Promise<void> {
    if (this.logCore.readOnly) await this.follow()
    if (this.index.stale) this.settling ??= this.rebuild().finally(() => { this.settling = undefined })
    await this.settling
  }

  /** Makes the index again from the log alone, beside the one that there is: until it is whole, that one still knows what was forgotten. */
  private async rebuild(): Promise<void> {
    this.cache.clear()
    this.index.stale = false
    for (const observer of this.observers) observer.lost(0)
    try {
      const fresh = this.index.fresh()
      await fresh.catchUp(() => this.turn())
      this.index.takeOver(fresh)
      this.cache.clear()
    } catch (error) {
      // By the one that there is nothing may be appended.
      this.index.stale = true
      throw error
    }
  }

  /** Beside a writer: takes in what it wrote. */
  private follow(): Promise<void> {
    if (this.settling !== undefined) return this.settling.then(() => (this.index.indexed < this.log.highWatermark ? this.follow() : undefined))
    if (this.index.indexed >= this.log.highWatermark) return Promise.resolve()
    const following = this.index.catchUp(() => this.turn()).finally(() => { this.settling = undefined })
    this.settling = following
    return following
  }

  /** Keeps the index on disk, so that the next open need not look at all of the log. */
  async writeCheckpoint(closing = false): Promise<void> {
    if (this.index.stale || this.logCore.readOnly) return
    await this.checkpoint.write(closing)
  }

  /** Lets the event loop turn. */
  private turn(): Promise<void> {
    return new Promise((resolve) => this.clock.defer(resolve))
  }
}

const idReading: EventReading = {
  codec: { name: 'bytes', encode: () => {}, decode: () => undefined },
  upcast: (_type, _schema, data) => data,
}

/** Random bytes as the digits of UUIDs of version 4, 32 each. */
function uuidDigits(random: Uint8Array): Uint8Array {
  const ids = Buffer.from(random)
  for (let at = 0; at < ids.length; at += ID_BYTES) {
    ids[at + 6] = (ids[at + 6]! & 0x0f) | 0x40
    ids[at + 8] = (ids[at + 8]! & 0x3f) | 0x80
  }
  return Buffer.from(ids.toString('hex'), 'latin1')
}

function hasIds({ events, expected }: StreamPlan): boolean {
  return (typeof expected === 'number' || expected === 'none') && events.every(({ id }) => id !== undefined)
}

/** Whether an append that was stored behind a version began its stream: one that was deleted before begins again. */
function beganBy(expected: StreamPlan['expected'], before: number): boolean {
  return before === 0 || expected === 'none'
}

function wording(expected: StreamPlan['expected']): string {
  if (expected === 'none') return 'that it does not exist'
  return expected === 'exists' ? 'that it exists' : `version ${expected}`
}
