/*
 * What the log asks of the world below it, with each verb's obligation in words. Three kinds keep them: the real disk (disk.ts), memory
 * (memory.ts), and the simulated disk of commitlog/testing, which breaks its promises exactly as far as real disks may.
 *
 * Verbs that take microseconds on a local disk (open, stat, list, rename, small reads and writes) are synchronous: a hop through the
 * thread pool costs more than they do. What may take long (sync, large reads, whole folders) is asynchronous, and completes when it
 * likes: two calls under way may end in either order.
 *
 * Errors are those of Node's fs, with their `code` ('ENOENT', 'EEXIST', 'ENOSPC', 'EIO', …). Paths are opaque strings joined by `join`.
 */

/** How a file is opened: read an existing one; read and write an existing one; read and write a new one (EEXIST if it is there). */
export type OpenMode = 'read' | 'write' | 'create'

/** What `statSync` tells. */
export interface FileStat {
  readonly kind: 'file' | 'folder' | 'other'
  /** Length in bytes. */
  readonly size: number
  /** Last change of the contents, ms since 1970. */
  readonly modifiedMs: number
  /** Tells this file from any other that has been, or will be, called by the same name. The name itself is no part of it. */
  readonly identity: string
}

/** One open file. All positions are absolute and in bytes; there is no cursor. */
export interface FileHandle {
  readonly path: string
  /** Reads up to `length` bytes into `buffer` at `at`; gives how many there were, 0 at the end of the file. */
  readSync(buffer: Uint8Array, at: number, length: number, position: number): number
  /** As `readSync`, without holding the event loop. */
  read(buffer: Uint8Array, at: number, length: number, position: number): Promise<number>
  /** Writes up to `length` bytes and gives how many were written: fewer is no error, the caller goes on or finds out why. */
  writeSync(buffer: Uint8Array, at: number, length: number, position: number): number
  /** As `writeSync`, without holding the event loop. The bytes must not change until it ends. */
  write(buffer: Uint8Array, at: number, length: number, position: number): Promise<number>
  /** Cuts the file to `size` bytes, or extends it with a hole that reads as zeros. */
  truncateSync(size: number): void
  /** Current length in bytes. */
  sizeSync(): number
  /** The identity of the file that is open, whatever its name leads to by now: see {@link FileStat.identity}. */
  identitySync(): string
  /**
   * Makes the file's bytes and length durable. Must not return before a power cut can no longer undo them. What was written while it
   * ran may or may not be covered. After a failure nothing may be believed about bytes written since the last success: the system may
   * have forgotten that they were never stored, and a second sync may succeed without storing them.
   */
  sync(): Promise<void>
  /** Closes the handle; a second call does nothing. Asynchronous calls under way end as if it were still open. */
  closeSync(): void
}

/** Who holds a folder, as the lock file tells it. */
export interface LockHolder {
  readonly pid: number
  readonly host: string
  /** When the holder took the lock, ms since 1970. */
  readonly since: number
  /** A name no other holder ever had. */
  readonly token: string
}

/** A folder held open for writing. */
export interface FolderLock {
  readonly holder: LockHolder
  /**
   * Whether the folder is certainly still ours at this moment: false once half the takeover time has passed since the last confirmed
   * beat. A writer acknowledges nothing while this is false; it calls `confirm` first.
   */
  readonly confirmed: boolean
  /**
   * Reads the lock file again and beats. False when the lock belongs to somebody else now: the writer must fence itself. Rejects with a
   * LogError when the file cannot be read: then nothing is certain, and the writer asks again before it acknowledges anything.
   */
  confirm(): Promise<boolean>
  /** Gives the folder back; a second call does nothing. Never removes a lock that is no longer ours. */
  release(): Promise<void>
}

/** Where a log keeps its files. */
export interface FileSystem {
  /** Whether what was synced outlives the process. Memory is not durable, and then nothing is ever synced. */
  readonly durable: boolean

  /** Joins the parts of a path, the first of which may be absolute. */
  join(...parts: string[]): string

  /** Opens a file. The entry of a created file is durable only after `syncFolder`. */
  openSync(path: string, mode: OpenMode): FileHandle
  /** Tells what is at `path`, or undefined when there is nothing. */
  statSync(path: string): FileStat | undefined
  /** The names in a folder, sorted by code units. */
  listSync(folder: string): string[]
  /** Creates a folder and those above it; existing ones are no error. */
  createFolderSync(folder: string): void
  /** Renames a file, over an existing one if there is one, or a folder, in one step. Durable after `syncFolder` of both folders. */
  renameSync(from: string, to: string): void
  /** Removes a file. */
  removeSync(path: string): void
  /** As `removeSync`, without holding the event loop: the room of a large file takes its time to be given back. */
  removeFile(path: string): Promise<void>
  /** Bytes that this process may still write in `folder`; Infinity when unknown. */
  freeBytesSync(folder: string): number

  /** Syncs several files at once; rejects with the first failure after all have ended. */
  sync(files: readonly FileHandle[]): Promise<void>
  /** Makes the entries of a folder durable: created, renamed and removed names. */
  syncFolder(folder: string): Promise<void>

  /**
   * Takes the folder for one writer, or throws LOG_LOCKED with the holder in its detail, at once or after `waitMs`; rejects with the
   * reason of `signal` when that is aborted. Waits longer than `waitMs` only for a holder that seems dead, until that is certain.
   */
  lock(folder: string, options?: { readonly waitMs?: number; readonly signal?: AbortSignal }): Promise<FolderLock>
  /**
   * Who holds the folder, as far as it can be told at once and without changing anything; undefined when certainly nobody does. Of a
   * holder elsewhere that died without a word it is told that it holds the folder.
   */
  lockHolderSync(folder: string): LockHolder | undefined
  /** Calls `changed` when something in `folder` changed, at the latest some seconds later, or for nothing; gives the function that ends it. */
  watch(folder: string, changed: () => void): () => void

  /** Copies a file or a whole folder. EEXIST when something is at `to` already. The copy is not synced. */
  copy(from: string, to: string): Promise<void>
  /** Moves a file or a whole folder, across devices if it must. EEXIST when something is at `to` already. */
  move(from: string, to: string): Promise<void>
  /** Removes a file or a whole folder; nothing there is no error. */
  remove(path: string): Promise<void>
}
