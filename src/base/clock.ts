/*
 * Time as the log sees it: one wall clock for timestamps and retention, one monotonic clock for every timeout. Tests bring their own.
 */

/** A timer that was set on a {@link Clock}. */
export interface Timer {
  /** Forgets the timer; after its callback ran, does nothing. */
  cancel(): void
}

/** The only door to time for everything below the listener. */
export interface Clock {
  /** It never jumps over a timer, so that nobody needs to look whether it did. Default false. */
  readonly steady?: boolean
  /** Wall time in milliseconds since 1970, as an integer. May jump in either direction. */
  now(): number
  /** Milliseconds since some fixed moment, never going back, with fractions. */
  monotonic(): number
  /** Calls `callback` once after at least `delayMs` of monotonic time. With `ref: false` the timer does not keep the process alive. */
  setTimer(callback: () => void, delayMs: number, options?: { readonly ref?: boolean }): Timer
  /** Calls `callback` after pending I/O had its turn: where a loop of microtasks would starve everything else. */
  defer(callback: () => void): void
}

// Taken once: test frameworks replace the global functions, and what is no matter of their time must not wait for it.
const { setTimeout: realTimeout, clearTimeout: clearRealTimeout, setImmediate: realImmediate } = globalThis
const realNow = Date.now
const realTime = process.hrtime.bind(process)

/** The machine's clock. */
export const systemClock: Clock = {
  now: () => Date.now(),
  // Not performance.now(): the first use of `performance` loads a dozen modules of Node.
  monotonic() {
    const [seconds, nanoseconds] = process.hrtime()
    return seconds * 1000 + nanoseconds / 1e6
  },
  setTimer(callback, delayMs, options) {
    const timer = setTimeout(callback, delayMs)
    if (options?.ref === false) timer.unref()
    return { cancel: () => clearTimeout(timer) }
  },
  defer: (callback) => void realImmediate(callback),
}

/** The global function that sets timers now: the machine's, or what a test framework has put in its place. */
export function globalTimer(): unknown {
  return setTimeout
}

/** As {@link systemClock}, and stays so where a test framework has put its own time in the place of the machine's. */
export const realClock: Clock = {
  now: () => realNow(),
  monotonic() {
    const [seconds, nanoseconds] = realTime()
    return seconds * 1000 + nanoseconds / 1e6
  },
  setTimer(callback, delayMs, options) {
    const timer = realTimeout(callback, delayMs)
    if (options?.ref === false) timer.unref()
    return { cancel: () => clearRealTimeout(timer) }
  },
  defer: (callback) => void realImmediate(callback),
}

/** Whether a clock goes as the machine's does: one that tests move may stand still, and tells how many timers wait. */
export function isMachineClock(clock: Clock): boolean {
  return clock === systemClock || clock === realClock
}
