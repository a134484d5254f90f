/*
 * An event store for Emmett on the log. Where Emmett's own stores differ it does what docs/events.md#emmett says: versions from 1, both ends of
 * a range included, exact counts, expected versions of every kind checked with the append, conflicts that tell the version there is.
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import { isLogError } from '../base/errors.ts'
import { checkOneOf, checkOptions, describe } from '../base/options.ts'
import { type Codec } from '../base/codec.ts'
import { eventStore, type LocalEventStore } from '../events/event-store.ts'
import { type EventShape, type Expected, type NewEvent, type RecordedEvent } from '../events/types.ts'
import { msgpack } from '../topics/codecs.ts'
import { type CommitLog } from '../topics/commit-log.ts'
import { emmettCheckpoints } from './checkpoints.ts'
import { MessageFeed } from './consumer.ts'
import {
  coreOf, type EmmettPackage, type EmmettShape, emmettShapes, installedEmmett, type Instruments, instrumentsOf, isPackage43, type Scope, shapeOf,
} from './emmett-package.ts'
import { messageConsumer } from './message-consumer.ts'
import { checkpointOf, EventSource } from './message-source.ts'
import { emmettJson } from './serialization.ts'
import {
  type EmmettAppendOptions, type EmmettCheckpoints, type EmmettConsumer, type EmmettConsumerOptions, type EmmettEvent, type EmmettEventStore,
  type EmmettExpected, type EmmettProjection, type EmmettReadOptions, type EmmettRecorded,
} from './types.ts'

/** How a store for Emmett is opened. */
export interface EmmettStoreOptions {
  /** The category, and so the topic, that holds the events. Default `'emmett'`. */
  readonly category?: string
  /** Projections that are handed the events of an append before it resolves, in the order of all appends: what `inlineProjections` gives. */
  readonly projections?: readonly { readonly type: string; readonly projection: EmmettProjection }[]
  /** What projections get beside `eventStore`: `{ database }` for those of Emmett's in-memory documents. */
  readonly projectionContext?: Readonly<Record<string, unknown>>
  readonly hooks?: { readonly onAfterCommit?: ((events: never[]) => unknown) | undefined }
  /** What data is written by. Default MessagePack, which keeps dates and bigints, as Emmett's stores in memory do. */
  readonly value?: Codec<unknown>
  /** Instead of `value`: JSON by the serializer of Emmett 0.43, with its options `{ serializer }` or `{ options: { parseDates, … } }`. */
  readonly serialization?: object
  /** How 0.43 watches what the store does: its `observability`, with `tracer`, `meter` and `logger`. */
  readonly observability?: object
  /** Emmett's package, `import * as emmett from '@event-driven-io/emmett'`. Default: the installed one, not found out of a bundle. */
  readonly emmett?: EmmettPackage
  /** What conflicts are. Default: the package's `ExpectedVersionConflictError`; without a package an error that its functions know. */
  readonly ConflictError?: new (current: bigint, expected: never) => Error
  /** Which version's positions it gives: bigints, or in 0.43 text of 19 digits, and again as `checkpoint`. Default: the package's. */
  readonly shape?: EmmettShape
}

const optionNames = [
  'category', 'projections', 'projectionContext', 'hooks', 'value', 'serialization', 'observability', 'emmett', 'ConflictError', 'shape',
] as const satisfies readonly (keyof EmmettStoreOptions)[]

/** A version conflict as Emmett knows it. */
export class EmmettVersionConflict extends Error {
  readonly errorCode = 412
  readonly current: string
  readonly expected: string

  constructor(current: bigint, expected: EmmettExpected) {
    super(`Expected version ${expected} does not match current ${current}`)
    this.current = String(current)
    this.expected = String(expected)
  }
}

/**
 * Opens an event store for Emmett: hand it to `CommandHandler`, `DeciderCommandHandler` and the others.
 *
 * It has the shape of the Emmett that is installed, 0.42 or 0.43. The types of 0.43 are those of
 * `emmettEventStore<typeof import('@event-driven-io/emmett')>(log)`, or of the option `emmett`.
 */
