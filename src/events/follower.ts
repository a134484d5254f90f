/*
 * What reactors and projections into other databases have in common: one reading of the events that stops where it fails, waits for who wants
 * to see it caught up, and goes on when it is told to.
 */
import { type Clock } from '../base/clock.ts'
import { isLogError, LogError } from '../base/errors.ts'
import { checkInteger, checkOptions, checkSignal } from '../base/options.ts'
import { pause } from '../base/pause.ts'
import { unlessAborted } from '../topics/abort.ts'
import { type EventTaker, Pass } from './pass.ts'
import { type StoreParts } from './store-parts.ts'
import { type EventShape, type EventStore, type RecordedEvent } from './types.ts'

/** How often something that failed is tried again, and when. */
export interface RetryOptions {
  /** How often it is tried in all. Default 5. */
  readonly attempts?: number
  /** Milliseconds before the second attempt; each wait is twice the one before. Default 100. */
  readonly delayMs?: number
  /** Milliseconds of the longest wait. Default 10,000. */
  readonly maxDelayMs?: number
}

/** How far a follower is. */
export interface FollowerProgress {
  readonly name: string
  /** Events below it were handled. */
  readonly position: number
  /** Events below it are stored and seen. */
  readonly end: number
  readonly lag: number
  readonly status: 'following' | 'failed' | 'closed'
  /** Why it stopped. */
  readonly error: Error | undefined
}

/** What follows the events, as its user holds it. */
export interface Follower {
  readonly name: string
  readonly position: number
  progress(): FollowerProgress
  /**
   * Resolves when the event at `position` was handled; by default when all were that are stored now.
   *
   * @throws LogError `LOG_PROJECTION_FAILED` when it stops before, `LOG_CLOSED`; the signal's reason
   */
  caughtUp(position?: number, options?: { readonly signal?: AbortSignal }): Promise<void>
  /** After it failed: goes on, from the event that it failed at. */
  resume(): Promise<void>
  close(): Promise<void>
}

/** What a follower does with events. */
export interface FollowerWork<E extends EventShape> {
  /** Where it stands, as it is stored. Called before the first event, and again when it resumes. */
  readonly load: () => Promise<number>
  /** Handles an event; it counts as handled when what this gives has resolved. */
  readonly handle: (event: RecordedEvent<E>) => Promise<void> | undefined
  /** There are no more events for now, below a position. */
  readonly quiet: (position: number) => Promise<void> | undefined
}

/** Follows the events of a store. */
export class FollowerLoop<E extends EventShape> implements Follower, EventTaker<E> {
  readonly name: string
  /** Stops waits between attempts. */
  readonly stopping = new AbortController()
  position = 0
  failure: LogError | undefined
  readonly #store: EventStore<E>
  readonly #parts: StoreParts<E>
  readonly #work: FollowerWork<E>
  #pass: Pass<E> | undefined
  #waiters: { readonly position: number; readonly resolve: () => void; readonly reject: (error: unknown) => void }[] = []
  /** Events below it are handled, and stored where they are to be. */
  #settled = 0
  #quieted = 0
  /** What it did with an event was broken off by its close. */
  #interrupted = false
  #resuming: Promise<void> | undefined

  constructor(name: string, store: EventStore<E>, parts: StoreParts<E>, work: FollowerWork<E>) {
    this.name = name
    this.#store = store
    this.#parts = parts
    this.#work = work
  }

  /** Begins where it stands. */
  async start(): Promise<void> {
    this.position = this.#settled = this.#quieted = await this.#work.load()
    if (this.stopping.signal.aborted) return
    const { partition, clock } = this.#parts
    const pass = new Pass<E>({ store: this.#store, partition, clock }, [this], () => {
      this.#tell()
      return this.failure !== undefined
    })
    this.#pass = pass
    pass.start().catch((error: unknown) => this.fail(error, undefined))
  }

  progress(): FollowerProgress {
    const end = this.#parts.partition.lastStableOffset
    const { name, position, failure: error } = this
    const status = this.stopping.signal.aborted ? 'closed' : error === undefined ? 'following' : 'failed'
    return { name, position, end, lag: Math.max(0, end - position), status, error }
  }

  async caughtUp(position?: number, options: { readonly signal?: AbortSignal } = {}): Promise<void> {
    checkInteger(position, 'position', -1)
    checkOptions(options, ['signal'], 'caughtUp')
    checkSignal(options.signal)
    options.signal?.throwIfAborted()
    this.#checkOpen()
    const wanted = position === undefined ? this.#parts.partition.lastStableOffset : position + 1
    const waiting = new Promise<void>((resolve, reject) => {
      this.#waiters.push({ position: wanted, resolve, reject })
    })
    this.#tell()
    await unlessAborted(waiting, options.signal)
  }

