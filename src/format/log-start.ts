/*
 * The file that says where a partition begins, when that is not where its first segment does: what lies below was deleted on request. One
 * of our own (docs/format.md#log-start); Kafka keeps the same in `log-start-offset-checkpoint`, which lags behind.
 */
import { getInt64, setInt64 } from '../base/bytes.ts'
import { LogError } from '../base/errors.ts'
import { decodeSideFile, encodeSideFile } from './side-file.ts'

/** Name of the file in the folder of a partition. */
export const LOG_START_FILE = 'log-start'

/** Numbers on disk are forever. */
const KIND = 'STRT'
const VERSION = { major: 1, minor: 0 }
const SIZE = 8

/** The bytes of the file: the oldest offset kept. */
export function encodeLogStart(startOffset: number): Buffer {
  const payload = Buffer.alloc(SIZE)
  setInt64(payload, 0, startOffset)
  return encodeSideFile(KIND, VERSION, payload)
}

/**
 * The oldest offset kept, as the file says.
 *
 * @throws LogError `LOG_FILE_CORRUPT`, or `LOG_VERSION_UNSUPPORTED` for a newer major version
 */
export function decodeLogStart(bytes: Uint8Array, path: string): number {
  const { payload } = decodeSideFile(bytes, KIND, VERSION, path)
  const startOffset = payload.length < SIZE ? -1 : getInt64(payload, 0)
  if (!Number.isSafeInteger(startOffset) || startOffset < 0) {
    throw new LogError('LOG_FILE_CORRUPT', `${path} is damaged: it names no offset`, { path })
  }
  return startOffset
}
