/*
 * The time of the broker. One that goes as the machine's cannot be moved: start it with `--clock virtual` or `--clock skip`.
 */
import { realClock } from '../../../base/clock.ts'
import { durationMs } from '../../clock/durations.ts'
import { type TestClock } from '../../clock/test-clock.ts'
import { Refusal } from '../problem.ts'
import { json, route, type Route } from '../route.ts'
import { described, type Described, integer, object, oneOf, type Schema, text, titled } from '../schema.ts'
import { duration } from '../waits.ts'

const clock = titled('Clock', object({
  mode: oneOf('real', 'virtual', 'skip'), now: described({ type: 'number' } as Schema<number>, 'Wall time of the broker, ms since 1970.'),
  time: described(text, 'The same, in ISO 8601.'),
}))

/** Of JavaScript's dates, less so much that what is advanced then is a date too. */
const LATEST = 8_640_000_000_000_000 / 2

/** Of the broker's time. */
const FIRST_STEP_MS = 60_000
/** Where one took less the next is longer. */
const STEP_REAL_MS = 10

/** The routes. */
export const clockRoutes: readonly Route[] = [
  route('clock', {
    method: 'GET', path: '/clock', name: 'getClock', summary: 'What time it is', answer: json(clock, 'The time.'),
    run: ({ broker }) => clockForm(broker.kafka.clock),
  }),
  route('clock', {
    method: 'POST', path: '/clock/advance', name: 'advanceClock', summary: 'Moves time on: every timer fires at its time',
    body: object({ by: duration }), answer: json(clock, 'The time then.'),
    refuses: { 409: 'Timers fire again and again: it is too far for one step.' },
    description: 'Others are answered meanwhile. It stops where it is when the client leaves.',
    async run({ broker, body: { by }, signal }) {
      await advanced(broker.kafka.clock, durationMs(by, 'the time to advance'), signal)
      return clockForm(broker.kafka.clock)
    },
  }),
  route('clock', {
    method: 'POST', path: '/clock/run-until-idle', name: 'runUntilIdle', summary: 'Moves time on until no timer waits',
    answer: json(clock, 'The time then.'),
    refuses: { 409: 'Timers always set others, as those of a client that polls.' },
    async run({ broker }) {
      await broker.kafka.clock.runUntilIdle().catch(neverIdle)
      return clockForm(broker.kafka.clock)
    },
  }),
  route('clock', {
    method: 'POST', path: '/clock/settle', name: 'settleClock', summary: 'Waits until all that was begun is done, without moving time',
    answer: json(clock, 'The time.'),
    async run({ broker }) {
      await broker.kafka.clock.settle()
      return clockForm(broker.kafka.clock)
    },
  }),
  route('clock', {
    method: 'PUT', path: '/clock', name: 'setClock', summary: 'Sets the wall clock, forward or back; timers do not notice',
    body: object({ now: described(integer(0, LATEST), 'Ms since 1970.') }), answer: json(clock, 'The time then.'),
    run({ broker, body: { now } }) {
      broker.kafka.clock.setNow(now)
      return clockForm(broker.kafka.clock)
    },
  }),
]

/** Moves in steps that take some ten ms each, so that one who leaves is noticed. */
async function advanced(moved: TestClock, ms: number, signal: AbortSignal): Promise<void> {
  let left = ms
  for (let stepMs = FIRST_STEP_MS; ;) {
    signal.throwIfAborted()
    const began = realClock.monotonic()
    const step = Math.min(left, stepMs)
    await moved.advance(step).catch(neverIdle)
    left -= step
    if (left <= 0) return
    stepMs = Math.max(1, stepMs * (realClock.monotonic() - began < STEP_REAL_MS ? 2 : 0.5))
  }
}

function clockForm(found: TestClock): Described<typeof clock> {
  const now = found.now()
  return { mode: found.mode, now, time: new Date(Math.min(now, 2 * LATEST)).toISOString() }
}

function neverIdle(error: unknown): never {
  if (error instanceof TypeError || error instanceof RangeError || !(error instanceof Error)) throw error
  throw new Refusal('NEVER_IDLE', error.message)
}
