/*
 * The error of a folder that somebody else holds for writing, one for all file systems.
 */
import { LogError } from '../base/errors.ts'
import { type LockHolder } from './file-system.ts'

const ANSWERS = 'open it with waitMs to wait for it, or with readOnly to read beside it'

/** LOG_LOCKED, naming the holder in message and detail as far as it is known. */
export function lockedError(folder: string, holder: LockHolder | undefined): LogError {
  if (holder === undefined) {
    return new LogError('LOG_LOCKED', `${folder} is held by a process that its lock file does not name: ${ANSWERS}`, { folder })
  }
  const { pid, host, since, token } = holder
  const who = `process ${pid} on ${host} since ${new Date(since).toISOString()}`
  return new LogError('LOG_LOCKED', `${folder} is held by ${who}: ${ANSWERS}`, { folder, pid, host, since, token })
}
