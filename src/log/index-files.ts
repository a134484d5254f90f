/*
 * The files beside the `.log` of one segment: indexes, the list of aborted transactions, the snapshot of producers at its end. By name, in
 * whole pieces; what is in them is for others to know.
 */
import { allDone } from '../base/all-done.ts'
import { readFileSync, writeFileAtomically, writeFullySync } from '../files/write-fully.ts'
import { type LogEnvironment } from './environment.ts'
import { isRefusal } from './io-error.ts'

/** A file larger than this belongs to nobody: Kafka's own limit of an index is the segment's. */
const MAX_BYTES = 256 * 1024 * 1024

/** The files beside one `.log`. */
export class IndexFiles {
  readonly #env: LogEnvironment
  readonly #folder: string

  constructor(env: LogEnvironment, folder: string) {
    this.#env = env
    this.#folder = folder
  }

  /** Bytes of a file; undefined when there is none. */
  size(name: string): number | undefined {
    return this.#env.files.statSync(this.#path(name))?.size
  }

  /** What a file holds; undefined when there is none, or none that the system lets us read. */
  read(name: string): Buffer | undefined {
    try {
      return readFileSync(this.#env.files, this.#path(name), MAX_BYTES)
    } catch (error) {
      if (!isRefusal(error)) throw error
      return undefined
    }
  }

  /** Writes into a file, which is made when it is missing. */
  write(name: string, bytes: Buffer, position: number): void {
    const handle = this.#env.openFiles.open(this.#path(name), this.size(name) === undefined ? 'create' : 'write')
    try {
      writeFullySync(handle, bytes, 0, bytes.length, position)
    } finally {
      handle.closeSync()
    }
  }

  /** Cuts a file to `size` bytes, if it is longer. */
  cut(name: string, size: number): void {
    if ((this.size(name) ?? 0) <= size) return
    const handle = this.#env.openFiles.open(this.#path(name), 'write')
    try {
      handle.truncateSync(size)
    } finally {
      handle.closeSync()
    }
  }

  /** As {@link cut}; false when the system refuses. */
  tryCut(name: string, size: number): boolean {
    return accepted(() => this.cut(name, size))
  }

  /** Makes an empty file where there is none; false when the system refuses. */
  tryCreate(name: string): boolean {
    return this.size(name) !== undefined || accepted(() => this.#env.openFiles.open(this.#path(name), 'create').closeSync())
  }

  /** Puts a new file in the place of what is there, durably and in one step. */
  async replace(name: string, bytes: Buffer): Promise<void> {
    await writeFileAtomically(this.#env.files, this.#path(name), bytes)
  }

  remove(name: string): void {
    if (this.size(name) !== undefined) this.#env.files.removeSync(this.#path(name))
  }

  /** Makes those that are there durable. Each is open only while it is its turn. */
  async sync(names: readonly string[]): Promise<void> {
    const there = names.filter((name) => this.size(name) !== undefined)
    await allDone(there.map((name) => this.#env.syncs.run(() => this.#syncOne(name))))
  }

  async #syncOne(name: string): Promise<void> {
    const handle = this.#env.openFiles.open(this.#path(name), 'write')
    try {
      await handle.sync()
    } finally {
      handle.closeSync()
    }
  }

  #path(name: string): string {
    return this.#env.files.join(this.#folder, name)
  }
}

/** Whether the system did not refuse. */
function accepted(work: () => void): boolean {
  try {
    work()
    return true
  } catch (error) {
    if (!isRefusal(error)) throw error
    return false
  }
}
