/*
 * The real disk: node:fs behind the verbs of file-system.ts, and nothing else. It keeps no state but open descriptors. Whole-folder
 * verbs are in folders.ts, the lock of a folder in lock.ts.
 */
import type { FSWatcher, Stats } from 'node:fs'
import { join } from 'node:path'
import { allDone } from '../base/all-done.ts'
import { systemClock } from '../base/clock.ts'
import { type FileHandle, type FileStat, type FileSystem, type OpenMode } from './file-system.ts'
import { copyFolder, moveFolder, removeFolder } from './folders.ts'
import { lockFolder, lockHolder } from './lock.ts'
import { fs } from './node-fs.ts'
import { systemCode, systemError } from './system-error.ts'

/** The disk of this machine. Relative paths start at the working folder of the process. */
export const diskFileSystem: FileSystem = {
  durable: true,
  join: joined,
  openSync: (path, mode) => new DiskFile(path, fs.openSync(path, openFlags[mode])),
  statSync,
  listSync: (folder) => fs.readdirSync(folder).sort(),
  createFolderSync: (folder) => void fs.mkdirSync(folder, { recursive: true }),
  renameSync: (from, to) => fs.renameSync(from, to),
  removeSync: (path) => fs.unlinkSync(path),
  removeFile,
  freeBytesSync,
  sync: syncAll,
  syncFolder,
  lock: (folder, options) => lockFolder(folder, options),
  lockHolderSync: lockHolder,
  watch,
  copy: copyFolder,
  move: moveFolder,
  remove: removeFolder,
}

/** How often a watched folder is looked at when the system reports no change of it (network drives, exhausted inotify watches). */
const WATCH_POLL_MS = 2000

const openFlags = { read: 'r', write: 'r+', create: 'wx+' } as const satisfies Record<OpenMode, string>

/** An open descriptor. It is closed only when no asynchronous call uses it any more: its number could be given to another file. */
class DiskFile implements FileHandle {
  readonly path: string
  #descriptor: number
  #underWay = 0
  #closed = false

  constructor(path: string, descriptor: number) {
    this.path = path
    this.#descriptor = descriptor
  }

  readSync(buffer: Uint8Array, at: number, length: number, position: number): number {
    return fs.readSync(this.#usable('read'), buffer, at, length, position)
  }

  read(buffer: Uint8Array, at: number, length: number, position: number): Promise<number> {
    return this.#start('read', (descriptor, done) => fs.read(descriptor, buffer, at, length, position, done))
  }

  writeSync(buffer: Uint8Array, at: number, length: number, position: number): number {
    return fs.writeSync(this.#usable('write'), buffer, at, length, position)
  }

  write(buffer: Uint8Array, at: number, length: number, position: number): Promise<number> {
    return this.#start('write', (descriptor, done) => fs.write(descriptor, buffer, at, length, position, done))
  }

  truncateSync(size: number): void {
    fs.ftruncateSync(this.#usable('ftruncate'), size)
  }

  sizeSync(): number {
    return fs.fstatSync(this.#usable('fstat')).size
  }

  identitySync(): string {
    return identityOf(fs.fstatSync(this.#usable('fstat')))
  }

  // fdatasync stores the length too, since the bytes could not be found without it; what it leaves out is only the time of change.
  sync(): Promise<void> {
    return this.#start('fdatasync', (descriptor, done) => fs.fdatasync(descriptor, (error) => done(error, undefined)))
  }

  closeSync(): void {
    if (this.#closed) return
    this.#closed = true
    if (this.#underWay === 0) fs.closeSync(this.#descriptor)
  }

  #usable(verb: string): number {
    if (this.#closed) throw systemError('EBADF', verb, this.path)
    return this.#descriptor
  }

  #start<T>(verb: string, call: (descriptor: number, done: (error: Error | null, result: T) => void) => void): Promise<T> {
    return new Promise((resolve, reject) => {
      call(this.#usable(verb), (error, result) => {
        this.#underWay--
        if (this.#closed && this.#underWay === 0) fs.closeSync(this.#descriptor)
        if (error === null) resolve(result)
        else reject(error)
      })
      this.#underWay++
    })
  }
}

/** The folder of the last path that was put together as it was given, and as `join` writes it, up to the name of what is in it. */
let folderAsGiven = ''
let folderAsWritten = ''

// A log asks for many paths in the same folder one after the other, and `join` walks each of them character by character.
function joined(...parts: string[]): string {
  const [folder, name] = parts
  if (parts.length !== 2 || folder === undefined || name === undefined || !plainName.test(name)) return join(...parts)
  if (folder !== folderAsGiven || folder === '') {
    folderAsWritten = join(folder, '_').slice(0, -1)
    folderAsGiven = folder
  }
  return folderAsWritten + name
}

/** A name that `join` leaves as it is. */
const plainName = /^[\w-][\w.-]*$/

function statSync(path: string): FileStat | undefined {
  const stat = fs.statSync(path, { throwIfNoEntry: false })
  if (stat === undefined) return undefined
  const kind = stat.isFile() ? 'file' : stat.isDirectory() ? 'folder' : 'other'
  return { kind, size: stat.size, modifiedMs: stat.mtimeMs, identity: identityOf(stat) }
}

/** A number of an inode is given out again soon after its file is gone, but not at the same time. */
function identityOf({ dev, ino, birthtimeMs }: Stats): string {
  return `${dev}:${ino}:${birthtimeMs}`
}

function freeBytesSync(folder: string): number {
  try {
    const stat = fs.statfsSync(folder)
    return stat.bavail * stat.bsize
  } catch (error) {
    if (systemCode(error) === 'ENOENT') throw error
    return Infinity       // some network and user-space file systems do not tell
  }
}

function removeFile(path: string): Promise<void> {
  return new Promise((resolve, reject) => fs.unlink(path, (error) => (error === null ? resolve() : reject(error))))
}

async function syncAll(files: readonly FileHandle[]): Promise<void> {
  if (files.length === 1) return files[0]!.sync()
  await allDone(files.map((file) => file.sync()))
}

// Windows cannot open a folder to sync it, and keeps its entries in a journal of its own. EINVAL: a file system that cannot sync folders.
async function syncFolder(folder: string): Promise<void> {
  if (process.platform === 'win32') return
  const descriptor = fs.openSync(folder, 'r')
  try {
    await new Promise<void>((resolve, reject) => fs.fsync(descriptor, (error) => (error === null ? resolve() : reject(error))))
  } catch (error) {
    if (systemCode(error) !== 'EINVAL') throw error
  } finally {
    fs.closeSync(descriptor)
  }
}

// A busy writer causes an event for each of its writes: those of one turn of the event loop are told once.
function watch(folder: string, changed: () => void): () => void {
  let ended = false
  let told = false
  const tell = (): void => {
    if (told || ended) return
    told = true
    systemClock.defer(() => {
      told = false
      if (!ended) changed()
    })
  }
  const watcher = watchEvents(folder, tell)
  let timer = systemClock.setTimer(poll, WATCH_POLL_MS, { ref: false })
  function poll(): void {
    tell()
    timer = systemClock.setTimer(poll, WATCH_POLL_MS, { ref: false })
  }
  return () => {
    ended = true
    timer.cancel()
    watcher?.close()
  }
}

function watchEvents(folder: string, tell: () => void): FSWatcher | undefined {
  try {
    const watcher = fs.watch(folder, { persistent: false }, tell)
    watcher.on('error', () => watcher.close())       // the poll goes on
    return watcher
  } catch {
    return undefined
  }
}
