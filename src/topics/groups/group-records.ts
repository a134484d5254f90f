/*
 * What the coordinator of groups stores, to and from the records of the offsets topic: committed offsets, and classic groups. The layouts
 * are format/consumer-offsets.ts; what consume() finished above a committed offset goes in a header, which Kafka's tools pass over.
 */
import { keptCopy } from '../../base/bytes.ts'
import { encodeOffsetsRecord, type OffsetsRecord } from '../../format/consumer-offsets.ts'
import { type CommittedOffset } from './offset-table.ts'
import { IN_PROCESS_HOST } from './group-messages.ts'
import { type OffsetsLogRecord } from './offsets-log.ts'
import { type ClassicGroup } from './classic-group.ts'

/** The header of a committed offset that holds what is finished above it. */
export const FINISHED_HEADER = 'cl-finished'

/** A group as it was stored. */
export interface GroupMetadata {
  readonly protocolType: string
  readonly generation: number
  readonly protocol: string | null
  readonly leader: string | null
  readonly currentStateTimestamp: number
  readonly members: readonly {
    readonly memberId: string
    readonly groupInstanceId: string | null
    readonly clientId: string
    readonly clientHost: string
    readonly rebalanceTimeoutMs: number
    readonly sessionTimeoutMs: number
    readonly subscription: Buffer
    readonly assignment: Buffer
    /** It was a client of the wire, and may still be there. */
    readonly wire: boolean
  }[]
}

/** The record of a committed offset; null takes it back. */
export function commitRecord(
  group: string, topic: string, partition: number, committed: Omit<CommittedOffset, 'at'> | null,
): OffsetsLogRecord {
  const key = { group, topic, partition }
  if (committed === null) return encodeOffsetsRecord({ kind: 'offsetCommit', key, value: null })
  const { offset, leaderEpoch, metadata, commitTimestamp, expireTimestamp, finished } = committed
  // As Kafka does it: only version 1 can hold a time of its own.
  const version = expireTimestamp >= 0 ? { version: 1 } : {}
  const value = { offset, leaderEpoch, metadata, commitTimestamp, expireTimestamp }
  const record = encodeOffsetsRecord({ kind: 'offsetCommit', key, value, ...version })
  return finished === undefined ? record : { ...record, headers: [[FINISHED_HEADER, finished]] }
}

/** The record of a group as it is now. */
export function groupRecord(group: ClassicGroup): OffsetsLogRecord {
  const members = [...group.members.all()].map((member) => ({
    memberId: member.memberId, groupInstanceId: member.groupInstanceId, clientId: member.clientId, clientHost: member.clientHost,
    rebalanceTimeout: int32(member.rebalanceTimeoutMs), sessionTimeout: int32(member.sessionTimeoutMs),
    subscription: member.protocols.find(({ name }) => name === group.protocolName)?.metadata ?? Buffer.alloc(0), assignment: member.assignment,
  }))
  return encodeOffsetsRecord({
    kind: 'groupMetadata', key: { group: group.groupId },
    value: {
      protocolType: group.protocolType ?? '', generation: group.generation, protocol: group.protocolName, leader: group.leader,
      currentStateTimestamp: group.stateSince, members,
    },
  })
}

/** The record that takes a group away. */
export function groupTombstone(group: string): OffsetsLogRecord {
  return encodeOffsetsRecord({ kind: 'groupMetadata', key: { group }, value: null })
}

/** A group from its record. Bytes are copied. */
export function groupMetadata(value: NonNullable<Extract<OffsetsRecord, { kind: 'groupMetadata' }>['value']>): GroupMetadata {
  const { protocolType, generation, protocol, leader, currentStateTimestamp, members } = value
  return {
    protocolType, generation, protocol, leader, currentStateTimestamp,
    members: members.map((member) => ({
      memberId: member.memberId, groupInstanceId: member.groupInstanceId, clientId: member.clientId, clientHost: member.clientHost,
      sessionTimeoutMs: member.sessionTimeout, rebalanceTimeoutMs: member.rebalanceTimeout < 0 ? member.sessionTimeout : member.rebalanceTimeout,
      subscription: keptCopy(member.subscription), assignment: keptCopy(member.assignment), wire: member.clientHost !== IN_PROCESS_HOST,
    })),
  }
}

function int32(ms: number): number {
  return Math.min(ms, 0x7fff_ffff)
}
