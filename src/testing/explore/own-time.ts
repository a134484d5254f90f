/*
 * Timers, dates and chance of the process in the place of the machine's, so that whatever a service draws and waits for is the same in every run. The
 * mark on `setTimeout` is that of fake timers of test frameworks: a virtual clock moves these in step by it.
 */
import { seededRandom } from '../../base/random.ts'
import { type FakeTimers, fakeTimers } from '../clock/fake-timers.ts'

interface Waiting {
  callAt: number
  readonly callback: () => void
  /** Ms between calls of an interval; undefined for a timer that fires once. */
  readonly every: number | undefined
}

type GlobalParts = Pick<typeof globalThis, 'setTimeout' | 'setInterval' | 'clearTimeout' | 'clearInterval' | 'Date'> & { random: () => number }

/** What is in the place of the machine's time. */
export class OwnTime implements FakeTimers {
  now: number
  readonly timers: Record<number, Waiting> = {}
  #ids = 0
  /** What was given for timers. */
  readonly #handles = new WeakSet<object>()
  readonly #before: GlobalParts

  /**
   * Puts it in place.
   *
   * @param now  ms since 1970
   * @throws TypeError when there are fake timers already
   */
  constructor(now: number, seed: number) {
    if (fakeTimers() !== undefined) throw new TypeError('explore brings timers of its own: call useRealTimers() before')
    const { setTimeout, setInterval, clearTimeout, clearInterval, Date } = globalThis
    this.#before = { setTimeout, setInterval, clearTimeout, clearInterval, Date, random: Math.random }
    this.now = now
    const clear = (timer: unknown): void => this.#clear(timer)
    const random = seededRandom(seed)
    const sleep = (ms?: number, value?: unknown): Promise<unknown> => new Promise((resolve) => void this.#set(() => resolve(value), ms, [], false))
    Object.assign(globalThis, {
      setTimeout: Object.assign((callback: () => void, ms?: number, ...args: never[]) => this.#set(callback, ms, args, false), {
        clock: this, [Symbol.for('nodejs.util.promisify.custom')]: sleep,
      }),
      setInterval: (callback: () => void, ms?: number, ...args: never[]) => this.#set(callback, ms, args, true),
      clearTimeout: clear, clearInterval: clear, Date: dateOf(this, Date),
    })
    Math.random = () => random.next()
  }

  /** Puts the machine's back. Timers that wait never fire. */
  remove(): void {
    const { random, ...globals } = this.#before
    Object.assign(globalThis, globals)
    Math.random = random
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

  #next(end: number): readonly [number, Waiting] | undefined {
    let first: readonly [number, Waiting] | undefined
    for (const [id, timer] of Object.entries(this.timers)) {
      if (timer.callAt <= end && (first === undefined || timer.callAt < first[1].callAt)) first = [Number(id), timer]
    }
    return first
  }

  #set(callback: (...args: never[]) => void, ms = 0, args: never[], again: boolean): object {
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
    if (typeof timer === 'object' && !this.#handles.has(timer)) return this.#before.clearTimeout(timer as NodeJS.Timeout)
    delete this.timers[Number(timer)]
  }
}

function dateOf(time: FakeTimers, real: DateConstructor): DateConstructor {
  return new Proxy(real, {
    apply: () => new real(time.now).toString(),
    construct: (target, args: unknown[], newTarget) => Reflect.construct(target, args.length === 0 ? [time.now] : args, newTarget) as object,
    get: (target, key, receiver) => (key === 'now' ? () => Math.floor(time.now) : Reflect.get(target, key, receiver) as unknown),
  })
}
