/*
 * What is in `__share_group_state`: per share group and partition, snapshots of what was delivered and updates since. Read only so far:
 * nothing of ours writes it yet. Spec: ShareSnapshot and ShareUpdate of Kafka's share coordinator, as in 4.1.
 */
import { coordinatorRecords, type CoordinatorRecord, type UnknownRecord } from './coordinator-records.ts'
import { array, int16, int32, int64, int8, message, string, uuid } from './schema.ts'

const key = { groupId: string(), topicId: uuid(), partition: int32() }
const stateBatches = array({ firstOffset: int64(), lastOffset: int64(), deliveryState: int8(), deliveryCount: int16() })

const shareSnapshotKey = message('ShareSnapshotKey', { versions: [0, 0] }, key)
const shareSnapshotValue = message('ShareSnapshotValue', { versions: [0, 0], flexible: 0 }, {
  snapshotEpoch: int32(),
  stateEpoch: int32(),
  leaderEpoch: int32(),
  startOffset: int64(),
  createTimestamp: int64(),
  writeTimestamp: int64(),
  stateBatches,
})

const shareUpdateKey = message('ShareUpdateKey', { versions: [0, 0] }, key)
const shareUpdateValue = message('ShareUpdateValue', { versions: [0, 0], flexible: 0 }, {
  snapshotEpoch: int32(),
  leaderEpoch: int32(),
  startOffset: int64(),
  stateBatches,
})

const kinds = {
  shareSnapshot: { types: [0], key: shareSnapshotKey, value: shareSnapshotValue, writes: 0 },
  shareUpdate: { types: [1], key: shareUpdateKey, value: shareUpdateValue, writes: 0 },
} as const

/** The codec of `__share_group_state`. */
export const shareGroupState = coordinatorRecords('__share_group_state', kinds)

/** A record of `__share_group_state`. */
export type ShareGroupStateRecord = CoordinatorRecord<typeof kinds> | UnknownRecord
