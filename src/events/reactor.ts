/*
 * A reactor does something about each event, in their order: it tells somebody, or makes other events happen, as a process manager does. What it
 * appends goes with its checkpoint in one batch of the events, so each event is reacted to once, whatever crashes; what it does outside is
 * done at least once, and the id of the event is there to tell repetitions.
 *
 * The checkpoint is an event of the store's own, in a stream of the reactor: `$reactor-<name>`, of the type `$checkpoint`. So are dead letters.
 */
import { isLogError, LogError } from '../base/errors.ts'
import { checkBoolean, checkFunction, checkInteger, checkOptions } from '../base/options.ts'
import { PreparedEvent, type StreamPlan } from './append-group.ts'
import { attempted, checkRetry, type Follower, FollowerLoop, type RetryOptions } from './follower.ts'
import { ownData } from './forgotten.ts'
import { originOf, withOrigin } from './origin.ts'
import { checkProjectionName } from './projection-types.ts'
import { partsOf, type StoreParts } from './store-parts.ts'
import { type EventShape, type EventStore, type Expected, type NewEvent, type RecordedEvent } from './types.ts'

/** What a reactor is given beside an event. */
export interface ReactorContext<E extends EventShape> {
  /** Appends events when the handler has resolved, with all else that it appended and the checkpoint: all of it or nothing. */
  append(stream: string, events: NewEvent<E> | readonly NewEvent<E>[], options?: { readonly expected?: Expected }): void
  /** From 1; rises when the handler failed before, or what it appended was in conflict. */
  readonly attempt: number
  /** Aborted when the reactor is closed. */
  readonly signal: AbortSignal
}

/** What a reactor is. */
export interface ReactorOptions<E extends EventShape, Type extends E['type'] = E['type']> {
  /** Letters, digits, `_` and `-`. */
  readonly name: string
  /** Reacts to an event. It runs with the event as the cause of what is appended. */
  readonly handle: (event: RecordedEvent<Extract<E, { readonly type: Type }>>, context: ReactorContext<E>) => unknown
  /** Only events of these types. Default: all. */
  readonly types?: readonly Type[]
  /** Where one that never ran begins: a position, `'earliest'` (default) or `'latest'`. */
  readonly from?: number | 'earliest' | 'latest'
  /** How often a handler that fails is tried. Default: 5 attempts. */
  readonly retry?: RetryOptions
  /** What failed for good is put aside as a dead letter, and the next event comes. Default false: the reactor stops there. */
  readonly deadLetter?: boolean
}

/** An event that a reactor gave up. */
export interface DeadEvent {
  readonly stream: string
  readonly version: number
  readonly position: number
  readonly type: string
  readonly id: string
  readonly attempts: number
  /** The message of what its handler threw last. */
  readonly error: string
}

/** A reactor that runs. */
export interface Reactor extends Follower {
  /** The events that it gave up, and that were not handled since. */
  deadLetters(): Promise<DeadEvent[]>
  /** Reacts to an event that it gave up, by its position. */
  retryDeadLetter(position: number): Promise<void>
}

const CHECKPOINT = '$checkpoint'
const DEAD = '$dead-letter'
const REVIVED = '$dead-letter-handled'

/** Positions that were passed without anything to append, after which the checkpoint is stored by itself. */
const MOVE_EVERY = 1000
/** Checkpoints after which those before are forgotten. */
const FORGET_EVERY = 500

/** The stream that a reactor keeps its checkpoint in. */
export function reactorStream(name: string): string {
  return `$reactor-${name}`
}

/** The stream that a reactor keeps its dead letters in. */
export function deadLetterStream(name: string): string {
  return `$dead-letters-${name}`
}

/**
 * Runs a reactor over a store, from its checkpoint on.
 *
 * @throws LogError `LOG_READ_ONLY`; `LOG_CHECKPOINT_AHEAD`
 */
export async function react<E extends EventShape, Type extends E['type'] = E['type']>(
  store: EventStore<E>, options: ReactorOptions<E, Type>,
): Promise<Reactor> {
  checkOptions(options ?? null, ['name', 'handle', 'types', 'from', 'retry', 'deadLetter'], 'react')
  checkProjectionName(options.name)
  checkFunction(options.handle ?? null, 'handle of a reactor')
  checkRetry(options.retry)
  checkBoolean(options.deadLetter, 'deadLetter')
  if (options.from !== 'earliest' && options.from !== 'latest') checkInteger(options.from, 'from of a reactor', 0)
  const parts = partsOf(store)
  const { readOnly, folder } = parts.log
  if (readOnly) throw new LogError('LOG_READ_ONLY', `the log ${folder} was opened read-only: a reactor keeps its checkpoint in it`)
  const reactor = new LocalReactor<E, Type>(parts, options)
  await reactor.start()
  return reactor
}

