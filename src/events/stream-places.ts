/*
 * Where every 64th event of each stream lies, so that a read may begin in the middle of a stream: going back from there takes 63 steps at
 * most, however long the stream is. Those of the segment that is written are in memory; when it is sealed they become a file beside it
 * (segment-index.ts), which is read when somebody looks far back, never at open. Disposable: what is missing, damaged or of another history is
 * made again from its segment.
 *
 * A place is a hint, as those in the records are: forgetting and compression move records, and their offsets stay.
 */
import { type Clock } from '../base/clock.ts'
import { type FileSystem } from '../files/file-system.ts'
import { readFileSync, writeFileAtomically } from '../files/write-fully.ts'
import { type PartitionLog } from '../log/partition-log.ts'
import { walkBatches } from '../log/point-reads.ts'
import { type RecordVisit, visitRecords } from './batch-records.ts'
import { EventParser, FORGETS, UNKNOWN } from './event-format.ts'
import { type EventPlace, SegmentIndex } from './segment-index.ts'
import { type StreamTable } from './stream-table.ts'

/** Of each stream the events have a place whose versions are multiples of this. */
export const PLACED_VERSIONS = 64
/** Indexes of sealed segments in memory, in bytes: those that were looked at last. */
const CACHE_BYTES = 8 * 1024 * 1024
const MAX_FILE_BYTES = 0x7fff_ffff
const OFFSET_DIGITS = 20
const WORDS_A_PLACE = 6

/** Name of the file beside the segment that begins at `baseOffset`. */
export function segmentIndexName(baseOffset: number): string {
  return `events-index-${String(baseOffset).padStart(OFFSET_DIGITS, '0')}`
}

/** What places are kept of, and where. */
export interface PlacesOptions {
  readonly log: PartitionLog
  readonly files: FileSystem
  readonly folder: string
  readonly clock: Clock
  readonly readOnly: boolean
  /** Default {@link PLACED_VERSIONS}. */
  readonly every: number | undefined
}

/** The places in the segment that is written, in the order of their events. */
export interface GrowingPlaces {
  readonly baseOffset: number
  /** All from here on is there; below it something may be missing. */
  readonly from: number
  /** The stream, version, offset, position, at and size of each. */
  readonly words: Float64Array
}

/** The segment that is written. */
class Growing {
  readonly baseOffset: number
  from: number
  slots: number[] = []
  places: EventPlace[] = []

  constructor(baseOffset: number, from: number) {
    this.baseOffset = baseOffset
    this.from = from
  }
}

/** The places of one category. */
export class StreamPlaces {
  readonly every: number
  readonly #options: PlacesOptions
  readonly #parser = new EventParser()
  /** Sealed, and not made an index yet. */
  readonly #sealed = new Map<number, () => SegmentIndex>()
  readonly #making = new Map<number, Promise<SegmentIndex>>()
  readonly #cache = new Map<number, SegmentIndex>()
  #cacheBytes = 0
  #growing: Growing | undefined
  /** Everything from here on has come by. */
  #from = 0
  #writing: Promise<void> = Promise.resolve()

  constructor(options: PlacesOptions) {
    this.#options = options
    this.every = options.every ?? PLACED_VERSIONS
  }

  /** Forgets everything: what comes by next begins at `from`. */
  clear(from: number): void {
    this.#growing = undefined
    this.#from = from
    this.#sealed.clear()
    this.#making.clear()
    this.#cache.clear()
    this.#cacheBytes = 0
  }

  // What is stored

  /** What comes next is in the segment that begins at `baseOffset`: another one than before is sealed, and all of it is acknowledged. */
  reached(baseOffset: number, table: StreamTable): void {
    const growing = this.#growing
    if (growing?.baseOffset === baseOffset) return
    if (growing !== undefined) this.#seal(growing, baseOffset, table)
    this.#growing = new Growing(baseOffset, Math.max(baseOffset, this.#from))
  }

  /** An event was stored whose version has a place. */
  add(slot: number, place: EventPlace): void {
    this.#growing!.slots.push(slot)
    this.#growing!.places.push(place)
  }

  /** Events from `offset` on are not stored in the end. */
  lost(offset: number): void {
    const growing = this.#growing
    if (growing === undefined) return
    const { places, slots } = growing
    while (places.length > 0 && places[places.length - 1]!.offset >= offset) {
      places.pop()
      slots.pop()
    }
  }

