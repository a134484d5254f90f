/*
 * What an EndTxn request may do to the state of a transactional id: one table for each version of the protocol, as Kafka's coordinator has them.
 * Pure; the coordinator stores what comes of it.
 */
import { type KafkaErrorName } from '../../format/kafka-errors.ts'
import { type EndTransactionRequest } from './messages.ts'
import { type TransactionState } from './transaction-state.ts'

/** To be prepared, or answered as it is: `NONE` to a request that was sent again. */
export type EndDecision = { readonly prepare: 'PrepareCommit' | 'PrepareAbort' } | { readonly answer: KafkaErrorName }

type Asked = Pick<EndTransactionRequest, 'producerId' | 'producerEpoch' | 'committed'>

const MAX_EPOCH = 0x7fff

/** With the first version a request of the current epoch, and no other, ends the transaction. */
export function decideEnd(state: TransactionState, { producerId, producerEpoch, committed }: Asked): EndDecision {
  if (producerId !== state.producerId) return { answer: 'INVALID_PRODUCER_ID_MAPPING' }
  if (producerEpoch !== state.producerEpoch) return { answer: 'PRODUCER_FENCED' }
  if (state.status === 'Ongoing') return { prepare: committed ? 'PrepareCommit' : 'PrepareAbort' }
  return { answer: ofEnded(state, committed) }
}

/** With the second version a request with the epoch before was sent again, and one that aborts nothing raises the epoch all the same. */
export function decideEndRaising(state: TransactionState, { producerId, producerEpoch, committed }: Asked): EndDecision {
  const { status } = state
  const afterRotation = state.previousProducerId === producerId && producerEpoch === MAX_EPOCH - 1 && state.producerEpoch === 0
  const afterRise = state.producerEpoch === producerEpoch + 1
  const again = afterRise || afterRotation
  if (producerId !== state.producerId && !afterRotation) return { answer: 'INVALID_PRODUCER_ID_MAPPING' }
  if (!isValidEpoch(state, producerEpoch, { again, afterRise })) return { answer: 'PRODUCER_FENCED' }
  if (status === 'Ongoing') return { prepare: committed ? 'PrepareCommit' : 'PrepareAbort' }
  if (status === 'PrepareCommit' || status === 'PrepareAbort' || again) return { answer: ofEnded(state, committed) }
  // Nothing was added since the last end.
  return committed ? { answer: 'INVALID_TXN_STATE' } : { prepare: 'PrepareAbort' }
}

function isValidEpoch(
  { status, producerEpoch }: TransactionState, asked: number, { again, afterRise }: { readonly again: boolean; readonly afterRise: boolean },
): boolean {
  if (status === 'PrepareCommit' || status === 'PrepareAbort') return afterRise
  if (status === 'CompleteCommit' || status === 'CompleteAbort') return again || asked === producerEpoch
  return asked === producerEpoch
}

/** What somebody gets who ends what has ended, or is ending. */
function ofEnded({ status }: TransactionState, committed: boolean): KafkaErrorName {
  const same = committed ? status === 'PrepareCommit' || status === 'CompleteCommit' : status === 'PrepareAbort' || status === 'CompleteAbort'
  if (!same) return 'INVALID_TXN_STATE'
  return status === 'PrepareCommit' || status === 'PrepareAbort' ? 'CONCURRENT_TRANSACTIONS' : 'NONE'
}
