/*
 * The picture of a log that is kept in a folder, and a folder that is put back to one. The picture is a copy in memory, checked as a backup is: it
 * costs the bytes of the folder, and what is begun from it shares them.
 */
import { type Clock } from '../../base/clock.ts'
import { LogError } from '../../base/errors.ts'
import { type Random } from '../../base/random.ts'
import { diskFileSystem } from '../../files/disk.ts'
import { realPath } from '../../files/folders.ts'
import { type MemoryFileSystem } from '../../files/memory.ts'
import { uuidText } from '../../format/uuid.ts'
import { copyLog } from '../../topics/backup.ts'
import { type LogCore } from '../../topics/log-core.ts'
import { folderImage } from '../import/folder-image.ts'
import { ReadThrough } from '../import/read-through.ts'
import { IMAGE_FOLDER } from './image.ts'

interface Parts {
  readonly clock: Clock
  readonly random: Random
}

/** Takes a picture of a log in a folder: of each partition what consumers see now. */
export async function imageOfFolder(core: LogCore, parts: Parts): Promise<MemoryFileSystem> {
  await core.flush()
  return folderImage(diskFileSystem, core.folder, parts)
}

/**
 * Puts the log of a picture in the place of the one in a folder, which nobody has open. The old one is there until the new one is whole.
 *
 * @throws LogError `LOG_LOCKED` for a folder that somebody has open; errors of the system, with the folder as it was, where it cannot be moved
 */
export async function putInFolder(image: MemoryFileSystem, folder: string, parts: Parts): Promise<void> {
  if (diskFileSystem.lockHolderSync(folder) !== undefined) {
    throw new LogError('LOG_LOCKED', `${folder} is open elsewhere as well: it cannot go back to a checkpoint`, { path: folder })
  }
  // A link to a folder stays one.
  const path = realPath(folder)
  const name = uuidText(parts.random.bytes(16)).slice(0, 8)
  const [restored, replaced] = [`${path}.restored-${name}`, `${path}.replaced-${name}`]
  try {
    await copyLog(new ReadThrough(image, IMAGE_FOLDER, diskFileSystem), IMAGE_FOLDER, restored, parts)
    // Before anything of it is removed: what cannot be moved, as a volume that is mounted there, is as it was.
    diskFileSystem.renameSync(path, replaced)
  } catch (error) {
    await diskFileSystem.remove(restored)
    throw error
  }
  diskFileSystem.renameSync(restored, path)
  await diskFileSystem.remove(replaced)
}
