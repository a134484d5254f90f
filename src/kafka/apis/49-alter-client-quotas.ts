/*
 * AlterClientQuotas (49): sets and removes quotas, each entity by itself. Spec: Kafka's protocol, AlterClientQuotasRequest and
 * AlterClientQuotasResponse; KIP-546.
 */
import { array, boolean, float64, int16, int32, message, string } from '../../format/schema.ts'
import { defineApi } from '../api.ts'
import { alterQuotas } from '../quotas.ts'
import { refusal } from '../refusal.ts'
import { CLUSTER_RESOURCE } from '../security/authorizer.ts'

/** AlterClientQuotas. */
export const alterClientQuotas = defineApi({
  key: 49,
  name: 'AlterClientQuotas',
  // 1: flexible.
  request: message('AlterClientQuotasRequest', { versions: [0, 1], flexible: 1 }, {
    entries: array({
      entity: array({ entityType: string(), entityName: string({ nullable: 0 }) }),
      ops: array({ key: string(), value: float64(), remove: boolean() }),
    }),
    validateOnly: boolean(),
  }),
  response: message('AlterClientQuotasResponse', { versions: [0, 1], flexible: 1 }, {
    throttleTimeMs: int32({ default: 0 }),
    entries: array({
      errorCode: int16(),
      errorMessage: string({ nullable: 0, default: null }),
      entity: array({ entityType: string(), entityName: string({ nullable: 0 }) }),
    }),
  }),
  async handle({ entries, validateOnly }, { cluster, connection }) {
    if (!cluster.authorizer.allows(connection, 'ALTER_CONFIGS', 'CLUSTER', CLUSTER_RESOURCE)) {
      return { entries: entries.map(({ entity }) => ({ entity, ...refusal('CLUSTER_AUTHORIZATION_FAILED', 'Cluster authorization failed.') })) }
    }
    return { entries: await alterQuotas(cluster.kept, entries, validateOnly) }
  },
  refuse: ({ entries }, errorCode) => ({ entries: entries.map(({ entity }) => ({ entity, errorCode })) }),
})
