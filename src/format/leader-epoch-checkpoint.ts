/*
 * The `leader-epoch-checkpoint` file of a partition: in which epochs it was written and where each begins. What epochs are good for is
 * log/epochs.ts. Spec: docs/format.md#leader-epochs; Kafka's LeaderEpochCheckpointFile.
 */
import { checkpointInteger, encodeCheckpoint, parseCheckpoint } from './checkpoint-file.ts'

/** Name of the file in the folder of its partition. */
export const LEADER_EPOCH_FILE = 'leader-epoch-checkpoint'

const INT32_MAX = 0x7fff_ffff

/** A leader epoch and the first offset that was written in it. */
export interface LeaderEpochStart {
  readonly epoch: number
  readonly startOffset: number
}

/** The bytes of the file, oldest epoch first. */
export function encodeLeaderEpochs(entries: readonly LeaderEpochStart[]): Buffer {
  return encodeCheckpoint(entries.map(({ epoch, startOffset }) => `${epoch} ${startOffset}`))
}

/**
 * The epochs of the file, in its order. Whether they rise is not checked here: where they do not, the later line counts, as in Kafka.
 *
 * @throws LogError `LOG_FILE_CORRUPT`, `LOG_VERSION_UNSUPPORTED`
 */
export function parseLeaderEpochs(bytes: Uint8Array, path: string): LeaderEpochStart[] {
  return parseCheckpoint(bytes, 2, path).map(([epoch = '', startOffset = '']) => ({
    epoch: checkpointInteger(epoch, path, INT32_MAX),
    startOffset: checkpointInteger(startOffset, path),
  }))
}
