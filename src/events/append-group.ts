/*
 * The events of one append, to one or several streams, as they are handed to the writer of the partition: with the version that each gets and
 * where the event before it lies. Nothing of the table changes before all of them count.
 */
import { type Codec } from '../base/codec.ts'
import { isLogError, LogError } from '../base/errors.ts'
import { type RecordCodecs, type RecordInput } from '../log/record-input.ts'
import { type RecordGroup } from '../log/record-group.ts'
import { string } from '../topics/codecs.ts'
import { type EventHeaders, OWN_ID, FORGETS, UNKNOWN } from './event-format.ts'
import { type EventPlace } from './segment-index.ts'
import { type StoredEvent } from './stored-event.ts'
import { type StreamHead } from './stream-table.ts'
import { type AppendResult, type Expected } from './types.ts'

/** An event to append, checked. */
export class PreparedEvent {
  readonly type: string
  readonly data: unknown
  readonly id: string | undefined
  readonly time: number | undefined
  readonly schema: number
  readonly correlation: string | undefined
  readonly causation: string | undefined
  readonly trace: string | undefined
  readonly metadata: string | undefined
  /** No event of its stream: the first version that is kept from now on. */
  readonly keptFrom: number

  constructor(
    type: string, data: unknown, id: string | undefined, time: number | undefined, schema: number, correlation: string | undefined,
    causation: string | undefined, trace: string | undefined, metadata: string | undefined, keptFrom = 0,
  ) {
    this.type = type
    this.data = data
    this.id = id
    this.time = time
    this.schema = schema
    this.correlation = correlation
    this.causation = causation
    this.trace = trace
    this.metadata = metadata
    this.keptFrom = keptFrom
  }
}

/** What is to be appended to one stream. */
export interface StreamPlan {
  readonly stream: string
  readonly events: readonly PreparedEvent[]
  readonly expected: Expected
}

const NO_PLACES: readonly EventPlace[] = []

/** A stream as it is while its events are added. */
export class StreamWork {
  readonly plan: StreamPlan
  /** Its number in the table; −1 for a stream that never was, which gets one when the group counts. */
  slot: number
  // Before the append, and what it is set back to when that is lost.
  readonly oldVersion: number
  readonly oldOffset: number
  readonly oldPosition: number
  readonly oldAt: number
  readonly oldSize: number
  // Behind it.
  version: number
  offset: number
  at: number
  size: number
  position: number
  /** Of its events those that have a place of their own (stream-places.ts). */
  places: readonly EventPlace[] = NO_PLACES
  /** Its last event's record offset, and whether the stream existed before. */
  readonly existed: boolean

  constructor(plan: StreamPlan, slot: number, { version, offset, position, at, size }: StreamHead, existed: boolean) {
    this.plan = plan
    this.slot = slot
    this.oldVersion = this.version = version
    this.oldOffset = this.offset = offset
    this.oldPosition = this.position = position
    this.oldAt = this.at = at
    this.oldSize = this.size = size
    this.existed = existed
  }

  /** What became of it, once it counts: `position` is that of its last event. */
  result(position: number): AppendResult {
    return { stream: this.plan.stream, version: this.version, position, created: !this.existed, duplicate: false }
  }

  /** As before the append. */
  reset(): void {
    this.version = this.oldVersion
    this.offset = this.oldOffset
    this.position = this.oldPosition
    this.at = this.oldAt
    this.size = this.oldSize
    this.places = NO_PLACES
  }

  /** Its last event has a place. */
  addPlace(): void {
    const { version, offset, position, at, size } = this
    this.places = [...this.places, { version, offset, position, at, size }]
  }
}

/** What the group needs of the store. */
export interface GroupHost {
  readonly headers: EventHeaders
  /** Places in files are known: batches are not compressed. */
  readonly places: boolean
  /** Events whose versions are multiples of this are found without going back from the head of their stream. */
  readonly placedVersions: number
  now(): number
  /** Draws an id: its digits are in `headers.digits` at the place that it gives. */
  drawId(): number
  appended(group: AppendGroup, offset: number): void
}

/** The value codec of an event's record: the codec of its data. */
export function eventCodecs(codec: Codec<unknown>): RecordCodecs<string, PreparedEvent> {
  return {
    key: string,
    value: {
      name: codec.name,
      encode: (event, writer) => {
        try {
          codec.encode(event.data, writer)
        } catch (error) {
          throw isLogError(error) ? error : cannotHold(codec, event, error)
        }
      },
      decode: () => { throw new TypeError('events are read by the store') },
    },
  }
}

