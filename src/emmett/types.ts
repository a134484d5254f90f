/*
 * Emmett's contract by its shape (0.42 and 0.43): events, the four methods of an event store, projections, processors and consumers. Declared
 * here, so that nothing of Emmett is needed to use or build this; its own types fit. `Package` is the type of the installed package,
 * `typeof import('@event-driven-io/emmett')`: what 0.43 changes follows from it.
 */
import { type EmmettPackage } from './emmett-package.ts'

/** A position in 0.43: 19 digits, branded as Emmett brands them. */
export type EmmettCheckpoint = string & { readonly __brand: 'ProcessorCheckpoint' }

/** A global position: text in 0.43, a bigint before. */
export type EmmettPosition<Package> = Package extends { readonly bigIntProcessorCheckpoint: unknown } ? EmmettCheckpoint : bigint

/** An event or command as Emmett has it. */
export type EmmettEvent = Readonly<{ type: string; data: Record<string, unknown>; metadata?: Record<string, unknown> | undefined; kind?: 'Event' }>

/** What an Emmett store says of an event that it gives back. */
export type EmmettMetadata<Package = EmmettPackage> = Readonly<{
  messageId: string
  streamName: string
  streamPosition: bigint
  globalPosition: EmmettPosition<Package>
}> & (Package extends { readonly bigIntProcessorCheckpoint: unknown } ? { readonly checkpoint: EmmettCheckpoint } : unknown)

// As Emmett derives it, so that the two fit together where events are still type parameters.
/** The metadata that events of one's own have. */
export type OwnMetadata<E> = E extends { metadata: infer Own } ? Own : undefined
/** An event with the metadata that it has once it was stored. */
export type WithMetadata<E, Package = EmmettPackage> = E & {
  metadata: OwnMetadata<E> extends undefined ? EmmettMetadata<Package> : OwnMetadata<E> & EmmettMetadata<Package>
}

/** An event that was read. */
export type EmmettRecorded<E extends EmmettEvent = EmmettEvent, Package = EmmettPackage> = WithMetadata<E, Package> & { kind: 'Event' | 'Command' }

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
  /** As with Emmett's own stores it is the store that says how data is serialized. */
  serialization?: unknown
  observability?: unknown
}>

/** How events are appended. */
export type EmmettAppendOptions<E extends EmmettEvent, Stored extends EmmettEvent> = Readonly<{
  expectedStreamVersion?: EmmettExpected & { readonly __brand?: 'StreamVersion' }
  schema?: { versioning?: { downcast?: (event: E) => Stored } }
  observability?: unknown
}>

/** A projection as Emmett defines it. `init` is called when the store opens. */
export type EmmettProjection = Readonly<{
  name?: string
  version?: number
  canHandle: readonly string[]
  handle: (events: never[], context: never) => unknown
  init?: (options: never) => unknown
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

/** How a consumer is made. Before 0.43: of the first two. */
export type EmmettConsumerOptions = Readonly<{
  processors?: readonly EmmettProcessor[]
  consumerId?: string
  /** It stops by itself when there is nothing left. */
  until?: Readonly<{ noMessagesLeft?: boolean; caughtUp?: boolean }>
  stopWhen?: Readonly<{ noMessagesLeft?: boolean }>
  /** Messages that processors are handed at once, 100 by default, and how long those before wait for them. */
  pulling?: Readonly<{ batchSize?: number; batchDeadlineInMs?: number }>
  defaultTimeout?: number
  observability?: unknown
}>

/** How long to wait: milliseconds behind which it rejects. Default: for ever. */
export type EmmettWaitOptions = Readonly<{ timeout?: number }>

/** What the package says of its consumers. */
export type EmmettOwnConsumer<Package> = Package extends { readonly consumer: (...setup: never) => infer Own } ? Own : unknown

/** Adds a processor to a consumer: takes what Emmett's function of that name takes, or a processor that is made. */
export type EmmettFactory<Package, Name> = (Name extends keyof Package ? Package[Name] : unknown)
  & (<Processor extends EmmettProcessor>(processor: Processor) => Processor)

/** A consumer of 0.43. How far its processors are is kept in the log. */
export type EmmettMessageConsumer<Package = EmmettPackage> = EmmettConsumer & Readonly<{
  init: () => Promise<void>
  whenStarted: () => Promise<void>
  /** Resolves when every processor is at least as far: the position is what an append gave. */
  whenProcessed: (position: EmmettCheckpoint, options?: EmmettWaitOptions) => Promise<void>
  /** Resolves when every processor has what is stored now. */
  whenCaughtUp: (options?: EmmettWaitOptions) => Promise<void>
  reactor: EmmettFactory<Package, 'reactor'>
  projector: EmmettFactory<Package, 'projector'>
  workflowProcessor: EmmettFactory<Package, 'workflowProcessor'>
}> & EmmettOwnConsumer<Package>

/** The consumers of a store. */
export type EmmettConsumers<Package> = Package extends { readonly bigIntProcessorCheckpoint: unknown }
  ? (options?: EmmettConsumerOptions) => EmmettMessageConsumer<Package>
  : (options: { readonly processors: readonly EmmettProcessor[]; readonly consumerId?: string }) => EmmettConsumer

/** Where processors keep how far they are: Emmett's `Checkpointer`. Checkpoints are text in 0.43. */
export type EmmettCheckpoints = Readonly<{
  read: (options: { readonly processorId: string; readonly partition?: string }, context: never) => Promise<{ lastCheckpoint: never }>
  store: (options: {
    readonly message: { readonly metadata: unknown }
    readonly processorId: string
    readonly version: number | undefined
    readonly lastCheckpoint: bigint | string | null
    readonly partition?: string
  }, context: never) => Promise<{ success: true; newCheckpoint: never } | { success: false; reason: 'IGNORED' | 'MISMATCH' }>
}>

/** An event store as Emmett wants it. */
export interface EmmettEventStore<Package = EmmettPackage> {
  readStream<E extends EmmettEvent, Stored extends EmmettEvent = E>(streamName: string, options?: EmmettReadOptions<E, Stored>): Promise<{
    currentStreamVersion: bigint
    events: EmmettRecorded<E, Package>[]
    streamExists: boolean
  }>
  aggregateStream<State, E extends EmmettEvent, Stored extends EmmettEvent = E>(streamName: string, options: {
    evolve: (state: State, event: never) => State
    initialState: () => State
    read?: EmmettReadOptions<E, Stored>
    observability?: unknown
  }): Promise<{ currentStreamVersion: bigint; state: State; streamExists: boolean }>
  appendToStream<E extends EmmettEvent, Stored extends EmmettEvent = E>(
    streamName: string, events: E[], options?: EmmettAppendOptions<E, Stored>,
  ): Promise<{ nextExpectedStreamVersion: bigint; createdNewStream: boolean; lastEventGlobalPosition: EmmettPosition<Package> }>
  streamExists(streamName: string): Promise<boolean>
  /** Hands all events, from where the processors stand on, to processors. */
  readonly consumer: EmmettConsumers<Package>
  /** Keeps how far processors are in a topic beside the events: for `checkpoints` of Emmett's `reactor` and `projector`. */
  checkpoints(): Promise<EmmettCheckpoints>
  close(): Promise<void>
}
