/*
 * What a projection is, and what its user holds. Types and the checks of what is given; the work is in view.ts and projections.ts.
 */
import { type Codec } from '../base/codec.ts'
import { checkBoolean, checkFunction, checkInteger, checkNumber, checkObject, checkOptions, describe } from '../base/options.ts'
import { checkedCodec } from '../topics/define-topic.ts'
import { type EventShape, type RecordedEvent } from './types.ts'

/** What becomes of a row by an event: the new row; null removes it; nothing says that the row was changed in place. */
export type RowChange<State> = State | null | undefined | void

/** What a projection does with events of each type. Types that it does not name, it does not look at. */
export type ProjectionHandlers<E extends EventShape, State> = {
  readonly [Type in E['type']]?: (row: State, event: RecordedEvent<Extract<E, { readonly type: Type }>>, key: string) => RowChange<State>
}

/** A view as rows by key, each folded from the events that are about it. */
export interface ProjectionDefinition<E extends EventShape, State> {
  // What it is
  /** Letters, digits, `_` and `-`. */
  readonly name: string
  /** Tells folds apart: rises when anything below changes what the rows are. The rows of another version stay where they are. Default 1. */
  readonly version?: number
  /** Which rows an event is about. Default: one, with the id of its stream. */
  readonly key?: (event: RecordedEvent<E>) => string | readonly string[] | undefined
  /** A row that is not there yet. */
  readonly initial: (key: string) => State
  readonly on: ProjectionHandlers<E, State>
  /** What rows are stored by. Default MessagePack, which keeps dates, maps and sets; what a row holds beyond is lost by a restart. */
  readonly value?: Codec<State>
  /** Rows have every event when its append resolves. Default false: they follow. */
  readonly inline?: boolean
  // How fast
  /** Milliseconds until what changed is stored, at most; a crash repeats that much. Default 200. */
  readonly storeEveryMs?: number
}

/** How far a projection is. */
export interface ProjectionProgress {
  readonly name: string
  readonly version: number
  /** Events below it are in the rows. */
  readonly position: number
  /** Events below it are stored and seen. */
  readonly end: number
  /** How many positions are between the two. */
  readonly lag: number
  /** Events below it are in the rows that are stored. */
  readonly stored: number
  readonly status: 'following' | 'rebuilding' | 'failed' | 'closed'
  /** Where the rows that are built beside are; undefined when none are. */
  readonly rebuilding: { readonly position: number; readonly lag: number } | undefined
  /** Why it stopped. */
  readonly error: Error | undefined
}

/** A projection that runs. */
export interface Projection<State> {
  readonly name: string
  readonly version: number
  /** The row of a key, as it is now; it is the projection's, not to be changed. */
  get(key: string): State | undefined
  has(key: string): boolean
  /** Keys and rows, in the order in which they were made. */
  entries(): IterableIterator<[string, State]>
  keys(): IterableIterator<string>
  readonly size: number
  /** Events below this position are in the rows. */
  readonly position: number
  progress(): ProjectionProgress
  /**
   * Resolves when the event at `position`, what an append gave, is in the rows; by default when all are that are stored now.
   *
   * @throws LogError `LOG_PROJECTION_FAILED` when it stops before, `LOG_CLOSED`; the signal's reason
   */
  caughtUp(position?: number, options?: { readonly signal?: AbortSignal }): Promise<void>
  /** Builds the rows anew beside these, from the first event on; they take the place of these when they have caught up. Goes on after a crash. */
  rebuild(): Promise<void>
  /** After it failed: goes on, from the event that it failed at. */
  resume(): Promise<void>
  /** Resolves when everything in the rows is stored and synced. */
  flush(): Promise<void>
  /** Stores what changed and ends it. */
  close(): Promise<void>
}

const names = ['name', 'version', 'key', 'initial', 'on', 'value', 'inline', 'storeEveryMs'] as const satisfies readonly (
  keyof ProjectionDefinition<EventShape, unknown>
)[]

/** A projection as a value, that can be imported anywhere: `defineProjection<CartEvent, Total>({ … })`. */
export function defineProjection<E extends EventShape, State>(definition: ProjectionDefinition<E, State>): ProjectionDefinition<E, State> {
  checkDefinition(definition)
  return Object.freeze({ ...definition })
}

/** Throws for what is no definition of a projection. */
export function checkDefinition<E extends EventShape, State>(definition: ProjectionDefinition<E, State>): void {
  checkObject(definition ?? null, 'a projection is { name, initial, on }')
  checkOptions(definition, names, 'a projection')
  const { name, version, key, initial, on, inline, storeEveryMs, value } = definition
  checkProjectionName(name)
  checkInteger(version, 'version of a projection', 1, 999_999_999)
  if (key !== undefined) checkFunction(key, 'key of a projection')
  checkFunction(initial ?? null, 'initial of a projection')
  checkObject(on ?? null, 'on of a projection is an object of functions by type')
  for (const [type, handler] of Object.entries(on)) checkFunction(handler, `on.${type} of a projection`)
  checkBoolean(inline, 'inline')
  checkNumber(storeEveryMs, 'storeEveryMs', 0, 0x7fff_ffff)
  checkedCodec(value, 'value of a projection')
}

/** Throws for what cannot be the name of a projection or reactor. */
export function checkProjectionName(name: unknown): void {
  if (typeof name === 'string' && /^[\w-]{1,100}$/.test(name)) return
  throw new TypeError(`a projection or reactor is named by 1 to 100 of a–z A–Z 0–9 _ -, unlike ${describe(name)}`)
}
