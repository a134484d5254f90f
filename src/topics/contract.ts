/*
 * What a log does wherever it lives: in this process, or on a Kafka cluster behind `commitlog/cluster`. Code that is written against these
 * interfaces runs on both; what only a local log can do (partitions as objects, synchronous appends and reads, durable offsets) is not
 * here. Each grows by what both can do.
 *
 * Whatever waits takes a `signal`, which ends the waiting with its reason, at once: what was under way may be done nevertheless. One that is
 * aborted already keeps it from being begun.
 *
 * What may differ: offsets of a partition rise and may have gaps, behind transactions for one; records of different partitions have no order; a
 * time that a log gives is that of its machine; a definition with other settings than the topic has changes them where the log is its owner's, and
 * is LOG_TOPIC_MISMATCH on a cluster. All else is said as cases in src/testing/portable-conformance/, which run on every kind of log.
 *
 * test/types/ compiles every portable example against the local log and against a stub.
 */
import { type HeadersInput } from '../log/record-input.ts'
import { type WaitOptions } from './abort.ts'
import type { Handler, LoopStats } from './consume/loop-options.ts'
import type { ConsumeOptions } from './consume/options.ts'
import { type TopicDefinition } from './define-topic.ts'
import type { Committing } from './groups/commit-entries.ts'
import type { CommitOptions, Committed } from './groups/group-consumer.ts'
import type { GroupConsumerOptions } from './groups/group-options.ts'
import type { KeyOf, LogConsumerOptions, SubscribedTopic, ValueOf } from './groups/group-sources.ts'
import type { Groups } from './groups/groups-admin.ts'
import type { Place } from './groups/member.ts'
import { type StartPosition } from './start-position.ts'

/** A record to send. */
export interface PortableSendRecord<K, V> {
  readonly key?: K | null
  /** Null says that the key is gone. */
  readonly value: V | null
  readonly headers?: HeadersInput
  /** Ms since 1970. Default: now. */
  readonly timestamp?: number
  /** Default: chosen by the key, as every Kafka client does. */
  readonly partition?: number
}

/** Where a record went. */
export interface PortableSendResult {
  readonly partition: number
  /**
   * More than that of every record before it in the partition; what is between may be markers of transactions, or nothing. −1 when a cluster
   * had the record already, since the answer to an earlier try was lost, and does not tell any more where.
   */
  readonly offset: number
  /** Ms since 1970; −1 when the log chose it, and the record, which is stored, cannot be read just now. */
  readonly timestamp: number
}

/** A record as a consumer gets it. */
export interface PortableRecord<K, V> {
  readonly topic: string
  readonly partition: number
  readonly offset: number
  /** Ms since 1970; −1 for none. */
  readonly timestamp: number
  readonly key: K | null
  readonly value: V | null
  /** In their order, with duplicates. */
  readonly headers: readonly (readonly [name: string, value: Uint8Array | null])[]
  /** The value of the last header of a name; undefined when there is none. */
  header(name: string): Uint8Array | null | undefined
}

/** What a consumer may be told. */
export interface PortableConsumerOptions {
  readonly from?: StartPosition | ReadonlyMap<number, StartPosition>
  readonly partitions?: readonly number[]
  readonly isolation?: 'read_committed' | 'read_uncommitted'
  readonly until?: 'end'
  readonly signal?: AbortSignal
}

/** A log: topics, and an end. */
export interface PortableLog extends AsyncDisposable {
  topic<K, V>(definition: TopicDefinition<K, V>, options?: { readonly create?: boolean; readonly signal?: AbortSignal }): Promise<PortableTopic<K, V>>
  topics(options?: WaitOptions): Promise<readonly { readonly name: string; readonly partitions: number }[]>
  readonly groups: PortableGroups
  consumer<const T extends readonly SubscribedTopic[]>(
    options: Omit<LogConsumerOptions<T>, 'ref'>,
  ): PortableGroupConsumer<KeyOf<T[number]>, ValueOf<T[number]>, Place>
  /** Runs `work` with a transaction and commits it; when `work` throws, nothing of it counts. */
  transaction<T>(work: (transaction: PortableTransaction) => Promise<T> | T, options?: PortableTransactionOptions): Promise<T>
  /** Begins a transaction, to be ended by its `commit` or `abort`. */
  beginTransaction(options?: PortableTransactionOptions): Promise<PortableTransaction>
  close(): Promise<void>
}

/** How a transaction is begun. */
export interface PortableTransactionOptions {
  /** Makes it the only open transaction of its name. A cluster needs one and makes one up. */
  readonly transactionalId?: string
  /** Milliseconds after which it is aborted. */
  readonly timeoutMs?: number
  /** Ends the waiting for its beginning, and of `log.transaction` for its end: aborted before the commit is asked for, nothing of it counts. */
  readonly signal?: AbortSignal
}

