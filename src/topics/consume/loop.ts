/*
 * The loop of managed consumption: gives records of the assigned partitions (lane.ts) to a handler, so many at a time, tries again what
 * failed, and sees to it that what cannot be handled leaves (departures.ts) and that what is finished is committed (commits.ts). It knows
 * groups by membership.ts only.
 *
 * Who handles a record is one of `concurrency` hands: an asynchronous function that takes one record after the other, so that a record costs
 * no promise but its handler's. A hand that finds nothing to do ends; whatever may bring something (`wake`) starts hands again.
 */
import { type Timer } from '../../base/clock.ts'
import { LogError } from '../../base/errors.ts'
import { type Place } from '../groups/member.ts'
import { Commits, TRY_AGAIN_MS } from './commits.ts'
import { Delivery, type Outcome, outcomeOf } from './delivery.ts'
import { Departures } from './departures.ts'
import { Drains } from './drains.ts'
import { HandlerLimit } from './handler-limit.ts'
import { type Lane, type Leaving, type Task } from './lane.ts'
import { type Handler, type HandlingFailure, type LoopOptions, type LoopStats } from './loop-options.ts'
import { type Membership } from './membership.ts'
import { delayOf } from './retry.ts'
import { RetryLane } from './retry-lane.ts'
import { Waits } from './waits.ts'

/** After so many records the event loop is let turn, even if all of them were in memory and no handler waited. */
const RECORDS_PER_LOOP_TURN = 1024
/** Records of one partition are handed out up to so many before the next partition has its turn. */
const RECORDS_PER_LANE_TURN = 128
/** The wall clock is looked at so often while records of the retry topic wait. */
const MOST_DUE_WAIT_MS = 60_000
/** As long as a timer can be: it is only there to keep the process alive, or to end a wait. */
const KEEP_ALIVE_MS = 0x7fff_ffff

/** Where a loop is in its life. */
type LoopState = 'running' | 'stopping' | 'ended'

/** A loop; runs from `start` until `stop`, or until it fails. */
export class ConsumeLoop<K, V> {
  /** Resolves when the loop has ended after a stop; rejects with what ended it otherwise. */
  readonly done: Promise<void>
  /** Resolves when the loop has ended, in whatever way. */
  readonly ended: Promise<void>
  private readonly options: LoopOptions<K, V>
  private readonly handler: Handler<K, V>
  private readonly member: Membership
  /** By the partition that was assigned. */
  private readonly lanes = new Map<string, readonly Lane<K, V>[]>()
  private state: LoopState = 'running'
  private settle!: { resolve: () => void; reject: (error: unknown) => void }
  private ending: Promise<void> | undefined
  private stopBefore = Infinity
  // Hands and what they take
  private hands = 0
  private readonly ready: Task<K, V>[] = []
  private row: Lane<K, V>[] = []
  private laneTurn = 0
  private sinceLoopTurn = 0
  private woken = false
  private turning = false
  // What waits for time
  private readonly waits: Waits<Task<K, V>>
  private dueTimer: Timer | undefined
  private dueTimerAt = Infinity
  private keepAlive: Timer | undefined
  private readonly commits: Commits<K, V>
  private readonly departures: Departures<K, V>
  private readonly limit: HandlerLimit<K, V>
  private readonly drains: Drains<K, V>
  private readonly counts = { handled: 0, failures: 0, deadLetters: 0 }

  constructor(options: LoopOptions<K, V>, handler: Handler<K, V>) {
    this.options = options
    this.handler = handler
    let tellEnded = (): void => {}
    this.ended = new Promise((resolve) => { tellEnded = resolve })
    this.done = new Promise((resolve, reject) => {
      this.settle = {
        resolve: () => {
          resolve()
          tellEnded()
        },
        reject: (error) => {
          reject(error)
          tellEnded()
        },
      }
    })
    this.waits = new Waits(options.clock, (due) => {
      for (const task of due) if (task.lane.state === 'open') this.ready.push(task)
      this.wake()
    })
    const { clock, putAside } = options
    const lanes = (): readonly Lane<K, V>[] => this.allLanes()
    const failed = (error: unknown): void => this.crash(error)
    this.drains = new Drains(clock)
    this.commits = new Commits({ clock, intervalMs: options.commitIntervalMs, commit: (entries) => this.member.commit(entries), lanes, failed })
    this.limit = new HandlerLimit({ clock, limitMs: options.handlerTimeoutMs, lanes, passed: (task, error) => this.timedOut(task, error) })
    this.departures = new Departures({
      clock, commits: this.commits, putAside, failed, left: (leaving) => this.departed(leaving), ended: () => this.drains.look(),
    })
    this.member = options.join({
      assigned: (places) => this.assigned(places),
      revoked: (places) => this.revoked(places),
      lost: (places) => this.lost(places),
      failed,
    })
  }

