/*
 * What has to be true in every order of events, whatever a test itself looks at: promises of services that use Kafka, as explored runs check them.
 * Most are looked at whenever something has happened, so that a promise that is broken for a moment is found without the crash that would show it.
 */
import { type AnyApi } from '../../kafka/api.ts'
import { type Exchange } from '../../kafka/exchange.ts'
import { assertionError } from '../assertion-error.ts'
import { type TestBroker } from '../broker/test-broker.ts'
import { type TestRecord } from '../broker/test-record.ts'
import { topicName } from '../faults/places.ts'
import { type Decoding, rowsOf } from '../journal/entry.ts'
import { producedParts } from '../strict/produced-records.ts'

/** Where a record is, as consumers know it. */
export interface ProcessedRecord {
  readonly topic: string
  readonly partition: number
  /** Of kafkajs it is text. */
  readonly offset: number | string
}

/** How parts of one whole are told. */
export interface WholeOptions {
  /** What parts of one whole have in common; undefined for records that are no part. */
  readonly by: (record: TestRecord) => unknown
  /** Of how many records a whole is. */
  readonly parts: number
}

/** What tells a record, or orders it. */
export type RecordReader<T> = (record: TestRecord) => T

interface Acknowledged {
  readonly partition: number
  readonly offset: number
  readonly key: Buffer | null
  readonly value: Buffer | null
}

const PRODUCE = 0
const OFFSET_COMMIT = 8
const TXN_OFFSET_COMMIT = 28

/** Invariants of one run. Each holds from when it is asked for; the run fails as soon as one does not. */
export class Invariants {
  readonly #kafka: TestBroker
  readonly #looks: (() => void)[] = []
  readonly #ends: (() => void)[] = []
  #broken: Error | undefined

  /** @internal */
  constructor(kafka: TestBroker) {
    this.#kafka = kafka
  }

