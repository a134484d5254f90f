/*
 * What a transaction of this process may be told.
 */
import { checkInteger, checkOptions, checkSignal, describe } from '../../base/options.ts'
import { type BeginOptions } from './local-transactions.ts'

/** How a transaction is begun. */
export interface TransactionOptions {
  /**
   * Makes it the only open transaction of its name: one that is open is aborted, and whoever goes on with it is told `LOG_PRODUCER_FENCED`.
   * Default: none, and any number of transactions side by side.
   */
  readonly transactionalId?: string
  /** Milliseconds after which a transaction that has not ended is aborted. Default 60,000; Infinity for never. */
  readonly timeoutMs?: number
  /**
   * Ends the waiting for its beginning. Of `log.transaction` also that for its end: what `work` has sent by then counts for nothing when it is
   * aborted before the commit is asked for; `work` itself, which is waited for, looks at the signal as it likes.
   */
  readonly signal?: AbortSignal
}

const DEFAULT_TIMEOUT_MS = 60_000
const LONGEST_TIMEOUT_MS = 0x7fff_ffff

/** How a transaction is begun of which nothing is said. */
export const defaultTransactionOptions: BeginOptions = { transactionalId: undefined, timeoutMs: DEFAULT_TIMEOUT_MS }

/** The options, checked and whole. */
export function checkedTransactionOptions(options: TransactionOptions): BeginOptions {
  checkOptions(options, ['transactionalId', 'timeoutMs', 'signal'], 'a transaction')
  const { transactionalId, timeoutMs = DEFAULT_TIMEOUT_MS, signal } = options
  checkSignal(signal)
  if (timeoutMs !== Infinity) checkInteger(timeoutMs, 'timeoutMs of a transaction', 1, LONGEST_TIMEOUT_MS)
  if (transactionalId !== undefined && (typeof transactionalId !== 'string' || transactionalId === '')) {
    throw new TypeError(`transactionalId is a name, not ${describe(transactionalId)}`)
  }
  signal?.throwIfAborted()
  return { transactionalId, timeoutMs }
}
