/*
 * A log in memory as it was at one moment, to go back to or to begin others from. It shares every byte with the log that it was taken of, until
 * one of them writes. What is taken is closed in good order, so that nothing of it is read when it is opened: it costs its files, not its bytes.
 */
import { MemoryFileSystem } from '../../files/memory.ts'
import { encodePartitionMetadata, PARTITION_METADATA_FILE } from '../../format/partition-metadata.ts'
import { partitionFolderName } from '../../format/names.ts'
import { newUuid } from '../../format/uuid.ts'
import { writeFileAtomically } from '../../files/write-fully.ts'
import { type Random } from '../../base/random.ts'
import { readCatalog, type TopicEntry, writeCatalog } from '../../topics/catalog.ts'
import { CommitLog, type MemoryLogOptions } from '../../topics/commit-log.ts'
import { TRANSACTIONS_TOPIC } from '../../topics/internal-topics.ts'
import { type LogCore } from '../../topics/log-core.ts'
import { presentLogs } from '../../topics/topic-core.ts'
import { evictAll } from './group-hands.ts'

/** A log that is always written to cannot be taken a picture of. */
const MOST_FLUSHES = 1000
/** Where logs in memory lie. */
export const IMAGE_FOLDER = '/memory'

/** Takes a picture of a log in memory. */
export async function imageOf(core: LogCore, files: MemoryFileSystem): Promise<MemoryFileSystem> {
  for (let attempt = 0; attempt < MOST_FLUSHES; attempt++) {
    await core.flush()
    const open = core.openTopics.flatMap(presentLogs).filter(({ state }) => state === 'open')
    if (open.some((log) => log.nextOffset !== log.durableOffset)) continue
    // In one turn from here on: nothing comes between.
    for (const log of open) log.settleForCopy()
    return files.fork()
  }
  throw new Error(`the log was written to all the time, while ${MOST_FLUSHES} times it was tried to take a picture of it`)
}

/**
 * Opens a log from a picture, which stays as it is. Groups are without members: those that there were belong to another log.
 *
 * @param before  the log whose place it takes for its clients: topics that both have keep their ids and get new epochs, others get new ids
 */
export async function openImage(
  image: MemoryFileSystem, options: MemoryLogOptions & { readonly random: Random }, before: LogCore | undefined,
): Promise<{ readonly log: CommitLog; readonly files: MemoryFileSystem }> {
  const files = image.fork()
  if (before !== undefined) await continueFrom(before, files, options.random)
  const log = await CommitLog.memory({ ...options, files })
  const { core } = log
  for (const { name } of core.topics) await core.existingTopic(name)
  await settleTransactions(core, before)
  if (before !== undefined) await raiseEpochs(core, before)
  await evictAll(core)
  return { log, files }
}

/** Clients that knew the log before must not mistake anything of this one: ids of topics that were made anew, and ids of producers. */
async function continueFrom(before: LogCore, files: MemoryFileSystem, random: Random): Promise<void> {
  const catalog = readCatalog(files, IMAGE_FOLDER)!
  const { nextProducerId = 0n } = readCatalog(before.env.files, before.folder) ?? {}
  const topics = catalog.topics.map((entry) => (knows(before, entry) ? entry : { ...entry, id: newUuid(random) }))
  const anew = topics.filter((entry, index) => entry !== catalog.topics[index])
  for (const { name, partitions, id } of anew) {
    for (let partition = 0; partition < partitions; partition++) {
      const path = files.join(IMAGE_FOLDER, partitionFolderName(name, partition), PARTITION_METADATA_FILE)
      await writeFileAtomically(files, path, encodePartitionMetadata(id))
    }
  }
  const larger = nextProducerId > (catalog.nextProducerId ?? 0n) ? { nextProducerId } : {}
  if (anew.length > 0 || 'nextProducerId' in larger) await writeCatalog(files, IMAGE_FOLDER, { ...catalog, ...larger, topics })
}

/**
 * What was open in the picture is aborted, and producers that knew the log before go on: those with a transactional id have theirs still, and the
 * numbers of their batches may be any, since what they sent meanwhile is gone.
 */
async function settleTransactions(core: LogCore, before: LogCore | undefined): Promise<void> {
  const holders = before?.hasTransactions === true ? before.transactions.holders : []
  if (holders.length > 0 || core.topics.some(({ name }) => name === TRANSACTIONS_TOPIC)) await core.transactions.adopt(holders)
  if (before === undefined) return
  for (const log of core.openTopics.flatMap(presentLogs)) log.expireProducers(Infinity)
}

/** What clients know of leaders is of the log before: they look anew. */
async function raiseEpochs(core: LogCore, before: LogCore): Promise<void> {
  const known = new Map(before.openTopics.map((topic) => [topic.entry.name, topic]))
  await Promise.all(core.openTopics.flatMap(({ entry, logs }) => logs.map(async (log, partition) => {
    if (knows(before, entry)) await log?.beginEpoch((known.get(entry.name)?.logs[partition]?.leaderEpoch ?? log.leaderEpoch) + 1)
  })))
}

function knows({ topics }: LogCore, { name, id }: TopicEntry): boolean {
  return topics.some((topic) => topic.name === name && Buffer.compare(topic.id, id) === 0)
}
