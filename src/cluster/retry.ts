/*
 * Asking again what a cluster cannot answer just now: with growing waits, until it can, or the time is up, or nobody wants to know any more.
 */
import { type Clock } from '../base/clock.ts'
import { pause } from '../base/pause.ts'
import { type Random } from '../base/random.ts'
import { isPassing } from './errors.ts'

const FIRST_WAIT_MS = 20
const LONGEST_WAIT_MS = 1000

/** How long, and for whom. */
export interface RetryOptions {
  readonly clock: Clock
  readonly random: Random
  readonly timeoutMs: number
  readonly signal?: AbortSignal | undefined
  /** False when nobody wants to know any more. */
  readonly alive?: () => boolean
}

/**
 * What `attempt` gives, tried again while it fails with what passes.
 *
 * @throws what it failed with last; the signal's reason
 */
export async function retrying<T>({ clock, random, timeoutMs, signal, alive }: RetryOptions, attempt: () => Promise<T>): Promise<T> {
  const deadline = clock.monotonic() + timeoutMs
  for (let count = 0; ; count++) {
    signal?.throwIfAborted()
    try {
      return await attempt()
    } catch (error) {
      const left = deadline - clock.monotonic()
      if (!isPassing(error) || left <= 0 || alive?.() === false) throw error
      await pause(clock, Math.min(waitMs(count, random), left), signal)
    }
  }
}

/** Milliseconds to wait after so many attempts. */
export function waitMs(count: number, random: Random): number {
  return Math.min(FIRST_WAIT_MS * 2 ** Math.min(count, 10), LONGEST_WAIT_MS) * (0.8 + 0.4 * random.next())
}