  /** What is in memory only, for the checkpoint: events below `end`. */
  dump(end: number): GrowingPlaces | undefined {
    const growing = this.#growing
    if (growing === undefined) return undefined
    const { baseOffset, from, slots, places } = growing
    const stored = places.findIndex(({ offset }) => offset >= end)
    const count = stored < 0 ? places.length : stored
    const words = new Float64Array(count * WORDS_A_PLACE)
    for (let index = 0; index < count; index++) {
      const { version, offset, position, at, size } = places[index]!
      words.set([slots[index]!, version, offset, position, at, size], index * WORDS_A_PLACE)
    }
    return { baseOffset, from, words }
  }

  /** Takes up what `dump` gave. */
  load({ baseOffset, from, words }: GrowingPlaces): void {
    const growing = new Growing(baseOffset, from)
    for (let index = 0; index < words.length; index += WORDS_A_PLACE) {
      const [slot, version, offset, position, at, size] = words.subarray(index, index + WORDS_A_PLACE)
      growing.slots.push(slot!)
      growing.places.push({ version: version!, offset: offset!, position: position!, at: at!, size: size! })
    }
    this.#growing = growing
    this.#from = from
  }

  /** Writes what is sealed and not written; resolves when no file is being written any more. */
  settled(): Promise<void> {
    for (const baseOffset of [...this.#sealed.keys()]) this.#store(baseOffset)
    return this.#writing
  }

  // Looking up

  /**
   * Where an event lies whose version has a place; undefined when nobody knows, and for one that is not stored. What goes wrong on the way makes
   * it undefined too: there is always the way from the head of the stream.
   */
  async find(table: StreamTable, slot: number, version: number): Promise<EventPlace | undefined> {
    try {
      const known = this.#inGrowing(slot, version) ?? (await this.#inSealed(table.idBytesOf(slot), version))
      if (known !== undefined || this.#growing === undefined || this.#growing.from <= this.#growing.baseOffset) return known
      await this.#complete(this.#growing, table)
      return this.#inGrowing(slot, version)
    } catch {
      return undefined
    }
  }

  #inGrowing(slot: number, version: number): EventPlace | undefined {
    if (this.#growing === undefined) return undefined
    const { slots, places } = this.#growing
    for (let index = slots.length - 1; index >= 0; index--) if (slots[index] === slot && places[index]!.version === version) return places[index]
    return undefined
  }

  /** Streams need not be in every segment: those without it are passed by. Cost: O(log segments) for a stream that is in all of them. */
  async #inSealed(id: Uint8Array, version: number): Promise<EventPlace | undefined> {
    const { segments } = this.#options.log
    let low = 0
    let high = segments.length - 2
    while (low <= high) {
      const middle = (low + high) >>> 1
      let number = middle
      let index = await this.#indexOf(segments[number]!.baseOffset, segments[number + 1]!.baseOffset)
      let range = index.rangeOf(id)
      while (range === undefined && --number >= low) {
        index = await this.#indexOf(segments[number]!.baseOffset, segments[number + 1]!.baseOffset)
        range = index.rangeOf(id)
      }
      if (range === undefined || range.last < version) low = middle + 1
      else if (version < range.first) high = number - 1
      else return index.placeOf(id, version)
    }
    return undefined
  }

  #indexOf(baseOffset: number, endOffset: number): SegmentIndex | Promise<SegmentIndex> {
    const cached = this.#cache.get(baseOffset)
    if (cached?.segment.endOffset === endOffset) {
      this.#cache.delete(baseOffset)
      this.#cache.set(baseOffset, cached)
      return cached
    }
    const known = this.#sealed.get(baseOffset)?.() ?? this.#readFile(baseOffset, endOffset)
    if (known !== undefined) return this.#keep(known)
    let making = this.#making.get(baseOffset)
    if (making === undefined) {
      making = this.#make(baseOffset, endOffset).finally(() => this.#making.delete(baseOffset))
      this.#making.set(baseOffset, making)
    }
    return making
  }

  #keep(index: SegmentIndex): SegmentIndex {
    const { baseOffset } = index.segment
    this.#cacheBytes += index.byteLength - (this.#cache.get(baseOffset)?.byteLength ?? 0)
    this.#cache.delete(baseOffset)
    this.#cache.set(baseOffset, index)
    for (const [oldest, { byteLength }] of this.#cache) {
      if (this.#cacheBytes <= CACHE_BYTES || this.#cache.size === 1) break
      this.#cache.delete(oldest)
      this.#cacheBytes -= byteLength
    }
    return index
  }

  // Files

  #path(baseOffset: number): string {
    return this.#options.files.join(this.#options.folder, segmentIndexName(baseOffset))
  }

