/*
 * Making topics, and looking at them: partitions, copies and settings as the cluster has them.
 */
import { LogError } from '../base/errors.ts'
import { type TopicDefinition } from '../topics/define-topic.ts'
import { kafkaSettingName, settingFromText, settingText } from '../topics/kafka-settings.ts'
import { type TopicSettings } from '../topics/settings.ts'
import { type Call } from './call.ts'
import { type Cluster, type TopicState } from './cluster.ts'
import { checkAnswer, clusterError, nameOf } from './errors.ts'

/** Resources of Kafka's configs. */
const TOPIC_RESOURCE = 2

/** What of our settings is a matter of how we store, and no cluster knows. */
const ownSettings: readonly string[] = ['durability', 'batchSize', 'lingerMs', 'flushIntervalMs']

/** What matters to those who send. */
export interface TopicConfig {
  readonly maxMessageBytes: number
  readonly minInsyncReplicas: number
  /** Every setting by Kafka's name. */
  readonly values: ReadonlyMap<string, string>
}

/**
 * A topic as it is defined: made when there is none, with more partitions when it has fewer.
 *
 * @throws LogError `LOG_TOPIC_MISMATCH`, `LOG_NOT_FOUND`, `LOG_CLUSTER_REFUSED`, `LOG_CLUSTER_UNAVAILABLE`
 */
export async function ensureTopic(
  cluster: Cluster, call: Call, definition: Pick<TopicDefinition<never, never>, 'name' | 'partitions' | 'settings'>, create: boolean,
): Promise<{ readonly state: TopicState; readonly config: TopicConfig }> {
  const { name, partitions, settings } = definition
  let state = await found(cluster, call, name)
  if (state === undefined) {
    if (!create) throw new LogError('LOG_NOT_FOUND', `there is no topic "${name}" in the cluster`, { topic: name })
    await createTopic(cluster, call, definition)
    state = await appeared(cluster, call, name, partitions ?? 1)
  }
  const count = state.leaders.length
  if (partitions !== undefined && partitions < count) {
    throw new LogError('LOG_TOPIC_MISMATCH', `topic "${name}" has ${count} partitions, not ${partitions}`, { topic: name, partitions: count })
  }
  const config = await configOf(cluster, call, name)
  checkSettings(name, settings, config)
  if (partitions !== undefined && partitions > count) {
    await addPartitions(cluster, call, name, partitions)
    state = await appeared(cluster, call, name, partitions)
  }
  return { state, config }
}

async function found(cluster: Cluster, call: Call, name: string): Promise<TopicState | undefined> {
  await cluster.retrying(call, () => cluster.refresh(call, [name]))
  return cluster.topic(name)
}

/** Waits until all partitions are known, and have leaders. */
function appeared(cluster: Cluster, call: Call, name: string, partitions: number): Promise<TopicState> {
  return cluster.retrying(call, async () => {
    await cluster.refresh(call, [name])
    const state = cluster.topic(name)
    if (state !== undefined && state.leaders.length >= partitions && state.leaders.every((id) => id >= 0)) return state
    throw clusterError('LEADER_NOT_AVAILABLE', `topic "${name}"`, { topic: name })
  })
}

async function createTopic(
  cluster: Cluster, call: Call, { name, partitions = 1, settings }: Pick<TopicDefinition<never, never>, 'name' | 'partitions' | 'settings'>,
): Promise<void> {
  const configs = clusterSettings(settings).map(([setting, value]) => ({ name: setting, value }))
  const topic = { name, numPartitions: partitions, replicationFactor: cluster.options.replication ?? -1, assignments: [], configs }
  const { createTopicsV7 } = cluster.client
  await cluster.retrying(call, async () => {
    const controller = await cluster.controller(call)
    const answer = await cluster.main.ask(call, controller, createTopicsV7.api, [topic], cluster.options.requestTimeoutMs, false)
    const { errorCode, errorMessage } = answer.topics[0]!
    // Somebody else made it at the same time, or we did and did not hear of it.
    if (nameOf(errorCode) !== 'TOPIC_ALREADY_EXISTS') checkAnswer(errorCode, `making topic "${name}"`, { topic: name }, errorMessage)
  })
}

