/*
 * Runs projections: all of a call share one reading of the events; what is far behind, or built anew beside rows that are in use, has a
 * reading of its own until it has caught up. Inline ones are folded where the watermark moves, before an append resolves.
 * What a projection keeps and how it survives crashes: view.ts and view-table.ts.
 */
import { LogError } from '../base/errors.ts'
import { checkInteger, checkOptions, checkSignal } from '../base/options.ts'
import { unlessAborted } from '../topics/abort.ts'
import { type LogCore } from '../topics/log-core.ts'
import { Pass } from './pass.ts'
import { checkDefinition, type Projection, type ProjectionDefinition, type ProjectionProgress } from './projection-types.ts'
import { eventsSince, partsOf, type StoreParts } from './store-parts.ts'
import { type EventShape, type EventStore, type RecordedEvent } from './types.ts'
import { View } from './view.ts'
import { parseTableTopic, type TableName, tableTopic, ViewTable } from './view-table.ts'

/** Positions behind the furthest after which a projection has a reading of its own until it has caught up. */
const FAR_BEHIND = 10_000

/** A projection over events of these types, whatever its rows. */
export interface AnyProjection<E extends EventShape> extends Omit<ProjectionDefinition<E, never>, 'initial' | 'on' | 'value'> {
  readonly initial: (key: string) => unknown
  readonly on: {
    readonly [Type in E['type']]?: (row: never, event: RecordedEvent<Extract<E, { readonly type: Type }>>, key: string) => unknown
  }
  readonly value?: { readonly name: string }
}

/** What runs for each of several definitions. */
export type ProjectionsOf<List> = {
  -readonly [Index in keyof List]: List[Index] extends ProjectionDefinition<infer _, infer State> ? Projection<State> : never
}

/**
 * Runs a projection over a store, from where it stands: its rows are loaded, and follow the events from then on.
 *
 * State and checkpoint are stored together, so each event counts once whatever crashes. An inline projection resolves when it has caught up.
 *
 * @throws LogError `LOG_READ_ONLY`, `LOG_PROJECTION_FAILED` for an inline one that cannot catch up
 */
export function project<E extends EventShape, State>(store: EventStore<E>, definition: ProjectionDefinition<E, State>): Promise<Projection<State>>
/** Runs several projections that share one reading of the events. */
export function project<E extends EventShape, const List extends readonly AnyProjection<E>[]>(
  store: EventStore<E>, definitions: List,
): Promise<ProjectionsOf<List>>
export async function project<E extends EventShape>(
  store: EventStore<E>, given: AnyProjection<E> | readonly AnyProjection<E>[],
): Promise<unknown> {
  const definitions = (Array.isArray(given) ? given : [given]) as readonly ProjectionDefinition<E, unknown>[]
  for (const definition of definitions) checkDefinition(definition)
  const parts = partsOf(store)
  if (parts.log.readOnly) throw new LogError('LOG_READ_ONLY', `the log ${parts.log.folder} was opened read-only: a projection keeps its rows in it`)
  const { projecting } = parts.core
  const names = definitions.map(({ name, version = 1 }) => `${name} ${version}`)
  const twice = names.find((name, index) => projecting.has(name) || names.indexOf(name) < index)
  if (twice !== undefined) throw runsAlready(twice)
  for (const name of names) projecting.add(name)
  const run = new ProjectionRun(store, parts)
  const opened = await Promise.allSettled(definitions.map((definition) => run.open(definition)))
  try {
    const running = opened.map((one) => {
      if (one.status === 'rejected') throw one.reason as Error
      return one.value
    })
    run.start()
    await Promise.all(running.map((one) => (one.inline ? one.caughtUp() : undefined)))
    return Array.isArray(given) ? running : running[0]!
  } catch (error) {
    // Nobody has a handle to end them by.
    await Promise.all(opened.map((one) => (one.status === 'fulfilled' ? one.value.close() : undefined)))
    for (const name of names) projecting.delete(name)
    throw error
  }
}

/** Two that store into one table would each take the other's checkpoint for its own. */
function runsAlready(twice: string): LogError {
  const [name, version] = twice.split(' ')
  const message = `version ${version} of the projection ${name} runs already: close it first`
  return new LogError('LOG_PROJECTION_RUNS', message, { name, version: Number(version) })
}

