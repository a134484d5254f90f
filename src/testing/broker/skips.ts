/*
 * `clock: 'skip'`: time moves by itself to whatever clients wait for, as soon as nobody has anything else to do.
 */
import { fakeTimers } from '../clock/fake-timers.ts'
import { type VirtualClock } from '../clock/virtual-clock.ts'
import { type Changes } from './changes.ts'

/** How often it is looked whether somebody waits. */
const LOOK_MS = 20

/**
 * Moves the clock on as long as requests wait. Without fake timers the time of clients is that of the machine, and their sessions must not end by
 * what is skipped.
 *
 * @param waiting  requests that are under way
 */
export async function skipWaits(clock: VirtualClock, changes: Changes, waiting: () => number): Promise<void> {
  while (!changes.closed) {
    if (waiting() > 0) {
      await clock.settle()
      if (waiting() > 0 && !changes.closed && clock.nextTimerMs < Infinity) {
        await clock.skip(fakeTimers() === undefined)
        continue
      }
    }
    await changes.next(LOOK_MS, { ref: false })
  }
}
