/*
 * Lengths of time over HTTP, and requests that wait for something.
 */
import { type Duration, durationMs } from '../clock/durations.ts'
import { type WaitFor } from '../broker/topic-hands.ts'
import { either, type Schema, titled } from './schema.ts'

/** A length of time. */
export const duration: Schema<Duration> = titled('Duration', either(
  { type: 'number', minimum: 0 } as Schema<number>, { type: 'string', pattern: '^(?:\\d+(?:\\.\\d+)?(?:ms|s|m|h|d))+$' } as Schema<string>,
), 'Milliseconds, or numbers with units: `250ms`, `2s`, `10m`, `1h30m`.')

/** How long to wait, as a field. */
export const timeout = { timeout: duration }

const MOST_WAIT_MS = 600_000

/** How long to wait, and for whom. Throws RangeError for more than ten minutes. */
export function waitFor(given: Duration | undefined, signal: AbortSignal): WaitFor {
  if (given !== undefined && durationMs(given, 'timeout') > MOST_WAIT_MS) throw new RangeError(`timeout is at most 10m, not ${given}`)
  return { ...(given !== undefined && { timeout: given }), signal }
}
