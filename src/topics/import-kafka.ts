/*
 * A copy of a folder that a Kafka broker wrote, closed in good order or not, as a log of ours: its partitions as backup.ts copies them, with
 * what `__cluster_metadata` says of them in the catalog. The broker's folder is only read. What was committed by groups and what transactions
 * left open lies in Kafka's own topics, which are copied like all others: the coordinators find it there.
 */
import { LogError } from '../base/errors.ts'
import { type FileSystem } from '../files/file-system.ts'
import { newUuid, uuidText } from '../format/uuid.ts'
import { copyLog, type CopyLogOptions, type CopyReport } from './backup.ts'
import { type TopicEntry } from './catalog.ts'
import { settingFromText, settingNamed } from './kafka-settings.ts'
import { type ClusterMetadata, type MetadataTopic, readClusterMetadata } from './kafka-metadata.ts'
import { inspectFolder, readKafkaState, unknownTopics } from './log-folder.ts'
import { producerIdsSeen } from './producer-ids.ts'
import { type TopicSettings } from './settings.ts'

/** What was imported. */
export interface ImportReport extends CopyReport {
  /** Whether the broker's metadata was there: without it topics have no settings of their own. */
  readonly metadata: boolean
  /** Settings that mean nothing here, or that cannot be: Kafka's names and values. */
  readonly ignored: readonly { readonly topic: string; readonly name: string; readonly value: string }[]
  /** Topics that the metadata names and of which the folder has no partition: they are on other brokers. */
  readonly elsewhere: readonly string[]
}

/**
 * Copies the folder of a Kafka broker to a new log in `target`, which must not exist, or be an empty folder. The broker must not run: nothing
 * here can tell whether it does.
 *
 * @throws LogError `LOG_NOT_A_LOG` for a folder that is a log of ours already, or holds nothing of Kafka's, and when there is something at
 *   `target`; `LOG_CORRUPT`, `LOG_NOT_FOUND`, `LOG_ACCESS_DENIED`, `LOG_DISK_FULL`, `LOG_VERSION_UNSUPPORTED`. The reason of `signal`. Nothing is
 *   left behind then
 */
export async function importKafka(files: FileSystem, folder: string, target: string, options: CopyLogOptions): Promise<ImportReport> {
  const { clock, random } = options
  const contents = inspectFolder(files, folder)
  if (contents.catalog !== undefined) {
    throw new LogError('LOG_NOT_A_LOG', `${folder} is a log of commitlog: open it, or copy it with backup`, { path: folder })
  }
  if (contents.topics.length === 0) {
    throw new LogError('LOG_NOT_A_LOG', `${folder} holds no partitions of a Kafka broker`, { path: folder, reason: 'no-partitions' })
  }
  const metadata = readClusterMetadata(files, folder)
  const ignored: { topic: string; name: string; value: string }[] = []
  const now = clock.now()
  const topics = unknownTopics(files, folder, contents, { now, random }).map((entry) => {
    const known = metadata?.topics.find(({ id, name }) => id === uuidText(entry.id) && name === entry.name)
    return known === undefined ? entry : entryOf(entry, known, (name, value) => ignored.push({ topic: entry.name, name, value }))
  })
  const { meta } = readKafkaState(files, folder)
  const catalog = {
    clusterId: meta?.clusterId ?? uuidText(newUuid(random)), nodeId: meta?.nodeId ?? 1, createdAt: now, topics,
    ...(metadata !== undefined && { nextProducerId: producerIdsSeen(files, folder, topics, [metadata.nextProducerId - 1n]) }),
  }
  const copied = await copyLog(files, folder, target, { ...options, catalog })
  return { ...copied, metadata: metadata !== undefined, ignored, elsewhere: elsewhere(metadata, topics) }
}

function entryOf(entry: TopicEntry, { partitions, settings }: MetadataTopic, ignore: (name: string, value: string) => void): TopicEntry {
  let own: TopicSettings = entry.settings
  for (const [name, value] of settings) {
    const setting = settingOf(name, value)
    if (setting === undefined) ignore(name, value)
    else own = { ...own, ...setting }
  }
  const count = Math.max(entry.partitions, partitions)
  const missing = Array.from({ length: count - entry.partitions }, (_, index) => entry.partitions + index)
  return { ...entry, partitions: count, absent: [...entry.absent, ...missing], settings: own }
}

function settingOf(name: string, value: string): TopicSettings | undefined {
  if (settingNamed(name) === undefined) return undefined
  try {
    return settingFromText(name, value, 'a topic of Kafka\'s')
  } catch (error) {
    if (error instanceof RangeError || error instanceof TypeError) return undefined
    throw error
  }
}

function elsewhere(metadata: ClusterMetadata | undefined, topics: readonly TopicEntry[]): string[] {
  const here = new Set(topics.map(({ name }) => name))
  return (metadata?.topics ?? []).map(({ name }) => name).filter((name) => !here.has(name))
}
