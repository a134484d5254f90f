/*
 * A bounded number of files open for reading: opened when asked for, the least recently used closed first. Holds no bytes and knows
 * nothing of segments. Files open for writing are their owners' own; `open` makes room for them.
 */
import { assert } from '../base/assert.ts'
import { LogError } from '../base/errors.ts'
import { type FileHandle, type FileSystem, type OpenMode } from './file-system.ts'
import { systemCode } from './system-error.ts'

/** How many files {@link OpenFiles} keeps open when it is not told. */
const DEFAULT_MAX_OPEN = 256

/** A handle that stays open until it is released. */
export interface PinnedFile {
  readonly handle: FileHandle
  /** Lets the handle be closed again; a second call does nothing. */
  release(): void
}

interface Entry {
  readonly handle: FileHandle
  pins: number
  forgotten: boolean
}

/** The files of one log that are open for reading. */
export class OpenFiles {
  readonly #files: FileSystem
  readonly #maxOpen: number
  readonly #entries = new Map<string, Entry>()       // least recently used first
  #latest: Entry | undefined       // spares the common case, the same file again, two map operations

  constructor(files: FileSystem, options: { readonly maxOpen?: number } = {}) {
    this.#files = files
    this.#maxOpen = options.maxOpen ?? DEFAULT_MAX_OPEN
    if (!(this.#maxOpen >= 1)) throw new RangeError(`maxOpen must be at least 1, got ${this.#maxOpen}`)
  }

  /** How many files are open. More than `maxOpen` only while more are pinned. */
  get size(): number {
    return this.#entries.size
  }

  /**
   * Gives the open file at `path`. It may be closed by the next call of any method here: for use at once, without an `await` between.
   *
   * @throws LogError `LOG_TOO_MANY_FILES` when the system has no descriptor left even after all unpinned files were closed
   */
  read(path: string): FileHandle {
    return this.#use(path).handle
  }

  /** As `read`, but the file stays open until released: for asynchronous reads. */
  pin(path: string): PinnedFile {
    const entry = this.#use(path)
    entry.pins++
    let released = false
    const release = (): void => {
      if (released) return
      released = true
      this.#unpin(entry)
    }
    return { handle: entry.handle, release }
  }

  /** Opens a file that the caller closes itself, closing others here when the system has no descriptor left. */
  open(path: string, mode: OpenMode): FileHandle {
    for (;;) {
      try {
        return this.#files.openSync(path, mode)
      } catch (error) {
        const code = systemCode(error)
        if (code !== 'EMFILE' && code !== 'ENFILE') throw error
        if (this.#closeOldest(Math.max(1, this.#entries.size >> 1)) === 0) {
          throw new LogError('LOG_TOO_MANY_FILES', `no file descriptor left to open ${path} (${code})`, { path }, error)
        }
      }
    }
  }

  /** Closes the file at `path`, if it is open: before it is renamed or removed. One that is pinned is closed when it is released. */
  forget(path: string): void {
    const entry = this.#entries.get(path)
    if (entry !== undefined) this.#drop(path, entry)
  }

  /** Closes all; those that are pinned when they are released. */
  closeAll(): void {
    for (const [path, entry] of this.#entries) this.#drop(path, entry)
  }

  #use(path: string): Entry {
    if (this.#latest?.handle.path === path) return this.#latest
    let entry = this.#entries.get(path)
    if (entry === undefined) {
      if (this.#entries.size >= this.#maxOpen) this.#closeOldest(this.#entries.size - this.#maxOpen + 1)
      entry = { handle: this.open(path, 'read'), pins: 0, forgotten: false }
    } else {
      this.#entries.delete(path)
    }
    this.#entries.set(path, entry)
    this.#latest = entry
    return entry
  }

  #unpin(entry: Entry): void {
    assert(entry.pins > 0, 'a pin is released once')
    entry.pins--
    if (entry.pins > 0) return
    if (entry.forgotten) entry.handle.closeSync()
    else if (this.#entries.size > this.#maxOpen) this.#closeOldest(this.#entries.size - this.#maxOpen)
  }

  /** Closes up to `count` files that are not pinned, the least recently used first; gives how many. */
  #closeOldest(count: number): number {
    let closed = 0
    for (const [path, entry] of this.#entries) {
      if (closed === count) break
      if (entry.pins > 0) continue
      this.#drop(path, entry)
      closed++
    }
    return closed
  }

  #drop(path: string, entry: Entry): void {
    this.#entries.delete(path)
    if (this.#latest === entry) this.#latest = undefined
    entry.forgotten = true
    if (entry.pins === 0) entry.handle.closeSync()
  }
}
