/*
 * The loop that `for await` runs over a consumer: takes what is in memory without a promise of its own, waits when there is nothing, and
 * ends once. Written by hand, since asynchronous generators halve the hand-over. What is read, and who may, is told by its owner.
 */

const DONE = { done: true, value: undefined } as const

/** The gate that lets one loop at a time read. */
export interface Loops {
  /** A promise where that takes something to wait for. */
  begin(loop: object): Promise<void> | undefined | void
  end(loop: object): Promise<void> | undefined | void
  /** False when the consumer was closed; throws the signal's reason. */
  alive(): boolean
}

/** What a loop asks of a consumer's reading. */
export interface LoopReading {
  more(): Promise<boolean>
  explain(error: unknown): unknown
}

/** What a consumer's loop iterates with. TypeScript's own interface for it has other parameters in each version, so it is not named here. */
export interface RecordIterator<T> extends AsyncIterator<T, undefined> {
  [Symbol.asyncIterator](): RecordIterator<T>
}

/** One loop over a consumer. Begins with the first `next`. */
export class Loop<T> implements RecordIterator<T> {
  private readonly loops: Loops
  private readonly take: () => T | undefined
  private readonly reading: LoopReading
  private state: 'new' | 'running' | 'over' = 'new'
  private waiting: Promise<boolean> | undefined

  constructor(loops: Loops, take: () => T | undefined, reading: LoopReading) {
    this.loops = loops
    this.take = take
    this.reading = reading
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  async next(): Promise<IteratorResult<T, undefined>> {
    // Someone may ask again without waiting for the answer: one after the other.
    while (this.waiting !== undefined) await this.waiting.catch(() => {})
    if (this.state === 'over') return DONE
    try {
      if (this.state === 'new') {
        const starting = this.start()
        if (starting !== undefined) await (this.waiting = starting)
        this.waiting = undefined
      }
      while (this.loops.alive()) {
        const value = this.take()
        if (value !== undefined) return { done: false, value }
        this.waiting = this.reading.more()
        const more = await this.waiting
        this.waiting = undefined
        if (!more || this.over) break
      }
    } catch (error) {
      const told = this.reading.explain(error)
      await this.finish()?.catch(() => {})
      throw told
    }
    await this.finish()
    return DONE
  }

  async return(): Promise<IteratorResult<T, undefined>> {
    await this.finish()
    return DONE
  }

  private get over(): boolean {
    return this.state === 'over'
  }

  private start(): Promise<true> | undefined {
    const starting = this.loops.begin(this)
    this.state = 'running'
    return starting === undefined ? undefined : starting.then(() => true)
  }

  private finish(): Promise<void> | undefined {
    this.waiting = undefined
    const { state } = this
    this.state = 'over'
    return state === 'running' ? (this.loops.end(this) ?? undefined) : undefined
  }
}
