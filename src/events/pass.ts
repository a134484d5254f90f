/*
 * One reading of the events for several who take them: from the one that is furthest behind on, each from where it stands. It follows until
 * it is stopped, and lets the event loop turn; a taker that stands still is left out.
 */
import { type Clock } from '../base/clock.ts'
import { Pace } from '../log/pace.ts'
import { type PartitionLog } from '../log/partition-log.ts'
import { type EventShape, type EventStore, type RecordedEvent } from './types.ts'

const SLICE_MS = 5
/** Events between two looks at the clock. */
const LOOK_EVERY = 64

/** Who takes events. */
export interface EventTaker<E extends EventShape> {
  /** The next position that it takes. */
  readonly position: number
  /** It stands still. */
  readonly failure: Error | undefined
  take(event: RecordedEvent<E>): boolean | Promise<boolean>
  reached(position: number): void
  /** After some events: what it returns is awaited before there are more. */
  settle(): Promise<void> | undefined
}

/** What a pass reads. */
export interface PassSource<E extends EventShape> {
  readonly store: EventStore<E>
  readonly partition: PartitionLog
  readonly clock: Clock
}

/** A reading for several takers. */
export class Pass<E extends EventShape, Taker extends EventTaker<E> = EventTaker<E>> {
  #takers: readonly Taker[]
  readonly #source: PassSource<E>
  readonly #told: () => boolean
  readonly #stop = new AbortController()
  #position = 0
  #running: Promise<void> | undefined
  #wake: (() => void) | undefined

  /** @param told  called after some events, and at the end; true ends the pass */
  constructor(source: PassSource<E>, takers: readonly Taker[], told: () => boolean) {
    this.#source = source
    this.#takers = [...takers]
    this.#told = told
  }

  /** Who takes events now. */
  get takers(): readonly Taker[] {
    return this.#takers
  }

  /** Hands events to these too, from where they stand on, which is not behind this reading. */
  add(takers: readonly Taker[]): void {
    this.#takers = [...this.#takers, ...takers]
    this.wake()
  }

  /** Hands one nothing more. */
  remove(taker: Taker): void {
    if (this.#takers.includes(taker)) this.#takers = this.#takers.filter((one) => one !== taker)
  }

  /** Events below it were handed over. */
  get position(): number {
    return this.#position
  }

  /** Whether somebody takes events. */
  get busy(): boolean {
    return this.#takers.some(({ failure }) => failure === undefined)
  }

  /** Begins. What cannot be read is thrown by what it resolves to. */
  start(): Promise<void> {
    this.#running ??= this.#run()
    return this.#running
  }

  /** Takers came, went on, or may have more to read. */
  wake(): void {
    this.#wake?.()
  }

  async stop(): Promise<void> {
    this.#stop.abort()
    this.wake()
    await this.#running?.catch(() => {})
  }

  async #run(): Promise<void> {
    const { partition } = this.#source
    const quiet = partition.onProgress(() => this.wake())
    try {
      while (!this.#stop.signal.aborted) {
        const from = this.#from()
        if (from !== Infinity) this.#position = from
        const end = partition.lastStableOffset
        if (from < end) await this.#read(from, end)
        if (this.#told()) return
        partition.checkOpen()
        if (this.#from() >= partition.lastStableOffset) await this.#woken()
      }
    } finally {
      quiet()
    }
  }

  /** From where it has to read: Infinity when nobody takes anything. */
  #from(): number {
    return this.#takers.reduce((from, { position, failure }) => (failure === undefined ? Math.min(from, position) : from), Infinity)
  }

  async #read(from: number, end: number): Promise<void> {
    const { store, clock } = this.#source
    const { signal } = this.#stop
    const pace = new Pace(clock, signal, SLICE_MS)
    try {
      for await (const events of store.all({ from, until: 'end', signal, ref: false }).batches()) {
        let left = LOOK_EVERY
        for (const event of events) {
          const handed = this.#hand(event)
          if (handed !== undefined) await handed
          this.#position = event.position + 1
          if (--left > 0) continue
          left = LOOK_EVERY
          if (pace.over) await pace.breathe()
        }
        for (const taker of this.#takers) await taker.settle()
        if (this.#told() || !this.busy) return
      }
      for (const taker of this.#takers) taker.reached(end)
      this.#position = Math.max(this.#position, end)
      for (const taker of this.#takers) await taker.settle()
    } catch (error) {
      if (!signal.aborted) throw error
    }
  }

  /** Hands an event to all; what it returns, if anything, is to be awaited before there are more. */
  #hand(event: RecordedEvent<E>): Promise<void> | undefined {
    const takers = this.#takers
    for (let index = 0; index < takers.length; index++) {
      const taken = takers[index]!.take(event)
      if (typeof taken !== 'boolean') return this.#handOn(event, takers, index + 1, taken)
    }
    // Those that came meanwhile take it too; who has it already passes over it.
    return takers === this.#takers ? undefined : this.#hand(event)
  }

  async #handOn(event: RecordedEvent<E>, takers: readonly Taker[], from: number, taken: Promise<boolean>): Promise<void> {
    await taken
    for (const taker of takers.slice(from)) {
      // One that was removed meanwhile may stand elsewhere: what it has not taken yet would be passed over.
      if (!this.#takers.includes(taker)) continue
      const next = taker.take(event)
      if (typeof next !== 'boolean') await next
    }
    if (takers !== this.#takers) await this.#hand(event)
  }

  async #woken(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#wake = resolve
      if (this.#stop.signal.aborted) resolve()
    })
    this.#wake = undefined
  }
}
