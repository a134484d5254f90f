/*
 * The nouns of the event store: events as they are appended and as they were recorded, what an append expects and gives, what reads take,
 * and the store and its aggregates as a user holds them. Types only; the store itself is event-store.ts.
 */
import { type Codec } from '../base/codec.ts'
import { type StandardSchema } from '../topics/standard-schema.ts'
import { type TopicSettings } from '../topics/settings.ts'

/** What every event of a category has: a union of such types is what a store is typed by. */
export interface EventShape {
  readonly type: string
  readonly data: unknown
}

/** What is said of an event beside its data. Fields of one's own are kept as JSON. */
export interface EventMetadata {
  /** What the event belongs to: the request, the process, the conversation. */
  readonly correlation?: string
  /** The id of the message that caused it. */
  readonly causation?: string
  /** A trace context, as W3C's `traceparent` has it. */
  readonly trace?: string
  readonly [own: string]: unknown
}

/** An event to append. */
export type NewEvent<E extends EventShape> = E extends EventShape ? {
  readonly type: E['type']
  readonly data: E['data']
  /** Unique in the category; an append that is sent again with the same ids is stored once. Default: a random UUID. */
  readonly id?: string
  /** When it happened, ms since 1970: for events that are imported. Default: now. */
  readonly time?: number
  readonly metadata?: EventMetadata
} : never

/** What a recorded event knows beside its type and data. */
export interface RecordedFields {
  /** The id of its stream. */
  readonly stream: string
  /** Its number in its stream, from 1. */
  readonly version: number
  /** Its place in the global order of the category: an offset. Orders, with gaps. */
  readonly position: number
  readonly id: string
  /** Ms since 1970. */
  readonly time: number
  readonly metadata: EventMetadata
}

/** An event as it was recorded: a union over the types of E, told apart by `type`. Data is decoded when it is first asked for. */
export type RecordedEvent<E extends EventShape> = E extends EventShape
  ? RecordedFields & { readonly type: E['type']; readonly data: E['data'] }
  : never

/**
 * What an append expects of its stream: `'any'` nothing; `'none'` that it does not exist; `'exists'` that it does; a number that it is exactly
 * at this version, 0 for a stream that never had an event.
 */
export type Expected = 'any' | 'none' | 'exists' | number

/** Where events come from, for all events of one append. What is not given is taken from the event that is handled at the moment, if any. */
export interface Origin {
  readonly correlation?: string
  readonly causation?: string
  readonly trace?: string
}

/** How to append. */
export interface AppendOptions extends Origin {
  /** Default `'any'`. */
  readonly expected?: Expected
  /** Metadata for every event of the append; that of an event goes before it. */
  readonly metadata?: EventMetadata
  /** Ends the wait, not what is on its way: the events may be stored all the same. */
  readonly signal?: AbortSignal
}

/** What became of an append to one stream. */
export interface AppendResult {
  readonly stream: string
  /** Of the last event of the append: the version that the stream has behind it. */
  readonly version: number
  /** Global position of the last event of the append. */
  readonly position: number
  /** The stream had no events before. */
  readonly created: boolean
  /** All these ids were appended to this stream before: this is the result of that time, and nothing was stored. */
  readonly duplicate: boolean
}

/** One stream of an append to several. */
export interface StreamAppend<E extends EventShape> {
  readonly stream: string
  readonly events: NewEvent<E> | readonly NewEvent<E>[]
  /** Default `'any'`. */
  readonly expected?: Expected
}

/** What to read of a stream. Versions count from 1 and both ends are included. */
export interface StreamRange {
  /** Lowest version wanted. Default 1. */
  readonly from?: number
  /** Highest version wanted. Default: the last. */
  readonly to?: number
  /** At most so many events, from the end at which reading begins. Default: all. */
  readonly limit?: number
  /** Default `'forward'`: ascending versions, from `from` on; `'backward'`: descending, from `to` on. */
  readonly direction?: 'forward' | 'backward'
  readonly signal?: AbortSignal
}

/** What was read of a stream. */
export interface StreamSlice<E extends EventShape> {
  readonly stream: string
  /** The stream's version, whatever part of it was read: 0 when it never had an event. */
  readonly version: number
  /** Whether it has events: one that was deleted has a version and does not exist. */
  readonly exists: boolean
  readonly events: readonly RecordedEvent<E>[]
}

/** What to read of all streams of a category. */
export interface AllOptions<Type extends string = string> {
  /** The first position wanted, `'earliest'` (default), or `'latest'`: only what is appended from now on. */
  readonly from?: number | 'earliest' | 'latest'
  /** Only events of these types. Default: all. */
  readonly types?: readonly Type[]
  /** `'end'` ends at the end as it stands when reading begins. Default: waits for more. */
  readonly until?: 'end'
  /** Ends the reading: it throws the signal's reason. */
  readonly signal?: AbortSignal
  /** Whether waiting for events keeps the process alive. Default true. */
  readonly ref?: boolean
}

/** Events in global order. */
export interface AllEvents<E extends EventShape> extends AsyncIterable<RecordedEvent<E>> {
  /** The same in arrays, as they are stored together: faster. */
  batches(): AsyncIterable<readonly RecordedEvent<E>[]>
}

/** Brings data that was written as version n of its type to version n + 1 (an upcast), or back (a downcast). */
export type Cast = (data: never) => unknown

