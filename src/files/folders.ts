/*
 * Whole folders on the real disk: copy, move, remove. The only file that imports fs-extra, and only when one of these is called:
 * importing it patches the host's `fs.close` and costs start-up time.
 */
import { basename } from 'node:path'
import { LOCK_FILE } from './lock-file.ts'
import { fs } from './node-fs.ts'
import { systemError } from './system-error.ts'

/**
 * Copies a file or a whole folder with its times of change, without locks: a copy is nobody's, and reading the file of a kernel lock
 * would drop the lock. EEXIST when something is at `to` already. The copy is not synced.
 */
export async function copyFolder(from: string, to: string): Promise<void> {
  refuseExisting('copy', to)
  const { default: fsExtra } = await import('fs-extra')
  await fsExtra.copy(from, to, { preserveTimestamps: true, errorOnExist: true, overwrite: false, filter: isNoLock })
}

/** Moves a file or a whole folder, by copying it when it goes to another device. EEXIST when something is at `to` already. */
export async function moveFolder(from: string, to: string): Promise<void> {
  refuseExisting('move', to)
  const { default: fsExtra } = await import('fs-extra')
  await fsExtra.move(from, to, { overwrite: false })
}

/** Removes a file or a whole folder; nothing there is no error. */
export async function removeFolder(path: string): Promise<void> {
  const { default: fsExtra } = await import('fs-extra')
  await fsExtra.remove(path)
}

/** The folder that a path leads to, through whatever links. ENOENT when there is none. */
export function realPath(path: string): string {
  return fs.realpathSync(path)
}

function isNoLock(path: string): boolean {
  return !basename(path).startsWith(LOCK_FILE)
}

// fs-extra refuses too, but with an error that has no code.
function refuseExisting(verb: string, to: string): void {
  if (fs.lstatSync(to, { throwIfNoEntry: false }) !== undefined) throw systemError('EEXIST', verb, to)
}