  /**
   * No loss after an acknowledgement: what a producer was told is stored is there when all has ended, at its offset, and so is whatever the service
   * said of it that it is safe. Records that retention or compaction took are no loss.
   *
   * @returns what to call with the key of a record when the service tells somebody that it is safe
   */
  noLossAfterAck(topic: string): (key: string) => void {
    const acknowledged: Acknowledged[] = []
    const keys = new Set<string>()
    this.#kafka.intercept({
      encoded: (exchange, bytes) => {
        if (exchange.api.key === PRODUCE) acknowledged.push(...acknowledgedOf(exchange, topic))
        return bytes
      },
    })
    this.#ends.push(() => {
      const lost = this.#lost(topic, acknowledged)
      if (lost !== undefined) this.#break(`acknowledged and lost: ${topic}-${lost.partition} has no record ${lost.offset} with what was sent`)
      const there = new Set(this.#records(topic).map(({ key }) => key))
      const starts = this.#starts(topic)
      const deleted = new Set(acknowledged.filter(({ partition, offset }) => offset < (starts[partition] ?? 0)).map(({ key }) => key?.toString()))
      const missing = [...keys].find((key) => !there.has(key) && !deleted.has(key))
      if (missing !== undefined) this.#break(`acknowledged and lost: no record of topic "${topic}" has the key ${JSON.stringify(missing)}`)
    })
    return (key) => void keys.add(key)
  }

  /** No two records of a topic are the same by what `by` gives of them. Default: the key and the value. */
  noDuplicates(topic: string, by: RecordReader<unknown> = content): void {
    this.#whenGrown([topic], () => {
      const seen = new Map<string, TestRecord>()
      for (const record of this.#records(topic)) {
        const name = JSON.stringify(by(record)) ?? 'undefined'
        const before = seen.get(name)
        if (before !== undefined) this.#break(`stored twice: ${placeOf(before)} and ${placeOf(record)} are both ${name}`)
        seen.set(name, record)
      }
    })
  }

  /** The records of each key are in one partition, and what `by` gives of them never falls. Default: they are in one partition. */
  keyOrder(topic: string, by: RecordReader<number> = ({ offset }) => offset): void {
    this.#whenGrown([topic], () => {
      const last = new Map<string, TestRecord>()
      for (const record of this.#records(topic)) {
        if (record.key === null) continue
        const before = last.get(record.key)
        last.set(record.key, record)
        if (before === undefined || (before.partition === record.partition && by(before) <= by(record))) continue
        const places = `${placeOf(before)} and ${placeOf(record)}`
        if (before.partition !== record.partition) this.#break(`the key ${JSON.stringify(record.key)} is in two partitions: ${places}`)
        else this.#break(`the key ${JSON.stringify(record.key)} goes back: ${places} are ${by(before)} and ${by(record)}`)
      }
    })
  }

  /** Whoever reads committed records sees all parts of a whole, or none: at every moment, over all the topics together. */
  allOrNothing(topics: readonly string[], { by, parts }: WholeOptions): void {
    this.#whenGrown(topics, () => {
      const wholes = new Map<string, TestRecord[]>()
      for (const record of topics.flatMap((topic) => this.#records(topic))) {
        const name = JSON.stringify(by(record))
        if (name === undefined) continue
        wholes.set(name, [...wholes.get(name) ?? [], record])
      }
      for (const [name, records] of wholes) {
        if (records.length !== parts) this.#break(`${name} is seen in part: ${records.map(placeOf).join(', ')}, of ${parts} records`)
      }
    })
  }

  /**
   * A group commits only what was processed: every record below a committed offset. At every commit, so that no crash has to come behind a wrong one.
   * Records that were there when this was asked for count too, unless `from` is `now`: for groups that begin at the end.
   *
   * @returns what to call with a record when it has been processed
   */
  committedIsProcessed(group: string, { from = 'start' }: { readonly from?: 'start' | 'now' } = {}): (record: ProcessedRecord) => void {
    const processed = new Set<string>()
    const begins = new Map<string, number>(from === 'start' ? [] : this.#kafka.log.core.topics.flatMap(({ name }) => (
      this.#kafka.topic(name).offsets.map(({ end }, partition) => [`${name}-${partition}`, end] as const)
    )))
    this.#kafka.intercept({
      before: (exchange) => {
        if (!isCommit(exchange.api) || exchange.request['groupId'] !== group) return
        for (const { topic, partition, offset } of commitsOf(exchange)) {
          const place = `${topic}-${partition}`
          const before = this.#records(topic, { partition, from: begins.get(place) ?? 0 }).filter((record) => record.offset < offset)
          const skipped = before.find((record) => !processed.has(placeOf(record)))
          if (skipped !== undefined) this.#note(`group "${group}" commits ${offset} of ${place}, and has not processed ${placeOf(skipped)}`)
        }
      },
    })
    return ({ topic, partition, offset }) => void processed.add(`${topic}-${partition}@${Number(offset)}`)
  }

  /** @internal Throws when one of them does not hold any more. */
  look(): void {
    for (const look of this.#looks) look()
    if (this.#broken !== undefined) throw this.#broken
  }

  /** @internal Nothing happens any more. */
  end(): void {
    this.look()
    for (const end of this.#ends) end()
  }

  /** Calls back when there are further records in one of the topics. */
  #whenGrown(topics: readonly string[], look: () => void): void {
    let known = ''
    this.#looks.push(() => {
      const ends = topics.map((topic) => (this.#has(topic) ? this.#kafka.topic(topic).offsets.map(({ end }) => end) : [])).join(';')
      if (ends === known) return
      known = ends
      look()
    })
  }

  #has(topic: string): boolean {
    return this.#kafka.log.core.topics.some(({ name }) => name === topic)
  }

  /** Of each partition the first offset that was not deleted. */
  #starts(topic: string): readonly number[] {
    return this.#has(topic) ? this.#kafka.topic(topic).offsets.map(({ start }) => start) : []
  }

  #records(topic: string, options: { readonly partition?: number; readonly from?: number } = {}): readonly TestRecord[] {
    return this.#has(topic) ? this.#kafka.topic(topic).records(options) : []
  }

  /** The first that is not there, and that no retention and no compaction took. */
  #lost(topic: string, acknowledged: readonly Acknowledged[]): Acknowledged | undefined {
    if (acknowledged.length === 0) return undefined
    const all = this.#has(topic) ? this.#kafka.topic(topic).records({ isolation: 'read_uncommitted' }) : []
    const there = new Map(all.map((record) => [placeOf(record), record]))
    const isCompacted = this.#kafka.log.core.topics.find(({ name }) => name === topic)?.settings.cleanupPolicy?.includes('compact') === true
    const starts = this.#starts(topic)
    const later = ({ partition, offset, key }: Acknowledged): boolean => key !== null && (
      all.some((record) => record.partition === partition && record.offset > offset && same(record.keyBytes, key)) ||
      acknowledged.some((other) => other.partition === partition && other.offset > offset && same(other.key, key))
    )
    return acknowledged.find((one) => {
      const { partition, offset, key, value } = one
      if (offset < (starts[partition] ?? 0)) return false
      const found = there.get(`${topic}-${partition}@${offset}`)
      if (found !== undefined) return !same(found.keyBytes, key) || !same(found.bytes, value)
      // Compaction takes what others came after, and at last what says that a row is deleted.
      return !isCompacted || (value !== null && !later(one))
    })
  }

  #note(message: string): void {
    this.#broken ??= assertionError({ message })
  }

  #break(message: string): never {
    this.#note(message)
    throw this.#broken!
  }
}

