/*
 * The mark: for each partition, what was certainly synced and how far others may read (docs/format.md#mark; design decision 5).
 *
 * Two files, `mark-a` and `mark-b`, of 64-byte slots behind one 64-byte header. A slot is written (some 2 µs) to the file in turn before
 * a round's promises resolve. At most once a second the files change turns and the one that rests is synced, so no file is written
 * while its sync runs. For each partition the valid slot with the highest sequence counts, wherever it lies: a slot is only written
 * after what it says became true, so any older one that a power cut leaves is true as well, and only asks recovery to scan more.
 * Whoever takes truth back (truncation) writes the slot and syncs it first.
 *
 * Each file has two banks of slots, used in turn as well: the four banks a0, b0, a1, b1 follow each other. While one is written the one
 * before may be in its sync, and the one before that is durable, complete, and touched by nobody: so no moment is without a whole slot
 * for every partition. A bank is made complete, with the slots that did not change in its time, before it is synced.
 *
 *    0      4           8       10         16        32      36         40       48       56       64
 *    +------+-----------+-------+----------+---------+-------+----------+--------+--------+--------+
 *    | crc  | partition | flags | sequence | topicId | epoch | position | base   | synced | water- |
 *    |      |           |       | 48 bits  |         |       |          | offset | offset | mark   |
 *    +------+-----------+-------+----------+---------+-------+----------+--------+--------+--------+
 */
import { allDone } from '../base/all-done.ts'
import { getInt16, getInt32, getInt64, getUint32, setInt16, setInt32, setInt64 } from '../base/bytes.ts'
import { type Clock, type Timer } from '../base/clock.ts'
import { crc32c } from '../base/crc32c.ts'
import { LogError } from '../base/errors.ts'
import { type FileHandle, type FileSystem } from '../files/file-system.ts'
import { writeFullySync } from '../files/write-fully.ts'

/** Numbers on disk are forever. */
const MAGIC = 'cl-mark\0'
const VERSION = 1
const SLOT_SIZE = 64
const CLOSED_FLAG = 1
const PRODUCERS_FLAG = 2
const GENERATION_SHIFT = 4
const GENERATION_MASK = 0xfff
const BANKS = 4
/** In the place of its index, in a slot that was given up. */
const RELEASED = -1
/** The files grow by so many bytes of zeros, so that writing a slot never changes their length. */
const GROWTH = 16 * 1024
/** A mark larger than this is not ours: it would speak of more than 260,000 partitions. */
const MAX_BYTES = 16 * 1024 * 1024

/** The names of the mark's two files in the folder of a log. */
export const markFileNames = ['mark-a', 'mark-b'] as const

/** What a slot says of one partition. */
export interface MarkState {
  /** Leader epoch of the writer. */
  readonly epoch: number
  /** Base offset of the segment that `position` is in. */
  readonly baseOffset: number
  /** Every byte of that segment below it, and every segment before, is synced. */
  readonly position: number
  /** The offset at `position`: everything below is synced. */
  readonly syncedOffset: number
  /** What consumers may see, exclusive. */
  readonly watermark: number
  /** Written by a close in good order: the segment ends at `position`. */
  readonly closed: boolean
  /** Some producer with an id has written: recovery must rebuild producer state. */
  readonly producers: boolean
  /**
   * Counts, modulo 4096, how often files of sealed segments were removed or replaced, or the start of the log was raised: a reader in another
   * process that knows another number looks at the folder again. Default 0.
   */
  readonly generation?: number
}

/** The generation behind `generation`. */
export function nextGeneration(generation: number): number {
  return (generation + 1) & GENERATION_MASK
}

/** The place of one partition in the mark. */
export interface MarkSlot {
  /** What was read at open, or written since; undefined when the mark does not know the partition. */
  readonly state: MarkState | undefined
  /** Publishes a new state to recovery and to other processes. */
  write(state: MarkState): void
}

class Slot implements MarkSlot {
  index: number
  readonly key: Uint8Array
  state: MarkState | undefined
  sequence: number
  /** The banks that hold the latest state, a bit for each. */
  banks: number
  readonly #mark: Mark

