/*
 * What is so of one transactional id, and what it may become: pure. Each step gives a new state, which counts once it is stored (coordinator.ts).
 * Rules as in Kafka's coordinator. With the second version of the protocol (KIP-890) each end raises the epoch, so that what a producer sent
 * late is not taken for a part of its next transaction.
 */
import { transactionStatuses, type TransactionStatus } from '../../format/transaction-state.ts'
import { type StoredTransaction, type TransactionInput } from './state-log.ts'

/** A partition of a topic. */
export interface TransactionPlace {
  readonly topic: string
  readonly partition: number
}

/** The state of one transactional id. −1 stands for "none". */
export interface TransactionState {
  readonly producerId: bigint
  /** The producer id before this one. */
  readonly previousProducerId: bigint
  /** The producer id from the end of the transaction on, when the epochs of this one are used up. */
  readonly nextProducerId: bigint
  readonly producerEpoch: number
  /** The epoch that whoever holds the id had before: a request with it is one that was sent again. Not stored. */
  readonly lastProducerEpoch: number
  readonly timeoutMs: number
  readonly status: TransactionStatus
  readonly partitions: readonly TransactionPlace[]
  /** Ms since 1970. */
  readonly updatedAt: number
  /** Ms since 1970. */
  readonly startedAt: number
  /** Of the protocol that the producer speaks: from 2 on the epoch rises with each end. */
  readonly version: number
}

const MAX_EPOCH = 0x7fff
const NONE = -1n

/** Whether no further epoch may be given out: the last one is for fencing. */
export function isExhausted(epoch: number): boolean {
  return epoch >= MAX_EPOCH - 1
}

/** A transactional id that nobody has used before. */
export function newTransactionState(producerId: bigint, timeoutMs: number, now: number): TransactionState {
  return {
    producerId, previousProducerId: NONE, nextProducerId: NONE, producerEpoch: -1, lastProducerEpoch: -1, timeoutMs, status: 'Empty',
    partitions: [], updatedAt: now, startedAt: -1, version: 0,
  }
}

/**
 * A producer takes the id over, or goes on after an error: its epoch rises, and any other is fenced.
 *
 * @param expected  the epoch that the producer believes it has; undefined from a new one. With the epoch before, it asks again for an answer
 *                  that it did not get
 * @returns  undefined when somebody else has taken the id over meanwhile
 */
export function withNextEpoch(
  state: TransactionState, { timeoutMs, expected, now }: { readonly timeoutMs: number; readonly expected: number | undefined; readonly now: number },
): TransactionState | undefined {
  const next = { ...state, timeoutMs, status: 'Empty', partitions: [], startedAt: -1, updatedAt: now } as const
  if (expected === undefined) return { ...next, producerEpoch: state.producerEpoch + 1, lastProducerEpoch: -1 }
  if (state.producerEpoch === -1 || expected === state.producerEpoch) {
    return { ...next, producerEpoch: state.producerEpoch + 1, lastProducerEpoch: state.producerEpoch }
  }
  return expected === state.lastProducerEpoch ? next : undefined
}

/** As {@link withNextEpoch}, with a new producer id, since the epochs of this one are used up. */
export function withNextId(
  state: TransactionState, producerId: bigint, { timeoutMs, expected, now }: {
    readonly timeoutMs: number
    readonly expected: number | undefined
    readonly now: number
  },
): TransactionState {
  return {
    ...state, producerId, previousProducerId: state.producerId, producerEpoch: 0, timeoutMs, status: 'Empty', partitions: [], startedAt: -1,
    lastProducerEpoch: expected === undefined ? -1 : state.producerEpoch, updatedAt: now,
  }
}

/** Partitions become a part of the transaction, which begins with the first. */
export function withPartitions(state: TransactionState, added: readonly TransactionPlace[], now: number, version: number): TransactionState {
  const all = new Map([...state.partitions, ...added].map((place) => [placeKey(place), place]))
  const startedAt = state.status === 'Ongoing' ? state.startedAt : now
  return { ...state, status: 'Ongoing', partitions: [...all.values()], startedAt, updatedAt: now, version }
}

/** Those of some partitions that are not a part of the transaction. */
export function notParts<Place extends TransactionPlace>({ partitions }: TransactionState, places: readonly Place[]): readonly Place[] {
  const parts = new Set(partitions.map(placeKey))
  return places.filter((place) => !parts.has(placeKey(place)))
}

function placeKey({ topic, partition }: TransactionPlace): string {
  return `${partition} ${topic}`
}

/** The end of the transaction is decided; its markers follow. */
export function prepared(
  state: TransactionState, status: 'PrepareCommit' | 'PrepareAbort', { version, nextProducerId, now }: {
    readonly version: number
    readonly nextProducerId: bigint
    readonly now: number
  },
): TransactionState {
  const raised = version >= 2
  return {
    ...state, status, version, nextProducerId, updatedAt: now,
    producerEpoch: raised ? Math.min(state.producerEpoch + 1, MAX_EPOCH) : state.producerEpoch,
    lastProducerEpoch: raised ? state.producerEpoch : state.lastProducerEpoch,
    // One without partitions has no beginning.
    startedAt: state.status === 'Ongoing' ? state.startedAt : now,
  }
}

/** All markers are stored. */
export function completed(state: TransactionState, now: number): TransactionState {
  const rotates = state.nextProducerId !== NONE
  return {
    ...state, status: state.status === 'PrepareCommit' ? 'CompleteCommit' : 'CompleteAbort', partitions: [], updatedAt: now, nextProducerId: NONE,
    ...(rotates && { producerId: state.nextProducerId, previousProducerId: state.producerId, producerEpoch: 0 }),
  }
}

/** The record of a state. */
export function recordOf(state: TransactionState): TransactionInput {
  return {
    producerId: state.producerId, previousProducerId: state.previousProducerId, nextProducerId: state.nextProducerId,
    producerEpoch: state.producerEpoch, transactionTimeoutMs: state.timeoutMs, transactionStatus: transactionStatuses.indexOf(state.status),
    transactionPartitions: state.status === 'Empty' ? null : byTopic(state.partitions),
    transactionLastUpdateTimestampMs: state.updatedAt, transactionStartTimestampMs: state.startedAt, clientTransactionVersion: state.version,
  }
}

/** The state that a record tells. */
export function stateOf(stored: StoredTransaction): TransactionState {
  return {
    producerId: stored.producerId, previousProducerId: stored.previousProducerId, nextProducerId: stored.nextProducerId,
    producerEpoch: stored.producerEpoch, lastProducerEpoch: -1, timeoutMs: stored.transactionTimeoutMs,
    status: transactionStatuses[stored.transactionStatus] ?? 'Dead',
    partitions: (stored.transactionPartitions ?? []).flatMap(({ topic, partitionIds }) => partitionIds.map((partition) => ({ topic, partition }))),
    updatedAt: stored.transactionLastUpdateTimestampMs, startedAt: stored.transactionStartTimestampMs, version: stored.clientTransactionVersion,
  }
}

/** Partitions, together by their topics. */
export function byTopic(places: Iterable<TransactionPlace>): { topic: string; partitionIds: number[] }[] {
  const topics = new Map<string, number[]>()
  for (const { topic, partition } of places) {
    const numbers = topics.get(topic)
    if (numbers === undefined) topics.set(topic, [partition])
    else numbers.push(partition)
  }
  return Array.from(topics, ([topic, partitionIds]) => ({ topic, partitionIds }))
}
