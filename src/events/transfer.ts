/*
 * Events as lines of JSON, out of a store and into one: with their ids, versions and times, so that what comes in is what went out. Both can be
 * broken off and begun again: an export goes on at a position, an import passes over what is there already.
 */
import { isLogError, LogError, type LogErrorCode } from '../base/errors.ts'
import { checkBoolean, checkFunction, checkInteger, checkOneOf, checkOptions, checkSignal, describe } from '../base/options.ts'
import { AllStreams } from './all-events.ts'
import { PreparedEvent, type StreamPlan } from './append-group.ts'
import { type EventLine, FORGOTTEN_TYPE, forgottenLine, lineOf, parseLine, storedReading } from './event-lines.ts'
import { checkEvent, checkOrigin, checkOwnStream, checkStream, metadataText } from './event-input.ts'
import { isShredding, markSealed } from './forgotten.ts'
import { forgettingEvent } from './reactor.ts'
import { type StoredEvent } from './stored-event.ts'
import { partsOf, type StoreParts } from './store-parts.ts'
import { type AppendResult, type EventShape, type EventStore, type NewEvent } from './types.ts'

/** What to export. */
export interface ExportOptions<Type extends string = string> {
  /** The first position wanted: one past that of the last line that is there already. Default: the first. */
  readonly from?: number
  /** The last line that is there already, of which it is looked whether it is of this store: the export goes on behind it. */
  readonly after?: string
  /** Only events of these types: what comes of them is imported with `renumber`. Default: all. */
  readonly types?: readonly Type[]
  /**
   * `'stored'` (default): as it lies in the log, encrypted where it is and in the version of its type that was written, so that an import makes the
   * same of it. `'read'`: as readers are given it, in today's version and **in the clear**, for people and other programs.
   */
  readonly data?: 'stored' | 'read'
  readonly signal?: AbortSignal
}

/** How to import. */
export interface ImportOptions {
  /** Gives events new versions, one after the other in their streams, and forgets nothing. Default false: one that cannot get its version ends it. */
  readonly renumber?: boolean
  /**
   * **Forgets** what lines say that a stream has forgotten, whatever events the stream has here: for a copy that is kept up to date by lines of what
   * came since. Default false: only where no event is here, or where the next line of the stream is an event that is here.
   */
  readonly forget?: boolean
  /** Passes over events that were forgotten here. Default false: they end it, since they do not come back. */
  readonly passForgotten?: boolean
  /** Called now and then, and at the end. */
  readonly onProgress?: (progress: ImportProgress) => void
  readonly signal?: AbortSignal
}

/** How far an import is. */
export interface ImportProgress {
  /** Lines that were read, empty ones not counted. */
  readonly lines: number
  /** Events that were stored. */
  readonly imported: number
  /** Events that were there already. */
  readonly duplicates: number
  /** Of those that were stored: events whose lines had neither an id nor a version. The same lines would store them again. */
  readonly unnamed: number
}

/** Appends under way at a time. */
const IN_FLIGHT = 256
const PROGRESS_EVERY = 1000

/**
 * The events of a category as lines of JSON, each with its line feed, in global order up to the end as it is now; and where streams begin that
 * have forgotten something. What the store keeps for itself, such as checkpoints of reactors, is not among them.
 *
 * @throws LogError `LOG_FILE_MISMATCH` when `after` is no line of this store's events
 */
export async function* exportEvents<E extends EventShape>(
  store: EventStore<E>, options: ExportOptions<E['type']> = {},
): AsyncIterableIterator<{ readonly line: string; readonly position: number }> {
  checkOptions(options, ['from', 'after', 'types', 'data', 'signal'], 'exportEvents')
  checkInteger(options.from, 'from', 0)
  const { after } = options
  if (after !== undefined && typeof after !== 'string') throw new TypeError(`after is a line of an export, not ${describe(after)}`)
  checkOneOf(options.data, 'data', ['stored', 'read'])
  checkSignal(options.signal)
  const { types, data = 'stored', signal } = options
  if (types !== undefined && !Array.isArray(types)) throw new TypeError(`types is a list of types, not ${describe(types)}`)
  const parts = partsOf(store)
  const { core, store: { types: own, life } } = parts
  life.check()
  const from = after === undefined ? options.from ?? 'earliest' : Math.max(options.from ?? 0, (await positionOf(parts, after)) + 1)
  const stored = data === 'stored'
  const forgetting = types === undefined
  const all = new AllStreams(core, stored ? storedReading(own.codec) : own, life, {
    from, until: 'end', ...(types !== undefined && { types }), ...(signal !== undefined && { signal }),
  }, forgetting)
  for await (const event of all as unknown as AsyncIterable<StoredEvent>) {
    const { type, stream, version, position } = event
    if (type === FORGOTTEN_TYPE) {
      if (!stream.startsWith('$')) yield { line: forgottenLine(stream, version, position), position }
      continue
    }
    // Whoever goes on behind this line gets the event.
    const begins = forgetting && version > 1 && core.index.kept.size > 0 && core.index.keptFrom(core.index.table.find(stream)) === version
    if (begins) yield { line: forgottenLine(stream, version, position - 1), position: position - 1 }
    yield { line: lineOf(event, stored), position }
  }
}

