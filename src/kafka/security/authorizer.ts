/*
 * Who may do what, as Kafka names operations and resources. Without ACLs everybody may do everything.
 */
import { type Peer } from '../peer.ts'

/** Kafka's operations. */
export type Operation =
  | 'READ' | 'WRITE' | 'CREATE' | 'DELETE' | 'ALTER' | 'DESCRIBE' | 'CLUSTER_ACTION' | 'DESCRIBE_CONFIGS' | 'ALTER_CONFIGS' | 'IDEMPOTENT_WRITE'
  | 'CREATE_TOKENS' | 'DESCRIBE_TOKENS' | 'TWO_PHASE_COMMIT'

/** Kafka's kinds of resources. */
export type ResourceType = 'TOPIC' | 'GROUP' | 'CLUSTER' | 'TRANSACTIONAL_ID' | 'DELEGATION_TOKEN' | 'USER'

/** The name of the one resource of type CLUSTER. */
export const CLUSTER_RESOURCE = 'kafka-cluster'

/** Decides about requests, at once. Called often: for every topic of every request. */
export interface Authorizer {
  /** Whether a peer may do something to a resource. */
  allows(peer: Peer, operation: Operation, type: ResourceType, name: string): boolean
  /** Whether there may be a resource of the type that it may do it to. Left out: asked for a name that no resource has. */
  allowsAny?(peer: Peer, operation: Operation, type: ResourceType): boolean
}

/** Allows everything. */
export const allowAll: Authorizer = { allows: () => true }

/** As another one, telling whom it refuses what. Whether there may be something is no refusal yet. */
export function audited(authorizer: Authorizer, refused: (...asked: Parameters<Authorizer['allows']>) => void): Authorizer {
  if (authorizer === allowAll) return authorizer
  return {
    allows(...asked) {
      const allowed = authorizer.allows(...asked)
      if (!allowed) refused(...asked)
      return allowed
    },
    allowsAny: (...asked) => allowsAny(authorizer, ...asked),
  }
}

/** Whether there may be a resource that a peer may do something to: what an idempotent producer needs is to write to some topic. */
export function allowsAny(authorizer: Authorizer, peer: Peer, operation: Operation, type: ResourceType): boolean {
  return authorizer.allowsAny === undefined ? authorizer.allows(peer, operation, type, 'hardcode') : authorizer.allowsAny(peer, operation, type)
}
