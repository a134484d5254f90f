/*
 * Ways in which a test broker of three misbehaves, each with what ends it.
 */
import { type Random } from '../../src/base/random.ts'
import { type KafkaErrorName } from '../../src/format/kafka-errors.ts'
import { type ApiName } from '../../src/kafka/api-names.ts'
import { type TestBroker } from '../../src/testing/index.ts'
import { chaosTopics } from './chaos-load.ts'
import { HANDLER_GROUP, LOOP_GROUP } from './chaos-groups.ts'
import { PIPELINE_GROUP } from './chaos-pipeline.ts'

/** What goes wrong. */
export interface Misbehaviour {
  readonly name: string
  /** Nobody can get on before it is over. */
  readonly total?: boolean
  /** Begins it, and gives what ends it. */
  begin(kafka: TestBroker, random: Random): Promise<() => Promise<void>>
}

const BROKERS = [1, 2, 3] as const
const PARTITIONS = 4
const MOST_TIMES = 3

/** By what is asked. */
type Errors = Partial<Readonly<Record<ApiName, readonly KafkaErrorName[]>>>

const coordinating: readonly KafkaErrorName[] = ['NOT_COORDINATOR', 'COORDINATOR_LOAD_IN_PROGRESS', 'COORDINATOR_NOT_AVAILABLE']
/** What brokers answer that passes. */
const passing: Errors = {
  Produce: ['NOT_LEADER_OR_FOLLOWER', 'NOT_ENOUGH_REPLICAS', 'LEADER_NOT_AVAILABLE', 'KAFKA_STORAGE_ERROR'],
  Fetch: ['NOT_LEADER_OR_FOLLOWER', 'FENCED_LEADER_EPOCH', 'OFFSET_NOT_AVAILABLE'],
  ListOffsets: ['NOT_LEADER_OR_FOLLOWER', 'LEADER_NOT_AVAILABLE'],
  FindCoordinator: ['COORDINATOR_NOT_AVAILABLE'],
  InitProducerId: [...coordinating, 'CONCURRENT_TRANSACTIONS'],
  AddPartitionsToTxn: [...coordinating, 'CONCURRENT_TRANSACTIONS'],
  AddOffsetsToTxn: [...coordinating, 'CONCURRENT_TRANSACTIONS'],
  TxnOffsetCommit: coordinating,
  EndTxn: coordinating,
  OffsetCommit: coordinating,
  OffsetFetch: coordinating,
  JoinGroup: coordinating,
  SyncGroup: coordinating,
  Heartbeat: coordinating,
}
/** What brokers answer once their leader has stored a batch, or their coordinator has decided. */
const passingAfter: Errors = {
  Produce: ['NOT_ENOUGH_REPLICAS_AFTER_APPEND', 'REQUEST_TIMED_OUT', 'NOT_LEADER_OR_FOLLOWER'],
  TxnOffsetCommit: coordinating,
  EndTxn: coordinating,
  OffsetCommit: coordinating,
}
const asked = [...apisOf(passing), 'Metadata'] as const

/** All ways. */
export const misbehaviours: readonly Misbehaviour[] = [
  { name: 'a broker goes', begin: (kafka, random) => down(kafka, [drawn(BROKERS, random)]) },
  { name: 'two brokers go', begin: (kafka, random) => down(kafka, without(BROKERS, drawn(BROKERS, random))) },
  { name: 'all brokers go', total: true, begin: (kafka) => down(kafka, BROKERS) },
  { name: 'leaders move', begin: moveLeaders },
  { name: 'coordinators move', begin: moveCoordinators },
  { name: 'connections end', begin: async (kafka, random) => (kafka.faults.broker(drawn(BROKERS, random)).dropConnections(), async () => {}) },
  { name: 'answers are lost', begin: (kafka, random) => fault(kafka, random, asked, cutAfter) },
  { name: 'answers to sends are lost', begin: (kafka, random) => fault(kafka, random, ['Produce'], cutAfter) },
  { name: 'connections are reset', begin: (kafka, random) => fault(kafka, random, asked, (on) => on.resetConnection()) },
  { name: 'answers end in the middle', begin: (kafka, random) => fault(kafka, random, asked, (on) => on.truncate(7)) },
  { name: 'brokers are silent', begin: (kafka, random) => fault(kafka, random, asked, (on) => on.silence({ when: 'after-apply' })) },
  { name: 'brokers answer that it passes', begin: (kafka, random) => errors(kafka, random, passing, 'before-apply') },
  { name: 'brokers answer so after they did it', begin: (kafka, random) => errors(kafka, random, passingAfter, 'after-apply') },
]

type Builder = ReturnType<TestBroker['faults']['on']>

function cutAfter(on: Builder): { cancel(): void } {
  return on.dropConnection({ when: 'after-apply' })
}

async function fault(
  kafka: TestBroker, random: Random, apis: readonly ApiName[], act: (on: Builder, api: ApiName) => { cancel(): void },
): Promise<() => Promise<void>> {
  const api = drawn(apis, random)
  const made = act(kafka.faults.on(api).times(1 + random.int(MOST_TIMES)).optional(), api)
  return async () => made.cancel()
}

function errors(
  kafka: TestBroker, random: Random, table: Errors, when: 'before-apply' | 'after-apply',
): Promise<() => Promise<void>> {
  return fault(kafka, random, apisOf(table), (on, api) => on.error(drawn(table[api]!, random), { when }))
}

async function down(kafka: TestBroker, brokers: readonly number[]): Promise<() => Promise<void>> {
  for (const broker of brokers) await kafka.faults.broker(broker).down()
  return async () => { for (const broker of brokers) await kafka.faults.broker(broker).up() }
}

async function moveLeaders(kafka: TestBroker, random: Random): Promise<() => Promise<void>> {
  for (const topic of [chaosTopics.sent, chaosTopics.piped]) {
    for (let partition = 0; partition < PARTITIONS; partition++) await kafka.faults.partition(topic, partition).moveLeader(drawn(BROKERS, random))
  }
  return async () => {}
}

async function moveCoordinators(kafka: TestBroker, random: Random): Promise<() => Promise<void>> {
  for (const group of [PIPELINE_GROUP, LOOP_GROUP, HANDLER_GROUP]) kafka.faults.group(group).moveCoordinator(drawn(BROKERS, random))
  kafka.faults.transactions('chaos-worker').moveCoordinator(drawn(BROKERS, random))
  return async () => {}
}

function apisOf(table: Errors): ApiName[] {
  return Object.keys(table) as ApiName[]
}

function drawn<T>(list: readonly T[], random: Random): T {
  return list[random.int(list.length)]!
}

function without<T>(list: readonly T[], one: T): T[] {
  return list.filter((each) => each !== one)
}
