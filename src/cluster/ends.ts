/*
 * Where partitions begin and end, and what lies where in time: ListOffsets, asked of the leaders.
 */
import { type Isolation } from '../log/partition-log.ts'
import { type Call } from './call.ts'
import { type Broker, type Cluster } from './cluster.ts'
import { checkAnswer } from './errors.ts'
import { type Ends } from './remote-partition.ts'

const EARLIEST = -2n
const LATEST = -1n
const isolationLevel = { read_uncommitted: 0, read_committed: 1 } as const

/** A partition. */
export interface PlaceName {
  readonly topic: string
  readonly partition: number
}

/** The ends of partitions, in their order. */
export async function endsOf(cluster: Cluster, call: Call, places: readonly PlaceName[]): Promise<Ends[]> {
  const [starts, watermarks, stable] = await Promise.all([
    listOffsets(cluster, call, places, EARLIEST, 'read_uncommitted'), listOffsets(cluster, call, places, LATEST, 'read_uncommitted'),
    listOffsets(cluster, call, places, LATEST, 'read_committed'),
  ])
  return places.map((_place, index) => (
    { startOffset: starts[index]!, highWatermark: watermarks[index]!, lastStableOffset: stable[index]! }
  ))
}

/** The first record of partitions at or after a time, in their order; undefined where there is none. */
export async function offsetsAt(
  cluster: Cluster, call: Call, places: readonly PlaceName[], timestamp: number, isolation: Isolation,
): Promise<(number | undefined)[]> {
  const found = await listOffsets(cluster, call, places, BigInt(timestamp), isolation)
  return found.map((offset) => (offset < 0 ? undefined : offset))
}

function listOffsets(
  cluster: Cluster, call: Call, places: readonly PlaceName[], timestamp: bigint, isolation: Isolation,
): Promise<number[]> {
  const { listOffsetsV7 } = cluster.client
  return cluster.retrying(call, async () => {
    const offsets = new Map<string, number>()
    const brokers = await byLeader(cluster, call, places)
    await Promise.all([...brokers].map(async ([broker, of]) => {
      try {
        const topics = byTopic(of).map(([name, partitions]) => (
          { name, partitions: partitions.map((partitionIndex) => ({ partitionIndex, currentLeaderEpoch: -1, timestamp })) }
        ))
        const answer = await cluster.main.ask(call, broker, listOffsetsV7.api, -1, isolationLevel[isolation], topics)
        for (const { name, partitions } of answer.topics) {
          for (const { partitionIndex, errorCode, offset } of partitions) {
            checkAnswer(errorCode, `the ends of ${name}-${partitionIndex}`, { topic: name, partition: partitionIndex })
            offsets.set(`${partitionIndex} ${name}`, Number(offset))
          }
        }
      } catch (error) {
        await cluster.refresh(call, [...new Set(of.map(({ topic }) => topic))]).catch(() => {})
        throw error
      }
    }))
    return places.map(({ topic, partition }) => offsets.get(`${partition} ${topic}`)!)
  })
}

/** Partitions by who leads them. */
export async function byLeader<T extends PlaceName>(cluster: Cluster, call: Call, places: readonly T[]): Promise<Map<Broker, T[]>> {
  const groups = new Map<number, { readonly broker: Broker; readonly places: T[] }>()
  for (const place of places) {
    const broker = await cluster.leaderOf(call, place.topic, place.partition)
    const group = groups.get(broker.id)
    if (group === undefined) groups.set(broker.id, { broker, places: [place] })
    else group.places.push(place)
  }
  return new Map([...groups.values()].map(({ broker, places: of }) => [broker, of]))
}

/** Of several for one partition the last. */
export function lastOfEach<T extends PlaceName>(places: readonly T[]): T[] {
  return [...new Map(places.map((place) => [`${place.partition} ${place.topic}`, place])).values()]
}

/** Partitions by topic, in the order in which topics come. */
export function byTopic(places: readonly PlaceName[]): [topic: string, partitions: number[]][] {
  const topics = new Map<string, number[]>()
  for (const { topic, partition } of places) {
    const partitions = topics.get(topic)
    if (partitions === undefined) topics.set(topic, [partition])
    else partitions.push(partition)
  }
  return [...topics]
}
