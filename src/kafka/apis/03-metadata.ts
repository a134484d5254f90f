/*
 * Metadata (3): the brokers, and who leads the partitions of which topics. A topic that somebody names may be made by it, and is there in the
 * same answer. Spec: Kafka's protocol, MetadataRequest and MetadataResponse.
 */
import { isLogError } from '../../base/errors.ts'
import { kafkaErrors } from '../../format/kafka-errors.ts'
import { isTopicName } from '../../format/names.ts'
import { OPERATIONS_NOT_ASKED } from '../../format/messages/authorized-operations.ts'
import { array, boolean, type Encodable, int16, int32, message, NO_UUID, string, uuid } from '../../format/schema.ts'
import { type TopicEntry } from '../../topics/catalog.ts'
import { MAX_PARTITIONS } from '../../topics/define-topic.ts'
import { isInternalTopic } from '../../topics/internal-topics.ts'
import { defineApi, type RequestContext } from '../api.ts'
import { authorizedOperations } from '../authorized-operations.ts'
import { errorCodeOf } from '../error-codes.ts'
import { distinct } from '../named-topics.ts'
import { CLUSTER_RESOURCE } from '../security/authorizer.ts'

const response = message('MetadataResponse', { versions: [0, 13], flexible: 9 }, {
  throttleTimeMs: int32({ since: 3, default: 0, ignorable: true }),
  brokers: array({
    nodeId: int32(),
    host: string(),
    port: int32(),
    rack: string({ since: 1, nullable: 1, default: null, ignorable: true }),
  }),
  clusterId: string({ since: 2, nullable: 2, default: null, ignorable: true }),
  controllerId: int32({ since: 1, default: -1, ignorable: true }),
  topics: array({
    errorCode: int16(),
    name: string({ nullable: 12 }),
    topicId: uuid({ since: 10, default: NO_UUID, ignorable: true }),
    isInternal: boolean({ since: 1, default: false, ignorable: true }),
    partitions: array({
      errorCode: int16(),
      partitionIndex: int32(),
      leaderId: int32(),
      leaderEpoch: int32({ since: 7, default: -1, ignorable: true }),
      replicaNodes: array(int32()),
      isrNodes: array(int32()),
      offlineReplicas: array(int32(), { since: 5, default: [], ignorable: true }),
    }),
    topicAuthorizedOperations: int32({ since: 8, default: OPERATIONS_NOT_ASKED, ignorable: true }),
  }),
  clusterAuthorizedOperations: int32({ since: 8, until: 10, default: OPERATIONS_NOT_ASKED, ignorable: true }),
  errorCode: int16({ since: 13, default: 0, ignorable: true }),
})

type TopicAnswer = Encodable<typeof response>['topics'][number]

/** Metadata. */
export const metadata = defineApi({
  key: 3,
  name: 'Metadata',
  // 1: null for all topics. 4: auto-creation is asked for. 8: authorised operations. 9: flexible. 10: topic ids. 11: no operations of the cluster.
  request: message('MetadataRequest', { versions: [0, 13], flexible: 9 }, {
    topics: array({
      topicId: uuid({ since: 10, default: NO_UUID, ignorable: true }),
      name: string({ nullable: 10 }),
    }, { nullable: 1 }),
    allowAutoTopicCreation: boolean({ since: 4, default: true }),
    includeClusterAuthorizedOperations: boolean({ since: 8, until: 10, default: false }),
    includeTopicAuthorizedOperations: boolean({ since: 8, default: false }),
  }),
  response,
  async handle(request, context) {
    const { cluster, version, connection } = context
    const { topics: asked } = request
    const all = asked === null || (version === 0 && asked.length === 0)
    // What is named twice is answered once, as by Kafka: a topic may have very many partitions.
    const named = distinct(asked ?? [], ({ name, topicId }) => `${topicId} ${name}`)
    const mayCreate = request.allowAutoTopicCreation && !makesTooMany(named, context)
    const topics = all ? allTopics(context) : await Promise.all(named.map((topic) => {
      const { name, topicId } = topic
      return name === null || topicId !== NO_UUID ? topicById(topic, context) : topicByName(name, mayCreate, context)
    }))
    const operations = (type: 'TOPIC' | 'CLUSTER', name: string): number => authorizedOperations(cluster.discreet, connection, type, name)
    const withOperations = !request.includeTopicAuthorizedOperations ? topics : topics.map((topic) => {
      if (topic.errorCode !== kafkaErrors.NONE || topic.name === null) return topic
      return { ...topic, topicAuthorizedOperations: operations('TOPIC', topic.name) }
    })
    return {
      ...brokersOf(context),
      topics: withOperations,
      clusterAuthorizedOperations:
        request.includeClusterAuthorizedOperations ? operations('CLUSTER', CLUSTER_RESOURCE) : OPERATIONS_NOT_ASKED,
    }
  },
  refuse: (request, errorCode, context) => ({
    // Who has not said who he is learns of no broker.
    ...(context.connection.authenticated ? brokersOf(context) : { brokers: [], clusterId: null, controllerId: -1 }),
    topics: (request.topics ?? []).map(({ name, topicId }) => failed(name ?? (context.version < 12 ? '' : null), topicId, errorCode)),
    errorCode,
  }),
})

