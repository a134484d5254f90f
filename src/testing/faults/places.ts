/*
 * The topics and partitions in messages of Kafka's protocol, whatever they are called there: found, kept or left out, and put together again. Rows
 * of topics stand in a few lists, sometimes inside those of groups or transactions; rows of partitions inside the row of their topic.
 */
import { NO_UUID } from '../../format/schema.ts'
import { type Decoding } from '../journal/entry.ts'

/** The name of the topic with an id; undefined for an id that none has. */
export type NameOfId = (topicId: string) => string | undefined

/** A partition, or a topic as a whole. */
export interface MessagePlace {
  readonly topic: string
  readonly partition: number | undefined
}

/** Whether a place is meant. */
export type PlaceFilter = (topic: string, partition: number | undefined) => boolean

const topicLists = new Set([
  'topics', 'topicData', 'topicNames', 'responses', 'results', 'topicResults', 'v3AndBelowTopics', 'resultsByTopicV3AndBelow',
])
const outerLists = new Set(['groups', 'transactions', 'resultsByTransaction'])
const partitionLists = ['partitionData', 'partitionResponses', 'partitions', 'partitionIndexes', 'resultsByPartition'] as const
const outerKeys = ['groupId', 'transactionalId'] as const

/** All that a message names. */
export function placesIn(message: Decoding, nameOf: NameOfId): MessagePlace[] {
  const places: MessagePlace[] = []
  keepPlaces(message, (topic, partition) => {
    places.push({ topic, partition })
    return true
  }, nameOf)
  return places
}

/** The message with those of its places that `keep` says true of; topics without any partition left go too. */
export function keepPlaces(message: Decoding, keep: PlaceFilter, nameOf: NameOfId): Decoding {
  return Object.fromEntries(Object.entries(message).map(([field, value]) => {
    if (!Array.isArray(value)) return [field, value]
    if (outerLists.has(field)) return [field, value.map((row) => keepPlaces(row as Decoding, keep, nameOf))]
    return [field, topicLists.has(field) ? value.flatMap((row) => keptTopic(row, keep, nameOf)) : value]
  }))
}

/** Adds the rows of `more` to those of `message`; a topic that both have gets its partitions from both. */
export function mergePlaces(message: Decoding, more: Decoding): Decoding {
  return Object.fromEntries(Object.entries(message).map(([field, value]) => {
    const others = more[field]
    if (!Array.isArray(value) || !Array.isArray(others)) return [field, value]
    if (outerLists.has(field)) return [field, value.map((row) => mergedOuter(row as Decoding, others as readonly Decoding[]))]
    return [field, topicLists.has(field) ? mergedTopics(value, others) : value]
  }))
}

function keptTopic(row: unknown, keep: PlaceFilter, nameOf: NameOfId): unknown[] {
  if (typeof row === 'string') return keep(row, undefined) ? [row] : []
  const fields = row as Decoding
  const topic = topicName(fields, nameOf)
  const list = partitionLists.find((name) => Array.isArray(fields[name]))
  if (topic === undefined) return [row]
  if (list === undefined) return keep(topic, undefined) ? [row] : []
  const all = fields[list] as readonly unknown[]
  // A topic that could not be found has no partitions, and is meant as a whole.
  if (all.length === 0) return keep(topic, undefined) ? [row] : []
  const partitions = all.filter((partition) => keep(topic, partitionNumber(partition)))
  return partitions.length === 0 ? [] : [{ ...fields, [list]: partitions }]
}

/** The name of the topic that a row is about, whether it tells the name or the id; undefined for an id that none has. */
export function topicName({ name, topic, topicId }: Decoding, nameOf: NameOfId): string | undefined {
  if (typeof name === 'string' && name !== '') return name
  if (typeof topic === 'string' && topic !== '') return topic
  return typeof topicId === 'string' && topicId !== NO_UUID ? nameOf(topicId) : undefined
}

function partitionNumber(partition: unknown): number | undefined {
  if (typeof partition === 'number') return partition
  const { index, partitionIndex, partition: number } = partition as Decoding
  return (index ?? partitionIndex ?? number) as number | undefined
}

function mergedOuter(row: Decoding, others: readonly Decoding[]): Decoding {
  const other = others.find((one) => outerKeys.some((key) => one[key] !== undefined && one[key] === row[key]))
  return other === undefined ? row : mergePlaces(row, other)
}

function mergedTopics(rows: readonly unknown[], others: readonly unknown[]): unknown[] {
  const merged = [...rows]
  for (const other of others) {
    const at = typeof other === 'string' ? -1 : merged.findIndex((row) => isSameTopic(row, other as Decoding))
    if (at < 0) merged.push(other)
    else merged[at] = mergedPartitions(merged[at] as Decoding, other as Decoding)
  }
  return merged
}

function isSameTopic(row: unknown, other: Decoding): boolean {
  if (typeof row !== 'object' || row === null) return false
  const { name, topic, topicId } = row as Decoding
  return name === other['name'] && topic === other['topic'] && (topicId ?? NO_UUID) === (other['topicId'] ?? NO_UUID)
}

function mergedPartitions(row: Decoding, other: Decoding): Decoding {
  const list = partitionLists.find((name) => Array.isArray(row[name]))
  if (list === undefined) return other
  return { ...row, [list]: [...row[list] as readonly unknown[], ...(other[list] as readonly unknown[] | undefined ?? [])] }
}
