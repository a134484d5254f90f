/*
 * A file system in memory: what `CommitLog.memory()` and most tests run on. Gone with the process, so nothing in it is durable and
 * syncs do nothing. Files are copy-on-write in chunks (contents.ts): a fork of the whole shares every byte until it is written to.
 */
import { posix } from 'node:path'
import { type Clock, systemClock } from '../base/clock.ts'
import { Budget, Contents } from './contents.ts'
import { type FileHandle, type FileStat, type FileSystem, type FolderLock, type LockHolder, type OpenMode } from './file-system.ts'
import { absolute, type EntryChange, FolderNode, FolderTree } from './folder-tree.ts'
import { LocalLocks } from './local-locks.ts'
import { systemError } from './system-error.ts'

/** What a {@link MemoryFileSystem} may be told. */
export interface MemoryOptions {
  /** Bytes that all files together may take, in blocks of 4 KiB; beyond them writes are short and then ENOSPC. Default: no bound. */
  readonly capacity?: number
  /** Where times of change come from, and the waits for a lock. Default: the machine's. */
  readonly clock?: Clock
}

interface MemoryFile {
  readonly contents: Contents
  modifiedMs: number
}

interface Watcher {
  readonly folder: FolderNode<MemoryFile>
  readonly tell: () => void
}

/** A file system in memory. */
export class MemoryFileSystem implements FileSystem {
  readonly durable = false
  readonly #clock: Clock
  readonly #budget: Budget
  readonly #tree: FolderTree<MemoryFile>
  readonly #locks: LocalLocks
  readonly #watchers = new Set<Watcher>()
  #openHandles = 0

  constructor(options: MemoryOptions = {}) {
    this.#clock = options.clock ?? systemClock
    this.#budget = new Budget(options.capacity ?? Infinity)
    this.#tree = new FolderTree((changes) => this.#tellEntries(changes))
    this.#locks = new LocalLocks(this.#clock)
  }

  /** How many handles are open: 0 when everyone cleaned up. */
  get openHandles(): number {
    return this.#openHandles
  }

