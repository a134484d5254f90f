/*
 * OffsetFetch (9): how far groups have read, for some partitions or for all that they committed for. Spec: Kafka's protocol,
 * OffsetFetchRequest and OffsetFetchResponse.
 */
import { kafkaErrors } from '../../format/kafka-errors.ts'
import { array, boolean, type Decoded, type Encodable, int16, int32, int64, message, NO_UUID, string, uuid } from '../../format/schema.ts'
import { type FetchedOffset } from '../../topics/groups/committed-offsets.ts'
import { type GroupCoordinator } from '../../topics/groups/coordinator.ts'
import { defineApi, type RequestContext } from '../api.ts'
import { byTopic } from '../by-topic.ts'
import { groupRefusal } from '../coordination.ts'

// 2: null for all topics. 6: flexible. 7: only stable offsets. 8: several groups. 9: members of the newer protocol. 10: topic ids.
const request = message('OffsetFetchRequest', { versions: [1, 10], flexible: 6 }, {
  groupId: string({ until: 7, default: '' }),
  topics: array({ name: string(), partitionIndexes: array(int32()) }, { until: 7, nullable: 2, default: [] }),
  groups: array({
    groupId: string(),
    memberId: string({ since: 9, nullable: 9, default: null, ignorable: true }),
    memberEpoch: int32({ since: 9, default: -1, ignorable: true }),
    topics: array({
      name: string({ until: 9, default: '', ignorable: true }),
      topicId: uuid({ since: 10, default: NO_UUID, ignorable: true }),
      partitionIndexes: array(int32()),
    }, { nullable: 8 }),
  }, { since: 8, default: [] }),
  requireStable: boolean({ since: 7, default: false }),
})

// 2: error of the whole. 3: throttle time. 5: leader epoch. 6: flexible. 8: several groups. 10: topic ids.
const response = message('OffsetFetchResponse', { versions: [1, 10], flexible: 6 }, {
  throttleTimeMs: int32({ since: 3, default: 0, ignorable: true }),
  topics: array({
    name: string(),
    partitions: array({
      partitionIndex: int32(),
      committedOffset: int64(),
      committedLeaderEpoch: int32({ since: 5, default: -1, ignorable: true }),
      metadata: string({ nullable: 0 }),
      errorCode: int16(),
    }),
  }, { until: 7, default: [] }),
  errorCode: int16({ since: 2, until: 7, default: 0, ignorable: true }),
  groups: array({
    groupId: string(),
    topics: array({
      name: string({ until: 9, default: '', ignorable: true }),
      topicId: uuid({ since: 10, default: NO_UUID, ignorable: true }),
      partitions: array({
        partitionIndex: int32(),
        committedOffset: int64(),
        committedLeaderEpoch: int32({ default: -1, ignorable: true }),
        metadata: string({ nullable: 8 }),
        errorCode: int16(),
      }),
    }),
    errorCode: int16({ default: 0 }),
  }, { since: 8, default: [] }),
})

type Request = Decoded<typeof request>
type Response = Encodable<typeof response>
type AskedTopic = NonNullable<Request['groups'][number]['topics']>[number]

/** A group that is asked for, as all versions say it. */
interface Asked {
  readonly groupId: string
  readonly memberId: string | null
  readonly memberEpoch: number
  /** Null for all that it committed for. */
  readonly topics: readonly AskedTopic[] | null
}

interface OffsetOfPartition {
  readonly partitionIndex: number
  readonly committedOffset: number
  readonly committedLeaderEpoch: number
  readonly metadata: string
  readonly errorCode: number
}

/** The answer for one group; topics are named as its request names them. */
interface Answer {
  readonly groupId: string
  readonly topics: readonly { readonly topic: string; readonly partitions: readonly OffsetOfPartition[] }[]
  readonly errorCode: number
}

/** OffsetFetch. */
export const offsetFetch = defineApi({
  key: 9,
  name: 'OffsetFetch',
  request,
  response,
  async handle(asked, context) {
    const groups = await context.cluster.groups()
    const answers = wholeOnce(asGroups(asked, context)).map((group) => fetched(group, asked.requireStable, groups, context))
    return encodable(answers, context)
  },
  refuse: (asked, errorCode, context) => encodable(asGroups(asked, context).map((group) => failed(group, errorCode, context)), context),
})

function asGroups({ groupId, topics, groups }: Request, { version }: RequestContext): readonly Asked[] {
  if (version >= 8) return groups
  return [{ groupId, memberId: null, memberEpoch: -1, topics: topics?.map((topic) => ({ ...topic, topicId: NO_UUID })) ?? null }]
}

