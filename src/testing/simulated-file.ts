/*
 * One file of the simulated disk: what the system's cache shows, what the disk certainly holds, and the changes between the two. Knows
 * which states a power cut may leave; folders, faults and asynchronous calls are simulated-disk.ts.
 *
 * The model is a page cache over a disk that writes sectors whole and in any order, below a file system that journals lengths:
 * - a sector may show any version it had since the last sync, each sector on its own, but never a mixture of versions;
 * - the length, and what truncations cut off, go back to one moment since the last sync; the last growth may be a part of itself;
 * - bytes below the length that were never stored read as zeros;
 * - pages of which a sync failed are clean: a later sync does not store them, unless somebody wrote to the same page again.
 */
import { type Random } from '../base/random.ts'
import { Budget, Contents } from '../files/contents.ts'

/** What the disk writes whole or not at all. */
const SECTOR_BYTES = 512

/** What the cache remembers as changed or not: the unit that a failed sync forgets. */
const PAGE_BYTES = 4096

/** How a power cut treats the changes of one file. Each kind is legal; together they reach every legal state. */
export const powerCutStyles = ['all', 'none', 'prefix', 'writes', 'pages', 'sectors'] as const
export type PowerCutStyle = (typeof powerCutStyles)[number]

type Change =
  | { readonly kind: 'write'; readonly position: number; readonly bytes: Uint8Array }
  | { readonly kind: 'truncate'; readonly size: number }
  | { readonly kind: 'grow'; readonly size: number }       // what is left of a write without its bytes: the length

/** One file, open or not. */
export class SimulatedFile {
  /** What reads see. */
  readonly cache: Contents
  modifiedMs: number
  #stored: Contents       // what survives whatever happens
  #lengths: Change[] = []       // what a failed sync left to the journal: changes without their bytes
  #forgotten = new Map<number, Uint8Array>()       // what it made of the bytes: pages that the cache shows, and no sync stores
  #changes: Change[] = []       // what was done since, in order
  #settled = 0       // how many changes came before those

  constructor(cache: Contents, stored: Contents, modifiedMs: number) {
    this.cache = cache
    this.#stored = stored
    this.modifiedMs = modifiedMs
  }

  /** An empty one, charged to `budget`. */
  static create(budget: Budget, modifiedMs: number): SimulatedFile {
    return new SimulatedFile(new Contents(budget), new Contents(new Budget(Infinity)), modifiedMs)
  }

  /** Writes as much as there is room for; gives how many bytes. */
  write(buffer: Uint8Array, at: number, length: number, position: number): number {
    const count = this.cache.write(buffer, at, length, position)
    if (count > 0) this.#changes.push({ kind: 'write', position, bytes: Uint8Array.from(buffer.subarray(at, at + count)) })
    return count
  }

  truncate(size: number): void {
    this.cache.truncate(size)
    this.#changes.push({ kind: 'truncate', size })
  }

  /** Where a sync that begins now ends: it covers every change before this. */
  get changeCount(): number {
    return this.#settled + this.#changes.length
  }

  /** Whether a power cut may leave something else than the cache shows. */
  get changed(): boolean {
    return this.#changes.length + this.#lengths.length + this.#forgotten.size > 0
  }

