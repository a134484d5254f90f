/*
 * A copy of a log at one moment, also while a writer in another process goes on: of each partition what consumers could see when it was
 * copied. The copy is a folder like any other, with two differences that are on purpose:
 *
 * - room ahead and torn tails are cut off, and the indexes are made again;
 * - each partition begins a new leader epoch at its end: whoever appends to the copy makes another history than the original's, and what
 *   was derived from the original can tell. For the rest the copy looks as if it had been closed in good order.
 *
 * It is built beside its target and renamed when it is whole and checked, so the target is there whole or not at all. A restore is a copy
 * in the other direction.
 */
import { type Clock } from '../base/clock.ts'
import { isLogError, LogError } from '../base/errors.ts'
import { type Random } from '../base/random.ts'
import { type FileHandle, type FileSystem } from '../files/file-system.ts'
import { createFolderDurably, folderOf, readFileSync, readFully, writeFileAtomically, writeFully } from '../files/write-fully.ts'
import { partitionOffsetFiles } from '../format/checkpoint-file.ts'
import { CLUSTER_SETTINGS_FILE } from '../format/cluster-settings.ts'
import { encodeLeaderEpochs, LEADER_EPOCH_FILE, parseLeaderEpochs } from '../format/leader-epoch-checkpoint.ts'
import { encodeLogStart, LOG_START_FILE } from '../format/log-start.ts'
import { META_PROPERTIES_FILE } from '../format/meta-properties.ts'
import { partitionFolderName, snapshotFileName } from '../format/names.ts'
import { encodePartitionMetadata, PARTITION_METADATA_FILE } from '../format/partition-metadata.ts'
import { decodeProducerSnapshot } from '../format/producer-snapshot.ts'
import { decodeTxnIndex, encodeTxnIndexEntry } from '../format/txn-index-entry.ts'
import { uuidText } from '../format/uuid.ts'
import { Epochs } from '../log/epochs.ts'
import { type Finding } from '../log/findings.ts'
import { planFolder } from '../log/folder-plan.ts'
import { Mark, type MarkState } from '../log/mark.ts'
import { hintedLogStart } from '../log/retention.ts'
import { scanBatches } from '../log/scan.ts'
import { Segment } from '../log/segment.ts'
import { segmentFiles, type SegmentFiles } from '../log/segment-files.ts'
import { type Leg, planLegs, type SegmentLegs } from '../log/segment-legs.ts'
import { CATALOG_FILE, type CatalogState, encodeCatalog } from './catalog.ts'
import { asLogError } from './log-folder.ts'
import { resolveSettings } from './settings.ts'
import { toolEnvironment } from './tool-environment.ts'
import { allFindings, findLog, type FoundLog, type FoundPartition, type LogReport, verifyLog, wasCut } from './verify-log.ts'

const COPY_BYTES = 1024 * 1024
const MAX_FILE_BYTES = 256 * 1024 * 1024
/** A partition that is cut while it is copied is copied again, so many times. */
const ATTEMPTS = 5

/** How to copy. */
export interface CopyLogOptions {
  readonly clock: Clock
  readonly random: Random
  /** Check every batch of the copy before it gets its name. False copies damage too, as it is. Default true. */
  readonly check?: boolean
  readonly signal?: AbortSignal
  /** The catalog of the copy. Default: that of the original. */
  readonly catalog?: CatalogState
  /** Called now and then with bytes copied and bytes to copy. */
  readonly onProgress?: ((done: number, total: number) => void) | undefined
}

/** What was copied. */
export interface CopyReport {
  readonly partitions: readonly CopiedPartition[]
  /** What the check of the copy found; undefined without one. */
  readonly checked: LogReport | undefined
}

/** What of a partition was copied. */
export interface CopiedPartition {
  readonly topic: string
  readonly partition: number
  readonly nextOffset: number
  /** Bytes of `.log` files. */
  readonly bytes: number
}

/**
 * Copies the log in `folder` to `target`, which must not exist, or be an empty folder.
 *
 * @throws LogError `LOG_NOT_A_LOG` when there is something at `target`; `LOG_CORRUPT` when the copy has damage in it, which it then got from
 *   the original; `LOG_NOT_FOUND`, `LOG_ACCESS_DENIED`, `LOG_DISK_FULL`. The reason of `signal`. Nothing is left behind then
 */