async function addPartitions(cluster: Cluster, call: Call, name: string, count: number): Promise<void> {
  const { createPartitionsV3 } = cluster.client
  await cluster.retrying(call, async () => {
    // Null: the cluster chooses the brokers.
    const asked = [{ name, count, assignments: null }] as unknown as Parameters<typeof createPartitionsV3.api.async>[1]
    const controller = await cluster.controller(call)
    const answer = await cluster.main.ask(call, controller, createPartitionsV3.api, asked, cluster.options.requestTimeoutMs, false)
    const { errorCode, errorMessage } = answer.results[0]!
    if (nameOf(errorCode) === 'INVALID_PARTITIONS') {
      await cluster.refresh(call, [name])
      if ((cluster.topic(name)?.leaders.length ?? 0) >= count) return
    }
    checkAnswer(errorCode, `adding partitions to topic "${name}"`, { topic: name }, errorMessage)
  })
}

/** The settings of a topic; those of which the cluster tells nothing are not in them. */
export async function configOf(cluster: Cluster, call: Call, name: string): Promise<TopicConfig> {
  const { describeConfigsV4 } = cluster.client
  const resource = { resourceType: TOPIC_RESOURCE, resourceName: name, configurationKeys: null }
  const values = await cluster.retrying(call, async () => {
    const ask = [resource] as unknown as Parameters<typeof describeConfigsV4.api.async>[1]
    const answer = await cluster.any(call, (part, broker) => cluster.main.ask(part, broker, describeConfigsV4.api, ask, false, false))
    const { errorCode, errorMessage, configs } = answer.results[0]!
    // Who may not look at settings may send nevertheless.
    if (nameOf(errorCode) === 'TOPIC_AUTHORIZATION_FAILED') return new Map<string, string>()
    checkAnswer(errorCode, `the settings of topic "${name}"`, { topic: name }, errorMessage)
    return new Map(configs.flatMap(({ name: setting, value }): [string, string][] => (typeof value === 'string' ? [[setting, value]] : [])))
  })
  return {
    maxMessageBytes: Number(values.get('max.message.bytes') ?? 1_048_588), minInsyncReplicas: Number(values.get('min.insync.replicas') ?? 1), values,
  }
}

/** Whether nothing of a topic goes by itself: no retention, and no compaction; false when the cluster does not tell. */
export function keepsEverything({ values }: TopicConfig): boolean {
  return values.get('cleanup.policy') === 'delete' && values.get('retention.ms') === '-1' && values.get('retention.bytes') === '-1'
}

function checkSettings(topic: string, settings: TopicSettings, { values }: TopicConfig): void {
  for (const [name, wanted] of clusterSettings(settings)) {
    const actual = values.get(name)
    if (actual === undefined || same(name, wanted, actual)) continue
    const message = `topic "${topic}" has ${name} ${actual}, not ${wanted}`
    throw new LogError('LOG_TOPIC_MISMATCH', message, { topic, setting: name, actual, wanted })
  }
}

function same(name: string, wanted: string, actual: string): boolean {
  const [one, other] = [wanted, actual].map((text) => JSON.stringify(settingFromText(name, text, 'the cluster'), infinities))
  return one === other
}

function infinities(_name: string, value: unknown): unknown {
  return value === Infinity ? 'Infinity' : value
}

/** The settings that a cluster knows, as it writes them. */
function clusterSettings(settings: TopicSettings): [name: string, value: string][] {
  return Object.entries(settings).filter(([name]) => !ownSettings.includes(name)).map(([name, value]) => (
    [kafkaSettingName(name as keyof TopicSettings), kafkaText(name, value)]
  ))
}

/** Of settings that have no bound at all, Kafka's largest number; of others −1 is none. */
function kafkaText(name: string, value: TopicSettings[keyof TopicSettings]): string {
  if (value === Infinity && name !== 'retentionMs' && name !== 'retentionBytes') return String(2n ** 63n - 1n)
  return settingText(value!)
}
