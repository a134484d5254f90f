/*
 * Checks the whole folder of a log and changes nothing: the catalog, the mark, Kafka's files beside the partitions, and each partition
 * (log/verify.ts). Works beside a living writer, on folders that Kafka wrote, and on folders that do not open any more.
 */
import { type Clock } from '../base/clock.ts'
import { isLogError, LogError } from '../base/errors.ts'
import { type FileSystem, type LockHolder } from '../files/file-system.ts'
import { readFileSync } from '../files/write-fully.ts'
import { parsePartitionOffsets, partitionOffsetFiles } from '../format/checkpoint-file.ts'
import { CLUSTER_SETTINGS_FILE, decodeClusterSettings } from '../format/cluster-settings.ts'
import { META_PROPERTIES_FILE, parseMetaProperties } from '../format/meta-properties.ts'
import { parseFileName, parsePartitionFolderName, partitionFolderName } from '../format/names.ts'
import { parsePartitionMetadata, PARTITION_METADATA_FILE } from '../format/partition-metadata.ts'
import { CleanerCheckpoint } from '../log/cleaner-checkpoint.ts'
import { type Finding, withoutPath } from '../log/findings.ts'
import { damagedSlots, Mark, type MarkState } from '../log/mark.ts'
import { type ForeignState } from '../log/open-partition.ts'
import { type PartitionReport, type VerifyOptions, verifyPartition } from '../log/verify.ts'
import { CATALOG_FILE, type CatalogState, readCatalog } from './catalog.ts'
import { type FolderContents, inspectFolder, type KafkaState, readKafkaState, withSystemErrors } from './log-folder.ts'

const MAX_FILE_BYTES = 64 * 1024 * 1024
/** So often a partition is checked that a living writer cuts again and again. */
const ATTEMPTS = 3

/** What a check of a folder found. */
export interface LogReport {
  readonly folder: string
  /** The living writer beside which the folder was checked: up to what it had synced. */
  readonly writer: LockHolder | undefined
  /** Names of all topics that are there, checked or not. */
  readonly topics: readonly string[]
  readonly partitions: readonly PartitionReport[]
  /** Of the log as a whole; those of partitions are theirs. */
  readonly findings: readonly Finding[]
}

/** What to check. */
export interface VerifyLogOptions {
  readonly clock: Clock
  /** Only this topic. Default: all. */
  readonly topic?: string | undefined
  /** Only the partition of this number. Default: all. */
  readonly partition?: number | undefined
  /** The caller holds the lock: nobody writes. Default false. */
  readonly alone?: boolean
  /** Called now and then with bytes looked at and bytes to look at. */
  readonly onProgress?: ((done: number, total: number) => void) | undefined
}

/** A partition's folder and what the files beside it say. */
export interface FoundPartition {
  readonly topic: string
  readonly partition: number
  readonly folder: string
  /** 16 bytes; undefined when no file tells it. */
  readonly topicId: Uint8Array | undefined
  readonly state: MarkState | undefined
  readonly foreign: ForeignState | undefined
  readonly logStartOffset: number | undefined
  /** Bytes of its `.log` files. */
  /** It is, or was, compacted. */
  readonly compacted: boolean
  readonly bytes: number
}

/** A folder as far as it can be understood. */
export interface FoundLog {
  readonly catalog: CatalogState | undefined
  readonly partitions: readonly FoundPartition[]
  readonly writer: LockHolder | undefined
  readonly findings: readonly Finding[]
}

/**
 * Checks the log in `folder`.
 *
 * @throws LogError `LOG_NOT_FOUND`, `LOG_NOT_A_LOG`, `LOG_ACCESS_DENIED`, `LOG_VERSION_UNSUPPORTED`; damage is not thrown but reported
 */
export async function verifyLog(files: FileSystem, folder: string, options: VerifyLogOptions): Promise<LogReport> {
  const { clock, topic, partition, onProgress, alone = false } = options
  const found = findLog(files, folder, { clock, alone })
  const chosen = found.partitions.filter((one) => (topic ?? one.topic) === one.topic && (partition ?? one.partition) === one.partition)
  const total = chosen.reduce((sum, { bytes }) => sum + bytes, 0)
  let done = 0
  const partitions: PartitionReport[] = []
  for (const one of chosen) {
    partitions.push(await verifyStable(files, folder, one, {
      clock, following: found.writer !== undefined,
      onProgress: (bytes) => onProgress?.((done += bytes), total),
    }))
  }
  const topics = [...new Set(found.partitions.map((one) => one.topic))]
  const findings = [...found.findings, ...checkOffsets(files, folder, partitions)]
  return { folder, writer: found.writer, topics, partitions, findings }
}

