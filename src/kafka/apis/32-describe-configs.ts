/*
 * DescribeConfigs (32): the configs of topics, brokers, loggers, groups and subscriptions to metrics, with what they would be otherwise. Spec:
 * Kafka's protocol, DescribeConfigsRequest and DescribeConfigsResponse; KIP-133, KIP-226, KIP-569.
 */
import { array, boolean, int16, int32, int8, message, string } from '../../format/schema.ts'
import { defineApi } from '../api.ts'
import { sourcesOf } from '../configs/broker-sources.ts'
import { documentationOf } from '../configs/config-documentation.ts'
import { describeResource } from '../configs/describe-configs.ts'
import { refusal } from '../refusal.ts'

/** A short request may ask for more than there is memory for; no cluster is so large. */
const MOST_CONFIGS = 500_000
const TOO_MANY = refusal('POLICY_VIOLATION', `One request describes at most ${MOST_CONFIGS} configs.`)

/** DescribeConfigs. */
export const describeConfigs = defineApi({
  key: 32,
  name: 'DescribeConfigs',
  // 1: synonyms and sources. 3: types and documentation. 4: flexible.
  request: message('DescribeConfigsRequest', { versions: [1, 4], flexible: 4 }, {
    resources: array({ resourceType: int8(), resourceName: string(), configurationKeys: array(string(), { nullable: 0 }) }),
    includeSynonyms: boolean({ default: false }),
    includeDocumentation: boolean({ since: 3, default: false }),
  }),
  response: message('DescribeConfigsResponse', { versions: [1, 4], flexible: 4 }, {
    throttleTimeMs: int32({ default: 0 }),
    results: array({
      errorCode: int16(),
      errorMessage: string({ nullable: 0, default: null }),
      resourceType: int8(),
      resourceName: string(),
      configs: array({
        name: string(),
        value: string({ nullable: 0 }),
        readOnly: boolean(),
        configSource: int8({ default: -1, ignorable: true }),
        isSensitive: boolean(),
        synonyms: array({ name: string(), value: string({ nullable: 0 }), source: int8() }, { default: [], ignorable: true }),
        configType: int8({ since: 3, default: 0, ignorable: true }),
        documentation: string({ since: 3, nullable: 0, default: null, ignorable: true }),
      }),
    }),
  }),
  handle({ resources, includeSynonyms, includeDocumentation }, context) {
    const sources = sourcesOf(context.cluster, context.broker)
    let shown = 0
    return {
      results: resources.map(({ resourceType, resourceName, configurationKeys: keys }) => {
        if (shown > MOST_CONFIGS) return { ...TOO_MANY, resourceType, resourceName, configs: [] }
        const { errorCode, errorMessage, configs } = describeResource({ type: resourceType, name: resourceName }, context, sources)
        const asked = keys === null || keys.length === 0 ? configs : configs.filter(({ name }) => keys.includes(name))
        // Those that are not asked for were looked up as well.
        shown += configs.length
        const answered = asked.map((config) => ({
          ...config,
          synonyms: includeSynonyms ? config.synonyms : [],
          documentation: includeDocumentation ? documentationOf(config.name) : null,
        }))
        return { errorCode, errorMessage, resourceType, resourceName, configs: answered }
      }),
    }
  },
  refuse: ({ resources }, errorCode) => ({ results: resources.map((resource) => ({ ...resource, errorCode, configs: [] })) }),
})
