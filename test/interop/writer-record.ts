/*
 * The records of the process that is killed while it appends: it writes them, and the test knows them without it.
 */
import { FIRST_TIMESTAMP, type RecordToWrite } from './case-log.ts'

/** The record that it writes at `offset`. */
export function recordOfKilledWriter(offset: number, firstTimestamp = FIRST_TIMESTAMP): RecordToWrite & { readonly timestamp: number } {
  return { timestamp: firstTimestamp + offset, key: `k${offset % 10}`, value: `value ${offset}`, headers: [['n', `${offset}`]] }
}
