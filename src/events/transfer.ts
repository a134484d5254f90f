/*
 * Events as lines of JSON, out of a store and into one: with their ids, versions and times, so that what comes in is what went out. Both can be
 * broken off and begun again: an export goes on at a position, an import passes over what is there already.
 */
import { isLogError, LogError } from '../base/errors.ts'
import { checkBoolean, checkFunction, checkInteger, checkOptions, checkSignal, describe } from '../base/options.ts'
import { partsOf } from './store-parts.ts'
import { type EventMetadata, type EventShape, type EventStore, type NewEvent } from './types.ts'

/** What to export. */
export interface ExportOptions<Type extends string = string> {
  /** The first position wanted: one past that of the last line that is there already. Default: the first. */
  readonly from?: number
  readonly types?: readonly Type[]
  readonly signal?: AbortSignal
}

/** How to import. */
export interface ImportOptions {
  /** Gives events new versions, one after the other in their streams. Default false: an event that cannot get its version ends the import. */
  readonly renumber?: boolean
  /** Called now and then, and at the end. */
  readonly onProgress?: (progress: ImportProgress) => void
  readonly signal?: AbortSignal
}

/** How far an import is. */
export interface ImportProgress {
  /** Lines that were read. */
  readonly lines: number
  /** Events that were stored. */
  readonly imported: number
  /** Events that were there already. */
  readonly duplicates: number
}

/** A line as it is written and read. */
interface EventLine {
  /** Of the line, from 1. */
  readonly number: number
  readonly type: string
  readonly data: unknown
  readonly stream: string
  readonly version?: number
  readonly id?: string
  readonly time?: number
  readonly metadata?: EventMetadata
}

/** Appends under way at a time. */
const IN_FLIGHT = 256
const PROGRESS_EVERY = 1000

/**
 * The events of a category as lines of JSON, each with its line feed, in global order up to the end as it is now. Data is what JSON makes of it.
 */
export async function* exportEvents<E extends EventShape>(
  store: EventStore<E>, options: ExportOptions<E['type']> = {},
): AsyncIterableIterator<{ readonly line: string; readonly position: number }> {
  checkOptions(options, ['from', 'types', 'signal'], 'exportEvents')
  checkInteger(options.from, 'from', 0)
  const { from, types, signal } = options
  const all = store.all({ from: from ?? 'earliest', until: 'end', ...(types !== undefined && { types }), ...(signal !== undefined && { signal }) })
  for await (const event of all) yield { line: `${JSON.stringify(event)}\n`, position: event.position }
}

/**
 * Imports events from lines, in their order. Each gets the id and the time of its line; one that has a version must get that version.
 *
 * What was imported before, from the same lines, is passed over: an import that was broken off is begun again from the first line.
 *
 * @throws LogError `LOG_DECODE_FAILED` for a line that is no event, `LOG_VERSION_CONFLICT` for one that cannot get its version
 */
export async function importEvents<E extends EventShape>(
  store: EventStore<E>, lines: AsyncIterable<string> | Iterable<string>, options: ImportOptions = {},
): Promise<ImportProgress> {
  checkOptions(options, ['renumber', 'onProgress', 'signal'], 'importEvents')
  checkBoolean(options.renumber, 'renumber')
  checkFunction(options.onProgress, 'onProgress')
  checkSignal(options.signal)
  partsOf(store)
  const run = new ImportRun(store, options)
  for await (const line of lines) {
    options.signal?.throwIfAborted()
    if (line.trim() !== '') await run.take(line)
  }
  await run.drain()
  return run.progress()
}

class ImportRun<E extends EventShape> {
  readonly #store: EventStore<E>
  readonly #options: ImportOptions
  #waiting: { readonly line: EventLine; readonly done: Promise<unknown> }[] = []
  /** The ids of streams that were there before; undefined for one that was not. */
  readonly #before = new Map<string, Set<string> | undefined>()
  #lines = 0
  #imported = 0
  #duplicates = 0