  /** Joins the group; what fails ends the loop. */
  start(): void {
    if (this.options.ref) this.keepAlive = this.options.clock.setTimer(() => {}, KEEP_ALIVE_MS)
    this.member.start().catch((error: unknown) => this.crash(error))
  }

  /**
   * Hands out nothing more, waits for what is in hand, commits and leaves the group. Whatever handlers do, it resolves soon after
   * `deadlineMs`: what is not finished by then will be handed out again, to whoever consumes next.
   */
  async stop(deadlineMs: number): Promise<void> {
    this.stopBefore = Math.min(this.stopBefore, this.options.clock.monotonic() + deadlineMs)
    this.ending ??= this.end(undefined)
    this.drains.look()
    await this.ending
  }

  /** Ends at once, without waiting for anything: the log is closed. */
  abandon(reason: unknown): void {
    if (this.state === 'ended') return
    this.finish(reason)
    this.settle.resolve()
  }

  /** Ends the loop with an error, as soon as what is in hand is done. */
  crash(error: unknown): void {
    if (this.ending !== undefined || this.state === 'ended') return
    this.stopBefore = this.options.clock.monotonic() + this.options.drainMs
    this.ending = this.end({ error })
  }

  get stats(): LoopStats {
    let unfinished = 0
    let handling = 0
    for (const lane of this.allLanes()) {
      unfinished += lane.tracker.unfinished
      handling += lane.inHand.size
    }
    return { partitions: this.lanes.size, handling, unfinished, waiting: this.waits.size, ...this.counts }
  }

  // Partitions come and go

  private async assigned(places: readonly Place[]): Promise<void> {
    try {
      for (const place of places) {
        const opened = this.options.open(place)
        this.add(place, opened instanceof Promise ? await opened : opened)
      }
    } catch (error) {
      this.crash(error)
    }
  }

  private add(place: Place, lanes: readonly Lane<K, V>[]): void {
    // It may have been lost while it was opened.
    if (this.state !== 'running' || !this.member.owns(place)) {
      for (const lane of lanes) lane.close()
      return
    }
    this.lanes.set(nameOf(place), lanes)
    for (const lane of lanes) {
      lane.listen(() => this.activate(lane))
      if (lane instanceof RetryLane) lane.onCaughtUp = () => { for (const other of lanes) this.activate(other) }
      this.activate(lane)
    }
  }

  private allLanes(): Lane<K, V>[] {
    return [...this.lanes.values()].flat()
  }

  private async revoked(places: readonly Place[]): Promise<void> {
    const lanes = this.lanesOf(places)
    const deadline = this.options.clock.monotonic() + this.options.drainMs
    // A stop that is under way may end it sooner.
    await this.drains.run(lanes, () => Math.min(deadline, this.stopBefore))
    await this.commits.now(lanes)
    this.drop(lanes, tooLate('its partition was given to another member'))
  }

  private lost(places: readonly Place[]): void {
    this.drop(this.lanesOf(places), tooLate('its partition was lost to another member'))
  }

  private lanesOf(places: readonly Place[]): Lane<K, V>[] {
    return places.flatMap((place) => this.lanes.get(nameOf(place)) ?? [])
  }

  private drop(lanes: readonly Lane<K, V>[], reason: unknown): void {
    for (const lane of lanes) {
      // Whoever had something of it in hand keeps it; another hand takes the place.
      this.hands -= lane.abandonHands(reason)
      lane.close()
    }
    for (const [name, of] of this.lanes) if (of.some((lane) => lane.state === 'closed')) this.lanes.delete(name)
    this.wake()
    this.drains.look()
  }

  // The end

  private async end(failure: { readonly error: unknown } | undefined): Promise<void> {
    this.state = 'stopping'
    const lanes = this.allLanes()
    await this.drains.run(lanes, () => this.stopBefore)
    if (this.isEnded) return
    const reason = tooLate('the consumption was stopped')
    for (const lane of lanes) this.hands -= lane.abandonHands(reason)
    // Even a disk that never answers must not hold whoever stops.
    await this.withinTime(async () => {
      await this.commits.now(lanes)
      await this.member.leave()
    })
    if (this.isEnded) return
    this.finish(reason)
    if (failure === undefined) this.settle.resolve()
    else this.settle.reject(failure.error)
  }

