/*
 * The lock of a folder between processes of one or several machines. (For now: a lock file that is created exclusively.)
 */
import fs from 'node:fs'
import { randomUUID } from 'node:crypto'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { systemClock } from '../base/clock.ts'
import { type FolderLock, type LockHolder } from './file-system.ts'
import { lockedError } from './local-locks.ts'
import { systemCode } from './system-error.ts'

/** Takes the folder for one writer, or throws LOG_LOCKED. */
export async function lockFolder(folder: string, _options: { readonly waitMs?: number; readonly signal?: AbortSignal } = {}): Promise<FolderLock> {
  const path = join(folder, 'commitlog.lock')
  const holder: LockHolder = { pid: process.pid, host: hostname(), since: systemClock.now(), token: randomUUID() }
  try {
    fs.writeFileSync(path, JSON.stringify(holder), { flag: 'wx' })
  } catch (error) {
    if (systemCode(error) === 'EEXIST') throw lockedError(folder, JSON.parse(fs.readFileSync(path, 'utf8')) as LockHolder)
    throw error
  }
  return { holder, confirmed: true, confirm: async () => true, release: async () => fs.rmSync(path, { force: true }) }
}
