/*
 * Which brokers a partition is said to lie on. All brokers serve one log, so this is what clients are shown and who answers for a partition, and
 * not where bytes are: the first broker of a partition leads it. Partitions are spread over the brokers until somebody assigns them.
 */
import { murmur2 } from '../base/murmur2.ts'
import { type Json } from '../format/cluster-settings.ts'
import { uuidText } from '../format/uuid.ts'
import { type TopicEntry } from '../topics/catalog.ts'
import { type Broker } from './broker.ts'
import { type ClusterFile } from './cluster-file.ts'
import { type Refusal, refusal } from './refusal.ts'

const SECTION = 'replicas'

/** What was asked of a topic. */
interface Asked {
  /** Brokers of each partition that was not assigned. */
  readonly factor: number
  /** Node ids, by partition. */
  readonly assigned: ReadonlyMap<number, readonly number[]>
}

const NOTHING_ASKED: Asked = { factor: 1, assigned: new Map() }

/** Knows the brokers of all partitions. */
export class Placement {
  readonly #kept: ClusterFile
  #section: Json | undefined
  #byId: ReadonlyMap<string, Asked> = new Map()
  #byEntry = new WeakMap<TopicEntry, Asked>()

  constructor(kept: ClusterFile) {
    this.#kept = kept
  }

  /** The brokers of a partition, the leader first; never none. */
  of(entry: TopicEntry, partition: number, brokers: readonly Broker[]): readonly Broker[] {
    if (brokers.length === 1) return brokers
    const { factor, assigned } = this.#asked(entry)
    // One that was taken away since serves nobody.
    const there = (assigned.get(partition) ?? []).flatMap((id) => brokers.find(({ nodeId }) => nodeId === id) ?? [])
    if (there.length > 0) return there
    const first = spread(entry.name) + partition
    return Array.from({ length: Math.min(factor, brokers.length) }, (_, index) => brokers[(first + index) % brokers.length]!)
  }

  /** Keeps how many brokers each partition of a topic has, and which some of them have. */
  async place(id: Uint8Array, factor: number, assigned: Iterable<readonly [partition: number, nodeIds: readonly number[]]>): Promise<void> {
    await this.#change(uuidText(id), () => ({ factor, assigned: new Map(assigned) }))
  }

  /** Keeps which brokers some partitions of a topic have. */
  async assign(entry: TopicEntry, assigned: Iterable<readonly [partition: number, nodeIds: readonly number[]]>): Promise<void> {
    await this.#change(uuidText(entry.id), (known) => ({ ...known, assigned: new Map([...known.assigned, ...assigned]) }))
  }

  /** Forgets a topic that is gone. */
  async forget(entry: TopicEntry): Promise<void> {
    if (this.#look().has(uuidText(entry.id))) await this.#change(uuidText(entry.id), () => undefined)
  }

  async #change(id: string, next: (known: Asked) => Asked | undefined): Promise<void> {
    await this.#kept.change(SECTION, (section) => {
      const all = new Map(parse(section))
      const asked = next(all.get(id) ?? NOTHING_ASKED)
      if (asked === undefined) all.delete(id)
      else all.set(id, asked)
      return all.size === 0 ? undefined : written(all)
    })
  }

  #asked(entry: TopicEntry): Asked {
    const byId = this.#look()
    const known = this.#byEntry.get(entry) ?? byId.get(uuidText(entry.id)) ?? NOTHING_ASKED
    this.#byEntry.set(entry, known)
    return known
  }

  #look(): ReadonlyMap<string, Asked> {
    const section = this.#kept.get(SECTION)
    if (section === this.#section) return this.#byId
    this.#section = section
    this.#byId = parse(section)
    this.#byEntry = new WeakMap()
    return this.#byId
  }
}

/** What Kafka says of an assignment by hand that cannot be; undefined when it can. */
export function assignmentRefusal(nodeIds: readonly number[], brokers: readonly Broker[], factor: number | undefined): Refusal | undefined {
  const wrong = (what: string): Refusal => refusal('INVALID_REPLICA_ASSIGNMENT', `The manual partition assignment includes ${what}`)
  if (nodeIds.length === 0) return wrong('an empty replica list.')
  const sorted = nodeIds.toSorted((one, other) => one - other)
  for (const [at, id] of sorted.entries()) {
    if (!brokers.some(({ nodeId }) => nodeId === id)) return wrong(`broker ${id}, but no such broker is registered.`)
    if (id === sorted[at - 1]) return wrong(`the broker ${id} more than once.`)
  }
  if (factor === undefined || factor === nodeIds.length) return undefined
  const before = `but this is not consistent with previous partitions, which have ${factor} replica(s).`
  return wrong(`a partition with ${nodeIds.length} replica(s), ${before}`)
}

function parse(section: Json | undefined): ReadonlyMap<string, Asked> {
  const topics = (section ?? []) as readonly (readonly [string, number, readonly (readonly [number, readonly number[]])[]])[]
  return new Map(topics.map(([id, factor, assigned]) => [id, { factor, assigned: new Map(assigned) }]))
}

function written(all: ReadonlyMap<string, Asked>): Json {
  return Array.from(all, ([id, { factor, assigned }]) => [id, factor, Array.from(assigned)])
}

/** The same number for a name in every process, so that brokers keep what they lead. */
export function spread(name: string): number {
  return murmur2(Buffer.from(name)) >>> 1
}
