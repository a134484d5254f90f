/*
 * One fold of a projection: rows in memory, how far they are, and what of it is stored. A fold that throws leaves the view standing before that
 * event, with the rows as they were stored last: whatever it did to them in memory is forgotten.
 */
import { type Clock, type Timer } from '../base/clock.ts'
import { LogError } from '../base/errors.ts'
import { describe } from '../base/options.ts'
import { type ProjectionDefinition, type RowChange } from './projection-types.ts'
import { type EventShape, type RecordedEvent } from './types.ts'
import { type ViewTable } from './view-table.ts'

/** What changed is stored before more is done when there are so many rows of it, or bytes, as far as can be told from those stored before. */
const STORE_AFTER_ROWS = 5000
const STORE_AFTER_BYTES = 2 * 1024 * 1024
/** The first rows are taken for large, until it is known better. */
const LARGE_ROW_BYTES = 128 * 1024
/** Or when so many events were looked at. */
const STORE_AFTER_EVENTS = 100_000
const DEFAULT_STORE_MS = 200

type AnyHandler = (row: unknown, event: unknown, key: string) => RowChange<unknown>

/** Told of what happens to a view. */
export interface ViewOwner {
  /** Its position moved, or it failed. */
  progressed(): void
}

/** Rows that are folded from events in their order. */
export class View<E extends EventShape, State> {
  readonly table: ViewTable<State>
  /** Events below it are in the rows. */
  position: number
  /** Why it stands still. */
  failure: LogError | undefined
  /** Readers are given its rows. */
  live: boolean
  private readonly definition: ProjectionDefinition<E, State>
  private readonly handlers: ReadonlyMap<string, AnyHandler>
  private readonly epoch: () => number
  private readonly clock: Clock
  private readonly dirty = new Set<string>()
  private foldedSince = 0
  private rowBytes = LARGE_ROW_BYTES
  private storedPosition: number
  private storing: Promise<void> = Promise.resolve()
  private timer: Timer | undefined
  owner: ViewOwner | undefined

  constructor(
    definition: ProjectionDefinition<E, State>, table: ViewTable<State>,
    { epoch, clock, live }: { readonly epoch: () => number; readonly clock: Clock; readonly live: boolean },
  ) {
    this.definition = definition
    this.handlers = new Map(Object.entries(definition.on as unknown as Readonly<Record<string, AnyHandler>>))
    this.table = table
    this.epoch = epoch
    this.clock = clock
    this.live = live
    this.position = this.storedPosition = table.checkpoint?.position ?? 0
  }

  /** Events below it are in the rows that are stored. */
  get stored(): number {
    return this.storedPosition
  }

  /** Folds an event, unless it is in the rows already. False when the view stands still. A promise is to be awaited before there are more. */
  take(event: RecordedEvent<E>): boolean | Promise<boolean> {
    if (this.failure !== undefined) return false
    const { position } = event
    if (position < this.position) return true
    const handler = this.handlers.get(event.type)
    if (handler !== undefined) {
      try {
        this.change(handler, event)
      } catch (error) {
        this.fail(error, event)
        return false
      }
    }
    this.position = position + 1
    this.foldedSince++
    return this.isFull ? this.store().then(() => this.failure === undefined) : true
  }

  /** Whether as much changed as is stored at a time. */
  private get isFull(): boolean {
    return this.dirty.size >= Math.min(STORE_AFTER_ROWS, STORE_AFTER_BYTES / this.rowBytes)
  }

  /** All events below `position` were there to take. */
  reached(position: number): void {
    if (this.failure === undefined && position > this.position) this.position = position
  }

  /** Stores what changed when there is much of it, and else soon. What it returns, if anything, is to be awaited before more is folded. */
  settle(): Promise<void> | undefined {
    if (this.failure !== undefined) return undefined
    if (this.isFull || this.foldedSince >= STORE_AFTER_EVENTS) return this.store()
    if (this.position > this.storedPosition) this.storeSoon()
    return undefined
  }

  /** Stores what changed so far; what fails stops the view. */
  store(): Promise<void> {
    this.timer?.cancel()
    this.timer = undefined
    this.storing = this.storing.then(() => this.storeNow())
    return this.storing
  }

  /** The rows are the ones that readers are given from here on. */
  async goLive(): Promise<void> {
    this.live = true
    this.storedPosition = -1
    await this.store()
    if (this.failure !== undefined) throw this.failure
  }

  /** After it failed: goes on from the rows and the position that are stored. */
  async resume(): Promise<void> {
    if (this.failure === undefined) return
    await this.storing
    await this.table.reopen()
    await this.takeBack()
    this.failure = undefined
  }

  async close(): Promise<void> {
    if (this.failure === undefined && this.position > this.storedPosition) await this.store()
    this.timer?.cancel()
    await this.storing
  }

  private change(handler: AnyHandler, event: RecordedEvent<E>): void {
    const { key } = this.definition
    const keys = key === undefined ? event.stream : key(event)
    if (keys === undefined) return
    if (!Array.isArray(keys)) this.changeRow(handler, event, keys as string)
    else for (const one of keys as readonly string[]) this.changeRow(handler, event, one)
  }

  private changeRow(handler: AnyHandler, event: RecordedEvent<E>, key: string): void {
    if (typeof key !== 'string' || key.startsWith('\0')) {
      throw new TypeError(`the key of a row is a string that does not begin with a NUL, not ${describe(key)}`)
    }
    const { rows } = this.table
    const before = rows.get(key)
    const row = before === undefined ? this.definition.initial(key) : before
    const after = handler(row, event, key)
    if (after === null) {
      if (before === undefined) return
      rows.delete(key)
    } else if (after !== row && after !== undefined) rows.set(key, after as State)
    else if (before === undefined) rows.set(key, row)
    this.dirty.add(key)
  }

  private storeSoon(): void {
    this.timer ??= this.clock.setTimer(() => {
      this.timer = undefined
      void this.store()
    }, this.definition.storeEveryMs ?? DEFAULT_STORE_MS, { ref: false })
  }

  private async storeNow(): Promise<void> {
    const { position } = this
    if (this.failure !== undefined || position === this.storedPosition) return
    const keys = [...this.dirty]
    this.dirty.clear()
    this.foldedSince = 0
    try {
      const bytes = await this.table.store(keys, { position, epoch: this.epoch(), live: this.live })
      // Rows that grow are to be noticed at once, and one small one is not to make it forget them.
      if (keys.length > 0) this.rowBytes = Math.max(bytes / keys.length, this.rowBytes / 2)
      this.storedPosition = position
    } catch (error) {
      this.fail(error, undefined)
    }
  }

  private fail(cause: unknown, event: RecordedEvent<E> | undefined): void {
    if (this.failure !== undefined) return
    const { name } = this.definition
    const reason = cause instanceof Error ? cause.message : String(cause)
    const place = event === undefined ? undefined : { position: event.position, stream: event.stream, version: event.version, type: event.type }
    const where = place === undefined
      ? 'cannot store its rows'
      : `stands before ${place.type}, version ${place.version} of ${JSON.stringify(place.stream)}`
    this.failure = new LogError('LOG_PROJECTION_FAILED', `the projection ${name} ${where}: ${reason}`, { name, ...place }, cause)
    // What is on its way to be stored was whole; what came after it is taken back.
    this.storing = this.storing.then(() => this.takeBack()).catch(() => {})
    this.owner?.progressed()
  }

  private async takeBack(): Promise<void> {
    await this.table.load()
    this.dirty.clear()
    this.foldedSince = 0
    this.position = this.storedPosition = this.table.checkpoint?.position ?? 0
  }
}

