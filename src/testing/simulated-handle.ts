/*
 * An open file of the simulated disk: each verb becomes a call of the desk (disk-calls.ts), and tells it what is left behind when it fails or
 * when the process dies meanwhile. What the bytes then are is simulated-file.ts.
 */
import { type Random } from '../base/random.ts'
import { type FileHandle } from '../files/file-system.ts'
import { systemError } from '../files/system-error.ts'
import { type DiskCalls } from './disk-calls.ts'
import { type SimulatedFile } from './simulated-file.ts'

/** What a handle has of the disk that it is of. */
export interface HandleOwner {
  readonly calls: DiskCalls
  readonly random: Random
  readonly writable: boolean
  /** The file has changed. */
  readonly changed: () => void
  readonly closed: () => void
}

/** One open file of a simulated disk. */
export class SimulatedHandle implements FileHandle {
  readonly path: string
  readonly #file: SimulatedFile
  readonly #owner: HandleOwner
  #closed = false

  constructor(path: string, file: SimulatedFile, owner: HandleOwner) {
    this.path = path
    this.#file = file
    this.#owner = owner
  }

  readSync(buffer: Uint8Array, at: number, length: number, position: number): number {
    this.#check('read', true)
    return this.#owner.calls.now('read', this.path, `${position}+${length}`, { run: (short) => this.#read(buffer, at, length, position, short) })
  }

  async read(buffer: Uint8Array, at: number, length: number, position: number): Promise<number> {
    this.#check('read', true)
    const run = (short: boolean): number => this.#read(buffer, at, length, position, short)
    return this.#owner.calls.later('readAsync', this.path, `${position}+${length}`, { run })
  }

  writeSync(buffer: Uint8Array, at: number, length: number, position: number): number {
    this.#check('write', this.#owner.writable)
    return this.#owner.calls.now('write', this.path, `${position}+${length}`, this.#writing(buffer, at, length, position))
  }

  async write(buffer: Uint8Array, at: number, length: number, position: number): Promise<number> {
    this.#check('write', this.#owner.writable)
    const interrupted = { file: this.#file, buffer, at, length, position }
    return this.#owner.calls.later('writeAsync', this.path, `${position}+${length}`, { ...this.#writing(buffer, at, length, position), interrupted })
  }

  truncateSync(size: number): void {
    this.#check('ftruncate', this.#owner.writable)
    this.#owner.calls.now('truncate', this.path, `${size}`, { run: () => this.#file.truncate(size) })
    this.#owner.changed()
  }

  sizeSync(): number {
    this.#check('fstat', true)
    return this.#owner.calls.now('size', this.path, '', { run: () => this.#file.cache.size })
  }

  identitySync(): string {
    this.#check('fstat', true)
    return this.#owner.calls.now('size', this.path, 'identity', { run: () => this.#file.cache.identity })
  }

  async sync(): Promise<void> {
    this.#check('fdatasync', true)
    const mark = this.#file.changeCount
    const failed = (): void => this.#file.syncFailed(mark)
    return this.#owner.calls.later('sync', this.path, '', { run: () => this.#file.synced(mark), failed })
  }

  closeSync(): void {
    if (this.#closed) return
    this.#closed = true
    this.#owner.closed()
  }

  #read(buffer: Uint8Array, at: number, length: number, position: number, short: boolean): number {
    return this.#file.cache.read(buffer, at, short ? this.#part(length) : length, position)
  }

  #writing(buffer: Uint8Array, at: number, length: number, position: number): { run: (short: boolean) => number; failed: () => void } {
    const write = (count: number): number => {
      const written = this.#file.write(buffer, at, count, position)
      if (written > 0) this.#owner.changed()
      return written
    }
    const run = (short: boolean): number => {
      const written = write(short ? this.#part(length) : length)
      if (written === 0 && length > 0) throw systemError('ENOSPC', 'write', this.path)
      return written
    }
    return { run, failed: () => void write(this.#owner.random.int(length + 1)) }       // a write that failed may have begun
  }

  #part(length: number): number {
    return length < 2 ? length : 1 + this.#owner.random.int(length - 1)
  }

  #check(verb: string, allowed: boolean): void {
    if (this.#closed) throw systemError('EBADF', verb, this.path)
    if (!allowed) throw systemError(verb === 'ftruncate' ? 'EINVAL' : 'EBADF', verb, this.path)
  }
}