/** Records, and offsets of groups, that count together or not at all. */
export interface PortableTransaction extends AsyncDisposable {
  /** Resolves with the place of the record, which counts once the transaction is committed. One that fails makes `commit` fail. */
  send<K, V>(topic: PortableTopic<K, V>, record: PortableSendRecord<K, V>, options?: WaitOptions): Promise<PortableSendResult>
  send<K, V>(
    topic: PortableTopic<K, V>, records: readonly PortableSendRecord<K, V>[], options?: WaitOptions,
  ): Promise<readonly PortableSendResult[]>
  /** Commits offsets, each of the next record to read, for a group without members. */
  commitOffsets(
    group: string, offsets: readonly { readonly topic: string; readonly partition: number; readonly offset: number; readonly metadata?: string }[],
    options?: WaitOptions,
  ): Promise<void>
  /** A signal ends the waiting, not the commit: whether it counts is not known then. One that is aborted already leaves the transaction open. */
  commit(options?: WaitOptions): Promise<void>
  abort(options?: WaitOptions): Promise<void>
}

/** A topic. */
export interface PortableTopic<K, V> extends AsyncDisposable {
  readonly name: string
  readonly partitionCount: number
  send(record: PortableSendRecord<K, V>, options?: WaitOptions): Promise<PortableSendResult>
  send(records: readonly PortableSendRecord<K, V>[], options?: WaitOptions): Promise<readonly PortableSendResult[]>
  producer(options?: PortableProducerOptions<K, V>): PortableProducer<K, V>
  consumer(options: PortableGroupConsumerOptions<number>): PortableGroupConsumer<K, V, number>
  consumer(options?: PortableConsumerOptions): PortableConsumer<K, V>
  /** Gives records to a handler as a member of a group, tries again what fails and puts aside what cannot be handled, until it is stopped. */
  consume(options: PortableConsumeOptions, handler: Handler<K, V>): PortableConsumption
  close(): Promise<void>
}

/** What a consumption may be told. */
export type PortableConsumeOptions = Omit<ConsumeOptions, 'ref'>

/** Records are being handled. */
export interface PortableConsumption extends AsyncDisposable {
  readonly topic: string
  readonly group: string
  /** Resolves when it has stopped; rejects with what ended it otherwise. */
  readonly done: Promise<void>
  /** Waits for what handlers have in hand, commits what they finished and leaves the group; what is not finished by then comes again. */
  stop(options?: { readonly deadlineMs?: number; readonly signal?: AbortSignal }): Promise<void>
  stats(): LoopStats
}

/** What a member of a group may be told. `P` names a partition: its number, or `{ topic, partition }`. */
export type PortableGroupConsumerOptions<P> = Omit<GroupConsumerOptions<P>, 'ref'>

/** Reads as a member of a group. Asking for the next record marks the one before as done. */
export interface PortableGroupConsumer<K, V, P> extends AsyncIterable<PortableRecord<K, V>>, AsyncDisposable {
  readonly group: string
  readonly assignment: readonly P[]
  /** Records as they are stored together. */
  batches(): AsyncIterable<readonly PortableRecord<K, V>[]>
  /** Offset of the next record that is not done. */
  position(partition: P): number
  seek(partition: P, to: StartPosition): void
  pause(...partitions: readonly P[]): void
  resume(...partitions: readonly P[]): void
  commit(what?: Committing<P>, options?: CommitOptions): Promise<void>
  committed(partition: P, options?: WaitOptions): Promise<Committed | undefined>
  close(): Promise<void>
}

/** The groups of a log. */
export type PortableGroups = Pick<Groups, 'list' | 'describe' | 'lag' | 'delete' | 'resetOffsets'>

/** What a producer may be told. */
export interface PortableProducerOptions<K, V> {
  readonly partitioner?: PortablePartitioner<K, V>
  /** Milliseconds that a record may wait for company. */
  readonly lingerMs?: number
}

/** Chooses a partition, 0 to `partitions − 1`. */
export type PortablePartitioner<K, V> = (record: PortableSendRecord<K, V>, partitions: number) => number

/** Sends with a partitioner of its own. */
export interface PortableProducer<K, V> extends AsyncDisposable {
  readonly topic: string
  send(record: PortableSendRecord<K, V>, options?: WaitOptions): Promise<PortableSendResult>
  send(records: readonly PortableSendRecord<K, V>[], options?: WaitOptions): Promise<readonly PortableSendResult[]>
  /** Resolves when everything sent so far is stored. */
  flush(options?: WaitOptions): Promise<void>
  close(): Promise<void>
}

/** Reads partitions as they grow. Asking for the next record marks the one before as done. */
export interface PortableConsumer<K, V> extends AsyncIterable<PortableRecord<K, V>>, AsyncDisposable {
  readonly topic: string
  readonly assignment: readonly number[]
  /** Records as they are stored together. */
  batches(): AsyncIterable<readonly PortableRecord<K, V>[]>
  /** Offset of the next record that is not done. */
  position(partition: number): number
  seek(partition: number, to: StartPosition): void
  pause(...partitions: readonly number[]): void
  resume(...partitions: readonly number[]): void
  close(): Promise<void>
}
