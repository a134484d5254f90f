/*
 * Which streams there are, and where the last event of each is: kept in step with what is appended, put right when an append is lost, and
 * made from the log when it is opened: from the checkpoint on, if there is one that is of this log.
 *
 * An append counts for those behind it at once: the table holds what is appended, stored or not. What is lost later is undone backwards.
 */
import { type PartitionLog } from '../log/partition-log.ts'
import { walkBatches } from '../log/point-reads.ts'
import { type AppendWatcher } from '../log/record-group.ts'
import { type TailBatch } from '../log/tail.ts'
import { readUtf8 } from '../topics/utf8.ts'
import { type AppendGroup, type StreamWork } from './append-group.ts'
import { type RecordVisit, visitRecords } from './batch-records.ts'
import { EventParser, FORGETS, OWN_ID, UNKNOWN } from './event-format.ts'
import { IdWindow } from './id-window.ts'
import { type StreamPlaces } from './stream-places.ts'
import { type StreamHash, StreamTable } from './stream-table.ts'

/** So much is appended between two checkpoints, and so many times what one takes: both bound what an open after a crash has to look at. */
const CHECKPOINT_BYTES = 64 * 1024 * 1024
const CHECKPOINT_RATIO = 4

/** An append that is not acknowledged: what the table was before it. */
interface Undo {
  readonly work: StreamWork
  readonly firstOffset: number
  readonly lastOffset: number
  /** First version kept before, when the append changed it. */
  readonly keptFrom: number | undefined
}

/** The streams of one partition. */
export class StreamIndex implements AppendWatcher {
  table: StreamTable
  ids: IdWindow
  /** Where events in the middle of long streams lie. */
  readonly places: StreamPlaces
  /** First version kept, of streams that have forgotten some. */
  kept = new Map<number, number>()
  /** Everything below it is in the table. */
  indexed = 0
  /** Everything below it is acknowledged. */
  acknowledgedEnd = 0
  /** The log was cut below what is in the table. */
  stale = false
  /** Bytes that a walk would have to look at when the checkpoint is lost. */
  bytesSinceCheckpoint = 0
  /** Called when it is time for a checkpoint; not while one is being written. */
  onDue: (() => void) | undefined
  /** Called when appends were lost: what was made of them is to be forgotten. */
  onLost: ((offset: number) => void) | undefined
  readonly #log: PartitionLog
  readonly #hash: StreamHash | undefined
  readonly #key: readonly [number, number]
  #undo: Undo[] = []
  #undoFrom = 0
  /** Undo entries from here on belong to batches that are not written. */
  #writtenFrom = 0
  readonly #parser = new EventParser()

