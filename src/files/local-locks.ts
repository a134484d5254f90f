/*
 * The lock of a folder for file systems that only this process sees: memory and the simulated disk. The lease between processes is
 * in lock.ts.
 */
import { type Clock } from '../base/clock.ts'
import { type FolderLock, type LockHolder } from './file-system.ts'
import { lockedError } from './locked-error.ts'

/** The locked folders of one file system in memory. */
export class LocalLocks {
  readonly #clock: Clock
  readonly #held = new Map<string, LocalLock>()
  readonly #waiting = new Set<() => void>()
  #count = 0

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Takes `folder`, or throws LOG_LOCKED at once or after `waitMs`; rejects with the reason of `signal` when it is aborted. */
  async take(folder: string, options: { readonly waitMs?: number; readonly signal?: AbortSignal } = {}): Promise<FolderLock> {
    const deadline = this.#clock.monotonic() + (options.waitMs ?? 0)
    for (;;) {
      options.signal?.throwIfAborted()
      const other = this.#held.get(folder)
      if (other === undefined) return this.#hold(folder)
      if (this.#clock.monotonic() >= deadline) throw lockedError(folder, other.holder)
      await this.#change(deadline, options.signal)
    }
  }

  /** Who holds `folder`. */
  holder(folder: string): LockHolder | undefined {
    return this.#held.get(folder)?.holder
  }

  /** Makes `folder` somebody else's, as after a takeover: its lock is no longer confirmed, and `confirm` finds that it is lost. */
  steal(folder: string): void {
    const lock = this.#held.get(folder)
    this.#held.delete(folder)
    lock?.lose()
  }

  /** Makes the lock of `folder` unconfirmed until `confirm` is called, as after a long stall of the process. */
  doubt(folder: string): void {
    const lock = this.#held.get(folder)
    if (lock !== undefined) lock.confirmed = false
  }

  #hold(folder: string): FolderLock {
    const holder = { pid: process.pid, host: 'memory', since: this.#clock.now(), token: `local-${++this.#count}` }
    const lock = new LocalLock(holder, () => {
      if (this.#held.get(folder) === lock) this.#held.delete(folder)
      for (const wake of this.#waiting) wake()
    })
    this.#held.set(folder, lock)
    return lock
  }

  #change(deadline: number, signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve) => {
      const wake = (): void => {
        timer.cancel()
        signal?.removeEventListener('abort', wake)
        this.#waiting.delete(wake)
        resolve()
      }
      const timer = this.#clock.setTimer(wake, Math.max(0, deadline - this.#clock.monotonic()))
      signal?.addEventListener('abort', wake)
      this.#waiting.add(wake)
    })
  }
}

class LocalLock implements FolderLock {
  readonly holder: LockHolder
  confirmed = true
  readonly #released: () => void
  #ours = true

  constructor(holder: LockHolder, released: () => void) {
    this.holder = holder
    this.#released = released
  }

  async confirm(): Promise<boolean> {
    this.confirmed = this.#ours
    return this.#ours
  }

  async release(): Promise<void> {
    if (!this.#ours) return
    this.lose()
    this.#released()
  }

  lose(): void {
    this.#ours = false
    this.confirmed = false
  }
}
