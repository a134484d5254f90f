/*
 * What a consumer of a group may be told, checked.
 */
import { checkBoolean, checkFunction, checkInteger, checkOneOf, checkOptions, checkSignal, describe } from '../../base/options.ts'
import { type Isolation } from '../../log/partition-log.ts'
import { isolations } from '../partition.ts'
import { checkStartPosition, type StartPosition } from '../start-position.ts'
import { type AssignorName, assignorNames } from './assignors.ts'

/** The default of `autoCommitIntervalMs`. */
const AUTO_COMMIT_INTERVAL_MS = 100

/** What a consumer may be told that is a member of a group. `P` names a partition: its number, or `{ topic, partition }`. */
export interface GroupConsumerOptions<P> {
  // The group
  /** The name of the group: its members share the partitions, and it remembers how far it is. */
  readonly group: string
  /** Makes the consumer a static member: at most one of this name at a time. */
  readonly instanceId?: string
  /** How partitions may be shared, the most wanted first. Default: `cooperative-sticky`, `range`, `roundrobin`, `RoundRobinAssigner`. */
  readonly assignors?: readonly AssignorName[]
  /** How it is called in descriptions of the group. Default `'commitlog'`. */
  readonly clientId?: string
  /** Ms in which it gives back partitions that go to others, with what `onRevoked` takes; later it loses all. Default 300,000. */
  readonly rebalanceTimeoutMs?: number
  // Committing
  /** Commit by itself what is done. Default true. */
  readonly autoCommit?: boolean
  /** Ms after which what is done is committed at the latest. Default 100. */
  readonly autoCommitIntervalMs?: number
  // What it reads
  /** Where to begin in a partition for which the group has committed nothing. Default `'earliest'`. */
  readonly from?: StartPosition
  /** Default `'read_committed'`. */
  readonly isolation?: Isolation
  // When it ends
  /** `'end'` ends a loop at the end as it stood when the loop began. Default: it waits for more. */
  readonly until?: 'end'
  /** Ends a loop: it throws the signal's reason. */
  readonly signal?: AbortSignal
  /** Whether waiting for records keeps the process alive. Default true. */
  readonly ref?: boolean
  // Being told
  /** Partitions became this member's; nothing of them is handed out before it resolves. `seek` may move where they begin. */
  readonly onAssigned?: (partitions: readonly P[]) => void | Promise<void>
  /** Partitions go to others, or the loop ends: what is in hand is done, and `commit` is still possible. */
  readonly onRevoked?: (partitions: readonly P[]) => void | Promise<void>
  /** Partitions went to others already: the member was too late, or fenced. */
  readonly onLost?: (partitions: readonly P[]) => void
}

/** The options with their defaults. */
export interface CheckedGroupOptions<P> {
  readonly group: string
  readonly instanceId: string | undefined
  readonly assignors: readonly AssignorName[]
  readonly clientId: string | undefined
  readonly rebalanceTimeoutMs: number | undefined
  readonly autoCommit: boolean
  readonly autoCommitIntervalMs: number
  readonly from: (partition: P) => StartPosition
  readonly isolation: Isolation
  readonly untilEnd: boolean
  readonly signal: AbortSignal | undefined
  readonly ref: boolean
  readonly onAssigned: GroupConsumerOptions<P>['onAssigned']
  readonly onRevoked: GroupConsumerOptions<P>['onRevoked']
  readonly onLost: GroupConsumerOptions<P>['onLost']
}

const names = [
  'group', 'instanceId', 'assignors', 'clientId', 'rebalanceTimeoutMs', 'autoCommit', 'autoCommitIntervalMs', 'from', 'isolation', 'until',
  'signal', 'ref', 'onAssigned', 'onRevoked', 'onLost',
]

/**
 * Checks the options of a consumer of a group.
 *
 * @param more  further options that are known and checked elsewhere
 */
export function checkedGroupOptions<P>(options: GroupConsumerOptions<P>, where: string, more: readonly string[] = []): CheckedGroupOptions<P> {
  checkOptions(options, [...names, ...more], where)
  const { group, instanceId, clientId, from = 'earliest', assignors = assignorNames } = options
  checkName(group ?? null, 'group')
  if (instanceId !== undefined) checkName(instanceId, 'instanceId')
  if (clientId !== undefined) checkName(clientId, 'clientId')
  if (!Array.isArray(assignors) || assignors.length === 0) throw new TypeError(`assignors is an array of names, not ${describe(assignors)}`)
  for (const name of assignors) checkOneOf(name ?? null, 'a name in assignors', assignorNames)
  checkStartPosition(from, 'from')
  checkInteger(options.rebalanceTimeoutMs, 'rebalanceTimeoutMs', 1, 0x7fff_ffff)
  checkInteger(options.autoCommitIntervalMs, 'autoCommitIntervalMs', 1, 0x7fff_ffff)
  checkOneOf(options.isolation, 'isolation', isolations)
  checkOneOf(options.until, 'until', ['end'])
  checkSignal(options.signal)
  for (const name of ['autoCommit', 'ref'] as const) checkBoolean(options[name], name)
  for (const name of ['onAssigned', 'onRevoked', 'onLost'] as const) checkFunction(options[name], name)
  return {
    group, instanceId, clientId, assignors: [...new Set(assignors)], from: () => from, rebalanceTimeoutMs: options.rebalanceTimeoutMs,
    autoCommit: options.autoCommit ?? true, autoCommitIntervalMs: options.autoCommitIntervalMs ?? AUTO_COMMIT_INTERVAL_MS,
    isolation: options.isolation ?? 'read_committed', untilEnd: options.until === 'end', signal: options.signal, ref: options.ref ?? true,
    onAssigned: options.onAssigned, onRevoked: options.onRevoked, onLost: options.onLost,
  }
}

/** Whether the options of a consumer are those of a member of a group. */
export function isOfGroup(options: unknown): options is GroupConsumerOptions<number> {
  return typeof options === 'object' && options !== null && 'group' in options && options.group !== undefined
}

/** A name of a group, an instance or a client: a string with something in it. */
export function checkName(value: unknown, what: string): void {
  if (typeof value !== 'string') throw new TypeError(`${what} is a string, not ${describe(value)}`)
  if (value === '' || Buffer.byteLength(value) > 0x7fff) throw new RangeError(`${what} is a string of 1 to 32767 bytes`)
}
