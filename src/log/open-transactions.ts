/*
 * The transactions of one partition that hold read-committed readers up: those that are open, and those that ended by a marker which is not
 * below the watermark yet. Who writes in them is producer-state.ts.
 */

/** A transaction that a marker ended. If `aborted`, these are the fields of its entry in the transaction index. */
export interface CompletedTransaction {
  readonly producerId: bigint
  readonly firstOffset: number
  /** Offset of the marker. */
  readonly lastOffset: number
  readonly aborted: boolean
  /** Where the earliest transaction of another producer that was open beside it begins, or else one past the marker. */
  readonly lastStableOffset: number
}

/** A transaction that is open. */
interface Ongoing<P> {
  readonly firstOffset: number
  readonly producer: P
  /** It holds nobody up: see {@link OpenTransactions.decide}. */
  decided: boolean
}

/** The transactions of one partition, each of some producer `P`. */
export class OpenTransactions<P> {
  /**
   * In the order of first offsets, since batches come in the order of offsets. A list: where the keys of a Map come and go, each of its tables
   * refers to the next, and all that were ever in it stay in memory until a full collection.
   */
  #ongoing: Ongoing<P>[] = []
  /** Ended transactions whose marker is not below the watermark yet, in the order of their markers. */
  #unreplicated: CompletedTransaction[] = []

  /** How many are open. */
  get count(): number {
    return this.#ongoing.length
  }

  /** Those who have one open, in the order in which they began. */
  get producers(): readonly P[] {
    return this.#ongoing.map(({ producer }) => producer)
  }

  /** Notes that a transaction is open from `firstOffset` on, unless that is known. */
  begin(firstOffset: number, producer: P): void {
    const at = this.#find(firstOffset)
    if (this.#ongoing[at]?.firstOffset !== firstOffset) this.#ongoing.splice(at, 0, { firstOffset, producer, decided: false })
  }

  /** The one that began at `firstOffset` will be committed, though its marker is not stored yet: it holds readers up no longer. */
  decide(firstOffset: number): void {
    const ongoing = this.#ongoing[this.#find(firstOffset)]
    if (ongoing?.firstOffset === firstOffset) ongoing.decided = true
  }

  /** A marker ended one. It still holds readers up while the marker is not below the watermark. */
  end(ended: Omit<CompletedTransaction, 'lastStableOffset'>): CompletedTransaction {
    const at = this.#find(ended.firstOffset)
    if (this.#ongoing[at]?.firstOffset === ended.firstOffset) this.#ongoing.splice(at, 1)
    const completed = { ...ended, lastStableOffset: this.#ongoing[0]?.firstOffset ?? ended.lastOffset + 1 }
    this.#unreplicated.push(completed)
    return completed
  }

  /** Where the earliest begins that is open, or whose marker is not below the watermark; undefined when there is none. */
  firstUnstableOffset(highWatermark: number): number | undefined {
    let first = this.#firstUndecided()
    for (const { firstOffset, lastOffset } of this.#unreplicated) {
      if (lastOffset >= highWatermark && (first === undefined || firstOffset < first)) first = firstOffset
    }
    return first
  }

  /** The watermark moved: transactions whose markers are below it hold nobody up any more. */
  onHighWatermark(highWatermark: number): void {
    const kept = this.#unreplicated.findIndex((transaction) => transaction.lastOffset >= highWatermark)
    if (this.#unreplicated.length > 0 && kept !== 0) this.#unreplicated = kept < 0 ? [] : this.#unreplicated.slice(kept)
  }

  /** Forgets all. */
  clear(): void {
    this.#ongoing = []
    this.#unreplicated = []
  }

  #firstUndecided(): number | undefined {
    for (const { firstOffset, decided } of this.#ongoing) if (!decided) return firstOffset
    return undefined
  }

  /** Where among those that are open one is, or would be, that begins at `firstOffset`. */
  #find(firstOffset: number): number {
    let low = 0
    let high = this.#ongoing.length
    if (high > 0 && this.#ongoing[high - 1]!.firstOffset < firstOffset) return high
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.#ongoing[middle]!.firstOffset < firstOffset) low = middle + 1
      else high = middle
    }
    return low
  }
}
