/*
 * The event store as a user holds it: one category of a log, with the types of its events. It checks what it is given and makes events of it;
 * what is common to all handles of a category is stream-core.ts.
 */
import { LogError } from '../base/errors.ts'
import { type Inspect, INSPECT, inspected } from '../base/inspect.ts'
import { checkBoolean, checkInteger, checkObject, checkOneOf, checkOptions, checkSignal, describe } from '../base/options.ts'
import { type InspectOptions } from 'node:util'
import { type RecordCodecs } from '../log/record-input.ts'
import { string } from '../topics/codecs.ts'
import { type CommitLog } from '../topics/commit-log.ts'
import { Life } from '../topics/life.ts'
import { checkStartPosition } from '../topics/start-position.ts'
import { logOf } from '../topics/topic-core.ts'
import { checkAggregate, LocalAggregate } from './aggregate.ts'
import { AllStreams } from './all-events.ts'
import { eventCodecs, PreparedEvent, type StreamPlan } from './append-group.ts'
import { defineEvents, EventTypes } from './define-events.ts'
import {
  checkDistinct, checkEvent, checkExpected, checkOrigin, checkOwnStream, checkSome, checkStream, checkVersion, invalid, metadataText,
} from './event-input.ts'
import { isShredding } from './forgotten.ts'
import { DEFAULT_ID_WINDOW } from './id-window.ts'
import { currentOrigin } from './origin.ts'
import { SnapshotStore } from './snapshot-store.ts'
import { type StoredEvent } from './stored-event.ts'
import { StreamCore } from './stream-core.ts'
import { type StreamHash } from './stream-table.ts'
import {
  type Aggregate, type AggregateOptions, type AllEvents, type AllOptions, type AppendOptions, type AppendResult, type EventMetadata,
  type EventShape, type EventsDefinition, type EventsOptions, type EventStore, type NewEvent, type Origin, type RecordedEvent,
  type StreamAppend, type StreamRange, type StreamSlice,
} from './types.ts'

/** How a store is opened. */
export interface StoreOptions {
  /** Makes the category when there is none. Default true. */
  readonly create?: boolean
  /** Ids remembered for appends that are sent again without an expected version. Default 100,000. The first open in a process decides. */
  readonly idWindow?: number
}

const appendOptions = ['expected', 'correlation', 'causation', 'trace', 'metadata', 'signal'] as const
const rangeOptions = ['from', 'to', 'limit', 'direction', 'signal'] as const

/**
 * Opens the events of a category, and makes the category when there is none.
 *
 * Stores of one category in one process share what they know of its streams, whatever number of them there is.
 *
 * @throws LogError `LOG_TOPIC_MISMATCH` when there is a topic of this name that is none of events, or is written by another codec;
 *   `LOG_NOT_FOUND` with `create: false` or read-only
 */
export function eventStore<E extends EventShape>(log: CommitLog, definition: EventsDefinition<E>, options?: StoreOptions): Promise<LocalEventStore<E>>
/** Opens the events of a category by its name. */
export function eventStore<E extends EventShape = EventShape>(
  log: CommitLog, definition: EventsOptions<E> & { readonly category: string }, options?: StoreOptions,
): Promise<LocalEventStore<E>>
export async function eventStore<E extends EventShape>(
  log: CommitLog, given: EventsOptions<E> & { readonly category: string }, options: StoreOptions = {},
): Promise<LocalEventStore<E>> {
  checkObject(given ?? null, 'eventStore takes what defineEvents gives, or { category }')
  const { category, ...others } = given
  return openStore(log, defineEvents<E>(category, others as EventsOptions<E>), options)
}

/** As `eventStore`; for tests with a hash of the caller's for the table of streams, and with places of events nearer to each other. */
export async function openStore<E extends EventShape>(
  log: CommitLog, definition: EventsDefinition<E>, options: StoreOptions, hash?: StreamHash, placedVersions?: number,
): Promise<LocalEventStore<E>> {
  const { category } = definition
  checkOptions(options, ['create', 'idWindow'], `eventStore "${category}"`)
  checkBoolean(options.create, 'create')
  checkInteger(options.idWindow, 'idWindow', 0, 0x7fff_ffff)
  const types = new EventTypes(definition)
  if (log.status !== 'open') throw new LogError('LOG_CLOSED', `the log ${log.folder} is closed`)
  const topic = await log.core.openTopic({
    name: category, partitions: 1, key: string.name, value: types.codec.name, settings: types.settings, create: options.create ?? true,
    newKey: string.name, newValue: types.codec.name, events: true,
  })
  await log.core.admin.settle(topic)
  const core = await StreamCore.open(log.core, topic, logOf(topic, 0), {
    idWindow: options.idWindow ?? DEFAULT_ID_WINDOW, hash, placedVersions,
  })
  return new LocalEventStore(core, types, log.life)
}

