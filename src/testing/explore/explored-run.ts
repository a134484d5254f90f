/*
 * One run of a test under one schedule: a broker, time and chance of its own, and what the test may ask for.
 */
import { describe } from '../../base/options.ts'
import { LogError } from '../../base/errors.ts'
import { type Fault } from '../faults/fault.ts'
import { type FaultSpec } from '../faults/spec.ts'
import { type TestBrokerOptions } from '../broker/options.ts'
import { startTestBroker, type TestBroker } from '../broker/test-broker.ts'
import { type Duration, durationMs } from '../clock/durations.ts'
import { threadWork } from '../clock/thread-work.ts'
import { VirtualClock } from '../clock/virtual-clock.ts'
import { type Deviation, type Schedule } from './deviation.ts'
import { Invariants } from './invariants.ts'
import { OwnTime } from './own-time.ts'
import { nameText, scheduledLink } from './scheduled-link.ts'
import { type Delivery, Scheduler } from './scheduler.ts'

/** The test that is explored: it passes when it resolves. */
export type ExploredTest = (run: ExploredRun) => Promise<void>

/** What one run was. */
export interface RunOutcome {
  /** What the test failed with; undefined when it passed. */
  readonly failure: { readonly error: unknown } | undefined
  /** Names of the messages, in the order in which they were sent. */
  readonly messages: readonly string[]
  readonly delivered: readonly Delivery[]
  /** How many requests each fault of the list was about. */
  readonly calls: readonly number[]
  /** What the journal of the broker had to say. */
  readonly timeline: string
}

/** How runs are made. */
export interface RunOptions {
  readonly broker: Omit<TestBrokerOptions, 'clock' | 'transport' | 'seed' | 'now' | 'dir'>
  readonly faults: readonly FaultSpec[]
  /** Virtual ms that the test may take, and then what it cleans up. */
  readonly mostMs: number
}

/** The number of a request that never comes. */
const NEVER = Number.MAX_SAFE_INTEGER
/** Wall time at the start of every run. */
const BEGIN = Date.UTC(2026, 0, 1)

/** What a test has in its hands during one run. */
export class ExploredRun {
  /** The broker of this run: in memory, with virtual time. Clients come by its `socketFactory()`. */
  readonly kafka: TestBroker
  /** What has to hold in this run, whatever else is looked at. */
  readonly invariants: Invariants
  readonly #scheduler: Scheduler
  readonly #endings: (() => unknown)[] = []
  readonly #looks = new Set<() => void>()

  /** @internal */
  constructor(kafka: TestBroker, scheduler: Scheduler) {
    this.kafka = kafka
    this.invariants = new Invariants(kafka)
    this.#scheduler = scheduler
  }

  /**
   * A step of the service that takes a while and goes past the broker: a call of a database, of another service. Others may come before it ends, and
   * schedules decide who.
   */
  step(name: string): Promise<void> {
    if (typeof name !== 'string' || name === '') throw new TypeError(`a step has a name, not ${describe(name)}`)
    return new Promise((resolve) => {
      this.#scheduler.send(this.#scheduler.channel(), { name: this.#scheduler.nextName(`step/${nameText(name)}`), deliver: resolve })
    })
  }

  /** Virtual time passes. */
  sleep(duration: Duration): Promise<void> {
    const ms = durationMs(duration)
    return new Promise((resolve) => void this.kafka.clock.clock.setTimer(resolve, ms))
  }

  /** Waits until `look` says true: asked whenever something has happened. Throws what `look` throws. */
  until(look: () => boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      const ask = (): void => {
        try {
          if (!look()) return
          resolve()
        } catch (error) {
          reject(error as Error)
        }
        this.#looks.delete(ask)
      }
      this.#looks.add(ask)
    })
  }

  /** What is done when the test is over, passed or not, the last one first: clients are closed here. */
  onEnd(end: () => unknown): void {
    this.#endings.push(end)
  }

  /** @internal */
  look(): void {
    for (const look of this.#looks) look()
  }

  /** @internal */
  async end(): Promise<void> {
    let failed: { readonly error: unknown } | undefined
    for (const end of this.#endings.reverse()) {
      try {
        await end()
      } catch (error) {
        failed ??= { error }
      }
    }
    if (failed !== undefined) throw failed.error
  }
}

/** Runs a test under a schedule. Never throws for what the test does. */
export async function runSchedule(test: ExploredTest, { seed, deviations }: Schedule, { broker, faults, mostMs }: RunOptions): Promise<RunOutcome> {
  const time = new OwnTime(BEGIN, seed)
  const release = threadWork.hold()
  try {
    const kafka = await startTestBroker({ ...broker, clock: 'virtual', transport: 'memory', seed, now: BEGIN })
    const { clock } = kafka.clock
    if (!(clock instanceof VirtualClock)) throw new Error('a virtual clock is none')
    const scheduler = new Scheduler(clock, deviations)
    kafka.link = (wrote) => scheduledLink(scheduler, wrote)
    const struck = faults.map((spec, index) => strikeOn(kafka, spec, index + 1, deviations))
    const run = new ExploredRun(kafka, scheduler)
    const failure = await failureOf(scheduler.run(begun(() => test(run)), mostMs, () => {
      run.look()
      run.invariants.look()
    }))
    const calls = struck.map((fault) => fault.calls)
    const timeline = kafka.journal.timeline()
    scheduler.calmDown()
    const atEnd = await failureOf(scheduler.run(begun(() => run.end()), mostMs, () => run.look()))
    const broken = await failureOf(begun(async () => run.invariants.end()))
    release()
    const atClose = await failureOf(kafka.close())
    return { failure: failure ?? atEnd ?? broken ?? atClose, messages: scheduler.sent, delivered: scheduler.delivered, calls, timeline }
  } finally {
    release()
    time.remove()
  }
}

/** A fault of the list, on the requests that the schedule says; on none it only counts. */
function strikeOn(kafka: TestBroker, spec: FaultSpec, number: number, deviations: readonly Deviation[]): Fault {
  const onCalls = deviations.flatMap((deviation) => (deviation.kind === 'fault' && deviation.fault === number ? [deviation.call] : []))
  const { times: _, every: __, probability: ___, ...others } = spec
  return kafka.faults.add({ ...others, onCalls: onCalls.length === 0 ? [NEVER] : onCalls, optional: true })
}

async function begun(work: () => Promise<void>): Promise<void> {
  await work()
}

async function failureOf(work: Promise<void>): Promise<{ readonly error: unknown } | undefined> {
  try {
    await work
    return undefined
  } catch (error) {
    return { error }
  }
}

/** Whether a run did not end, in contrast to one whose test threw. */
export function isStuck(error: unknown): boolean {
  return error instanceof LogError && error.code === 'LOG_WAIT_TIMED_OUT' && error.message.startsWith('the test does not end')
}
