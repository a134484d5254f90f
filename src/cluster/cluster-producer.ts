/*
 * Sends to a topic of a cluster with a partitioner and a time to wait of its own.
 */
import { checkFunction, checkOptions } from '../base/options.ts'
import { waiting, type WaitOptions } from '../topics/abort.ts'
import type { PortableProducer, PortableProducerOptions, PortableSendRecord, PortableSendResult } from '../topics/contract.ts'
import { Life } from '../topics/life.ts'
import { type Partitioner } from '../topics/partitioner.ts'
import { checkLingerMs } from '../topics/settings.ts'
import { type Connected } from './connected.ts'
import { chooserFor, sendInput, type SendTarget, type SendTools } from './send.ts'

/** Sends records to one topic. */
export class ClusterProducer<K, V> implements PortableProducer<K, V> {
  readonly #connected: Connected
  readonly #life: Life
  readonly #tools: SendTools<K, V>
  readonly #lingerMs: number | undefined
  readonly #underWay = new Set<Promise<unknown>>()

  constructor(connected: Connected, target: SendTarget<K, V>, life: Life, options: PortableProducerOptions<K, V> = {}) {
    const where = `a producer of topic "${target.name}"`
    checkOptions(options, ['partitioner', 'lingerMs'], where)
    checkFunction(options.partitioner, `partitioner of ${where}`)
    checkLingerMs(options.lingerMs, `lingerMs of ${where}`)
    const { clock, random, batchSize } = connected.options
    this.#connected = connected
    this.#life = new Life(`the producer of topic "${target.name}"`, life)
    this.#lingerMs = options.lingerMs
    const partitioner = options.partitioner as Partitioner<K, V> | undefined
    this.#tools = { target, chooser: chooserFor(target, { partitioner, random, batchSize }), now: () => clock.now() }
  }

  /** The name of the topic. */
  get topic(): string {
    return this.#tools.target.name
  }

  /**
   * Sends a record and resolves when every copy that counts is stored. The record is copied before `send` returns.
   *
   * @throws LogError `LOG_BUFFER_FULL`, `LOG_RECORD_TOO_LARGE`, `LOG_RECORD_INVALID`, `LOG_CLUSTER_UNAVAILABLE`, `LOG_SEND_UNKNOWN`,
   *   `LOG_NOT_AUTHORIZED`, `LOG_CLOSED`
   * @throws TypeError for keys and values that the topic's codecs do not take; RangeError for a partition that is not there
   */
  send(record: PortableSendRecord<K, V>, options?: WaitOptions): Promise<PortableSendResult>
  /**
   * Sends records and resolves when all are stored, with a result for each.
   *
   * @throws LogError `LOG_SEND_FAILED` when some were not stored: `detail.results` has a result or an error for each, in order
   */
  send(records: readonly PortableSendRecord<K, V>[], options?: WaitOptions): Promise<PortableSendResult[]>
  async send(
    input: PortableSendRecord<K, V> | readonly PortableSendRecord<K, V>[], options?: WaitOptions,
  ): Promise<PortableSendResult | PortableSendResult[]> {
    this.#life.check()
    const sending = sendInput(this.#connected.sender, this.#tools, input, options, this.#lingerMs)
    this.#underWay.add(sending)
    try {
      return await sending
    } finally {
      this.#underWay.delete(sending)
    }
  }

  /** Resolves when everything that this producer was given so far has ended. */
  async flush(options?: WaitOptions): Promise<void> {
    this.#life.check()
    await waiting(options, 'flush', () => this.#settled())
  }

  /** Waits for the sends under way, and takes no more. */
  async close(): Promise<void> {
    this.#life.end()
    await this.#settled()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  async #settled(): Promise<void> {
    if (this.#underWay.size === 0) return
    this.#connected.sender.hurry()
    await Promise.allSettled([...this.#underWay])
  }
}
