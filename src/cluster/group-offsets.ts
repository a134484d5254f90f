/*
 * What groups of a cluster have committed: OffsetFetch, asked of their coordinators.
 */
import { type Call } from './call.ts'
import { type Cluster } from './cluster.ts'
import { clusterGroupError, nameOf } from './errors.ts'
import { type PlaceName } from './ends.ts'

/** An offset that a group committed. */
export interface GroupOffset extends PlaceName {
  readonly offset: number
  readonly leaderEpoch: number
  readonly metadata: string
}

/** Tells what groups have committed. */
export class GroupOffsets {
  readonly #cluster: Cluster

  constructor(cluster: Cluster) {
    this.#cluster = cluster
  }

  /**
   * All that a group has committed, in the order of topics and partitions; waits for open transactions that commit for it.
   *
   * @param unstable  told of places that such a transaction holds up, each time they are asked for
   */
  async committed(
    group: string, { call = this.#cluster.call(), unstable }: {
      readonly call?: Call
      readonly unstable?: ((place: PlaceName) => Promise<void>) | undefined
    } = {},
  ): Promise<GroupOffset[]> {
    const cluster = this.#cluster
    const { offsetFetchV8 } = cluster.client
    // Null is all of them.
    const asked = [{ groupId: group, topics: null }] as unknown as Parameters<typeof offsetFetchV8.api.async>[1]
    const topics = await cluster.coordinated(call, 'group', group, async (broker) => {
      const answer = await cluster.main.ask(call, broker, offsetFetchV8.api, asked, true)
      const found = answer.groups[0]!
      const wrong = found.topics.flatMap(({ name: topic, partitions }) => (
        partitions.filter(({ errorCode }) => errorCode !== 0).map(({ partitionIndex: partition, errorCode }) => ({ topic, partition, errorCode }))
      ))
      const isUnstable = ({ errorCode }: { readonly errorCode: number }): boolean => nameOf(errorCode) === 'UNSTABLE_OFFSET_COMMIT'
      await Promise.all(wrong.filter(isUnstable).map(unstable ?? (async () => {})))
      if (wrong.length > 0) throw clusterGroupError(nameOf(wrong[0]!.errorCode), group)
      return found
    }, ({ errorCode }) => errorCode).then((found) => {
      const name = nameOf(found.errorCode)
      if (name !== 'NONE' && name !== 'GROUP_ID_NOT_FOUND') throw clusterGroupError(name, group)
      return found.topics
    })
    return topics.flatMap(({ name: topic, partitions }) => partitions.filter(({ committedOffset }) => committedOffset >= 0n).map((one) => ({
      topic, partition: one.partitionIndex, offset: Number(one.committedOffset), leaderEpoch: one.committedLeaderEpoch, metadata: one.metadata ?? '',
    }))).sort((a, b) => (a.topic === b.topic ? a.partition - b.partition : a.topic < b.topic ? -1 : 1))
  }
}
