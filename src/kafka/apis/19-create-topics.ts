/*
 * CreateTopics (19): makes topics, each by itself: one that cannot be made keeps no other from being made. Every broker does it. Spec: Kafka's
 * protocol, CreateTopicsRequest and CreateTopicsResponse; KIP-464, KIP-525.
 */
import { isLogError } from '../../base/errors.ts'
import { kafkaErrors } from '../../format/kafka-errors.ts'
import { array, boolean, type Decoded, type Encodable, int16, int32, int8, message, NO_UUID, string, uuid } from '../../format/schema.ts'
import { newUuid, uuidText } from '../../format/uuid.ts'
import { MAX_PARTITIONS } from '../../topics/define-topic.ts'
import { internalTopicRequest, isInternalTopic } from '../../topics/internal-topics.ts'
import { type TopicEntry } from '../../topics/catalog.ts'
import { defineApi, type RequestContext } from '../api.ts'
import { sourcesOf, topicDefaults } from '../configs/broker-sources.ts'
import { wrongTopicConfigs } from '../configs/check-configs.ts'
import { type Configs, keepConfigs } from '../configs/kept-configs.ts'
import { settingsOf } from '../configs/topic-settings.ts'
import { shownTopic } from '../configs/topic-state.ts'
import { collisionName, DUPLICATE_TOPIC, duplicates, wrongTopicName } from '../named-topics.ts'
import { assignmentRefusal } from '../placement.ts'
import { type Refusal, refusal, refusalOf } from '../refusal.ts'
import { CLUSTER_RESOURCE } from '../security/authorizer.ts'

const CLUSTER_METADATA = '__cluster_metadata'
/** For one topic as for all of a request. */
const EXCESSIVE = refusal('POLICY_VIOLATION', 'Excessively large number of partitions per request.')

const request = message('CreateTopicsRequest', { versions: [2, 7], flexible: 5 }, {
  topics: array({
    name: string(),
    numPartitions: int32(),
    replicationFactor: int16(),
    assignments: array({ partitionIndex: int32(), brokerIds: array(int32()) }),
    configs: array({ name: string(), value: string({ nullable: 0 }) }),
  }),
  timeoutMs: int32({ default: 60_000 }),
  validateOnly: boolean({ default: false }),
})

const response = message('CreateTopicsResponse', { versions: [2, 7], flexible: 5 }, {
  throttleTimeMs: int32({ default: 0, ignorable: true }),
  topics: array({
    name: string(),
    topicId: uuid({ since: 7, default: NO_UUID, ignorable: true }),
    errorCode: int16(),
    errorMessage: string({ nullable: 0, default: null, ignorable: true }),
    topicConfigErrorCode: int16({ since: 5, tag: 0, default: 0, ignorable: true }),
    numPartitions: int32({ since: 5, default: -1, ignorable: true }),
    replicationFactor: int16({ since: 5, default: -1, ignorable: true }),
    configs: array({
      name: string(),
      value: string({ nullable: 5 }),
      readOnly: boolean(),
      configSource: int8({ default: -1, ignorable: true }),
      isSensitive: boolean(),
    }, { since: 5, nullable: 5, default: [], ignorable: true }),
  }),
})

type Asked = Decoded<typeof request>['topics'][number]
type Answer = Encodable<typeof response>['topics'][number]

/** A topic as it is to be made. */
interface Plan {
  readonly name: string
  readonly partitions: number
  readonly factor: number
  /** Node ids of the partitions; undefined: as they come. */
  readonly assigned: readonly (readonly [partition: number, nodeIds: readonly number[]])[] | undefined
  readonly configs: Configs
}

