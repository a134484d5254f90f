/*
 * The deadlines of the members of a consumer group: to be heard again, to give back what they were asked for, and of classic members to join
 * again and to ask for their assignment. Whoever misses one is out.
 */
import { type Deadline, type Deadlines } from './deadlines.ts'

/** The deadlines that a member may have. */
export type MemberTimer = 'session' | 'rebalance' | 'join' | 'sync'

/** The deadlines of the members of one group. */
export class MemberTimers {
  readonly #deadlines: Deadlines
  readonly #passed: (memberId: string) => void
  readonly #of = new Map<string, Map<MemberTimer, Deadline>>()

  /** @param passed  called when a member missed one */
  constructor(deadlines: Deadlines, passed: (memberId: string) => void) {
    this.#deadlines = deadlines
    this.#passed = passed
  }

  /** A member has `ms` from now on; what it had before does not count any more. `unless` may say at the end that it made it. */
  set(memberId: string, timer: MemberTimer, ms: number, unless: () => boolean = () => false): void {
    this.clear(memberId, timer)
    let timers = this.#of.get(memberId)
    if (timers === undefined) this.#of.set(memberId, (timers = new Map()))
    timers.set(timer, this.#deadlines.set(ms, () => {
      timers.delete(timer)
      if (!unless()) this.#passed(memberId)
    }))
  }

  /** As `set`, where it does not run yet. */
  begin(memberId: string, timer: MemberTimer, ms: number): void {
    if (this.#of.get(memberId)?.has(timer) !== true) this.set(memberId, timer, ms)
  }

  /** The member made it. */
  clear(memberId: string, ...timers: readonly MemberTimer[]): void {
    const running = this.#of.get(memberId)
    for (const timer of timers) {
      running?.get(timer)?.cancel()
      running?.delete(timer)
    }
  }

  /** It is no member any more. */
  drop(memberId: string): void {
    this.clear(memberId, 'session', 'rebalance', 'join', 'sync')
    this.#of.delete(memberId)
  }

  /** Forgets all. */
  close(): void {
    for (const memberId of [...this.#of.keys()]) this.drop(memberId)
  }
}
