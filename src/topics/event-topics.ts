/*
 * Topics whose records are the events of an event store (events/): the store alone writes to them, everybody may read. Nothing of them is
 * deleted or compacted, whatever the log says for its topics.
 */
import { LogError } from '../base/errors.ts'
import { type TopicEntry } from './catalog.ts'
import { type TopicSettings } from './settings.ts'

/** Settings that such a topic always has. */
export const eventTopicSettings: TopicSettings = {
  cleanupPolicy: 'delete', retentionMs: Infinity, retentionBytes: Infinity, messageTimestampType: 'CreateTime',
  messageTimestampBeforeMaxMs: Infinity, messageTimestampAfterMaxMs: Infinity,
}

/** LOG_TOPIC_OF_EVENTS: what somebody gets who writes to such a topic, or would delete of it. */
export function eventTopicError(topic: string): LogError {
  return new LogError('LOG_TOPIC_OF_EVENTS', `topic "${topic}" holds the events of a store, which alone changes it; everyone may read it`, { topic })
}

/** Throws LOG_TOPIC_OF_EVENTS for settings that such a topic cannot have, and for more partitions. */
export function checkEventTopic(entry: TopicEntry, settings: Readonly<Record<string, unknown>>, partitions: number | undefined): void {
  const { name } = entry
  if (entry.events !== true) return
  const fixed: Readonly<Record<string, unknown>> = eventTopicSettings
  const changes = Object.keys(settings).some((setting) => setting in fixed && settings[setting] !== fixed[setting])
  if (changes || (partitions !== undefined && partitions !== entry.partitions)) throw eventTopicError(name)
}