  private get isEnded(): boolean {
    return this.state === 'ended'
  }

  private async withinTime(work: () => Promise<void>): Promise<void> {
    const { clock } = this.options
    await new Promise<void>((resolve) => {
      const timer = clock.setTimer(resolve, Math.max(TRY_AGAIN_MS, Math.min(this.stopBefore - clock.monotonic(), KEEP_ALIVE_MS)))
      work().catch(() => {}).finally(() => {
        timer.cancel()
        resolve()
      })
    })
  }

  private finish(reason: unknown): void {
    this.state = 'ended'
    this.drop(this.allLanes(), reason)
    for (const timer of [this.keepAlive, this.dueTimer]) timer?.cancel()
    this.commits.end()
    this.limit.end()
    this.waits.clear()
    this.ready.length = 0
    this.drains.look()
  }

  // Hands

  /** A lane may have a record now. */
  private activate(lane: Lane<K, V>): void {
    if (lane.active || lane.state !== 'open') return
    lane.active = true
    this.row.push(lane)
    this.wake()
  }

  /** Starts hands, as soon as whoever calls is done. */
  private wake(): void {
    if (this.woken || this.state !== 'running') return
    this.woken = true
    queueMicrotask(() => {
      this.woken = false
      this.startHands()
    })
  }

  private startHands(): void {
    while (this.hands < this.options.concurrency) {
      const task = this.next()
      if (task === undefined) return
      this.hands++
      void this.work(task)
    }
  }

  /** Takes one record after the other. */
  private async work(first: Task<K, V>): Promise<void> {
    try {
      for (let task: Task<K, V> | undefined = first; task !== undefined;) {
        const delivery = this.begin(task)
        if (delivery === undefined) {
          task = this.next()
          continue
        }
        let failure: { readonly error: unknown } | undefined
        try {
          const returned = this.handler(delivery)
          if (isThenable(returned)) await returned
        } catch (error) {
          failure = { error }
        }
        // Not waited for any longer: another hand has taken this one's place.
        if (task.delivery !== delivery) return
        task = this.settled(task, delivery, failure) ?? this.next()
      }
    } catch (error) {
      this.crash(error)
    }
    this.hands--
  }

  /** What to handle next; undefined when there is nothing, or the event loop is to turn first. */
  private next(): Task<K, V> | undefined {
    if (this.state !== 'running') return undefined
    if (this.sinceLoopTurn >= RECORDS_PER_LOOP_TURN) {
      this.letLoopTurn()
      return undefined
    }
    for (let task = this.ready.shift(); task !== undefined; task = this.ready.shift()) if (task.lane.state === 'open') return task
    try {
      return this.nextOfLanes()
    } catch (error) {
      this.crash(error)
      return undefined
    }
  }

  private nextOfLanes(): Task<K, V> | undefined {
    for (let lane = this.row[0]; lane !== undefined; lane = this.row[0]) {
      const task = lane.state === 'open' ? lane.take() : undefined
      if (task === undefined) {
        this.laneTurn = 0
        lane.active = false
        this.row.shift()
        if (lane.dirty) this.commits.soon()
        if (lane.state === 'open') this.waitFor(lane)
        continue
      }
      if (++this.laneTurn >= RECORDS_PER_LANE_TURN && this.row.length > 1) {
        this.laneTurn = 0
        this.row.push(this.row.shift()!)
      }
      return task
    }
    return undefined
  }

  /** A lane had nothing to give: looks after what may change that, beside new records and finished ones. */
  private waitFor(lane: Lane<K, V>): void {
    this.departures.start(lane)
    if (lane.hasMore) this.options.clock.defer(() => this.activate(lane))
    else lane.reader.fill(() => this.activate(lane))
    const { nextDue } = lane
    if (nextDue >= this.dueTimerAt) return
    const { clock } = this.options
    this.dueTimer?.cancel()
    this.dueTimerAt = nextDue
    // Not too long: the wall clock may be set meanwhile.
    this.dueTimer = clock.setTimer(() => {
      this.dueTimerAt = Infinity
      for (const one of this.allLanes()) if (one instanceof RetryLane) this.activate(one)
    }, Math.max(0, Math.min(nextDue - clock.now(), MOST_DUE_WAIT_MS)))
  }

  private letLoopTurn(): void {
    if (this.turning) return
    this.turning = true
    this.options.clock.defer(() => {
      this.turning = false
      this.sinceLoopTurn = 0
      this.wake()
    })
  }

