/*
 * What an open does with the folder of a log before anything in it is used: sees that it is one, makes it, and says in it that it is written to.
 */
import { LogError } from '../base/errors.ts'
import { type FileStat, type FileSystem } from '../files/file-system.ts'
import { createFolderDurably, writeFileAtomically } from '../files/write-fully.ts'
import { CLEAN_SHUTDOWN_FILE } from '../format/clean-shutdown.ts'
import { encodeMetaProperties, META_PROPERTIES_FILE } from '../format/meta-properties.ts'
import { newUuid, uuidText } from '../format/uuid.ts'
import { CleanerCheckpoint } from '../log/cleaner-checkpoint.ts'
import { type Mark } from '../log/mark.ts'
import { type CatalogState, readCatalog, type TopicEntry, writeCatalog } from './catalog.ts'
import { type CoreOptions } from './log-core.ts'
import { type FolderContents, inspectFolder, type KafkaState, unknownTopics, withSystemErrors } from './log-folder.ts'
import { removeLeavingFolders, removeTopicFolders } from './topic-deletion.ts'

/** Makes the folder, or sees that it may be written in, before anything of ours is put there. */
export async function prepareFolder(options: CoreOptions): Promise<void> {
  const { files, folder, create } = options
  const stat = files.statSync(folder)
  if (stat !== undefined) checkOurs(files, folder, stat)
  else if (create) await createFolderDurably(files, folder)
  else throw noLog(folder)
}

/** A catalog that can be read makes a folder a log's. Without one all of it is looked through. */
function checkOurs(files: FileSystem, folder: string, { kind }: FileStat): void {
  if (kind === 'folder' && withSystemErrors(folder, () => readCatalog(files, folder)) !== undefined) return
  inspectFolder(files, folder)
}

/** An empty folder is no log, unless it is to become one. */
export function checkThere(folder: string, contents: FolderContents, kafka: KafkaState): void {
  if (contents.catalog === undefined && contents.topics.length === 0 && kafka.meta === undefined) throw noLog(folder)
}

/** The catalog as it is, with the topics that it does not know yet; a new one for a folder without. */
export function catalogOf(options: CoreOptions, contents: FolderContents, kafka: KafkaState): CatalogState {
  const { files, folder, clock, random } = options
  const now = clock.now()
  // Beside a writer folders without a topic are those of one that it is just making.
  const making = options.readOnly && contents.catalog !== undefined && files.lockHolderSync(folder) !== undefined
  const found = making ? [] : unknownTopics(files, folder, contents, { now, random })
  if (contents.catalog !== undefined) {
    const kept = contents.catalog.topics.filter(({ deleting }) => deleting !== true)
    return { ...contents.catalog, topics: [...kept, ...found] }
  }
  return { clusterId: kafka.meta?.clusterId ?? uuidText(newUuid(random)), nodeId: kafka.meta?.nodeId ?? 1, createdAt: now, topics: found }
}

/** Writes what a folder of ours has and this one has not yet, and takes away what is not true any more once we write. */
export async function settleFolder(
  options: CoreOptions, contents: FolderContents, kafka: KafkaState, catalog: CatalogState, mark: Mark,
): Promise<void> {
  const { files, folder } = options
  if (kafka.meta === undefined) await writeMeta(options, catalog)
  // Deletions of topics that were interrupted are finished before the catalog forgets them.
  const deleted = contents.catalog?.topics.filter(({ deleting }) => deleting === true) ?? []
  if (deleted.length > 0) await finishDeletions(options, deleted)
  await removeLeavingFolders(files, folder)
  if (deleted.length > 0 || contents.catalog?.topics.length !== catalog.topics.length) await writeCatalog(files, folder, catalog)
  const cleanShutdown = files.join(folder, CLEAN_SHUTDOWN_FILE)
  if (files.statSync(cleanShutdown) !== undefined) leaveCleanShutdown(files, folder, cleanShutdown, mark)
}

async function writeMeta({ files, folder, random }: CoreOptions, { clusterId, nodeId }: CatalogState): Promise<void> {
  const meta = encodeMetaProperties({ clusterId, nodeId, directoryId: uuidText(newUuid(random)) })
  await writeFileAtomically(files, files.join(folder, META_PROPERTIES_FILE), meta)
}

async function finishDeletions({ files, folder, random }: CoreOptions, deleted: readonly TopicEntry[]): Promise<void> {
  for (const topic of deleted) {
    await removeTopicFolders(files, folder, random, topic)
    await new CleanerCheckpoint(files, folder).forget(topic.name)
  }
}

/** Durable before anything is written; who only reads until then does not wait. */
function leaveCleanShutdown(files: FileSystem, folder: string, path: string, mark: Mark): void {
  files.removeSync(path)
  if (!files.durable) return
  let tried = false
  mark.readyWith(async () => {
    // What a failed sync was to store it may never store: it is done again.
    if (tried) {
      files.openSync(path, 'create').closeSync()
      files.removeSync(path)
    }
    tried = true
    await files.syncFolder(folder)
  })
}

function noLog(folder: string): LogError {
  return new LogError('LOG_NOT_FOUND', `there is no log in ${folder}`, { path: folder })
}
