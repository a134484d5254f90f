/*
 * Transactions over the wire, by both versions of the protocol, with the errors that each of Kafka's requests has for them.
 */
import { expect, test } from 'vitest'
import { encodeBatch } from '../../src/format/batch.ts'
import { kafkaErrorName, kafkaErrors } from '../../src/format/kafka-errors.ts'
import { type Encodable } from '../../src/format/schema.ts'
import { string, type Topic } from '../../src/index.ts'
import { produce } from '../../src/kafka/apis/00-produce.ts'
import { offsetFetch } from '../../src/kafka/apis/09-offset-fetch.ts'
import { findCoordinator } from '../../src/kafka/apis/10-find-coordinator.ts'
import { initProducerId } from '../../src/kafka/apis/22-init-producer-id.ts'
import { addPartitionsToTxn } from '../../src/kafka/apis/24-add-partitions-to-txn.ts'
import { addOffsetsToTxn } from '../../src/kafka/apis/25-add-offsets-to-txn.ts'
import { endTxn } from '../../src/kafka/apis/26-end-txn.ts'
import { txnOffsetCommit } from '../../src/kafka/apis/28-txn-offset-commit.ts'
import { describeProducers } from '../../src/kafka/apis/61-describe-producers.ts'
import { describeTransactions } from '../../src/kafka/apis/65-describe-transactions.ts'
import { listTransactions } from '../../src/kafka/apis/66-list-transactions.ts'
import { type Authorizer } from '../../src/kafka/security/authorizer.ts'
import { ManualClock } from '../../src/testing/manual-clock.ts'
import { type RawClient, startListener, type TestListener } from './harness.ts'
import { together, WireMember } from './wire-member.ts'

const code = kafkaErrors

interface World extends TestListener {
  readonly clock: ManualClock
  readonly topic: Topic<string, string>
}

/** A listener with the topic `t` of two partitions. */
async function world(options: { readonly brokers?: number } = {}): Promise<World> {
  const clock = new ManualClock()
  const listener = await startListener({ ...options, log: { clock } })
  const topic = await listener.log.topic('t', { partitions: 2, key: string, value: string })
  return { ...listener, clock, topic }
}

/** Which versions a producer speaks. */
interface ProducerVersions {
  readonly init: number
  readonly add: number
  readonly addOffsets: number
  readonly end: number
  readonly commit: number
  readonly produce: number
}

const oldest: ProducerVersions = { init: 0, add: 0, addOffsets: 0, end: 0, commit: 0, produce: 3 }
const newestV1: ProducerVersions = { init: 5, add: 3, addOffsets: 4, end: 4, commit: 4, produce: 11 }
const newest: ProducerVersions = { init: 5, add: 3, addOffsets: 4, end: 5, commit: 5, produce: 12 }

/** A transactional producer. */
class Producer {
  readonly raw: RawClient
  readonly id: string
  readonly versions: ProducerVersions
  producerId = -1n
  producerEpoch = -1
  readonly #sequences = new Map<number, number>()

  constructor(raw: RawClient, versions: ProducerVersions = newest, id = 'tx') {
    this.raw = raw
    this.versions = versions
    this.id = id
  }

  get who(): { transactionalId: string; producerId: bigint; producerEpoch: number } {
    return { transactionalId: this.id, producerId: this.producerId, producerEpoch: this.producerEpoch }
  }

  async init(more: { readonly transactionTimeoutMs?: number; readonly producerId?: bigint; readonly producerEpoch?: number } = {}): Promise<string> {
    const answer = await this.raw.request(initProducerId, this.versions.init, { transactionalId: this.id, transactionTimeoutMs: 60_000, ...more })
    if (answer.errorCode === 0) this.#become(answer)
    return kafkaErrorName(answer.errorCode)!
  }

  async add(...partitions: number[]): Promise<string[]> {
    const { transactionalId, producerId, producerEpoch } = this.who
    const answer = await this.raw.request(addPartitionsToTxn, this.versions.add, {
      v3AndBelowTransactionalId: transactionalId, v3AndBelowProducerId: producerId, v3AndBelowProducerEpoch: producerEpoch,
      v3AndBelowTopics: [{ name: 't', partitions }],
    })
    return answer.resultsByTopicV3AndBelow.flatMap(({ resultsByPartition }) => (
      resultsByPartition.map(({ partitionErrorCode }) => kafkaErrorName(partitionErrorCode)!)
    ))
  }

