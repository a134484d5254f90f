/*
 * Which committed offsets are to be forgotten, as Kafka does: a group's offsets age from when it became empty; those of topics that a group with
 * members does not read any more, and of who is in no group, from their commit.
 */
import { type ClassicGroup } from './classic-group.ts'
import { type CommittedOffsets } from './committed-offsets.ts'
import { type ConsumerGroup } from './consumer-group.ts'
import { type CommittedPlace } from './offset-table.ts'

/** The offsets of a classic group that are to be forgotten. */
export function agedOfClassic(offsets: CommittedOffsets, group: ClassicGroup, now: number): CommittedPlace[] {
  const { groupId, protocolType, state, stateSince } = group
  const isOld = ({ topic, commitTimestamp, expireTimestamp }: CommittedPlace): boolean => {
    if (expireTimestamp >= 0) return state === 'Empty' && now >= expireTimestamp
    if (protocolType === null) return offsets.isOld(commitTimestamp, now)
    if (state === 'Empty') return offsets.isOld(Math.max(stateSince, commitTimestamp), now)
    if (state !== 'Stable' || protocolType !== 'consumer' || group.subscribedTopics().has(topic)) return false
    return offsets.isOld(commitTimestamp, now)
  }
  return offsets.all(groupId).filter((place) => offsets.mayAge(groupId, place.topic, place.partition) && isOld(place))
}

/** The offsets of a consumer group that are to be forgotten: they age from their commit, where no member reads the topic. */
export function agedOfConsumers(offsets: CommittedOffsets, group: ConsumerGroup, now: number): CommittedPlace[] {
  const { groupId } = group
  const subscribed = group.subscribedTopics()
  return offsets.all(groupId).filter(({ topic, partition, commitTimestamp, expireTimestamp }) => {
    if (subscribed.has(topic) || !offsets.mayAge(groupId, topic, partition)) return false
    return expireTimestamp >= 0 ? now >= expireTimestamp : offsets.isOld(commitTimestamp, now)
  })
}
