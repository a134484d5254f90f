/*
 * The row of segments of one partition, oldest first; the last one is active. Finds the segment, the batch group or the place in a file
 * for an offset.
 */
import { getInt32, getInt64 } from '../base/bytes.ts'
import { readFullySync } from '../files/write-fully.ts'
import { BASE_OFFSET_AT, LAST_OFFSET_DELTA_AT, MAGIC, MAGIC_AT, RECORDS_AT } from '../format/batch.ts'
import { guarded } from './io-error.ts'
import { type Segment } from './segment.ts'
import { BatchGroup, type GroupTable, type WindowCache, Window } from './windows.ts'

/** A group of batches larger than this is not cached: a scan reads it. */
const LARGEST_GROUP = 2 * 1024 * 1024

/** Behind the last batch of a row of segments. */
export function contentEnd(segments: readonly Segment[]): number {
  return segments.findLast(({ size }) => size > 0)?.contentEnd() ?? segments[0]!.baseOffset
}

/** The segments of one partition. */
export class Segments {
  readonly #windows: WindowCache
  #list: Segment[]

  constructor(windows: WindowCache, list: Segment[]) {
    this.#windows = windows
    this.#list = list
  }

  get all(): readonly Segment[] {
    return this.#list
  }

  get first(): Segment {
    return this.#list[0]!
  }

  /** The one that is appended to. */
  get active(): Segment {
    return this.#list[this.#list.length - 1]!
  }

  get bytes(): number {
    let bytes = 0
    for (const segment of this.#list) bytes += segment.size
    return bytes
  }

  add(segment: Segment): void {
    this.#list.push(segment)
  }

  /** Replaces the row, after segments were removed. */
  replace(list: Segment[]): void {
    const stay = new Set(list)
    for (const segment of this.#list) {
      this.forgetGroups(segment)
      segment.gone = !stay.has(segment)
    }
    this.#list = list
  }

  /** Puts one segment in the place of several that lie side by side. */
  exchange(old: readonly Segment[], fresh: Segment): void {
    this.#list = this.#list.toSpliced(this.#list.indexOf(old[0]!), old.length, fresh)
    for (const segment of old) {
      this.forgetGroups(segment)
      segment.gone = true
    }
  }

  /** The last segment that begins at or below `offset`; the first one for offsets below all. Cost: O(log segments). */
  at(offset: number): Segment {
    let low = 0
    let high = this.#list.length - 1
    while (low < high) {
      const middle = (low + high + 1) >>> 1
      if (this.#list[middle]!.baseOffset <= offset) low = middle
      else high = middle - 1
    }
    return this.#list[low]!
  }

  /** Behind the last batch of all. */
  get contentEnd(): number {
    return contentEnd(this.#list)
  }

  /** The segment behind `segment`, which may be one that was replaced. */
  after(segment: Segment): Segment | undefined {
    const number = this.#list.indexOf(segment)
    return number >= 0 ? this.#list[number + 1] : this.#list.find(({ baseOffset }) => baseOffset > segment.baseOffset)
  }

  /** A batch boundary at or before the batch that holds `offset`. */
  scanPosition(segment: Segment, offset: number): number {
    const number = this.#groupNumber(segment, offset)
    return number === 0 ? 0 : segment.offsetIndex.entry(number - 1).position
  }

  /** The batches between two index entries, one of which holds `offset`; undefined at the end of a growing segment and when too large. */
  group(segment: Segment, offset: number): BatchGroup | undefined {
    const group = this.#knownGroup(segment, offset) ?? this.#readGroup(segment, this.#groupNumber(segment, offset))
    if (group !== undefined) group.used = true
    return group
  }

  /** Forgets what is in memory of a segment's file: it was cut, or is gone. */
  forgetGroups(segment: Segment): void {
    segment.groupTable = undefined
  }

  /** The group in memory that holds `offset`: it was found by the index when it was read, and needs no other look at it. */
  #knownGroup(segment: Segment, offset: number): BatchGroup | undefined {
    const { groups } = this.#table(segment)
    const number = segment.offsetIndex.countUpTo(offset)
    const group = groups[number]
    if (group !== undefined && group.holds(offset)) return group
    const next = groups[number + 1]
    return next !== undefined && next.holds(offset) ? next : undefined
  }

  #readGroup(segment: Segment, number: number): BatchGroup | undefined {
    const table = this.#table(segment)
    const index = segment.offsetIndex
    const last = number === index.count
    if (last && segment.growing) return undefined
    const position = number === 0 ? 0 : index.entry(number - 1).position
    const end = last ? segment.size : index.entry(number).position
    if (end - position > LARGEST_GROUP) return undefined
    const window = new Window(end - position)
    const size = guarded(`reading ${segment.path}`, () => readFullySync(segment.reader(), window.buffer, 0, end - position, position))
    const firstOffset = number === 0 ? segment.baseOffset : this.#firstOffset(segment, number - 1)!
    const endOffset = last ? Infinity : this.#firstOffset(segment, number)!
    const group = new BatchGroup(window, { position, size, firstOffset, endOffset }, () => { table.groups[number] = undefined })
    table.groups[number] = group
    this.#windows.keep(group)
    return group
  }

  /**
   * Which group holds `offset`: group n begins at entry n − 1. An entry has the *last* offset of its batch, so an offset just above one
   * entry may lie in the batch of the next: the first offset of that batch decides.
   */
  #groupNumber(segment: Segment, offset: number, rebuilt = false): number {
    const index = segment.offsetIndex
    const number = index.countUpTo(offset)
    // Both neighbours are looked at, so an entry that does not point at its batch is noticed before anybody reads there.
    const here = number === 0 ? segment.baseOffset : this.#firstOffset(segment, number - 1)
    const next = number === index.count ? Infinity : this.#firstOffset(segment, number)
    if (here !== undefined && next !== undefined) return next <= offset ? number + 1 : number
    if (rebuilt) return 0
    segment.remakeIndexes()
    return this.#groupNumber(segment, offset, true)
  }

  /** First offset of the batch that an index entry points at; undefined when there is no such batch. */
  #firstOffset(segment: Segment, entryNumber: number): number | undefined {
    const { firstOffsets } = this.#table(segment)
    const known = firstOffsets[entryNumber]
    if (known !== undefined) return known
    const { offset, position } = segment.offsetIndex.entry(entryNumber)
    const header = Buffer.allocUnsafe(RECORDS_AT)
    const count = guarded(`reading ${segment.path}`, () => readFullySync(segment.reader(), header, 0, RECORDS_AT, position))
    if (count < RECORDS_AT || header[MAGIC_AT] !== MAGIC) return undefined
    const baseOffset = getInt64(header, BASE_OFFSET_AT)
    if (baseOffset + getInt32(header, LAST_OFFSET_DELTA_AT) !== offset) return undefined
    firstOffsets[entryNumber] = baseOffset
    return baseOffset
  }

  #table(segment: Segment): GroupTable {
    let table = segment.groupTable
    if (table?.generation !== segment.generation) {
      // With their length from the start: arrays that are filled here and there first would become hash tables.
      const length = segment.offsetIndex.count + 1
      table = { generation: segment.generation, groups: new Array(length), firstOffsets: new Array(length) }
      segment.groupTable = table
    }
    return table
  }
}
