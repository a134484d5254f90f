/*
 * Produce (0): record batches for partitions, one each. How they are checked and stored is in production.ts.
 */
import { produceRequest, produceResponse } from '../../format/messages/produce.ts'
import { type Decoded, type Encodable } from '../../format/schema.ts'
import { defineApi } from '../api.ts'
import { Production } from '../production.ts'

/** What is asked. */
export type ProduceRequest = Decoded<typeof produceRequest>
/** What is answered. */
export type ProduceResponse = Encodable<typeof produceResponse>
/** What is answered for one partition. */
export type PartitionProduced = ProduceResponse['responses'][number]['partitionResponses'][number]

/** Produce. */
export const produce = defineApi({
  key: 0,
  name: 'Produce',
  request: produceRequest,
  response: produceResponse,
  // Old librdkafka compresses nothing for a broker without versions 0 to 2: they are told of, and not served.
  advertisedFrom: 0,
  pipelined: true,
  borrows: true,
  handle(request, context) {
    return new Production(request, context).answer()
  },
  refuse: ({ topicData }, errorCode) => ({
    responses: topicData.map(({ name, topicId, partitionData }) => ({
      name, topicId, partitionResponses: partitionData.map(({ index }) => ({ index, errorCode, baseOffset: -1 })),
    })),
  }),
})

