/*
 * The messages of Produce (0): record batches for partitions, one each, and where they were stored. Spec: Kafka's protocol, ProduceRequest and
 * ProduceResponse.
 */
import { array, int16, int32, int64, message, NO_UUID, records, string, struct, uuid } from '../schema.ts'

/**
 * What a client asks. 7: zstd. 9: flexible. 11: TRANSACTION_ABORTABLE. 12: a partition becomes a part of the transaction by this request.
 * 13: topic ids.
 */
export const produceRequest = message('ProduceRequest', { versions: [3, 13], flexible: 9 }, {
  transactionalId: string({ nullable: 3, default: null }),
  acks: int16(),
  timeoutMs: int32(),
  topicData: array({
    name: string({ until: 12, default: '', ignorable: true }),
    topicId: uuid({ since: 13, default: NO_UUID, ignorable: true }),
    partitionData: array({
      index: int32(),
      records: records(),
    }),
  }),
})

/** What a broker answers. 5: start of the log. 8: errors of records. 10: leaders. */
export const produceResponse = message('ProduceResponse', { versions: [3, 13], flexible: 9 }, {
  responses: array({
    name: string({ until: 12, default: '', ignorable: true }),
    topicId: uuid({ since: 13, default: NO_UUID, ignorable: true }),
    partitionResponses: array({
      index: int32(),
      errorCode: int16(),
      baseOffset: int64(),
      logAppendTimeMs: int64({ default: -1, ignorable: true }),
      logStartOffset: int64({ since: 5, default: -1, ignorable: true }),
      recordErrors: array({
        batchIndex: int32(),
        batchIndexErrorMessage: string({ nullable: 8, default: null }),
      }, { since: 8, default: [], ignorable: true }),
      errorMessage: string({ since: 8, nullable: 8, default: null, ignorable: true }),
      currentLeader: struct({
        leaderId: int32({ default: -1 }),
        leaderEpoch: int32({ default: -1 }),
      }, { since: 10, tag: 0, default: {} }),
    }),
  }),
  throttleTimeMs: int32({ default: 0, ignorable: true }),
  nodeEndpoints: array({
    nodeId: int32(),
    host: string(),
    port: int32(),
    rack: string({ nullable: 10, default: null }),
  }, { since: 10, tag: 0, default: [] }),
})
