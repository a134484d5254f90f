/*
 * What a cleaning of a compacted partition did.
 */

/** What a cleaning did, and what is left to do. */
export interface CleanReport {
  /** Records from here on were not looked at by a cleaning before. */
  readonly from: number
  /** Records below this offset were looked at; where the next cleaning goes on. */
  readonly to: number
  /** False when the keys did not all find room in memory: another cleaning goes on at `to`. */
  readonly complete: boolean
  /** Bytes of the segments that were looked at, before and after. */
  readonly bytesBefore: number
  readonly bytesAfter: number
  /** How many segments those were, before and after. */
  readonly segmentsBefore: number
  readonly segmentsAfter: number
  readonly recordsBefore: number
  readonly recordsAfter: number
  /** Different keys that were seen, and the bytes of memory that they took. */
  readonly keys: number
  readonly keyBytes: number
  readonly ms: number
}
