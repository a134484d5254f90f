/*
 * AddPartitionsToTxn (24): partitions become a part of a transaction before it writes to them. Brokers of a Kafka cluster ask for several
 * transactions at a time, or only whether partitions are a part. Spec: Kafka's protocol, AddPartitionsToTxnRequest and
 * AddPartitionsToTxnResponse.
 */
import { type KafkaErrorName, kafkaErrors } from '../../format/kafka-errors.ts'
import { array, bigint64, boolean, type Decoded, type Encodable, int16, int32, message, string } from '../../format/schema.ts'
import { isInternalTopic } from '../../topics/internal-topics.ts'
import { type PlaceResult } from '../../topics/transactions/messages.ts'
import { type TransactionPlace } from '../../topics/transactions/transaction-state.ts'
import { defineApi, type RequestContext } from '../api.ts'
import { byTopic, hasPartition } from '../by-topic.ts'
import { forOldProducers, transactionRefusal } from '../coordination.ts'
import { CLUSTER_RESOURCE } from '../security/authorizer.ts'

// 2: PRODUCER_FENCED. 3: flexible. 4: several transactions, from brokers. 5: TRANSACTION_ABORTABLE.
const request = message('AddPartitionsToTxnRequest', { versions: [0, 5], flexible: 3 }, {
  transactions: array({
    transactionalId: string(),
    producerId: bigint64(),
    producerEpoch: int16(),
    verifyOnly: boolean({ default: false }),
    topics: array({ name: string(), partitions: array(int32()) }),
  }, { since: 4, default: [] }),
  v3AndBelowTransactionalId: string({ until: 3, default: '' }),
  v3AndBelowProducerId: bigint64({ until: 3, default: 0n }),
  v3AndBelowProducerEpoch: int16({ until: 3, default: 0 }),
  v3AndBelowTopics: array({ name: string(), partitions: array(int32()) }, { until: 3, default: [] }),
})

// 3: flexible. 4: several transactions, error of the whole.
const response = message('AddPartitionsToTxnResponse', { versions: [0, 5], flexible: 3 }, {
  throttleTimeMs: int32({ default: 0 }),
  errorCode: int16({ since: 4, default: 0, ignorable: true }),
  resultsByTransaction: array({
    transactionalId: string(),
    topicResults: array({
      name: string(),
      resultsByPartition: array({ partitionIndex: int32(), partitionErrorCode: int16() }),
    }),
  }, { since: 4, default: [] }),
  resultsByTopicV3AndBelow: array({
    name: string(),
    resultsByPartition: array({ partitionIndex: int32(), partitionErrorCode: int16() }),
  }, { until: 3, default: [] }),
})

type Asked = Decoded<typeof request>['transactions'][number]
type Response = Encodable<typeof response>
type TopicResults = NonNullable<Response['resultsByTopicV3AndBelow']>

/** AddPartitionsToTxn. */
export const addPartitionsToTxn = defineApi({
  key: 24,
  name: 'AddPartitionsToTxn',
  request,
  response,
  async handle(asked, context) {
    const { cluster, connection, version } = context
    if (version >= 4 && !cluster.authorizer.allows(connection, 'CLUSTER_ACTION', 'CLUSTER', CLUSTER_RESOURCE)) {
      return { errorCode: kafkaErrors.CLUSTER_AUTHORIZATION_FAILED }
    }
    if (version < 4) return { resultsByTopicV3AndBelow: topicResults(await added(oldTransaction(asked), context)) }
    return {
      resultsByTransaction: await Promise.all(asked.transactions.map(async (transaction) => (
        { transactionalId: transaction.transactionalId, topicResults: topicResults(await added(transaction, context)) }
      ))),
    }
  },
  refuse(asked, errorCode, { version }) {
    if (version >= 4) return { errorCode }
    const failed = (partitionIndex: number): { partitionIndex: number; partitionErrorCode: number } => (
      { partitionIndex, partitionErrorCode: errorCode }
    )
    const topics = asked.v3AndBelowTopics.map(({ name, partitions }) => ({ name, resultsByPartition: partitions.map(failed) }))
    return { resultsByTopicV3AndBelow: topics }
  },
})

function oldTransaction(asked: Decoded<typeof request>): Asked {
  const { v3AndBelowTransactionalId: transactionalId, v3AndBelowProducerId: producerId, v3AndBelowProducerEpoch: producerEpoch } = asked
  return { transactionalId, producerId, producerEpoch, verifyOnly: false, topics: asked.v3AndBelowTopics }
}

async function added(asked: Asked, context: RequestContext): Promise<readonly PlaceResult[]> {
  const { cluster, version } = context
  const { transactionalId, producerId, producerEpoch, verifyOnly } = asked
  const partitions = placesOf(asked)
  const all = (error: KafkaErrorName): PlaceResult[] => partitions.map((place) => ({ ...place, error }))
  const refused = transactionRefusal(context, 'WRITE', transactionalId)
  const isForbidden = refused === 'TRANSACTIONAL_ID_AUTHORIZATION_FAILED'
  // Brokers may, whoever the producer is.
  if (isForbidden && version < 4) return all(refused)
  const checked = partitions.map((place) => ({ ...place, error: placeRefusal(place, context) }))
  if (checked.some(({ error }) => error !== undefined)) return checked.map((place) => ({ ...place, error: place.error ?? 'OPERATION_NOT_ATTEMPTED' }))
  if (refused !== undefined && !isForbidden) return all(refused)
  const results = await cluster.transactions.addPartitions({
    transactionalId, producerId, producerEpoch, partitions, verifyOnly, version: version >= 4 ? 2 : 1,
  })
  return results.map(({ topic, partition, error }) => ({ topic, partition, error: forOldProducers(error, version < 2) }))
}

function placesOf({ topics }: Asked): TransactionPlace[] {
  return topics.flatMap(({ name, partitions }) => partitions.map((partition) => ({ topic: name, partition })))
}

function placeRefusal({ topic, partition }: TransactionPlace, { cluster, connection, version }: RequestContext): KafkaErrorName | undefined {
  const mayWrite = version >= 4 || (!isInternalTopic(topic) && cluster.authorizer.allows(connection, 'WRITE', 'TOPIC', topic))
  if (!mayWrite) return 'TOPIC_AUTHORIZATION_FAILED'
  return hasPartition(cluster, topic, partition) ? undefined : 'UNKNOWN_TOPIC_OR_PARTITION'
}

function topicResults(results: readonly PlaceResult[]): TopicResults {
  const partitions = results.map(({ topic, partition, error }) => (
    [topic, { partitionIndex: partition, partitionErrorCode: kafkaErrors[error] }] as const
  ))
  return byTopic(partitions).map(({ topic, partitions: resultsByPartition }) => ({ name: topic, resultsByPartition }))
}