class LocalReactor<E extends EventShape, Type extends E['type']> implements Reactor {
  readonly name: string
  readonly #parts: StoreParts<E>
  readonly #options: ReactorOptions<E, Type>
  readonly #loop: FollowerLoop<E>
  readonly #types: ReadonlySet<string> | undefined
  /** The version of its stream: who else runs a reactor of this name meets a conflict. */
  #version = 0
  #stored = 0
  /** Events since the checkpoint, and those of them that it reacted to. */
  #passed = 0
  #reacted = 0
  /** One dead letter at a time: two who ask for the same are not to have it handled twice. */
  #reviving: Promise<unknown> = Promise.resolve()

  constructor(parts: StoreParts<E>, options: ReactorOptions<E, Type>) {
    this.name = options.name
    this.#parts = parts
    this.#options = options
    this.#types = options.types === undefined ? undefined : new Set(options.types)
    this.#loop = new FollowerLoop<E>(options.name, parts.store, parts, {
      load: () => this.#load(),
      handle: (event) => {
        this.#passed++
        if (this.#types !== undefined && !this.#types.has(event.type)) return undefined
        return this.#handle(event)
      },
      quiet: (position) => {
        const due = this.#reacted > 0 || this.#passed >= MOVE_EVERY || (this.#loop.stopping.signal.aborted && this.#passed > 0)
        return due && position > this.#stored ? this.#store([], position) : undefined
      },
    })
  }

  start(): Promise<void> {
    return this.#loop.start()
  }

  get position(): number {
    return this.#loop.position
  }

  progress(): ReturnType<Follower['progress']> {
    return this.#loop.progress()
  }

  caughtUp(position?: number, options?: { readonly signal?: AbortSignal }): Promise<void> {
    return this.#loop.caughtUp(position, options)
  }

  resume(): Promise<void> {
    return this.#loop.resume()
  }

  close(): Promise<void> {
    return this.#loop.close()
  }

  async deadLetters(): Promise<DeadEvent[]> {
    return (await this.#deadLetters()).left
  }

  /** Those that are left, and the version of their stream. */
  async #deadLetters(): Promise<{ readonly left: DeadEvent[]; readonly version: number }> {
    const { version, events } = await this.#parts.store.read(deadLetterStream(this.name))
    const left = new Map<number, DeadEvent>()
    for (const { type, data } of events as readonly { readonly type: string; readonly data: unknown }[]) {
      const dead = data as DeadEvent
      if (type === DEAD) left.set(dead.position, dead)
      else left.delete(dead.position)
    }
    return { left: [...left.values()], version }
  }

  retryDeadLetter(position: number): Promise<void> {
    const done = this.#reviving.then(() => this.#revive(position))
    this.#reviving = done.catch(() => {})
    return done
  }

  async #revive(position: number): Promise<void> {
    checkInteger(position ?? null, 'the position of a dead letter', 0)
    const stream = deadLetterStream(this.name)
    for (let attempt = 1; ; attempt++) {
      const { left, version } = await this.#deadLetters()
      const dead = left.find((one) => one.position === position)
      if (dead === undefined) throw new RangeError(`there is no dead letter of position ${position}`)
      const { events: [event] } = await this.#parts.store.read(dead.stream, { from: dead.version, to: dead.version })
      const outputs = event === undefined ? [] : await this.#reaction(event, attempt)
      try {
        await this.#append([...outputs, planOf(stream, REVIVED, { position }, version)])
        return
      } catch (error) {
        // Another one came meanwhile, or another reactor of this name has handled it.
        if (!isLogError(error, 'LOG_VERSION_CONFLICT') || error.detail['stream'] !== stream) throw error
      }
    }
  }

  async #load(): Promise<number> {
    const { store, partition } = this.#parts
    const { version, events: [last] } = await store.read(reactorStream(this.name), { direction: 'backward', limit: 1 })
    this.#version = version
    this.#passed = this.#reacted = 0
    const { from = 'earliest' } = this.#options
    if (last === undefined) {
      const begin = Math.max(this.#loop.position, from === 'latest' ? partition.lastStableOffset : from === 'earliest' ? 0 : from)
      // Where it began is where it goes on after a restart, whether it had something to append or not.
      if (from !== 'earliest' && begin <= partition.highWatermark) await this.#store([], begin)
      return begin
    }
    this.#stored = (last.data as { readonly position: number }).position
    // What it stands behind is in the same log, and was stored before.
    // In this process it may have reacted to more since.
    if (this.#stored <= partition.highWatermark) return Math.max(this.#stored, this.#loop.position)
    throw new LogError('LOG_CHECKPOINT_AHEAD', `the checkpoint of reactor ${this.name} is past the end of the events`, { name: this.name })
  }

  async #handle(event: RecordedEvent<E>): Promise<void> {
    const { retry = {}, deadLetter = false } = this.#options
    const { signal } = this.#loop.stopping
    let attempts = 0
    try {
      await attempted(async (attempt) => {
        attempts = attempt
        const outputs = await this.#reaction(event, attempt)
        if (outputs.length > 0) await this.#store(outputs, event.position + 1)
        else this.#reacted++
      }, retry, this.#parts.clock, signal, (error) => this.#isFenced(error))
    } catch (error) {
      if (!deadLetter || signal.aborted || this.#isFenced(error)) throw error
      const { stream, version, position, type, id } = event
      const message = error instanceof Error ? error.message : String(error)
      const dead: DeadEvent = { stream, version, position, type, id, attempts, error: message }
      await this.#store([planOf(deadLetterStream(this.name), DEAD, dead, 'any')], position + 1)
    }
  }

  /** What the handler wants to be appended. */
  async #reaction(event: RecordedEvent<E>, attempt: number): Promise<StreamPlan[]> {
    const { store } = this.#parts
    const wanted = new Map<string, { readonly events: NewEvent<E>[]; readonly expected: Expected }>()
    let handling = true
    const context: ReactorContext<E> = {
      attempt, signal: this.#loop.stopping.signal,
      append: (stream, events, { expected = 'any' } = {}) => {
        if (!handling) throw new TypeError(`reactor ${this.name} appends when its handler has resolved: nothing of it would be stored`)
        const known = wanted.get(stream)
        const list = Array.isArray(events) ? events as readonly NewEvent<E>[] : [events as NewEvent<E>]
        if (known === undefined) wanted.set(stream, { events: [...list], expected })
        else known.events.push(...list)
      },
    }
    return withOrigin(originOf(event), async () => {
      try {
        await this.#options.handle(event as never, context)
      } finally {
        handling = false
      }
      const appends = [...wanted].map(([stream, { events, expected }]) => ({ stream, events, expected }))
      return appends.length === 0 ? [] : store.plans(appends)
    })
  }

  /** Appends what came of an event, and that it was handled. */
  async #store(outputs: readonly StreamPlan[], position: number): Promise<void> {
    const stream = reactorStream(this.name)
    const events = [checkpointEvent(position)]
    // Nobody reads those before: their room is given back when the store is asked to free it.
    if ((this.#version + 1) % FORGET_EVERY === 0) events.push(forgettingEvent(this.#version + 1))
    const results = await this.#append([...outputs, { stream, events, expected: this.#version }])
    this.#version = results.at(-1)!.version
    this.#stored = position
    this.#passed = this.#reacted = 0
  }

  #append(plans: readonly StreamPlan[]): ReturnType<StoreParts<E>['core']['append']> {
    const { core, store } = this.#parts
    return core.append(plans, store.codecs, undefined)
  }

  /** Another reactor of this name runs. */
  #isFenced(error: unknown): boolean {
    return isLogError(error, 'LOG_VERSION_CONFLICT') && error.detail['stream'] === reactorStream(this.name)
  }
}

function planOf(stream: string, type: string, data: object, expected: Expected): StreamPlan {
  return { stream, events: [new PreparedEvent(type, ownData(data), undefined, undefined, 1, undefined, undefined, undefined, undefined)], expected }
}

function checkpointEvent(position: number): PreparedEvent {
  return new PreparedEvent(CHECKPOINT, ownData({ position }), undefined, undefined, 1, undefined, undefined, undefined, undefined)
}

/** Of the stream it is appended to, versions below this one are forgotten. */
export function forgettingEvent(keptFrom: number): PreparedEvent {
  return new PreparedEvent('$forgotten', ownData({}), undefined, undefined, 1, undefined, undefined, undefined, undefined, keptFrom)
}
