/*
 * Timers, dates and chance of the process in the place of the machine's, so that whatever a service draws and waits for is the same in every run: the
 * global functions, and those of `node:timers` and `node:timers/promises`. The mark on `setTimeout` is that of fake timers of test frameworks: a
 * virtual clock moves these in step by it.
 */
import { syncBuiltinESMExports } from 'node:module'
import nodeTimers from 'node:timers'
import nodeTimersPromises from 'node:timers/promises'
import { seededRandom } from '../../base/random.ts'
import { type FakeTimers, fakeTimers } from '../clock/fake-timers.ts'
import { replaced } from './replaced.ts'
import { type RunTimers, timeoutSignal, timersPromises } from './own-time-promises.ts'

interface Waiting {
  callAt: number
  readonly callback: () => void
  /** Ms between calls of an interval; undefined for a timer that fires once. */
  readonly every: number | undefined
}

type Callback = (...args: never[]) => void

const { clearTimeout: clearRealTimeout, setImmediate: realImmediate, clearImmediate: clearRealImmediate } = globalThis

/** What is in the place of the machine's time. */
export class OwnTime implements FakeTimers {
  now: number
  readonly timers: Record<number, Waiting> = {}
  #ids = 0
  /** What was given for timers. */
  readonly #handles = new WeakSet<object>()
  readonly #immediates = new Set<object>()
  readonly #restores: readonly (() => void)[]

  /**
   * Puts it in place.
   *
   * @param now  ms since 1970
   * @throws TypeError when there are fake timers already
   */
  constructor(now: number, seed: number) {
    if (fakeTimers() !== undefined) throw new TypeError('explore brings timers of its own: call useRealTimers() before')
    this.now = now
    const random = seededRandom(seed)
    const timers: RunTimers = {
      set: (callback, ms, again) => this.#set(callback, ms, [], again),
      clear: (timer) => this.#clear(timer),
      setImmediate: (callback) => this.#setImmediate(callback, []),
      clearImmediate: (immediate) => this.#clearImmediate(immediate),
    }
    const promises = timersPromises(timers)
    const functions = this.#functions(promises)
    this.#restores = [
      replaced(globalThis, { ...functions, Date: dateOf(this, globalThis.Date) }),
      replaced(Math, { random: () => random.next() }),
      replaced(performance, { now: () => this.now - now }),
      replaced(AbortSignal, { timeout: (ms: number) => timeoutSignal(timers, ms) }),
      replaced(nodeTimers, functions),
      replaced(nodeTimersPromises, promises),
      replaced(nodeTimersPromises.scheduler, {
        wait: (ms: number, options?: { readonly signal?: AbortSignal }) => promises.setTimeout(ms, undefined, options),
        yield: () => promises.setImmediate(),
      }),
    ]
    syncBuiltinESMExports()
  }

  /** Callbacks of `setImmediate` that wait. */
  get immediates(): number {
    return this.#immediates.size
  }

  /** Puts the machine's back. Timers that wait never fire. */
  remove(): void {
    for (const restore of this.#restores) restore()
    syncBuiltinESMExports()
  }

  tick(ms: number): number {
    const end = this.now + ms
    for (let next = this.#next(end); next !== undefined; next = this.#next(end)) {
      const [id, timer] = next
      this.now = Math.max(this.now, timer.callAt)
      if (timer.every === undefined) delete this.timers[id]
      else timer.callAt = this.now + timer.every
      timer.callback()
    }
    return (this.now = end)
  }

  /** By their names, with what `util.promisify` makes of them. */
  #functions(promises: ReturnType<typeof timersPromises>): Record<string, unknown> {
    const promisified = Symbol.for('nodejs.util.promisify.custom')
    return {
      setTimeout: Object.assign((callback: Callback, ms?: number, ...args: never[]) => this.#set(callback, ms, args, false), {
        clock: this, [promisified]: promises.setTimeout,
      }),
      setInterval: (callback: Callback, ms?: number, ...args: never[]) => this.#set(callback, ms, args, true),
      setImmediate: Object.assign((callback: Callback, ...args: never[]) => this.#setImmediate(callback, args), {
        [promisified]: promises.setImmediate,
      }),
      clearTimeout: (timer: unknown) => this.#clear(timer),
      clearInterval: (timer: unknown) => this.#clear(timer),
      clearImmediate: (immediate: unknown) => this.#clearImmediate(immediate),
    }
  }

  #next(end: number): readonly [number, Waiting] | undefined {
    let first: readonly [number, Waiting] | undefined
    for (const [id, timer] of Object.entries(this.timers)) {
      if (timer.callAt <= end && (first === undefined || timer.callAt < first[1].callAt)) first = [Number(id), timer]
    }
    return first
  }

  #set(callback: Callback, ms = 0, args: never[], again: boolean): object {
    const id = ++this.#ids
    const delay = ms >= 1 && ms <= 0x7fff_ffff ? Math.trunc(ms) : 1
    const waiting: Waiting = { callAt: this.now + delay, callback: () => callback(...args), every: again ? delay : undefined }
    this.timers[id] = waiting
    const timer = {
      ref: () => timer, unref: () => timer, hasRef: () => true, close: () => this.#clear(timer), [Symbol.toPrimitive]: () => id,
      [Symbol.dispose ?? Symbol.for('dispose')]: () => this.#clear(timer),
      refresh: () => {
        waiting.callAt = this.now + delay
        this.timers[id] = waiting
        return timer
      },
    }
    this.#handles.add(timer)
    return timer
  }

  #clear(timer: unknown): void {
    if (timer === undefined || timer === null) return
    // One of the machine, or of another run: its number may be that of a timer here.
    if (typeof timer === 'object' && !this.#handles.has(timer)) return clearRealTimeout(timer as NodeJS.Timeout)
    delete this.timers[Number(timer)]
  }

  /** The machine's: it is no matter of time. Whoever moves time waits for them. */
  #setImmediate(callback: Callback, args: never[]): object {
    const immediate = realImmediate(() => {
      this.#immediates.delete(immediate)
      callback(...args)
    })
    this.#immediates.add(immediate)
    return immediate
  }

  #clearImmediate(immediate: unknown): void {
    this.#immediates.delete(immediate as object)
    clearRealImmediate(immediate as NodeJS.Immediate)
  }
}

function dateOf(time: FakeTimers, real: DateConstructor): DateConstructor {
  return new Proxy(real, {
    apply: () => new real(time.now).toString(),
    construct: (target, args: unknown[], newTarget) => Reflect.construct(target, args.length === 0 ? [time.now] : args, newTarget) as object,
    get: (target, key, receiver) => (key === 'now' ? () => Math.floor(time.now) : Reflect.get(target, key, receiver) as unknown),
  })
}
