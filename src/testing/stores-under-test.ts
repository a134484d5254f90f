/*
 * Adapters that put stores under the conformance suite: our own, and whatever implements Emmett's EventStore. The latter is described here
 * by its shape, so that nothing of Emmett is needed.
 */
import { isLogError } from '../base/errors.ts'
import { type EventShape, type EventStore, type NewEvent, type RecordedEvent } from '../events/types.ts'
import { type ConformanceExpected, type ConformanceRecorded, type StoreUnderTest } from './store-under-test.ts'

/** What the cases use of an Emmett event store. */
export interface EmmettStoreShape {
  appendToStream(stream: string, events: never[], options?: { readonly expectedStreamVersion?: never }): Promise<{
    readonly nextExpectedStreamVersion: unknown
    readonly createdNewStream: boolean
  }>
  readStream(stream: string, options?: { readonly from?: never; readonly to?: never; readonly maxCount?: bigint }): Promise<{
    readonly currentStreamVersion: unknown
    readonly events: readonly unknown[]
    readonly streamExists: boolean
  }>
  streamExists(stream: string): Promise<boolean>
}

/** How a store is put under test. */
export interface UnderTestOptions {
  /** Closes the store. Default: its own `close`, if it has one. */
  readonly close?: () => Promise<unknown> | void
  /** Opens what a closed store has stored; without it the cases of a reopen are left out. */
  readonly reopen?: () => Promise<StoreUnderTest>
}

/** An event store of ours under test. */
export function eventStoreUnderTest(store: EventStore<EventShape>, options: UnderTestOptions = {}): StoreUnderTest {
  const close = async (): Promise<void> => void (await (options.close ?? (() => store.close()))())
  const { reopen } = options
  return {
    idempotent: true,
    append: (stream, events, { expected }) => store.append(stream, events as NewEvent<EventShape>[], { expected }),
    read: async (stream, range) => {
      const { version, exists, events } = await store.read(stream, range)
      return { version, exists, events: events.map(recordedOf) }
    },
    readBackward: async (stream, range) => (await store.read(stream, { ...range, direction: 'backward' })).events.map(recordedOf),
    exists: async (stream) => store.exists(stream),
    all: async () => {
      const list: ConformanceRecorded[] = []
      for await (const event of store.all({ until: 'end' })) list.push(recordedOf(event))
      return list
    },
    appendStreams: (appends) => store.appendStreams(appends as never),
    conflict: (error) => (isLogError(error, 'LOG_VERSION_CONFLICT') ? { current: Number(error.detail['current']) } : undefined),
    ...(reopen !== undefined && { reopen: async () => { await close(); return reopen() } }),
    close,
  }
}

/** A store with Emmett's four methods under test: its own in-memory store, its SQL stores, or ours. */
export function emmettStoreUnderTest(store: EmmettStoreShape, options: UnderTestOptions = {}): StoreUnderTest {
  const close = async (): Promise<void> => void (await (options.close ?? (store as { close?: () => Promise<unknown> }).close?.bind(store))?.())
  const { reopen } = options
  return {
    append: async (stream, events, { expected }) => {
      const result = await store.appendToStream(stream, events as never[], { expectedStreamVersion: emmettExpectation(expected) as never })
      return { version: Number(result.nextExpectedStreamVersion), created: result.createdNewStream }
    },
    read: async (stream, { from, to, limit } = {}) => {
      const { currentStreamVersion, events, streamExists } = await store.readStream(stream, {
        ...(from !== undefined && { from: BigInt(from) as never }), ...(to !== undefined && { to: BigInt(to) as never }),
        ...(limit !== undefined && { maxCount: BigInt(limit) }),
      })
      return { version: Number(currentStreamVersion), exists: streamExists, events: events.map((event) => emmettRecorded(event, stream)) }
    },
    exists: (stream) => store.streamExists(stream),
    conflict: (error) => {
      const { errorCode, current } = (error ?? {}) as { errorCode?: unknown; current?: unknown }
      return errorCode === 412 ? { current: Number(current) } : undefined
    },
    ...(reopen !== undefined && { reopen: async () => { await close(); return reopen() } }),
    close,
  }
}

function emmettExpectation(expected: ConformanceExpected): unknown {
  if (typeof expected === 'number') return BigInt(expected)
  return { any: 'NO_CONCURRENCY_CHECK', none: 'STREAM_DOES_NOT_EXIST', exists: 'STREAM_EXISTS' }[expected]
}

function emmettRecorded(given: unknown, stream: string): ConformanceRecorded {
  const { type, data, metadata } = given as { type: string; data: unknown; metadata: { streamPosition: unknown; globalPosition?: unknown } }
  const { streamPosition, globalPosition } = metadata
  return { type, data, stream, version: Number(streamPosition), ...(globalPosition !== undefined && { position: Number(globalPosition) }) }
}

function recordedOf({ type, data, stream, version, position, id }: RecordedEvent<EventShape>): ConformanceRecorded {
  return { type, data, stream, version, position, id }
}
