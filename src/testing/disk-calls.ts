/*
 * The desk of the simulated disk: every call comes by here, gets its number, meets its fault, and, when it is asynchronous, ends in its
 * turn: which of the calls under way ends next is drawn from the seed. After `kill` nothing ends any more, as in a process that died.
 */
import { type Clock } from '../base/clock.ts'
import { type Random } from '../base/random.ts'
import { systemError } from '../files/system-error.ts'
import { type DiskCall, type DiskFault, type DiskFaults, type DiskJournal, type DiskVerb } from './disk-faults.ts'

/** What a verb does when its time has come, and what it leaves behind when a fault made it fail. */
export interface Deed<T> {
  readonly run: (short: boolean) => T
  readonly failed?: () => void
  /** What happens to it when the process dies meanwhile. */
  readonly interrupted?: Interrupted
}

/** An asynchronous write under way; what of it the cache has taken is anyone's guess. */
export interface Interrupted {
  readonly file: object
  readonly buffer: Uint8Array
  readonly at: number
  readonly length: number
  readonly position: number
}

interface UnderWay {
  readonly call: DiskCall | undefined
  readonly interrupted: Interrupted | undefined
  readonly end: () => void
}

interface CallsOptions {
  readonly random: Random
  readonly clock: Clock
  readonly automatic: boolean
  readonly faults: DiskFaults
  readonly journal: DiskJournal
  readonly onCall: (call: DiskCall) => void
}

/** How many turns of the event loop without a call under way make `runUntilIdle` believe that nothing comes after. */
const QUIET_TURNS = 3

/** The calls of one process to one disk. */
export class DiskCalls {
  readonly #options: CallsOptions
  #underWay: UnderWay[] = []
  #pumping = false
  #dead = false

  constructor(options: CallsOptions) {
    this.#options = options
  }

  /** The asynchronous calls that have not ended, in the order they were made. */
  get underWay(): readonly DiskCall[] {
    return this.#underWay.flatMap(({ call }) => call ?? [])
  }

  /** The writes among them. */
  get interrupted(): readonly Interrupted[] {
    return this.#underWay.flatMap(({ interrupted }) => interrupted ?? [])
  }

  /** Does something at once. */
  now<T>(verb: DiskVerb, path: string, detail: string, deed: Deed<T>): T {
    const { call, fault } = this.#begin(verb, path, detail)
    return finish(call, fault, deed)
  }

  /** Does something when its turn comes. */
  later<T>(verb: DiskVerb, path: string, detail: string, deed: Deed<T>): Promise<T> {
    if (this.#dead) return new Promise(() => {})
    const { call, fault } = this.#begin(verb, path, detail)
    call.outcome = 'under way'
    return new Promise((resolve, reject) => {
      const end = (): void => {
        try {
          resolve(finish(call, fault, deed))
        } catch (error) {
          reject(error)
        }
      }
      this.#add({ call, interrupted: deed.interrupted, end })
    })
  }

  /** Calls `tell` when its turn comes; not a call of its own. */
  deliver(tell: () => void): void {
    if (!this.#dead) this.#add({ call: undefined, interrupted: undefined, end: tell })
  }

  /** The same promise, but it never settles once the process is dead. */
  whileAlive<T>(promise: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      promise.then((result) => this.#dead || resolve(result), (error: unknown) => this.#dead || reject(error))
    })
  }

  /** Ends one of the calls under way, or one of those that `fits`; false when there is none. */
  step(fits: (call: DiskCall) => boolean = () => true): boolean {
    const possible = this.#underWay.filter(({ call }) => call === undefined || fits(call))
    if (possible.length === 0) return false
    const next = possible[this.#options.random.int(possible.length)]!
    this.#underWay = this.#underWay.filter((other) => other !== next)
    next.end()
    return true
  }

  /** Ends calls, and those that come of it, until none is under way and nobody makes new ones. */
  async runUntilIdle(): Promise<void> {
    for (let quiet = 0; quiet < QUIET_TURNS; quiet = this.step() ? 0 : quiet + 1) {
      await new Promise<void>((resolve) => this.#options.clock.defer(resolve))
    }
  }

  /** From now on synchronous calls throw, and asynchronous ones never end: nobody is there to see it. */
  kill(): void {
    this.#dead = true
    this.#underWay = []
  }

  #begin(verb: DiskVerb, path: string, detail: string): { call: DiskCall; fault: DiskFault | undefined } {
    if (this.#dead) throw systemError('EIO', `${verb} of a process that was killed`, path)
    const call = this.#options.journal.add(verb, path, detail)
    this.#options.onCall(call)
    return { call, fault: this.#options.faults.meets(call) }
  }

  #add(underWay: UnderWay): void {
    this.#underWay.push(underWay)
    if (this.#options.automatic) this.#pump()
  }

  // One call ends in every other turn of the event loop on average, so that calls overlap in all ways.
  #pump(): void {
    if (this.#pumping || this.#underWay.length === 0) return
    this.#pumping = true
    this.#options.clock.defer(() => {
      this.#pumping = false
      if (this.#options.random.next() < 0.6) this.step()
      this.#pump()
    })
  }
}

function finish<T>(call: DiskCall, fault: DiskFault | undefined, deed: Deed<T>): T {
  try {
    call.outcome = fault?.short === true ? 'short' : 'ok'
    if (fault?.error === undefined) return deed.run(fault?.short === true)
    deed.failed?.()
    throw systemError(fault.error, call.verb, call.path)
  } catch (error) {
    call.outcome = error instanceof Error && 'code' in error ? String(error.code) : 'failed'
    throw error
  }
}
