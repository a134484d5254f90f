/*
 * How far the log of a partition goes, as its writer knows it, and what the mark says of that to recovery and to other processes (mark.ts).
 * The mark is never ahead: it is written after what it says became true.
 */
import { isMachineClock, realClock } from '../base/clock.ts'
import { type LogEnvironment } from './environment.ts'
import { type MarkSlot, nextGeneration } from './mark.ts'
import { type ProducerState } from './producer-state.ts'
import { type Segment } from './segment.ts'
import { type Standing } from './standing.ts'

/** Readers in other processes hear of appends that late, beside a turn of the writer's event loop. */
const PUBLISH_EVERY_MS = 1

/** What they are shared with. */
export interface WatermarkParts {
  readonly env: LogEnvironment
  readonly slot: MarkSlot
  readonly producers: ProducerState
}

/** A place in a log. */
export interface LogPlace {
  readonly baseOffset: number
  readonly position: number
  readonly offset: number
}

/** The watermarks of one partition. */
export class Watermarks {
  /** Leader epoch of what is appended. */
  epoch: number
  /** One past what readers may see: synced with durability 'sync', else written. */
  acknowledged: number
  /** While the log is cut the mark says less than was acknowledged, and goes on saying so. */
  cutting = false
  readonly #parts: WatermarkParts
  readonly #standing: Standing
  #synced: number
  #syncedBase: number
  #syncedPosition: number
  #generation: number
  #publishing = false
  /** Monotonic time of the machine. */
  #publishedAt = -Infinity

  constructor(parts: WatermarkParts, standing: Standing, start: { readonly epoch: number; readonly nextOffset: number }, active: Segment) {
    this.#parts = parts
    this.#standing = standing
    this.epoch = start.epoch
    this.acknowledged = start.nextOffset
    this.#synced = start.nextOffset
    this.#syncedBase = active.baseOffset
    this.#syncedPosition = active.size
    this.#generation = parts.slot.state?.generation ?? 0
  }

  /** One past what survives a power cut. */
  get synced(): number {
    return this.#synced
  }

  /** See `MarkState.generation`. */
  get generation(): number {
    return this.#generation
  }

  /** Where certainty ends: every byte before it is synced. */
  get certain(): LogPlace {
    return { baseOffset: this.#syncedBase, position: this.#syncedPosition, offset: this.#synced }
  }

  /** Everything before a place is synced, and nothing at or past it is vouched for. */
  moveSynced(baseOffset: number, position: number, offset: number): void {
    this.#syncedBase = baseOffset
    this.#syncedPosition = position
    this.#synced = offset
  }

  /** Readers in other processes are told to look at the folder again. */
  nextGeneration(): void {
    this.#generation = nextGeneration(this.#generation)
  }

  /** Writes the slot of the mark. `closed`: nothing is to be recovered. Throws what the disk says. */
  write(closed: boolean): void {
    this.#parts.slot.write({
      epoch: this.epoch, baseOffset: this.#syncedBase, position: this.#syncedPosition, syncedOffset: this.#synced,
      watermark: this.acknowledged, closed, producers: this.#parts.producers.used, generation: this.#generation,
    })
  }

  /** As `write`; a failure fences the partition, and is thrown as what that leaves. */
  publish(closed = false): void {
    try {
      this.write(closed)
    } catch (error) {
      this.#standing.fence('mark', error)
      throw this.#standing.refusal
    }
  }

  /**
   * Publishes when the event loop turns, at most once in `PUBLISH_EVERY_MS`: with relaxed durability nobody's promise depends on it, and a write
   * of the mark costs as much as one of a small batch. By a clock that tests move it is each time.
   */
  publishSoon(): void {
    if (this.#publishing) return
    this.#publishing = true
    const { clock } = this.#parts.env
    const waitMs = isMachineClock(clock) ? this.#publishedAt + PUBLISH_EVERY_MS - realClock.monotonic() : 0
    // No matter of a time that tests have put in the place of the machine's.
    if (waitMs > 0) realClock.setTimer(() => this.#publishDue(), waitMs)
    else clock.defer(() => this.#publishDue())
  }

  #publishDue(): void {
    this.#publishing = false
    this.#publishedAt = realClock.monotonic()
    if (this.#standing.state !== 'open' || this.cutting) return
    try {
      this.write(false)
    } catch (error) {
      this.#standing.fence('mark', error)
    }
  }
}
