/*
 * The fake timers that a test framework may have put in the place of the global ones: those of @sinonjs/fake-timers, which vitest's and Jest's
 * `useFakeTimers` install. Found by the mark that they leave on the functions, so that nothing has to be imported or passed on.
 */
import { globalTimer } from '../../base/clock.ts'

/** As much of such a clock as is needed to move it in step with another. */
export interface FakeTimers {
  /** Wall time in ms. */
  readonly now: number
  /** What waits, by id. */
  readonly timers?: Readonly<Record<string, { readonly callAt: number }>>
  /** Of faked `process.nextTick` and `queueMicrotask`, which Jest fakes unless it is told not to: what is to run before anything else. */
  readonly jobs?: readonly unknown[]
  runMicrotasks?(): void
  /** How many `setImmediate` callbacks wait for the next turn of the event loop, where these are counted. */
  readonly immediates?: number
  /** Moves on, and fires what is due. */
  tick(ms: number): number
}

/** Those that are installed now. */
export function fakeTimers(): FakeTimers | undefined {
  const { clock } = globalTimer() as { readonly clock?: Partial<FakeTimers> }
  return typeof clock?.tick === 'function' ? clock as FakeTimers : undefined
}

/** In how many ms the next of them fires; Infinity when none waits. */
export function nextFakeTimerMs({ timers = {}, now }: FakeTimers): number {
  return Object.values(timers).reduce((next, { callAt }) => Math.min(next, Math.max(0, callAt - now)), Infinity)
}

/** Runs what waits for no time at all. Whether there was any. */
export function runFakeJobs(): boolean {
  const fake = fakeTimers()
  if (fake?.runMicrotasks === undefined || (fake.jobs ?? []).length === 0) return false
  fake.runMicrotasks()
  return true
}
