/*
 * DescribeClientQuotas (48): the quotas that were set. They are kept and shown, and hold nobody back. Spec: Kafka's protocol,
 * DescribeClientQuotasRequest and DescribeClientQuotasResponse; KIP-546.
 */
import { array, boolean, float64, int16, int32, int8, message, string } from '../../format/schema.ts'
import { defineApi } from '../api.ts'
import { matchingQuotas, type QuotaFilter, wrongFilter } from '../quotas.ts'
import { refusal } from '../refusal.ts'
import { CLUSTER_RESOURCE } from '../security/authorizer.ts'

/** DescribeClientQuotas. */
export const describeClientQuotas = defineApi({
  key: 48,
  name: 'DescribeClientQuotas',
  // 1: flexible.
  request: message('DescribeClientQuotasRequest', { versions: [0, 1], flexible: 1 }, {
    components: array({ entityType: string(), matchType: int8(), match: string({ nullable: 0 }) }),
    strict: boolean(),
  }),
  response: message('DescribeClientQuotasResponse', { versions: [0, 1], flexible: 1 }, {
    throttleTimeMs: int32({ default: 0 }),
    errorCode: int16(),
    errorMessage: string({ nullable: 0, default: null }),
    entries: array({
      entity: array({ entityType: string(), entityName: string({ nullable: 0 }) }),
      values: array({ key: string(), value: float64() }),
    }, { nullable: 0 }),
  }),
  handle({ components, strict }, { cluster, connection }) {
    if (!cluster.authorizer.allows(connection, 'DESCRIBE_CONFIGS', 'CLUSTER', CLUSTER_RESOURCE)) {
      return { ...refusal('CLUSTER_AUTHORIZATION_FAILED', 'Cluster authorization failed.'), entries: null }
    }
    const filter: QuotaFilter = { components, strict }
    const wrong = wrongFilter(filter)
    if (wrong !== undefined) return { ...wrong, entries: null }
    return { errorCode: 0, entries: matchingQuotas(cluster.kept, filter) }
  },
  refuse: (_request, errorCode) => ({ errorCode, entries: null }),
})