/** CreateTopics. */
export const createTopics = defineApi({
  key: 19,
  name: 'CreateTopics',
  // 4: partitions and replication factor may be left to the broker (KIP-464). 5: flexible, configs (KIP-525). 6: quotas (KIP-599). 7: topic ids.
  request,
  response,
  async handle({ topics, validateOnly }, context) {
    const twice = duplicates(topics.map(({ name }) => name))
    const collisions = collisionNames(context)
    const plans = topics.filter(({ name }) => !twice.has(name)).map((topic) => {
      const plan = notAllowed(topic.name, context) ?? wrongName(topic.name, collisions, context) ?? planned(topic, context)
      return { name: topic.name, plan }
    })
    const tooMany = plans.reduce((sum, { plan }) => sum + ('errorCode' in plan ? 0 : plan.partitions), 0) > MAX_PARTITIONS
    const answers: Answer[] = []
    // One after the other: each changes the catalog.
    for (const { name, plan } of plans) {
      if (context.connection.gone) break
      if ('errorCode' in plan) answers.push({ name, ...plan })
      else answers.push(tooMany ? { name, ...EXCESSIVE } : await made(plan, validateOnly, context))
    }
    return { topics: [...answers, ...Array.from(twice, (name) => ({ name, ...DUPLICATE_TOPIC }))] }
  },
  refuse: ({ topics }, errorCode) => ({ topics: topics.map(({ name }) => ({ name, errorCode })) }),
})

function notAllowed(name: string, { cluster: { authorizer, discreet }, connection }: RequestContext): Refusal | undefined {
  if (name === CLUSTER_METADATA) return refusal('INVALID_REQUEST', `Creation of internal topic ${CLUSTER_METADATA} is prohibited.`)
  if (discreet.allows(connection, 'CREATE', 'CLUSTER', CLUSTER_RESOURCE) || authorizer.allows(connection, 'CREATE', 'TOPIC', name)) return undefined
  return refusal('TOPIC_AUTHORIZATION_FAILED', 'Authorization failed.')
}

/** The topics that are there when the request comes, by the names in which others would collide with them. */
function collisionNames({ cluster }: RequestContext): ReadonlyMap<string, string> {
  return new Map(cluster.topics.map(({ name }) => [collisionName(name), name]))
}

function wrongName(name: string, collisions: ReadonlyMap<string, string>, { cluster }: RequestContext): Refusal | undefined {
  const wrong = wrongTopicName(name)
  if (wrong !== undefined) return refusal('INVALID_TOPIC_EXCEPTION', wrong)
  if (cluster.topic(name) !== undefined) return exists(name)
  const other = /[._]/.test(name) ? collisions.get(collisionName(name)) : undefined
  return other === undefined ? undefined : refusal('INVALID_TOPIC_EXCEPTION', `Topic '${name}' collides with existing topic: ${other}`)
}

function exists(name: string): Refusal {
  return refusal('TOPIC_ALREADY_EXISTS', `Topic '${name}' already exists.`)
}

function planned(topic: Asked, context: RequestContext): Plan | Refusal {
  const { name, configs } = topic
  const nulls = configs.filter(({ value }) => value === null)
  if (nulls.length > 0) {
    return refusal('INVALID_CONFIG', `Null value not supported for topic configs: ${nulls.map((config) => config.name).join(',')}`)
  }
  const given = new Map(configs.map((config) => [config.name, config.value!]))
  const wrong = wrongTopicConfigs(given)
  if (wrong !== undefined) return wrong
  const placed = topic.assignments.length > 0 ? assignedByHand(topic, context) : assignedByCount(topic, context)
  return 'errorCode' in placed ? placed : { name, configs: given, ...placed }
}

type Placed = Pick<Plan, 'partitions' | 'factor' | 'assigned'>