  async produce(partition: number, value: string): Promise<string> {
    const baseSequence = this.#sequences.get(partition) ?? 0
    const { producerId, producerEpoch } = this
    const records = encodeBatch([{ value: Buffer.from(value), timestamp: Date.UTC(2026, 0, 1) }], {
      producerId, producerEpoch, baseSequence, transactional: true,
    })
    const answer = await this.raw.request(produce, this.versions.produce, {
      transactionalId: this.id, acks: -1, timeoutMs: 1000, topicData: [{ name: 't', partitionData: [{ index: partition, records }] }],
    })
    const { errorCode } = answer.responses[0]!.partitionResponses[0]!
    if (errorCode === 0) this.#sequences.set(partition, baseSequence + 1)
    return kafkaErrorName(errorCode)!
  }

  async addOffsets(groupId = 'g'): Promise<string> {
    const { errorCode } = await this.raw.request(addOffsetsToTxn, this.versions.addOffsets, { ...this.who, groupId })
    return kafkaErrorName(errorCode)!
  }

  async commitOffset(
    offset: number, member: { generationId?: number; memberId?: string; groupInstanceId?: string; groupId?: string } = {},
  ): Promise<string> {
    const answer = await this.raw.request(txnOffsetCommit, this.versions.commit, {
      groupId: 'g', ...this.who, ...member,
      topics: [{ name: 't', partitions: [{ partitionIndex: 0, committedOffset: offset, committedMetadata: 'm' }] }],
    })
    return kafkaErrorName(answer.topics[0]!.partitions[0]!.errorCode)!
  }

  async end(committed: boolean): Promise<string> {
    const answer = await this.raw.request(endTxn, this.versions.end, { ...this.who, committed })
    if (answer.errorCode === 0 && this.versions.end >= 5) this.#become(answer)
    return kafkaErrorName(answer.errorCode)!
  }

  #become({ producerId, producerEpoch }: { readonly producerId: bigint; readonly producerEpoch: number }): void {
    this.producerId = producerId
    this.producerEpoch = producerEpoch
    this.#sequences.clear()
  }
}

/** What a reader of the log sees of `t`. */
function values(topic: Topic<string, string>): (string | null)[] {
  return [0, 1].flatMap((partition) => [...topic.partition(partition).read({ isolation: 'read_committed' })].map(({ value }) => value))
}

async function fetched(raw: RawClient, requireStable = false): Promise<{ committedOffset: number; errorCode: number }> {
  const { groups } = await raw.request(offsetFetch, 8, { groups: [{ groupId: 'g', topics: [{ name: 't', partitionIndexes: [0] }] }], requireStable })
  const { committedOffset, errorCode } = groups[0]!.topics[0]!.partitions[0]!
  return { committedOffset, errorCode }
}

test('an idempotent producer is given an id, each another one, in every version', async () => {
  const { client } = await world()
  const raw = await client()
  const ids = new Set<bigint>()
  for (let version = 0; version <= 5; version++) {
    const answer = await raw.request(initProducerId, version, { transactionalId: null, transactionTimeoutMs: 0 })
    expect(answer).toMatchObject({ errorCode: 0, producerEpoch: 0 })
    ids.add(answer.producerId)
  }
  expect(ids.size).toBe(6)
})

for (const [name, versions] of Object.entries({ oldest, newestV1 })) {
  test(`a transaction of the first protocol commits records and offsets together, and aborts them together (${name})`, async () => {
    const { client, topic } = await world()
    const producer = new Producer(await client(), versions)
    const reader = await client()
    expect(await producer.init()).toBe('NONE')
    for (const [round, committed] of [true, false, true].entries()) {
      expect(await producer.add(0, 1)).toEqual(['NONE', 'NONE'])
      for (const partition of [0, 1]) expect(await producer.produce(partition, `${partition}${round}`)).toBe('NONE')
      expect(await producer.addOffsets()).toBe('NONE')
      expect(await producer.commitOffset(10 + round)).toBe('NONE')
      expect(await fetched(reader, true)).toEqual({ committedOffset: -1, errorCode: code.UNSTABLE_OFFSET_COMMIT })
      expect(await producer.end(committed)).toBe('NONE')
      expect(producer.producerEpoch).toBe(0)
      // Asked again, the answer is the same; the other end is none any more.
      expect(await producer.end(committed)).toBe('NONE')
      expect(await producer.end(!committed)).toBe('INVALID_TXN_STATE')
      expect(await fetched(reader, true)).toEqual({ committedOffset: round === 0 ? 10 : committed ? 12 : 10, errorCode: 0 })
    }
    expect(values(topic)).toEqual(['00', '02', '10', '12'])
  })
}