  /** The file of a segment, if there is one that is of it. */
  #readFile(baseOffset: number, endOffset: number): SegmentIndex | undefined {
    const { files, log } = this.#options
    const path = this.#path(baseOffset)
    try {
      const bytes = readFileSync(files, path, MAX_FILE_BYTES)
      if (bytes === undefined) return undefined
      const index = SegmentIndex.decode(bytes, path)
      const { segment } = index
      const isSame = segment.baseOffset === baseOffset && segment.endOffset === endOffset
      return isSame && log.epochs.divergence({ epoch: segment.epoch, offset: endOffset }, log.nextOffset) === endOffset ? index : undefined
    } catch {
      // It only costs time that it cannot be read, whatever the reason.
      return undefined
    }
  }

  #seal({ baseOffset, from, slots, places }: Growing, endOffset: number, table: StreamTable): void {
    if (from > baseOffset) return
    const { clock } = this.#options
    let index: SegmentIndex | undefined
    const make = (): SegmentIndex => {
      if (index !== undefined) return index
      const streams = new Map<number, EventPlace[]>()
      slots.forEach((slot, number) => listOf(streams, slot).push(places[number]!))
      const byId = new Map([...streams].map(([slot, list]) => [table.idBytesOf(slot).toString('latin1'), list]))
      return (index = SegmentIndex.of({ epoch: this.#options.log.leaderEpoch, baseOffset, endOffset }, byId))
    }
    this.#sealed.set(baseOffset, make)
    clock.defer(() => this.#store(baseOffset))
  }

  #store(baseOffset: number): void {
    const make = this.#sealed.get(baseOffset)
    if (make === undefined) return
    this.#sealed.delete(baseOffset)
    this.#write(this.#keep(make()))
  }

  #write(index: SegmentIndex): void {
    const { files, readOnly } = this.#options
    if (readOnly || !files.durable) return
    // Without the file it is made again when somebody asks.
    this.#writing = this.#writing.then(() => writeFileAtomically(files, this.#path(index.segment.baseOffset), index.encode())).catch(() => {})
  }

  // From the log

  async #make(baseOffset: number, endOffset: number): Promise<SegmentIndex> {
    // Of before the walk: should the log be cut meanwhile, what was found is of a history that is gone.
    const epoch = this.#options.log.leaderEpoch
    const streams = new Map<string, EventPlace[]>()
    await this.#walk(baseOffset, endOffset, (buffer, from, to, place) => listOf(streams, buffer.toString('latin1', from, to)).push(place))
    const index = this.#keep(SegmentIndex.of({ epoch, baseOffset, endOffset }, streams))
    this.#write(index)
    return index
  }

  /** What was stored in the segment that is written before this process, or without its checkpoint. */
  async #complete(growing: Growing, table: StreamTable): Promise<void> {
    const before = new Growing(growing.baseOffset, growing.baseOffset)
    await this.#walk(growing.baseOffset, growing.from, (buffer, from, to, place) => {
      before.slots.push(table.findBytes(buffer, from, to))
      before.places.push(place)
    })
    if (growing.from === growing.baseOffset) return
    growing.slots.unshift(...before.slots)
    growing.places.unshift(...before.places)
    growing.from = growing.baseOffset
  }

  async #walk(from: number, to: number, take: (buffer: Buffer, keyAt: number, keyEnd: number, place: EventPlace) => void): Promise<void> {
    const { log, clock } = this.#options
    const turn = (): Promise<void> => new Promise((resolve) => clock.defer(resolve))
    const parser = this.#parser
    let position = 0
    const visit: RecordVisit = (buffer, bodyAt, end, offset, at, size) => {
      if (offset < from || offset >= to || !parser.parse(buffer, bodyAt, end)) return
      const { version, flags, keyAt, keyEnd } = parser
      if ((flags & FORGETS) !== 0 || version % this.every !== 0) return
      take(buffer, keyAt, keyEnd, { version, offset, position: size === 0 ? UNKNOWN : position, at, size })
    }
    await walkBatches(log, from, (header, buffer, batchAt, batchPosition) => {
      position = batchPosition
      visitRecords(header, buffer, batchAt, visit)
    }, turn, to)
  }
}

function listOf<Key>(lists: Map<Key, EventPlace[]>, key: Key): EventPlace[] {
  let list = lists.get(key)
  if (list === undefined) lists.set(key, list = [])
  return list
}
