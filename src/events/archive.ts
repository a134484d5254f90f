/*
 * Archives: streams whose events go to a place of the user's, or to a file of lines (event-lines.ts), and are forgotten then. Nothing is
 * forgotten that is not there, whole and durable: a file gets its name when all of it is synced, and one that is there already is compared with
 * the streams before these are deleted.
 */
import { isLogError, LogError } from '../base/errors.ts'
import { checkBoolean, checkFunction, checkObject, checkOptions, checkSignal, describe } from '../base/options.ts'
import { AsideFile } from '../files/aside-file.ts'
import { diskFileSystem } from '../files/disk.ts'
import { type FileSystem } from '../files/file-system.ts'
import { readFully } from '../files/write-fully.ts'
import { FORGOTTEN_TYPE, forgottenLine, lineOf, parseLine, storedReading } from './event-lines.ts'
import { checkStream } from './event-input.ts'
import { deleteStream, listStreams, type StreamInfo } from './forgetting.ts'
import { partsOf, type StoreParts } from './store-parts.ts'
import { type StreamHead } from './stream-table.ts'
import { type EventShape, type EventStore, type RecordedEvent } from './types.ts'

/** Which streams are archived: ids, or which of all. */
export type ChosenStreams = Iterable<string> | ((stream: StreamInfo) => boolean | Promise<boolean>)

/** How streams are archived. */
export interface ArchiveOptions<E extends EventShape> {
  readonly streams: ChosenStreams
  /** Takes the events of a stream, in their order. */
  readonly write: (events: readonly RecordedEvent<E>[]) => unknown
  /** Called when all are written: the streams are deleted when what it returns has resolved. */
  readonly finish?: () => unknown
  readonly signal?: AbortSignal
}

/** What became of streams that were to be archived. */
export interface Archived {
  /** Their events are archived, and they are deleted. */
  readonly archived: readonly string[]
  /** Somebody appended to them meanwhile, or the file that was there has other events of them: they are as they were. */
  readonly kept: readonly string[]
}

/** How streams are archived to a file. */
export interface ArchiveFileOptions {
  readonly streams: ChosenStreams
  /** The file: made by this, or left by an archiving that was broken off, which goes on then. */
  readonly path: string
  /** Whether it is compressed. Default: when its name ends with `.gz`. */
  readonly gzip?: boolean
  /** Called after each stream that was written or deleted. */
  readonly onProgress?: (progress: ArchiveProgress) => void
  readonly signal?: AbortSignal
}

/** How far archiving to a file is. */
export interface ArchiveProgress {
  /** Streams and events in the file. */
  readonly streams: number
  readonly events: number
  /** Streams that were deleted. */
  readonly deleted: number
}

/** What archiving to a file did. */
export interface ArchivedFile extends Archived {
  readonly path: string
  /** Events in the file. */
  readonly events: number
  /** Size of the file; 0 when there was nothing to archive, and none is made. */
  readonly bytes: number
  /** The file was there, with all streams that were chosen: nothing was written. */
  readonly resumed: boolean
}

/** A stream in a file: where it ends, and of its events how many there are and what is made of their ids. */
interface FiledStream {
  version: number
  count: number
  digest: string
}

/** Characters that gather before they are written. */
const WRITE_AT = 256 * 1024
const PIECE_BYTES = 256 * 1024
/** Events of a stream in memory at a time. */
const EVENTS_AT_ONCE = 10_000

/**
 * Hands the events of streams to an archive and deletes the streams, each at the version that was archived; one to which somebody appended
 * meanwhile is kept.
 *
 * @throws what `write` and `finish` throw: nothing is deleted then; LogError `LOG_READ_ONLY`
 */
export async function archiveStreams<E extends EventShape>(store: EventStore<E>, options: ArchiveOptions<E>): Promise<Archived> {
  checkObject(options ?? null, 'archiveStreams takes { streams, write }')
  checkOptions(options, ['streams', 'write', 'finish', 'signal'], 'archiveStreams')
  checkChosen(options.streams)
  checkFunction(options.write ?? null, 'write')
  checkFunction(options.finish, 'finish')
  checkSignal(options.signal)
  const versions = new Map<string, number>()
  for await (const stream of chosen(store, options.streams)) {
    options.signal?.throwIfAborted()
    if (versions.has(stream)) continue
    const { events, version, exists } = await store.read(stream)
    if (!exists) continue
    await options.write(events)
    versions.set(stream, version)
  }
  await options.finish?.()
  const result = { archived: [] as string[], kept: [] as string[] }
  for (const [stream, version] of versions) result[(await deletedAt(store, stream, version)) ? 'archived' : 'kept'].push(stream)
  return result
}

/**
 * Archives streams to a file of lines, as `exportEvents` gives them, and deletes the streams when all of the file is durable under its name.
 * `importEvents` takes the file.
 *
 * Broken off, it is called again with the same path: where the file has its name, the streams that were chosen are deleted if they are as it has
 * them. A file for the next streams needs another name. Where there is nothing to archive, there is no file.
 *
 * @throws LogError `LOG_FILE_MISMATCH` when a file is there that has not all of the streams, `LOG_DECODE_FAILED` when it is no archive,
 *   `LOG_READ_ONLY`; errors of the system; with nothing deleted
 */
