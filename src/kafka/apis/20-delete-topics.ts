/*
 * DeleteTopics (20): deletes topics by name, or by id from version 6 on. Spec: Kafka's protocol, DeleteTopicsRequest and DeleteTopicsResponse.
 */
import { array, type Encodable, int16, int32, message, NO_UUID, string, uuid } from '../../format/schema.ts'
import { defineApi, type RequestContext } from '../api.ts'
import { DUPLICATE_TOPIC } from '../named-topics.ts'
import { type Refusal, NO_REFUSAL, refusal, refusalOf } from '../refusal.ts'

const response = message('DeleteTopicsResponse', { versions: [1, 6], flexible: 4 }, {
  throttleTimeMs: int32({ default: 0, ignorable: true }),
  responses: array({
    name: string({ nullable: 6 }),
    topicId: uuid({ since: 6, default: NO_UUID, ignorable: true }),
    errorCode: int16(),
    errorMessage: string({ since: 5, nullable: 5, default: null, ignorable: true }),
  }),
})

type Answer = Encodable<typeof response>['responses'][number]

/** A topic as the request names it. */
interface Named {
  readonly name: string | null
  readonly topicId: string
}

/** DeleteTopics. */
export const deleteTopics = defineApi({
  key: 20,
  name: 'DeleteTopics',
  // 4: flexible. 5: messages (KIP-599). 6: topics by name or by id.
  request: message('DeleteTopicsRequest', { versions: [1, 6], flexible: 4 }, {
    topics: array({
      name: string({ nullable: 6, default: null }),
      topicId: uuid(),
    }, { since: 6, default: [] }),
    topicNames: array(string(), { until: 5, default: [], ignorable: true }),
    timeoutMs: int32(),
  }),
  response,
  async handle(request, context) {
    const named = namedTopics(request, context.version)
    // One after the other: each changes the catalog.
    const responses: Answer[] = []
    for (const topic of named) responses.push(await deleted(topic, named, context))
    return { responses }
  },
  refuse: (request, errorCode, { version }) => ({ responses: namedTopics(request, version).map((topic) => ({ ...topic, errorCode })) }),
})

function namedTopics({ topics, topicNames }: { topics: readonly Named[]; topicNames: readonly string[] }, version: number): readonly Named[] {
  return version >= 6 ? topics : topicNames.map((name) => ({ name, topicId: NO_UUID }))
}

async function deleted({ name, topicId }: Named, all: readonly Named[], { cluster, connection, version }: RequestContext): Promise<Answer> {
  const misnamed = wrongName({ name, topicId }, all)
  if (misnamed !== undefined) return { name, topicId, ...misnamed }
  const entry = name === null ? cluster.topicById(topicId) : cluster.topic(name)
  const allows = (operation: 'DESCRIBE' | 'DELETE', topic: string): boolean => cluster.authorizer.allows(connection, operation, 'TOPIC', topic)
  if (entry === undefined) {
    if (name === null) return { name, topicId, ...refusal('UNKNOWN_TOPIC_ID', 'This server does not host this topic ID.') }
    if (!allows('DESCRIBE', name)) return { name, ...refusal('TOPIC_AUTHORIZATION_FAILED', 'Authorization failed.') }
    return { name, ...refusal('UNKNOWN_TOPIC_OR_PARTITION', 'This server does not host this topic-partition.') }
  }
  const id = cluster.topicId(entry)
  // Who may not see a topic learns no more of it than was known.
  if (!allows('DESCRIBE', entry.name)) return { name, topicId, ...refusal('TOPIC_AUTHORIZATION_FAILED', 'Authorization failed.') }
  if (!allows('DELETE', entry.name)) return { name: entry.name, topicId: id, ...refusal('TOPIC_AUTHORIZATION_FAILED', 'Authorization failed.') }
  return { name: entry.name, topicId: version >= 6 ? id : NO_UUID, ...(await remove(entry.name, { cluster })) }
}

function wrongName({ name, topicId }: Named, all: readonly Named[]): Refusal | undefined {
  if (name !== null && topicId !== NO_UUID) return refusal('INVALID_REQUEST', 'You may not specify both topic name and topic id.')
  if (name === null && topicId === NO_UUID) return refusal('INVALID_REQUEST', 'Neither topic name nor id were specified.')
  if (all.filter((other) => (name === null ? other.topicId === topicId : other.name === name)).length < 2) return undefined
  return name === null ? refusal('INVALID_REQUEST', 'Duplicate topic id.') : DUPLICATE_TOPIC
}

async function remove(name: string, { cluster }: Pick<RequestContext, 'cluster'>): Promise<Refusal> {
  try {
    await cluster.core.admin.delete(name)
    await cluster.core.forgetOffsets(name)
    return NO_REFUSAL
  } catch (error) {
    return refusalOf(error)
  }
}