/** A group may have committed for very many partitions: who asks for all of them again and again is told once, unlike by Kafka. */
function wholeOnce(groups: readonly Asked[]): readonly Asked[] {
  const whole = new Set<string>()
  return groups.filter(({ groupId, topics }) => topics !== null || whole.size < whole.add(groupId).size)
}

function fetched(asked: Asked, requireStable: boolean, groups: GroupCoordinator, context: RequestContext): Answer {
  const { groupId, memberId, memberEpoch, topics } = asked
  const refused = groupRefusal(context, 'DESCRIBE', groupId, { named: false }) ?? groups.checkMember(groupId, memberId, memberEpoch)
  if (refused !== 'NONE') return failed(asked, kafkaErrors[refused], context)
  return {
    groupId, errorCode: kafkaErrors.NONE,
    topics: topics === null ? fetchedAll(groupId, requireStable, groups, context) : fetchedOf(groupId, topics, requireStable, groups, context),
  }
}

function fetchedAll(groupId: string, requireStable: boolean, groups: GroupCoordinator, context: RequestContext): Answer['topics'] {
  const { cluster, connection, version } = context
  const seen = groups.offsets.fetch(groupId, undefined, requireStable)
    .filter(({ topic }) => cluster.discreet.allows(connection, 'DESCRIBE', 'TOPIC', topic))
  const all = byTopic(seen.map((offset) => [offset.topic, ofPartition(offset)]))
  if (version < 10) return all
  // What was committed for a topic that is gone has no id.
  return all.flatMap(({ topic, partitions }) => {
    const entry = cluster.topic(topic)
    return entry === undefined ? [] : [{ topic: cluster.topicId(entry), partitions }]
  })
}

function fetchedOf(
  groupId: string, topics: readonly AskedTopic[], requireStable: boolean, groups: GroupCoordinator, context: RequestContext,
): Answer['topics'] {
  const good: Answer['topics'][number][] = []
  const wrong: Answer['topics'][number][] = []
  for (const topic of topics) {
    const name = context.version >= 10 ? context.cluster.topicById(topic.topicId)?.name : topic.name
    const error = name === undefined ? 'UNKNOWN_TOPIC_ID' : mayDescribe(name, context) ? 'NONE' : 'TOPIC_AUTHORIZATION_FAILED'
    if (name === undefined || error !== 'NONE') {
      wrong.push(failedTopic(topic, kafkaErrors[error], context))
    } else {
      const places = topic.partitionIndexes.map((partition) => ({ topic: name, partition }))
      good.push({ topic: named(topic, context), partitions: groups.offsets.fetch(groupId, places, requireStable).map(ofPartition) })
    }
  }
  return [...good, ...wrong]
}

function mayDescribe(topic: string, { cluster, connection }: RequestContext): boolean {
  return cluster.authorizer.allows(connection, 'DESCRIBE', 'TOPIC', topic)
}

function named({ name, topicId }: AskedTopic, { version }: RequestContext): string {
  return version >= 10 ? topicId : name
}

function ofPartition({ partition, offset, leaderEpoch, metadata, error }: FetchedOffset): OffsetOfPartition {
  return {
    partitionIndex: partition, committedOffset: offset, committedLeaderEpoch: leaderEpoch, metadata, errorCode: kafkaErrors[error],
  }
}

/** Version 1 has no place for an error of the whole. */
function failed({ groupId, topics }: Asked, errorCode: number, context: RequestContext): Answer {
  return { groupId, errorCode, topics: context.version >= 2 ? [] : (topics ?? []).map((topic) => failedTopic(topic, errorCode, context)) }
}

function failedTopic(topic: AskedTopic, errorCode: number, context: RequestContext): Answer['topics'][number] {
  const nothing = { committedOffset: -1, committedLeaderEpoch: -1, metadata: '', errorCode }
  return { topic: named(topic, context), partitions: topic.partitionIndexes.map((partitionIndex) => ({ partitionIndex, ...nothing })) }
}

function encodable(answers: readonly Answer[], { version }: RequestContext): Response {
  const named = (topics: Answer['topics']): { name: string; partitions: readonly OffsetOfPartition[] }[] => (
    topics.map(({ topic, partitions }) => ({ name: topic, partitions }))
  )
  if (version < 8) return { topics: named(answers[0]!.topics), errorCode: answers[0]!.errorCode }
  return {
    groups: answers.map(({ groupId, errorCode, topics }) => ({
      groupId, errorCode,
      topics: version < 10 ? named(topics) : topics.map(({ topic, partitions }) => ({ topicId: topic, partitions })),
    })),
  }
}
