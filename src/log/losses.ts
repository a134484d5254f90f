/*
 * Offsets that were given out and whose records were not stored. They are never given out again by this process, so a later record is
 * acknowledged past them; who asks for one of them must still hear that it is lost. Of records that nobody waited for, the next who asks
 * for anything is told.
 */
import { type LogError } from '../base/errors.ts'

/** Ranges remembered; when there are more, the oldest are forgotten. */
const MOST_RANGES = 10_000

interface LostRange {
  readonly from: number
  /** Exclusive. */
  readonly end: number
  readonly error: LogError
}

/** What one partition lost since it was opened. */
export class Losses {
  /** Of records that nobody waited for, until somebody is told. */
  untold: LogError | undefined
  #ranges: LostRange[] = []

  /** Adds a range behind all others. */
  add(from: number, end: number, error: LogError): void {
    if (from < end) this.#ranges.push({ from, end, error })
    if (this.#ranges.length > MOST_RANGES) this.#ranges.shift()
  }

  /** The log was cut: offsets from `offset` on are given out again. */
  truncateTo(offset: number): void {
    this.#ranges = this.#ranges.filter((range) => range.from < offset).map((range) => ({ ...range, end: Math.min(range.end, offset) }))
  }

  /** Why the record at `offset` was lost; undefined when it was not. */
  find(offset: number): LogError | undefined {
    if (this.#ranges.length === 0) return undefined
    return this.#ranges.find((range) => offset >= range.from && offset < range.end)?.error
  }

  /** What nobody has been told of, to be told now. */
  take(): LogError | undefined {
    const { untold } = this
    this.untold = undefined
    return untold
  }

  /** Throws what nobody has been told of. */
  tell(): void {
    const untold = this.take()
    if (untold !== undefined) throw untold
  }
}
