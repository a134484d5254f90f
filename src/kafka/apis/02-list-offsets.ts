/*
 * ListOffsets (2): where the log of a partition begins and ends, and offsets by time. Spec: Kafka's protocol, ListOffsetsRequest and
 * ListOffsetsResponse.
 */
import { isLogError } from '../../base/errors.ts'
import { type KafkaErrorName, kafkaErrors } from '../../format/kafka-errors.ts'
import { array, type Decoded, type Encodable, int16, int32, int64, int8, message, string } from '../../format/schema.ts'
import { type Isolation, type PartitionLog } from '../../log/partition-log.ts'
import { defineApi, type RequestContext } from '../api.ts'
import { errorCodeOf } from '../error-codes.ts'
import { epochRefusal, ledPartition, tryToOpen } from '../led-partitions.ts'
import { distinct, duplicates } from '../named-topics.ts'

// 1: one offset, with its time. 2: isolation. 4: epochs. 6: flexible. 7: largest timestamp. 8: local start. 9: tiered end. 10: a time-out.
const request = message('ListOffsetsRequest', { versions: [0, 11], flexible: 6 }, {
  replicaId: int32(),
  isolationLevel: int8({ since: 2, default: 0 }),
  topics: array({
    name: string(),
    partitions: array({
      partitionIndex: int32(),
      currentLeaderEpoch: int32({ since: 4, default: -1, ignorable: true }),
      timestamp: int64(),
      maxNumOffsets: int32({ until: 0, default: 1 }),
    }),
  }),
  timeoutMs: int32({ since: 10, default: 0, ignorable: true }),
})

const response = message('ListOffsetsResponse', { versions: [0, 11], flexible: 6 }, {
  throttleTimeMs: int32({ since: 2, default: 0, ignorable: true }),
  topics: array({
    name: string(),
    partitions: array({
      partitionIndex: int32(),
      errorCode: int16(),
      oldStyleOffsets: array(int64(), { until: 0, default: [] }),
      timestamp: int64({ since: 1, default: -1 }),
      offset: int64({ since: 1, default: -1 }),
      leaderEpoch: int32({ since: 4, default: -1 }),
    }),
  }),
})

type ListOffsetsRequest = Decoded<typeof request>
type PartitionAsked = ListOffsetsRequest['topics'][number]['partitions'][number]
type PartitionAnswer = Encodable<typeof response>['topics'][number]['partitions'][number]

/** Times that mean something else, each with the first version that knows it. */
const LATEST = -1
const EARLIEST = -2
const MAX_TIMESTAMP = -3
const EARLIEST_LOCAL = -4
const LATEST_TIERED = -5
const EARLIEST_PENDING_UPLOAD = -6
const knownFrom: ReadonlyMap<number, number> = new Map([
  [LATEST, 0], [EARLIEST, 0], [MAX_TIMESTAMP, 7], [EARLIEST_LOCAL, 8], [LATEST_TIERED, 9], [EARLIEST_PENDING_UPLOAD, 11],
])

const CONSUMER = -1
const DEBUGGER = -2

/** ListOffsets. Kafka 4 does not know version 0 any more; it costs nothing. */
export const listOffsets = defineApi({
  key: 2,
  name: 'ListOffsets',
  request,
  response,
  advertisedFrom: 1,
  async handle(request, context) {
    const { cluster, connection } = context
    const twice = duplicates(request.topics.flatMap(({ name, partitions }) => partitions.map((asked) => placeKey(asked, name))))
    const topics = []
    for (const { name, partitions } of request.topics) {
      const allowed = cluster.authorizer.allows(connection, 'DESCRIBE', 'TOPIC', name)
      if (allowed) await tryToOpen(context, name)
      topics.push({
        name,
        partitions: distinct(partitions, ({ partitionIndex }) => partitionIndex).map((asked) => {
          if (!allowed) return failed(asked, 'TOPIC_AUTHORIZATION_FAILED')
          if (twice.has(placeKey(asked, name))) return failed(asked, 'INVALID_REQUEST')
          return answerFor(asked, name, request, context)
        }),
      })
    }
    return { topics }
  },
  refuse: ({ topics }, errorCode) => ({
    topics: topics.map(({ name, partitions }) => ({ name, partitions: partitions.map(({ partitionIndex }) => ({ partitionIndex, errorCode })) })),
  }),
})

function placeKey({ partitionIndex }: PartitionAsked, topic: string): string {
  return `${partitionIndex} ${topic}`
}

function answerFor(asked: PartitionAsked, topic: string, request: ListOffsetsRequest, context: RequestContext): PartitionAnswer {
  const { partitionIndex, timestamp, currentLeaderEpoch } = asked
  const { version, cluster } = context
  if (timestamp < 0 && version < (knownFrom.get(timestamp) ?? Infinity)) return failed(asked, 'UNSUPPORTED_VERSION')
  const led = ledPartition(context, topic, partitionIndex)
  // Who looks for faults may ask any broker; all of them have the same log.
  const log = led === 'NOT_LEADER_OR_FOLLOWER' && request.replicaId === DEBUGGER ? cluster.openNow(topic)!.logs[partitionIndex]! : led
  if (typeof log === 'string') return failed(asked, log)
  const refusal = epochRefusal(log, currentLeaderEpoch)
  if (refusal !== undefined) return failed(asked, refusal)
  try {
    const { offset, timestamp: time, leaderEpoch } = offsetFor(timestamp, log, request)
    if (version === 0) return { partitionIndex, errorCode: kafkaErrors.NONE, oldStyleOffsets: offset < 0 ? [] : [offset] }
    return { partitionIndex, errorCode: kafkaErrors.NONE, timestamp: time, offset, leaderEpoch: version >= 4 ? leaderEpoch : -1 }
  } catch (error) {
    if (!isLogError(error)) throw error
    return { partitionIndex, errorCode: errorCodeOf(error) }
  }
}

interface Found {
  readonly offset: number
  readonly timestamp: number
  readonly leaderEpoch: number
}

const NOTHING: Found = { offset: -1, timestamp: -1, leaderEpoch: -1 }

function offsetFor(timestamp: number, log: PartitionLog, { replicaId, isolationLevel }: ListOffsetsRequest): Found {
  const isolation: Isolation = replicaId === CONSUMER && isolationLevel === 1 ? 'read_committed' : 'read_uncommitted'
  switch (timestamp) {
    case LATEST:
      return { offset: endOf(log, replicaId, isolation), timestamp: -1, leaderEpoch: log.leaderEpoch }
    case EARLIEST:
    case EARLIEST_LOCAL:
      return { offset: log.startOffset, timestamp: -1, leaderEpoch: log.epochs.epochAt(log.startOffset) ?? -1 }
    case MAX_TIMESTAMP:
      return log.maxTimestamp(isolation) ?? NOTHING
    case LATEST_TIERED:
    case EARLIEST_PENDING_UPLOAD:
      return NOTHING
    default:
      return log.offsetForTimestamp(timestamp, isolation) ?? NOTHING
  }
}

function endOf(log: PartitionLog, replicaId: number, isolation: Isolation): number {
  if (replicaId !== CONSUMER) return log.nextOffset
  return isolation === 'read_committed' ? log.lastStableOffset : log.highWatermark
}

function failed({ partitionIndex }: PartitionAsked, error: KafkaErrorName): PartitionAnswer {
  return { partitionIndex, errorCode: kafkaErrors[error] }
}
