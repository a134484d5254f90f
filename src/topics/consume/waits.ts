/*
 * Records that wait in memory for their next attempt: one timer for all of them, set for the one that is due first.
 */
import { type Clock, type Timer } from '../../base/clock.ts'
import { DueHeap } from './retry.ts'

/** What waits for its time. */
export class Waits<T> {
  private readonly clock: Clock
  private readonly wake: (due: readonly T[]) => void
  private readonly heap = new DueHeap()
  private readonly items = new Map<number, T>()
  private count = 0
  private timer: Timer | undefined
  private timerAt = Infinity

  /** @param wake  called with what is due, in the order of its times */
  constructor(clock: Clock, wake: (due: readonly T[]) => void) {
    this.clock = clock
    this.wake = wake
  }

  get size(): number {
    return this.items.size
  }

  add(item: T, delayMs: number): void {
    const id = this.count++
    this.items.set(id, item)
    this.heap.add(id, this.clock.monotonic() + delayMs)
    this.setTimer()
  }

  /** Forgets all. */
  clear(): void {
    this.timer?.cancel()
    this.heap.clear()
    this.items.clear()
  }

  private setTimer(): void {
    const { nextDue } = this.heap
    if (nextDue >= this.timerAt) return
    this.timer?.cancel()
    this.timerAt = nextDue
    this.timer = this.clock.setTimer(() => this.fire(), Math.max(0, nextDue - this.clock.monotonic()))
  }

  private fire(): void {
    this.timerAt = Infinity
    const now = this.clock.monotonic()
    const due: T[] = []
    for (let id = this.heap.take(now); id !== undefined; id = this.heap.take(now)) {
      due.push(this.items.get(id)!)
      this.items.delete(id)
    }
    if (this.heap.size > 0) this.setTimer()
    this.wake(due)
  }
}
