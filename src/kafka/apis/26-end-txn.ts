/*
 * EndTxn (26): a transaction is committed or aborted. From version 5 on the epoch of the producer rises with it, and the answer has the next
 * one. Spec: Kafka's protocol, EndTxnRequest and EndTxnResponse.
 */
import { kafkaErrors } from '../../format/kafka-errors.ts'
import { bigint64, boolean, int16, int32, message, string } from '../../format/schema.ts'
import { defineApi } from '../api.ts'
import { forOldProducers, transactionRefusal } from '../coordination.ts'

/** EndTxn. */
export const endTxn = defineApi({
  key: 26,
  name: 'EndTxn',
  // 2: PRODUCER_FENCED. 3: flexible. 4: TRANSACTION_ABORTABLE. 5: the epoch rises.
  request: message('EndTxnRequest', { versions: [0, 5], flexible: 3 }, {
    transactionalId: string(),
    producerId: bigint64(),
    producerEpoch: int16(),
    committed: boolean(),
  }),
  // 3: flexible. 5: producer id and epoch.
  response: message('EndTxnResponse', { versions: [0, 5], flexible: 3 }, {
    throttleTimeMs: int32({ default: 0 }),
    errorCode: int16(),
    producerId: bigint64({ since: 5, default: -1n, ignorable: true }),
    producerEpoch: int16({ since: 5, default: -1, ignorable: true }),
  }),
  async handle({ transactionalId, producerId, producerEpoch, committed }, context) {
    const refused = transactionRefusal(context, 'WRITE', transactionalId)
    if (refused !== undefined) return { errorCode: kafkaErrors[refused] }
    const version = context.version >= 5 ? 2 : 1
    const answer = await context.cluster.transactions.endTransaction({ transactionalId, producerId, producerEpoch, committed, version })
    const error = forOldProducers(answer.error, context.version < 2)
    return { errorCode: kafkaErrors[error], producerId: answer.producerId, producerEpoch: answer.producerEpoch }
  },
  refuse: (_request, errorCode) => ({ errorCode }),
})
