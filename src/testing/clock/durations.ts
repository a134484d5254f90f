/*
 * Lengths of time as tests write them: milliseconds, or words like `10m` and `1h30m`.
 */
import { describe } from '../../base/options.ts'

/** Milliseconds, or numbers with units behind them: `250ms`, `2s`, `10m`, `24h`, `7d`, `1h30m`. */
export type Duration = number | string

const units: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }
const TEXT = /^(?:\d+(?:\.\d+)?(?:ms|s|m|h|d))+$/
const PART = /(\d+(?:\.\d+)?)(ms|s|m|h|d)/g

/** A length of time in ms. Throws TypeError for what is none, and RangeError for one that goes back. */
export function durationMs(duration: Duration, name = 'a time'): number {
  if (typeof duration === 'string' && TEXT.test(duration.trim())) {
    return Array.from(duration.trim().matchAll(PART)).reduce((sum, [, count, unit]) => sum + Number(count) * units[unit!]!, 0)
  }
  if (typeof duration !== 'number' || Number.isNaN(duration)) {
    throw new TypeError(`${name} is milliseconds, or text like '10m', not ${describe(duration)}`)
  }
  if (duration < 0) throw new RangeError(`${name} is at least 0, since time does not go back, not ${duration}`)
  if (duration === Infinity) throw new RangeError(`${name} ends, and is not ${duration}`)
  return duration
}