  /** The sync that began at `mark` succeeded. */
  synced(mark: number): void {
    for (const change of this.#lengths.splice(0)) apply(this.#stored, change)
    for (const change of this.#take(mark)) {
      if (change.kind === 'write') this.#restoreForgotten(change.position, change.bytes.length)
      if (change.kind === 'truncate') this.#cutForgotten(change.size)
      apply(this.#stored, change)
    }
  }

  /** The sync that began at `mark` failed: the cache takes the bytes for stored from now on, and they are not. */
  syncFailed(mark: number): void {
    const lost = this.#take(mark)
    const view = this.#stored.fork(new Budget(Infinity))
    for (const change of this.#lengths) apply(view, change)
    for (const [page, bytes] of this.#forgotten) view.write(bytes, 0, bytes.length, page * PAGE_BYTES)
    for (const change of lost) {
      apply(view, change)
      if (change.kind === 'truncate') this.#cutForgotten(change.size)
      if (change.kind === 'write') for (const page of pagesOf(change.position, change.bytes.length)) this.#forgotten.set(page, noBytes)
      this.#lengths.push(withoutBytes(change))
    }
    for (const page of this.#forgotten.keys()) this.#forgotten.set(page, pageOf(view, page))
  }

  /** Everything the cache shows is on the disk now: before somebody damages it on purpose. */
  settle(): void {
    this.#settled += this.#changes.length
    this.#changes = []
    this.#lengths = []
    this.#forgotten.clear()
    this.#stored = this.cache.fork(new Budget(Infinity))
  }

  /** Changes bytes in the cache and on the disk alike, as a disk that rots does. */
  damage(edit: (contents: Contents) => void): void {
    this.settle()
    edit(this.cache)
    edit(this.#stored)
  }

  /** Length of what would survive whatever happens. */
  get storedSize(): number {
    return this.#stored.size
  }

  /** What would survive whatever happens. */
  storedBytes(): Buffer {
    return bytesOf(this.#stored)
  }

  /** What reads see. */
  bytes(): Buffer {
    return bytesOf(this.cache)
  }

  /** An equal one in another disk: the state after the process was killed and the system lived on. */
  fork(budget: Budget): SimulatedFile {
    const fork = new SimulatedFile(this.cache.fork(budget), this.#stored.fork(new Budget(Infinity)), this.modifiedMs)
    fork.#changes = [...this.#changes]
    fork.#lengths = [...this.#lengths]
    fork.#forgotten = new Map(this.#forgotten)
    return fork
  }

  /** One of the states after a power cut, drawn from `random`. */
  afterPowerCut(budget: Budget, random: Random, style: PowerCutStyle): SimulatedFile {
    const changes = [...this.#lengths, ...this.#changes]
    const state = { stored: this.#stored, changes, bare: this.#lengths.length, forgotten: this.#forgotten }
    const left = new PowerCut(state, random, style).contents()
    return new SimulatedFile(left.fork(budget), left, this.modifiedMs)
  }

  #take(mark: number): Change[] {
    const taken = this.#changes.splice(0, Math.max(0, mark - this.#settled))
    this.#settled += taken.length
    return taken
  }

  // A page that is written to again is stored whole, with what an earlier sync had forgotten.
  #restoreForgotten(position: number, length: number): void {
    for (const page of this.#forgotten.size === 0 ? [] : pagesOf(position, length)) {
      const bytes = this.#forgotten.get(page)
      if (bytes === undefined) continue
      this.#stored.write(bytes, 0, bytes.length, page * PAGE_BYTES)
      this.#forgotten.delete(page)
    }
  }

  #cutForgotten(size: number): void {
    for (const [page, bytes] of this.#forgotten) {
      const kept = size - page * PAGE_BYTES
      if (kept <= 0) this.#forgotten.delete(page)
      else if (kept < bytes.length) this.#forgotten.set(page, bytes.slice(0, kept))
    }
  }
}

interface Unsettled {
  readonly stored: Contents
  readonly changes: readonly Change[]
  readonly bare: number       // how many of the changes come before the forgotten pages, without bytes
  readonly forgotten: ReadonlyMap<number, Uint8Array>
}

/** Draws one legal state. Its moment is the number of changes of which the journal of the file system knew the lengths. */
class PowerCut {
  readonly #state: Unsettled
  readonly #random: Random
  readonly #style: PowerCutStyle
  readonly #keepChance: number
  readonly #moment: number
  readonly #keptWrites: readonly boolean[]
  readonly #truncations: readonly number[]
  readonly #pageDraws = new Map<number, number>()

  constructor(state: Unsettled, random: Random, style: PowerCutStyle) {
    this.#state = state
    this.#random = random
    this.#style = style
    this.#keepChance = 0.1 + 0.8 * random.next()
    this.#moment = this.#drawMoment()
    this.#keptWrites = state.changes.map(() => random.next() < this.#keepChance)
    this.#truncations = [...state.changes.keys()].filter((index) => state.changes[index]!.kind === 'truncate')
  }

  contents(): Contents {
    const result = this.#state.stored.fork(new Budget(Infinity))
    const size = this.#lengthened(result)
    this.#showForgotten(result)
    for (const [sector, writes] of this.#touched()) this.#putSector(result, sector, writes, size)
    return result
  }

  #drawMoment(): number {
    const count = this.#state.changes.length
    if (this.#style === 'all') return count
    if (this.#style === 'none') return 0
    return this.#style === 'prefix' || this.#random.next() < 0.4 ? this.#random.int(count + 1) : count
  }

  /** Plays the lengths up to the moment; gives the length that is left, which may be a part of the growth that came next. */
  #lengthened(result: Contents): number {
    for (const change of this.#state.changes.slice(0, this.#moment)) apply(result, withoutBytes(change))
    const next = this.#state.changes[this.#moment]
    const grown = next === undefined ? 0 : sizeAfter(result.size, next)
    if (grown <= result.size || this.#style === 'none' || this.#random.next() < 0.5) return result.size
    const size = result.size + 1 + this.#random.int(Math.min(grown - result.size, 0xffff_ffff))
    result.truncate(size)
    return size
  }

  #showForgotten(result: Contents): void {
    if (this.#moment < this.#state.bare) return       // their place may not be in the file yet
    const cuts = this.#truncations.filter((index) => index >= this.#state.bare && index < this.#moment)
    const end = Math.min(result.size, ...cuts.map((index) => sizeAfter(0, this.#state.changes[index]!)))
    for (const [page, bytes] of this.#state.forgotten) {
      if (this.#random.next() < 0.75) continue
      const count = Math.min(bytes.length, end - page * PAGE_BYTES)
      if (count > 0) result.write(bytes, 0, count, page * PAGE_BYTES)
    }
  }

  /** The sectors that were written to, each with the changes that did so, in order. */
  #touched(): Map<number, number[]> {
    const touched = new Map<number, number[]>()
    this.#state.changes.forEach((change, index) => {
      if (change.kind !== 'write') return
      const last = Math.floor((change.position + change.bytes.length - 1) / SECTOR_BYTES)
      for (let sector = Math.floor(change.position / SECTOR_BYTES); sector <= last; sector++) {
        const writes = touched.get(sector)
        if (writes === undefined) touched.set(sector, [index])
        else writes.push(index)
      }
    })
    return touched
  }

  #putSector(result: Contents, sector: number, writes: readonly number[], size: number): void {
    const start = sector * SECTOR_BYTES
    if (start >= size) return
    const { low, high } = this.#legalVersions(start + SECTOR_BYTES)
    const possible = writes.filter((index) => index >= low && index < high)
    const version = this.#draw(sector, possible)
    if (version === undefined) return       // as it was stored, or as a truncation left it: already so
    const bytes = this.#sectorAt(sector, [...writes, ...this.#truncations].filter((index) => index <= version).sort((a, b) => a - b))
    result.write(bytes, 0, Math.min(SECTOR_BYTES, size - start), start)
  }

  /**
   * Which changes a sector that ends at `end` may show: none before a truncation that the journal knew, since that freed its place on
   * the disk; none after one that the journal did not know, since the new place is not in the file yet.
   */
  #legalVersions(end: number): { low: number; high: number } {
    let low = 0
    let high = this.#state.changes.length
    for (const index of this.#truncations) {
      const change = this.#state.changes[index]!
      if (sizeAfter(Infinity, change) >= end) continue
      if (index < this.#moment) low = index + 1
      else high = Math.min(high, index)
    }
    return { low, high }
  }

  /** The last write that the sector shows, or undefined for none of them. */
  #draw(sector: number, possible: readonly number[]): number | undefined {
    switch (this.#style) {
      case 'all': return possible.at(-1)
      case 'none': return undefined
      case 'writes': return possible.findLast((index) => this.#keptWrites[index])
      case 'prefix': return possible.findLast((index) => index < this.#moment || (index === this.#moment && this.#random.next() < 0.5))
      case 'pages': return drawn(possible, this.#drawOnce(Math.floor(sector * SECTOR_BYTES / PAGE_BYTES)), this.#keepChance)
      case 'sectors': return drawn(possible, this.#random.next(), this.#keepChance)
    }
  }

  #drawOnce(page: number): number {
    const draw = this.#pageDraws.get(page) ?? this.#random.next()
    this.#pageDraws.set(page, draw)
    return draw
  }

  /** The sector after the changes `indexes`, those of them that touch it. */
  #sectorAt(sector: number, indexes: readonly number[]): Uint8Array {
    const { stored, changes, bare, forgotten } = this.#state
    const bytes = new Uint8Array(SECTOR_BYTES)
    const start = sector * SECTOR_BYTES
    stored.read(bytes, 0, SECTOR_BYTES, start)
    for (const index of indexes) if (index < bare) applyToSector(bytes, start, changes[index]!)
    const page = forgotten.get(Math.floor(start / PAGE_BYTES))?.subarray(start % PAGE_BYTES)
    if (page !== undefined) bytes.set(page.subarray(0, SECTOR_BYTES))
    for (const index of indexes) if (index >= bare) applyToSector(bytes, start, changes[index]!)
    return bytes
  }
}

function applyToSector(bytes: Uint8Array, start: number, change: Change): void {
  if (change.kind === 'truncate') bytes.fill(0, Math.min(SECTOR_BYTES, Math.max(0, change.size - start)))
  if (change.kind !== 'write') return
  const skipped = Math.max(0, start - change.position)
  const at = Math.max(0, change.position - start)
  bytes.set(change.bytes.subarray(skipped, skipped + SECTOR_BYTES - at), at)
}

const noBytes = new Uint8Array(0)

// Of `draw` in [0, 1), the part below `chance` is shared out among the versions.
function drawn(possible: readonly number[], draw: number, chance: number): number | undefined {
  return draw < chance ? possible[Math.floor((draw / chance) * possible.length)] : undefined
}

function apply(contents: Contents, change: Change): void {
  if (change.kind === 'write') contents.write(change.bytes, 0, change.bytes.length, change.position)
  else if (change.kind === 'truncate') contents.truncate(change.size)
  else if (change.size > contents.size) contents.truncate(change.size)
}

function withoutBytes(change: Change): Change {
  return change.kind === 'write' ? { kind: 'grow', size: change.position + change.bytes.length } : change
}

function sizeAfter(size: number, change: Change): number {
  if (change.kind === 'truncate') return change.size
  return Math.max(size, change.kind === 'grow' ? change.size : change.position + change.bytes.length)
}

function pagesOf(position: number, length: number): number[] {
  const first = Math.floor(position / PAGE_BYTES)
  const count = Math.floor((position + length - 1) / PAGE_BYTES) - first + 1
  return Array.from({ length: count }, (_, index) => first + index)
}

function pageOf(contents: Contents, page: number): Uint8Array {
  const bytes = new Uint8Array(PAGE_BYTES)
  return bytes.subarray(0, contents.read(bytes, 0, PAGE_BYTES, page * PAGE_BYTES))
}

function bytesOf(contents: Contents): Buffer {
  const bytes = Buffer.alloc(contents.size)
  contents.read(bytes, 0, bytes.length, 0)
  return bytes
}
