/*
 * A group without groups: who owns which partition is what the test says, and what was committed is a map. For tests of the loop alone; the
 * real thing is tested in consume.test.ts.
 */
import { type Clock, systemClock } from '../../../src/base/clock.ts'
import { seededRandom } from '../../../src/base/random.ts'
import { type Codec, type Topic } from '../../../src/index.ts'
import { type PartitionLog } from '../../../src/log/partition-log.ts'
import { type RecordHeaders } from '../../../src/log/record.ts'
import { bytes, string } from '../../../src/topics/codecs.ts'
import { readDeadLetter } from '../../../src/topics/consume/dead-letter-headers.ts'
import { handOver } from '../../../src/topics/consume/hand-over.ts'
import { Lane, type Leaving, type Order } from '../../../src/topics/consume/lane.ts'
import { ConsumeLoop } from '../../../src/topics/consume/loop.ts'
import { type Handler, type LoopOptions } from '../../../src/topics/consume/loop-options.ts'
import { type Membership } from '../../../src/topics/consume/membership.ts'
import { type CommitEntry, type Place } from '../../../src/topics/groups/member.ts'
import { NOT_BEFORE_HEADER, RetryLane } from '../../../src/topics/consume/retry-lane.ts'
import { type MemberEvents } from '../../../src/topics/groups/member.ts'
import { encodedCodecs } from '../../../src/topics/held-record.ts'

/** What was put aside, by the offset it had. */
export interface Aside {
  readonly partition: number
  readonly offset: number
  readonly stage: string
  readonly message: string
}

/** Loops over one topic that share what was committed. */
export class FakeGroup {
  readonly topic: Topic<string, string>
  readonly clock: Clock
  readonly committed = new Map<number, CommitEntry>()
  /** A topic that long waits are spent in, and what was committed of it. */
  retries: Topic<string, string> | undefined
  readonly committedRetries = new Map<number, CommitEntry>()
  readonly aside: Aside[] = []
  readonly members: FakeMember[] = []
  /** How values are decoded. */
  value: Codec<string> = string
  /** Awaited by every commit before it counts. */
  beforeCommit: () => Promise<void> = async () => {}
  /** Awaited by every hand-over before it counts. */
  beforeAside: () => Promise<void> = async () => {}

  constructor(topic: Topic<string, string>, clock: Clock = systemClock) {
    this.topic = topic
    this.clock = clock
  }

  log(partition: number): PartitionLog {
    return this.topic.partition(partition)['log']
  }

  /** A loop, not started. The events of its membership are those of the last member. */
  loop(
    handler: Handler<string, string>, options: Partial<LoopOptions<string, string>> & { readonly maxInFlight?: number } = {},
  ): ConsumeLoop<string, string> {
    const { maxInFlight = 1000, ...others } = options
    const order = options.order ?? 'key'
    return new ConsumeLoop<string, string>({
      clock: this.clock, random: seededRandom(1), order, concurrency: 64, attempts: 3, delay: () => 100, retryable: () => true,
      laterThanMs: Infinity, handlerTimeoutMs: Infinity, drainMs: 1000, commitIntervalMs: 100, ref: false, onFailure: undefined,
      join: (events) => {
        const member = new FakeMember(this, events)
        this.members.push(member)
        return member
      },
      open: async (place) => this.#open(place, order, maxInFlight),
      putAside: (leaving, entry) => this.#putAside(leaving, entry),
      ...others,
    }, handler)
  }

  /** Keeps a commit of either topic. */
  keep(entry: CommitEntry): void {
    ;(entry.topic === this.topic.name ? this.committed : this.committedRetries).set(entry.partition, entry)
  }

  #open(place: Place, order: Order, maxInFlight: number): Lane<string, string>[] {
    const { partition } = place
    const codecs = { key: string, value: this.value }
    const lane = new Lane({ place, log: this.log(partition), codecs, order, maxInFlight, committed: this.committed.get(partition), from: 0 })
    if (this.retries === undefined) return [lane]
    const waiting = new RetryLane({
      place: { topic: this.retries.name, partition }, log: this.retries.partition(partition)['log'], codecs, order, from: 0,
      committed: this.committedRetries.get(partition), chains: lane.chains, now: () => this.clock.now(),
    })
    lane.mayBegin = () => waiting.isCaughtUp
    return [lane, waiting]
  }

  async #putAside(leaving: readonly Leaving<string, string>[], entry: CommitEntry): Promise<void> {
    await this.beforeAside()
    if (this.retries !== undefined) return this.#putInTopics(leaving, entry)
    for (const { task, error, stage } of leaving) {
      const { partition, offset } = task.record
      this.aside.push({ partition, offset, stage, message: error instanceof Error ? error.message : String(error) })
    }
    this.keep(entry)
  }

  /** As it is done in a log, but for the transaction: nothing here fails in between. */
  async #putInTopics(leaving: readonly Leaving<string, string>[], entry: CommitEntry): Promise<void> {
    const taker = { parts: async () => ({ ...this.retries!.parts, codecs: encodedCodecs }) }
    await handOver<string, string>({
      group: 'g', retries: taker, deadLetters: taker, now: () => this.clock.now(),
      store: async (records) => {
        for (const { record } of records) {
          const dead = !record.headers.some(([name]) => name === NOT_BEFORE_HEADER)
          if (dead) {
            const { partition, offset, stage, message } = readDeadLetter(record.headers as RecordHeaders)
            this.aside.push({ partition: partition!, offset: offset!, stage: stage!, message: message! })
          } else {
            const log = this.retries!.partition(record.partition)['log']
            await log.durable(log.append(encodedCodecs, record))
          }
        }
        this.keep(entry)
      },
    })(leaving, entry)
  }
}

/** One member: the test assigns and revokes. */
export class FakeMember implements Membership {
  readonly group: FakeGroup
  readonly events: MemberEvents
  left = false
  readonly owned = new Set<number>()

  constructor(group: FakeGroup, events: MemberEvents) {
    this.group = group
    this.events = events
  }

  async start(): Promise<void> {}

  owns({ partition }: Place): boolean {
    return this.owned.has(partition)
  }

  async assign(...partitions: number[]): Promise<void> {
    for (const partition of partitions) this.owned.add(partition)
    await this.events.assigned(this.#places(partitions))
  }

  async revoke(...partitions: number[]): Promise<void> {
    await this.events.revoked(this.#places(partitions))
    for (const partition of partitions) this.owned.delete(partition)
  }

  lose(...partitions: number[]): void {
    for (const partition of partitions) this.owned.delete(partition)
    this.events.lost(this.#places(partitions))
  }

  async commit(entries: readonly CommitEntry[]): Promise<void> {
    await this.group.beforeCommit()
    for (const entry of entries) this.group.keep(entry)
  }

  async leave(): Promise<void> {
    this.left = true
  }

  #places(partitions: readonly number[]): Place[] {
    return partitions.map((partition) => ({ topic: this.group.topic.name, partition }))
  }
}

/** Appends raw bytes as a value. */
export function appendRaw(log: PartitionLog, value: Uint8Array, key: Uint8Array | null = null): number {
  return log.append({ key: bytes, value: bytes }, { key, value })
}