test('by the second protocol partitions and offsets become a part by being written, and each end raises the epoch', async () => {
  const { client, topic } = await world()
  const producer = new Producer(await client())
  const reader = await client()
  expect(await producer.init()).toBe('NONE')
  for (const [round, committed] of [true, false, true].entries()) {
    expect(await producer.produce(0, `0${round}`)).toBe('NONE')
    expect(await producer.produce(1, `1${round}`)).toBe('NONE')
    expect(await producer.commitOffset(10 + round)).toBe('NONE')
    const before = { ...producer.who }
    expect(await producer.end(committed)).toBe('NONE')
    expect(producer.who).toEqual({ ...before, producerEpoch: before.producerEpoch + 1 })
    // An answer that was lost is given again to who asks in the epoch before.
    const again = await producer.raw.request(endTxn, 5, { ...before, committed })
    expect(again).toMatchObject({ errorCode: 0, producerId: producer.producerId, producerEpoch: producer.producerEpoch })
  }
  expect(values(topic)).toEqual(['00', '02', '10', '12'])
  expect(await fetched(reader)).toEqual({ committedOffset: 12, errorCode: 0 })
  // Nothing was written since: there is nothing to commit, and aborting it raises the epoch.
  const epoch = producer.producerEpoch
  expect(await producer.end(true)).toBe('INVALID_TXN_STATE')
  expect(await producer.end(false)).toBe('NONE')
  expect(producer.producerEpoch).toBe(epoch + 1)
})

test('a producer that is taken over is fenced, and each version calls it by the name that it knows', async () => {
  const { client, topic } = await world()
  const [zombie, next] = [new Producer(await client(), newestV1), new Producer(await client(), newestV1)]
  expect(await zombie.init()).toBe('NONE')
  expect(await zombie.add(0)).toEqual(['NONE'])
  expect(await zombie.produce(0, 'lost')).toBe('NONE')
  expect(await next.init()).toBe('NONE')
  expect(next.producerEpoch).toBeGreaterThan(zombie.producerEpoch)
  expect(await zombie.produce(0, 'late')).toBe('INVALID_PRODUCER_EPOCH')
  const errors = async (versions: ProducerVersions): Promise<string[]> => {
    const old = new Producer(zombie.raw, versions)
    Object.assign(old, { producerId: zombie.producerId, producerEpoch: zombie.producerEpoch })
    return [...await old.add(0), await old.addOffsets(), await old.end(true), await old.commitOffset(1)]
  }
  const old = 'INVALID_PRODUCER_EPOCH'
  expect(await errors({ ...oldest, add: 1, addOffsets: 1, end: 1, commit: 2 })).toEqual([old, old, old, old])
  const named = 'PRODUCER_FENCED'
  expect(await errors({ ...oldest, add: 2, addOffsets: 2, end: 2, commit: 3 })).toEqual([named, named, named, old])
  const again = { producerId: zombie.producerId, producerEpoch: zombie.producerEpoch }
  expect(await new Producer(zombie.raw, { ...oldest, init: 3 }).init(again)).toBe('INVALID_PRODUCER_EPOCH')
  expect(await new Producer(zombie.raw, { ...oldest, init: 4 }).init(again)).toBe('PRODUCER_FENCED')
  expect(values(topic)).toEqual([])
  // The one that has it goes on after an error.
  expect(await next.init({ producerId: next.producerId, producerEpoch: next.producerEpoch })).toBe('NONE')
})