export async function copyLog(files: FileSystem, folder: string, target: string, options: CopyLogOptions): Promise<CopyReport> {
  const original = findLog(files, folder, { clock: options.clock })
  const found = { ...original, catalog: options.catalog ?? original.catalog }
  checkTarget(files, target)
  // What is damaged beside the partitions, the catalog for one, is not copied, and so the copy would not show it.
  if (options.check !== false) refuseDamage(found.findings)
  const building = `${target}.partial-${uuidText(options.random.bytes(16)).slice(0, 8)}`
  try {
    await createFolderDurably(files, building)
    const partitions = await new Copying(files, folder, building, options).run(found)
    const checked = options.check === false ? undefined : await check(files, { folder, building }, options)
    if (files.statSync(target) !== undefined) await files.remove(target)
    files.renameSync(building, target)
    if (files.durable) await files.syncFolder(folderOf(files, target))
    return { partitions, checked }
  } catch (error) {
    await files.remove(building)
    throw asLogError(target, error)
  }
}

function checkTarget(files: FileSystem, target: string): void {
  const stat = files.statSync(target)
  if (stat === undefined || (stat.kind === 'folder' && files.listSync(target).length === 0)) return
  throw new LogError('LOG_NOT_A_LOG', `there is something at ${target} already: a copy is made to a new or empty folder`, { path: target })
}

async function check(
  files: FileSystem, { folder, building }: { readonly folder: string; readonly building: string }, { clock }: CopyLogOptions,
): Promise<LogReport> {
  const report = await verifyLog(files, building, { clock, alone: true })
  refuseDamage(allFindings(report).map((finding) => ({ ...finding, path: finding.path.replace(building, folder) })))
  return report
}

function refuseDamage(findings: readonly Finding[]): void {
  const damage = findings.find(({ kind }) => kind === 'damage')
  if (damage === undefined) return
  const { path, position, reason, message } = damage
  const where = position === undefined ? path : `${path} at position ${position}`
  throw new LogError('LOG_CORRUPT', `the log has damage in it: ${message}, in ${where}`, { path, position, reason })
}

/** A segment, and how much of it belongs to the copy. */
interface Extent {
  readonly baseOffset: number
  readonly names: SegmentFiles
  readonly bytes: number
}

/** The end of a partition at one moment. */
interface Extents {
  readonly segments: readonly Extent[]
  readonly nextOffset: number
}

class Copying {
  readonly #files: FileSystem
  readonly #folder: string
  readonly #building: string
  readonly #options: CopyLogOptions
  readonly #buffer = Buffer.allocUnsafe(COPY_BYTES)
  #done = 0
  #total = 0

  constructor(files: FileSystem, folder: string, building: string, options: CopyLogOptions) {
    this.#files = files
    this.#folder = folder
    this.#building = building
    this.#options = options
  }