export async function emmettEventStore<Package extends EmmettPackage = EmmettPackage>(
  log: CommitLog, options: EmmettStoreOptions & { readonly emmett?: Package } = {},
): Promise<EmmettEventStore<Package>> {
  checkOptions(options, optionNames, 'emmettEventStore')
  checkOneOf(options.shape, 'shape', emmettShapes)
  const { category = 'emmett', emmett = await installedEmmett(), serialization } = options
  if (serialization !== undefined && options.value !== undefined) throw new TypeError('value and serialization: data is written by one of them')
  const value = serialization === undefined ? options.value ?? msgpack() : emmettJson(emmett, serialization)
  const store = new LocalEmmettStore(log, await eventStore(log, { category, value }), emmett, options)
  await store.init()
  return store as EmmettEventStore<EmmettPackage> as EmmettEventStore<Package>
}

interface StreamRead<E extends EmmettEvent> {
  currentStreamVersion: bigint
  events: EmmettRecorded<E>[]
  streamExists: boolean
}
interface Appended {
  nextExpectedStreamVersion: bigint
  createdNewStream: boolean
  lastEventGlobalPosition: bigint
}

class LocalEmmettStore implements Omit<EmmettEventStore, 'consumer'> {
  readonly #log: CommitLog
  readonly #store: LocalEventStore
  readonly #emmett: EmmettPackage | undefined
  readonly #shape: EmmettShape
  readonly #options: EmmettStoreOptions
  readonly #instruments: Instruments
  readonly #inline: readonly EmmettProjection[]
  readonly #context: Readonly<Record<string, unknown>>
  #projecting: Promise<unknown> = Promise.resolve()
  /** Set where a projection is handed events. */
  readonly #projected = new AsyncLocalStorage<true>()

  constructor(log: CommitLog, store: LocalEventStore, emmett: EmmettPackage | undefined, options: EmmettStoreOptions) {
    this.#log = log
    this.#store = store
    this.#emmett = emmett
    this.#shape = options.shape ?? shapeOf(emmett)
    this.#options = options
    this.#instruments = instrumentsOf(emmett, options.observability)
    this.#inline = (options.projections ?? []).filter(({ type }) => type === 'inline').map(({ projection }) => projection)
    this.#context = { eventStore: this, ...options.projectionContext }
  }

