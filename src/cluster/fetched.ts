/*
 * The records of one answer to Fetch for one partition: batches one after another in one buffer, checked when they are come to, decoded when
 * asked. The last one may be cut off.
 */
import { LogError } from '../base/errors.ts'
import { batchDamage, batchSize, CONTROL_BIT, RECORDS_AT } from '../format/batch.ts'
import { compressionNames, decompress } from '../format/compression.ts'
import { BatchPlace } from '../log/batch-place.ts'
import { BatchView, LogRecord, type RecordSource } from '../log/record.ts'
import { type RecordCodecs } from '../log/record-input.ts'
import { AbortedFilter, type AbortedRange } from './aborted.ts'

/** Walks over the records of one answer. */
export class Fetched<K, V> {
  /** Offset of the next record, or of the first one behind this answer. */
  position: number
  readonly size: number
  private readonly source: RecordSource<K, V>
  private readonly codecs: RecordCodecs<K, V>
  private readonly buffer: Buffer
  private readonly filter: AbortedFilter | undefined
  private at = 0
  private view: BatchView<K, V> | undefined
  private batch: BatchPlace | undefined
  private recordAt = 0
  private recordsEnd = 0
  private remaining = 0

  /** @param aborted  undefined to read what is not committed, too */
  constructor(
    source: RecordSource<K, V>, codecs: RecordCodecs<K, V>, buffer: Buffer, position: number, aborted: readonly AbortedRange[] | undefined,
  ) {
    this.source = source
    this.codecs = codecs
    this.buffer = buffer
    this.size = buffer.length
    this.position = position
    this.filter = aborted === undefined ? undefined : new AbortedFilter(aborted)
  }

  /** The next record; undefined when there is none in this answer. */
  take(): LogRecord<K, V> | undefined {
    for (;;) {
      if (this.remaining === 0 && !this.enter()) return undefined
      const { buffer } = this.view!
      const { at, size } = varintAt(buffer, this.recordAt)
      const end = at + size
      if (!(size > 0 && end <= this.recordsEnd)) throw this.malformed()
      const offset = this.batch!.baseOffset + offsetDelta(buffer, at)
      this.recordAt = end
      this.remaining--
      const wanted = offset >= this.position
      // Behind the last record the batch may go on: compaction has taken what was there.
      if (this.remaining === 0) this.position = Math.max(this.position, this.batch!.lastOffset + 1)
      else if (wanted) this.position = offset + 1
      if (wanted) return new LogRecord(this.view!, offset, at, end)
    }
  }

  /** The records that are left of the batch that is walked over. */
  restOfBatch(): LogRecord<K, V>[] {
    const records: LogRecord<K, V>[] = []
    while (this.remaining > 0) {
      const record = this.take()
      if (record !== undefined) records.push(record)
    }
    return records
  }

  /** Goes to the next batch with records to hand out; false when there is none. */
  private enter(): boolean {
    for (;;) {
      const { buffer, at } = this
      if (at + RECORDS_AT > buffer.length || at + batchSize(buffer, at) > buffer.length) return false
      const damage = batchDamage(buffer, at, buffer.length)
      if (damage !== undefined) throw this.malformed(damage)
      const batch = new BatchPlace(buffer, at)
      this.at += batch.size
      const wanted = this.filter === undefined ? (batch.attributes & CONTROL_BIT) === 0 : this.filter.wants(batch)
      if (batch.lastOffset < this.position) continue
      if (!wanted || batch.recordCount === 0) {
        this.position = batch.lastOffset + 1
        continue
      }
      this.open(batch)
      return true
    }
  }

  private open(batch: BatchPlace): void {
    const { buffer, at, size, compression, baseTimestamp, appendTime, leaderEpoch, recordCount } = batch
    const packed = compression !== 0
    const records = packed ? decompress(compressionNames[compression]!, buffer.subarray(at + RECORDS_AT, at + size)) : buffer
    this.view = new BatchView(this.source, this.codecs, records, baseTimestamp, appendTime, leaderEpoch, undefined)
    this.batch = batch
    this.recordAt = packed ? 0 : at + RECORDS_AT
    this.recordsEnd = packed ? records.length : at + size
    this.remaining = recordCount
  }

  private malformed(damage = 'a record is malformed'): LogError {
    const { topic, partition } = this.source
    return new LogError('LOG_BATCH_CORRUPT', `an answer for ${topic}-${partition} is damaged: ${damage}`, { topic, partition, offset: this.position })
  }
}

/** Reused: read it before the next call. */
const varint = { at: 0, size: 0 }

function varintAt(buffer: Buffer, from: number): { readonly at: number; readonly size: number } {
  let at = from
  let byte = buffer[at++]!
  let bits = byte & 0x7f
  for (let shift = 7; byte >= 0x80 && shift < 35; shift += 7) {
    byte = buffer[at++]!
    bits |= (byte & 0x7f) << shift
  }
  varint.at = at
  varint.size = (bits >>> 1) ^ -(bits & 1)
  return varint
}

/** Behind the attributes and the timestamp. */
function offsetDelta(buffer: Buffer, from: number): number {
  let at = from
  while (buffer[++at]! >= 0x80);
  return varintAt(buffer, at + 1).size
}
