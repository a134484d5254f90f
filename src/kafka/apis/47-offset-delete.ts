/*
 * OffsetDelete (47): what a group committed for partitions is forgotten, where none of its members subscribes to their topic. Spec: Kafka's
 * protocol, OffsetDeleteRequest and OffsetDeleteResponse.
 */
import { type KafkaErrorName, kafkaErrors } from '../../format/kafka-errors.ts'
import { array, int16, int32, message, string } from '../../format/schema.ts'
import { type TopicPartition } from '../../topics/groups/committed-offsets.ts'
import { defineApi } from '../api.ts'
import { byTopic, hasPartition } from '../by-topic.ts'
import { groupRefusal } from '../coordination.ts'

/** OffsetDelete. */
export const offsetDelete = defineApi({
  key: 47,
  name: 'OffsetDelete',
  request: message('OffsetDeleteRequest', { versions: [0, 0] }, {
    groupId: string(),
    topics: array({ name: string(), partitions: array({ partitionIndex: int32() }) }),
  }),
  response: message('OffsetDeleteResponse', { versions: [0, 0] }, {
    errorCode: int16(),
    throttleTimeMs: int32({ default: 0, ignorable: true }),
    topics: array({ name: string(), partitions: array({ partitionIndex: int32(), errorCode: int16() }) }),
  }),
  async handle({ groupId, topics }, context) {
    const { cluster, connection } = context
    const refused = groupRefusal(context, 'DELETE', groupId)
    if (refused !== undefined) return { errorCode: kafkaErrors[refused], topics: [] }
    const good: TopicPartition[] = []
    const wrong: (TopicPartition & { readonly error: KafkaErrorName })[] = []
    for (const { name: topic, partitions } of topics) {
      const mayRead = cluster.authorizer.allows(connection, 'READ', 'TOPIC', topic)
      for (const { partitionIndex: partition } of partitions) {
        if (!mayRead) wrong.push({ topic, partition, error: 'TOPIC_AUTHORIZATION_FAILED' })
        else if (!hasPartition(cluster, topic, partition)) wrong.push({ topic, partition, error: 'UNKNOWN_TOPIC_OR_PARTITION' })
        else good.push({ topic, partition })
      }
    }
    const groups = await cluster.groups()
    const deleted = await groups.deleteOffsets(groupId, good)
    if (deleted.error !== 'NONE') return { errorCode: kafkaErrors[deleted.error], topics: [] }
    const results = [...wrong, ...deleted.partitions].map(({ topic, partition, error }) => (
      [topic, { partitionIndex: partition, errorCode: kafkaErrors[error] }] as const
    ))
    return { errorCode: kafkaErrors.NONE, topics: byTopic(results).map(({ topic, partitions }) => ({ name: topic, partitions })) }
  },
  refuse: (_request, errorCode) => ({ errorCode, topics: [] }),
})
