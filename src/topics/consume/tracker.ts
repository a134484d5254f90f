/*
 * What of one assigned partition is in hand: the offsets that were handed out and how far they are finished, whatever order they finish in.
 * Answers what may be committed: the lowest unfinished offset, and which ones above it are finished already.
 *
 * Nothing here waits, calls or knows the time. A tracker lives as long as one assignment: what finishes after it ended is told to nobody.
 */
import { FinishedSet, FinishedSetWriter, MOST_FINISHED_SPAN } from './finished-set.ts'

const FIRST_CAPACITY = 64

/** What a {@link Tracker} begins with. */
export interface TrackerStart {
  /** The committed offset, or where reading begins without one. */
  readonly position: number
  /** Offsets above it that are finished. */
  readonly finished?: FinishedSet
  /** How many records may be between the lowest unfinished one and the last one handed out; Infinity for no bound, however far apart. */
  readonly maxInFlight: number
}

/** The records of one partition that are in hand. */
export class Tracker {
  /** Offset of the next record that will be read: everything below was added, or is no record. */
  position: number
  readonly #maxInFlight: number
  readonly #restored: FinishedSet
  // A ring of what was added since the lowest unfinished: slot numbers count up for ever, and `slot & mask` is the place.
  #offsets = new Float64Array(FIRST_CAPACITY)
  #finished = new Uint8Array(FIRST_CAPACITY)
  #mask = FIRST_CAPACITY - 1
  #first = 0
  #next = 0
  #unfinished = 0

  constructor({ position, finished, maxInFlight }: TrackerStart) {
    this.position = position
    this.#maxInFlight = maxInFlight
    this.#restored = finished ?? new FinishedSet(position)
  }

  /** Whether a record may be added that lies at the position or behind it; ask again when something finished. */
  get hasRoom(): boolean {
    const count = this.#next - this.#first
    if (count === 0 || this.#maxInFlight === Infinity) return true
    return count < this.#maxInFlight && this.position - this.#offsets[this.#first & this.#mask]! < MOST_FINISHED_SPAN - 1
  }

  /** How many records were added and are not finished. */
  get unfinished(): number {
    return this.#unfinished
  }

  /** Everything below it is finished, or is no record: what may be committed. */
  get committable(): number {
    return this.#first === this.#next ? this.position : this.#offsets[this.#first & this.#mask]!
  }

  /**
   * Adds a record that was read; the position moves behind it.
   *
   * @param offset  at or above the position
   * @returns its slot, to finish it by; −1 when it was finished before this assignment began, and must not be handled again
   */
  add(offset: number): number {
    if (this.#next - this.#first > this.#mask) this.#grow()
    const slot = this.#next++
    const place = slot & this.#mask
    const known = this.#restored.has(offset)
    this.#offsets[place] = offset
    this.#finished[place] = known ? 1 : 0
    this.position = offset + 1
    if (!known) this.#unfinished++
    else if (slot === this.#first) this.#pass()
    return known ? -1 : slot
  }

  /** Finishes the record of a slot. A second time changes nothing. */
  finish(slot: number): void {
    const place = slot & this.#mask
    if (slot < this.#first || this.#finished[place] === 1) return
    this.#finished[place] = 1
    this.#unfinished--
    if (slot === this.#first) this.#pass()
  }

  /** The offset of a slot that is not passed. */
  offsetOf(slot: number): number {
    return this.#offsets[slot & this.#mask]!
  }

  isFinished(slot: number): boolean {
    return slot < this.#first || this.#finished[slot & this.#mask] === 1
  }

  /** Up to `limit` slots that are not finished, the lowest first. */
  lowest(limit: number): number[] {
    const slots: number[] = []
    for (let slot = this.#first; slot < this.#next && slots.length < limit; slot++) {
      if (this.#finished[slot & this.#mask] === 0) slots.push(slot)
    }
    return slots
  }

  /** Nothing was read up to `position`, and nothing is there: what readers do not get was passed over. */
  moveTo(position: number): void {
    if (position > this.position) this.position = position
  }

  /** Whether `offset` can be told as finished if everything in hand stays unfinished. */
  reaches(offset: number): boolean {
    return offset - this.committable < MOST_FINISHED_SPAN
  }

  /** As `committable`, when the slots of `also` are finished as well. */
  committableWith(also: readonly number[]): number {
    if (also.length === 0) return this.committable
    const finished = new Set(also)
    let slot = this.#first
    while (slot < this.#next && (this.#finished[slot & this.#mask] === 1 || finished.has(slot))) slot++
    return slot === this.#next ? this.position : this.#offsets[slot & this.#mask]!
  }

  /**
   * The finished offsets above `committableWith(also)`, as they are stored; undefined when there are none.
   *
   * @param also  slots that are to be told as finished although they are not yet
   */
  finishedAbove(also: readonly number[] = []): Buffer | undefined {
    const base = this.committableWith(also)
    const writer = new FinishedSetWriter(base)
    for (let slot = this.#first; slot < this.#next; slot++) {
      const place = slot & this.#mask
      // Beyond what a set can tell nothing finished: who has no bound asks `reaches` before.
      if (this.#offsets[place]! - base >= MOST_FINISHED_SPAN) break
      if (this.#finished[place] === 1 && this.#offsets[place]! >= base) writer.add(this.#offsets[place]!)
    }
    for (const slot of also) {
      const offset = this.#offsets[slot & this.#mask]!
      if (slot >= this.#first && offset >= base) writer.add(offset)
    }
    for (let offset = this.position; offset < this.#restored.end; offset++) if (this.#restored.has(offset)) writer.add(offset)
    return writer.finish()
  }

  #pass(): void {
    while (this.#first < this.#next && this.#finished[this.#first & this.#mask] === 1) this.#first++
  }

  #grow(): void {
    const capacity = (this.#mask + 1) * 2
    const offsets = new Float64Array(capacity)
    const finished = new Uint8Array(capacity)
    for (let slot = this.#first; slot < this.#next; slot++) {
      offsets[slot & (capacity - 1)] = this.#offsets[slot & this.#mask]!
      finished[slot & (capacity - 1)] = this.#finished[slot & this.#mask]!
    }
    this.#offsets = offsets
    this.#finished = finished
    this.#mask = capacity - 1
  }
}
