/*
 * What one transaction of this process has in one partition: whose records they are, how many, and whether all of them are there. The writer
 * of the partition keeps it (writer.ts); what a transaction is as a whole, and when it ends, is the business of topics/transactions.
 */
import { type LogError } from '../base/errors.ts'

/** The records of one transaction in one partition. */
export class TransactionPart {
  readonly producerId: bigint
  readonly producerEpoch: number
  /** Records in batches that are sealed: the sequence with which its next batch begins. */
  sealed = 0
  /** Offset of its last record; −1 before the first. */
  lastOffset = -1
  /** Why some of its records are lost: such a transaction cannot be committed any more. */
  lost: LogError | undefined

  constructor(producerId: bigint, producerEpoch: number) {
    this.producerId = producerId
    this.producerEpoch = producerEpoch
  }
}

/** The end of a producer's transaction, as its marker tells it. */
export interface TransactionEnd {
  readonly producerId: bigint
  /** From here on the producer writes with this epoch; with an older one it is fenced. */
  readonly producerEpoch: number
  readonly coordinatorEpoch: number
  readonly type: 'COMMIT' | 'ABORT'
  /** It is written also where the producer has nothing open, when its epoch is new there: whoever had an older one may write no more. */
  readonly fences?: boolean
}
