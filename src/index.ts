/*
 * The door `commitlog`: the log, its nouns, codecs and errors. Nothing deep, no sockets, no optional package.
 */
export { ByteWriter } from './base/bytes.ts'
export type { Clock, Timer } from './base/clock.ts'
export type { Codec } from './base/codec.ts'
export { isLogError, LogError, type LogErrorCode, type LogErrorDetail } from './base/errors.ts'
export type { Random } from './base/random.ts'
export type { FileHandle, FileStat, FileSystem, FolderLock, LockHolder, OpenMode } from './files/file-system.ts'
export type { Durability, LogConfig } from './log/config.ts'
export type { CleanReport } from './log/clean-report.ts'
export type { LogEvent } from './log/environment.ts'
export type { Isolation } from './log/partition-log.ts'
export type { LogRecord, RecordHeaders } from './log/record.ts'
export type { HeadersInput, RecordInput } from './log/record-input.ts'
export type { CutReport, RecoveryReport } from './log/recovery-report.ts'
export type { FoundTimestamp } from './log/timestamps.ts'
export type { WaitOptions } from './topics/abort.ts'
export { bytes, json, msgpack, string } from './topics/codecs.ts'
export {
  CommitLog, type LogOptions, type LogStats, type LogStatus, type MemoryLogOptions, type OpenTopicOptions, type TopicDescription, type TopicInfo,
} from './topics/commit-log.ts'
export { Consumption, type StopOptions } from './topics/consume/consume.ts'
export type { DeadLetterInfo, DeadLetterStage } from './topics/consume/dead-letter-headers.ts'
export { DeadLetters } from './topics/consume/dead-letters.ts'
export type { Delivery } from './topics/consume/delivery.ts'
export type { Order } from './topics/consume/lane.ts'
export type { Handler, HandlingFailure, LoopStats } from './topics/consume/loop-options.ts'
export type { ConsumeOptions, RetryOptions } from './topics/consume/options.ts'
export type { DeadLetter, DeadLetterRange, ReplayOptions, ReplayReport } from './topics/consume/replay.ts'
export { exponential, type ExponentialOptions, type RetryDelay } from './topics/consume/retry.ts'
export { Consumer, type ConsumerOptions } from './topics/consumer.ts'
export type {
  PortableConsumeOptions, PortableConsumer, PortableConsumerOptions, PortableConsumption, PortableGroupConsumer, PortableGroupConsumerOptions,
  PortableGroups, PortableLog,
  PortablePartitioner, PortableProducer, PortableProducerOptions, PortableRecord, PortableSendRecord, PortableSendResult,
  PortableTopic, PortableTransaction, PortableTransactionOptions,
} from './topics/contract.ts'
export { defineTopic, type TopicDefinition, type TopicOptions } from './topics/define-topic.ts'
export type { AppendNotice, LogListener, LogNotice } from './topics/diagnostics.ts'
export type { RecordIterator } from './topics/loop.ts'
export type { AssignorName } from './topics/groups/assignors.ts'
export type { Committing, CommitPosition, CommittedRecord } from './topics/groups/commit-entries.ts'
export { type CommitOptions, type Committed, GroupConsumer } from './topics/groups/group-consumer.ts'
export type { GroupConsumerOptions } from './topics/groups/group-options.ts'
export type { AnyDefinition, KeyOf, LogConsumerOptions, SubscribedTopic, ValueOf } from './topics/groups/group-sources.ts'
export {
  type GroupDetails, type GroupInfo, type GroupMemberDetails, Groups, type PartitionLag, type PartitionReset, type ResetOptions,
} from './topics/groups/groups-admin.ts'
export type { GroupState } from './topics/groups/group-messages.ts'
export type { Place } from './topics/groups/member.ts'
export { Partition, type PartitionStats, type ReadRange } from './topics/partition.ts'
export type { Partitioner } from './topics/partitioner.ts'
export { Producer, type ProducerOptions, type SendRecord, type SendResult } from './topics/producer.ts'
export type { TopicSettings } from './topics/settings.ts'
export type { SchemaIssue, SchemaResult, StandardSchema } from './topics/standard-schema.ts'
export type { StartPosition } from './topics/start-position.ts'
export { type CompactOptions, type CompactReport } from './topics/cleaning.ts'
export { Topic } from './topics/topic.ts'
export type { TopicReader } from './topics/topic-reader.ts'
export type { TopicChanges } from './topics/topic-admin.ts'
export type { TransactionOptions } from './topics/transactions/options.ts'
export { type Committer, type GroupOffset, Transaction, type TransactionStatus } from './topics/transactions/transaction.ts'
