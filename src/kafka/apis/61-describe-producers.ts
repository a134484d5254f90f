/*
 * DescribeProducers (61): the producers that have written to partitions, and which of them have a transaction open there. Spec: Kafka's
 * protocol, DescribeProducersRequest and DescribeProducersResponse.
 */
import { isLogError } from '../../base/errors.ts'
import { kafkaErrors } from '../../format/kafka-errors.ts'
import { array, bigint64, type Encodable, int16, int32, int64, message, string } from '../../format/schema.ts'
import { defineApi, type RequestContext } from '../api.ts'
import { errorCodeOf } from '../error-codes.ts'
import { wrongTopicName } from '../named-topics.ts'

const response = message('DescribeProducersResponse', { versions: [0, 0], flexible: 0 }, {
  throttleTimeMs: int32({ default: 0 }),
  topics: array({
    name: string(),
    partitions: array({
      partitionIndex: int32(),
      errorCode: int16(),
      errorMessage: string({ nullable: 0, default: null }),
      activeProducers: array({
        producerId: bigint64(),
        producerEpoch: int32(),
        lastSequence: int32({ default: -1 }),
        lastTimestamp: int64({ default: -1 }),
        coordinatorEpoch: int32(),
        currentTxnStartOffset: int64({ default: -1 }),
      }),
    }),
  }),
})

type Partition = Encodable<typeof response>['topics'][number]['partitions'][number]

/** DescribeProducers. */
export const describeProducers = defineApi({
  key: 61,
  name: 'DescribeProducers',
  request: message('DescribeProducersRequest', { versions: [0, 0], flexible: 0 }, {
    topics: array({ name: string(), partitionIndexes: array(int32()) }),
  }),
  response,
  handle: async ({ topics }, context) => ({
    topics: await Promise.all(topics.map(async ({ name, partitionIndexes }) => (
      { name, partitions: await Promise.all(partitionIndexes.map((partition) => described(name, partition, context))) }
    ))),
  }),
  refuse: ({ topics }, errorCode) => ({
    topics: topics.map(({ name, partitionIndexes }) => ({ name, partitions: partitionIndexes.map((partition) => failed(partition, errorCode)) })),
  }),
})

async function described(name: string, partition: number, { cluster, connection, broker }: RequestContext): Promise<Partition> {
  const wrongName = wrongTopicName(name)
  if (wrongName !== undefined) return failed(partition, kafkaErrors.INVALID_TOPIC_EXCEPTION, wrongName)
  if (!cluster.authorizer.allows(connection, 'READ', 'TOPIC', name)) {
    return failed(partition, kafkaErrors.TOPIC_AUTHORIZATION_FAILED, 'Topic authorization failed.')
  }
  const entry = cluster.topic(name)
  if (entry === undefined) return failed(partition, kafkaErrors.UNKNOWN_TOPIC_OR_PARTITION, 'This server does not host this topic-partition.')
  if (partition < 0 || partition >= entry.partitions) return failed(partition, kafkaErrors.UNKNOWN_TOPIC_OR_PARTITION)
  if (!cluster.leads(broker, entry, partition)) return failed(partition, kafkaErrors.NOT_LEADER_OR_FOLLOWER)
  try {
    const log = (await cluster.open(name))?.logs[partition]
    if (log === undefined) return failed(partition, kafkaErrors.UNKNOWN_TOPIC_OR_PARTITION)
    const producers = cluster.transactions.describeProducers(log)
    return {
      partitionIndex: partition, errorCode: kafkaErrors.NONE,
      activeProducers: producers.map(({ currentTransactionStartOffset, ...producer }) => (
        { ...producer, currentTxnStartOffset: currentTransactionStartOffset }
      )),
    }
  } catch (error) {
    if (!isLogError(error)) throw error
    return failed(partition, errorCodeOf(error))
  }
}

function failed(partitionIndex: number, errorCode: number, errorMessage: string | null = null): Partition {
  return { partitionIndex, errorCode, errorMessage, activeProducers: [] }
}
