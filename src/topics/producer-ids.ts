/*
 * Producer ids: numbers that no producer of this folder ever had. They come in blocks; that a block is taken is in the catalog, durably,
 * before the first id of it is given out, so a crash skips ids and never repeats one. A folder that Kafka wrote has no such number yet: what
 * its files tell of producers says where to begin.
 */
import { type FileSystem } from '../files/file-system.ts'
import { readFileSync } from '../files/write-fully.ts'
import { batchDamage, batchSize, decodeBatch } from '../format/batch.ts'
import { parseFileName, partitionFolderName } from '../format/names.ts'
import { decodeProducerSnapshot } from '../format/producer-snapshot.ts'
import { ByteReader } from '../base/bytes.ts'
import { isLogError } from '../base/errors.ts'

/** Ids that are taken at once. */
export const PRODUCER_ID_BLOCK = 1000n

/**
 * The first id that is ever taken. Brokers count from 0 on: one that takes our folder over, or had it before, gives out ids that we have not
 * used, and nobody's producer is taken for one of ours.
 */
export const FIRST_PRODUCER_ID = 1n << 40n

const MAX_FILE_BYTES = 256 * 1024 * 1024
/** The partition of a broker's metadata, and the type of its records that say which producer ids are taken. */
const METADATA_FOLDER = '__cluster_metadata-0'
const PRODUCER_IDS_RECORD = 15

/** Gives producer ids one by one. */
export class ProducerIds {
  readonly #takeBlock: () => Promise<bigint>
  #next = 0n
  #end = 0n
  #taking: Promise<void> | undefined
  #first: bigint | undefined

  /** @param takeBlock  makes it durable that a block is taken, and gives its first id */
  constructor(takeBlock: () => Promise<bigint>) {
    this.#takeBlock = takeBlock
  }

  /** An id that nobody had before. */
  async next(): Promise<bigint> {
    while (this.#next === this.#end) await (this.#taking ??= this.#take())
    return this.#next++
  }

  /** Whether this process may have given out an id: it has no past then. */
  mayHaveGiven(id: bigint): boolean {
    return this.#first !== undefined && id >= this.#first
  }

  async #take(): Promise<void> {
    try {
      const first = await this.#takeBlock()
      this.#first ??= first
      this.#next = first
      this.#end = first + PRODUCER_ID_BLOCK
    } finally {
      this.#taking = undefined
    }
  }
}

/**
 * One past every producer id that the files of these topics tell of: the snapshots of their partitions, and a broker's metadata beside them.
 * The end of a block, since a broker may have given out ids of the last block that have left no trace.
 */
export function producerIdsSeen(
  files: FileSystem, folder: string, topics: readonly { readonly name: string; readonly partitions: number }[], others: Iterable<bigint>,
): bigint {
  let end = idsOfMetadata(files, files.join(folder, METADATA_FOLDER))
  const see = (id: bigint): void => { if (id >= end) end = id + 1n }
  for (const { name, partitions } of topics) {
    for (let partition = 0; partition < partitions; partition++) seeSnapshots(files, files.join(folder, partitionFolderName(name, partition)), see)
  }
  for (const id of others) see(id)
  if (end < FIRST_PRODUCER_ID) return FIRST_PRODUCER_ID
  return end % PRODUCER_ID_BLOCK === 0n ? end : (end / PRODUCER_ID_BLOCK + 1n) * PRODUCER_ID_BLOCK
}

function seeSnapshots(files: FileSystem, folder: string, see: (id: bigint) => void): void {
  for (const name of filesIn(files, folder)) {
    if (parseFileName(name)?.kind !== 'snapshot') continue
    const path = files.join(folder, name)
    const bytes = readFileSync(files, path, MAX_FILE_BYTES)
    try {
      if (bytes !== undefined) for (const { producerId } of decodeProducerSnapshot(bytes, path)) see(producerId)
    } catch (error) {
      // A damaged snapshot says nothing; the partition is rebuilt without it.
      if (!isLogError(error, 'LOG_FILE_CORRUPT')) throw error
    }
  }
}

/** What a broker's metadata says is taken; 0 when there is none. */
function idsOfMetadata(files: FileSystem, folder: string): bigint {
  let end = 0n
  for (const name of filesIn(files, folder)) {
    if (!name.endsWith('.log') && !name.endsWith('.checkpoint')) continue
    const bytes = readFileSync(files, files.join(folder, name), MAX_FILE_BYTES)
    if (bytes === undefined) continue
    for (let at = 0; batchDamage(bytes, at, bytes.length) === undefined; at += batchSize(bytes, at)) {
      const { header, records } = decodeBatch(bytes, at, bytes.length, { checkCrc: false })
      if (header.control) continue
      for (const { value } of records) {
        const next = value === null ? undefined : nextProducerId(value)
        if (next !== undefined && next > end) end = next
      }
    }
  }
  return end
}

/** Frame version, type, version, then broker, its epoch, and the first id that is not taken. */
function nextProducerId(value: Buffer): bigint | undefined {
  const reader = new ByteReader(value, 0, value.length, 'LOG_DECODE_FAILED', 'a record of __cluster_metadata')
  reader.uvarint()
  if (reader.uvarint() !== PRODUCER_IDS_RECORD) return undefined
  reader.uvarint()
  reader.int32()
  reader.bigint64()
  return reader.bigint64()
}

function filesIn(files: FileSystem, folder: string): readonly string[] {
  return files.statSync(folder)?.kind === 'folder' ? files.listSync(folder) : []
}
