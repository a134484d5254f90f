/*
 * Emmett's contract by its shape (0.42, with what 0.43 changes): events, the four methods of an event store, projections, processors and
 * consumers. Declared here, so that nothing of Emmett is needed to use or build this; its own types fit.
 */

/** An event or command as Emmett has it. */
export type EmmettEvent = Readonly<{ type: string; data: Record<string, unknown>; metadata?: Record<string, unknown> | undefined; kind?: 'Event' }>

/** What an Emmett store says of an event that it gives back. Positions are strings in the shape of 0.43. */
export type EmmettMetadata = Readonly<{
  messageId: string
  streamName: string
  streamPosition: bigint
  globalPosition: bigint
}>

// As Emmett derives it, so that the two fit together where events are still type parameters.
/** The metadata that events of one's own have. */
export type OwnMetadata<E> = E extends { metadata: infer Own } ? Own : undefined
/** An event with the metadata that it has once it was stored. */
export type WithMetadata<E> = E & { metadata: OwnMetadata<E> extends undefined ? EmmettMetadata : OwnMetadata<E> & EmmettMetadata }

/** An event that was read. */
export type EmmettRecorded<E extends EmmettEvent = EmmettEvent> = WithMetadata<E> & { kind: 'Event' | 'Command' }

/** What an append expects: a version, or one of Emmett's words. */
export type EmmettExpected = bigint | 'STREAM_EXISTS' | 'STREAM_DOES_NOT_EXIST' | 'NO_CONCURRENCY_CHECK'

// Emmett brands its versions; `unknown` takes them.
/** How a stream is read: positions from 1, both included. */
export type EmmettReadOptions<E extends EmmettEvent, Stored extends EmmettEvent> = Readonly<{
  from?: bigint
  to?: bigint
  maxCount?: bigint
  expectedStreamVersion?: EmmettExpected & { readonly __brand?: 'StreamVersion' }
  schema?: { versioning?: { upcast?: (event: Stored) => E } }
}>

/** How events are appended. */
export type EmmettAppendOptions<E extends EmmettEvent, Stored extends EmmettEvent> = Readonly<{
  expectedStreamVersion?: EmmettExpected & { readonly __brand?: 'StreamVersion' }
  schema?: { versioning?: { downcast?: (event: E) => Stored } }
}>

/** A projection as Emmett defines it, and how it is registered. */
export type EmmettProjection = Readonly<{
  name?: string
  canHandle: readonly string[]
  handle: (events: never[], context: never) => unknown
}>

/** A processor: what `reactor` and `projector` of Emmett give. */
export type EmmettProcessor = Readonly<{
  id: string
  isActive: boolean
  start: (options: never) => Promise<unknown>
  close: (options: never) => Promise<void>
  handle: (messages: never[], context: never) => unknown
}>

/** What hands events to processors: as Emmett's `MessageConsumer`. */
export type EmmettConsumer = Readonly<{
  consumerId: string
  isRunning: boolean
  processors: readonly EmmettProcessor[]
  /** Resolves when it is stopped, or no processor is active any more. */
  start: () => Promise<void>
  stop: () => Promise<void>
  close: () => Promise<void>
}>

/** Where processors keep how far they are: Emmett's `Checkpointer`. */
export type EmmettCheckpoints = Readonly<{
  read: (options: { readonly processorId: string; readonly partition?: string }, context: never) => Promise<{ lastCheckpoint: bigint | null }>
  store: (options: {
    readonly message: { readonly metadata: unknown }
    readonly processorId: string
    readonly version: number | undefined
    readonly lastCheckpoint: bigint | null
    readonly partition?: string
  }, context: never) => Promise<{ success: true; newCheckpoint: bigint } | { success: false; reason: 'IGNORED' | 'MISMATCH' }>
}>

/** An event store as Emmett wants it. */
export interface EmmettEventStore {
  readStream<E extends EmmettEvent, Stored extends EmmettEvent = E>(streamName: string, options?: EmmettReadOptions<E, Stored>): Promise<{
    currentStreamVersion: bigint
    events: EmmettRecorded<E>[]
    streamExists: boolean
  }>
  aggregateStream<State, E extends EmmettEvent, Stored extends EmmettEvent = E>(streamName: string, options: {
    evolve: (state: State, event: never) => State
    initialState: () => State
    read?: EmmettReadOptions<E, Stored>
  }): Promise<{ currentStreamVersion: bigint; state: State; streamExists: boolean }>
  appendToStream<E extends EmmettEvent, Stored extends EmmettEvent = E>(
    streamName: string, events: E[], options?: EmmettAppendOptions<E, Stored>,
  ): Promise<{ nextExpectedStreamVersion: bigint; createdNewStream: boolean; lastEventGlobalPosition: bigint }>
  streamExists(streamName: string): Promise<boolean>
  /** Hands all events, from where the processors stand on, to processors. */
  consumer(options: { readonly processors: readonly EmmettProcessor[]; readonly consumerId?: string }): EmmettConsumer
  /** Keeps how far processors are in a topic beside the events: for `checkpoints` of Emmett's `reactor` and `projector`. */
  checkpoints(): Promise<EmmettCheckpoints>
  close(): Promise<void>
}
