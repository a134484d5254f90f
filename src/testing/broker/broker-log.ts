/*
 * The log of a test broker: what it begins with, how it is opened, and how it is left when another takes its place.
 */
import { type Clock } from '../../base/clock.ts'
import { type Random } from '../../base/random.ts'
import { diskFileSystem } from '../../files/disk.ts'
import { MemoryFileSystem } from '../../files/memory.ts'
import { CommitLog, type MemoryLogOptions } from '../../topics/commit-log.ts'
import { folderImage } from '../import/folder-image.ts'
import { evictAll } from './group-hands.ts'
import { openImage } from './image.ts'
import { type ResolvedTestOptions } from './options.ts'

/** What a log has of its broker: time, and what is drawn. */
export interface LogParts {
  readonly clock: Clock
  readonly random: Random
}

/** A log, and its files where they are in memory. */
export interface OpenedLog {
  readonly log: CommitLog
  readonly files: MemoryFileSystem | undefined
}

/** The folder that a broker begins with, in memory; undefined when it begins with none. */
export async function imageFrom({ from, dir }: ResolvedTestOptions, parts: LogParts): Promise<MemoryFileSystem | undefined> {
  if (typeof from !== 'string' || diskFileSystem.statSync(from)?.kind !== 'folder') return undefined
  if (dir !== undefined) throw new TypeError(`a broker that begins with the folder ${from} is in memory: dir cannot keep it`)
  return folderImage(diskFileSystem, from, parts)
}

/** Opens the log of a broker: that of a picture, one in memory, or that of its folder. */
export async function openedLog(options: ResolvedTestOptions, parts: LogParts, image: MemoryFileSystem | undefined): Promise<OpenedLog> {
  const forLog = logOptions(options, parts)
  if (image !== undefined) return openImage(image, forLog, undefined)
  if (options.dir === undefined) {
    const files = new MemoryFileSystem({ clock: parts.clock })
    return { log: await CommitLog.memory({ ...forLog, files }), files }
  }
  const log = await CommitLog.open(options.dir, forLog)
  for (const { name } of log.core.topics) await log.core.existingTopic(name)
  await evictAll(log.core)
  return { log, files: undefined }
}

/** What the log of a broker is opened with. */
export function logOptions({ log }: ResolvedTestOptions, { clock, random }: LogParts): MemoryLogOptions & { readonly random: Random } {
  return { ...log, clock, random }
}

/** Answers who waits in the groups of a log that another took the place of, and closes it. */
export async function leave(log: CommitLog): Promise<void> {
  if (log.core.hasGroups) await evictAll(log.core)
  await log.close()
}
