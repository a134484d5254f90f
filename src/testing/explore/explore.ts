/*
 * `explore`: runs a test under many schedules, all drawn from one seed, until one makes it fail; then looks for the fewest deviations from the
 * default order that still do. Clients are in memory, time is virtual, and chance is seeded, so a schedule is a text that runs again as it ran.
 */
import { LogError } from '../../base/errors.ts'
import { checkInteger, checkObject, checkOptions, describe } from '../../base/options.ts'
import { seededRandom, systemRandom } from '../../base/random.ts'
import { realClock } from '../../base/clock.ts'
import { type Duration, durationMs } from '../clock/durations.ts'
import { faultText, type FaultSpec } from '../faults/spec.ts'
import { type Deviation, deviationText, messageText, parseSchedule, type Schedule, scheduleText } from './deviation.ts'
import { type Bounds, drawSchedule } from './draw-schedule.ts'
import { type ExploredTest, isStuck, type RunOptions, type RunOutcome, runSchedule } from './explored-run.ts'
import { type Delivery } from './scheduler.ts'
import { shrunk } from './shrink.ts'

/** How to explore. */
export interface ExploreOptions {
  /** Schedules to try, the default order first. Default 100. */
  readonly runs?: number
  /** Of the schedules, and of all that is drawn in a run. Default: another one each time; a failure tells. */
  readonly seed?: number
  /** Deviations of one schedule, at most. Default 4. */
  readonly deviations?: number
  /** How long a message is under way at most, of virtual time: more than a session, and members are lost. Default `60s`. */
  readonly longest?: Duration
  /** What may go wrong, each at requests that schedules choose. Default: nothing; messages are only late. */
  readonly faults?: readonly FaultSpec[]
  /** The broker of every run, without its clock, transport and seed. */
  readonly broker?: RunOptions['broker']
  /** Virtual time after which a run is taken for one that never ends. Default `10m`. */
  readonly most?: Duration
  /** Real time after which no other schedule is begun. Default: all runs, however long they take. */
  readonly within?: Duration
  /** A schedule that failed: it alone is run. As a failure has printed it. */
  readonly replay?: string
}

/** What was explored, without a failure. */
export interface Exploration {
  readonly seed: number
  /** Schedules that were run. */
  readonly runs: number
  /** Messages of which some schedule could choose. */
  readonly messages: number
}

const names = ['runs', 'seed', 'deviations', 'longest', 'faults', 'broker', 'most', 'within', 'replay']
const ownBrokerOptions = ['clock', 'transport', 'seed', 'now', 'dir']
const MOST_LINES = 60
/** Lines of the timeline before and behind a deviation. */
const LINES_AROUND = 4

/**
 * Runs a test under many schedules: other orders of requests and answers of all connections, other times, and faults. Each run has a broker of its
 * own.
 *
 * @throws LogError `LOG_SCHEDULE_FAILED` for a test that fails under one: the message has the fewest deviations with which it does, a timeline, and
 *   the text for `replay`; `cause` is what the test threw. TypeError and RangeError for options that cannot be
 * @example
 * await explore(async (run) => {
 *   const service = await startBilling(run.kafka.bootstrap, run.kafka.socketFactory())
 *   run.onEnd(() => service.stop())
 *   run.kafka.topic('orders').append({ key: 'o-1', value: { total: 12 } })
 *   await run.until(() => run.kafka.topic('invoices').records().length > 0)
 *   await run.sleep('1m')
 *   expect(run.kafka.topic('invoices').records()).toHaveLength(1)
 * }, { broker: { topics: { orders: 1, invoices: 1 } }, seed: 1 })
 */
export async function explore(test: ExploredTest, options: ExploreOptions = {}): Promise<Exploration> {
  const exploring = new Exploring(test, options)
  return options.replay === undefined ? exploring.run() : exploring.replay(parseSchedule(options.replay))
}

class Exploring {
  readonly #test: ExploredTest
  readonly #options: RunOptions
  readonly #runs: number
  readonly #seed: number
  readonly #bounds: Bounds
  readonly #endsAt: number
  readonly #faultNames: readonly string[]
  readonly #messages = new Set<string>()
  readonly #calls: number[]

  constructor(test: ExploredTest, given: ExploreOptions) {
    checkExploration(test, given)
    const { runs = 100, seed, deviations = 4, longest = '60s', faults = [], broker = {}, most = '10m', within } = given
    this.#test = test
    this.#options = { broker, faults, mostMs: durationMs(most, 'most') }
    this.#runs = runs
    this.#seed = seed ?? systemRandom.int(0x1_0000_0000)
    this.#bounds = { most: deviations, longestMs: durationMs(longest, 'longest') }
    this.#endsAt = within === undefined ? Infinity : realClock.monotonic() + durationMs(within, 'within')
    this.#faultNames = faults.map(faultText)
    this.#calls = faults.map(() => 0)
  }

