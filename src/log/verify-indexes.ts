/*
 * Compares the indexes of a segment, entry by entry, with the batches of its log, which must be told in their order. They have no
 * checksums of their own: the log is the only evidence (docs/format.md#what-the-checksum-does-not-cover). Nothing is read here.
 */
import { type BatchHeader } from '../format/batch.ts'
import {
  type CheckedIndex, checkOffsetIndex, checkTimeIndex, getOffsetEntry, getTimeEntry, OFFSET_ENTRY_SIZE, type OffsetEntry, TIME_ENTRY_SIZE,
  type TimeEntry,
} from '../format/index-entry.ts'
import { type AbortedTransaction, TXN_ENTRY_SIZE } from '../format/txn-index-entry.ts'
import { type CompletedTransaction } from './open-transactions.ts'

/** Told of each entry that contradicts the log. `position`: of the entry in the index file, in bytes. */
export type IndexReport = (position: number, message: string) => void

/** An index file held against the batches of its segment. */
export interface IndexCheck {
  /** The next batch of the segment. */
  batch(position: number, header: BatchHeader): void
  /** Here lie bytes that are no batch: what the index says of them cannot be checked. */
  gap(from: number, to: number): void
  /** There are no more batches. Gives how many entries speak of something behind the last one: damage, or what a power cut left. */
  end(): number
}

/**
 * An `.index` file: each entry is the last offset of a batch and where that begins.
 *
 * @param exact  false for a folder that Kafka wrote: a follower's entry names the last batch of an append of several, and the place of the first
 */
export function offsetIndexCheck(bytes: Buffer, baseOffset: number, exact: boolean, report: IndexReport): IndexCheck {
  return new OffsetIndexCheck(bytes, baseOffset, exact, report)
}

/** A `.timeindex` file: each entry is the largest timestamp up to a batch and the last offset of the batch that brought it. */
export function timeIndexCheck(bytes: Buffer, baseOffset: number, report: IndexReport): IndexCheck {
  return new TimeIndexCheck(bytes, baseOffset, report)
}

class OffsetIndexCheck implements IndexCheck {
  readonly #bytes: Buffer
  readonly #baseOffset: number
  readonly #exact: boolean
  readonly #report: IndexReport
  readonly #checked: CheckedIndex
  #next = 0
  /** The offset that an entry promised for a later batch. */
  #owed = -1

