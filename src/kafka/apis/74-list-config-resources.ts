/*
 * ListConfigResources (74): the names of what has configs. Version 0 knows client metrics only. Spec: Kafka's protocol,
 * ListConfigResourcesRequest and ListConfigResourcesResponse; KIP-1142.
 */
import { array, int16, int32, int8, message, string } from '../../format/schema.ts'
import { kafkaErrors } from '../../format/kafka-errors.ts'
import { defineApi, type RequestContext } from '../api.ts'
import { resourceTypes } from '../configs/config-types.ts'
import { keptResources } from '../configs/kept-configs.ts'
import { CLUSTER_RESOURCE } from '../security/authorizer.ts'

const { TOPIC, BROKER, BROKER_LOGGER, CLIENT_METRICS, GROUP } = resourceTypes
const listed: readonly number[] = [GROUP, CLIENT_METRICS, BROKER_LOGGER, BROKER, TOPIC]

/** ListConfigResources. */
export const listConfigResources = defineApi({
  key: 74,
  name: 'ListConfigResources',
  // 1: kinds of resources (KIP-1142).
  request: message('ListConfigResourcesRequest', { versions: [0, 1], flexible: 0 }, {
    resourceTypes: array(int8(), { since: 1, default: [] }),
  }),
  response: message('ListConfigResourcesResponse', { versions: [0, 1], flexible: 0 }, {
    throttleTimeMs: int32({ default: 0 }),
    errorCode: int16(),
    configResources: array({
      resourceName: string(),
      resourceType: int8({ since: 1, default: CLIENT_METRICS, ignorable: true }),
    }),
  }),
  handle({ resourceTypes: asked }, context) {
    const { cluster, connection, version } = context
    if (!cluster.authorizer.allows(connection, 'DESCRIBE_CONFIGS', 'CLUSTER', CLUSTER_RESOURCE)) {
      return { errorCode: kafkaErrors.CLUSTER_AUTHORIZATION_FAILED, configResources: [] }
    }
    const types = version === 0 ? [CLIENT_METRICS] : asked.length === 0 ? listed : asked
    if (!types.every((type) => listed.includes(type))) return { errorCode: kafkaErrors.UNSUPPORTED_VERSION, configResources: [] }
    return {
      errorCode: kafkaErrors.NONE,
      configResources: Array.from(new Set(types)).flatMap((resourceType) => {
        return namesOf(resourceType, context).map((resourceName) => ({ resourceName, resourceType }))
      }),
    }
  },
  refuse: (_request, errorCode) => ({ errorCode, configResources: [] }),
})

function namesOf(type: number, { cluster }: RequestContext): readonly string[] {
  switch (type) {
    case TOPIC: return cluster.topics.map(({ name }) => name)
    case BROKER: case BROKER_LOGGER: return cluster.brokers.map(({ nodeId }) => String(nodeId))
    case GROUP: return keptResources(cluster.kept, 'group-configs')
    default: return keptResources(cluster.kept, 'client-metrics-configs')
  }
}
