/*
 * What a transaction is told to commit for a group: a member says it itself, for a group without members its offsets are given.
 */
import { checkInteger, describe } from '../../base/options.ts'
import { checkMetadata, type Committing } from '../groups/commit-entries.ts'
import { type CommitRequest } from '../groups/group-messages.ts'
import { checkName } from '../groups/group-options.ts'
import { type Committer, type GroupOffset } from './transaction.ts'

/**
 * The request for what `commitOffsets` was called with.
 *
 * @throws TypeError or RangeError for what is no member, no group, and no offsets
 */
export function commitRequestOf<P>(
  of: Committer<P> | string, what: Committing<P> | readonly GroupOffset[] | undefined,
): CommitRequest | Promise<CommitRequest> {
  if (typeof of === 'string') return groupRequest(of, what as readonly GroupOffset[])
  if ((of as Partial<Committer<P>> | null | undefined)?.toCommit !== undefined) return of.toCommit(what as Committing<P> | undefined)
  throw new TypeError(`commitOffsets takes a consumer that is a member of a group, or the name of a group, not ${describe(of)}`)
}

function groupRequest(groupId: string, given: readonly GroupOffset[]): CommitRequest {
  checkName(groupId, 'the group')
  if (!Array.isArray(given)) throw new TypeError(`the offsets of a group are an array, not ${describe(given)}`)
  const offsets = given.map((one: GroupOffset) => {
    const { topic, partition, offset, metadata } = (one ?? {}) as GroupOffset
    checkInteger(partition ?? null, 'the partition of an offset', 0)
    checkInteger(offset ?? null, 'an offset to commit', 0)
    if (typeof topic !== 'string') throw new TypeError(`the topic of an offset is a name, not ${describe(topic)}`)
    checkMetadata(metadata)
    return { topic, partition, offset, leaderEpoch: -1, ...(metadata !== undefined && { metadata }) }
  })
  return { groupId, memberId: '', generation: -1, groupInstanceId: null, offsets }
}
