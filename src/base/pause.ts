/*
 * A wait that somebody may end before its time.
 */
import { type Clock } from './clock.ts'
import { onAbort } from './on-abort.ts'

/** Resolves after so many ms, or as soon as the signal is aborted. */
export function pause(clock: Clock, ms: number, signal?: AbortSignal): Promise<void> {
  if (signal?.aborted === true) return Promise.resolve()
  return new Promise((resolve) => {
    const end = (): void => {
      timer.cancel()
      unlisten?.()
      resolve()
    }
    const timer = clock.setTimer(end, ms)
    const unlisten = signal && onAbort(signal, end)
  })
}
