/*
 * The door `commitlog/cluster`: the portable contracts over an existing cluster that speaks Kafka's protocol.
 */
export { connect } from './connect.ts'
export type { ClusterEvent, ClusterListener } from './events.ts'
export type { ClusterSasl, ClusterSecurity, ConnectOptions } from './options.ts'
export type { ClusterLog, ClusterStats, ClusterTopic, PartitionOffsets } from './types.ts'
