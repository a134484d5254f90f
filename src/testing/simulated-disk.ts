/*
 * A disk that breaks its promises exactly as far as real disks may, for tests. Everything is in memory and drawn from a seed: what a
 * crash leaves, which asynchronous call ends next, which faults strike. What a successful sync covered is never lost.
 *
 * What a crash makes of what is on the disk is told in disk-state.ts.
 */
import { posix } from 'node:path'
import { allDone } from '../base/all-done.ts'
import { type Clock, systemClock } from '../base/clock.ts'
import { type Random, seededRandom, systemRandom } from '../base/random.ts'
import { type Contents } from '../files/contents.ts'
import { type FileHandle, type FileStat, type FileSystem, type FolderLock, type LockHolder, type OpenMode } from '../files/file-system.ts'
import { absolute, FolderNode } from '../files/folder-tree.ts'
import { LocalLocks } from '../files/local-locks.ts'
import { copyTree } from '../files/memory.ts'
import { systemError } from '../files/system-error.ts'
import { DiskCalls } from './disk-calls.ts'
import { type DiskCall, type DiskFault, DiskFaults, DiskJournal } from './disk-faults.ts'
import { afterKill, afterPowerCut, type DiskState, emptyState } from './disk-state.ts'
import { SimulatedFile } from './simulated-file.ts'
import { SimulatedHandle } from './simulated-handle.ts'

/** What a {@link SimulatedDisk} may be told. */
export interface SimulatedDiskOptions {
  /** Everything that chance decides is drawn from this. Default: a fresh one; `report()` prints it. */
  readonly seed?: number
  /** For times of change and waits for a lock. Default: the machine's; a ManualClock makes runs repeat themselves. */
  readonly clock?: Clock
  /** Bytes that all files together may take, in blocks of 4 KiB; beyond them writes are short and then ENOSPC. Default: no bound. */
  readonly capacity?: number
  /** Handles that may be open at once; beyond them opening is EMFILE. Default: no bound. */
  readonly maxOpenFiles?: number
  /** Whether asynchronous calls end by themselves, in random order, or only by `step` and `runUntilIdle`. Default: 'automatic'. */
  readonly completions?: 'automatic' | 'manual'
  /** How many calls the journal keeps. Default 1000. */
  readonly journalLimit?: number
  /** Told of every call before it does anything: the place to `fork` and see what a crash at this moment leaves. */
  readonly onCall?: (call: DiskCall, disk: SimulatedDisk) => void
}

/** How a process ends. */
export interface Crash {
  /** With the power: unsynced changes are kept, lost or torn. Without, only the process dies, and the system keeps all that was written. */
  readonly power: boolean
}

/** A disk in memory that loses, tears and reorders what was not synced, and fails on command. */
export class SimulatedDisk implements FileSystem {
  readonly durable = true
  /** What chance was drawn from: give it to a new disk to see the same again. */
  readonly seed: number
  readonly #options: SimulatedDiskOptions
  readonly #random: Random
  readonly #clock: Clock
  readonly #faults: DiskFaults
  readonly #journal: DiskJournal
  readonly #calls: DiskCalls
  readonly #locks: LocalLocks
  readonly #watchers = new Set<Watcher>()
  #state: DiskState
  #openHandles = 0

