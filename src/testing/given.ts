/*
 * Given events, when a command, then events: tests of deciders, folds and reactors as sentences. Pure: there is no store and no log, and
 * nothing is waited for unless the decider itself is asynchronous. A difference is an AssertionError that every runner shows as a diff.
 */
import { inspect, isDeepStrictEqual } from '../base/node-util.ts'
import { describe } from '../base/options.ts'
import { type EventMetadata, type EventShape, type NewEvent, type RecordedEvent } from '../events/types.ts'
import { assertionError } from './assertion-error.ts'

/** What is tested: what `store.aggregate` takes is one. */
export interface Decider<E extends EventShape, State, Command = never> {
  readonly initial: () => State
  readonly evolve: (state: State, event: RecordedEvent<E>) => State
  readonly decide?: (command: Command, state: State) => NewEvent<E> | readonly NewEvent<E>[] | Promise<NewEvent<E> | readonly NewEvent<E>[]>
}

/** A command, or what decides on the state itself, as `handle` takes it. */
export type When<E extends EventShape, State, Command> =
  | Command
  | ((state: State) => NewEvent<E> | readonly NewEvent<E>[] | Promise<NewEvent<E> | readonly NewEvent<E>[]>)

/** What an error has to be: a class, a code, a part of the message, or what a function says yes to. */
export type ExpectedError = string | RegExp | (new (...given: never[]) => unknown) | ((error: unknown) => boolean)

/** What was given; a command comes next. */
export interface Given<E extends EventShape, State, Command> {
  /** The state that the events make. */
  readonly state: State
  when(command: When<E, State, Command>): Outcome<E, State>
  /** Checks the state that the events make, without any command. */
  thenState(expected: State): void
}

/**
 * What came of a command. Each check gives a promise when the decider is asynchronous, and else nothing: `await` it where it may be.
 */
export interface Outcome<E extends EventShape, State> {
  /** These events and no others, in this order. Ids, times and metadata count only where they are named. */
  then(...expected: readonly NewEvent<E>[] | [readonly NewEvent<E>[]]): void | Promise<void>
  /** No events, and no error. */
  thenNothing(): void | Promise<void>
  /** The state that the given events and those that happened make. */
  thenState(expected: State): void | Promise<void>
  /** It is refused. */
  thenThrows(expected?: ExpectedError): void | Promise<void>
}

/**
 * Begins a test of a decider: `given(cart)(added, added).when(checkOut).then({ type: 'CheckedOut', data })`.
 *
 * @returns a function that takes what happened before: events, or one array of them
 */
export function given<E extends EventShape, State, Command = never>(
  decider: Decider<E, State, Command>,
): (...events: readonly NewEvent<E>[] | [readonly NewEvent<E>[]]) => Given<E, State, Command> {
  return (...events) => {
    const history = listOf<NewEvent<E>>(events)
    const state = folded(decider, decider.initial(), history, 0)
    return {
      state,
      when: (command) => new CommandOutcome(decider, history.length, state, () => decided(decider, command, state)),
      thenState: (expected) => same(state, expected, 'the state is another one'),
    }
  }
}

/**
 * Events as they would have been recorded in one stream, with numbers, ids and times that repeat: what tests of folds and projections hand over.
 */
export function recorded<E extends EventShape>(events: readonly NewEvent<E>[], stream = 'stream', from = 1): RecordedEvent<E>[] {
  return events.map((event, index) => {
    const version = from + index
    const { type, data, id = `event-${version}`, time = version, metadata = {} } = event as NewEventFields
    return { type, data, stream, version, position: version - 1, id, time, metadata } as RecordedEvent<E>
  })
}

interface NewEventFields {
  readonly type: string
  readonly data: unknown
  readonly id?: string
  readonly time?: number
  readonly metadata?: EventMetadata
}

type Happened<E extends EventShape> = { readonly events: readonly NewEvent<E>[] } | { readonly error: unknown }

class CommandOutcome<E extends EventShape, State> implements Outcome<E, State> {
  readonly #decider: Decider<E, State>
  readonly #before: number
  readonly #state: State
  readonly #happened: Happened<E> | Promise<Happened<E>>

  constructor(
    decider: Decider<E, State, never>, before: number, state: State,
    decide: () => NewEvent<E> | readonly NewEvent<E>[] | Promise<NewEvent<E> | readonly NewEvent<E>[]>,
  ) {
    this.#decider = decider
    this.#before = before
    this.#state = state
    this.#happened = attempted(decide)
  }

