/*
 * DeleteTopics (20): deletes topics by name, or by id from version 6 on. Spec: Kafka's protocol, DeleteTopicsRequest and DeleteTopicsResponse.
 */
import { array, type Encodable, int16, int32, message, NO_UUID, string, uuid } from '../../format/schema.ts'
import { type TopicEntry } from '../../topics/catalog.ts'
import { defineApi, type RequestContext } from '../api.ts'
import { type Cluster } from '../cluster.ts'
import { keepConfigs, keptConfigs } from '../configs/kept-configs.ts'
import { distinct, DUPLICATE_TOPIC } from '../named-topics.ts'
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
    const asked = countedTopics(named)
    const responses: Answer[] = []
    for (const topic of distinct(named, topicKey)) {
      if (context.connection.gone) break
      if (!isNamedToo(topic, asked, context)) responses.push(await deleted(topic, asked, context))
    }
    return { responses }
  },
  refuse: (request, errorCode, { version }) => ({ responses: namedTopics(request, version).map((topic) => ({ ...topic, errorCode })) }),
})

function namedTopics({ topics, topicNames }: { topics: readonly Named[]; topicNames: readonly string[] }, version: number): readonly Named[] {
  return version >= 6 ? topics : topicNames.map((name) => ({ name, topicId: NO_UUID }))
}

async function deleted({ name, topicId }: Named, asked: Asked, { cluster, connection, version }: RequestContext): Promise<Answer> {
  const misnamed = wrongName({ name, topicId }, asked)
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
  if (name !== null && asked.has(topicKey({ name: null, topicId: id }))) {
    return { name, topicId: id, ...refusal('INVALID_REQUEST', 'The provided topic name maps to an ID that was already supplied.') }
  }
  return { name: entry.name, topicId: version >= 6 ? id : NO_UUID, ...(await remove(entry, cluster)) }
}

/** Asked for by its id, and by its name as well: that one is answered. */
function isNamedToo({ name, topicId }: Named, asked: Asked, { cluster, connection }: RequestContext): boolean {
  const entry = name === null ? cluster.topicById(topicId) : undefined
  if (entry === undefined || !asked.has(topicKey({ name: entry.name, topicId: NO_UUID }))) return false
  return cluster.discreet.allows(connection, 'DESCRIBE', 'TOPIC', entry.name)
}

/** How often each topic is asked for, by what {@link topicKey} makes of how it is named. */
type Asked = ReadonlyMap<string, number>

function countedTopics(named: readonly Named[]): Asked {
  const counts = new Map<string, number>()
  for (const topic of named) counts.set(topicKey(topic), (counts.get(topicKey(topic)) ?? 0) + 1)
  return counts
}

function topicKey({ name, topicId }: Named): string {
  return name === null ? topicId : `${topicId} ${name}`
}

function wrongName({ name, topicId }: Named, asked: Asked): Refusal | undefined {
  if (name !== null && topicId !== NO_UUID) return refusal('INVALID_REQUEST', 'You may not specify both topic name and topic id.')
  if (name === null && topicId === NO_UUID) return refusal('INVALID_REQUEST', 'Neither topic name nor id were specified.')
  if (asked.get(topicKey({ name, topicId })) === 1) return undefined
  return name === null ? refusal('INVALID_REQUEST', 'Duplicate topic id.') : DUPLICATE_TOPIC
}

async function remove(entry: TopicEntry, cluster: Cluster): Promise<Refusal> {
  try {
    await cluster.core.admin.delete(entry.name)
    await cluster.core.forgetOffsets(entry.name)
    await cluster.placement.forget(entry)
    if (keptConfigs(cluster.kept, 'topic-configs', cluster.topicId(entry)).size > 0) {
      await keepConfigs(cluster.kept, 'topic-configs', cluster.topicId(entry), () => new Map())
    }
    return NO_REFUSAL
  } catch (error) {
    return refusalOf(error)
  }
}
