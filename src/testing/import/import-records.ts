/*
 * Records into the topics of a test broker as they were elsewhere: offsets and timestamps kept. An offset that the source lacks is a gap here too,
 * as compaction leaves them; a partition whose first record is not number 0 begins there, as if what was before had been deleted.
 */
import { InputError } from '../../base/input-error.ts'
import { LogError } from '../../base/errors.ts'
import { checkBoolean, checkInteger, checkOneOf, checkOptions, describe } from '../../base/options.ts'
import { type BatchRecord, encodeBatch } from '../../format/batch.ts'
import { checkTopicName } from '../../format/names.ts'
import { type PartitionLog } from '../../log/partition-log.ts'
import { bytes } from '../../topics/codecs.ts'
import { MAX_PARTITIONS } from '../../topics/define-topic.ts'
import { isInternalTopic } from '../../topics/internal-topics.ts'
import { type LogCore } from '../../topics/log-core.ts'
import { partitionOfKey } from '../../topics/partitioner.ts'
import { type ImportedRecord } from './imported-record.ts'

/** How `import` takes records. */
export interface ImportOptions {
  /** The topic that all of them get into. Default: the one that each names. */
  readonly topic?: string
  /** Partitions of topics that are new. Default: as many as the source says, or as its records need. */
  readonly partitions?: number
  /** `keep`: those that the source says. `new`: one after the other, as of records that are produced. Default `keep`. */
  readonly offsets?: 'keep' | 'new'
  /** Also records that the source says are of transactions which were aborted or are open. Default false. */
  readonly uncommitted?: boolean
}

/** What was imported. */
export interface ImportedRecords {
  readonly records: number
  /** Names of the topics that got some. */
  readonly topics: readonly string[]
  /** Records left out since they are not committed. */
  readonly uncommitted: number
}

/** What an import works with. */
export interface ImportWorld {
  readonly core: LogCore
  /** Makes a topic that keeps its records for ever. */
  makeTopic(name: string, partitions: number): Promise<void>
}

/** Records and bytes that become one batch. */
const RECORDS_TOGETHER = 1000
const BYTES_TOGETHER = 256 * 1024
/** Offsets that one batch covers at most: 32 bits say how far its last record is from the first. */
const MOST_SPAN = 0x7fff_ffff

/** Checks what `import` was told. */
export function checkImportOptions(options: ImportOptions): void {
  checkOptions(options, ['topic', 'partitions', 'offsets', 'uncommitted'], 'what is imported')
  const { topic, partitions, offsets, uncommitted } = options
  if (topic !== undefined && typeof topic !== 'string') throw new TypeError(`topic is the name of one, not ${describe(topic)}`)
  checkInteger(partitions, 'partitions', 1, MAX_PARTITIONS)
  checkOneOf(offsets, 'offsets', ['keep', 'new'])
  checkBoolean(uncommitted, 'uncommitted')
}

/** One import. */
export class ImportRecords {
  readonly #world: ImportWorld
  readonly #options: ImportOptions
  readonly #waiting = new Map<PartitionLog, Pending>()
  readonly #topics = new Map<string, readonly (PartitionLog | undefined)[]>()
  /** By topic: the partition of the next record that has neither key nor partition. */
  readonly #rounds = new Map<string, number>()
  /** Partitions that were empty, and where their first record is. */
  readonly #begins = new Map<PartitionLog, number>()
  #records = 0
  #uncommitted = 0

  constructor(world: ImportWorld, options: ImportOptions) {
    this.#world = world
    this.#options = options
  }