/** What the answer to a Produce request says is stored. */
function acknowledgedOf(exchange: Exchange, topic: string): Acknowledged[] {
  const { response } = exchange
  if (typeof response !== 'object') return []
  const offsets = new Map(rowsOf(response['responses']).filter((row) => nameOf(exchange, row) === topic).flatMap((row) => (
    rowsOf(row['partitionResponses']).filter(({ errorCode }) => errorCode === 0).map(({ index, baseOffset }) => [Number(index), Number(baseOffset)])
  )))
  return producedParts(exchange).filter((part) => part.topic === topic).flatMap(({ partition, records }) => {
    const baseOffset = offsets.get(partition)
    if (baseOffset === undefined) return []
    return records.map(({ key, value }, index) => ({ partition, offset: baseOffset + index, key: copied(key), value: copied(value) }))
  })
}

interface Commit {
  readonly topic: string
  readonly partition: number
  readonly offset: number
}

function isCommit({ key }: AnyApi): boolean {
  return key === OFFSET_COMMIT || key === TXN_OFFSET_COMMIT
}

function commitsOf(exchange: Exchange): Commit[] {
  return rowsOf(exchange.request['topics']).flatMap((row) => {
    const topic = nameOf(exchange, row)
    if (topic === undefined) return []
    return rowsOf(row['partitions']).map(({ partitionIndex, committedOffset }) => (
      { topic, partition: Number(partitionIndex), offset: Number(committedOffset) }
    ))
  })
}

function nameOf({ context: { cluster } }: Exchange, row: Decoding): string | undefined {
  return topicName(row, (id) => cluster.topicById(id)?.name)
}

function placeOf({ topic, partition, offset }: TestRecord): string {
  return `${topic}-${partition}@${offset}`
}

function content({ key, bytes }: TestRecord): unknown {
  return [key, bytes?.toString('latin1') ?? null]
}

function copied(bytes: Uint8Array | null): Buffer | null {
  return bytes === null ? null : Buffer.from(bytes)
}

function same(one: Buffer | null, other: Buffer | null): boolean {
  return one === null || other === null ? one === other : one.equals(other)
}
