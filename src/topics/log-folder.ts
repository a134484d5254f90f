/*
 * What lies in the folder of a log, looked at before anything is opened: is it a log at all, ours or one that Kafka wrote, which partitions
 * are there, and what Kafka's files beside them say. Changes nothing.
 */
import { isLogError, LogError } from '../base/errors.ts'
import { type Random } from '../base/random.ts'
import { type FileSystem } from '../files/file-system.ts'
import { systemCode } from '../files/system-error.ts'
import { readFileSync } from '../files/write-fully.ts'
import { parsePartitionOffsets, partitionOffsetFiles } from '../format/checkpoint-file.ts'
import { CLEAN_SHUTDOWN_FILE } from '../format/clean-shutdown.ts'
import { META_PROPERTIES_FILE, type MetaProperties, parseMetaProperties } from '../format/meta-properties.ts'
import { parseFileName, parsePartitionFolderName, partitionFolderName } from '../format/names.ts'
import { parsePartitionMetadata, PARTITION_METADATA_FILE } from '../format/partition-metadata.ts'
import { newUuid } from '../format/uuid.ts'
import { type ForeignState } from '../log/open-partition.ts'
import { type CatalogState, readCatalog, type TopicEntry } from './catalog.ts'

const MAX_SIDE_FILE_BYTES = 64 * 1024 * 1024

/** The metadata log of a KRaft controller: not a topic. */
const CLUSTER_METADATA = '__cluster_metadata'

/** Topics of Kafka's own, which are compacted whatever a folder says. */
const internalTopics = ['__consumer_offsets', '__transaction_state', '__share_group_state']

/** Our files that may be there before the catalog is: after a crash of the very first open. */
const ourFirstFiles = /^(?:commitlog\.|mark-[ab]$|meta\.properties)/

/** What is put into the folder of a partition first, and what that was before it was whole. */
const firstFiles = [PARTITION_METADATA_FILE, `${PARTITION_METADATA_FILE}.tmp`]

/** A topic found by its folders. */
interface FoundTopic {
  readonly name: string
  /** Numbers of the partitions that have a folder, rising. */
  readonly partitions: readonly number[]
}

/** What is in a folder. */
export interface FolderContents {
  /** Undefined for a new log, and for one that Kafka wrote. */
  readonly catalog: CatalogState | undefined
  readonly topics: readonly FoundTopic[]
}

/**
 * Looks into `folder`.
 *
 * @throws LogError `LOG_NOT_FOUND`, `LOG_NOT_A_LOG` for a file and for a folder that holds other things, `LOG_ACCESS_DENIED`, `LOG_CORRUPT` when
 *   a partition of the catalog has no folder, and those of {@link readCatalog}
 */
export function inspectFolder(files: FileSystem, folder: string): FolderContents {
  return withSystemErrors(folder, () => {
    const stat = files.statSync(folder)
    if (stat === undefined) throw new LogError('LOG_NOT_FOUND', `there is no folder ${folder}`, { path: folder })
    if (stat.kind !== 'folder') throw notALog(folder, 'it is a file', { reason: 'not-a-folder' })
    // The catalog first: beside a writer, the folders of each topic that it names are there already.
    const catalog = readCatalog(files, folder)
    const names = files.listSync(folder)
    const leaving = new Set(catalog?.topics.filter(({ deleting }) => deleting === true).map(({ name }) => name))
    const topics = foundTopics(files, folder, names, catalog).filter(({ name }) => !leaving.has(name))
    if (catalog !== undefined) checkComplete(folder, catalog, topics)
    else if (topics.length === 0) checkNotForeign(folder, names)
    return { catalog, topics }
  })
}

/** The topics that have folders and that the catalog does not know: those of Kafka, and those whose creation a crash interrupted. */
export function unknownTopics(
  files: FileSystem, folder: string, contents: FolderContents, options: { readonly now: number; readonly random: Random },
): TopicEntry[] {
  const known = new Set(contents.catalog?.topics.map((topic) => topic.name))
  const unknown = contents.topics.filter(({ name }) => !known.has(name))
  return unknown.length === 0 ? [] : adopted(files, folder, contents, unknown, options)
}

