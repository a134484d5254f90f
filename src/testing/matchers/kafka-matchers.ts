/*
 * The matchers as a test writes them: what `expect(kafka)` has once they are added to it. `R` is what the runner's matchers give.
 */
import { type ApiName } from '../../kafka/api-names.ts'
import { type TestRecord } from '../broker/test-record.ts'
import { type RecordExpectation } from './expectation.ts'
import { type CommittedExpectation, type MatcherOptions, type RecordPart, type RequestExpectation } from './matchers.ts'

/** What may be said of a test broker. Each is to be awaited. */
export interface KafkaMatchers<R = unknown> {
  /** A record that is as expected is in the topic, or comes within the time. */
  toHaveProduced(topic: string, expected: RecordExpectation, options?: MatcherOptions): Promise<R>
  /** The topic has exactly so many records, or exactly these, in whatever order. Waits until there are enough. */
  toHaveProducedExactly(topic: string, expected: number | readonly RecordExpectation[], options?: MatcherOptions): Promise<R>
  /** The topic has no records that `kafka.topic(topic).next()` has not given. Looks once. */
  toHaveNoMoreRecords(topic: string): Promise<R>
  /** The group has committed these offsets, or does within the time: of each topic by partition, `{ orders: [3, 0, 1] }`. */
  toHaveCommitted(group: string, expected: CommittedExpectation, options?: MatcherOptions): Promise<R>
  /** The group has committed all that there is, or does within the time. */
  toBeCaughtUp(group: string, options?: MatcherOptions): Promise<R>
  /** The group has rebalanced, exactly `times` times: the first assignment is one. Default: at least once. */
  toHaveRebalanced(group: string, times?: number, options?: MatcherOptions): Promise<R>
  /** The records of each key lie in one partition, and what `by` gives of them never falls. Looks once. */
  toPreserveKeyOrder(topic: string, by?: (record: TestRecord) => number): Promise<R>
  /** No two records of the topic are the same in what `by` gives of them. Default: key, value and headers. Looks once. */
  toHaveNoDuplicates(topic: string, by?: RecordPart): Promise<R>
  /** A client sent a request of this API, or does within the time: `'OffsetCommit'`. */
  toHaveReceivedRequest(api: ApiName, which?: RequestExpectation, options?: MatcherOptions): Promise<R>
  /** A transaction that wrote to the topic, or to any topic, was aborted. */
  toHaveAbortedTransaction(topic?: string, options?: MatcherOptions): Promise<R>
}
