/*
 * Who answers for partitions, groups and transactional ids at the moment, where that is not what placement.ts says: brokers that are down,
 * leaders and coordinators that somebody moved. Of this process only: nothing of it is kept.
 */
import { type Broker } from './broker.ts'

/** What a coordinator coordinates. */
export type CoordinatorKind = 'group' | 'transaction'

/** Deviations from where partitions and coordinators lie. */
export class Leadership {
  readonly #down = new Set<number>()
  readonly #leaders = new Map<string, number>()
  readonly #coordinators = new Map<string, number>()

  /** Whether a broker is down. */
  isDown(nodeId: number): boolean {
    return this.#down.has(nodeId)
  }

  /** A broker goes down, or comes up. */
  setDown(nodeId: number, down: boolean): void {
    if (down) this.#down.add(nodeId)
    else this.#down.delete(nodeId)
  }

  /** A broker leads a partition of the topic with this id from now on. */
  moveLeader(topicId: string, partition: number, nodeId: number): void {
    this.#leaders.set(`${topicId}/${partition}`, nodeId)
  }

  /** A broker coordinates a group, or the transactions of an id, from now on. */
  moveCoordinator(kind: CoordinatorKind, key: string, nodeId: number): void {
    this.#coordinators.set(`${kind}/${key}`, nodeId)
  }

  /** Everything is where it was placed, and every broker is up. */
  clear(): void {
    this.#down.clear()
    this.#leaders.clear()
    this.#coordinators.clear()
  }

  /** As `other` has it. */
  take(other: Leadership): void {
    this.clear()
    for (const nodeId of other.#down) this.#down.add(nodeId)
    for (const [place, nodeId] of other.#leaders) this.#leaders.set(place, nodeId)
    for (const [key, nodeId] of other.#coordinators) this.#coordinators.set(key, nodeId)
  }

  /**
   * Those that a partition lies on, the leader first, of those that it was placed on. Where all of them are down another one takes it: there is
   * one log below.
   */
  replicas(placed: readonly Broker[], all: readonly Broker[], topicId: () => string, partition: number): readonly Broker[] {
    if (this.#leaders.size === 0 && this.#down.size === 0) return placed
    const moved = this.#leaders.size === 0 ? undefined : this.#leaders.get(`${topicId()}/${partition}`)
    const leader = all.find(({ nodeId }) => nodeId === moved)
    const row = leader === undefined ? placed : [leader, ...placed.filter((broker) => broker !== leader)]
    const up = row.filter(({ nodeId }) => !this.#down.has(nodeId))
    return up.length > 0 ? up : [this.#nextUp(all, all.indexOf(row[0]!))]
  }

  /** The one that coordinates, given the one that would. */
  coordinator(kind: CoordinatorKind, key: string, usual: Broker, all: readonly Broker[]): Broker {
    if (this.#coordinators.size === 0 && this.#down.size === 0) return usual
    const moved = this.#coordinators.get(`${kind}/${key}`)
    return this.#nextUp(all, all.indexOf(all.find(({ nodeId }) => nodeId === moved) ?? usual))
  }

  /** The first from `index` on that is up; when none is, nobody is there to ask. */
  #nextUp(all: readonly Broker[], index: number): Broker {
    const row = [...all.slice(index), ...all.slice(0, index)]
    return row.find(({ nodeId }) => !this.#down.has(nodeId)) ?? row[0]!
  }
}