  constructor(store: EventStore<E>, options: ImportOptions) {
    this.#store = store
    this.#options = options
  }

  async take(text: string): Promise<void> {
    const line = lineOf(text, ++this.#lines)
    if (await this.#isThere(line)) {
      this.#duplicates++
      return
    }
    // What cannot get its version is not to have those behind it appended meanwhile.
    if (this.#options.renumber !== true && line.version !== undefined && this.#store.head(line.stream) < line.version - 1) await this.#alone(line)
    else await this.#beside(line)
    if (this.#lines % PROGRESS_EVERY === 0) this.#options.onProgress?.(this.progress())
  }

  /**
   * Whether an event was imported before, of which the version does not tell: the store remembers the last ids only, so those of a stream that
   * was there before this import are read once.
   */
  async #isThere({ stream, id, version }: EventLine): Promise<boolean> {
    if (id === undefined || (version !== undefined && this.#options.renumber !== true)) return false
    let ids = this.#before.get(stream)
    if (ids === undefined && !this.#before.has(stream)) {
      if (this.#store.head(stream) > 0) ids = new Set((await this.#store.read(stream)).events.map((event) => event.id))
      this.#before.set(stream, ids)
    }
    return ids?.has(id) === true
  }

  async #alone(line: EventLine): Promise<void> {
    await this.drain()
    await this.#append(line)
  }

  async #beside(line: EventLine): Promise<void> {
    const done = this.#append(line)
    done.catch(() => {})
    this.#waiting.push({ line, done })
    if (this.#waiting.length >= IN_FLIGHT) await this.drain()
  }

  /** Waits for what is under way. What ran into one that was there already is tried again, in its order. */
  async drain(): Promise<void> {
    const waiting = this.#waiting.splice(0)
    const results = await Promise.allSettled(waiting.map(({ done }) => done))
    for (const [index, { status }] of results.entries()) if (status === 'rejected') await this.#append(waiting[index]!.line)
    this.#options.onProgress?.(this.progress())
  }

  progress(): ImportProgress {
    return { lines: this.#lines, imported: this.#imported, duplicates: this.#duplicates }
  }

  async #append({ number, stream, type, data, version, id, time, metadata }: EventLine): Promise<void> {
    const event = { type, data, ...(id !== undefined && { id }), ...(time !== undefined && { time }), ...(metadata !== undefined && { metadata }) }
    const keeps = version !== undefined && this.#options.renumber !== true
    const expected = keeps ? version - 1 : 'any'
    const { duplicate } = await this.#store.append(stream, event as NewEvent<E>, { expected }).catch((error: unknown) => {
      if (!isLogError(error, 'LOG_EVENT_INVALID') && !isLogError(error, 'LOG_STREAM_INVALID')) throw error
      throw new LogError('LOG_DECODE_FAILED', `line ${number} is no event: ${error.message}`, { line: number }, error)
    })
    if (duplicate) this.#duplicates++
    else this.#imported++
  }
}

function lineOf(text: string, number: number): EventLine {
  let line: Partial<EventLine> | null
  try {
    line = JSON.parse(text) as Partial<EventLine> | null
  } catch (error) {
    throw new LogError('LOG_DECODE_FAILED', `line ${number} is no JSON: ${(error as Error).message}`, { line: number }, error)
  }
  const { type, stream, version, id, time, metadata } = line ?? {}
  const whole = typeof type === 'string' && typeof stream === 'string' &&
    (version === undefined || (Number.isSafeInteger(version) && version >= 1)) &&
    (id === undefined || typeof id === 'string') && (time === undefined || Number.isSafeInteger(time)) &&
    (metadata === undefined || (typeof metadata === 'object' && metadata !== null))
  if (whole) return { ...line, number } as EventLine
  throw new LogError('LOG_DECODE_FAILED', `line ${number} is no event: ${describe(text.slice(0, 100))}`, { line: number })
}
