/*
 * What the system refuses, told as an error of the log: who calls the log need not know the codes of every system.
 */
import { isLogError, LogError } from '../base/errors.ts'
import { systemCode } from '../files/system-error.ts'

/** `error` itself, or LOG_IO around it when it comes from the system. */
export function ioError(what: string, error: unknown): unknown {
  const code = systemCode(error)
  return code === undefined ? error : new LogError('LOG_IO', `${what}: ${code}`, { systemCode: code }, error)
}

/** Whether it was the system that refused something. */
export function isRefusal(error: unknown): boolean {
  return systemCode(error) !== undefined || isLogError(error, 'LOG_TOO_MANY_FILES')
}

/** Runs `work`, telling what the system refuses as LOG_IO. */
export function guarded<T>(what: string, work: () => T): T {
  try {
    return work()
  } catch (error) {
    throw ioError(what, error)
  }
}

/** As `guarded`, for work that takes its time. */
export async function guardedAsync<T>(what: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    throw ioError(what, error)
  }
}
