/*
 * What is asked of a topic when it is opened, held against what it is.
 */
import { LogError } from '../base/errors.ts'
import { type TopicEntry } from './catalog.ts'
import { checkEventTopic } from './event-topics.ts'
import { type TopicSettings } from './settings.ts'

/** What is asked of a topic. What is undefined is taken as it is. */
export interface TopicRequest {
  readonly name: string
  readonly partitions: number | undefined
  /** Names of codecs. */
  readonly key: string | undefined
  readonly value: string | undefined
  readonly settings: TopicSettings
  readonly create: boolean
  /** Names of the codecs of a topic that is created, or has none yet, when the request names none. */
  readonly newKey: string | undefined
  readonly newValue: string | undefined
  /** It must not be there yet. */
  readonly fresh?: boolean
  /** It is of an event store, which alone writes to it. */
  readonly events?: boolean
}

/** Throws LOG_TOPIC_MISMATCH when a topic is not what is asked for and cannot become it. */
export function checkAgrees(entry: TopicEntry, request: TopicRequest, readOnly: boolean): void {
  if (request.fresh === true) throw new LogError('LOG_TOPIC_EXISTS', `topic "${entry.name}" is there already`, { topic: entry.name })
  if (entry.deleting === true) throw leaving(entry.name)
  if (request.events !== true) checkEventTopic(entry, request.settings, request.partitions)
  // A crash while it was made leaves a folder of which nobody said anything: see `LogCore.openTopic`.
  else if (entry.events !== true && !(entry.adopted && entry.value === undefined)) throw noEvents(entry.name)
  for (const part of ['key', 'value'] as const) {
    const [has, wants] = [entry[part], request[part]]
    if (has !== undefined && wants !== undefined && has !== wants) throw otherCodec(entry.name, part, has, wants)
  }
  const { partitions = entry.partitions } = request
  if (partitions !== entry.partitions && (partitions < entry.partitions || readOnly)) throw otherPartitions(entry, partitions)
}

function leaving(topic: string): LogError {
  return new LogError('LOG_NOT_FOUND', `topic "${topic}" was deleted and could not be removed yet: delete it again`, { topic })
}

function otherCodec(topic: string, part: 'key' | 'value', codec: string, given: string): LogError {
  const message = `the ${part}s of topic "${topic}" are written by the codec "${codec}", not "${given}"`
  return new LogError('LOG_TOPIC_MISMATCH', message, { topic, codec, given, part })
}

function otherPartitions({ name, partitions }: TopicEntry, given: number): LogError {
  const message = `topic "${name}" has ${partitions} partitions, ${given} were asked for`
  return new LogError('LOG_TOPIC_MISMATCH', message, { topic: name, partitions, given })
}

/** The entry with what the request changes; the entry itself when that is nothing. */
export function changed(entry: TopicEntry, request: TopicRequest): TopicEntry {
  const settings = { ...entry.settings, ...request.settings }
  const partitions = request.partitions ?? entry.partitions
  const key = entry.key ?? request.key
  const value = entry.value ?? request.value
  const same = partitions === entry.partitions && key === entry.key && value === entry.value &&
    JSON.stringify(settings) === JSON.stringify(entry.settings) && (request.events !== true || entry.events === true)
  return same ? entry : { ...entry, partitions, key, value, settings, ...(request.events === true && { events: true as const }) }
}

/** A topic found without codecs, as an interrupted creation leaves it, has those of new topics as long as nothing is in it. */
export function withCodecs(entry: TopicEntry, { newKey, newValue }: TopicRequest): TopicEntry {
  if (entry.key !== undefined && entry.value !== undefined) return entry
  if (newKey === undefined && newValue === undefined) return entry
  return { ...entry, key: entry.key ?? newKey, value: entry.value ?? newValue }
}

/** Asks for a topic as it is: nothing of it is changed or named. */
export function asItIs(name: string): TopicRequest {
  return { name, create: false, partitions: undefined, key: undefined, value: undefined, settings: {}, newKey: undefined, newValue: undefined }
}

/** What an event store gets for a topic that is somebody else's. */
export function noEvents(topic: string): LogError {
  return new LogError('LOG_TOPIC_MISMATCH', `topic "${topic}" was not made by an event store`, { topic })
}
