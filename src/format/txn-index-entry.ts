/*
 * Entries of the `.txnindex` file: the aborted transactions whose marker lies in the segment. Which of them a reader is told is for the log
 * to say. Spec: docs/format.md#transaction-index; Kafka's AbortedTxn.
 *
 *   0         2             10             18            26                   34
 *   +---------+-------------+--------------+-------------+--------------------+
 *   | version | producer id | first offset | last offset | last stable offset |
 *   +---------+-------------+--------------+-------------+--------------------+
 */
import { ByteReader, setBigInt64, setInt16, setInt64 } from '../base/bytes.ts'

/** Bytes of an entry. */
export const TXN_ENTRY_SIZE = 34

const CURRENT_VERSION = 0

/** One aborted transaction. */
export interface AbortedTransaction {
  readonly producerId: bigint
  /** Offset of its first batch. */
  readonly firstOffset: number
  /** Offset of its marker. */
  readonly lastOffset: number
  /** Where the earliest other transaction that was open at that moment begins; one past the marker when there was none. */
  readonly lastStableOffset: number
}

/** The bytes of an entry. */
export function encodeTxnIndexEntry(entry: AbortedTransaction): Buffer {
  const bytes = Buffer.allocUnsafe(TXN_ENTRY_SIZE)
  setInt16(bytes, 0, CURRENT_VERSION)
  setBigInt64(bytes, 2, entry.producerId)
  setInt64(bytes, 10, entry.firstOffset)
  setInt64(bytes, 18, entry.lastOffset)
  setInt64(bytes, 26, entry.lastStableOffset)
  return bytes
}

/**
 * The entries of a whole `.txnindex` file.
 *
 * @param baseOffset  of its segment: no transaction may end below it
 * @throws LogError `LOG_FILE_CORRUPT` when an entry is cut short, of another version, or its numbers cannot be
 */
export function decodeTxnIndex(bytes: Uint8Array, baseOffset: number, path: string): AbortedTransaction[] {
  const reader = new ByteReader(bytes, 0, bytes.length, 'LOG_FILE_CORRUPT', path)
  const entries: AbortedTransaction[] = []
  let previous = baseOffset - 1
  while (reader.left > 0) {
    const version = reader.int16()
    if (version !== CURRENT_VERSION) reader.fail(`an entry of version ${version}`)
    const entry = { producerId: reader.bigint64(), firstOffset: reader.int64(), lastOffset: reader.int64(), lastStableOffset: reader.int64() }
    if (entry.lastOffset <= previous) reader.fail(`a transaction that ends at offset ${entry.lastOffset}, not after ${previous}`)
    if (entry.firstOffset < 0 || entry.firstOffset > entry.lastOffset) reader.fail(`a transaction from ${entry.firstOffset} to ${entry.lastOffset}`)
    previous = entry.lastOffset
    entries.push(entry)
  }
  return entries
}
