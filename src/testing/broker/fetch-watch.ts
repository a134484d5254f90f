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
  /** Fetches seen so far. */
  count = 0

  /** A Fetch request is begun. */
  see({ request, context: { connection: { id }, clientId, cluster } }: Exchange): void {
    const { sessionEpoch, topics, forgottenTopicsData } = request as unknown as FetchFields
    const known = this.#byConnection.get(id)
    const watched = known !== undefined && sessionEpoch > 0 ? known : { clientId, places: new Map<string, FetchedPlace>(), count: 0 }
    this.#byConnection.set(id, watched)
    const nameOf = ({ topic, topicId }: Named): string => (topicId === NO_UUID ? topic : cluster.topicById(topicId)?.name ?? '')
    for (const row of forgottenTopicsData) for (const partition of row.partitions) watched.places.delete(`${nameOf(row)}/${partition}`)
    for (const row of topics) {
      const topic = nameOf(row)
      for (const { partition } of row.partitions) watched.places.set(`${topic}/${partition}`, { topic, topicId: row.topicId, partition })
    }
    watched.count = ++this.count
  }

  /** What a connection fetches. */
  of(connection: number): readonly FetchedPlace[] {
    return [...this.#byConnection.get(connection)?.places.values() ?? []]
  }

  /** Whether some connection has fetched a partition since `count` was what it was. */
  isFetched(topic: string, partition: number, since: number): boolean {
    const key = `${topic}/${partition}`
    return Array.from(this.#byConnection.values()).some(({ places, count }) => count > since && places.has(key))
  }

  /** A connection is gone. */
  forget(connection: number): void {
    this.#byConnection.delete(connection)
  }
}
