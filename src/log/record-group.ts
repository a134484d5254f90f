/*
 * Several records that are appended together: they lie in one batch, so all of them are stored or none. And who wants to know where records
 * went: an index over a partition that is kept by the one process that writes it.
 */
import { type ByteWriter } from '../base/bytes.ts'
import { type RecordInput } from './record-input.ts'
import { type TailBatch } from './tail.ts'

/** Headers that write themselves, behind key and value of their record: how many, and each with its name, in the record's format. */
export abstract class HeadersWriter {
  abstract writeTo(writer: ByteWriter): void
}

/** The records of one append. The writer asks for them in their order, again from the first when the group moves to a batch of its own. */
export interface RecordGroup<K, V> {
  readonly count: number
  /** The first record is asked for next. It may get into a batch that has others: that begins at `batchOffset`. */
  begin(batchOffset: number, offset: number): void
  /** Record `index`; `at` is where it will begin, in bytes from the beginning of its batch. */
  record(index: number, at: number): RecordInput<K, V>
  /** It takes so many bytes there. Compression moves it. */
  added(index: number, at: number, size: number): void
  /** All of them count now, from `offset` on; they are not stored yet. */
  appended(offset: number): void
}

/** Follows what a writer does with what was appended. It is called in the middle of a round, and must neither throw nor append. */
export interface AppendWatcher {
  /** A batch was written to the segment that begins at `segmentBase`, at its `position`. */
  written(batch: TailBatch, segmentBase: number): void
  /** Everything below `end` is acknowledged. */
  acknowledged(end: number): void
  /** What was appended at or past `offset` is not stored, and never will be. */
  lost(offset: number): void
  /** The log was cut: it ends at `end` now, perhaps below what was acknowledged. */
  cut(end: number): void
}
