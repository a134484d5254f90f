/*
 * What producers and admin clients ask the transaction coordinator, and what it answers, in the fields of Kafka's requests. Nothing of this is
 * ever thrown: an answer carries Kafka's name of the error.
 */
import { type KafkaErrorName } from '../../format/kafka-errors.ts'
import { type TransactionStatus } from '../../format/transaction-state.ts'
import { type CommitRequest, type CommitResult } from '../groups/group-messages.ts'
import { type TransactionPlace } from './transaction-state.ts'

/** InitProducerId. */
export interface InitProducerIdRequest {
  /** Null for a producer that is idempotent only. */
  readonly transactionalId: string | null
  readonly timeoutMs: number
  /** What a producer that goes on after an error has; −1, and so by default, from a new one. */
  readonly producerId?: bigint
  readonly producerEpoch?: number
}

/** A producer id with an epoch; −1 both when there is an error. */
export interface ProducerAnswer {
  readonly error: KafkaErrorName
  readonly producerId: bigint
  readonly producerEpoch: number
}

/** Who holds a transactional id. */
export interface TransactionalHolder {
  readonly transactionalId: string
  readonly producerId: bigint
  readonly producerEpoch: number
  readonly timeoutMs: number
}

/** Who asks, in every request of a transactional producer. */
export interface OfProducer {
  readonly transactionalId: string
  readonly producerId: bigint
  readonly producerEpoch: number
}

/** AddPartitionsToTxn, also what a Produce request of the protocol's second version implies. */
export interface AddPartitionsRequest extends OfProducer {
  readonly partitions: readonly TransactionPlace[]
  /** Only ask whether they are a part of the transaction. */
  readonly verifyOnly?: boolean
  /** 2 from producers whose epoch rises with each end. Default 1. */
  readonly version?: number
}

/** What became of one partition. */
export interface PlaceResult extends TransactionPlace {
  readonly error: KafkaErrorName
}

/** AddOffsetsToTxn. */
export interface AddOffsetsRequest extends OfProducer {
  readonly groupId: string
}

/** TxnOffsetCommit. */
export interface TransactionalCommitRequest extends OfProducer, CommitRequest {
  /** With 2 the partition of the group's offsets becomes a part of the transaction by this request. Default 1. */
  readonly version?: number
}

/** What became of each offset. */
export type TransactionalCommitAnswer = readonly CommitResult[]

/** EndTxn. */
export interface EndTransactionRequest extends OfProducer {
  readonly committed: boolean
  /** With 2 the epoch rises, and the answer has the next one. Default 1. */
  readonly version?: number
}

/** One transactional id as it is described. */
export interface TransactionDescription {
  readonly error: KafkaErrorName
  readonly transactionalId: string
  readonly state: TransactionStatus | ''
  readonly timeoutMs: number
  readonly startedAt: number
  readonly producerId: bigint
  readonly producerEpoch: number
  readonly partitions: readonly TransactionPlace[]
}

/** Which transactional ids to list; what is absent or empty lists all. */
export interface ListTransactionsRequest {
  readonly states?: readonly string[]
  readonly producerIds?: readonly bigint[]
  /** Only those that are open for longer, ms; −1 for all. */
  readonly durationMs?: number
  /** Only those whose id matches. */
  readonly pattern?: RegExp
}

/** What is listed. */
export interface ListTransactionsAnswer {
  readonly error: KafkaErrorName
  /** States asked for that are none. */
  readonly unknownStates: readonly string[]
  readonly transactions: readonly { readonly transactionalId: string; readonly producerId: bigint; readonly state: TransactionStatus }[]
}

/** A producer that has written to a partition. */
export interface ProducerDescription {
  readonly producerId: bigint
  readonly producerEpoch: number
  readonly lastSequence: number
  /** Ms since 1970. */
  readonly lastTimestamp: number
  readonly coordinatorEpoch: number
  /** −1 when it has no transaction open. */
  readonly currentTransactionStartOffset: number
}
