/*
 * `__transaction_state`: the record of each transactional id, read as a whole and appended to. A record that `append` resolved for is what
 * the next open finds. One that it rejected for may be there as well after a crash, until a later record of the same id is stored: whoever
 * failed to commit must store that it was aborted before anything else is done about it.
 */
import { isLogError } from '../../base/errors.ts'
import { type Decoded, type Encodable } from '../../format/schema.ts'
import { decodeTransactionRecord, encodeTransactionRecord, type transactionValue } from '../../format/transaction-state.ts'
import { bytes } from '../codecs.ts'
import { internalPartition, internalTopicRequest, TRANSACTIONS_TOPIC } from '../internal-topics.ts'
import { type LogCore } from '../log-core.ts'
import { logOf, presentLogs, type TopicCore } from '../topic-core.ts'

/** What is stored of a transactional id. */
export type StoredTransaction = Decoded<typeof transactionValue>

/** As it is given to be stored. */
export type TransactionInput = Encodable<typeof transactionValue>

const codecs = { key: bytes, value: bytes }

/** The latest record of every transactional id in the topic. */
export function readTransactions(topic: TopicCore): Map<string, StoredTransaction> {
  const found = new Map<string, StoredTransaction>()
  for (const log of presentLogs(topic)) {
    for (const { keyBytes, valueBytes } of log.read(codecs)) {
      if (keyBytes === null) continue
      const record = decoded(keyBytes, valueBytes)
      if (record?.kind !== 'transaction') continue
      const { transactionalId } = record.key
      if (record.value === null) found.delete(transactionalId)
      else found.set(transactionalId, record.value)
    }
  }
  return found
}

/** A record that nobody understands is left alone, as in the offsets topic: it may be of a newer Kafka, and keeps no other from being used. */
function decoded(key: Buffer, value: Buffer | null): ReturnType<typeof decodeTransactionRecord> | undefined {
  try {
    return decodeTransactionRecord(key, value)
  } catch (error) {
    if (isLogError(error, 'LOG_VERSION_UNSUPPORTED') || isLogError(error, 'LOG_DECODE_FAILED')) return undefined
    throw error
  }
}

/** Appends to the topic, which is made when it is first written to. */
export class StateLog {
  readonly #core: LogCore
  #topic: TopicCore | undefined

  constructor(core: LogCore) {
    this.#core = core
  }

  /** The latest records; nothing when there is no topic yet. */
  async read(): Promise<Map<string, StoredTransaction>> {
    this.#core.reload()
    if (!this.#core.topics.some(({ name }) => name === TRANSACTIONS_TOPIC)) return new Map()
    return readTransactions(await this.#open())
  }

  /** Opens the topic, and makes it, before it is needed in a hurry. */
  async prepare(): Promise<void> {
    await this.#open()
  }

  /** The epoch of whoever writes the markers of this id. */
  epochOf(transactionalId: string): number {
    return this.#topic === undefined ? 0 : Math.max(0, this.#logOf(this.#topic, transactionalId).leaderEpoch)
  }

  /**
   * Stores what is so of a transactional id from now on; null forgets the id.
   *
   * @throws LogError `LOG_DISK_FULL`, `LOG_FENCED`, `LOG_APPEND_LOST`, `LOG_BUFFER_FULL`, `LOG_CLOSED`
   */
  async append(transactionalId: string, value: TransactionInput | null): Promise<void> {
    const log = this.#logOf(await this.#open(), transactionalId)
    if (log.state === 'fenced') await log.reopen()
    const record = encodeTransactionRecord({ kind: 'transaction', key: { transactionalId }, value })
    await log.durable(appended(() => log.append(codecs, record)))
  }

  #logOf(topic: TopicCore, transactionalId: string): ReturnType<typeof logOf> {
    return logOf(topic, internalPartition(transactionalId, topic.logs.length))
  }

  async #open(): Promise<TopicCore> {
    return (this.#topic ??= await this.#core.openTopic(internalTopicRequest(TRANSACTIONS_TOPIC, true)))
  }
}

/** What was lost before was told to whoever waited for it. */
function appended(append: () => number): number {
  try {
    return append()
  } catch (error) {
    if (isLogError(error, 'LOG_APPEND_LOST')) return append()
    throw error
  }
}