test('what cannot be is refused by its name', async () => {
  const { client } = await world()
  const raw = await client()
  const producer = new Producer(raw, newestV1)
  for (const transactionTimeoutMs of [0, -1, 900_001]) expect(await producer.init({ transactionTimeoutMs })).toBe('INVALID_TRANSACTION_TIMEOUT')
  expect(await new Producer(raw, newest, '').init()).toBe('INVALID_REQUEST')
  expect(await producer.init({ producerId: 5n })).toBe('INVALID_REQUEST')
  Object.assign(producer, { producerId: 7n, producerEpoch: 0 })
  const mapping = 'INVALID_PRODUCER_ID_MAPPING'
  expect([...await producer.add(0), await producer.addOffsets(), await producer.end(true), await producer.commitOffset(1)]).toEqual(
    [mapping, mapping, mapping, mapping])
  expect(await producer.init()).toBe('NONE')
  expect(await producer.end(true)).toBe('INVALID_TXN_STATE')
  expect(await producer.add(0, 5)).toEqual(['OPERATION_NOT_ATTEMPTED', 'UNKNOWN_TOPIC_OR_PARTITION'])
  // Offsets before the group is a part of the transaction.
  expect(await producer.add(0)).toEqual(['NONE'])
  expect(await producer.commitOffset(1)).toBe('TRANSACTION_ABORTABLE')
  const older = new Producer(raw, { ...newestV1, commit: 3 })
  Object.assign(older, { producerId: producer.producerId, producerEpoch: producer.producerEpoch })
  expect(await older.commitOffset(1)).toBe('INVALID_TXN_STATE')
  expect(await producer.commitOffset(1, { groupId: '' })).toBe('INVALID_GROUP_ID')
  const internal = await raw.request(addPartitionsToTxn, 3, {
    v3AndBelowTransactionalId: 'tx', v3AndBelowProducerId: producer.producerId, v3AndBelowProducerEpoch: producer.producerEpoch,
    v3AndBelowTopics: [{ name: '__consumer_offsets', partitions: [0] }, { name: 't', partitions: [0] }],
  })
  expect(internal.resultsByTopicV3AndBelow).toMatchObject([
    { name: '__consumer_offsets', resultsByPartition: [{ partitionErrorCode: code.TOPIC_AUTHORIZATION_FAILED }] },
    { name: 't', resultsByPartition: [{ partitionErrorCode: code.OPERATION_NOT_ATTEMPTED }] },
  ])
})

test('offsets of a transaction are those of a member, in its generation, where it can be said', async () => {
  const { client } = await world()
  const member = new WireMember(await client(), 'g', { instanceId: 'i' })
  await together(member)
  const producer = new Producer(await client())
  await producer.init()
  const { memberId, generation: generationId } = member
  expect(await producer.commitOffset(1, { memberId: 'nobody', generationId })).toBe('UNKNOWN_MEMBER_ID')
  expect(await producer.commitOffset(1, { memberId, generationId: 7 })).toBe('ILLEGAL_GENERATION')
  expect(await producer.commitOffset(1, { memberId: 'old', generationId, groupInstanceId: 'i' })).toBe('FENCED_INSTANCE_ID')
  expect(await producer.commitOffset(1, { memberId, generationId, groupId: 'none' })).toBe('ILLEGAL_GENERATION')
  expect(await producer.commitOffset(5, { memberId, generationId, groupInstanceId: 'i' })).toBe('NONE')
  // Nobody asks an old client who it is.
  expect(await producer.commitOffset(6)).toBe('NONE')
  expect(await producer.end(true)).toBe('NONE')
  expect(await fetched(await client())).toEqual({ committedOffset: 6, errorCode: 0 })
})

test('a transaction whose time is up is aborted, and its producer is fenced until it says that it goes on', async () => {
  const { client, clock, topic } = await world()
  for (const versions of [newestV1, newest]) {
    const producer = new Producer(await client(), versions, `tx${versions.end}`)
    await producer.init({ transactionTimeoutMs: 5000 })
    if (versions === newestV1) await producer.add(0)
    expect(await producer.produce(0, 'slow')).toBe('NONE')
    await clock.advance(6000)
    expect(await producer.produce(0, 'late')).toBe('INVALID_PRODUCER_EPOCH')
    expect(await producer.end(true)).toBe(versions === newest ? 'INVALID_TXN_STATE' : 'PRODUCER_FENCED')
    expect(values(topic)).toEqual([])
    // The abort has raised the epoch, which is the one that it gets.
    expect(await producer.init({ producerId: producer.producerId, producerEpoch: producer.producerEpoch })).toBe('NONE')
    expect(producer.producerEpoch).toBe(1)
  }
})

