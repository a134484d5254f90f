/*
 * Two file systems as one: a folder of the disk, which is only read, and memory, which everything is written to. For copies from one to the other.
 */
import { type FileHandle, type FileStat, type FileSystem, type FolderLock, type LockHolder, type OpenMode } from '../../files/file-system.ts'

/** `folder` and all below it is read from one file system; all else is of the other. */
export class ReadThrough implements FileSystem {
  readonly durable = false
  readonly #source: FileSystem
  readonly #folder: string
  readonly #target: FileSystem

  constructor(source: FileSystem, folder: string, target: FileSystem) {
    this.#source = source
    this.#folder = folder
    this.#target = target
  }

  join(...parts: string[]): string {
    return this.#of(parts[0] ?? '').join(...parts)
  }

  openSync(path: string, mode: OpenMode): FileHandle {
    return mode === 'read' ? this.#of(path).openSync(path, mode) : this.#written(path).openSync(path, mode)
  }

  statSync(path: string): FileStat | undefined {
    return this.#of(path).statSync(path)
  }

  listSync(folder: string): string[] {
    return this.#of(folder).listSync(folder)
  }

  createFolderSync(folder: string): void {
    this.#written(folder).createFolderSync(folder)
  }

  renameSync(from: string, to: string): void {
    this.#written(from).renameSync(from, to)
  }

  removeSync(path: string): void {
    this.#written(path).removeSync(path)
  }

  removeFile(path: string): Promise<void> {
    return this.#written(path).removeFile(path)
  }

  freeBytesSync(folder: string): number {
    return this.#of(folder).freeBytesSync(folder)
  }

  sync(): Promise<void> {
    return Promise.resolve()
  }

  syncFolder(): Promise<void> {
    return Promise.resolve()
  }

  lock(folder: string, options?: { readonly waitMs?: number; readonly signal?: AbortSignal }): Promise<FolderLock> {
    return this.#written(folder).lock(folder, options)
  }

  lockHolderSync(folder: string): LockHolder | undefined {
    return this.#of(folder).lockHolderSync(folder)
  }

  watch(folder: string, changed: () => void): () => void {
    return this.#of(folder).watch(folder, changed)
  }

  copy(from: string, to: string): Promise<void> {
    return this.#written(from).copy(from, to)
  }

  move(from: string, to: string): Promise<void> {
    return this.#written(from).move(from, to)
  }

  remove(path: string): Promise<void> {
    return this.#written(path).remove(path)
  }

  #of(path: string): FileSystem {
    return this.#isRead(path) ? this.#source : this.#target
  }

  #written(path: string): FileSystem {
    if (this.#isRead(path)) throw new Error(`${path} is only read`)
    return this.#target
  }

  #isRead(path: string): boolean {
    return path === this.#folder || path.startsWith(this.#source.join(this.#folder, 'x').slice(0, -1))
  }
}
