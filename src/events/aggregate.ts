/*
 * The streams of a category as states: a fold of their events, kept in memory by the event that it ends with. There is one writer, so a state
 * whose last event is the stream's last one is exact, and a command on it reads nothing.
 */
import { isLogError, LogError } from '../base/errors.ts'
import { checkFunction, checkInteger, checkObject, checkOptions, checkSignal, describe } from '../base/options.ts'
import { unlessAborted } from '../topics/abort.ts'
import { type AppendGroup, type StreamPlan } from './append-group.ts'
import { checkStream, checkVersion } from './event-input.ts'
import { type LocalEventStore } from './event-store.ts'
import { type SnapshotStore } from './snapshot-store.ts'
import { type StoredEvent } from './stored-event.ts'
import {
  type Aggregate, type AggregateOptions, type EventShape, type Handled, type HandleOptions, type Loaded, type NewEvent, type RecordedEvent,
} from './types.ts'

/** States that an aggregate keeps in memory when nobody says otherwise. */
const CACHED_STATES = 10_000
const DEFAULT_RETRIES = 3
const NOTHING: readonly never[] = []

const handleOptions = ['expected', 'correlation', 'causation', 'trace', 'metadata', 'signal', 'retries', 'id'] as const

/** A state in memory: of the stream as it was when its last event was at `offset`, folded from the first version that was kept then. */
interface KeptState<State> {
  readonly state: State
  readonly version: number
  readonly offset: number
  readonly keptFrom: number
}

type Decided<E extends EventShape> = NewEvent<E> | readonly NewEvent<E>[]

/** Loads and handles the streams of one category by one fold. */
export class LocalAggregate<E extends EventShape, State, Command> implements Aggregate<E, State, Command> {
  readonly #store: LocalEventStore<E>
  readonly #options: AggregateOptions<E, State, Command>
  readonly #states = new Map<string, KeptState<State>>()
  readonly #snapshots: SnapshotStore<State> | undefined

  constructor(store: LocalEventStore<E>, options: AggregateOptions<E, State, Command>, snapshots: SnapshotStore<State> | undefined) {
    this.#store = store
    this.#options = options
    this.#snapshots = snapshots
  }

  async load(stream: string, options: { readonly to?: number; readonly signal?: AbortSignal } = {}): Promise<Loaded<State>> {
    this.#store.life.check()
    checkStream(stream)
    checkOptions(options, ['to', 'signal'], 'load')
    checkVersion(options.to, 'to', 0)
    checkSignal(options.signal)
    options.signal?.throwIfAborted()
    const { core } = this.#store
    const slot = await core.settledSlot(stream)
    if (slot < 0) return { state: this.#options.initial(), version: 0 }
    const { version } = await core.settledHead(slot)
    if (options.to !== undefined && options.to < version) return { state: await this.#stateAt(stream, options.to), version: options.to }
    const kept = await this.#current(stream)
    return { state: kept.state, version: kept.version }
  }

  async handle(
    stream: string, command: Command | ((state: State) => Decided<E> | Promise<Decided<E>>), options?: HandleOptions,
  ): Promise<Handled<E, State>> {
    this.#store.life.check()
    checkStream(stream)
    const { retries, id, signal, ...append } = checkedHandling(options)
    for (let left = retries; ; left--) {
      if (id !== undefined) {
        const before = await this.#handledBefore(stream, id)
        if (before !== undefined) return before
      }
      const kept = this.#now(stream) ?? (await this.#current(stream))
      const { state, version, offset } = kept
      const given = this.#decided(command, kept)
      const decided = isThenable(given) ? await given : given
      const events = withIds(Array.isArray(decided) ? (decided as readonly NewEvent<E>[]) : [decided as NewEvent<E>], id)
      try {
        if (events.length === 0) {
          await this.#stored(offset)
          return { state, version, position: -1, events, duplicate: false }
        }
        const plan = this.#store.plan(stream, events, append.expected ?? version, this.#store.origin(append), append.metadata)
        const done = this.#append(plan, kept)
        return { ...(await (signal === undefined ? done : unlessAborted(done, signal))), events }
      } catch (error) {
        const overtaken = isLogError(error, 'LOG_VERSION_CONFLICT') || (id !== undefined && isLogError(error, 'LOG_EVENT_ID_TAKEN'))
        if (!overtaken || append.expected !== undefined || left <= 0) throw error
      }
    }
  }

  /** Whoever learns something of a state learns of what is stored: what it is made of may be under way still, and may be lost. */
  async #stored(offset: number): Promise<void> {
    const { log } = this.#store.core
    if (offset >= log.durableOffset) await log.durable(offset)
  }

  async #append(plan: StreamPlan, kept: KeptState<State>): Promise<Omit<Handled<E, State>, 'events'>> {
    const { core, codecs, types } = this.#store
    const group = core.appendNow([plan], codecs, types)
    if (group === undefined) {
      const [result] = await core.append([plan], codecs, undefined)
      const { version, position, duplicate } = result!
      return { state: await this.#stateAt(plan.stream, version), version, position, duplicate }
    }
    const { version } = group.works[0]!
    // Folded at once, for the commands behind it.
    const folded = this.#foldedBy(plan.stream, group, kept)
    await core.log.durable(group.lastOffset)
    if (folded?.failure !== undefined) throw appendedAll(folded.failure, version)
    const state = folded === undefined ? await this.#stateAt(plan.stream, version) : folded.state!
    return { state, version, position: group.lastOffset, duplicate: false }
  }

  /** The state behind a group that was just added; undefined when other events lie between, as they may with an expectation of the caller's. */
  #foldedBy(stream: string, group: AppendGroup, kept: KeptState<State>): { readonly state?: State; readonly failure?: LogError } | undefined {
    const { version } = group.works[0]!
    if (version - group.count !== kept.version) return undefined
    try {
      const state = this.#fold(stream, kept.state, group.stored!)
      this.#keep(stream, { state, version, offset: group.lastOffset, keptFrom: kept.keptFrom })
      return { state }
    } catch (error) {
      return { failure: error as LogError }
    }
  }

