/*
 * Records of a cluster for `import`: the last ones of some topics, read through the cluster door, so that a test begins with what is really there.
 * The cluster is only read. The package of its client is looked for when the reading begins.
 */
import { checkInteger, checkOptions, describe } from '../../base/options.ts'
import type { ClusterLog, ClusterSecurity } from '../../cluster/index.ts'
import { bytes } from '../../topics/codecs.ts'
import { defineTopic } from '../../topics/define-topic.ts'
import { type ImportRecordInput } from './imported-record.ts'

/** What is read of a cluster. */
export interface FromClusterOptions {
  /** Some of its brokers, as `host:port`. */
  readonly brokers: string | readonly string[]
  readonly security?: ClusterSecurity
  /** Names of topics that are there. */
  readonly topics: readonly string[]
  /** Of each partition so many offsets before its end; those of markers and of what was compacted are among them. Default: all that it has. */
  readonly last?: number
  /** Milliseconds that the cluster has for each answer. Default 120 s. */
  readonly timeoutMs?: number
  /** Ends the reading. */
  readonly signal?: AbortSignal
}

/**
 * The committed records of topics, partition by partition, up to where each ended when the reading came to it: for `import`, which keeps their
 * offsets, timestamps and partitions.
 *
 * @example await kafka.import(fromCluster({ brokers: 'staging:9092', topics: ['orders'], last: 1000 }))
 * @throws LogError `LOG_NOT_FOUND` for a topic that is not there, and those of `connect` of `commitlog/cluster`; the reason of `signal`
 */
export async function* fromCluster(options: FromClusterOptions): AsyncGenerator<ImportRecordInput, void> {
  checkOptions(options, ['brokers', 'security', 'topics', 'last', 'timeoutMs', 'signal'], 'what is read of a cluster')
  const { topics, last = Infinity, ...connecting } = options
  if (!Array.isArray(topics) || topics.length === 0) throw new TypeError(`topics is a list of names, not ${describe(topics)}`)
  if (last !== Infinity) checkInteger(last, 'last', 1, Number.MAX_SAFE_INTEGER)
  const { connect } = await import('../../cluster/connect.ts')
  const cluster = await connect({ ...connecting, clientId: 'commitlog-import' })
  try {
    for (const topic of topics as readonly string[]) yield* recordsOf(cluster, topic, last, options.signal)
  } finally {
    await cluster.close()
  }
}

async function* recordsOf(
  cluster: ClusterLog, name: string, last: number, signal: AbortSignal | undefined,
): AsyncGenerator<ImportRecordInput, void> {
  const waiting = signal === undefined ? {} : { signal }
  const topic = await cluster.topic(defineTopic(name, { key: bytes, value: bytes }), { create: false, ...waiting })
  const partitions = topic.partitionCount
  for (const { partition, startOffset, lastStableOffset } of await topic.offsets(waiting)) {
    const from = Math.max(startOffset, lastStableOffset - last)
    if (from >= lastStableOffset) continue
    for await (const { offset, timestamp, key, value, headers } of topic.consumer({ partitions: [partition], from, until: 'end', ...waiting })) {
      yield { topic: name, partition, partitions, offset, timestamp, key, value, headers }
    }
  }
}
