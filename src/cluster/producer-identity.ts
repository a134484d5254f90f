/*
 * Who sends: a producer id with its epoch, by which a cluster knows batches that it has already, and of a transaction which it is of.
 */
import { type Call } from './call.ts'
import { type Cluster } from './cluster.ts'
import { checkAnswer } from './errors.ts'

/** A producer, as brokers know it. */
export interface ProducerIdentity {
  readonly producerId: bigint
  readonly producerEpoch: number
}

/** A new producer without transactions. */
export function freshIdentity(cluster: Cluster, call: Call): Promise<ProducerIdentity> {
  const { initProducerIdV4 } = cluster.client
  return cluster.retrying(call, async () => {
    const answer = await cluster.any(call, (part, broker) => cluster.main.ask(part, broker, initProducerIdV4.api, null, 0, -1n, -1))
    checkAnswer(answer.errorCode, 'a producer id')
    return { producerId: answer.producerId, producerEpoch: answer.producerEpoch }
  })
}

/**
 * The producer of a transactional id: whoever had it before is fenced, and what was open of it is aborted.
 *
 * @throws LogError `LOG_CLUSTER_UNSUPPORTED` by a cluster without transactions
 */
export async function transactionalIdentity(cluster: Cluster, call: Call, id: string, timeoutMs: number): Promise<ProducerIdentity> {
  const { initProducerIdV4 } = cluster.client
  const { producerId, producerEpoch } = await cluster.coordinated(call, 'transaction', id, async (broker) => {
    const answer = await cluster.main.ask(call, broker, initProducerIdV4.api, id, timeoutMs, -1n, -1)
    checkAnswer(answer.errorCode, `transactional id "${id}"`, { transactionalId: id })
    return answer
  }, ({ errorCode }) => errorCode)
  return { producerId, producerEpoch }
}
