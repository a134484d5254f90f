/*
 * Makes topics as a test wants them: with the settings of Kafka's topics, and placed on several brokers.
 */
import { uuidText } from '../../format/uuid.ts'
import { type Cluster } from '../../kafka/cluster.ts'
import { wrongTopicConfigs } from '../../kafka/configs/check-configs.ts'
import { keepConfigs } from '../../kafka/configs/kept-configs.ts'
import { settingsOf } from '../../kafka/configs/topic-settings.ts'
import { type TestTopicOptions } from './options.ts'

/** The replicas of a partition whose maker does not say. */
const USUAL_REPLICAS = 3

/** Makes a topic. Throws TypeError for settings that no topic can have, LogError `LOG_TOPIC_EXISTS`. */
export async function makeTopic(cluster: Cluster, name: string, { partitions, replicas, config = {} }: TestTopicOptions): Promise<void> {
  const configs = new Map(Object.entries(config).map(([key, value]) => [key, String(value)]))
  const wrong = wrongTopicConfigs(configs)
  if (wrong !== undefined) throw new TypeError(`topic "${name}": ${wrong.errorMessage}`)
  const entry = await cluster.createTopic(name, { partitions: partitions ?? cluster.options.numPartitions, settings: settingsOf(configs) })
  const factor = Math.min(replicas ?? USUAL_REPLICAS, cluster.allBrokers.length)
  if (factor > 1) await cluster.placement.place(entry.id, factor, [])
  if (configs.size > 0) await keepConfigs(cluster.kept, 'topic-configs', uuidText(entry.id), () => configs, () => true)
}
