/*
 * Sends that wait because too many bytes are not durable yet. They go on in the order in which they came, so that nobody overtakes anybody
 * of the same log; and only so many, of so many bytes, may wait, since what they hold is memory too.
 */
import { LogError } from '../base/errors.ts'
import { type BufferBudget } from '../log/buffer-budget.ts'

/** How many sends of one log may wait for room; more are refused with LOG_BUFFER_FULL. */
export const MOST_WAITING_SENDS = 10_000

/** Keys, values and headers of waiting sends may take so many times `bufferBytes`, but LEAST_WAITING_BYTES in any case. */
const WAITING_BUFFERS = 8
const LEAST_WAITING_BYTES = 1_048_576

/** Appends what it can; true when it is done, false when the buffer was full again before. */
export type SendStep = () => boolean

interface WaitingSend {
  readonly step: SendStep
  readonly size: number
  readonly refuse: (error: unknown) => void
}

/** The waiting sends of one log. */
export class SendQueue {
  readonly #buffer: BufferBudget
  #waiting: WaitingSend[] = []
  /** Bytes that the waiting sends hold. */
  #held = 0
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
   * @param size    bytes that the send holds while it waits; a first one may wait whatever its size
   * @param refuse  called instead when it can wait no longer
   * @returns a function that takes the send out of the line, while it waits
   */
  run(step: SendStep, size: number, refuse: (error: unknown) => void): (() => void) | undefined {
    if (this.#waiting.length === 0 && step()) return undefined
    if (!this.#mayWait(size)) {
      const waiting = this.#waiting.length
      const message = `${waiting} sends of ${this.#held} bytes wait for room already, and one of ${size} bytes may not join them`
      refuse(new LogError('LOG_BUFFER_FULL', message, { waiting, waitingBytes: this.#held, size }))
      return undefined
    }
    const send = { step, size, refuse }
    this.#waiting.push(send)
    this.#held += size
    this.#arm()
    return () => this.#leave(send)
  }

  /** Refuses all that wait. */
  clear(error: unknown): void {
    const waiting = this.#waiting
    this.#waiting = []
    this.#held = 0
    for (const { refuse } of waiting) refuse(error)
  }

  #mayWait(size: number): boolean {
    if (this.#waiting.length === 0) return true
    const mostBytes = Math.max(WAITING_BUFFERS * this.#buffer.limit, LEAST_WAITING_BYTES)
    return this.#waiting.length < MOST_WAITING_SENDS && this.#held + size <= mostBytes
  }

  #leave(send: WaitingSend): void {
    const index = this.#waiting.indexOf(send)
    if (index === -1) return
    this.#waiting.splice(index, 1)
    this.#held -= send.size
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
      const first = this.#waiting[0]!
      if (!first.step()) break
      this.#leave(first)
    }
    if (this.#waiting.length > 0) this.#arm()
  }
}
