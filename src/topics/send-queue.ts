/*
 * Sends that wait because too many bytes are not durable yet. They go on in the order in which they came, so that nobody overtakes anybody
 * of the same log; and only so many may wait, since what they hold is memory too.
 */
import { LogError } from '../base/errors.ts'
import { type BufferBudget } from '../log/buffer-budget.ts'

/** How many sends of one log may wait for room; more are refused with LOG_BUFFER_FULL. */
export const MOST_WAITING_SENDS = 10_000

/** Appends what it can; true when it is done, false when the buffer was full again before. */
export type SendStep = () => boolean

interface WaitingSend {
  readonly step: SendStep
  readonly refuse: (error: unknown) => void
}

/** The waiting sends of one log. */
export class SendQueue {
  readonly #buffer: BufferBudget
  #waiting: WaitingSend[] = []
  #woken = false

  constructor(buffer: BufferBudget) {
    this.#buffer = buffer
  }

  /** How many sends wait. */
  get size(): number {
    return this.#waiting.length
  }

  /**
   * Runs `step` now, or when it is its turn; again each time there is room until it is done.
   *
   * @param refuse  called instead when it can wait no longer
   * @returns a function that takes the send out of the line, while it waits
   */
  run(step: SendStep, refuse: (error: unknown) => void): (() => void) | undefined {
    if (this.#waiting.length === 0 && step()) return undefined
    if (this.#waiting.length >= MOST_WAITING_SENDS) {
      refuse(new LogError('LOG_BUFFER_FULL', `${MOST_WAITING_SENDS} sends wait for room already`, { waiting: MOST_WAITING_SENDS }))
      return undefined
    }
    const send = { step, refuse }
    this.#waiting.push(send)
    this.#arm()
    return () => { this.#waiting = this.#waiting.filter((other) => other !== send) }
  }

  /** Refuses all that wait. */
  clear(error: unknown): void {
    const waiting = this.#waiting
    this.#waiting = []
    for (const { refuse } of waiting) refuse(error)
  }

  #arm(): void {
    if (this.#woken) return
    this.#woken = true
    // Not at once: room is told from the middle of an acknowledgement, where nobody may append.
    this.#buffer.whenFree(() => queueMicrotask(() => {
      this.#woken = false
      this.#goOn()
    }))
  }

  #goOn(): void {
    while (this.#waiting.length > 0 && !this.#buffer.full) {
      if (!this.#waiting[0]!.step()) break
      this.#waiting.shift()
    }
    if (this.#waiting.length > 0) this.#arm()
  }
}
