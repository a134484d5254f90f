/*
 * A fetch that waits until there is enough to answer it with. It is woken by the watermarks of its partitions, and counts what they add: no
 * timer but its own, and nothing is read before there is enough.
 */
import { type Clock } from '../base/clock.ts'
import { type Isolation, type PartitionLog } from '../log/partition-log.ts'

/** A partition that is waited for. */
export interface Awaited {
  readonly log: PartitionLog
  /** Behind what was counted already. */
  counted: number
  /** Where the reader stands. */
  readonly from: number
}

/** How long to wait, and for what. */
export interface WaitOptions {
  readonly clock: Clock
  readonly isolation: Isolation
  /** Bytes that are still missing. */
  readonly missing: number
  readonly maxWaitMs: number
  /** Ends the wait. */
  readonly signal: AbortSignal
}

/** Resolves when there are as many bytes more, when a partition is not what it was, or when the time is over. */
export function moreToFetch(partitions: readonly Awaited[], { clock, isolation, missing, maxWaitMs, signal }: WaitOptions): Promise<void> {
  return new Promise((resolve) => {
    let left = missing
    const done = (): void => {
      timer.cancel()
      for (const end of ends) end()
      signal.removeEventListener('abort', done)
      resolve()
    }
    const timer = clock.setTimer(done, maxWaitMs)
    const ends = partitions.map((one) => {
      const { leaderEpoch } = one.log
      return one.log.onProgress(() => {
        const { log, from } = one
        if (log.state === 'closed' || log.leaderEpoch !== leaderEpoch || log.startOffset > from) return done()
        const end = isolation === 'read_committed' ? log.lastStableOffset : log.highWatermark
        if (end <= one.counted) return
        left -= log.bytesBehind(one.counted, isolation, left)
        one.counted = end
        if (left <= 0) done()
      })
    })
    signal.addEventListener('abort', done, { once: true })
    if (signal.aborted) done()
  })
}