export async function archiveToFile<E extends EventShape>(store: EventStore<E>, options: ArchiveFileOptions): Promise<ArchivedFile> {
  checkObject(options ?? null, 'archiveToFile takes { streams, path }')
  checkOptions(options, ['streams', 'path', 'gzip', 'onProgress', 'signal'], 'archiveToFile')
  checkChosen(options.streams)
  const { streams, path, gzip, onProgress, signal } = options
  if (typeof path !== 'string' || path === '') throw new TypeError(`path is the path of a file, not ${describe(path)}`)
  checkBoolean(gzip, 'gzip')
  checkFunction(onProgress, 'onProgress')
  checkSignal(signal)
  const parts = partsOf(store)
  if (parts.log.readOnly) throw new LogError('LOG_READ_ONLY', `the log ${parts.log.folder} was opened read-only: nothing is archived from it`)
  // A log in memory has nowhere to keep a file.
  const files = parts.log.env.files.durable ? parts.log.env.files : diskFileSystem
  const resumed = files.statSync(path) !== undefined
  const filed = resumed ? await readArchive(parts, files, path, options) : await writeArchive(parts, files, path, options)
  const due = resumed ? await dueOf(parts, path, filed, streams) : filed.keys()
  let events = 0
  for (const { count } of filed.values()) events += count
  const result = { archived: [] as string[], kept: [] as string[] }
  for (const stream of due) {
    signal?.throwIfAborted()
    const one = filed.get(stream)!
    // What was just written is as it is in the log; of what was found there it is looked at.
    const gone = (!resumed || (await isAsFiled(parts, stream, one))) && (await deletedAt(store, stream, one.version))
    result[gone ? 'archived' : 'kept'].push(stream)
    onProgress?.({ streams: filed.size, events, deleted: result.archived.length })
  }
  return { path, events, bytes: files.statSync(path)?.size ?? 0, resumed, ...result }
}

/** Of the streams in a file that was left: those that were chosen, and those that are gone since. */
async function dueOf<E extends EventShape>(
  parts: StoreParts<E>, path: string, filed: ReadonlyMap<string, FiledStream>, streams: ChosenStreams,
): Promise<string[]> {
  const { store } = parts
  const due = new Set<string>()
  const missing = new Set<string>()
  for await (const stream of chosen(store, streams)) {
    checkStream(stream)
    if (filed.has(stream)) due.add(stream)
    else if (store.exists(stream)) missing.add(stream)
  }
  for (const [stream, { version }] of filed) if (!store.exists(stream) && store.head(stream) === version) due.add(stream)
  if (missing.size === 0 && (due.size > 0 || filed.size === 0)) return [...filed.keys()].filter((stream) => due.has(stream))
  const [first] = missing
  const what = first === undefined ? 'and has no stream that was chosen' : `without ${missing.size} of the streams that were chosen, such as ${first}`
  const message = `an archive is at ${path} already, ${what}: choose another name`
  throw new LogError('LOG_FILE_MISMATCH', message, { path, category: store.category, missing: [...missing].slice(0, 100) })
}

/** Deletes a stream that is still at a version; true also when it was deleted at it before. */
async function deletedAt<E extends EventShape>(store: EventStore<E>, stream: string, version: number): Promise<boolean> {
  try {
    await deleteStream(store, stream, { expected: version })
    return true
  } catch (error) {
    if (isLogError(error, 'LOG_VERSION_CONFLICT')) return false
    throw error
  }
}

async function writeArchive<E extends EventShape>(
  parts: StoreParts<E>, files: FileSystem, path: string, { streams, gzip = path.endsWith('.gz'), onProgress, signal }: ArchiveFileOptions,
): Promise<Map<string, FiledStream>> {
  const filed = new Map<string, FiledStream>()
  const file = AsideFile.create(files, path)
  let text = ''
  let events = 0
  const write = async (): Promise<void> => {
    if (text !== '') await file.write(gzip ? await gzipped(text) : Buffer.from(text))
    text = ''
  }
  try {
    for await (const stream of chosen(parts.store, streams)) {
      signal?.throwIfAborted()
      if (filed.has(stream)) continue
      const head = await headOf(parts, stream)
      if (head === undefined) continue
      const one: FiledStream = { version: head.head.version, count: 0, digest: '' }
      for await (const { line, id } of linesOf(parts, head)) {
        text += line
        if (id !== undefined) add(one, id)
        if (text.length >= WRITE_AT) await write()
      }
      filed.set(stream, one)
      events += one.count
      onProgress?.({ streams: filed.size, events, deleted: 0 })
    }
    await write()
    if (filed.size === 0) file.abandon()
    else await file.finish()
  } catch (error) {
    file.abandon()
    throw error
  }
  return filed
}

interface SlotHead {
  readonly slot: number
  readonly head: StreamHead
}

