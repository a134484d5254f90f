/*
 * The offsets topic as a file of records: read in one pass when groups are first needed, appended to in rounds. What comes while a round is
 * under way goes with the next one, together. What the records mean is not known here. The topic is made when the first one is appended.
 */
import { type ByteWriter } from '../../base/bytes.ts'
import { type Codec } from '../../base/codec.ts'
import { LogError } from '../../base/errors.ts'
import { type BatchRecord, encodeBatch } from '../../format/batch.ts'
import { type PartitionLog } from '../../log/partition-log.ts'
import { type LogRecord } from '../../log/record.ts'
import { internalPartition, internalTopicRequest, OFFSETS_TOPIC } from '../internal-topics.ts'
import { type LogCore } from '../log-core.ts'
import { logOf, presentLogs, type TopicCore } from '../topic-core.ts'

/** Bytes of keys and values after which a round gets another batch. */
const BATCH_BYTES = 512 * 1024
/** Records that are read before the event loop is let turn. */
const RECORDS_PER_TURN = 8192

/** A record to append. */
export interface OffsetsLogRecord {
  readonly key: Buffer
  readonly value: Buffer | null
  readonly headers?: readonly (readonly [string, Buffer])[]
}

/** The transaction that records belong to. */
export interface OfTransaction {
  readonly producerId: bigint
  readonly producerEpoch: number
}

/** A record as it is read; its bytes are good until the next one. */
export type ReadOffsetsRecord = LogRecord<Buffer, Buffer>

interface Waiting {
  readonly records: readonly OffsetsLogRecord[]
  readonly transaction: OfTransaction | undefined
  readonly stored: (baseOffset: number) => void
  readonly failed: (error: unknown) => void
}

interface Lane {
  waiting: Waiting[]
  busy: boolean
}

/** Bytes that are looked at and not kept: views, of memory that is used again. */
const passing: Codec<Buffer> = {
  name: 'bytes',
  encode: (value: Uint8Array, writer: ByteWriter) => writer.bytes(value),
  decode: (buffer, start, end) => buffer.subarray(start, end),
}

/** The offsets topic of an open folder. */
export class OffsetsLog {
  readonly #core: LogCore
  readonly #lanes = new Map<number, Lane>()
  /** Called before a round is written: may append what is to go with it. */
  readonly beforeRound = new Set<() => void>()
  #topic: TopicCore | undefined
  #opening: Promise<TopicCore> | undefined
  #loadedTo: number[] = []

  constructor(core: LogCore) {
    this.#core = core
  }

  /** The partition that a group's records are in. */
  partitionOf(group: string): number {
    const known = this.#core.topics.find(({ name }) => name === OFFSETS_TOPIC)
    return internalPartition(group, known?.partitions ?? 1)
  }

  /** It is there, and open. */
  get isOpen(): boolean {
    return this.#topic !== undefined
  }

  /** Makes the topic when there is none. */
  async create(): Promise<void> {
    await this.#open()
  }

  /** Gives every committed record that is stored and was not given before to `visit`, in the order of its partition. */
  async load(visit: (record: ReadOffsetsRecord) => void): Promise<void> {
    this.#core.reload()
    if (!this.#core.topics.some(({ name }) => name === OFFSETS_TOPIC)) return
    const topic = await this.#open()
    for (const log of presentLogs(topic)) {
      log.lookAgain()
      let left = RECORDS_PER_TURN
      for (const record of log.read({ key: passing, value: passing }, { from: Math.max(this.#loadedTo[log.partition] ?? 0, log.startOffset) })) {
        visit(record)
        if (--left > 0) continue
        left = RECORDS_PER_TURN
        await new Promise<void>((resolve) => this.#core.env.clock.defer(resolve))
      }
      this.#loadedTo[log.partition] = log.lastStableOffset
    }
  }

  /**
   * Appends records of one group, together. Resolves when they are durable, with the offset of the first.
   *
   * @throws LogError `LOG_READ_ONLY`, `LOG_DISK_FULL`, `LOG_FENCED`, `LOG_APPEND_LOST`, `LOG_CLOSED`
   */
  append(group: string, records: readonly OffsetsLogRecord[], transaction?: OfTransaction): Promise<number> {
    return new Promise<number>((stored, failed) => {
      const partition = this.partitionOf(group)
      let lane = this.#lanes.get(partition)
      if (lane === undefined) this.#lanes.set(partition, (lane = { waiting: [], busy: false }))
      lane.waiting.push({ records, transaction, stored, failed })
      if (lane.busy) return
      lane.busy = true
      void this.#work(partition, lane)
    })
  }

  async #work(partition: number, lane: Lane): Promise<void> {
    await undefined                            // what is appended in the same turn goes together
    while (lane.waiting.length > 0) {
      for (const listener of this.beforeRound) listener()
      const round = lane.waiting
      lane.waiting = []
      try {
        await this.#round(partition, round)
      } catch (error) {
        for (const { failed } of round) failed(error)
      }
    }
    lane.busy = false
  }

  async #round(partition: number, round: readonly Waiting[]): Promise<void> {
    const log = logOf(await this.#open(), partition)
    if (log.state === 'fenced') await log.reopen()
    const parts = batchesOf(round).map((part) => ({ part, baseOffset: this.#appendBatch(log, part) }))
    const results = await Promise.allSettled(parts.map(({ part, baseOffset }) => log.durable(baseOffset + part.records.length - 1)))
    results.forEach((result, index) => {
      const { part, baseOffset } = parts[index]!
      for (const { waiting, from } of part.of) {
        if (result.status === 'fulfilled') waiting.stored(baseOffset + from)
        else waiting.failed(result.reason)
      }
    })
  }

  #appendBatch(log: PartitionLog, { records, transaction }: Part): number {
    const timestamp = this.#core.env.clock.now()
    const batch: BatchRecord[] = records.map(({ key, value, headers }) => ({ key, value, timestamp, ...(headers !== undefined && { headers }) }))
    const options = transaction === undefined ? {} : { ...transaction, baseSequence: 0, transactional: true }
    return log.appendBatch(encodeBatch(batch, options), 'coordinator').baseOffset
  }

  async #open(): Promise<TopicCore> {
    if (this.#topic !== undefined) return this.#topic
    try {
      const known = this.#core.topics.some(({ name }) => name === OFFSETS_TOPIC)
      if (!known && this.#core.readOnly) throw new LogError('LOG_READ_ONLY', `the log ${this.#core.folder} was opened read-only`)
      this.#opening ??= this.#core.openTopic(internalTopicRequest(OFFSETS_TOPIC, true))
      return (this.#topic = await this.#opening)
    } finally {
      this.#opening = undefined
    }
  }
}

/** What becomes one batch, and where in it the records of who waits begin. */
interface Part {
  readonly records: OffsetsLogRecord[]
  readonly transaction: OfTransaction | undefined
  readonly of: { readonly waiting: Waiting; readonly from: number }[]
}

function batchesOf(round: readonly Waiting[]): Part[] {
  const parts: Part[] = []
  let bytes = 0
  for (const waiting of round) {
    let part = parts.at(-1)
    if (part === undefined || bytes >= BATCH_BYTES || waiting.transaction !== undefined || part.transaction !== undefined) {
      parts.push((part = { records: [], transaction: waiting.transaction, of: [] }))
      bytes = 0
    }
    part.of.push({ waiting, from: part.records.length })
    for (const record of waiting.records) {
      part.records.push(record)
      bytes += record.key.length + (record.value?.length ?? 0)
    }
  }
  return parts
}
