/*
 * Metadata as it was when a fault was asked for: leaders that lead no more, without the topics that came later.
 */
import { kafkaErrors } from '../../format/kafka-errors.ts'
import { type Cluster } from '../../kafka/cluster.ts'
import { type Decoding } from '../journal/entry.ts'

interface Leader {
  readonly leaderId: number
  readonly leaderEpoch: number
}

/** What brokers told of topics at one moment. */
export class MetadataThen {
  readonly #leaders = new Map<string, Leader>()
  readonly #topics = new Set<string>()

  constructor(cluster: Cluster) {
    for (const entry of cluster.topics) {
      this.#topics.add(entry.name)
      const open = cluster.core.openTopics.find((topic) => topic.entry.name === entry.name)
      for (let partition = 0; partition < entry.partitions; partition++) {
        const leaderEpoch = open?.logs[partition]?.leaderEpoch ?? -1
        this.#leaders.set(`${entry.name}/${partition}`, { leaderId: cluster.leader(entry, partition).nodeId, leaderEpoch })
      }
    }
  }

  /** An answer of today as it would have been. */
  answer(response: Decoding): Decoding {
    return { ...response, topics: (response['topics'] as readonly Decoding[]).map((topic) => this.#topic(topic)) }
  }

  #topic(topic: Decoding): Decoding {
    const { name, partitions } = topic as { readonly name: string | null; readonly partitions: readonly Decoding[] }
    if (name === null) return topic
    if (!this.#topics.has(name)) return { ...topic, errorCode: kafkaErrors.UNKNOWN_TOPIC_OR_PARTITION, partitions: [] }
    return {
      ...topic,
      partitions: partitions.flatMap((partition) => {
        const then = this.#leaders.get(`${name}/${String(partition['partitionIndex'])}`)
        return then === undefined ? [] : [{ ...partition, ...then }]
      }),
    }
  }
}
