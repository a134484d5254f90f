/*
 * ListTransactions (66): the transactional ids that a broker coordinates. Spec: Kafka's protocol, ListTransactionsRequest and
 * ListTransactionsResponse.
 */
import { kafkaErrors } from '../../format/kafka-errors.ts'
import { array, bigint64, int16, int32, int64, message, string } from '../../format/schema.ts'
import { TopicPatternError } from '../../topics/groups/topic-pattern-parser.ts'
import { type TopicPattern, topicPattern } from '../../topics/groups/topic-pattern.ts'
import { defineApi } from '../api.ts'
import { coordinates } from '../coordination.ts'

/** ListTransactions. */
export const listTransactions = defineApi({
  key: 66,
  name: 'ListTransactions',
  // 1: only those that are open for long. 2: only those whose id matches.
  request: message('ListTransactionsRequest', { versions: [0, 2], flexible: 0 }, {
    stateFilters: array(string()),
    producerIdFilters: array(bigint64()),
    durationFilter: int64({ since: 1, default: -1 }),
    transactionalIdPattern: string({ since: 2, nullable: 2, default: null }),
  }),
  response: message('ListTransactionsResponse', { versions: [0, 2], flexible: 0 }, {
    throttleTimeMs: int32({ default: 0 }),
    errorCode: int16(),
    unknownStateFilters: array(string()),
    transactionStates: array({ transactionalId: string(), producerId: bigint64(), transactionState: string() }),
  }),
  async handle({ stateFilters, producerIdFilters, durationFilter, transactionalIdPattern }, context) {
    const { cluster, connection } = context
    const pattern = idPattern(transactionalIdPattern)
    if (pattern === 'invalid') return { errorCode: kafkaErrors.INVALID_REGULAR_EXPRESSION, unknownStateFilters: [], transactionStates: [] }
    const { error, unknownStates, transactions } = await cluster.transactions.list({
      states: stateFilters, producerIds: producerIdFilters, durationMs: durationFilter,
    })
    const seen = transactions.filter(({ transactionalId }) => (
      coordinates(context, 'transaction', transactionalId) && (pattern?.matches(transactionalId) ?? true) &&
      cluster.discreet.allows(connection, 'DESCRIBE', 'TRANSACTIONAL_ID', transactionalId)
    ))
    return {
      errorCode: kafkaErrors[error], unknownStateFilters: unknownStates,
      transactionStates: seen.map(({ transactionalId, producerId, state }) => ({ transactionalId, producerId, transactionState: state })),
    }
  },
  refuse: (_request, errorCode) => ({ errorCode, unknownStateFilters: [], transactionStates: [] }),
})

/** What ids are to match as a whole. */
function idPattern(pattern: string | null): TopicPattern | 'invalid' | undefined {
  if (pattern === null || pattern === '') return undefined
  try {
    return topicPattern(pattern)
  } catch (error) {
    if (!(error instanceof TopicPatternError)) throw error
    return 'invalid'
  }
}
