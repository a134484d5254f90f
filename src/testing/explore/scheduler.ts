/*
 * Delivers what was sent, one message after the other, and moves time when nothing is left to deliver: by default in the order of sending, and
 * otherwise where a schedule says so. Between two messages everybody does what there is to do, so the order of deliveries is the order of events.
 */
import { LogError } from '../../base/errors.ts'
import { type VirtualClock } from '../clock/virtual-clock.ts'
import { type Deviation } from './deviation.ts'

/** A message that is under way. */
export interface Message {
  /** Tells it from all others of a run: see deviation.ts. Undefined: it keeps its place. */
  readonly name: string | undefined
  deliver(): void
}

/** Messages that keep their order: one direction of a connection. */
export type Channel = Waiting[]

interface Waiting extends Message {
  readonly number: number
  /** Deliveries after which it may be delivered. */
  readonly afterDeliveries: number
  /** Virtual time from which on it may be. */
  readonly from: number
  readonly deviation: Deviation | undefined
}

/** One delivery, for the timeline. */
export interface Delivery {
  /** Ms since the run began. */
  readonly at: number
  readonly name: string
  readonly deviation: Deviation | undefined
}

/** Deliveries and moves of time after which a run is taken for one that never ends. */
const MOST_STEPS = 200_000

/** The order of one run. */
export class Scheduler {
  /** Names of messages, in the order in which they were sent. */
  readonly sent: string[] = []
  readonly delivered: Delivery[] = []
  readonly #clock: VirtualClock
  readonly #began: number
  readonly #channels = new Set<Channel>()
  readonly #counts = new Map<string, number>()
  #deviations: ReadonlyMap<string, Deviation>
  #numbers = 0
  #deliveries = 0

  constructor(clock: VirtualClock, deviations: readonly Deviation[]) {
    this.#clock = clock
    this.#began = clock.monotonic()
    this.#deviations = new Map(deviations.flatMap((deviation) => (deviation.kind === 'fault' ? [] : [[deviation.message, deviation]])))
  }

  /** A further channel. */
  channel(): Channel {
    const channel: Channel = []
    this.#channels.add(channel)
    return channel
  }

  /** The name of the next message of a kind: the first is number 1. */
  nextName(kind: string): string {
    const number = (this.#counts.get(kind) ?? 0) + 1
    this.#counts.set(kind, number)
    return `${kind}#${number}`
  }

  /** A message is sent. */
  send(channel: Channel, { name, deliver }: Message): void {
    const deviation = name === undefined ? undefined : this.#deviations.get(name)
    const ms = deviation?.kind === 'delay' ? deviation.ms : 0
    // Time has to get there, also when nobody else waits for it.
    if (ms > 0) this.#clock.setTimer(() => {}, ms)
    if (name !== undefined) this.sent.push(name)
    channel.push({
      name, deliver, deviation, number: this.#numbers++, from: this.#clock.monotonic() + ms,
      afterDeliveries: deviation?.kind === 'hold' ? this.#deliveries + deviation.others : 0,
    })
  }

  /** Nothing deviates any more. */
  calmDown(): void {
    this.#deviations = new Map()
  }

  /**
   * Goes on until `work` is settled, and gives what it gives.
   *
   * @throws what it rejects with; LogError `LOG_WAIT_TIMED_OUT` when it is not settled after so many ms of virtual time, or nothing can happen
   *   any more that would settle it
   */
  async run<T>(work: Promise<T>, mostMs: number, look: () => void): Promise<T> {
    const ends = this.#clock.monotonic() + mostMs
    let settled = false
    work.then(() => { settled = true }, () => { settled = true })
    await this.#clock.settle()
    for (let steps = 0; ; steps++) {
      look()
      if (settled) return work
      if (steps > MOST_STEPS) throw stuck(`it went on for ${MOST_STEPS} steps`)
      if (this.#deliver((message) => message.afterDeliveries <= this.#deliveries) || this.#deliver(() => true)) {
        await this.#clock.settle()
        continue
      }
      const { nextTimerMs } = this.#clock
      if (nextTimerMs === Infinity) throw stuck('nothing is under way, and nobody waits for any time that a run knows of')
      if (this.#clock.monotonic() + nextTimerMs > ends) throw stuck(`it was not over after ${mostMs} ms of virtual time`)
      await this.#clock.skip(false)
    }
  }

  /** Delivers the message that was sent first, of those that may be. */
  #deliver(may: (message: Waiting) => boolean): boolean {
    const now = this.#clock.monotonic()
    let first: Channel | undefined
    for (const channel of this.#channels) {
      const head = channel[0]
      if (head === undefined || head.from > now || !may(head)) continue
      if (first === undefined || head.number < first[0]!.number) first = channel
    }
    const message = first?.shift()
    if (message === undefined) return false
    if (message.name !== undefined) {
      this.#deliveries++
      this.delivered.push({ at: now - this.#began, name: message.name, deviation: message.deviation })
    }
    message.deliver()
    return true
  }
}

function stuck(reason: string): LogError {
  return new LogError('LOG_WAIT_TIMED_OUT', `the test does not end: ${reason}`, { reason })
}
