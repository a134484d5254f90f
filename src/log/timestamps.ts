/*
 * Offsets by time, as Kafka's ListOffsets answers them: the search is in the order of the log, not of the times, and what the asker may not
 * see is not found. Kafka answers nothing while the record with the largest timestamp of all is not visible; here the log counts as ending
 * where the asker's view of it ends, so that the largest one below that is found.
 */
import { batchRecordBytes, type BatchHeader, forEachRecord, recordTimestamp } from '../format/batch.ts'
import { scanBatches } from './scan.ts'
import { type Segment } from './segment.ts'

/** A record found by its time. */
export interface FoundTimestamp {
  readonly offset: number
  readonly timestamp: number
  readonly leaderEpoch: number
}

/**
 * The first record at or after `startOffset` whose timestamp is at least `timestamp`, looked for in the first segment that has one as
 * late. Undefined when there is none, and when that segment has it only below `startOffset`: as Kafka has it.
 */
export function findTimestamp(segments: readonly Segment[], timestamp: number, startOffset: number): FoundTimestamp | undefined {
  const segment = segments.find((one) => largestOf(one) >= timestamp)
  if (segment === undefined) return undefined
  const entry = segment.timeIndex.lookup(timestamp)
  const from = entry.timestamp < 0 ? 0 : segment.scanStart(entry.offset)
  return firstRecord(segment, from, (header) => header.maxTimestamp >= timestamp, (at, offset) => at >= timestamp && offset >= startOffset)
}

/** The first record with the largest timestamp of those below `end`; undefined when none of them has one. */
export function largestTimestamp(segments: readonly Segment[], end: number): FoundTimestamp | undefined {
  let best: Segment | undefined
  let timestamp = -1
  for (const [index, segment] of segments.entries()) {
    if (segment.baseOffset >= end) break
    const next = segments[index + 1]
    const largest = next !== undefined && next.baseOffset <= end ? largestOf(segment) : largestBelow(segment, end)
    if (largest <= timestamp) continue
    best = segment
    timestamp = largest
  }
  return best === undefined ? undefined : firstRecord(best, 0, (header) => header.maxTimestamp === timestamp, (at) => at === timestamp)
}

/** The largest timestamp of the batches below `end`. */
function largestBelow(segment: Segment, end: number): number {
  const entry = segment.timeIndex.before(end)
  let largest = entry.timestamp
  const from = largest < 0 ? 0 : segment.scanStart(entry.offset)
  scanBatches(segment.reader(), { from, to: segment.size, checkCrc: false, minOffset: segment.baseOffset }, (header) => {
    if (header.lastOffset >= end) return false
    largest = Math.max(largest, header.maxTimestamp)
    return true
  })
  return largest
}

function largestOf(segment: Segment): number {
  return Math.max(segment.timeIndex.last.timestamp, segment.maxTimestamp)
}

function firstRecord(
  segment: Segment, from: number, inBatch: (header: BatchHeader) => boolean, isIt: (timestamp: number, offset: number) => boolean,
): FoundTimestamp | undefined {
  let found: FoundTimestamp | undefined
  const options = { from, to: segment.size, checkCrc: false, minOffset: segment.baseOffset }
  scanBatches(segment.reader(), options, (header, _position, buffer, at) => {
    if (!inBatch(header)) return true
    forEachRecord(batchRecordBytes(buffer, at, header), header, ({ timestampDelta, offsetDelta }) => {
      if (found !== undefined) return
      const timestamp = recordTimestamp(header, timestampDelta)
      const offset = header.baseOffset + offsetDelta
      if (isIt(timestamp, offset)) found = { offset, timestamp, leaderEpoch: header.leaderEpoch }
    })
    return found === undefined
  })
  return found
}