  async resume(): Promise<void> {
    this.#checkOpen()
    if (this.failure === undefined) return this.#resuming
    this.#resuming ??= this.#goOn().finally(() => { this.#resuming = undefined })
    await this.#resuming
  }

  async close(): Promise<void> {
    if (this.stopping.signal.aborted) return
    const error = new LogError('LOG_CLOSED', `${this.name} is closed`)
    this.stopping.abort(error)
    await this.#pass?.stop()
    try {
      await this.#resuming?.catch(() => {})
      // What was broken off is as unfinished as what failed: what was handed over with it comes again.
      if (this.failure === undefined && !this.#interrupted) await this.#work.quiet(this.position)
    } catch (cause) {
      // Where the log was closed before, what came since the last checkpoint comes again.
      if (!isLogError(cause, 'LOG_CLOSED')) throw cause
    } finally {
      for (const { reject } of this.#waiters.splice(0)) reject(error)
    }
  }

  // What its reading calls (EventTaker)

  take(event: RecordedEvent<E>): boolean | Promise<boolean> {
    // Nothing is handed over behind an event that a close broke off.
    if (this.failure !== undefined || this.stopping.signal.aborted) return false
    if (event.position < this.position) return true
    const handled = this.#work.handle(event)
    if (handled === undefined) {
      this.position = event.position + 1
      return true
    }
    return handled.then(() => {
      this.position = this.#settled = event.position + 1
      this.#tell()
      return true
    }, (error: unknown) => {
      this.fail(error, event)
      return false
    })
  }

  reached(position: number): void {
    if (this.failure === undefined && !this.stopping.signal.aborted && position > this.position) this.position = position
  }

  async settle(): Promise<void> {
    const { position } = this
    if (this.failure !== undefined || this.#interrupted || position === this.#quieted) return
    try {
      await this.#work.quiet(position)
      this.#quieted = this.#settled = position
    } catch (error) {
      this.fail(error, undefined)
    }
  }

  /** Stops before an event. */
  fail(cause: unknown, event: RecordedEvent<E> | undefined): void {
    if (this.stopping.signal.aborted) this.#interrupted = true
    if (this.failure !== undefined || this.#interrupted) return
    const place = event === undefined ? undefined : { position: event.position, stream: event.stream, version: event.version, type: event.type }
    const where = place === undefined ? 'cannot go on' : `stands before ${place.type}, version ${place.version} of ${JSON.stringify(place.stream)}`
    const reason = cause instanceof Error ? cause.message : String(cause)
    this.failure = new LogError('LOG_PROJECTION_FAILED', `${this.name} ${where}: ${reason}`, { name: this.name, ...place }, cause)
    this.#tell()
  }

  async #goOn(): Promise<void> {
    await this.#pass?.stop()
    this.failure = undefined
    await this.start()
  }

  #tell(): void {
    const { failure } = this
    // What is handled and not stored yet does not count.
    const position = this.#settled
    if (this.#waiters.length > 0) this.#waiters = this.#waiters.filter((waiter) => {
      if (waiter.position <= position) waiter.resolve()
      else if (failure !== undefined) waiter.reject(failure)
      else return true
      return false
    })
  }

  #checkOpen(): void {
    if (this.stopping.signal.aborted) throw new LogError('LOG_CLOSED', `${this.name} is closed`)
  }
}

/** Does `work` until it succeeds, as often as it may be tried; what fails so that it is `final` is not tried again. */
export async function attempted<T>(
  work: (attempt: number) => Promise<T>, { attempts = 5, delayMs = 100, maxDelayMs = 10_000 }: RetryOptions, clock: Clock, signal: AbortSignal,
  final: (error: unknown) => boolean = () => false,
): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await work(attempt)
    } catch (error) {
      if (attempt >= attempts || signal.aborted || final(error)) throw error
      await waited(Math.min(maxDelayMs, delayMs * 2 ** (attempt - 1)), clock, signal)
    }
  }
}

/** Throws for what are no options of retries. */
export function checkRetry(retry: RetryOptions | undefined): void {
  checkOptions(retry, ['attempts', 'delayMs', 'maxDelayMs'], 'retry')
  checkInteger(retry?.attempts, 'retry.attempts', 1)
  checkInteger(retry?.delayMs, 'retry.delayMs', 0, 0x7fff_ffff)
  checkInteger(retry?.maxDelayMs, 'retry.maxDelayMs', 0, 0x7fff_ffff)
}

async function waited(ms: number, clock: Clock, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted()
  await pause(clock, ms, signal)
  signal.throwIfAborted()
}
