/*
 * The door `commitlog/cluster`: the portable contracts over an existing cluster that speaks Kafka's protocol.
 */
export { connect } from './connect.ts'
export type { ClusterEvent, ClusterListener } from './events.ts'
export type { ClusterSasl, ClusterSecurity, ConnectOptions } from './options.ts'
export type { ClusterLog, ClusterStats, ClusterTopic, PartitionOffsets } from './types.ts'
export { mirror, Mirroring, type MirrorState, type MirrorStatus } from './mirror/mirror.ts'
export type { GroupStatus } from './mirror/group-carrier.ts'
export type { Gap, PartitionProgress } from './mirror/mirrored-topic.ts'
export type { MirrorEvent, MirrorOptions } from './mirror/options.ts'
export { type MirrorPlan, type PlannedGroup, type PlannedTopic, planMirror } from './mirror/plan.ts'
