/*
 * Draws schedules: few deviations each, since few are what most races need, of messages that runs before have shown.
 */
import { type Random } from '../../base/random.ts'
import { type Deviation } from './deviation.ts'

/** What is known of a test by the runs before. */
export interface KnownRuns {
  /** Names of messages, each once. */
  readonly messages: readonly string[]
  /** How many requests each fault of the list was about, at most. */
  readonly calls: readonly number[]
}

/** How far schedules go. */
export interface Bounds {
  /** Deviations at most. */
  readonly most: number
  /** Ms that a message is under way at most. */
  readonly longestMs: number
}

/** By how many others a message is held, and for how many ms: from a little to more than any session lasts. */
const holds = [1, 2, 3, 5, 8, 13, 21, 34]
const delays = [1, 10, 100, 1000, 3000, 10_000, 30_000, 60_000]
/** Their order decides little. */
const DULL = /\/(?:ApiVersions|Metadata|FindCoordinator|SaslHandshake|SaslAuthenticate)#/
/** One in so many deviations is about a dull message. */
const DULL_EVERY = 8
/** One in so many is about a step of the test, if there are any: who names one knows why. */
const STEP_EVERY = 3

/** A schedule within bounds. */
export function drawSchedule(random: Random, { messages, calls }: KnownRuns, { most, longestMs }: Bounds): Deviation[] {
  // Fewer are likelier.
  const count = Math.max(1, Math.min(1 + random.int(most), 1 + random.int(most)))
  const chosen = new Map<string, Deviation>()
  for (let index = 0; index < count; index++) {
    const faulted = calls.length > 0 && (messages.length === 0 || random.int(3) === 0)
    const deviation = faulted ? drawFault(random, calls) : drawMessage(random, messages, delays.filter((ms) => ms <= longestMs))
    if (deviation !== undefined) chosen.set(keyOf(deviation), deviation)
  }
  return [...chosen.values()]
}

/** The same with less: what is tried in its place when a schedule is shrunk. */
export function lesser(deviation: Deviation): Deviation[] {
  switch (deviation.kind) {
    case 'hold': return holds.filter((others) => others < deviation.others).map((others) => ({ ...deviation, others }))
    case 'delay': return delays.filter((ms) => ms < deviation.ms).map((ms) => ({ ...deviation, ms }))
    case 'fault': return []
  }
}

/** What a schedule has at most one deviation of. */
function keyOf(deviation: Deviation): string {
  return deviation.kind === 'fault' ? `fault ${deviation.fault} ${deviation.call}` : deviation.message
}

function drawFault(random: Random, calls: readonly number[]): Deviation | undefined {
  const fault = random.int(calls.length)
  return { kind: 'fault', fault: fault + 1, call: 1 + random.int(Math.max(1, calls[fault]!)) }
}

function drawMessage(random: Random, messages: readonly string[], within: readonly number[]): Deviation | undefined {
  if (messages.length === 0) return undefined
  const steps = messages.filter((name) => name.startsWith('step/'))
  const wanted = random.int(DULL_EVERY) === 0 ? messages : messages.filter((name) => !DULL.test(name))
  const from = steps.length > 0 && random.int(STEP_EVERY) === 0 ? steps : wanted.length === 0 ? messages : wanted
  const kinds = [...new Set(from.map(kindOf))]
  const kind = kinds[random.int(kinds.length)]!
  const alike = from.filter((name) => kindOf(name) === kind)
  const message = alike[random.int(alike.length)]!
  return within.length === 0 || random.int(2) === 0
    ? { kind: 'hold', message, others: holds[random.int(holds.length)]! }
    : { kind: 'delay', message, ms: within[random.int(within.length)]! }
}

/** Of requests that come again and again there are many, and those that come once are as good. */
function kindOf(message: string): string {
  return message.replace(/#\d+/, '')
}
