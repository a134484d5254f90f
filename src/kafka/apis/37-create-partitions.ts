/*
 * CreatePartitions (37): adds partitions to topics. Spec: Kafka's protocol, CreatePartitionsRequest and CreatePartitionsResponse.
 */
import { array, boolean, type Decoded, int16, int32, message, string } from '../../format/schema.ts'
import { MAX_PARTITIONS } from '../../topics/define-topic.ts'
import { defineApi, type RequestContext } from '../api.ts'
import { DUPLICATE_TOPIC, duplicates } from '../named-topics.ts'
import { assignmentRefusal } from '../placement.ts'
import { type Refusal, NO_REFUSAL, refusal, refusalOf } from '../refusal.ts'

const request = message('CreatePartitionsRequest', { versions: [0, 3], flexible: 2 }, {
  topics: array({
    name: string(),
    count: int32(),
    assignments: array({ brokerIds: array(int32()) }, { nullable: 0 }),
  }),
  timeoutMs: int32(),
  validateOnly: boolean(),
})

type Growth = Decoded<typeof request>['topics'][number]

/** CreatePartitions. */
export const createPartitions = defineApi({
  key: 37,
  name: 'CreatePartitions',
  // 2: flexible. 3: quotas (KIP-599).
  request,
  response: message('CreatePartitionsResponse', { versions: [0, 3], flexible: 2 }, {
    throttleTimeMs: int32({ default: 0 }),
    results: array({
      name: string(),
      errorCode: int16(),
      errorMessage: string({ nullable: 0, default: null }),
    }),
  }),
  async handle({ topics, validateOnly }, context) {
    const twice = duplicates(topics.map(({ name }) => name))
    const results = []
    for (const topic of topics) {
      if (context.connection.gone) break
      if (twice.has(topic.name)) continue
      results.push({ name: topic.name, ...(await grown(topic, validateOnly, context)) })
    }
    return { results: [...results, ...Array.from(twice, (name) => ({ name, ...DUPLICATE_TOPIC }))] }
  },
  refuse: ({ topics }, errorCode) => ({ results: topics.map(({ name }) => ({ name, errorCode })) }),
})

async function grown(topic: Growth, validateOnly: boolean, { cluster, connection }: RequestContext): Promise<Refusal> {
  const { name, count, assignments } = topic
  if (!cluster.authorizer.allows(connection, 'ALTER', 'TOPIC', name)) return refusal('TOPIC_AUTHORIZATION_FAILED')
  const entry = cluster.topic(name)
  if (entry === undefined) return refusal('UNKNOWN_TOPIC_OR_PARTITION')
  const { partitions } = entry
  if (count === partitions) return refusal('INVALID_PARTITIONS', `Topic already has ${partitions} partition(s).`)
  if (count < partitions) {
    return refusal('INVALID_PARTITIONS', `The topic ${name} currently has ${partitions} partition(s); ${count} would not be an increase.`)
  }
  if (count > MAX_PARTITIONS) return refusal('INVALID_PARTITIONS', `A topic has at most ${MAX_PARTITIONS} partitions.`)
  const more = count - partitions
  if (assignments !== null && assignments.length !== more) {
    const given = `but only ${assignments.length} assignment(s) were specified.`
    return refusal('INVALID_REPLICA_ASSIGNMENT', `Attempted to add ${more} additional partition(s), ${given}`)
  }
  const factor = cluster.replicas(entry, 0).length
  for (const { brokerIds } of assignments ?? []) {
    const wrong = assignmentRefusal(brokerIds, cluster.brokers, factor)
    if (wrong !== undefined) return wrong
  }
  if (validateOnly) return NO_REFUSAL
  try {
    if (assignments !== null) await cluster.placement.assign(entry, assignments.map(({ brokerIds }, index) => [partitions + index, brokerIds]))
    await cluster.core.admin.addPartitions(name, more)
    return NO_REFUSAL
  } catch (error) {
    return refusalOf(error)
  }
}
