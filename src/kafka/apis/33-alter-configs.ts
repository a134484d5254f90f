/*
 * AlterConfigs (33): replaces all configs of a resource; what is not named goes back to its default. Spec: Kafka's protocol, AlterConfigsRequest
 * and AlterConfigsResponse; KIP-133. Clients use {@link incrementalAlterConfigs} by now.
 */
import { array, boolean, int16, int32, int8, message, string } from '../../format/schema.ts'
import { defineApi } from '../api.ts'
import { replaceConfigs } from '../configs/alter-configs.ts'

/** AlterConfigs. */
export const alterConfigs = defineApi({
  key: 33,
  name: 'AlterConfigs',
  // 2: flexible.
  request: message('AlterConfigsRequest', { versions: [0, 2], flexible: 2 }, {
    resources: array({ resourceType: int8(), resourceName: string(), configs: array({ name: string(), value: string({ nullable: 0 }) }) }),
    validateOnly: boolean(),
  }),
  response: message('AlterConfigsResponse', { versions: [0, 2], flexible: 2 }, {
    throttleTimeMs: int32({ default: 0 }),
    responses: array({ errorCode: int16(), errorMessage: string({ nullable: 0, default: null }), resourceType: int8(), resourceName: string() }),
  }),
  handle: async ({ resources, validateOnly }, context) => ({ responses: await replaceConfigs(resources, validateOnly, context) }),
  refuse: ({ resources }, errorCode) => ({
    responses: resources.map(({ resourceType, resourceName }) => ({ resourceType, resourceName, errorCode })),
  }),
})
