/*
 * Stores markers in partitions, again and again until they are stored: a transaction that is decided must end, whatever its partitions go
 * through meanwhile. A partition that is fenced is waited for; a full disk is tried again.
 */
import { type Clock } from '../../base/clock.ts'
import { type PartitionLog } from '../../log/partition-log.ts'
import { type TransactionEnd } from '../../log/transaction-part.ts'

/** Milliseconds after which a marker that found no room is tried again. */
const RETRY_MS = 1000

/** Stores markers. */
export class Markers {
  readonly #clock: Clock
  /** Those who wait to try again. */
  readonly #waiting = new Set<() => void>()
  #closed = false

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Resolves to true when the marker is stored, or there is nothing for it to end; to false when the partition was closed before. */
  async store(log: PartitionLog, marker: TransactionEnd): Promise<boolean> {
    while (!this.#closed && log.state !== 'closed') {
      if (await this.tryToStore(log, marker)) return true
      if (!this.#closed) await this.pause(log)
    }
    return false
  }

  /** As `store`, but once: false when it failed. */
  async tryToStore(log: PartitionLog, marker: TransactionEnd): Promise<boolean> {
    if (log.state !== 'open') return false
    try {
      const offset = log.endTransaction(marker)
      // Nothing is open: it never was, or a marker is on its way, which must be stored as well.
      const last = offset < 0 ? log.nextOffset - 1 : offset
      if (last < log.durableOffset) return true
      log.hurry()
      await log.durable(last)
      return true
    } catch {
      return false
    }
  }

  /** Nothing is tried any more; what is not stored is told by the next open. */
  close(): void {
    this.#closed = true
    for (const wake of [...this.#waiting]) wake()
  }

  /** Waits for a while, at most until the partition changes, or nothing is tried any more. */
  pause(log?: PartitionLog): Promise<void> {
    if (this.#closed) return Promise.resolve()
    return new Promise((resolve) => {
      const wake = (): void => {
        timer.cancel()
        ignore?.()
        this.#waiting.delete(wake)
        resolve()
      }
      const timer = this.#clock.setTimer(wake, RETRY_MS, { ref: false })
      const ignore = log?.onProgress(wake)
      this.#waiting.add(wake)
    })
  }
}
