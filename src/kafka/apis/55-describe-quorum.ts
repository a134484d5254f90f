/*
 * DescribeQuorum (55): who decides on the metadata of the cluster, and how far the others have followed. Here one broker decides, nothing is
 * copied, and there is no log of it, so nobody is ever behind. Spec: Kafka's protocol, DescribeQuorumRequest and DescribeQuorumResponse;
 * KIP-595, KIP-836, KIP-853.
 */
import { array, type Encodable, int16, int32, int64, message, NO_UUID, string, uint16, uuid } from '../../format/schema.ts'
import { kafkaErrors } from '../../format/kafka-errors.ts'
import { defineApi, type RequestContext } from '../api.ts'
import { refusal } from '../refusal.ts'
import { CLUSTER_RESOURCE } from '../security/authorizer.ts'

/** The partition that decisions are in. */
const METADATA_TOPIC = '__cluster_metadata'
const METADATA_PARTITION = 0
const EPOCH = 1
const END = 0

const replicas = () => array({
  replicaId: int32(),
  replicaDirectoryId: uuid({ since: 2, default: NO_UUID, ignorable: true }),
  logEndOffset: int64(),
  lastFetchTimestamp: int64({ since: 1, default: -1, ignorable: true }),
  lastCaughtUpTimestamp: int64({ since: 1, default: -1, ignorable: true }),
})

const response = message('DescribeQuorumResponse', { versions: [0, 2], flexible: 0 }, {
  errorCode: int16(),
  errorMessage: string({ since: 2, nullable: 2, default: '', ignorable: true }),
  topics: array({
    topicName: string(),
    partitions: array({
      partitionIndex: int32(),
      errorCode: int16(),
      errorMessage: string({ since: 2, nullable: 2, default: '', ignorable: true }),
      leaderId: int32(),
      leaderEpoch: int32(),
      highWatermark: int64(),
      currentVoters: replicas(),
      observers: replicas(),
    }),
  }),
  nodes: array({ nodeId: int32(), listeners: array({ name: string(), host: string(), port: uint16() }) }, { since: 2, default: [], ignorable: true }),
})

/** DescribeQuorum. */
export const describeQuorum = defineApi({
  key: 55,
  name: 'DescribeQuorum',
  // 1: when replicas were heard of (KIP-836). 2: messages, nodes and folders (KIP-853).
  request: message('DescribeQuorumRequest', { versions: [0, 2], flexible: 0 }, {
    topics: array({ topicName: string(), partitions: array({ partitionIndex: int32() }) }),
  }),
  response,
  handle({ topics }, context) {
    const { cluster, connection } = context
    if (!cluster.authorizer.allows(connection, 'DESCRIBE', 'CLUSTER', CLUSTER_RESOURCE)) {
      return { errorCode: kafkaErrors.CLUSTER_AUTHORIZATION_FAILED, topics: [] }
    }
    const [topic] = topics
    const asked = topics.length === 1 && topic!.topicName === METADATA_TOPIC && topic!.partitions.length === 1
    if (asked && topic!.partitions[0]!.partitionIndex === METADATA_PARTITION) return quorum(context)
    const unknown = refusal('UNKNOWN_TOPIC_OR_PARTITION', 'This server does not host this topic-partition.')
    return {
      errorCode: kafkaErrors.NONE,
      topics: topics.map(({ topicName, partitions }) => ({
        topicName, partitions: partitions.map(({ partitionIndex }) => ({ ...NOBODY, partitionIndex, ...unknown })),
      })),
    }
  },
  refuse: (_request, errorCode) => ({ errorCode, topics: [] }),
})

const NOBODY = { leaderId: 0, leaderEpoch: 0, highWatermark: 0, currentVoters: [], observers: [] }

function quorum({ cluster, connection }: RequestContext): Encodable<typeof response> {
  const { controller } = cluster
  const now = cluster.clock.now()
  const state = (replicaId: number) => ({ replicaId, logEndOffset: END, lastFetchTimestamp: now, lastCaughtUpTimestamp: now })
  const others = cluster.brokers.filter((broker) => broker !== controller)
  return {
    errorCode: kafkaErrors.NONE,
    topics: [{
      topicName: METADATA_TOPIC,
      partitions: [{
        partitionIndex: METADATA_PARTITION, errorCode: kafkaErrors.NONE, leaderId: controller.nodeId, leaderEpoch: EPOCH, highWatermark: END,
        currentVoters: [state(controller.nodeId)], observers: others.map(({ nodeId }) => state(nodeId)),
      }],
    }],
    nodes: [{ nodeId: controller.nodeId, listeners: [{ name: connection.listener, ...controller.addresses.get(connection.listener)! }] }],
  }
}
