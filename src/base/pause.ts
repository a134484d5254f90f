/*
 * A wait that somebody may end before its time.
 */
import { type Clock } from './clock.ts'

/** Resolves after so many ms, or as soon as the signal is aborted. */
export function pause(clock: Clock, ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      timer.cancel()
      signal?.removeEventListener('abort', end)
      resolve()
    }
    const timer = clock.setTimer(end, ms)
    signal?.addEventListener('abort', end)
  })
}
