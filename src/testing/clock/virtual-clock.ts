/*
 * Time that moves when a test says so: the broker's, and together with it that of fake timers of the test framework, so that a client in the same
 * process sees the same time. Between two timers everything that they started gets its turn, through sockets too.
 */
import { type Clock, realClock, type Timer } from '../../base/clock.ts'
import { ManualClock, MOST_TIMERS } from '../manual-clock.ts'
import { type FakeTimers, fakeTimers, nextFakeTimerMs, runFakeJobs } from './fake-timers.ts'
import { threadWork } from './thread-work.ts'

/** What a virtual clock has to know of what runs by it. */
export interface Activity {
  /** Counts whatever happens at the broker: another number, and somebody is at work. */
  readonly count: number
  /** Bytes may be on their way through sockets of the system, which takes real time. */
  readonly inFlight: boolean
}

/** Turns of the event loop in which nothing may happen before everything is taken to be done. */
const QUIET_TURNS = 2
/** Turns in which bytes arrive that do not leave this process. */
const NEAR_TURNS = 10
/** Real ms in which others do. */
const QUIET_REMOTE_MS = 2
/** A timer that fires so late tells of a stall. */
const LATE_MS = 100
/**
 * kafkajs looks at its queues every millisecond: to stop for each would cost more than all else. What clients set is fired in its order all the
 * same.
 */
const CLIENT_STEP_MS = 10
/** Real ms after which somebody who is always at work is not waited for any more. */
const LONGEST_SETTLE_MS = 10_000
/** Turns of the event loop after which somebody who asks for the next one in each is not waited for any more. */
const MOST_IMMEDIATE_TURNS = 10_000
/** Real ms between two looks whether other threads are done. */
const THREAD_LOOK_MS = 1

/** A clock that stands still until it is moved. */
export class VirtualClock implements Clock {
  /** Nobody's time is lost while the event loop is busy. */
  readonly steady: boolean
  readonly #manual: ManualClock
  readonly #activity: Activity
  #deferred = 0
  #immediateTurns = 0
  #moving: Promise<void> = Promise.resolve()

  /** @param now  wall time at the start */
  constructor(activity: Activity, { now, steady }: { readonly now: number; readonly steady: boolean }) {
    this.#activity = activity
    this.steady = steady
    this.#manual = new ManualClock({ now })
  }

  now(): number {
    return this.#manual.now()
  }

  monotonic(): number {
    return this.#manual.monotonic()
  }

  setTimer(callback: () => void, delayMs: number): Timer {
    return this.#manual.setTimer(callback, delayMs)
  }

  defer(callback: () => void): void {
    this.#deferred++
    realClock.defer(() => {
      this.#deferred--
      callback()
    })
  }

  /** How many timers of the broker wait. */
  get timers(): number {
    return this.#manual.timers
  }

  /** In how many ms the next timer fires, of the broker or of fake timers; Infinity when none waits. */
  get nextTimerMs(): number {
    const fake = fakeTimers()
    return Math.min(this.#manual.nextTimerMs ?? Infinity, fake === undefined ? Infinity : nextFakeTimerMs(fake))
  }

  /** How far time moves at once: with fake timers no less than {@link CLIENT_STEP_MS}. */
  get #nextStepMs(): number {
    const fake = fakeTimers()
    const broker = this.#manual.nextTimerMs ?? Infinity
    return fake === undefined ? broker : Math.min(broker, Math.max(CLIENT_STEP_MS, nextFakeTimerMs(fake)))
  }

