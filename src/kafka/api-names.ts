/*
 * The names of the APIs that are served, as Kafka has them, by number: what a program may say, so that a wrong one is told before it runs. The APIs
 * themselves are in apis.ts, which has the same names in the same order.
 */

/** All of them. */
export const apiNames = [
  'Produce', 'Fetch', 'ListOffsets', 'Metadata', 'OffsetCommit', 'OffsetFetch', 'FindCoordinator', 'JoinGroup', 'Heartbeat', 'LeaveGroup',
  'SyncGroup', 'DescribeGroups', 'ListGroups', 'SaslHandshake', 'ApiVersions', 'CreateTopics', 'DeleteTopics', 'DeleteRecords',
  'InitProducerId', 'OffsetForLeaderEpoch', 'AddPartitionsToTxn', 'AddOffsetsToTxn', 'EndTxn', 'TxnOffsetCommit', 'DescribeAcls',
  'CreateAcls', 'DeleteAcls', 'DescribeConfigs', 'AlterConfigs', 'AlterReplicaLogDirs', 'DescribeLogDirs', 'SaslAuthenticate',
  'CreatePartitions', 'DeleteGroups', 'ElectLeaders', 'IncrementalAlterConfigs', 'AlterPartitionReassignments',
  'ListPartitionReassignments', 'OffsetDelete', 'DescribeClientQuotas', 'AlterClientQuotas', 'DescribeUserScramCredentials',
  'AlterUserScramCredentials', 'DescribeQuorum', 'UpdateFeatures', 'DescribeCluster', 'DescribeProducers', 'DescribeTransactions',
  'ListTransactions', 'ConsumerGroupHeartbeat', 'ConsumerGroupDescribe', 'GetTelemetrySubscriptions', 'PushTelemetry',
  'ListConfigResources', 'DescribeTopicPartitions',
] as const

/** Kafka's name of an API, without "Request". */
export type ApiName = (typeof apiNames)[number]
