/*
 * ListPartitionReassignments (46): there is none under way, ever. Spec: Kafka's protocol, ListPartitionReassignmentsRequest and
 * ListPartitionReassignmentsResponse; KIP-455.
 */
import { array, int16, int32, message, string } from '../../format/schema.ts'
import { kafkaErrors } from '../../format/kafka-errors.ts'
import { defineApi } from '../api.ts'
import { CLUSTER_RESOURCE } from '../security/authorizer.ts'

/** ListPartitionReassignments. */
export const listPartitionReassignments = defineApi({
  key: 46,
  name: 'ListPartitionReassignments',
  request: message('ListPartitionReassignmentsRequest', { versions: [0, 0], flexible: 0 }, {
    timeoutMs: int32({ default: 60_000 }),
    topics: array({ name: string(), partitionIndexes: array(int32()) }, { nullable: 0, default: null }),
  }),
  response: message('ListPartitionReassignmentsResponse', { versions: [0, 0], flexible: 0 }, {
    throttleTimeMs: int32({ default: 0 }),
    errorCode: int16(),
    errorMessage: string({ nullable: 0, default: null }),
    topics: array({
      name: string(),
      partitions: array({
        partitionIndex: int32(), replicas: array(int32()), addingReplicas: array(int32()), removingReplicas: array(int32()),
      }),
    }),
  }),
  handle(_request, { cluster, connection }) {
    const allowed = cluster.authorizer.allows(connection, 'DESCRIBE', 'CLUSTER', CLUSTER_RESOURCE)
    return { errorCode: allowed ? kafkaErrors.NONE : kafkaErrors.CLUSTER_AUTHORIZATION_FAILED, topics: [] }
  },
  refuse: (_request, errorCode) => ({ errorCode, topics: [] }),
})
