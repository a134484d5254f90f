/*
 * AddOffsetsToTxn (25): the offsets of a group become a part of a transaction. Spec: Kafka's protocol, AddOffsetsToTxnRequest and
 * AddOffsetsToTxnResponse.
 */
import { kafkaErrors } from '../../format/kafka-errors.ts'
import { bigint64, int16, int32, message, string } from '../../format/schema.ts'
import { defineApi } from '../api.ts'
import { forOldProducers, transactionRefusal } from '../coordination.ts'

/** AddOffsetsToTxn. */
export const addOffsetsToTxn = defineApi({
  key: 25,
  name: 'AddOffsetsToTxn',
  // 2: PRODUCER_FENCED. 3: flexible. 4: TRANSACTION_ABORTABLE.
  request: message('AddOffsetsToTxnRequest', { versions: [0, 4], flexible: 3 }, {
    transactionalId: string(),
    producerId: bigint64(),
    producerEpoch: int16(),
    groupId: string(),
  }),
  // 3: flexible.
  response: message('AddOffsetsToTxnResponse', { versions: [0, 4], flexible: 3 }, {
    throttleTimeMs: int32({ default: 0 }),
    errorCode: int16(),
  }),
  async handle({ transactionalId, producerId, producerEpoch, groupId }, context) {
    const { cluster, connection, version } = context
    const refused = transactionRefusal(context, 'WRITE', transactionalId)
    if (refused === 'TRANSACTIONAL_ID_AUTHORIZATION_FAILED') return { errorCode: kafkaErrors[refused] }
    if (!cluster.authorizer.allows(connection, 'READ', 'GROUP', groupId)) return { errorCode: kafkaErrors.GROUP_AUTHORIZATION_FAILED }
    if (refused !== undefined) return { errorCode: kafkaErrors[refused] }
    const { error } = await cluster.transactions.addOffsets({ transactionalId, producerId, producerEpoch, groupId })
    return { errorCode: kafkaErrors[forOldProducers(error, version < 2)] }
  },
  refuse: (_request, errorCode) => ({ errorCode }),
})