  private begin(task: Task<K, V>): Delivery<K, V> | undefined {
    this.sinceLoopTurn++
    task.attempts++
    try {
      task.delivery = new Delivery(task.record, task.attempts, task)
    } catch (error) {
      this.counts.failures++
      this.giveUp(task, error, 'decode')
      return undefined
    }
    task.lane.inHand.add(task)
    this.limit.begin(task)
    return task.delivery
  }

  /** A handler is done: gives what comes next in its order. */
  private settled(task: Task<K, V>, delivery: Delivery<K, V>, failure: { readonly error: unknown } | undefined): Task<K, V> | undefined {
    task.delivery = undefined
    task.lane.inHand.delete(task)
    const outcome = outcomeOf(delivery, failure)
    let next: Task<K, V> | undefined
    if (outcome.type === 'accept') {
      this.counts.handled++
      next = this.completed(task)
    } else {
      this.failed(task, outcome)
    }
    this.drains.look()
    return next
  }

  private completed(task: Task<K, V>, away = false): Task<K, V> | undefined {
    const { lane } = task
    const next = lane.finish(task, away)
    this.commits.soon()
    if (!lane.active) this.activate(lane)
    if (next === undefined || lane.state !== 'open') return undefined
    if (this.sinceLoopTurn < RECORDS_PER_LOOP_TURN) return next
    this.ready.push(next)
    return undefined
  }

  // What fails

  private failed(task: Task<K, V>, outcome: Exclude<Outcome, { type: 'accept' }> & { readonly error?: unknown }): void {
    const { attempts, delay, retryable, random, laterThanMs, clock } = this.options
    this.counts.failures++
    keep(task)
    const { error } = outcome
    if (outcome.type === 'reject' || task.attempts >= attempts || !holds(() => retryable(error))) return this.giveUp(task, error, 'handle')
    this.tell(task, error, 'retry')
    const delayMs = outcome.delayMs ?? delayOf(delay, task.attempts, random)
    if (delayMs > laterThanMs) this.departures.add({ task, error, stage: 'handle', due: clock.now() + delayMs })
    else this.waits.add(task, delayMs)
  }

  /** The record is not tried any more. */
  private giveUp(task: Task<K, V>, error: unknown, stage: 'decode' | 'handle'): void {
    const { record } = task
    if (this.options.putAside === undefined) {
      this.tell(task, error, 'stop')
      const { topic, partition, offset } = record
      const why = stage === 'decode' ? 'cannot be decoded' : `failed ${task.attempts} times`
      const message = `record ${offset} of ${topic}-${partition} ${why}, and no dead-letter topic takes it`
      this.crash(new LogError('LOG_HANDLER_FAILED', message, { topic, partition, offset, attempts: task.attempts, stage }, error))
      return
    }
    this.tell(task, error, 'dead-letter')
    this.departures.add({ task, error, stage })
  }

  /** A record is in another topic: with the dead letters, or in the retry topic until it is due. */
  private departed({ task, due }: Leaving<K, V>): void {
    if (due === undefined) this.counts.deadLetters++
    const next = this.completed(task, due !== undefined)
    if (next !== undefined) this.ready.push(next)
    this.wake()
  }

  private tell(task: Task<K, V>, error: unknown, next: HandlingFailure['next']): void {
    const { onFailure } = this.options
    if (onFailure === undefined) return
    const { topic, partition, offset } = task.record
    try {
      onFailure({ topic, partition, offset, error, attempt: task.attempts, next })
    } catch (thrown) {
      queueMicrotask(() => { throw thrown })
    }
  }

  /** The handler is not waited for any longer; its record counts as failed, and another hand takes the place. */
  private timedOut(task: Task<K, V>, error: LogError): void {
    task.lane.inHand.delete(task)
    task.abandon(error)
    this.hands--
    this.failed(task, { type: 'release', delayMs: undefined, error })
    this.drains.look()
    this.wake()
  }
}

/** The record may wait for long: it must not keep the memory of all records that were read with it, nor need its file again. */
function keep<K, V>({ record }: Task<K, V>): void {
  try {
    record.detach()
  } catch {
    // Deleted meanwhile: what is decoded of it is tried again, and who puts it aside sees that there is nothing left.
  }
}

function nameOf({ topic, partition }: Place): string {
  return `${partition} ${topic}`
}

function tooLate(why: string): LogError {
  return new LogError('LOG_HANDLER_TIMED_OUT', `what the handler does is not waited for any longer: ${why}`)
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && typeof (value as { then?: unknown }).then === 'function'
}

/** What a user's question answers; one that throws is a yes. */
function holds(question: () => boolean): boolean {
  try {
    return question()
  } catch {
    return true
  }
}
