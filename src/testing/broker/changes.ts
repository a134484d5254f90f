/*
 * What tests wait for: they look whenever something happened at the broker, and now and then, until they see it. Patience is of real time,
 * whatever the broker's clock does.
 */
import { realClock } from '../../base/clock.ts'
import { LogError } from '../../base/errors.ts'

/** How long to wait, and what to say when it was in vain. */
export interface UntilOptions {
  /** Real ms. */
  readonly timeoutMs: number
  /** What was waited for, and what of it was missing. */
  readonly missing: () => string | Promise<string>
  /** Ends the wait, with its reason. */
  readonly signal?: AbortSignal | undefined
}

/** Members of this process and the log itself change without a request. */
const LOOK_MS = 10
/** One look that takes so long is followed by a pause. */
const LONG_LOOK_MS = 5

/** Counts what happens, and wakes who waits for it. */
export class Changes {
  /** Grows with everything that happens. */
  count = 0
  /** Whether bytes may be on their way through sockets of the system. */
  inFlight: () => boolean = () => false
  #waiting = new Set<() => void>()
  #closed = false

  /** Nothing will happen any more. */
  get closed(): boolean {
    return this.#closed
  }

  /** Something happened. */
  tell(): void {
    this.count++
    if (this.#waiting.size === 0) return
    const woken = this.#waiting
    this.#waiting = new Set()
    for (const wake of woken) wake()
  }

  /** The broker is closed: who waits is told so. */
  close(): void {
    this.#closed = true
    this.tell()
  }

  /**
   * What `look` gives, as soon as that is not undefined.
   *
   * @throws LogError `LOG_WAIT_TIMED_OUT`; `LOG_CLOSED` when the broker is closed meanwhile; the reason of `signal`
   */
  async until<T>(look: () => T | undefined | Promise<T | undefined>, { timeoutMs, missing, signal }: UntilOptions): Promise<T> {
    const ends = realClock.monotonic() + timeoutMs
    for (;;) {
      signal?.throwIfAborted()
      if (this.#closed) throw new LogError('LOG_CLOSED', 'the test broker was closed')
      const { count } = this
      const began = realClock.monotonic()
      const found = await look()
      if (found !== undefined) return found
      const looked = realClock.monotonic()
      const left = ends - looked
      if (left <= 0) throw new LogError('LOG_WAIT_TIMED_OUT', `${await missing()} (waited for ${timeoutMs} ms)`, { timeoutMs })
      // Looking at a large topic takes a while, and those who are looked for are at work in this process: they get as long.
      if (looked - began >= LONG_LOOK_MS) await pause(Math.min(looked - began, left))
      else if (count === this.count) await this.next(Math.min(LOOK_MS, left))
    }
  }

  /** Resolves with the next thing that happens, or when `ms` of real time have passed. */
  next(ms: number, { ref = true }: { readonly ref?: boolean } = {}): Promise<void> {
    return new Promise((resolve) => {
      const wake = (): void => {
        timer.cancel()
        this.#waiting.delete(wake)
        resolve()
      }
      const timer = realClock.setTimer(wake, ms, { ref })
      this.#waiting.add(wake)
    })
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => void realClock.setTimer(resolve, ms))
}
