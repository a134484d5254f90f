/*
 * Where reading begins, in words: an offset, the oldest record kept, the end as it is now, or the first record at or after a time.
 */
import { LogError } from '../base/errors.ts'
import { describe } from '../base/options.ts'
import { type Isolation, type PartitionLog } from '../log/partition-log.ts'

/** An offset, `'earliest'` (the oldest kept), `'latest'` (the end as it is now), or the first record with at least this timestamp. */
export type StartPosition = number | 'earliest' | 'latest' | { readonly timestamp: number }

/**
 * Throws when `position` is no start position.
 *
 * @throws TypeError, or RangeError for a number that can be no offset or timestamp
 */
export function checkStartPosition(position: unknown, name: string): void {
  if (position === 'earliest' || position === 'latest') return
  if (typeof position === 'number') return checkWhole(position, name, 'an offset')
  if (typeof position === 'object' && position !== null && 'timestamp' in position) {
    const { timestamp } = position
    if (typeof timestamp === 'number') return checkWhole(timestamp, `${name}.timestamp`, 'a timestamp in milliseconds')
  }
  throw new TypeError(`${name} is an offset, 'earliest', 'latest' or { timestamp }, not ${describe(position)}`)
}

/** The offset that a checked position means at this moment. A time after the last record means the end. */
export function resolveStart(log: PartitionLog, position: StartPosition, isolation: Isolation = 'read_committed'): number {
  if (typeof position === 'number') return position
  if (position === 'earliest') return log.startOffset
  const end = isolation === 'read_committed' ? log.lastStableOffset : log.highWatermark
  return position === 'latest' ? end : (log.offsetForTimestamp(position.timestamp, isolation)?.offset ?? end)
}

/**
 * As {@link resolveStart}, for an offset that must be one of the partition's now.
 *
 * @throws LogError `LOG_OFFSET_OUT_OF_RANGE`
 */
export function resolveInRange(log: PartitionLog, position: StartPosition, isolation: Isolation): number {
  const offset = resolveStart(log, position, isolation)
  if (offset >= log.startOffset && offset <= log.nextOffset) return offset
  throw outOfRange(log, offset)
}

/** The error of a reader whose place is not, or no longer, in the partition. */
export function outOfRange(log: PartitionLog, offset: number): LogError {
  const { topic, partition, startOffset: start, nextOffset: end } = log
  const message = `offset ${offset} is outside ${topic}-${partition}: kept are ${start}..${end - 1}`
  return new LogError('LOG_OFFSET_OUT_OF_RANGE', message, { topic, partition, offset, start, end })
}

function checkWhole(value: number, name: string, what: string): void {
  if (!Number.isSafeInteger(value) || value < 0) throw new RangeError(`${name} is ${what}, a whole number from 0 on, not ${value}`)
}