function assignedByHand({ numPartitions, replicationFactor, assignments }: Asked, { cluster }: RequestContext): Placed | Refusal {
  const byHand = 'A manual partition assignment was specified, but'
  if (replicationFactor !== -1) return refusal('INVALID_REQUEST', `${byHand} replication factor was not set to -1.`)
  if (numPartitions !== -1) return refusal('INVALID_REQUEST', `${byHand} numPartitions was not set to -1.`)
  const assigned = new Map<number, readonly number[]>()
  for (const { partitionIndex, brokerIds } of assignments) {
    const again = `Found multiple manual partition assignments for partition ${partitionIndex}`
    if (assigned.has(partitionIndex)) return refusal('INVALID_REPLICA_ASSIGNMENT', again)
    const wrong = assignmentRefusal(brokerIds, cluster.brokers, assigned.size === 0 ? undefined : assignments[0]!.brokerIds.length)
    if (wrong !== undefined) return wrong
    assigned.set(partitionIndex, brokerIds)
  }
  for (let partition = 0; partition < assigned.size; partition++) {
    if (!assigned.has(partition)) return refusal('INVALID_REPLICA_ASSIGNMENT', 'partitions should be a consecutive 0-based integer sequence')
  }
  return { partitions: assigned.size, factor: assignments[0]!.brokerIds.length, assigned: [...assigned] }
}

function assignedByCount({ numPartitions, replicationFactor }: Asked, { cluster }: RequestContext): Placed | Refusal {
  const { brokers, options } = cluster
  if (replicationFactor < -1 || replicationFactor === 0) {
    return refusal('INVALID_REPLICATION_FACTOR', 'Replication factor must be larger than 0, or -1 to use the default value.')
  }
  if (numPartitions < -1 || numPartitions === 0) {
    return refusal('INVALID_PARTITIONS', 'Number of partitions was set to an invalid non-positive value.')
  }
  if (numPartitions > MAX_PARTITIONS) return EXCESSIVE
  if (replicationFactor > brokers.length) {
    const why = `The target replication factor of ${replicationFactor} cannot be reached because only ${brokers.length} broker(s) are registered.`
    return refusal('INVALID_REPLICATION_FACTOR', `Unable to replicate the partition ${replicationFactor} time(s): ${why}`)
  }
  return {
    partitions: numPartitions === -1 ? options.numPartitions : numPartitions, factor: Math.max(1, replicationFactor), assigned: undefined,
  }
}

async function made(plan: Plan, validateOnly: boolean, context: RequestContext): Promise<Answer> {
  const { cluster } = context
  try {
    const id = validateOnly ? newUuid(cluster.random) : (await create(plan, context)).id
    return { name: plan.name, topicId: uuidText(id), errorCode: kafkaErrors.NONE, ...details(plan, context) }
  } catch (error) {
    if (isLogError(error, 'LOG_TOPIC_EXISTS')) return { name: plan.name, ...exists(plan.name) }
    return { name: plan.name, ...refusalOf(error) }
  }
}

async function create({ name, partitions, factor, assigned, configs }: Plan, { cluster }: RequestContext): Promise<TopicEntry> {
  const internal = isInternalTopic(name)
  const entry = internal ? (await cluster.core.openTopic({ ...internalTopicRequest(name, true), partitions, fresh: true })).entry :
    await cluster.createTopic(name, { partitions, settings: settingsOf(configs) })
  if (cluster.brokers.length > 1 && (factor > 1 || assigned !== undefined)) await cluster.placement.place(entry.id, factor, assigned ?? [])
  if (configs.size > 0 && !internal) {
    await keepConfigs(cluster.kept, 'topic-configs', uuidText(entry.id), () => configs, (id) => cluster.topicById(id) !== undefined)
  }
  return entry
}

/** What is told of a topic that was made, to those who may know its configs. */
function details({ name, partitions, factor, configs }: Plan, { cluster, connection, broker, version }: RequestContext): Partial<Answer> {
  if (version < 5) return {}
  if (!cluster.discreet.allows(connection, 'DESCRIBE_CONFIGS', 'TOPIC', name)) {
    return { topicConfigErrorCode: kafkaErrors.TOPIC_AUTHORIZATION_FAILED, configs: null }
  }
  const settings = { ...topicDefaults(cluster), ...settingsOf(configs) }
  const shown = shownTopic(cluster, sourcesOf(cluster, broker), { settings, overrides: configs })
  // Here, and only here, Kafka shows values as they came.
  const asGiven = shown.map((config) => ({ ...config, value: configs.get(config.name) ?? config.value }))
  return { numPartitions: partitions, replicationFactor: factor, configs: asGiven }
}
