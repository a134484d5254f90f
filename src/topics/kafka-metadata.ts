/*
 * What the metadata of a KRaft broker says of its topics: a replay of the newest snapshot of `__cluster_metadata` and of the records behind it.
 * Changes nothing. Of a cluster of several nodes it says what this node had heard.
 */
import { LogError } from '../base/errors.ts'
import { type FileSystem } from '../files/file-system.ts'
import { readFileSync } from '../files/write-fully.ts'
import { batchDamage, decodeBatch } from '../format/batch.ts'
import { decodeMetadataRecord, type MetadataRecord, TOPIC_RESOURCE } from '../format/cluster-metadata.ts'
import { parseFileName } from '../format/names.ts'

const FOLDER = '__cluster_metadata-0'
const MAX_FILE_BYTES = 1024 * 1024 * 1024

/** A topic as a controller knows it. */
export interface MetadataTopic {
  readonly name: string
  /** As Kafka writes it: 22 characters. */
  readonly id: string
  readonly partitions: number
  /** The settings that it was given, by Kafka's names, as text. */
  readonly settings: ReadonlyMap<string, string>
}

/** What a controller's log adds up to. */
export interface ClusterMetadata {
  readonly topics: readonly MetadataTopic[]
  /** Producer ids below it are taken. */
  readonly nextProducerId: bigint
}

/**
 * The metadata that lies in the folder of a broker; undefined when there is none, as where broker and controller are two processes or ZooKeeper
 * was used.
 *
 * @throws LogError `LOG_CORRUPT` for damage that is not the torn end of the log; `LOG_VERSION_UNSUPPORTED`, `LOG_DECODE_FAILED`
 */
export function readClusterMetadata(files: FileSystem, folder: string): ClusterMetadata | undefined {
  const path = files.join(folder, FOLDER)
  if (files.statSync(path)?.kind !== 'folder') return undefined
  const names = files.listSync(path)
  const replay = new Replay()
  const snapshot = names.map((name) => ({ name, end: snapshotEnd(name) })).filter(({ end }) => end >= 0).at(-1)
  if (snapshot !== undefined) replayFile(files, files.join(path, snapshot.name), { from: 0, mayEnd: false }, replay)
  const segments = names.filter((name) => parseFileName(name)?.kind === 'log' && parseFileName(name)?.suffix === '')
  for (const [index, name] of segments.entries()) {
    replayFile(files, files.join(path, name), { from: snapshot?.end ?? 0, mayEnd: index === segments.length - 1 }, replay)
  }
  return replay.result()
}

/** Names are `<end offset>-<epoch>.checkpoint`, in the order of their offsets. */
function snapshotEnd(name: string): number {
  return Number(/^(\d{20})-\d{10}\.checkpoint$/.exec(name)?.[1] ?? -1)
}

/** `mayEnd`: what is not whole at its end was never acknowledged. */
function replayFile(files: FileSystem, path: string, range: { readonly from: number; readonly mayEnd: boolean }, replay: Replay): void {
  const bytes = readFileSync(files, path, MAX_FILE_BYTES)!
  for (let at = 0; at < bytes.length; ) {
    const reason = batchDamage(bytes, at, bytes.length)
    if (reason !== undefined) {
      if (range.mayEnd) return
      throw new LogError('LOG_CORRUPT', `${path} is damaged at position ${at}: ${reason}`, { path, position: at, reason })
    }
    const { header, records } = decodeBatch(bytes, at, bytes.length)
    at += header.size
    if (header.control) continue
    for (const { offset, value } of records) if (offset >= range.from && value !== null) replay.add(decodeMetadataRecord(value))
  }
}

interface Topic {
  readonly name: string
  readonly partitions: Set<number>
}

class Replay {
  readonly #topics = new Map<string, Topic>()
  readonly #settings = new Map<string, Map<string, string>>()
  #nextProducerId = 0n
  /** Records of a transaction of the controller: they count together, when it ends. */
  #waiting: MetadataRecord[] | undefined

  add(record: MetadataRecord): void {
    if (record.kind === 'beginTransaction') this.#waiting = []
    else if (record.kind === 'abortTransaction') this.#waiting = undefined
    else if (record.kind === 'endTransaction') this.#endTransaction()
    else if (this.#waiting !== undefined) this.#waiting.push(record)
    else this.#apply(record)
  }

  result(): ClusterMetadata {
    const none: ReadonlyMap<string, string> = new Map()
    const topics = [...this.#topics].map(([id, { name, partitions }]) => (
      { name, id, partitions: Math.max(-1, ...partitions) + 1, settings: this.#settings.get(name) ?? none }
    ))
    return { topics, nextProducerId: this.#nextProducerId }
  }

  #endTransaction(): void {
    const records = this.#waiting ?? []
    this.#waiting = undefined
    for (const record of records) this.#apply(record)
  }

  #apply(record: MetadataRecord): void {
    switch (record.kind) {
      case 'topic':
        this.#topics.set(record.value.topicId, { name: record.value.name, partitions: new Set() })
        break
      case 'partition':
        this.#topics.get(record.value.topicId)?.partitions.add(record.value.partitionId)
        break
      case 'removeTopic':
        this.#remove(record.value.topicId)
        break
      case 'config':
        if (record.value.resourceType === TOPIC_RESOURCE) this.#set(record.value)
        break
      case 'producerIds':
        this.#nextProducerId = record.value.nextProducerId
        break
      default:
    }
  }

  #remove(id: string): void {
    const topic = this.#topics.get(id)
    if (topic !== undefined) this.#settings.delete(topic.name)
    this.#topics.delete(id)
  }

  #set({ resourceName, name, value }: { readonly resourceName: string; readonly name: string; readonly value: string | null }): void {
    let settings = this.#settings.get(resourceName)
    if (settings === undefined) this.#settings.set(resourceName, (settings = new Map()))
    if (value === null) settings.delete(name)
    else settings.set(name, value)
  }
}
