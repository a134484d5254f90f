/*
 * Listening to signals that many listen to. One for a whole service is what signals are for; Node takes more than ten listeners of one for a leak,
 * and warns. So however many of ours wait for a signal, it has one listener, and none when nobody waits.
 */

/** Calls `listener` when a signal is aborted that is not yet. Gives the function that ends it. */
export function onAbort(signal: AbortSignal, listener: () => void): () => void {
  let listeners = known.get(signal)
  if (listeners === undefined) known.set(signal, (listeners = new Listeners(signal)))
  return listeners.add(listener)
}

const known = new WeakMap<AbortSignal, Listeners>()

class Listeners {
  readonly #signal: AbortSignal
  readonly #all = new Set<{ readonly call: () => void }>()

  constructor(signal: AbortSignal) {
    this.#signal = signal
  }

  add(call: () => void): () => void {
    // Not the function itself, which may listen twice.
    const listener = { call }
    if (this.#all.size === 0) this.#signal.addEventListener('abort', this.#aborted)
    this.#all.add(listener)
    return () => {
      if (this.#all.delete(listener) && this.#all.size === 0) this.#signal.removeEventListener('abort', this.#aborted)
    }
  }

  readonly #aborted = (): void => {
    for (const listener of [...this.#all]) if (this.#all.has(listener)) listener.call()
  }
}
