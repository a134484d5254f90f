/*
 * What the batches of a partition lead to, held against the files that say it too: leader epochs, producers, and the transactions that
 * they aborted. Told of every batch in order; reads nothing.
 */
import { type BatchHeader } from '../format/batch.ts'
import { LEADER_EPOCH_FILE } from '../format/leader-epoch-checkpoint.ts'
import { type ProducerSnapshotEntry } from '../format/producer-snapshot.ts'
import { type Epochs } from './epochs.ts'
import { type Findings } from './findings.ts'
import { type FoundBatch } from './inspect.ts'
import { type CompletedTransaction } from './open-transactions.ts'
import { ProducerState } from './producer-state.ts'

/** Contradictions of batches and checkpoint that are kept; the others are counted. */
const MOST_KEPT = 1000

interface WrongEpoch {
  readonly path: string
  readonly position: number
  readonly leaderEpoch: number
  readonly expected: number | undefined
}

/** Leader epochs: those that batches carry, and those of the checkpoint. */
export class EpochCheck {
  readonly #epochs: Epochs
  readonly #startOffset: number
  readonly #wrong: WrongEpoch[] = []
  #wrongCount = 0
  #count = 0
  #falls = false
  #last = -1

  /** @param startOffset  of the log: what was deleted below it on request has no epochs any more */
  constructor(epochs: Epochs, startOffset: number) {
    this.#epochs = epochs
    this.#startOffset = startOffset
  }

  /** The next batch, and where it is. */
  batch({ leaderEpoch, baseOffset, lastOffset }: BatchHeader, path: string, position: number): void {
    // Batches of before leader epochs were invented have −1.
    if (this.#epochs.latest === undefined || leaderEpoch === -1 || lastOffset < this.#startOffset) return
    this.#count++
    if (leaderEpoch < this.#last) this.#falls = true
    this.#last = leaderEpoch
    const expected = this.#epochs.epochAt(Math.max(baseOffset, this.#startOffset))
    if (leaderEpoch === expected) return
    this.#wrongCount++
    if (this.#wrong.length < MOST_KEPT) this.#wrong.push({ path, position, leaderEpoch, expected })
  }

  /** Most of the batches against the checkpoint are right, unless they contradict themselves; a few of them are wrong. */
  end(checkpoint: string, findings: Findings): void {
    if (!this.#falls && 2 * this.#wrongCount > this.#count) {
      const { leaderEpoch, expected = 'none' } = this.#wrong[0]!
      const message = `${this.#wrongCount} batches have another leader epoch than it says: ${leaderEpoch}, not ${expected}`
      findings.damage(checkpoint, 'epoch-order', message)
    } else {
      for (const { path, position, leaderEpoch, expected = 'none' } of this.#wrong) {
        findings.damage(path, 'leader-epoch', `leader epoch ${leaderEpoch}, but ${LEADER_EPOCH_FILE} says ${expected}`, position)
      }
    }
  }
}

/** A snapshot of producers, read when its place in the log is reached. */
export interface SnapshotToCheck {
  readonly offset: number
  readonly path: string
  /** Undefined when it is damaged, which is then reported. */
  read(): ProducerSnapshotEntry[] | undefined
}

/** Producers: those that a replay of the log finds, and those of the snapshots. */
export class ProducerCheck {
  readonly #producers = new ProducerState()
  readonly #snapshots: SnapshotToCheck[]
  readonly #startOffset: number
  readonly #findings: Findings
  #aborted: CompletedTransaction[] = []

  /**
   * @param snapshots  by rising offset
   * @param first      where the first segment begins: a snapshot of that offset tells what was before it
   */
  constructor(snapshots: readonly SnapshotToCheck[], first: number, findings: Findings) {
    this.#snapshots = [...snapshots]
    this.#startOffset = first
    this.#findings = findings
    this.#producers.reset(first)
    while (this.#snapshots.length > 0 && this.#snapshots[0]!.offset <= first) {
      const snapshot = this.#snapshots.shift()!
      const entries = snapshot.read()
      if (entries !== undefined && snapshot.offset === first) this.#producers.load(entries, first, { now: 0, expirationMs: Infinity })
    }
  }

  /** The next batch; `dense`: no offset is missing up to it. */
  batch({ header, marker }: FoundBatch, dense: boolean): void {
    this.#compare(header.baseOffset, dense)
    const ended = header.producerId < 0n ? undefined : this.#producers.replay(header, marker)
    if (ended?.aborted === true) this.#aborted.push(ended)
  }

  /** The transactions that were aborted since this was asked last. */
  takeAborted(nextOffset: number): CompletedTransaction[] {
    const aborted = this.#aborted
    this.#aborted = []
    this.#producers.onHighWatermark(nextOffset)
    return aborted
  }

  end(nextOffset: number, dense: boolean): void {
    this.#compare(nextOffset, dense)
    for (const { path } of this.#snapshots) this.#findings.note(path, 'snapshot-ahead', 'of producers past the end of the log')
  }

  #compare(upTo: number, dense: boolean): void {
    while (this.#snapshots.length > 0 && this.#snapshots[0]!.offset <= upTo) {
      const snapshot = this.#snapshots.shift()!
      const entries = snapshot.read()
      // Compaction and deletion take batches that snapshots tell of.
      if (entries === undefined || !dense || this.#startOffset > 0) continue
      for (const entry of entries) this.#compareOne(entry, snapshot.path)
    }
  }

  /** A snapshot may lack producers that were forgotten; those that it has must be as the log says. */
  #compareOne(entry: ProducerSnapshotEntry, path: string): void {
    const known = this.#producers.producer(entry.producerId)
    const last = known?.batches.at(-1)
    const same = known !== undefined && known.epoch === entry.epoch && known.currentTxnFirstOffset === entry.currentTxnFirstOffset &&
      (last?.lastOffset ?? -1) === entry.lastOffset && (last?.lastSequence ?? -1) === entry.lastSequence
    if (!same) this.#findings.damage(path, 'snapshot', `producer ${entry.producerId} is not as the log tells it`)
  }
}
