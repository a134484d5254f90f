/*
 * Which operations somebody may do on a resource, as the bits that Metadata, DescribeGroups and DescribeCluster answer: bit n for the operation
 * that Kafka numbers n. Spec: KIP-430.
 */
import { type Peer } from './peer.ts'
import { type Authorizer, type Operation, type ResourceType } from './security/authorizer.ts'

/** Kafka's numbers of operations. */
export const operationCodes: { readonly [Name in Operation]: number } = {
  READ: 3, WRITE: 4, CREATE: 5, DELETE: 6, ALTER: 7, DESCRIBE: 8, CLUSTER_ACTION: 9, DESCRIBE_CONFIGS: 10, ALTER_CONFIGS: 11,
  IDEMPOTENT_WRITE: 12, CREATE_TOKENS: 13, DESCRIBE_TOKENS: 14, TWO_PHASE_COMMIT: 15,
}

/** The operations that there are on a kind of resource. */
const supported: { readonly [Type in ResourceType]?: readonly Operation[] } = {
  TOPIC: ['READ', 'WRITE', 'CREATE', 'DESCRIBE', 'DELETE', 'ALTER', 'DESCRIBE_CONFIGS', 'ALTER_CONFIGS'],
  GROUP: ['READ', 'DESCRIBE', 'DELETE', 'DESCRIBE_CONFIGS', 'ALTER_CONFIGS'],
  CLUSTER: ['CREATE', 'CLUSTER_ACTION', 'DESCRIBE_CONFIGS', 'ALTER_CONFIGS', 'IDEMPOTENT_WRITE', 'ALTER', 'DESCRIBE'],
}

/** The bits of what `peer` may do. */
export function authorizedOperations(authorizer: Authorizer, peer: Peer, type: ResourceType, name: string): number {
  let bits = 0
  for (const operation of supported[type] ?? []) if (authorizer.allows(peer, operation, type, name)) bits |= 1 << operationCodes[operation]
  return bits
}
