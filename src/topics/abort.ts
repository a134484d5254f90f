/*
 * Signals that end a wait, not the work that is waited for.
 */
import { onAbort } from '../base/on-abort.ts'
import { checkOptions, checkSignal } from '../base/options.ts'

/** What a call that waits may be told. */
export interface WaitOptions {
  /** Ends the waiting: the call rejects with the signal's reason. What was under way may be done nevertheless. */
  readonly signal?: AbortSignal
}

/** The signal of `options`, checked; throws its reason when it is aborted already. */
export function signalOf(options: WaitOptions, where: string): AbortSignal | undefined {
  checkOptions(options, ['signal'], where)
  checkSignal(options.signal)
  options.signal?.throwIfAborted()
  return options.signal
}

/** What `work` gives; with a signal in `options`, its reason as soon as it is aborted. One that is aborted already keeps it from beginning. */
export function waiting<T>(options: WaitOptions | undefined, where: string, work: () => Promise<T>): Promise<T> {
  if (options === undefined) return work()
  try {
    const signal = signalOf(options, where)
    return unlessAborted(work(), signal)
  } catch (error) {
    return Promise.reject(error)
  }
}

/** As `waiting`, for work whose failure is told elsewhere too: whoever does not await it need not hear of it here. */
export function waitingOrTold<T>(options: WaitOptions | undefined, where: string, work: () => Promise<T>): Promise<T> {
  let worked: Promise<T> | undefined
  const waited = waiting(options, where, () => (worked = work()))
  worked?.catch(() => { waited.catch(() => {}) })
  return waited
}

/** What `promise` gives, or the signal's reason as soon as it is aborted. */
export function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise
  return new Promise((resolve, reject) => {
    promise.then(resolve, reject).finally(onAbort(signal, () => reject(signal.reason)))
  })
}
