/*
 * DeleteRecords (21): moves the beginning of a partition's log. Spec: Kafka's protocol, DeleteRecordsRequest and DeleteRecordsResponse.
 */
import { isLogError } from '../../base/errors.ts'
import { type KafkaErrorName, kafkaErrors } from '../../format/kafka-errors.ts'
import { array, type Encodable, int16, int32, int64, message, string } from '../../format/schema.ts'
import { isInternalTopic } from '../../topics/internal-topics.ts'
import { defineApi, type RequestContext } from '../api.ts'
import { errorCodeOf } from '../error-codes.ts'
import { ledPartition, tryToOpen } from '../led-partitions.ts'

const response = message('DeleteRecordsResponse', { versions: [0, 2], flexible: 2 }, {
  throttleTimeMs: int32({ default: 0 }),
  topics: array({
    name: string(),
    partitions: array({
      partitionIndex: int32(),
      lowWatermark: int64(),
      errorCode: int16(),
    }),
  }),
})

type PartitionAnswer = Encodable<typeof response>['topics'][number]['partitions'][number]

/** Stands for the watermark. */
const EVERYTHING = -1
const UNKNOWN = -1

/** DeleteRecords. */
export const deleteRecords = defineApi({
  key: 21,
  name: 'DeleteRecords',
  // 2: flexible.
  request: message('DeleteRecordsRequest', { versions: [0, 2], flexible: 2 }, {
    topics: array({
      name: string(),
      partitions: array({
        partitionIndex: int32(),
        offset: int64(),
      }),
    }),
    timeoutMs: int32(),
  }),
  response,
  async handle(request, context) {
    const { cluster, connection } = context
    const topics = await Promise.all(request.topics.map(async ({ name, partitions }) => {
      const allowed = cluster.authorizer.allows(connection, 'DELETE', 'TOPIC', name)
      if (allowed) await tryToOpen(context, name)
      return { name, partitions: await Promise.all(partitions.map(({ partitionIndex, offset }) => {
        return allowed ? deleted(name, partitionIndex, offset, context) : failed(partitionIndex, 'TOPIC_AUTHORIZATION_FAILED')
      })) }
    }))
    return { topics }
  },
  refuse: ({ topics }, errorCode) => ({
    topics: topics.map(({ name, partitions }) => ({
      name, partitions: partitions.map(({ partitionIndex }) => ({ partitionIndex, lowWatermark: UNKNOWN, errorCode })),
    })),
  }),
})

async function deleted(topic: string, partitionIndex: number, offset: number, context: RequestContext): Promise<PartitionAnswer> {
  const log = ledPartition(context, topic, partitionIndex)
  if (log === 'UNKNOWN_TOPIC_OR_PARTITION') return failed(partitionIndex, log)
  if (isInternalTopic(topic)) return failed(partitionIndex, 'INVALID_TOPIC_EXCEPTION')
  if (context.cluster.topic(topic)?.events === true) return failed(partitionIndex, 'POLICY_VIOLATION')
  if (typeof log === 'string') return failed(partitionIndex, log)
  try {
    const lowWatermark = await log.deleteRecords(offset === EVERYTHING ? log.highWatermark : offset)
    return { partitionIndex, lowWatermark, errorCode: kafkaErrors.NONE }
  } catch (error) {
    if (!isLogError(error)) throw error
    return { partitionIndex, lowWatermark: UNKNOWN, errorCode: errorCodeOf(error) }
  }
}

function failed(partitionIndex: number, error: KafkaErrorName): PartitionAnswer {
  return { partitionIndex, lowWatermark: UNKNOWN, errorCode: kafkaErrors[error] }
}