/** As of CreateTopics: a request may not make so many partitions, and then makes none. */
function makesTooMany(named: readonly { readonly name: string | null }[], { cluster }: RequestContext): boolean {
  const { autoCreateTopics, numPartitions } = cluster.options
  if (!autoCreateTopics || named.length * numPartitions <= MAX_PARTITIONS) return false
  return named.filter(({ name }) => name !== null && cluster.topic(name) === undefined).length * numPartitions > MAX_PARTITIONS
}

function brokersOf({ cluster, connection }: RequestContext): Pick<Encodable<typeof response>, 'brokers' | 'clusterId' | 'controllerId'> {
  return {
    brokers: cluster.brokers.map(({ nodeId, rack, addresses }) => ({ nodeId, rack, ...addresses.get(connection.listener)! })),
    clusterId: cluster.clusterId,
    controllerId: cluster.controller.nodeId,
  }
}

function allTopics(context: RequestContext): TopicAnswer[] {
  const { cluster, connection } = context
  const visible = cluster.topics.filter(({ name }) => cluster.discreet.allows(connection, 'DESCRIBE', 'TOPIC', name))
  return visible.map((entry) => described(entry, context))
}

/** The id counts: Kafka's own clients send an empty name with it. */
async function topicById({ topicId }: { readonly topicId: string }, context: RequestContext): Promise<TopicAnswer> {
  const { cluster, connection } = context
  const entry = cluster.topicById(topicId)
  if (entry === undefined) return failed(null, topicId, kafkaErrors.UNKNOWN_TOPIC_ID)
  const allowed = cluster.authorizer.allows(connection, 'DESCRIBE', 'TOPIC', entry.name)
  if (!allowed) return failed(null, topicId, kafkaErrors.TOPIC_AUTHORIZATION_FAILED)
  await cluster.open(entry.name)
  return described(entry, context)
}

async function topicByName(name: string, mayCreate: boolean, context: RequestContext): Promise<TopicAnswer> {
  const { cluster, connection } = context
  const fail = (errorCode: number): TopicAnswer => failed(name, NO_UUID, errorCode)
  if (!cluster.authorizer.allows(connection, 'DESCRIBE', 'TOPIC', name)) return fail(kafkaErrors.TOPIC_AUTHORIZATION_FAILED)
  if (!isTopicName(name)) return fail(kafkaErrors.INVALID_TOPIC_EXCEPTION)
  try {
    const entry = cluster.topic(name) ?? (mayCreate ? await created(name, context) : undefined)
    if (entry === undefined) return fail(kafkaErrors.UNKNOWN_TOPIC_OR_PARTITION)
    if (typeof entry === 'number') return fail(entry)
    await cluster.open(name)
    return described(entry, context)
  } catch (error) {
    if (!isLogError(error)) throw error
    return fail(errorCodeOf(error))
  }
}

/** The topic, made because somebody named it; a number is the error that keeps it from being made. */
async function created(name: string, { cluster, connection }: RequestContext): Promise<TopicEntry | number | undefined> {
  if (!cluster.options.autoCreateTopics) return undefined
  const { authorizer, discreet } = cluster
  const allowed = discreet.allows(connection, 'CREATE', 'CLUSTER', CLUSTER_RESOURCE) || authorizer.allows(connection, 'CREATE', 'TOPIC', name)
  return allowed ? cluster.autoCreate(name) : kafkaErrors.TOPIC_AUTHORIZATION_FAILED
}

function described(entry: TopicEntry, { cluster }: RequestContext): TopicAnswer {
  const open = cluster.openNow(entry.name)
  return {
    errorCode: kafkaErrors.NONE,
    name: entry.name,
    topicId: cluster.topicId(entry),
    isInternal: isInternalTopic(entry.name),
    partitions: Array.from({ length: entry.partitions }, (_, partitionIndex) => {
      const nodes = cluster.replicas(entry, partitionIndex).map(({ nodeId }) => nodeId)
      // A topic that nobody has opened yet has not told its epoch.
      const leaderEpoch = open?.logs[partitionIndex]?.leaderEpoch ?? -1
      return { errorCode: kafkaErrors.NONE, partitionIndex, leaderId: nodes[0]!, leaderEpoch, replicaNodes: nodes, isrNodes: nodes }
    }),
  }
}

function failed(name: string | null, topicId: string, errorCode: number): TopicAnswer {
  return { errorCode, name, topicId, partitions: [] }
}