test('brokers of a cluster add partitions of several transactions, and ask whether they are a part', async () => {
  const { client, kafka } = await world()
  const raw = await client()
  const producer = new Producer(raw)
  await producer.init()
  const topics = [{ name: 't', partitions: [0, 1] }]
  for (const version of [4, 5]) {
    const ask = async (verifyOnly: boolean): Promise<number[][]> => (await raw.request(addPartitionsToTxn, version, {
      transactions: [{ ...producer.who, verifyOnly, topics }, { transactionalId: 'other', producerId: 1n, producerEpoch: 0, verifyOnly, topics }],
    })).resultsByTransaction.map(({ topicResults }) => topicResults[0]!.resultsByPartition.map(({ partitionErrorCode }) => partitionErrorCode))
    const { INVALID_PRODUCER_ID_MAPPING: other, TRANSACTION_ABORTABLE: none } = code
    expect(await ask(true)).toEqual([[none, none], [other, other]])
    expect(await ask(false)).toEqual([[0, 0], [other, other]])
    expect(await ask(true)).toEqual([[0, 0], [other, other]])
    await producer.end(false)
  }
  Object.assign(kafka.cluster, { authorizer: { allows: (_peer, operation) => operation !== 'CLUSTER_ACTION' } satisfies Authorizer })
  expect(await raw.request(addPartitionsToTxn, 5, { transactions: [] })).toMatchObject({ errorCode: code.CLUSTER_AUTHORIZATION_FAILED })
})

test('transactions and producers are described and listed', async () => {
  const { client, clock } = await world()
  const raw = await client()
  const producer = new Producer(raw)
  await producer.init()
  expect((await raw.request(describeTransactions, 0, { transactionalIds: ['tx', 'none', ''] })).transactionStates).toMatchObject([
    {
      errorCode: 0, transactionState: 'Empty', transactionTimeoutMs: 60_000, transactionStartTimeMs: -1, producerId: producer.producerId,
      topics: [],
    },
    { errorCode: code.TRANSACTIONAL_ID_NOT_FOUND, transactionState: '', producerId: 0n, producerEpoch: 0 }, { errorCode: code.INVALID_REQUEST },
  ])
  const began = clock.now()
  await producer.produce(0, 'a')
  await producer.produce(1, 'b')
  expect((await raw.request(describeTransactions, 0, { transactionalIds: ['tx'] })).transactionStates).toMatchObject([
    { transactionState: 'Ongoing', transactionStartTimeMs: began, producerEpoch: 0, topics: [{ topic: 't', partitions: [0, 1] }] },
  ])
  const list = async (version: number, filter: Partial<Encodable<typeof listTransactions.request>>) => (
    raw.request(listTransactions, version, { stateFilters: [], producerIdFilters: [], ...filter })
  )
  const all = [{ transactionalId: 'tx', producerId: producer.producerId, transactionState: 'Ongoing' }]
  for (let version = 0; version <= 2; version++) expect(await list(version, {})).toMatchObject({ errorCode: 0, transactionStates: all })
  expect(await list(0, { stateFilters: ['Empty', 'Lost'] })).toMatchObject({ unknownStateFilters: ['Lost'], transactionStates: [] })
  expect(await list(0, { producerIdFilters: [producer.producerId] })).toMatchObject({ transactionStates: all })
  expect(await list(0, { producerIdFilters: [77n] })).toMatchObject({ transactionStates: [] })
  await clock.advance(1000)
  expect(await list(1, { durationFilter: 999 })).toMatchObject({ transactionStates: all })
  expect(await list(1, { durationFilter: 1000 })).toMatchObject({ transactionStates: [] })
  expect(await list(2, { transactionalIdPattern: 't.' })).toMatchObject({ transactionStates: all })
  expect(await list(2, { transactionalIdPattern: 't' })).toMatchObject({ transactionStates: [] })
  expect(await list(2, { transactionalIdPattern: '(' })).toMatchObject({ errorCode: code.INVALID_REGULAR_EXPRESSION })
  const { topics } = await raw.request(describeProducers, 0, { topics: [
    { name: 't', partitionIndexes: [0, 9] }, { name: 'none', partitionIndexes: [0] }, { name: 'no/topic', partitionIndexes: [0] },
  ] })
  expect(topics).toMatchObject([
    { partitions: [
      { errorCode: 0, activeProducers: [{ producerId: producer.producerId, producerEpoch: 0, lastSequence: 0, currentTxnStartOffset: 0 }] },
      { errorCode: code.UNKNOWN_TOPIC_OR_PARTITION, activeProducers: [] },
    ] },
    { partitions: [{ errorCode: code.UNKNOWN_TOPIC_OR_PARTITION }] }, { partitions: [{ errorCode: code.INVALID_TOPIC_EXCEPTION }] },
  ])
  await producer.end(true)
  const after = await raw.request(describeProducers, 0, { topics: [{ name: 't', partitionIndexes: [0] }] })
  expect(after.topics[0]!.partitions[0]!.activeProducers).toMatchObject([{ producerEpoch: 1, lastSequence: -1, currentTxnStartOffset: -1 }])
})

