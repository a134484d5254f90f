/*
 * DescribeTransactions (65): what is so of transactional ids. Spec: Kafka's protocol, DescribeTransactionsRequest and
 * DescribeTransactionsResponse.
 */
import { kafkaErrors } from '../../format/kafka-errors.ts'
import { array, bigint64, type Encodable, int16, int32, int64, message, string } from '../../format/schema.ts'
import { type TransactionDescription } from '../../topics/transactions/messages.ts'
import { defineApi, type RequestContext } from '../api.ts'
import { byTopic } from '../by-topic.ts'
import { transactionRefusal } from '../coordination.ts'

const response = message('DescribeTransactionsResponse', { versions: [0, 0], flexible: 0 }, {
  throttleTimeMs: int32({ default: 0 }),
  transactionStates: array({
    errorCode: int16(),
    transactionalId: string(),
    transactionState: string(),
    transactionTimeoutMs: int32(),
    transactionStartTimeMs: int64(),
    producerId: bigint64(),
    producerEpoch: int16(),
    topics: array({ topic: string(), partitions: array(int32()) }),
  }),
})

type State = Encodable<typeof response>['transactionStates'][number]

/** DescribeTransactions. */
export const describeTransactions = defineApi({
  key: 65,
  name: 'DescribeTransactions',
  request: message('DescribeTransactionsRequest', { versions: [0, 0], flexible: 0 }, {
    transactionalIds: array(string()),
  }),
  response,
  handle: async ({ transactionalIds }, context) => ({
    transactionStates: await Promise.all([...new Set(transactionalIds)].map(async (transactionalId) => {
      const refused = transactionRefusal(context, 'DESCRIBE', transactionalId)
      if (refused !== undefined) return failed(transactionalId, kafkaErrors[refused])
      const [description] = await context.cluster.transactions.describe([transactionalId])
      return described(description!, context)
    })),
  }),
  refuse: ({ transactionalIds }, errorCode) => ({ transactionStates: transactionalIds.map((transactionalId) => failed(transactionalId, errorCode)) }),
})

function described(description: TransactionDescription, { cluster, connection }: RequestContext): State {
  const { error, transactionalId, state, timeoutMs, startedAt, producerId, producerEpoch, partitions } = description
  if (error !== 'NONE') return failed(transactionalId, kafkaErrors[error])
  const seen = partitions.filter(({ topic }) => cluster.discreet.allows(connection, 'DESCRIBE', 'TOPIC', topic))
  return {
    errorCode: kafkaErrors.NONE, transactionalId, transactionState: state, transactionStartTimeMs: startedAt, producerId, producerEpoch,
    transactionTimeoutMs: Math.min(timeoutMs, 0x7fff_ffff),
    topics: byTopic(seen.map(({ topic, partition }) => [topic, partition])),
  }
}

function failed(transactionalId: string, errorCode: number): State {
  return {
    errorCode, transactionalId, transactionState: '', transactionTimeoutMs: 0, transactionStartTimeMs: 0, producerId: 0n, producerEpoch: 0,
    topics: [],
  }
}
