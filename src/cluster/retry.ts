/*
 * Asking again what a cluster cannot answer just now: with growing waits, until it can, or the time is up, or nobody wants to know any more.
 */
import { type Clock } from '../base/clock.ts'
import { pause } from '../base/pause.ts'
import { type Random } from '../base/random.ts'
import { type Call } from './call.ts'
import { isPassing } from './errors.ts'

const FIRST_WAIT_MS = 20
const LONGEST_WAIT_MS = 1000

/** For whom. */
export interface RetryOptions {
  readonly clock: Clock
  readonly random: Random
  /** Whose time it is. */
  readonly call: Call
  /** False when nobody wants to know any more. */
  readonly alive?: () => boolean
}

/**
 * What `attempt` gives, tried again while it fails with what passes and the call has time.
 *
 * @throws what it failed with last; the signal's reason
 */
export async function retrying<T>({ clock, random, call, alive }: RetryOptions, attempt: () => Promise<T>): Promise<T> {
  for (let count = 0; ; count++) {
    call.signal?.throwIfAborted()
    try {
      return await attempt()
    } catch (error) {
      const wait = waitMs(count, random)
      // A question that has no time left says less than the answer that there was.
      if (!isPassing(error) || call.leftMs <= wait || alive?.() === false) throw error
      await pause(clock, wait, call.signal)
    }
  }
}

/** Milliseconds to wait after so many attempts. */
export function waitMs(count: number, random: Random): number {
  return Math.min(FIRST_WAIT_MS * 2 ** Math.min(count, 10), LONGEST_WAIT_MS) * (0.8 + 0.4 * random.next())
}