/** The projections of one call. */
class ProjectionRun<E extends EventShape> {
  readonly store: EventStore<E>
  readonly parts: StoreParts<E>
  readonly #projections: RunningProjection<E, unknown>[] = []
  #main: Pass<E, View<E, unknown>>
  readonly #behind = new Set<Pass<E, View<E, unknown>>>()
  readonly #inline = new Set<View<E, unknown>>()
  readonly #resuming = new Map<View<E, unknown>, Promise<void>>()
  #quiet: (() => void) | undefined

  constructor(store: EventStore<E>, parts: StoreParts<E>) {
    this.store = store
    this.parts = parts
    this.#main = this.#together()
  }

  async open(definition: ProjectionDefinition<E, unknown>): Promise<RunningProjection<E, unknown>> {
    const running = await RunningProjection.open(this, definition)
    this.#projections.push(running)
    return running
  }

  start(): void {
    const views = this.#projections.flatMap((one) => one.views)
    const furthest = views.reduce((most, { position }) => Math.max(most, position), 0)
    const near = views.filter((view) => view.live && !this.#isInline(view) && view.position >= furthest - FAR_BEHIND)
    this.#main.add(near)
    const far = views.filter((view) => !near.includes(view))
    if (far.length > 0) this.catchUp(far)
    this.#begin(this.#main)
  }

  /** Lets views read on their own until they have caught up with the others. */
  catchUp(views: readonly View<E, unknown>[]): void {
    const pass: Pass<E, View<E, unknown>> = new Pass(this.#source, views, () => {
      this.#tell()
      for (const view of pass.takers) if (this.#join(view)) pass.remove(view)
      return pass.takers.length === 0
    })
    this.#behind.add(pass)
    this.#begin(pass)
  }

  /** Lets a view that stood still go on. What others were handed meanwhile it reads on its own. Who asks meanwhile waits for the same. */
  resume(view: View<E, unknown>): Promise<void> {
    const resuming = this.#resuming.get(view) ?? this.#goOn(view).finally(() => this.#resuming.delete(view))
    this.#resuming.set(view, resuming)
    return resuming
  }

  async #goOn(view: View<E, unknown>): Promise<void> {
    this.leaveView(view)
    await view.resume()
    // It may be nobody's any more: its projection was closed, or other rows have taken its place.
    if (this.#projections.some(({ views }) => views.includes(view))) this.catchUp([view])
  }

  /** Takes a projection out; the last one ends the run. */
  async leave(one: RunningProjection<E, unknown>): Promise<void> {
    this.#projections.splice(this.#projections.indexOf(one), 1)
    const passes = [this.#main, ...this.#behind]
    for (const view of one.views) this.leaveView(view)
    if (this.#projections.length > 0) return
    this.#quiet?.()
    await Promise.all(passes.map((pass) => pass.stop()))
  }

  /** Hands a view nothing more. */
  leaveView(view: View<E, unknown>): void {
    this.#inline.delete(view)
    for (const pass of [this.#main, ...this.#behind]) pass.remove(view)
  }

  get #source(): { readonly store: EventStore<E>; readonly partition: StoreParts<E>['partition']; readonly clock: StoreParts<E>['clock'] } {
    return { store: this.store, partition: this.parts.partition, clock: this.parts.clock }
  }

  /** The reading of those that have caught up. */
  #together(): Pass<E, View<E, unknown>> {
    return new Pass<E, View<E, unknown>>(this.#source, [], () => {
      this.#tell()
      return false
    })
  }

  #begin(pass: Pass<E, View<E, unknown>>): void {
    pass.start().catch((error: unknown) => {
      // Of a log that is closed there is nothing to read any more.
      if (pass === this.#main && this.parts.partition.state !== 'closed') {
        this.#main = this.#together()
        this.#begin(this.#main)
      }
      for (const one of this.#projections) if (one.views.some((view) => pass.takers.includes(view))) one.cannotRead(error)
    }).finally(() => this.#behind.delete(pass))
  }

  /** Whether a view has caught up: then it goes on where it belongs. */
  #join(view: View<E, unknown>): boolean {
    const owner = this.#projections.find((one) => one.views.includes(view))
    if (owner === undefined) return true
    if (view.failure !== undefined) return false
    if (owner.inline) {
      if (view.position < this.parts.partition.lastStableOffset) return false
      this.#inline.add(view)
      this.#quiet ??= this.parts.partition.onProgress(() => this.#foldInline())
    } else {
      if (view.position < this.#main.position) return false
      this.#main.add([view])
    }
    if (!view.live) owner.swap(view)
    return true
  }

  #isInline(view: View<E, unknown>): boolean {
    return this.#projections.some((one) => one.inline && one.views.includes(view))
  }

  /** Before anybody hears that what was appended is stored. */
  #foldInline(): void {
    const end = this.parts.partition.lastStableOffset
    const behind = [...this.#inline].filter(({ position, failure }) => failure === undefined && position < end)
    if (behind.length === 0) return
    try {
      for (const event of eventsSince(this.parts, Math.min(...behind.map(({ position }) => position)))) for (const view of behind) view.take(event)
      for (const view of behind) {
        view.reached(end)
        void view.settle()
      }
    } catch (error) {
      for (const one of this.#projections) if (one.views.some((view) => behind.includes(view))) one.cannotRead(error)
    }
    this.#tell()
  }

  #tell(): void {
    for (const one of this.#projections) one.progressed()
  }
}

interface Waiter {
  readonly position: number
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

/** One projection: the rows that readers are given, and at times those that are built beside. */
class RunningProjection<E extends EventShape, State> implements Projection<State> {
  readonly name: string
  readonly version: number
  readonly inline: boolean
  readonly #run: ProjectionRun<E>
  readonly #definition: ProjectionDefinition<E, State>
  #live: View<E, State>
  #beside: View<E, State> | undefined
  #waiters: Waiter[] = []
  #swapped: Waiter[] = []
  #readFailure: LogError | undefined
  /** A table is being made, to build rows in. */
  #beginning: Promise<void> | undefined
  /** The table before is being removed. */
  #swapping: Promise<void> | undefined
  #closed = false
  #closing: Promise<void> | undefined

  private constructor(run: ProjectionRun<E>, definition: ProjectionDefinition<E, State>, live: View<E, State>, beside: View<E, State> | undefined) {
    this.name = definition.name
    this.version = definition.version ?? 1
    this.inline = definition.inline ?? false
    this.#run = run
    this.#definition = definition
    this.#live = live
    this.#beside = beside
    for (const view of this.views) view.owner = this
  }

  static async open<E extends EventShape, State>(
    run: ProjectionRun<E>, definition: ProjectionDefinition<E, State>,
  ): Promise<RunningProjection<E, State>> {
    const { name, version = 1 } = definition
    const generations = storedGenerations(run.parts.log, { category: run.store.category, projection: name, version })
    const tables = await Promise.all((generations.length > 0 ? generations : [1]).map((generation) => openTable(run, definition, generation)))
    const liveTable = tables.findLast(({ checkpoint }) => checkpoint?.live === true) ?? tables[0]!
    const diverged = isAhead(run.parts, liveTable)
    // Rows that know of events which were lost cannot be taken back: they are folded again.
    const usable = diverged ? await openTable(run, definition, tables.at(-1)!.name.generation + 1) : liveTable
    const candidate = tables.at(-1)!
    const besideTable = !diverged && candidate !== liveTable && !isAhead(run.parts, candidate) ? candidate : undefined
    const live = viewOf(run.parts, definition, usable, true)
    if (diverged) await live.goLive()
    for (const table of tables) if (table !== usable && table !== besideTable) await table.drop()
    return new RunningProjection(run, definition, live, besideTable && viewOf(run.parts, definition, besideTable, false))
  }

  get views(): View<E, State>[] {
    return this.#beside === undefined ? [this.#live] : [this.#live, this.#beside]
  }

  get(key: string): State | undefined {
    return this.#live.table.rows.get(key)
  }

  has(key: string): boolean {
    return this.#live.table.rows.has(key)
  }

  entries(): IterableIterator<[string, State]> {
    return this.#live.table.rows.entries()
  }

  keys(): IterableIterator<string> {
    return this.#live.table.rows.keys()
  }

  get size(): number {
    return this.#live.table.rows.size
  }

  get position(): number {
    return this.#live.position
  }

  progress(): ProjectionProgress {
    const end = this.#run.parts.partition.lastStableOffset
    const lagOf = ({ position }: View<E, State>): number => Math.max(0, end - position)
    const error = this.#failure
    const beside = this.#beside
    return {
      name: this.name, version: this.version, position: this.position, end, lag: lagOf(this.#live), stored: Math.max(0, this.#live.stored),
      status: this.#closed ? 'closed' : error !== undefined ? 'failed' : beside !== undefined ? 'rebuilding' : 'following',
      rebuilding: beside === undefined ? undefined : { position: beside.position, lag: lagOf(beside) },
      error,
    }
  }

  async caughtUp(position?: number, options: { readonly signal?: AbortSignal } = {}): Promise<void> {
    checkInteger(position, 'position', -1)
    checkOptions(options, ['signal'], 'caughtUp')
    checkSignal(options.signal)
    options.signal?.throwIfAborted()
    this.#checkOpen()
    const wanted = position === undefined ? this.#run.parts.partition.lastStableOffset : position + 1
    const waiting = new Promise<void>((resolve, reject) => {
      this.#waiters.push({ position: wanted, resolve, reject })
    })
    this.progressed()
    await unlessAborted(waiting, options.signal)
  }

  async rebuild(): Promise<void> {
    this.#checkOpen()
    const failed = this.#beside
    if (failed?.failure !== undefined) {
      await this.#resumeView(failed)
      this.#checkOpen()
      if (this.#beside !== failed) return this.#swapping
    }
    // Said before anything begins: few events are folded before who began it is told so.
    const swapped = new Promise<void>((resolve, reject) => { this.#swapped.push({ position: 0, resolve, reject }) })
    // Who asks meanwhile gets the same rows.
    if (this.#beside === undefined) this.#beginning ??= this.#beginBeside()
    this.#beginning?.then(() => this.progressed(), (error: unknown) => this.#refuseSwap(error))
    if (this.#beginning === undefined) this.progressed()
    await swapped
  }

  #refuseSwap(error: unknown): void {
    for (const { reject } of this.#swapped.splice(0)) reject(error)
  }

  async #beginBeside(): Promise<void> {
    let table: ViewTable<State>
    try {
      table = await openTable(this.#run, this.#definition, this.#live.table.name.generation + 1)
    } finally {
      // In one turn with what follows: where there are no events it has begun and is over at once.
      this.#beginning = undefined
    }
    this.#checkOpen()
    const beside = viewOf(this.#run.parts, this.#definition, table, false)
    beside.owner = this
    this.#beside = beside
    this.#run.catchUp([beside as View<E, unknown>])
  }

  async resume(): Promise<void> {
    this.#checkOpen()
    const unread = this.#readFailure !== undefined
    this.#readFailure = undefined
    for (const view of this.views) if (unread || view.failure !== undefined) await this.#resumeView(view)
  }

  async #resumeView(view: View<E, State>): Promise<void> {
    try {
      await this.#run.resume(view as View<E, unknown>)
    } catch (error) {
      // Rows that were built beside may have taken its place meanwhile.
      if (this.views.includes(view)) throw error
    }
  }

  async flush(): Promise<void> {
    this.#checkOpen()
    const live = this.#live
    await live.store()
    if (live.failure !== undefined) throw live.failure
    await live.table.flush()
  }

  close(): Promise<void> {
    return (this.#closing ??= this.#close())
  }

  async #close(): Promise<void> {
    this.#closed = true
    const views = this.views
    await this.#run.leave(this as unknown as RunningProjection<E, unknown>)
    await this.#beginning?.catch(() => {})
    await Promise.all(views.map((view) => view.close()))
    // Who opens it next is not to find a table that goes.
    await this.#swapping
    this.#run.parts.core.projecting.delete(`${this.name} ${this.version}`)
    const error = new LogError('LOG_CLOSED', `the projection ${this.name} is closed`)
    for (const { reject } of [...this.#waiters.splice(0), ...this.#swapped.splice(0)]) reject(error)
  }

  /** @internal The rows built beside have caught up: they are given to readers from here on. */
  swap(view: View<E, unknown>): void {
    const before = this.#live
    this.#live = view as View<E, State>
    this.#beside = undefined
    this.#swapping = this.#settleSwap(before, this.#swapped.splice(0), this.#swapping)
  }

  /** @internal */
  cannotRead(cause: unknown): void {
    const reason = cause instanceof Error ? cause.message : String(cause)
    this.#readFailure ??= new LogError('LOG_PROJECTION_FAILED', `the projection ${this.name} cannot read on: ${reason}`, { name: this.name }, cause)
    this.progressed()
  }

  /** @internal */
  progressed(): void {
    const { position } = this.#live
    // That rows which are built beside stand still is nothing to who waits for those that are read.
    const failure = this.#live.failure ?? this.#readFailure
    if (this.#waiters.length > 0) this.#waiters = this.#waiters.filter((waiter) => {
      if (waiter.position <= position) waiter.resolve()
      else if (failure !== undefined) waiter.reject(failure)
      else return true
      return false
    })
    // Nor is it to who waits for these that the others do.
    const rebuilding = this.#beside?.failure ?? this.#readFailure
    if (rebuilding !== undefined) this.#refuseSwap(rebuilding)
  }

  get #failure(): LogError | undefined {
    return this.#live.failure ?? this.#beside?.failure ?? this.#readFailure
  }

  async #settleSwap(before: View<E, State>, waiting: readonly Waiter[], earlier: Promise<void> | undefined): Promise<void> {
    const live = this.#live
    try {
      this.#run.leaveView(before as View<E, unknown>)
      await live.goLive()
      // A power cut is not to take the new rows when the old ones are gone.
      await live.table.flush()
      await before.table.drop()
      await earlier
      for (const { resolve } of waiting) resolve()
    } catch (error) {
      for (const { reject } of waiting) reject(error)
    }
  }

  #checkOpen(): void {
    if (this.#closed) throw new LogError('LOG_CLOSED', `the projection ${this.name} is closed`)
  }
}

/** The generations of a table that are stored, the oldest first. */
function storedGenerations(log: LogCore, wanted: Omit<TableName, 'generation'>): number[] {
  const found = projectionTables(log, wanted.category).filter(({ projection, version }) => (
    projection === wanted.projection && version === wanted.version
  ))
  return found.map(({ generation }) => generation).sort((a, b) => a - b)
}

function openTable<E extends EventShape, State>(
  run: ProjectionRun<E>, { name, version = 1, value }: ProjectionDefinition<E, State>, generation: number,
): Promise<ViewTable<State>> {
  return ViewTable.open(run.parts.log, { category: run.store.category, projection: name, version, generation }, value)
}

function viewOf<E extends EventShape, State>(
  { partition, clock }: StoreParts<E>, definition: ProjectionDefinition<E, State>, table: ViewTable<State>, live: boolean,
): View<E, State> {
  return new View(definition, table, { epoch: () => partition.leaderEpoch, clock, live })
}

/** Whether rows are of events that the log does not have, as after a power cut with relaxed durability. */
function isAhead<E extends EventShape>({ partition }: StoreParts<E>, { checkpoint }: Pick<ViewTable<unknown>, 'checkpoint'>): boolean {
  if (checkpoint === undefined) return false
  return partition.epochs.divergence({ epoch: checkpoint.epoch, offset: checkpoint.position }, partition.highWatermark) < checkpoint.position
}

/** The tables in which a category keeps its projections. */
export function projectionTables(log: LogCore, category: string): TableName[] {
  const names = log.topics.map(({ name }) => parseTableTopic(name))
  return names.filter((name) => name !== undefined).filter((name) => name.category === category)
}

/**
 * Removes what is stored of a projection, which must not run: of one version, or of all.
 *
 * @returns how many tables were removed
 * @throws LogError `LOG_PROJECTION_RUNS` when it runs in this process
 */
export async function dropProjection<E extends EventShape>(store: EventStore<E>, name: string, version?: number): Promise<number> {
  const { log, core } = partsOf(store)
  const tables = projectionTables(log, store.category)
  const gone = tables.filter((table) => table.projection === name && (version === undefined || table.version === version))
  const running = gone.map((table) => `${table.projection} ${table.version}`).find((table) => core.projecting.has(table))
  if (running !== undefined) throw runsAlready(running)
  for (const table of gone) await log.admin.delete(tableTopic(table))
  return gone.length
}