  /** An independent file system with the same files. Costs their number, not their bytes; locks and open handles are not taken along. */
  fork(): MemoryFileSystem {
    const fork = new MemoryFileSystem({ capacity: this.#budget.capacity, clock: this.#clock })
    copyEntries(this.#tree.root, fork.#tree.root, (file) => ({ contents: file.contents.fork(fork.#budget), modifiedMs: file.modifiedMs }))
    return fork
  }

  join(...parts: string[]): string {
    return posix.join(...parts)
  }

  openSync(path: string, mode: OpenMode): FileHandle {
    if (mode === 'create') this.#tree.add(path, { contents: new Contents(this.#budget), modifiedMs: this.#clock.now() }, 'open')
    const file = this.#tree.file(path, 'open')
    const parent = this.#tree.folder(posix.join(path, '..'), 'open')
    const changed = (): void => {
      file.modifiedMs = this.#clock.now()
      if (this.#watchers.size > 0) this.#tell(parent)
    }
    this.#openHandles++
    return new MemoryHandle(path, file.contents, { writable: mode !== 'read', changed, closed: () => void this.#openHandles-- })
  }

  statSync(path: string): FileStat | undefined {
    const node = this.#tree.find(path)
    if (node === undefined) return undefined
    if (node instanceof FolderNode) return { kind: 'folder', size: 0, modifiedMs: 0, identity: '' }
    return { kind: 'file', size: node.contents.size, modifiedMs: node.modifiedMs, identity: node.contents.identity }
  }

  listSync(folder: string): string[] {
    return [...this.#tree.folder(folder, 'scandir').entries.keys()].sort()
  }

  createFolderSync(folder: string): void {
    this.#tree.addFolder(folder)
  }

  renameSync(from: string, to: string): void {
    const replaced = this.#tree.rename(from, to)
    if (replaced !== undefined && !(replaced instanceof FolderNode)) replaced.contents.detach()
  }

  removeSync(path: string): void {
    this.#tree.remove(path, 'unlink').contents.detach()
  }

  async removeFile(path: string): Promise<void> {
    this.removeSync(path)
  }

  freeBytesSync(folder: string): number {
    this.#tree.folder(folder, 'statfs')
    return this.#budget.free
  }

  async sync(): Promise<void> {}

  async syncFolder(folder: string): Promise<void> {
    this.#tree.folder(folder, 'open')
  }

  lock(folder: string, options?: { readonly waitMs?: number; readonly signal?: AbortSignal }): Promise<FolderLock> {
    return this.#locks.take(absolute(folder), options)
  }

  lockHolderSync(folder: string): LockHolder | undefined {
    return this.#locks.holder(absolute(folder))
  }

  watch(folder: string, changed: () => void): () => void {
    const watcher = { folder: this.#tree.folder(folder, 'watch'), tell: oncePerTurn(() => void (this.#watchers.has(watcher) && changed())) }
    this.#watchers.add(watcher)
    return () => void this.#watchers.delete(watcher)
  }

  async copy(from: string, to: string): Promise<void> {
    copyTree(this, from, to)
  }

  async move(from: string, to: string): Promise<void> {
    if (this.#tree.find(to) !== undefined) throw systemError('EEXIST', 'move', to)
    this.#tree.addFolder(posix.join(to, '..'))
    this.#tree.rename(from, to)
  }

  async remove(path: string): Promise<void> {
    for (const file of this.#tree.removeAll(path)) file.contents.detach()
  }

  #tellEntries(changes: readonly EntryChange<MemoryFile>[]): void {
    for (const { folder } of changes) this.#tell(folder)
  }

  #tell(folder: FolderNode<MemoryFile>): void {
    for (const watcher of this.#watchers) if (watcher.folder === folder) watcher.tell()
  }
}

/** Copies a file or a folder with everything in it, by the verbs of `files` alone. EEXIST when something is at `to` already. */
export function copyTree(files: FileSystem, from: string, to: string): void {
  const stat = files.statSync(from)
  if (stat === undefined) throw systemError('ENOENT', 'copy', from)
  if (files.statSync(to) !== undefined) throw systemError('EEXIST', 'copy', to)
  files.createFolderSync(stat.kind === 'folder' ? to : files.join(to, '..'))
  if (stat.kind === 'file') copyFile(files, from, to)
  else for (const name of files.listSync(from)) copyTree(files, files.join(from, name), files.join(to, name))
}

interface HandleOwner {
  readonly writable: boolean
  readonly changed: () => void
  readonly closed: () => void
}

class MemoryHandle implements FileHandle {
  readonly path: string
  readonly #contents: Contents
  readonly #owner: HandleOwner
  #closed = false

  constructor(path: string, contents: Contents, owner: HandleOwner) {
    this.path = path
    this.#contents = contents
    this.#owner = owner
  }

  readSync(buffer: Uint8Array, at: number, length: number, position: number): number {
    this.#check('read')
    return this.#contents.read(buffer, at, length, position)
  }

  async read(buffer: Uint8Array, at: number, length: number, position: number): Promise<number> {
    return this.readSync(buffer, at, length, position)
  }

  writeSync(buffer: Uint8Array, at: number, length: number, position: number): number {
    this.#check('write')
    const count = this.#contents.write(buffer, at, length, position)
    if (count === 0 && length > 0) throw systemError('ENOSPC', 'write', this.path)
    this.#owner.changed()
    return count
  }

  async write(buffer: Uint8Array, at: number, length: number, position: number): Promise<number> {
    return this.writeSync(buffer, at, length, position)
  }

  truncateSync(size: number): void {
    this.#check('ftruncate')
    this.#contents.truncate(size)
    this.#owner.changed()
  }

  sizeSync(): number {
    this.#check('fstat')
    return this.#contents.size
  }

  identitySync(): string {
    this.#check('fstat')
    return this.#contents.identity
  }

  async sync(): Promise<void> {
    this.#check('fdatasync')
  }

  closeSync(): void {
    if (this.#closed) return
    this.#closed = true
    this.#owner.closed()
  }

  #check(verb: string): void {
    if (this.#closed || (!this.#owner.writable && (verb === 'write' || verb === 'ftruncate'))) {
      throw systemError(verb === 'ftruncate' && !this.#closed ? 'EINVAL' : 'EBADF', verb, this.path)
    }
  }
}

function copyFile(files: FileSystem, from: string, to: string): void {
  const source = files.openSync(from, 'read')
  const target = files.openSync(to, 'create')
  try {
    const buffer = new Uint8Array(65_536)
    for (let position = 0, count = 0; (count = source.readSync(buffer, 0, buffer.length, position)) > 0; position += count) {
      for (let done = 0; done < count; ) done += target.writeSync(buffer, done, count - done, position + done)
    }
  } finally {
    source.closeSync()
    target.closeSync()
  }
}

function copyEntries<F extends object>(from: FolderNode<F>, to: FolderNode<F>, copy: (file: F) => F): void {
  for (const [name, node] of from.entries) {
    if (node instanceof FolderNode) {
      const folder = new FolderNode<F>()
      to.entries.set(name, folder)
      copyEntries(node, folder, copy)
    } else {
      to.entries.set(name, copy(node))
    }
  }
}

function oncePerTurn(call: () => void): () => void {
  let waiting = false
  return () => {
    if (waiting) return
    waiting = true
    queueMicrotask(() => {
      waiting = false
      call()
    })
  }
}
