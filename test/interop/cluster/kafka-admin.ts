/*
 * What an administrator does with a cluster of three and asks of it, by our own schemas: the client of the cluster door does none of it.
 */
import { type Fields } from '../../../src/format/field.ts'
import { type Decoded, type Encodable, type Message } from '../../../src/format/schema.ts'
import { type Api } from '../../../src/kafka/api.ts'
import { metadata } from '../../../src/kafka/apis/03-metadata.ts'
import { findCoordinator } from '../../../src/kafka/apis/10-find-coordinator.ts'
import { electLeaders } from '../../../src/kafka/apis/43-elect-leaders.ts'
import { alterPartitionReassignments } from '../../../src/kafka/apis/45-alter-partition-reassignments.ts'
import { describeQuorum } from '../../../src/kafka/apis/55-describe-quorum.ts'
import { RawClient } from '../../kafka/harness.ts'
import { type KafkaNodes } from './kafka-nodes.ts'

/** A partition, and who has it. */
export interface Placed {
  readonly topic: string
  readonly partition: number
  readonly leader: number
  readonly replicas: readonly number[]
  readonly inSync: readonly number[]
}

/** What is coordinated. */
export type Coordinated = 'group' | 'transaction'

const PREFERRED = 0
const LOOK_MS = 200
const TIMEOUT_MS = 30_000

/** An administrator. */
export class KafkaAdmin {
  readonly #nodes: KafkaNodes

  constructor(nodes: KafkaNodes) {
    this.#nodes = nodes
  }

  /** The node that leads the others in what is decided on the cluster. */
  async controller(): Promise<number> {
    const asked = { topics: [{ topicName: '__cluster_metadata', partitions: [{ partitionIndex: 0 }] }] }
    const { topics } = await this.#ask(describeQuorum, 0, asked)
    return topics[0]!.partitions[0]!.leaderId
  }

  /** The node that coordinates a group, or the transactions of an id. */
  async coordinator(of: Coordinated, key: string): Promise<number> {
    const { coordinators } = await this.#ask(findCoordinator, 4, { keyType: of === 'group' ? 0 : 1, coordinatorKeys: [key] })
    return coordinators[0]!.nodeId
  }

  /** Every partition of every topic. */
  async partitions(): Promise<Placed[]> {
    const { topics } = await this.#ask(metadata, 12, { topics: null, allowAutoTopicCreation: false })
    return topics.flatMap(({ name, partitions }) => partitions.map(({ partitionIndex, leaderId, replicaNodes, isrNodes }) => (
      { topic: name!, partition: partitionIndex, leader: leaderId, replicas: replicaNodes, inSync: isrNodes }
    )))
  }

  /** Waits until all nodes run, and have all that they are to have. */
  async inSync(): Promise<void> {
    const until = AbortSignal.timeout(TIMEOUT_MS * 4)
    for (;;) {
      const partitions = await this.partitions().catch(() => [])
      const behind = partitions.filter(({ replicas, inSync, leader }) => leader < 0 || inSync.length < Math.max(replicas.length, this.#nodes.count))
      if (partitions.length > 0 && behind.length === 0) return
      if (until.aborted) throw new Error(`not in sync: ${JSON.stringify(behind)}`)
      await new Promise((resolve) => { setTimeout(resolve, LOOK_MS) })
    }
  }

  /** Has partitions go to other nodes, or have their copies in another order, of which the first is preferred as leader. Waits for neither. */
  async reassign(moves: readonly Pick<Placed, 'topic' | 'partition' | 'replicas'>[]): Promise<void> {
    const { errorCode, responses } = await this.#ask(alterPartitionReassignments, 0, {
      timeoutMs: TIMEOUT_MS,
      topics: moves.map(({ topic, partition, replicas }) => ({ name: topic, partitions: [{ partitionIndex: partition, replicas }] })),
    })
    const codes = [errorCode, ...responses.flatMap(({ partitions }) => partitions.map((partition) => partition.errorCode))]
    if (codes.some((code) => code !== 0)) throw new Error(`partitions cannot be reassigned: ${codes.join(', ')}`)
  }

  /** Makes those leaders that are preferred. */
  async electPreferred(): Promise<void> {
    await this.#ask(electLeaders, 2, { electionType: PREFERRED, topicPartitions: null, timeoutMs: TIMEOUT_MS })
  }

  /** Asks any node that runs, until one answers. */
  async #ask<Req extends Fields, Res extends Fields>(
    api: Api<Req, Res>, version: number, value: Encodable<Message<Req>>,
  ): Promise<Decoded<Message<Res>>> {
    const until = AbortSignal.timeout(TIMEOUT_MS)
    for (;;) {
      for (const port of this.#nodes.ports) {
        try {
          const client = await RawClient.connect(port)
          try {
            return await client.request(api, version, value)
          } finally {
            await client.close()
          }
        } catch (error) {
          until.throwIfAborted()
          if (port === this.#nodes.ports.at(-1)) await new Promise((resolve) => { setTimeout(resolve, LOOK_MS) })
          void error
        }
      }
    }
  }
}
