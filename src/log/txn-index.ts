/*
 * The aborted transactions of one segment, in memory: those whose abort marker lies in it, in the order of the markers. With them a
 * reader that wants only what was committed knows what to pass over; reading and writing the `.txnindex` file is the segment's work.
 *
 * Unlike the other indexes, one that lacks entries answers wrongly, so a damaged file is refused and made again by replaying the log.
 * Layout and rules as in Kafka's TransactionIndex, docs/format.md#transaction-index.
 */
import { assert } from '../base/assert.ts'
import { LogError } from '../base/errors.ts'
import { txnIndexFileName } from '../format/names.ts'
import { TXN_ENTRY_SIZE, decodeTxnIndex, encodeTxnIndexEntry, type AbortedTransaction } from '../format/txn-index-entry.ts'

/** The aborted transactions of one segment. */
export class TxnIndex {
  readonly baseOffset: number
  readonly #entries: AbortedTransaction[] = []
  #writtenCount = 0

  constructor(baseOffset: number) {
    this.baseOffset = baseOffset
  }

  /**
   * What a `.txnindex` file holds; all of it counts as written.
   *
   * @throws LogError `LOG_FILE_CORRUPT` half an entry, an unknown version, or entries that cannot be those of this segment
   */
  static load(bytes: Uint8Array, baseOffset: number): TxnIndex {
    const index = new TxnIndex(baseOffset)
    const path = txnIndexFileName(baseOffset)
    for (const entry of decodeTxnIndex(bytes, baseOffset, path)) {
      if (!index.#continues(entry)) throw impossible(path, index.count * TXN_ENTRY_SIZE, entry)
      index.#entries.push(entry)
    }
    index.#writtenCount = index.count
    return index
  }

  /** How many entries there are. */
  get count(): number {
    return this.#entries.length
  }

  /** The entries, in the order of their markers. */
  get entries(): readonly AbortedTransaction[] {
    return this.#entries
  }

  /** Bytes of the file that hold entries: where those of the next `takePending` belong. */
  get writtenSize(): number {
    return this.#writtenCount * TXN_ENTRY_SIZE
  }

  /** Adds a transaction whose marker was written to this segment, behind that of every other in it. */
  append({ producerId, firstOffset, lastOffset, lastStableOffset }: AbortedTransaction): void {
    const entry = { producerId, firstOffset, lastOffset, lastStableOffset }
    assert(this.#continues(entry), 'aborted transactions are noted in the order of their markers')
    this.#entries.push(entry)
  }

  /** Drops the transactions whose marker is at or past `offset`. The file, when it holds some, must then be cut to {@link writtenSize}. */
  truncateTo(offset: number): void {
    this.#entries.length = this.#firstEndingAt(offset)
    this.#writtenCount = Math.min(this.#writtenCount, this.#entries.length)
  }

  /** The bytes of all entries that are not in the file yet, which from now on count as written; undefined when there are none. */
  takePending(): Buffer | undefined {
    const pending = this.#entries.slice(this.#writtenCount)
    if (pending.length === 0) return undefined
    this.#writtenCount = this.#entries.length
    return Buffer.concat(pending.map(encodeTxnIndexEntry))
  }

  /** After a failed write: what lies at and past byte `size` of the file does not count as written. */
  restorePending(size: number): void {
    this.#writtenCount = Math.min(this.#writtenCount, Math.floor(size / TXN_ENTRY_SIZE))
  }

  /**
   * The transactions of this segment that touch `[fromOffset, toOffset)`, as far as anyone can tell from first and last offset.
   *
   * @returns `complete`: no later segment can hold another one
   */
  abortedIn(fromOffset: number, toOffset: number): { readonly aborted: AbortedTransaction[]; readonly complete: boolean } {
    const aborted: AbortedTransaction[] = []
    for (let at = this.#firstEndingAt(fromOffset); at < this.#entries.length; at++) {
      const entry = this.#entries[at]!
      if (entry.firstOffset < toOffset) aborted.push(entry)
      if (entry.lastStableOffset >= toOffset) return { aborted, complete: true }
    }
    return { aborted, complete: false }
  }

  /** The index of the first entry whose marker is at or past `offset`; the count when there is none. */
  #firstEndingAt(offset: number): number {
    let low = 0
    let high = this.#entries.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.#entries[middle]!.lastOffset >= offset) high = middle
      else low = middle + 1
    }
    return low
  }

  #continues({ firstOffset, lastOffset, lastStableOffset }: AbortedTransaction): boolean {
    const before = this.#entries.at(-1)?.lastOffset ?? this.baseOffset - 1
    return firstOffset >= 0 && lastOffset > firstOffset && lastOffset > before && lastStableOffset >= 0 && lastStableOffset <= lastOffset + 1
  }
}

/**
 * The aborted transactions that a reader of `[fromOffset, toOffset)` has to pass over. A transaction is listed where its marker lies, so
 * those of a read may stand in later segments; no more of them are asked for than needed.
 *
 * @param indexes  of the segment that holds `fromOffset` and those after it, in order
 */
export function collectAborted(indexes: Iterable<TxnIndex>, fromOffset: number, toOffset: number): AbortedTransaction[] {
  const all: AbortedTransaction[] = []
  for (const index of indexes) {
    const { aborted, complete } = index.abortedIn(fromOffset, toOffset)
    for (const transaction of aborted) all.push(transaction)
    if (complete) break
  }
  return all
}

function impossible(path: string, position: number, { firstOffset, lastOffset, lastStableOffset }: AbortedTransaction): LogError {
  const message = `${path}: no transaction reaches from ${firstOffset} to ${lastOffset} with ${lastStableOffset} stable, at position ${position}`
  return new LogError('LOG_FILE_CORRUPT', message, { path, position, firstOffset, lastOffset, lastStableOffset })
}