  constructor(options: SimulatedDiskOptions = {}) {
    this.seed = options.seed ?? systemRandom.int(0x1_0000_0000)
    this.#state = emptyState(options.capacity ?? Infinity)
    this.#options = options
    this.#random = seededRandom(this.seed)
    this.#clock = options.clock ?? systemClock
    this.#faults = new DiskFaults(this.#random)
    this.#journal = new DiskJournal(options.journalLimit ?? 1000)
    this.#locks = new LocalLocks(this.#clock)
    this.#calls = new DiskCalls({
      random: this.#random,
      clock: this.#clock,
      automatic: options.completions !== 'manual',
      faults: this.#faults,
      journal: this.#journal,
      onCall: (call) => options.onCall?.(call, this),
    })
  }

  // Crashes ------------------------------------------------------------------------------------------------------------------------------

  /**
   * Ends the process that uses this disk, and gives the disk as the next process finds it.
   *
   * On this object synchronous calls throw from now on, and asynchronous ones never end, so what is left of the old process can do no
   * harm. Faults that are switched on are not taken along.
   */
  crash(how: Crash): SimulatedDisk {
    const next = this.fork(this.#random.int(0x1_0000_0000), how)
    this.#calls.kill()
    return next
  }

  /** An independent disk in the state that a crash at this moment would leave; this one goes on. The same `seed`, the same state. */
  fork(seed: number, how: Crash = { power: false }): SimulatedDisk {
    const random = seededRandom(seed)
    const killed = afterKill(this.#state, this.#calls.interrupted, random)
    const disk = new SimulatedDisk({ ...this.#options, seed })
    disk.#state = how.power ? afterPowerCut(killed, random) : killed
    return disk
  }

  // Faults -------------------------------------------------------------------------------------------------------------------------------

  /** Switches a fault on; gives the function that switches it off. */
  inject(fault: DiskFault): () => void {
    return this.#faults.add(fault)
  }

  /** Makes the n-th call from now on fail, whatever it is: for sweeps. */
  failCall(n: number, error = 'EIO'): () => void {
    return this.#faults.add({ call: this.#journal.count + n, error })
  }

  /** Switches all faults off. */
  heal(): void {
    this.#faults.clear()
  }

  /** Bytes that all files together may take; may be changed at any time. */
  get capacity(): number {
    return this.#state.budget.capacity
  }

  set capacity(bytes: number) {
    this.#state.budget.capacity = bytes
  }

  /** Flips one bit of a file, in the cache and on the disk. Bit 0 is the least significant. */
  flip(path: string, position: number, bit = 0): void {
    this.overwrite(path, position, Uint8Array.of(this.bytes(path)[position]! ^ (1 << bit)))
  }

  /** Puts other bytes into a file. */
  overwrite(path: string, position: number, bytes: Uint8Array): void {
    this.#damage(path, (contents) => void contents.write(bytes, 0, bytes.length, position))
  }

  /** Makes `count` bytes zeros. */
  zero(path: string, position: number, count: number): void {
    this.overwrite(path, position, new Uint8Array(count))
  }

  /** Cuts `count` bytes off the end of a file. */
  cut(path: string, count: number): void {
    this.#damage(path, (contents) => contents.truncate(Math.max(0, contents.size - count)))
  }

  /** Inserts bytes into a file; what lay behind moves on. */
  insert(path: string, position: number, bytes: Uint8Array): void {
    const rest = this.bytes(path).subarray(position)
    this.overwrite(path, position, Buffer.concat([bytes, rest]))
  }

  /** Makes the lock of `folder` somebody else's, as after a takeover. */
  stealLock(folder: string): void {
    this.#locks.steal(absolute(folder))
  }

  /** Makes the holder of `folder` unsure of its lock until it confirms it, as after a long stall. */
  doubtLock(folder: string): void {
    this.#locks.doubt(absolute(folder))
  }

  // Order of asynchronous calls ----------------------------------------------------------------------------------------------------------

  /** The asynchronous calls that have not ended, in the order they were made. */
  get underWay(): readonly DiskCall[] {
    return this.#calls.underWay
  }

  /** Ends one of the calls under way, drawn from the seed, or one of those that `fits`; false when there is none. */
  step(fits?: (call: DiskCall) => boolean): boolean {
    return this.#calls.step(fits)
  }

  /** Ends calls in random order, and those that come of it, until nobody makes new ones. */
  runUntilIdle(): Promise<void> {
    return this.#calls.runUntilIdle()
  }

  // Looking ------------------------------------------------------------------------------------------------------------------------------

  /** How many handles are open: 0 when everyone cleaned up. */
  get openHandles(): number {
    return this.#openHandles
  }

  /** How many calls there were. */
  get callCount(): number {
    return this.#journal.count
  }

  /** What the last crash did to each file that had unsynced changes. */
  get crashNotes(): readonly string[] {
    return this.#state.notes
  }

  /** The last calls, oldest first. */
  get journal(): readonly DiskCall[] {
    return this.#journal.calls
  }

  /** All files, as paths from the root. */
  paths(): string[] {
    return [...this.#state.tree.walk()].map(([path]) => path)
  }

  /** The bytes of a file as a read would see them. */
  bytes(path: string): Buffer {
    return this.#state.tree.file(path, 'open').bytes()
  }

  /** The bytes that are in the file at `path` whatever happens, or undefined when the file itself may be lost. */
  storedBytes(path: string): Buffer | undefined {
    let node: SimulatedFile | FolderNode<SimulatedFile> | undefined = this.#state.tree.root
    for (const name of absolute(path).split('/').slice(1)) {
      node = node instanceof FolderNode ? this.#state.entries.storedEntry(node, name) : undefined
    }
    return node instanceof FolderNode ? undefined : node?.storedBytes()
  }

  /** Seed, what the last crash did, and the last calls: what a failed test should print. */
  report(): string {
    return [`SEED=${this.seed}`, ...this.crashNotes, this.#journal.print()].join('\n')
  }

  // The verbs of a FileSystem ------------------------------------------------------------------------------------------------------------

  join(...parts: string[]): string {
    return posix.join(...parts)
  }

  openSync(path: string, mode: OpenMode): FileHandle {
    return this.#calls.now('open', path, mode, { run: () => this.#open(path, mode) })
  }

  statSync(path: string): FileStat | undefined {
    return this.#calls.now('stat', path, '', { run: () => statOf(this.#state.tree.find(path)) })
  }

  listSync(folder: string): string[] {
    return this.#calls.now('list', folder, '', { run: () => [...this.#state.tree.folder(folder, 'scandir').entries.keys()].sort() })
  }

  createFolderSync(folder: string): void {
    this.#calls.now('createFolder', folder, '', { run: () => this.#state.tree.addFolder(folder) })
    this.#tellOf(folder)
  }

  renameSync(from: string, to: string): void {
    this.#calls.now('rename', from, to, { run: () => this.#rename(from, to) })
  }

  removeSync(path: string): void {
    this.#calls.now('remove', path, '', { run: () => this.#state.tree.remove(path, 'unlink').cache.detach() })
    this.#tellOf(path)
  }

  async removeFile(path: string): Promise<void> {
    const run = (): void => {
      this.#state.tree.remove(path, 'unlink').cache.detach()
      this.#tellOf(path)
    }
    return this.#calls.later('removeAsync', path, '', { run })
  }

  freeBytesSync(folder: string): number {
    return this.#calls.now('free', folder, '', {
      run: () => {
        this.#state.tree.folder(folder, 'statfs')
        return this.#state.budget.free
      },
    })
  }

  async sync(files: readonly FileHandle[]): Promise<void> {
    await allDone(files.map((file) => file.sync()))
  }

  async syncFolder(path: string): Promise<void> {
    const folder = this.#state.tree.folder(path, 'open')
    const mark = this.#state.entries.changeCount
    const failed = (): void => this.#state.entries.syncFailed(folder, mark)
    return this.#calls.later('syncFolder', path, '', { run: () => this.#state.entries.synced(folder, mark), failed })
  }

  async lock(folder: string, options?: { readonly waitMs?: number; readonly signal?: AbortSignal }): Promise<FolderLock> {
    this.#calls.now('lock', folder, '', { run: () => this.#state.tree.folder(folder, 'lock') })
    return this.#calls.whileAlive(this.#locks.take(absolute(folder), options))
  }

  lockHolderSync(folder: string): LockHolder | undefined {
    return this.#calls.now('lockHolder', folder, '', { run: () => this.#locks.holder(absolute(folder)) })
  }

  watch(folder: string, changed: () => void): () => void {
    const watcher: Watcher = { folder: this.#state.tree.folder(folder, 'watch'), changed, told: false }
    this.#watchers.add(watcher)
    return () => void this.#watchers.delete(watcher)
  }

  async copy(from: string, to: string): Promise<void> {
    return this.#calls.later('copy', from, to, { run: () => copyTree(this, from, to) })
  }

  async move(from: string, to: string): Promise<void> {
    const run = (): void => {
      if (this.#state.tree.find(to) !== undefined) throw systemError('EEXIST', 'move', to)
      this.#state.tree.addFolder(posix.join(to, '..'))
      this.#rename(from, to)
    }
    return this.#calls.later('move', from, to, { run })
  }

  async remove(path: string): Promise<void> {
    const run = (): void => {
      for (const file of this.#state.tree.removeAll(path)) file.cache.detach()
      this.#tellOf(path)
    }
    return this.#calls.later('removeAll', path, '', { run })
  }

  // Inner --------------------------------------------------------------------------------------------------------------------------------

  #open(path: string, mode: OpenMode): FileHandle {
    if (this.#openHandles >= (this.#options.maxOpenFiles ?? Infinity)) throw systemError('EMFILE', 'open', path)
    if (mode === 'create') this.#create(path)
    const file = this.#state.tree.file(path, 'open')
    const folder = this.#state.tree.folder(posix.join(path, '..'), 'open')
    this.#openHandles++
    return new SimulatedHandle(path, file, {
      calls: this.#calls,
      random: this.#random,
      writable: mode !== 'read',
      changed: () => {
        file.modifiedMs = this.#clock.now()
        this.#tell(folder)
      },
      closed: () => void this.#openHandles--,
    })
  }

  #create(path: string): void {
    this.#state.tree.add(path, SimulatedFile.create(this.#state.budget, this.#clock.now()), 'open')
    this.#tellOf(path)
  }

  #rename(from: string, to: string): void {
    const replaced = this.#state.tree.rename(from, to)
    if (replaced instanceof SimulatedFile) replaced.cache.detach()
    this.#tellOf(from)
    this.#tellOf(to)
  }

  #damage(path: string, edit: (contents: Contents) => void): void {
    this.#state.tree.file(path, 'open').damage(edit)
  }

  #tellOf(path: string): void {
    const folder = this.#state.tree.find(posix.join(path, '..'))
    if (folder instanceof FolderNode) this.#tell(folder)
  }

  #tell(folder: FolderNode<SimulatedFile>): void {
    for (const watcher of this.#watchers) {
      if (watcher.folder !== folder || watcher.told) continue
      watcher.told = true
      this.#calls.deliver(() => {
        watcher.told = false
        if (this.#watchers.has(watcher)) watcher.changed()
      })
    }
  }
}

interface Watcher {
  readonly folder: FolderNode<SimulatedFile>
  readonly changed: () => void
  told: boolean
}

function statOf(node: SimulatedFile | FolderNode<SimulatedFile> | undefined): FileStat | undefined {
  if (node === undefined) return undefined
  if (node instanceof FolderNode) return { kind: 'folder', size: 0, modifiedMs: 0, identity: '' }
  return { kind: 'file', size: node.cache.size, modifiedMs: node.modifiedMs, identity: node.cache.identity }
}
