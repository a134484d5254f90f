/*
 * `commitlog.json`: which topics a log has, with their ids, partitions, codec names and settings, and the ids of the log itself. It is
 * read and replaced as a whole. This file knows what the catalog says and how it is written, not what else lies in the folder
 * (log-folder.ts). Spec: docs/format.md#commitlogjson.
 *
 * The last field is a CRC-32C over the rest as JSON without spaces, so that a flipped bit in a name or number is damage and not another
 * name or number. Whoever edits the file by hand must leave the field out; it is then not checked.
 */
import { crc32c } from '../base/crc32c.ts'
import { LogError } from '../base/errors.ts'
import { type FileSystem } from '../files/file-system.ts'
import { readFileSync, writeFileAtomically } from '../files/write-fully.ts'
import { isTopicName } from '../format/names.ts'
import { parseUuid, uuidText } from '../format/uuid.ts'
import { MAX_PARTITIONS } from './define-topic.ts'
import { checkedSettings, settingNames, type TopicSettings } from './settings.ts'

/** Name of the file in the folder of a log. */
export const CATALOG_FILE = 'commitlog.json'

const FORMAT = 'commitlog'
const MAJOR = 1
const MINOR = 0
const MAX_BYTES = 64 * 1024 * 1024

/** What the catalog says of a topic. */
export interface TopicEntry {
  readonly name: string
  /** 16 bytes. */
  readonly id: Uint8Array
  readonly partitions: number
  /** Names of the codecs; undefined when nobody said yet, as in a folder that Kafka wrote. */
  readonly key: string | undefined
  readonly value: string | undefined
  /** The settings that were given for the topic. */
  readonly settings: TopicSettings
  /** Ms since 1970. */
  readonly createdAt: number
  /** Found in the folder instead of created by us: what Kafka's files say of its partitions counts until our mark knows them. */
  readonly adopted: boolean
  /** Numbers of partitions that the folder never had: a broker of a cluster holds some of a topic only. */
  readonly absent: readonly number[]
  /** It was deleted: its folders are on their way out. */
  readonly deleting?: true
  /** Its records are the events of an event store, which alone writes to it. */
  readonly events?: true
}

/** What the catalog says. */
export interface CatalogState {
  readonly clusterId: string
  readonly nodeId: number
  /** Ms since 1970. */
  readonly createdAt: number
  readonly topics: readonly TopicEntry[]
  /** The first producer id that is not taken; absent as long as none was. */
  readonly nextProducerId?: bigint
}

/** The bytes of the file. */
export function encodeCatalog(state: CatalogState): Buffer {
  const head = {
    format: FORMAT,
    version: `${MAJOR}.${MINOR}`,
    clusterId: state.clusterId,
    nodeId: state.nodeId,
    createdAt: new Date(state.createdAt).toISOString(),
    ...(state.nextProducerId === undefined ? {} : { nextProducerId: String(state.nextProducerId) }),
    topics: [],
  }
  const topics = state.topics.map(topicTexts)
  const dense = `${JSON.stringify(head).slice(0, -2)}${topics.map((topic) => topic.dense).join(',')}]}`
  const opened = JSON.stringify(head, undefined, 2).slice(0, -3)
  const list = topics.length === 0 ? '' : `\n    ${topics.map((topic) => topic.indented).join(',\n    ')}\n  `
  return Buffer.from(`${opened}${list}],\n  "crc32c": "${checksum(dense)}"\n}\n`)
}

/** A topic as the checksum takes it, and as the file has it. */
interface TopicTexts {
  readonly dense: string
  readonly indented: string
}

/** Of entries, which never change: a catalog of many topics is written whenever there is one more. */
const written = new WeakMap<TopicEntry, TopicTexts>()

function topicTexts(topic: TopicEntry): TopicTexts {
  const known = written.get(topic)
  if (known !== undefined) return known
  const said = {
    name: topic.name,
    id: uuidText(topic.id),
    partitions: topic.partitions,
    ...(topic.key === undefined ? {} : { key: topic.key }),
    ...(topic.value === undefined ? {} : { value: topic.value }),
    settings: Object.fromEntries(Object.entries(topic.settings).map(([name, value]) => [name, value === Infinity ? 'Infinity' : value])),
    createdAt: new Date(topic.createdAt).toISOString(),
    ...(topic.adopted ? { adopted: true } : {}),
    ...(topic.absent.length > 0 ? { absent: topic.absent } : {}),
    ...(topic.deleting === true ? { deleting: true } : {}),
    ...(topic.events === true ? { events: true } : {}),
  }
  const texts = { dense: JSON.stringify(said), indented: JSON.stringify(said, undefined, 2).replaceAll('\n', '\n    ') }
  written.set(topic, texts)
  return texts
}

/**
 * What the file says.
 *
 * @throws LogError `LOG_FILE_CORRUPT`, or `LOG_VERSION_UNSUPPORTED` for a newer major version
 */