  constructor(bytes: Buffer, baseOffset: number, exact: boolean, report: IndexReport) {
    this.#bytes = bytes
    this.#baseOffset = baseOffset
    this.#exact = exact
    this.#report = report
    this.#checked = checkOffsetIndex(bytes)
    reportTail(this.#checked, OFFSET_ENTRY_SIZE, report)
  }

  batch(position: number, { lastOffset }: BatchHeader): void {
    if (this.#owed >= 0 && lastOffset >= this.#owed) {
      if (lastOffset > this.#owed) this.#wrong(this.#next - 1, `no batch ends at offset ${this.#owed}`)
      this.#owed = -1
    }
    for (let entry = this.#entry(); entry !== undefined && entry.position <= position; entry = this.#entry()) {
      if (entry.position < position) this.#wrong(this.#next, `no batch begins at position ${entry.position}`)
      else if (entry.offset > lastOffset && !this.#exact) this.#owed = entry.offset
      else if (entry.offset !== lastOffset) this.#wrong(this.#next, `offset ${entry.offset}, but the batch there ends with ${lastOffset}`)
      this.#next++
    }
  }

  gap(from: number, to: number): void {
    for (let entry = this.#entry(); entry !== undefined && entry.position >= from && entry.position < to; entry = this.#entry()) this.#next++
    this.#owed = -1
  }

  end(): number {
    return this.#checked.count - this.#next
  }

  #entry(): OffsetEntry | undefined {
    return this.#next < this.#checked.count ? getOffsetEntry(this.#bytes, this.#next * OFFSET_ENTRY_SIZE, this.#baseOffset) : undefined
  }

  #wrong(index: number, message: string): void {
    this.#report(index * OFFSET_ENTRY_SIZE, message)
  }
}

class TimeIndexCheck implements IndexCheck {
  readonly #bytes: Buffer
  readonly #baseOffset: number
  readonly #report: IndexReport
  readonly #checked: CheckedIndex
  #next = 0
  #largest = -1
  #afterGap = false

  constructor(bytes: Buffer, baseOffset: number, report: IndexReport) {
    this.#bytes = bytes
    this.#baseOffset = baseOffset
    this.#report = report
    this.#checked = checkTimeIndex(bytes)
    reportTail(this.#checked, TIME_ENTRY_SIZE, report)
  }

  batch(_position: number, { baseOffset, lastOffset, maxTimestamp }: BatchHeader): void {
    if (this.#afterGap) this.#skip(baseOffset)
    const brought = maxTimestamp > this.#largest
    if (brought) this.#largest = maxTimestamp
    for (let entry = this.#entry(); entry !== undefined && entry.offset <= lastOffset; entry = this.#entry()) {
      const { offset, timestamp } = entry
      if (offset < lastOffset) this.#wrong(`no batch ends at offset ${offset}`)
      else if (!brought || timestamp !== maxTimestamp) this.#wrong(`${timestamp}, but the largest up to offset ${offset} is ${this.#largest}`)
      this.#next++
    }
  }

  gap(): void {
    this.#afterGap = true
  }

  end(): number {
    if (this.#afterGap) this.#skip(Infinity)
    return this.#checked.count - this.#next
  }

  /** Entries of batches that are gone tell what the largest timestamp was. */
  #skip(upTo: number): void {
    this.#afterGap = false
    for (let entry = this.#entry(); entry !== undefined && entry.offset < upTo; entry = this.#entry()) {
      this.#largest = entry.timestamp
      this.#next++
    }
  }

  #entry(): TimeEntry | undefined {
    return this.#next < this.#checked.count ? getTimeEntry(this.#bytes, this.#next * TIME_ENTRY_SIZE, this.#baseOffset) : undefined
  }

  #wrong(message: string): void {
    this.#report(this.#next * TIME_ENTRY_SIZE, message)
  }
}

/** Zeros behind the entries are what is left of a preallocated file: no damage, whoever closed it. */
function reportTail({ count, tail }: CheckedIndex, entrySize: number, report: IndexReport): void {
  if (tail === 'damaged') report(count * entrySize, 'the entries do not rise from here on')
}

/**
 * A `.txnindex` file: its entries are the transactions that were aborted in the segment.
 *
 * @param expected   those that a replay of the log found, by rising marker
 * @param denseFrom  no offset is missing from here on; before it compaction may have removed the records of a transaction, and its marker,
 *                   or deletion the segments they were in
 */
export function checkTxnIndex(
  entries: readonly AbortedTransaction[], expected: readonly CompletedTransaction[], denseFrom: number, report: IndexReport,
): void {
  const found = new Map(expected.map((transaction) => [transaction.lastOffset, transaction]))
  for (const [index, entry] of entries.entries()) {
    const transaction = found.get(entry.lastOffset)
    found.delete(entry.lastOffset)
    const dense = Math.min(entry.firstOffset, entry.lastStableOffset) >= denseFrom
    const problem = transaction === undefined ? unexpected(entry, dense) : difference(entry, transaction, dense)
    if (problem !== undefined) report(index * TXN_ENTRY_SIZE, problem)
  }
  for (const { producerId, firstOffset, lastOffset } of found.values()) {
    report(entries.length * TXN_ENTRY_SIZE, `no entry for what producer ${producerId} aborted, offsets ${firstOffset}..${lastOffset}`)
  }
}

function unexpected({ producerId, lastOffset }: AbortedTransaction, dense: boolean): string | undefined {
  return dense ? `no transaction of producer ${producerId} was aborted at offset ${lastOffset}` : undefined
}

function difference(entry: AbortedTransaction, found: CompletedTransaction, dense: boolean): string | undefined {
  const first = dense ? entry.firstOffset === found.firstOffset : entry.firstOffset <= found.firstOffset
  const stable = !dense || entry.lastStableOffset === found.lastStableOffset
  if (entry.producerId === found.producerId && first && stable) return undefined
  const { producerId, firstOffset, lastStableOffset } = found
  return `the transaction aborted at offset ${found.lastOffset} is of producer ${producerId}, from ${firstOffset}, stable ${lastStableOffset}`
}