  /** What comes of a command. When it is refused, it is on what is stored. */
  #decided(
    command: Command | ((state: State) => Decided<E> | Promise<Decided<E>>), { state, offset }: KeptState<State>,
  ): Decided<E> | Promise<Decided<E>> {
    const refused = async (error: unknown): Promise<never> => {
      await this.#stored(offset)
      throw error
    }
    try {
      const given = this.#decide(command, state)
      return isThenable(given) ? given.then((events) => events ?? NOTHING, refused) as Promise<Decided<E>> : given
    } catch (error) {
      return refused(error)
    }
  }

  #decide(command: Command | ((state: State) => Decided<E> | Promise<Decided<E>>), state: State): Decided<E> | Promise<Decided<E>> {
    if (typeof command === 'function') return (command as (state: State) => Decided<E> | Promise<Decided<E>>)(state) ?? NOTHING
    const { decide } = this.#options
    if (decide === undefined) throw new TypeError('an aggregate without decide is given a function of its state, not a command')
    return decide(command, state) ?? NOTHING
  }

  /** The state of a stream as it is with all that was appended, when it is in memory. */
  #now(stream: string): KeptState<State> | undefined {
    const kept = this.#states.get(stream)
    if (kept === undefined) return undefined
    const { core } = this.#store
    const { index } = core
    const slot = index.table.find(stream)
    if (slot < 0 || index.stale || index.table.offset(slot) !== kept.offset || index.keptFrom(slot) !== kept.keptFrom) return undefined
    return kept
  }

  /** The state of a stream as it is when nothing of it is under way. */
  async #current(stream: string): Promise<KeptState<State>> {
    const { core, types } = this.#store
    const slot = await core.settledSlot(stream)
    const known = this.#now(stream)
    if (known !== undefined) {
      this.#keep(stream, known)
      return known
    }
    if (slot < 0) return { state: this.#options.initial(), version: 0, offset: -1, keptFrom: 1 }
    const head = await core.settledHead(slot)
    const { offset, version } = head
    const keptFrom = core.index.keptFrom(slot)
    const start = await this.#start(stream, slot)
    const events = await core.readFrom(slot, head, { from: start.version + 1, to: version, limit: Infinity, backward: false }, types)
    const state = this.#fold(stream, start.state, events)
    const kept = { state, version, offset, keptFrom }
    this.#keep(stream, kept)
    this.#snapshots?.maybeKeep(stream, kept, start.version)
    return kept
  }

  /** What folding begins with: a snapshot, or nothing. */
  async #start(stream: string, slot: number): Promise<{ readonly state: State; readonly version: number }> {
    const found = await this.#snapshots?.find(stream, this.#store.core, slot)
    return found ?? { state: this.#options.initial(), version: 0 }
  }

  /** The state that a stream had at a version, of what is kept of it. */
  async #stateAt(stream: string, version: number): Promise<State> {
    const { core, types } = this.#store
    const current = await this.#current(stream)
    if (current.version === version) return current.state
    const slot = await core.settledSlot(stream)
    const events = await core.readSlot(slot, { from: 1, to: version, limit: Infinity, backward: false }, types)
    return this.#fold(stream, this.#options.initial(), events)
  }

  #fold(stream: string, initial: State, events: readonly StoredEvent[]): State {
    const { evolve } = this.#options
    let state = initial
    for (const event of events) {
      try {
        state = evolve(state, event as unknown as RecordedEvent<E>)
      } catch (error) {
        throw isLogError(error) ? error : foldFailed(stream, event, error)
      }
    }
    return state
  }

  /** Keeps a state as the one that was used last. */
  #keep(stream: string, kept: KeptState<State>): void {
    const states = this.#states
    const { cachedStates = CACHED_STATES } = this.#options
    states.delete(stream)
    states.set(stream, kept)
    if (states.size <= cachedStates) return
    for (const oldest of states.keys()) {
      states.delete(oldest)
      break
    }
  }

  /** What became of a command of this id, when it was handled before. */
  async #handledBefore(stream: string, id: string): Promise<Handled<E, State> | undefined> {
    const { core } = this.#store
    const first = await core.eventOfId(`${id}/0`)
    if (first === undefined || first.stream !== stream) return undefined
    let last = first
    for (;;) {
      // The events of a command lie side by side.
      const next = await core.eventAt(last.position + 1)
      if (next === undefined || next.stream !== stream || next.id !== `${id}/${next.version - first.version}`) break
      last = next
    }
    const state = await this.#stateAt(stream, last.version)
    return { state, version: last.version, position: last.position, events: [], duplicate: true }
  }
}