  async run(found: FoundLog): Promise<CopiedPartition[]> {
    const { clock, random } = this.#options
    this.#total = found.partitions.reduce((sum, { bytes }) => sum + bytes, 0)
    await this.#copyWhole(found)
    const mark = await Mark.open(this.#files, this.#building, clock)
    const env = toolEnvironment(this.#files, this.#building, { clock, random, mark })
    const copied: CopiedPartition[] = []
    try {
      for (const partition of found.partitions) {
        const { extents, epoch, state } = await this.#copyStable(partition, found.writer !== undefined)
        const settings = found.catalog?.topics.find(({ name }) => name === partition.topic)?.settings ?? {}
        const folder = this.#target(partition)
        for (const { baseOffset, bytes } of extents.segments) {
          Segment.open(env, resolveSettings({}, settings), folder, baseOffset, segmentFiles(baseOffset), bytes).rebuildIndexes()
        }
        if (this.#files.durable) await this.#files.syncFolder(folder)
        this.#writeMark(mark, partition, extents, { epoch, producers: state?.producers ?? true })
        copied.push({ ...partition, nextOffset: extents.nextOffset, bytes: extents.segments.reduce((sum, { bytes }) => sum + bytes, 0) })
      }
    } finally {
      env.openFiles.closeAll()
      await mark.close()
    }
    if (this.#files.durable) await this.#files.syncFolder(this.#building)
    return copied
  }

  /** The files of the log as a whole. What Kafka says of recovery points and watermarks is said by the mark of the copy. */
  async #copyWhole({ catalog }: FoundLog): Promise<void> {
    for (const name of [META_PROPERTIES_FILE, partitionOffsetFiles.logStart, CLUSTER_SETTINGS_FILE]) {
      const bytes = readFileSync(this.#files, this.#files.join(this.#folder, name), MAX_FILE_BYTES)
      if (bytes !== undefined) await this.#write(this.#files.join(this.#building, name), bytes)
    }
    if (catalog !== undefined) await this.#write(this.#files.join(this.#building, CATALOG_FILE), encodeCatalog(catalog))
  }

  #write(path: string, bytes: Uint8Array): Promise<void> {
    return writeFileAtomically(this.#files, path, bytes)
  }

  #target({ topic, partition }: FoundPartition): string {
    return this.#files.join(this.#building, partitionFolderName(topic, partition))
  }

  /** Copies a partition; again when the writer cut it meanwhile. */
  async #copyStable(partition: FoundPartition, following: boolean): Promise<{ extents: Extents; epoch: number; state: MarkState | undefined }> {
    for (let attempt = 1; ; attempt++) {
      const state = this.#state(partition)
      try {
        const extents = extentsOf(this.#files, partition, state, following)
        const epoch = await this.#copyPartition(partition, extents, state)
        if (!following || !wasCut(state, this.#state(partition))) return { extents, epoch, state }
      } catch (error) {
        // A file that goes while it is read, or ends early: what a cut looks like from here.
        if (!following || !wasCut(state, this.#state(partition)) || attempt === ATTEMPTS) throw error
      }
      const path = partition.folder
      if (attempt === ATTEMPTS) throw new LogError('LOG_IO', `${path} was cut ${ATTEMPTS} times while it was copied`, { path })
      await this.#files.remove(this.#target(partition))
    }
  }

  #state({ topicId, partition }: FoundPartition): MarkState | undefined {
    return topicId === undefined ? undefined : Mark.openReadOnly(this.#files, this.#folder, this.#options.clock).slot(topicId, partition).state
  }

  /** Copies the files of a partition and gives the leader epoch that begins at the end of the copy. */
  async #copyPartition(partition: FoundPartition, { segments, nextOffset }: Extents, state: MarkState | undefined): Promise<number> {
    const { folder, topicId } = partition
    const target = this.#target(partition)
    await createFolderDurably(this.#files, target)
    if (topicId !== undefined) await this.#write(this.#files.join(target, PARTITION_METADATA_FILE), encodePartitionMetadata(topicId))
    const start = hintedLogStart(this.#files, folder)
    if (start > 0) await this.#write(this.#files.join(target, LOG_START_FILE), encodeLogStart(start))
    for (const { baseOffset, names, bytes } of segments) {
      const own = segmentFiles(baseOffset)
      await this.#copyBytes(this.#files.join(folder, names.log), this.#files.join(target, own.log), bytes)
      await this.#copyTxnIndex(this.#files.join(folder, names.txnIndex), this.#files.join(target, own.txnIndex), baseOffset, nextOffset)
    }
    for (const { name, offset } of planFolder(this.#files, folder, start, state).snapshots) {
      const bytes = offset > nextOffset ? undefined : wholeSnapshot(this.#files, this.#files.join(folder, name))
      if (bytes !== undefined) await this.#write(this.#files.join(target, snapshotFileName(offset)), bytes)
    }
    return this.#copyEpochs(folder, target, nextOffset, state)
  }

  async #copyBytes(from: string, to: string, size: number): Promise<void> {
    const source = this.#files.openSync(from, 'read')
    try {
      const target = this.#files.openSync(to, 'create')
      try {
        await this.#copyContents(source, target, size)
        if (this.#files.durable) await target.sync()
      } finally {
        target.closeSync()
      }
    } finally {
      source.closeSync()
    }
  }

  async #copyContents(source: FileHandle, target: FileHandle, size: number): Promise<void> {
    for (let position = 0; position < size; ) {
      this.#options.signal?.throwIfAborted()
      const count = await readFully(source, this.#buffer, 0, Math.min(COPY_BYTES, size - position), position)
      if (count === 0) throw new LogError('LOG_CORRUPT', `${source.path} ends at ${position}, and not at ${size}`, { path: source.path, position })
      await writeFully(target, this.#buffer, 0, count, position)
      position += count
      this.#options.onProgress?.((this.#done += count), this.#total)
    }
  }

  /** Unlike the other indexes this one cannot be made again from the log alone: compaction may have taken what it speaks of. */
  async #copyTxnIndex(from: string, to: string, baseOffset: number, nextOffset: number): Promise<void> {
    const bytes = readFileSync(this.#files, from, MAX_FILE_BYTES)
    if (bytes === undefined) return
    const entries = decodeTxnIndex(bytes, baseOffset, from).filter(({ lastOffset }) => lastOffset < nextOffset)
    if (entries.length > 0) await this.#write(to, Buffer.concat(entries.map(encodeTxnIndexEntry)))
  }

  async #copyEpochs(folder: string, target: string, nextOffset: number, state: MarkState | undefined): Promise<number> {
    const path = this.#files.join(folder, LEADER_EPOCH_FILE)
    const bytes = readFileSync(this.#files, path, MAX_FILE_BYTES)
    const epochs = new Epochs(bytes === undefined ? [] : parseLeaderEpochs(bytes, path))
    epochs.truncateFromEnd(nextOffset + 1)
    const epoch = Math.max(epochs.latest?.epoch ?? -1, state?.epoch ?? -1) + 1
    epochs.assign(epoch, nextOffset)
    await this.#write(this.#files.join(target, LEADER_EPOCH_FILE), encodeLeaderEpochs(epochs.entries))
    return epoch
  }

  #writeMark(
    mark: Mark, { topicId, partition }: FoundPartition, { segments, nextOffset }: Extents, says: Pick<MarkState, 'epoch' | 'producers'>,
  ): void {
    const last = segments.at(-1)
    if (topicId === undefined || last === undefined) return
    mark.slot(topicId, partition).write({
      ...says, baseOffset: last.baseOffset, position: last.bytes, syncedOffset: nextOffset, watermark: nextOffset, closed: true,
    })
  }
}

/** A damaged snapshot is no loss: producers are then known from an older one and the log. */
function wholeSnapshot(files: FileSystem, path: string): Buffer | undefined {
  try {
    const bytes = readFileSync(files, path, MAX_FILE_BYTES)
    if (bytes !== undefined) decodeProducerSnapshot(bytes, path)
    return bytes
  } catch (error) {
    if (isLogError(error, 'LOG_FILE_CORRUPT')) return undefined
    throw error
  }
}

/** How much of each segment consumers can see at this moment. */
function extentsOf(files: FileSystem, { folder, foreign }: FoundPartition, state: MarkState | undefined, following: boolean): Extents {
  const end = following ? (state?.watermark ?? 0) : Infinity
  const { segments } = planLegs(files, folder, planFolder(files, folder, hintedLogStart(files, folder), state), { state, foreign, following: false })
  const extents: Extent[] = []
  let nextOffset = segments[0]?.baseOffset ?? 0
  for (const segment of segments) {
    // We begin a segment where the one before ends; one that does not follow was never acknowledged.
    const follows = segment.certain || foreign !== undefined || segment.baseOffset === nextOffset
    if (!follows || (extents.length > 0 && segment.baseOffset > end)) break
    const found = endOf(files, folder, segment, end)
    extents.push({ baseOffset: segment.baseOffset, names: segment.files, bytes: found.bytes })
    nextOffset = Math.max(found.nextOffset, segment.baseOffset)
    if (!found.whole) break
  }
  return { segments: extents, nextOffset }
}

/** Where a segment, or a leg of it, ends for the copy; `whole`: the next one belongs to it too. */
interface FoundEnd {
  readonly bytes: number
  readonly nextOffset: number
  readonly whole: boolean
}

function endOf(files: FileSystem, folder: string, segment: SegmentLegs, end: number): FoundEnd {
  let found: FoundEnd = { bytes: 0, nextOffset: segment.baseOffset, whole: true }
  const file = files.openSync(files.join(folder, segment.files.log), 'read')
  try {
    for (const leg of segment.legs) {
      const known = leg.certain && leg.endOffset !== Infinity
      found = known ? { bytes: leg.to, nextOffset: leg.endOffset, whole: true } : scanLeg(file, leg, found.nextOffset, end)
      if (!found.whole) break
    }
  } finally {
    file.closeSync()
  }
  return found
}

/** The batches of a leg up to an offset, and up to where they are whole unless all of it is certain. */
function scanLeg(file: FileHandle, leg: Leg, startOffset: number, end: number): FoundEnd {
  let nextOffset = startOffset
  let position = leg.from
  const { reason } = scanBatches(file, { from: leg.from, to: leg.to, checkCrc: !leg.certain, minOffset: startOffset }, (header, at) => {
    if (header.lastOffset >= end) return false
    nextOffset = header.lastOffset + 1
    position = at + header.size
    return true
  })
  if (leg.certain) return { bytes: leg.to, nextOffset, whole: true }
  return { bytes: position, nextOffset, whole: (reason === 'end' && position === leg.to) || reason === 'zeros' }
}