  /** Moves on by `ms`, timer by timer. One who moves the clock waits for the one before. */
  advance(ms: number): Promise<void> {
    return this.#inTurn(async () => {
      const end = this.monotonic() + ms
      await this.settle()
      for (let fired = 0; ; fired++) {
        const step = Math.min(end - this.monotonic(), this.#nextStepMs)
        await this.#stepAndSettle(step)
        if (this.monotonic() >= end && this.nextTimerMs > 0) return
        if (fired > MOST_TIMERS * 10) throw new Error(`timers still fire after ${fired} of them`)
      }
    })
  }

  /** Moves on from timer to timer until none waits. */
  runUntilIdle(): Promise<void> {
    return this.#inTurn(async () => {
      await this.settle()
      for (let fired = 0; this.nextTimerMs < Infinity; fired++) {
        if (fired === MOST_TIMERS) throw new Error(`timers still wait after ${MOST_TIMERS} of them have fired`)
        await this.#stepAndSettle(this.#nextStepMs)
      }
    })
  }

  /** Moves on to the next timer. With `stalled` the log takes it for a stall of this process, which costs nobody his session. */
  skip(stalled: boolean): Promise<void> {
    return this.#inTurn(async () => {
      const step = this.#nextStepMs
      if (step === Infinity) return
      if (stalled) this.#manual.stall(step + LATE_MS)
      this.#step(stalled ? 0 : step)
      await this.settle()
    })
  }

  /** Sets the wall clock, and no timer notices. */
  setNow(ms: number): void {
    this.#manual.setNow(ms)
  }

  /** Waits until nobody is at work any more, in this thread or in others. */
  async settle(): Promise<void> {
    const began = realClock.monotonic()
    for (let quiet = 0; quiet < QUIET_TURNS; quiet++) {
      const { count } = this.#activity
      await realTurn(0)
      for (let turn = 0; this.#activity.inFlight && turn < NEAR_TURNS; turn++) await realTurn(0)
      if (this.#activity.inFlight && quiet === QUIET_TURNS - 1) await realTurn(QUIET_REMOTE_MS)
      if (this.#isBusy(count)) quiet = -1
      else if (quiet === QUIET_TURNS - 1 && threadWork.beginNext()) quiet = -1
      if (realClock.monotonic() - began > LONGEST_SETTLE_MS) return threadWork.giveUp()
      if (threadWork.underWay) await threadsDone(began + LONGEST_SETTLE_MS)
    }
    // Who comes next may ask for as many turns as who is done now.
    if (!this.#hasImmediates) this.#immediateTurns = 0
  }

  /** Moves on, and waits for what that began. A step that began nothing is over with the next turn: time passes mostly in such. */
  async #stepAndSettle(ms: number): Promise<void> {
    const { count } = this.#activity
    this.#step(ms)
    await realTurn(0)
    const unseen = fakeTimers() !== undefined && this.#activity.inFlight
    if (this.#isBusy(count) || threadWork.waits || unseen) await this.settle()
  }

  /** Whether somebody was at work since `count`, or is. */
  #isBusy(count: number): boolean {
    return runFakeJobs() || this.#activity.count !== count || this.#deferred > 0 || threadWork.underWay || this.#immediatesWait()
  }

  #immediatesWait(): boolean {
    return this.#hasImmediates && ++this.#immediateTurns <= MOST_IMMEDIATE_TURNS
  }

  get #hasImmediates(): boolean {
    return (fakeTimers()?.immediates ?? 0) > 0
  }

  #step(ms: number): void {
    const fake: FakeTimers | undefined = fakeTimers()
    this.#manual.advanceSync(ms)
    fake?.tick(ms)
  }

  #inTurn(work: () => Promise<void>): Promise<void> {
    const done = this.#moving.then(work)
    this.#moving = done.catch(() => {})
    return done
  }
}

async function threadsDone(until: number): Promise<void> {
  for (let turn = 0; threadWork.underWay && realClock.monotonic() < until; turn++) await realTurn(turn < NEAR_TURNS ? 0 : THREAD_LOOK_MS)
}

function realTurn(ms: number): Promise<void> {
  return new Promise((resolve) => {
    if (ms === 0) realClock.defer(resolve)
    else realClock.setTimer(resolve, ms)
  })
}
