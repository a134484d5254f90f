/*
 * IncrementalAlterConfigs (44): sets and takes back single configs, and adds to and takes from those that are lists. Spec: Kafka's protocol,
 * IncrementalAlterConfigsRequest and IncrementalAlterConfigsResponse; KIP-339.
 */
import { array, boolean, int16, int32, int8, message, string } from '../../format/schema.ts'
import { defineApi } from '../api.ts'
import { changeConfigs } from '../configs/alter-configs.ts'

/** IncrementalAlterConfigs. */
export const incrementalAlterConfigs = defineApi({
  key: 44,
  name: 'IncrementalAlterConfigs',
  // 1: flexible.
  request: message('IncrementalAlterConfigsRequest', { versions: [0, 1], flexible: 1 }, {
    resources: array({
      resourceType: int8(),
      resourceName: string(),
      configs: array({ name: string(), configOperation: int8(), value: string({ nullable: 0 }) }),
    }),
    validateOnly: boolean(),
  }),
  response: message('IncrementalAlterConfigsResponse', { versions: [0, 1], flexible: 1 }, {
    throttleTimeMs: int32({ default: 0 }),
    responses: array({ errorCode: int16(), errorMessage: string({ nullable: 0, default: null }), resourceType: int8(), resourceName: string() }),
  }),
  handle: async ({ resources, validateOnly }, context) => ({ responses: await changeConfigs(resources, validateOnly, context) }),
  refuse: ({ resources }, errorCode) => ({
    responses: resources.map(({ resourceType, resourceName }) => ({ resourceType, resourceName, errorCode })),
  }),
})