/** The position that the last line of an export says, when the line is of this store. */
async function positionOf<E extends EventShape>(parts: StoreParts<E>, text: string): Promise<number> {
  const mismatch = (why: string): LogError => {
    const message = `the export cannot go on behind the line ${describe(text.slice(0, 100))}: ${why}`
    return new LogError('LOG_FILE_MISMATCH', message, { category: parts.store.category })
  }
  let line: EventLine
  try {
    line = parseLine(text, 1, parts.store.types.codec)
  } catch (error) {
    throw mismatch((error as Error).message)
  }
  const { position } = line
  if (!Number.isSafeInteger(position) || position! < 0) throw mismatch('it is no line of an export')
  if (!(await isOf(parts, line, position!))) throw mismatch(`there is no such event in "${parts.store.category}"`)
  return position!
}

/** Whether a line says what lies at its position, or what was forgotten there. */
async function isOf<E extends EventShape>({ core }: StoreParts<E>, { type, stream, version, id }: EventLine, position: number): Promise<boolean> {
  await core.settled()
  if (position >= core.log.durableOffset) return false
  const { index } = core
  const keptFrom = index.keptFrom(index.table.find(stream))
  if (type === FORGOTTEN_TYPE) return keptFrom > 1 && version! <= keptFrom
  const event = await core.eventAt(position)
  if (event === undefined) return version !== undefined && version < keptFrom
  return event.stream === stream && event.version === version && event.id === id
}

/**
 * Imports events from lines, in their order. Each gets the id and the time of its line; one that has a version must get that version. Lines of an
 * export make what was exported, also of streams that have forgotten something, of data that is encrypted, and of older versions of types.
 *
 * What was imported before is passed over, by its id or its version: an import that was broken off is begun again from the first line. Lines that
 * have neither are stored again.
 *
 * @throws LogError `LOG_DECODE_FAILED` for a line that is no event; `LOG_VERSION_CONFLICT` for one that cannot get its version, that was forgotten
 *   here, or that would forget events that are here; and others of an append, with the number of the `line` in `detail`
 */
export async function importEvents<E extends EventShape>(
  store: EventStore<E>, lines: AsyncIterable<string> | Iterable<string>, options: ImportOptions = {},
): Promise<ImportProgress> {
  checkLines(lines)
  checkOptions(options, ['renumber', 'forget', 'passForgotten', 'onProgress', 'signal'], 'importEvents')
  for (const name of ['renumber', 'forget', 'passForgotten'] as const) checkBoolean(options[name], name)
  checkFunction(options.onProgress, 'onProgress')
  checkSignal(options.signal)
  const run = new ImportRun(partsOf(store), options)
  for await (const line of lines) {
    options.signal?.throwIfAborted()
    await run.take(line)
  }
  // Lines that end early since they were told to are not all there are.
  options.signal?.throwIfAborted()
  await run.end()
  return run.progress()
}

/** A text is a list of its letters, and bytes one of numbers: no lines. */
function checkLines(lines: unknown): void {
  const isObject = typeof lines === 'object' && lines !== null && !ArrayBuffer.isView(lines)
  if (isObject && (Symbol.iterator in lines || Symbol.asyncIterator in lines)) return
  throw new TypeError(`importEvents takes lines, as a text is by .split('\\n'), not ${describe(lines)}`)
}

class ImportRun<E extends EventShape> {
  readonly #parts: StoreParts<E>
  readonly #options: ImportOptions
  #waiting: { readonly line: EventLine; readonly done: Promise<unknown> }[] = []
  /** The ids of streams that were there before; undefined for one that was not. */
  readonly #before = new Map<string, Set<string> | undefined>()
  /** What streams are to forget that have events behind it: when the next line of the stream has shown that these are the same. */
  readonly #forgetting = new Map<string, EventLine>()
  #number = 0
  #lines = 0
  #imported = 0
  #duplicates = 0
  #unnamed = 0

