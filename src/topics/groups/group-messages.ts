/*
 * What members say to the coordinator of groups and what it answers: the fields of Kafka's requests, whatever their version, and errors by
 * Kafka's names. Nothing here throws for what the protocol has an error for. Members of this process send the same messages and have a
 * few more ties: `LocalMember`.
 */
import { type KafkaErrorName } from '../../format/kafka-errors.ts'

const NOTHING = Buffer.alloc(0)

/** Kafka's states of a group. `Assigning` and `Reconciling` are those of consumer groups of the newer protocol (KIP-848). */
export type GroupState = 'Empty' | 'PreparingRebalance' | 'CompletingRebalance' | 'Assigning' | 'Reconciling' | 'Stable' | 'Dead'

/** The client host of members of this process. */
export const IN_PROCESS_HOST = 'in-process'

/** A protocol that a member offers: an assignor and what the member subscribes to. */
export interface GroupProtocol {
  readonly name: string
  readonly metadata: Buffer
}

/** A member of this process. It has no session and is told at once. */
export interface LocalMember {
  /** It is a member now, by this id; its join is not answered yet. */
  joined(memberId: string): void
  /** A rebalance began: join again soon. */
  rebalance(): void
  /** Whether it still owns partitions. */
  holds(): boolean
  /** Give all partitions back, then call `released` of the group: nobody may be given any before. Only called while it waits in `join`. */
  release(): void
  /** It is no member any more and owns nothing from now on; FENCED_INSTANCE_ID when another one took its instance. */
  removed(error: KafkaErrorName): void
}

/** Asks to join a group, or to join it again. */
export interface JoinRequest {
  readonly groupId: string
  /** Empty for a new member. */
  readonly memberId: string
  readonly groupInstanceId?: string | null
  readonly clientId: string
  readonly clientHost: string
  /** Ms without a word after which the member is gone. */
  readonly sessionTimeoutMs: number
  /** Ms in which it joins again once a rebalance has begun. */
  readonly rebalanceTimeoutMs: number
  readonly protocolType: string
  /** The most wanted first. */
  readonly protocols: readonly GroupProtocol[]
  /** A new member is given its id first, and joins with it. */
  readonly requireKnownMemberId?: boolean
  /** The client understands `skipAssignment` (JoinGroup 9). */
  readonly supportsSkippingAssignment?: boolean
  /** Members that the group takes. Default: any number. */
  readonly maxSize?: number
  /** Ms that the first rebalance of the group waits for more members, when this one begins it. Default: the log's. */
  readonly initialRebalanceDelayMs?: number
  readonly local?: LocalMember
}

/** The answer to a join. */
export interface JoinAnswer {
  readonly error: KafkaErrorName
  readonly memberId: string
  readonly generation: number
  readonly protocolType: string | null
  readonly protocolName: string | null
  readonly leader: string
  /** To the leader: nothing changed, it is not to assign. */
  readonly skipAssignment: boolean
  /** For the leader: all members with what they said in the chosen protocol. */
  readonly members: readonly { readonly memberId: string; readonly groupInstanceId: string | null; readonly metadata: Buffer }[]
}

/** A join that is refused. */
export function refusedJoin(error: KafkaErrorName, memberId = ''): JoinAnswer {
  return { error, memberId, generation: -1, protocolType: null, protocolName: null, leader: '', skipAssignment: false, members: [] }
}

/** Asks for the assignment; the leader brings it. */
export interface SyncRequest {
  readonly groupId: string
  readonly memberId: string
  readonly groupInstanceId?: string | null
  readonly generation: number
  /** Not given by old clients. */
  readonly protocolType?: string | null
  readonly protocolName?: string | null
  readonly assignments: readonly { readonly memberId: string; readonly assignment: Buffer }[]
  /** Bytes of assignments that the leader may bring. Default: any number. */
  readonly maxBytes?: number
}

/** The answer to a sync. */
export interface SyncAnswer {
  readonly error: KafkaErrorName
  readonly protocolType: string | null
  readonly protocolName: string | null
  readonly assignment: Buffer
  /** Why, where the error is ours. */
  readonly cause?: unknown
}

/** A sync that is refused. */
export function refusedSync(error: KafkaErrorName): SyncAnswer {
  return { error, protocolType: null, protocolName: null, assignment: NOTHING }
}

/** Says that a member is there. */
export interface HeartbeatRequest {
  readonly groupId: string
  readonly memberId: string
  readonly groupInstanceId?: string | null
  readonly generation: number
}

/** Members that leave, by id or by instance. */
export interface LeaveRequest {
  readonly groupId: string
  readonly members: readonly { readonly memberId: string; readonly groupInstanceId?: string | null }[]
}

/** The answer to a leave: of the whole, and of each member. */
export interface LeaveAnswer {
  readonly error: KafkaErrorName
  readonly members: readonly { readonly memberId: string; readonly groupInstanceId: string | null; readonly error: KafkaErrorName }[]
}

/** An offset to commit. */
export interface OffsetToCommit {
  readonly topic: string
  readonly partition: number
  readonly offset: number
  /** −1 when it is not known. */
  readonly leaderEpoch: number
  readonly metadata?: string | null
  /** Ms that it is to be kept for, where the client says so (OffsetCommit 2 to 4). */
  readonly retentionMs?: number
  /** What consume() finished above it. */
  readonly finished?: Buffer | undefined
}

/** Offsets that a member, or somebody who is none (generation −1), commits. */
export interface CommitRequest {
  readonly groupId: string
  readonly memberId: string
  readonly generation: number
  readonly groupInstanceId?: string | null
  /** The version of OffsetCommit that a client of the wire speaks. */
  readonly version?: number
  readonly offsets: readonly OffsetToCommit[]
}

/** What became of one offset. */
export interface CommitResult {
  readonly topic: string
  readonly partition: number
  readonly error: KafkaErrorName
  /** Why, where the error is ours. */
  readonly cause?: unknown
}

/** A group as it is described. */
export interface GroupDescription {
  readonly groupId: string
  readonly state: GroupState
  /** `consumer` for groups of the newer protocol (KIP-848); a folder of Kafka's may have share groups. */
  readonly type: 'classic' | 'consumer' | 'share'
  readonly protocolType: string
  /** The assignor that the members agreed on. */
  readonly protocol: string
  readonly generation: number
  readonly members: readonly MemberDescription[]
}

/** A member as it is described. */
export interface MemberDescription {
  readonly memberId: string
  readonly groupInstanceId: string | null
  readonly clientId: string
  readonly clientHost: string
  /** Bytes of the protocol: format/consumer-protocol.ts reads them for groups of consumers. Empty while nothing is assigned. */
  readonly metadata: Buffer
  readonly assignment: Buffer
}