  /** Takes some records, in their order. Where they come from is said by `at` in errors. */
  async take(list: readonly (readonly [record: ImportedRecord, at: string])[]): Promise<void> {
    const taken = list.filter(([{ committed }]) => committed || this.#options.uncommitted === true)
    this.#uncommitted += list.length - taken.length
    const byTopic = new Map<string, ImportedRecord[]>()
    for (const [record, at] of taken) {
      const name = inputAt(at, () => this.#nameOf(record))
      byTopic.set(name, byTopic.get(name) ?? [])
      byTopic.get(name)!.push(record)
    }
    for (const [name, records] of byTopic) await this.#open(name, records)
    for (const [record, at] of taken) inputAt(at, () => this.#put(record))
  }

  /** Appends what waits, and tells what was imported. */
  async finish(): Promise<ImportedRecords> {
    for (const [log, pending] of this.#waiting) this.#append(log, pending)
    for (const [log, offset] of this.#begins) {
      if (offset === 0) continue
      await log.flush()
      await log.deleteRecords(offset)
    }
    return { records: this.#records, topics: [...this.#topics.keys()].sort(), uncommitted: this.#uncommitted }
  }

  #nameOf({ topic }: ImportedRecord): string {
    const name = this.#options.topic ?? topic
    if (name === undefined) throw new InputError('a record that names no topic: give it one, or import the whole into one by { topic }')
    if (isInternalTopic(name)) throw new InputError(`topic "${name}" is the log's own`)
    try {
      checkTopicName(name)
    } catch (error) {
      throw new InputError((error as Error).message, { cause: error })
    }
    return name
  }

  /** Makes a topic, or gives one that is there as many partitions as some records need. */
  async #open(name: string, records: readonly ImportedRecord[]): Promise<void> {
    const { core } = this.#world
    const said = Math.max(1, ...records.map(({ partition, partitions = 1 }) => Math.max(partitions, (partition ?? 0) + 1)))
    const most = this.#options.partitions ?? MAX_PARTITIONS
    const needed = Math.min(said, most)
    const known = core.topics.find((topic) => topic.name === name)
    if (known === undefined) await this.#world.makeTopic(name, this.#options.partitions ?? needed)
    else if (known.partitions < needed) await core.admin.addPartitions(name, needed - known.partitions)
    this.#topics.set(name, (await core.existingTopic(name))!.logs)
  }

  #put(record: ImportedRecord): void {
    const name = this.#nameOf(record)
    const log = this.#logOf(name, record)
    const offset = this.#options.offsets === 'new' ? undefined : record.offset
    let pending = this.#waiting.get(log)
    if (pending === undefined) {
      this.#waiting.set(log, (pending = { records: [], bytes: 0, next: log.nextOffset }))
      if (log.nextOffset === 0) this.#begins.set(log, offset ?? 0)
    }
    const place = offset ?? pending.next
    if (place < pending.next) {
      throw new InputError(`offset ${place} of ${name}-${log.partition}, which is at ${pending.next}: { offsets: 'new' } puts records behind it`)
    }
    const first = pending.records[0]?.offset ?? log.nextOffset
    if (place - first >= MOST_SPAN || pending.records.length >= RECORDS_TOGETHER || pending.bytes >= BYTES_TOGETHER) this.#append(log, pending)
    const { key, value, headers, timestamp = this.#world.core.env.clock.now() } = record
    pending.records.push({ offset: place, timestamp, key, value, headers })
    pending.bytes += (key?.length ?? 0) + (value?.length ?? 0)
    pending.next = place + 1
    this.#records++
  }

  #logOf(name: string, { partition, key }: ImportedRecord): PartitionLog {
    const logs = this.#topics.get(name)!
    const round = this.#rounds.get(name) ?? 0
    const chosen = partition ?? (key === null ? round % logs.length : partitionOfKey(bytes, key, logs.length))
    if (partition === undefined && key === null) this.#rounds.set(name, round + 1)
    const log = logs[chosen]
    if (log === undefined) throw new InputError(`there is no partition ${chosen}: topic "${name}" has ${logs.length}`)
    return log
  }

  /** One batch of what waits, behind others that hold nothing where the gap is too wide for one. */
  #append(log: PartitionLog, pending: Pending): void {
    const { records } = pending
    if (records.length === 0) return
    while (records[0]!.offset! - log.nextOffset >= MOST_SPAN) {
      const baseOffset = log.nextOffset
      log.appendBatch(encodeBatch([], { baseOffset, lastOffset: baseOffset + MOST_SPAN - 1 }), 'replication')
    }
    log.appendBatch(encodeBatch(records, { baseOffset: log.nextOffset, lastOffset: records.at(-1)!.offset! }), 'replication')
    pending.records = []
    pending.bytes = 0
  }
}

/** Records that wait to become a batch. */
interface Pending {
  records: BatchRecord[]
  bytes: number
  next: number
}

/**
 * Says of an input that is wrong where it is.
 *
 * @throws LogError `LOG_IMPORT_INVALID`
 */
export function inputAt<T>(at: string, work: () => T): T {
  try {
    return work()
  } catch (error) {
    if (!(error instanceof InputError)) throw error
    throw new LogError('LOG_IMPORT_INVALID', `${at}: ${error.message}`, { at }, error)
  }
}
