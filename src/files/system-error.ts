/*
 * Errors as Node's fs throws them, for the file systems that are not the real one, and what the floors above ask of such errors.
 */

/** An error of the system: an Error with `code`, `errno`, `syscall` and, where there is one, `path`. */
export interface SystemError extends Error {
  readonly code: string
  readonly errno?: number
  readonly syscall?: string
  readonly path?: string
}

/** Makes the error that Node's fs would throw for `code`. */
export function systemError(code: string, syscall: string, path?: string): SystemError {
  const where = path === undefined ? syscall : `${syscall} '${path}'`
  const number = (process.getBuiltinModule('node:os').constants.errno as Record<string, number | undefined>)[code]
  const error = new Error(`${code}: ${meanings[code] ?? 'unknown error'}, ${where}`)
  return Object.assign(error, { code, syscall, ...(number !== undefined && { errno: -number }), ...(path !== undefined && { path }) })
}

/** The system's code of `error` ('ENOENT', 'ENOSPC', …), or undefined when it did not come from the system. */
export function systemCode(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error) || !('syscall' in error || 'errno' in error)) return undefined
  return typeof error.code === 'string' ? error.code : undefined
}

const meanings: Record<string, string> = {
  EACCES: 'permission denied',
  EBADF: 'bad file descriptor',
  EEXIST: 'file already exists',
  EINVAL: 'invalid argument',
  EIO: 'i/o error',
  EISDIR: 'illegal operation on a directory',
  EMFILE: 'too many open files',
  ENFILE: 'file table overflow',
  ENOENT: 'no such file or directory',
  ENOSPC: 'no space left on device',
  ENOTDIR: 'not a directory',
  ENOTEMPTY: 'directory not empty',
  EDQUOT: 'disk quota exceeded',
  EROFS: 'read-only file system',
}