function cannotHold({ name }: Codec<unknown>, { type }: PreparedEvent, cause: unknown): LogError {
  const reason = cause instanceof Error ? cause.message : String(cause)
  return new LogError('LOG_EVENT_INVALID', `the data of an event ${type} cannot be stored: ${reason}`, { field: 'data', type, codec: name }, cause)
}

/** The events of one append. */
export class AppendGroup implements RecordGroup<string, PreparedEvent> {
  readonly count: number
  readonly works: readonly StreamWork[]
  /** Offset of the first and last of them, once they count. */
  offset = -1
  /** The records as they were written, when that was asked for. */
  bytes: Buffer[] | undefined
  /** The events as they are read. */
  stored: readonly StoredEvent[] | undefined
  private readonly host: GroupHost
  private batchOffset = 0
  private work = 0
  private within = 0
  private readonly input: { key: string; value: PreparedEvent; headers: EventHeaders; timestamp: number }
  private readonly time: number

  constructor(host: GroupHost, works: readonly StreamWork[]) {
    this.host = host
    this.works = works
    let count = 0
    for (const { plan } of works) count += plan.events.length
    this.count = count
    this.time = host.now()
    this.input = { key: '', value: works[0]!.plan.events[0]!, headers: host.headers, timestamp: this.time }
  }

  get lastOffset(): number {
    return this.offset + this.count - 1
  }

  /** What the appends to its streams came to, in the order of their plans. */
  results(): AppendResult[] {
    let position = this.offset - 1
    return this.works.map((work) => work.result(position += work.plan.events.length))
  }

  /** The only one of them. */
  result(): AppendResult {
    return this.works[0]!.result(this.lastOffset)
  }

  /** The bytes of its records will be asked for. */
  keepBytes(): void {
    this.bytes = []
  }

  begin(batchOffset: number, offset: number): void {
    this.batchOffset = batchOffset
    this.offset = offset
    this.work = 0
    this.within = 0
    for (const work of this.works) work.reset()
  }

  record(index: number): RecordInput<string, PreparedEvent> {
    const work = this.works[this.work]!
    const event = work.plan.events[this.within]!
    const { host, input } = this
    const { headers } = host
    const time = event.time ?? this.time
    headers.flags = event.keptFrom > 0 ? FORGETS | OWN_ID : event.id === undefined ? OWN_ID : 0
    headers.time = time
    headers.version = event.keptFrom > 0 ? event.keptFrom : work.version + 1
    headers.type = event.type
    headers.id = event.id
    if (event.id === undefined) headers.digitsAt = host.drawId()
    headers.schema = event.schema
    headers.correlation = event.correlation
    headers.causation = event.causation
    headers.trace = event.trace
    headers.metadata = event.metadata
    this.pointBack(headers, work, this.offset + index)
    input.key = work.plan.stream
    input.value = event
    input.timestamp = time
    return input as unknown as RecordInput<string, PreparedEvent>
  }

  added(index: number, at: number, size: number): void {
    const work = this.works[this.work]!
    const { keptFrom } = work.plan.events[this.within]!
    // A stream that is imported may begin behind what it has forgotten elsewhere.
    if (keptFrom > 0) work.version = Math.max(work.version, keptFrom - 1)
    else {
      work.version++
      work.offset = this.offset + index
      work.at = at
      work.size = this.host.places ? size : 0
      work.position = UNKNOWN
      if (work.version % this.host.placedVersions === 0) work.addPlace()
    }
    if (this.bytes !== undefined) this.bytes[index] = this.host.headers.copyRecord(size)
    if (++this.within < work.plan.events.length) return
    this.within = 0
    this.work++
  }

  appended(offset: number): void {
    this.offset = offset
    this.host.appended(this, offset)
  }

  /** Where the stream's last event is, as seen from the one at `offset`. */
  private pointBack(headers: EventHeaders, work: StreamWork, offset: number): void {
    headers.back = work.offset < 0 ? 0 : offset - work.offset
    const same = work.offset >= this.batchOffset
    const known = work.offset >= 0 && work.size > 0 && (same || work.position !== UNKNOWN)
    headers.previousSize = known ? work.size : 0
    headers.previousAt = known ? work.at : 0
    headers.previousPosition = same || !known ? -1 : work.position
  }
}
