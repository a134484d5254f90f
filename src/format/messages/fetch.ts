/*
 * The messages of Fetch (1): record batches of partitions, from an offset on, as they are stored. Spec: Kafka's protocol, FetchRequest and
 * FetchResponse.
 */
import { array, bigint64, int16, int32, int64, int8, message, NO_UUID, records, string, struct, uuid } from '../schema.ts'

const INT64_MAX = 2n ** 63n - 1n

/**
 * What a client asks. 5: start of the log. 7: sessions. 9: epochs. 10: zstd. 11: racks. 12: flexible, diverging epochs. 13: topic ids.
 * 15: replica state. 16: leaders.
 */
export const fetchRequest = message('FetchRequest', { versions: [4, 18], flexible: 12 }, {
  clusterId: string({ since: 12, tag: 0, nullable: 12, default: null, ignorable: true }),
  replicaId: int32({ until: 14, default: -1 }),
  replicaState: struct({
    replicaId: int32({ default: -1 }),
    replicaEpoch: int64({ default: -1 }),
  }, { since: 15, tag: 1, default: {} }),
  maxWaitMs: int32(),
  minBytes: int32(),
  maxBytes: int32({ default: 0x7fff_ffff, ignorable: true }),
  isolationLevel: int8({ default: 0, ignorable: true }),
  sessionId: int32({ since: 7, default: 0, ignorable: true }),
  sessionEpoch: int32({ since: 7, default: -1, ignorable: true }),
  topics: array({
    topic: string({ until: 12, default: '', ignorable: true }),
    topicId: uuid({ since: 13, default: NO_UUID, ignorable: true }),
    partitions: array({
      partition: int32(),
      currentLeaderEpoch: int32({ since: 9, default: -1, ignorable: true }),
      fetchOffset: int64(),
      lastFetchedEpoch: int32({ since: 12, default: -1 }),
      logStartOffset: int64({ since: 5, default: -1, ignorable: true }),
      partitionMaxBytes: int32(),
      replicaDirectoryId: uuid({ since: 17, tag: 0, default: NO_UUID, ignorable: true }),
      highWatermark: bigint64({ since: 18, tag: 1, default: INT64_MAX, ignorable: true }),
    }),
  }),
  forgottenTopicsData: array({
    topic: string({ until: 12, default: '', ignorable: true }),
    topicId: uuid({ since: 13, default: NO_UUID, ignorable: true }),
    partitions: array(int32()),
  }, { since: 7, default: [] }),
  rackId: string({ since: 11, default: '', ignorable: true }),
})

/** What a broker answers. */
export const fetchResponse = message('FetchResponse', { versions: [4, 18], flexible: 12 }, {
  throttleTimeMs: int32({ default: 0, ignorable: true }),
  errorCode: int16({ since: 7, default: 0, ignorable: true }),
  sessionId: int32({ since: 7, default: 0 }),
  responses: array({
    topic: string({ until: 12, default: '', ignorable: true }),
    topicId: uuid({ since: 13, default: NO_UUID, ignorable: true }),
    partitions: array({
      partitionIndex: int32(),
      errorCode: int16(),
      highWatermark: int64(),
      lastStableOffset: int64({ default: -1, ignorable: true }),
      logStartOffset: int64({ since: 5, default: -1, ignorable: true }),
      divergingEpoch: struct({
        epoch: int32({ default: -1 }),
        endOffset: int64({ default: -1 }),
      }, { since: 12, tag: 0, default: {} }),
      currentLeader: struct({
        leaderId: int32({ default: -1 }),
        leaderEpoch: int32({ default: -1 }),
      }, { since: 12, tag: 1, default: {} }),
      snapshotId: struct({
        endOffset: int64({ default: -1 }),
        epoch: int32({ default: -1 }),
      }, { since: 12, tag: 2, default: {} }),
      abortedTransactions: array({
        producerId: bigint64(),
        firstOffset: int64(),
      }, { nullable: 4, default: null, ignorable: true }),
      preferredReadReplica: int32({ since: 11, default: -1 }),
      records: records(),
    }),
  }),
  nodeEndpoints: array({
    nodeId: int32(),
    host: string(),
    port: int32(),
    rack: string({ nullable: 16, default: null }),
  }, { since: 16, tag: 0, default: [] }),
})