  /** Inline projections are told that they begin. */
  async init(): Promise<void> {
    for (const { init, version = 1 } of this.#inline) {
      await init?.({ version, status: 'active', registrationType: 'inline', context: this.#context } as never)
    }
  }

  readStream<E extends EmmettEvent, Stored extends EmmettEvent = E>(
    streamName: string, options: EmmettReadOptions<E, Stored> = {},
  ): Promise<StreamRead<E>> {
    return this.#instruments.instrumentRead(streamName, () => this.#read(streamName, options), options.observability)
  }

  async #read<E extends EmmettEvent, Stored extends EmmettEvent>(streamName: string, options: EmmettReadOptions<E, Stored>): Promise<StreamRead<E>> {
    const { from, to, maxCount, expectedStreamVersion, schema } = options
    const { version, exists, events } = await this.#store.read(streamName, {
      ...(from !== undefined && { from: Math.max(1, Number(from)) }), ...(to !== undefined && { to: Number(to) }),
      ...(maxCount !== undefined && { limit: Number(maxCount) }),
    })
    this.#check(expectedStreamVersion, version, exists)
    const upcast = schema?.versioning?.upcast as ((event: EmmettEvent) => EmmettEvent) | undefined
    const recorded = events.map((event) => cast(this.recorded(event), upcast))
    return { currentStreamVersion: BigInt(version), events: recorded as unknown as EmmettRecorded<E>[], streamExists: exists }
  }

  aggregateStream<State, E extends EmmettEvent, Stored extends EmmettEvent = E>(streamName: string, options: {
    evolve: (state: State, event: never) => State
    initialState: () => State
    read?: EmmettReadOptions<E, Stored>
    observability?: unknown
  }): Promise<{ currentStreamVersion: bigint; state: State; streamExists: boolean }> {
    const { evolve, initialState, read, observability } = options
    return this.#instruments.instrumentAggregate(streamName, async (scope) => {
      const inside = this.#instruments.within(scope, read?.observability)
      const { currentStreamVersion, events, streamExists } = await this.readStream<E, Stored>(streamName, { ...read, observability: inside })
      const state = events.reduce(evolve as (state: State, event: EmmettRecorded<E>) => State, initialState())
      const bounded = read?.from !== undefined || read?.to !== undefined || read?.maxCount !== undefined
      const last = events.at(-1)?.metadata.streamPosition
      return { currentStreamVersion: bounded ? (last ?? 0n) : currentStreamVersion, state, streamExists }
    }, observability)
  }

  appendToStream<E extends EmmettEvent, Stored extends EmmettEvent = E>(
    streamName: string, events: E[], options: EmmettAppendOptions<E, Stored> = {},
  ): Promise<Appended> {
    if (events.length === 0) return this.#appendNothing(streamName, options.expectedStreamVersion)
    return this.#instruments.instrumentAppend(streamName, events, (scope) => this.#append(streamName, events, options, scope), options.observability)
  }

  async #append<E extends EmmettEvent, Stored extends EmmettEvent>(
    streamName: string, events: E[], { expectedStreamVersion, schema }: EmmettAppendOptions<E, Stored>, scope: Scope,
  ): Promise<Appended> {
    const downcast = schema?.versioning?.downcast as ((event: EmmettEvent) => EmmettEvent) | undefined
    const stored = events.map((event) => newEvent(downcast === undefined ? event : downcast(event), this.#instruments.newId(), scope))
    try {
      const result = await this.#store.append(streamName, stored, { expected: expectedOf(expectedStreamVersion) })
      await this.#committed(streamName, events, result.version, scope)
      return {
        nextExpectedStreamVersion: BigInt(result.version), createdNewStream: result.created,
        lastEventGlobalPosition: this.position(result.position),
      }
    } catch (error) {
      if (isLogError(error, 'LOG_VERSION_CONFLICT')) throw this.#conflict(Number(error.detail['current']), expectedStreamVersion!)
      throw error
    }
  }

  async streamExists(streamName: string): Promise<boolean> {
    return (await this.#store.read(streamName, { limit: 0 })).exists
  }

  consumer(options: EmmettConsumerOptions = {}): EmmettConsumer {
    const recorded = (event: RecordedEvent<EventShape>): EmmettRecorded => this.recorded(event)
    if (this.#shape === '0.42') {
      const { processors = [], consumerId = 'commitlog' } = options
      return new MessageFeed(this.#store, processors, consumerId, this.#context, recorded)
    }
    if (!isPackage43(this.#emmett)) throw new TypeError('consumers of 0.43 are made by Emmett\'s package: give it as the option emmett')
    const core = coreOf(this.#emmett)
    return messageConsumer({
      core, source: new EventSource(this.#store, recorded, core.MessageSourceCaughtUp), checkpoints: () => this.checkpoints(),
      // Workflows append by way of what is called a connection there.
      context: { connection: { messageStore: this }, ...this.#context }, observability: this.#options.observability,
    }, options) as EmmettConsumer
  }

  checkpoints(): Promise<EmmettCheckpoints> {
    return emmettCheckpoints(this.#log, this.#store.category, this.#shape)
  }

  async close(): Promise<void> {
    await this.#projecting.catch(() => {})
    await this.#store.close()
  }

  /** An event as Emmett reads it. */
  recorded({ type, data, stream, version, position, id, metadata }: RecordedEvent<EventShape>): EmmettRecorded {
    const { correlation, causation, trace: _, ...own } = metadata
    const globalPosition = this.position(position)
    return {
      type, data, kind: 'Event',
      metadata: {
        ...(correlation !== undefined && { correlationId: correlation }), ...(causation !== undefined && { causationId: causation }), ...own,
        streamName: stream, messageId: id, streamPosition: BigInt(version), globalPosition,
        ...(this.#shape === '0.43' && { checkpoint: globalPosition }),
      },
    } as unknown as EmmettRecorded
  }

  /** A global position in the shape that is asked for. */
  position(position: number): bigint {
    return (this.#shape === '0.43' ? checkpointOf(position) : BigInt(position)) as bigint
  }

  /** An append of nothing tells how the stream is, as if it were one. */
  async #appendNothing(streamName: string, expected: EmmettExpected | undefined): Promise<Appended> {
    const { version, exists, events } = await this.#store.read(streamName, { direction: 'backward', limit: 1 })
    this.#check(expected, version, exists)
    return {
      nextExpectedStreamVersion: BigInt(version), createdNewStream: false, lastEventGlobalPosition: this.position(events[0]?.position ?? 0),
    }
  }

  /** Projections and hooks, in the order of the appends. */
  async #committed(streamName: string, events: readonly EmmettEvent[], version: number, scope: Scope): Promise<void> {
    const { hooks } = this.#options
    if (this.#inline.length === 0 && hooks?.onAfterCommit === undefined) return
    // Taken in line before anything is awaited, so that projections get appends in the order in which they were stored.
    const reading = async (): Promise<EmmettRecorded[]> => this.#recordedAs(streamName, events, version)
    const recorded = this.#inline.length > 0 ? await this.#project(streamName, reading, scope) : await reading()
    try {
      await hooks?.onAfterCommit?.(recorded as never[])
    } catch {
      // As with Emmett's stores: what is stored is stored.
    }
  }

  async #recordedAs(streamName: string, events: readonly EmmettEvent[], version: number): Promise<EmmettRecorded[]> {
    const { events: stored } = await this.#store.read(streamName, { from: version - events.length + 1, to: version })
    // What was downcast to be stored is what it was to those who live with it.
    return stored.map((event, index) => {
      const read = this.recorded(event)
      return { ...read, ...events[index], metadata: read.metadata, kind: 'Event' } as unknown as EmmettRecorded
    })
  }

  async #project(streamName: string, reading: () => Promise<EmmettRecorded[]>, scope: Scope): Promise<EmmettRecorded[]> {
    const handing = (): Promise<EmmettRecorded[]> => this.#projected.run(true, async () => {
      const events = await reading()
      for (const { canHandle, handle } of this.#inline) {
        const wanted = events.filter(({ type }) => canHandle.includes(type))
        if (wanted.length === 0) continue
        await this.#instruments.instrumentInlineProjection(streamName, scope, async (observabilityScope) => (
          handle(wanted as never[], { ...this.#context, observabilityScope } as never)
        ))
      }
      return events
    })
    // What a projection itself appends cannot wait until that projection is done.
    if (this.#projected.getStore() === true) return handing()
    const projected = this.#projecting.catch(() => {}).then(handing)
    this.#projecting = projected
    return projected
  }

  #check(expected: EmmettExpected | undefined, version: number, exists: boolean): void {
    if (expected === undefined || expected === 'NO_CONCURRENCY_CHECK') return
    const holds = expected === 'STREAM_EXISTS' ? exists : expected === 'STREAM_DOES_NOT_EXIST' ? !exists : BigInt(version) === expected
    if (!holds) throw this.#conflict(version, expected)
  }

  #conflict(current: number, expected: EmmettExpected): Error {
    const { ConflictError = this.#emmett?.ExpectedVersionConflictError } = this.#options
    return ConflictError === undefined ? new EmmettVersionConflict(BigInt(current), expected) : new ConflictError(BigInt(current), expected as never)
  }
}

function expectedOf(expected: EmmettExpected | undefined): Expected {
  if (typeof expected === 'bigint') return Number(expected)
  if (expected === 'STREAM_EXISTS') return 'exists'
  if (expected === 'STREAM_DOES_NOT_EXIST') return 'none'
  if (expected === undefined || expected === 'NO_CONCURRENCY_CHECK') return 'any'
  // A number, or another word, is not to pass as no check at all.
  throw new TypeError(`expectedStreamVersion is a bigint or one of Emmett's words, not ${describe(expected)}`)
}

/** What the scope knows of where an event comes from stands above what the event says itself, as in Emmett's stores. */
function newEvent({ type, data, metadata }: EmmettEvent, id: string | undefined, { context }: Scope): NewEvent<EventShape> {
  const event = { type, data, ...(id !== undefined && { id }) }
  if (Object.keys(context).length === 0 && (metadata === undefined || metadata === null)) return event
  const { correlationId, causationId, ...own } = { ...metadata, ...context }
  // Metadata is JSON: what is a bigint in it is read as text.
  const plain = JSON.parse(JSON.stringify(own, (_, value: unknown) => (typeof value === 'bigint' ? String(value) : value))) as Record<string, unknown>
  return {
    ...event,
    metadata: {
      ...plain, ...(typeof correlationId === 'string' && { correlation: correlationId }),
      ...(typeof causationId === 'string' && { causation: causationId }),
    },
  }
}

/** As Emmett brings a recorded event to the version that is wanted. */
function cast(event: EmmettRecorded, upcast: ((event: EmmettEvent) => EmmettEvent) | undefined): EmmettRecorded {
  if (upcast === undefined) return event
  const upcasted = upcast({ ...event } as unknown as EmmettEvent)
  return { ...event, ...upcasted, metadata: { ...upcasted.metadata, ...event.metadata } } as unknown as EmmettRecorded
}
