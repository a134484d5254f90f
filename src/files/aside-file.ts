/*
 * A new file that is written in pieces, aside: under its name there is nothing until all of it is there and durable. As
 * `writeFileAtomically` (write-fully.ts), for what is not there at once.
 */
import { type FileHandle, type FileSystem } from './file-system.ts'
import { folderOf, writeFully } from './write-fully.ts'

/** A file that grows at `<path>.tmp`. */
export class AsideFile {
  readonly path: string
  readonly #files: FileSystem
  readonly #file: FileHandle
  #size = 0

  private constructor(files: FileSystem, path: string, file: FileHandle) {
    this.#files = files
    this.path = path
    this.#file = file
  }

  /** Begins the file. What a crash left aside is removed; one call per path at a time. */
  static create(files: FileSystem, path: string): AsideFile {
    const aside = asidePath(path)
    if (files.statSync(aside) !== undefined) files.removeSync(aside)
    return new AsideFile(files, path, files.openSync(aside, 'create'))
  }

  /** Bytes written so far. */
  get size(): number {
    return this.#size
  }

  /** Adds bytes, which must not change until it resolves. One call at a time. */
  async write(bytes: Uint8Array): Promise<void> {
    await writeFully(this.#file, bytes, 0, bytes.length, this.#size)
    this.#size += bytes.length
  }

  /** Gives the file its name. When it resolves, that and all of the file is durable; it replaces what was there. */
  async finish(): Promise<void> {
    const files = this.#files
    try {
      if (files.durable) await this.#file.sync()
    } finally {
      this.#file.closeSync()
    }
    files.renameSync(asidePath(this.path), this.path)
    if (files.durable) await files.syncFolder(folderOf(files, this.path))
  }

  /** Takes the file back, of which nobody hears. */
  abandon(): void {
    this.#file.closeSync()
    try {
      this.#files.removeSync(asidePath(this.path))
    } catch {
      // It has its name already, or the disk is gone: what led here says more.
    }
  }
}

function asidePath(path: string): string {
  return `${path}.tmp`
}
