/*
 * AlterReplicaLogDirs (34): moves partitions to other folders of a broker. There is one folder: what is to go there is there already. Spec:
 * Kafka's protocol, AlterReplicaLogDirsRequest and AlterReplicaLogDirsResponse; KIP-113.
 */
import { array, int16, int32, message, string } from '../../format/schema.ts'
import { type KafkaErrorName, kafkaErrors } from '../../format/kafka-errors.ts'
import { defineApi, type RequestContext } from '../api.ts'
import { hasPartition } from '../by-topic.ts'
import { CLUSTER_RESOURCE } from '../security/authorizer.ts'

type Dirs = readonly { readonly path: string; readonly topics: readonly { readonly name: string; readonly partitions: readonly number[] }[] }[]

/** AlterReplicaLogDirs. */
export const alterReplicaLogDirs = defineApi({
  key: 34,
  name: 'AlterReplicaLogDirs',
  // 2: flexible.
  request: message('AlterReplicaLogDirsRequest', { versions: [1, 2], flexible: 2 }, {
    dirs: array({ path: string(), topics: array({ name: string(), partitions: array(int32()) }) }),
  }),
  response: message('AlterReplicaLogDirsResponse', { versions: [1, 2], flexible: 2 }, {
    throttleTimeMs: int32({ default: 0 }),
    results: array({ topicName: string(), partitions: array({ partitionIndex: int32(), errorCode: int16() }) }),
  }),
  handle({ dirs }, context) {
    const allowed = context.cluster.authorizer.allows(context.connection, 'ALTER', 'CLUSTER', CLUSTER_RESOURCE)
    if (!allowed) return answered(dirs, () => kafkaErrors.CLUSTER_AUTHORIZATION_FAILED)
    return answered(dirs, (path, topic, partition) => kafkaErrors[outcome(path, topic, partition, context)])
  },
  refuse: ({ dirs }, errorCode) => answered(dirs, () => errorCode),
})

/** Each partition once, though a request may name it for several folders. */
function answered(dirs: Dirs, errorOf: (path: string, topic: string, partition: number) => number): {
  readonly results: { readonly topicName: string; readonly partitions: { readonly partitionIndex: number; readonly errorCode: number }[] }[]
} {
  const paths = new Map<string, Map<number, string>>()
  for (const { path, topics } of dirs) {
    for (const { name, partitions } of topics) {
      if (!paths.has(name)) paths.set(name, new Map())
      for (const partition of partitions) paths.get(name)!.set(partition, path)
    }
  }
  return {
    results: Array.from(paths, ([topicName, partitions]) => ({
      topicName,
      partitions: Array.from(partitions, ([partitionIndex, path]) => ({ partitionIndex, errorCode: errorOf(path, topicName, partitionIndex) })),
    })),
  }
}

function outcome(path: string, topic: string, partition: number, { cluster, broker }: RequestContext): KafkaErrorName {
  if (path !== cluster.core.folder) return 'LOG_DIR_NOT_FOUND'
  if (!hasPartition(cluster, topic, partition)) return 'UNKNOWN_TOPIC_OR_PARTITION'
  return cluster.replicas(cluster.topic(topic)!, partition).includes(broker) ? 'NONE' : 'REPLICA_NOT_AVAILABLE'
}
