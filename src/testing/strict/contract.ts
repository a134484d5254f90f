/*
 * What the records of a topic have to be, whoever produces them: checked when a client sends them. A record that breaks the contract is refused, as
 * a broker with schema validation refuses it, or only noted, and then the test fails in the end.
 */
import { type Codec } from '../../base/codec.ts'
import { LogError } from '../../base/errors.ts'
import { checkObject, checkOneOf, checkOptions, closest, describe } from '../../base/options.ts'
import { kafkaErrors } from '../../format/kafka-errors.ts'
import { type Exchange } from '../../kafka/exchange.ts'
import { checkSchema, issueText, type SchemaResult, type StandardSchema } from '../../topics/standard-schema.ts'
import { keepPlaces, mergePlaces } from '../faults/places.ts'
import { type Decoding } from '../journal/entry.ts'
import { producedParts } from './produced-records.ts'

/** A record as it was sent. */
export interface ContractRecord {
  readonly key: Uint8Array | null
  readonly value: Uint8Array | null
  readonly headers: readonly (readonly [name: string, value: Uint8Array | null])[]
  /** Ms since 1970. */
  readonly timestamp: number
}

/** Says what is wrong with a key or value; nothing when it is right. May be asynchronous. */
export type ContractCheck = (value: unknown, record: ContractRecord) => string | undefined | void | Promise<string | undefined | void>

/** What keys and values are checked by. */
export type ContractRule = StandardSchema | ContractCheck

/** What the records of a topic have to be. */
export interface ContractOptions {
  /** Of keys, as text. A record without a key has to pass as well, as null. */
  readonly key?: ContractRule
  /** Of values, as the codec gives them. */
  readonly value?: ContractRule
  /** What values are read by before they are checked. Default: JSON. */
  readonly codec?: Pick<Codec<unknown>, 'decode'>
  /** Whether a value may be null: a tombstone. Default true; its value is not checked. */
  readonly tombstones?: boolean
  /** `reject`: the client is told INVALID_RECORD. `report`: it is stored, and the test fails in the end. Default `reject`. */
  readonly mode?: 'reject' | 'report'
}

/** A record that broke a contract. */
export interface ContractViolation {
  readonly topic: string
  readonly partition: number
  /** Place in its request's batch, from 0. */
  readonly index: number
  /** Which client sent it. */
  readonly clientId: string
  readonly reason: string
}

/** What a contract has to know of its broker. */
export interface ContractWorld {
  /** The topics that there are, of which its topic is to be one; undefined where it need not. */
  readonly topics: (() => readonly string[]) | undefined
  /** Says what is wrong, in the journal. */
  note(exchange: Exchange, violation: string): void
  end(contract: Contract): void
}

const PRODUCE = 0
/** Violations that an error lists. */
const MOST_LINES = 10
const optionNames = ['key', 'value', 'codec', 'tombstones', 'mode']

/** A contract for one topic. */
export class Contract {
  readonly topic: string
  /** What broke it so far, whether it was refused or not. */
  readonly violations: ContractViolation[] = []
  /** Records that it looked at. */
  checked = 0
  readonly #options: ContractOptions
  readonly #refused = new WeakMap<Exchange, Decoding>()
  readonly #world: ContractWorld

  /** @internal */
  constructor(topic: string, options: ContractOptions, world: ContractWorld) {
    checkOptions(options, optionNames, 'a contract')
    checkObject(options.codec, 'codec is an object')
    checkOneOf(options.mode, 'mode', ['reject', 'report'])
    if (options.key === undefined && options.value === undefined) throw new TypeError('a contract says something of keys or values')
    for (const name of ['key', 'value'] as const) {
      const rule = options[name]
      if (rule !== undefined && typeof rule !== 'function') checkSchema(rule, `${name} of a contract`)
    }
    if (typeof topic !== 'string') throw new TypeError(`a contract is for a topic by its name, not ${describe(topic)}`)
    this.topic = topic
    this.#options = options
    this.#world = world
  }

  /** Records are no longer checked. */
  end(): void {
    this.#world.end(this)
  }

  /**
   * Throws for records that broke it and were stored, and for a topic that there is not: a contract that was never asked says nothing.
   *
   * @throws LogError `LOG_CONTRACT_BROKEN`
   */
  check(): void {
    const { length } = this.violations
    if (this.checked === 0) this.#checkTopic()
    if (this.#options.mode !== 'report' || length === 0) return
    const lines = this.violations.map(({ partition, index, clientId, reason }) => (
      `\n  ${this.topic}-${partition}, record ${index} of a batch of "${clientId}": ${reason}`
    ))
    const what = length === 1 ? 'a record breaks' : `${length} records break`
    const message = `${what} the contract of topic "${this.topic}":${lines.slice(0, MOST_LINES).join('')}`
    throw new LogError('LOG_CONTRACT_BROKEN', message, { topic: this.topic, violations: length })
  }

  #checkTopic(): void {
    const topics = this.#world.topics?.()
    if (topics === undefined || topics.includes(this.topic)) return
    const meant = closest(this.topic, topics)
    const hint = meant === undefined ? '' : `; did you mean "${meant}"?`
    const message = `the contract of topic "${this.topic}" was never asked: there is no such topic${hint}`
    throw new LogError('LOG_CONTRACT_BROKEN', message, { topic: this.topic, violations: 0 })
  }

