/*
 * The way of records out of their lanes, to the dead letters or to the retry topic: some at a time, each time in one step with a commit that
 * tells them as finished, and again and again while that may still succeed. What they become there is hand-over.ts.
 */
import { type Clock } from '../../base/clock.ts'
import { type Commits, mayGoOn, TRY_AGAIN_MS } from './commits.ts'
import { type Lane, type Leaving } from './lane.ts'
import { type LoopOptions } from './loop-options.ts'

/** Records put aside in one step. */
const MOST_LEAVING = 100

/** What {@link Departures} work with. */
export interface DeparturesOptions<K, V> {
  readonly clock: Clock
  readonly commits: Commits<K, V>
  /** Undefined where no record ever leaves. */
  readonly putAside: LoopOptions<K, V>['putAside']
  /** A record has left. */
  readonly left: (leaving: Leaving<K, V>) => void
  /** Of a lane nothing is on its way any more. */
  readonly ended: () => void
  /** Nothing helps any more. */
  readonly failed: (error: unknown) => void
}

/** The records that leave the lanes of one loop. */
export class Departures<K, V> {
  private readonly options: DeparturesOptions<K, V>

  constructor(options: DeparturesOptions<K, V>) {
    this.options = options
  }

  /** A record is to leave its lane. */
  add(leaving: Leaving<K, V>): void {
    const { lane } = leaving.task
    lane.leaving.push(leaving)
    this.start(lane)
  }

  /** Takes away what is to leave a lane, if anything is and none of it is on its way. */
  start(lane: Lane<K, V>): void {
    if (lane.leaving.length > 0 && !lane.handing) void this.run(lane)
  }

  private async run(lane: Lane<K, V>): Promise<void> {
    const { commits, left, ended, failed } = this.options
    lane.handing = true
    try {
      // A commit that was made before must not come after.
      await commits.settled()
      while (lane.leaving.length > 0 && lane.state !== 'closed') {
        const leaving = lane.leaving.slice(0, MOST_LEAVING)
        if (!(await this.step(lane, leaving))) continue
        if (isClosed(lane)) break
        lane.leaving.splice(0, leaving.length)
        for (const one of leaving) left(one)
      }
    } catch (error) {
      if (!isClosed(lane)) failed(error)
    } finally {
      lane.handing = false
      ended()
    }
  }

  /** Whether these are put aside; false after a while when that failed and may succeed later, and at once when the lane is closed. */
  private async step(lane: Lane<K, V>, leaving: readonly Leaving<K, V>[]): Promise<boolean> {
    try {
      await this.options.putAside!(leaving, lane.commitEntry(leaving.map(({ task }) => task.slot)))
      return true
    } catch (error) {
      if (isClosed(lane)) return false
      if (!mayGoOn(error)) throw error
      await new Promise<void>((resolve) => void this.options.clock.setTimer(resolve, TRY_AGAIN_MS))
      return false
    }
  }
}

function isClosed<K, V>(lane: Lane<K, V>): boolean {
  return lane.state === 'closed'
}