/** Checks a partition; again when a living writer cut it meanwhile, which looks like damage. */
async function verifyStable(
  files: FileSystem, folder: string, found: FoundPartition, how: Pick<VerifyOptions, 'clock' | 'following' | 'onProgress'>,
): Promise<PartitionReport> {
  for (let attempt = 1, { state } = found; ; attempt++) {
    const report = await verifyPartition(files, { ...found, ...how, state })
    const { topicId, partition } = found
    if (attempt === ATTEMPTS || !how.following || topicId === undefined || report.findings.every(({ kind }) => kind !== 'damage')) return report
    const now = Mark.openReadOnly(files, folder, how.clock).slot(topicId, partition).state
    if (!wasCut(state, now)) return report
    state = now
  }
}

/**
 * Whether files of a partition changed otherwise than by growing between two words of its mark: a cut lowers the watermark first and begins
 * a new epoch behind; what removes or replaces sealed segments counts up the generation.
 */
export function wasCut(before: MarkState | undefined, now: MarkState | undefined): boolean {
  return (now?.generation ?? 0) !== (before?.generation ?? 0) || now?.epoch !== before?.epoch || (now?.watermark ?? 0) < (before?.watermark ?? 0)
}

/** Whether a report has no damage in it. */
export function isSound(report: LogReport): boolean {
  return allFindings(report).every(({ kind }) => kind !== 'damage')
}

/** The findings of the log and of its partitions. */
export function allFindings(report: LogReport): Finding[] {
  return [...report.findings, ...report.partitions.flatMap(({ findings }) => findings)]
}

/** Looks into a folder as `CommitLog.open` does, but goes on behind damage and reports it. Reads no `.log` file. */
export function findLog(files: FileSystem, folder: string, { clock, alone = false }: Pick<VerifyLogOptions, 'clock' | 'alone'>): FoundLog {
  return withSystemErrors(folder, () => {
    const findings: Finding[] = []
    const tryTo = <T>(path: string, work: () => T): T | undefined => {
      try {
        return work()
      } catch (error) {
        if (!isLogError(error, 'LOG_CORRUPT') && !isLogError(error, 'LOG_FILE_CORRUPT')) throw error
        findings.push(damagedFile(String(error.detail['path'] ?? path), error.message))
        return undefined
      }
    }
    // Before anything else: what the writer rolls or makes from now on lies behind this mark.
    const mark = tryTo(folder, () => Mark.openReadOnly(files, folder, clock))
    const contents = tryTo(folder, () => inspectFolder(files, folder)) ?? foundByName(files, folder)
    const catalog = contents.catalog ?? tryTo(folder, () => readCatalog(files, folder))
    const kafka = tryTo(folder, () => readKafkaState(files, folder))
    tryTo(folder, () => checkClusterSettings(files, folder))
    findings.push(...checkMark(files, folder), ...checkMeta(files, folder, kafka, catalog))
    if (contents.topics.length === 0 && catalog === undefined && kafka?.meta === undefined && findings.length === 0) {
      throw new LogError('LOG_NOT_FOUND', `there is no log in ${folder}`, { path: folder })
    }
    const cleaned = new CleanerCheckpoint(files, folder)
    const partitions = contents.topics.flatMap(({ name, partitions: numbers }) => numbers.map((partition) => {
      const path = files.join(folder, partitionFolderName(name, partition))
      const entry = catalog?.topics.find((topic) => topic.name === name)
      const topicId = entry?.id ?? ownTopicId(files, path)
      const state = topicId === undefined ? undefined : mark?.slot(topicId, partition).state
      const adopted = entry === undefined ? catalog === undefined : entry.adopted
      const foreign = adopted ? (kafka?.foreign(name, partition) ?? { clean: false, recoveryPoint: 0 }) : undefined
      const logStartOffset = kafka?.logStart(name, partition)
      const compacted = (entry?.settings.cleanupPolicy ?? 'delete') !== 'delete' || cleaned.get(name, partition) !== undefined
      return { topic: name, partition, folder: path, topicId, state, foreign, logStartOffset, compacted, bytes: logBytes(files, path) }
    }))
    return { catalog, partitions, writer: alone ? undefined : files.lockHolderSync(folder), findings: withoutRepeats(findings) }
  })
}