  constructor(parts: StoreParts<E>, options: ImportOptions) {
    this.#parts = parts
    this.#options = options
  }

  async take(text: string): Promise<void> {
    this.#number++
    if (typeof text !== 'string') throw new TypeError(`line ${this.#number} is a text, not ${describe(text)}`)
    if (text.trim() === '') return
    this.#lines++
    const { store } = this.#parts
    const line = parseLine(text, this.#number, store.types.codec)
    const due = this.#forgetting.get(line.stream)
    if (line.type === FORGOTTEN_TYPE) await this.#forget(line)
    else if (this.#isForgotten(line)) this.#duplicates++
    else if (due !== undefined) {
      this.#forgetting.delete(line.stream)
      const before = this.#duplicates
      await this.#alone(line)
      if (this.#duplicates === before) this.#mayForget(due)
      await this.#forgetBelow(due)
    }
    else if (await this.#isThere(line)) this.#duplicates++
    // What cannot get its version is not to have those behind it appended meanwhile.
    else if (this.#keeps(line) && headOf(store, line) < line.version! - 1) await this.#alone(line)
    else await this.#beside(line)
    if (this.#lines % PROGRESS_EVERY === 0) this.#options.onProgress?.(this.progress())
  }

  /** Whether an event is to get the version that its line says. */
  #keeps({ version }: EventLine): boolean {
    return version !== undefined && this.#options.renumber !== true
  }

  /** A stream begins behind what it has forgotten. */
  async #forget(line: EventLine): Promise<void> {
    if (this.#options.renumber === true) return
    await this.drain()
    // An import that is refused must not have forgotten what nobody has any more.
    if (headOf(this.#parts.store, line) >= line.version!) this.#forgetting.set(line.stream, line)
    else {
      this.#mayForget(line)
      await this.#forgetBelow(line)
    }
  }

  /** Nothing but the next line of a stream shows that what a line has forgotten are the events that are here. */
  #mayForget({ stream, version, number }: EventLine): void {
    const { core: { index } } = this.#parts
    const slot = index.table.find(stream)
    if (this.#options.forget === true || !index.exists(slot) || version! <= index.keptFrom(slot)) return
    const current = index.table.version(slot)
    const message = `line ${number} forgets what stream ${JSON.stringify(stream)} has below version ${version}, and nothing shows that it is the ` +
      'same stream: import with forget if it is'
    throw new LogError('LOG_VERSION_CONFLICT', message, { line: number, stream, current, version })
  }

  /** Whether an event was forgotten here, and is to be passed over; without that option it ends the import. */
  #isForgotten(line: EventLine): boolean {
    const { core: { index }, store } = this.#parts
    if (!this.#keeps(line) || headOf(store, line) === 0) return false
    const { stream, version, number } = line
    const slot = index.table.find(stream)
    if (version! >= index.keptFrom(slot)) return false
    if (this.#options.passForgotten === true) return true
    const message = `line ${number}: version ${version} of stream ${JSON.stringify(stream)} was forgotten here, and does not come back: ` +
      'import with passForgotten to pass over it, with renumber as a new event, or into another category'
    throw new LogError('LOG_VERSION_CONFLICT', message, { line: number, stream, version, current: store.head(stream) })
  }

  async #forgetBelow(line: EventLine): Promise<void> {
    const { core, store } = this.#parts
    const { stream, number } = line
    const head = headOf(store, line)
    const version = line.version!
    if (version <= core.index.keptFrom(core.index.table.find(stream)) || (head === 0 && version === 1)) return
    const plan: StreamPlan = { stream, events: [forgettingEvent(version)], expected: head }
    await core.append([plan], store.codecs, undefined).catch((error: unknown) => { throw ofLine(error, number) })
  }

  /**
   * Whether an event was imported before, of which the version does not tell: the store remembers the last ids only, so those of a stream that
   * was there before this import are read once.
   */
  async #isThere(line: EventLine): Promise<boolean> {
    const { stream, id } = line
    if (id === undefined || this.#keeps(line)) return false
    let ids = this.#before.get(stream)
    if (ids === undefined && !this.#before.has(stream)) {
      const { store } = this.#parts
      if (headOf(store, line) > 0) ids = new Set((await store.read(stream)).events.map((event) => event.id))
      this.#before.set(stream, ids)
    }
    return ids?.has(id) === true
  }

  async #alone(line: EventLine): Promise<void> {
    await this.drain()
    await this.#append(line)
  }

  async #beside(line: EventLine): Promise<void> {
    const { store } = this.#parts
    const before = headOf(store, line)
    const done = this.#append(line)
    done.catch(() => {})
    this.#waiting.push({ line, done })
    // What does not count at once, since it may be known or has no room, is waited for: none of its stream is to come before it.
    if (this.#waiting.length >= IN_FLIGHT || store.head(line.stream) === before) await this.drain()
  }

  /** Waits for all of it. */
  async end(): Promise<void> {
    await this.drain()
    for (const line of this.#forgetting.values()) {
      this.#mayForget(line)
      await this.#forgetBelow(line)
    }
  }

  /** Waits for what is under way. What ran into one that was there already is tried again, in its order. */
  async drain(): Promise<void> {
    const waiting = this.#waiting.splice(0)
    const results = await Promise.allSettled(waiting.map(({ done }) => done))
    for (const [index, { status }] of results.entries()) if (status === 'rejected') await this.#append(waiting[index]!.line)
    this.#options.onProgress?.(this.progress())
  }

  progress(): ImportProgress {
    return { lines: this.#lines, imported: this.#imported, duplicates: this.#duplicates, unnamed: this.#unnamed }
  }

  async #append(line: EventLine): Promise<void> {
    const { core, store } = this.#parts
    let results: AppendResult[]
    try {
      const plan = planOf(this.#parts, line, this.#keeps(line) ? line.version! - 1 : 'any')
      results = await core.append([plan], store.codecs, undefined)
    } catch (error) {
      throw ofLine(error, line.number)
    }
    const [{ duplicate, stream, version }] = results as [AppendResult]
    if (!duplicate) {
      this.#imported++
      if (line.id === undefined && !this.#keeps(line)) this.#unnamed++
      return
    }
    this.#duplicates++
    const { core: { index } } = this.#parts
    if (version >= index.keptFrom(index.table.find(stream)) || this.#options.passForgotten === true) return
    const message = `line ${line.number}: the id ${JSON.stringify(line.id)} is of an event that was forgotten here, and is remembered still: ` +
      'import with passForgotten to pass over it, or into another category'
    throw new LogError('LOG_EVENT_ID_TAKEN', message, { line: line.number, id: line.id, stream })
  }
}

/** The append of a line: of data as it was stored, or of data that is looked at like any other. */
function planOf<E extends EventShape>({ store }: StoreParts<E>, line: EventLine, expected: number | 'any'): StreamPlan {
  const { stream, type, data, id, time, metadata, schema } = line
  const event = { type, data, ...(id !== undefined && { id }), ...(time !== undefined && { time }), ...(metadata !== undefined && { metadata }) }
  if (schema === undefined) return store.plan(stream, event as NewEvent<E>, expected, undefined, undefined)
  checkStream(stream)
  checkOwnStream(stream)
  checkEvent(event)
  const { correlation, causation, trace, ...own } = metadata ?? {}
  checkOrigin({ correlation, causation, trace } as object)
  const kept = isShredding(store.types.codec) ? markSealed(data) : data
  return { stream, events: [new PreparedEvent(type, kept, id, time, schema, correlation, causation, trace, metadataText(own))], expected }
}

function headOf(store: { head(stream: string): number }, { stream, number }: EventLine): number {
  try {
    return store.head(stream)
  } catch (error) {
    throw ofLine(error, number)
  }
}

const ofEvents: ReadonlySet<LogErrorCode> = new Set<LogErrorCode>([
  'LOG_VERSION_CONFLICT', 'LOG_EVENT_ID_TAKEN', 'LOG_KEY_MISSING', 'LOG_RECORD_TOO_LARGE', 'LOG_BATCH_TOO_LARGE', 'LOG_DECODE_FAILED',
])

/** What is wrong with an event is told with the number of its line. */
function ofLine(error: unknown, line: number): unknown {
  if (!isLogError(error) || error.detail['line'] !== undefined) return error
  if (error.code === 'LOG_EVENT_INVALID' || error.code === 'LOG_STREAM_INVALID') {
    return new LogError('LOG_DECODE_FAILED', `line ${line} is no event: ${error.message}`, { ...error.detail, line }, error)
  }
  return ofEvents.has(error.code) ? new LogError(error.code, `line ${line}: ${error.message}`, { ...error.detail, line }, error) : error
}
