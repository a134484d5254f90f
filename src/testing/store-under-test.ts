/*
 * What a store looks like to the cases of the conformance suite: few words, that a small adapter says in the words of the store.
 */
import { inspect, isDeepStrictEqual } from '../base/node-util.ts'
import { assertionError } from './assertion-error.ts'

/** An event as the cases append and read it. */
export interface ConformanceEvent {
  readonly type: string
  readonly data: unknown
  readonly id?: string
  readonly metadata?: Readonly<Record<string, unknown>>
}

/** An event as the store gives it back. */
export interface ConformanceRecorded extends ConformanceEvent {
  readonly stream: string
  /** In its stream, from 1. */
  readonly version: number
  /** In the global order; undefined where the store has none. */
  readonly position?: number
}

/** What an append expects: nothing, no events, some, or a version. */
export type ConformanceExpected = 'any' | 'none' | 'exists' | number

/** A store under test, in the words of the cases. What is optional and missing is reported as unsupported. */
export interface StoreUnderTest {
  /** Appends all or nothing; throws or rejects when the stream is not as expected. */
  append(
    stream: string, events: readonly ConformanceEvent[], options: { readonly expected: ConformanceExpected },
  ): Promise<{ readonly version: number; readonly created?: boolean; readonly duplicate?: boolean }>
  /** Both ends are included, counted from 1; `version` is the stream's, whatever was read. */
  read(
    stream: string, range?: { readonly from?: number; readonly to?: number; readonly limit?: number },
  ): Promise<{ readonly version: number; readonly exists: boolean; readonly events: readonly ConformanceRecorded[] }>
  /** The same, newest first. */
  readBackward?(stream: string, range?: { readonly to?: number; readonly limit?: number }): Promise<readonly ConformanceRecorded[]>
  exists?(stream: string): Promise<boolean>
  /** All events in their global order, up to now. */
  all?(): Promise<readonly ConformanceRecorded[]>
  /** Appends to several streams, all or nothing. */
  appendStreams?(
    appends: readonly { readonly stream: string; readonly events: readonly ConformanceEvent[]; readonly expected: ConformanceExpected }[],
  ): Promise<unknown>
  /** Whether an error says that the stream was not as expected, and which version it says it had. */
  conflict(error: unknown): { readonly current?: number } | undefined
  /** The store detects that ids were appended before. */
  readonly idempotent?: boolean
  /** Closes the store and opens what it stored. */
  reopen?(): Promise<StoreUnderTest>
  close(): Promise<void>
}

/** One case. */
export interface ConformanceCase {
  /** A sentence that has to be true. */
  readonly name: string
  /** Whether a store has what the case needs. */
  readonly needs?: (store: StoreUnderTest) => boolean
  /** Throws when it is not true of a store, which is empty. What it opens again it gives back. */
  readonly run: (store: StoreUnderTest) => Promise<StoreUnderTest | void>
}

/** Throws an AssertionError that runners show as a difference, unless both are the same. */
export function expectSame(actual: unknown, expected: unknown, what: string): void {
  if (isDeepStrictEqual(actual, expected)) return
  const message = `${what}: ${inspect(actual, { depth: 6 })}, expected ${inspect(expected, { depth: 6 })}`
  throw assertionError({ message, actual, expected, stackStartFn: expectSame })
}
