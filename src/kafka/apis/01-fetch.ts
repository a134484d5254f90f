/*
 * Fetch (1): record batches of partitions, from an offset on, as they are stored. How they are read and waited for is in fetching.ts, what a
 * client need not say again in fetch-sessions.ts.
 */
import { fetchRequest, fetchResponse } from '../../format/messages/fetch.ts'
import { type Decoded, type Encodable } from '../../format/schema.ts'
import { defineApi } from '../api.ts'
import { Fetching } from '../fetching.ts'

/** What is asked. */
export type FetchRequest = Decoded<typeof fetchRequest>
/** What is answered. */
export type FetchResponse = Encodable<typeof fetchResponse>
/** What is answered for one partition. */
export type PartitionFetched = FetchResponse['responses'][number]['partitions'][number]

/** Fetch. */
export const fetch = defineApi({
  key: 1,
  name: 'Fetch',
  request: fetchRequest,
  response: fetchResponse,
  handle(request, context) {
    return new Fetching(request, context).answer()
  },
  refuse: ({ sessionId, topics }, errorCode, { version }) => ({
    errorCode,
    sessionId: version >= 7 ? sessionId : 0,
    responses: version >= 13 ? [] : topics.map(({ topic, topicId, partitions }) => ({
      topic, topicId,
      partitions: partitions.map(({ partition }) => ({ partitionIndex: partition, errorCode, highWatermark: -1, records: NO_RECORDS })),
    })),
  }),
})

/** What librdkafka wants where there are no records: bytes, and not null. */
const NO_RECORDS = Buffer.alloc(0)
