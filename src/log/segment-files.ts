/*
 * What the files of one segment are called in the folder of their partition.
 */
import { indexFileName, logFileName, timeIndexFileName, txnIndexFileName } from '../format/names.ts'

/** The names of a segment's files in its folder. They differ from the plain ones only while a folder of Kafka's is looked at read-only. */
export interface SegmentFiles {
  readonly log: string
  readonly index: string
  readonly timeIndex: string
  readonly txnIndex: string
}

/** The names of a segment's files, as a folder in good order has them. */
export function segmentFiles(baseOffset: number): SegmentFiles {
  return {
    log: logFileName(baseOffset),
    index: indexFileName(baseOffset),
    timeIndex: timeIndexFileName(baseOffset),
    txnIndex: txnIndexFileName(baseOffset),
  }
}