function adopted(
  files: FileSystem, folder: string, contents: FolderContents, unknown: readonly FoundTopic[],
  { now, random }: { readonly now: number; readonly random: Random },
): TopicEntry[] {
  const found = contents.catalog === undefined ? unknown : unknown.map((topic) => madeSoFar(files, folder, topic))
  return found.filter(({ partitions }) => partitions.length > 0).map(({ name, partitions }) => ({
    name,
    id: topicIdOf(files, folder, name, partitions) ?? newUuid(random),
    partitions: partitions.at(-1)! + 1,
    key: undefined,
    value: undefined,
    settings: internalTopics.includes(name) ? { cleanupPolicy: 'compact' } : {},
    createdAt: now,
    adopted: true,
    absent: Array.from({ length: partitions.at(-1)! }, (_, partition) => partition).filter((partition) => !partitions.includes(partition)),
  }))
}

/** What Kafka's files beside the partition folders say. */
export interface KafkaState {
  readonly meta: MetaProperties | undefined
  /** Of one partition, for `PartitionLog.open`. */
  foreign(topic: string, partition: number): ForeignState
  /** Offset below which records were deleted on request; undefined when none were. */
  logStart(topic: string, partition: number): number | undefined
}

/**
 * Reads Kafka's files in `folder`, of which any may be missing. Its recovery points are only a hint: a damaged file counts as missing. They
 * are read when they are asked for: our own mark says more of all partitions that it knows.
 */
export function readKafkaState(files: FileSystem, folder: string): KafkaState {
  return withSystemErrors(folder, () => {
    const path = (name: string): string => files.join(folder, name)
    let recoveryPoints: Map<string, number> | undefined
    const logStarts = readOffsets(files, path(partitionOffsetFiles.logStart))
    const clean = files.statSync(path(CLEAN_SHUTDOWN_FILE)) !== undefined
    const meta = readFileSync(files, path(META_PROPERTIES_FILE), MAX_SIDE_FILE_BYTES)
    return {
      meta: meta === undefined ? undefined : parseMetaProperties(meta, path(META_PROPERTIES_FILE)),
      foreign(topic, partition) {
        recoveryPoints ??= hint(() => readOffsets(files, path(partitionOffsetFiles.recoveryPoint))) ?? new Map<string, number>()
        return { clean, recoveryPoint: recoveryPoints.get(`${topic}-${partition}`) ?? 0 }
      },
      logStart: (topic, partition) => logStarts.get(`${topic}-${partition}`),
    }
  })
}

/** Runs `work`; what the system refuses becomes a LogError that names `path`. */
export function withSystemErrors<T>(path: string, work: () => T): T {
  try {
    return work()
  } catch (error) {
    throw asLogError(path, error)
  }
}

/** An error of the system as a LogError; any other as it is. */
export function asLogError(path: string, error: unknown): unknown {
  const code = systemCode(error)
  if (code === undefined) return error
  const { message } = error as Error
  if (['EACCES', 'EPERM', 'EROFS'].includes(code)) return new LogError('LOG_ACCESS_DENIED', `${path} cannot be used: ${message}`, { path }, error)
  if (code === 'EMFILE' || code === 'ENFILE') return new LogError('LOG_TOO_MANY_FILES', `no file descriptor left for ${path}`, { path }, error)
  if (code === 'ENOSPC' || code === 'EDQUOT') return new LogError('LOG_DISK_FULL', `the disk of ${path} is full`, { path }, error)
  if (code === 'ENOTDIR' || code === 'EEXIST') return new LogError('LOG_NOT_A_LOG', `${path} is not a folder: ${message}`, { path }, error)
  return new LogError('LOG_IO', `${path} cannot be used: ${message}`, { path }, error)
}

/** What opening a partition threw, and when that is for want of descriptors, of which partition: a topic takes as many as it has partitions. */
export function asPartitionError(path: string, topic: string, partition: number, error: unknown): unknown {
  const known = asLogError(path, error)
  if (!isLogError(known, 'LOG_TOO_MANY_FILES')) return error
  const message = `no file descriptor left for partition ${partition} of topic "${topic}": each one that is made or written to holds one`
  return new LogError('LOG_TOO_MANY_FILES', message, { path, topic, partition }, known.cause)
}

function foundTopics(files: FileSystem, folder: string, names: readonly string[], catalog: CatalogState | undefined): FoundTopic[] {
  // A folder of a topic that the catalog names is one whatever a power cut left in it.
  const found = new Map<string, number[]>(catalog?.topics.map(({ name }) => [name, []]))
  for (const name of names) {
    const parsed = parsePartitionFolderName(name)
    if (parsed === undefined || parsed.topic === CLUSTER_METADATA || files.statSync(files.join(folder, name))?.kind !== 'folder') continue
    const partitions = found.get(parsed.topic)
    if (partitions !== undefined) partitions.push(parsed.partition)
    else if (looksLikePartition(files, files.join(folder, name))) found.set(parsed.topic, [parsed.partition])
  }
  const there = [...found].filter(([, partitions]) => partitions.length > 0)
  return there.map(([name, partitions]) => ({ name, partitions: partitions.sort((one, other) => one - other) }))
}

