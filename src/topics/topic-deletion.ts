/*
 * Takes the folders of a deleted topic off the disk. The catalog has said before, durably, that the topic is on its way out, so a crash at
 * any moment leaves folders that the next open for writing removes, and never half a topic. Folders are renamed first, as Kafka does it
 * (`<topic>-<partition>.<32 hex digits>-delete`): the name is free at once, and a broker that takes the folder over removes them too.
 */
import { type Random } from '../base/random.ts'
import { type FileSystem } from '../files/file-system.ts'
import { readFileSync } from '../files/write-fully.ts'
import { isLogError } from '../base/errors.ts'
import { deletedFolderName, parseLeavingFolderName, partitionFolderName } from '../format/names.ts'
import { parsePartitionMetadata, PARTITION_METADATA_FILE } from '../format/partition-metadata.ts'
import { newUuid } from '../format/uuid.ts'
import { type TopicEntry } from './catalog.ts'
import { forgetInCheckpoints } from './kafka-checkpoints.ts'

const MAX_METADATA_BYTES = 64 * 1024

/** Removes the folders of a topic that the catalog calls deleted, and what Kafka's checkpoints say of it. Durable when it resolves. */
export async function removeTopicFolders(files: FileSystem, folder: string, random: Random, topic: TopicEntry): Promise<void> {
  for (let partition = 0; partition < topic.partitions; partition++) {
    const path = files.join(folder, partitionFolderName(topic.name, partition))
    if (!isFolderOf(files, path, topic)) continue
    const unique = Buffer.from(newUuid(random)).toString('hex')
    files.renameSync(path, files.join(folder, deletedFolderName(topic.name, partition, unique)))
  }
  if (files.durable) await files.syncFolder(folder)
  await forgetInCheckpoints(files, folder, topic.name)
  await removeLeavingFolders(files, folder)
}

/** Removes folders that are on their way out: of topics that we deleted, or a broker that had the folder. */
export async function removeLeavingFolders(files: FileSystem, folder: string): Promise<void> {
  for (const name of files.listSync(folder)) {
    if (parseLeavingFolderName(name)?.suffix === 'delete') await files.remove(files.join(folder, name))
  }
}

/** Whether there is a folder at `path` that is none of another topic with the same name. */
function isFolderOf(files: FileSystem, path: string, { id }: TopicEntry): boolean {
  if (files.statSync(path)?.kind !== 'folder') return false
  const metadata = files.join(path, PARTITION_METADATA_FILE)
  try {
    const bytes = readFileSync(files, metadata, MAX_METADATA_BYTES)
    return bytes === undefined || Buffer.compare(parsePartitionMetadata(bytes, metadata), id) === 0
  } catch (error) {
    if (isLogError(error, 'LOG_FILE_CORRUPT')) return true
    throw error
  }
}
