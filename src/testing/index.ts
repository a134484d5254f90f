/*
 * The door `commitlog/testing`: a Kafka for tests, and the world below the log, under control.
 */
export { Checkpoint, type ForkOptions, type RestoreOptions, startTestBroker, TestBroker } from './broker/test-broker.ts'
export type { TestBrokerOptions, TestSecurity, TestTopicOptions, TestTopics } from './broker/options.ts'
export { GroupHands, type ReadyOptions, type TestGroup, type TestMember, type TestPlace } from './broker/group-hands.ts'
export { type LookOptions, type RecordPlace, type TestRecordInput, type TestValue, TopicHands, type WaitFor } from './broker/topic-hands.ts'
export { TestRecord } from './broker/test-record.ts'
export { type TestTransaction, TransactionHands } from './broker/transaction-hands.ts'
export type { ImportItem, ImportRecordInput } from './import/imported-record.ts'
export type { ImportedRecords, ImportOptions } from './import/import-records.ts'
export type { ImportSource } from './import/import-source.ts'
export { type ClientSocket, MemorySocket, type SocketRequest } from '../kafka/memory-socket.ts'
export type { Duration } from './clock/durations.ts'
export { type ClockMode, TestClock } from './clock/test-clock.ts'
export { type Exploration, explore, type ExploreOptions } from './explore/explore.ts'
export { ExploredRun, type ExploredTest } from './explore/explored-run.ts'
export { FaultActions, type WhenOptions } from './faults/actions.ts'
export { FaultBuilder } from './faults/builder.ts'
export { BrokerFaults, CoordinatorFaults, type MoveOptions, PartitionFaults } from './faults/cluster-faults.ts'
export { Fault } from './faults/fault.ts'
export { ClientFaults, Faults } from './faults/faults.ts'
export type { Corruption, FaultAction, FaultMoment, FaultSpec, FaultTarget } from './faults/spec.ts'
export type { KafkaErrorName } from '../format/kafka-errors.ts'
export type { ApiName } from '../kafka/api-names.ts'
export { type Decoding, JournalEntry } from './journal/entry.ts'
export { type ConnectionNote, type EntryFilter, Journal, type JournalOptions } from './journal/journal.ts'
export type { TimelineOptions } from './journal/timeline.ts'
export type { Equals, RecordExpectation, RecordParts } from './matchers/expectation.ts'
export type { KafkaMatchers } from './matchers/kafka-matchers.ts'
export {
  type CommittedExpectation, type Matcher, type MatcherContext, type MatcherOptions, type MatcherResult, matchers, type RecordPart,
  type RequestExpectation,
} from './matchers/matchers.ts'
export {
  Contract, type ContractCheck, type ContractOptions, type ContractRecord, type ContractRule, type ContractViolation,
} from './strict/contract.ts'
export { type StrictFinding, StrictMode, type StrictOptions, type StrictRule, strictRules } from './strict/strict-mode.ts'
export type { DiskCall, DiskFault, DiskVerb } from './disk-faults.ts'
export { ManualClock, type ManualClockOptions } from './manual-clock.ts'
export { type Crash, SimulatedDisk, type SimulatedDiskOptions } from './simulated-disk.ts'
export { type Decider, type ExpectedError, type Given, given, type Outcome, recorded, type When } from './given.ts'
export { type ConformanceHooks, type ConformanceOutcome, runStoreConformance, storeConformance } from './store-conformance.ts'
export type { ConformanceCase, ConformanceEvent, ConformanceExpected, ConformanceRecorded, StoreUnderTest } from './store-under-test.ts'
export { type EmmettStoreShape, emmettStoreUnderTest, eventStoreUnderTest, type UnderTestOptions } from './stores-under-test.ts'
export {
  portableCases, portableConformance, type PortableConformanceHooks, runPortableConformance,
} from './portable-conformance/portable-conformance.ts'
export type { LogUnderTest, PortableCase, PortableCaseContext } from './portable-conformance/log-under-test.ts'