  /** @internal */
  async before(exchange: Exchange): Promise<void> {
    if (exchange.api.key !== PRODUCE) return
    const broken = new Map<number, ContractViolation[]>()
    for (const { topic, partition, records } of producedParts(exchange)) {
      if (topic !== this.topic) continue
      for (const [index, record] of records.entries()) {
        this.checked++
        const reason = await this.#wrong(record)
        if (reason === undefined) continue
        this.#world.note(exchange, `contract of ${topic}-${partition}, record ${index}: ${reason}`)
        const violation = { topic, partition, index, clientId: exchange.context.clientId, reason }
        this.violations.push(violation)
        broken.set(partition, [...broken.get(partition) ?? [], violation])
      }
    }
    if (broken.size > 0 && this.#options.mode !== 'report') this.#refuse(exchange, broken)
  }

  /** @internal */
  after(exchange: Exchange): void {
    const refused = this.#refused.get(exchange)
    if (refused !== undefined && typeof exchange.response === 'object') exchange.response = mergePlaces(exchange.response, refused)
  }

  /** What is wrong with a record. */
  async #wrong(record: ContractRecord): Promise<string | undefined> {
    const { key, value, codec, tombstones = true } = this.#options
    const wrongKey = key === undefined ? undefined : await broken(key, record.key === null ? null : Buffer.from(record.key).toString(), record)
    if (wrongKey !== undefined) return `its key: ${wrongKey}`
    if (record.value === null) return tombstones ? undefined : 'its value is null'
    if (value === undefined) return undefined
    let decoded: unknown
    try {
      const bytes = Buffer.from(record.value)
      decoded = codec === undefined ? JSON.parse(bytes.toString()) : codec.decode(bytes, 0, bytes.length)
    } catch (error) {
      return `its value cannot be decoded: ${error instanceof Error ? error.message : String(error)}`
    }
    const wrongValue = await broken(value, decoded, record)
    return wrongValue === undefined ? undefined : `its value: ${wrongValue}`
  }

  /** The broken partitions are taken out of the request, and get their errors in the answer. */
  #refuse(exchange: Exchange, violations: ReadonlyMap<number, readonly ContractViolation[]>): void {
    const { cluster } = exchange.context
    const nameOf = (id: string): string | undefined => cluster.topicById(id)?.name
    const isBroken = (topic: string, partition: number | undefined): boolean => topic === this.topic && violations.has(partition ?? -1)
    const hit = keepPlaces(exchange.request, isBroken, nameOf)
    exchange.request = keepPlaces(exchange.request, (topic, partition) => !isBroken(topic, partition), nameOf)
    const refuse = ({ index }: Decoding): Decoding => refusal(Number(index), violations.get(Number(index))!)
    const responses = (hit['topicData'] as readonly Decoding[]).map(({ name, topicId, partitionData }) => ({
      name, topicId, partitionResponses: (partitionData as readonly Decoding[]).map(refuse),
    }))
    this.#refused.set(exchange, { responses })
  }
}

function refusal(index: number, violations: readonly ContractViolation[]): Decoding {
  return {
    index, errorCode: kafkaErrors.INVALID_RECORD, baseOffset: -1, errorMessage: `${violations.length} records break the contract of the topic`,
    recordErrors: violations.map(({ index: batchIndex, reason }) => ({ batchIndex, batchIndexErrorMessage: reason })),
  }
}

/** What a rule says; one that throws says so, since the client would only see its connection end, again and again. */
async function broken(rule: ContractRule, value: unknown, record: ContractRecord): Promise<string | undefined> {
  try {
    return await judged(rule, value, record)
  } catch (error) {
    return `the check threw ${error instanceof Error ? `${error.name}: ${error.message}` : String(error)}`
  }
}

async function judged(rule: ContractRule, value: unknown, record: ContractRecord): Promise<string | undefined> {
  if (typeof rule === 'function' && !('~standard' in rule)) return (await rule(value, record)) ?? undefined
  const { issues } = await (rule as StandardSchema)['~standard'].validate(value) as SchemaResult<unknown>
  return issues === undefined ? undefined : issues.map(issueText).join('; ')
}
