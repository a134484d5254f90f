/*
 * InitProducerId (22): a producer id and an epoch for a producer that is idempotent or transactional; one with a transactional id takes it
 * over from whoever had it. Spec: Kafka's protocol, InitProducerIdRequest and InitProducerIdResponse.
 */
import { type KafkaErrorName, kafkaErrors } from '../../format/kafka-errors.ts'
import { bigint64, type Decoded, type Encodable, int16, int32, message, string } from '../../format/schema.ts'
import { defineApi, type RequestContext } from '../api.ts'
import { forOldProducers, transactionRefusal } from '../coordination.ts'
import { allowsAny, CLUSTER_RESOURCE } from '../security/authorizer.ts'

// 2: flexible. 3: a producer goes on after an error. 4: PRODUCER_FENCED. 5: TRANSACTION_ABORTABLE.
const request = message('InitProducerIdRequest', { versions: [0, 5], flexible: 2 }, {
  transactionalId: string({ nullable: 0 }),
  transactionTimeoutMs: int32(),
  producerId: bigint64({ since: 3, default: -1n }),
  producerEpoch: int16({ since: 3, default: -1 }),
})

// 2: flexible.
const response = message('InitProducerIdResponse', { versions: [0, 5], flexible: 2 }, {
  throttleTimeMs: int32({ default: 0, ignorable: true }),
  errorCode: int16(),
  producerId: bigint64({ default: -1n }),
  producerEpoch: int16(),
})

type Request = Decoded<typeof request>

/** InitProducerId. */
export const initProducerId = defineApi({
  key: 22,
  name: 'InitProducerId',
  request,
  response,
  async handle(asked, context) {
    const { transactionalId, transactionTimeoutMs: timeoutMs, producerId, producerEpoch } = asked
    const refused = refusal(asked, context)
    if (refused !== undefined) return failed(kafkaErrors[refused])
    const answer = await context.cluster.transactions.initProducerId({ transactionalId, timeoutMs, producerId, producerEpoch })
    const error = forOldProducers(answer.error, context.version < 4)
    return { errorCode: kafkaErrors[error], producerId: answer.producerId, producerEpoch: answer.producerEpoch }
  },
  refuse: (_request, errorCode) => failed(errorCode),
})

function refusal({ transactionalId, producerId, producerEpoch }: Request, context: RequestContext): KafkaErrorName | undefined {
  const { cluster: { authorizer }, connection } = context
  const refused = transactionalId === null ? undefined : transactionRefusal(context, 'WRITE', transactionalId)
  if (refused === 'TRANSACTIONAL_ID_AUTHORIZATION_FAILED') return refused
  // Who may write to some topic may do it idempotently.
  const mayWrite = transactionalId !== null || allowsAny(authorizer, connection, 'WRITE', 'TOPIC') ||
    authorizer.allows(connection, 'IDEMPOTENT_WRITE', 'CLUSTER', CLUSTER_RESOURCE)
  if (!mayWrite) return 'CLUSTER_AUTHORIZATION_FAILED'
  // An id without an epoch, or an epoch without an id, is of no producer.
  return (producerId === -1n) === (producerEpoch === -1) ? refused : 'INVALID_REQUEST'
}

function failed(errorCode: number): Encodable<typeof response> {
  return { errorCode, producerId: -1n, producerEpoch: -1 }
}
