/*
 * One call of a user on its way through brokers: the time that it has in all, and the signal that ends it. Whatever is asked for it, of however
 * many brokers and with however many waits between, has what is left of that time.
 */
import { type Clock } from '../base/clock.ts'
import { onAbort } from '../base/on-abort.ts'

/** A call. */
export class Call {
  readonly signal: AbortSignal | undefined
  readonly #clock: Clock
  readonly #deadline: number

  /** @param timeoutMs  Infinity for one that has all the time */
  constructor(clock: Clock, timeoutMs: number, signal?: AbortSignal) {
    this.#clock = clock
    this.#deadline = clock.monotonic() + timeoutMs
    this.signal = signal
  }

  /** Milliseconds that it has; 0 when its time is up. */
  get leftMs(): number {
    return Math.max(0, this.#deadline - this.#clock.monotonic())
  }

  /** A part of it that has so long at most. */
  part(ms: number): Call {
    return new Call(this.#clock, Math.min(ms, this.leftMs), this.signal)
  }

  /** What `promise` gives while there is time; the signal's reason as soon as it is aborted; what `late` gives when the time is up. */
  within<T>(promise: Promise<T>, late: () => Error): Promise<T> {
    const { signal, leftMs } = this
    const ends: (() => void)[] = []
    const over = new Promise<never>((_resolve, reject) => {
      if (leftMs < Infinity) {
        const timer = this.#clock.setTimer(() => reject(late()), leftMs)
        ends.push(() => timer.cancel())
      }
      if (signal === undefined) return
      if (signal.aborted) reject(signal.reason)
      ends.push(onAbort(signal, () => reject(signal.reason)))
    })
    return Promise.race([promise, over]).finally(() => { for (const end of ends) end() })
  }
}
