/*
 * What `node:timers/promises` has, and `AbortSignal.timeout`, by the timers of a run.
 */

/** The timers of a run. */
export interface RunTimers {
  /** Calls back after so many ms; with `again` after each such time. Gives what `clear` takes. */
  set(callback: () => void, ms: number | undefined, again: boolean): object
  clear(timer: object): void
  /** Calls back in the next turn of the event loop. */
  setImmediate(callback: () => void): object
  clearImmediate(immediate: object): void
}

interface Wait {
  readonly signal?: AbortSignal
}

/** The functions of the module that have to do with time. */
export function timersPromises(timers: RunTimers): {
  readonly setTimeout: (ms?: number, value?: unknown, options?: Wait) => Promise<unknown>
  readonly setInterval: (ms?: number, value?: unknown, options?: Wait) => AsyncGenerator<unknown, void>
  readonly setImmediate: (value?: unknown, options?: Wait) => Promise<unknown>
} {
  return {
    setTimeout: (ms, value, options) => waited(value, options, (wake) => {
      const timer = timers.set(wake, ms, false)
      return () => timers.clear(timer)
    }),
    setInterval: (ms, value, options) => ticks(timers, { ms, value, signal: options?.signal }),
    setImmediate: (value, options) => waited(value, options, (wake) => {
      const immediate = timers.setImmediate(wake)
      return () => timers.clearImmediate(immediate)
    }),
  }
}

/** A signal that is aborted after so many ms, as that of `AbortSignal.timeout`. */
export function timeoutSignal(timers: RunTimers, ms: number): AbortSignal {
  const controller = new AbortController()
  timers.set(() => controller.abort(new DOMException('The operation was aborted due to timeout', 'TimeoutError')), ms, false)
  return controller.signal
}

/** Waits for what `begin` begins; it gives the function that ends it. */
function waited(value: unknown, { signal }: Wait = {}, begin: (wake: () => void) => () => void): Promise<unknown> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted === true) return reject(abortError(signal))
    const end = begin(() => {
      signal?.removeEventListener('abort', abort)
      resolve(value)
    })
    const abort = (): void => {
      end()
      reject(abortError(signal!))
    }
    signal?.addEventListener('abort', abort, { once: true })
  })
}

interface Ticking {
  readonly ms: number | undefined
  readonly value: unknown
  readonly signal: AbortSignal | undefined
}

/** A value for each time that has passed, also for those that passed while nobody asked. */
async function* ticks(timers: RunTimers, { ms, value, signal }: Ticking): AsyncGenerator<unknown, void> {
  let due = 0
  let wake: () => void = () => {}
  const woken = (): void => wake()
  const timer = timers.set(() => {
    due++
    wake()
  }, ms, true)
  signal?.addEventListener('abort', woken)
  try {
    for (;;) {
      for (; due > 0; due--) yield value
      if (signal?.aborted === true) throw abortError(signal)
      await new Promise<void>((resolve) => { wake = resolve })
    }
  } finally {
    signal?.removeEventListener('abort', woken)
    timers.clear(timer)
  }
}

/** As Node rejects with. */
function abortError({ reason }: AbortSignal): Error {
  return Object.assign(new Error('The operation was aborted', { cause: reason }), { name: 'AbortError', code: 'ABORT_ERR' })
}
