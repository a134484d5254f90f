/*
 * How files and folders of a log are called: Kafka's names, so that its tools find what they look for. Topic names are checked here too,
 * since a topic's name is the name of its folders. No I/O: what to do with a file of a given name is for others to say.
 * Layout: docs/format.md#files.
 */

/** What a file of a segment holds, by the ending of its name. */
export const fileKinds = ['log', 'index', 'timeindex', 'txnindex', 'snapshot'] as const
export type FileKind = (typeof fileKinds)[number]

/** What is happening to a file, by what was put behind its name; `''` for a file in use. */
export type FileSuffix = '' | 'deleted' | 'cleaned' | 'swap'

/** What the name of a segment's file says. */
export interface ParsedFileName {
  /** First offset of the segment; for a snapshot the offset up to which, exclusively, its state is complete. */
  readonly baseOffset: number
  readonly kind: FileKind
  readonly suffix: FileSuffix
}

/** What the name of a partition's folder says. */
export interface ParsedFolderName {
  readonly topic: string
  readonly partition: number
}

/** Why a folder is on its way out or in: deleted, not expected on this node, or a replica that is being moved here. */
export type FolderSuffix = 'delete' | 'stray' | 'future'

/** Characters of a topic's name. */
export const MAX_TOPIC_NAME = 249
const MAX_PARTITION = 0x7fff_ffff

const fileName = /^(\d{20})\.(log|index|timeindex|txnindex|snapshot)(?:\.(deleted|cleaned|swap))?$/
const folderName = /^([a-zA-Z0-9._-]+)-(0|[1-9]\d{0,9})$/
const leavingFolderName = /^(.*)\.[0-9a-fA-F]{32}-(delete|stray|future)$/

/** The numeric part of the names of a segment's files: `baseOffset` in 20 decimal digits. */
export function segmentName(baseOffset: number): string {
  if (!Number.isSafeInteger(baseOffset) || baseOffset < 0) throw new RangeError(`a segment cannot begin at offset ${baseOffset}`)
  return String(baseOffset).padStart(20, '0')
}

/** `00000000000000000042.log`: the batches themselves. */
export function logFileName(baseOffset: number): string {
  return `${segmentName(baseOffset)}.log`
}

/** `00000000000000000042.index`: offset to position. */
export function indexFileName(baseOffset: number): string {
  return `${segmentName(baseOffset)}.index`
}

/** `00000000000000000042.timeindex`: timestamp to offset. */
export function timeIndexFileName(baseOffset: number): string {
  return `${segmentName(baseOffset)}.timeindex`
}

/** `00000000000000000042.txnindex`: aborted transactions. */
export function txnIndexFileName(baseOffset: number): string {
  return `${segmentName(baseOffset)}.txnindex`
}

/** `00000000000000000042.snapshot`: state of the producers up to, not including, `offset`. */
export function snapshotFileName(offset: number): string {
  return `${segmentName(offset)}.snapshot`
}

/** Takes the name of a segment's file apart; undefined for every other name, ours included. */
export function parseFileName(name: string): ParsedFileName | undefined {
  const match = fileName.exec(name)
  if (match === null) return undefined
  const baseOffset = Number(match[1])
  if (!Number.isSafeInteger(baseOffset)) return undefined
  return { baseOffset, kind: match[2] as FileKind, suffix: (match[3] ?? '') as FileSuffix }
}

/** `orders-0`: the folder of one partition. */
export function partitionFolderName(topic: string, partition: number): string {
  checkTopicName(topic)
  if (!isPartition(partition)) throw new RangeError(`${partition} is not a partition number: 0 to ${MAX_PARTITION}`)
  return `${topic}-${partition}`
}

/** Takes the name of a partition's folder apart, at its last `-`; undefined for every other name and for folders on their way out. */
export function parsePartitionFolderName(name: string): ParsedFolderName | undefined {
  const match = folderName.exec(name)
  if (match === null) return undefined
  const topic = match[1]!
  const partition = Number(match[2])
  return isTopicName(topic) && isPartition(partition) ? { topic, partition } : undefined
}

/**
 * Takes the name of a folder apart that Kafka is deleting, has found stray, or is moving here: `orders-0.<32 hex digits>-delete`.
 *
 * The topic is cut short in it when the name would have passed 255 characters. Undefined for every other name.
 */
export function parseLeavingFolderName(name: string): (ParsedFolderName & { readonly suffix: FolderSuffix }) | undefined {
  const match = leavingFolderName.exec(name)
  const folder = match === null ? undefined : parsePartitionFolderName(match[1]!)
  return folder === undefined ? undefined : { ...folder, suffix: match![2] as FolderSuffix }
}

/** What the folder of a partition is called on its way out: `orders-0.<32 hex digits>-delete`, the topic cut short to at most 255 characters. */
export function deletedFolderName(topic: string, partition: number, unique: string): string {
  const rest = `-${partition}.${unique}-delete`
  return topic.slice(0, 255 - rest.length) + rest
}

/** What may be wrong with the name of a topic. */
export type TopicNameFault = 'empty' | 'dots' | 'long' | 'characters'

/** Why a topic may not have this name: it has 1 to 249 of the characters a–z A–Z 0–9 . _ - and is not `.` or `..`. Undefined when it may. */
export function topicNameFault(name: string): TopicNameFault | undefined {
  if (name === '') return 'empty'
  if (name === '.' || name === '..') return 'dots'
  if (name.length > MAX_TOPIC_NAME) return 'long'
  return /^[a-zA-Z0-9._-]+$/.test(name) ? undefined : 'characters'
}

/** Whether a topic may have this name. */
export function isTopicName(name: string): boolean {
  return topicNameFault(name) === undefined
}

/** Throws a TypeError that says why when a topic may not have this name. */
export function checkTopicName(name: string): void {
  const fault = typeof name === 'string' ? topicNameFault(name) : 'empty'
  if (fault === 'empty') throw new TypeError('a topic needs a name: a string that is not empty')
  if (fault === 'long') throw new TypeError(`a topic name has at most ${MAX_TOPIC_NAME} characters, this one ${name.length}`)
  if (fault !== undefined) throw new TypeError(`"${name}" is not a topic name: use a-z A-Z 0-9 . _ - and not "." or ".."`)
}

function isPartition(partition: number): boolean {
  return Number.isInteger(partition) && partition >= 0 && partition <= MAX_PARTITION
}