function foundByName(files: FileSystem, folder: string): FolderContents {
  const topics = new Map<string, number[]>()
  for (const name of files.listSync(folder)) {
    const parsed = parsePartitionFolderName(name)
    if (parsed === undefined || files.statSync(files.join(folder, name))?.kind !== 'folder') continue
    topics.set(parsed.topic, [...(topics.get(parsed.topic) ?? []), parsed.partition].sort((one, other) => one - other))
  }
  return { catalog: undefined, topics: [...topics].map(([name, partitions]) => ({ name, partitions })) }
}

function ownTopicId(files: FileSystem, folder: string): Uint8Array | undefined {
  const path = files.join(folder, PARTITION_METADATA_FILE)
  try {
    const bytes = readFileSync(files, path, MAX_FILE_BYTES)
    return bytes === undefined ? undefined : parsePartitionMetadata(bytes, path)
  } catch (error) {
    // The partition's own check reports it.
    if (isLogError(error, 'LOG_FILE_CORRUPT')) return undefined
    throw error
  }
}

function logBytes(files: FileSystem, folder: string): number {
  const logs = files.listSync(folder).filter((name) => parseFileName(name)?.kind === 'log')
  return logs.reduce((sum, name) => sum + (files.statSync(files.join(folder, name))?.size ?? 0), 0)
}

function checkMark(files: FileSystem, folder: string): Finding[] {
  return damagedSlots(files, folder).map(({ path, position }) => ({
    kind: 'damage', path, position, reason: 'mark-slot', message: 'the checksum does not fit; an older word of the mark counts',
  }))
}

/** Throws when what Kafka clients set cannot be read. */
function checkClusterSettings(files: FileSystem, folder: string): void {
  const path = files.join(folder, CLUSTER_SETTINGS_FILE)
  const bytes = readFileSync(files, path, MAX_FILE_BYTES)
  if (bytes !== undefined) decodeClusterSettings(bytes, path)
}

/** The ids of the log stand in two places. When Kafka's files could not be read together, this one is read for itself. */
function checkMeta(files: FileSystem, folder: string, kafka: KafkaState | undefined, catalog: CatalogState | undefined): Finding[] {
  const path = files.join(folder, META_PROPERTIES_FILE)
  const meta = kafka?.meta
  if (meta !== undefined && catalog !== undefined && (meta.clusterId !== catalog.clusterId || meta.nodeId !== catalog.nodeId)) {
    const message = `cluster ${meta.clusterId}, node ${meta.nodeId}, but ${CATALOG_FILE} says ${catalog.clusterId} and ${catalog.nodeId}`
    return [{ kind: 'damage', path, position: undefined, reason: 'other-ids', message }]
  }
  const read = <T>(parse: (bytes: Buffer) => T): Finding[] => {
    try {
      const bytes = readFileSync(files, path, MAX_FILE_BYTES)
      if (bytes !== undefined) parse(bytes)
      return []
    } catch (error) {
      if (!isLogError(error, 'LOG_FILE_CORRUPT')) throw error
      return [damagedFile(path, error.message)]
    }
  }
  return kafka === undefined ? read((bytes) => parseMetaProperties(bytes, path)) : []
}

/** Kafka's checkpoints must not speak of offsets past the end of what was closed in good order. */
function checkOffsets(files: FileSystem, folder: string, reports: readonly PartitionReport[]): Finding[] {
  return Object.values(partitionOffsetFiles).flatMap((name) => {
    const path = files.join(folder, name)
    try {
      const bytes = readFileSync(files, path, MAX_FILE_BYTES)
      return (bytes === undefined ? [] : parsePartitionOffsets(bytes, path)).flatMap(({ topic, partition, offset }) => {
        const report = reports.find((one) => one.topic === topic && one.partition === partition)
        if (report === undefined || !report.clean || offset <= report.nextOffset) return []
        const message = `offset ${offset} of ${topic}-${partition} is past the end of its log, ${report.nextOffset}`
        return [{ kind: 'damage' as const, path, position: undefined, reason: 'offset-ahead', message }]
      })
    } catch (error) {
      if (isLogError(error, 'LOG_FILE_CORRUPT')) return [damagedFile(path, error.message)]
      throw error
    }
  })
}

function damagedFile(path: string, message: string): Finding {
  return { kind: 'damage', path, position: undefined, reason: 'damaged-file', message: withoutPath(message, path) }
}

function withoutRepeats(findings: readonly Finding[]): Finding[] {
  return [...new Map(findings.map((finding) => [`${finding.path}@${finding.position}: ${finding.message}`, finding])).values()]
}
