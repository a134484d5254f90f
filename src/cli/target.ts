/*
 * What a path on the command line means: a log, one partition of it, or a single file.
 */
import { basename, dirname, resolve } from 'node:path'
import { LogError } from '../base/errors.ts'
import { diskFileSystem } from '../files/disk.ts'
import { parseFileName, parsePartitionFolderName } from '../format/names.ts'

/** A file, or a folder with the partition that is meant when it is not the whole log. */
export type Target =
  | { readonly file: string }
  | { readonly folder: string; readonly topic?: string; readonly partition?: number }

/** Finds out what is at `path`. */
export function findTarget(path: string): Target {
  const stat = diskFileSystem.statSync(path)
  if (stat === undefined) throw new LogError('LOG_NOT_FOUND', `there is no file or folder ${path}`, { path })
  if (stat.kind === 'file') return { file: path }
  const whole = resolve(path)
  const named = parsePartitionFolderName(basename(whole))
  const holdsSegments = (): boolean => diskFileSystem.listSync(path).some((name) => parseFileName(name) !== undefined)
  return named !== undefined && holdsSegments() ? { folder: dirname(whole), ...named } : { folder: path }
}