function foldFailed(stream: string, { version, position, type }: StoredEvent, cause: unknown): LogError {
  const reason = cause instanceof Error ? cause.message : String(cause)
  const message = `evolve threw at event ${version} of stream ${JSON.stringify(stream)}, ${type}: ${reason}`
  return new LogError('LOG_FOLD_FAILED', message, { stream, version, position, type }, cause)
}

/** Of a command whose events are stored all the same. */
function appendedAll(error: LogError, appended: number): LogError {
  const message = `${error.message}; the events of the command are appended, up to version ${appended}`
  return new LogError(error.code, message, { ...error.detail, appended }, error.cause)
}

function isThenable<T>(value: T | PromiseLike<T>): value is PromiseLike<T> {
  return typeof (value as { readonly then?: unknown } | null)?.then === 'function'
}

function withIds<E extends EventShape>(events: readonly NewEvent<E>[], id: string | undefined): readonly NewEvent<E>[] {
  return id === undefined ? events : events.map((event, index) => ({ ...event, id: `${id}/${index}` }))
}

function checkedHandling(options: HandleOptions | undefined): HandleOptions & { readonly retries: number } {
  if (options === undefined) return { retries: DEFAULT_RETRIES }
  checkOptions(options, handleOptions, 'handle')
  checkInteger(options.retries, 'retries', 0)
  checkSignal(options.signal)
  options.signal?.throwIfAborted()
  const { id } = options
  if (id !== undefined && (typeof id !== 'string' || id === '')) throw new TypeError(`id is a text, not ${describe(id)}`)
  return { ...options, retries: options.retries ?? DEFAULT_RETRIES }
}

/** Refuses what is no fold. */
export function checkAggregate(options: unknown): void {
  checkOptions(options, ['initial', 'evolve', 'decide', 'version', 'snapshot', 'cachedStates'], 'aggregate')
  const { initial, evolve, decide, version, snapshot, cachedStates } = options as Readonly<Record<string, unknown>>
  checkFunction(initial ?? null, 'initial')
  checkFunction(evolve ?? null, 'evolve')
  checkFunction(decide, 'decide')
  checkInteger(version, 'version', 1)
  checkInteger(cachedStates, 'cachedStates', 0)
  checkObject(snapshot, 'snapshot is { every, name }')
  if (snapshot === undefined) return
  checkOptions(snapshot, ['every', 'name'], 'snapshot')
  checkInteger((snapshot as { every?: unknown }).every ?? null, 'every', 1)
}
