/*
 * Who may ask which broker about a group or a transactional id: what the handlers of both have in common.
 */
import { type KafkaErrorName } from '../format/kafka-errors.ts'
import { type RequestContext } from './api.ts'
import { type Operation } from './security/authorizer.ts'

/** Whether the broker that was asked coordinates the group or the transactional id. */
export function coordinates({ cluster, broker }: RequestContext, kind: 'group' | 'transaction', key: string): boolean {
  return cluster.coordinator(kind, key).nodeId === broker.nodeId
}

/** Why this peer is told nothing of a group by this broker; undefined when it is. Names are looked at where a group must have one. */
export function groupRefusal(
  context: RequestContext, operation: Operation, groupId: string, { named = true }: { readonly named?: boolean } = {},
): KafkaErrorName | undefined {
  if (!context.cluster.authorizer.allows(context.connection, operation, 'GROUP', groupId)) return 'GROUP_AUTHORIZATION_FAILED'
  if (named && groupId === '') return 'INVALID_GROUP_ID'
  return coordinates(context, 'group', groupId) ? undefined : 'NOT_COORDINATOR'
}

/** Why this peer may not use a transactional id, or not here; undefined when it may. */
export function transactionRefusal(context: RequestContext, operation: Operation, transactionalId: string): KafkaErrorName | undefined {
  if (!context.cluster.authorizer.allows(context.connection, operation, 'TRANSACTIONAL_ID', transactionalId)) {
    return 'TRANSACTIONAL_ID_AUTHORIZATION_FAILED'
  }
  // An empty one is told so, whoever is asked.
  return transactionalId === '' || coordinates(context, 'transaction', transactionalId) ? undefined : 'NOT_COORDINATOR'
}

/** What clients that know no PRODUCER_FENCED are told instead. */
export function forOldProducers(error: KafkaErrorName, isOld: boolean): KafkaErrorName {
  return isOld && error === 'PRODUCER_FENCED' ? 'INVALID_PRODUCER_EPOCH' : error
}