export function parseCatalog(bytes: Uint8Array, path: string): CatalogState {
  const { crc32c: stored, ...body } = parseObject(bytes, path)
  const [, major] = /^(\d{1,9})\.\d{1,9}$/.exec(String(body.version)) ?? []
  if (body.format !== FORMAT || major === undefined) throw corrupt(path, 'it does not say that it is a catalog of commitlog')
  if (Number(major) > MAJOR) {
    throw new LogError('LOG_VERSION_UNSUPPORTED', `${path} has version ${String(body.version)}, this commitlog reads up to ${MAJOR}`, {
      path, version: body.version,
    })
  }
  const actual = checksum(JSON.stringify(body))
  if (stored !== undefined && stored !== actual) throw corrupt(path, `crc32c ${actual}, the file says ${String(stored)}`)
  const { clusterId, nodeId, createdAt, topics } = body
  if (typeof clusterId !== 'string' || !isCount(nodeId, 0) || !Array.isArray(topics)) throw corrupt(path, 'clusterId, nodeId or topics')
  const entries = topics.map((topic: unknown) => parseTopic(topic, path))
  if (new Set(entries.map((topic) => topic.name)).size < entries.length) throw corrupt(path, 'a topic is there twice')
  const { nextProducerId } = body
  if (nextProducerId !== undefined && !/^\d{1,19}$/.test(String(nextProducerId))) throw corrupt(path, 'nextProducerId')
  return {
    clusterId, nodeId, createdAt: parseTime(createdAt, path), topics: entries,
    ...(nextProducerId !== undefined && { nextProducerId: BigInt(String(nextProducerId)) }),
  }
}

/** Reads the catalog in `folder`; undefined when there is none. */
export function readCatalog(files: FileSystem, folder: string): CatalogState | undefined {
  const path = files.join(folder, CATALOG_FILE)
  const bytes = readFileSync(files, path, MAX_BYTES)
  return bytes === undefined ? undefined : parseCatalog(bytes, path)
}

/** Replaces the catalog in `folder`, durably. One call at a time. */
export async function writeCatalog(files: FileSystem, folder: string, state: CatalogState): Promise<void> {
  await writeFileAtomically(files, files.join(folder, CATALOG_FILE), encodeCatalog(state))
}

function parseObject(bytes: Uint8Array, path: string): Record<string, unknown> {
  try {
    const parsed: unknown = JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8'))
    if (typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed)) return parsed as Record<string, unknown>
  } catch (error) {
    throw corrupt(path, (error as Error).message, error)
  }
  throw corrupt(path, 'it holds no object')
}

function parseTopic(given: unknown, path: string): TopicEntry {
  const { name, id, partitions, key, value, settings, createdAt, adopted, absent = [], deleting, events } = (given ?? {}) as Record<string, unknown>
  if (typeof name !== 'string' || !isTopicName(name)) throw corrupt(path, `the topic name ${JSON.stringify(name)}`)
  const uuid = typeof id === 'string' ? parseUuid(id) : undefined
  if (uuid === undefined) throw corrupt(path, `the id of topic ${name}`)
  if (!isCount(partitions, 1) || partitions > MAX_PARTITIONS) throw corrupt(path, `the partitions of topic ${name}`)
  const named = [key, value].every((codec) => codec === undefined || (typeof codec === 'string' && codec !== ''))
  if (!named) throw corrupt(path, `the codecs of topic ${name}`)
  if (!Array.isArray(absent) || !absent.every((partition) => isCount(partition, 0))) throw corrupt(path, `the absent partitions of topic ${name}`)
  return {
    name, id: uuid, partitions, key: key as string | undefined, value: value as string | undefined,
    settings: parseSettings(settings, name, path), createdAt: parseTime(createdAt, path), adopted: adopted === true, absent,
    ...(deleting === true && { deleting }), ...(events === true && { events }),
  }
}

/** Settings that a later minor version knows are left alone: they mean nothing here. */
function parseSettings(given: unknown, topic: string, path: string): TopicSettings {
  if (typeof given !== 'object' || given === null) throw corrupt(path, `the settings of topic ${topic}`)
  const settings = given as Record<string, unknown>
  try {
    const known = settingNames.filter((name) => settings[name] !== undefined)
    return checkedSettings(Object.fromEntries(known.map((name) => [name, settings[name] === 'Infinity' ? Infinity : settings[name]])), topic)
  } catch (error) {
    throw corrupt(path, (error as Error).message, error)
  }
}

function parseTime(given: unknown, path: string): number {
  const time = typeof given === 'string' ? Date.parse(given) : NaN
  if (Number.isNaN(time)) throw corrupt(path, `the time ${JSON.stringify(given)}`)
  return time
}

function isCount(value: unknown, least: number): value is number {
  return Number.isSafeInteger(value) && (value as number) >= least
}

function checksum(text: string): string {
  const bytes = Buffer.from(text)
  return crc32c(bytes, 0, bytes.length).toString(16).padStart(8, '0')
}

function corrupt(path: string, reason: string, cause?: unknown): LogError {
  return new LogError('LOG_FILE_CORRUPT', `${path} is damaged: ${reason}`, { path, reason }, cause)
}
