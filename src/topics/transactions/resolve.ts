/*
 * Transactions that were open when the last process ended. The partition knows them from its records; whether one was decided to commit is
 * in `__transaction_state`. All others are aborted, and their producers fenced. It happens when a partition is opened, before anybody reads
 * it; after a crash the log opens those itself that may have some.
 */
import { type PartitionLog } from '../../log/partition-log.ts'
import { type ProducerEntry } from '../../log/producer-rules.ts'
import { type TransactionEnd } from '../../log/transaction-part.ts'
import { type Markers } from './markers.ts'
import { type StoredTransaction } from './state-log.ts'
import { transactionStatuses } from '../../format/transaction-state.ts'

const PREPARE_COMMIT = transactionStatuses.indexOf('PrepareCommit')
const MAX_EPOCH = 0x7fff

/**
 * Ends what is open in these partitions. What cannot be stored now is tried again in the background, and committed readers wait for it.
 *
 * @param stored  gives the records of `__transaction_state`; asked only when something is open
 */
export async function resolveTransactions(
  logs: readonly PartitionLog[], markers: Markers, stored: () => Promise<Map<string, StoredTransaction>>,
): Promise<void> {
  const unresolved = logs.filter((log) => log.state === 'open' && log.openTransactions.length > 0)
  if (unresolved.length === 0) return
  const committed = [...(await stored()).values()].filter(({ transactionStatus }) => transactionStatus === PREPARE_COMMIT)
  const byProducer = new Map(committed.map((transaction) => [transaction.producerId, transaction]))
  await Promise.all(unresolved.flatMap((log) => log.openTransactions.map(async (open) => {
    const marker = endOf(log, open, byProducer.get(open.producerId))
    if (!(await markers.tryToStore(log, marker))) void markers.store(log, marker)
  })))
}

/** The marker that ends an open transaction. */
function endOf(log: PartitionLog, open: ProducerEntry, committed: StoredTransaction | undefined): TransactionEnd {
  const { producerId, epoch, coordinatorEpoch } = open
  const listed = committed?.transactionPartitions?.some(({ topic, partitionIds }) => topic === log.topic && partitionIds.includes(log.partition))
  const epochs = { producerId, coordinatorEpoch: Math.max(0, coordinatorEpoch) }
  // With the protocol's second version the record has the epoch behind that of the data; with the first, the same.
  const decided = committed === undefined || committed.clientTransactionVersion < 2 ? epoch : epoch + 1
  if (listed === true && committed!.producerEpoch === decided) {
    return { ...epochs, producerEpoch: committed!.producerEpoch, type: 'COMMIT' }
  }
  return { ...epochs, producerEpoch: Math.min(epoch + 1, MAX_EPOCH), type: 'ABORT' }
}
