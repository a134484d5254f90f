/*
 * Reads what a control batch says about the transaction of its producer.
 */
import { batchRecordBytes, type BatchHeader, forEachRecord } from '../format/batch.ts'
import { type EndTransactionMarker, readEndTransactionMarker } from '../format/control.ts'

/** The end of a transaction that the control batch at `at` marks; undefined for other control batches and emptied ones. */
export function readEndTransaction(buffer: Uint8Array, at: number, header: BatchHeader): EndTransactionMarker | undefined {
  const bytes = batchRecordBytes(buffer, at, header)
  let marker: EndTransactionMarker | undefined
  forEachRecord(bytes, header, ({ keyAt, keySize, valueAt, valueSize }) => {
    const key = keySize < 0 ? null : bytes.subarray(keyAt, keyAt + keySize)
    marker = readEndTransactionMarker(key, valueSize < 0 ? null : bytes.subarray(valueAt, valueAt + valueSize))
  })
  return marker
}
