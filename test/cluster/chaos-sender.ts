/*
 * Sends numbered records without waiting for each, and notes what it was told of every one: stored, and where; not stored; or that nobody knows.
 */
import { isLogError } from '../../src/index.ts'
import { type PortableSendRecord, type PortableSendResult, type PortableTopic } from '../../src/topics/contract.ts'
import { type Progress } from './chaos-progress.ts'

/** What was told of a record. */
export interface SentRecord {
  /** `<sender>:<number>`: no two are alike. */
  readonly value: string
  told: 'nothing' | 'stored' | 'refused' | 'unknown'
  partition: number
  offset: number
}

/** Calls of `send` under way at a time. */
const WINDOW = 8
const KEYS = 11
/** Every so manieth call sends an array. */
const ARRAY_EVERY = 3
const ARRAY_LENGTH = 5

/** Sends to one topic until it is stopped. */
export class ChaosSender {
  readonly name: string
  /** In the order of sending. */
  readonly sent: SentRecord[] = []
  /** How many of them it was told are stored. */
  stored = 0
  readonly #topic: PortableTopic<string, string>
  readonly #progress: Progress
  readonly #gate: () => Promise<void>
  readonly #done: Promise<void>
  #stopping = false

  /** @param gate  resolves when more may be sent */
  constructor(name: string, { topic, progress, gate }: {
    readonly topic: PortableTopic<string, string>
    readonly progress: Progress
    readonly gate: () => Promise<void>
  }) {
    this.name = name
    this.#topic = topic
    this.#progress = progress
    this.#gate = gate
    this.#done = this.#run()
    this.#done.catch((error: unknown) => progress.fail(error))
  }

  /** Ends it, and waits for what is under way. */
  async stop(): Promise<void> {
    this.#stopping = true
    await this.#done
  }

  async #run(): Promise<void> {
    const underWay = new Set<Promise<void>>()
    for (let call = 0; !this.#stopping; call++) {
      await this.#gate()
      const sending = this.#send(call % ARRAY_EVERY === 0 ? ARRAY_LENGTH : 0)
        .catch((error: unknown) => this.#progress.fail(error)).finally(() => underWay.delete(sending))
      underWay.add(sending)
      if (underWay.size >= WINDOW) await Promise.race(underWay)
    }
    await Promise.all(underWay)
  }

  /** One call: an array of so many records; one record for 0. */
  async #send(length: number): Promise<void> {
    const records = Array.from({ length: Math.max(1, length) }, () => this.#next())
    const inputs = records.map(({ value }): PortableSendRecord<string, string> => (
      { key: `${this.name}-${Number(value.split(':')[1]) % KEYS}`, value }
    ))
    try {
      const results = length === 0 ? [await this.#topic.send(inputs[0]!)] : await this.#topic.send(inputs)
      records.forEach((record, index) => this.#note(record, results[index]))
    } catch (error) {
      const results = isLogError(error, 'LOG_SEND_FAILED') ? error.detail['results'] as readonly unknown[] : records.map(() => error)
      records.forEach((record, index) => this.#note(record, results[index]))
    }
    this.#progress.add(this.name)
  }

  #next(): SentRecord {
    const record: SentRecord = { value: `${this.name}:${this.sent.length}`, told: 'nothing', partition: -1, offset: -1 }
    this.sent.push(record)
    return record
  }

  #note(record: SentRecord, result: unknown): void {
    if (!(result instanceof Error)) {
      const { partition, offset } = result as PortableSendResult
      Object.assign(record, { told: 'stored', partition, offset })
      this.stored++
    } else if (isLogError(result, 'LOG_SEND_UNKNOWN')) record.told = 'unknown'
    else if (isLogError(result) && result.retriable) record.told = 'refused'
    else throw result
  }
}
