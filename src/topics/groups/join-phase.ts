/*
 * The time of one rebalance's phase of joining: when it may end at the soonest, since the first rebalance of an empty group waits for company,
 * and when it ends at the latest.
 */
import { type Clock } from '../../base/clock.ts'
import { type Deadline, type Deadlines } from './deadlines.ts'

/** What a {@link JoinPhase} works with. */
export interface JoinPhaseOptions {
  readonly clock: Clock
  readonly deadlines: Deadlines
  /** It may end now, if all have joined. */
  readonly mayEnd: () => void
  /** Members that have not joined are out. */
  readonly timeIsUp: () => void
}

/** The phase of joining of a group, again and again. */
export class JoinPhase {
  readonly #options: JoinPhaseOptions
  /** Ms that each newcomer is waited for. */
  #companyMs = 0
  /** Monotonic: it does not end before, and newcomers put that off to here at the most. */
  #notBefore = 0
  #notAfter = 0
  #end: Deadline | undefined

  constructor(options: JoinPhaseOptions) {
    this.#options = options
  }

  /**
   * It begins.
   *
   * @param timeoutMs  that members have to join
   * @param companyMs  that it waits for more members before it ends, and again for each that comes
   */
  begin(timeoutMs: number, companyMs: number): void {
    const now = this.#options.clock.monotonic()
    this.#companyMs = companyMs
    this.#notAfter = now + timeoutMs
    this.#waitForMore(now)
    this.limit(timeoutMs)
  }

  /** Another member came, which has so long to join. */
  another(rebalanceTimeoutMs: number): void {
    const now = this.#options.clock.monotonic()
    if (this.#notBefore <= now) return
    this.#notAfter = Math.max(this.#notAfter, now + rebalanceTimeoutMs)
    this.#waitForMore(now)
  }

  /** Members that have not joined after so long are out. */
  limit(timeoutMs: number): void {
    this.#end?.cancel()
    this.#end = this.#options.deadlines.set(timeoutMs, this.#options.timeIsUp)
  }

  /** Whether it waits for company still. */
  get waits(): boolean {
    return this.#options.clock.monotonic() < this.#notBefore
  }

  /** It has ended. */
  end(): void {
    this.#end?.cancel()
  }

  #waitForMore(now: number): void {
    const delay = Math.min(this.#companyMs, this.#notAfter - now)
    this.#notBefore = now + delay
    if (delay > 0) this.#options.deadlines.set(delay, this.#options.mayEnd)
  }
}
