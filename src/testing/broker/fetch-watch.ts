/*
 * Which partitions each connection fetches: a request of a session names only what changed, so what was named before is remembered.
 */
import { NO_UUID } from '../../format/schema.ts'
import { type Exchange } from '../../kafka/exchange.ts'

/** A partition that is fetched. */
export interface FetchedPlace {
  readonly topic: string
  /** As the client names it: an id, or {@link NO_UUID}. */
  readonly topicId: string
  readonly partition: number
}

interface Named {
  readonly topic: string
  readonly topicId: string
}

interface Watched {
  readonly clientId: string
  readonly places: Map<string, FetchedPlace>
  /** The first request that named each place, whatever became of sessions. */
  readonly firsts: Map<string, number>
  /** Of the last request. */
  count: number
}

interface FetchFields {
  readonly sessionEpoch: number
  readonly topics: readonly (Named & { readonly partitions: readonly { readonly partition: number }[] })[]
  readonly forgottenTopicsData: readonly (Named & { readonly partitions: readonly number[] })[]
}

/** Sees the fetches of all connections. */
export class FetchWatch {
  readonly #byConnection = new Map<number, Watched>()
  /** Fetches seen when the first member of a group was told what it has in the generation that the group is in, by group. */
  readonly #told = new Map<string, { readonly generation: number; readonly count: number }>()
  /** Fetches seen when a group was told anything for the first time. A restart is none for it: its connections stay. */
  readonly #firstTold = new Map<string, number>()
  /** Connections whose next fetch does not wait. */
  #hurried = new Set<number>()
  /** Fetches seen so far. */
  count = 0

  /** A Fetch request is begun. */
  see(exchange: Exchange): void {
    const { request, context: { connection: { id }, clientId, cluster } } = exchange
    if (this.#hurried.delete(id)) exchange.request = { ...request, maxWaitMs: 0 }
    const { sessionEpoch, topics, forgottenTopicsData } = request as unknown as FetchFields
    const known = this.#byConnection.get(id)
    const watched: Watched = known !== undefined && sessionEpoch > 0
      ? known
      : { clientId, places: new Map(), firsts: known?.firsts ?? new Map(), count: 0 }
    this.#byConnection.set(id, watched)
    const nameOf = ({ topic, topicId }: Named): string => (topicId === NO_UUID ? topic : cluster.topicById(topicId)?.name ?? '')
    for (const row of forgottenTopicsData) for (const partition of row.partitions) watched.places.delete(`${nameOf(row)}/${partition}`)
    for (const row of topics) {
      const topic = nameOf(row)
      for (const { partition } of row.partitions) {
        const key = `${topic}/${partition}`
        watched.places.set(key, { topic, topicId: row.topicId, partition })
        if (!watched.firsts.has(key)) watched.firsts.set(key, this.count + 1)
      }
    }
    watched.count = ++this.count
  }

  /** What a connection fetches. */
  of(connection: number): readonly FetchedPlace[] {
    return [...this.#byConnection.get(connection)?.places.values() ?? []]
  }

  /** A member of a group was told what it has. What others fetch since the first one was is of the same generation. */
  told(groupId: string, generation: number): void {
    if (this.#told.get(groupId)?.generation === generation) return
    this.#told.set(groupId, { generation, count: this.count })
    if (!this.#firstTold.has(groupId)) this.#firstTold.set(groupId, this.count)
  }

  /**
   * Whether a client has fetched a partition since the members of a group were told what they have. Clients of other ids do not count, nor do
   * connections that fetched it before the group was ever told anything: those are of other groups.
   */
  isFetched(topic: string, partition: number, { groupId, clientId }: { readonly groupId: string; readonly clientId: string }): boolean {
    const key = `${topic}/${partition}`
    const since = this.#told.get(groupId)?.count ?? 0
    const first = this.#firstTold.get(groupId) ?? 0
    return Array.from(this.#byConnection.values()).some((watched) => (
      watched.clientId === clientId && watched.count > since && watched.places.has(key) && watched.firsts.get(key)! > first
    ))
  }

  /**
   * Another log took the place of the one before. Clients that are at the end of it learn so with their next request: the next fetch of each
   * connection does not wait.
   */
  restart(): void {
    this.#hurried = new Set(this.#byConnection.keys())
    for (const watched of this.#byConnection.values()) {
      watched.places.clear()
      watched.count = 0
    }
    this.#told.clear()
  }

  /** A connection is gone. */
  forget(connection: number): void {
    this.#byConnection.delete(connection)
    this.#hurried.delete(connection)
  }
}