/** The events of one category of a log. */
export class LocalEventStore<E extends EventShape = EventShape> implements EventStore<E> {
  /** @internal What the other parts of the event store work with. */
  readonly core: StreamCore
  /** @internal */
  readonly types: EventTypes<E>
  /** @internal */
  readonly life: Life
  readonly #codecs: RecordCodecs<string, PreparedEvent>

  /** @internal */
  constructor(core: StreamCore, types: EventTypes<E>, parent: Life) {
    this.core = core
    this.types = types
    this.life = new Life(`the event store "${core.name}"`, parent)
    this.#codecs = eventCodecs(types.codec)
  }

  get category(): string {
    return this.core.name
  }

  get nextPosition(): number {
    return this.core.log.nextOffset
  }

  get durablePosition(): number {
    return this.core.log.durableOffset
  }

  get streamCount(): number {
    return this.core.index.table.count
  }

  async append(stream: string, events: NewEvent<E> | readonly NewEvent<E>[], options?: AppendOptions): Promise<AppendResult> {
    this.life.check()
    const origin = this.origin(options)
    const plans = [this.plan(stream, events, options?.expected, origin, options?.metadata)]
    const group = options?.signal === undefined ? this.core.appendNow(plans, this.#codecs) : undefined
    if (group === undefined) return (await this.core.append(plans, this.#codecs, options?.signal))[0]!
    await this.core.log.durable(group.lastOffset)
    return group.result()
  }

  async appendStreams(appends: readonly StreamAppend<E>[], options?: Omit<AppendOptions, 'expected'>): Promise<AppendResult[]> {
    this.life.check()
    return this.core.append(this.plans(appends, options), this.#codecs, options?.signal)
  }

  /** @internal The appends, checked. */
  plans(appends: readonly StreamAppend<E>[], options?: Omit<AppendOptions, 'expected'>): StreamPlan[] {
    if (!Array.isArray(appends)) throw new TypeError('appendStreams takes a list of { stream, events, expected }')
    checkSome(appends)
    const origin = this.origin(options)
    const plans = (appends as readonly StreamAppend<E>[]).map((one) => {
      checkOptions(one, ['stream', 'events', 'expected'], 'an append of appendStreams')
      return this.plan(one.stream, one.events, one.expected, origin, options?.metadata)
    })
    checkDistinct(plans.flatMap(({ events }) => events))
    if (new Set(plans.map(({ stream }) => stream)).size === plans.length) return plans
    throw invalid('stream', 'appendStreams names a stream once: append all its events there')
  }

  /** @internal The codecs of its records. */
  get codecs(): RecordCodecs<string, PreparedEvent> {
    return this.#codecs
  }

  async read(stream: string, range: StreamRange = {}): Promise<StreamSlice<E>> {
    this.life.check()
    checkStream(stream)
    const part = checkedRange(range)
    range.signal?.throwIfAborted()
    const { core } = this
    // What is known at once is not waited for: each wait is a turn of the queue of microtasks.
    const found = core.settledSlot(stream)
    const slot = typeof found === 'number' ? found : await found
    if (slot < 0) return { stream, version: 0, exists: false, events: [] }
    const known = core.settledHead(slot)
    const head = known instanceof Promise ? await known : known
    const { version } = head
    const read = core.readFrom(slot, head, part, this.types)
    const events = read instanceof Promise ? await read : read
    return { stream, version, exists: version >= core.index.keptFrom(slot), events: events as unknown as RecordedEvent<E>[] }
  }

  head(stream: string): number {
    this.life.check()
    checkStream(stream)
    const { table } = this.core.index
    const slot = table.find(stream)
    return slot < 0 ? 0 : table.version(slot)
  }

  exists(stream: string): boolean {
    this.life.check()
    checkStream(stream)
    return this.core.index.exists(this.core.index.table.find(stream))
  }

  all(options: AllOptions<E['type']> = {}): AllEvents<E> {
    this.life.check()
    checkOptions(options, ['from', 'types', 'until', 'signal', 'ref'], 'all')
    checkStartPosition(options.from ?? 'earliest', 'from')
    if (options.types !== undefined && !Array.isArray(options.types)) throw new TypeError(`types is a list of types, not ${describe(options.types)}`)
    checkOneOf(options.until, 'until', ['end'])
    checkSignal(options.signal)
    checkBoolean(options.ref, 'ref')
    return new AllStreams<E>(this.core, this.types, this.life, options)
  }

  aggregate<State, Command = never>(options: AggregateOptions<E, State, Command>): Aggregate<E, State, Command> {
    this.life.check()
    checkAggregate(options)
    const { version = 1, snapshot } = options
    if (snapshot === undefined) return new LocalAggregate(this, options, undefined)
    if (isShredding(this.types.codec)) {
      throw new TypeError('a store of shredded data keeps no snapshots: they would have it in the clear, whatever key is destroyed')
    }
    const name = `${snapshot.name ?? 'state'}@${version}`
    return new LocalAggregate(this, options, new SnapshotStore<State>(this.core, name, snapshot.every))
  }

  async reopen(): Promise<void> {
    this.life.check()
    await this.core.log.reopen()
    await this.core.settled()
  }

  /** Ends this handle. What the category is for others, and its topic, stay open until the log is closed. */
  async close(): Promise<void> {
    if (!this.life.alive) return
    this.life.end()
    await this.core.writeCheckpoint()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  /** @internal */
  [INSPECT](depth: number | null, options: InspectOptions, inspect: Inspect): string {
    const { category, streamCount, durablePosition } = this
    return inspected('EventStore', () => ({ category, streamCount, durablePosition }), depth, options, inspect)
  }

  /** @internal An append to one stream, checked. */
  plan(
    stream: string, events: NewEvent<E> | readonly NewEvent<E>[], expected: AppendOptions['expected'], origin: Origin | undefined,
    metadata: EventMetadata | undefined,
  ): StreamPlan {
    checkStream(stream)
    // Reactors believe what is in theirs.
    checkOwnStream(stream)
    if (expected !== undefined) checkExpected(expected)
    if (!Array.isArray(events)) return { stream, events: [this.#prepare(events as NewEvent<E>, origin, metadata)], expected: expected ?? 'any' }
    checkSome(events)
    const prepared = (events as readonly NewEvent<E>[]).map((event) => this.#prepare(event, origin, metadata))
    checkDistinct(prepared)
    return { stream, events: prepared, expected: expected ?? 'any' }
  }

  #prepare(event: NewEvent<E>, origin: Origin | undefined, common: EventMetadata | undefined): PreparedEvent {
    checkEvent(event)
    const { type, data, id, time, metadata } = event as NewEvent<EventShape>
    const checked = this.types.checked(type, data)
    const schema = this.types.schemaOf(type)
    if (metadata === undefined && common === undefined) {
      return new PreparedEvent(type, checked, id, time, schema, origin?.correlation, origin?.causation, origin?.trace, undefined)
    }
    const { correlation = origin?.correlation, causation = origin?.causation, trace = origin?.trace, ...own } = { ...common, ...metadata }
    checkOrigin({ correlation, causation, trace } as Origin)
    return new PreparedEvent(type, checked, id, time, schema, correlation, causation, trace, metadataText(own))
  }

  /** @internal Where the events of an append come from. */
  origin(options: Omit<AppendOptions, 'expected'> | undefined): Origin | undefined {
    const around = currentOrigin()
    if (options === undefined) return around
    checkOptions(options, appendOptions, 'append')
    const { correlation, causation, trace, signal, metadata } = options
    checkSignal(signal)
    checkObject(metadata, 'metadata is an object')
    signal?.throwIfAborted()
    if (correlation === undefined && causation === undefined && trace === undefined) return around
    checkOrigin(options)
    return { ...around, ...definedOf({ correlation, causation, trace }) }
  }
}

/** @internal What a reader is given is what was stored, typed by its store. */
export function typedEvents<E extends EventShape>(events: readonly StoredEvent[]): readonly RecordedEvent<E>[] {
  return events as unknown as readonly RecordedEvent<E>[]
}

function definedOf(origin: { readonly [Name in keyof Origin]: string | undefined }): Origin {
  return Object.fromEntries(Object.entries(origin).filter(([, value]) => value !== undefined))
}

function checkedRange(range: StreamRange): { from: number; to: number; limit: number; backward: boolean } {
  checkOptions(range, rangeOptions, 'read')
  const { from = 1, to = Infinity, limit = Infinity, direction = 'forward' } = range
  checkVersion(from, 'from', 1)
  checkVersion(to, 'to', 0)
  checkInteger(limit, 'limit', 0, Infinity)
  checkOneOf(direction, 'direction', ['forward', 'backward'])
  checkSignal(range.signal)
  return { from, to, limit, backward: direction === 'backward' }
}
