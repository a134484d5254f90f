/*
 * Handlers that take too long: one timer for all that are at work, set for the one that began first. A handler that asks for more time begins
 * anew.
 */
import { type Clock, type Timer } from '../../base/clock.ts'
import { LogError } from '../../base/errors.ts'
import { type Lane, type Task } from './lane.ts'

/** What {@link HandlerLimit} works with. */
export interface HandlerLimitOptions<K, V> {
  readonly clock: Clock
  /** How long a handler may take; Infinity for as long as it likes. */
  readonly limitMs: number
  readonly lanes: () => readonly Lane<K, V>[]
  /** The handler of a task is not waited for any longer. */
  readonly passed: (task: Task<K, V>, error: LogError) => void
}

/** The time that the handlers of one loop have. */
export class HandlerLimit<K, V> {
  private readonly options: HandlerLimitOptions<K, V>
  private timer: Timer | undefined

  constructor(options: HandlerLimitOptions<K, V>) {
    this.options = options
  }

  /** A handler begins with a task. */
  begin(task: Task<K, V>): void {
    const { clock, limitMs } = this.options
    if (limitMs === Infinity) return
    task.since = clock.monotonic()
    this.timer ??= clock.setTimer(() => this.look(), limitMs)
  }

  /** Nobody is watched any longer. */
  end(): void {
    this.timer?.cancel()
  }

  private look(): void {
    const { clock, limitMs, lanes, passed } = this.options
    const now = clock.monotonic()
    let oldest = Infinity
    this.timer = undefined
    for (const lane of lanes()) {
      for (const task of lane.inHand) {
        if (task.delivery?.takeRenewal() === true) task.since = now
        if (now - task.since >= limitMs) passed(task, timedOut(task, limitMs))
        else oldest = Math.min(oldest, task.since)
      }
    }
    if (oldest !== Infinity) this.timer = clock.setTimer(() => this.look(), oldest + limitMs - now)
  }
}

function timedOut<K, V>({ record: { topic, partition, offset } }: Task<K, V>, timeoutMs: number): LogError {
  const message = `the handler did not return within ${timeoutMs} ms, with record ${offset} of ${topic}-${partition}`
  return new LogError('LOG_HANDLER_TIMED_OUT', message, { topic, partition, offset, timeoutMs })
}
