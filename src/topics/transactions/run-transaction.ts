/*
 * A transaction around a piece of work, wherever it is stored: what `log.transaction` of a log in this process and of a cluster have in common.
 */
import { checkFunction } from '../../base/options.ts'
import { type WaitOptions } from '../abort.ts'
import { type TransactionStatus } from './transaction.ts'

/** A transaction that can be ended. */
interface Endable {
  readonly status: TransactionStatus
  commit(options?: WaitOptions): Promise<void>
  abort(): Promise<void>
}

/**
 * Begins a transaction, commits it when `work` is done, and gives what `work` gave; what `work` throws aborts it and is thrown. One that `work`
 * ended by itself is left as it is.
 *
 * @param begin  gives a promise only when that takes something to wait for
 * @param signal  aborted before the commit is asked for, it aborts the transaction; behind that it ends the waiting
 */
export async function runTransaction<X extends Endable, T>(
  begin: () => X | Promise<X>, work: (transaction: X) => Promise<T> | T, signal: AbortSignal | undefined,
): Promise<T> {
  checkFunction(work ?? null, 'what is done in a transaction')
  const begun = begin()
  const transaction = begun instanceof Promise ? await begun : begun
  let result: T
  try {
    result = await work(transaction)
    signal?.throwIfAborted()
  } catch (error) {
    if (transaction.status === 'open') await transaction.abort()
    throw error
  }
  if (transaction.status !== 'aborted' && transaction.status !== 'committed') await transaction.commit(signal && { signal })
  return result
}
