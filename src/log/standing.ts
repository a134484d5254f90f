/*
 * Whether a partition takes appends. Failure is a state: the first write or sync that fails fences it, but for a full disk. What was not
 * acknowledged is rejected then, appends are refused and reads go on up to what was acknowledged, until the partition is reopened.
 */
import { LogError } from '../base/errors.ts'

/** Whether appends are taken: fenced is what a failed write or sync leaves. */
export type WriterState = 'open' | 'fenced' | 'closed'

/** The work that fenced a partition by failing. */
export type FencedDuring = 'write' | 'sync' | 'truncate' | 'mark' | 'lock' | 'compaction'

/** The state of one partition's append path. */
export class Standing {
  state: WriterState = 'open'
  readonly where: { readonly topic: string; readonly partition: number }
  readonly #fenced: (error: LogError) => void
  #fenceCause: LogError | undefined
  #closedBecause: LogError | undefined

  /** @param fenced  called when the partition has just been fenced; `error` is what appends get from now on, and its cause what failed */
  constructor({ topic, partition }: { readonly topic: string; readonly partition: number }, fenced: (error: LogError) => void) {
    this.where = { topic, partition }
    this.#fenced = fenced
  }

  /** The partition, in words. */
  get name(): string {
    return `${this.where.topic}-${this.where.partition}`
  }

  /** Why nothing is appended now: of a partition that is not open. */
  get refusal(): LogError {
    return this.#fenceCause ?? this.closedError
  }

  /** What who uses a closed partition gets. */
  get closedError(): LogError {
    return this.#closedBecause ?? new LogError('LOG_CLOSED', `${this.name} is closed`)
  }

  /** Throws unless appends are taken. */
  check(): void {
    if (this.state !== 'open') throw this.refusal
  }

  /** Something failed behind which nothing can be vouched for. Does nothing when the partition is not open. */
  fence(during: FencedDuring, cause: unknown): void {
    if (this.state !== 'open') return
    this.state = 'fenced'
    const reason = cause instanceof Error ? cause.message : String(cause)
    const message = `${this.name} takes no appends since a ${during} failed: ${reason}`
    this.#fenceCause = new LogError('LOG_FENCED', message, { during, ...this.where }, cause)
    this.#fenced(this.#fenceCause)
  }

  /** Appends are taken again. */
  reopen(): void {
    this.state = 'open'
    this.#fenceCause = undefined
  }

  /** The close begins. `reason` is what later calls get; default LOG_CLOSED. */
  closing(reason: LogError | undefined): void {
    this.#closedBecause = reason
  }
}
