/*
 * The leader epochs of one partition and where each begins. A new epoch starts whenever history may have been cut, so (epoch, offset) says
 * whether what was derived from the log, a committed offset or a snapshot, still belongs to it.
 *
 * In memory only; the file is format/leader-epoch-checkpoint.ts. Rules as in Kafka's LeaderEpochFileCache, docs/format.md#leader-epochs.
 */
import { type LeaderEpochStart } from '../format/leader-epoch-checkpoint.ts'

/** An epoch and the offset behind its last record. */
export interface EpochEnd {
  readonly epoch: number
  readonly endOffset: number
}

/** The epochs of a partition, rising in epoch and in start offset. */
export class Epochs {
  #entries: LeaderEpochStart[] = []

  /** @param entries  as a checkpoint keeps them; where they do not rise, later ones win */
  constructor(entries: Iterable<LeaderEpochStart> = []) {
    for (const { epoch, startOffset } of entries) this.assign(epoch, startOffset)
  }

  /** All epochs, oldest first: what the checkpoint keeps. */
  get entries(): readonly LeaderEpochStart[] {
    return this.#entries
  }

  /** The newest epoch; undefined in a log that never had one. */
  get latest(): LeaderEpochStart | undefined {
    return this.#entries.at(-1)
  }

  /**
   * Notes that records from `startOffset` on are of `epoch`. Entries that contradict it (as new or newer, or starting there or later) go.
   *
   * @returns whether anything changed, and so whether the checkpoint has to be written
   */
  assign(epoch: number, startOffset: number): boolean {
    if (!(epoch >= 0 && startOffset >= 0)) throw new RangeError(`epoch ${epoch} from offset ${startOffset}`)
    const latest = this.latest
    if (latest !== undefined && latest.epoch === epoch && latest.startOffset <= startOffset) return false
    const kept = this.#entries.filter((entry) => entry.epoch < epoch && entry.startOffset < startOffset)
    this.#entries = [...kept, { epoch, startOffset }]
    return true
  }

  /** What a batch in the log says about itself when the log is scanned: assigned when its epoch is newer than all; −1 says nothing. */
  observe(epoch: number, baseOffset: number): boolean {
    return epoch > (this.latest?.epoch ?? -1) && this.assign(epoch, baseOffset)
  }

  /**
   * Where the records of `epoch` end, or would if there were any: the largest epoch of this log that is not above it, and the start of
   * the next one. Below the oldest epoch: `epoch` itself, ending where the oldest starts. Undefined when the epoch is unknown (−1) or
   * newer than all.
   *
   * @param logEnd  the offset of the next record: where the latest epoch ends
   */
  endOffsetFor(epoch: number, logEnd: number): EpochEnd | undefined {
    const latest = this.latest
    if (epoch < 0 || latest === undefined || epoch > latest.epoch) return undefined
    const above = this.#entries.findIndex((entry) => entry.epoch > epoch)
    if (above < 0) return { epoch, endOffset: logEnd }
    const found = this.#entries[above - 1]?.epoch ?? epoch
    return { epoch: found, endOffset: this.#entries[above]!.startOffset }
  }

  /** The epoch of the record at `offset`; undefined before the first epoch. Offsets past the end get the latest one. */
  epochAt(offset: number): number | undefined {
    return this.#entries.findLast((entry) => entry.startOffset <= offset)?.epoch
  }

  /**
   * The offset up to which something stored as (epoch, offset) still belongs to this log: `offset` itself when it does, else where this
   * log left that history. Everything derived from records at and past the result has to be derived again.
   *
   * `offset` is exclusive (the next one to read), `epoch` that of the last record before it or a later one that had begun when it was
   * stored. An epoch newer than all, as after an old backup was put back, or an unknown one (−1), can only be held against the log's end.
   */
  divergence(stored: { readonly epoch: number; readonly offset: number }, logEnd: number): number {
    return Math.min(stored.offset, this.endOffsetFor(stored.epoch, logEnd)?.endOffset ?? logEnd)
  }

  /** Forgets the epochs that start at or past `endOffset`, the new end of the log. Returns whether there were any. */
  truncateFromEnd(endOffset: number): boolean {
    return this.#replace(this.#entries.filter((entry) => entry.startOffset < endOffset))
  }

  /** Forgets what lies below `startOffset`, the new start of the log: the epoch that holds there starts there. Returns whether anything changed. */
  truncateFromStart(startOffset: number): boolean {
    const epoch = this.epochAt(startOffset)
    if (epoch === undefined) return false
    return this.#replace([{ epoch, startOffset }, ...this.#entries.filter((entry) => entry.startOffset > startOffset)])
  }

  /** Forgets everything: the log was emptied. */
  reset(): void {
    this.#entries = []
  }

  #replace(entries: LeaderEpochStart[]): boolean {
    const same = entries.length === this.#entries.length && entries[0]?.startOffset === this.#entries[0]?.startOffset
    if (!same) this.#entries = entries
    return !same
  }
}
