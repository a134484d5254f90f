/*
 * What a connection to a cluster tells while it works. Nothing here is an error: what a call cannot do, the call throws.
 */

/** Something that happened. */
export type ClusterEvent =
  /** A topic keeps each record on one broker, or acknowledges with fewer than two copies: losing one broker may lose acknowledged records. */
  | { readonly type: 'durability-warning'; readonly topic: string; readonly replication: number; readonly minInsyncReplicas: number }
  /** A broker does not answer; what was asked of it is asked again, of whoever is in its place. */
  | { readonly type: 'broker-lost'; readonly broker: string; readonly error: unknown }
  /** A broker that was lost answers again. */
  | { readonly type: 'broker-back'; readonly broker: string }

/** Is told of events. */
export type ClusterListener = (event: ClusterEvent) => void
