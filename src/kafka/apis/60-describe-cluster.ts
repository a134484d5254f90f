/*
 * DescribeCluster (60): the brokers and the controller. Spec: Kafka's protocol, DescribeClusterRequest and DescribeClusterResponse; KIP-700,
 * KIP-919, KIP-1073.
 */
import { OPERATIONS_NOT_ASKED } from '../../format/messages/authorized-operations.ts'
import { array, boolean, type Encodable, int16, int32, int8, message, string } from '../../format/schema.ts'
import { kafkaErrors } from '../../format/kafka-errors.ts'
import { defineApi } from '../api.ts'
import { authorizedOperations } from '../authorized-operations.ts'
import { refusal } from '../refusal.ts'
import { CLUSTER_RESOURCE } from '../security/authorizer.ts'

const BROKERS = 1
const CONTROLLERS = 2

const response = message('DescribeClusterResponse', { versions: [0, 2], flexible: 0 }, {
  throttleTimeMs: int32({ default: 0 }),
  errorCode: int16(),
  errorMessage: string({ nullable: 0, default: null }),
  endpointType: int8({ since: 1, default: BROKERS, ignorable: true }),
  clusterId: string(),
  controllerId: int32({ default: -1 }),
  brokers: array({
    brokerId: int32(),
    host: string(),
    port: int32(),
    rack: string({ nullable: 0, default: null }),
    isFenced: boolean({ since: 2, default: false }),
  }),
  clusterAuthorizedOperations: int32({ default: OPERATIONS_NOT_ASKED }),
})

/** DescribeCluster. */
export const describeCluster = defineApi({
  key: 60,
  name: 'DescribeCluster',
  // 1: brokers or controllers (KIP-919). 2: fenced brokers (KIP-1073).
  request: message('DescribeClusterRequest', { versions: [0, 2], flexible: 0 }, {
    includeClusterAuthorizedOperations: boolean(),
    endpointType: int8({ since: 1, default: BROKERS }),
    includeFencedBrokers: boolean({ since: 2, default: false }),
  }),
  response,
  handle({ includeClusterAuthorizedOperations, endpointType }, { cluster, connection }) {
    if (endpointType !== BROKERS) return failed(endpointType)
    return {
      errorCode: kafkaErrors.NONE,
      endpointType,
      clusterId: cluster.clusterId,
      controllerId: cluster.controller.nodeId,
      brokers: cluster.brokers.map(({ nodeId, rack, addresses }) => ({ brokerId: nodeId, rack, ...addresses.get(connection.listener)! })),
      clusterAuthorizedOperations: !includeClusterAuthorizedOperations ? OPERATIONS_NOT_ASKED :
        authorizedOperations(cluster.discreet, connection, 'CLUSTER', CLUSTER_RESOURCE),
    }
  },
  refuse: (_request, errorCode, { cluster }) => ({ errorCode, clusterId: cluster.clusterId, brokers: [] }),
})

/** Brokers know nothing of what lies behind them. */
function failed(endpointType: number): Encodable<typeof response> {
  const reason = endpointType === CONTROLLERS ?
    refusal('MISMATCHED_ENDPOINT_TYPE', 'The request was sent to an endpoint of type BROKER, but we wanted an endpoint of type CONTROLLER') :
    refusal('UNSUPPORTED_ENDPOINT_TYPE', `Unsupported endpoint type ${endpointType}`)
  return { ...reason, endpointType: BROKERS, clusterId: '', brokers: [] }
}