  constructor(
    log: PartitionLog, places: StreamPlaces, key: readonly [number, number],
    options: { readonly idWindow: number; readonly hash: StreamHash | undefined },
  ) {
    this.#log = log
    this.places = places
    this.#key = key
    this.#hash = options.hash
    this.table = new StreamTable(key[0], key[1], this.#hash)
    this.ids = new IdWindow(options.idWindow, key, this.#hash)
  }

  /** First version of a stream that is kept. */
  keptFrom(slot: number): number {
    return this.kept.size === 0 ? 1 : (this.kept.get(slot) ?? 1)
  }

  /** Whether the event that was parsed is one that its stream has forgotten. */
  isForgotten(buffer: Buffer, { keyAt, keyEnd, version }: EventParser): boolean {
    return this.kept.size > 0 && version < this.keptFrom(this.table.findBytes(buffer, keyAt, keyEnd))
  }

  /** Whether a stream has events. */
  exists(slot: number): boolean {
    return slot >= 0 && this.table.version(slot) >= this.keptFrom(slot)
  }

  /** An empty one of the same log: filled beside this one, and then taken over. */
  fresh(): StreamIndex {
    this.places.clear(0)
    return new StreamIndex(this.#log, this.places, this.#key, { idWindow: this.ids.limit, hash: this.#hash })
  }

  /** Becomes what another one is. */
  takeOver({ table, ids, kept, indexed, acknowledgedEnd, bytesSinceCheckpoint }: StreamIndex): void {
    Object.assign(this, { table, ids, kept, indexed, acknowledgedEnd, bytesSinceCheckpoint })
    this.#undo = []
    this.#undoFrom = 0
    this.#writtenFrom = 0
  }

  /** Takes in what is in the log and not in the table, up to what is acknowledged when it ends. */
  async catchUp(turn: () => Promise<void>): Promise<void> {
    const from = Math.max(this.indexed, this.#log.startOffset)
    let place = 0
    const visit: RecordVisit = (buffer, bodyAt, end, offset, at, size) => {
      if (offset >= from) this.#takeEvent(buffer, bodyAt, end, offset, size === 0 ? UNKNOWN : place, at, size)
    }
    this.indexed = await walkBatches(this.#log, from, (header, buffer, at, position, { baseOffset }) => {
      this.bytesSinceCheckpoint += header.size
      this.places.reached(baseOffset, this.table)
      place = position
      visitRecords(header, buffer, at, visit)
    }, turn)
    this.acknowledgedEnd = this.indexed
  }

  /** The events of a group count from now on. */
  add(group: AppendGroup): void {
    const { table } = this
    const { offset, lastOffset } = group
    for (const work of group.works) {
      const { plan } = work
      if (work.slot < 0) work.slot = table.findOrAdd(plan.stream)
      const { slot } = work
      let keptFrom: number | undefined
      for (const event of plan.events) {
        if (event.keptFrom === 0) continue
        keptFrom ??= this.keptFrom(slot)
        // Who asked first to forget more may come first: what is forgotten stays so.
        this.kept.set(slot, Math.max(this.keptFrom(slot), event.keptFrom))
      }
      this.#undo.push({ work, firstOffset: offset, lastOffset, keptFrom })
      table.set(slot, work.version, work.offset, work.position, work.at, work.size)
    }
  }

  // What becomes of appends (AppendWatcher)

  written(batch: TailBatch, segmentBase: number): void {
    const { lastOffset, position } = batch
    const { table, places } = this
    this.bytesSinceCheckpoint += batch.size
    places.reached(segmentBase, table)
    for (; this.#writtenFrom < this.#undo.length; this.#writtenFrom++) {
      const { work, lastOffset: last } = this.#undo[this.#writtenFrom]!
      if (last > lastOffset) return
      work.position = position
      if (work.places.length > 0) this.#addPlaces(work, position)
      if (table.offset(work.slot) === work.offset) table.setPosition(work.slot, position)
    }
  }

  acknowledged(end: number): void {
    this.acknowledgedEnd = end
    this.indexed = end
    if (this.bytesSinceCheckpoint > CHECKPOINT_BYTES && this.bytesSinceCheckpoint > CHECKPOINT_RATIO * this.table.byteLength) this.onDue?.()
    const undo = this.#undo
    while (this.#undoFrom < undo.length && undo[this.#undoFrom]!.lastOffset < end) this.#undoFrom++
    if (this.#undoFrom < undo.length && this.#undoFrom < 1024) return
    this.#undo = undo.slice(this.#undoFrom)
    this.#writtenFrom = Math.max(0, this.#writtenFrom - this.#undoFrom)
    this.#undoFrom = 0
  }

  lost(offset: number): void {
    let some = false
    while (this.#undo.length > this.#undoFrom && this.#undo[this.#undo.length - 1]!.firstOffset >= offset) {
      this.#takeBack(this.#undo.pop()!)
      some = true
    }
    this.#writtenFrom = Math.min(this.#writtenFrom, this.#undo.length)
    this.places.lost(offset)
    if (some) this.onLost?.(offset)
  }

  cut(end: number): void {
    if (end < this.acknowledgedEnd) this.stale = true
  }

  /** Runs `work` while the table is as it is without what is not acknowledged. */
  withoutPending<T>(work: () => T): T {
    const pending = this.#undo.slice(this.#undoFrom)
    const now = pending.map(({ work: { slot } }) => ({ head: this.table.head(slot), kept: this.kept.get(slot) }))
    for (const undo of pending.toReversed()) this.#takeBack(undo)
    try {
      return work()
    } finally {
      pending.forEach(({ work: { slot } }, index) => {
        const { head: { version, offset, position, at, size }, kept } = now[index]!
        this.table.set(slot, version, offset, position, at, size)
        if (kept !== undefined) this.kept.set(slot, kept)
      })
    }
  }

  #takeBack({ work, keptFrom }: Undo): void {
    const { slot, oldVersion, oldOffset, oldPosition, oldAt, oldSize } = work
    this.table.set(slot, oldVersion, oldOffset, oldPosition, oldAt, oldSize)
    if (keptFrom === undefined) return
    if (keptFrom === 1) this.kept.delete(slot)
    else this.kept.set(slot, keptFrom)
  }

  #addPlaces({ slot, places }: StreamWork, position: number): void {
    for (const place of places) this.places.add(slot, { ...place, position: place.size === 0 ? UNKNOWN : position })
  }

  /** An event that was found in the log. */
  #takeEvent(buffer: Buffer, at: number, end: number, offset: number, position: number, atInBatch: number, size: number): void {
    const parser = this.#parser
    if (!parser.parse(buffer, at, end)) return
    const slot = this.table.findOrAddBytes(buffer, parser.keyAt, parser.keyEnd)
    if ((parser.flags & FORGETS) !== 0) {
      this.kept.set(slot, Math.max(this.keptFrom(slot), parser.version))
      // The events that it forgets may be gone: what comes next has a version all the same.
      if (this.table.version(slot) < parser.version - 1) this.table.set(slot, parser.version - 1, offset, UNKNOWN, 0, 0)
      return
    }
    this.table.set(slot, parser.version, offset, position, atInBatch, size)
    if (parser.version % this.places.every === 0) this.places.add(slot, { version: parser.version, offset, position, at: atInBatch, size })
    if ((parser.flags & OWN_ID) === 0) this.ids.add(this.ids.hash(readUtf8(buffer, parser.idAt, parser.idEnd)), offset)
  }
}
