/*
 * DescribeLogDirs (35): how many bytes the partitions take in the folder of the log. All brokers keep the same folder, and each shows the
 * partitions that it leads. Spec: Kafka's protocol, DescribeLogDirsRequest and DescribeLogDirsResponse; KIP-113, KIP-827.
 */
import { array, boolean, type Encodable, int16, int32, int64, message, string } from '../../format/schema.ts'
import { kafkaErrors } from '../../format/kafka-errors.ts'
import { type TopicEntry } from '../../topics/catalog.ts'
import { defineApi, type RequestContext } from '../api.ts'
import { CLUSTER_RESOURCE } from '../security/authorizer.ts'

const response = message('DescribeLogDirsResponse', { versions: [1, 5], flexible: 2 }, {
  throttleTimeMs: int32({ default: 0 }),
  errorCode: int16({ since: 3, default: 0, ignorable: true }),
  results: array({
    errorCode: int16(),
    logDir: string(),
    topics: array({
      name: string(),
      partitions: array({ partitionIndex: int32(), partitionSize: int64(), offsetLag: int64(), isFutureKey: boolean() }),
    }),
    totalBytes: int64({ since: 4, default: -1, ignorable: true }),
    usableBytes: int64({ since: 4, default: -1, ignorable: true }),
    isCordoned: boolean({ since: 5, default: false, ignorable: true }),
  }),
})

type TopicAnswer = Encodable<typeof response>['results'][number]['topics'][number]

/** DescribeLogDirs. */
export const describeLogDirs = defineApi({
  key: 35,
  name: 'DescribeLogDirs',
  // 2: flexible. 3: an error for all. 4: bytes of the disk (KIP-827). 5: whether a folder takes new partitions.
  request: message('DescribeLogDirsRequest', { versions: [1, 5], flexible: 2 }, {
    topics: array({ topic: string(), partitions: array(int32()) }, { nullable: 0 }),
  }),
  response,
  async handle({ topics }, context) {
    const { cluster, connection } = context
    if (!cluster.authorizer.allows(connection, 'DESCRIBE', 'CLUSTER', CLUSTER_RESOURCE)) {
      return { errorCode: kafkaErrors.CLUSTER_AUTHORIZATION_FAILED, results: [] }
    }
    const asked = topics === null ? undefined : new Map(topics.map(({ topic, partitions }) => [topic, new Set(partitions)]))
    const entries = cluster.topics.filter(({ name }) => asked === undefined || asked.has(name))
    const shown: TopicAnswer[] = []
    for (const entry of entries) shown.push(await sizes(entry, asked?.get(entry.name), context))
    const there = shown.filter(({ partitions }) => partitions.length > 0)
    return { results: [{ errorCode: kafkaErrors.NONE, logDir: cluster.core.folder, topics: there, usableBytes: freeBytes(context) }] }
  },
  refuse: (_request, errorCode) => ({ errorCode, results: [] }),
})

/** Memory has no end that anybody could tell. */
function freeBytes({ cluster: { core } }: RequestContext): number {
  const free = core.env.files.freeBytesSync(core.folder)
  return Number.isSafeInteger(free) ? free : -1
}

async function sizes(entry: TopicEntry, asked: ReadonlySet<number> | undefined, { cluster, broker }: RequestContext): Promise<TopicAnswer> {
  const topic = await cluster.open(entry.name)
  const partitions = (topic?.logs ?? []).flatMap((log, partitionIndex) => {
    if (log === undefined || asked?.has(partitionIndex) === false) return []
    if (!cluster.replicas(entry, partitionIndex).includes(broker)) return []
    return [{ partitionIndex, partitionSize: log.size, offsetLag: 0, isFutureKey: false }]
  })
  return { name: entry.name, partitions }
}