test('with several brokers one coordinates a transactional id, and the others refuse', async () => {
  const { kafka, client } = await world({ brokers: 3 })
  for (const id of ['a', 'b', 'c']) {
    const { nodeId } = await (await client()).request(findCoordinator, 3, { key: id, keyType: 1 })
    for (const [index, broker] of kafka.brokers.entries()) {
      const raw = await client(index)
      const producer = new Producer(raw, newestV1, id)
      const right = broker.nodeId === nodeId
      const refused = right ? 'NONE' : 'NOT_COORDINATOR'
      expect(await producer.init()).toBe(refused)
      expect(await producer.add(0)).toEqual([refused])
      expect(await producer.end(false)).toBe(refused)
      expect((await raw.request(describeTransactions, 0, { transactionalIds: [id] })).transactionStates[0]!.errorCode).toBe(code[refused])
    }
  }
  const lists = await Promise.all(kafka.brokers.map(async (_broker, index) => (
    (await (await client(index)).request(listTransactions, 2, { stateFilters: [], producerIdFilters: [] })).transactionStates
  )))
  expect(lists.flat().map(({ transactionalId }) => transactionalId).sort()).toEqual(['a', 'b', 'c'])
})

test('who may not use a transactional id, a group or a topic is told so', async () => {
  const { kafka, client } = await world()
  const producer = new Producer(await client(), newestV1)
  await producer.init()
  const denied = new Set<string>()
  const authorizer: Authorizer = { allows: (_peer, operation, type) => !denied.has(`${operation} ${type}`) }
  Object.assign(kafka.cluster, { authorizer, discreet: authorizer })
  const all = async (): Promise<string[]> => [
    await producer.init(), ...await producer.add(0), await producer.addOffsets(), await producer.commitOffset(1), await producer.end(true),
  ]
  const id = 'TRANSACTIONAL_ID_AUTHORIZATION_FAILED'
  denied.add('WRITE TRANSACTIONAL_ID')
  expect(await all()).toEqual([id, id, id, id, id])
  denied.clear()
  denied.add('READ GROUP')
  expect(await all()).toEqual(['NONE', 'NONE', 'GROUP_AUTHORIZATION_FAILED', 'GROUP_AUTHORIZATION_FAILED', 'NONE'])
  denied.clear()
  denied.add('READ TOPIC').add('WRITE TOPIC')
  expect(await all()).toEqual(['NONE', 'TOPIC_AUTHORIZATION_FAILED', 'NONE', 'TOPIC_AUTHORIZATION_FAILED', 'NONE'])
  denied.add('IDEMPOTENT_WRITE CLUSTER')
  const idempotent = await producer.raw.request(initProducerId, 5, { transactionalId: null, transactionTimeoutMs: 0 })
  expect(idempotent).toMatchObject({ errorCode: code.CLUSTER_AUTHORIZATION_FAILED, producerId: -1n, producerEpoch: -1 })
  denied.add('DESCRIBE TRANSACTIONAL_ID')
  expect((await producer.raw.request(describeTransactions, 0, { transactionalIds: ['tx'] })).transactionStates[0]!.errorCode).toBe(code[id])
  expect((await producer.raw.request(listTransactions, 0, { stateFilters: [], producerIdFilters: [] })).transactionStates).toEqual([])
})
