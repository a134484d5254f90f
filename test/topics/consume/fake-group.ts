/*
 * A group without groups: who owns which partition is what the test says, and what was committed is a map. For tests of the loop alone; the
 * real thing is tested in consume.test.ts.
 */
import { type Clock, systemClock } from '../../../src/base/clock.ts'
import { seededRandom } from '../../../src/base/random.ts'
import { type Codec, type Topic } from '../../../src/index.ts'
import { type PartitionLog } from '../../../src/log/partition-log.ts'
import { bytes, string } from '../../../src/topics/codecs.ts'
import { Lane, type Leaving } from '../../../src/topics/consume/lane.ts'
import { ConsumeLoop, type Handler, type LoopOptions } from '../../../src/topics/consume/loop.ts'
import { type CommitEntry, type Membership, type MembershipEvents, type Place } from '../../../src/topics/consume/membership.ts'

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
      open: (place) => [new Lane({
        place, log: this.log(place.partition), codecs: { key: string, value: this.value }, order, maxInFlight,
        committed: this.committed.get(place.partition), from: 0,
      })],
      putAside: (leaving, entry) => this.#putAside(leaving, entry),
      ...others,
    }, handler)
  }

  async #putAside(leaving: readonly Leaving<string, string>[], entry: CommitEntry): Promise<void> {
    await this.beforeAside()
    for (const { task, error, stage } of leaving) {
      const { partition, offset } = task.record
      this.aside.push({ partition, offset, stage, message: error instanceof Error ? error.message : String(error) })
    }
    this.committed.set(entry.partition, entry)
  }
}

/** One member: the test assigns and revokes. */
export class FakeMember implements Membership {
  readonly group: FakeGroup
  readonly events: MembershipEvents
  left = false

  constructor(group: FakeGroup, events: MembershipEvents) {
    this.group = group
    this.events = events
  }

  async start(): Promise<void> {}

  async assign(...partitions: number[]): Promise<void> {
    await this.events.assigned(this.#places(partitions))
  }

  async revoke(...partitions: number[]): Promise<void> {
    await this.events.revoked(this.#places(partitions))
  }

  lose(...partitions: number[]): void {
    this.events.lost(this.#places(partitions))
  }

  async commit(entries: readonly CommitEntry[]): Promise<void> {
    await this.group.beforeCommit()
    for (const entry of entries) this.group.committed.set(entry.partition, entry)
  }

  committed({ partition }: Place): CommitEntry | undefined {
    return this.group.committed.get(partition)
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