/** The versions of one event type. */
export interface TypeVersions {
  /** The version that is written today, from 1. */
  readonly version: number
  /** By the version they take: `{ 1: … }` makes version 2 of version 1. All up to today's are needed. */
  readonly upcast?: { readonly [version: number]: Cast }
  /** By the version they give: `{ 1: … }` makes version 1 of version 2, for readers of an older version. */
  readonly downcast?: { readonly [version: number]: Cast }
}

/** What {@link defineEvents} takes. */
export interface EventsOptions<E extends EventShape> {
  /** What data is written by, of all types. Default JSON, that plain Kafka consumers can read. */
  readonly value?: Codec<E['data']>
  /** By type: data is checked by it before it is appended, and stored as the schema gives it. */
  readonly schemas?: { readonly [Type in E['type']]?: StandardSchema }
  readonly versions?: { readonly [Type in E['type']]?: TypeVersions }
  /** Of the topic that holds the events. */
  readonly settings?: TopicSettings
}

/** A category of events as a value: what {@link defineEvents} gives. */
export interface EventsDefinition<E extends EventShape> extends EventsOptions<E> {
  readonly category: string
}

/** A fold of the events of a stream: its state, and how a command becomes events. */
export interface AggregateOptions<E extends EventShape, State, Command> {
  readonly initial: () => State
  /** The state behind an event. It gives a new state and leaves the one before as it is: states are shared. */
  readonly evolve: (state: State, event: RecordedEvent<E>) => State
  /** What a command makes happen. */
  readonly decide?: (command: Command, state: State) => NewEvent<E> | readonly NewEvent<E>[]
  /** Tells folds apart: rises when `initial` or `evolve` changes, so that snapshots and cached states of the one before do not count. Default 1. */
  readonly version?: number
  /** Keeps a snapshot of a stream each so many events, under a name that no other fold of the category has. Default: none. */
  readonly snapshot?: { readonly every: number; readonly name?: string }
  /** How many states are kept in memory, those that were used last. Default 10,000; 0 keeps none. What one of them holds is up to the fold. */
  readonly cachedStates?: number
}

/** A state and the version of the stream that it is of. */
export interface Loaded<State> {
  readonly state: State
  readonly version: number
}

/** How to handle a command. */
export interface HandleOptions extends AppendOptions {
  /** How often a command is tried again, on the newer state, when another append came in between. Default 3; with `expected` none. */
  readonly retries?: number
  /** The id of the command: handled once, and its result given again when it is sent again. */
  readonly id?: string
}

/** What became of a command. */
export interface Handled<E extends EventShape, State> extends Loaded<State> {
  /** Global position of its last event; −1 when it made none happen. */
  readonly position: number
  readonly events: readonly NewEvent<E>[]
  readonly duplicate: boolean
}

/** The streams of a category, each as one state. */
export interface Aggregate<E extends EventShape, State, Command> {
  /** The state of a stream: `initial` at version 0 when there is none. */
  load(stream: string, options?: { readonly to?: number; readonly signal?: AbortSignal }): Promise<Loaded<State>>
  /** Loads, decides, and appends what comes of it at the version that was loaded. */
  handle(
    stream: string, command: Command | ((state: State) => NewEvent<E> | readonly NewEvent<E>[] | Promise<NewEvent<E> | readonly NewEvent<E>[]>),
    options?: HandleOptions,
  ): Promise<Handled<E, State>>
}

/** The events of one category: streams with a version each, and one global order. */
export interface EventStore<E extends EventShape = EventShape> {
  readonly category: string
  /**
   * Appends events to a stream, all or none, and resolves when they are durable.
   *
   * @throws LogError `LOG_VERSION_CONFLICT` with `stream`, `expected`, `current` (the version) when the stream is not as expected;
   *   `LOG_EVENT_INVALID`, `LOG_STREAM_INVALID`, `LOG_VERSION_INVALID`, `LOG_EVENT_ID_TAKEN` for what can be no append;
   *   `LOG_RECORD_TOO_LARGE`, `LOG_BATCH_TOO_LARGE`; those of an append to a topic
   */
  append(stream: string, events: NewEvent<E> | readonly NewEvent<E>[], options?: AppendOptions): Promise<AppendResult>
  /** Appends to several streams, all or none: what one of them refuses, none gets. The results are in the order of the appends. */
  appendStreams(appends: readonly StreamAppend<E>[], options?: Omit<AppendOptions, 'expected'>): Promise<AppendResult[]>
  /** Reads events of one stream. Types that the definition does not name are events like any other. */
  read(stream: string, range?: StreamRange): Promise<StreamSlice<E>>
  /**
   * The version of a stream, with what is appended and not durable yet; 0 when it never had an event. Truncating or deleting a stream leaves
   * its version as it is.
   */
  head(stream: string): number
  /** Whether a stream has events: false for one that was deleted and has none since. */
  exists(stream: string): boolean
  /** Events of all streams in global order. */
  all(options?: AllOptions<E['type']>): AllEvents<E>
  /** A fold over the streams of the category. */
  aggregate<State, Command = never>(options: AggregateOptions<E, State, Command>): Aggregate<E, State, Command>
  /** The position that the next event gets: what is below it and durable is seen by `all`. */
  readonly nextPosition: number
  /** Events below it are durable and seen by readers. */
  readonly durablePosition: number
  /** How many streams the category has, deleted ones included. */
  readonly streamCount: number
  /**
   * Makes the category take appends again after a write or sync of it failed (`LOG_FENCED`), when the disk is in order: what was acknowledged is
   * there, and what was not is gone. Of a store that takes appends it does nothing.
   */
  reopen(): Promise<void>
  close(): Promise<void>
}