  async run(): Promise<Exploration> {
    const random = seededRandom(this.#seed)
    const tried = new Set<string>()
    let runs = 0
    for (; runs < this.#runs && realClock.monotonic() < this.#endsAt; runs++) {
      const known = { messages: [...this.#messages], calls: this.#calls }
      const deviations = runs === 0 ? [] : drawSchedule(random, known, this.#bounds)
      const schedule = { seed: this.#seed, deviations }
      const text = scheduleText(schedule)
      if (tried.has(text)) continue
      tried.add(text)
      const outcome = await this.#run(schedule)
      if (outcome.failure !== undefined) throw await this.#failed(schedule, outcome, runs + 1)
    }
    return { seed: this.#seed, runs: tried.size, messages: this.#messages.size }
  }

  async replay(schedule: Schedule): Promise<Exploration> {
    const outcome = await this.#run(schedule)
    if (outcome.failure !== undefined) throw this.#error(schedule, outcome, { run: 1, drawn: schedule })
    return { seed: schedule.seed, runs: 1, messages: this.#messages.size }
  }

  async #run(schedule: Schedule): Promise<RunOutcome> {
    const outcome = await runSchedule(this.#test, schedule, this.#options)
    for (const message of outcome.messages) this.#messages.add(message)
    outcome.calls.forEach((count, index) => { this.#calls[index] = Math.max(this.#calls[index]!, count) })
    return outcome
  }

  /** The fewest deviations that fail as well. */
  async #failed(drawn: Schedule, outcome: RunOutcome, run: number): Promise<LogError> {
    let least: { schedule: Schedule; outcome: RunOutcome } = { schedule: drawn, outcome }
    const again = await this.#run(drawn)
    if (!failsAlike(outcome, again)) return notTheSame(drawn, outcome, again)
    await shrunk(drawn.deviations, async (deviations) => {
      const schedule = { ...drawn, deviations }
      const tried = await this.#run(schedule)
      const fails = failsAlike(outcome, tried)
      if (fails) least = { schedule, outcome: tried }
      return fails
    })
    return this.#error(least.schedule, least.outcome, { run, drawn })
  }

  #error(schedule: Schedule, outcome: RunOutcome, { run, drawn }: { readonly run: number; readonly drawn: Schedule }): LogError {
    const { error } = outcome.failure!
    const text = scheduleText(schedule)
    const timeline = timelineOf(outcome.delivered, this.#faultNames)
    const message = [
      `${messageOf(error)}`, '',
      `run ${run} of seed ${schedule.seed} failed; ${deviationsText(schedule.deviations, drawn.deviations.length)}`,
      ...schedule.deviations.map((deviation) => `  - ${deviationText(deviation, this.#faultNames)}`), '',
      ...shownLines(timeline), '',
      `again: explore(test, { replay: ${JSON.stringify(text)} })`,
    ].join('\n')
    return new LogError('LOG_SCHEDULE_FAILED', message, {
      seed: schedule.seed, run, schedule: text, drawn: scheduleText(drawn), deviations: schedule.deviations,
      timeline: timeline.map((line) => line.text).join('\n'), journal: outcome.timeline,
    }, error)
  }
}

function checkExploration(test: ExploredTest, given: ExploreOptions): void {
  if (typeof test !== 'function') throw new TypeError(`explore takes a test, a function of a run, not ${describe(test)}`)
  checkOptions(given, names, 'explore')
  const { runs, seed, deviations, faults, broker } = given
  checkInteger(runs, 'runs', 1)
  checkInteger(seed, 'seed', 0, 0xffff_ffff)
  checkInteger(deviations, 'deviations', 1, 100)
  if (faults !== undefined && !Array.isArray(faults)) throw new TypeError(`faults is a list of them, not ${describe(faults)}`)
  checkObject(broker, 'broker is an object of options of startTestBroker')
  for (const name of ownBrokerOptions) {
    if (broker === undefined || !(name in broker)) continue
    throw new TypeError(`${name} of the broker is explore's own: its time is virtual, and it is in memory`)
  }
}

/** A test that threw is another failure than one that never ends. */
function failsAlike(first: RunOutcome, other: RunOutcome): boolean {
  return other.failure !== undefined && isStuck(first.failure!.error) === isStuck(other.failure.error)
}

function notTheSame(schedule: Schedule, { failure }: RunOutcome, again: RunOutcome): LogError {
  const other = again.failure === undefined ? 'passed' : `failed with: ${messageOf(again.failure.error)}`
  const message = `${messageOf(failure!.error)}\n\nThe same schedule, run again, ${other}. Something in the test is not of the run: ` +
    'a file, a socket, a module that keeps state, a timer or a random number that was taken before'
  const text = scheduleText(schedule)
  return new LogError('LOG_SCHEDULE_FAILED', message, { seed: schedule.seed, schedule: text, reason: 'not-deterministic' }, failure!.error)
}

function deviationsText({ length }: readonly Deviation[], drawn: number): string {
  if (length === 0) return 'in the default order'
  const more = length < drawn ? ` (drawn were ${drawn})` : ''
  return `it takes ${length === 1 ? 'one deviation' : `${length} deviations`} from the default order${more}:`
}

interface Line {
  readonly text: string
  readonly marked: boolean
}

/** The deliveries of a run, a line each; those that deviated have a star. */
function timelineOf(delivered: readonly Delivery[], faults: readonly string[]): Line[] {
  return delivered.map(({ at, name, deviation }) => {
    const mark = deviation === undefined ? ' ' : '*'
    const why = deviation === undefined ? '' : `   <- ${deviationText(deviation, faults)}`
    return { text: `${mark} ${(at / 1000).toFixed(3).padStart(9)}s  ${messageText(name)}${why}`, marked: deviation !== undefined }
  })
}

/** What of it is worth the room: around deviations, and the end. */
function shownLines(lines: readonly Line[]): string[] {
  const near = (index: number): boolean => index >= lines.length - 2 * LINES_AROUND ||
    lines.slice(Math.max(0, index - LINES_AROUND), index + LINES_AROUND + 1).some(({ marked }) => marked)
  const shown: string[] = []
  let skipped = 0
  for (const [index, { text }] of lines.entries()) {
    if (!near(index)) skipped++
    else {
      if (skipped > 0) shown.push(`  … ${skipped} more`)
      skipped = 0
      shown.push(text)
    }
  }
  return shown.length <= MOST_LINES ? shown : [...shown.slice(0, MOST_LINES / 2), '  …', ...shown.slice(-MOST_LINES / 2)]
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