/** A folder of somebody else may be called `part-1` too. One of ours that is just being made has nothing, or a part of its first file. */
function looksLikePartition(files: FileSystem, folder: string): boolean {
  const names = files.listSync(folder)
  return names.length === 0 || names.some((name) => firstFiles.includes(name) || parseFileName(name) !== undefined)
}

/**
 * A topic without a record in a folder of ours is one that was just being made. Its folders came in any order: those behind the first that is
 * missing count for nothing, and are made again when somebody asks for the topic.
 */
function madeSoFar(files: FileSystem, folder: string, { name, partitions }: FoundTopic): FoundTopic {
  const unused = partitions.every((partition) => isUnused(files, files.join(folder, partitionFolderName(name, partition))))
  return { name, partitions: unused ? partitions.filter((partition, index) => partition === index) : partitions }
}

function isUnused(files: FileSystem, folder: string): boolean {
  const logs = files.listSync(folder).filter((name) => parseFileName(name)?.kind === 'log')
  return logs.every((name) => files.statSync(files.join(folder, name))?.size === 0)
}

function checkComplete(folder: string, catalog: CatalogState, found: readonly FoundTopic[]): void {
  const folders = new Map(found.map((topic) => [topic.name, topic.partitions]))
  for (const { name, partitions, absent, deleting } of catalog.topics) {
    if (deleting === true) continue
    for (let partition = 0; partition < partitions; partition++) {
      if (folders.get(name)?.includes(partition) === true || absent.includes(partition)) continue
      throw folderMissing(folder, name, partition)
    }
  }
}

function folderMissing(folder: string, topic: string, partition: number): LogError {
  const missing = partitionFolderName(topic, partition)
  return new LogError('LOG_CORRUPT', `the folder ${missing} is missing from ${folder}`, { path: folder, topic, partition, reason: 'missing-folder' })
}

/** What is hidden, such as `.gitkeep` or `.DS_Store`, makes a folder nobody's. */
function checkNotForeign(folder: string, names: readonly string[]): void {
  const others = names.filter((name) => !name.startsWith('.') && name !== 'lost+found' && !ourFirstFiles.test(name) && !isKafkas(name))
  if (others.length === 0) return
  throw notALog(folder, `it holds ${others.slice(0, 3).join(', ')}`, { names: others.slice(0, 10), reason: 'other-contents' })
}

function notALog(folder: string, why: string, detail: Readonly<Record<string, unknown>>): LogError {
  return new LogError('LOG_NOT_A_LOG', `${folder} is no folder of a log: ${why}`, { path: folder, ...detail })
}

function isKafkas(name: string): boolean {
  return name === META_PROPERTIES_FILE || name === 'bootstrap.checkpoint' || name.startsWith(`${CLUSTER_METADATA}-`) ||
    (Object.values(partitionOffsetFiles) as string[]).includes(name)
}

/** All partitions of a topic must agree on its id; folders written by a Kafka before 2.8 have none. */
function topicIdOf(files: FileSystem, folder: string, topic: string, partitions: readonly number[]): Uint8Array | undefined {
  let id: Uint8Array | undefined
  for (const partition of partitions) {
    const path = files.join(folder, partitionFolderName(topic, partition), PARTITION_METADATA_FILE)
    const bytes = readFileSync(files, path, MAX_SIDE_FILE_BYTES)
    if (bytes === undefined) continue
    const found = parsePartitionMetadata(bytes, path)
    if (id !== undefined && Buffer.compare(id, found) !== 0) {
      throw new LogError('LOG_CORRUPT', `${path} has another topic id than the partitions before it`, { path, topic, partition, reason: 'topic-id' })
    }
    id = found
  }
  return id
}

function readOffsets(files: FileSystem, path: string): Map<string, number> {
  const bytes = readFileSync(files, path, MAX_SIDE_FILE_BYTES)
  const entries = bytes === undefined ? [] : parsePartitionOffsets(bytes, path)
  return new Map(entries.map(({ topic, partition, offset }) => [`${topic}-${partition}`, offset]))
}

function hint<T>(read: () => T): T | undefined {
  try {
    return read()
  } catch (error) {
    if (error instanceof LogError && error.code === 'LOG_FILE_CORRUPT') return undefined
    throw error
  }
}