  constructor(mark: Mark, index: number, key: Uint8Array, found: FoundSlot | undefined) {
    this.#mark = mark
    this.index = index
    this.key = key
    this.state = found?.state
    this.sequence = found?.sequence ?? 0
    this.banks = found?.banks ?? 0
  }

  write(state: MarkState): void {
    if (this.index !== RELEASED) this.#mark.put(this, state)
  }

  /** Read again: only what is newer counts, since the newest place may just be in the middle of being written. */
  found({ index, sequence, state }: FoundSlot): void {
    if (sequence <= this.sequence) return
    this.index = index
    this.sequence = sequence
    this.state = state
  }
}

interface FoundSlot {
  readonly index: number
  /** One that holds it, and all that do, a bit for each. */
  readonly bank: number
  banks: number
  readonly sequence: number
  readonly key: Uint8Array
  readonly state: MarkState
}

/** How a writer keeps its mark. */
export interface MarkOptions {
  /** Milliseconds after which the files change turns. Default 1000. */
  readonly syncMs?: number
  /** Whether the folder is certainly ours at this moment: what nobody waits for is not written while it may be somebody else's. */
  readonly mayWrite?: () => boolean
}

/** The mark of one log, shared by its partitions. */
export class Mark {
  readonly #files: FileSystem
  readonly #folder: string
  readonly #clock: Clock
  readonly #syncMs: number
  readonly #mayWrite: () => boolean
  readonly #slots = new Map<string, Slot>()
  readonly #bytes = Buffer.alloc(SLOT_SIZE)
  #handles: FileHandle[] = []
  #sizes = [0, 0]
  #bank = 0
  #slotCount = 0
  /** Indexes below `#slotCount` whose partitions were deleted. */
  readonly #free: number[] = []
  #sequence = 0
  #dirty = true
  #timer: Timer | undefined
  #syncing: Promise<void> | undefined
  #completing: Promise<void> = Promise.resolve()
  /** Stores what else must be stored before anything is written; undefined when there is nothing, or it is. */
  #besides: (() => Promise<void>) | undefined
  #storingBesides: Promise<void> | undefined
  #failure: LogError | undefined
  #restoring: Promise<void> | undefined

  private constructor(files: FileSystem, folder: string, clock: Clock, options: MarkOptions) {
    this.#files = files
    this.#folder = folder
    this.#clock = clock
    this.#syncMs = options.syncMs ?? 1000
    this.#mayWrite = options.mayWrite ?? (() => true)
    this.#read()
  }

  /** Opens the mark of `folder` for its one writer, making the files when they are missing. What it says is durable when this resolves. */
  static async open(files: FileSystem, folder: string, clock: Clock, options: MarkOptions = {}): Promise<Mark> {
    const mark = Mark.read(files, folder, clock, options)
    mark.start()
    try {
      await mark.ready()
    } catch (error) {
      await mark.close()
      throw error
    }
    return mark
  }

  /** Reads the mark of `folder` for its one writer and changes nothing: `start` and `ready` come before the first slot is written. */
  static read(files: FileSystem, folder: string, clock: Clock, options: MarkOptions = {}): Mark {
    return new Mark(files, folder, clock, options)
  }