  then(...expected: readonly NewEvent<E>[] | [readonly NewEvent<E>[]]): void | Promise<void> {
    // `then` is what an `await` calls: whoever forgot the check would else never hear of it.
    if (typeof expected[0] === 'function') throw new TypeError('say what is expected, as in .when(command).then(event), before it is awaited')
    const events = listOf<NewEvent<E>>(expected)
    return this.#checked((happened) => sameEvents(happened, events))
  }

  thenNothing(): void | Promise<void> {
    return this.#checked((happened) => sameEvents(happened, []))
  }

  thenState(expected: State): void | Promise<void> {
    return this.#checked((happened) => {
      same(folded(this.#decider, this.#state, happened, this.#before), expected, 'the state is another one')
    })
  }

  thenThrows(expected?: ExpectedError): void | Promise<void> {
    const check = (happened: Happened<E>): void => {
      if (!('error' in happened)) fail(`it was to be refused, and made happen ${inspect(happened.events)}`, happened.events, expected)
      else if (!isExpected(happened.error, expected)) fail(`it was refused for another reason: ${String(happened.error)}`, happened.error, expected)
    }
    return this.#happened instanceof Promise ? this.#happened.then(check) : check(this.#happened)
  }

  #checked(check: (events: readonly NewEvent<E>[]) => void): void | Promise<void> {
    const look = (happened: Happened<E>): void => {
      if ('error' in happened) throw happened.error
      check(happened.events)
    }
    return this.#happened instanceof Promise ? this.#happened.then(look) : look(this.#happened)
  }
}

function decided<E extends EventShape, State, Command>(
  { decide }: Decider<E, State, Command>, command: When<E, State, Command>, state: State,
): NewEvent<E> | readonly NewEvent<E>[] | Promise<NewEvent<E> | readonly NewEvent<E>[]> {
  if (typeof command === 'function') return (command as (state: State) => NewEvent<E>)(state)
  if (decide === undefined) throw new TypeError('the decider has no decide: hand a function of the state to when')
  return decide(command as Command, state)
}

function attempted<E extends EventShape>(
  decide: () => NewEvent<E> | readonly NewEvent<E>[] | Promise<NewEvent<E> | readonly NewEvent<E>[]>,
): Happened<E> | Promise<Happened<E>> {
  try {
    const events = decide()
    if (!(events instanceof Promise)) return { events: listOf<NewEvent<E>>([events] as never) }
    return events.then((list) => ({ events: listOf<NewEvent<E>>([list] as never) }), (error: unknown) => ({ error }))
  } catch (error) {
    return { error }
  }
}

function folded<E extends EventShape, State>(
  { evolve }: Decider<E, State, never>, state: State, events: readonly NewEvent<E>[], before: number,
): State {
  return recorded<E>(events, 'stream', before + 1).reduce(evolve, state)
}

/** Events that were given one by one, or as one array. */
function listOf<T>(given: readonly T[] | readonly [readonly T[]]): readonly T[] {
  const [first] = given
  const list = given.length === 1 && Array.isArray(first) ? first as readonly T[] : given as readonly T[]
  for (const event of list) if (typeof (event as Partial<EventShape> | null)?.type !== 'string') throw new TypeError(`${describe(event)} is no event`)
  return list
}

function sameEvents(happened: readonly EventShape[], expected: readonly EventShape[]): void {
  same(happened.map((event, index) => likeExpected(event, expected[index])), expected, 'other events happened')
}

/** Of an event what the expected one names; type and data always. */
function likeExpected(event: EventShape, expected: EventShape | undefined): EventShape {
  const named = Object.entries(event).filter(([name]) => name === 'type' || name === 'data' || (expected !== undefined && name in expected))
  return Object.fromEntries(named) as unknown as EventShape
}

function isExpected(error: unknown, expected: ExpectedError | undefined): boolean {
  if (expected === undefined) return true
  const { message = String(error), code } = (error ?? {}) as { message?: string; code?: unknown }
  if (typeof expected === 'string') return code === expected || message.includes(expected)
  if (expected instanceof RegExp) return expected.test(message)
  if (expected.prototype instanceof Error || expected === Error) return error instanceof (expected as new () => unknown)
  return (expected as (error: unknown) => boolean)(error)
}

function same(actual: unknown, expected: unknown, message: string): void {
  if (isDeepStrictEqual(actual, expected)) return
  fail(`${message}:\n${inspect(actual, { depth: 6 })}\nexpected:\n${inspect(expected, { depth: 6 })}`, actual, expected)
}

function fail(message: string, actual: unknown, expected: unknown): never {
  throw assertionError({ message, actual, expected, stackStartFn: fail })
}
