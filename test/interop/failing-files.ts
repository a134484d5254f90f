/*
 * The real disk with one failure on demand, to bring a log into the states that failures leave: simulated disks keep nothing that Kafka could
 * look at.
 */
import { diskFileSystem } from '../../src/files/disk.ts'
import { type FileHandle, type FileSystem } from '../../src/files/file-system.ts'

/** The disk, and the switch of its next failure. */
export interface FailingFiles {
  readonly files: FileSystem
  /** Makes the next sync fail, or the next write stop half-way, of a `.log` file. */
  failNext(verb: 'sync' | 'write', code: 'EIO' | 'ENOSPC'): void
}

export function failingFiles(): FailingFiles {
  let armed: { verb: 'sync' | 'write'; code: string } | undefined
  const failure = (verb: 'sync' | 'write', path: string): Error | undefined => {
    if (armed?.verb !== verb || !path.endsWith('.log')) return undefined
    const { code } = armed
    armed = undefined
    return Object.assign(new Error(`${code}: made to fail, ${verb}`), { code, syscall: verb })
  }
  const openSync: FileSystem['openSync'] = (path, mode) => {
    const file = diskFileSystem.openSync(path, mode)
    const wrapped: FileHandle = {
      path,
      readSync: (...range) => file.readSync(...range),
      read: (...range) => file.read(...range),
      writeSync(buffer, at, length, position) {
        const error = failure('write', path)
        if (error === undefined) return file.writeSync(buffer, at, length, position)
        file.writeSync(buffer, at, length >>> 1, position)
        throw error
      },
      write: (...range) => file.write(...range),
      truncateSync: (size) => file.truncateSync(size),
      sizeSync: () => file.sizeSync(),
      identitySync: () => file.identitySync(),
      async sync() {
        const error = failure('sync', path)
        if (error !== undefined) throw error
        await file.sync()
      },
      closeSync: () => file.closeSync(),
    }
    return wrapped
  }
  return { files: { ...diskFileSystem, openSync }, failNext: (verb, code) => { armed = { verb, code } } }
}
