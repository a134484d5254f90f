/*
 * The folder of a Kafka broker, or of a log of commitlog, as a log in memory that test brokers begin with. The folder is only read; what of it is
 * copied, and how it is checked, is in topics/backup.ts and topics/import-kafka.ts.
 */
import { resolve } from 'node:path'
import { type Clock } from '../../base/clock.ts'
import { type Random } from '../../base/random.ts'
import { type FileSystem } from '../../files/file-system.ts'
import { MemoryFileSystem } from '../../files/memory.ts'
import { copyLog } from '../../topics/backup.ts'
import { CATALOG_FILE } from '../../topics/catalog.ts'
import { importKafka } from '../../topics/import-kafka.ts'
import { ReadThrough } from './read-through.ts'

/** Where logs in memory lie. */
const TARGET = '/memory'

/**
 * A copy of a folder in memory.
 *
 * @throws LogError `LOG_NOT_A_LOG`, `LOG_NOT_FOUND`, `LOG_CORRUPT` for damage anywhere in it, `LOG_VERSION_UNSUPPORTED`, `LOG_ACCESS_DENIED`
 */
export async function folderImage(
  disk: FileSystem, path: string, { clock, random }: { readonly clock: Clock; readonly random: Random },
): Promise<MemoryFileSystem> {
  const folder = resolve(path)
  const memory = new MemoryFileSystem({ clock })
  const files = new ReadThrough(disk, folder, memory)
  const copy = disk.statSync(disk.join(folder, CATALOG_FILE)) === undefined ? importKafka : copyLog
  await copy(files, folder, TARGET, { clock, random })
  return memory
}