/** Where a stream ends; undefined when it has no events. */
async function headOf<E extends EventShape>({ core }: StoreParts<E>, stream: string): Promise<SlotHead | undefined> {
  checkStream(stream)
  const slot = await core.settledSlot(stream)
  if (slot < 0) return undefined
  const head = await core.settledHead(slot)
  return head.version < core.index.keptFrom(slot) ? undefined : { slot, head }
}

/** The lines of a stream, up to a version. */
async function* linesOf<E extends EventShape>(
  { core, store }: StoreParts<E>, { slot, head }: SlotHead,
): AsyncGenerator<{ readonly line: string; readonly id: string | undefined }> {
  const reading = storedReading(store.types.codec)
  const first = core.index.keptFrom(slot)
  for (let from = first; from <= head.version; from += EVENTS_AT_ONCE) {
    const to = Math.min(head.version, from + EVENTS_AT_ONCE - 1)
    for (const event of await core.readFrom(slot, head, { from, to, limit: Infinity, backward: false }, reading)) {
      const { stream, version, position, id } = event
      if (version === first && first > 1) yield { line: forgottenLine(stream, first, position - 1), id: undefined }
      yield { line: lineOf(event, true), id }
    }
  }
}

/** Whether a stream has the events that a file has of it, or was deleted when it had them. */
async function isAsFiled<E extends EventShape>(parts: StoreParts<E>, stream: string, { version, count, digest }: FiledStream): Promise<boolean> {
  const found = await headOf(parts, stream)
  if (found === undefined) return parts.store.head(stream) === version
  if (found.head.version !== version) return false
  const own: FiledStream = { version, count: 0, digest: '' }
  for await (const { id } of linesOf(parts, found)) if (id !== undefined) add(own, id)
  return own.count === count && own.digest === digest
}

/** Takes an event into what is known of a stream: as many ids as there may be are not kept in memory. */
function add(filed: FiledStream, id: string): void {
  filed.count++
  const { createHash } = process.getBuiltinModule('node:crypto')
  filed.digest = createHash('sha256').update(filed.digest).update(id).digest('base64')
}

/** The streams of a file that was left. */
async function readArchive<E extends EventShape>(
  { store }: StoreParts<E>, files: FileSystem, path: string, { gzip = path.endsWith('.gz'), signal }: ArchiveFileOptions,
): Promise<Map<string, FiledStream>> {
  const found = new Map<string, FiledStream>()
  let number = 0
  for await (const text of textLines(gzip ? unzipped(piecesOf(files, path)) : piecesOf(files, path))) {
    signal?.throwIfAborted()
    const { type, stream, version = 0, id = '' } = parseLine(text, ++number, store.types.codec)
    const known = found.get(stream) ?? { version: 0, count: 0, digest: '' }
    found.set(stream, known)
    if (type === FORGOTTEN_TYPE) continue
    add(known, id)
    known.version = version
  }
  return found
}

async function* piecesOf(files: FileSystem, path: string): AsyncGenerator<Buffer> {
  const file = files.openSync(path, 'read')
  try {
    for (let position = 0; ;) {
      const piece = Buffer.allocUnsafe(PIECE_BYTES)
      const count = await readFully(file, piece, 0, piece.length, position)
      if (count === 0) return
      yield piece.subarray(0, count)
      position += count
    }
  } finally {
    file.closeSync()
  }
}

async function* textLines(pieces: AsyncIterable<Buffer>): AsyncGenerator<string> {
  const decoder = new TextDecoder()
  let rest = ''
  for await (const piece of pieces) {
    const lines = (rest + decoder.decode(piece, { stream: true })).split('\n')
    rest = lines.pop()!
    yield* lines
  }
  if (rest !== '') yield rest
}

/** A whole member of gzip, of which a file may have several. */
function gzipped(text: string): Promise<Buffer> {
  const { gzip } = process.getBuiltinModule('node:zlib')
  return new Promise((resolve, reject) => {
    gzip(text, (error, bytes) => { if (error === null) resolve(bytes); else reject(error) })
  })
}

async function* unzipped(pieces: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const { createGunzip } = process.getBuiltinModule('node:zlib')
  const { pipeline, Readable } = process.getBuiltinModule('node:stream')
  // What fails is thrown where the bytes are read.
  yield* pipeline(Readable.from(pieces), createGunzip(), () => {}) as AsyncIterable<Buffer>
}

/** A text is a list of its letters, which may be streams too: one that is given alone would delete others. */
function checkChosen(streams: unknown): void {
  if (typeof streams === 'function' || (typeof streams === 'object' && streams !== null && Symbol.iterator in streams)) return
  throw new TypeError(`streams is a list of ids, or a function that says which, not ${describe(streams)}`)
}

async function* chosen<E extends EventShape>(store: EventStore<E>, streams: ChosenStreams): AsyncIterable<string> {
  if (typeof streams !== 'function') return yield* streams
  for await (const info of listStreams(store)) if (info.exists && (await streams(info))) yield info.stream
}