  /** Opens the files, and makes those that are missing. `ready` tells when what was read is durable and slots may be written. */
  start(): void {
    const files = this.#files
    const folder = this.#folder
    let missing = false
    try {
      for (const [file, name] of markFileNames.entries()) {
        const path = files.join(folder, name)
        const isNew = files.statSync(path) === undefined
        missing ||= isNew
        this.#handles.push(files.openSync(path, isNew ? 'create' : 'write'))
        this.#sizes[file] = this.#handles[file]!.sizeSync()
        this.#makeRoom(file, this.#slotCount)
        this.#writeHeader(file)
      }
    } catch (error) {
      for (const handle of this.#handles) handle.closeSync()
      throw error
    }
    // Who opens a partition has other things to wait for meanwhile, and is told there when it fails.
    this.#completing = this.#complete(missing)
    this.#completing.catch(() => {})
  }

  /** Begins to store what else must be stored before anything is written: `ready` waits for it, tells its failure, and tries again then. */
  readyWith(store: () => Promise<void>): void {
    this.#besides = store
    this.#storeBesides().catch(() => {})
  }

  /** Resolves when a bank is durable and complete, so that slots may be written to the next. */
  ready(): Promise<void> {
    return this.#besides === undefined ? this.#completing : allDone([this.#completing, this.#storeBesides()])
  }

  /** Opens the mark for reading: `refresh` sees what the writer publishes. */
  static openReadOnly(files: FileSystem, folder: string, clock: Clock): Mark {
    return new Mark(files, folder, clock, {})
  }

  /** The slot of a partition, a new one if the mark does not know it. */
  slot(topicId: Uint8Array, partition: number): MarkSlot {
    const key = slotKey(topicId, partition)
    const name = Buffer.from(key).toString('hex')
    let slot = this.#slots.get(name)
    if (slot === undefined) {
      slot = new Slot(this, this.#free.pop() ?? this.#slotCount++, key, undefined)
      this.#slots.set(name, slot)
    }
    return slot
  }

  /**
   * Gives up the slots of a topic that was deleted, for partitions to come. What the banks still hold of it is older than what is written
   * there next, and counts no more when the catalog does not know the topic. What its partitions write from now on goes nowhere.
   */
  release(topicId: Uint8Array): void {
    const topic = Buffer.from(topicId)
    for (const [name, slot] of this.#slots) if (topic.compare(slot.key, TOPIC_AT) === 0) this.#release(name, slot)
  }

  /** Gives up the slots of all other topics: of those that were deleted before. Comes before `start`. */
  keepOnly(topicIds: readonly Uint8Array[]): void {
    const kept = new Set(topicIds.map((id) => Buffer.from(id).toString('hex')))
    for (const [name, slot] of this.#slots) if (!kept.has(Buffer.from(slot.key.subarray(TOPIC_AT)).toString('hex'))) this.#slots.delete(name)
    const used = new Set(Array.from(this.#slots.values(), ({ index }) => index))
    this.#free.length = 0
    for (let index = this.#slotCount - 1; index >= 0; index--) if (!used.has(index)) this.#free.push(index)
  }

  /** Reads the files again, for readers beside a living writer. */
  refresh(): void {
    this.#read()
  }

  /** @internal Writes a slot; called by slots only. */
  put(slot: Slot, state: MarkState): void {
    if (this.#failure !== undefined) throw this.#failure
    slot.banks = 0       // a write that fails may leave half of it
    this.#write(slot, state, ++this.#sequence)
    slot.state = state
    slot.sequence = this.#sequence
    slot.banks = 1 << this.#bank
    this.#dirty = true
    this.#arm()
  }

  /** Makes every slot written so far durable; callers that come while a sync runs share the next one. */
  async sync(): Promise<void> {
    while (this.#syncing !== undefined) await this.#syncing
    if (this.#failure !== undefined) throw this.#failure
    if (!this.#dirty) return
    this.#syncing = this.#syncBank()
    try {
      await this.#syncing
    } finally {
      this.#syncing = undefined
    }
  }

  /**
   * After a failure: stores every slot again, in one bank after the other. Resolves when slots can be written again, at once when nothing
   * failed; rejects while the disk still fails.
   */
  async restore(): Promise<void> {
    if (this.#failure === undefined && this.#restoring === undefined) return
    this.#restoring ??= this.#storeAgain().finally(() => { this.#restoring = undefined })
    await this.#restoring
  }

  async close(): Promise<void> {
    this.#timer?.cancel()
    await this.#completing.catch(() => {})       // told by `ready`, or by the next sync
    await this.#storingBesides?.catch(() => {})
    try {
      if (this.#failure === undefined && this.#mayWrite()) await this.sync()
    } finally {
      this.#timer?.cancel()
      for (const handle of this.#handles) handle.closeSync()
      this.#handles = []
    }
  }

  #storeBesides(): Promise<void> {
    this.#storingBesides ??= this.#besides!().then(() => { this.#besides = undefined }).finally(() => { this.#storingBesides = undefined })
    return this.#storingBesides
  }

  /** What was read may be known to the page cache alone: none of it is overwritten before all of it is durable. */
  async #complete(missing: boolean): Promise<void> {
    if (this.#files.durable) {
      try {
        await this.#files.sync(this.#handles)
        if (missing) await this.#files.syncFolder(this.#folder)
      } catch (error) {
        throw this.#failed(error)
      }
    }
    // After a close in good order the last bank is complete: nothing is written before that is durable, which it is now.
    const last = 1 << ((this.#bank + BANKS - 1) % BANKS)
    this.#dirty = [...this.#slots.values()].some(({ banks }) => (banks & last) === 0)
    await this.sync()
  }

  async #storeAgain(): Promise<void> {
    this.#failure = undefined
    await this.#completing.catch(() => {})       // a first one that failed is made up for
    for (const slot of this.#slots.values()) slot.banks = 0
    for (let bank = 0; bank < BANKS; bank++) {
      this.#dirty = true
      await this.sync()
    }
    this.#completing = Promise.resolve()
  }

  async #syncBank(): Promise<void> {
    const bank = this.#bank
    try {
      for (const slot of this.#slots.values()) {
        if (slot.state === undefined || (slot.banks & (1 << bank)) !== 0) continue
        this.#write(slot, slot.state, slot.sequence)
        slot.banks |= 1 << bank
      }
      this.#bank = (bank + 1) % BANKS
      this.#dirty = false
      if (this.#files.durable) await this.#files.sync([this.#handles[bank & 1]!])
    } catch (error) {
      throw this.#failed(error)
    }
  }

  /** What the files hold is unknown from here on, and the bank before the one in turn may not be complete. */
  #failed(cause: unknown): LogError {
    return (this.#failure = new LogError('LOG_IO', `the mark of ${this.#folder} could not be stored`, { path: this.#folder }, cause))
  }

  #write(slot: Slot, state: MarkState, sequence: number): void {
    const file = this.#bank & 1
    encodeSlot(this.#bytes, slot.key, sequence, state)
    this.#makeRoom(file, slot.index + 1)
    writeFullySync(this.#handles[file]!, this.#bytes, 0, SLOT_SIZE, slotPosition(slot.index, this.#bank))
  }

  #arm(): void {
    if (this.#timer !== undefined || !this.#files.durable) return
    this.#timer = this.#clock.setTimer(() => {
      this.#timer = undefined
      if (!this.#dirty || this.#handles.length === 0) return
      if (!this.#mayWrite()) return this.#arm()
      // A failure is kept and thrown by the next round that wants to write its slot.
      this.sync().then(() => { if (this.#dirty && this.#handles.length > 0) this.#arm() }, () => {})
    }, this.#syncMs, { ref: false })
  }

  /** The header is always written again: of a file that was made just before a power cut there may be nothing but its length. */
  #writeHeader(file: number): void {
    const header = Buffer.alloc(SLOT_SIZE)
    encodeHeader(header)
    writeFullySync(this.#handles[file]!, header, 0, SLOT_SIZE, 0)
  }

  #release(name: string, slot: Slot): void {
    this.#slots.delete(name)
    this.#free.push(slot.index)
    slot.index = RELEASED
  }

  #makeRoom(file: number, slots: number): void {
    const size = this.#sizes[file]!
    const needed = slotPosition(slots, 0)
    if (size >= needed && size > 0) return
    const grown = Math.ceil(needed / GROWTH) * GROWTH
    const zeros = Buffer.alloc(grown - size)
    writeFullySync(this.#handles[file]!, zeros, 0, zeros.length, size)
    this.#sizes[file] = grown
  }

  #read(): void {
    const all = readMark(this.#files, this.#folder)
    // A place that was given up and taken by another partition may show both: in one bank the newer, in the others the older one.
    const owners = new Map<number, FoundSlot>()
    for (const found of all.values()) if (found.sequence > (owners.get(found.index)?.sequence ?? 0)) owners.set(found.index, found)
    for (const [name, found] of all) {
      if (owners.get(found.index) !== found) continue
      const slot = this.#slots.get(name)
      if (slot === undefined) this.#slots.set(name, new Slot(this, found.index, found.key, found))
      else slot.found(found)
      this.#slotCount = Math.max(this.#slotCount, found.index + 1)
      if (found.sequence <= this.#sequence) continue
      this.#sequence = found.sequence
      this.#bank = (found.bank + 1) % BANKS
    }
  }
}

function slotPosition(index: number, bank: number): number {
  return SLOT_SIZE * (1 + index * 2 + (bank >> 1))
}

/** Every partition's newest valid slot, by key in hex. Files that are missing, short or not ours count as empty. */
function readMark(files: FileSystem, folder: string): Map<string, FoundSlot> {
  const newest = new Map<string, FoundSlot>()
  for (const [file, fileName] of markFileNames.entries()) {
    const path = files.join(folder, fileName)
    const bytes = readWhole(files, path)
    if (bytes === undefined || !checkHeader(bytes, path)) continue
    const end = usedBytes(bytes)
    for (let number = 0; SLOT_SIZE * (number + 2) <= end; number++) {
      const at = SLOT_SIZE * (number + 1)
      // A checksum of zero in front of a slot of zeros: never written, as many are.
      if (getInt32(bytes, at) === 0 || !isWhole(bytes, at)) continue
      const key = Buffer.concat([bytes.subarray(at + 4, at + 8), bytes.subarray(at + 16, at + 32)])
      const name = key.toString('hex')
      const sequence = sequenceAt(bytes, at)
      const known = newest.get(name)
      const bank = file + 2 * (number & 1)
      if (known !== undefined && known.sequence === sequence && known.index === number >> 1) known.banks |= 1 << bank
      if (sequence <= (known?.sequence ?? 0)) continue
      newest.set(name, { index: number >> 1, bank, banks: 1 << bank, sequence, key, state: decodeSlot(bytes, at) })
    }
  }
  return newest
}

/** Where headers and slots lie in the files of the mark that were written once and are not whole any more. For checks of a folder. */
export function damagedSlots(files: FileSystem, folder: string): { readonly path: string; readonly position: number }[] {
  return markFileNames.flatMap((name) => {
    const path = files.join(folder, name)
    const bytes = readWhole(files, path)
    if (bytes === undefined || isZero(bytes, 0, bytes.length)) return []
    const damaged = checkHeader(bytes, path) ? [] : [{ path, position: 0 }]
    for (let at = SLOT_SIZE; at + SLOT_SIZE <= bytes.length; at += SLOT_SIZE) {
      if (!isWhole(bytes, at) && !isZero(bytes, at, at + SLOT_SIZE)) damaged.push({ path, position: at })
    }
    return damaged
  })
}

/** A slot as it lies in a file of the mark. */
export interface StoredSlot {
  readonly partition: number
  readonly topicId: Uint8Array
  readonly sequence: number
  readonly state: MarkState
}

/** The whole slots of one file of the mark in their order, newer and older ones of a partition: for those who show it. */
export function readMarkSlots(bytes: Buffer, path: string): StoredSlot[] {
  if (!checkHeader(bytes, path)) throw new LogError('LOG_FILE_CORRUPT', `${path} does not begin with the header of a mark`, { path })
  const places = Array.from({ length: Math.floor(bytes.length / SLOT_SIZE) - 1 }, (_, number) => SLOT_SIZE * (number + 1))
  return places.filter((at) => isWhole(bytes, at)).map((at) => ({
    partition: getInt32(bytes, at + 4), topicId: bytes.subarray(at + 16, at + 32), sequence: sequenceAt(bytes, at), state: decodeSlot(bytes, at),
  }))
}

function sequenceAt(bytes: Buffer, at: number): number {
  return (getInt16(bytes, at + 10) & 0xffff) * 0x1_0000_0000 + getUint32(bytes, at + 12)
}

function isWhole(bytes: Buffer, at: number): boolean {
  return getUint32(bytes, at) === crc32c(bytes, at + 4, at + SLOT_SIZE)
}

function isZero(bytes: Buffer, from: number, to: number): boolean {
  return bytes.subarray(from, to).every((byte) => byte === 0)
}

/** Where the pieces of zeros at the end begin: most slots of most marks were never written. */
function usedBytes(bytes: Buffer): number {
  let end = bytes.length
  const zeros = Buffer.alloc(1024)
  while (end >= zeros.length && bytes.compare(zeros, 0, zeros.length, end - zeros.length, end) === 0) end -= zeros.length
  return end
}

function readWhole(files: FileSystem, path: string): Buffer | undefined {
  const stat = files.statSync(path)
  if (stat === undefined || stat.kind !== 'file') return undefined
  if (stat.size > MAX_BYTES) throw new LogError('LOG_FILE_CORRUPT', `${path} has ${stat.size} bytes, a mark at most ${MAX_BYTES}`, { path })
  const bytes = Buffer.alloc(stat.size)
  const handle = files.openSync(path, 'read')
  try {
    const count = handle.readSync(bytes, 0, bytes.length, 0)
    return bytes.subarray(0, count)
  } finally {
    handle.closeSync()
  }
}

function encodeHeader(bytes: Buffer): void {
  bytes.write(MAGIC, 0, 'latin1')
  setInt32(bytes, 8, VERSION)
  setInt32(bytes, 12, SLOT_SIZE)
  setInt32(bytes, 60, crc32c(bytes, 0, 60))
}

/** False for a header that was never written whole; throws for one of a newer version. */
function checkHeader(bytes: Buffer, path: string): boolean {
  if (bytes.length < SLOT_SIZE || getUint32(bytes, 60) !== crc32c(bytes, 0, 60)) return false
  if (bytes.toString('latin1', 0, 8) !== MAGIC) return false
  const version = getInt32(bytes, 8)
  if (version <= VERSION) return true
  throw new LogError('LOG_VERSION_UNSUPPORTED', `${path} has version ${version}, this commitlog reads up to ${VERSION}`, { path, version })
}

/** Where the topic's id stands in the key of a slot, behind the partition. */
const TOPIC_AT = 4

function slotKey(topicId: Uint8Array, partition: number): Uint8Array {
  const key = new Uint8Array(20)
  setInt32(key, 0, partition)
  key.set(topicId, TOPIC_AT)
  return key
}

function encodeSlot(bytes: Buffer, key: Uint8Array, sequence: number, state: MarkState): void {
  bytes.set(key.subarray(0, 4), 4)
  const flags = (state.closed ? CLOSED_FLAG : 0) | (state.producers ? PRODUCERS_FLAG : 0)
  setInt16(bytes, 8, flags | (((state.generation ?? 0) & GENERATION_MASK) << GENERATION_SHIFT))
  setInt16(bytes, 10, Math.floor(sequence / 0x1_0000_0000))
  setInt32(bytes, 12, sequence % 0x1_0000_0000)
  bytes.set(key.subarray(4), 16)
  setInt32(bytes, 32, state.epoch)
  setInt32(bytes, 36, state.position)
  setInt64(bytes, 40, state.baseOffset)
  setInt64(bytes, 48, state.syncedOffset)
  setInt64(bytes, 56, state.watermark)
  setInt32(bytes, 0, crc32c(bytes, 4, SLOT_SIZE))
}

function decodeSlot(bytes: Buffer, at: number): MarkState {
  const flags = getInt16(bytes, at + 8)
  return {
    epoch: getInt32(bytes, at + 32),
    position: getUint32(bytes, at + 36),
    baseOffset: getInt64(bytes, at + 40),
    syncedOffset: getInt64(bytes, at + 48),
    watermark: getInt64(bytes, at + 56),
    closed: (flags & CLOSED_FLAG) !== 0,
    producers: (flags & PRODUCERS_FLAG) !== 0,
    generation: (flags >> GENERATION_SHIFT) & GENERATION_MASK,
  }
}
