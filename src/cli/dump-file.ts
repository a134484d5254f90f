/*
 * Shows a file of a log that is not a segment: an index, a snapshot, a checkpoint, a mark, Kafka's small files, commitlog.json. Which kind
 * it is, is told by its name.
 */
import { basename } from 'node:path'
import { LogError } from '../base/errors.ts'
import { diskFileSystem } from '../files/disk.ts'
import { readFileSync } from '../files/write-fully.ts'
import { parsePartitionOffsets, partitionOffsetFiles } from '../format/checkpoint-file.ts'
import { CLEAN_SHUTDOWN_FILE, parseCleanShutdown } from '../format/clean-shutdown.ts'
import { CLUSTER_SETTINGS_FILE, decodeClusterSettings } from '../format/cluster-settings.ts'
import {
  type CheckedIndex, checkOffsetIndex, checkTimeIndex, getOffsetEntry, getTimeEntry, OFFSET_ENTRY_SIZE, TIME_ENTRY_SIZE,
} from '../format/index-entry.ts'
import { LEADER_EPOCH_FILE, parseLeaderEpochs } from '../format/leader-epoch-checkpoint.ts'
import { decodeLogStart, LOG_START_FILE } from '../format/log-start.ts'
import { META_PROPERTIES_FILE, parseMetaProperties } from '../format/meta-properties.ts'
import { type ParsedFileName, parseFileName } from '../format/names.ts'
import { PARTITION_METADATA_FILE, parsePartitionMetadata } from '../format/partition-metadata.ts'
import { decodeProducerSnapshot } from '../format/producer-snapshot.ts'
import { decodeTxnIndex } from '../format/txn-index-entry.ts'
import { uuidText } from '../format/uuid.ts'
import { markFileNames, readMarkSlots } from '../log/mark.ts'
import { CATALOG_FILE, parseCatalog } from '../topics/catalog.ts'
import { type Call, UsageError } from './command.ts'
import { jsonLine, printable, time } from './text.ts'

const MAX_BYTES = 256 * 1024 * 1024

/** One thing in a file, by the names of its fields. */
type Row = Readonly<Record<string, unknown>>

/** Fields that are times in milliseconds. */
const times = ['timestamp', 'createdAt']

/** Shows a file; `--json` gives a line for each thing in it. */
export async function dumpFile(call: Call, path: string): Promise<number> {
  const rows = rowsOf(path)
  for (const row of rows) await call.screen.print(call.json ? jsonLine(row) : line(row))
  if (rows.length === 0 && !call.json) await call.screen.print(call.screen.paint('dim', 'nothing in it'))
  return 0
}

function rowsOf(path: string): readonly Row[] {
  const name = basename(path)
  const parsed = parseFileName(name)
  const read = parsed === undefined ? readers[name] : (bytes: Buffer) => segmentFile(parsed, bytes, path)
  if (read === undefined) throw new UsageError(`${printable(name)} is no file of a log whose name says what it holds`)
  const bytes = readFileSync(diskFileSystem, path, MAX_BYTES)
  if (bytes === undefined) throw new LogError('LOG_NOT_FOUND', `there is no file ${path}`, { path })
  return read(bytes, path)
}

const readers: Readonly<Record<string, (bytes: Buffer, path: string) => readonly Row[]>> = {
  [LEADER_EPOCH_FILE]: (bytes, path) => parseLeaderEpochs(bytes, path).map((entry) => ({ ...entry })),
  [LOG_START_FILE]: (bytes, path) => [{ startOffset: decodeLogStart(bytes, path) }],
  [PARTITION_METADATA_FILE]: (bytes, path) => [{ topicId: uuidText(parsePartitionMetadata(bytes, path)) }],
  [META_PROPERTIES_FILE]: (bytes, path) => [{ ...parseMetaProperties(bytes, path) }],
  [CLEAN_SHUTDOWN_FILE]: (bytes) => [{ brokerEpoch: parseCleanShutdown(bytes) }],
  [CATALOG_FILE]: catalog,
  [CLUSTER_SETTINGS_FILE]: (bytes, path) => Array.from(decodeClusterSettings(bytes, path), ([section, value]) => ({ section, value })),
  ...Object.fromEntries(Object.values(partitionOffsetFiles).map((name) => [name, offsets])),
  ...Object.fromEntries(markFileNames.map((name) => [name, mark])),
}

function segmentFile({ baseOffset, kind }: ParsedFileName, bytes: Buffer, path: string): readonly Row[] {
  switch (kind) {
    case 'index':
      return entries(checkOffsetIndex(bytes), OFFSET_ENTRY_SIZE, (at) => ({ ...getOffsetEntry(bytes, at, baseOffset) }))
    case 'timeindex':
      return entries(checkTimeIndex(bytes), TIME_ENTRY_SIZE, (at) => ({ ...getTimeEntry(bytes, at, baseOffset) }))
    case 'txnindex':
      return decodeTxnIndex(bytes, baseOffset, path).map((entry) => ({ ...entry }))
    default:
      return decodeProducerSnapshot(bytes, path).map((entry) => ({ ...entry }))
  }
}

/** The entries of an index that can be believed, and what lies behind them. */
function entries({ count, tail }: CheckedIndex, entrySize: number, entry: (at: number) => Row): readonly Row[] {
  const rows: Row[] = Array.from({ length: count }, (_, index) => entry(index * entrySize))
  return tail === 'none' ? rows : [...rows, { behind: tail === 'zeros' ? 'zeros: room that was not used' : 'damage: no entries' }]
}

function offsets(bytes: Buffer, path: string): readonly Row[] {
  return parsePartitionOffsets(bytes, path).map((entry) => ({ ...entry }))
}

function mark(bytes: Buffer, path: string): readonly Row[] {
  return readMarkSlots(bytes, path).map(({ topicId, partition, sequence, state }) => ({ topicId: uuidText(topicId), partition, sequence, ...state }))
}

function catalog(bytes: Buffer, path: string): readonly Row[] {
  const { topics, ...log } = parseCatalog(bytes, path)
  return [{ ...log }, ...topics.map((topic) => ({ ...topic, id: uuidText(topic.id) }))]
}

function line(row: Row): string {
  return Object.entries(row).filter(([, value]) => value !== undefined).map(([name, value]) => `${name} ${text(name, value)}`).join('  ')
}

function text(name: string, value: unknown): string {
  if (typeof value === 'number' && times.includes(name)) return time(value)
  return printable(typeof value === 'object' ? jsonLine(value) : String(value))
}
