/*
 * The commits of a loop: what finished is gathered for a while and committed together, one commit at a time. A lane of which something is just
 * put aside is left out: the step that puts it aside commits for it, and what was gathered before must not count after that.
 */
import { type Clock, type Timer } from '../../base/clock.ts'
import { isLogError } from '../../base/errors.ts'
import { type CommitEntry } from '../groups/member.ts'
import { type Lane } from './lane.ts'

/** What has failed and may succeed later is tried again after so long. */
export const TRY_AGAIN_MS = 1000

/** What {@link Commits} work with. */
export interface CommitsOptions<K, V> {
  readonly clock: Clock
  readonly intervalMs: number
  readonly commit: (entries: readonly CommitEntry[]) => Promise<void>
  readonly lanes: () => readonly Lane<K, V>[]
  /** Nothing helps any more. */
  readonly failed: (error: unknown) => void
}

/** The commits of one loop. */
export class Commits<K, V> {
  private readonly options: CommitsOptions<K, V>
  private timer: Timer | undefined
  private running: Promise<void> | undefined
  private ended = false

  constructor(options: CommitsOptions<K, V>) {
    this.options = options
  }

  /** Something finished: it is committed soon. */
  soon(): void {
    if (this.timer === undefined && !this.ended) this.wait(this.options.intervalMs)
  }

  /** Commits what finished in these lanes. What fails was finished and comes again, as after a crash. */
  async now(lanes: readonly Lane<K, V>[]): Promise<void> {
    // Not by `settled`: between its end and ours another one could begin.
    while (this.running !== undefined) await this.running.catch(() => {})
    await this.run(lanes).catch(() => {})
  }

  /** Waits until no commit is under way. */
  async settled(): Promise<void> {
    while (this.running !== undefined) await this.running.catch(() => {})
  }

  /** Nothing is committed later. */
  end(): void {
    this.ended = true
    this.timer?.cancel()
  }

  private wait(ms: number): void {
    this.timer = this.options.clock.setTimer(() => {
      this.timer = undefined
      if (this.running === undefined) void this.commitAll()
      else this.soon()
    }, ms)
  }

  private async commitAll(): Promise<void> {
    const lanes = this.options.lanes()
    try {
      await this.run(lanes)
    } catch (error) {
      if (mayGoOn(error)) {
        if (this.timer === undefined && !this.ended) this.wait(TRY_AGAIN_MS)
      } else if (lanes.some((lane) => lane.state !== 'closed')) {
        this.options.failed(error)
      }
    }
  }

  private async run(lanes: readonly Lane<K, V>[]): Promise<void> {
    const dirty = lanes.filter((lane) => lane.dirty && !lane.handing && lane.state !== 'closed')
    if (dirty.length === 0) return
    try {
      await (this.running = this.commit(dirty))
    } finally {
      this.running = undefined
    }
  }

  private async commit(lanes: readonly Lane<K, V>[]): Promise<void> {
    const entries = lanes.map((lane) => lane.commitEntry())
    for (const lane of lanes) lane.dirty = false
    try {
      await this.options.commit(entries)
    } catch (error) {
      for (const lane of lanes) lane.dirty = true
      throw error
    }
  }
}

/** Whether what failed may succeed later: the disk is full, or the member is just losing what it commits for. */
export function mayGoOn(error: unknown): boolean {
  if (!isLogError(error)) return false
  if (error.retriable || error.code === 'LOG_GENERATION_STALE' || error.code === 'LOG_MEMBER_UNKNOWN') return true
  return error.code === 'LOG_TXN_ABORTED' && isLogError(error.cause) && mayGoOn(error.cause)
}
